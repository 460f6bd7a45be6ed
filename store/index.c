#include "store/index.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/bytes.h"
#include "store/meta.h"

#define INDEX_MAGIC     11
#define INDEX_VERSION   4 /* the newest that is read */
#define IDX_MAGIC       22
#define IDX_VERSION     2
#define IDX_VERSION_OLD 1 /* 2.9 knows no other */
#define FSS_VERSION     1
#define INDEX_BYTES_MIN 32 /* the server refuses a shorter index.db */
/* A million subjects of 200 bytes, ten million interior deletes: state files stay below. */
#define STATE_BYTES_MAX ((size_t)1 << 30)

/* ---- parts ---- */

static enum atr_status refuse(const char **why, const char *text)
{
	*why = text;
	return ATR_EFORMAT;
}

/* A count of items that take at least item_bytes each cannot pass what is left of the text: so
 * a damaged count allocates nothing. */
static int count_fits(const struct atr_cursor *c, uint64_t count, uint64_t item_bytes)
{
	return count <= (uint64_t)(c->end - c->at) / item_bytes;
}

/* True when first, last and the number of deleted sequences allow that many messages. */
static int consistent(uint64_t first, uint64_t last, uint64_t deleted, uint64_t messages)
{
	if (last == UINT64_MAX || first > last + 1)
		return 0;
	return deleted <= last + 1 - first && messages == last + 1 - first - deleted;
}

static enum atr_status decode_subjects(struct atr_cursor *c, struct atr_index *out,
                                       const char **why)
{
	uint64_t count = atr_cursor_uvarint(c);

	if (c->failed || !count_fits(c, count, 3))
		return refuse(why, "the list of subjects is cut");
	out->subject = calloc((size_t)count + 1, sizeof *out->subject);
	if (out->subject == NULL)
		return ATR_ENOMEM;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t bytes = atr_cursor_uvarint(c);
		const uint8_t *name = atr_cursor_take(c, bytes);
		uint64_t messages = atr_cursor_uvarint(c);

		uint64_t first_block = atr_cursor_uvarint(c), last_block = first_block;
		if (messages > 1 || out->version >= 4)
			last_block = atr_cursor_uvarint(c);
		if (c->failed)
			return refuse(why, "the list of subjects is cut");
		out->subject[i] = (struct atr_index_subject){.name = (const char *)name,
		                                             .name_bytes = (size_t)bytes,
		                                             .messages = messages,
		                                             .first_block = first_block,
		                                             .last_block = last_block};
		out->subject_count++;
	}
	return ATR_OK;
}

static enum atr_status decode_block(struct atr_cursor *c, const struct atr_index *index,
                                    struct atr_index_block *b, const char **why)
{
	uint64_t deleted;
	enum atr_status rc;

	b->number = atr_cursor_uvarint(c);
	b->bytes = atr_cursor_uvarint(c);
	b->first_seq = atr_cursor_uvarint(c);
	b->first_time_ns =
	        (int64_t)((uint64_t)atr_cursor_varint(c) + (uint64_t)index->first_time_ns);
	b->last_seq = atr_cursor_uvarint(c);
	b->last_time_ns =
	        (int64_t)((uint64_t)atr_cursor_varint(c) + (uint64_t)index->first_time_ns);
	deleted = atr_cursor_uvarint(c);
	if (index->version >= 2)
		(void)atr_cursor_uvarint(c); /* messages with a time to live */
	if (index->version >= 3)
		(void)atr_cursor_uvarint(c); /* schedules */
	if (c->failed)
		return refuse(why, "the list of blocks is cut");
	if (deleted > 0) {
		rc = atr_seqset_decode(c, &b->deleted, why);
		if (rc != ATR_OK)
			return rc;
		if (atr_seqset_count(&b->deleted, 0, UINT64_MAX) != deleted)
			return refuse(why, "a block has another number of deletes than it says");
	}
	if (b->last_seq == UINT64_MAX || b->first_seq > b->last_seq + 1)
		return refuse(why, "a block's first sequence is above its last");
	return ATR_OK;
}

