/* store_inner.h - what store.c, sync.c, recover.c, appender.c, flusher.c and reader.c share.
 *
 *   append ----> appender.c: which block, record bytes, each: cipher and write
 *                    | async: chunks
 *                    v
 *                flusher.c: cipher and write, on a thread of its own
 *
 * Locks, in the order in which they are taken:
 *   remove_lock  one removal at a time; with it held only appends change what is live
 *   sync_lock    one sync at a time
 *   append_lock  everything that appending changes; under ATR_FLUSH_EACH held over the write
 *   state_lock   the list of blocks and the poison; never held over a call to the file system
 * The last block's length and the totals are atomics, so that readers need no append_lock.
 */
#ifndef ATREST_STORE_INNER_H
#define ATREST_STORE_INNER_H

#include <assert.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>

#include "store/block.h"
#include "store/keypool.h"
#include "store/seqset.h"
#include "store/store.h"

/* What index.db is called from the first change on: see store_prepare_append. */
#define INDEX_OLD "index.db.old"

#define BLOCK_KEY_UNSYNCED  1u  /* its key file is written, not known to be durable */
#define BLOCK_TORN          2u  /* bytes after file_bytes belong to no record */
#define BLOCK_SETTLE        4u  /* 2.9: has deletions that only its rewriting makes durable */
#define BLOCK_COMPRESS      8u  /* finished, and to be rewritten compressed */
#define BLOCK_NO_TOMBSTONES 16u /* made by this process, none was put there */
#define BLOCK_TIME_STALE    32u /* first_time_ns is of a message that is gone: remove_settle_times */
#define BLOCK_EMPTIED       64u /* its last live message was removed: its files can go */

/* A block that index.db was believed about and nobody looked at yet: the whole file, which nothing
 * is appended to. */
#define FILE_BYTES_UNKNOWN UINT64_MAX

/* One per block file, ascending numbers. What deleting and rewriting change is written with
 * append_lock and state_lock held: either is enough to read it. */
struct block_entry {
	uint64_t number;
	uint64_t head_seq;            /* no record of the file is of a lower sequence; 0: not known
	                                 yet, UINT64_MAX: it has none */
	uint64_t first_seq;           /* of its live messages; none: last + 1 */
	_Atomic(uint64_t) last_seq;   /* never below that of the block before */
	_Atomic(uint64_t) file_bytes; /* whole records that were acknowledged; FILE_BYTES_UNKNOWN */
	uint64_t messages;            /* live */
	uint64_t live_bytes;          /* of their records */
	int64_t first_time_ns;        /* of the first live message; 0: none */
	int64_t last_time_ns;         /* of the last message, live or not */
	struct atr_seqset *deleted;   /* NULL: none. Every sequence in first..last without a live
	                                 message, whatever the reason but damage; always settled */
	uint32_t generation; /* rises with every rewrite of its files: readers' caches are stale */
	unsigned flags;
};

static_assert(sizeof(struct block_entry) <= 128, "memory per block is promised");

/* The block that is appended to. Under append_lock. */
struct active {
	int is_open; /* there is one; else the next append makes one */
	int fd;      /* each: its file; async: the flusher has it */
	uint64_t number;
	uint64_t file_bytes; /* appended, written or not */
	struct atr_hash_key hash_key;
	struct atr_seed *seed; /* secret memory */
	int enciphered;
	int exists;                   /* async: the flusher opens the file instead of making it */
	struct atr_keystream *stream; /* each; kept over blocks */
};

/* Of the stream's configuration. 0: no limit. */
struct store_limits {
	uint64_t messages, bytes, messages_per_subject, message_bytes;
	int64_t age_ns;
	int discard_new, discard_new_per_subject;
};

struct flusher;
struct atr_meta;
struct removing;
struct atr_subjects_table;
struct store_consumers;

/* A block that is no longer part of the stream and whose files are still to be removed: see
 * remove_block. */
struct dead_block {
	uint64_t number;
	int has_blk;
	uint64_t first_seq, last_seq; /* of its records, at the most; empty: first > last */
};

struct atr_store {
	const struct atr_file_table *files;
	char *dir, *msgs_path, *account, *stream;
	struct atr_keyring ring; /* in secret memory */
	uint8_t *key_memory;
	struct atr_block_home home;
	const struct atr_cipher *cipher; /* of new blocks */
	struct atr_seed *meta_seed;      /* of meta.key, secret memory; NULL: clear text */
	enum atr_flush flush;
	enum atr_sync sync;
	enum atr_read read;
	enum atr_existing_blocks existing_blocks;
	enum atr_format format;
	struct store_limits limits;
	int compress; /* configuration: compression s2 */
	uint64_t sync_interval_ns, block_bytes;
	size_t keystream_ahead_bytes;
	unsigned key_ahead;
	int lock_fd;

