/* file.h - the only place that calls open, pread, pwrite, fsync, rename, clock and random.
 *
 * A table of functions: the real one by default, another one in tests (a disk in memory, an
 * overlay with one changed byte, a fault at the k-th call). Every call returns a value >= 0 or
 * a negative errno; EINTR is retried inside.
 */
#ifndef ATREST_STORE_FILE_H
#define ATREST_STORE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct atr_file_stat {
	uint64_t bytes;           /* apparent size */
	uint64_t allocated_bytes; /* blocks on disk */
	int is_directory;
	int is_special; /* neither a file nor a directory: opening it could block */
	unsigned mode;
};

/* Called for each entry except "." and ".."; a non-zero return ends the listing and is
 * returned. */
typedef int atr_file_entry_fn(void *arg, const char *name);

struct atr_file_table {
	void *context; /* given back as the first argument of each call */
	int (*open)(void *context, const char *path, int flags, unsigned mode); /* descriptor */
	int (*close)(void *context, int fd);
	ssize_t (*pread)(void *context, int fd, void *to, size_t bytes, uint64_t offset);
	ssize_t (*pwrite)(void *context, int fd, const void *from, size_t bytes, uint64_t offset);
	int (*sync)(void *context, int fd); /* fsync; also of a directory */
	int (*truncate)(void *context, int fd, uint64_t bytes);
	int (*allocate)(void *context, int fd, uint64_t bytes); /* fallocate, size kept */
	int (*stat)(void *context, const char *path, struct atr_file_stat *out);
	int (*rename)(void *context, const char *from, const char *to);
	int (*unlink)(void *context, const char *path);
	int (*mkdir)(void *context, const char *path, unsigned mode);
	int (*rmdir)(void *context, const char *path);
	int (*list)(void *context, const char *path, atr_file_entry_fn *each, void *arg);
	int (*lock)(void *context, int fd, int exclusive); /* flock, not waiting */
	int64_t (*realtime_ns)(void *context);             /* since 1970-01-01 UTC */
	uint64_t (*monotonic_ns)(void *context);
	int (*random)(void *context, void *to, size_t bytes);
	/* Process id of another process that holds a file below path open for writing, 0 when none
	 * is seen (only what the caller may see is seen). NULL: not looked for. */
	int (*holder)(void *context, const char *path);
	/* The two change places, at once and for good (RENAME_EXCHANGE). -ENOSYS, -EINVAL: not on
	 * this file system. NULL: as -ENOSYS. */
	int (*exchange)(void *context, const char *a, const char *b);
	/* What an unprivileged process may still write where path is. NULL: not known. */
	int (*free_bytes)(void *context, const char *path, uint64_t *bytes);
	/* Gives path the owner and group of like, where they differ. NULL: they stay. */
	int (*own)(void *context, const char *path, const char *like);
};

extern const struct atr_file_table atr_file_real;

/* Fills *err for a call that returned a negative errno: "WHAT: text of the errno". Returns the
 * status that stands for it. */
enum atr_status atr_file_error(struct atr_error *err, ssize_t result, const char *path,
                               int64_t offset, const char *what);

/* Memory to read pieces of files into, freed with free; NULL: there is none. It begins with a page,
 * where malloc begins 16 bytes into one: the kernel's copy from the start of a page to an address
 * up to 31 bytes into one was seen to take six times as long. */
void *atr_file_buffer(size_t bytes);

/* Reads a whole file of at most limit_bytes. *out is malloc'd, NUL-terminated past *out_bytes,
 * owned by the caller; NULL unless ATR_OK. A longer file is ATR_EFORMAT, a missing one
 * ATR_ENOTFOUND. */
enum atr_status atr_file_read_whole(const struct atr_file_table *files, const char *path,
                                    size_t limit_bytes, uint8_t **out, size_t *out_bytes,
                                    struct atr_error *err);

/* Reads exactly bytes at offset; fewer is ATR_EFORMAT at the offset where the file ended. */
enum atr_status atr_file_read_exact(const struct atr_file_table *files, int fd, const char *path,
                                    void *to, size_t bytes, uint64_t offset, struct atr_error *err);

/* Writes all bytes at offset (short writes are continued; a failure after a partial write is
 * still a failure). */
enum atr_status atr_file_write_all(const struct atr_file_table *files, int fd, const char *path,
                                   const void *from, size_t bytes, uint64_t offset,
                                   struct atr_error *err);

/* Makes path with that content, fsynced when asked for; what is there is overwritten. Mode 0640. On
 * failure the file is gone. The directory's fsync is the caller's. */
enum atr_status atr_file_write_new(const struct atr_file_table *files, const char *path,
                                   const void *content, size_t bytes, int sync,
                                   struct atr_error *err);

/* Replaces path by content: temporary file in the same directory, fsync, rename, fsync of the
 * directory. Mode 0640. On failure the temporary file is gone and path is unchanged. */
enum atr_status atr_file_replace(const struct atr_file_table *files, const char *path,
                                 const void *content, size_t bytes, struct atr_error *err);

/* Opens a directory and takes its lock, without waiting: the lock is *fd, which the caller closes;
 * -1 unless ATR_OK. exclusive: to change what is below it, else to read. ATR_ENOTSTORE, no such
 * directory; ATR_ELOCKED, another process has the lock, or (a server takes none) has a file below
 * open for writing. */
enum atr_status atr_file_lock_directory(const struct atr_file_table *files, const char *path,
                                        int exclusive, int *fd, struct atr_error *err);

/* fsync of a directory. */
enum atr_status atr_file_sync_directory(const struct atr_file_table *files, const char *path,
                                        struct atr_error *err);

#ifdef __cplusplus
}
#endif
#endif
