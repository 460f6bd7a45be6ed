/* options.c - getopt_long over a command's table; the value parsers. */
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/help.h"

#define OPTIONS_MAX 64

/* Each kind's words for "expected ...". */
static const char *const expected[] = {
        [OPTION_FLAG] = "no value",
        [OPTION_TEXT] = "text",
        [OPTION_SECRET] = "it once",
        [OPTION_U64] = "a whole number",
        [OPTION_BYTES] = "a size such as 4096, 64k, 2m or 1g",
        [OPTION_DURATION] = "a duration such as 250ms, 2m or 1h",
        [OPTION_PERCENT] = "a percentage such as 2%",
        [OPTION_LIST] = "text",
};

static void message(const char *label, const char *colour, const char *format, va_list args)
{
	int coloured = isatty(STDERR_FILENO) && getenv("NO_COLOR") == NULL;

	fprintf(stderr, "%s%s:%s ", coloured ? colour : "", label, coloured ? "\033[0m" : "");
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

int complain(enum exit_code code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	message("error", "\033[31m", format, args);
	va_end(args);
	return (int)code;
}

void warn_line(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	message("warning", "\033[33m", format, args);
	va_end(args);
}

int options_u64(const char *text, uint64_t *out)
{
	char *end;
	unsigned long long v;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0')
		return -1;
	*out = v;
	return 0;
}

/* A number directly followed by one of the units; the product must fit. */
static int number_with_unit(const char *text, const char *const *units, const uint64_t *factors,
                            uint64_t *out)
{
	char *end;
	double v;

	if ((*text < '0' || *text > '9') || text[1] == 'x' || text[1] == 'X')
		return -1;
	errno = 0;
	v = strtod(text, &end);
	if (errno != 0)
		return -1;
	for (size_t i = 0; units[i]; i++) {
		if (strcmp(end, units[i]) != 0)
			continue;
		/* Whole numbers stay exact: a double holds 53 bits only. */
		if (memchr(text, '.', (size_t)(end - text)) == NULL) {
			unsigned long long whole = strtoull(text, &end, 10);

			if (errno != 0 || strcmp(end, units[i]) != 0 ||
			    __builtin_mul_overflow(whole, factors[i], out))
				return -1;
			return 0;
		}
		v *= (double)factors[i];
		if (!(v < 9.0e18))
			return -1;
		*out = (uint64_t)llround(v);
		return 0;
	}
	return -1;
}

int options_bytes(const char *text, uint64_t *out)
{
	static const char *const units[] = {"", "k", "m", "g", "K", "M", "G", NULL};
	static const uint64_t factors[] = {1, 1 << 10, 1 << 20, 1 << 30, 1 << 10, 1 << 20, 1 << 30};

	return number_with_unit(text, units, factors, out);
}

int options_duration_ns(const char *text, uint64_t *out)
{
	static const char *const units[] = {"ns", "us", "ms", "s", "m", "h", NULL};
	static const uint64_t factors[] = {1,
	                                   UINT64_C(1000),
	                                   UINT64_C(1000000),
	                                   UINT64_C(1000000000),
	                                   UINT64_C(60000000000),
	                                   UINT64_C(3600000000000)};

	return number_with_unit(text, units, factors, out);
}

int options_percent(const char *text, double *out)
{
	char *end;
	double v;

	if (*text < '0' || *text > '9' || text[1] == 'x' || text[1] == 'X')
		return -1;
	v = strtod(text, &end);
	if (*end == '%')
		end++;
	if (*end != '\0' || !(v <= 100.0))
		return -1;
	*out = v;
	return 0;
}

static int store_value(const struct option_spec *o, char *text, void *values)
{
	void *field = (char *)values + o->offset;
	struct option_list *list;

	switch (o->kind) {
	case OPTION_FLAG:
		*(int *)field = 1;
		return 0;
	case OPTION_TEXT:
	case OPTION_SECRET:
		*(const char **)field = text;
		return 0;
	case OPTION_U64:
		return options_u64(text, field);
	case OPTION_BYTES:
		return options_bytes(text, field);
	case OPTION_DURATION:
		return options_duration_ns(text, field);
	case OPTION_PERCENT:
		return options_percent(text, field);
	case OPTION_LIST:
		list = field;
		if (list->count == OPTION_LIST_MAX)
			return -1;
		list->value[list->count++] = text;
		return 0;
	}
	return -1;
}

static int is_repeated(const struct option_spec *o, const void *values)
{
	const char *field = (const char *)values + o->offset;

	return o->kind == OPTION_SECRET && *(const char *const *)(const void *)field != NULL;
}

/* Edit distance of short words; rows of the usual table, one kept. */
static size_t distance(const char *a, const char *b)
{
	size_t row[64], n = strlen(b);

	if (n >= 64 || strlen(a) >= 64)
		return 64;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[n];
}

static int complain_unknown(const struct command *command, const char *word)
{
	const char *nearest = NULL;
	size_t best = 4;
	char name[64];
	size_t n = strcspn(word, "=");

	if (strncmp(word, "--", 2) != 0 || n >= sizeof name)
		return complain(EXIT_USAGE, "atrest %s: unknown option '%s'; see atrest %s --help",
		                command->name, word, command->name);
	memcpy(name, word + 2, n - 2);
	name[n - 2] = '\0';
	/* Half of a short word is too much for a slip. */
	if (n - 2 < 6)
		best = (n - 2) / 2 + 1;
	for (const struct option_spec *o = command->options; o && o->name; o++) {
		size_t d = distance(name, o->name);

		if (o->help != NULL && d < best) {
			best = d;
			nearest = o->name;
		}
	}
	return complain(EXIT_USAGE, "atrest %s: unknown option '--%s'%s%s%s; see atrest %s --help",
	                command->name, name, nearest ? ", did you mean '--" : "",
	                nearest ? nearest : "", nearest ? "'?" : "", command->name);
}

/* The getopt tables of a command: long names, and the letters as "ab:c:". */
static size_t build_tables(const struct command *command, struct option *longs, char *letters)
{
	size_t count = 0;

	*letters++ = ':'; /* a missing value is told apart from an unknown option */
	for (const struct option_spec *o = command->options; o && o->name; o++) {
		longs[count].name = o->name;
		longs[count].has_arg = o->kind == OPTION_FLAG ? no_argument : required_argument;
		longs[count].val = 256 + (int)count;
		count++;
		if (o->letter) {
			*letters++ = o->letter;
			if (o->kind != OPTION_FLAG)
				*letters++ = ':';
		}
	}
	longs[count].name = "help";
	longs[count].val = 'h';
	*letters++ = 'h';
	*letters = '\0';
	return count;
}

static const struct option_spec *spec_of(const struct command *command, int c)
{
	if (c >= 256)
		return &command->options[c - 256];
	for (const struct option_spec *o = command->options; o && o->name; o++)
		if (o->letter == c)
			return o;
	return NULL;
}

/* The first word that begins with "--" and is no whole option name, or NULL. getopt_long would take
 * an abbreviation: "--key SECRET" must not become a file name in an error message. */
static const char *abbreviated(const struct option *longs, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];
		size_t n = strcspn(word, "=");
		int known = 0;

		if (strcmp(word, "--") == 0)
			return NULL;
		if (strncmp(word, "--", 2) != 0)
			continue;
		for (const struct option *o = longs; o->name != NULL && !known; o++)
			known = strlen(o->name) == n - 2 && strncmp(o->name, word + 2, n - 2) == 0;
		if (!known)
			return word;
	}
	return NULL;
}

