/* test_cmd_size.c - the command as people and scripts see it: plans, what is refused, exit codes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/output/replace.h"
#include "harness/output/samples.h"
#include "tests/unit/size_fixture.h"
#include "tests/unit/synthetic.h"

#define GOOD "--rate 20k --max-age 7d "

static int make_folder(void **state)
{
	const struct synthetic_noise noise = {0.02, 0.005, 0};
	struct samples all = {0}, store = {0}, no_reads = {0};

	(void)state;
	synthetic_folder(size_folder);
	synthetic_add(&store, synthetic_quick, synthetic_quick_count, noise, 1);
	synthetic_add(&no_reads, synthetic_quick, 2, noise, 1);
	synthetic_add(&all, synthetic_quick, synthetic_quick_count, noise, 1);
	synthetic_add_server(&all, &synthetic_nats_old, noise, 2);
	synthetic_add_server(&all, &synthetic_nats_new, noise, 3);
	size_set_readers(&all);
	size_set_readers(&store);
	size_write_result("all", &all, NULL);
	for (size_t i = 0; i < store.count; i++)
		store.rows[i].started_unix_ns++; /* another run */
	size_write_result("store", &store, NULL);
	size_write_result("no-reads", &no_reads, NULL);
	size_write_result("elsewhere", &all, "Other CPU");
	samples_free(&all);
	samples_free(&store);
	samples_free(&no_reads);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	synthetic_remove(size_folder);
	return 0;
}

static void a_plan_is_rates_times_costs(void **state)
{
	json_t *json = size_plan("--result all " GOOD "--peak 50k --subject-bytes 12");
	const json_t *none = size_cipher_of(json, 0), *aes = size_cipher_of(json, 2);

	(void)state;
	/* 1 KiB on 2.15.1: 4924 ns to publish and 2336 to read; under aes 265 and 170 more. */
	assert_string_equal(json_string_value(json_object_get(json, "target_version")), "2.15.1");
	assert_true(fabs(size_number(none, "cores_mean") - 20000 * 7260e-9) < 0.01 * 0.145);
	assert_true(fabs(size_number(none, "cores_peak") - 50000 * 7260e-9) < 0.01 * 0.363);
	assert_true(fabs(size_number(aes, "cores_added_peak") - 50000 * 435e-9) < 0.1 * 0.0218);
	assert_string_equal(json_string_value(json_object_get(json, "chosen")), "aes");
	/* 20,000 a second for a week, of 1066 bytes, and no more than key files beside it. */
	double records = 20000.0 * 604800 * 1066;
	assert_true(size_number(json_object_get(aes, "records"), "apparent_bytes") == records);
	assert_true(size_number(json_object_get(aes, "key_files"), "files") ==
	            ceil(20000.0 * 604800 / 1967) + 2);
	assert_true(size_number(aes, "block_bytes") == 2097152);
	assert_true(size_number(none, "block_bytes") == 8388608);
	/* Reads were measured without acknowledgements. */
	assert_true(json_is_true(json_object_get(json, "lower_bound")));
	json_decref(json);
	json = size_plan("--result all --reads 0 " GOOD);
	assert_false(json_is_true(json_object_get(json, "lower_bound")));
	json_decref(json);
	json = size_plan("--result all --reads 0 --deleted 1% " GOOD);
	assert_true(json_is_true(json_object_get(json, "lower_bound")));
	json_decref(json);
}

static void servers_before_2_9_16_have_large_blocks_under_a_cipher_too(void **state)
{
	json_t *json = size_plan("--result all --target nats:2.9.10 " GOOD);

	(void)state;
	assert_true(size_number(size_cipher_of(json, 2), "block_bytes") == 8388608);
	/* an idx and an fss of each block, and of the consumer its state */
	assert_true(size_number(json_object_get(size_cipher_of(json, 2), "state_files"), "files") ==
	            2 * size_number(json_object_get(size_cipher_of(json, 2), "records"), "files") +
	                    1);
	json_decref(json);
}

