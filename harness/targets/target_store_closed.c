/* target_store_closed.c - what the store target does with streams that are not open: they come
 * under another cipher or key, into a snapshot, out of one. One call of store/inspect.h each.
 */
#include "harness/targets/target_store_inner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/inspect.h"

/* The real files, but the directory is this run's own: no look through all processes for a server.
 */
static const struct atr_file_table *own_files(struct atr_file_table *files)
{
	*files = atr_file_real;
	files->holder = NULL;
	return files;
}

/* A stream to be read, under options' cipher and key. files is borrowed until it is closed. */
static int inspect_open(const struct target_options *options, const char *path,
                        struct atr_file_table *files, struct atr_inspect **out,
                        struct target_error *error)
{
	struct atr_inspect_options inspect = {
	        .files = own_files(files),
	        .account = TARGET_STORE_ACCOUNT,
	        .prefer = atr_cipher_find(options->cipher, options->provider)};
	struct atr_error why;
	enum atr_status status;

	if (atr_cipher_encrypts(inspect.prefer)) {
		inspect.key = options->key;
		inspect.key_bytes = options->key_bytes;
	}
	status = atr_inspect_open(path, &inspect, out, &why);
	return status == ATR_OK ? 0 : target_store_failed(error, status, &why);
}

static int stream_convert(const struct target_options *from, const struct target_options *to,
                          const char *path, struct target_error *error)
{
	const struct atr_cipher *cipher = atr_cipher_find(to->cipher, to->provider);
	const struct atr_cipher *before = atr_cipher_find(from->cipher, from->provider);
	struct atr_file_table files;
	struct atr_inspect_options inspect = {.files = own_files(&files),
	                                      .account = TARGET_STORE_ACCOUNT,
	                                      .prefer = before,
	                                      .exclusive = 1};
	/* Plaintext to plaintext is as asked before anything was done. */
	struct atr_convert_options options = {.cipher = cipher, .anew = 1};
	struct atr_convert_result result;
	struct atr_inspect *in;
	struct atr_error why;
	enum atr_status status;

	if (atr_cipher_encrypts(cipher)) {
		inspect.key = to->key;
		inspect.key_bytes = to->key_bytes;
	}
	if (atr_cipher_encrypts(before)) {
		inspect.prev_key = from->key;
		inspect.prev_key_bytes = from->key_bytes;
	}
	status = atr_inspect_open(path, &inspect, &in, &why);
	if (status == ATR_OK)
		status = atr_convert(in, &options, &result, &why);
	atr_inspect_close(in);
	return status == ATR_OK ? 0 : target_store_failed(error, status, &why);
}

int target_store_convert(const struct target_options *from, const struct target_options *to,
                         const char *directory, struct target_error *error)
{
	char name[TARGET_STORE_NAME_BYTES], path[4096];

	for (uint32_t i = 0; i < to->workload->streams; i++)
		if (target_store_path(directory, i, name, path, error) != 0 ||
		    stream_convert(from, to, path, error) != 0)
			return -1;
	return 0;
}

/* ---- snapshots ---- */

struct snapshot {
	FILE *file;
	const char *path;
};

static enum atr_status snapshot_put(void *arg, const uint8_t *bytes, size_t count,
                                    struct atr_error *err)
{
	struct snapshot *s = arg;

	if (fwrite(bytes, 1, count, s->file) == count)
		return ATR_OK;
	return atr_error_set(err, errno == ENOSPC ? ATR_ENOSPC : ATR_EIO, s->path, -1, "write: %s",
	                     strerror(errno));
}

static enum atr_status snapshot_get(void *arg, void *to, size_t bytes, size_t *got,
                                    struct atr_error *err)
{
	struct snapshot *s = arg;

	*got = fread(to, 1, bytes, s->file);
	if (ferror(s->file) == 0)
		return ATR_OK;
	return atr_error_set(err, ATR_EIO, s->path, -1, "read: %s", strerror(errno));
}

/* Snapshot of stream i, opened. */
static int snapshot_open(const char *file, uint32_t i, const char *mode, char path[4096],
                         struct snapshot *out, struct target_error *error)
{
	snprintf(path, 4096, "%.4000s-%u", file, i + 1);
	out->path = path;
	out->file = fopen(path, mode);
	if (out->file == NULL)
		return target_fail(error, TARGET_SYSTEM, "%s: %s", path, strerror(errno));
	return 0;
}

