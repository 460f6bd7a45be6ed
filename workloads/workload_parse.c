/* workload_parse.c - a file of keys, or --set, to struct workload. */
#include "workloads/keys_file.h"
#include "workloads/workload_keys.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* "dir/publish-1k.ini" names the workload publish-1k; the name is a field of every row. */
static int set_name(const char *file, struct workload *w, struct workload_error *err)
{
	const char *base = strrchr(file, '/');
	base = base ? base + 1 : file;
	size_t bytes = strlen(base);
	if (bytes > 4 && strcmp(base + bytes - 4, ".ini") == 0)
		bytes -= 4;

	size_t good = strspn(base, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                           "0123456789._-");
	if (bytes == 0 || bytes >= WORKLOAD_NAME_BYTES || good < bytes) {
		snprintf(err->text, sizeof(err->text),
		         "%.200s: file name, expected NAME.ini with a name of 1 to %d letters, "
		         "digits, '.', '_' or '-'",
		         file, WORKLOAD_NAME_BYTES - 1);
		return -1;
	}
	memcpy(w->name, base, bytes);
	w->name[bytes] = 0;
	return 0;
}

static const char *find_key(void *arg, const char *name, char reason[KEYS_FILE_REASON_BYTES])
{
	const struct workload_key *key = workload_key_find(name);
	char found[KEYS_FILE_SHOWN_BYTES];

	(void)arg;
	if (!key) {
		const char *nearest = workload_key_nearest(name);
		snprintf(reason, KEYS_FILE_REASON_BYTES, "unknown key \"%s\"%s%s%s",
		         keys_file_shown(name, found),
		         nearest ? ", did you mean " : ", expected one of workloads/README.md",
		         nearest ? nearest : "", nearest ? "?" : "");
		return NULL;
	}
	return key->name;
}

static int set_key(void *arg, const char *name, const char *value,
                   char reason[KEYS_FILE_REASON_BYTES])
{
	char expected[256], found[KEYS_FILE_SHOWN_BYTES];

	if (workload_key_set(workload_key_find(name), value, arg, expected, sizeof(expected)) == 0)
		return 0;
	snprintf(reason, KEYS_FILE_REASON_BYTES, "found \"%s\", expected %s",
	         keys_file_shown(value, found), expected);
	return -1;
}

int workload_parse_stream(FILE *in, const char *name, struct workload *w,
                          struct workload_error *err)
{
	const struct keys_file what = {.section = "workload",
	                               .continued = "sizes",
	                               .arg = w,
	                               .find = find_key,
	                               .set = set_key};
	int keys;

	err->text[0] = 0;
	workload_init(w);
	if (set_name(name, w, err) != 0)
		return -1;
	keys = keys_file_read(&what, in, name, err->text);
	if (keys < 0)
		return -1;
	if (keys == 0) {
		snprintf(err->text, sizeof(err->text),
		         "%.200s: no key, expected at least operation = ...", name);
		return -1;
	}
	if (!w->class_[0])
		strcpy(w->class_, workload_key_word("operation", w));
	return 0;
}

int workload_parse_file(const char *path, struct workload *w, struct workload_error *err)
{
	FILE *in = fopen(path, "r");
	int rc;

	if (!in) {
		workload_init(w);
		snprintf(err->text, sizeof(err->text), "%.200s: %s", path, strerror(errno));
		return -1;
	}
	rc = workload_parse_stream(in, path, w, err);
	fclose(in);
	return rc;
}

int workload_set(struct workload *w, const char *key, const char *value, struct workload_error *err)
{
	const struct workload_key *k = workload_key_find(key);
	char expected[256], found[KEYS_FILE_SHOWN_BYTES], name[KEYS_FILE_SHOWN_BYTES];

	err->text[0] = 0;
	if (!k) {
		const char *nearest = workload_key_nearest(key);
		snprintf(err->text, sizeof(err->text), "--set: unknown key \"%s\"%s%s%s",
		         keys_file_shown(key, name), nearest ? ", did you mean " : ", see --help",
		         nearest ? nearest : "", nearest ? "?" : "");
		return -1;
	}
	if (!keys_file_is_utf8(value))
		snprintf(expected, sizeof(expected), "text in UTF-8");
	else if (workload_key_set(k, value, w, expected, sizeof(expected)) == 0)
		return 0;
	snprintf(err->text, sizeof(err->text), "--set %s: found \"%s\", expected %s", key,
	         keys_file_shown(value, found), expected);
	return -1;
}
