/* formats_gbench.c - Google Benchmark's JSON: a context, and a list with the repetitions of each
 * cell and arm, followed by their mean, median and standard deviation. */
#include "harness/output/formats.h"

#include "harness/analysis/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The slices of one cell and arm, in the order of the summary. */
struct family {
	const struct summary_row *row; /* names it */
	const struct sample **slices;  /* room for all samples */
	size_t count;                  /* valid ones and failed ones */
	char name[3 * SAMPLES_TEXT_BYTES];
	json_int_t index;
	double *values; /* room for all samples */
};

static json_t *context(const struct formats_source *source)
{
	const json_t *khz = formats_machine(source, "cpu.frequency_khz");
	const char *governor = formats_machine_text(source, "cpu.governor");
	const char *kind = formats_machine_text(source, "build.kind");
	json_t *c = json_pack(
	        "{ss* ss* ss sI sI sb s[] s[] ss}", "date", formats_machine_text(source, "time"),
	        "host_name", formats_machine_text(source, "host"), "executable", "atrest",
	        "num_cpus", json_integer_value(formats_machine(source, "cpu.processors")),
	        "mhz_per_cpu", json_integer_value(khz) / 1000, "cpu_scaling_enabled",
	        governor != NULL && strcmp(governor, "performance") != 0, "caches", "load_avg",
	        "library_build_type",
	        kind != NULL && strcmp(kind, "release") == 0 ? "release" : "debug");
	static const char *const extra[][2] = {{"atrest_version", "build.version"},
	                                       {"atrest_commit", "build.commit"},
	                                       {"cpu_model", "cpu.model"},
	                                       {"kernel", "kernel.release"}};
	for (size_t i = 0; c != NULL && i < sizeof(extra) / sizeof(extra[0]); i++) {
		const char *text = formats_machine_text(source, extra[i][1]);
		if (text != NULL)
			json_object_set_new(c, extra[i][0], json_string(text));
	}
	return c;
}

static json_int_t threads_of(const struct sample *s)
{
	return s->publishers + s->readers > 0 ? (json_int_t)(s->publishers + s->readers) : 1;
}

/* What a repetition and an aggregate both have. */
static json_t *entry(const struct family *f, const char *suffix, const char *type)
{
	char name[sizeof(f->name) + 16];
	snprintf(name, sizeof(name), "%s%s", f->name, suffix);
	return json_pack("{ss sI si ss ss sI sI}", "name", name, "family_index", f->index,
	                 "per_family_instance_index", 0, "run_name", f->name, "run_type", type,
	                 "repetitions", (json_int_t)f->count, "threads", threads_of(f->slices[0]));
}

static double cpu_ns(const struct sample *s)
{
	return (double)s->cpu_ns / (double)s->messages;
}

static json_t *repetition(const struct family *f, size_t i)
{
	const struct sample *s = f->slices[i];
	json_t *o = entry(f, "", "iteration");
	json_object_set_new(o, "repetition_index", json_integer((json_int_t)i));
	if (s->valid != 1 || s->messages == 0) {
		json_object_set_new(o, "error_occurred", json_true());
		json_object_set_new(o, "error_message",
		                    json_string(s->error[0] != '\0' ? s->error : "not valid"));
		return o;
	}
	double seconds = summary_time_ns(s) * (double)s->messages / 1e9;
	json_object_set_new(o, "iterations", json_integer((json_int_t)s->messages));
	json_object_set_new(o, "real_time", json_real(summary_time_ns(s)));
	json_object_set_new(o, "cpu_time", json_real(cpu_ns(s)));
	json_object_set_new(o, "time_unit", json_string("ns"));
	if (seconds > 0) {
		json_object_set_new(o, "items_per_second",
		                    json_real((double)s->messages / seconds));
		json_object_set_new(o, "bytes_per_second",
		                    json_real((double)s->payload_total_bytes / seconds));
	}
	return o;
}

static double mean_of(const double *x, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += x[i];
	return sum / (double)n;
}

/* Of a sample: n - 1. */
static double deviation_of(const double *x, size_t n)
{
	double mean = mean_of(x, n);
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += (x[i] - mean) * (x[i] - mean);
	return sqrt(sum / (double)(n - 1));
}

static double median_of(const double *x, size_t n)
{
	return stats_median(x, n);
}

