/* test_known_answers.c - published and own known answers over every provider. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ciphers/cipher.h"
#include "ciphers/cipher_internal.h"
#include "ciphers/prf.h"
#include "tests/vectors/vectors.h"

#define AHEAD_COUNT 3
static const size_t ahead_sizes[AHEAD_COUNT] = {0, 64, 16384};

/* Every provider of an algorithm in turn; *i starts at 0. */
static const struct atr_cipher *next_provider(const char *name, size_t *i)
{
	const struct atr_cipher *c;

	while ((c = atr_cipher_at((*i)++)) != NULL)
		if (strcmp(atr_cipher_name(c), name) == 0)
			return c;
	return NULL;
}

/* Seals with each provider and compares, then opens that with each. Returns the checks done. */
static size_t check_aead(const char *name, const uint8_t *key, const uint8_t *nonce,
                         struct bytes text, const uint8_t *sealed, size_t sealed_bytes)
{
	const struct atr_cipher *c;
	uint8_t *out = malloc(sealed_bytes + 1);
	size_t checks = 0;

	assert_non_null(out);
	assert_int_equal(sealed_bytes, text.count + ATR_CIPHER_TAG_BYTES);
	for (size_t i = 0; (c = next_provider(name, &i)) != NULL; checks += 2) {
		assert_int_equal(atr_cipher_seal(c, key, nonce, text.data, text.count, out), 0);
		assert_memory_equal(out, sealed, sealed_bytes);
		memset(out, 0x5a, sealed_bytes);
		assert_int_equal(atr_cipher_open(c, key, nonce, sealed, sealed_bytes, out), 0);
		assert_memory_equal(out, text.data, text.count);
	}
	free(out);
	assert_true(checks > 0);
	return checks;
}

/* Deciphers and enciphers one known piece, each provider, each amount of key stream ahead. */
static size_t check_stream(const char *name, const uint8_t *key, const uint8_t *nonce,
                           uint64_t offset, const uint8_t *text, const uint8_t *sealed,
                           size_t bytes)
{
	const struct atr_cipher *c;
	uint8_t *out = malloc(bytes + 1);
	size_t checks = 0;

	assert_non_null(out);
	for (size_t i = 0; (c = next_provider(name, &i)) != NULL;) {
		for (size_t a = 0; a < AHEAD_COUNT; a++, checks += 2) {
			struct atr_keystream *s = atr_keystream_new(c, key, nonce, ahead_sizes[a]);

			assert_non_null(s);
			assert_int_equal(atr_keystream_xor(s, offset, text, out, bytes), 0);
			assert_memory_equal(out, sealed, bytes);
			assert_int_equal(atr_keystream_xor(s, offset, out, out, bytes), 0);
			assert_memory_equal(out, text, bytes);
			atr_keystream_free(s);
		}
	}
	free(out);
	assert_true(checks > 0);
	return checks;
}

/* ---- vectors.json ---- */

static void check_kek(const json_t *v, uint8_t kek[ATR_SHA256_BYTES])
{
	const char *key = vectors_text(v, "server_key");
	const char *account = vectors_text(v, "account");
	const char *context = vectors_text(v, "context");

	assert_int_equal(atr_hmac_sha256((const uint8_t *)key, strlen(key),
	                                 (const uint8_t *)account, strlen(account),
	                                 (const uint8_t *)context, strlen(context), kek),
	                 0);
}

static void own_key_encryption_keys(void **state)
{
	const json_t *all = vectors_load("vectors.json", "kek");
	uint8_t kek[ATR_SHA256_BYTES];
	size_t i;
	json_t *v;

	(void)state;
	json_array_foreach(all, i, v)
	{
		struct bytes want = vectors_hex(v, "kek_hex");

		check_kek(v, kek);
		assert_int_equal(want.count, sizeof(kek));
		assert_memory_equal(kek, want.data, sizeof(kek));
		free(want.data);
	}
	printf("key-encryption keys: %zu\n", i);
	assert_true(i > 0);
}

