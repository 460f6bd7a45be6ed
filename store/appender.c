/* appender.c - from a message to the bytes of the active block.
 *
 * Which block: the last one, until it is full, was cut, or a write to it failed. Then a new one
 * with a fresh key. Bytes at one place of a key stream are never replaced by others, so a block
 * with a failed or short write is left as it is.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/secret.h"
#include "store/store_inner.h"
#include "store/subjects.h"

/* Deleted sequences between two messages become placeholders up to this many; a wider gap is
 * left between two blocks, where it costs nothing. */
#define PLACEHOLDERS_MAX 64u
/* Scratch buffers above this are given back after use. */
#define SCRATCH_KEEP_BYTES ((size_t)1024 * 1024)

static void add(_Atomic(uint64_t) *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* Only one thread writes these (append_lock): a plain add that readers may see at any time. */
static void bump(_Atomic(uint64_t) *total, uint64_t n)
{
	atomic_store_explicit(total, atomic_load_explicit(total, memory_order_relaxed) + n,
	                      memory_order_relaxed);
}

/* ---- the file of the active block, ATR_FLUSH_EACH ---- */

void appender_close(struct atr_store *store)
{
	struct active *active = &store->active;

	if (active->fd >= 0)
		(void)store->files->close(store->files->context, active->fd);
	active->fd = -1;
	active->is_open = 0;
	if (active->seed != NULL)
		atr_secret_wipe(active->seed, sizeof *active->seed);
}

static enum atr_status open_file(struct atr_store *store, struct atr_error *err)
{
	struct active *active = &store->active;
	int flags = O_WRONLY | (active->exists ? 0 : O_CREAT | O_EXCL);
	char path[PATH_MAX];

	store_block_path(store, active->number, "blk", path, sizeof path);
	active->fd = store->files->open(store->files->context, path, flags, 0640);
	if (active->fd < 0)
		return atr_file_error(err, active->fd, path, -1,
		                      active->exists ? "open" : "create");
	if (!active->enciphered)
		return ATR_OK;
	if (active->stream == NULL)
		active->stream =
		        atr_keystream_new(store->cipher, active->seed->seed, active->seed->nonce,
		                          store->keystream_ahead_bytes);
	else if (atr_keystream_rekey(active->stream, active->seed->seed, active->seed->nonce) != 0)
		return atr_error_set(err, ATR_ENOMEM, path, -1, "re-keying failed");
	if (active->stream == NULL)
		return atr_error_set(err, ATR_ENOMEM, path, -1, "no memory for a cipher context");
	return ATR_OK;
}

/* ---- rolling ---- */

static void give_up_block(struct atr_store *store, uint64_t number)
{
	char path[PATH_MAX];

	appender_close(store);
	store_block_path(store, number, "blk", path, sizeof path);
	(void)store->files->unlink(store->files->context, path);
	if (store->pool != NULL) {
		store_block_path(store, number, "key", path, sizeof path);
		(void)store->files->unlink(store->files->context, path);
	}
}

/* A block that was emptied while it was the active one is left to remove_sweep, a finished one to
 * be compressed to compact_settle. */
static void end_entry(struct atr_store *store)
{
	struct block_entry *entry;

	if (store->entry_count == 0)
		return;
	entry = &store->entry[store->entry_count - 1];
	pthread_mutex_lock(&store->state_lock);
	if (entry->messages == 0 && (entry->flags & BLOCK_EMPTIED) != 0) {
		store->has_emptied = 1;
	} else if (store->compress) {
		entry->flags |= BLOCK_COMPRESS;
	}
	pthread_mutex_unlock(&store->state_lock);
}

/* Nothing is changed on failure, but for a number that is used up. */
enum atr_status appender_roll(struct atr_store *store, uint64_t first_seq, struct atr_error *err)
{
	struct active *active = &store->active;
	struct block_entry entry = {
	        .first_seq = first_seq, .head_seq = UINT64_MAX, .flags = BLOCK_NO_TOMBSTONES};
	char name[300];
	enum atr_status rc;
	int synced = 1;

	if (store->flusher != NULL && active->is_open)
		flusher_end_block(store->flusher);
	appender_close(store);
	end_entry(store);
	if (store->pool != NULL) {
		rc = atr_keypool_take(store->pool, store->sync == ATR_SYNC_ALWAYS, &entry.number,
		                      active->seed, &synced, err);
		if (rc != ATR_OK)
			return rc;
	} else {
		entry.number = store->next_number++;
	}
	active->number = entry.number;
	active->file_bytes = 0;
	active->enciphered = store->pool != NULL;
	active->exists = 0;
	if (!synced)
		entry.flags |= BLOCK_KEY_UNSYNCED;
	(void)snprintf(name, sizeof name, "%s-%" PRIu64, store->stream, entry.number);
	if (atr_hash_key_init(&active->hash_key, name) != 0) {
		give_up_block(store, entry.number);
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "SHA-256 failed");
	}
	if (store->flusher == NULL) {
		rc = open_file(store, err);
		if (rc != ATR_OK) {
			if (!(err != NULL && err->error_number == EEXIST))
				give_up_block(store, entry.number);
			return rc;
		}
	}
	atomic_init(&entry.last_seq, store->last_seq);
	atomic_init(&entry.file_bytes, 0);
	rc = store_add_entry(store, &entry, err);
	if (rc != ATR_OK) {
		give_up_block(store, entry.number);
		return rc;
	}
	active->is_open = 1;
	store->directory_unsynced = 1;
	add(&store->blocks_made, 1);
	return ATR_OK;
}

