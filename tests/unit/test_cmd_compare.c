/* test_cmd_compare.c - the command as people and CI see it: exit codes, files, and that nothing
 * malformed, incomplete or unfit ever passes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/output/csv.h"
#include "harness/output/replace.h"
#include "harness/output/samples.h"
#include "tests/unit/synthetic.h"

#define ATREST ATREST_BINARY_DIR "/cli/atrest"

static const char machine_text[] =
        "{\"host\": \"here\", \"cpu\": {\"model\": \"EPYC\", \"processors\": 2,\n"
        " \"processors_allowed\": 2, \"instructions\": [\"aes\", \"avx2\"]},\n"
        " \"memory\": {\"limit_bytes\": 8000000000}, \"virtualisation\": {\"hypervisor\": null},\n"
        " \"kernel\": {\"release\": \"6.1\"}, \"directories\": [{\"type\": \"ext4\"}],\n"
        " \"run\": {\"directories\": [{\"name\": \"default\", \"path\": \"/x\"}]}}\n";

static char folder[64];
static char *valid; /* samples.csv of the folder "base", text */

/* ---- making results ---- */

static void write_result(const char *name, const struct samples *s, int complete)
{
	char path[256];

	mkdir(synthetic_path(folder, name), 0755);
	snprintf(path, sizeof(path), "%s/%s/samples.csv", folder, name);
	assert_int_equal(synthetic_write(path, s, complete), 0);
	snprintf(path, sizeof(path), "%s/%s/machine.json", folder, name);
	assert_int_equal(replace_file(path, machine_text, strlen(machine_text)), 0);
}

/* publish-1k and publish-8k; aes of the first is dearer by so much. */
static void make(struct samples *s, double added_ns, double slice, uint64_t seed)
{
	struct synthetic_cell cells[2] = {synthetic_quick[1], synthetic_quick[2]};

	cells[0].aes_ns += added_ns;
	memset(s, 0, sizeof(*s));
	synthetic_add(s, cells, 2, (struct synthetic_noise){0.05, slice, 0}, seed);
	/* Percentiles take the longest, and nobody asks for them here. */
	for (size_t i = 0; i < s->count; i++) {
		struct sample *row = &s->rows[i];
		row->latency_p50_ns = row->latency_p99_ns = row->latency_p999_ns = 0;
	}
}

/* The same rows once more as those of a program "head", aes so many times as dear. */
static void add_program(struct samples *s, double factor)
{
	size_t count = s->count;
	uint64_t seed = 9;

	for (size_t i = 0; i < count; i++) {
		struct sample row = s->rows[i];
		double slice = exp(0.012 * synthetic_normal(&seed));
		if (strcmp(row.arm, "none-twin") == 0)
			continue;
		slice *= strcmp(row.arm, "aes") == 0 ? factor : 1;
		snprintf(row.arm, sizeof(row.arm), "%.100s+head", s->rows[i].arm);
		row.acked_s *= slice;
		row.cpu_ns = (uint64_t)((double)row.cpu_ns * slice);
		assert_int_equal(samples_add(s, &row), 0);
	}
}

static int make_results(void **state)
{
	static const struct {
		const char *name;
		double added_ns, slice;
	} results[] = {
	        {"base", 0, 0.012}, {"same", 0, 0.012}, {"worse", 250, 0.012}, {"loud", 0, 0.1}};
	struct samples s;
	size_t bytes;
	char path[256];
	(void)state;

	unsetenv("GITHUB_STEP_SUMMARY");
	synthetic_folder(folder);
	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		make(&s, results[i].added_ns, results[i].slice, 10 + i);
		write_result(results[i].name, &s, 1);
		samples_free(&s);
	}
	for (int dearer = 0; dearer < 2; dearer++) {
		make(&s, 0, 0.012, 20);
		add_program(&s, dearer ? 1.2 : 1);
		write_result(dearer ? "arm-worse" : "arm-same", &s, 1);
		samples_free(&s);
	}
	snprintf(path, sizeof(path), "%s/base/samples.csv", folder);
	return read_whole_file(path, 1 << 24, &valid, &bytes);
}

