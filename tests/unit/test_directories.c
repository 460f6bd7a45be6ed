/* Directories as crashes, rewrites and servers may leave them, put together block by block. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/blockout.h"
#include "store/inspect.h"
#include "tests/unit/store_make.h"

static const struct atr_keyring ring = {.key = (const uint8_t *)MAKE_KEY,
                                        .key_bytes = sizeof MAKE_KEY - 1};

/* Written one after the other into block `number` of the stream below dir. Message n is that of
 * make_message; -n is a tombstone of n. */
static void put_block(const char *dir, const char *cipher, unsigned number, const int64_t *record,
                      size_t count)
{
	char msgs[PATH_MAX];
	struct atr_block_home home = {.files = &atr_file_real,
	                              .msgs_path = msgs,
	                              .account = "$G",
	                              .stream = "S",
	                              .ring = &ring};
	struct atr_blockout_options options = {.home = &home,
	                                       .cipher = atr_cipher_find(cipher, NULL),
	                                       .number = number,
	                                       .suffix = ""};
	struct atr_blockout_result result;
	struct atr_blockout *out;
	struct atr_error err;

	(void)snprintf(msgs, sizeof msgs, "%s/msgs", make_stream_path(dir));
	assert_ok(atr_blockout_open(&options, &out, &err), &err);
	for (size_t i = 0; i < count; i++) {
		struct atr_message m = {.time_ns = 1};

		if (record[i] > 0)
			m = make_message((uint64_t)record[i], 100);
		else
			m.sequence = (uint64_t)-record[i] | ATR_SEQUENCE_TOMBSTONE;
		assert_ok(atr_blockout_put(out, &m, &err), &err);
	}
	assert_ok(atr_blockout_finish(out, &result, &err), &err);
}

static void make_empty(const char *dir, struct atr_store_options o)
{
	struct atr_store *store;
	struct atr_error err;

	assert_ok(atr_store_create(make_stream_path(dir), &o, &store, &err), &err);
	assert_ok(atr_store_close(store, &err), &err);
	(void)remove(fixture_path(make_stream_path(dir), "msgs/index.db"));
}

#define PUT(dir, cipher, number, ...)                                                              \
	do {                                                                                       \
		static const int64_t put_[] = {__VA_ARGS__};                                       \
		put_block((dir), (cipher), (number), put_, sizeof put_ / sizeof put_[0]);          \
	} while (0)

static struct atr_store_state state_of(const char *dir, struct atr_store_options o)
{
	struct atr_store_state s;
	struct atr_store *store;
	struct atr_error err;

	assert_ok(atr_store_open(make_stream_path(dir), &o, &store, &err), &err);
	atr_store_state(store, &s);
	assert_ok(atr_store_close(store, &err), &err);
	return s;
}

/* A rewritten block keeps the tombstone of the stream's last message and drops its record. */
static void a_tombstone_behind_the_last_record_keeps_the_last_sequence(void **state)
{
	for (size_t c = 0; c < 3; c++) {
		struct atr_store_options o = make_options(make_ciphers[c]);
		struct atr_store_state s;
		char dir[PATH_MAX];

		(void)snprintf(dir, sizeof dir, "%s/%zu", (const char *)*state, c);
		make_empty(dir, o);
		PUT(dir, make_ciphers[c], 1, 1, 2, 3, -9);
		s = state_of(dir, o);
		assert_int_equal(s.messages, 3);
		assert_int_equal(s.last_seq, 9);
		/* and what is appended comes after it */
		s = state_of(dir, o);
		assert_int_equal(s.last_seq, 9);
	}
}

/* ---- what a kill leaves ---- */

static void append_one(struct atr_store *store, uint64_t sequence)
{
	static const uint8_t payload[60];
	const struct atr_message m = {.subject = "s",
	                              .subject_bytes = 1,
	                              .payload = payload,
	                              .payload_bytes = sizeof payload};
	uint64_t given;
	struct atr_error err;

	assert_ok(atr_store_append(store, &m, &given, &err), &err);
	assert_int_equal(given, sequence);
}

static void delete_one(struct atr_store *store, uint64_t sequence)
{
	struct atr_error err;

	assert_ok(atr_store_delete(store, sequence, &err), &err);
}

/* A copy of the stream as it is on the disk now, without its lock. */
static void copy_stream(const char *from, const char *to)
{
	char command[4 * PATH_MAX], path[PATH_MAX];

	(void)snprintf(path, sizeof path, "%s", make_stream_path(from));
	(void)snprintf(command, sizeof command, "mkdir -p '%s' && cp -r '%s'/. '%s'",
	               make_stream_path(to), path, make_stream_path(to));
	assert_int_equal(system(command), 0);
}

