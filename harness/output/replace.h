/* replace.h - a whole file, or the old one: never half of it.
 *
 * Written beside its place as "PATH.new", synced, renamed over PATH, directory synced.
 */
#ifndef ATREST_HARNESS_OUTPUT_REPLACE_H
#define ATREST_HARNESS_OUTPUT_REPLACE_H

#include <stddef.h>

/* 0, or -errno; on failure PATH is as it was and no PATH.new is left. */
int replace_file(const char *path, const void *data, size_t bytes);

/* Makes the name of a new file last. 0, or -errno. */
int sync_directory_of(const char *path);

/* The whole of a file, NUL behind it; the caller frees *data. 0, or -errno (-EFBIG above
 * bytes_max). */
int read_whole_file(const char *path, size_t bytes_max, char **data, size_t *bytes);

#endif
