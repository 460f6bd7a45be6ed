/* generator.c - see generator.h. */
#include "harness/generator.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Per stream. Up to written every sequence was acknowledged, and noted where publishers race;
 * noted[sequence - 1 - filled] is op + 1, 0 until it is noted. */
struct stream {
	struct workload_ops *ops;
	char prefix[160];
	_Atomic uint64_t written;
	_Atomic uint64_t *noted;
	uint64_t *last; /* read-last: per subject its last sequence in the fill */
};

struct generator {
	struct workload w;
	uint8_t *pool;
	int filled; /* the fill is in the store */
	int racing; /* several publishers: acknowledgements are noted */
	int live;   /* readers run beside publishers: written is kept up to date */
	uint64_t noted_count;
	uint8_t *removals; /* delete: a bit per sequence of the fill that is taken out */
	int removed;       /* they are */
	int purged;        /* and so is all else */
	struct stream *streams;
};

static int stream_lasts(struct stream *s, const struct generator *g, uint32_t index)
{
	struct workload_message wm;

	s->last = calloc(g->w.subjects, sizeof(*s->last));
	if (s->last == NULL)
		return -1;
	for (uint64_t op = index; op < g->w.fill_messages; op += g->w.streams) {
		workload_message_at(s->ops, op, &wm);
		s->last[wm.subject_index] = op / g->w.streams + 1;
	}
	return 0;
}

/* Needs the operations of stream 0. */
static int removals_make(struct generator *g)
{
	g->removals = calloc(g->w.fill_messages / 8 + 1, 1);
	if (g->removals == NULL)
		return -1;
	for (uint64_t op = 0; op < g->w.messages; op++) {
		uint64_t bit = generator_removal(g, op) - 1;
		g->removals[bit / 8] = (uint8_t)(g->removals[bit / 8] | 1u << bit % 8);
	}
	return 0;
}

static int stream_init(struct stream *s, const struct generator *g, uint32_t index, uint64_t seed)
{
	struct workload w = g->w;

	/* Two streams must not listen to the same subjects. */
	if (index == 0)
		snprintf(s->prefix, sizeof(s->prefix), "%s", g->w.subject_prefix);
	else
		snprintf(s->prefix, sizeof(s->prefix), "%.120s-%u", g->w.subject_prefix, index + 1);
	snprintf(w.subject_prefix, sizeof(w.subject_prefix), "%.127s", s->prefix);
	s->ops = workload_ops_new(&w, seed);
	if (s->ops == NULL)
		return -1;
	if (g->w.operation == WORKLOAD_READ_LAST && stream_lasts(s, g, index) != 0)
		return -1;
	if (!g->racing)
		return 0;
	s->noted = calloc(g->noted_count, sizeof(*s->noted));
	return s->noted == NULL ? -1 : 0;
}

struct generator *generator_new(const struct workload *w, uint64_t seed)
{
	struct generator *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return NULL;
	g->w = *w;
	g->racing = w->publishers > 1 && workload_appends(w);
	g->live = workload_appends(w) && workload_reads(w);
	g->noted_count = w->messages == 0 ? 1 : w->messages;
	g->pool = malloc(workload_pool_bytes(w));
	g->streams = calloc(w->streams, sizeof(*g->streams));
	if (g->pool == NULL || g->streams == NULL)
		goto fail;
	workload_pool_fill(w, seed, g->pool);
	for (uint32_t i = 0; i < w->streams; i++)
		if (stream_init(&g->streams[i], g, i, seed) != 0)
			goto fail;
	if (w->operation == WORKLOAD_DELETE && removals_make(g) != 0)
		goto fail;
	return g;
fail:
	generator_free(g);
	return NULL;
}

void generator_free(struct generator *g)
{
	if (g == NULL)
		return;
	for (uint32_t i = 0; g->streams != NULL && i < g->w.streams; i++) {
		workload_ops_free(g->streams[i].ops);
		free(g->streams[i].noted);
		free(g->streams[i].last);
	}
	free(g->removals);
	free(g->streams);
	free(g->pool);
	free(g);
}

