/* test_run.c - `atrest run` as people and accidents meet it. */
#include "tests/unit/harness_fixture.h"

#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "harness/measure/filesystem.h"
#include "harness/output/samples.h"

#define ATREST ATREST_BINARY_DIR "/cli/atrest"
#define FAULTY ATREST_BINARY_DIR "/tests/faulty_worker"
#define READY  ATREST_SOURCE_DIR "/workloads/"

static const char small_publish[] = "operation = publish\nmessages = 200\nsizes = 300\n";
static const char small_read[] = "operation = read-sequential\nmessages = 400\n"
                                 "fill_messages = 200\nsizes = 300\n";

static void samples_of(const char *directory, const char *name, struct samples *out)
{
	char path[4096], error[512];

	snprintf(path, sizeof(path), "%s/%s/samples.csv", directory, name);
	if (samples_read(path, out, error) != CSV_RESULT_OK)
		fail_msg("%s", error);
	fixture_drop_set_aside(out);
}

static void expect_status(const struct fixture_output *out, int status)
{
	if (out->status != status)
		fail_msg("status %d, expected %d; stderr: %s", out->status, status, out->error);
}

static void results_are_complete(void **state)
{
	const char *const argv[] = {ATREST, "run",    "p.ini", "r.ini", "--rounds",
	                            "4",    "--seed", "5",     NULL};
	struct fixture_output out;
	struct samples samples;
	char *text;

	fixture_write(*state, "p.ini", small_publish);
	fixture_write(*state, "r.ini", small_read);
	fixture_run(*state, argv, &out);
	expect_status(&out, 0);
	samples_of(*state, "results/latest", &samples);
	assert_int_equal(samples.complete, 1);
	assert_int_equal(samples.count, 2 * 4 * 4);
	for (size_t i = 0; i < samples.count; i++) {
		const struct sample *s = &samples.rows[i];
		assert_int_equal(s->valid, 1);
		assert_int_equal(s->seed, 5);
		assert_int_equal(s->payload_bytes, 300);
		assert_true(s->acked_s > 0 && s->cpu_ns > 0 && s->latency_count > 0);
		assert_true(s->disk_apparent_bytes > 200 * 300);
		assert_true(s->files >= 3 && s->file_create_ns > 0);
		assert_int_equal(s->key_files > 0, strcmp(s->cipher, "none") != 0);
		/* Read by the workload, or read back: all of it in the last round. */
		assert_true(s->reads_checked >=
		            (s->round == 3 || strcmp(s->workload, "r") == 0 ? 200 : 8));
	}
	samples_free(&samples);
	text = fixture_read(*state, "results/latest/workload.ini");
	assert_non_null(strstr(text, "# p: every key, resolved"));
	assert_non_null(strstr(text, "# r: every key, resolved"));
	free(text);
	free(fixture_read(*state, "results/latest/workloads/p.ini"));
	text = fixture_read(*state, "results/latest/report.html");
	assert_non_null(text);
	free(text);
	/* Nothing is left of the stores. */
	assert_int_equal(fixture_count(*state, "results"), 1);
	char latest[4096];
	snprintf(latest, sizeof(latest), "%s/results/latest", (const char *)*state);
	assert_int_equal(fixture_count(latest, "atrest-run-"), 0);
	fixture_output_free(&out);
}

/* What a limit is for in publish-1k-equal-blocks: a server's rule for it knows no cipher. */
static void a_limit_makes_blocks_equal_in_all_arms(void **state)
{
	static const char *const limits[] = {"max_bytes=0", "max_bytes=1g"};

	fixture_write(*state, "p.ini", "messages = 10000\nblock_bytes = server\n");
	for (size_t i = 0; i < 2; i++) {
		const char *const argv[] = {ATREST,    "run",      "p.ini",   "--set",
		                            limits[i], "--cipher", "aes",     "--rounds",
		                            "1",       "-o",       limits[i], NULL};
		struct fixture_output out;
		struct samples samples;

		fixture_run(*state, argv, &out);
		expect_status(&out, 0);
		samples_of(*state, limits[i], &samples);
		/* 10 MiB in blocks of 2 or of 8 MiB. */
		for (size_t r = 0; r < samples.count; r++)
			if (strcmp(samples.rows[r].arm, "aes") == 0)
				assert_int_equal(samples.rows[r].blk_files, i == 0 ? 6 : 2);
		samples_free(&samples);
		fixture_output_free(&out);
	}
}

