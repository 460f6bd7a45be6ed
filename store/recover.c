/* recover.c - what is in msgs/: which blocks, which sequences, where appending goes on.
 *
 * An index.db that fits is believed (state.c). Else every block is read once, in ascending order,
 * all hashes checked (recover_block.c). State files (index.db, idx) are not needed for that, but
 * looked into: deletions that only they know are taken from them, and made durable in the blocks
 * before the first append makes those files stale. Nothing on disk is changed before the first
 * append. Sources: nats-server server/filestore.go, recoverMsgs, recoverMsgBlock, rebuildState.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/secret.h"
#include "store/recover_inner.h"
#include "store/rewrite.h"
#include "store/subjects.h"

/* ---- listing ---- */

/* NUMBER.SUFFIX, the number without leading zeros, as the server writes it. */
static int split_name(const char *name, uint64_t *number, const char **suffix)
{
	char *end;

	if (*name < '1' || *name > '9')
		return 0;
	errno = 0;
	*number = strtoull(name, &end, 10);
	*suffix = end + 1;
	return errno == 0 && *end == '.' && *number < UINT64_MAX;
}

static int list_entry(void *arg, const char *name)
{
	static const struct {
		const char *suffix;
		unsigned has;
	} kinds[] = {{"blk", HAS_BLK},
	             {"key", HAS_KEY},
	             {"idx", HAS_STATE | HAS_IDX},
	             {"fss", HAS_STATE}};
	struct recovery *r = arg;
	const char *suffix;
	uint64_t number;

	r->has_strays |= atr_rewrite_is_stray(name);
	if (!split_name(name, &number, &suffix)) {
		r->store->has_index_db |= strcmp(name, "index.db") == 0;
		r->store->has_index_old |= strcmp(name, INDEX_OLD) == 0;
		return 0;
	}
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (strcmp(suffix, kinds[i].suffix) != 0)
			continue;
		if (r->count == r->capacity) {
			size_t capacity = r->capacity > 0 ? 2 * r->capacity : 64;
			struct listed *larger = realloc(r->listed, capacity * sizeof *larger);

			if (larger == NULL)
				return -ENOMEM;
			r->listed = larger;
			r->capacity = capacity;
		}
		r->listed[r->count++] = (struct listed){number, kinds[i].has};
	}
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = ((const struct listed *)a)->number, y = ((const struct listed *)b)->number;

	return x < y ? -1 : x > y;
}

static enum atr_status list_blocks(struct recovery *r, struct atr_error *err)
{
	struct atr_store *store = r->store;
	size_t kept = 0;
	int result;

	result = store->files->list(store->files->context, store->msgs_path, list_entry, r);
	if (result < 0 && result != -ENOENT)
		return atr_file_error(err, result, store->msgs_path, -1, "list");
	if (r->count > 0)
		qsort(r->listed, r->count, sizeof *r->listed, by_number);
	for (size_t i = 0; i < r->count; i++) {
		if (kept > 0 && r->listed[kept - 1].number == r->listed[i].number)
			r->listed[kept - 1].has |= r->listed[i].has;
		else
			r->listed[kept++] = r->listed[i];
	}
	r->count = kept;
	return r->has_strays ? atr_rewrite_recover(store->files, store->msgs_path, err) : ATR_OK;
}

/* ---- small shared functions ---- */

void recover_note_damage(struct recovery *r, const struct atr_error *why)
{
	struct atr_store_recovery *out = &r->store->recovery;

	if (out->first_damage[0] == '\0')
		atr_error_line(why, out->first_damage, sizeof out->first_damage);
}

enum atr_status recover_open_walk(struct recovery *r, uint64_t number, struct atr_error *err)
{
	enum atr_status rc = ATR_OK;

	if (r->walk == NULL)
		rc = atr_walk_new(&r->store->home, &r->walk, err);
	return rc == ATR_OK ? atr_walk_reopen(r->walk, number, err) : rc;
}

/* ---- the stream ---- */

/* Appending goes on in the last block when it is under the cipher of new blocks, has room and
 * is known to no state file of its own (an old server's idx is sealed under the block's nonce, and
 * gives key stream bytes away); else a new one is made. */
enum atr_status recover_set_active(struct recovery *r, const struct listed *last,
                                   const struct atr_seed *seed, uint64_t file_bytes,
                                   struct atr_error *err)
{
	struct atr_store *store = r->store;
	struct active *active = &store->active;
	char name[300];

