/* convert_index.c - index.db of what was made, from what was read of it while it was compared.
 *
 * Servers from 2.10.0 to 2.12.3 lose an encrypted stream that they open without one: at the next
 * write of it they make a new meta.key, but no new meta.inf. All others would do without.
 *
 * None is written for 2.9, and none where a server keeps timers or schedules beside the messages:
 * version 1 says nothing of them, and a newer server would then not look for them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/convert_inner.h"
#include "store/subjects.h"

/* Above this many subjects or interior deletes servers write none either. */
#define BOUND 1000000u

struct convert_index {
	struct atr_subjects_table *subjects; /* with the numbers of blocks as sequences */
	struct atr_index_block *block;       /* of the made blocks, in order */
	size_t count;
	int64_t first_time_ns, last_time_ns;
	int too_many;
};

static int has_timers(const json_t *config)
{
	return json_is_true(json_object_get(config, "allow_msg_ttl")) ||
	       json_is_true(json_object_get(config, "allow_msg_schedules"));
}

enum atr_status convert_index_begin(struct convert *c, struct atr_error *err)
{
	struct convert_index *x;

	if (c->for_2_9 || c->made->block_count == 0 || has_timers(c->in->meta->config))
		return ATR_OK;
	x = calloc(1, sizeof *x);
	c->index = x;
	if (x != NULL) {
		x->count = c->made->block_count;
		x->subjects = atr_subjects_table_new();
		x->block = calloc(x->count, sizeof *x->block);
	}
	if (x == NULL || x->subjects == NULL || x->block == NULL)
		return atr_error_set(err, ATR_ENOMEM, c->sibling, -1, "no memory for index.db");
	return ATR_OK;
}

enum atr_status convert_index_see(struct convert *c, const struct atr_inspect_message *m,
                                  struct atr_error *err)
{
	struct convert_index *x = c->index;
	struct atr_index_block *b;

	if (x == NULL || x->too_many)
		return ATR_OK;
	b = &x->block[c->made->at];
	if (b->bytes == 0) {
		b->first_seq = m->message.sequence;
		b->first_time_ns = m->message.time_ns;
	}
	b->last_time_ns = m->message.time_ns;
	b->bytes += atr_record_bytes(&m->message);
	if (c->result->messages == 0)
		x->first_time_ns = m->message.time_ns;
	x->last_time_ns = m->message.time_ns;
	if (atr_subjects_add(x->subjects, m->message.subject, m->message.subject_bytes, m->block) !=
	    ATR_OK)
		return atr_error_set(err, ATR_ENOMEM, c->sibling, -1, "no memory for index.db");
	x->too_many = atr_subjects_count(x->subjects) > BOUND;
	return ATR_OK;
}

void convert_index_free(struct convert *c)
{
	if (c->index == NULL)
		return;
	for (size_t i = 0; i < c->index->count && c->index->block != NULL; i++)
		atr_seqset_free(&c->index->block[i].deleted);
	free(c->index->block);
	atr_subjects_table_free(c->index->subjects);
	free(c->index);
	c->index = NULL;
}

static void give_subject(void *arg, size_t i, struct atr_index_subject *out)
{
	const struct convert_index *x = arg;
	const struct atr_subject_entry *e = atr_subjects_at(x->subjects, i, &out->name);

	out->name_bytes = e->name_bytes;
	out->messages = e->messages;
	out->first_block = e->first;
	out->last_block = e->last;
}

/* Numbers, last sequences and deletes. A block without messages is the last one. */
static enum atr_status fill_blocks(struct convert *c, uint64_t *deleted)
{
	struct convert_index *x = c->index;
	enum atr_status rc = ATR_OK;

	*deleted = 0;
	for (size_t i = 0; i < x->count && rc == ATR_OK; i++) {
		struct atr_index_block *b = &x->block[i];

		b->number = c->made->block[i].number;
		b->last_seq = c->made->block[i].last_seq;
		if (b->bytes == 0) {
			b->last_seq = c->made->state.last_seq;
			b->first_seq = b->last_seq + 1;
			continue;
		}
		rc = atr_seqset_slice(&c->made->live, b->first_seq, b->last_seq, 0, &b->deleted);
		*deleted += atr_seqset_count(&b->deleted, b->first_seq, b->last_seq);
	}
	return rc;
}

/* The last 8 bytes of the last block, deciphered; zeros of an empty one. */
static enum atr_status last_check(struct convert *c, uint8_t lchk[ATR_HASH_BYTES],
                                  struct atr_error *err)
{
	const struct survey_block *last = &c->made->block[c->made->block_count - 1];
	struct atr_walk *walk;
	enum atr_status rc;

	memset(lchk, 0, ATR_HASH_BYTES);
	if (last->file_bytes == 0)
		return ATR_OK;
	rc = atr_walk_open(&c->home, last->number, &walk, err);
	if (rc == ATR_OK)
		rc = atr_walk_last_check(walk, lchk, err);
	atr_walk_close(walk);
	return rc;
}

static enum atr_status encode(struct convert *c, uint8_t **text, size_t *text_bytes,
                              struct atr_error *err)
{
	struct convert_index *x = c->index;
	const struct atr_inspect_state *s = &c->in->state;
	struct atr_index index = {
	        .messages = s->messages,
	        .bytes = s->bytes,
	        .first_seq = s->first_seq,
	        .last_seq = s->last_seq,
	        .first_time_ns = x->first_time_ns,
	        .last_time_ns = c->in->index_fits ? c->in->index.last_time_ns : x->last_time_ns,
	        .subject_count = atr_subjects_count(x->subjects),
	        .block = x->block,
	        .block_count = x->count,
	};
	uint64_t deleted;
	enum atr_status rc = fill_blocks(c, &deleted);

	*text = NULL;
	if (rc != ATR_OK)
		return atr_error_set(err, rc, c->sibling, -1, "no memory for index.db");
	if (deleted > BOUND)
		return ATR_OK;
	index.last_block = x->block[x->count - 1].number;
	rc = last_check(c, index.lchk, err);
	if (rc != ATR_OK)
		return rc;
	rc = atr_index_encode(&index, give_subject, x, text, text_bytes);
	return rc == ATR_OK ? rc : atr_error_set(err, rc, c->sibling, -1, "no memory for index.db");
}

enum atr_status convert_index_write(struct convert *c, int *written, struct atr_error *err)
{
	const struct atr_meta *meta = c->made->meta;
	uint8_t *text = NULL, *content = NULL;
	size_t text_bytes = 0, bytes = 0;
	char path[PATH_MAX];
	enum atr_status rc;

	*written = 0;
	if (c->index == NULL || c->index->too_many)
		return ATR_OK;
	rc = filetree_join(path, c->msgs, "index.db", err);
	if (rc == ATR_OK)
		rc = encode(c, &text, &text_bytes, err);
	if (rc != ATR_OK || text == NULL)
		return rc;
	rc = atr_index_seal(c->files, meta->encrypted ? &meta->seed : NULL, c->in->stream, text,
	                    text_bytes, &content, &bytes);
	free(text);
	if (rc != ATR_OK)
		return atr_error_set(err, rc, path, -1, "sealing: %s", atr_status_text(rc));
	rc = atr_file_replace(c->files, path, content, bytes, err);
	free(content);
	*written = rc == ATR_OK;
	return rc;
}
