#include "store/consumer.h"

#include <stdlib.h>
#include <string.h>

#include "store/bytes.h"

#define MAGIC   22
#define VERSION 2 /* the newest that is read */

static enum atr_status refuse(const char **why, const char *text)
{
	*why = text;
	return ATR_EFORMAT;
}

static enum atr_status decode_pending(struct atr_cursor *c, unsigned version,
                                      struct atr_consumer_state *out, const char **why)
{
	uint64_t count = atr_cursor_uvarint(c);
	int64_t base;

	if (c->failed || count > (uint64_t)(c->end - c->at) / 2)
		return refuse(why, "the list of pending messages is cut");
	if (count == 0)
		return ATR_OK;
	base = atr_cursor_varint(c);
	out->pending = calloc((size_t)count, sizeof *out->pending);
	if (out->pending == NULL)
		return ATR_ENOMEM;
	for (uint64_t i = 0; i < count; i++) {
		struct atr_consumer_pending *p = &out->pending[i];
		uint64_t value;

		p->stream_seq = atr_cursor_uvarint(c) + out->ack_floor_stream;
		if (version >= 2)
			p->consumer_seq = atr_cursor_uvarint(c) + out->ack_floor_consumer;
		value = (uint64_t)atr_cursor_varint(c);
		p->delivered_s =
		        (int64_t)(version >= 2 ? (uint64_t)base - value : (uint64_t)base + value);
		if (c->failed)
			return refuse(why, "the list of pending messages is cut");
		out->pending_count++;
	}
	return ATR_OK;
}

static enum atr_status decode_redelivered(struct atr_cursor *c, struct atr_consumer_state *out,
                                          const char **why)
{
	uint64_t count = atr_cursor_uvarint(c);

	if (c->failed || count > (uint64_t)(c->end - c->at) / 2)
		return refuse(why, "the list of redelivered messages is cut");
	if (count == 0)
		return ATR_OK;
	out->redelivered = calloc((size_t)count, sizeof *out->redelivered);
	if (out->redelivered == NULL)
		return ATR_ENOMEM;
	for (uint64_t i = 0; i < count; i++) {
		out->redelivered[i].stream_seq = atr_cursor_uvarint(c) + out->ack_floor_stream;
		out->redelivered[i].count = atr_cursor_uvarint(c);
		if (c->failed)
			return refuse(why, "the list of redelivered messages is cut");
		out->redelivered_count++;
	}
	return ATR_OK;
}

static enum atr_status decode(struct atr_cursor *c, struct atr_consumer_state *out,
                              const char **why)
{
	const uint8_t *head = atr_cursor_take(c, 2);
	enum atr_status rc;

	if (head == NULL || head[0] != MAGIC || head[1] == 0)
		return refuse(why, "does not begin with byte 22 and a version");
	if (head[1] > VERSION) {
		*why = "a newer version than 2";
		return ATR_EUNSUPPORTED;
	}
	out->ack_floor_consumer = atr_cursor_uvarint(c);
	out->ack_floor_stream = atr_cursor_uvarint(c);
	out->delivered_consumer = atr_cursor_uvarint(c);
	out->delivered_stream = atr_cursor_uvarint(c);
	if (head[1] == 1 && out->ack_floor_consumer > 1)
		out->delivered_consumer += out->ack_floor_consumer - 1;
	if (head[1] == 1 && out->ack_floor_stream > 1)
		out->delivered_stream += out->ack_floor_stream - 1;
	rc = decode_pending(c, head[1], out, why);
	if (rc == ATR_OK)
		rc = decode_redelivered(c, out, why);
	if (rc == ATR_OK && c->at != c->end)
		return refuse(why, "bytes left over at the end");
	return rc;
}

enum atr_status atr_consumer_decode(const uint8_t *text, size_t text_bytes,
                                    struct atr_consumer_state *out, const char **why)
{
	struct atr_cursor c = {.at = text, .end = text + text_bytes};
	enum atr_status rc;

	memset(out, 0, sizeof *out);
	*why = NULL;
	rc = decode(&c, out, why);
	if (rc != ATR_OK)
		atr_consumer_free(out);
	return rc;
}

enum atr_status atr_consumer_encode(const struct atr_consumer_state *state, int64_t base_s,
                                    uint8_t **out, size_t *out_bytes)
{
	/* magic, version, four sequences, two counts, base; then three or two numbers each */
	size_t bytes_max = 2 + ATR_UVARINT_BYTES_MAX * (7 + 3 * state->pending_count +
	                                                2 * state->redelivered_count);
	uint8_t *p = malloc(bytes_max);

	*out = p;
	*out_bytes = 0;
	if (p == NULL)
		return ATR_ENOMEM;
	*p++ = MAGIC;
	*p++ = VERSION;
	p += atr_uvarint_put(p, state->ack_floor_consumer);
	p += atr_uvarint_put(p, state->ack_floor_stream);
	p += atr_uvarint_put(p, state->delivered_consumer);
	p += atr_uvarint_put(p, state->delivered_stream);
	p += atr_uvarint_put(p, state->pending_count);
	if (state->pending_count > 0)
		p += atr_varint_put(p, base_s);
	for (size_t i = 0; i < state->pending_count; i++) {
		const struct atr_consumer_pending *pending = &state->pending[i];

		p += atr_uvarint_put(p, pending->stream_seq - state->ack_floor_stream);
		p += atr_uvarint_put(p, pending->consumer_seq - state->ack_floor_consumer);
		p += atr_varint_put(p, base_s - pending->delivered_s);
	}
	p += atr_uvarint_put(p, state->redelivered_count);
	for (size_t i = 0; i < state->redelivered_count; i++) {
		p += atr_uvarint_put(p, state->redelivered[i].stream_seq - state->ack_floor_stream);
		p += atr_uvarint_put(p, state->redelivered[i].count);
	}
	*out_bytes = (size_t)(p - *out);
	return ATR_OK;
}

void atr_consumer_free(struct atr_consumer_state *state)
{
	free(state->pending);
	free(state->redelivered);
	memset(state, 0, sizeof *state);
}
