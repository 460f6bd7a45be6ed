/* leftovers.c - see leftovers.h. */
#include "harness/leftovers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/measure/filesystem.h"
#include "harness/process_record.h"
#include "harness/targets/nats_server.h"

/* The longest path that is looked at; deeper ones stay. */
#define PATH_BYTES PATH_MAX

int leftovers_own(const char *scratch)
{
	char path[PATH_BYTES], made[PATH_BYTES];
	int fd, rc = 0;

	if ((size_t)snprintf(path, sizeof(path), "%s/" LEFTOVERS_OWNER, scratch) >= sizeof(path) ||
	    (size_t)snprintf(made, sizeof(made), "%s/" LEFTOVERS_OWNER ".new", scratch) >=
	            sizeof(made))
		return -ENAMETOOLONG;
	fd = open(made, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	/* Of that name only once it is locked: nobody finds it free before. */
	if (flock(fd, LOCK_EX | LOCK_NB) != 0 || rename(made, path) != 0) {
		rc = -errno;
		(void)close(fd);
		(void)unlink(made);
	}
	return rc == 0 ? fd : rc;
}

/* The locked owner file of a leftover, or -1: no leftover. */
static int lock_leftover(const char *scratch)
{
	char path[PATH_BYTES];
	struct stat dir, owner;
	int fd;

	if (lstat(scratch, &dir) != 0 || !S_ISDIR(dir.st_mode) || dir.st_uid != geteuid() ||
	    (size_t)snprintf(path, sizeof(path), "%s/" LEFTOVERS_OWNER, scratch) >= sizeof(path))
		return -1;
	fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &owner) == 0 && S_ISREG(owner.st_mode) && owner.st_uid == geteuid() &&
	    flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

/* Opens directory and steps through its entries, "." and ".." left out. */
static struct dirent *next_entry(DIR *dir)
{
	struct dirent *entry;

	do {
		entry = readdir(dir);
	} while (entry != NULL &&
	         (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
	return entry;
}

/* Servers' folders are "<store>.server" at any depth; the server's own files are not entered.
 * How many were killed. */
static unsigned kill_servers(const char *directory)
{
	const size_t suffix = strlen(TARGET_LOG_SUFFIX);
	char path[PATH_BYTES], record[PATH_BYTES];
	DIR *dir = opendir(directory);
	struct dirent *entry;
	unsigned killed = 0;
	struct stat st;

	while (dir != NULL && (entry = next_entry(dir)) != NULL) {
		const size_t bytes = strlen(entry->d_name);
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name) >=
		            sizeof(path) ||
		    lstat(path, &st) != 0 || !S_ISDIR(st.st_mode))
			continue;
		if (bytes <= suffix ||
		    strcmp(entry->d_name + bytes - suffix, TARGET_LOG_SUFFIX) != 0)
			killed += kill_servers(path);
		else if ((size_t)snprintf(record, sizeof(record), "%s/" NATS_SERVER_RECORD, path) <
		         sizeof(record))
			killed += process_record_kill(record) == 1;
	}
	if (dir != NULL)
		(void)closedir(dir);
	return killed;
}

int leftovers_take_down(const char *scratch, unsigned *killed)
{
	DIR *dir = opendir(scratch);
	char path[PATH_BYTES];
	struct dirent *entry;
	int rc = dir == NULL ? -errno : 0, one;

	*killed = kill_servers(scratch);
	while (dir != NULL && (entry = next_entry(dir)) != NULL) {
		if (strcmp(entry->d_name, LEFTOVERS_OWNER) == 0)
			continue;
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", scratch, entry->d_name) >=
		    sizeof(path))
			one = -ENAMETOOLONG;
		else
			one = filesystem_remove_tree(path);
		if (rc == 0)
			rc = one;
	}
	if (dir != NULL)
		(void)closedir(dir);
	return rc == 0 ? filesystem_remove_tree(scratch) : rc;
}

static void remove_leftover(const char *scratch, leftovers_tell_fn *tell, void *arg)
{
	const int fd = lock_leftover(scratch);
	unsigned killed;
	char text[512];
	int rc;

	if (fd < 0)
		return;
	rc = leftovers_take_down(scratch, &killed);
	if (rc != 0)
		(void)snprintf(text, sizeof(text),
		               "%.300s: left by a run that was killed, and cannot be removed: %s",
		               scratch, strerror(-rc));
	else if (killed == 0)
		(void)snprintf(text, sizeof(text), "%.300s: left by a run that was killed; removed",
		               scratch);
	else
		(void)snprintf(text, sizeof(text),
		               "%.300s: left by a run that was killed; removed, and %u of its "
		               "servers ended",
		               scratch, killed);
	(void)close(fd);
	tell(arg, text);
}

void leftovers_remove(const char *parent, int below, leftovers_tell_fn *tell, void *arg)
{
	DIR *dir = opendir(parent);
	char path[PATH_BYTES];
	struct dirent *entry;
	struct stat st;

	while (dir != NULL && (entry = next_entry(dir)) != NULL) {
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", parent, entry->d_name) >=
		    sizeof(path))
			continue;
		if (below && lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
			leftovers_remove(path, 0, tell, arg);
		else if (!below &&
		         strncmp(entry->d_name, LEFTOVERS_PREFIX, strlen(LEFTOVERS_PREFIX)) == 0)
			remove_leftover(path, tell, arg);
	}
	if (dir != NULL)
		(void)closedir(dir);
}
