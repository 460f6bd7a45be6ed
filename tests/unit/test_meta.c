#include "store/meta.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/store_fixture.h"

static const struct atr_keyring ring = {.key = (const uint8_t *)"s3cr3t", .key_bytes = 6};
static const struct atr_keyring other = {.key = (const uint8_t *)"other", .key_bytes = 5};
static const struct atr_keyring keyless;
static const char *const ciphers[] = {"none", "chachapoly", "aes"};

static void write_meta(const char *dir, const char *cipher, const char *subject)
{
	const struct atr_cipher *c = atr_cipher_find(cipher, NULL);
	json_t *config = json_pack("{s:s, s:s, s:[s]}", "Created", "2024-01-02T03:04:05Z", "name",
	                           "S", "subjects", subject);
	struct atr_seed seed = {0};
	struct atr_error err;

	if (atr_cipher_encrypts(c))
		assert_int_equal(atr_keyfile_make(&atr_file_real, c, &seed), ATR_OK);
	assert_ok(atr_meta_write(&atr_file_real, dir, &ring, "$G", "S", "S", config,
	                         atr_cipher_encrypts(c) ? &seed : NULL, &err),
	          &err);
	json_decref(config);
}

static enum atr_status read_meta(const char *dir, const struct atr_keyring *keys,
                                 struct atr_meta *meta, struct atr_error *err)
{
	return atr_meta_read(&atr_file_real, dir, keys, "$G", "S", "S", meta, err);
}

static void what_is_written_is_read(void **state)
{
	const char *dir = *state;

	for (size_t c = 0; c < 3; c++) {
		struct atr_meta meta;
		struct atr_error err;
		char dir_of[PATH_MAX];
		uint8_t *inf;
		size_t bytes;

		(void)snprintf(dir_of, sizeof dir_of, "%s/%s", dir, ciphers[c]);
		assert_int_equal(atr_file_real.mkdir(NULL, dir_of, 0750), 0);
		write_meta(dir_of, ciphers[c], "orders.>");
		assert_ok(read_meta(dir_of, &ring, &meta, &err), &err);
		assert_int_equal(meta.encrypted, c > 0);
		assert_string_equal(json_string_value(json_array_get(
		                            json_object_get(meta.config, "subjects"), 0)),
		                    "orders.>");
		atr_meta_free(&meta);
		inf = fixture_read(fixture_path(dir_of, "meta.inf"), &bytes);
		if (c == 0) /* as the server writes it */
			assert_non_null(strstr((char *)inf, "orders.\\u003e"));
		else
			assert_null(memmem(inf, bytes, "orders", 6));
		free(inf);
		assert_int_equal(fixture_count(dir_of, ""), c > 0 ? 3 : 2);
	}
}

static void wrong_or_missing_key_changes_nothing(void **state)
{
	const char *dir = *state;
	struct atr_meta meta;
	struct atr_error err;
	uint64_t before;

	write_meta(dir, "aes", "a");
	before = fixture_digest(dir);
	assert_status(read_meta(dir, &other, &meta, &err), ATR_EAUTH, &err);
	assert_null(meta.config);
	assert_status(read_meta(dir, &keyless, &meta, &err), ATR_ENOKEY, &err);
	assert_true(fixture_digest(dir) == before);
}

static void clear_text_is_decided_by_the_key_file(void **state)
{
	const char *dir = *state;
	struct atr_meta meta;
	struct atr_error err;

	write_meta(dir, "none", "a");
	assert_ok(read_meta(dir, &keyless, &meta, &err), &err);
	atr_meta_free(&meta);
	/* a key file beside clear text: it is not believed */
	write_meta(dir, "aes", "a");
	assert_int_equal(atr_file_real.unlink(NULL, fixture_path(dir, "meta.key")), 0);
	assert_status(read_meta(dir, &ring, &meta, &err), ATR_EFORMAT, &err);
	assert_non_null(strstr(err.text, "no meta.key"));
}

