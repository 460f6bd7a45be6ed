/* convert_exchange.c - the stream's directory and its sibling change places. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/convert_inner.h"

enum atr_status convert_paths(const char *dir, char parent[PATH_MAX], char sibling[PATH_MAX],
                              struct atr_error *err)
{
	const char *name = filetree_parent(dir, parent);

	if (snprintf(sibling, PATH_MAX, "%s/.convert-%s", parent, name) >= PATH_MAX)
		return atr_error_set(err, ATR_EINVAL, dir, -1, "path too long");
	return ATR_OK;
}

static int exists(const struct atr_file_table *files, const char *path)
{
	struct atr_file_stat st;

	return files->stat(files->context, path, &st) == 0;
}

static enum atr_status move(const struct atr_file_table *files, const char *from, const char *to,
                            struct atr_error *err)
{
	int result = files->rename(files->context, from, to);

	return result < 0 ? atr_file_error(err, result, from, -1, "rename") : ATR_OK;
}

static enum atr_status name_steps(const char *dir, char fresh[PATH_MAX], char old[PATH_MAX],
                                  struct atr_error *err)
{
	if (snprintf(fresh, PATH_MAX, "%s.convert-new", dir) >= PATH_MAX ||
	    snprintf(old, PATH_MAX, "%s.convert-old", dir) >= PATH_MAX)
		return atr_error_set(err, ATR_EINVAL, dir, -1, "path too long");
	return ATR_OK;
}

static enum atr_status exchange_by_renames(const struct atr_file_table *files, const char *dir,
                                           const char *sibling, const char *parent,
                                           struct atr_error *err)
{
	char fresh[PATH_MAX], old[PATH_MAX];
	enum atr_status rc = name_steps(dir, fresh, old, err);

	if (rc == ATR_OK)
		rc = move(files, sibling, fresh, err);
	if (rc != ATR_OK)
		return rc;
	rc = atr_file_sync_directory(files, parent, err);
	if (rc == ATR_OK)
		rc = move(files, dir, old, err);
	if (rc != ATR_OK) {
		(void)move(files, fresh, sibling, NULL);
		return rc;
	}
	rc = move(files, fresh, dir, err);
	if (rc != ATR_OK) {
		(void)move(files, old, dir, NULL);
		(void)move(files, fresh, sibling, NULL);
		return rc;
	}
	rc = move(files, old, sibling, err);
	if (rc == ATR_OK)
		rc = atr_file_sync_directory(files, parent, err);
	return rc;
}

enum atr_status convert_exchange(const struct atr_file_table *files, const char *dir,
                                 const char *sibling, const char *parent, struct atr_error *err)
{
	int result =
	        files->exchange != NULL ? files->exchange(files->context, dir, sibling) : -ENOSYS;

	if (result == -ENOSYS || result == -EINVAL || result == -EOPNOTSUPP)
		return exchange_by_renames(files, dir, sibling, parent, err);
	if (result < 0)
		return atr_file_error(err, result, dir, -1, "exchange");
	return atr_file_sync_directory(files, parent, err);
}

enum atr_status atr_convert_recover(const struct atr_file_table *files, const char *dir,
                                    struct atr_error *err)
{
	char fresh[PATH_MAX], old[PATH_MAX], parent[PATH_MAX], sibling[PATH_MAX];
	enum atr_status rc = name_steps(dir, fresh, old, err);
	int moved = 0;

	files = files != NULL ? files : &atr_file_real;
	if (rc == ATR_OK)
		rc = convert_paths(dir, parent, sibling, err);
	if (rc == ATR_OK && exists(files, fresh)) {
		/* without dir the old one is aside already: the new one takes the place */
		rc = move(files, fresh, exists(files, dir) ? sibling : dir, err);
		moved = 1;
	}
	if (rc == ATR_OK && exists(files, old) && exists(files, dir)) {
		rc = move(files, old, sibling, err);
		moved = 1;
	}
	if (rc == ATR_OK && moved)
		rc = atr_file_sync_directory(files, parent, err);
	return rc;
}