	pthread_mutex_t remove_lock, sync_lock, append_lock, state_lock;

	/* under sync_lock */
	uint64_t first_unsynced; /* blocks from this number on may have changed since their sync */

	/* under remove_lock; with limits appending holds it too */
	struct removing *removing; /* made by the first removal */
	int is_limited;            /* set by open: some limit is to be enforced */

	/* under state_lock */
	int has_emptied; /* some block has BLOCK_EMPTIED and is not the active one */
	struct dead_block *dead;
	size_t dead_count, dead_capacity;
	struct block_entry *entry;
	size_t entry_count, entry_capacity;
	_Atomic(enum atr_status) poison; /* read without the lock */
	int poison_told;
	struct atr_error poison_error;

	/* set by recovery, constant afterwards */
	/* deletions that no record in the blocks says, only a state file */
	struct atr_seqset lost_deletes;
	struct atr_store_recovery recovery;
	uint64_t *keyless; /* numbers of blocks without their key file */
	size_t keyless_count;
	int has_index_db, index_db_damaged;
	int has_index_old; /* INDEX_OLD */

	/* under append_lock */
	struct active active;
	struct atr_keypool *pool; /* NULL: clear text */
	uint64_t next_number;     /* of the next block; clear text only */
	int prepared;             /* what must precede the first append is done */
	uint8_t *scratch;         /* each: one record (and placeholders before it) */
	size_t scratch_bytes;
	int directory_unsynced; /* a block file was made since the last sync of msgs */
	uint64_t last_seq;
	uint64_t named_last; /* number of the block whose records name last_seq; 0: not known */
	struct atr_subjects_table *subjects;

	struct store_consumers *consumers; /* a lock of its own, taken last */

	_Atomic(uint64_t) removals; /* rises whenever a message or a block went */
	_Atomic(uint64_t) messages, bytes, first_seq, seen_last_seq;
	_Atomic(uint64_t) writes, written_bytes, syncs, blocks_made;
	_Atomic(int) dirty; /* something was appended since the last sync */

	struct flusher *flusher; /* async only */
	pthread_t timer;
	pthread_cond_t timer_stop_cond;
	int has_timer, timer_stop; /* under state_lock */
};

/* ---- store.c ---- */

/* "<msgs>/<number>.<suffix>"; the directory's own length was checked at open. */
void store_block_path(const struct atr_store *store, uint64_t number, const char *suffix,
                      char *path, size_t path_bytes);
/* The index of the first entry whose last sequence is not below sequence; entry_count if there is
 * none. append_lock or state_lock held, as in the next three. */
size_t store_find_entry(const struct atr_store *store, uint64_t sequence);
/* The first entry whose block number is not below number; entry_count: none. */
size_t store_lower_block(const struct atr_store *store, uint64_t number);
/* The index of that block; entry_count if it is gone. */
size_t store_find_block(const struct atr_store *store, uint64_t number);
int store_is_live(const struct block_entry *entry, uint64_t sequence);
/* The block is what tells the stream's last sequence, which is deleted. append_lock held. */
int store_names_last(const struct atr_store *store, const struct block_entry *entry);
/* What is appended goes into that block, as far as it fits. */
int store_is_active(const struct atr_store *store, const struct block_entry *entry);
/* Asks for the length of that block's file, which is FILE_BYTES_UNKNOWN, and keeps it. Still
 * FILE_BYTES_UNKNOWN when there is no answer: opening the file says why. 0: no such block any more.
 * state_lock not held. */
uint64_t store_file_bytes(struct atr_store *store, uint64_t number);
void store_free_deleted(struct block_entry *entry);
/* Keeps the seed that index.db is sealed under; NULL: none. ATR_ENOMEM. */
enum atr_status store_set_meta_seed(struct atr_store *store, const struct atr_seed *seed,
                                    struct atr_error *err);
/* Adds an entry. ATR_ENOMEM. */
enum atr_status store_add_entry(struct atr_store *store, const struct block_entry *entry,
                                struct atr_error *err);
void store_free_entries(struct atr_store *store);
/* Nothing is acknowledged any more; the first reason stays. Returns status. */
enum atr_status store_poison(struct atr_store *store, enum atr_status status,
                             const struct atr_error *why);
/* ATR_OK, or: the first time the reason itself, then ATR_EPOISONED with the reason's text. */
enum atr_status store_check_poison(struct atr_store *store, struct atr_error *err);

/* ---- sync.c ---- */

/* Syncs the blocks of a lower number than `end` that were in use since the last sync, their keys
 * and the directory; then removes the files of the first `dead` dead blocks. sync_lock held, or
 * nobody else has the store yet. */
enum atr_status sync_blocks(struct atr_store *store, uint64_t end, size_t dead,
                            struct atr_error *err);
