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
		/* of so few messages on a busy machine it may be any */
		assert_true(json_is_number(json_object_get(row, "predicted_ns")));
		assert_true(number(row, "blk_off") == 0);
		assert_true(number(row, "key_off") == 0);
		assert_true(number(row, "meta_beyond") == 0);
		assert_true(number(row, "state_beyond") == 0);
		assert_true(number(row, "allocated_blocks_per_file") <= 1);
	}
	json_decref(rows);
}

/* ---- rows that are changed ---- */

static int is_line_of(const json_t *line, const struct sample *row)
{
	return strcmp(json_string_value(json_object_get(line, "workload")), row->workload) == 0 &&
	       strcmp(json_string_value(json_object_get(line, "cipher")), row->cipher) == 0;
}

static const json_t *line_of(const json_t *lines, const struct sample *row)
{
	const json_t *line;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)lines, i,
	                   line) if (is_line_of(line, row)) return line;
	return NULL;
}

static void rows_write(const struct samples *s)
{
	assert_int_equal(synthetic_write(synthetic_path(folder, "all/samples.csv"), s, 1), 0);
}

static int is_open(const struct sample *row)
{
	return strncmp(row->workload, "open", 4) == 0;
}

/* Times as if measured without noise: those that predict some, the others as is predicted. */
static void rows_settle(struct samples *s)
{
	json_t *lines;

	for (size_t i = 0; i < s->count; i++) {
		struct sample *row = &s->rows[i];

		row->cpu_ns = 5000 * row->messages;
		if (is_open(row)) /* twice */
			row->acked_s = strcmp(row->class_, "open-recover") == 0 ? 0.008 : 0.002;
	}
	rows_write(s);
	(void)against(&lines);
	for (size_t i = 0; i < s->count; i++) {
		struct sample *row = &s->rows[i];
		const json_t *line = line_of(lines, row);

		if (line == NULL)
			continue;
		if (is_open(row))
			row->acked_s = 2e-9 * number(line, "predicted_ns");
		else
			row->cpu_ns =
			        (uint64_t)(number(line, "predicted_ns") * (double)row->messages);
	}
	json_decref(lines);
	rows_write(s);
}

struct change {
	const char *workload;
	size_t offset;
	double times, more; /* what becomes of the figure of each row of aes */
	int is_time;        /* a double, not a whole number */
	const char *out;    /* what is said; "ok": within the limits */
};

#define AT(member) offsetof(struct sample, member)

static const struct change changes[] = {
        {"publish-mix", AT(cpu_ns), 1, 0, 0, "ok"},
        {"publish-mix", AT(cpu_ns), 1.15, 0, 0, "ok"}, /* 13 % too little is predicted */
        {"publish-mix", AT(cpu_ns), 1.2, 0, 0, "cpu"},
        {"publish-mix", AT(cpu_ns), 0.85, 0, 0, "cpu"}, /* 17.6 % too much */
        {"open-2k", AT(acked_s), 1.3, 0, 1, "ok"},
        {"open-2k", AT(acked_s), 1.4, 0, 1, "restart"},
        {"open-recover-2k", AT(acked_s), 0.75, 0, 1, "restart"},
        {"publish-mix", AT(blk_apparent_bytes), 1, 1, 0, "blk"},
        {"publish-mix", AT(blk_files), 1, 1, 0, "blk"},
        {"publish-mix", AT(key_apparent_bytes), 1, 1, 0, "key"},
        {"publish-mix", AT(key_files), 1, 1, 0, "key"},
        {"publish-mix", AT(meta_apparent_bytes), 1, 200, 0, "ok"},
        {"publish-mix", AT(meta_apparent_bytes), 1, 900, 0, "meta"},
        {"publish-mix", AT(state_apparent_bytes), 1, 900, 0, "state"},
        {"publish-mix", AT(disk_allocated_bytes), 1, 4096 * 200, 0, "allocated"},
};

static void change_make(struct samples *s, const struct change *c)
{
	for (size_t i = 0; i < s->count; i++) {
		char *figure = (char *)&s->rows[i] + c->offset;

		if (strcmp(s->rows[i].workload, c->workload) != 0 ||
		    strcmp(s->rows[i].arm, "aes") != 0)
			continue;
		if (c->is_time)
			*(double *)(void *)figure *= c->times;
		else
			*(uint64_t *)(void *)figure =
			        (uint64_t)((double)*(uint64_t *)(void *)figure * c->times +
			                   c->more);
	}
}

/* Nothing else is out then. */
static void what_is_changed_beyond_its_limit_is_out_alone(void **state)
{
	struct samples s;
	char error[512];
	size_t bytes;
	struct sample *settled;

	(void)state;
	assert_int_equal(samples_read(synthetic_path(folder, "all/samples.csv"), &s, error), 0);
	rows_settle(&s);
	bytes = s.count * sizeof(*s.rows);
	settled = malloc(bytes);
	assert_non_null(settled);
	memcpy(settled, s.rows, bytes);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		const struct change *c = &changes[i];
		json_t *lines, *line;
		size_t n;
		int code;

		change_make(&s, c);
		rows_write(&s);
		code = against(&lines);
		if (code != (strcmp(c->out, "ok") != 0))
			fail_msg("change %zu: exit %d", i, code);
		json_array_foreach(lines, n, line)
		{
			const char *out = json_string_value(json_object_get(line, "out"));
			int is_it = strcmp(json_string_value(json_object_get(line, "workload")),
			                   c->workload) == 0 &&
			            strcmp(json_string_value(json_object_get(line, "cipher")),
			                   "aes") == 0;
			if (strcmp(out, is_it ? c->out : "ok") != 0)
				fail_msg("change %zu: line %zu is %s", i, n, out);
		}
		json_decref(lines);
		memcpy(s.rows, settled, bytes);
	}
	rows_write(&s);
	free(settled);
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
	        cmocka_unit_test(what_is_changed_beyond_its_limit_is_out_alone),
	        cmocka_unit_test(what_cannot_be_held_out_is_refused),
	};

	return cmocka_run_group_tests(tests, make_runs, remove_runs);
}
