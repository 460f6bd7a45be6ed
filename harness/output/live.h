/* live.h - what a run has come to so far, as text for the terminal: per cell its rounds, and of
 * each arm the throughput overhead and its interval, which gets narrower from square to square.
 */
#ifndef ATREST_HARNESS_OUTPUT_LIVE_H
#define ATREST_HARNESS_OUTPUT_LIVE_H

#include "harness/schedule.h"

/* Whole ASCII lines, malloc'd; NULL: memory. A pure function of the rows. */
char *live_table(const struct plan *plan, const struct schedule_rule *rule,
                 const struct samples *samples);

#endif
