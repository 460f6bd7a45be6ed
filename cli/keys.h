/* keys.h - where the server key of a store comes from; never from argv.
 *
 *   JS_KEY             of the environment, used raw
 *   --key-file FILE    the bytes of the file, one trailing newline removed
 *   --prev-key-file    the previous key, the same way
 *   --nats-config FILE the server's own configuration (nats_config.h)
 *
 * A variable that a configuration takes a key from is overwritten like JS_KEY. More than one source
 * for one key is refused. Keys live in locked memory and are wiped; a process that holds one is not
 * dumpable.
 */
#ifndef ATREST_CLI_KEYS_H
#define ATREST_CLI_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "ciphers/cipher.h"
#include "cli/nats_config.h"

/* The options, as the command's table fills them. */
struct key_options {
	const char *key_file;
	const char *prev_key_file;
	const char *nats_config;
};

/* Rows of a command's option table; o is its struct, which has a member `keys`. */
/* clang-format off */
#define KEY_OPTIONS(o)                                                                             \
	{"key-file", 0, OPTION_TEXT, "FILE",                                                       \
	 "the server key: the bytes of FILE, one trailing newline\n"                               \
	 "removed; without it JS_KEY of the environment",                                          \
	 offsetof(o, keys.key_file)},                                                              \
	{"prev-key-file", 0, OPTION_TEXT, "FILE", "the previous server key (rotation)",            \
	 offsetof(o, keys.prev_key_file)},                                                         \
	{"nats-config", 0, OPTION_TEXT, "FILE",                                                    \
	 "keys, cipher and store_dir of a nats-server configuration",                              \
	 offsetof(o, keys.nats_config)}
/* clang-format on */

struct keys {
	const uint8_t *key; /* NULL when there is none */
	size_t key_bytes;
	const uint8_t *prev_key;
	size_t prev_key_bytes;
	struct nats_config config; /* empty without --nats-config */
	uint8_t *owned[2];
};

/* Copies JS_KEY into locked memory and overwrites it in the environment. The first thing main
 * does; later calls do nothing. */
void keys_take_environment(void);

/* Finds the keys. Returns EXIT_FINE, also when there is none; EXIT_USAGE or EXIT_SYSTEM after
 * one line on stderr. */
int keys_load(const struct key_options *options, struct keys *out);
void keys_free(struct keys *keys);

/* The cipher of a stream that is made: name, or where that is NULL what follows from the keys: that
 * of the configuration, chachapoly with a key, none without. EXIT_FINE, or EXIT_USAGE after one
 * line. */
int keys_cipher(const struct keys *keys, const char *name, const struct atr_cipher **out);

#endif
