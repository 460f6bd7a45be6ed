/* run.c - see run.h. */
#include "harness/run_inner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ciphers/secret.h"
#include "harness/keep.h"
#include "harness/measure/filesystem.h"
#include "harness/prepare.h"
#include "harness/rows.h"

#define CREATE_NS_DEAR 40000

/* ---- signals ---- */

volatile sig_atomic_t run_stop_asked;

static void on_signal(int number)
{
	(void)number;
	run_stop_asked = 1;
}

static void catch_signals(void)
{
	/* Once: the second signal finds the default, which ends the process. */
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	run_stop_asked = 0;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL);
}

/* ---- what went wrong ---- */

/* The one whose exit code wins is told at the end; of equals the first. */
static int weight_of(enum target_fault fault)
{
	switch (fault) {
	case TARGET_FAILED:
		return 1;
	case TARGET_SYSTEM:
		return 2;
	case TARGET_USAGE:
		return 3;
	case TARGET_VERIFY:
	case TARGET_WRONG_KEY:
		break;
	}
	return 4;
}

void run_note_fault(struct run_result *result, enum target_fault fault, const char *text)
{
	int weight = weight_of(fault);

	result->system |= weight == 2;
	result->usage |= weight == 3;
	result->verify_failed |= weight == 4;
	if (weight <= result->error_weight)
		return;
	result->error_weight = weight;
	snprintf(result->error, sizeof(result->error), "%.1023s", text);
}

void run_warn(struct run *run, const char *text)
{
	if (!provenance_warn(&run->provenance, text))
		return;
	progress_clear(&run->progress);
	run->options->warn(text);
}

/* ---- one slice ---- */

/* The columns that the run knows, for rows without an answer too; set again over an answer. */
static void row_identity(const struct run *run, const struct plan_slice *slice, struct sample *row)
{
	const struct plan_cell *cell = &run->plan->cells[slice->cell];

	row_put_slice(run->plan, slice, run_arm_provider(run, &cell->arms[slice->arm]), row);
	row_put_workload(cell, run_seed_of(run, cell->workload),
	                 run_asks_servers(cell) ? run->options->server.replicas : 0, row);
	row->sync_ordered = (uint64_t)(run->synced && prepare_writes(cell->workload));
	/* One that did not answer is the same as before. */
	if (row->target_version[0] == '\0')
		memcpy(row->target_version, run->server_version, sizeof(run->server_version));
}

/* What creating a file costs right now, in the directory of the arm. */
static uint64_t file_create_ns(struct run *run, const struct plan_arm *arm)
{
	char made[PLAN_PATH_BYTES], text[320];
	uint64_t ns = 0;

	if (filesystem_file_create_ns(run->scratch[arm->dir], made, &ns) != 0)
		return 0;
	if (ns > CREATE_NS_DEAR) {
		snprintf(text, sizeof(text),
		         "creating a file costs more than %d µs in directory '%s' (column "
		         "file_create_ns): encrypted stores, which have more files, look dearer "
		         "than they are%s",
		         CREATE_NS_DEAR / 1000, run->plan->request->dirs[arm->dir].name,
		         run->image[0] == '\0' ? "; --scratch-image 4g avoids this" : "");
		run_warn(run, text);
	}
	return ns;
}

int run_slice_order(struct run *run, const struct plan_slice *slice, struct order *order,
                    struct target_error *error)
{
	const struct plan_cell *cell = &run->plan->cells[slice->cell];
	struct arm_state *state = run_arm_state(run, slice->cell, slice->arm);
	const struct target *target = target_find(cell->target->name);
	int last = slice->round + 1 == cell->rounds;

