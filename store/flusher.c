/* flusher.c - ATR_FLUSH_ASYNC: enciphers and writes on a thread of its own.
 *
 * append lays records into chunks of memory; the flusher enciphers a chunk's bytes into `out`
 * and writes `out` whenever it reaches a file offset that is a multiple of PIECE_BYTES. So
 * writes are large and aligned (an unaligned one costs half as much again), and no byte is
 * written twice. What does not fill a piece waits DELAY_NS at most.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ciphers/secret.h"
#include "store/store_inner.h"

#define PIECE_BYTES   ((size_t)128 * 1024)
#define CHUNK_BYTES   ((size_t)256 * 1024)
#define PENDING_BYTES ((uint64_t)4 * 1024 * 1024) /* append waits above this */
#define CHUNKS        (PENDING_BYTES / CHUNK_BYTES + 4)
#define DELAY_NS      5000000

/* Bytes of one block that follow each other. */
struct chunk {
	uint8_t *bytes;
	size_t capacity;
	size_t used;     /* by append, under append_lock */
	size_t consumed; /* by the flusher */
	uint64_t number; /* of the block */
	uint64_t offset; /* of bytes[0] in its file */
	int enciphered, exists;
	int closed; /* append goes on elsewhere */
	int ends;   /* and its block with it */
	struct chunk *next;
};

struct flusher {
	struct atr_store *store;
	pthread_t thread;
	pthread_cond_t work, progress;

	/* under append_lock */
	struct chunk chunk[CHUNKS];
	struct atr_seed *seed;      /* secret memory, one per chunk */
	struct chunk *first, *last; /* queue; last is the one append fills unless it is closed */
	struct chunk *unused;       /* a stack: the one used last is still in the cache */
	uint64_t appended, written; /* bytes, since the start */
	uint64_t wanted;            /* somebody waits until written reaches this */
	uint64_t wake_at;           /* commit wakes the thread when appended reaches this */
	unsigned waiting;           /* for progress */
	int stop;

	/* the thread's own */
	int fd;
	char path[PATH_MAX];
	struct atr_keystream *stream; /* kept over blocks */
	int enciphered;
	uint8_t *out;
	size_t out_used;
	uint64_t out_offset; /* in the file, of out[0] */
	uint64_t out_written;
};

/* ---- appending; append_lock is held ---- */

static int full(const struct flusher *f)
{
	return f->appended - f->written > PENDING_BYTES || f->unused == NULL;
}

static void wait_progress(struct flusher *f)
{
	f->waiting++;
	pthread_cond_wait(&f->progress, &f->store->append_lock);
	f->waiting--;
}

void flusher_wait_room(struct flusher *f)
{
	while (full(f) && atomic_load(&f->store->poison) == ATR_OK)
		wait_progress(f);
}

static void close_chunk(struct flusher *f, int ends)
{
	if (f->last != NULL) {
		f->last->closed = 1;
		f->last->ends |= ends;
	}
}

void flusher_end_block(struct flusher *f)
{
	close_chunk(f, 1);
	f->wake_at = 0;
}

uint8_t *flusher_reserve(struct flusher *f, size_t bytes)
{
	const struct active *active = &f->store->active;
	struct chunk *c = f->last;

	if (c != NULL && !c->closed && c->capacity - c->used >= bytes)
		return c->bytes + c->used;
	assert(f->unused != NULL);
	c = f->unused;
	if (c->capacity < bytes || c->bytes == NULL) {
		size_t capacity = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
		uint8_t *larger = realloc(c->bytes, capacity);

		if (larger == NULL)
			return NULL;
		c->bytes = larger;
		c->capacity = capacity;
	}
	close_chunk(f, 0);
	f->unused = c->next;
	c->next = NULL;
	c->used = c->consumed = 0;
	c->number = active->number;
	c->offset = active->file_bytes;
	c->enciphered = active->enciphered;
	c->exists = active->exists;
	c->closed = c->ends = 0;
	if (active->enciphered)
		f->seed[c - f->chunk] = *active->seed;
	if (f->last != NULL)
		f->last->next = c;
	else
		f->first = c;
	f->last = c;
	return c->bytes;
}

int flusher_commit(struct flusher *f, size_t bytes)
{
	f->last->used += bytes;
	f->appended += bytes;
	if (f->appended < f->wake_at)
		return 0;
	f->wake_at = UINT64_MAX;
	return 1;
}

void flusher_wake(struct flusher *f)
{
	pthread_cond_signal(&f->work);
}

