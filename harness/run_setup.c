/* run_setup.c - what comes before the first slice of a run, and what is taken away after the last.
 */
#include "harness/run_inner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "ciphers/prf.h"
#include "ciphers/secret.h"
#include "harness/analysis/advice.h"
#include "harness/keep.h"
#include "harness/leftovers.h"
#include "harness/measure/filesystem.h"
#include "harness/prepare.h"
#include "harness/scratch_image.h"

/* ---- request ---- */

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

/* workload.ini holds what is really run: rounds made up to squares, the seed of this run. */
static void as_run(struct run_options *options, const struct plan *plan)
{
	struct plan_request *request = &options->request;

	for (size_t i = 0; i < request->workload_count; i++) {
		struct workload *w = &options->workloads[i];
		w->rounds = 0;
		for (size_t c = 0; c < plan->cell_count; c++)
			if (plan->cells[c].workload == w && plan->cells[c].rounds > w->rounds)
				w->rounds = plan->cells[c].rounds;
		if (w->seed == 0)
			w->seed = request->seed;
	}
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
		else if (prepare_cap(w, limit, text)) {
			options->warn(text);
			options->capped = 1;
		}
		if (workload_check(w, &why) != 0) {
			snprintf(error, 512, "%.500s", why.text);
			return -1;
		}
	}
	request->workloads = options->workloads;
	if (plan_make(request, plan, text) == 0) {
		/* Slices that must be long enough are so on every target. */
		for (size_t c = 0; synced && c < plan->cell_count; c++)
			plan->cells[c].messages_max = 0;
		as_run(options, plan);
		return 0;
	}
	snprintf(error, 512, "%s", text);
	return -1;
}

/* ---- checks ---- */

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
	uint8_t *raw = atr_secret_alloc(RUN_KEY_RAW_BYTES);
	int rc = -1;

	prctl(PR_SET_DUMPABLE, 0);
	run->key = atr_secret_alloc(RUN_KEY_BYTES);
	if (raw != NULL && run->key != NULL && atr_random(raw, RUN_KEY_RAW_BYTES) == 0) {
		run->key[0] = 'k';
		for (size_t i = 0; i < RUN_KEY_RAW_BYTES; i++) {
			run->key[2 * i + 1] = (uint8_t)digits[raw[i] >> 4];
			run->key[2 * i + 2] = (uint8_t)digits[raw[i] & 15];
		}
		rc = 0;
	}
	atr_secret_free(raw);
	return rc == 0 ? 0 : target_fail(error, TARGET_SYSTEM, "no random server key");
}

static void tell_leftover(void *run, const char *text)
{
	run_warn(run, text);
}

/* Where killed runs like this one had their scratch directories: in the same place, or in the
 * folders of their results beside this run's. */
static void remove_leftovers(struct run *run, const char *parent)
{
	char *results;

	if (strcmp(parent, run->result->folder.path) != 0) {
		leftovers_remove(parent, 0, tell_leftover, run);
		return;
	}
	results = realpath(parent, NULL);
	if (results != NULL) {
		*strrchr(results, '/') = '\0';
		leftovers_remove(results[0] == '\0' ? "/" : results, 1, tell_leftover, run);
	}
	free(results);
}

static int make_scratch(struct run *run, struct target_error *error)
{
	const struct plan_request *request = run->plan->request;

	for (size_t i = 0; i < request->dir_count; i++) {
		const char *parent = request->dirs[i].path;
		char path[PLAN_PATH_BYTES];
		int rc = 0;
		remove_leftovers(run, parent);
		if ((size_t)snprintf(path, sizeof(path), "%s/" LEFTOVERS_PREFIX "XXXXXX", parent) >=
		    sizeof(path))
			rc = -ENAMETOOLONG;
		else if (mkdtemp(path) == NULL)
			rc = -errno;
		if (rc == 0) {
			memcpy(run->scratch[i], path, sizeof(path));
			run->owners[i] = leftovers_own(path);
			rc = run->owners[i] < 0 ? run->owners[i] : 0;
		}
		if (rc < 0)
			return target_fail(error, TARGET_SYSTEM,
			                   "%s: cannot make a directory there: %s", parent,
			                   strerror(-rc));
	}
	return 0;
}

static void make_longer(struct run *run, const struct workload *w, const struct sample *row)
{
	double cpu_s =
	        (double)row->cpu_ns / 1e9 / (row->publishers > 1 ? (double)row->publishers : 1);

	/* On a machine that is busy just now the processor's time tells the pace. */
	for (size_t i = 0; i < run->options->request.workload_count; i++)
		if (&run->options->workloads[i] == w)
			prepare_long(&run->options->workloads[i],
			             cpu_s < row->acked_s ? cpu_s : row->acked_s);
}

int run_try_slice(struct run *run, size_t c, uint32_t arm, uint32_t round, struct order *order,
                  struct order_reply *reply, struct target_error *error)
{
	const struct plan_cell *cell = &run->plan->cells[c];
	struct plan_slice slice = {.cell = (uint32_t)c, .arm = arm, .round = round};
	struct arm_state *state = run_arm_state(run, c, arm);
	int rc = -1;

	memset(reply, 0, sizeof(*reply));
	if (run_worker_ready(run, &slice, error) == 0 &&
	    run_slice_order(run, &slice, 0, order, error) == 0 &&
	    worker_order(state->worker, order, NULL, reply, &run_stop_asked,
	                 prepare_timeout_ns(cell), error) == 0) {
		rc = reply->ok && reply->row.valid ? 0 : -1;
		if (rc != 0)
			*error = reply->error;
	}
	run_store_cut(run, state);
	return rc;
}

