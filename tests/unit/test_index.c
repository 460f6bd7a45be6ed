/* Known answers are those of tests/vectors/vectors.json. */
#include "store/index.h"

#include <stdlib.h>
#include <string.h>

#include "store/bytes.h"
#include "tests/unit/store_fixture.h"

static uint8_t *clone(const uint8_t *from, size_t bytes)
{
	uint8_t *copy = malloc(bytes + 1); /* exact but one: the sanitizer sees a read past it */

	memcpy(copy, from, bytes);
	return copy;
}

static void take_seed(const json_t *vector, const char *cipher, struct atr_seed *seed)
{
	size_t bytes;
	uint8_t *value = fixture_hex(vector, "seed_hex", &bytes);

	memset(seed, 0, sizeof *seed);
	seed->cipher = atr_cipher_find(cipher, NULL);
	assert_int_equal(bytes, ATR_SEED_BYTES);
	memcpy(seed->seed, value, bytes);
	free(value);
	value = fixture_hex(json_object_get(vector, "nonce_hex"), cipher, &bytes);
	memcpy(seed->nonce, value, bytes);
	free(value);
}

static void check_idx(const struct atr_idx *idx)
{
	assert_int_equal(idx->messages, 4);
	assert_int_equal(idx->block.bytes, 250);
	assert_int_equal(idx->block.first_seq, 1);
	assert_int_equal(idx->block.last_seq, 6);
	assert_int_equal(idx->block.first_time_ns, 1700000000123456789);
	assert_int_equal(idx->block.last_time_ns, 1700000000123456792);
	assert_true(atr_seqset_has(&idx->block.deleted, 4));
	assert_true(atr_seqset_has(&idx->block.deleted, 6));
	assert_int_equal(atr_seqset_count(&idx->block.deleted, 0, 100), 2);
}

static void idx_reads_clear_and_sealed(void **state)
{
	json_t *vectors = fixture_vectors();
	const json_t *v = json_array_get(json_object_get(vectors, "idx"), 0);
	static const char *const ciphers[] = {"chachapoly", "aes"};
	const char *path = fixture_path(*state, "1.idx");
	struct atr_error err;
	struct atr_idx idx;
	size_t bytes;
	uint8_t *content = fixture_hex(v, "plain_hex", &bytes);

	fixture_write(path, content, bytes);
	assert_ok(atr_idx_read(&atr_file_real, path, NULL, 7, &idx, &err), &err);
	check_idx(&idx);
	assert_int_equal(idx.clear, 0);
	assert_int_equal(idx.block.number, 7);
	atr_idx_free(&idx);
	for (size_t i = 0; i < 2; i++) {
		struct atr_seed seed;

		take_seed(v, ciphers[i], &seed);
		/* clear text where a sealed one was promised is read, and said */
		fixture_write(path, content, bytes);
		assert_ok(atr_idx_read(&atr_file_real, path, &seed, 1, &idx, &err), &err);
		assert_int_equal(idx.clear, 1);
		atr_idx_free(&idx);
		free(content);
		content = fixture_hex(json_object_get(v, "sealed"), ciphers[i], &bytes);
		fixture_write(path, content, bytes);
		assert_ok(atr_idx_read(&atr_file_real, path, &seed, 1, &idx, &err), &err);
		check_idx(&idx);
		assert_int_equal(idx.clear, 0);
		atr_idx_free(&idx);
		content[5] ^= 1;
		fixture_write(path, content, bytes);
		assert_status(atr_idx_read(&atr_file_real, path, &seed, 1, &idx, &err), ATR_EAUTH,
		              &err);
		free(content);
		content = fixture_hex(v, "plain_hex", &bytes);
	}
	free(content);
	json_decref(vectors);
}

