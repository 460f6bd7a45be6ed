/* bench.c - see bench.h. */
#include "harness/micro/bench.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

_Noreturn void bench_die(const char *what, const char *why)
{
	(void)fprintf(stderr, "error: %s: %s\n", what, why);
	exit(4);
}

void bench_check(enum atr_status status, const struct atr_error *err)
{
	char line[1600];

	if (status == ATR_OK)
		return;
	atr_error_line(err, line, sizeof line);
	bench_die("the store", line);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

void bench_remove(const char *path)
{
	(void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