static void the_resolved_workload_runs_again(void **state)
{
	const char *const first[] = {ATREST,     "run",  "p.ini",    "--set", "messages=123",
	                             "--cipher", "none", "--rounds", "2",     "-o",
	                             "a",        NULL};
	const char *const again[] = {
	        ATREST, "run", "a/workloads/p.ini", "--cipher", "none", "--rounds", "2", "-o",
	        "b",    NULL};
	struct fixture_output out;
	struct samples samples;

	fixture_write(*state, "p.ini", small_publish);
	fixture_run(*state, first, &out);
	expect_status(&out, 0);
	fixture_output_free(&out);
	fixture_run(*state, again, &out);
	expect_status(&out, 0);
	fixture_output_free(&out);
	samples_of(*state, "b", &samples);
	assert_int_equal(samples.rows[0].messages, 123);
	samples_free(&samples);
}

/* ---- planted faults ---- */

static void planted(const char *directory, const char *fault, const char *cipher,
                    struct fixture_output *out, struct samples *samples)
{
	const char *const argv[] = {ATREST, "run",   "p.ini",       "r.ini",    "--rounds",
	                            "1",    "--arm", "bad=" FAULTY, "--cipher", cipher,
	                            "-o",   "out",   NULL};

	fixture_write(directory, "p.ini", small_publish);
	fixture_write(directory, "r.ini", small_read);
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
	expect_status(&out, 5);
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
	expect_status(&out, 5);
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
	expect_status(&out, 1);
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
	expect_status(&out, 4);
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

static off_t rows_bytes(const char *folder)
{
	char path[4200];
	struct stat st;

	snprintf(path, sizeof(path), "%s/samples.csv", folder);
	return stat(path, &st) == 0 ? st.st_size : 0;
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
	fixture_write(*state, "p.ini", small_publish);
	fixture_write(*state, "r.ini", small_read);
	snprintf(path, sizeof(path), "%s/out", (const char *)*state);
	for (int i = 0; i < 12; i++) {
		int number = signals[i % 3];
		pid_t pid = fixture_start(*state, argv);
		struct samples samples;
		int status;

		/* Every second one is let come as far as its first rows. */
		for (int waits = 0; i % 2 == 1 && waits < 1000 && rows_bytes(path) < 4096; waits++)
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

	fixture_write(*state, "p.ini", small_publish);
	snprintf(path, sizeof(path), "%s/out", (const char *)*state);
	assert_int_equal(mkdir(path, 0755), 0);
	folder = fopen(path, "r");
	assert_non_null(folder);
	assert_int_equal(flock(fileno(folder), LOCK_EX), 0);
	fixture_run(*state, argv, &out);
	expect_status(&out, 4);
	assert_non_null(strstr(out.error, "another run is writing its results there"));
	assert_int_equal(fixture_count(path, ""), 0);
	fixture_output_free(&out);
	fclose(folder);
	fixture_write(path, "samples.csv", "older\n");
	fixture_run(*state, argv, &out);
	expect_status(&out, 2);
	assert_non_null(strstr(out.error, "holds the results of a run"));
	assert_int_equal(fixture_count(path, ""), 1);
	fixture_output_free(&out);
	/* Its plan is one of a run that would be refused. */
	fixture_run(*state,
	            (const char *const[]){ATREST, "run", "p.ini", "--dry-run", "-o", "out", NULL},
	            &out);
	expect_status(&out, 2);
	assert_non_null(strstr(out.error, "holds the results of a run"));
	fixture_output_free(&out);
}

static void bad_input_is_refused_before_anything_is_written(void **state)
{
	static const struct {
		const char *arguments[6];
		int status;
		const char *text;
	} cases[] = {
	        {{"--cipher", "rot13"}, 2, "unknown cipher 'rot13'"},
	        {{"--cipher", ""}, 2, "--cipher: found ''"},
	        {{"--cipher", "aes,aes"}, 2, "aes is named twice"},
	        {{"--cipher", "chacha"}, 2, "unknown cipher 'chacha'"},
	        {{"--target", "disk"}, 2, "unknown target 'disk'"},
	        {{"--target", "store,,null"}, 2, "--target: found"},
	        {{"--target", "store,store"}, 2, "store is named twice"},
	        {{"--target", "store:2.15.1"}, 2, "expected a version for nats alone"},
	        {{"--server", "nats://u:secret@a"}, 2, "found a user in the URL"},
	        {{"--server", "rot13=nats://a"}, 2, "--server: unknown cipher 'rot13'"},
	        {{"--server", "nats://a,,nats://b"}, 2, "expected [CIPHER=]URL[,URL...]"},
	        {{"--replicas", "3"}, 2, "--replicas: expected --server too"},
	        {{"--password", "secret"}, 2, "--password: expected --server too"},
	        {{"--dir", "/tmp"}, 2, "expected NAME=PATH"},
	        {{"--dir", "a b=/tmp"}, 2, "expected NAME=PATH"},
	        {{"--dir", "a=/nowhere"}, 2, "/nowhere: expected a directory"},
	        {{"--dir", "a=/tmp", "--dir", "a=/var/tmp"}, 2, "'a' is named twice"},
	        {{"--arm", "old=/nowhere/atrest"}, 2, "/nowhere/atrest: expected a program"},
	        {{"--arm", "old=/bin/true"}, 2, "is no atrest that can be an arm"},
	        {{"--set", "messages"}, 2, "expected KEY=VALUE"},
	        {{"--set", "mesages=1"}, 2, "mesages"},
	        {{"--set", "messages=0"}, 2, "messages"},
	        {{"--set", "messages=-1"}, 2, "messages"},
	        {{"--set", "sizes=99g"}, 2, "sizes"},
	        {{"--provider", "aes=sodium"}, 2, "--provider: found 'aes=sodium'"},
	        {{"--rounds", "many"}, 2, "many"},
	        {{"--rounds", "0"}, 2, "expected 1 to 10000"},
	        {{"--rounds", "10001"}, 2, "expected 1 to 10000"},
	        {{"--seed", "many"}, 2, "--seed: found 'many'"},
	        {{"--seed", "9223372036854775808"}, 2, "expected a whole number less than 2^63"},
	        {{"--nats-config", "nowhere.conf"}, 2, "nowhere.conf"},
	        {{"--scratch-image", "0"}, 2, "expected a size such as 4g"},
	        {{"--scratch-image", "1m"}, 2, "found 1 MiB, expected"},
	        {{"--scratch-image", "1g", "--dir", "a=/tmp"}, 2, "expected one of them"},
	        {{"--suite", "classes"}, 2, "--suite: found workload files too"},
	        {{"--budget", "0"}, 2, "--budget: found '0', expected 1s to 720h"},
	        {{"--budget", "-5m"}, 2, "--budget: found '-5m'"},
	        {{"--budget", "soon"}, 2, "--budget: found 'soon'"},
	        {{"--budget", "9000h"}, 2, "--budget: found '9000h'"},
	        {{"--precision", "0"}, 2, "--precision: found '0', expected 0.1% to 50%"},
	        {{"--precision", "-1%"}, 2, "--precision: found '-1%'"},
	        {{"--precision", "200%"}, 2, "--precision: found '200%'"},
	        {{"--precision", "abc"}, 2, "--precision: found 'abc'"},
	        {{"--quick", "--precision", "2%"}, 2, "--quick and --precision"},
	        {{"--quick", "--budget", "10m"}, 2, "--quick and --budget"},
	        {{"--quick", "--rigorous"}, 2, "--quick and --rigorous"},
	        {{"--rounds", "8", "--rigorous"}, 2, "--rounds and --rigorous"},
	        {{"--replay", "x"}, 2, "replay"},
	        {{"missing.ini"}, 2, "missing.ini"},
	        {{"publish-2k"}, 2, "publish-2k: neither a file nor a ready workload"},
	        {{"publish-1k", "--rounds", "5", "--dry-run"}, 0, "--rounds: 5 made 8"},
	        {{"p.ini"}, 2, "two workloads are named 'p'"},
	        {{"r.ini", "--set", "fill_messages=100000000000"}, 4, "MiB free, expected"},
	};

	fixture_write(*state, "p.ini", small_publish);
	fixture_write(*state, "r.ini", small_read);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *argv[10] = {ATREST, "run", "p.ini"};
		struct fixture_output out;
		for (size_t a = 0; a < 6 && cases[i].arguments[a] != NULL; a++)
			argv[3 + a] = cases[i].arguments[a];
		fixture_run(*state, argv, &out);
		if (out.status != cases[i].status || strstr(out.error, cases[i].text) == NULL)
			fail_msg("case %zu: status %d, %s", i, out.status, out.error);
		assert_int_equal(fixture_count(*state, "results"), 0);
		fixture_output_free(&out);
	}
}

/* ---- by width ---- */

static json_t *precision_of(const char *directory, const char *folder)
{
	char path[4200];
	json_t *machine, *precision;

	snprintf(path, sizeof(path), "%s/%s/machine.json", directory, folder);
	machine = json_load_file(path, 0, NULL);
	assert_non_null(machine);
	precision = json_incref(json_object_get(json_object_get(machine, "run"), "precision"));
	json_decref(machine);
	return precision;
}

static void a_width_that_is_not_reached_is_told(void **state)
{
	static const struct {
		const char *precision, *budget, *folder;
		int status;
		const char *ended_by;
	} cases[] = {{"--precision=0.1%", "--budget=1s", "narrow", 3, "budget"},
	             {"--budget=1s", "--cipher=aes", "budget", 0, "budget"},
	             {"--precision=50%", "--cipher=aes", "wide", 0, "precision"}};

	fixture_write(*state, "p.ini", small_publish);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const argv[] = {
		        ATREST,          "run", "p.ini",         cases[i].precision,
		        cases[i].budget, "-o",  cases[i].folder, NULL};
		struct fixture_output out;
		json_t *precision, *cell;
		int wide;

		fixture_run(*state, argv, &out);
		expect_status(&out, cases[i].status);
		precision = precision_of(*state, cases[i].folder);
		cell = json_array_get(json_object_get(precision, "cells"), 0);
		wide = !json_is_true(json_object_get(cell, "reached"));
		assert_string_equal(json_string_value(json_object_get(cell, "workload")), "p");
		/* A budget of a second on a machine at work: it may end before, or be enough. */
		if (i != 1)
			assert_string_equal(
			        json_string_value(json_object_get(precision, "ended_by")),
			        cases[i].ended_by);
		assert_int_equal(strstr(out.error, "inconclusive: p on store: ") != NULL, wide);
		if (i != 1)
			assert_int_equal(wide, i == 0);
		json_decref(precision);
		fixture_output_free(&out);
	}
}