/* ---- bytes ---- */

static uint8_t *reserve(struct atr_store *store, size_t bytes)
{
	if (store->flusher != NULL)
		return flusher_reserve(store->flusher, bytes);
	if (store->scratch_bytes < bytes) {
		uint8_t *larger = realloc(store->scratch, bytes);

		if (larger == NULL)
			return NULL;
		store->scratch = larger;
		store->scratch_bytes = bytes;
	}
	return store->scratch;
}

/* fsync of the active block, and of the directory when the block is new. */
static enum atr_status sync_now(struct atr_store *store, struct atr_error *err)
{
	const struct atr_file_table *files = store->files;
	int result = files->sync(files->context, store->active.fd);
	enum atr_status rc = ATR_OK;

	add(&store->syncs, 1);
	if (result < 0) {
		char path[PATH_MAX];

		store_block_path(store, store->active.number, "blk", path, sizeof path);
		rc = atr_file_error(err, result, path, -1, "fsync");
	}
	if (rc == ATR_OK && store->directory_unsynced) {
		rc = atr_file_sync_directory(files, store->msgs_path, err);
		store->directory_unsynced = 0;
		add(&store->syncs, 1);
	}
	if (rc != ATR_OK)
		(void)store_poison(store, rc, err);
	return rc;
}

/* After a failed write: no byte is put there again. Of what is there, perhaps whole records, one
 * byte is left, which recovery takes for a torn tail. A block without any other record is
 * removed. */
static void leave_block(struct atr_store *store, const char *path)
{
	struct active *active = &store->active;
	const struct atr_file_table *files = store->files;
	uint64_t torn_bytes = active->file_bytes + 1;
	struct atr_file_stat st;
	int result;

	if (active->file_bytes == 0) {
		give_up_block(store, active->number);
		pthread_mutex_lock(&store->state_lock);
		store->entry_count--;
		pthread_mutex_unlock(&store->state_lock);
		return;
	}
	result = files->stat(files->context, path, &st);
	if (result >= 0 && st.bytes > torn_bytes)
		result = files->truncate(files->context, active->fd, torn_bytes);
	if (result < 0) {
		struct atr_error err;

		(void)store_poison(store,
		                   atr_file_error(&err, result, path, (int64_t)torn_bytes,
		                                  "cutting a record off"),
		                   &err);
	}
	appender_close(store);
}

