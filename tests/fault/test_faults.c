/* test_faults.c - create, append, sync, read and close with the k-th call failing, for all k.
 *
 * After each: no descriptor and no temporary file is left, the stream opens again, holds a prefix
 * without a gap with at least everything acknowledged and written, and takes new messages.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fault/fault_files.h"
#include "tests/unit/store_make.h"

#define MESSAGES    10
#define PAYLOAD_MAX 200
#define BLOCK_BYTES 600 /* several blocks */

struct variant {
	const char *cipher;
	enum atr_flush flush;
	enum atr_sync sync;
	int32_t key_ahead;
};

static const struct variant variants[] = {
        {"none", ATR_FLUSH_EACH, ATR_SYNC_INTERVAL, -1},
        {"aes", ATR_FLUSH_EACH, ATR_SYNC_INTERVAL, -1},
        {"chachapoly", ATR_FLUSH_EACH, ATR_SYNC_ALWAYS, 3},
        {"aes", ATR_FLUSH_ASYNC, ATR_SYNC_INTERVAL, -1},
        {"none", ATR_FLUSH_ASYNC, ATR_SYNC_NONE, -1},
        {"aes", ATR_FLUSH_ASYNC, ATR_SYNC_INTERVAL, 2},
};

static const struct {
	enum fault_kind kind;
	int error_number, sticky;
} faults[] = {
        {FAULT_ERROR, EIO, 0},    {FAULT_ERROR, ENOSPC, 1}, {FAULT_SHORT, ENOSPC, 0},
        {FAULT_ERROR, ENOSPC, 0}, {FAULT_ERROR, EMFILE, 0}, {FAULT_LATE_ERROR, EIO, 0},
};

/* A store with a flusher takes a while to make, under a sanitizer most of the time. */
#define ASYNC_FAULTS 3

struct outcome {
	int created;
	uint64_t acknowledged; /* append returned */
	uint64_t kept;         /* and a flush after it, under async */
	unsigned failed;
};

static struct atr_store_options options_of(const struct variant *v)
{
	struct atr_store_options o = make_options(v->cipher);

	o.flush = v->flush;
	o.sync = v->sync;
	o.key_ahead = v->key_ahead;
	o.block_bytes = BLOCK_BYTES;
	return o;
}

/* The workload. Failures are counted and gone on after, as a caller would that tries again. */
static struct outcome run(const char *path, const struct variant *v, struct fault_files *files)
{
	struct atr_store_options o = options_of(v);
	struct outcome out = {0};
	struct atr_store *store;
	struct atr_reader *reader;
	struct atr_message m;
	struct atr_error err;

	o.files = &files->table;
	if (atr_store_create(path, &o, &store, &err) != ATR_OK) {
		assert_null(store);
		out.failed++;
		return out;
	}
	out.created = 1;
	for (unsigned i = 0; i < MESSAGES; i++) {
		m = make_message(out.acknowledged + 1, PAYLOAD_MAX);
		m.sequence = 0;
		if (atr_store_append(store, &m, NULL, &err) == ATR_OK)
			out.acknowledged++;
		else
			out.failed++;
		if (i == 5 && atr_store_sync(store, &err) != ATR_OK)
			out.failed++;
		if (i % 4 == 3 && atr_store_flush(store, &err) == ATR_OK)
			out.kept = out.acknowledged;
	}
	if (atr_reader_open(store, &reader, &err) == ATR_OK) {
		for (uint64_t i = 1; i <= out.acknowledged; i++)
			if (atr_reader_next(reader, i, &m, &err) == ATR_OK)
				make_check(&m, m.sequence, PAYLOAD_MAX);
			else
				out.failed++;
		if (out.acknowledged > 0 && atr_reader_get(reader, 1, &m, &err) == ATR_OK)
			make_check(&m, 1, PAYLOAD_MAX);
		atr_reader_close(reader);
	}
	if (atr_store_close(store, &err) == ATR_OK)
		out.kept = out.acknowledged;
	else
		out.failed++;
	if (v->flush == ATR_FLUSH_EACH)
		out.kept = out.acknowledged;
	return out;
}

/* Without faults any more: what is there, and does it go on? */
static void check(const char *path, const struct variant *v, const struct outcome *out)
{
	struct atr_store_options o = options_of(v);
	struct atr_store_recovery r;
	struct atr_store_state s;
	struct atr_store *store;
	struct atr_error err;

	o.sync = ATR_SYNC_NONE;
	o.flush = ATR_FLUSH_EACH;
	assert_ok(out->created ? atr_store_open(path, &o, &store, &err)
	                       : atr_store_create(path, &o, &store, &err),
	          &err);
	atr_store_state(store, &s);
	atr_store_recovery(store, &r);
	assert_string_equal(r.first_damage, "");
	assert_int_equal(s.messages, s.last_seq);
	assert_true(s.last_seq >= out->kept);
	/* one unacknowledged record may be there whole: its write was done, its sync failed */
	assert_true(s.last_seq <= out->acknowledged + (v->sync == ATR_SYNC_ALWAYS));
	make_append(store, 3, PAYLOAD_MAX);
	make_check_all(store, 1, s.last_seq + 3, PAYLOAD_MAX);
	assert_ok(atr_store_close(store, &err), &err);
}

