#include "store/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "ciphers/prf.h"

#define FILE_MODE  0640
#define PAGE_BYTES ((size_t)4096)

/* ---- the real table ---- */

/* -errno of a call that returned -1; EINTR is tried again by the caller's loop. */
#define RETRY(result, call)                                                                        \
	do                                                                                         \
		(result) = (call);                                                                 \
	while ((result) < 0 && errno == EINTR)

static int real_open(void *context, const char *path, int flags, unsigned mode)
{
	int fd;

	(void)context;
	/* O_NONBLOCK: a pipe in place of a file must not hang the reader */
	RETRY(fd, open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, (mode_t)mode));
	return fd < 0 ? -errno : fd;
}

static int real_close(void *context, int fd)
{
	(void)context;
	/* after EINTR Linux has closed it all the same */
	return close(fd) == 0 || errno == EINTR ? 0 : -errno;
}

static ssize_t real_pread(void *context, int fd, void *to, size_t bytes, uint64_t offset)
{
	ssize_t n;

	(void)context;
	RETRY(n, pread(fd, to, bytes, (off_t)offset));
	return n < 0 ? -errno : n;
}

static ssize_t real_pwrite(void *context, int fd, const void *from, size_t bytes, uint64_t offset)
{
	ssize_t n;

	(void)context;
	RETRY(n, pwrite(fd, from, bytes, (off_t)offset));
	return n < 0 ? -errno : n;
}

static int real_sync(void *context, int fd)
{
	int rc;

	(void)context;
	RETRY(rc, fsync(fd));
	return rc < 0 ? -errno : 0;
}

static int real_truncate(void *context, int fd, uint64_t bytes)
{
	int rc;

	(void)context;
	RETRY(rc, ftruncate(fd, (off_t)bytes));
	return rc < 0 ? -errno : 0;
}

static int real_allocate(void *context, int fd, uint64_t bytes)
{
	int rc;

	(void)context;
	RETRY(rc, fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes));
	return rc < 0 ? -errno : 0;
}

static int real_stat(void *context, const char *path, struct atr_file_stat *out)
{
	struct stat st;

	(void)context;
	if (stat(path, &st) != 0)
		return -errno;
	out->bytes = (uint64_t)st.st_size;
	out->allocated_bytes = (uint64_t)st.st_blocks * 512;
	out->is_directory = S_ISDIR(st.st_mode);
	out->is_special = !S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode);
	out->mode = st.st_mode & 07777;
	return 0;
}

static int real_rename(void *context, const char *from, const char *to)
{
	(void)context;
	return rename(from, to) == 0 ? 0 : -errno;
}

static int real_exchange(void *context, const char *a, const char *b)
{
	(void)context;
	return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) == 0 ? 0 : -errno;
}

static int real_free_bytes(void *context, const char *path, uint64_t *bytes)
{
	struct statvfs st;

	(void)context;
	if (statvfs(path, &st) != 0)
		return -errno;
	*bytes = (uint64_t)st.f_bavail * st.f_frsize;
	return 0;
}

static int real_own(void *context, const char *path, const char *like)
{
	struct stat wanted, st;

	(void)context;
	if (stat(like, &wanted) != 0 || lstat(path, &st) != 0)
		return -errno;
	if (st.st_uid == wanted.st_uid && st.st_gid == wanted.st_gid)
		return 0;
	return lchown(path, wanted.st_uid, wanted.st_gid) == 0 ? 0 : -errno;
}

static int real_unlink(void *context, const char *path)
{
	(void)context;
	return unlink(path) == 0 ? 0 : -errno;
}

static int real_mkdir(void *context, const char *path, unsigned mode)
{
	(void)context;
	return mkdir(path, (mode_t)mode) == 0 ? 0 : -errno;
}

static int real_rmdir(void *context, const char *path)
{
	(void)context;
	return rmdir(path) == 0 ? 0 : -errno;
}

