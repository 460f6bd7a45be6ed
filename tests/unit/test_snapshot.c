/* Backups in memory: what is special about the messages comes back, and what is broken is refused
 * and leaves nothing. Golden directories and servers are test_backup's and test_server_snapshot's.
 */
#include "store/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/hash.h"
#include "store/restore.h"
#include "store/s2.h"
#include "tests/fault/fault_files.h"
#include "tests/unit/store_make.h"

#define MARKER "this is in clear text"

struct bytes {
	uint8_t *at;
	size_t count, read;
};

static enum atr_status take(void *arg, const uint8_t *at, size_t count, struct atr_error *err)
{
	struct bytes *b = arg;

	(void)err;
	b->at = realloc(b->at, b->count + count + 1);
	assert_non_null(b->at);
	memcpy(b->at + b->count, at, count);
	b->count += count;
	return ATR_OK;
}

/* In pieces of a prime length. */
static enum atr_status give(void *arg, void *to, size_t bytes, size_t *got, struct atr_error *err)
{
	struct bytes *b = arg;
	size_t left = b->count - b->read;

	(void)err;
	*got = bytes < 997 ? bytes : 997;
	if (*got > left)
		*got = left;
	if (*got > 0)
		memcpy(to, b->at + b->read, *got);
	b->read += *got;
	return ATR_OK;
}

static struct atr_inspect *inspect(const char *dir, const char *cipher)
{
	struct atr_store_options made = make_options(cipher);
	struct atr_inspect_options o = {
	        .files = made.files, .stream = "S", .key = made.key, .key_bytes = made.key_bytes};
	struct atr_inspect *in;
	struct atr_error err;

	assert_ok(atr_inspect_open(dir, &o, &in, &err), &err);
	return in;
}

static void backup(const char *dir, const char *cipher, struct bytes *out)
{
	struct atr_inspect *in = inspect(dir, cipher);
	struct atr_backup_options o = {.sink = take, .sink_arg = out};
	struct atr_error err;

	memset(out, 0, sizeof *out);
	assert_ok(atr_inspect_backup(in, &o, &err), &err);
	atr_inspect_close(in);
}

static enum atr_status restore_with(struct bytes *from, const char *dir, const char *cipher,
                                    const struct atr_file_table *files, struct atr_error *err)
{
	struct atr_store_options made = make_options(cipher);
	struct atr_restore_options o = {
	        .files = files != NULL ? files : made.files,
	        .source = give,
	        .source_arg = from,
	        .cipher = made.cipher,
	        .key = made.key,
	        .key_bytes = made.key_bytes,
	};
	struct atr_restore_result result;
	struct atr_restore *r;
	enum atr_status rc;

	from->read = 0;
	rc = atr_restore_open(&o, &r, err);
	if (rc == ATR_OK)
		rc = atr_restore_into(r, dir, "$G", &result, err);
	atr_restore_close(r);
	return rc;
}

/* DIR/restored/.../S in a static buffer */
static const char *target(const char *dir)
{
	static char path[PATH_MAX];

	assert_int_equal(
	        atr_store_path(path, sizeof path, fixture_path(dir, "restored"), "$G", "S"), 0);
	return path;
}

/* Everything of a stream's messages, as one number. */
static uint64_t digest_of(const char *dir, const char *cipher)
{
	static const struct atr_hash_key key = {{5, 6, 7, 8}};
	struct atr_inspect *in = inspect(dir, cipher);
	struct atr_inspect_message m;
	struct atr_inspect_state s;
	struct atr_error err;
	uint64_t digest = 0, parts[6];

	while (atr_inspect_next(in, &m, &err) == ATR_OK) {
		parts[0] = digest;
		parts[1] = m.message.sequence;
		parts[2] = (uint64_t)m.message.time_ns;
		parts[3] = atr_hash64(&key, (const uint8_t *)m.message.subject,
		                      m.message.subject_bytes);
		parts[4] = atr_hash64(&key, m.message.headers, m.message.headers_bytes);
		parts[5] = atr_hash64(&key, m.message.payload, m.message.payload_bytes);
		digest = atr_hash64(&key, (const uint8_t *)parts, sizeof parts);
	}
	atr_inspect_state(in, &s);
	atr_inspect_close(in);
	return digest ^ s.last_seq << 20 ^ s.messages << 40;
}

