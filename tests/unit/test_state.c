/* index.db of an open store: when it is written, when it is believed, and what is left when not. */
#include "store/state.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "store/subjects.h"
#include "tests/unit/state_hide.h"
#include "tests/unit/store_make.h"

#define BLOCK_BYTES 2000
#define PAYLOAD_MAX 150

static const char *msgs_file(const char *dir, const char *name)
{
	static char path[4][PATH_MAX];
	static unsigned next;
	char *p = path[next++ % 4];

	(void)snprintf(p, PATH_MAX, "%s/msgs/%s", make_stream_path(dir), name);
	return p;
}

/* ---- a file table that sees what is read of blocks ---- */

static struct {
	char path[1024][64]; /* end of the path, by descriptor */
	uint64_t block_bytes, reads, stats;
	char last_block[64];
} seen;

static int seeing_open(void *context, const char *path, int flags, unsigned mode)
{
	int fd = atr_file_real.open(context, path, flags, mode);
	size_t n = strlen(path);

	if (fd >= 0 && fd < 1024)
		(void)snprintf(seen.path[fd], sizeof seen.path[fd], "%s",
		               path + (n > 20 ? n - 20 : 0));
	return fd;
}

static ssize_t seeing_pread(void *context, int fd, void *to, size_t bytes, uint64_t offset)
{
	ssize_t n = atr_file_real.pread(context, fd, to, bytes, offset);
	const char *name = strrchr(seen.path[fd], '/');

	if (n > 0 && name != NULL && strstr(name, ".blk") != NULL) {
		seen.block_bytes += (uint64_t)n;
		seen.reads++;
		(void)snprintf(seen.last_block, sizeof seen.last_block, "%s", name + 1);
	}
	return n;
}

static int seeing_stat(void *context, const char *path, struct atr_file_stat *out)
{
	seen.stats += strstr(path, ".blk") != NULL;
	return atr_file_real.stat(context, path, out);
}

static struct atr_file_table seeing(void)
{
	struct atr_file_table files = atr_file_real;

	memset(&seen, 0, sizeof seen);
	files.open = seeing_open;
	files.pread = seeing_pread;
	files.stat = seeing_stat;
	return files;
}

/* ---- stores ---- */

static struct atr_store_options options_of(const char *cipher)
{
	struct atr_store_options o = make_options(cipher);

	o.block_bytes = BLOCK_BYTES;
	o.key_ahead = -1;
	return o;
}

static struct atr_store *open_with(const char *dir, const char *cipher,
                                   const struct atr_file_table *files)
{
	struct atr_store_options o = options_of(cipher);
	struct atr_store *store;
	struct atr_error err;

	o.files = files;
	assert_ok(atr_store_open(make_stream_path(dir), &o, &store, &err), &err);
	return store;
}

static void close_store(struct atr_store *store)
{
	struct atr_error err;

	assert_ok(atr_store_close(store, &err), &err);
}

static void append_at(struct atr_store *store, uint64_t sequence)
{
	struct atr_message m = make_message(sequence, PAYLOAD_MAX);
	struct atr_error err;

	m.sequence = sequence;
	assert_ok(atr_store_append(store, &m, NULL, &err), &err);
}

/* Sequences 1..count without every 7th and a wide gap that ends a block. */
static int is_gap(uint64_t sequence)
{
	return sequence % 7 == 3 || (sequence > 40 && sequence < 120);
}

static void make_gappy(const char *dir, const char *cipher, enum atr_flush flush, uint64_t count)
{
	struct atr_store_options o = options_of(cipher);
	struct atr_store *store;
	struct atr_error err;

	o.flush = flush;
	assert_ok(atr_store_create(make_stream_path(dir), &o, &store, &err), &err);
	for (uint64_t s = 1; s <= count; s++)
		if (!is_gap(s))
			append_at(store, s);
	close_store(store);
}

static void check_gappy(struct atr_store *store, uint64_t count)
{
	struct atr_reader *reader;
	struct atr_message m;
	struct atr_error err;
	uint64_t at = 0;

	assert_ok(atr_reader_open(store, &reader, &err), &err);
	for (uint64_t s = 1; s <= count; s++) {
		if (is_gap(s)) {
			assert_status(atr_reader_get(reader, s, &m, &err), ATR_ENOTFOUND, &err);
			continue;
		}
		assert_ok(atr_reader_get(reader, s, &m, &err), &err);
		make_check(&m, s, PAYLOAD_MAX);
		assert_ok(atr_reader_next(reader, at + 1, &m, &err), &err);
		assert_int_equal(m.sequence, s);
		at = s;
	}
	assert_status(atr_reader_next(reader, at + 1, &m, &err), ATR_END, &err);
	atr_reader_close(reader);
}

