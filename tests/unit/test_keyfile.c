#include "store/keyfile.h"

#include <stdlib.h>
#include <string.h>

#include "ciphers/prf.h"
#include "tests/unit/store_fixture.h"

static struct atr_keyring ring_of(const char *key, const char *prev)
{
	struct atr_keyring ring = {0};

	ring.key = (const uint8_t *)key;
	ring.key_bytes = key != NULL ? strlen(key) : 0;
	ring.prev_key = (const uint8_t *)prev;
	ring.prev_key_bytes = prev != NULL ? strlen(prev) : 0;
	return ring;
}

static void known_key_encryption_keys(void **state)
{
	json_t *all = fixture_vectors();
	size_t i;
	json_t *v;

	(void)state;
	json_array_foreach(json_object_get(all, "kek"), i, v)
	{
		const char *key = fixture_text(v, "server_key"), *info = fixture_text(v, "account");
		const char *context = fixture_text(v, "context");
		uint8_t kek[32];
		size_t n;
		uint8_t *expected = fixture_hex(v, "kek_hex", &n);

		assert_int_equal(atr_hmac_sha256((const uint8_t *)key, strlen(key),
		                                 (const uint8_t *)info, strlen(info),
		                                 (const uint8_t *)context, strlen(context), kek),
		                 0);
		assert_memory_equal(kek, expected, 32);
		free(expected);
	}
	json_decref(all);
}

static void known_key_files_seal_and_open(void **state)
{
	json_t *all = fixture_vectors();
	size_t i;
	json_t *v;

	(void)state;
	json_array_foreach(json_object_get(all, "keyfile"), i, v)
	{
		struct atr_keyring ring = ring_of(fixture_text(v, "server_key"), NULL);
		const char *info = fixture_text(v, "account"),
		           *context = fixture_text(v, "context");
		uint8_t sealed[ATR_KEYFILE_BYTES_MAX];
		size_t nonce_bytes, seed_bytes, file_bytes, sealed_bytes;
		uint8_t *nonce = fixture_hex(v, "nonce_hex", &nonce_bytes);
		uint8_t *seed = fixture_hex(v, "seed_hex", &seed_bytes);
		uint8_t *file = fixture_hex(v, "file_hex", &file_bytes);
		struct atr_seed s = {.cipher = atr_cipher_find(fixture_text(v, "cipher"), NULL)},
		                out;

		memcpy(s.nonce, nonce, nonce_bytes);
		memcpy(s.seed, seed, seed_bytes);
		assert_int_equal(atr_keyfile_seal(&s, ring.key, ring.key_bytes, info, context,
		                                  sealed, &sealed_bytes),
		                 ATR_OK);
		assert_int_equal(sealed_bytes, file_bytes);
		assert_memory_equal(sealed, file, file_bytes);
		assert_int_equal(
		        atr_keyfile_open(&ring, NULL, info, context, file, file_bytes, &out),
		        ATR_OK);
		assert_memory_equal(out.seed, seed, 32);
		assert_memory_equal(out.nonce, nonce, nonce_bytes);
		assert_string_equal(atr_cipher_name(out.cipher), fixture_text(v, "cipher"));
		assert_int_equal(out.under_prev_key, 0);
		free(nonce);
		free(seed);
		free(file);
	}
	json_decref(all);
}

static size_t sealed_under(const char *cipher, const char *key, const char *context,
                           struct atr_seed *seed, uint8_t sealed[ATR_KEYFILE_BYTES_MAX])
{
	size_t bytes;

	assert_int_equal(atr_keyfile_make(&atr_file_real, atr_cipher_find(cipher, NULL), seed),
	                 ATR_OK);
	assert_int_equal(atr_keyfile_seal(seed, (const uint8_t *)key, strlen(key), "$G", context,
	                                  sealed, &bytes),
	                 ATR_OK);
	return bytes;
}

static void previous_key_is_tried_second(void **state)
{
	struct atr_keyring ring = ring_of("new", "old");
	uint8_t sealed[ATR_KEYFILE_BYTES_MAX];
	struct atr_seed seed, out;
	size_t bytes = sealed_under("aes", "old", "S:1", &seed, sealed);

	(void)state;
	assert_int_equal(atr_keyfile_open(&ring, NULL, "$G", "S:1", sealed, bytes, &out), ATR_OK);
	assert_int_equal(out.under_prev_key, 1);
	assert_memory_equal(out.seed, seed.seed, 32);
}

