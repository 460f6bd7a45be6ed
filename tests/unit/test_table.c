/* test_table.c - alignment by places on the screen, JSON with types, HTML without markup of the
 * data, numbers for people.
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

#include "harness/output/table.h"

static struct table *small(void)
{
	struct table *t = table_new();
	table_column(t, "name", NULL, TABLE_LEFT);
	table_column(t, "ns", "time", TABLE_RIGHT);
	table_row(t);
	table_text(t, "µs");
	table_real(t, 1.25, 1);
	table_shown(t, "1.25 µs");
	table_row(t);
	table_format(t, "%s-%d", "abc", 7);
	table_u64(t, 12);
	table_colored(t, TABLE_RED);
	table_row(t);
	table_text(t, "<b>&\"'");
	table_real(t, NAN, 2);
	table_row(t);
	return t;
}

static char *written(int (*write)(const struct table *, FILE *), const struct table *t)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	assert_non_null(out);
	assert_int_equal(write(t, out), 0);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void text_is_aligned_by_characters_not_bytes(void **state)
{
	(void)state;
	struct table *t = small();
	char *text = written(table_print, t);
	assert_string_equal(text, "name       time\n"
	                          "µs      1.25 µs\n"
	                          "abc-7        12\n"
	                          "<b>&\"'        -\n"
	                          "               \n");
	free(text);
	table_free(t);
}

static void json_keeps_types_and_full_values(void **state)
{
	(void)state;
	struct table *t = small();
	char *text = written(table_json, t);
	json_t *rows = json_loads(text, 0, NULL);
	assert_int_equal(json_array_size(rows), 4);
	json_t *row = json_array_get(rows, 0);
	assert_string_equal(json_string_value(json_object_get(row, "name")), "µs");
	assert_true(json_real_value(json_object_get(row, "ns")) == 1.25);
	row = json_array_get(rows, 1);
	assert_int_equal(json_integer_value(json_object_get(row, "ns")), 12);
	row = json_array_get(rows, 2);
	assert_true(json_is_null(json_object_get(row, "ns")));
	assert_true(json_is_null(json_object_get(json_array_get(rows, 3), "name")));
	json_decref(rows);
	free(text);
	table_free(t);
}

static void empty_table_is_an_empty_array(void **state)
{
	(void)state;
	struct table *t = table_new();
	table_column(t, "a", NULL, TABLE_LEFT);
	char *text = written(table_json, t);
	assert_string_equal(text, "[]\n");
	free(text);
	table_free(t);
}

static void html_escapes_what_it_is_given(void **state)
{
	(void)state;
	struct table *t = small();
	char *text = written(table_html, t);
	assert_non_null(strstr(text, "<td>&lt;b&gt;&amp;&quot;&#39;</td>"));
	assert_null(strstr(text, "<b>"));
	assert_non_null(strstr(text, "<th class=r>time</th>"));
	free(text);
	table_free(t);
}

static void what_does_not_fit_is_left_out(void **state)
{
	(void)state;
	struct table *t = table_new();
	table_text(t, "no row yet");
	for (int i = 0; i < TABLE_COLUMNS_MAX + 3; i++)
		table_column(t, "c", NULL, TABLE_LEFT);
	table_row(t);
	for (int i = 0; i < TABLE_COLUMNS_MAX + 3; i++)
		table_text(t, "x");
	char *text = written(table_print, t);
	size_t cells = 0;
	for (char *c = text; *c != '\0'; c++)
		cells += *c == 'x';
	assert_int_equal(cells, TABLE_COLUMNS_MAX);
	free(text);
	table_free(t);
	table_free(NULL);
	assert_int_equal(table_print(NULL, stdout), -1);
}

static void numbers_have_three_digits_and_a_unit(void **state)
{
	static const struct {
		double value;
		const char *ns, *count;
	} numbers[] = {{0, "0 ns", "0"},
	               {842, "842 ns", "842"},
	               {1.5, "1.50 ns", "1.50"},
	               {999.4, "999 ns", "999"},
	               {999.6, "1.00 µs", "1.00 k"},
	               {12345, "12.3 µs", "12.3 k"},
	               {-1240, "-1.24 µs", "-1.24 k"},
	               {3.1e6, "3.10 ms", "3.10 M"},
	               {2e9, "2.00 s", "2.00 G"},
	               {NAN, "-", "-"}};
	char text[TABLE_NUMBER_BYTES];
	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		assert_string_equal(table_ns(numbers[i].value, text), numbers[i].ns);
		assert_string_equal(table_count(numbers[i].value, text), numbers[i].count);
	}
}

static void bytes_are_exact_where_they_can_be(void **state)
{
	static const struct {
		double value;
		const char *text;
	} sizes[] = {{0, "0 B"},
	             {64, "64 B"},
	             {1023, "1023 B"},
	             {1024, "1 KiB"},
	             {1536, "1.50 KiB"},
	             {65536, "64 KiB"},
	             {262144, "256 KiB"},
	             {1048576, "1 MiB"},
	             {24683620.0 * 1024, "23.5 GiB"},
	             {1073741824.0 * 8, "8 GiB"}};
	char text[TABLE_NUMBER_BYTES];
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_string_equal(table_bytes(sizes[i].value, text), sizes[i].text);
}

static void pipes_and_no_color_stay_plain(void **state)
{
	(void)state;
	FILE *out = tmpfile();
	assert_non_null(out);
	assert_false(table_colors(out));
	fclose(out);
	setenv("NO_COLOR", "1", 1);
	assert_false(table_colors(stdout));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(text_is_aligned_by_characters_not_bytes),
	        cmocka_unit_test(json_keeps_types_and_full_values),
	        cmocka_unit_test(empty_table_is_an_empty_array),
	        cmocka_unit_test(html_escapes_what_it_is_given),
	        cmocka_unit_test(what_does_not_fit_is_left_out),
	        cmocka_unit_test(numbers_have_three_digits_and_a_unit),
	        cmocka_unit_test(bytes_are_exact_where_they_can_be),
	        cmocka_unit_test(pipes_and_no_color_stay_plain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
