/* compare_fixture.h - invented results to compare, and what comes out; each fails the test. */
#ifndef ATREST_TESTS_COMPARE_FIXTURE_H
#define ATREST_TESTS_COMPARE_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "harness/analysis/compare.h"
#include "tests/unit/synthetic.h"

#define CELLS_ALL 8 /* of the quick suite */

extern const struct synthetic_noise fixture_quiet;
extern const struct compare_options fixture_five; /* points, between BASE and NEW */

/* Cells of the quick suite from the first on; aes of one of them costs so much more, ns. */
void fixture_make(struct samples *s, size_t first, size_t count, struct synthetic_noise noise,
                  uint64_t seed, size_t dearer, double added_ns);
/* Two such runs of the same cells on a quiet machine, with that seed and the next one; in b aes of
 * one cell is dearer. */
void fixture_pair(struct samples *a, struct samples *b, size_t first, size_t count, uint64_t seed,
                  size_t dearer, double added_ns);
void fixture_free(struct samples *a, struct samples *b, struct comparison *c);
/* Removes the rows that are of the arm (NULL: all) of the workload, of the round unless -1. */
void fixture_drop(struct samples *s, const char *workload, const char *arm, int round);

/* Compares against five points; the caller frees c. */
void fixture_compare(const struct samples *a, const struct samples *b, struct comparison *c);
const struct compare_row *fixture_row(const struct comparison *c, const char *workload,
                                      const char *arm, const char *metric);
/* Compares and expects nothing but problems, one of which is of this fault and says so. */
void fixture_refuses(struct samples *a, struct samples *b, enum compare_fault fault,
                     const char *says);

#endif
