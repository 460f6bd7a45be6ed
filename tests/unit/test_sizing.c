/* test_sizing.c - curves and starts from invented rows whose costs are known. */
#include "harness/analysis/sizing_held.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/synthetic.h"

static const struct synthetic_noise quiet = {0, 0, 0}, noisy = {0.05, 0.01, 0};
static const struct sizing_choice any = {.flush = "each"};

static const struct sizing_size record_1k = {1066, 1};

/* Of the store, of a newer and of an older server. */
static void add_all(struct samples *s, struct synthetic_noise noise)
{
	synthetic_add(s, synthetic_quick, synthetic_quick_count, noise, 1);
	synthetic_add_server(s, &synthetic_nats_old, noise, 2);
	synthetic_add_server(s, &synthetic_nats_new, noise, 3);
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->rows[i].class_, "read") == 0) {
			s->rows[i].publishers = 0;
			s->rows[i].readers = 1;
		}
}

static struct sizing made(const struct samples *s, const struct sizing_choice *choice)
{
	struct sizing out;
	char reason[SIZING_TEXT_BYTES];

	if (sizing_make(s, choice, &out, reason) != SIZING_OK)
		fail_msg("%s", reason);
	return out;
}

static struct sizing_cost start(const struct sizing *s, size_t cipher, double messages,
                                double blk_bytes, int state)
{
	const struct sizing_opening o = {
	        .mix = &record_1k, .mix_count = 1, .messages = messages, .blk_bytes = blk_bytes};

	return sizing_start(s, &s->arms[cipher], &o, state);
}

static void assert_near(double a, double b, double share)
{
	if (!(fabs(a - b) <= share * fabs(b)))
		fail_msg("%.6g, expected %.6g", a, b);
}

static void at_a_measured_size_the_answer_is_what_was_measured(void **state)
{
	struct samples s = {0};
	struct sizing sizing;
	struct sizing_cost cost;

	(void)state;
	add_all(&s, quiet);
	sizing = made(&s, &any);
	/* publish-1k of 2.15.1: 5076 ns, 97 % of them CPU, 265 more under aes. */
	cost = sizing_at(&sizing.arms[0].publish, &record_1k, 1);
	assert_near(cost.value.estimate, 5076 * 0.97, 1e-4);
	assert_false(cost.beyond);
	cost = sizing_at(&sizing.arms[2].publish_added, &record_1k, 1);
	assert_near(cost.value.estimate, 265, 1e-2);
	cost = sizing_at(&sizing.arms[2].read, &record_1k, 1);
	assert_near(cost.value.estimate, 2433 * 0.96 + 170, 1e-4);
	cost = sizing_at(&sizing.arms[2].publish_time, &record_1k, 1);
	assert_near(cost.value.estimate, 5076 + 265, 1e-4);
	samples_free(&s);
}

static void between_sizes_it_lies_on_the_line(void **state)
{
	const struct sizing_size half = {(1066 + 8234) / 2.0, 1};
	const struct sizing_size mix[] = {{170, 3}, {1066, 1}};
	struct samples s = {0};
	struct sizing sizing;
	struct sizing_cost cost;

	(void)state;
	add_all(&s, quiet);
	sizing = made(&s, &any);
	cost = sizing_at(&sizing.arms[1].publish, &half, 1);
	assert_near(cost.value.estimate, (5076 * 0.97 + 1340 + 15015 * 0.98 + 9400) / 2, 1e-4);
	assert_false(cost.beyond);
	/* Weights are shares, in any unit. */
	cost = sizing_at(&sizing.arms[0].publish, mix, 2);
	assert_near(cost.value.estimate, (3 * 3817 * 0.97 + 5076 * 0.97) / 4, 1e-4);
	samples_free(&s);
}

