/* fault_files.h - the real file system, of which the k-th call fails.
 *
 * Calls that can fail on a real disk are counted from any thread: open, close, pread, pwrite,
 * sync, truncate, stat, rename, exchange, mkdir, list, lock ... A sync only counts. unlink and
 * rmdir always work: cleaning up after a failure does not consist of further failures.
 */
#ifndef ATREST_TESTS_FAULT_FILES_H
#define ATREST_TESTS_FAULT_FILES_H

#include <stdatomic.h>

#include "store/file.h"

enum fault_kind {
	FAULT_ERROR,      /* the call does nothing and fails */
	FAULT_LATE_ERROR, /* a write is done and fails all the same */
	FAULT_SHORT       /* a write writes half, and what follows on that descriptor fails */
};

struct fault_files {
	struct atr_file_table table; /* what the store is given */
	enum fault_kind kind;
	int error_number;
	unsigned long at; /* the call that fails, from 1; 0: none */
	int sticky;       /* and all later ones that write */
	_Atomic(unsigned long) calls;
	_Atomic(int) failed;   /* calls that failed */
	_Atomic(int) short_fd; /* whose next write fails; -1: none */
};

void fault_files_init(struct fault_files *f, enum fault_kind kind, int error_number,
                      unsigned long at, int sticky);

#endif
