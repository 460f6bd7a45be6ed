/* test_size_text.c - figures of a plan at every size: no exponent, no "-0.00", no row of zeros. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "cli/size_text.h"

static void counts_have_groups_and_no_exponent(void **state)
{
	static const struct {
		double n;
		const char *text;
	} cases[] = {
	        {0, "0"},
	        {0.0288, "0.0288"},
	        {0.00001234, "0.000012"},
	        {2.569, "2.57"},
	        {20.49, "20.5"},
	        {128.4, "128"},
	        {999, "999"},
	        {1000, "1,000"},
	        {-1234, "-1,234"},
	        {-123, "-123"},
	        {12393452, "12,393,452"},
	        {4e10, "40,000,000,000"},
	        {INFINITY, "-"},
	        {NAN, "-"},
	};
	char text[SIZE_TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(size_text_count(cases[i].n, text), cases[i].text);
}

static void intervals_show_two_digits_of_the_largest(void **state)
{
	static const struct {
		struct stats_interval v;
		double scale;
		const char *text;
	} cases[] = {
	        {{0.84, 0.76, 0.9}, 1, "0.84 [0.76, 0.90]"},
	        {{10160, 9270, 11020}, 1e-3, "10.16 [9.27, 11.02]"},
	        {{0.006, -0.015, 0.028}, 1, "0.006 [-0.015, 0.028]"},
	        {{0.1, -0.001, 0.2}, 1, "0.10 [0.00, 0.20]"},
	        {{-0.001, -0.2, 0.2}, 1, "0.00 [-0.20, 0.20]"},
	        {{0.0012, 0.001, 0.0014}, 1, "0.0012 [0.0010, 0.0014]"},
	        {{0.00001, -0.00002, 0.00003}, 1, "< 0.0001"},
	        {{0, 0, 0}, 1, "0.00 [0.00, 0.00]"},
	        {{0.5, NAN, NAN}, 1, "0.50"},
	        {{NAN, NAN, NAN}, 1, "-"},
	};
	char text[SIZE_TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(size_text_interval(cases[i].v, cases[i].scale, text),
		                    cases[i].text);
}

static void times_are_written_as_demands_are(void **state)
{
	static const struct {
		double seconds;
		const char *text;
	} cases[] = {{0.05, "0.05s"}, {52.43, "52.4s"}, {100, "1.67m"},
	             {43200, "12h"},  {604800, "7d"},   {8.64e9, "100000d"}};
	char text[SIZE_TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(size_text_time(cases[i].seconds, text), cases[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(counts_have_groups_and_no_exponent),
	        cmocka_unit_test(intervals_show_two_digits_of_the_largest),
	        cmocka_unit_test(times_are_written_as_demands_are),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
