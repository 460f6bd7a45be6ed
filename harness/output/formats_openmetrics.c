/* formats_openmetrics.c - OpenMetrics text.
 *
 *   # TYPE name gauge        a family: its samples follow, and no other family's between them
 *   # UNIT name unit         the unit is the end of the name, after an underscore
 *   # HELP name text
 *   name{label="value",...} number
 *   # EOF
 *
 * Base units: seconds and bytes; shares are ratios (0.05 is 5 %).
 */
#include "harness/output/formats.h"

#include "harness/analysis/verdict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 96

/* Of label values and of help: backslash, quote and line end. */
static void put_escaped(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			fputs("\\n", out);
		else if (*text == '\\' || *text == '"')
			fprintf(out, "\\%c", *text);
		else
			fputc(*text, out);
	}
}

static void put_family(FILE *out, const char *name, const char *type, const char *unit,
                       const char *help)
{
	fprintf(out, "# TYPE %s %s\n", name, type);
	if (unit[0] != '\0')
		fprintf(out, "# UNIT %s %s\n", name, unit);
	fprintf(out, "# HELP %s ", name);
	put_escaped(out, help);
	fputc('\n', out);
}

static void put_label(FILE *out, char before, const char *name, const char *value)
{
	fprintf(out, "%c%s=\"", before, name);
	put_escaped(out, value);
	fputc('"', out);
}

static void put_labels(FILE *out, const struct summary_row *row)
{
	put_label(out, '{', "workload", row->workload);
	put_label(out, ',', "class", row->class_);
	put_label(out, ',', "target", row->target);
	put_label(out, ',', "target_version", row->target_version);
	put_label(out, ',', "arm", row->arm);
	put_label(out, ',', "cipher", row->cipher);
	put_label(out, ',', "provider", row->provider);
}

/* ---- values: a family per metric ---- */

struct unit {
	const char *of_summary;
	const char *name; /* "" has none */
	double factor;
};

static const struct unit units[] = {{"ns", "seconds", 1e-9},
                                    {"msgs/s", "msgs_per_second", 1},
                                    {"bytes", "bytes", 1},
                                    {"files", "", 1}};

static const struct unit *unit_of(const char *of_summary)
{
	static const struct unit none = {"", "", 1};
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(units[i].of_summary, of_summary) == 0)
			return &units[i];
	return &none;
}

/* "cpu_ns_per_msg" -> "atrest_cpu_per_msg_seconds": without its own unit, and with the base one at
 * the end. */
static void name_family(const char *metric, const struct unit *unit, char name[NAME_BYTES])
{
	static const char *const own[] = {"_ns", "_msgs_s", "_bytes"};
	char rest[NAME_BYTES];
	snprintf(rest, sizeof(rest), "%.60s", metric);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		char *at = strstr(rest, own[i]);
		size_t bytes = strlen(own[i]);
		if (at != NULL && (at[bytes] == '\0' || at[bytes] == '_'))
			memmove(at, at + bytes, strlen(at + bytes) + 1);
	}
	snprintf(name, NAME_BYTES, "atrest_%.60s%s%s", rest, unit->name[0] != '\0' ? "_" : "",
	         unit->name);
}

/* The first row of each metric, in the order in which they appear. */
static int is_first(const struct summary *s, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (strcmp(s->rows[j].metric, s->rows[i].metric) == 0)
			return 0;
	return 1;
}

static void put_values(FILE *out, const struct summary *s)
{
	for (size_t i = 0; i < s->count; i++) {
		char name[NAME_BYTES];
		char help[160];
		const char *metric = s->rows[i].metric;
		const struct unit *unit = unit_of(s->rows[i].unit);
		if (!is_first(s, i))
			continue;
		name_family(metric, unit, name);
		snprintf(help, sizeof(help), "Median over the rounds of %.60s", metric);
		put_family(out, name, "gauge", unit->name, help);
		for (size_t j = i; j < s->count; j++) {
			const struct summary_row *row = &s->rows[j];
			if (strcmp(row->metric, metric) != 0 || !isfinite(row->value))
				continue;
			fputs(name, out);
			put_labels(out, row);
			fprintf(out, "} %.17g\n", row->value * unit->factor);
		}
	}
}

/* ---- what was estimated: a family each, the metric a label ---- */

