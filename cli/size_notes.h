/* size_notes.h - what must be said with a plan: limits that decide, lower bounds, what is
 * extrapolated, what was not measured. */
#ifndef ATREST_CLI_SIZE_NOTES_H
#define ATREST_CLI_SIZE_NOTES_H

#include "cli/size_plan.h"

/* Adds the notes of a plan that is made, and sets lower_bound. */
void size_notes_make(struct size_plan *plan);

#endif
