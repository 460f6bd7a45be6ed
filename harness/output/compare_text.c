/* compare_text.c - a comparison for people: the sentence, aligned text, Markdown. */
#include "harness/output/compare_output.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/output/table.h"

#define PLAIN_NOTE                                                                                 \
	"Plaintext itself, one run after the other, for context and not judged: compared in this " \
	"way two identical builds differ in half of all cases on a noisy machine."
#define TIME_NOTE                                                                                  \
	"Percentages are of the time per message, not of throughput lost; negative is faster."
#define ACROSS_NOTE "Not the same machine: overheads are compared, times would say nothing."
#define NOISY_NOTE                                                                                 \
	"The machine was not quiet enough: more twins of plaintext differ from it than chance "    \
	"allows, so nothing is concluded."

static const char *metric_words(const char *metric)
{
	if (strcmp(metric, "cpu_ns_per_msg") == 0)
		return "CPU time";
	return strcmp(metric, "time_ns_per_msg") == 0 ? "time" : "response time (p99)";
}

static const char *unit_of(const struct comparison *c)
{
	return c->programs ? "%" : "points";
}

/* "+8.1 [7.2, 9.0]", or without an interval when there is none. */
#define CHANGE_BYTES 96
static const char *change_text(struct stats_interval d, char text[CHANGE_BYTES])
{
	if (!isfinite(d.estimate))
		snprintf(text, CHANGE_BYTES, "-");
	else if (!isfinite(d.low) || !isfinite(d.high))
		snprintf(text, CHANGE_BYTES, "%+.1f", d.estimate);
	else
		snprintf(text, CHANGE_BYTES, "%+.1f [%.1f, %.1f]", d.estimate, d.low, d.high);
	return text;
}

/* ---- the sentence ---- */

/* The row of this verdict that is farthest beyond its margin, or has the widest interval. */
static const struct compare_row *foremost(const struct comparison *c, enum compare_verdict v)
{
	const struct compare_row *best = NULL;
	double most = -INFINITY;

	for (size_t i = 0; i < c->count; i++) {
		const struct compare_row *row = &c->rows[i];
		double weight = v == COMPARE_INCONCLUSIVE
		                        ? row->change.high - row->change.low
		                        : fabs(row->change.estimate) - row->margin;
		if (row->verdict != v)
			continue;
		if (best == NULL || isnan(weight) || weight > most) {
			best = row;
			most = weight;
		}
	}
	return best;
}

static void sentence_of_worse(const struct comparison *c, char text[COMPARE_SENTENCE_BYTES])
{
	const struct compare_row *row = foremost(c, COMPARE_WORSE);
	char change[CHANGE_BYTES];

	snprintf(text, COMPARE_SENTENCE_BYTES,
	         "worse: %s takes more %s on %s (%s), %s %s against a margin of %.1f; of %zu "
	         "comparisons %zu worse, %zu inconclusive, %zu the same, %zu better.",
	         row->arm, metric_words(row->metric), row->new_workload, row->target,
	         change_text(row->change, change), unit_of(c), row->margin, c->count,
	         c->counts[COMPARE_WORSE], c->counts[COMPARE_INCONCLUSIVE], c->counts[COMPARE_SAME],
	         c->counts[COMPARE_BETTER]);
}

static void sentence_of_inconclusive(const struct comparison *c, char text[COMPARE_SENTENCE_BYTES])
{
	const struct compare_row *row = foremost(c, COMPARE_INCONCLUSIVE);
	char change[CHANGE_BYTES];

	if (c->noisy || c->new_noisy)
		snprintf(text, COMPARE_SENTENCE_BYTES, "inconclusive: %s", NOISY_NOTE);
	else if (repeat_too_many(&c->tally) || repeat_too_many(&c->new_tally))
		snprintf(text, COMPARE_SENTENCE_BYTES,
		         "inconclusive: something else on the machine disturbed %zu of the %zu "
		         "rounds that count, expected at most %.0f %% in either result, so nothing "
		         "is concluded.",
		         c->tally.disturbed + c->new_tally.disturbed,
		         c->tally.rounds + c->new_tally.rounds, 100 * REPEAT_DISTURBED_SHARE);
	else if (row == NULL)
		snprintf(text, COMPARE_SENTENCE_BYTES, "inconclusive: nothing was compared.");
	else
		snprintf(text, COMPARE_SENTENCE_BYTES,
		         "inconclusive: %zu of %zu comparisons, none is worse; the widest is %s of "
		         "%s "
		         "on %s (%s), %s %s against a margin of %.1f: more rounds or a quieter "
		         "machine decide it.",
		         c->counts[COMPARE_INCONCLUSIVE], c->count, metric_words(row->metric),
		         row->arm, row->new_workload, row->target, change_text(row->change, change),
		         unit_of(c), row->margin);
}

