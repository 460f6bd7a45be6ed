/* keypool.h - keys of the next blocks, made ahead by a thread of its own (inner).
 *
 * A key file must stand before its block does, and making it durable costs a sync that is the
 * disk's, not the cipher's. So the thread writes the key files of the next `ahead` block numbers
 * in batches, syncs each and the directory once, and the stream takes them one by one. When none
 * is there the caller makes one itself; with must_sync the caller then also syncs it.
 *
 * Numbers are handed out in ascending order, each once.
 */
#ifndef ATREST_STORE_KEYPOOL_H
#define ATREST_STORE_KEYPOOL_H

#include "store/block.h"

struct atr_keypool;

struct atr_keypool_options {
	const struct atr_block_home *home; /* borrowed until close; ring must hold the key */
	const struct atr_cipher *cipher;   /* encrypts */
	uint64_t first_number;             /* of the first key handed out */
	unsigned ahead;                    /* 0: no thread, every key is made when it is taken */
	int sync;                          /* 0: never sync */
};

/* Makes nothing yet: the thread starts with the first take or fill. *out is NULL unless ATR_OK. */
enum atr_status atr_keypool_open(const struct atr_keypool_options *options,
                                 struct atr_keypool **out, struct atr_error *err);

/* The next number and its seed; its key file is written. *synced says whether it is durable;
 * with must_sync it always is. *seed is wiped unless ATR_OK; the caller wipes it later. On
 * failure the number is used up. */
enum atr_status atr_keypool_take(struct atr_keypool *pool, int must_sync, uint64_t *number,
                                 struct atr_seed *seed, int *synced, struct atr_error *err);

/* Returns when `ahead` keys are made (and synced, if they are to be), or the thread's error. */
enum atr_status atr_keypool_fill(struct atr_keypool *pool, struct atr_error *err);

/* A failed sync of the thread, which is final: what was taken unsynced cannot become durable. */
enum atr_status atr_keypool_sync_error(struct atr_keypool *pool, struct atr_error *err);

struct atr_keypool_counters {
	uint64_t made, wait_ns, written_bytes, syncs;
};

void atr_keypool_counters(struct atr_keypool *pool, struct atr_keypool_counters *out);

/* Stops the thread, removes the key files that were not taken, wipes. NULL allowed. */
void atr_keypool_close(struct atr_keypool *pool);

#endif
