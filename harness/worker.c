/* worker.c - see worker.h. */
#include "harness/worker.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "ciphers/secret.h"
#include "harness/measure/machine.h"
#include "harness/orders.h"
#include "harness/slice.h"

struct worker_state {
	int in, out;
	uint8_t *key; /* secret memory */
	struct session *session;
	char line[ORDERS_LINE_MAX];
};

/* Byte by byte: behind a line may come the key, and nothing but secret memory may hold that.
 * 1; 0 at the end of the input; -1. */
static int read_line(struct worker_state *w)
{
	for (size_t used = 0; used < sizeof(w->line); used++) {
		ssize_t n;
		do {
			n = read(w->in, w->line + used, 1);
		} while (n < 0 && errno == EINTR);
		if (n <= 0)
			return n == 0 && used == 0 ? 0 : -1;
		if (w->line[used] == '\n') {
			w->line[used] = '\0';
			return 1;
		}
	}
	return -1;
}

static int read_key(struct worker_state *w, size_t bytes)
{
	size_t used = 0;

	atr_secret_free(w->key);
	w->key = NULL;
	if (bytes == 0)
		return 0;
	w->key = atr_secret_alloc(bytes);
	while (w->key != NULL && used < bytes) {
		ssize_t n = read(w->in, w->key + used, bytes - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		used += (size_t)n;
	}
	return w->key == NULL ? -1 : 0;
}

/* Takes the line. */
static int write_line(int fd, char *line)
{
	size_t bytes = line == NULL ? 0 : strlen(line), at = 0;
	ssize_t n = 0;

	while (at < bytes) {
		n = write(fd, line + at, bytes - at);
		if (n < 0 && errno != EINTR)
			break;
		if (n > 0)
			at += (size_t)n;
	}
	free(line);
	return bytes > 0 && at == bytes ? 0 : -1;
}

static void set_up(struct worker_state *w, const struct order *order, struct order_reply *reply)
{
	session_close(w->session);
	w->session = NULL;
	if (read_key(w, order->key_bytes) != 0) {
		target_fail(&reply->error, TARGET_FAILED, "no server key came with the order");
		return;
	}
	reply->ok = session_open(order, w->key, &w->session, &reply->error) == 0;
	if (reply->ok)
		snprintf(reply->library, sizeof(reply->library), "%s", session_library(w->session));
}

/* Answers one order. 0, or -1 when nobody listens. */
static int obey(struct worker_state *w, struct order *order, struct order_reply *reply)
{
	char text[256];

	memset(reply, 0, sizeof(*reply));
	if (orders_read(w->line, order, text) != 0) {
		target_fail(&reply->error, TARGET_USAGE, "order not understood: %s", text);
		return write_line(w->out, orders_write_reply(reply, NULL));
	}
	if (order->kind == ORDER_SETUP) {
		set_up(w, order, reply);
	} else if (w->session == NULL) {
		target_fail(&reply->error, TARGET_USAGE, "order before setup");
	} else if (order->kind == ORDER_FILL) {
		reply->ok = session_fill(w->session, order->directory, &reply->error) == 0;
	} else {
		session_slice(w->session, order, reply);
		snprintf(reply->row.build, sizeof(reply->row.build), "%s", machine_build());
		/* Workers of other cells wait meanwhile: this one should be small. */
		malloc_trim(0);
	}
	return write_line(
	        w->out, orders_write_reply(reply, order->kind == ORDER_SLICE ? &reply->row : NULL));
}

int worker_main(int in, int out)
{
	struct worker_state *w = calloc(1, sizeof(*w));
	struct order *order = malloc(sizeof(*order));
	struct order_reply *reply = malloc(sizeof(*reply));
	struct order_hello hello = {0};
	pid_t parent = getppid();
	int rc = 4;

	/* Ctrl-C reaches the whole terminal; the run decides what ends. It may have ended before
	 * the first line took effect. */
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (w == NULL || order == NULL || reply == NULL || getppid() != parent)
		goto done;
	w->in = in;
	w->out = out;
	snprintf(hello.version, sizeof(hello.version), "%s", machine_version());
	snprintf(hello.commit, sizeof(hello.commit), "%s", machine_commit());
	snprintf(hello.build, sizeof(hello.build), "%s", machine_build());
	if (write_line(out, orders_write_hello(&hello)) != 0)
		goto done;
	while ((rc = read_line(w)) == 1)
		if (obey(w, order, reply) != 0)
			break;
	rc = rc == 0 ? 0 : 4;
done:
	if (w != NULL) {
		session_close(w->session);
		atr_secret_free(w->key);
	}
	free(w);
	free(order);
	free(reply);
	return rc;
}
