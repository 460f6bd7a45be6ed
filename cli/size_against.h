/* size_against.h - prediction against measurement: what one run's costs say of another run's
 * workloads, beside what that one measured.
 */
#ifndef ATREST_CLI_SIZE_AGAINST_H
#define ATREST_CLI_SIZE_AGAINST_H

#include <stdint.h>

#include "harness/output/samples.h"

/* Limits: what a prediction may be off. */
#define SIZE_CPU_PCT     15 /* CPU of a message */
#define SIZE_RESTART_PCT 25
#define SIZE_META_BYTES  256 /* meta and state files, and 1 % */

/* Prints a table of every publish and open cell of held (its folder: dir), whose targets and
 * policies base has too. EXIT_FINE; EXIT_FAILED, a line is out; or the code of the error that was
 * printed: nothing to compare, a workload file that is not there. */
int size_against(const struct samples *base, const struct samples *held, const char *dir,
                 uint64_t file_system_bytes, int json);

#endif
