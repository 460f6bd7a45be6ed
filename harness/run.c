/* run.c - see run.h. */
#include "harness/run_inner.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ciphers/secret.h"
#include "harness/analysis/repeat.h"
#include "harness/keep.h"
#include "harness/measure/clock.h"
#include "harness/measure/filesystem.h"
#include "harness/output/live.h"
#include "harness/plan_file.h"
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
	/* Once: the second signal finds the default, which ends the process. What was asked before
	 * this run, between two of a selftest, holds for it too. */
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

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

	if ((weight == 4 && !result->verify_failed) || (weight == 1 && result->failure[0] == '\0'))
		snprintf(result->failure, sizeof(result->failure), "%.1023s", text);
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

/* ---- machine.json ---- */

static int write_provenance(struct run *run, int finished, struct target_error *error)
{
	json_t *whole =
	        provenance_json(&run->provenance, run->plan, run->options, run->result, finished);
	char text[512] = "out of memory for machine.json";
	int rc = -1;

	if (whole != NULL)
		rc = run_folder_json(&run->result->folder, "machine.json", whole, text);
	json_decref(whole);
	return rc == 0 ? 0 : target_fail(error, TARGET_SYSTEM, "%s", text);
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

/* The last round of those that are sure to be run: with a precision there may be no other square
 * than the first. */
static uint32_t last_sure(const struct run *run, const struct plan_cell *cell)
{
	return (run->options->rule.precision_points > 0 ? cell->square_rounds : cell->rounds) - 1;
}

/* That one, and the last of each further square. */
static int is_control(const struct run *run, const struct plan_cell *cell, uint32_t round)
{
	return round >= last_sure(run, cell) && (round + 1) % cell->square_rounds == 0;
}

int run_slice_order(struct run *run, const struct plan_slice *slice, uint32_t attempt,
                    struct order *order, struct target_error *error)
{
	const struct plan_cell *cell = &run->plan->cells[slice->cell];
	struct arm_state *state = run_arm_state(run, slice->cell, slice->arm);
	const struct target *target = target_find(cell->target->name);
	char kind[32] = "round-";

	memset(order, 0, sizeof(*order));
	order->kind = ORDER_SLICE;
	order->synced = run->synced;
	order->control = is_control(run, cell, slice->round);
	order->injected_ns = run_injected_ns(run, cell, &cell->arms[slice->arm]);
	order->keep = slice->round == last_sure(run, cell) && attempt == 0 &&
	              run->options->keep != NULL && target->stores;
	if (!target->keeps)
		return 0;
	/* What an attempt before left there is cut, not removed. */
	if (attempt > 0)
		snprintf(kind, sizeof(kind), "again-%u-round-", attempt);
	if (prepare_writes(cell->workload) &&
	    run_store_path(run, cell, &cell->arms[slice->arm], kind, slice->round, state->store,
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
		if (run->options->past != NULL)
			keep_remove(run->options->keep, name);
		if (keep_store(run->options->keep, name, state->store, error) != 0)
			run_note_fault(run->result, TARGET_SYSTEM, error);
	}
	if (prepare_writes(cell->workload) || order->control)
		run_store_cut(run, state);
}

/* The rows of the round at work, into file and memory. What they count is on the disk before them.
 */
static void round_write(struct run *run)
{
	const struct round_rows *round = &run->round;
	const char *name = "histograms.csv";
	char text[256];
	int rc = histograms_writer_sync(run->histograms);

	if (rc == 0) {
		name = "samples.csv";
		rc = samples_writer_add_rows(run->writer, round->rows, round->count);
	}
	if (rc == 0)
		rc = samples_writer_sync(run->writer);
	for (size_t i = 0; rc == 0 && i < round->count; i++)
		if (samples_add(&run->result->samples, &round->rows[i]) != 0)
			rc = -ENOMEM;
	if (rc == 0)
		return;
	snprintf(text, sizeof(text), "%s: %s", name, strerror(-rc));
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
	struct target_error ignored;

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
	if (error->fault == TARGET_SYSTEM || error->fault == TARGET_USAGE) {
		run->result->fault_row = run->result->samples.count + run->round.count + 1;
		(void)provenance_warn(&run->provenance, text);
		return;
	}
	run_warn(run, text);
	/* At once: a run that is killed and goes on remembers it. */
	if (write_provenance(run, 0, &ignored) != 0)
		run_note_fault(run->result, ignored.fault, ignored.text);
}

static void run_slice(struct run *run, const struct plan_slice *slice, uint32_t attempt,
                      struct order *order, struct order_reply *reply)
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
		rc = run_slice_order(run, slice, attempt, order, &error);
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
	reply->row.attempt = attempt;
	reply->row.file_create_ns = create_ns;
	if (rc != 0)
		row_spoil(run, slice, &reply->row, &error);
	if (reply->warning[0] != '\0')
		run_warn(run, reply->warning);
	histograms_keep(run, reply);
	run->round.rows[run->round.count++] = reply->row;
	store_done(run, slice, order, rc == 0);
}

/* ---- one round ---- */

static double used_s(const struct run *run)
{
	return run->used_before_s + (double)(clock_ns() - run->started_ns) / 1e9;
}

/* Of fixed rounds the estimate is the measure, else the budget; without one there is no end to be
 * seen. Of a run that goes on it is what was left. */
static void progress_begin(struct run *run)
{
	const struct schedule_rule *rule = &run->options->rule;
	const struct samples *past = &run->result->samples;
	double done = 0, slices = (double)run->plan->slice_count;
	double whole =
	        rule->budget_s > run->used_before_s ? rule->budget_s - run->used_before_s : 0;

	for (size_t i = 0; i < past->count; i++)
		done += !samples_set_aside(&past->rows[i]);
	if (!(rule->precision_points > 0))
		whole = prepare_plan_s(run->plan) * fmax(0, 1 - done / slices);
	progress_start(&run->progress, whole);
	run->started_ns = clock_ns();
}

static void progress_show(struct run *run, const struct plan_slice *slice, uint32_t attempt)
{
	const struct plan_cell *cell = &run->plan->cells[slice->cell];
	char text[320], target[PLAN_TARGET_BYTES], of[32] = "";

	if (slice->round < cell->rounds)
		snprintf(of, sizeof(of), " of %u", cell->rounds);
	snprintf(text, sizeof(text), "round %u%s%s  %-18s %-10s %-10s", slice->round + 1, of,
	         attempt > 0 ? " again" : "", cell->workload->name,
	         plan_target_text(cell->target, target), cell->arms[slice->arm].name);
	progress_update(&run->progress,
	                run->options->rule.precision_points > 0 ? used_s(run) - run->used_before_s
	                                                        : run->done_s,
	                text);
}

/* Between squares: what each cell has come to. Without memory the old one stays. */
static void table_show(struct run *run)
{
	char *text;

	if (!run->progress.shown)
		return;
	text = live_table(run->plan, &run->options->rule, &run->result->samples);
	if (text != NULL)
		progress_table(&run->progress, text);
}

static int is_over(const struct run *run)
{
	return run_stop_asked || run->result->system || run->result->usage;
}

/* Workers of this square; where a run goes on within one, they are started anew. */
static void square_ready(struct run *run, const struct plan_slice *round)
{
	const struct plan_cell *cell = &run->plan->cells[round->cell];

	if (run->squares[round->cell] == round->square + 1)
		return;
	run->squares[round->cell] = round->square + 1;
	run_square_start(run, round);
	if (!prepare_writes(cell->workload))
		run->done_s += (double)cell->arm_count * prepare_fill_s(cell);
}

static void square_end(struct run *run, const struct schedule_step *step)
{
	const struct plan_cell *cell = &run->plan->cells[step->cell];

	if ((step->round + 1) % cell->square_rounds != 0)
		return;
	for (size_t a = 0; a < cell->arm_count; a++)
		run_worker_end(run_arm_state(run, step->cell, a));
	table_show(run);
}

/* 1 when the round is to be run again: its rows are not valid then, and say why. */
static int round_set_aside(struct run *run, const struct schedule_step *step)
{
	struct round_rows *round = &run->round;
	char reason[REPEAT_TEXT_BYTES], text[320];

	/* By what is expected of the cell: what is measured may not choose. */
	if (prepare_slice_s(&run->plan->cells[step->cell]) < REPEAT_SLICE_S_MIN ||
	    !repeat_reason(round->rows, round->count, reason))
		return 0;
	if (!schedule_may_repeat(run->plan, &run->result->samples, step)) {
		run_warn(run,
		         REPEAT_NO_MORE ": the others count as they are, with their covariates");
		return 0;
	}
	snprintf(text, sizeof(text), "%.60s, round %u: repeated, %s",
	         run->plan->cells[step->cell].workload->name, step->round, reason);
	(void)provenance_warn(&run->provenance, text);
	for (size_t i = 0; i < round->count; i++) {
		round->rows[i].valid = 0;
		snprintf(round->rows[i].error, sizeof(round->rows[i].error), "repeated: %s",
		         reason);
	}
	return 1;
}

static void run_round(struct run *run, const struct schedule_step *step, struct order *order,
                      struct order_reply *reply)
{
	const struct plan_cell *cell = &run->plan->cells[step->cell];
	struct plan_slice slices[PLAN_ARMS_MAX];
	int again;

	plan_round(run->plan, step->cell, step->round, slices);
	run->round.count = 0;
	square_ready(run, slices);
	for (size_t i = 0; i < cell->arm_count && !is_over(run); i++) {
		progress_show(run, &slices[i], step->attempt);
		run_slice(run, &slices[i], step->attempt, order, reply);
		run->done_s += prepare_slice_s(cell);
	}
	/* Of a round that a signal cut short nothing is kept; one that a fault ended shows it. */
	if (run->round.count < cell->arm_count && !run->result->system && !run->result->usage)
		return;
	again = round_set_aside(run, step);
	/* It has taken its time and is still to come. */
	if (again && !(run->options->rule.precision_points > 0))
		run->progress.whole += (double)cell->arm_count * prepare_slice_s(cell);
	round_write(run);
	if (!again)
		square_end(run, step);
}

/* ---- all of them ---- */

static void run_rounds(struct run *run)
{
	struct run_result *result = run->result;
	struct order *order = calloc(1, sizeof(*order));
	struct order_reply *reply = calloc(1, sizeof(*reply));
	struct schedule_step step;

	result->ended_by = order == NULL || reply == NULL ? SCHEDULE_MEMORY : SCHEDULE_NEXT;
	progress_begin(run);
	table_show(run);
	while (result->ended_by == SCHEDULE_NEXT && !is_over(run)) {
		result->ended_by = schedule_next(run->plan, &run->options->rule, &result->samples,
		                                 used_s(run), &step);
		if (result->ended_by == SCHEDULE_NEXT)
			run_round(run, &step, order, reply);
	}
	progress_end(&run->progress);
	if (result->ended_by == SCHEDULE_MEMORY)
		run_note_fault(result, TARGET_SYSTEM, "out of memory");
	result->interrupted = run_stop_asked;
	free(order);
	free(reply);
}

/* How far each cell came, of a run that came to its end. */
static void note_reach(struct run *run)
{
	struct run_result *result = run->result;

	result->reach = calloc(run->plan->cell_count, sizeof(*result->reach));
	if (result->reach != NULL &&
	    schedule_reach(run->plan, &result->samples, result->reach) == 0)
		return;
	free(result->reach);
	result->reach = NULL;
	run_note_fault(result, TARGET_SYSTEM, "out of memory");
}

/* ---- before and after ---- */

/* What a resumed run will need: the workloads as they are run, and the plan. */
static int write_plan(struct run *run, struct target_error *error)
{
	const struct run_folder *folder = &run->result->folder;
	const struct run_options *options = run->options;
	char text[512];

	if (run_folder_workloads(folder, options->workloads, options->request.workload_count,
	                         text) != 0 ||
	    run_folder_json(folder, "plan.json", run->plan_file, text) != 0)
		return target_fail(error, TARGET_SYSTEM, "%s", text);
	return 0;
}

/* A result that was begun is not made on two machines or of two builds. */
static int go_on(struct run *run, struct target_error *error)
{
	const struct run_past *past = run->options->past;
	char text[512] = "out of memory";
	json_t *is = provenance_json(&run->provenance, run->plan, run->options, run->result, 0);
	int same = is != NULL && provenance_is_same(past->machine, is, text);

	json_decref(is);
	if (!same)
		return target_fail(error, TARGET_SYSTEM, "%s", text);
	provenance_resume(&run->provenance, past->machine, run->result->samples.count);
	return 0;
}

static int no_samples(const char *path, int rc, struct target_error *error)
{
	return target_fail(error, TARGET_SYSTEM, "%s: %s", path, strerror(-rc));
}

/* Those of slices without a row do no harm there. */
static int open_histograms(struct run *run, struct target_error *error)
{
	char path[RUN_FOLDER_BYTES];
	int rc = histograms_writer_open(
	        run_folder_file(&run->result->folder, "histograms.csv", path), &run->histograms);

	return rc == 0 ? 0 : no_samples(path, rc, error);
}

/* Everything up to the first slice. */
static int run_start(struct run *run, struct target_error *error)
{
	const struct run_options *options = run->options;
	char path[RUN_FOLDER_BYTES];
	int rc;

	if (provenance_start(&run->provenance, options, run->plan->slice_count, run->hellos) != 0)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	if (options->past != NULL && go_on(run, error) != 0)
		return -1;
	if (options->capped) /* told to the user already */
		(void)provenance_warn(&run->provenance,
		                      "slices were made smaller, so that the kernel does not write "
		                      "back during them: see messages in workload.ini");
	run_tell_doubts(run);
	if (run_set_up(run, error) != 0)
		return -1;
	run_folder_file(&run->result->folder, "samples.csv", path);
	if (options->past != NULL) {
		rc = samples_writer_open_again(path, run->result->samples.count, &run->writer);
		if (rc != 0)
			return no_samples(path, rc, error);
		return write_provenance(run, 0, error) == 0 ? open_histograms(run, error) : -1;
	}
	/* A folder with samples.csv has all that is needed to go on with it. */
	if (write_plan(run, error) != 0 || write_provenance(run, 0, error) != 0)
		return -1;
	rc = samples_writer_open(path, &run->writer);
	return rc == 0 ? open_histograms(run, error) : no_samples(path, rc, error);
}

static void run_end(struct run *run)
{
	struct run_result *result = run->result;
	struct target_error error;
	char text[512];
	int whole, rc;

	run_tear_down(run);
	if (run->writer == NULL) {
		/* Nothing to be read there, or nothing new; what else is in it stays. */
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
	result->repeated = schedule_repeated(&result->samples);
	result->tally = repeat_tally_of(&result->samples);
	if (result->fault_row > result->samples.count)
		result->fault_row = 0; /* not written */
	if (result->samples.complete)
		note_reach(run);
	if (write_provenance(run, 1, &error) != 0)
		run_note_fault(result, error.fault, error.text);
	if (result->samples.complete && run_folder_latest(&result->folder, text) != 0)
		run_note_fault(result, TARGET_SYSTEM, text);
}

static int open_folder(struct run *run, struct target_error *error)
{
	const struct run_options *options = run->options;
	struct run_folder *folder = &run->result->folder;
	char text[512];
	int rc = run_folder_open(folder, options->output, options->label, text);

	if (rc != 0)
		return target_fail(error, rc == -EEXIST ? TARGET_USAGE : TARGET_SYSTEM, "%s", text);
	/* Before the folder becomes the place of the stores. */
	run->plan_file = plan_file_json(options, run->plan, folder->made_up);
	return run->plan_file != NULL ? 0
	                              : target_fail(error, TARGET_USAGE,
	                                            "plan.json: found a path or name that is not "
	                                            "UTF-8, expected UTF-8 in all of them");
}

/* Folder and rows of a run that goes on. */
static void take_past(struct run *run)
{
	struct run_past *past = run->options->past;

	run->result->folder = past->folder;
	run->result->samples = past->samples;
	run->result->samples.complete = 0; /* again at its end */
	run->used_before_s = past->used_s;
	past->folder.fd = -1;
	memset(&past->samples, 0, sizeof(past->samples));
	run_take_failures(run->result, past->machine);
}

void run_execute(struct run_options *options, struct plan *plan, struct run_result *result)
{
	struct run *run = calloc(1, sizeof(*run));
	struct target_error error = {.fault = TARGET_SYSTEM, .text = "out of memory"};
	int rc = -1;

	memset(result, 0, sizeof(*result));
	result->folder.fd = -1;
	if (run != NULL) {
		run->arms = calloc(plan->cell_count * PLAN_ARMS_MAX, sizeof(*run->arms));
		run->squares = calloc(plan->cell_count, sizeof(*run->squares));
	}
	if (run == NULL || run->arms == NULL || run->squares == NULL)
		goto done;
	run->options = options;
	run->plan = plan;
	run->result = result;
	run->synced = run_synced(options);
	catch_signals();
	rc = run_check(run, &error);
	if (rc == 0 && options->past != NULL)
		take_past(run);
	else if (rc == 0)
		rc = open_folder(run, &error);
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
		json_decref(run->plan_file);
		atr_secret_free(run->key);
		free(run->arms);
		free(run->squares);
	}
	free(run);
}

void run_result_free(struct run_result *result)
{
	samples_free(&result->samples);
	free(result->reach);
	run_folder_close(&result->folder);
}
