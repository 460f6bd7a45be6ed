/* Copies of golden directories, changed as a file system, a person or a crash would. */
#include "store/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/hash.h"
#include "store/record.h"
#include "store/store.h"
#include "tests/unit/store_fixture.h"

#define FINDINGS_MAX 64

struct result {
	enum atr_status open_status;
	struct atr_error err;
	struct atr_inspect_state state;
	struct atr_verify_counts counts;
	uint64_t messages, maybe_deleted, first_seq, last_seq;
	struct {
		enum atr_finding_kind kind;
		char path[1024], text[512];
		int64_t offset;
		uint64_t sequence;
	} finding[FINDINGS_MAX];
	size_t findings;
};

static void take_finding(void *arg, const struct atr_finding *f)
{
	struct result *r = arg;

	assert_true(r->findings < FINDINGS_MAX);
	r->finding[r->findings].kind = f->kind;
	r->finding[r->findings].offset = f->offset;
	r->finding[r->findings].sequence = f->sequence;
	snprintf(r->finding[r->findings].path, 1024, "%s", f->path);
	snprintf(r->finding[r->findings++].text, 512, "%s", f->text);
}

/* Verifies the stream directory with the key, promises as given (NULL = none). */
static struct result *verify_with(const char *dir, const char *account, const char *stream,
                                  const char *key, const struct atr_verify_options *promise)
{
	static struct result r;
	static const struct atr_verify_options nothing;
	struct atr_inspect_options options = {.account = account,
	                                      .stream = stream,
	                                      .key = (const uint8_t *)key,
	                                      .key_bytes = key != NULL ? strlen(key) : 0,
	                                      .finding = take_finding,
	                                      .finding_arg = &r};
	uint64_t before = fixture_digest(dir);
	int descriptors = fixture_descriptors();
	struct atr_inspect_message m;
	struct atr_inspect *in;
	size_t findings;

	memset(&r, 0, sizeof r);
	r.open_status = atr_inspect_open(dir, &options, &in, &r.err);
	if (r.open_status == ATR_OK) {
		atr_inspect_state(in, &r.state);
		assert_ok(atr_inspect_verify(in, promise != NULL ? promise : &nothing, &r.counts,
		                             &r.err),
		          &r.err);
		findings = r.findings;
		atr_inspect_rewind(in);
		while (atr_inspect_next(in, &m, &r.err) == ATR_OK) {
			r.first_seq = r.messages++ == 0 ? m.message.sequence : r.first_seq;
			r.last_seq = m.message.sequence;
			r.maybe_deleted += m.maybe_deleted != 0;
		}
		r.findings = findings; /* the second pass says the same again */
		atr_inspect_close(in);
	}
	assert_int_equal(fixture_digest(dir), before); /* nothing was changed */
	assert_int_equal(fixture_descriptors(), descriptors);
	return &r;
}

static struct result *verify(const char *dir, const char *key)
{
	return verify_with(dir, "$G", NULL, key, NULL);
}

/* How many findings of that kind name a file with this ending and have text in theirs. */
static size_t count(const struct result *r, enum atr_finding_kind kind, const char *ending,
                    const char *text)
{
	size_t n = 0;

	for (size_t i = 0; i < r->findings; i++) {
		const char *path = r->finding[i].path;

		n += r->finding[i].kind == kind && strlen(path) >= strlen(ending) &&
		     strcmp(path + strlen(path) - strlen(ending), ending) == 0 &&
		     strstr(r->finding[i].text, text) != NULL;
	}
	return n;
}

static size_t serious(const struct result *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->findings; i++)
		n += r->finding[i].kind != ATR_FINDING_NOTE;
	return n;
}

/* A copy of a golden stream directory, under its own name; four static buffers. */
static const char *copy_of(const char *base, const char *fixture, const char *stream)
{
	static char dir[4][PATH_MAX];
	static unsigned next;
	char command[3 * PATH_MAX];

	snprintf(command, sizeof command,
	         "cp -r '%s/tests/fixtures/%s/store/jetstream/$G/streams/%s' '%s/'",
	         ATREST_SOURCE_DIR, fixture, stream, base);
	assert_int_equal(system(command), 0);
	next = (next + 1) % 4;
	snprintf(dir[next], sizeof dir[next], "%s/%s", base, stream);
	return dir[next];
}