static void beyond_the_sizes_the_line_goes_on_and_it_is_said(void **state)
{
	const struct sizing_size large = {131114, 1}, small = {50, 1}, near = {167, 1};
	struct samples s = {0};
	struct sizing sizing;
	struct sizing_cost cost;

	(void)state;
	add_all(&s, quiet);
	sizing = made(&s, &any);
	cost = sizing_at(&sizing.arms[0].publish, &large, 1);
	assert_true(cost.beyond);
	assert_near(cost.value.estimate, (72000 + (72000 - 15015) * 65536.0 / 57344) * 0.98, 1e-3);
	assert_true(sizing_at(&sizing.arms[0].publish, &small, 1).beyond);
	assert_false(sizing_at(&sizing.arms[0].publish, &near, 1).beyond);
	samples_free(&s);
}

static void of_a_single_size_others_are_bounded_from_above(void **state)
{
	const struct sizing_size large = {2132, 1}, small = {100, 1};
	struct samples s = {0};
	struct sizing sizing;
	struct sizing_cost cost;
	double at_1k;

	(void)state;
	add_all(&s, quiet);
	sizing = made(&s, &any);
	at_1k = sizing_at(&sizing.arms[0].read, &record_1k, 1).value.estimate;
	cost = sizing_at(&sizing.arms[0].read, &large, 1);
	assert_true(cost.beyond);
	assert_near(cost.value.estimate, 2 * at_1k, 1e-6);
	cost = sizing_at(&sizing.arms[0].read, &small, 1);
	assert_true(cost.beyond);
	assert_near(cost.value.estimate, at_1k, 1e-6);
	samples_free(&s);
}

static void intervals_hold_the_truth_and_add_as_squares(void **state)
{
	const struct stats_interval a = {10, 7, 13}, b = {20, 16, 24};
	const struct stats_interval values[] = {a, b};
	const double weights[] = {1, 1}, turned[] = {1, -1};
	struct samples s = {0};
	struct sizing sizing;
	struct stats_interval sum;

	(void)state;
	sum = sizing_sum(weights, values, 2);
	assert_near(sum.estimate, 30, 1e-12);
	assert_near(sum.low, 25, 1e-12);
	assert_near(sum.high, 35, 1e-12);
	assert_near(sizing_sum(turned, values, 2).low, -15, 1e-12);
	add_all(&s, noisy);
	sizing = made(&s, &any);
	for (size_t c = 0; c < SIZING_CIPHERS; c++)
		for (size_t i = 0; i < sizing.arms[c].publish.count; i++) {
			struct stats_interval v = sizing.arms[c].publish.point[i].value;
			assert_true(v.low < v.estimate && v.estimate < v.high);
			assert_true(v.high - v.low < 0.2 * v.estimate);
		}
	samples_free(&s);
}

static void a_server_comes_before_the_store_and_the_newest_first(void **state)
{
	const struct sizing_choice old = {.version = "2.9.10", .flush = "each"};
	const struct sizing_choice store = {.target = "store", .flush = "each"};
	const struct sizing_choice always = {.target = "store", .flush = "each", .always = 1};
	struct samples s = {0};
	struct sizing sizing;

	(void)state;
	add_all(&s, quiet);
	sizing = made(&s, &any);
	assert_string_equal(sizing.version, "2.15.1");
	assert_true(sizing.is_server);
	assert_false(sizing.start_scales);
	assert_string_equal(made(&s, &old).version, "2.9.10");
	assert_true(made(&s, &old).start_scales);
	sizing = made(&s, &store);
	assert_string_equal(sizing.target, "store");
	assert_false(sizing.is_server);
	assert_int_equal(sizing.arms[0].publish.count, 5);
	assert_int_equal(made(&s, &always).arms[0].publish.count, 1);
	samples_free(&s);
}

