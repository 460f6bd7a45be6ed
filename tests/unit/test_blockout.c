#include "store/blockout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fault/fault_files.h"
#include "tests/unit/store_fixture.h"

static const struct atr_keyring ring = {.key = (const uint8_t *)"s3cr3t", .key_bytes = 6};
static const char *const ciphers[] = {"none", "chachapoly", "aes"};

static struct atr_block_home home_of(const char *dir, const struct atr_file_table *files)
{
	return (struct atr_block_home){.files = files,
	                               .msgs_path = dir,
	                               .account = "$G",
	                               .stream = "ORDERS",
	                               .ring = &ring};
}

/* Sequences from first on, some of them placeholders; the payload follows from the sequence. */
static enum atr_status put(struct atr_blockout *out, uint64_t sequence, struct atr_error *err)
{
	static uint8_t payload[5000];
	struct atr_message m = {.sequence = sequence,
	                        .time_ns = (int64_t)(1000 + sequence),
	                        .subject = "orders.new",
	                        .subject_bytes = 10,
	                        .payload = payload,
	                        .payload_bytes = (size_t)(sequence * 37 % sizeof payload)};

	memset(payload, (int)sequence, sizeof payload);
	if (sequence % 7 == 0)
		m = (struct atr_message){.sequence = sequence | ATR_SEQUENCE_ERASED};
	return atr_blockout_put(out, &m, err);
}

static enum atr_status write_block(const struct atr_block_home *home, const char *cipher,
                                   const char *suffix, uint64_t count, int sync,
                                   struct atr_blockout_result *result, struct atr_error *err)
{
	const struct atr_blockout_options options = {.home = home,
	                                             .cipher = atr_cipher_find(cipher, NULL),
	                                             .number = 3,
	                                             .suffix = suffix,
	                                             .sync = sync};
	struct atr_blockout *out;
	enum atr_status rc = atr_blockout_open(&options, &out, err);

	for (uint64_t s = 1; s <= count && rc == ATR_OK; s++)
		rc = put(out, s, err);
	if (rc != ATR_OK) {
		atr_blockout_discard(out);
		return rc;
	}
	return atr_blockout_finish(out, result, err);
}

static void block_reads_as_it_was_written(void **state)
{
	const struct atr_block_home home = home_of(*state, &atr_file_real);
	struct atr_blockout_result result;
	struct atr_record record;
	struct atr_walk *walk;
	struct atr_error err;
	uint8_t lchk[8];

	for (size_t c = 0; c < 3; c++) {
		assert_ok(write_block(&home, ciphers[c], "", 400, 1, &result, &err), &err);
		assert_int_equal(result.records, 400);
		assert_ok(atr_walk_open(&home, 3, &walk, &err), &err);
		assert_int_equal(atr_walk_seed(walk) != NULL, c > 0);
		assert_int_equal(atr_walk_file_bytes(walk), result.file_bytes);
		assert_ok(atr_walk_last_check(walk, lchk, &err), &err);
		assert_memory_equal(lchk, result.lchk, 8);
		for (uint64_t s = 1; s <= 400; s++) {
			assert_ok(atr_walk_next(walk, &record, &err), &err);
			assert_int_equal(record.message.sequence, s);
			assert_int_equal(record.kind == ATR_RECORD_ERASED, s % 7 == 0);
			if (s % 7 != 0)
				assert_int_equal(record.message.payload_bytes, s * 37 % 5000);
		}
		assert_int_equal(atr_walk_next(walk, &record, &err), ATR_END);
		atr_walk_close(walk);
		/* not over a block that is there */
		assert_status(write_block(&home, ciphers[c], "", 4, 1, &result, &err), ATR_EEXISTS,
		              &err);
		assert_int_equal(fixture_exists(fixture_path(*state, "3.key")), c > 0);
		(void)atr_file_real.unlink(NULL, fixture_path(*state, "3.blk"));
		(void)atr_file_real.unlink(NULL, fixture_path(*state, "3.key"));
	}
}

