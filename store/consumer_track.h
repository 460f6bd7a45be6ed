/* consumer_track.h - what deliveries and acknowledgements do to the state of a consumer (inner).
 *
 * Both lists are kept in ascending stream sequence: searching is by halving, the next one pending
 * is the next place. Acknowledgements come mostly in that order, so the first `start` places of the
 * pending may be free.
 * Source: nats-server server/filestore.go, consumerFileStore.UpdateDelivered, UpdateAcks.
 */
#ifndef ATREST_STORE_CONSUMER_TRACK_H
#define ATREST_STORE_CONSUMER_TRACK_H

#include "store/consumer.h"

enum ack_policy { ACK_NONE, ACK_ALL, ACK_EXPLICIT };

/* All zero: nothing delivered, no acknowledgements. */
struct consumer_track {
	enum ack_policy ack_policy;
	uint64_t max_deliver;            /* 0: no limit */
	struct atr_consumer_state state; /* owned; its pending: from place `start` on */
	size_t start, pending_capacity, redelivered_capacity;
};

/* Takes over what was read, in whatever order a server left it. */
void consumer_track_take(struct consumer_track *c, const struct atr_consumer_state *state);
/* The state with its pending list where it begins; borrowed. */
struct atr_consumer_state consumer_track_state(const struct consumer_track *c);
void consumer_track_free(struct consumer_track *c);

/* Of a policy with acknowledgements; above the floor. ATR_ENOMEM. */
enum atr_status consumer_track_deliver(struct consumer_track *c, uint64_t consumer_seq,
                                       uint64_t stream_seq, uint64_t deliveries,
                                       int64_t delivered_s);
/* Without: what is delivered is done. */
void consumer_track_deliver_unacked(struct consumer_track *c, uint64_t consumer_seq,
                                    uint64_t stream_seq);
/* *changed: whether the state did. ATR_OK; ATR_ENOTFOUND, not pending. */
enum atr_status consumer_track_ack(struct consumer_track *c, uint64_t consumer_seq,
                                   uint64_t stream_seq, int *changed);

#endif
