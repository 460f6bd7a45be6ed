/* test_stats.c - the statistics against published tables, values counted out by hand or by
 * enumeration of all sign patterns, and against simulations whose truth is known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/analysis/stats.h"
#include "tests/unit/synthetic.h"

#define CLOSE(a, b) assert_true(fabs((a) - (b)) < 1e-12)

static void median_of_odd_even_and_nothing(void **state)
{
	(void)state;
	CLOSE(stats_median((double[]){3, 1, 2}, 3), 2);
	CLOSE(stats_median((double[]){4, 1, 3, 2}, 4), 2.5);
	CLOSE(stats_median((double[]){7}, 1), 7);
	assert_true(isnan(stats_median(NULL, 0)));
}

/* Critical values of T, two-sided 5 %, as in any table of the signed-rank test. */
static void wilcoxon_rank_equals_published_table(void **state)
{
	static const struct {
		size_t n;
		int64_t k;
	} table[] = {{6, 0},   {7, 2},   {8, 3},   {9, 5},   {10, 8},   {11, 10},
	             {12, 13}, {13, 17}, {14, 21}, {15, 25}, {16, 29},  {17, 34},
	             {18, 40}, {19, 46}, {20, 52}, {25, 89}, {30, 137}, {50, 434}};
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_int_equal(stats_wilcoxon_rank(table[i].n), table[i].k);
	for (size_t n = 0; n < 6; n++)
		assert_int_equal(stats_wilcoxon_rank(n), -1);
}

/* Counted out exactly for these n, elsewhere. */
static void wilcoxon_rank_stays_right_where_it_is_approximated(void **state)
{
	static const int64_t exact[][2] = {
	        {60, 648}, {61, 672}, {65, 772}, {80, 1211}, {100, 1955}};
	(void)state;
	for (size_t i = 0; i < sizeof(exact) / sizeof(exact[0]); i++) {
		int64_t k = stats_wilcoxon_rank((size_t)exact[i][0]);
		assert_in_range(k, exact[i][1] - 1, exact[i][1] + 1);
	}
}

/* Hollander and Wolfe, Nonparametric Statistical Methods, example 3.1 (depression scale):
 * estimate -0.46, interval (-0.786, -0.010). */
static void hodges_lehmann_equals_published_example(void **state)
{
	static const double before[] = {1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30};
	static const double after[] = {0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29};
	double x[9];
	(void)state;
	for (size_t i = 0; i < 9; i++)
		x[i] = after[i] - before[i];
	struct stats_interval i = stats_hodges_lehmann(x, 9);
	CLOSE(i.estimate, -0.46);
	CLOSE(i.low, -0.786);
	CLOSE(i.high, -0.010);
}

static void hodges_lehmann_of_small_sets_by_hand(void **state)
{
	(void)state;
	/* Averages of 1 2 3: 1 1.5 2 2 2.5 3. */
	struct stats_interval i = stats_hodges_lehmann((double[]){3, 1, 2}, 3);
	CLOSE(i.estimate, 2);
	assert_true(isnan(i.low) && isnan(i.high));
	i = stats_hodges_lehmann((double[]){1, 2}, 2);
	CLOSE(i.estimate, 1.5);
	/* With 6 values the interval is from the smallest to the largest. */
	i = stats_hodges_lehmann((double[]){1, 2, 4, 8, 16, 32}, 6);
	CLOSE(i.estimate, 8.5);
	CLOSE(i.low, 1);
	CLOSE(i.high, 32);
	i = stats_hodges_lehmann((double[]){0.10, 0.12, 0.09, 0.15, 0.11, 0.13, 0.50, 0.10}, 8);
	CLOSE(i.estimate, 0.12);
	CLOSE(i.low, 0.10);
	CLOSE(i.high, 0.31);
	i = stats_hodges_lehmann(NULL, 0);
	assert_true(isnan(i.estimate));
}

static void one_wild_round_moves_the_estimate_little(void **state)
{
	double x[12];
	(void)state;
	for (size_t i = 0; i < 12; i++)
		x[i] = 0.10 + 0.001 * (double)i;
	struct stats_interval calm = stats_hodges_lehmann(x, 12);
	x[5] = 50;
	struct stats_interval wild = stats_hodges_lehmann(x, 12);
	assert_true(fabs(wild.estimate - calm.estimate) < 0.002);
	assert_true(wild.high < 0.2);
}

typedef struct stats_interval estimator(const double *x, size_t n, uint64_t seed);

static struct stats_interval wilcoxon(const double *x, size_t n, uint64_t seed)
{
	(void)seed;
	return stats_hodges_lehmann(x, n);
}

/* Share of intervals that hold the true value, over normal noise. */
static double coverage(estimator *estimate, size_t n, size_t runs, double *half_width)
{
	uint64_t state = 20240607;
	size_t held = 0;
	double sum = 0;
	double x[64];
	for (size_t r = 0; r < runs; r++) {
		for (size_t i = 0; i < n; i++)
			x[i] = 0.15 + 0.03 * synthetic_normal(&state);
		struct stats_interval e = estimate(x, n, r + 1);
		held += e.low <= 0.15 && e.high >= 0.15;
		sum += (e.high - e.low) / 2;
	}
	*half_width = sum / (double)runs / 0.03;
	return (double)held / (double)runs;
}

