/* test_summary.c - known effects are found again, rows that may not count do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/analysis/summary.h"
#include "harness/output/csv.h"
#include "harness/output/replace.h"
#include "tests/unit/synthetic.h"

static const struct synthetic_noise quiet = {0.05, 0.012, 0};

static void make_rows(struct samples *s, uint32_t rounds, struct synthetic_noise noise)
{
	struct synthetic_cell cell = synthetic_quick[1]; /* publish-1k */
	cell.rounds = rounds;
	memset(s, 0, sizeof(*s));
	synthetic_add(s, &cell, 1, noise, 7);
}

static const struct summary_row *row_of(const struct summary *s, const char *arm,
                                        const char *metric)
{
	const struct summary_row *row = summary_find(s, &s->rows[0], arm, metric);
	if (row == NULL)
		fail_msg("no row of %s %s", arm, metric);
	return row;
}

static struct sample *sample_of(struct samples *s, const char *arm, uint64_t round)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->rows[i].arm, arm) == 0 && s->rows[i].round == round)
			return &s->rows[i];
	fail_msg("no sample of %s in round %d", arm, (int)round);
	return NULL;
}

static void drop(struct samples *s, const char *arm, uint64_t round)
{
	struct sample *row = sample_of(s, arm, round);
	*row = s->rows[--s->count];
}

static void assert_near(double value, double expected, double within)
{
	if (!(fabs(value - expected) <= within))
		fail_msg("%g, expected %g within %g", value, expected, within);
}

/* Without noise every figure follows from the numbers that were put in. */
static void effects_without_noise_are_exact(void **state)
{
	struct samples s;
	struct summary m;
	(void)state;
	make_rows(&s, 8, (struct synthetic_noise){0, 0, 0});
	assert_int_equal(summary_make(&s, &m), 0);
	/* 1280 ns plaintext; chachapoly 280 ns more, aes 150; CPU share 0.97. */
	const struct summary_row *r = row_of(&m, "chachapoly", "throughput_msgs_s");
	assert_near(r->overhead_pct, 100 * (1 - 1280.0 / 1560), 1e-5);
	assert_near(r->baseline_value, 1e9 / 1280, 0.1);
	assert_near(r->value, 1e9 / 1560, 0.1);
	assert_near(r->added, 1e9 / 1560 - 1e9 / 1280, 0.1);
	assert_near(r->floor_pct, 0, 1e-6);
	assert_near(r->overhead_own_dir_pct, r->overhead_pct, 1e-9);
	assert_int_equal(r->rounds, 8);
	assert_string_equal(r->verdict, "overhead");
	assert_string_equal(r->unit, "msgs/s");
	assert_string_equal(r->baseline, "none");
	assert_string_equal(r->workload, "publish-1k");
	assert_string_equal(r->provider, "openssl");
	assert_int_equal(r->payload_bytes, 1024);
	r = row_of(&m, "chachapoly", "time_ns_per_msg");
	assert_near(r->overhead_pct, 100 * (1560.0 / 1280 - 1), 1e-5);
	assert_near(r->added, 280, 0.01);
	r = row_of(&m, "aes", "cpu_ns_per_msg");
	assert_near(r->baseline_value, 1280 * 0.97, 0.01);
	assert_near(r->added, 150, 0.01);
	assert_near(r->added_low, 150, 0.01);
	assert_near(r->overhead_pct, 100 * 150 / (1280 * 0.97), 1e-4);
	r = row_of(&m, "aes", "cpu_ns_per_gib");
	assert_near(r->added, 150.0 * 1048576, 2e4);
	r = row_of(&m, "aes", "machine_cpu_ns_per_msg");
	assert_near(r->added, 150 * 1.08, 0.01);
	r = row_of(&m, "none", "throughput_msgs_s");
	assert_true(r->overhead_pct == 0 && r->low_pct == 0 && r->high_pct == 0);
	assert_string_equal(r->verdict, "indistinguishable");
	summary_free(&m);
	samples_free(&s);
}