/* Block 2 stays on the disk until the next sync, since the tombstone of 1 that was in it is said
 * again; the tombstones of what block 2 held are in block 3, which is emptied before that sync. */
static void a_block_that_waits_for_a_sync_does_not_come_back(void **state)
{
	struct atr_store_options o = make_options("none");
	char dir[PATH_MAX], copy[PATH_MAX];
	struct atr_store_state s;
	struct atr_store *store;
	struct atr_error err;

	(void)snprintf(dir, sizeof dir, "%s/a", (const char *)*state);
	(void)snprintf(copy, sizeof copy, "%s/b", (const char *)*state);
	o.block_bytes = 300; /* three messages */
	o.sync = ATR_SYNC_INTERVAL;
	o.sync_interval_ns = UINT64_C(3600) * 1000000000;
	assert_ok(atr_store_create(make_stream_path(dir), &o, &store, &err), &err);
	for (uint64_t i = 1; i <= 4; i++)
		append_one(store, i);
	delete_one(store, 1);
	append_one(store, 5);
	append_one(store, 6);
	delete_one(store, 4);
	delete_one(store, 5); /* block 2 is empty */
	append_one(store, 7);
	append_one(store, 8);
	delete_one(store, 2);
	delete_one(store, 3); /* block 1 is empty, nobody needs tombstones of it */
	delete_one(store, 6);
	delete_one(store, 7); /* block 3 is empty */
	copy_stream(dir, copy);
	s = state_of(copy, o);
	assert_int_equal(s.messages, 1);
	assert_int_equal(s.first_seq, 8);
	assert_int_equal(s.last_seq, 8);
	assert_ok(atr_store_close(store, &err), &err);
	s = state_of(dir, o);
	assert_int_equal(s.messages, 1);
}

/* The erased message was the last one of a block that then waits for a sync. */
static void what_is_erased_is_in_no_file(void **state)
{
	struct atr_store_options o = make_options("none");
	struct atr_store *store;
	struct atr_error err;

	o.block_bytes = 300;
	o.sync = ATR_SYNC_INTERVAL;
	o.sync_interval_ns = UINT64_C(3600) * 1000000000;
	assert_ok(atr_store_create(make_stream_path(*state), &o, &store, &err), &err);
	for (uint64_t i = 1; i <= 4; i++)
		append_one(store, i);
	delete_one(store, 1); /* in block 2, and needed as long as block 1 is there */
	for (uint64_t i = 5; i <= 7; i++)
		append_one(store, i);
	delete_one(store, 4);
	assert_true(fixture_exists(fixture_path(make_stream_path(*state), "msgs/2.blk")));
	assert_ok(atr_store_erase(store, 5, &err), &err);
	assert_false(fixture_exists(fixture_path(make_stream_path(*state), "msgs/2.blk")));
	assert_ok(atr_store_close(store, &err), &err);
}

/* ---- formats ---- */

/* 2.9 cuts a compressed block off: with that format none is made. */
static void blocks_for_2_9_are_not_compressed(void **state)
{
	for (unsigned is_2_9 = 0; is_2_9 < 2; is_2_9++) {
		struct atr_store_options o = make_options("aes");
		char dir[PATH_MAX], msgs[PATH_MAX];
		struct atr_block_home home = {.files = &atr_file_real,
		                              .msgs_path = msgs,
		                              .account = "$G",
		                              .stream = "S",
		                              .ring = &ring};
		struct atr_store *store;
		struct atr_walk *walk;
		struct atr_error err;

		(void)snprintf(dir, sizeof dir, "%s/%u", (const char *)*state, is_2_9);
		(void)snprintf(msgs, sizeof msgs, "%s/msgs", make_stream_path(dir));
		o.config_json = "{\"compression\":\"s2\"}";
		o.format = is_2_9 ? ATR_FORMAT_2_9 : ATR_FORMAT_2_10;
		o.block_bytes = 3000;
		assert_ok(atr_store_create(make_stream_path(dir), &o, &store, &err), &err);
		for (uint64_t i = 1; i <= 100; i++)
			append_one(store, i);
		assert_ok(atr_store_close(store, &err), &err);
		assert_ok(atr_walk_open(&home, 1, &walk, &err), &err);
		assert_int_equal(atr_walk_is_compressed(walk), !is_2_9);
		atr_walk_close(walk);
	}
}

/* ---- a wrong key ---- */

