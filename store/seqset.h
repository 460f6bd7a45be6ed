/* seqset.h - sets of sequences: ranges in memory, bit nodes on disk.
 *
 * In memory: sorted, disjoint, non-adjacent ranges, 16 bytes each, so that a stream without
 * deletes is one range however long it is. On disk (the interior deletes in index.db and idx):
 *
 *   22 || version || u32 nodes || u32 size || nodes x (u64 base || words x u64 bits || u16 height)
 *
 * version 2: 32 words, version 1: 64. Bit j of word w is sequence base + 64 w + j; size is the
 * number of set bits; the nodes may come in any order.
 * Source: nats-server server/avl/seqset.go, Encode, Decode.
 */
#ifndef ATREST_STORE_SEQSET_H
#define ATREST_STORE_SEQSET_H

#include <stddef.h>
#include <stdint.h>

#include "store/bytes.h"
#include "store/status.h"

struct atr_range {
	uint64_t first, last; /* both inside */
};

/* All zero is the empty set. */
struct atr_seqset {
	struct atr_range *range;
	size_t count, capacity;
	int unsorted; /* ranges were added out of order: settle before reading */
};

/* Adds first..last (nothing when last < first). In ascending order it costs O(1) and merges;
 * in any other order the set is sorted by the next atr_seqset_settle. ATR_ENOMEM. */
enum atr_status atr_seqset_add(struct atr_seqset *set, uint64_t first, uint64_t last);

/* The same into a settled set, which stays settled, in any order: a binary search and the move of
 * what is behind. ATR_ENOMEM. */
enum atr_status atr_seqset_insert(struct atr_seqset *set, uint64_t first, uint64_t last);

/* Takes first..last out of a settled set. ATR_ENOMEM (a range may become two). */
enum atr_status atr_seqset_remove(struct atr_seqset *set, uint64_t first, uint64_t last);

/* Sorts and merges. The readers below need a settled set. */
void atr_seqset_settle(struct atr_seqset *set);

int atr_seqset_has(const struct atr_seqset *set, uint64_t sequence);

/* How many sequences of the set lie in first..last. */
uint64_t atr_seqset_count(const struct atr_seqset *set, uint64_t first, uint64_t last);

/* The index of the first range whose end is not below sequence; set->count if there is none. */
size_t atr_seqset_lower(const struct atr_seqset *set, uint64_t sequence);

/* Adds to out what first..last holds of set (present = 1) or lacks of it (present = 0). */
enum atr_status atr_seqset_slice(const struct atr_seqset *set, uint64_t first, uint64_t last,
                                 int present, struct atr_seqset *out);

/* out = a without b; out must be empty and neither of them. */
enum atr_status atr_seqset_minus(const struct atr_seqset *a, const struct atr_seqset *b,
                                 struct atr_seqset *out);

/* Reads the disk form at the cursor into the empty set *out and settles it. ATR_EFORMAT (the
 * cursor is then failed, why says what does not fit), ATR_ENOMEM. */
enum atr_status atr_seqset_decode(struct atr_cursor *cursor, struct atr_seqset *out,
                                  const char **why);

/* The disk form, version 2, of a settled set: how many bytes it takes, and those bytes. Nodes are
 * in pre-order of a balanced tree with its heights (a leaf's is 1), as the server's own are. The
 * set must have fewer than 2^32 sequences, all below 2^63. */
size_t atr_seqset_encoded_bytes(const struct atr_seqset *set);
void atr_seqset_encode(const struct atr_seqset *set, uint8_t *out);

/* Releases the ranges; the set is empty then. */
void atr_seqset_free(struct atr_seqset *set);

#endif
