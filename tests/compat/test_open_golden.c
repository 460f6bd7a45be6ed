/* test_open_golden.c - directories of real servers opened for appending.
 *
 * Each is copied and opened, which changes nothing. It holds the same messages that inspect.h
 * reads, takes new ones, and inspect.h reads all of them afterwards.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/inspect.h"
#include "store/state.h"
#include "store/subjects.h"
#include "tests/unit/store_make.h"

#define CASES       92
#define PAYLOAD_MAX 300
#define APPENDED    5

struct tally {
	unsigned cases, streams, opened, indexes;
	uint64_t messages;
};

/* One stream: a digest of its messages and where they end. */
struct content {
	uint64_t messages, last_seq, digest;
	char subject[256]; /* of the last one: what is appended must be the stream's own */
};

static struct {
	const char *key;
	struct tally *tally;
} now;

static void copy_tree(const char *from, const char *to)
{
	const struct dirent *entry;
	DIR *dir = opendir(from);

	assert_non_null(dir);
	assert_int_equal(mkdir(to, 0750), 0);
	while ((entry = readdir(dir)) != NULL) {
		char a[PATH_MAX], b[PATH_MAX];
		struct stat st;
		uint8_t *content;
		size_t bytes;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		assert_true(snprintf(a, sizeof a, "%s/%s", from, entry->d_name) < PATH_MAX);
		assert_true(snprintf(b, sizeof b, "%s/%s", to, entry->d_name) < PATH_MAX);
		assert_int_equal(stat(a, &st), 0);
		if (S_ISDIR(st.st_mode)) {
			copy_tree(a, b);
			continue;
		}
		content = fixture_read(a, &bytes);
		fixture_write(b, content, bytes);
		free(content);
	}
	(void)closedir(dir);
}

static uint64_t digest(uint64_t h, const void *data, size_t bytes)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < bytes; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return (h ^ bytes) * UINT64_C(0x100000001b3);
}

static void see(struct content *c, const struct atr_message *m)
{
	c->messages++;
	c->last_seq = m->sequence;
	c->digest = digest(c->digest, &m->sequence, sizeof m->sequence);
	c->digest = digest(c->digest, &m->time_ns, sizeof m->time_ns);
	c->digest = digest(c->digest, m->subject, m->subject_bytes);
	c->digest = digest(c->digest, m->headers, m->headers_bytes);
	c->digest = digest(c->digest, m->payload, m->payload_bytes);
	(void)snprintf(c->subject, sizeof c->subject, "%.*s", (int)m->subject_bytes, m->subject);
}

static struct content inspected(const struct atr_place *place, uint64_t *last_seq)
{
	struct atr_inspect_options o = {.account = place->account,
	                                .stream = place->stream,
	                                .key = (const uint8_t *)now.key,
	                                .key_bytes = now.key != NULL ? strlen(now.key) : 0};
	struct atr_inspect_message m;
	struct atr_inspect_state s;
	struct content c = {0};
	struct atr_inspect *in;
	struct atr_error err;

	assert_ok(atr_inspect_open(place->dir, &o, &in, &err), &err);
	while (atr_inspect_next(in, &m, &err) == ATR_OK)
		see(&c, &m.message);
	atr_inspect_state(in, &s);
	*last_seq = s.last_seq;
	atr_inspect_close(in);
	return c;
}

static struct content read_store(struct atr_store *store)
{
	struct content c = {0};
	struct atr_reader *reader;
	struct atr_message m, again;
	struct atr_error err;
	enum atr_status rc;

	assert_ok(atr_reader_open(store, &reader, &err), &err);
	while ((rc = atr_reader_next(reader, c.last_seq + 1, &m, &err)) == ATR_OK)
		see(&c, &m);
	assert_status(rc, ATR_END, &err);
	for (uint64_t i = 1; i <= c.last_seq && i < 300; i++) {
		struct content one = {0}, two = {0};

		rc = atr_reader_get(reader, i, &m, &err);
		if (rc != ATR_OK) {
			assert_status(rc, ATR_ENOTFOUND, &err);
			continue;
		}
		see(&one, &m);
		assert_ok(atr_reader_next(reader, i, &again, &err), &err);
		see(&two, &again);
		assert_int_equal(again.sequence, i);
		assert_true(one.digest == two.digest);
	}
	atr_reader_close(reader);
	return c;
}

