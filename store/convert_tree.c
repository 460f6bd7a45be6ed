/* convert_tree.c - directories as a whole: removed, given an owner, exchanged. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/convert_inner.h"

enum atr_status convert_join(char path[PATH_MAX], const char *dir, const char *name,
                             struct atr_error *err)
{
	if (snprintf(path, PATH_MAX, "%s/%s", dir, name) >= PATH_MAX)
		return atr_error_set(err, ATR_EINVAL, dir, -1, "path too long");
	return ATR_OK;
}

enum atr_status convert_paths(const char *dir, char parent[PATH_MAX], char sibling[PATH_MAX],
                              struct atr_error *err)
{
	const char *slash = strrchr(dir, '/');
	const char *name = slash != NULL ? slash + 1 : dir;
	size_t parent_bytes = slash != NULL ? (size_t)(slash - dir) : 0;

	if (slash == NULL)
		(void)snprintf(parent, PATH_MAX, ".");
	else
		(void)snprintf(parent, PATH_MAX, "%.*s", slash == dir ? 1 : (int)parent_bytes, dir);
	if (snprintf(sibling, PATH_MAX, "%s/.convert-%s", parent, name) >= PATH_MAX)
		return atr_error_set(err, ATR_EINVAL, dir, -1, "path too long");
	return ATR_OK;
}

/* ---- trees ---- */

/* Names in a directory, one after the other, each with its NUL. */
struct names {
	char *text;
	size_t bytes, capacity;
};

static int take_name(void *arg, const char *name)
{
	struct names *n = arg;
	size_t bytes = strlen(name) + 1;

	if (n->bytes + bytes > n->capacity) {
		size_t capacity = 2 * n->capacity + bytes + 4096;
		char *larger = realloc(n->text, capacity);

		if (larger == NULL)
			return -ENOMEM;
		n->text = larger;
		n->capacity = capacity;
	}
	memcpy(n->text + n->bytes, name, bytes);
	n->bytes += bytes;
	return 0;
}

typedef enum atr_status tree_fn(const struct atr_file_table *files, const char *path,
                                const char *like, struct atr_error *err);

/* Calls each for the entries of a directory. */
static enum atr_status for_entries(const struct atr_file_table *files, const char *dir,
                                   const char *like, tree_fn *each, struct atr_error *err)
{
	struct names names = {0};
	enum atr_status rc = ATR_OK;
	char path[PATH_MAX];
	int result = files->list(files->context, dir, take_name, &names);

	if (result < 0)
		rc = atr_file_error(err, result, dir, -1, "list");
	for (size_t at = 0; at < names.bytes && rc == ATR_OK; at += strlen(names.text + at) + 1) {
		rc = convert_join(path, dir, names.text + at, err);
		if (rc == ATR_OK)
			rc = each(files, path, like, err);
	}
	free(names.text);
	return rc;
}

static enum atr_status remove_entry(const struct atr_file_table *files, const char *path,
                                    const char *like, struct atr_error *err)
{
	enum atr_status rc;
	int result;

	/* unlink first: it never follows a link out of the tree */
	result = files->unlink(files->context, path);
	if (result == 0 || result == -ENOENT)
		return ATR_OK;
	if (result != -EISDIR && result != -EPERM)
		return atr_file_error(err, result, path, -1, "remove");
	rc = for_entries(files, path, like, remove_entry, err);
	if (rc != ATR_OK)
		return rc;
	result = files->rmdir(files->context, path);
	return result < 0 ? atr_file_error(err, result, path, -1, "remove") : ATR_OK;
}

enum atr_status convert_remove_tree(const struct atr_file_table *files, const char *path,
                                    struct atr_error *err)
{
	return remove_entry(files, path, NULL, err);
}

static enum atr_status own_entry(const struct atr_file_table *files, const char *path,
                                 const char *like, struct atr_error *err)
{
	struct atr_file_stat st;
	int result = files->own(files->context, path, like);

	if (result == 0)
		result = files->stat(files->context, path, &st);
	if (result < 0)
		return atr_file_error(err, result, path, -1, "owner");
	return st.is_directory ? for_entries(files, path, like, own_entry, err) : ATR_OK;
}

enum atr_status convert_own_tree(const struct atr_file_table *files, const char *path,
                                 const char *like, struct atr_error *err)
{
	return files->own != NULL ? own_entry(files, path, like, err) : ATR_OK;
}

/* ---- exchange ---- */

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
