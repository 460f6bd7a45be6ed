/* rows.h - the columns of a row that follow from plan and workload, whatever becomes of the slice:
 * so that a row without a result is told apart by the same columns as one with.
 */
#ifndef ATREST_HARNESS_ROWS_H
#define ATREST_HARNESS_ROWS_H

#include "harness/output/samples.h"
#include "harness/plan.h"

/* The first 16 hexadecimal digits of the SHA-256 of the workload as workload_write has it, without
 * name, question, rounds and seed, and without messages: how long a slice may be depends on the
 * memory and speed of the day, and has a column of its own. "" when memory ran out. */
#define ROW_DIGEST_BYTES 17
void row_workload_digest(const struct workload *workload, char out[ROW_DIGEST_BYTES]);

/* Which slice it was. */
void row_put_slice(const struct plan *plan, const struct plan_slice *slice, const char *provider,
                   struct sample *row);
/* What was to be done. replicas: of the streams of a server, 0 the default. */
void row_put_workload(const struct plan_cell *cell, uint64_t seed, uint32_t replicas,
                      struct sample *row);

#endif
