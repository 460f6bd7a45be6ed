/* test_noise.c - what a machine can resolve, from a twin with known noise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/analysis/noise.h"
#include "harness/analysis/stats.h"
#include "harness/analysis/verdict.h"
#include "tests/unit/synthetic.h"

/* Mean half-width of the interval of n normal values of standard deviation 1. */
static double simulated_half_width(size_t n, uint64_t seed)
{
	enum { DRAWS = 150 };
	double x[64], sum = 0;

	for (int d = 0; d < DRAWS; d++) {
		struct stats_interval i;
		for (size_t k = 0; k < n; k++)
			x[k] = synthetic_normal(&seed);
		i = stats_hodges_lehmann(x, n);
		sum += (i.high - i.low) / 2;
	}
	return sum / DRAWS;
}

static void half_widths_are_those_of_simulated_intervals(void **state)
{
	static const size_t rounds[] = {8, 12, 20, 30};

	(void)state;
	for (size_t i = 0; i < sizeof(rounds) / sizeof(rounds[0]); i++) {
		double simulated = simulated_half_width(rounds[i], 17);
		double ratio = noise_half_width(rounds[i]) / simulated;
		if (!(ratio > 0.95 && ratio < 1.05))
			fail_msg("%zu rounds: %.3f, simulated %.3f", rounds[i],
			         noise_half_width(rounds[i]), simulated);
	}
	assert_true(isnan(noise_half_width(5)));
}

static void rounds_for_a_width_give_that_width(void **state)
{
	(void)state;
	for (double spread = 0.5; spread < 20; spread *= 1.3) {
		uint64_t n = noise_rounds(spread, 2);
		assert_true(n >= 8 && n % 2 == 0);
		assert_true(spread * noise_half_width((size_t)n) <= 2);
		if (n > 8)
			assert_true(spread * noise_half_width((size_t)n - 2) > 2);
	}
	assert_int_equal(noise_rounds(0, 2), 8);
	assert_int_equal(noise_rounds(1000, 2), 0);
	assert_int_equal(noise_rounds(NAN, 2), 0);
}

static const struct noise_row *row_of(const struct noise *n, const char *workload,
                                      const char *metric)
{
	for (size_t i = 0; i < n->count; i++)
		if (strcmp(n->rows[i].twin->workload, workload) == 0 &&
		    strcmp(n->rows[i].twin->metric, metric) == 0)
			return &n->rows[i];
	fail_msg("no row %s, %s", workload, metric);
	return NULL;
}

/* Slices with 2 % of noise each: their ratio has 2.8 %. */
static void the_spread_of_a_twin_is_found(void **state)
{
	struct samples samples = {0};
	struct summary summary;
	struct noise noise;
	const struct noise_row *row;
	double sum = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		synthetic_add(&samples, &synthetic_quick[1], 1,
		              (struct synthetic_noise){.round = 0.05, .slice = 0.02}, seed);
		assert_int_equal(summary_make(&samples, &summary), 0);
		assert_int_equal(noise_make(&summary, &noise), 0);
		row = row_of(&noise, "publish-1k", "throughput_msgs_s");
		assert_true(row->resolution_pct >= row->half_width_pct);
		assert_true(row->resolution_pct >= row->twin->floor_pct);
		assert_true(row->rounds_5pct <= row->rounds_2pct);
		sum += row->spread_pct;
		noise_free(&noise);
		summary_free(&summary);
		samples_free(&samples);
		memset(&samples, 0, sizeof(samples));
	}
	assert_true(sum / 20 > 2.2 && sum / 20 < 3.5);
}

static struct stats_interval drawn(size_t rounds, double effect, uint64_t *seed)
{
	double x[64];

	for (size_t i = 0; i < rounds; i++)
		x[i] = effect + 3 * synthetic_normal(seed);
	return stats_hodges_lehmann(x, rounds);
}

/* Of so many pairs of runs: the first says what it resolves, the second has an effect of that
 * size. */
