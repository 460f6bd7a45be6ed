/* secret.c - key memory on libsodium's guarded heap. See secret.h. */
#include "ciphers/secret.h"

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "ciphers/cipher_internal.h"

/* A region ends at a guard page, so its start is aligned only as well as its size is. */
#define ALIGNMENT 64u

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int init_result;
static atomic_int locked = 1;

static void init(void)
{
	init_result = sodium_init() < 0 ? -1 : 0;
}

int atr_secret_init(void)
{
	pthread_once(&once, init);
	return init_result;
}

void *atr_secret_alloc(size_t bytes)
{
	void *p;

	if (atr_secret_init() != 0 || bytes > SIZE_MAX - ALIGNMENT)
		return NULL;
	bytes = bytes ? (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT : ALIGNMENT;
	p = sodium_malloc(bytes);
	if (!p)
		return NULL;
	/* sodium_malloc locks too but hides whether it could; asking again counts no page twice.
	 * Not locked is not an error: under a small limit keys must still work. */
	atomic_store_explicit(&locked, sodium_mlock(p, bytes) == 0, memory_order_relaxed);
	memset(p, 0, bytes);
	return p;
}

void atr_secret_free(void *p)
{
	sodium_free(p);
}

void atr_secret_wipe(void *p, size_t bytes)
{
	sodium_memzero(p, bytes);
}

int atr_secret_is_locked(void)
{
	return atomic_load_explicit(&locked, memory_order_relaxed);
}
