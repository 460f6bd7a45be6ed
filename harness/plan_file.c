/* plan_file.c - see plan_file.h. */
#include "harness/plan_file.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- writing ---- */

/* "" stays: the folder of the results, wherever that is then. */
static json_t *absolute(const char *path)
{
	char *full = path[0] == '\0' ? NULL : realpath(path, NULL);
	json_t *text = json_string(full == NULL ? path : full);

	free(full);
	return text;
}

/* NULL where one of them cannot be written: a list without it would be another plan. */
static json_t *whole_list(json_t *list, size_t count)
{
	if (json_array_size(list) == count)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *places(const struct plan_place *list, size_t count)
{
	json_t *a = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(a, json_pack("{ss so}", "name", list[i].name, "path",
		                                   absolute(list[i].path)));
	return whole_list(a, count);
}

static json_t *targets(const struct plan_request *request)
{
	json_t *a = json_array();

	for (size_t i = 0; i < request->target_count; i++)
		json_array_append_new(a, json_pack("{ss ss ss}", "name", request->targets[i].name,
		                                   "version", request->targets[i].version,
		                                   "program", request->targets[i].program));
	return whole_list(a, request->target_count);
}

json_t *plan_file_servers(const struct plan_request *request)
{
	json_t *a = json_array();

	for (size_t i = 0; i < request->server_count; i++)
		json_array_append_new(a, json_pack("{ss ss}", "cipher", request->servers[i].cipher,
		                                   "urls", request->servers[i].urls));
	return whole_list(a, request->server_count);
}

json_t *plan_file_ciphers(const struct plan_request *request)
{
	json_t *a = json_array();

	for (size_t i = 0; i < request->cipher_count; i++)
		json_array_append_new(a, json_string(request->ciphers[i]));
	return whole_list(a, request->cipher_count);
}

/* Their rounds as they are planned: made up to whole squares they stay what they are. */
static json_t *cells(const struct plan *plan)
{
	const struct plan_request *request = plan->request;
	json_t *a = json_array();

	for (size_t c = 0; c < plan->cell_count; c++) {
		const struct plan_cell *cell = &plan->cells[c];
		json_array_append_new(a, json_pack("{ss sI sI sI}", "workload",
		                                   cell->workload->name, "target",
		                                   (json_int_t)(cell->target - request->targets),
		                                   "rounds", (json_int_t)cell->rounds,
		                                   "messages_max", (json_int_t)cell->messages_max));
	}
	return a;
}

static json_t *rule(const struct run_options *options)
{
	return json_pack("{sf sf sI sb sb}", "precision_points", options->rule.precision_points,
	                 "budget_s", options->rule.budget_s, "rounds_max",
	                 (json_int_t)options->rule.rounds_max, "asked", options->width_is_asked,
	                 "rigorous", options->is_rigorous);
}

static json_t *providers(const struct provider_choice *choice)
{
	return json_pack("{ss sb sf sf}", "chachapoly", atr_cipher_provider(choice->chachapoly),
	                 "pinned", choice->pinned, "openssl_ns_per_16k", choice->openssl_ns,
	                 "sodium_ns_per_16k", choice->sodium_ns);
}

static json_t *injections(const struct run_options *options)
{
	json_t *a = json_array();

	for (size_t i = 0; i < options->injection_count; i++)
		json_array_append_new(a, json_pack("{ss* ss sI}", "workload",
		                                   options->injections[i].workload, "arm",
		                                   options->injections[i].arm, "ns",
		                                   (json_int_t)options->injections[i].ns));
	return a;
}

json_t *plan_file_json(const struct run_options *options, const struct plan *plan, int made_up)
{
	const struct plan_request *request = &options->request;

	return json_pack(
	        "{ss si sI so so so so so so so so sI so ss* so sI sb}", "schema", PLAN_FILE_SCHEMA,
	        "version", PLAN_FILE_VERSION, "seed", (json_int_t)request->seed, "rule",
	        rule(options), "targets", targets(request), "servers", plan_file_servers(request),
	        "ciphers", plan_file_ciphers(request), "directories",
	        places(request->dirs, request->dir_count), "programs",
	        places(request->programs, request->program_count), "cells", cells(plan),
	        "injections", injections(options), "replicas", (json_int_t)options->server.replicas,
	        "providers", providers(&options->providers), "label", options->label, "keep_stores",
	        options->keep == NULL ? json_null() : absolute(options->keep),
	        "scratch_image_bytes", (json_int_t)options->scratch_bytes, "named_by_time",
	        made_up);
}

/* ---- reading ---- */

static int bad(struct target_error *error, const char *what)
{
	return target_fail(error, TARGET_USAGE, "plan.json: %s", what);
}

/* A text of an object into out. */
static int take(const json_t *from, const char *name, char *out, size_t bytes)
{
	const char *text = json_string_value(json_object_get(from, name));

	return text != NULL && (size_t)snprintf(out, bytes, "%s", text) < bytes ? 0 : -1;
}

/* A whole number from 0 up. */
static int take_u64(const json_t *from, const char *name, uint64_t *out)
{
	const json_t *value = json_object_get(from, name);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return -1;
	*out = (uint64_t)json_integer_value(value);
	return 0;
}

static int take_places(const json_t *from, struct plan_place *list, size_t *count)
{
	size_t n = json_array_size(from);

	if (!json_is_array(from) || n > PLAN_CHOICES_MAX)
		return -1;
	for (*count = 0; *count < n; ++*count) {
		const json_t *one = json_array_get(from, *count);
		struct plan_place *place = &list[*count];
		if (take(one, "name", place->name, sizeof(place->name)) != 0 ||
		    take(one, "path", place->path, sizeof(place->path)) != 0)
			return -1;
	}
	return 0;
}

static int take_targets(const json_t *json, struct plan_request *request)
{
	const json_t *list = json_object_get(json, "targets");
	const json_t *there = json_object_get(json, "servers");

	request->target_count = json_array_size(list);
	request->server_count = json_array_size(there);
	if (request->target_count == 0 || request->target_count > PLAN_CHOICES_MAX ||
	    request->server_count > PLAN_CHOICES_MAX)
		return -1;
	for (size_t i = 0; i < request->target_count; i++) {
		const json_t *one = json_array_get(list, i);
		struct plan_target *t = &request->targets[i];
		if (take(one, "name", t->name, sizeof(t->name)) != 0 ||
		    take(one, "version", t->version, sizeof(t->version)) != 0 ||
		    take(one, "program", t->program, sizeof(t->program)) != 0)
			return -1;
	}
	for (size_t i = 0; i < request->server_count; i++) {
		const json_t *one = json_array_get(there, i);
		struct plan_server *s = &request->servers[i];
		if (take(one, "cipher", s->cipher, sizeof(s->cipher)) != 0 ||
		    take(one, "urls", s->urls, sizeof(s->urls)) != 0)
			return -1;
	}
	return 0;
}

static int take_ciphers(const json_t *list, struct plan_request *request)
{
	request->cipher_count = json_array_size(list);
	if (request->cipher_count == 0 || request->cipher_count > PLAN_CHOICES_MAX)
		return -1;
	for (size_t i = 0; i < request->cipher_count; i++) {
		request->ciphers[i] = json_string_value(json_array_get(list, i));
		if (request->ciphers[i] == NULL ||
		    atr_cipher_find(request->ciphers[i], NULL) == NULL)
			return -1;
	}
	return 0;
}

static int take_rule(const json_t *from, struct run_options *options)
{
	const json_t *precision = json_object_get(from, "precision_points");
	const json_t *budget = json_object_get(from, "budget_s");
	uint64_t rounds_max;

	if (!json_is_number(precision) || !json_is_number(budget) ||
	    take_u64(from, "rounds_max", &rounds_max) != 0 || rounds_max > UINT32_MAX)
		return -1;
	options->rule.precision_points = json_number_value(precision);
	options->rule.budget_s = json_number_value(budget);
	options->rule.rounds_max = (uint32_t)rounds_max;
	options->width_is_asked = json_is_true(json_object_get(from, "asked"));
	options->is_rigorous = json_is_true(json_object_get(from, "rigorous"));
	return 0;
}

static int take_providers(const json_t *from, struct provider_choice *choice)
{
	char text[64] = "chachapoly=";
	size_t at = strlen(text);

	choice->chachapoly = atr_cipher_find("chachapoly", NULL);
	if (take(from, "chachapoly", text + at, sizeof(text) - at) != 0 ||
	    providers_pin(choice, text) != 0)
		return -1;
	choice->pinned = json_is_true(json_object_get(from, "pinned"));
	choice->openssl_ns = json_number_value(json_object_get(from, "openssl_ns_per_16k"));
	choice->sodium_ns = json_number_value(json_object_get(from, "sodium_ns_per_16k"));
	return 0;
}

/* A workload of the folder, read when a cell names it first. Its index, or -1 and error. */
static int64_t take_workload(const struct run_folder *folder, const char *name,
                             struct plan_file *out, struct target_error *error)
{
	struct plan_request *request = &out->options.request;
	char path[RUN_FOLDER_BYTES], file[WORKLOAD_NAME_BYTES + 32];
	struct workload_error why;
	size_t i = 0;

	while (i < request->workload_count && strcmp(out->workloads[i].name, name) != 0)
		i++;
	if (i < request->workload_count)
		return (int64_t)i;
	if (name[0] == '\0' || strchr(name, '/') != NULL || strlen(name) >= WORKLOAD_NAME_BYTES)
		return bad(error, "a cell without a workload's name");
	snprintf(file, sizeof(file), "workloads/%s.ini", name);
	if (workload_parse_file(run_folder_file(folder, file, path), &out->workloads[i], &why) != 0)
		return target_fail(error, TARGET_USAGE, "%s", why.text);
	request->workload_count++;
	return (int64_t)i;
}

static int take_cells(const struct run_folder *folder, const json_t *list, struct plan_file *out,
                      struct target_error *error)
{
	struct plan_request *request = &out->options.request;
	size_t count = json_array_size(list);

	out->workloads = calloc(count + 1, sizeof(*out->workloads));
	out->choices = calloc(count + 1, sizeof(*out->choices));
	if (out->workloads == NULL || out->choices == NULL)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	if (count == 0)
		return bad(error, "found no cells, expected at least one");
	for (size_t i = 0; i < count; i++) {
		const json_t *one = json_array_get(list, i);
		const char *name = json_string_value(json_object_get(one, "workload"));
		struct plan_choice *choice = &out->choices[i];
		uint64_t target, rounds;
		int64_t workload;
		if (name == NULL || take_u64(one, "target", &target) != 0 ||
		    target >= request->target_count || take_u64(one, "rounds", &rounds) != 0 ||
		    rounds == 0 || rounds > UINT32_MAX ||
		    take_u64(one, "messages_max", &choice->messages_max) != 0)
			return bad(error,
			           "a cell without workload, target, rounds or messages_max");
		workload = take_workload(folder, name, out, error);
		if (workload < 0)
			return -1;
		choice->workload = (size_t)workload;
		choice->target = (size_t)target;
		choice->rounds = (uint32_t)rounds;
	}
	request->choice_count = count;
	return 0;
}

static int take_injections(const json_t *list, struct plan_file *out)
{
	size_t count = json_array_size(list);

	out->injections = calloc(count + 1, sizeof(*out->injections));
	if (out->injections == NULL || !json_is_array(list))
		return -1;
	for (size_t i = 0; i < count; i++) {
		const json_t *one = json_array_get(list, i);
		struct run_injection *injection = &out->injections[i];
		injection->workload = json_string_value(json_object_get(one, "workload"));
		injection->arm = json_string_value(json_object_get(one, "arm"));
		if (injection->arm == NULL || take_u64(one, "ns", &injection->ns) != 0)
			return -1;
	}
	out->options.injections = out->injections;
	out->options.injection_count = count;
	return 0;
}

static int take_all(const struct run_folder *folder, struct plan_file *out,
                    struct target_error *error)
{
	struct run_options *o = &out->options;
	const json_t *json = out->json, *version = json_object_get(json, "version");
	const char *schema = json_string_value(json_object_get(json, "schema"));
	uint64_t replicas = 0;

	if (schema == NULL || strcmp(schema, PLAN_FILE_SCHEMA) != 0)
		return bad(error, "found another schema, expected " PLAN_FILE_SCHEMA);
	if (!json_is_integer(version) || json_integer_value(version) != PLAN_FILE_VERSION)
		return target_fail(error, TARGET_SYSTEM,
		                   "plan.json: found version %lld, expected %d: another atrest "
		                   "wrote it",
		                   (long long)json_integer_value(version), PLAN_FILE_VERSION);
	if (take_u64(json, "seed", &o->request.seed) != 0)
		return bad(error, "found no seed");
	if (take_rule(json_object_get(json, "rule"), o) != 0)
		return bad(error, "found no rule");
	if (take_targets(json, &o->request) != 0)
		return bad(error, "found no targets, or too many");
	if (take_ciphers(json_object_get(json, "ciphers"), &o->request) != 0)
		return bad(error, "found no ciphers, or one that is unknown");
	if (take_places(json_object_get(json, "directories"), o->request.dirs,
	                &o->request.dir_count) != 0 ||
	    o->request.dir_count == 0)
		return bad(error, "found no directories");
	if (take_places(json_object_get(json, "programs"), o->request.programs,
	                &o->request.program_count) != 0)
		return bad(error, "found no list of programs");
	if (take_providers(json_object_get(json, "providers"), &o->providers) != 0)
		return bad(error, "found no provider of chachapoly");
	if (take_u64(json, "replicas", &replicas) != 0 || replicas > UINT32_MAX ||
	    take_u64(json, "scratch_image_bytes", &o->scratch_bytes) != 0)
		return bad(error, "found no replicas or scratch_image_bytes");
	if (take_injections(json_object_get(json, "injections"), out) != 0)
		return bad(error, "found no list of injections");
	o->server.replicas = (uint32_t)replicas;
	o->label = json_string_value(json_object_get(json, "label"));
	o->keep = json_string_value(json_object_get(json, "keep_stores"));
	out->made_up = json_is_true(json_object_get(json, "named_by_time"));
	return take_cells(folder, json_object_get(json, "cells"), out, error);
}

int plan_file_read(const struct run_folder *folder, struct plan_file *out,
                   struct target_error *error)
{
	char path[RUN_FOLDER_BYTES];
	json_error_t why;

	memset(out, 0, sizeof(*out));
	if (access(run_folder_file(folder, "plan.json", path), F_OK) != 0)
		return target_fail(error, TARGET_USAGE,
		                   "%.300s: %s, expected the plan of a run that can be resumed",
		                   path, strerror(errno));
	out->json = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
	if (out->json == NULL)
		return target_fail(error, TARGET_USAGE, "%.300s:%d: %.150s", path, why.line,
		                   why.text);
	if (take_all(folder, out, error) != 0) {
		plan_file_free(out);
		return -1;
	}
	out->options.workloads = out->workloads;
	out->options.request.workloads = out->workloads;
	out->options.request.choices = out->choices;
	return 0;
}

void plan_file_free(struct plan_file *file)
{
	free(file->workloads);
	free(file->choices);
	free(file->injections);
	json_decref(file->json);
	memset(file, 0, sizeof(*file));
}
