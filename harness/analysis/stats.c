/* stats.c - see stats.h. */
#include "harness/analysis/stats.h"

#include "harness/analysis/ranks.h"

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

/* Of ranks 1..n: how many Walsh averages an interval leaves out at each end. */
static int64_t one_sample_rank(size_t n, double confidence)
{
	struct ranks_sum sum;
	size_t *ranks = malloc((n + 1) * sizeof(*ranks));
	int64_t k = -1;

	for (size_t i = 0; ranks != NULL && i < n; i++)
		ranks[i] = i + 1;
	if (ranks != NULL && ranks_signed(ranks, n, 0.5, &sum) == 0) {
		k = ranks_within(&sum, (1 - confidence) / 2);
		ranks_free(&sum);
	}
	free(ranks);
	return k;
}

int64_t stats_wilcoxon_rank(size_t n)
{
	return one_sample_rank(n, 0.95);
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

/* Sorts what was averaged or subtracted; k are left out at each end, -1: no interval. */
static struct stats_interval interval_of(double *values, size_t count, int64_t k)
{
	struct stats_interval out = {NAN, NAN, NAN};

	qsort(values, count, sizeof(*values), by_value);
	out.estimate = middle(values, count);
	if (k >= 0) {
		out.low = values[k];
		out.high = values[count - 1 - (size_t)k];
	}
	return out;
}

struct stats_interval stats_hodges_lehmann_at(const double *x, size_t n, double confidence)
{
	double *averages = n > 0 ? malloc(n * (n + 1) / 2 * sizeof(*averages)) : NULL;
	if (averages == NULL)
		return (struct stats_interval){NAN, NAN, NAN};
	size_t count = walsh_averages(x, n, averages);
	struct stats_interval out = interval_of(averages, count, one_sample_rank(n, confidence));
	free(averages);
	return out;
}

struct stats_interval stats_hodges_lehmann(const double *x, size_t n)
{
	return stats_hodges_lehmann_at(x, n, 0.95);
}

static int by_size(const void *a, const void *b)
{
	double x = fabs(*(const double *)a);
	double y = fabs(*(const double *)b);
	return (x > y) - (x < y);
}

double stats_signed_rank_p(const double *x, size_t n, double mu)
{
	struct ranks_sum sum;
	double p = NAN;
	double *away = malloc((2 * n + 1) * sizeof(*away));
	size_t *ranks = malloc((n + 1) * sizeof(*ranks));

	if (away != NULL && ranks != NULL) {
		double *sizes = away + n;
		size_t count = 0;
		size_t positive = 0; /* sum of the doubled ranks above mu */
		for (size_t i = 0; i < n; i++)
			if (x[i] != mu)
				away[count++] = x[i] - mu;
		qsort(away, count, sizeof(*away), by_size);
		for (size_t i = 0; i < count; i++)
			sizes[i] = fabs(away[i]);
		ranks_doubled(sizes, count, ranks);
		for (size_t i = 0; i < count; i++)
			positive += away[i] > 0 ? ranks[i] : 0;
		if (ranks_signed(ranks, count, 1, &sum) == 0) {
			p = ranks_at_least(&sum, positive);
			ranks_free(&sum);
		}
	}
	free(ranks);
	free(away);
	return p;
}

/* ---- two samples ---- */

/* Of m + n values without ties: how many differences an interval leaves out at each end. */
static int64_t two_sample_rank(size_t m, size_t n, double confidence)
{
	struct ranks_sum sum;
	size_t *ranks = malloc((m + n) * sizeof(*ranks));
	int64_t k = -1;

	for (size_t i = 0; ranks != NULL && i < m + n; i++)
		ranks[i] = i + 1;
	if (ranks != NULL && ranks_chosen(ranks, m + n, n, 0.5, &sum) == 0) {
		/* Mann and Whitney's count is the rank sum less the smallest that there is. */
		int64_t smallest = (int64_t)(n * (n + 1) / 2);
		int64_t within = ranks_within(&sum, (1 - confidence) / 2);
		k = within < smallest ? -1 : within - smallest;
		ranks_free(&sum);
	}
	free(ranks);
	return k;
}

struct stats_interval stats_shift(const double *x, size_t m, const double *y, size_t n,
                                  double confidence)
{
	double *differences = m > 0 && n > 0 ? malloc(m * n * sizeof(*differences)) : NULL;
	if (differences == NULL)
		return (struct stats_interval){NAN, NAN, NAN};
	for (size_t i = 0; i < m; i++)
		for (size_t j = 0; j < n; j++)
			differences[i * n + j] = y[j] - x[i];
	struct stats_interval out =
	        interval_of(differences, m * n, two_sample_rank(m, n, confidence));
	free(differences);
	return out;
}

double stats_shift_p(const double *x, size_t m, const double *y, size_t n, double margin)
{
	struct ranks_sum sum;
	double p = NAN;
	double *all = malloc((m + n + 1) * sizeof(*all));
	size_t *ranks = malloc((m + n + 1) * sizeof(*ranks));

	if (m == 0 || n == 0)
		p = 1;
	else if (all != NULL && ranks != NULL) {
		/* Doubled, as the ranks are: 2 for each pair with y above, 1 for equal ones. */
		size_t above = n * (n + 1);
		for (size_t j = 0; j < n; j++) {
			all[m + j] = y[j] - margin;
			for (size_t i = 0; i < m; i++)
				above += all[m + j] > x[i] ? 2 : all[m + j] == x[i];
		}
		memcpy(all, x, m * sizeof(*all));
		qsort(all, m + n, sizeof(*all), by_value);
		ranks_doubled(all, m + n, ranks);
		if (ranks_chosen(ranks, m + n, n, 1, &sum) == 0) {
			p = ranks_at_least(&sum, above);
			ranks_free(&sum);
		}
	}
	free(ranks);
	free(all);
	return p;
}

/* ---- several tests ---- */

void stats_holm(const double *p, size_t n, double *adjusted)
{
	double done = -1;
	double largest = 0;

	for (size_t i = 0; i < n; i++)
		adjusted[i] = NAN;
	/* From the smallest up: each counts as many times as there are not smaller ones, and at
	 * least as much as those before it. */
	for (;;) {
		double next = INFINITY;
		size_t left = 0;
		for (size_t i = 0; i < n; i++) {
			if (p[i] > done) {
				next = fmin(next, p[i]);
				left++;
			}
		}
		if (left == 0)
			return;
		largest = fmin(1, fmax(largest, next * (double)left));
		for (size_t i = 0; i < n; i++)
			if (p[i] > done && p[i] <= next)
				adjusted[i] = largest;
		done = next;
	}
}

/* ---- drawn again ---- */

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
