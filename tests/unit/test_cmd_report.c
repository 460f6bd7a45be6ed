/* test_cmd_report.c - the command as people and scripts see it: output, files, exit codes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/output/replace.h"
#include "harness/output/samples.h"
#include "tests/unit/synthetic.h"

#define ATREST ATREST_BINARY_DIR "/cli/atrest"

/* Runs "atrest ARGUMENTS"; both outputs go to files. Its exit code. */
static int atrest(const char *arguments, char **out, char **err)
{
	char command[1024];
	size_t bytes;
	snprintf(command, sizeof(command), "'%s' %s > %s/out 2> %s/err", ATREST, arguments,
	         synthetic_here, synthetic_here);
	int status = system(command);
	assert_true(WIFEXITED(status));
	assert_int_equal(
	        read_whole_file(synthetic_path(synthetic_here, "out"), 1 << 24, out, &bytes), 0);
	assert_int_equal(
	        read_whole_file(synthetic_path(synthetic_here, "err"), 1 << 24, err, &bytes), 0);
	return WEXITSTATUS(status);
}

/* samples.csv of the folder, new. */
static void write_samples(size_t cells, int complete, int fail)
{
	struct samples s = {0};
	const char *path = synthetic_path(synthetic_here, "samples.csv");
	synthetic_add(&s, synthetic_quick, cells, (struct synthetic_noise){0.05, 0.012, 0}, 42);
	if (fail) {
		s.rows[5].valid = 0;
		strcpy(s.rows[5].error, "no space");
	}
	assert_int_equal(synthetic_write(path, &s, complete), 0);
	samples_free(&s);
}

static int lines_of(const char *text)
{
	int lines = 0;
	for (; *text != '\0'; text++)
		lines += *text == '\n';
	return lines;
}

/* Runs report on the folder and checks exit code and the one error line. */
static void report_says(int code, const char *says)
{
	char arguments[128];
	char *out;
	char *err;
	snprintf(arguments, sizeof(arguments), "report %s", synthetic_here);
	int found = atrest(arguments, &out, &err);
	if (found != code || (says == NULL ? err[0] != '\0' : strstr(err, says) == NULL) ||
	    lines_of(err) != (says != NULL))
		fail_msg("exit %d, error \"%s\"", found, err);
	free(out);
	free(err);
}

static int exists(const char *name)
{
	struct stat st;
	return stat(synthetic_path(synthetic_here, name), &st) == 0 && st.st_size > 0;
}

static void report_makes_everything_again(void **state)
{
	(void)state;
	write_samples(3, 1, 0);
	report_says(0, NULL);
	assert_true(exists("summary.csv"));
	assert_true(exists("report.html"));
	assert_true(exists("plots/overhead.png"));
	assert_true(exists("plots/latency.svg"));
	/* Twice gives the same summary. */
	char *first;
	char *second;
	size_t bytes;
	const char *path = synthetic_path(synthetic_here, "summary.csv");
	assert_int_equal(read_whole_file(path, 1 << 24, &first, &bytes), 0);
	report_says(0, NULL);
	path = synthetic_path(synthetic_here, "summary.csv");
	assert_int_equal(read_whole_file(path, 1 << 24, &second, &bytes), 0);
	assert_string_equal(first, second);
	free(first);
	free(second);
}

static void json_has_sentence_and_rows(void **state)
{
	char arguments[128];
	char *out;
	char *err;
	(void)state;
	write_samples(2, 1, 0);
	snprintf(arguments, sizeof(arguments), "report --json %s", synthetic_here);
	assert_int_equal(atrest(arguments, &out, &err), 0);
	json_t *json = json_loads(out, 0, NULL);
	assert_non_null(json);
	assert_non_null(strstr(json_string_value(json_object_get(json, "sentence")), "aes adds"));
	assert_true(json_is_true(json_object_get(json, "complete")));
	assert_true(json_array_size(json_object_get(json, "rows")) > 50);
	json_decref(json);
	free(out);
	free(err);
}

static void an_interrupted_run_is_reported_and_ends_in_2(void **state)
{
	char *text;
	size_t bytes;
	(void)state;
	write_samples(2, 0, 0);
	report_says(2, "samples.csv: incomplete, no trailer after 96 rows");
	report_says(2, "warning: ");
	assert_int_equal(read_whole_file(synthetic_path(synthetic_here, "report.html"), 1 << 24,
	                                 &text, &bytes),
	                 0);
	assert_non_null(strstr(text, "Interrupted run"));
	free(text);
}

