/* prepare.h - what is settled before a run: how large a slice may be or has to be, what the run
 * needs of disk and time. Pure functions of workloads and plans.
 *
 * Times are a rough model (a write, a copy, a hash, a sync; of a server a start, a pause and round
 * trips), good for an order of magnitude; a run corrects it by what its own slices took.
 */
#ifndef ATREST_HARNESS_PREPARE_H
#define ATREST_HARNESS_PREPARE_H

#include <stdint.h>

#include "harness/plan.h"
#include "workloads/workload.h"

#define PREPARE_LONG_BYTES (UINT64_C(256) * 1024 * 1024)
#define PREPARE_LONG_S     1.0
#define PREPARE_RATE_S     1.0

/* 1 for a workload whose every slice needs a store of its own. */
int prepare_writes(const struct workload *w);

/* Bytes of records on disk: what a slice appends, what is filled before. */
uint64_t prepare_slice_bytes(const struct workload *w);
uint64_t prepare_fill_bytes(const struct workload *w);

/* Fewer messages, when a slice would leave more than limit_bytes dirty: the kernel would begin to
 * write back in the middle of it. 1 when it changed something; note (NULL allowed) says so. */
int prepare_cap(struct workload *w, uint64_t limit_bytes, char note[256]);

/* The limit for prepare_cap on this machine: an eighth of the kernel's background limit or of
 * the memory limit, whichever is less; UINT64_MAX when neither is known. */
uint64_t prepare_dirty_limit(void);

/* More messages, for slices that must be seen through to the device: PREPARE_LONG_BYTES and, at
 * the pace of plain_s seconds for the messages it has now (0: unknown), PREPARE_LONG_S. */
void prepare_long(struct workload *w, double plain_s);

/* Open loop of a share of the capacity, what plaintext does in a closed loop: sets the cell's rate,
 * and, when cut, its slices to PREPARE_RATE_S at most. */
void prepare_rate(struct plan_cell *cell, double capacity_msgs_s, int cut);

/* Estimates: one slice, filling one store, the whole plan. */
double prepare_slice_s(const struct plan_cell *cell);
double prepare_fill_s(const struct plan_cell *cell);
double prepare_plan_s(const struct plan *plan);

/* How long an order may take before its worker is given up: far above any honest duration. */
uint64_t prepare_timeout_ns(const struct plan_cell *cell);

/* Bytes a directory of the plan must have free; keep: the stores of the last round stay. */
uint64_t prepare_need_bytes(const struct plan *plan, size_t dir, int keep);

#endif
