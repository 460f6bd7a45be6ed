#include "tests/fault/kill_files.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const struct atr_file_table *const real = &atr_file_real;

static int is_last(struct kill_files *k)
{
	return atomic_fetch_add(&k->calls, 1) + 1 == k->at;
}

static void count(struct kill_files *k)
{
	if (is_last(k))
		_exit(KILL_STATUS);
}

static int kill_open(void *context, const char *path, int flags, unsigned mode)
{
	if ((flags & (O_CREAT | O_TRUNC)) != 0)
		count(context);
	return real->open(NULL, path, flags, mode);
}

static ssize_t kill_pwrite(void *context, int fd, const void *from, size_t bytes, uint64_t offset)
{
	if (is_last(context)) {
		(void)real->pwrite(NULL, fd, from, bytes / 2, offset);
		_exit(KILL_STATUS);
	}
	return real->pwrite(NULL, fd, from, bytes, offset);
}

static int kill_sync(void *context, int fd)
{
	(void)fd;
	count(context);
	return 0;
}

static int kill_truncate(void *context, int fd, uint64_t bytes)
{
	count(context);
	return real->truncate(NULL, fd, bytes);
}

static int kill_rename(void *context, const char *from, const char *to)
{
	count(context);
	return real->rename(NULL, from, to);
}

static int kill_unlink(void *context, const char *path)
{
	count(context);
	return real->unlink(NULL, path);
}

static int kill_mkdir(void *context, const char *path, unsigned mode)
{
	count(context);
	return real->mkdir(NULL, path, mode);
}

static int kill_rmdir(void *context, const char *path)
{
	count(context);
	return real->rmdir(NULL, path);
}

void kill_files_init(struct kill_files *k, unsigned long at)
{
	k->table = atr_file_real;
	k->table.context = k;
	k->table.open = kill_open;
	k->table.pwrite = kill_pwrite;
	k->table.sync = kill_sync;
	k->table.truncate = kill_truncate;
	k->table.rename = kill_rename;
	k->table.unlink = kill_unlink;
	k->table.mkdir = kill_mkdir;
	k->table.rmdir = kill_rmdir;
	k->table.holder = NULL;
	k->at = at;
	atomic_init(&k->calls, 0);
}

int kill_files_run(unsigned long at, int (*work)(const struct atr_file_table *files, void *arg),
                   void *arg)
{
	struct kill_files k;
	int status = 0;
	pid_t child;

	kill_files_init(&k, at);
	(void)fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(work(&k.table, arg) == 0 ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == KILL_STATUS)
		return 1;
	assert_int_equal(WEXITSTATUS(status), 0);
	return 0;
}
