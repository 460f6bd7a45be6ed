#include "store/store.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/keyfile.h"
#include "tests/unit/store_make.h"

/* Every way of flushing and reading, with blocks small enough that there are many. */
static void what_is_appended_is_read_before_and_after_reopening(void **state)
{
	for (unsigned v = 0; v < 3 * 2 * 2 * 2; v++) {
		struct atr_store_options o = make_options(make_ciphers[v % 3]);
		char dir[PATH_MAX];
		struct atr_store *store;
		struct atr_store_state s;
		struct atr_error err;

		(void)snprintf(dir, sizeof dir, "%s/%u", (const char *)*state, v);
		o.flush = v / 3 % 2 ? ATR_FLUSH_ASYNC : ATR_FLUSH_EACH;
		o.read = v / 6 % 2 ? ATR_READ_RECORD : ATR_READ_BLOCK;
		o.key_ahead = v / 12 % 2 ? -1 : 3;
		o.keystream_ahead_bytes = v / 12 % 2 ? -1 : 0;
		o.block_bytes = 20000;
		assert_ok(atr_store_create(make_stream_path(dir), &o, &store, &err), &err);
		make_append(store, 300, 700);
		make_check_all(store, 1, 300, 700);
		make_append(store, 50, 700);
		make_check_all(store, 1, 350, 700);
		assert_ok(atr_store_close(store, &err), &err);
		for (unsigned again = 0; again < 2; again++) {
			assert_ok(atr_store_open(make_stream_path(dir), &o, &store, &err), &err);
			atr_store_state(store, &s);
			assert_int_equal(s.messages, 350 + 20 * again);
			assert_int_equal(s.first_seq, 1);
			assert_int_equal(s.last_seq, 350 + 20 * again);
			assert_int_equal(s.deleted, 0);
			make_check_all(store, 1, s.last_seq, 700);
			make_append(store, 20, 700);
			make_check_all(store, 1, s.last_seq + 20, 700);
			assert_ok(atr_store_close(store, &err), &err);
		}
		/* one key per block, none left over */
		assert_int_equal(fixture_count(dir, ".key"),
		                 v % 3 ? fixture_count(dir, ".blk") + 1 : 0);
		assert_true(fixture_count(dir, ".blk") > 6);
	}
}

static void blocks_keep_their_limit_and_reopening_goes_on_in_the_last(void **state)
{
	struct atr_store_options o = make_options("aes");
	struct atr_store *store;
	struct atr_error err;
	struct atr_message m = {.subject = "s",
	                        .subject_bytes = 1,
	                        .payload_bytes = 69,
	                        .payload = (const uint8_t *)calloc(1, 69)}; /* 100 bytes */
	size_t bytes;

	o.block_bytes = 1000;
	assert_ok(atr_store_create(make_stream_path(*state), &o, &store, &err), &err);
	for (int i = 0; i < 15; i++)
		assert_ok(atr_store_append(store, &m, NULL, &err), &err);
	assert_ok(atr_store_close(store, &err), &err);
	assert_ok(atr_store_open(make_stream_path(*state), &o, &store, &err), &err);
	for (int i = 0; i < 6; i++)
		assert_ok(atr_store_append(store, &m, NULL, &err), &err);
	assert_ok(atr_store_close(store, &err), &err);
	free(fixture_read(fixture_path(make_stream_path(*state), "msgs/1.blk"), &bytes));
	assert_int_equal(bytes, 1000);
	free(fixture_read(fixture_path(make_stream_path(*state), "msgs/2.blk"), &bytes));
	assert_int_equal(bytes, 1000);
	free(fixture_read(fixture_path(make_stream_path(*state), "msgs/3.blk"), &bytes));
	assert_int_equal(bytes, 100);
	assert_int_equal(fixture_count(*state, ".blk"), 3);
	free((void *)(uintptr_t)m.payload);
}

