/* nats_config.h - what a nats-server configuration says about encryption at rest.
 *
 *   jetstream {
 *     store_dir: DIR
 *     key: "..."             also ek, encryption_key
 *     cipher: aes            chacha, chachapoly or aes; without it chachapoly
 *     prev_key: "..."        also prev_ek, prev_encryption_key
 *     sync_interval: "2m"    also sync; or always
 *   }
 *
 * Read as the server reads it: keywords in any case; `key: value`, `key = value`, `key value`;
 * double quotes with escapes, single quotes without, bare strings; $NAME from the enclosing
 * blocks, then from the environment, whose value is parsed again; include; # and // comments.
 * Everything else is skipped. Texts that the server refuses, or would take for something else
 * than a string, are refused; what it accepts while it silently does not encrypt is warned of.
 * Source: nats-server conf/lex.go, conf/parse.go; server/opts.go, parseJetStream.
 */
#ifndef ATREST_CLI_NATS_CONFIG_H
#define ATREST_CLI_NATS_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "cli/nats_syntax.h"

struct nats_config {
	uint8_t *key; /* secret memory; NULL when there is none, or an empty one */
	size_t key_bytes;
	uint8_t *prev_key;
	size_t prev_key_bytes;
	const char *cipher;  /* "chachapoly", "aes"; NULL when not configured */
	char *store_dir;     /* NULL when not configured */
	char *sync_interval; /* "always" or a duration as written; NULL when not configured */
	/* names of the environment variables that the keys came from, or "" */
	char key_variable[NATS_VARIABLE_BYTES], prev_key_variable[NATS_VARIABLE_BYTES];
};

typedef void nats_config_warn_fn(void *arg, const char *line);

/* Reads the file. Returns 0; -1, error holds "file:line: found, expected". out is empty then.
 * warn (NULL allowed) gets "file:line: text" lines; no key is ever part of a text. */
int nats_config_read(const char *path, const struct nats_config_source *source,
                     nats_config_warn_fn *warn, void *warn_arg, struct nats_config *out,
                     char *error, size_t error_bytes);

/* Wipes the keys. */
void nats_config_free(struct nats_config *config);

/* How the server would understand `key: $NAME` for a variable with this value: NULL when just so,
 * else a constant text that says what differs. */
const char *nats_config_variable_doubt(const char *value);

#endif
