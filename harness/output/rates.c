/* rates.c - see rates.h. */
#include "harness/output/rates.h"

#include <math.h>
#include <string.h>

#include "harness/analysis/metrics.h"

#define SAID_MAX 4 /* cells in the sentence */

static int is_offered(const struct summary_row *row)
{
	return strcmp(row->metric, "offered_msgs_s") == 0;
}

const struct summary_row *rates_next_cell(const struct summary *s, const struct summary_row *before)
{
	for (size_t i = before != NULL ? (size_t)(before - s->rows) + 1 : 0; i < s->count; i++)
		if (is_offered(&s->rows[i]) && strcmp(s->rows[i].arm, "none") == 0)
			return &s->rows[i];
	return NULL;
}

int rates_missed(const struct summary *s, const struct summary_row *offered)
{
	const struct summary_row *reached =
	        summary_find(s, offered, offered->arm, "reached_msgs_s");
	return reached != NULL && metrics_rate_is_missed(offered->value, reached->value);
}

/* ---- the table ---- */

static void put_row(struct table *t, const struct summary *s, const struct summary_row *before,
                    const struct summary_row *offered)
{
	char number[HEADLINE_TEXT_BYTES];
	const char *arm = offered->arm;
	const struct summary_row *p99 = summary_find(s, offered, arm, "response_p99_ns");
	int baseline = strcmp(arm, "none") == 0;

	table_row(t);
	headline_put_arm(t, before, offered);
	headline_put_value(t, offered, table_count);
	headline_put_value(t, summary_find(s, offered, arm, "reached_msgs_s"), table_count);
	if (rates_missed(s, offered))
		table_colored(t, TABLE_RED);
	headline_put_value(t, summary_find(s, offered, arm, "response_p50_ns"), table_ns);
	headline_put_value(t, p99, table_ns);
	headline_put_value(t, summary_find(s, offered, arm, "response_p999_ns"), table_ns);
	if (p99 != NULL && !baseline) {
		table_text(t, headline_ns(headline_added(p99), number));
		table_text(t, headline_percent(headline_overhead(p99), number));
	} else {
		table_text(t, "");
		table_text(t, "");
	}
	table_format(t, "%llu", (unsigned long long)offered->rounds);
	if (rates_missed(s, offered))
		table_text(t, "offered rate not reached");
	else
		table_text(t, baseline || p99 == NULL ? "" : p99->verdict);
}

struct table *rates_table(const struct summary *s)
{
	struct table *t = table_new();
	const struct summary_row *before = NULL;

	table_column(t, "workload", NULL, TABLE_LEFT);
	table_column(t, "target", NULL, TABLE_LEFT);
	table_column(t, "arm", NULL, TABLE_LEFT);
	table_column(t, "offered", "offered/s", TABLE_RIGHT);
	table_column(t, "reached", NULL, TABLE_RIGHT);
	table_column(t, "response_p50", "p50", TABLE_RIGHT);
	table_column(t, "response_p99", "p99", TABLE_RIGHT);
	table_column(t, "response_p999", "p99.9", TABLE_RIGHT);
	table_column(t, "p99_added", "added to p99", TABLE_RIGHT);
	table_column(t, "p99_overhead", "%", TABLE_RIGHT);
	table_column(t, "rounds", NULL, TABLE_RIGHT);
	table_column(t, "verdict", "verdict (p99)", TABLE_LEFT);
	for (size_t i = 0; i < s->count; i++) {
		const struct summary_row *row = &s->rows[i];
		if (!is_offered(row))
			continue;
		put_row(t, s, before, row);
		before = row;
	}
	return t;
}

/* ---- the sentence ---- */

