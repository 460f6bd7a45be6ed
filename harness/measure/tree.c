/* tree.c - see tree.h. Relative to open directories, so that depth and length of paths do not
 * matter and nothing is followed that was replaced by a link meanwhile.
 */
#include "harness/measure/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct walk {
	tree_visit *visit;
	void *arg;
	dev_t device;
	int rc; /* first error */
	char *failed;
	size_t failed_bytes;
	char path[2 * PATH_MAX];
};

static void note(struct walk *w, int error)
{
	if (w->rc != 0 || error == 0)
		return;
	w->rc = error;
	if (w->failed)
		snprintf(w->failed, w->failed_bytes, "%s", w->path);
}

static void walk_entry(struct walk *w, int directory_fd, const char *name, int depth);

static void walk_children(struct walk *w, int directory_fd, const char *name, int depth)
{
	int fd = openat(directory_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	size_t bytes = strlen(w->path);
	struct dirent *e;

	if (!dir) {
		if (errno != ENOENT)
			note(w, -errno);
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((errno = 0, e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(w->path + bytes, sizeof(w->path) - bytes, "/%s", e->d_name);
		walk_entry(w, fd, e->d_name, depth + 1);
		w->path[bytes] = 0;
	}
	note(w, -errno);
	closedir(dir);
}

static void walk_entry(struct walk *w, int directory_fd, const char *name, int depth)
{
	struct stat st;

	if (fstatat(directory_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno != ENOENT || depth == 0)
			note(w, -errno);
		return;
	}
	if (depth == 0)
		w->device = st.st_dev;
	if (S_ISDIR(st.st_mode)) {
		if (st.st_dev != w->device)
			return;
		walk_children(w, directory_fd, name, depth);
	}
	note(w, w->visit(&(struct tree_entry){w->path, directory_fd, name, &st, w->arg}));
}

int tree_walk(const char *path, tree_visit *visit, void *arg, char *failed, size_t failed_bytes)
{
	struct walk w = {
	        .visit = visit, .arg = arg, .failed = failed, .failed_bytes = failed_bytes};

	snprintf(w.path, sizeof(w.path), "%s", path);
	if (failed && failed_bytes)
		*failed = 0;
	walk_entry(&w, AT_FDCWD, path, 0);
	return w.rc;
}
