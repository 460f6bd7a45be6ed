#include "store/rewrite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/blockout.h"
#include "store/hash.h"
#include "tests/fault/fault_files.h"
#include "tests/fault/kill_files.h"
#include "tests/unit/store_fixture.h"

static const struct atr_keyring ring = {.key = (const uint8_t *)"s3cr3t", .key_bytes = 6};
static const char *const ciphers[] = {"none", "chachapoly", "aes"};

#define BLOCKS 2
static const uint64_t numbers[BLOCKS] = {7, 8};

static struct atr_block_home home_of(const char *dir, const struct atr_file_table *files)
{
	return (struct atr_block_home){.files = files,
	                               .msgs_path = dir,
	                               .account = "$G",
	                               .stream = "ORDERS",
	                               .ring = &ring};
}

/* Both blocks hold one message, whose sequence is mark. */
static void write_blocks(const struct atr_block_home *home, const char *cipher, const char *suffix,
                         uint64_t mark)
{
	struct atr_blockout_options options = {
	        .home = home, .cipher = atr_cipher_find(cipher, NULL), .suffix = suffix, .sync = 1};
	const struct atr_message m = {.sequence = mark, .subject = "s", .subject_bytes = 1};
	struct atr_blockout_result result;
	struct atr_blockout *out;
	struct atr_error err;

	for (size_t i = 0; i < BLOCKS; i++) {
		options.number = numbers[i];
		assert_ok(atr_blockout_open(&options, &out, &err), &err);
		assert_ok(atr_blockout_put(out, &m, &err), &err);
		assert_ok(atr_blockout_finish(out, &result, &err), &err);
	}
}

/* The mark that all blocks have, and nothing else is there. */
static uint64_t read_mark(const struct atr_block_home *home, int *enciphered)
{
	struct atr_record record;
	struct atr_error err;
	uint64_t mark = 0;

	for (size_t i = 0; i < BLOCKS; i++) {
		struct atr_walk *walk;

		assert_ok(atr_walk_open(home, numbers[i], &walk, &err), &err);
		*enciphered = atr_walk_seed(walk) != NULL;
		assert_ok(atr_walk_next(walk, &record, &err), &err);
		assert_int_equal(atr_walk_next(walk, &record, &err), ATR_END);
		assert_true(i == 0 || mark == record.message.sequence);
		mark = record.message.sequence;
		atr_walk_close(walk);
	}
	assert_int_equal(fixture_count(home->msgs_path, ".tmp"), 0);
	assert_int_equal(fixture_count(home->msgs_path, ""), *enciphered ? 4 : 2);
	return mark;
}

