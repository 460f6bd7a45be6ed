/* rewrite.h - files of blocks replaced by others of the same number, all or none.
 *
 *   1  <n>.key.tmp, <n>.blk.tmp written and synced (blockout.h)
 *   2  rewrite.tmp: which numbers, with a checksum; synced, then the directory: from here on it
 *      happens
 *   3  each is renamed to its place (a clear block's key file goes), the directory synced
 *   4  rewrite.tmp removed
 *
 * A crash before 2 leaves files that every reader ignores; after 2 the next open finishes 3.
 */
#ifndef ATREST_STORE_REWRITE_H
#define ATREST_STORE_REWRITE_H

#include "store/blockout.h"

/* Steps 2 to 4 for the blocks of those numbers. remove_key[i]: the new block i is clear text. */
enum atr_status atr_rewrite_commit(const struct atr_file_table *files, const char *msgs_path,
                                   const uint64_t *number, const uint8_t *remove_key, size_t count,
                                   struct atr_error *err);

/* Finishes what a crash left, and removes what did not get that far. Nothing to do: ATR_OK. */
enum atr_status atr_rewrite_recover(const struct atr_file_table *files, const char *msgs_path,
                                    struct atr_error *err);

/* True when rewrite.tmp is there and whole: the directory is not to be read as it is. */
int atr_rewrite_is_pending(const struct atr_file_table *files, const char *msgs_path);

#endif