static void disk_figures_are_exact_and_have_no_interval(void **state)
{
	struct samples s;
	struct summary m;
	(void)state;
	make_rows(&s, 8, quiet);
	const struct sample *none = sample_of(&s, "none", 0);
	const struct sample *aes = sample_of(&s, "aes", 0);
	double expected =
	        100 * ((double)aes->disk_allocated_bytes / (double)none->disk_allocated_bytes - 1);
	double added = (double)(aes->files - none->files);
	assert_int_equal(summary_make(&s, &m), 0);
	const struct summary_row *r = row_of(&m, "aes", "disk_allocated_bytes");
	assert_near(r->overhead_pct, expected, 1e-9);
	assert_true(isnan(r->low_pct) && isnan(r->high_pct) && isnan(r->added_low));
	assert_string_equal(r->verdict, "overhead");
	r = row_of(&m, "none-twin", "disk_allocated_bytes");
	assert_string_equal(r->verdict, "indistinguishable");
	r = row_of(&m, "aes", "files");
	assert_near(r->added, added, 0);
	summary_free(&m);
	samples_free(&s);
}

/* Over 200 invented runs the interval of the known effect holds it about as often as it says,
 * though rounds drift by 5 % and slices by 1.2 %. */
static void intervals_hold_the_injected_effect(void **state)
{
	size_t held[2] = {0, 0};
	size_t off_zero = 0;
	const size_t runs = 200;
	(void)state;
	for (size_t i = 0; i < runs; i++) {
		struct samples s = {0};
		struct summary m;
		struct synthetic_cell cell = synthetic_quick[1];
		synthetic_add(&s, &cell, 1, quiet, 1000 + i);
		for (size_t j = 0; j < s.count;
		     j++) /* no percentiles: their bootstrap takes long */
			s.rows[j].latency_count = 0;
		assert_int_equal(summary_make(&s, &m), 0);
		const struct summary_row *r = row_of(&m, "chachapoly", "throughput_msgs_s");
		double truth = 100 * (1 - 1280.0 / 1560);
		held[0] += r->low_pct <= truth && truth <= r->high_pct;
		r = row_of(&m, "aes", "throughput_msgs_s");
		truth = 100 * (1 - 1280.0 / 1430);
		held[1] += r->low_pct <= truth && truth <= r->high_pct;
		off_zero += m.run.twins_off_zero;
		summary_free(&m);
		samples_free(&s);
	}
	print_message("of %zu: chachapoly %zu, aes %zu; twins off zero %zu\n", runs, held[0],
	              held[1], off_zero);
	for (size_t i = 0; i < 2; i++)
		assert_in_range(held[i], 180, 198);
	assert_in_range(off_zero, 2, 20);
}

static void twin_sets_the_floor_and_an_effect_within_it_is_not_claimed(void **state)
{
	struct samples s;
	struct summary m;
	struct synthetic_noise biased = {0.05, 0.001, 0.25};
	(void)state;
	make_rows(&s, 12, biased); /* the twin takes 28 % longer: the machine lies by that much */
	assert_int_equal(summary_make(&s, &m), 0);
	const struct summary_row *twin = row_of(&m, "none-twin", "throughput_msgs_s");
	const struct summary_row *aes = row_of(&m, "aes", "throughput_msgs_s");
	assert_string_equal(twin->verdict, "overhead");
	assert_near(twin->overhead_pct, 100 * (1 - exp(-0.25)), 0.2);
	assert_true(aes->low_pct > 10);
	assert_true(aes->floor_pct == twin->high_pct);
	assert_string_equal(aes->verdict, "indistinguishable");
	assert_int_equal(m.run.twins, 1);
	assert_int_equal(m.run.twins_off_zero, 1);
	assert_int_equal(m.run.twins_limit, 1);
	assert_false(summary_inconclusive(&m.run));
	summary_free(&m);
	samples_free(&s);
}

static void too_many_twins_off_zero_make_the_run_inconclusive(void **state)
{
	struct samples s = {0};
	struct summary m;
	(void)state;
	synthetic_add(&s, synthetic_quick, synthetic_quick_count,
	              (struct synthetic_noise){0.05, 0.01, 0.1}, 3);
	assert_int_equal(summary_make(&s, &m), 0);
	assert_int_equal(m.run.cells, 8);
	assert_int_equal(m.run.twins, 8);
	assert_int_equal(m.run.twins_off_zero, 8);
	assert_int_equal(m.run.twins_limit, 2);
	assert_true(summary_inconclusive(&m.run));
	summary_free(&m);
	samples_free(&s);
}

