/* run_cells.c - see run_cells.h. */
#include "cli/run_cells.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/targets/nats_server.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* ---- suites ---- */

/* Where an entry runs: targets in this process, targets that are servers. */
enum { STORE = 1, SERVER = 2, BOTH = STORE | SERVER };

struct suite_entry {
	const char *workload;
	int where;
	uint32_t server_rounds;   /* 0: those of the workload, as for the store */
	uint64_t server_messages; /* of a slice at most; 0: those of the workload */
};

/* In the order of its figures. A server's slices have a start and a pause each: fewer cells, and
 * fewer rounds but where the headline is. */
static const struct suite_entry quick_suite[] = {
        {"publish-64b", STORE, 0, 0},       {"publish-128b", SERVER, 0, 20000},
        {"publish-1k", BOTH, 12, 20000},    {"publish-8k", BOTH, 8, 4000},
        {"publish-64k", BOTH, 8, 1000},     {"publish-256k", STORE, 0, 0},
        {"read-1k", STORE, 0, 0},           {"read-pass-1k", SERVER, 0, 60000},
        {"publish-always-1k", STORE, 0, 0}, {"get-1k", STORE, 0, 0}};

/* One size, every kind of operation. How to read a block and when to write is nothing that a server
 * can be asked for; a pass over a stream takes it so long that it is a slice, and so does a start.
 */
static const struct suite_entry classes_suite[] = {
        {"publish-1k", BOTH, 8, 0},        {"publish-async-1k", STORE, 0, 0},
        {"publish-always-1k", BOTH, 0, 0}, {"read-1k", STORE, 0, 0},
        {"read-pass-1k", SERVER, 0, 0},    {"get-1k", BOTH, 0, 0},
        {"get-record-1k", STORE, 0, 0},    {"last-1k", BOTH, 0, 0},
        {"tail-1k", BOTH, 8, 0},           {"mixed-1k", BOTH, 8, 0},
        {"delete-1k", BOTH, 0, 0},         {"purge-1k", BOTH, 0, 0},
        {"open-1k", STORE, 0, 0},          {"open-recover-1k", STORE, 0, 0},
        {"open-server-1k", SERVER, 0, 0},  {"open-server-recover-1k", SERVER, 0, 0},
        {"encrypt-1k", BOTH, 0, 0},        {"change-cipher-1k", BOTH, 0, 0},
        {"rotate-key-1k", BOTH, 0, 0},     {"snapshot-1k", BOTH, 0, 0},
        {"restore-1k", BOTH, 0, 0}};

/* What a server is asked for, and beside it, where there is such a thing, the store. */
static const struct suite_entry server_suite[] = {{"publish-128b", BOTH, 0, 0},
                                                  {"publish-1k", BOTH, 12, 0},
                                                  {"publish-8k", BOTH, 8, 0},
                                                  {"publish-64k", BOTH, 8, 0},
                                                  {"publish-one-1k", SERVER, 0, 0},
                                                  {"publish-always-1k", BOTH, 0, 0},
                                                  {"publish-1k-equal-blocks", BOTH, 0, 0},
                                                  {"read-pass-1k", BOTH, 0, 0},
                                                  {"read-ordered-1k", SERVER, 0, 0},
                                                  {"read-cold-1k", BOTH, 8, 0},
                                                  {"get-1k", BOTH, 0, 0},
                                                  {"last-1k", BOTH, 0, 0},
                                                  {"open-server-1k", BOTH, 0, 0},
                                                  {"open-server-recover-1k", BOTH, 0, 0}};

/* Response times at a quarter, half and three quarters of what plaintext does, and that itself. */
static const struct suite_entry latency_suite[] = {{"publish-1k", BOTH, 12, 20000},
                                                   {"publish-1k-25", BOTH, 0, 0},
                                                   {"publish-1k-50", BOTH, 0, 0},
                                                   {"publish-1k-75", BOTH, 0, 0}};

/* Writing and reading, enough to see how quiet a machine is. */
static const struct suite_entry noise_suite[] = {{"publish-1k", BOTH, 12, 20000},
                                                 {"read-1k", STORE, 0, 0},
                                                 {"read-pass-1k", SERVER, 12, 60000}};

