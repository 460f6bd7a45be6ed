/* test_compare.c - verdicts over invented results with known effects, and how they are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/output/compare_output.h"
#include "tests/unit/compare_fixture.h"

static const struct synthetic_noise loud = {0.05, 0.08, 0};

/* The rows of each arm but the twin once more, of another program: noise of its own, and aes so
 * many times as dear as a whole. */
static void add_program(struct samples *s, const char *name, double factor, uint64_t seed)
{
	size_t count = s->count;

	for (size_t i = 0; i < count; i++) {
		struct sample row = s->rows[i];
		double slice = exp(0.012 * synthetic_normal(&seed));
		if (strcmp(row.arm, "none-twin") == 0)
			continue;
		if (strcmp(row.arm, "aes") == 0)
			slice *= factor;
		snprintf(row.arm, sizeof(row.arm), "%.100s+%s", s->rows[i].arm, name);
		row.acked_s *= slice;
		row.cpu_ns = (uint64_t)((double)row.cpu_ns * slice);
		assert_int_equal(samples_add(s, &row), 0);
	}
}

static void of_two_programs(struct samples *s, enum compare_verdict verdict, size_t of_it)
{
	struct comparison c;

	assert_int_equal(compare_programs(s, "head", &fixture_five, &c), 0);
	if (c.problem_count > 0)
		fail_msg("%s", c.problems[0].text);
	assert_int_equal(c.verdict, verdict);
	assert_int_equal(c.counts[verdict], of_it);
	comparison_free(&c);
}

/* ---- verdicts ---- */

static void two_runs_of_the_same_are_the_same(void **state)
{
	struct samples a, b;
	struct comparison c;
	(void)state;

	fixture_pair(&a, &b, 0, CELLS_ALL, 1, 0, 0);
	fixture_compare(&a, &b, &c);
	assert_int_equal(c.problem_count, 0);
	assert_int_equal(c.count, CELLS_ALL * 2 * 2);
	assert_int_equal(c.counts[COMPARE_SAME], c.count);
	assert_int_equal(c.verdict, COMPARE_SAME);
	assert_int_equal(c.plain_count, CELLS_ALL * 2);
	fixture_free(&a, &b, &c);
}

static void what_got_dearer_is_worse_and_backwards_better(void **state)
{
	struct samples a, b;
	struct comparison c;
	(void)state;

	/* 12 % of 1280 ns: 12 points. */
	fixture_pair(&a, &b, 0, CELLS_ALL, 3, 1, 154);
	fixture_compare(&a, &b, &c);
	assert_int_equal(c.verdict, COMPARE_WORSE);
	assert_int_equal(c.counts[COMPARE_WORSE], 2);
	assert_int_equal(c.counts[COMPARE_SAME], c.count - 2);
	const struct compare_row *row = fixture_row(&c, "publish-1k", "aes", "time_ns_per_msg");
	assert_int_equal(row->verdict, COMPARE_WORSE);
	assert_true(row->change.low < 12 && row->change.high > 12);
	assert_true(row->change.estimate > 10 && row->change.estimate < 14);
	assert_true(fabs(row->new_overhead.estimate - row->overhead.estimate -
	                 row->change.estimate) < 0.5);
	row = fixture_row(&c, "publish-1k", "aes", "cpu_ns_per_msg");
	assert_int_equal(row->verdict, COMPARE_WORSE);
	comparison_free(&c);

	fixture_compare(&b, &a, &c);
	assert_int_equal(c.verdict, COMPARE_BETTER);
	assert_int_equal(c.counts[COMPARE_BETTER], 2);
	fixture_free(&a, &b, &c);
}