uint32_t generator_streams(const struct generator *g)
{
	return g->w.streams;
}

void generator_message(const struct generator *g, uint32_t stream, uint64_t op,
                       struct target_message *m)
{
	const struct workload_ops *ops = g->streams[stream].ops;
	struct workload_message wm;

	workload_message_at(ops, op, &wm);
	m->sequence = 0;
	m->subject = workload_subject(ops, wm.subject_index, &m->subject_bytes);
	m->headers_bytes = wm.headers_bytes;
	m->headers = wm.headers_bytes == 0 ? NULL : workload_headers(ops);
	m->payload = g->pool + wm.pool_offset;
	m->payload_bytes = wm.payload_bytes;
}

void generator_subjects(const struct generator *g, uint32_t stream, char *text, size_t bytes)
{
	snprintf(text, bytes, "%s.>", g->streams[stream].prefix);
}

uint64_t generator_filled(const struct generator *g, uint32_t stream)
{
	if (!g->filled)
		return 0;
	return (g->w.fill_messages + g->w.streams - 1 - stream) / g->w.streams;
}

uint64_t generator_sequence(const struct generator *g, uint32_t stream, uint64_t op)
{
	const struct stream *s = &g->streams[stream];
	uint64_t count = generator_filled(g, stream);

	if (g->live) {
		uint64_t written = atomic_load_explicit(&s->written, memory_order_acquire);
		if (written > count)
			count = written;
	}
	return workload_sequence_at(s->ops, op, count);
}

int generator_is_read(const struct generator *g, uint64_t op)
{
	return workload_is_read(g->streams[0].ops, op);
}

uint64_t generator_last(const struct generator *g, uint32_t stream, uint64_t op,
                        const char **subject, size_t *subject_bytes)
{
	const struct stream *s = &g->streams[stream];
	uint64_t drawn = generator_op_of(g, stream, generator_sequence(g, stream, op));
	struct workload_message wm;

	workload_message_at(s->ops, drawn, &wm);
	*subject = workload_subject(s->ops, wm.subject_index, subject_bytes);
	return s->last[wm.subject_index];
}

uint64_t generator_last_of(const struct generator *g, uint32_t stream, const char *subject)
{
	return g->streams[stream].last[strtoul(strrchr(subject, '.') + 1, NULL, 10)];
}

uint64_t generator_written(const struct generator *g, uint32_t stream)
{
	uint64_t written = atomic_load_explicit(&g->streams[stream].written, memory_order_acquire);
	uint64_t filled = generator_filled(g, stream);

	return written > filled ? written : filled;
}

uint64_t generator_removal(const struct generator *g, uint64_t op)
{
	return workload_removal_at(g->streams[0].ops, op, g->w.fill_messages);
}

void generator_note_removals(struct generator *g)
{
	g->removed = g->removals != NULL;
}

void generator_note_purge(struct generator *g)
{
	g->purged = 1;
}

uint64_t generator_live(const struct generator *g, uint64_t sequence, uint64_t last)
{
	if (g->purged)
		return UINT64_MAX;
	while (g->removed && sequence <= last && sequence <= g->w.fill_messages &&
	       (g->removals[(sequence - 1) / 8] >> (sequence - 1) % 8 & 1))
		sequence++;
	return sequence <= last ? sequence : UINT64_MAX;
}

uint64_t generator_gone(const struct generator *g)
{
	return g->purged ? g->w.fill_messages : g->removed ? g->w.messages : 0;
}

uint64_t generator_fill_payload_bytes(const struct generator *g)
{
	struct workload_message wm;
	uint64_t bytes = 0;

	for (uint64_t op = 0; op < g->w.fill_messages; op++) {
		workload_message_at(g->streams[op % g->w.streams].ops, op, &wm);
		bytes += wm.payload_bytes;
	}
	return bytes;
}

