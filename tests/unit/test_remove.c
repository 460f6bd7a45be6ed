#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "store/store.h"
#include "tests/unit/remove_model.h"
#include "tests/unit/store_make.h"

/* Each test body runs for every cipher and both ways of flushing. */
#define VARIANTS 6

static struct atr_store_options variant_options(unsigned v)
{
	struct atr_store_options o = make_options(make_ciphers[v % 3]);

	o.flush = v / 3 ? ATR_FLUSH_ASYNC : ATR_FLUSH_EACH;
	o.block_bytes = 2000;
	o.key_ahead = -1;
	return o;
}

static struct atr_store_state state_of(struct atr_store *store)
{
	struct atr_store_state s;

	atr_store_state(store, &s);
	return s;
}

static void delete_one(struct atr_store *store, uint64_t sequence)
{
	struct atr_error err;

	assert_ok(atr_store_delete(store, sequence, &err), &err);
}

static uint64_t purge(struct atr_store *store, struct atr_purge p)
{
	uint64_t purged;
	struct atr_error err;

	assert_ok(atr_store_purge(store, &p, &purged, &err), &err);
	return purged;
}

/* Exactly the messages first..last are there. */
static void check_range(struct atr_store *store, uint64_t first, uint64_t last)
{
	struct atr_store_state s = state_of(store);

	assert_int_equal(s.messages, last + 1 - first);
	assert_int_equal(s.first_seq, first);
	make_check_all(store, first, last, 300);
}

/* ---- delete ---- */

static void a_deleted_message_stays_deleted(void **state)
{
	for (unsigned v = 0; v < VARIANTS; v++) {
		struct atr_store_options o = variant_options(v);
		char dir[PATH_MAX];
		struct atr_store *store = make_variant(state, v, &o, dir);
		struct atr_reader *reader;
		struct atr_message m;
		struct atr_error err;

		make_append(store, 50, 300);
		delete_one(store, 1);
		delete_one(store, 25);
		delete_one(store, 26);
		delete_one(store, 50);
		assert_status(atr_store_delete(store, 25, &err), ATR_ENOTFOUND, &err);
		assert_status(atr_store_delete(store, 51, &err), ATR_ENOTFOUND, &err);
		assert_status(atr_store_delete(store, 0, &err), ATR_ENOTFOUND, &err);
		for (unsigned round = 0; round < 2; round++) {
			struct atr_store_state s = state_of(store);

			assert_int_equal(s.messages, 46);
			assert_int_equal(s.first_seq, 2);
			assert_int_equal(s.last_seq, 50);
			assert_ok(atr_reader_open(store, &reader, &err), &err);
			assert_status(atr_reader_get(reader, 25, &m, &err), ATR_ENOTFOUND, &err);
			assert_ok(atr_reader_next(reader, 25, &m, &err), &err);
			make_check(&m, 27, 300);
			assert_ok(atr_reader_next(reader, 1, &m, &err), &err);
			make_check(&m, 2, 300);
			assert_status(atr_reader_next(reader, 50, &m, &err), ATR_END, &err);
			atr_reader_close(reader);
			store = make_reopen(store, &o, dir);
		}
		assert_ok(atr_store_close(store, &err), &err);
	}
}

static void the_last_sequence_outlives_every_message(void **state)
{
	for (unsigned v = 0; v < VARIANTS; v++) {
		struct atr_store_options o = variant_options(v);
		char dir[PATH_MAX];
		struct atr_store *store = make_variant(state, v, &o, dir);
		struct atr_error err;

		make_append(store, 140, 300);
		/* the newest first: what tells the last sequence stands in a block that goes */
		for (uint64_t i = 140; i >= 1; i--)
			delete_one(store, v % 2 ? i : i > 100 ? i : 101 - i);
		for (unsigned round = 0; round < 3; round++) {
			struct atr_store_state s = state_of(store);

			assert_int_equal(s.messages, 0);
			assert_int_equal(s.bytes, 0);
			assert_int_equal(s.last_seq, 140);
			assert_int_equal(s.first_seq, 141);
			assert_true(s.blocks <= 4);
			store = make_reopen(store, &o, dir);
		}
		make_append(store, 1, 300);
		store = make_reopen(store, &o, dir);
		check_range(store, 141, 141);
		assert_ok(atr_store_close(store, &err), &err);
	}
}