/* 12 points on top of 320 % are a change of 3 % of the whole. */
static void a_change_is_in_points_of_the_overhead_it_comes_on_top_of(void **state)
{
	static const struct synthetic_noise silent = {0.05, 0.002, 0};
	struct samples a, b;
	struct comparison c;
	(void)state;

	fixture_make(&a, 1, 1, silent, 60, 1, 4000);
	fixture_make(&b, 1, 1, silent, 61, 1, 4154);
	fixture_compare(&a, &b, &c);
	const struct compare_row *row = fixture_row(&c, "publish-1k", "aes", "time_ns_per_msg");
	assert_true(row->overhead.estimate > 300);
	assert_true(row->change.estimate > 11 && row->change.estimate < 13);
	assert_int_equal(row->verdict, COMPARE_WORSE);
	fixture_free(&a, &b, &c);
}

static void slower_plaintext_is_context_and_not_judged(void **state)
{
	struct samples a, b;
	struct comparison c;
	(void)state;

	fixture_pair(&a, &b, 1, 1, 5, 0, 0);
	for (size_t i = 0; i < b.count; i++) {
		b.rows[i].acked_s *= 1.3;
		b.rows[i].cpu_ns = b.rows[i].cpu_ns * 13 / 10;
	}
	fixture_compare(&a, &b, &c);
	assert_int_equal(c.verdict, COMPARE_SAME);
	assert_int_equal(c.plain_count, 2);
	assert_true(c.plain[0].change_pct > 20 && c.plain[0].change_pct < 40);
	fixture_free(&a, &b, &c);
}

static void noise_is_inconclusive_and_never_worse(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct samples a, b;
		struct comparison c;
		fixture_make(&a, 1, 1, loud, 100 + seed, 0, 0);
		fixture_make(&b, 1, 1, loud, 200 + seed, 0, 0);
		fixture_compare(&a, &b, &c);
		assert_int_not_equal(c.verdict, COMPARE_WORSE);
		assert_int_not_equal(c.verdict, COMPARE_BETTER);
		assert_true(c.counts[COMPARE_INCONCLUSIVE] > 0);
		fixture_free(&a, &b, &c);
	}
}

/* The true change is the margin itself, where a false alarm is likeliest. */
static void at_the_margin_one_comparison_in_twenty_alarms_at_most(void **state)
{
	enum { RUNS = 200 };
	int worse = 0;
	int worse_beyond = 0;
	(void)state;

	for (uint64_t run = 0; run < RUNS; run++) {
		struct samples a, b, far;
		struct comparison c;
		fixture_make(&a, 1, 1, fixture_quiet, 1000 + 3 * run, 0, 0);
		fixture_make(&b, 1, 1, fixture_quiet, 1001 + 3 * run, 1, 0.05 * 1280);
		fixture_make(&far, 1, 1, fixture_quiet, 1002 + 3 * run, 1, 0.10 * 1280);
		fixture_compare(&a, &b, &c);
		worse += c.verdict == COMPARE_WORSE;
		comparison_free(&c);
		fixture_compare(&a, &far, &c);
		worse_beyond += c.verdict == COMPARE_WORSE;
		fixture_free(&a, &b, &c);
		samples_free(&far);
	}
	printf("worse: %d of %d at the margin, %d at twice the margin\n", worse, RUNS,
	       worse_beyond);
	assert_true(worse <= RUNS / 20);
	assert_true(worse_beyond >= RUNS * 9 / 10);
}

static void too_few_rounds_are_inconclusive(void **state)
{
	struct samples a, b;
	struct comparison c;
	(void)state;

	fixture_pair(&a, &b, 1, 1, 7, 1, 500);
	for (int round = 3; round < 12; round++) {
		fixture_drop(&a, "publish-1k", NULL, round);
		fixture_drop(&b, "publish-1k", NULL, round);
	}
	fixture_compare(&a, &b, &c);
	assert_int_equal(c.problem_count, 0);
	assert_int_equal(c.verdict, COMPARE_INCONCLUSIVE);
	fixture_free(&a, &b, &c);
}

