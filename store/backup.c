/* backup.c - a closed stream as a snapshot: what stands in the tar of snapshot.c.
 *
 * The blocks are made anew from the live messages, as every server from 2.9 on reads them without a
 * state file: sequences rise by one inside a block, deleted ones are placeholders, large gaps lie
 * between blocks.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/secret.h"
#include "store/config.h"
#include "store/snapshot.h"
#include "store/survey.h"

#define BLOCK_BYTES ATR_BLOCK_BYTES_DEFAULT
/* Placeholders for a longer gap would take more than 64 KiB: a new block begins behind it. */
#define GAP_MAX        2184
#define PROGRESS_EVERY 1000

struct backup {
	struct atr_inspect *in;
	struct snapshot_writer *writer;
	const struct atr_backup_options *options;
	/* the block being filled; next = 0: nothing in it */
	uint64_t number, next;
	struct atr_hash_key hash_key;
	uint8_t *block;
	size_t bytes, capacity;
	uint64_t messages;
};

static enum atr_status begin_block(struct backup *b, struct atr_error *err)
{
	char name[300];

	b->number++;
	(void)snprintf(name, sizeof name, "%s-%" PRIu64, b->in->stream, b->number);
	return atr_hash_key_init(&b->hash_key, name) == 0
	               ? ATR_OK
	               : atr_error_set(err, ATR_ENOMEM, NULL, -1, "SHA-256 failed");
}

static enum atr_status end_block(struct backup *b, struct atr_error *err)
{
	char name[64];
	enum atr_status rc;

	if (b->next == 0)
		return ATR_OK;
	(void)snprintf(name, sizeof name, "msgs/%" PRIu64 ".blk", b->number);
	rc = snapshot_put(b->writer, name, b->block, b->bytes, err);
	b->bytes = 0;
	b->next = 0;
	return rc;
}

static enum atr_status put_record(struct backup *b, const struct atr_message *m,
                                  struct atr_error *err)
{
	size_t bytes = atr_record_bytes(m);

	if (bytes == 0)
		return atr_error_set(err, ATR_ETOOLARGE, NULL, -1,
		                     "sequence %" PRIu64 ": too large for a record", m->sequence);
	if (b->bytes + bytes > b->capacity) {
		size_t capacity = b->bytes + bytes + (size_t)BLOCK_BYTES / 4;
		uint8_t *larger = realloc(b->block, capacity);

		if (larger == NULL)
			return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a block");
		b->block = larger;
		b->capacity = capacity;
	}
	b->bytes += atr_record_encode(&b->hash_key, m, b->block + b->bytes);
	b->next = (m->sequence & ATR_SEQUENCE_MAX) + 1;
	return ATR_OK;
}

static enum atr_status put_deleted(struct backup *b, uint64_t sequence, struct atr_error *err)
{
	struct atr_message m = {.sequence = sequence | ATR_SEQUENCE_ERASED};

	return put_record(b, &m, err);
}

static enum atr_status put_message(struct backup *b, const struct atr_message *m,
                                   struct atr_error *err)
{
	size_t bytes = atr_record_bytes(m);
	enum atr_status rc = ATR_OK;

	if (b->next != 0) {
		uint64_t gap = m->sequence - b->next;

		if (gap > GAP_MAX || (b->bytes + ATR_RECORD_BYTES_MIN * gap + bytes > BLOCK_BYTES &&
		                      !atr_record_spells_compressed(bytes)))
			rc = end_block(b, err);
		else
			for (uint64_t i = 0; i < gap && rc == ATR_OK; i++)
				rc = put_deleted(b, b->next, err);
	}
	if (rc == ATR_OK && b->next == 0)
		rc = begin_block(b, err);
	if (rc == ATR_OK)
		rc = put_record(b, m, err);
	if (rc != ATR_OK)
		return rc;
	if (b->messages++ == 0)
		b->in->backup_first_ns = m->time_ns;
	b->in->backup_last_ns = m->time_ns;
	if (b->options->progress != NULL && b->messages % PROGRESS_EVERY == 0)
		rc = b->options->progress(b->options->progress_arg, b->messages,
		                          b->in->state.messages);
	return rc == ATR_OK ? rc : atr_error_set(err, rc, NULL, -1, "stopped");
}

/* An empty stream that had messages: its last sequence is known from an idx alone. */
static enum atr_status put_last_of_empty(struct backup *b, uint64_t last, struct atr_error *err)
{
	uint8_t idx[ATR_IDX_EMPTY_BYTES_MAX];
	size_t bytes = atr_idx_encode_empty(last, idx);
	enum atr_status rc = snapshot_put(b->writer, "msgs/1.blk", "", 0, err);

	return rc == ATR_OK ? snapshot_put(b->writer, "msgs/1.idx", idx, bytes, err) : rc;
}

/* The sequences behind the last message. */
static enum atr_status put_end(struct backup *b, struct atr_error *err)
{
	uint64_t last = b->in->state.last_seq;
	enum atr_status rc = ATR_OK;

	if (b->messages == 0)
		return last > 0 ? put_last_of_empty(b, last, err) : ATR_OK;
	/* nothing is behind that gap: one record does for all */
	if (last >= b->next && last - b->next > GAP_MAX)
		rc = put_deleted(b, last, err);
	while (rc == ATR_OK && b->next <= last)
		rc = put_deleted(b, b->next, err);
	return rc == ATR_OK ? end_block(b, err) : rc;
}

static enum atr_status damaged(const struct atr_inspect *in, struct atr_error *err)
{
	return atr_error_set(err, ATR_EFORMAT, in->dir, -1,
	                     "not everything could be read: no backup is made of a damaged stream");
}