static void own_key_files(void **state)
{
	const json_t *all = vectors_load("vectors.json", "keyfile");
	uint8_t kek[ATR_SHA256_BYTES];
	size_t checks = 0;
	size_t i;
	json_t *v;

	(void)state;
	json_array_foreach(all, i, v)
	{
		struct bytes seed = vectors_hex(v, "seed_hex");
		struct bytes nonce = vectors_hex(v, "nonce_hex");
		struct bytes file = vectors_hex(v, "file_hex");

		check_kek(v, kek);
		assert_true(file.count > nonce.count);
		assert_memory_equal(file.data, nonce.data, nonce.count);
		checks += check_aead(vectors_text(v, "cipher"), kek, nonce.data, seed,
		                     file.data + nonce.count, file.count - nonce.count);
		free(seed.data);
		free(nonce.data);
		free(file.data);
	}
	printf("key files: %zu, %zu checks\n", i, checks);
	assert_true(i > 0);
}

static void own_sealed_metadata(void **state)
{
	const json_t *all = vectors_load("vectors.json", "aead");
	size_t checks = 0;
	size_t i;
	json_t *v;

	(void)state;
	json_array_foreach(all, i, v)
	{
		struct bytes seed = vectors_hex(v, "seed_hex");
		struct bytes nonce = vectors_hex(v, "nonce_hex");
		struct bytes text = vectors_hex(v, "plain_hex");
		struct bytes file = vectors_hex(v, "file_hex");

		checks += check_aead(vectors_text(v, "cipher"), seed.data, nonce.data, text,
		                     file.data + nonce.count, file.count - nonce.count);
		free(seed.data);
		free(nonce.data);
		free(text.data);
		free(file.data);
	}
	printf("sealed metadata: %zu, %zu checks\n", i, checks);
	assert_true(i > 0);
}

static void own_block_streams(void **state)
{
	static const struct {
		const char *member;
		uint64_t offset;
	} pieces[] = {
	        {"bytes_0_159", 0}, {"bytes_32752_32815", 32752}, {"bytes_65520_65583", 65520}};
	const json_t *all = vectors_load("vectors.json", "block_stream");
	static const uint8_t zeros[256];
	size_t checks = 0;
	size_t i;
	json_t *v;

	(void)state;
	json_array_foreach(all, i, v)
	{
		struct bytes seed = vectors_hex(v, "seed_hex");
		struct bytes nonce = vectors_hex(v, "nonce_hex");

		for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
			struct bytes want = vectors_hex(v, pieces[p].member);

			assert_true(want.count <= sizeof(zeros));
			checks += check_stream(vectors_text(v, "cipher"), seed.data, nonce.data,
			                       pieces[p].offset, zeros, want.data, want.count);
			free(want.data);
		}
		free(seed.data);
		free(nonce.data);
	}
	printf("block streams: %zu, %zu checks\n", i, checks);
	assert_true(i > 0);
}

static void own_blocks(void **state)
{
	const json_t *all = vectors_load("vectors.json", "block");
	size_t checks = 0;
	size_t i;
	json_t *v;

	(void)state;
	json_array_foreach(all, i, v)
	{
		struct bytes seed = vectors_hex(v, "seed_hex");
		struct bytes nonce = vectors_hex(v, "nonce_hex");
		struct bytes text = vectors_hex(v, "plain_hex");
		struct bytes file = vectors_hex(v, "file_hex");

		assert_int_equal(text.count, file.count);
		checks += check_stream(vectors_text(v, "cipher"), seed.data, nonce.data, 0,
		                       text.data, file.data, file.count);
		free(seed.data);
		free(nonce.data);
		free(text.data);
		free(file.data);
	}
	printf("blocks: %zu, %zu checks\n", i, checks);
	assert_true(i > 0);
}

/* ---- published.json ---- */

static void draft_hchacha20(void **state)
{
	const json_t *all = vectors_load("published.json", "hchacha20");
	uint8_t out[32];
	size_t i;
	json_t *v;

	(void)state;
	json_array_foreach(all, i, v)
	{
		struct bytes key = vectors_hex(v, "key");
		struct bytes nonce = vectors_hex(v, "nonce");
		struct bytes want = vectors_hex(v, "subkey");

		assert_int_equal(atr_cipher_hchacha20(key.data, nonce.data, out), 0);
		assert_memory_equal(out, want.data, sizeof(out));
		free(key.data);
		free(nonce.data);
		free(want.data);
	}
	printf("HChaCha20: %zu\n", i);
	assert_true(i > 0);
}

