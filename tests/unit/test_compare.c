/* test_compare.c - verdicts over invented results with known effects, and what fails closed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/analysis/compare.h"
#include "harness/output/compare_output.h"
#include "tests/unit/synthetic.h"

#define CELLS_ALL 8
static const struct synthetic_noise quiet = {0.05, 0.012, 0};
static const struct synthetic_noise loud = {0.05, 0.08, 0};
static const struct compare_options five = {5, "BASE", "NEW"};

/* Cells of the quick suite from the first on; aes of one of them costs so much more, ns. */
static void make(struct samples *s, size_t first, size_t count, struct synthetic_noise noise,
                 uint64_t seed, size_t dearer, double added_ns)
{
	struct synthetic_cell cells[CELLS_ALL];

	memcpy(cells, synthetic_quick, sizeof(cells));
	cells[dearer].aes_ns += added_ns;
	memset(s, 0, sizeof(*s));
	synthetic_add(s, cells + first, count, noise, seed);
	/* Percentiles take the longest, and nobody asks for them here. */
	for (size_t i = 0; i < s->count; i++) {
		struct sample *row = &s->rows[i];
		row->latency_p50_ns = row->latency_p99_ns = row->latency_p999_ns = 0;
	}
}

static void compare(const struct samples *a, const struct samples *b, struct comparison *c)
{
	assert_int_equal(compare_results(a, b, &five, c), 0);
}

static const struct compare_row *row_of(const struct comparison *c, const char *workload,
                                        const char *arm, const char *metric)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->rows[i].workload, workload) == 0 &&
		    strcmp(c->rows[i].arm, arm) == 0 && strcmp(c->rows[i].metric, metric) == 0)
			return &c->rows[i];
	fail_msg("no row %s %s %s", workload, arm, metric);
	return NULL;
}

/* Compares and expects nothing but problems of this fault, one of which says so. */
static void refuses(struct samples *a, struct samples *b, enum compare_fault fault,
                    const char *says)
{
	struct comparison c;
	int found = 0;

	compare(a, b, &c);
	assert_true(compare_has_problem(&c, 1));
	for (size_t i = 0; i < c.problem_count; i++)
		found |= c.problems[i].fault == fault && strstr(c.problems[i].text, says) != NULL;
	if (!found)
		fail_msg("\"%s\" is not among: %s", says, c.problems[0].text);
	comparison_free(&c);
}

/* Removes the rows that are of the arm (NULL: all) of the workload, of the round unless -1. */
static void drop(struct samples *s, const char *workload, const char *arm, int round)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct sample *row = &s->rows[i];
		if (strcmp(row->workload, workload) == 0 &&
		    (arm == NULL || strcmp(row->arm, arm) == 0) &&
		    (round < 0 || row->round == (uint64_t)round))
			continue;
		s->rows[kept++] = *row;
	}
	s->count = kept;
}

/* ---- verdicts ---- */

static void two_runs_of_the_same_are_the_same(void **state)
{
	struct samples a, b;
	struct comparison c;
	(void)state;

	make(&a, 0, CELLS_ALL, quiet, 1, 0, 0);
	make(&b, 0, CELLS_ALL, quiet, 2, 0, 0);
	compare(&a, &b, &c);
	assert_int_equal(c.problem_count, 0);
	assert_int_equal(c.count, CELLS_ALL * 2 * 2);
	assert_int_equal(c.counts[COMPARE_SAME], c.count);
	assert_int_equal(c.verdict, COMPARE_SAME);
	assert_int_equal(c.plain_count, CELLS_ALL * 2);
	comparison_free(&c);
	samples_free(&a);
	samples_free(&b);
}

