/* test_size_figures.c - demands and the figures that they come to, worked out by hand from the
 * costs of the invented rows and the rules of the format.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/size_fixture.h"
#include "tests/unit/synthetic.h"

static const struct synthetic_noise quiet = {0, 0, 0};

/* Restarts of a stream of 10,000 messages of 1066 bytes, whose state file has 1000: in plaintext
 * and under each cipher so long. */
static void add_starts(struct samples *s, const char *class_, double ms)
{
	static const struct synthetic_cell one[] = {
	        {"open-1k", "open", "2m", 1024, 10000, 8, 100, 1, 0, 0}};
	struct samples cell = {0};

	synthetic_add_server(&cell, &(struct synthetic_suite){"nats", "2.15.1", one, 1}, quiet, 9);
	for (size_t i = 0; i < cell.count; i++) {
		struct sample *row = &cell.rows[i];

		snprintf(row->class_, sizeof(row->class_), "%s", class_);
		snprintf(row->workload, sizeof(row->workload), "%s", class_);
		row->publishers = 0;
		row->state_apparent_bytes = 1000;
		row->acked_s = ms * 1e-3;
		assert_int_equal(samples_add(s, row), 0);
	}
	samples_free(&cell);
}

/* all: the store and two servers, with restarts of the newer; steep: a store whose line through its
 * two sizes crosses zero above the shortest record. */
static int make_folder(void **state)
{
	static const struct synthetic_cell cells[] = {
	        {"publish-1k", "publish", "2m", 1024, 1000, 8, 1000, 1, 100, 50},
	        {"publish-8k", "publish", "2m", 8192, 1000, 8, 80000, 1, 100, 50},
	        {"read-1k", "read", "2m", 1024, 1000, 8, 100, 1, 10, 10}};
	struct samples all = {0}, steep = {0};

	(void)state;
	synthetic_folder(size_folder);
	synthetic_add(&all, synthetic_quick, synthetic_quick_count, quiet, 1);
	synthetic_add_server(&all, &synthetic_nats_old, quiet, 2);
	synthetic_add_server(&all, &synthetic_nats_new, quiet, 3);
	add_starts(&all, "open-server", 100);
	add_starts(&all, "open-server-recover", 150);
	synthetic_add(&steep, cells, 3, (struct synthetic_noise){0.1, 0.1, 0}, 4);
	size_set_readers(&all);
	size_set_readers(&steep);
	size_write_result("all", &all, NULL);
	size_write_result("steep", &steep, NULL);
	samples_free(&all);
	samples_free(&steep);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	synthetic_remove(size_folder);
	return 0;
}

struct figure {
	const char *arguments;
	size_t cipher;               /* its column */
	const char *object, *member; /* object NULL: of the column itself */
	double value;
};

/* Records have 30 + 12 + 1024 = 1066 bytes, a block of 8 MiB holds 7869 of them, one of 2 MiB 1967.
 */
#define ONE_K "--rate 1k --subject-bytes 12 --consumers 0 "
#define OLD   "--target nats:2.9.10 " ONE_K