static void fewer_than_six_rounds_are_inconclusive(void **state)
{
	struct samples s;
	struct summary m;
	(void)state;
	make_rows(&s, 5, quiet);
	assert_int_equal(summary_make(&s, &m), 0);
	const struct summary_row *r = row_of(&m, "aes", "throughput_msgs_s");
	assert_string_equal(r->verdict, "inconclusive");
	assert_true(isfinite(r->overhead_pct) && isnan(r->low_pct));
	assert_int_equal(m.run.twins, 0);
	summary_free(&m);
	samples_free(&s);
}

static void a_failed_slice_makes_its_arm_invalid_and_no_other(void **state)
{
	struct samples s;
	struct summary m;
	(void)state;
	make_rows(&s, 12, quiet);
	struct sample *bad = sample_of(&s, "aes", 3);
	bad->valid = 0;
	bad->cpu_ns = 1;
	strcpy(bad->error, "read back 1 message that differs");
	assert_int_equal(summary_make(&s, &m), 0);
	const struct summary_row *r = row_of(&m, "aes", "cpu_ns_per_msg");
	assert_string_equal(r->verdict, "invalid");
	assert_int_equal(r->rounds, 11);
	assert_true(isnan(r->overhead_pct) && isnan(r->added));
	assert_true(r->value > 1000); /* the failed row is not in it */
	assert_string_equal(row_of(&m, "chachapoly", "cpu_ns_per_msg")->verdict, "overhead");
	assert_int_equal(m.run.invalid_samples, 1);
	assert_int_equal(m.run.arms_invalid, 1);
	assert_string_equal(m.run.first_error, "read back 1 message that differs");
	summary_free(&m);
	samples_free(&s);
}

static void a_failed_baseline_makes_every_arm_invalid(void **state)
{
	struct samples s;
	struct summary m;
	(void)state;
	make_rows(&s, 12, quiet);
	sample_of(&s, "none", 3)->valid = 0;
	assert_int_equal(summary_make(&s, &m), 0);
	assert_int_equal(m.run.arms_invalid, 4);
	for (size_t i = 0; i < m.count; i++)
		assert_string_equal(m.rows[i].verdict, "invalid");
	summary_free(&m);
	samples_free(&s);
}

static void a_missing_baseline_makes_every_arm_invalid(void **state)
{
	struct samples s;
	struct summary m;
	(void)state;
	make_rows(&s, 8, quiet);
	for (uint64_t round = 0; round < 8; round++)
		drop(&s, "none", round);
	assert_int_equal(summary_make(&s, &m), 0);
	assert_int_equal(m.run.arms_invalid, 3);
	assert_string_equal(row_of(&m, "aes", "cpu_ns_per_msg")->verdict, "invalid");
	summary_free(&m);
	samples_free(&s);
}

static void a_missing_twin_leaves_nothing_to_conclude(void **state)
{
	struct samples s;
	struct summary m;
	(void)state;
	make_rows(&s, 8, quiet);
	for (uint64_t round = 0; round < 8; round++)
		drop(&s, "none-twin", round);
	assert_int_equal(summary_make(&s, &m), 0);
	const struct summary_row *r = row_of(&m, "aes", "cpu_ns_per_msg");
	assert_string_equal(r->verdict, "inconclusive");
	assert_true(isnan(r->floor_pct));
	summary_free(&m);
	samples_free(&s);
}

static void a_lost_row_makes_its_arm_invalid(void **state)
{
	struct samples s;
	struct summary m;
	(void)state;
	make_rows(&s, 12, quiet);
	drop(&s, "aes", 11);
	assert_int_equal(summary_make(&s, &m), 0);
	assert_string_equal(row_of(&m, "aes", "cpu_ns_per_msg")->verdict, "invalid");
	assert_string_equal(row_of(&m, "chachapoly", "cpu_ns_per_msg")->verdict, "overhead");
	summary_free(&m);
	samples_free(&s);
}

static void an_interrupted_run_may_lack_its_last_round_only(void **state)
{
	struct samples s;
	struct summary m;
	(void)state;
	make_rows(&s, 12, quiet);
	s.complete = 0;
	drop(&s, "aes", 11);
	drop(&s, "chachapoly", 11);
	assert_int_equal(summary_make(&s, &m), 0);
	const struct summary_row *r = row_of(&m, "aes", "cpu_ns_per_msg");
	assert_string_equal(r->verdict, "overhead");
	assert_int_equal(r->rounds, 11);
	assert_false(m.run.complete);
	summary_free(&m);
	drop(&s, "aes", 4);
	assert_int_equal(summary_make(&s, &m), 0);
	assert_string_equal(row_of(&m, "aes", "cpu_ns_per_msg")->verdict, "invalid");
	summary_free(&m);
	samples_free(&s);
}