/* Tombstones of a block that goes are still needed for messages of blocks that stay. */
static void a_delete_outlives_the_block_that_told_it(void **state)
{
	for (unsigned v = 0; v < VARIANTS; v++) {
		struct atr_store_options o = variant_options(v);
		char dir[PATH_MAX];
		struct atr_store *store = make_variant(state, v, &o, dir);
		struct atr_error err;
		uint64_t last;

		make_append(store, 10, 300);
		delete_one(store, 2); /* its tombstone stands in a block of 11 and more */
		make_append(store, 60, 300);
		last = state_of(store).last_seq;
		for (uint64_t i = 3; i <= last; i++)
			delete_one(store, i);
		assert_true(state_of(store).blocks <= 3);
		store = make_reopen(store, &o, dir);
		check_range(store, 1, 1);
		assert_int_equal(state_of(store).last_seq, last);
		assert_ok(atr_store_close(store, &err), &err);
	}
}

/* ---- purge ---- */

static void purge_of_all_keeps_the_last_sequence(void **state)
{
	for (unsigned v = 0; v < VARIANTS; v++) {
		struct atr_store_options o = variant_options(v);
		char dir[PATH_MAX];
		struct atr_store *store = make_variant(state, v, &o, dir);
		struct atr_error err;

		assert_int_equal(purge(store, (struct atr_purge){0}), 0);
		make_append(store, 100, 300);
		assert_int_equal(purge(store, (struct atr_purge){0}), 100);
		assert_int_equal(state_of(store).blocks, 1);
		store = make_reopen(store, &o, dir);
		assert_int_equal(state_of(store).messages, 0);
		assert_int_equal(state_of(store).last_seq, 100);
		make_append(store, 5, 300);
		store = make_reopen(store, &o, dir);
		check_range(store, 101, 105);
		assert_int_equal(purge(store, (struct atr_purge){.subject = ">"}), 5);
		assert_ok(atr_store_close(store, &err), &err);
	}
}

static void purge_below_a_sequence_and_to_a_count(void **state)
{
	for (unsigned v = 0; v < VARIANTS; v++) {
		struct atr_store_options o = variant_options(v);
		char dir[PATH_MAX];
		struct atr_store *store = make_variant(state, v, &o, dir);
		struct atr_error err;
		uint64_t purged;

		make_append(store, 100, 300);
		assert_int_equal(purge(store, (struct atr_purge){.below_sequence = 1}), 0);
		assert_int_equal(purge(store, (struct atr_purge){.below_sequence = 34}), 33);
		check_range(store, 34, 100);
		store = make_reopen(store, &o, dir);
		check_range(store, 34, 100);
		assert_int_equal(purge(store, (struct atr_purge){.keep = 100}), 0);
		assert_int_equal(purge(store, (struct atr_purge){.keep = 20}), 47);
		store = make_reopen(store, &o, dir);
		check_range(store, 81, 100);
		assert_status(atr_store_purge(store,
		                              &(struct atr_purge){.below_sequence = 2, .keep = 1},
		                              &purged, &err),
		              ATR_EINVAL, &err);
		assert_int_equal(purge(store, (struct atr_purge){.keep = 1}), 19);
		store = make_reopen(store, &o, dir);
		check_range(store, 100, 100);
		assert_ok(atr_store_close(store, &err), &err);
	}
}

/* What the flusher had not written when a removal first read the block is found by the next. */
static void a_removal_goes_on_where_the_last_one_met_the_end_of_the_file(void **state)
{
	for (unsigned v = 0; v < VARIANTS; v++) {
		struct atr_store_options o = variant_options(v);
		struct atr_store *store;
		struct atr_error err;
		char dir[PATH_MAX];

		o.block_bytes = 100000;
		store = make_variant(state, v, &o, dir);
		for (unsigned round = 0; round < 20; round++) {
			uint64_t first = state_of(store).last_seq + 1;

			make_append(store, 3, 300);
			assert_ok(atr_store_sync(store, &err), &err);
			nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
			make_append(store, 3, 300); /* the flusher sleeps */
			assert_ok(atr_store_compact(store, first + 3, NULL, &err), &err);
			assert_ok(atr_store_sync(store, &err), &err);
			assert_ok(atr_store_compact(store, first + 4, NULL, &err), &err);
			check_range(store, first + 4, first + 5);
		}
		assert_ok(atr_store_close(store, &err), &err);
	}
}