/* Enciphers and writes what reserve gave. After a failure the block is left for good. */
static enum atr_status write_each(struct atr_store *store, size_t bytes, struct atr_error *err)
{
	struct active *active = &store->active;
	const struct atr_file_table *files = store->files;
	char path[PATH_MAX];
	enum atr_status rc = ATR_OK;
	ssize_t n = (ssize_t)bytes;

	if (active->fd < 0) { /* the last block of an earlier process */
		rc = open_file(store, err);
		if (rc != ATR_OK)
			return rc;
	}
	if (active->enciphered && atr_keystream_xor(active->stream, active->file_bytes,
	                                            store->scratch, store->scratch, bytes) != 0)
		rc = atr_error_set(err, ATR_EINVAL, NULL, (int64_t)active->file_bytes,
		                   "past the end of the key stream");
	else
		n = files->pwrite(files->context, active->fd, store->scratch, bytes,
		                  active->file_bytes);
	if (rc == ATR_OK && n == (ssize_t)bytes)
		goto written;
	store_block_path(store, active->number, "blk", path, sizeof path);
	if (rc == ATR_OK && n < 0) {
		rc = atr_file_error(err, n, path, (int64_t)active->file_bytes, "write");
	} else if (rc == ATR_OK) {
		/* short: the rest says why */
		rc = atr_file_write_all(files, active->fd, path, store->scratch + n,
		                        bytes - (size_t)n, active->file_bytes + (uint64_t)n, err);
		if (rc == ATR_OK)
			goto written;
	}
	leave_block(store, path);
	return rc;
written:
	add(&store->writes, 1);
	add(&store->written_bytes, bytes);
	return store->sync == ATR_SYNC_ALWAYS ? sync_now(store, err) : ATR_OK;
}

/* ---- append ---- */

static enum atr_status check_message(const struct atr_store *store, const struct atr_message *m,
                                     size_t *bytes, struct atr_error *err)
{
	if (m->subject_bytes == 0 || m->subject == NULL)
		return atr_error_set(err, ATR_EINVAL, NULL, -1, "a message without a subject");
	*bytes = atr_record_bytes(m);
	if (*bytes == 0)
		return atr_error_set(err, ATR_ETOOLARGE, NULL, -1,
		                     m->subject_bytes > ATR_SUBJECT_BYTES_MAX
		                             ? "subject of %zu bytes, expected at most 65535"
		                             : "record above 32 MiB (subject of %zu bytes)",
		                     m->subject_bytes);
	if (m->sequence != 0 && m->sequence <= store->last_seq)
		return atr_error_set(err, ATR_EINVAL, NULL, -1,
		                     "sequence %" PRIu64 " is not above the last one, %" PRIu64,
		                     m->sequence, store->last_seq);
	if (m->sequence > ATR_SEQUENCE_MAX || store->last_seq >= ATR_SEQUENCE_MAX)
		return atr_error_set(err, ATR_EINVAL, NULL, -1, "sequence above %" PRIu64,
		                     ATR_SEQUENCE_MAX);
	return ATR_OK;
}

/* Chooses the block for a record of `bytes` with `gap` deleted sequences before it; *gap becomes
 * the number of placeholders to write. */