int flusher_drain(struct flusher *f)
{
	uint64_t target = f->appended;

	if (f->wanted < target)
		f->wanted = target;
	pthread_cond_signal(&f->work);
	while (f->written < target && atomic_load(&f->store->poison) == ATR_OK)
		wait_progress(f);
	return f->written >= target;
}

int flusher_has_written(const struct flusher *f, uint64_t number)
{
	return f->written == f->appended || (f->first != NULL && f->first->number > number);
}

/* ---- the thread: no lock held ---- */

static enum atr_status write_out(struct flusher *f, const uint8_t *from, size_t bytes,
                                 struct atr_error *err)
{
	struct atr_store *store = f->store;
	enum atr_status rc;

	if (bytes == 0)
		return ATR_OK;
	rc = atr_file_write_all(store->files, f->fd, f->path, from, bytes, f->out_offset, err);
	if (rc != ATR_OK)
		return rc;
	atomic_fetch_add_explicit(&store->writes, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&store->written_bytes, bytes, memory_order_relaxed);
	f->out_offset += bytes;
	f->out_written += bytes;
	return rc;
}

static enum atr_status write_rest(struct flusher *f, struct atr_error *err)
{
	enum atr_status rc = write_out(f, f->out, f->out_used, err);

	f->out_used = 0;
	return rc;
}

static enum atr_status close_file(struct flusher *f, struct atr_error *err)
{
	int result = f->fd >= 0 ? f->store->files->close(f->store->files->context, f->fd) : 0;

	f->fd = -1;
	return result < 0 ? atr_file_error(err, result, f->path, -1, "close") : ATR_OK;
}

static enum atr_status open_file(struct flusher *f, const struct chunk *c,
                                 const struct atr_seed *seed, struct atr_error *err)
{
	struct atr_store *store = f->store;
	int flags = O_WRONLY | (c->exists ? 0 : O_CREAT | O_EXCL);

	store_block_path(store, c->number, "blk", f->path, sizeof f->path);
	f->fd = store->files->open(store->files->context, f->path, flags, 0640);
	if (f->fd < 0)
		return atr_file_error(err, f->fd, f->path, -1, c->exists ? "open" : "create");
	f->out_offset = c->offset;
	f->out_used = 0;
	f->enciphered = c->enciphered;
	if (!c->enciphered)
		return ATR_OK;
	if (f->stream == NULL)
		f->stream = atr_keystream_new(seed->cipher, seed->seed, seed->nonce, 0);
	else if (atr_keystream_rekey(f->stream, seed->seed, seed->nonce) != 0)
		return atr_error_set(err, ATR_ENOMEM, f->path, -1, "re-keying failed");
	if (f->stream == NULL)
		return atr_error_set(err, ATR_ENOMEM, f->path, -1,
		                     "no memory for a cipher context");
	return ATR_OK;
}

/* Enciphers what the chunk has to be consumed and writes whole pieces; with rest, or at the end
 * of a block, what is left over too. c is a copy: append goes on behind c->used. */
static enum atr_status consume(struct flusher *f, const struct chunk *c,
                               const struct atr_seed *seed, int rest, struct atr_error *err)
{
	const uint8_t *from = c->bytes + c->consumed;
	size_t left = c->used - c->consumed;
	enum atr_status rc = ATR_OK;

	if (f->fd < 0)
		rc = open_file(f, c, seed, err);
	while (left > 0 && rc == ATR_OK) {
		uint64_t offset = f->out_offset + f->out_used;
		size_t room = PIECE_BYTES - (size_t)(offset % PIECE_BYTES);
		size_t n = left < room ? left : room;

		if (!f->enciphered && f->out_used == 0 && n == room) {
			rc = write_out(f, from, n, err); /* as it is, no copy needed */
		} else {
			if (!f->enciphered)
				memcpy(f->out + f->out_used, from, n);
			else if (atr_keystream_xor(f->stream, offset, from, f->out + f->out_used,
			                           n) != 0)
				return atr_error_set(err, ATR_EINVAL, f->path, (int64_t)offset,
				                     "past the end of the key stream");
			f->out_used += n;
			if (n == room)
				rc = write_rest(f, err);
		}
		from += n;
		left -= n;
	}
	if (rc == ATR_OK && (rest || c->ends))
		rc = write_rest(f, err);
	if (rc == ATR_OK && c->ends)
		rc = close_file(f, err);
	return rc;
}

/* ---- the thread: lock held ---- */

static void wait_delay(struct flusher *f)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += DELAY_NS;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	(void)pthread_cond_timedwait(&f->work, &f->store->append_lock, &t);
}

