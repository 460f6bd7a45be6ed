/* recover_inner.h - what recover.c (the stream), recover_block.c (one block) and state.c (an
 * index.db that is believed) share (inner). */
#ifndef ATREST_STORE_RECOVER_INNER_H
#define ATREST_STORE_RECOVER_INNER_H

#include "store/index.h"
#include "store/store_inner.h"

#define HAS_BLK   1u
#define HAS_KEY   2u
#define HAS_STATE 4u /* idx or fss */
#define HAS_IDX   8u

struct listed {
	uint64_t number;
	unsigned has;
};

struct recovery {
	struct atr_store *store;
	const struct atr_seed *meta_seed; /* NULL: the stream is clear text */
	struct listed *listed;            /* one per file name at first, then one per number */
	size_t count, capacity;
	int has_strays;        /* new files that a crash left */
	struct atr_walk *walk; /* reused */
	struct atr_index index;
	int has_index;
	int index_is_old;                /* it only lists deletions */
	struct atr_seqset tombstones;    /* sequences named by them, of any block */
	struct atr_seqset state_deleted; /* deleted by a state file, but a record is there */
	/* blocks whose state file lists deletes that may be those of other messages */
	struct atr_seqset distrusted;
	int read_again; /* a block was added to them */
	uint64_t last_seq;

	/* the block being read */
	struct block_entry entry;
	struct atr_seqset deleted; /* of it */
	uint64_t first_record;     /* sequence of its first record; 0: none yet */
	int damaged, torn;
	int gap_is_damage; /* damage was met since the last record */
	uint64_t torn_bytes;
	/* a tail that belongs to no record, in a block that the next one has to continue */
	int open_tail;
	size_t open_tail_entry;
	uint64_t open_tail_file_bytes;
	struct atr_error open_tail_error;
	/* a block that could not be read at all: the next one tells where it ended */
	int unread;
	struct atr_error unread_error;
};

/* Damage that recovery tells: the first one is kept. */
void recover_note_damage(struct recovery *r, const struct atr_error *why);
/* Opens r->walk on that block. */
enum atr_status recover_open_walk(struct recovery *r, uint64_t number, struct atr_error *err);
/* Appending goes on in the last block, whose seed is given (NULL: clear text). */
enum atr_status recover_set_active(struct recovery *r, const struct listed *last,
                                   const struct atr_seed *seed, uint64_t file_bytes,
                                   struct atr_error *err);

/* ---- state.c ---- */

/* Fills entries and subjects from r->index when it fits the files (nats-file-store 12.3, step 1):
 * its blocks are those that are there and the last one ends with its checksum. No block is read but
 * the beginning and the end of the last one. *believed 0: it does not fit, the store is as before.
 */
enum atr_status state_believe(struct recovery *r, int *believed, struct atr_error *err);

/* ---- recover_block.c ---- */

/* Reads one block and adds its entry. */
enum atr_status recover_read_block(struct recovery *r, const struct listed *l,
                                   struct atr_error *err);
/* All blocks are read: messages that tombstones name are taken out of the entries and the subjects.
 * Only blocks that are hit are read again. */
enum atr_status recover_apply_tombstones(struct recovery *r, struct atr_error *err);

#endif