static void a_dry_run_writes_nothing(void **state)
{
	const char *const argv[] = {ATREST, "run", "--dry-run", "--json", "--seed", "0", NULL};
	struct fixture_output out;
	json_t *plan;

	fixture_run(*state, argv, &out);
	expect_status(&out, 0);
	plan = json_loads(out.standard, 0, NULL);
	assert_non_null(plan);
	assert_int_equal(json_array_size(json_object_get(plan, "cells")), 8);
	assert_int_equal(json_integer_value(json_object_get(plan, "slices")),
	                 6 * 12 * 4 + 2 * 8 * 4);
	assert_true(json_real_value(json_object_get(plan, "estimated_s")) > 10);
	assert_true(json_is_integer(json_object_get(plan, "seed")));
	assert_int_equal(json_integer_value(json_object_get(plan, "seed")), 0);
	json_decref(plan);
	assert_int_equal(fixture_count(*state, "results"), 0);
	fixture_output_free(&out);
}

/* Every kind of operation once. */
static void the_suite_of_classes_has_one_workload_of_each(void **state)
{
	const char *const argv[] = {ATREST,      "run",    "--suite", "classes",
	                            "--dry-run", "--json", NULL};
	const char *const wrong[] = {ATREST, "run", "--suite", "all", NULL};
	struct fixture_output out;
	json_t *plan, *cells;

	fixture_run(*state, argv, &out);
	expect_status(&out, 0);
	plan = json_loads(out.standard, 0, NULL);
	cells = json_object_get(plan, "cells");
	assert_int_equal(json_array_size(cells), 18);
	assert_string_equal(
	        json_string_value(json_object_get(json_array_get(cells, 17), "workload")),
	        "restore-1k");
	json_decref(plan);
	fixture_output_free(&out);
	fixture_run(*state, wrong, &out);
	expect_status(&out, 2);
	assert_non_null(strstr(out.error,
	                       "--suite: found 'all', expected quick, classes, server or latency"));
	fixture_output_free(&out);
}