static void without_a_server_it_is_a_lower_bound(void **state)
{
	char *out, *err;
	json_t *json = size_plan("--result store " GOOD);

	(void)state;
	assert_true(json_is_true(json_object_get(json, "lower_bound")));
	assert_non_null(strstr(json_string_value(json_object_get(json, "advice")), "lower bound"));
	json_decref(json);
	assert_int_equal(size_run("--result store " GOOD, &out, &err), 0);
	assert_non_null(strstr(out, "Lower bound: no server was measured"));
	free(out);
	free(err);
	/* Replicas are not measured either. */
	json = size_plan("--result all --replicas 3 " GOOD);
	assert_true(json_is_true(json_object_get(json, "lower_bound")));
	assert_non_null(strstr(json_string_value(json_object_get(json, "advice")),
	                       "A lower bound of cores, not measured: acknowledgements and "
	                       "replication."));
	assert_non_null(
	        strstr(json_string_value(json_object_get(json, "server_config")), "# cluster {"));
	json_decref(json);
}

/* A fifth of the rounds may be; more, and the first sentences say what these figures are worth. */
static void disturbed_rounds_are_told(void **state)
{
	const struct synthetic_noise noise = {0.02, 0.005, 0};
	struct samples s = {0};
	json_t *json = size_plan("--result all " GOOD);

	(void)state;
	assert_null(strstr(json_string_value(json_object_get(json, "advice")), "measure again"));
	json_decref(json);
	synthetic_add(&s, synthetic_quick, synthetic_quick_count, noise, 1);
	size_set_readers(&s);
	for (size_t i = 0; i < s.count; i++)
		if (s.rows[i].round < 5)
			s.rows[i].other_cpu_ns = (uint64_t)(2e9 * s.rows[i].acked_s);
	size_write_result("disturbed", &s, NULL);
	json = size_plan("--result disturbed " GOOD);
	assert_non_null(strstr(json_string_value(json_object_get(json, "advice")),
	                       "Something else used the machine in "));
	assert_int_equal(
	        strncmp(json_string_value(json_array_get(json_object_get(json, "notes"), 0)),
	                "Disturbed: ", 11),
	        0);
	json_decref(json);
	samples_free(&s);
}

static void beyond_what_was_measured_it_says_so(void **state)
{
	char *out, *err;

	(void)state;
	assert_int_equal(
	        size_run("--result all --rate 2m --sizes 512k --max-msgs 1000", &out, &err), 0);
	assert_non_null(
	        strstr(out, "Extrapolated: publishing was measured with records of 170 to"));
	assert_non_null(strstr(out, "Extrapolated: reading was measured with records of 1066"));
	assert_non_null(strstr(out, "messages a second are more than"));
	assert_non_null(strstr(out, "Restarts were not measured"));
	free(out);
	free(err);
	assert_int_equal(size_run("--result all --rate 1k --max-msgs 1000", &out, &err), 0);
	assert_null(strstr(out, "Extrapolated"));
	free(out);
	free(err);
}

