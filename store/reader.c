/* reader.c - reading in order; see reader_inner.h. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/secret.h"
#include "store/reader_inner.h"

enum atr_status atr_reader_open(struct atr_store *store, struct atr_reader **out,
                                struct atr_error *err)
{
	struct atr_reader *r = calloc(1, sizeof *r);

	*out = NULL;
	if (r == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a reader");
	r->store = store;
	r->read = store->read;
	*out = r;
	return ATR_OK;
}

void atr_reader_close(struct atr_reader *r)
{
	if (r == NULL)
		return;
	reader_forget_views(r);
	atr_walk_close(r->walk);
	atr_keystream_free(r->stream);
	atr_secret_free(r->seed);
	free(r->loaded.bytes);
	free(r->loaded.offset);
	free(r->view);
	free(r->window);
	free(r);
}

/* ---- places ---- */

void reader_set_inner(struct atr_reader *r)
{
	r->is_inner = 1;
	r->read = ATR_READ_RECORD;
}

void reader_forget_place(struct atr_reader *r)
{
	r->in_block = 0;
	r->place.number = 0;
}

int reader_find(struct atr_reader *r, uint64_t sequence, struct place *out)
{
	struct atr_store *store = r->store;
	size_t at;
	int found;

	pthread_mutex_lock(&store->state_lock);
	at = store_find_entry(store, sequence);
	/* nothing has to be read of a block without messages */
	while (at < store->entry_count &&
	       store->entry[at].first_seq > atomic_load(&store->entry[at].last_seq))
		at++;
	found = at < store->entry_count;
	if (found) {
		struct block_entry *entry = &store->entry[at];

		out->number = entry->number;
		out->generation = entry->generation;
		out->first_seq = entry->first_seq;
		out->last_seq = atomic_load_explicit(&entry->last_seq, memory_order_acquire);
		out->file_bytes = atomic_load_explicit(&entry->file_bytes, memory_order_relaxed);
		out->has_deleted = entry->deleted != NULL;
		out->is_live = store_is_live(entry, sequence);
	}
	pthread_mutex_unlock(&store->state_lock);
	if (found && out->file_bytes == FILE_BYTES_UNKNOWN)
		out->file_bytes = store_file_bytes(store, out->number);
	return found;
}

enum atr_status reader_await(struct atr_reader *r, struct place *place, struct atr_error *err)
{
	struct atr_store *store = r->store;
	int written;

	if (store->flusher == NULL)
		return ATR_OK;
	if (r->is_inner) {
		uint64_t bytes = flusher_written_bytes(store->flusher, place->number);

		if (place->file_bytes > bytes)
			place->file_bytes = bytes;
		return ATR_OK;
	}
	pthread_mutex_lock(&store->append_lock);
	written = flusher_has_written(store->flusher, place->number);
	if (!written)
		written = flusher_drain(store->flusher);
	pthread_mutex_unlock(&store->append_lock);
	return written ? ATR_OK : store_check_poison(store, err);
}

int reader_is_stale(struct atr_reader *r, const struct place *place)
{
	struct atr_store *store = r->store;
	size_t at;
	int stale;

	if (!r->is_inner) /* held over removing and rewriting */
		pthread_mutex_lock(&store->append_lock);
	at = store_find_block(store, place->number);
	stale = at == store->entry_count || store->entry[at].generation != place->generation;
	if (!r->is_inner)
		pthread_mutex_unlock(&store->append_lock);
	return stale;
}

/* ---- in order ---- */

/* Stands the walk at the place's block. */
static enum atr_status open_place(struct atr_reader *r, const struct place *place,
                                  struct atr_error *err)
{
	enum atr_status rc = ATR_OK;

	reader_forget_place(r); /* no block, should the next lines fail */
	if (r->walk == NULL)
		rc = atr_walk_new(&r->store->home, &r->walk, err);
	if (rc == ATR_OK)
		rc = atr_walk_reopen_to(r->walk, place->number, place->file_bytes, err);
	r->passed = 0;
	r->damaged = 0;
	return rc;
}

static enum atr_status enter(struct atr_reader *r, uint64_t sequence, struct atr_error *err)
{
	struct place place;
	enum atr_status rc;

	do {
		r->removals = atomic_load(&r->store->removals);
		if (!reader_find(r, sequence, &place))
			return ATR_END;
		rc = reader_await(r, &place, err);
		if (rc != ATR_OK)
			return rc;
		if (r->walk != NULL && r->place.number == place.number &&
		    r->place.generation == place.generation) {
			/* the same block: grown, or back to an earlier sequence */
			if (place.file_bytes < r->place.file_bytes) /* written it was */
				place.file_bytes = r->place.file_bytes;
			if (sequence <= r->passed) {
				atr_walk_seek(r->walk, 0);
				r->passed = 0;
				r->damaged = 0;
			}
			atr_walk_limit(r->walk, place.file_bytes);
		} else {
			rc = open_place(r, &place, err);
		}
	} while (rc != ATR_OK && reader_is_stale(r, &place));
	if (rc != ATR_OK) {
		if (err != NULL)
			err->sequence = sequence;
		return rc;
	}
	r->place = place;
	r->in_block = 1;
	return ATR_OK;
}