/* ---- what stays ---- */

static void kept_stores_verify_with_the_kept_key(void **state)
{
	const char *const argv[] = {ATREST,          "run",  "p.ini", "r.ini", "--rounds", "1",
	                            "--keep-stores", "kept", "-o",    "out",   NULL};
	static const char *const names[] = {"p-none", "p-none-twin", "p-chachapoly", "p-aes",
	                                    "r-none", "r-none-twin", "r-chachapoly", "r-aes"};
	struct fixture_output out;
	struct stat st;
	char path[4096], *key, *machine;

	fixture_write(*state, "p.ini", small_publish);
	fixture_write(*state, "r.ini", small_read);
	fixture_run(*state, argv, &out);
	expect_status(&out, 0);
	fixture_output_free(&out);
	snprintf(path, sizeof(path), "%s/kept/key", (const char *)*state);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		/* A key alone promises encryption; which cipher is under the arm's name. */
		const char *cipher =
		        strstr(names[i], "none") != NULL ? "none" : strchr(names[i], '-') + 1;
		const char *const verify[] = {ATREST,       "stream",   "verify",
		                              "--key-file", "kept/key", "--cipher",
		                              cipher,       path,       NULL};
		snprintf(path, sizeof(path), "kept/%s", names[i]);
		fixture_run(*state, verify, &out);
		expect_status(&out, 0);
		fixture_output_free(&out);
	}
	/* And nowhere else. */
	key = fixture_read(*state, "kept/key");
	key[strcspn(key, "\n")] = '\0';
	assert_int_equal(strlen(key), 65);
	machine = fixture_read(*state, "out/machine.json");
	assert_null(strstr(machine, key));
	free(machine);
	machine = fixture_read(*state, "out/samples.csv");
	assert_null(strstr(machine, key));
	free(machine);
	free(key);
}

