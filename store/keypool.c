#include "store/keypool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/secret.h"

#define AHEAD_MAX 64u /* a batch holds its files open */

struct made {
	uint64_t number;
	struct atr_seed seed;
	int fd; /* open until it is synced, else -1 */
	int synced;
};

struct atr_keypool {
	const struct atr_block_home *home;
	const struct atr_cipher *cipher;
	int sync;
	unsigned ahead;

	pthread_mutex_t lock;
	pthread_cond_t changed; /* keys were made, taken or synced; stop; error */
	pthread_t thread;
	int has_thread, stop;

	struct made *ring; /* secret memory; ahead entries, oldest at head */
	unsigned head, count;
	unsigned unsynced;           /* the newest of count: written, not yet synced */
	int making;                  /* the thread is writing key number next */
	uint64_t next;               /* number of the next key to make */
	int want_full;               /* atr_keypool_fill waits */
	enum atr_status failed;      /* the thread's last attempt; cleared by the next take */
	enum atr_status sync_failed; /* for good */
	struct atr_error error;
	struct atr_keypool_counters counters;
};

static struct made *slot(struct atr_keypool *pool, unsigned i)
{
	return &pool->ring[(pool->head + i) % pool->ahead];
}

static enum atr_status key_path(const struct atr_keypool *pool, uint64_t number,
                                char path[PATH_MAX], struct atr_error *err)
{
	if (snprintf(path, PATH_MAX, "%s/%" PRIu64 ".key", pool->home->msgs_path, number) >=
	    PATH_MAX)
		return atr_error_set(err, ATR_EINVAL, pool->home->msgs_path, -1, "path too long");
	return ATR_OK;
}

static void remove_key(const struct atr_keypool *pool, uint64_t number)
{
	char path[PATH_MAX];

	if (key_path(pool, number, path, NULL) == ATR_OK)
		(void)pool->home->files->unlink(pool->home->files->context, path);
}

/* Makes a seed and writes its file, which may stand there from an earlier run that did not come
 * to use it. out->fd stays open. Nothing is left behind on failure. */
static enum atr_status write_key(const struct atr_keypool *pool, uint64_t number, struct made *out,
                                 struct atr_error *err)
{
	const struct atr_file_table *files = pool->home->files;
	uint8_t sealed[ATR_KEYFILE_BYTES_MAX];
	char path[PATH_MAX], context[300];
	size_t sealed_bytes = 0;
	enum atr_status rc;

	out->number = number;
	out->fd = -1;
	out->synced = 0;
	rc = key_path(pool, number, path, err);
	if (rc != ATR_OK)
		return rc;
	(void)snprintf(context, sizeof context, "%s:%" PRIu64, pool->home->stream, number);
	rc = atr_keyfile_make(files, pool->cipher, &out->seed);
	if (rc == ATR_OK)
		rc = atr_keyfile_seal(&out->seed, pool->home->ring->key,
		                      pool->home->ring->key_bytes, pool->home->account, context,
		                      sealed, &sealed_bytes);
	if (rc != ATR_OK) {
		(void)atr_error_set(err, rc, path, -1, "making a block key: %s",
		                    atr_status_text(rc));
		goto failed;
	}
	out->fd = files->open(files->context, path, O_WRONLY | O_CREAT | O_TRUNC, 0640);
	if (out->fd < 0) {
		rc = atr_file_error(err, out->fd, path, -1, "create");
		goto failed;
	}
	rc = atr_file_write_all(files, out->fd, path, sealed, sealed_bytes, 0, err);
	if (rc == ATR_OK)
		return rc;
	(void)files->close(files->context, out->fd);
	(void)files->unlink(files->context, path);
failed:
	out->fd = -1;
	atr_secret_wipe(&out->seed, sizeof out->seed);
	return rc;
}

static enum atr_status close_key(const struct atr_keypool *pool, int *fd, int sync,
                                 struct atr_error *err)
{
	const struct atr_file_table *files = pool->home->files;
	int result = 0, closed;

	if (*fd < 0)
		return ATR_OK;
	if (sync)
		result = files->sync(files->context, *fd);
	closed = files->close(files->context, *fd);
	*fd = -1;
	if (result < 0)
		return atr_file_error(err, result, pool->home->msgs_path, -1,
		                      "fsync of a key file");
	if (closed < 0)
		return atr_file_error(err, closed, pool->home->msgs_path, -1,
		                      "close of a key file");
	return ATR_OK;
}

/* ---- the thread ---- */

static void fail(struct atr_keypool *pool, enum atr_status rc, const struct atr_error *err)
{
	pool->failed = rc;
	pool->error = *err;
	pthread_cond_broadcast(&pool->changed);
}

