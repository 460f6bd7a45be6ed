/* cipher.c - list and look-up, argument checks, key stream made ahead. See cipher.h. */
#include "ciphers/cipher.h"

#include <stdlib.h>
#include <string.h>

#include "ciphers/cipher_internal.h"
#include "ciphers/secret.h"

/* The first of a name is that algorithm's default. */
static const struct atr_cipher *const all[] = {
        &atr_cipher_none,
        &atr_cipher_openssl_chachapoly,
        &atr_cipher_sodium_chachapoly,
        &atr_cipher_openssl_aes,
};

#define ALL_COUNT (sizeof(all) / sizeof(all[0]))

#define AHEAD_UNIT 64u

struct atr_keystream {
	const struct atr_cipher *cipher;
	void *state;          /* the back end's */
	uint64_t next;        /* offset where the last call ended */
	uint8_t *ahead;       /* key stream of offsets ahead_start .. ahead_end - 1; may be NULL */
	size_t ahead_bytes;   /* how much is made at a time */
	uint64_t ahead_start; /* a multiple of AHEAD_UNIT */
	uint64_t ahead_end;
};

/* ---- list and look-up ---- */

const struct atr_cipher *atr_cipher_at(size_t index)
{
	return index < ALL_COUNT ? all[index] : NULL;
}

const struct atr_cipher *atr_cipher_find(const char *name, const char *provider)
{
	for (size_t i = 0; i < ALL_COUNT; i++)
		if (strcmp(all[i]->name, name) == 0 &&
		    (!provider || strcmp(all[i]->provider, provider) == 0))
			return all[i];
	return NULL;
}

const char *atr_cipher_name(const struct atr_cipher *c)
{
	return c->name;
}

const char *atr_cipher_provider(const struct atr_cipher *c)
{
	return c->provider;
}

const char *atr_cipher_library(const struct atr_cipher *c)
{
	return c->library();
}

size_t atr_cipher_nonce_bytes(const struct atr_cipher *c)
{
	return c->nonce_bytes;
}

size_t atr_cipher_tag_bytes(const struct atr_cipher *c)
{
	return c->tag_bytes;
}

int atr_cipher_encrypts(const struct atr_cipher *c)
{
	return c->seal != NULL;
}

/* ---- AEAD ---- */

int atr_cipher_seal(const struct atr_cipher *c, const uint8_t key[ATR_CIPHER_KEY_BYTES],
                    const uint8_t *nonce, const uint8_t *text, size_t text_bytes, uint8_t *sealed)
{
	if (!c->seal || text_bytes > SIZE_MAX - c->tag_bytes)
		return -1;
	return c->seal(key, nonce, text, text_bytes, sealed);
}

int atr_cipher_open(const struct atr_cipher *c, const uint8_t key[ATR_CIPHER_KEY_BYTES],
                    const uint8_t *nonce, const uint8_t *sealed, size_t sealed_bytes, uint8_t *text)
{
	size_t text_bytes;

	if (!c->open || sealed_bytes < c->tag_bytes)
		return -1;
	text_bytes = sealed_bytes - c->tag_bytes;
	if (c->open(key, nonce, sealed, text_bytes, text) == 0)
		return 0;
	if (text_bytes)
		atr_secret_wipe(text, text_bytes);
	return -1;
}

/* ---- block stream ---- */

struct atr_keystream *atr_keystream_new(const struct atr_cipher *c,
                                        const uint8_t key[ATR_CIPHER_KEY_BYTES],
                                        const uint8_t *nonce, size_t ahead_bytes)
{
	struct atr_keystream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->cipher = c;
	s->state = c->stream_new();
	if (!s->state)
		goto failed;
	if (ahead_bytes && atr_cipher_encrypts(c)) {
		if (ahead_bytes > SIZE_MAX - AHEAD_UNIT)
			goto failed;
		s->ahead_bytes = (ahead_bytes + AHEAD_UNIT - 1) / AHEAD_UNIT * AHEAD_UNIT;
		s->ahead = atr_secret_alloc(s->ahead_bytes);
		if (!s->ahead)
			goto failed;
	}
	if (c->stream_key(s->state, key, nonce) != 0)
		goto failed;
	return s;
failed:
	atr_keystream_free(s);
	return NULL;
}

void atr_keystream_free(struct atr_keystream *s)
{
	if (!s)
		return;
	atr_secret_free(s->ahead);
	s->cipher->stream_free(s->state);
	free(s);
}

int atr_keystream_rekey(struct atr_keystream *s, const uint8_t key[ATR_CIPHER_KEY_BYTES],
                        const uint8_t *nonce)
{
	if (s->ahead)
		atr_secret_wipe(s->ahead, s->ahead_bytes);
	s->ahead_start = s->ahead_end = 0;
	s->next = 0;
	return s->cipher->stream_key(s->state, key, nonce);
}

/* 16 bytes at any address, as one register where the machine has such. */
typedef uint8_t lane __attribute__((vector_size(16), aligned(1), may_alias));

/* out may be in: each group is read whole before it is written. */
static void xor_bytes(const uint8_t *in, const uint8_t *key_stream, uint8_t *out, size_t bytes)
{
	size_t i = 0;

	for (; bytes - i >= 4 * sizeof(lane); i += 4 * sizeof(lane)) {
		const lane *a = (const lane *)(in + i);
		const lane *b = (const lane *)(key_stream + i);
		lane *to = (lane *)(out + i);
		lane w = a[0] ^ b[0], x = a[1] ^ b[1], y = a[2] ^ b[2], z = a[3] ^ b[3];

		to[0] = w;
		to[1] = x;
		to[2] = y;
		to[3] = z;
	}
	for (; i < bytes; i++)
		out[i] = in[i] ^ key_stream[i];
}

/* Makes key stream from the block that holds offset on, not past the stream's end. */
static int make_ahead(struct atr_keystream *s, uint64_t offset)
{
	uint64_t start = offset - offset % AHEAD_UNIT;
	uint64_t left = s->cipher->stream_bytes_max - start;
	size_t bytes = left < s->ahead_bytes ? (size_t)left : s->ahead_bytes;

	s->ahead_start = s->ahead_end = start;
	memset(s->ahead, 0, bytes);
	if (s->cipher->stream_xor(s->state, start, s->ahead, s->ahead, bytes) != 0)
		return -1;
	s->ahead_end = start + bytes;
	return 0;
}

int atr_keystream_xor(struct atr_keystream *s, uint64_t offset, const uint8_t *in, uint8_t *out,
                      size_t bytes)
{
	/* Key stream is made ahead for whoever continues; a jump may be a single look. */
	int continues = offset == s->next;

	if (bytes > s->cipher->stream_bytes_max || offset > s->cipher->stream_bytes_max - bytes)
		return -1;
	s->next = offset + bytes;
	while (bytes) {
		size_t n;

		if (offset >= s->ahead_end || offset < s->ahead_start) {
			if (!s->ahead || !continues || bytes >= s->cipher->direct_bytes)
				return s->cipher->stream_xor(s->state, offset, in, out, bytes);
			if (make_ahead(s, offset) != 0)
				return -1;
		}
		n = s->ahead_end - offset < bytes ? (size_t)(s->ahead_end - offset) : bytes;
		xor_bytes(in, s->ahead + (offset - s->ahead_start), out, n);
		offset += n;
		in += n;
		out += n;
		bytes -= n;
	}
	return 0;
}
