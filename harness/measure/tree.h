/* tree.h - walks a directory. Children come before their directory; symbolic links are shown,
 * not followed. No other file system below is entered.
 */
#ifndef ATREST_HARNESS_MEASURE_TREE_H
#define ATREST_HARNESS_MEASURE_TREE_H

#include <stddef.h>
#include <sys/stat.h>

struct tree_entry {
	const char *path; /* from the walk's root on, for messages */
	int directory_fd; /* of the directory it is in; AT_FDCWD for the root */
	const char *name; /* in that directory */
	const struct stat *st;
	void *arg;
};

/* 0, or -errno: the walk goes on, and the first error is what it returns. */
typedef int tree_visit(const struct tree_entry *entry);

/* Visits everything below path and path itself, which may be a file. What disappears meanwhile is
 * left out, but path itself must be there. Returns 0 or the first -errno; failed (NULL allowed)
 * receives up to failed_bytes of the path it concerns. */
int tree_walk(const char *path, tree_visit *visit, void *arg, char *failed, size_t failed_bytes);

#endif