static void cells_that_are_not_there_are_named(void **state)
{
	const struct sizing_choice other = {.version = "2.12.0", .flush = "each"};
	const struct sizing_choice always = {.target = "nats", .flush = "each", .always = 1};
	const struct sizing_choice async = {.target = "store", .flush = "async"};
	struct samples s = {0};
	struct sizing out;
	char reason[SIZING_TEXT_BYTES];

	(void)state;
	add_all(&s, quiet);
	assert_int_equal(sizing_make(&s, &other, &out, reason), SIZING_MISSING);
	assert_non_null(strstr(reason, "2.12.0"));
	assert_non_null(strstr(reason, "store 0.1.0"));
	assert_non_null(strstr(reason, "nats 2.15.1"));
	assert_int_equal(sizing_make(&s, &always, &out, reason), SIZING_MISSING);
	assert_non_null(strstr(reason, "sync = always"));
	assert_int_equal(sizing_make(&s, &async, &out, reason), SIZING_MISSING);
	assert_non_null(strstr(reason, "flush = async"));
	/* Rows that failed, of another directory or with injected time are none. */
	for (size_t i = 0; i < s.count; i++) {
		if (i % 3 == 0)
			s.rows[i].valid = 0;
		else if (i % 3 == 1)
			strcat(s.rows[i].arm, "@other");
		else
			s.rows[i].injected_ns = 5;
	}
	assert_int_equal(sizing_make(&s, &any, &out, reason), SIZING_MISSING);
	assert_non_null(strstr(reason, "found those of: none"));
	samples_free(&s);
}

static void servers_that_were_there_show_no_cpu_time(void **state)
{
	struct samples s = {0};
	struct sizing out;
	char reason[SIZING_TEXT_BYTES];

	(void)state;
	synthetic_add_server(&s, &synthetic_nats_new, quiet, 3);
	for (size_t i = 0; i < s.count; i++) {
		strcpy(s.rows[i].target, "server");
		s.rows[i].cpu_ns = 0;
	}
	assert_int_equal(sizing_make(&s, &any, &out, reason), SIZING_MISSING);
	assert_non_null(strstr(reason, "CPU time is not seen"));
	samples_free(&s);
}

static void results_together_are_more_rounds(void **state)
{
	struct samples one = {0}, all = {0};

	(void)state;
	synthetic_add(&one, synthetic_quick, synthetic_quick_count, noisy, 5);
	assert_int_equal(sizing_append(&all, &one, 0), 0);
	assert_int_equal(sizing_append(&all, &one, 1), 0);
	struct sizing a = made(&one, &any), b = made(&all, &any);
	assert_int_equal(b.arms[1].publish.count, a.arms[1].publish.count);
	assert_int_equal(b.arms[1].publish.point[0].rounds, 2 * a.arms[1].publish.point[0].rounds);
	assert_int_equal(b.arms[1].publish_added.point[0].rounds,
	                 2 * a.arms[1].publish_added.point[0].rounds);
	samples_free(&one);
	samples_free(&all);
}

/* Openings of a stream of 10,000 messages: so long each, the blocks of 1 KiB messages. */
static void add_open(struct samples *s, const char *class_, double none_ms, double aes_ms,
                     double scale)
{
	struct samples cell = {0};
	static const struct synthetic_cell one[] = {
	        {"open-1k", "open", "2m", 1024, 10000, 8, 100, 1, 0, 0}};

	synthetic_add_server(&cell, &(struct synthetic_suite){"nats", "2.15.1", one, 1}, quiet, 9);
	for (size_t i = 0; i < cell.count; i++) {
		struct sample *row = &cell.rows[i];
		double ms = strcmp(row->cipher, "aes") == 0 ? aes_ms : none_ms;

		snprintf(row->class_, sizeof(row->class_), "%s", class_);
		snprintf(row->workload, sizeof(row->workload), "%s-%g", class_, scale);
		row->messages = (uint64_t)(3 * 10000 * scale); /* three openings */
		row->payload_total_bytes = row->messages * 1024;
		row->blk_apparent_bytes = (uint64_t)(10000 * 1066 * scale);
		row->publishers = 0;
		row->acked_s = 3 * ms * 1e-3;
		assert_int_equal(samples_add(s, row), 0);
	}
	samples_free(&cell);
}