static int remove_results(void **state)
{
	(void)state;
	free(valid);
	synthetic_remove(folder);
	return 0;
}

/* ---- running ---- */

static char *out, *err;

/* Runs "atrest compare ARGUMENTS" in the folder of the results. Its exit code. */
static int compare(const char *arguments)
{
	char command[2048];
	size_t bytes;

	free(out);
	free(err);
	snprintf(command, sizeof(command), "cd %s && '%s' compare > out 2> err %s", folder, ATREST,
	         arguments);
	int status = system(command);
	assert_true(WIFEXITED(status));
	assert_int_equal(read_whole_file(synthetic_path(folder, "out"), 1 << 24, &out, &bytes), 0);
	assert_int_equal(read_whole_file(synthetic_path(folder, "err"), 1 << 24, &err, &bytes), 0);
	return WEXITSTATUS(status);
}

static void expect(const char *arguments, int code, const char *says)
{
	int found = compare(arguments);

	if (found != code ||
	    (says != NULL && strstr(out, says) == NULL && strstr(err, says) == NULL))
		fail_msg("%s: exit %d, expected %d and \"%s\"; said:\n%s%s", arguments, found, code,
		         says != NULL ? says : "", out, err);
}

/* A file below the folder, or NULL; the caller frees it. */
static char *content(const char *name)
{
	char *text;
	size_t bytes;

	return read_whole_file(synthetic_path(folder, name), 1 << 24, &text, &bytes) == 0 ? text
	                                                                                  : NULL;
}

/* ---- what comes out ---- */

static void each_verdict_has_its_exit_code(void **state)
{
	(void)state;
	expect("base same", 0, "same: 8 comparisons");
	assert_string_equal(err, "");
	expect("base worse", 1, "worse: aes takes more");
	expect("worse base", 0, "better: 8 comparisons");
	expect("base loud", 3, "inconclusive: ");
	expect("--margin 40 base worse", 0, "same");
	expect("--arm head arm-same", 0, "same: 12 comparisons");
	expect("--arm head arm-worse", 1, "worse: aes takes more");
}

static void every_format_is_written(void **state)
{
	(void)state;
	expect("--json base worse", 1, NULL);
	json_t *json = json_loads(out, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "verdict")), "worse");
	json_decref(json);
	expect("--markdown base worse", 1, "| publish-1k | store 0.1.0 | default | aes |");
	expect("--junit unit.xml -o page.md --markdown base worse", 1, NULL);
	assert_string_equal(out, "");
	char *junit = content("unit.xml");
	char *page = content("page.md");
	assert_non_null(strstr(junit, "failures=\"2\""));
	assert_non_null(strstr(page, "### atrest compare: base and worse"));
	free(junit);
	free(page);
	expect("--json base no-such-folder", 2, "\"verdict\": \"not compared\"");
	assert_non_null(strstr(out, "\"margin\": 5.0"));
	expect("-o no/such/folder base same", 4, "no/such/folder");
	expect("base same > /dev/full", 4, NULL);
}

static void the_summary_of_a_ci_job_gets_the_page_too(void **state)
{
	(void)state;
	assert_int_equal(replace_file(synthetic_path(folder, "step"), "before\n", 7), 0);
	setenv("GITHUB_STEP_SUMMARY", "step", 1);
	expect("base worse", 1, NULL);
	expect("base no-such-folder", 2, NULL);
	unsetenv("GITHUB_STEP_SUMMARY");
	char *step = content("step");
	assert_int_equal(strncmp(step, "before\n### atrest compare", 25), 0);
	assert_non_null(strstr(step, "not compared: no-such-folder/samples.csv"));
	free(step);
}