/* What the store keeps of each block and each subject, against its messages. */
static void check_entries(struct atr_store *store)
{
	struct atr_subjects_table *subjects = atr_subjects_table_new();
	struct atr_reader *reader;
	struct atr_message m;
	struct atr_error err;
	uint64_t after = 0, in_entries = 0;
	enum atr_status rc = ATR_OK;

	assert_ok(atr_reader_open(store, &reader, &err), &err);
	for (size_t i = 0; i < store->entry_count; i++) {
		const struct block_entry *e = &store->entry[i];
		uint64_t last = e->last_seq, bytes = 0, messages = 0;

		assert_true(e->first_seq <= last + 1 && e->first_seq > after);
		after = last;
		for (uint64_t s = e->first_seq; s <= last; s = m.sequence + 1) {
			rc = atr_reader_next(reader, s, &m, &err);
			if (rc == ATR_END || m.sequence > last)
				break;
			assert_ok(rc, &err);
			if (messages++ == 0) {
				assert_int_equal(m.sequence, e->first_seq);
				assert_int_equal(m.time_ns, e->first_time_ns);
			}
			if (m.sequence == last)
				assert_int_equal(m.time_ns, e->last_time_ns);
			bytes += atr_record_bytes(&m);
			assert_ok(
			        atr_subjects_add(subjects, m.subject, m.subject_bytes, m.sequence),
			        &err);
			assert_false(e->deleted != NULL && atr_seqset_has(e->deleted, m.sequence));
		}
		assert_int_equal(e->messages, messages);
		assert_int_equal(e->live_bytes, bytes);
		assert_int_equal(last + 1 - e->first_seq - messages,
		                 e->deleted == NULL ? 0
		                                    : atr_seqset_count(e->deleted, 0, UINT64_MAX));
		in_entries += messages;
	}
	assert_int_equal(in_entries, store->messages);
	assert_int_equal(atr_subjects_count(subjects), atr_subjects_count(store->subjects));
	for (size_t i = 0; i < atr_subjects_count(subjects); i++) {
		const char *name;
		const struct atr_subject_entry *want = atr_subjects_at(subjects, i, &name), *have;

		have = atr_subjects_find(store->subjects, name, want->name_bytes);
		assert_non_null(have);
		assert_int_equal(have->messages, want->messages);
		assert_true(have->first == want->first || (have->first & SUBJECT_IN_BLOCK) != 0);
		assert_true(have->last == want->last || (have->last & SUBJECT_IN_BLOCK) != 0);
	}
	atr_reader_close(reader);
	atr_subjects_table_free(subjects);
}

