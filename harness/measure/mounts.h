/* mounts.h - the mounts a process sees (mountinfo of proc(5)).
 */
#ifndef ATREST_HARNESS_MEASURE_MOUNTS_H
#define ATREST_HARNESS_MEASURE_MOUNTS_H

#include <limits.h>

struct mount {
	int id;
	unsigned major, minor;
	char root[PATH_MAX];  /* of the mounted part within its file system */
	char point[PATH_MAX]; /* where it is mounted */
	char type[64];
	char source[PATH_MAX];
	char options[1024]; /* of the mount, then of the file system, comma between */
};

/* The last mount of PROC/mountinfo for which wanted says 1, that is the one that covers the others;
 * proc is "/proc/self" but in tests. 0, or -errno; -ENOENT when there is none. */
int mounts_find(const char *proc, int (*wanted)(const struct mount *m, const void *arg),
                const void *arg, struct mount *out);
/* The mount that path lies on. 0, or -errno. */
int mounts_of(const char *path, struct mount *out);
/* 1 when word is one of the comma-separated options. */
int mounts_has_option(const char *options, const char *word);

#endif
