/* reader_inner.h - what reader.c (in order) and reader_get.c (by sequence) share.
 *
 *   next                    one atr_walk over block after block
 *   get, ATR_READ_BLOCK     the whole block deciphered in memory, with the offset of every record
 *   get, ATR_READ_RECORD    per block one mark every 4 KiB; only the bytes between two marks are
 *                           read and deciphered; a compressed block is kept whole
 */
#ifndef ATREST_READER_INNER_H
#define ATREST_READER_INNER_H

#include "store/store_inner.h"

/* Where a sequence is: a copy of what the store knows of its block. */
struct place {
	uint64_t number, first_seq, last_seq, file_bytes;
	uint32_t generation; /* of its files */
	int has_deleted;     /* some of first_seq..last_seq */
	int is_live;         /* the sequence that was looked for */
};

/* The block that get keeps deciphered. */
struct loaded {
	uint64_t number; /* 0: none */
	uint32_t generation;
	uint8_t *bytes;
	struct atr_hash_key hash_key;
	int compressed;        /* bytes are the decompressed content, all of it */
	size_t capacity, held; /* deciphered bytes from the start of the file */
	size_t indexed;        /* offset up to which records are in offset[] */
	uint32_t *offset;      /* of each message, ascending sequence */
	size_t count, offset_capacity;
};

/* First record at or after every 4 KiB of a block. */
struct mark {
	uint32_t offset;
	uint32_t sequence; /* minus the view's base */
};

struct view {
	uint64_t number; /* 0: none */
	uint32_t generation;
	uint64_t base;     /* sequence of its first record */
	uint64_t last_seq; /* highest sequence up to `bytes` */
	uint64_t bytes;    /* of the file that the marks cover */
	struct mark *mark;
	uint32_t count, capacity;
	int enciphered;
	int compressed; /* it has no marks: the whole block is loaded instead */
	int fd;         /* -1: not open */
	struct atr_hash_key hash_key;
};

#define VIEWS          1024u
#define VIEW_FILES_MAX 128u /* open at a time */

struct atr_reader {
	struct atr_store *store;
	enum atr_read read;
	int is_inner; /* the store's own: append_lock is held, what is not written yet is not read
	               */

	/* next */
	struct atr_walk *walk; /* NULL at first; reused for all blocks */
	int in_block;          /* the walk goes on in place.number */
	struct place place;
	uint64_t passed;   /* highest sequence that the walk has passed in this block */
	uint64_t removals; /* store->removals when place was taken */
	int damaged;       /* the walk stands before damage that was reported */

	/* get */
	struct atr_keystream *stream; /* of stream_number */
	const struct atr_cipher *stream_cipher;
	uint64_t stream_number;
	struct atr_seed *seed; /* secret memory; one, or with ATR_READ_RECORD one per view */
	struct loaded loaded;
	struct view *view;  /* VIEWS of them, number % VIEWS; ATR_READ_RECORD only */
	size_t marks_bytes; /* of all views */
	unsigned files;     /* of all views */
	unsigned file_hand; /* next view whose file is closed when there are too many */
	unsigned hand;      /* next view to give up when there are too many marks */
	uint8_t *window;    /* between two marks */
	size_t window_bytes;
};

/* For the store itself. The reader then must not be used without append_lock. */
void reader_set_inner(struct atr_reader *reader);
/* The next call of reader_next starts anew. */
void reader_forget_place(struct atr_reader *reader);
/* The first block whose last sequence is not below sequence. 0 when there is none. */
int reader_find(struct atr_reader *reader, uint64_t sequence, struct place *out);
/* Makes all of the place's bytes readable from the file; an inner reader's place shrinks to what
 * is. */
enum atr_status reader_await(struct atr_reader *reader, struct place *place, struct atr_error *err);
/* True when the place's block was removed or rewritten: a failure to read it means nothing. Waits
 * for a removal or rewriting that is under way. */
int reader_is_stale(struct atr_reader *reader, const struct place *place);
/* Closes their files, frees their marks, wipes their seeds. */
void reader_forget_views(struct atr_reader *reader);
/* Reads the block record by record, over damage. ATR_ENOTFOUND; ATR_EFORMAT when it is not there
 * but damage is. */
enum atr_status reader_scan(struct atr_reader *reader, const struct place *place, uint64_t sequence,
                            struct atr_message *m, struct atr_error *err);

#endif
