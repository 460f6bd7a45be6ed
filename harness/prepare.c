/* prepare.c - see prepare.h. */
#include "harness/prepare.h"

#include <stdio.h>
#include <string.h>

#include "harness/measure/filesystem.h"
#include "harness/targets/target.h"

#define NEED_MARGIN (UINT64_C(64) * 1024 * 1024)

int prepare_writes(const struct workload *w)
{
	return workload_changes(w);
}

/* Frame 30, subject "PREFIX.N", headers with their length word, payload. */
static double record_bytes(const struct workload *w)
{
	return 30 + (double)strlen(w->subject_prefix) + 6 +
	       w->headers_share * (w->headers_bytes == 0 ? 0 : 4 + w->headers_bytes) +
	       workload_payload_bytes_mean(w);
}

static double publishes(const struct workload *w)
{
	if (w->operation == WORKLOAD_MIXED)
		return (double)w->messages * (1 - w->read_share);
	return workload_appends(w) ? (double)w->messages : 0;
}

static double reads(const struct workload *w)
{
	if (w->operation == WORKLOAD_MIXED)
		return (double)w->messages * w->read_share;
	return workload_reads(w) ? (double)w->messages : 0;
}

uint64_t prepare_slice_bytes(const struct workload *w)
{
	return (uint64_t)(publishes(w) * record_bytes(w));
}

uint64_t prepare_fill_bytes(const struct workload *w)
{
	return workload_fills(w) ? (uint64_t)((double)w->fill_messages * record_bytes(w)) : 0;
}

/* What a slice writes of its own beside the fill: blocks that are compacted, a converted stream, a
 * snapshot and what is restored from it to be looked at. */
static uint64_t copy_bytes(const struct workload *w)
{
	switch (w->operation) {
	case WORKLOAD_DELETE:
	case WORKLOAD_CONVERT:
		return prepare_fill_bytes(w);
	case WORKLOAD_SNAPSHOT:
	case WORKLOAD_RESTORE:
		return 2 * prepare_fill_bytes(w);
	default:
		return 0;
	}
}

int prepare_cap(struct workload *w, uint64_t limit_bytes, char note[256])
{
	uint64_t bytes = prepare_slice_bytes(w);
	uint64_t before = w->messages;

	if (w->sync == WORKLOAD_SYNC_ALWAYS || bytes <= limit_bytes)
		return 0;
	w->messages = (uint64_t)((double)w->messages * ((double)limit_bytes / (double)bytes));
	if (w->messages < w->publishers)
		w->messages = w->publishers;
	if (w->messages == 0)
		w->messages = 1;
	if (w->messages >= before) {
		w->messages = before;
		return 0;
	}
	if (note != NULL)
		snprintf(note, 256,
		         "%s: %llu messages a slice instead of %llu: more than %llu MiB dirty and "
		         "this kernel writes back during the slice",
		         w->name, (unsigned long long)w->messages, (unsigned long long)before,
		         (unsigned long long)(limit_bytes / (1024 * 1024)));
	return 1;
}

uint64_t prepare_dirty_limit(void)
{
	uint64_t background = filesystem_dirty_background_bytes();
	uint64_t memory = filesystem_memory_limit_bytes();
	uint64_t limit = UINT64_MAX;

	if (background != 0)
		limit = background / 8;
	if (memory != 0 && memory / 8 < limit)
		limit = memory / 8;
	return limit;
}

void prepare_long(struct workload *w, double plain_s)
{
	double bytes = publishes(w) * workload_payload_bytes_mean(w);
	double factor = 1;

	if (bytes <= 0)
		return;
	if (bytes < (double)PREPARE_LONG_BYTES)
		factor = (double)PREPARE_LONG_BYTES / bytes;
	/* A quarter more: the next slice may be faster than the one that was timed. */
	if (plain_s > 0 && plain_s * factor < PREPARE_LONG_S * 1.25)
		factor = PREPARE_LONG_S * 1.25 / plain_s;
	if (factor > 1)
		w->messages = (uint64_t)((double)w->messages * factor) + 1;
}

/* What things take, in seconds. */
struct pace {
	double slice_s;     /* order, fresh store, checks, cutting the files; start and pause */
	double fill_s;      /* a fill, whatever its size */
	double fill_each_s; /* of each of its messages */
	double publish_s;
	double next_s; /* a sequential read */
	double get_s;  /* a read of any other kind */
	double delete_s;
	double open_s;      /* an opening with its state file */
	double open_byte_s; /* of each byte when there is none */
};

