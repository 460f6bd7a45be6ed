/* cipher_internal.h - the function table a back end fills in; for ciphers/ and its tests alone.
 *
 * cipher.c checks arguments, limits and key stream made ahead; a back end is handed what it can
 * do: bytes > 0, offsets that stay below stream_bytes_max. Functions return 0 or -1.
 */
#ifndef ATREST_CIPHERS_CIPHER_INTERNAL_H
#define ATREST_CIPHERS_CIPHER_INTERNAL_H

#include "ciphers/cipher.h"

/* ChaCha20's block counter has 32 bits: 2^32 blocks of 64 bytes. */
#define ATR_CHACHA_STREAM_BYTES_MAX (UINT64_C(1) << 38)
#define ATR_CHACHA_BLOCK_BYTES      64u

struct atr_cipher {
	const char *name;
	const char *provider;
	const char *(*library)(void);
	size_t nonce_bytes;
	size_t tag_bytes;
	uint64_t stream_bytes_max; /* first offset the stream cannot reach */
	/* Pieces of this size and more are not worth making key stream ahead for: the library's
	 * fixed cost per call is small against them, the extra pass over made key stream is not. */
	size_t direct_bytes;

	/* AEAD; NULL where there is none. sealed is text_bytes + tag_bytes long. open leaves
	 * whatever it likes in text when it fails: cipher.c wipes. */
	int (*seal)(const uint8_t *key, const uint8_t *nonce, const uint8_t *text,
	            size_t text_bytes, uint8_t *sealed);
	int (*open)(const uint8_t *key, const uint8_t *nonce, const uint8_t *sealed,
	            size_t text_bytes, uint8_t *text);

	/* Block stream. state is the back end's; new gives one without key (NULL: failed), key
	 * makes it ready at any offset and allocates nothing, free wipes. */
	void *(*stream_new)(void);
	int (*stream_key)(void *state, const uint8_t *key, const uint8_t *nonce);
	/* chachapoly: the second half of stream_key, which is RFC 8439's ChaCha20 with the nonce
	 * 00 00 00 00 || rest; in the table so that its known answers can be run. Else NULL. */
	int (*stream_subkey)(void *state, const uint8_t subkey[32], const uint8_t rest[8]);
	int (*stream_xor)(void *state, uint64_t offset, const uint8_t *in, uint8_t *out,
	                  size_t bytes);
	void (*stream_free)(void *state);
};

extern const struct atr_cipher atr_cipher_none;
extern const struct atr_cipher atr_cipher_openssl_chachapoly;
extern const struct atr_cipher atr_cipher_openssl_aes;
extern const struct atr_cipher atr_cipher_sodium_chachapoly;

/* subkey = HChaCha20(key, nonce[0..15]): XChaCha20 is ChaCha20 under it (draft-irtf-cfrg-xchacha
 * section 2.2). libsodium's; OpenSSL has none. The caller wipes subkey. */
int atr_cipher_hchacha20(const uint8_t key[32], const uint8_t nonce[16], uint8_t subkey[32]);

/* libsodium is initialised once per process, from any thread. 0, or -1. */
int atr_secret_init(void);

#endif
