/* test_verify_results.c - what was changed in a folder of results is found, and where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/output/csv.h"
#include "harness/output/page.h"
#include "harness/output/replace.h"
#include "tests/unit/synthetic.h"

#define ATREST ATREST_BINARY_DIR "/cli/atrest"

static char folder[64];

/* Three sizes on a server: transfer.csv has rows. Without latencies, whose bootstrap takes long. */
static const struct synthetic_cell cells[] = {
        {"publish-1k", "publish", "2m", 1024, 39000, 8, 5076, 0.97, 1340, 265},
        {"publish-8k", "publish", "2m", 8192, 13000, 8, 15015, 0.98, 9400, 1450},
        {"publish-64k", "publish", "2m", 65536, 1900, 8, 72000, 0.98, 65000, 9300}};
static const struct synthetic_suite suite = {"nats", "2.15.1", cells, 3};

/* As a run leaves them, by page_make. */
static const char *const names[] = {"samples.csv", "summary.csv", "transfer.csv", "report.html"};
static char *kept[4];
static size_t kept_bytes[4];

static void write_results(void)
{
	static const struct synthetic_noise quiet = {0.05, 0.012, 0};
	struct samples s = {0};
	struct summary m;
	struct samples_writer *w;
	enum figures_result drawn;
	char error[512];
	synthetic_add_server(&s, &suite, quiet, 42);
	assert_int_equal(samples_writer_open(synthetic_path(folder, "samples.csv"), &w), 0);
	for (size_t i = 0; i < s.count; i++) {
		struct sample *row = &s.rows[i];
		row->latency_count = 0;
		row->latency_p50_ns = row->latency_p90_ns = row->latency_p99_ns = 0;
		row->latency_p999_ns = row->latency_max_ns = 0;
		assert_int_equal(samples_writer_add(w, row), 0);
	}
	assert_int_equal(samples_writer_close(w, 1), 0);
	samples_free(&s);
	assert_int_equal(samples_read(synthetic_path(folder, "samples.csv"), &s, error),
	                 CSV_RESULT_OK);
	assert_int_equal(summary_make(&s, &m), 0);
	/* Without gnuplot there are no plots; the page and the rows are as they are with. */
	assert_int_equal(page_make(folder, &s, &m, &drawn, error), 0);
	summary_free(&m);
	samples_free(&s);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(read_whole_file(synthetic_path(folder, names[i]), 1 << 24,
		                                 &kept[i], &kept_bytes[i]),
		                 0);
}

/* The whole folder as it was. Not complete: the samples have no trailer. */
static void make_results(int complete)
{
	if (kept[0] == NULL)
		write_results();
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(
		        replace_file(synthetic_path(folder, names[i]), kept[i], kept_bytes[i]), 0);
	if (!complete) {
		const char *end = strstr(kept[0], "\n# rows=") + 1;
		assert_int_equal(replace_file(synthetic_path(folder, "samples.csv"), kept[0],
		                              (size_t)(end - kept[0])),
		                 0);
	}
}

