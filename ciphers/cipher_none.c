/* cipher_none.c - no encryption: the block stream is a copy, there is no AEAD. */
#include <string.h>

#include "ciphers/cipher_internal.h"

static char no_state;

static const char *library(void)
{
	return "builtin";
}

static void *stream_new(void)
{
	return &no_state;
}

static int stream_key(void *state, const uint8_t *key, const uint8_t *nonce)
{
	(void)state;
	(void)key;
	(void)nonce;
	return 0;
}

static int stream_xor(void *state, uint64_t offset, const uint8_t *in, uint8_t *out, size_t bytes)
{
	(void)state;
	(void)offset;
	if (in != out)
		memcpy(out, in, bytes);
	return 0;
}

static void stream_free(void *state)
{
	(void)state;
}

const struct atr_cipher atr_cipher_none = {
        .name = "none",
        .provider = "builtin",
        .library = library,
        .stream_bytes_max = UINT64_MAX,
        .stream_new = stream_new,
        .stream_key = stream_key,
        .stream_xor = stream_xor,
        .stream_free = stream_free,
};