static void starts_are_a_base_and_what_is_read(void **state)
{
	const double bytes = 10660000;
	struct samples s = {0};
	struct sizing sizing;
	struct sizing_cost cost;

	(void)state;
	add_all(&s, quiet);
	add_open(&s, "open-server", 100, 110, 1);
	add_open(&s, "open-server-recover", 150, 210, 1);
	sizing = made(&s, &any);
	cost = start(&sizing, 0, 10000, bytes, 1);
	assert_near(cost.value.estimate, 100e6, 1e-6);
	assert_false(cost.beyond);
	cost = start(&sizing, 2, 10000, bytes, 0);
	assert_near(cost.value.estimate, 210e6, 1e-6);
	/* Ten times as many: the base once. */
	cost = start(&sizing, 2, 100000, 10 * bytes, 0);
	assert_near(cost.value.estimate, 110e6 + 10 * 100e6, 1e-6);
	cost = start(&sizing, 2, 100000, 10 * bytes, 1);
	assert_near(cost.value.estimate, 110e6, 1e-6);
	assert_true(cost.beyond);
	/* Servers before 2.10 read every enciphered block. */
	sizing.start_scales = 1;
	cost = start(&sizing, 2, 100000, 10 * bytes, 1);
	assert_near(cost.value.estimate, 100e6 + 10 * 10e6, 1e-6);
	/* Measured at two sizes: the line through them. */
	add_open(&s, "open-server", 100, 160, 6);
	sizing = made(&s, &any);
	cost = start(&sizing, 2, 110000, 11 * bytes, 1);
	assert_near(cost.value.estimate, 210e6, 1e-6);
	samples_free(&s);
}

static double a_tenth(const struct sample *row)
{
	return (double)row->blk_apparent_bytes / 10;
}

/* Servers from 2.10 on read no block but the last, however much there is before it. */
static void where_the_last_block_is_known_starts_lie_at_its_bytes(void **state)
{
	const struct sizing_choice with = {.flush = "each", .last_bytes = a_tenth};
	const struct sizing_choice old = {
	        .version = "2.9.10", .flush = "each", .last_bytes = a_tenth};
	const struct sizing_choice store = {
	        .target = "store", .flush = "each", .last_bytes = a_tenth};
	struct sizing_opening o = {.mix = &record_1k,
	                           .mix_count = 1,
	                           .messages = 1e6,
	                           .blk_bytes = 1e9,
	                           .last_bytes = 11 * 1066000};
	struct samples s = {0};
	struct sizing sizing;
	struct sizing_cost cost;

	(void)state;
	add_all(&s, quiet);
	add_open(&s, "open-server", 100, 110, 1);
	sizing = made(&s, &with);
	assert_true(sizing.start_last);
	assert_true(sizing_start(&sizing, &sizing.arms[2], &o, 1).beyond);
	o.last_bytes = 1066000;
	assert_false(sizing_start(&sizing, &sizing.arms[2], &o, 1).beyond);
	add_open(&s, "open-server", 100, 160, 6);
	sizing = made(&s, &with);
	o.last_bytes = 11 * 1066000;
	assert_near(sizing_start(&sizing, &sizing.arms[2], &o, 1).value.estimate, 210e6, 1e-6);
	/* A last block that is as good as empty is no extrapolation. */
	o.last_bytes = 1;
	cost = sizing_start(&sizing, &sizing.arms[2], &o, 1);
	assert_near(cost.value.estimate, 110e6, 1e-6);
	assert_false(cost.beyond);
	assert_false(made(&s, &old).start_last);
	assert_false(made(&s, &store).start_last);
	samples_free(&s);
}

static void more_to_read_never_takes_less_time(void **state)
{
	struct samples s = {0};
	struct sizing sizing;

	(void)state;
	add_all(&s, quiet);
	add_open(&s, "open-server", 100, 110, 1);
	add_open(&s, "open-server", 90, 100, 6);
	sizing = made(&s, &any);
	assert_int_equal(sizing.arms[2].start.count, 2);
	assert_near(start(&sizing, 2, 1e7, 1e10, 1).value.estimate, 110e6, 1e-6);
	/* But how uncertain the line is stays. */
	for (size_t i = 0; i < s.count; i++)
		if (s.rows[i].round % 2 == 0)
			s.rows[i].acked_s *= 1.2;
	sizing = made(&s, &any);
	assert_true(start(&sizing, 2, 1e7, 1e10, 1).value.high >
	            3 * sizing.arms[2].start.point[0].value.high);
	samples_free(&s);
}

