/* test_stats_vectors.c - the statistics against another implementation: R's, on the data sets of
 * stats/stats.txt, each figure to 1e-9 of itself. stats/make.R made the file and says what is in
 * it and what is compared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/analysis/stats.h"

#define VECTORS    ATREST_SOURCE_DIR "/tests/vectors/stats/stats.txt"
#define VALUES_MAX 150
#define HOLM_MAX   32

struct values {
	size_t n;
	double v[VALUES_MAX];
};

struct vectors {
	FILE *file;
	char *line;
	size_t line_bytes;
	unsigned long number; /* of the line */
	char *next;           /* in it */
	char kind[16];
	double confidence, mu, margin;
	struct values x, y;
	double greater[HOLM_MAX]; /* ours, since the last holm line */
	size_t greater_count;
	size_t exact, tied, large, holm; /* how many were compared */
};

/* The next word of the line, NULL at its end. */
static const char *word(struct vectors *t)
{
	return strtok_r(NULL, " \n", &t->next);
}

static double number(struct vectors *t)
{
	const char *text = word(t);
	char *end;
	double value = text == NULL ? NAN : strtod(text, &end);
	if (text == NULL || end == text || *end != '\0')
		fail_msg("%s:%lu: not a number: %s", VECTORS, t->number, text ? text : "nothing");
	return value;
}

static void values(struct vectors *t, struct values *out)
{
	out->n = (size_t)number(t);
	assert_in_range(out->n, 1, VALUES_MAX);
	for (size_t i = 0; i < out->n; i++)
		out->v[i] = number(t);
}

/* "-" is not compared, "none" is no interval. */
static void compare(struct vectors *t, const char *what, double ours)
{
	const char *text = word(t);
	if (text == NULL)
		fail_msg("%s:%lu: no %s", VECTORS, t->number, what);
	if (strcmp(text, "-") == 0)
		return;
	if (strcmp(text, "none") == 0) {
		if (!isnan(ours))
			fail_msg("%s:%lu: %s is %.17g, there is none", VECTORS, t->number, what,
			         ours);
		return;
	}
	double theirs = strtod(text, NULL);
	if (!(fabs(ours - theirs) <= 1e-9 * fabs(theirs)))
		fail_msg("%s:%lu: %s is %.17g, should be %.17g", VECTORS, t->number, what, ours,
		         theirs);
}

static void compare_all(struct vectors *t, struct stats_interval interval, double greater,
                        double less)
{
	compare(t, "the estimate", interval.estimate);
	compare(t, "the low end", interval.low);
	compare(t, "the high end", interval.high);
	compare(t, "p", fmin(1, 2 * fmin(greater, less)));
	compare(t, "p of greater", greater);
	compare(t, "p of less", less);
	assert_null(word(t));
	if (strcmp(t->kind, "exact") == 0) {
		assert_in_range(t->greater_count, 0, HOLM_MAX - 1);
		t->greater[t->greater_count++] = greater;
	}
}

/* The other side of a test: all signs turned round. Of two samples exchanging them is the same,
 * but for rounding, which makes and breaks ties. */
static void mirror(const struct values *from, double out[VALUES_MAX])
{
	for (size_t i = 0; i < from->n; i++)
		out[i] = -from->v[i];
}

static void compare_one(struct vectors *t)
{
	double mirrored[VALUES_MAX];
	mirror(&t->x, mirrored);
	compare_all(t, stats_hodges_lehmann_at(t->x.v, t->x.n, t->confidence),
	            stats_signed_rank_p(t->x.v, t->x.n, t->mu),
	            stats_signed_rank_p(mirrored, t->x.n, -t->mu));
}

static void compare_two(struct vectors *t)
{
	struct values *x = &t->x;
	struct values *y = &t->y;
	double mirrored_x[VALUES_MAX], mirrored_y[VALUES_MAX];
	mirror(x, mirrored_x);
	mirror(y, mirrored_y);
	compare_all(t, stats_shift(x->v, x->n, y->v, y->n, t->confidence),
	            stats_shift_p(x->v, x->n, y->v, y->n, t->margin),
	            stats_shift_p(mirrored_x, x->n, mirrored_y, y->n, -t->margin));
	t->exact += strcmp(t->kind, "exact") == 0;
	t->tied += strcmp(t->kind, "tied") == 0;
	t->large += strcmp(t->kind, "large") == 0;
}

static void compare_holm(struct vectors *t)
{
	double adjusted[HOLM_MAX];
	assert_int_equal((size_t)number(t), t->greater_count);
	stats_holm(t->greater, t->greater_count, adjusted);
	for (size_t i = 0; i < t->greater_count; i++)
		compare(t, "the adjusted p", adjusted[i]);
	t->greater_count = 0;
	t->holm++;
}

static void one_line(struct vectors *t)
{
	const char *first = strtok_r(t->line, " \n", &t->next);
	if (first == NULL || first[0] == '#')
		return;
	if (strcmp(first, "set") == 0) {
		const char *kind = word(t);
		snprintf(t->kind, sizeof(t->kind), "%s", kind != NULL ? kind : "");
		t->confidence = number(t);
		t->mu = number(t);
		t->margin = number(t);
	} else if (strcmp(first, "x") == 0) {
		values(t, &t->x);
	} else if (strcmp(first, "y") == 0) {
		values(t, &t->y);
	} else if (strcmp(first, "one") == 0) {
		compare_one(t);
	} else if (strcmp(first, "two") == 0) {
		compare_two(t);
	} else if (strcmp(first, "holm") == 0) {
		compare_holm(t);
	} else {
		fail_msg("%s:%lu: unknown line: %s", VECTORS, t->number, first);
	}
}

static void every_figure_equals_that_of_r(void **state)
{
	struct vectors t = {.file = fopen(VECTORS, "re")};
	(void)state;
	assert_non_null(t.file);
	while (getline(&t.line, &t.line_bytes, t.file) > 0) {
		t.number++;
		one_line(&t);
	}
	fclose(t.file);
	free(t.line);
	print_message("compared: %zu exact, %zu tied, %zu large sets, %zu corrections\n", t.exact,
	              t.tied, t.large, t.holm);
	assert_int_equal(t.exact, 1000);
	assert_int_equal(t.tied, 50);
	assert_int_equal(t.large, 40);
	assert_int_equal(t.holm, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_figure_equals_that_of_r),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
