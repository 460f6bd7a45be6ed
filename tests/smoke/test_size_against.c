/* test_size_against.c - predictions against workloads that were held out of a real run of the
 * store: the bytes are those of the format, whatever the machine does meanwhile; and a row that is
 * changed is seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/output/replace.h"
#include "harness/output/samples.h"
#include "tests/compat/program.h"
#include "tests/unit/synthetic.h"

static char folder[64];

static int atrest(const char *const *arguments, char **out)
{
	struct program_result result;
	int code;

	program_run(&result, arguments, NULL, NULL);
	code = result.code;
	if (out != NULL) {
		*out = result.out;
		result.out = NULL;
	} else if (code != 0) {
		fail_msg("%s: exit %d: %s", arguments[0], code, result.err);
	}
	program_free(&result);
	return code;
}

static void write_workload(const char *name, const char *text)
{
	assert_int_equal(replace_file(synthetic_path(folder, name), text, strlen(text)), 0);
}

#define FILES 6

/* A few messages of several sizes, in small blocks: one size, and others that it predicts. */
static int make_runs(void **state)
{
	static const char common[] = "rounds = 4\nlatency_every = 0\nblock_bytes = 64k\n";
	static const char *const names[FILES] = {"publish-1k.ini",      "open-1k.ini",
	                                         "open-recover-1k.ini", "publish-mix.ini",
	                                         "open-2k.ini",         "open-recover-2k.ini"};
	static const char *const keys[FILES] = {
	        "messages = 300\nsizes = 1k\n",
	        "operation = open\nmessages = 600\nfill_messages = 300\nsizes = 1k\n",
	        "operation = open\nclass = open-recover\nstate = none\nmessages = 600\n"
	        "fill_messages = 300\nsizes = 1k\n",
	        "messages = 400\nsizes = 100:70,2k-5k:25,70k:5\nheaders_bytes = 64\n"
	        "headers_share = 0.3\nsubjects = 20\n",
	        "operation = open\nmessages = 600\nfill_messages = 300\nsizes = 2k\n",
	        "operation = open\nclass = open-recover\nstate = none\nmessages = 600\n"
	        "fill_messages = 300\nsizes = 2k\n"};
	char text[512], all[96], paths[FILES][96];
	const char *arguments[FILES + 5] = {"run", "--quick", "-o", all};

	(void)state;
	synthetic_folder(folder);
	for (size_t i = 0; i < FILES; i++) {
		snprintf(text, sizeof(text), "%s%s", common, keys[i]);
		write_workload(names[i], text);
		snprintf(paths[i], sizeof(paths[i]), "%s/%s", folder, names[i]);
		arguments[4 + i] = paths[i];
	}
	snprintf(all, sizeof(all), "%s/all", folder);
	(void)atrest(arguments, NULL);
	return 0;
}

static int remove_runs(void **state)
{
	(void)state;
	synthetic_remove(folder);
	return 0;
}

/* The exit code; *rows is what was printed, a line each. */
static int against(json_t **rows)
{
	char all[96];
	char *out;
	int code;

	snprintf(all, sizeof(all), "%s/all", folder);
	const char *const arguments[] = {"size",   "--json",          "--result", all,
	                                 "--held", "publish-mix",     "--held",   "open-2k",
	                                 "--held", "open-recover-2k", NULL};
	code = atrest(arguments, &out);
	*rows = json_loads(out, 0, NULL);
	free(out);
	return code;
}

static double number(const json_t *row, const char *member)
{
	return json_number_value(json_object_get(row, member));
}

static void bytes_are_exact_for_every_cipher(void **state)
{
	json_t *rows, *row;
	size_t i;

	(void)state;
	(void)against(&rows);
	assert_int_equal(json_array_size(rows), 9);
	json_array_foreach(rows, i, row)
	{
		assert_true(number(row, "blk_bytes") > 100000);
		assert_true(number(row, "predicted_ns") > 0);
		assert_true(number(row, "blk_off") == 0);
		assert_true(number(row, "key_off") == 0);
		assert_true(number(row, "meta_beyond") == 0);
		assert_true(number(row, "state_beyond") == 0);
		assert_true(number(row, "allocated_blocks_per_file") <= 1);
	}
	json_decref(rows);
}

/* One figure of one row, then back. */
static void changed_row_is_out(size_t index, const char *what, uint64_t *figure, struct samples *s)
{
	const char *path = synthetic_path(folder, "all/samples.csv");
	uint64_t before = *figure;
	json_t *rows, *row;
	size_t i;
	int seen = 0;

	*figure += strcmp(what, "meta") == 0 ? 900 : 1;
	assert_int_equal(synthetic_write(path, s, 1), 0);
	*figure = before;
	assert_int_not_equal(against(&rows), 0);
	json_array_foreach(rows, i, row)
	{
		if (strcmp(json_string_value(json_object_get(row, "workload")),
		           s->rows[index].workload) == 0 &&
		    strcmp(json_string_value(json_object_get(row, "cipher")),
		           s->rows[index].cipher) == 0)
			seen = strstr(json_string_value(json_object_get(row, "out")), what) != NULL;
	}
	if (!seen)
		fail_msg("a changed row was not seen: %s", what);
	json_decref(rows);
}

static void changed_rows_are_out(void **state)
{
	struct samples s;
	char error[512];
	size_t i = 0;

	(void)state;
	assert_int_equal(samples_read(synthetic_path(folder, "all/samples.csv"), &s, error), 0);
	/* Not of a round that was set aside. */
	while (!s.rows[i].valid || strcmp(s.rows[i].workload, "publish-mix") != 0 ||
	       strcmp(s.rows[i].arm, "aes") != 0)
		i++;
	changed_row_is_out(i, "blk", &s.rows[i].blk_apparent_bytes, &s);
	changed_row_is_out(i, "blk", &s.rows[i].blk_files, &s);
	changed_row_is_out(i, "key", &s.rows[i].key_apparent_bytes, &s);
	changed_row_is_out(i, "meta", &s.rows[i].meta_apparent_bytes, &s);
	samples_free(&s);
}

/* error: part of what is said. */
static void is_refused(const char *const *arguments, const char *error)
{
	struct program_result result;

	program_run(&result, arguments, NULL, NULL);
	if (result.code != 2 || strstr(result.err, error) == NULL)
		fail_msg("exit %d: %s", result.code, result.err);
	program_free(&result);
}

static void what_cannot_be_held_out_is_refused(void **state)
{
	char all[96];

	(void)state;
	snprintf(all, sizeof(all), "%s/all", folder);
	const char *const unknown[] = {"size",        "--result", all,          "--held",
	                               "publish-mix", "--held",   "publish-9k", NULL};
	is_refused(unknown, "--held: found 'publish-9k', expected a workload of ");
	const char *const several[] = {"size", "--result", all,       "--result",
	                               all,    "--held",   "open-2k", NULL};
	is_refused(several, "--held: found 2 of --result, expected one run");
	/* Nothing is left that predicts them. */
	const char *const every[] = {"size",    "--result", all,       "--held",
	                             "open-1k", "--held",   "open-2k", NULL};
	is_refused(every, "no round of the run has both it and the cells that predict it");
	const char *const published[] = {"size",        "--result", all,          "--held",
	                                 "publish-mix", "--held",   "publish-1k", NULL};
	is_refused(published, "no valid publish cell of store");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(bytes_are_exact_for_every_cipher),
	        cmocka_unit_test(changed_rows_are_out),
	        cmocka_unit_test(what_cannot_be_held_out_is_refused),
	};

	return cmocka_run_group_tests(tests, make_runs, remove_runs);
}
