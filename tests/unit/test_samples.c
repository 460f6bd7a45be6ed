/* test_samples.c - samples.csv: what is written is read, what was cut counts as interrupted, and
 * every other deviation is refused with file and line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/output/csv.h"
#include "harness/output/replace.h"
#include "harness/output/samples.h"
#include "tests/unit/synthetic.h"

static void make_rows(struct samples *s, uint32_t rounds)
{
	struct synthetic_cell cell = synthetic_quick[1];
	cell.rounds = rounds;
	memset(s, 0, sizeof(*s));
	synthetic_add(s, &cell, 1, (struct synthetic_noise){0.05, 0.01, 0}, 7);
}

static void rows_are_read_back_as_written(void **state)
{
	struct samples in;
	struct samples out;
	char error[512];
	const char *path = synthetic_path(synthetic_here, "back.csv");
	(void)state;
	make_rows(&in, 3);
	strcpy(in.rows[2].error, "slice \"3\", failed: no space");
	in.rows[2].valid = 0;
	in.rows[4].seed = UINT64_MAX;
	strcpy(in.rows[5].provider, "#hash, comma");
	assert_int_equal(synthetic_write(path, &in, 1), 0);
	/* The provider of one round may not differ from the others': make them agree. */
	for (size_t i = 0; i < in.count; i++)
		if (i != 5 && strcmp(in.rows[i].arm, in.rows[5].arm) == 0)
			strcpy(in.rows[i].provider, in.rows[5].provider);
	assert_int_equal(synthetic_write(path, &in, 1), 0);
	assert_int_equal(samples_read(path, &out, error), CSV_RESULT_OK);
	assert_string_equal(error, "");
	assert_true(out.complete);
	assert_int_equal(out.count, in.count);
	for (size_t i = 0; i < in.count; i++) {
#define T(name) assert_string_equal(in.rows[i].name, out.rows[i].name);
#define U(name) assert_true(in.rows[i].name == out.rows[i].name);
#define F(name)                                                                                    \
	assert_true(in.rows[i].name - out.rows[i].name < 1e-9 &&                                   \
	            out.rows[i].name - in.rows[i].name < 1e-9);
		SAMPLES_COLUMNS(T, U, F)
#undef T
#undef U
#undef F
	}
	samples_free(&in);
	samples_free(&out);
}

static void control_characters_and_bad_utf8_are_not_written(void **state)
{
	struct samples in;
	struct samples out;
	char error[512];
	const char *path = synthetic_path(synthetic_here, "text.csv");
	(void)state;
	make_rows(&in, 1);
	in.rows[0].valid = 0;
	strcpy(in.rows[0].error, "line\nbreak\r\t\x7f");
	in.rows[1].valid = 0;
	strcpy(in.rows[1].error, "caf\xc3\xa9");
	in.rows[2].valid = 0;
	strcpy(in.rows[2].error, "half \xc3");
	assert_int_equal(synthetic_write(path, &in, 1), 0);
	assert_int_equal(samples_read(path, &out, error), CSV_RESULT_OK);
	assert_string_equal(out.rows[0].error, "line break   ");
	assert_string_equal(out.rows[1].error, "caf\xc3\xa9");
	assert_string_equal(out.rows[2].error, "half ?");
	samples_free(&in);
	samples_free(&out);
}

static void an_existing_file_is_never_written_over(void **state)
{
	struct samples_writer *w;
	const char *path = synthetic_path(synthetic_here, "old.csv");
	(void)state;
	assert_int_equal(replace_file(path, "old", 3), 0);
	assert_int_equal(samples_writer_open(path, &w), -EEXIST);
	assert_null(w);
	assert_int_equal(samples_writer_open(synthetic_path(synthetic_here, "no/such.csv"), &w),
	                 -ENOENT);
}

static void a_file_without_trailer_is_interrupted(void **state)
{
	struct samples in;
	struct samples out;
	char error[512];
	const char *path = synthetic_path(synthetic_here, "open.csv");
	(void)state;
	make_rows(&in, 2);
	assert_int_equal(synthetic_write(path, &in, 0), 0);
	assert_int_equal(samples_read(path, &out, error), CSV_RESULT_OK);
	assert_false(out.complete);
	assert_int_equal(out.count, in.count);
	samples_free(&in);
	samples_free(&out);
}

/* A run may be killed at any byte: what is left is malformed only where not even the columns are
 * there, complete only when nothing is missing, and else the whole lines. */