static void what_got_dearer_is_worse_and_backwards_better(void **state)
{
	struct samples a, b;
	struct comparison c;
	(void)state;

	/* 12 % of 1280 ns: 12 points. */
	make(&a, 0, CELLS_ALL, quiet, 3, 0, 0);
	make(&b, 0, CELLS_ALL, quiet, 4, 1, 154);
	compare(&a, &b, &c);
	assert_int_equal(c.verdict, COMPARE_WORSE);
	assert_int_equal(c.counts[COMPARE_WORSE], 2);
	assert_int_equal(c.counts[COMPARE_SAME], c.count - 2);
	const struct compare_row *row = row_of(&c, "publish-1k", "aes", "time_ns_per_msg");
	assert_int_equal(row->verdict, COMPARE_WORSE);
	assert_true(row->change.low < 12 && row->change.high > 12);
	assert_true(row->change.estimate > 10 && row->change.estimate < 14);
	assert_true(fabs(row->new_overhead.estimate - row->overhead.estimate -
	                 row->change.estimate) < 0.5);
	row = row_of(&c, "publish-1k", "aes", "cpu_ns_per_msg");
	assert_int_equal(row->verdict, COMPARE_WORSE);
	comparison_free(&c);

	compare(&b, &a, &c);
	assert_int_equal(c.verdict, COMPARE_BETTER);
	assert_int_equal(c.counts[COMPARE_BETTER], 2);
	comparison_free(&c);
	samples_free(&a);
	samples_free(&b);
}

/* 12 points on top of 320 % are a change of 3 % of the whole. */
static void a_change_is_in_points_of_the_overhead_it_comes_on_top_of(void **state)
{
	static const struct synthetic_noise silent = {0.05, 0.002, 0};
	struct samples a, b;
	struct comparison c;
	(void)state;

	make(&a, 1, 1, silent, 60, 1, 4000);
	make(&b, 1, 1, silent, 61, 1, 4154);
	compare(&a, &b, &c);
	const struct compare_row *row = row_of(&c, "publish-1k", "aes", "time_ns_per_msg");
	assert_true(row->overhead.estimate > 300);
	assert_true(row->change.estimate > 11 && row->change.estimate < 13);
	assert_int_equal(row->verdict, COMPARE_WORSE);
	comparison_free(&c);
	samples_free(&a);
	samples_free(&b);
}

static void slower_plaintext_is_context_and_not_judged(void **state)
{
	struct samples a, b;
	struct comparison c;
	(void)state;

	make(&a, 1, 1, quiet, 5, 0, 0);
	make(&b, 1, 1, quiet, 6, 0, 0);
	for (size_t i = 0; i < b.count; i++) {
		b.rows[i].acked_s *= 1.3;
		b.rows[i].cpu_ns = b.rows[i].cpu_ns * 13 / 10;
	}
	compare(&a, &b, &c);
	assert_int_equal(c.verdict, COMPARE_SAME);
	assert_int_equal(c.plain_count, 2);
	assert_true(c.plain[0].change_pct > 20 && c.plain[0].change_pct < 40);
	comparison_free(&c);
	samples_free(&a);
	samples_free(&b);
}

static void noise_is_inconclusive_and_never_worse(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct samples a, b;
		struct comparison c;
		make(&a, 1, 1, loud, 100 + seed, 0, 0);
		make(&b, 1, 1, loud, 200 + seed, 0, 0);
		compare(&a, &b, &c);
		assert_int_not_equal(c.verdict, COMPARE_WORSE);
		assert_int_not_equal(c.verdict, COMPARE_BETTER);
		assert_true(c.counts[COMPARE_INCONCLUSIVE] > 0);
		comparison_free(&c);
		samples_free(&a);
		samples_free(&b);
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
		make(&a, 1, 1, quiet, 1000 + 3 * run, 0, 0);
		make(&b, 1, 1, quiet, 1001 + 3 * run, 1, 0.05 * 1280);
		make(&far, 1, 1, quiet, 1002 + 3 * run, 1, 0.10 * 1280);
		compare(&a, &b, &c);
		worse += c.verdict == COMPARE_WORSE;
		comparison_free(&c);
		compare(&a, &far, &c);
		worse_beyond += c.verdict == COMPARE_WORSE;
		comparison_free(&c);
		samples_free(&a);
		samples_free(&b);
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

	make(&a, 1, 1, quiet, 7, 0, 0);
	make(&b, 1, 1, quiet, 8, 1, 500);
	for (int round = 3; round < 12; round++) {
		drop(&a, "publish-1k", NULL, round);
		drop(&b, "publish-1k", NULL, round);
	}
	compare(&a, &b, &c);
	assert_int_equal(c.problem_count, 0);
	assert_int_equal(c.verdict, COMPARE_INCONCLUSIVE);
	comparison_free(&c);
	samples_free(&a);
	samples_free(&b);
}