static void say_added(char text[HEADLINE_BYTES], const struct summary_row *p99)
{
	char ns[HEADLINE_TEXT_BYTES], percent[HEADLINE_TEXT_BYTES];
	struct stats_interval added = headline_added(p99);

	switch (headline_verdict(p99)) {
	case VERDICT_INVALID:
		headline_say(text, "%s is invalid (a slice failed or is missing)", p99->arm);
		return;
	case VERDICT_INCONCLUSIVE:
		headline_say(text, "%s is inconclusive (%llu rounds)", p99->arm,
		             (unsigned long long)p99->rounds);
		return;
	case VERDICT_INDISTINGUISHABLE:
		added = (struct stats_interval){headline_at_most(p99), NAN, NAN};
		headline_say(text, "%s adds nothing measurable (≤ %s)", p99->arm,
		             headline_percent(added, percent));
		return;
	case VERDICT_OVERHEAD:
	case VERDICT_FASTER:
		break;
	}
	headline_say(text, "%s adds %s (%s)", p99->arm, headline_ns(added, ns),
	             headline_percent(headline_overhead(p99), percent));
}

/* "at 128 k/s aes adds 0.3 µs (20 %), chachapoly ..."; without a cipher what it is. */
static void say_cell(char text[HEADLINE_BYTES], const struct summary *s,
                     const struct summary_row *cell)
{
	char number[TABLE_NUMBER_BYTES];
	const char *between = " ";
	const struct summary_row *plain = summary_find(s, cell, "none", "response_p99_ns");

	headline_say(text, "at %s messages of %s a second", table_count(cell->value, number),
	             cell->workload);
	for (size_t i = 0; i < s->count; i++) {
		const struct summary_row *row = &s->rows[i];
		if (strcmp(row->metric, "response_p99_ns") != 0 || !summary_is_cipher(row) ||
		    row->arm[strcspn(row->arm, "@+")] != '\0' ||
		    summary_find(s, row, "none", "offered_msgs_s") != cell)
			continue;
		headline_say(text, "%s", between);
		say_added(text, row);
		between = ", ";
	}
	if (plain != NULL && between[0] == ' ')
		headline_say(text, " it is %s in plaintext", table_ns(plain->value, number));
}

static void say_cells(char text[HEADLINE_BYTES], const struct summary *s)
{
	char subject[HEADLINE_TEXT_BYTES];
	const struct summary_row *first = rates_next_cell(s, NULL);
	int count = 0;

	headline_say(text, "99th percentile of the response time of %s on this machine: ",
	             headline_subject(first, subject));
	for (const struct summary_row *cell = first;
	     cell != NULL && count < SAID_MAX && summary_same_target(cell, first);
	     cell = rates_next_cell(s, cell)) {
		headline_say(text, "%s", count++ > 0 ? "; " : "");
		say_cell(text, s, cell);
	}
	headline_say(text, ".");
}

static void say_missed(char text[HEADLINE_BYTES], const struct summary *s)
{
	char offered[TABLE_NUMBER_BYTES], reached[TABLE_NUMBER_BYTES];
	const struct summary_row *one = NULL;
	size_t missed = 0, rows = 0;

	for (size_t i = 0; i < s->count; i++) {
		if (!is_offered(&s->rows[i]))
			continue;
		rows++;
		if (!rates_missed(s, &s->rows[i]))
			continue;
		missed++;
		one = &s->rows[i];
	}
	if (missed == 1)
		headline_say(text,
		             " %s, %s: the offered rate of %s/s was not reached (%s/s): its "
		             "response times "
		             "are those of a queue that grows.",
		             one->workload, one->arm, table_count(one->value, offered),
		             table_count(summary_find(s, one, one->arm, "reached_msgs_s")->value,
		                         reached));
	else if (missed > 1)
		headline_say(text,
		             " The offered rate was not reached in %zu of %zu rows: their response "
		             "times "
		             "are those of a queue that grows.",
		             missed, rows);
}

void rates_say(const struct summary *s, int alone, char text[HEADLINE_BYTES])
{
	if (alone && rates_next_cell(s, NULL) != NULL)
		say_cells(text, s);
	say_missed(text, s);
}
