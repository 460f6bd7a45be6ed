/* rewrite.c - see rewrite.h. */
#include "store/rewrite.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/hash.h"

#define INTENT_NAME      "rewrite.tmp"
#define INTENT_FIRST     "atrest rewrite 1\n"
#define INTENT_HASH_NAME "rewrite"
#define INTENT_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define SUM_LINE_BYTES   ((size_t)(4 + 16 + 1)) /* "sum ", digits, LF */

static enum atr_status join(char path[PATH_MAX], const char *directory, const char *name,
                            const char *suffix, struct atr_error *err)
{
	if (snprintf(path, PATH_MAX, "%s/%s%s", directory, name, suffix) >= PATH_MAX)
		return atr_error_set(err, ATR_EINVAL, directory, -1, "path too long");
	return ATR_OK;
}

/* ---- the intent as text ---- */

static int sum_of(const char *text, size_t bytes, char hex[17])
{
	struct atr_hash_key key;

	if (atr_hash_key_init(&key, INTENT_HASH_NAME) != 0)
		return -1;
	atr_hash_hex(atr_hash64(&key, (const uint8_t *)text, bytes), hex);
	return 0;
}

/* malloc'd; NULL when memory is out. */
static char *to_text(const struct atr_rewrite_file *list, size_t count, size_t *bytes)
{
	size_t capacity = sizeof INTENT_FIRST + SUM_LINE_BYTES, at;
	char *text, hex[17];

	for (size_t i = 0; i < count; i++)
		capacity += strlen(list[i].name) + sizeof "replace \n";
	text = malloc(capacity + 1);
	if (text == NULL)
		return NULL;
	at = (size_t)sprintf(text, "%s", INTENT_FIRST);
	for (size_t i = 0; i < count; i++)
		at += (size_t)sprintf(text + at, "%s %s\n", list[i].remove ? "remove" : "replace",
		                      list[i].name);
	if (sum_of(text, at, hex) != 0) {
		free(text);
		return NULL;
	}
	at += (size_t)sprintf(text + at, "sum %s\n", hex);
	*bytes = at;
	return text;
}

/* Below the directory, whatever someone wrote into the file. */
static int is_below(const char *name)
{
	return *name != '\0' && *name != '/' && strcmp(name, "..") != 0 &&
	       strncmp(name, "../", 3) != 0 && strstr(name, "/../") == NULL;
}

/* Cuts text into its lines. *list is malloc'd, its names point into text. ATR_ENOTFOUND: not a
 * whole intent, as a crash while it was written leaves it. */
static enum atr_status from_text(char *text, size_t bytes, struct atr_rewrite_file **list,
                                 size_t *count)
{
	size_t first = sizeof INTENT_FIRST - 1, lines = 0;
	char *line, *end, hex[17];

	*list = NULL;
	*count = 0;
	if (bytes < first + SUM_LINE_BYTES || memcmp(text, INTENT_FIRST, first) != 0 ||
	    strlen(text) != bytes)
		return ATR_ENOTFOUND;
	end = text + bytes - SUM_LINE_BYTES;
	if (sum_of(text, (size_t)(end - text), hex) != 0)
		return ATR_ENOMEM;
	if (end[-1] != '\n' || memcmp(end, "sum ", 4) != 0 || memcmp(end + 4, hex, 16) != 0 ||
	    end[20] != '\n')
		return ATR_ENOTFOUND;
	for (line = text + first; line < end; line++)
		lines += *line == '\n';
	*list = calloc(lines + 1, sizeof **list);
	if (*list == NULL)
		return ATR_ENOMEM;
	for (line = text + first; line < end; line += strlen(line) + 1) {
		struct atr_rewrite_file *file = &(*list)[*count];

		*strchr(line, '\n') = '\0';
		file->remove = strncmp(line, "remove ", 7) == 0;
		file->name = line + (file->remove ? 7 : 8);
		if ((!file->remove && strncmp(line, "replace ", 8) != 0) || !is_below(file->name)) {
			free(*list);
			*list = NULL;
			*count = 0;
			return ATR_ENOTFOUND;
		}
		(*count)++;
	}
	return ATR_OK;
}

/* ---- step 3 ---- */

/* The directory of NAME, "" for the top. */
static size_t directory_bytes(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash != NULL ? (size_t)(slash - name) : 0;
}

static enum atr_status put_in_place(const struct atr_file_table *files, const char *directory,
                                    const struct atr_rewrite_file *file, struct atr_error *err)
{
	char path[PATH_MAX], temporary[PATH_MAX];
	struct atr_file_stat st;
	enum atr_status rc;
	int result;

	rc = join(path, directory, file->name, "", err);
	if (rc == ATR_OK)
		rc = join(temporary, directory, file->name, ".tmp", err);
	if (rc != ATR_OK)
		return rc;
	if (file->remove) {
		result = files->unlink(files->context, path);
		return result < 0 && result != -ENOENT
		               ? atr_file_error(err, result, path, -1, "unlink")
		               : ATR_OK;
	}
	result = files->rename(files->context, temporary, path);
	if (result == -ENOENT) { /* it was renamed before */
		result = files->stat(files->context, path, &st);
		if (result == -ENOENT)
			return atr_error_set(err, ATR_EFORMAT, path, -1,
			                     "named by " INTENT_NAME
			                     ", and neither it nor its .tmp is there");
	}
	return result < 0 ? atr_file_error(err, result, path, -1, "rename") : ATR_OK;
}

