/* headline.c - see headline.h. */
#include "harness/output/headline.h"

#include "harness/output/rates.h"

#include <math.h>
#include <string.h>

/* ---- numbers ---- */

struct stats_interval headline_overhead(const struct summary_row *row)
{
	return (struct stats_interval){row->overhead_pct, row->low_pct, row->high_pct};
}

struct stats_interval headline_added(const struct summary_row *row)
{
	return (struct stats_interval){row->added, row->added_low, row->added_high};
}

/* No more decimals than the interval is wide: a tenth of it at most. */
static int decimals_for(double width, double value)
{
	if (!isfinite(width) || width == 0)
		width = fabs(value);
	if (width >= 5 || width == 0)
		return 0;
	if (width >= 0.5)
		return 1;
	return width >= 0.05 ? 2 : width >= 0.005 ? 3 : 4;
}

/* Never "-0". */
static double rounded(double value, int decimals)
{
	double scale = pow(10, decimals);
	double out = round(value * scale) / scale;
	return out == 0 ? 0 : out;
}

const char *headline_percent(struct stats_interval i, char text[HEADLINE_TEXT_BYTES])
{
	if (!isfinite(i.estimate)) {
		snprintf(text, HEADLINE_TEXT_BYTES, "-");
		return text;
	}
	int d = decimals_for(i.high - i.low, i.estimate);
	if (isfinite(i.low) && isfinite(i.high))
		snprintf(text, HEADLINE_TEXT_BYTES, "%.*f %% [%.*f, %.*f]", d,
		         rounded(i.estimate, d), d, rounded(i.low, d), d, rounded(i.high, d));
	else
		snprintf(text, HEADLINE_TEXT_BYTES, "%.*f %%", d, rounded(i.estimate, d));
	return text;
}

const char *headline_ns(struct stats_interval i, char text[HEADLINE_TEXT_BYTES])
{
	static const struct {
		double from, unit;
		const char *name;
	} units[] = {{1e9, 1e9, "s"}, {1e6, 1e6, "ms"}, {100, 1e3, "µs"}, {0, 1, "ns"}};
	if (!isfinite(i.estimate)) {
		snprintf(text, HEADLINE_TEXT_BYTES, "-");
		return text;
	}
	/* fmax passes over the NaN of a missing interval. */
	double largest = fmax(fabs(i.estimate), fmax(fabs(i.low), fabs(i.high)));
	size_t u = 0;
	while (largest < units[u].from)
		u++;
	double unit = units[u].unit;
	double size = largest / unit;
	int d = size >= 99.95 || unit == 1 ? 0 : size >= 9.995 ? 1 : 2;
	if (isfinite(i.low) && isfinite(i.high))
		snprintf(text, HEADLINE_TEXT_BYTES, "%.*f %s [%.*f, %.*f]", d,
		         rounded(i.estimate / unit, d), units[u].name, d, rounded(i.low / unit, d),
		         d, rounded(i.high / unit, d));
	else
		snprintf(text, HEADLINE_TEXT_BYTES, "%.*f %s", d, rounded(i.estimate / unit, d),
		         units[u].name);
	return text;
}

/* ---- what a row says ---- */

enum verdict headline_verdict(const struct summary_row *row)
{
	enum verdict v = VERDICT_INVALID;
	(void)verdict_parse(row->verdict, &v);
	return v;
}

double headline_at_most(const struct summary_row *row)
{
	return verdict_at_most(headline_overhead(row), row->floor_pct);
}

double headline_added_at_most(const struct summary_row *row)
{
	return verdict_at_most(headline_added(row), row->floor_pct / 100 * row->baseline_value);
}

/* ---- which cell, who ---- */

/* Smaller is preferred; compared from left to right. */
struct preference {
	int class_;
	double distance;
};

static struct preference preference_of(const struct summary_row *row)
{
	struct preference p;
	p.class_ = strcmp(row->class_, "publish") != 0;
	p.distance = fabs(log2((double)row->payload_bytes + 1) - log2(1025));
	return p;
}

static int is_plaintext_throughput(const struct summary_row *row)
{
	return strcmp(row->arm, "none") == 0 && strcmp(row->metric, "throughput_msgs_s") == 0;
}

