/* remove_block.c - blocks that lost their last message.
 *
 * A block without live messages that is not appended to loses its files. What else it told is said
 * again in the active block first: tombstones of messages in blocks that are still there, and the
 * stream's last sequence. Until those are durable the files stay (struct dead_block).
 * Source: nats-server server/filestore.go, removeMsgBlock.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_inner.h"

/* No record of the entry's file is of a lower sequence. */
static enum atr_status find_head(struct atr_store *store, uint64_t number, uint64_t *head,
                                 struct atr_error *err)
{
	size_t at = store_find_block(store, number);
	struct atr_walk *walk = NULL;
	struct atr_record record;
	enum atr_status rc;

	*head = store->entry[at].head_seq;
	if (*head != 0)
		return ATR_OK;
	rc = atr_walk_open(&store->home, number, &walk, err);
	if (rc != ATR_OK)
		return rc;
	*head = UINT64_MAX;
	do
		rc = atr_walk_next(walk, &record, err);
	while (rc == ATR_OK && record.kind == ATR_RECORD_TOMBSTONE);
	if (rc == ATR_OK)
		*head = record.message.sequence;
	else if (rc != ATR_END)
		*head = 1; /* damaged: as if it went down to there */
	atr_walk_close(walk);
	store->entry[at].head_seq = *head;
	return ATR_OK;
}

int remove_waits_for(struct atr_store *store, uint64_t sequence)
{
	int waits = 0;

	pthread_mutex_lock(&store->state_lock);
	for (size_t i = 0; i < store->dead_count && !waits; i++) {
		const struct dead_block *dead = &store->dead[i];

		waits = dead->has_blk && sequence >= dead->first_seq && sequence <= dead->last_seq;
	}
	pthread_mutex_unlock(&store->state_lock);
	return waits;
}

/* A deleted message whose record is in another block that is still there. */
static enum atr_status still_matters(struct atr_store *store, uint64_t sequence, uint64_t number,
                                     int *matters, struct atr_error *err)
{
	size_t at = store_find_entry(store, sequence);
	enum atr_status rc;
	uint64_t head;

	*matters = remove_waits_for(store, sequence);
	if (*matters || at == store->entry_count || store->entry[at].number == number ||
	    store_is_live(&store->entry[at], sequence))
		return ATR_OK;
	rc = remove_settle(store, store->entry[at].number, err);
	if (rc == ATR_OK)
		rc = find_head(store, store->entry[at].number, &head, err);
	*matters = rc == ATR_OK && head <= sequence;
	return rc;
}

enum atr_status remove_keep_tombstones(struct atr_store *store, uint64_t number, uint64_t max,
                                       int *kept, struct atr_error *err)
{
	struct appender_tombstone *t = remove_tombstones(store);
	struct atr_walk *walk = NULL;
	struct atr_record record;
	enum atr_status rc;
	size_t count = 0;

	rc = atr_walk_open(&store->home, number, &walk, err);
	while (rc == ATR_OK) {
		int matters = 0;

		rc = atr_walk_next(walk, &record, err);
		if (rc == ATR_EFORMAT)
			rc = atr_walk_resync(walk, err);
		else if (rc == ATR_OK && record.kind == ATR_RECORD_TOMBSTONE &&
		         record.message.sequence <= max)
			rc = still_matters(store, record.message.sequence, number, &matters, err);
		if (matters)
			t[count++] = (struct appender_tombstone){record.message.sequence,
			                                         record.message.time_ns};
		if (count == TOMBSTONES_MAX || (rc == ATR_END && count > 0)) {
			enum atr_status appended =
			        store->format == ATR_FORMAT_2_9
			                ? ATR_EUNSUPPORTED
			                : appender_tombstones(store, t, count, err);

			*kept = 1;
			count = 0;
			if (appended != ATR_OK)
				rc = appended;
		}
	}
	atr_walk_close(walk);
	return rc == ATR_END ? ATR_OK : rc;
}

