/* baseline.h - results kept under a name, to compare later ones with.
 *
 *   results/baselines/NAME/   samples.csv  machine.json  workload.ini  workloads/NAME.ini
 */
#ifndef ATREST_HARNESS_OUTPUT_BASELINE_H
#define ATREST_HARNESS_OUTPUT_BASELINE_H

#include <stddef.h>

#define BASELINE_PATH_BYTES 4096

/* Where it is. 0, or -1 and error: the name is none, expected letters, digits, '.', '-', '_' and
 * not a dot in front. */
int baseline_path(const char *name, char path[BASELINE_PATH_BYTES], char error[512]);

/* Copies the results of the folder dir to path, with all their parts or not at all: they are put
 * together beside it, then take its place, also that of an older one. 0, or -1 and error. */
int baseline_save(const char *dir, const char *path, char error[512]);

#endif
