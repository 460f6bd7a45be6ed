/* rows.c - see rows.h. */
#include "harness/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/prf.h"
#include "harness/measure/machine.h"
#include "harness/targets/target.h"

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

static int row_is_server(const struct plan_cell *cell)
{
	return target_find(cell->target->name)->process != NULL;
}

void row_put_slice(const struct plan *plan, const struct plan_slice *slice, const char *provider,
                   struct sample *row)
{
	const struct plan_cell *cell = &plan->cells[slice->cell];
	const struct plan_arm *arm = &cell->arms[slice->arm];

	text_put(row->workload, cell->workload->name);
	text_put(row->class_, cell->workload->class_);
	text_put(row->target, cell->target->name);
	/* A server that is there says itself which it is. */
	if (cell->target->version[0] != '\0')
		text_put(row->target_version, cell->target->version);
	else if (target_find(cell->target->name)->version == NULL)
		text_put(row->target_version, machine_version());
	text_put(row->dir, plan->request->dirs[arm->dir].name);
	text_put(row->cipher, arm->cipher);
	text_put(row->provider, row_is_server(cell) ? "server" : provider);
	text_put(row->arm, arm->name);
	row->round = slice->round;
	row->position = slice->position;
	row->square = slice->square;
}

/* What decides on the store's own way of working; a server has one of its own. */
static void policies_put(const struct workload *w, struct sample *row)
{
	row->block_bytes = w->block_bytes == WORKLOAD_BLOCK_BYTES_SERVER ? 0 : w->block_bytes;
	text_put(row->flush, w->flush == WORKLOAD_FLUSH_ASYNC ? "async" : "each");
	text_put(row->read, w->read == WORKLOAD_READ_RECORD ? "record" : "block");
	row->key_ahead = w->key_ahead;
	row->keystream_ahead_bytes = w->keystream_ahead_bytes;
}

static void server_put(const struct workload *w, uint32_t replicas, struct sample *row)
{
	/* One replica is written before it is acknowledged, several are coalesced. */
	row->replicas = replicas == 0 ? 1 : replicas;
	text_put(row->flush, row->replicas > 1 ? "async" : "each");
	text_put(row->read, "block");
	row->window = row->publishers > 0 ? w->window : 0;
	if (row->readers > 0)
		text_put(row->consumer,
		         w->consumer == WORKLOAD_CONSUMER_ORDERED ? "ordered" : "pull");
}

void row_workload_digest(const struct workload *workload, char out[ROW_DIGEST_BYTES])
{
	struct workload w = *workload;
	uint8_t digest[ATR_SHA256_BYTES];
	char *text = NULL;
	size_t bytes = 0;
	FILE *in_memory = open_memstream(&text, &bytes);

	out[0] = '\0';
	if (in_memory == NULL)
		return;
	/* What a workload is called, asks and repeats is not what it does. */
	w.name[0] = '\0';
	w.question[0] = '\0';
	w.rounds = 0;
	w.seed = 0;
	w.messages = 0;
	int failed = workload_write(&w, in_memory) != 0;
	failed |= fclose(in_memory) != 0;
	if (!failed && atr_sha256((const uint8_t *)text, bytes, digest) == 0)
		for (size_t i = 0; i < (ROW_DIGEST_BYTES - 1) / 2; i++)
			snprintf(out + 2 * i, 3, "%02x", digest[i]);
	free(text);
}

void row_put_workload(const struct plan_cell *cell, uint64_t seed, uint32_t replicas,
                      struct sample *row)
{
	const struct workload *w = cell->workload;
	int writes = (workload_appends(w) || w->operation == WORKLOAD_DELETE) &&
	             (w->operation != WORKLOAD_MIXED || w->read_share < 1);
	int reads = workload_reads(w) && (w->operation != WORKLOAD_MIXED || w->read_share > 0);

	row_workload_digest(w, row->workload_digest);
	row->seed = seed;
	row->payload_bytes = (uint64_t)(workload_payload_bytes_mean(w) + 0.5);
	if (strcmp(cell->target->name, TARGET_SERVER_NAME) == 0)
		text_put(row->sync, "server"); /* which has one of its own */
	else if (w->sync == WORKLOAD_SYNC_INTERVAL)
		duration_put(row->sync, w->sync_interval_ns);
	else
		text_put(row->sync, w->sync == WORKLOAD_SYNC_ALWAYS ? "always" : "none");
	text_put(row->cache, w->cache == WORKLOAD_COLD ? "cold" : "warm");
	row->publishers = writes ? w->publishers : 0;
	row->readers = reads ? w->readers : 0;
	row->streams = w->streams;
	row->rate_msgs_s = (double)cell->rate_msgs_s;
	if (row_is_server(cell))
		server_put(w, replicas, row);
	else
		policies_put(w, row);
}
