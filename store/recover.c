/* recover.c - what is in msgs/: which blocks, which sequences, where appending goes on.
 *
 * Every block is read once, in ascending order, all hashes checked. State files (index.db, idx)
 * are not needed, but looked into: a deletion that only they know would be lost as soon as the
 * first append makes them stale, so such a stream is refused. Nothing on disk is changed before
 * the first append.
 * Sources: nats-server server/filestore.go, recoverMsgs, recoverMsgBlock, rebuildState.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/secret.h"
#include "store/index.h"
#include "store/store_inner.h"

#define HAS_BLK   1u
#define HAS_KEY   2u
#define HAS_STATE 4u /* idx or fss */
#define HAS_IDX   8u

struct listed {
	uint64_t number;
	unsigned has;
};

struct recovery {
	struct atr_store *store;
	struct listed *listed; /* one per file name at first, then one per number */
	size_t count, capacity;
	struct atr_walk *walk; /* reused */
	struct atr_index index;
	int has_index;
	struct atr_seqset state_deleted; /* deleted by a state file, but a record is there */
	uint64_t last_seq;

	/* the block being read */
	struct block_entry entry;
	uint64_t messages, bytes, first_seq;
	int damaged, torn;
	uint64_t torn_bytes;
	/* a tail that belongs to no record, in a block that the next one has to continue */
	int open_tail;
	size_t open_tail_entry;
	uint64_t open_tail_file_bytes;
	struct atr_error open_tail_error;
	/* a block that could not be read at all: the next one tells where it ended */
	int unread;
	struct atr_error unread_error;
};

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

	if (strcmp(name, "index.db") == 0)
		r->store->has_index_db = 1;
	if (!split_name(name, &number, &suffix))
		return 0;
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
	return ATR_OK;
}

/* ---- damage ---- */

static void note_damage(struct recovery *r, const struct atr_error *why)
{
	struct atr_store_recovery *out = &r->store->recovery;

	if (out->first_damage[0] == '\0')
		atr_error_line(why, out->first_damage, sizeof out->first_damage);
}

/* The first sequence of a later block is known: did what could not be read before it matter? */
static void settle_gap(struct recovery *r, uint64_t first_seq)
{
	struct atr_store *store = r->store;

	if (r->open_tail && first_seq != r->last_seq + 1) {
		struct block_entry *cut = &store->entry[r->open_tail_entry];

		/* records are lost there: readers shall come across it */
		atomic_store(&cut->file_bytes, r->open_tail_file_bytes);
		if (first_seq > r->last_seq + 1)
			atomic_store(&cut->last_seq, first_seq - 1);
		store->recovery.damaged_records++;
		note_damage(r, &r->open_tail_error);
	}
	if (r->unread) {
		struct block_entry *entry = &store->entry[store->entry_count - 1];

		if (first_seq > r->last_seq + 1)
			atomic_store(&entry->last_seq, first_seq - 1);
		r->last_seq = atomic_load(&entry->last_seq);
		store->recovery.damaged_records++;
		note_damage(r, &r->unread_error);
	}
	r->open_tail = r->unread = 0;
}

/* ---- one block ---- */

/* Deletions that a state file knows and the records do not. */
static int state_deletes(const struct atr_index_block *state, uint64_t sequence)
{
	return sequence < state->first_seq || atr_seqset_has(&state->deleted, sequence);
}

static enum atr_status see_record(struct recovery *r, const struct atr_record *record,
                                  const struct atr_index_block *listed, const struct atr_idx *idx)
{
	uint64_t sequence = record->message.sequence;
	struct block_entry *entry = &r->entry;

	if (record->kind == ATR_RECORD_TOMBSTONE) {
		/* names a sequence of any block; the stream got at least that far */
		if (sequence > r->last_seq && entry->first_seq == 0)
			r->last_seq = sequence;
		return atr_seqset_add(&r->store->deleted, sequence, sequence);
	}
	if (sequence == 0 || (entry->first_seq != 0 && sequence <= atomic_load(&entry->last_seq)))
		return ATR_OK;
	if (entry->first_seq == 0) {
		settle_gap(r, sequence);
		entry->first_seq = sequence;
	}
	atomic_store_explicit(&entry->last_seq, sequence, memory_order_relaxed);
	if (record->kind != ATR_RECORD_MESSAGE)
		return ATR_OK;
	if (r->first_seq == 0)
		r->first_seq = sequence;
	r->messages++;
	r->bytes += record->record_bytes;
	if ((listed != NULL && state_deletes(listed, sequence)) ||
	    (idx != NULL && state_deletes(&idx->block, sequence)))
		return atr_seqset_add(&r->state_deleted, sequence, sequence);
	return ATR_OK;
}

