/* run_outcome.h - how a run came to its end, for every command that makes one.
 */
#ifndef ATREST_CLI_RUN_OUTCOME_H
#define ATREST_CLI_RUN_OUTCOME_H

#include "harness/run.h"

/* EXIT_FINE, or the code of what was wrong, which it has printed. */
int run_outcome(const struct run_result *result);

#endif
