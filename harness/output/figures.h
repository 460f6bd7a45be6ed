/* figures.h - draws a summary: gnuplot on plots/FIGURE.gp, once as SVG and once as PNG.
 *
 * The scripts are taken from the source tree, or from share/atrest of an installation; each reads
 * DIR/summary.csv or DIR/transfer.csv and nothing else. Most figures hold every target and version;
 * one kind has a picture for each.
 */
#ifndef ATREST_HARNESS_OUTPUT_FIGURES_H
#define ATREST_HARNESS_OUTPUT_FIGURES_H

#include "harness/analysis/summary.h"

#define FIGURES_SUBJECTS_MAX 16 /* targets and versions, as in plots/style.gp */
#define FIGURES_NAME_BYTES   64

enum figure_kind {
	FIGURE_OF_ALL,      /* of every target and version that there is */
	FIGURE_OF_CLASSES,  /* a picture of each target and version with several classes */
	FIGURE_OF_BOTH,     /* where a workload was measured on a server and on the store */
	FIGURE_OF_TRANSFER, /* where a server has the two cells of transfer.h */
	FIGURE_OF_RATES     /* of every target and version with cells of an open loop */
};

struct figure {
	const char *name; /* plots/NAME.gp, DIR/plots/NAME.svg */
	const char *csv;  /* what it reads */
	enum figure_kind kind;
	const char *metric; /* of targets that have it; without one there is no picture */
	const char *title;
	const char *caption; /* what is drawn and how to read it */
};

/* In the order of the page; name NULL ends. */
extern const struct figure figures[];

/* The plaintext throughput row of the how manieth (from 1) target and version, as
 * headline_next_cell; NULL: there are not so many. Of open loops alone: what the first was offered.
 */
const struct summary_row *figures_subject(const struct summary *s, size_t number);

/* The name of the figure's picture of that target and version: NAME, or NAME-2 and so on. 0: there
 * is none, as of a summary without plaintext. A figure that is not of a single one has its picture
 * under number 1. */
int figures_picture(const struct figure *figure, const struct summary *s, size_t number,
                    char name[FIGURES_NAME_BYTES]);

enum figures_result {
	FIGURES_OK,
	FIGURES_NO_GNUPLOT, /* not installed, or its scripts are not found */
	FIGURES_FAILED      /* gnuplot ran and failed, or the folder cannot be written */
};

/* Draws every picture to DIR/plots/; older ones are removed first, so that none of another summary
 * stays. Goes on after a figure that fails. error has one line. */
enum figures_result figures_draw(const char *dir, const struct summary *s, char error[512]);

#endif
