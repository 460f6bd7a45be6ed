/* size_advice.h - a plan in a few words: which cipher, how many cores, how much disk, and what is
 * wrong with these figures. */
#ifndef ATREST_CLI_SIZE_ADVICE_H
#define ATREST_CLI_SIZE_ADVICE_H

#include "cli/size_plan.h"

#define SIZE_ADVICE_BYTES 1024

void size_advice(const struct size_plan *plan, char text[SIZE_ADVICE_BYTES]);

#endif
