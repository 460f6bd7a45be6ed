/* test_options.c - the option tables: what is accepted, what is refused, and in which words. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"

const struct command *const commands[] = {NULL};

struct values {
	int quick;
	uint64_t seed, size, wait_ns;
	double precision;
	const char *label, *password;
	struct option_list sets;
};

static const struct option_spec specs[] = {
        {"quick", 'q', OPTION_FLAG, NULL, "fast", offsetof(struct values, quick)},
        {"seed", 0, OPTION_U64, "N", "seed", offsetof(struct values, seed)},
        {"size", 0, OPTION_BYTES, "BYTES", "size", offsetof(struct values, size)},
        {"wait", 'w', OPTION_DURATION, "TIME", "wait", offsetof(struct values, wait_ns)},
        {"precision", 0, OPTION_PERCENT, "P", "width", offsetof(struct values, precision)},
        {"label", 0, OPTION_TEXT, "NAME", "label", offsetof(struct values, label)},
        {"password", 0, OPTION_SECRET, "TEXT", "password", offsetof(struct values, password)},
        {"set", 0, OPTION_LIST, "K=V", "set", offsetof(struct values, sets)},
        {0},
};

static const struct command command = {.name = "try",
                                       .arguments = "[FILE]",
                                       .summary = "tries",
                                       .options = specs,
                                       .arguments_min = 0,
                                       .arguments_max = 1};

/* Parses a NULL-terminated list of words; what goes to stderr comes back in said. */
static int parse(struct values *v, int *first, char *said, size_t said_bytes, char **words)
{
	int result;
	FILE *capture = tmpfile();
	int saved = dup(STDERR_FILENO), argc = 0;
	size_t n;

	while (words[argc])
		argc++;
	fflush(stderr);
	dup2(fileno(capture), STDERR_FILENO);
	memset(v, 0, sizeof *v);
	result = options_parse(&command, argc, words, v, first);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(capture);
	n = fread(said, 1, said_bytes - 1, capture);
	said[n] = '\0';
	fclose(capture);
	return result;
}

#define PARSE(...) parse(&v, &first, said, sizeof said, (char *[]){"try", __VA_ARGS__, NULL})

static void every_kind_is_read(void **state)
{
	struct values v;
	char said[512];
	int first;

	(void)state;
	assert_int_equal(PARSE("--seed", "18446744073709551615", "-q", "f.ini", "--size=64k", "-w",
	                       "1.5ms", "--precision", "2%", "--set", "a=1", "--set=b=2", "--label",
	                       "x"),
	                 OPTIONS_GO_ON);
	assert_int_equal(v.quick, 1);
	assert_true(v.seed == UINT64_MAX);
	assert_int_equal(v.size, 65536);
	assert_int_equal(v.wait_ns, 1500000);
	assert_true(v.precision == 2.0);
	assert_string_equal(v.label, "x");
	assert_int_equal(v.sets.count, 2);
	assert_string_equal(v.sets.value[1], "b=2");
	assert_int_equal(first, 14);
	assert_string_equal(said, "");
}

/* However it is spelled; and no value is shown. */
static void a_secret_is_taken_once(void **state)
{
	struct values v;
	char said[512];
	int first;

	(void)state;
	assert_int_equal(PARSE("--password", "first"), OPTIONS_GO_ON);
	assert_string_equal(v.password, "first");
	assert_int_equal(PARSE("--password", "first", "--password=second"), EXIT_USAGE);
	assert_non_null(strstr(said, "--password: found twice, expected it once"));
	assert_null(strstr(said, "first"));
	assert_null(strstr(said, "second"));
	assert_int_equal(PARSE("--label", "a", "--label", "b"), OPTIONS_GO_ON);
	assert_string_equal(v.label, "b");
}

static void bad_values_name_option_found_and_expected(void **state)
{
	static char *const bad[][2] = {
	        {"--seed", "-1"},       {"--seed", ""},         {"--seed", "18446744073709551616"},
	        {"--seed", "1x"},       {"--size", "1q"},       {"--size", "nan"},
	        {"--size", "0x10"},     {"--size", "-5k"},      {"--size", "99999999999999999999g"},
	        {"--wait", "5"},        {"--wait", "inf"},      {"--wait", "5 s"},
	        {"--precision", "101"}, {"--precision", "2%%"}, {"--precision", "nan"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct values v;
		char said[512], quoted[64];
		int first;

		assert_int_equal(PARSE(bad[i][0], bad[i][1]), EXIT_USAGE);
		snprintf(quoted, sizeof quoted, "%s: found '%s', expected ", bad[i][0], bad[i][1]);
		assert_non_null(strstr(said, quoted));
	}
}

static void unknown_option_suggests_the_nearest(void **state)
{
	struct values v;
	char said[512];
	int first;

	(void)state;
	assert_int_equal(PARSE("--lable", "x"), EXIT_USAGE);
	assert_non_null(strstr(said, "'--lable', did you mean '--label'?"));
	assert_int_equal(PARSE("--lab", "x"), EXIT_USAGE); /* no abbreviations */
	assert_non_null(strstr(said, "unknown option '--lab'"));
	assert_null(strstr(said, "'x'"));
	assert_int_equal(PARSE("-z"), EXIT_USAGE);
	assert_non_null(strstr(said, "unknown option '-z'"));
	assert_int_equal(PARSE("--seed"), EXIT_USAGE);
	assert_non_null(strstr(said, "'--seed' needs a value"));
}

static void help_ends_the_command(void **state)
{
	struct values v;
	char said[512];
	int first;

	(void)state;
	assert_int_equal(PARSE("--seed", "1", "--help", "--seed", "x"), EXIT_FINE);
	assert_string_equal(said, "");
}

static void too_many_arguments_are_refused(void **state)
{
	struct values v;
	char said[512];
	int first;

	(void)state;
	assert_int_equal(PARSE("a", "b"), EXIT_USAGE);
	assert_non_null(strstr(said, "found 2 arguments, expected [FILE]"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_kind_is_read),
	        cmocka_unit_test(a_secret_is_taken_once),
	        cmocka_unit_test(bad_values_name_option_found_and_expected),
	        cmocka_unit_test(unknown_option_suggests_the_nearest),
	        cmocka_unit_test(help_ends_the_command),
	        cmocka_unit_test(too_many_arguments_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
