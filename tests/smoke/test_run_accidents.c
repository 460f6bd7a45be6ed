/* test_run_accidents.c - `atrest run` as accidents meet it: faults, signals, folders that are
 * taken, scratch images that are left. */
#include "tests/unit/run_fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "harness/measure/filesystem.h"

static void samples_of(const char *directory, const char *folder, struct samples *out)
{
	fixture_samples(directory, folder, out);
	fixture_drop_set_aside(out);
}

/* ---- planted faults ---- */

static void planted(const char *directory, const char *fault, const char *cipher,
                    struct fixture_output *out, struct samples *samples)
{
	const char *const argv[] = {ATREST, "run",   "p.ini",       "r.ini",    "--rounds",
	                            "1",    "--arm", "bad=" FAULTY, "--cipher", cipher,
	                            "-o",   "out",   NULL};

	fixture_workloads(directory);
	setenv("ATREST_TEST_FAULT", fault, 1);
	fixture_run(directory, argv, out);
	unsetenv("ATREST_TEST_FAULT");
	samples_of(directory, "out", samples);
}

/* Only rows of the planted program may be invalid; how many of them are. */
static size_t invalid_rows(const struct samples *samples, const char *text)
{
	size_t count = 0;

	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *s = &samples->rows[i];
		if (s->valid)
			continue;
		count++;
		assert_non_null(strstr(s->arm, "+bad"));
		if (strstr(s->error, text) == NULL)
			fail_msg("'%s', expected '%s'", s->error, text);
	}
	return count;
}

static void a_cipher_that_copies_is_found(void **state)
{
	struct fixture_output out;
	struct samples samples;

	planted(*state, "copy", "aes", &out, &samples);
	fixture_expect_status(&out, 5);
	assert_non_null(strstr(out.error, "clear text on disk"));
	/* aes+bad of both cells, in the last round, where the files are searched. */
	assert_int_equal(invalid_rows(&samples, "clear text on disk"), 2);
	samples_free(&samples);
	fixture_output_free(&out);
}

static void a_wrong_read_is_found(void **state)
{
	struct fixture_output out;
	struct samples samples;

	planted(*state, "misread", "none", &out, &samples);
	fixture_expect_status(&out, 5);
	assert_true(invalid_rows(&samples, "the payload read differs") > 0);
	/* By the slice itself, not only by the controls of the last round. */
	for (size_t i = 0; i < samples.count; i++) {
		const struct sample *s = &samples.rows[i];
		if (strcmp(s->workload, "r") == 0 && strstr(s->arm, "+bad") && s->round == 0)
			assert_int_equal(s->valid, 0);
	}
	samples_free(&samples);
	fixture_output_free(&out);
}

static void a_crash_costs_its_rows_only(void **state)
{
	struct fixture_output out;
	struct samples samples;

	planted(*state, "crash", "none", &out, &samples);
	fixture_expect_status(&out, 1);
	assert_true(invalid_rows(&samples, "killed by signal 9") > 0);
	assert_int_equal(samples.complete, 1); /* the run went on to its end */
	samples_free(&samples);
	fixture_output_free(&out);
}

/* A fault that the next slice would meet as well. */
static void ends_the_run(const char *directory, const char *fault, const char *text)
{
	struct fixture_output out;
	struct samples samples;

	planted(directory, fault, "none", &out, &samples);
	fixture_expect_status(&out, 4);
	assert_non_null(strstr(out.error, text));
	assert_int_equal(samples.complete, 0);
	assert_int_equal(invalid_rows(&samples, text), 1);
	samples_free(&samples);
	fixture_output_free(&out);
}

static void no_space_ends_the_run(void **state)
{
	ends_the_run(*state, "full", "no space left on device");
}

static void an_io_error_ends_the_run(void **state)
{
	ends_the_run(*state, "io", "input/output error");
}

/* ---- accidents ---- */

static void sleep_ms(unsigned ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	nanosleep(&t, NULL);
}

/* A run that is ended by a signal anywhere leaves rows that can be read, and in order also no
 * store. */
static void killed_runs_leave_readable_rows(void **state)
{
	const char *const argv[] = {ATREST, "run", "p.ini", "r.ini", "--rounds",
	                            "400",  "-o",  "out",   NULL};
	static const int signals[] = {SIGINT, SIGTERM, SIGKILL};
	unsigned seed = (unsigned)time(NULL);
	size_t rows = 0, partial = 0;
	char path[4096];

	print_message("seed %u\n", seed);
	fixture_workloads(*state);
	snprintf(path, sizeof(path), "%s/out", (const char *)*state);
	for (int i = 0; i < 12; i++) {
		int number = signals[i % 3];
		pid_t pid = fixture_start(*state, argv);
		struct samples samples;
		int status;

		/* Every second one is let come as far as its first rows. */
		for (int waits = 0; i % 2 == 1 && waits < 1000 &&
		                    fixture_file_bytes(*state, "out/samples.csv") < 4096;
		     waits++)
			sleep_ms(10);
		seed = seed * 1103515245 + 12345;
		sleep_ms((seed >> 16) % 400);
		kill(pid, number);
		status = fixture_wait(pid);
		/* Before its first slice a run has the default action. */
		if (status != 128 + number && status != 130)
			fail_msg("status %d after signal %d", status, number);
		sleep_ms(number == SIGKILL ? 100 : 0); /* workers end by themselves */
		if (access(path, F_OK) == 0 && fixture_count(path, "samples.csv") > 0) {
			samples_of(*state, "out", &samples);
			assert_int_equal(samples.complete, 0);
			rows += samples.count;
			partial++;
			samples_free(&samples);
			if (number != SIGKILL)
				assert_int_equal(fixture_count(path, "atrest-run-"), 0);
		}
		assert_int_equal(filesystem_remove_tree(path), 0);
	}
	print_message("%zu partial results with %zu rows\n", partial, rows);
	assert_true(partial >= 6 && rows > 0);
}