static int real_list(void *context, const char *path, atr_file_entry_fn *each, void *arg)
{
	const struct dirent *entry;
	DIR *dir;
	int rc = 0;

	(void)context;
	dir = opendir(path);
	if (dir == NULL)
		return -errno;
	for (;;) {
		errno = 0;
		entry = readdir(dir);
		if (entry == NULL) {
			rc = -errno;
			break;
		}
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		rc = each(arg, entry->d_name);
		if (rc != 0)
			break;
	}
	(void)closedir(dir);
	return rc;
}

static int real_lock(void *context, int fd, int exclusive)
{
	int rc;

	(void)context;
	RETRY(rc, flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB));
	return rc < 0 ? -errno : 0;
}

static int64_t real_realtime_ns(void *context)
{
	struct timespec t;

	(void)context;
	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint64_t real_monotonic_ns(void *context)
{
	struct timespec t;

	(void)context;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int real_random(void *context, void *to, size_t bytes)
{
	(void)context;
	return atr_random(to, bytes) == 0 ? 0 : -EIO;
}

/* True when the descriptor /proc/PID/fd/NAME is open for writing; readers harm nobody. */
static int descriptor_writes(const char *fd_directory, const char *name)
{
	char path[PATH_MAX], line[64];
	unsigned flags = O_RDONLY;
	FILE *info;

	/* /proc/PID/fd -> /proc/PID/fdinfo */
	if (snprintf(path, sizeof path, "%sinfo/%s", fd_directory, name) >= (int)sizeof path)
		return 0;
	info = fopen(path, "re");
	if (info == NULL)
		return 0;
	while (fgets(line, sizeof line, info) != NULL)
		if (sscanf(line, "flags: %o", &flags) == 1)
			break;
	(void)fclose(info);
	return (flags & O_ACCMODE) != O_RDONLY;
}

/* True when a descriptor in /proc/PID/fd leads to a file below root and may write it. */
static int process_holds(const char *fd_directory, const char *root, size_t root_bytes)
{
	char target[PATH_MAX];
	const struct dirent *entry;
	int held = 0;
	DIR *dir = opendir(fd_directory);

	if (dir == NULL)
		return 0; /* ended meanwhile, or another user's */
	while (!held && (entry = readdir(dir)) != NULL) {
		ssize_t n;

		if (entry->d_name[0] == '.')
			continue;
		n = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);
		if (n < 0 && errno == EACCES)
			break; /* this process shows none of its files */
		if (n <= (ssize_t)root_bytes)
			continue;
		target[n] = '\0';
		held = strncmp(target, root, root_bytes) == 0 && target[root_bytes] == '/' &&
		       descriptor_writes(fd_directory, entry->d_name);
	}
	(void)closedir(dir);
	return held;
}

static int real_holder(void *context, const char *path)
{
	char root[PATH_MAX], fd_directory[PATH_MAX];
	const struct dirent *entry;
	int holder = 0;
	DIR *dir;

	(void)context;
	if (realpath(path, root) == NULL)
		return -errno;
	dir = opendir("/proc");
	if (dir == NULL)
		return 0;
	while (holder == 0 && (entry = readdir(dir)) != NULL) {
		char *end;
		long pid = strtol(entry->d_name, &end, 10);

		if (*end != '\0' || pid <= 0 || pid > INT_MAX || pid == (long)getpid())
			continue;
		(void)snprintf(fd_directory, sizeof fd_directory, "/proc/%ld/fd", pid);
		if (process_holds(fd_directory, root, strlen(root)))
			holder = (int)pid;
	}
	(void)closedir(dir);
	return holder;
}

const struct atr_file_table atr_file_real = {
        .open = real_open,
        .close = real_close,
        .pread = real_pread,
        .pwrite = real_pwrite,
        .sync = real_sync,
        .truncate = real_truncate,
        .allocate = real_allocate,
        .stat = real_stat,
        .rename = real_rename,
        .unlink = real_unlink,
        .mkdir = real_mkdir,
        .rmdir = real_rmdir,
        .list = real_list,
        .lock = real_lock,
        .realtime_ns = real_realtime_ns,
        .monotonic_ns = real_monotonic_ns,
        .random = real_random,
        .holder = real_holder,
        .exchange = real_exchange,
        .free_bytes = real_free_bytes,
        .own = real_own,
};

/* ---- over any table ---- */

enum atr_status atr_file_error(struct atr_error *err, ssize_t result, const char *path,
                               int64_t offset, const char *what)
{
	int number = (int)-result;
	enum atr_status rc = atr_error_set(err, atr_status_from_errno(number), path, offset,
	                                   "%s: %s", what, strerror(number));

	if (err != NULL)
		err->error_number = number;
	return rc;
}

void *atr_file_buffer(size_t bytes)
{
	void *memory = NULL;

	return posix_memalign(&memory, PAGE_BYTES, bytes) == 0 ? memory : NULL;
}

enum atr_status atr_file_read_whole(const struct atr_file_table *files, const char *path,
                                    size_t limit_bytes, uint8_t **out, size_t *out_bytes,
                                    struct atr_error *err)
{
	enum atr_status rc = ATR_OK;
	struct atr_file_stat st;
	uint8_t *content = NULL;
	size_t used = 0;
	int fd, result;

	*out = NULL;
	*out_bytes = 0;
	fd = files->open(files->context, path, O_RDONLY, 0);
	if (fd == -ENOENT || fd == -ENOTDIR)
		return atr_error_set(err, ATR_ENOTFOUND, path, -1, "no such file");
	if (fd < 0)
		return atr_file_error(err, fd, path, -1, "open");
	result = files->stat(files->context, path, &st);
	if (result < 0) {
		rc = atr_file_error(err, result, path, -1, "stat");
		goto done;
	}
	if (st.bytes > limit_bytes) {
		rc = atr_error_set(err, ATR_EFORMAT, path, -1,
		                   "%llu bytes long, expected at most %zu",
		                   (unsigned long long)st.bytes, limit_bytes);
		goto done;
	}
	content = atr_file_buffer((size_t)st.bytes + 1);
	if (content == NULL) {
		rc = atr_error_set(err, ATR_ENOMEM, path, -1, "no memory for %llu bytes",
		                   (unsigned long long)st.bytes);
		goto done;
	}
	while (used < st.bytes) {
		ssize_t n = files->pread(files->context, fd, content + used,
		                         (size_t)st.bytes - used, used);

		if (n < 0) {
			rc = atr_file_error(err, n, path, (int64_t)used, "read");
			goto done;
		}
		if (n == 0)
			break; /* became shorter: what is there counts */
		used += (size_t)n;
	}
	content[used] = 0;
	*out = content;
	*out_bytes = used;
	content = NULL;
done:
	free(content);
	(void)files->close(files->context, fd);
	return rc;
}

enum atr_status atr_file_read_exact(const struct atr_file_table *files, int fd, const char *path,
                                    void *to, size_t bytes, uint64_t offset, struct atr_error *err)
{
	size_t used = 0;

	while (used < bytes) {
		ssize_t n = files->pread(files->context, fd, (uint8_t *)to + used, bytes - used,
		                         offset + used);

		if (n < 0)
			return atr_file_error(err, n, path, (int64_t)(offset + used), "read");
		if (n == 0)
			return atr_error_set(err, ATR_EFORMAT, path, (int64_t)(offset + used),
			                     "the file ends here, %zu more bytes were expected",
			                     bytes - used);
		used += (size_t)n;
	}
	return ATR_OK;
}

enum atr_status atr_file_write_all(const struct atr_file_table *files, int fd, const char *path,
                                   const void *from, size_t bytes, uint64_t offset,
                                   struct atr_error *err)
{
	size_t used = 0;

	while (used < bytes) {
		ssize_t n = files->pwrite(files->context, fd, (const uint8_t *)from + used,
		                          bytes - used, offset + used);

		if (n == 0)
			n = -EIO; /* a write that makes no progress would loop for ever */
		if (n < 0)
			return atr_file_error(err, n, path, (int64_t)(offset + used), "write");
		used += (size_t)n;
	}
	return ATR_OK;
}

enum atr_status atr_file_lock_directory(const struct atr_file_table *files, const char *path,
                                        int exclusive, int *fd, struct atr_error *err)
{
	enum atr_status rc;
	int result;

	*fd = files->open(files->context, path, O_RDONLY | O_DIRECTORY, 0);
	if (*fd == -ENOENT || *fd == -ENOTDIR) {
		rc = atr_error_set(err, ATR_ENOTSTORE, path, -1,
		                   *fd == -ENOENT ? "no such directory" : "not a directory");
		goto failed;
	}
	if (*fd < 0) {
		rc = atr_file_error(err, *fd, path, -1, "open");
		goto failed;
	}
	result = files->lock(files->context, *fd, exclusive);
	if (result == -EWOULDBLOCK) {
		rc = atr_error_set(err, ATR_ELOCKED, path, -1, "locked: another process %s",
		                   exclusive ? "has this stream open" : "writes this stream");
		goto failed;
	}
	if (result < 0) {
		rc = atr_file_error(err, result, path, -1, "lock");
		goto failed;
	}
	result = files->holder != NULL ? files->holder(files->context, path) : 0;
	if (result <= 0)
		return ATR_OK;
	rc = atr_error_set(err, ATR_ELOCKED, path, -1,
	                   "process %d has files of this stream open for writing: stop it (a "
	                   "server takes no lock)",
	                   result);
failed:
	if (*fd >= 0)
		(void)files->close(files->context, *fd);
	*fd = -1;
	return rc;
}

enum atr_status atr_file_sync_directory(const struct atr_file_table *files, const char *path,
                                        struct atr_error *err)
{
	enum atr_status rc = ATR_OK;
	int result, fd;

	fd = files->open(files->context, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return atr_file_error(err, fd, path, -1, "open");
	result = files->sync(files->context, fd);
	if (result < 0)
		rc = atr_file_error(err, result, path, -1, "fsync");
	(void)files->close(files->context, fd);
	return rc;
}

/* The directory part of path, "." when it has none. */
static int parent_of(const char *path, char *parent, size_t parent_bytes)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash == NULL ? 0 : (size_t)(slash - path);

	if (slash == NULL)
		return snprintf(parent, parent_bytes, ".") < (int)parent_bytes ? 0 : -1;
	if (n == 0)
		n = 1; /* the root itself */
	if (n >= parent_bytes)
		return -1;
	memcpy(parent, path, n);
	parent[n] = '\0';
	return 0;
}

enum atr_status atr_file_write_new(const struct atr_file_table *files, const char *path,
                                   const void *content, size_t bytes, int sync,
                                   struct atr_error *err)
{
	enum atr_status rc;
	int fd, result;

	fd = files->open(files->context, path, O_WRONLY | O_CREAT | O_TRUNC, FILE_MODE);
	if (fd < 0)
		return atr_file_error(err, fd, path, -1, "create");
	rc = atr_file_write_all(files, fd, path, content, bytes, 0, err);
	if (rc == ATR_OK && sync) {
		result = files->sync(files->context, fd);
		if (result < 0)
			rc = atr_file_error(err, result, path, -1, "fsync");
	}
	result = files->close(files->context, fd);
	if (result < 0 && rc == ATR_OK)
		rc = atr_file_error(err, result, path, -1, "close");
	if (rc != ATR_OK)
		(void)files->unlink(files->context, path);
	return rc;
}

enum atr_status atr_file_replace(const struct atr_file_table *files, const char *path,
                                 const void *content, size_t bytes, struct atr_error *err)
{
	char temporary[PATH_MAX], parent[PATH_MAX];
	enum atr_status rc;
	int result;

	if (snprintf(temporary, sizeof temporary, "%s.tmp", path) >= (int)sizeof temporary ||
	    parent_of(path, parent, sizeof parent) != 0)
		return atr_error_set(err, ATR_EINVAL, path, -1, "path too long");
	rc = atr_file_write_new(files, temporary, content, bytes, 1, err);
	if (rc == ATR_OK) {
		result = files->rename(files->context, temporary, path);
		if (result < 0)
			rc = atr_file_error(err, result, path, -1, "rename");
	}
	if (rc != ATR_OK) {
		(void)files->unlink(files->context, temporary);
		return rc;
	}
	return atr_file_sync_directory(files, parent, err);
}
