/* convert.c - a stream under another cipher or key: the steps of convert_inner.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/secret.h"
#include "store/convert_inner.h"

/* For what is not in blocks, and for placeholders. */
#define SPARE_BYTES (UINT64_C(1024) * 1024)

enum atr_status convert_check_found(const struct atr_inspect *in, struct atr_error *err)
{
	if (in->found[ATR_FINDING_DAMAGE] > 0 || in->state.damaged)
		return atr_error_set(err, ATR_EFORMAT, in->dir, -1,
		                     "damaged, nothing was changed: a copy would lose what "
		                     "`stream repair` may save");
	if (in->found[ATR_FINDING_UNSUPPORTED] > 0)
		return atr_error_set(err, ATR_EUNSUPPORTED, in->dir, -1,
		                     "not all of it can be read, nothing was changed");
	if (in->found[ATR_FINDING_SYSTEM] > 0)
		return atr_error_set(err, ATR_EIO, in->dir, -1,
		                     "not all of it can be read, nothing was changed");
	return ATR_OK;
}

void convert_tell(struct convert *c, enum atr_convert_step step)
{
	const struct atr_inspect *in = c->in;
	uint64_t done;

	if (c->options->progress == NULL || !in->reading)
		return;
	done = in->bytes_before + atr_walk_offset(in->scan.walk);
	if (done >= c->told_bytes && done - c->told_bytes < UINT64_C(1024) * 1024)
		return;
	c->told_bytes = done;
	c->options->progress(c->options->progress_arg, step, done, c->whole_bytes);
}

/* ---- what there is to do ---- */

/* 1 when the directories have changed places already; *doubt when that cannot be seen. */
static int exchanged(const struct convert *c, int *doubt)
{
	struct atr_file_stat st;
	char log[PATH_MAX];
	int result = -ENAMETOOLONG;

	if (filetree_join(log, c->in->dir, CONVERT_LOG_NAME, NULL) == ATR_OK)
		result = c->files->stat(c->files->context, log, &st);
	*doubt = result < 0 && result != -ENOENT;
	return result == 0;
}

/* The stream's last step, after a kill or a failure there: dir is the new one. */
static enum atr_status finish(struct convert *c, int *finished, struct atr_error *err)
{
	char log[PATH_MAX];
	enum atr_status rc = filetree_join(log, c->in->dir, CONVERT_LOG_NAME, err);
	int result, doubt;

	*finished = 0;
	if (rc != ATR_OK)
		return rc;
	if (!exchanged(c, &doubt))
		return doubt ? atr_error_set(err, ATR_EIO, log, -1, "cannot be looked at") : ATR_OK;
	/* seen by the others: the exchange itself may not have been durable yet */
	rc = atr_file_sync_directory(c->files, c->parent, err);
	if (rc == ATR_OK)
		rc = filetree_remove(c->files, c->sibling, err);
	if (rc == ATR_OK)
		rc = atr_file_sync_directory(c->files, c->parent, err);
	if (rc != ATR_OK)
		return rc;
	result = c->files->unlink(c->files->context, log);
	if (result < 0)
		return atr_file_error(err, result, log, -1, "remove");
	*finished = 1;
	return atr_file_sync_directory(c->files, c->in->dir, err);
}

struct census {
	unsigned clear, chachapoly, aes; /* files under each */
	unsigned prev;                   /* under the previous key */
};

static void count_seed(struct census *n, const struct atr_seed *seed)
{
	const char *name = seed != NULL ? atr_cipher_name(seed->cipher) : "none";

	n->clear += seed == NULL;
	n->chachapoly += strcmp(name, "chachapoly") == 0;
	n->aes += strcmp(name, "aes") == 0;
	n->prev += seed != NULL && seed->under_prev_key;
}

static enum atr_status count_blocks(struct convert *c, struct census *n, struct atr_error *err)
{
	struct atr_inspect *in = c->in;
	struct atr_seed *seed = atr_secret_alloc(sizeof *seed);
	enum atr_status rc = ATR_OK;

