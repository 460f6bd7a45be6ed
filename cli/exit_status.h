/* exit_status.h - from what the store says to the exit code of a command. */
#ifndef ATREST_CLI_EXIT_STATUS_H
#define ATREST_CLI_EXIT_STATUS_H

#include "cli/options.h"
#include "store/inspect.h"

enum exit_code exit_of_status(enum atr_status status);
enum exit_code exit_of_finding(enum atr_finding_kind kind);

/* The one that counts when both apply: 130, 5, 2, 4, 1, 3, 0. */
int exit_worse(int a, int b);

#endif
