#include "store/filetree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES ((size_t)1024 * 1024)

enum atr_status filetree_join(char path[PATH_MAX], const char *dir, const char *name,
                              struct atr_error *err)
{
	if (snprintf(path, PATH_MAX, "%s/%s", dir, name) >= PATH_MAX)
		return atr_error_set(err, ATR_EINVAL, dir, -1, "path too long");
	return ATR_OK;
}

const char *filetree_parent(const char *path, char parent[PATH_MAX])
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		(void)snprintf(parent, PATH_MAX, ".");
	else
		(void)snprintf(parent, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path),
		               path);
	return slash != NULL ? slash + 1 : path;
}

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
                                   const char *other, tree_fn *each, struct atr_error *err)
{
	struct names names = {0};
	enum atr_status rc = ATR_OK;
	char path[PATH_MAX];
	int result = files->list(files->context, dir, take_name, &names);

	if (result < 0)
		rc = atr_file_error(err, result, dir, -1, "list");
	for (size_t at = 0; at < names.bytes && rc == ATR_OK; at += strlen(names.text + at) + 1) {
		rc = filetree_join(path, dir, names.text + at, err);
		if (rc == ATR_OK)
			rc = each(files, path, other, err);
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

enum atr_status filetree_remove(const struct atr_file_table *files, const char *path,
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

enum atr_status filetree_own(const struct atr_file_table *files, const char *path, const char *like,
                             struct atr_error *err)
{
	return files->own != NULL ? own_entry(files, path, like, err) : ATR_OK;
}

static enum atr_status sync_entry(const struct atr_file_table *files, const char *path,
                                  const char *like, struct atr_error *err)
{
	struct atr_file_stat st;
	enum atr_status rc;

	if (files->stat(files->context, path, &st) < 0 || !st.is_directory)
		return ATR_OK;
	rc = for_entries(files, path, like, sync_entry, err);
	return rc == ATR_OK ? atr_file_sync_directory(files, path, err) : rc;
}

enum atr_status filetree_sync(const struct atr_file_table *files, const char *path,
                              struct atr_error *err)
{
	return sync_entry(files, path, NULL, err);
}

/* ---- copying ---- */

static enum atr_status copy_content(const struct atr_file_table *files, int from_fd,
                                    const char *from, int to_fd, const char *to,
                                    struct atr_error *err)
{
	uint8_t *piece = atr_file_buffer(PIECE_BYTES);
	enum atr_status rc = ATR_OK;
	uint64_t at = 0;

	if (piece == NULL)
		return atr_error_set(err, ATR_ENOMEM, from, -1, "no memory");
	for (;;) {
		ssize_t n = files->pread(files->context, from_fd, piece, PIECE_BYTES, at);

		if (n < 0)
			rc = atr_file_error(err, n, from, (int64_t)at, "read");
		if (n <= 0)
			break;
		rc = atr_file_write_all(files, to_fd, to, piece, (size_t)n, at, err);
		if (rc != ATR_OK)
			break;
		at += (uint64_t)n;
	}
	free(piece);
	return rc;
}

static enum atr_status copy_file(const struct atr_file_table *files, const char *from,
                                 const char *to, unsigned mode, struct atr_error *err)
{
	enum atr_status rc;
	int from_fd, to_fd, result;

	from_fd = files->open(files->context, from, O_RDONLY, 0);
	if (from_fd < 0)
		return atr_file_error(err, from_fd, from, -1, "open");
	to_fd = files->open(files->context, to, O_WRONLY | O_CREAT | O_EXCL, mode & 0777u);
	if (to_fd < 0) {
		(void)files->close(files->context, from_fd);
		return atr_file_error(err, to_fd, to, -1, "create");
	}
	rc = copy_content(files, from_fd, from, to_fd, to, err);
	if (rc == ATR_OK) {
		result = files->sync(files->context, to_fd);
		if (result < 0)
			rc = atr_file_error(err, result, to, -1, "sync");
	}
	(void)files->close(files->context, from_fd);
	result = files->close(files->context, to_fd);
	return rc == ATR_OK && result < 0 ? atr_file_error(err, result, to, -1, "close") : rc;
}

/* to: the directory that the copy goes to, under the name it has. */
static enum atr_status copy_entry(const struct atr_file_table *files, const char *path,
                                  const char *to, struct atr_error *err)
{
	char copy[PATH_MAX];
	enum atr_status rc = filetree_join(copy, to, strrchr(path, '/') + 1, err);

	return rc == ATR_OK ? filetree_copy(files, path, copy, err) : rc;
}

enum atr_status filetree_copy(const struct atr_file_table *files, const char *from, const char *to,
                              struct atr_error *err)
{
	struct atr_file_stat st;
	int result = files->stat(files->context, from, &st);

	if (result == -ENOENT) /* a link that leads nowhere */
		return ATR_OK;
	if (result < 0)
		return atr_file_error(err, result, from, -1, "stat");
	if (st.is_special)
		return ATR_OK; /* no store has one, and reading it could block */
	if (!st.is_directory)
		return copy_file(files, from, to, st.mode, err);
	result = files->mkdir(files->context, to, st.mode & 0777u);
	if (result < 0)
		return atr_file_error(err, result, to, -1, "create");
	return for_entries(files, from, to, copy_entry, err);
}
