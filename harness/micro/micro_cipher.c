/* micro_cipher.c - each cipher and provider: the block stream, AEAD, setting up.
 *
 *   stream/CIPHER/PROVIDER/BYTES   one piece; kept context, continuing
 *   ahead/CIPHER/PROVIDER/BYTES    the same with 16 KiB of key stream made ahead
 *   seek/CIPHER/PROVIDER/BYTES     one piece elsewhere in the stream each time
 *   new/, rekey/CIPHER/PROVIDER    a context made and freed; keyed again
 *   seal/, open/CIPHER/PROVIDER/32 AEAD of a seed
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "ciphers/cipher.h"
#include "harness/micro/gbench.h"
#include "harness/micro/micro.h"

#define PIECE_BYTES   131072u
#define AHEAD_BYTES   16384u
#define SEED_BYTES    32u
#define ARGUMENTS_MAX 128

struct argument {
	const struct atr_cipher *cipher;
	size_t bytes;
	size_t ahead_bytes;
	uint64_t step; /* from the start of one piece to that of the next */
};

static struct argument arguments[ARGUMENTS_MAX];
static size_t argument_count;

static const uint8_t key[ATR_CIPHER_KEY_BYTES] = {1};
static const uint8_t nonce[ATR_CIPHER_NONCE_BYTES_MAX] = {2};
static uint8_t in[PIECE_BYTES];
static uint8_t out[PIECE_BYTES];

static void stream(struct micro_state *s, const void *arg)
{
	const struct argument *a = arg;
	struct atr_keystream *k = atr_keystream_new(a->cipher, key, nonce, a->ahead_bytes);
	/* Starts again before the 256 GiB of chachapoly. */
	const uint64_t limit = (UINT64_C(1) << 38) - a->step - a->bytes;
	uint64_t offset = 0;

	if (!k)
		micro_fail(s, "no context");
	while (micro_next(s)) {
		if (atr_keystream_xor(k, offset, in, out, a->bytes) != 0)
			micro_fail(s, "the library failed");
		offset = offset < limit ? offset + a->step : 0;
	}
	micro_bytes(s, a->bytes);
	atr_keystream_free(k);
}

static void make(struct micro_state *s, const void *arg)
{
	const struct argument *a = arg;

	while (micro_next(s)) {
		struct atr_keystream *k = atr_keystream_new(a->cipher, key, nonce, a->ahead_bytes);

		if (!k)
			micro_fail(s, "no context");
		atr_keystream_free(k);
	}
}

static void rekey(struct micro_state *s, const void *arg)
{
	const struct argument *a = arg;
	struct atr_keystream *k = atr_keystream_new(a->cipher, key, nonce, a->ahead_bytes);

	if (!k)
		micro_fail(s, "no context");
	while (micro_next(s))
		if (atr_keystream_rekey(k, key, nonce) != 0)
			micro_fail(s, "the library failed");
	atr_keystream_free(k);
}

static void seal(struct micro_state *s, const void *arg)
{
	const struct argument *a = arg;

	while (micro_next(s))
		if (atr_cipher_seal(a->cipher, key, nonce, in, a->bytes, out) != 0)
			micro_fail(s, "the library failed");
	micro_bytes(s, a->bytes);
}

static void open_sealed(struct micro_state *s, const void *arg)
{
	const struct argument *a = arg;
	uint8_t sealed[SEED_BYTES + ATR_CIPHER_TAG_BYTES];

	if (atr_cipher_seal(a->cipher, key, nonce, in, a->bytes, sealed) != 0)
		micro_fail(s, "the library failed");
	while (micro_next(s))
		if (atr_cipher_open(a->cipher, key, nonce, sealed, sizeof(sealed), out) != 0)
			micro_fail(s, "the tag did not fit");
	micro_bytes(s, a->bytes);
}

static void add(const char *what, micro_fn *fn, struct argument a)
{
	char name[128];
	int used;

	if (argument_count == ARGUMENTS_MAX)
		abort();
	used = snprintf(name, sizeof(name), "%s/%s/%s", what, atr_cipher_name(a.cipher),
	                atr_cipher_provider(a.cipher));
	if (a.bytes)
		snprintf(name + used, sizeof(name) - (size_t)used, "/%zu", a.bytes);
	arguments[argument_count] = a;
	micro_register(name, fn, &arguments[argument_count++]);
}

static void register_one(const struct atr_cipher *c)
{
	for (size_t i = 0; i < MICRO_SIZES; i++) {
		size_t n = micro_record_bytes[i];

		add("stream", stream, (struct argument){.cipher = c, .bytes = n, .step = n});
	}
	add("stream", stream,
	    (struct argument){.cipher = c, .bytes = PIECE_BYTES, .step = PIECE_BYTES});
	add("new", make, (struct argument){.cipher = c});
	add("rekey", rekey, (struct argument){.cipher = c});
	if (!atr_cipher_encrypts(c))
		return;
	for (size_t i = 0; i < MICRO_SIZES; i++) {
		size_t n = micro_record_bytes[i];

		add("ahead", stream,
		    (struct argument){
		            .cipher = c, .bytes = n, .step = n, .ahead_bytes = AHEAD_BYTES});
		add("seek", stream,
		    (struct argument){.cipher = c, .bytes = n, .step = n + 1000003});
	}
	add("seal", seal, (struct argument){.cipher = c, .bytes = SEED_BYTES});
	add("open", open_sealed, (struct argument){.cipher = c, .bytes = SEED_BYTES});
}

void micro_cipher_register(void)
{
	const struct atr_cipher *c;

	for (size_t i = 0; (c = atr_cipher_at(i)) != NULL; i++)
		register_one(c);
}