static void cut_file(const char *dir, const char *name, long change)
{
	const char *path = fixture_path(dir, name);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size + change), 0);
}

#define KEY_MULTI "kTA2UKwmCn-Wmt3RX4jPZe5yqrmVzTJX" /* 2.9.10 multiblock-chacha */
#define KEY_NEW   "8L8ffsHM852QL8Ww"                 /* 2.15.1 deletes-chacha */

static void healthy_directories_have_no_finding(void **state)
{
	struct result *r;

	r = verify(copy_of(*state, "nats-2.9.10/multiblock-chacha", "RING"), KEY_MULTI);
	assert_int_equal(r->open_status, ATR_OK);
	assert_int_equal(serious(r), 0);
	assert_int_equal(r->messages, 90);
	assert_int_equal(r->first_seq, 61);
	assert_int_equal(r->last_seq, 150);
	assert_int_equal(r->maybe_deleted, 0);
	assert_true(r->counts.blocks > 3);
	r = verify(copy_of(*state, "nats-2.15.1/deletes-chacha", "DEL"), KEY_NEW);
	assert_int_equal(serious(r), 0);
	assert_int_equal(r->messages, 35);
	assert_int_equal(r->state.num_deleted, 9);
}

static void a_missing_block_is_named(void **state)
{
	const char *dir = copy_of(*state, "nats-2.9.10/multiblock-chacha", "RING");
	struct result *r;
	char name[64] = "";
	int n;

	for (n = 1; n < 100; n++) { /* the second one */
		snprintf(name, sizeof name, "msgs/%d.blk", n + 1);
		if (fixture_exists(fixture_path(dir, name)) && n > 1)
			break;
	}
	assert_int_equal(unlink(fixture_path(dir, name)), 0);
	r = verify(dir, KEY_MULTI);
	assert_int_equal(count(r, ATR_FINDING_DAMAGE, name, "missing"), 1);
	assert_true(r->messages > 30 && r->messages < 90);
}

static void a_missing_block_that_index_db_lists_is_named(void **state)
{
	const char *dir = copy_of(*state, "nats-2.15.1/convert-chacha-aes", "CONV");
	struct result *r;

	assert_int_equal(unlink(fixture_path(dir, "msgs/1.blk")), 0);
	assert_int_equal(unlink(fixture_path(dir, "msgs/1.key")), 0);
	r = verify(dir, "EyML9kG7Nh_JFMmN");
	assert_int_equal(count(r, ATR_FINDING_DAMAGE, "index.db", "block 1, whose file is missing"),
	                 1);
	assert_int_equal(r->messages, 18);
	/* the file is there, its records are not */
	fixture_remove(dir);
	dir = copy_of(*state, "nats-2.15.1/convert-chacha-aes", "CONV");
	assert_int_equal(truncate(fixture_path(dir, "msgs/1.blk"), 0), 0);
	r = verify(dir, "EyML9kG7Nh_JFMmN");
	assert_int_equal(count(r, ATR_FINDING_DAMAGE, "1.blk", "sequences 1 to 30 are listed"), 1);
	assert_int_equal(r->messages, 18);
	/* the last one: what is there ends earlier than index.db says */
	dir = copy_of(*state, "nats-2.15.1/convert-plain-chacha", "CONV");
	assert_int_equal(unlink(fixture_path(dir, "msgs/2.blk")), 0);
	r = verify_with(dir, "$G", "CONV", "GLBQg6rHc5VPS6YEndcFjh94DPRxfinya", NULL);
	assert_true(count(r, ATR_FINDING_DAMAGE, "index.db", "missing") == 1);
}

