/* compact.c - blocks written anew in place: erasing, dropping what is deleted, compression, another
 * cipher.
 *
 *   live message      copied
 *   deleted one       2.10: dropped; 2.9: a placeholder with time 0, unless it is at the head
 *   tombstone         copied when its sequence belongs to another block, else dropped with it
 *   last sequence     in the stream's last block, where nothing kept says it: a tombstone,
 * under 2.9 a placeholder
 *
 * A new file gets a new seed and nonce (blockout.h) and takes the old one's place with its key file
 * at once (rewrite.h). A block with damage is not rewritten: what could not be read would be gone.
 * Sources: nats-server server/filestore.go, compact, eraseMsg; format 5.3 for the placeholders.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/blockout.h"
#include "store/rewrite.h"
#include "store/store_inner.h"

/* What deletions may become; far above what a block of servers holds. */
#define PLACEHOLDERS_MAX (UINT64_C(1) << 20)

struct copying {
	struct atr_store *store;
	const struct block_entry *entry;
	size_t index;
	enum compact_placeholders placeholders;
	struct atr_walk *walk;
	struct atr_blockout *out;
	uint64_t passed;   /* highest sequence read */
	uint64_t previous; /* of the last message or placeholder written; 0: none yet */
	uint64_t named;    /* highest tombstone written */
	uint64_t records;
	struct atr_error *err;
};

/* ---- records ---- */

static enum atr_status put(struct copying *c, const struct atr_message *m)
{
	c->records++;
	return atr_blockout_put(c->out, m, c->err);
}

static enum atr_status put_placeholder(struct copying *c, uint64_t sequence, int64_t time_ns)
{
	const struct atr_message m = {.sequence = sequence | ATR_SEQUENCE_ERASED,
	                              .time_ns = time_ns};

	c->previous = sequence;
	return put(c, &m);
}

static enum atr_status put_tombstone(struct copying *c, uint64_t sequence, int64_t time_ns)
{
	const struct atr_message m = {.sequence = sequence | ATR_SEQUENCE_TOMBSTONE,
	                              .time_ns = time_ns};

	if (c->named < sequence)
		c->named = sequence;
	return put(c, &m);
}

/* Placeholders behind what was written, up to before `end`. */
static enum atr_status fill(struct copying *c, uint64_t end)
{
	enum atr_status rc = ATR_OK;

	if (c->previous != 0 && end - c->previous - 1 > PLACEHOLDERS_MAX)
		return atr_error_set(c->err, ATR_EUNSUPPORTED, c->store->msgs_path, -1,
		                     "block %" PRIu64 " needs %" PRIu64
		                     " placeholders before sequence %" PRIu64 ", at most %" PRIu64,
		                     c->entry->number, end - c->previous - 1, end,
		                     PLACEHOLDERS_MAX);
	while (c->previous != 0 && c->previous + 1 < end && rc == ATR_OK)
		rc = put_placeholder(c, c->previous + 1, 0);
	return rc;
}

static enum atr_status copy_message(struct copying *c, const struct atr_record *record)
{
	uint64_t sequence = record->message.sequence;
	enum atr_status rc = ATR_OK;

	if (c->store->format == ATR_FORMAT_2_9)
		rc = fill(c, sequence);
	/* as the first record it would be taken for the mark of a compressed block: it was not the
	 * first before either, so the sequence below it was this block's, and is deleted */
	if (rc == ATR_OK && c->records == 0 && atr_record_spells_compressed(record->record_bytes) &&
	    store_find_entry(c->store, sequence - 1) == c->index)
		rc = put_placeholder(c, sequence - 1, 0);
	c->previous = sequence;
	return rc == ATR_OK ? put(c, &record->message) : rc;
}

static enum atr_status copy_record(struct copying *c, const struct atr_record *record)
{
	uint64_t sequence = record->message.sequence;

	if (record->kind == ATR_RECORD_TOMBSTONE && remove_waits_for(c->store, sequence))
		return put_tombstone(c, sequence, record->message.time_ns);
	if (record->kind == ATR_RECORD_TOMBSTONE) {
		/* what it names in this block goes now; what was truncated may come again */
		if (store_find_entry(c->store, sequence) == c->index ||
		    sequence > c->store->last_seq)
			return ATR_OK;
		return put_tombstone(c, sequence, record->message.time_ns);
	}
	if (sequence == 0 || sequence <= c->passed)
		return ATR_OK;
	c->passed = sequence;
	if (record->kind == ATR_RECORD_MESSAGE && store_is_live(c->entry, sequence))
		return copy_message(c, record);
	/* under 2.9 the next message brings its placeholders */
	if (record->kind == ATR_RECORD_ERASED && c->placeholders == COMPACT_KEEP &&
	    c->store->format != ATR_FORMAT_2_9 && c->previous != 0 && sequence == c->previous + 1)
		return put_placeholder(c, sequence, record->message.time_ns);
	return ATR_OK;
}