static unsigned all_calls_fail_once(const char *root, const struct variant *v, size_t fault)
{
	unsigned runs = 0;

	for (unsigned long k = 1;; k++) {
		struct fault_files files;
		struct outcome out;
		char path[PATH_MAX + 64];
		int before = fixture_descriptors();

		fault_files_init(&files, faults[fault].kind, faults[fault].error_number, k,
		                 faults[fault].sticky);
		(void)snprintf(path, sizeof path, "%s/%lu/jetstream/$G/streams/S", root, k);
		out = run(path, v, &files);
		assert_int_equal(fixture_descriptors(), before);
		if (atomic_load(&files.failed) == 0) {
			assert_int_equal(out.failed, 0);
			assert_int_equal(out.acknowledged, MESSAGES);
			break;
		}
		check(path, v, &out);
		assert_int_equal(fixture_descriptors(), before);
		(void)snprintf(path, sizeof path, "%s/%lu", root, k);
		assert_int_equal(fixture_count(path, ".tmp"), 0);
		fixture_remove(path);
		runs++;
	}
	return runs;
}

static void every_call_may_fail(void **state)
{
	unsigned runs = 0;

	for (size_t v = 0; v < sizeof variants / sizeof variants[0]; v++)
		for (size_t f = 0; f < sizeof faults / sizeof faults[0]; f++) {
			char root[PATH_MAX];

			if (variants[v].flush == ATR_FLUSH_ASYNC && f >= ASYNC_FAULTS)
				continue; /* other threads, the same calls */
			(void)snprintf(root, sizeof root, "%s/%zu-%zu", (const char *)*state, v, f);
			runs += all_calls_fail_once(root, &variants[v], f);
		}
	print_message("%u injected failures\n", runs);
	assert_true(runs > 1000);
}

/* A record that could be read after its append failed would come twice: its sequence is given
 * to the next message. */
static void a_write_that_failed_late_is_not_read(void **state)
{
	struct atr_store_options o = make_options("aes");
	struct fault_files files;
	struct atr_store *store;
	struct atr_message m;
	struct atr_error err;
	unsigned long k;

	fault_files_init(&files, FAULT_LATE_ERROR, EIO, 0, 0);
	o.files = &files.table;
	o.key_ahead = -1;
	assert_ok(atr_store_create(make_stream_path(*state), &o, &store, &err), &err);
	make_append(store, 5, 100);
	k = atomic_load(&files.calls) + 1;
	files.at = k;
	m = make_message(6, 100);
	m.sequence = 0;
	m.time_ns++; /* not what the next one will be */
	assert_status(atr_store_append(store, &m, NULL, &err), ATR_EIO, &err);
	make_append(store, 5, 100);
	make_check_all(store, 1, 10, 100);
	assert_ok(atr_store_close(store, &err), &err);
	assert_int_equal(fixture_count(*state, ".blk"), 2); /* never again at that place */
	assert_ok(atr_store_open(make_stream_path(*state), &o, &store, &err), &err);
	make_check_all(store, 1, 10, 100);
	assert_ok(atr_store_close(store, &err), &err);
}

static void a_failed_sync_ends_acknowledging(void **state)
{
	struct atr_store_options o = make_options("none");
	struct fault_files files;
	struct atr_store *store;
	struct atr_message m = make_message(1, 10);
	struct atr_error err;

	fault_files_init(&files, FAULT_ERROR, EIO, 0, 0);
	o.files = &files.table;
	o.sync = ATR_SYNC_ALWAYS;
	assert_ok(atr_store_create(make_stream_path(*state), &o, &store, &err), &err);
	make_append(store, 3, 100);
	files.at = atomic_load(&files.calls) + 2; /* the write, then the sync */
	m.sequence = 0;
	assert_status(atr_store_append(store, &m, NULL, &err), ATR_EIO, &err);
	assert_non_null(strstr(err.text, "fsync"));
	for (int i = 0; i < 2; i++) {
		enum atr_status rc = atr_store_append(store, &m, NULL, &err);

		assert_true(rc == ATR_EIO || rc == ATR_EPOISONED);
	}
	assert_status(atr_store_sync(store, &err), ATR_EPOISONED, &err);
	assert_status(atr_store_close(store, &err), ATR_EPOISONED, &err);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(every_call_may_fail),
	        TEST(a_write_that_failed_late_is_not_read),
	        TEST(a_failed_sync_ends_acknowledging),
	};

	fixture_prefer_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
