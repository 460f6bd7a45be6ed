/* restore_tar.c - the tar of a snapshot: its files become a directory, which is read as any closed
 * stream is. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/restore.h"
#include "store/scratch.h"
#include "store/survey.h"

#define META_BYTES_MAX  ((uint64_t)16 * 1024 * 1024)
#define STATE_BYTES_MAX ((uint64_t)256 * 1024 * 1024)
/* Blocks of servers end at 8 MiB and a record; ours are what --block-bytes says. */
#define BLOCK_BYTES_MAX ((uint64_t)64 * 1024 * 1024 * 1024)
#define PIECE_BYTES     ((size_t)256 * 1024)

/* The largest size of a file of that name; 0: not needed. */
static uint64_t bytes_allowed(const char *name)
{
	const char *suffix = strrchr(name, '.'), *base = strrchr(name, '/');

	base = base != NULL ? base + 1 : name;
	if (strcmp(base, "meta.inf") == 0 || strcmp(base, "meta.sum") == 0)
		return META_BYTES_MAX;
	if (strncmp(name, "obs/", 4) == 0)
		return strcmp(base, "o.dat") == 0 ? STATE_BYTES_MAX : 0;
	if (strncmp(name, "msgs/", 5) != 0 || base != name + 5 || suffix == NULL)
		return 0;
	if (strcmp(base, "index.db") == 0)
		return BLOCK_BYTES_MAX;
	return strcmp(suffix, ".blk") == 0                                  ? BLOCK_BYTES_MAX
	       : strcmp(suffix, ".idx") == 0 || strcmp(suffix, ".fss") == 0 ? STATE_BYTES_MAX
	                                                                    : 0;
}

/* What a server put into the snapshot instead of going on. */
static enum atr_status read_server_error(struct atr_restore *r, struct atr_error *err)
{
	char text[256];
	size_t got = 0;

	(void)snapshot_tar_data(r->tar, text, sizeof text - 1, &got, NULL);
	return atr_error_set(err, ATR_EFORMAT, NULL, -1,
	                     "the server that made the backup failed: %.*s", (int)got, text);
}

/* work/in/<name>, its directories made. */
static enum atr_status make_parents(struct atr_restore *r, const char *name, char path[PATH_MAX],
                                    struct atr_error *err)
{
	int n = snprintf(path, PATH_MAX, "%s/in/%s", r->work, name);
	size_t from = strlen(r->work) + 1;

	if (n >= PATH_MAX)
		return atr_error_set(err, ATR_EINVAL, r->work, -1, "path too long");
	for (char *slash = strchr(path + from, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		int result;

		*slash = '\0';
		result = r->files->mkdir(r->files->context, path, 0700);
		if (result < 0 && result != -EEXIST)
			return atr_file_error(err, result, path, -1, "mkdir");
		*slash = '/';
	}
	return ATR_OK;
}

static enum atr_status write_entry(struct atr_restore *r, const struct atr_file_table *table,
                                   const char *name, const uint8_t *meta, uint8_t *piece,
                                   struct atr_error *err)
{
	char path[PATH_MAX];
	uint64_t offset = 0;
	size_t got = r->meta_bytes;
	enum atr_status rc = make_parents(r, name, path, err);
	int fd;

	if (rc != ATR_OK)
		return rc;
	fd = table->open(table->context, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd == -EEXIST)
		return atr_error_set(err, ATR_EFORMAT, NULL, -1, "\"%.200s\" is there twice", name);
	if (fd < 0)
		return atr_file_error(err, fd, path, -1, "create");
	if (meta != NULL)
		rc = atr_file_write_all(table, fd, path, meta, got, 0, err);
	while (meta == NULL && rc == ATR_OK) {
		rc = snapshot_tar_data(r->tar, piece, PIECE_BYTES, &got, err);
		if (rc != ATR_OK || got == 0)
			break;
		rc = atr_file_write_all(table, fd, path, piece, got, offset, err);
		offset += got;
	}
	(void)table->close(table->context, fd);
	return rc;
}

static enum atr_status unpack(struct atr_restore *r, const struct atr_file_table *table,
                              struct atr_error *err)
{
	uint8_t *piece = malloc(PIECE_BYTES);
	const char *name;
	uint64_t bytes;
	enum atr_status rc;