static void a_missing_key_file_is_named(void **state)
{
	const char *dir = copy_of(*state, "nats-2.15.1/deletes-chacha", "DEL");
	struct result *r;

	assert_int_equal(unlink(fixture_path(dir, "msgs/1.key")), 0);
	r = verify(dir, KEY_NEW);
	assert_int_equal(count(r, ATR_FINDING_DAMAGE, "1.key", "cannot be deciphered"), 1);
	assert_int_equal(r->messages, 0);
	/* of the stream: its configuration cannot be clear text */
	dir = copy_of(*state, "nats-2.9.10/multiblock-chacha", "RING");
	assert_int_equal(unlink(fixture_path(dir, "meta.key")), 0);
	assert_int_equal(verify(dir, KEY_MULTI)->open_status, ATR_EFORMAT);
}

static void swapped_and_older_files_are_named(void **state)
{
	const char *dir = copy_of(*state, "nats-2.9.10/multiblock-chacha", "RING");
	char a[64], b[64], spare[PATH_MAX];
	struct result *r;
	int first = 1;

	while (snprintf(a, sizeof a, "msgs/%d.blk", first), !fixture_exists(fixture_path(dir, a)))
		first++;
	snprintf(b, sizeof b, "msgs/%d.blk", first + 1);
	snprintf(spare, sizeof spare, "%s", fixture_path(dir, "spare"));
	assert_int_equal(rename(fixture_path(dir, a), spare), 0);
	assert_int_equal(rename(fixture_path(dir, b), fixture_path(dir, a)), 0);
	assert_int_equal(rename(spare, fixture_path(dir, b)), 0);
	r = verify(dir, KEY_MULTI);
	assert_true(count(r, ATR_FINDING_DAMAGE, a, "") >= 1);
	assert_true(count(r, ATR_FINDING_DAMAGE, b, "") >= 1);
	assert_true(r->messages > 0 && r->messages < 90);
}

static void odd_entries_are_named(void **state)
{
	const char *dir = copy_of(*state, "nats-2.15.1/deletes-chacha", "DEL");
	struct result *r;

	fixture_write(fixture_path(dir, "msgs/notes.txt"), "x", 1);
	fixture_write(fixture_path(dir, "msgs/01.blk"), "x", 1);
	fixture_write(fixture_path(dir, "msgs/18446744073709551617.blk"), "x", 1);
	fixture_write(fixture_path(dir, "msgs/2.blk.tmp"), "x", 1);
	fixture_write(fixture_path(dir, "_test_1"), "x", 1);
	fixture_write(fixture_path(dir, "msgs/2.key"), "made ahead", 10);
	assert_int_equal(rename(fixture_path(dir, "msgs/1.key"), fixture_path(*state, "k")), 0);
	assert_int_equal(symlink(fixture_path(*state, "k"), fixture_path(dir, "msgs/1.key")), 0);
	r = verify(dir, KEY_NEW);
	assert_int_equal(serious(r), 0);
	assert_int_equal(r->messages, 35);
	assert_int_equal(count(r, ATR_FINDING_NOTE, "notes.txt", "not a file of a store"), 1);
	assert_int_equal(count(r, ATR_FINDING_NOTE, "01.blk", "not a file of a store"), 1);
	assert_int_equal(count(r, ATR_FINDING_NOTE, "17.blk", "not a file of a store"), 1);
	assert_int_equal(count(r, ATR_FINDING_NOTE, "2.blk.tmp", "left over"), 1);
	assert_int_equal(count(r, ATR_FINDING_NOTE, "_test_1", "left over"), 1);
	assert_int_equal(count(r, ATR_FINDING_NOTE, "2.key", "without its block"), 1);
	assert_int_equal(count(r, ATR_FINDING_NOTE, "1.key", "symbolic link"), 1);
}