static void a_file_cut_at_any_byte_keeps_its_whole_rows(void **state)
{
	struct samples in;
	struct samples out;
	char error[512];
	char *text;
	size_t bytes;
	const char *path = synthetic_path(synthetic_here, "cut.csv");
	(void)state;
	make_rows(&in, 1);
	assert_int_equal(synthetic_write(path, &in, 1), 0);
	assert_int_equal(read_whole_file(path, CSV_FILE_BYTES_MAX, &text, &bytes), 0);
	for (size_t cut = 0; cut <= bytes; cut++) {
		size_t lines = 0;
		for (size_t i = 0; i < cut; i++)
			lines += text[i] == '\n';
		FILE *f = fopen(path, "w");
		assert_non_null(f);
		assert_int_equal(fwrite(text, 1, cut, f), cut);
		assert_int_equal(fclose(f), 0);
		enum csv_result rc = samples_read(path, &out, error);
		if (lines < 2) {
			assert_int_equal(rc, CSV_RESULT_MALFORMED);
			continue;
		}
		assert_int_equal(rc, CSV_RESULT_OK);
		assert_int_equal(out.complete, cut == bytes);
		assert_int_equal(out.count, lines - 2 - (cut == bytes));
		samples_free(&out);
	}
	print_message("%zu cuts\n", bytes + 1);
	free(text);
	samples_free(&in);
}

/* A short write leaves no half line, and later rows follow cleanly once there is space. */
static void a_write_that_fails_leaves_whole_lines(void **state)
{
	struct samples in;
	struct samples out;
	struct samples_writer *w;
	struct stat st;
	char error[512];
	const char *path = synthetic_path(synthetic_here, "full.csv");
	(void)state;
	make_rows(&in, 1);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(samples_writer_open(path, &w), 0);
	assert_int_equal(samples_writer_add(w, &in.rows[0]), 0);
	assert_int_equal(stat(path, &st), 0);

	struct rlimit before;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	struct rlimit small = {(rlim_t)st.st_size + 100, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_true(samples_writer_add(w, &in.rows[1]) < 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);

	off_t whole = st.st_size;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, whole);
	assert_int_equal(samples_writer_add(w, &in.rows[2]), 0);
	assert_int_equal(samples_writer_close(w, 1), 0);
	assert_int_equal(samples_read(path, &out, error), CSV_RESULT_OK);
	assert_int_equal(out.count, 2);
	assert_true(out.complete);
	samples_free(&in);
	samples_free(&out);
}

/* ---- malformed files: made from a good one by one replacement ---- */

struct damage {
	const char *name;
	const char *find; /* first occurrence; NULL: the whole file is with */
	const char *with;
	const char *says; /* part of the error */
	enum csv_result result;
	int resealed; /* with a fitting trailer, so that the fault itself is met */
};

