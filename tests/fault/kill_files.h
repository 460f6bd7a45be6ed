/* kill_files.h - the real file system, in a process that ends before its k-th changing call.
 *
 * Changing are: open with O_CREAT or O_TRUNC, pwrite (half of it is done), truncate, rename,
 * unlink, mkdir, rmdir, and sync (nothing is lost without it, but what comes between two syncs is
 * told apart). Counted from any thread.
 */
#ifndef ATREST_TESTS_KILL_FILES_H
#define ATREST_TESTS_KILL_FILES_H

#include <stdatomic.h>

#include "store/file.h"

#define KILL_STATUS 77 /* exit status of a process that ended so */

struct kill_files {
	struct atr_file_table table;
	unsigned long at; /* from 1; 0: never */
	_Atomic(unsigned long) calls;
};

void kill_files_init(struct kill_files *k, unsigned long at);

/* Runs work in a child whose table ends it before call `at`. 1: it was ended so; 0: it came to the
 * end of work, which returned 0. Anything else fails the test. */
int kill_files_run(unsigned long at, int (*work)(const struct atr_file_table *files, void *arg),
                   void *arg);

#endif
