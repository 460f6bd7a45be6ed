/* test_lies.c - how a benchmark lies, and which test proves the guard against it: the table below.
 * What is proven in no other file is proven here.
 *
 * ATREST_LIES_ROUNDS: rounds beside a neighbour and under a quota, default 6; of 100, 95 must be
 * flagged.
 */
#include "tests/unit/run_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "harness/analysis/repeat.h"
#include "harness/analysis/stats.h"
#include "harness/analysis/summary.h"
#include "harness/measure/filesystem.h"
#include "harness/measure/machine.h"

#define ATREST     ATREST_BINARY_DIR "/cli/atrest"
#define FAULTY     ATREST_BINARY_DIR "/tests/faulty_worker"
#define LYING      ATREST_BINARY_DIR "/tests/liblying_kernel.so"
#define TMPFS_TYPE 0x01021994

/* Files of tests/, and the name of a test of theirs. */
static const struct {
	const char *lie, *file, *proof;
} lies[] = {
        {"failed operations counted as fast ones", "fault/test_lies.c",
         "one_error_in_a_thousand_invalidates_the_row"},
        {"", "fault/test_lies.c", "one_read_error_in_a_thousand_invalidates_the_row"},
        {"", "smoke/test_run_accidents.c", "an_io_error_ends_the_run"},
        {"reads skipped or not deciphered", "fault/test_lies.c",
         "a_message_that_is_skipped_is_found"},
        {"", "smoke/test_run_accidents.c", "a_wrong_read_is_found"},
        {"it was never encrypted", "smoke/test_run_accidents.c", "a_cipher_that_copies_is_found"},
        {"", "unit/test_controls.c", "noise_passes_for_ciphertext_only"},
        {"", "smoke/test_noise_commands.c", "encryption_reads_and_syncs_are_proven"},
        {"page cache instead of disk", "fault/test_lies.c", "cold_reads_from_a_cache_are_flagged"},
        {"never flushed, or fsync does nothing", "fault/test_lies.c",
         "a_sync_that_does_nothing_is_flagged"},
        {"", "fault/test_lies.c", "selftest_fails_for_a_sync_that_does_nothing"},
        {"", "fault/test_lies.c", "a_run_in_memory_is_labelled_not_durable"},
        {"coordinated omission", "smoke/test_stall.c",
         "what_waits_behind_a_stall_is_late_by_its_own_wait"},
        {"neighbour, frequency, quota, steal", "fault/test_lies.c", "a_neighbour_is_flagged"},
        {"", "fault/test_lies.c", "a_quota_is_flagged"},
        {"", "unit/test_repeat.c", "steal_above_a_fifth_of_a_processor_sets_aside"},
        {"", "unit/test_repeat.c", "a_clock_that_moves_sets_aside"},
        {"order, layout", "fault/test_lies.c", "the_order_of_arms_makes_no_difference"},
        {"", "unit/test_plan.c", "squares_are_balanced_for_position_and_neighbour"},
        {"easy payload", "fault/test_lies.c", "payloads_of_zeros_are_labelled"},
        {"wrong build or code path", "fault/test_lies.c", "every_row_names_its_build"},
        {"", "unit/test_compare_cells.c", "builds_and_yardsticks_that_measure_nothing_are_unfit"},
        {"torn result file", "smoke/test_run_accidents.c", "killed_runs_leave_readable_rows"},
        {"", "fault/test_resume.c", "killed_at_any_moment_it_goes_on_or_says_why_not"},
        {"", "unit/test_samples.c", "a_file_cut_at_any_byte_keeps_its_whole_rows"},
        {"gate fooled by a missing arm, NaN, zero operations", "unit/test_cmd_compare.c",
         "nothing_malformed_or_incomplete_ever_passes"},
        {"", "unit/test_compare_cells.c", "not_a_number_and_zero_are_refused"},
};