static void a_round_set_aside_does_not_count_and_does_not_harm(void **state)
{
	struct samples s;
	struct summary m;
	static const char *const arms[] = {"none", "none-twin", "chachapoly", "aes"};
	(void)state;
	make_rows(&s, 12, quiet);
	for (size_t i = 0; i < 4; i++) {
		struct sample *row = sample_of(&s, arms[i], 6);
		row->valid = 0;
		row->acked_s *= 50;
		strcpy(row->error, "repeated: 30 ms stolen");
	}
	assert_int_equal(summary_make(&s, &m), 0);
	const struct summary_row *r = row_of(&m, "aes", "throughput_msgs_s");
	assert_string_equal(r->verdict, "overhead");
	assert_int_equal(r->rounds, 11);
	assert_int_equal(m.run.invalid_samples, 0);
	summary_free(&m);
	samples_free(&s);
}

/* In whatever order its attempts stand in the file: what was set aside has no part in the round. */
static void a_round_that_was_run_again_counts_once(void **state)
{
	static const char *const arms[] = {"none", "none-twin", "chachapoly", "aes"};
	struct samples once;
	struct summary a, b;
	(void)state;
	make_rows(&once, 12, quiet);
	assert_int_equal(summary_make(&once, &a), 0);
	for (size_t order = 0; order < 16; order++) {
		struct samples s;
		make_rows(&s, 12, quiet);
		for (size_t i = 0; i < 4; i++) {
			struct sample *row = sample_of(&s, arms[i], 6);
			struct sample aside = *row;
			row->attempt = 1;
			aside.valid = 0;
			aside.acked_s *= 50;
			strcpy(aside.error, "repeated: 30 ms stolen");
			if (order >> i & 1) {
				struct sample held = *row;
				*row = aside;
				aside = held;
			}
			assert_int_equal(samples_add(&s, &aside), 0);
		}
		assert_int_equal(summary_make(&s, &b), 0);
		assert_int_equal(b.count, a.count);
		for (size_t i = 0; i < a.count; i++)
			assert_memory_equal(&a.rows[i], &b.rows[i], sizeof(a.rows[i]));
		summary_free(&b);
		samples_free(&s);
	}
	summary_free(&a);
	samples_free(&once);
}

static void one_metric_alone_has_the_same_rows(void **state)
{
	struct samples s;
	struct summary all, one;
	size_t found = 0;
	(void)state;
	make_rows(&s, 12, quiet);
	assert_int_equal(summary_make(&s, &all), 0);
	assert_int_equal(summary_make_metric(&s, SUMMARY_HEADLINE, &one), 0);
	for (size_t i = 0; i < all.count; i++) {
		if (strcmp(all.rows[i].metric, SUMMARY_HEADLINE) != 0)
			continue;
		assert_true(found < one.count);
		assert_memory_equal(&all.rows[i], &one.rows[found++], sizeof(all.rows[i]));
	}
	assert_int_equal(found, one.count);
	assert_int_equal(found, 4);
	assert_int_equal(one.run.twins, all.run.twins);
	summary_free(&one);
	summary_free(&all);
	samples_free(&s);
}

static void an_arm_that_another_cell_has_is_missed(void **state)
{
	struct samples s = {0};
	struct summary m;
	(void)state;
	synthetic_add(&s, synthetic_quick, 3, quiet, 5);
	for (size_t i = s.count; i-- > 0;)
		if (strcmp(s.rows[i].arm, "aes") == 0 &&
		    strcmp(s.rows[i].workload, "publish-8k") == 0)
			s.rows[i] = s.rows[--s.count];
	assert_int_equal(summary_make(&s, &m), 0);
	assert_int_equal(m.run.arms_missing, 1);
	summary_free(&m);
	samples_free(&s);
}

