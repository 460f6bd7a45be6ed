/* store.h - the file store: one stream directory, open for reading and appending.
 *
 * Byte-compatible with nats-server: <store_dir>/jetstream/<ACCOUNT>/streams/<STREAM>/. One
 * process at a time (flock); a server that still runs on the directory is the caller's fault,
 * since it takes no lock, but is looked for.
 *
 * A message is *acknowledged* when atr_store_append returns ATR_OK: under ATR_FLUSH_EACH it is
 * written to the file, under ATR_FLUSH_ASYNC it is in memory and written by the flusher, at the
 * latest by atr_store_flush. It is *durable* after the sync that the policy owes.
 */
#ifndef ATREST_STORE_STORE_H
#define ATREST_STORE_STORE_H

#include "ciphers/cipher.h"
#include "store/file.h"
#include "store/record.h"
#include "store/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct atr_store;  /* one open stream; append, flush, sync from any thread */
struct atr_reader; /* one reading position; one thread at a time, many per store */

enum atr_flush {
	ATR_FLUSH_EACH = 0, /* one write per record before append returns */
	ATR_FLUSH_ASYNC     /* coalesced by a flusher; append waits above 4 MiB pending */
};

enum atr_sync {
	ATR_SYNC_INTERVAL = 0, /* fsync every sync_interval_ns when something changed */
	ATR_SYNC_ALWAYS,       /* fsync before append returns; flush is then ATR_FLUSH_EACH */
	ATR_SYNC_NONE          /* never, not even at close */
};

enum atr_read {
	ATR_READ_BLOCK = 0, /* a get reads and deciphers the whole block, as the server does */
	ATR_READ_RECORD     /* only the record's bytes, once the block's offsets are known */
};

/* What happens to blocks that are not under the store's cipher when it is opened. Metadata is
 * always brought under the current cipher and key, and so are the key files of blocks. */
enum atr_existing_blocks {
	ATR_EXISTING_KEEP = 0, /* stay as they are, readable; new ones get the new cipher */
	ATR_EXISTING_CONVERT /* are rewritten, each atomically, before open returns; one with damage
	                        stays, and recovery tells of it */
};

/* How deletions stand in the blocks. Without deletions both are the same. */
enum atr_format {
	ATR_FORMAT_2_10 = 0, /* tombstones are appended, index.db version 1 is written */
	ATR_FORMAT_2_9       /* no tombstones, no index.db: a block with deletions is rewritten with
	                        placeholders, in batches, at the latest at close */
};

#define ATR_BLOCK_BYTES_DEFAULT           (UINT64_C(2) * 1024 * 1024)
#define ATR_BLOCK_BYTES_SERVER            UINT64_MAX /* the server's rule */
#define ATR_SYNC_INTERVAL_NS_DEFAULT      (UINT64_C(120) * 1000000000)
#define ATR_KEY_AHEAD_DEFAULT             16
#define ATR_KEYSTREAM_AHEAD_BYTES_DEFAULT (16 * 1024)

/* Zero is the default of each. Borrowed during create and open only; keys are copied into
 * secret memory. */
struct atr_store_options {
	const struct atr_file_table *files; /* NULL: the real file system */
	const char *account;                /* NULL: from the path, else "$G" */
	const char *stream;                 /* NULL: last part of the path */
	const struct atr_cipher *cipher;    /* NULL: none */
	const uint8_t *key;                 /* server key, raw; needed when cipher encrypts */
	size_t key_bytes;
	const uint8_t *prev_key;
	size_t prev_key_bytes;
	const char *config_json; /* create: members of the stream configuration (JSON object);
	                            what is missing gets the server's default */
	enum atr_flush flush;
	enum atr_sync sync;
	uint64_t sync_interval_ns; /* 0: 2 min */
	uint64_t block_bytes;      /* 0: 2 MiB; ATR_BLOCK_BYTES_SERVER */
	enum atr_read read;
	int32_t key_ahead;             /* 0: 16; -1: none, the server's way */
	int64_t keystream_ahead_bytes; /* 0: 16 KiB; -1: none; each only */
	enum atr_existing_blocks existing_blocks;
	enum atr_format format;
};

struct atr_store_state {
	uint64_t messages;  /* live */
	uint64_t bytes;     /* sum of their record lengths */
	uint64_t first_seq; /* 1 for a stream that never had a message */
	uint64_t last_seq;
	uint64_t deleted; /* sequences in first..last without a message */
	uint64_t blocks;
};