	if (seed == NULL)
		return atr_error_set(err, ATR_ENOMEM, in->dir, -1, "no memory for a key");
	for (size_t i = 0; i < in->block_count && rc == ATR_OK; i++) {
		c->whole_bytes += in->block[i].file_bytes;
		rc = atr_block_read_key(&in->home, in->block[i].number, seed, err);
		if (rc == ATR_OK || rc == ATR_ENOTFOUND)
			count_seed(n, rc == ATR_OK ? seed : NULL);
		if (rc == ATR_ENOTFOUND)
			rc = ATR_OK;
	}
	atr_secret_free(seed);
	return rc;
}

/* Also reads all there is of consumers: what cannot be read is refused before anything is made. */
static enum atr_status count_consumers(struct convert *c, struct census *n, int *newer,
                                       struct atr_error *err)
{
	struct atr_meta *meta = atr_secret_alloc(sizeof *meta);
	struct atr_inspect_consumer known;
	enum atr_status rc = ATR_OK;
	uint8_t *text;
	size_t bytes;

	if (meta == NULL)
		return atr_error_set(err, ATR_ENOMEM, c->in->dir, -1, "no memory for a key");
	for (size_t i = 0; i < c->in->consumer_count && rc == ATR_OK; i++) {
		rc = atr_inspect_consumer(c->in, i, &known, err);
		if (rc != ATR_OK)
			break;
		rc = survey_read_consumer(c->in, known.name, meta, &text, &bytes, err);
		free(text);
		if (rc == ATR_OK) {
			count_seed(n, meta->encrypted ? &meta->seed : NULL);
			*newer |= convert_config_is_newer(meta->config, 1);
		}
		atr_meta_free(meta);
	}
	atr_secret_free(meta);
	return rc;
}

/* Would 2.9 read the blocks as they are: nothing compressed, no tombstone, no gap inside? */
static enum atr_status blocks_suit_2_9(struct convert *c, int *suit, struct atr_error *err)
{
	struct atr_inspect *in = c->in;
	struct atr_record record;
	enum atr_status rc = ATR_OK;
	int readable;

	*suit = 1;
	for (size_t i = 0; i < in->block_count && *suit && rc == ATR_OK; i++) {
		uint64_t previous = 0;

		rc = scan_open(in, &in->scan, &in->block[i], &readable, err);
		if (rc != ATR_OK || !readable)
			break;
		*suit = !atr_walk_is_compressed(in->scan.walk);
		while (*suit && (rc = scan_next(in, &in->scan, &record, NULL, err)) == ATR_OK) {
			uint64_t s = record.message.sequence;

			*suit = record.kind != ATR_RECORD_TOMBSTONE &&
			        (previous == 0 || s == previous + 1) &&
			        (previous != 0 || record.kind == ATR_RECORD_MESSAGE);
			previous = s;
		}
		rc = rc == ATR_END ? ATR_OK : rc;
	}
	return rc;
}

static const char *mixed_name(const struct census *n)
{
	int kinds = (n->clear > 0) + (n->chachapoly > 0) + (n->aes > 0);

	if (kinds > 1)
		return "mixed";
	return n->aes > 0 ? "aes" : n->chachapoly > 0 ? "chachapoly" : "none";
}

/* Fills the result with what is there, and whether that is what was asked for. */
static enum atr_status look(struct convert *c, struct atr_error *err)
{
	struct atr_inspect *in = c->in;
	struct atr_convert_result *r = c->result;
	struct census n = {0};
	int newer = convert_config_is_newer(in->meta->config, 0), suit = 1;
	enum atr_status rc;

	count_seed(&n, in->meta->encrypted ? &in->meta->seed : NULL);
	rc = count_blocks(c, &n, err);
	if (rc == ATR_OK)
		rc = count_consumers(c, &n, &newer, err);
	if (rc == ATR_OK)
		rc = convert_check_found(in, err);
	if (rc != ATR_OK)
		return rc;
	r->from = mixed_name(&n);
	r->rotated = n.prev > 0;
	r->blocks_before = in->block_count;
	r->bytes_before = c->whole_bytes;
	r->already = strcmp(r->from, r->to) == 0 && !r->rotated &&
	             (c->cipher == NULL || in->found[ATR_FINDING_CLEAR] == 0);
	if (r->already && c->options->wanted_for == ATR_CONVERT_2_9) {
		rc = blocks_suit_2_9(c, &suit, err);
		r->already = suit && !newer;
	}
	if (c->options->anew)
		r->already = 0;
	return rc;
}

