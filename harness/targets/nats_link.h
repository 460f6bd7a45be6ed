/* nats_link.h - a connection without threads: who uses it also serves its socket.
 *
 * A client with threads of its own wakes one for what comes in, which wakes the one that waits, and
 * a third sends what was written up to a millisecond later. On two cores that are shared with the
 * server this is half of what would be measured. So libnats is given an event loop that is
 * nothing but the calling thread: messages are collected until NATS_LINK_SEND_BYTES or until
 * somebody waits, then sent together.
 *
 * One thread. What is received comes to one inbox, "<inbox>.<anything>".
 */
#ifndef ATREST_HARNESS_TARGETS_NATS_LINK_H
#define ATREST_HARNESS_TARGETS_NATS_LINK_H

#include <nats/nats.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/targets/target.h"

#define NATS_LINK_SEND_BYTES  (32 * 1024)
#define NATS_LINK_INBOX_BYTES 64
#define NATS_LINK_SPENT_MAX   128
#define NATS_LINK_SPENT_BYTES (256 * 1024)

struct target_place;

struct nats_link {
	struct target_place *place;
	natsConnection *connection;
	natsSubscription *inbox;
	char inbox_name[NATS_LINK_INBOX_BYTES]; /* "<inbox>." */
	int fd;                                 /* -1: closed */
	int unsent;                             /* something waits to be sent */
	size_t unsent_bytes;                    /* about */
	uint64_t queued;                        /* messages that are here and were not taken */
	natsMsg *spent[NATS_LINK_SPENT_MAX];    /* given back and not freed yet */
	uint32_t spent_count;
	size_t spent_bytes;
};

int nats_link_open(struct target_place *place, struct nats_link *link, struct target_error *error);
void nats_link_close(struct nats_link *link);

/* For natsOptions_SetEventLoop: link as the loop. */
natsStatus nats_link_options(struct nats_link *link, natsOptions *options);

/* After bytes were published on link->connection: sends when it is worth it. */
natsStatus nats_link_published(struct nats_link *link, size_t bytes);

/* Sends what waits, then waits for the next message: NATS_OK and the caller's, NATS_TIMEOUT, or
 * what ended the connection. */
natsStatus nats_link_next(struct nats_link *link, int64_t timeout_ms, natsMsg **out);

/* The same without a failure: sends what waits; NATS_TIMEOUT when no message came within so long.
 */
natsStatus nats_link_poll(struct nats_link *link, uint64_t timeout_ns, natsMsg **out);

/* Frees one of nats_link_next, NULL allowed, together with others: libnats has a thread for that,
 * which would be woken for each. */
void nats_link_give_back(struct nats_link *link, natsMsg *msg);

#endif
