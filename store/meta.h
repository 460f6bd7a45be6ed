/* meta.h - meta.inf, meta.sum and meta.key of a stream or a consumer.
 *
 * meta.inf is one JSON object: "Created" and the configuration's members at the same level;
 * sealed as nonce || AEAD(seed of meta.key) when the store is encrypted. meta.sum is the hash
 * (hex) of meta.inf as stored.
 */
#ifndef ATREST_STORE_META_H
#define ATREST_STORE_META_H

#include <jansson.h>

#include "store/keyfile.h"

struct atr_meta {
	json_t *config;       /* whole object, "Created" included; owned, json_decref */
	int encrypted;        /* meta.key is there */
	struct atr_seed seed; /* valid when encrypted; the caller wipes it (atr_meta_free does) */
};

/* Reads and verifies the three files in directory.
 *
 * info, context  of the key derivation (keyfile.h); hash_name of meta.sum (hash.h).
 * ring           may hold no key.
 *
 * Whether meta.inf is clear text is decided by meta.key being there, never by its first byte.
 * Returns ATR_OK; ATR_ENOTSTORE, no meta.inf; ATR_ENOKEY; ATR_EAUTH; ATR_EFORMAT, the sum
 * differs, is missing, or the text does not parse.
 */
enum atr_status atr_meta_read(const struct atr_file_table *files, const char *directory,
                              const struct atr_keyring *ring, const char *info, const char *context,
                              const char *hash_name, struct atr_meta *out, struct atr_error *err);

/* The same without meta.sum, which is lost or wrong: what its absence leaves to believe is the
 * seal, or of clear text that it parses. */
enum atr_status atr_meta_read_unsummed(const struct atr_file_table *files, const char *directory,
                                       const struct atr_keyring *ring, const char *info,
                                       const char *context, struct atr_meta *out,
                                       struct atr_error *err);

/* Writes the three files, each by temporary name + rename, meta.key first, meta.inf last.
 * config is borrowed.
 * seed NULL: plaintext. */
enum atr_status atr_meta_write(const struct atr_file_table *files, const char *directory,
                               const struct atr_keyring *ring, const char *info,
                               const char *context, const char *hash_name, json_t *config,
                               const struct atr_seed *seed, struct atr_error *err);

/* The text of a meta.inf in clear: compact JSON with '<', '>' and '&' as the server writes them.
 * malloc'd, owned by the caller; NULL when memory is out. */
char *atr_meta_text(json_t *config, size_t *bytes);

/* nonce || AEAD(seed) form of o.dat and index.db. text is malloc'd, owned by the caller.
 * Returns ATR_OK or ATR_EAUTH. */
enum atr_status atr_meta_unseal(const struct atr_seed *seed, const uint8_t *sealed,
                                size_t sealed_bytes, uint8_t **text, size_t *text_bytes);

/* The other way: a fresh random nonce, then the sealed text. *sealed is malloc'd, owned by the
 * caller, NULL unless ATR_OK. */
enum atr_status atr_meta_seal(const struct atr_file_table *files, const struct atr_seed *seed,
                              const uint8_t *text, size_t text_bytes, uint8_t **sealed,
                              size_t *sealed_bytes);

/* Releases config and wipes the seed. */
void atr_meta_free(struct atr_meta *meta);

#endif
