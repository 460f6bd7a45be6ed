/* run_request.h - the options of `atrest run`, and what they ask for.
 */
#ifndef ATREST_CLI_RUN_REQUEST_H
#define ATREST_CLI_RUN_REQUEST_H

#include "cli/options.h"
#include "cli/run_targets.h"
#include "harness/run.h"

struct run_arguments {
	struct run_target_arguments targets;
	const char *cipher; /* comma-separated list */
	struct option_list dirs;
	struct option_list sets;
	struct option_list programs;
	struct option_list providers;
	struct option_list injects;
	const char *nats_config;
	const char *keep_stores;
	const char *label;
	const char *output;
	const char *seed; /* numbers whose 0 is not "not given" */
	const char *rounds;
	const char *scratch_image;
	const char *suite;
	const char *precision;
	const char *budget;
	int rigorous;
	int quick;
	int dry_run;
	int json;
};

/* Owns what the options of a run borrow. */
struct run_request {
	struct run_options options;
	struct workload *workloads;
	struct plan_choice *choices;
	struct run_injection *injections;
	char **notes;
	char *ciphers; /* the list, cut at its commas */
};

/* Fills request from arguments and workload files (count 0: a suite). EXIT_FINE, or the
 * code of the error it has printed. */
int run_request_make(const struct run_arguments *arguments, char *const *files, size_t count,
                     struct run_request *request);
void run_request_free(struct run_request *request);

#endif
