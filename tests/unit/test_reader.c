#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"
#include "tests/unit/store_make.h"

static struct atr_store *create(const char *dir, struct atr_store_options o)
{
	struct atr_store *store;
	struct atr_error err;

	assert_ok(atr_store_create(make_stream_path(dir), &o, &store, &err), &err);
	return store;
}

static struct atr_reader *open_reader(struct atr_store *store)
{
	struct atr_reader *reader;
	struct atr_error err;

	assert_ok(atr_reader_open(store, &reader, &err), &err);
	return reader;
}

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* One reader used every way at once, while the stream grows. */
static void any_order_of_calls_gives_the_right_message(void **state)
{
	for (unsigned v = 0; v < 12; v++) {
		struct atr_store_options o = make_options(make_ciphers[v % 3]);
		uint64_t last = 200, x = 88172645463325252 + v;
		struct atr_store *store;
		struct atr_reader *reader;
		struct atr_message m;
		struct atr_error err;
		char dir[PATH_MAX];

		(void)snprintf(dir, sizeof dir, "%s/%u", (const char *)*state, v);
		o.block_bytes = 15000;
		o.flush = v / 3 % 2 ? ATR_FLUSH_ASYNC : ATR_FLUSH_EACH;
		o.read = v / 6 ? ATR_READ_RECORD : ATR_READ_BLOCK;
		store = create(dir, o);
		make_append(store, last, 600);
		reader = open_reader(store);
		for (unsigned i = 0; i < 2000; i++) {
			uint64_t at = 1 + next_random(&x) % last;

			if (i % 50 == 0) {
				make_append(store, 7, 600);
				last += 7;
				at = last; /* the newest, straight away */
			}
			if (next_random(&x) % 2)
				assert_ok(atr_reader_get(reader, at, &m, &err), &err);
			else
				assert_ok(atr_reader_next(reader, at, &m, &err), &err);
			make_check(&m, at, 600);
			for (uint64_t run = at + 1; run <= last && run < at + 4 && i % 3 == 0;
			     run++) {
				assert_ok(atr_reader_next(reader, run, &m, &err), &err);
				make_check(&m, run, 600);
			}
		}
		assert_status(atr_reader_get(reader, 0, &m, &err), ATR_ENOTFOUND, &err);
		assert_status(atr_reader_get(reader, last + 1, &m, &err), ATR_ENOTFOUND, &err);
		assert_status(atr_reader_next(reader, last + 1, &m, &err), ATR_END, &err);
		atr_reader_close(reader);
		assert_ok(atr_store_close(store, &err), &err);
	}
}

/* Many blocks, so that the bounded tables of a reader are given up and made again. */
static void more_blocks_than_a_reader_remembers(void **state)
{
	struct atr_store_options o = make_options("aes");
	struct atr_store *store;
	struct atr_reader *reader;
	struct atr_message m;
	struct atr_error err;

	o.block_bytes = 200;
	o.read = ATR_READ_RECORD;
	o.flush = ATR_FLUSH_ASYNC;
	o.key_ahead = -1;
	store = create(*state, o);
	make_append(store, 2500, 150);
	reader = open_reader(store);
	for (unsigned round = 0; round < 2; round++)
		for (uint64_t i = 1; i <= 2500; i += 3) {
			assert_ok(atr_reader_get(reader, i, &m, &err), &err);
			make_check(&m, i, 150);
		}
	atr_reader_close(reader);
	assert_ok(atr_store_close(store, &err), &err);
}

static void a_reader_of_an_empty_stream_finds_what_comes(void **state)
{
	for (unsigned async = 0; async < 2; async++) {
		struct atr_store_options o = make_options("chachapoly");
		struct atr_store *store;
		struct atr_reader *reader;
		struct atr_message m;
		struct atr_error err;
		char dir[PATH_MAX];

		(void)snprintf(dir, sizeof dir, "%s/%u", (const char *)*state, async);
		o.flush = async ? ATR_FLUSH_ASYNC : ATR_FLUSH_EACH;
		store = create(dir, o);
		reader = open_reader(store);
		assert_status(atr_reader_next(reader, 1, &m, &err), ATR_END, &err);
		assert_status(atr_reader_get(reader, 1, &m, &err), ATR_ENOTFOUND, &err);
		for (uint64_t i = 1; i <= 50; i++) {
			make_append(store, 1, 100);
			assert_ok(atr_reader_next(reader, i, &m, &err), &err);
			make_check(&m, i, 100);
			assert_status(atr_reader_next(reader, i + 1, &m, &err), ATR_END, &err);
		}
		atr_reader_close(reader);
		assert_ok(atr_store_close(store, &err), &err);
	}
}