/* What two stores keep of blocks and subjects; subjects' places as far as both know them. */
static void assert_same(struct atr_store *a, struct atr_store *b)
{
	struct atr_store_state x, y;

	atr_store_state(a, &x);
	atr_store_state(b, &y);
	assert_memory_equal(&x, &y, sizeof x);
	assert_int_equal(a->entry_count, b->entry_count);
	for (size_t i = 0; i < a->entry_count; i++) {
		const struct block_entry *p = &a->entry[i], *q = &b->entry[i];

		assert_int_equal(p->number, q->number);
		assert_int_equal(p->first_seq, q->first_seq);
		assert_int_equal(p->last_seq, q->last_seq);
		/* of what was believed only the last block was looked at */
		if (i + 1 < a->entry_count && p->file_bytes == FILE_BYTES_UNKNOWN)
			assert_int_equal(store_file_bytes(a, p->number), q->file_bytes);
		assert_int_equal(p->file_bytes, q->file_bytes);
		assert_int_equal(p->messages, q->messages);
		assert_int_equal(p->live_bytes, q->live_bytes);
		assert_int_equal(p->first_time_ns, q->first_time_ns);
		assert_int_equal(p->last_time_ns, q->last_time_ns);
		assert_int_equal(p->deleted != NULL, q->deleted != NULL);
		if (p->deleted == NULL)
			continue;
		assert_int_equal(p->deleted->count, q->deleted->count);
		assert_memory_equal(p->deleted->range, q->deleted->range,
		                    p->deleted->count * sizeof *p->deleted->range);
	}
	assert_int_equal(atr_subjects_count(a->subjects), atr_subjects_count(b->subjects));
	for (size_t i = 0; i < atr_subjects_count(a->subjects); i++) {
		const char *name;
		const struct atr_subject_entry *p = atr_subjects_at(a->subjects, i, &name), *q;

		q = atr_subjects_find(b->subjects, name, p->name_bytes);
		assert_non_null(q);
		assert_int_equal(p->messages, q->messages);
	}
	/* what was only read may have lost its end: under a cipher its last block is left alone */
	assert_true(a->active.is_open);
	assert_int_equal(b->active.is_open, !atr_cipher_encrypts(b->cipher));
	if (!b->active.is_open)
		return;
	assert_int_equal(a->active.number, b->active.number);
	assert_int_equal(a->active.file_bytes, b->active.file_bytes);
}

/* ---- tests ---- */

static void a_closed_store_opens_without_reading_blocks(void **state)
{
	for (int c = 0; c < 6; c++) {
		const char *cipher = make_ciphers[c % 3];
		struct atr_file_table files = seeing();
		struct atr_store *believed, *read;
		char dir[PATH_MAX], name[32];
		struct atr_message m;
		uint8_t *index;
		size_t bytes;

		(void)snprintf(dir, sizeof dir, "%s/%d", (const char *)*state, c);
		make_gappy(dir, cipher, c < 3 ? ATR_FLUSH_EACH : ATR_FLUSH_ASYNC, 200);
		index = fixture_read(msgs_file(dir, "index.db"), &bytes);
		assert_non_null(index);
		/* an encrypted one shows no subject */
		m = make_message(1, PAYLOAD_MAX);
		assert_true((memmem(index, bytes, m.subject, m.subject_bytes) == NULL) ==
		            (c % 3 != 0));
		believed = open_with(dir, cipher, &files);
		assert_true(believed->entry_count > 5);
		(void)snprintf(name, sizeof name, "%d.blk", (int)believed->entry_count);
		assert_string_equal(seen.last_block, name);
		assert_int_equal(seen.reads, 2);
		assert_int_equal(seen.stats, 1);
		assert_true(seen.block_bytes <= 8 + ATR_BLOCK_START_BYTES);
		check_gappy(believed, 200);
		close_store(believed);
		free(index);
		/* without it all of them are read */
		assert_int_equal(unlink(msgs_file(dir, "index.db")), 0);
		files = seeing();
		read = open_with(dir, cipher, &files);
		assert_true(seen.block_bytes > 5000);
		check_gappy(read, 200);
		close_store(read);
	}
}

