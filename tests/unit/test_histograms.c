/* histograms.csv and what is made of it: all slices that are valid, none that is not, and a file
 * that was cut goes on.
 */
#include "harness/output/histograms.h"

#include "harness/output/replace.h"
#include "tests/unit/synthetic.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static struct samples samples;

static int set_up(void **state)
{
	static const struct synthetic_cell cell = {"publish-1k", "publish", "2m", 1024, 20, 4,
	                                           1000,         0.9,       100,  50};

	(void)state;
	synthetic_folder(folder);
	synthetic_add(&samples, &cell, 1, (struct synthetic_noise){0.01, 0.01, 0}, 1);
	for (size_t i = 0; i < samples.count; i++) {
		struct sample *s = &samples.rows[i];
		s->started_unix_ns = 1000 + i;
		s->latency_count = 3;
		s->latency_max_ns = 300;
		s->rate_msgs_s = 1000;
		s->response_count = 2;
		s->response_max_ns = 1000;
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	synthetic_remove(folder);
	samples_free(&samples);
	return 0;
}

static struct histograms_writer *writer(void)
{
	struct histograms_writer *w;
	assert_int_equal(histograms_writer_open(synthetic_path(folder, "histograms.csv"), &w), 0);
	return w;
}

static void write_slices(size_t first, size_t end)
{
	struct histograms_writer *w = writer();
	for (size_t i = first; i < end; i++)
		assert_int_equal(
		        histograms_writer_add(w, &samples.rows[i], "100:1 301:2", "1003:2"), 0);
	assert_int_equal(histograms_writer_close(w), 0);
}

static char *exported(const char *name)
{
	char error[512], *text;
	size_t bytes;

	if (histograms_export(folder, &samples, error) != 0)
		fail_msg("%s", error);
	if (read_whole_file(synthetic_path(folder, name), 1 << 20, &text, &bytes) != 0)
		return NULL;
	return text;
}

static void expect_in(const char *text, const char *part)
{
	if (text == NULL || strstr(text, part) == NULL)
		fail_msg("<%s> is not in <%s>", part, text == NULL ? "nothing" : text);
}

static void the_slices_of_an_arm_are_added_up(void **state)
{
	char *text;

	(void)state;
	write_slices(0, samples.count);
	text = exported("histograms/publish-1k-store-aes-latency.hgrm");
	/* As HdrHistogram prints it; no value above the exact maximum. */
	expect_in(text, "       Value     Percentile TotalCount 1/(1-Percentile)\n\n"
	                "     100.000 0.333333333333          4           1.50\n"
	                "     300.000 1.000000000000         12            inf\n"
	                "#[Mean    =      234.000, StdDeviation   =       94.752]\n"
	                "#[Max     =      300.000, Total count    =           12]\n");
	expect_in(text, "4 of 4 slices\n");
	free(text);
	text = exported("histograms/publish-1k-store-none-twin-response.hgrm");
	expect_in(text, "    1000.000 1.000000000000          8            inf\n");
	free(text);
}

static void what_does_not_count_is_left_out(void **state)
{
	char *text;

	(void)state;
	write_slices(0, samples.count);
	for (size_t i = 0; i < samples.count; i++) {
		struct sample *s = &samples.rows[i];
		if (strcmp(s->arm, "aes") == 0 && s->round == 0)
			s->valid = 0;
		if (strcmp(s->arm, "aes") == 0 && s->round == 1)
			s->latency_count = 4; /* another slice than that row's */
		if (strcmp(s->arm, "aes") == 0 && s->round == 2)
			s->started_unix_ns += 1000000; /* done again */
	}
	text = exported("histograms/publish-1k-store-aes-latency.hgrm");
	expect_in(text, "Total count    =            3]");
	expect_in(text, "1 of 3 slices\n");
	free(text);
	/* What was made of other rows goes. */
	for (size_t i = 0; i < samples.count; i++)
		samples.rows[i].valid = strcmp(samples.rows[i].arm, "aes") != 0;
	assert_null(exported("histograms/publish-1k-store-aes-latency.hgrm"));
	free(exported("histograms/publish-1k-store-none-latency.hgrm"));
}

static void a_run_that_was_cut_goes_on(void **state)
{
	const char *path = synthetic_path(folder, "histograms.csv");
	char *text;
	struct stat st;

	(void)state;
	write_slices(0, 9);
	assert_int_equal(stat(path, &st), 0);
	/* In the middle of the last row. */
	assert_int_equal(truncate(path, st.st_size - 7), 0);
	write_slices(8, samples.count);
	for (size_t i = 0; i < samples.count; i++) {
		char name[300], wanted[64];
		const struct sample *s = &samples.rows[i];
		snprintf(name, sizeof(name), "histograms/publish-1k-store-%s-response.hgrm",
		         s->arm);
		text = exported(name);
		snprintf(wanted, sizeof(wanted), "of 4 slices\n");
		expect_in(text, wanted);
		expect_in(text, "Total count    =            8]");
		free(text);
	}
}

static void a_file_of_something_else_is_told(void **state)
{
	char error[512];
	const char *path = synthetic_path(folder, "histograms.csv");
	FILE *out;

	(void)state;
	write_slices(0, 1);
	out = fopen(path, "a");
	fputs("publish-1k,store,0.1.0,none,0,latency,1000,7;1\n", out);
	fclose(out);
	assert_int_equal(histograms_export(folder, &samples, error), -EBADMSG);
	assert_non_null(strstr(error, "histograms.csv:5: column buckets: found \"7;1\""));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(histograms_export(folder, &samples, error), 0);
}

int main(void)
{
#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	        WITH_FOLDER(the_slices_of_an_arm_are_added_up),
	        WITH_FOLDER(what_does_not_count_is_left_out),
	        WITH_FOLDER(a_run_that_was_cut_goes_on),
	        WITH_FOLDER(a_file_of_something_else_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
