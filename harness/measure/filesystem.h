/* filesystem.h - the file system under a directory: what it is, whether it is encrypted, what a
 * file or an fsync costs there, and the page cache above it.
 */
#ifndef ATREST_HARNESS_MEASURE_FILESYSTEM_H
#define ATREST_HARNESS_MEASURE_FILESYSTEM_H

#include <stddef.h>
#include <stdint.h>

struct filesystem {
	char type[32];       /* "ext4", "tmpfs", as mountinfo has it */
	char source[256];    /* device or name mounted */
	char mount[256];     /* where */
	char options[256];   /* of the mount and of the file system */
	int durable;         /* 0: tmpfs, ramfs and the like; nothing there survives a power cut */
	int network;         /* served by another machine: its cost is not seen here */
	char encryption[96]; /* "none", "dm-crypt (LUKS2)", "fscrypt", "ecryptfs", ..., joined by "
	                        + " when there are several; "unknown" when it cannot be seen from
	                        here (network, overlay, fuse) */
	int encrypted;       /* encryption is neither none nor unknown */
	uint64_t block_bytes;
	uint64_t total_bytes;
	uint64_t free_bytes;  /* for this user */
	uint64_t free_inodes; /* 0 where the file system has no such limit */
};

/* dir must exist. 0, or -errno. */
int filesystem_read(const char *dir, struct filesystem *out);

/* The ciphers a block device and those below it are enciphered with, joined by " + ", "" for none;
 * sysfs is the device's directory there ("/sys/dev/block/253:0"). */
void filesystem_device_encryption(const char *sysfs, char encryption[96]);

/* Median cost of creating an empty file. Makes 16 files in a new directory below dir, whose path
 * goes to scratch (PATH_MAX bytes), and leaves them: on some file systems deletions make the next
 * creations dearer, so they are removed at the end of a run, by filesystem_remove_tree. 0, or
 * -errno. Takes below 1 ms where creation is normal. */
int filesystem_file_create_ns(const char *dir, char *scratch, uint64_t *ns);

/* Median cost of write + fsync of 4 KiB at the end of a file, 9 times; its file is removed. */
int filesystem_fsync_ns(const char *dir, uint64_t *ns);

/* Removes a directory and everything below; symbolic links are removed, not followed. A path that
 * is not there is fine. 0, or the first -errno after doing all it can. */
int filesystem_remove_tree(const char *path);
/* Cuts every regular file below to length 0: frees the space and drops the dirty pages without
 * writing them. 0, or the first -errno. */
int filesystem_truncate_tree(const char *path);

/* Cold: fsync and POSIX_FADV_DONTNEED for each file below path (or the file itself), then counts
 * with mincore what stayed. left_bytes NULL allowed. 0, or the first -errno. */
int filesystem_drop_cache(const char *path, uint64_t *left_bytes);
/* Bytes of the files below path that are in the page cache. 0, or the first -errno. */
int filesystem_cached_bytes(const char *path, uint64_t *bytes);
/* Reads every file below path into the page cache. 0, or the first -errno. */
int filesystem_warm_cache(const char *path);

/* From how many dirty bytes on the kernel writes back in the background: dirty_background_bytes,
 * or dirty_background_ratio of the memory available. 0 when unknown. */
uint64_t filesystem_dirty_background_bytes(void);
/* The smallest memory limit of the process's control groups; physical memory without one. */
uint64_t filesystem_memory_limit_bytes(void);
/* Waits until nothing dirty is left on the file system of dir. 0, or -errno. */
int filesystem_drain(const char *dir);

#endif
