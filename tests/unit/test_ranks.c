/* test_ranks.c - distributions of rank sums and the p values read from them, against all sign
 * patterns and all choices counted out one by one, ties and zeros included.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "harness/analysis/ranks.h"
#include "harness/analysis/stats.h"
#include "tests/unit/synthetic.h"

#define CLOSE(a, b) assert_true(fabs((a) - (b)) <= 1e-12)

static void equal_values_share_the_mean_of_their_places(void **state)
{
	size_t ranks[6];
	(void)state;
	ranks_doubled((double[]){-1, 2, 2, 2, 5, 5}, 6, ranks);
	/* Places 1, 2-4, 5-6. */
	static const size_t expected[] = {2, 6, 6, 6, 11, 11};
	assert_memory_equal(ranks, expected, sizeof(ranks));
}

static void a_sum_has_the_chances_of_all_its_patterns(void **state)
{
	static const size_t ranks[] = {2, 6, 6, 6, 11, 11};
	double any[43] = {0}, three[43] = {0};
	struct ranks_sum r;
	(void)state;
	for (unsigned taken = 0; taken < 64; taken++) {
		size_t sum = 0;
		for (unsigned i = 0; i < 6; i++)
			sum += (taken >> i & 1) * ranks[i];
		any[sum] += 1.0 / 64;
		if (__builtin_popcount(taken) == 3)
			three[sum] += 1.0 / 20;
	}
	assert_int_equal(ranks_signed(ranks, 6, 1, &r), 0);
	assert_int_equal(r.top, 42);
	for (size_t s = 0; s <= 42; s++)
		CLOSE(r.p[s], any[s]);
	ranks_free(&r);
	assert_int_equal(ranks_chosen(ranks, 6, 3, 1, &r), 0);
	assert_int_equal(r.top, 28);
	for (size_t s = 0; s <= 28; s++)
		CLOSE(r.p[s], three[s]);
	ranks_free(&r);
}

/* Above and at the observed sum, over all signs of the distances from mu. */
static double signs_counted(const double *x, size_t n, double mu)
{
	double size[12];
	double rank[12] = {0};
	double observed = 0;
	size_t count = 0;
	for (size_t i = 0; i < n; i++)
		if (x[i] != mu)
			size[count++] = x[i] - mu;
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < count; j++)
			rank[i] += fabs(size[j]) < fabs(size[i])    ? 1
			           : fabs(size[j]) == fabs(size[i]) ? 0.5
			                                            : 0;
		rank[i] += 0.5;
		observed += size[i] > 0 ? rank[i] : 0;
	}
	size_t as_high = 0;
	for (unsigned signs = 0; signs < 1U << count; signs++) {
		double sum = 0;
		for (size_t i = 0; i < count; i++)
			sum += (signs >> i & 1) != 0 ? rank[i] : 0;
		as_high += sum >= observed;
	}
	return (double)as_high / (double)(1U << count);
}

/* Pairs with y above, equal ones half, over all ways to call n of the values y. */
static double choices_counted(const double *x, size_t m, const double *y, size_t n, double margin)
{
	double all[12];
	double observed = -1;
	size_t as_high = 0, choices = 0;
	for (size_t i = 0; i < m; i++)
		all[n + i] = x[i];
	for (size_t i = 0; i < n; i++)
		all[i] = y[i] - margin;
	/* The first choice is the observed one: y lies in the low bits. */
	for (unsigned chosen = 0; chosen < 1U << (m + n); chosen++) {
		if ((size_t)__builtin_popcount(chosen) != n)
			continue;
		double sum = 0;
		for (size_t i = 0; i < m + n; i++)
			for (size_t j = 0; j < m + n; j++)
				if ((chosen >> i & 1) != 0 && (chosen >> j & 1) == 0)
					sum += all[i] > all[j] ? 1 : all[i] == all[j] ? 0.5 : 0;
		if (observed < 0)
			observed = sum;
		choices++;
		as_high += sum >= observed;
	}
	return (double)as_high / (double)choices;
}

/* Values in steps, so that ties and zeros are frequent; in steps of 1/8 nothing is rounded. */
static void p_is_the_share_of_patterns_as_extreme(void **state)
{
	uint64_t seed = 7;
	double x[12], y[12];
	(void)state;
	for (size_t t = 0; t < 60; t++) {
		size_t n = 3 + t % 8;
		size_t m = 3 + t % 4;
		double step = t % 3 == 0 ? 64 : 2;
		for (size_t i = 0; i < n; i++)
			x[i] = round(step * synthetic_normal(&seed)) / 8;
		for (size_t i = 0; i < m; i++)
			y[i] = round(step * synthetic_normal(&seed) + 1) / 8;
		CLOSE(stats_signed_rank_p(x, n, 0.125), signs_counted(x, n, 0.125));
		CLOSE(stats_shift_p(x, n < 7 ? n : 6, y, m, 0.125),
		      choices_counted(x, n < 7 ? n : 6, y, m, 0.125));
	}
}

