/* nats_server_inner.h - what the files of a private server share: nats_server.c starts and stops
 * it, nats_server_explain.c asks it and says what went wrong.
 */
#ifndef ATREST_HARNESS_TARGETS_NATS_SERVER_INNER_H
#define ATREST_HARNESS_TARGETS_NATS_SERVER_INNER_H

#include <limits.h>
#include <pthread.h>

#include "harness/targets/nats_server.h"

#define NATS_SERVER_LINE_BYTES 400 /* of its log, as far as it is shown */

struct nats_server {
	pthread_mutex_t lock; /* of ended and status */
	pid_t pid;
	int ended, status; /* as waitpid has it */
	char url[64];      /* "" until it listens */
	char store_dir[NATS_SERVER_PATH_BYTES];
	char folder[NATS_SERVER_PATH_BYTES];
	char log[PATH_MAX + 64];
};

/* 1 while it lives. */
int nats_server_lives(struct nats_server *server);
/* 1 when JetStream answers without an error; 0 an error; -1 no answer within seconds. */
int nats_server_answers(const struct nats_server *server);
/* How it ended, and what its log said last. */
void nats_server_describe_end(struct nats_server *server, char text[NATS_SERVER_LINE_BYTES]);

#endif