/* ---- making it ---- */

static enum atr_status make_directory(struct convert *c, const char *path, struct atr_error *err)
{
	int result = c->files->mkdir(c->files->context, path, 0750);

	return result < 0 ? atr_file_error(err, result, path, -1, "mkdir") : ATR_OK;
}

/* The sibling, with what a killed conversion left there if that is of use. */
static enum atr_status prepare(struct convert *c, int may_resume, struct atr_error *err)
{
	enum atr_status rc = ATR_OK;
	int resumed = 0;

	c->skip_blocks = 0;
	c->kept_number = c->kept_last_seq = 0;
	if (may_resume)
		rc = convert_resume(c, &resumed, err);
	c->result->resumed = resumed;
	if (rc != ATR_OK || resumed)
		return rc;
	c->kept_number = c->kept_last_seq = 0;
	rc = filetree_remove(c->files, c->sibling, err);
	if (rc == ATR_OK)
		rc = make_directory(c, c->sibling, err);
	if (rc == ATR_OK)
		rc = convert_log_begin(c, err);
	if (rc == ATR_OK)
		rc = make_directory(c, c->msgs, err);
	return rc;
}

static enum atr_status check_space(struct convert *c, struct atr_error *err)
{
	uint64_t have, need = c->whole_bytes + SPARE_BYTES;
	int result;

	if (c->files->free_bytes == NULL)
		return ATR_OK;
	for (size_t i = 0; i < c->skip_blocks; i++)
		need -= c->in->block[i].file_bytes;
	result = c->files->free_bytes(c->files->context, c->sibling, &have);
	if (result < 0)
		return atr_file_error(err, result, c->sibling, -1, "free space");
	if (have < need)
		return atr_error_set(err, ATR_ENOSPC, c->parent, -1,
		                     "a copy of the stream needs %" PRIu64 " bytes, %" PRIu64
		                     " are free",
		                     need, have);
	return ATR_OK;
}

static enum atr_status sync_all(struct convert *c, struct atr_error *err)
{
	enum atr_status rc = filetree_own(c->files, c->sibling, c->in->dir, err);

	if (rc == ATR_OK)
		rc = atr_file_sync_directory(c->files, c->msgs, err);
	if (rc == ATR_OK)
		rc = atr_file_sync_directory(c->files, c->sibling, err);
	if (rc == ATR_OK)
		rc = atr_file_sync_directory(c->files, c->parent, err);
	return rc;
}

static void close_made(struct convert *c)
{
	if (c->log_fd >= 0)
		(void)c->files->close(c->files->context, c->log_fd);
	c->log_fd = -1;
	atr_inspect_close(c->made);
	c->made = NULL;
}

static enum atr_status make(struct convert *c, int may_resume, struct atr_error *err)
{
	enum atr_status rc = prepare(c, may_resume, err);

	if (rc == ATR_OK)
		rc = check_space(c, err);
	c->told_bytes = 0;
	if (rc == ATR_OK)
		rc = convert_copy(c, err);
	if (rc == ATR_OK)
		rc = convert_meta(c, err);
	c->told_bytes = 0;
	if (rc == ATR_OK)
		rc = convert_compare(c, err);
	if (rc == ATR_OK)
		rc = sync_all(c, err);
	return rc;
}

/* Blocks of the result that an earlier run had made. */
static void count_kept(struct convert *c)
{
	for (size_t i = 0; i < c->made->block_count; i++)
		c->result->blocks_kept += c->made->block[i].number <= c->kept_number;
}

static enum atr_status replace(struct convert *c, struct atr_error *err)
{
	enum atr_status rc = make(c, 1, err);
	int finished, doubt;

