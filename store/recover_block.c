/* recover_block.c - one block read into its entry and the subjects.
 *
 * Live are the message records in ascending order, without those that tombstones (of any block)
 * or a state file name. A state file that does not fit any more is still right about the messages
 * it lists as deleted, unless their sequences were used again since: that of a block is taken when
 * the record that was the block's last is there, with the time it had.
 */
#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "store/recover_inner.h"
#include "store/subjects.h"

/* What a state file lists of the block being read. */
struct listing {
	const struct atr_index_block *block; /* NULL: nothing */
	int confirmed;                       /* it is about these records */
	int used;                            /* it made a record a deleted one */
};

struct listings {
	struct listing index, idx;
};

static enum atr_status no_memory(struct atr_error *err)
{
	return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for sequences");
}

/* ---- between blocks ---- */

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
		recover_note_damage(r, &r->open_tail_error);
	}
	if (r->unread) {
		struct block_entry *entry = &store->entry[store->entry_count - 1];

		if (first_seq > r->last_seq + 1)
			atomic_store(&entry->last_seq, first_seq - 1);
		r->last_seq = atomic_load(&entry->last_seq);
		store->recovery.damaged_records++;
		recover_note_damage(r, &r->unread_error);
	}
	r->open_tail = r->unread = 0;
}

/* ---- state files ---- */

static int lists_as_deleted(struct listing *l, uint64_t sequence)
{
	if (l->block == NULL ||
	    (sequence >= l->block->first_seq && !atr_seqset_has(&l->block->deleted, sequence)))
		return 0;
	l->used = 1;
	return 1;
}

static void confirm(struct listing *l, const struct atr_record *record)
{
	if (l->block == NULL || record->message.sequence != l->block->last_seq)
		return;
	l->confirmed = record->kind != ATR_RECORD_MESSAGE ||
	               record->message.time_ns == l->block->last_time_ns;
}

static struct atr_index_block *in_index(const struct recovery *r, uint64_t number)
{
	if (atr_seqset_has(&r->distrusted, number))
		return NULL;
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

/* A damaged one is as none, but for the note. */
static enum atr_status read_idx(struct recovery *r, const struct listed *l, struct atr_idx *idx,
                                struct listing *out, struct atr_error *err)
{
	char path[PATH_MAX];
	uint8_t lchk[ATR_HASH_BYTES];
	enum atr_status rc;

	if ((l->has & HAS_IDX) == 0)
		return ATR_OK;
	store_block_path(r->store, l->number, "idx", path, sizeof path);
	rc = atr_idx_read(r->store->files, path, atr_walk_seed(r->walk), l->number, idx, err);
	if (rc == ATR_EAUTH || rc == ATR_EFORMAT || rc == ATR_EUNSUPPORTED)
		recover_note_damage(r, err);
	if (rc != ATR_OK)
		return rc == ATR_ENOMEM || rc == ATR_EIO ? rc : ATR_OK;
	if (atr_seqset_has(&r->distrusted, l->number))
		return ATR_OK;
	out->block = &idx->block;
	if (atr_walk_file_bytes(r->walk) == 0) {
		out->confirmed = idx->messages == 0;
		return ATR_OK;
	}
	rc = atr_walk_last_check(r->walk, lchk, err);
	out->confirmed = rc == ATR_OK && memcmp(lchk, idx->lchk, sizeof lchk) == 0;
	return rc == ATR_EFORMAT ? ATR_OK : rc;
}

/* ---- records ---- */

/* A message that lives as far as this block knows. */
static enum atr_status see_live(struct recovery *r, const struct atr_record *record,
                                struct atr_error *err)
{
	struct block_entry *entry = &r->entry;
	const struct atr_message *m = &record->message;

