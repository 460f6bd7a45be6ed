/* Blocks written anew in place: erasing, dropping what is deleted, format 2.9, compression. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "store/block.h"
#include "tests/fault/fault_files.h"
#include "tests/fault/kill_files.h"
#include "tests/unit/store_make.h"

#define MESSAGES    UINT64_C(40)
#define PAYLOAD_MAX ((size_t)400)
#define BLOCK_BYTES 3000u

static const char *stream_path(void *const *state, unsigned number)
{
	static char path[PATH_MAX];

	(void)snprintf(path, sizeof path, "%s/%u", (const char *)*state, number);
	return path;
}

static struct atr_store_options options_of(const char *cipher, enum atr_format format,
                                           enum atr_flush flush)
{
	struct atr_store_options o = make_options(cipher);

	o.stream = "S";
	o.account = "$G";
	o.block_bytes = BLOCK_BYTES;
	o.format = format;
	o.flush = flush;
	o.key_ahead = -1;
	return o;
}

static struct atr_store *create(const char *path, const struct atr_store_options *o)
{
	struct atr_store *store;
	struct atr_error err;

	assert_ok(atr_store_create(path, o, &store, &err), &err);
	make_append(store, MESSAGES, PAYLOAD_MAX);
	return store;
}

static void check_live(struct atr_store *store, const uint8_t *deleted)
{
	struct atr_store_state s;
	struct atr_reader *reader;
	struct atr_message m;
	struct atr_error err;
	uint64_t count = 0;

	assert_ok(atr_reader_open(store, &reader, &err), &err);
	for (uint64_t q = 1; q <= MESSAGES; q++) {
		enum atr_status rc = atr_reader_get(reader, q, &m, &err);

		assert_status(rc, deleted[q] ? ATR_ENOTFOUND : ATR_OK, &err);
		if (!deleted[q])
			make_check(&m, q, PAYLOAD_MAX);
		count += !deleted[q];
	}
	for (uint64_t q = 1; q <= MESSAGES; q++) {
		if (deleted[q])
			continue;
		assert_ok(atr_reader_next(reader, q, &m, &err), &err);
		assert_int_equal(m.sequence, q);
	}
	atr_reader_close(reader);
	atr_store_state(store, &s);
	assert_int_equal(s.messages, count);
	assert_int_equal(s.last_seq, MESSAGES);
}

static struct atr_store *check_reopened(const char *path, const struct atr_store_options *o,
                                        struct atr_store *store, const uint8_t *deleted)
{
	struct atr_error err;

	check_live(store, deleted);
	assert_ok(atr_store_close(store, &err), &err);
	assert_int_equal(fixture_count(path, ".tmp"), 0);
	assert_ok(atr_store_open(path, o, &store, &err), &err);
	check_live(store, deleted);
	return store;
}

/* ---- what the files hold ---- */

struct seen {
	unsigned messages, placeholders, tombstones, gaps, compressed, blocks;
	uint64_t kept[MESSAGES + 2]; /* by sequence: number of the block with its record */
};

static void look(const char *path, const struct atr_store_options *o, struct seen *seen)
{
	const struct atr_keyring ring = {o->key, o->key_bytes, NULL, 0};
	char msgs[PATH_MAX + 8];
	struct atr_block_home home = {.files = &atr_file_real,
	                              .msgs_path = msgs,
	                              .account = "$G",
	                              .stream = "S",
	                              .ring = &ring};

	memset(seen, 0, sizeof *seen);
	(void)snprintf(msgs, sizeof msgs, "%s/msgs", path);
	for (uint64_t n = 1; n < 100; n++) {
		struct atr_record record;
		struct atr_walk *walk;
		struct atr_error err;
		enum atr_status rc = atr_walk_open(&home, n, &walk, &err);
		uint64_t previous = 0;

		if (rc == ATR_ENOTFOUND)
			continue;
		assert_ok(rc, &err);
		assert_int_equal(atr_walk_seed(walk) != NULL, atr_cipher_encrypts(o->cipher));
		seen->blocks++;
		seen->compressed += (unsigned)atr_walk_is_compressed(walk);
		while ((rc = atr_walk_next(walk, &record, &err)) == ATR_OK) {
			uint64_t q = record.message.sequence;

			if (record.kind == ATR_RECORD_TOMBSTONE) {
				seen->tombstones++;
				continue;
			}
			seen->gaps += previous != 0 && q != previous + 1;
			previous = q;
			if (record.kind == ATR_RECORD_MESSAGE) {
				seen->messages++;
				seen->kept[q] = n;
			} else {
				seen->placeholders++;
			}
		}
		assert_int_equal(rc, ATR_END);
		atr_walk_close(walk);
	}
}