static enum atr_status put_messages(struct backup *b, struct atr_error *err)
{
	struct atr_inspect_message m;
	enum atr_status rc;

	atr_inspect_rewind(b->in);
	while ((rc = atr_inspect_next(b->in, &m, err)) == ATR_OK) {
		rc = m.maybe_deleted ? damaged(b->in, err) : put_message(b, &m.message, err);
		if (rc != ATR_OK)
			return rc;
	}
	if (rc != ATR_END)
		return rc;
	/* a torn tail that lost nothing is no loss: what was listed is what counts */
	if (b->messages != b->in->state.messages || b->in->state.damaged)
		return damaged(b->in, err);
	return put_end(b, err);
}

/* meta.inf and meta.sum below prefix ("" or "obs/<CONSUMER>/"). */
static enum atr_status put_meta(struct backup *b, const char *prefix, const char *hash_name,
                                json_t *config, struct atr_error *err)
{
	char name[300], hex[17];
	struct atr_hash_key key;
	size_t bytes;
	char *text = atr_meta_text(config, &bytes);
	enum atr_status rc;

	if (text == NULL || atr_hash_key_init(&key, hash_name) != 0) {
		free(text);
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for meta.inf");
	}
	(void)snprintf(name, sizeof name, "%smeta.inf", prefix);
	rc = snapshot_put(b->writer, name, text, bytes, err);
	if (rc == ATR_OK) {
		atr_hash_hex(atr_hash64(&key, (const uint8_t *)text, bytes), hex);
		(void)snprintf(name, sizeof name, "%smeta.sum", prefix);
		rc = snapshot_put(b->writer, name, hex, 16, err);
	}
	free(text);
	return rc;
}

static enum atr_status put_consumer(struct backup *b, const char *consumer, struct atr_meta *meta,
                                    struct atr_error *err)
{
	struct atr_consumer_state state;
	char prefix[280], hash_name[600], name[300];
	uint8_t *text = NULL;
	size_t bytes;
	enum atr_status rc = survey_read_consumer_state(b->in, consumer, meta, &state, err);

	if (rc == ATR_OK) {
		(void)snprintf(prefix, sizeof prefix, "obs/%.255s/", consumer);
		(void)snprintf(hash_name, sizeof hash_name, "%s/%s", b->in->stream, consumer);
		rc = put_meta(b, prefix, hash_name, meta->config, err);
	}
	if (rc == ATR_OK) {
		int64_t now_ns = b->in->home.files->realtime_ns(b->in->home.files->context);

		rc = atr_consumer_encode(&state, now_ns / 1000000000, &text, &bytes);
		if (rc != ATR_OK)
			(void)atr_error_set(err, rc, NULL, -1, "no memory for a consumer");
	}
	if (rc == ATR_OK) {
		(void)snprintf(name, sizeof name, "%so.dat", prefix);
		rc = snapshot_put(b->writer, name, text, bytes, err);
	}
	free(text);
	atr_consumer_free(&state);
	return rc;
}

static enum atr_status put_consumers(struct backup *b, struct atr_error *err)
{
	struct atr_meta *meta = atr_secret_alloc(sizeof *meta);
	enum atr_status rc = ATR_OK;

	if (meta == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a key");
	for (size_t i = 0; i < b->in->consumer_count && rc == ATR_OK; i++) {
		rc = put_consumer(b, b->in->consumer[i].name, meta, err);
		atr_meta_free(meta);
	}
	atr_secret_free(meta);
	return rc;
}

enum atr_status atr_inspect_backup(struct atr_inspect *in, const struct atr_backup_options *options,
                                   struct atr_error *err)
{
	struct backup b = {.in = in, .options = options};
	struct atr_error ignored;
	enum atr_status rc;

	if (err == NULL)
		err = &ignored;
	in->backup_first_ns = in->backup_last_ns = 0;
	if (in->state.damaged)
		return damaged(in, err);
	rc = snapshot_writer_open(options->sink, options->sink_arg,
	                          in->home.files->realtime_ns(in->home.files->context), &b.writer,
	                          err);
	if (rc == ATR_OK)
		rc = put_meta(&b, "", in->stream, in->meta->config, err);
	if (rc == ATR_OK)
		rc = put_messages(&b, err);
	if (rc == ATR_OK)
		rc = put_consumers(&b, err);
	free(b.block);
	if (rc == ATR_OK)
		return snapshot_writer_finish(b.writer, err);
	snapshot_writer_discard(b.writer);
	return rc;
}

static json_t *time_text(int64_t time_ns, uint64_t messages)
{
	char text[40] = "0001-01-01T00:00:00Z";

	if (messages > 0)
		atr_config_time(time_ns, text);
	return json_string(text);
}

char *atr_inspect_backup_json(struct atr_inspect *in)
{
	const struct atr_inspect_state *s = &in->state;
	json_t *config = json_loads(in->config_json, JSON_ALLOW_NUL, NULL);
	json_t *all = json_pack(
	        "{s:o, s:{s:I, s:I, s:I, s:o, s:I, s:o, s:I, s:I}}", "config", config, "state",
	        "messages", (json_int_t)s->messages, "bytes", (json_int_t)s->bytes, "first_seq",
	        (json_int_t)s->first_seq, "first_ts", time_text(in->backup_first_ns, s->messages),
	        "last_seq", (json_int_t)s->last_seq, "last_ts",
	        time_text(in->backup_last_ns, s->messages), "num_deleted",
	        (json_int_t)s->num_deleted, "consumer_count", (json_int_t)in->consumer_count);
	char *text = json_dumps(all, JSON_INDENT(2));

	json_decref(all);
	return text;
}
