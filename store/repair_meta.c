/* repair_meta.c - meta files of the stream and its consumers, and their states. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/secret.h"
#include "store/config.h"
#include "store/consumer.h"
#include "store/repair_inner.h"

#define META_BYTES_MAX  ((size_t)16 * 1024 * 1024)
#define STATE_BYTES_MAX ((size_t)256 * 1024 * 1024)

/* meta.sum over meta.inf as it stands. */
static enum atr_status write_sum(struct repair *r, const char *dir, const char *hash_name,
                                 struct atr_error *err)
{
	struct atr_hash_key key;
	char path[PATH_MAX], hex[17];
	uint8_t *inf;
	enum atr_status rc;
	size_t bytes;

	if (snprintf(path, sizeof path, "%s/meta.inf", dir) >= (int)sizeof path ||
	    atr_hash_key_init(&key, hash_name) != 0)
		return atr_error_set(err, ATR_EINVAL, dir, -1, "path too long");
	rc = atr_file_read_whole(&r->files, path, META_BYTES_MAX, &inf, &bytes, err);
	if (rc != ATR_OK)
		return rc;
	atr_hash_hex(atr_hash64(&key, inf, bytes), hex);
	free(inf);
	(void)snprintf(path, sizeof path, "%s/meta.sum", dir);
	return atr_file_replace(&r->files, path, hex, 16, err);
}

/* ---- the stream ---- */

/* The configuration of a stream that lost its own. */
static enum atr_status make_config(struct repair *r, json_t **out, struct atr_error *err)
{
	json_t *subjects, *minimal;
	const char *filter;
	json_t *ignored;
	char *text;
	enum atr_status rc;

	*out = NULL;
	if (r->options->config_json != NULL)
		return atr_config_make(r->options->config_json, r->stream,
		                       r->files.realtime_ns(r->files.context), out, err);
	subjects = json_array();
	json_object_foreach(r->subjects, filter, ignored)(void)
	        json_array_append_new(subjects, json_string(filter));
	minimal = json_array_size(subjects) > 0 ? json_pack("{s:o}", "subjects", subjects)
	                                        : json_object();
	if (json_array_size(subjects) == 0)
		json_decref(subjects);
	text = json_dumps(minimal, JSON_COMPACT);
	json_decref(minimal);
	if (text == NULL)
		return atr_error_set(err, ATR_ENOMEM, r->dir, -1, "no memory");
	rc = atr_config_make(text, r->stream, r->files.realtime_ns(r->files.context), out, err);
	free(text);
	return rc;
}

/* The cipher that the blocks have: of the last one with a key. */
static const struct atr_cipher *cipher_of_blocks(const struct repair *r)
{
	const struct atr_cipher *cipher = NULL;

	for (size_t i = 0; i < r->in->block_count; i++)
		if (strcmp(r->in->block[i].cipher, "none") != 0 &&
		    atr_cipher_find(r->in->block[i].cipher, NULL) != NULL)
			cipher = atr_cipher_find(r->in->block[i].cipher, NULL);
	return cipher;
}

static enum atr_status replace_meta(struct repair *r, struct atr_error *err)
{
	const struct atr_cipher *cipher = cipher_of_blocks(r);
	struct atr_seed *seed = atr_secret_alloc(sizeof *seed);
	json_t *config = NULL;
	enum atr_status rc;

	rc = seed == NULL ? atr_error_set(err, ATR_ENOMEM, r->dir, -1, "no memory for a key")
	                  : make_config(r, &config, err);
	if (rc == ATR_OK && r->in->meta->encrypted && cipher == NULL)
		rc = atr_error_set(err, ATR_EFORMAT, r->dir, -1,
		                   "no block tells which cipher the stream is under");
	if (rc == ATR_OK && r->in->meta->encrypted)
		rc = atr_keyfile_make(&r->files, cipher, seed);
	if (rc == ATR_OK && r->in->meta->encrypted && r->options->key_bytes == 0)
		rc = atr_error_set(err, ATR_ENOKEY, r->dir, -1,
		                   "the current key is needed to write meta.key");
	if (rc != ATR_OK)
		goto done;
	repair_tell(r, "meta.inf", 0, 0,
	            r->in->meta->encrypted ? "written anew with meta.sum and a meta.key, %s: %s"
	                                   : "written anew with meta.sum, %s: %s",
	            r->options->config_json != NULL
	                    ? "from the given configuration"
	                    : "with a server's defaults and the subjects of the messages",
	            r->finding_count > 0 ? r->finding[0].text : "lost");
	if (r->apply)
		rc = atr_meta_write(&r->files, r->copy, &r->in->ring, r->account, r->stream,
		                    r->stream, config, r->in->meta->encrypted ? seed : NULL, err);
done:
	json_decref(config);
	atr_secret_free(seed);
	return rc;
}

/* ---- consumers ---- */

/* An o.dat that never delivered anything. */
static enum atr_status reset_state(struct repair *r, const char *path, const struct atr_meta *meta,
                                   struct atr_error *err)
{
	const struct atr_consumer_state nothing = {0};
	uint8_t *text = NULL, *sealed = NULL;
	size_t text_bytes = 0, sealed_bytes = 0;
	enum atr_status rc;

