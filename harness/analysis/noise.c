/* noise.c - see noise.h. */
#include "harness/analysis/noise.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/analysis/stats.h"

#define WIDTH_NORMAL 2.0056
#define ROUNDS_LOST  2.8
#define POWER_80     0.5
#define ROUNDS_MIN   8
#define ROUNDS_MAX   100000

double noise_half_width(size_t n)
{
	return n < STATS_INTERVAL_MIN ? NAN : WIDTH_NORMAL / sqrt((double)n - ROUNDS_LOST);
}

uint64_t noise_rounds(double spread_pct, double width_pct)
{
	double ratio = WIDTH_NORMAL * spread_pct / width_pct;
	double rounds = ceil(ROUNDS_LOST + ratio * ratio);
	uint64_t whole;

	if (!(rounds <= ROUNDS_MAX))
		return 0;
	whole = rounds < ROUNDS_MIN ? ROUNDS_MIN : (uint64_t)rounds;
	return whole + whole % 2;
}

static struct noise_row row_of(const struct summary_row *twin)
{
	struct noise_row row = {.twin = twin};

	row.half_width_pct = (twin->high_pct - twin->low_pct) / 2;
	row.spread_pct = row.half_width_pct / noise_half_width((size_t)twin->rounds);
	row.resolution_pct =
	        fmax(row.half_width_pct, twin->floor_pct) + POWER_80 * row.half_width_pct;
	row.rounds_2pct = noise_rounds(row.spread_pct, 2);
	row.rounds_5pct = noise_rounds(row.spread_pct, 5);
	return row;
}

int noise_make(const struct summary *s, struct noise *out)
{
	memset(out, 0, sizeof(*out));
	out->rows = calloc(s->count + 1, sizeof(*out->rows));
	if (out->rows == NULL)
		return -1;
	for (size_t i = 0; i < s->count; i++) {
		const struct summary_row *row = &s->rows[i];
		if (strcmp(row->arm, "none-twin") == 0 && isfinite(row->low_pct) &&
		    isfinite(row->high_pct))
			out->rows[out->count++] = row_of(row);
	}
	return 0;
}

void noise_free(struct noise *n)
{
	free(n->rows);
	memset(n, 0, sizeof(*n));
}

const struct noise_row *noise_worst(const struct noise *n, const char *metric)
{
	const struct noise_row *worst = NULL;

	for (size_t i = 0; i < n->count; i++)
		if (strcmp(n->rows[i].twin->metric, metric) == 0 &&
		    (worst == NULL || n->rows[i].resolution_pct > worst->resolution_pct))
			worst = &n->rows[i];
	return worst;
}

int noise_row_told(const struct noise_row *row)
{
	return row->resolution_pct < 100 || strcmp(row->twin->metric, "throughput_msgs_s") != 0;
}

int noise_told(const struct noise *n, char why[NOISE_WHY_BYTES])
{
	const struct noise_row *worst = noise_worst(n, "throughput_msgs_s");

	why[0] = '\0';
	if (worst == NULL)
		snprintf(why, NOISE_WHY_BYTES,
		         "too few rounds for an interval, expected %d at least",
		         STATS_INTERVAL_MIN);
	else if (!noise_row_told(worst))
		snprintf(why, NOISE_WHY_BYTES, "the noise of %.100s is as large as its throughput",
		         worst->twin->workload);
	return why[0] == '\0';
}
