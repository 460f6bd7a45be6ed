/* state.c - index.db of an open store; see state.h and, for believing, recover_inner.h.
 *
 * Sources: nats-server server/filestore.go, writeFullState, recoverFullState, trackingStatesEqual.
 */
#include "store/state.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/secret.h"
#include "store/recover_inner.h"
#include "store/s2.h"
#include "store/subjects.h"

#define BOUND           UINT64_C(1000000) /* subjects, interior deletes: the server's */
#define SINGLE_SPAN_MAX 64u               /* blocks read to find where lone messages are */

/* ---- places of subjects ---- */

/* Entries at or behind which the first, at or before which the last message is. */
static void place_of(const struct atr_store *store, const struct atr_subject_entry *e,
                     size_t *first, size_t *last)
{
	uint64_t a = e->first & ~SUBJECT_IN_BLOCK, b = e->last & ~SUBJECT_IN_BLOCK;

	*first = (e->first & SUBJECT_IN_BLOCK) != 0 ? store_lower_block(store, a)
	                                            : store_find_entry(store, a);
	*last = (e->last & SUBJECT_IN_BLOCK) != 0 ? store_lower_block(store, b)
	                                          : store_find_entry(store, b);
	if (*last == store->entry_count ||
	    ((e->last & SUBJECT_IN_BLOCK) != 0 && store->entry[*last].number > b && *last > 0))
		--*last;
	if (*first > *last)
		*first = *last;
}

/* Of a subject with one message the server looks into one block only. */
static int is_lost_single(const struct atr_store *store, const struct atr_subject_entry *e,
                          size_t *first, size_t *last)
{
	if (e->messages != 1)
		return 0;
	place_of(store, e, first, last);
	return *first != *last;
}

static enum atr_status find_in_block(struct atr_store *store, const struct block_entry *entry,
                                     struct atr_walk *walk, struct atr_error *err)
{
	struct atr_record record;
	enum atr_status rc = atr_walk_reopen(walk, entry->number, err);
	uint64_t previous = 0;
	size_t a, b;

	while (rc == ATR_OK) {
		const struct atr_message *m = &record.message;
		struct atr_subject_entry *e;

		rc = atr_walk_next(walk, &record, err);
		if (rc != ATR_OK || record.kind == ATR_RECORD_TOMBSTONE || m->sequence <= previous)
			continue;
		previous = m->sequence;
		if (record.kind != ATR_RECORD_MESSAGE || previous < entry->first_seq ||
		    (entry->deleted != NULL && atr_seqset_has(entry->deleted, previous)))
			continue;
		e = atr_subjects_find(store->subjects, m->subject, m->subject_bytes);
		if (e != NULL && is_lost_single(store, e, &a, &b))
			e->first = e->last = previous;
	}
	return rc == ATR_END ? ATR_OK : rc;
}

/* Reads the blocks in which lone messages may be whose place is not known. *found 0: too many. */
static enum atr_status find_singles(struct atr_store *store, int *found, struct atr_error *err)
{
	size_t from = SIZE_MAX, to = 0, a, b;
	struct atr_walk *walk = NULL;
	enum atr_status rc = ATR_OK;

	*found = 1;
	for (size_t i = 0; i < atr_subjects_count(store->subjects); i++) {
		if (!is_lost_single(store, atr_subjects_at(store->subjects, i, NULL), &a, &b))
			continue;
		from = a < from ? a : from;
		to = b > to ? b : to;
	}
	if (from == SIZE_MAX)
		return ATR_OK;
	*found = to - from < SINGLE_SPAN_MAX;
	if (!*found)
		return ATR_OK;
	rc = atr_walk_new(&store->home, &walk, err);
	for (; from <= to && rc == ATR_OK; from++)
		if (store->entry[from].messages > 0)
			rc = find_in_block(store, &store->entry[from], walk, err);
	atr_walk_close(walk);
	return rc;
}

/* ---- encoding ---- */

static int fits_together(const struct atr_store *store)
{
	uint64_t messages = 0, bytes = 0, interior = 0, after = 0;

	for (size_t i = 0; i < store->entry_count; i++) {
		const struct block_entry *e = &store->entry[i];
		uint64_t last = atomic_load(&e->last_seq);
		uint64_t deleted =
		        e->deleted != NULL ? atr_seqset_count(e->deleted, 0, UINT64_MAX) : 0;

		if (e->first_seq > last + 1 || e->first_seq <= after ||
		    last + 1 - e->first_seq != e->messages + deleted)
			return 0;
		after = e->messages > 0 ? last : after;
		messages += e->messages;
		bytes += e->live_bytes;
		interior += deleted;
	}
	return messages == atomic_load(&store->messages) && bytes == atomic_load(&store->bytes) &&
	       interior <= BOUND && after <= store->last_seq &&
	       atr_subjects_count(store->subjects) <= BOUND;
}