/* Nor is it ever a reason to pass: what the twin shows may hide a change as well as make one. */
static void the_margin_is_never_below_the_floor_of_either_side(void **state)
{
	static const struct synthetic_noise crooked = {0.05, 0.012, 0.12};
	struct samples a, b;
	struct comparison c;
	(void)state;

	fixture_make(&a, 1, 1, fixture_quiet, 9, 0, 0);
	for (int turn = 0; turn < 4; turn++) {
		/* 8 points, beyond 5 and within what the twin shows; and none at all. */
		fixture_make(&b, 1, 1, crooked, 10, 1, turn < 2 ? 100 : 0);
		fixture_compare(turn % 2 == 0 ? &a : &b, turn % 2 == 0 ? &b : &a, &c);
		const struct compare_row *row =
		        fixture_row(&c, "publish-1k", "aes", "time_ns_per_msg");
		assert_true(row->floor > 10);
		assert_true(row->margin == row->floor);
		assert_true(row->change.low > -row->margin && row->change.high < row->margin);
		assert_int_equal(row->verdict, COMPARE_INCONCLUSIVE);
		comparison_free(&c);
		samples_free(&b);
	}
	fixture_make(&b, 1, 1, fixture_quiet, 10, 1, 200);
	fixture_compare(&a, &b, &c);
	assert_true(fixture_row(&c, "publish-1k", "aes", "time_ns_per_msg")->margin == 5);
	assert_int_equal(c.verdict, COMPARE_WORSE);
	comparison_free(&c);
	/* A larger margin of the user's lets more pass. */
	static const struct compare_options thirty = {30, "BASE", "NEW"};
	assert_int_equal(compare_results(&a, &b, &thirty, &c), 0);
	assert_int_equal(c.verdict, COMPARE_SAME);
	fixture_free(&a, &b, &c);
}

static void without_a_twin_nothing_is_concluded(void **state)
{
	struct samples a, b;
	struct comparison c;
	(void)state;

	fixture_pair(&a, &b, 1, 1, 11, 1, 300);
	fixture_drop(&b, "publish-1k", "none-twin", -1);
	fixture_compare(&a, &b, &c);
	assert_int_equal(c.counts[COMPARE_INCONCLUSIVE], c.count);
	fixture_free(&a, &b, &c);
}

static void a_run_with_too_many_crooked_twins_concludes_nothing(void **state)
{
	static const struct synthetic_noise crooked = {0.05, 0.012, 0.05};
	struct samples a, b;
	struct comparison c;
	(void)state;

	fixture_make(&a, 0, CELLS_ALL, fixture_quiet, 13, 0, 0);
	fixture_make(&b, 0, CELLS_ALL, crooked, 14, 1, 500);
	fixture_compare(&a, &b, &c);
	assert_true(c.new_noisy && !c.noisy);
	assert_int_equal(c.verdict, COMPARE_INCONCLUSIVE);
	assert_int_equal(c.counts[COMPARE_INCONCLUSIVE], c.count);
	fixture_free(&a, &b, &c);
}

/* The rounds of one side, as many as this, beside a busy loop on another processor. */
static void disturb(struct samples *s, uint64_t rounds)
{
	for (size_t i = 0; i < s->count; i++) {
		s->rows[i].other_cpu_ns = 0;
		if (s->rows[i].round < rounds)
			s->rows[i].other_cpu_ns = (uint64_t)(0.97e9 * s->rows[i].acked_s);
	}
}

static void beside_a_permanent_neighbour_nothing_is_concluded(void **state)
{
	struct samples a, b;
	struct comparison c;
	char sentence[COMPARE_SENTENCE_BYTES];
	const struct compare_context x = {"BASE", "NEW", 0, NULL, NULL};
	(void)state;

	fixture_pair(&a, &b, 1, 1, 70, 1, 300);
	for (int turn = 0; turn < 2; turn++) {
		struct samples *side = turn == 0 ? &a : &b;
		disturb(side, 2); /* of twelve: what could not be repeated any more */
		fixture_compare(&a, &b, &c);
		assert_int_equal(c.verdict, COMPARE_WORSE);
		comparison_free(&c);
		disturb(side, 3);
		fixture_compare(&a, &b, &c);
		assert_int_equal(c.counts[COMPARE_INCONCLUSIVE], c.count);
		assert_non_null(strstr(compare_sentence(&c, &x, sentence),
		                       "disturbed 3 of the 24 rounds that count"));
		comparison_free(&c);
		disturb(side, 0);
	}
	samples_free(&b);
	add_program(&a, "head", 1.2, 72);
	disturb(&a, 12);
	of_two_programs(&a, COMPARE_INCONCLUSIVE, 6);
	samples_free(&a);
}