static const struct damage damages[] = {
        {"empty", NULL, "", ":1: empty file", CSV_RESULT_MALFORMED, 0},
        {"no schema line", "# atrest-samples v3\n", "", ":1: found \"workload,",
         CSV_RESULT_MALFORMED, 0},
        {"other schema", "# atrest-samples v3", "# atrest-summary v1", ":1: found",
         CSV_RESULT_MALFORMED, 0},
        {"other version", "# atrest-samples v3", "# atrest-samples v9",
         "expected \"# atrest-samples v3\"", CSV_RESULT_SCHEMA_OTHER, 0},
        {"old version", "# atrest-samples v3", "# atrest-samples v0",
         ":1:", CSV_RESULT_SCHEMA_OTHER, 0},
        {"version no number", "# atrest-samples v3", "# atrest-samples vX",
         ":1:", CSV_RESULT_MALFORMED, 0},
        {"byte order mark", "# atrest", "\xef\xbb\xbf# atrest", ":1:", CSV_RESULT_MALFORMED, 0},
        {"CRLF", "v3\n", "v3\r\n", ":1: byte 0x0d", CSV_RESULT_MALFORMED, 0},
        {"no columns", NULL, "# atrest-samples v3\n", ":2: the file ends", CSV_RESULT_MALFORMED, 0},
        {"column missing", ",cpu_ns,", ",", ":2: column", CSV_RESULT_MALFORMED, 0},
        {"last column missing", ",attempt\n", "\n", "column attempt is missing",
         CSV_RESULT_MALFORMED, 0},
        {"column renamed", "payload_bytes", "payload_kb", "expected payload_bytes",
         CSV_RESULT_MALFORMED, 0},
        {"columns swapped", "round,position", "position,round", "expected round",
         CSV_RESULT_MALFORMED, 0},
        {"column more", "attempt\n", "attempt,note\n", "\"note\" is not one", CSV_RESULT_MALFORMED,
         0},
        {"column twice", "workload,class", "workload,workload", "expected class",
         CSV_RESULT_MALFORMED, 0},
        {"field less", "publish-1k,publish,", "publish-1k,", ":3: ", CSV_RESULT_MALFORMED, 1},
        {"field more", "publish-1k,publish,", "publish-1k,publish,x,", ":3: ", CSV_RESULT_MALFORMED,
         1},
        {"empty row", "publish-1k,publish,", "\npublish-1k,publish,", ":3: empty line",
         CSV_RESULT_MALFORMED, 1},
        {"NaN", "@acked_s", "nan", "column acked_s: found \"nan\"", CSV_RESULT_MALFORMED, 1},
        {"infinity", "@acked_s", "inf", "column acked_s", CSV_RESULT_MALFORMED, 1},
        {"huge number", "@acked_s", "1e999", "column acked_s", CSV_RESULT_MALFORMED, 1},
        {"hexadecimal", "@acked_s", "0x1p-3", "column acked_s", CSV_RESULT_MALFORMED, 1},
        {"comma decimals", "@acked_s", "\"0,154\"", "column acked_s", CSV_RESULT_MALFORMED, 1},
        {"negative time", "@acked_s", "-0.5", "column acked_s", CSV_RESULT_MALFORMED, 1},
        {"no time", "@acked_s", "0", "took no time", CSV_RESULT_MALFORMED, 1},
        {"empty number", "@messages", "", "column messages", CSV_RESULT_MALFORMED, 1},
        {"no operations", "@messages", "0", "0 operations", CSV_RESULT_MALFORMED, 1},
        {"negative integer", "@messages", "-1", "column messages: found \"-1\"",
         CSV_RESULT_MALFORMED, 1},
        {"integer with sign", "@messages", "+5", "column messages", CSV_RESULT_MALFORMED, 1},
        {"integer with decimals", "@messages", "5.0", "column messages", CSV_RESULT_MALFORMED, 1},
        {"integer above 2^64", "@messages", "18446744073709551616", "column messages",
         CSV_RESULT_MALFORMED, 1},
        {"integer with blank", "@messages", " 5", "column messages", CSV_RESULT_MALFORMED, 1},
        {"valid neither", "@valid", "2", "column valid", CSV_RESULT_MALFORMED, 1},
        {"valid as word", "@valid", "true", "column valid", CSV_RESULT_MALFORMED, 1},
        {"valid with error", "@error", "failed", "a valid row with the error", CSV_RESULT_MALFORMED,
         1},
        {"no arm", "@arm", "", "arm is empty", CSV_RESULT_MALFORMED, 1},
        {"round twice", "@round", "1", "stands in line", CSV_RESULT_MALFORMED, 1},
        {"provider changes", "@provider", "sodium", "column provider of arm", CSV_RESULT_MALFORMED,
         1},
        {"payload changes", "@payload_bytes", "7", "column payload_bytes of arm",
         CSV_RESULT_MALFORMED, 1},
        {"workload changes", "@workload_digest", "0123456789abcdef",
         "column workload_digest of arm", CSV_RESULT_MALFORMED, 1},
        {"quote open", "publish-1k,", "\"publish-1k,", ":3: misplaced quote", CSV_RESULT_MALFORMED,
         1},
        {"quote inside", "publish-1k,", "publish\"-1k,", ":3: misplaced quote",
         CSV_RESULT_MALFORMED, 1},
        {"text behind quote", "publish-1k,", "\"publish\"-1k,", ":3: misplaced quote",
         CSV_RESULT_MALFORMED, 1},
        {"bad UTF-8", "publish-1k,", "publish-1k\xff,", ":3: text that is not UTF-8",
         CSV_RESULT_MALFORMED, 1},
        {"tab", "publish-1k,", "publish-1k\t,", ":3: byte 0x09", CSV_RESULT_MALFORMED, 1},
        {"comment between", "publish-1k,", "# note\npublish-1k,", ":3: found \"# note\"",
         CSV_RESULT_MALFORMED, 1},
        {"value changed", ",2m,", ",3m,", "expected \"# rows=8", CSV_RESULT_MALFORMED, 0},
        {"row count wrong", "# rows=8", "# rows=9", "found \"# rows=9", CSV_RESULT_MALFORMED, 0},
        {"digest wrong", "sha256=", "sha256=0", "rows were changed", CSV_RESULT_MALFORMED, 0},
        {"no digest", "# rows=8 sha256=", "# rows=8 sha1=", "expected \"# rows=8",
         CSV_RESULT_MALFORMED, 0},
        {"text behind trailer", "@end", "publish-1k", "behind the trailer", CSV_RESULT_MALFORMED,
         0},
        {"trailer twice", "@end", "# rows=8 sha256=0\n", "behind the trailer", CSV_RESULT_MALFORMED,
         0},
};
#define DAMAGE_COUNT (sizeof(damages) / sizeof(damages[0]))