const struct summary_row *headline_next_cell(const struct summary *s,
                                             const struct summary_row *before)
{
	const struct summary_row *best = NULL;
	struct preference best_p = {0, 0};
	for (size_t i = before != NULL ? (size_t)(before - s->rows) + 1 : 0; i < s->count; i++) {
		const struct summary_row *row = &s->rows[i];
		if (!is_plaintext_throughput(row) ||
		    (before != NULL && summary_same_target(row, before)))
			continue;
		if (best != NULL && !summary_same_target(row, best))
			break;
		struct preference p = preference_of(row);
		if (best == NULL || p.class_ < best_p.class_ ||
		    (p.class_ == best_p.class_ && p.distance < best_p.distance)) {
			best = row;
			best_p = p;
		}
	}
	return best;
}

const struct summary_row *headline_cell(const struct summary *s)
{
	return headline_next_cell(s, NULL);
}

const char *headline_subject(const struct summary_row *cell, char text[HEADLINE_TEXT_BYTES])
{
	if (summary_is_server(cell))
		snprintf(text, HEADLINE_TEXT_BYTES, "nats-server %.60s%s", cell->target_version,
		         strcmp(cell->target, "server") == 0 ? " (--server)" : "");
	else if (strcmp(cell->target, "store") == 0)
		snprintf(text, HEADLINE_TEXT_BYTES, "this store");
	else
		snprintf(text, HEADLINE_TEXT_BYTES, "the harness alone (target %.40s)",
		         cell->target);
	return text;
}

/* ---- the table ---- */

static void put_lost(struct table *t, const struct summary_row *row, enum verdict v)
{
	char number[HEADLINE_TEXT_BYTES];
	struct stats_interval overhead = headline_overhead(row);
	if (v == VERDICT_INDISTINGUISHABLE && strcmp(row->arm, "none") != 0 &&
	    strcmp(row->arm, "none-twin") != 0) {
		struct stats_interval most = {headline_at_most(row), NAN, NAN};
		table_format(t, "≤ %s", headline_percent(most, number));
	} else if (strcmp(row->arm, "none") == 0) {
		table_text(t, "");
	} else {
		table_text(t, headline_percent(overhead, number));
	}
}

void headline_put_value(struct table *t, const struct summary_row *row,
                        const char *(*format)(double, char[TABLE_NUMBER_BYTES]))
{
	char number[TABLE_NUMBER_BYTES];
	table_text(t, row != NULL ? format(row->value, number) : "");
}

void headline_put_arm(struct table *t, const struct summary_row *before,
                      const struct summary_row *row)
{
	int first = before == NULL || strcmp(before->workload, row->workload) != 0 ||
	            !summary_same_target(before, row);

	table_text(t, first ? row->workload : "");
	if (first && summary_is_server(row))
		table_format(t, "%s %s", row->target, row->target_version);
	else
		table_text(t, first ? row->target : "");
	table_text(t, row->arm);
}

static void put_table_row(struct table *t, const struct summary *s,
                          const struct summary_row *before, const struct summary_row *row,
                          int clients)
{
	char number[HEADLINE_TEXT_BYTES];
	enum verdict v = headline_verdict(row);
	int baseline = strcmp(row->arm, "none") == 0;
	const struct summary_row *cpu = summary_find(s, row, row->arm, "cpu_ns_per_msg");
	const struct summary_row *p99 = summary_find(s, row, row->arm, "latency_p99_ns");
	const struct summary_row *disk = summary_find(s, row, row->arm, "disk_allocated_bytes");

	table_row(t);
	headline_put_arm(t, before, row);
	headline_put_value(t, cpu, table_ns);
	if (cpu != NULL && !baseline)
		table_text(t, headline_ns(headline_added(cpu), number));
	else
		table_text(t, "");
	if (clients)
		headline_put_value(t, summary_find(s, row, row->arm, "client_cpu_ns_per_msg"),
		                   table_ns);
	headline_put_value(t, row, table_count);
	put_lost(t, row, v);
	headline_put_value(t, p99, table_ns);
	if (disk != NULL && isfinite(disk->overhead_pct) && !baseline)
		table_text(t,
		           headline_percent((struct stats_interval){disk->overhead_pct, NAN, NAN},
		                            number));
	else
		table_text(t, "");
	table_format(t, "%llu", (unsigned long long)row->rounds);
	table_text(t, baseline && v != VERDICT_INVALID ? "" : row->verdict);
	if (v == VERDICT_INVALID)
		table_colored(t, TABLE_RED);
	else if (v == VERDICT_INCONCLUSIVE)
		table_colored(t, TABLE_YELLOW);
}