/* Waits for a piece's worth of bytes, a closed chunk, somebody who waits, or DELAY_NS. Returns
 * 1 when everything is to be written, not only whole pieces. */
static int wait_work(struct flusher *f)
{
	int delayed = 0;

	for (;;) {
		if (f->wanted > f->written || f->stop)
			return 1;
		/* also when all is written: an ended block wants its file closed */
		if (f->first != NULL &&
		    (f->first->closed || f->appended - f->written >= PIECE_BYTES))
			return 0;
		if (f->appended == f->written) {
			f->wake_at = 0;
			pthread_cond_wait(&f->work, &f->store->append_lock);
			delayed = 0;
		} else {
			if (delayed)
				return 1;
			f->wake_at = f->written + PIECE_BYTES;
			wait_delay(f);
			delayed = 1;
		}
		f->wake_at = UINT64_MAX;
	}
}

static void recycle(struct flusher *f, struct chunk *c)
{
	f->first = c->next;
	if (f->first == NULL)
		f->last = NULL;
	if (c->capacity > CHUNK_BYTES) { /* one long record */
		free(c->bytes);
		c->bytes = NULL;
		c->capacity = 0;
	}
	c->next = f->unused;
	f->unused = c;
}

/* The first chunk's bytes, as far as they are there. */
static enum atr_status step(struct flusher *f, int rest, struct atr_error *err)
{
	struct chunk *c = f->first;
	struct chunk seen = *c;
	enum atr_status rc;

	rest = rest && c->next == NULL;
	pthread_mutex_unlock(&f->store->append_lock);
	rc = consume(f, &seen, &f->seed[c - f->chunk], rest, err);
	pthread_mutex_lock(&f->store->append_lock);
	c->consumed = seen.used;
	f->written = f->out_written;
	if (seen.closed)
		recycle(f, c);
	if (f->waiting > 0)
		pthread_cond_broadcast(&f->progress);
	return rc;
}

static int has_work(const struct flusher *f, int rest)
{
	const struct chunk *c = f->first;

	return c != NULL && (c->closed || c->used > c->consumed || (rest && f->out_used > 0));
}

static void *run(void *arg)
{
	struct flusher *f = arg;
	struct atr_error err;
	enum atr_status rc = ATR_OK;

	pthread_mutex_lock(&f->store->append_lock);
	while (rc == ATR_OK && !(f->stop && !has_work(f, 1))) {
		int rest = wait_work(f);

		if (has_work(f, rest))
			rc = step(f, rest, &err);
	}
	if (rc != ATR_OK) {
		(void)store_poison(f->store, rc, &err);
		pthread_cond_broadcast(&f->progress);
	}
	pthread_mutex_unlock(&f->store->append_lock);
	return NULL;
}

/* ---- start and stop ---- */

static void release(struct flusher *f)
{
	for (size_t i = 0; i < CHUNKS; i++)
		free(f->chunk[i].bytes);
	atr_keystream_free(f->stream);
	atr_secret_free(f->seed);
	free(f->out);
	pthread_cond_destroy(&f->work);
	pthread_cond_destroy(&f->progress);
	free(f);
}

enum atr_status flusher_open(struct atr_store *store, struct atr_error *err)
{
	struct flusher *f = calloc(1, sizeof *f);
	pthread_condattr_t attributes;

	if (f == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for the flusher");
	f->store = store;
	f->fd = -1;
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&f->work, &attributes);
	(void)pthread_cond_init(&f->progress, NULL);
	(void)pthread_condattr_destroy(&attributes);
	for (size_t i = CHUNKS; i-- > 0;) {
		f->chunk[i].next = f->unused;
		f->unused = &f->chunk[i];
	}
	f->seed = atr_secret_alloc(CHUNKS * sizeof *f->seed);
	f->out = malloc(PIECE_BYTES);
	if (f->seed == NULL || f->out == NULL || pthread_create(&f->thread, NULL, run, f) != 0) {
		release(f);
		return atr_error_set(err, ATR_ENOMEM, NULL, -1,
		                     "no memory for the flusher or its thread");
	}
	store->flusher = f;
	return ATR_OK;
}

void flusher_close(struct flusher *f)
{
	if (f == NULL)
		return;
	pthread_mutex_lock(&f->store->append_lock);
	f->stop = 1;
	pthread_cond_signal(&f->work);
	pthread_mutex_unlock(&f->store->append_lock);
	(void)pthread_join(f->thread, NULL);
	(void)close_file(f, NULL);
	release(f);
}