/* The last 8 bytes of the last block; *whole 0: bytes are there that belong to no record. */
static enum atr_status read_last_check(struct atr_store *store, uint8_t lchk[ATR_HASH_BYTES],
                                       int *whole, struct atr_error *err)
{
	const struct block_entry *last = &store->entry[store->entry_count - 1];
	struct atr_walk *walk = NULL;
	enum atr_status rc;

	memset(lchk, 0, ATR_HASH_BYTES);
	*whole = (last->flags & BLOCK_TORN) == 0;
	if (!*whole)
		return ATR_OK;
	rc = atr_walk_open(&store->home, last->number, &walk, err);
	if (rc == ATR_OK) {
		uint64_t known = atomic_load(&last->file_bytes);

		*whole = known == FILE_BYTES_UNKNOWN || atr_walk_file_bytes(walk) == known;
		if (*whole && atr_walk_file_bytes(walk) > 0)
			rc = atr_walk_last_check(walk, lchk, err);
	}
	atr_walk_close(walk);
	return rc;
}

static void give_subject(void *arg, size_t i, struct atr_index_subject *out)
{
	const struct atr_store *store = arg;
	const struct atr_subject_entry *e = atr_subjects_at(store->subjects, i, &out->name);
	size_t first, last;

	place_of(store, e, &first, &last);
	out->name_bytes = e->name_bytes;
	out->messages = e->messages;
	out->first_block = store->entry[first].number;
	out->last_block = store->entry[last].number;
}

/* Borrows the entries' deletes. */
static void fill_index(const struct atr_store *store, struct atr_index *index)
{
	index->messages = atomic_load(&store->messages);
	index->bytes = atomic_load(&store->bytes);
	index->first_seq = atomic_load(&store->first_seq);
	index->last_seq = store->last_seq;
	index->subject_count = atr_subjects_count(store->subjects);
	index->block_count = store->entry_count;
	for (size_t i = 0; i < store->entry_count; i++) {
		const struct block_entry *e = &store->entry[i];

		if (e->messages > 0 && index->first_time_ns == 0)
			index->first_time_ns = e->first_time_ns;
		if (e->last_time_ns != 0)
			index->last_time_ns = e->last_time_ns;
		index->block[i] = (struct atr_index_block){
		        .number = e->number,
		        .bytes = e->live_bytes,
		        .first_seq = e->first_seq,
		        .last_seq = atomic_load(&e->last_seq),
		        .first_time_ns = e->first_time_ns,
		        .last_time_ns = e->last_time_ns,
		};
		if (e->deleted != NULL)
			index->block[i].deleted = *e->deleted;
		index->last_block = e->number;
	}
}

enum atr_status state_encode(struct atr_store *store, uint8_t **text, size_t *text_bytes,
                             struct atr_error *err)
{
	struct atr_index index = {0};
	enum atr_status rc;
	int go_on;

	*text = NULL;
	if (store->entry_count == 0 || store->format == ATR_FORMAT_2_9 ||
	    store->recovery.damaged_records > 0 || !fits_together(store))
		return ATR_OK;
	rc = remove_settle_times(store, err);
	if (rc != ATR_OK)
		return rc;
	rc = read_last_check(store, index.lchk, &go_on, err);
	if (rc == ATR_OK && go_on)
		rc = find_singles(store, &go_on, err);
	if (rc != ATR_OK || !go_on)
		return rc;
	index.block = calloc(store->entry_count, sizeof *index.block);
	if (index.block == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for the state file");
	fill_index(store, &index);
	rc = atr_index_encode(&index, give_subject, store, text, text_bytes);
	free(index.block);
	return rc == ATR_OK ? rc : atr_error_set(err, rc, NULL, -1, "no memory for the state file");
}

/* ---- writing ---- */

static int no_sync(void *context, int fd)
{
	(void)context;
	(void)fd;
	return 0;
}

static enum atr_status replace(struct atr_store *store, const uint8_t *text, size_t text_bytes,
                               struct atr_error *err)
{
	struct atr_file_table files = *store->files;
	uint8_t *content = NULL;
	char path[PATH_MAX];
	enum atr_status rc;
	size_t bytes = 0;