static enum atr_status choose_block(struct atr_store *store, uint64_t sequence, size_t bytes,
                                    uint64_t *gap, struct atr_error *err)
{
	const struct active *active = &store->active;
	uint64_t total = bytes + *gap * ATR_RECORD_BYTES_MIN;

	if (active->is_open && active->file_bytes > 0 && *gap <= PLACEHOLDERS_MAX &&
	    (active->file_bytes + total <= store->block_bytes ||
	     atr_record_spells_compressed(bytes)))
		return ATR_OK;
	if (active->is_open && active->file_bytes == 0 && *gap == 0 &&
	    !atr_record_spells_compressed(bytes))
		return ATR_OK;
	*gap = 0; /* between two blocks it needs no placeholders */
	if (atr_record_spells_compressed(bytes))
		return atr_error_set(
		        err, ATR_EINVAL, NULL, -1,
		        "a record of %zu bytes cannot be the first of a block: servers "
		        "take the block for a compressed one",
		        bytes);
	return appender_roll(store, sequence, err);
}

/* Placeholders and the record, which under async is only laid: the flusher's part finishes it. */
static size_t encode(struct atr_store *store, const struct atr_message *m, uint64_t gap,
                     uint8_t *out, struct atr_laid *laid)
{
	uint8_t *p = out;

	for (uint64_t i = 0; i < gap; i++) {
		const struct atr_message placeholder = {
		        .sequence = (store->last_seq + 1 + i) | ATR_SEQUENCE_ERASED,
		};

		p += atr_record_encode(&store->active.hash_key, &placeholder, p);
	}
	atr_record_lay(m, p, laid);
	if (store->flusher == NULL)
		atr_record_finish(&store->active.hash_key, p, laid);
	return (size_t)(p - out) + laid->bytes;
}

/* The sequences that this message makes deleted, inside its block, which has messages. Before it is
 * written, as memory may be out. */
static enum atr_status note_gap(struct atr_store *store, struct block_entry *entry,
                                uint64_t sequence, struct atr_error *err)
{
	uint64_t last = atomic_load_explicit(&entry->last_seq, memory_order_relaxed);
	enum atr_status rc = ATR_OK;

	pthread_mutex_lock(&store->state_lock);
	if (entry->deleted == NULL)
		entry->deleted = calloc(1, sizeof *entry->deleted);
	rc = entry->deleted != NULL ? atr_seqset_insert(entry->deleted, last + 1, sequence - 1)
	                            : ATR_ENOMEM;
	pthread_mutex_unlock(&store->state_lock);
	return rc == ATR_OK ? rc : atr_error_set(err, rc, NULL, -1, "no memory for sequences");
}

/* The message was not written after all. */
static void forget_gap(struct atr_store *store, struct block_entry *entry, uint64_t sequence)
{
	uint64_t last = atomic_load_explicit(&entry->last_seq, memory_order_relaxed);

	pthread_mutex_lock(&store->state_lock);
	(void)atr_seqset_remove(entry->deleted, last + 1, sequence - 1);
	if (entry->deleted->count == 0)
		store_free_deleted(entry);
	pthread_mutex_unlock(&store->state_lock);
}

/* The first live message of a block, which readers look at. */
static void begin_entry(struct atr_store *store, struct block_entry *entry,
                        const struct atr_message *m, uint64_t gap)
{
	pthread_mutex_lock(&store->state_lock);
	if (entry->head_seq == UINT64_MAX)
		entry->head_seq = m->sequence - gap;
	entry->first_seq = m->sequence;
	entry->first_time_ns = m->time_ns;
	entry->flags &= ~(BLOCK_TIME_STALE | BLOCK_EMPTIED);
	pthread_mutex_unlock(&store->state_lock);
}