static void a_baseline_is_kept_and_compared_with(void **state)
{
	char command[512];
	(void)state;

	expect("--baseline v1 same", 2, "results/baselines/v1/samples.csv");
	expect("--save-baseline v1 base", 0, "results/baselines/v1");
	expect("--baseline v1 same", 0, "same");
	expect("--baseline v1 worse", 1, NULL);
	expect("--baseline v1", 2, "results/latest/samples.csv");
	snprintf(command, sizeof(command), "ln -s ../worse %s/results/latest", folder);
	assert_int_equal(system(command), 0);
	expect("--baseline v1", 1, NULL);
	/* Another one takes its place, and nothing is left beside it. */
	expect("--save-baseline v1 worse", 0, NULL);
	expect("--baseline v1", 0, NULL);
	snprintf(command, sizeof(command), "test \"$(ls -A %s/results/baselines)\" = v1", folder);
	assert_int_equal(system(command), 0);
	/* One that could not be compared is not kept, and the old one stays. */
	expect("--save-baseline v1 no-such-folder", 2, NULL);
	expect("--baseline v1", 0, NULL);
	expect("--save-baseline ../v1 base", 2, "is no name of a baseline");
	expect("--save-baseline .v1 base", 2, "is no name of a baseline");
	expect("--baseline a/b same", 2, "is no name of a baseline");
}

static void bad_usage_ends_in_2(void **state)
{
	(void)state;
	expect("", 2, "expected BASE and NEW");
	expect("base", 2, "expected BASE and NEW");
	expect("base same worse", 2, "expected BASE and NEW");
	expect("base base", 2, "base and base: both are the same folder");
	expect("base ./same/../base", 2, "both are the same folder");
	expect("--arm head", 2, "--arm: found 0 arguments");
	expect("--arm head --baseline x arm-same", 2, "more than one");
	expect("--arm head --common arm-same", 2, "--common");
	expect("--arm head base", 2, "no arm of a program \"head\"");
	expect("--arm other arm-same", 2, "no arm of a program \"other\"");
	expect("--json --markdown base same", 2, "--markdown, --json");
	expect("--margin -1 base same", 2, "--margin");
	expect("--margin nan base same", 2, "--margin");
	expect("--margin 101 base same", 2, "--margin");
	expect("--help", 0, "Exit codes: 0 no worse");
}

/* ---- other machines ---- */

static void write_machine(const char *name, const char *from, const char *to)
{
	char text[1024];
	char path[128];
	const char *at = strstr(machine_text, from);

	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - machine_text), machine_text, to,
	         at + strlen(from));
	snprintf(path, sizeof(path), "%s/%s/machine.json", folder, name);
	assert_int_equal(replace_file(path, text, strlen(text)), 0);
}

static void another_machine_ends_in_4_unless_asked_for(void **state)
{
	(void)state;
	write_machine("same", "EPYC", "Xeon");
	expect("base same", 4, "CPU model is EPYC in BASE and Xeon in NEW");
	expect("--across-machines base same", 0, "Not the same machine: overheads are compared");
	assert_null(strstr(out, "Plaintext itself"));
	write_machine("same", "ext4", "xfs");
	expect("base same", 4, "file system of directory default is ext4");
	write_machine("same", "6.1", "6.12");
	expect("base same", 0, "kernel");
	write_machine("same", "\"cpu\"", "\"CPU\"");
	expect("base same", 2, "no member \"cpu.model\"");
	write_machine("same", "\"run\"", "\"ran\"");
	expect("base same", 2, "no member \"run.directories\"");
	write_machine("same", "{", "");
	expect("base same", 2, "expected JSON");
	unlink(synthetic_path(folder, "same/machine.json"));
	expect("base same", 2, "same/machine.json");
	expect("--across-machines base same", 0, NULL);
	write_machine("same", "EPYC", "EPYC");
	expect("base same", 0, NULL);
}

/* ---- 40 that must never pass ---- */

/* Text up to `keep` bytes, or all of it, with one thing replaced; sealed: trailer made anew. */
struct spoilt {
	const char *what;
	int code;
	const char *find, *put; /* the first of it after `after`; NULL: nothing is replaced */
	int sealed;
	double keep; /* share of the bytes, 0: all */
};