/* Files that a crash left are removed by an open, but not by one that is refused. */
static void a_wrong_key_changes_nothing(void **state)
{
	static const char *const left[] = {"meta.inf.tmp", "msgs/1.blk.tmp", "msgs/1.key.tmp",
	                                   "msgs/rewrite.tmp"};
	struct atr_store_options o = make_options("aes"), wrong = o;
	struct atr_store *store;
	struct atr_error err;
	uint64_t before;

	make_empty(*state, o);
	for (size_t i = 0; i < 4; i++)
		fixture_write(fixture_path(make_stream_path(*state), left[i]), "left", 4);
	before = fixture_digest(make_stream_path(*state));
	wrong.key = (const uint8_t *)"another";
	wrong.key_bytes = 7;
	assert_status(atr_store_open(make_stream_path(*state), &wrong, &store, &err), ATR_EAUTH,
	              &err);
	assert_true(fixture_digest(make_stream_path(*state)) == before);
	wrong.key = NULL;
	wrong.key_bytes = 0;
	wrong.cipher = NULL;
	assert_status(atr_store_open(make_stream_path(*state), &wrong, &store, &err), ATR_ENOKEY,
	              &err);
	assert_true(fixture_digest(make_stream_path(*state)) == before);
	assert_int_equal(state_of(*state, o).messages, 0);
	assert_int_equal(fixture_count(make_stream_path(*state), ".tmp"), 0);
}

/* ---- several threads ---- */

#define PURGES 100

struct appending {
	struct atr_store *store;
	atomic_int stop;
	_Atomic uint64_t highest; /* sequence given so far */
};

static void *append_on(void *arg)
{
	struct appending *a = arg;
	static const uint8_t payload[2000];
	uint64_t given;
	struct atr_error err;

	while (!atomic_load(&a->stop)) {
		const struct atr_message m = {.subject = "s",
		                              .subject_bytes = 1,
		                              .payload = payload,
		                              .payload_bytes = sizeof payload};
		uint64_t before = atomic_load(&a->highest), seen = before;

		if (atr_store_append(a->store, &m, &given, &err) != ATR_OK)
			return (void *)(uintptr_t)1;
		if (given <= before) /* given twice */
			return (void *)(uintptr_t)2;
		while (seen < given && !atomic_compare_exchange_weak(&a->highest, &seen, given))
			;
	}
	return NULL;
}

static ssize_t slow_pwrite(void *context, int fd, const void *bytes, size_t count, uint64_t offset)
{
	(void)nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
	return atr_file_real.pwrite(context, fd, bytes, count, offset);
}

/* More is appended than is written: a purge has to wait for room in the middle. */
static void a_purge_beside_appends_gives_no_sequence_twice(void **state)
{
	struct atr_store_options o = make_options("aes");
	static struct atr_file_table slow;
	struct appending a = {.stop = 0};
	struct atr_store_state s;
	struct atr_error err;
	pthread_t thread[3];
	uint64_t last = 0;

	slow = atr_file_real;
	slow.holder = NULL;
	slow.pwrite = slow_pwrite;
	o.files = &slow;
	o.flush = ATR_FLUSH_ASYNC;
	o.block_bytes = 1 << 20;
	assert_ok(atr_store_create(make_stream_path(*state), &o, &a.store, &err), &err);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, append_on, &a), 0);
	for (int i = 0; i < PURGES; i++) {
		assert_ok(atr_store_purge(a.store, &(struct atr_purge){.keep = i % 8 == 7 ? 5 : 0},
		                          NULL, &err),
		          &err);
		atr_store_state(a.store, &s);
		assert_true(s.last_seq >= last);
		last = s.last_seq;
	}
	atomic_store(&a.stop, 1);
	for (size_t i = 0; i < 3; i++) {
		void *result;

		assert_int_equal(pthread_join(thread[i], &result), 0);
		assert_int_equal((uintptr_t)result, 0);
	}
	atr_store_state(a.store, &s);
	assert_int_equal(s.messages, s.last_seq + 1 - s.first_seq - s.deleted);
	assert_ok(atr_store_close(a.store, &err), &err);
	last = s.messages;
	s = state_of(*state, o);
	assert_int_equal(s.messages, last);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(a_tombstone_behind_the_last_record_keeps_the_last_sequence),
	        TEST(a_block_that_waits_for_a_sync_does_not_come_back),
	        TEST(what_is_erased_is_in_no_file),
	        TEST(blocks_for_2_9_are_not_compressed),
	        TEST(a_wrong_key_changes_nothing),
	        TEST(a_purge_beside_appends_gives_no_sequence_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
