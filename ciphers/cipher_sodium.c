/* cipher_sodium.c - chachapoly with libsodium.
 *
 * Block stream: HChaCha20 once per key and nonce, then ChaCha20 with the 8 remaining nonce bytes
 * and a block counter; libsodium's XChaCha20 does the same two steps in every call. Below 2^38
 * bytes its 64-bit counter equals the 32-bit one with four zero bytes before the nonce.
 */
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "ciphers/cipher_internal.h"
#include "ciphers/secret.h"

struct stream {
	uint8_t subkey[crypto_stream_chacha20_KEYBYTES];
	uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
	uint8_t block[ATR_CHACHA_BLOCK_BYTES]; /* key stream of a block entered in its middle */
};

_Static_assert(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES == ATR_CIPHER_NONCE_BYTES_MAX,
               "24-byte nonce");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_ABYTES == ATR_CIPHER_TAG_BYTES, "16-byte tag");
_Static_assert(crypto_core_hchacha20_INPUTBYTES + crypto_stream_chacha20_NONCEBYTES ==
                       ATR_CIPHER_NONCE_BYTES_MAX,
               "the nonce is split between HChaCha20 and ChaCha20");

int atr_cipher_hchacha20(const uint8_t key[32], const uint8_t nonce[16], uint8_t subkey[32])
{
	if (atr_secret_init() != 0)
		return -1;
	return crypto_core_hchacha20(subkey, nonce, key, NULL);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char library_text[64];

static void name_library(void)
{
	snprintf(library_text, sizeof(library_text), "libsodium %s", sodium_version_string());
}

static const char *library(void)
{
	pthread_once(&once, name_library);
	return library_text;
}

static int seal(const uint8_t *key, const uint8_t *nonce, const uint8_t *text, size_t text_bytes,
                uint8_t *sealed)
{
	if (atr_secret_init() != 0)
		return -1;
	return crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, NULL, text, text_bytes, NULL, 0,
	                                                  NULL, nonce, key);
}

static int open_sealed(const uint8_t *key, const uint8_t *nonce, const uint8_t *sealed,
                       size_t text_bytes, uint8_t *text)
{
	if (atr_secret_init() != 0)
		return -1;
	return crypto_aead_xchacha20poly1305_ietf_decrypt(
	        text, NULL, NULL, sealed, text_bytes + ATR_CIPHER_TAG_BYTES, NULL, 0, nonce, key);
}

static void *stream_new(void)
{
	return atr_secret_alloc(sizeof(struct stream));
}

static int stream_subkey(void *state, const uint8_t subkey[32], const uint8_t rest[8])
{
	struct stream *s = state;

	memcpy(s->subkey, subkey, sizeof(s->subkey));
	memcpy(s->nonce, rest, sizeof(s->nonce));
	return 0;
}

static int stream_key(void *state, const uint8_t *key, const uint8_t *nonce)
{
	uint8_t subkey[crypto_stream_chacha20_KEYBYTES];
	int rc = atr_cipher_hchacha20(key, nonce, subkey);

	if (rc == 0)
		rc = stream_subkey(state, subkey, nonce + crypto_core_hchacha20_INPUTBYTES);
	atr_secret_wipe(subkey, sizeof(subkey));
	return rc;
}

/* From the middle of a block: its key stream goes into s->block, the rest of it is used. */
static int xor_first_block(struct stream *s, uint64_t offset, const uint8_t *in, uint8_t *out,
                           size_t bytes)
{
	const uint8_t *k = s->block + offset % sizeof(s->block);

	memset(s->block, 0, sizeof(s->block));
	if (crypto_stream_chacha20_xor_ic(s->block, s->block, sizeof(s->block), s->nonce,
	                                  offset / sizeof(s->block), s->subkey) != 0)
		return -1;
	for (size_t i = 0; i < bytes; i++)
		out[i] = in[i] ^ k[i];
	return 0;
}

static int stream_xor(void *state, uint64_t offset, const uint8_t *in, uint8_t *out, size_t bytes)
{
	struct stream *s = state;
	size_t within = offset % sizeof(s->block);

	if (within) {
		size_t n = sizeof(s->block) - within;

		if (n > bytes)
			n = bytes;
		if (xor_first_block(s, offset, in, out, n) != 0)
			return -1;
		offset += n;
		in += n;
		out += n;
		bytes -= n;
	}
	if (!bytes)
		return 0;
	return crypto_stream_chacha20_xor_ic(out, in, bytes, s->nonce, offset / sizeof(s->block),
	                                     s->subkey);
}

const struct atr_cipher atr_cipher_sodium_chachapoly = {
        .name = "chachapoly",
        .provider = "sodium",
        .library = library,
        .nonce_bytes = 24,
        .tag_bytes = 16,
        .direct_bytes = 8192,
        .stream_bytes_max = ATR_CHACHA_STREAM_BYTES_MAX,
        .seal = seal,
        .open = open_sealed,
        .stream_new = stream_new,
        .stream_key = stream_key,
        .stream_subkey = stream_subkey,
        .stream_xor = stream_xor,
        .stream_free = atr_secret_free,
};