static enum atr_status decode_blocks(struct atr_cursor *c, struct atr_index *out, const char **why)
{
	uint64_t count = atr_cursor_uvarint(c);
	enum atr_status rc;

	if (c->failed || !count_fits(c, count, 7))
		return refuse(why, "the list of blocks is cut");
	out->block = calloc((size_t)count + 1, sizeof *out->block);
	if (out->block == NULL)
		return ATR_ENOMEM;
	for (uint64_t i = 0; i < count; i++) {
		struct atr_index_block *b = &out->block[i];

		out->block_count++;
		rc = decode_block(c, out, b, why);
		if (rc != ATR_OK)
			return rc;
		if (i > 0 && b->number <= b[-1].number)
			return refuse(why, "block numbers do not rise");
	}
	return ATR_OK;
}

/* ---- index.db ---- */

static enum atr_status decode_index(struct atr_cursor *c, struct atr_index *out, const char **why)
{
	const uint8_t *head = atr_cursor_take(c, 2);
	const uint8_t *lchk;
	enum atr_status rc;

	if (head == NULL || head[0] != INDEX_MAGIC)
		return refuse(why, "does not begin with the state file's byte 11");
	out->version = head[1];
	if (head[1] == 0)
		return refuse(why, "version 0, expected 1 to 4");
	if (head[1] > INDEX_VERSION) {
		*why = "a newer version than 4";
		return ATR_EUNSUPPORTED;
	}
	out->messages = atr_cursor_uvarint(c);
	out->bytes = atr_cursor_uvarint(c);
	out->first_seq = atr_cursor_uvarint(c);
	out->first_time_ns = atr_cursor_varint(c);
	out->last_seq = atr_cursor_uvarint(c);
	out->last_time_ns = atr_cursor_varint(c);
	rc = decode_subjects(c, out, why);
	if (rc == ATR_OK)
		rc = decode_blocks(c, out, why);
	if (rc != ATR_OK)
		return rc;
	out->last_block = atr_cursor_uvarint(c);
	lchk = atr_cursor_take(c, ATR_HASH_BYTES);
	if (lchk == NULL)
		return refuse(why, "cut at the end");
	memcpy(out->lchk, lchk, ATR_HASH_BYTES);
	if (c->at != c->end)
		return refuse(why, "bytes left over at the end");
	return ATR_OK;
}

enum atr_status atr_index_decode(uint8_t *text, size_t text_bytes, struct atr_index *out,
                                 const char **why)
{
	struct atr_cursor c = {.at = text, .end = text + text_bytes};
	enum atr_status rc;

	memset(out, 0, sizeof *out);
	*why = NULL;
	out->text = text;
	rc = decode_index(&c, out, why);
	if (rc != ATR_OK)
		atr_index_free(out);
	return rc;
}

void atr_index_free(struct atr_index *index)
{
	for (size_t i = 0; i < index->block_count; i++)
		atr_seqset_free(&index->block[i].deleted);
	free(index->block);
	free(index->subject);
	free(index->text);
	memset(index, 0, sizeof *index);
}

static enum atr_status copy_of(const uint8_t *from, size_t bytes, uint8_t **out)
{
	*out = malloc(bytes + 1);
	if (*out == NULL)
		return ATR_ENOMEM;
	memcpy(*out, from, bytes);
	return ATR_OK;
}

/* The sealed body, or the clear one: text and, when the stream is encrypted, which it was. */
static enum atr_status open_index(const struct atr_seed *seed, const uint8_t *body,
                                  size_t body_bytes, struct atr_index *out, const char **why)
{
	uint8_t *text = NULL;
	size_t text_bytes = 0;
	enum atr_status rc = ATR_EAUTH;

	if (seed != NULL) {
		rc = atr_meta_unseal(seed, body, body_bytes, &text, &text_bytes);
		if (rc == ATR_OK)
			return atr_index_decode(text, text_bytes, out, why);
		if (rc != ATR_EAUTH)
			return rc;
	}
	/* It may be clear text from before encryption was switched on. */
	rc = copy_of(body, body_bytes, &text);
	if (rc == ATR_OK)
		rc = atr_index_decode(text, body_bytes, out, why);
	if (rc == ATR_OK)
		out->clear = seed != NULL;
	if (rc == ATR_EFORMAT && seed != NULL) {
		*why = "message authentication failed: wrong key or damaged file";
		return ATR_EAUTH;
	}
	return rc;
}