	if (store->sync == ATR_SYNC_NONE)
		files.sync = no_sync;
	(void)snprintf(path, sizeof path, "%s/index.db", store->msgs_path);
	rc = atr_index_seal(&files, store->meta_seed, store->stream, text, text_bytes, &content,
	                    &bytes);
	if (rc != ATR_OK)
		return atr_error_set(err, rc, path, -1, "sealing: %s", atr_status_text(rc));
	rc = atr_file_replace(&files, path, content, bytes, err);
	free(content);
	if (rc != ATR_OK)
		return rc;
	atomic_fetch_add_explicit(&store->written_bytes, bytes, memory_order_relaxed);
	store->has_index_db = 1;
	store->prepared = 0; /* the next change takes it away */
	if (store->has_index_old) {
		(void)snprintf(path, sizeof path, "%s/" INDEX_OLD, store->msgs_path);
		(void)files.unlink(files.context, path);
		store->has_index_old = 0;
	}
	return ATR_OK;
}

enum atr_status state_write(struct atr_store *store, struct atr_error *err)
{
	uint8_t *text;
	size_t text_bytes;
	enum atr_status rc;

	if (!store->prepared)
		return ATR_OK; /* nothing changed: what is there is true, or was not there at open
		                */
	rc = state_encode(store, &text, &text_bytes, err);
	if (rc == ATR_OK && text != NULL)
		rc = replace(store, text, text_bytes, err);
	free(text);
	return rc;
}

/* ---- believing ---- */

static uint64_t messages_of(const struct atr_index_block *b)
{
	return b->last_seq + 1 - b->first_seq - atr_seqset_count(&b->deleted, 0, UINT64_MAX);
}

/* Its blocks are those that are there, and its numbers fit each other. */
static int index_fits(const struct recovery *r)
{
	const struct atr_index *index = &r->index;
	uint64_t messages = 0, bytes = 0, in_subjects = 0, after = 0, first_seq = 0;
	size_t at = 0;

	for (size_t i = 0; i < r->count; i++) {
		const struct atr_index_block *b = &index->block[at];
		uint64_t deleted;

		if ((r->listed[i].has & HAS_BLK) == 0)
			continue;
		if (at++ == index->block_count || b->number != r->listed[i].number)
			return 0;
		deleted = atr_seqset_count(&b->deleted, b->first_seq, b->last_seq);
		if (deleted != atr_seqset_count(&b->deleted, 0, UINT64_MAX) ||
		    b->first_seq <= after || deleted > b->last_seq + 1 - b->first_seq)
			return 0;
		after = b->first_seq <= b->last_seq ? b->last_seq : after;
		messages += messages_of(b);
		bytes += b->bytes;
		if (first_seq == 0 && messages > 0)
			first_seq = b->first_seq;
	}
	for (size_t i = 0; i < index->subject_count; i++)
		in_subjects += index->subject[i].messages;
	return at == index->block_count && at > 0 &&
	       index->block[at - 1].number == index->last_block && messages == index->messages &&
	       bytes == index->bytes && in_subjects == messages && after <= index->last_seq &&
	       (messages == 0 || first_seq == index->first_seq);
}

/* The last block, as far as believing needs it. */
struct ends {
	struct atr_seed seed; /* when enciphered */
	int enciphered, compressed;
	uint64_t file_bytes;
	uint8_t start[ATR_BLOCK_START_BYTES];
	uint8_t lchk[ATR_HASH_BYTES]; /* an empty file: zeros */
};

/* Start and end of the open file, deciphered. */
static enum atr_status read_ends_of(struct recovery *r, int fd, const char *path, struct ends *ends,
                                    struct atr_error *err)
{
	const struct atr_file_table *files = r->store->files;
	struct atr_keystream *stream = NULL;
	size_t n = ends->file_bytes < sizeof ends->start ? (size_t)ends->file_bytes
	                                                 : sizeof ends->start;
	uint64_t at = ends->file_bytes - ATR_HASH_BYTES;
	enum atr_status rc;

	rc = atr_file_read_exact(files, fd, path, ends->start, n, 0, err);
	if (rc == ATR_OK)
		rc = atr_file_read_exact(files, fd, path, ends->lchk, ATR_HASH_BYTES, at, err);
	if (rc != ATR_OK || !ends->enciphered)
		return rc;
	stream = atr_keystream_new(ends->seed.cipher, ends->seed.seed, ends->seed.nonce, 0);
	if (stream == NULL)
		return atr_error_set(err, ATR_ENOMEM, path, -1, "no memory for a cipher context");
	if (atr_keystream_xor(stream, 0, ends->start, ends->start, n) != 0 ||
	    atr_keystream_xor(stream, at, ends->lchk, ends->lchk, ATR_HASH_BYTES) != 0)
		rc = atr_error_set(err, ATR_EFORMAT, path, (int64_t)at,
		                   "past the end of the key stream");
	atr_keystream_free(stream);
	return rc;
}

static enum atr_status read_ends(struct recovery *r, uint64_t number, struct ends *ends,
                                 struct atr_error *err)
{
	const struct atr_file_table *files = r->store->files;
	struct atr_file_stat st;
	char path[PATH_MAX];
	enum atr_status rc;
	int fd;