	if (piece == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory");
	rc = write_entry(r, table, "meta.inf", r->meta, piece, err);
	while (rc == ATR_OK && (rc = snapshot_tar_next(r->tar, &name, &bytes, err)) == ATR_OK) {
		if (strcmp(name, "errors.txt") == 0)
			rc = read_server_error(r, err);
		else if (bytes_allowed(name) == 0)
			continue;
		else if (bytes > bytes_allowed(name))
			rc = atr_error_set(err, ATR_EFORMAT, NULL, -1,
			                   "\"%.200s\" of %" PRIu64 " bytes", name, bytes);
		else
			rc = write_entry(r, table, name, NULL, piece, err);
	}
	free(piece);
	return rc == ATR_END ? ATR_OK : rc;
}

static enum atr_status copy_consumer(struct atr_restore *r, struct atr_inspect *in,
                                     const char *name, struct atr_error *err)
{
	struct atr_consumer_state state;
	struct atr_meta meta;
	enum atr_status rc = survey_read_consumer_state(in, name, &meta, &state, err);

	if (rc != ATR_OK) {
		struct atr_error about = *err;

		rc = atr_error_set(err, rc == ATR_ENOMEM ? rc : ATR_EFORMAT, NULL, -1,
		                   "consumer \"%.255s\": %.200s", name, about.text);
	}
	if (rc == ATR_OK)
		rc = restore_put_consumer(r, name, meta.config, &state, err);
	atr_meta_free(&meta);
	atr_consumer_free(&state);
	return rc;
}

static enum atr_status copy_stream(struct atr_restore *r, struct atr_inspect *in,
                                   const struct restore_findings *findings, struct atr_error *err)
{
	struct atr_inspect_message m;
	enum atr_status rc;

	while ((rc = atr_inspect_next(in, &m, err)) == ATR_OK && !findings->bad)
		if ((rc = restore_put_message(r, &m.message, err)) != ATR_OK)
			return rc;
	if (rc != ATR_OK && rc != ATR_END)
		return rc;
	rc = ATR_OK;
	for (size_t i = 0; i < in->consumer_count && rc == ATR_OK; i++)
		rc = copy_consumer(r, in, in->consumer[i].name, err);
	if (rc == ATR_OK &&
	    (findings->bad || in->state.damaged || r->put.messages != in->state.messages)) {
		*err = findings->first;
		rc = findings->bad ? ATR_EFORMAT
		                   : atr_error_set(err, ATR_EFORMAT, NULL, -1,
		                                   "found %" PRIu64
		                                   " messages, its state files say %" PRIu64,
		                                   r->put.messages, in->state.messages);
	}
	r->last_seq = in->state.last_seq;
	return rc;
}

enum atr_status restore_tar(struct atr_restore *r, struct atr_error *err)
{
	const struct atr_file_table *table = r->files;
	struct restore_findings findings = {0};
	struct scratch *scratch = NULL;
	struct atr_inspect *in = NULL;
	char path[PATH_MAX];
	enum atr_status rc = ATR_OK;

	if (r->options.cipher != NULL && atr_cipher_encrypts(r->options.cipher))
		rc = scratch_open(r->files, &scratch, &table, err);
	if (rc == ATR_OK)
		rc = unpack(r, table, err);
	if (rc == ATR_OK) {
		struct atr_inspect_options o = {
		        .files = table,
		        .stream = r->stream,
		        .finding = restore_take_finding,
		        .finding_arg = &findings,
		};

		(void)snprintf(path, sizeof path, "%.*s/in", PATH_MAX - 8, r->work);
		rc = atr_inspect_open(path, &o, &in, err);
		if (rc == ATR_EAUTH || rc == ATR_ENOTSTORE || rc == ATR_ENOKEY)
			rc = ATR_EFORMAT;
	}
	if (rc == ATR_OK)
		rc = copy_stream(r, in, &findings, err);
	atr_inspect_close(in);
	scratch_close(scratch);
	return rc;
}