static void what_is_believed_is_what_reading_gives(void **state)
{
	for (size_t c = 0; c < 3; c++) {
		struct atr_file_table unlocked = atr_file_real;
		struct atr_store *believed, *read;
		char dir[PATH_MAX];

		(void)snprintf(dir, sizeof dir, "%s/%zu", (const char *)*state, c);
		make_gappy(dir, make_ciphers[c], ATR_FLUSH_EACH, 300);
		believed = open_with(dir, make_ciphers[c], &unlocked);
		/* two at a time: the lock is given back */
		(void)close(believed->lock_fd);
		believed->lock_fd = -1;
		assert_int_equal(unlink(msgs_file(dir, "index.db")), 0);
		read = open_with(dir, make_ciphers[c], &unlocked);
		assert_same(believed, read);
		close_store(believed);
		close_store(read);
	}
}

static void a_believed_block_is_rewritten_only_where_messages_were_deleted(void **state)
{
	struct atr_store_options o = options_of("aes");
	struct atr_store *store;
	struct atr_error err;
	size_t count;

	assert_ok(atr_store_create(make_stream_path(*state), &o, &store, &err), &err);
	for (uint64_t s = 1; s <= 200; s++)
		append_at(store, s);
	close_store(store);
	store = open_with(*state, "aes", NULL);
	count = store->entry_count;
	assert_true(count > 5 && store->entry[2].file_bytes == FILE_BYTES_UNKNOWN);
	assert_ok(atr_store_delete(store, store->entry[2].first_seq + 1, &err), &err);
	assert_ok(atr_store_compact_blocks(store, 1, &err), &err);
	for (size_t i = 0; i + 1 < count; i++)
		assert_int_equal(store->entry[i].generation, i == 2);
	close_store(store);
}

static void appending_goes_on_where_it_ended(void **state)
{
	for (size_t c = 0; c < 3; c++) {
		struct atr_store *store;
		char dir[PATH_MAX];
		uint64_t number, at;

		(void)snprintf(dir, sizeof dir, "%s/%zu", (const char *)*state, c);
		make_gappy(dir, make_ciphers[c], ATR_FLUSH_EACH, 201);
		for (uint64_t s = 202; s < 215; s++) {
			if (is_gap(s))
				continue;
			store = open_with(dir, make_ciphers[c], NULL);
			number = store->active.number;
			at = store->active.file_bytes;
			append_at(store, s);
			assert_false(fixture_exists(msgs_file(dir, "index.db")));
			assert_true(fixture_exists(msgs_file(dir, INDEX_OLD)));
			assert_true(store->active.number == number + 1 ||
			            store->active.file_bytes > at);
			check_gappy(store, s);
			close_store(store);
			assert_true(fixture_exists(msgs_file(dir, "index.db")));
			assert_false(fixture_exists(msgs_file(dir, INDEX_OLD)));
		}
	}
}

/* Whole records cut off the end leave no trace in the block: without a state file that says where
 * it ended, key stream bytes that covered them must not cover others. */
static void an_end_that_nothing_confirms_is_not_written_behind(void **state)
{
	for (size_t c = 0; c < 3; c++) {
		int encrypted = strcmp(make_ciphers[c], "none") != 0;
		struct atr_store_options o = make_options(make_ciphers[c]);
		struct atr_store *store;
		struct atr_error err;
		char dir[PATH_MAX];

		(void)snprintf(dir, sizeof dir, "%s/%zu", (const char *)*state, c);
		assert_ok(atr_store_create(make_stream_path(dir), &o, &store, &err), &err);
		make_append(store, 20, PAYLOAD_MAX);
		close_store(store);
		assert_ok(atr_store_open(make_stream_path(dir), &o, &store, &err), &err);
		make_append(store, 10, PAYLOAD_MAX); /* closed in order: it goes on */
		close_store(store);
		assert_int_equal(fixture_count(make_stream_path(dir), ".blk"), 1);
		assert_int_equal(unlink(msgs_file(dir, "index.db")), 0);
		assert_ok(atr_store_open(make_stream_path(dir), &o, &store, &err), &err);
		make_append(store, 10, PAYLOAD_MAX);
		make_check_all(store, 1, 40, PAYLOAD_MAX);
		close_store(store);
		assert_int_equal(fixture_count(make_stream_path(dir), ".blk"), encrypted ? 2 : 1);
	}
}