static void directories_and_pipes_in_place_of_files_are_named(void **state)
{
	static const char *const names[] = {"msgs/1.blk", "msgs/1.key", "msgs/index.db"};
	struct result *r;

	for (size_t i = 0; i < 6; i++) {
		const char *name = names[i / 2];
		const char *dir = copy_of(*state, "nats-2.15.1/deletes-chacha", "DEL");

		assert_int_equal(unlink(fixture_path(dir, name)), 0);
		if (i % 2 == 0)
			assert_int_equal(mkdir(fixture_path(dir, name), 0750), 0);
		else
			assert_int_equal(mkfifo(fixture_path(dir, name), 0640), 0);
		/* a digest would wait for the pipe's writer: its place is only looked at */
		if (i % 2 == 0) {
			r = verify(dir, KEY_NEW);
			assert_true(count(r, ATR_FINDING_DAMAGE, name, "a directory") >= 1);
		} else {
			static struct result piped;
			struct atr_inspect_options options = {.account = "$G",
			                                      .key = (const uint8_t *)KEY_NEW,
			                                      .key_bytes = strlen(KEY_NEW),
			                                      .finding = take_finding,
			                                      .finding_arg = &piped};
			static const struct atr_verify_options nothing;
			struct atr_inspect *in;

			memset(&piped, 0, sizeof piped);
			assert_ok(atr_inspect_open(dir, &options, &in, &piped.err), &piped.err);
			assert_ok(atr_inspect_verify(in, &nothing, &piped.counts, &piped.err),
			          &piped.err);
			atr_inspect_close(in);
			assert_true(count(&piped, ATR_FINDING_DAMAGE, name, "pipe") >= 1);
		}
		fixture_remove(dir);
	}
}

static void a_torn_tail_that_lost_nothing_is_a_note(void **state)
{
	/* killed: no state file says that more was there */
	const char *dir = copy_of(*state, "nats-2.15.1/kill-aes", "KILL");
	static const char key[] = "bmKnLzTkFpSeY3mQ";
	struct result *r = verify(dir, key);
	char last[64];
	int n = 1;

	assert_int_equal(serious(r), 0);
	assert_int_equal(r->messages, 60);
	while (snprintf(last, sizeof last, "msgs/%d.blk", n + 1),
	       fixture_exists(fixture_path(dir, last)))
		n++;
	snprintf(last, sizeof last, "msgs/%d.blk", n);
	cut_file(dir, last, -9);
	r = verify(dir, key);
	assert_int_equal(serious(r), 0);
	assert_false(r->state.damaged);
	assert_int_equal(r->messages, 59);
	assert_int_equal(count(r, ATR_FINDING_NOTE, last, "torn tail"), 1);
	/* the same in a block that others follow: the next does not continue at last + 1 */
	assert_true(n > 1);
	cut_file(dir, "msgs/1.blk", -9);
	r = verify(dir, key);
	assert_int_equal(r->messages, 58);
	assert_true(r->state.damaged);
	assert_int_equal(count(r, ATR_FINDING_DAMAGE, "1.blk", "no valid record"), 1);
}

static void deletes_survive_without_index_db_through_tombstones(void **state)
{
	const char *dir = copy_of(*state, "nats-2.15.1/deletes-chacha", "DEL");
	struct result *r;

	assert_int_equal(unlink(fixture_path(dir, "msgs/index.db")), 0);
	r = verify(dir, KEY_NEW);
	assert_int_equal(serious(r), 0);
	assert_int_equal(r->messages, 35);
	assert_int_equal(r->state.messages, 35);
	assert_int_equal(r->state.bytes, 9622);
	assert_int_equal(r->state.first_seq, 4);
	assert_int_equal(r->state.last_seq, 47);
	assert_int_equal(r->state.num_deleted, 9);
}

static void a_damaged_state_file_marks_what_may_be_deleted(void **state)
{
	static const char key[] = "GUXDge-kDcpAFNa5u9EnWk2L";
	const char *dir = copy_of(*state, "nats-2.9.10/kv-aes", "KV_cfg");
	struct result *r = verify(dir, key);

	assert_int_equal(r->messages, 12);
	assert_int_equal(serious(r), 0);
	cut_file(dir, "msgs/1.idx", -1);
	r = verify(dir, key);
	assert_int_equal(count(r, ATR_FINDING_DAMAGE, "1.idx", "authentication"), 1);
	assert_true(r->messages > 12);
	assert_int_equal(r->maybe_deleted, r->messages);
	/* gone, though an fss says that the block was closed with one */
	assert_int_equal(unlink(fixture_path(dir, "msgs/1.idx")), 0);
	r = verify(dir, key);
	assert_int_equal(count(r, ATR_FINDING_DAMAGE, "1.idx", "missing"), 1);
	assert_int_equal(r->maybe_deleted, r->messages);
}