	rc = atr_block_read_key(&r->store->home, number, &ends->seed, err);
	ends->enciphered = rc == ATR_OK;
	if (rc != ATR_OK && rc != ATR_ENOTFOUND)
		return rc;
	store_block_path(r->store, number, "blk", path, sizeof path);
	fd = files->open(files->context, path, O_RDONLY, 0);
	if (fd < 0)
		return atr_file_error(err, fd, path, -1, "open");
	rc = files->stat(files->context, path, &st) < 0 ? ATR_EIO : ATR_OK;
	if (rc == ATR_OK) {
		ends->file_bytes = st.bytes;
		if (st.bytes >= ATR_HASH_BYTES)
			rc = read_ends_of(r, fd, path, ends, err);
		ends->compressed = atr_s2_is_compressed(
		        ends->start,
		        st.bytes < sizeof ends->start ? (size_t)st.bytes : sizeof ends->start,
		        st.bytes);
	}
	(void)files->close(files->context, fd);
	return rc;
}

/* No file but the last is looked at: opening takes the same time whatever the stream holds. */
static enum atr_status take_block(struct recovery *r, struct atr_index_block *b,
                                  const struct listed *l, uint64_t file_bytes,
                                  struct atr_error *err)
{
	struct block_entry entry = {
	        .number = b->number,
	        .first_seq = b->first_seq,
	        .messages = messages_of(b),
	        .live_bytes = b->bytes,
	        .first_time_ns = b->first_time_ns,
	        .last_time_ns = b->last_time_ns,
	        .flags = (l->has & HAS_KEY) != 0 ? BLOCK_KEY_UNSYNCED : 0, /* nobody knows */
	};

	atomic_init(&entry.last_seq, b->last_seq);
	atomic_init(&entry.file_bytes, file_bytes);
	if (entry.messages == 0) { /* the server's deletes of an empty block */
		entry.first_seq = b->last_seq + 1;
		entry.first_time_ns = 0;
	} else if (b->deleted.count > 0) {
		entry.deleted = malloc(sizeof *entry.deleted);
		if (entry.deleted == NULL)
			return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for sequences");
		*entry.deleted = b->deleted;
		b->deleted = (struct atr_seqset){0};
	}
	r->entry = entry;
	return store_add_entry(r->store, &entry, err);
}

/* ATR_EFORMAT: a subject is listed twice, or cannot be. */
static enum atr_status take_subjects(struct recovery *r)
{
	enum atr_status rc = ATR_OK;

	for (size_t i = 0; i < r->index.subject_count && rc == ATR_OK; i++) {
		const struct atr_index_subject *s = &r->index.subject[i];

		rc = atr_subjects_put(r->store->subjects, s->name, s->name_bytes, s->messages,
		                      s->first_block, s->last_block);
	}
	return rc;
}

/* The files fit: everything is taken from the index. */
static enum atr_status take_index(struct recovery *r, const struct ends *ends, int *believed,
                                  struct atr_error *err)
{
	const struct listed *last = NULL;
	enum atr_status rc;
	size_t at = 0;

	rc = take_subjects(r);
	if (rc == ATR_EFORMAT) {
		atr_subjects_clear(r->store->subjects);
		return ATR_OK;
	}
	if (rc != ATR_OK)
		return atr_error_set(err, rc, NULL, -1, "no memory for subjects");
	for (size_t i = 0; i < r->count && rc == ATR_OK; i++) {
		if ((r->listed[i].has & HAS_BLK) == 0)
			continue;
		last = &r->listed[i];
		at++;
		rc = take_block(r, &r->index.block[at - 1], last,
		                at == r->index.block_count ? ends->file_bytes : FILE_BYTES_UNKNOWN,
		                err);
	}
	if (rc != ATR_OK)
		return rc;
	*believed = 1;
	r->last_seq = r->index.last_seq;
	if (ends->compressed)
		return ATR_OK;
	return recover_set_active(r, last, ends->enciphered ? &ends->seed : NULL, ends->file_bytes,
	                          err);
}

enum atr_status state_believe(struct recovery *r, int *believed, struct atr_error *err)
{
	struct ends *ends;
	enum atr_status rc;

	*believed = 0;
	if (!r->has_index || r->index_is_old || r->index.clear || !index_fits(r))
		return ATR_OK;
	ends = atr_secret_alloc(sizeof *ends);
	if (ends == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for keys");
	rc = read_ends(r, r->index.last_block, ends, err);
	if (rc == ATR_OK && memcmp(r->index.lchk, ends->lchk, sizeof ends->lchk) == 0)
		rc = take_index(r, ends, believed, err);
	atr_secret_free(ends);
	/* whatever is wrong with the block, reading it says so */
	return rc == ATR_EAUTH || rc == ATR_EFORMAT || rc == ATR_ENOKEY ? ATR_OK : rc;
}
