/* Waiting for a moment: never early, at once when it is past, and when it is awake hardly late. */
#include "tests/unit/harness_fixture.h"

#include <sched.h>

#include "harness/measure/clock.h"
#include "harness/pacing.h"

static void nobody_is_early(void **state)
{
	(void)state;
	pacing_start();
	for (int i = 0; i < 60; i++) {
		uint64_t spin_ns = i % 3 == 0 ? 0 : PACING_SPIN_NS;
		uint64_t until = clock_ns() + (uint64_t)(i * i) * 1000;
		uint64_t back = pacing_wait(until, spin_ns);
		assert_true(back >= until);
		assert_true(clock_ns() >= back);
	}
}

static void the_past_is_not_waited_for(void **state)
{
	uint64_t before = clock_ns();

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_true(pacing_wait(before, PACING_SPIN_NS) >= before);
	assert_true(clock_ns() - before < 100000000);
}

/* The best of some: on a busy machine single ones are late all the same. */
static void awake_is_exact(void **state)
{
	uint64_t least = UINT64_MAX;

	(void)state;
	for (int i = 0; i < 200; i++) {
		uint64_t until = clock_ns() + 30000;
		uint64_t late = pacing_wait(until, PACING_SPIN_NS) - until;
		least = late < least ? late : least;
	}
	assert_true(least < 5000);
}

static void threads_without_a_processor_each_sleep(void **state)
{
	cpu_set_t allowed;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	uint32_t processors = (uint32_t)CPU_COUNT(&allowed);
	assert_int_equal(pacing_spin_ns(processors), 0);
	assert_int_equal(pacing_spin_ns(processors + 7), 0);
	if (processors > 1)
		assert_int_equal(pacing_spin_ns(processors - 1), PACING_SPIN_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(nobody_is_early),
	        cmocka_unit_test(the_past_is_not_waited_for),
	        cmocka_unit_test(awake_is_exact),
	        cmocka_unit_test(threads_without_a_processor_each_sleep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