static void wrong_key_context_or_account_is_refused(void **state)
{
	static const struct atr_seed zero;
	struct atr_keyring right = ring_of("right", NULL), wrong = ring_of("wrong", NULL);
	struct atr_keyring none = ring_of(NULL, NULL);
	uint8_t sealed[ATR_KEYFILE_BYTES_MAX];
	struct atr_seed seed, out;
	size_t bytes = sealed_under("chachapoly", "right", "S:1", &seed, sealed);

	(void)state;
	assert_int_equal(atr_keyfile_open(&wrong, NULL, "$G", "S:1", sealed, bytes, &out),
	                 ATR_EAUTH);
	assert_memory_equal(&out, &zero, sizeof out);
	assert_int_equal(atr_keyfile_open(&right, NULL, "$G", "S:2", sealed, bytes, &out),
	                 ATR_EAUTH);
	assert_int_equal(atr_keyfile_open(&right, NULL, "H", "S:1", sealed, bytes, &out),
	                 ATR_EAUTH);
	assert_int_equal(atr_keyfile_open(&none, NULL, "$G", "S:1", sealed, bytes, &out),
	                 ATR_ENOKEY);
	assert_int_equal(atr_keyfile_open(&right, NULL, "$G", "S:1", sealed, bytes, &out), ATR_OK);
}

static void every_flipped_bit_and_length_is_refused(void **state)
{
	static const char *const ciphers[] = {"chachapoly", "aes"};
	struct atr_keyring ring = ring_of("k", NULL);

	(void)state;
	for (size_t c = 0; c < 2; c++) {
		uint8_t sealed[ATR_KEYFILE_BYTES_MAX + 1] = {0};
		struct atr_seed seed, out;
		size_t bytes = sealed_under(ciphers[c], "k", "S", &seed, sealed);

		for (size_t bit = 0; bit < 8 * bytes; bit++) {
			sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(
			        atr_keyfile_open(&ring, NULL, "$G", "S", sealed, bytes, &out),
			        ATR_EAUTH);
			sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		for (size_t n = 0; n <= ATR_KEYFILE_BYTES_MAX + 1; n++) {
			enum atr_status want = n == bytes           ? ATR_OK
			                       : n == 64 || n == 72 ? ATR_EAUTH
			                                            : ATR_EFORMAT;

			assert_int_equal(atr_keyfile_open(&ring, NULL, "$G", "S", sealed, n, &out),
			                 want);
		}
	}
}

static void preferred_provider_is_kept(void **state)
{
	const struct atr_cipher *sodium = atr_cipher_find("chachapoly", "sodium");
	struct atr_keyring ring = ring_of("k", NULL);
	uint8_t sealed[ATR_KEYFILE_BYTES_MAX];
	struct atr_seed seed, out;
	size_t bytes = sealed_under("chachapoly", "k", "S", &seed, sealed);

	(void)state;
	assert_non_null(sodium);
	assert_int_equal(atr_keyfile_open(&ring, sodium, "$G", "S", sealed, bytes, &out), ATR_OK);
	assert_ptr_equal(out.cipher, sodium);
	assert_memory_equal(out.seed, seed.seed, 32);
}

static int no_random(void *context, void *to, size_t bytes)
{
	(void)context;
	(void)to;
	(void)bytes;
	return -5;
}

static void no_random_bytes_no_seed(void **state)
{
	static const struct atr_seed zero;
	struct atr_file_table files = atr_file_real;
	struct atr_seed out;

	(void)state;
	files.random = no_random;
	assert_int_equal(atr_keyfile_make(&files, atr_cipher_find("aes", NULL), &out), ATR_ERANDOM);
	assert_memory_equal(&out, &zero, sizeof out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(known_key_encryption_keys),
	        cmocka_unit_test(known_key_files_seal_and_open),
	        cmocka_unit_test(previous_key_is_tried_second),
	        cmocka_unit_test(wrong_key_context_or_account_is_refused),
	        cmocka_unit_test(every_flipped_bit_and_length_is_refused),
	        cmocka_unit_test(preferred_provider_is_kept),
	        cmocka_unit_test(no_random_bytes_no_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