/* So much is a piece of a block, not a record. */
#define PIECE_LEAST 65536

static ssize_t read_pieces_into_pages(void *context, int fd, void *out, size_t bytes,
                                      uint64_t offset)
{
	(void)context;
	if (bytes >= PIECE_LEAST)
		assert_int_equal((uintptr_t)out % 4096, offset % 4096);
	return atr_file_real.pread(NULL, fd, out, bytes, offset);
}

static void a_block_is_loaded_to_where_the_file_has_a_page(void **state)
{
	struct atr_store_options o = make_options("aes");
	struct atr_file_table files = atr_file_real;
	struct atr_store *store;
	struct atr_reader *reader;
	struct atr_message m;
	struct atr_error err;

	files.pread = read_pieces_into_pages;
	o.files = &files;
	o.read = ATR_READ_BLOCK;
	o.block_bytes = 1000000;
	store = create(*state, o);
	make_append(store, 1500, 2000);
	reader = open_reader(store);
	for (uint64_t i = 10; i <= 1500; i += 490) {
		assert_ok(atr_reader_get(reader, i, &m, &err), &err);
		make_check(&m, i, 2000);
	}
	atr_reader_close(reader);
	assert_ok(atr_store_close(store, &err), &err);
}

/* ---- several threads ---- */

#define APPENDERS 2
#define READERS   2
#define EACH      1500

struct shared {
	struct atr_store *store;
	_Atomic(uint64_t) acknowledged; /* lowest: all up to it have returned */
	_Atomic(int) failed;
	uint64_t returned[APPENDERS];
};

static void *append_many(void *arg)
{
	struct shared *shared = arg;
	struct atr_message m = {.subject = "t", .subject_bytes = 1};
	uint8_t payload[512];
	struct atr_error err;

	for (unsigned i = 0; i < EACH; i++) {
		uint64_t sequence;

		/* content follows from itself: every byte is the same, the length too */
		m.payload_bytes = 1 + i % sizeof payload;
		memset(payload, (int)m.payload_bytes, m.payload_bytes);
		m.payload = payload;
		if (atr_store_append(shared->store, &m, &sequence, &err) != ATR_OK) {
			print_error("%s: %s\n", err.path, err.text);
			atomic_store(&shared->failed, 1);
		}
	}
	return NULL;
}

static void *read_all(void *arg)
{
	struct shared *shared = arg;
	struct atr_reader *reader;
	struct atr_message m;
	uint64_t at = 1, x = 99;

	if (atr_reader_open(shared->store, &reader, NULL) != ATR_OK) {
		atomic_store(&shared->failed, 2);
		return NULL;
	}
	while (at <= APPENDERS * EACH && !atomic_load(&shared->failed)) {
		enum atr_status rc = atr_reader_next(reader, at, &m, NULL);

		if (rc == ATR_END)
			continue;
		if (rc != ATR_OK || m.sequence != at || m.payload[0] != (uint8_t)m.payload_bytes)
			atomic_store(&shared->failed, 3);
		at++;
		if (at % 16 != 0)
			continue;
		if (atr_reader_get(reader, 1 + next_random(&x) % (at - 1), &m, NULL) != ATR_OK ||
		    m.payload[m.payload_bytes - 1] != (uint8_t)m.payload_bytes)
			atomic_store(&shared->failed, 4);
	}
	atr_reader_close(reader);
	return NULL;
}

static void *sync_and_ask(void *arg)
{
	struct shared *shared = arg;

	for (unsigned i = 0; i < 20; i++) {
		struct atr_store_state s;
		struct atr_store_counters c;

		atr_store_state(shared->store, &s);
		atr_store_counters(shared->store, &c);
		if (atr_store_sync(shared->store, NULL) != ATR_OK)
			atomic_store(&shared->failed, 5);
	}
	return NULL;
}

