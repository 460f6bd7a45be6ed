/* run_cells.h - which workloads a run has, and on which of its targets: suites, files, --set.
 *
 * What a target cannot do is left out there, and said once. A file that was named and that no
 * target has an operation for is an error (plan.h).
 */
#ifndef ATREST_CLI_RUN_CELLS_H
#define ATREST_CLI_RUN_CELLS_H

#include "cli/run_request.h"

/* Fills the workloads, choices and notes of out, whose targets are known; count 0: the suite of
 * arguments. sync: a server's policy, NULL: none. EXIT_FINE, or the code of the error it has
 * printed. */
int run_cells_read(const struct run_arguments *arguments, char *const *files, size_t count,
                   const char *sync, struct run_request *out);
void run_cells_free(struct run_request *request);

#endif