static enum atr_status sync_directory_of(const struct atr_file_table *files, const char *directory,
                                         const char *name, struct atr_error *err)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/%.*s", directory, (int)directory_bytes(name), name) >=
	    (int)sizeof path)
		return atr_error_set(err, ATR_EINVAL, directory, -1, "path too long");
	return atr_file_sync_directory(files, path, err);
}

/* Steps 3 and 4. */
static enum atr_status carry_out(const struct atr_file_table *files, const char *directory,
                                 const struct atr_rewrite_file *list, size_t count,
                                 struct atr_error *err)
{
	char path[PATH_MAX];
	enum atr_status rc;
	int result;

	rc = join(path, directory, INTENT_NAME, "", err);
	for (size_t i = 0; i < count && rc == ATR_OK; i++) {
		const char *name = list[i].name, *next = i + 1 < count ? list[i + 1].name : NULL;
		size_t bytes = directory_bytes(name);

		rc = put_in_place(files, directory, &list[i], err);
		if (rc == ATR_OK && (next == NULL || directory_bytes(next) != bytes ||
		                     memcmp(next, name, bytes) != 0))
			rc = sync_directory_of(files, directory, name, err);
	}
	if (rc != ATR_OK)
		return rc;
	result = files->unlink(files->context, path);
	if (result < 0)
		return atr_file_error(err, result, path, -1, "unlink");
	return atr_file_sync_directory(files, directory, err);
}

/* ---- step 2 ---- */

static enum atr_status write_intent(const struct atr_file_table *files, const char *directory,
                                    const char *text, size_t bytes, struct atr_error *err)
{
	char path[PATH_MAX];
	enum atr_status rc;

	rc = join(path, directory, INTENT_NAME, "", err);
	if (rc != ATR_OK)
		return rc;
	rc = atr_file_write_new(files, path, text, bytes, 1, err);
	if (rc == ATR_OK)
		rc = atr_file_sync_directory(files, directory, err);
	if (rc != ATR_OK)
		(void)files->unlink(files->context, path);
	return rc;
}

enum atr_status atr_rewrite_files(const struct atr_file_table *files, const char *directory,
                                  const struct atr_rewrite_file *list, size_t count,
                                  struct atr_error *err)
{
	enum atr_status rc = ATR_OK;
	size_t bytes = 0;
	char *text;

	if (count == 0)
		return ATR_OK;
	/* the new files' names are as durable as what they hold before the intent says so */
	for (size_t i = 0; i < count && rc == ATR_OK; i++) {
		size_t at = directory_bytes(list[i].name);

		if (i + 1 == count || directory_bytes(list[i + 1].name) != at ||
		    memcmp(list[i + 1].name, list[i].name, at) != 0)
			rc = sync_directory_of(files, directory, list[i].name, err);
	}
	if (rc != ATR_OK)
		return rc;
	text = to_text(list, count, &bytes);
	if (text == NULL)
		return atr_error_set(err, ATR_ENOMEM, directory, -1, "no memory for %zu files",
		                     count);
	rc = write_intent(files, directory, text, bytes, err);
	free(text);
	return rc == ATR_OK ? carry_out(files, directory, list, count, err) : rc;
}

#define BLOCK_NAME_BYTES 32 /* number, ".blk" */
#define BLOCK_FILES      4u

/* The files of one block into list. What servers before 2.10 said about the old block goes with
 * it. Returns how many. */
static size_t list_block(const struct atr_file_table *files, const char *msgs_path, uint64_t number,
                         int remove_key, char names[BLOCK_FILES][BLOCK_NAME_BYTES],
                         struct atr_rewrite_file list[BLOCK_FILES])
{
	static const char *const suffixes[BLOCK_FILES] = {"blk", "key", "idx", "fss"};
	size_t listed = 0;

	for (size_t i = 0; i < BLOCK_FILES; i++) {
		int remove = i > 1 || (i == 1 && remove_key);
		struct atr_file_stat st;
		char path[PATH_MAX];

		(void)snprintf(names[i], BLOCK_NAME_BYTES, "%" PRIu64 ".%s", number, suffixes[i]);
		if (remove && (join(path, msgs_path, names[i], "", NULL) != ATR_OK ||
		               files->stat(files->context, path, &st) == -ENOENT))
			continue;
		list[listed++] = (struct atr_rewrite_file){names[i], remove};
	}
	return listed;
}