void generator_reset(struct generator *g, int filled)
{
	g->filled = filled;
	g->removed = g->purged = 0;
	for (uint32_t i = 0; i < g->w.streams; i++) {
		struct stream *s = &g->streams[i];
		atomic_store(&s->written, 0);
		if (g->racing)
			memset((void *)s->noted, 0, g->noted_count * sizeof(*s->noted));
	}
}

int generator_needs_notes(const struct generator *g)
{
	return g->racing || g->live;
}

/* Over all that is noted without a gap. A publisher that loses the processor between its
 * acknowledgement and its note holds readers back to what is before it; who notes next goes on. */
static void prefix_advance(const struct generator *g, struct stream *s, uint64_t filled)
{
	uint64_t written = atomic_load_explicit(&s->written, memory_order_relaxed);

	for (;;) {
		uint64_t end = written > filled ? written : filled;
		if (end - filled >= g->noted_count ||
		    atomic_load_explicit(&s->noted[end - filled], memory_order_acquire) == 0)
			return;
		if (atomic_compare_exchange_weak_explicit(&s->written, &written, end + 1,
		                                          memory_order_acq_rel,
		                                          memory_order_relaxed))
			written = end + 1;
	}
}

void generator_note(struct generator *g, uint32_t stream, uint64_t sequence, uint64_t op)
{
	struct stream *s = &g->streams[stream];
	uint64_t filled = generator_filled(g, stream);

	/* One publisher: in order, though the acknowledgements may not be. */
	if (!g->racing) {
		if (g->live && sequence > atomic_load_explicit(&s->written, memory_order_relaxed))
			atomic_store_explicit(&s->written, sequence, memory_order_release);
		return;
	}
	if (sequence <= filled || sequence - 1 - filled >= g->noted_count)
		return;
	atomic_store_explicit(&s->noted[sequence - 1 - filled], op + 1, memory_order_release);
	if (g->live)
		prefix_advance(g, s, filled);
}

uint64_t generator_op_of(const struct generator *g, uint32_t stream, uint64_t sequence)
{
	uint64_t filled = generator_filled(g, stream);
	uint64_t i = sequence - 1 - filled;
	uint64_t op;

	if (sequence <= filled)
		return (sequence - 1) * g->w.streams + stream;
	if (!g->racing) /* one publisher, and it writes to stream 0 */
		return stream != 0 ? UINT64_MAX : (g->filled ? g->w.fill_messages : 0) + i;
	if (i >= g->noted_count)
		return UINT64_MAX;
	/* A later sequence was acknowledged already, so this note is at most a moment away. */
	op = atomic_load_explicit(&g->streams[stream].noted[i], memory_order_acquire);
	return op == 0 ? UINT64_MAX : op - 1;
}

int generator_check(const struct generator *g, uint32_t stream, uint64_t sequence,
                    const struct target_message *m, struct target_error *error)
{
	struct target_message want;
	const char *what = NULL;
	uint64_t op;

	if (m->sequence != sequence)
		return target_fail(error, TARGET_VERIFY,
		                   "stream %u: read sequence %llu, expected %llu", stream + 1,
		                   (unsigned long long)m->sequence, (unsigned long long)sequence);
	op = generator_op_of(g, stream, sequence);
	if (op == UINT64_MAX)
		return target_fail(error, TARGET_VERIFY,
		                   "stream %u: sequence %llu is there, but was never published",
		                   stream + 1, (unsigned long long)sequence);
	generator_message(g, stream, op, &want);
	if (m->payload_bytes != want.payload_bytes ||
	    memcmp(m->payload, want.payload, want.payload_bytes) != 0)
		what = "payload";
	else if (m->subject_bytes != want.subject_bytes ||
	         memcmp(m->subject, want.subject, want.subject_bytes) != 0)
		what = "subject";
	else if (m->headers_bytes != want.headers_bytes ||
	         (want.headers_bytes > 0 &&
	          memcmp(m->headers, want.headers, want.headers_bytes) != 0))
		what = "headers";
	if (what == NULL)
		return 0;
	return target_fail(error, TARGET_VERIFY,
	                   "stream %u, sequence %llu: the %s read differs from what was published",
	                   stream + 1, (unsigned long long)sequence, what);
}