	if (entry->messages++ == 0) {
		entry->first_seq = m->sequence;
		entry->first_time_ns = m->time_ns;
	}
	entry->live_bytes += record->record_bytes;
	if (atr_subjects_add(r->store->subjects, m->subject, m->subject_bytes, m->sequence) !=
	    ATR_OK)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for subjects");
	return ATR_OK;
}

/* Names a sequence of any block; the stream got at least that far. */
static enum atr_status see_tombstone(struct recovery *r, uint64_t sequence, struct atr_error *err)
{
	if (sequence > r->last_seq && r->first_record == 0)
		r->last_seq = sequence;
	return atr_seqset_add(&r->tombstones, sequence, sequence) == ATR_OK ? ATR_OK
	                                                                    : no_memory(err);
}

/* The block's first record, or one that does not follow the one before at once. */
static enum atr_status see_jump(struct recovery *r, uint64_t last, uint64_t sequence,
                                struct atr_error *err)
{
	if (r->first_record == 0) {
		settle_gap(r, sequence);
		r->first_record = sequence;
	} else if (!r->gap_is_damage &&
	           atr_seqset_add(&r->deleted, last + 1, sequence - 1) != ATR_OK) {
		return no_memory(err);
	}
	return ATR_OK;
}

static enum atr_status see_deleted(struct recovery *r, const struct atr_record *record,
                                   struct atr_error *err)
{
	uint64_t sequence = record->message.sequence;
	enum atr_status rc = ATR_OK;

	if (record->kind == ATR_RECORD_MESSAGE)
		rc = atr_seqset_add(&r->state_deleted, sequence, sequence);
	if (rc == ATR_OK)
		rc = atr_seqset_add(&r->deleted, sequence, sequence);
	return rc == ATR_OK ? rc : no_memory(err);
}

static enum atr_status see_record(struct recovery *r, const struct atr_record *record,
                                  struct listings *listings, struct atr_error *err)
{
	uint64_t sequence = record->message.sequence, last;
	struct block_entry *entry = &r->entry;
	enum atr_status rc;

	if (record->kind == ATR_RECORD_TOMBSTONE)
		return see_tombstone(r, sequence, err);
	last = atomic_load_explicit(&entry->last_seq, memory_order_relaxed);
	if (sequence != last + 1 || r->first_record == 0) {
		if (sequence == 0 || (r->first_record != 0 && sequence <= last))
			return ATR_OK;
		rc = see_jump(r, last, sequence, err);
		if (rc != ATR_OK)
			return rc;
	}
	r->gap_is_damage = 0;
	atomic_store_explicit(&entry->last_seq, sequence, memory_order_relaxed);
	confirm(&listings->index, record);
	confirm(&listings->idx, record);
	if (record->kind != ATR_RECORD_MESSAGE)
		return see_deleted(r, record, err);
	entry->last_time_ns = record->message.time_ns;
	if (lists_as_deleted(&listings->index, sequence) ||
	    lists_as_deleted(&listings->idx, sequence))
		return see_deleted(r, record, err);
	return see_live(r, record, err);
}

/* All records of the open walk into r->entry. */
static enum atr_status read_records(struct recovery *r, struct listings *listings,
                                    struct atr_error *err)
{
	struct atr_record record;
	struct atr_error damage;
	enum atr_status rc;

	for (;;) {
		rc = atr_walk_next(r->walk, &record, &damage);
		if (rc == ATR_OK) {
			rc = see_record(r, &record, listings, err);
			if (rc != ATR_OK)
				return rc;
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
			r->damaged = r->gap_is_damage = 1;
			r->store->recovery.damaged_records++;
			recover_note_damage(r, &damage);
		} else if (rc == ATR_END) {
			r->torn = 1;
			r->open_tail_error = damage;
			/* nothing is appended to a compressed block: readers take all of it */
			if (!atr_walk_is_compressed(r->walk))
				r->torn_bytes = atr_walk_end(r->walk) - (uint64_t)damage.offset;
			return ATR_OK;
		} else {
			return rc;
		}
	}
}

/* ---- one block ---- */

/* The deletes before its first sequence are of no interest; what is left goes to the entry, also
 * when no message is: where records are damaged they are told from those that are deleted. */
static enum atr_status give_deleted(struct block_entry *entry, struct atr_seqset *deleted)
{
	enum atr_status rc = ATR_OK;