static void the_margin_is_never_below_the_floor_of_either_side(void **state)
{
	static const struct synthetic_noise crooked = {0.05, 0.012, 0.12};
	struct samples a, b;
	struct comparison c;
	(void)state;

	make(&a, 1, 1, quiet, 9, 0, 0);
	make(&b, 1, 1, crooked, 10, 1, 100); /* 8 points: beyond 5, within what the twin shows */
	for (int turn = 0; turn < 2; turn++) {
		compare(turn == 0 ? &a : &b, turn == 0 ? &b : &a, &c);
		const struct compare_row *row = row_of(&c, "publish-1k", "aes", "time_ns_per_msg");
		assert_true(row->floor > 10);
		assert_true(row->margin == row->floor);
		assert_int_equal(row->verdict, COMPARE_SAME);
		comparison_free(&c);
	}
	samples_free(&b);
	make(&b, 1, 1, quiet, 10, 1, 200);
	compare(&a, &b, &c);
	assert_true(row_of(&c, "publish-1k", "aes", "time_ns_per_msg")->margin == 5);
	assert_int_equal(c.verdict, COMPARE_WORSE);
	comparison_free(&c);
	/* A larger margin of the user's lets more pass. */
	static const struct compare_options thirty = {30, "BASE", "NEW"};
	assert_int_equal(compare_results(&a, &b, &thirty, &c), 0);
	assert_int_equal(c.verdict, COMPARE_SAME);
	comparison_free(&c);
	samples_free(&a);
	samples_free(&b);
}

static void without_a_twin_nothing_is_concluded(void **state)
{
	struct samples a, b;
	struct comparison c;
	(void)state;

	make(&a, 1, 1, quiet, 11, 0, 0);
	make(&b, 1, 1, quiet, 12, 1, 300);
	drop(&b, "publish-1k", "none-twin", -1);
	compare(&a, &b, &c);
	assert_int_equal(c.counts[COMPARE_INCONCLUSIVE], c.count);
	comparison_free(&c);
	samples_free(&a);
	samples_free(&b);
}

static void a_run_with_too_many_crooked_twins_concludes_nothing(void **state)
{
	static const struct synthetic_noise crooked = {0.05, 0.012, 0.05};
	struct samples a, b;
	struct comparison c;
	(void)state;

	make(&a, 0, CELLS_ALL, quiet, 13, 0, 0);
	make(&b, 0, CELLS_ALL, crooked, 14, 1, 500);
	compare(&a, &b, &c);
	assert_true(c.new_noisy && !c.noisy);
	assert_int_equal(c.verdict, COMPARE_INCONCLUSIVE);
	assert_int_equal(c.counts[COMPARE_INCONCLUSIVE], c.count);
	comparison_free(&c);
	samples_free(&a);
	samples_free(&b);
}

/* Just enough to be worse where it is the only cell, is not enough among eight. */
static void over_many_cells_worse_needs_more(void **state)
{
	struct samples a, b;
	struct comparison c;
	(void)state;

	make(&a, 0, CELLS_ALL, quiet, 15, 0, 0);
	for (double added = 64;; added += 1) {
		assert_true(added < 200);
		struct samples alone_a = {0};
		struct samples alone_b = {0};
		make(&b, 0, CELLS_ALL, quiet, 16, 1, added);
		for (size_t i = 0; i < a.count; i++) {
			if (strcmp(a.rows[i].workload, "publish-1k") != 0)
				continue;
			assert_int_equal(samples_add(&alone_a, &a.rows[i]), 0);
			assert_int_equal(samples_add(&alone_b, &b.rows[i]), 0);
		}
		alone_a.complete = alone_b.complete = 1;
		compare(&alone_a, &alone_b, &c);
		samples_free(&alone_a);
		samples_free(&alone_b);
		int worse = row_of(&c, "publish-1k", "aes", "time_ns_per_msg")->verdict ==
		            COMPARE_WORSE;
		comparison_free(&c);
		if (worse)
			break;
		samples_free(&b);
	}
	compare(&a, &b, &c);
	const struct compare_row *row = row_of(&c, "publish-1k", "aes", "time_ns_per_msg");
	assert_true(row->change.low > row->margin);
	assert_true(row->p > 0.025);
	assert_int_equal(row->verdict, COMPARE_INCONCLUSIVE);
	comparison_free(&c);
	samples_free(&a);
	samples_free(&b);
}