static struct atr_store *create(const char *dir, const char *cipher)
{
	struct atr_store_options o = make_options(cipher);
	struct atr_store *store;
	struct atr_error err;

	o.config_json = "{\"subjects\":[\"s.*\"]}";
	assert_ok(atr_store_create(make_stream_path(dir), &o, &store, &err), &err);
	return store;
}

static void put(struct atr_store *store, uint64_t sequence, size_t payload_bytes)
{
	static uint8_t payload[9000000];
	struct atr_message m = {.sequence = sequence,
	                        .time_ns = (int64_t)sequence + 1,
	                        .subject = "s.x",
	                        .subject_bytes = 3,
	                        .payload = payload,
	                        .payload_bytes = payload_bytes};
	struct atr_error err;

	memset(payload, (int)sequence, payload_bytes);
	assert_ok(atr_store_append(store, &m, NULL, &err), &err);
}

static void comes_back(const char *dir, const char *from, const char *to)
{
	struct bytes b;
	struct atr_error err;

	backup(make_stream_path(dir), from, &b);
	assert_ok(restore_with(&b, target(dir), to, NULL, &err), &err);
	assert_true(digest_of(make_stream_path(dir), from) == digest_of(target(dir), to));
	free(b.at);
}

static void gaps_and_sizes_come_back(void **state)
{
	for (size_t i = 0; i < 3; i++) {
		char dir[PATH_MAX];
		struct atr_store *store;
		struct atr_error err;

		fixture_make(dir);
		store = create(dir, make_ciphers[i]);
		put(store, 1000, 10);
		put(store, 1001, 0);
		put(store, 1003, 100);
		put(store, 5000, 100);       /* placeholders for the gap would be too many */
		put(store, 5001, 3000000);   /* more than a block */
		put(store, 5002, 7367994);   /* its record: 7,368,027 */
		put(store, 5003, 7368002);   /* its record looks like a compressed block's head */
		put(store, 90000000, 50000); /* a gap that no file could hold */
		put(store, 90000007, 1);
		put(store, 90000008, 1);
		assert_ok(atr_store_delete(store, 90000008, &err), &err);
		assert_ok(atr_store_delete(store, 1001, &err), &err);
		assert_ok(atr_store_close(store, &err), &err);
		comes_back(dir, make_ciphers[i], make_ciphers[(i + 1) % 3]);
		fixture_remove(dir);
	}
	(void)state;
}

static void empty_streams_keep_their_last_sequence(void **state)
{
	struct atr_store *store;
	struct atr_error err;
	char dir[PATH_MAX];

	(void)state;
	for (int used = 0; used < 2; used++) {
		struct atr_inspect *in;
		struct atr_inspect_state s;

		fixture_make(dir);
		store = create(dir, "aes");
		if (used) {
			put(store, 77, 5);
			assert_ok(atr_store_delete(store, 77, &err), &err);
		}
		assert_ok(atr_store_close(store, &err), &err);
		comes_back(dir, "aes", "chachapoly");
		in = inspect(target(dir), "chachapoly");
		atr_inspect_state(in, &s);
		assert_int_equal(s.last_seq, used ? 77 : 0);
		assert_int_equal(s.messages, 0);
		atr_inspect_close(in);
		fixture_remove(dir);
	}
}

