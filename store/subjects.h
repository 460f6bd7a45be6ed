/* subjects.h - what is where, by subject: how many live messages, the first and the last.
 *
 * An open-addressing table of 32-bit slots over entries of 32 bytes and names, both in chunks that
 * are never moved: 32 bytes, 5 to 11 for the slot and the name rounded up to 8 for each subject. A
 * subject whose last message is gone is removed. Where only the block of a first or last message is
 * known (from index.db, or after the message there was deleted) the place says so and the store
 * looks into that block. Not locked: the store's append_lock does.
 */
#ifndef ATREST_STORE_SUBJECTS_H
#define ATREST_STORE_SUBJECTS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "store/status.h"

/* A sequence, or with this bit the number of a block at or behind (first) or at or before (last)
 * which the message is. */
#define SUBJECT_IN_BLOCK (UINT64_C(1) << 63)

struct atr_subject_entry {
	uint64_t first, last; /* sequence, or block number | SUBJECT_IN_BLOCK */
	uint32_t messages;
	uint32_t name_at; /* in the arena, units of 8 bytes */
	uint32_t hash;    /* of the name: the table's own */
	uint16_t name_bytes;
};

static_assert(sizeof(struct atr_subject_entry) == 32, "memory per subject is promised");

struct atr_subjects_table;

struct atr_subjects_table *atr_subjects_table_new(void); /* NULL: memory */
void atr_subjects_table_free(struct atr_subjects_table *table);

/* One more live message, with the highest sequence so far. ATR_ENOMEM. The subject added last is
 * found without hashing. */
enum atr_status atr_subjects_add(struct atr_subjects_table *table, const char *name,
                                 size_t name_bytes, uint64_t sequence);
/* As index.db says it. ATR_EFORMAT when it is there already, has no message, or more than a count
 * holds; ATR_ENOMEM. */
enum atr_status atr_subjects_put(struct atr_subjects_table *table, const char *name,
                                 size_t name_bytes, uint64_t messages, uint64_t first_block,
                                 uint64_t last_block);
/* One less, in block `number`. When it was the first or the last, that place becomes "in block
 * number". Entries are moved: pointers to them and indexes are stale. */
void atr_subjects_remove(struct atr_subjects_table *table, const char *name, size_t name_bytes,
                         uint64_t sequence, uint64_t number);
/* NULL: no live message. Valid until the next change. */
struct atr_subject_entry *atr_subjects_find(struct atr_subjects_table *table, const char *name,
                                            size_t name_bytes);
size_t atr_subjects_count(const struct atr_subjects_table *table);
/* The i-th, in no order, and its name (not NUL-terminated). */
struct atr_subject_entry *atr_subjects_at(struct atr_subjects_table *table, size_t index,
                                          const char **name);
void atr_subjects_clear(struct atr_subjects_table *table);
size_t atr_subjects_memory_bytes(const struct atr_subjects_table *table);

#endif
