/* test_workloads.c - every ready workload, tiny, on every target: so that none of them rots. */
#include "tests/unit/harness_fixture.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "harness/output/samples.h"

#define ATREST ATREST_BINARY_DIR "/cli/atrest"
#define READY  ATREST_SOURCE_DIR "/workloads"
#define MAX    64

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void every_ready_workload_runs_on_every_target(void **state)
{
	const char *argv[MAX + 20] = {ATREST, "run"};
	struct fixture_output out;
	struct samples samples;
	char path[4096], error[512];
	struct dirent *e;
	size_t n = 0, argc = 2;
	DIR *d = opendir(READY);
	char *files[MAX];

	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		size_t bytes = strlen(e->d_name);
		if (bytes < 5 || strcmp(e->d_name + bytes - 4, ".ini") != 0)
			continue;
		assert_true(n < MAX);
		snprintf(path, sizeof(path), "%s/%s", READY, e->d_name);
		files[n++] = strdup(path);
	}
	closedir(d);
	assert_true(n >= 8);
	qsort(files, n, sizeof(files[0]), by_text);
	for (size_t i = 0; i < n; i++)
		argv[argc++] = files[i];
	static const char *const rest[] = {
	        "--set",    "messages=120", "--set",    "fill_messages=120",
	        "--target", "store,null",   "--rounds", "1",
	        "-o",       "out"};
	for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++)
		argv[argc++] = rest[i];
	fixture_run(*state, argv, &out);
	if (out.status != 0)
		fail_msg("status %d: %s", out.status, out.error);
	snprintf(path, sizeof(path), "%s/out/samples.csv", (const char *)*state);
	if (samples_read(path, &samples, error) != CSV_RESULT_OK)
		fail_msg("%s", error);
	fixture_drop_set_aside(&samples);
	/* Four rounds of four arms on the store, two of two on nothing. */
	assert_int_equal(samples.count, n * (16 + 4));
	for (size_t i = 0; i < samples.count; i++) {
		assert_int_equal(samples.rows[i].valid, 1);
		assert_int_equal(samples.rows[i].messages, 120);
	}
	samples_free(&samples);
	for (size_t i = 0; i < n; i++)
		free(files[i]);
	fixture_output_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(every_ready_workload_runs_on_every_target,
	                                        fixture_directory_make, fixture_directory_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