static void zero_cpu_is_a_failed_measurement(void **state)
{
	struct samples s;
	struct summary m;
	(void)state;
	make_rows(&s, 8, quiet);
	sample_of(&s, "aes", 2)->cpu_ns = 0;
	for (size_t i = 0; i < s.count; i++)
		s.rows[i].machine_cpu_ns = 0;
	assert_int_equal(summary_make(&s, &m), 0);
	assert_string_equal(row_of(&m, "aes", "cpu_ns_per_msg")->verdict, "invalid");
	/* What no row has was not measured: no row of the summary. */
	assert_null(summary_find(&m, &m.rows[0], "aes", "machine_cpu_ns_per_msg"));
	summary_free(&m);
	samples_free(&s);
}

static void few_latencies_give_no_high_percentile(void **state)
{
	struct samples s;
	struct summary m;
	(void)state;
	make_rows(&s, 8, quiet);
	sample_of(&s, "aes", 2)->latency_count = 999;
	assert_int_equal(summary_make(&s, &m), 0);
	assert_null(summary_find(&m, &m.rows[0], "aes", "latency_p999_ns"));
	assert_non_null(summary_find(&m, &m.rows[0], "aes", "latency_p99_ns"));
	summary_free(&m);
	samples_free(&s);
}

/* A second directory: its arms are compared with `none` of the first, and with their own. The
 * headline then is the time up to the last sync. */
static void a_second_directory_has_two_baselines(void **state)
{
	struct samples s;
	struct summary m;
	(void)state;
	make_rows(&s, 8, (struct synthetic_noise){0, 0, 0});
	size_t count = s.count;
	for (size_t i = 0; i < count; i++) {
		s.rows[i].synced_s = s.rows[i].acked_s * 1.2;
		s.rows[i].sync_ordered = 1;
		struct sample row = s.rows[i];
		if (strcmp(row.arm, "none-twin") == 0)
			continue;
		strcat(row.arm, "@luks");
		strcpy(row.dir, "luks");
		row.synced_s *= 2;
		assert_int_equal(samples_add(&s, &row), 0);
	}
	assert_int_equal(summary_make(&s, &m), 0);
	const struct summary_row *r = row_of(&m, "aes@luks", "time_ns_per_msg");
	assert_near(r->baseline_value, 1280 * 1.2, 0.01);
	assert_near(r->overhead_pct, 100 * (2 * 1430.0 / 1280 - 1), 1e-4);
	assert_near(r->overhead_own_dir_pct, 100 * (1430.0 / 1280 - 1), 1e-4);
	assert_string_equal(r->dir, "luks");
	r = row_of(&m, "none@luks", "time_ns_per_msg");
	assert_near(r->overhead_pct, 100, 1e-4);
	assert_near(r->overhead_own_dir_pct, 0, 1e-9);
	r = row_of(&m, "aes", "time_ns_per_msg");
	assert_near(r->overhead_own_dir_pct, r->overhead_pct, 1e-9);
	/* First directory first, within each in one order. */
	static const char *const order[] = {"none",      "none-twin",       "chachapoly", "aes",
	                                    "none@luks", "chachapoly@luks", "aes@luks"};
	size_t next = 0;
	for (size_t i = 0; i < m.count; i++)
		if (strcmp(m.rows[i].metric, "throughput_msgs_s") == 0)
			assert_string_equal(m.rows[i].arm, order[next++]);
	assert_int_equal(next, 7);
	summary_free(&m);
	samples_free(&s);
}

/* Plaintext time per message when every slice has this policy and this time of its last sync. */
static double headline_of(const char *sync, int ordered, double synced_over_acked)
{
	struct samples s;
	struct summary m;
	make_rows(&s, 8, (struct synthetic_noise){0, 0, 0});
	for (size_t i = 0; i < s.count; i++) {
		strcpy(s.rows[i].sync, sync);
		s.rows[i].synced_s = s.rows[i].acked_s * synced_over_acked;
		s.rows[i].sync_ordered = (uint64_t)ordered;
	}
	assert_int_equal(summary_make(&s, &m), 0);
	double value = row_of(&m, "none", "time_ns_per_msg")->value;
	summary_free(&m);
	samples_free(&s);
	return value;
}