static uint8_t *key_of(const char *path, uint64_t number, size_t *bytes)
{
	char name[64];

	(void)snprintf(name, sizeof name, "msgs/%" PRIu64 ".key", number);
	return fixture_read(fixture_path(path, name), bytes);
}

/* ---- erase ---- */

static void erase_one(const char *path, const struct atr_store_options *o, uint64_t sequence)
{
	uint8_t deleted[MESSAGES + 1] = {0}, *before, *after;
	struct atr_store *store = create(path, o);
	size_t before_bytes, after_bytes;
	struct atr_error err;
	struct seen seen;
	uint64_t number;

	assert_ok(atr_store_flush(store, &err), &err);
	look(path, o, &seen);
	number = seen.kept[sequence];
	assert_int_not_equal(number, 0);
	before = key_of(path, number, &before_bytes);
	assert_ok(atr_store_erase(store, sequence, &err), &err);
	assert_status(atr_store_erase(store, sequence, &err), ATR_ENOTFOUND, &err);
	deleted[sequence] = 1;
	/* at once, not at close */
	assert_ok(atr_store_flush(store, &err), &err);
	look(path, o, &seen);
	assert_int_equal(seen.kept[sequence], 0);
	assert_int_equal(seen.messages, MESSAGES - 1);
	after = key_of(path, number, &after_bytes);
	assert_int_equal(before != NULL, atr_cipher_encrypts(o->cipher));
	assert_int_equal(after != NULL, before != NULL);
	if (before != NULL)
		assert_memory_not_equal(before, after, 16);
	free(before);
	free(after);
	store = check_reopened(path, o, store, deleted);
	assert_ok(atr_store_close(store, &err), &err);
	look(path, o, &seen);
	if (o->format == ATR_FORMAT_2_9) {
		assert_int_equal(seen.tombstones, 0);
		assert_int_equal(seen.gaps, 0);
	}
}

static void erased_message_is_in_no_file(void **state)
{
	static const uint64_t sequences[] = {1, 2, 17, MESSAGES - 1, MESSAGES};
	unsigned number = 0;

	for (unsigned c = 0; c < 3; c++)
		for (unsigned f = 0; f < 4; f++)
			for (unsigned i = 0; i < 5; i++) {
				struct atr_store_options o =
				        options_of(make_ciphers[c], f & 1 ? ATR_FORMAT_2_9 : 0,
				                   f & 2 ? ATR_FLUSH_ASYNC : ATR_FLUSH_EACH);

				erase_one(stream_path(state, number++), &o, sequences[i]);
			}
}

static void last_sequence_survives_erasing_everything(void **state)
{
	for (unsigned i = 0; i < 6; i++) {
		struct atr_store_options o =
		        options_of(make_ciphers[i / 2], i & 1 ? ATR_FORMAT_2_9 : 0, ATR_FLUSH_EACH);
		const char *path = stream_path(state, i);
		struct atr_store *store = create(path, &o);
		uint8_t deleted[MESSAGES + 1];
		struct atr_error err;

		memset(deleted, 1, sizeof deleted);
		for (uint64_t q = 1; q <= MESSAGES; q++)
			assert_ok(atr_store_erase(store, q, &err), &err);
		store = check_reopened(path, &o, store, deleted);
		store = check_reopened(path, &o, store, deleted);
		assert_ok(atr_store_close(store, &err), &err);
	}
}

/* ---- compaction ---- */

static void delete_some(struct atr_store *store, uint8_t *deleted)
{
	struct atr_error err;

	for (uint64_t q = 1; q <= MESSAGES; q++) {
		if (q % 4 == 0 || (q > 10 && q < 15))
			continue;
		assert_ok(atr_store_delete(store, q, &err), &err);
		deleted[q] = 1;
	}
}

static void compacted_blocks_hold_live_messages_only(void **state)
{
	for (unsigned i = 0; i < 6; i++) {
		struct atr_store_options o = options_of(make_ciphers[i / 2], ATR_FORMAT_2_10,
		                                        i & 1 ? ATR_FLUSH_ASYNC : ATR_FLUSH_EACH);
		const char *path = stream_path(state, i);
		struct atr_store *store = create(path, &o);
		uint8_t deleted[MESSAGES + 1] = {0};
		struct atr_error err;
		struct seen seen;

		delete_some(store, deleted);
		assert_ok(atr_store_compact_blocks(store, 1, &err), &err);
		assert_ok(atr_store_flush(store, &err), &err);
		look(path, &o, &seen);
		for (uint64_t q = 1; q <= MESSAGES; q++)
			assert_int_equal(seen.kept[q] != 0, !deleted[q]);
		store = check_reopened(path, &o, store, deleted);
		assert_ok(atr_store_compact_blocks(store, 0, &err), &err);
		store = check_reopened(path, &o, store, deleted);
		assert_ok(atr_store_close(store, &err), &err);
	}
}