static size_t told_of(size_t runs, size_t rounds)
{
	uint64_t seed = 11;
	size_t told = 0;

	for (size_t i = 0; i < runs; i++) {
		struct stats_interval twin = drawn(rounds, 0, &seed), effect;
		struct summary_row row = {.arm = "none-twin",
		                          .rounds = rounds,
		                          .low_pct = twin.low,
		                          .high_pct = twin.high,
		                          .floor_pct = verdict_floor(twin)};
		struct summary summary = {.rows = &row, .count = 1};
		struct noise noise;
		assert_int_equal(noise_make(&summary, &noise), 0);
		effect = drawn(rounds, noise.rows[0].resolution_pct, &seed);
		told += verdict_of(effect, row.floor_pct) == VERDICT_OVERHEAD;
		noise_free(&noise);
	}
	return told;
}

static void an_effect_of_that_size_is_told_in_four_of_five_runs(void **state)
{
	static const size_t rounds[] = {8, 12, 20, 30};

	(void)state;
	for (size_t i = 0; i < sizeof(rounds) / sizeof(rounds[0]); i++) {
		size_t told = told_of(600, rounds[i]);
		if (told < 600 * 75 / 100 || told > 600 * 87 / 100)
			fail_msg("%zu rounds: told in %zu of 600", rounds[i], told);
	}
}

/* A twin that is off zero cannot be told apart from an effect of that size. */
static void a_twin_off_zero_makes_the_resolution_its_far_end(void **state)
{
	struct samples samples = {0};
	struct summary summary;
	struct noise noise;
	const struct noise_row *row;

	(void)state;
	synthetic_add(&samples, &synthetic_quick[1], 1,
	              (struct synthetic_noise){.slice = 0.005, .twin = 0.04}, 5);
	assert_int_equal(summary_make(&samples, &summary), 0);
	assert_int_equal(noise_make(&summary, &noise), 0);
	row = row_of(&noise, "publish-1k", "time_ns_per_msg");
	assert_true(row->half_width_pct < 2);
	assert_true(row->resolution_pct > 4);
	assert_ptr_equal(noise_worst(&noise, "time_ns_per_msg"), row);
	assert_null(noise_worst(&noise, "nothing"));
	noise_free(&noise);
	summary_free(&summary);
	samples_free(&samples);
}

static void noise_as_large_as_throughput_tells_nothing(void **state)
{
	struct summary_row row = {.arm = "none-twin",
	                          .metric = "throughput_msgs_s",
	                          .rounds = 6,
	                          .low_pct = -20,
	                          .high_pct = 20,
	                          .floor_pct = 3};
	struct summary summary = {.rows = &row, .count = 1};
	char why[NOISE_WHY_BYTES];
	struct noise noise;

	(void)state;
	snprintf(row.workload, sizeof(row.workload), "publish-1k");
	assert_int_equal(noise_make(&summary, &noise), 0);
	assert_true(noise_told(&noise, why));
	assert_string_equal(why, "");
	noise_free(&noise);
	row.low_pct = -2599;
	row.high_pct = 97;
	assert_int_equal(noise_make(&summary, &noise), 0);
	assert_false(noise_told(&noise, why));
	assert_non_null(strstr(why, "noise of publish-1k"));
	/* Times grow beyond all of themselves. */
	snprintf(row.metric, sizeof(row.metric), "cpu_ns_per_msg");
	assert_true(noise_row_told(&noise.rows[0]));
	/* No row of throughput has an interval. */
	assert_false(noise_told(&noise, why));
	assert_non_null(strstr(why, "too few rounds"));
	noise_free(&noise);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(half_widths_are_those_of_simulated_intervals),
	        cmocka_unit_test(rounds_for_a_width_give_that_width),
	        cmocka_unit_test(the_spread_of_a_twin_is_found),
	        cmocka_unit_test(an_effect_of_that_size_is_told_in_four_of_five_runs),
	        cmocka_unit_test(noise_as_large_as_throughput_tells_nothing),
	        cmocka_unit_test(a_twin_off_zero_makes_the_resolution_its_far_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
