/* test_formats.c - the rows in the formats of other tools: each against its grammar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/output/formats.h"
#include "tests/unit/synthetic.h"

#define CELLS 2

static struct samples samples;
static struct summary summary;
static json_t *machine;

/* Two cells of the store and a server; one slice failed, one round was repeated. */
static int make_rows(void **state)
{
	static const struct synthetic_noise quiet = {0.05, 0.012, 0};
	(void)state;
	synthetic_add(&samples, synthetic_quick, CELLS, quiet, 7);
	synthetic_add_server(&samples, &synthetic_nats_new, quiet, 8);
	for (size_t i = 0; i < samples.count; i++) {
		struct sample *s = &samples.rows[i];
		if (strcmp(s->workload, "publish-64b") == 0 && s->round == 3 &&
		    strcmp(s->arm, "aes") == 0) {
			s->valid = 0;
			snprintf(s->error, sizeof(s->error), "no \"space\"\\left");
		}
	}
	assert_int_equal(summary_make(&samples, &summary), 0);
	machine = json_pack("{ss ss s{ss si si} s{ss ss} s{ss ss ss}}", "time",
	                    "2026-01-02T03:04:05Z", "host", "a\"b\\c", "cpu", "model",
	                    "EPYC \"9\" \\ 64", "processors", 2, "frequency_khz", 2445424, "kernel",
	                    "release", "6.1", "architecture", "x86_64", "build", "version", "0.1.0",
	                    "commit", "abc", "kind", "release");
	assert_non_null(machine);
	return 0;
}

static int free_rows(void **state)
{
	(void)state;
	samples_free(&samples);
	summary_free(&summary);
	json_decref(machine);
	return 0;
}

static char *text_from(const char *format, const struct formats_source *source)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	assert_non_null(out);
	assert_int_equal(formats_find(format)(out, source), 0);
	assert_int_equal(fclose(out), 0);
	return text;
}

static char *text_of(const char *format, const json_t *of_machine)
{
	struct formats_source source = {&samples, &summary, of_machine};
	return text_from(format, &source);
}

static int matches(const char *pattern, const char *line)
{
	regex_t regex;
	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	int rc = regexec(&regex, line, 0, NULL, 0);
	regfree(&regex);
	return rc == 0;
}

/* Calls check for each line; the text is taken apart. */
static size_t each_line(char *text, void (*check)(const char *line, void *arg), void *arg)
{
	size_t lines = 0;
	char *line;
	assert_int_equal(text[strlen(text) - 1], '\n');
	text[strlen(text) - 1] = '\0';
	while ((line = strsep(&text, "\n")) != NULL) {
		check(line, arg);
		lines++;
	}
	return lines;
}

static void an_unknown_name_is_no_format(void **state)
{
	(void)state;
	assert_null(formats_find("gobench"));
	assert_null(formats_find(""));
	assert_non_null(strstr(formats_names(), "openmetrics"));
}

/* ---- go ---- */

#define GO_LINE                                                                                    \
	"^Benchmark[A-Z][A-Za-z0-9]*(/[a-z]+=[^ \t/=]+)*\t[1-9][0-9]*"                             \
	"(\t[0-9.]+(e[+-]?[0-9]+)? [A-Za-z0-9-]+(/(op|s))?)+$"

struct go_lines {
	size_t results, aes_64b;
	double first_ns;
};

static void check_go(const char *line, void *arg)
{
	struct go_lines *seen = arg;
	if (strncmp(line, "Benchmark", 9) != 0) {
		if (!matches("^[a-z][a-z-]*: .+$", line))
			fail_msg("neither a configuration line nor a result: %s", line);
		return;
	}
	if (!matches(GO_LINE, line))
		fail_msg("no result line: %s", line);
	/* Fields come in pairs: name and count, value and unit. */
	size_t fields = 1;
	for (const char *c = line; *c != '\0'; c++)
		fields += *c == '\t' || *c == ' ';
	assert_int_equal(fields % 2, 0);
	assert_non_null(strstr(line, " ns/op"));
	seen->aes_64b += strstr(line, "BenchmarkPublish64b/target=store/arm=aes\t") != NULL;
	seen->results++;
}

