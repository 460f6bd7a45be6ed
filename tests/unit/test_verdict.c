/* test_verdict.c - the rules of the verdict, each at its border. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "harness/analysis/verdict.h"

static struct stats_interval of(double low, double estimate, double high)
{
	return (struct stats_interval){estimate, low, high};
}

static void floor_is_the_twins_estimate_when_it_holds_zero(void **state)
{
	(void)state;
	assert_true(verdict_floor(of(-1, -0.4, 0.5)) == 0.4);
	assert_true(verdict_floor(of(-1, 0.3, 2)) == 0.3);
}

static void floor_is_the_far_end_of_a_twin_that_excludes_zero(void **state)
{
	(void)state;
	assert_true(verdict_floor(of(0.2, 0.8, 1.7)) == 1.7);
	assert_true(verdict_floor(of(-2.5, -1, -0.1)) == 2.5);
}

static void no_twin_no_floor(void **state)
{
	(void)state;
	assert_true(isnan(verdict_floor(of(NAN, 0.3, NAN))));
	assert_true(isnan(verdict_floor(of(NAN, NAN, NAN))));
	assert_int_equal(verdict_of(of(5, 6, 7), NAN), VERDICT_INCONCLUSIVE);
}

static void effect_beyond_floor_and_zero_counts(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(of(5, 6, 7), 1), VERDICT_OVERHEAD);
	assert_int_equal(verdict_of(of(-7, -6, -5), 1), VERDICT_FASTER);
}

static void effect_that_holds_zero_is_indistinguishable(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(of(-0.1, 6, 12), 1), VERDICT_INDISTINGUISHABLE);
	assert_int_equal(verdict_of(of(0, 6, 12), 1), VERDICT_INDISTINGUISHABLE);
}

static void effect_within_the_floor_is_indistinguishable(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(of(0.5, 1, 1.5), 1), VERDICT_INDISTINGUISHABLE);
	assert_int_equal(verdict_of(of(0.5, 1.01, 1.5), 1), VERDICT_OVERHEAD);
	assert_int_equal(verdict_of(of(-1.5, -1, -0.5), 1), VERDICT_INDISTINGUISHABLE);
}

static void no_interval_is_inconclusive(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(of(NAN, 6, NAN), 1), VERDICT_INCONCLUSIVE);
	assert_int_equal(verdict_of(of(NAN, NAN, NAN), 1), VERDICT_INCONCLUSIVE);
}

static void exact_figures_need_no_interval(void **state)
{
	(void)state;
	assert_int_equal(verdict_of_exact(0.2, 0), VERDICT_OVERHEAD);
	assert_int_equal(verdict_of_exact(-0.2, NAN), VERDICT_FASTER);
	assert_int_equal(verdict_of_exact(0, 0), VERDICT_INDISTINGUISHABLE);
	assert_int_equal(verdict_of_exact(0.2, 0.3), VERDICT_INDISTINGUISHABLE);
	assert_int_equal(verdict_of_exact(NAN, 0), VERDICT_INCONCLUSIVE);
}

static void at_most_is_the_upper_end_of_the_cost_or_the_floor(void **state)
{
	(void)state;
	assert_true(verdict_at_most(of(-0.5, 0.3, 1.2), 0.4) == 1.2);
	assert_true(verdict_at_most(of(-133.2, 0.3, 25.3), 0.4) == 25.3);
	assert_true(verdict_at_most(of(-3, -2, -1), 4) == 4);
	assert_true(verdict_at_most(of(-0.5, 0.3, 1.2), 3) == 3);
	assert_true(verdict_at_most(of(NAN, 0.3, NAN), NAN) == 0.3);
}

static void range_says_where_the_documentation_puts_it(void **state)
{
	(void)state;
	assert_string_equal(verdict_range(of(0.1, 0.5, 0.9)), "below");
	assert_string_equal(verdict_range(of(0.8, 1.2, 1.6)), "at the lower edge of");
	assert_string_equal(verdict_range(of(1, 15, 30)), "within");
	assert_string_equal(verdict_range(of(28, 30, 32)), "at the upper edge of");
	assert_string_equal(verdict_range(of(31, 35, 39)), "above");
	assert_string_equal(verdict_range(of(NAN, 15, NAN)), "within");
}

static void names_are_read_back(void **state)
{
	(void)state;
	for (int v = VERDICT_OVERHEAD; v <= VERDICT_INVALID; v++) {
		enum verdict back;
		assert_int_equal(verdict_parse(verdict_name((enum verdict)v), &back), 0);
		assert_int_equal(back, v);
	}
	enum verdict unused;
	assert_int_equal(verdict_parse("", &unused), -1);
	assert_int_equal(verdict_parse("Overhead", &unused), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(floor_is_the_twins_estimate_when_it_holds_zero),
	        cmocka_unit_test(floor_is_the_far_end_of_a_twin_that_excludes_zero),
	        cmocka_unit_test(no_twin_no_floor),
	        cmocka_unit_test(effect_beyond_floor_and_zero_counts),
	        cmocka_unit_test(effect_that_holds_zero_is_indistinguishable),
	        cmocka_unit_test(effect_within_the_floor_is_indistinguishable),
	        cmocka_unit_test(no_interval_is_inconclusive),
	        cmocka_unit_test(exact_figures_need_no_interval),
	        cmocka_unit_test(at_most_is_the_upper_end_of_the_cost_or_the_floor),
	        cmocka_unit_test(range_says_where_the_documentation_puts_it),
	        cmocka_unit_test(names_are_read_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