static enum atr_status explain(struct atr_error *err, enum atr_status rc, const char *path,
                               const char *why)
{
	if (rc == ATR_OK)
		return rc;
	return atr_error_set(err, rc, path, -1, "%s", why != NULL ? why : atr_status_text(rc));
}

enum atr_status atr_index_read(const struct atr_file_table *files, const char *path,
                               const struct atr_seed *seed, const char *stream,
                               struct atr_index *out, struct atr_error *err)
{
	struct atr_hash_key key;
	const char *why = NULL;
	uint8_t *content;
	enum atr_status rc;
	size_t bytes;

	memset(out, 0, sizeof *out);
	rc = atr_file_read_whole(files, path, STATE_BYTES_MAX, &content, &bytes, err);
	if (rc != ATR_OK)
		return rc;
	if (bytes < INDEX_BYTES_MIN) {
		rc = atr_error_set(err, ATR_EFORMAT, path, -1, "%zu bytes, expected at least %d",
		                   bytes, INDEX_BYTES_MIN);
		goto done;
	}
	bytes -= ATR_HASH_BYTES;
	if (atr_hash_key_init(&key, stream) != 0) {
		rc = explain(err, ATR_ENOMEM, path, "SHA-256 failed");
		goto done;
	}
	if (atr_hash64(&key, content, bytes) != atr_le64_get(content + bytes)) {
		rc = explain(err, ATR_EFORMAT, path, "the hash at the end differs: damaged");
		goto done;
	}
	rc = open_index(seed, content, bytes, out, &why);
	rc = explain(err, rc, path, why);
done:
	free(content);
	return rc;
}

/* ---- writing index.db ---- */

/* Bytes that are made; failed: memory is out. */
struct output {
	uint8_t *text;
	size_t bytes, capacity;
	int failed;
};

static uint8_t *room(struct output *o, size_t bytes)
{
	if (o->capacity - o->bytes < bytes && !o->failed) {
		size_t capacity = o->capacity * 3 / 2 + bytes + 4096;
		uint8_t *larger = realloc(o->text, capacity);

		if (larger == NULL) {
			o->failed = 1;
		} else {
			o->text = larger;
			o->capacity = capacity;
		}
	}
	return o->failed ? NULL : o->text + o->bytes;
}

static void put_uvarint(struct output *o, uint64_t v)
{
	uint8_t *p = room(o, ATR_UVARINT_BYTES_MAX);

	if (p != NULL)
		o->bytes += atr_uvarint_put(p, v);
}

static void put_varint(struct output *o, int64_t v)
{
	uint8_t *p = room(o, ATR_UVARINT_BYTES_MAX);

	if (p != NULL)
		o->bytes += atr_varint_put(p, v);
}

static void put_bytes(struct output *o, const void *from, size_t bytes)
{
	uint8_t *p = room(o, bytes);

	if (p != NULL && bytes > 0) {
		memcpy(p, from, bytes);
		o->bytes += bytes;
	}
}

static void put_subject(struct output *o, const struct atr_index_subject *s)
{
	put_uvarint(o, s->name_bytes);
	put_bytes(o, s->name, s->name_bytes);
	put_uvarint(o, s->messages);
	put_uvarint(o, s->first_block);
	if (s->messages > 1)
		put_uvarint(o, s->last_block);
}

