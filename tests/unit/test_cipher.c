/* test_cipher.c - every algorithm and provider: lengths, splits, seeks, limits, damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>

#include "ciphers/cipher.h"

#define LENGTH_MAX   1100u
#define SEALED_MAX   (LENGTH_MAX + ATR_CIPHER_TAG_BYTES)
#define GIB          (UINT64_C(1) << 30)
#define CHACHA_LIMIT (256 * GIB)

static const size_t ahead_sizes[] = {0, 1, 64, 1000, 16384};
#define AHEAD_COUNT (sizeof(ahead_sizes) / sizeof(ahead_sizes[0]))

static const uint8_t key[ATR_CIPHER_KEY_BYTES] = {1, 2, 3, 0xfe, [31] = 0x80};
static uint8_t nonce[ATR_CIPHER_NONCE_BYTES_MAX] = {9, [15] = 7, [16] = 0xc0, [23] = 0x11};

/* Counts what OpenSSL allocates, to prove that the hot path does not. */
static unsigned long allocation_count;

static void *count_malloc(size_t bytes, const char *file, int line)
{
	(void)file;
	(void)line;
	__atomic_fetch_add(&allocation_count, 1, __ATOMIC_RELAXED);
	return malloc(bytes);
}

static void *count_realloc(void *p, size_t bytes, const char *file, int line)
{
	(void)file;
	(void)line;
	__atomic_fetch_add(&allocation_count, 1, __ATOMIC_RELAXED);
	return realloc(p, bytes);
}

static void count_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

static uint64_t random_state;

/* splitmix64: reproducible from the seed that is printed. */
static uint64_t random_u64(void)
{
	uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void fill(uint8_t *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		p[i] = (uint8_t)(i * 131 + (i >> 8));
}

static struct atr_keystream *stream_new(const struct atr_cipher *c, size_t ahead)
{
	struct atr_keystream *s = atr_keystream_new(c, key, nonce, ahead);

	assert_non_null(s);
	return s;
}

/* The key stream from offset 0 by one call, nothing made ahead: what all else is held against. */
static void reference(const struct atr_cipher *c, uint8_t *out, size_t bytes)
{
	struct atr_keystream *s = stream_new(c, 0);

	memset(out, 0, bytes);
	assert_int_equal(atr_keystream_xor(s, 0, out, out, bytes), 0);
	atr_keystream_free(s);
}

/* ---- first, so that the threads race for every one-time initialisation ---- */

/* Gives back NULL, or what it was given when a call failed. */
static void *use_everything(void *result)
{
	uint8_t text[64] = "first use from several threads at once";
	uint8_t sealed[sizeof(text) + ATR_CIPHER_TAG_BYTES];
	const struct atr_cipher *c;

	for (size_t i = 0; (c = atr_cipher_at(i)) != NULL; i++) {
		struct atr_keystream *s = atr_keystream_new(c, key, nonce, 4096);

		if (!s || atr_keystream_xor(s, 0, text, sealed, sizeof(text)) != 0)
			return result;
		atr_keystream_free(s);
		if (atr_cipher_encrypts(c) &&
		    (atr_cipher_seal(c, key, nonce, text, sizeof(text), sealed) != 0 ||
		     atr_cipher_open(c, key, nonce, sealed, sizeof(sealed), text) != 0))
			return result;
	}
	return NULL;
}

static void first_use_from_several_threads(void **state)
{
	static int failed;
	pthread_t threads[8];
	void *result;

	(void)state;
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_everything, &failed), 0);
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_null(result);
	}
}

/* ---- list and look-up ---- */

