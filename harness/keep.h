/* keep.h - stores that outlive the run (--keep-stores), for `atrest stream` and real servers.
 *
 *   DIR/key                  the throwaway server key of the run, one line, mode 0600
 *   DIR/<workload>-<arm>/    a store_dir: jetstream/$G/streams/BENCH, BENCH-2, ...; of a server
 *                            <workload>-<arm>-nats-<version>
 */
#ifndef ATREST_HARNESS_KEEP_H
#define ATREST_HARNESS_KEEP_H

#include <stddef.h>
#include <stdint.h>

/* Makes dir, which may be there but must be empty, and the key file. 0; or -EEXIST when it
 * is not empty or a file, -1 otherwise, and error. */
int keep_open(const char *dir, const uint8_t *key, size_t key_bytes, char error[512]);

/* The key of a directory that keep_open made, for a run that goes on. 0, or -1 and error. */
int keep_open_again(const char *dir, uint8_t *key, size_t key_bytes, char error[512]);

/* A copy of a file, which must be new. 0, or -1 and error. */
int keep_file(const char *from, const char *to, char error[512]);

/* What a run that was killed kept as dir/name, perhaps in part. */
void keep_remove(const char *dir, const char *name);

/* Moves the tree from to the new directory dir/name; copies it (times, modes and holes are not
 * kept) when dir is on another file system. 0, or -1 and error. */
int keep_store(const char *dir, const char *name, const char *from, char error[512]);

#endif
