/* size_print.h - a plan as people and programs read it. */
#ifndef ATREST_CLI_SIZE_PRINT_H
#define ATREST_CLI_SIZE_PRINT_H

#include "cli/size_plan.h"

enum size_format { SIZE_TEXT, SIZE_MARKDOWN, SIZE_JSON };

/* To standard output. 0, or -1: memory, or a write that failed. */
int size_print(const struct size_plan *plan, enum size_format format);

#endif