/* What the store did since create or open; for the harness's columns. */
struct atr_store_counters {
	uint64_t writes;        /* pwrite calls on block files */
	uint64_t written_bytes; /* all files */
	uint64_t syncs;         /* fsync calls */
	uint64_t keys_made;
	uint64_t key_wait_ns; /* appends waiting for a block key */
	uint64_t blocks_made;
};

/* What recovery saw that a caller should know, as findings of `stream verify` would say it. */
struct atr_store_recovery {
	uint64_t torn_tail_bytes; /* of the last block; it is left as it is, appending goes on in
	                             a new block */
	uint64_t damaged_records; /* skipped in the middle */
	uint64_t keyless_blocks; /* set aside: <n>.blk without its key file in an encrypted store */
	char first_damage[512];  /* file:offset: text, "" if none */
};

/* Creates the directory (and its parents) and an empty stream. ATR_EEXISTS when dir has a
 * meta.inf. *out is NULL unless ATR_OK. */
enum atr_status atr_store_create(const char *dir, const struct atr_store_options *options,
                                 struct atr_store **out, struct atr_error *err);

/* Opens an existing stream and recovers it, from an index.db that fits or from the blocks. First an
 * exchange of files that a crash interrupted is finished; where options say so the stream is
 * brought under another cipher or key; then the limits of its configuration are applied. But for
 * these nothing on disk is changed. Wrong key: ATR_EAUTH and nothing changed, but for such an
 * exchange of its metadata. */
enum atr_status atr_store_open(const char *dir, const struct atr_store_options *options,
                               struct atr_store **out, struct atr_error *err);

/* Appends; m->sequence 0 takes the next sequence, above last + 1 makes the ones between
 * deleted, not above last is ATR_EINVAL. *sequence (NULL allowed) receives it. Allocates
 * nothing per message. The subject must not be empty; whether its syntax is a subject's, and the
 * headers a header block, is the caller's care. */
enum atr_status atr_store_append(struct atr_store *store, const struct atr_message *m,
                                 uint64_t *sequence, struct atr_error *err);

/* ---- removing ----
 *
 * Durable as an append is: a removal is acknowledged when the call returns and survives whatever
 * the sync policy covers. The last sequence never goes back. */

/* Removes one message; its record stays in the block until the block is rewritten. ATR_ENOTFOUND.
 */
enum atr_status atr_store_delete(struct atr_store *store, uint64_t sequence, struct atr_error *err);

/* Removes one message so that nothing of it is left in the files of the stream: its block is
 * rewritten, under a cipher with a new key. (Servers only delete under a cipher.) ATR_ENOTFOUND. */
enum atr_status atr_store_erase(struct atr_store *store, uint64_t sequence, struct atr_error *err);

/* All zero: every message. What is given is combined, as the server's purge request does. */
struct atr_purge {
	const char *subject;     /* NULL: all; wildcards allowed */
	uint64_t below_sequence; /* only messages with a lower sequence; 0: no bound */
	uint64_t keep; /* the newest so many of those matching stay; not with below_sequence */
};

/* *purged (NULL allowed) receives the number of messages removed. */
enum atr_status atr_store_purge(struct atr_store *store, const struct atr_purge *purge,
                                uint64_t *purged, struct atr_error *err);

/* Removes everything below sequence, which becomes the first (the server's Compact). Above the last
 * sequence: all, and the next message gets `sequence`. */
enum atr_status atr_store_compact(struct atr_store *store, uint64_t sequence, uint64_t *purged,
                                  struct atr_error *err);

/* Removes everything above sequence: the last sequence becomes `sequence` (the one call that takes
 * it back; a replica's log needs it). Nobody may append meanwhile: that message might go too.
 * ATR_ENOTFOUND when no message has that sequence. */
enum atr_status atr_store_truncate(struct atr_store *store, uint64_t sequence,
                                   struct atr_error *err);

/* Rewrites the blocks in which deleted records outweigh live ones (with all != 0: that have any),
 * each under a new key, atomically. ATR_EFORMAT: a damaged block stayed, the others are done. */
enum atr_status atr_store_compact_blocks(struct atr_store *store, int all, struct atr_error *err);

/* Applies max_age as of now; append, open and the sync timer do so themselves. */
enum atr_status atr_store_expire(struct atr_store *store, uint64_t *expired, struct atr_error *err);

/* ---- subjects ---- */

