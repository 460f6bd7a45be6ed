/* nats_client.h - JetStream over libnats: what targets nats and server have in common.
 *
 * A place has one connection for requests that are not timed, with a thread of libnats's own.
 * Every publisher and every reader has another (nats_link.h), which is served by the thread that
 * publishes or reads. No connection is ever made anew: acknowledgements on their way would be
 * lost with the old one, so the slice has failed.
 *
 * Nothing waits longer than NATS_CLIENT_WAIT_MS for one answer.
 */
#ifndef ATREST_HARNESS_TARGETS_NATS_CLIENT_H
#define ATREST_HARNESS_TARGETS_NATS_CLIENT_H

#include <nats/nats.h>

#include "harness/targets/nats_link.h"
#include "harness/targets/nats_nkey.h"
#include "harness/targets/target.h"

#define NATS_CLIENT_WAIT_MS       10000
#define NATS_CLIENT_NAME_BYTES    256
#define NATS_CLIENT_ROOT_BYTES    16
#define NATS_CLIENT_DOING_BYTES   (NATS_CLIENT_NAME_BYTES + 128) /* "making stream <name>" */
#define NATS_CLIENT_VERSION_BYTES 32

struct nats_server;
struct server_keeper; /* target_nats.c */

struct target_place {
	const struct target_options *options;
	struct nats_server *server;        /* target nats: its own */
	struct server_keeper *keeper;      /* of that */
	char directory[4096];              /* its store_dir */
	const char *urls;                  /* separated by commas; borrowed */
	char nkey[NATS_NKEY_PUBLIC_BYTES]; /* public half of the one it signs with; "" */
	natsConnection *connection;
	jsCtx *js;
	char prefix[NATS_CLIENT_NAME_BYTES]; /* stream i is "<prefix><i>" */
	char root[NATS_CLIENT_ROOT_BYTES];   /* before every subject: "", or "<unique>." where
	                                        other streams may listen */
	int direct;                          /* its messages can be got without an API request */
	char version[NATS_CLIENT_VERSION_BYTES];
	int fresh; /* this place made the streams */
};

/* A place without streams, connected; urls must outlive it, prefix and root are copied. NULL and
 * *error on failure; server is the caller's then. */
struct target_place *nats_client_new(const struct target_options *options,
                                     struct nats_server *server, const char *urls,
                                     const char *prefix, const char *root,
                                     struct target_error *error);
/* Connections go, a server stays. NULL allowed. */
void nats_client_free(struct target_place *place);

/* A connection of its own to the place's servers, served by its own thread (link NULL) or by
 * whoever calls nats_link_*. */
int nats_client_connect(struct target_place *place, struct nats_link *link, natsConnection **out,
                        struct target_error *error);

/* Fails with what libnats or the server said: "<doing>: <text>". code is 0 or the API's own; text
 * NULL is the status' text. */
int nats_client_fail(struct target_place *place, natsStatus status, jsErrCode code,
                     const char *doing, const char *text, struct target_error *error);

void nats_client_stream_name(const struct target_place *place, uint32_t stream,
                             char name[NATS_CLIENT_NAME_BYTES]);

/* All streams of the workload: made, with its limits; there; gone, with what warming up left (0;
 * -1 and some may be left). */
int nats_client_make_streams(struct target_place *place, struct target_error *error);
int nats_client_find_streams(struct target_place *place, struct target_error *error);
int nats_client_delete_streams(struct target_place *place);

/* Publishes what the workload publishes to a stream that is deleted again, for an eighth of a
 * second or 8 MiB, whichever ends first, and pauses: the heap and the code of a server that has
 * just started are not yet what they are a moment later. */
int nats_client_warm_up(struct target_place *place, struct target_error *error);

/* ---- functions of struct target ---- */

int nats_publisher_open(struct target_place *place, uint32_t stream, target_acked_fn *acked,
                        void *arg, struct target_publisher **out, struct target_error *error);
int nats_publisher_submit(struct target_publisher *p, const struct target_message *m,
                          struct target_ticket ticket, struct target_error *error);
int nats_publisher_drain(struct target_publisher *p, struct target_error *error);
int nats_publisher_serve(struct target_publisher *p, uint64_t until_ns, uint64_t spin_ns,
                         struct target_error *error);
void nats_publisher_close(struct target_publisher *p);
int nats_publisher_remove(struct target_publisher *p, uint64_t sequence,
                          struct target_error *error);

int nats_reader_open(struct target_place *place, uint32_t stream, struct target_reader **out,
                     struct target_error *error);
int nats_reader_get(struct target_reader *r, uint64_t sequence, struct target_message *m,
                    struct target_error *error);
int nats_reader_next(struct target_reader *r, uint64_t sequence, struct target_message *m,
                     struct target_error *error);
int nats_reader_last(struct target_reader *r, const char *subject, struct target_message *m,
                     struct target_error *error);
void nats_reader_close(struct target_reader *r);

int nats_client_flush(struct target_place *place, struct target_error *error);
int nats_client_purge(struct target_place *place, struct target_error *error);
int nats_client_state(struct target_place *place, uint32_t stream, struct target_state *out,
                      struct target_error *error);
void nats_client_counters(struct target_place *place, struct target_counters *out);
const char *nats_client_version(const struct target_place *place);

/* What the tables of targets nats and server share: the same client, whoever started the server. */
#define NATS_CLIENT_FUNCTIONS                                                                      \
	.keeps = 1, .ciphers = 1, .publisher_open = nats_publisher_open,                           \
	.submit = nats_publisher_submit, .drain = nats_publisher_drain,                            \
	.serve = nats_publisher_serve, .publisher_close = nats_publisher_close,                    \
	.reader_open = nats_reader_open, .get = nats_reader_get, .next = nats_reader_next,         \
	.reader_close = nats_reader_close, .flush = nats_client_flush, .state = nats_client_state, \
	.counters = nats_client_counters, .version = nats_client_version,                          \
	.last = nats_reader_last, .remove = nats_publisher_remove, .purge = nats_client_purge

#endif
