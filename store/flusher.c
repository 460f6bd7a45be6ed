/* flusher.c - ATR_FLUSH_ASYNC: enciphers and writes on a thread of its own.
 *
 * append lays records into chunks of memory; the flusher enciphers a chunk's bytes into `out`
 * and writes `out` whenever it reaches a file offset that is a multiple of PIECE_BYTES. So
 * writes are large and aligned (an unaligned one costs half as much again), and no byte is
 * written twice. Once it has nothing to do the flusher sleeps until WAKE_BYTES are there, since
 * waking a thread can cost more than writing a piece, or for DELAY_NS at most.
 *
 * While both are busy they share no lock: append publishes how far a chunk is filled, the flusher
 * how much is written. A lock that both take for every piece makes them sleep and wake each
 * other, which costs more than the piece. append_lock is taken by the flusher to go to sleep and
 * to wake others.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "ciphers/secret.h"
#include "store/store_inner.h"

#define PIECE_BYTES   ((size_t)128 * 1024)
#define CHUNK_BYTES   ((size_t)256 * 1024)
#define PENDING_BYTES ((uint64_t)4 * 1024 * 1024) /* append waits above this ... */
#define RESUME_BYTES  (PENDING_BYTES / 2)         /* ... until it is below this */
#define WAKE_BYTES    (PENDING_BYTES / 4)         /* the flusher sleeps until there are so many */
#define CHUNKS        (PENDING_BYTES / CHUNK_BYTES + 4)
#define DELAY_NS      5000000