/* Each column that lies beyond, by its name; a cipher without rows; what replicas lack. */
static void columns_are_named_where_they_are_not_all(void **state)
{
	const struct synthetic_noise noise = {0, 0, 0};
	struct samples s = {0}, lost = {0};
	char *out, *err;
	json_t *json;

	(void)state;
	synthetic_add_server(&s, &synthetic_nats_new, noise, 3);
	size_set_readers(&s);
	for (size_t i = 0; i < s.count; i++)
		assert_int_equal(samples_add(&lost, &s.rows[i]), 0);
	for (size_t i = 0; i < s.count; i++) {
		struct sample *row = &s.rows[i];
		/* 64 KiB: of the one that is cheaper, and chosen, alone. */
		row->valid =
		        strcmp(row->workload, "publish-64k") != 0 || strcmp(row->arm, "aes") == 0;
		lost.rows[i].valid = strcmp(row->arm, "aes") != 0;
	}
	size_write_result("partly", &s, NULL);
	size_write_result("lost", &lost, NULL);
	assert_int_equal(size_run("--result partly --reads 0 " GOOD "--sizes 16k", &out, &err), 0);
	assert_non_null(strstr(out, "Extrapolated (none, chachapoly): publishing was measured with "
	                            "records of 170 to 8234 bytes"));
	free(out);
	free(err);
	assert_int_equal(size_run("--result lost --reads 0 " GOOD, &out, &err), 0);
	assert_non_null(strstr(out, "aes is left out: no publish row of it is valid"));
	free(out);
	free(err);
	/* The store has no cells of flush = async. */
	json = size_plan("--result store --replicas 3 " GOOD);
	assert_string_equal(json_string_value(json_object_get(json, "flush")), "each");
	json_decref(json);
	json = size_plan("--result all " GOOD);
	assert_true(json_is_null(json_object_get(json, "flush")));
	json_decref(json);
	assert_int_equal(size_run("--result store --replicas 3 " GOOD, &out, &err), 0);
	assert_non_null(strstr(out, "Records were measured written one by one"));
	free(out);
	free(err);
	samples_free(&s);
	samples_free(&lost);
}

static void files_and_flags_say_the_same(void **state)
{
	static const char text[] = "# what we have\n[size]\nrate = 20k\nsizes = 128:70,\n  4k:30\n"
	                           "max_age = 7d\nreplicas = 3\n";
	char *a, *b, *err;

	(void)state;
	assert_int_equal(replace_file(synthetic_path(size_folder, "d.ini"), text, strlen(text)), 0);
	assert_int_equal(size_run("d.ini --result all --rate 5k", &a, &err), 0);
	free(err);
	assert_int_equal(
	        size_run("--result all --rate 5k --sizes 128:70,4k:30 --max-age 7d --replicas 3",
	                 &b, &err),
	        0);
	free(err);
	assert_string_equal(a, b);
	free(a);
	free(b);
}

static void many_small_blocks_are_told_of(void **state)
{
	char *out, *err;

	(void)state;
	assert_int_equal(size_run("--result all " GOOD, &out, &err), 0);
	/* 20,000 a second for a week: of 2 MiB 1967 records a block, of 8 MiB 7869, and a key each.
	 */
	assert_non_null(strstr(out,
	                       "12,393,452 files under a cipher: with --max-bytes "
	                       "12991104000000, which is what is kept, the server makes blocks "
	                       "of 8 MiB, and "));
	free(out);
	free(err);
	/* Streams of 2 MiB get blocks of 4 MiB, those of 100 KiB smaller ones than without. */
	assert_int_equal(
	        size_run("--result all --rate 10k --max-age 20000s --streams 100000", &out, &err),
	        0);
	assert_non_null(strstr(out, "the server makes blocks of 4 MiB, and 1,000,000 files"));
	free(out);
	free(err);
	assert_int_equal(
	        size_run("--result all --rate 1k --max-age 10000s --streams 100000", &out, &err),
	        0);
	assert_null(strstr(out, "files under a cipher: with"));
	free(out);
	free(err);
	assert_int_equal(size_run("--result all " GOOD "--max-bytes 20t", &out, &err), 0);
	assert_null(strstr(out, "files under a cipher"));
	free(out);
	free(err);
}

static void markdown_has_a_table(void **state)
{
	char *out, *err;

	(void)state;
	assert_int_equal(size_run("--markdown --result all " GOOD, &out, &err), 0);
	assert_non_null(strstr(out, "| cores, peak |"));
	assert_non_null(strstr(out, "```\njetstream {"));
	free(out);
	free(err);
}

struct bad {
	const char *arguments;
	int code;
	const char *says;
};

