/* test_selftest.c - what counts as found of a slowdown that was injected. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/selftest.h"

static struct selftest_slowdown of(double injected, double low, double high)
{
	struct selftest_slowdown s = {.asked_pct = injected,
	                              .injected_pct = injected,
	                              .found = {(low + high) / 2, low, high},
	                              .resolution_pct = 2,
	                              .busy_share = 0.98};

	snprintf(s.workload, sizeof(s.workload), "w");
	return s;
}

static void judge(const struct selftest_slowdown *s, size_t count, struct selftest *out)
{
	memset(out, 0, sizeof(*out));
	selftest_judge(s, count, out);
	assert_int_equal(out->count, count);
}

static void what_lies_in_the_interval_is_found(void **state)
{
	const struct selftest_slowdown s[] = {of(0, -1, 1), of(3, 2.5, 4), of(5, 4, 6),
	                                      of(10, 9.9, 11)};
	struct selftest out;

	(void)state;
	judge(s, 4, &out);
	assert_int_equal(out.failed, 0);
	assert_int_equal(out.noisy, 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(out.checks[i].verdict, SELFTEST_OK);
	assert_non_null(strstr(out.checks[2].what, "slowdown of 5.0 %, w"));
	assert_non_null(strstr(out.checks[2].evidence, "found 5.00 % [4.00, 6.00]"));
}

/* An injection that is lost, half found, or found where there is none. */
static void what_is_far_beside_fails(void **state)
{
	const struct selftest_slowdown s[] = {of(0, 2, 4), of(5, -1, 1), of(10, 4, 6)};
	struct selftest out;

	(void)state;
	judge(s, 3, &out);
	assert_int_equal(out.failed, 3);
}

/* One of twenty intervals misses by chance, and then by a little. */
static void a_narrow_miss_passes_while_chance_allows(void **state)
{
	const struct selftest_slowdown s[] = {of(0, -1, 1),  of(3, 2, 4),     of(5, 5.1, 7.1),
	                                      of(10, 9, 11), of(5, 5.2, 7.2), of(5, 5.3, 7.3)};
	struct selftest out;

	(void)state;
	judge(s, 4, &out);
	assert_int_equal(out.failed, 0);
	assert_non_null(strstr(out.checks[2].evidence, "as chance allows"));
	judge(s, 6, &out);
	assert_int_equal(out.failed, 3);
}

static void what_is_smaller_than_the_noise_is_untold(void **state)
{
	const struct selftest_slowdown s[] = {of(1, 0.2, 2.2), of(10, 9, 11)};
	const struct selftest_slowdown wide[] = {of(0, -20, 20), of(3, -20, 20), of(10, -20, 20)};
	struct selftest out;

	(void)state;
	judge(s, 2, &out);
	assert_int_equal(out.checks[0].verdict, SELFTEST_UNTOLD);
	assert_int_equal(out.checks[1].verdict, SELFTEST_OK);
	assert_int_equal(out.noisy, 0);
	judge(wide, 3, &out);
	assert_int_equal(out.failed, 0);
	assert_int_equal(out.noisy, 1);
}

/* With half of a processor a wait takes twice as long, as all else does: found is twice what was
 * injected, and that is no fault. */
static void beside_others_nothing_is_told(void **state)
{
	struct selftest_slowdown s[] = {of(0, -1, 1), of(5, 9, 11), of(10, 19, 21)};
	struct selftest out;

	(void)state;
	judge(s, 3, &out);
	assert_int_equal(out.failed, 2);
	for (size_t i = 0; i < 3; i++)
		s[i].busy_share = 0.5;
	judge(s, 3, &out);
	assert_int_equal(out.failed, 0);
	assert_int_equal(out.noisy, 1);
	assert_non_null(strstr(out.checks[2].evidence, "others had a share of the processor"));
}

static void no_interval_is_a_failure(void **state)
{
	const struct selftest_slowdown s[] = {of(0, NAN, NAN), of(10, NAN, NAN)};
	struct selftest out;

	(void)state;
	judge(s, 2, &out);
	assert_int_equal(out.failed, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_lies_in_the_interval_is_found),
	        cmocka_unit_test(what_is_far_beside_fails),
	        cmocka_unit_test(a_narrow_miss_passes_while_chance_allows),
	        cmocka_unit_test(what_is_smaller_than_the_noise_is_untold),
	        cmocka_unit_test(beside_others_nothing_is_told),
	        cmocka_unit_test(no_interval_is_a_failure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