static void format_2_9_has_a_placeholder_for_every_deletion(void **state)
{
	for (unsigned i = 0; i < 6; i++) {
		struct atr_store_options o = options_of(make_ciphers[i / 2], ATR_FORMAT_2_9,
		                                        i & 1 ? ATR_FLUSH_ASYNC : ATR_FLUSH_EACH);
		const char *path = stream_path(state, i);
		struct atr_store *store = create(path, &o);
		uint8_t deleted[MESSAGES + 1] = {0};
		struct atr_error err;
		struct seen seen;

		delete_some(store, deleted);
		store = check_reopened(path, &o, store, deleted);
		look(path, &o, &seen);
		assert_int_equal(seen.tombstones, 0);
		assert_int_equal(seen.gaps, 0);
		assert_true(seen.placeholders > 10);
		for (uint64_t q = 1; q <= MESSAGES; q++)
			assert_int_equal(seen.kept[q] != 0, !deleted[q]);
		assert_ok(atr_store_close(store, &err), &err);
	}
}

static void finished_blocks_are_compressed_by_sync(void **state)
{
	for (unsigned i = 0; i < 6; i++) {
		struct atr_store_options o = options_of(make_ciphers[i / 2], ATR_FORMAT_2_10,
		                                        i & 1 ? ATR_FLUSH_ASYNC : ATR_FLUSH_EACH);
		const char *path = stream_path(state, i);
		uint8_t deleted[MESSAGES + 1] = {0};
		struct atr_store *store;
		struct atr_error err;
		struct seen seen;

		o.config_json = "{\"compression\":\"s2\"}";
		store = create(path, &o);
		assert_ok(atr_store_sync(store, &err), &err);
		look(path, &o, &seen);
		assert_true(seen.compressed > 1);
		assert_int_equal(seen.compressed, seen.blocks - 1);
		assert_int_equal(seen.messages, MESSAGES);
		store = check_reopened(path, &o, store, deleted);
		delete_some(store, deleted);
		assert_ok(atr_store_compact_blocks(store, 1, &err), &err);
		store = check_reopened(path, &o, store, deleted);
		assert_ok(atr_store_close(store, &err), &err);
	}
}

/* ---- at the same time ---- */

struct reading {
	struct atr_store *store;
	_Atomic(int) stop;
	_Atomic(unsigned) rounds;
};

/* What is never deleted is always there. */
static void *read_all(void *arg)
{
	struct reading *r = arg;
	struct atr_reader *reader;
	struct atr_message m;
	struct atr_error err;

	if (atr_reader_open(r->store, &reader, &err) != ATR_OK)
		abort();
	while (!atomic_load(&r->stop)) {
		for (uint64_t q = 4; q <= MESSAGES; q += 4) {
			if (atr_reader_get(reader, q, &m, &err) != ATR_OK || m.sequence != q ||
			    atr_reader_next(reader, q, &m, &err) != ATR_OK || m.sequence != q) {
				(void)fprintf(stderr, "%" PRIu64 ": %s: %s\n", q, err.path,
				              err.text);
				abort();
			}
		}
		atomic_fetch_add(&r->rounds, 1);
	}
	atr_reader_close(reader);
	return NULL;
}

static void readers_go_on_while_blocks_are_rewritten(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct atr_store_options o = options_of(make_ciphers[i / 2 + 1], ATR_FORMAT_2_10,
		                                        i & 1 ? ATR_FLUSH_ASYNC : ATR_FLUSH_EACH);
		const char *path = stream_path(state, i);
		struct atr_store *store;
		struct reading reading;
		struct atr_error err;
		pthread_t thread;

		o.read = i & 1 ? ATR_READ_RECORD : ATR_READ_BLOCK;
		store = create(path, &o);
		reading = (struct reading){.store = store};
		assert_int_equal(pthread_create(&thread, NULL, read_all, &reading), 0);
		for (uint64_t q = 1; q <= MESSAGES; q++)
			if (q % 4 != 0)
				assert_ok(atr_store_erase(store, q, &err), &err);
		while (atomic_load(&reading.rounds) < 3)
			;
		atomic_store(&reading.stop, 1);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_ok(atr_store_close(store, &err), &err);
	}
}

/* ---- kills ---- */

struct job {
	const char *path;
	struct atr_store_options options;
	int how;
};

static int rewrite_once(const struct atr_file_table *files, void *arg)
{
	struct job *job = arg;
	enum atr_status rc, closed;
	struct atr_store *store;

	job->options.files = files;
	rc = atr_store_open(job->path, &job->options, &store, NULL);
	if (rc != ATR_OK)
		return -1;
	rc = job->how == 0 ? atr_store_compact_blocks(store, 1, NULL)
	                   : atr_store_erase(store, 8, NULL);
	closed = atr_store_close(store, NULL);
	return rc == ATR_OK && closed == ATR_OK ? 0 : -1;
}

