/* run_arms.c - the arms of a run: their worker processes and their stores. */
#include "harness/run_inner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/keep.h"
#include "harness/measure/filesystem.h"
#include "harness/prepare.h"

#define START_TIMEOUT_NS UINT64_C(60000000000)

static const char *program_of(const struct run *run, const struct plan_arm *arm)
{
	return arm->program == 0 ? NULL : run->plan->request->programs[arm->program - 1].path;
}

void run_arm_place(const struct plan_cell *cell, const struct plan_arm *arm,
                   char name[RUN_PLACE_BYTES])
{
	const char *target = cell->target->name, *version = cell->target->version;

	if (strcmp(target, "store") == 0)
		target = "";
	snprintf(name, RUN_PLACE_BYTES, "%s-%s%s%s%s%s", cell->workload->name, arm->name,
	         target[0] == '\0' ? "" : "-", target, version[0] == '\0' ? "" : "-", version);
}

const char *run_arm_provider(const struct run *run, const struct plan_arm *arm)
{
	const struct atr_cipher *c = providers_cipher(&run->options->providers, arm->cipher);

	return c == NULL ? "" : atr_cipher_provider(c);
}

uint64_t run_seed_of(const struct run *run, const struct workload *w)
{
	return w->seed != 0 ? w->seed : run->plan->request->seed;
}

uint64_t run_injected_ns(const struct run *run, const struct plan_cell *cell,
                         const struct plan_arm *arm)
{
	uint64_t ns = 0;

	for (size_t i = 0; i < run->options->injection_count; i++) {
		const struct run_injection *in = &run->options->injections[i];
		if (strcmp(in->arm, arm->name) == 0 &&
		    (in->workload == NULL || strcmp(in->workload, cell->workload->name) == 0))
			ns += in->ns;
	}
	return ns;
}

int run_asks_servers(const struct plan_cell *cell)
{
	return strcmp(cell->target->name, TARGET_SERVER_NAME) == 0;
}

/* Who is asked, where the target is a server. What servers that are there want, to log in with and
 * as replicas, is not for one that is started. */
static void server_put(const struct run *run, const struct plan_cell *cell,
                       const struct plan_arm *arm, struct order_server *out)
{
	memset(out, 0, sizeof(*out));
	if (run_asks_servers(cell)) {
		*out = run->options->server;
		snprintf(out->urls, sizeof(out->urls), "%s",
		         run->plan->request->servers[arm->server].urls);
	}
	snprintf(out->program, sizeof(out->program), "%s", cell->target->program);
	snprintf(out->version, sizeof(out->version), "%s", cell->target->version);
}

static int worker_set_up(struct run *run, const struct plan_cell *cell, const struct plan_arm *arm,
                         struct worker **out, struct target_error *error)
{
	struct order *order = calloc(1, sizeof(*order));
	struct order_reply *reply = calloc(1, sizeof(*reply));
	struct order_hello hello;
	int rc = -1;

	if (order == NULL || reply == NULL) {
		target_fail(error, TARGET_SYSTEM, "out of memory");
		goto done;
	}
	order->kind = ORDER_SETUP;
	snprintf(order->target, sizeof(order->target), "%s", cell->target->name);
	snprintf(order->cipher, sizeof(order->cipher), "%s", arm->cipher);
	snprintf(order->provider, sizeof(order->provider), "%s", run_arm_provider(run, arm));
	order->seed = run_seed_of(run, cell->workload);
	plan_cell_workload(cell, &order->workload);
	order->key_bytes = RUN_KEY_BYTES;
	server_put(run, cell, arm, &order->server);
	if (worker_start(program_of(run, arm), out, &hello, error) != 0 ||
	    worker_order(*out, order, run->key, reply, &run_stop_asked, START_TIMEOUT_NS, error) !=
	            0)
		goto done;
	if (reply->ok) {
		if (target_find(cell->target->name)->process == NULL)
			provenance_library(&run->provenance, arm->cipher, reply->library);
		rc = 0;
	} else {
		*error = reply->error;
	}
done:
	if (rc != 0) {
		worker_kill(*out);
		*out = NULL;
	}
	free(order);
	free(reply);
	return rc;
}

struct arm_state *run_arm_state(struct run *run, size_t cell, size_t arm)
{
	return &run->arms[cell * PLAN_ARMS_MAX + arm];
}

int run_store_path(struct run *run, const struct plan_cell *cell, const struct plan_arm *arm,
                   const char *kind, uint32_t n, char path[PLAN_PATH_BYTES],
                   struct target_error *error)
{
	char name[RUN_PLACE_BYTES];