/* ---- what fails closed ---- */

static void an_arm_that_is_missing_is_named(void **state)
{
	struct samples a, b;
	(void)state;

	make(&a, 0, 3, quiet, 17, 0, 0);
	make(&b, 0, 3, quiet, 18, 0, 0);
	drop(&b, "publish-1k", "aes", -1);
	refuses(&a, &b, COMPARE_BROKEN, "NEW: publish-1k (store) has no arm aes");
	/* Missing on both sides it is missing all the same. */
	drop(&a, "publish-1k", "aes", -1);
	refuses(&a, &b, COMPARE_BROKEN, "BASE: publish-1k (store) has no arm aes");
	samples_free(&a);
	samples_free(&b);
}

static void a_round_that_is_missing_or_failed_is_named(void **state)
{
	struct samples a, b;
	(void)state;

	make(&a, 0, 2, quiet, 19, 0, 0);
	make(&b, 0, 2, quiet, 20, 0, 0);
	drop(&b, "publish-1k", "aes", 4);
	refuses(&a, &b, COMPARE_BROKEN, "NEW: arm aes of publish-1k (store) does not count");
	b.rows[6].valid = 0;
	strcpy(b.rows[6].error, "no space");
	refuses(&a, &b, COMPARE_BROKEN, "no space");
	samples_free(&a);
	samples_free(&b);
}

static void a_round_set_aside_harms_nothing(void **state)
{
	struct samples a, b;
	struct comparison c;
	(void)state;

	make(&a, 1, 1, quiet, 21, 0, 0);
	make(&b, 1, 1, quiet, 22, 0, 0);
	for (size_t i = 0; i < b.count; i++) {
		if (b.rows[i].round != 3)
			continue;
		b.rows[i].valid = 0;
		strcpy(b.rows[i].error, "repeated: steal");
	}
	compare(&a, &b, &c);
	assert_int_equal(c.problem_count, 0);
	assert_int_equal(c.verdict, COMPARE_SAME);
	assert_int_equal(c.rows[0].new_rounds, 11);
	comparison_free(&c);
	samples_free(&a);
	samples_free(&b);
}

static void what_was_cut_off_is_incomplete(void **state)
{
	struct samples a, b;
	struct samples none = {.complete = 1};
	(void)state;

	make(&a, 0, 2, quiet, 23, 0, 0);
	make(&b, 0, 2, quiet, 24, 0, 0);
	b.complete = 0;
	refuses(&a, &b, COMPARE_BROKEN, "NEW: incomplete");
	refuses(&b, &a, COMPARE_BROKEN, "BASE: incomplete");
	refuses(&a, &none, COMPARE_BROKEN, "NEW: no rows");
	samples_free(&a);
	samples_free(&b);
}

static void not_a_number_and_zero_are_refused(void **state)
{
	static const char *const metrics[] = {"nan", "zero operations", "zero CPU", "zero time"};
	(void)state;

	for (size_t m = 0; m < sizeof(metrics) / sizeof(metrics[0]); m++) {
		struct samples a, b;
		make(&a, 1, 1, quiet, 25, 0, 0);
		make(&b, 1, 1, quiet, 26, 0, 0);
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
		compare(&a, &b, &c);
		if (!compare_has_problem(&c, 0))
			fail_msg("%s went through", metrics[m]);
		comparison_free(&c);
		samples_free(&a);
		samples_free(&b);
	}
}

static void a_run_without_a_cipher_has_nothing_to_compare(void **state)
{
	struct samples a, b;
	(void)state;

	make(&a, 1, 1, quiet, 27, 0, 0);
	make(&b, 1, 1, quiet, 28, 0, 0);
	drop(&b, "publish-1k", "aes", -1);
	drop(&b, "publish-1k", "chachapoly", -1);
	refuses(&a, &b, COMPARE_BROKEN, "no arm of a cipher in common");
	drop(&b, "publish-1k", "none", -1);
	refuses(&a, &b, COMPARE_BROKEN, "does not count");
	samples_free(&a);
	samples_free(&b);
}

