/* compare_side.h - one result as it is compared: is it fit for that, and which arms has it? Shared
 * by compare.c and compare_side.c alone.
 */
#ifndef ATREST_HARNESS_ANALYSIS_COMPARE_SIDE_H
#define ATREST_HARNESS_ANALYSIS_COMPARE_SIDE_H

#include "harness/analysis/compare.h"

#define COMPARE_TIME     "time_ns_per_msg" /* of every arm of a closed loop */
#define COMPARE_CPU      "cpu_ns_per_msg"
#define COMPARE_OFFERED  "offered_msgs_s" /* of every arm of an open loop */
#define COMPARE_RESPONSE "response_p99_ns"

/* An arm of a cell. */
struct compare_entry {
	const struct summary_row *row;     /* its time, or the rate offered */
	const struct sample *sample;       /* the first of its slices */
	const struct compare_entry *match; /* of the other side */
};

struct compare_side {
	const char *name;
	const struct samples *samples; /* borrowed */
	struct summary summary;
	struct compare_entry *entries; /* every arm but the twin, in the summary's order */
	size_t count;
};

/* Fills the side and tells out what keeps it from being compared. 0, or -1: memory. */
int compare_side_open(struct compare_side *side, const struct samples *samples, const char *name,
                      struct comparison *out);
void compare_side_close(struct compare_side *side);

/* Pairs the entries that are the same cell and arm; tells out of those that one side alone has.
 * Plaintext, which is on either side's own, is left out. 0, or -1. */
int compare_match(struct compare_side *base, struct compare_side *new_, struct comparison *out);

/* 1 for plaintext of the first directory and of this program: the baseline. */
int compare_is_baseline(const struct compare_entry *e);

#endif
