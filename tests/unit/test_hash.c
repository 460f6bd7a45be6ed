#include "store/hash.h"

#include <stdlib.h>
#include <string.h>

#include "store/bytes.h"
#include "tests/unit/store_fixture.h"

static void hash_fits_known_answers(void **state)
{
	json_t *all = fixture_vectors();
	size_t i, count = 0;
	json_t *v;

	(void)state;
	json_array_foreach(json_object_get(all, "highwayhash64"), i, v)
	{
		size_t bytes;
		uint8_t *input = fixture_hex(v, "input_hex", &bytes);
		struct atr_hash_key key;
		char hex[17];

		assert_int_equal(atr_hash_key_init(&key, fixture_text(v, "name")), 0);
		atr_hash_hex(atr_hash64(&key, input, bytes), hex);
		assert_string_equal(hex, fixture_text(v, "hash_hex"));
		free(input);
		count++;
	}
	assert_true(count >= 40);
	json_decref(all);
}

static void key_words_are_the_digest_little_endian(void **state)
{
	json_t *all = fixture_vectors();
	const json_t *v = json_array_get(json_object_get(all, "highwayhash64"), 0);
	struct atr_hash_key key;
	size_t bytes;
	uint8_t *digest = fixture_hex(v, "key_sha256", &bytes);

	(void)state;
	assert_int_equal(bytes, 32);
	assert_int_equal(atr_hash_key_init(&key, fixture_text(v, "name")), 0);
	for (size_t w = 0; w < 4; w++)
		assert_int_equal(key.word[w], atr_le64_get(digest + 8 * w));
	free(digest);
	json_decref(all);
}

static void meta_sums_fit_known_answers(void **state)
{
	json_t *all = fixture_vectors();
	size_t i;
	json_t *v;

	(void)state;
	json_array_foreach(json_object_get(all, "meta_sum"), i, v)
	{
		size_t bytes;
		uint8_t *inf = fixture_hex(v, "meta_inf_hex", &bytes);
		struct atr_hash_key key;
		char hex[17];

		assert_int_equal(atr_hash_key_init(&key, fixture_text(v, "hash_name")), 0);
		atr_hash_hex(atr_hash64(&key, inf, bytes), hex);
		assert_string_equal(hex, fixture_text(v, "meta_sum"));
		free(inf);
	}
	json_decref(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(hash_fits_known_answers),
	        cmocka_unit_test(key_words_are_the_digest_little_endian),
	        cmocka_unit_test(meta_sums_fit_known_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
