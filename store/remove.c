/* remove.c - messages that go, one by one; the blocks that are empty then: remove_block.c.
 *
 * Messages go in batches: each is read (its subject, length and time are needed), then the
 * tombstones of the batch are appended in one write, then memory follows. So what is acknowledged
 * as removed stays removed, and after a failed write nothing is changed.
 * Source: nats-server server/filestore.go, removeMsg.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "store/boundary.h"
#include "store/reader_inner.h"
#include "store/subjects.h"

#define NAMES_BYTES ((size_t)128 * 1024) /* at least one subject of the greatest length */

struct item {
	uint64_t sequence;
	int64_t time_ns;
	uint32_t record_bytes, name_at;
	uint16_t name_bytes;
};

struct removing {
	struct atr_reader *reader; /* knows that append_lock is held */
	struct item item[TOMBSTONES_MAX];
	struct appender_tombstone tombstone[TOMBSTONES_MAX];
	size_t count, names_used;
	char names[NAMES_BYTES];
};

enum atr_status remove_begin(struct atr_store *store, struct atr_error *err)
{
	enum atr_status rc = store_check_poison(store, err);
	struct removing *b;

	if (rc == ATR_OK && !store->prepared)
		rc = store_prepare_append(store, err);
	if (rc != ATR_OK || store->removing != NULL)
		return rc;
	b = malloc(sizeof *b);
	if (b == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a removal");
	b->count = b->names_used = 0;
	rc = atr_reader_open(store, &b->reader, err);
	if (rc != ATR_OK) {
		free(b);
		return rc;
	}
	reader_set_inner(b->reader);
	store->removing = b;
	return ATR_OK;
}

void remove_close(struct atr_store *store)
{
	if (store->removing == NULL)
		return;
	atr_reader_close(store->removing->reader);
	free(store->removing);
	store->removing = NULL;
}

struct appender_tombstone *remove_tombstones(struct atr_store *store)
{
	return store->removing->tombstone;
}

/* ---- reading ---- */

enum atr_status remove_settle(struct atr_store *store, uint64_t number, struct atr_error *err)
{
	while (store->flusher != NULL && !flusher_has_written(store->flusher, number))
		if (!flusher_drain(store->flusher))
			return store_check_poison(store, err);
	return ATR_OK;
}

uint64_t remove_next_live(const struct atr_store *store, uint64_t sequence)
{
	for (size_t at = store_find_entry(store, sequence); at < store->entry_count; at++) {
		const struct block_entry *entry = &store->entry[at];
		const struct atr_seqset *deleted = entry->deleted;

		if (sequence < entry->first_seq)
			sequence = entry->first_seq;
		if (deleted != NULL) {
			size_t i = atr_seqset_lower(deleted, sequence);

			if (i < deleted->count && deleted->range[i].first <= sequence)
				sequence = deleted->range[i].last + 1;
		}
		if (sequence <= atomic_load_explicit(&entry->last_seq, memory_order_relaxed))
			return sequence;
	}
	return 0;
}

/* in_order: what follows is asked for next, so the block is read on from there. What the reader
 * remembers of a block may end before it, where the flusher was then: a record that is not found
 * is looked for once more in the whole block. */
static enum atr_status read_one(struct atr_store *store, struct atr_reader *reader, int in_order,
                                uint64_t sequence, struct atr_message *m, struct atr_error *err)
{
	enum atr_status rc;

	for (int whole = 0;; whole = 1) {
		size_t at = store_find_entry(store, sequence);

		rc = in_order ? atr_reader_next(reader, sequence, m, err)
		              : atr_reader_get(reader, sequence, m, err);
		if (rc == ATR_OK && m->sequence == sequence)
			return ATR_OK;
		if (whole)
			break;
		reader_forget_place(reader);
		rc = remove_settle(store, at < store->entry_count ? store->entry[at].number : 0,
		                   err);
		if (rc != ATR_OK)
			return rc;
	}
	if (rc != ATR_OK && rc != ATR_END && rc != ATR_ENOTFOUND)
		return rc;
	rc = atr_error_set(err, ATR_EFORMAT, NULL, -1,
	                   "the record of sequence %" PRIu64 " is not in its block", sequence);
	if (err != NULL)
		err->sequence = sequence;
	return rc;
}

enum atr_status remove_read(struct atr_store *store, uint64_t sequence, struct atr_message *m,
                            struct atr_error *err)
{
	return read_one(store, store->removing->reader, 1, sequence, m, err);
}

void remove_set_time(struct atr_store *store, size_t at, int64_t time_ns)
{
	pthread_mutex_lock(&store->state_lock);
	store->entry[at].first_time_ns = time_ns;
	store->entry[at].flags &= ~BLOCK_TIME_STALE;
	pthread_mutex_unlock(&store->state_lock);
}

uint64_t remove_place_first(const struct atr_store *store, const struct atr_subject_entry *s)
{
	uint64_t number = s->first & ~SUBJECT_IN_BLOCK;
	size_t at;

	if ((s->first & SUBJECT_IN_BLOCK) == 0)
		return s->first;
	at = store_lower_block(store, number);
	return at < store->entry_count ? store->entry[at].first_seq : store->last_seq;
}

enum atr_status remove_settle_times(struct atr_store *store, struct atr_error *err)
{
	struct atr_reader *reader = NULL;
	enum atr_status rc = ATR_OK;