/* What is written (each) or committed (async) becomes visible. */
static void acknowledge(struct atr_store *store, struct block_entry *entry,
                        const struct atr_message *m, size_t bytes, size_t record_bytes,
                        uint64_t gap)
{
	store->active.file_bytes += bytes;
	store->last_seq = m->sequence;
	store->named_last = entry->number;
	if (entry->messages == 0)
		begin_entry(store, entry, m, gap);
	entry->messages++;
	entry->live_bytes += record_bytes;
	entry->last_time_ns = m->time_ns;
	/* who sees the sequence sees its bytes too */
	atomic_store_explicit(&entry->file_bytes, store->active.file_bytes, memory_order_relaxed);
	atomic_store_explicit(&entry->last_seq, m->sequence, memory_order_release);
	if (atomic_load_explicit(&store->messages, memory_order_relaxed) == 0)
		atomic_store_explicit(&store->first_seq, m->sequence, memory_order_relaxed);
	bump(&store->messages, 1);
	bump(&store->bytes, record_bytes);
	atomic_store_explicit(&store->seen_last_seq, m->sequence, memory_order_release);
	if (store->sync != ATR_SYNC_ALWAYS &&
	    !atomic_load_explicit(&store->dirty, memory_order_relaxed))
		atomic_store(&store->dirty, 1);
}

/* Writes what was encoded (each) or hands it to the flusher, its subject counted. */
static enum atr_status put(struct atr_store *store, const struct atr_message *m, size_t bytes,
                           const struct atr_laid *laid, int *wake, struct atr_error *err)
{
	uint64_t number = store->active.number;
	enum atr_status rc;

	if (atr_subjects_add(store->subjects, m->subject, m->subject_bytes, m->sequence) != ATR_OK)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a subject");
	if (store->flusher != NULL) {
		*wake = flusher_commit(store->flusher, bytes, laid);
		return ATR_OK;
	}
	rc = write_each(store, bytes, err);
	if (store->scratch_bytes > SCRATCH_KEEP_BYTES) {
		free(store->scratch);
		store->scratch = NULL;
		store->scratch_bytes = 0;
	}
	if (rc != ATR_OK)
		atr_subjects_remove(store->subjects, m->subject, m->subject_bytes, m->sequence,
		                    number);
	return rc;
}

static enum atr_status append_locked(struct atr_store *store, struct atr_message *m, int *wake,
                                     struct atr_error *err)
{
	size_t record_bytes = 0, bytes;
	struct block_entry *entry;
	struct atr_laid laid;
	enum atr_status rc;
	int leaves_gap;
	uint64_t gap;
	uint8_t *out;

