/* scratch_image.h - a fresh journaled ext4 for the stores of one run, in a file of its own.
 *
 * The file is below the folder of the results, sparse, loop-mounted at <folder>/scratch in a mount
 * namespace that only this process and its workers see, and unlinked as soon as it is mounted:
 * however the run ends, the kernel unmounts it and frees its space.
 */
#ifndef ATREST_HARNESS_SCRATCH_IMAGE_H
#define ATREST_HARNESS_SCRATCH_IMAGE_H

#include <stdint.h>

#include "harness/targets/target.h"

/* Less than this leaves mkfs no room for a journal worth the name. */
#define SCRATCH_IMAGE_BYTES_MIN (UINT64_C(64) * 1024 * 1024)

/* What can be known before anything is written: root, size. need_bytes: of the stores. 0, or -1. */
int scratch_image_check(uint64_t bytes, uint64_t need_bytes, struct target_error *error);
/* Takes away what a run that was killed left of one in the folder of its results: its mount point,
 * its file. */
void scratch_image_clear(const char *folder);
/* at (4096 bytes) receives where it is mounted. 0, or -1 and nothing is left. */
int scratch_image_make(const char *folder, uint64_t bytes, char *at, struct target_error *error);
/* "" allowed. 0, or -errno. */
int scratch_image_remove(const char *at);

#endif