/* Exact coverage is 1 - 2 P(T <= k): 0.961 at 8, 0.958 at 12, 0.952 at 20. Half-widths in
 * standard deviations, as promised to whoever plans rounds: 0.88, 0.66, 0.47. */
static void interval_holds_the_true_effect_as_often_as_it_says(void **state)
{
	static const struct {
		size_t n;
		double coverage, half_width;
	} cases[] = {{8, 0.961, 0.88}, {12, 0.958, 0.66}, {20, 0.952, 0.47}};
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		double half_width;
		double c = coverage(wilcoxon, cases[i].n, 4000, &half_width);
		print_message("n=%zu: coverage %.4f, half-width %.3f s\n", cases[i].n, c,
		              half_width);
		assert_true(fabs(c - cases[i].coverage) < 0.012);
		assert_true(fabs(half_width - cases[i].half_width) < 0.05);
	}
}

static void bootstrap_interval_holds_the_true_effect_too(void **state)
{
	(void)state;
	for (size_t n = 8; n <= 12; n += 4) {
		double half_width;
		double c = coverage(stats_bootstrap, n, 400, &half_width);
		print_message("n=%zu: coverage %.4f, half-width %.3f s\n", n, c, half_width);
		assert_true(c > 0.915 && c < 0.99);
	}
}

/* Log-ratios of percentiles, as rounds have them: of latencies that are lognormal; of tails that
 * are skewed themselves; of values read off a histogram, 0.8 % apart, where most are ties. */
static double lognormal_ratio(uint64_t *state)
{
	double plain = exp(8 + 0.1 * synthetic_normal(state));
	return log(1.15 * exp(8 + 0.15 * synthetic_normal(state)) / plain);
}

static double skewed_ratio(uint64_t *state)
{
	return 0.05 + 0.05 * exp(0.8 * synthetic_normal(state));
}

static double stepped_ratio(uint64_t *state)
{
	return 0.008 * round((0.15 + 0.012 * synthetic_normal(state)) / 0.008);
}

static void bootstrap_holds_what_percentiles_are_at_20_rounds(void **state)
{
	static double (*const draws[])(uint64_t *) = {lognormal_ratio, skewed_ratio, stepped_ratio};
	static double many[1500];
	double x[20];
	(void)state;
	for (size_t d = 0; d < 3; d++) {
		uint64_t random = 20240607 + d;
		size_t held = 0;
		for (size_t i = 0; i < 1500; i++)
			many[i] = draws[d](&random);
		double truth = d == 0   ? log(1.15)
		               : d == 1 ? stats_hodges_lehmann(many, 1500).estimate
		                        : 0.15;
		for (size_t r = 0; r < 200; r++) {
			for (size_t i = 0; i < 20; i++)
				x[i] = draws[d](&random);
			struct stats_interval e = stats_bootstrap(x, 20, r + 1);
			held += e.low <= truth && e.high >= truth;
		}
		print_message("shape %zu: coverage %.3f\n", d, (double)held / 200);
		assert_true(held >= 180);
	}
}

static void bootstrap_is_reproducible_and_needs_six_values(void **state)
{
	static const double x[] = {0.10, 0.12, 0.09, 0.15, 0.11, 0.13, 0.50, 0.10};
	(void)state;
	struct stats_interval a = stats_bootstrap(x, 8, 1);
	struct stats_interval b = stats_bootstrap(x, 8, 1);
	assert_memory_equal(&a, &b, sizeof(a));
	CLOSE(a.estimate, 0.12);
	assert_true(a.low < a.estimate && a.estimate < a.high);
	assert_true(isnan(stats_bootstrap(x, 5, 1).low));
	assert_true(isnan(stats_bootstrap(x, 0, 1).estimate));
}

static void equal_values_give_an_interval_of_no_width(void **state)
{
	static const double x[] = {0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2};
	(void)state;
	struct stats_interval i = stats_hodges_lehmann(x, 7);
	assert_true(i.low == i.estimate && i.high == i.estimate);
	i = stats_bootstrap(x, 7, 3);
	assert_true(i.low == i.estimate && i.high == i.estimate);
}

static void twin_limit_is_the_99_percent_bound(void **state)
{
	static const uint64_t table[][2] = {{0, 0},  {1, 1},  {2, 1},  {5, 2},  {8, 2},
	                                    {10, 3}, {16, 3}, {20, 4}, {30, 5}, {40, 6}};
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_int_equal(stats_twin_limit(table[i][0]), table[i][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(median_of_odd_even_and_nothing),
	        cmocka_unit_test(wilcoxon_rank_equals_published_table),
	        cmocka_unit_test(wilcoxon_rank_stays_right_where_it_is_approximated),
	        cmocka_unit_test(hodges_lehmann_equals_published_example),
	        cmocka_unit_test(hodges_lehmann_of_small_sets_by_hand),
	        cmocka_unit_test(one_wild_round_moves_the_estimate_little),
	        cmocka_unit_test(interval_holds_the_true_effect_as_often_as_it_says),
	        cmocka_unit_test(bootstrap_interval_holds_the_true_effect_too),
	        cmocka_unit_test(bootstrap_holds_what_percentiles_are_at_20_rounds),
	        cmocka_unit_test(bootstrap_is_reproducible_and_needs_six_values),
	        cmocka_unit_test(equal_values_give_an_interval_of_no_width),
	        cmocka_unit_test(twin_limit_is_the_99_percent_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
