/* scratch_image.c - see scratch_image.h. */
#include "harness/scratch_image.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNMOUNT_TRIES 50 /* of 20 ms: a worker that was killed just now may still hold it */

extern char **environ;

int scratch_image_check(uint64_t bytes, uint64_t need_bytes, struct target_error *error)
{
	/* Journal, inodes and block maps. */
	uint64_t least = need_bytes + need_bytes / 16 + SCRATCH_IMAGE_BYTES_MIN / 2;

	if (least < SCRATCH_IMAGE_BYTES_MIN)
		least = SCRATCH_IMAGE_BYTES_MIN;
	if (bytes < least)
		return target_fail(error, TARGET_USAGE,
		                   "--scratch-image: found %llu MiB, expected %llu MiB or more for "
		                   "this run",
		                   (unsigned long long)(bytes >> 20),
		                   (unsigned long long)((least >> 20) + 1));
	if (geteuid() != 0)
		return target_fail(error, TARGET_SYSTEM,
		                   "--scratch-image: only root may mount one");
	return 0;
}

/* Runs it without its output; what it says on standard error is the user's. 0, or -1. */
static int spawn_wait(const char *const argv[], struct target_error *error)
{
	posix_spawn_file_actions_t actions;
	pid_t pid = 0;
	int status = 0;
	int rc = posix_spawn_file_actions_init(&actions);

	if (rc == 0) {
		rc = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null",
		                                      O_WRONLY, 0);
		if (rc == 0)
			rc = posix_spawnp(&pid, argv[0], &actions, NULL,
			                  (char *const *)(uintptr_t)argv, environ);
		posix_spawn_file_actions_destroy(&actions);
	}
	if (rc != 0)
		return target_fail(error, TARGET_SYSTEM, "--scratch-image: %s: %s", argv[0],
		                   strerror(rc));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return target_fail(error, TARGET_SYSTEM, "--scratch-image: %s: %s", argv[0],
			                   strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status))
		return target_fail(error, TARGET_SYSTEM, "--scratch-image: %s ended with status %d",
		                   argv[0], WEXITSTATUS(status));
	return target_fail(error, TARGET_SYSTEM, "--scratch-image: %s was killed by signal %d",
	                   argv[0], WTERMSIG(status));
}

static int file_make(const char *path, uint64_t bytes, struct target_error *error)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int rc = fd < 0 || ftruncate(fd, (off_t)bytes) != 0 ? errno : 0;

	if (fd >= 0)
		close(fd);
	return rc == 0 ? 0 : target_fail(error, TARGET_SYSTEM, "%s: %s", path, strerror(rc));
}

/* Mounts of this process are its own from here on. */
static int leave_namespace(struct target_error *error)
{
	if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
		return 0;
	return target_fail(error, TARGET_SYSTEM, "--scratch-image: a mount namespace: %s",
	                   strerror(errno));
}

void scratch_image_clear(const char *folder)
{
	char path[PATH_MAX];

	/* What cannot go is in the way of the new one, which is told. */
	if ((size_t)snprintf(path, sizeof(path), "%s/scratch", folder) < sizeof(path))
		(void)rmdir(path);
	if ((size_t)snprintf(path, sizeof(path), "%s/scratch.img", folder) < sizeof(path))
		(void)unlink(path);
}

int scratch_image_make(const char *folder, uint64_t bytes, char *at, struct target_error *error)
{
	char full[PATH_MAX - 16], file[PATH_MAX];
	int rc = -1;

	at[0] = '\0';
	if (realpath(folder, file) == NULL ||
	    (size_t)snprintf(full, sizeof(full), "%s", file) >= sizeof(full))
		return target_fail(error, TARGET_SYSTEM, "%s: not a path for an image", folder);
	snprintf(file, sizeof(file), "%s/scratch.img", full);
	snprintf(at, PATH_MAX, "%s/scratch", full);
	/* All of the inode tables now, not by a thread of the kernel while slices are timed. */
	const char *const mkfs[] = {"mkfs.ext4",
	                            "-q",
	                            "-F",
	                            "-m",
	                            "0",
	                            "-i",
	                            "8192",
	                            "-O",
	                            "has_journal",
	                            "-E",
	                            "lazy_itable_init=0,lazy_journal_init=0",
	                            file,
	                            NULL};
	const char *const attach[] = {"mount", "-t", "ext4", "-o", "loop", file, at, NULL};
	if (mkdir(at, 0700) != 0)
		rc = target_fail(error, TARGET_SYSTEM, "%s: %s", at, strerror(errno));
	else if (file_make(file, bytes, error) == 0 && spawn_wait(mkfs, error) == 0 &&
	         leave_namespace(error) == 0)
		rc = spawn_wait(attach, error);
	unlink(file);
	if (rc == 0)
		return 0;
	rmdir(at);
	at[0] = '\0';
	return -1;
}

int scratch_image_remove(const char *at)
{
	int rc = -1;

	if (at[0] == '\0')
		return 0;
	for (int tries = 0; rc != 0 && tries < UNMOUNT_TRIES; tries++) {
		rc = umount2(at, 0);
		if (rc != 0 && errno != EBUSY)
			break;
		if (rc != 0)
			usleep(20000);
	}
	if (rc == 0)
		rc = rmdir(at);
	return rc == 0 ? 0 : -errno;
}
