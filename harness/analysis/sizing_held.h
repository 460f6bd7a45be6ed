/* sizing_held.h - workloads of a run that were held out, and what its others say of them. Pure
 * functions of rows.
 *
 * Each round is predicted from its own rows, and predicted over measured is one value a round: a
 * machine that is slower for a while is slower for both, and that cancels. What was measured in
 * two runs, one after the other, would be as far off as the machine has changed meanwhile. Rounds
 * that lack some of the points that the run as a whole has are passed over.
 */
#ifndef ATREST_HARNESS_ANALYSIS_SIZING_HELD_H
#define ATREST_HARNESS_ANALYSIS_SIZING_HELD_H

#include "harness/analysis/sizing.h"

/* Rows of the named workloads, and the others. 0, or -1: memory. Both are freed by the caller. */
int sizing_held_split(const struct samples *all, const char *const *names, size_t count,
                      struct samples *held, struct samples *rest);

/* A valid row of the store or a server whose cost can be predicted: publish and open cells. */
int sizing_held_is_counted(const struct sample *row);
/* Same workload, target and cipher. */
int sizing_held_is_same(const struct sample *a, const struct sample *b);

/* The rows that predict this one: its target, its policy. Borrows the row's texts. */
struct sizing_choice sizing_held_choice(const struct sample *row,
                                        double (*last_bytes)(const struct sample *row));

/* What is predicted: the cell of the row, its messages (of an open cell those that are opened), the
 * bytes of their blocks. */
struct sizing_held {
	const struct sample *row;
	const struct sizing_choice *choice; /* sizing_held_choice() of it */
	const struct sizing_size *mix;
	size_t mix_count;
	double blk_bytes, last_bytes;
};

/* Of the same rounds. All NaN: no round has both. */
struct sizing_held_off {
	struct stats_interval predicted, measured; /* ns: CPU of a message, or of an opening */
	struct stats_interval ratio;               /* predicted over measured */
};

/* all: the costs that the rest has as a whole (sizing_make of the row's choice). 0, or -1: memory.
 */
int sizing_held_off(const struct samples *held, const struct samples *rest,
                    const struct sizing *all, const struct sizing_held *what,
                    struct sizing_held_off *out);

#endif