/* index.db of before: more was appended to the last block, or a block was begun. */
static void a_stale_one_is_not_believed(void **state)
{
	for (size_t c = 0; c < 3; c++) {
		struct atr_store *store;
		char dir[PATH_MAX];
		uint8_t *index;
		size_t bytes;

		(void)snprintf(dir, sizeof dir, "%s/%zu", (const char *)*state, c);
		make_gappy(dir, make_ciphers[c], ATR_FLUSH_EACH, 200);
		index = fixture_read(msgs_file(dir, "index.db"), &bytes);
		for (uint64_t last = 201; last < 240; last++) {
			if (is_gap(last))
				continue;
			store = open_with(dir, make_ciphers[c], NULL);
			append_at(store, last);
			close_store(store);
			fixture_write(msgs_file(dir, "index.db"), index, bytes);
			store = open_with(dir, make_ciphers[c], NULL);
			check_gappy(store, last);
			assert_string_equal(store->recovery.first_damage, "");
			close_store(store);
		}
		free(index);
	}
}

static void a_damaged_one_is_named_and_the_blocks_are_read(void **state)
{
	for (size_t c = 0; c < 3; c++) {
		struct atr_store *store;
		char dir[PATH_MAX];
		uint8_t *index;
		size_t bytes;

		(void)snprintf(dir, sizeof dir, "%s/%zu", (const char *)*state, c);
		make_gappy(dir, make_ciphers[c], ATR_FLUSH_EACH, 60);
		index = fixture_read(msgs_file(dir, "index.db"), &bytes);
		for (size_t i = 0; i < bytes; i += 3) {
			index[i] ^= 1;
			fixture_write(msgs_file(dir, "index.db"), index, bytes);
			index[i] ^= 1;
			store = open_with(dir, make_ciphers[c], NULL);
			check_gappy(store, 60);
			assert_non_null(strstr(store->recovery.first_damage, "index.db"));
			close_store(store);
		}
		fixture_write(msgs_file(dir, "index.db"), index, bytes / 2);
		store = open_with(dir, make_ciphers[c], NULL);
		append_at(store, 120);
		check_gappy(store, 120);
		close_store(store);
		store = open_with(dir, make_ciphers[c], NULL);
		assert_string_equal(store->recovery.first_damage, "");
		check_gappy(store, 120);
		close_store(store);
		free(index);
	}
}

/* Blocks that came or went behind its back. */
static void other_blocks_than_it_lists_are_not_believed(void **state)
{
	struct atr_store_state s;
	struct atr_store *store;
	uint8_t *index;
	size_t bytes;

	make_gappy(*state, "none", ATR_FLUSH_EACH, 200);
	index = fixture_read(msgs_file(*state, "index.db"), &bytes);
	assert_int_equal(rename(msgs_file(*state, "3.blk"), msgs_file(*state, "gone")), 0);
	store = open_with(*state, "none", NULL);
	atr_store_state(store, &s);
	assert_true(s.messages < 120);
	append_at(store, 201);
	close_store(store);
	assert_int_equal(rename(msgs_file(*state, "gone"), msgs_file(*state, "3.blk")), 0);
	fixture_write(msgs_file(*state, "index.db"), index, bytes);
	store = open_with(*state, "none", NULL);
	check_gappy(store, 201);
	close_store(store);
	free(index);
}

static void assert_deleted(struct atr_store *store, uint64_t sequence)
{
	struct atr_reader *reader;
	struct atr_message m;
	struct atr_error err;

	assert_ok(atr_reader_open(store, &reader, &err), &err);
	assert_status(atr_reader_get(reader, sequence, &m, &err), ATR_ENOTFOUND, &err);
	assert_ok(atr_reader_next(reader, sequence, &m, &err), &err);
	assert_true(m.sequence > sequence);
	atr_reader_close(reader);
}

