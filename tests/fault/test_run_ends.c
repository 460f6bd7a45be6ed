/* test_run_ends.c - what is known of a run that ended early, or in parts: failures are not
 * forgotten, and what it is about is the same thing in every part. */
#include "tests/unit/run_fixture.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "harness/measure/filesystem.h"
#include "harness/measure/machine.h"

#define LYING ATREST_BINARY_DIR "/tests/liblying_kernel.so"
#define ARMS  3

static const char *const resume[] = {ATREST, "resume", "out", NULL};

static json_t *machine_of(const char *directory)
{
	char path[FIXTURE_PATH_BYTES];
	json_t *machine;

	fixture_path(directory, "out/machine.json", path);
	machine = json_load_file(path, 0, NULL);
	assert_non_null(machine);
	return machine;
}

/* As the rest of it, without or with a planted fault. */
static void resume_with(const char *directory, const char *fault, int status, const char *text)
{
	if (fault != NULL)
		setenv("ATREST_TEST_FAULT", fault, 1);
	fixture_expect(directory, resume, status, text);
	unsetenv("ATREST_TEST_FAULT");
}

/* Starts it with a planted fault, "" for none; ends it once there are so many bytes of rows. */
static void start_and_end(const char *directory, const char *const argv[], const char *fault,
                          off_t bytes, int number)
{
	setenv("ATREST_TEST_FAULT", fault, 1);
	fixture_end_after(directory, argv, bytes, number);
	unsetenv("ATREST_TEST_FAULT");
}

static size_t failed_rows(const char *directory)
{
	struct samples samples;
	size_t failed = 0;

	fixture_samples(directory, "out", &samples);
	for (size_t i = 0; i < samples.count; i++)
		failed += samples.rows[i].valid == 0 && !samples_set_aside(&samples.rows[i]);
	samples_free(&samples);
	return failed;
}

/* ---- failures ---- */

/* A misread, then a kill: the rest of the run is fine, the result is not. */
static void a_misread_before_a_kill_is_not_forgotten(void **state)
{
	const char *const run[] = {ATREST, "run",      "r.ini", "--cipher", "none",        "-o",
	                           "out",  "--rounds", "30",    "--arm",    "bad=" FAULTY, NULL};

	fixture_workloads(*state);
	start_and_end(*state, run, "misread", 6000, SIGKILL);
	assert_true(failed_rows(*state) > 0);
	resume_with(*state, NULL, 5, "the payload read differs");
	/* Complete, and still so. */
	assert_true(failed_rows(*state) > 0);
}

static void cut_to_rounds(const char *directory, size_t rounds)
{
	struct samples_writer *writer;
	char path[FIXTURE_PATH_BYTES];

	fixture_path(directory, "out/samples.csv", path);
	assert_int_equal(samples_writer_open_again(path, rounds * ARMS, &writer), 0);
	assert_int_equal(samples_writer_close(writer, 0), 0);
}

/* Crashes, then no space: what is run again is the round that the lack of space shows in, wherever
 * in it that was, and not the one before, which failed for itself. */
static void no_space_hides_no_failure_of_the_round_before(void **state)
{
	const char *const run[] = {ATREST, "run",   "p.ini",       "--cipher", "none",
	                           "-o",   "out",   "--rounds",    "30",       "--seed",
	                           "3",    "--arm", "bad=" FAULTY, NULL};

	fixture_write(*state, "p.ini", fixture_small_publish);
	start_and_end(*state, run, "crash", 9000, SIGKILL);
	for (size_t rounds = 4; rounds >= 3; rounds--) {
		json_t *machine;
		cut_to_rounds(*state, rounds);
		resume_with(*state, "full", 4, "no space left");
		machine = machine_of(*state);
		assert_true(json_integer_value(
		                    json_object_get(json_object_get(machine, "run"), "fault_row")) >
		            (json_int_t)(rounds * ARMS));
		json_decref(machine);
		/* The crashes of the rounds before, and the row that is to be run again. */
		assert_int_equal(failed_rows(*state), rounds + 1);
	}
	resume_with(*state, NULL, 1, "not all slices are valid");
	assert_int_equal(failed_rows(*state), 3);
}