static void headline_ends_at_the_sync_where_one_is_owed(void **state)
{
	(void)state;
	assert_near(headline_of("2m", 0, 0), 1280, 0.01);
	assert_near(headline_of("always", 0, 1.2), 1280 * 1.2, 0.01);
	/* The policy's own interval has passed: the headline stays at the acknowledgement. */
	assert_near(headline_of("100ms", 0, 1.2), 1280, 0.01);
	/* The run ordered it, whatever the policy. */
	assert_near(headline_of("100ms", 1, 1.2), 1280 * 1.2, 0.01);
	assert_near(headline_of("2m", 1, 1.2), 1280 * 1.2, 0.01);
	assert_near(headline_of("none", 1, 1.2), 1280 * 1.2, 0.01);
	/* What is read is there already. */
	assert_near(headline_of("2m", 0, 1), 1280, 0.01);
}

static void an_owed_sync_that_is_missing_is_a_failed_measurement(void **state)
{
	(void)state;
	struct samples s;
	struct summary m;
	make_rows(&s, 8, quiet);
	for (size_t i = 0; i < s.count; i++)
		strcpy(s.rows[i].sync, "always");
	assert_int_equal(summary_make(&s, &m), 0);
	assert_string_equal(row_of(&m, "aes", "throughput_msgs_s")->verdict, "invalid");
	summary_free(&m);
	samples_free(&s);
}

/* Servers lead, the newest first; numbers within a version count as numbers. */
static void targets_and_versions_are_cells_of_their_own(void **state)
{
	struct samples s = {0};
	struct summary m;
	(void)state;
	synthetic_add(&s, synthetic_quick, 2, quiet, 1);
	synthetic_add_server(&s, &synthetic_nats_old, quiet, 2);
	synthetic_add_server(&s, &synthetic_nats_new, quiet, 3);
	assert_int_equal(summary_make(&s, &m), 0);
	assert_int_equal(m.run.cells, 12);
	assert_int_equal(m.run.twins, 12);
	assert_int_equal(m.run.arms_missing, 0);
	assert_string_equal(m.rows[0].target_version, "2.15.1");
	assert_string_equal(m.rows[m.count - 1].target, "store");
	const struct summary_row *new = row_of(&m, "aes", "cpu_ns_per_msg");
	assert_near(new->added, 75, 75);
	size_t versions = 1;
	for (size_t i = 1; i < m.count; i++)
		versions += !summary_same_target(&m.rows[i - 1], &m.rows[i]);
	assert_int_equal(versions, 3);
	/* The client's time is a row of its own, where there is a client. */
	assert_near(row_of(&m, "none", "client_cpu_ns_per_msg")->value, 932, 1);
	assert_null(summary_find(&m, &m.rows[m.count - 1], "none", "client_cpu_ns_per_msg"));
	summary_free(&m);
	samples_free(&s);
}

/* Servers that were there: their process is not seen, and there need be none in plaintext. */
static void a_server_elsewhere_has_values_without_plaintext(void **state)
{
	struct samples s = {0};
	struct summary m;
	(void)state;
	synthetic_add_server(&s, &synthetic_nats_new, quiet, 3);
	for (size_t i = s.count; i-- > 0;) {
		strcpy(s.rows[i].target, "server");
		s.rows[i].cpu_ns = 0;
		if (strcmp(s.rows[i].cipher, "none") == 0)
			s.rows[i] = s.rows[--s.count];
	}
	assert_int_equal(summary_make(&s, &m), 0);
	assert_int_equal(m.run.arms_invalid, 0);
	assert_int_equal(m.run.arms_missing, 0);
	assert_int_equal(m.run.twins, 0);
	const struct summary_row *r = row_of(&m, "aes", "throughput_msgs_s");
	assert_string_equal(r->verdict, "inconclusive");
	assert_string_equal(r->baseline, "");
	assert_true(r->value > 1e5);
	assert_int_equal(r->rounds, 8);
	assert_true(isnan(r->overhead_pct) && isnan(r->added) && isnan(r->baseline_value));
	assert_null(summary_find(&m, r, "aes", "cpu_ns_per_msg"));
	assert_non_null(summary_find(&m, r, "aes", "client_cpu_ns_per_msg"));
	summary_free(&m);
	samples_free(&s);
}

