/* run_targets.c - see run_targets.h. */
#include "cli/run_targets.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ciphers/cipher.h"
#include "harness/targets/nats_server.h"

#define REPLICAS_MAX 5
#define LETTERS      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

_Static_assert(PLAN_PATH_BYTES >= NATS_SERVER_PATH_BYTES, "a server's path fits a plan");
_Static_assert(sizeof(((struct plan_target *)0)->version) >= NATS_SERVER_VERSION_BYTES,
               "a server's version fits a plan");

/* ---- --target ---- */

/* Digits between two points, of a build to come with a suffix (2.12.0-RC.1); or a word that
 * scripts/get-nats-server knows. */
static int version_is_good(const char *version)
{
	unsigned major, minor, patch;
	const char *suffix;
	int used = 0;

	if (strcmp(version, "newest") == 0 || strcmp(version, "distribution") == 0)
		return 1;
	if (!isdigit((unsigned char)version[0]) ||
	    sscanf(version, "%5u.%5u.%5u%n", &major, &minor, &patch, &used) != 3)
		return 0;
	suffix = version + used;
	return suffix[0] == '\0' || (suffix[0] == '-' && suffix[1] != '\0' &&
	                             suffix[strspn(suffix, "-.0123456789" LETTERS)] == '\0');
}

/* NAME or nats:VERSION; the program of a nats-server and its true version are looked for. */
static int read_target(const char *text, struct plan_target *out)
{
	const char *colon = strchr(text, ':');
	const char *version = colon == NULL ? NULL : colon + 1;
	size_t name_bytes = strcspn(text, ":");
	struct target_error error;

	if (name_bytes >= sizeof(out->name))
		return complain(EXIT_USAGE, "--target: unknown target '%s'", text);
	snprintf(out->name, sizeof(out->name), "%.*s", (int)name_bytes, text);
	if (target_find(out->name) == NULL)
		return complain(EXIT_USAGE, "--target: unknown target '%s', expected one of %s",
		                out->name, target_names());
	if (strcmp(out->name, "nats") != 0)
		return version == NULL
		               ? EXIT_FINE
		               : complain(EXIT_USAGE,
		                          "--target: found '%s', expected a version for nats alone",
		                          text);
	if (version != NULL && !version_is_good(version))
		return complain(EXIT_USAGE,
		                "--target: found '%s', expected a version such as nats:2.15.1, "
		                "nats:newest or nats:distribution",
		                text);
	if (nats_server_find(version, out->program, out->version, &error) != 0)
		return complain(error.fault == TARGET_USAGE ? EXIT_USAGE : EXIT_SYSTEM,
		                "--target %s: %s", text, error.text);
	return EXIT_FINE;
}

static int read_list(const char *list, struct plan_request *request)
{
	const char *given[PLAN_CHOICES_MAX];
	char *copy = strdup(list), *at = copy, *piece;
	int code = copy == NULL ? complain(EXIT_SYSTEM, "out of memory") : EXIT_FINE;

	while (code == EXIT_FINE && (piece = strsep(&at, ",")) != NULL) {
		struct plan_target *target = &request->targets[request->target_count];
		if (*piece == '\0' || request->target_count == PLAN_CHOICES_MAX) {
			code = complain(EXIT_USAGE,
			                "--target: found '%s', expected a list such as store,nats",
			                list);
			break;
		}
		code = read_target(piece, target);
		for (size_t i = 0; code == EXIT_FINE && i < request->target_count; i++) {
			char name[PLAN_TARGET_BYTES];
			if (strcmp(request->targets[i].name, target->name) == 0 &&
			    strcmp(request->targets[i].version, target->version) == 0)
				code = complain(EXIT_USAGE,
				                "--target: %s is named twice: '%s' and '%s'",
				                plan_target_text(target, name), given[i], piece);
		}
		given[request->target_count] = piece;
		request->target_count += code == EXIT_FINE;
	}
	free(copy);
	return code;
}

/* ---- --server ---- */

/* nats://HOST:PORT and the like; nobody's name or password, which would end up in lists of
 * processes. */
static int url_is_good(const char *url, size_t bytes)
{
	static const char *const schemes[] = {"nats://", "tls://", "ws://", "wss://"};
	size_t i = 0;

	if (bytes == 0)
		return 0;
	for (size_t b = 0; b < bytes; b++)
		if ((unsigned char)url[b] <= ' ')
			return 0;
	if (memmem(url, bytes, "://", 3) == NULL)
		return 1;
	while (i < sizeof(schemes) / sizeof(schemes[0]) &&
	       strncmp(url, schemes[i], strlen(schemes[i])) != 0)
		i++;
	return i < sizeof(schemes) / sizeof(schemes[0]) && strlen(schemes[i]) < bytes;
}

