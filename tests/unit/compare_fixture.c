/* compare_fixture.c - see compare_fixture.h. */
#include "tests/unit/compare_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

const struct synthetic_noise fixture_quiet = {0.05, 0.012, 0};
const struct compare_options fixture_five = {5, "BASE", "NEW"};

void fixture_make(struct samples *s, size_t first, size_t count, struct synthetic_noise noise,
                  uint64_t seed, size_t dearer, double added_ns)
{
	struct synthetic_cell cells[CELLS_ALL];

	memcpy(cells, synthetic_quick, sizeof(cells));
	cells[dearer].aes_ns += added_ns;
	memset(s, 0, sizeof(*s));
	synthetic_add(s, cells + first, count, noise, seed);
	/* Percentiles take the longest, and nobody asks for them here. */
	for (size_t i = 0; i < s->count; i++) {
		struct sample *row = &s->rows[i];
		row->latency_p50_ns = row->latency_p99_ns = row->latency_p999_ns = 0;
	}
}

void fixture_pair(struct samples *a, struct samples *b, size_t first, size_t count, uint64_t seed,
                  size_t dearer, double added_ns)
{
	fixture_make(a, first, count, fixture_quiet, seed, 0, 0);
	fixture_make(b, first, count, fixture_quiet, seed + 1, dearer, added_ns);
}

void fixture_free(struct samples *a, struct samples *b, struct comparison *c)
{
	comparison_free(c);
	samples_free(a);
	samples_free(b);
}

void fixture_compare(const struct samples *a, const struct samples *b, struct comparison *c)
{
	assert_int_equal(compare_results(a, b, &fixture_five, c), 0);
}

const struct compare_row *fixture_row(const struct comparison *c, const char *workload,
                                      const char *arm, const char *metric)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->rows[i].workload, workload) == 0 &&
		    strcmp(c->rows[i].arm, arm) == 0 && strcmp(c->rows[i].metric, metric) == 0)
			return &c->rows[i];
	fail_msg("no row %s %s %s", workload, arm, metric);
	return NULL;
}

void fixture_refuses(struct samples *a, struct samples *b, enum compare_fault fault,
                     const char *says)
{
	struct comparison c;
	int found = 0;

	fixture_compare(a, b, &c);
	assert_true(compare_has_problem(&c, 1));
	for (size_t i = 0; i < c.problem_count; i++)
		found |= c.problems[i].fault == fault && strstr(c.problems[i].text, says) != NULL;
	if (!found)
		fail_msg("\"%s\" is not among: %s", says, c.problems[0].text);
	comparison_free(&c);
}

void fixture_drop(struct samples *s, const char *workload, const char *arm, int round)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct sample *row = &s->rows[i];
		if (strcmp(row->workload, workload) == 0 &&
		    (arm == NULL || strcmp(row->arm, arm) == 0) &&
		    (round < 0 || row->round == (uint64_t)round))
			continue;
		s->rows[kept++] = *row;
	}
	s->count = kept;
}
