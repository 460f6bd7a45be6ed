/* filetree.h - directories as a whole: removed, copied, synced, given an owner (inner).
 *
 * What conversion, repair and restore do to the sibling directories they build. Symbolic links are
 * never followed out of a tree that is removed.
 */
#ifndef ATREST_STORE_FILETREE_H
#define ATREST_STORE_FILETREE_H

#include <limits.h>

#include "store/file.h"

/* Path of name below dir. ATR_EINVAL: too long. */
enum atr_status filetree_join(char path[PATH_MAX], const char *dir, const char *name,
                              struct atr_error *err);
/* The directory that path is in, "." where it names none. Returns its last part, in path. */
const char *filetree_parent(const char *path, char parent[PATH_MAX]);
/* Removes path with all below it. Not there: ATR_OK. */
enum atr_status filetree_remove(const struct atr_file_table *files, const char *path,
                                struct atr_error *err);
/* Gives everything below path the owner of like. */
enum atr_status filetree_own(const struct atr_file_table *files, const char *path, const char *like,
                             struct atr_error *err);
/* Copies from to to (which must not exist), files synced, modes kept. */
enum atr_status filetree_copy(const struct atr_file_table *files, const char *from, const char *to,
                              struct atr_error *err);
/* Syncs every directory of a tree. */
enum atr_status filetree_sync(const struct atr_file_table *files, const char *path,
                              struct atr_error *err);

#endif