/* A stream that grew through the ciphers: blocks of all kinds side by side. */
static void a_stream_of_several_ciphers_is_restored_under_one(void **state)
{
	struct atr_store *store = create(*state, "none");
	struct atr_error err;
	struct bytes b;

	for (size_t i = 0; i < 3; i++) {
		struct atr_store_options o = make_options(make_ciphers[i]);

		o.existing_blocks = ATR_EXISTING_KEEP;
		if (i > 0)
			assert_ok(atr_store_open(make_stream_path(*state), &o, &store, &err), &err);
		make_append(store, 20, 500);
		assert_ok(atr_store_close(store, &err), &err);
	}
	backup(make_stream_path(*state), "aes", &b);
	for (size_t i = 0; i < 3; i++) {
		struct atr_inspect_stream s;
		struct atr_inspect_message m;
		struct atr_inspect *in;
		size_t messages = 0;

		assert_ok(restore_with(&b, target(*state), make_ciphers[i], NULL, &err), &err);
		assert_true(digest_of(make_stream_path(*state), "aes") ==
		            digest_of(target(*state), make_ciphers[i]));
		in = inspect(target(*state), make_ciphers[i]);
		atr_inspect_stream(in, &s);
		assert_string_equal(s.cipher, make_ciphers[i]);
		while (atr_inspect_next(in, &m, &err) == ATR_OK) {
			assert_string_equal(m.cipher, make_ciphers[i]);
			messages++;
		}
		assert_int_equal(messages, 60);
		atr_inspect_close(in);
		fixture_remove(fixture_path(*state, "restored"));
	}
	free(b.at);
}

/* A small stream with a consumer. */
static void small_backup(const char *dir, struct bytes *out)
{
	struct atr_store *store = create(dir, "chachapoly");
	struct atr_error err;

	make_append(store, 12, 60);
	assert_ok(atr_store_consumer_create(store, "C", "{\"ack_policy\":\"explicit\"}", &err),
	          &err);
	assert_ok(atr_store_consumer_delivered(store, "C", 1, 1, 1, 1, &err), &err);
	assert_ok(atr_store_delete(store, 5, &err), &err);
	assert_ok(atr_store_close(store, &err), &err);
	backup(make_stream_path(dir), "chachapoly", out);
}

/* Nothing of the stream, and nothing of the work on it. */
static void nothing_is_left(const char *dir)
{
	char streams[PATH_MAX];

	assert_false(fixture_exists(target(dir)));
	(void)snprintf(streams, sizeof streams, "%s/restored", dir);
	assert_int_equal(fixture_exists(streams) ? fixture_count(streams, "") : 0, 0);
}

static void a_cut_backup_is_refused_and_leaves_nothing(void **state)
{
	struct bytes whole, part;
	struct atr_error err;

	small_backup(*state, &whole);
	part = whole;
	for (part.count = 0; part.count < whole.count; part.count += 1 + whole.count / 150) {
		assert_status(restore_with(&part, target(*state), "aes", NULL, &err), ATR_EFORMAT,
		              &err);
		assert_true(err.text[0] != '\0');
		nothing_is_left(*state);
	}
	free(whole.at);
}

/* A check sum covers the bytes; a copy of zeros from elsewhere is the same bytes. */
static void a_changed_byte_is_refused_or_does_not_matter(void **state)
{
	struct bytes b;
	struct atr_error err;
	uint64_t right;
	size_t refused = 0, tried = 0;

	small_backup(*state, &b);
	right = digest_of(make_stream_path(*state), "chachapoly");
	for (size_t i = 0; i < b.count; i += 1 + b.count / 300) {
		b.at[i] ^= 0x11;
		tried++;
		if (restore_with(&b, target(*state), "aes", NULL, &err) == ATR_OK) {
			assert_true(digest_of(target(*state), "aes") == right);
			fixture_remove(fixture_path(*state, "restored"));
		} else {
			assert_int_equal(err.status, ATR_EFORMAT);
			nothing_is_left(*state);
			refused++;
		}
		b.at[i] ^= 0x11;
	}
	print_message("%zu changed bytes, %zu refused\n", tried, refused);
	assert_true(refused * 100 > tried * 80);
	free(b.at);
}

/* ---- inside the frames ---- */

static enum atr_status take_plain(void *arg, const uint8_t *at, size_t count)
{
	return take(arg, at, count, NULL);
}

static void unframe(const struct bytes *from, struct bytes *to)
{
	struct atr_s2_reader *r;
	const char *why;

	memset(to, 0, sizeof *to);
	r = atr_s2_reader_new(take_plain, to);
	assert_int_equal(atr_s2_feed(r, from->at, from->count, &why), ATR_OK);
	assert_int_equal(atr_s2_reader_finish(r, &why), ATR_OK);
}