/* Of several exit codes the gravest: a page that cannot be told of is more than invalid rows. */
static void a_full_output_is_told_beside_invalid_rows(void **state)
{
	const char *const run[] = {"/bin/sh", "-c",
	                           ATREST
	                           " run p.ini --cipher none -o out --rounds 1 --arm bad=" FAULTY
	                           " > /dev/full",
	                           NULL};

	fixture_write(*state, "p.ini", fixture_small_publish);
	setenv("ATREST_TEST_FAULT", "crash", 1);
	fixture_expect(*state, run, 4, "standard output");
	unsetenv("ATREST_TEST_FAULT");
}

/* Rows are on the device when their round is done, and before them the histograms that belong to
 * them: where that fails the run ends with it. */
static void rows_of_a_round_are_synced(void **state)
{
	const char *const run[] = {ATREST, "run", "p.ini",    "--target", "null",
	                           "-o",   "out", "--rounds", "2",        NULL};
	char path[FIXTURE_PATH_BYTES];
	struct samples samples;

	/* Sanitizers want to be the first library. */
	if (strcmp(machine_build(), "debug") != 0 && strcmp(machine_build(), "release") != 0)
		return;
	fixture_write(*state, "p.ini", fixture_small_publish);
	setenv("ATREST_TEST_LIE", "power", 1);
	setenv("LD_PRELOAD", LYING, 1);
	setenv("ATREST_TEST_LIE_FILE", "samples.csv", 1);
	fixture_expect(*state, run, 4, "samples.csv: Input/output error");
	fixture_path(*state, "out", path);
	assert_int_equal(filesystem_remove_tree(path), 0);
	setenv("ATREST_TEST_LIE_FILE", "histograms.csv", 1);
	fixture_expect(*state, run, 4, "histograms.csv: Input/output error");
	fixture_samples(*state, "out", &samples);
	assert_int_equal(samples.count, 0);
	samples_free(&samples);
	unsetenv("ATREST_TEST_LIE_FILE");
	unsetenv("LD_PRELOAD");
	unsetenv("ATREST_TEST_LIE");
}

/* ---- controls ---- */

/* A budget ends the run behind its first square: there what is done in a last round is done, the
 * controls and the stores that are kept. */
static void a_run_that_a_budget_ends_has_had_a_last_round(void **state)
{
	const char *const run[] = {ATREST, "run", "p.ini",    "--set", "messages=200000",
	                           "-o",   "out", "--budget", "1s",    "--keep-stores",
	                           "kept", NULL};
	const char *const verify[] = {ATREST,     "stream",     "verify", "--key-file",
	                              "kept/key", "kept/p-aes", NULL};
	struct samples samples;

	fixture_write(*state, "p.ini", fixture_small_publish);
	fixture_expect(*state, run, 0, "after 4 rounds at the end of the budget");
	fixture_samples(*state, "out", &samples);
	fixture_drop_set_aside(&samples);
	assert_int_equal(samples.count, 4 * 4);
	samples_free(&samples);
	fixture_expect(*state, verify, 0, "");
}

/* ---- the same thing in every part ---- */