	rc = atr_consumer_encode(&nothing, r->files.realtime_ns(r->files.context) / 1000000000,
	                         &text, &text_bytes);
	if (rc == ATR_OK && meta->encrypted)
		rc = atr_meta_seal(&r->files, &meta->seed, text, text_bytes, &sealed,
		                   &sealed_bytes);
	if (rc != ATR_OK)
		(void)atr_error_set(err, rc, path, -1, "an empty state: %s", atr_status_text(rc));
	else
		rc = atr_file_replace(&r->files, path, sealed != NULL ? sealed : text,
		                      sealed != NULL ? sealed_bytes : text_bytes, err);
	free(text);
	free(sealed);
	return rc;
}

/* 1 when o.dat is there and cannot be read under these meta files; why is a constant text. */
static int state_is_damaged(struct repair *r, const char *path, const struct atr_meta *meta,
                            const char **why)
{
	struct atr_consumer_state state;
	uint8_t *content, *text = NULL;
	size_t bytes, text_bytes = 0;
	struct atr_error ignored;
	enum atr_status rc;

	*why = NULL;
	rc = atr_file_read_whole(&r->files, path, STATE_BYTES_MAX, &content, &bytes, &ignored);
	if (rc == ATR_ENOTFOUND)
		return 0;
	if (rc != ATR_OK)
		return 1;
	rc = ATR_OK;
	if (meta->encrypted)
		rc = atr_meta_unseal(&meta->seed, content, bytes, &text, &text_bytes);
	if (rc == ATR_OK)
		rc = text != NULL ? atr_consumer_decode(text, text_bytes, &state, why)
		                  : atr_consumer_decode(content, bytes, &state, why);
	else if (rc == ATR_EAUTH) { /* clear text is not damage */
		*why = "message authentication failed";
		rc = atr_consumer_decode(content, bytes, &state, &(const char *){NULL});
	}
	if (rc == ATR_OK)
		atr_consumer_free(&state);
	free(content);
	free(text);
	return rc != ATR_OK;
}

static enum atr_status repair_consumer(struct repair *r, const char *name, struct atr_meta *meta,
                                       struct atr_error *err)
{
	char dir[PATH_MAX], context[600], hash_name[600], below[600], path[PATH_MAX];
	struct atr_error why = {0};
	const char *text;
	enum atr_status rc;

	if (snprintf(dir, sizeof dir, "%s/obs/%s", r->copy, name) >= (int)sizeof dir ||
	    snprintf(path, sizeof path, "%s/o.dat", dir) >= (int)sizeof path)
		return atr_error_set(err, ATR_EINVAL, r->copy, -1, "path too long");
	(void)snprintf(context, sizeof context, "%s.%s", r->stream, name);
	(void)snprintf(hash_name, sizeof hash_name, "%s/%s", r->stream, name);
	rc = atr_meta_read(&r->files, dir, &r->in->ring, r->account, context, hash_name, meta,
	                   &why);
	if (rc == ATR_EFORMAT && atr_meta_read_unsummed(&r->files, dir, &r->in->ring, r->account,
	                                                context, meta, NULL) == ATR_OK) {
		(void)snprintf(below, sizeof below, "obs/%.255s/meta.sum", name);
		repair_tell(r, below, 0, 0, "written anew: %s", why.text);
		rc = r->apply ? write_sum(r, dir, hash_name, err) : ATR_OK;
		if (rc != ATR_OK)
			return rc;
	} else if (rc == ATR_ENOMEM || rc == ATR_EMFILE || rc == ATR_EIO) {
		*err = why;
		return rc;
	} else if (rc != ATR_OK) {
		(void)snprintf(below, sizeof below, "obs/%.255s", name);
		repair_tell(r, below, 0, 0, "the consumer is set aside: %s%s", why.text,
		            rc == ATR_EAUTH && r->options->prev_key == NULL
		                    ? " (if it is under the previous key, give that too)"
		                    : "");
		return r->apply ? filetree_remove(&r->files, dir, err) : ATR_OK;
	}
	if (!state_is_damaged(r, path, meta, &text))
		return ATR_OK;
	(void)snprintf(below, sizeof below, "obs/%.255s/o.dat", name);
	repair_tell(r, below, 0, 0, "reset, the consumer begins anew: %s",
	            text != NULL ? text : "not readable");
	return r->apply ? reset_state(r, path, meta, err) : ATR_OK;
}

enum atr_status repair_meta(struct repair *r, struct atr_error *err)
{
	struct atr_meta *meta = atr_secret_alloc(sizeof *meta);
	const struct repair_finding *sum = repair_found(r, "meta.sum", ATR_FINDING_DAMAGE);
	enum atr_status rc = ATR_OK;

	if (meta == NULL)
		return atr_error_set(err, ATR_ENOMEM, r->dir, -1, "no memory for a key");
	if (r->in->meta_is_lost) {
		rc = replace_meta(r, err);
	} else if (sum != NULL) {
		repair_tell(r, "meta.sum", 0, 0, "written anew: %s", sum->text);
		if (r->apply)
			rc = write_sum(r, r->copy, r->stream, err);
	}
	for (size_t i = 0; i < r->in->consumer_count && rc == ATR_OK; i++) {
		rc = repair_consumer(r, r->in->consumer[i].name, meta, err);
		atr_meta_free(meta);
	}
	atr_secret_free(meta);
	return rc;
}
