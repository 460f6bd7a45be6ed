/* bench.h - what the programs that measure the store by itself share. */
#ifndef ATREST_HARNESS_MICRO_BENCH_H
#define ATREST_HARNESS_MICRO_BENCH_H

#include "store/store.h"

/* Prints an error line and exits with code 4: a benchmark has nothing to clean up for. */
_Noreturn void bench_die(const char *what, const char *why);
/* Does so when the store failed. */
void bench_check(enum atr_status status, const struct atr_error *err);
/* A directory with all that is in it, as far as it can be removed. */
void bench_remove(const char *path);

#endif
