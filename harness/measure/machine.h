/* machine.h - the fingerprint of machine, build and libraries that goes with every result.
 */
#ifndef ATREST_HARNESS_MEASURE_MACHINE_H
#define ATREST_HARNESS_MEASURE_MACHINE_H

#include <jansson.h>
#include <stddef.h>

/* A new JSON object, for machine.json and `atrest machine`; NULL: memory. Members:
 * time, host, cpu, memory, kernel, virtualisation, container, directories (one per dir, in
 * order), libraries, build. dirs may have none. A figure that this machine does not tell is null.
 * label: instead of the host's name, NULL for that. */
json_t *machine_fingerprint(const char *const *dirs, size_t dir_count, const char *label);

/* How this program was built, as the column `build` has it: "release", "debug", "asan", "tsan",
 * "coverage", ... Only "release" is fit to measure with: optimised and without a sanitizer. */
const char *machine_build(void);
int machine_build_measures(void);
/* Abbreviated commit, "-dirty" behind it when the tree had changes; "unknown" outside of one. */
const char *machine_commit(void);
const char *machine_version(void); /* of atrest */

#endif