/* Named in the list that main runs, after which nothing else of a file comes. */
static int is_run(const char *text, const char *proof)
{
	const char *at = strstr(text, "CMUnitTest tests[]");
	size_t bytes = strlen(proof);

	while (at != NULL && (at = strstr(at, proof)) != NULL) {
		if (at[-1] == '(' && (at[bytes] == ')' || at[bytes] == ','))
			return 1;
		at += bytes;
	}
	return 0;
}

/* The table would be a lie of its own. */
static void every_proof_is_there(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		char *text = fixture_read(ATREST_SOURCE_DIR "/tests", lies[i].file);

		if (text == NULL)
			fail_msg("tests/%s is not there", lies[i].file);
		if (!is_run(text, lies[i].proof))
			fail_msg("tests/%s does not run %s", lies[i].file, lies[i].proof);
		free(text);
	}
}

/* cmocka's skip() alone would pass for a proof: main exits with 77 when one was not made. */
static char skipped[512];

static void skip_proof(const char *why)
{
	size_t used = strlen(skipped);

	snprintf(skipped + used, sizeof(skipped) - used, "%s%s", used > 0 ? "; " : "", why);
	skip();
}

static void expect(const struct fixture_output *out, int status, const char *text)
{
	if (out->status != status || (text != NULL && strstr(out->error, text) == NULL))
		fail_msg("status %d, expected %d and '%s'; stderr: %s", out->status, status,
		         text == NULL ? "" : text, out->error);
}

/* What was told is in machine.json and on the page too. */
static void is_labelled(const char *directory, const char *text)
{
	char *machine = fixture_read(directory, "out/machine.json");
	char *page = fixture_read(directory, "out/report.html");

	assert_non_null(machine);
	assert_non_null(page);
	if (strstr(machine, text) == NULL || strstr(page, text) == NULL)
		fail_msg("'%s' is not in machine.json and on the page", text);
	free(machine);
	free(page);
}

/* ---- what a slice does ---- */

static void planted(const char *directory, const char *fault, const char *workload, int status,
                    const char *text)
{
	const char *const argv[] = {ATREST,        "run",      "w.ini", "--rounds", "1",   "--arm",
	                            "bad=" FAULTY, "--cipher", "none",  "-o",       "out", NULL};
	struct fixture_output out;
	struct samples samples;
	size_t invalid = 0;

	fixture_write(directory, "w.ini", workload);
	setenv("ATREST_TEST_FAULT", fault, 1);
	fixture_run(directory, argv, &out);
	unsetenv("ATREST_TEST_FAULT");
	expect(&out, status, text);
	fixture_samples(directory, "out", &samples);
	for (size_t i = 0; i < samples.count; i++) {
		const struct sample *s = &samples.rows[i];
		if (s->valid)
			continue;
		assert_non_null(strstr(s->arm, "+bad"));
		assert_non_null(strstr(s->error, text));
		invalid++;
	}
	assert_true(invalid > 0);
	samples_free(&samples);
	fixture_output_free(&out);
}

static void one_error_in_a_thousand_invalidates_the_row(void **state)
{
	planted(*state, "io-1000", "operation = publish\nmessages = 1500\nsizes = 300\n", 4,
	        "input/output error");
}

static void one_read_error_in_a_thousand_invalidates_the_row(void **state)
{
	planted(*state, "io-1000",
	        "operation = read-sequential\nmessages = 1500\nfill_messages = 500\nsizes = 300\n",
	        4, "input/output error");
}

static void a_message_that_is_skipped_is_found(void **state)
{
	planted(*state, "skip",
	        "operation = read-sequential\nmessages = 1500\nfill_messages = 500\nsizes = 300\n",
	        5, "sequence");
}

/* ---- what is below ---- */

static void set_lie(const char *lie)
{
	if (lie == NULL) {
		unsetenv("LD_PRELOAD");
		unsetenv("ATREST_TEST_LIE");
		return;
	}
	setenv("LD_PRELOAD", LYING, 1);
	setenv("ATREST_TEST_LIE", lie, 1);
}

static void run_lying(const char *directory, const char *lie, const char *workload,
                      struct fixture_output *out)
{
	const char *const argv[] = {ATREST,     "run",  "w.ini", "--rounds", "1",
	                            "--cipher", "none", "-o",    "out",      NULL};