static void put_block(struct output *o, const struct atr_index *index,
                      const struct atr_index_block *b)
{
	uint64_t deleted = atr_seqset_count(&b->deleted, 0, UINT64_MAX);
	uint8_t *p;

	put_uvarint(o, b->number);
	put_uvarint(o, b->bytes);
	put_uvarint(o, b->first_seq);
	put_varint(o, (int64_t)((uint64_t)b->first_time_ns - (uint64_t)index->first_time_ns));
	put_uvarint(o, b->last_seq);
	put_varint(o, (int64_t)((uint64_t)b->last_time_ns - (uint64_t)index->first_time_ns));
	put_uvarint(o, deleted);
	if (deleted == 0)
		return;
	p = room(o, atr_seqset_encoded_bytes(&b->deleted));
	if (p != NULL) {
		atr_seqset_encode(&b->deleted, p);
		o->bytes += atr_seqset_encoded_bytes(&b->deleted);
	}
}

enum atr_status atr_index_encode(const struct atr_index *index, atr_index_subject_fn *subject_at,
                                 void *arg, uint8_t **text, size_t *text_bytes)
{
	static const uint8_t head[2] = {INDEX_MAGIC, 1};
	struct output o = {0};

	put_bytes(&o, head, sizeof head);
	put_uvarint(&o, index->messages);
	put_uvarint(&o, index->bytes);
	put_uvarint(&o, index->first_seq);
	put_varint(&o, index->first_time_ns);
	put_uvarint(&o, index->last_seq);
	put_varint(&o, index->last_time_ns);
	put_uvarint(&o, index->subject_count);
	for (size_t i = 0; i < index->subject_count; i++) {
		struct atr_index_subject s;

		if (subject_at != NULL)
			subject_at(arg, i, &s);
		else
			s = index->subject[i];
		put_subject(&o, &s);
	}
	put_uvarint(&o, index->block_count);
	for (size_t i = 0; i < index->block_count; i++)
		put_block(&o, index, &index->block[i]);
	put_uvarint(&o, index->last_block);
	put_bytes(&o, index->lchk, ATR_HASH_BYTES);
	*text = o.text;
	*text_bytes = o.bytes;
	if (!o.failed)
		return ATR_OK;
	free(o.text);
	*text = NULL;
	return ATR_ENOMEM;
}

enum atr_status atr_index_seal(const struct atr_file_table *files, const struct atr_seed *seed,
                               const char *stream, const uint8_t *text, size_t text_bytes,
                               uint8_t **content, size_t *content_bytes)
{
	struct atr_hash_key key;
	uint8_t *body = NULL, *whole;
	enum atr_status rc;
	size_t bytes = text_bytes;

	*content = NULL;
	rc = seed != NULL ? atr_meta_seal(files, seed, text, text_bytes, &body, &bytes)
	                  : copy_of(text, text_bytes, &body);
	if (rc != ATR_OK)
		return rc;
	whole = realloc(body, bytes + ATR_HASH_BYTES);
	if (whole == NULL || atr_hash_key_init(&key, stream) != 0) {
		free(whole != NULL ? whole : body);
		return ATR_ENOMEM;
	}
	atr_le64_put(whole + bytes, atr_hash64(&key, whole, bytes));
	*content = whole;
	*content_bytes = bytes + ATR_HASH_BYTES;
	return ATR_OK;
}

/* ---- idx ---- */

/* The deleted sequences: distances from the first, or (version 2) a sequence set. */
static enum atr_status decode_deleted(struct atr_cursor *c, unsigned version, uint64_t count,
                                      struct atr_index_block *b, const char **why)
{
	enum atr_status rc = ATR_OK;

	if (count > 0 && version >= 2)
		return atr_seqset_decode(c, &b->deleted, why);
	for (uint64_t i = 0; i < count && rc == ATR_OK; i++) {
		uint64_t distance = atr_cursor_uvarint(c);

		if (c->failed)
			return refuse(why, "the list of deletes is cut");
		if (distance == 0 || distance > b->last_seq - b->first_seq)
			return refuse(why, "a deleted sequence lies outside the block");
		rc = atr_seqset_add(&b->deleted, b->first_seq + distance, b->first_seq + distance);
	}
	atr_seqset_settle(&b->deleted);
	return rc;
}

static enum atr_status decode_idx(struct atr_cursor *c, struct atr_idx *out, const char **why)
{
	const uint8_t *head = atr_cursor_take(c, 2), *lchk;
	struct atr_index_block *b = &out->block;
	enum atr_status rc;
	uint64_t deleted;

