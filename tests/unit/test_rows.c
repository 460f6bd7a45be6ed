/* test_rows.c - the columns that follow from plan and workload: the digest of the workload. */
#include "tests/unit/harness_fixture.h"

#include <string.h>

#include "harness/rows.h"

static void digest_of(const struct workload *w, char out[ROW_DIGEST_BYTES])
{
	row_workload_digest(w, out);
	assert_int_equal(strlen(out), ROW_DIGEST_BYTES - 1);
	assert_int_equal(strspn(out, "0123456789abcdef"), ROW_DIGEST_BYTES - 1);
}

/* Sets one key; 1 when that changes the digest. */
static int tells(const char *key, const char *value)
{
	struct workload w;
	struct workload_error error;
	char before[ROW_DIGEST_BYTES], after[ROW_DIGEST_BYTES];

	workload_init(&w);
	digest_of(&w, before);
	if (workload_set(&w, key, value, &error) != 0)
		fail_msg("%s", error.text);
	digest_of(&w, after);
	return strcmp(before, after) != 0;
}

static void what_a_workload_does_is_in_its_digest(void **state)
{
	(void)state;
	assert_true(tells("sizes", "4096"));
	assert_true(tells("operation", "read-sequential"));
	assert_true(tells("sync", "always"));
	assert_true(tells("flush", "async"));
	assert_true(tells("fill_messages", "1000"));
	assert_true(tells("headers_bytes", "64"));
	/* The keys of one target too. */
	assert_true(tells("window", "1"));
	assert_true(tells("consumer", "ordered"));
	assert_true(tells("server_heap", "0"));
	assert_true(tells("keystream_ahead", "0"));
}

static void what_it_is_called_and_repeated_is_not(void **state)
{
	struct workload w;
	char before[ROW_DIGEST_BYTES], after[ROW_DIGEST_BYTES];
	(void)state;

	workload_init(&w);
	snprintf(w.name, sizeof(w.name), "one");
	digest_of(&w, before);
	snprintf(w.name, sizeof(w.name), "another");
	digest_of(&w, after);
	assert_string_equal(before, after);
	assert_false(tells("question", "what does it cost?"));
	assert_false(tells("rounds", "99"));
	assert_false(tells("seed", "5"));
	assert_false(tells("messages", "123456"));
}

static void rows_of_a_cell_carry_it(void **state)
{
	struct workload w;
	struct plan_target target = {.name = "store"};
	struct plan_cell cell = {.workload = &w, .target = &target};
	struct sample row;
	char digest[ROW_DIGEST_BYTES];
	(void)state;

	workload_init(&w);
	memset(&row, 0, sizeof(row));
	row_put_workload(&cell, 1, 0, &row);
	digest_of(&w, digest);
	assert_string_equal(row.workload_digest, digest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_a_workload_does_is_in_its_digest),
	        cmocka_unit_test(what_it_is_called_and_repeated_is_not),
	        cmocka_unit_test(rows_of_a_cell_carry_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