	if ((last->has & HAS_STATE) != 0 || file_bytes == 0 || file_bytes >= store->block_bytes)
		return ATR_OK;
	if ((seed != NULL) != atr_cipher_encrypts(store->cipher))
		return ATR_OK;
	if (seed != NULL && (seed->under_prev_key || seed->cipher != store->cipher))
		return ATR_OK;
	active->number = last->number;
	active->file_bytes = file_bytes;
	active->exists = 1;
	active->enciphered = seed != NULL;
	if (seed != NULL)
		*active->seed = *seed;
	(void)snprintf(name, sizeof name, "%s-%" PRIu64, store->stream, last->number);
	if (atr_hash_key_init(&active->hash_key, name) != 0)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "SHA-256 failed");
	active->is_open = 1;
	return ATR_OK;
}

/* After all blocks: only a last block that is whole and not compressed is appended to. r->walk is
 * still on it. */
static enum atr_status open_active(struct recovery *r, const struct listed *last,
                                   struct atr_error *err)
{
	struct atr_store *store = r->store;

	if (last == NULL || store->entry_count == 0 || r->entry.number != last->number ||
	    r->damaged || r->torn || r->walk == NULL || atr_walk_is_compressed(r->walk))
		return ATR_OK;
	/* No state file was believed: a power cut may have taken whole records off the end, and
	 * what follows would be under the key stream bytes that covered them. 2.9 has no state
	 * file, and would begin a block at every open. */
	if (atr_walk_seed(r->walk) != NULL && store->format == ATR_FORMAT_2_10)
		return ATR_OK;
	return recover_set_active(r, last, atr_walk_seed(r->walk),
	                          atomic_load(&r->entry.file_bytes), err);
}

/* A damaged one is as none, but for the note. */
static enum atr_status read_index_file(struct recovery *r, const char *name, struct atr_error *err)
{
	char path[PATH_MAX];
	enum atr_status rc;

	(void)snprintf(path, sizeof path, "%s/%s", r->store->msgs_path, name);
	rc = atr_index_read(r->store->files, path, r->meta_seed, r->store->stream, &r->index, err);
	r->has_index = rc == ATR_OK;
	if (rc != ATR_EAUTH && rc != ATR_EFORMAT && rc != ATR_EUNSUPPORTED)
		return rc;
	recover_note_damage(r, err);
	return ATR_OK;
}

/* The old one only lists deletions: it fitted before the last change. */
static enum atr_status read_index(struct recovery *r, struct atr_error *err)
{
	enum atr_status rc = ATR_OK;

	if (r->store->has_index_db) {
		rc = read_index_file(r, "index.db", err);
		r->store->index_db_damaged = !r->has_index;
	}
	if (rc == ATR_OK && !r->has_index && r->store->has_index_old) {
		rc = read_index_file(r, INDEX_OLD, err);
		r->index_is_old = 1;
	}
	return rc;
}

/* What only state files know of deletions. */
static enum atr_status settle_deleted(struct recovery *r, struct atr_error *err)
{
	struct atr_store *store = r->store;
	enum atr_status rc;

	atr_seqset_settle(&r->state_deleted);
	rc = atr_seqset_minus(&r->state_deleted, &r->tombstones, &store->lost_deletes);
	return rc == ATR_OK ? rc : atr_error_set(err, rc, NULL, -1, "no memory for sequences");
}

/* The stream's last sequence is known to a tombstone behind the last record (a rewrite dropped the
 * record), or to index.db alone: those up to it are deleted. */
static enum atr_status take_last_seq(struct recovery *r, struct atr_error *err)
{
	struct atr_store *store = r->store;
	const struct atr_seqset *named = &r->tombstones;
	uint64_t last = named->count > 0 ? named->range[named->count - 1].last : 0;
	enum atr_status rc = ATR_OK;

	if (r->has_index && r->index.last_seq > last && r->index.last_seq > r->last_seq) {
		last = r->index.last_seq;
		rc = atr_seqset_insert(&store->lost_deletes, last, last);
	}
	if (last <= r->last_seq)
		return ATR_OK;
	if (rc == ATR_OK && store->entry_count > 0) {
		struct block_entry *entry = &store->entry[store->entry_count - 1];

		if (entry->messages == 0 && entry->first_seq == r->last_seq + 1) {
			entry->first_seq = last + 1;
		} else {
			if (entry->deleted == NULL)
				entry->deleted = calloc(1, sizeof *entry->deleted);
			rc = entry->deleted == NULL
			             ? ATR_ENOMEM
			             : atr_seqset_insert(entry->deleted, r->last_seq + 1, last);
		}
		atomic_store(&entry->last_seq, last);
		/* in the middle of a block old servers take no gap */
		appender_close(store);
	}
	r->last_seq = last;
	return rc == ATR_OK ? rc : atr_error_set(err, rc, NULL, -1, "no memory for sequences");
}