static double overhead(const struct summary_row *row)
{
	return row->overhead_pct / 100;
}

static double overhead_low(const struct summary_row *row)
{
	return row->low_pct / 100;
}

static double overhead_high(const struct summary_row *row)
{
	return row->high_pct / 100;
}

static double noise_floor(const struct summary_row *row)
{
	return row->floor_pct / 100;
}

static double rounds(const struct summary_row *row)
{
	return (double)row->rounds;
}

static const struct {
	const char *name;
	const char *unit;
	const char *help;
	double (*value)(const struct summary_row *row);
} estimates[] = {
        {"atrest_overhead_ratio", "ratio",
         "Overhead against plaintext: share lost of throughput, share added of all others",
         overhead},
        {"atrest_overhead_low_ratio", "ratio", "Lower end of its 95 % interval", overhead_low},
        {"atrest_overhead_high_ratio", "ratio", "Upper end of its 95 % interval", overhead_high},
        {"atrest_noise_floor_ratio", "ratio", "What plaintext against plaintext shows",
         noise_floor},
        {"atrest_rounds", "", "Rounds that count", rounds}};

static void put_estimates(FILE *out, const struct summary *s)
{
	for (size_t e = 0; e < sizeof(estimates) / sizeof(estimates[0]); e++) {
		put_family(out, estimates[e].name, "gauge", estimates[e].unit, estimates[e].help);
		for (size_t i = 0; i < s->count; i++) {
			double value = estimates[e].value(&s->rows[i]);
			if (!isfinite(value))
				continue;
			fputs(estimates[e].name, out);
			put_labels(out, &s->rows[i]);
			put_label(out, ',', "metric", s->rows[i].metric);
			fprintf(out, "} %.17g\n", value);
		}
	}
}

/* A state set: one sample per state, the true one is 1. */
static void put_verdicts(FILE *out, const struct summary *s)
{
	static const enum verdict all[] = {VERDICT_OVERHEAD, VERDICT_FASTER,
	                                   VERDICT_INDISTINGUISHABLE, VERDICT_INCONCLUSIVE,
	                                   VERDICT_INVALID};
	put_family(out, "atrest_verdict", "stateset", "", "What the interval and the floor say");
	for (size_t i = 0; i < s->count; i++) {
		for (size_t v = 0; v < sizeof(all) / sizeof(all[0]); v++) {
			const char *name = verdict_name(all[v]);
			fputs("atrest_verdict", out);
			put_labels(out, &s->rows[i]);
			put_label(out, ',', "metric", s->rows[i].metric);
			put_label(out, ',', "atrest_verdict", name);
			fprintf(out, "} %d\n", strcmp(name, s->rows[i].verdict) == 0);
		}
	}
}

/* ---- the run ---- */

static void put_run(FILE *out, const struct formats_source *source)
{
	static const char *const labels[][2] = {{"version", "build.version"},
	                                        {"commit", "build.commit"},
	                                        {"cpu", "cpu.model"},
	                                        {"kernel", "kernel.release"},
	                                        {"host", "host"}};
	const struct summary_run *run = &source->summary->run;
	char before = '{';
	put_family(out, "atrest_run", "info", "", "What produced these numbers");
	fputs("atrest_run_info", out);
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		const char *text = formats_machine_text(source, labels[i][1]);
		put_label(out, before, labels[i][0], text != NULL ? text : "");
		before = ',';
	}
	fputs("} 1\n", out);
	put_family(out, "atrest_run_complete", "gauge", "", "1: the run came to its end");
	fprintf(out, "atrest_run_complete %d\n", run->complete != 0);
	put_family(out, "atrest_run_inconclusive", "gauge", "",
	           "1: more twins differ from plaintext than chance allows");
	fprintf(out, "atrest_run_inconclusive %d\n", summary_inconclusive(run));
	put_family(out, "atrest_invalid_samples", "gauge", "", "Slices that failed");
	fprintf(out, "atrest_invalid_samples %llu\n", (unsigned long long)run->invalid_samples);
}

int formats_openmetrics(FILE *out, const struct formats_source *source)
{
	put_run(out, source);
	put_values(out, source->summary);
	put_estimates(out, source->summary);
	put_verdicts(out, source->summary);
	fputs("# EOF\n", out);
	return ferror(out) ? -1 : 0;
}
