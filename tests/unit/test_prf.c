/* test_prf.c - what the known answers of tests/vectors do not show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "ciphers/prf.h"

static void hmac_of_empty_key_and_message(void **state)
{
	/* HMAC-SHA-256 with key "" over "": RFC 2104 by hand, and many published. */
	static const uint8_t want[ATR_SHA256_BYTES] = {
	        0xb6, 0x13, 0x67, 0x9a, 0x08, 0x14, 0xd9, 0xec, 0x77, 0x2f, 0x95,
	        0xd7, 0x78, 0xc3, 0x5f, 0xc5, 0xff, 0x16, 0x97, 0xc4, 0x93, 0x71,
	        0x56, 0x53, 0xc6, 0xc7, 0x12, 0x14, 0x42, 0x92, 0xc5, 0xad};
	uint8_t out[ATR_SHA256_BYTES];

	(void)state;
	/* After another key: an empty one must not mean "the one of before". */
	assert_int_equal(atr_hmac_sha256((const uint8_t *)"k", 1, NULL, 0, NULL, 0, out), 0);
	assert_memory_not_equal(out, want, sizeof(out));
	assert_int_equal(atr_hmac_sha256(NULL, 0, NULL, 0, NULL, 0, out), 0);
	assert_memory_equal(out, want, sizeof(out));
	assert_int_equal(atr_hmac_sha256((const uint8_t *)"", 0, out, 0, NULL, 0, out), 0);
	assert_memory_equal(out, want, sizeof(out));
}

/* HMAC built from SHA-256 as RFC 2104 says, for every key length around the block of 64. */
static void hmac_of_every_key_length(void **state)
{
	uint8_t key[200], block[64], inner[64 + 8], outer[64 + ATR_SHA256_BYTES];
	uint8_t want[ATR_SHA256_BYTES], out[ATR_SHA256_BYTES];

	(void)state;
	for (size_t n = 0; n <= sizeof(key); n++) {
		for (size_t i = 0; i < n; i++)
			key[i] = (uint8_t)(i + n);
		memset(block, 0, sizeof(block));
		if (n > sizeof(block))
			assert_int_equal(atr_sha256(key, n, block), 0);
		else
			memcpy(block, key, n);
		for (size_t i = 0; i < sizeof(block); i++) {
			inner[i] = block[i] ^ 0x36;
			outer[i] = block[i] ^ 0x5c;
		}
		memcpy(inner + 64, "ORDERS:1", 8);
		assert_int_equal(atr_sha256(inner, sizeof(inner), outer + 64), 0);
		assert_int_equal(atr_sha256(outer, sizeof(outer), want), 0);
		assert_int_equal(atr_hmac_sha256(key, n, (const uint8_t *)"ORDERS", 6,
		                                 (const uint8_t *)":1", 2, out),
		                 0);
		assert_memory_equal(out, want, sizeof(want));
	}
}

static void *hmac_often(void *result)
{
	uint8_t key = (uint8_t)(uintptr_t)result;
	uint8_t first[ATR_SHA256_BYTES], again[ATR_SHA256_BYTES];

	if (atr_hmac_sha256(&key, 1, &key, 1, NULL, 0, first) != 0)
		return result;
	for (size_t i = 0; i < 1000; i++)
		if (atr_hmac_sha256(&key, 1, &key, 1, NULL, 0, again) != 0 ||
		    memcmp(first, again, sizeof(first)) != 0)
			return result;
	return NULL;
}

static void hmac_from_several_threads(void **state)
{
	pthread_t threads[4];
	void *result;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(
		        pthread_create(&threads[i], NULL, hmac_often, (void *)(uintptr_t)(i + 1)),
		        0);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_null(result);
	}
}

static void random_fills_every_byte(void **state)
{
	enum { BYTES = (1 << 20) + 33 }; /* more than one piece of the library's */
	uint8_t *a = calloc(1, BYTES + 1);
	size_t seen[256] = {0};

	(void)state;
	assert_non_null(a);
	assert_int_equal(atr_random(a, 0), 0);
	assert_int_equal(a[0], 0);
	assert_int_equal(atr_random(a, BYTES), 0);
	for (size_t i = 0; i < BYTES; i++)
		seen[a[i]]++;
	/* 4096 of each expected, standard deviation 64. */
	for (size_t i = 0; i < 256; i++)
		assert_in_range(seen[i], 3200, 5000);
	assert_int_equal(a[BYTES], 0);
	free(a);
}

/* RFC 8032, section 7.1, test 1. */
static void ed25519_public_key_of_a_known_seed(void **state)
{
	static const uint8_t seed[32] = {0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60,
	                                 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
	                                 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19,
	                                 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60};
	static const uint8_t want[32] = {0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7,
	                                 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
	                                 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25,
	                                 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a};
	uint8_t got[32];

	(void)state;
	assert_int_equal(atr_ed25519_public(seed, got), 0);
	assert_memory_equal(got, want, sizeof(want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(hmac_from_several_threads),
	        cmocka_unit_test(hmac_of_empty_key_and_message),
	        cmocka_unit_test(hmac_of_every_key_length),
	        cmocka_unit_test(random_fills_every_byte),
	        cmocka_unit_test(ed25519_public_key_of_a_known_seed),
	};

	return cmocka_run_group_tests_name("prf", tests, NULL, NULL);
}