/* After the last record. */
static enum atr_status finish_records(struct copying *c)
{
	uint64_t last = atomic_load(&c->entry->last_seq);

	if (c->store->format == ATR_FORMAT_2_9) {
		if (c->previous == 0 && store_names_last(c->store, c->entry))
			return put_placeholder(c, last, 0);
		return c->previous != 0 ? fill(c, last + 1) : ATR_OK;
	}
	if (store_names_last(c->store, c->entry) && c->previous < last && c->named < last)
		return put_tombstone(c, last, c->entry->last_time_ns);
	return ATR_OK;
}

static enum atr_status copy_records(struct copying *c)
{
	struct atr_record record;
	enum atr_status rc;

	rc = atr_walk_new(&c->store->home, &c->walk, c->err);
	if (rc == ATR_OK)
		rc = atr_walk_reopen_to(c->walk, c->entry->number,
		                        atomic_load(&c->entry->file_bytes), c->err);
	while (rc == ATR_OK) {
		rc = atr_walk_next(c->walk, &record, c->err);
		if (rc == ATR_OK)
			rc = copy_record(c, &record);
	}
	atr_walk_close(c->walk);
	return rc == ATR_END ? finish_records(c) : rc;
}

/* ---- one block ---- */

/* Ends it when it is appended to, and waits until all of it is in the file. */
static enum atr_status end_block(struct atr_store *store, uint64_t number, struct atr_error *err)
{
	if (store->active.is_open && store->active.number == number) {
		if (store->flusher != NULL)
			flusher_end_block(store->flusher);
		appender_close(store);
	}
	while (store->flusher != NULL && !flusher_has_written(store->flusher, number)) {
		if (!flusher_drain(store->flusher))
			return store_check_poison(store, err);
	}
	return ATR_OK;
}

static enum atr_status write_anew(struct atr_store *store, size_t index,
                                  enum compact_placeholders placeholders,
                                  struct atr_blockout_result *result, struct atr_error *err)
{
	const struct atr_blockout_options options = {
	        .home = &store->home,
	        .cipher = store->cipher,
	        .number = store->entry[index].number,
	        .suffix = ".tmp",
	        /* servers append to the last one as it is */
	        .compress = store->compress && index + 1 < store->entry_count,
	        .sync = store->sync != ATR_SYNC_NONE,
	};
	struct copying c = {.store = store,
	                    .entry = &store->entry[index],
	                    .index = index,
	                    .placeholders = placeholders,
	                    .err = err};
	enum atr_status rc = atr_blockout_open(&options, &c.out, err);

	if (rc == ATR_OK)
		rc = copy_records(&c);
	if (rc != ATR_OK) {
		atr_blockout_discard(c.out);
		return rc;
	}
	return atr_blockout_finish(c.out, result, err);
}

/* The new files take their places, and the entry says so. */
static enum atr_status exchange(struct atr_store *store, size_t index,
                                const struct atr_blockout_result *result, struct atr_error *err)
{
	struct block_entry *entry = &store->entry[index];
	const uint8_t remove_key = !atr_cipher_encrypts(store->cipher);
	enum atr_status rc;

	rc = atr_rewrite_commit(store->files, store->msgs_path, &entry->number, &remove_key, 1,
	                        err);
	if (rc == ATR_OK) {
		pthread_mutex_lock(&store->state_lock);
		atomic_store(&entry->file_bytes, result->file_bytes);
		entry->generation++;
		entry->head_seq = 0; /* looked up when it is needed */
		entry->flags &= ~(BLOCK_TORN | BLOCK_SETTLE | BLOCK_COMPRESS | BLOCK_NO_TOMBSTONES);
		entry->flags &= ~BLOCK_KEY_UNSYNCED;
		if (store->sync == ATR_SYNC_NONE) { /* synced when it is asked for */
			entry->flags |= remove_key ? 0 : BLOCK_KEY_UNSYNCED;
			if (entry->number < store->first_unsynced)
				store->first_unsynced = entry->number;
		}
		pthread_mutex_unlock(&store->state_lock);
	}
	if (rc != ATR_OK) /* what is on the disk is known to the next open only */
		return store_poison(store, rc, err);
	atomic_fetch_add_explicit(&store->written_bytes, result->file_bytes, memory_order_relaxed);
	return rc;
}

enum atr_status compact_rewrite(struct atr_store *store, uint64_t number,
                                enum compact_placeholders placeholders, struct atr_error *err)
{
	struct atr_blockout_result result;
	struct atr_error own;
	enum atr_status rc;
	size_t index;

	if (err == NULL)
		err = &own;
	rc = store_check_poison(store, err);
	if (rc == ATR_OK && !store->prepared)
		rc = store_prepare_append(store, err);
	if (rc == ATR_OK)
		rc = end_block(store, number, err);
	if (rc != ATR_OK)
		return rc;
	index = store_find_block(store, number);
	if (index == store->entry_count)
		return ATR_OK;
	rc = write_anew(store, index, placeholders, &result, err);
	return rc == ATR_OK ? exchange(store, index, &result, err) : rc;
}