static int read_server(const char *text, struct plan_request *request)
{
	size_t letters = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_");
	int named = text[letters] == '=';
	const char *urls = named ? text + letters + 1 : text;
	struct plan_server *server = &request->servers[request->server_count];

	if (request->server_count == PLAN_CHOICES_MAX)
		return complain(EXIT_USAGE, "--server: more than %d", PLAN_CHOICES_MAX);
	if (strchr(urls, '@') != NULL)
		return complain(
		        EXIT_USAGE,
		        "--server: found a user in the URL, expected --user and --password, "
		        "or NATS_USER and NATS_PASSWORD");
	for (const char *url = urls;; url += strcspn(url, ",") + 1) {
		if (!url_is_good(url, strcspn(url, ",")))
			return complain(
			        EXIT_USAGE,
			        "--server: found '%s', expected [CIPHER=]URL[,URL...] such as "
			        "aes=nats://127.0.0.1:4222",
			        text);
		if (url[strcspn(url, ",")] == '\0')
			break;
	}
	/* Cut, a long name is still that of no cipher. */
	snprintf(server->cipher, sizeof(server->cipher), "%.*s", named ? (int)letters : 4,
	         named ? text : "none");
	if (atr_cipher_find(server->cipher, NULL) == NULL)
		return complain(EXIT_USAGE,
		                "--server: unknown cipher '%.*s', expected none, chachapoly or aes",
		                (int)letters, text);
	for (size_t i = 0; i < request->server_count; i++)
		if (strcmp(request->servers[i].cipher, server->cipher) == 0)
			return complain(
			        EXIT_USAGE,
			        "--server: %s is named twice, expected all URLs of one cluster "
			        "in one list",
			        server->cipher);
	if ((size_t)snprintf(server->urls, sizeof(server->urls), "%s", urls) >=
	    sizeof(server->urls))
		return complain(EXIT_USAGE, "--server: more than %zu bytes of URLs",
		                sizeof(server->urls) - 1);
	request->server_count++;
	return EXIT_FINE;
}

/* The target of that name is there, or is added. */
static int add_server_target(struct plan_request *request)
{
	struct plan_target *target = &request->targets[request->target_count];

	for (size_t i = 0; i < request->target_count; i++)
		if (strcmp(request->targets[i].name, TARGET_SERVER_NAME) == 0)
			return EXIT_FINE;
	if (request->target_count == PLAN_CHOICES_MAX)
		return complain(EXIT_USAGE, "--target: more than %d with --server",
		                PLAN_CHOICES_MAX);
	request->target_count++;
	return read_target(TARGET_SERVER_NAME, target);
}

static int read_servers(const struct run_target_arguments *a, struct plan_request *request)
{
	for (size_t i = 0; i < a->servers.count; i++) {
		int code = read_server(a->servers.value[i], request);
		if (code != EXIT_FINE)
			return code;
	}
	if (request->server_count > 0)
		return add_server_target(request);
	for (size_t i = 0; i < request->target_count; i++)
		if (strcmp(request->targets[i].name, TARGET_SERVER_NAME) == 0)
			return complain(EXIT_USAGE,
			                "--target server: expected --server [CIPHER=]URL too");
	return EXIT_FINE;
}

/* ---- how to log in ---- */

/* An option, or the environment's. */
static int read_login(const char *option, const char *given, const char *variable, int is_file,
                      char *out, size_t bytes)
{
	const char *from = given != NULL ? option : variable;
	const char *value = given != NULL ? given : getenv(variable);

	if (value == NULL || (given == NULL && *value == '\0'))
		return EXIT_FINE;
	if (*value == '\0')
		return complain(EXIT_USAGE, "%s: found nothing", from);
	/* What is not a path may be a secret: it is not shown. */
	if ((size_t)snprintf(out, bytes, "%s", value) >= bytes)
		return complain(EXIT_USAGE, "%s: longer than %zu bytes", from, bytes - 1);
	if (is_file && access(value, R_OK) != 0)
		return complain(EXIT_USAGE, "%s: %s: cannot be read", from, value);
	return EXIT_FINE;
}