static void cut_or_inconsistent_idx_is_refused(void **state)
{
	json_t *vectors = fixture_vectors();
	const json_t *v = json_array_get(json_object_get(vectors, "idx"), 0);
	size_t bytes;
	uint8_t *content = fixture_hex(v, "plain_hex", &bytes);
	struct atr_idx idx;
	const char *why;

	(void)state;
	for (size_t cut = 0; cut < bytes; cut++) {
		uint8_t *copy = clone(content, cut);

		assert_int_equal(atr_idx_decode(copy, cut, &idx, &why), ATR_EFORMAT);
		assert_non_null(why);
		free(copy);
	}
	content[2]++; /* one message more than first, last and deletes allow */
	assert_int_equal(atr_idx_decode(content, bytes, &idx, &why), ATR_EFORMAT);
	content[2]--;
	content[1] = 3;
	assert_int_equal(atr_idx_decode(content, bytes, &idx, &why), ATR_EUNSUPPORTED);
	free(content);
	json_decref(vectors);
}

static void empty_idx_keeps_the_last_sequence(void **state)
{
	/* messages, bytes, first 6, time, last 5, time, no deletes, lchk */
	static const uint8_t text[] = {22, 1, 0, 0, 6, 0, 5, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
	struct atr_idx idx;
	const char *why;

	(void)state;
	assert_int_equal(atr_idx_decode(text, sizeof text, &idx, &why), ATR_OK);
	assert_int_equal(idx.messages, 0);
	assert_int_equal(idx.block.first_seq, 6);
	assert_int_equal(idx.block.last_seq, 5);
	assert_int_equal(idx.lchk[7], 8);
	atr_idx_free(&idx);
}

static void the_empty_idx_that_is_written_is_read(void **state)
{
	static const uint64_t last[] = {1, 127, 1u << 20, (UINT64_C(1) << 62) - 2};
	uint8_t text[ATR_IDX_EMPTY_BYTES_MAX];
	struct atr_idx idx;
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof last / sizeof *last; i++) {
		size_t bytes = atr_idx_encode_empty(last[i], text);

		assert_true(bytes <= sizeof text);
		assert_int_equal(atr_idx_decode(text, bytes, &idx, &why), ATR_OK);
		assert_int_equal(idx.messages, 0);
		assert_true(idx.block.last_seq == last[i] && idx.block.first_seq == last[i] + 1);
		atr_idx_free(&idx);
	}
}

static void idx_version_2_has_a_sequence_set(void **state)
{
	uint8_t text[400] = {22, 2, 3, 9, 1, 0, 4, 0, 1};
	uint8_t *set = text + 9 + 8;
	struct atr_idx idx;
	const char *why;

	(void)state;
	set[0] = 22;
	set[1] = 2;
	set[2] = 1;      /* one node */
	set[6] = 1;      /* one bit */
	set[10 + 8] = 8; /* sequence 3 */
	set[10 + 8 + 256] = 1;
	assert_int_equal(atr_idx_decode(text, 9 + 8 + 10 + 8 + 256 + 2, &idx, &why), ATR_OK);
	assert_int_equal(idx.messages, 3);
	assert_true(atr_seqset_has(&idx.block.deleted, 3));
	atr_idx_free(&idx);
}

static void index_db_reads_clear_and_sealed(void **state)
{
	json_t *vectors = fixture_vectors();
	const json_t *v = json_object_get(vectors, "index_db_v1");
	const char *path = fixture_path(*state, "index.db");
	struct atr_index index;
	struct atr_error err;
	size_t bytes;
	uint8_t *content = fixture_hex(v, "file_plain_hex", &bytes);

	fixture_write(path, content, bytes);
	assert_ok(atr_index_read(&atr_file_real, path, NULL, "ORDERS", &index, &err), &err);
	assert_int_equal(index.version, 1);
	assert_int_equal(index.messages, 5);
	assert_int_equal(index.bytes, 300);
	assert_int_equal(index.first_seq, 1);
	assert_int_equal(index.last_seq, 6);
	assert_int_equal(index.first_time_ns, 1700000000123456789);
	assert_int_equal(index.subject_count, 2);
	assert_int_equal(index.subject[0].name_bytes, 11);
	assert_memory_equal(index.subject[0].name, "orders.eu.1", 11);
	assert_int_equal(index.subject[1].messages, 3);
	assert_int_equal(index.block_count, 2);
	assert_int_equal(index.last_block, 2);
	assert_int_equal(atr_seqset_count(&index.block[1].deleted, 0, 100) +
	                         atr_seqset_count(&index.block[0].deleted, 0, 100),
	                 1);
	atr_index_free(&index);
	/* any bit: the hash at the end tells */
	for (size_t i = 0; i < bytes; i += 7) {
		content[i] ^= 4;
		fixture_write(path, content, bytes);
		assert_status(atr_index_read(&atr_file_real, path, NULL, "ORDERS", &index, &err),
		              ATR_EFORMAT, &err);
		content[i] ^= 4;
	}
	/* under another name the hash is another one */
	fixture_write(path, content, bytes);
	assert_status(atr_index_read(&atr_file_real, path, NULL, "OTHER", &index, &err),
	              ATR_EFORMAT, &err);
	free(content);
	json_decref(vectors);
}

