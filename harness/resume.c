/* resume.c - see resume.h. */
#include "harness/resume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/output/replace.h"
#include "harness/targets/nats_server.h"

/* ---- rows ---- */

/* After a power loss a file may end in zeros where data never reached the disk: they are cut. */
static int cut_zeros(const char *path, struct target_error *error)
{
	char *text;
	size_t bytes, end;
	int rc = read_whole_file(path, CSV_FILE_BYTES_MAX, &text, &bytes);

	if (rc != 0)
		return target_fail(error, TARGET_SYSTEM, "%.300s: %s", path, strerror(-rc));
	end = bytes;
	while (end > 0 && text[end - 1] == '\0')
		end--;
	free(text);
	if (end < bytes && truncate(path, (off_t)end) != 0)
		return target_fail(error, TARGET_SYSTEM, "%.300s: %s", path, strerror(errno));
	return 0;
}

/* A run that is to be rigorous has its proofs behind its last round. */
static int lacks_proofs(const struct run_folder *folder, const struct run_options *options)
{
	char path[RUN_FOLDER_BYTES];

	return options->is_rigorous &&
	       access(run_folder_file(folder, "selftest.json", path), F_OK) != 0;
}

static int read_rows(const struct run_folder *folder, const struct run_options *options,
                     struct samples *out, struct target_error *error)
{
	char path[RUN_FOLDER_BYTES], text[512];
	enum csv_result rc;

	run_folder_file(folder, "samples.csv", path);
	if (access(path, F_OK) != 0)
		return target_fail(error, TARGET_USAGE,
		                   "%.300s: %s: the run was ended before its first round, nothing "
		                   "can be resumed; start it again",
		                   path, strerror(errno));
	if (cut_zeros(path, error) != 0)
		return -1;
	rc = samples_read(path, out, text);
	if (rc != CSV_RESULT_OK)
		return target_fail(error, rc == CSV_RESULT_MALFORMED ? TARGET_USAGE : TARGET_SYSTEM,
		                   "%s", text);
	if (out->complete && !lacks_proofs(folder, options))
		return target_fail(error, TARGET_USAGE,
		                   "%.300s: the run is complete, nothing to resume (atrest report "
		                   "makes its page)",
		                   folder->path);
	return 0;
}

/* ---- what a fault left ---- */

/* Whole rounds, without the one whose row shows the fault that ended the run: it is what is to be
 * done again. Any other failure stays. */
static int keep_whole(struct resume *r, struct target_error *error)
{
	struct samples *s = &r->past.samples;
	const json_t *run = json_object_get(r->past.machine, "run");
	char text[512];
	int64_t whole = schedule_whole(&r->plan, &r->file.options.rule, s, text);
	json_int_t fault_row = json_integer_value(json_object_get(run, "fault_row"));
	size_t arms;

	if (whole < 0)
		return target_fail(error, TARGET_USAGE, "%.200s/samples.csv: %.300s",
		                   r->past.folder.path, text);
	s->count = (size_t)whole;
	if (fault_row <= 0 || fault_row > whole)
		return 0;
	arms = schedule_round_rows(s);
	if ((size_t)fault_row > s->count - arms)
		s->count -= arms;
	return 0;
}

/* Programs of nats-servers are looked for again, by their version: a cache may have moved. */
static int find_servers(struct plan_request *request, struct target_error *error)
{
	for (size_t i = 0; i < request->target_count; i++) {
		struct plan_target *t = &request->targets[i];
		char found[NATS_SERVER_VERSION_BYTES];
		if (t->version[0] != '\0' &&
		    nats_server_find(t->version, t->program, found, error) != 0)
			return -1;
	}
	return 0;
}

/* ---- all of it ---- */

static int read_machine(const struct run_folder *folder, json_t **out, struct target_error *error)
{
	char path[RUN_FOLDER_BYTES];
	json_error_t why;

	*out = json_load_file(run_folder_file(folder, "machine.json", path), 0, &why);
	if (*out != NULL && json_is_object(json_object_get(*out, "run")))
		return 0;
	return target_fail(error, TARGET_USAGE, "%.300s: %.150s", path,
	                   *out == NULL ? why.text : "found no member run, expected a run's");
}

/* What the rows took, from each one's start to the next one's, without the times between. */
static double used_s(const struct samples *s, const json_t *machine)
{
	const json_t *resumed = json_object_get(json_object_get(machine, "run"), "resumed");
	double sum = 0;

	for (size_t i = 1; i < s->count; i++) {
		size_t n;
		const json_t *one;
		int seam = s->rows[i].started_unix_ns < s->rows[i - 1].started_unix_ns;
		json_array_foreach(resumed, n, one)
		{
			seam |= json_integer_value(json_object_get(one, "rows")) == (json_int_t)i;
		}
		if (!seam)
			sum += (double)(s->rows[i].started_unix_ns -
			                s->rows[i - 1].started_unix_ns) /
			       1e9;
	}
	return sum;
}

static int read_all(struct resume *r, run_warn_fn *warn, struct target_error *error)
{
	struct run_folder *folder = &r->past.folder;
	struct run_options *o = &r->file.options;
	char text[512];

	if (plan_file_read(folder, &r->file, error) != 0 ||
	    read_rows(folder, o, &r->past.samples, error) != 0 ||
	    read_machine(folder, &r->past.machine, error) != 0 ||
	    find_servers(&o->request, error) != 0)
		return -1;
	o->warn = warn;
	o->output = folder->path;
	o->past = &r->past;
	folder->made_up = r->file.made_up;
	if (plan_make(&o->request, &r->plan, text) != 0)
		return target_fail(error, TARGET_USAGE, "plan.json: %s", text);
	if (keep_whole(r, error) != 0)
		return -1;
	r->past.used_s = used_s(&r->past.samples, r->past.machine);
	return 0;
}

int resume_open(const char *dir, run_warn_fn *warn, struct resume *out, struct target_error *error)
{
	struct stat st;
	int rc = stat(dir, &st) != 0 ? errno : S_ISDIR(st.st_mode) ? 0 : ENOTDIR;

	memset(out, 0, sizeof(*out));
	out->past.folder.fd = -1;
	if (rc != 0)
		return target_fail(error, TARGET_USAGE, "%.300s: %s, expected the folder of a run",
		                   dir, strerror(rc));
	if (run_folder_open_again(&out->past.folder, dir, error->text) != 0) {
		error->fault = TARGET_SYSTEM;
		return -1;
	}
	if (read_all(out, warn, error) == 0)
		return 0;
	resume_close(out);
	return -1;
}

void resume_close(struct resume *r)
{
	plan_free(&r->plan);
	samples_free(&r->past.samples);
	json_decref(r->past.machine);
	run_folder_close(&r->past.folder);
	plan_file_free(&r->file);
	memset(r, 0, sizeof(*r));
	r->past.folder.fd = -1;
}