static const struct bad bad_demands[] = {
        {"--max-age 7d", 2, "--rate: not given"},
        {"--rate -5 --max-age 7d", 2, "--rate: found '-5'"},
        {"--rate 0 --max-age 7d", 2, "--rate: found '0'"},
        {"--rate 1e30 --max-age 7d", 2, "--rate: found '1e30'"},
        {"--rate nan --max-age 7d", 2, "--rate: found 'nan'"},
        {"--rate 0x10 --max-age 7d", 2, "--rate: found '0x10'"},
        {"--rate '' --max-age 7d", 2, "--rate: found ''"},
        {GOOD "--peak 10k", 2, "--peak: found 10000, expected at least the mean"},
        {"--rate 1k", 2, "no retention"},
        {GOOD "--sizes 0", 2, "--sizes: found '0'"},
        {GOOD "--sizes 1k:-3", 2, "--sizes: found '1k:-3'"},
        {GOOD "--sizes 32m", 2, "--sizes: a record of"},
        {GOOD "--subject-bytes 0", 2, "--subject-bytes: found '0'"},
        {GOOD "--headers-bytes 1t", 2, "--headers-bytes: found '1t'"},
        {GOOD "--subjects 1.5", 2, "--subjects: found '1.5'"},
        {"--rate 1k --max-age 0s", 2, "--max-age: found '0s'"},
        {"--rate 1k --max-age 7", 2, "--max-age: found '7'"},
        {"--rate 1000m --max-age 30000d", 2, "--max-age:"},
        {"--rate 1k --max-bytes 1048576t --streams 2", 2, "--max-bytes: 2.31e+18 bytes"},
        {"--rate 1k --max-msgs 1000000000000 --max-age 36500d --sizes 4m", 2, "--max-msgs: 4"},
        {"--rate 0.001 --max-age 1s", 2, "less than one message"},
        {"--rate 1k --max-bytes 100", 2, "--max-bytes: found 100, expected room for"},
        {"--rate 1k --max-bytes 99999999t", 2, "--max-bytes: found '99999999t'"},
        {"--rate 1k --max-msgs 0", 2, "--max-msgs: found '0'"},
        {"--rate 1k --max-msgs-per-subject -1", 2, "--max-msgs-per-subject: found '-1'"},
        {GOOD "--streams 0", 2, "--streams: found '0'"},
        {GOOD "--replicas 6", 2, "--replicas: found '6'"},
        {GOOD "--consumers 0 --reads 2", 2, "--reads: found 2, expected 0 without consumers"},
        {GOOD "--reads -1", 2, "--reads: found '-1'"},
        {GOOD "--sync never", 2, "--sync: found 'never'"},
        {GOOD "--sync 1ms", 2, "--sync: found '1ms'"},
        {GOOD "--target mars", 2, "--target: found 'mars'"},
        {GOOD "--target store:1", 2, "--target: found 'store:1'"},
        {GOOD "--target nats:3.0.0", 2, "no valid publish cell of nats 3.0.0"},
        {GOOD "--target nats:2.9.10 --sync always", 2, "no valid publish cell"},
        {GOOD "--headroom -3%", 2, "--headroom: found '-3%'"},
        {GOOD "--headroom 1000%", 2, "--headroom: found '1000%'"},
        {GOOD "--deleted 100%", 2, "--deleted: found '100%'"},
        {GOOD "--name a.b", 2, "--name: found 'a.b'"},
        {GOOD "--subject 'a b'", 2, "--subject: found 'a b'"},
        {GOOD "--subject 'a.>.b'", 2, "--subject: found 'a.>.b'"},
        {GOOD "--subject '>'", 2, "--subject: found '>'"},
        {GOOD "--subject '*.a'", 2, "--subject: found '*.a'"},
        {GOOD "--subject-bytes 3", 2, "--subject-bytes: found 3, expected at least 8"},
        {GOOD "--subject orders --subject-bytes 9", 2,
         "--subject-bytes: found 9, expected 6, the length of orders"},
        {GOOD "--subject orders --subjects 2", 2, "--subjects: found 2, expected at most 1"},
        {GOOD "--subject 'a.>' --subject-bytes 3 --subjects 1m", 2,
         "--subjects: found 1000000, expected at most 247: a.> has no more of 3 bytes"},
        {GOOD "--max-bytes 1048576t --streams 7", 2, "--max-bytes: 8.07e+18 bytes of 7 streams"},
        {GOOD "--target nats:2.9.10 --sync 30s", 2, "--sync: found 30s, which servers"},
        {GOOD "--max-msgs 1.5", 2, "--max-msgs: found '1.5'"},
        {GOOD "--max-msgs 1.00005k", 2, "--max-msgs: found '1.00005k'"},
        {GOOD "--max-bytes 5000.5", 2, "--max-bytes: found '5000.5'"},
        {GOOD "--json --markdown", 2, "--markdown"},
        {"--held publish-1k --rate 1k", 2, "--held: found --rate too"},
        {"--held publish-1k --subject a.b", 2, "--held: found --subject too"},
        {"--held publish-1k demand.ini", 2, "--held: found demand.ini too"},
        {"--held publish-1k --markdown", 2, "--held: found --markdown too"},
        {GOOD "--rat 3", 2, "rate"},
        {GOOD "bad.ini", 2, "bad.ini:2: unknown key \"mesages\""},
        {GOOD "twice.ini", 2, "twice.ini:2: second \"rate\""},
        {GOOD "value.ini", 2, "value.ini:1: rate: found \"fast\""},
        {GOOD "none.ini", 2, "none.ini: No such file"},
        {GOOD "empty.ini", 2, "empty.ini: no key"},
};