static int has_clients(const struct summary *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->rows[i].metric, "client_cpu_ns_per_msg") == 0)
			return 1;
	return 0;
}

struct table *headline_table(const struct summary *s)
{
	struct table *t = table_new();
	int clients = has_clients(s);
	table_column(t, "workload", NULL, TABLE_LEFT);
	table_column(t, "target", NULL, TABLE_LEFT);
	table_column(t, "arm", NULL, TABLE_LEFT);
	table_column(t, "cpu", "CPU/msg", TABLE_RIGHT);
	table_column(t, "cpu_added", "added", TABLE_RIGHT);
	if (clients)
		table_column(t, "client_cpu", "client", TABLE_RIGHT);
	table_column(t, "throughput", "msgs/s", TABLE_RIGHT);
	table_column(t, "throughput_lost", "lost", TABLE_RIGHT);
	table_column(t, "latency_p99", "p99", TABLE_RIGHT);
	table_column(t, "disk_growth", "disk", TABLE_RIGHT);
	table_column(t, "rounds", NULL, TABLE_RIGHT);
	table_column(t, "verdict", "verdict (throughput)", TABLE_LEFT);
	const struct summary_row *before = NULL;
	for (size_t i = 0; i < s->count; i++) {
		const struct summary_row *row = &s->rows[i];
		if (strcmp(row->metric, "throughput_msgs_s") != 0)
			continue;
		put_table_row(t, s, before, row, clients);
		before = row;
	}
	return t;
}

int headline_print(const struct summary *s, FILE *out)
{
	int open = rates_next_cell(s, NULL) != NULL;
	int rc = 0;
	/* Of servers without plaintext the table has values. */
	if (headline_cell(s) != NULL || !open) {
		struct table *t = headline_table(s);
		rc = table_print(t, out);
		table_free(t);
		fputs("\n" HEADLINE_NOTE "\n", out);
		if (open)
			fputc('\n', out);
	}
	if (open && rc == 0) {
		struct table *t = rates_table(s);
		rc = table_print(t, out);
		table_free(t);
		fputs("\n" RATES_NOTE "\n", out);
	}
	return ferror(out) ? -1 : rc;
}

/* ---- JSON ---- */

static json_t *real_or_null(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *json_of_row(const struct summary_row *row)
{
	json_t *object = json_object();
	int rc = object == NULL ? -1 : 0;
#define MEMBER(name) strcmp(#name, "class_") == 0 ? "class" : #name
#define T(name)      rc |= json_object_set_new(object, MEMBER(name), json_string(row->name));
#define U(name)                                                                                    \
	rc |= json_object_set_new(object, MEMBER(name), json_integer((json_int_t)row->name));
#define F(name) rc |= json_object_set_new(object, MEMBER(name), real_or_null(row->name));
	SUMMARY_COLUMNS(T, U, F)
#undef T
#undef U
#undef F
#undef MEMBER
	if (rc == 0)
		return object;
	json_decref(object);
	return NULL;
}

json_t *headline_json(const struct summary *s)
{
	char sentence[HEADLINE_BYTES];
	headline_sentence(s, sentence);
	const struct summary_run *run = &s->run;
	json_t *rows = json_array();
	int rc = rows == NULL ? -1 : 0;
	for (size_t i = 0; i < s->count && rc == 0; i++)
		rc = json_array_append_new(rows, json_of_row(&s->rows[i]));
	if (rc != 0) {
		json_decref(rows);
		return NULL;
	}
	return json_pack("{s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "sentence",
	                 sentence, "complete", run->complete, "inconclusive",
	                 summary_inconclusive(run), "samples", (json_int_t)run->samples,
	                 "invalid_samples", (json_int_t)run->invalid_samples, "cells",
	                 (json_int_t)run->cells, "arms_invalid", (json_int_t)run->arms_invalid,
	                 "arms_missing", (json_int_t)run->arms_missing, "twins",
	                 (json_int_t)run->twins, "twins_off_zero", (json_int_t)run->twins_off_zero,
	                 "twins_limit", (json_int_t)run->twins_limit, "rows", rows);
}
