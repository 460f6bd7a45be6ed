/* cipher_openssl.c - chachapoly and aes with OpenSSL 3.
 *
 * Algorithms are fetched once per process. A stream keeps its EVP context and lets it continue:
 * a new IV is set only when a call starts somewhere else than the last one ended.
 *
 * chachapoly: HChaCha20 gives the sub-key, the rest is plain ChaCha20 with the 12-byte nonce
 * 00 00 00 00 || nonce[16..23]. EVP_chacha20 takes LE32 block counter || nonce as its IV.
 * aes: the IV of a block is the nonce plus its number, one 128-bit big-endian integer. OpenSSL
 * carries likewise.
 */
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/cipher_internal.h"
#include "ciphers/secret.h"

#define KEY_BYTES        ATR_CIPHER_KEY_BYTES
#define TAG_BYTES        ATR_CIPHER_TAG_BYTES
#define IV_BYTES         16u
#define AES_BLOCK_BYTES  16u
#define HCHACHA_BYTES    16u /* of the nonce, used up by HChaCha20 */
#define REST_BYTES       8u  /* of the nonce, left for ChaCha20 */
#define AEAD_NONCE_BYTES 12u

/* EVP counts in int; a multiple of every block size, so that a piece ends on a boundary. */
#define PIECE_BYTES ((size_t)1 << 30)

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct {
	EVP_CIPHER *chacha20;
	EVP_CIPHER *chacha20_poly1305;
	EVP_CIPHER *aes_ctr;
	EVP_CIPHER *aes_gcm;
	char text[64];
} openssl;

static void fetch(void)
{
	openssl.chacha20 = EVP_CIPHER_fetch(NULL, "ChaCha20", NULL);
	openssl.chacha20_poly1305 = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
	openssl.aes_ctr = EVP_CIPHER_fetch(NULL, "AES-256-CTR", NULL);
	openssl.aes_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	snprintf(openssl.text, sizeof(openssl.text), "OpenSSL %s",
	         OpenSSL_version(OPENSSL_VERSION_STRING));
}

static const char *library(void)
{
	pthread_once(&once, fetch);
	return openssl.text;
}

static int update(EVP_CIPHER_CTX *ctx, const uint8_t *in, uint8_t *out, size_t bytes)
{
	int done;

	while (bytes) {
		size_t piece = bytes < PIECE_BYTES ? bytes : PIECE_BYTES;

		if (EVP_CipherUpdate(ctx, out, &done, in, (int)piece) != 1 || done != (int)piece)
			return -1;
		in += piece;
		out += piece;
		bytes -= piece;
	}
	return 0;
}

/* ---- AEAD ---- */

static int aead_seal(const EVP_CIPHER *algorithm, const uint8_t *key, const uint8_t *nonce,
                     size_t nonce_bytes, const uint8_t *text, size_t text_bytes, uint8_t *sealed)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int rc = -1;
	int done;

	/* The nonce's length comes before the nonce: 16 bytes are not GCM's default. */
	if (ctx && algorithm && EVP_EncryptInit_ex2(ctx, algorithm, NULL, NULL, NULL) == 1 &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)nonce_bytes, NULL) == 1 &&
	    EVP_EncryptInit_ex2(ctx, NULL, key, nonce, NULL) == 1 &&
	    update(ctx, text, sealed, text_bytes) == 0 &&
	    EVP_EncryptFinal_ex(ctx, sealed + text_bytes, &done) == 1 &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, sealed + text_bytes) == 1)
		rc = 0;
	EVP_CIPHER_CTX_free(ctx);
	return rc;
}

static int aead_open(const EVP_CIPHER *algorithm, const uint8_t *key, const uint8_t *nonce,
                     size_t nonce_bytes, const uint8_t *sealed, size_t text_bytes, uint8_t *text)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t tag[TAG_BYTES];
	uint8_t none[IV_BYTES];
	int rc = -1;
	int done;

	memcpy(tag, sealed + text_bytes, TAG_BYTES);
	if (ctx && algorithm && EVP_DecryptInit_ex2(ctx, algorithm, NULL, NULL, NULL) == 1 &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)nonce_bytes, NULL) == 1 &&
	    EVP_DecryptInit_ex2(ctx, NULL, key, nonce, NULL) == 1 &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) == 1 &&
	    update(ctx, sealed, text, text_bytes) == 0 &&
	    EVP_DecryptFinal_ex(ctx, none, &done) == 1)
		rc = 0;
	EVP_CIPHER_CTX_free(ctx);
	return rc;
}

