#include "tests/fault/overlay.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DIRECTORY_FD 100000 /* directories are only locked */
#define FIRST_FD     1000

/* ---- loading ---- */

static int add_file(struct overlay *o, const char *path, size_t bytes)
{
	struct overlay_file *larger = realloc(o->file, (o->file_count + 1) * sizeof *larger), *f;
	FILE *in;

	if (larger == NULL)
		return -1;
	o->file = larger;
	f = &o->file[o->file_count++];
	*f = (struct overlay_file){strdup(path), malloc(bytes + 1), bytes};
	in = fopen(path, "rb");
	if (in == NULL || f->path == NULL || f->content == NULL ||
	    fread(f->content, 1, bytes, in) != bytes) {
		if (in != NULL)
			fclose(in);
		return -1;
	}
	return fclose(in);
}

static int load_below(struct overlay *o, const char *directory)
{
	char path[4096];
	const struct dirent *entry;
	struct stat st;
	int rc = 0;
	DIR *dir = opendir(directory);

	if (dir == NULL)
		return -1;
	while (rc == 0 && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(path, sizeof path, "%s/%s", directory, entry->d_name) >=
		            (int)sizeof path ||
		    stat(path, &st) != 0)
			rc = -1;
		else if (S_ISDIR(st.st_mode))
			rc = load_below(o, path);
		else
			rc = add_file(o, path, (size_t)st.st_size);
	}
	closedir(dir);
	return rc;
}

/* ---- the table ---- */

static size_t find(const struct overlay *o, const char *path)
{
	size_t i = 0;

	while (i < o->file_count && strcmp(o->file[i].path, path) != 0)
		i++;
	return i;
}

/* True when some file lies below path. */
static int is_directory(const struct overlay *o, const char *path)
{
	size_t n = strlen(path);

	for (size_t i = 0; i < o->file_count; i++)
		if (strncmp(o->file[i].path, path, n) == 0 && o->file[i].path[n] == '/')
			return 1;
	return 0;
}

static size_t size_of(const struct overlay *o, size_t i)
{
	return i == o->changed ? o->changed_bytes : o->file[i].bytes;
}

static int do_open(void *context, const char *path, int flags, unsigned mode)
{
	struct overlay *o = context;
	size_t i = find(o, path);

	(void)flags;
	(void)mode;
	if (i == o->file_count && !is_directory(o, path))
		return -ENOENT;
	o->opened++;
	return i == o->file_count ? DIRECTORY_FD : FIRST_FD + (int)i;
}

static int do_close(void *context, int fd)
{
	struct overlay *o = context;

	(void)fd;
	o->opened--;
	return 0;
}

static ssize_t do_pread(void *context, int fd, void *to, size_t bytes, uint64_t offset)
{
	const struct overlay *o = context;
	size_t i = (size_t)(fd - FIRST_FD);
	const uint8_t *content;

	if (fd == DIRECTORY_FD)
		return -EISDIR;
	content = i == o->changed ? o->changed_content : o->file[i].content;
	if (offset >= size_of(o, i))
		return 0;
	if (bytes > size_of(o, i) - offset)
		bytes = size_of(o, i) - (size_t)offset;
	memcpy(to, content + offset, bytes);
	return (ssize_t)bytes;
}

static int do_stat(void *context, const char *path, struct atr_file_stat *out)
{
	const struct overlay *o = context;
	size_t i = find(o, path);

	*out = (struct atr_file_stat){.mode = 0640};
	if (i == o->file_count) {
		out->is_directory = is_directory(o, path);
		return out->is_directory ? 0 : -ENOENT;
	}
	out->bytes = size_of(o, i);
	return 0;
}

static int do_list(void *context, const char *path, atr_file_entry_fn *each, void *arg)
{
	const struct overlay *o = context;
	size_t n = strlen(path);
	char last[256] = "";
	int rc = 0;

	if (!is_directory(o, path))
		return -ENOENT;
	for (size_t i = 0; i < o->file_count && rc == 0; i++) {
		const char *rest = o->file[i].path + n;
		char name[256];

		if (strncmp(o->file[i].path, path, n) != 0 || *rest != '/')
			continue;
		snprintf(name, sizeof name, "%.*s", (int)strcspn(rest + 1, "/"), rest + 1);
		if (strcmp(name, last) == 0)
			continue; /* a directory's files follow each other */
		memcpy(last, name, sizeof last);
		rc = each(arg, name);
	}
	return rc;
}

static int do_lock(void *context, int fd, int exclusive)
{
	(void)context;
	(void)fd;
	return exclusive ? -EINVAL : 0; /* readers share */
}

/* Everything that would change something. */
static int refuse(void *context)
{
	struct overlay *o = context;

	o->writes++;
	return -EROFS;
}

static ssize_t do_pwrite(void *context, int fd, const void *from, size_t bytes, uint64_t offset)
{
	(void)fd;
	(void)from;
	(void)bytes;
	(void)offset;
	return refuse(context);
}

static int do_sync(void *context, int fd)
{
	(void)fd;
	return refuse(context);
}

static int do_resize(void *context, int fd, uint64_t bytes)
{
	(void)fd;
	(void)bytes;
	return refuse(context);
}

static int do_rename(void *context, const char *from, const char *to)
{
	(void)from;
	(void)to;
	return refuse(context);
}

static int do_remove(void *context, const char *path)
{
	(void)path;
	return refuse(context);
}

static int do_mkdir(void *context, const char *path, unsigned mode)
{
	(void)path;
	(void)mode;
	return refuse(context);
}

int overlay_load(struct overlay *o, const char *root)
{
	*o = (struct overlay){.table = atr_file_real};
	o->table.context = o;
	o->table.open = do_open;
	o->table.close = do_close;
	o->table.pread = do_pread;
	o->table.pwrite = do_pwrite;
	o->table.sync = do_sync;
	o->table.truncate = do_resize;
	o->table.allocate = do_resize;
	o->table.stat = do_stat;
	o->table.rename = do_rename;
	o->table.unlink = do_remove;
	o->table.mkdir = do_mkdir;
	o->table.rmdir = do_remove;
	o->table.list = do_list;
	o->table.lock = do_lock;
	o->table.holder = NULL;
	o->root_bytes = (size_t)snprintf(o->root, sizeof o->root, "%s", root);
	if (load_below(o, root) != 0)
		return -1;
	overlay_restore(o);
	return 0;
}

void overlay_replace(struct overlay *o, size_t file, const uint8_t *content, size_t bytes)
{
	o->changed = file;
	o->changed_content = content;
	o->changed_bytes = bytes;
}

void overlay_restore(struct overlay *o)
{
	o->changed = o->file_count;
}

void overlay_free(struct overlay *o)
{
	for (size_t i = 0; i < o->file_count; i++) {
		free(o->file[i].path);
		free(o->file[i].content);
	}
	free(o->file);
}
