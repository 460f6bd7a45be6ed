/* compare_workloads.c - see compare_workloads.h. The files hold every key, a line each, in one
 * order (workload_write); a size mix may go on in the next line, and its first says enough.
 */
#include "cli/compare_workloads.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "harness/output/replace.h"

#define FILE_BYTES_MAX 65536
#define VALUE_BYTES    128

static char *read_workload(const char *dir, const char *name)
{
	char path[PATH_MAX];
	char *text;
	size_t bytes;

	if ((size_t)snprintf(path, sizeof(path), "%s/workloads/%s.ini", dir, name) >=
	            sizeof(path) ||
	    read_whole_file(path, FILE_BYTES_MAX, &text, &bytes) != 0)
		return NULL;
	return text;
}

/* The value of a key; "-" when the file does not have it. */
static const char *value_of(const char *text, const char *key, char value[VALUE_BYTES])
{
	size_t key_bytes = strlen(key);

	snprintf(value, VALUE_BYTES, "-");
	for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, key_bytes) != 0 || strncmp(line + key_bytes, " = ", 3) != 0)
			continue;
		line += key_bytes + 3;
		snprintf(value, VALUE_BYTES, "%.*s", (int)strcspn(line, "\n"), line);
		break;
	}
	return value;
}

static int is_in_digest(const char *key)
{
	static const char *const without[] = {"question", "rounds", "seed", "messages"};

	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++)
		if (strcmp(key, without[i]) == 0)
			return 0;
	return 1;
}

/* The keys of one file whose value is another one in the other; turned: only those that the other
 * lacks, told in the same order of sides. */
static void explain_keys(const char *name, const char *text, const char *other, int turned)
{
	char key[64], a[VALUE_BYTES], b[VALUE_BYTES];

	for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		size_t bytes = strcspn(line, " \n");
		if (bytes == 0 || bytes >= sizeof(key) || strncmp(line + bytes, " = ", 3) != 0)
			continue;
		snprintf(key, sizeof(key), "%.*s", (int)bytes, line);
		value_of(text, key, a);
		value_of(other, key, b);
		if (!is_in_digest(key) || strcmp(a, b) == 0 || (turned && strcmp(b, "-") != 0))
			continue;
		warn_line("%s: %s is %s in BASE, %s in NEW", name, key, turned ? b : a,
		          turned ? a : b);
	}
}

static void explain(const char *name, const char *base_dir, const char *new_dir)
{
	char *a = read_workload(base_dir, name);
	char *b = read_workload(new_dir, name);

	if (a != NULL && b != NULL) {
		explain_keys(name, a, b, 0);
		explain_keys(name, b, a, 1);
	}
	free(a);
	free(b);
}

/* The first row of a workload; NULL when there is none. */
static const struct sample *row_of(const struct samples *s, const char *workload)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->rows[i].workload, workload) == 0)
			return &s->rows[i];
	return NULL;
}

void compare_workloads_explain(const char *base_dir, const struct samples *base,
                               const char *new_dir, const struct samples *new_)
{
	for (size_t i = 0; i < base->count; i++) {
		const struct sample *row = &base->rows[i];
		const struct sample *other = row_of(new_, row->workload);
		if (row_of(base, row->workload) != row || other == NULL ||
		    strcmp(row->workload_digest, other->workload_digest) == 0)
			continue;
		explain(row->workload, base_dir, new_dir);
	}
}