static struct pace store_pace(const struct workload *w)
{
	double bytes = record_bytes(w);
	/* Filling: coalesced, then on the device at half a gigabyte a second. */
	struct pace p = {.slice_s = 0.06,
	                 .fill_each_s = 100e-9 + bytes * (0.4e-9 + 2e-9),
	                 .publish_s = w->flush == WORKLOAD_FLUSH_ASYNC ? 80e-9 + bytes * 0.35e-9
	                                                               : 600e-9 + bytes * 0.45e-9,
	                 .next_s = 50e-9 + bytes * 0.25e-9,
	                 .get_s = w->read == WORKLOAD_READ_RECORD ? 6e-6 + bytes * 1e-9 : 400e-6,
	                 .open_s = 1e-3,
	                 .open_byte_s = 0.3e-9};

	if (w->sync == WORKLOAD_SYNC_ALWAYS)
		p.publish_s += 150e-6;
	p.delete_s = p.publish_s;
	return p;
}

/* Client and server share the machine. It starts in about 0.1 s, rests 0.2 s before the clock
 * starts, and its store is checked and taken away; what is asked for one at a time
 * takes a round trip. Mean over arms and two versions in results/published/example. */
static struct pace server_pace(const struct workload *w)
{
	double bytes = record_bytes(w);
	double round_trip_s = 60e-6;
	struct pace p = {.slice_s = 0.6,
	                 .fill_s = 0.2,
	                 .fill_each_s = 8e-6 + bytes * 3.3e-9,
	                 .publish_s = 8e-6 + bytes * 3.3e-9 + round_trip_s / w->window,
	                 .next_s = 6e-6 + bytes * 1.5e-9,
	                 .get_s = round_trip_s + 100e-6,
	                 .delete_s = round_trip_s,
	                 .open_s = 0.15,
	                 .open_byte_s = 1e-9};

	if (w->sync == WORKLOAD_SYNC_ALWAYS)
		p.publish_s += 250e-6;
	return p;
}

static struct pace pace_of(const struct plan_cell *cell)
{
	return target_find(cell->target->name)->process != NULL ? server_pace(cell->workload)
	                                                        : store_pace(cell->workload);
}

double prepare_fill_s(const struct plan_cell *cell)
{
	const struct workload *w = cell->workload;
	struct pace p = pace_of(cell);

	return workload_fills(w) ? p.fill_s + (double)w->fill_messages * p.fill_each_s : 0;
}

/* Opening: every record hashed, or the state file and the end of the last block. Elsewhere all is
 * read, written anew, synced, and read once more to be checked. */
static double whole_s(const struct workload *w, const struct pace *p)
{
	double passes = (double)workload_slice_messages(w) / (double)w->fill_messages;
	double bytes = (double)prepare_fill_bytes(w);

	if (w->operation == WORKLOAD_PURGE)
		return 5e-3;
	if (w->operation == WORKLOAD_OPEN)
		return passes *
		       (p->open_s + (w->state == WORKLOAD_STATE_KEPT ? 0 : bytes * p->open_byte_s));
	return bytes * 4e-9;
}

/* Operations that take so long in a closed loop, at the cell's rate or at its share of what those
 * are done at: then a slice is cut as prepare_rate does it. */
static double paced_s(const struct plan_cell *cell, const struct workload *w, double closed_s)
{
	double share = cell->workload->rate_share;
	double open_s;

	if (cell->rate_msgs_s != 0)
		open_s = (double)w->messages / (double)cell->rate_msgs_s;
	else if (share > 0)
		open_s = closed_s / share < PREPARE_RATE_S ? closed_s / share : PREPARE_RATE_S;
	else
		return closed_s;
	return open_s > closed_s ? open_s : closed_s;
}

void prepare_rate(struct plan_cell *cell, double capacity_msgs_s, int cut)
{
	const struct workload *w = cell->workload;
	uint64_t threads = workload_appends(w) ? w->publishers : w->readers;
	uint64_t most;

	cell->rate_msgs_s = (uint64_t)(capacity_msgs_s * w->rate_share + 0.5);
	if (cell->rate_msgs_s == 0)
		cell->rate_msgs_s = 1;
	most = (uint64_t)((double)cell->rate_msgs_s * PREPARE_RATE_S);
	if (most < threads)
		most = threads;
	if (cut && (cell->messages_max == 0 || cell->messages_max > most))
		cell->messages_max = most;
}