/* The next record of the open block that is new and a message. ATR_END: none is left. */
static enum atr_status walk_on(struct atr_reader *r, uint64_t sequence, struct atr_message *m,
                               struct atr_error *err)
{
	struct atr_record record;
	enum atr_status rc;

	if (r->damaged) {
		r->damaged = 0;
		rc = atr_walk_resync(r->walk, err);
		if (rc != ATR_OK)
			return rc;
	}
	for (;;) {
		rc = atr_walk_next(r->walk, &record, err);
		if (rc != ATR_OK) {
			r->damaged = rc == ATR_EFORMAT;
			return rc;
		}
		if (record.kind == ATR_RECORD_TOMBSTONE || record.message.sequence <= r->passed)
			continue;
		r->passed = record.message.sequence;
		if (record.kind != ATR_RECORD_MESSAGE || r->passed < sequence)
			continue;
		*m = record.message;
		return ATR_OK;
	}
}

enum found {
	FOUND_LIVE,
	FOUND_DELETED,
	FOUND_STALE /* the block was removed or rewritten: look again where the message is */
};

static enum found look_at(struct atr_reader *r, uint64_t sequence)
{
	struct atr_store *store = r->store;
	enum found found = FOUND_STALE;
	size_t at;

	/* as long as nothing was removed since the place was taken it tells all */
	if (!r->place.has_deleted &&
	    atomic_load_explicit(&store->removals, memory_order_acquire) == r->removals)
		return FOUND_LIVE;
	pthread_mutex_lock(&store->state_lock);
	at = store_find_block(store, r->place.number);
	if (at < store->entry_count && store->entry[at].generation == r->place.generation)
		found = store_is_live(&store->entry[at], sequence) ? FOUND_LIVE : FOUND_DELETED;
	pthread_mutex_unlock(&store->state_lock);
	return found;
}

enum atr_status atr_reader_next(struct atr_reader *r, uint64_t sequence, struct atr_message *m,
                                struct atr_error *err)
{
	enum atr_status rc;

	if (sequence == 0)
		sequence = 1;
	for (;;) {
		if (!r->in_block || sequence <= r->passed || sequence > r->place.last_seq) {
			rc = enter(r, sequence, err);
			if (rc != ATR_OK)
				return rc;
			if (sequence < r->place.first_seq)
				sequence = r->place.first_seq;
		}
		rc = walk_on(r, sequence, m, err);
		if (rc == ATR_OK) {
			enum found found = look_at(r, m->sequence);

			if (found == FOUND_LIVE)
				return ATR_OK;
			if (found == FOUND_STALE)
				reader_forget_place(r);
			else
				sequence = m->sequence + 1;
			continue;
		}
		if (rc != ATR_END) {
			if (!reader_is_stale(r, &r->place))
				return rc;
			reader_forget_place(r);
			continue;
		}
		/* the block has no such message; later ones may */
		r->in_block = 0;
		sequence = r->place.last_seq + 1;
	}
}

enum atr_status reader_scan(struct atr_reader *r, const struct place *place, uint64_t sequence,
                            struct atr_message *m, struct atr_error *err)
{
	struct atr_error damage = {0}, now;
	struct atr_record record;
	enum atr_status rc = ATR_OK;

	r->in_block = 0;
	r->place.number = 0;
	if (r->walk == NULL)
		rc = atr_walk_new(&r->store->home, &r->walk, err);
	if (rc == ATR_OK)
		rc = atr_walk_reopen_to(r->walk, place->number, place->file_bytes, err);
	while (rc == ATR_OK) {
		rc = atr_walk_next(r->walk, &record, &now);
		if (rc == ATR_OK && record.kind == ATR_RECORD_MESSAGE &&
		    record.message.sequence == sequence) {
			*m = record.message;
			return ATR_OK;
		}
		if (rc == ATR_EFORMAT) {
			if (damage.status == ATR_OK)
				damage = now;
			rc = atr_walk_resync(r->walk, &now);
		}
		if (rc != ATR_OK && rc != ATR_END && err != NULL)
			*err = now;
	}
	if (rc != ATR_END)
		return rc;
	if (damage.status == ATR_OK)
		return atr_error_set(err, ATR_ENOTFOUND, NULL, -1, "no such sequence");
	if (err != NULL) {
		*err = damage;
		err->sequence = sequence;
	}
	return damage.status;
}
