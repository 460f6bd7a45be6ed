/* test_rate_run.c - `atrest run` at a rate: one for all arms and rounds, found out or given, kept
 * with every latency; and rates that are none.
 */
#include "tests/unit/run_fixture.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/measure/filesystem.h"

static void run(const char *directory, const char *const argv[], int status,
                struct fixture_output *out)
{
	fixture_run(directory, argv, out);
	fixture_expect_status(out, status);
}

static void samples_of(const char *directory, struct samples *out)
{
	fixture_samples(directory, "out", out);
	fixture_drop_set_aside(out);
}

static void expect_file(const char *directory, const char *name, const char *part)
{
	char *text = fixture_read(directory, name);

	if (text == NULL || strstr(text, part) == NULL)
		fail_msg("%s: \"%s\" is not in it", name, part);
	free(text);
}

static void a_share_becomes_one_rate_for_all(void **state)
{
	const char *const argv[] = {ATREST,     "run", "p.ini", "g.ini", "--cipher", "aes",
	                            "--rounds", "6",   "-o",    "out",   NULL};
	const char *const again[] = {ATREST, "report", "out", NULL};
	static const char *const figures[] = {"out/plots/rates.svg", "out/plots/latency.svg",
	                                      "out/plots/disk.svg"};
	struct fixture_output out;
	struct samples samples;
	double rates[2] = {0};
	char text[64];

	fixture_write(*state, "p.ini", "messages = 1500\nsizes = 300\nrate_share = 0.2\n");
	fixture_write(*state, "g.ini",
	              "operation = read-random\nmessages = 100\nfill_messages = 300\n"
	              "sizes = 300\nrate_share = 0.2\narrivals = poisson\n");
	run(*state, argv, 0, &out);
	if (strstr(out.standard, "offered/s") == NULL || strstr(out.standard, "CPU/msg") != NULL)
		fail_msg("not the table of open loops alone: %s", out.standard);
	fixture_output_free(&out);
	samples_of(*state, &samples);
	assert_int_equal(samples.count, 2 * 3 * 6);
	for (size_t i = 0; i < samples.count; i++) {
		const struct sample *s = &samples.rows[i];
		double *rate = &rates[strcmp(s->workload, "g") == 0];
		assert_int_equal(s->valid, 1);
		if (*rate == 0)
			*rate = s->rate_msgs_s;
		assert_true(s->rate_msgs_s >= 1 && fabs(s->rate_msgs_s - *rate) < 0.5);
		assert_int_equal(s->response_count, s->messages);
		/* As long as the rate says, of random moments too. */
		assert_true(s->acked_s > (double)(s->messages - 1) / *rate * 0.999);
	}
	samples_free(&samples);
	snprintf(text, sizeof(text), "\"rate_msgs_s\": %.0f", rates[0]);
	expect_file(*state, "out/machine.json", text);
	/* What was asked for, so that a run of it elsewhere offers that share there. */
	expect_file(*state, "out/workloads/p.ini", "rate_share = 0.2\n");
	expect_file(*state, "out/histograms/p-store-aes-response.hgrm", "9000]");
	expect_file(*state, "out/histograms/g-store-none-twin-latency.hgrm", "6 of 6 slices");
	expect_file(*state, "out/summary.csv", "response_p99_ns");
	expect_file(*state, "out/report.html", "Response time at a given rate");
	run(*state, again, 0, &out);
	fixture_output_free(&out);
	/* Figures of throughput have nothing to show. */
	assert_null(fixture_read(*state, "out/plots/overhead.svg"));
	assert_null(fixture_read(*state, "out/plots/classes.svg"));
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		expect_file(*state, figures[i], "</svg>");
	expect_file(*state, "out/histograms/p-store-aes-response.hgrm", "6 of 6 slices");
}