static void bad_demands_are_named_with_their_flag(void **state)
{
	static const char *const files[][2] = {{"bad.ini", "rate = 1k\nmesages = 5\n"},
	                                       {"twice.ini", "rate = 1k\nrate = 2k\n"},
	                                       {"value.ini", "rate = fast\n"},
	                                       {"empty.ini", "# nothing\n"}};
	char arguments[512];
	char *out, *err;

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		assert_int_equal(replace_file(synthetic_path(size_folder, files[i][0]), files[i][1],
		                              strlen(files[i][1])),
		                 0);
	for (size_t i = 0; i < sizeof(bad_demands) / sizeof(bad_demands[0]); i++) {
		const struct bad *b = &bad_demands[i];
		snprintf(arguments, sizeof(arguments), "--result all %s", b->arguments);
		int code = size_run(arguments, &out, &err);
		if (code != b->code || strstr(err, b->says) == NULL || out[0] != '\0' ||
		    strchr(err, '\n') != err + strlen(err) - 1)
			fail_msg("%s: exit %d, \"%s\", output \"%.80s\"", b->arguments, code, err,
			         out);
		free(out);
		free(err);
	}
}

/* Those that are no whole number of the smallest unit in floating point among them. */
static void values_are_whole_where_they_are_meant_so(void **state)
{
	static const struct {
		const char *arguments, *member;
		double value;
	} good[] = {{"--max-bytes 1.1t", "max_bytes", 1209462790554},
	            {"--max-age 2.3h", "max_age", 8280e9},
	            {"--max-msgs 2.3m", "max_msgs", 2300000},
	            {"--max-msgs 1.1k", "max_msgs", 1100}};
	char arguments[256];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(arguments, sizeof(arguments), "--result all --rate 1k %s",
		         good[i].arguments);
		json_t *json = size_plan(arguments);
		if (size_number(json_object_get(json, "stream_config"), good[i].member) !=
		    good[i].value)
			fail_msg("%s", good[i].arguments);
		json_decref(json);
	}
	/* A subject's length is its own where it has but one. */
	json_t *json = size_plan("--result all --rate 1k --max-msgs 10 --subject orders");
	assert_true(size_number(json_object_get(json, "demand"), "record_bytes") == 30 + 6 + 1024);
	json_decref(json);
}