static void finds_by_name_and_provider(void **state)
{
	const struct atr_cipher *c;

	(void)state;
	c = atr_cipher_find("chachapoly", NULL);
	assert_non_null(c);
	assert_string_equal(atr_cipher_name(c), "chachapoly");
	assert_string_equal(atr_cipher_provider(c), "openssl");
	assert_int_equal(atr_cipher_nonce_bytes(c), 24);
	assert_int_equal(atr_cipher_tag_bytes(c), 16);
	assert_true(atr_cipher_encrypts(c));
	assert_ptr_equal(c, atr_cipher_find("chachapoly", "openssl"));

	c = atr_cipher_find("chachapoly", "sodium");
	assert_non_null(c);
	assert_string_equal(atr_cipher_provider(c), "sodium");
	assert_memory_equal(atr_cipher_library(c), "libsodium ", 10);

	c = atr_cipher_find("aes", NULL);
	assert_non_null(c);
	assert_int_equal(atr_cipher_nonce_bytes(c), 16);
	assert_memory_equal(atr_cipher_library(c), "OpenSSL 3", 9);

	c = atr_cipher_find("none", NULL);
	assert_non_null(c);
	assert_string_equal(atr_cipher_provider(c), "builtin");
	assert_int_equal(atr_cipher_nonce_bytes(c), 0);
	assert_int_equal(atr_cipher_tag_bytes(c), 0);
	assert_false(atr_cipher_encrypts(c));
	assert_true(strlen(atr_cipher_library(c)) > 0);

	assert_null(atr_cipher_find("chacha", NULL));
	assert_null(atr_cipher_find("aes", "sodium"));
	assert_null(atr_cipher_find("", NULL));
	assert_non_null(atr_cipher_at(3));
	assert_null(atr_cipher_at(4));
	assert_null(atr_cipher_at(SIZE_MAX));
}

/* ---- AEAD ---- */

static void none_has_no_aead(void **state)
{
	const struct atr_cipher *c = atr_cipher_find("none", NULL);
	uint8_t buffer[64] = {0};

	(void)state;
	assert_int_equal(atr_cipher_seal(c, key, nonce, buffer, 8, buffer), -1);
	assert_int_equal(atr_cipher_open(c, key, nonce, buffer, 32, buffer), -1);
}

/* Seals with each provider, opens with each of the same algorithm, in and out of place. */
static void seals_and_opens_every_length_across_providers(void **state)
{
	static uint8_t text[LENGTH_MAX], sealed[SEALED_MAX], other[SEALED_MAX];
	const struct atr_cipher *a, *b;
	size_t pairs = 0;

	(void)state;
	fill(text, sizeof(text));
	for (size_t i = 0; (a = atr_cipher_at(i)) != NULL; i++) {
		for (size_t j = 0; (b = atr_cipher_at(j)) != NULL; j++) {
			if (!atr_cipher_encrypts(a) ||
			    strcmp(atr_cipher_name(a), atr_cipher_name(b)) != 0)
				continue;
			for (size_t n = 0; n <= LENGTH_MAX; n++) {
				size_t m = n + ATR_CIPHER_TAG_BYTES;

				assert_int_equal(atr_cipher_seal(a, key, nonce, text, n, sealed),
				                 0);
				memcpy(other, text, n);
				assert_int_equal(atr_cipher_seal(b, key, nonce, other, n, other),
				                 0);
				assert_memory_equal(sealed, other, m);
				assert_int_equal(atr_cipher_open(b, key, nonce, sealed, m, other),
				                 0);
				assert_memory_equal(other, text, n);
				assert_int_equal(atr_cipher_open(b, key, nonce, sealed, m, sealed),
				                 0);
				assert_memory_equal(sealed, text, n);
			}
			pairs++;
		}
	}
	printf("%zu pairs of providers x lengths 0-%u\n", pairs, LENGTH_MAX);
	assert_int_equal(pairs, 5);
}

static void seals_nothing_from_null(void **state)
{
	const struct atr_cipher *c;
	uint8_t sealed[ATR_CIPHER_TAG_BYTES];

	(void)state;
	for (size_t i = 0; (c = atr_cipher_at(i)) != NULL; i++) {
		if (!atr_cipher_encrypts(c))
			continue;
		assert_int_equal(atr_cipher_seal(c, key, nonce, NULL, 0, sealed), 0);
		assert_int_equal(atr_cipher_open(c, key, nonce, sealed, sizeof(sealed), NULL), 0);
	}
}