/* One point says nothing of how a start grows: the upper end is as many times as much. */
static void more_streams_and_longer_state_files_raise_the_upper_end(void **state)
{
	struct sizing_opening o = {.mix = &record_1k,
	                           .mix_count = 1,
	                           .messages = 10000,
	                           .blk_bytes = 10660000,
	                           .state_bytes = 1000,
	                           .streams = 1};
	struct samples s = {0};
	struct sizing sizing;
	struct stats_interval v;

	(void)state;
	add_all(&s, quiet);
	add_open(&s, "open-server", 100, 110, 1);
	add_open(&s, "open-server-recover", 150, 210, 1);
	for (size_t i = 0; i < s.count; i++)
		s.rows[i].state_apparent_bytes = 1000;
	sizing = made(&s, &any);
	assert_near(sizing.arms[0].start_state_bytes, 1000, 1e-12);
	assert_near(sizing.arms[0].start_streams, 1, 1e-12);
	assert_near(sizing_start(&sizing, &sizing.arms[0], &o, 1).value.high, 100e6, 1e-6);
	o.state_bytes = 50000;
	v = sizing_start(&sizing, &sizing.arms[0], &o, 1).value;
	assert_near(v.estimate, 100e6, 1e-6);
	assert_near(v.low, 100e6, 1e-6);
	assert_near(v.high, 50 * 100e6, 1e-6);
	o.streams = 1000;
	assert_near(sizing_start(&sizing, &sizing.arms[0], &o, 1).value.high, 1e11, 1e-6);
	/* Without state file its length is nothing. */
	assert_near(sizing_start(&sizing, &sizing.arms[0], &o, 0).value.high, 1e11 + 50e6, 1e-6);
	o.streams = 1;
	assert_near(sizing_start(&sizing, &sizing.arms[0], &o, 0).value.high, 150e6, 1e-6);
	/* Of two sizes the line says it, but not for streams. */
	add_open(&s, "open-server", 100, 160, 6);
	sizing = made(&s, &any);
	assert_near(sizing_start(&sizing, &sizing.arms[0], &o, 1).value.high, 100e6, 1e-6);
	o.streams = 3;
	assert_near(sizing_start(&sizing, &sizing.arms[0], &o, 1).value.high, 300e6, 1e-6);
	samples_free(&s);
}

static void without_a_start_there_is_no_recovery(void **state)
{
	struct samples s = {0};
	struct sizing sizing;

	(void)state;
	add_all(&s, quiet);
	add_open(&s, "open-server-recover", 150, 210, 1);
	sizing = made(&s, &any);
	assert_int_equal(sizing.arms[0].recover.count, 0);
	assert_true(isnan(start(&sizing, 0, 1000, 1e6, 0).value.estimate));
	samples_free(&s);
}

/* The store's cells once more, of subjects 8 bytes longer and 2 % dearer; factor: of the size. */
static void add_longer(struct samples *s, uint64_t bytes)
{
	size_t count = s->count;

	for (size_t i = 0; i < count; i++) {
		struct sample row = s->rows[i];

		if (strcmp(row.class_, "publish") != 0)
			continue;
		strcat(row.workload, "-longer");
		row.blk_apparent_bytes += bytes * row.messages;
		row.cpu_ns += row.cpu_ns / 50;
		assert_int_equal(samples_add(s, &row), 0);
	}
}

static void sizes_a_few_bytes_apart_are_one_point(void **state)
{
	const struct sizing_size size = {4138, 1};
	struct samples s = {0};
	struct stats_interval before, after;
	struct sizing sizing;

	(void)state;
	synthetic_add(&s, synthetic_quick, 2, noisy, 1);
	before = sizing_at(&made(&s, &any).arms[0].publish, &size, 1).value;
	add_longer(&s, 8);
	sizing = made(&s, &any);
	assert_int_equal(sizing.arms[0].publish.count, 2);
	assert_near(sizing.arms[0].publish.point[1].bytes, 1070, 1e-6);
	assert_near(sizing.arms[0].publish.point[1].least_bytes, 1066, 1e-6);
	assert_near(sizing.arms[0].publish.point[1].most_bytes, 1074, 1e-6);
	after = sizing_at(&sizing.arms[0].publish, &size, 1).value;
	assert_near(after.estimate, before.estimate, 0.03);
	assert_true(after.high - after.low < 1.5 * (before.high - before.low));
	samples_free(&s);
}

