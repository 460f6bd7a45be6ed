/* test_compare_cells.c - which cell is which, and what fails closed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "tests/unit/compare_fixture.h"

/* ---- what fails closed ---- */

static void an_arm_that_is_missing_is_named(void **state)
{
	struct samples a, b;
	(void)state;

	fixture_pair(&a, &b, 0, 3, 17, 0, 0);
	fixture_drop(&b, "publish-1k", "aes", -1);
	fixture_refuses(&a, &b, COMPARE_BROKEN, "NEW: publish-1k (store) has no arm aes");
	/* Missing on both sides it is missing all the same. */
	fixture_drop(&a, "publish-1k", "aes", -1);
	fixture_refuses(&a, &b, COMPARE_BROKEN, "BASE: publish-1k (store) has no arm aes");
	samples_free(&a);
	samples_free(&b);
}

static void a_round_that_is_missing_or_failed_is_named(void **state)
{
	struct samples a, b;
	(void)state;

	fixture_pair(&a, &b, 0, 2, 19, 0, 0);
	fixture_drop(&b, "publish-1k", "aes", 4);
	fixture_refuses(&a, &b, COMPARE_BROKEN,
	                "NEW: arm aes of publish-1k (store) does not count");
	b.rows[6].valid = 0;
	strcpy(b.rows[6].error, "no space");
	fixture_refuses(&a, &b, COMPARE_BROKEN, "no space");
	samples_free(&a);
	samples_free(&b);
}

static void a_round_set_aside_harms_nothing(void **state)
{
	struct samples a, b;
	struct comparison c;
	(void)state;

	fixture_pair(&a, &b, 1, 1, 21, 0, 0);
	for (size_t i = 0; i < b.count; i++) {
		if (b.rows[i].round != 3)
			continue;
		b.rows[i].valid = 0;
		strcpy(b.rows[i].error, "repeated: steal");
	}
	fixture_compare(&a, &b, &c);
	assert_int_equal(c.problem_count, 0);
	assert_int_equal(c.verdict, COMPARE_SAME);
	assert_int_equal(c.rows[0].new_rounds, 11);
	fixture_free(&a, &b, &c);
}

static void what_was_cut_off_is_incomplete(void **state)
{
	struct samples a, b;
	struct samples none = {.complete = 1};
	(void)state;

	fixture_pair(&a, &b, 0, 2, 23, 0, 0);
	b.complete = 0;
	fixture_refuses(&a, &b, COMPARE_BROKEN, "NEW: incomplete");
	fixture_refuses(&b, &a, COMPARE_BROKEN, "BASE: incomplete");
	fixture_refuses(&a, &none, COMPARE_BROKEN, "NEW: no rows");
	samples_free(&a);
	samples_free(&b);
}

static void not_a_number_and_zero_are_refused(void **state)
{
	static const char *const metrics[] = {"nan", "zero operations", "zero CPU", "zero time"};
	(void)state;

	for (size_t m = 0; m < sizeof(metrics) / sizeof(metrics[0]); m++) {
		struct samples a, b;
		fixture_pair(&a, &b, 1, 1, 25, 0, 0);
		for (size_t i = 0; i < b.count; i++) {
			if (strcmp(b.rows[i].arm, "aes") != 0)
				continue;
			if (m == 0)
				b.rows[i].acked_s = NAN;
			else if (m == 1)
				b.rows[i].messages = 0;
			else if (m == 2)
				b.rows[i].cpu_ns = 0;
			else
				b.rows[i].acked_s = 0;
		}
		struct comparison c;
		fixture_compare(&a, &b, &c);
		if (!compare_has_problem(&c, 0))
			fail_msg("%s went through", metrics[m]);
		fixture_free(&a, &b, &c);
	}
}

static void a_run_without_a_cipher_has_nothing_to_compare(void **state)
{
	struct samples a, b;
	(void)state;

	fixture_pair(&a, &b, 1, 1, 27, 0, 0);
	fixture_drop(&b, "publish-1k", "aes", -1);
	fixture_drop(&b, "publish-1k", "chachapoly", -1);
	fixture_refuses(&a, &b, COMPARE_BROKEN, "no arm of a cipher in common");
	fixture_drop(&b, "publish-1k", "none", -1);
	fixture_refuses(&a, &b, COMPARE_BROKEN, "does not count");
	samples_free(&a);
	samples_free(&b);
}

