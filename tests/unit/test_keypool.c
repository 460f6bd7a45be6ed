#include "store/keypool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/store_fixture.h"

static const struct atr_keyring ring = {.key = (const uint8_t *)"k", .key_bytes = 1};

static struct atr_block_home home_of(const char *dir, const struct atr_file_table *files)
{
	struct atr_block_home home = {
	        .files = files, .msgs_path = dir, .account = "$G", .stream = "S", .ring = &ring};

	return home;
}

static struct atr_keypool *open_pool(const struct atr_block_home *home, unsigned ahead, int sync)
{
	struct atr_keypool_options o = {.home = home,
	                                .cipher = atr_cipher_find("aes", NULL),
	                                .first_number = 5,
	                                .ahead = ahead,
	                                .sync = sync};
	struct atr_keypool *pool;
	struct atr_error err;

	assert_ok(atr_keypool_open(&o, &pool, &err), &err);
	return pool;
}

/* Numbers rise by one, each file holds the seed that was handed out, the rest is removed. */
static void every_number_has_its_file(void **state)
{
	for (unsigned ahead = 0; ahead <= 4; ahead += 4)
		for (int must_sync = 0; must_sync < 2; must_sync++) {
			struct atr_block_home home = home_of(*state, &atr_file_real);
			struct atr_keypool *pool = open_pool(&home, ahead, 1);
			struct atr_keypool_counters counters;
			struct atr_error err;

			if (must_sync)
				assert_ok(atr_keypool_fill(pool, &err), &err);
			for (uint64_t i = 0; i < 40; i++) {
				struct atr_seed seed, read;
				uint64_t number;
				int synced;

				assert_ok(atr_keypool_take(pool, must_sync, &number, &seed, &synced,
				                           &err),
				          &err);
				assert_int_equal(number, 5 + i);
				assert_true(synced || !must_sync);
				assert_ok(atr_block_read_key(&home, number, &read, &err), &err);
				assert_memory_equal(read.seed, seed.seed, sizeof seed.seed);
				assert_memory_equal(read.nonce, seed.nonce, 16);
			}
			atr_keypool_counters(pool, &counters);
			assert_true(counters.made >= 40 && counters.made <= 40 + ahead);
			assert_int_equal(counters.written_bytes, 64 * counters.made);
			atr_keypool_close(pool);
			assert_int_equal(fixture_count(*state, ".key"), 40);
		}
}

static void fill_makes_all_and_takes_do_not_wait_then(void **state)
{
	struct atr_block_home home = home_of(*state, &atr_file_real);
	struct atr_keypool *pool = open_pool(&home, 16, 1);
	struct atr_keypool_counters counters;
	struct atr_error err;

	for (int round = 0; round < 3; round++) {
		assert_ok(atr_keypool_fill(pool, &err), &err);
		for (int i = 0; i < 7; i++) {
			struct atr_seed seed;
			uint64_t number;
			int synced;

			assert_ok(atr_keypool_take(pool, 1, &number, &seed, &synced, &err), &err);
			assert_int_equal(synced, 1);
		}
	}
	atr_keypool_counters(pool, &counters);
	assert_int_equal(counters.wait_ns, 0);
	atr_keypool_close(pool);
}

/* A disk that is full, or that fails to sync, from the given call on. */
static _Atomic(int) pwrites_left, syncs_left;

static ssize_t full_disk(void *context, int fd, const void *from, size_t bytes, uint64_t offset)
{
	if (pwrites_left-- <= 0)
		return -ENOSPC;
	return atr_file_real.pwrite(context, fd, from, bytes, offset);
}

static int failing_sync(void *context, int fd)
{
	if (syncs_left-- <= 0)
		return -EIO;
	return atr_file_real.sync(context, fd);
}

static void a_full_disk_is_told_and_passes(void **state)
{
	struct atr_file_table files = atr_file_real;
	struct atr_block_home home = home_of(*state, &files);
	struct atr_seed seed;
	struct atr_keypool *pool;
	struct atr_error err;
	uint64_t number = 0, last = 4;
	int synced, failed = 0;

	files.pwrite = full_disk;
	for (unsigned ahead = 0; ahead <= 4; ahead += 4) {
		pwrites_left = 3;
		pool = open_pool(&home, ahead, 0);
		for (int i = 0; i < 20; i++) {
			enum atr_status rc =
			        atr_keypool_take(pool, 0, &number, &seed, &synced, &err);

			if (i == 10)
				pwrites_left = 100;
			if (rc == ATR_OK)
				assert_true(number > last);
			else
				assert_status(rc, ATR_ENOSPC, &err);
			failed += rc != ATR_OK;
			last = number;
		}
		assert_true(failed > 0);
		assert_ok(atr_keypool_take(pool, 0, &number, &seed, &synced, &err), &err);
		atr_keypool_close(pool);
		last = 4;
	}
}

static void a_failed_sync_is_final(void **state)
{
	struct atr_file_table files = atr_file_real;
	struct atr_block_home home = home_of(*state, &files);
	struct atr_keypool *pool;
	struct atr_seed seed;
	struct atr_error err;
	uint64_t number;
	int synced, before = fixture_descriptors();

	files.sync = failing_sync;
	syncs_left = 2;
	pool = open_pool(&home, 8, 1);
	assert_status(atr_keypool_fill(pool, &err), ATR_EIO, &err);
	assert_status(atr_keypool_sync_error(pool, &err), ATR_EIO, &err);
	syncs_left = 1000;
	assert_status(atr_keypool_take(pool, 1, &number, &seed, &synced, &err), ATR_EIO, &err);
	atr_keypool_close(pool);
	assert_int_equal(fixture_count(*state, ".key"), 0);
	assert_int_equal(fixture_descriptors(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(every_number_has_its_file),
	        TEST(fill_makes_all_and_takes_do_not_wait_then),
	        TEST(a_full_disk_is_told_and_passes),
	        TEST(a_failed_sync_is_final),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