static void compact_beyond_the_last_sequence_moves_it(void **state)
{
	for (unsigned v = 0; v < VARIANTS; v++) {
		struct atr_store_options o = variant_options(v);
		char dir[PATH_MAX];
		struct atr_store *store = make_variant(state, v, &o, dir);
		uint64_t purged;
		struct atr_error err;

		make_append(store, 30, 300);
		assert_ok(atr_store_compact(store, 11, &purged, &err), &err);
		assert_int_equal(purged, 10);
		check_range(store, 11, 30);
		assert_ok(atr_store_compact(store, 500, &purged, &err), &err);
		assert_int_equal(purged, 20);
		for (unsigned round = 0; round < 2; round++) {
			assert_int_equal(state_of(store).messages, 0);
			assert_int_equal(state_of(store).last_seq, 499);
			assert_int_equal(state_of(store).first_seq, 500);
			store = make_reopen(store, &o, dir);
		}
		make_append(store, 1, 300);
		store = make_reopen(store, &o, dir);
		check_range(store, 500, 500);
		assert_ok(atr_store_close(store, &err), &err);
	}
}

/* ---- files ---- */

/* No encrypted block is without its key, no key of a removed block is left after a close. */
static void removed_blocks_leave_no_file(void **state)
{
	for (unsigned v = 0; v < VARIANTS; v++) {
		struct atr_store_options o = variant_options(v);
		struct atr_store_state s;
		char dir[PATH_MAX], path[PATH_MAX];
		struct atr_store *store;
		unsigned blocks = 0, keys = 0;
		struct atr_error err;

		o.sync = v % 2 ? ATR_SYNC_INTERVAL : ATR_SYNC_NONE;
		store = make_variant(state, v, &o, dir);
		make_append(store, 200, 300);
		delete_one(store, 150);
		(void)purge(store, (struct atr_purge){.below_sequence = 120});
		s = state_of(store);
		assert_ok(atr_store_close(store, &err), &err);
		for (unsigned n = 1; n < 200; n++) {
			unsigned blk, key;

			(void)snprintf(path, sizeof path, "%s/msgs/%u.blk", make_stream_path(dir),
			               n);
			blk = access(path, F_OK) == 0;
			(void)snprintf(path, sizeof path, "%s/msgs/%u.key", make_stream_path(dir),
			               n);
			key = access(path, F_OK) == 0;
			assert_true(v % 3 == 0 ? !key : blk == key);
			blocks += blk;
			keys += key;
		}
		assert_int_equal(blocks, s.blocks);
		assert_int_equal(keys, v % 3 == 0 ? 0 : s.blocks);
	}
}

/* ---- several threads ---- */

#define SHARED_LAST 3000

struct shared {
	struct atr_store *store;
	_Atomic(uint64_t) gone; /* nothing below is there any more */
	_Atomic(int) stop;
	enum atr_status failed;
	struct atr_error error;
	const char *what;
};

/* Reads in every way. Whatever comes is right, and not older than what was gone before the call. */
static void *read_on(void *arg)
{
	struct shared *shared = arg;
	struct atr_reader *reader;
	struct atr_message m;
	uint64_t at = 1, x = 88172645463325252;

	shared->failed = atr_reader_open(shared->store, &reader, &shared->error);
	while (shared->failed == ATR_OK && !atomic_load(&shared->stop)) {
		uint64_t gone = atomic_load(&shared->gone);
		enum atr_status rc = atr_reader_next(reader, at, &m, &shared->error);

		if (rc == ATR_OK && m.sequence < gone)
			shared->what = "next gave what was gone";
		if (rc == ATR_OK && m.payload_bytes > 0 && m.payload[0] != (uint8_t)m.sequence)
			shared->what = "next gave another message";
		at = rc == ATR_OK ? m.sequence + 1 : 1;
		if (rc != ATR_OK && rc != ATR_END)
			shared->failed = rc;
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		gone = atomic_load(&shared->gone);
		rc = atr_reader_get(reader, 1 + x % SHARED_LAST, &m, &shared->error);
		if (rc == ATR_OK && m.sequence < gone)
			shared->what = "get gave what was gone";
		if (rc == ATR_OK && m.sequence != 1 + x % SHARED_LAST)
			shared->what = "get gave another message";
		if (rc != ATR_OK && rc != ATR_ENOTFOUND)
			shared->failed = rc;
		if (shared->what != NULL)
			break;
	}
	atr_reader_close(reader);
	return NULL;
}