static void builds_and_yardsticks_that_measure_nothing_are_unfit(void **state)
{
	struct samples a, b;
	(void)state;

	fixture_pair(&a, &b, 1, 1, 29, 0, 0);
	strcpy(b.rows[9].build, "debug");
	fixture_refuses(&a, &b, COMPARE_UNFIT, "is of a debug build");
	strcpy(b.rows[9].build, "");
	fixture_refuses(&a, &b, COMPARE_UNFIT, "is of a nameless build");
	strcpy(b.rows[9].build, "release");
	for (size_t i = 0; i < b.count; i++)
		if (strcmp(b.rows[i].arm, "none-twin") == 0)
			b.rows[i].injected_ns = 60;
	fixture_refuses(&a, &b, COMPARE_UNFIT, "slowed on purpose");
	for (size_t i = 0; i < b.count; i++) {
		b.rows[i].injected_ns = 0;
		b.rows[i].workload_digest[0] = '\0';
	}
	fixture_refuses(&a, &b, COMPARE_BROKEN, "has no workload_digest");
	samples_free(&a);
	samples_free(&b);
}

/* ---- which cell is which ---- */

static void a_cell_of_one_side_alone_is_named(void **state)
{
	struct samples a, b;
	struct comparison c;
	(void)state;

	fixture_make(&a, 0, 3, fixture_quiet, 31, 0, 0);
	fixture_make(&b, 0, 2, fixture_quiet, 32, 0, 0);
	fixture_compare(&a, &b, &c);
	assert_int_equal(c.count, 8);
	assert_int_equal(c.problem_count, 2);
	assert_int_equal(c.problems[0].fault, COMPARE_ONE_SIDED);
	assert_non_null(strstr(c.problems[0].text, "only BASE has arm chachapoly of publish-8k"));
	assert_false(compare_has_problem(&c, 0));
	assert_true(compare_has_problem(&c, 1));
	assert_int_equal(c.verdict, COMPARE_SAME);
	comparison_free(&c);
	samples_free(&b);
	fixture_make(&b, 3, 2, fixture_quiet, 32, 0, 0);
	fixture_refuses(&a, &b, COMPARE_BROKEN, "no arm of a cipher in common");
	samples_free(&a);
	samples_free(&b);
}

static void each_part_of_the_key_tells_cells_apart(void **state)
{
	static const char *const fields[] = {"target",
	                                     "dir",
	                                     "run --provider chachapoly=NAME",
	                                     "payload_bytes",
	                                     "workload_digest",
	                                     "sync_ordered",
	                                     "messages"};
	(void)state;

	for (size_t f = 0; f < sizeof(fields) / sizeof(fields[0]); f++) {
		struct samples a, b;
		fixture_pair(&a, &b, 1, 1, 33, 0, 0);
		for (size_t i = 0; i < b.count; i++) {
			struct sample *row = &b.rows[i];
			row->synced_s = row->acked_s;
			if (f == 0)
				strcpy(row->target, "null");
			else if (f == 1)
				strcpy(row->dir, "ssd");
			else if (f == 2)
				strcpy(row->provider, "sodium");
			else if (f == 3)
				row->payload_bytes++;
			else if (f == 4)
				strcpy(row->workload_digest, "0123456789abcdef");
			else if (f == 5)
				row->sync_ordered = 1;
			else
				row->messages *= 3;
		}
		fixture_refuses(&a, &b, COMPARE_ONE_SIDED, f == 0 ? "only NEW has" : fields[f]);
		samples_free(&a);
		samples_free(&b);
	}
}

static void what_does_not_tell_apart_is_listed_as_changed(void **state)
{
	struct samples a, b;
	struct comparison c;
	char what[512] = "";
	(void)state;

	fixture_pair(&a, &b, 1, 1, 35, 0, 0);
	for (size_t i = 0; i < b.count; i++) {
		struct sample *row = &b.rows[i];
		strcpy(row->workload, "mine");
		strcpy(row->target_version, "0.2.0");
		strcpy(row->flush, "async");
		row->replicas = 3;
		/* a slice that memory made shorter: as fast */
		row->messages = row->messages * 2 / 3;
		row->acked_s = row->acked_s * 2 / 3;
		row->cpu_ns = row->cpu_ns * 2 / 3;
	}
	fixture_compare(&a, &b, &c);
	assert_int_equal(c.problem_count, 0);
	assert_int_equal(c.count, 4);
	assert_string_equal(c.rows[0].workload, "publish-1k");
	assert_string_equal(c.rows[0].new_workload, "mine");
	assert_int_equal(c.verdict, COMPARE_SAME);
	for (size_t i = 0; i < c.changed.count; i++)
		strcat(strcat(what, c.changed.list[i].what), ";");
	assert_non_null(strstr(what, "version of store;"));
	assert_non_null(strstr(what, "replicas of store;"));
	assert_non_null(strstr(what, "name of a workload;"));
	assert_non_null(strstr(what, "messages of publish-1k;"));
	assert_non_null(strstr(what, "flush of store;"));
	fixture_free(&a, &b, &c);
}