static int is_zero(const uint8_t *p, size_t bytes)
{
	uint8_t any = 0;

	while (bytes)
		any |= p[--bytes];
	return any == 0;
}

static size_t refuse_every_bit(const struct atr_cipher *c, size_t text_bytes)
{
	uint8_t text[128], sealed[sizeof(text) + ATR_CIPHER_TAG_BYTES], out[sizeof(text)];
	size_t sealed_bytes = text_bytes + ATR_CIPHER_TAG_BYTES;
	size_t refused = 0;

	fill(text, sizeof(text));
	assert_int_equal(atr_cipher_seal(c, key, nonce, text, text_bytes, sealed), 0);
	for (size_t bit = 0; bit < sealed_bytes * 8; bit++, refused++) {
		sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
		memset(out, 0x5a, sizeof(out));
		assert_int_equal(atr_cipher_open(c, key, nonce, sealed, sealed_bytes, out), -1);
		assert_true(is_zero(out, text_bytes));
		sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(atr_cipher_open(c, key, nonce, sealed, sealed_bytes, out), 0);
	return refused;
}

static void open_refuses_every_flipped_bit_and_wipes(void **state)
{
	static const size_t lengths[] = {0, 1, 15, 16, 17, 32, 63, 64, 65, 128};
	const struct atr_cipher *c;

	(void)state;
	for (size_t i = 0; (c = atr_cipher_at(i)) != NULL; i++) {
		size_t refused = 0;

		if (!atr_cipher_encrypts(c))
			continue;
		for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++)
			refused += refuse_every_bit(c, lengths[l]);
		printf("%s/%s: %zu flipped bits refused\n", atr_cipher_name(c),
		       atr_cipher_provider(c), refused);
	}
}