static int stream_snapshot(const struct target_options *options, const char *directory, uint32_t i,
                           const char *file, struct target_error *error)
{
	char name[TARGET_STORE_NAME_BYTES], path[4096], to[4096];
	struct atr_file_table files;
	struct snapshot s = {0};
	struct atr_backup_options backup = {.sink = snapshot_put, .sink_arg = &s};
	struct atr_inspect *in = NULL;
	struct atr_error why;
	enum atr_status status;
	int rc;

	if (target_store_path(directory, i, name, path, error) != 0 ||
	    inspect_open(options, path, &files, &in, error) != 0)
		return -1;
	rc = snapshot_open(file, i, "w", to, &s, error);
	if (rc == 0) {
		status = atr_inspect_backup(in, &backup, &why);
		if (status != ATR_OK)
			rc = target_store_failed(error, status, &why);
		if (fclose(s.file) != 0 && rc == 0)
			rc = target_fail(error, TARGET_SYSTEM, "%s: %s", to, strerror(errno));
	}
	atr_inspect_close(in);
	return rc;
}

int target_store_snapshot(const struct target_options *options, const char *directory,
                          const char *file, struct target_error *error)
{
	for (uint32_t i = 0; i < options->workload->streams; i++)
		if (stream_snapshot(options, directory, i, file, error) != 0)
			return -1;
	return 0;
}

/* The account's directory of streams, which a restore finds made. */
static int parents_make(const char *path, struct target_error *error)
{
	char part[4096];

	for (size_t at = 1; path[at] != '\0' && strchr(path + at, '/') != NULL; at++) {
		if (path[at] != '/')
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)at, path);
		int rc = atr_file_real.mkdir(atr_file_real.context, part, 0750);
		if (rc != 0 && rc != -EEXIST)
			return target_fail(error, TARGET_SYSTEM, "%s: %s", part, strerror(-rc));
	}
	return 0;
}

static int stream_restore(const struct target_options *options, const char *file, uint32_t i,
                          const char *directory, struct target_error *error)
{
	char name[TARGET_STORE_NAME_BYTES], path[4096], from[4096];
	struct atr_file_table files;
	struct snapshot s = {0};
	struct atr_restore_options how = {
	        .files = own_files(&files),
	        .source = snapshot_get,
	        .source_arg = &s,
	        .cipher = atr_cipher_find(options->cipher, options->provider)};
	struct atr_restore_result result;
	struct atr_restore *restore = NULL;
	struct atr_error why;
	enum atr_status status;

	if (atr_cipher_encrypts(how.cipher)) {
		how.key = options->key;
		how.key_bytes = options->key_bytes;
	}
	if (target_store_path(directory, i, name, path, error) != 0 ||
	    parents_make(path, error) != 0 || snapshot_open(file, i, "r", from, &s, error) != 0)
		return -1;
	status = atr_restore_open(&how, &restore, &why);
	if (status == ATR_OK)
		status = atr_restore_into(restore, path, TARGET_STORE_ACCOUNT, &result, &why);
	atr_restore_close(restore);
	fclose(s.file);
	return status == ATR_OK ? 0 : target_store_failed(error, status, &why);
}

int target_store_restore(const struct target_options *options, const char *file,
                         const char *directory, struct target_error *error)
{
	for (uint32_t i = 0; i < options->workload->streams; i++)
		if (stream_restore(options, file, i, directory, error) != 0)
			return -1;
	return 0;
}

/* ---- is it what it should be? ---- */

static int blocks_are_under(struct atr_inspect *in, const struct target_options *options,
                            const char *path, struct target_error *error)
{
	struct atr_inspect_stream stream;
	struct atr_inspect_block block;
	struct atr_error why;
	enum atr_status status = atr_inspect_open_keys(in, &why);

	if (status != ATR_OK)
		return target_store_failed(error, status, &why);
	atr_inspect_stream(in, &stream);
	for (size_t i = 0; i < stream.blocks; i++) {
		atr_inspect_block(in, i, &block);
		if (strcmp(block.cipher, options->cipher) != 0)
			return target_fail(error, TARGET_VERIFY,
			                   "%s: block %llu is under cipher %s, expected %s", path,
			                   (unsigned long long)block.number, block.cipher,
			                   options->cipher);
	}
	return 0;
}

int target_store_is_under(const struct target_options *options, const char *directory,
                          struct target_error *error)
{
	char name[TARGET_STORE_NAME_BYTES], path[4096];
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < options->workload->streams; i++) {
		struct atr_file_table files;
		struct atr_inspect *in = NULL;
		if (target_store_path(directory, i, name, path, error) != 0 ||
		    inspect_open(options, path, &files, &in, error) != 0)
			return -1;
		rc = blocks_are_under(in, options, path, error);
		atr_inspect_close(in);
	}
	return rc;
}