/* The second step of XChaCha20, run from the table of each back end. */
static void rfc8439_chacha20(void **state)
{
	const json_t *all = vectors_load("published.json", "chacha20");
	const struct atr_cipher *c;
	size_t checks = 0;
	size_t i;
	json_t *v;

	(void)state;
	json_array_foreach(all, i, v)
	{
		struct bytes key = vectors_hex(v, "key");
		struct bytes rest = vectors_hex(v, "rest");
		struct bytes text = vectors_hex(v, "text");
		struct bytes want = vectors_hex(v, "sealed");
		uint64_t offset = 64 * (uint64_t)json_integer_value(json_object_get(v, "counter"));
		uint8_t out[512];

		assert_true(text.count <= sizeof(out) && text.count == want.count);
		for (size_t p = 0; (c = next_provider("chachapoly", &p)) != NULL; checks++) {
			void *s = c->stream_new();

			assert_non_null(s);
			assert_int_equal(c->stream_subkey(s, key.data, rest.data), 0);
			assert_int_equal(c->stream_xor(s, offset, text.data, out, text.count), 0);
			assert_memory_equal(out, want.data, want.count);
			c->stream_free(s);
		}
		free(key.data);
		free(rest.data);
		free(text.data);
		free(want.data);
	}
	printf("RFC 8439 ChaCha20: %zu, %zu checks\n", i, checks);
	assert_true(checks > 0);
}

static void published_streams(void **state)
{
	const json_t *all = vectors_load("published.json", "stream");
	size_t checks = 0;
	size_t i;
	json_t *v;

	(void)state;
	json_array_foreach(all, i, v)
	{
		struct bytes key = vectors_hex(v, "key");
		struct bytes nonce = vectors_hex(v, "nonce");
		struct bytes text = vectors_hex(v, "text");
		struct bytes want = vectors_hex(v, "sealed");

		assert_int_equal(text.count, want.count);
		checks += check_stream(vectors_text(v, "cipher"), key.data, nonce.data,
		                       (uint64_t)json_integer_value(json_object_get(v, "offset")),
		                       text.data, want.data, want.count);
		free(key.data);
		free(nonce.data);
		free(text.data);
		free(want.data);
	}
	printf("XChaCha draft, SP 800-38A: %zu, %zu checks\n", i, checks);
	assert_true(i > 0);
}

/* The message whole, and split in two at each byte, must give the tag. */
static size_t check_hmac(struct bytes key, struct bytes msg, const uint8_t *tag, int valid)
{
	uint8_t out[ATR_SHA256_BYTES];
	size_t checks = 0;

	for (size_t split = 0; split <= msg.count; split++, checks++) {
		assert_int_equal(atr_hmac_sha256(key.data, key.count, msg.data, split,
		                                 msg.data + split, msg.count - split, out),
		                 0);
		assert_int_equal(memcmp(out, tag, sizeof(out)) == 0, valid);
	}
	assert_int_equal(atr_hmac_sha256(key.data, key.count, msg.data, msg.count, NULL, 0, out),
	                 0);
	assert_int_equal(memcmp(out, tag, sizeof(out)) == 0, valid);
	return checks + 1;
}

static void hmac_file(const char *file, const char *member, const char *name)
{
	const json_t *all = vectors_load(file, member);
	size_t invalid_count = 0;
	size_t checks = 0;
	size_t i;
	json_t *v;

	json_array_foreach(all, i, v)
	{
		struct bytes key = vectors_hex(v, "key");
		struct bytes msg = vectors_hex(v, "msg");
		struct bytes tag = vectors_hex(v, "tag");
		const json_t *result = json_object_get(v, "result");
		int valid = !result || strcmp(json_string_value(result), "valid") == 0;

		assert_int_equal(tag.count, ATR_SHA256_BYTES);
		checks += check_hmac(key, msg, tag.data, valid);
		invalid_count += !valid;
		free(key.data);
		free(msg.data);
		free(tag.data);
	}
	printf("%s: %zu (%zu of them invalid), %zu checks\n", name, i, invalid_count, checks);
	assert_true(i > 0);
}

