/* run.c - see run.h. */
#include "harness/run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ciphers/prf.h"
#include "ciphers/secret.h"
#include "harness/keep.h"
#include "harness/measure/filesystem.h"
#include "harness/output/progress.h"
#include "harness/prepare.h"
#include "harness/provenance.h"
#include "harness/rows.h"
#include "harness/targets/target.h"
#include "harness/worker_client.h"

#define KEY_RAW_BYTES    32
#define KEY_BYTES        (1 + 2 * KEY_RAW_BYTES) /* text, as a server would have it */
#define CREATE_NS_DEAR   40000
#define START_TIMEOUT_NS UINT64_C(60000000000)

/* One arm of a cell for the length of a square. */
struct arm_state {
	struct worker *worker;
	char store[PLAN_PATH_BYTES]; /* of the slice at work, or what was filled; "" = none */
	int filled;
};

struct run {
	const struct run_options *options;
	const struct plan *plan;
	struct run_result *result;
	struct samples_writer *writer;
	struct provenance provenance;
	struct progress progress;
	struct arm_state *arms; /* cell * PLAN_ARMS_MAX + arm */
	struct order_hello hellos[PLAN_CHOICES_MAX];
	char scratch[PLAN_CHOICES_MAX][PLAN_PATH_BYTES]; /* "" until made */
	int synced;
	uint8_t *key;  /* secret memory */
	double done_s; /* of the estimate */
};

/* ---- signals ---- */

static volatile sig_atomic_t stop_asked;

static void on_signal(int number)
{
	(void)number;
	stop_asked = 1;
}

static void catch_signals(void)
{
	/* Once: the second signal finds the default, which ends the process. */
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	stop_asked = 0;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL);
}

/* ---- what went wrong ---- */

static void note_fault(struct run_result *result, enum target_fault fault, const char *text)
{
	switch (fault) {
	case TARGET_SYSTEM:
		result->system = 1;
		break;
	case TARGET_USAGE:
		result->usage = 1;
		break;
	case TARGET_VERIFY:
	case TARGET_WRONG_KEY:
		result->verify_failed = 1;
		break;
	case TARGET_FAILED:
		break;
	}
	if (result->error[0] == '\0')
		snprintf(result->error, sizeof(result->error), "%.511s", text);
}

static void warn(struct run *run, const char *text)
{
	if (!provenance_warn(&run->provenance, text))
		return;
	progress_clear(&run->progress);
	run->options->warn(text);
}

/* ---- workers ---- */

static const char *program_of(const struct run *run, const struct plan_arm *arm)
{
	return arm->program == 0 ? NULL : run->plan->request->programs[arm->program - 1].path;
}

static const char *provider_of(const struct run *run, const struct plan_arm *arm)
{
	const struct atr_cipher *c = providers_cipher(&run->options->providers, arm->cipher);

	return c == NULL ? "" : atr_cipher_provider(c);
}