static void versions_are_ordered_as_numbers(void **state)
{
	static const char *const versions[] = {"2.9.10", "2.15.1", "2.10.27"};
	static const char *const ordered[] = {"2.15.1", "2.10.27", "2.9.10"};
	struct synthetic_suite suite = synthetic_nats_new;
	struct samples s = {0};
	struct summary m;
	(void)state;
	suite.count = 1;
	for (size_t i = 0; i < 3; i++) {
		suite.version = versions[i];
		synthetic_add_server(&s, &suite, quiet, i);
	}
	assert_int_equal(summary_make(&s, &m), 0);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(m.rows[i * m.count / 3].target_version, ordered[i]);
	summary_free(&m);
	samples_free(&s);
}

static void a_failed_slice_elsewhere_makes_its_arm_invalid(void **state)
{
	struct samples s = {0};
	struct summary m;
	(void)state;
	synthetic_add_server(&s, &synthetic_nats_new, quiet, 3);
	for (size_t i = 0; i < s.count; i++)
		strcpy(s.rows[i].target, "server");
	sample_of(&s, "aes", 3)->valid = 0;
	assert_int_equal(summary_make(&s, &m), 0);
	assert_int_equal(m.run.arms_invalid, 1);
	summary_free(&m);
	samples_free(&s);
}

static void the_order_of_rows_does_not_matter(void **state)
{
	struct samples s = {0};
	struct summary a;
	struct summary b;
	uint64_t random = 11;
	(void)state;
	synthetic_add(&s, synthetic_quick, 3, quiet, 5);
	assert_int_equal(summary_make(&s, &a), 0);
	for (size_t i = s.count - 1; i > 0; i--) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		size_t j = (size_t)(random >> 33) % (i + 1);
		struct sample swapped = s.rows[i];
		s.rows[i] = s.rows[j];
		s.rows[j] = swapped;
	}
	assert_int_equal(summary_make(&s, &b), 0);
	assert_int_equal(a.count, b.count);
	assert_memory_equal(a.rows, b.rows, a.count * sizeof(a.rows[0]));
	summary_free(&a);
	summary_free(&b);
	samples_free(&s);
}

static void no_rows_give_an_empty_summary(void **state)
{
	struct samples s = {0};
	struct summary m;
	(void)state;
	assert_int_equal(summary_make(&s, &m), 0);
	assert_int_equal(m.count, 0);
	assert_false(summary_inconclusive(&m.run));
	summary_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(effects_without_noise_are_exact),
	        cmocka_unit_test(disk_figures_are_exact_and_have_no_interval),
	        cmocka_unit_test(intervals_hold_the_injected_effect),
	        cmocka_unit_test(twin_sets_the_floor_and_an_effect_within_it_is_not_claimed),
	        cmocka_unit_test(too_many_twins_off_zero_make_the_run_inconclusive),
	        cmocka_unit_test(fewer_than_six_rounds_are_inconclusive),
	        cmocka_unit_test(a_failed_slice_makes_its_arm_invalid_and_no_other),
	        cmocka_unit_test(a_failed_baseline_makes_every_arm_invalid),
	        cmocka_unit_test(a_missing_baseline_makes_every_arm_invalid),
	        cmocka_unit_test(a_missing_twin_leaves_nothing_to_conclude),
	        cmocka_unit_test(a_lost_row_makes_its_arm_invalid),
	        cmocka_unit_test(an_interrupted_run_may_lack_its_last_round_only),
	        cmocka_unit_test(a_round_set_aside_does_not_count_and_does_not_harm),
	        cmocka_unit_test(an_arm_that_another_cell_has_is_missed),
	        cmocka_unit_test(zero_cpu_is_a_failed_measurement),
	        cmocka_unit_test(few_latencies_give_no_high_percentile),
	        cmocka_unit_test(a_second_directory_has_two_baselines),
	        cmocka_unit_test(headline_ends_at_the_sync_where_one_is_owed),
	        cmocka_unit_test(an_owed_sync_that_is_missing_is_a_failed_measurement),
	        cmocka_unit_test(targets_and_versions_are_cells_of_their_own),
	        cmocka_unit_test(a_server_elsewhere_has_values_without_plaintext),
	        cmocka_unit_test(versions_are_ordered_as_numbers),
	        cmocka_unit_test(a_failed_slice_elsewhere_makes_its_arm_invalid),
	        cmocka_unit_test(the_order_of_rows_does_not_matter),
	        cmocka_unit_test(a_round_that_was_run_again_counts_once),
	        cmocka_unit_test(one_metric_alone_has_the_same_rows),
	        cmocka_unit_test(no_rows_give_an_empty_summary),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
