/* stats.h - the statistics of paired rounds, and of two results side by side. Pure functions; no
 * row, no file.
 *
 * Estimate  Hodges-Lehmann, one sample: the median of all n(n+1)/2 Walsh averages
 *           (x_i + x_j)/2, i <= j. Robust against single bad rounds, 95 % efficient when all
 *           are good. Two samples: the median of all differences y_j - x_i.
 * Interval  the Wilcoxon signed-rank test (two samples: Mann and Whitney's) turned round: the
 *           sorted averages W_(k+1) .. W_(M-k), k the largest rank sum that occurs with
 *           probability <= 2.5 % below or at it. Exact (the distribution of the rank sum is
 *           counted out) up to 60 values in a sample (ranks.h), a normal approximation with
 *           continuity correction above. Below 6 values no interval of 95 % exists, of two
 *           samples below 4 and 4. With ties it is a little too wide, never too narrow.
 * Test      the same rank sums against a margin, one-sided; ties and zeros are counted out too.
 *
 * All of it is compared with another implementation, R's wilcox.test and p.adjust, on 1,000 data
 * sets to 1e-9 (tests/vectors/stats).
 */
#ifndef ATREST_HARNESS_ANALYSIS_STATS_H
#define ATREST_HARNESS_ANALYSIS_STATS_H

#include <stddef.h>
#include <stdint.h>

#define STATS_INTERVAL_MIN        6 /* values, for 95 % */
#define STATS_BOOTSTRAP_RESAMPLES 1000

/* low and high are NaN when there is no interval; estimate is NaN without values. */
struct stats_interval {
	double estimate, low, high;
};

/* Mean of the two middle ones when n is even; NaN when n is 0 or memory ran out. */
double stats_median(const double *x, size_t n);

/* All NaN when memory ran out. confidence is two-sided, such as 0.95. */
struct stats_interval stats_hodges_lehmann_at(const double *x, size_t n, double confidence);
/* At 95 %. */
struct stats_interval stats_hodges_lehmann(const double *x, size_t n);

/* Of the shift from the m values x to the n values y. As above; NaN when either is empty. */
struct stats_interval stats_shift(const double *x, size_t m, const double *y, size_t n,
                                  double confidence);

/* How likely values as far above mu as these are if their centre is mu or less: one-sided, small
 * speaks for "more than mu". Values equal to mu say nothing and are left out; 1 when none is
 * left, NaN when memory ran out. For "less than mu": the same of -x and -mu. */
double stats_signed_rank_p(const double *x, size_t n, double mu);

/* The same of y being above x by more than margin, against a shift of margin or less. For "below
 * by more than margin": x and y the other way round. 1 when either is empty. */
double stats_shift_p(const double *x, size_t m, const double *y, size_t n, double margin);

/* p of n tests made together, adjusted so that the chance of any false alarm among them stays
 * below the level that each is held against (Holm 1979). NaN is no test: it stays NaN and does
 * not count. p and adjusted are different arrays. */
void stats_holm(const double *p, size_t n, double *adjusted);

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
