/* test_run.c - `atrest run` as people meet it: what its results are, and what stays of them. */
#include "tests/unit/run_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void samples_of(const char *directory, const char *folder, struct samples *out)
{
	fixture_samples(directory, folder, out);
	fixture_drop_set_aside(out);
}

static void results_are_complete(void **state)
{
	const char *const argv[] = {ATREST, "run",    "p.ini", "r.ini", "--rounds",
	                            "4",    "--seed", "5",     NULL};
	struct fixture_output out;
	struct samples samples;
	char *text;

	fixture_workloads(*state);
	fixture_run(*state, argv, &out);
	fixture_expect_status(&out, 0);
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
		fixture_expect_status(&out, 0);
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

	fixture_write(*state, "p.ini", fixture_small_publish);
	fixture_run(*state, first, &out);
	fixture_expect_status(&out, 0);
	fixture_output_free(&out);
	fixture_run(*state, again, &out);
	fixture_expect_status(&out, 0);
	fixture_output_free(&out);
	samples_of(*state, "b", &samples);
	assert_int_equal(samples.rows[0].messages, 123);
	samples_free(&samples);
}

/* ---- by width ---- */

static void a_width_that_is_not_reached_is_told(void **state)
{
	static const struct {
		const char *precision, *budget, *folder;
		int status;
		const char *ended_by;
	} cases[] = {{"--precision=0.1%", "--budget=1s", "narrow", 3, "budget"},
	             {"--budget=1s", "--cipher=aes", "budget", 0, "budget"},
	             {"--precision=50%", "--cipher=aes", "wide", 0, "precision"}};

	fixture_write(*state, "p.ini", fixture_small_publish);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const argv[] = {
		        ATREST,          "run", "p.ini",         cases[i].precision,
		        cases[i].budget, "-o",  cases[i].folder, NULL};
		struct fixture_output out;
		json_t *run, *precision, *cell;
		int wide;

		fixture_run(*state, argv, &out);
		fixture_expect_status(&out, cases[i].status);
		run = fixture_run_member(*state, cases[i].folder);
		precision = json_object_get(run, "precision");
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
		json_decref(run);
		fixture_output_free(&out);
	}
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

	fixture_workloads(*state);
	fixture_run(*state, argv, &out);
	fixture_expect_status(&out, 0);
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
		fixture_expect_status(&out, 0);
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

	fixture_write(*state, "p.ini", fixture_small_publish);
	fixture_write(*state, "js.conf",
	              "jetstream { key: \"secret-text\", cipher: aes, sync_interval: always }\n");
	fixture_write(*state, "bad.conf", "jetstream { sync_interval: \"soon\" }\n");
	fixture_run(*state, argv, &out);
	fixture_expect_status(&out, 0);
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
	fixture_expect_status(&out, 2);
	assert_non_null(strstr(out.error, "sync_interval: found 'soon'"));
	fixture_output_free(&out);
}

int main(void)
{
#define WITH_DIRECTORY(test)                                                                       \
	cmocka_unit_test_setup_teardown(test, fixture_directory_make, fixture_directory_remove)
	const struct CMUnitTest tests[] = {
	        WITH_DIRECTORY(results_are_complete),
	        WITH_DIRECTORY(a_limit_makes_blocks_equal_in_all_arms),
	        WITH_DIRECTORY(the_resolved_workload_runs_again),
	        WITH_DIRECTORY(a_width_that_is_not_reached_is_told),
	        WITH_DIRECTORY(kept_stores_verify_with_the_kept_key),
	        WITH_DIRECTORY(a_servers_configuration_gives_cipher_and_sync),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