/* "@column": the value in the first row. */
static const struct spoilt list[] = {
        {"empty file", 2, NULL, NULL, 0, -1},
        {"cut in the schema line", 2, NULL, NULL, 0, 0.00004},
        {"cut in the columns", 2, NULL, NULL, 0, 0.005},
        {"cut in the first row", 2, NULL, NULL, 0, 0.034},
        {"cut in the middle", 2, NULL, NULL, 0, 0.5},
        {"cut near the end", 2, NULL, NULL, 0, 0.99},
        {"cut in the trailer", 2, NULL, NULL, 0, 0.9999},
        {"no trailer", 2, "# rows=96", "", 0, 0},
        {"a changed byte", 2, ",2m,", ",3m,", 0, 0},
        {"row count wrong", 2, "# rows=96", "# rows=95", 0, 0},
        {"digest wrong", 2, "sha256=", "sha256=0", 0, 0},
        {"text behind the trailer", 2, "@end", "x\n", 0, 0},
        {"no schema line", 2, "# atrest-samples v3\n", "", 1, 0},
        {"other schema", 2, "# atrest-samples", "# atrest-summary", 1, 0},
        {"schema 1", 4, "# atrest-samples v3", "# atrest-samples v1", 1, 0},
        {"schema 2", 4, "# atrest-samples v3", "# atrest-samples v2", 1, 0},
        {"schema 9", 4, "# atrest-samples v3", "# atrest-samples v9", 1, 0},
        {"missing column", 2, ",cpu_ns,", ",", 1, 0},
        {"last column missing", 2, ",attempt\n", "\n", 1, 0},
        {"another column", 2, ",attempt\n", ",attempt,more\n", 1, 0},
        {"renamed column", 2, "payload_bytes", "payload_kb", 1, 0},
        {"a field less", 2, "publish-1k,publish,", "publish-1k,", 1, 0},
        {"a field more", 2, "publish-1k,publish,", "publish-1k,publish,,", 1, 0},
        {"NaN", 2, "@acked_s", "nan", 1, 0},
        {"infinity", 2, "@acked_s", "inf", 1, 0},
        {"negative time", 2, "@acked_s", "-0.5", 1, 0},
        {"no time", 2, "@acked_s", "0", 1, 0},
        {"negative CPU time", 2, "@cpu_ns", "-1", 1, 0},
        {"hexadecimal", 2, "@cpu_ns", "0x10", 1, 0},
        {"empty number", 2, "@cpu_ns", "", 1, 0},
        {"zero CPU time", 2, "@cpu_ns", "0", 1, 0},
        {"zero operations", 2, "@messages", "0", 1, 0},
        {"above 2^64", 2, "@messages", "18446744073709551616", 1, 0},
        {"a round twice", 2, "@round", "1", 1, 0},
        {"a failed slice", 2, "@valid", "0", 1, 0},
        {"an arm of its own", 2, "@arm", "aes2", 1, 0},
        {"no workload", 2, "@workload", "", 1, 0},
        {"no digest of the workload", 2, "@workload_digest", "", 1, 0},
        {"debug build", 4, "@build", "debug", 1, 0},
        {"sanitised build", 4, "@build", "asan", 1, 0},
        {"no build", 4, "@build", "", 1, 0},
        {"CRLF", 2, "v3\n", "v3\r\n", 1, 0},
        {"misplaced quote", 2, "publish-1k,", "publish\"-1k,", 1, 0},
        {"not UTF-8", 2, "publish-1k,", "publish-1k\xff,", 1, 0},
        {"binary", 2, "# atrest-samples v3", "\x7f\x45\x4c\x46\x02\x01", 1, 0},
};

