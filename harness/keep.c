/* keep.c - see keep.h. */
#include "harness/keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "harness/measure/filesystem.h"
#include "harness/output/run_folder.h"

static int failed(char error[512], const char *path, int error_number)
{
	snprintf(error, 512, "%.400s: %s", path, strerror(error_number));
	return -1;
}

static int is_empty(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int empty = 1;

	if (d == NULL)
		return 0;
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			empty = 0;
	closedir(d);
	return empty;
}

int keep_open(const char *dir, const uint8_t *key, size_t key_bytes, char error[512])
{
	char path[PATH_MAX];
	struct iovec parts[2] = {{.iov_base = (void *)(uintptr_t)key, .iov_len = key_bytes},
	                         {.iov_base = (void *)(uintptr_t) "\n", .iov_len = 1}};
	int rc = run_folder_make(dir);
	int fd;

	if (rc != 0)
		return failed(error, dir, -rc);
	if (!is_empty(dir)) {
		snprintf(error, 512, "%.400s: is not empty, expected a new directory", dir);
		return -EEXIST;
	}
	if ((size_t)snprintf(path, sizeof(path), "%s/key", dir) >= sizeof(path))
		return failed(error, dir, ENAMETOOLONG);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return failed(error, path, errno);
	/* Straight from the memory for secrets: no buffer of a stream holds it. */
	rc = writev(fd, parts, 2) == (ssize_t)key_bytes + 1 ? 0 : -1;
	if (close(fd) != 0 || rc != 0)
		return failed(error, path, errno == 0 ? EIO : errno);
	return 0;
}

int keep_open_again(const char *dir, uint8_t *key, size_t key_bytes, char error[512])
{
	char path[PATH_MAX], end = '\0';
	struct iovec parts[2] = {{.iov_base = key, .iov_len = key_bytes},
	                         {.iov_base = &end, .iov_len = 1}};
	ssize_t n;
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/key", dir) >= sizeof(path))
		return failed(error, dir, ENAMETOOLONG);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return failed(error, path, errno);
	n = readv(fd, parts, 2);
	close(fd);
	if (n == (ssize_t)key_bytes + 1 && end == '\n')
		return 0;
	snprintf(error, 512, "%.400s: found no key of a run", path);
	return -1;
}

int keep_file(const char *from, const char *to, char error[512])
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = -1, rc = -1;
	ssize_t n = 0;
	char buffer[64 * 1024];

	if (in < 0)
		return failed(error, from, errno);
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (out < 0) {
		close(in);
		return failed(error, to, errno);
	}
	while ((n = read(in, buffer, sizeof(buffer))) > 0)
		if (write(out, buffer, (size_t)n) != n)
			break;
	if (n == 0 && fsync(out) == 0)
		rc = 0;
	else
		failed(error, to, errno == 0 ? ENOSPC : errno);
	close(in);
	if (close(out) != 0 && rc == 0)
		rc = failed(error, to, errno);
	return rc;
}

static int copy_tree(const char *from, const char *to, char error[512])
{
	char a[PATH_MAX], b[PATH_MAX];
	struct dirent *e;
	struct stat st;
	int rc = 0;
	DIR *d;

	if (mkdir(to, 0750) != 0)
		return failed(error, to, errno);
	d = opendir(from);
	if (d == NULL)
		return failed(error, from, errno);
	while (rc == 0 && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if ((size_t)snprintf(a, sizeof(a), "%s/%s", from, e->d_name) >= sizeof(a) ||
		    (size_t)snprintf(b, sizeof(b), "%s/%s", to, e->d_name) >= sizeof(b))
			rc = failed(error, from, ENAMETOOLONG);
		else if (lstat(a, &st) != 0)
			rc = failed(error, a, errno);
		else
			rc = S_ISDIR(st.st_mode) ? copy_tree(a, b, error) : keep_file(a, b, error);
	}
	closedir(d);
	return rc;
}

void keep_remove(const char *dir, const char *name)
{
	char path[PATH_MAX];

	/* What is left of it makes keep_store fail, which is told. */
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) < sizeof(path))
		(void)filesystem_remove_tree(path);
}

int keep_store(const char *dir, const char *name, const char *from, char error[512])
{
	char to[PATH_MAX];

	if ((size_t)snprintf(to, sizeof(to), "%s/%s", dir, name) >= sizeof(to))
		return failed(error, dir, ENAMETOOLONG);
	if (rename(from, to) == 0)
		return 0;
	if (errno != EXDEV)
		return failed(error, to, errno);
	return copy_tree(from, to, error);
}