/* One more record at the end of block 1 of a clear stream. */
static void append_record(const char *dir, const char *name, uint64_t sequence)
{
	struct atr_message m = {.sequence = sequence,
	                        .time_ns = 1,
	                        .subject = "orders.new",
	                        .subject_bytes = 10,
	                        .payload = (const uint8_t *)"hello",
	                        .payload_bytes = 5};
	struct atr_hash_key key;
	uint8_t record[128];
	FILE *f = fopen(fixture_path(dir, "msgs/1.blk"), "ab");
	size_t bytes;

	if ((sequence & ATR_SEQUENCE_TOMBSTONE) != 0)
		m.subject_bytes = m.payload_bytes = 0;
	assert_non_null(f);
	assert_int_equal(atr_hash_key_init(&key, name), 0);
	bytes = atr_record_encode(&key, &m, record);
	assert_int_equal(fwrite(record, 1, bytes, f), bytes);
	assert_int_equal(fclose(f), 0);
}

static void a_state_file_that_the_blocks_outgrew_is_a_note(void **state)
{
	const char *dir = copy_of(*state, "nats-2.15.1/basic-plain", "ORDERS");
	struct result *r;

	append_record(dir, "ORDERS-1", 43);
	r = verify(dir, NULL);
	assert_int_equal(serious(r), 0);
	assert_int_equal(count(r, ATR_FINDING_NOTE, "index.db", "older than the blocks"), 1);
	assert_int_equal(r->messages, 43);
	assert_int_equal(r->state.last_seq, 43);
	assert_int_equal(r->maybe_deleted, 0);
	/* and a tail behind it that a crash left */
	append_record(dir, "ORDERS-1", 44);
	cut_file(dir, "msgs/1.blk", -3);
	r = verify(dir, NULL);
	assert_int_equal(serious(r), 0);
	assert_int_equal(r->messages, 43);
	/* records cut off at a record's end: only index.db can tell */
	fixture_remove(dir);
	dir = copy_of(*state, "nats-2.15.1/basic-plain", "ORDERS");
	append_record(dir, "ORDERS-1", 43);
	cut_file(dir, "msgs/1.blk", -45);
	assert_int_equal(serious(verify(dir, NULL)), 0); /* as it was before */
	cut_file(dir, "msgs/1.blk", -1);
	r = verify(dir, NULL);
	assert_int_equal(count(r, ATR_FINDING_DAMAGE, "index.db", "goes up to sequence 42"), 1);
	assert_int_equal(r->messages, 41);
	/* a sequence that is not above the one before it */
	fixture_remove(dir);
	dir = copy_of(*state, "nats-2.15.1/basic-plain", "ORDERS");
	append_record(dir, "ORDERS-1", 7);
	r = verify(dir, NULL);
	assert_int_equal(r->messages, 42);
	assert_int_equal(count(r, ATR_FINDING_NOTE, "1.blk", "dropped"), 1);
}

