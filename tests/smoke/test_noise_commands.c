/* test_noise_commands.c - `atrest noise` and `atrest selftest` as people meet them, at a tiny size:
 * what a machine that is busy with other tests can resolve is not looked at.
 *
 * ATREST_RIGOROUS=1: also a rigorous run, whose proofs have slices of their full length (minutes).
 */
#include "tests/unit/harness_fixture.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/measure/machine.h"

#define ATREST ATREST_BINARY_DIR "/cli/atrest"

static const char small_publish[] = "operation = publish\nmessages = 300\nsizes = 300\n";

static void noise_tells_a_resolution_and_advice(void **state)
{
	const char *const argv[] = {ATREST, "noise", "p.ini",  "--rounds", "6",
	                            "-o",   "out",   "--json", NULL};
	struct fixture_output out;
	json_t *whole, *rows, *row, *advice;
	char *samples, *page;
	size_t i, builds = 0;

	fixture_write(*state, "p.ini", small_publish);
	fixture_run(*state, argv, &out);
	whole = json_loads(out.standard, 0, NULL);
	if (whole == NULL)
		fail_msg("status %d, %s", out.status, out.error);
	assert_int_equal(out.status, json_is_true(json_object_get(whole, "inconclusive")) ||
	                                             json_is_false(json_object_get(whole, "told"))
	                                     ? 3
	                                     : 0);
	assert_true(json_is_integer(json_object_get(whole, "repeated_rounds")));
	rows = json_object_get(whole, "rows");
	assert_true(json_array_size(rows) >= 5);
	json_array_foreach(rows, i, row)
	{
		double resolution = json_real_value(json_object_get(row, "resolution_pct"));
		assert_true(resolution >= json_real_value(json_object_get(row, "half_width_pct")));
		assert_true(resolution >= json_real_value(json_object_get(row, "floor_pct")));
		assert_int_equal(json_integer_value(json_object_get(row, "rounds")), 6);
	}
	json_array_foreach(json_object_get(whole, "advice"), i, advice)
	{
		assert_true(json_string_length(json_object_get(advice, "evidence")) > 0);
		assert_true(json_string_length(json_object_get(advice, "remedy")) > 0);
		builds += strcmp(json_string_value(json_object_get(advice, "what")), "build") == 0;
	}
	assert_int_equal(builds, machine_build_measures() ? 0 : 1);
	json_decref(whole);
	fixture_output_free(&out);
	/* A run like any other, of plaintext alone. */
	samples = fixture_read(*state, "out/samples.csv");
	assert_non_null(samples);
	assert_non_null(strstr(samples, ",none-twin,"));
	assert_null(strstr(samples, ",aes,"));
	free(samples);
	page = fixture_read(*state, "out/report.html");
	assert_non_null(page);
	assert_non_null(strstr(page, "none-twin"));
	free(page);
}

static void few_rounds_have_no_resolution(void **state)
{
	const char *const argv[] = {ATREST, "noise", "p.ini", "--rounds", "2", "-o", "out", NULL};
	struct fixture_output out;

	fixture_write(*state, "p.ini", small_publish);
	fixture_run(*state, argv, &out);
	assert_int_equal(out.status, 3);
	assert_non_null(strstr(out.standard, "Nothing about throughput can be told here: too few"));
	/* Nor a table without rows. */
	assert_null(strstr(out.standard, "told in 4 of 5"));
	fixture_output_free(&out);
}