/* Writes text as samples.csv of "spoilt"; sealed with the right number of rows and digest. */
static void write_spoilt(const char *text, size_t bytes, int sealed)
{
	struct csv_text t = {0};

	mkdir(synthetic_path(folder, "spoilt"), 0755);
	assert_int_equal(replace_file(synthetic_path(folder, "spoilt/machine.json"), machine_text,
	                              strlen(machine_text)),
	                 0);
	t.data = malloc(bytes + 4096);
	t.capacity = bytes + 4096;
	memcpy(t.data, text, bytes);
	t.bytes = bytes;
	t.data[bytes] = '\0';
	if (sealed) {
		char *trailer = strstr(t.data, "\n# rows=");
		uint64_t rows = 0;
		assert_non_null(trailer);
		t.bytes = (size_t)(trailer + 1 - t.data);
		for (size_t i = 0; i < t.bytes; i++)
			rows += t.data[i] == '\n';
		assert_int_equal(csv_put_trailer(&t, rows - 2, t.data, t.bytes), 0);
	}
	assert_int_equal(
	        replace_file(synthetic_path(folder, "spoilt/samples.csv"), t.data, t.bytes), 0);
	csv_text_free(&t);
}

static void spoil(const struct spoilt *s)
{
	struct csv_text t = {0};
	size_t at = strlen(valid);
	size_t cut = 0;

	if (s->find != NULL && s->find[0] == '@' && strcmp(s->find, "@end") != 0) {
		at = synthetic_field(valid, s->find + 1, &cut);
	} else if (s->find != NULL && s->find[0] != '@') {
		const char *found = strstr(valid, s->find);
		assert_non_null(found);
		at = (size_t)(found - valid);
		cut = strlen(s->find);
		/* Without its trailer the file ends there. */
		if (s->put[0] == '\0' && s->find[0] == '#' && !s->sealed)
			cut = strlen(found);
	}
	t.data = malloc(strlen(valid) + 4096);
	int bytes = sprintf(t.data, "%.*s%s%s", (int)at, valid, s->put != NULL ? s->put : "",
	                    valid + at + cut);
	if (s->keep != 0)
		bytes = s->keep < 0 ? 0 : (int)(s->keep * bytes);
	write_spoilt(t.data, (size_t)bytes, s->sealed);
	free(t.data);
}

static void nothing_malformed_or_incomplete_ever_passes(void **state)
{
	(void)state;
	/* The same without a fault passes: it is the faults that are found. */
	write_spoilt(valid, strlen(valid), 1);
	expect("base spoilt", 0, NULL);
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		spoil(&list[i]);
		int found = compare("base spoilt");
		if (found != list[i].code)
			fail_msg("%s: exit %d, expected %d; said:\n%s%s", list[i].what, found,
			         list[i].code, out, err);
		assert_int_equal(strncmp(err, "error: ", 7), 0);
		assert_string_equal(out, "");
		assert_int_equal(compare("--common spoilt same"), list[i].code);
		/* The rest takes the same way in. */
		if (i % 8 != 0)
			continue;
		assert_in_range(compare("--arm head spoilt"), 2, 4);
		assert_int_not_equal(compare("--save-baseline spoilt spoilt"), 0);
	}
}

static void what_is_no_file_of_samples_ends_in_2(void **state)
{
	(void)state;
	expect("base no-such-folder", 2, "no-such-folder/samples.csv");
	expect("base base/samples.csv", 2, "expected the folder of a run");
	mkdir(synthetic_path(folder, "hollow"), 0755);
	mkdir(synthetic_path(folder, "hollow/samples.csv"), 0755);
	expect("base hollow", 2, "not a file");
	expect("base ''", 2, NULL);
}

/* Rows of these are kept; the file is whole. */
static void write_without(const char *workload, const char *arm, uint64_t from_round)
{
	struct samples s, kept = {0};

	make(&s, 0, 0.012, 10);
	for (size_t i = 0; i < s.count; i++) {
		const struct sample *row = &s.rows[i];
		if (strcmp(row->workload, workload) == 0 &&
		    (arm == NULL || strcmp(row->arm, arm) == 0) && row->round >= from_round)
			continue;
		assert_int_equal(samples_add(&kept, row), 0);
	}
	write_result("less", &kept, 1);
	samples_free(&kept);
	samples_free(&s);
}

