/* filesystem_files.c - the part of filesystem.h that makes, drops and removes files.
 */
#include "harness/measure/filesystem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/measure/clock.h"
#include "harness/measure/tree.h"

#define CREATE_FILES 16
#define FSYNC_ROUNDS 9
#define FSYNC_BYTES  4096
#define READ_BYTES   (1 << 20)

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t median(uint64_t *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare_u64);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

int filesystem_file_create_ns(const char *dir, char *scratch, uint64_t *ns)
{
	uint64_t took[CREATE_FILES];
	int directory, rc = 0;

	*ns = 0;
	*scratch = 0;
	if (strlen(dir) + sizeof("/.create-XXXXXX") > PATH_MAX)
		return -ENAMETOOLONG;
	sprintf(scratch, "%s/.create-XXXXXX", dir);
	if (!mkdtemp(scratch)) {
		rc = -errno;
		*scratch = 0;
		return rc;
	}
	directory = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return -errno;
	for (int i = 0; i < CREATE_FILES; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%d.key", i);
		uint64_t start = clock_ns();
		int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0) {
			rc = -errno;
			break;
		}
		close(fd);
		took[i] = clock_ns() - start;
	}
	close(directory);
	if (rc == 0)
		*ns = median(took, CREATE_FILES);
	return rc;
}

int filesystem_fsync_ns(const char *dir, uint64_t *ns)
{
	static const char block[FSYNC_BYTES] = {1};
	uint64_t took[FSYNC_ROUNDS];
	char path[PATH_MAX];
	int fd, rc = 0;

	*ns = 0;
	if (snprintf(path, sizeof(path), "%s/.fsync-XXXXXX", dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (int i = 0; i < FSYNC_ROUNDS && rc == 0; i++) {
		uint64_t start = clock_ns();
		ssize_t n = write(fd, block, sizeof(block));
		if (n != (ssize_t)sizeof(block))
			rc = n < 0 ? -errno : -ENOSPC;
		else if (fsync(fd) != 0)
			rc = -errno;
		took[i] = clock_ns() - start;
	}
	close(fd);
	if (unlink(path) != 0 && rc == 0)
		rc = -errno;
	if (rc == 0)
		*ns = median(took, FSYNC_ROUNDS);
	return rc;
}

static int remove_entry(const struct tree_entry *e)
{
	int flags = S_ISDIR(e->st->st_mode) ? AT_REMOVEDIR : 0;

	return unlinkat(e->directory_fd, e->name, flags) == 0 || errno == ENOENT ? 0 : -errno;
}

int filesystem_remove_tree(const char *path)
{
	int rc = tree_walk(path, remove_entry, NULL, NULL, 0);

	return rc == -ENOENT ? 0 : rc;
}

static int truncate_entry(const struct tree_entry *e)
{
	int fd, rc = 0;

	if (!S_ISREG(e->st->st_mode))
		return 0;
	fd = openat(e->directory_fd, e->name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, 0) != 0)
		rc = -errno;
	close(fd);
	return rc;
}

int filesystem_truncate_tree(const char *path)
{
	return tree_walk(path, truncate_entry, NULL, NULL, 0);
}

/* Bytes of an open file in the page cache. */
static int resident_bytes(int fd, uint64_t file_bytes, uint64_t *out)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (file_bytes + page - 1) / page;
	unsigned char *in_core;
	void *map;
	int rc = 0;

	if (pages == 0)
		return 0;
	map = mmap(NULL, file_bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	in_core = malloc(pages);
	if (!in_core)
		rc = -ENOMEM;
	else if (mincore(map, file_bytes, in_core) != 0)
		rc = -errno;
	for (size_t i = 0; rc == 0 && i < pages; i++)
		if (in_core[i] & 1)
			*out += i + 1 < pages ? page : file_bytes - i * page;
	free(in_core);
	munmap(map, file_bytes);
	return rc;
}

struct caching {
	int drop, warm;
	uint64_t bytes; /* found in the cache */
	char *buffer;   /* READ_BYTES, for warm */
};

static int cache_entry(const struct tree_entry *e)
{
	struct caching *c = e->arg;
	int fd, rc = 0;

	if (!S_ISREG(e->st->st_mode))
		return 0;
	fd = openat(e->directory_fd, e->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (c->drop) {
		/* Dirty pages cannot be dropped. */
		if (fsync(fd) != 0)
			rc = -errno;
		else
			rc = -posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	}
	if (c->warm) {
		ssize_t n;
		while ((n = read(fd, c->buffer, READ_BYTES)) > 0)
			;
		if (n < 0)
			rc = -errno;
	} else if (rc == 0) {
		rc = resident_bytes(fd, (uint64_t)e->st->st_size, &c->bytes);
	}
	close(fd);
	return rc;
}

int filesystem_drop_cache(const char *path, uint64_t *left_bytes)
{
	struct caching c = {.drop = 1};
	int rc = tree_walk(path, cache_entry, &c, NULL, 0);

	if (left_bytes)
		*left_bytes = c.bytes;
	return rc;
}

int filesystem_cached_bytes(const char *path, uint64_t *bytes)
{
	struct caching c = {0};
	int rc = tree_walk(path, cache_entry, &c, NULL, 0);

	*bytes = c.bytes;
	return rc;
}

int filesystem_warm_cache(const char *path)
{
	struct caching c = {.warm = 1, .buffer = malloc(READ_BYTES)};
	int rc = c.buffer ? tree_walk(path, cache_entry, &c, NULL, 0) : -ENOMEM;

	free(c.buffer);
	return rc;
}

int filesystem_drain(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return -errno;
	if (syncfs(fd) != 0)
		rc = -errno;
	close(fd);
	return rc;
}
