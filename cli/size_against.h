/* size_against.h - prediction against measurement: what the costs of a run say of workloads of it
 * that were held out, beside what was measured in the same rounds (sizing_held.h).
 */
#ifndef ATREST_CLI_SIZE_AGAINST_H
#define ATREST_CLI_SIZE_AGAINST_H

#include <stdint.h>

#include "cli/options.h"
#include "harness/output/samples.h"

/* Limits: what a prediction may be off. */
#define SIZE_CPU_PCT     15 /* CPU of a message */
#define SIZE_RESTART_PCT 25
#define SIZE_META_BYTES  256 /* meta and state files, and 1 % */

/* Prints a table of every publish and open cell of the named workloads of a run (its folder: dir),
 * which predict nothing. EXIT_FINE; EXIT_FAILED, a line is out; or the code of the error that was
 * printed: a name that is none, nothing that predicts, a workload file that is not there. */
int size_against(const struct samples *samples, const struct option_list *names, const char *dir,
                 uint64_t file_system_bytes, int json);

#endif
