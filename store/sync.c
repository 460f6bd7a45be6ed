/* sync.c - flush and fsync, asked for or by the timer of the sync interval. A failure poisons the
 * store. The sync of every record (ATR_SYNC_ALWAYS) is appender.c's. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <time.h>

#include "store/store_consumer.h"
#include "store/state.h"

static enum atr_status sync_file(struct atr_store *store, uint64_t number, const char *suffix,
                                 struct atr_error *err)
{
	const struct atr_file_table *files = store->files;
	char path[PATH_MAX];
	int fd, result;

	store_block_path(store, number, suffix, path, sizeof path);
	fd = files->open(files->context, path, O_RDONLY, 0);
	if (fd < 0)
		return atr_file_error(err, fd, path, -1, "open");
	result = files->sync(files->context, fd);
	(void)files->close(files->context, fd);
	atomic_fetch_add_explicit(&store->syncs, 1, memory_order_relaxed);
	return result < 0 ? atr_file_error(err, result, path, -1, "fsync") : ATR_OK;
}

/* Blocks from *end on are to come; the dead ones are no longer part of the stream. */
static void look_at_blocks(struct atr_store *store, uint64_t *end, size_t *dead)
{
	pthread_mutex_lock(&store->state_lock);
	*end = store->entry_count > 0 ? store->entry[store->entry_count - 1].number + 1 : 0;
	*dead = store->dead_count;
	pthread_mutex_unlock(&store->state_lock);
}

/* The first block from *number on that has a file; 0: none below end. */
static int next_block(struct atr_store *store, uint64_t *number, uint64_t end, unsigned *flags)
{
	size_t at;
	int found;

	pthread_mutex_lock(&store->state_lock);
	at = store_lower_block(store, *number);
	/* an empty one is perhaps without a file yet */
	while (at < store->entry_count && atomic_load(&store->entry[at].file_bytes) == 0)
		at++;
	found = at < store->entry_count && store->entry[at].number < end;
	if (found) {
		*number = store->entry[at].number;
		*flags = store->entry[at].flags;
	}
	pthread_mutex_unlock(&store->state_lock);
	return found;
}

static enum atr_status sync_block(struct atr_store *store, uint64_t number, unsigned flags,
                                  struct atr_error *err)
{
	enum atr_status rc = ATR_OK;
	size_t at;

	if ((flags & BLOCK_KEY_UNSYNCED) != 0)
		rc = sync_file(store, number, "key", err);
	if (rc == ATR_OK)
		rc = sync_file(store, number, "blk", err);
	pthread_mutex_lock(&store->state_lock);
	at = store_find_block(store, number);
	if (at == store->entry_count)
		rc = ATR_OK; /* removed meanwhile, and its files with it */
	else if (rc == ATR_OK)
		store->entry[at].flags &= ~BLOCK_KEY_UNSYNCED;
	pthread_mutex_unlock(&store->state_lock);
	return rc;
}

static enum atr_status sync_directory(struct atr_store *store, struct atr_error *err)
{
	atomic_fetch_add_explicit(&store->syncs, 1, memory_order_relaxed);
	return atr_file_sync_directory(store->files, store->msgs_path, err);
}

static void unlink_file(struct atr_store *store, uint64_t number, const char *suffix)
{
	char path[PATH_MAX];

	store_block_path(store, number, suffix, path, sizeof path);
	(void)store->files->unlink(store->files->context, path);
}

/* What replaces the first `count` dead blocks is durable. The key goes when its block is known to
 * be gone: no crash leaves an encrypted block without key. */
static enum atr_status remove_dead(struct atr_store *store, size_t count, struct atr_error *err)
{
	enum atr_status rc = ATR_OK;
	int had_blk = 0;

	for (size_t i = 0; i < count; i++) {
		struct dead_block dead;

		pthread_mutex_lock(&store->state_lock);
		dead = store->dead[i];
		pthread_mutex_unlock(&store->state_lock);
		if (dead.has_blk)
			unlink_file(store, dead.number, "blk");
		had_blk |= dead.has_blk;
	}
	if (had_blk)
		rc = sync_directory(store, err);
	if (rc != ATR_OK)
		return rc;
	for (size_t i = 0; i < count; i++) {
		uint64_t number;

		pthread_mutex_lock(&store->state_lock);
		number = store->dead[i].number;
		pthread_mutex_unlock(&store->state_lock);
		unlink_file(store, number, "key");
	}
	pthread_mutex_lock(&store->state_lock);
	store->dead_count -= count;
	for (size_t i = 0; i < store->dead_count; i++)
		store->dead[i] = store->dead[count + i];
	pthread_mutex_unlock(&store->state_lock);
	return rc;
}

enum atr_status sync_blocks(struct atr_store *store, uint64_t end, size_t dead,
                            struct atr_error *err)
{
	uint64_t number = store->first_unsynced;
	enum atr_status rc = ATR_OK;
	unsigned flags = 0;

	if (store->pool != NULL)
		rc = atr_keypool_sync_error(store->pool, err);
	for (; rc == ATR_OK && next_block(store, &number, end, &flags); number++)
		rc = sync_block(store, number, flags, err);
	if (rc == ATR_OK)
		rc = sync_directory(store, err);
	if (rc == ATR_OK && dead > 0)
		rc = remove_dead(store, dead, err);
	if (rc != ATR_OK)
		return store_poison(store, rc, err);
	store->first_unsynced = end > 0 ? end - 1 : 0; /* the last one may still grow */
	return rc;
}

