/* provenance.c - see provenance.h. */
#include "harness/provenance.h"

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

json_t *provenance_json(struct provenance *p, const struct plan *plan,
                        const struct run_result *result, int finished)
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
	}
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
