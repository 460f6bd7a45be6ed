/* test_transfer.c - a line through two sizes says what the others cost, and no more than that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "harness/analysis/transfer.h"
#include "harness/output/csv.h"
#include "tests/unit/synthetic.h"

static void assert_near(double value, double expected, double within)
{
	if (!(fabs(value - expected) <= within))
		fail_msg("%g, expected %g within %g", value, expected, within);
}

/* added = fixed + per_byte * payload for both ciphers; aes costs half. */
#define FIXED    400.0
#define PER_BYTE 1.5
static double cost(double bytes)
{
	return FIXED + PER_BYTE * bytes;
}

static void make_line(struct samples *s, const uint64_t *sizes, size_t count,
                      struct synthetic_noise noise)
{
	struct synthetic_cell cells[8];
	struct synthetic_suite suite = {"nats", "2.15.1", cells, count};
	char names[8][32];
	for (size_t i = 0; i < count; i++) {
		double bytes = (double)sizes[i];
		snprintf(names[i], sizeof(names[i]), "publish-%llu", (unsigned long long)sizes[i]);
		cells[i] = synthetic_nats_new.cells[1];
		cells[i].workload = names[i];
		cells[i].payload_bytes = sizes[i];
		cells[i].base_ns = 4000 + bytes;
		cells[i].chachapoly_ns = cost(bytes);
		cells[i].aes_ns = cost(bytes) / 2;
	}
	memset(s, 0, sizeof(*s));
	synthetic_add_server(s, &suite, noise, 11);
}

static void make(struct samples *s, struct summary *m, struct transfer *t)
{
	for (size_t i = 0; i < s->count; i++) /* no percentiles: their bootstrap takes long */
		s->rows[i].latency_count = 0;
	assert_int_equal(summary_make(s, m), 0);
	assert_int_equal(transfer_make(m, t), 0);
	samples_free(s);
}

static const struct transfer_row *row_of(const struct transfer *t, const struct summary *m,
                                         const char *arm, uint64_t bytes)
{
	const struct transfer_row *row =
	        transfer_find(t, &m->rows[0], arm, "cpu_ns_per_msg", bytes);
	if (row == NULL)
		fail_msg("no row of %s at %d bytes", arm, (int)bytes);
	return row;
}

static const uint64_t sizes[] = {128, 1024, 8192, 65536};

static void a_line_is_found_again_and_predicts_the_other_sizes(void **state)
{
	struct samples s;
	struct summary m;
	struct transfer t;
	(void)state;
	make_line(&s, sizes, 4, (struct synthetic_noise){0, 0, 0});
	make(&s, &m, &t);
	assert_int_equal(t.count, 4 * 2 * 2);
	for (size_t i = 0; i < 4; i++) {
		const struct transfer_row *r = row_of(&t, &m, "chachapoly", sizes[i]);
		assert_near(r->fixed_ns, FIXED, 0.1);
		assert_near(r->ns_per_byte, PER_BYTE, 1e-4);
		assert_near(r->predicted, cost((double)sizes[i]), 0.5);
		assert_near(r->measured, r->predicted, 0.5);
		assert_near(row_of(&t, &m, "aes", sizes[i])->fixed_ns, FIXED / 2, 0.1);
	}
	assert_string_equal(row_of(&t, &m, "aes", 1024)->role, "fit");
	assert_string_equal(row_of(&t, &m, "aes", 65536)->role, "fit");
	const struct transfer_row *r = row_of(&t, &m, "aes", 8192);
	assert_string_equal(r->role, "predicted");
	assert_near(r->error_pct, 0, 0.1);
	/* The points of the line say nothing of themselves. */
	assert_true(isnan(row_of(&t, &m, "aes", 1024)->error_pct));
	assert_string_equal(row_of(&t, &m, "aes", 1024)->agrees, "");
	transfer_free(&t);
	summary_free(&m);
}

static void a_cost_off_the_line_is_an_error_with_its_sign(void **state)
{
	struct samples s;
	struct summary m;
	struct transfer t;
	(void)state;
	make_line(&s, sizes, 4, (struct synthetic_noise){0, 0.001, 0});
	for (size_t i = 0; i < s.count; i++)
		if (strcmp(s.rows[i].arm, "aes") == 0 && s.rows[i].payload_bytes == 8192)
			s.rows[i].cpu_ns += (uint64_t)(cost(8192) / 2 * (double)s.rows[i].messages);
	make(&s, &m, &t);
	const struct transfer_row *r = row_of(&t, &m, "aes", 8192);
	assert_near(r->error_pct, -50, 2);
	assert_string_equal(r->agrees, "no");
	transfer_free(&t);
	summary_free(&m);
}

