/* test_headline.c - the sentence that people will quote: what leads, what it is a percentage of,
 * and that it never says more than was measured.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/output/headline.h"
#include "tests/unit/synthetic.h"

static const struct synthetic_noise none = {0, 0, 0};

static void make(struct samples *s, struct summary *m)
{
	for (size_t i = 0; i < s->count; i++) /* no percentiles: their bootstrap takes long */
		s->rows[i].latency_count = 0;
	assert_int_equal(summary_make(s, m), 0);
	samples_free(s);
}

static void assert_says(const struct summary *m, const char *part)
{
	char text[HEADLINE_BYTES];
	headline_sentence(m, text);
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static void assert_silent(const struct summary *m, const char *part)
{
	char text[HEADLINE_BYTES];
	headline_sentence(m, text);
	if (strstr(text, part) != NULL)
		fail_msg("\"%s\" is in \"%s\"", part, text);
}

static void store_run_leads_with_cpu_and_says_what_was_not_measured(void **state)
{
	struct samples s = {0};
	struct summary m;
	(void)state;
	synthetic_add(&s, synthetic_quick, synthetic_quick_count, none, 1);
	make(&s, &m);
	char text[HEADLINE_BYTES];
	headline_sentence(&m, text);
	assert_string_equal(
	        text,
	        "This store on this machine: per 1 KiB publish chachapoly adds 0.28 µs "
	        "[0.28, 0.28] of CPU and takes 18 % [18, 18] of the throughput; aes adds "
	        "0.15 µs [0.15, 0.15] of CPU and takes 10 % [10, 10]: both within the documented "
	        "1–30 % range. Disk grows 0.20 %. A server's own cost was not measured.");
	summary_free(&m);
}

static void make_servers(struct summary *m, int old, int store)
{
	struct samples s = {0};
	if (store)
		synthetic_add(&s, synthetic_quick, synthetic_quick_count, none, 1);
	if (old)
		synthetic_add_server(&s, &synthetic_nats_old, none, 2);
	synthetic_add_server(&s, &synthetic_nats_new, none, 3);
	make(&s, m);
}

static void a_server_leads_with_its_version_and_the_cheaper_cipher(void **state)
{
	struct summary m;
	char text[HEADLINE_BYTES];
	(void)state;
	make_servers(&m, 0, 1);
	headline_sentence(&m, text);
	assert_string_equal(
	        text,
	        "On this machine aes costs nats-server 2.15.1 5.0 % [5.0, 5.0] of its publish "
	        "throughput at 1 KiB (0.27 µs [0.27, 0.27] of CPU per message), chachapoly "
	        "21 % [21, 21] (1.34 µs [1.34, 1.34]): both within the documented 1–30 % "
	        "range; disk grows 0.21 %; use aes.");
	summary_free(&m);
}

static void of_several_versions_the_newest_leads_and_the_others_follow(void **state)
{
	struct summary m;
	(void)state;
	make_servers(&m, 1, 1);
	assert_says(&m, "On this machine aes costs nats-server 2.15.1 5.0 %");
	assert_says(&m, "; use aes. chachapoly costs nats-server 2.9.10 60 % [60, 60] of its "
	                "publish throughput at 1 KiB (7.26 µs [7.26, 7.26] of CPU per message), "
	                "aes 68 % [68, 68] (10.1 µs [10.1, 10.1]): both above the documented "
	                "1–30 % range.");
	assert_silent(&m, "was not measured");
	assert_silent(&m, "store");
	const struct summary_row *cell = headline_cell(&m);
	assert_string_equal(cell->target_version, "2.15.1");
	cell = headline_next_cell(&m, cell);
	assert_string_equal(cell->target_version, "2.9.10");
	assert_string_equal(cell->workload, "publish-1k");
	cell = headline_next_cell(&m, cell);
	assert_string_equal(cell->target, "store");
	assert_null(headline_next_cell(&m, cell));
	summary_free(&m);
}

static void make_server_cell(struct summary *m, double chachapoly_ns, double aes_ns, double noise)
{
	struct synthetic_cell cell = synthetic_nats_new.cells[1];
	struct synthetic_suite suite = {"nats", "2.15.1", &cell, 1};
	struct samples s = {0};
	cell.chachapoly_ns = chachapoly_ns;
	cell.aes_ns = aes_ns;
	synthetic_add_server(&s, &suite, (struct synthetic_noise){noise * 3, noise, 0}, 6);
	make(&s, m);
}

static void ciphers_that_cost_alike_are_not_preferred(void **state)
{
	struct summary m;
	(void)state;
	make_server_cell(&m, 1000, 1000, 0.02);
	assert_says(&m, "; neither cipher is clearly cheaper by throughput or CPU time.");
	assert_silent(&m, "use ");
	summary_free(&m);
}

/* Less CPU, yet more throughput lost: no advice. */
static void figures_that_contradict_each_other_give_no_advice(void **state)
{
	struct samples s = {0};
	struct summary m;
	(void)state;
	synthetic_add_server(&s, &synthetic_nats_new, none, 3);
	for (size_t i = 0; i < s.count; i++)
		if (strcmp(s.rows[i].arm, "aes") == 0)
			s.rows[i].acked_s *= 2;
	make(&s, &m);
	assert_says(&m, "; neither cipher is clearly cheaper: aes by CPU time, chachapoly by "
	                "throughput.");
	summary_free(&m);
}

static void what_a_server_does_not_lose_is_bounded(void **state)
{
	struct summary m;
	(void)state;
	make_server_cell(&m, 1340, 0, 0.01);
	assert_says(&m, "On this machine aes costs nats-server 2.15.1 no measurable part of its "
	                "publish throughput at 1 KiB (≤ ");
	assert_says(&m, " of CPU per message), chachapoly 2");
	assert_says(&m, ": chachapoly within the documented 1–30 % range");
	summary_free(&m);
	make_server_cell(&m, 1340, -500, 0.001);
	assert_says(&m, "On this machine aes gives nats-server 2.15.1 ");
	assert_says(&m, " more publish throughput at 1 KiB (0.5");
	assert_says(&m, " of CPU per message less), chachapoly 2");
	summary_free(&m);
}

static void of_a_server_nothing_is_said_before_it_is_known(void **state)
{
	struct synthetic_cell cell = synthetic_nats_new.cells[1];
	struct synthetic_suite suite = {"nats", "2.15.1", &cell, 1};
	struct samples s = {0};
	struct summary m;
	(void)state;
	cell.rounds = 4;
	synthetic_add_server(&s, &suite, none, 6);
	make(&s, &m);
	assert_says(&m, "On this machine, with nats-server 2.15.1: chachapoly is inconclusive (4 "
	                "rounds; 6 and a twin are needed), aes is inconclusive");
	assert_silent(&m, "cheaper");
	assert_silent(&m, "use ");
	assert_silent(&m, "range");
	summary_free(&m);
}

static void without_plaintext_there_are_values_and_no_overhead(void **state)
{
	struct samples s = {0};
	struct summary m;
	(void)state;
	synthetic_add_server(&s, &synthetic_nats_new, none, 3);
	for (size_t i = s.count; i-- > 0;) {
		strcpy(s.rows[i].target, "server");
		if (strcmp(s.rows[i].arm, "aes") != 0)
			s.rows[i] = s.rows[--s.count];
	}
	make(&s, &m);
	assert_says(&m, "No plaintext throughput was measured. Under aes nats-server 2.15.1 "
	                "(--server): 257 k messages of 128 B publish per second.");
	summary_free(&m);
}

/* Of a server elsewhere only what the client sees is known. */
static void a_server_elsewhere_has_no_cpu_in_the_sentence(void **state)
{
	struct samples s = {0};
	struct summary m;
	(void)state;
	synthetic_add_server(&s, &synthetic_nats_new, none, 3);
	for (size_t i = 0; i < s.count; i++) {
		strcpy(s.rows[i].target, "server");
		s.rows[i].cpu_ns = 0;
	}
	make(&s, &m);
	assert_says(
	        &m,
	        "On this machine aes costs nats-server 2.15.1 (--server) 5.0 % [5.0, 5.0] of its "
	        "publish throughput at 1 KiB, chachapoly 21 % [21, 21]: both");
	assert_silent(&m, "CPU");
	summary_free(&m);
}

static void the_harness_alone_is_not_taken_for_a_store(void **state)
{
	struct samples s = {0};
	struct summary m;
	(void)state;
	synthetic_add(&s, synthetic_quick, 2, none, 1);
	for (size_t i = 0; i < s.count; i++)
		strcpy(s.rows[i].target, "null");
	make(&s, &m);
	assert_says(&m, "The harness alone (target null) on this machine: ");
	summary_free(&m);
}

static void ranges_are_told_apart(void **state)
{
	struct synthetic_cell cell = synthetic_quick[1];
	struct samples s = {0};
	struct summary m;
	(void)state;
	cell.chachapoly_ns = 1280; /* half of the throughput */
	cell.aes_ns = 150;
	synthetic_add(&s, &cell, 1, none, 1);
	make(&s, &m);
	assert_says(&m, ": chachapoly above, aes within the documented 1–30 % range.");
	summary_free(&m);
}

static void an_effect_that_is_not_there_is_not_claimed(void **state)
{
	struct synthetic_cell cell = synthetic_quick[1];
	struct samples s = {0};
	struct summary m;
	(void)state;
	cell.aes_ns = 0;
	synthetic_add(&s, &cell, 1, (struct synthetic_noise){0.05, 0.01, 0}, 6);
	make(&s, &m);
	assert_says(&m, "aes adds no measurable CPU (≤ ");
	assert_says(&m, " and takes no measurable throughput (≤ ");
	assert_says(&m, ": chachapoly within the documented 1–30 % range.");
	summary_free(&m);
}

/* Intervals of a noisy machine reach far below zero; that says nothing of what it may cost. */
static void a_bound_is_the_upper_end_of_the_cost(void **state)
{
	struct summary_row row = {.overhead_pct = -9,
	                          .low_pct = -61.2,
	                          .high_pct = 19.4,
	                          .floor_pct = 7,
	                          .baseline_value = 1000,
	                          .added = -20,
	                          .added_low = -300,
	                          .added_high = 120};
	(void)state;
	assert_true(headline_at_most(&row) == 19.4);
	assert_true(headline_added_at_most(&row) == 120);
	row.floor_pct = 20;
	assert_true(headline_at_most(&row) == 20);
	assert_true(headline_added_at_most(&row) == 200);
}

static void a_wide_bound_is_no_range(void **state)
{
	struct synthetic_cell cell = synthetic_quick[1];
	struct samples s = {0};
	struct summary m;
	(void)state;
	cell.aes_ns = 0;
	cell.chachapoly_ns = 0;
	synthetic_add(&s, &cell, 1, (struct synthetic_noise){0.05, 0.8, 0}, 6);
	make(&s, &m);
	assert_says(&m, " of the throughput is not told: up to ");
	assert_says(&m, " %, the machine was too noisy");
	assert_silent(&m, "no measurable throughput");
	assert_silent(&m, "range");
	summary_free(&m);
}

static struct summary_row *throughput_of(struct summary *m, const char *arm)
{
	for (size_t i = 0; i < m->count; i++)
		if (strcmp(m->rows[i].arm, arm) == 0 &&
		    strcmp(m->rows[i].metric, "throughput_msgs_s") == 0)
			return &m->rows[i];
	fail();
	return NULL;
}

static void set_untold(struct summary *m, const char *arm, double at_most)
{
	struct summary_row *row = throughput_of(m, arm);
	row->overhead_pct = 3;
	row->low_pct = -20;
	row->high_pct = at_most;
	row->floor_pct = 5;
	strcpy(row->verdict, "indistinguishable");
}

static void what_noise_hides_is_not_called_small(void **state)
{
	struct summary m;
	(void)state;
	make_server_cell(&m, 1340, 270, 0.001);
	set_untold(&m, "chachapoly", 37);
	set_untold(&m, "aes", 15);
	assert_says(&m, "(≤ 15 %; 0.27 µs");
	assert_says(&m, "; what chachapoly costs is not told: up to 37 %, too noisy (1.34 µs");
	set_untold(&m, "aes", 45);
	assert_says(&m, "On this machine what aes costs nats-server 2.15.1 is not told: up to "
	                "45 % of its publish throughput at 1 KiB, the machine was too noisy "
	                "(0.27 µs");
	assert_says(&m, "; what chachapoly costs is not told: up to 37 %, too noisy (1.34 µs");
	assert_silent(&m, "no measurable");
	assert_silent(&m, "range");
	summary_free(&m);
}

static void behind_what_is_not_told_there_is_a_verb(void **state)
{
	struct summary m;
	(void)state;
	make_server_cell(&m, 1000, 1000, 0.001);
	set_untold(&m, "chachapoly", 37);
	assert_says(&m, "On this machine what chachapoly costs nats-server 2.15.1 is not told: up "
	                "to 37 % of its publish throughput at 1 KiB, the machine was too noisy (");
	assert_says(&m, "); aes costs 1");
	summary_free(&m);
}

/* An older version begins a sentence of its own. */
static void of_another_version_it_begins_a_sentence(void **state)
{
	struct summary m;
	(void)state;
	make_servers(&m, 1, 0);
	for (size_t i = 0; i < m.count; i++)
		if (strcmp(m.rows[i].target_version, "2.9.10") == 0 &&
		    strcmp(m.rows[i].arm, "chachapoly") == 0 &&
		    strcmp(m.rows[i].metric, "throughput_msgs_s") == 0) {
			m.rows[i].high_pct = 50;
			strcpy(m.rows[i].verdict, "indistinguishable");
		}
	assert_says(&m, ". What chachapoly costs nats-server 2.9.10 is not told: up to ");
	summary_free(&m);
}

/* `atrest size` advises by CPU time: the sentence says by what there is no difference. */
static void a_difference_in_cpu_time_alone_is_said(void **state)
{
	struct summary m;
	(void)state;
	make_server_cell(&m, 1000, 1000, 0.02);
	for (size_t i = 0; i < m.count; i++)
		if (strcmp(m.rows[i].arm, "aes") == 0 &&
		    strcmp(m.rows[i].metric, "cpu_ns_per_msg") == 0)
			strcpy(m.rows[i].verdict, "indistinguishable");
	assert_says(&m, "; neither cipher is clearly cheaper by throughput; in CPU time only "
	                "chachapoly shows a cost.");
	summary_free(&m);
}

static void a_gain_is_called_one(void **state)
{
	struct synthetic_cell cell = synthetic_quick[1];
	struct samples s = {0};
	struct summary m;
	(void)state;
	cell.aes_ns = -100;
	synthetic_add(&s, &cell, 1, none, 1);
	make(&s, &m);
	assert_says(&m,
	            "aes saves 0.10 µs [0.10, 0.10] of CPU and gives 8 % [8, 8] more throughput");
	summary_free(&m);
}

static void failures_interruptions_and_noise_are_in_the_sentence(void **state)
{
	struct samples s = {0};
	struct summary m;
	(void)state;
	synthetic_add(&s, synthetic_quick, synthetic_quick_count,
	              (struct synthetic_noise){0.05, 0.01, 0.1}, 1);
	for (size_t i = 0; i < s.count; i++) {
		if (strcmp(s.rows[i].arm, "aes") != 0 || s.rows[i].round != 2)
			continue;
		s.rows[i].valid = 0;
		strcpy(s.rows[i].error, "no space");
	}
	s.complete = 0;
	make(&s, &m);
	assert_says(&m, "aes is invalid (a slice failed or is missing)");
	assert_says(&m, "8 of 352 slices failed (first: no space).");
	assert_says(&m, "Inconclusive: 8 of 8 plaintext twins differ");
	assert_says(&m, "The run was interrupted: 352 slices are all there is.");
	summary_free(&m);
}

static void too_few_rounds_are_inconclusive(void **state)
{
	struct synthetic_cell cell = synthetic_quick[1];
	struct samples s = {0};
	struct summary m;
	(void)state;
	cell.rounds = 4;
	synthetic_add(&s, &cell, 1, none, 1);
	make(&s, &m);
	assert_says(&m, "aes is inconclusive (4 rounds; 6 and a twin are needed)");
	assert_silent(&m, "range");
	summary_free(&m);
}

static void plaintext_alone_is_a_rate(void **state)
{
	struct samples s = {0};
	struct summary m;
	(void)state;
	synthetic_add(&s, synthetic_quick, 2, none, 1);
	for (size_t i = s.count; i-- > 0;)
		if (strcmp(s.rows[i].cipher, "none") != 0)
			s.rows[i] = s.rows[--s.count];
	make(&s, &m);
	assert_says(&m, "plaintext alone, 781 k messages of 1 KiB publish per second");
	summary_free(&m);
}

static void nothing_is_said_of_nothing(void **state)
{
	struct samples s = {0};
	struct summary m;
	(void)state;
	make(&s, &m);
	assert_null(headline_cell(&m));
	assert_says(&m, "No plaintext throughput was measured.");
	summary_free(&m);
}

static void decimals_follow_the_width_of_the_interval(void **state)
{
	char text[HEADLINE_TEXT_BYTES];
	(void)state;
	assert_string_equal(headline_percent((struct stats_interval){12.34, 8.1, 15.6}, text),
	                    "12 % [8, 16]");
	assert_string_equal(headline_percent((struct stats_interval){12.34, 11.1, 13.6}, text),
	                    "12.3 % [11.1, 13.6]");
	assert_string_equal(headline_percent((struct stats_interval){-0.04, -0.4, 0.3}, text),
	                    "0.0 % [-0.4, 0.3]");
	assert_string_equal(headline_percent((struct stats_interval){0.0036, NAN, NAN}, text),
	                    "0.0036 %");
	assert_string_equal(headline_percent((struct stats_interval){0, NAN, NAN}, text), "0 %");
	assert_string_equal(headline_percent((struct stats_interval){NAN, NAN, NAN}, text), "-");
	assert_string_equal(headline_ns((struct stats_interval){142, 131, 153}, text),
	                    "0.14 µs [0.13, 0.15]");
	assert_string_equal(headline_ns((struct stats_interval){85, 78, 94}, text),
	                    "85 ns [78, 94]");
	assert_string_equal(headline_ns((struct stats_interval){33800, 32200, 35700}, text),
	                    "33.8 µs [32.2, 35.7]");
	assert_string_equal(headline_ns((struct stats_interval){62, -21066, 20821}, text),
	                    "0.1 µs [-21.1, 20.8]");
}

static void table_has_a_row_per_cell_and_arm(void **state)
{
	struct samples s = {0};
	struct summary m;
	(void)state;
	synthetic_add(&s, synthetic_quick, 2, (struct synthetic_noise){0.05, 0.01, 0}, 1);
	make(&s, &m);
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	struct table *t = headline_table(&m);
	assert_int_equal(table_print(t, out), 0);
	table_free(t);
	fclose(out);
	size_t lines = 0;
	for (char *c = text; *c != '\0'; c++)
		lines += *c == '\n';
	assert_int_equal(lines, 1 + 8);
	free(text);
	json_t *json = headline_json(&m);
	assert_int_equal(json_array_size(json_object_get(json, "rows")), m.count);
	json_t *row = json_array_get(json_object_get(json, "rows"), 0);
	assert_string_equal(json_string_value(json_object_get(row, "class")), "publish");
	json_decref(json);
	summary_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(store_run_leads_with_cpu_and_says_what_was_not_measured),
	        cmocka_unit_test(a_server_leads_with_its_version_and_the_cheaper_cipher),
	        cmocka_unit_test(of_several_versions_the_newest_leads_and_the_others_follow),
	        cmocka_unit_test(ciphers_that_cost_alike_are_not_preferred),
	        cmocka_unit_test(figures_that_contradict_each_other_give_no_advice),
	        cmocka_unit_test(what_a_server_does_not_lose_is_bounded),
	        cmocka_unit_test(of_a_server_nothing_is_said_before_it_is_known),
	        cmocka_unit_test(without_plaintext_there_are_values_and_no_overhead),
	        cmocka_unit_test(a_server_elsewhere_has_no_cpu_in_the_sentence),
	        cmocka_unit_test(the_harness_alone_is_not_taken_for_a_store),
	        cmocka_unit_test(ranges_are_told_apart),
	        cmocka_unit_test(an_effect_that_is_not_there_is_not_claimed),
	        cmocka_unit_test(a_bound_is_the_upper_end_of_the_cost),
	        cmocka_unit_test(a_wide_bound_is_no_range),
	        cmocka_unit_test(what_noise_hides_is_not_called_small),
	        cmocka_unit_test(behind_what_is_not_told_there_is_a_verb),
	        cmocka_unit_test(of_another_version_it_begins_a_sentence),
	        cmocka_unit_test(a_difference_in_cpu_time_alone_is_said),
	        cmocka_unit_test(a_gain_is_called_one),
	        cmocka_unit_test(failures_interruptions_and_noise_are_in_the_sentence),
	        cmocka_unit_test(too_few_rounds_are_inconclusive),
	        cmocka_unit_test(plaintext_alone_is_a_rate),
	        cmocka_unit_test(nothing_is_said_of_nothing),
	        cmocka_unit_test(decimals_follow_the_width_of_the_interval),
	        cmocka_unit_test(table_has_a_row_per_cell_and_arm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