static void results_that_do_not_serve_are_refused(void **state)
{
	static const struct bad bad[] = {
	        {"--sync always --result store --target nats --result all", 2,
	         "store, all: no valid publish cell of nats"},
	        {"--sync always --result all", 2,
	         "expected one at least: atrest run publish-always-1k --target nats"},
	        {"--result nowhere", 2, "nowhere/samples.csv: No such file"},
	        {"--result no-reads", 2, "no valid read cell of store"},
	        {"--result elsewhere", 4, "elsewhere: measured on another machine"},
	        {"--result all --result elsewhere", 4, "measured on another machine"},
	        {"--result all --result ./all", 2, "--result: found ./all, which is all"},
	        {"--across-machines --result all --result elsewhere", 2,
	         "--result: found rows of elsewhere in another one too"},
	        {"--target nats:2.0.0 --result all", 2, "--target: all: no valid publish cell"},
	        {"--max-bytes 200GB --result all", 2, "powers of 1024"},
	        {"--result old", 4, "atrest-samples v2"},
	        {"--result torn", 2, "torn/samples.csv"},
	        {"", 2, "results/latest/samples.csv"},
	        {"", 2, "--result DIR, or scripts/bench"},
	};
	char arguments[512], path[128];
	char *out, *err, *text;
	size_t bytes;

	(void)state;
	snprintf(path, sizeof(path), "%s/old", size_folder);
	mkdir(path, 0755);
	assert_int_equal(replace_file(synthetic_path(size_folder, "old/samples.csv"),
	                              "# atrest-samples v2\n", 20),
	                 0);
	snprintf(path, sizeof(path), "%s/torn", size_folder);
	mkdir(path, 0755);
	assert_int_equal(read_whole_file(synthetic_path(size_folder, "all/samples.csv"), 1 << 24,
	                                 &text, &bytes),
	                 0);
	text[bytes / 2] ^= 1;
	assert_int_equal(replace_file(synthetic_path(size_folder, "torn/samples.csv"), text, bytes),
	                 0);
	free(text);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(arguments, sizeof(arguments), GOOD "%s", bad[i].arguments);
		int code = size_run(arguments, &out, &err);
		if (code != bad[i].code || strstr(err, bad[i].says) == NULL || out[0] != '\0')
			fail_msg("%s: exit %d, \"%s\"", bad[i].arguments, code, err);
		free(out);
		free(err);
	}
	assert_int_equal(size_run("--across-machines --result elsewhere " GOOD, &out, &err), 0);
	assert_non_null(strstr(err, "warning"));
	free(out);
	free(err);
	/* What is not read needs no cells. */
	assert_int_equal(size_run("--result no-reads --reads 0 " GOOD, &out, &err), 0);
	free(out);
	free(err);
}

static void the_limit_that_decides_is_named(void **state)
{
	static const struct {
		const char *arguments, *says; /* NULL: nothing of limits */
	} cases[] = {
	        {"--max-age 7d --max-bytes 20t", NULL},
	        {"--max-age 7d --max-bytes 1066m --subject-bytes 12",
	         "--max-bytes decides: a message leaves after 52.4s, with 1,048,576 kept in a "
	         "stream; not reached: --max-age"},
	        {"--max-bytes 500g --max-msgs 1000",
	         "--max-msgs decides: a message leaves after 0.05s, with 1,000 kept in a stream; "
	         "not reached: --max-bytes"},
	        {"--max-bytes 100k --sizes 64k",
	         "By --max-bytes a stream keeps no more than 1 message of"},
	        {"--subjects 5m --max-msgs 1000",
	         "Of 5,000,000 subjects no more than 1,000 have a message"},
	};
	char arguments[512];
	char *out, *err;
	json_t *many, *few;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(arguments, sizeof(arguments), "--result all --rate 20k %s",
		         cases[i].arguments);
		assert_int_equal(size_run(arguments, &out, &err), 0);
		if (cases[i].says == NULL ? strstr(out, "decides") != NULL
		                          : strstr(out, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].arguments, out);
		free(out);
		free(err);
	}
	many = size_plan("--result all --rate 20k --subjects 5m --max-msgs 1000");
	few = size_plan("--result all --rate 20k --subjects 1k --max-msgs 1000");
	assert_true(size_number(size_cipher_of(many, 2), "index_memory_bytes") ==
	            size_number(size_cipher_of(few, 2), "index_memory_bytes"));
	json_decref(many);
	json_decref(few);
}

