/* The fingerprint has every member, and the build says what it is. */
#include "harness/measure/machine.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void every_member_is_there(void **state)
{
	static const char *const names[] = {
	        "time",           "host",      "cpu",         "memory",    "kernel",
	        "virtualisation", "container", "directories", "libraries", "build"};
	static const char *const dirs[] = {".", "/nonexistent"};
	json_t *m = machine_fingerprint(dirs, 2, "a-label"), *d;
	char full[PATH_MAX];

	(void)state;
	assert_non_null(m);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_non_null(json_object_get(m, names[i]));
	assert_string_equal(json_string_value(json_object_get(m, "host")), "a-label");
	assert_int_equal(strlen(json_string_value(json_object_get(m, "time"))), 20);
	assert_true(json_integer_value(json_object_get(json_object_get(m, "cpu"), "processors")) >
	            0);
	assert_true(json_integer_value(
	                    json_object_get(json_object_get(m, "memory"), "total_bytes")) > 0);
	assert_true(
	        json_is_integer(json_object_get(json_object_get(m, "memory"), "swap_total_bytes")));
	assert_true(
	        json_is_integer(json_object_get(json_object_get(m, "memory"), "swap_free_bytes")));
	assert_int_equal(json_array_size(json_object_get(m, "directories")), 2);
	d = json_array_get(json_object_get(m, "directories"), 0);
	assert_string_equal(json_string_value(json_object_get(d, "path")), realpath(".", full));
	assert_true(json_is_integer(json_object_get(d, "file_create_ns")));
	assert_true(json_is_integer(json_object_get(d, "fsync_ns")));
	d = json_array_get(json_object_get(m, "directories"), 1);
	assert_non_null(json_object_get(d, "error"));
	/* One entry per cipher and provider. */
	assert_int_equal(
	        json_array_size(json_object_get(json_object_get(m, "libraries"), "ciphers")), 4);
	json_decref(m);
}

static void the_build_says_what_it_is(void **state)
{
	const char *commit = machine_commit();
	size_t digits = strspn(commit, "0123456789abcdef");

	(void)state;
#if defined(__SANITIZE_ADDRESS__)
	assert_string_equal(machine_build(), "asan");
	assert_false(machine_build_measures());
#elif !defined(__OPTIMIZE__)
	assert_false(machine_build_measures());
#endif
	assert_int_equal(machine_build_measures(), strcmp(machine_build(), "release") == 0);
	assert_true(strcmp(commit, "unknown") == 0 ||
	            (digits >= 12 && (!commit[digits] || strcmp(commit + digits, "-dirty") == 0)));
	assert_true(machine_version()[0] >= '0' && machine_version()[0] <= '9');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_member_is_there),
	        cmocka_unit_test(the_build_says_what_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