static void what_is_missing_never_passes(void **state)
{
	struct samples s;
	(void)state;

	write_without("publish-1k", "aes", 0);
	expect("base less", 2, "less: publish-1k (store) has no arm aes");
	write_without("publish-1k", "none", 0);
	expect("base less", 2, "does not count");
	write_without("publish-1k", "aes", 11);
	expect("base less", 2, "arm aes of publish-1k (store) does not count");
	write_without("publish-1k", NULL, 0);
	expect("base less", 2, "only base has arm aes of publish-1k");
	assert_non_null(strstr(err, "\n--common compares what both have"));
	expect("--common base less", 0, "not compared: only base has arm aes of publish-1k");
	expect("--common --markdown base less", 0, "- not compared: only base");
	make(&s, 0, 0.012, 10);
	s.count = 0;
	write_result("less", &s, 1);
	expect("base less", 2, "less: no rows");
	samples_free(&s);
	make(&s, 0, 0.012, 10);
	write_result("less", &s, 0);
	expect("base less", 2, "incomplete");
	samples_free(&s);
}

static void keys_that_differ_are_named(void **state)
{
	static const char one[] = "# x: every key\nrounds = 12\nsizes = 1024\nflush = each\n";
	static const char two[] = "# x: every key\nrounds = 8\nsizes = 4096\nflush = each\n"
	                          "window = 5\n";
	struct samples s;
	(void)state;

	make(&s, 0, 0.012, 10);
	for (size_t i = 0; i < s.count; i++)
		strcpy(s.rows[i].workload_digest, "0123456789abcdef");
	write_result("less", &s, 1);
	samples_free(&s);
	expect("base less", 2, "of the same name there differs in workload_digest");
	mkdir(synthetic_path(folder, "base/workloads"), 0755);
	mkdir(synthetic_path(folder, "less/workloads"), 0755);
	assert_int_equal(replace_file(synthetic_path(folder, "base/workloads/publish-1k.ini"), one,
	                              strlen(one)),
	                 0);
	assert_int_equal(replace_file(synthetic_path(folder, "less/workloads/publish-1k.ini"), two,
	                              strlen(two)),
	                 0);
	expect("base less", 2, "publish-1k: sizes is 1024 in BASE, 4096 in NEW");
	assert_non_null(strstr(err, "publish-1k: window is - in BASE, 5 in NEW"));
	assert_null(strstr(err, "rounds is"));
	assert_null(strstr(err, "flush is"));
}

/* What the program itself wrote: fit to be compared, but for the build where that is not. */
static void results_of_this_very_build(void **state)
{
	char command[1024];
	char path[128];
	struct samples s;
	char error[512];
	(void)state;

	snprintf(command, sizeof(command),
	         "cd %s && '%s' run -o real --cipher none,aes --set messages=200 --rounds 8 "
	         "%s/workloads/publish-1k.ini > run.out 2>&1 && cp -r real again",
	         folder, ATREST, ATREST_SOURCE_DIR);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof(path), "%s/real/samples.csv", folder);
	assert_int_equal(samples_read(path, &s, error), CSV_RESULT_OK);
	assert_int_equal(strlen(s.rows[0].workload_digest), 16);
	int release = strcmp(s.rows[0].build, "release") == 0;
	samples_free(&s);
	if (release)
		assert_true(compare("real again") == 0 || compare("real again") == 3);
	else
		expect("real again", 4, "build, expected \"release\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(each_verdict_has_its_exit_code),
	        cmocka_unit_test(every_format_is_written),
	        cmocka_unit_test(the_summary_of_a_ci_job_gets_the_page_too),
	        cmocka_unit_test(a_baseline_is_kept_and_compared_with),
	        cmocka_unit_test(bad_usage_ends_in_2),
	        cmocka_unit_test(another_machine_ends_in_4_unless_asked_for),
	        cmocka_unit_test(nothing_malformed_or_incomplete_ever_passes),
	        cmocka_unit_test(what_is_no_file_of_samples_ends_in_2),
	        cmocka_unit_test(what_is_missing_never_passes),
	        cmocka_unit_test(keys_that_differ_are_named),
	        cmocka_unit_test(results_of_this_very_build),
	};
	return cmocka_run_group_tests(tests, make_results, remove_results);
}
