/* keyfile.h - sealed seeds: <n>.key of a block, meta.key of a stream or consumer.
 *
 *   KEK  = HMAC-SHA-256(server key, INFO || CONTEXT)
 *   file = nonce || AEAD-Seal(KEK, nonce, seed)        72 bytes chachapoly, 64 aes
 *
 *   INFO is the account name. CONTEXT: "<STREAM>" for stream meta and index.db,
 *   "<STREAM>:<n>" for block n, "<STREAM>.<CONSUMER>" for a consumer.
 */
#ifndef ATREST_STORE_KEYFILE_H
#define ATREST_STORE_KEYFILE_H

#include "ciphers/cipher.h"
#include "store/file.h"
#include "store/status.h"

#define ATR_SEED_BYTES        32
#define ATR_KEYFILE_BYTES_MAX (ATR_CIPHER_NONCE_BYTES_MAX + ATR_SEED_BYTES + ATR_CIPHER_TAG_BYTES)

/* The server keys a reader may try. Bytes are owned by secret memory; NULL = absent. */
struct atr_keyring {
	const uint8_t *key; /* current */
	size_t key_bytes;
	const uint8_t *prev_key; /* previous, for a rotation */
	size_t prev_key_bytes;
};

/* What a key file yields. Lives in secret memory or on a wiped stack frame. */
struct atr_seed {
	const struct atr_cipher *cipher; /* which algorithm sealed it */
	int under_prev_key;
	uint8_t nonce[ATR_CIPHER_NONCE_BYTES_MAX]; /* also the nonce of the block stream and idx */
	uint8_t seed[ATR_SEED_BYTES];
};

/* A fresh random seed and nonce for the cipher. ATR_ERANDOM on failure. */
enum atr_status atr_keyfile_make(const struct atr_file_table *files, const struct atr_cipher *c,
                                 struct atr_seed *out);

/* Seals seed under the server key for (info, context). sealed holds ATR_KEYFILE_BYTES_MAX. */
enum atr_status atr_keyfile_seal(const struct atr_seed *seed, const uint8_t *key, size_t key_bytes,
                                 const char *info, const char *context, uint8_t *sealed,
                                 size_t *sealed_bytes);

/* Opens a key file: the cipher follows from its size (72 or 64), confirmed by the tag; tries
 * the current key, then the previous one. chachapoly and aes are opened with provider
 * "openssl" unless prefer (NULL allowed) is of that algorithm.
 *
 * Returns ATR_OK; ATR_ENOKEY, the keyring is empty; ATR_EAUTH, wrong key or damaged;
 * ATR_EFORMAT, another size. *out is wiped unless ATR_OK.
 */
enum atr_status atr_keyfile_open(const struct atr_keyring *ring, const struct atr_cipher *prefer,
                                 const char *info, const char *context, const uint8_t *sealed,
                                 size_t sealed_bytes, struct atr_seed *out);

#endif