/* ---- what is asked for ---- */

/* No removal is under way, no sync, no append. */
static void lock_all(struct atr_store *store)
{
	pthread_mutex_lock(&store->remove_lock);
	pthread_mutex_lock(&store->sync_lock);
	pthread_mutex_lock(&store->append_lock);
}

static void unlock_all(struct atr_store *store)
{
	pthread_mutex_unlock(&store->append_lock);
	pthread_mutex_unlock(&store->sync_lock);
	pthread_mutex_unlock(&store->remove_lock);
}

/* The first block above number `done` that is to be rewritten; 0: none. state_lock held. */
static uint64_t next_asked(const struct atr_store *store, uint64_t done, unsigned *asked)
{
	for (size_t at = store_lower_block(store, done + 1); at < store->entry_count; at++) {
		*asked = store->entry[at].flags & (BLOCK_SETTLE | BLOCK_COMPRESS);
		if (at + 1 == store->entry_count)
			*asked &= ~BLOCK_COMPRESS;
		if (*asked != 0)
			return store->entry[at].number;
	}
	return 0;
}

enum atr_status compact_settle(struct atr_store *store, struct atr_error *err)
{
	enum atr_status rc = ATR_OK;
	uint64_t number = 0;
	unsigned asked = 0;

	while (rc == ATR_OK && atomic_load(&store->poison) == ATR_OK) {
		/* an append that waits for the disk does not keep a sync with nothing to do here */
		pthread_mutex_lock(&store->state_lock);
		number = next_asked(store, number, &asked);
		pthread_mutex_unlock(&store->state_lock);
		if (number == 0)
			break;
		/* appending goes on between two blocks */
		lock_all(store);
		rc = compact_rewrite(store, number, COMPACT_KEEP, err);
		unlock_all(store);
		/* what is only not compressed is whole */
		if ((asked & BLOCK_SETTLE) == 0)
			rc = ATR_OK;
	}
	return rc;
}

/* Are the deleted records of the block more than the live ones; with all: are there any. */
static int is_worth_it(struct atr_store *store, const struct block_entry *entry, int all)
{
	uint64_t file_bytes = atomic_load(&entry->file_bytes), dead = 0;
	uint64_t last = atomic_load(&entry->last_seq);

	if (entry->messages == 0 && !all) /* goes by itself when a next one is there */
		return 0;
	if (file_bytes == FILE_BYTES_UNKNOWN)
		file_bytes = store_file_bytes(store, entry->number);
	if (file_bytes == FILE_BYTES_UNKNOWN)
		return 0;
	if (file_bytes >= entry->live_bytes) {
		dead = file_bytes - entry->live_bytes;
		return all ? dead > 0 : dead > entry->live_bytes;
	}
	/* compressed: counted, not weighed */
	if (last + 1 > entry->first_seq)
		dead = last + 1 - entry->first_seq - entry->messages;
	return all ? dead > 0 : dead > entry->messages;
}

enum atr_status atr_store_compact_blocks(struct atr_store *store, int all, struct atr_error *err)
{
	enum atr_status rc, damaged = ATR_OK;
	struct atr_error why;
	uint64_t number = 0;

	do {
		size_t i = 0;

		lock_all(store);
		rc = store_check_poison(store, &why);
		while (i < store->entry_count && (store->entry[i].number <= number ||
		                                  !is_worth_it(store, &store->entry[i], all)))
			i++;
		number = i < store->entry_count ? store->entry[i].number : 0;
		if (rc == ATR_OK && number != 0)
			rc = compact_rewrite(store, number, COMPACT_DROP, &why);
		unlock_all(store);
		if (rc != ATR_OK && damaged == ATR_OK) {
			damaged = rc;
			if (err != NULL)
				*err = why;
		}
		/* a damaged block stays and is told; the others go on */
	} while (number != 0 &&
	         (rc == ATR_OK || (rc == ATR_EFORMAT && atomic_load(&store->poison) == ATR_OK)));
	return damaged;
}

enum atr_status atr_store_erase(struct atr_store *store, uint64_t sequence, struct atr_error *err)
{
	uint64_t number = 0;
	enum atr_status rc;
	size_t index;
	int is_gone;

	pthread_mutex_lock(&store->append_lock);
	index = store_find_entry(store, sequence);
	if (index < store->entry_count)
		number = store->entry[index].number;
	pthread_mutex_unlock(&store->append_lock);
	rc = atr_store_delete(store, sequence, err);
	if (rc != ATR_OK)
		return rc;
	lock_all(store);
	is_gone = store_find_block(store, number) == store->entry_count;
	rc = compact_rewrite(store, number, COMPACT_DROP, err);
	unlock_all(store);
	/* it was the block's last message: the files may wait for a sync */
	if (rc == ATR_OK && is_gone && store->sync == ATR_SYNC_INTERVAL)
		rc = atr_store_sync(store, err);
	return rc;
}
