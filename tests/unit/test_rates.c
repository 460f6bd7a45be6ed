/* Open loops in the summary and in words: percentiles of response times are compared, throughput
 * and CPU time are not, and a rate that was not reached is told.
 */
#include "harness/output/rates.h"

#include "tests/unit/synthetic.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct synthetic_cell cells[] = {
        {"publish-1k", "publish", "2m", 1024, 120000, 12, 1280, 0.97, 280, 150},
        {"publish-1k-50", "publish-rate", "2m", 1024, 120000, 12, 1280, 0.97, 280, 150},
};

/* The second cell at a rate: latencies as synthetic rows have them, response times twice that. An
 * arm whose messages take longer than a rate allows falls behind it. */
static void offer(struct samples *samples, double rate_msgs_s)
{
	for (size_t i = 0; i < samples->count; i++) {
		struct sample *s = &samples->rows[i];
		double closed_s = s->acked_s;
		if (strcmp(s->workload, "publish-1k-50") != 0)
			continue;
		s->rate_msgs_s = rate_msgs_s;
		s->acked_s = fmax(closed_s, (double)(s->messages - 1) / rate_msgs_s);
		s->response_count = s->latency_count;
		s->response_p50_ns = 2 * s->latency_p50_ns;
		s->response_p99_ns = 2 * s->latency_p99_ns;
		s->response_p999_ns = 2 * s->latency_p999_ns;
	}
}

static void make(double rate_msgs_s, size_t first, struct summary *out)
{
	struct samples samples = {0};

	synthetic_add(&samples, cells + first, 2 - first, (struct synthetic_noise){0.03, 0.004, 0},
	              5);
	offer(&samples, rate_msgs_s);
	assert_int_equal(summary_make(&samples, out), 0);
	samples_free(&samples);
}

static const struct summary_row *row_of(const struct summary *s, const char *arm,
                                        const char *metric)
{
	struct summary_row cell = {
	        .workload = "publish-1k-50", .target = "store", .target_version = "0.1.0"};
	return summary_find(s, &cell, arm, metric);
}

static void percentiles_are_compared_and_what_the_rate_gives_is_not(void **state)
{
	static const char *const given[] = {"throughput_msgs_s",     "time_ns_per_msg",
	                                    "cpu_ns_per_msg",        "cpu_ns_per_gib",
	                                    "client_cpu_ns_per_msg", "machine_cpu_ns_per_msg"};
	struct summary s;

	(void)state;
	make(300000, 0, &s);
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
		assert_null(row_of(&s, "aes", given[i]));
	const struct summary_row *p99 = row_of(&s, "aes", "response_p99_ns");
	const struct summary_row *service = row_of(&s, "aes", "latency_p99_ns");
	/* 150 of 1280 ns, and as much of twice that. */
	assert_true(fabs(p99->overhead_pct - 11.7) < 2);
	assert_true(p99->low_pct < p99->overhead_pct && p99->overhead_pct < p99->high_pct);
	assert_true(fabs(p99->value - 2 * service->value) <= 2);
	assert_string_equal(p99->verdict, "overhead");
	assert_string_equal(row_of(&s, "none-twin", "response_p99_ns")->verdict,
	                    "indistinguishable");
	assert_true(row_of(&s, "aes", "offered_msgs_s")->value == 300000);
	assert_true(fabs(row_of(&s, "aes", "reached_msgs_s")->value - 300000) < 1);
	/* The closed loop beside it is as ever, without any of these. */
	assert_int_equal(s.run.arms_invalid, 0);
	assert_int_equal(s.run.twins, 2);
	assert_int_equal(s.run.cells, 2);
	assert_non_null(headline_cell(&s));
	assert_string_equal(headline_cell(&s)->workload, "publish-1k");
	assert_null(summary_find(&s, headline_cell(&s), "aes", "offered_msgs_s"));
	summary_free(&s);
}