/* One more key into the ring. Called and returns with the lock held. */
static enum atr_status make_one(struct atr_keypool *pool)
{
	struct made made = {0};
	struct atr_error err;
	uint64_t number = pool->next;
	enum atr_status rc;

	pool->making = 1;
	pthread_mutex_unlock(&pool->lock);
	rc = write_key(pool, number, &made, &err);
	pthread_mutex_lock(&pool->lock);
	pool->making = 0;
	if (rc != ATR_OK) {
		fail(pool, rc, &err);
		return rc;
	}
	pool->next++;
	pool->counters.made++;
	pool->counters.written_bytes += atr_cipher_nonce_bytes(pool->cipher) + ATR_SEED_BYTES +
	                                atr_cipher_tag_bytes(pool->cipher);
	*slot(pool, pool->count) = made;
	pool->count++;
	pool->unsynced++;
	atr_secret_wipe(&made, sizeof made);
	pthread_cond_broadcast(&pool->changed);
	return rc;
}

/* Syncs what is in the ring unsynced, then the directory. What is taken meanwhile was taken as
 * unsynced; nothing is added meanwhile, since only this thread adds. Lock held before, after. */
static enum atr_status sync_batch(struct atr_keypool *pool)
{
	int fd[AHEAD_MAX];
	unsigned batch = pool->unsynced;
	enum atr_status rc = ATR_OK, one;
	struct atr_error err;

	for (unsigned i = 0; i < batch; i++) {
		struct made *made = slot(pool, pool->count - batch + i);

		fd[i] = made->fd;
		made->fd = -1;
	}
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < batch; i++) {
		one = close_key(pool, &fd[i], pool->sync && rc == ATR_OK, &err);
		if (rc == ATR_OK)
			rc = one;
	}
	if (rc == ATR_OK && pool->sync)
		rc = atr_file_sync_directory(pool->home->files, pool->home->msgs_path, &err);
	pthread_mutex_lock(&pool->lock);
	if (rc != ATR_OK) {
		/* never used: what could not be made durable once is not trusted later */
		while (pool->unsynced > 0) {
			struct made *made = slot(pool, --pool->count);

			remove_key(pool, made->number);
			atr_secret_wipe(made, sizeof *made);
			pool->unsynced--;
		}
		pool->sync_failed = rc;
		fail(pool, rc, &err);
		return rc;
	}
	if (pool->sync)
		pool->counters.syncs += batch + 1;
	for (; pool->unsynced > 0; pool->unsynced--)
		slot(pool, pool->count - pool->unsynced)->synced = pool->sync;
	pthread_cond_broadcast(&pool->changed);
	return rc;
}