/* Cells whose slices must be long enough. The first slice of a worker is a slow one, on fresh
 * memory and a fresh directory: the second one shows the pace. */
static void lengthen(struct run *run)
{
	struct order *order = calloc(1, sizeof(*order));
	struct order_reply *reply = calloc(1, sizeof(*reply));

	for (size_t c = 0; order != NULL && reply != NULL && c < run->plan->cell_count; c++) {
		const struct plan_cell *cell = &run->plan->cells[c];
		if (!workload_appends(cell->workload) || !target_find(cell->target->name)->stores ||
		    run_stop_asked)
			continue;
		struct target_error ignored;
		if (run_try_slice(run, c, 0, UINT32_MAX - 2, order, reply, &ignored) == 0 &&
		    run_try_slice(run, c, 0, UINT32_MAX - 1, order, reply, &ignored) == 0)
			make_longer(run, cell->workload, &reply->row);
		run_worker_end(run_arm_state(run, c, 0));
	}
	free(order);
	free(reply);
}

void run_tell_doubts(struct run *run)
{
	struct advice_list *list = calloc(1, sizeof(*list));
	char text[512];

	if (list != NULL)
		advice_of_machine(run->provenance.machine, list);
	for (size_t i = 0; list != NULL && i < list->count; i++) {
		if (!list->items[i].doubt)
			continue;
		snprintf(text, sizeof(text), "%s: %s", list->items[i].what,
		         list->items[i].evidence);
		run_warn(run, text);
	}
	free(list);
	for (size_t i = 0; i < run->options->request.workload_count; i++) {
		const struct workload *w = &run->options->workloads[i];
		if (w->compressibility == 0)
			continue;
		snprintf(text, sizeof(text), "%s: %.0f %% of every payload are zeros", w->name,
		         100 * w->compressibility);
		run_warn(run, text);
	}
}

int run_check(struct run *run, struct target_error *error)
{
	const char *keep = run->options->keep;
	uint64_t image = run->options->scratch_bytes;
	char text[512];
	int rc;

	if (image != 0 &&
	    scratch_image_check(image, prepare_need_bytes(run->plan, 0, 0), error) != 0)
		return -1;
	if (check_programs(run, error) != 0 || check_space(run, error) != 0 ||
	    make_key(run, error) != 0)
		return -1;
	if (keep == NULL)
		return 0;
	/* What was kept before and what will be have one key. */
	rc = run->options->past == NULL ? keep_open(keep, run->key, RUN_KEY_BYTES, text)
	                                : keep_open_again(keep, run->key, RUN_KEY_BYTES, text);
	if (rc != 0)
		return target_fail(error, rc == -EEXIST ? TARGET_USAGE : TARGET_SYSTEM, "%s", text);
	return 0;
}

int run_place(struct run *run, struct target_error *error)
{
	struct plan_place *first = &run->options->request.dirs[0];
	const char *folder = run->result->folder.path;
	uint64_t image = run->options->scratch_bytes;

	if (first->path[0] != '\0')
		return 0;
	if (image != 0 && run->options->past != NULL)
		scratch_image_clear(folder);
	if (image != 0 && scratch_image_make(folder, image, run->image, error) != 0)
		return -1;
	snprintf(first->path, PLAN_PATH_BYTES, "%s", image != 0 ? run->image : folder);
	return 0;
}

int run_set_up(struct run *run, struct target_error *error)
{
	if (make_scratch(run, error) != 0)
		return -1;
	if (run->image[0] != '\0' && check_space(run, error) != 0)
		return -1;
	/* Of a run that goes on they are long enough. */
	if (run->synced && run->options->past == NULL)
		lengthen(run);
	if (run->synced && check_space(run, error) != 0)
		return -1;
	return run_rates_settle(run, error);
}

void run_take_failures(struct run_result *result, const json_t *machine)
{
	const json_t *was = json_object_get(machine, "run");
	const char *failure = json_string_value(json_object_get(was, "failure"));
	char text[1024];

	if (failure != NULL)
		run_note_fault(result,
		               json_is_true(json_object_get(was, "verify_failed")) ? TARGET_VERIFY
		                                                                   : TARGET_FAILED,
		               failure);
	for (size_t i = 0; i < result->samples.count; i++) {
		const struct sample *row = &result->samples.rows[i];
		if (row->valid != 0 || samples_set_aside(row))
			continue;
		snprintf(text, sizeof(text), "%.60s, %.60s, round %llu: %s", row->workload,
		         row->arm, (unsigned long long)row->round, row->error);
		run_note_fault(result, TARGET_FAILED, text);
	}
	result->invalid = result->failure[0] != '\0';
}

void run_tear_down(struct run *run)
{
	char text[512];
	unsigned killed;
	int rc;

	for (size_t i = 0; i < run->plan->cell_count * PLAN_ARMS_MAX; i++)
		worker_end(run->arms[i].worker);
	for (size_t i = 0; i < run->plan->request->dir_count; i++) {
		if (run->scratch[i][0] == '\0')
			continue;
		rc = leftovers_take_down(run->scratch[i], &killed);
		if (run->owners[i] >= 0)
			close(run->owners[i]);
		if (rc != 0) {
			snprintf(text, sizeof(text), "%.400s: cannot be removed: %s",
			         run->scratch[i], strerror(-rc));
			run_warn(run, text);
		}
	}
	rc = scratch_image_remove(run->image);
	if (rc != 0) {
		snprintf(text, sizeof(text), "%.400s: cannot be unmounted: %s", run->image,
		         strerror(-rc));
		run_warn(run, text);
	}
}