static const struct figure figures[] = {
        /* Written: 1000 records a second, and of aes a block of 2 MiB in 1.967 s, whose key has 64
         * bytes; index.db is not there. Synced: block, under aes its key, and the last one. */
        {ONE_K "--max-age 4000s --subjects 2m", 0, NULL, "write_bytes_s_mean", 1066000},
        {ONE_K "--max-age 4000s --subjects 2m", 2, NULL, "write_bytes_s_mean",
         1066000 + 1066000.0 / 2097152 * 64},
        {ONE_K "--peak 3k --max-age 4000s --subjects 2m", 2, NULL, "write_bytes_s_peak",
         3 * (1066000 + 1066000.0 / 2097152 * 64)},
        {ONE_K "--max-age 4000s --subjects 2m", 0, NULL, "fsyncs_s_mean",
         1066000.0 / 8388608 + 1 / 120.0},
        {ONE_K "--max-age 4000s --subjects 2m --sync 10s", 2, NULL, "fsyncs_s_mean",
         2 * 1066000.0 / 2097152 + 0.1},
        {ONE_K "--target store --max-age 4000s --sync always", 0, NULL, "fsyncs_s_mean", 1000},
        /* Deleted messages make room for others: half of them, twice as many come by. Each has a
         * tombstone of 30 bytes, and no block is written anew before less than half is live. */
        {ONE_K "--max-msgs 1m --deleted 50%", 0, NULL, "snapshot_bytes", 1066e6},
        {ONE_K "--max-msgs 1m --deleted 50%", 0, NULL, "deleted_bytes", 1066e6 + 30e6},
        {ONE_K "--max-msgs 1m --deleted 50%", 0, "records", "apparent_bytes", 2132e6 + 30e6},
        {ONE_K "--max-bytes 1066m --deleted 50%", 0, NULL, "snapshot_bytes", 1048576.0 * 1066},
        {ONE_K "--max-msgs-per-subject 10 --subjects 1k --deleted 90%", 0, NULL, "snapshot_bytes",
         10660000},
        /* By age no more come. */
        {ONE_K "--max-age 1000s --deleted 50%", 0, NULL, "snapshot_bytes", 533e6},
        /* Three of four: once a block is written anew, half of it. 12m deletions are too many for
         * index.db. */
        {ONE_K "--max-msgs 4m --deleted 75%", 0, "records", "apparent_bytes",
         8e6 * 1066 + 12e6 * 30},
        {ONE_K "--max-msgs 4m --deleted 75%", 0, NULL, "write_bytes_s_mean",
         1066000 + 750 * 30 + 533000},
        {ONE_K "--max-msgs 4m --deleted 75%", 0, NULL, "fsyncs_s_mean",
         2 * 1088500.0 / 8388608 + 1 / 120.0},
        /* Before 2.10: an idx of 51 and an fss of 44 bytes of each of 128 blocks, the idx of the
         * last one every two seconds. */
        {OLD "--max-age 1000s", 0, "state_files", "apparent_bytes", 128 * 95},
        {OLD "--max-age 1000s", 0, NULL, "write_bytes_s_mean",
         1066000 + 1066000.0 / 8388608 * 95 + 51 / 2.0},
        /* No tombstones, and no block anew while a quarter is live; then placeholders: never more
         * than three times what is live, and 30 bytes for each deletion. */
        {OLD "--max-age 1000s --deleted 50%", 0, NULL, "deleted_bytes", 533e6},
        {OLD "--max-age 1000s --deleted 90%", 0, NULL, "deleted_bytes", 3 * 106.6e6 + 900000 * 30},
        /* Blocks of 2 MiB and less are not written anew. */
        {OLD "--max-bytes 100k --deleted 90%", 0, NULL, "deleted_bytes", 9 * 96 * 1066},
        /* o.dat of the three streams' six consumers, ten times a second each at most: 1000 pending
         * entries of 20 bytes and 35, of a stream of fewer sequences 17 and 31. */
        {"--rate 1k --subjects 2m --consumers 2 --max-msgs 4m --streams 3", 0, NULL,
         "consumer_write_bytes_s_mean", 60 * 20035},
        {"--rate 5 --subjects 2m --max-msgs 4m", 0, NULL, "consumer_write_bytes_s_mean", 5 * 17031},
        {"--rate 1k --max-msgs 4m", 0, NULL, "consumer_fsyncs_s_mean", 0},
        {"--rate 1k --max-msgs 4m --target store --sync always --peak 2k --consumers 3", 0, NULL,
         "consumer_fsyncs_s_peak", 30},
        /* 100 ms, and without state file 5 us a message; where there is none, always that. */
        {"--rate 1k --max-msgs 100k --subject-bytes 12", 2, NULL, "restart_without_state_s",
         0.1 + 0.5},
        {"--rate 1k --max-msgs 100k --subject-bytes 12", 2, NULL, "restart_s", 0.1 + 0.5},
        {"--rate 1k --max-msgs 4m --subject-bytes 12", 2, NULL, "restart_s", 0.1 + 0.6},
        {"--rate 1k --max-msgs 4m --subject-bytes 12 --subjects 2m", 2, NULL, "restart_s",
         0.1 + 20},
};

static void demands_come_to_what_is_worked_out_by_hand(void **state)
{
	char arguments[256];

	(void)state;
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
		const struct figure *f = &figures[i];
		const json_t *object;
		json_t *json;
		double found;

		snprintf(arguments, sizeof(arguments), "--result all %s", f->arguments);
		json = size_plan(arguments);
		object = size_cipher_of(json, f->cipher);
		if (f->object != NULL)
			object = json_object_get(object, f->object);
		found = size_number(object, f->member);
		if (!(fabs(found - f->value) <= 1e-6 * f->value))
			fail_msg("%s: %s is %.10g, expected %.10g", f->arguments, f->member, found,
			         f->value);
		json_decref(json);
	}
}

/* Of what one measured start says nothing: the state file's length, the number of streams. */
static void the_upper_end_of_a_restart_grows_with_what_was_not_measured(void **state)
{
	static const char common[] = "--result all --reads 0 --consumers 0 --rate 1k "
	                             "--subject-bytes 12 ";
	static const struct {
		const char *arguments;
		double low, high_least, high_most;
		const char *note; /* NULL: none of starts */
	} cases[] = {
	        {"--max-msgs 10k", 0.11, 0.1499, 0.1501, NULL},
	        /* Less than half a block, and all of it in the window. */
	        {"--max-msgs 1k", 0.1049, 0.1049, 0.1051, NULL},
	        /* 127 blocks, 5 s without the file; of it about 2.5 KiB, a thousand bytes were
	         * measured: 0.1 s as many times, and 120 s of messages of the window. */
	        {"--max-msgs 1m", 0.69, 0.75, 1.1, "state file takes it to grow with that file"},
	        /* Never more than without. */
	        {"--max-msgs 100m --subjects 900k --max-age 50s", 0.34, 0.35, 0.3501,
	         "state file takes it to grow with that file"},
	        {"--max-msgs 1k --streams 10", 0.14, 1.049, 1.051,
	         "starts were measured with 1 stream; with more of them"},
	};
	char arguments[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *json, *restart, *note;
		const char *said = NULL;
		size_t n;

		snprintf(arguments, sizeof(arguments), "%s%s", common, cases[i].arguments);
		json = size_plan(arguments);
		restart = json_object_get(size_cipher_of(json, 0), "restart_s");
		double low = json_number_value(json_object_get(restart, "low"));
		double high = json_number_value(json_object_get(restart, "high"));
		if (low < cases[i].low || high < cases[i].high_least || high > cases[i].high_most)
			fail_msg("%s: %g to %g", cases[i].arguments, low, high);
		json_array_foreach(json_object_get(json, "notes"), n,
		                   note) if (strstr(json_string_value(note), "starts were") != NULL)
		        said = json_string_value(note);
		if ((said == NULL) != (cases[i].note == NULL) ||
		    (said != NULL && strstr(said, cases[i].note) == NULL))
			fail_msg("%s: %s", cases[i].arguments, said != NULL ? said : "no note");
		json_decref(json);
	}
}