const char *compare_sentence(const struct comparison *c, const struct compare_context *x,
                             char text[COMPARE_SENTENCE_BYTES])
{
	if (compare_has_problem(c, !x->common))
		snprintf(text, COMPARE_SENTENCE_BYTES, "not compared: %.900s%s.",
		         c->problems[0].text, c->problem_count > 1 ? "; and more" : "");
	else if (c->verdict == COMPARE_WORSE)
		sentence_of_worse(c, text);
	else if (c->verdict == COMPARE_INCONCLUSIVE)
		sentence_of_inconclusive(c, text);
	else
		snprintf(text, COMPARE_SENTENCE_BYTES,
		         "%s: %zu comparisons, none is worse by more than %.1f %s; %zu the same, "
		         "%zu better.",
		         compare_verdict_name(c->verdict), c->count, c->margin, unit_of(c),
		         c->counts[COMPARE_SAME], c->counts[COMPARE_BETTER]);
	return text;
}

/* ---- tables, for either ---- */

static void put_target(struct table *t, const char *target, const char *version)
{
	table_format(t, "%s%s%s", target, version[0] != '\0' ? " " : "", version);
}

static void put_number(struct table *t, double value, const char *suffix)
{
	if (isfinite(value))
		table_format(t, "%.1f%s", value, suffix);
	else
		table_text(t, "-");
}

static void put_ns(struct table *t, double ns)
{
	char number[TABLE_NUMBER_BYTES];

	table_text(t, table_ns(ns, number));
}

static struct table *rows_table(const struct comparison *c)
{
	static const enum table_color colors[] = {TABLE_PLAIN, TABLE_GREEN, TABLE_RED,
	                                          TABLE_YELLOW};
	struct table *t = table_new();
	char change[CHANGE_BYTES];

	table_column(t, "workload", NULL, TABLE_LEFT);
	table_column(t, "target", NULL, TABLE_LEFT);
	table_column(t, "dir", NULL, TABLE_LEFT);
	table_column(t, "arm", NULL, TABLE_LEFT);
	table_column(t, "metric", "per message", TABLE_LEFT);
	table_column(t, "base", c->programs ? "base" : "base overhead", TABLE_RIGHT);
	table_column(t, "new", c->programs ? "new" : "new overhead", TABLE_RIGHT);
	table_column(t, "change", c->programs ? "change, % [95 %]" : "change, points [95 %]",
	             TABLE_RIGHT);
	table_column(t, "margin", NULL, TABLE_RIGHT);
	table_column(t, "verdict", NULL, TABLE_LEFT);
	for (size_t i = 0; i < c->count; i++) {
		const struct compare_row *row = &c->rows[i];
		table_row(t);
		table_text(t, row->new_workload);
		put_target(t, row->target, row->new_version);
		table_text(t, row->dir);
		table_text(t, row->arm);
		table_text(t, metric_words(row->metric));
		if (c->programs) {
			put_ns(t, row->value);
			put_ns(t, row->new_value);
		} else {
			put_number(t, row->overhead.estimate, " %");
			put_number(t, row->new_overhead.estimate, " %");
		}
		table_text(t, change_text(row->change, change));
		put_number(t, row->margin, "");
		table_text(t, compare_verdict_name(row->verdict));
		table_colored(t, colors[row->verdict]);
	}
	return t;
}

static struct table *plain_table(const struct comparison *c)
{
	struct table *t = table_new();

	table_column(t, "workload", NULL, TABLE_LEFT);
	table_column(t, "target", NULL, TABLE_LEFT);
	table_column(t, "metric", "per message", TABLE_LEFT);
	table_column(t, "base", NULL, TABLE_RIGHT);
	table_column(t, "new", NULL, TABLE_RIGHT);
	table_column(t, "change", NULL, TABLE_RIGHT);
	for (size_t i = 0; i < c->plain_count; i++) {
		const struct compare_plain *row = &c->plain[i];
		table_row(t);
		table_text(t, row->workload);
		put_target(t, row->target, row->version);
		table_text(t, metric_words(row->metric));
		put_ns(t, row->value);
		put_ns(t, row->new_value);
		table_format(t, "%+.1f %%", row->change_pct);
	}
	return t;
}

