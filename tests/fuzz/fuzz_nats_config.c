/* fuzz_nats_config.c - any text as a server configuration: refused with one line that names the
 * file, or taken. What follows a line "--" is the included file and the value of every variable.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/nats_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct texts {
	const uint8_t *first, *second;
	size_t first_bytes, second_bytes;
	char *variable;
};

static char *copy(const uint8_t *data, size_t bytes)
{
	char *text = malloc(bytes + 1);

	if (!text)
		abort();
	memcpy(text, data, bytes);
	text[bytes] = '\0';
	return text;
}

static const char *variable(void *arg, const char *name)
{
	const struct texts *texts = arg;

	return strcmp(name, "UNSET") == 0 ? NULL : texts->variable;
}

static char *file(void *arg, const char *path, size_t *bytes)
{
	const struct texts *texts = arg;

	if (strstr(path, "missing")) {
		errno = ENOENT;
		return NULL;
	}
	if (strcmp(path, "fuzz.conf") == 0) {
		*bytes = texts->first_bytes;
		return copy(texts->first, *bytes);
	}
	*bytes = texts->second_bytes;
	return copy(texts->second, *bytes);
}

static void warn(void *arg, const char *line)
{
	(void)arg;
	if (strchr(line, '\n'))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	const uint8_t *split = memmem(data, bytes, "\n--\n", 4);
	struct texts texts = {.first = data, .first_bytes = bytes};
	struct nats_config_source source = {.variable = variable, .file = file, .arg = &texts};
	struct nats_config config;
	char error[512] = "";

	if (split) {
		texts.first_bytes = (size_t)(split - data);
		texts.second = split + 4;
		texts.second_bytes = bytes - texts.first_bytes - 4;
	} else {
		texts.second = data;
	}
	texts.variable = copy(texts.second, texts.second_bytes);
	if (nats_config_read("fuzz.conf", &source, warn, NULL, &config, error, sizeof(error)) !=
	    0) {
		if (error[0] == '\0' || strchr(error, '\n') || config.key || config.prev_key)
			abort();
	}
	nats_config_free(&config);
	free(texts.variable);
	return 0;
}