static void a_deletion_that_only_it_knows_outlives_a_crash(void **state)
{
	for (size_t c = 0; c < 3; c++) {
		struct atr_store *store;
		char dir[PATH_MAX], copy[PATH_MAX], command[3 * PATH_MAX];

		(void)snprintf(dir, sizeof dir, "%s/%zu", (const char *)*state, c);
		(void)snprintf(copy, sizeof copy, "%s/copy%zu", (const char *)*state, c);
		make_gappy(dir, make_ciphers[c], ATR_FLUSH_EACH, 200);
		store = open_with(dir, make_ciphers[c], NULL);
		state_hide(store, 12);
		state_hide(store, 121);
		state_hide(store, 198);
		close_store(store);
		store = open_with(dir, make_ciphers[c], NULL);
		assert_deleted(store, 121);
		append_at(store, 201);
		/* killed here */
		(void)snprintf(command, sizeof command, "cp -r '%s' '%s'", dir, copy);
		assert_int_equal(system(command), 0);
		close_store(store);
		for (int again = 0; again < 3; again++) {
			store = open_with(copy, make_ciphers[c], NULL);
			assert_deleted(store, 12);
			assert_deleted(store, 121);
			assert_deleted(store, 198);
			assert_int_equal(store->last_seq, 201 + again);
			if (again < 2 && !is_gap(202 + (uint64_t)again))
				append_at(store, 202 + (uint64_t)again);
			close_store(store);
		}
	}
}

/* The tail was lost, its sequences were used again: what index.db listed of them is of others. */
static void deletions_of_lost_messages_do_not_hide_later_ones(void **state)
{
	struct atr_store *store;
	uint8_t *index, *block;
	size_t bytes, block_bytes;
	char name[32];

	make_gappy(*state, "none", ATR_FLUSH_EACH, 196);
	store = open_with(*state, "none", NULL);
	(void)snprintf(name, sizeof name, "%d.blk", (int)store->entry_count);
	block = fixture_read(msgs_file(*state, name), &block_bytes);
	append_at(store, 197);
	append_at(store, 198);
	if (store->active.number != store->entry_count) /* the same block */
		skip();
	state_hide(store, 197);
	close_store(store);
	index = fixture_read(msgs_file(*state, "index.db"), &bytes);
	fixture_write(msgs_file(*state, name), block, block_bytes);
	assert_int_equal(unlink(msgs_file(*state, "index.db")), 0);
	store = open_with(*state, "none", NULL);
	append_at(store, 197);
	close_store(store);
	fixture_write(msgs_file(*state, "index.db"), index, bytes);
	store = open_with(*state, "none", NULL);
	check_gappy(store, 197);
	close_store(store);
	free(index);
	free(block);
}

static void an_idle_store_writes_it(void **state)
{
	struct atr_store_options o = options_of("aes");
	struct atr_store *store;
	struct atr_error err;
	struct timespec pause = {.tv_nsec = 10000000};

	o.sync = ATR_SYNC_INTERVAL;
	o.sync_interval_ns = 40000000;
	assert_ok(atr_store_create(make_stream_path(*state), &o, &store, &err), &err);
	make_append(store, 50, PAYLOAD_MAX);
	for (int i = 0; i < 1000 && !fixture_exists(msgs_file(*state, "index.db")); i++)
		(void)nanosleep(&pause, NULL);
	assert_true(fixture_exists(msgs_file(*state, "index.db")));
	make_append(store, 1, PAYLOAD_MAX);
	assert_false(fixture_exists(msgs_file(*state, "index.db")));
	close_store(store);
	assert_true(fixture_exists(msgs_file(*state, "index.db")));
	store = open_with(*state, "aes", NULL);
	make_check_all(store, 1, 51, PAYLOAD_MAX);
	close_store(store);
}

static void format_2_9_has_none(void **state)
{
	struct atr_store_options o = options_of("chachapoly");
	struct atr_store *store;
	struct atr_error err;

	o.format = ATR_FORMAT_2_9;
	assert_ok(atr_store_create(make_stream_path(*state), &o, &store, &err), &err);
	make_append(store, 50, PAYLOAD_MAX);
	close_store(store);
	assert_false(fixture_exists(msgs_file(*state, "index.db")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(a_closed_store_opens_without_reading_blocks),
	        TEST(what_is_believed_is_what_reading_gives),
	        TEST(a_believed_block_is_rewritten_only_where_messages_were_deleted),
	        TEST(appending_goes_on_where_it_ended),
	        TEST(an_end_that_nothing_confirms_is_not_written_behind),
	        TEST(a_stale_one_is_not_believed),
	        TEST(a_damaged_one_is_named_and_the_blocks_are_read),
	        TEST(other_blocks_than_it_lists_are_not_believed),
	        TEST(a_deletion_that_only_it_knows_outlives_a_crash),
	        TEST(deletions_of_lost_messages_do_not_hide_later_ones),
	        TEST(an_idle_store_writes_it),
	        TEST(format_2_9_has_none),
	};

	fixture_prefer_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