static char *damaged(const char *text, const struct damage *d, size_t *bytes)
{
	size_t at = 0;
	size_t cut = strlen(text);
	if (d->find != NULL && strcmp(d->find, "@end") == 0) {
		at = cut;
		cut = 0;
	} else if (d->find != NULL && d->find[0] == '@') {
		at = synthetic_field(text, d->find + 1, &cut);
	} else if (d->find != NULL) {
		const char *found = strstr(text, d->find);
		assert_non_null(found);
		at = (size_t)(found - text);
		cut = strlen(d->find);
	}
	struct csv_text out = {0};
	out.capacity = strlen(text) + 4096;
	out.data = malloc(out.capacity);
	assert_non_null(out.data);
	out.bytes = (size_t)snprintf(out.data, out.capacity, "%.*s%s%s", (int)at, text, d->with,
	                             text + at + cut);
	if (d->resealed) {
		char *trailer = strstr(out.data, "# rows=");
		assert_non_null(trailer);
		out.bytes = (size_t)(trailer - out.data);
		char *before = strndup(out.data, out.bytes);
		assert_int_equal(csv_put_trailer(&out, 8, before, out.bytes), 0);
		free(before);
	}
	*bytes = out.bytes;
	return out.data;
}

static void malformed_files_are_refused_with_file_and_line(void **state)
{
	struct samples in;
	struct samples out;
	char error[512];
	char *text;
	size_t bytes;
	const char *path = synthetic_path(synthetic_here, "bad.csv");
	(void)state;
	make_rows(&in, 2);
	/* The first row is of round 0: "round twice" turns it into the second of round 1. */
	assert_int_equal(synthetic_write(path, &in, 1), 0);
	assert_int_equal(read_whole_file(path, CSV_FILE_BYTES_MAX, &text, &bytes), 0);
	for (size_t i = 0; i < DAMAGE_COUNT; i++) {
		size_t bad_bytes;
		char *bad = damaged(text, &damages[i], &bad_bytes);
		assert_int_equal(replace_file(path, bad, bad_bytes), 0);
		enum csv_result rc = samples_read(path, &out, error);
		if (rc != damages[i].result || strstr(error, damages[i].says) == NULL ||
		    strncmp(error, path, strlen(path)) != 0 || strchr(error, '\n') != NULL)
			fail_msg("%s: result %d, error \"%s\"", damages[i].name, (int)rc, error);
		assert_int_equal(out.count, 0);
		assert_null(out.rows);
		free(bad);
	}
	print_message("%zu malformed files\n", DAMAGE_COUNT);
	free(text);
	samples_free(&in);
}

/* Twice is once too often, unless the first of them was set aside. */
static void a_round_stands_again_only_behind_what_was_set_aside(void **state)
{
	struct samples in;
	struct samples out;
	char error[512];
	const char *path = synthetic_path(synthetic_here, "again.csv");
	(void)state;
	for (int aside = 0; aside < 2; aside++) {
		make_rows(&in, 2);
		struct sample again = in.rows[0];
		again.attempt = 1;
		assert_int_equal(samples_add(&in, &again), 0);
		in.rows[0].valid = 0;
		strcpy(in.rows[0].error, aside ? "repeated: 30 ms stolen" : "no space left");
		assert_int_equal(synthetic_write(path, &in, 1), 0);
		assert_int_equal(samples_read(path, &out, error),
		                 aside ? CSV_RESULT_OK : CSV_RESULT_MALFORMED);
		if (!aside)
			assert_non_null(strstr(error, "again.csv:11: round 0 of arm none"));
		samples_free(&out);
		samples_free(&in);
	}
}

