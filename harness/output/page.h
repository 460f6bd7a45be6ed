/* page.h - report.html: one self-contained file that opens with the sentence.
 */
#ifndef ATREST_HARNESS_OUTPUT_PAGE_H
#define ATREST_HARNESS_OUTPUT_PAGE_H

#include "harness/analysis/summary.h"
#include "harness/output/figures.h"
#include "harness/output/samples.h"

/* Writes DIR/summary.csv, DIR/transfer.csv, DIR/plots and DIR/report.html from the samples, and
 * from DIR/machine.json when it is there. A figure that is missing leaves a note in its place.
 * Returns 0, or -errno of what could not be written; *drawn says how the figures went. error has
 * one line when the result or *drawn is not 0. */
int page_make(const char *dir, const struct samples *samples, const struct summary *s,
              enum figures_result *drawn, char error[512]);

#endif