static void p_without_evidence_is_one(void **state)
{
	static const double same[] = {3, 3, 3, 3, 3, 3, 3};
	double many[80];
	(void)state;
	CLOSE(stats_signed_rank_p(NULL, 0, 0), 1);
	CLOSE(stats_signed_rank_p(same, 7, 3), 1);
	CLOSE(stats_shift_p(same, 7, NULL, 0, 0), 1);
	CLOSE(stats_shift_p(same, 7, same, 7, 0), 1);
	for (size_t i = 0; i < 80; i++)
		many[i] = 3;
	CLOSE(stats_signed_rank_p(many, 80, 3), 1);
	CLOSE(stats_shift_p(many, 80, many, 80, 0), 1);
}

/* Where counting ends and the normal distribution begins, little changes. */
static void approximation_continues_what_was_counted(void **state)
{
	uint64_t seed = 11;
	double x[61], y[61];
	(void)state;
	for (size_t i = 0; i < 61; i++) {
		x[i] = synthetic_normal(&seed);
		y[i] = synthetic_normal(&seed) + 0.3;
	}
	double mu = 0;
	while (stats_signed_rank_p(x, 60, mu) > 0.02)
		mu -= 0.01;
	assert_true(fabs(stats_signed_rank_p(x, 61, mu) - stats_signed_rank_p(x, 60, mu)) < 0.01);
	double margin = 0;
	while (stats_shift_p(x, 60, y, 60, margin) > 0.02)
		margin -= 0.01;
	assert_true(fabs(stats_shift_p(x, 60, y, 61, margin) -
	                 stats_shift_p(x, 60, y, 60, margin)) < 0.01);
	struct stats_interval counted = stats_shift(x, 60, y, 60, 0.95);
	struct stats_interval near = stats_shift(x, 60, y, 61, 0.95);
	assert_true(fabs(counted.low - near.low) < 0.1 && fabs(counted.high - near.high) < 0.1);
}

/* Hollander and Wolfe, Nonparametric Statistical Methods, example 4.1 (water transfer of the human
 * membrane at term and earlier): W = 30, one-sided p = 0.1272. */
static void two_samples_equal_a_published_example(void **state)
{
	static const double term[] = {0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46};
	static const double early[] = {1.15, 0.88, 0.90, 0.74, 1.21};
	(void)state;
	assert_true(fabs(stats_shift_p(early, 5, term, 10, 0) - 0.1272) < 5e-5);
	struct stats_interval shift = stats_shift(early, 5, term, 10, 0.95);
	CLOSE(shift.estimate, 0.305);
	assert_true(shift.low < 0 && shift.high > 0.305);
}

static void shift_needs_enough_values_for_its_confidence(void **state)
{
	static const double x[] = {1, 2, 3, 4};
	static const double y[] = {11, 12.5, 13.25, 14.125};
	(void)state;
	/* C(8,4) = 70 choices: the extreme one is 1.4 %. */
	struct stats_interval i = stats_shift(x, 4, y, 4, 0.95);
	CLOSE(i.low, 7);
	CLOSE(i.high, 13.125);
	i = stats_shift(x, 4, y, 4, 0.99);
	assert_true(isnan(i.low) && isnan(i.high) && i.estimate > 0);
	i = stats_shift(x, 3, y, 4, 0.95);
	assert_true(isnan(i.low));
	i = stats_shift(x, 0, y, 4, 0.95);
	assert_true(isnan(i.estimate));
}

static void holm_by_hand(void **state)
{
	static const double p[] = {0.01, 0.04, NAN, 0.03, 0.005, 0.04, 0.9};
	double adjusted[7];
	(void)state;
	/* Six tests, from the smallest: .005*6, .01*5, .03*4, .04*3 both, .9. */
	stats_holm(p, 7, adjusted);
	CLOSE(adjusted[4], 0.03);
	CLOSE(adjusted[0], 0.05);
	CLOSE(adjusted[3], 0.12);
	CLOSE(adjusted[1], 0.12);
	CLOSE(adjusted[5], 0.12);
	CLOSE(adjusted[6], 0.9);
	assert_true(isnan(adjusted[2]));
	stats_holm((double[]){0.6, 0}, 2, adjusted);
	CLOSE(adjusted[0], 0.6);
	CLOSE(adjusted[1], 0);
	stats_holm(p, 0, adjusted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(equal_values_share_the_mean_of_their_places),
	        cmocka_unit_test(a_sum_has_the_chances_of_all_its_patterns),
	        cmocka_unit_test(p_is_the_share_of_patterns_as_extreme),
	        cmocka_unit_test(p_without_evidence_is_one),
	        cmocka_unit_test(approximation_continues_what_was_counted),
	        cmocka_unit_test(two_samples_equal_a_published_example),
	        cmocka_unit_test(shift_needs_enough_values_for_its_confidence),
	        cmocka_unit_test(holm_by_hand),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
