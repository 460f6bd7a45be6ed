/* size_advice.h - a plan in a few words: which cipher, how many cores, how much disk, and what is
 * wrong with these figures. */
#ifndef ATREST_CLI_SIZE_ADVICE_H
#define ATREST_CLI_SIZE_ADVICE_H

#include "cli/size_plan.h"
#include "harness/output/headline.h"

void size_advice(const struct size_plan *plan, char text[HEADLINE_BYTES]);

#endif