/* A rigorous run whose proofs were cut short is not done: they are what is left to do. */
static void proofs_that_are_missing_are_told_and_made(void **state)
{
	const char *const run[] = {ATREST, "run", "p.ini",    "--target", "null",
	                           "-o",   "out", "--rounds", "1",        NULL};
	const char *const page[] = {ATREST, "report", "out", NULL};
	const struct timespec pause = {.tv_nsec = 5000000};
	char path[FIXTURE_PATH_BYTES], *before, *after, *html;
	json_t *plan;
	pid_t pid;

	fixture_write(*state, "p.ini", fixture_small_publish);
	fixture_expect(*state, run, 0, "");
	resume_with(*state, NULL, 2, "the run is complete");
	before = fixture_read(*state, "out/samples.csv");
	fixture_path(*state, "out/plan.json", path);
	plan = json_load_file(path, 0, NULL);
	json_object_set_new(json_object_get(plan, "rule"), "rigorous", json_true());
	assert_int_equal(json_dump_file(plan, path, 0), 0);
	json_decref(plan);
	/* There is no gnuplot. */
	fixture_expect(*state, page, 4, "the page was written without");
	html = fixture_read(*state, "out/report.html");
	assert_non_null(strstr(html, "rigorous run were not made"));
	free(html);
	pid = fixture_start(*state, resume);
	fixture_path(*state, "out/selftest", path);
	for (int waits = 0; waits < 4000 && access(path, F_OK) != 0; waits++)
		nanosleep(&pause, NULL);
	kill(pid, SIGINT);
	assert_int_equal(fixture_wait(pid), 130);
	after = fixture_read(*state, "out/samples.csv");
	assert_string_equal(after, before);
	free(before);
	free(after);
	fixture_write(*state, "out/selftest.json", "{}");
	resume_with(*state, NULL, 2, "the run is complete");
}

/* What plan.json cannot hold would not be there for the rest of the run. */
static void a_directory_that_is_no_text_is_refused(void **state)
{
	const char *const run[] = {ATREST, "run", "p.ini", "-o", "out", "--dir", "a=d\xff", NULL};
	char path[FIXTURE_PATH_BYTES];

	fixture_write(*state, "p.ini", fixture_small_publish);
	fixture_path(*state, "d\xff", path);
	assert_int_equal(mkdir(path, 0700), 0);
	fixture_expect(*state, run, 2, "not UTF-8");
	fixture_path(*state, "out", path);
	assert_int_not_equal(access(path, F_OK), 0);
}

static void a_killed_run_on_a_scratch_image_goes_on(void **state)
{
	const char *const run[] = {ATREST, "run",      "p.ini", "--cipher",        "none", "-o",
	                           "out",  "--rounds", "40",    "--scratch-image", "256m", NULL};
	char path[FIXTURE_PATH_BYTES];

	if (geteuid() != 0 || access("/dev/loop-control", R_OK | W_OK) != 0) {
		print_message("skipped: no root, or no loop devices\n");
		return;
	}
	/* For mkfs and mount. */
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	fixture_write(*state, "p.ini", fixture_small_publish);
	start_and_end(*state, run, "", 5000, SIGKILL);
	fixture_path(*state, "out/samples.csv", path);
	if (access(path, F_OK) != 0) {
		print_message("skipped: no mounts\n");
		return;
	}
	fixture_path(*state, "out/scratch", path);
	assert_int_equal(access(path, F_OK), 0);
	resume_with(*state, NULL, 0, "");
	setenv("PATH", "/nowhere", 1);
}

int main(void)
{
#define WITH_DIRECTORY(test)                                                                       \
	cmocka_unit_test_setup_teardown(test, fixture_directory_make, fixture_directory_remove)
	const struct CMUnitTest tests[] = {
	        WITH_DIRECTORY(proofs_that_are_missing_are_told_and_made),
	        WITH_DIRECTORY(a_misread_before_a_kill_is_not_forgotten),
	        WITH_DIRECTORY(no_space_hides_no_failure_of_the_round_before),
	        WITH_DIRECTORY(a_full_output_is_told_beside_invalid_rows),
	        WITH_DIRECTORY(a_run_that_a_budget_ends_has_had_a_last_round),
	        WITH_DIRECTORY(rows_of_a_round_are_synced),
	        WITH_DIRECTORY(a_directory_that_is_no_text_is_refused),
	        WITH_DIRECTORY(a_killed_run_on_a_scratch_image_goes_on),
	};

	/* Figures take longer than the runs: none are drawn where there is no gnuplot. */
	setenv("PATH", "/nowhere", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