static void clear_directory(const char *dir)
{
	static const char *const names[] = {"7.blk",     "7.key",     "8.blk",
	                                    "8.key",     "7.blk.tmp", "7.key.tmp",
	                                    "8.blk.tmp", "8.key.tmp", "rewrite.tmp"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		(void)atr_file_real.unlink(NULL, fixture_path(dir, names[i]));
}

struct job {
	const char *dir;
	int clear; /* the new blocks are clear text */
};

static int commit(const struct atr_file_table *files, void *arg)
{
	const struct job *job = arg;
	const uint8_t remove_key[BLOCKS] = {1, 1};

	return atr_rewrite_commit(files, job->dir, numbers, job->clear ? remove_key : NULL, BLOCKS,
	                          NULL) == ATR_OK
	               ? 0
	               : -1;
}

static int recover(const struct atr_file_table *files, void *arg)
{
	const struct job *job = arg;

	return atr_rewrite_recover(files, job->dir, NULL) == ATR_OK ? 0 : -1;
}

/* From and to every cipher: commit ended before every call, then recovery ended before every call,
 * then a whole recovery. */
static void kill_leaves_old_or_new_blocks(void **state)
{
	const struct atr_block_home home = home_of(*state, &atr_file_real);
	unsigned old_seen = 0, new_seen = 0, pending_seen = 0;

	for (unsigned pair = 0; pair < 9; pair++) {
		const char *from = ciphers[pair / 3], *to = ciphers[pair % 3];
		struct job job = {*state, pair % 3 == 0};
		struct atr_error err;
		int killed = 1, again, enciphered;

		for (unsigned long at = 1; killed; at++) {
			for (unsigned long then = 1, more = 1; more; then++) {
				write_blocks(&home, from, "", 1);
				write_blocks(&home, to, ".tmp", 2);
				killed = kill_files_run(at, commit, &job);
				pending_seen +=
				        (unsigned)atr_rewrite_is_pending(&atr_file_real, *state);
				again = kill_files_run(then, recover, &job);
				assert_ok(atr_rewrite_recover(&atr_file_real, *state, &err), &err);
				assert_false(atr_rewrite_is_pending(&atr_file_real, *state));
				if (read_mark(&home, &enciphered) == 2) {
					new_seen++;
					assert_int_equal(enciphered, pair % 3 > 0);
				} else {
					old_seen++;
					assert_true(killed);
					assert_int_equal(enciphered, pair / 3 > 0);
				}
				clear_directory(*state);
				more = again ? 1 : 0;
			}
		}
	}
	assert_true(old_seen > 20 && new_seen > 50 && pending_seen > 50);
}

static void failing_call_leaves_old_or_new_blocks(void **state)
{
	const struct atr_block_home home = home_of(*state, &atr_file_real);

	for (unsigned long at = 1, failed = 1; failed; at++) {
		struct fault_files faults;
		struct atr_error err;
		enum atr_status rc;
		int enciphered;

		write_blocks(&home, "none", "", 1);
		write_blocks(&home, "aes", ".tmp", 2);
		fault_files_init(&faults, FAULT_LATE_ERROR, EIO, at, 0);
		rc = atr_rewrite_commit(&faults.table, *state, numbers, NULL, BLOCKS, &err);
		failed = atomic_load(&faults.failed) > 0;
		if (!failed)
			assert_ok(rc, &err);
		assert_ok(atr_rewrite_recover(&atr_file_real, *state, &err), &err);
		if (read_mark(&home, &enciphered) == 1)
			assert_true(failed && rc != ATR_OK);
		clear_directory(*state);
	}
}

static void files_of_several_directories_change_together(void **state)
{
	const struct atr_rewrite_file list[] = {
	        {"meta.inf", 0}, {"obs/C 1/o.dat", 0}, {"obs/C 1/meta.key", 1}, {"meta.key", 1}};
	struct atr_error err;

	assert_int_equal(atr_file_real.mkdir(NULL, fixture_path(*state, "obs"), 0750), 0);
	assert_int_equal(atr_file_real.mkdir(NULL, fixture_path(*state, "obs/C 1"), 0750), 0);
	fixture_write(fixture_path(*state, "meta.inf"), "old", 3);
	fixture_write(fixture_path(*state, "meta.inf.tmp"), "new", 3);
	fixture_write(fixture_path(*state, "obs/C 1/o.dat.tmp"), "new", 3);
	fixture_write(fixture_path(*state, "obs/C 1/meta.key"), "old", 3);
	assert_ok(atr_rewrite_files(&atr_file_real, *state, list, 4, &err), &err);
	assert_int_equal(fixture_count(*state, ""), 2);
	assert_int_equal(fixture_count(*state, "o.dat"), 1);
}

static void damaged_intent_is_no_intent(void **state)
{
	const char text[] = "atrest rewrite 1\nreplace 7.blk\nsum 0000000000000000\n";
	struct atr_error err;

	fixture_write(fixture_path(*state, "7.blk"), "old", 3);
	fixture_write(fixture_path(*state, "7.blk.tmp"), "new", 3);
	for (size_t bytes = 0; bytes < sizeof text; bytes++) {
		fixture_write(fixture_path(*state, "rewrite.tmp"), text, bytes);
		assert_false(atr_rewrite_is_pending(&atr_file_real, *state));
	}
	assert_ok(atr_rewrite_recover(&atr_file_real, *state, &err), &err);
	assert_int_equal(fixture_count(*state, ""), 1);
	/* a directory that is not there has nothing to finish */
	assert_ok(atr_rewrite_recover(&atr_file_real, fixture_path(*state, "none"), &err), &err);
}

static void name_outside_the_directory_is_no_intent(void **state)
{
	static const char *const names[] = {"/x", "../x", "a/../../x", ""};
	char text[256], hex[17];
	struct atr_hash_key key;

	assert_int_equal(atr_hash_key_init(&key, "rewrite"), 0);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		int n = snprintf(text, sizeof text, "atrest rewrite 1\nremove %s\n", names[i]);

		atr_hash_hex(atr_hash64(&key, (const uint8_t *)text, (size_t)n), hex);
		n += snprintf(text + n, sizeof text - (size_t)n, "sum %s\n", hex);
		fixture_write(fixture_path(*state, "rewrite.tmp"), text, (size_t)n);
		assert_false(atr_rewrite_is_pending(&atr_file_real, *state));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(kill_leaves_old_or_new_blocks, fixture_setup,
	                                        fixture_teardown),
	        cmocka_unit_test_setup_teardown(failing_call_leaves_old_or_new_blocks,
	                                        fixture_setup, fixture_teardown),
	        cmocka_unit_test_setup_teardown(files_of_several_directories_change_together,
	                                        fixture_setup, fixture_teardown),
	        cmocka_unit_test_setup_teardown(damaged_intent_is_no_intent, fixture_setup,
	                                        fixture_teardown),
	        cmocka_unit_test_setup_teardown(name_outside_the_directory_is_no_intent,
	                                        fixture_setup, fixture_teardown),
	};

	fixture_prefer_memory();
	return cmocka_run_group_tests_name("rewrite", tests, NULL, NULL);
}