static void builds_and_yardsticks_that_measure_nothing_are_unfit(void **state)
{
	struct samples a, b;
	(void)state;

	make(&a, 1, 1, quiet, 29, 0, 0);
	make(&b, 1, 1, quiet, 30, 0, 0);
	strcpy(b.rows[9].build, "debug");
	refuses(&a, &b, COMPARE_UNFIT, "is of a debug build");
	strcpy(b.rows[9].build, "");
	refuses(&a, &b, COMPARE_UNFIT, "is of a nameless build");
	strcpy(b.rows[9].build, "release");
	for (size_t i = 0; i < b.count; i++)
		if (strcmp(b.rows[i].arm, "none-twin") == 0)
			b.rows[i].injected_ns = 60;
	refuses(&a, &b, COMPARE_UNFIT, "slowed on purpose");
	for (size_t i = 0; i < b.count; i++) {
		b.rows[i].injected_ns = 0;
		b.rows[i].workload_digest[0] = '\0';
	}
	refuses(&a, &b, COMPARE_BROKEN, "has no workload_digest");
	samples_free(&a);
	samples_free(&b);
}

/* ---- which cell is which ---- */

static void a_cell_of_one_side_alone_is_named(void **state)
{
	struct samples a, b;
	struct comparison c;
	(void)state;

	make(&a, 0, 3, quiet, 31, 0, 0);
	make(&b, 0, 2, quiet, 32, 0, 0);
	compare(&a, &b, &c);
	assert_int_equal(c.count, 8);
	assert_int_equal(c.problem_count, 2);
	assert_int_equal(c.problems[0].fault, COMPARE_ONE_SIDED);
	assert_non_null(strstr(c.problems[0].text, "only BASE has arm chachapoly of publish-8k"));
	assert_false(compare_has_problem(&c, 0));
	assert_true(compare_has_problem(&c, 1));
	assert_int_equal(c.verdict, COMPARE_SAME);
	comparison_free(&c);
	samples_free(&b);
	make(&b, 3, 2, quiet, 32, 0, 0);
	refuses(&a, &b, COMPARE_BROKEN, "no arm of a cipher in common");
	samples_free(&a);
	samples_free(&b);
}

static void each_part_of_the_key_tells_cells_apart(void **state)
{
	static const char *const fields[] = {
	        "target",          "dir",     "run --provider chachapoly=NAME", "payload_bytes",
	        "workload_digest", "messages"};
	(void)state;

	for (size_t f = 0; f < sizeof(fields) / sizeof(fields[0]); f++) {
		struct samples a, b;
		make(&a, 1, 1, quiet, 33, 0, 0);
		make(&b, 1, 1, quiet, 34, 0, 0);
		for (size_t i = 0; i < b.count; i++) {
			struct sample *row = &b.rows[i];
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
			else
				row->messages *= 3;
		}
		refuses(&a, &b, COMPARE_ONE_SIDED, f == 0 ? "only NEW has" : fields[f]);
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

	make(&a, 1, 1, quiet, 35, 0, 0);
	make(&b, 1, 1, quiet, 36, 0, 0);
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
	compare(&a, &b, &c);
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
	comparison_free(&c);
	samples_free(&a);
	samples_free(&b);
}

static void a_servers_version_counts_only_where_there_are_several(void **state)
{
	struct samples a = {0}, b = {0};
	struct comparison c;
	struct synthetic_suite same = synthetic_nats_new;
	(void)state;

	same.version = "2.10.27";
	synthetic_add_server(&a, &synthetic_nats_new, quiet, 37);
	synthetic_add_server(&b, &same, quiet, 38);
	compare(&a, &b, &c);
	assert_int_equal(c.problem_count, 0);
	assert_int_equal(c.count, 20);
	assert_string_equal(c.rows[0].new_version, "2.10.27");
	comparison_free(&c);
	/* Now one side has both: only what is of the same version is compared. */
	synthetic_add_server(&a, &same, quiet, 39);
	compare(&a, &b, &c);
	assert_int_equal(c.count, 20);
	assert_string_equal(c.rows[0].version, "2.10.27");
	assert_int_equal(c.problem_count, 10);
	assert_non_null(strstr(c.problems[0].text, "2.15.1"));
	comparison_free(&c);
	samples_free(&a);
	samples_free(&b);
}

static void of_an_open_loop_response_times_are_judged(void **state)
{
	struct samples a, b;
	struct comparison c;
	(void)state;

	make(&a, 1, 1, quiet, 40, 0, 0);
	make(&b, 1, 1, quiet, 41, 0, 0);
	for (size_t i = 0; i < a.count; i++) {
		a.rows[i].rate_msgs_s = b.rows[i].rate_msgs_s = 5000;
		a.rows[i].response_p99_ns = (uint64_t)(a.rows[i].acked_s * 1e6);
		b.rows[i].response_p99_ns = (uint64_t)(b.rows[i].acked_s * 1e6);
		if (strcmp(b.rows[i].arm, "aes") == 0)
			b.rows[i].response_p99_ns = b.rows[i].response_p99_ns * 12 / 10;
	}
	compare(&a, &b, &c);
	assert_int_equal(c.problem_count, 0);
	assert_int_equal(c.count, 2);
	assert_int_equal(row_of(&c, "publish-1k", "aes", "response_p99_ns")->verdict,
	                 COMPARE_WORSE);
	assert_int_equal(row_of(&c, "publish-1k", "chachapoly", "response_p99_ns")->verdict,
	                 COMPARE_SAME);
	comparison_free(&c);
	/* Without any there is nothing else that would do. */
	for (size_t i = 0; i < a.count; i++)
		a.rows[i].response_p99_ns = b.rows[i].response_p99_ns = 0;
	refuses(&a, &b, COMPARE_BROKEN, "no response_p99_ns of arm");
	samples_free(&a);
	samples_free(&b);
}

/* ---- two programs ---- */

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

	assert_int_equal(compare_programs(s, "head", &five, &c), 0);
	if (c.problem_count > 0)
		fail_msg("%s", c.problems[0].text);
	assert_int_equal(c.verdict, verdict);
	assert_int_equal(c.counts[verdict], of_it);
	comparison_free(&c);
}

