/* provenance.c - see provenance.h. */
#include "harness/provenance.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "harness/measure/machine.h"

static json_t *time_now(void)
{
	char text[32];
	time_t now = time(NULL);
	struct tm utc;

	gmtime_r(&now, &utc);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
	return json_string(text);
}

static json_t *names(const char *const *list, size_t count)
{
	json_t *a = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(a, json_string(list[i]));
	return a;
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

static json_t *servers(const struct plan_request *request)
{
	json_t *a = json_array();

	for (size_t i = 0; i < request->server_count; i++)
		json_array_append_new(a, json_pack("{ss ss}", "cipher", request->servers[i].cipher,
		                                   "urls", request->servers[i].urls));
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

static json_t *programs(const struct plan_request *request, const struct order_hello *hellos)
{
	json_t *a = json_array();

	for (size_t i = 0; i < request->program_count; i++)
		json_array_append_new(
		        a, json_pack("{ss ss ss ss ss}", "name", request->programs[i].name, "path",
		                     request->programs[i].path, "version", hellos[i].version,
		                     "commit", hellos[i].commit, "build", hellos[i].build));
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
	                   targets(request), "servers", servers(request), "ciphers",
	                   names(request->ciphers, request->cipher_count), "directories",
	                   directories(request), "programs", programs(request, hellos), "providers",
	                   providers(&options->providers), "libraries");
	for (const char *const *note = options->notes; note != NULL && *note != NULL; note++)
		(void)provenance_warn(p, *note);
	if (options->scratch_bytes != 0)
		json_object_set_new(p->run, "scratch_image",
		                    json_pack("{sI ss}", "bytes",
		                              (json_int_t)options->scratch_bytes, "file_system",
		                              "ext4"));
	return p->machine != NULL && p->warnings != NULL && p->run != NULL ? 0 : -1;
}

int provenance_same_programs(const struct provenance *p, const json_t *machine, char text[256])
{
	static const char *const members[] = {"version", "commit", "build"};
	const json_t *was = json_object_get(json_object_get(machine, "run"), "programs");
	const json_t *program;
	size_t i;

	json_array_foreach(json_object_get(p->run, "programs"), i, program)
	{
		const json_t *before = json_array_get(was, i);
		for (size_t m = 0; m < sizeof(members) / sizeof(members[0]); m++) {
			if (json_equal(json_object_get(program, members[m]),
			               json_object_get(before, members[m])))
				continue;
			snprintf(text, 256, "--arm %.60s: found another %s than the run began with",
			         json_string_value(json_object_get(program, "name")), members[m]);
			return 0;
		}
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
		if (result->unrepeated > 0)
			json_object_set_new(run, "disturbed_rounds_that_count",
			                    json_integer((json_int_t)result->unrepeated));
		if (result->system || result->usage)
			json_object_set_new(run, "fault", json_string(result->error));
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
