/* replace.c - see replace.h. */
#include "harness/output/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, const char *data, size_t bytes)
{
	while (bytes > 0) {
		ssize_t n = write(fd, data, bytes);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		bytes -= (size_t)n;
	}
	return 0;
}

int sync_directory_of(const char *path)
{
	char copy[PATH_MAX];
	snprintf(copy, sizeof(copy), "%s", path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int rc = fsync(fd) == 0 ? 0 : -errno;
	close(fd);
	/* Some file systems know no sync of a directory. */
	return rc == -EINVAL ? 0 : rc;
}

int replace_file(const char *path, const void *data, size_t bytes)
{
	char beside[PATH_MAX];
	if ((size_t)snprintf(beside, sizeof(beside), "%s.new", path) >= sizeof(beside))
		return -ENAMETOOLONG;

	int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	int rc = write_all(fd, data, bytes);
	if (rc == 0 && fsync(fd) != 0)
		rc = -errno;
	if (close(fd) != 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && rename(beside, path) != 0)
		rc = -errno;
	if (rc != 0) {
		unlink(beside);
		return rc;
	}
	return sync_directory_of(path);
}

int read_whole_file(const char *path, size_t bytes_max, char **data, size_t *bytes)
{
	*data = NULL;
	*bytes = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;

	char *text = NULL;
	size_t have = 0;
	size_t capacity = 0;
	int rc = 0;
	for (;;) {
		if (have + 1 >= capacity) {
			capacity = capacity == 0 ? 65536 : capacity * 2;
			char *larger = realloc(text, capacity);
			if (larger == NULL) {
				rc = -ENOMEM;
				break;
			}
			text = larger;
		}
		ssize_t n = read(fd, text + have, capacity - have - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = -errno;
		if (n <= 0)
			break;
		have += (size_t)n;
		if (have > bytes_max) {
			rc = -EFBIG;
			break;
		}
	}
	close(fd);
	if (rc != 0) {
		free(text);
		return rc;
	}
	text[have] = '\0';
	*data = text;
	*bytes = have;
	return 0;
}