/* A server keeps a block of tombstones out of its index.db and leaves the file. */
static void blocks_of_tombstones_need_not_be_listed(void **state)
{
	char dir[PATH_MAX];
	struct atr_store_options o = {.block_bytes = 300,
	                              .sync = ATR_SYNC_NONE,
	                              .config_json = "{\"subjects\":[\"orders.*\"]}"};
	struct atr_purge below = {.below_sequence = 20};
	struct atr_message m = {.subject = "orders.new", .subject_bytes = 10};
	struct atr_store *store;
	struct atr_error err;
	struct result *r;

	(void)snprintf(dir, sizeof dir, "%s", fixture_path(*state, "O"));
	assert_ok(atr_store_create(dir, &o, &store, &err), &err);
	for (unsigned i = 0; i < 40; i++)
		assert_ok(atr_store_append(store, &m, NULL, &err), &err);
	assert_ok(atr_store_purge(store, &below, NULL, &err), &err);
	assert_ok(atr_store_close(store, &err), &err);
	assert_false(fixture_exists(fixture_path(dir, "msgs/1.blk")));
	append_record(dir, "O-1", 2 | ATR_SEQUENCE_TOMBSTONE);
	r = verify(dir, NULL);
	assert_int_equal(r->findings, 0);
	assert_int_equal(r->messages, 21);
	assert_int_equal(r->first_seq, 20);
	/* one message in it, and index.db does not speak of this directory */
	append_record(dir, "O-1", 3);
	r = verify(dir, NULL);
	assert_int_equal(count(r, ATR_FINDING_DAMAGE, "index.db", "blocks, "), 1);
	/* nor where it is empty: nothing tells what it held */
	fixture_write(fixture_path(dir, "msgs/1.blk"), "", 0);
	r = verify(dir, NULL);
	assert_int_equal(count(r, ATR_FINDING_DAMAGE, "index.db", "blocks, "), 1);
}

static void a_newer_state_file_is_not_supported(void **state)
{
	/* clear text: the version byte can be changed, and the hash made right again */
	const char *dir = copy_of(*state, "nats-2.15.1/basic-plain", "ORDERS");
	const char *path = fixture_path(dir, "msgs/index.db");
	size_t bytes;
	uint8_t *content = fixture_read(path, &bytes);
	struct atr_hash_key key;
	uint64_t hash;
	struct result *r;

	assert_int_equal(atr_hash_key_init(&key, "ORDERS"), 0);
	content[1] = 5;
	hash = atr_hash64(&key, content, bytes - 8);
	for (size_t i = 0; i < 8; i++)
		content[bytes - 8 + i] = (uint8_t)(hash >> (8 * i));
	fixture_write(path, content, bytes);
	free(content);
	r = verify(dir, NULL);
	assert_int_equal(count(r, ATR_FINDING_UNSUPPORTED, "index.db", "newer version"), 1);
	assert_int_equal(r->messages, 42);
	assert_int_equal(r->maybe_deleted, 42);
}

static void promises_are_checked(void **state)
{
	struct atr_verify_options aes = {.cipher = "aes"}, any = {.encrypted = 1};
	struct atr_verify_options none = {.cipher = "none"};
	const char *sealed = copy_of(*state, "nats-2.15.1/deletes-chacha", "DEL");
	const char *clear = copy_of(*state, "nats-2.15.1/basic-plain", "ORDERS");
	struct result *r;

	r = verify_with(sealed, "$G", NULL, KEY_NEW, &aes);
	assert_int_equal(count(r, ATR_FINDING_CLEAR, "meta.key", "promised was aes"), 1);
	assert_int_equal(count(r, ATR_FINDING_CLEAR, "1.key", "promised was aes"), 1);
	r = verify_with(sealed, "$G", NULL, KEY_NEW, &none);
	assert_true(serious(r) > 0);
	r = verify_with(sealed, "$G", NULL, KEY_NEW, &any);
	assert_int_equal(serious(r), 0);
	r = verify_with(clear, "$G", NULL, NULL, &any);
	assert_int_equal(count(r, ATR_FINDING_CLEAR, "meta.key", "encryption was promised"), 1);
	r = verify_with(clear, "$G", NULL, NULL, &aes);
	assert_int_equal(serious(r), 1);
	r = verify_with(clear, "$G", NULL, NULL, &none);
	assert_int_equal(serious(r), 0);
}