	run_arm_place(cell, arm, name);
	if ((size_t)snprintf(path, PLAN_PATH_BYTES - 64, "%s/%s%u-%s", run->scratch[arm->dir], kind,
	                     n, name) >= PLAN_PATH_BYTES - 64)
		return target_fail(error, TARGET_USAGE, "%s: path too long",
		                   run->scratch[arm->dir]);
	return 0;
}

void run_log_keep(struct run *run, const struct plan_slice *slice, const char *store,
                  char name[RUN_PLACE_BYTES + 64])
{
	const struct plan_cell *cell = &run->plan->cells[slice->cell];
	char from[PLAN_PATH_BYTES + 64], to[RUN_FOLDER_BYTES], place[RUN_PLACE_BYTES], error[512];

	name[0] = '\0';
	if (store[0] == '\0' || target_find(cell->target->name)->process == NULL)
		return;
	snprintf(from, sizeof(from), "%s%s/%s", store, TARGET_LOG_SUFFIX, TARGET_LOG_FILE);
	if (access(from, F_OK) != 0)
		return;
	if (run_folder_make(run_folder_file(&run->result->folder, "logs", to)) != 0)
		return;
	run_arm_place(cell, &cell->arms[slice->arm], place);
	snprintf(name, RUN_PLACE_BYTES + 64, "logs/%s-round-%u.log", place, slice->round);
	if (keep_file(from, run_folder_file(&run->result->folder, name, to), error) == 0)
		return;
	run_warn(run, error);
	name[0] = '\0';
}

void run_store_cut(struct run *run, struct arm_state *state)
{
	char text[PLAN_PATH_BYTES + 128];
	int rc;

	if (state->store[0] == '\0')
		return;
	rc = filesystem_truncate_tree(state->store);
	if (rc != 0 && rc != -ENOENT) {
		snprintf(text, sizeof(text), "%s: cannot cut the files of a slice: %s",
		         state->store, strerror(-rc));
		run_warn(run, text);
	}
	state->store[0] = '\0';
	state->filled = 0;
}

static int fill_store(struct run *run, const struct plan_slice *slice, struct arm_state *state,
                      struct target_error *error)
{
	const struct plan_cell *cell = &run->plan->cells[slice->cell];
	struct order *order = calloc(1, sizeof(*order));
	struct order_reply *reply = calloc(1, sizeof(*reply));
	int rc = -1;

	run_store_cut(run, state);
	if (order == NULL || reply == NULL) {
		target_fail(error, TARGET_SYSTEM, "out of memory");
	} else if (run_store_path(run, cell, &cell->arms[slice->arm], "square-", slice->square,
	                          state->store, error) == 0) {
		/* A worker may have died while it filled. */
		filesystem_remove_tree(state->store);
		order->kind = ORDER_FILL;
		snprintf(order->directory, sizeof(order->directory), "%s", state->store);
		rc = worker_order(state->worker, order, NULL, reply, &run_stop_asked,
		                  prepare_timeout_ns(cell), error);
		if (rc == 0 && !reply->ok) {
			*error = reply->error;
			rc = -1;
		}
	}
	state->filled = rc == 0;
	free(order);
	free(reply);
	return rc;
}

int run_worker_ready(struct run *run, const struct plan_slice *slice, struct target_error *error)
{
	const struct plan_cell *cell = &run->plan->cells[slice->cell];
	struct arm_state *state = run_arm_state(run, slice->cell, slice->arm);
	const struct target *target = target_find(cell->target->name);

	if (!worker_alive(state->worker)) {
		worker_kill(state->worker);
		state->worker = NULL;
		if (worker_set_up(run, cell, &cell->arms[slice->arm], &state->worker, error) != 0)
			return -1;
	}
	if (target->keeps && !prepare_writes(cell->workload) && !state->filled)
		return fill_store(run, slice, state, error);
	return 0;
}

void run_worker_end(struct arm_state *state)
{
	worker_end(state->worker);
	state->worker = NULL;
}

/* In the order of that round: what is filled first must not always be the same arm. What fails
 * here fails again, and is told, in the arm's own slice. */
void run_square_start(struct run *run, const struct plan_slice *round)
{
	size_t arms = run->plan->cells[round->cell].arm_count;
	struct target_error ignored;

	for (size_t i = 0; i < arms && !run_stop_asked; i++) {
		struct arm_state *state = run_arm_state(run, round[i].cell, round[i].arm);
		run_worker_end(state);
		run_store_cut(run, state);
		(void)run_worker_ready(run, &round[i], &ignored);
	}
}
