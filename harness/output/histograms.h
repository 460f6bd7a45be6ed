/* histograms.h - every latency that a run recorded, kept.
 *
 *   DIR/histograms.csv        a row per slice and kind, appended as the run goes: the buckets of
 *                             histogram.h as text. It has no last line: each row is held against
 *                             the count of its slice in samples.csv
 *   DIR/histograms/NAME.hgrm  made of it, one per cell, arm and kind over the slices that are
 *                             valid: the text that plotters of HdrHistogram read, values in
 *                             nanoseconds
 *
 * NAME is WORKLOAD-TARGET-ARM-KIND, of servers WORKLOAD-TARGET-VERSION-ARM-KIND; KIND is latency
 * or, of an open loop, response too.
 */
#ifndef ATREST_HARNESS_OUTPUT_HISTOGRAMS_H
#define ATREST_HARNESS_OUTPUT_HISTOGRAMS_H

#include "harness/output/samples.h"

#define HISTOGRAMS_SCHEMA         "atrest-histograms"
#define HISTOGRAMS_SCHEMA_VERSION 1

/* Writing, by the run. */
struct histograms_writer;
/* Appends to what is there; a last line that was cut is taken off first. 0, or -errno. */
int histograms_writer_open(const char *path, struct histograms_writer **out);
/* latency, response: texts of histogram_format, "" = none. 0, or -errno: no row, or a whole one. */
int histograms_writer_add(struct histograms_writer *w, const struct sample *row,
                          const char *latency, const char *response);
/* What was added is on the disk. 0, or -errno. */
int histograms_writer_sync(struct histograms_writer *w);
int histograms_writer_close(struct histograms_writer *w); /* NULL allowed. 0, or -errno */

/* Makes DIR/histograms of DIR/histograms.csv; without that there is none, which is fine. A slice
 * whose row is missing or counts otherwise is left out, and its file says of how many slices it
 * is. 0; or -errno and error has one line (-EBADMSG: malformed; -EIO: of another version, or it
 * cannot be read). */
int histograms_export(const char *dir, const struct samples *samples, char error[512]);

#endif