static void a_curve_is_of_one_class_and_of_one_kind_of_settings(void **state)
{
	struct samples s = {0};
	struct sizing sizing;
	size_t count;

	(void)state;
	add_all(&s, quiet);
	sizing = made(&s, &any);
	assert_string_equal(sizing.left_out, "");
	count = s.count;
	/* read-ordered costs ten times as much, publishes of four at once are for nothing. */
	for (size_t i = 0; i < count; i++) {
		struct sample row = s.rows[i];

		if (strcmp(row.class_, "read") == 0) {
			strcpy(row.class_, "read-ordered");
			strcpy(row.workload, "read-ordered-1k");
			row.cpu_ns *= 10;
		} else if (strcmp(row.workload, "publish-1k") == 0) {
			strcpy(row.workload, "publish-1k-of-four");
			row.publishers = 4;
			row.cpu_ns = 1;
		} else {
			continue;
		}
		assert_int_equal(samples_add(&s, &row), 0);
	}
	sizing = made(&s, &any);
	assert_near(sizing_at(&sizing.arms[0].read, &record_1k, 1).value.estimate, 2433 * 0.96,
	            1e-4);
	assert_near(sizing_at(&sizing.arms[0].publish, &record_1k, 1).value.estimate, 5076 * 0.97,
	            1e-4);
	assert_true(strcmp(sizing.left_out, "read-ordered-1k") == 0 ||
	            strcmp(sizing.left_out, "publish-1k-of-four") == 0);
	/* Where there is nothing else, they are what there is. */
	for (size_t i = 0; i < count; i++)
		s.rows[i].valid &= strcmp(s.rows[i].class_, "read") != 0;
	sizing = made(&s, &any);
	assert_near(sizing_at(&sizing.arms[0].read, &record_1k, 1).value.estimate, 2433 * 0.96 * 10,
	            1e-4);
	samples_free(&s);
}

static void a_cipher_without_valid_rows_is_known_as_lost(void **state)
{
	struct samples s = {0};
	struct sizing sizing;

	(void)state;
	add_all(&s, quiet);
	sizing = made(&s, &any);
	assert_false(sizing.arms[2].is_lost);
	for (size_t i = 0; i < s.count; i++)
		s.rows[i].valid &= strcmp(s.rows[i].arm, "aes") != 0;
	sizing = made(&s, &any);
	assert_true(sizing.arms[2].is_lost);
	assert_false(sizing.arms[1].is_lost);
	/* Another target's rows of it are another's. */
	for (size_t i = 0; i < s.count; i++)
		if (strcmp(s.rows[i].arm, "aes") == 0)
			strcpy(s.rows[i].target, "store");
	assert_false(made(&s, &any).arms[2].is_lost);
	samples_free(&s);
}

/* How far off what the others of the store say of publish-1k under aes is. */
static struct sizing_held_off off_of(const struct samples *all)
{
	static const char *const names[] = {"publish-1k"};
	struct samples held = {0}, rest = {0};
	struct sizing_held what = {.mix = &record_1k, .mix_count = 1};
	struct sizing_held_off off;

	assert_int_equal(sizing_held_split(all, names, 1, &held, &rest), 0);
	assert_int_equal(held.count + rest.count, all->count);
	for (size_t i = 0; i < held.count; i++)
		if (sizing_held_is_counted(&held.rows[i]) && strcmp(held.rows[i].arm, "aes") == 0)
			what.row = &held.rows[i];
	const struct sizing_choice choice = sizing_held_choice(what.row, NULL);
	what.choice = &choice;
	const struct sizing costs = made(&rest, &choice);
	assert_int_equal(sizing_held_off(&held, &rest, &costs, &what, &off), 0);
	samples_free(&held);
	samples_free(&rest);
	return off;
}