static void frame(const struct bytes *from, size_t count, struct bytes *to)
{
	struct atr_s2_writer *w;

	memset(to, 0, sizeof *to);
	w = atr_s2_writer_new(take_plain, to);
	assert_int_equal(atr_s2_write(w, from->at, count), ATR_OK);
	assert_int_equal(atr_s2_writer_finish(w), ATR_OK);
}

static void a_tar_cut_inside_whole_frames_is_refused(void **state)
{
	struct bytes whole, plain, part;
	struct atr_error err;
	size_t end;

	small_backup(*state, &whole);
	unframe(&whole, &plain);
	end = plain.count;
	while (plain.at[end - 1] == 0)
		end--;
	/* all the places between two files are multiples of 512; the mark is the last 1024 bytes */
	for (size_t cut = 0; cut < plain.count - 512 && cut < end + 1024; cut += 512) {
		frame(&plain, cut, &part);
		assert_status(restore_with(&part, target(*state), "aes", NULL, &err), ATR_EFORMAT,
		              &err);
		nothing_is_left(*state);
		free(part.at);
	}
	plain.at[plain.count - 1] = 1; /* bytes behind the mark */
	frame(&plain, plain.count, &part);
	assert_status(restore_with(&part, target(*state), "aes", NULL, &err), ATR_EFORMAT, &err);
	free(part.at);
	free(plain.at);
	free(whole.at);
}

/* With the configuration that an archive needs beside it. */
static enum atr_status restore_archive_of(struct bytes *from, const char *dir,
                                          struct atr_error *err)
{
	struct atr_store_options made = make_options("aes");
	struct atr_restore_options o = {
	        .files = made.files,
	        .source = give,
	        .source_arg = from,
	        .backup_json = "{\"config\":{\"name\":\"S\",\"subjects\":[\"snap.*\"]}}",
	        .cipher = made.cipher,
	        .key = made.key,
	        .key_bytes = made.key_bytes,
	};
	struct atr_restore_result result;
	struct atr_restore *r;
	enum atr_status rc;

	from->read = 0;
	rc = atr_restore_open(&o, &r, err);
	if (rc == ATR_OK)
		rc = atr_restore_into(r, dir, "$G", &result, err);
	atr_restore_close(r);
	return rc;
}

static void an_archive_cut_or_changed_is_refused_or_read(void **state)
{
	struct bytes whole = {0}, plain, part;
	struct atr_error err;

	whole.at = fixture_read(ATREST_SOURCE_DIR
	                        "/tests/fixtures/nats-2.15.1/snapshot-chacha/snapshot.tar.s2",
	                        &whole.count);
	unframe(&whole, &plain);
	assert_ok(restore_archive_of(&whole, target(*state), &err), &err);
	fixture_remove(fixture_path(*state, "restored"));
	for (size_t cut = 8; cut < plain.count; cut += 1 + plain.count / 100) {
		frame(&plain, cut, &part);
		assert_status(restore_archive_of(&part, target(*state), &err), ATR_EFORMAT, &err);
		nothing_is_left(*state);
		free(part.at);
	}
	/* it has no check sums of its own: what is not refused is whole all the same */
	for (size_t i = 0; i < plain.count; i += 1 + plain.count / 150) {
		plain.at[i] ^= 0x81;
		frame(&plain, plain.count, &part);
		if (restore_archive_of(&part, target(*state), &err) == ATR_OK) {
			(void)digest_of(target(*state), "aes");
			fixture_remove(fixture_path(*state, "restored"));
		} else {
			nothing_is_left(*state);
		}
		free(part.at);
		plain.at[i] ^= 0x81;
	}
	free(plain.at);
	free(whole.at);
}

struct file {
	const char *name, *content;
};

static void write_tar(const struct file *files, size_t count, struct bytes *out)
{
	struct snapshot_writer *w;
	struct atr_error err;

	memset(out, 0, sizeof *out);
	assert_ok(snapshot_writer_open(take, out, 0, &w, &err), &err);
	for (size_t i = 0; i < count; i++)
		assert_ok(snapshot_put(w, files[i].name, files[i].content, strlen(files[i].content),
		                       &err),
		          &err);
	assert_ok(snapshot_writer_finish(w, &err), &err);
}

