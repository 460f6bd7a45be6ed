#include "store/inspect.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/prf.h"
#include "ciphers/secret.h"
#include "store/consumer.h"
#include "store/rewrite.h"
#include "store/survey.h"

#define CONSUMER_BYTES_MAX ((size_t)256 * 1024 * 1024)

const char *atr_finding_text(enum atr_finding_kind kind)
{
	switch (kind) {
	case ATR_FINDING_NOTE:
		return "note";
	case ATR_FINDING_DAMAGE:
		return "damage";
	case ATR_FINDING_CLEAR:
		return "clear text";
	case ATR_FINDING_UNSUPPORTED:
		return "not supported";
	case ATR_FINDING_SYSTEM:
		return "system";
	}
	return "unknown";
}

void atr_inspect_sha256_hex(const uint8_t *data, size_t bytes, char hex[65])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t sum[ATR_SHA256_BYTES];

	hex[0] = '\0';
	if (atr_sha256(data, bytes, sum) != 0)
		return;
	for (size_t i = 0; i < sizeof sum; i++) {
		hex[2 * i] = digits[sum[i] >> 4];
		hex[2 * i + 1] = digits[sum[i] & 15];
	}
	hex[64] = '\0';
}

/* ---- open and close ---- */

/* True when some key of a block opens: then the server key is right, and what does not open is
 * damaged. */
static int a_block_key_opens(struct atr_inspect *in)
{
	struct atr_error ignored;
	struct atr_seed seed;
	int opens = 0;

	if (survey_list_blocks(in, &ignored) != ATR_OK)
		return 0;
	for (size_t i = 0; i < in->block_count && !opens; i++) {
		opens = atr_block_read_key(&in->home, in->block[i].number, &seed, &ignored) ==
		        ATR_OK;
		atr_secret_wipe(&seed, sizeof seed);
	}
	return opens;
}

static int any_block_has_a_key(const struct atr_inspect *in)
{
	for (size_t i = 0; i < in->block_count; i++)
		if (in->block[i].has_key)
			return 1;
	return 0;
}

/* Which of the three is the one: the reader only knows where it stopped. */
static void name_lost_meta(const struct atr_inspect *in, enum atr_status rc, struct atr_error *err)
{
	struct atr_file_stat st;
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/meta.key", in->dir) >= (int)sizeof path)
		return;
	if (rc == ATR_ENOTSTORE) {
		(void)snprintf(path, sizeof path, "%s/meta.inf", in->dir);
		(void)atr_error_set(err, ATR_EFORMAT, path, -1, "missing");
	} else if (in->meta->encrypted &&
	           in->home.files->stat(in->home.files->context, path, &st) == -ENOENT) {
		(void)atr_error_set(err, ATR_EFORMAT, path, -1,
		                    "missing: meta.inf is not clear text and cannot be deciphered");
	}
}

/* Goes on without the meta files: err, why they cannot be read, becomes a finding. A key that opens
 * none of the blocks either is a wrong one: nothing is known then. */
static enum atr_status do_without_meta(struct atr_inspect *in, enum atr_status rc,
                                       struct atr_error *err)
{
	atr_finding_fn *finding = in->finding;
	int opens;

	in->finding = NULL; /* the blocks are listed once more, for good */
	opens = a_block_key_opens(in);
	in->finding = finding;
	in->meta->encrypted = any_block_has_a_key(in) || rc == ATR_EAUTH;
	free(in->block);
	in->block = NULL;
	in->block_count = 0;
	if (in->meta->encrypted && !opens)
		return rc;
	in->meta->config = json_object();
	if (in->meta->config == NULL)
		return atr_error_set(err, ATR_ENOMEM, in->dir, -1, "no memory");
	in->meta_is_lost = 1;
	name_lost_meta(in, rc, err);
	return survey_find_error(in, err);
}

static enum atr_status read_meta(struct atr_inspect *in, int without_meta, struct atr_error *err)
{
	json_t *config;
	const char *created;
	enum atr_status rc;