static void a_machine_that_changes_between_rounds_changes_no_prediction(void **state)
{
	struct samples s = {0};
	struct sizing_held_off before, after;

	(void)state;
	synthetic_add(&s, synthetic_quick, synthetic_quick_count, quiet, 1);
	before = off_of(&s);
	assert_near(before.ratio.estimate, before.predicted.estimate / before.measured.estimate,
	            1e-9);
	for (size_t i = 0; i < s.count; i++)
		s.rows[i].cpu_ns += s.rows[i].cpu_ns / 5 * s.rows[i].round;
	after = off_of(&s);
	assert_true(after.measured.estimate > 1.2 * before.measured.estimate);
	assert_near(after.ratio.estimate, before.ratio.estimate, 1e-3);
	/* What was measured changes alone: the prediction is off by that. */
	for (size_t i = 0; i < s.count; i++)
		if (strcmp(s.rows[i].workload, "publish-1k") == 0)
			s.rows[i].cpu_ns += s.rows[i].cpu_ns / 4;
	assert_near(off_of(&s).ratio.estimate, after.ratio.estimate / 1.25, 1e-3);
	samples_free(&s);
}

static void rounds_that_lack_a_point_do_not_count(void **state)
{
	struct samples s = {0};
	double before;

	(void)state;
	synthetic_add(&s, synthetic_quick, synthetic_quick_count, quiet, 1);
	before = off_of(&s).ratio.estimate;
	/* But for one round: none of 256 KiB, and another machine. */
	for (size_t i = 0; i < s.count; i++)
		if (s.rows[i].round > 0) {
			if (strcmp(s.rows[i].workload, "publish-256k") == 0)
				s.rows[i].valid = 0;
			if (strcmp(s.rows[i].workload, "publish-1k") == 0)
				s.rows[i].cpu_ns *= 3;
		}
	assert_near(off_of(&s).ratio.estimate, before, 1e-3);
	for (size_t i = 0; i < s.count; i++)
		s.rows[i].valid &= strcmp(s.rows[i].workload, "publish-256k") != 0;
	/* Now no round has it: none lacks it. */
	assert_true(off_of(&s).ratio.estimate < 0.5 * before);
	samples_free(&s);
}

static void without_cells_nothing_is_made_up(void **state)
{
	struct samples s = {0};
	struct sizing sizing;

	(void)state;
	synthetic_add(&s, synthetic_quick, 1, quiet, 1);
	sizing = made(&s, &any);
	assert_true(isnan(sizing_at(&sizing.arms[0].read, &record_1k, 1).value.estimate));
	assert_true(isnan(start(&sizing, 0, 1, 1, 0).value.estimate));
	assert_true(isnan(start(&sizing, 0, 1, 1, 1).value.estimate));
	samples_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(at_a_measured_size_the_answer_is_what_was_measured),
	        cmocka_unit_test(between_sizes_it_lies_on_the_line),
	        cmocka_unit_test(beyond_the_sizes_the_line_goes_on_and_it_is_said),
	        cmocka_unit_test(of_a_single_size_others_are_bounded_from_above),
	        cmocka_unit_test(intervals_hold_the_truth_and_add_as_squares),
	        cmocka_unit_test(a_server_comes_before_the_store_and_the_newest_first),
	        cmocka_unit_test(cells_that_are_not_there_are_named),
	        cmocka_unit_test(servers_that_were_there_show_no_cpu_time),
	        cmocka_unit_test(results_together_are_more_rounds),
	        cmocka_unit_test(more_to_read_never_takes_less_time),
	        cmocka_unit_test(starts_are_a_base_and_what_is_read),
	        cmocka_unit_test(where_the_last_block_is_known_starts_lie_at_its_bytes),
	        cmocka_unit_test(more_streams_and_longer_state_files_raise_the_upper_end),
	        cmocka_unit_test(without_a_start_there_is_no_recovery),
	        cmocka_unit_test(sizes_a_few_bytes_apart_are_one_point),
	        cmocka_unit_test(a_curve_is_of_one_class_and_of_one_kind_of_settings),
	        cmocka_unit_test(a_cipher_without_valid_rows_is_known_as_lost),
	        cmocka_unit_test(a_machine_that_changes_between_rounds_changes_no_prediction),
	        cmocka_unit_test(rounds_that_lack_a_point_do_not_count),
	        cmocka_unit_test(without_cells_nothing_is_made_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