static void every_flipped_bit_of_every_file_is_found(void **state)
{
	static const char *const names[] = {"meta.inf", "meta.sum", "meta.key"};
	const char *dir = *state;

	for (size_t c = 0; c < 3; c++) {
		write_meta(dir, ciphers[c], "a");
		for (size_t f = 0; f < 3; f++) {
			char path[PATH_MAX];
			size_t bytes;
			uint8_t *content;

			(void)snprintf(path, sizeof path, "%s/%s", dir, names[f]);
			content = fixture_read(path, &bytes);
			for (size_t bit = 0; bit < 8 * bytes; bit++) {
				struct atr_meta meta;
				struct atr_error err;
				enum atr_status rc;

				content[bit / 8] ^= (uint8_t)(1u << bit % 8);
				fixture_write(path, content, bytes);
				content[bit / 8] ^= (uint8_t)(1u << bit % 8);
				rc = read_meta(dir, &ring, &meta, &err);
				assert_true(rc == ATR_EAUTH || rc == ATR_EFORMAT);
			}
			if (content != NULL)
				fixture_write(path, content, bytes);
			free(content);
		}
	}
}

static void missing_files_are_named(void **state)
{
	const char *dir = *state;
	struct atr_meta meta;
	struct atr_error err;

	assert_status(read_meta(dir, &ring, &meta, &err), ATR_ENOTSTORE, &err);
	write_meta(dir, "none", "a");
	assert_int_equal(atr_file_real.unlink(NULL, fixture_path(dir, "meta.sum")), 0);
	assert_status(read_meta(dir, &ring, &meta, &err), ATR_EFORMAT, &err);
	assert_non_null(strstr(err.path, "meta.sum"));
}

static void known_sealed_texts_open(void **state)
{
	json_t *all = fixture_vectors();
	size_t i;
	json_t *v;

	(void)state;
	json_array_foreach(json_object_get(all, "aead"), i, v)
	{
		struct atr_seed seed = {.cipher = atr_cipher_find(fixture_text(v, "cipher"), NULL)};
		size_t seed_bytes, file_bytes, plain_bytes, text_bytes;
		uint8_t *s = fixture_hex(v, "seed_hex", &seed_bytes), *text;
		uint8_t *file = fixture_hex(v, "file_hex", &file_bytes);
		uint8_t *plain = fixture_hex(v, "plain_hex", &plain_bytes);

		memcpy(seed.seed, s, 32);
		assert_int_equal(atr_meta_unseal(&seed, file, file_bytes, &text, &text_bytes),
		                 ATR_OK);
		assert_int_equal(text_bytes, plain_bytes);
		assert_memory_equal(text, plain, plain_bytes);
		free(text);
		assert_int_equal(atr_meta_unseal(&seed, file, 10, &text, &text_bytes), ATR_EAUTH);
		assert_null(text);
		free(s);
		free(file);
		free(plain);
	}
	json_decref(all);
}

static void every_write_has_a_fresh_nonce(void **state)
{
	struct atr_seed seed;
	uint8_t *a, *b;
	size_t n;

	(void)state;
	assert_int_equal(atr_keyfile_make(&atr_file_real, atr_cipher_find("aes", NULL), &seed),
	                 ATR_OK);
	assert_int_equal(atr_meta_seal(&atr_file_real, &seed, (const uint8_t *)"x", 1, &a, &n),
	                 ATR_OK);
	assert_int_equal(atr_meta_seal(&atr_file_real, &seed, (const uint8_t *)"x", 1, &b, &n),
	                 ATR_OK);
	assert_memory_not_equal(a, b, 16);
	free(a);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(what_is_written_is_read, fixture_setup,
	                                        fixture_teardown),
	        cmocka_unit_test_setup_teardown(wrong_or_missing_key_changes_nothing, fixture_setup,
	                                        fixture_teardown),
	        cmocka_unit_test_setup_teardown(clear_text_is_decided_by_the_key_file,
	                                        fixture_setup, fixture_teardown),
	        cmocka_unit_test_setup_teardown(every_flipped_bit_of_every_file_is_found,
	                                        fixture_setup, fixture_teardown),
	        cmocka_unit_test_setup_teardown(missing_files_are_named, fixture_setup,
	                                        fixture_teardown),
	        cmocka_unit_test(known_sealed_texts_open),
	        cmocka_unit_test(every_write_has_a_fresh_nonce),
	};

	fixture_prefer_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