static void a_servers_configuration_gives_cipher_and_sync(void **state)
{
	const char *const argv[] = {ATREST,          "run",     "p.ini", "--rounds", "1",
	                            "--nats-config", "js.conf", "-o",    "out",      NULL};
	const char *const bad[] = {ATREST, "run", "p.ini", "--nats-config", "bad.conf", NULL};
	struct fixture_output out;
	struct samples samples;

	fixture_write(*state, "p.ini", small_publish);
	fixture_write(*state, "js.conf",
	              "jetstream { key: \"secret-text\", cipher: aes, sync_interval: always }\n");
	fixture_write(*state, "bad.conf", "jetstream { sync_interval: \"soon\" }\n");
	fixture_run(*state, argv, &out);
	expect_status(&out, 0);
	fixture_output_free(&out);
	samples_of(*state, "out", &samples);
	assert_int_equal(samples.count, 6 * 3);
	for (size_t i = 0; i < samples.count; i++) {
		const struct sample *s = &samples.rows[i];
		assert_string_equal(s->sync, "always");
		assert_true(s->synced_s == s->acked_s && s->syncs >= 200);
		assert_true(strcmp(s->cipher, "none") == 0 || strcmp(s->cipher, "aes") == 0);
	}
	samples_free(&samples);
	fixture_run(*state, bad, &out);
	expect_status(&out, 2);
	assert_non_null(strstr(out.error, "sync_interval: found 'soon'"));
	fixture_output_free(&out);
}

