/* test_remove_faults.c - delete, purge, compact, truncate with the k-th call failing, for all k.
 *
 * After each the stream opens again. What was acknowledged as removed is gone, what nobody asked to
 * remove is there, and nothing is there that was never appended.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fault/fault_files.h"
#include "tests/unit/store_make.h"

#define MESSAGES    24
#define PAYLOAD_MAX 100
#define BLOCK_BYTES 600

static const struct variant {
	const char *cipher;
	enum atr_flush flush;
	enum atr_sync sync;
} variants[] = {
        {"none", ATR_FLUSH_EACH, ATR_SYNC_INTERVAL},
        {"aes", ATR_FLUSH_EACH, ATR_SYNC_ALWAYS},
        {"chachapoly", ATR_FLUSH_EACH, ATR_SYNC_NONE},
        {"aes", ATR_FLUSH_ASYNC, ATR_SYNC_INTERVAL},
};

static const struct {
	enum fault_kind kind;
	int error_number, sticky;
} faults[] = {
        {FAULT_ERROR, EIO, 0},
        {FAULT_ERROR, ENOSPC, 1},
        {FAULT_SHORT, ENOSPC, 0},
};

enum fate { STAYS, MAY_GO, GONE };

struct expected {
	enum fate fate[MESSAGES + 1];
	uint64_t last_seq_least;
	unsigned refused;
};

static void set_fate(struct expected *e, uint64_t first, uint64_t last, enum atr_status rc)
{
	for (uint64_t i = first; i <= last; i++)
		if (e->fate[i] != GONE)
			e->fate[i] = rc == ATR_OK ? GONE : MAY_GO;
	e->refused += rc != ATR_OK && rc != ATR_ENOTFOUND;
}

/* The operations, each acknowledged or not. Under async a failure may come after that: only what
 * is flushed counts as acknowledged. */
static void run(struct atr_store *store, struct expected *e)
{
	static const uint64_t singles[] = {2, 7, 8, 9, 10, 11, 24};
	enum atr_status rc;

	for (unsigned i = 0; i < sizeof singles / sizeof singles[0]; i++) {
		rc = atr_store_delete(store, singles[i], NULL);
		if (rc == ATR_OK)
			rc = atr_store_flush(store, NULL);
		set_fate(e, singles[i], singles[i], rc);
	}
	rc = atr_store_purge(store, &(struct atr_purge){.below_sequence = 6}, NULL, NULL);
	if (rc == ATR_OK)
		rc = atr_store_flush(store, NULL);
	set_fate(e, 1, 5, rc);
	rc = atr_store_truncate(store, 20, NULL);
	if (rc == ATR_OK)
		rc = atr_store_flush(store, NULL);
	set_fate(e, 21, MESSAGES, rc);
	e->last_seq_least = 20;
	rc = atr_store_compact(store, 15, NULL, NULL);
	if (rc == ATR_OK)
		rc = atr_store_flush(store, NULL);
	set_fate(e, 1, 14, rc);
}

static void check(const char *path, const struct variant *v, const struct expected *e)
{
	struct atr_store_options o = make_options(v->cipher);
	struct atr_store *store;
	struct atr_reader *reader;
	struct atr_message m;
	struct atr_store_state s;
	struct atr_error err;

	assert_ok(atr_store_open(path, &o, &store, &err), &err);
	assert_ok(atr_reader_open(store, &reader, &err), &err);
	for (uint64_t i = 1; i <= MESSAGES; i++) {
		enum atr_status rc = atr_reader_get(reader, i, &m, &err);

		if (e->fate[i] != MAY_GO && rc != (e->fate[i] == STAYS ? ATR_OK : ATR_ENOTFOUND))
			print_message("sequence %d, fate %d, status %d\n", (int)i, (int)e->fate[i],
			              (int)rc);
		if (e->fate[i] != MAY_GO)
			assert_status(rc, e->fate[i] == STAYS ? ATR_OK : ATR_ENOTFOUND, &err);
		if (rc == ATR_OK)
			make_check(&m, i, PAYLOAD_MAX);
	}
	atr_store_state(store, &s);
	assert_true(s.last_seq >= e->last_seq_least && s.last_seq <= MESSAGES);
	atr_reader_close(reader);
	make_append(store, 3, PAYLOAD_MAX);
	assert_ok(atr_store_close(store, &err), &err);
}