static void appending_reading_and_syncing_at_once(void **state)
{
	for (unsigned v = 0; v < 8; v++) {
		struct atr_store_options o = make_options(v % 2 ? "aes" : "none");
		pthread_t thread[APPENDERS + READERS + 1];
		struct shared shared = {0};
		struct atr_store_state s;
		struct atr_error err;
		char dir[PATH_MAX];

		(void)snprintf(dir, sizeof dir, "%s/%u", (const char *)*state, v);
		o.flush = v / 2 % 2 ? ATR_FLUSH_ASYNC : ATR_FLUSH_EACH;
		o.read = v / 4 ? ATR_READ_RECORD : ATR_READ_BLOCK;
		o.sync = ATR_SYNC_INTERVAL;
		o.sync_interval_ns = 3000000;
		o.block_bytes = 30000;
		shared.store = create(dir, o);
		for (size_t i = 0; i < APPENDERS; i++)
			assert_int_equal(pthread_create(&thread[i], NULL, append_many, &shared), 0);
		for (size_t i = APPENDERS; i < APPENDERS + READERS; i++)
			assert_int_equal(pthread_create(&thread[i], NULL, read_all, &shared), 0);
		assert_int_equal(
		        pthread_create(&thread[APPENDERS + READERS], NULL, sync_and_ask, &shared),
		        0);
		for (size_t i = 0; i < APPENDERS + READERS + 1; i++)
			assert_int_equal(pthread_join(thread[i], NULL), 0);
		assert_int_equal(atomic_load(&shared.failed), 0);
		atr_store_state(shared.store, &s);
		assert_int_equal(s.messages, APPENDERS * EACH);
		assert_ok(atr_store_close(shared.store, &err), &err);
	}
}

static void append_subject(struct atr_store *store, const char *subject)
{
	static const uint8_t payload[300];
	struct atr_message m = {.subject = subject,
	                        .subject_bytes = strlen(subject),
	                        .payload = payload,
	                        .payload_bytes = sizeof payload};
	struct atr_error err;

	assert_ok(atr_store_append(store, &m, NULL, &err), &err);
}

/* The last message of a subject was removed, and the one before it is behind a block whose key is
 * damaged: that block may have had a later one, so it is named, and nothing is made up. */
static void a_block_that_cannot_be_opened_ends_the_search_for_a_last_message(void **state)
{
	const char *dir = fixture_path(*state, "damaged");
	struct atr_store_options o = make_options("aes");
	struct atr_reader *reader;
	struct atr_store *store;
	struct atr_message m;
	struct atr_error err;
	char path[PATH_MAX];

	o.block_bytes = 1000;
	o.config_json = "{\"subjects\":[\">\"]}";
	store = create(dir, o);
	append_subject(store, "rare");
	append_subject(store, "rare");
	for (unsigned i = 0; i < 7; i++)
		append_subject(store, "often");
	append_subject(store, "rare");
	append_subject(store, "often");
	assert_ok(atr_store_close(store, &err), &err);
	(void)snprintf(path, sizeof path, "%s/msgs/2.key", make_stream_path(dir));
	fixture_write(path, "cut", 3);
	(void)snprintf(path, sizeof path, "%s/msgs/index.db", make_stream_path(dir));
	assert_int_equal(remove(path), 0);
	assert_ok(atr_store_open(make_stream_path(dir), &o, &store, &err), &err);
	assert_ok(atr_store_delete(store, 10, &err), &err);
	reader = open_reader(store);
	assert_status(atr_reader_last(reader, "rare", &m, &err), ATR_EFORMAT, &err);
	assert_non_null(strstr(err.path, "2.key"));
	assert_ok(atr_reader_last(reader, "often", &m, &err), &err);
	assert_int_equal(m.sequence, 11);
	atr_reader_close(reader);
	assert_ok(atr_store_close(store, &err), &err);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(any_order_of_calls_gives_the_right_message),
	        TEST(more_blocks_than_a_reader_remembers),
	        TEST(a_reader_of_an_empty_stream_finds_what_comes),
	        TEST(a_block_is_loaded_to_where_the_file_has_a_page),
	        TEST(appending_reading_and_syncing_at_once),
	        TEST(a_block_that_cannot_be_opened_ends_the_search_for_a_last_message),
	};

	fixture_prefer_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
