/* sizing_held.c - see sizing_held.h. */
#include "harness/analysis/sizing_held.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows ---- */

int sizing_held_split(const struct samples *all, const char *const *names, size_t count,
                      struct samples *held, struct samples *rest)
{
	for (size_t i = 0; i < all->count; i++) {
		size_t n = 0;

		while (n < count && strcmp(names[n], all->rows[i].workload) != 0)
			n++;
		if (samples_add(n < count ? held : rest, &all->rows[i]) != 0)
			return -1;
	}
	held->complete = rest->complete = all->complete;
	return 0;
}

int sizing_held_is_counted(const struct sample *row)
{
	return row->valid && row->cpu_ns > 0 && strcmp(row->arm, row->cipher) == 0 &&
	       (strcmp(row->target, "store") == 0 || strcmp(row->target, "nats") == 0) &&
	       (sizing_is_publish(row) || sizing_is_open(row));
}

int sizing_held_is_same(const struct sample *a, const struct sample *b)
{
	return strcmp(a->workload, b->workload) == 0 && strcmp(a->target, b->target) == 0 &&
	       strcmp(a->target_version, b->target_version) == 0 &&
	       strcmp(a->cipher, b->cipher) == 0;
}

struct sizing_choice sizing_held_choice(const struct sample *row,
                                        double (*last_bytes)(const struct sample *row))
{
	return (struct sizing_choice){.last_bytes = last_bytes,
	                              .target = row->target,
	                              .version = row->target_version,
	                              .flush = sizing_is_open(row) ? "each" : row->flush,
	                              .always = strcmp(row->sync, "always") == 0};
}

/* ---- rounds ---- */

static size_t cipher_of(const struct sample *row)
{
	size_t c = 0;

	while (c + 1 < SIZING_CIPHERS && strcmp(sizing_ciphers[c], row->cipher) != 0)
		c++;
	return c;
}

/* Whether a round's costs have all the points that predict the row. */
static int is_whole(const struct sizing *round, const struct sizing *all, const struct sample *row)
{
	size_t c = cipher_of(row);
	const struct sizing_arm *a = &round->arms[c], *b = &all->arms[c];

	if (!sizing_is_open(row))
		return a->publish.count == b->publish.count;
	return a->start.count == b->start.count &&
	       (!sizing_is_recover(row) || a->recover.count == b->recover.count) &&
	       (!all->start_scales || round->arms[0].start.count == all->arms[0].start.count);
}

static double predict(const struct sizing *s, const struct sizing_held *what)
{
	const struct sizing_arm *arm = &s->arms[cipher_of(what->row)];

	if (!sizing_is_open(what->row))
		return sizing_at(&arm->publish, what->mix, what->mix_count).value.estimate;
	const struct sizing_opening o = {.mix = what->mix,
	                                 .mix_count = what->mix_count,
	                                 .messages = (double)what->mix_count,
	                                 .blk_bytes = what->blk_bytes,
	                                 .last_bytes = what->last_bytes};
	return sizing_start(s, arm, &o, !sizing_is_recover(what->row)).value.estimate;
}

/* By the rest's rows of the row's round; *ns NaN where they do not do. 0, or -1: memory. */
static int predict_round(const struct samples *rest, uint64_t round, const struct sizing *all,
                         const struct sizing_held *what, double *ns)
{
	struct samples rows = {.complete = 1};
	char reason[SIZING_TEXT_BYTES];
	struct sizing costs;
	int rc = 0;

	*ns = NAN;
	for (size_t i = 0; i < rest->count && rc == 0; i++)
		if (rest->rows[i].round == round)
			rc = samples_add(&rows, &rest->rows[i]);
	if (rc == 0)
		switch (sizing_make(&rows, what->choice, &costs, reason)) {
		case SIZING_OK:
			if (is_whole(&costs, all, what->row))
				*ns = predict(&costs, what);
			break;
		case SIZING_MISSING:
			break;
		case SIZING_MEMORY:
			rc = -1;
		}
	samples_free(&rows);
	return rc;
}

int sizing_held_off(const struct samples *held, const struct samples *rest,
                    const struct sizing *all, const struct sizing_held *what,
                    struct sizing_held_off *out)
{
	double *values = calloc(3 * held->count + 1, sizeof(*values));
	double *predicted = values, *measured = values + held->count,
	       *ratio = values + 2 * held->count;
	size_t n = 0;
	int rc = values == NULL ? -1 : 0;

	for (size_t i = 0; i < held->count && rc == 0; i++) {
		const struct sample *row = &held->rows[i];

		if (!sizing_held_is_counted(row) || !sizing_held_is_same(row, what->row))
			continue;
		rc = predict_round(rest, row->round, all, what, &predicted[n]);
		measured[n] = sizing_is_open(row) ? row->acked_s * 1e9 / sizing_openings(row)
		                                  : (double)row->cpu_ns / (double)row->messages;
		ratio[n] = predicted[n] / measured[n];
		n += rc == 0 && isfinite(ratio[n]);
	}
	*out = (struct sizing_held_off){{NAN, NAN, NAN}, {NAN, NAN, NAN}, {NAN, NAN, NAN}};
	if (rc == 0 && n > 0)
		*out = (struct sizing_held_off){stats_hodges_lehmann(predicted, n),
		                                stats_hodges_lehmann(measured, n),
		                                stats_hodges_lehmann(ratio, n)};
	free(values);
	return rc;
}