int options_parse(const struct command *command, int argc, char **argv, void *values, int *first)
{
	struct option longs[OPTIONS_MAX + 2] = {0};
	char letters[2 * OPTIONS_MAX + 4];
	size_t positional;
	const char *word;
	int c;

	build_tables(command, longs, letters);
	word = abbreviated(longs, argc, argv);
	if (word != NULL)
		return complain_unknown(command, word);
	optind = 0; /* start over, for GNU getopt */
	opterr = 0;
	while ((c = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const struct option_spec *o;

		if (c == 'h') {
			help_command(stdout, command);
			return EXIT_FINE;
		}
		if (c == ':')
			return complain(EXIT_USAGE, "atrest %s: '%s' needs a value", command->name,
			                argv[optind - 1]);
		o = c == '?' ? NULL : spec_of(command, c);
		if (o == NULL)
			return complain_unknown(command, argv[optind - 1]);
		if (is_repeated(o, values))
			return complain(EXIT_USAGE,
			                "atrest %s: --%s: found twice, expected it once",
			                command->name, o->name);
		if (store_value(o, optarg, values) != 0)
			return complain(EXIT_USAGE, "atrest %s: --%s: found '%s', expected %s",
			                command->name, o->name, optarg, expected[o->kind]);
	}
	positional = (size_t)(argc - optind);
	if (positional < command->arguments_min || positional > command->arguments_max)
		return complain(EXIT_USAGE, "atrest %s: found %zu argument%s, expected %s",
		                command->name, positional, positional == 1 ? "" : "s",
		                command->arguments ? command->arguments : "none");
	*first = optind;
	return OPTIONS_GO_ON;
}