/* Returns 0 when k was beyond the last call. */
static int try_fault(const char *dir, unsigned number, const struct variant *v, unsigned fault,
                     unsigned long k)
{
	struct atr_store_options o = make_options(v->cipher);
	struct expected e = {.last_seq_least = 20};
	struct fault_files files;
	struct atr_store *store;
	struct atr_error err;
	char base[PATH_MAX], path[PATH_MAX];
	int descriptors = fixture_descriptors();

	(void)snprintf(base, sizeof base, "%s/%u", dir, number);
	(void)snprintf(path, sizeof path, "%s", make_stream_path(base));
	o.block_bytes = BLOCK_BYTES;
	o.key_ahead = -1;
	o.flush = v->flush;
	o.sync = v->sync;
	fault_files_init(&files, faults[fault].kind, faults[fault].error_number, 0,
	                 faults[fault].sticky);
	o.files = &files.table;
	assert_ok(atr_store_create(path, &o, &store, &err), &err);
	make_append(store, MESSAGES, PAYLOAD_MAX);
	assert_ok(atr_store_flush(store, &err), &err);
	files.at = atomic_load(&files.calls) + k;
	run(store, &e);
	(void)atr_store_close(store, NULL);
	assert_int_equal(fixture_descriptors(), descriptors);
	check(path, v, &e);
	fixture_remove(base);
	return atomic_load(&files.failed) > 0;
}

static void a_failed_removal_loses_nothing_else(void **state)
{
	for (unsigned v = 0; v < sizeof variants / sizeof variants[0]; v++)
		for (unsigned f = 0; f < sizeof faults / sizeof faults[0]; f++)
			for (unsigned long k = 1;; k++) {
				if (getenv("ATREST_VERBOSE") != NULL)
					print_message("variant %u, fault %u, call %lu\n", v, f, k);
				if (!try_fault(*state, v * 10 + f, &variants[v], f, k))
					break;
			}
}

/* A message far above the last one that could not be written deletes nothing: the state file, which
 * is only written when all fits, is there, and so is every message. */
static void a_gap_that_was_not_written_is_no_gap(void **state)
{
	const char *dir = fixture_path(*state, "gap"), *path = make_stream_path(dir);
	struct atr_store_options o = make_options("aes");
	struct atr_message far = make_message(40, 10);
	struct fault_files files;
	struct atr_store *store;
	struct atr_error err;

	fault_files_init(&files, FAULT_ERROR, ENOSPC, 0, 0);
	files.table.holder = NULL;
	o.files = &files.table;
	assert_ok(atr_store_create(path, &o, &store, &err), &err);
	make_append(store, 10, 10);
	files.at = files.calls + 1;
	assert_status(atr_store_append(store, &far, NULL, &err), ATR_ENOSPC, &err);
	make_append(store, 10, 10);
	make_check_all(store, 1, 20, 10);
	assert_ok(atr_store_close(store, &err), &err);
	assert_true(fixture_exists(fixture_path(path, "msgs/index.db")));
	assert_ok(atr_store_open(path, &o, &store, &err), &err);
	make_check_all(store, 1, 20, 10);
	assert_ok(atr_store_close(store, &err), &err);
}

static int setup(void **state)
{
	fixture_prefer_memory();
	return fixture_setup(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(a_failed_removal_loses_nothing_else, setup,
	                                        fixture_teardown),
	        cmocka_unit_test_setup_teardown(a_gap_that_was_not_written_is_no_gap, setup,
	                                        fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
