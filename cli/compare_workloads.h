/* compare_workloads.h - two workloads of one name that did not do the same: in which keys? */
#ifndef ATREST_CLI_COMPARE_WORKLOADS_H
#define ATREST_CLI_COMPARE_WORKLOADS_H

#include "harness/output/samples.h"

/* A warning for every key in which workloads/NAME.ini of the two folders differ, of each name that
 * both have under another digest. What the files do not tell is left out. */
void compare_workloads_explain(const char *base_dir, const struct samples *base,
                               const char *new_dir, const struct samples *new_);

#endif
