/* consumer.h - the state of a consumer: obs/<CONSUMER>/o.dat, versions 1 and 2.
 *
 *   22 || version || uvarint ack floor consumer seq (AC), stream seq (AS), delivered consumer
 *   seq, delivered stream seq || uvarint pending; if > 0: varint base time (s), then for each
 *   uvarint stream seq - AS, uvarint consumer seq - AC (version 2), varint base - delivery time
 *   || uvarint redelivered, for each uvarint stream seq - AS, uvarint count
 *
 * Version 1: times are base + value, and delivered values have the ack floor - 1 added when
 * the floor is above 1. The clear form has no checksum: only its lengths are checked.
 * Source: nats-server server/store.go, encodeConsumerState, decodeConsumerState.
 */
#ifndef ATREST_STORE_CONSUMER_H
#define ATREST_STORE_CONSUMER_H

#include <stddef.h>
#include <stdint.h>

#include "store/status.h"

struct atr_consumer_pending {
	uint64_t stream_seq, consumer_seq; /* consumer_seq 0 in version 1 */
	int64_t delivered_s;               /* seconds since 1970 */
};

struct atr_consumer_redelivered {
	uint64_t stream_seq, count; /* deliveries - 1 */
};

/* All zero is a consumer that never delivered anything. */
struct atr_consumer_state {
	uint64_t ack_floor_consumer, ack_floor_stream;
	uint64_t delivered_consumer, delivered_stream;
	struct atr_consumer_pending *pending;
	size_t pending_count;
	struct atr_consumer_redelivered *redelivered;
	size_t redelivered_count;
};

/* text is the deciphered content. ATR_EFORMAT with *why (constant text); ATR_EUNSUPPORTED, a
 * newer version; ATR_ENOMEM. *out is empty unless ATR_OK. */
enum atr_status atr_consumer_decode(const uint8_t *text, size_t text_bytes,
                                    struct atr_consumer_state *out, const char **why);

/* The other way, version 2. base_s: the time of encoding. *out is malloc'd, owned by the caller;
 * ATR_ENOMEM. */
enum atr_status atr_consumer_encode(const struct atr_consumer_state *state, int64_t base_s,
                                    uint8_t **out, size_t *out_bytes);
void atr_consumer_free(struct atr_consumer_state *state);

#endif