/* Says in the active block what the block is still needed for. ATR_EUNSUPPORTED: the format has
 * no record for that, the block stays. */
static enum atr_status say_again(struct atr_store *store, uint64_t number, int *kept,
                                 struct atr_error *err)
{
	enum atr_status rc = remove_settle(store, number, err);
	const struct block_entry *entry = &store->entry[store_find_block(store, number)];
	struct appender_tombstone last = {store->last_seq, entry->last_time_ns};
	unsigned flags = entry->flags;
	int is_last = store_names_last(store, entry);

	if (rc == ATR_OK && is_last && store->format == ATR_FORMAT_2_9) {
		if (store->active.is_open)
			return ATR_EUNSUPPORTED;
		rc = appender_roll(store, store->last_seq + 1, err);
	}
	if (rc == ATR_OK && (flags & BLOCK_NO_TOMBSTONES) == 0)
		rc = remove_keep_tombstones(store, number, UINT64_MAX, kept, err);
	if (rc == ATR_OK && is_last && last.sequence == store->last_seq) {
		*kept = 1;
		rc = appender_tombstones(store, &last, 1, err);
	}
	return rc;
}

static enum atr_status add_dead(struct atr_store *store, uint64_t number, struct atr_error *err)
{
	struct dead_block dead = {.number = number, .has_blk = 1, .first_seq = 1};
	size_t at = store_find_block(store, number);
	enum atr_status rc = ATR_OK;

	if (at <
	    store->entry_count) { /* first_seq: 0 where nobody looked, UINT64_MAX without any */
		dead.first_seq = store->entry[at].head_seq;
		dead.last_seq = atomic_load(&store->entry[at].last_seq);
	}
	pthread_mutex_lock(&store->state_lock);
	if (store->dead_count == store->dead_capacity) {
		size_t capacity = store->dead_capacity > 0 ? 2 * store->dead_capacity : 16;
		struct dead_block *larger = realloc(store->dead, capacity * sizeof *larger);

		if (larger == NULL) {
			rc = atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for blocks");
		} else {
			store->dead = larger;
			store->dead_capacity = capacity;
		}
	}
	if (rc == ATR_OK)
		store->dead[store->dead_count++] = dead;
	pthread_mutex_unlock(&store->state_lock);
	return rc;
}

/* It stays after all. */
static void drop_dead(struct atr_store *store, uint64_t number)
{
	size_t kept = 0;

	pthread_mutex_lock(&store->state_lock);
	for (size_t i = 0; i < store->dead_count; i++)
		if (store->dead[i].number != number)
			store->dead[kept++] = store->dead[i];
	store->dead_count = kept;
	pthread_mutex_unlock(&store->state_lock);
}

static int unlink_file(struct atr_store *store, uint64_t number, const char *suffix,
                       char path[PATH_MAX])
{
	int result;

	store_block_path(store, number, suffix, path, PATH_MAX);
	result = store->files->unlink(store->files->context, path);
	return result == -ENOENT ? 0 : result;
}

/* The files of a block, now. The block first: none is ever without its key. */
static enum atr_status unlink_block(struct atr_store *store, uint64_t number, struct atr_error *err)
{
	char path[PATH_MAX];
	int result;

	(void)unlink_file(store, number, "idx", path);
	(void)unlink_file(store, number, "fss", path);
	result = unlink_file(store, number, "blk", path);
	if (result < 0)
		return atr_file_error(err, result, path, -1, "remove");
	store->directory_unsynced = 1;
	if (store->sync == ATR_SYNC_NONE)
		(void)unlink_file(store, number, "key", path);
	return ATR_OK;
}