static struct table *facts_table(const struct fingerprint_facts *a,
                                 const struct fingerprint_facts *b)
{
	const struct fingerprint_facts *const both[] = {a, b};
	struct table *t = table_new();

	table_column(t, "what", "changed", TABLE_LEFT);
	table_column(t, "base", NULL, TABLE_LEFT);
	table_column(t, "new", NULL, TABLE_LEFT);
	for (size_t l = 0; l < 2; l++) {
		for (size_t i = 0; both[l] != NULL && i < both[l]->count; i++) {
			table_row(t);
			table_text(t, both[l]->list[i].what);
			table_text(t, both[l]->list[i].base);
			table_text(t, both[l]->list[i].new_);
		}
	}
	return t;
}

static size_t count_of(const struct fingerprint_facts *facts)
{
	return facts != NULL ? facts->count : 0;
}

/* The parts that follow the rows, in either form: what they say and whether they are there. */
struct part {
	const char *note;
	struct table *table;
};
#define PARTS 3

/* Tables are the caller's to free; NULL where there is nothing to tell. */
static void parts_of(const struct comparison *c, const struct compare_context *x,
                     struct part parts[PARTS])
{
	size_t differ = count_of(x->differences);

	memset(parts, 0, PARTS * sizeof(parts[0]));
	if (differ > 0)
		parts[0] = (struct part){ACROSS_NOTE, facts_table(x->differences, NULL)};
	if (c->changed.count + count_of(x->changed) > 0)
		parts[1] = (struct part){NULL, facts_table(&c->changed, x->changed)};
	if (c->plain_count > 0 && differ == 0)
		parts[2] = (struct part){PLAIN_NOTE, plain_table(c)};
}

/* ---- text ---- */

/* The rows and what follows them. */
static int put_tables(const struct comparison *c, const struct compare_context *x, FILE *out,
                      int (*put)(const struct table *, FILE *), const char *behind_note)
{
	struct part parts[PARTS];
	struct table *rows = rows_table(c);
	int rc;

	fputc('\n', out);
	rc = put(rows, out);
	table_free(rows);
	fprintf(out, "\n" TIME_NOTE "\n");
	parts_of(c, x, parts);
	for (size_t i = 0; i < PARTS; i++) {
		if (parts[i].table == NULL)
			continue;
		fputc('\n', out);
		if (parts[i].note != NULL)
			fprintf(out, "%s%s", parts[i].note, behind_note);
		rc |= put(parts[i].table, out);
		table_free(parts[i].table);
	}
	return rc;
}

int compare_text(const struct comparison *c, const struct compare_context *x, FILE *out)
{
	char sentence[COMPARE_SENTENCE_BYTES];
	int rc = 0;

	fprintf(out, "%s\n", compare_sentence(c, x, sentence));
	if (!compare_has_problem(c, !x->common))
		rc = put_tables(c, x, out, table_print, "\n");
	for (size_t i = 0; i < c->problem_count; i++)
		fprintf(out, "%snot compared: %s\n", i == 0 ? "\n" : "", c->problems[i].text);
	return rc != 0 || ferror(out) ? -1 : 0;
}

/* ---- Markdown ---- */

static void put_markdown(FILE *out, const char *text)
{
	char clean[COMPARE_CLEAN_BYTES];

	table_markdown_text(out, compare_clean(text, clean));
}

int compare_markdown(const struct comparison *c, const struct compare_context *x, FILE *out)
{
	char sentence[COMPARE_SENTENCE_BYTES];
	int rc = 0;

	fputs("### atrest compare: ", out);
	put_markdown(out, x->base);
	if (strcmp(x->base, x->new_) != 0) {
		fputs(" and ", out);
		put_markdown(out, x->new_);
	}
	fputs("\n\n", out);
	put_markdown(out, compare_sentence(c, x, sentence));
	fputs("\n", out);
	if (!compare_has_problem(c, !x->common))
		rc = put_tables(c, x, out, table_markdown, "\n\n");
	for (size_t i = 0; i < c->problem_count; i++) {
		fputs(i == 0 ? "\n- not compared: " : "- not compared: ", out);
		put_markdown(out, c->problems[i].text);
		fputc('\n', out);
	}
	return rc != 0 || ferror(out) ? -1 : 0;
}
