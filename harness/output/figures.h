/* figures.h - draws a summary: gnuplot on plots/FIGURE.gp, once as SVG and once as PNG.
 *
 * The scripts are taken from the source tree, or from share/atrest of an installation; they read
 * DIR/summary.csv and nothing else.
 */
#ifndef ATREST_HARNESS_OUTPUT_FIGURES_H
#define ATREST_HARNESS_OUTPUT_FIGURES_H

#include "harness/analysis/summary.h"

struct figure {
	const char *name; /* plots/NAME.gp, DIR/plots/NAME.svg */
	const char *title;
	const char *caption; /* what is drawn and how to read it */
	int by_class;        /* of a summary with several classes alone */
};

/* In the order of the page; name NULL ends. */
extern const struct figure figures[];

/* 1 when it says something of this summary. */
int figures_apply(const struct figure *figure, const struct summary *s);

enum figures_result {
	FIGURES_OK,
	FIGURES_NO_GNUPLOT, /* not installed, or its scripts are not found */
	FIGURES_FAILED      /* gnuplot ran and failed, or the folder cannot be written */
};

/* Draws all that apply to DIR/plots/; older ones are removed first, so that none of another summary
 * stays. Goes on after a figure that fails. error has one line. */
enum figures_result figures_draw(const char *dir, const struct summary *s, char error[512]);

#endif
