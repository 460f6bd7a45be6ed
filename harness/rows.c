/* rows.c - see rows.h. */
#include "harness/rows.h"

#include <stdio.h>

#include "harness/measure/machine.h"

static void text_put(char *out, const char *text)
{
	snprintf(out, SAMPLES_TEXT_BYTES, "%s", text);
}

static void duration_put(char *out, uint64_t ns)
{
	if (ns % UINT64_C(60000000000) == 0)
		snprintf(out, SAMPLES_TEXT_BYTES, "%llum", (unsigned long long)(ns / 60000000000));
	else if (ns % 1000000000 == 0)
		snprintf(out, SAMPLES_TEXT_BYTES, "%llus", (unsigned long long)(ns / 1000000000));
	else
		snprintf(out, SAMPLES_TEXT_BYTES, "%llums", (unsigned long long)(ns / 1000000));
}

void row_put_slice(const struct plan *plan, const struct plan_slice *slice, const char *provider,
                   struct sample *row)
{
	const struct plan_cell *cell = &plan->cells[slice->cell];
	const struct plan_arm *arm = &cell->arms[slice->arm];

	text_put(row->workload, cell->workload->name);
	text_put(row->class_, cell->workload->class_);
	text_put(row->target, cell->target->name);
	text_put(row->target_version,
	         cell->target->version[0] != '\0' ? cell->target->version : machine_version());
	text_put(row->dir, plan->request->dirs[arm->dir].name);
	text_put(row->cipher, arm->cipher);
	text_put(row->provider, provider);
	text_put(row->arm, arm->name);
	row->round = slice->round;
	row->position = slice->position;
	row->square = slice->square;
}

void row_put_workload(const struct workload *w, uint64_t seed, struct sample *row)
{
	int writes = (workload_appends(w) || w->operation == WORKLOAD_DELETE) &&
	             (w->operation != WORKLOAD_MIXED || w->read_share < 1);
	int reads = workload_reads(w) && (w->operation != WORKLOAD_MIXED || w->read_share > 0);

	row->seed = seed;
	row->payload_bytes = (uint64_t)(workload_payload_bytes_mean(w) + 0.5);
	row->block_bytes = w->block_bytes == WORKLOAD_BLOCK_BYTES_SERVER ? 0 : w->block_bytes;
	text_put(row->flush, w->flush == WORKLOAD_FLUSH_ASYNC ? "async" : "each");
	if (w->sync == WORKLOAD_SYNC_INTERVAL)
		duration_put(row->sync, w->sync_interval_ns);
	else
		text_put(row->sync, w->sync == WORKLOAD_SYNC_ALWAYS ? "always" : "none");
	text_put(row->read, w->read == WORKLOAD_READ_RECORD ? "record" : "block");
	text_put(row->cache, w->cache == WORKLOAD_COLD ? "cold" : "warm");
	row->key_ahead = w->key_ahead;
	row->keystream_ahead_bytes = w->keystream_ahead_bytes;
	row->publishers = writes ? w->publishers : 0;
	row->readers = reads ? w->readers : 0;
	row->streams = w->streams;
}