static void set_totals(struct recovery *r)
{
	struct atr_store *store = r->store;
	uint64_t messages = 0, bytes = 0, first_seq = r->last_seq + 1;

	for (size_t i = store->entry_count; i-- > 0;) {
		const struct block_entry *entry = &store->entry[i];

		messages += entry->messages;
		bytes += entry->live_bytes;
		if (entry->messages > 0)
			first_seq = entry->first_seq;
	}
	store->last_seq = r->last_seq;
	atomic_store(&store->seen_last_seq, r->last_seq);
	atomic_store(&store->messages, messages);
	atomic_store(&store->bytes, bytes);
	atomic_store(&store->first_seq, first_seq);
}

static enum atr_status finish(struct recovery *r, const struct listed *last_block,
                              struct atr_error *err)
{
	struct atr_store *store = r->store;
	enum atr_status rc;

	if (r->unread) { /* nothing tells how far its sequences go */
		*err = r->unread_error;
		return r->unread_error.status;
	}
	if (r->open_tail)
		store->recovery.torn_tail_bytes =
		        r->open_tail_file_bytes -
		        atomic_load(&store->entry[r->open_tail_entry].file_bytes);
	if (r->open_tail && store->recovery.torn_tail_bytes == 0) { /* in a compressed block */
		store->recovery.damaged_records++;
		recover_note_damage(r, &r->open_tail_error);
	}
	rc = open_active(r, last_block, err);
	if (rc == ATR_OK)
		rc = recover_apply_tombstones(r, err);
	if (rc == ATR_OK)
		rc = settle_deleted(r, err);
	if (rc == ATR_OK)
		rc = take_last_seq(r, err);
	return rc;
}

/* As before the first block was read. */
static void forget_blocks(struct recovery *r)
{
	struct atr_store *store = r->store;

	store_free_entries(store);
	atr_subjects_clear(store->subjects);
	store->recovery = (struct atr_store_recovery){0};
	store->keyless_count = 0;
	atr_seqset_free(&r->tombstones);
	atr_seqset_free(&r->state_deleted);
	r->last_seq = 0;
	r->open_tail = r->unread = r->read_again = 0;
}

static enum atr_status read_blocks(struct recovery *r, const struct listed **last_block,
                                   struct atr_error *err)
{
	enum atr_status rc = ATR_OK;

	*last_block = NULL;
	for (size_t i = 0; i < r->count && rc == ATR_OK; i++) {
		if ((r->listed[i].has & HAS_BLK) == 0)
			continue;
		*last_block = &r->listed[i];
		rc = recover_read_block(r, *last_block, err);
	}
	return rc;
}

static void set_next_number(struct recovery *r)
{
	struct atr_store *store = r->store;

	for (size_t i = 0; i < r->count; i++) {
		const struct listed *l = &r->listed[i];

		/* a key file alone is one that was made ahead: clear text does not use its number
		 */
		if (store->next_number <= l->number &&
		    ((l->has & HAS_BLK) != 0 || !atr_cipher_encrypts(store->cipher)))
			store->next_number = l->number + 1;
	}
}

enum atr_status store_recover(struct atr_store *store, const struct atr_seed *meta_seed,
                              struct atr_error *err)
{
	struct recovery r = {.store = store, .meta_seed = meta_seed};
	const struct listed *last_block = NULL;
	enum atr_status rc;
	int believed = 0;

	rc = list_blocks(&r, err);
	if (rc == ATR_OK)
		rc = read_index(&r, err);
	if (rc == ATR_OK) {
		set_next_number(&r);
		rc = state_believe(&r, &believed, err);
	}
	if (rc == ATR_OK && !believed)
		rc = read_blocks(&r, &last_block, err);
	if (rc == ATR_OK && r.read_again) {
		forget_blocks(&r);
		rc = read_blocks(&r, &last_block, err);
		assert(!r.read_again);
	}
	if (rc == ATR_OK && !believed)
		rc = finish(&r, last_block, err);
	if (rc == ATR_OK)
		set_totals(&r);
	atr_walk_close(r.walk);
	atr_index_free(&r.index);
	atr_seqset_free(&r.tombstones);
	atr_seqset_free(&r.state_deleted);
	atr_seqset_free(&r.distrusted);
	atr_seqset_free(&r.deleted);
	free(r.listed);
	return rc;
}

