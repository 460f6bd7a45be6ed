/* transfer.c - see transfer.h. */
#include "harness/analysis/transfer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the line ---- */

double transfer_per_byte(const struct transfer_line *line)
{
	return (line->large.estimate - line->small.estimate) /
	       (line->large_bytes - line->small_bytes);
}

double transfer_fixed(const struct transfer_line *line)
{
	return line->small.estimate - transfer_per_byte(line) * line->small_bytes;
}

/* How far the weighted cell reaches down (side -1) or up (side 1) from its estimate. A negative
 * weight turns its interval round. */
static double reach(double weight, struct stats_interval i, int side)
{
	double end = (weight < 0) == (side > 0) ? i.low : i.high;
	return weight * (end - i.estimate);
}

struct stats_interval transfer_predict(const struct transfer_line *line, double bytes)
{
	double large = (bytes - line->small_bytes) / (line->large_bytes - line->small_bytes);
	double small = 1 - large;
	double estimate = small * line->small.estimate + large * line->large.estimate;
	return (struct stats_interval){
	        estimate,
	        estimate - hypot(reach(small, line->small, -1), reach(large, line->large, -1)),
	        estimate + hypot(reach(small, line->small, 1), reach(large, line->large, 1))};
}

/* ---- rows ---- */

static struct stats_interval measured_of(const struct transfer_row *row)
{
	return (struct stats_interval){row->measured, row->measured_low, row->measured_high};
}

static int same_line(const struct transfer_row *a, const struct transfer_row *b)
{
	return strcmp(a->target, b->target) == 0 &&
	       strcmp(a->target_version, b->target_version) == 0 && strcmp(a->arm, b->arm) == 0 &&
	       strcmp(a->metric, b->metric) == 0;
}

static const struct transfer_row *row_at(const struct transfer *t, const struct transfer_row *like,
                                         uint64_t payload_bytes)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->rows[i].payload_bytes == payload_bytes && same_line(&t->rows[i], like))
			return &t->rows[i];
	return NULL;
}

static int takes_part(const struct summary_row *row)
{
	return (summary_is_server(row) || strcmp(row->target, "store") == 0) &&
	       strcmp(row->class_, "publish") == 0 && summary_is_cipher(row) &&
	       row->arm[strcspn(row->arm, "@+")] == '\0' && isfinite(row->added) &&
	       (strcmp(row->metric, "cpu_ns_per_msg") == 0 ||
	        strcmp(row->metric, "time_ns_per_msg") == 0);
}

static void take_measured(const struct summary_row *from, struct transfer_row *row)
{
	memset(row, 0, sizeof(*row));
#define COPY(field) memcpy(row->field, from->field, sizeof(row->field))
	COPY(target);
	COPY(target_version);
	COPY(arm);
	COPY(metric);
	COPY(workload);
#undef COPY
	row->payload_bytes = from->payload_bytes;
	row->measured = from->added;
	row->measured_low = from->added_low;
	row->measured_high = from->added_high;
}

static void judge(struct transfer_row *row)
{
	if (!isfinite(row->predicted_low) || !isfinite(row->measured_low))
		return;
	int agree = row->predicted_low <= row->measured_high &&
	            row->measured_low <= row->predicted_high;
	snprintf(row->agrees, sizeof(row->agrees), "%s", agree ? "yes" : "no");
	/* Of what may be nothing there is no percentage, nor is there one of a guess at nothing. */
	if ((row->measured_low > 0 || row->measured_high < 0) &&
	    (row->predicted_low > 0 || row->predicted_high < 0))
		row->error_pct = 100 * (row->predicted / row->measured - 1);
}

static void predict(const struct transfer *t, struct transfer_row *row)
{
	const struct transfer_row *small = row_at(t, row, TRANSFER_SMALL_BYTES);
	const struct transfer_row *large = row_at(t, row, TRANSFER_LARGE_BYTES);
	row->fixed_ns = row->ns_per_byte = NAN;
	row->predicted = row->predicted_low = row->predicted_high = NAN;
	row->error_pct = NAN;
	snprintf(row->role, sizeof(row->role), "measured");
	if (small == NULL || large == NULL)
		return;
	struct transfer_line line = {TRANSFER_SMALL_BYTES, TRANSFER_LARGE_BYTES, measured_of(small),
	                             measured_of(large)};
	row->fixed_ns = transfer_fixed(&line);
	row->ns_per_byte = transfer_per_byte(&line);
	struct stats_interval p = transfer_predict(&line, (double)row->payload_bytes);
	row->predicted = p.estimate;
	row->predicted_low = p.low;
	row->predicted_high = p.high;
	int fitted = row == small || row == large;
	snprintf(row->role, sizeof(row->role), "%s", fitted ? "fit" : "predicted");
	if (!fitted)
		judge(row);
}

int transfer_make(const struct summary *s, struct transfer *out)
{
	*out = (struct transfer){NULL, 0};
	if (s->count == 0)
		return 0;
	out->rows = malloc(s->count * sizeof(*out->rows));
	if (out->rows == NULL)
		return -1;
	for (size_t i = 0; i < s->count; i++) {
		struct transfer_row *row = &out->rows[out->count];
		if (!takes_part(&s->rows[i]))
			continue;
		take_measured(&s->rows[i], row);
		out->count += row_at(out, row, row->payload_bytes) == NULL;
	}
	for (size_t i = 0; i < out->count; i++)
		predict(out, &out->rows[i]);
	return 0;
}

void transfer_free(struct transfer *t)
{
	free(t->rows);
	*t = (struct transfer){NULL, 0};
}

const struct transfer_row *transfer_find(const struct transfer *t, const struct summary_row *of,
                                         const char *arm, const char *metric,
                                         uint64_t payload_bytes)
{
	struct transfer_row like;
	snprintf(like.target, sizeof(like.target), "%s", of->target);
	snprintf(like.target_version, sizeof(like.target_version), "%s", of->target_version);
	snprintf(like.arm, sizeof(like.arm), "%s", arm);
	snprintf(like.metric, sizeof(like.metric), "%s", metric);
	return row_at(t, &like, payload_bytes);
}