static size_t values_of(const struct family *f, double (*value)(const struct sample *))
{
	size_t n = 0;
	for (size_t i = 0; i < f->count; i++)
		if (f->slices[i]->valid == 1 && f->slices[i]->messages > 0)
			f->values[n++] = value(f->slices[i]);
	return n;
}

static int put_aggregates(json_t *list, const struct family *f)
{
	static const struct {
		const char *name;
		double (*of)(const double *x, size_t n);
	} aggregates[] = {{"mean", mean_of}, {"median", median_of}, {"stddev", deviation_of}};
	for (size_t i = 0; i < sizeof(aggregates) / sizeof(aggregates[0]); i++) {
		char suffix[16];
		size_t n = values_of(f, summary_time_ns);
		if (n < 2)
			return 0;
		double real = aggregates[i].of(f->values, n);
		double cpu = aggregates[i].of(f->values, values_of(f, cpu_ns));
		snprintf(suffix, sizeof(suffix), "_%s", aggregates[i].name);
		json_t *o = entry(f, suffix, "aggregate");
		json_object_set_new(o, "aggregate_name", json_string(aggregates[i].name));
		json_object_set_new(o, "aggregate_unit", json_string("time"));
		json_object_set_new(o, "iterations", json_integer((json_int_t)n));
		json_object_set_new(o, "real_time", json_real(real));
		json_object_set_new(o, "cpu_time", json_real(cpu));
		json_object_set_new(o, "time_unit", json_string("ns"));
		if (json_array_append_new(list, o) != 0)
			return -1;
	}
	return 0;
}

/* A round that was set aside and done again is no repetition. */
static void find_slices(const struct samples *samples, struct family *f)
{
	f->count = 0;
	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *s = &samples->rows[i];
		if (strcmp(s->workload, f->row->workload) == 0 &&
		    strcmp(s->target, f->row->target) == 0 &&
		    strcmp(s->target_version, f->row->target_version) == 0 &&
		    strcmp(s->arm, f->row->arm) == 0 && !samples_set_aside(s))
			f->slices[f->count++] = s;
	}
}

static int put_family(json_t *list, const struct formats_source *source, struct family *f)
{
	char target[FORMATS_NAME_BYTES];
	find_slices(source->samples, f);
	snprintf(f->name, sizeof(f->name), "%s/%s/%s", f->row->workload,
	         formats_target(f->row->target, f->row->target_version, '-', target), f->row->arm);
	for (size_t i = 0; i < f->count; i++)
		if (json_array_append_new(list, repetition(f, i)) != 0)
			return -1;
	return f->count > 0 ? put_aggregates(list, f) : 0;
}

/* The rows of a cell and arm follow each other: the first one stands for them. An open loop, whose
 * pace is given, has no time of an operation to show here; its rows begin with what was offered. */
static int begins_closed(const struct summary *s, size_t i)
{
	const struct summary_row *row = &s->rows[i];
	const struct summary_row *before = i > 0 ? &s->rows[i - 1] : NULL;
	if (strcmp(row->metric, "offered_msgs_s") == 0)
		return 0;
	return before == NULL || strcmp(before->workload, row->workload) != 0 ||
	       strcmp(before->arm, row->arm) != 0 || !summary_same_target(before, row);
}

static int put_families(json_t *list, const struct formats_source *source)
{
	const struct summary *s = source->summary;
	struct family f = {.index = 0};
	int rc = -1;
	f.slices = malloc(source->samples->count * sizeof(*f.slices));
	f.values = malloc(source->samples->count * sizeof(*f.values));
	if (f.slices == NULL || f.values == NULL)
		goto done;
	for (size_t i = 0; i < s->count; i++) {
		if (!begins_closed(s, i))
			continue;
		f.row = &s->rows[i];
		if (put_family(list, source, &f) != 0)
			goto done;
		f.index++;
	}
	rc = 0;
done:
	free(f.values);
	free(f.slices);
	return rc;
}

int formats_gbench(FILE *out, const struct formats_source *source)
{
	json_t *list = json_array();
	int rc = list == NULL ? -1 : put_families(list, source);
	json_t *whole = json_pack("{so so}", "context", context(source), "benchmarks", list);
	if (rc == 0)
		rc = whole != NULL ? json_dumpf(whole, out, JSON_INDENT(2)) : -1;
	json_decref(whole);
	return rc == 0 && fputc('\n', out) == '\n' ? 0 : -1;
}
