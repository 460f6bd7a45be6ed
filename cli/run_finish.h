/* run_finish.h - what a run is told to have come to: table, page and exit code, of `atrest run`
 * and of one that was resumed.
 */
#ifndef ATREST_CLI_RUN_FINISH_H
#define ATREST_CLI_RUN_FINISH_H

#include "cli/options.h"
#include "harness/run.h"

/* Summary, figures, page and table of a run that came to its end, on standard output; what is not
 * as it should be on standard error. The exit code: of those that apply 130, 5, 2, 4, 1, 3. */
int run_finish(const struct run_options *options, const struct plan *plan,
               const struct run_result *result, int json);

#endif