static void a_tar_never_leaves_its_directory(void **state)
{
	static const char *const names[] = {"../out",
	                                    "/tmp/atrest-out",
	                                    "msgs/../../out",
	                                    "msgs/./1.blk",
	                                    "msgs//1.blk",
	                                    "..",
	                                    ".",
	                                    "obs/../../out",
	                                    "obs/../o.dat",
	                                    "obs/C/../../../o",
	                                    "msgs/.."};
	static const char inf[] = "{\"name\":\"S\",\"subjects\":[\"s.*\"]}";
	struct atr_hash_key key;
	char sum[17];

	assert_int_equal(atr_hash_key_init(&key, "S"), 0);
	atr_hash_hex(atr_hash64(&key, (const uint8_t *)inf, sizeof inf - 1), sum);
	for (size_t i = 0; i <= sizeof names / sizeof names[0]; i++) {
		int last = i == sizeof names / sizeof names[0];
		const struct file files[] = {
		        {"meta.inf", inf}, {"meta.sum", sum}, {last ? "new.file" : names[i], "x"}};
		struct atr_error err;
		struct bytes b;

		write_tar(files, 3, &b);
		if (last) { /* what a newer server may add is passed over */
			assert_ok(restore_with(&b, target(*state), "none", NULL, &err), &err);
		} else {
			assert_status(restore_with(&b, target(*state), "none", NULL, &err),
			              ATR_EFORMAT, &err);
			nothing_is_left(*state);
		}
		free(b.at);
	}
	assert_false(fixture_exists("/tmp/atrest-out"));
}