	if (head == NULL || head[0] != IDX_MAGIC)
		return refuse(why, "does not begin with the index file's byte 22");
	if (head[1] == 0)
		return refuse(why, "version 0, expected 1 or 2");
	if (head[1] > IDX_VERSION) {
		*why = "a newer version than 2";
		return ATR_EUNSUPPORTED;
	}
	out->messages = atr_cursor_uvarint(c);
	b->bytes = atr_cursor_uvarint(c);
	b->first_seq = atr_cursor_uvarint(c);
	b->first_time_ns = atr_cursor_varint(c);
	b->last_seq = atr_cursor_uvarint(c);
	b->last_time_ns = atr_cursor_varint(c);
	deleted = atr_cursor_uvarint(c);
	lchk = atr_cursor_take(c, ATR_HASH_BYTES);
	if (lchk == NULL)
		return refuse(why, "cut");
	memcpy(out->lchk, lchk, ATR_HASH_BYTES);
	if (!consistent(b->first_seq, b->last_seq, deleted, out->messages))
		return refuse(why, "messages, first, last and deletes do not fit each other");
	rc = decode_deleted(c, head[1], deleted, b, why);
	if (rc != ATR_OK)
		return rc;
	if (atr_seqset_count(&b->deleted, b->first_seq, b->last_seq) != deleted)
		return refuse(why, "another number of deletes than it says");
	if (c->at != c->end)
		return refuse(why, "bytes left over at the end");
	return ATR_OK;
}

enum atr_status atr_idx_decode(const uint8_t *text, size_t text_bytes, struct atr_idx *out,
                               const char **why)
{
	struct atr_cursor c = {.at = text, .end = text + text_bytes};
	enum atr_status rc;

	memset(out, 0, sizeof *out);
	*why = NULL;
	rc = decode_idx(&c, out, why);
	if (rc != ATR_OK)
		atr_idx_free(out);
	return rc;
}

void atr_idx_free(struct atr_idx *idx)
{
	atr_seqset_free(&idx->block.deleted);
	memset(idx, 0, sizeof *idx);
}

size_t atr_idx_encode_empty(uint64_t last_seq, uint8_t out[ATR_IDX_EMPTY_BYTES_MAX])
{
	uint8_t *p = out;

	*p++ = IDX_MAGIC;
	*p++ = IDX_VERSION_OLD;
	p += atr_uvarint_put(p, 0);            /* messages */
	p += atr_uvarint_put(p, 0);            /* bytes */
	p += atr_uvarint_put(p, last_seq + 1); /* first sequence, time */
	p += atr_varint_put(p, 0);
	p += atr_uvarint_put(p, last_seq); /* last sequence, time */
	p += atr_varint_put(p, 0);
	p += atr_uvarint_put(p, 0);   /* deleted */
	memset(p, 0, ATR_HASH_BYTES); /* lchk: there is no record */
	return (size_t)(p - out) + ATR_HASH_BYTES;
}

static enum atr_status open_idx(const struct atr_seed *seed, const uint8_t *content, size_t bytes,
                                struct atr_idx *out, const char **why)
{
	uint8_t *text;
	enum atr_status rc;

	if (seed != NULL && bytes >= atr_cipher_tag_bytes(seed->cipher)) {
		text = malloc(bytes + 1);
		if (text == NULL)
			return ATR_ENOMEM;
		/* No nonce in front: that of the key file, every time. */
		rc = ATR_EAUTH;
		if (atr_cipher_open(seed->cipher, seed->seed, seed->nonce, content, bytes, text) ==
		    0)
			rc = atr_idx_decode(text, bytes - atr_cipher_tag_bytes(seed->cipher), out,
			                    why);
		free(text);
		if (rc != ATR_EAUTH)
			return rc;
	}
	rc = atr_idx_decode(content, bytes, out, why);
	if (rc == ATR_OK)
		out->clear = seed != NULL;
	if (rc != ATR_OK && rc != ATR_ENOMEM && seed != NULL) {
		*why = "message authentication failed: wrong key or damaged file";
		return ATR_EAUTH;
	}
	return rc;
}

