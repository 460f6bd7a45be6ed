/* run_folder.h - the folder of one run's results: made, kept for this run alone, pointed at.
 *
 *   results/<UTC time>-<label>/   samples.csv  machine.json  workload.ini  workloads/NAME.ini
 *   results/latest                symbolic link to the newest complete one
 *
 * workload.ini holds every workload as it was run, one after the other; each is also a file of
 * its own that can be run again.
 */
#ifndef ATREST_HARNESS_OUTPUT_RUN_FOLDER_H
#define ATREST_HARNESS_OUTPUT_RUN_FOLDER_H

#include <jansson.h>
#include <stddef.h>

#include "workloads/workload.h"

#define RUN_FOLDER_BYTES 4096
#define RUN_LABEL_BYTES  64

struct run_folder {
	char path[RUN_FOLDER_BYTES];
	int made_up; /* the path was not given: `latest` beside it will point to it */
	int fd;      /* locked as long as the run lasts */
};

/* Makes the folder and locks it. given NULL: a new one below results/, named after the time and
 * label. 0; or a negative value and error says why: -EEXIST when the results of an older run or a
 * file are there, another one when a run is in there or the system refuses. */
int run_folder_open(struct run_folder *folder, const char *given, const char *label,
                    char error[512]);
/* Locks the folder of a run that is there. 0, or -1 and error. made_up is to be set. */
int run_folder_open_again(struct run_folder *folder, const char *path, char error[512]);
/* The label, or the host's name, with what a file name should not have replaced by '-'. */
void run_folder_label(const char *label, char out[RUN_LABEL_BYTES]);

/* "<folder>/<name>" into path (RUN_FOLDER_BYTES); returns path. */
const char *run_folder_file(const struct run_folder *folder, const char *name, char *path);

/* 0, or -1 and error. */
int run_folder_workloads(const struct run_folder *folder, const struct workload *workloads,
                         size_t count, char error[512]);
int run_folder_json(const struct run_folder *folder, const char *name, const json_t *content,
                    char error[512]);
int run_folder_latest(const struct run_folder *folder, char error[512]);

/* Unlocks. */
void run_folder_close(struct run_folder *folder);

/* mkdir -p. 0, or -errno. */
int run_folder_make(const char *path);

#endif