static void a_record_above_the_block_size_has_a_block_of_its_own(void **state)
{
	for (unsigned async = 0; async < 2; async++) {
		struct atr_store_options o = make_options("chachapoly");
		char dir[PATH_MAX];
		struct atr_store *store;
		struct atr_error err;

		(void)snprintf(dir, sizeof dir, "%s/%u", (const char *)*state, async);
		o.flush = async ? ATR_FLUSH_ASYNC : ATR_FLUSH_EACH;
		o.block_bytes = 1000;
		assert_ok(atr_store_create(make_stream_path(dir), &o, &store, &err), &err);
		make_append(store, 4, 900000);
		assert_ok(atr_store_close(store, &err), &err);
		assert_int_equal(fixture_count(dir, ".blk"), 4);
		assert_ok(atr_store_open(make_stream_path(dir), &o, &store, &err), &err);
		make_check_all(store, 1, 4, 900000);
		assert_ok(atr_store_close(store, &err), &err);
	}
}

static void gaps_become_deleted_sequences(void **state)
{
	static const uint64_t sequences[] = {5, 6, 9, 10, 500, 501, 1000000};
	struct atr_store_options o = make_options("aes");
	struct atr_store *store;
	struct atr_reader *reader;
	struct atr_store_state s;
	struct atr_message m;
	struct atr_error err;

	assert_ok(atr_store_create(make_stream_path(*state), &o, &store, &err), &err);
	for (size_t i = 0; i < 7; i++) {
		m = make_message(sequences[i], 100);
		assert_ok(atr_store_append(store, &m, NULL, &err), &err);
	}
	m = make_message(1000000, 100);
	assert_status(atr_store_append(store, &m, NULL, &err), ATR_EINVAL, &err);
	for (unsigned reopened = 0; reopened < 2; reopened++) {
		atr_store_state(store, &s);
		assert_int_equal(s.first_seq, 5);
		assert_int_equal(s.last_seq, 1000000);
		assert_int_equal(s.messages, 7);
		assert_int_equal(s.deleted, 1000000 - 5 + 1 - 7);
		assert_ok(atr_reader_open(store, &reader, &err), &err);
		for (size_t i = 0; i < 7; i++) {
			assert_ok(
			        atr_reader_next(reader, i > 0 ? sequences[i - 1] + 1 : 0, &m, &err),
			        &err);
			make_check(&m, sequences[i], 100);
		}
		assert_status(atr_reader_get(reader, 7, &m, &err), ATR_ENOTFOUND, &err);
		assert_status(atr_reader_get(reader, 4, &m, &err), ATR_ENOTFOUND, &err);
		assert_status(atr_reader_get(reader, 777, &m, &err), ATR_ENOTFOUND, &err);
		atr_reader_close(reader);
		assert_ok(atr_store_close(store, &err), &err);
		assert_ok(atr_store_open(make_stream_path(*state), &o, &store, &err), &err);
	}
	assert_ok(atr_store_close(store, &err), &err);
}

static void limits_are_enforced_before_anything_is_written(void **state)
{
	struct atr_store_options o = make_options("none");
	char *subject = calloc(1, 65537);
	struct atr_store *store;
	struct atr_message m = {0};
	struct atr_error err;

	memset(subject, 's', 65536);
	assert_ok(atr_store_create(make_stream_path(*state), &o, &store, &err), &err);
	assert_status(atr_store_append(store, &m, NULL, &err), ATR_EINVAL, &err);
	m.subject = subject;
	m.subject_bytes = 65536;
	assert_status(atr_store_append(store, &m, NULL, &err), ATR_ETOOLARGE, &err);
	m.subject_bytes = 65535;
	assert_ok(atr_store_append(store, &m, NULL, &err), &err);
	m.subject_bytes = 1;
	m.payload = (const uint8_t *)calloc(1, ATR_RECORD_BYTES_MAX);
	m.payload_bytes = ATR_RECORD_BYTES_MAX - 30;
	assert_status(atr_store_append(store, &m, NULL, &err), ATR_ETOOLARGE, &err);
	m.payload_bytes--;
	assert_ok(atr_store_append(store, &m, NULL, &err), &err);
	m.sequence = ATR_SEQUENCE_MAX + 1;
	m.payload_bytes = 1;
	assert_status(atr_store_append(store, &m, NULL, &err), ATR_EINVAL, &err);
	m.sequence = ATR_SEQUENCE_MAX;
	assert_ok(atr_store_append(store, &m, NULL, &err), &err);
	m.sequence = 0;
	assert_status(atr_store_append(store, &m, NULL, &err), ATR_EINVAL, &err);
	assert_ok(atr_store_close(store, &err), &err);
	assert_int_equal(fixture_count(*state, ".blk"), 3);
	free((void *)(uintptr_t)m.payload);
	free(subject);
}