static int read_logins(const struct run_target_arguments *a, size_t servers, struct order_server *s)
{
	const struct {
		const char *option, *given, *variable;
		int is_file;
		char *out;
		size_t bytes;
	} logins[] = {
	        {"--user", a->user, "NATS_USER", 0, s->user, sizeof(s->user)},
	        {"--password", a->password, "NATS_PASSWORD", 0, s->password, sizeof(s->password)},
	        {"--creds", a->creds, "NATS_CREDS", 1, s->creds, sizeof(s->creds)},
	        {"--nkey", a->nkey, "NATS_NKEY", 1, s->nkey, sizeof(s->nkey)},
	        {"--tlscert", a->tls_cert, "NATS_CERT", 1, s->tls_cert, sizeof(s->tls_cert)},
	        {"--tlskey", a->tls_key, "NATS_KEY", 1, s->tls_key, sizeof(s->tls_key)},
	        {"--tlsca", a->tls_ca, "NATS_CA", 1, s->tls_ca, sizeof(s->tls_ca)},
	};

	for (size_t i = 0; i < sizeof(logins) / sizeof(logins[0]); i++) {
		int code = EXIT_FINE;
		if (servers > 0)
			code = read_login(logins[i].option, logins[i].given, logins[i].variable,
			                  logins[i].is_file, logins[i].out, logins[i].bytes);
		else if (logins[i].given != NULL)
			code = complain(EXIT_USAGE, "%s: expected --server too", logins[i].option);
		if (code != EXIT_FINE)
			return code;
	}
	if ((s->tls_cert[0] == '\0') != (s->tls_key[0] == '\0'))
		return complain(EXIT_USAGE, "%s: expected %s too",
		                s->tls_cert[0] == '\0' ? "--tlskey" : "--tlscert",
		                s->tls_cert[0] == '\0' ? "--tlscert" : "--tlskey");
	if (s->password[0] != '\0' && s->user[0] == '\0')
		return complain(EXIT_USAGE, "--password: expected --user too");
	return EXIT_FINE;
}

static int read_replicas(const struct run_target_arguments *a, uint32_t *replicas)
{
	uint64_t n = 1;

	if (a->replicas != NULL && (options_u64(a->replicas, &n) != 0 || n < 1 || n > REPLICAS_MAX))
		return complain(EXIT_USAGE, "--replicas: found '%s', expected 1 to %d", a->replicas,
		                REPLICAS_MAX);
	if (n > 1 && a->servers.count == 0)
		return complain(EXIT_USAGE,
		                "--replicas: expected --server too: a server that is started for a "
		                "run is alone");
	*replicas = (uint32_t)n;
	return EXIT_FINE;
}

/* ---- all of it ---- */

int run_targets_login(const struct run_target_arguments *a, struct run_options *options)
{
	return read_logins(a, options->request.server_count, &options->server);
}

int run_targets_read(const struct run_target_arguments *a, struct run_options *options)
{
	const char *list = a->target;
	int code = EXIT_FINE;

	if (list == NULL && a->servers.count == 0)
		list = "store";
	if (list != NULL)
		code = read_list(list, &options->request);
	if (code == EXIT_FINE)
		code = read_servers(a, &options->request);
	if (code == EXIT_FINE)
		code = run_targets_login(a, options);
	if (code == EXIT_FINE)
		code = read_replicas(a, &options->server.replicas);
	return code;
}

/* How many of the bytes of an argument are not part of a credential: the whole of it, or what is
 * before the '=' of an option and the value. However the option was shortened, values point into
 * their arguments. */
static size_t bytes_to_show(const struct run_target_arguments *a, const char *argument)
{
	const char *const hidden[] = {a->user,     a->password, a->creds, a->nkey,
	                              a->tls_cert, a->tls_key,  a->tls_ca};
	size_t bytes = strlen(argument);

	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		for (size_t b = 0; hidden[i] != NULL && b <= bytes; b++)
			if (argument + b == hidden[i])
				return b;
	return bytes;
}

char **run_targets_arguments(const struct run_target_arguments *a, int argc, char *const *argv)
{
	static const char mask[] = "***";
	size_t bytes = (size_t)(argc + 1) * sizeof(char *);
	char **copy, *text;

	for (int i = 0; i < argc; i++)
		bytes += strlen(argv[i]) + sizeof(mask);
	copy = malloc(bytes);
	if (copy == NULL)
		return NULL;
	text = (char *)(copy + argc + 1);
	for (int i = 0; i < argc; i++) {
		size_t shown = bytes_to_show(a, argv[i]);
		copy[i] = text;
		text += sprintf(text, "%.*s%s", (int)shown, argv[i],
		                shown < strlen(argv[i]) ? mask : "") +
		        1;
	}
	copy[argc] = NULL;
	return copy;
}