	in->meta = atr_secret_alloc(sizeof *in->meta);
	if (in->meta == NULL)
		return atr_error_set(err, ATR_ENOMEM, in->dir, -1, "no memory for a key");
	rc = atr_meta_read(in->home.files, in->dir, &in->ring, in->account, in->stream, in->stream,
	                   in->meta, err);
	if (rc == ATR_EFORMAT && without_meta &&
	    atr_meta_read_unsummed(in->home.files, in->dir, &in->ring, in->account, in->stream,
	                           in->meta, NULL) == ATR_OK)
		rc = survey_find_error(in, err); /* the sum alone */
	else if ((rc == ATR_EFORMAT || rc == ATR_EAUTH || rc == ATR_ENOTSTORE) && without_meta)
		rc = do_without_meta(in, rc, err);
	if (rc != ATR_OK)
		return rc;
	created = json_string_value(json_object_get(in->meta->config, "Created"));
	in->created = strdup(created != NULL ? created : "");
	config = json_copy(in->meta->config);
	(void)json_object_del(config, "Created");
	in->config_json = json_dumps(config, JSON_COMPACT);
	json_decref(config);
	if (in->created == NULL || in->config_json == NULL)
		return atr_error_set(err, ATR_ENOMEM, in->dir, -1, "no memory");
	return ATR_OK;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static enum atr_status take_options(struct atr_inspect *in, const char *dir,
                                    const struct atr_inspect_options *o)
{
	in->lock_fd = -1;
	in->dir = strdup(dir);
	if (in->dir == NULL)
		return ATR_ENOMEM;
	for (size_t n = strlen(in->dir); n > 1 && in->dir[n - 1] == '/'; n--)
		in->dir[n - 1] = '\0';
	in->account = strdup(o->account != NULL ? o->account : "$G");
	in->stream = strdup(o->stream != NULL ? o->stream : last_part(in->dir));
	in->msgs_path = malloc(strlen(in->dir) + sizeof "/msgs");
	if (in->account == NULL || in->stream == NULL || in->msgs_path == NULL)
		return ATR_ENOMEM;
	(void)sprintf(in->msgs_path, "%s/msgs", in->dir);
	in->ring = (struct atr_keyring){o->key, o->key_bytes, o->prev_key, o->prev_key_bytes};
	in->home = (struct atr_block_home){
	        .files = o->files != NULL ? o->files : &atr_file_real,
	        .msgs_path = in->msgs_path,
	        .account = in->account,
	        .stream = in->stream,
	        .ring = &in->ring,
	        .prefer = o->prefer,
	};
	in->allow_clear = o->allow_clear;
	in->finding = o->finding;
	in->finding_arg = o->finding_arg;
	return ATR_OK;
}

/* Which files belong together is known to who finishes it, and nothing is written here. */
static enum atr_status refuse_half_rewritten(struct atr_inspect *in, struct atr_error *err)
{
	const char *const directory[] = {in->dir, in->msgs_path};

	for (size_t i = 0; i < 2; i++) {
		if (atr_rewrite_is_pending(in->home.files, directory[i]))
			return atr_error_set(err, ATR_EFORMAT, directory[i], -1,
			                     "an exchange of files was interrupted here "
			                     "(rewrite.tmp): opening the stream for writing "
			                     "finishes it, as does `stream repair`");
	}
	return ATR_OK;
}

enum atr_status atr_inspect_open(const char *dir, const struct atr_inspect_options *options,
                                 struct atr_inspect **out, struct atr_error *err)
{
	struct atr_inspect *in = calloc(1, sizeof *in);
	struct atr_error ignored;
	enum atr_status rc;

