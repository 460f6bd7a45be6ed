/* rates.h - open loops in words: what a cipher adds to the response time at a rate that is given.
 *
 * A cell of an open loop has rows offered_msgs_s, reached_msgs_s, response_... and latency_..., and
 * none of throughput and CPU time (summary.csv).
 */
#ifndef ATREST_HARNESS_OUTPUT_RATES_H
#define ATREST_HARNESS_OUTPUT_RATES_H

#include "harness/analysis/summary.h"
#include "harness/output/headline.h"
#include "harness/output/table.h"

/* The plaintext offered_msgs_s row of the first such cell behind another such row (NULL: of all);
 * NULL: there is none. */
const struct summary_row *rates_next_cell(const struct summary *s,
                                          const struct summary_row *before);

/* An arm that was offered more than it took: response times are those of a queue that grows.
 * offered is its offered_msgs_s row. */
int rates_missed(const struct summary *s, const struct summary_row *offered);

/* A row per cell and arm; NULL: memory. The caller frees it. */
struct table *rates_table(const struct summary *s);
/* For below it. */
#define RATES_NOTE                                                                                 \
	"response: from the moment an operation was to start at the offered rate to its end, so "  \
	"that one that waits for those before it counts in full; percentiles are medians of the "  \
	"rounds, added and % estimates over the rounds' pairs with 95 % intervals"

/* Adds to the sentence (headline.h): alone 1, what each cipher adds in the first target's cells;
 * always, rates that were not reached. */
void rates_say(const struct summary *s, int alone, char text[HEADLINE_BYTES]);

#endif