static void a_servers_version_counts_only_where_there_are_several(void **state)
{
	struct samples a = {0}, b = {0};
	struct comparison c;
	struct synthetic_suite same = synthetic_nats_new;
	(void)state;

	same.version = "2.10.27";
	synthetic_add_server(&a, &synthetic_nats_new, fixture_quiet, 37);
	synthetic_add_server(&b, &same, fixture_quiet, 38);
	fixture_compare(&a, &b, &c);
	assert_int_equal(c.problem_count, 0);
	assert_int_equal(c.count, 20);
	assert_string_equal(c.rows[0].new_version, "2.10.27");
	comparison_free(&c);
	/* Now one side has both: only what is of the same version is compared. */
	synthetic_add_server(&a, &same, fixture_quiet, 39);
	fixture_compare(&a, &b, &c);
	assert_int_equal(c.count, 20);
	assert_string_equal(c.rows[0].version, "2.10.27");
	assert_int_equal(c.problem_count, 10);
	assert_non_null(strstr(c.problems[0].text, "2.15.1"));
	fixture_free(&a, &b, &c);
}

static void of_an_open_loop_response_times_are_judged(void **state)
{
	struct samples a, b;
	struct comparison c;
	(void)state;

	fixture_pair(&a, &b, 1, 1, 40, 0, 0);
	for (size_t i = 0; i < a.count; i++) {
		a.rows[i].rate_msgs_s = b.rows[i].rate_msgs_s = 5000;
		a.rows[i].response_p99_ns = (uint64_t)(a.rows[i].acked_s * 1e6);
		b.rows[i].response_p99_ns = (uint64_t)(b.rows[i].acked_s * 1e6);
		if (strcmp(b.rows[i].arm, "aes") == 0)
			b.rows[i].response_p99_ns = b.rows[i].response_p99_ns * 12 / 10;
	}
	fixture_compare(&a, &b, &c);
	assert_int_equal(c.problem_count, 0);
	assert_int_equal(c.count, 2);
	assert_int_equal(fixture_row(&c, "publish-1k", "aes", "response_p99_ns")->verdict,
	                 COMPARE_WORSE);
	assert_int_equal(fixture_row(&c, "publish-1k", "chachapoly", "response_p99_ns")->verdict,
	                 COMPARE_SAME);
	comparison_free(&c);
	/* Without any there is nothing else that would do. */
	for (size_t i = 0; i < a.count; i++)
		a.rows[i].response_p99_ns = b.rows[i].response_p99_ns = 0;
	fixture_refuses(&a, &b, COMPARE_BROKEN, "no response_p99_ns of arm");
	samples_free(&a);
	samples_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(an_arm_that_is_missing_is_named),
	        cmocka_unit_test(a_round_that_is_missing_or_failed_is_named),
	        cmocka_unit_test(a_round_set_aside_harms_nothing),
	        cmocka_unit_test(what_was_cut_off_is_incomplete),
	        cmocka_unit_test(not_a_number_and_zero_are_refused),
	        cmocka_unit_test(a_run_without_a_cipher_has_nothing_to_compare),
	        cmocka_unit_test(builds_and_yardsticks_that_measure_nothing_are_unfit),
	        cmocka_unit_test(a_cell_of_one_side_alone_is_named),
	        cmocka_unit_test(each_part_of_the_key_tells_cells_apart),
	        cmocka_unit_test(what_does_not_tell_apart_is_listed_as_changed),
	        cmocka_unit_test(a_servers_version_counts_only_where_there_are_several),
	        cmocka_unit_test(of_an_open_loop_response_times_are_judged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
