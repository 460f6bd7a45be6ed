/* test_cmd_ciphers.c - what atrest ciphers says: a speed for each cipher and size, one chosen each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "tests/compat/program.h"

static void the_table_says_that_it_is_in_memory_only(void **state)
{
	static const char *const arguments[] = {"ciphers", NULL};
	struct program_result result;

	(void)state;
	program_run(&result, arguments, NULL, NULL);
	assert_int_equal(result.code, 0);
	assert_non_null(
	        strstr(result.out, "in memory only; run `atrest run` for what storage adds"));
	assert_non_null(strstr(result.out, "GiB/s, by message size"));
	assert_non_null(strstr(result.out, "Time per message, by message size"));
	program_free(&result);
}

static void each_cipher_has_its_speeds_and_one_provider_chosen(void **state)
{
	static const char *const arguments[] = {"ciphers", "--json", NULL};
	static const char *const ciphers[] = {"none", "chachapoly", "aes"};
	struct program_result result;
	json_t *rows, *row, *size;
	size_t i, j;

	(void)state;
	program_run(&result, arguments, NULL, NULL);
	assert_int_equal(result.code, 0);
	rows = json_loads(result.out, 0, NULL);
	assert_int_equal(json_array_size(rows), 4);
	for (size_t c = 0; c < 3; c++) {
		int chosen = 0;

		json_array_foreach(rows, i, row)
		{
			const char *name = json_string_value(json_object_get(row, "cipher"));
			if (strcmp(name, ciphers[c]) == 0)
				chosen += json_is_true(json_object_get(row, "chosen"));
		}
		assert_int_equal(chosen, 1);
	}
	json_array_foreach(rows, i, row)
	{
		assert_true(json_array_size(json_object_get(row, "sizes")) > 3);
		json_array_foreach(json_object_get(row, "sizes"), j, size)
		{
			double bytes = json_number_value(json_object_get(size, "bytes"));
			double ns = json_number_value(json_object_get(size, "ns"));
			double rate = json_number_value(json_object_get(size, "gib_s"));

			assert_true(ns > 0);
			assert_true(rate > 0.99 * bytes / ns * 1e9 / 1073741824.0 &&
			            rate < 1.01 * bytes / ns * 1e9 / 1073741824.0);
		}
	}
	json_decref(rows);
	program_free(&result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_table_says_that_it_is_in_memory_only),
	        cmocka_unit_test(each_cipher_has_its_speeds_and_one_provider_chosen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