/* A publishing workload, a reading one, and one that syncs every append (selftest.h). */
static const struct suite_entry selftest_suite[] = {
        {"publish-1k", STORE, 0, 0}, {"read-1k", STORE, 0, 0}, {"publish-always-1k", STORE, 0, 0}};

static const struct suite {
	const char *name;
	const struct suite_entry *entries;
	size_t count;
} suites[] = {{"quick", quick_suite, COUNT_OF(quick_suite)},
              {"classes", classes_suite, COUNT_OF(classes_suite)},
              {"server", server_suite, COUNT_OF(server_suite)},
              {"latency", latency_suite, COUNT_OF(latency_suite)},
              {"noise", noise_suite, COUNT_OF(noise_suite)},
              {"selftest", selftest_suite, COUNT_OF(selftest_suite)}};

/* NULL, and the complaint made, when there is none of that name. */
static const struct suite *suite_find(const char *name, size_t files)
{
	if (name == NULL)
		return &suites[0];
	if (files > 0) {
		(void)complain(EXIT_USAGE,
		               "--suite: found workload files too, expected one of both");
		return NULL;
	}
	for (size_t i = 0; i < COUNT_OF(suites); i++)
		if (strcmp(suites[i].name, name) == 0)
			return &suites[i];
	(void)complain(EXIT_USAGE,
	               "--suite: found '%s', expected quick, classes, server or latency", name);
	return NULL;
}

/* ---- what a target has ---- */

enum gap { GAP_NONE, GAP_OPERATION, GAP_SYNC_OLD, GAP_SYNC_OWN, GAP_RESTART, GAP_COUNT };

static const char *const gap_texts[GAP_COUNT] = {
        [GAP_NONE] = "",
        [GAP_OPERATION] = "it has no such operation",
        [GAP_SYNC_OLD] = "sync_interval exists from 2.10 on",
        [GAP_SYNC_OWN] = "a server that is there has a sync_interval of its own",
        [GAP_RESTART] = "a server that is there is not restarted",
};

static int is_server(const struct plan_target *target)
{
	return target_find(target->name)->process != NULL;
}

/* given: the policy is that of a server's configuration, which one that is there has by itself. One
 * of our own has to be told of it, and none can be kept from syncing. */
static enum gap gap_of(const struct plan_target *target, const struct workload *w, int given)
{
	int sync = !workload_sync_is_default(w);

	if (!target_can(target_find(target->name), w->operation))
		return GAP_OPERATION;
	if (strcmp(target->name, TARGET_SERVER_NAME) == 0) {
		if (sync && !given)
			return GAP_SYNC_OWN;
		return w->operation == WORKLOAD_OPEN || w->cache == WORKLOAD_COLD ? GAP_RESTART
		                                                                  : GAP_NONE;
	}
	if (is_server(target) && sync && w->sync != WORKLOAD_SYNC_NONE &&
	    nats_server_compare(target->version, 2, 10) < 0)
		return GAP_SYNC_OLD;
	return GAP_NONE;
}

/* Which workloads are left out, a list of names for each target and reason. */
struct gaps {
	char names[PLAN_CHOICES_MAX][GAP_COUNT][1024];
};

static void gap_add(char names[1024], const char *name)
{
	size_t used = strlen(names);

	snprintf(names + used, 1024 - used, "%s%s", used == 0 ? "" : ", ", name);
}

/* Whether a newer server would have more. */
static int is_too_old(const struct gaps *gaps)
{
	int old = 0;

	for (size_t t = 0; t < PLAN_CHOICES_MAX; t++)
		old |= gaps->names[t][GAP_SYNC_OLD][0] != '\0';
	return old;
}

