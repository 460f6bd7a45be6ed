/* rewrite.h - files replaced by others of the same names, or removed: all of them or none.
 *
 *   1  each new file written and synced as NAME.tmp (blocks: blockout.h)
 *   2  rewrite.tmp: which files, with a checksum; synced, then the directory: from here on it
 *      happens
 *   3  each is renamed to its place or removed, the directories synced
 *   4  rewrite.tmp removed
 *
 *   rewrite.tmp   "atrest rewrite 1" LF, then for each file "replace NAME" or "remove NAME" LF,
 *                 then "sum " and 16 hex digits of the hash of all before, LF
 *
 * A crash before 2 leaves files that every reader ignores; after 2 the next open finishes 3.
 * rewrite.tmp stands in msgs/ for blocks, in the stream's directory for what changes together with
 * its metadata. All calls need the stream's lock, but atr_rewrite_is_pending.
 */
#ifndef ATREST_STORE_REWRITE_H
#define ATREST_STORE_REWRITE_H

#include <stddef.h>
#include <stdint.h>

#include "store/file.h"

struct atr_rewrite_file {
	const char *name; /* below the directory; files of one directory beside each other */
	int remove;       /* the file goes; else NAME.tmp takes its place */
};

/* Steps 2 to 4. After a failure nothing more may be written before the directory was opened anew:
 * which of the two it is may be known to the next open only. */
enum atr_status atr_rewrite_files(const struct atr_file_table *files, const char *directory,
                                  const struct atr_rewrite_file *list, size_t count,
                                  struct atr_error *err);

/* The same for blocks, by number; their idx and fss are removed. remove_key[i]: the new block i is
 * clear text; NULL: none is. */
enum atr_status atr_rewrite_commit(const struct atr_file_table *files, const char *msgs_path,
                                   const uint64_t *number, const uint8_t *remove_key, size_t count,
                                   struct atr_error *err);

/* Finishes what a crash left in that directory, when rewrite.tmp is there and whole. Nothing to do,
 * or no such directory: ATR_OK. ATR_EFORMAT: a file that rewrite.tmp names is in neither place. */
enum atr_status atr_rewrite_finish(const struct atr_file_table *files, const char *directory,
                                   struct atr_error *err);

/* True for the name of a new file (NAME.tmp of blocks, keys, metadata, consumer states and
 * index.db, and rewrite.tmp): once what a crash left is finished, one that did not get that far. */
int atr_rewrite_is_stray(const char *name);

/* Finishes it and removes such files. */
enum atr_status atr_rewrite_recover(const struct atr_file_table *files, const char *directory,
                                    struct atr_error *err);

/* True when rewrite.tmp is there and whole: the directory is not to be read as it is. */
int atr_rewrite_is_pending(const struct atr_file_table *files, const char *directory);

#endif