static void malformed_histograms_end_in_2_and_the_rest_is_made(void **state)
{
	FILE *out;
	(void)state;
	write_samples(2, 1, 0);
	(void)unlink(synthetic_path(synthetic_here, "summary.csv"));
	(void)unlink(synthetic_path(synthetic_here, "report.html"));
	out = fopen(synthetic_path(synthetic_here, "histograms.csv"), "w");
	fputs("# atrest-histograms v1\nworkload\n", out);
	fclose(out);
	report_says(2, "histograms.csv:2: ");
	assert_true(exists("summary.csv"));
	assert_true(exists("report.html"));
	out = fopen(synthetic_path(synthetic_here, "histograms.csv"), "w");
	fputs("# atrest-histograms v9\n", out);
	fclose(out);
	report_says(4, "histograms.csv:1: ");
	assert_int_equal(unlink(synthetic_path(synthetic_here, "histograms.csv")), 0);
}

static void an_invalid_arm_ends_in_1(void **state)
{
	(void)state;
	write_samples(2, 1, 1);
	report_says(1, "1 arms invalid");
}

static void malformed_samples_end_in_2_and_nothing_is_written(void **state)
{
	char *text;
	size_t bytes;
	(void)state;
	write_samples(2, 1, 0);
	unlink(synthetic_path(synthetic_here, "summary.csv"));
	unlink(synthetic_path(synthetic_here, "report.html"));
	char path[128];
	snprintf(path, sizeof(path), "%s/samples.csv", synthetic_here);
	assert_int_equal(read_whole_file(path, 1 << 24, &text, &bytes), 0);
	text[bytes / 2] ^= 1;
	assert_int_equal(replace_file(path, text, bytes), 0);
	report_says(2, "samples.csv:");
	assert_int_equal(replace_file(path, "", 0), 0);
	report_says(2, "samples.csv:1: empty file");
	assert_int_equal(replace_file(path, "# atrest-samples v9\n", 20), 0);
	report_says(4, "samples.csv:1: found \"# atrest-samples v9\"");
	/* Rows from before there were servers. */
	assert_int_equal(replace_file(path, "# atrest-samples v1\n", 20), 0);
	report_says(4, "found \"# atrest-samples v1\", expected \"# atrest-samples v3\"");
	assert_false(exists("summary.csv"));
	assert_false(exists("report.html"));
	free(text);
}

static void columns_without_rows_end_in_2(void **state)
{
	struct samples_writer *w;
	(void)state;
	const char *path = synthetic_path(synthetic_here, "samples.csv");
	unlink(path);
	assert_int_equal(samples_writer_open(path, &w), 0);
	assert_int_equal(samples_writer_close(w, 1), 0);
	report_says(2, "samples.csv:3: no rows");
}

static void a_folder_without_samples_ends_in_2(void **state)
{
	char *out;
	char *err;
	(void)state;
	unlink(synthetic_path(synthetic_here, "samples.csv"));
	report_says(2, "samples.csv: No such file");
	assert_int_equal(atrest("report", &out, &err), 2);
	free(out);
	free(err);
	assert_int_equal(atrest("report no-such-folder --jsn", &out, &err), 2);
	free(out);
	free(err);
	assert_int_equal(atrest("report --help", &out, &err), 0);
	assert_non_null(strstr(out, "samples.csv"));
	free(out);
	free(err);
}

static void without_gnuplot_it_ends_in_4_with_a_page(void **state)
{
	char *path = strdup(getenv("PATH"));
	(void)state;
	write_samples(2, 1, 0);
	unlink(synthetic_path(synthetic_here, "report.html"));
	setenv("PATH", synthetic_here, 1);
	report_says(4, "gnuplot is not installed");
	setenv("PATH", path, 1);
	assert_true(exists("report.html"));
	free(path);
}

static void a_full_standard_output_ends_in_4(void **state)
{
	char command[256];
	(void)state;
	write_samples(2, 1, 0);
	snprintf(command, sizeof(command), "'%s' report %s > /dev/full 2> /dev/null", ATREST,
	         synthetic_here);
	int status = system(command);
	assert_int_equal(WEXITSTATUS(status), 4);
	/* More than is collected before it is written: told once, by the reason. */
	snprintf(command, sizeof(command),
	         "test \"$('%s' report --format gbench %s 2>&1 > /dev/full)\" = "
	         "'error: standard output: No space left on device'",
	         ATREST, synthetic_here);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(report_makes_everything_again),
	        cmocka_unit_test(json_has_sentence_and_rows),
	        cmocka_unit_test(an_interrupted_run_is_reported_and_ends_in_2),
	        cmocka_unit_test(malformed_histograms_end_in_2_and_the_rest_is_made),
	        cmocka_unit_test(an_invalid_arm_ends_in_1),
	        cmocka_unit_test(malformed_samples_end_in_2_and_nothing_is_written),
	        cmocka_unit_test(columns_without_rows_end_in_2),
	        cmocka_unit_test(a_folder_without_samples_ends_in_2),
	        cmocka_unit_test(without_gnuplot_it_ends_in_4_with_a_page),
	        cmocka_unit_test(a_full_standard_output_ends_in_4),
	};
	if (system("gnuplot --version > /dev/null 2>&1") != 0) {
		printf("SKIP: gnuplot is missing (package gnuplot-nox)\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, synthetic_here_make, synthetic_here_remove);
}