enum atr_status sync_one_block(struct atr_store *store, uint64_t number, struct atr_error *err)
{
	enum atr_status rc = ATR_OK;
	size_t at;
	unsigned flags;

	if (store->pool != NULL)
		rc = atr_keypool_sync_error(store->pool, err);
	at = store_find_block(store, number);
	flags = at < store->entry_count ? store->entry[at].flags : 0;
	if (rc == ATR_OK)
		rc = sync_block(store, number, flags, err);
	if (rc == ATR_OK)
		rc = sync_directory(store, err);
	return rc == ATR_OK ? rc : store_poison(store, rc, err);
}

static void flush_quietly(struct atr_store *store)
{
	if (store->flusher == NULL)
		return;
	pthread_mutex_lock(&store->append_lock);
	flusher_drain(store->flusher);
	pthread_mutex_unlock(&store->append_lock);
}

/* Failures poison the store. */
static void sync_quietly(struct atr_store *store)
{
	struct atr_error err;
	uint64_t end;
	size_t dead;
	int dirty;

	pthread_mutex_lock(&store->sync_lock);
	/* what is appended from here on is the next sync's */
	dirty = atomic_exchange(&store->dirty, 0);
	/* before the flush: a block begun after it may have no file yet */
	look_at_blocks(store, &end, &dead);
	flush_quietly(store);
	if (dirty && atomic_load(&store->poison) == ATR_OK)
		(void)sync_blocks(store, end, dead, &err);
	pthread_mutex_unlock(&store->sync_lock);
}

enum atr_status atr_store_flush(struct atr_store *store, struct atr_error *err)
{
	flush_quietly(store);
	return store_check_poison(store, err);
}

enum atr_status atr_store_sync(struct atr_store *store, struct atr_error *err)
{
	enum atr_status rc, settled, consumers;

	remove_sweep(store);
	settled = compact_settle(store, err);
	sync_quietly(store);
	rc = store_check_poison(store, settled == ATR_OK ? err : NULL);
	if (settled != ATR_OK)
		rc = settled;
	consumers = store_consumers_write(store, rc == ATR_OK ? err : NULL);
	return rc == ATR_OK ? consumers : rc;
}

/* ---- the sync interval ---- */

/* Without it an open reads the blocks: a failure is not told. */
static void write_state_quietly(struct atr_store *store)
{
	struct atr_error err;

	pthread_mutex_lock(&store->append_lock);
	if (atomic_load(&store->poison) == ATR_OK && !atomic_load(&store->dirty))
		(void)state_write(store, &err);
	pthread_mutex_unlock(&store->append_lock);
}

static void *run_timer(void *arg)
{
	struct atr_store *store = arg;
	struct timespec next;
	int idle; /* nothing was appended for a whole interval */

	(void)clock_gettime(CLOCK_MONOTONIC, &next);
	pthread_mutex_lock(&store->state_lock);
	while (!store->timer_stop) {
		uint64_t ns = (uint64_t)next.tv_nsec + store->sync_interval_ns % 1000000000;

		next.tv_sec += (time_t)(store->sync_interval_ns / 1000000000 + ns / 1000000000);
		next.tv_nsec = (long)(ns % 1000000000);
		while (!store->timer_stop &&
		       pthread_cond_timedwait(&store->timer_stop_cond, &store->state_lock, &next) !=
		               ETIMEDOUT)
			;
		if (store->timer_stop)
			break;
		pthread_mutex_unlock(&store->state_lock);
		/* a failure poisons the store and is told by the next call */
		if (atomic_load(&store->poison) == ATR_OK) {
			(void)atr_store_expire(store, NULL, NULL);
			remove_sweep(store);
			(void)compact_settle(store, NULL);
			idle = !atomic_load(&store->dirty);
			sync_quietly(store);
			if (idle)
				write_state_quietly(store);
		}
		(void)store_consumers_write(store, NULL); /* again at the next sync */
		pthread_mutex_lock(&store->state_lock);
		struct timespec now;
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > next.tv_sec ||
		    (now.tv_sec == next.tv_sec && now.tv_nsec > next.tv_nsec))
			next = now;
	}
	pthread_mutex_unlock(&store->state_lock);
	return NULL;
}

enum atr_status sync_start_timer(struct atr_store *store, struct atr_error *err)
{
	pthread_condattr_t attributes;

	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&store->timer_stop_cond, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	if (pthread_create(&store->timer, NULL, run_timer, store) != 0) {
		pthread_cond_destroy(&store->timer_stop_cond);
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no thread for the sync interval");
	}
	store->has_timer = 1;
	return ATR_OK;
}

void sync_stop_timer(struct atr_store *store)
{
	if (!store->has_timer)
		return;
	pthread_mutex_lock(&store->state_lock);
	store->timer_stop = 1;
	pthread_cond_broadcast(&store->timer_stop_cond);
	pthread_mutex_unlock(&store->state_lock);
	(void)pthread_join(store->timer, NULL);
	pthread_cond_destroy(&store->timer_stop_cond);
	store->has_timer = 0;
}