/* Our encoding against the server's own file, which fits. exact: ours comes from it. */
static void compare_index(struct atr_store *store, const struct atr_index *theirs, int exact)
{
	struct atr_index ours;
	struct atr_error err;
	uint8_t *text;
	const char *why;
	size_t bytes, i, k;

	assert_ok(state_encode(store, &text, &bytes, &err), &err);
	assert_non_null(text);
	assert_int_equal(atr_index_decode(text, bytes, &ours, &why), ATR_OK);
	assert_int_equal(ours.version, 1);
	assert_int_equal(ours.messages, theirs->messages);
	assert_int_equal(ours.bytes, theirs->bytes);
	assert_int_equal(ours.last_seq, theirs->last_seq);
	assert_int_equal(ours.last_block, theirs->last_block);
	assert_memory_equal(ours.lchk, theirs->lchk, sizeof ours.lchk);
	if (ours.messages > 0) {
		assert_int_equal(ours.first_seq, theirs->first_seq);
		assert_int_equal(ours.first_time_ns, theirs->first_time_ns);
		assert_int_equal(ours.last_time_ns, theirs->last_time_ns);
	}
	assert_int_equal(ours.block_count, theirs->block_count);
	for (i = 0; i < ours.block_count; i++) {
		const struct atr_index_block *a = &ours.block[i], *b = &theirs->block[i];

		assert_int_equal(a->number, b->number);
		assert_int_equal(a->bytes, b->bytes);
		assert_int_equal(a->last_seq, b->last_seq);
		if (a->first_seq > a->last_seq)
			continue;
		assert_int_equal(a->first_seq, b->first_seq);
		assert_int_equal(a->first_time_ns, b->first_time_ns);
		assert_int_equal(a->last_time_ns, b->last_time_ns);
		assert_int_equal(a->deleted.count, b->deleted.count);
		if (a->deleted.count > 0)
			assert_memory_equal(a->deleted.range, b->deleted.range,
			                    a->deleted.count * sizeof *a->deleted.range);
	}
	assert_int_equal(ours.subject_count, theirs->subject_count);
	for (i = 0; i < ours.subject_count; i++) {
		const struct atr_index_subject *a = &ours.subject[i], *b = theirs->subject;

		for (k = 0; k < theirs->subject_count; k++, b++)
			if (a->name_bytes == b->name_bytes &&
			    memcmp(a->name, b->name, a->name_bytes) == 0)
				break;
		assert_true(k < theirs->subject_count);
		assert_int_equal(a->messages, b->messages);
		if (exact) {
			assert_int_equal(a->first_block, b->first_block);
			assert_int_equal(a->last_block, b->last_block);
		}
	}
	now.tally->indexes++;
	atr_index_free(&ours);
}

/* After a conversion 2.10.27 lists sequence 0 as deleted, which no server believes either. */
static int is_consistent(const struct atr_index *index)
{
	for (size_t i = 0; i < index->block_count; i++)
		if (atr_seqset_has(&index->block[i].deleted, 0))
			return 0;
	return 1;
}

/* A store that a server closed, read with and without its index.db. */
static void check_index(const struct atr_place *place, struct atr_store *store,
                        const struct atr_store_options *o)
{
	struct atr_index theirs;
	struct atr_store *read;
	struct atr_store_state s;
	struct atr_error err;
	char path[PATH_MAX], aside[PATH_MAX];

	(void)snprintf(path, sizeof path, "%s/msgs/index.db", place->dir);
	(void)snprintf(aside, sizeof aside, "%s/msgs/aside", place->dir);
	if (!fixture_exists(path) || atr_index_read(&atr_file_real, path, store->meta_seed,
	                                            place->stream, &theirs, &err) != ATR_OK)
		return;
	if ((!theirs.clear || store->meta_seed == NULL) && is_consistent(&theirs)) {
		compare_index(store, &theirs, 1);
		(void)close(store->lock_fd); /* both at a time */
		store->lock_fd = -1;
		assert_int_equal(rename(path, aside), 0);
		assert_ok(atr_store_open(place->dir, o, &read, &err), &err);
		atr_store_state(read, &s);
		/* more live ones: deletions that only index.db knew */
		if (s.messages == theirs.messages)
			compare_index(read, &theirs, 0);
		assert_ok(atr_store_close(read, &err), &err);
		assert_int_equal(rename(aside, path), 0);
	}
	atr_index_free(&theirs);
}

static void append_and_compare(const struct atr_place *place, struct atr_store *store,
                               struct content content, uint64_t last_seq)
{
	char subject[sizeof content.subject];
	struct atr_error err;
	uint64_t ends;

	memcpy(subject, content.subject, sizeof subject);
	for (uint64_t i = 1; i <= APPENDED && subject[0] != '\0'; i++) {
		struct atr_message m = make_message(last_seq + i, PAYLOAD_MAX);

		m.subject = subject;
		m.subject_bytes = strlen(subject);
		assert_ok(atr_store_append(store, &m, NULL, &err), &err);
		see(&content, &m);
	}
	if (store->is_limited) /* what was appended may have pushed others out */
		content = read_store(store);
	else
		assert_true(read_store(store).digest == content.digest);
	assert_ok(atr_store_close(store, &err), &err);
	assert_true(inspected(place, &ends).digest == content.digest);
	assert_int_equal(ends, last_seq + (subject[0] != '\0' ? APPENDED : 0));
}