	*out = NULL;
	if (err == NULL)
		err = &ignored;
	if (in == NULL)
		return atr_error_set(err, ATR_ENOMEM, dir, -1, "no memory");
	rc = take_options(in, dir, options);
	if (rc != ATR_OK)
		rc = atr_error_set(err, rc, dir, -1, "no memory");
	if (rc == ATR_OK)
		rc = atr_file_lock_directory(in->home.files, in->dir, options->exclusive,
		                             &in->lock_fd, err);
	if (rc == ATR_OK)
		rc = refuse_half_rewritten(in, err);
	if (rc == ATR_OK)
		rc = read_meta(in, options->without_meta, err);
	if (rc == ATR_OK)
		rc = survey_stream(in, err);
	if (rc != ATR_OK) {
		atr_inspect_close(in);
		return rc;
	}
	atr_inspect_rewind(in);
	*out = in;
	return ATR_OK;
}

void atr_inspect_close(struct atr_inspect *in)
{
	if (in == NULL)
		return;
	atr_walk_close(in->scan.walk);
	if (in->lock_fd >= 0)
		(void)in->home.files->close(in->home.files->context, in->lock_fd);
	if (in->meta != NULL)
		atr_meta_free(in->meta);
	atr_secret_free(in->meta);
	for (size_t i = 0; i < in->consumer_count; i++)
		free(in->consumer[i].name);
	free(in->consumer);
	free(in->block);
	atr_tally_free(&in->stream_tally);
	atr_tally_free(&in->block_tally);
	atr_fss_free(&in->fss);
	atr_index_free(&in->index);
	atr_seqset_free(&in->live);
	atr_seqset_free(&in->doubtful);
	atr_seqset_free(&in->accounted);
	free(in->created);
	free(in->config_json);
	free(in->dir);
	free(in->msgs_path);
	free(in->account);
	free(in->stream);
	free(in);
}

/* ---- what is known after open ---- */

void atr_inspect_stream(const struct atr_inspect *in, struct atr_inspect_stream *out)
{
	*out = (struct atr_inspect_stream){
	        .account = in->account,
	        .stream = in->stream,
	        .cipher = in->meta_is_lost      ? "?"
	                  : in->meta->encrypted ? atr_cipher_name(in->meta->seed.cipher)
	                                        : "none",
	        .under_prev_key = in->meta->encrypted && in->meta->seed.under_prev_key,
	        .created = in->created,
	        .config_json = in->config_json,
	        .blocks = in->block_count,
	        .consumers = in->consumer_count,
	};
}

void atr_inspect_state(const struct atr_inspect *in, struct atr_inspect_state *out)
{
	*out = in->state;
}

enum atr_status atr_inspect_next_deleted(const struct atr_inspect *in, uint64_t after,
                                         uint64_t *first, uint64_t *last)
{
	size_t i;

	/* the gaps between the ranges of live messages */
	for (i = 0; i < in->live.count; i++) {
		uint64_t gap_first = in->live.range[i].last + 1;
		uint64_t gap_last = i + 1 < in->live.count ? in->live.range[i + 1].first - 1
		                                           : in->state.last_seq;

		if (gap_last <= after || gap_first > gap_last)
			continue;
		*first = gap_first > after ? gap_first : after + 1;
		*last = gap_last;
		return ATR_OK;
	}
	return ATR_END;
}

void atr_inspect_block(const struct atr_inspect *in, size_t index, struct atr_inspect_block *out)
{
	const struct survey_block *b = &in->block[index];

	*out = (struct atr_inspect_block){
	        .number = b->number,
	        .file_bytes = b->file_bytes,
	        .cipher = b->cipher,
	        .under_prev_key = b->under_prev_key,
	        .first_seq = b->first_seq,
	        .last_seq = b->last_seq,
	        .records = b->records,
	        .messages = b->first_seq <= b->last_seq
	                            ? atr_seqset_count(&in->live, b->first_seq, b->last_seq)
	                            : 0,
	};
}

enum atr_status atr_inspect_open_keys(struct atr_inspect *in, struct atr_error *err)
{
	struct atr_error ignored;
	enum atr_status rc;

	if (err == NULL)
		err = &ignored;
	for (size_t i = 0; i < in->block_count; i++) {
		struct survey_block *b = &in->block[i];
		struct atr_seed seed;

		if (strcmp(b->cipher, "?") != 0 || b->unreadable)
			continue;
		rc = atr_block_read_key(&in->home, b->number, &seed, err);
		if (rc == ATR_OK) {
			b->cipher = atr_cipher_name(seed.cipher);
			b->under_prev_key = seed.under_prev_key != 0;
		} else if (rc == ATR_ENOTFOUND) {
			b->cipher = "none";
		} else {
			b->unreadable = 1;
			rc = survey_find_error(in, err);
		}
		atr_secret_wipe(&seed, sizeof seed);
		if (rc != ATR_OK && rc != ATR_ENOTFOUND)
			return rc;
	}
	return ATR_OK;
}

/* ---- consumers ---- */

/* o.dat, deciphered; *text is NULL when there is none. */
static enum atr_status read_state_text(struct atr_inspect *in, const char *dir,
                                       const struct atr_meta *meta, uint8_t **text,
                                       size_t *text_bytes, struct atr_error *err)
{
	struct atr_consumer_state state;
	uint8_t *content = NULL;
	const char *why = NULL;
	char path[PATH_MAX];
	enum atr_status rc;
	size_t bytes = 0;

	*text = NULL;
	*text_bytes = 0;
	if (snprintf(path, sizeof path, "%s/o.dat", dir) >= (int)sizeof path)
		return atr_error_set(err, ATR_EINVAL, dir, -1, "path too long");
	rc = atr_file_read_whole(in->home.files, path, CONSUMER_BYTES_MAX, &content, &bytes, err);
	if (rc == ATR_ENOTFOUND)
		return ATR_OK; /* never delivered anything */
	if (rc != ATR_OK)
		return rc;
	if (meta->encrypted) {
		rc = atr_meta_unseal(&meta->seed, content, bytes, text, text_bytes);
		if (rc == ATR_EAUTH &&
		    atr_consumer_decode(content, bytes, &state, &why) == ATR_OK) {
			atr_consumer_free(&state);
			survey_find(in, ATR_FINDING_CLEAR, path, -1, 0,
			            "clear text in an encrypted stream");
			rc = ATR_OK;
		} else {
			free(content);
			content = NULL;
		}
	}
	if (rc != ATR_OK)
		return atr_error_set(err, rc, path, -1, "%s",
		                     rc == ATR_EAUTH ? "message authentication failed: damaged"
		                                     : atr_status_text(rc));
	if (content != NULL) { /* clear text */
		*text = content;
		*text_bytes = bytes;
	}
	return ATR_OK;
}

enum atr_status survey_read_consumer(struct atr_inspect *in, const char *name,
                                     struct atr_meta *meta, uint8_t **text, size_t *text_bytes,
                                     struct atr_error *err)
{
	char dir[PATH_MAX], context[600], hash_name[600];
	enum atr_status rc;