static int aes_seal(const uint8_t *key, const uint8_t *nonce, const uint8_t *text,
                    size_t text_bytes, uint8_t *sealed)
{
	pthread_once(&once, fetch);
	return aead_seal(openssl.aes_gcm, key, nonce, IV_BYTES, text, text_bytes, sealed);
}

static int aes_open(const uint8_t *key, const uint8_t *nonce, const uint8_t *sealed,
                    size_t text_bytes, uint8_t *text)
{
	pthread_once(&once, fetch);
	return aead_open(openssl.aes_gcm, key, nonce, IV_BYTES, sealed, text_bytes, text);
}

/* XChaCha20-Poly1305 is ChaCha20-Poly1305 under the sub-key, with 0 || the rest of the nonce. */
static int chachapoly_seal(const uint8_t *key, const uint8_t *nonce, const uint8_t *text,
                           size_t text_bytes, uint8_t *sealed)
{
	uint8_t subkey[KEY_BYTES];
	uint8_t iv[AEAD_NONCE_BYTES] = {0};
	int rc;

	pthread_once(&once, fetch);
	memcpy(iv + sizeof(iv) - REST_BYTES, nonce + HCHACHA_BYTES, REST_BYTES);
	rc = atr_cipher_hchacha20(key, nonce, subkey);
	if (rc == 0)
		rc = aead_seal(openssl.chacha20_poly1305, subkey, iv, sizeof(iv), text, text_bytes,
		               sealed);
	atr_secret_wipe(subkey, sizeof(subkey));
	return rc;
}

static int chachapoly_open(const uint8_t *key, const uint8_t *nonce, const uint8_t *sealed,
                           size_t text_bytes, uint8_t *text)
{
	uint8_t subkey[KEY_BYTES];
	uint8_t iv[AEAD_NONCE_BYTES] = {0};
	int rc;

	pthread_once(&once, fetch);
	memcpy(iv + sizeof(iv) - REST_BYTES, nonce + HCHACHA_BYTES, REST_BYTES);
	rc = atr_cipher_hchacha20(key, nonce, subkey);
	if (rc == 0)
		rc = aead_open(openssl.chacha20_poly1305, subkey, iv, sizeof(iv), sealed,
		               text_bytes, text);
	atr_secret_wipe(subkey, sizeof(subkey));
	return rc;
}

/* ---- block stream ---- */

struct stream {
	EVP_CIPHER_CTX *ctx;  /* on the heap; OpenSSL cleanses the key schedule on free */
	uint64_t next;        /* offset at which ctx continues */
	uint8_t iv[IV_BYTES]; /* at block 0: aes the nonce, chachapoly 0 || nonce */
	int unsure;           /* the last call failed: nobody knows where ctx stands */
};

static void stream_free(void *state)
{
	struct stream *s = state;

	if (!s)
		return;
	EVP_CIPHER_CTX_free(s->ctx);
	free(s);
}

/* Keyed later: with a NULL cipher, so that OpenSSL keeps the memory it allocates here. */
static void *stream_new(const EVP_CIPHER *algorithm)
{
	struct stream *s;

	if (!algorithm)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->ctx = EVP_CIPHER_CTX_new();
	if (!s->ctx || EVP_EncryptInit_ex2(s->ctx, algorithm, NULL, NULL, NULL) != 1) {
		stream_free(s);
		return NULL;
	}
	return s;
}

static void *aes_stream_new(void)
{
	pthread_once(&once, fetch);
	return stream_new(openssl.aes_ctr);
}

static void *chachapoly_stream_new(void)
{
	pthread_once(&once, fetch);
	return stream_new(openssl.chacha20);
}

static int stream_start(struct stream *s, const uint8_t *key)
{
	s->next = 0;
	s->unsure = EVP_EncryptInit_ex2(s->ctx, NULL, key, s->iv, NULL) != 1;
	return s->unsure ? -1 : 0;
}

static int aes_stream_key(void *state, const uint8_t *key, const uint8_t *nonce)
{
	struct stream *s = state;

	memcpy(s->iv, nonce, IV_BYTES);
	return stream_start(s, key);
}