	fixture_write(directory, "w.ini", workload);
	set_lie(lie);
	fixture_run(directory, argv, out);
	set_lie(NULL);
}

/* The next run of a test writes its results there again. */
static void out_again(const char *directory)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/out", directory);
	assert_int_equal(filesystem_remove_tree(path), 0);
}

/* The file system under /tmp may itself be no disk. */
static int is_on_disk(const char *directory)
{
	struct statfs fs;

	return statfs(directory, &fs) == 0 && fs.f_type != TMPFS_TYPE;
}

static void cold_reads_from_a_cache_are_flagged(void **state)
{
	static const char workload[] = "operation = read-sequential\nmessages = 2000\n"
	                               "fill_messages = 2000\nsizes = 1k\ncache = cold\n";
	struct fixture_output out;

	if (!is_on_disk(*state))
		skip_proof("the test's directory is in memory");
	run_lying(*state, "none", workload, &out);
	expect(&out, 0, NULL);
	assert_null(strstr(out.error, "reads are not cold"));
	fixture_output_free(&out);
	out_again(*state);
	run_lying(*state, "cache", workload, &out);
	expect(&out, 0, "w: reads are not cold: less than a quarter of them came from the device");
	is_labelled(*state, "reads are not cold");
	fixture_output_free(&out);
}

static void a_sync_that_does_nothing_is_flagged(void **state)
{
	static const char workload[] = "messages = 200\nsizes = 300\nsync = always\n";
	struct fixture_output out;

	if (!is_on_disk(*state))
		skip_proof("the test's directory is in memory");
	run_lying(*state, "fsync", workload, &out);
	expect(&out, 0, "not durable: ");
	assert_non_null(strstr(out.error, "sooner than any device"));
	is_labelled(*state, "sooner than any device");
	fixture_output_free(&out);
	out_again(*state);
	run_lying(*state, "none", workload, &out);
	expect(&out, 0, NULL);
	assert_null(strstr(out.error, "not durable"));
	fixture_output_free(&out);
}

/* Too few rounds for the slowdowns: this is about one line. */
static void selftest_fails_for_a_sync_that_does_nothing(void **state)
{
	const char *const argv[] = {
	        ATREST,     "selftest", "--set", "messages=200", "--set", "fill_messages=200",
	        "--rounds", "1",        "-o",    "out",          NULL};
	struct fixture_output out;

	if (!is_on_disk(*state))
		skip_proof("the test's directory is in memory");
	set_lie("fsync");
	fixture_run(*state, argv, &out);
	set_lie(NULL);
	expect(&out, 1, NULL);
	if (strstr(out.standard, "\nFAILED  syncs ") == NULL ||
	    strstr(out.standard, "sooner than any device") == NULL)
		fail_msg("%s", out.standard);
	fixture_output_free(&out);
}

static void a_run_in_memory_is_labelled_not_durable(void **state)
{
	char made[] = "/dev/shm/atrest-test-XXXXXX", dir[64];
	const char *const argv[] = {ATREST, "run",   "w.ini", "--rounds", "1",   "--cipher",
	                            "none", "--dir", dir,     "-o",       "out", NULL};
	struct fixture_output out;

	if (is_on_disk("/dev/shm") || mkdtemp(made) == NULL)
		skip_proof("/dev/shm is no tmpfs that can be written");
	snprintf(dir, sizeof(dir), "memory=%s", made);
	fixture_write(*state, "w.ini", "messages = 200\nsizes = 300\nsync = always\n");
	fixture_run(*state, argv, &out);
	rmdir(made);
	expect(&out, 0, "is tmpfs: nothing there survives a power cut");
	is_labelled(*state, "nothing there survives a power cut");
	fixture_output_free(&out);
}

/* ---- beside ---- */

static size_t rounds_asked(void)
{
	const char *text = getenv("ATREST_LIES_ROUNDS");

	return text == NULL ? 6 : (size_t)strtoul(text, NULL, 10);
}