static void *run(void *arg)
{
	struct atr_keypool *pool = arg;

	pthread_mutex_lock(&pool->lock);
	while (!pool->stop) {
		enum atr_status rc = ATR_OK;

		/* in batches: from half full to full */
		if (pool->failed != ATR_OK || pool->sync_failed != ATR_OK ||
		    pool->count > (pool->want_full ? pool->ahead - 1 : pool->ahead / 2)) {
			pthread_cond_wait(&pool->changed, &pool->lock);
			continue;
		}
		while (rc == ATR_OK && !pool->stop && pool->count < pool->ahead)
			rc = make_one(pool);
		if (pool->unsynced > 0)
			(void)sync_batch(pool);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* ---- for the stream ---- */

enum atr_status atr_keypool_sync_error(struct atr_keypool *pool, struct atr_error *err)
{
	enum atr_status rc;

	pthread_mutex_lock(&pool->lock);
	rc = pool->sync_failed;
	if (rc != ATR_OK && err != NULL)
		*err = pool->error;
	pthread_mutex_unlock(&pool->lock);
	return rc;
}

enum atr_status atr_keypool_open(const struct atr_keypool_options *options,
                                 struct atr_keypool **out, struct atr_error *err)
{
	struct atr_keypool *pool = calloc(1, sizeof *pool);

	*out = NULL;
	assert(atr_cipher_encrypts(options->cipher));
	if (pool == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for block keys");
	pool->home = options->home;
	pool->cipher = options->cipher;
	pool->sync = options->sync;
	pool->ahead = options->ahead < AHEAD_MAX ? options->ahead : AHEAD_MAX;
	pool->next = options->first_number;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->changed, NULL);
	if (pool->ahead > 0) {
		pool->ring = atr_secret_alloc(pool->ahead * sizeof *pool->ring);
		if (pool->ring == NULL) {
			atr_keypool_close(pool);
			return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for block keys");
		}
	}
	*out = pool;
	return ATR_OK;
}

/* The first key is wanted: before that nothing is made, so that a stream that is only read stays
 * as it is. Without a thread every key is made when it is taken. Lock held. */
static void start_thread(struct atr_keypool *pool)
{
	if (!pool->has_thread && pool->ahead > 0)
		pool->has_thread = pthread_create(&pool->thread, NULL, run, pool) == 0;
}

/* Makes the next key on the calling thread. Lock held. */
static enum atr_status make_now(struct atr_keypool *pool, int must_sync, uint64_t *number,
                                struct atr_seed *seed, int *synced, struct atr_error *err)
{
	struct made made = {0};
	enum atr_status rc;

	*number = pool->next++;
	rc = write_key(pool, *number, &made, err);
	if (rc == ATR_OK)
		rc = close_key(pool, &made.fd, must_sync, err);
	if (rc == ATR_OK && must_sync)
		rc = atr_file_sync_directory(pool->home->files, pool->home->msgs_path, err);
	if (rc == ATR_OK) {
		*seed = made.seed;
		*synced = must_sync;
		pool->counters.made++;
		pool->counters.syncs += must_sync ? 2 : 0;
		pool->counters.written_bytes += atr_cipher_nonce_bytes(pool->cipher) +
		                                ATR_SEED_BYTES + atr_cipher_tag_bytes(pool->cipher);
	} else {
		remove_key(pool, *number);
	}
	atr_secret_wipe(&made, sizeof made);
	return rc;
}

enum atr_status atr_keypool_take(struct atr_keypool *pool, int must_sync, uint64_t *number,
                                 struct atr_seed *seed, int *synced, struct atr_error *err)
{
	const struct atr_file_table *files = pool->home->files;
	enum atr_status rc = ATR_OK;
	uint64_t start = 0;

	must_sync = must_sync && pool->sync;
	*synced = 0;
	memset(seed, 0, sizeof *seed);
	pthread_mutex_lock(&pool->lock);
	if (pool->count == 0 || (must_sync && !slot(pool, 0)->synced))
		start = files->monotonic_ns(files->context);
	/* what the thread is about to deliver is waited for: a file's writing, or with must_sync
	 * the batch's sync. It never rests with keys unsynced: they become synced or are removed.
	 */
	while (pool->count == 0 ? pool->making : must_sync && !slot(pool, 0)->synced)
		pthread_cond_wait(&pool->changed, &pool->lock);
	if (pool->sync_failed != ATR_OK) {
		rc = pool->sync_failed;
		if (err != NULL)
			*err = pool->error;
	} else if (pool->count > 0) {
		struct made *made = slot(pool, 0);

		*number = made->number;
		*seed = made->seed;
		*synced = made->synced;
		if (!made->synced && pool->unsynced == pool->count) {
			/* its descriptor, unless the thread has it for its sync */
			rc = close_key(pool, &made->fd, 0, err);
			pool->unsynced--;
		}
		atr_secret_wipe(made, sizeof *made);
		pool->head = (pool->head + 1) % pool->ahead;
		pool->count--;
	} else {
		rc = make_now(pool, must_sync, number, seed, synced, err);
	}
	pool->failed = ATR_OK; /* the thread tries again */
	start_thread(pool);
	if (start != 0)
		pool->counters.wait_ns += files->monotonic_ns(files->context) - start;
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
	return rc;
}

enum atr_status atr_keypool_fill(struct atr_keypool *pool, struct atr_error *err)
{
	enum atr_status rc;

	pthread_mutex_lock(&pool->lock);
	pool->failed = pool->sync_failed;
	pool->want_full = 1;
	start_thread(pool);
	pthread_cond_broadcast(&pool->changed);
	while (pool->failed == ATR_OK && pool->has_thread &&
	       (pool->count < pool->ahead || pool->unsynced > 0))
		pthread_cond_wait(&pool->changed, &pool->lock);
	pool->want_full = 0;
	rc = pool->failed;
	if (rc != ATR_OK && err != NULL)
		*err = pool->error;
	pthread_mutex_unlock(&pool->lock);
	return rc;
}

void atr_keypool_counters(struct atr_keypool *pool, struct atr_keypool_counters *out)
{
	pthread_mutex_lock(&pool->lock);
	*out = pool->counters;
	pthread_mutex_unlock(&pool->lock);
}

void atr_keypool_close(struct atr_keypool *pool)
{
	if (pool == NULL)
		return;
	if (pool->has_thread) {
		pthread_mutex_lock(&pool->lock);
		pool->stop = 1;
		pthread_cond_broadcast(&pool->changed);
		pthread_mutex_unlock(&pool->lock);
		(void)pthread_join(pool->thread, NULL);
	}
	for (unsigned i = 0; i < pool->count; i++) {
		(void)close_key(pool, &slot(pool, i)->fd, 0, NULL);
		remove_key(pool, slot(pool, i)->number);
	}
	atr_secret_free(pool->ring);
	pthread_cond_destroy(&pool->changed);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}
