/* secret.c - key memory on libsodium's guarded heap. See secret.h.
 *
 * A region costs a dozen system calls, up to 0.2 ms on a virtual machine where changing page
 * tables is dear, and a store makes contexts all the time. So a freed region is wiped and kept,
 * still locked and guarded, for the next request of its size.
 */
#include "ciphers/secret.h"

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "ciphers/cipher_internal.h"

/* A region ends at a guard page, so its start is aligned only as well as its size is. */
#define ALIGNMENT 64u

#define KEPT_BYTES_MAX ((size_t)1 << 20) /* locked memory is scarce: 8 MiB is a usual limit */
#define KEPT_COUNT_MAX 64u

/* Lies before the memory that is handed out, and after libsodium's own guard. */
struct region {
	size_t bytes; /* handed out */
	int locked;
	struct region *next; /* kept ones */
};

_Static_assert(sizeof(struct region) <= ALIGNMENT, "the head of a region keeps its alignment");

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int init_result;
static atomic_int locked = 1;

static pthread_mutex_t kept_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct region *kept;
static size_t kept_bytes;
static size_t kept_count;

static void init(void)
{
	init_result = sodium_init() < 0 ? -1 : 0;
}

int atr_secret_init(void)
{
	pthread_once(&once, init);
	return init_result;
}

static struct region *take_kept(size_t bytes)
{
	struct region *r;

	pthread_mutex_lock(&kept_mutex);
	for (struct region **at = &kept; (r = *at) != NULL; at = &r->next) {
		if (r->bytes != bytes)
			continue;
		*at = r->next;
		kept_bytes -= bytes;
		kept_count--;
		break;
	}
	pthread_mutex_unlock(&kept_mutex);
	return r;
}

/* 1 when the region is kept now, 0 when there are enough. */
static int keep(struct region *r)
{
	int room;

	pthread_mutex_lock(&kept_mutex);
	room = kept_count < KEPT_COUNT_MAX && r->bytes <= KEPT_BYTES_MAX - kept_bytes;
	if (room) {
		r->next = kept;
		kept = r;
		kept_bytes += r->bytes;
		kept_count++;
	}
	pthread_mutex_unlock(&kept_mutex);
	return room;
}

static struct region *new_region(size_t bytes)
{
	struct region *r = sodium_malloc(ALIGNMENT + bytes);

	if (!r)
		return NULL;
	memset(r, 0, ALIGNMENT + bytes);
	r->bytes = bytes;
	/* sodium_malloc locks too but hides whether it could; asking again counts no page twice.
	 * Not locked is not an error: under a small limit keys must still work. */
	r->locked = sodium_mlock(r, ALIGNMENT + bytes) == 0;
	return r;
}

void *atr_secret_alloc(size_t bytes)
{
	struct region *r;

	if (atr_secret_init() != 0 || bytes > SIZE_MAX - 2 * ALIGNMENT)
		return NULL;
	bytes = bytes ? (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT : ALIGNMENT;
	r = take_kept(bytes);
	if (!r)
		r = new_region(bytes);
	if (!r)
		return NULL;
	atomic_store_explicit(&locked, r->locked, memory_order_relaxed);
	return (uint8_t *)r + ALIGNMENT;
}

void atr_secret_free(void *p)
{
	struct region *r;

	if (!p)
		return;
	r = (struct region *)(void *)((uint8_t *)p - ALIGNMENT);
	sodium_memzero(p, r->bytes);
	if (!keep(r))
		sodium_free(r);
}

void atr_secret_wipe(void *p, size_t bytes)
{
	sodium_memzero(p, bytes);
}

int atr_secret_is_locked(void)
{
	return atomic_load_explicit(&locked, memory_order_relaxed);
}