double prepare_slice_s(const struct plan_cell *cell)
{
	struct workload own, *w = &own;
	struct pace p = pace_of(cell);
	int in_order;
	double read_s;
	double seconds = p.slice_s;

	plan_cell_workload(cell, w);
	in_order = w->operation == WORKLOAD_READ_SEQUENTIAL || w->operation == WORKLOAD_TAIL;
	read_s = in_order ? p.next_s : p.get_s;
	if (workload_fills(w) && w->cache == WORKLOAD_COLD)
		read_s += w->operation == WORKLOAD_READ_SEQUENTIAL ? record_bytes(w) * 2e-9 : 2e-3;
	seconds += paced_s(cell, w, publishes(w) * p.publish_s + reads(w) * read_s);
	if (w->operation == WORKLOAD_DELETE)
		seconds += (double)w->messages * p.delete_s + (double)prepare_fill_bytes(w) * 2e-9;
	if (workload_is_whole(w) && w->fill_messages > 0)
		seconds += whole_s(w, &p);
	if (workload_changes(w))
		seconds += prepare_fill_s(cell);
	return seconds;
}

double prepare_plan_s(const struct plan *plan)
{
	double seconds = 0;

	for (size_t c = 0; c < plan->cell_count; c++) {
		const struct plan_cell *cell = &plan->cells[c];
		double arms = (double)cell->arm_count;
		seconds += cell->rounds * arms * prepare_slice_s(cell);
		if (!prepare_writes(cell->workload))
			seconds += cell->rounds / cell->square_rounds * arms * prepare_fill_s(cell);
	}
	return seconds;
}

uint64_t prepare_timeout_ns(const struct plan_cell *cell)
{
	const struct workload *w = cell->workload;
	/* A disk of 5 MB/s, a sync of 100 ms, a get of 50 ms. */
	double seconds =
	        120 +
	        (double)(prepare_slice_bytes(w) + 2 * prepare_fill_bytes(w) + copy_bytes(w)) / 5e6;

	if (w->sync == WORKLOAD_SYNC_ALWAYS)
		seconds += publishes(w) * 0.1;
	seconds += reads(w) *
	           (w->operation == WORKLOAD_READ_SEQUENTIAL ? record_bytes(w) / 5e6 : 0.05);
	if (w->operation == WORKLOAD_DELETE)
		seconds += (double)w->messages * 0.1;
	if (cell->rate_msgs_s != 0)
		seconds += (double)w->messages / (double)cell->rate_msgs_s;
	if (workload_is_whole(w))
		seconds += (double)workload_slice_messages(w) * record_bytes(w) / 5e6;
	/* What an honest server takes, on a machine ten times slower. */
	if (target_find(cell->target->name)->process != NULL)
		seconds += 10 * (prepare_slice_s(cell) + prepare_fill_s(cell));
	return seconds > 1e9 ? UINT64_C(1000000000000000000) : (uint64_t)(seconds * 1e9);
}

uint64_t prepare_need_bytes(const struct plan *plan, size_t dir, int keep)
{
	uint64_t need = 0, largest = 0;

	for (size_t c = 0; c < plan->cell_count; c++) {
		const struct plan_cell *cell = &plan->cells[c];
		const struct target *target = target_find(cell->target->name);
		uint64_t slice = prepare_slice_bytes(cell->workload) + copy_bytes(cell->workload);
		uint64_t fill = prepare_fill_bytes(cell->workload);
		uint64_t arms = 0;

		for (size_t a = 0; a < cell->arm_count; a++)
			arms += cell->arms[a].dir == dir;
		if (target == NULL || !target->stores || arms == 0)
			continue;
		/* Written and cut again slice by slice; filled for a square at a time. */
		if (prepare_writes(cell->workload)) {
			if (slice + fill > largest)
				largest = slice + fill;
			if (keep)
				need += arms * (slice + fill);
		} else {
			need += arms * fill;
			if (slice > largest)
				largest = slice;
		}
		/* Each arm's snapshots stay for a square; a snapshot is written over. */
		if (cell->workload->operation == WORKLOAD_RESTORE ||
		    cell->workload->operation == WORKLOAD_SNAPSHOT)
			need += arms * fill;
	}
	need += largest;
	return need == 0 ? 0 : need + need / 20 + NEED_MARGIN;
}