static void go_text_is_what_benchstat_reads(void **state)
{
	struct go_lines seen = {0};
	char *text = text_of("go", machine);
	(void)state;
	assert_non_null(strstr(text, "goos: linux\ngoarch: amd64\npkg: atrest\ncpu: EPYC \"9\""));
	assert_non_null(strstr(text, "BenchmarkPublish1k/target=nats-2.15.1/arm=none-twin\t"));
	/* What is compared must not split benchstat's tables. */
	assert_null(strstr(text, "commit:"));
	each_line(text, check_go, &seen);
	free(text);
	/* A line per valid slice: 12 rounds, one failed. */
	assert_int_equal(seen.results, samples.count - 1);
	assert_int_equal(seen.aes_64b, 11);
}

static void go_text_has_the_slices_own_numbers(void **state)
{
	char *text = text_of("go", machine);
	const struct sample *s = &samples.rows[0];
	char name[256];
	double ns;
	double cpu_ns;
	(void)state;
	snprintf(name, sizeof(name), "BenchmarkPublish64b/target=store/arm=%s\t%llu\t", s->arm,
	         (unsigned long long)s->messages);
	const char *line = strstr(text, name);
	assert_non_null(line);
	assert_int_equal(sscanf(line + strlen(name), "%lf ns/op", &ns), 1);
	assert_true(fabs(ns / (s->acked_s * 1e9 / (double)s->messages) - 1) < 1e-4);
	const char *cpu = strstr(line, "MB/s\t");
	assert_non_null(cpu);
	assert_int_equal(sscanf(cpu, "MB/s %lf cpu-ns/op", &cpu_ns), 1);
	assert_true(fabs(cpu_ns / ((double)s->cpu_ns / (double)s->messages) - 1) < 1e-4);
	free(text);
}

/* ---- Google Benchmark ---- */

static json_t *json_of(const char *format)
{
	json_error_t error;
	char *text = text_of(format, machine);
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL)
		fail_msg("%s:%d: %s", format, error.line, error.text);
	free(text);
	return json;
}

static void has_members(const json_t *o, const char *const *names)
{
	for (; *names != NULL; names++)
		if (json_object_get(o, *names) == NULL)
			fail_msg("member %s is missing", *names);
}

static void gbench_json_has_what_its_reader_needs(void **state)
{
	static const char *const of_context[] = {"date",     "host_name",   "executable",
	                                         "num_cpus", "mhz_per_cpu", "cpu_scaling_enabled",
	                                         "caches",   "load_avg",    "library_build_type",
	                                         NULL};
	static const char *const of_all[] = {"name",
	                                     "family_index",
	                                     "per_family_instance_index",
	                                     "run_name",
	                                     "run_type",
	                                     "repetitions",
	                                     "threads",
	                                     NULL};
	static const char *const of_times[] = {"iterations", "real_time", "cpu_time", "time_unit",
	                                       NULL};
	json_t *json = json_of("gbench");
	const json_t *entry;
	size_t i, repetitions = 0, failed = 0, aggregates = 0;
	(void)state;
	has_members(json_object_get(json, "context"), of_context);
	json_array_foreach(json_object_get(json, "benchmarks"), i, entry)
	{
		const char *type = json_string_value(json_object_get(entry, "run_type"));
		has_members(entry, of_all);
		if (json_is_true(json_object_get(entry, "error_occurred"))) {
			assert_string_equal(
			        json_string_value(json_object_get(entry, "error_message")),
			        "no \"space\"\\left");
			failed++;
			continue;
		}
		has_members(entry, of_times);
		assert_true(json_real_value(json_object_get(entry, "real_time")) > 0);
		if (strcmp(type, "iteration") == 0) {
			assert_non_null(json_object_get(entry, "repetition_index"));
			repetitions++;
		} else {
			assert_string_equal(type, "aggregate");
			assert_non_null(json_object_get(entry, "aggregate_name"));
			aggregates++;
		}
	}
	assert_int_equal(failed, 1);
	assert_int_equal(repetitions, samples.count - 1);
	assert_int_equal(aggregates, 3 * 4 * (CELLS + synthetic_nats_new.count));
	json_decref(json);
}