/* A prediction that may be nothing is no share of what was measured. */
static void a_cost_that_may_be_zero_has_no_error_in_percent(void **state)
{
	struct samples s;
	struct summary m;
	struct transfer t;
	(void)state;
	make_line(&s, sizes, 4, (struct synthetic_noise){0, 0, 0});
	/* aes costs nothing but noise, 9 µs up and down, except at 8 KiB, where it is seen clearly.
	 */
	for (size_t i = 0; i < s.count; i++) {
		struct sample *r = &s.rows[i];
		double added = 9000;
		if (r->payload_bytes == 8192)
			continue;
		if (strcmp(r->arm, "aes") == 0)
			added = 9000 * (double)(r->round % 3) - cost((double)r->payload_bytes) / 2;
		r->cpu_ns = (uint64_t)((double)r->cpu_ns + added * (double)r->messages);
	}
	make(&s, &m, &t);
	const struct transfer_row *r = row_of(&t, &m, "aes", 8192);
	assert_true(r->predicted_low <= 0 && r->predicted_high >= 0);
	assert_true(r->measured_low > 0);
	assert_true(isnan(r->error_pct));
	assert_string_not_equal(r->agrees, "");
	assert_near(row_of(&t, &m, "chachapoly", 8192)->error_pct, 0, 0.1);
	transfer_free(&t);
	summary_free(&m);
}

static void without_one_of_the_two_sizes_nothing_is_predicted(void **state)
{
	struct samples s;
	struct summary m;
	struct transfer t;
	(void)state;
	make_line(&s, sizes, 3, (struct synthetic_noise){0, 0, 0});
	make(&s, &m, &t);
	assert_int_equal(t.count, 3 * 2 * 2);
	const struct transfer_row *r = row_of(&t, &m, "aes", 1024);
	assert_string_equal(r->role, "measured");
	assert_near(r->measured, cost(1024) / 2, 0.5);
	assert_true(isnan(r->predicted) && isnan(r->predicted_low) && isnan(r->fixed_ns));
	assert_string_equal(r->agrees, "");
	transfer_free(&t);
	summary_free(&m);
}

/* The interval of a prediction holds the truth about as often as it says. */
static void intervals_of_predictions_hold_the_truth_under_noise(void **state)
{
	size_t held = 0;
	size_t of = 0;
	(void)state;
	for (uint64_t seed = 0; seed < 40; seed++) {
		struct samples s;
		struct summary m;
		struct transfer t;
		make_line(&s, sizes, 4, (struct synthetic_noise){0.05, 0.01, 0});
		uint64_t random = seed + 1;
		for (size_t i = 0; i < s.count; i++)
			s.rows[i].cpu_ns = (uint64_t)((double)s.rows[i].cpu_ns *
			                              exp(0.03 * synthetic_normal(&random)));
		make(&s, &m, &t);
		for (size_t i = 0; i < 4; i += 2) {
			const struct transfer_row *r = row_of(&t, &m, "chachapoly", sizes[i]);
			double truth = cost((double)sizes[i]);
			held += r->predicted_low <= truth && truth <= r->predicted_high;
			of++;
		}
		transfer_free(&t);
		summary_free(&m);
	}
	printf("of %zu: %zu\n", of, held);
	assert_in_range(held, of * 85 / 100, of);
}

static void weights_turn_an_interval_round_below_the_line(void **state)
{
	struct transfer_line line = {1000, 11000, {100, 90, 130}, {1100, 1000, 1300}};
	(void)state;
	struct stats_interval at = transfer_predict(&line, 0);
	assert_near(at.estimate, 0, 1e-9);
	/* 1.1 of the small cell, -0.1 of the large one. */
	assert_near(at.low, -hypot(11, 20), 1e-9);
	assert_near(at.high, hypot(33, 10), 1e-9);
	at = transfer_predict(&line, 6000);
	assert_near(at.estimate, 600, 1e-9);
	assert_near(at.low, 600 - hypot(5, 50), 1e-9);
	line.large.low = line.large.high = NAN;
	assert_true(isnan(transfer_predict(&line, 6000).low));
	assert_near(transfer_predict(&line, 6000).estimate, 600, 1e-9);
}

static void versions_and_the_store_have_lines_of_their_own(void **state)
{
	static const struct synthetic_noise quiet = {0.05, 0.002, 0};
	struct samples s = {0};
	struct summary m;
	struct transfer t;
	(void)state;
	synthetic_add_server(&s, &synthetic_nats_new, quiet, 1);
	synthetic_add_server(&s, &synthetic_nats_old, quiet, 2);
	synthetic_add(&s, synthetic_quick, synthetic_quick_count, quiet, 3);
	make(&s, &m, &t);
	const struct summary_row *new = &m.rows[0];
	const struct summary_row *store = &m.rows[m.count - 1];
	assert_near(transfer_find(&t, new, "chachapoly", "cpu_ns_per_msg", 128)->ns_per_byte, 0.99,
	            0.05);
	assert_near(transfer_find(&t, store, "aes", "cpu_ns_per_msg", 8192)->ns_per_byte, 0.106,
	            0.02);
	/* Reads are no part of it, nor are sizes that a target has not. */
	for (size_t i = 0; i < t.count; i++)
		assert_memory_equal(t.rows[i].workload, "publish-", 8);
	assert_null(transfer_find(&t, new, "aes", "cpu_ns_per_msg", 64));
	transfer_free(&t);
	summary_free(&m);
}

