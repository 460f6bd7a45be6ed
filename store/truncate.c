/* truncate.c - everything above a sequence goes, and the last sequence with it.
 *
 *   1  the active block is ended, all of it written
 *   2  tombstones in later blocks that name what stays: said again in a new block, durable
 *   3  the later blocks' files go, the highest first: a crash leaves a longer part of the stream
 *   4  the block that is cut is written anew, under a new key, without what is above
 *
 * Memory follows between 2 and 3; a failure after that poisons the store, since what is on the disk
 * is known to the next open only.
 * Source: nats-server server/filestore.go, Truncate.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/store_inner.h"

static enum atr_status end_active(struct atr_store *store, struct atr_error *err)
{
	while (store->active.is_open) {
		uint64_t number = store->active.number;
		enum atr_status rc;

		if (store->flusher != NULL)
			flusher_end_block(store->flusher);
		appender_close(store);
		rc = remove_settle(store, number,
		                   err); /* appends may begin another one meanwhile */
		if (rc != ATR_OK)
			return rc;
	}
	return ATR_OK;
}

/* Memory without what is above sequence. The blocks between the one that is cut and entry[end],
 * from which on are those that step 2 made, go: their numbers into out. */
static void cut_entries(struct atr_store *store, size_t cut, size_t end, uint64_t sequence,
                        uint64_t *out)
{
	size_t left = cut + 1;

	pthread_mutex_lock(&store->state_lock);
	for (size_t i = cut; i < store->entry_count; i++) {
		struct block_entry *entry = &store->entry[i];

		if (i > cut && i < end) {
			out[i - cut - 1] = entry->number;
			store_free_deleted(entry);
			continue;
		}
		atomic_store(&entry->last_seq, sequence);
		entry->flags &= ~BLOCK_EMPTIED;
		if (entry->messages == 0)
			entry->first_seq = sequence + 1;
		if (entry->deleted != NULL) /* takes the end off: nothing to allocate */
			(void)atr_seqset_remove(entry->deleted, sequence + 1, UINT64_MAX);
		if (entry->deleted != NULL && entry->deleted->count == 0)
			store_free_deleted(entry);
		if (i > cut)
			store->entry[left++] = *entry;
	}
	store->entry_count = left;
	store->has_emptied = 0;
	pthread_mutex_unlock(&store->state_lock);
	store->last_seq = sequence;
	store->named_last = 0;
	atomic_store(&store->seen_last_seq, sequence);
	atomic_fetch_add(&store->removals, 1);
	atomic_store(&store->dirty, 1);
}

/* Steps 3 and 4. */
static enum atr_status cut_files(struct atr_store *store, uint64_t number, int is_longer,
                                 const uint64_t *later, size_t count, struct atr_error *err)
{
	enum atr_status rc = ATR_OK;
	size_t at;

	for (at = store_find_block(store, number) + 1; at < store->entry_count && rc == ATR_OK;
	     at++) {
		rc = remove_settle(store, store->entry[at].number, err);
		if (rc == ATR_OK && store->sync != ATR_SYNC_NONE)
			rc = sync_one_block(store, store->entry[at].number, err);
	}
	for (size_t i = count; i-- > 0 && rc == ATR_OK;)
		rc = remove_unlink(store, later[i], err);
	if (rc == ATR_OK && count > 0 && store->sync != ATR_SYNC_NONE) {
		rc = atr_file_sync_directory(store->files, store->msgs_path, err);
		atomic_fetch_add(&store->syncs, 1);
	}
	if (rc == ATR_OK && is_longer)
		rc = compact_rewrite(store, number, COMPACT_DROP, err);
	return rc == ATR_OK ? rc : store_poison(store, rc, err);
}

/* What the last state file says would keep the last sequence where it was, after a crash. */
static enum atr_status forget_state(struct atr_store *store, struct atr_error *err)
{
	char path[PATH_MAX];
	int result;

	if (!store->has_index_old)
		return ATR_OK;
	(void)snprintf(path, sizeof path, "%s/" INDEX_OLD, store->msgs_path);
	result = store->files->unlink(store->files->context, path);
	if (result < 0 && result != -ENOENT)
		return atr_file_error(err, result, path, -1, "removing the stale state file");
	store->has_index_old = 0;
	store->directory_unsynced = 1;
	return ATR_OK;
}

static enum atr_status truncate_locked(struct atr_store *store, uint64_t sequence,
                                       struct atr_error *err)
{
	struct remove_range above = {.how = REMOVE_FROM_MEMORY, .max = UINT64_MAX};
	uint64_t *later, number, last;
	enum atr_status rc;
	size_t cut, end;

	rc = remove_begin(store, err);
	if (rc == ATR_OK)
		rc = end_active(store, err);
	/* blocks that wait for a sync to go would need tombstones of sequences that come again */
	if (rc == ATR_OK && store->dead_count > 0)
		rc = sync_blocks(store, store->entry[store->entry_count - 1].number + 1,
		                 store->dead_count, err);
	if (rc != ATR_OK)
		return rc;
	cut = store_find_entry(store, sequence);
	if (cut == store->entry_count || !store_is_live(&store->entry[cut], sequence))
		return atr_error_set(err, ATR_ENOTFOUND, NULL, -1, "no such sequence");
	number = store->entry[cut].number;
	last = atomic_load(&store->entry[cut].last_seq);
	end = store->entry_count;
	later = malloc((end - cut) * sizeof *later);
	if (later == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for blocks");
	for (size_t i = cut + 1; i < end && rc == ATR_OK; i++) {
		int kept = 0;

		rc = remove_keep_tombstones(store, store->entry[i].number, sequence, &kept, err);
	}
	above.first = sequence + 1;
	above.last = store->last_seq;
	if (rc == ATR_OK)
		rc = remove_messages(store, &above, err);
	if (rc == ATR_OK)
		rc = forget_state(store, err);
	if (rc == ATR_OK) {
		cut_entries(store, cut, end, sequence, later);
		rc = cut_files(store, number, last > sequence, later, end - cut - 1, err);
	}
	free(later);
	return rc;
}

enum atr_status atr_store_truncate(struct atr_store *store, uint64_t sequence,
                                   struct atr_error *err)
{
	struct atr_error own;
	enum atr_status rc;

	if (err == NULL)
		err = &own;
	pthread_mutex_lock(&store->remove_lock);
	pthread_mutex_lock(&store->sync_lock);
	pthread_mutex_lock(&store->append_lock);
	rc = truncate_locked(store, sequence, err);
	if (rc == ATR_OK)
		rc = remove_end(store, err);
	pthread_mutex_unlock(&store->append_lock);
	pthread_mutex_unlock(&store->sync_lock);
	pthread_mutex_unlock(&store->remove_lock);
	return rc;
}