	*text = NULL;
	memset(meta, 0, sizeof *meta);
	if (snprintf(dir, sizeof dir, "%s/obs/%s", in->dir, name) >= (int)sizeof dir ||
	    snprintf(context, sizeof context, "%s.%s", in->stream, name) >= (int)sizeof context ||
	    snprintf(hash_name, sizeof hash_name, "%s/%s", in->stream, name) >=
	            (int)sizeof hash_name)
		return atr_error_set(err, ATR_EINVAL, in->dir, -1, "consumer name too long");
	rc = atr_meta_read(in->home.files, dir, &in->ring, in->account, context, hash_name, meta,
	                   err);
	if (rc == ATR_ENOTSTORE)
		rc = atr_error_set(err, ATR_EFORMAT, dir, -1, "meta.inf is missing");
	if (rc != ATR_OK)
		return rc;
	if (in->meta->encrypted && !meta->encrypted)
		survey_find(in, ATR_FINDING_CLEAR, dir, -1, 0,
		            "no meta.key: clear text in an encrypted stream");
	return read_state_text(in, dir, meta, text, text_bytes, err);
}

enum atr_status survey_read_consumer_state(struct atr_inspect *in, const char *name,
                                           struct atr_meta *meta, struct atr_consumer_state *state,
                                           struct atr_error *err)
{
	uint8_t *text = NULL;
	size_t text_bytes = 0;
	const char *why = NULL;
	char path[PATH_MAX];
	enum atr_status rc;

	memset(state, 0, sizeof *state);
	rc = survey_read_consumer(in, name, meta, &text, &text_bytes, err);
	if (rc == ATR_OK && text != NULL) {
		rc = atr_consumer_decode(text, text_bytes, state, &why);
		if (rc != ATR_OK) {
			(void)snprintf(path, sizeof path, "%s/obs/%s/o.dat", in->dir, name);
			rc = atr_error_set(err, rc, path, -1, "%s",
			                   why != NULL ? why : atr_status_text(rc));
		}
	}
	free(text);
	return rc;
}

static enum atr_status read_consumer(struct atr_inspect *in, const char *name,
                                     struct atr_meta *meta, struct atr_inspect_consumer *out,
                                     struct atr_error *err)
{
	struct atr_consumer_state state;
	enum atr_status rc = survey_read_consumer_state(in, name, meta, &state, err);

	if (meta->config != NULL) { /* opened, whatever its state is */
		out->cipher = meta->encrypted ? atr_cipher_name(meta->seed.cipher) : "none";
		out->under_prev_key = meta->encrypted && meta->seed.under_prev_key;
	}
	if (rc != ATR_OK)
		return rc;
	out->delivered_consumer_seq = state.delivered_consumer;
	out->delivered_stream_seq = state.delivered_stream;
	out->ack_floor_consumer_seq = state.ack_floor_consumer;
	out->ack_floor_stream_seq = state.ack_floor_stream;
	out->num_ack_pending = state.pending_count;
	out->num_redelivered = state.redelivered_count;
	atr_consumer_free(&state);
	return ATR_OK;
}

enum atr_status atr_inspect_consumer(struct atr_inspect *in, size_t index,
                                     struct atr_inspect_consumer *out, struct atr_error *err)
{
	struct survey_consumer *c = &in->consumer[index];
	struct atr_meta *meta = atr_secret_alloc(sizeof *meta);
	struct atr_error ignored;
	enum atr_status rc;

	if (err == NULL)
		err = &ignored;
	*out = (struct atr_inspect_consumer){.name = c->name, .cipher = "?"};
	if (meta == NULL)
		return atr_error_set(err, ATR_ENOMEM, in->dir, -1, "no memory for a key");
	rc = read_consumer(in, c->name, meta, out, err);
	atr_meta_free(meta);
	atr_secret_free(meta);
	if (rc != ATR_OK && !c->reported) {
		struct atr_error about = *err;

		(void)snprintf(about.text, sizeof about.text, "consumer %.256s: %.200s", c->name,
		               err->text);
		(void)survey_find_error(in, &about);
	}
	c->reported = 1;
	return rc;
}