static void a_second_run_in_one_folder_is_refused(void **state)
{
	const char *const argv[] = {ATREST, "run", "p.ini", "--rounds", "2", "-o", "out", NULL};
	struct fixture_output out;
	char path[4096];
	FILE *folder;

	fixture_write(*state, "p.ini", fixture_small_publish);
	snprintf(path, sizeof(path), "%s/out", (const char *)*state);
	assert_int_equal(mkdir(path, 0755), 0);
	folder = fopen(path, "r");
	assert_non_null(folder);
	assert_int_equal(flock(fileno(folder), LOCK_EX), 0);
	fixture_run(*state, argv, &out);
	fixture_expect_status(&out, 4);
	assert_non_null(strstr(out.error, "another run is writing its results there"));
	assert_int_equal(fixture_count(path, ""), 0);
	fixture_output_free(&out);
	fclose(folder);
	fixture_write(path, "samples.csv", "older\n");
	fixture_run(*state, argv, &out);
	fixture_expect_status(&out, 2);
	assert_non_null(strstr(out.error, "holds the results of a run"));
	assert_int_equal(fixture_count(path, ""), 1);
	fixture_output_free(&out);
	/* Its plan is one of a run that would be refused. */
	fixture_run(*state,
	            (const char *const[]){ATREST, "run", "p.ini", "--dry-run", "-o", "out", NULL},
	            &out);
	fixture_expect_status(&out, 2);
	assert_non_null(strstr(out.error, "holds the results of a run"));
	fixture_output_free(&out);
}

/* ---- --scratch-image ---- */

static void a_scratch_image_is_made_and_gone(void **state)
{
	const char *const argv[] = {ATREST, "run", "p.ini",           "--rounds", "1",
	                            "-o",   "out", "--scratch-image", "256m",     NULL};
	struct fixture_output out;
	json_t *machine, *directory;
	char path[4096];

	if (geteuid() != 0 || access("/dev/loop-control", R_OK | W_OK) != 0) {
		print_message("skipped: no root, or no loop devices\n");
		skip();
	}
	fixture_write(*state, "p.ini", fixture_small_publish);
	fixture_run(*state, argv, &out);
	if (out.status == 4 && strstr(out.error, "mount") != NULL) {
		print_message("skipped: %s", out.error);
		fixture_output_free(&out);
		skip();
	}
	fixture_expect_status(&out, 0);
	fixture_output_free(&out);
	snprintf(path, sizeof(path), "%s/out/machine.json", (const char *)*state);
	machine = json_load_file(path, 0, NULL);
	assert_non_null(machine);
	directory = json_array_get(json_object_get(machine, "directories"), 0);
	assert_string_equal(json_string_value(json_object_get(directory, "type")), "ext4");
	assert_non_null(
	        strstr(json_string_value(json_object_get(directory, "source")), "/dev/loop"));
	assert_int_equal(json_integer_value(json_object_get(
	                         json_object_get(json_object_get(machine, "run"), "scratch_image"),
	                         "bytes")),
	                 256 << 20);
	json_decref(machine);
	snprintf(path, sizeof(path), "%s/out", (const char *)*state);
	assert_int_equal(fixture_count(path, "samples.csv"), 1);
	assert_int_equal(fixture_count(path, "scratch"), 0);
}

/* Killed, it leaves its mount point, which is not in the way of the run that goes on. */
static void a_killed_run_makes_its_scratch_image_again(void **state)
{
	const char *const argv[] = {ATREST, "run", "p.ini",           "--rounds", "400",
	                            "-o",   "out", "--scratch-image", "256m",     NULL};
	const char *const resume[] = {ATREST, "resume", "out", NULL};
	char path[4096];

	if (geteuid() != 0 || access("/dev/loop-control", R_OK | W_OK) != 0)
		skip();
	fixture_write(*state, "p.ini", fixture_small_publish);
	snprintf(path, sizeof(path), "%s/out", (const char *)*state);
	fixture_end_after(*state, argv, 4096, SIGKILL);
	sleep_ms(100);
	if (fixture_file_bytes(*state, "out/samples.csv") == 0) {
		print_message("skipped: no image can be mounted\n");
		skip();
	}
	assert_int_equal(fixture_count(path, "scratch"), 1);
	assert_int_equal(fixture_end_after(*state, resume, 12288, SIGINT), 130);
	assert_true(fixture_file_bytes(*state, "out/samples.csv") >= 12288);
	assert_int_equal(fixture_count(path, "scratch"), 0);
}

int main(void)
{
#define WITH_DIRECTORY(test)                                                                       \
	cmocka_unit_test_setup_teardown(test, fixture_directory_make, fixture_directory_remove)
	const struct CMUnitTest tests[] = {
	        WITH_DIRECTORY(a_cipher_that_copies_is_found),
	        WITH_DIRECTORY(a_wrong_read_is_found),
	        WITH_DIRECTORY(a_crash_costs_its_rows_only),
	        WITH_DIRECTORY(no_space_ends_the_run),
	        WITH_DIRECTORY(an_io_error_ends_the_run),
	        WITH_DIRECTORY(killed_runs_leave_readable_rows),
	        WITH_DIRECTORY(a_second_run_in_one_folder_is_refused),
	        WITH_DIRECTORY(a_scratch_image_is_made_and_gone),
	        WITH_DIRECTORY(a_killed_run_makes_its_scratch_image_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