/* Rounds, each time they were done, that the rule sets aside or has set aside; *all: how many. */
static size_t flagged_rounds(const struct samples *samples, size_t *all)
{
	size_t flagged = 0;

	*all = 0;
	for (size_t i = 0; i < samples->count;) {
		struct sample rows[8];
		char text[REPEAT_TEXT_BYTES];
		size_t count = 0, first = i;
		int aside = 0;
		for (; i < samples->count && samples->rows[i].round == samples->rows[first].round &&
		       samples->rows[i].attempt == samples->rows[first].attempt && count < 8;
		     i++) {
			rows[count] = samples->rows[i];
			aside |= strncmp(rows[count].error, "repeated", 8) == 0;
			rows[count++].valid = 1;
		}
		++*all;
		flagged += (size_t)(aside || repeat_reason(rows, count, text));
	}
	return flagged;
}

static void are_flagged(const char *directory)
{
	struct samples samples;
	size_t all, flagged;

	fixture_samples(directory, "out", &samples);
	flagged = flagged_rounds(&samples, &all);
	print_message("%zu of %zu rounds flagged\n", flagged, all);
	assert_true(all >= rounds_asked());
	assert_true(flagged * 100 >= all * 95 - 94);
	samples_free(&samples);
}

/* Long enough for 10 ms ticks and the periods of a quota, 0.1 s. */
static const char slices_of_a_fifth[] = "messages = 60000\nsizes = 300\n";

static pid_t start_run(const char *directory)
{
	static char rounds[32];
	const char *const argv[] = {ATREST,     "run",  "w.ini", "--rounds", rounds,
	                            "--cipher", "none", "-o",    "out",      NULL};

	snprintf(rounds, sizeof(rounds), "%zu", rounds_asked());
	fixture_write(directory, "w.ini", slices_of_a_fifth);
	return fixture_start(directory, argv);
}

static void a_neighbour_is_flagged(void **state)
{
	pid_t hog = fork();
	int status;

	assert_true(hog >= 0);
	while (hog == 0) /* until it is killed, or orphaned by a failure above */
		if (getppid() == 1)
			_exit(0);
	status = fixture_wait(start_run(*state));
	kill(hog, SIGKILL);
	fixture_wait(hog);
	assert_int_equal(status, 0);
	are_flagged(*state);
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), rc = -1;

	if (fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text))
		rc = 0;
	if (fd >= 0)
		close(fd);
	return rc;
}

/* A group of half a processor, version 2 or 1; its path, and the file that takes a process. */
static int quota_make(char group[128], char procs[160])
{
	char path[192];

	snprintf(group, 128, "/sys/fs/cgroup/atrest-test-%d", (int)getpid());
	if (access("/sys/fs/cgroup/cgroup.controllers", F_OK) != 0)
		snprintf(group, 128, "/sys/fs/cgroup/cpu/atrest-test-%d", (int)getpid());
	snprintf(procs, 160, "%s/cgroup.procs", group);
	if (mkdir(group, 0755) != 0)
		return -1;
	snprintf(path, sizeof(path), "%s/cpu.max", group);
	if (write_text(path, "50000 100000") == 0)
		return 0;
	snprintf(path, sizeof(path), "%s/cpu.cfs_quota_us", group);
	return write_text(path, "50000");
}

static void a_quota_is_flagged(void **state)
{
	char group[128], procs[160];
	int status = -1;
	pid_t child;

	if (quota_make(group, procs) != 0) {
		rmdir(group);
		skip_proof("no control group with a quota can be made");
	}
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(write_text(procs, "0") == 0 ? fixture_wait(start_run(*state)) : 99);
	status = fixture_wait(child);
	for (int i = 0; i < 100 && rmdir(group) != 0; i++)
		usleep(10000);
	assert_int_equal(status, 0);
	are_flagged(*state);
}

/* ---- what it is of ---- */

/* The twin against plaintext, of rounds in which it came first, and of those in which it did not:
 * the two must agree. */