/* A first record of that length would make servers take the block for a compressed one. */
static void a_record_that_spells_cmp_is_never_first(void **state)
{
	struct atr_store_options o = make_options("aes");
	struct atr_message m = {.subject = "s", .subject_bytes = 1, .payload_bytes = 7368035 - 31};
	struct atr_store *store;
	struct atr_error err;

	m.payload = (const uint8_t *)calloc(1, m.payload_bytes);
	assert_ok(atr_store_create(make_stream_path(*state), &o, &store, &err), &err);
	assert_status(atr_store_append(store, &m, NULL, &err), ATR_EINVAL, &err);
	make_append(store, 1, 10);
	assert_ok(atr_store_append(store, &m, NULL, &err), &err);
	assert_ok(atr_store_close(store, &err), &err);
	assert_int_equal(fixture_count(*state, ".blk"), 1);
	free((void *)(uintptr_t)m.payload);
}

static void a_second_process_or_store_is_refused(void **state)
{
	struct atr_store_options o = make_options("aes");
	struct atr_store *store, *second;
	struct atr_error err;
	int ended;
	pid_t pid;

	assert_ok(atr_store_create(make_stream_path(*state), &o, &store, &err), &err);
	make_append(store, 1, 10);
	assert_status(atr_store_open(make_stream_path(*state), &o, &second, &err), ATR_ELOCKED,
	              &err);
	assert_null(second);
	pid = fork();
	if (pid == 0)
		_exit(atr_store_open(make_stream_path(*state), &o, &second, NULL) == ATR_ELOCKED
		              ? 0
		              : 1);
	assert_int_equal(waitpid(pid, &ended, 0), pid);
	assert_int_equal(ended, 0);
	assert_ok(atr_store_close(store, &err), &err);
}

static void wrong_key_or_directory_changes_nothing(void **state)
{
	struct atr_store_options o = make_options("aes"), other;
	const char *path = make_stream_path(*state);
	struct atr_store *store;
	struct atr_error err;
	uint64_t before;

	assert_status(atr_store_open(path, &o, &store, &err), ATR_ENOTSTORE, &err);
	assert_ok(atr_store_create(path, &o, &store, &err), &err);
	make_append(store, 10, 100);
	assert_ok(atr_store_close(store, &err), &err);
	before = fixture_digest(*state);
	assert_status(atr_store_create(path, &o, &store, &err), ATR_EEXISTS, &err);
	other = o;
	other.key = (const uint8_t *)"wrong";
	other.key_bytes = 5;
	assert_status(atr_store_open(path, &other, &store, &err), ATR_EAUTH, &err);
	other = o;
	other.key = NULL;
	other.key_bytes = 0;
	assert_status(atr_store_open(path, &other, &store, &err), ATR_ENOKEY, &err);
	assert_status(atr_store_create(fixture_path(*state, "x"), &other, &store, &err), ATR_ENOKEY,
	              &err);
	other = o;
	other.account = "OTHER";
	assert_status(atr_store_open(path, &other, &store, &err), ATR_EAUTH, &err);
	assert_null(store);
	assert_true(fixture_digest(*state) == before);
	/* with the key alone the stream's own cipher is taken */
	other = o;
	other.cipher = NULL;
	assert_ok(atr_store_open(path, &other, &store, &err), &err);
	make_append(store, 10, 100);
	make_check_all(store, 1, 20, 100);
	assert_ok(atr_store_close(store, &err), &err);
}

static void nothing_of_a_message_is_readable_in_the_files(void **state)
{
	for (size_t c = 0; c < 3; c++)
		for (unsigned async = 0; async < 2; async++) {
			struct atr_store_options o = make_options(make_ciphers[c]);
			struct atr_message m = {.subject = "canary.subject",
			                        .subject_bytes = 14,
			                        .payload = (const uint8_t *)"canary payload",
			                        .payload_bytes = 14};
			char dir[PATH_MAX];
			struct atr_store *store;
			struct atr_error err;
			uint8_t *content;
			size_t bytes;

			(void)snprintf(dir, sizeof dir, "%s/%zu-%u", (const char *)*state, c,
			               async);
			o.flush = async ? ATR_FLUSH_ASYNC : ATR_FLUSH_EACH;
			o.config_json = "{\"subjects\":[\"canary.subject\"]}";
			assert_ok(atr_store_create(make_stream_path(dir), &o, &store, &err), &err);
			assert_ok(atr_store_append(store, &m, NULL, &err), &err);
			assert_ok(atr_store_close(store, &err), &err);
			content = fixture_read(fixture_path(make_stream_path(dir), "msgs/1.blk"),
			                       &bytes);
			assert_int_equal(bytes, 30 + 28);
			assert_true((memmem(content, bytes, "canary", 6) != NULL) == (c == 0));
			free(content);
			content = fixture_read(fixture_path(make_stream_path(dir), "meta.inf"),
			                       &bytes);
			assert_true((memmem(content, bytes, "canary", 6) != NULL) == (c == 0));
			free(content);
		}
}