static void gbench_aggregates_are_of_the_repetitions(void **state)
{
	json_t *json = json_of("gbench");
	const json_t *entry;
	double sum = 0, mean = 0;
	size_t i, n = 0;
	(void)state;
	json_array_foreach(json_object_get(json, "benchmarks"), i, entry)
	{
		const char *name = json_string_value(json_object_get(entry, "name"));
		double time = json_real_value(json_object_get(entry, "real_time"));
		if (strcmp(name, "publish-64b/store/aes") == 0 &&
		    json_object_get(entry, "real_time") != NULL) {
			sum += time;
			n++;
		} else if (strcmp(name, "publish-64b/store/aes_mean") == 0) {
			mean = time;
		}
	}
	assert_int_equal(n, 11);
	assert_true(fabs(mean / (sum / (double)n) - 1) < 1e-9);
	json_decref(json);
}

/* ---- github-action-benchmark ---- */

static void github_json_is_a_list_of_what_should_be_small(void **state)
{
	json_t *json = json_of("github");
	const json_t *entry;
	size_t i, ranges = 0;
	(void)state;
	assert_true(json_is_array(json));
	assert_true(json_array_size(json) > 20);
	json_array_foreach(json, i, entry)
	{
		const char *name = json_string_value(json_object_get(entry, "name"));
		const char *unit = json_string_value(json_object_get(entry, "unit"));
		const json_t *range = json_object_get(entry, "range");
		assert_non_null(name);
		assert_true(strcmp(unit, "ns/msg") == 0 || strcmp(unit, "ns") == 0 ||
		            strcmp(unit, "bytes") == 0);
		assert_true(json_number_value(json_object_get(entry, "value")) > 0);
		assert_true(json_is_string(json_object_get(entry, "extra")));
		if (range != NULL) {
			assert_true(
			        matches("^± [0-9.]+(e[+-]?[0-9]+)?$", json_string_value(range)));
			ranges++;
		}
		/* One failed: nothing may be concluded from that arm. */
		assert_null(strstr(name, "publish-64b store aes:"));
	}
	assert_true(ranges > 10);
	json_decref(json);
}

/* ---- OpenMetrics ---- */

#define OM_NAME  "[a-z_][a-z0-9_]*"
#define OM_LABEL OM_NAME "=\"([^\"\\\\]|\\\\[\"\\\\n])*\""
#define OM_LINE  "^" OM_NAME "(\\{" OM_LABEL "(," OM_LABEL ")*\\})? -?[0-9.]+(e[+-]?[0-9]+)?$"

struct om {
	char family[128], type[32];
	char earlier[16384]; /* "\nNAME\n..." */
	size_t samples, units, ended;
};

static void check_family(const char *line, struct om *om)
{
	char name[128];
	char rest[256];
	if (sscanf(line, "# TYPE %127s %31s", name, om->type) == 2) {
		char listed[160];
		snprintf(listed, sizeof(listed), "\n%s\n", name);
		if (strstr(om->earlier, listed) != NULL)
			fail_msg("a family in two places: %s", name);
		strcat(om->earlier, listed);
		snprintf(om->family, sizeof(om->family), "%s", name);
		assert_true(matches("^(gauge|info|stateset)$", om->type));
	} else if (sscanf(line, "# UNIT %127s %255s", name, rest) == 2) {
		assert_string_equal(name, om->family);
		size_t bytes = strlen(name), unit = strlen(rest);
		assert_true(bytes > unit + 1);
		assert_string_equal(name + bytes - unit, rest);
		assert_int_equal(name[bytes - unit - 1], '_');
		om->units++;
	} else {
		assert_int_equal(sscanf(line, "# HELP %127s %255s", name, rest), 2);
		assert_string_equal(name, om->family);
	}
}

static void check_om(const char *line, void *arg)
{
	struct om *om = arg;
	assert_int_equal(om->ended, 0);
	if (strcmp(line, "# EOF") == 0) {
		om->ended = 1;
	} else if (line[0] == '#') {
		check_family(line, om);
	} else {
		if (!matches(OM_LINE, line))
			fail_msg("no sample: %s", line);
		size_t bytes = strlen(om->family);
		const char *suffix = strcmp(om->type, "info") == 0 ? "_info" : "";
		assert_int_equal(strncmp(line, om->family, bytes), 0);
		assert_int_equal(strncmp(line + bytes, suffix, strlen(suffix)), 0);
		assert_true(strchr("{ ", line[bytes + strlen(suffix)]) != NULL);
		om->samples++;
	}
}

