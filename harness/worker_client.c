/* worker_client.c - see worker_client.h. */
#include "harness/worker_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/measure/clock.h"

#define HELLO_TIMEOUT_NS UINT64_C(30000000000)
#define LEAVE_MS         30000
#define POLL_MS          200 /* how late a stop may be seen when its signal came before the wait */

extern char **environ;

struct worker {
	pid_t pid; /* 0 when it was waited for */
	int to;
	int from;
	size_t used; /* bytes in line that were read, perhaps past its newline */
	char line[ORDERS_LINE_MAX];
};

/* ---- the process ---- */

static int spawn(struct worker *w, const char *program, int child_in, int child_out)
{
	/* The link is followed in the child, which is still this program then. */
	const char *path = program == NULL ? "/proc/self/exe" : program;
	char name[] = "atrest", verb[] = "slice";
	char *argv[] = {name, verb, NULL};
	posix_spawn_file_actions_t actions;
	int rc = posix_spawn_file_actions_init(&actions);

	if (rc != 0)
		return rc;
	rc = posix_spawn_file_actions_adddup2(&actions, child_in, STDIN_FILENO);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&actions, child_out, STDOUT_FILENO);
	if (rc == 0)
		rc = posix_spawn(&w->pid, path, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (rc != 0)
		w->pid = 0;
	return rc;
}

/* Waits for its end, LEAVE_MS unkilled: what it made on servers it deletes first; how it ended, for
 * a message. */
static void reap(struct worker *w, char text[64])
{
	struct timespec pause = {.tv_nsec = 1000000};
	int status = 0;
	pid_t got;

	snprintf(text, 64, "ended");
	for (int tries = 0; w->pid != 0; tries++) {
		if (tries == LEAVE_MS)
			kill(w->pid, SIGKILL);
		got = waitpid(w->pid, &status, WNOHANG);
		if (got == 0)
			nanosleep(&pause, NULL);
		else if (got == w->pid || errno != EINTR)
			w->pid = 0;
		if (got > 0 && WIFSIGNALED(status))
			snprintf(text, 64, "killed by signal %d (%s)", WTERMSIG(status),
			         strsignal(WTERMSIG(status)));
		else if (got > 0)
			snprintf(text, 64, "ended with status %d", WEXITSTATUS(status));
	}
}

static void close_pipes(struct worker *w)
{
	if (w->to >= 0)
		close(w->to);
	if (w->from >= 0)
		close(w->from);
	w->to = w->from = -1;
}

/* It takes no more orders; kill it if it is still there. */
static void give_up(struct worker *w, int killing, char text[64])
{
	if (killing && w->pid != 0)
		kill(w->pid, SIGKILL);
	close_pipes(w);
	reap(w, text);
}

int worker_alive(const struct worker *worker)
{
	return worker != NULL && worker->pid != 0 && worker->to >= 0;
}

void worker_kill(struct worker *worker)
{
	char text[64];

	if (worker == NULL)
		return;
	give_up(worker, 1, text);
	free(worker);
}

void worker_end(struct worker *worker)
{
	char text[64];

	if (worker == NULL)
		return;
	give_up(worker, 0, text);
	free(worker);
}

/* ---- lines ---- */

/* A worker that is gone must not end this process with SIGPIPE: the run ignores it. */
static int send_all(struct worker *w, const void *data, size_t bytes)
{
	const char *at = data;

	while (bytes > 0) {
		ssize_t n = write(w->to, at, bytes);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		at += n;
		bytes -= (size_t)n;
	}
	return 0;
}

enum line_result { LINE_OK, LINE_END, LINE_STOPPED, LINE_TIMEOUT, LINE_TOO_LONG };

