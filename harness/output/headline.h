/* headline.h - a summary in words: the one sentence, the table at the end of a run, JSON.
 *
 * ns and CPU per message lead; a percentage is said to be of "this store", and that a server's
 * own cost was not measured, unless rows of a real server are there. Then the newest version is
 * what the sentence is about, and the others follow.
 */
#ifndef ATREST_HARNESS_OUTPUT_HEADLINE_H
#define ATREST_HARNESS_OUTPUT_HEADLINE_H

#include "harness/analysis/stats.h"
#include "harness/analysis/summary.h"
#include "harness/analysis/verdict.h"
#include "harness/output/table.h"

#include <jansson.h>

/* For below the table. */
#define HEADLINE_NOTE                                                                              \
	"added, lost: estimates over the rounds' paired differences and ratios, not the "          \
	"difference of the columns; negative: cheaper or faster than plaintext"

#define HEADLINE_BYTES      2048
#define HEADLINE_TEXT_BYTES 96

/* The cell that the sentence and the figures speak of: of the first target of the summary (the
 * newest server, else the store, else the harness alone); class publish before others; the payload
 * nearest to 1 KiB. Its plaintext throughput row; NULL when the summary has none. */
const struct summary_row *headline_cell(const struct summary *s);
/* The same of the target and version that follow those of another such row; NULL: no more. */
const struct summary_row *headline_next_cell(const struct summary *s,
                                             const struct summary_row *before);

/* Who is measured: "this store", "nats-server 2.15.1", "nats-server 2.15.1 (--server)" for one that
 * was there, "the harness alone". */
const char *headline_subject(const struct summary_row *cell, char text[HEADLINE_TEXT_BYTES]);

/* One or more sentences without a line end; says so when the run is interrupted, inconclusive or
 * has invalid rows. */
void headline_sentence(const struct summary *s, char text[HEADLINE_BYTES]);

/* Adds to a sentence; what is longer than it is cut. */
void headline_say(char text[HEADLINE_BYTES], const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* The first three columns, workload, target and arm, of a row behind another one of its metric; of
 * the same cell (NULL: there is none before) the arm alone is shown. */
void headline_put_arm(struct table *t, const struct summary_row *before,
                      const struct summary_row *row);

/* The value of a row, NULL: nothing. */
void headline_put_value(struct table *t, const struct summary_row *row,
                        const char *(*format)(double value, char text[TABLE_NUMBER_BYTES]));

/* A row per cell and arm; "client" is there where a client has CPU time of its own. NULL: memory.
 * The caller frees it. */
struct table *headline_table(const struct summary *s);

/* What is printed: that table with its note, and the one of open loops (rates.h) with its own,
 * whichever of them has rows. 0, or -1: memory or a failed write. */
int headline_print(const struct summary *s, FILE *out);

/* { "sentence", "complete", "inconclusive", "invalid_samples", ..., "rows": [ ... ] } with
 * every column of summary.csv; a new reference, NULL: memory. */
json_t *headline_json(const struct summary *s);

/* "12.3 % [10.1, 14.5]" with as many decimals as the interval allows; without an interval the
 * estimate alone; "-" when there is neither. */
const char *headline_percent(struct stats_interval i, char text[HEADLINE_TEXT_BYTES]);
/* "0.14 µs [0.13, 0.15]", the unit from the largest of the three. */
const char *headline_ns(struct stats_interval i, char text[HEADLINE_TEXT_BYTES]);

/* What its verdict column says, and what cost it may have unseen (verdict_at_most): in percent, and
 * in the unit of its metric. */
enum verdict headline_verdict(const struct summary_row *row);
double headline_at_most(const struct summary_row *row);
double headline_added_at_most(const struct summary_row *row);

/* The columns of a row as intervals. */
struct stats_interval headline_overhead(const struct summary_row *row);
struct stats_interval headline_added(const struct summary_row *row);

#endif