static uint64_t seed_of(const struct run *run, const struct workload *w)
{
	return w->seed != 0 ? w->seed : run->plan->request->seed;
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
	snprintf(order->target, sizeof(order->target), "%s", cell->target);
	snprintf(order->cipher, sizeof(order->cipher), "%s", arm->cipher);
	snprintf(order->provider, sizeof(order->provider), "%s", provider_of(run, arm));
	order->seed = seed_of(run, cell->workload);
	order->workload = *cell->workload;
	order->key_bytes = KEY_BYTES;
	if (worker_start(program_of(run, arm), out, &hello, error) != 0 ||
	    worker_order(*out, order, run->key, reply, &stop_asked, START_TIMEOUT_NS, error) != 0)
		goto done;
	if (reply->ok) {
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

static struct arm_state *state_of(struct run *run, size_t cell, size_t arm)
{
	return &run->arms[cell * PLAN_ARMS_MAX + arm];
}

/* "<scratch>/<workload>-<arm>/<kind><n>", its parent made. */
static int store_path(struct run *run, const struct plan_cell *cell, const struct plan_arm *arm,
                      const char *kind, uint32_t n, char path[PLAN_PATH_BYTES],
                      struct target_error *error)
{
	char parent[PLAN_PATH_BYTES - 64];
	int rc;

	if ((size_t)snprintf(parent, sizeof(parent), "%s/%s-%s", run->scratch[arm->dir],
	                     cell->workload->name, arm->name) >= sizeof(parent))
		return target_fail(error, TARGET_USAGE, "%s: path too long",
		                   run->scratch[arm->dir]);
	rc = run_folder_make(parent);
	if (rc != 0)
		return target_fail(error, TARGET_SYSTEM, "%s: %s", parent, strerror(-rc));
	snprintf(path, PLAN_PATH_BYTES, "%s/%s%u", parent, kind, n);
	return 0;
}

/* Frees the space of a store that is done with; its files stay until the end of the run, since
 * deleting them makes the next creations dearer on some file systems. */
static void store_cut(struct run *run, struct arm_state *state)
{
	char text[PLAN_PATH_BYTES + 128];
	int rc;

	if (state->store[0] == '\0')
		return;
	rc = filesystem_truncate_tree(state->store);
	if (rc != 0 && rc != -ENOENT) {
		snprintf(text, sizeof(text), "%s: cannot cut the files of a slice: %s",
		         state->store, strerror(-rc));
		warn(run, text);
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

	store_cut(run, state);
	if (order == NULL || reply == NULL) {
		target_fail(error, TARGET_SYSTEM, "out of memory");
	} else if (store_path(run, cell, &cell->arms[slice->arm], "square-", slice->square,
	                      state->store, error) == 0) {
		/* A worker may have died while it filled. */
		filesystem_remove_tree(state->store);
		order->kind = ORDER_FILL;
		snprintf(order->directory, sizeof(order->directory), "%s", state->store);
		rc = worker_order(state->worker, order, NULL, reply, &stop_asked,
		                  prepare_timeout_ns(cell->workload), error);
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

/* A worker that can take a slice of this arm, its store filled where the cell reads. */
static int worker_ready(struct run *run, const struct plan_slice *slice, struct target_error *error)
{
	const struct plan_cell *cell = &run->plan->cells[slice->cell];
	struct arm_state *state = state_of(run, slice->cell, slice->arm);
	const struct target *target = target_find(cell->target);

	if (!worker_alive(state->worker)) {
		worker_kill(state->worker);
		state->worker = NULL;
		if (worker_set_up(run, cell, &cell->arms[slice->arm], &state->worker, error) != 0)
			return -1;
	}
	if (target->stores && !prepare_writes(cell->workload) && !state->filled)
		return fill_store(run, slice, state, error);
	return 0;
}

/* A new square: every arm of the cell starts afresh, before the first slice of any. What fails
 * here fails again, and is told, in the arm's own slice. */
static void square_start(struct run *run, const struct plan_slice *slice)
{
	const struct plan_cell *cell = &run->plan->cells[slice->cell];
	struct target_error ignored;

	for (uint32_t arm = 0; arm < cell->arm_count && !stop_asked; arm++) {
		struct arm_state *state = state_of(run, slice->cell, arm);
		struct plan_slice first = *slice;
		worker_end(state->worker);
		state->worker = NULL;
		store_cut(run, state);
		first.arm = arm;
		(void)worker_ready(run, &first, &ignored);
	}
}

/* ---- one slice ---- */

/* The columns that the run knows, for rows without an answer too; set again over an answer. */
static void row_identity(const struct run *run, const struct plan_slice *slice, struct sample *row)
{
	const struct plan_cell *cell = &run->plan->cells[slice->cell];

	row_put_slice(run->plan, slice, provider_of(run, &cell->arms[slice->arm]), row);
	row_put_workload(cell->workload, seed_of(run, cell->workload), row);
}

/* What creating a file costs right now, in the directory of the arm. */
static uint64_t file_create_ns(struct run *run, const struct plan_arm *arm)
{
	char made[PLAN_PATH_BYTES], text[256];
	uint64_t ns = 0;

	if (filesystem_file_create_ns(run->scratch[arm->dir], made, &ns) != 0)
		return 0;
	if (ns > CREATE_NS_DEAR) {
		snprintf(text, sizeof(text),
		         "creating a file costs more than %d µs in directory '%s' (column "
		         "file_create_ns): encrypted stores, which have more files, look dearer "
		         "than they are",
		         CREATE_NS_DEAR / 1000, run->plan->request->dirs[arm->dir].name);
		warn(run, text);
	}
	return ns;
}

static int slice_order(struct run *run, const struct plan_slice *slice, struct order *order,
                       struct target_error *error)
{
	const struct plan_cell *cell = &run->plan->cells[slice->cell];
	struct arm_state *state = state_of(run, slice->cell, slice->arm);
	int last = slice->round + 1 == cell->rounds;

	memset(order, 0, sizeof(*order));
	order->kind = ORDER_SLICE;
	order->synced = run->synced;
	order->control = last;
	order->keep = last && run->options->keep != NULL;
	if (!target_find(cell->target)->stores)
		return 0;
	if (prepare_writes(cell->workload) &&
	    store_path(run, cell, &cell->arms[slice->arm], "round-", slice->round, state->store,
	               error) != 0)
		return -1;
	snprintf(order->directory, sizeof(order->directory), "%s", state->store);
	return 0;
}

/* After a slice: kept, or cut. */
static void store_done(struct run *run, const struct plan_slice *slice, const struct order *order,
                       int valid)
{
	const struct plan_cell *cell = &run->plan->cells[slice->cell];
	struct arm_state *state = state_of(run, slice->cell, slice->arm);
	char name[WORKLOAD_NAME_BYTES + PLAN_ARM_BYTES + 2], error[512];

	if (order->keep && valid && state->store[0] != '\0') {
		snprintf(name, sizeof(name), "%s-%s", cell->workload->name,
		         cell->arms[slice->arm].name);
		if (keep_store(run->options->keep, name, state->store, error) != 0)
			note_fault(run->result, TARGET_SYSTEM, error);
	}
	if (prepare_writes(cell->workload) || order->control)
		store_cut(run, state);
}

static void row_add(struct run *run, const struct sample *row)
{
	char text[256];
	int rc = samples_writer_add(run->writer, row);

	if (rc == 0 && samples_add(&run->result->samples, row) != 0)
		rc = -ENOMEM;
	if (rc == 0)
		return;
	snprintf(text, sizeof(text), "samples.csv: %s", strerror(-rc));
	note_fault(run->result, TARGET_SYSTEM, text);
}

static void row_spoil(struct run *run, struct sample *row, const struct target_error *error)
{
	char text[700];

	row->valid = 0;
	if (row->error[0] == '\0')
		snprintf(row->error, sizeof(row->error), "%.190s", error->text);
	run->result->invalid = 1;
	snprintf(text, sizeof(text), "%.60s, %.60s, round %llu: %s", row->workload, row->arm,
	         (unsigned long long)row->round, error->text);
	note_fault(run->result, error->fault, text);
	warn(run, text);
}

static void run_slice(struct run *run, const struct plan_slice *slice, struct order *order,
                      struct order_reply *reply)
{
	const struct plan_cell *cell = &run->plan->cells[slice->cell];
	const struct plan_arm *arm = &cell->arms[slice->arm];
	struct arm_state *state = state_of(run, slice->cell, slice->arm);
	struct target_error error = {.fault = TARGET_FAILED};
	uint64_t create_ns = 0;
	int rc;

	memset(reply, 0, sizeof(*reply));
	row_identity(run, slice, &reply->row);
	rc = worker_ready(run, slice, &error);
	if (rc == 0)
		rc = slice_order(run, slice, order, &error);
	if (rc == 0 && target_find(cell->target)->stores)
		create_ns = file_create_ns(run, arm);
	if (rc == 0)
		rc = worker_order(state->worker, order, NULL, reply, &stop_asked,
		                  prepare_timeout_ns(cell->workload), &error);
	if (rc == 0 && (!reply->ok || !reply->row.valid)) {
		error = reply->error;
		rc = -1;
	}
	if (stop_asked && rc != 0)
		return; /* killed by us: no row */
	row_identity(run, slice, &reply->row);
	reply->row.file_create_ns = create_ns;
	if (rc != 0)
		row_spoil(run, &reply->row, &error);
	if (reply->warning[0] != '\0')
		warn(run, reply->warning);
	row_add(run, &reply->row);
	store_done(run, slice, order, rc == 0);
}

/* ---- all of them ---- */

static void progress_show(struct run *run, const struct plan_slice *slice)
{
	const struct plan_cell *cell = &run->plan->cells[slice->cell];
	char text[256];

	snprintf(text, sizeof(text), "round %u of %u  %-18s %-10s", slice->round + 1, cell->rounds,
	         cell->workload->name, cell->arms[slice->arm].name);
	progress_update(&run->progress, run->done_s, text);
}

static void run_rounds(struct run *run)
{
	const struct plan *plan = run->plan;
	struct order *order = calloc(1, sizeof(*order));
	struct order_reply *reply = calloc(1, sizeof(*reply));

	if (order == NULL || reply == NULL)
		note_fault(run->result, TARGET_SYSTEM, "out of memory");
	progress_start(&run->progress, prepare_plan_s(plan));
	for (size_t i = 0; i < plan->slice_count; i++) {
		const struct plan_slice *slice = &plan->slices[i];
		const struct plan_cell *cell = &plan->cells[slice->cell];
		if (stop_asked || run->result->system || run->result->usage)
			break;
		progress_show(run, slice);
		if (slice->position == 0 && slice->round % cell->square_rounds == 0) {
			square_start(run, slice);
			if (!prepare_writes(cell->workload))
				run->done_s +=
				        (double)cell->arm_count * prepare_fill_s(cell->workload);
		}
		run_slice(run, slice, order, reply);
		run->done_s += prepare_slice_s(cell->workload);
		if (slice->round + 1 == cell->rounds) {
			struct arm_state *state = state_of(run, slice->cell, slice->arm);
			worker_end(state->worker);
			state->worker = NULL;
		}
	}
	progress_clear(&run->progress);
	run->result->interrupted = stop_asked;
	free(order);
	free(reply);
}

/* ---- before and after ---- */

/* Directory i, which may not be there yet: what of its path is there is on the same file system. */
static void place_of(const struct run_options *options, size_t i, char path[PLAN_PATH_BYTES])
{
	const char *given = options->request.dirs[i].path;
	char *slash;

	if (given[0] == '\0')
		given = options->output == NULL ? "." : options->output;
	snprintf(path, PLAN_PATH_BYTES, "%s", given);
	while (access(path, F_OK) != 0 && (slash = strrchr(path, '/')) != NULL && slash > path)
		*slash = '\0';
	if (access(path, F_OK) != 0)
		snprintf(path, PLAN_PATH_BYTES, "%s", path[0] == '/' ? "/" : ".");
}

int run_synced(const struct run_options *options)
{
	struct filesystem fs;
	char path[PLAN_PATH_BYTES];

	if (options->request.dir_count > 1)
		return 1;
	place_of(options, 0, path);
	return filesystem_read(path, &fs) == 0 && fs.encrypted;
}

int run_prepare(struct run_options *options, struct plan *plan, char error[512])
{
	struct plan_request *request = &options->request;
	int synced = run_synced(options);
	uint64_t limit = prepare_dirty_limit();
	struct workload_error why;
	char text[256];

	for (size_t i = 0; i < request->workload_count; i++) {
		struct workload *w = &options->workloads[i];
		if (synced)
			prepare_long(w, 0);
		else if (prepare_cap(w, limit, text))
			options->warn(text);
		if (workload_check(w, &why) != 0) {
			snprintf(error, 512, "%.500s", why.text);
			return -1;
		}
	}
	request->workloads = options->workloads;
	if (plan_make(request, plan, text) == 0)
		return 0;
	snprintf(error, 512, "%s", text);
	return -1;
}

/* Every other program must be one that can be an arm, before anything is written. */
static int check_programs(struct run *run, struct target_error *error)
{
	const struct plan_request *request = run->plan->request;

	for (size_t i = 0; i < request->program_count; i++) {
		struct worker *worker = NULL;
		if (worker_start(request->programs[i].path, &worker, &run->hellos[i], error) != 0)
			return -1;
		worker_end(worker);
	}
	return 0;
}

static int check_space(const struct run *run, struct target_error *error)
{
	const struct plan_request *request = run->plan->request;
	char path[PLAN_PATH_BYTES];

	for (size_t i = 0; i < request->dir_count; i++) {
		uint64_t need = prepare_need_bytes(run->plan, i, run->options->keep != NULL);
		struct filesystem fs;
		place_of(run->options, i, path);
		if (filesystem_read(path, &fs) == 0 && fs.free_bytes < need)
			return target_fail(error, TARGET_SYSTEM,
			                   "%s: %llu MiB free, expected %llu MiB for this run",
			                   path, (unsigned long long)(fs.free_bytes >> 20),
			                   (unsigned long long)(need >> 20));
	}
	return 0;
}

/* Random bytes as text with a letter in front: a server that has it from its environment would
 * take a text of digits for a number. */
static int make_key(struct run *run, struct target_error *error)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t *raw = atr_secret_alloc(KEY_RAW_BYTES);
	int rc = -1;

	prctl(PR_SET_DUMPABLE, 0);
	run->key = atr_secret_alloc(KEY_BYTES);
	if (raw != NULL && run->key != NULL && atr_random(raw, KEY_RAW_BYTES) == 0) {
		run->key[0] = 'k';
		for (size_t i = 0; i < KEY_RAW_BYTES; i++) {
			run->key[2 * i + 1] = (uint8_t)digits[raw[i] >> 4];
			run->key[2 * i + 2] = (uint8_t)digits[raw[i] & 15];
		}
		rc = 0;
	}
	atr_secret_free(raw);
	return rc == 0 ? 0 : target_fail(error, TARGET_SYSTEM, "no random server key");
}

static int make_scratch(struct run *run, struct target_error *error)
{
	const struct plan_request *request = run->plan->request;

	for (size_t i = 0; i < request->dir_count; i++) {
		char path[PLAN_PATH_BYTES];
		if ((size_t)snprintf(path, sizeof(path), "%s/atrest-run-XXXXXX",
		                     request->dirs[i].path) >= sizeof(path) ||
		    mkdtemp(path) == NULL)
			return target_fail(error, TARGET_SYSTEM,
			                   "%s: cannot make a directory there: %s",
			                   request->dirs[i].path, strerror(errno));
		memcpy(run->scratch[i], path, sizeof(path));
	}
	return 0;
}

/* Cells whose slices must be long enough: one slice of plaintext shows the pace. */
static void lengthen(struct run *run)
{
	struct order *order = calloc(1, sizeof(*order));
	struct order_reply *reply = calloc(1, sizeof(*reply));
	struct target_error error;

	for (size_t c = 0; order != NULL && reply != NULL && c < run->plan->cell_count; c++) {
		const struct plan_cell *cell = &run->plan->cells[c];
		struct plan_slice slice = {.cell = (uint32_t)c, .round = UINT32_MAX - 1};
		struct arm_state *state = state_of(run, c, 0);
		if (!prepare_writes(cell->workload) || !target_find(cell->target)->stores ||
		    stop_asked)
			continue;
		memset(reply, 0, sizeof(*reply));
		if (worker_ready(run, &slice, &error) == 0 &&
		    slice_order(run, &slice, order, &error) == 0 &&
		    worker_order(state->worker, order, NULL, reply, &stop_asked,
		                 prepare_timeout_ns(cell->workload), &error) == 0 &&
		    reply->ok && reply->row.valid)
			for (size_t i = 0; i < run->options->request.workload_count; i++)
				if (&run->options->workloads[i] == cell->workload)
					prepare_long(&run->options->workloads[i],
					             reply->row.acked_s);
		store_cut(run, state);
		worker_end(state->worker);
		state->worker = NULL;
	}
	free(order);
	free(reply);
}

static int write_provenance(struct run *run, int finished, struct target_error *error)
{
	json_t *whole = provenance_json(&run->provenance, run->result, finished);
	char text[512] = "out of memory for machine.json";
	int rc = -1;

	if (whole != NULL)
		rc = run_folder_json(&run->result->folder, "machine.json", whole, text);
	json_decref(whole);
	return rc == 0 ? 0 : target_fail(error, TARGET_SYSTEM, "%s", text);
}

/* Everything up to the first slice. */
static int run_start(struct run *run, struct target_error *error)
{
	const struct run_options *options = run->options;
	char text[512], path[RUN_FOLDER_BYTES];
	int rc;

	if (provenance_start(&run->provenance, options, run->plan, run->hellos) != 0)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	if (options->keep != NULL && keep_open(options->keep, run->key, KEY_BYTES, text) != 0)
		return target_fail(error, TARGET_SYSTEM, "%s", text);
	if (make_scratch(run, error) != 0)
		return -1;
	if (run->synced) {
		lengthen(run);
		if (check_space(run, error) != 0)
			return -1;
	}
	if (run_folder_workloads(&run->result->folder, options->workloads,
	                         options->request.workload_count, text) != 0)
		return target_fail(error, TARGET_SYSTEM, "%s", text);
	if (write_provenance(run, 0, error) != 0)
		return -1;
	rc = samples_writer_open(run_folder_file(&run->result->folder, "samples.csv", path),
	                         &run->writer);
	if (rc != 0)
		return target_fail(error, TARGET_SYSTEM, "%s: %s", path, strerror(-rc));
	return 0;
}

static void run_end(struct run *run)
{
	struct run_result *result = run->result;
	struct target_error error;
	char text[512];
	int whole, rc;

	for (size_t i = 0; i < run->plan->cell_count * PLAN_ARMS_MAX; i++)
		worker_kill(run->arms[i].worker);
	for (size_t i = 0; i < run->plan->request->dir_count; i++) {
		if (run->scratch[i][0] == '\0')
			continue;
		rc = filesystem_remove_tree(run->scratch[i]);
		if (rc != 0) {
			snprintf(text, sizeof(text), "%.400s: cannot be removed: %s",
			         run->scratch[i], strerror(-rc));
			warn(run, text);
		}
	}
	if (run->writer == NULL)
		return;
	whole = !result->interrupted && !result->system && !result->usage;
	rc = samples_writer_close(run->writer, whole);
	if (rc != 0) {
		snprintf(text, sizeof(text), "samples.csv: %s", strerror(-rc));
		note_fault(result, TARGET_SYSTEM, text);
	}
	result->samples.complete = whole && rc == 0;
	if (write_provenance(run, 1, &error) != 0)
		note_fault(result, error.fault, error.text);
	if (result->samples.complete && run_folder_latest(&result->folder, text) != 0)
		note_fault(result, TARGET_SYSTEM, text);
}

void run_execute(struct run_options *options, struct plan *plan, struct run_result *result)
{
	struct run *run = calloc(1, sizeof(*run));
	struct target_error error = {.fault = TARGET_SYSTEM, .text = "out of memory"};
	char text[512];
	int rc = -1;

	memset(result, 0, sizeof(*result));
	result->folder.fd = -1;
	if (run != NULL)
		run->arms = calloc(plan->cell_count * PLAN_ARMS_MAX, sizeof(*run->arms));
	if (run == NULL || run->arms == NULL)
		goto done;
	run->options = options;
	run->plan = plan;
	run->result = result;
	run->synced = run_synced(options);
	catch_signals();
	rc = check_programs(run, &error);
	if (rc == 0)
		rc = check_space(run, &error);
	if (rc == 0)
		rc = make_key(run, &error);
	if (rc == 0 && run_folder_open(&result->folder, options->output, options->label, text) != 0)
		rc = target_fail(&error, TARGET_SYSTEM, "%s", text);
	if (rc == 0 && options->request.dirs[0].path[0] == '\0')
		snprintf(options->request.dirs[0].path, PLAN_PATH_BYTES, "%s", result->folder.path);
	if (rc == 0)
		rc = run_start(run, &error);
	if (rc == 0)
		run_rounds(run);
	run_end(run);
done:
	if (rc != 0)
		note_fault(result, error.fault, error.text);
	if (run != NULL) {
		provenance_free(&run->provenance);
		atr_secret_free(run->key);
		free(run->arms);
	}
	free(run);
}

void run_result_free(struct run_result *result)
{
	samples_free(&result->samples);
	run_folder_close(&result->folder);
}