static void what_a_tar_may_not_hold_is_refused(void **state)
{
	static const char inf[] = "{\"name\":\"S\"}", other[] = "{\"name\":\"a/b\"}";
	static const struct {
		struct file files[3];
		const char *says;
	} cases[] = {
	        {{{"msgs/1.blk", "x"}, {"meta.inf", inf}, {"x", ""}}, "expected meta.inf"},
	        {{{"meta.inf", "{"}, {"x", ""}, {"y", ""}}, "does not parse"},
	        {{{"meta.inf", other}, {"x", ""}, {"y", ""}}, "cannot be named"},
	        {{{"meta.inf", "{\"name\":\".S\"}"}, {"x", ""}, {"y", ""}}, "cannot be named"},
	        {{{"meta.inf", inf}, {"errors.txt", "could not read"}, {"y", ""}},
	         "failed: could not read"},
	        {{{"meta.inf", inf}, {"meta.sum", "0000000000000000"}, {"y", ""}},
	         "checksums do not match"},
	        {{{"meta.inf", inf}, {"msgs/1.blk", "a"}, {"msgs/1.blk", "b"}}, "there twice"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct atr_error err;
		struct bytes b;

		write_tar(cases[i].files, 3, &b);
		assert_status(restore_with(&b, target(*state), "aes", NULL, &err), ATR_EFORMAT,
		              &err);
		if (strstr(err.text, cases[i].says) == NULL)
			fail_msg("%s: expected: %s", err.text, cases[i].says);
		nothing_is_left(*state);
		free(b.at);
	}
}

/* ---- what reaches the disk ---- */

static int marker_seen;

static ssize_t looking_write(void *context, int fd, const void *from, size_t bytes, uint64_t offset)
{
	marker_seen |= memmem(from, bytes, MARKER, sizeof MARKER - 1) != NULL;
	return atr_file_real.pwrite(context, fd, from, bytes, offset);
}

static void a_restore_under_a_cipher_writes_nothing_in_clear(void **state)
{
	struct atr_store *store = create(*state, "aes");
	struct atr_file_table looking = atr_file_real;
	struct atr_message m = {.subject = "s.x",
	                        .subject_bytes = 3,
	                        .payload = (const uint8_t *)MARKER,
	                        .payload_bytes = sizeof MARKER - 1};
	struct atr_error err;
	struct bytes b;

	assert_ok(atr_store_append(store, &m, NULL, &err), &err);
	assert_ok(atr_store_close(store, &err), &err);
	backup(make_stream_path(*state), "aes", &b);
	looking.pwrite = looking_write;
	looking.holder = NULL;
	for (size_t i = 0; i < 3; i++) {
		marker_seen = 0;
		assert_ok(restore_with(&b, target(*state), make_ciphers[i], &looking, &err), &err);
		assert_int_equal(marker_seen, i == 0);
		fixture_remove(fixture_path(*state, "restored"));
	}
	free(b.at);
}

static void a_failing_disk_leaves_the_stream_or_nothing(void **state)
{
	struct bytes b;
	struct fault_files files;
	struct atr_error err;
	uint64_t right;
	unsigned long calls;

	small_backup(*state, &b);
	right = digest_of(make_stream_path(*state), "chachapoly");
	fault_files_init(&files, FAULT_ERROR, EIO, 0, 0);
	assert_ok(restore_with(&b, target(*state), "aes", &files.table, &err), &err);
	calls = atomic_load(&files.calls);
	fixture_remove(fixture_path(*state, "restored"));
	for (unsigned long k = 1; k <= calls; k += k < calls / 2 ? 3 : 1) {
		enum atr_status rc;

		fault_files_init(&files, FAULT_ERROR, EIO, k, 0);
		rc = restore_with(&b, target(*state), "aes", &files.table, &err);
		if (fixture_exists(target(*state)))
			assert_true(digest_of(target(*state), "aes") == right);
		else
			assert_int_not_equal(rc, ATR_OK);
		if (fixture_exists(fixture_path(*state, "restored")))
			fixture_remove(fixture_path(*state, "restored"));
	}
	print_message("%lu calls\n", calls);
	free(b.at);
}

static void what_an_interrupted_restore_left_is_removed(void **state)
{
	char left[PATH_MAX];
	struct bytes b;
	struct atr_error err;

	small_backup(*state, &b);
	assert_ok(restore_with(&b, target(*state), "aes", NULL, &err), &err);
	assert_status(restore_with(&b, target(*state), "aes", NULL, &err), ATR_EEXISTS, &err);
	/* as if killed before the rename */
	(void)snprintf(left, sizeof left, "%s/restored/jetstream/$G/streams/.restore-S",
	               *(char **)state);
	assert_int_equal(atr_file_real.mkdir(NULL, left, 0700), 0);
	(void)snprintf(left, sizeof left, "%s/restored/jetstream/$G/streams/.restore-S/new",
	               *(char **)state);
	assert_int_equal(atr_file_real.rename(NULL, target(*state), left), 0);
	assert_ok(restore_with(&b, target(*state), "none", NULL, &err), &err);
	assert_false(fixture_exists(left));
	free(b.at);
}

static void damaged_streams_are_not_backed_up(void **state)
{
	struct atr_store *store = create(*state, "aes");
	struct atr_backup_options o = {.sink = take};
	struct bytes b = {0};
	struct atr_inspect *in;
	struct atr_error err;
	const char *block = fixture_path(make_stream_path(*state), "msgs/1.blk");
	uint8_t *content;
	size_t bytes;

	make_append(store, 40, 100);
	assert_ok(atr_store_close(store, &err), &err);
	content = fixture_read(block, &bytes);
	content[bytes / 2] ^= 1;
	fixture_write(block, content, bytes);
	free(content);
	in = inspect(make_stream_path(*state), "aes");
	o.sink_arg = &b;
	assert_status(atr_inspect_backup(in, &o, &err), ATR_EFORMAT, &err);
	assert_non_null(strstr(err.text, "damaged"));
	atr_inspect_close(in);
	free(b.at);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(gaps_and_sizes_come_back),
	        cmocka_unit_test(empty_streams_keep_their_last_sequence),
	        T(a_stream_of_several_ciphers_is_restored_under_one),
	        T(a_cut_backup_is_refused_and_leaves_nothing),
	        T(a_changed_byte_is_refused_or_does_not_matter),
	        T(a_tar_cut_inside_whole_frames_is_refused),
	        T(an_archive_cut_or_changed_is_refused_or_read),
	        T(a_tar_never_leaves_its_directory),
	        T(what_a_tar_may_not_hold_is_refused),
	        T(a_restore_under_a_cipher_writes_nothing_in_clear),
	        T(a_failing_disk_leaves_the_stream_or_nothing),
	        T(what_an_interrupted_restore_left_is_removed),
	        T(damaged_streams_are_not_backed_up),
	};

	fixture_prefer_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