enum atr_status atr_rewrite_commit(const struct atr_file_table *files, const char *msgs_path,
                                   const uint64_t *number, const uint8_t *remove_key, size_t count,
                                   struct atr_error *err)
{
	struct atr_rewrite_file *list = calloc(count + 1, BLOCK_FILES * sizeof *list);
	char(*names)[BLOCK_FILES][BLOCK_NAME_BYTES] = calloc(count + 1, sizeof *names);
	enum atr_status rc;
	size_t listed = 0;

	if (list != NULL && names != NULL) {
		for (size_t i = 0; i < count; i++)
			listed += list_block(files, msgs_path, number[i],
			                     remove_key != NULL && remove_key[i], names[i],
			                     list + listed);
		rc = atr_rewrite_files(files, msgs_path, list, listed, err);
	} else {
		rc = atr_error_set(err, ATR_ENOMEM, msgs_path, -1, "no memory for %zu blocks",
		                   count);
	}
	free(list);
	free(names);
	return rc;
}

/* ---- after a crash ---- */

/* Reads the intent. ATR_ENOTFOUND: there is none, or not a whole one. text holds the names. */
static enum atr_status read_intent(const struct atr_file_table *files, const char *directory,
                                   char **text, struct atr_rewrite_file **list, size_t *count,
                                   struct atr_error *err)
{
	uint8_t *content = NULL;
	char path[PATH_MAX];
	size_t bytes = 0;
	enum atr_status rc;

	*text = NULL;
	*list = NULL;
	*count = 0;
	rc = join(path, directory, INTENT_NAME, "", err);
	if (rc == ATR_OK)
		rc = atr_file_read_whole(files, path, INTENT_BYTES_MAX, &content, &bytes, err);
	if (rc != ATR_OK)
		return rc == ATR_EFORMAT ? ATR_ENOTFOUND : rc;
	rc = from_text((char *)content, bytes, list, count);
	if (rc != ATR_OK) {
		free(content);
		return rc == ATR_ENOMEM ? atr_error_set(err, rc, path, -1, "no memory to read it")
		                        : rc;
	}
	*text = (char *)content;
	return ATR_OK;
}

struct stray {
	const struct atr_file_table *files;
	const char *directory;
	size_t removed;
};

int atr_rewrite_is_stray(const char *name)
{
	static const char *const names[] = {INTENT_NAME,    "meta.inf.tmp", "meta.sum.tmp",
	                                    "meta.key.tmp", "o.dat.tmp",    "index.db.tmp"};
	const char *dot = strrchr(name, '.');
	size_t digits;

	if (dot == NULL || strcmp(dot, ".tmp") != 0)
		return 0; /* soon, since a directory has thousands of others */
	digits = strspn(name, "0123456789");
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(name, names[i]) == 0)
			return 1;
	}
	return (digits > 0 &&
	        (strcmp(name + digits, ".blk.tmp") == 0 || strcmp(name + digits, ".key.tmp") == 0));
}

static int remove_stray(void *arg, const char *name)
{
	struct stray *stray = arg;
	char path[PATH_MAX];
	int result;

	if (!atr_rewrite_is_stray(name) || join(path, stray->directory, name, "", NULL) != ATR_OK)
		return 0;
	result = stray->files->unlink(stray->files->context, path);
	stray->removed++;
	return result == -ENOENT ? 0 : result;
}

enum atr_status atr_rewrite_finish(const struct atr_file_table *files, const char *directory,
                                   struct atr_error *err)
{
	struct atr_rewrite_file *list;
	struct atr_error own;
	size_t count;
	char *text;
	enum atr_status rc;

	if (err == NULL)
		err = &own;
	rc = read_intent(files, directory, &text, &list, &count, err);
	if (rc == ATR_OK)
		rc = carry_out(files, directory, list, count, err);
	free(list);
	free(text);
	return rc == ATR_ENOTFOUND ? ATR_OK : rc;
}

enum atr_status atr_rewrite_recover(const struct atr_file_table *files, const char *directory,
                                    struct atr_error *err)
{
	struct stray stray = {.files = files, .directory = directory};
	enum atr_status rc = atr_rewrite_finish(files, directory, err);
	int result;

	if (rc != ATR_OK)
		return rc;
	result = files->list(files->context, directory, remove_stray, &stray);
	if (result < 0 && result != -ENOENT)
		return atr_file_error(err, result, directory, -1, "removing unfinished files");
	return stray.removed > 0 ? atr_file_sync_directory(files, directory, err) : ATR_OK;
}

int atr_rewrite_is_pending(const struct atr_file_table *files, const char *directory)
{
	struct atr_rewrite_file *list;
	struct atr_error err;
	size_t count;
	char *text;
	enum atr_status rc = read_intent(files, directory, &text, &list, &count, &err);

	free(list);
	free(text);
	return rc == ATR_OK;
}
