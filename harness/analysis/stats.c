/* stats.c - see stats.h. */
#include "harness/analysis/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;
	return (x > y) - (x < y);
}

static double middle(const double *sorted, size_t n)
{
	return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

double stats_median(const double *x, size_t n)
{
	double *sorted = n > 0 ? malloc(n * sizeof(*sorted)) : NULL;
	if (sorted == NULL)
		return NAN;
	memcpy(sorted, x, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), by_value);
	double median = middle(sorted, n);
	free(sorted);
	return median;
}

/* Largest k with P(T <= k) <= 2.5 %, T the sum of the ranks 1..n each taken with chance 1/2. */
static int64_t rank_exact(size_t n)
{
	/* p[s] = chance of rank sum s; rank r is added to the half of the cases that take it. */
	double p[STATS_EXACT_MAX * (STATS_EXACT_MAX + 1) / 2 + 1] = {1.0};
	size_t top = 0;
	for (size_t r = 1; r <= n; r++) {
		for (size_t s = top + r + 1; s-- > 0;) {
			double taken = s >= r ? p[s - r] : 0;
			p[s] = (p[s] + taken) / 2;
		}
		top += r;
	}
	double sum = 0;
	int64_t k = -1;
	for (size_t s = 0; s <= top; s++) {
		sum += p[s];
		if (sum > 0.025)
			break;
		k = (int64_t)s;
	}
	return k;
}

int64_t stats_wilcoxon_rank(size_t n)
{
	if (n < STATS_INTERVAL_MIN)
		return -1;
	if (n <= STATS_EXACT_MAX)
		return rank_exact(n);
	double m = (double)n;
	double mean = m * (m + 1) / 4;
	double deviation = sqrt(m * (m + 1) * (2 * m + 1) / 24);
	return (int64_t)floor(mean - 1.959963985 * deviation - 0.5);
}

/* The averages (x_i + x_j)/2, i <= j; there is room for n(n+1)/2. Returns how many. */
static size_t walsh_averages(const double *x, size_t n, double *averages)
{
	size_t count = 0;
	for (size_t i = 0; i < n; i++)
		for (size_t j = i; j < n; j++)
			averages[count++] = (x[i] + x[j]) / 2;
	return count;
}

/* Hoare's selection: afterwards x[k] is what it would be in sorted order, smaller ones before
 * it. The bootstrap takes thousands of medians; sorting for each would dominate a report. */
static double select_kth(double *x, size_t n, size_t k)
{
	size_t low = 0;
	size_t high = n - 1;
	while (low < high) {
		double pivot = x[(low + high) / 2];
		size_t i = low;
		size_t j = high;
		for (;;) {
			while (x[i] < pivot)
				i++;
			while (x[j] > pivot)
				j--;
			if (i >= j)
				break;
			double swapped = x[i];
			x[i++] = x[j];
			x[j--] = swapped;
		}
		/* x[low..j] <= pivot <= x[j+1..high]; j < high, as the pivot was not the last. */
		if (k <= j)
			high = j;
		else
			low = j + 1;
	}
	return x[k];
}

static double select_middle(double *x, size_t n)
{
	double upper = select_kth(x, n, n / 2);
	if (n % 2 == 1)
		return upper;
	double lower = x[0];
	for (size_t i = 1; i < n / 2; i++)
		lower = fmax(lower, x[i]);
	return (lower + upper) / 2;
}

struct stats_interval stats_hodges_lehmann(const double *x, size_t n)
{
	struct stats_interval out = {NAN, NAN, NAN};
	double *averages = n > 0 ? malloc(n * (n + 1) / 2 * sizeof(*averages)) : NULL;
	if (averages == NULL)
		return out;
	size_t count = walsh_averages(x, n, averages);
	qsort(averages, count, sizeof(*averages), by_value);
	out.estimate = middle(averages, count);
	int64_t k = stats_wilcoxon_rank(n);
	if (k >= 0) {
		out.low = averages[k];
		out.high = averages[count - 1 - (size_t)k];
	}
	free(averages);
	return out;
}

uint64_t stats_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Two-sided 95 % quantile of Student's t, from Cornish-Fisher's expansion around the normal's;
 * good to 1 % from 5 degrees up, which is far inside what a bootstrap can tell. */
static double t_quantile(double degrees)
{
	double z = 1.959963985;
	double z3 = z * z * z;
	double z5 = z3 * z * z;
	return z + (z3 + z) / (4 * degrees) + (5 * z5 + 16 * z3 + 3 * z) / (96 * degrees * degrees);
}

struct stats_interval stats_bootstrap(const double *x, size_t n, uint64_t seed)
{
	struct stats_interval out = {NAN, NAN, NAN};
	if (n < STATS_INTERVAL_MIN) {
		out.estimate = stats_hodges_lehmann(x, n).estimate;
		return out;
	}
	size_t pairs = n * (n + 1) / 2;
	double *work = malloc((n + pairs + STATS_BOOTSTRAP_RESAMPLES) * sizeof(*work));
	if (work == NULL)
		return out;
	double *drawn = work;
	double *averages = work + n;
	double *estimates = averages + pairs;

	out.estimate = select_middle(averages, walsh_averages(x, n, averages));
	uint64_t state = seed;
	for (size_t b = 0; b < STATS_BOOTSTRAP_RESAMPLES; b++) {
		for (size_t i = 0; i < n; i++)
			drawn[i] = x[stats_random(&state) % n];
		estimates[b] = select_middle(averages, walsh_averages(drawn, n, averages));
	}
	qsort(estimates, STATS_BOOTSTRAP_RESAMPLES, sizeof(*estimates), by_value);

	/* The tail that makes a normal interval as wide as t's with n - 1 degrees, and n/(n-1)
	 * for the variance of a sample drawn from a sample. */
	double m = (double)n;
	double width = sqrt(m / (m - 1)) * t_quantile(m - 1);
	double tail = 0.5 * erfc(width / sqrt(2.0));
	size_t cut = (size_t)(tail * STATS_BOOTSTRAP_RESAMPLES);
	out.low = estimates[cut];
	out.high = estimates[STATS_BOOTSTRAP_RESAMPLES - 1 - cut];
	free(work);
	return out;
}

uint64_t stats_twin_limit(uint64_t m)
{
	/* P(X = k), from k = 0 up: each is the one before times (m-k+1)/k * p/(1-p). */
	double p = pow(0.95, (double)m);
	double sum = p;
	uint64_t k = 0;
	while (sum < 0.99 && k < m) {
		k++;
		p *= (double)(m - k + 1) / (double)k * (0.05 / 0.95);
		sum += p;
	}
	return k;
}
