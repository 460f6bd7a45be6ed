#include "tests/fault/fault_files.h"

#include <errno.h>
#include <fcntl.h>

static const struct atr_file_table *const real = &atr_file_real;

/* Counts a call; 1 when it has to fail. */
static int fails(struct fault_files *f, int writes)
{
	unsigned long call = atomic_fetch_add(&f->calls, 1) + 1;

	if (f->at == 0 || call < f->at || (call > f->at && !(f->sticky && writes)))
		return 0;
	atomic_fetch_add(&f->failed, 1);
	return 1;
}

static int fault_open(void *context, const char *path, int flags, unsigned mode)
{
	struct fault_files *f = context;

	return fails(f, flags & O_CREAT) ? -f->error_number : real->open(NULL, path, flags, mode);
}

static int fault_close(void *context, int fd)
{
	struct fault_files *f = context;
	int result = real->close(NULL, fd); /* closed whatever is returned */

	return fails(f, 0) ? -f->error_number : result;
}

static ssize_t fault_pread(void *context, int fd, void *to, size_t bytes, uint64_t offset)
{
	struct fault_files *f = context;

	return fails(f, 0) ? -f->error_number : real->pread(NULL, fd, to, bytes, offset);
}

static ssize_t fault_pwrite(void *context, int fd, const void *from, size_t bytes, uint64_t offset)
{
	struct fault_files *f = context;
	int expected = fd;

	if (f->kind == FAULT_SHORT && atomic_compare_exchange_strong(&f->short_fd, &expected, -1))
		return -f->error_number;
	if (!fails(f, 1))
		return real->pwrite(NULL, fd, from, bytes, offset);
	if (f->kind == FAULT_SHORT && bytes > 1) {
		atomic_store(&f->short_fd, fd);
		return real->pwrite(NULL, fd, from, bytes / 2, offset);
	}
	if (f->kind == FAULT_LATE_ERROR)
		(void)real->pwrite(NULL, fd, from, bytes, offset);
	return -f->error_number;
}

static int fault_sync(void *context, int fd)
{
	struct fault_files *f = context;

	(void)fd; /* no power is lost here: what is written stays */
	return fails(f, 1) ? -f->error_number : 0;
}

static int fault_truncate(void *context, int fd, uint64_t bytes)
{
	struct fault_files *f = context;

	return fails(f, 1) ? -f->error_number : real->truncate(NULL, fd, bytes);
}

static int fault_stat(void *context, const char *path, struct atr_file_stat *out)
{
	struct fault_files *f = context;

	return fails(f, 0) ? -f->error_number : real->stat(NULL, path, out);
}

static int fault_rename(void *context, const char *from, const char *to)
{
	struct fault_files *f = context;

	return fails(f, 1) ? -f->error_number : real->rename(NULL, from, to);
}

static int fault_exchange(void *context, const char *a, const char *b)
{
	struct fault_files *f = context;

	return fails(f, 1) ? -f->error_number : real->exchange(NULL, a, b);
}

static int fault_free_bytes(void *context, const char *path, uint64_t *bytes)
{
	struct fault_files *f = context;

	return fails(f, 0) ? -f->error_number : real->free_bytes(NULL, path, bytes);
}

static int fault_own(void *context, const char *path, const char *like)
{
	struct fault_files *f = context;

	return fails(f, 0) ? -f->error_number : real->own(NULL, path, like);
}

static int fault_mkdir(void *context, const char *path, unsigned mode)
{
	struct fault_files *f = context;

	return fails(f, 1) ? -f->error_number : real->mkdir(NULL, path, mode);
}

static int fault_list(void *context, const char *path, atr_file_entry_fn *each, void *arg)
{
	struct fault_files *f = context;

	return fails(f, 0) ? -f->error_number : real->list(NULL, path, each, arg);
}

static int fault_lock(void *context, int fd, int exclusive)
{
	struct fault_files *f = context;

	return fails(f, 0) ? -f->error_number : real->lock(NULL, fd, exclusive);
}

void fault_files_init(struct fault_files *f, enum fault_kind kind, int error_number,
                      unsigned long at, int sticky)
{
	f->table = atr_file_real;
	f->table.context = f;
	f->table.open = fault_open;
	f->table.close = fault_close;
	f->table.pread = fault_pread;
	f->table.pwrite = fault_pwrite;
	f->table.sync = fault_sync;
	f->table.truncate = fault_truncate;
	f->table.stat = fault_stat;
	f->table.rename = fault_rename;
	f->table.exchange = fault_exchange;
	f->table.free_bytes = fault_free_bytes;
	f->table.own = fault_own;
	f->table.mkdir = fault_mkdir;
	f->table.list = fault_list;
	f->table.lock = fault_lock;
	f->table.holder = NULL;
	f->kind = kind;
	f->error_number = error_number;
	f->at = at;
	f->sticky = sticky;
	atomic_init(&f->calls, 0);
	atomic_init(&f->failed, 0);
	atomic_init(&f->short_fd, -1);
}
