/* discover.c - which streams lie below a directory. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/inspect.h"

struct names {
	char **name;
	size_t count, capacity;
};

static int take_name(void *arg, const char *name)
{
	struct names *n = arg;

	if (name[0] == '.') /* hidden, or a stream being deleted */
		return 0;
	if (n->count == n->capacity) {
		size_t capacity = n->capacity == 0 ? 16 : 2 * n->capacity;
		char **larger = realloc(n->name, capacity * sizeof *larger);

		if (larger == NULL)
			return -ENOMEM;
		n->name = larger;
		n->capacity = capacity;
	}
	n->name[n->count] = strdup(name);
	return n->name[n->count] == NULL ? -ENOMEM : (n->count++, 0);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(struct names *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->name[i]);
	free(n->name);
}

struct search {
	const struct atr_file_table *files;
	const char *account, *stream;
	atr_place_fn *each;
	void *arg;
	struct atr_error *err;
};

static int is_directory(const struct search *s, const char *path)
{
	struct atr_file_stat st;

	return s->files->stat(s->files->context, path, &st) == 0 && st.is_directory;
}

static int exists_below(const struct search *s, const char *dir, const char *name)
{
	struct atr_file_stat st;
	char path[PATH_MAX];

	return snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path &&
	       s->files->stat(s->files->context, path, &st) == 0;
}

static enum atr_status list_sorted(const struct search *s, const char *path, struct names *names)
{
	int result = s->files->list(s->files->context, path, take_name, names);

	if (result < 0)
		return atr_file_error(s->err, result, path, -1, "list");
	if (names->count > 0)
		qsort(names->name, names->count, sizeof *names->name, by_text);
	return ATR_OK;
}

/* Names that a conversion gives directories for a moment, where two cannot be exchanged at once; no
 * stream's name has a dot. 1: to be passed over. 0: a stream, perhaps with its name put right: a
 * kill left only the new directory. */
static int is_of_conversion(const struct search *s, const char *streams, char *name)
{
	char *dot = strstr(name, ".convert-");

	if (dot == NULL || (strcmp(dot, ".convert-new") != 0 && strcmp(dot, ".convert-old") != 0))
		return 0;
	if (strcmp(dot, ".convert-old") == 0)
		return 1;
	*dot = '\0';
	return exists_below(s, streams, name);
}

static enum atr_status visit_account(const struct search *s, const char *dir, const char *account)
{
	struct names names = {0};
	char streams[PATH_MAX], path[PATH_MAX];
	enum atr_status rc;

	if (s->account != NULL && strcmp(s->account, account) != 0)
		return ATR_OK;
	if (snprintf(streams, sizeof streams, "%s/streams", dir) >= (int)sizeof streams)
		return atr_error_set(s->err, ATR_EINVAL, dir, -1, "path too long");
	rc = list_sorted(s, streams, &names);
	for (size_t i = 0; i < names.count && rc == ATR_OK; i++) {
		struct atr_place place = {path, account, names.name[i]};

		int missing = strchr(names.name[i], '.') != NULL;

		/* what still has a dot is the original that a repair kept */
		if (is_of_conversion(s, streams, names.name[i]) ||
		    strchr(names.name[i], '.') != NULL ||
		    (s->stream != NULL && strcmp(s->stream, names.name[i]) != 0))
			continue;
		missing = missing && strchr(names.name[i], '.') == NULL;
		if (snprintf(path, sizeof path, "%s/%s", streams, names.name[i]) >=
		    (int)sizeof path)
			rc = atr_error_set(s->err, ATR_EINVAL, streams, -1, "path too long");
		else if (missing || is_directory(s, path))
			rc = s->each(s->arg, &place, s->err);
	}
	free_names(&names);
	return rc;
}

static enum atr_status visit_jetstream(const struct search *s, const char *dir)
{
	struct names names = {0};
	char path[PATH_MAX];
	enum atr_status rc = list_sorted(s, dir, &names);

	for (size_t i = 0; i < names.count && rc == ATR_OK; i++) {
		if (snprintf(path, sizeof path, "%s/%s", dir, names.name[i]) >= (int)sizeof path)
			rc = atr_error_set(s->err, ATR_EINVAL, dir, -1, "path too long");
		else if (exists_below(s, path, "streams"))
			rc = visit_account(s, path, names.name[i]);
	}
	free_names(&names);
	return rc;
}

/* The last parts of a path: part[0] the last one, part[1] the one before ... */
static size_t last_parts(char *path, const char **part, size_t count)
{
	size_t found = 0;
	char *slash;

	while (found < count && (slash = strrchr(path, '/')) != NULL) {
		part[found++] = slash + 1;
		*slash = '\0';
	}
	return found;
}

/* A stream directory: names from the path ".../jetstream/A/streams/S", else from the options. */
static enum atr_status visit_stream(const struct search *s, const char *dir)
{
	const char *part[4] = {"", "", "", ""};
	struct atr_place place = {.dir = dir};
	char path[PATH_MAX];
	int named;

	if (snprintf(path, sizeof path, "%s", dir) >= (int)sizeof path)
		return atr_error_set(s->err, ATR_EINVAL, dir, -1, "path too long");
	(void)last_parts(path, part, 4);
	named = strcmp(part[1], "streams") == 0 && strcmp(part[3], "jetstream") == 0;
	if (named) {
		place.account = part[2];
		place.stream = part[0];
		if ((s->account != NULL && strcmp(s->account, part[2]) != 0) ||
		    (s->stream != NULL && strcmp(s->stream, part[0]) != 0))
			return ATR_OK;
	} else {
		place.account = s->account != NULL ? s->account : "$G";
		place.stream = s->stream != NULL ? s->stream : part[0];
	}
	return s->each(s->arg, &place, s->err);
}

/* True for a directory whose name and place say that it should be a stream, whatever is in it. */
static int is_stream_place(const char *dir)
{
	const char *part[4] = {"", "", "", ""};
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s", dir) >= (int)sizeof path)
		return 0;
	(void)last_parts(path, part, 4);
	return strcmp(part[1], "streams") == 0 && strcmp(part[3], "jetstream") == 0;
}

enum atr_status atr_discover(const struct atr_file_table *files, const char *dir,
                             const char *account, const char *stream, atr_place_fn *each, void *arg,
                             struct atr_error *err)
{
	struct search s = {files != NULL ? files : &atr_file_real, account, stream, each, arg, err};
	char path[PATH_MAX], below[PATH_MAX];
	struct atr_file_stat st;
	const char *name;
	size_t n;

	if (snprintf(path, sizeof path, "%s", dir) >= (int)sizeof path)
		return atr_error_set(err, ATR_EINVAL, dir, -1, "path too long");
	for (n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
	if (!is_directory(&s, path))
		return atr_error_set(err, ATR_ENOTSTORE, path, -1,
		                     s.files->stat(s.files->context, path, &st) == 0
		                             ? "not a directory"
		                             : "no such directory");
	if (exists_below(&s, path, "meta.inf") || is_stream_place(path))
		return visit_stream(&s, path);
	name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
	if (exists_below(&s, path, "streams"))
		return visit_account(&s, path, name);
	if (strcmp(name, "jetstream") == 0)
		return visit_jetstream(&s, path);
	if (exists_below(&s, path, "jetstream") &&
	    snprintf(below, sizeof below, "%s/jetstream", path) < (int)sizeof below)
		return visit_jetstream(&s, below);
	return atr_error_set(err, ATR_ENOTSTORE, path, -1,
	                     "not a store: expected a store_dir, its jetstream/, an account or a "
	                     "stream directory");
}