static void two_programs_are_compared_round_by_round(void **state)
{
	static const struct synthetic_noise drifting = {0.4, 0.012, 0};
	struct samples s;
	struct comparison c;
	(void)state;

	make(&s, 1, 1, drifting, 42, 0, 0);
	add_program(&s, "head", 1, 43);
	of_two_programs(&s, COMPARE_SAME, 6);
	assert_int_equal(compare_programs(&s, "head", &five, &c), 0);
	assert_string_equal(c.rows[0].arm, "none");
	assert_true(fabs(c.rows[0].change.estimate) < 1);
	comparison_free(&c);
	samples_free(&s);

	make(&s, 1, 1, drifting, 44, 0, 0);
	add_program(&s, "head", 1.1, 45);
	of_two_programs(&s, COMPARE_WORSE, 2);
	samples_free(&s);

	make(&s, 1, 1, drifting, 46, 0, 0);
	add_program(&s, "head", 0.85, 47);
	of_two_programs(&s, COMPARE_BETTER, 2);
	samples_free(&s);
}

static void an_arm_without_its_counterpart_is_named(void **state)
{
	struct samples s;
	struct comparison c;
	(void)state;

	make(&s, 0, 2, quiet, 48, 0, 0);
	assert_int_equal(compare_programs(&s, "head", &five, &c), 0);
	assert_int_equal(c.problem_count, 1);
	assert_non_null(strstr(c.problems[0].text, "no arm of a program \"head\""));
	comparison_free(&c);

	add_program(&s, "head", 1, 49);
	for (int turn = 0; turn < 2; turn++) {
		/* The first leaves it in the other cell, the second nowhere. */
		drop(&s, turn == 0 ? "publish-1k" : "publish-64b", "aes+head", -1);
		assert_int_equal(compare_programs(&s, "head", &five, &c), 0);
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

	make(&a, 0, 3, quiet, 50, 0, 0);
	make(&b, 0, 2, quiet, 51, 1, 300);
	for (size_t i = 0; i < b.count; i++)
		if (strcmp(b.rows[i].workload, "publish-1k") == 0)
			strcpy(b.rows[i].workload, "<i>&'\"|x\n_y_\x01");
	compare(&a, &b, &c);

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
	comparison_free(&c);
	samples_free(&a);
	samples_free(&b);
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
	        cmocka_unit_test(over_many_cells_worse_needs_more),
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
	        cmocka_unit_test(two_programs_are_compared_round_by_round),
	        cmocka_unit_test(an_arm_without_its_counterpart_is_named),
	        cmocka_unit_test(names_are_escaped_in_every_format),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
