/* rederive.h - do the files of a run say what its samples say?
 *
 *   samples -> summary, transfer -> text of summary.csv, transfer.csv  <-compared->  the files
 *           -> sentence, tables of the page, names of the pictures  <-looked for->  the files
 *
 * The texts are made by the functions that wrote the files, so nothing is worked out twice; the two
 * CSV files are all that a plot reads.
 */
#ifndef ATREST_HARNESS_OUTPUT_REDERIVE_H
#define ATREST_HARNESS_OUTPUT_REDERIVE_H

#include "harness/analysis/summary.h"
#include "harness/output/csv.h"

#include <stddef.h>
#include <stdint.h>

#define REDERIVE_TEXT_BYTES 256

struct rederive_difference {
	char file[64];                     /* "summary.csv", "plots/cpu.svg" */
	uint64_t line;                     /* from 1; 0: of the file as a whole */
	char row[2 * REDERIVE_TEXT_BYTES]; /* "publish-1k store aes time_ns_per_msg", or "" */
	char column[64];                   /* or "row", "sentence", "table of ...", "picture" */
	char found[REDERIVE_TEXT_BYTES];   /* cut where it is longer */
	char expected[REDERIVE_TEXT_BYTES];
};

struct rederive {
	struct rederive_difference *list; /* in the order of the files' lines */
	size_t count, capacity;
	uint64_t summary_rows, transfer_rows; /* that were found */
	uint64_t pictures;                    /* that are there */
	int page;                             /* there is a report.html */
	int page_pictures;                    /* with pictures in it */
};

/* Compares the folder with the summary of its samples. CSV_RESULT_OK: all files could be read, and
 * the list has what differs. Else error names the file and what is wrong with it; rows that could
 * be read were compared all the same. A page that is not there at all is no
 * difference, nor are plots where a page has none either: published folders leave them out. */
enum csv_result rederive_check(const char *dir, const struct summary *s, struct rederive *out,
                               char error[512]);
void rederive_free(struct rederive *r);

#endif