	if (entry->first_seq > 0)
		rc = atr_seqset_remove(deleted, 0, entry->first_seq - 1);
	if (rc == ATR_OK && deleted->count > 0) {
		entry->deleted = malloc(sizeof *entry->deleted);
		if (entry->deleted == NULL)
			return ATR_ENOMEM;
		*entry->deleted = *deleted;
		*deleted = (struct atr_seqset){0};
	}
	return rc;
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
	recover_note_damage(r, &why);
	return ATR_OK;
}

/* The block is read: what its entry says as a whole, and that it follows the one before. */
static enum atr_status end_block(struct recovery *r, struct atr_error *err)
{
	struct block_entry *entry = &r->entry;
	uint64_t last = atomic_load(&entry->last_seq);

	if (r->first_record == 0) {
		last = r->last_seq;
	} else if (last < r->last_seq) {
		/* none of this block lives between its own last and there */
		if (atr_seqset_add(&r->deleted, last + 1, r->last_seq) != ATR_OK)
			return no_memory(err);
		last = r->last_seq;
	}
	atomic_store(&entry->last_seq, last);
	if (entry->messages == 0 && !r->damaged) {
		entry->first_seq = last + 1;
		entry->first_time_ns = 0;
	} else if (entry->messages == 0) {
		entry->first_seq = r->first_record > 0 ? r->first_record : last + 1;
	}
	r->last_seq = last;
	atomic_store(&entry->file_bytes, atr_walk_file_bytes(r->walk) - r->torn_bytes);
	if (r->torn) {
		entry->flags |= BLOCK_TORN;
		r->open_tail = 1;
		r->open_tail_entry = r->store->entry_count;
		r->open_tail_file_bytes = atr_walk_file_bytes(r->walk);
	}
	if (give_deleted(entry, &r->deleted) != ATR_OK)
		return no_memory(err);
	return store_add_entry(r->store, entry, err);
}

/* Its key file, or the frame of a compressed one: this block's records are lost, not the others'.
 */
static enum atr_status give_block_up(struct recovery *r, struct atr_error *err)
{
	r->unread = 1;
	r->damaged = 1;
	r->unread_error = *err;
	r->entry.first_seq = r->last_seq + 1;
	atomic_store(&r->entry.last_seq, r->last_seq);
	atomic_store(&r->entry.file_bytes, atr_walk_file_bytes(r->walk));
	return store_add_entry(r->store, &r->entry, err);
}

/* A listing that was used and could not be confirmed: everything is read again without it. */
static enum atr_status check_listing(struct recovery *r, const struct listing *l, uint64_t number,
                                     struct atr_error *err)
{
	if (!l->used || l->confirmed)
		return ATR_OK;
	r->read_again = 1;
	return atr_seqset_insert(&r->distrusted, number, number) == ATR_OK ? ATR_OK
	                                                                   : no_memory(err);
}

enum atr_status recover_read_block(struct recovery *r, const struct listed *l,
                                   struct atr_error *err)
{
	struct listings listings = {{.block = in_index(r, l->number)}, {0}};
	struct atr_idx idx = {0};
	enum atr_status rc;