static enum atr_status one_stream(void *arg, const struct atr_place *place, struct atr_error *err)
{
	struct atr_store_options o = make_options("none");
	struct atr_store_state s;
	struct atr_store *store;
	struct content want, have;
	uint64_t last_seq, before;
	enum atr_status rc;

	(void)arg;
	now.tally->streams++;
	o.account = place->account;
	o.stream = place->stream;
	o.cipher = NULL;
	o.key = (const uint8_t *)now.key;
	o.key_bytes = now.key != NULL ? strlen(now.key) : 0;
	o.key_ahead = -1;
	want = inspected(place, &last_seq);
	before = fixture_digest(place->dir);
	rc = atr_store_open(place->dir, &o, &store, err);
	assert_true(fixture_digest(place->dir) == before);
	assert_ok(rc, err);
	now.tally->opened++;
	now.tally->messages += want.messages;
	atr_store_state(store, &s);
	assert_int_equal(s.messages, want.messages);
	assert_int_equal(s.last_seq, last_seq);
	check_entries(store);
	check_index(place, store, &o);
	have = read_store(store);
	assert_int_equal(have.messages, want.messages);
	assert_true(have.digest == want.digest);
	append_and_compare(place, store, want, last_seq);
	return ATR_OK;
}

static void one_case(const char *golden, const char *to, struct tally *tally)
{
	char from[PATH_MAX + 32];
	json_t *about;
	json_error_t parse;
	struct atr_error err;
	FILE *f;

	(void)snprintf(from, sizeof from, "%s/expected.jsonl", golden);
	f = fopen(from, "r");
	assert_non_null(f);
	about = json_loadf(f, JSON_DISABLE_EOF_CHECK, &parse);
	(void)fclose(f);
	assert_non_null(about);
	now.key = json_string_value(json_object_get(about, "key"));
	now.tally = tally;
	(void)snprintf(from, sizeof from, "%s/store", golden);
	copy_tree(from, to);
	tally->cases++;
	assert_ok(atr_discover(&atr_file_real, to, NULL, NULL, one_stream, NULL, &err), &err);
	json_decref(about);
	fixture_remove(to);
}

static void golden_directories_open_unchanged_and_take_messages(void **state)
{
	static const char *const versions[] = {"nats-2.9.10", "nats-2.10.27", "nats-2.15.1"};
	struct tally tally = {0};

	for (size_t v = 0; v < 3; v++) {
		char root[PATH_MAX], golden[PATH_MAX], to[PATH_MAX];
		const struct dirent *entry;
		DIR *dir;

		(void)snprintf(root, sizeof root, "%s/tests/fixtures/%s", ATREST_SOURCE_DIR,
		               versions[v]);
		dir = opendir(root);
		assert_non_null(dir);
		while ((entry = readdir(dir)) != NULL) {
			if (entry->d_name[0] == '.')
				continue;
			assert_true(snprintf(golden, sizeof golden, "%s/%s", root, entry->d_name) <
			            PATH_MAX);
			(void)snprintf(to, sizeof to, "%s/store", (const char *)*state);
			one_case(golden, to, &tally);
		}
		(void)closedir(dir);
	}
	print_message("%u cases, %u streams: %u opened and appended to; %llu messages and %u "
	              "state files compared\n",
	              tally.cases, tally.streams, tally.opened, (unsigned long long)tally.messages,
	              tally.indexes);
	assert_int_equal(tally.cases, CASES);
	assert_int_equal(tally.opened, tally.streams);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(golden_directories_open_unchanged_and_take_messages,
	                                        fixture_setup, fixture_teardown),
	};

	fixture_prefer_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
