/* purge.c - many messages at once: purge, compact, truncate.
 *
 * Whole blocks go in ascending order, none of their messages needs a tombstone; only the block
 * that is cut does. So a crash at any point leaves what a smaller purge would have left: the
 * messages from some sequence on. A purge of everything begins a new block first, with a tombstone
 * that names the last sequence, durable before the first file goes.
 * Sources: nats-server server/filestore.go, PurgeEx, purge, compact, Truncate.
 */
#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "store/boundary.h"
#include "store/store_inner.h"
#include "store/subjects.h"

/* ---- everything ---- */

/* Memory as if the blocks below `number` had no messages. */
static void empty_blocks(struct atr_store *store, uint64_t number)
{
	pthread_mutex_lock(&store->state_lock);
	for (size_t i = 0; i < store->entry_count && store->entry[i].number < number; i++) {
		struct block_entry *entry = &store->entry[i];

		store_free_deleted(entry);
		entry->first_seq = atomic_load(&entry->last_seq) + 1;
		entry->messages = entry->live_bytes = 0;
		entry->flags = (entry->flags & ~BLOCK_SETTLE) | BLOCK_EMPTIED;
	}
	pthread_mutex_unlock(&store->state_lock);
	atr_subjects_clear(store->subjects);
	atomic_store(&store->messages, 0);
	atomic_store(&store->bytes, 0);
	atomic_store(&store->first_seq, store->last_seq + 1);
	atomic_fetch_add(&store->removals, 1);
}

/* A new block that names `last`, with nothing else in it. Nobody appends meanwhile: room was waited
 * for. */
static enum atr_status begin_block(struct atr_store *store, uint64_t last, struct atr_error *err)
{
	struct appender_tombstone t = {.sequence = last};
	uint64_t before = store->last_seq;
	enum atr_status rc = ATR_OK;

	if (store->entry_count > 0)
		t.time_ns = store->entry[store->entry_count - 1].last_time_ns;
	store->last_seq = last;
	rc = appender_roll(store, last + 1, err);
	if (rc == ATR_OK)
		rc = appender_tombstones_now(store, &t, 1, err);
	if (rc != ATR_OK)
		store->last_seq = before;
	else
		atomic_store(&store->seen_last_seq, last);
	return rc;
}

static enum atr_status purge_all(struct atr_store *store, uint64_t last, uint64_t *purged,
                                 struct atr_error *err)
{
	uint64_t messages = atomic_load(&store->messages), number;
	enum atr_status rc;

	if (messages == 0 && last == store->last_seq)
		return ATR_OK;
	rc = begin_block(store, last, err);
	if (rc != ATR_OK)
		return rc;
	number = store->active.number;
	empty_blocks(store, number);
	*purged = messages;
	rc = remove_settle(store, number, err);
	if (rc == ATR_OK && store->sync != ATR_SYNC_NONE)
		rc = sync_one_block(store, number, err);
	while (rc == ATR_OK && store->entry[0].number < number)
		rc = remove_block_files(store, store->entry[0].number, err);
	return rc;
}

/* ---- below a sequence ---- */

static enum atr_status remove_below(struct atr_store *store, uint64_t sequence, uint64_t *purged,
                                    struct atr_error *err)
{
	struct remove_range range = {.max = UINT64_MAX};
	enum atr_status rc = ATR_OK;

	while (rc == ATR_OK) {
		uint64_t first = atomic_load(&store->first_seq);
		size_t at = store_find_entry(store, first);

		if (atomic_load(&store->messages) == 0 || first >= sequence ||
		    at == store->entry_count)
			break;
		range.first = first;
		range.last = atomic_load(&store->entry[at].last_seq);
		range.how = REMOVE_WITH_BLOCK;
		if (range.last >= sequence || store_is_active(store, &store->entry[at])) {
			range.last = sequence - 1;
			range.how = REMOVE_FOR_GOOD;
		}
		rc = remove_messages(store, &range, err);
		*purged += range.removed;
		if (rc == ATR_OK && range.removed == 0) /* whole blocks of it have to stay */
			rc = atr_error_set(err, ATR_EFORMAT, store->msgs_path, -1,
			                   "messages %" PRIu64 " to %" PRIu64
			                   " cannot be read, nor removed",
			                   range.first, range.last);
	}
	return rc;
}