static void of_two_workloads_of_one_size_the_first_counts(void **state)
{
	struct samples s;
	struct summary m;
	struct transfer t;
	(void)state;
	make_line(&s, sizes, 4, (struct synthetic_noise){0, 0, 0});
	size_t count = s.count;
	for (size_t i = 0; i < count; i++) {
		struct sample row = s.rows[i];
		if (row.payload_bytes != 1024)
			continue;
		strcat(row.workload, "-equal-blocks");
		row.cpu_ns *= 2;
		assert_int_equal(samples_add(&s, &row), 0);
	}
	make(&s, &m, &t);
	assert_int_equal(t.count, 4 * 2 * 2);
	assert_near(row_of(&t, &m, "aes", 1024)->measured, cost(1024) / 2, 0.5);
	transfer_free(&t);
	summary_free(&m);
}

static void invalid_cells_take_no_part(void **state)
{
	struct samples s;
	struct summary m;
	struct transfer t;
	(void)state;
	make_line(&s, sizes, 4, (struct synthetic_noise){0, 0, 0});
	for (size_t i = 0; i < s.count; i++)
		if (strcmp(s.rows[i].arm, "aes") == 0 && s.rows[i].payload_bytes == 65536)
			s.rows[i].valid = 0;
	make(&s, &m, &t);
	assert_null(transfer_find(&t, &m.rows[0], "aes", "cpu_ns_per_msg", 65536));
	assert_string_equal(row_of(&t, &m, "aes", 8192)->role, "measured");
	assert_string_equal(row_of(&t, &m, "chachapoly", 8192)->role, "predicted");
	transfer_free(&t);
	summary_free(&m);
}

static int count_row(void *context, char *const *fields, char reason[256])
{
	(void)reason;
	*(size_t *)context += strcmp(fields[0], "nats") == 0;
	return 0;
}

static void the_file_has_schema_columns_and_trailer(void **state)
{
#define NAME(name) #name,
	static const char *const columns[] = {TRANSFER_COLUMNS(NAME, NAME, NAME)};
#undef NAME
	struct samples s;
	struct summary m;
	struct transfer t;
	char folder[64];
	char error[512];
	size_t rows = 0;
	int complete;
	(void)state;
	synthetic_folder(folder);
	make_line(&s, sizes, 4, (struct synthetic_noise){0, 0, 0});
	make(&s, &m, &t);
	assert_int_equal(transfer_write(synthetic_path(folder, "transfer.csv"), &t), 0);
	assert_int_equal(csv_read(synthetic_path(folder, "transfer.csv"), "atrest-transfer", 1,
	                          columns, sizeof(columns) / sizeof(columns[0]), count_row, &rows,
	                          &complete, error),
	                 CSV_RESULT_OK);
	assert_true(complete);
	assert_int_equal(rows, t.count);
	assert_true(transfer_write("no/such/folder/transfer.csv", &t) < 0);
	transfer_free(&t);
	summary_free(&m);
	synthetic_remove(folder);
}

static void nothing_transfers_from_nothing(void **state)
{
	struct summary m = {0};
	struct transfer t;
	(void)state;
	assert_int_equal(transfer_make(&m, &t), 0);
	assert_int_equal(t.count, 0);
	transfer_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_line_is_found_again_and_predicts_the_other_sizes),
	        cmocka_unit_test(a_cost_off_the_line_is_an_error_with_its_sign),
	        cmocka_unit_test(a_cost_that_may_be_zero_has_no_error_in_percent),
	        cmocka_unit_test(without_one_of_the_two_sizes_nothing_is_predicted),
	        cmocka_unit_test(intervals_of_predictions_hold_the_truth_under_noise),
	        cmocka_unit_test(weights_turn_an_interval_round_below_the_line),
	        cmocka_unit_test(versions_and_the_store_have_lines_of_their_own),
	        cmocka_unit_test(of_two_workloads_of_one_size_the_first_counts),
	        cmocka_unit_test(invalid_cells_take_no_part),
	        cmocka_unit_test(the_file_has_schema_columns_and_trailer),
	        cmocka_unit_test(nothing_transfers_from_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