static void counters_and_state_add_up(void **state)
{
	struct atr_store_options o = make_options("aes");
	struct atr_store_counters c;
	struct atr_store *store;
	struct atr_store_state s;
	struct atr_error err;

	o.block_bytes = 5000;
	o.sync = ATR_SYNC_ALWAYS;
	assert_ok(atr_store_create(make_stream_path(*state), &o, &store, &err), &err);
	atr_store_state(store, &s);
	assert_int_equal(s.first_seq, 1);
	assert_int_equal(s.last_seq, 0);
	assert_int_equal(s.messages, 0);
	assert_ok(atr_store_fill_keys(store, &err), &err);
	atr_store_counters(store, &c);
	assert_int_equal(c.keys_made, 16);
	make_append(store, 20, 1000);
	atr_store_state(store, &s);
	atr_store_counters(store, &c);
	assert_int_equal(c.writes, 20);
	assert_true(c.syncs >= 20 + s.blocks);
	assert_int_equal(c.blocks_made, s.blocks);
	assert_true(c.written_bytes == s.bytes + 64 * c.keys_made);
	assert_ok(atr_store_close(store, &err), &err);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

/* A flush in the middle must not leave the flusher writing a few records at a time. */
static void async_writes_stay_large_after_a_flush(void **state)
{
	struct atr_store_options o = make_options("aes");
	static const uint8_t payload[64];
	struct atr_message m = {.subject = "s",
	                        .subject_bytes = 1,
	                        .payload = payload,
	                        .payload_bytes = sizeof payload};
	struct atr_store_counters counters;
	struct atr_store *store;
	struct timespec start, end;
	struct atr_error err;
	uint64_t elapsed_ns = 0, pieces;

	o.flush = ATR_FLUSH_ASYNC;
	assert_ok(atr_store_create(make_stream_path(*state), &o, &store, &err), &err);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (unsigned i = 0; i < 200000; i++) {
		assert_ok(atr_store_append(store, &m, NULL, &err), &err);
		if (i == 1000)
			assert_ok(atr_store_flush(store, &err), &err);
		/* slower than the flusher: 1 µs a message */
		do {
			clock_gettime(CLOCK_MONOTONIC, &end);
			elapsed_ns = (uint64_t)(end.tv_sec - start.tv_sec) * 1000000000 +
			             (uint64_t)end.tv_nsec - (uint64_t)start.tv_nsec;
		} while (elapsed_ns < i * UINT64_C(1000));
	}
	assert_ok(atr_store_flush(store, &err), &err);
	atr_store_counters(store, &counters);
	pieces = counters.written_bytes / (128 * 1024) + counters.blocks_made;
	/* each 5 ms without a piece's worth of bytes allow one small write */
	assert_true(counters.writes <= pieces + elapsed_ns / 5000000 + 20);
	assert_ok(atr_store_close(store, &err), &err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(what_is_appended_is_read_before_and_after_reopening),
	        TEST(blocks_keep_their_limit_and_reopening_goes_on_in_the_last),
	        TEST(a_record_above_the_block_size_has_a_block_of_its_own),
	        TEST(gaps_become_deleted_sequences),
	        TEST(limits_are_enforced_before_anything_is_written),
	        TEST(a_record_that_spells_cmp_is_never_first),
	        TEST(a_second_process_or_store_is_refused),
	        TEST(wrong_key_or_directory_changes_nothing),
	        TEST(nothing_of_a_message_is_readable_in_the_files),
	        TEST(counters_and_state_add_up),
	        TEST(async_writes_stay_large_after_a_flush),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