/* Just enough to be worse where it is the only cell, is not enough among eight. */
static void over_many_cells_worse_needs_more(void **state)
{
	struct samples a, b;
	struct comparison c;
	(void)state;

	fixture_make(&a, 0, CELLS_ALL, fixture_quiet, 15, 0, 0);
	for (double added = 64;; added += 1) {
		assert_true(added < 200);
		struct samples alone_a = {0};
		struct samples alone_b = {0};
		fixture_make(&b, 0, CELLS_ALL, fixture_quiet, 16, 1, added);
		for (size_t i = 0; i < a.count; i++) {
			if (strcmp(a.rows[i].workload, "publish-1k") != 0)
				continue;
			assert_int_equal(samples_add(&alone_a, &a.rows[i]), 0);
			assert_int_equal(samples_add(&alone_b, &b.rows[i]), 0);
		}
		alone_a.complete = alone_b.complete = 1;
		fixture_compare(&alone_a, &alone_b, &c);
		samples_free(&alone_a);
		samples_free(&alone_b);
		int worse = fixture_row(&c, "publish-1k", "aes", "time_ns_per_msg")->verdict ==
		            COMPARE_WORSE;
		comparison_free(&c);
		if (worse)
			break;
		samples_free(&b);
	}
	fixture_compare(&a, &b, &c);
	const struct compare_row *row = fixture_row(&c, "publish-1k", "aes", "time_ns_per_msg");
	assert_true(row->change.low > row->margin);
	assert_true(row->p > 0.025);
	assert_int_equal(row->verdict, COMPARE_INCONCLUSIVE);
	fixture_free(&a, &b, &c);
}

/* ---- two programs ---- */

static void two_programs_are_compared_round_by_round(void **state)
{
	static const struct synthetic_noise drifting = {0.4, 0.012, 0};
	struct samples s;
	struct comparison c;
	(void)state;

	fixture_make(&s, 1, 1, drifting, 42, 0, 0);
	add_program(&s, "head", 1, 43);
	of_two_programs(&s, COMPARE_SAME, 6);
	assert_int_equal(compare_programs(&s, "head", &fixture_five, &c), 0);
	assert_string_equal(c.rows[0].arm, "none");
	assert_true(fabs(c.rows[0].change.estimate) < 1);
	comparison_free(&c);
	samples_free(&s);

	fixture_make(&s, 1, 1, drifting, 44, 0, 0);
	add_program(&s, "head", 1.1, 45);
	of_two_programs(&s, COMPARE_WORSE, 2);
	samples_free(&s);

	fixture_make(&s, 1, 1, drifting, 46, 0, 0);
	add_program(&s, "head", 0.85, 47);
	of_two_programs(&s, COMPARE_BETTER, 2);
	samples_free(&s);
}

static void an_arm_without_its_counterpart_is_named(void **state)
{
	struct samples s;
	struct comparison c;
	(void)state;

	fixture_make(&s, 0, 2, fixture_quiet, 48, 0, 0);
	assert_int_equal(compare_programs(&s, "head", &fixture_five, &c), 0);
	assert_int_equal(c.problem_count, 1);
	assert_non_null(strstr(c.problems[0].text, "no arm of a program \"head\""));
	comparison_free(&c);

	add_program(&s, "head", 1, 49);
	for (int turn = 0; turn < 2; turn++) {
		/* The first leaves it in the other cell, the second nowhere. */
		fixture_drop(&s, turn == 0 ? "publish-1k" : "publish-64b", "aes+head", -1);
		assert_int_equal(compare_programs(&s, "head", &fixture_five, &c), 0);
		assert_true(compare_has_problem(&c, 0));
		assert_int_equal(c.problems[0].fault, COMPARE_BROKEN);
		assert_non_null(strstr(c.problems[0].text, "aes"));
		comparison_free(&c);
	}
	samples_free(&s);
}

