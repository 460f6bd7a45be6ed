/* verdict.h - what an effect and its noise allow one to say.
 *
 * Floor    the twin (plaintext measured a second time) through the same estimator: |estimate|,
 *          or the larger end of its interval when that excludes zero.
 * Effect   not distinguishable from zero when its interval includes zero or its estimate lies
 *          within the floor.
 * Run      inconclusive when more twins exclude zero than chance allows (stats_twin_limit).
 */
#ifndef ATREST_HARNESS_ANALYSIS_VERDICT_H
#define ATREST_HARNESS_ANALYSIS_VERDICT_H

#include "harness/analysis/stats.h"

#include <stdint.h>

enum verdict {
	VERDICT_OVERHEAD,          /* costs more than plaintext */
	VERDICT_FASTER,            /* costs less */
	VERDICT_INDISTINGUISHABLE, /* not distinguishable from zero here */
	VERDICT_INCONCLUSIVE,      /* no interval, no twin, or a width that was not reached */
	VERDICT_INVALID            /* a row failed or is missing: nothing may be concluded */
};

/* As in summary.csv. */
const char *verdict_name(enum verdict v);
/* 0, or -1 for another text. */
int verdict_parse(const char *text, enum verdict *out);

/* Overheads in percent, positive = dearer. NaN when the twin has no estimate or no interval. */
double verdict_floor(struct stats_interval twin);

/* floor NaN: inconclusive. */
enum verdict verdict_of(struct stats_interval effect, double floor);

/* For figures without chance (bytes, files): only the floor counts, NaN being none. */
enum verdict verdict_of_exact(double estimate, double floor);

/* The x of "not distinguishable from zero here (<= x %)": what it may cost at most, the upper end
 * of the interval (without one the estimate), or the floor when that is higher. How far the
 * interval reaches below zero bounds no cost. In the unit of both. */
double verdict_at_most(struct stats_interval effect, double floor);

/* 1 when the interval exists and does not hold zero. */
int verdict_excludes_zero(struct stats_interval effect);

/* Where the documentation's "as little as 1 % to more than 30 %" puts it: "below", "within",
 * "above", and "at the lower edge of", "at the upper edge of" when the interval holds the
 * bound. To be followed by "the 1-30 % range". */
const char *verdict_range(struct stats_interval overhead);

#endif
