/* test_resume.c - runs that are killed or interrupted at any moment, and `atrest resume`. */
#include "tests/unit/run_fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "harness/measure/filesystem.h"
#include "harness/output/replace.h"

#define ARMS 3

/* 2 cells of 3 arms: squares of 6 rounds. */
static const char *const fixed[] = {ATREST, "run",      "p.ini", "r.ini",  "--cipher", "aes", "-o",
                                    "out",  "--rounds", "6",     "--seed", "3",        NULL};
static const char *const wide[] = {ATREST,        "run", "p.ini",  "r.ini",    "--cipher",
                                   "aes",         "-o",  "out",    "--budget", "2s",
                                   "--precision", "20%", "--seed", "3",        NULL};
static const char *const resume[] = {ATREST, "resume", "out", NULL};
static const char *const samples_name = "out/samples.csv";

static unsigned seed;

static unsigned random_below(unsigned n)
{
	unsigned high;

	seed = seed * 1103515245 + 12345;
	high = seed >> 16;
	seed = seed * 1103515245 + 12345;
	return (high << 16 | seed >> 16) % n;
}

static void sleep_us(unsigned us)
{
	struct timespec t = {.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};

	nanosleep(&t, NULL);
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void remove_out(const char *directory)
{
	char path[FIXTURE_PATH_BYTES];

	fixture_path(directory, "out", path);
	assert_int_equal(filesystem_remove_tree(path), 0);
}

/* Every (cell, arm, round) once: the reader refuses a second one; all of them are there. */
static void expect_whole(const char *directory, size_t rounds)
{
	struct samples samples;
	size_t valid = 0;

	fixture_samples(directory, "out", &samples);
	assert_int_equal(samples.complete, 1);
	for (size_t i = 0; i < samples.count; i++) {
		if (samples_set_aside(&samples.rows[i]))
			continue;
		assert_int_equal(samples.rows[i].valid, 1);
		valid++;
	}
	if (rounds > 0)
		assert_int_equal(valid, 2 * ARMS * rounds);
	else /* by width: whole squares */
		assert_int_equal(valid % (ARMS * 6), 0);
	samples_free(&samples);
}

/* The bytes of the whole rounds of a file; their number of rows. */
static char *whole_rounds(const char *directory, size_t *bytes, size_t *rows)
{
	char *text = fixture_read(directory, samples_name);
	const char *at = text;
	size_t lines = 0;

	*bytes = 0;
	*rows = 0;
	for (const char *end; text != NULL && (end = strchr(at, '\n')) != NULL; at = end + 1) {
		lines++;
		if (*at != '#' && lines >= 2 && (lines - 2) % ARMS == 0) {
			*bytes = (size_t)(end + 1 - text);
			*rows = lines - 2;
		}
	}
	return text;
}

static void starts_with(const char *directory, const char *before, size_t bytes)
{
	char *after = fixture_read(directory, samples_name);

	assert_non_null(after);
	assert_true(strlen(after) >= bytes);
	assert_memory_equal(after, before, bytes);
	free(after);
}

/* What a run may be refused with that was killed before there was anything to go on with. */
static int is_reason(const char *text)
{
	static const char *const reasons[] = {
	        "expected the folder of a run",
	        "expected the plan of a run",
	        "was ended before its first round",
	        "first line without an end",
	        "samples.csv:1: empty file",
	        "expected the line of column names",
	        "the run is complete",
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (strstr(text, reasons[i]) != NULL)
			return 1;
	return 0;
}

/* Starts it, and kills it after so long unless it has ended. */
static void kill_after(const char *directory, const char *const argv[], unsigned us)
{
	pid_t pid = fixture_start(directory, argv);

	sleep_us(us);
	kill(pid, SIGKILL);
	fixture_wait(pid);
	sleep_us(20000); /* its workers end by themselves */
}

struct tally {
	unsigned refused, resumed, again, complete;
};

/* One run, killed; resumed, which is killed in turn now and then; in the end complete. */
static void kill_and_resume(const char *directory, const char *const argv[], unsigned whole_us,
                            struct tally *tally)
{
	size_t bytes, rows, rounds = argv == fixed ? 6 : 0;
	struct fixture_output out;
	char *before;

	kill_after(directory, argv, random_below(whole_us));
	for (int deaths = random_below(3) == 0 ? 1 : 0; deaths > 0; deaths--) {
		before = whole_rounds(directory, &bytes, &rows);
		kill_after(directory, resume, random_below(whole_us));
		if (before != NULL && bytes > 0)
			starts_with(directory, before, bytes);
		free(before);
		tally->again++;
	}
	before = whole_rounds(directory, &bytes, &rows);
	fixture_run(directory, resume, &out);
	if (out.status == 0 || (rounds == 0 && out.status == 3)) {
		expect_whole(directory, rounds);
		starts_with(directory, before, bytes);
		tally->resumed++;
	} else if (out.status != 2 || !is_reason(out.error)) {
		fail_msg("status %d: %s", out.status, out.error);
	} else if (strstr(out.error, "the run is complete") != NULL) {
		expect_whole(directory, rounds);
		tally->complete++;
	} else {
		tally->refused++;
	}
	fixture_output_free(&out);
	free(before);
}

static void killed_at_any_moment_it_goes_on_or_says_why_not(void **state)
{
	const char *kills = getenv("ATREST_RESUME_KILLS");
	unsigned count = kills == NULL ? 20 : (unsigned)atoi(kills);
	struct tally tally = {0};
	double began_s;
	unsigned whole_us;

	seed = (unsigned)time(NULL);
	if (getenv("ATREST_SEED") != NULL)
		seed = (unsigned)strtoul(getenv("ATREST_SEED"), NULL, 10);
	print_message("ATREST_SEED=%u\n", seed);
	fixture_workloads(*state);
	began_s = now_s();
	fixture_expect(*state, fixed, 0, "");
	/* The last row, the last line and the page as well. */
	whole_us = (unsigned)((now_s() - began_s) * 1.05e6);
	for (unsigned i = 0; i < count; i++) {
		remove_out(*state);
		kill_and_resume(*state, i % 4 == 3 ? wide : fixed, whole_us, &tally);
	}
	print_message("%u kills: %u resumed (%u killed once more), %u had nothing yet, %u were "
	              "complete\n",
	              count, tally.resumed, tally.again, tally.refused, tally.complete);
	assert_true(tally.resumed >= count / 4);
}

/* ---- in order ---- */

static void after_ctrl_c_it_is_as_if_nothing_had_been(void **state)
{
	struct fixture_output out;
	size_t bytes, rows;
	char *before, *text;
	json_t *run;

	fixture_workloads(*state);
	assert_int_equal(fixture_end_after(*state, fixed, 6000, SIGINT), 130);
	before = whole_rounds(*state, &bytes, &rows);
	/* Whole rounds and nothing else. */
	assert_int_equal(strlen(before), bytes);
	fixture_expect(*state, resume, 0, "");
	expect_whole(*state, 6);
	starts_with(*state, before, bytes);
	run = fixture_run_member(*state, "out");
	assert_true(json_is_true(json_object_get(run, "complete")));
	assert_int_equal(json_array_size(json_object_get(run, "resumed")), 1);
	assert_int_equal(json_integer_value(json_object_get(
	                         json_array_get(json_object_get(run, "resumed"), 0), "rows")),
	                 (json_int_t)rows);
	assert_string_equal(json_string_value(json_array_get(json_object_get(run, "arguments"), 0)),
	                    "run");
	json_decref(run);
	text = fixture_read(*state, "out/report.html");
	assert_non_null(text);
	free(text);
	free(before);
	/* And there is nothing more to do. */
	fixture_run(*state, resume, &out);
	assert_int_equal(out.status, 2);
	assert_non_null(strstr(out.error, "the run is complete, nothing to resume"));
	fixture_output_free(&out);
}

/* The same seed, the same order: what was run in two parts is what is run in one. */
static void both_parts_are_one_plan(void **state)
{
	struct samples parts, one;

	fixture_workloads(*state);
	fixture_expect(*state, fixed, 0, "");
	fixture_samples(*state, "out", &one);
	remove_out(*state);
	(void)fixture_end_after(*state, fixed, 9000, SIGTERM);
	fixture_expect(*state, resume, 0, "");
	fixture_samples(*state, "out", &parts);
	for (size_t i = 0, j = 0; i < parts.count || j < one.count;) {
		if (i < parts.count && samples_set_aside(&parts.rows[i])) {
			i++;
		} else if (j < one.count && samples_set_aside(&one.rows[j])) {
			j++;
		} else {
			assert_true(i < parts.count && j < one.count);
			assert_string_equal(parts.rows[i].workload, one.rows[j].workload);
			assert_string_equal(parts.rows[i].arm, one.rows[j].arm);
			assert_int_equal(parts.rows[i].round, one.rows[j].round);
			assert_int_equal(parts.rows[i].seed, one.rows[j].seed);
			i++;
			j++;
		}
	}
	samples_free(&parts);
	samples_free(&one);
}

/* ---- torn ends ---- */

/* Cut at any byte of its last round, the file has the rounds before it, and they stay. */
static void a_file_cut_in_its_last_round_loses_that_round(void **state)
{
	struct samples_writer *writer;
	struct samples samples;
	char path[FIXTURE_PATH_BYTES], error[512], *text, *first;
	size_t bytes, rows, last;

	fixture_workloads(*state);
	assert_int_equal(fixture_end_after(*state, fixed, 9000, SIGINT), 130);
	text = whole_rounds(*state, &bytes, &rows);
	text[bytes] = '\0';
	fixture_path(*state, samples_name, path);
	/* Where the last round begins. */
	first = text + bytes - 1;
	for (int lines = 0; lines < ARMS; first--)
		lines += first[-1] == '\n';
	last = (size_t)(first + 1 - text);
	for (size_t cut = bytes; cut-- > last;) {
		assert_int_equal(truncate(path, (off_t)cut), 0);
		assert_int_equal(samples_read(path, &samples, error), CSV_RESULT_OK);
		assert_int_equal(samples.count / ARMS * ARMS, rows - ARMS);
		samples_free(&samples);
		if (cut % 97 != 0)
			continue;
		assert_int_equal(samples_writer_open_again(path, rows - ARMS, &writer), 0);
		assert_int_equal(samples_writer_close(writer, 0), 0);
		assert_int_equal(fixture_file_bytes(*state, samples_name), (off_t)last);
		assert_int_equal(replace_file(path, text, bytes), 0);
	}
	/* Zeros are what a power loss leaves. */
	assert_int_equal(replace_file(path, text, last + 100), 0);
	assert_int_equal(truncate(path, (off_t)last + 5000), 0);
	fixture_expect(*state, resume, 0, "");
	expect_whole(*state, 6);
	starts_with(*state, text, last);
	free(text);
}

/* ---- refused ---- */

/* One member of a JSON file, replaced; object NULL: of the top. */
static void change_json(const char *directory, const char *name, const char *object,
                        const char *member, json_t *value)
{
	char path[FIXTURE_PATH_BYTES];
	json_t *whole;

	fixture_path(directory, name, path);
	whole = json_load_file(path, 0, NULL);
	assert_non_null(whole);
	json_object_set_new(object == NULL ? whole : json_object_get(whole, object), member, value);
	assert_int_equal(json_dump_file(whole, path, 0), 0);
	json_decref(whole);
}

static void what_would_mix_two_runs_is_refused(void **state)
{
	static const char *const files[] = {"out/machine.json", "out/plan.json", samples_name,
	                                    "out/workloads/p.ini"};
	char path[FIXTURE_PATH_BYTES], *kept[4];
	FILE *folder;

	fixture_workloads(*state);
	fixture_expect(*state, resume, 2,
	               "out: No such file or directory, expected the folder of a run");
	fixture_path(*state, "out", path);
	assert_int_equal(mkdir(path, 0755), 0);
	fixture_expect(*state, resume, 2, "expected the plan of a run that can be resumed");
	remove_out(*state);
	assert_int_equal(fixture_end_after(*state, fixed, 9000, SIGINT), 130);
	for (size_t i = 0; i < 4; i++)
		kept[i] = fixture_read(*state, files[i]);

	change_json(*state, files[0], "cpu", "model", json_string("another"));
	fixture_expect(*state, resume, 4, "the run began with CPU model another, here it is");
	fixture_write(*state, files[0], kept[0]);
	change_json(*state, files[0], "build", "commit", json_string("0123456"));
	fixture_expect(*state, resume, 4, "the run began with atrest commit 0123456, here it is");
	fixture_write(*state, files[0], kept[0]);
	change_json(*state, files[0], "kernel", "release", json_string("5.4"));
	fixture_expect(*state, resume, 4, "the run began with kernel 5.4, here it is");
	fixture_write(*state, files[0], kept[0]);
	change_json(*state, files[0], "run", "program", json_pack("{ss}", "sha256", "00"));
	fixture_expect(*state, resume, 4,
	               "the run began with a program atrest of SHA-256 00, here it is");
	fixture_write(*state, files[0], kept[0]);
	change_json(*state, files[0], NULL, "directories", json_pack("[{ss}]", "type", "none"));
	fixture_expect(*state, resume, 4,
	               "the run began with file system of directory default none, here");
	fixture_write(*state, files[0], "{}");
	fixture_expect(*state, resume, 2, "machine.json: found no member run");
	fixture_write(*state, files[0], kept[0]);

	change_json(*state, files[1], NULL, "version", json_integer(2));
	fixture_expect(*state, resume, 4, "plan.json: found version 2, expected 1");
	fixture_write(*state, files[1], kept[1]);
	change_json(*state, files[1], NULL, "seed", json_integer(4));
	fixture_expect(*state, resume, 2, "this is not what the plan led to");
	fixture_write(*state, files[1], "{\"schema\": ");
	fixture_expect(*state, resume, 2, "plan.json:1: ");
	fixture_write(*state, files[1], kept[1]);

	fixture_write(*state, files[2], "# atrest-samples v2\n");
	fixture_expect(*state, resume, 4, "samples.csv:1: found \"# atrest-samples v2\"");
	fixture_write(*state, files[2], "# atrest-sam");
	fixture_expect(*state, resume, 2, "samples.csv:1: first line without an end");
	fixture_path(*state, samples_name, path);
	assert_int_equal(unlink(path), 0);
	fixture_expect(*state, resume, 2, "was ended before its first round");
	fixture_write(*state, files[2], kept[2]);
	fixture_path(*state, files[3], path);
	assert_int_equal(unlink(path), 0);
	fixture_expect(*state, resume, 2, "workloads/p.ini");
	fixture_write(*state, files[3], kept[3]);

	fixture_path(*state, "out", path);
	folder = fopen(path, "r");
	assert_non_null(folder);
	assert_int_equal(flock(fileno(folder), LOCK_EX), 0);
	fixture_expect(*state, resume, 4, "a run is writing its results there");
	fclose(folder);
	/* None of it did any harm. */
	fixture_expect(*state, resume, 0, "");
	expect_whole(*state, 6);
	for (size_t i = 0; i < 4; i++)
		free(kept[i]);
}

/* Out of space, the run ends with the row that shows it; with space that round is run again. */
static void out_of_space_it_goes_on_when_there_is_some(void **state)
{
	const char *const run[] = {ATREST, "run",      "p.ini", "--cipher", "none",        "-o",
	                           "out",  "--rounds", "6",     "--arm",    "bad=" FAULTY, NULL};
	struct fixture_output out;
	struct samples samples;
	size_t failed = 0;
	json_t *member;

	fixture_workloads(*state);
	setenv("ATREST_TEST_FAULT", "full", 1);
	fixture_run(*state, run, &out);
	unsetenv("ATREST_TEST_FAULT");
	assert_int_equal(out.status, 4);
	fixture_output_free(&out);
	fixture_samples(*state, "out", &samples);
	for (size_t i = 0; i < samples.count; i++)
		failed += samples.rows[i].valid == 0;
	assert_int_equal(failed, 1);
	samples_free(&samples);
	member = fixture_run_member(*state, "out");
	assert_non_null(
	        strstr(json_string_value(json_object_get(member, "fault")), "no space left"));
	json_decref(member);
	fixture_expect(*state, resume, 0, "");
	fixture_samples(*state, "out", &samples);
	fixture_drop_set_aside(&samples);
	assert_int_equal(samples.count, 6 * 3);
	for (size_t i = 0; i < samples.count; i++)
		assert_int_equal(samples.rows[i].valid, 1);
	samples_free(&samples);
	member = fixture_run_member(*state, "out");
	assert_null(json_object_get(member, "fault"));
	json_decref(member);
}

/* Stores that are kept, and what the parts have in common: the key. */
static void kept_stores_have_one_key(void **state)
{
	const char *const run[] = {ATREST, "run",      "p.ini", "--cipher",      "aes",  "-o",
	                           "out",  "--rounds", "6",     "--keep-stores", "kept", NULL};
	const char *const verify[] = {ATREST,     "stream",     "verify", "--key-file",
	                              "kept/key", "kept/p-aes", NULL};

	fixture_workloads(*state);
	assert_int_equal(fixture_end_after(*state, run, 5000, SIGINT), 130);
	fixture_expect(*state, resume, 0, "");
	fixture_expect(*state, verify, 0, "");
}

int main(void)
{
#define WITH_DIRECTORY(test)                                                                       \
	cmocka_unit_test_setup_teardown(test, fixture_directory_make, fixture_directory_remove)
	const struct CMUnitTest tests[] = {
	        WITH_DIRECTORY(after_ctrl_c_it_is_as_if_nothing_had_been),
	        WITH_DIRECTORY(both_parts_are_one_plan),
	        WITH_DIRECTORY(a_file_cut_in_its_last_round_loses_that_round),
	        WITH_DIRECTORY(what_would_mix_two_runs_is_refused),
	        WITH_DIRECTORY(out_of_space_it_goes_on_when_there_is_some),
	        WITH_DIRECTORY(kept_stores_have_one_key),
	        WITH_DIRECTORY(killed_at_any_moment_it_goes_on_or_says_why_not),
	};

	/* Figures take longer than the runs: none are drawn where there is no gnuplot. */
	setenv("PATH", "/nowhere", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
