/* disk.c - see disk.h.
 */
#include "harness/measure/disk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "harness/measure/tree.h"

static int ends_in(const char *name, const char *suffix)
{
	size_t n = strlen(name), s = strlen(suffix);

	return n > s && strcmp(name + n - s, suffix) == 0;
}

enum disk_kind disk_kind_of(const char *name)
{
	if (ends_in(name, ".blk"))
		return DISK_BLK;
	if (ends_in(name, ".key"))
		return DISK_KEY;
	if (strcmp(name, "meta.inf") == 0 || strcmp(name, "meta.sum") == 0)
		return DISK_META;
	return DISK_STATE;
}

const char *disk_kind_name(enum disk_kind kind)
{
	static const char *const names[DISK_KINDS] = {"blk", "key", "meta", "state"};

	return names[kind];
}

static void add(struct disk_figures *f, const struct stat *st)
{
	f->apparent_bytes += (uint64_t)st->st_size;
	f->allocated_bytes += (uint64_t)st->st_blocks * 512;
	f->files++;
}

static int count(const struct tree_entry *entry)
{
	struct disk_usage *usage = entry->arg;

	if (!S_ISREG(entry->st->st_mode))
		return 0;
	add(&usage->kind[disk_kind_of(entry->name)], entry->st);
	add(&usage->total, entry->st);
	return 0;
}

int disk_usage_read(const char *dir, struct disk_usage *out, char *path)
{
	memset(out, 0, sizeof(*out));
	return tree_walk(dir, count, out, path, 256);
}

int disk_device_read(pid_t pid, struct disk_device *out)
{
	uint64_t n, cancelled = 0;
	char path[64], line[128];
	FILE *in;
	int found = 0;

	memset(out, 0, sizeof(*out));
	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/io", (int)pid);
	else
		snprintf(path, sizeof(path), "/proc/self/io");
	in = fopen(path, "re");
	if (!in)
		return -errno;
	while (fgets(line, sizeof(line), in)) {
		if (sscanf(line, "read_bytes: %" SCNu64, &n) == 1) {
			out->read_bytes = n;
			found++;
		} else if (sscanf(line, "write_bytes: %" SCNu64, &n) == 1) {
			out->written_bytes = n;
			found++;
		} else if (sscanf(line, "cancelled_write_bytes: %" SCNu64, &n) == 1) {
			cancelled = n;
		}
	}
	fclose(in);
	/* What was dropped may have been billed to another process: never below 0. */
	out->written_bytes -= cancelled < out->written_bytes ? cancelled : out->written_bytes;
	return found == 2 ? 0 : -EPROTO;
}