/* Several rows are one write; what is behind the rows that are kept is cut. */
static void a_file_is_gone_on_with_behind_the_rows_that_are_kept(void **state)
{
	struct samples in;
	struct samples out;
	struct samples_writer *w;
	char error[512];
	char *before;
	char *after;
	size_t bytes;
	const char *path = synthetic_path(synthetic_here, "goes-on.csv");
	(void)state;
	make_rows(&in, 3);
	assert_int_equal(synthetic_write(path, &in, 1), 0);
	assert_int_equal(read_whole_file(path, CSV_FILE_BYTES_MAX, &before, &bytes), 0);
	assert_int_equal(synthetic_write(path, &in, 0), 0);
	assert_int_equal(samples_writer_open_again(path, 13, &w), -EINVAL);
	assert_null(w);
	assert_int_equal(samples_writer_open_again(path, 8, &w), 0);
	assert_int_equal(samples_writer_add_rows(w, &in.rows[8], 4), 0);
	assert_int_equal(samples_writer_close(w, 1), 0);
	assert_int_equal(read_whole_file(path, CSV_FILE_BYTES_MAX, &after, &bytes), 0);
	assert_string_equal(before, after);
	assert_int_equal(samples_read(path, &out, error), CSV_RESULT_OK);
	assert_int_equal(out.complete, 1);
	free(before);
	free(after);
	samples_free(&in);
	samples_free(&out);
}

static void nul_bytes_and_long_lines_are_refused(void **state)
{
	struct samples out;
	char error[512];
	const char *path = synthetic_path(synthetic_here, "long.csv");
	(void)state;
	static const char nul[] = "# atrest-samples v3\nwork\0load\n";
	assert_int_equal(replace_file(path, nul, sizeof(nul) - 1), 0);
	assert_int_equal(samples_read(path, &out, error), CSV_RESULT_MALFORMED);
	assert_non_null(strstr(error, ":2: byte 0x00"));

	size_t bytes = CSV_LINE_BYTES_MAX + 100;
	char *text = malloc(bytes);
	assert_non_null(text);
	memset(text, 'x', bytes);
	memcpy(text, "# atrest-samples v3\n", 20);
	text[bytes - 1] = '\n';
	assert_int_equal(replace_file(path, text, bytes), 0);
	assert_int_equal(samples_read(path, &out, error), CSV_RESULT_MALFORMED);
	assert_non_null(strstr(error, "expected at most"));
	/* As many columns as fit in a line. */
	for (size_t i = 20; i < CSV_LINE_BYTES_MAX; i++)
		text[i] = ',';
	text[CSV_LINE_BYTES_MAX] = '\n';
	assert_int_equal(replace_file(path, text, CSV_LINE_BYTES_MAX + 1), 0);
	assert_int_equal(samples_read(path, &out, error), CSV_RESULT_MALFORMED);
	free(text);
}

static void a_file_that_cannot_be_read_is_named(void **state)
{
	struct samples out;
	char error[512];
	(void)state;
	assert_int_equal(samples_read(synthetic_path(synthetic_here, "none.csv"), &out, error),
	                 CSV_RESULT_UNREADABLE);
	assert_non_null(strstr(error, "none.csv: No such file"));
	assert_int_equal(samples_read(synthetic_here, &out, error), CSV_RESULT_UNREADABLE);
	assert_non_null(strstr(error, "Is a directory"));
}

static void replace_keeps_the_old_file_when_it_fails(void **state)
{
	char *text;
	size_t bytes;
	const char *path = synthetic_path(synthetic_here, "kept");
	(void)state;
	assert_int_equal(replace_file(path, "one", 3), 0);
	assert_int_equal(replace_file(path, "second", 6), 0);
	struct rlimit before;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	struct rlimit small = {4, before.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(replace_file(path, "a third one", 11), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(read_whole_file(path, 100, &text, &bytes), 0);
	assert_string_equal(text, "second");
	free(text);
	assert_int_equal(access(synthetic_path(synthetic_here, "kept.new"), F_OK), -1);
	assert_int_equal(read_whole_file(path, 5, &text, &bytes), -EFBIG);
	assert_null(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(rows_are_read_back_as_written),
	        cmocka_unit_test(control_characters_and_bad_utf8_are_not_written),
	        cmocka_unit_test(an_existing_file_is_never_written_over),
	        cmocka_unit_test(a_file_without_trailer_is_interrupted),
	        cmocka_unit_test(a_file_cut_at_any_byte_keeps_its_whole_rows),
	        cmocka_unit_test(a_write_that_fails_leaves_whole_lines),
	        cmocka_unit_test(malformed_files_are_refused_with_file_and_line),
	        cmocka_unit_test(a_round_stands_again_only_behind_what_was_set_aside),
	        cmocka_unit_test(a_file_is_gone_on_with_behind_the_rows_that_are_kept),
	        cmocka_unit_test(nul_bytes_and_long_lines_are_refused),
	        cmocka_unit_test(a_file_that_cannot_be_read_is_named),
	        cmocka_unit_test(replace_keeps_the_old_file_when_it_fails),
	};
	return cmocka_run_group_tests(tests, synthetic_here_make, synthetic_here_remove);
}