/* The block's entry goes, its messages are counted out already. */
static void take_entry(struct atr_store *store, uint64_t number, int blk_is_gone)
{
	size_t at = store_find_block(store, number);

	pthread_mutex_lock(&store->state_lock);
	store_free_deleted(&store->entry[at]);
	memmove(&store->entry[at], &store->entry[at + 1],
	        (store->entry_count - at - 1) * sizeof *store->entry);
	store->entry_count--;
	for (size_t i = store->dead_count; blk_is_gone && i-- > 0;)
		if (store->dead[i].number == number)
			store->dead[i].has_blk = 0;
	pthread_mutex_unlock(&store->state_lock);
	atomic_fetch_add(&store->removals, 1);
	atomic_store(&store->dirty, 1);
}

static enum atr_status take_files(struct atr_store *store, uint64_t number, int defer,
                                  struct atr_error *err)
{
	enum atr_status rc = ATR_OK;

	if (store->sync != ATR_SYNC_NONE)
		rc = add_dead(store, number, err);
	if (rc != ATR_OK)
		return rc;
	if (!defer)
		rc = unlink_block(store, number, err);
	if (rc == ATR_OK)
		take_entry(store, number, !defer);
	else
		drop_dead(store, number);
	return rc;
}

enum atr_status remove_unlink(struct atr_store *store, uint64_t number, struct atr_error *err)
{
	enum atr_status rc = store->sync != ATR_SYNC_NONE ? add_dead(store, number, err) : ATR_OK;

	return rc == ATR_OK ? unlink_block(store, number, err) : rc;
}

enum atr_status remove_block_files(struct atr_store *store, uint64_t number, struct atr_error *err)
{
	return take_files(store, number, 0, err);
}

enum atr_status remove_block(struct atr_store *store, uint64_t number, int at_once,
                             struct atr_error *err)
{
	enum atr_status rc;
	int kept = 0, defer;

	rc = say_again(store, number, &kept, err);
	if (rc != ATR_OK)
		return rc;
	/* until what was said again is durable, the block must be able to come back */
	defer = kept && store->sync == ATR_SYNC_INTERVAL;
	if (defer && at_once) {
		rc = remove_settle(store, store->active.number, err);
		if (rc == ATR_OK)
			rc = sync_one_block(store, store->active.number, err);
		defer = 0;
	}
	return rc == ATR_OK ? take_files(store, number, defer, err) : rc;
}

enum atr_status remove_emptied(struct atr_store *store, int at_once, struct atr_error *err)
{
	enum atr_status rc = ATR_OK;
	int again = 0;

	if (!store->has_emptied)
		return ATR_OK;
	pthread_mutex_lock(&store->state_lock);
	store->has_emptied = 0;
	pthread_mutex_unlock(&store->state_lock);
	for (size_t at = 0; at < store->entry_count;) {
		struct block_entry *entry = &store->entry[at];
		struct atr_error why;
		enum atr_status removed;

		if ((entry->flags & BLOCK_EMPTIED) == 0 || entry->messages > 0 ||
		    store_is_active(store, entry)) {
			at++;
			continue;
		}
		removed = remove_block(store, entry->number, at_once, &why);
		if (removed == ATR_OK)
			continue;
		at++;
		if (removed == ATR_EUNSUPPORTED) /* it stays, to be written anew */
			continue;
		again = 1;
		if (rc == ATR_OK && err != NULL)
			*err = why;
		if (rc == ATR_OK)
			rc = removed;
	}
	if (again) {
		pthread_mutex_lock(&store->state_lock);
		store->has_emptied = 1;
		pthread_mutex_unlock(&store->state_lock);
	}
	return rc;
}

void remove_sweep(struct atr_store *store)
{
	int has_emptied;

	pthread_mutex_lock(&store->state_lock);
	has_emptied = store->has_emptied;
	pthread_mutex_unlock(&store->state_lock);
	if (!has_emptied || atomic_load(&store->poison) != ATR_OK)
		return;
	pthread_mutex_lock(&store->remove_lock);
	pthread_mutex_lock(&store->append_lock);
	if (remove_begin(store, NULL) == ATR_OK)
		(void)remove_emptied(store, 0, NULL);
	pthread_mutex_unlock(&store->append_lock);
	pthread_mutex_unlock(&store->remove_lock);
}