static void open_refuses_every_cut_other_key_and_other_nonce(void **state)
{
	uint8_t text[48], sealed[sizeof(text) + ATR_CIPHER_TAG_BYTES], out[sizeof(sealed)];
	uint8_t other_key[sizeof(key)], other_nonce[sizeof(nonce)];
	const struct atr_cipher *c;

	(void)state;
	fill(text, sizeof(text));
	for (size_t i = 0; (c = atr_cipher_at(i)) != NULL; i++) {
		if (!atr_cipher_encrypts(c))
			continue;
		assert_int_equal(atr_cipher_seal(c, key, nonce, text, sizeof(text), sealed), 0);
		for (size_t n = 0; n < sizeof(sealed); n++)
			assert_int_equal(atr_cipher_open(c, key, nonce, sealed, n, out), -1);
		for (size_t bit = 0; bit < 8 * sizeof(key); bit++) {
			memcpy(other_key, key, sizeof(key));
			other_key[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(
			        atr_cipher_open(c, other_key, nonce, sealed, sizeof(sealed), out),
			        -1);
		}
		for (size_t bit = 0; bit < 8 * atr_cipher_nonce_bytes(c); bit++) {
			memcpy(other_nonce, nonce, sizeof(nonce));
			other_nonce[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(
			        atr_cipher_open(c, key, other_nonce, sealed, sizeof(sealed), out),
			        -1);
		}
	}
}

/* ---- block stream ---- */

static void stream_providers_agree_on_every_length(void **state)
{
	static uint8_t text[LENGTH_MAX], want[LENGTH_MAX], out[LENGTH_MAX];
	const struct atr_cipher *c;

	(void)state;
	fill(text, sizeof(text));
	for (size_t i = 0; (c = atr_cipher_at(i)) != NULL; i++) {
		const struct atr_cipher *first = atr_cipher_find(atr_cipher_name(c), NULL);

		for (size_t n = 0; n <= LENGTH_MAX; n++) {
			struct atr_keystream *s = stream_new(first, 0);

			assert_int_equal(atr_keystream_xor(s, 0, text, want, n), 0);
			atr_keystream_free(s);
			s = stream_new(c, 0);
			assert_int_equal(atr_keystream_xor(s, 0, text, out, n), 0);
			assert_memory_equal(out, want, n);
			assert_int_equal(atr_keystream_xor(s, 0, out, out, n), 0);
			assert_memory_equal(out, text, n);
			atr_keystream_free(s);
		}
	}
}

static void xor_in_two(struct atr_keystream *s, const uint8_t *in, uint8_t *out, size_t first,
                       size_t bytes)
{
	assert_int_equal(atr_keystream_xor(s, 0, in, out, first), 0);
	assert_int_equal(atr_keystream_xor(s, first, in + first, out + first, bytes - first), 0);
}

static void stream_continues_over_every_split(void **state)
{
	static uint8_t text[LENGTH_MAX], want[LENGTH_MAX], out[LENGTH_MAX];
	const struct atr_cipher *c;
	size_t splits = 0;

	(void)state;
	fill(text, sizeof(text));
	for (size_t i = 0; (c = atr_cipher_at(i)) != NULL; i++) {
		reference(c, want, sizeof(want));
		for (size_t j = 0; j < sizeof(want); j++)
			want[j] ^= text[j];
		for (size_t a = 0; a < AHEAD_COUNT; a++) {
			struct atr_keystream *s = stream_new(c, ahead_sizes[a]);

			for (size_t split = 0; split <= LENGTH_MAX; split++, splits++) {
				assert_int_equal(atr_keystream_rekey(s, key, nonce), 0);
				xor_in_two(s, text, out, split, LENGTH_MAX);
				assert_memory_equal(out, want, LENGTH_MAX);
				memcpy(out, text, LENGTH_MAX);
				assert_int_equal(atr_keystream_rekey(s, key, nonce), 0);
				xor_in_two(s, out, out, split, LENGTH_MAX);
				assert_memory_equal(out, want, LENGTH_MAX);
			}
			atr_keystream_free(s);
		}
	}
	printf("%zu splits, each out of place and in place\n", splits);
}

/* Three pieces, every pair of splits of 200 bytes: each piece may begin and end in a block. */
static void stream_continues_over_every_pair_of_splits(void **state)
{
	enum { BYTES = 200 };
	uint8_t text[BYTES], want[BYTES], out[BYTES];
	const struct atr_cipher *c;

	(void)state;
	fill(text, sizeof(text));
	for (size_t i = 0; (c = atr_cipher_at(i)) != NULL; i++) {
		reference(c, want, sizeof(want));
		for (size_t j = 0; j < sizeof(want); j++)
			want[j] ^= text[j];
		for (size_t a = 0; a < AHEAD_COUNT; a += 2) {
			struct atr_keystream *s = stream_new(c, ahead_sizes[a]);

			for (size_t p = 0; p <= BYTES; p++) {
				for (size_t q = p; q <= BYTES; q++) {
					assert_int_equal(atr_keystream_xor(s, 0, text, out, p), 0);
					assert_int_equal(
					        atr_keystream_xor(s, p, text + p, out + p, q - p),
					        0);
					assert_int_equal(atr_keystream_xor(s, q, text + q, out + q,
					                                   BYTES - q),
					                 0);
					assert_memory_equal(out, want, BYTES);
				}
			}
			atr_keystream_free(s);
		}
	}
}

/* Whole stretches of any length at any offset, continuing, going back, jumping, as they come. */
static void stream_seeks_in_any_order(void **state)
{
	enum { BYTES = 100000, PIECES = 4000 };
	uint8_t *want = malloc(BYTES), *out = malloc(BYTES);
	const struct atr_cipher *c;

	(void)state;
	assert_non_null(want);
	assert_non_null(out);
	for (size_t i = 0; (c = atr_cipher_at(i)) != NULL; i++) {
		reference(c, want, BYTES);
		for (size_t a = 0; a < AHEAD_COUNT; a++) {
			struct atr_keystream *s = stream_new(c, ahead_sizes[a]);
			size_t offset = 0;
			size_t n = 0;

			for (size_t k = 0; k < PIECES; k++) {
				uint64_t r = random_u64();

				offset = r % 4 ? offset + n : (size_t)(random_u64() % BYTES);
				if (offset >= BYTES)
					offset = 0;
				n = (size_t)(random_u64() % (r & 0x100 ? 20000 : 300));
				if (n > BYTES - offset)
					n = BYTES - offset;
				memset(out, 0, n);
				assert_int_equal(atr_keystream_xor(s, offset, out, out, n), 0);
				assert_memory_equal(out, want + offset, n);
			}
			atr_keystream_free(s);
		}
	}
	free(want);
	free(out);
}

/* Key stream of one counter block by AES-256-ECB: counter mode without any library's counter. */
static void ctr_block(const uint8_t start[16], uint64_t number, uint8_t out[16])
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t counter[16];
	int done;

	memcpy(counter, start, 16);
	while (number) { /* number is small: add one at a time, as a reader would by hand */
		for (int i = 15; i >= 0 && ++counter[i] == 0; i--)
			;
		number--;
	}
	assert_non_null(ctx);
	assert_int_equal(EVP_EncryptInit_ex2(ctx, EVP_aes_256_ecb(), key, NULL, NULL), 1);
	assert_int_equal(EVP_EncryptUpdate(ctx, out, &done, counter, 16), 1);
	assert_int_equal(done, 16);
	EVP_CIPHER_CTX_free(ctx);
}

static void aes_counter_carries(void **state)
{
	enum { BLOCKS = 40, BYTES = BLOCKS * 16 };
	/* How many trailing bytes are ff: the carry reaches bits 8, 32, 64, 96 and wraps at 128. */
	static const size_t trailing[] = {1, 4, 8, 12, 16};
	const struct atr_cipher *c = atr_cipher_find("aes", NULL);
	uint8_t want[BYTES], out[BYTES];

	(void)state;
	for (size_t t = 0; t < sizeof(trailing) / sizeof(trailing[0]); t++) {
		for (uint8_t before = 1; before < 20; before++) {
			struct atr_keystream *s;
			uint8_t start[16] = {0x10, 0x32, [8] = 0x54};

			memset(start + 16 - trailing[t], 0xff, trailing[t]);
			start[15] = (uint8_t)(0x100 - before); /* carries after that many blocks */
			for (size_t b = 0; b < BLOCKS; b++)
				ctr_block(start, b, want + 16 * b);

			s = atr_keystream_new(c, key, start, 0);
			assert_non_null(s);
			memset(out, 0, BYTES);
			assert_int_equal(atr_keystream_xor(s, 0, out, out, BYTES), 0);
			assert_memory_equal(out, want, BYTES);
			for (size_t offset = 0; offset < BYTES; offset += 5) {
				memset(out, 0, BYTES);
				assert_int_equal(
				        atr_keystream_xor(s, offset, out, out, BYTES - offset), 0);
				assert_memory_equal(out, want + offset, BYTES - offset);
			}
			atr_keystream_free(s);
		}
	}
}

/* An offset far out equals the stream whose nonce is that many blocks further. */
static void aes_reaches_far_offsets(void **state)
{
	static const uint64_t blocks[] = {UINT64_C(1) << 28, UINT64_C(1) << 32,
	                                  (UINT64_C(1) << 36) + 12345,
	                                  UINT64_C(0x0ffffffffffffff0)};
	const struct atr_cipher *c = atr_cipher_find("aes", NULL);
	uint8_t want[200], out[200];

	(void)state;
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		uint8_t start[16] = {5, [7] = 1, [8] = 0xff, [9] = 0xff, [15] = 3};
		struct atr_keystream *near, *far = atr_keystream_new(c, key, start, 0);
		uint64_t low = 0, high = 0;

		for (size_t b = 0; b < 8; b++) {
			high = high << 8 | start[b];
			low = low << 8 | start[8 + b];
		}
		high += low + blocks[i] < low;
		low += blocks[i];
		for (size_t b = 0; b < 8; b++) {
			start[b] = (uint8_t)(high >> (56 - 8 * b));
			start[8 + b] = (uint8_t)(low >> (56 - 8 * b));
		}
		near = atr_keystream_new(c, key, start, 0);
		assert_non_null(far);
		assert_non_null(near);
		memset(want, 0, sizeof(want));
		memset(out, 0, sizeof(out));
		assert_int_equal(atr_keystream_xor(near, 7, want, want, sizeof(want)), 0);
		assert_int_equal(atr_keystream_xor(far, blocks[i] * 16 + 7, out, out, sizeof(out)),
		                 0);
		assert_memory_equal(out, want, sizeof(out));
		atr_keystream_free(near);
		atr_keystream_free(far);
	}
}