/* The sequence below which all but the newest `keep` messages are. */
static uint64_t find_kept(const struct atr_store *store, uint64_t keep)
{
	uint64_t go = atomic_load(&store->messages) - keep, sequence;
	size_t at = 0;

	while (at + 1 < store->entry_count && store->entry[at].messages <= go)
		go -= store->entry[at++].messages;
	sequence = remove_next_live(store, store->entry[at].first_seq);
	for (; go > 0 && sequence != 0; go--)
		sequence = remove_next_live(store, sequence + 1);
	return sequence != 0 ? sequence : store->last_seq + 1;
}

/* ---- by subject ---- */

static enum atr_status purge_subject(struct atr_store *store, const struct atr_purge *p,
                                     uint64_t *purged, struct atr_error *err)
{
	struct remove_range range = {
	        .how = REMOVE_FOR_GOOD,
	        .first = atomic_load(&store->first_seq),
	        .last = p->below_sequence > 0 ? p->below_sequence - 1 : store->last_seq,
	};
	const struct atr_subject_entry *s;
	enum atr_status rc;
	const char *name;

	if (atr_subject_has_wildcard(p->subject)) {
		range.filter = p->subject;
		for (size_t i = 0; i < atr_subjects_count(store->subjects); i++) {
			s = atr_subjects_at(store->subjects, i, &name);
			if (atr_subject_matches(p->subject, name, s->name_bytes))
				range.max += s->messages;
		}
	} else {
		range.subject = p->subject;
		range.subject_bytes = strlen(p->subject);
		s = atr_subjects_find(store->subjects, range.subject, range.subject_bytes);
		if (s == NULL)
			return ATR_OK;
		range.first = remove_place_first(store, s);
		range.max = s->messages;
	}
	if (range.max <= p->keep)
		return ATR_OK;
	range.max -= p->keep;
	rc = remove_messages(store, &range, err);
	*purged = range.removed;
	return rc;
}

static enum atr_status purge_locked(struct atr_store *store, const struct atr_purge *p,
                                    uint64_t *purged, struct atr_error *err)
{
	enum atr_status rc;

	if (p->below_sequence > 1 && p->keep > 0)
		return atr_error_set(err, ATR_EINVAL, NULL, -1,
		                     "sequence > 1 && keep > 0 not allowed");
	rc = remove_begin(store, err);
	if (rc == ATR_OK) /* those of a purge that failed */
		rc = remove_emptied(store, 1, err);
	if (rc != ATR_OK)
		return rc;
	/* now, since others append while this waits: what goes is decided after it */
	if (store->flusher != NULL)
		flusher_wait_room(store->flusher);
	if (p->subject != NULL && p->subject[0] != '\0' && strcmp(p->subject, ">") != 0)
		return purge_subject(store, p, purged, err);
	if (p->below_sequence > store->last_seq)
		return purge_all(store, p->below_sequence - 1, purged, err);
	if (p->below_sequence > 0)
		return remove_below(store, p->below_sequence, purged, err);
	if (p->keep == 0)
		return purge_all(store, store->last_seq, purged, err);
	if (p->keep >= atomic_load(&store->messages))
		return ATR_OK;
	return remove_below(store, find_kept(store, p->keep), purged, err);
}

enum atr_status atr_store_purge(struct atr_store *store, const struct atr_purge *purge,
                                uint64_t *purged, struct atr_error *err)
{
	struct atr_error own;
	uint64_t removed = 0;
	enum atr_status rc;

	if (err == NULL)
		err = &own;
	pthread_mutex_lock(&store->remove_lock);
	pthread_mutex_lock(&store->append_lock);
	rc = purge_locked(store, purge, &removed, err);
	if (rc == ATR_OK)
		rc = remove_end(store, err);
	pthread_mutex_unlock(&store->append_lock);
	pthread_mutex_unlock(&store->remove_lock);
	if (purged != NULL)
		*purged = removed;
	return rc;
}

enum atr_status atr_store_compact(struct atr_store *store, uint64_t sequence, uint64_t *purged,
                                  struct atr_error *err)
{
	if (sequence > ATR_SEQUENCE_MAX)
		return atr_error_set(err, ATR_EINVAL, NULL, -1, "sequence above %" PRIu64,
		                     ATR_SEQUENCE_MAX);
	if (sequence == 0) {
		if (purged != NULL)
			*purged = 0;
		return ATR_OK;
	}
	return atr_store_purge(store, &(struct atr_purge){.below_sequence = sequence}, purged, err);
}
