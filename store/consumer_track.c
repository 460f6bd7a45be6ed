#include "store/consumer_track.h"

#include <stdlib.h>
#include <string.h>

/* ---- the lists ---- */

/* The first place whose stream sequence is not below sequence. */
static size_t lower_pending(const struct consumer_track *c, uint64_t sequence)
{
	size_t low = c->start, high = c->start + c->state.pending_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (c->state.pending[middle].stream_seq < sequence)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct atr_consumer_pending *find_pending(struct consumer_track *c, uint64_t sequence)
{
	size_t at = lower_pending(c, sequence);

	return at < c->start + c->state.pending_count && c->state.pending[at].stream_seq == sequence
	               ? &c->state.pending[at]
	               : NULL;
}

/* sequence is above all others. */
static enum atr_status add_pending(struct consumer_track *c, uint64_t stream_seq,
                                   uint64_t consumer_seq, int64_t delivered_s)
{
	struct atr_consumer_state *s = &c->state;

	if (c->start + s->pending_count == c->pending_capacity && c->start > s->pending_count) {
		memmove(s->pending, s->pending + c->start, s->pending_count * sizeof *s->pending);
		c->start = 0;
	}
	if (c->start + s->pending_count == c->pending_capacity) {
		size_t capacity = c->pending_capacity > 0 ? 2 * c->pending_capacity : 16;
		struct atr_consumer_pending *larger =
		        realloc(s->pending, capacity * sizeof *s->pending);

		if (larger == NULL)
			return ATR_ENOMEM;
		s->pending = larger;
		c->pending_capacity = capacity;
	}
	s->pending[c->start + s->pending_count++] = (struct atr_consumer_pending){
	        .stream_seq = stream_seq, .consumer_seq = consumer_seq, .delivered_s = delivered_s};
	return ATR_OK;
}

static void remove_pending(struct consumer_track *c, struct atr_consumer_pending *p)
{
	struct atr_consumer_pending *first = c->state.pending + c->start;
	struct atr_consumer_pending *end = first + c->state.pending_count;

	c->state.pending_count--;
	if (p - first < end - p) {
		memmove(first + 1, first, (size_t)(p - first) * sizeof *p);
		c->start++;
	} else {
		memmove(p, p + 1, (size_t)(end - p - 1) * sizeof *p);
	}
}

static size_t lower_redelivered(const struct consumer_track *c, uint64_t sequence)
{
	size_t low = 0, high = c->state.redelivered_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (c->state.redelivered[middle].stream_seq < sequence)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static enum atr_status set_redelivered(struct consumer_track *c, uint64_t sequence, uint64_t count)
{
	struct atr_consumer_state *s = &c->state;
	size_t at = lower_redelivered(c, sequence);

	if (at < s->redelivered_count && s->redelivered[at].stream_seq == sequence) {
		if (s->redelivered[at].count < count)
			s->redelivered[at].count = count;
		return ATR_OK;
	}
	if (s->redelivered_count == c->redelivered_capacity) {
		size_t capacity = c->redelivered_capacity > 0 ? 2 * c->redelivered_capacity : 16;
		struct atr_consumer_redelivered *larger =
		        realloc(s->redelivered, capacity * sizeof *s->redelivered);

		if (larger == NULL)
			return ATR_ENOMEM;
		s->redelivered = larger;
		c->redelivered_capacity = capacity;
	}
	memmove(s->redelivered + at + 1, s->redelivered + at,
	        (s->redelivered_count - at) * sizeof *s->redelivered);
	s->redelivered[at].stream_seq = sequence;
	s->redelivered[at].count = count;
	s->redelivered_count++;
	return ATR_OK;
}

/* Removes first..last. Returns whether there was one. */
static int remove_redelivered(struct consumer_track *c, uint64_t first, uint64_t last)
{
	struct atr_consumer_state *s = &c->state;
	size_t from = lower_redelivered(c, first), to = from;

	while (to < s->redelivered_count && s->redelivered[to].stream_seq <= last)
		to++;
	if (to == from)
		return 0;
	memmove(s->redelivered + from, s->redelivered + to,
	        (s->redelivered_count - to) * sizeof *s->redelivered);
	s->redelivered_count -= to - from;
	return 1;
}

static int by_pending(const void *a, const void *b)
{
	const struct atr_consumer_pending *x = a, *y = b;

	return (x->stream_seq > y->stream_seq) - (x->stream_seq < y->stream_seq);
}

static int by_redelivered(const void *a, const void *b)
{
	const struct atr_consumer_redelivered *x = a, *y = b;

	return (x->stream_seq > y->stream_seq) - (x->stream_seq < y->stream_seq);
}

void consumer_track_take(struct consumer_track *c, const struct atr_consumer_state *state)
{
	c->state = *state;
	c->start = 0;
	c->pending_capacity = state->pending_count;
	c->redelivered_capacity = state->redelivered_count;
	if (state->pending_count > 0)
		qsort(c->state.pending, state->pending_count, sizeof *c->state.pending, by_pending);
	if (state->redelivered_count > 0)
		qsort(c->state.redelivered, state->redelivered_count, sizeof *c->state.redelivered,
		      by_redelivered);
}

struct atr_consumer_state consumer_track_state(const struct consumer_track *c)
{
	struct atr_consumer_state state = c->state;

	if (state.pending_count > 0)
		state.pending += c->start;
	return state;
}

void consumer_track_free(struct consumer_track *c)
{
	atr_consumer_free(&c->state);
	memset(c, 0, sizeof *c);
}

/* ---- delivered and acknowledged ---- */

enum atr_status consumer_track_deliver(struct consumer_track *c, uint64_t consumer_seq,
                                       uint64_t stream_seq, uint64_t deliveries,
                                       int64_t delivered_s)
{
	struct atr_consumer_state *s = &c->state;
	struct atr_consumer_pending *p = NULL;
	enum atr_status rc = ATR_OK;

	if (stream_seq <= s->delivered_stream) {
		/* again: the sequence of its first delivery stays */
		p = find_pending(c, stream_seq);
		if (p != NULL)
			p->delivered_s = delivered_s;
	} else {
		rc = add_pending(c, stream_seq, consumer_seq, delivered_s);
	}
	if (rc != ATR_OK)
		return rc;
	if (consumer_seq > s->delivered_consumer)
		s->delivered_consumer = consumer_seq;
	if (stream_seq > s->delivered_stream)
		s->delivered_stream = stream_seq;
	if (deliveries <= 1)
		return ATR_OK;
	p = find_pending(c, stream_seq);
	if (c->max_deliver > 0 && deliveries > c->max_deliver && p != NULL)
		remove_pending(c, p);
	return set_redelivered(c, stream_seq, deliveries - 1);
}

void consumer_track_deliver_unacked(struct consumer_track *c, uint64_t consumer_seq,
                                    uint64_t stream_seq)
{
	struct atr_consumer_state *s = &c->state;

	if (consumer_seq > s->delivered_consumer)
		s->delivered_consumer = s->ack_floor_consumer = consumer_seq;
	if (stream_seq > s->delivered_stream)
		s->delivered_stream = s->ack_floor_stream = stream_seq;
}

static void ack_all(struct consumer_track *c, uint64_t consumer_seq, uint64_t stream_seq)
{
	struct atr_consumer_state *s = &c->state;
	size_t done = lower_pending(c, stream_seq + 1) - c->start;

	/* as the server: what is redelivered goes with what is pending */
	for (size_t i = 0; i < done; i++) {
		uint64_t sequence = s->pending[c->start + i].stream_seq;

		(void)remove_redelivered(c, sequence, sequence);
	}
	c->start += done;
	s->pending_count -= done;
	s->ack_floor_consumer = consumer_seq;
	s->ack_floor_stream = stream_seq;
}

static void ack_one(struct consumer_track *c, struct atr_consumer_pending *p, uint64_t consumer_seq)
{
	struct atr_consumer_state *s = &c->state;
	const struct atr_consumer_pending *next;
	uint64_t stream_seq = p->stream_seq;
	size_t at;

	/* of a message that was delivered again the first delivery counts */
	if (consumer_seq > p->consumer_seq && p->consumer_seq > 0)
		consumer_seq = p->consumer_seq;
	remove_pending(c, p);
	if (s->pending_count == 0) {
		s->ack_floor_consumer = s->delivered_consumer;
		s->ack_floor_stream = s->delivered_stream;
		return;
	}
	if (consumer_seq != s->ack_floor_consumer + 1)
		return;
	s->ack_floor_consumer = consumer_seq;
	s->ack_floor_stream = stream_seq;
	/* on to below the next one pending; without its consumer sequence (version 1) not */
	at = lower_pending(c, stream_seq + 1);
	next = &s->pending[at];
	if (s->delivered_consumer > consumer_seq && at < c->start + s->pending_count &&
	    next->consumer_seq > 0) {
		s->ack_floor_consumer = next->consumer_seq - 1;
		s->ack_floor_stream = next->stream_seq - 1;
	}
}

enum atr_status consumer_track_ack(struct consumer_track *c, uint64_t consumer_seq,
                                   uint64_t stream_seq, int *changed)
{
	struct atr_consumer_pending *p;

	/* regardless of what follows, as the server does */
	*changed = remove_redelivered(c, stream_seq, stream_seq);
	if (consumer_seq <= c->state.ack_floor_consumer)
		return ATR_OK;
	p = find_pending(c, stream_seq);
	if (p == NULL)
		return ATR_ENOTFOUND;
	*changed = 1;
	if (c->ack_policy == ACK_ALL)
		ack_all(c, consumer_seq, stream_seq);
	else
		ack_one(c, p, consumer_seq);
	return ATR_OK;
}