/* Said now, and kept for machine.json. */
static int gaps_tell(const struct gaps *gaps, struct run_request *out)
{
	const struct plan_request *request = &out->options.request;
	char name[PLAN_TARGET_BYTES], text[1280];
	size_t count = 0;

	out->notes = calloc(PLAN_CHOICES_MAX * GAP_COUNT + 1, sizeof(*out->notes));
	if (out->notes == NULL)
		return complain(EXIT_SYSTEM, "out of memory");
	for (size_t t = 0; t < request->target_count; t++) {
		for (size_t g = 0; g < GAP_COUNT; g++) {
			if (gaps->names[t][g][0] == '\0')
				continue;
			snprintf(text, sizeof(text), "%s: without %s: %s",
			         plan_target_text(&request->targets[t], name), gaps->names[t][g],
			         gap_texts[g]);
			warn_line("%s", text);
			out->notes[count] = strdup(text);
			if (out->notes[count++] == NULL)
				return complain(EXIT_SYSTEM, "out of memory");
		}
	}
	out->options.notes = (const char *const *)out->notes;
	return EXIT_FINE;
}

/* ---- workloads ---- */

/* "<folder>/<name>.ini" of the tree that was built, else of the installation. */
static void ready_path(const char *name, char *path, size_t bytes)
{
	snprintf(path, bytes, ATREST_SOURCE_DIR "/workloads/%s.ini", name);
	if (access(path, R_OK) != 0)
		snprintf(path, bytes, ATREST_DATA_DIR "/workloads/%s.ini", name);
}

/* A file, or the name of a ready workload where no file has it. */
static void workload_path(const char *given, char *path, size_t bytes)
{
	snprintf(path, bytes, "%s", given);
	if (access(path, F_OK) == 0 || strchr(given, '/') != NULL)
		return;
	ready_path(given, path, bytes);
	if (access(path, R_OK) != 0)
		snprintf(path, bytes, "%s", given);
}

static int set_key(struct workload *w, const char *text)
{
	const char *equals = strchr(text, '=');
	struct workload_error why;
	char key[64];

	if (equals == NULL || equals == text || (size_t)(equals - text) >= sizeof(key))
		return complain(EXIT_USAGE, "--set: found '%s', expected KEY=VALUE", text);
	snprintf(key, sizeof(key), "%.*s", (int)(equals - text), text);
	if (workload_set(w, key, equals + 1, &why) != 0)
		return complain(EXIT_USAGE, "%s", why.text);
	return EXIT_FINE;
}

/* A server's sync policy, for workloads that are not about another one. */
static int set_sync(struct workload *w, const char *path, const char *sync)
{
	struct workload_error why;

	if (sync == NULL || w->sync == WORKLOAD_SYNC_ALWAYS)
		return EXIT_FINE;
	if (workload_set(w, "sync", sync, &why) == 0 && w->sync != WORKLOAD_SYNC_NONE)
		return EXIT_FINE;
	return complain(EXIT_USAGE, "%s: sync_interval: found '%s', expected always or 1ms to 24h",
	                path, sync);
}

/* Whether set_sync would leave it as it is. */
static int is_given(const struct workload *w, const char *sync)
{
	struct workload given = *w;
	struct workload_error why;

	return sync != NULL && workload_set(&given, "sync", sync, &why) == 0 &&
	       given.sync == w->sync && given.sync_interval_ns == w->sync_interval_ns;
}

static int read_workload(const struct run_arguments *a, const char *path, const char *sync,
                         struct workload *w)
{
	struct workload_error why;

	if (access(path, F_OK) != 0 && strchr(path, '/') == NULL)
		return complain(EXIT_USAGE,
		                "%s: neither a file nor a ready workload, expected such as "
		                "publish-1k or mine.ini (workloads/README.md lists them)",
		                path);
	if (workload_parse_file(path, w, &why) != 0)
		return complain(EXIT_USAGE, "%s", why.text);
	if (set_sync(w, a->nats_config, sync) != EXIT_FINE)
		return EXIT_USAGE;
	for (size_t s = 0; s < a->sets.count; s++) {
		int code = set_key(w, a->sets.value[s]);
		if (code != EXIT_FINE)
			return code;
	}
	if (workload_check(w, &why) != 0)
		return complain(EXIT_USAGE, "%s: %s", path, why.text);
	return EXIT_FINE;
}

/* All of them, whether some target has them or not. */
static int read_workloads(const struct run_arguments *a, const struct suite *suite,
                          char *const *files, size_t count, const char *sync,
                          struct workload *workloads)
{
	char path[4096];