enum atr_status atr_idx_read(const struct atr_file_table *files, const char *path,
                             const struct atr_seed *seed, uint64_t number, struct atr_idx *out,
                             struct atr_error *err)
{
	const char *why = NULL;
	uint8_t *content;
	enum atr_status rc;
	size_t bytes;

	memset(out, 0, sizeof *out);
	rc = atr_file_read_whole(files, path, STATE_BYTES_MAX, &content, &bytes, err);
	if (rc != ATR_OK)
		return rc;
	rc = open_idx(seed, content, bytes, out, &why);
	rc = explain(err, rc, path, why);
	out->block.number = number;
	free(content);
	return rc;
}

/* ---- fss ---- */

static enum atr_status decode_fss(struct atr_cursor *c, struct atr_fss *out, const char **why)
{
	const uint8_t *head = atr_cursor_take(c, 2);
	uint64_t count;

	if (head == NULL || head[0] != IDX_MAGIC || head[1] != FSS_VERSION)
		return refuse(why, "does not begin with bytes 22 and 1");
	count = atr_cursor_uvarint(c);
	if (c->failed || !count_fits(c, count, 4))
		return refuse(why, "the list of subjects is cut");
	out->subject = calloc((size_t)count + 1, sizeof *out->subject);
	if (out->subject == NULL)
		return ATR_ENOMEM;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t bytes = atr_cursor_uvarint(c);
		const uint8_t *name = atr_cursor_take(c, bytes);
		uint64_t messages = atr_cursor_uvarint(c);

		(void)atr_cursor_uvarint(c); /* first sequence */
		(void)atr_cursor_uvarint(c); /* last sequence */
		if (c->failed)
			return refuse(why, "the list of subjects is cut");
		out->subject[out->subject_count++] =
		        (struct atr_index_subject){.name = (const char *)name,
		                                   .name_bytes = (size_t)bytes,
		                                   .messages = messages};
	}
	return c->at == c->end ? ATR_OK : refuse(why, "bytes left over at the end");
}

enum atr_status atr_fss_decode(const struct atr_hash_key *key, uint8_t *text, size_t text_bytes,
                               struct atr_fss *out, const char **why)
{
	struct atr_cursor c = {.at = text};
	enum atr_status rc;

	memset(out, 0, sizeof *out);
	*why = NULL;
	out->text = text;
	if (text_bytes < 2 * ATR_HASH_BYTES) {
		rc = refuse(why, "too short");
		goto done;
	}
	c.end = text + text_bytes - 2 * ATR_HASH_BYTES;
	if (key != NULL && atr_hash64(key, text, (size_t)(c.end - text)) != atr_le64_get(c.end)) {
		rc = refuse(why, "the hash at the end differs");
		goto done;
	}
	memcpy(out->lchk, c.end + ATR_HASH_BYTES, ATR_HASH_BYTES);
	rc = decode_fss(&c, out, why);
done:
	if (rc != ATR_OK)
		atr_fss_free(out);
	return rc;
}

void atr_fss_free(struct atr_fss *fss)
{
	free(fss->subject);
	free(fss->text);
	memset(fss, 0, sizeof *fss);
}

enum atr_status atr_fss_read(const struct atr_file_table *files, const char *path,
                             const char *stream, uint64_t number, struct atr_fss *out,
                             struct atr_error *err)
{
	struct atr_hash_key key;
	const char *why = NULL;
	char name[300];
	uint8_t *content;
	enum atr_status rc;
	size_t bytes;

	memset(out, 0, sizeof *out);
	if (snprintf(name, sizeof name, "%s-%" PRIu64, stream, number) >= (int)sizeof name ||
	    atr_hash_key_init(&key, name) != 0)
		return explain(err, ATR_EINVAL, path, "no hash key for this name");
	rc = atr_file_read_whole(files, path, STATE_BYTES_MAX, &content, &bytes, err);
	if (rc != ATR_OK)
		return rc;
	rc = atr_fss_decode(&key, content, bytes, out, &why);
	return explain(err, rc, path, why);
}
