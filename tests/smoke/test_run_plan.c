/* test_run_plan.c - what `atrest run` refuses before anything is written, and what it says it would
 * do. */
#include "tests/unit/run_fixture.h"

#include <string.h>
#include <sys/stat.h>

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

	fixture_workloads(*state);
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

/* ---- --dry-run ---- */

static void a_dry_run_writes_nothing(void **state)
{
	const char *const argv[] = {ATREST, "run", "--dry-run", "--json", "--seed", "0", NULL};
	struct fixture_output out;
	json_t *plan;

	fixture_run(*state, argv, &out);
	fixture_expect_status(&out, 0);
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
	fixture_expect_status(&out, 0);
	plan = json_loads(out.standard, 0, NULL);
	cells = json_object_get(plan, "cells");
	assert_int_equal(json_array_size(cells), 18);
	assert_string_equal(
	        json_string_value(json_object_get(json_array_get(cells, 17), "workload")),
	        "restore-1k");
	json_decref(plan);
	fixture_output_free(&out);
	fixture_run(*state, wrong, &out);
	fixture_expect_status(&out, 2);
	assert_non_null(strstr(out.error,
	                       "--suite: found 'all', expected quick, classes, server or latency"));
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
	fixture_expect_status(&out, 0);
	plan = json_loads(out.standard, 0, NULL);
	cell = json_array_get(json_object_get(plan, "cells"), 0);
	assert_int_equal(json_array_size(json_object_get(cell, "arms")), 3);
	/* 256 MiB at least. */
	assert_true(json_integer_value(json_object_get(cell, "messages")) >= 4096);
	json_decref(plan);
	fixture_output_free(&out);
}

int main(void)
{
#define WITH_DIRECTORY(test)                                                                       \
	cmocka_unit_test_setup_teardown(test, fixture_directory_make, fixture_directory_remove)
	const struct CMUnitTest tests[] = {
	        WITH_DIRECTORY(bad_input_is_refused_before_anything_is_written),
	        WITH_DIRECTORY(a_dry_run_writes_nothing),
	        WITH_DIRECTORY(the_suite_of_classes_has_one_workload_of_each),
	        WITH_DIRECTORY(further_directories_are_arms_that_are_synced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