	rc = check_message(store, m, &record_bytes, err);
	if (rc == ATR_OK && !store->prepared)
		rc = store_prepare_append(store, err);
	if (rc != ATR_OK)
		return rc;
	if (m->sequence == 0)
		m->sequence = store->last_seq + 1;
	if (m->time_ns == 0)
		m->time_ns = store->files->realtime_ns(store->files->context);
	/* before the first message nothing is deleted: the stream begins there */
	gap = store->entry_count > 0 ? m->sequence - store->last_seq - 1 : 0;
	rc = choose_block(store, m->sequence, record_bytes, &gap, err);
	if (rc != ATR_OK)
		return rc;
	bytes = record_bytes + (size_t)gap * ATR_RECORD_BYTES_MIN;
	out = reserve(store, bytes);
	if (out == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for %zu bytes", bytes);
	entry = &store->entry[store->entry_count - 1];
	leaves_gap =
	        entry->messages > 0 &&
	        m->sequence != atomic_load_explicit(&entry->last_seq, memory_order_relaxed) + 1;
	if (leaves_gap)
		rc = note_gap(store, entry, m->sequence, err);
	if (rc != ATR_OK)
		return rc;
	bytes = encode(store, m, gap, out, &laid);
	rc = put(store, m, bytes, &laid, wake, err);
	if (rc == ATR_OK)
		acknowledge(store, entry, m, bytes, record_bytes, gap);
	else if (leaves_gap)
		forget_gap(store, entry, m->sequence);
	return rc;
}

/* ---- tombstones ---- */

static size_t encode_tombstones(struct atr_store *store, const struct appender_tombstone *t,
                                size_t count, uint8_t *out, struct atr_laid *laid)
{
	uint8_t *p = out;

	for (size_t i = 0; i < count; i++) {
		int is_2_9 = store->format == ATR_FORMAT_2_9;
		const struct atr_message m = {
		        .sequence = t[i].sequence |
		                    (is_2_9 ? ATR_SEQUENCE_ERASED : ATR_SEQUENCE_TOMBSTONE),
		        .time_ns = is_2_9 ? 0 : t[i].time_ns,
		};

		atr_record_lay(&m, p, laid);
		/* under async the flusher's part finishes the last one */
		if (store->flusher == NULL || i + 1 < count)
			atr_record_finish(&store->active.hash_key, p, laid);
		p += laid->bytes;
	}
	return (size_t)(p - out);
}

enum atr_status appender_tombstones_now(struct atr_store *store, const struct appender_tombstone *t,
                                        size_t count, struct atr_error *err)
{
	size_t bytes = count * ATR_RECORD_BYTES_MIN;
	struct block_entry *entry;
	struct atr_laid laid;
	enum atr_status rc;
	uint64_t gap = 0;
	uint8_t *out;

	assert(count <= TOMBSTONES_MAX);
	if (count == 0)
		return ATR_OK;
	rc = store_check_poison(store, err);
	if (rc == ATR_OK)
		rc = choose_block(store, store->last_seq + 1, bytes, &gap, err);
	if (rc != ATR_OK)
		return rc;
	out = reserve(store, bytes);
	if (out == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for %zu bytes", bytes);
	bytes = encode_tombstones(store, t, count, out, &laid);
	if (store->flusher == NULL) {
		rc = write_each(store, bytes, err);
		if (rc != ATR_OK)
			return rc;
	} else if (flusher_commit(store->flusher, bytes, &laid)) {
		flusher_wake(store->flusher);
	}
	entry = &store->entry[store->entry_count - 1];
	store->active.file_bytes += bytes;
	atomic_store_explicit(&entry->file_bytes, store->active.file_bytes, memory_order_relaxed);
	pthread_mutex_lock(&store->state_lock);
	entry->flags &= ~BLOCK_NO_TOMBSTONES;
	/* 2.9.10 takes the stream's first sequence from its first block: one that only keeps the
	 * last sequence goes when a later one does */
	if (store->format == ATR_FORMAT_2_9 && entry->messages == 0)
		entry->flags |= BLOCK_EMPTIED;
	pthread_mutex_unlock(&store->state_lock);
	for (size_t i = 0; i < count; i++)
		if (t[i].sequence == store->last_seq)
			store->named_last = entry->number;
	atomic_store(&store->dirty, 1);
	return ATR_OK;
}

enum atr_status appender_tombstones(struct atr_store *store, const struct appender_tombstone *t,
                                    size_t count, struct atr_error *err)
{
	if (store->flusher != NULL)
		flusher_wait_room(store->flusher);
	return appender_tombstones_now(store, t, count, err);
}

/* ---- append ---- */

enum atr_status atr_store_append(struct atr_store *store, const struct atr_message *m,
                                 uint64_t *sequence, struct atr_error *err)
{
	struct atr_message own = *m;
	enum atr_status rc;
	int wake = 0;

	if (store->is_limited)
		pthread_mutex_lock(&store->remove_lock);
	pthread_mutex_lock(&store->append_lock);
	rc = store->is_limited ? limits_admit(store, m, err) : ATR_OK;
	if (rc == ATR_OK && store->flusher != NULL)
		flusher_wait_room(store->flusher);
	if (rc == ATR_OK)
		rc = store_check_poison(store, err);
	if (rc == ATR_OK)
		rc = append_locked(store, &own, &wake, err);
	if (rc == ATR_OK && store->is_limited)
		limits_enforce(store, &own);
	pthread_mutex_unlock(&store->append_lock);
	if (store->is_limited)
		pthread_mutex_unlock(&store->remove_lock);
	if (wake)
		flusher_wake(store->flusher);
	if (sequence != NULL)
		*sequence = rc == ATR_OK ? own.sequence : 0;
	return rc;
}