	for (size_t at = 0; at < store->entry_count && rc == ATR_OK; at++) {
		struct block_entry *entry = &store->entry[at];
		struct atr_message m;

		if ((entry->flags & BLOCK_TIME_STALE) == 0 || entry->messages == 0)
			continue;
		if (reader == NULL) {
			rc = atr_reader_open(store, &reader, err);
			if (rc != ATR_OK)
				break;
			reader_set_inner(reader);
		}
		rc = read_one(store, reader, 0, entry->first_seq, &m, err);
		if (rc == ATR_OK)
			remove_set_time(store, at, m.time_ns);
	}
	atr_reader_close(reader);
	return rc;
}

/* ---- batches ---- */

static int is_full(const struct removing *b)
{
	return b->count == TOMBSTONES_MAX || NAMES_BYTES - b->names_used < ATR_SUBJECT_BYTES_MAX;
}

static void add_item(struct removing *b, const struct atr_message *m)
{
	b->item[b->count++] = (struct item){
	        .sequence = m->sequence,
	        .time_ns = m->time_ns,
	        .record_bytes = (uint32_t)atr_record_bytes(m),
	        .name_at = (uint32_t)b->names_used,
	        .name_bytes = (uint16_t)m->subject_bytes,
	};
	memcpy(b->names + b->names_used, m->subject, m->subject_bytes);
	b->names_used += m->subject_bytes;
}

/* The entry without that live message. state_lock held. */
static enum atr_status take_out(struct atr_store *store, struct block_entry *entry,
                                const struct item *item, enum removal how)
{
	uint64_t first = item->sequence + 1;
	enum atr_status rc;

	assert(entry->messages > 0);
	if (entry->messages == 1) {
		store_free_deleted(entry);
		entry->first_seq = atomic_load(&entry->last_seq) + 1;
		entry->flags |= BLOCK_EMPTIED;
		if (!store_is_active(store, entry))
			store->has_emptied = 1;
	} else if (item->sequence == entry->first_seq) {
		if (entry->deleted != NULL) {
			size_t i = atr_seqset_lower(entry->deleted, first);

			if (i < entry->deleted->count && entry->deleted->range[i].first <= first)
				first = entry->deleted->range[i].last + 1;
			(void)atr_seqset_remove(entry->deleted, 0, first - 1);
			if (entry->deleted->count == 0)
				store_free_deleted(entry);
		}
		entry->first_seq = first;
		entry->flags |= BLOCK_TIME_STALE;
	} else {
		if (entry->deleted == NULL)
			entry->deleted = calloc(1, sizeof *entry->deleted);
		rc = entry->deleted != NULL
		             ? atr_seqset_insert(entry->deleted, item->sequence, item->sequence)
		             : ATR_ENOMEM;
		if (rc != ATR_OK)
			return rc;
	}
	entry->messages--;
	entry->live_bytes -= item->record_bytes;
	if (how != REMOVE_BY_LIMIT && store->format == ATR_FORMAT_2_9)
		entry->flags |= BLOCK_SETTLE;
	return ATR_OK;
}

/* One message is left of the subject: where its first is known its last is, and the other way. */
static void join_places(struct atr_subject_entry *s)
{
	if (s == NULL || s->messages != 1)
		return;
	if ((s->last & SUBJECT_IN_BLOCK) == 0)
		s->first = s->last;
	else if ((s->first & SUBJECT_IN_BLOCK) == 0)
		s->last = s->first;
}

static enum atr_status forget(struct atr_store *store, const struct item *item, enum removal how,
                              struct atr_error *err)
{
	struct block_entry *entry = &store->entry[store_find_entry(store, item->sequence)];
	const char *name = store->removing->names + item->name_at;
	enum atr_status rc;

	pthread_mutex_lock(&store->state_lock);
	rc = take_out(store, entry, item, how);
	pthread_mutex_unlock(&store->state_lock);
	if (rc != ATR_OK)
		return atr_error_set(err, rc, NULL, -1, "no memory for sequences");
	atr_subjects_remove(store->subjects, name, item->name_bytes, item->sequence, entry->number);
	join_places(atr_subjects_find(store->subjects, name, item->name_bytes));
	atomic_fetch_sub(&store->messages, 1);
	atomic_fetch_sub(&store->bytes, item->record_bytes);
	if (item->sequence == atomic_load(&store->first_seq)) {
		uint64_t next = remove_next_live(store, item->sequence + 1);

		atomic_store(&store->first_seq, next != 0 ? next : store->last_seq + 1);
	}
	return ATR_OK;
}

/* Makes the batch durable as an append would be, then forgets its messages. */
static enum atr_status commit(struct atr_store *store, enum removal how, uint64_t *removed,
                              struct atr_error *err)
{
	struct removing *b = store->removing;
	enum atr_status rc = ATR_OK;