	r->entry = (struct block_entry){
	        .number = l->number,
	        .flags = (l->has & HAS_KEY) != 0 ? BLOCK_KEY_UNSYNCED : 0, /* nobody knows */
	};
	r->first_record = 0;
	r->damaged = r->torn = r->gap_is_damage = 0;
	r->torn_bytes = 0;
	atr_seqset_free(&r->deleted);
	rc = recover_open_walk(r, l->number, err);
	if (rc == ATR_EAUTH || rc == ATR_EFORMAT || rc == ATR_ENOKEY)
		return give_block_up(r, err);
	if (rc == ATR_OK)
		rc = read_idx(r, l, &idx, &listings.idx, err);
	if (rc == ATR_OK)
		rc = read_records(r, &listings, err);
	if (rc == ATR_OK && listings.idx.block != NULL && r->first_record == 0 &&
	    idx.block.last_seq > r->last_seq)
		r->last_seq = idx.block.last_seq; /* an emptied block keeps it there */
	atr_idx_free(&idx);
	if (rc == ATR_OK)
		rc = check_listing(r, &listings.index, l->number, err);
	if (rc == ATR_OK)
		rc = check_listing(r, &listings.idx, l->number, err);
	if (rc != ATR_OK)
		return rc;
	if (r->meta_seed != NULL && (l->has & HAS_KEY) == 0 && r->first_record == 0 &&
	    !atr_walk_is_compressed(r->walk) &&
	    (atr_walk_file_bytes(r->walk) == 0 || (r->torn && r->open_tail_error.offset == 0)))
		return note_keyless(r, l->number, err);
	return end_block(r, err);
}

/* ---- tombstones ---- */

/* Takes the messages in `hit` out of what is known of an entry's block. */
static enum atr_status read_again(struct recovery *r, struct block_entry *entry,
                                  const struct atr_seqset *hit, struct atr_error *err)
{
	struct atr_seqset deleted = {0};
	struct atr_record record;
	uint64_t previous = 0, from = entry->first_seq; /* those before are gone already */
	enum atr_status rc;

	if (entry->deleted != NULL) {
		deleted = *entry->deleted;
		free(entry->deleted);
		entry->deleted = NULL;
	}
	entry->messages = entry->live_bytes = 0;
	rc = recover_open_walk(r, entry->number, err);
	if (rc == ATR_EAUTH || rc == ATR_EFORMAT || rc == ATR_ENOKEY)
		rc = ATR_END; /* its key is damaged, which was noted */
	while (rc == ATR_OK) {
		const struct atr_message *m = &record.message;

		rc = atr_walk_next(r->walk, &record, err);
		if (rc == ATR_EFORMAT) {
			rc = atr_walk_resync(r->walk, err);
			continue;
		}
		if (rc != ATR_OK || record.kind == ATR_RECORD_TOMBSTONE || m->sequence <= previous)
			continue;
		previous = m->sequence;
		if (record.kind != ATR_RECORD_MESSAGE || previous < from ||
		    atr_seqset_has(&deleted, previous))
			continue;
		if (atr_seqset_has(hit, previous)) {
			atr_subjects_remove(r->store->subjects, m->subject, m->subject_bytes,
			                    previous, entry->number);
			continue;
		}
		if (entry->messages++ == 0) {
			entry->first_seq = previous;
			entry->first_time_ns = m->time_ns;
		}
		entry->live_bytes += record.record_bytes;
	}
	for (size_t i = 0; i < hit->count && rc == ATR_END; i++)
		if (atr_seqset_insert(&deleted, hit->range[i].first, hit->range[i].last) != ATR_OK)
			rc = no_memory(err);
	if (rc == ATR_END && entry->messages == 0 &&
	    atr_seqset_count(&deleted, entry->first_seq, atomic_load(&entry->last_seq)) ==
	            atomic_load(&entry->last_seq) + 1 - entry->first_seq) {
		entry->first_seq = atomic_load(&entry->last_seq) + 1;
		entry->first_time_ns = 0;
	}
	if (rc == ATR_END)
		rc = give_deleted(entry, &deleted) == ATR_OK ? ATR_OK : no_memory(err);
	atr_seqset_free(&deleted);
	return rc;
}

enum atr_status recover_apply_tombstones(struct recovery *r, struct atr_error *err)
{
	struct atr_store *store = r->store;
	enum atr_status rc = ATR_OK;

	atr_seqset_settle(&r->tombstones);
	for (size_t i = 0; i < store->entry_count && rc == ATR_OK && r->tombstones.count > 0; i++) {
		struct block_entry *entry = &store->entry[i];
		struct atr_seqset named = {0}, hit = {0};

		rc = atr_seqset_slice(&r->tombstones, entry->first_seq,
		                      atomic_load(&entry->last_seq), 1, &named);
		if (rc == ATR_OK && entry->deleted != NULL && named.count > 0)
			rc = atr_seqset_minus(&named, entry->deleted, &hit);
		if (rc != ATR_OK)
			rc = no_memory(err);
		else if (named.count > 0 && (entry->deleted == NULL || hit.count > 0))
			rc = read_again(r, entry, entry->deleted == NULL ? &named : &hit, err);
		atr_seqset_free(&named);
		atr_seqset_free(&hit);
	}
	return rc;
}
