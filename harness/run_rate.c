/* run_rate.c - the rates of open loops that are a share of what plaintext does: that is found out
 * here, once for a cell, so that all its arms and rounds are offered the same.
 */
#include "harness/run_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/prepare.h"
#include "harness/rows.h"

#define TRIES  4
#define LONG_S 10

/* Of a run that is continued: what its rows were offered. 0: there are none of the cell yet. */
static double rate_before(const struct run *run, const struct plan_cell *cell)
{
	const struct samples *samples = &run->result->samples;

	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *row = &samples->rows[i];
		if (plan_cell_has(cell, row->workload, row->target, row->target_version))
			return row->rate_msgs_s;
	}
	return 0;
}

/* The same work on the same target, whatever share of its pace is asked for: found out once, so
 * that shares are of one thing. 0: of none it is known yet. */
static double capacity_of_alike(const struct plan *plan, size_t c, const double *capacities)
{
	char digest[ROW_DIGEST_BYTES], other[ROW_DIGEST_BYTES];
	struct workload w = *plan->cells[c].workload;

	w.rate_share = 0;
	row_workload_digest(&w, digest);
	for (size_t i = 0; i < plan->cell_count; i++) {
		w = *plan->cells[i].workload;
		w.rate_share = 0;
		row_workload_digest(&w, other);
		if (plan->cells[i].target == plan->cells[c].target && strcmp(digest, other) == 0 &&
		    capacities[i] > 0)
			return capacities[i];
	}
	return 0;
}

/* The first one in plaintext; of servers that are there without one, the first. */
static uint32_t plain_arm(const struct plan_cell *cell)
{
	for (size_t a = 0; a < cell->arm_count; a++)
		if (strcmp(cell->arms[a].cipher, "none") == 0)
			return (uint32_t)a;
	return 0;
}

/* The fastest of some slices in a closed loop: the first of a worker is a slow one, and what others
 * do on this machine makes none of them faster. 0, or -1 and *error. */
static int measure(struct run *run, size_t c, double *capacity_msgs_s, struct target_error *error)
{
	const struct plan_cell *cell = &run->plan->cells[c];
	struct order *order = calloc(1, sizeof(*order));
	struct order_reply *reply = calloc(1, sizeof(*reply));
	uint32_t arm = plain_arm(cell);
	int rc = order == NULL || reply == NULL ? target_fail(error, TARGET_SYSTEM, "out of memory")
	                                        : 0;

	*capacity_msgs_s = 0;
	for (uint32_t i = 1; rc == 0 && i <= TRIES; i++) {
		rc = run_try_slice(run, c, arm, UINT32_MAX - i - 1, order, reply, error);
		if (rc == 0 && (double)reply->row.messages / reply->row.acked_s > *capacity_msgs_s)
			*capacity_msgs_s = (double)reply->row.messages / reply->row.acked_s;
	}
	run_worker_end(run_arm_state(run, c, arm));
	free(order);
	free(reply);
	return rc;
}

/* A rate that was given may be far below what the workload's number of messages was chosen for. */
static void tell_long(struct run *run, const struct plan_cell *cell)
{
	struct workload w;
	char text[256];

	plan_cell_workload(cell, &w);
	if (w.messages / w.rate_msgs_s < LONG_S)
		return;
	snprintf(text, sizeof(text),
	         "%s: a slice lasts %llu s, %llu messages at %llu a second: messages = %llu is a "
	         "second",
	         w.name, (unsigned long long)(w.messages / w.rate_msgs_s),
	         (unsigned long long)w.messages, (unsigned long long)w.rate_msgs_s,
	         (unsigned long long)w.rate_msgs_s);
	run_warn(run, text);
}

/* What rows tell, of all cells before any is measured: a later one may be like an earlier one. */
static void capacities_before(const struct run *run, double *capacities)
{
	for (size_t c = 0; c < run->plan->cell_count; c++) {
		const struct plan_cell *cell = &run->plan->cells[c];
		if (cell->rate_msgs_s == 0 && cell->workload->rate_share > 0)
			capacities[c] = rate_before(run, cell) / cell->workload->rate_share;
	}
}

/* Of cell c, from its own rows, from a cell like it, or measured now. 0, or -1 and *error. */
static int find_capacity(struct run *run, size_t c, double *capacities, struct target_error *error)
{
	const struct plan_cell *cell = &run->plan->cells[c];
	struct target_error why;

	if (capacities[c] == 0)
		capacities[c] = capacity_of_alike(run->plan, c, capacities);
	if (capacities[c] != 0 || measure(run, c, &capacities[c], &why) == 0)
		return 0;
	return target_fail(error, why.fault, "%s: finding out what plaintext does here: %.400s",
	                   cell->workload->name, why.text);
}

int run_rates_settle(struct run *run, struct target_error *error)
{
	double *capacities = calloc(run->plan->cell_count, sizeof(*capacities));
	int rc = capacities == NULL ? target_fail(error, TARGET_SYSTEM, "out of memory") : 0;

	if (rc == 0)
		capacities_before(run, capacities);
	for (size_t c = 0; rc == 0 && c < run->plan->cell_count; c++) {
		struct plan_cell *cell = &run->plan->cells[c];
		if (run_stop_asked)
			rc = target_fail(error, TARGET_FAILED, "interrupted");
		else if (cell->rate_msgs_s != 0)
			tell_long(run, cell);
		else if (cell->workload->rate_share > 0)
			rc = find_capacity(run, c, capacities, error);
		if (rc == 0 && capacities[c] > 0)
			prepare_rate(cell, capacities[c], !run->synced);
	}
	free(capacities);
	return rc;
}
