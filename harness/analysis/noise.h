/* noise.h - what a run of plaintext against itself says about the machine: the smallest effect that
 * is told from zero here in four of five runs, and how many rounds another precision takes. Pure
 * functions of summary rows.
 *
 * Half-width  of the twin's 95 % interval. From n rounds of spread s (the standard deviation of the
 *             paired log-ratio, in percent) it is about
 *
 *               s * 2.0056 / sqrt(n - 2.8)
 *
 *             2.0056 = 1.96 / sqrt(0.955), the normal's width over the efficiency of Wilcoxon's
 *             test; 2.8 stands for what few rounds cost (0.88 s at 8, 0.66 s at 12, 0.47 s at
 *             20; within 5 % of simulated intervals from 8 rounds up).
 * Resolution  the effect that is told from zero in 80 % of runs like this one. It is told when its
 *             estimate lies outside of the floor (verdict.h) and its interval, as wide as the
 *             twin's, does not hold zero, hence when the estimate exceeds the larger of both: of an
 *             effect of that size half of all estimates do. Four of five do from 0.5 half-widths
 *             further on: 0.8416 standard errors, a half-width being 1.96, and what it costs that
 *             a half-width is itself an estimate (simulated: 0.78 to 0.82 from 8 rounds to 30).
 */
#ifndef ATREST_HARNESS_ANALYSIS_NOISE_H
#define ATREST_HARNESS_ANALYSIS_NOISE_H

#include <stddef.h>
#include <stdint.h>

#include "harness/analysis/summary.h"

/* Half-width of an interval of n rounds, in standard deviations; NaN below 6. */
double noise_half_width(size_t n);
/* Rounds, an even number, 8 at least, that make half-widths of width_pct at that spread; 0: more
 * than 100000. */
uint64_t noise_rounds(double spread_pct, double width_pct);

/* Of one cell and metric. */
struct noise_row {
	const struct summary_row *twin; /* borrowed from the summary */
	double half_width_pct;
	double spread_pct;
	double resolution_pct;             /* told from zero in 80 % of runs */
	uint64_t rounds_2pct, rounds_5pct; /* noise_rounds for 2 % and 5 % */
};

struct noise {
	struct noise_row *rows; /* in the order of the summary */
	size_t count;
};

/* The twins that have an interval, of every metric that has one. 0, or -1: memory. */
int noise_make(const struct summary *s, struct noise *out);
void noise_free(struct noise *n);

/* 0: the resolution is none, since no more than all of the throughput can be lost. */
int noise_row_told(const struct noise_row *row);

#define NOISE_WHY_BYTES 256
/* 0: of throughput nothing can be told; why says what is to blame, else "". */
int noise_told(const struct noise *n, char why[NOISE_WHY_BYTES]);

/* The largest resolution of a metric over all cells, NULL when it has none. */
const struct noise_row *noise_worst(const struct noise *n, const char *metric);

#endif