	if (how == REMOVE_FOR_GOOD && store->format == ATR_FORMAT_2_10) {
		for (size_t i = 0; i < b->count; i++)
			b->tombstone[i] = (struct appender_tombstone){b->item[i].sequence,
			                                              b->item[i].time_ns};
		rc = appender_tombstones(store, b->tombstone, b->count, err);
	}
	for (size_t i = 0; i < b->count && rc == ATR_OK; i++) {
		rc = forget(store, &b->item[i], how, err);
		*removed += rc == ATR_OK;
	}
	b->count = b->names_used = 0;
	atomic_fetch_add(&store->removals, 1);
	atomic_store(&store->dirty, 1);
	if (rc == ATR_OK && how == REMOVE_WITH_BLOCK)
		rc = remove_emptied(store, 1, err);
	else if (how != REMOVE_FROM_MEMORY) /* what is deleted stays so without it */
		(void)remove_emptied(store, 0, NULL);
	return rc;
}

static int wanted(const struct remove_range *range, const struct atr_message *m)
{
	if (range->subject != NULL)
		return m->subject_bytes == range->subject_bytes &&
		       memcmp(m->subject, range->subject, m->subject_bytes) == 0;
	return range->filter == NULL ||
	       atr_subject_matches(range->filter, m->subject, m->subject_bytes);
}

enum atr_status remove_messages(struct atr_store *store, struct remove_range *range,
                                struct atr_error *err)
{
	struct removing *b = store->removing;
	uint64_t sequence = range->first;
	enum atr_status rc = ATR_OK;
	struct atr_message m;
	int ended = 0;

	range->removed = 0;
	while (!ended && rc == ATR_OK) {
		while (!is_full(b) && range->removed + b->count < range->max) {
			sequence = remove_next_live(store, sequence);
			ended = sequence == 0 || sequence > range->last;
			if (!ended)
				rc = remove_read(store, sequence, &m, err);
			if (!ended && rc == ATR_EFORMAT) { /* damaged: not one of its messages */
				rc = ATR_OK;
				sequence++;
				continue;
			}
			if (ended || rc != ATR_OK)
				break;
			if (range->until_ns != 0 && m.time_ns > range->until_ns) {
				ended = 1;
				break;
			}
			if (wanted(range, &m))
				add_item(b, &m);
			sequence++;
		}
		if (b->count == 0 || rc != ATR_OK)
			break;
		rc = commit(store, range->how, &range->removed, err);
		ended |= range->removed >= range->max;
	}
	b->count = b->names_used = 0;
	return rc;
}

/* ---- one message ---- */

enum atr_status remove_end(struct atr_store *store, struct atr_error *err)
{
	enum atr_status rc = ATR_OK;

	if (store->sync == ATR_SYNC_ALWAYS && store->directory_unsynced) {
		rc = atr_file_sync_directory(store->files, store->msgs_path, err);
		atomic_fetch_add(&store->syncs, 1);
		store->directory_unsynced = 0;
		if (rc != ATR_OK)
			rc = store_poison(store, rc, err);
	}
	return rc;
}

static enum atr_status delete_locked(struct atr_store *store, uint64_t sequence,
                                     struct atr_error *err)
{
	uint64_t removed = 0;
	struct atr_message m;
	enum atr_status rc;
	size_t at;

	rc = remove_begin(store, err);
	if (rc != ATR_OK)
		return rc;
	at = store_find_entry(store, sequence);
	if (at == store->entry_count || !store_is_live(&store->entry[at], sequence))
		return atr_error_set(err, ATR_ENOTFOUND, NULL, -1, "no such sequence");
	rc = read_one(store, store->removing->reader, 0, sequence, &m, err);
	if (rc != ATR_OK)
		return rc;
	add_item(store->removing, &m);
	rc = commit(store, REMOVE_FOR_GOOD, &removed, err);
	return rc == ATR_OK ? remove_end(store, err) : rc;
}

enum atr_status atr_store_delete(struct atr_store *store, uint64_t sequence, struct atr_error *err)
{
	struct atr_error own;
	enum atr_status rc;

	if (err == NULL)
		err = &own;
	pthread_mutex_lock(&store->remove_lock);
	pthread_mutex_lock(&store->append_lock);
	rc = delete_locked(store, sequence, err);
	pthread_mutex_unlock(&store->append_lock);
	pthread_mutex_unlock(&store->remove_lock);
	return rc;
}
