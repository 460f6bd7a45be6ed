/* compare_output.h - a comparison as people and programs read it.
 *
 * Each writes to out as much as there is and returns 0, or -1: memory or a failed write. Where a
 * problem keeps anything from being concluded, all but the text say so in place of rows.
 */
#ifndef ATREST_HARNESS_OUTPUT_COMPARE_OUTPUT_H
#define ATREST_HARNESS_OUTPUT_COMPARE_OUTPUT_H

#include <stdio.h>

#include "harness/analysis/compare.h"
#include "harness/output/fingerprint.h"

/* What is told beside the rows. */
struct compare_context {
	const char *base, *new_; /* folders; of two programs the same */
	int common;              /* cells of one side alone are no problem */
	/* of the machines; differences only where that was allowed, else there is a problem */
	const struct fingerprint_facts *differences, *changed;
};

/* The verdict in one sentence; returns text. */
#define COMPARE_SENTENCE_BYTES 1024
const char *compare_sentence(const struct comparison *c, const struct compare_context *x,
                             char text[COMPARE_SENTENCE_BYTES]);

int compare_text(const struct comparison *c, const struct compare_context *x, FILE *out);
int compare_markdown(const struct comparison *c, const struct compare_context *x, FILE *out);
int compare_json(const struct comparison *c, const struct compare_context *x, FILE *out);
/* A test case per row: worse is a failure, inconclusive is skipped, a problem is an error. */
int compare_junit(const struct comparison *c, const struct compare_context *x, FILE *out);

/* Text that any of them may hold: what is not UTF-8 (a name cut in half) becomes question marks,
 * control characters blanks. Returns clean. */
#define COMPARE_CLEAN_BYTES 1024
const char *compare_clean(const char *text, char clean[COMPARE_CLEAN_BYTES]);

#endif
