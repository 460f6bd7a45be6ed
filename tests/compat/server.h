/* server.h - a private nats-server (harness/targets/nats_server.h) and a connection to it, for the
 * tests against real servers. What goes wrong is told on stderr.
 */
#ifndef ATREST_TESTS_COMPAT_SERVER_H
#define ATREST_TESTS_COMPAT_SERVER_H

#include <jansson.h>
#include <stddef.h>

struct server; /* one running process and a connection to it; one thread */

struct server_config {
	const char *program;   /* path of the binary, as server_find gives it */
	const char *store_dir; /* the server adds "jetstream" */
	const char *cipher;    /* "none", "chachapoly", "aes" */
	const char *key;       /* letters and digits; NULL with "none" */
	const char *prev_key;  /* of a rotation, from 2.10 on; NULL: none */
	const char *folder;    /* for configuration and log */
};

/* The program of a version ("2.9.10", "newest"). 0, or -1 with the reason in why. */
int server_find(const char *version, char *path, size_t path_bytes, char *why, size_t why_bytes);

/* Starts it and waits until JetStream answers, at most 20 s. 0, or -1; *out is NULL then. */
int server_start(const struct server_config *config, struct server **out);

/* Asks it to leave and waits, at most 20 s, then kills it. 0 when it left by itself; NULL is 0. */
int server_stop(struct server *server);

/* A request to the JetStream API; json may be "". The reply is owned by the caller; NULL when
 * there was none or it is not JSON. An error of the API is a reply with the member "error". */
json_t *server_request(struct server *server, const char *subject, const char *json);

/* Publishes and waits for the acknowledgement. headers: "Name: value" pairs, NULL none, ended by
 * a NULL name. The sequence, or 0 when it was not acknowledged. */
struct server_header {
	const char *name, *value;
};
unsigned long long server_publish(struct server *server, const char *subject,
                                  const struct server_header *headers, const void *payload,
                                  size_t payload_bytes);

/* Fetches one message of a pull consumer and acknowledges it if ack. Its stream sequence, or 0. */
unsigned long long server_fetch(struct server *server, const char *stream, const char *consumer,
                                int ack);

/* The stream's snapshot, into a file. The reply (configuration and state) as server_request's, NULL
 * when anything failed. */
json_t *server_snapshot(struct server *server, const char *stream, const char *path);

/* Restores a stream from the file; request: configuration and state. What the server says at the
 * end, NULL when it did not come to that. */
json_t *server_restore(struct server *server, const char *stream, const json_t *request,
                       const char *path);

/* The next message of a pull consumer. 1, and ack is the subject that acknowledges it; 0 when there
 * is none now; -1. */
int server_pull(struct server *server, const char *stream, const char *consumer, char *ack,
                size_t ack_bytes);

/* Acknowledges and waits for the server to say so. 0 or -1. */
int server_ack(struct server *server, const char *ack);

#endif