static void chachapoly_ends_at_256_gib(void **state)
{
	static uint8_t out[2][20000];
	const struct atr_cipher *c;
	const size_t bytes = sizeof(out[0]);
	size_t row = 0;

	(void)state;
	for (size_t i = 0; (c = atr_cipher_at(i)) != NULL; i++) {
		if (strcmp(atr_cipher_name(c), "chachapoly") != 0)
			continue;
		for (size_t a = 0; a < AHEAD_COUNT; a++) {
			struct atr_keystream *s = stream_new(c, ahead_sizes[a]);
			uint8_t byte = 0;

			assert_int_equal(atr_keystream_xor(s, CHACHA_LIMIT, &byte, &byte, 1), -1);
			assert_int_equal(
			        atr_keystream_xor(s, CHACHA_LIMIT - 1, out[row], out[row], 2), -1);
			assert_int_equal(atr_keystream_xor(s, CHACHA_LIMIT + 64, &byte, &byte, 1),
			                 -1);
			assert_int_equal(atr_keystream_xor(s, UINT64_MAX, &byte, &byte, 1), -1);
			assert_int_equal(atr_keystream_xor(s, UINT64_MAX - 7, &byte, &byte, 16),
			                 -1);
			assert_int_equal(atr_keystream_xor(s, 0, &byte, &byte, SIZE_MAX), -1);
			assert_int_equal(atr_keystream_xor(s, CHACHA_LIMIT, &byte, &byte, 0), 0);

			/* The last allowed bytes at once, then in pieces that continue. */
			memset(out[row], 0, bytes);
			assert_int_equal(atr_keystream_xor(s, CHACHA_LIMIT - bytes, out[row],
			                                   out[row], bytes),
			                 0);
			for (size_t done = 0; done < bytes;) {
				size_t n = bytes - done < 333 ? bytes - done : 333;

				assert_int_equal(atr_keystream_xor(s, CHACHA_LIMIT - bytes + done,
				                                   out[row] + done, out[row] + done,
				                                   n),
				                 0);
				done += n;
			}
			assert_true(is_zero(out[row], bytes)); /* enciphered twice */
			assert_int_equal(atr_keystream_xor(s, CHACHA_LIMIT - bytes, out[row],
			                                   out[row], bytes),
			                 0);
			assert_false(is_zero(out[row] + bytes - 64, 64));
			/* Afterwards the beginning is still the beginning. */
			{
				uint8_t want[64], first[64] = {0};

				reference(c, want, sizeof(want));
				assert_int_equal(atr_keystream_xor(s, 0, first, first, 64), 0);
				assert_memory_equal(first, want, 64);
			}
			atr_keystream_free(s);
		}
		row++;
	}
	assert_int_equal(row, 2);
	assert_memory_equal(out[0], out[1], bytes);
}