static void index_db_of_a_newer_version_is_named(void **state)
{
	json_t *vectors = fixture_vectors();
	size_t bytes;
	uint8_t *text = fixture_hex(json_object_get(vectors, "index_db_v1"), "plain_hex", &bytes);
	struct atr_index index;
	const char *why;

	(void)state;
	for (size_t cut = 0; cut < bytes; cut++) /* the text is taken over */
		assert_int_equal(atr_index_decode(clone(text, cut), cut, &index, &why),
		                 ATR_EFORMAT);
	text[1] = 5;
	assert_int_equal(atr_index_decode(text, bytes, &index, &why), ATR_EUNSUPPORTED);
	assert_non_null(strstr(why, "newer"));
	json_decref(vectors);
}

static void counts_beyond_the_text_allocate_nothing(void **state)
{
	/* 2^62 subjects */
	static const uint8_t text[] = {11,   1,    0,    0,    1,    0,    0,    0,    0xff,
	                               0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f, 0};
	struct atr_index index;
	const char *why;

	(void)state;
	assert_int_equal(atr_index_decode(clone(text, sizeof text), sizeof text, &index, &why),
	                 ATR_EFORMAT);
}

static void fss_is_checked_by_its_hash(void **state)
{
	/* one subject "k": 3 messages, 1 to 3 */
	uint8_t text[8 + 8 + 8] = {22, 1, 1, 1, 'k', 3, 1, 3};
	struct atr_hash_key key;
	struct atr_fss fss;
	const char *why;

	(void)state;
	assert_int_equal(atr_hash_key_init(&key, "K-1"), 0);
	atr_le64_put(text + 8, atr_hash64(&key, text, 8));
	text[16] = 99;
	assert_int_equal(atr_fss_decode(&key, clone(text, sizeof text), sizeof text, &fss, &why),
	                 ATR_OK);
	assert_int_equal(fss.subject_count, 1);
	assert_int_equal(fss.subject[0].messages, 3);
	assert_int_equal(fss.lchk[0], 99);
	atr_fss_free(&fss);
	text[4] = 'l';
	assert_int_equal(atr_fss_decode(&key, clone(text, sizeof text), sizeof text, &fss, &why),
	                 ATR_EFORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(idx_reads_clear_and_sealed, fixture_setup,
	                                        fixture_teardown),
	        cmocka_unit_test(cut_or_inconsistent_idx_is_refused),
	        cmocka_unit_test(empty_idx_keeps_the_last_sequence),
	        cmocka_unit_test(the_empty_idx_that_is_written_is_read),
	        cmocka_unit_test(idx_version_2_has_a_sequence_set),
	        cmocka_unit_test_setup_teardown(index_db_reads_clear_and_sealed, fixture_setup,
	                                        fixture_teardown),
	        cmocka_unit_test(index_db_of_a_newer_version_is_named),
	        cmocka_unit_test(counts_beyond_the_text_allocate_nothing),
	        cmocka_unit_test(fss_is_checked_by_its_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