static int chachapoly_stream_subkey(void *state, const uint8_t subkey[32], const uint8_t rest[8])
{
	struct stream *s = state;

	memset(s->iv, 0, IV_BYTES - REST_BYTES);
	memcpy(s->iv + IV_BYTES - REST_BYTES, rest, REST_BYTES);
	return stream_start(s, subkey);
}

static int chachapoly_stream_key(void *state, const uint8_t *key, const uint8_t *nonce)
{
	uint8_t subkey[KEY_BYTES];
	int rc = atr_cipher_hchacha20(key, nonce, subkey);

	if (rc == 0)
		rc = chachapoly_stream_subkey(state, subkey, nonce + HCHACHA_BYTES);
	atr_secret_wipe(subkey, sizeof(subkey));
	return rc;
}

/* Sets the IV of the block that holds offset and steps over what lies before it there. */
static int stream_seek(struct stream *s, const uint8_t iv[IV_BYTES], size_t within)
{
	uint8_t skip[ATR_CHACHA_BLOCK_BYTES] = {0};
	int rc = -1;

	if (EVP_EncryptInit_ex2(s->ctx, NULL, NULL, iv, NULL) == 1)
		rc = update(s->ctx, skip, skip, within);
	atr_secret_wipe(skip, within); /* it holds key stream now */
	return rc;
}

static int aes_seek(struct stream *s, uint64_t offset)
{
	uint8_t iv[IV_BYTES];
	uint64_t carry = offset / AES_BLOCK_BYTES;

	for (size_t i = IV_BYTES; i-- > 0;) {
		carry += s->iv[i]; /* cannot wrap: an offset counts below 2^60 blocks */
		iv[i] = (uint8_t)carry;
		carry >>= 8;
	}
	return stream_seek(s, iv, offset % AES_BLOCK_BYTES);
}

static int chachapoly_seek(struct stream *s, uint64_t offset)
{
	uint8_t iv[IV_BYTES];
	uint64_t block = offset / ATR_CHACHA_BLOCK_BYTES;

	memcpy(iv, s->iv, IV_BYTES);
	for (size_t i = 0; i < 4; i++)
		iv[i] = (uint8_t)(block >> 8 * i);
	return stream_seek(s, iv, offset % ATR_CHACHA_BLOCK_BYTES);
}

static int stream_continue(struct stream *s, uint64_t offset, const uint8_t *in, uint8_t *out,
                           size_t bytes)
{
	s->unsure = update(s->ctx, in, out, bytes) != 0;
	s->next = offset + bytes;
	return s->unsure ? -1 : 0;
}

static int aes_stream_xor(void *state, uint64_t offset, const uint8_t *in, uint8_t *out,
                          size_t bytes)
{
	struct stream *s = state;

	if ((s->next != offset || s->unsure) && aes_seek(s, offset) != 0) {
		s->unsure = 1;
		return -1;
	}
	return stream_continue(s, offset, in, out, bytes);
}

static int chachapoly_stream_xor(void *state, uint64_t offset, const uint8_t *in, uint8_t *out,
                                 size_t bytes)
{
	struct stream *s = state;

	if ((s->next != offset || s->unsure) && chachapoly_seek(s, offset) != 0) {
		s->unsure = 1;
		return -1;
	}
	return stream_continue(s, offset, in, out, bytes);
}

const struct atr_cipher atr_cipher_openssl_chachapoly = {
        .name = "chachapoly",
        .provider = "openssl",
        .library = library,
        .nonce_bytes = HCHACHA_BYTES + REST_BYTES,
        .tag_bytes = TAG_BYTES,
        .direct_bytes = 2048,
        .stream_bytes_max = ATR_CHACHA_STREAM_BYTES_MAX,
        .seal = chachapoly_seal,
        .open = chachapoly_open,
        .stream_new = chachapoly_stream_new,
        .stream_key = chachapoly_stream_key,
        .stream_subkey = chachapoly_stream_subkey,
        .stream_xor = chachapoly_stream_xor,
        .stream_free = stream_free,
};

const struct atr_cipher atr_cipher_openssl_aes = {
        .name = "aes",
        .provider = "openssl",
        .library = library,
        .nonce_bytes = IV_BYTES,
        .tag_bytes = TAG_BYTES,
        .direct_bytes = 1024,
        .stream_bytes_max = UINT64_MAX,
        .seal = aes_seal,
        .open = aes_open,
        .stream_new = aes_stream_new,
        .stream_key = aes_stream_key,
        .stream_xor = aes_stream_xor,
        .stream_free = stream_free,
};
