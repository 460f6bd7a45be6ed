/* worker_client.h - a worker process as the run sees it: started, ordered about, ended.
 *
 * The program of an arm is executed again with the hidden verb `slice`; orders go to its
 * standard input, replies come from its standard output (orders.h). Whatever happens to it
 * concerns one arm of one square only.
 */
#ifndef ATREST_HARNESS_WORKER_CLIENT_H
#define ATREST_HARNESS_WORKER_CLIENT_H

#include <signal.h>
#include <stdint.h>

#include "harness/orders.h"

struct worker;

/* program NULL: this one. Waits for its first line. 0; or -1, *out NULL and *error filled
 * (TARGET_USAGE: it is not a worker of this protocol). */
int worker_start(const char *program, struct worker **out, struct order_hello *hello,
                 struct target_error *error);

/* Sends the order (a setup order with the key behind it) and waits for the reply.
 *
 * stop        when it becomes other than 0 the wait ends.
 * timeout_ns  of the wait.
 *
 * Returns 0, the reply says how it went; or -1 and *error: the worker is gone, says nonsense, or
 * took too long; it is killed then and takes no more orders. */
int worker_order(struct worker *worker, const struct order *order, const uint8_t *key,
                 struct order_reply *reply, const volatile sig_atomic_t *stop, uint64_t timeout_ns,
                 struct target_error *error);

/* 1 while it can take orders; NULL is 0. */
int worker_alive(const struct worker *worker);

/* Ends it: its input is closed, it is killed when it does not leave within ten seconds: what it
 * filled on a server that is there has to be deleted. NULL allowed. */
void worker_end(struct worker *worker);
/* Ends it at once. */
void worker_kill(struct worker *worker);

#endif