#define HUGE_PAGE_BYTES ((size_t)2 * 1024 * 1024)
#define MEMORY_BYTES                                                                               \
	((CHUNKS * CHUNK_BYTES + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES)

enum chunk_state {
	CHUNK_OPEN,   /* append goes on filling it */
	CHUNK_CLOSED, /* append goes on in the next one */
	CHUNK_ENDS    /* and in another block */
};

/* Bytes of one block that follow each other. */
struct chunk {
	uint8_t *own;   /* CHUNK_BYTES, part of the flusher's memory */
	uint8_t *bytes; /* own, or a longer piece of memory for one long record */
	size_t capacity;
	uint64_t number; /* of the block */
	uint64_t offset; /* of bytes[0] in its file */
	int enciphered, exists;
	_Atomic(size_t) used;            /* by append */
	_Atomic(enum chunk_state) state; /* set after the last change of used */
	size_t consumed;                 /* by the flusher */
};

struct flusher {
	struct atr_store *store;
	pthread_t thread;
	pthread_cond_t work, progress; /* with append_lock */

	struct chunk chunk[CHUNKS];
	uint8_t *memory;       /* of all chunks */
	struct atr_seed *seed; /* secret memory, one per chunk */
	/* chunks in use, oldest first: queue[taken % CHUNKS] .. queue[(queued - 1) % CHUNKS];
	 * append fills the newest unless it is closed */
	struct chunk *queue[CHUNKS];
	_Atomic(uint64_t) queued, taken;
	/* the others, a stack: the one used last is still in the cache */
	pthread_mutex_t unused_lock;
	struct chunk *unused[CHUNKS];
	size_t unused_count;

	_Atomic(uint64_t) appended, written; /* bytes, since the start */
	_Atomic(unsigned) room_waiting, drain_waiting;

	/* under append_lock */
	struct chunk *filling; /* by append; NULL when the next byte needs a new one */
	uint8_t *unfinished;   /* a record that is laid, its hash still to be taken; NULL: none */
	struct atr_laid laid;
	size_t unpublished; /* bytes up to its end that the chunk's used does not count yet */
	uint64_t wanted;    /* somebody waits until written reaches this */
	uint64_t wake_at;   /* commit wakes the thread when appended reaches this */
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

/* ---- the stack of unused chunks ---- */

static void put_unused(struct flusher *f, struct chunk *c)
{
	pthread_mutex_lock(&f->unused_lock);
	f->unused[f->unused_count++] = c;
	pthread_mutex_unlock(&f->unused_lock);
}

static size_t count_unused(struct flusher *f)
{
	size_t count;

	pthread_mutex_lock(&f->unused_lock);
	count = f->unused_count;
	pthread_mutex_unlock(&f->unused_lock);
	return count;
}

static struct chunk *take_unused(struct flusher *f)
{
	struct chunk *c;

	pthread_mutex_lock(&f->unused_lock);
	assert(f->unused_count > 0);
	c = f->unused[--f->unused_count];
	pthread_mutex_unlock(&f->unused_lock);
	return c;
}

/* ---- appending; append_lock is held ---- */

static uint64_t pending(struct flusher *f)
{
	return atomic_load(&f->appended) - atomic_load(&f->written);
}

static int is_poisoned(const struct flusher *f)
{
	return atomic_load(&f->store->poison) != ATR_OK;
}

static uint64_t chunks_in_use(struct flusher *f)
{
	return atomic_load(&f->queued) - atomic_load(&f->taken);
}

/* Room for one more record, which may need one more chunk. */
static int has_room(struct flusher *f, uint64_t limit_bytes)
{
	return pending(f) <= limit_bytes && chunks_in_use(f) < CHUNKS && count_unused(f) > 0;
}

void flusher_wait_room(struct flusher *f)
{
	/* the usual case looks at two counters; a new chunk is needed only now and then, but there
	 * are more of them than PENDING_BYTES fill */
	if (pending(f) <= PENDING_BYTES && chunks_in_use(f) < CHUNKS - 1)
		return;
	if (has_room(f, PENDING_BYTES))
		return;
	atomic_fetch_add(&f->room_waiting, 1);
	while (!has_room(f, RESUME_BYTES) && !is_poisoned(f))
		pthread_cond_wait(&f->progress, &f->store->append_lock);
	atomic_fetch_sub(&f->room_waiting, 1);
}

/* Finishes the record committed last, if that was not done, and hands it to the thread. */
static void finish_last(struct flusher *f)
{
	struct chunk *c;
	size_t used;

	if (f->unfinished == NULL)
		return;
	c = f->filling;
	used = atomic_load_explicit(&c->used, memory_order_relaxed);
	atr_record_finish(&f->store->active.hash_key, f->unfinished, &f->laid);
	atomic_store_explicit(&c->used, used + f->unpublished, memory_order_release);
	f->unfinished = NULL;
	f->unpublished = 0;
}

static void close_chunk(struct flusher *f, enum chunk_state state)
{
	struct chunk *c = f->filling;

	finish_last(f);
	if (c != NULL)
		atomic_store_explicit(&c->state, state, memory_order_release);
	f->filling = NULL;
}

void flusher_end_block(struct flusher *f)
{
	close_chunk(f, CHUNK_ENDS);
	/* of short blocks chunks run out before bytes do */
	if (chunks_in_use(f) > CHUNKS / 2)
		f->wake_at = 0;
}

uint8_t *flusher_reserve(struct flusher *f, size_t bytes)
{
	const struct active *active = &f->store->active;
	struct chunk *c = f->filling;
	uint64_t queued;

	if (c != NULL) {
		size_t filled =
		        atomic_load_explicit(&c->used, memory_order_relaxed) + f->unpublished;

		if (c->capacity - filled >= bytes)
			return c->bytes + filled;
	}
	c = take_unused(f);
	if (bytes > CHUNK_BYTES) {
		uint8_t *longer = malloc(bytes);

		if (longer == NULL) {
			put_unused(f, c);
			return NULL;
		}
		c->bytes = longer;
		c->capacity = bytes;
	}
	close_chunk(f, CHUNK_CLOSED);
	atomic_store_explicit(&c->used, 0, memory_order_relaxed);
	atomic_store_explicit(&c->state, CHUNK_OPEN, memory_order_relaxed);
	c->consumed = 0;
	c->number = active->number;
	c->offset = active->file_bytes;
	c->enciphered = active->enciphered;
	c->exists = active->exists;
	if (active->enciphered)
		f->seed[c - f->chunk] = *active->seed;
	queued = atomic_load_explicit(&f->queued, memory_order_relaxed);
	f->queue[queued % CHUNKS] = c;
	atomic_store_explicit(&f->queued, queued + 1, memory_order_release);
	f->filling = c;
	return c->bytes;
}

int flusher_commit(struct flusher *f, size_t bytes, const struct atr_laid *laid)
{
	struct chunk *c = f->filling;
	uint64_t appended;

	finish_last(f);
	f->unfinished = c->bytes + atomic_load_explicit(&c->used, memory_order_relaxed) + bytes -
	                laid->bytes;
	f->laid = *laid;
	f->unpublished = bytes;
	/* what was written never exceeds it, or pending() would wrap */
	appended = atomic_load_explicit(&f->appended, memory_order_relaxed) + bytes;
	atomic_store_explicit(&f->appended, appended, memory_order_release);
	if (appended < f->wake_at)
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
	uint64_t target = atomic_load(&f->appended);

	if (atomic_load(&f->written) >= target)
		return 1;
	finish_last(f);
	if (f->wanted < target)
		f->wanted = target;
	pthread_cond_signal(&f->work);
	atomic_fetch_add(&f->drain_waiting, 1);
	while (atomic_load(&f->written) < target && !is_poisoned(f))
		pthread_cond_wait(&f->progress, &f->store->append_lock);
	atomic_fetch_sub(&f->drain_waiting, 1);
	return atomic_load(&f->written) >= target;
}

int flusher_has_written(struct flusher *f, uint64_t number)
{
	uint64_t taken = atomic_load(&f->taken);

	return pending(f) == 0 ||
	       (taken < atomic_load(&f->queued) && f->queue[taken % CHUNKS]->number > number);
}

uint64_t flusher_written_bytes(struct flusher *f, uint64_t number)
{
	uint64_t waits = pending(f);
	const struct active *active = &f->store->active;

	if (flusher_has_written(f, number))
		return UINT64_MAX;
	/* the newest bytes are the active block's */
	return number == active->number && active->file_bytes > waits ? active->file_bytes - waits
	                                                              : 0;
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

/* Enciphers the chunk's next bytes up to `used` and writes whole pieces; with rest, or at the end
 * of a block, what is left over too. */
static enum atr_status consume(struct flusher *f, const struct chunk *c, size_t used, int ends,
                               int rest, struct atr_error *err)
{
	const uint8_t *from = c->bytes + c->consumed;
	size_t left = used - c->consumed;
	enum atr_status rc = ATR_OK;

	if (f->fd < 0)
		rc = open_file(f, c, &f->seed[c - f->chunk], err);
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
	if (rc == ATR_OK && (rest || ends))
		rc = write_rest(f, err);
	if (rc == ATR_OK && ends)
		rc = close_file(f, err);
	return rc;
}

static struct chunk *oldest(struct flusher *f)
{
	uint64_t taken = atomic_load_explicit(&f->taken, memory_order_relaxed);

	return taken < atomic_load_explicit(&f->queued, memory_order_acquire)
	               ? f->queue[taken % CHUNKS]
	               : NULL;
}

/* The oldest chunk, if step would write something of it or finish it; else NULL. */
static struct chunk *with_work(struct flusher *f, int rest)
{
	struct chunk *c = oldest(f);
	size_t waits;

	if (c == NULL || atomic_load_explicit(&c->state, memory_order_acquire) != CHUNK_OPEN)
		return c;
	waits = f->out_used + atomic_load_explicit(&c->used, memory_order_acquire) - c->consumed;
	return waits >= PIECE_BYTES || (rest && waits > 0) ? c : NULL;
}

static void recycle(struct flusher *f, struct chunk *c)
{
	if (c->bytes != c->own) {
		free(c->bytes);
		c->bytes = c->own;
		c->capacity = CHUNK_BYTES;
	}
	atomic_fetch_add(&f->taken, 1);
	put_unused(f, c);
}

/* Who waits for room sleeps until there is much of it; who waits for what is written is rare. */
static void wake_waiting(struct flusher *f)
{
	if ((atomic_load(&f->room_waiting) == 0 || !has_room(f, RESUME_BYTES)) &&
	    atomic_load(&f->drain_waiting) == 0)
		return;
	pthread_mutex_lock(&f->store->append_lock);
	pthread_cond_broadcast(&f->progress);
	pthread_mutex_unlock(&f->store->append_lock);
}

/* The bytes of the oldest chunk, as far as they are there. */
static enum atr_status step(struct flusher *f, struct chunk *c, int rest, struct atr_error *err)
{
	/* state first: once it is not open any more, used is final */
	enum chunk_state state = atomic_load_explicit(&c->state, memory_order_acquire);
	size_t used = atomic_load_explicit(&c->used, memory_order_acquire);
	enum atr_status rc;

	rc = consume(f, c, used, state == CHUNK_ENDS, rest && state == CHUNK_OPEN, err);
	if (rc != ATR_OK)
		return rc; /* the chunk stays: what it holds is not written */
	c->consumed = used;
	atomic_store(&f->written, f->out_written);
	if (state != CHUNK_OPEN)
		recycle(f, c);
	wake_waiting(f);
	return rc;
}

/* ---- the thread: append_lock held ---- */

static void wait_delay(struct flusher *f)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += DELAY_NS;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	(void)pthread_cond_timedwait(&f->work, &f->store->append_lock, &t);
}

/* Waits for WAKE_BYTES, somebody who waits, or DELAY_NS. Returns 1 when everything is to be
 * written, not only whole pieces. */
static int wait_work(struct flusher *f)
{
	for (int delayed = 0;;) {
		uint64_t written = f->out_written;

		finish_last(f);
		if (f->wanted > written || f->stop)
			return 1;
		if (atomic_load(&f->appended) - written >= WAKE_BYTES ||
		    chunks_in_use(f) > CHUNKS / 2)
			return 0;
		if (atomic_load(&f->appended) == written && with_work(f, 0) == NULL) {
			f->wake_at = 0;
			pthread_cond_wait(&f->work, &f->store->append_lock);
			delayed = 0;
		} else {
			if (delayed)
				return 1;
			f->wake_at = written + WAKE_BYTES;
			wait_delay(f);
			delayed = 1;
		}
		f->wake_at = UINT64_MAX;
	}
}

static void *run(void *arg)
{
	struct flusher *f = arg;
	struct atr_error err;
	enum atr_status rc = ATR_OK;
	int rest = 0, stop = 0;

	while (rc == ATR_OK && !(stop && with_work(f, 1) == NULL)) {
		struct chunk *c = with_work(f, rest);

		if (c != NULL) {
			rc = step(f, c, rest, &err);
			rest = 0; /* who still waits is asked again; else whole pieces only */
			continue;
		}
		pthread_mutex_lock(&f->store->append_lock);
		rest = wait_work(f);
		stop = f->stop;
		pthread_mutex_unlock(&f->store->append_lock);
	}
	if (rc != ATR_OK) {
		(void)store_poison(f->store, rc, &err);
		pthread_mutex_lock(&f->store->append_lock);
		pthread_cond_broadcast(&f->progress);
		pthread_mutex_unlock(&f->store->append_lock);
	}
	return NULL;
}

/* ---- start and stop ---- */

static void release(struct flusher *f)
{
	for (size_t i = 0; i < CHUNKS; i++)
		if (f->chunk[i].bytes != f->chunk[i].own)
			free(f->chunk[i].bytes);
	free(f->memory);
	atr_keystream_free(f->stream);
	atr_secret_free(f->seed);
	free(f->out);
	pthread_cond_destroy(&f->work);
	pthread_cond_destroy(&f->progress);
	pthread_mutex_destroy(&f->unused_lock);
	free(f);
}

static void prepare_chunks(struct flusher *f)
{
	/* The pages are touched now, as few large ones where the system has such: a fault on the
	 * first use of each page would be most of what a short run measures. */
	(void)madvise(f->memory, MEMORY_BYTES, MADV_HUGEPAGE);
	memset(f->memory, 1, MEMORY_BYTES);
	for (size_t i = CHUNKS; i-- > 0;) {
		struct chunk *c = &f->chunk[i];

		c->bytes = c->own = f->memory + i * CHUNK_BYTES;
		c->capacity = CHUNK_BYTES;
		f->unused[f->unused_count++] = c;
	}
}

enum atr_status flusher_open(struct atr_store *store, struct atr_error *err)
{
	struct flusher *f = calloc(1, sizeof *f);
	pthread_condattr_t attributes;

	if (f == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for the flusher");
	f->store = store;
	f->fd = -1;
	(void)pthread_mutex_init(&f->unused_lock, NULL);
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&f->work, &attributes);
	(void)pthread_cond_init(&f->progress, NULL);
	(void)pthread_condattr_destroy(&attributes);
	f->seed = atr_secret_alloc(CHUNKS * sizeof *f->seed);
	f->out = malloc(PIECE_BYTES);
	f->memory = aligned_alloc(HUGE_PAGE_BYTES, MEMORY_BYTES);
	if (f->memory != NULL)
		prepare_chunks(f);
	if (f->seed == NULL || f->out == NULL || f->memory == NULL ||
	    pthread_create(&f->thread, NULL, run, f) != 0) {
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
