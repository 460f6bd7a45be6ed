/* ranks.c - see ranks.h. */
#include "harness/analysis/ranks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void ranks_doubled(const double *sorted, size_t n, size_t *ranks)
{
	for (size_t first = 0, end; first < n; first = end) {
		end = first + 1;
		while (end < n && sorted[end] == sorted[first])
			end++;
		/* The places are first+1 .. end. */
		for (size_t i = first; i < end; i++)
			ranks[i] = first + 1 + end;
	}
}

int ranks_signed(const size_t *ranks, size_t n, double half, struct ranks_sum *out)
{
	size_t top = 0;
	double squares = 0;

	for (size_t i = 0; i < n; i++) {
		top += ranks[i];
		squares += (double)ranks[i] * (double)ranks[i];
	}
	*out = (struct ranks_sum){NULL, top, (double)top / 2, sqrt(squares) / 2, half};
	if (n > RANKS_EXACT_MAX)
		return 0;
	double *p = calloc(top + 1, sizeof(*p));
	if (p == NULL)
		return -1;

	/* Each rank is added in half of the cases; from above, so that p[s - rank] is still
	 * without it. */
	size_t reached = 0;
	p[0] = 1;
	for (size_t i = 0; i < n; i++) {
		reached += ranks[i];
		for (size_t s = reached + 1; s-- > 0;)
			p[s] = (p[s] + (s >= ranks[i] ? p[s - ranks[i]] : 0)) / 2;
	}
	out->p = p;
	return 0;
}

/* Rank by rank: p[c * width + s] is the chance that of the ranks so far c were taken and sum to
 * s. Of `left` ranks the next is one of the missing ones with chance missing / left. */
static void count_choices(const size_t *ranks, size_t n, size_t chosen, size_t width, double *p,
                          size_t (*range)[2])
{
	p[0] = 1;
	for (size_t i = 0; i < n; i++) {
		/* From above: c + 1 has been dealt with when c adds to it. */
		for (size_t c = i < chosen ? i + 1 : chosen; c-- > 0;) {
			double *stay = p + c * width;
			double *move = stay + width + ranks[i];
			double taken = (double)(chosen - c) / (double)(n - i);
			size_t low = range[c][0];
			size_t high = range[c][1];
			if (chosen - c > n - i || low > high)
				continue; /* no longer, or not yet reached */
			for (size_t s = low; s <= high; s++) {
				move[s] += stay[s] * taken;
				stay[s] *= 1 - taken;
			}
			size_t *next = range[c + 1];
			next[0] = next[0] < low + ranks[i] ? next[0] : low + ranks[i];
			next[1] = next[1] > high + ranks[i] ? next[1] : high + ranks[i];
		}
	}
}

int ranks_chosen(const size_t *ranks, size_t n, size_t chosen, double half, struct ranks_sum *out)
{
	size_t top = 0;
	double sum = 0;
	double spread = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)ranks[i];
	for (size_t i = 0; i < n; i++)
		spread += pow((double)ranks[i] - sum / (double)n, 2);
	for (size_t i = n - chosen; i < n; i++)
		top += ranks[i];
	double m = (double)chosen;
	double rest = (double)(n - chosen);
	double deviation = n > 1 ? sqrt(m * rest / (m + rest) * spread / (m + rest - 1)) : 0;
	*out = (struct ranks_sum){NULL, top, m * sum / (m + rest), deviation, half};
	if (chosen > RANKS_EXACT_MAX || n - chosen > RANKS_EXACT_MAX)
		return 0;

	double *p = calloc((chosen + 1) * (top + 1), sizeof(*p));
	size_t(*range)[2] = malloc((chosen + 1) * sizeof(*range));
	int rc = -1;
	if (p != NULL && range != NULL) {
		for (size_t c = 1; c <= chosen; c++)
			range[c][0] = SIZE_MAX, range[c][1] = 0;
		range[0][0] = range[0][1] = 0;
		count_choices(ranks, n, chosen, top + 1, p, range);
		memmove(p, p + chosen * (top + 1), (top + 1) * sizeof(*p));
		out->p = p;
		p = NULL;
		rc = 0;
	}
	free(range);
	free(p);
	return rc;
}

void ranks_free(struct ranks_sum *r)
{
	free(r->p);
	r->p = NULL;
}

/* Chance of a standard normal value above z. */
static double normal_above(double z)
{
	return 0.5 * erfc(z / sqrt(2.0));
}

/* The z above which lies a share `tail`, 0 < tail < 1/2; halving, 60 times. */
static double normal_quantile(double tail)
{
	double low = 0;
	double high = 40;
	for (int i = 0; i < 60; i++) {
		double z = (low + high) / 2;
		if (normal_above(z) > tail)
			low = z;
		else
			high = z;
	}
	return low;
}

double ranks_at_least(const struct ranks_sum *r, size_t sum)
{
	if (r->p == NULL) {
		double above = (double)sum - r->half - r->mean;
		/* All ranks tied: the sum is always the same. */
		return r->deviation > 0 ? normal_above(above / r->deviation) : above <= 0;
	}
	double total = 0;
	for (size_t s = r->top + 1; s-- > sum;)
		total += r->p[s];
	return fmin(total, 1);
}

int64_t ranks_within(const struct ranks_sum *r, double tail)
{
	if (!(tail > 0))
		return -1;
	if (r->p == NULL) {
		double k = floor(r->mean - normal_quantile(tail) * r->deviation - r->half);
		return k < 0 ? -1 : (int64_t)k;
	}
	double total = 0;
	int64_t k = -1;
	for (size_t s = 0; s <= r->top; s++) {
		total += r->p[s];
		if (total > tail)
			break;
		k = (int64_t)s;
	}
	return k;
}
