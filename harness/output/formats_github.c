/* formats_github.c - for benchmark-action/github-action-benchmark, customSmallerIsBetter: names,
 * units and values of which less is better, so nanoseconds and bytes, not messages per second. */
#include "harness/output/formats.h"

#include "harness/output/headline.h"

#include <math.h>
#include <string.h>

static const struct {
	const char *metric; /* of the summary */
	const char *name;
	const char *unit;
} entries[] = {{"time_ns_per_msg", "time", "ns/msg"},
               {"cpu_ns_per_msg", "CPU", "ns/msg"},
               {"latency_p99_ns", "p99 latency", "ns"},
               {"response_p99_ns", "p99 response time", "ns"},
               {"disk_allocated_bytes", "disk", "bytes"}};

/* Half of the interval of what the arm adds, in the unit of the value. */
static void put_range(json_t *o, const struct summary_row *row)
{
	char text[64];
	if (!isfinite(row->added_low) || !isfinite(row->added_high) ||
	    strcmp(row->arm, row->baseline) == 0)
		return;
	snprintf(text, sizeof(text), "± %.3g", (row->added_high - row->added_low) / 2);
	json_object_set_new(o, "range", json_string(text));
}

static void put_extra(json_t *o, const struct summary_row *row)
{
	char number[HEADLINE_TEXT_BYTES];
	char text[512];
	int baseline = strcmp(row->arm, row->baseline) == 0;
	if (baseline || !isfinite(row->overhead_pct))
		snprintf(text, sizeof(text), "%llu rounds", (unsigned long long)row->rounds);
	else
		snprintf(text, sizeof(text), "against %.60s: %s\n%.60s\n%llu rounds", row->baseline,
		         headline_percent(headline_overhead(row), number), row->verdict,
		         (unsigned long long)row->rounds);
	json_object_set_new(o, "extra", json_string(text));
}

static int put_row(json_t *list, const struct summary_row *row, size_t e)
{
	char name[FORMATS_NAME_BYTES * 2];
	char target[FORMATS_NAME_BYTES];
	snprintf(name, sizeof(name), "%.180s %.180s %.180s: %s", row->workload,
	         formats_target(row->target, row->target_version, ' ', target), row->arm,
	         entries[e].name);
	json_t *o =
	        json_pack("{ss ss sf}", "name", name, "unit", entries[e].unit, "value", row->value);
	if (o == NULL)
		return -1;
	put_range(o, row);
	put_extra(o, row);
	return json_array_append_new(list, o);
}

int formats_github(FILE *out, const struct formats_source *source)
{
	const struct summary *s = source->summary;
	json_t *list = json_array();
	int rc = list == NULL ? -1 : 0;
	for (size_t i = 0; i < s->count && rc == 0; i++) {
		const struct summary_row *row = &s->rows[i];
		if (strcmp(row->verdict, "invalid") == 0 || !isfinite(row->value))
			continue;
		for (size_t e = 0; e < sizeof(entries) / sizeof(entries[0]) && rc == 0; e++)
			if (strcmp(row->metric, entries[e].metric) == 0)
				rc = put_row(list, row, e);
	}
	if (rc == 0)
		rc = json_dumpf(list, out, JSON_INDENT(2));
	json_decref(list);
	return rc == 0 && fputc('\n', out) == '\n' ? 0 : -1;
}