/* All records of the open walk into r->entry. */
static enum atr_status read_records(struct recovery *r, const struct atr_index_block *listed,
                                    const struct atr_idx *idx, struct atr_error *err)
{
	struct atr_record record;
	struct atr_error damage;
	enum atr_status rc;

	for (;;) {
		rc = atr_walk_next(r->walk, &record, &damage);
		if (rc == ATR_OK) {
			rc = see_record(r, &record, listed, idx);
			if (rc != ATR_OK)
				return atr_error_set(err, rc, NULL, -1, "no memory for sequences");
			continue;
		}
		if (rc == ATR_END)
			return ATR_OK;
		if (rc != ATR_EFORMAT) {
			*err = damage;
			return rc;
		}
		rc = atr_walk_resync(r->walk, err);
		if (rc == ATR_OK) {
			r->damaged = 1;
			r->store->recovery.damaged_records++;
			note_damage(r, &damage);
		} else if (rc == ATR_END) {
			r->torn = 1;
			r->open_tail_error = damage;
			r->torn_bytes = atr_walk_file_bytes(r->walk) - (uint64_t)damage.offset;
			return ATR_OK;
		} else {
			return rc;
		}
	}
}

static const struct atr_index_block *in_index(const struct recovery *r, uint64_t number)
{
	for (size_t low = 0, high = r->has_index ? r->index.block_count : 0; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (r->index.block[middle].number == number)
			return &r->index.block[middle];
		if (r->index.block[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static enum atr_status read_idx(struct recovery *r, uint64_t number, struct atr_idx *idx,
                                int *has_idx, struct atr_error *err)
{
	char path[PATH_MAX];
	enum atr_status rc;

	store_block_path(r->store, number, "idx", path, sizeof path);
	rc = atr_idx_read(r->store->files, path, atr_walk_seed(r->walk), number, idx, err);
	*has_idx = rc == ATR_OK;
	return rc == ATR_ENOTFOUND ? ATR_OK : rc;
}

/* An encrypted stream's block without a key file: clear text from before encryption, or set
 * aside. */
static enum atr_status note_keyless(struct recovery *r, uint64_t number, struct atr_error *err)
{
	struct atr_store *store = r->store;
	struct atr_error why;
	char path[PATH_MAX];
	uint64_t *larger;

	larger = realloc(store->keyless, (store->keyless_count + 1) * sizeof *larger);
	if (larger == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for blocks");
	store->keyless = larger;
	store->keyless[store->keyless_count++] = number;
	store->recovery.keyless_blocks++;
	store_block_path(store, number, "blk", path, sizeof path);
	(void)atr_error_set(&why, ATR_EFORMAT, path, -1,
	                    "not clear text, and its key file is missing: set aside");
	note_damage(r, &why);
	return ATR_OK;
}

static int is_fatal(enum atr_status rc)
{
	return rc != ATR_EAUTH && rc != ATR_EFORMAT && rc != ATR_ENOKEY;
}

static enum atr_status read_block(struct recovery *r, const struct listed *l, int encrypted,
                                  struct atr_error *err)
{
	struct atr_idx idx = {0};
	enum atr_status rc;
	int has_idx = 0;

	r->entry = (struct block_entry){
	        .number = l->number,
	        .flags = (l->has & HAS_KEY) != 0 ? BLOCK_KEY_UNSYNCED : 0, /* nobody knows */
	};
	r->damaged = r->torn = 0;
	r->torn_bytes = 0;
	rc = r->walk == NULL ? atr_walk_open(&r->store->home, l->number, &r->walk, err)
	                     : atr_walk_reopen(r->walk, l->number, err);
	if (rc != ATR_OK && is_fatal(rc))
		return rc;
	if (rc != ATR_OK) { /* its key file: this block's records are lost, not the others' */
		r->unread = 1;
		r->damaged = 1;
		r->unread_error = *err;
		r->entry.first_seq = r->last_seq + 1;
		atomic_store(&r->entry.last_seq, r->last_seq);
		return store_add_entry(r->store, &r->entry, err);
	}
	if ((l->has & HAS_IDX) != 0)
		rc = read_idx(r, l->number, &idx, &has_idx, err);
	if (rc == ATR_OK)
		rc = read_records(r, in_index(r, l->number), has_idx ? &idx : NULL, err);
	if (rc == ATR_OK && has_idx && idx.block.last_seq > r->last_seq && r->entry.first_seq == 0)
		r->last_seq = idx.block.last_seq; /* an emptied block keeps it there */
	atr_idx_free(&idx);
	if (rc != ATR_OK)
		return rc;
	if (encrypted && (l->has & HAS_KEY) == 0 && r->entry.first_seq == 0 &&
	    (atr_walk_file_bytes(r->walk) == 0 || (r->torn && r->open_tail_error.offset == 0)))
		return note_keyless(r, l->number, err);
	if (r->entry.first_seq == 0) {
		r->entry.first_seq = r->last_seq + 1;
		atomic_store(&r->entry.last_seq, r->last_seq);
	} else if (atomic_load(&r->entry.last_seq) < r->last_seq) {
		atomic_store(&r->entry.last_seq, r->last_seq);
	}
	r->last_seq = atomic_load(&r->entry.last_seq);
	atomic_store(&r->entry.file_bytes, atr_walk_file_bytes(r->walk) - r->torn_bytes);
	if (r->torn) {
		r->entry.flags |= BLOCK_TORN;
		r->open_tail = 1;
		r->open_tail_entry = r->store->entry_count;
		r->open_tail_file_bytes = atr_walk_file_bytes(r->walk);
	}
	return store_add_entry(r->store, &r->entry, err);
}

/* ---- the stream ---- */

/* Appending goes on in the last block when it is whole, under the cipher of new blocks and known
 * to no state file of its own; else a new one is made. */
static enum atr_status open_active(struct recovery *r, const struct listed *l,
                                   struct atr_error *err)
{
	struct atr_store *store = r->store;
	struct active *active = &store->active;
	const struct atr_seed *seed = r->walk != NULL ? atr_walk_seed(r->walk) : NULL;
	uint64_t file_bytes = atomic_load(&r->entry.file_bytes);
	char name[300];

	if (l == NULL || store->entry_count == 0 || r->entry.number != l->number || r->damaged ||
	    r->torn || (l->has & HAS_STATE) != 0 || file_bytes == 0 ||
	    file_bytes >= store->block_bytes)
		return ATR_OK;
	if ((seed != NULL) != atr_cipher_encrypts(store->cipher))
		return ATR_OK;
	if (seed != NULL && (seed->under_prev_key || seed->cipher != store->cipher))
		return ATR_OK;
	active->number = r->entry.number;
	active->file_bytes = file_bytes;
	active->exists = 1;
	active->enciphered = seed != NULL;
	if (seed != NULL)
		*active->seed = *seed;
	(void)snprintf(name, sizeof name, "%s-%" PRIu64, store->stream, r->entry.number);
	if (atr_hash_key_init(&active->hash_key, name) != 0)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "SHA-256 failed");
	active->is_open = 1;
	return ATR_OK;
}

/* Tombstones name sequences of earlier blocks: the totals are taken again without them. */
static enum atr_status count_again(struct recovery *r, struct atr_error *err)
{
	struct atr_store *store = r->store;
	struct atr_record record;
	enum atr_status rc;

	r->messages = r->bytes = r->first_seq = 0;
	for (size_t i = 0; i < store->entry_count; i++) {
		uint64_t previous = 0;

		if (atomic_load(&store->entry[i].file_bytes) == 0)
			continue;
		rc = atr_walk_reopen(r->walk, store->entry[i].number, err);
		if (rc != ATR_OK)
			return rc;
		for (;;) {
			rc = atr_walk_next(r->walk, &record, err);
			if (rc == ATR_EFORMAT)
				rc = atr_walk_resync(r->walk, err);
			else if (rc == ATR_OK && record.kind == ATR_RECORD_MESSAGE &&
			         record.message.sequence > previous) {
				previous = record.message.sequence;
				if (atr_seqset_has(&store->deleted, previous))
					continue;
				if (r->first_seq == 0)
					r->first_seq = previous;
				r->messages++;
				r->bytes += record.record_bytes;
			}
			if (rc == ATR_END)
				break;
			if (rc != ATR_OK)
				return rc;
		}
	}
	return ATR_OK;
}

static enum atr_status refuse_lost_deletes(struct recovery *r, struct atr_error *err)
{
	struct atr_seqset lost = {0};
	enum atr_status rc;

	atr_seqset_settle(&r->state_deleted);
	rc = atr_seqset_minus(&r->state_deleted, &r->store->deleted, &lost);
	if (rc != ATR_OK)
		(void)atr_error_set(err, rc, NULL, -1, "no memory for sequences");
	else if (lost.count > 0)
		rc = atr_error_set(err, ATR_EUNSUPPORTED, r->store->msgs_path, -1,
		                   "sequence %" PRIu64 " (and %" PRIu64
		                   " more) was deleted and only "
		                   "index.db or an idx knows it, which appending would make stale: "
		                   "not written yet",
		                   lost.range[0].first, atr_seqset_count(&lost, 0, UINT64_MAX) - 1);
	atr_seqset_free(&lost);
	return rc;
}

static enum atr_status read_index(struct recovery *r, const struct atr_seed *meta_seed,
                                  struct atr_error *err)
{
	char path[PATH_MAX];
	enum atr_status rc;

	if (!r->store->has_index_db)
		return ATR_OK;
	(void)snprintf(path, sizeof path, "%s/index.db", r->store->msgs_path);
	rc = atr_index_read(r->store->files, path, meta_seed, r->store->stream, &r->index, err);
	r->has_index = rc == ATR_OK;
	return rc;
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
	rc = open_active(r, last_block, err);
	atr_seqset_settle(&store->deleted);
	if (rc == ATR_OK)
		rc = refuse_lost_deletes(r, err);
	if (rc == ATR_OK && store->deleted.count > 0)
		rc = count_again(r, err);
	if (r->has_index && r->index.last_seq > r->last_seq)
		r->last_seq = r->index.last_seq;
	store->last_seq = r->last_seq;
	atomic_store(&store->seen_last_seq, r->last_seq);
	atomic_store(&store->messages, r->messages);
	atomic_store(&store->bytes, r->bytes);
	atomic_store(&store->first_seq, r->messages > 0 ? r->first_seq : r->last_seq + 1);
	return rc;
}

enum atr_status store_recover(struct atr_store *store, const struct atr_seed *meta_seed,
                              struct atr_error *err)
{
	struct recovery r = {.store = store};
	const struct listed *last_block = NULL;
	enum atr_status rc;

	rc = list_blocks(&r, err);
	if (rc == ATR_OK)
		rc = read_index(&r, meta_seed, err);
	for (size_t i = 0; i < r.count && rc == ATR_OK; i++) {
		const struct listed *l = &r.listed[i];

		/* a key file alone is one that was made ahead: clear text does not use its number
		 */
		if (store->next_number <= l->number &&
		    ((l->has & HAS_BLK) != 0 || !atr_cipher_encrypts(store->cipher)))
			store->next_number = l->number + 1;
		if ((l->has & HAS_BLK) == 0)
			continue;
		last_block = l;
		rc = read_block(&r, l, meta_seed != NULL, err);
	}
	if (rc == ATR_OK)
		rc = finish(&r, last_block, err);
	atr_walk_close(r.walk);
	atr_index_free(&r.index);
	atr_seqset_free(&r.state_deleted);
	free(r.listed);
	return rc;
}

enum atr_status store_prepare_append(struct atr_store *store, struct atr_error *err)
{
	const struct atr_file_table *files = store->files;
	char path[PATH_MAX], aside[PATH_MAX];
	int result = 0;

	if (store->has_index_db) {
		(void)snprintf(path, sizeof path, "%s/index.db", store->msgs_path);
		result = files->unlink(files->context, path);
		if (result < 0 && result != -ENOENT)
			return atr_file_error(err, result, path, -1,
			                      "removing the stale state file");
		store->has_index_db = 0;
		store->directory_unsynced = 1;
	}
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
	store->prepared = 1;
	return ATR_OK;
}