static void bad_input_is_refused(void **state)
{
	static const struct {
		const char *command, *option, *value, *text;
	} cases[] = {
	        {"noise", "--rounds", "0", "--rounds: found '0'"},
	        {"noise", "--cipher", "aes", "unknown option '--cipher'"},
	        {"noise", "--target", "disk", "unknown target 'disk'"},
	        {"noise", "--set", "messages=0", "messages"},
	        {"noise", "--dir", "/nowhere", "expected NAME=PATH"},
	        {"selftest", "--target", "nats", "unknown option '--target'"},
	        {"selftest", "--rounds", "-1", "--rounds: found '-1'"},
	        {"selftest", "--dir", "a=/nowhere", "expected a directory"},
	        {"selftest", "--seed", "x", "--seed: found 'x'"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const argv[] = {
		        ATREST, cases[i].command, cases[i].option, cases[i].value, "-o", "out",
		        NULL};
		struct fixture_output out;
		fixture_run(*state, argv, &out);
		if (out.status != 2 || strstr(out.error, cases[i].text) == NULL)
			fail_msg("case %zu: status %d, %s", i, out.status, out.error);
		assert_int_equal(fixture_count(*state, "out"), 0);
		fixture_output_free(&out);
	}
}

/* ---- selftest ---- */

static const char *verdict_of(const json_t *whole, const char *what)
{
	size_t i;
	json_t *check;

	json_array_foreach(
	        json_object_get(whole, "checks"), i,
	        check) if (strcmp(json_string_value(json_object_get(check, "what")), what) ==
	                   0) return json_string_value(json_object_get(check, "verdict"));
	fail_msg("no proof '%s'", what);
	return "";
}

static void encryption_reads_and_syncs_are_proven(void **state)
{
	static const char *const sure[] = {
	        "canary, none",           "canary, chachapoly", "canary, aes", "encryption, none",
	        "encryption, chachapoly", "encryption, aes",    "reads",
	};
	const char *const argv[] = {
	        ATREST,     "selftest", "--set", "messages=200", "--set",  "fill_messages=200",
	        "--rounds", "6",        "-o",    "out",          "--json", NULL};
	struct fixture_output out;
	json_t *whole, *kept;
	char path[4096];

	fixture_run(*state, argv, &out);
	whole = json_loads(out.standard, 0, NULL);
	if (whole == NULL)
		fail_msg("status %d, %s", out.status, out.error);
	for (size_t i = 0; i < sizeof(sure) / sizeof(sure[0]); i++)
		assert_string_equal(verdict_of(whole, sure[i]), "ok");
	/* Of a file system in memory nobody can tell. */
	assert_string_not_equal(verdict_of(whole, "syncs"), "FAILED");
	assert_int_equal(json_array_size(json_object_get(whole, "checks")), 8 + 10);
	assert_int_equal(out.status, json_integer_value(json_object_get(whole, "failed")) > 0 ? 1
	                             : json_is_true(json_object_get(whole, "told"))           ? 0
	                                                                                      : 3);
	snprintf(path, sizeof(path), "%s/out/selftest.json", (const char *)*state);
	kept = json_load_file(path, 0, NULL);
	assert_true(json_equal(json_object_get(kept, "checks"), json_object_get(whole, "checks")));
	json_decref(kept);
	json_decref(whole);
	fixture_output_free(&out);
	snprintf(path, sizeof(path), "%s/out/selftest", (const char *)*state);
	assert_int_equal(fixture_count(path, "canary"), 0);
	assert_int_equal(fixture_count(path, ""), 2);
}

static void proofs_beside_a_run_are_on_its_page(void **state)
{
	const char *const run[] = {ATREST, "run", "p.ini", "--rounds", "1", "-o", "out", NULL};
	const char *const report[] = {ATREST, "report", "out", NULL};
	struct fixture_output out;
	char *page;

	fixture_write(*state, "p.ini", small_publish);
	fixture_run(*state, run, &out);
	assert_int_equal(out.status, 0);
	fixture_output_free(&out);
	page = fixture_read(*state, "out/report.html");
	assert_null(strstr(page, "Can the measurement be believed?"));
	free(page);
	fixture_write(*state, "out/selftest.json",
	              "{\"failed\":1,\"told\":true,\"checks\":[{\"what\":\"canary, <aes>\","
	              "\"verdict\":\"FAILED\",\"evidence\":\"clear text on disk\"}]}\n");
	fixture_run(*state, report, &out);
	fixture_output_free(&out);
	page = fixture_read(*state, "out/report.html");
	assert_non_null(strstr(page, "Can the measurement be believed?"));
	assert_non_null(strstr(page, "<td>FAILED</td><td>canary, &lt;aes&gt;</td>"));
	free(page);
}

static void a_rigorous_run_brings_its_proofs(void **state)
{
	const char *const argv[] = {ATREST, "run", "p.ini", "--rigorous", "--budget",
	                            "2s",   "-o",  "out",   NULL};
	struct fixture_output out;
	char *text;

	if (getenv("ATREST_RIGOROUS") == NULL) {
		print_message("skipped: minutes; ATREST_RIGOROUS=1 runs it\n");
		skip();
	}
	fixture_write(*state, "p.ini", small_publish);
	fixture_run(*state, argv, &out);
	/* Too short for a point; and who knows how quiet it is here. */
	assert_true(out.status == 3 || out.status == 1);
	fixture_output_free(&out);
	text = fixture_read(*state, "out/selftest.json");
	assert_non_null(text);
	assert_non_null(strstr(text, "encryption, aes"));
	free(text);
	text = fixture_read(*state, "out/report.html");
	assert_non_null(strstr(text, "Can the measurement be believed?"));
	free(text);
}

int main(void)
{
#define WITH_DIRECTORY(test)                                                                       \
	cmocka_unit_test_setup_teardown(test, fixture_directory_make, fixture_directory_remove)
	const struct CMUnitTest tests[] = {
	        WITH_DIRECTORY(noise_tells_a_resolution_and_advice),
	        WITH_DIRECTORY(few_rounds_have_no_resolution),
	        WITH_DIRECTORY(bad_input_is_refused),
	        WITH_DIRECTORY(encryption_reads_and_syncs_are_proven),
	        WITH_DIRECTORY(proofs_beside_a_run_are_on_its_page),
	        WITH_DIRECTORY(a_rigorous_run_brings_its_proofs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