/* Whole lines of a file, 0 when it is not there. */
static size_t lines_of(const char *directory, const char *name)
{
	char *text = fixture_read(directory, name);
	size_t lines = 0;

	for (const char *at = text; at != NULL && (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	free(text);
	return lines;
}

/* The share is not found out again: rounds before and after are offered the same. */
static void a_run_that_was_killed_goes_on_at_its_rate(void **state)
{
	const char *const argv[] = {ATREST,     "run", "p.ini", "--cipher", "none",
	                            "--rounds", "14",  "-o",    "out",      NULL};
	const char *const again[] = {ATREST, "resume", "out", NULL};
	const struct timespec pause = {.tv_nsec = 5000000};
	struct fixture_output out;
	struct samples samples;
	pid_t pid;

	fixture_write(*state, "p.ini", "messages = 1500\nsizes = 300\nrate_share = 0.2\n");
	pid = fixture_start(*state, argv);
	while (lines_of(*state, "out/samples.csv") < 2 + 8)
		nanosleep(&pause, NULL);
	kill(pid, SIGKILL);
	assert_int_equal(fixture_wait(pid), 128 + SIGKILL);
	assert_true(lines_of(*state, "out/samples.csv") < 2 + 28);
	run(*state, again, 0, &out);
	fixture_output_free(&out);
	samples_of(*state, &samples);
	assert_int_equal(samples.count, 28);
	for (size_t i = 0; i < samples.count; i++)
		assert_true(fabs(samples.rows[i].rate_msgs_s - samples.rows[0].rate_msgs_s) < 0.5);
	samples_free(&samples);
	expect_file(*state, "out/histograms/p-store-none-twin-response.hgrm", "14 of 14 slices");
}

static void a_given_rate_is_offered(void **state)
{
	const char *const argv[] = {ATREST,  "run",          "p.ini",    "--set", "rate=5000",
	                            "--set", "messages=500", "--target", "null",  "--rounds",
	                            "2",     "-o",           "out",      NULL};
	struct fixture_output out;
	struct samples samples;

	fixture_write(*state, "p.ini", "sizes = 300\n");
	run(*state, argv, 0, &out);
	fixture_output_free(&out);
	samples_of(*state, &samples);
	for (size_t i = 0; i < samples.count; i++) {
		assert_true(fabs(samples.rows[i].rate_msgs_s - 5000) < 1e-9);
		assert_true(samples.rows[i].acked_s > 0.0998);
	}
	samples_free(&samples);
	expect_file(*state, "out/workload.ini", "rate = 5000\n");
}

/* Shares of workloads that differ in nothing else are shares of one capacity. */
static void shares_of_the_same_are_of_one_capacity(void **state)
{
	const char *const argv[] = {ATREST, "run",      "p.ini", "q.ini", "--target",
	                            "null", "--rounds", "2",     "--set", "messages=300",
	                            "-o",   "out",      NULL};
	const char *const dry[] = {ATREST, "run", "p.ini", "--dry-run", NULL};
	struct fixture_output out;
	struct samples samples;
	double p = 0, q = 0;

	fixture_write(*state, "p.ini", "sizes = 300\nrate_share = 0.01\n");
	fixture_write(*state, "q.ini", "sizes = 300\nrate_share = 0.02\nrounds = 3\n");
	run(*state, argv, 0, &out);
	fixture_output_free(&out);
	samples_of(*state, &samples);
	for (size_t i = 0; i < samples.count; i++)
		*(strcmp(samples.rows[i].workload, "p") == 0 ? &p : &q) =
		        samples.rows[i].rate_msgs_s;
	samples_free(&samples);
	assert_true(p >= 1 && fabs(q - 2 * p) <= 2);
	run(*state, dry, 0, &out);
	if (strstr(out.standard, "1 % of capacity") == NULL)
		fail_msg("no rate in: %s", out.standard);
	fixture_output_free(&out);
}

/* So they are in a run that goes on, whichever of them has rows. */
static void shares_stay_of_one_capacity_in_a_run_that_goes_on(void **state)
{
	const char *const again[] = {ATREST, "resume", "out", NULL};
	char seed[16] = "1", path[4096];
	const char *const argv[] = {ATREST, "run",      "p.ini",  "q.ini", "--target",
	                            "null", "--rounds", "2",      "--set", "messages=300",
	                            "-o",   "out",      "--seed", seed,    NULL};
	struct samples_writer *writer;
	struct fixture_output out;
	struct samples samples;
	int found = 0;

	fixture_write(*state, "p.ini", "sizes = 300\nrate_share = 0.01\n");
	fixture_write(*state, "q.ini", "sizes = 300\nrate_share = 0.02\n");
	for (int i = 1; !found && i < 20; i++) {
		snprintf(seed, sizeof(seed), "%d", i);
		snprintf(path, sizeof(path), "%s/out", (const char *)*state);
		assert_int_equal(filesystem_remove_tree(path), 0);
		run(*state, argv, 0, &out);
		fixture_output_free(&out);
		samples_of(*state, &samples);
		found = strcmp(samples.rows[0].workload, "q") == 0 && samples.rows[0].attempt == 0;
		samples_free(&samples);
	}
	assert_true(found);
	snprintf(path, sizeof(path), "%s/out/samples.csv", (const char *)*state);
	assert_int_equal(samples_writer_open_again(path, 4, &writer), 0);
	assert_int_equal(samples_writer_close(writer, 0), 0);
	run(*state, again, 0, &out);
	fixture_output_free(&out);
	samples_of(*state, &samples);
	for (size_t i = 0; i < samples.count; i++)
		if (strcmp(samples.rows[i].workload, "p") == 0)
			assert_true(fabs(samples.rows[0].rate_msgs_s -
			                 2 * samples.rows[i].rate_msgs_s) <= 2);
	samples_free(&samples);
}

static void rates_that_are_none_are_refused(void **state)
{
	static const struct {
		const char *text, *message;
	} bad[] = {
	        {"\nrate = -1\n", "p.ini:2: rate: found \"-1\", expected a whole number of 0 to "},
	        {"rate = 1e6\n", "p.ini:1: rate: found \"1e6\""},
	        {"rate = 100000001\n", "p.ini:1: rate: found \"100000001\""},
	        {"rate = nan\n", "p.ini:1: rate: found \"nan\""},
	        {"rate_share = 25 %\n",
	         "p.ini:1: rate_share: found \"25 %\", expected a number of"},
	        {"rate_share = -0.1\n", "p.ini:1: rate_share: found \"-0.1\""},
	        {"rate_share = 2.1\n", "p.ini:1: rate_share: found \"2.1\""},
	        {"arrivals = odd\n", "p.ini:1: arrivals: found \"odd\", expected one of even"},
	        {"rate = 10\nrate_share = 0.1\n",
	         "p.ini: p: rate is 10 and rate_share 0.1, expected one of them"},
	        {"rate = 10\noperation = tail\n", "p.ini: p: rate is set, expected operation"},
	        {"rate_share = 0.1\noperation = purge\nfill_messages = 5\n",
	         "p.ini: p: rate_share is set, expected operation"},
	        {"rate = 10\nlatency_every = 0\n", "p.ini: p: rate is set, expected latency_every"},
	};
	const char *const argv[] = {ATREST, "run", "p.ini", "-o", "out", NULL};
	struct fixture_output out;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fixture_write(*state, "p.ini", bad[i].text);
		run(*state, argv, 2, &out);
		if (strstr(out.error, bad[i].message) == NULL)
			fail_msg("found <%s>, expected <%s>", out.error, bad[i].message);
		fixture_output_free(&out);
	}
	assert_int_equal(fixture_count(*state, "out"), 0);
}

int main(void)
{
#define WITH_DIRECTORY(test)                                                                       \
	cmocka_unit_test_setup_teardown(test, fixture_directory_make, fixture_directory_remove)
	const struct CMUnitTest tests[] = {
	        WITH_DIRECTORY(a_share_becomes_one_rate_for_all),
	        WITH_DIRECTORY(a_run_that_was_killed_goes_on_at_its_rate),
	        WITH_DIRECTORY(a_given_rate_is_offered),
	        WITH_DIRECTORY(shares_of_the_same_are_of_one_capacity),
	        WITH_DIRECTORY(shares_stay_of_one_capacity_in_a_run_that_goes_on),
	        WITH_DIRECTORY(rates_that_are_none_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
