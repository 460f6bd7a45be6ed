/* disk.h - what a store directory takes on disk, per kind of file, and what a process moved.
 */
#ifndef ATREST_HARNESS_MEASURE_DISK_H
#define ATREST_HARNESS_MEASURE_DISK_H

#include <stdint.h>
#include <sys/types.h>

enum disk_kind {
	DISK_BLK,   /* *.blk: message blocks */
	DISK_KEY,   /* *.key: sealed seeds, meta.key among them */
	DISK_META,  /* meta.inf, meta.sum */
	DISK_STATE, /* everything else: index.db, *.idx, *.fss, o.dat, locks, left-overs */
	DISK_KINDS
};

struct disk_figures {
	uint64_t apparent_bytes;  /* st_size */
	uint64_t allocated_bytes; /* st_blocks * 512 */
	uint64_t files;
};

struct disk_usage {
	struct disk_figures kind[DISK_KINDS];
	struct disk_figures total; /* of all kinds */
};

/* Regular files below dir, symbolic links not followed; directories themselves are not counted.
 * Allocation is known to the file system only once it has placed the bytes, which may be after
 * the write returned (delayed allocation counts as reserved on ext4, XFS, btrfs). A file that
 * disappears meanwhile is left out. 0, or -errno with path (NULL allowed, at least 256 bytes)
 * naming the file or directory. */
int disk_usage_read(const char *dir, struct disk_usage *out, char *path);
enum disk_kind disk_kind_of(const char *file_name);
const char *disk_kind_name(enum disk_kind kind); /* "blk", "key", "meta", "state" */

/* Bytes that went between page cache and device on behalf of a process, running totals of
 * /proc/PID/io. Writing is billed when a page becomes dirty and given back when it is dropped
 * before it was written (subtracted here). pid 0: this process. 0, or -errno. */
struct disk_device {
	uint64_t read_bytes;
	uint64_t written_bytes;
};
int disk_device_read(pid_t pid, struct disk_device *out);

#endif