static void rekey_equals_a_new_context(void **state)
{
	static const uint8_t other_key[ATR_CIPHER_KEY_BYTES] = {0x77, [30] = 4};
	static const uint8_t other_nonce[ATR_CIPHER_NONCE_BYTES_MAX] = {0x33, [20] = 4};
	uint8_t want[500], out[500];
	const struct atr_cipher *c;

	(void)state;
	for (size_t i = 0; (c = atr_cipher_at(i)) != NULL; i++) {
		for (size_t a = 0; a < AHEAD_COUNT; a++) {
			struct atr_keystream *s;

			s = atr_keystream_new(c, other_key, other_nonce, ahead_sizes[a]);
			assert_non_null(s);
			memset(want, 0, sizeof(want));
			assert_int_equal(atr_keystream_xor(s, 0, want, want, sizeof(want)), 0);
			atr_keystream_free(s);

			s = stream_new(c, ahead_sizes[a]);
			assert_int_equal(atr_keystream_xor(s, 0, out, out, 77), 0);
			assert_int_equal(atr_keystream_rekey(s, other_key, other_nonce), 0);
			memset(out, 0, sizeof(out));
			assert_int_equal(atr_keystream_xor(s, 0, out, out, sizeof(out)), 0);
			assert_memory_equal(out, want, sizeof(out));
			atr_keystream_free(s);
		}
	}
}