static void the_order_of_arms_makes_no_difference(void **state)
{
	const char *const argv[] = {ATREST,     "run",  "w.ini", "--rounds", "24",
	                            "--cipher", "none", "-o",    "out",      NULL};
	double x[2][64];
	size_t n[2] = {0, 0};
	struct stats_interval first, last;
	struct fixture_output out;
	struct samples samples;

	fixture_write(*state, "w.ini", "messages = 10000\nsizes = 300\n");
	fixture_run(*state, argv, &out);
	expect(&out, 0, NULL);
	fixture_samples(*state, "out", &samples);
	for (size_t i = 0; i + 1 < samples.count; i += 2) {
		const struct sample *a = &samples.rows[i], *b = &samples.rows[i + 1];
		int twin_first = strcmp(a->arm, "none-twin") == 0;
		assert_int_equal(a->round, b->round);
		if (!a->valid || !b->valid)
			continue;
		x[twin_first][n[twin_first]++] =
		        twin_first ? a->acked_s / b->acked_s - 1 : b->acked_s / a->acked_s - 1;
	}
	assert_true(n[0] >= 6 && n[1] >= 6);
	first = stats_hodges_lehmann(x[1], n[1]);
	last = stats_hodges_lehmann(x[0], n[0]);
	if (first.low > last.high || last.low > first.high)
		fail_msg("first %.3f [%.3f, %.3f], last %.3f [%.3f, %.3f]", first.estimate,
		         first.low, first.high, last.estimate, last.low, last.high);
	samples_free(&samples);
	fixture_output_free(&out);
}

static void payloads_of_zeros_are_labelled(void **state)
{
	const char *const argv[] = {ATREST,     "run",  "w.ini", "--rounds", "1",
	                            "--cipher", "none", "-o",    "out",      NULL};
	struct fixture_output out;

	fixture_write(*state, "w.ini", "messages = 100\nsizes = 300\ncompressibility = 1\n");
	fixture_run(*state, argv, &out);
	expect(&out, 0, "w: 100 % of every payload are zeros");
	is_labelled(*state, "100 % of every payload are zeros");
	fixture_output_free(&out);
}

static void every_row_names_its_build(void **state)
{
	const char *const argv[] = {ATREST,     "run",  "w.ini", "--rounds", "1",
	                            "--cipher", "none", "-o",    "out",      NULL};
	struct fixture_output out;
	struct samples samples;

	fixture_write(*state, "w.ini", "messages = 100\nsizes = 300\n");
	fixture_run(*state, argv, &out);
	expect(&out, 0, machine_build_measures() ? NULL : "not fit to measure with");
	fixture_samples(*state, "out", &samples);
	for (size_t i = 0; i < samples.count; i++)
		assert_string_equal(samples.rows[i].build, machine_build());
	samples_free(&samples);
	fixture_output_free(&out);
}

int main(void)
{
#define WITH_DIRECTORY(test)                                                                       \
	cmocka_unit_test_setup_teardown(test, fixture_directory_make, fixture_directory_remove)
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_proof_is_there),
	        WITH_DIRECTORY(one_error_in_a_thousand_invalidates_the_row),
	        WITH_DIRECTORY(one_read_error_in_a_thousand_invalidates_the_row),
	        WITH_DIRECTORY(a_message_that_is_skipped_is_found),
	        WITH_DIRECTORY(cold_reads_from_a_cache_are_flagged),
	        WITH_DIRECTORY(a_sync_that_does_nothing_is_flagged),
	        WITH_DIRECTORY(selftest_fails_for_a_sync_that_does_nothing),
	        WITH_DIRECTORY(a_run_in_memory_is_labelled_not_durable),
	        WITH_DIRECTORY(a_neighbour_is_flagged),
	        WITH_DIRECTORY(a_quota_is_flagged),
	        WITH_DIRECTORY(the_order_of_arms_makes_no_difference),
	        WITH_DIRECTORY(payloads_of_zeros_are_labelled),
	        WITH_DIRECTORY(every_row_names_its_build),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	if (failed == 0 && skipped[0] != '\0') {
		printf("SKIP lies: %s\n", skipped);
		return 77;
	}
	return failed;
}