/* ---- as it is written ---- */

static char *written(int (*how)(const struct comparison *, const struct compare_context *, FILE *),
                     const struct comparison *c, int common)
{
	const struct compare_context x = {"a<b>&'\"|", "new\xff", common, NULL, NULL};
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	assert_int_equal(how(c, &x, out), 0);
	fclose(out);
	return text;
}

static size_t count_of(const char *text, const char *part)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, part)) != NULL; p += strlen(part))
		n++;
	return n;
}

static void names_are_escaped_in_every_format(void **state)
{
	struct samples a, b;
	struct comparison c;
	char *text;
	(void)state;

	fixture_make(&a, 0, 3, fixture_quiet, 50, 0, 0);
	fixture_make(&b, 0, 2, fixture_quiet, 51, 1, 300);
	for (size_t i = 0; i < b.count; i++)
		if (strcmp(b.rows[i].workload, "publish-1k") == 0)
			strcpy(b.rows[i].workload, "<i>&'\"|x\n_y_\x01");
	fixture_compare(&a, &b, &c);

	text = written(compare_junit, &c, 1);
	assert_non_null(strstr(text, "&lt;i&gt;&amp;&#39;&quot;|x _y_ "));
	assert_null(strstr(text, "<i>"));
	assert_null(strchr(text, '\x01'));
	assert_int_equal(count_of(text, "<testcase"), 10);
	assert_int_equal(count_of(text, "<failure"), 2);
	assert_int_equal(count_of(text, "<error"), 0);
	assert_int_equal(count_of(text, "<skipped"), 2);
	assert_non_null(strstr(text, "tests=\"10\" failures=\"2\" errors=\"0\" skipped=\"2\""));
	free(text);
	text = written(compare_junit, &c, 0);
	assert_int_equal(count_of(text, "<error"), 2);
	free(text);

	text = written(compare_markdown, &c, 1);
	assert_non_null(strstr(text, "&lt;i&gt;&amp;'\"\\|x \\_y\\_ "));
	assert_non_null(strstr(text, "a&lt;b&gt;&amp;'\"\\|"));
	assert_non_null(strstr(text, "new?"));
	/* Every line of the table has as many bars. */
	assert_int_equal(count_of(text, "|\n"), count_of(text, "\n|"));
	free(text);

	text = written(compare_json, &c, 1);
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "verdict")), "worse");
	assert_int_equal(json_array_size(json_object_get(json, "rows")), 8);
	assert_int_equal(json_array_size(json_object_get(json, "not_compared")), 2);
	json_decref(json);
	free(text);

	text = written(compare_text, &c, 1);
	assert_int_equal(strncmp(text, "worse: aes takes more", 21), 0);
	free(text);
	fixture_free(&a, &b, &c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(two_runs_of_the_same_are_the_same),
	        cmocka_unit_test(what_got_dearer_is_worse_and_backwards_better),
	        cmocka_unit_test(a_change_is_in_points_of_the_overhead_it_comes_on_top_of),
	        cmocka_unit_test(slower_plaintext_is_context_and_not_judged),
	        cmocka_unit_test(noise_is_inconclusive_and_never_worse),
	        cmocka_unit_test(at_the_margin_one_comparison_in_twenty_alarms_at_most),
	        cmocka_unit_test(too_few_rounds_are_inconclusive),
	        cmocka_unit_test(the_margin_is_never_below_the_floor_of_either_side),
	        cmocka_unit_test(without_a_twin_nothing_is_concluded),
	        cmocka_unit_test(a_run_with_too_many_crooked_twins_concludes_nothing),
	        cmocka_unit_test(beside_a_permanent_neighbour_nothing_is_concluded),
	        cmocka_unit_test(over_many_cells_worse_needs_more),
	        cmocka_unit_test(two_programs_are_compared_round_by_round),
	        cmocka_unit_test(an_arm_without_its_counterpart_is_named),
	        cmocka_unit_test(names_are_escaped_in_every_format),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