/* Neither "0.00 [0.00, 0.00]" nor "-0.00" nor "4e+04". */
static void figures_are_readable_at_every_rate(void **state)
{
	static const char *const rates[] = {"0.01", "1", "100", "20k", "10m"};
	char arguments[256];
	char *out, *err;

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		snprintf(arguments, sizeof(arguments), "--result all --max-age 1d --rate %s",
		         rates[i]);
		assert_int_equal(size_run(arguments, &out, &err), 0);
		if (strstr(out, "-0.00 ") != NULL || strstr(out, "-0.00,") != NULL ||
		    strstr(out, "0.00 [0.00, 0.00]") != NULL || strstr(out, "e+0") != NULL ||
		    strncmp(out, "Use aes: ", 9) != 0)
			fail_msg("%s: %s", rates[i], out);
		free(out);
		free(err);
	}
}

/* A run that was cut short: what is there counts, and the reader knows. */
static void incomplete_results_are_warned_of(void **state)
{
	char *out, *err, *text, path[128];
	size_t bytes;

	(void)state;
	assert_int_equal(read_whole_file(synthetic_path(size_folder, "all/samples.csv"), 1 << 24,
	                                 &text, &bytes),
	                 0);
	snprintf(path, sizeof(path), "%s/cut", size_folder);
	mkdir(path, 0755);
	assert_int_equal(replace_file(synthetic_path(size_folder, "cut/samples.csv"), text,
	                              (size_t)(strstr(text, "\n# rows=") + 1 - text)),
	                 0);
	free(text);
	assert_int_equal(read_whole_file(synthetic_path(size_folder, "all/machine.json"), 1 << 24,
	                                 &text, &bytes),
	                 0);
	assert_int_equal(replace_file(synthetic_path(size_folder, "cut/machine.json"), text, bytes),
	                 0);
	free(text);
	assert_int_equal(size_run("--result cut " GOOD, &out, &err), 0);
	assert_non_null(strstr(err, "warning: cut/samples.csv: incomplete, no trailer after"));
	free(out);
	free(err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_plan_is_rates_times_costs),
	        cmocka_unit_test(servers_before_2_9_16_have_large_blocks_under_a_cipher_too),
	        cmocka_unit_test(without_a_server_it_is_a_lower_bound),
	        cmocka_unit_test(disturbed_rounds_are_told),
	        cmocka_unit_test(beyond_what_was_measured_it_says_so),
	        cmocka_unit_test(columns_are_named_where_they_are_not_all),
	        cmocka_unit_test(files_and_flags_say_the_same),
	        cmocka_unit_test(many_small_blocks_are_told_of),
	        cmocka_unit_test(markdown_has_a_table),
	        cmocka_unit_test(bad_demands_are_named_with_their_flag),
	        cmocka_unit_test(values_are_whole_where_they_are_meant_so),
	        cmocka_unit_test(results_that_do_not_serve_are_refused),
	        cmocka_unit_test(the_limit_that_decides_is_named),
	        cmocka_unit_test(figures_are_readable_at_every_rate),
	        cmocka_unit_test(incomplete_results_are_warned_of),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