static int make_folder(void **state)
{
	(void)state;
	/* Without gnuplot: pictures take their time. */
	setenv("PATH", "/nonexistent", 1);
	synthetic_folder(folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	synthetic_remove(folder);
	for (size_t i = 0; i < 4; i++)
		free(kept[i]);
	return 0;
}

static void read_text(const char *name, char **text, size_t *bytes)
{
	assert_int_equal(read_whole_file(synthetic_path(folder, name), 1 << 24, text, bytes), 0);
}

/* The first place of old behind the first place of after becomes new; the last line of a CSV file
 * is made to fit when that is asked for. */
static void change(const char *name, const char *after, const char *old, const char *new_, int fit)
{
	struct csv_text out = {0};
	size_t bytes;
	char *text;
	read_text(name, &text, &bytes);
	char *at = strstr(text, after);
	at = at != NULL ? strstr(at + strlen(after), old) : NULL;
	assert_non_null(at);
	size_t size = bytes + strlen(new_) + 1;
	char *changed = malloc(size);
	assert_non_null(changed);
	snprintf(changed, size, "%.*s%s%s", (int)(at - text), text, new_, at + strlen(old));
	size_t end = strlen(changed);
	if (fit) {
		char *trailer = strstr(changed, "\n# rows=");
		assert_non_null(trailer);
		end = (size_t)(trailer + 1 - changed);
		uint64_t rows = 0;
		for (size_t i = 0; i < end; i++)
			rows += changed[i] == '\n';
		assert_int_equal(csv_put_trailer(&out, rows - 2, changed, end), 0);
	}
	changed = realloc(changed, end + out.bytes + 1);
	assert_non_null(changed);
	if (fit)
		memcpy(changed + end, out.data, out.bytes);
	assert_int_equal(replace_file(synthetic_path(folder, name), changed, end + out.bytes), 0);
	csv_text_free(&out);
	free(changed);
	free(text);
}

/* Its output, and behind that its errors. */
static int run(const char *arguments, char **out)
{
	char command[1024];
	size_t bytes;
	snprintf(command, sizeof(command), "'%s' %s > %s/out 2> %s/err", ATREST, arguments, folder,
	         folder);
	int status = system(command);
	assert_true(WIFEXITED(status));
	read_text("out", out, &bytes);
	char *err;
	read_text("err", &err, &bytes);
	*out = realloc(*out, strlen(*out) + bytes + 1);
	assert_non_null(*out);
	strcat(*out, err);
	free(err);
	return WEXITSTATUS(status);
}

static void verify_says(int code, const char *says)
{
	char arguments[128];
	char *out;
	snprintf(arguments, sizeof(arguments), "verify-results %s", folder);
	int found = run(arguments, &out);
	if (found != code || strstr(out, says) == NULL)
		fail_msg("exit %d (expected %d), expected \"%s\":\n%.2000s", found, code, says,
		         out);
	free(out);
}

/* The value of a column in the first row of a summary or transfer file that has all the words. */
static void field_of(const char *name, const char *words, size_t column, char value[64])
{
	size_t bytes;
	char *text;
	read_text(name, &text, &bytes);
	char *at = strstr(text, words);
	assert_non_null(at);
	while (at > text && at[-1] != '\n')
		at--;
	for (size_t i = 0; i < column; i++)
		at = strchr(at, ',') + 1;
	snprintf(value, 64, "%.*s", (int)strcspn(at, ",\n"), at);
	free(text);
}

static void what_was_not_changed_is_equal(void **state)
{
	(void)state;
	make_results(1);
	verify_says(0, "all equal");
}

static void a_changed_number_is_found_with_line_and_column(void **state)
{
	char old[64];
	char expected[160];
	(void)state;
	make_results(1);
	/* Column 15 is overhead_pct; row "aes, throughput" of the first cell. */
	field_of("summary.csv", ",aes,1024,throughput_msgs_s", 15, old);
	change("summary.csv", ",aes,1024,throughput_msgs_s", old, "4.1", 1);
	snprintf(expected, sizeof(expected),
	         ": overhead_pct: found 4.1, expected %s (publish-1k nats 2.15.1 aes "
	         "throughput_msgs_s)",
	         old);
	verify_says(5, expected);
	verify_says(5, "summary.csv:");
	/* In the last digit another C library may differ. */
	make_results(1);
	old[strlen(old) - 1] = '\0';
	change("summary.csv", ",aes,1024,throughput_msgs_s", old, old, 1);
	verify_says(0, "all equal");
}

static void a_digest_that_was_not_fitted_hides_nothing(void **state)
{
	char old[64];
	(void)state;
	make_results(1);
	field_of("summary.csv", ",aes,1024,throughput_msgs_s", 15, old);
	change("summary.csv", ",aes,1024,throughput_msgs_s", old, "4.1", 0);
	verify_says(5, "overhead_pct: found 4.1");
	verify_says(5, "rows were changed");
	/* Nothing but the digest. */
	make_results(1);
	change("summary.csv", "# rows=", " sha256=", " sha256=0", 0);
	verify_says(2, "rows were changed, lost or added");
}

static void a_changed_verdict_is_found(void **state)
{
	(void)state;
	make_results(1);
	change("summary.csv", ",chachapoly,1024,throughput_msgs_s", ",overhead,",
	       ",indistinguishable,", 1);
	verify_says(5, "verdict: found indistinguishable, expected overhead");
}

static void a_lost_row_is_found(void **state)
{
	size_t bytes;
	(void)state;
	make_results(1);
	char *text;
	read_text("summary.csv", &text, &bytes);
	char *line = strstr(text, "\npublish-1k,") + 1;
	char removed[1024];
	snprintf(removed, sizeof(removed), "%.*s", (int)(strchr(line, '\n') + 1 - line), line);
	free(text);
	change("summary.csv", "", removed, "", 1);
	verify_says(5, ": row: found publish-1k");
	verify_says(5, "1 difference");
}

static void a_changed_transfer_row_is_found(void **state)
{
	char old[64];
	(void)state;
	make_results(1);
	field_of("transfer.csv", ",aes,cpu_ns_per_msg,publish-8k", 9, old);
	change("transfer.csv", ",aes,cpu_ns_per_msg,publish-8k", old, "7.5", 1);
	verify_says(5, ": predicted: found 7.5, expected ");
	verify_says(5, "transfer.csv:");
}

static void a_changed_sentence_and_table_are_found(void **state)
{
	(void)state;
	make_results(1);
	change("report.html", "<p class=lead>", "nats-server", "your server", 0);
	verify_says(5, "report.html: sentence: found On this machine");
	make_results(1);
	change("report.html", "<table>", "publish-1k", "publish-2k", 0);
	verify_says(5, "report.html: table of workloads:");
	/* A published folder has no page. */
	unlink(synthetic_path(folder, "report.html"));
	verify_says(0, "no report.html");
}

static void put_picture(const char *name)
{
	char file[128];
	snprintf(file, sizeof(file), "plots/%s.svg", name);
	assert_int_equal(replace_file(synthetic_path(folder, file), "x", 1), 0);
	snprintf(file, sizeof(file), "plots/%s.png", name);
	assert_int_equal(replace_file(synthetic_path(folder, file), "x", 1), 0);
}

static void a_missing_and_a_strange_picture_are_found(void **state)
{
	static const char *const pictures[] = {"overhead", "cpu", "transfer", "disk", "throughput"};
	(void)state;
	make_results(1);
	for (size_t i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++)
		put_picture(pictures[i]);
	verify_says(0, "5 pictures: all equal");
	unlink(synthetic_path(folder, "plots/cpu.png"));
	verify_says(5, "plots/cpu: picture: found one of svg and png, expected both");
	unlink(synthetic_path(folder, "plots/cpu.svg"));
	verify_says(5, "plots/cpu: picture: found none, expected both");
	put_picture("cpu");
	put_picture("disk-3");
	verify_says(5, "plots/disk-3: picture: found both of svg and png, expected none");
	unlink(synthetic_path(folder, "plots/disk-3.png"));
	unlink(synthetic_path(folder, "plots/disk-3.svg"));
	/* All of them gone, as without gnuplot: but the page has some. */
	for (size_t i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++) {
		char file[128];
		snprintf(file, sizeof(file), "plots/%s.svg", pictures[i]);
		unlink(synthetic_path(folder, file));
		snprintf(file, sizeof(file), "plots/%s.png", pictures[i]);
		unlink(synthetic_path(folder, file));
	}
	verify_says(0, ", 0 pictures: all equal");
	change("report.html", "", "</body>", "<img src=\"data:image/png;base64,\"></body>", 0);
	verify_says(5, "plots/cpu: picture: found none, expected both");
}

/* A page that is there and is not read was not compared. */
static void a_page_that_cannot_be_read_is_told(void **state)
{
	const char *path = synthetic_path(folder, "report.html");
	(void)state;
	make_results(1);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	verify_says(4, "report.html: Is a directory");
	assert_int_equal(rmdir(synthetic_path(folder, "report.html")), 0);
}

static void samples_that_were_changed_are_found(void **state)
{
	char arguments[128];
	char *out;
	(void)state;
	/* With a digest that fits, so that only what was made of them tells. */
	make_results(1);
	change("samples.csv", "publish-1k,publish,nats,", ",nats,", ",nbts,", 0);
	verify_says(2, "samples.csv:");
	make_results(1);
	char old[64];
	field_of("samples.csv", "publish-1k,publish,nats,2.15.1", 26, old);
	change("samples.csv", "publish-1k,publish,nats,2.15.1", old, "9.5", 1);
	verify_says(5, "publish-1k nats 2.15.1");
	snprintf(arguments, sizeof(arguments), "verify-results --json %s", folder);
	assert_int_equal(run(arguments, &out), 5);
	json_t *json = json_loads(out, JSON_DISABLE_EOF_CHECK, NULL);
	assert_non_null(json);
	assert_true(json_array_size(json_object_get(json, "differences")) > 0);
	json_decref(json);
	free(out);
}

static void what_is_missing_or_of_another_version_is_refused(void **state)
{
	char arguments[128];
	char *out;
	(void)state;
	make_results(0);
	unlink(synthetic_path(folder, "report.html"));
	verify_says(2, "samples.csv: incomplete, no trailer");
	/* Beside a summary of more rows: one line, no difference for each of them. */
	make_results(0);
	snprintf(arguments, sizeof(arguments), "verify-results %s", folder);
	assert_int_equal(run(arguments, &out), 2);
	assert_non_null(strstr(out, "samples.csv: incomplete, no trailer"));
	assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
	free(out);
	make_results(1);
	unlink(synthetic_path(folder, "transfer.csv"));
	verify_says(2, "transfer.csv: No such file, atrest report makes it");
	make_results(1);
	change("summary.csv", "", "atrest-summary v1", "atrest-summary v9", 0);
	verify_says(4, "summary.csv:1: found \"# atrest-summary v9\"");
	unlink(synthetic_path(folder, "samples.csv"));
	verify_says(2, "samples.csv: No such file");
	assert_int_equal(run("verify-results", &out), 2);
	free(out);
	assert_int_equal(run("verify-results --help", &out), 0);
	assert_non_null(strstr(out, "re-derive"));
	free(out);
}

/* ---- report --format, through the same program ---- */

static void formats_are_printed_or_written_as_a_whole(void **state)
{
	char arguments[256];
	struct stat st;
	char *out;
	size_t bytes;
	(void)state;
	make_results(1);
	unlink(synthetic_path(folder, "summary.csv"));
	snprintf(arguments, sizeof(arguments), "report --format go %s", folder);
	assert_int_equal(run(arguments, &out), 0);
	assert_non_null(strstr(out, "goos: linux\n"));
	free(out);
	snprintf(arguments, sizeof(arguments), "report --format openmetrics -o %s/metrics %s",
	         folder, folder);
	assert_int_equal(run(arguments, &out), 0);
	assert_string_equal(out, "");
	free(out);
	read_text("metrics", &out, &bytes);
	assert_string_equal(out + bytes - 6, "# EOF\n");
	free(out);
	/* Nothing else is written. */
	assert_int_not_equal(stat(synthetic_path(folder, "summary.csv"), &st), 0);
	/* What failed or stopped is said by the exit code. */
	make_results(0);
	snprintf(arguments, sizeof(arguments), "report --format github %s", folder);
	assert_int_equal(run(arguments, &out), 2);
	free(out);
}

static void formats_refuse_what_does_not_go_together(void **state)
{
	char *out;
	(void)state;
	assert_int_equal(run("report --format junit .", &out), 2);
	assert_non_null(strstr(out, "--format: found 'junit', expected one of go, gbench"));
	free(out);
	assert_int_equal(run("report --format go --json .", &out), 2);
	free(out);
	assert_int_equal(run("report -o x .", &out), 2);
	free(out);
	make_results(1);
	char arguments[256];
	snprintf(arguments, sizeof(arguments), "report --format go -o /nonexistent/x %s", folder);
	assert_int_equal(run(arguments, &out), 4);
	assert_non_null(strstr(out, "/nonexistent/x: No such file"));
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_was_not_changed_is_equal),
	        cmocka_unit_test(a_changed_number_is_found_with_line_and_column),
	        cmocka_unit_test(a_digest_that_was_not_fitted_hides_nothing),
	        cmocka_unit_test(a_changed_verdict_is_found),
	        cmocka_unit_test(a_lost_row_is_found),
	        cmocka_unit_test(a_changed_transfer_row_is_found),
	        cmocka_unit_test(a_changed_sentence_and_table_are_found),
	        cmocka_unit_test(a_missing_and_a_strange_picture_are_found),
	        cmocka_unit_test(a_page_that_cannot_be_read_is_told),
	        cmocka_unit_test(samples_that_were_changed_are_found),
	        cmocka_unit_test(what_is_missing_or_of_another_version_is_refused),
	        cmocka_unit_test(formats_are_printed_or_written_as_a_whole),
	        cmocka_unit_test(formats_refuse_what_does_not_go_together),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
