#include "cli/store_dir.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/exit_status.h"

struct visit {
	atr_place_fn *each;
	void *arg;
	size_t count;
};

static enum atr_status count_and_visit(void *arg, const struct atr_place *place,
                                       struct atr_error *err)
{
	struct visit *v = arg;

	v->count++;
	return v->each(v->arg, place, err);
}

int store_dir_visit(const char *dir, const char *account, const char *stream, atr_place_fn *each,
                    void *arg)
{
	struct visit visit = {each, arg, 0};
	char path[PATH_MAX], line[2048];
	struct atr_error err;
	enum atr_status rc;

	if (realpath(dir, path) == NULL)
		return complain(errno == EACCES ? EXIT_SYSTEM : EXIT_USAGE,
		                "%s: %s, expected a store", dir, strerror(errno));
	rc = atr_discover(NULL, path, account, stream, count_and_visit, &visit, &err);
	if (rc != ATR_OK) {
		atr_error_line(&err, line, sizeof line);
		return complain(exit_of_status(rc), "%s", line);
	}
	if (visit.count == 0 && stream != NULL)
		return complain(EXIT_USAGE, "%s: no stream '%s'%s%s%s", path, stream,
		                account != NULL ? " in account '" : "",
		                account != NULL ? account : "", account != NULL ? "'" : "");
	if (visit.count == 0 && account != NULL)
		return complain(EXIT_USAGE, "%s: no stream in account '%s'", path, account);
	if (visit.count == 0)
		warn_line("%s: no streams", path);
	return EXIT_FINE;
}

/* ---- load ---- */

static int exists_below(const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	return snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path &&
	       stat(path, &st) == 0;
}

/* Cuts the last part off path and returns it; "" when there is none. */
static const char *cut_last(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash == NULL)
		return "";
	*slash = '\0';
	return slash + 1;
}

static int take_name(char to[256], const char *what, const char *name)
{
	static const char forbidden[] = " \t\r\n\f.*>/";

	if (name[0] == '\0' || strlen(name) > 255 || strpbrk(name, forbidden) != NULL)
		return complain(EXIT_USAGE,
		                "%s name '%.80s': expected 1 to 255 bytes without white space and "
		                ". * > /",
		                what, name);
	(void)snprintf(to, 256, "%s", name);
	return EXIT_FINE;
}

/* An account may hold dots; what would leave the directory may not be in it. */
static int take_account(char to[256], const char *name)
{
	if (name[0] == '\0' || strlen(name) > 255 || strchr(name, '/') != NULL || name[0] == '.')
		return complain(EXIT_USAGE,
		                "account name '%.80s': expected 1 to 255 bytes without /", name);
	(void)snprintf(to, 256, "%s", name);
	return EXIT_FINE;
}

/* The path made absolute: its existing beginning by the system, the rest as it is. */
static int absolute(const char *dir, char out[PATH_MAX])
{
	char rest[PATH_MAX] = "", head[PATH_MAX], joined[PATH_MAX];
	char *slash;

	if (snprintf(head, sizeof head, "%s", dir) >= (int)sizeof head)
		return -1;
	for (size_t n = strlen(head); n > 1 && head[n - 1] == '/'; n--)
		head[n - 1] = '\0';
	while (realpath(head, out) == NULL) {
		if (errno != ENOENT)
			return -1;
		slash = strrchr(head, '/');
		if (snprintf(joined, sizeof joined, "/%s%s", slash != NULL ? slash + 1 : head,
		             rest) >= (int)sizeof joined)
			return -1;
		memcpy(rest, joined, sizeof rest);
		if (slash == NULL)
			(void)snprintf(head, sizeof head, ".");
		else if (slash == head)
			(void)snprintf(head, sizeof head, "/");
		else
			*slash = '\0';
	}
	if (strcmp(out, "/") == 0)
		out[0] = '\0';
	if (strlen(out) + strlen(rest) >= PATH_MAX)
		return -1;
	strcat(out, rest);
	return 0;
}

int store_dir_target(const char *dir, const char *account, const char *stream,
                     const char *account_line, const char *stream_line,
                     struct store_dir_target *out)
{
	char path[PATH_MAX], parts[PATH_MAX];
	const char *last, *second, *third, *fourth;
	const char *name = stream != NULL ? stream : stream_line;
	const char *acc = account != NULL ? account : account_line != NULL ? account_line : "$G";
	const char *store = NULL;
	int code, n;

	memset(out, 0, sizeof *out);
	if (dir[0] == '\0' || absolute(dir, path) != 0)
		return complain(EXIT_USAGE, "%s: %s", dir[0] != '\0' ? dir : "DIR",
		                dir[0] != '\0' ? strerror(errno) : "empty");
	memcpy(parts, path, sizeof parts);
	last = cut_last(parts);
	second = cut_last(parts);
	third = cut_last(parts);
	fourth = cut_last(parts);
	if (strcmp(second, "streams") == 0 && strcmp(fourth, "jetstream") == 0) {
		acc = third;
		name = last;
		store = "";
	} else if (exists_below(path, "meta.inf")) {
		name = name != NULL ? name : last;
		store = "";
	} else if (strcmp(second, "jetstream") == 0) {
		acc = last;
		store = "/streams/";
	}
	if (name == NULL)
		return complain(EXIT_USAGE, "which stream? the input names none: give --stream");
	code = take_name(out->stream, "stream", name);
	if (code == EXIT_FINE)
		code = take_account(out->account, acc);
	if (code != EXIT_FINE)
		return code;
	if (store != NULL && *store == '\0')
		n = snprintf(out->dir, sizeof out->dir, "%s", path);
	else if (store != NULL)
		n = snprintf(out->dir, sizeof out->dir, "%s/streams/%s", path, out->stream);
	else
		n = snprintf(out->dir, sizeof out->dir, "%s%s/%s/streams/%s", path,
		             strcmp(last, "jetstream") == 0 ? "" : "/jetstream", out->account,
		             out->stream);
	if (n >= (int)sizeof out->dir)
		return complain(EXIT_USAGE, "%s: path too long", dir);
	return EXIT_FINE;
}