static void rfc4231_hmac(void **state)
{
	(void)state;
	hmac_file("published.json", "hmac_sha256", "RFC 4231 HMAC-SHA-256");
}

static void published_sha256(void **state)
{
	const json_t *all = vectors_load("published.json", "sha256");
	uint8_t out[ATR_SHA256_BYTES];
	size_t i;
	json_t *v;

	(void)state;
	json_array_foreach(all, i, v)
	{
		struct bytes msg = vectors_hex(v, "msg");
		struct bytes want = vectors_hex(v, "digest");

		assert_int_equal(atr_sha256(msg.data, msg.count, out), 0);
		assert_memory_equal(out, want.data, sizeof(out));
		free(msg.data);
		free(want.data);
	}
	printf("SHA-256: %zu\n", i);
	assert_true(i > 0);
}

/* ---- Wycheproof ---- */

static void wycheproof_hmac(void **state)
{
	(void)state;
	hmac_file("wycheproof_hmac_sha256.json", "tests", "Wycheproof HMAC-SHA-256");
}

static void wycheproof_aead(const char *name, const char *file)
{
	const json_t *all = vectors_load(file, "tests");
	size_t aead_count = 0;
	size_t checks = 0;
	size_t i;
	json_t *v;

	json_array_foreach(all, i, v)
	{
		struct bytes key = vectors_hex(v, "key");
		struct bytes nonce = vectors_hex(v, "iv");
		struct bytes msg = vectors_hex(v, "msg");
		struct bytes ct = vectors_hex(v, "ct");
		struct bytes tag = vectors_hex(v, "tag");
		uint8_t *sealed = malloc(ct.count + tag.count);

		assert_non_null(sealed);
		assert_string_equal(vectors_text(v, "result"), "valid");
		memcpy(sealed, ct.data, ct.count);
		memcpy(sealed + ct.count, tag.data, tag.count);
		if (json_integer_value(json_object_get(v, "aad_bytes")) == 0) {
			checks += check_aead(name, key.data, nonce.data, msg, sealed,
			                     ct.count + tag.count);
			aead_count++;
		}
		/* ChaCha20-Poly1305 enciphers with block 1 on; GCM's counter is its own. */
		if (strcmp(name, "chachapoly") == 0)
			checks += check_stream(name, key.data, nonce.data, 64, msg.data, ct.data,
			                       ct.count);
		free(sealed);
		free(key.data);
		free(nonce.data);
		free(msg.data);
		free(ct.data);
		free(tag.data);
	}
	printf("Wycheproof %s: %zu (%zu as AEAD), %zu checks\n", name, i, aead_count, checks);
	assert_true(aead_count > 0);
}

static void wycheproof_xchacha20_poly1305(void **state)
{
	(void)state;
	wycheproof_aead("chachapoly", "wycheproof_xchacha20_poly1305.json");
}

static void wycheproof_aes_gcm(void **state)
{
	(void)state;
	wycheproof_aead("aes", "wycheproof_aes_gcm.json");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(own_key_encryption_keys),
	        cmocka_unit_test(own_key_files),
	        cmocka_unit_test(own_sealed_metadata),
	        cmocka_unit_test(own_block_streams),
	        cmocka_unit_test(own_blocks),
	        cmocka_unit_test(draft_hchacha20),
	        cmocka_unit_test(rfc8439_chacha20),
	        cmocka_unit_test(published_streams),
	        cmocka_unit_test(rfc4231_hmac),
	        cmocka_unit_test(published_sha256),
	        cmocka_unit_test(wycheproof_hmac),
	        cmocka_unit_test(wycheproof_xchacha20_poly1305),
	        cmocka_unit_test(wycheproof_aes_gcm),
	};
	int failed = cmocka_run_group_tests_name("known answers", tests, NULL, NULL);

	vectors_free();
	return failed;
}