/* index.db is not true any more once something changes. Under another name, which no server looks
 * for, it goes on saying which messages are deleted, until the next one is written. */
static enum atr_status retire_index(struct atr_store *store, struct atr_error *err)
{
	const struct atr_file_table *files = store->files;
	char path[PATH_MAX], old[PATH_MAX];
	int result;

	if (!store->has_index_db)
		return ATR_OK;
	(void)snprintf(path, sizeof path, "%s/index.db", store->msgs_path);
	(void)snprintf(old, sizeof old, "%s/" INDEX_OLD, store->msgs_path);
	if (store->index_db_damaged)
		result = files->unlink(files->context, path);
	else
		result = files->rename(files->context, path, old);
	if (result < 0 && result != -ENOENT)
		return atr_file_error(err, result, path, -1, "taking the stale state file away");
	store->has_index_old |= !store->index_db_damaged;
	store->has_index_db = store->index_db_damaged = 0;
	store->directory_unsynced = 1;
	return ATR_OK;
}

/* Deletions that only a state file knows are said in the blocks before that file is stale for a
 * server: tombstones, or under format 2.9 placeholders when the block is settled. */
static enum atr_status say_lost_deletes(struct atr_store *store, struct atr_error *err)
{
	struct appender_tombstone t[TOMBSTONES_MAX];
	const struct atr_seqset *lost = &store->lost_deletes;
	enum atr_status rc = ATR_OK;
	size_t count = 0;

	for (size_t i = 0; i < lost->count && rc == ATR_OK; i++)
		for (uint64_t s = lost->range[i].first; s <= lost->range[i].last && rc == ATR_OK;
		     s++) {
			size_t at = store_find_entry(store, s);

			if (store->format == ATR_FORMAT_2_9) {
				if (at < store->entry_count)
					store->entry[at].flags |= BLOCK_SETTLE;
				continue;
			}
			t[count].sequence = s;
			t[count++].time_ns =
			        at < store->entry_count ? store->entry[at].last_time_ns : 0;
			if (count < TOMBSTONES_MAX)
				continue;
			rc = appender_tombstones(store, t, count, err);
			count = 0;
		}
	if (rc == ATR_OK && count > 0)
		rc = appender_tombstones(store, t, count, err);
	if (rc == ATR_OK)
		atr_seqset_free(&store->lost_deletes);
	return rc;
}

/* Blocks of an earlier process that only kept the last sequence, for 2.9: they go as soon as later
 * ones keep it (appender_tombstones_now). */
static void note_emptied(struct atr_store *store)
{
	if (store->format != ATR_FORMAT_2_9 || store->recovery.damaged_records > 0)
		return;
	pthread_mutex_lock(&store->state_lock);
	for (size_t i = 0; i < store->entry_count; i++) {
		struct block_entry *entry = &store->entry[i];

		/* one placeholder and nothing else, read and whole */
		if (entry->messages > 0 || (entry->flags & BLOCK_TORN) != 0 ||
		    atomic_load(&entry->file_bytes) != ATR_RECORD_BYTES_MIN)
			continue;
		entry->flags |= BLOCK_EMPTIED;
		if (i + 1 < store->entry_count)
			store->has_emptied = 1;
	}
	pthread_mutex_unlock(&store->state_lock);
}

enum atr_status store_prepare_append(struct atr_store *store, struct atr_error *err)
{
	const struct atr_file_table *files = store->files;
	char path[PATH_MAX], aside[PATH_MAX];
	enum atr_status rc;
	int result;

	/* under a name that no server takes for a block's */
	for (; store->keyless_count > 0; store->keyless_count--) {
		uint64_t number = store->keyless[store->keyless_count - 1];

		store_block_path(store, number, "blk", path, sizeof path);
		(void)snprintf(aside, sizeof aside, "%s/aside-%" PRIu64 ".blk", store->msgs_path,
		               number);
		result = files->rename(files->context, path, aside);
		if (result < 0)
			return atr_file_error(err, result, path, -1, "setting a block aside");
		store->directory_unsynced = 1;
	}
	rc = retire_index(store, err);
	if (rc != ATR_OK)
		return rc;
	store->prepared = 1; /* writing tombstones may let another thread in */
	rc = say_lost_deletes(store, err);
	if (rc != ATR_OK)
		store->prepared = 0;
	else
		note_emptied(store);
	return rc;
}