	memset(order, 0, sizeof(*order));
	order->kind = ORDER_SLICE;
	order->synced = run->synced;
	order->control = last;
	order->injected_ns = run_injected_ns(run, cell, &cell->arms[slice->arm]);
	order->keep = last && run->options->keep != NULL && target->stores;
	if (!target->keeps)
		return 0;
	if (prepare_writes(cell->workload) &&
	    run_store_path(run, cell, &cell->arms[slice->arm], "round-", slice->round, state->store,
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
	struct arm_state *state = run_arm_state(run, slice->cell, slice->arm);
	char name[RUN_PLACE_BYTES], error[512];

	if (order->keep && valid && state->store[0] != '\0') {
		run_arm_place(cell, &cell->arms[slice->arm], name);
		if (keep_store(run->options->keep, name, state->store, error) != 0)
			run_note_fault(run->result, TARGET_SYSTEM, error);
	}
	if (prepare_writes(cell->workload) || order->control)
		run_store_cut(run, state);
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
	run_note_fault(run->result, TARGET_SYSTEM, text);
}

/* Before the row, so that no row is without what it counts. */
static void histograms_keep(struct run *run, const struct order_reply *reply)
{
	char text[256];
	int rc = 0;

	if (reply->row.valid == 1)
		rc = histograms_writer_add(run->histograms, &reply->row, reply->latency,
		                           reply->response);
	if (rc == 0)
		return;
	snprintf(text, sizeof(text), "histograms.csv: %s", strerror(-rc));
	run_note_fault(run->result, TARGET_SYSTEM, text);
}

static void row_spoil(struct run *run, const struct plan_slice *slice, struct sample *row,
                      const struct target_error *error)
{
	const char *store = run_arm_state(run, slice->cell, slice->arm)->store;
	char text[800 + RUN_PLACE_BYTES], log[RUN_PLACE_BYTES + 64];

	run_log_keep(run, slice, store, log);
	row->valid = 0;
	if (row->error[0] == '\0')
		snprintf(row->error, sizeof(row->error), "%.190s", error->text);
	run->result->invalid = 1;
	snprintf(text, sizeof(text), "%.60s, %.60s, round %llu: %s%s%s%s", row->workload, row->arm,
	         (unsigned long long)row->round, error->text, log[0] == '\0' ? "" : " (log: ", log,
	         log[0] == '\0' ? "" : ")");
	run_note_fault(run->result, error->fault, text);
	/* What ends the run is told then, once. */
	if (error->fault == TARGET_SYSTEM || error->fault == TARGET_USAGE)
		(void)provenance_warn(&run->provenance, text);
	else
		run_warn(run, text);
}

static void run_slice(struct run *run, const struct plan_slice *slice, struct order *order,
                      struct order_reply *reply)
{
	const struct plan_cell *cell = &run->plan->cells[slice->cell];
	const struct plan_arm *arm = &cell->arms[slice->arm];
	struct arm_state *state = run_arm_state(run, slice->cell, slice->arm);
	struct target_error error = {.fault = TARGET_FAILED};
	uint64_t create_ns = 0;
	int rc;

	memset(reply, 0, sizeof(*reply));
	row_identity(run, slice, &reply->row);
	rc = run_worker_ready(run, slice, &error);
	if (rc == 0)
		rc = run_slice_order(run, slice, order, &error);
	if (rc == 0 && target_find(cell->target->name)->stores)
		create_ns = file_create_ns(run, arm);
	if (rc == 0)
		rc = worker_order(state->worker, order, NULL, reply, &run_stop_asked,
		                  prepare_timeout_ns(cell), &error);
	if (rc == 0 && (!reply->ok || !reply->row.valid)) {
		error = reply->error;
		rc = -1;
	}
	if (run_stop_asked && rc != 0)
		return; /* killed by us: no row */
	row_identity(run, slice, &reply->row);
	if (run_asks_servers(cell))
		snprintf(run->server_version, sizeof(run->server_version), "%.31s",
		         reply->row.target_version);
	reply->row.file_create_ns = create_ns;
	if (rc != 0)
		row_spoil(run, slice, &reply->row, &error);
	if (reply->warning[0] != '\0')
		run_warn(run, reply->warning);
	histograms_keep(run, reply);
	row_add(run, &reply->row);
	store_done(run, slice, order, rc == 0);
}

/* ---- all of them ---- */

static void progress_show(struct run *run, const struct plan_slice *slice)
{
	const struct plan_cell *cell = &run->plan->cells[slice->cell];
	char text[320], target[PLAN_TARGET_BYTES];

	snprintf(text, sizeof(text), "round %u of %u  %-18s %-10s %-10s", slice->round + 1,
	         cell->rounds, cell->workload->name, plan_target_text(cell->target, target),
	         cell->arms[slice->arm].name);
	progress_update(&run->progress, run->done_s, text);
}

static void run_rounds(struct run *run)
{
	const struct plan *plan = run->plan;
	struct order *order = calloc(1, sizeof(*order));
	struct order_reply *reply = calloc(1, sizeof(*reply));

	if (order == NULL || reply == NULL)
		run_note_fault(run->result, TARGET_SYSTEM, "out of memory");
	progress_start(&run->progress, prepare_plan_s(plan));
	for (size_t i = 0; i < plan->slice_count; i++) {
		const struct plan_slice *slice = &plan->slices[i];
		const struct plan_cell *cell = &plan->cells[slice->cell];
		if (run_stop_asked || run->result->system || run->result->usage)
			break;
		progress_show(run, slice);
		if (slice->position == 0 && slice->round % cell->square_rounds == 0) {
			run_square_start(run, slice);
			if (!prepare_writes(cell->workload))
				run->done_s += (double)cell->arm_count * prepare_fill_s(cell);
		}
		run_slice(run, slice, order, reply);
		run->done_s += prepare_slice_s(cell);
		if (slice->round + 1 == cell->rounds) {
			struct arm_state *state = run_arm_state(run, slice->cell, slice->arm);
			run_worker_end(state);
		}
	}
	progress_clear(&run->progress);
	run->result->interrupted = run_stop_asked;
	free(order);
	free(reply);
}

/* ---- before and after ---- */

static int write_provenance(struct run *run, int finished, struct target_error *error)
{
	json_t *whole = provenance_json(&run->provenance, run->plan, run->result, finished);
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

	if (provenance_start(&run->provenance, options, run->plan->slice_count, run->hellos) != 0)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	if (options->capped) /* told to the user already */
		(void)provenance_warn(&run->provenance,
		                      "slices were made smaller, so that the kernel does not write "
		                      "back during them: see messages in workload.ini");
	run_tell_doubts(run);
	if (run_set_up(run, error) != 0)
		return -1;
	if (run_folder_workloads(&run->result->folder, options->workloads,
	                         options->request.workload_count, text) != 0)
		return target_fail(error, TARGET_SYSTEM, "%s", text);
	if (write_provenance(run, 0, error) != 0)
		return -1;
	rc = samples_writer_open(run_folder_file(&run->result->folder, "samples.csv", path),
	                         &run->writer);
	if (rc == 0)
		rc = histograms_writer_open(
		        run_folder_file(&run->result->folder, "histograms.csv", path),
		        &run->histograms);
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

	run_tear_down(run);
	if (run->writer == NULL) {
		/* Nothing to be read there; what else is in it stays. */
		if (result->folder.fd >= 0)
			rmdir(result->folder.path);
		result->folder.path[0] = '\0';
		return;
	}
	rc = histograms_writer_close(run->histograms);
	if (rc != 0) {
		snprintf(text, sizeof(text), "histograms.csv: %s", strerror(-rc));
		run_note_fault(result, TARGET_SYSTEM, text);
	}
	whole = !result->interrupted && !result->system && !result->usage;
	rc = samples_writer_close(run->writer, whole);
	if (rc != 0) {
		snprintf(text, sizeof(text), "samples.csv: %s", strerror(-rc));
		run_note_fault(result, TARGET_SYSTEM, text);
	}
	result->samples.complete = whole && rc == 0;
	if (write_provenance(run, 1, &error) != 0)
		run_note_fault(result, error.fault, error.text);
	if (result->samples.complete && run_folder_latest(&result->folder, text) != 0)
		run_note_fault(result, TARGET_SYSTEM, text);
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
	rc = run_check(run, &error);
	if (rc == 0) {
		rc = run_folder_open(&result->folder, options->output, options->label, text);
		if (rc != 0)
			rc = target_fail(&error, rc == -EEXIST ? TARGET_USAGE : TARGET_SYSTEM, "%s",
			                 text);
	}
	if (rc == 0)
		rc = run_place(run, &error);
	if (rc == 0)
		rc = run_start(run, &error);
	if (rc == 0)
		run_rounds(run);
	if (rc != 0 && run_stop_asked) /* what it started was told to stop as well */
		result->interrupted = 1;
	run_end(run);
done:
	if (rc != 0)
		run_note_fault(result, error.fault, error.text);
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