/* Live messages per subject that matches filter (NULL: all), in no order. name is valid during the
 * call only. A non-zero return of each ends the listing. ATR_OK. */
typedef int atr_store_subject_fn(void *arg, const char *name, size_t name_bytes, uint64_t messages);
enum atr_status atr_store_subjects(struct atr_store *store, const char *filter,
                                   atr_store_subject_fn *each, void *arg, struct atr_error *err);

/* ---- consumers ---- */

/* Makes obs/<name>/ with meta files and an o.dat. config_json: members of the consumer
 * configuration, what is missing gets the server's default. ATR_EEXISTS. */
enum atr_status atr_store_consumer_create(struct atr_store *store, const char *name,
                                          const char *config_json, struct atr_error *err);
enum atr_status atr_store_consumer_delete(struct atr_store *store, const char *name,
                                          struct atr_error *err);
/* deliveries: 1 for the first one of that message. Kept in memory and written by sync and close. */
enum atr_status atr_store_consumer_delivered(struct atr_store *store, const char *name,
                                             uint64_t consumer_seq, uint64_t stream_seq,
                                             uint64_t deliveries, int64_t time_ns,
                                             struct atr_error *err);
/* As the server's UpdateAcks: under ack policy "all" everything up to it, under "explicit" that
 * message; the floors move up over what is no longer pending. ATR_ENOTFOUND: not pending. */
enum atr_status atr_store_consumer_ack(struct atr_store *store, const char *name,
                                       uint64_t consumer_seq, uint64_t stream_seq,
                                       struct atr_error *err);
struct atr_store_consumer_state {
	uint64_t delivered_consumer_seq, delivered_stream_seq;
	uint64_t ack_floor_consumer_seq, ack_floor_stream_seq;
	uint64_t num_ack_pending, num_redelivered;
};
enum atr_status atr_store_consumer_state(struct atr_store *store, const char *name,
                                         struct atr_store_consumer_state *out,
                                         struct atr_error *err);

/* ---- flush, sync, close ---- */

/* Returns when everything acknowledged before the call is written (not synced). */
enum atr_status atr_store_flush(struct atr_store *store, struct atr_error *err);
/* Flush, then fsync of every changed file and of the directory. */
enum atr_status atr_store_sync(struct atr_store *store, struct atr_error *err);
/* Flush, sync unless ATR_SYNC_NONE, stop the threads, wipe keys, unlock. store is gone after
 * this, whatever is returned. NULL is ATR_OK. */
enum atr_status atr_store_close(struct atr_store *store, struct atr_error *err);

void atr_store_state(struct atr_store *store, struct atr_store_state *out);
void atr_store_counters(struct atr_store *store, struct atr_store_counters *out);
void atr_store_recovery(const struct atr_store *store, struct atr_store_recovery *out);
/* Fills the pool of keys made ahead, so that a timed region starts with it full. */
enum atr_status atr_store_fill_keys(struct atr_store *store, struct atr_error *err);

enum atr_status atr_reader_open(struct atr_store *store, struct atr_reader **out,
                                struct atr_error *err);
/* The message with that sequence. Pointers in *m are valid until the reader's next call.
 * Every record hash is verified. ATR_ENOTFOUND, ATR_EFORMAT, ATR_EAUTH. */
enum atr_status atr_reader_get(struct atr_reader *reader, uint64_t sequence, struct atr_message *m,
                               struct atr_error *err);
/* The first live message at or above sequence; sequential use reads each block once, in pieces.
 * ATR_END when there is none. */
enum atr_status atr_reader_next(struct atr_reader *reader, uint64_t sequence, struct atr_message *m,
                                struct atr_error *err);
/* The first live message at or above sequence whose subject matches filter (wildcards allowed).
 * ATR_END when there is none. */
enum atr_status atr_reader_next_matching(struct atr_reader *reader, const char *filter,
                                         uint64_t sequence, struct atr_message *m,
                                         struct atr_error *err);
/* The newest live message whose subject matches filter (wildcards allowed). ATR_ENOTFOUND. */
enum atr_status atr_reader_last(struct atr_reader *reader, const char *filter,
                                struct atr_message *m, struct atr_error *err);
void atr_reader_close(struct atr_reader *reader);

/* "<store_dir>/jetstream/<account>/streams/<stream>" into path. Returns 0, -1 if it does not
 * fit. */
int atr_store_path(char *path, size_t path_bytes, const char *store_dir, const char *account,
                   const char *stream);

#ifdef __cplusplus
}
#endif
#endif
