/* test_repeat.c - the rule that sets rounds aside, each part at its border. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "harness/analysis/repeat.h"

#define ARMS 4

/* A quiet round: 200 ms a slice, a tick of steal, some work of the kernel's. */
static void quiet(struct sample rows[ARMS])
{
	static const char *const arms[ARMS] = {"none", "none-twin", "chachapoly", "aes"};

	memset(rows, 0, ARMS * sizeof(*rows));
	for (size_t i = 0; i < ARMS; i++) {
		snprintf(rows[i].arm, sizeof(rows[i].arm), "%s", arms[i]);
		snprintf(rows[i].target, sizeof(rows[i].target), "store");
		rows[i].acked_s = 0.2;
		rows[i].steal_ns = 10000000;
		rows[i].other_cpu_ns = 60000000;
		rows[i].pressure_cpu_us = 90000;
		rows[i].frequency_khz = 2445424;
		rows[i].valid = 1;
	}
}

static void counts(const struct sample rows[ARMS])
{
	char text[REPEAT_TEXT_BYTES];

	if (repeat_reason(rows, ARMS, text) != 0)
		fail_msg("set aside: %s", text);
	assert_string_equal(text, "");
}

static void is_set_aside(const struct sample rows[ARMS], const char *why)
{
	char text[REPEAT_TEXT_BYTES];

	assert_int_equal(repeat_reason(rows, ARMS, text), 1);
	assert_string_equal(text, why);
}

static void a_quiet_round_counts(void **state)
{
	struct sample rows[ARMS];
	char text[REPEAT_TEXT_BYTES];

	(void)state;
	quiet(rows);
	counts(rows);
	assert_int_equal(repeat_reason(rows, 0, text), 0);
}

static void steal_above_a_fifth_of_a_processor_sets_aside(void **state)
{
	struct sample rows[ARMS];

	(void)state;
	quiet(rows);
	rows[3].steal_ns = 40000000;
	counts(rows);
	rows[3].steal_ns = 50000000;
	is_set_aside(rows, "aes: the hypervisor took 25 % of one processor");
}

static void ticks_of_a_short_slice_are_chance(void **state)
{
	struct sample rows[ARMS];

	(void)state;
	quiet(rows);
	rows[1].acked_s = 0.01;
	rows[1].steal_ns = 20000000;
	rows[1].other_cpu_ns = 20000000;
	counts(rows);
}

static void a_busy_loop_beside_sets_aside(void **state)
{
	struct sample rows[ARMS];

	(void)state;
	quiet(rows);
	rows[2].other_cpu_ns = 120000000;
	counts(rows);
	rows[2].other_cpu_ns = 194000000;
	is_set_aside(rows, "chachapoly: others used 97 % of one processor");
	/* The time up to the sync is the span. */
	rows[2].synced_s = 0.4;
	counts(rows);
}

static void a_neighbour_on_the_only_processor_sets_aside(void **state)
{
	struct sample rows[ARMS];

	(void)state;
	quiet(rows);
	rows[0].other_cpu_ns = 100000000;
	counts(rows);
	rows[0].pressure_cpu_us = 190000;
	is_set_aside(rows, "none: tasks waited for a processor beside others for 95 % of the time");
	/* Our own threads wait for each other: no neighbour, no matter. */
	rows[0].other_cpu_ns = 20000000;
	counts(rows);
}

static void others_that_may_be_our_own_are_no_reason(void **state)
{
	struct sample rows[ARMS];

	(void)state;
	quiet(rows);
	rows[1].other_cpu_ns = 400000000;
	rows[1].sync_ordered = 1;
	counts(rows);
	rows[1].sync_ordered = 0;
	snprintf(rows[1].target, sizeof(rows[1].target), "server");
	counts(rows);
	snprintf(rows[1].target, sizeof(rows[1].target), "nats");
	is_set_aside(rows, "none-twin: others used 200 % of one processor");
}

static void a_quota_sets_aside(void **state)
{
	struct sample rows[ARMS];

	(void)state;
	quiet(rows);
	rows[0].throttled_us = 50000;
	is_set_aside(rows, "none: a quota held it back for 25 % of the time");
}

static void a_clock_that_moves_sets_aside(void **state)
{
	struct sample rows[ARMS];

	(void)state;
	quiet(rows);
	rows[3].frequency_khz = 2000000;
	counts(rows);
	rows[3].frequency_khz = 1222712;
	is_set_aside(rows, "aes: the processors' clock was lower by 50 %");
	rows[0].frequency_khz = 0;
	counts(rows);
}

/* Rounds beside a neighbour that may not be repeated any more are counted, by the rows alone. */
static void what_could_not_be_repeated_is_told(void **state)
{
	struct sample rows[6 * ARMS];
	struct samples samples = {.rows = rows, .count = 6 * ARMS};
	struct repeat_tally tally;

	(void)state;
	for (size_t r = 0; r < 6; r++) {
		quiet(rows + r * ARMS);
		for (size_t i = 0; i < ARMS; i++)
			rows[r * ARMS + i].round = r;
	}
	tally = repeat_tally_of(&samples);
	assert_int_equal(tally.rounds, 6);
	assert_int_equal(tally.disturbed, 0);
	rows[2].other_cpu_ns = 190000000;
	tally = repeat_tally_of(&samples);
	assert_int_equal(tally.disturbed, 1);
	assert_false(repeat_too_many(&tally));
	rows[ARMS].other_cpu_ns = rows[2 * ARMS].other_cpu_ns = 190000000;
	tally = repeat_tally_of(&samples);
	assert_int_equal(tally.disturbed, 3);
	assert_true(repeat_too_many(&tally));
	/* One that was set aside does not count, and one of short slices tells nothing. */
	for (size_t i = 0; i < ARMS; i++) {
		rows[i].valid = 0;
		rows[ARMS + i].acked_s = 0.09;
	}
	tally = repeat_tally_of(&samples);
	assert_int_equal(tally.rounds, 5);
	assert_int_equal(tally.disturbed, 1);
	assert_false(repeat_too_many(&tally));
}

static void a_failure_is_never_set_aside(void **state)
{
	struct sample rows[ARMS];

	(void)state;
	quiet(rows);
	rows[0].throttled_us = 50000;
	rows[3].valid = 0;
	counts(rows);
}

static void what_was_measured_is_no_reason(void **state)
{
	struct sample rows[ARMS];

	(void)state;
	quiet(rows);
	rows[3].acked_s = 20;
	rows[3].cpu_ns = UINT64_C(20000000000);
	rows[3].latency_p99_ns = 1000000000;
	counts(rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_quiet_round_counts),
	        cmocka_unit_test(steal_above_a_fifth_of_a_processor_sets_aside),
	        cmocka_unit_test(ticks_of_a_short_slice_are_chance),
	        cmocka_unit_test(a_busy_loop_beside_sets_aside),
	        cmocka_unit_test(a_neighbour_on_the_only_processor_sets_aside),
	        cmocka_unit_test(others_that_may_be_our_own_are_no_reason),
	        cmocka_unit_test(a_quota_sets_aside),
	        cmocka_unit_test(a_clock_that_moves_sets_aside),
	        cmocka_unit_test(a_failure_is_never_set_aside),
	        cmocka_unit_test(what_could_not_be_repeated_is_told),
	        cmocka_unit_test(what_was_measured_is_no_reason),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