static void kill_while_rewriting_keeps_what_lives(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct atr_store_options o = options_of(
		        i & 1 ? "aes" : "none", i == 3 ? ATR_FORMAT_2_9 : 0, ATR_FLUSH_EACH);
		const char *base = fixture_path(*state, i & 1 ? "base1" : "base0");
		char command[4 * PATH_MAX], base_path[PATH_MAX];
		const char *work = stream_path(state, 0);
		uint8_t deleted[MESSAGES + 1] = {0};
		struct job job = {work, o, (int)(i > 1)};
		struct atr_store *store;
		struct atr_error err;

		(void)snprintf(base_path, sizeof base_path, "%s-%u", base, i);
		store = create(base_path, &o);
		delete_some(store, deleted);
		assert_ok(atr_store_close(store, &err), &err);
		for (unsigned long at = 1, killed = 1; killed; at++) {
			uint8_t now[MESSAGES + 1];
			struct atr_reader *reader;
			struct atr_message m;

			(void)snprintf(command, sizeof command, "rm -rf '%s' && cp -r '%s' '%s'",
			               work, base_path, work);
			assert_int_equal(system(command), 0);
			killed = (unsigned long)kill_files_run(at, rewrite_once, &job);
			assert_ok(atr_store_open(work, &o, &store, &err), &err);
			memcpy(now, deleted, sizeof now);
			assert_ok(atr_reader_open(store, &reader, &err), &err);
			if (atr_reader_get(reader, 8, &m, &err) == ATR_ENOTFOUND)
				now[8] = 1;
			atr_reader_close(reader);
			assert_true(job.how == 1 || !now[8]);
			assert_true(killed || job.how == 0 || now[8]);
			store = check_reopened(work, &o, store, now);
			assert_ok(atr_store_close(store, &err), &err);
		}
	}
}

/* The disk fails once, at each call: what lives is there at the next open, what was deleted is not.
 */
static void failing_call_while_compacting_keeps_what_lives(void **state)
{
	struct atr_store_options o = options_of("aes", ATR_FORMAT_2_10, ATR_FLUSH_EACH), faulty = o;
	char base[PATH_MAX], command[4 * PATH_MAX];
	const char *work = stream_path(state, 0);
	uint8_t deleted[MESSAGES + 1] = {0};
	struct atr_store *store;
	struct atr_error err;

	(void)snprintf(base, sizeof base, "%s/base", (const char *)*state);
	store = create(base, &o);
	delete_some(store, deleted);
	assert_ok(atr_store_close(store, &err), &err);
	for (unsigned long at = 1, failed = 1; failed; at++) {
		struct fault_files faults;
		enum atr_status rc;

		(void)snprintf(command, sizeof command, "rm -rf '%s' && cp -r '%s' '%s'", work,
		               base, work);
		assert_int_equal(system(command), 0);
		fault_files_init(&faults, FAULT_LATE_ERROR, ENOSPC, at, 0);
		faulty.files = &faults.table;
		rc = atr_store_open(work, &faulty, &store, &err);
		if (rc == ATR_OK) {
			rc = atr_store_compact_blocks(store, 1, &err);
			(void)atr_store_close(store, NULL);
		}
		failed = atomic_load(&faults.failed) > 0;
		if (!failed)
			assert_ok(rc, &err);
		assert_ok(atr_store_open(work, &o, &store, &err), &err);
		store = check_reopened(work, &o, store, deleted);
		assert_ok(atr_store_close(store, &err), &err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(erased_message_is_in_no_file, fixture_setup,
	                                        fixture_teardown),
	        cmocka_unit_test_setup_teardown(last_sequence_survives_erasing_everything,
	                                        fixture_setup, fixture_teardown),
	        cmocka_unit_test_setup_teardown(compacted_blocks_hold_live_messages_only,
	                                        fixture_setup, fixture_teardown),
	        cmocka_unit_test_setup_teardown(format_2_9_has_a_placeholder_for_every_deletion,
	                                        fixture_setup, fixture_teardown),
	        cmocka_unit_test_setup_teardown(finished_blocks_are_compressed_by_sync,
	                                        fixture_setup, fixture_teardown),
	        cmocka_unit_test_setup_teardown(readers_go_on_while_blocks_are_rewritten,
	                                        fixture_setup, fixture_teardown),
	        cmocka_unit_test_setup_teardown(kill_while_rewriting_keeps_what_lives,
	                                        fixture_setup, fixture_teardown),
	        cmocka_unit_test_setup_teardown(failing_call_while_compacting_keeps_what_lives,
	                                        fixture_setup, fixture_teardown),
	};

	fixture_prefer_memory();
	return cmocka_run_group_tests_name("compact", tests, NULL, NULL);
}