	for (size_t i = 0; i < count; i++) {
		const char *from = suite != NULL ? suite->entries[i].workload : files[i];
		int code;
		if (suite != NULL)
			ready_path(from, path, sizeof(path));
		else
			workload_path(from, path, sizeof(path));
		code = read_workload(a, path, sync, &workloads[i]);
		if (code != EXIT_FINE)
			return code;
		for (size_t e = 0; e < i; e++)
			if (strcmp(workloads[e].name, workloads[i].name) == 0)
				return complain(EXIT_USAGE,
				                "%s: two workloads are named '%s', the other one "
				                "in %s",
				                path, workloads[i].name,
				                suite != NULL ? suite->entries[e].workload
				                              : files[e]);
	}
	return EXIT_FINE;
}

/* ---- cells ---- */

/* Of a suite what no target can do is left out as well; in a file that was named it is an error
 * of that file (plan.h). */
static int some_target_can(const struct plan_request *request, const struct workload *w)
{
	for (size_t t = 0; t < request->target_count; t++)
		if (target_can(target_find(request->targets[t].name), w->operation))
			return 1;
	return 0;
}

/* The cells of a workload, which stays when it has one. entry NULL: of a file that was named. */
static void add_cells(const struct workload *w, const struct suite_entry *entry, int given,
                      struct gaps *gaps, struct run_request *out)
{
	struct plan_request *request = &out->options.request;
	size_t before = request->choice_count;
	int optional = entry != NULL || some_target_can(request, w);

	for (size_t t = 0; t < request->target_count; t++) {
		const struct plan_target *target = &request->targets[t];
		int server = is_server(target);
		enum gap gap = gap_of(target, w, given);
		if (entry != NULL && !(entry->where & (server ? SERVER : STORE)))
			continue;
		if (gap != GAP_NONE && (optional || gap != GAP_OPERATION)) {
			gap_add(gaps->names[t][gap], w->name);
			continue;
		}
		out->choices[request->choice_count++] = (struct plan_choice){
		        .workload = request->workload_count,
		        .target = t,
		        .rounds = entry != NULL && server ? entry->server_rounds : 0,
		        .messages_max = entry != NULL && server ? entry->server_messages : 0};
	}
	if (request->choice_count > before)
		memmove(&out->workloads[request->workload_count++], w, sizeof(*w));
}

int run_cells_read(const struct run_arguments *a, char *const *files, size_t count,
                   const char *sync, struct run_request *out)
{
	struct plan_request *request = &out->options.request;
	const struct suite *suite = suite_find(a->suite, count);
	size_t n = count > 0 || suite == NULL ? count : suite->count;
	struct gaps *gaps = NULL;
	int code;

	if (suite == NULL)
		return EXIT_USAGE;
	if (count > 0)
		suite = NULL;
	gaps = calloc(1, sizeof(*gaps));
	out->workloads = calloc(n, sizeof(*out->workloads));
	out->choices = calloc(n * request->target_count, sizeof(*out->choices));
	if (gaps == NULL || out->workloads == NULL || out->choices == NULL)
		code = complain(EXIT_SYSTEM, "out of memory");
	else
		code = read_workloads(a, suite, files, n, sync, out->workloads);
	for (size_t i = 0; code == EXIT_FINE && i < n; i++)
		add_cells(&out->workloads[i], suite != NULL ? &suite->entries[i] : NULL,
		          is_given(&out->workloads[i], sync), gaps, out);
	if (code == EXIT_FINE)
		code = gaps_tell(gaps, out);
	if (code == EXIT_FINE && request->choice_count == 0)
		code = complain(is_too_old(gaps) ? EXIT_SYSTEM : EXIT_USAGE,
		                "nothing is left to run on these targets");
	free(gaps);
	out->options.workloads = out->workloads;
	request->workloads = out->workloads;
	request->choices = out->choices;
	return code;
}

void run_cells_free(struct run_request *request)
{
	for (size_t i = 0; request->notes != NULL && request->notes[i] != NULL; i++)
		free(request->notes[i]);
	free(request->notes);
	free(request->choices);
	free(request->workloads);
}