/* One line into w->line, without its newline. */
static enum line_result receive_line(struct worker *w, const volatile sig_atomic_t *stop,
                                     uint64_t timeout_ns)
{
	uint64_t deadline = clock_ns() + timeout_ns;

	w->used = 0;
	for (;;) {
		struct pollfd fd = {.fd = w->from, .events = POLLIN};
		ssize_t n;

		if (stop != NULL && *stop)
			return LINE_STOPPED;
		if (clock_ns() >= deadline)
			return LINE_TIMEOUT;
		if (poll(&fd, 1, POLL_MS) <= 0)
			continue;
		if (w->used == sizeof(w->line))
			return LINE_TOO_LONG;
		n = read(w->from, w->line + w->used, sizeof(w->line) - w->used);
		if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
			return LINE_END;
		if (n < 0)
			continue;
		w->used += (size_t)n;
		/* It speaks when it is asked, so a newline is the last byte of what it said. */
		if (w->line[w->used - 1] == '\n') {
			w->line[w->used - 1] = '\0';
			return LINE_OK;
		}
	}
}

/* Waits for a line; when there is none the worker is given up. */
static int await(struct worker *w, const volatile sig_atomic_t *stop, uint64_t timeout_ns,
                 struct target_error *error)
{
	char how[64];

	switch (receive_line(w, stop, timeout_ns)) {
	case LINE_OK:
		return 0;
	case LINE_END:
		give_up(w, 0, how);
		return target_fail(error, TARGET_FAILED, "worker process %s", how);
	case LINE_STOPPED:
		give_up(w, 1, how);
		return target_fail(error, TARGET_FAILED, "interrupted");
	case LINE_TIMEOUT:
		give_up(w, 1, how);
		return target_fail(error, TARGET_FAILED, "no answer within %.0f s: killed",
		                   (double)timeout_ns / 1e9);
	case LINE_TOO_LONG:
		break;
	}
	give_up(w, 1, how);
	return target_fail(error, TARGET_FAILED, "answer longer than %d bytes: killed",
	                   ORDERS_LINE_MAX);
}

int worker_start(const char *program, struct worker **out, struct order_hello *hello,
                 struct target_error *error)
{
	struct worker *w = calloc(1, sizeof(*w));
	int in[2] = {-1, -1}, back[2] = {-1, -1};
	const char *shown = program == NULL ? "this program" : program;
	struct target_error why;
	char text[256];
	int rc;

	*out = NULL;
	if (w == NULL)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	w->to = w->from = -1;
	if (pipe2(in, O_CLOEXEC) != 0 || pipe2(back, O_CLOEXEC) != 0)
		rc = errno;
	else
		rc = spawn(w, program, in[0], back[1]);
	if (in[0] >= 0)
		close(in[0]);
	if (back[1] >= 0)
		close(back[1]);
	w->to = in[1];
	w->from = back[0];
	if (rc != 0) {
		worker_kill(w);
		return target_fail(error,
		                   rc == ENOENT || rc == EACCES || rc == ENOEXEC ? TARGET_USAGE
		                                                                 : TARGET_SYSTEM,
		                   "cannot execute %s: %s", shown, strerror(rc));
	}
	if (await(w, NULL, HELLO_TIMEOUT_NS, &why) != 0)
		target_fail(error, TARGET_USAGE, "%s is no atrest that can be an arm: %s", shown,
		            why.text);
	else if (orders_read_hello(w->line, hello, text) != 0)
		target_fail(error, TARGET_USAGE, "%s is no atrest that can be an arm: %s", shown,
		            text);
	else
		*out = w;
	if (*out == NULL)
		worker_kill(w);
	return *out == NULL ? -1 : 0;
}

int worker_order(struct worker *worker, const struct order *order, const uint8_t *key,
                 struct order_reply *reply, const volatile sig_atomic_t *stop, uint64_t timeout_ns,
                 struct target_error *error)
{
	char *line = orders_write(order);
	char text[256], how[64];
	int rc = -1;

	if (line == NULL)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	if (worker_alive(worker)) {
		rc = send_all(worker, line, strlen(line));
		if (rc == 0 && order->kind == ORDER_SETUP && order->key_bytes > 0)
			rc = send_all(worker, key, order->key_bytes);
	}
	free(line);
	if (rc != 0) {
		give_up(worker, 0, how);
		return target_fail(error, TARGET_FAILED, "worker process %s", how);
	}
	if (await(worker, stop, timeout_ns, error) != 0)
		return -1;
	if (orders_read_reply(worker->line, reply, text) == 0)
		return 0;
	give_up(worker, 1, how);
	return target_fail(error, TARGET_FAILED, "worker's answer: %s", text);
}