static void each_cell_begins_with_its_rate(void **state)
{
	struct summary s;
	const char *cell = "", *arm = "";

	(void)state;
	make(300000, 0, &s);
	for (size_t i = 0; i < s.count; i++) {
		if (strcmp(cell, s.rows[i].workload) == 0 && strcmp(arm, s.rows[i].arm) == 0)
			continue;
		cell = s.rows[i].workload;
		arm = s.rows[i].arm;
		assert_string_equal(s.rows[i].metric, strcmp(cell, "publish-1k-50") == 0
		                                              ? "offered_msgs_s"
		                                              : "throughput_msgs_s");
	}
	summary_free(&s);
}

static char *printed(const struct summary *s)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);

	assert_int_equal(headline_print(s, out), 0);
	fclose(out);
	return text;
}

static void expect(const char *text, const char *part, int there)
{
	if ((strstr(text, part) != NULL) != there)
		fail_msg("\"%s\" is %s in: %s", part, there ? "not" : "", text);
}

static void a_rate_that_is_reached_has_a_table_and_no_word(void **state)
{
	char sentence[HEADLINE_BYTES], *text;
	struct summary s;

	(void)state;
	make(300000, 0, &s);
	headline_sentence(&s, sentence);
	expect(sentence, "per 1 KiB publish", 1);
	expect(sentence, "offered rate", 0);
	text = printed(&s);
	expect(text, "CPU/msg", 1);
	expect(text, "offered/s", 1);
	expect(text, "300 k", 1);
	expect(text, "not reached", 0);
	free(text);
	summary_free(&s);
	/* Alone it is the sentence. */
	make(300000, 1, &s);
	headline_sentence(&s, sentence);
	expect(sentence,
	       "99th percentile of the response time of this store on this machine: at "
	       "300 k messages of publish-1k-50 a second chachapoly adds ",
	       1);
	expect(sentence, "; at", 0);
	text = printed(&s);
	expect(text, "CPU/msg", 0);
	expect(text, "offered/s", 1);
	free(text);
	summary_free(&s);
}

/* Plaintext alone: there is nothing that a cipher adds, but what it takes is told. */
static void plaintext_alone_is_told_as_it_is(void **state)
{
	char sentence[HEADLINE_BYTES], expected[128], number[TABLE_NUMBER_BYTES];
	struct samples samples = {0}, plain = {0};
	struct summary s;

	(void)state;
	synthetic_add(&samples, cells + 1, 1, (struct synthetic_noise){0.03, 0.004, 0}, 5);
	offer(&samples, 300000);
	for (size_t i = 0; i < samples.count; i++)
		if (strncmp(samples.rows[i].arm, "none", 4) == 0)
			assert_int_equal(samples_add(&plain, &samples.rows[i]), 0);
	plain.complete = 1;
	assert_int_equal(summary_make(&plain, &s), 0);
	headline_sentence(&s, sentence);
	snprintf(expected, sizeof(expected),
	         "at 300 k messages of publish-1k-50 a second it is %s in plaintext.",
	         table_ns(row_of(&s, "none", "response_p99_ns")->value, number));
	expect(sentence, expected, 1);
	summary_free(&s);
	samples_free(&plain);
	samples_free(&samples);
}

/* 700 k a second is 1430 ns for each: plaintext takes 1280, aes 1430, chachapoly 1560. */
static void a_rate_that_is_not_reached_is_told(void **state)
{
	char sentence[HEADLINE_BYTES], *text;
	struct summary s;

	(void)state;
	make(700000, 0, &s);
	headline_sentence(&s, sentence);
	expect(sentence,
	       "publish-1k-50, chachapoly: the offered rate of 700 k/s was not reached (65", 1);
	expect(sentence, "aes: the offered", 0);
	assert_true(rates_missed(&s, row_of(&s, "chachapoly", "offered_msgs_s")));
	assert_false(rates_missed(&s, row_of(&s, "none", "offered_msgs_s")));
	text = printed(&s);
	expect(text, "offered rate not reached", 1);
	free(text);
	summary_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(percentiles_are_compared_and_what_the_rate_gives_is_not),
	        cmocka_unit_test(each_cell_begins_with_its_rate),
	        cmocka_unit_test(a_rate_that_is_reached_has_a_table_and_no_word),
	        cmocka_unit_test(plaintext_alone_is_told_as_it_is),
	        cmocka_unit_test(a_rate_that_is_not_reached_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
