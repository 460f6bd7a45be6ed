/* entries.c - what an open store knows of its blocks, and the state in which it acknowledges
 * nothing more: small functions that its other files share. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/store_inner.h"

void store_block_path(const struct atr_store *store, uint64_t number, const char *suffix,
                      char *path, size_t path_bytes)
{
	/* fits: the directory's length was checked */
	(void)snprintf(path, path_bytes, "%s/%" PRIu64 ".%s", store->msgs_path, number, suffix);
}

size_t store_find_entry(const struct atr_store *store, uint64_t sequence)
{
	size_t low = 0, high = store->entry_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (atomic_load_explicit(&store->entry[middle].last_seq, memory_order_relaxed) <
		    sequence)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t store_lower_block(const struct atr_store *store, uint64_t number)
{
	size_t low = 0, high = store->entry_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (store->entry[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t store_find_block(const struct atr_store *store, uint64_t number)
{
	size_t at = store_lower_block(store, number);

	return at < store->entry_count && store->entry[at].number == number ? at
	                                                                    : store->entry_count;
}

static uint64_t ask_file_bytes(struct atr_store *store, uint64_t number)
{
	struct atr_file_stat st;
	char path[PATH_MAX];

	store_block_path(store, number, "blk", path, sizeof path);
	return store->files->stat(store->files->context, path, &st) < 0 ? FILE_BYTES_UNKNOWN
	                                                                : st.bytes;
}

uint64_t store_file_bytes(struct atr_store *store, uint64_t number)
{
	uint64_t known = 0, asked = ask_file_bytes(store, number);
	size_t at;

	pthread_mutex_lock(&store->state_lock);
	at = store_find_block(store, number);
	if (at < store->entry_count) {
		/* rewritten meanwhile: then it is known */
		known = FILE_BYTES_UNKNOWN;
		if (atomic_compare_exchange_strong(&store->entry[at].file_bytes, &known, asked))
			known = asked;
	}
	pthread_mutex_unlock(&store->state_lock);
	return known;
}

int store_is_live(const struct block_entry *entry, uint64_t sequence)
{
	return sequence >= entry->first_seq &&
	       sequence <= atomic_load_explicit(&entry->last_seq, memory_order_acquire) &&
	       (entry->deleted == NULL || !atr_seqset_has(entry->deleted, sequence));
}

int store_is_active(const struct atr_store *store, const struct block_entry *entry)
{
	return store->active.is_open && store->active.number == entry->number;
}

int store_names_last(const struct atr_store *store, const struct block_entry *entry)
{
	uint64_t last = store->last_seq;
	size_t at = store_find_entry(store, last);

	if (last == 0 || (store->named_last != 0 && store->named_last != entry->number))
		return 0;
	if (atomic_load_explicit(&entry->last_seq, memory_order_relaxed) != last)
		return 0;
	return at == store->entry_count || !store_is_live(&store->entry[at], last);
}

void store_free_deleted(struct block_entry *entry)
{
	if (entry->deleted != NULL)
		atr_seqset_free(entry->deleted);
	free(entry->deleted);
	entry->deleted = NULL;
}

enum atr_status store_add_entry(struct atr_store *store, const struct block_entry *entry,
                                struct atr_error *err)
{
	enum atr_status rc = ATR_OK;

	pthread_mutex_lock(&store->state_lock);
	if (store->entry_count == store->entry_capacity) {
		size_t capacity = store->entry_capacity > 0 ? store->entry_capacity * 3 / 2 : 16;
		struct block_entry *larger = realloc(store->entry, capacity * sizeof *store->entry);

		if (larger == NULL) {
			rc = atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for %zu blocks",
			                   capacity);
		} else {
			store->entry = larger;
			store->entry_capacity = capacity;
		}
	}
	if (rc == ATR_OK)
		store->entry[store->entry_count++] = *entry;
	pthread_mutex_unlock(&store->state_lock);
	return rc;
}

void store_free_entries(struct atr_store *store)
{
	for (size_t i = 0; i < store->entry_count; i++)
		store_free_deleted(&store->entry[i]);
	store->entry_count = 0;
}

enum atr_status store_poison(struct atr_store *store, enum atr_status status,
                             const struct atr_error *why)
{
	pthread_mutex_lock(&store->state_lock);
	if (atomic_load(&store->poison) == ATR_OK) {
		if (why != NULL)
			store->poison_error = *why;
		else
			(void)atr_error_set(&store->poison_error, status, NULL, -1, "%s",
			                    atr_status_text(status));
		atomic_store(&store->poison, status);
	}
	pthread_mutex_unlock(&store->state_lock);
	return status;
}

enum atr_status store_check_poison(struct atr_store *store, struct atr_error *err)
{
	enum atr_status rc = atomic_load_explicit(&store->poison, memory_order_acquire);

	if (rc == ATR_OK)
		return rc;
	pthread_mutex_lock(&store->state_lock);
	if (err != NULL)
		*err = store->poison_error;
	if (store->poison_told) {
		rc = ATR_EPOISONED;
		(void)atr_error_set(err, rc, store->poison_error.path, store->poison_error.offset,
		                    "nothing is acknowledged after an earlier failure: %s",
		                    store->poison_error.text);
	}
	store->poison_told = 1;
	pthread_mutex_unlock(&store->state_lock);
	return rc;
}