/* Text alone: JSON has figures without headroom. */
static void headroom_is_added(void **state)
{
	static const char *const lines[][2] = {{"cores, peak + 50 %", " 0.44 ["},
	                                       {"disk, allocated + 50 %", " 1525 MiB"}};
	char *out, *err;

	(void)state;
	/* 4924 + 2336 ns 40,000 times a second; 1m records of 1066 bytes; and half as much again.
	 */
	assert_int_equal(size_run("--result all --rate 40k --max-msgs 1m --subject-bytes 12 "
	                          "--headroom 50%",
	                          &out, &err),
	                 0);
	for (size_t i = 0; i < 2; i++) {
		char *line = strstr(out, lines[i][0]), *found;

		assert_non_null(line);
		found = strstr(line, lines[i][1]);
		if (found == NULL || found > strchr(line, '\n'))
			fail_msg("%s: %s", lines[i][0], out);
	}
	free(out);
	free(err);
}

/* A line that falls below zero is no negative cost. */
static void nothing_costs_less_than_nothing(void **state)
{
	static const char *const members[] = {"publish_cpu_ns", "read_cpu_ns", "cores_mean",
	                                      "cores_peak"};
	static const char *const ends[] = {"low", "value", "high"};
	json_t *json = size_plan("--result steep --rate 20k --max-msgs 10m --sizes 1");

	(void)state;
	for (size_t c = 0; c < 3; c++)
		for (size_t m = 0; m < 4; m++)
			for (size_t e = 0; e < 3; e++) {
				json_t *v = json_object_get(size_cipher_of(json, c), members[m]);
				if (json_number_value(json_object_get(v, ends[e])) < 0)
					fail_msg("%s of %s", ends[e], members[m]);
			}
	json_decref(json);
}

/* "either" is said of two that show no difference, not of one. */
static void advice_says_either_of_two_alone(void **state)
{
	struct samples s = {0};
	json_t *json;

	(void)state;
	synthetic_add(&s, synthetic_quick, synthetic_quick_count, quiet, 1);
	size_set_readers(&s);
	/* 150 ns more under aes, and under the other 280, of which nothing is sure. */
	for (size_t i = 0; i < s.count; i++)
		if (strcmp(s.rows[i].arm, "chachapoly") == 0)
			s.rows[i].cpu_ns = (uint64_t)((double)s.rows[i].cpu_ns *
			                              (s.rows[i].round % 2 ? 0.5 : 1.5));
	size_write_result("unsure", &s, NULL);
	json = size_plan("--result unsure --rate 20k --max-msgs 1m");
	const char *advice = json_string_value(json_object_get(json, "advice"));
	if (strstr(advice, " more than in plaintext, ") == NULL ||
	    strstr(advice, "; chachapoly shows no measurable difference, ") == NULL)
		fail_msg("%s", advice);
	json_decref(json);
	/* And of plaintext's as much. */
	for (size_t i = 0; i < s.count; i++)
		if (strcmp(s.rows[i].arm, "none") == 0)
			s.rows[i].cpu_ns = (uint64_t)((double)s.rows[i].cpu_ns *
			                              (s.rows[i].round % 2 ? 1.5 : 0.9));
	size_write_result("unsure", &s, NULL);
	json = size_plan("--result unsure --rate 20k --max-msgs 1m");
	advice = json_string_value(json_object_get(json, "advice"));
	if (strstr(advice, " no measurable difference to plaintext (") == NULL ||
	    strstr(advice, "; chachapoly shows none either, ") == NULL)
		fail_msg("%s", advice);
	json_decref(json);
	samples_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(demands_come_to_what_is_worked_out_by_hand),
	        cmocka_unit_test(the_upper_end_of_a_restart_grows_with_what_was_not_measured),
	        cmocka_unit_test(headroom_is_added),
	        cmocka_unit_test(advice_says_either_of_two_alone),
	        cmocka_unit_test(nothing_costs_less_than_nothing),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