static void further_directories_are_arms_that_are_synced(void **state)
{
	const char *const argv[] = {ATREST, "run",       "p.ini",  "--rounds", "1",   "--cipher",
	                            "none", "--dir",     "a=a",    "--dir",    "b=b", "-o",
	                            "out",  "--dry-run", "--json", NULL};
	struct fixture_output out;
	char path[4096];
	json_t *plan, *cell;

	fixture_write(*state, "p.ini", "sizes = 64k\nmessages = 10\n");
	for (const char *name = "ab"; *name != '\0'; name++) {
		snprintf(path, sizeof(path), "%s/%c", (const char *)*state, *name);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	fixture_run(*state, argv, &out);
	expect_status(&out, 0);
	plan = json_loads(out.standard, 0, NULL);
	cell = json_array_get(json_object_get(plan, "cells"), 0);
	assert_int_equal(json_array_size(json_object_get(cell, "arms")), 3);
	/* 256 MiB at least. */
	assert_true(json_integer_value(json_object_get(cell, "messages")) >= 4096);
	json_decref(plan);
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
	fixture_write(*state, "p.ini", small_publish);
	fixture_run(*state, argv, &out);
	if (out.status == 4 && strstr(out.error, "mount") != NULL) {
		print_message("skipped: %s", out.error);
		fixture_output_free(&out);
		skip();
	}
	expect_status(&out, 0);
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
	pid_t pid;

	if (geteuid() != 0 || access("/dev/loop-control", R_OK | W_OK) != 0)
		skip();
	fixture_write(*state, "p.ini", small_publish);
	snprintf(path, sizeof(path), "%s/out", (const char *)*state);
	pid = fixture_start(*state, argv);
	for (int waits = 0; waits < 1500 && rows_bytes(path) < 4096; waits++)
		sleep_ms(10);
	kill(pid, SIGKILL);
	fixture_wait(pid);
	sleep_ms(100);
	if (rows_bytes(path) == 0) {
		print_message("skipped: no image can be mounted\n");
		skip();
	}
	assert_int_equal(fixture_count(path, "scratch"), 1);
	pid = fixture_start(*state, resume);
	for (int waits = 0; waits < 1500 && rows_bytes(path) < 12288; waits++)
		sleep_ms(10);
	kill(pid, SIGINT);
	assert_int_equal(fixture_wait(pid), 130);
	assert_true(rows_bytes(path) >= 12288);
	assert_int_equal(fixture_count(path, "scratch"), 0);
}

int main(void)
{
#define WITH_DIRECTORY(test)                                                                       \
	cmocka_unit_test_setup_teardown(test, fixture_directory_make, fixture_directory_remove)
	const struct CMUnitTest tests[] = {
	        WITH_DIRECTORY(results_are_complete),
	        WITH_DIRECTORY(a_limit_makes_blocks_equal_in_all_arms),
	        WITH_DIRECTORY(the_resolved_workload_runs_again),
	        WITH_DIRECTORY(a_cipher_that_copies_is_found),
	        WITH_DIRECTORY(a_wrong_read_is_found),
	        WITH_DIRECTORY(a_crash_costs_its_rows_only),
	        WITH_DIRECTORY(no_space_ends_the_run),
	        WITH_DIRECTORY(an_io_error_ends_the_run),
	        WITH_DIRECTORY(killed_runs_leave_readable_rows),
	        WITH_DIRECTORY(a_second_run_in_one_folder_is_refused),
	        WITH_DIRECTORY(bad_input_is_refused_before_anything_is_written),
	        WITH_DIRECTORY(a_width_that_is_not_reached_is_told),
	        WITH_DIRECTORY(a_dry_run_writes_nothing),
	        WITH_DIRECTORY(the_suite_of_classes_has_one_workload_of_each),
	        WITH_DIRECTORY(kept_stores_verify_with_the_kept_key),
	        WITH_DIRECTORY(a_servers_configuration_gives_cipher_and_sync),
	        WITH_DIRECTORY(further_directories_are_arms_that_are_synced),
	        WITH_DIRECTORY(a_scratch_image_is_made_and_gone),
	        WITH_DIRECTORY(a_killed_run_makes_its_scratch_image_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