	/* What a killed run left may be of another source or key: not worth more than a second try
	 */
	if ((rc == ATR_EFORMAT || rc == ATR_EAUTH || rc == ATR_ENOTFOUND) && c->result->resumed &&
	    convert_check_found(c->in, NULL) == ATR_OK) {
		close_made(c);
		rc = make(c, 0, err);
	}
	if (rc != ATR_OK)
		goto undo;
	count_kept(c);
	rc = convert_exchange(c->files, c->in->dir, c->sibling, c->parent, err);
	if (rc != ATR_OK)
		goto undo;
	if (c->options->progress != NULL)
		c->options->progress(c->options->progress_arg, ATR_CONVERT_REMOVING, c->whole_bytes,
		                     c->whole_bytes);
	rc = finish(c, &finished, err);
	close_made(c);
	return rc;
undo:
	close_made(c);
	/* where the exchange was done all the same, the next call goes on from there */
	if (atr_convert_recover(c->files, c->in->dir, NULL) == ATR_OK && !exchanged(c, &doubt) &&
	    !doubt)
		(void)filetree_remove(c->files, c->sibling, NULL);
	return rc;
}

/* ---- from outside ---- */

/* A stream whose state files are those of an old server is kept for it. */
static int is_of_2_9(const struct atr_inspect *in)
{
	if (in->index.version != 0)
		return 0;
	for (size_t i = 0; i < in->block_count; i++)
		if (in->block[i].has_idx)
			return 1;
	return 0;
}

static enum atr_status begin(struct convert *c, struct atr_error *err)
{
	const struct atr_convert_options *o = c->options;
	struct atr_inspect *in = c->in;
	const char *compression =
	        json_string_value(json_object_get(in->meta->config, "compression"));
	enum atr_status rc;

	c->cipher = o->cipher != NULL     ? o->cipher
	            : in->meta->encrypted ? in->meta->seed.cipher
	                                  : NULL;
	if (c->cipher != NULL && !atr_cipher_encrypts(c->cipher))
		c->cipher = NULL;
	c->result->to = c->cipher != NULL ? atr_cipher_name(c->cipher) : "none";
	if (c->cipher != NULL && (in->ring.key == NULL || in->ring.key_bytes == 0))
		return atr_error_set(err, ATR_ENOKEY, in->dir, -1, "no key to encrypt with");
	if (c->cipher != NULL)
		c->ring = (struct atr_keyring){in->ring.key, in->ring.key_bytes, NULL, 0};
	c->for_2_9 = o->wanted_for == ATR_CONVERT_2_9 ||
	             (o->wanted_for == ATR_CONVERT_AS_IS && is_of_2_9(in));
	c->compress = o->wanted_for != ATR_CONVERT_2_9 && compression != NULL &&
	              strcmp(compression, "s2") == 0;
	rc = convert_paths(in->dir, c->parent, c->sibling, err);
	if (rc == ATR_OK)
		rc = filetree_join(c->msgs, c->sibling, "msgs", err);
	c->home = in->home;
	c->home.msgs_path = c->msgs;
	c->home.ring = &c->ring;
	return rc;
}

enum atr_status atr_convert(struct atr_inspect *in, const struct atr_convert_options *options,
                            struct atr_convert_result *result, struct atr_error *err)
{
	struct atr_error ignored;
	struct convert *c = calloc(1, sizeof *c);
	enum atr_status rc;

	memset(result, 0, sizeof *result);
	result->from = result->to = "none";
	if (err == NULL)
		err = &ignored;
	if (c == NULL)
		return atr_error_set(err, ATR_ENOMEM, in->dir, -1, "no memory");
	c->in = in;
	c->files = in->home.files;
	c->options = options;
	c->result = result;
	c->log_fd = -1;
	rc = begin(c, err);
	if (rc == ATR_OK) /* the old files stay as long as the new ones are not seen to be whole */
		rc = convert_check_found(in, err);
	if (rc == ATR_OK && !options->dry_run)
		rc = finish(c, &result->finished, err);
	if (rc == ATR_OK)
		rc = look(c, err);
	if (rc == ATR_OK && !result->already && options->dry_run) {
		rc = convert_copy(c, err);
		result->messages = in->messages;
		result->consumers = in->consumer_count;
	} else if (rc == ATR_OK && !result->already) {
		rc = replace(c, err);
	}
	free(c);
	return rc;
}
