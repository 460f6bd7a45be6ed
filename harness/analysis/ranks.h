/* ranks.h - what a rank sum is when there is no effect: the distribution that the tests and
 * intervals of stats.h are read from. Pure functions.
 *
 *   signed   n ranks, each taken with chance 1/2           Wilcoxon's signed-rank sum, one sample
 *   chosen   m of n ranks taken, every choice alike        the rank sum of one of two samples
 *
 * Counted out exactly up to RANKS_EXACT_MAX ranks of a sample, with ties too: it is the
 * distribution given the ranks at hand. Above, the normal distribution of the same mean and
 * deviation, half a rank of continuity. Ranks are whole numbers; where ties share the mean of
 * their places, all are doubled (ranks_doubled).
 */
#ifndef ATREST_HARNESS_ANALYSIS_RANKS_H
#define ATREST_HARNESS_ANALYSIS_RANKS_H

#include <stddef.h>
#include <stdint.h>

#define RANKS_EXACT_MAX 60

struct ranks_sum {
	double *p;  /* chance of each sum 0..top; NULL: approximated */
	size_t top; /* largest sum */
	double mean, deviation;
	double half; /* half the step from one rank to the next: 0.5, or 1 of doubled ranks */
};

/* Twice the rank of each of n sorted values, counted from 1; equal ones share the mean of their
 * places. */
void ranks_doubled(const double *sorted, size_t n, size_t *ranks);

/* half as in the struct. 0, or -1: memory, and there is nothing to free. */
int ranks_signed(const size_t *ranks, size_t n, double half, struct ranks_sum *out);
/* chosen <= n. */
int ranks_chosen(const size_t *ranks, size_t n, size_t chosen, double half, struct ranks_sum *out);
void ranks_free(struct ranks_sum *r);

/* P(S >= sum). */
double ranks_at_least(const struct ranks_sum *r, size_t sum);

/* The largest sum k with P(S <= k) <= tail, 0 < tail < 1/2; -1 when there is none. */
int64_t ranks_within(const struct ranks_sum *r, double tail);

#endif
