/* page_inner.h - what the files of the page share. Each function writes a section, or nothing when
 * there is nothing to say. Everything that comes from a file goes through table_html_text.
 */
#ifndef ATREST_HARNESS_OUTPUT_PAGE_INNER_H
#define ATREST_HARNESS_OUTPUT_PAGE_INNER_H

#include "harness/analysis/summary.h"
#include "harness/analysis/transfer.h"
#include "harness/output/samples.h"

#include <jansson.h>
#include <stdio.h>

struct page {
	FILE *out;
	const char *dir;       /* of the run */
	const json_t *machine; /* machine.json; NULL: there is none that can be read */
	const struct samples *samples;
	const struct summary *summary;
	const struct transfer *transfer;
};

/* Below its figure: predicted, measured, error, floor; and what does not carry over. */
void page_put_transfer(struct page *p);
/* From start to JetStream ready, of servers. */
void page_put_restarts(struct page *p);
/* The proofs of a selftest, where the folder has some. */
void page_put_selftest(struct page *p);
/* What the numbers mean: of what they are percentages, noise, caveats. */
void page_put_meaning(struct page *p);

#endif