static void compressed_block_reads_back(void **state)
{
	const struct atr_block_home home = home_of(*state, &atr_file_real);
	struct atr_blockout_options options = {.home = &home, .suffix = "", .compress = 1};
	struct atr_blockout_result result;
	struct atr_record record;
	struct atr_blockout *out;
	struct atr_walk *walk;
	struct atr_error err;
	uint8_t lchk[8];

	for (unsigned c = 0; c < 3; c++) {
		options.cipher = atr_cipher_find(ciphers[c], NULL);
		options.number = c + 1;
		assert_ok(atr_blockout_open(&options, &out, &err), &err);
		for (uint64_t s = 1; s <= 100; s++)
			assert_ok(put(out, s, &err), &err);
		assert_ok(atr_blockout_finish(out, &result, &err), &err);
		assert_true(result.file_bytes < 50000); /* of about 180,000 */
		assert_ok(atr_walk_open(&home, c + 1, &walk, &err), &err);
		assert_true(atr_walk_is_compressed(walk));
		assert_ok(atr_walk_last_check(walk, lchk, &err), &err);
		assert_memory_equal(lchk, result.lchk, 8);
		for (uint64_t s = 1; s <= 100; s++) {
			assert_ok(atr_walk_next(walk, &record, &err), &err);
			assert_int_equal(record.message.sequence, s);
		}
		assert_int_equal(atr_walk_next(walk, &record, &err), ATR_END);
		atr_walk_close(walk);
	}
}

static void every_output_has_a_key_of_its_own(void **state)
{
	const struct atr_block_home home = home_of(*state, &atr_file_real);
	struct atr_blockout_result result;
	struct atr_error err;
	uint8_t *first, *second, *block[2];
	size_t bytes;

	for (int i = 0; i < 2; i++) {
		assert_ok(write_block(&home, "aes", ".tmp", 20, 0, &result, &err), &err);
		block[i] = fixture_read(fixture_path(*state, "3.blk.tmp"), &bytes);
		if (i == 0)
			first = fixture_read(fixture_path(*state, "3.key.tmp"), &bytes);
	}
	second = fixture_read(fixture_path(*state, "3.key.tmp"), &bytes);
	assert_int_equal(bytes, 64);
	assert_memory_not_equal(first, second, 16);
	assert_memory_not_equal(block[0], block[1], (size_t)result.file_bytes);
	free(first);
	free(second);
	free(block[0]);
	free(block[1]);
	/* clear text has none, nor that of an attempt before it */
	assert_ok(write_block(&home, "none", ".tmp", 20, 0, &result, &err), &err);
	assert_false(fixture_exists(fixture_path(*state, "3.key.tmp")));
	assert_int_equal(fixture_count(*state, ""), 1);
}

static void first_record_spelling_cmp_is_refused(void **state)
{
	const struct atr_block_home home = home_of(*state, &atr_file_real);
	const struct atr_blockout_options options = {
	        .home = &home, .cipher = atr_cipher_find("none", NULL), .number = 3, .suffix = ""};
	struct atr_message m = {.sequence = 2, .subject = "s", .subject_bytes = 1};
	struct atr_blockout_result result;
	struct atr_blockout *out;
	struct atr_error err;

	m.payload_bytes = 7368035 - 31;
	m.payload = calloc(1, m.payload_bytes);
	assert_ok(atr_blockout_open(&options, &out, &err), &err);
	assert_status(atr_blockout_put(out, &m, &err), ATR_EINVAL, &err);
	assert_ok(put(out, 1, &err), &err);
	assert_ok(atr_blockout_put(out, &m, &err), &err);
	assert_ok(atr_blockout_finish(out, &result, &err), &err);
	free((void *)(uintptr_t)m.payload);
}

static void failure_of_any_call_leaves_no_file(void **state)
{
	unsigned long at;

	for (at = 1;; at++) {
		struct atr_blockout_result result;
		struct fault_files faults;
		struct atr_block_home home;
		struct atr_error err;
		enum atr_status rc;

		fault_files_init(&faults, FAULT_SHORT, ENOSPC, at, 1);
		home = home_of(*state, &faults.table);
		rc = write_block(&home, "chachapoly", "", 400, 1, &result, &err);
		if (atomic_load(&faults.failed) == 0) {
			assert_ok(rc, &err);
			break;
		}
		if (rc == ATR_OK) { /* the look whether a block is there may fail */
			assert_int_equal(at, 1);
			(void)atr_file_real.unlink(NULL, fixture_path(*state, "3.blk"));
			(void)atr_file_real.unlink(NULL, fixture_path(*state, "3.key"));
		}
		assert_int_equal(fixture_count(*state, ""), 0);
	}
	assert_true(at > 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(block_reads_as_it_was_written, fixture_setup,
	                                        fixture_teardown),
	        cmocka_unit_test_setup_teardown(compressed_block_reads_back, fixture_setup,
	                                        fixture_teardown),
	        cmocka_unit_test_setup_teardown(every_output_has_a_key_of_its_own, fixture_setup,
	                                        fixture_teardown),
	        cmocka_unit_test_setup_teardown(first_record_spelling_cmp_is_refused, fixture_setup,
	                                        fixture_teardown),
	        cmocka_unit_test_setup_teardown(failure_of_any_call_leaves_no_file, fixture_setup,
	                                        fixture_teardown),
	};

	return cmocka_run_group_tests_name("blockout", tests, NULL, NULL);
}
