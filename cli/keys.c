#include "cli/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ciphers/secret.h"
#include "cli/options.h"

#define NAME          "JS_KEY"
#define KEY_BYTES_MAX ((size_t)1024 * 1024)

extern char **environ;

/* JS_KEY, NUL-terminated, in secret memory; NULL when it is not set. */
static char *environment_key;

void keys_take_environment(void)
{
	size_t name_bytes = sizeof NAME - 1;

	for (char **e = environ; e != NULL && *e != NULL; e++) {
		char *value = *e + name_bytes + 1;
		size_t bytes;

		if (strncmp(*e, NAME "=", name_bytes + 1) != 0)
			continue;
		bytes = strlen(value);
		if (environment_key == NULL)
			environment_key = atr_secret_alloc(bytes + 1);
		if (environment_key != NULL)
			memcpy(environment_key, value, bytes + 1);
		/* /proc/PID/environ shows this very memory */
		atr_secret_wipe(value, bytes);
	}
	(void)unsetenv(NAME);
	if (environment_key != NULL)
		(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* Overwrites the variable a key was copied from, as JS_KEY was. */
static void wipe_variable(const char *name)
{
	char *value = name[0] != '\0' ? getenv(name) : NULL;

	if (value == NULL)
		return;
	atr_secret_wipe(value, strlen(value));
	(void)unsetenv(name);
}

static const char *variable(void *arg, const char *name)
{
	(void)arg;
	return strcmp(name, NAME) == 0 ? environment_key : getenv(name);
}

static void warn(void *arg, const char *line)
{
	(void)arg;
	warn_line("%s", line);
}

/* The bytes of a key file in secret memory. */
static int read_key_file(const char *path, uint8_t **out, size_t *out_bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	uint8_t *key = NULL;
	size_t used = 0;
	ssize_t n = 0;
	int code = EXIT_FINE;

	if (fd < 0)
		return complain(errno == ENOENT || errno == ENOTDIR ? EXIT_USAGE : EXIT_SYSTEM,
		                "key file %s: %s", path, strerror(errno));
	if (fstat(fd, &st) != 0 || S_ISDIR(st.st_mode)) {
		code = complain(EXIT_USAGE, "key file %s: a directory, expected a file", path);
		goto done;
	}
	/* A pipe has no size: room for the longest key, and one byte to see a longer one. */
	key = atr_secret_alloc(KEY_BYTES_MAX + 1);
	if (key == NULL) {
		code = complain(EXIT_SYSTEM, "key file %s: no memory", path);
		goto done;
	}
	while (used <= KEY_BYTES_MAX && (n = read(fd, key + used, KEY_BYTES_MAX + 1 - used)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		used += (size_t)n;
	}
	if (n < 0)
		code = complain(EXIT_SYSTEM, "key file %s: %s", path, strerror(errno));
	else if (used > KEY_BYTES_MAX)
		code = complain(EXIT_USAGE, "key file %s: longer than 1 MiB, expected a key", path);
	if (used > 0 && key[used - 1] == '\n')
		used--;
	if (code == EXIT_FINE && used == 0)
		code = complain(EXIT_USAGE, "key file %s: empty, expected a key", path);
done:
	(void)close(fd);
	if (code != EXIT_FINE) {
		atr_secret_free(key);
		return code;
	}
	*out = key;
	*out_bytes = used;
	return EXIT_FINE;
}

/* The configuration's keys, and that nothing else gives the same ones. */
static int load_config(const struct key_options *o, struct keys *out)
{
	static const struct nats_config_source source = {.variable = variable};
	char error[1024];

	if (o->nats_config == NULL)
		return EXIT_FINE;
	if (nats_config_read(o->nats_config, &source, warn, NULL, &out->config, error,
	                     sizeof error) != 0)
		return complain(EXIT_USAGE, "%s", error);
	wipe_variable(out->config.key_variable);
	wipe_variable(out->config.prev_key_variable);
	if (out->config.key != NULL && o->key_file != NULL)
		return complain(EXIT_USAGE,
		                "two sources for the key: --key-file and --nats-config %s",
		                o->nats_config);
	if (out->config.key != NULL && environment_key != NULL &&
	    strcmp(out->config.key_variable, NAME) != 0)
		return complain(EXIT_USAGE, "two sources for the key: JS_KEY and --nats-config %s",
		                o->nats_config);
	if (out->config.prev_key != NULL && o->prev_key_file != NULL)
		return complain(
		        EXIT_USAGE,
		        "two sources for the previous key: --prev-key-file and --nats-config %s",
		        o->nats_config);
	out->key = out->config.key;
	out->key_bytes = out->config.key_bytes;
	out->prev_key = out->config.prev_key;
	out->prev_key_bytes = out->config.prev_key_bytes;
	return EXIT_FINE;
}

static int load_environment(struct keys *out)
{
	const char *doubt;

	if (environment_key == NULL || out->key != NULL)
		return EXIT_FINE;
	if (environment_key[0] == '\0')
		return complain(EXIT_USAGE, "JS_KEY is empty, expected a key");
	doubt = nats_config_variable_doubt(environment_key);
	if (doubt != NULL)
		warn_line("JS_KEY is used as it is; as `key: $JS_KEY` in a configuration: %s",
		          doubt);
	out->key = (const uint8_t *)environment_key;
	out->key_bytes = strlen(environment_key);
	return EXIT_FINE;
}

int keys_load(const struct key_options *options, struct keys *out)
{
	int code;

	*out = (struct keys){0};
	keys_take_environment();
	if (options->key_file != NULL && environment_key != NULL)
		return complain(EXIT_USAGE, "two sources for the key: JS_KEY and --key-file %s",
		                options->key_file);
	code = load_config(options, out);
	if (code == EXIT_FINE)
		code = load_environment(out);
	if (code == EXIT_FINE && options->key_file != NULL) {
		code = read_key_file(options->key_file, &out->owned[0], &out->key_bytes);
		out->key = out->owned[0];
	}
	if (code == EXIT_FINE && options->prev_key_file != NULL) {
		code = read_key_file(options->prev_key_file, &out->owned[1], &out->prev_key_bytes);
		out->prev_key = out->owned[1];
	}
	if (code != EXIT_FINE)
		keys_free(out);
	else if (out->key != NULL || out->prev_key != NULL)
		(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return code;
}

void keys_free(struct keys *keys)
{
	nats_config_free(&keys->config);
	atr_secret_free(keys->owned[0]);
	atr_secret_free(keys->owned[1]);
	*keys = (struct keys){0};
}

int keys_cipher(const struct keys *keys, const char *name, const struct atr_cipher **out)
{
	if (name == NULL)
		name = keys->key == NULL             ? "none"
		       : keys->config.cipher != NULL ? keys->config.cipher
		                                     : "chachapoly";
	*out = atr_cipher_find(name, NULL);
	if (*out == NULL)
		return complain(EXIT_USAGE,
		                "--cipher: found '%s', expected none, chachapoly or aes", name);
	if (atr_cipher_encrypts(*out) && keys->key == NULL)
		return complain(EXIT_USAGE,
		                "cipher %s needs a key: give it with JS_KEY, --key-file or "
		                "--nats-config",
		                name);
	return EXIT_FINE;
}