static void the_names_are_part_of_the_key(void **state)
{
	const char *dir = copy_of(*state, "nats-2.15.1/deletes-chacha", "DEL");

	assert_int_equal(verify_with(dir, "OTHER", NULL, KEY_NEW, NULL)->open_status, ATR_EAUTH);
	assert_int_equal(verify_with(dir, "$G", NULL, NULL, NULL)->open_status, ATR_ENOKEY);
	assert_int_equal(verify_with(dir, "$G", NULL, KEY_NEW "\n", NULL)->open_status, ATR_EAUTH);
	assert_int_equal(verify_with(dir, "$G", NULL, "x", NULL)->open_status, ATR_EAUTH);
	/* the sum of meta.inf is taken under the stream's name */
	assert_int_equal(verify_with(dir, "$G", "OTHER", KEY_NEW, NULL)->open_status, ATR_EFORMAT);
}

static void a_store_that_is_written_is_refused(void **state)
{
	const char *dir = copy_of(*state, "nats-2.15.1/deletes-chacha", "DEL");
	int ready[2], fd, status;
	struct result *r;
	pid_t child;

	/* a program that takes our lock */
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	{
		struct atr_inspect_options options = {.key = (const uint8_t *)KEY_NEW,
		                                      .key_bytes = strlen(KEY_NEW)};
		struct atr_error err;
		struct atr_inspect *in;

		assert_status(atr_inspect_open(dir, &options, &in, &err), ATR_ELOCKED, &err);
		assert_null(in);
	}
	close(fd);
	/* a server takes none, but keeps its block open */
	assert_int_equal(pipe(ready), 0);
	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		char byte = 'x';

		fd = open(fixture_path(dir, "msgs/1.blk"), O_RDWR);
		if (fd < 0 || write(ready[1], &byte, 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &(char){0}, 1), 1);
	r = verify(dir, KEY_NEW);
	assert_int_equal(r->open_status, ATR_ELOCKED);
	assert_non_null(strstr(r->err.text, "open for writing"));
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	close(ready[0]);
	close(ready[1]);
	assert_int_equal(verify(dir, KEY_NEW)->open_status, ATR_OK);
}

static void missing_meta_files_are_named(void **state)
{
	static const char *const names[] = {"meta.inf", "meta.sum"};

	for (size_t i = 0; i < 2; i++) {
		const char *dir = copy_of(*state, "nats-2.15.1/deletes-chacha", "DEL");
		struct result *r;

		assert_int_equal(unlink(fixture_path(dir, names[i])), 0);
		r = verify(dir, KEY_NEW);
		assert_true(r->open_status == ATR_EFORMAT || r->open_status == ATR_ENOTSTORE);
		assert_true(strstr(r->err.path, names[i]) != NULL ||
		            strstr(r->err.text, names[i]) != NULL);
		fixture_remove(dir);
	}
}

static void an_empty_stream_directory_needs_no_blocks(void **state)
{
	const char *dir = copy_of(*state, "nats-2.9.10/empty-plain", "NEVER");
	struct result *r;

	fixture_remove(fixture_path(dir, "msgs"));
	r = verify(dir, NULL);
	assert_int_equal(r->open_status, ATR_OK);
	assert_int_equal(serious(r), 0);
	assert_int_equal(r->state.messages, 0);
	assert_int_equal(r->state.first_seq, 1);
	assert_int_equal(r->state.last_seq, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	        T(healthy_directories_have_no_finding),
	        T(a_missing_block_is_named),
	        T(a_missing_block_that_index_db_lists_is_named),
	        T(a_missing_key_file_is_named),
	        T(swapped_and_older_files_are_named),
	        T(odd_entries_are_named),
	        T(directories_and_pipes_in_place_of_files_are_named),
	        T(a_torn_tail_that_lost_nothing_is_a_note),
	        T(deletes_survive_without_index_db_through_tombstones),
	        T(a_damaged_state_file_marks_what_may_be_deleted),
	        T(a_state_file_that_the_blocks_outgrew_is_a_note),
	        T(blocks_of_tombstones_need_not_be_listed),
	        T(a_newer_state_file_is_not_supported),
	        T(promises_are_checked),
	        T(the_names_are_part_of_the_key),
	        T(a_store_that_is_written_is_refused),
	        T(missing_meta_files_are_named),
	        T(an_empty_stream_directory_needs_no_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