/* Syncs one block, its key and the directory; all of it is written. append_lock held. */
enum atr_status sync_one_block(struct atr_store *store, uint64_t number, struct atr_error *err);
enum atr_status sync_start_timer(struct atr_store *store, struct atr_error *err);
void sync_stop_timer(struct atr_store *store);

/* ---- recover.c ---- */

/* Lists msgs/, believes index.db or reads every block once, fills the entries, subjects, totals,
 * recovery and next_number, and opens active on the last block when it may be appended to. Changes
 * nothing on disk. err is not NULL. */
enum atr_status store_recover(struct atr_store *store, const struct atr_seed *meta_seed,
                              struct atr_error *err);
/* Before the first change of anything in msgs/ since open or since index.db was written (!prepared;
 * append_lock held): sets keyless blocks aside and renames index.db, which the change makes stale.
 */
enum atr_status store_prepare_append(struct atr_store *store, struct atr_error *err);

/* ---- adopt.c ---- */

/* Brings metadata, consumers, index.db and key files under the store's cipher and key, all at once.
 * *meta is read anew when something changed. Before recovery; the lock is held. */
enum atr_status adopt_metadata(struct atr_store *store, struct atr_meta *meta,
                               struct atr_error *err);
/* Rewrites every block that is not under the store's cipher, but for damaged ones, which stay.
 * After recovery, nobody else has the store yet. */
enum atr_status adopt_blocks(struct atr_store *store, struct atr_error *err);

/* ---- compact.c ---- */

enum compact_placeholders {
	COMPACT_KEEP, /* those of the block stay where nothing is missing between them */
	COMPACT_DROP  /* go, as with servers from 2.10; format 2.9 has one for each deletion anyway
	               */
};
/* Writes block `number` anew under a key of its own and the store's cipher: live messages,
 * tombstones that still matter, and what tells the stream's last sequence. The active block is
 * ended first. sync_lock and append_lock are held (the latter may be released in between). No such
 * block: ATR_OK. ATR_EFORMAT: the block is damaged and stays. A failure while files are exchanged
 * poisons the store, any other changes nothing. */
enum atr_status compact_rewrite(struct atr_store *store, uint64_t number,
                                enum compact_placeholders placeholders, struct atr_error *err);
/* Rewrites what BLOCK_SETTLE and BLOCK_COMPRESS ask for. Takes the locks itself, for a block at a
 * time. A block that could not be compressed is tried again at the next call. */
enum atr_status compact_settle(struct atr_store *store, struct atr_error *err);

/* ---- appender.c ---- */

/* Closes the file of the active block and its context. */
void appender_close(struct atr_store *store);
/* Ends the active block and begins a new one, which first_seq would be the first of. append_lock
 * held, room waited for. */
enum atr_status appender_roll(struct atr_store *store, uint64_t first_seq, struct atr_error *err);

struct appender_tombstone {
	uint64_t sequence;
	int64_t time_ns; /* of the message that is deleted */
};
#define TOMBSTONES_MAX 512u
/* Appends at most TOMBSTONES_MAX tombstones in one write, as an append is written (and synced).
 * The last sequence stays. append_lock held; under async it is released while there is no room.
 * Under ATR_FORMAT_2_9 it is a placeholder: only of the last sequence, and first in a block.
 * store_prepare_append was called. */
enum atr_status appender_tombstones(struct atr_store *store, const struct appender_tombstone *t,
                                    size_t count, struct atr_error *err);
/* The same where room was waited for: append_lock is held all the time. */
enum atr_status appender_tombstones_now(struct atr_store *store, const struct appender_tombstone *t,
                                        size_t count, struct atr_error *err);

/* ---- remove.c: remove_lock and append_lock held, where nothing else is said ---- */

/* Before the first of the following: memory, what an append needs. */
enum atr_status remove_begin(struct atr_store *store, struct atr_error *err);
/* Room for TOMBSTONES_MAX, for the caller until messages are removed next. After remove_begin. */
struct appender_tombstone *remove_tombstones(struct atr_store *store);
/* How messages go. */
enum removal {
	REMOVE_FOR_GOOD, /* asked for: tombstones, or BLOCK_SETTLE */
	REMOVE_BY_LIMIT, /* as the server: no record says so, the limit applies again after a crash
	                  */
	REMOVE_WITH_BLOCK, /* all of a block: it goes before the call returns */
	REMOVE_FROM_MEMORY /* the caller sees to the files */
};
struct remove_range {
	enum removal how;
	const char *filter;  /* NULL: all */
	const char *subject; /* exactly that one; NULL: see filter */
	size_t subject_bytes;
	uint64_t first, last; /* both inside */
	uint64_t max;         /* at most so many, oldest first */
	int64_t until_ns;     /* ends before the first message that is newer; 0: no bound */
	uint64_t removed;     /* out */
};
/* Reads and removes the live messages of a range, in batches; between two of them append_lock may
 * be released. */
