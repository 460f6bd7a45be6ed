/* The histogram against sorted values: the error bound and the quantile rule. */
#include "harness/measure/histogram.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VALUES 20000

static struct histogram h, other;
static uint64_t value[VALUES];

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Log-uniform below 2^bits. */
static void draw(unsigned bits, uint64_t seed)
{
	uint64_t x = seed;

	histogram_init(&h);
	for (size_t i = 0; i < VALUES; i++) {
		x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		value[i] = (x >> (64 - bits)) >> ((x >> 5) % bits);
		histogram_record(&h, value[i]);
	}
	qsort(value, VALUES, sizeof(value[0]), compare);
}

static void every_value_is_in_a_bucket_at_most_a_128th_too_wide(void **state)
{
	(void)state;
	for (uint64_t v = 0; v < UINT64_C(1) << HISTOGRAM_TOP_BITS; v += 1 + v / 1000) {
		uint32_t i = histogram_index(v);
		assert_true(i < HISTOGRAM_BUCKETS);
		uint64_t edge = histogram_edge(i);
		assert_true(v <= edge);
		assert_true(edge - v <= v / 128);
		assert_true(i == 0 || histogram_edge(i - 1) < v || histogram_index(v - 1) == i);
	}
	/* No bucket is missing and none overlaps. */
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		assert_int_equal(histogram_index(histogram_edge(i)), i);
		if (i + 1 < HISTOGRAM_BUCKETS)
			assert_int_equal(histogram_index(histogram_edge(i) + 1), i + 1);
	}
}

static void quantiles_never_understate_and_overstate_by_a_percent_at_most(void **state)
{
	static const double qs[] = {0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};

	(void)state;
	for (unsigned bits = 4; bits <= 40; bits += 4) {
		draw(bits, bits);
		for (size_t k = 0; k < sizeof(qs) / sizeof(qs[0]); k++) {
			uint64_t rank = (uint64_t)ceil(qs[k] * VALUES - 1e-6);
			uint64_t exact = value[rank ? rank - 1 : 0];
			uint64_t found = histogram_quantile(&h, qs[k]);
			assert_true(found >= exact);
			assert_true((double)(found - exact) <= (double)exact / 128);
		}
		assert_int_equal(h.max, value[VALUES - 1]);
		assert_int_equal(h.min, value[0]);
		assert_int_equal(h.count, VALUES);
	}
}

static void the_rank_is_rounded_up(void **state)
{
	(void)state;
	histogram_init(&h);
	for (uint64_t v = 1; v <= 100; v++)
		histogram_record(&h, v);
	assert_int_equal(histogram_quantile(&h, 0.50), 50);
	assert_int_equal(histogram_quantile(&h, 0.501), 51);
	assert_int_equal(histogram_quantile(&h, 0.99), 99);
	assert_int_equal(histogram_quantile(&h, 0.991), 100);
	assert_int_equal(histogram_quantile(&h, 0), 1);
	assert_int_equal(histogram_quantile(&h, 1), 100);
	assert_true(fabs(histogram_mean(&h) - 50.5) < 1e-9);
}

static void empty_is_zero(void **state)
{
	(void)state;
	histogram_init(&h);
	assert_int_equal(histogram_quantile(&h, 0.5), 0);
	assert_true(histogram_mean(&h) == 0);
	assert_int_equal(h.max, 0);
}

static void values_beyond_the_top_are_counted_there(void **state)
{
	(void)state;
	histogram_init(&h);
	histogram_record(&h, 5);
	histogram_record(&h, UINT64_MAX / 4);
	histogram_record(&h, UINT64_MAX / 2);
	assert_int_equal(h.count, 3);
	assert_int_equal(histogram_quantile(&h, 0.3), 5);
	assert_true(histogram_quantile(&h, 0.6) == UINT64_MAX / 2);
	assert_true(h.max == UINT64_MAX / 2);
}

static void merged_is_as_recorded_together(void **state)
{
	struct histogram *together = malloc(sizeof(*together));

	(void)state;
	assert_non_null(together);
	histogram_init(together);
	draw(20, 1);
	for (size_t i = 0; i < VALUES; i++)
		histogram_record(together, value[i]);
	histogram_init(&other);
	histogram_merge(&other, &h); /* into an empty one */
	draw(30, 2);
	for (size_t i = 0; i < VALUES; i++)
		histogram_record(together, value[i]);
	histogram_merge(&other, &h);
	assert_memory_equal(&other, together, sizeof(other));
	histogram_init(&h);
	histogram_merge(&other, &h); /* an empty one changes nothing */
	assert_memory_equal(&other, together, sizeof(other));
	free(together);
}

static void text_gives_the_same_buckets_back(void **state)
{
	static char text[HISTOGRAM_TEXT_BYTES];

	(void)state;
	for (unsigned bits = 4; bits <= 40; bits += 12) {
		draw(bits, bits);
		histogram_record(&h, UINT64_MAX); /* into the last one */
		assert_int_equal(histogram_format(&h, text, sizeof(text)), 0);
		histogram_init(&other);
		assert_int_equal(histogram_parse(&other, text), 0);
		assert_memory_equal(other.bucket, h.bucket, sizeof(h.bucket));
		assert_int_equal(other.count, VALUES + 1);
		assert_int_equal(histogram_quantile(&other, 0.5), histogram_quantile(&h, 0.5));
		/* Another time is added. */
		assert_int_equal(histogram_parse(&other, text), 0);
		assert_int_equal(other.count, 2 * (VALUES + 1));
	}
	histogram_init(&h);
	assert_int_equal(histogram_format(&h, text, sizeof(text)), 0);
	assert_int_equal(text[0], 0);
	histogram_record(&h, 300);
	histogram_record(&h, 7);
	histogram_record(&h, 301);
	assert_int_equal(histogram_format(&h, text, sizeof(text)), 0);
	if (strcmp(text, "7:1 301:2") != 0)
		fail_msg("found <%s>", text);
	assert_int_equal(histogram_format(&h, text, 9), -1);
	assert_int_equal(text[0], 0);
}

static void other_text_is_refused(void **state)
{
	static const char *const bad[] = {" ",
	                                  "7",
	                                  "7:",
	                                  "7:0",
	                                  ":1",
	                                  "-7:1",
	                                  "7:-1",
	                                  "7:+1",
	                                  "7:1 ",
	                                  "7:1  8:1",
	                                  "8:1 7:1",
	                                  "7:1 7:1",
	                                  "300:1",
	                                  "7:1,8:1",
	                                  "7:1 x",
	                                  "7:1x",
	                                  "0x7:1",
	                                  "7:99999999999999999999",
	                                  "18446744073709551616:1"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		histogram_init(&other);
		if (histogram_parse(&other, bad[i]) != -1)
			fail_msg("accepted <%s>", bad[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_value_is_in_a_bucket_at_most_a_128th_too_wide),
	        cmocka_unit_test(quantiles_never_understate_and_overstate_by_a_percent_at_most),
	        cmocka_unit_test(the_rank_is_rounded_up),
	        cmocka_unit_test(empty_is_zero),
	        cmocka_unit_test(values_beyond_the_top_are_counted_there),
	        cmocka_unit_test(merged_is_as_recorded_together),
	        cmocka_unit_test(text_gives_the_same_buckets_back),
	        cmocka_unit_test(other_text_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
