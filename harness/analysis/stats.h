/* stats.h - the statistics of paired rounds. Pure functions; no row, no file.
 *
 * Estimate  Hodges-Lehmann, one sample: the median of all n(n+1)/2 Walsh averages
 *           (x_i + x_j)/2, i <= j. Robust against single bad rounds, 95 % efficient when all
 *           are good.
 * Interval  the Wilcoxon signed-rank test turned round: the averages W_(k+1) .. W_(M-k), k the
 *           largest rank sum that occurs with probability <= 2.5 % below or at it. Exact (the
 *           distribution of the rank sum is counted out) up to STATS_EXACT_MAX values, a normal
 *           approximation with continuity correction above. Below 6 values no interval of
 *           95 % exists.
 */
#ifndef ATREST_HARNESS_ANALYSIS_STATS_H
#define ATREST_HARNESS_ANALYSIS_STATS_H

#include <stddef.h>
#include <stdint.h>

#define STATS_EXACT_MAX           60
#define STATS_INTERVAL_MIN        6 /* values, for 95 % */
#define STATS_BOOTSTRAP_RESAMPLES 1000

/* low and high are NaN when there is no interval; estimate is NaN without values. */
struct stats_interval {
	double estimate, low, high;
};

/* Mean of the two middle ones when n is even; NaN when n is 0 or memory ran out. */
double stats_median(const double *x, size_t n);

/* 95 %. All NaN when memory ran out. */
struct stats_interval stats_hodges_lehmann(const double *x, size_t n);

/* The k of the interval above: how many Walsh averages are left out at each end; -1 when no
 * interval of 95 % exists. */
int64_t stats_wilcoxon_rank(size_t n);

/* For percentile latencies: the estimate is the Hodges-Lehmann estimate, the interval comes from
 * drawing the n rounds again with replacement, STATS_BOOTSTRAP_RESAMPLES times. Percentile
 * interval, widened to the t distribution's width (a percentile interval alone is too narrow at
 * 8 rounds). The same seed gives the same interval. Needs 6 values too. */
struct stats_interval stats_bootstrap(const double *x, size_t n, uint64_t seed);

/* The smallest k with P(X <= k) >= 0.99 for X of Binomial(m, 0.05): how many of m twins may
 * exclude zero by chance. */
uint64_t stats_twin_limit(uint64_t m);

/* splitmix64: the next of a seeded sequence of 64-bit numbers. */
uint64_t stats_random(uint64_t *state);

#endif
