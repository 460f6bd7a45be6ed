/* mounts.c - one line of mountinfo is
 *   ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [OPTIONAL ...] - TYPE SOURCE SUPER_OPTIONS
 * with blanks within a field as \040.
 */
#include "harness/measure/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* \NNN octal back to bytes. */
static void copy_field(char *out, size_t bytes, const char *field)
{
	size_t n = 0;

	while (*field && n + 1 < bytes) {
		if (field[0] == '\\' && field[1] >= '0' && field[1] <= '3' && field[2] &&
		    field[3]) {
			out[n++] = (char)((field[1] - '0') * 64 + (field[2] - '0') * 8 +
			                  (field[3] - '0'));
			field += 4;
		} else {
			out[n++] = *field++;
		}
	}
	out[n] = 0;
}

static int parse_line(char *line, struct mount *m)
{
	char *rest = line, *field[6], *tail[3], *separator = strstr(line, " - ");

	if (!separator)
		return -1;
	*separator = 0;
	for (size_t i = 0; i < 6; i++)
		if (!(field[i] = strsep(&rest, " ")))
			return -1;
	rest = separator + 3;
	for (size_t i = 0; i < 3; i++)
		if (!(tail[i] = strsep(&rest, " \n")))
			return -1;
	m->id = atoi(field[0]);
	if (sscanf(field[2], "%u:%u", &m->major, &m->minor) != 2)
		return -1;
	copy_field(m->root, sizeof(m->root), field[3]);
	copy_field(m->point, sizeof(m->point), field[4]);
	copy_field(m->type, sizeof(m->type), tail[0]);
	copy_field(m->source, sizeof(m->source), tail[1]);
	snprintf(m->options, sizeof(m->options), "%s,%s", field[5], tail[2]);
	return 0;
}

int mounts_find(const char *proc, int (*wanted)(const struct mount *m, const void *arg),
                const void *arg, struct mount *out)
{
	struct mount m;
	char path[PATH_MAX];
	char *line = NULL;
	size_t capacity = 0;
	int rc = -ENOENT;
	FILE *in;

	snprintf(path, sizeof(path), "%s/mountinfo", proc);
	in = fopen(path, "re");
	if (!in)
		return -errno;
	while (getline(&line, &capacity, in) > 0) {
		if (parse_line(line, &m) == 0 && wanted(&m, arg)) {
			*out = m;
			rc = 0;
		}
	}
	free(line);
	fclose(in);
	return rc;
}

static int has_id(const struct mount *m, const void *arg)
{
	return m->id == *(const int *)arg;
}

/* The kernel names the mount of an open file in fdinfo; comparing device numbers or path prefixes
 * would go wrong with bind mounts and btrfs. */
static int mount_id(const char *path, int *id)
{
	char name[64], line[128];
	int fd = open(path, O_PATH | O_CLOEXEC), rc = -ENOENT;
	FILE *in;

	if (fd < 0)
		return -errno;
	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	in = fopen(name, "re");
	if (in) {
		while (fgets(line, sizeof(line), in))
			if (sscanf(line, "mnt_id: %d", id) == 1)
				rc = 0;
		fclose(in);
	}
	close(fd);
	return rc;
}

int mounts_of(const char *path, struct mount *out)
{
	int id, rc = mount_id(path, &id);

	return rc == 0 ? mounts_find("/proc/self", has_id, &id, out) : rc;
}

int mounts_has_option(const char *options, const char *word)
{
	size_t bytes = strlen(word);

	for (const char *at = options; (at = strstr(at, word)) != NULL; at += bytes)
		if ((at == options || at[-1] == ',') && (at[bytes] == ',' || at[bytes] == 0))
			return 1;
	return 0;
}