static void rekey_and_xor_allocate_nothing(void **state)
{
	static uint8_t buffer[40000];
	const struct atr_cipher *c;

	(void)state;
	for (size_t i = 0; (c = atr_cipher_at(i)) != NULL; i++) {
		for (size_t a = 0; a < AHEAD_COUNT; a++) {
			struct atr_keystream *s = stream_new(c, ahead_sizes[a]);
			unsigned long before = allocation_count;

			for (size_t k = 0; k < 3; k++) {
				assert_int_equal(atr_keystream_rekey(s, key, nonce), 0);
				assert_int_equal(atr_keystream_xor(s, 0, buffer, buffer, 100), 0);
				assert_int_equal(atr_keystream_xor(s, 100, buffer, buffer, 9000),
				                 0);
				assert_int_equal(
				        atr_keystream_xor(s, 77, buffer, buffer, sizeof(buffer)),
				        0);
			}
			assert_int_equal(allocation_count, before);
			atr_keystream_free(s);
		}
	}
	assert_true(allocation_count > 0);
}

static void none_is_a_copy(void **state)
{
	const struct atr_cipher *c = atr_cipher_find("none", NULL);
	struct atr_keystream *s = atr_keystream_new(c, key, NULL, 16384);
	uint8_t text[100], out[100] = {0};

	(void)state;
	fill(text, sizeof(text));
	assert_non_null(s);
	assert_int_equal(atr_keystream_xor(s, CHACHA_LIMIT * 2, text, out, sizeof(out)), 0);
	assert_memory_equal(out, text, sizeof(out));
	assert_int_equal(atr_keystream_xor(s, 1, out, out, sizeof(out)), 0);
	assert_memory_equal(out, text, sizeof(out));
	atr_keystream_free(s);
	atr_keystream_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(first_use_from_several_threads),
	        cmocka_unit_test(finds_by_name_and_provider),
	        cmocka_unit_test(none_has_no_aead),
	        cmocka_unit_test(seals_and_opens_every_length_across_providers),
	        cmocka_unit_test(seals_nothing_from_null),
	        cmocka_unit_test(open_refuses_every_flipped_bit_and_wipes),
	        cmocka_unit_test(open_refuses_every_cut_other_key_and_other_nonce),
	        cmocka_unit_test(stream_providers_agree_on_every_length),
	        cmocka_unit_test(stream_continues_over_every_split),
	        cmocka_unit_test(stream_continues_over_every_pair_of_splits),
	        cmocka_unit_test(stream_seeks_in_any_order),
	        cmocka_unit_test(aes_counter_carries),
	        cmocka_unit_test(aes_reaches_far_offsets),
	        cmocka_unit_test(chachapoly_ends_at_256_gib),
	        cmocka_unit_test(rekey_equals_a_new_context),
	        cmocka_unit_test(rekey_and_xor_allocate_nothing),
	        cmocka_unit_test(none_is_a_copy),
	};
	const char *seed = getenv("ATREST_TEST_SEED");

	if (!CRYPTO_set_mem_functions(count_malloc, count_realloc, count_free)) {
		fprintf(stderr,
		        "OpenSSL allocated before main: its allocations cannot be counted\n");
		return 1;
	}
	random_state = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
	printf("ATREST_TEST_SEED=%llu\n", (unsigned long long)random_state);
	return cmocka_run_group_tests_name("cipher", tests, NULL, NULL);
}
