/* provenance.c - see provenance.h. */
#include "harness/provenance.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ciphers/prf.h"
#include "harness/measure/machine.h"
#include "harness/output/fingerprint.h"
#include "harness/output/replace.h"
#include "harness/plan_file.h"

#define PROGRAM_BYTES_MAX ((size_t)1 << 30)

static json_t *time_now(void)
{
	char text[32];
	time_t now = time(NULL);
	struct tm utc;

	gmtime_r(&now, &utc);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
	return json_string(text);
}

static json_t *targets(const struct plan_request *request)
{
	json_t *a = json_array();

	for (size_t i = 0; i < request->target_count; i++) {
		const struct plan_target *t = &request->targets[i];
		json_t *o = json_pack("{ss}", "name", t->name);
		if (t->version[0] != '\0')
			json_object_set_new(o, "version", json_string(t->version));
		if (t->program[0] != '\0')
			json_object_set_new(o, "program", json_string(t->program));
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *directories(const struct plan_request *request)
{
	json_t *a = json_array();

	for (size_t i = 0; i < request->dir_count; i++)
		json_array_append_new(a, json_pack("{ss ss}", "name", request->dirs[i].name, "path",
		                                   request->dirs[i].path));
	return a;
}

/* What a commit does not tell: of a tree with changes there is one for many builds. Null when it
 * cannot be read. */
static json_t *digest(const char *path)
{
	uint8_t sum[ATR_SHA256_BYTES];
	char *data, hex[2 * ATR_SHA256_BYTES + 1];
	size_t bytes;

	if (read_whole_file(path, PROGRAM_BYTES_MAX, &data, &bytes) != 0)
		return json_null();
	int rc = atr_sha256((const uint8_t *)data, bytes, sum);
	free(data);
	for (size_t i = 0; i < sizeof(sum); i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	return rc == 0 ? json_string(hex) : json_null();
}

static json_t *programs(const struct plan_request *request, const struct order_hello *hellos)
{
	json_t *a = json_array();

	for (size_t i = 0; i < request->program_count; i++)
		json_array_append_new(
		        a, json_pack("{ss ss ss ss ss so}", "name", request->programs[i].name,
		                     "path", request->programs[i].path, "version",
		                     hellos[i].version, "commit", hellos[i].commit, "build",
		                     hellos[i].build, "sha256", digest(request->programs[i].path)));
	return a;
}

static json_t *cells(const struct plan *plan)
{
	const struct plan_request *request = plan->request;
	json_t *a = json_array();

	for (size_t c = 0; c < plan->cell_count; c++) {
		const struct plan_cell *cell = &plan->cells[c];
		json_t *arms = json_array();
		struct workload w;
		plan_cell_workload(cell, &w);
		for (size_t i = 0; i < cell->arm_count; i++) {
			const struct plan_arm *arm = &cell->arms[i];
			json_array_append_new(
			        arms,
			        json_pack("{ss ss ss ss*}", "name", arm->name, "cipher",
			                  arm->cipher, "directory", request->dirs[arm->dir].name,
			                  "program",
			                  arm->program == 0
			                          ? NULL
			                          : request->programs[arm->program - 1].name));
		}
		json_array_append_new(
		        a, json_pack("{ss ss ss sI sI si si so}", "workload", cell->workload->name,
		                     "target", cell->target->name, "version", cell->target->version,
		                     "messages", (json_int_t)w.messages, "rate_msgs_s",
		                     (json_int_t)cell->rate_msgs_s, "rounds", (int)cell->rounds,
		                     "square_rounds", (int)cell->square_rounds, "arms", arms));
	}
	return a;
}

static json_t *providers(const struct provider_choice *choice)
{
	return json_pack("{s{ss sb sf sf}}", "chachapoly", "provider",
	                 atr_cipher_provider(choice->chachapoly), "pinned", choice->pinned,
	                 "openssl_ns_per_16k", choice->openssl_ns, "sodium_ns_per_16k",
	                 choice->sodium_ns);
}

static json_t *arguments(char *const *list)
{
	json_t *a = json_array();

	for (; list != NULL && *list != NULL; list++)
		json_array_append_new(a, json_string(*list));
	return a;
}

int provenance_start(struct provenance *p, const struct run_options *options, size_t slices,
                     const struct order_hello *hellos)
{
	const struct plan_request *request = &options->request;
	const char *paths[PLAN_CHOICES_MAX];

	for (size_t i = 0; i < request->dir_count; i++)
		paths[i] = request->dirs[i].path;
	p->machine = machine_fingerprint(paths, request->dir_count, options->label);
	p->warnings = json_array();
	p->run = json_pack("{so so sI sI so so so so so so s{}}", "started", time_now(),
	                   "arguments", arguments(options->arguments), "seed",
	                   (json_int_t)request->seed, "slices", (json_int_t)slices, "targets",
	                   targets(request), "servers", plan_file_servers(request), "ciphers",
	                   plan_file_ciphers(request), "directories", directories(request),
	                   "programs", programs(request, hellos), "providers",
	                   providers(&options->providers), "libraries");
	json_object_set_new(p->run, "program",
	                    json_pack("{so}", "sha256", digest("/proc/self/exe")));
	for (const char *const *note = options->notes; note != NULL && *note != NULL; note++)
		(void)provenance_warn(p, *note);
	if (options->scratch_bytes != 0)
		json_object_set_new(p->run, "scratch_image",
		                    json_pack("{sI ss}", "bytes",
		                              (json_int_t)options->scratch_bytes, "file_system",
		                              "ext4"));
	return p->machine != NULL && p->warnings != NULL && p->run != NULL ? 0 : -1;
}

static int begun_with(char text[512], const char *what, const char *was, const char *is)
{
	snprintf(text, 512,
	         "the run began with %.90s %.120s, here it is %.120s: two of them do not go into "
	         "one result",
	         what, was, is);
	return 0;
}

static int same_digest(const json_t *was, const json_t *is, const char *what, char text[512])
{
	const char *a = json_string_value(json_object_get(was, "sha256"));
	const char *b = json_string_value(json_object_get(is, "sha256"));

	if (a != NULL && b != NULL && strcmp(a, b) == 0)
		return 1;
	return begun_with(text, what, a == NULL ? "unknown" : a, b == NULL ? "unknown" : b);
}

static int same_facts(const json_t *was, const json_t *is, char text[512])
{
	struct fingerprint_facts *facts = calloc(1, sizeof(*facts));
	int same = facts != NULL;

	if (facts == NULL) {
		snprintf(text, 512, "out of memory");
		return 0;
	}
	fingerprint_differences(was, is, facts);
	fingerprint_changes(was, is, facts);
	/* The name of a machine may be a container's. */
	for (size_t i = 0; same && i < facts->count; i++)
		if (strcmp(facts->list[i].what, "label") != 0)
			same = begun_with(text, facts->list[i].what, facts->list[i].base,
			                  facts->list[i].new_);
	free(facts);
	return same;
}

int provenance_is_same(const json_t *was, const json_t *is, char text[512])
{
	const json_t *run_was = json_object_get(was, "run"), *run_is = json_object_get(is, "run");
	const json_t *programs_was = json_object_get(run_was, "programs"), *program;
	size_t i;
	char what[96];

	if (!same_facts(was, is, text) ||
	    !same_digest(json_object_get(run_was, "program"), json_object_get(run_is, "program"),
	                 "a program atrest of SHA-256", text))
		return 0;
	json_array_foreach(json_object_get(run_is, "programs"), i, program)
	{
		snprintf(what, sizeof(what), "a program --arm %.40s of SHA-256",
		         json_string_value(json_object_get(program, "name")));
		if (!same_digest(json_array_get(programs_was, i), program, what, text))
			return 0;
	}
	return 1;
}

void provenance_resume(struct provenance *p, const json_t *machine, size_t rows)
{
	static const char *const kept[] = {"started", "arguments", "libraries"};
	const json_t *run = json_object_get(machine, "run");
	json_t *resumed = json_deep_copy(json_object_get(run, "resumed"));
	const json_t *warning;
	size_t i;

	for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (json_object_get(run, kept[i]) != NULL)
			json_object_set_new(p->run, kept[i],
			                    json_deep_copy(json_object_get(run, kept[i])));
	json_array_foreach(json_object_get(run, "warnings"), i, warning)
	{
		if (json_is_string(warning))
			(void)provenance_warn(p, json_string_value(warning));
	}
	if (!json_is_array(resumed)) {
		json_decref(resumed);
		resumed = json_array();
	}
	json_array_append_new(resumed,
	                      json_pack("{so sI}", "time", time_now(), "rows", (json_int_t)rows));
	json_object_set_new(p->run, "resumed", resumed);
}

void provenance_library(struct provenance *p, const char *cipher, const char *library)
{
	json_object_set_new(json_object_get(p->run, "libraries"), cipher, json_string(library));
}

int provenance_warn(struct provenance *p, const char *text)
{
	size_t i;
	json_t *known;

	json_array_foreach(p->warnings, i, known)
	{
		const char *earlier = json_string_value(known);
		if (earlier != NULL && strcmp(earlier, text) == 0)
			return 0;
	}
	json_array_append_new(p->warnings, json_string(text));
	return 1;
}

/* Asked for, and come to: of each cell its rounds and half the width of its interval. */
static json_t *precision(const struct plan *plan, const struct run_options *options,
                         const struct run_result *result)
{
	static const char *const ends[] = {[SCHEDULE_NEXT] = "interrupted",
	                                   [SCHEDULE_DONE] = "precision",
	                                   [SCHEDULE_BUDGET] = "budget",
	                                   [SCHEDULE_ROUNDS] = "rounds",
	                                   [SCHEDULE_MEMORY] = "memory"};
	json_t *a = json_array();

	for (size_t c = 0; result->reach != NULL && c < plan->cell_count; c++) {
		const struct schedule_reach *reach = &result->reach[c];
		json_t *width = isfinite(reach->width_points) ? json_real(reach->width_points)
		                                              : json_null();
		json_array_append_new(a, json_pack("{ss ss ss si so sb}", "workload",
		                                   plan->cells[c].workload->name, "target",
		                                   plan->cells[c].target->name, "version",
		                                   plan->cells[c].target->version, "rounds",
		                                   (int)reach->rounds, "half_width_points", width,
		                                   "reached",
		                                   !schedule_is_wide(&options->rule, reach)));
	}
	return json_pack("{sf sf sb ss so}", "points", options->rule.precision_points, "budget_s",
	                 options->rule.budget_s, "asked", options->width_is_asked, "ended_by",
	                 ends[result->ended_by], "cells", a);
}

json_t *provenance_json(struct provenance *p, const struct plan *plan,
                        const struct run_options *options, const struct run_result *result,
                        int finished)
{
	json_t *whole = json_copy(p->machine);
	json_t *run = json_copy(p->run);
	int complete = finished && !result->interrupted && !result->system && !result->usage;

	/* Their slices may have been made longer since the start. */
	json_object_set_new(run, "cells", cells(plan));
	json_object_set(run, "warnings", p->warnings);
	if (finished) {
		json_object_set_new(run, "finished", time_now());
		json_object_set_new(run, "rows", json_integer((json_int_t)result->samples.count));
		json_object_set_new(run, "repeated_rounds",
		                    json_integer((json_int_t)result->repeated));
		json_object_set_new(run, "disturbed_rounds",
		                    json_integer((json_int_t)result->tally.disturbed));
		if (result->system || result->usage)
			json_object_set_new(run, "fault", json_string(result->error));
		if (result->fault_row > 0)
			json_object_set_new(run, "fault_row",
			                    json_integer((json_int_t)result->fault_row));
	}
	if (result->failure[0] != '\0') {
		json_object_set_new(run, "failure", json_string(result->failure));
		json_object_set_new(run, "verify_failed", json_boolean(result->verify_failed));
	}
	if (finished && options->rule.precision_points > 0)
		json_object_set_new(run, "precision", precision(plan, options, result));
	json_object_set_new(run, "complete", json_boolean(complete));
	if (json_object_set_new(whole, "run", run) != 0) {
		json_decref(whole);
		return NULL;
	}
	return whole;
}

void provenance_free(struct provenance *p)
{
	json_decref(p->machine);
	json_decref(p->run);
	json_decref(p->warnings);
	memset(p, 0, sizeof(*p));
}