static void append_numbered(struct atr_store *store)
{
	uint8_t payload[40];
	struct atr_message m = {.subject = "n",
	                        .subject_bytes = 1,
	                        .payload = payload,
	                        .payload_bytes = sizeof payload};
	struct atr_error err;

	memset(payload, (int)((state_of(store).last_seq + 1) & 0xff), sizeof payload);
	assert_ok(atr_store_append(store, &m, NULL, &err), &err);
}

static void readers_go_on_while_messages_and_blocks_go(void **state)
{
	for (unsigned v = 0; v < VARIANTS; v++) {
		struct atr_store_options o = variant_options(v);
		struct shared shared = {.what = NULL};
		struct atr_error err;
		char dir[PATH_MAX];
		pthread_t thread;

		o.read = v % 2 ? ATR_READ_RECORD : ATR_READ_BLOCK;
		shared.store = make_variant(state, v, &o, dir);
		atomic_init(&shared.gone, 0);
		atomic_init(&shared.stop, 0);
		while (state_of(shared.store).last_seq < SHARED_LAST)
			append_numbered(shared.store);
		assert_int_equal(pthread_create(&thread, NULL, read_on, &shared), 0);
		for (uint64_t first = 1; first < SHARED_LAST - 200;) {
			for (unsigned i = 0; i < 20; i++, first++)
				delete_one(shared.store, first);
			delete_one(shared.store, first + 150);
			atomic_store(&shared.gone, first);
			append_numbered(shared.store);
			if (first % 3 == 0)
				assert_ok(atr_store_compact_blocks(shared.store, 1, &err), &err);
			(void)purge(shared.store, (struct atr_purge){.below_sequence = first + 60});
			first += 151;
			(void)purge(shared.store, (struct atr_purge){.below_sequence = first});
			atomic_store(&shared.gone, first);
		}
		atomic_store(&shared.stop, 1);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_null(shared.what);
		assert_ok(shared.failed, &shared.error);
		assert_ok(atr_store_close(shared.store, &err), &err);
	}
}

/* ---- anything, against a model ---- */

static void random_operations_give_what_the_model_has(void **state)
{
	const char *given = getenv("ATREST_SEED");
	uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 20250101;

	for (unsigned v = 0; v < VARIANTS; v++) {
		struct atr_store_options o = variant_options(v);

		o.read = v % 2 ? ATR_READ_RECORD : ATR_READ_BLOCK;
		print_message("seed %" PRIu64 ", variant %u\n", seed + v, v);
		model_run(*state, v, &o, seed + v, 600);
		o.format = ATR_FORMAT_2_9;
		o.sync = v % 2 ? ATR_SYNC_ALWAYS : ATR_SYNC_INTERVAL;
		model_run(*state, VARIANTS + v, &o, seed + v, 200);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(a_deleted_message_stays_deleted),
	        TEST(the_last_sequence_outlives_every_message),
	        TEST(a_delete_outlives_the_block_that_told_it),
	        TEST(purge_of_all_keeps_the_last_sequence),
	        TEST(purge_below_a_sequence_and_to_a_count),
	        TEST(a_removal_goes_on_where_the_last_one_met_the_end_of_the_file),
	        TEST(compact_beyond_the_last_sequence_moves_it),
	        TEST(removed_blocks_leave_no_file),
	        TEST(readers_go_on_while_messages_and_blocks_go),
	        TEST(random_operations_give_what_the_model_has),
	};

	fixture_prefer_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
