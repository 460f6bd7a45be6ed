/* cgroup.c - /proc/PID/cgroup says which group, mountinfo where its files are (cgroups(7)):
 * a line is "ID:CONTROLLERS:PATH", version 2 has ID 0 and no controllers.
 */
#include "harness/measure/cgroup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/mounts.h"

struct level {
	char path[2 * PATH_MAX]; /* of the group's directory */
	size_t top_bytes;        /* of the mount point, where going up ends */
	int version;
};

static int is_controller(const struct mount *m, const void *arg)
{
	return strcmp(m->type, "cgroup") == 0 && mounts_has_option(m->options, arg);
}

static int is_unified(const struct mount *m, const void *arg)
{
	(void)arg;
	return strcmp(m->type, "cgroup2") == 0;
}

/* Path of the process's group; controller NULL: of version 2. */
static int own_group(const char *proc, const char *controller, char *path, size_t bytes)
{
	char file[PATH_MAX];
	char *line = NULL;
	size_t capacity = 0;
	int rc = -1;
	FILE *in;

	snprintf(file, sizeof(file), "%s/cgroup", proc);
	in = fopen(file, "re");
	if (!in)
		return -1;
	while (rc != 0 && getline(&line, &capacity, in) > 0) {
		char *rest = line, *id = strsep(&rest, ":"), *names = strsep(&rest, ":");
		if (!names || !rest)
			continue;
		rest[strcspn(rest, "\n")] = 0;
		if (controller ? mounts_has_option(names, controller)
		               : strcmp(id, "0") == 0 && !*names) {
			snprintf(path, bytes, "%s", rest);
			rc = 0;
		}
	}
	free(line);
	fclose(in);
	return rc;
}

/* The innermost level of a controller; 0 when there is one. A container often shows the host's
 * path while only the container's part is mounted: the mount itself is then the level. */
static int innermost(const char *proc, const char *controller, struct level *level)
{
	struct mount m;
	char group[PATH_MAX];

	level->version = 1;
	if (mounts_find(proc, is_controller, controller, &m) != 0 ||
	    own_group(proc, controller, group, sizeof(group)) != 0) {
		level->version = 2;
		if (mounts_find(proc, is_unified, NULL, &m) != 0 ||
		    own_group(proc, NULL, group, sizeof(group)) != 0)
			return -1;
	}
	const char *below = group;
	size_t root_bytes = strlen(m.root);
	if (root_bytes > 1 && strncmp(group, m.root, root_bytes) == 0)
		below = group + root_bytes;
	level->top_bytes = strlen(m.point);
	snprintf(level->path, sizeof(level->path), "%s%s", m.point,
	         strcmp(below, "/") == 0 ? "" : below);
	return 0;
}

/* One level up; 0 when there is one. */
static int up(struct level *level)
{
	char *slash = strrchr(level->path, '/');

	if (strlen(level->path) <= level->top_bytes || !slash)
		return -1;
	*slash = 0;
	return strlen(level->path) >= level->top_bytes ? 0 : -1;
}

/* First line of a file of the group. 0 when read. */
static int read_line(const struct level *level, const char *file, char *text, int bytes)
{
	char path[2 * PATH_MAX + 64];
	FILE *in;
	int rc;

	snprintf(path, sizeof(path), "%s/%s", level->path, file);
	in = fopen(path, "re");
	if (!in)
		return -1;
	rc = fgets(text, bytes, in) ? 0 : -1;
	fclose(in);
	return rc;
}

/* The number behind "NAME " on a line of its own. */
static int read_named(const struct level *level, const char *file, const char *name, uint64_t *out)
{
	char path[2 * PATH_MAX + 64], line[256];
	size_t bytes = strlen(name);
	FILE *in;
	int rc = -1;

	snprintf(path, sizeof(path), "%s/%s", level->path, file);
	in = fopen(path, "re");
	if (!in)
		return -1;
	while (rc != 0 && fgets(line, sizeof(line), in))
		if (strncmp(line, name, bytes) == 0 && line[bytes] == ' ' &&
		    sscanf(line + bytes, "%" SCNu64, out) == 1)
			rc = 0;
	fclose(in);
	return rc;
}

double cgroup_quota_processors(const char *proc)
{
	struct level level;
	double least = 0;

	if (innermost(proc, "cpu", &level) != 0)
		return 0;
	do {
		char quota[128], period[128];
		double us = 0, period_us = 0;
		if (level.version == 2) {
			if (read_line(&level, "cpu.max", quota, sizeof(quota)) != 0 ||
			    sscanf(quota, "%lf %lf", &us, &period_us) != 2)
				continue; /* "max 100000" or the root, which has no such file */
		} else if (read_line(&level, "cpu.cfs_quota_us", quota, sizeof(quota)) == 0 &&
		           read_line(&level, "cpu.cfs_period_us", period, sizeof(period)) == 0) {
			us = atof(quota); /* -1: none */
			period_us = atof(period);
		}
		if (us > 0 && period_us > 0 && (least == 0 || us / period_us < least))
			least = us / period_us;
	} while (up(&level) == 0);
	return least;
}

uint64_t cgroup_throttled_us(const char *proc)
{
	struct level level;
	uint64_t total = 0, n;

	if (innermost(proc, "cpu", &level) != 0)
		return 0;
	do {
		if (level.version == 2 && read_named(&level, "cpu.stat", "throttled_usec", &n) == 0)
			total += n;
		else if (level.version == 1 &&
		         read_named(&level, "cpu.stat", "throttled_time", &n) == 0)
			total += n / 1000;
	} while (up(&level) == 0);
	return total;
}

uint64_t cgroup_memory_limit_bytes(const char *proc)
{
	struct level level;
	uint64_t least = 0;

	if (innermost(proc, "memory", &level) != 0)
		return 0;
	do {
		const char *file = level.version == 2 ? "memory.max" : "memory.limit_in_bytes";
		char text[128];
		uint64_t n;
		/* Version 1 writes "no limit" as the largest number of whole pages. */
		if (read_line(&level, file, text, sizeof(text)) == 0 &&
		    sscanf(text, "%" SCNu64, &n) == 1 && n < UINT64_C(1) << 62 &&
		    (least == 0 || n < least))
			least = n;
	} while (up(&level) == 0);
	return least;
}
