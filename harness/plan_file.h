/* plan_file.h - plan.json: everything that a run's plan follows from, for `atrest resume`.
 *
 *   {"schema": "atrest-plan", "version": 1, "seed": N, "rule": {...}, "targets": [...],
 *    "servers": [...], "ciphers": [...], "directories": [...], "programs": [...],
 *    "cells": [{"workload": name, "target": index, "rounds": N, "messages_max": N}], ...}
 *
 * The workloads themselves are the files workloads/NAME.ini beside it. Never in it: the server key
 * of the run's stores, and what logs in to servers that are there.
 */
#ifndef ATREST_HARNESS_PLAN_FILE_H
#define ATREST_HARNESS_PLAN_FILE_H

#include <jansson.h>

#include "harness/run.h"

#define PLAN_FILE_SCHEMA  "atrest-plan"
#define PLAN_FILE_VERSION 1

/* What was read; the options borrow from the rest. */
struct plan_file {
	struct run_options options;
	struct workload *workloads;
	struct plan_choice *choices;
	struct run_injection *injections;
	int made_up;  /* the folder was named by the time (run_folder.h) */
	json_t *json; /* owns the texts */
};

/* A new object; NULL: memory. As the options are before the run puts its folder into them; paths
 * become absolute. made_up: of the folder. */
json_t *plan_file_json(const struct run_options *options, const struct plan *plan, int made_up);

/* Of a request: its servers and the names of its ciphers. NULL: memory, or one is not UTF-8. */
json_t *plan_file_servers(const struct plan_request *request);
json_t *plan_file_ciphers(const struct plan_request *request);

/* Reads <folder>/plan.json and the workloads beside it. 0; or -1, *out is empty and error says
 * what was found and what was expected: TARGET_USAGE, of another version TARGET_SYSTEM. */
int plan_file_read(const struct run_folder *folder, struct plan_file *out,
                   struct target_error *error);
void plan_file_free(struct plan_file *file);

#endif