static void openmetrics_text_keeps_its_grammar(void **state)
{
	static struct om om;
	char *text = text_of("openmetrics", machine);
	(void)state;
	/* Escaped: the processor's name holds quotes and a backslash. */
	assert_non_null(strstr(text, "cpu=\"EPYC \\\"9\\\" \\\\ 64\""));
	assert_non_null(strstr(text, "# TYPE atrest_cpu_per_msg_seconds gauge\n"
	                             "# UNIT atrest_cpu_per_msg_seconds seconds\n"));
	assert_non_null(strstr(text, "# UNIT atrest_disk_allocated_bytes bytes\n"));
	assert_non_null(strstr(text, "atrest_verdict=\"invalid\"} 1\n"));
	each_line(text, check_om, &om);
	free(text);
	assert_int_equal(om.ended, 1);
	assert_true(om.units >= 10);
	/* A value or an overhead for each row, five states of each. */
	assert_true(om.samples > 6 * summary.count);
}

static void openmetrics_text_has_base_units(void **state)
{
	char *text = text_of("openmetrics", machine);
	const struct summary_row *row = summary.rows;
	char start[512];
	double seconds;
	(void)state;
	while (row < summary.rows + summary.count && strcmp(row->metric, "cpu_ns_per_msg") != 0)
		row++;
	assert_true(row < summary.rows + summary.count);
	snprintf(start, sizeof(start), "\natrest_cpu_per_msg_seconds{workload=\"%s\"",
	         row->workload);
	const char *line = strstr(text, start);
	assert_non_null(line);
	assert_int_equal(sscanf(strstr(line, "} "), "} %lf", &seconds), 1);
	assert_true(fabs(seconds * 1e9 / row->value - 1) < 1e-9);
	free(text);
}

/* Its time, throughput and CPU time are those of the pace that it was given. */
static void an_open_loop_shows_percentiles_alone(void **state)
{
	struct samples rows = {0};
	struct summary of_them;
	struct formats_source source = {&rows, &of_them, NULL};
	(void)state;
	synthetic_add(&rows, synthetic_quick, CELLS, (struct synthetic_noise){0.05, 0.012, 0}, 7);
	for (size_t i = 0; i < rows.count; i++) {
		struct sample *s = &rows.rows[i];
		if (strcmp(s->workload, "publish-64b") != 0)
			continue;
		s->rate_msgs_s = 1000;
		s->response_count = s->latency_count;
		s->response_p50_ns = 12345;
		s->response_p99_ns = 23456;
	}
	assert_int_equal(summary_make(&rows, &of_them), 0);
	char *text = text_from("go", &source);
	const char *line = strstr(text, "BenchmarkPublish64b/target=store/arm=aes\t");
	assert_non_null(line);
	if (!matches("^[^\t]+\t[0-9]+\t[0-9.]+ p50-ns\t[0-9.]+ p99-ns\t12345 response-p50-ns\t"
	             "23456 response-p99-ns\t[0-9.]+ disk-B/op\n",
	             line))
		fail_msg("%.200s", line);
	free(text);
	text = text_from("gbench", &source);
	assert_null(strstr(text, "publish-64b"));
	assert_non_null(strstr(text, synthetic_quick[1].workload));
	free(text);
	summary_free(&of_them);
	samples_free(&rows);
}

static void all_do_without_machine_json(void **state)
{
	static const char *const names[] = {"go", "gbench", "github", "openmetrics"};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		char *text = text_of(names[i], NULL);
		assert_true(strlen(text) > 1000);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(an_unknown_name_is_no_format),
	        cmocka_unit_test(go_text_is_what_benchstat_reads),
	        cmocka_unit_test(go_text_has_the_slices_own_numbers),
	        cmocka_unit_test(gbench_json_has_what_its_reader_needs),
	        cmocka_unit_test(gbench_aggregates_are_of_the_repetitions),
	        cmocka_unit_test(github_json_is_a_list_of_what_should_be_small),
	        cmocka_unit_test(openmetrics_text_keeps_its_grammar),
	        cmocka_unit_test(openmetrics_text_has_base_units),
	        cmocka_unit_test(an_open_loop_shows_percentiles_alone),
	        cmocka_unit_test(all_do_without_machine_json),
	};
	return cmocka_run_group_tests(tests, make_rows, free_rows);
}