enum atr_status remove_messages(struct atr_store *store, struct remove_range *range,
                                struct atr_error *err);
/* The first live sequence not below sequence; 0: none. append_lock is enough. */
uint64_t remove_next_live(const struct atr_store *store, uint64_t sequence);
/* The live message of that sequence, read; valid until the next call. append_lock may be released.
 */
enum atr_status remove_read(struct atr_store *store, uint64_t sequence, struct atr_message *m,
                            struct atr_error *err);
/* Waits until everything of that block is written; append_lock may be released. */
enum atr_status remove_settle(struct atr_store *store, uint64_t number, struct atr_error *err);
/* The sequence at which the live messages of that subject begin at the earliest. append_lock is
 * enough. */
struct atr_subject_entry;
uint64_t remove_place_first(const struct atr_store *store, const struct atr_subject_entry *s);
/* The first live message of entry[at] is of that time. */
void remove_set_time(struct atr_store *store, size_t at, int64_t time_ns);
/* Appends the block's tombstones again, those up to max that name a message whose record is in
 * another block of the stream. */
enum atr_status remove_keep_tombstones(struct atr_store *store, uint64_t number, uint64_t max,
                                       int *kept, struct atr_error *err);
/* The files of a block that has no entry any more; the key with the next sync. */
enum atr_status remove_unlink(struct atr_store *store, uint64_t number, struct atr_error *err);
/* The files and the entry of a block without live messages, of which nothing has to be said
 * again. */
enum atr_status remove_block_files(struct atr_store *store, uint64_t number, struct atr_error *err);
/* Removes a block without live messages that is not the active one. at_once: its files are gone
 * when this returns, else perhaps with the next sync. */
enum atr_status remove_block(struct atr_store *store, uint64_t number, int at_once,
                             struct atr_error *err);
/* True when a block that is no longer part of the stream, but may still be on the disk, has a
 * record of that sequence: a tombstone of it is needed as long. append_lock held. */
int remove_waits_for(struct atr_store *store, uint64_t sequence);
/* After all of that: what ATR_SYNC_ALWAYS owes. */
enum atr_status remove_end(struct atr_store *store, struct atr_error *err);
/* first_time_ns of every block with live messages. append_lock held, nothing pending. */
enum atr_status remove_settle_times(struct atr_store *store, struct atr_error *err);
/* Removes the blocks that were emptied and are not appended to. One whose files cannot be removed
 * stays for the next call. */
enum atr_status remove_emptied(struct atr_store *store, int at_once, struct atr_error *err);
/* The same for those that were the active one. Takes the locks itself. */
void remove_sweep(struct atr_store *store);
void remove_close(struct atr_store *store);

/* ---- limits.c ---- */

/* store->limits and compress from a stream configuration. */
void limits_read(struct atr_store *store, const json_t *config);
/* Before a message is appended: ATR_ELIMIT with the server's text. remove_lock and append_lock
 * held, which may be released. */
enum atr_status limits_admit(struct atr_store *store, const struct atr_message *m,
                             struct atr_error *err);
/* After a message of that subject was appended. A record that cannot be read stops it. */
void limits_enforce(struct atr_store *store, const struct atr_message *m);
/* All limits, after recovery. Nobody else has the store yet. */
enum atr_status limits_enforce_all(struct atr_store *store, struct atr_error *err);

/* ---- flusher.c ---- */

enum atr_status flusher_open(struct atr_store *store, struct atr_error *err);
/* Writes what is pending unless the store is poisoned, then stops. NULL allowed. */
void flusher_close(struct flusher *flusher);
/* append_lock held by the caller in the following.
 * Waits (releasing the lock) until there is room for one more record. */
void flusher_wait_room(struct flusher *flusher);
/* Where the next `bytes` bytes of the active block go; valid until flusher_commit. NULL when
 * memory is out. */
uint8_t *flusher_reserve(struct flusher *flusher, size_t bytes);
/* They are there; the last laid->bytes of them are a record that is laid and still to be finished.
 * Returns 1 when the caller should flusher_wake after it released the lock. */
int flusher_commit(struct flusher *flusher, size_t bytes, const struct atr_laid *laid);
void flusher_wake(struct flusher *flusher);
/* The active block gets no more bytes. Before its hash key changes. */
void flusher_end_block(struct flusher *flusher);
/* Waits until all that was committed is written; 0 when the store is poisoned before. */
int flusher_drain(struct flusher *flusher);
/* 1 when nothing of that block is left to write. */
int flusher_has_written(struct flusher *flusher, uint64_t number);
/* How much of that block's file is written, at least. */
uint64_t flusher_written_bytes(struct flusher *flusher, uint64_t number);

#endif
