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

/* Rows of the option table of each command that makes runs. */
/* clang-format off */
#define RUN_COMMON_OPTIONS                                                                         \
	{"set", 0, OPTION_LIST, "KEY=VALUE", "one key of every workload (workloads/README.md)",    \
	 offsetof(struct run_arguments, sets)},                                                    \
	{"seed", 0, OPTION_TEXT, "N", "of data and order; default random, in machine.json",        \
	 offsetof(struct run_arguments, seed)},                                                    \
	{"label", 0, OPTION_TEXT, "NAME", "instead of the host's name",                            \
	 offsetof(struct run_arguments, label)},                                                   \
	{"output", 'o', OPTION_TEXT, "DIR", "folder of the results, default results/TIME-LABEL",   \
	 offsetof(struct run_arguments, output)},                                                  \
	{"json", 0, OPTION_FLAG, NULL, "prints JSON", offsetof(struct run_arguments, json)}
/* clang-format on */

/* Owns what the options of a run borrow. */
struct run_request {
	struct run_options options;
	struct workload *workloads;
	struct plan_choice *choices;
	struct run_injection *injections;
	char **notes;
	char **arguments; /* those to be shown */
	char *ciphers;    /* the list, cut at its commas */
};

/* Fills request from arguments, which were parsed from argv, and from the workload files that are
 * left there from first on (none: a suite). EXIT_FINE, or the code of the error it has printed;
 * run_request_free in either case. */
int run_request_make(const struct run_arguments *arguments, int argc, char *const *argv, int first,
                     struct run_request *request);
void run_request_free(struct run_request *request);

#endif
