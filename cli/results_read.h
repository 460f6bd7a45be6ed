/* results_read.h - the samples of a folder of results, for the commands that take one. */
#ifndef ATREST_CLI_RESULTS_READ_H
#define ATREST_CLI_RESULTS_READ_H

#include "harness/output/samples.h"

/* DIR/samples.csv. EXIT_FINE; or a code and error (no such folder, malformed: EXIT_USAGE; another
 * schema version: EXIT_SYSTEM), *out is then empty. One without its trailer is fine here:
 * out->complete tells. */
int results_load(const char *dir, struct samples *out, char error[512]);

/* The same, for those that need rows (none: EXIT_USAGE); it has printed the error. */
int results_read(const char *dir, struct samples *out);

/* Makes DIR/histograms (histograms.h). EXIT_FINE; or it has printed what is wrong: with
 * histograms.csv EXIT_USAGE, with writing EXIT_SYSTEM. */
int results_histograms(const char *dir, const struct samples *samples);

/* 1: both names are of one folder. */
int results_same(const char *a, const char *b);

#endif
