/* inspect.h - stream directories that no process writes: what is in them, and is it whole?
 *
 * Reads what nats-server 2.9 to 2.15 or the store of this project left, never writes, truncates
 * or renames, convert and repair excepted. A damaged place costs what it holds: it is reported as a
 * *finding* and reading goes on behind it.
 *
 *   atr_discover            which streams lie below a directory
 *   atr_inspect_open        one of them: lock, keys, configuration, which messages live
 *   atr_inspect_next        its live messages, in ascending sequence
 *   ..._next_deleted, _state, _consumer, _block
 *   atr_inspect_verify      everything above, and every other file
 *   atr_audit               what none of this protects against
 *   atr_convert             the same messages under another cipher or key
 *   atr_repair              makes a damaged stream whole
 *
 * One thread at a time per struct atr_inspect.
 */
#ifndef ATREST_STORE_INSPECT_H
#define ATREST_STORE_INSPECT_H

#include "store/store.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- which streams ---- */

/* All pointers are valid during the call only. */
struct atr_place {
	const char *dir; /* stream directory */
	const char *account;
	const char *stream;
};

/* A status other than ATR_OK ends the search and is returned. */
typedef enum atr_status atr_place_fn(void *arg, const struct atr_place *place,
                                     struct atr_error *err);

/* Calls each for the streams below dir, in order of account and stream name. dir (absolute, or
 * account and stream cannot be taken from it) is a store_dir, its jetstream/, an account or a
 * stream directory.
 *
 * account, stream  NULL, or: in a stream directory whose path does not name them, its names;
 *                  elsewhere only these are visited. A stream directory named by its path is
 *                  not visited when they differ.
 *
 * Returns ATR_OK, also when there is no stream; ATR_ENOTSTORE, dir is none of the four;
 * ATR_EREADONLY, ATR_EIO; what each returned.
 */
enum atr_status atr_discover(const struct atr_file_table *files, const char *dir,
                             const char *account, const char *stream, atr_place_fn *each, void *arg,
                             struct atr_error *err);

/* ---- findings ---- */

enum atr_finding_kind {
	ATR_FINDING_NOTE,        /* nothing is wrong, or nothing is lost by it */
	ATR_FINDING_DAMAGE,      /* changed, cut or missing bytes; wrong key for one file */
	ATR_FINDING_CLEAR,       /* clear text, or another cipher, where one was promised */
	ATR_FINDING_UNSUPPORTED, /* a newer version or a form not read yet */
	ATR_FINDING_SYSTEM       /* could not be read: permission, I/O error */
};

struct atr_finding {
	enum atr_finding_kind kind;
	const char *path;  /* file concerned */
	int64_t offset;    /* byte in it, -1 if it does not apply */
	uint64_t sequence; /* message concerned, 0 if it does not apply */
	const char *text;  /* what was found, what was expected */
};

typedef void atr_finding_fn(void *arg, const struct atr_finding *finding);

/* "note", "damage", "clear text", "not supported", "system". */
const char *atr_finding_text(enum atr_finding_kind kind);

/* ---- one stream ---- */

struct atr_inspect;

struct atr_inspect_options {
	const struct atr_file_table *files; /* NULL: the real file system */
	const char *account;                /* NULL: "$G" */
	const char *stream;                 /* NULL: last part of the path */
	const uint8_t *key;                 /* server key, raw; borrowed until close */
	size_t key_bytes;
	const uint8_t *prev_key; /* borrowed until close */
	size_t prev_key_bytes;
	const struct atr_cipher *prefer; /* provider to read with; NULL = default */
	int allow_clear;  /* clear-text blocks, idx and index.db are notes: a stream in migration */
	int without_meta; /* meta files that are damaged or missing are findings; the rest is read
	                     as far as that goes without their seed: index.db is not opened, and
	                     the configuration is {} */
	atr_finding_fn *finding; /* NULL: not told; called once per finding */
	void *finding_arg;
	int exclusive; /* lock it as a writer does: for atr_convert */
};

/* Takes a shared lock, opens the meta files and finds out which messages live: from index.db if
 * it fits the blocks, else per block from its idx if that fits, else from all records without
 * those that a tombstone names (then every block is read once here).
 *
 * Returns ATR_OK; ATR_ENOTSTORE; ATR_ENOKEY; ATR_EAUTH, wrong key or damaged meta files;
 * ATR_EFORMAT, damaged meta files; ATR_ELOCKED, a process writes there; ATR_EIO ...; ATR_ENOMEM.
 * *out is NULL unless ATR_OK. Damage elsewhere is a finding.
 */
enum atr_status atr_inspect_open(const char *dir, const struct atr_inspect_options *options,
                                 struct atr_inspect **out, struct atr_error *err);
void atr_inspect_close(struct atr_inspect *in); /* NULL allowed; wipes keys */

/* Strings are owned by the inspect. */
struct atr_inspect_stream {
	const char *account;
	const char *stream;
	const char *cipher;      /* of meta.key; "none" without one */
	int under_prev_key;      /* meta.key opens with the previous key only */
	const char *created;     /* as in meta.inf, "" if absent */
	const char *config_json; /* the configuration without "Created", one line */
	size_t blocks;
	size_t consumers;
};

void atr_inspect_stream(const struct atr_inspect *in, struct atr_inspect_stream *out);

struct atr_inspect_state {
	uint64_t messages, bytes, first_seq, last_seq, num_deleted; /* as the server's API says */
	int damaged; /* a block could not be read completely when the stream was opened */
};

void atr_inspect_state(const struct atr_inspect *in, struct atr_inspect_state *out);

struct atr_inspect_message {
	struct atr_message message; /* pointers are valid until the next call */
	const char *cipher;         /* of its block */
	uint64_t block;
	int maybe_deleted; /* the state file that would know is damaged */
};

/* The next live message. ATR_OK; ATR_END; ATR_ENOMEM, ATR_EMFILE, which end the reading. A
 * damaged record is a finding and is passed over, and so is one whose subject or headers do not
 * look like any: it could be wrong data. */
enum atr_status atr_inspect_next(struct atr_inspect *in, struct atr_inspect_message *out,
                                 struct atr_error *err);
void atr_inspect_rewind(struct atr_inspect *in);

/* The first run of deleted sequences, inside first..last of the stream, above `after`.
 * ATR_OK or ATR_END. */
enum atr_status atr_inspect_next_deleted(const struct atr_inspect *in, uint64_t after,
                                         uint64_t *first, uint64_t *last);

struct atr_inspect_block {
	uint64_t number, file_bytes;
	const char *cipher; /* "none": clear text; "?": key not opened yet, or not openable */
	int under_prev_key;
	uint64_t first_seq, last_seq; /* empty: first = last + 1 */
	uint64_t messages;            /* live */
	uint64_t records;             /* whole ones, read by atr_inspect_next so far */
};

/* Opens the keys of the blocks that were not opened yet, so that cipher and key of every block are
 * known. One that does not open is a finding. ATR_OK, or a status that ends the work. */
enum atr_status atr_inspect_open_keys(struct atr_inspect *in, struct atr_error *err);

/* index < blocks of the stream. */
void atr_inspect_block(const struct atr_inspect *in, size_t index, struct atr_inspect_block *out);

struct atr_inspect_consumer {
	const char *name; /* owned by the inspect */
	const char *cipher;
	int under_prev_key;
	uint64_t delivered_consumer_seq, delivered_stream_seq;
	uint64_t ack_floor_consumer_seq, ack_floor_stream_seq;
	uint64_t num_ack_pending, num_redelivered;
};

/* index < consumers of the stream. A consumer without o.dat never delivered anything. Anything
 * but ATR_OK: it cannot be read, err says why, and the finding was made (once). */
enum atr_status atr_inspect_consumer(struct atr_inspect *in, size_t index,
                                     struct atr_inspect_consumer *out, struct atr_error *err);

/* ---- verify ---- */

struct atr_verify_options {
	const char *cipher; /* promised: "chachapoly", "aes", "none"; NULL: what meta.key says */
	int encrypted;      /* promised: any cipher, so a clear stream is a finding */
};

struct atr_verify_counts {
	uint64_t blocks, records, messages, consumers;
	uint64_t clear_blocks;
	uint64_t under_prev_key; /* files */
};

/* Reads everything in the directory; findings go where open's went. ATR_OK whatever was found;
 * ATR_ENOMEM, ATR_EMFILE. */
enum atr_status atr_inspect_verify(struct atr_inspect *in, const struct atr_verify_options *options,
                                   struct atr_verify_counts *out, struct atr_error *err);

/* ---- audit: what a whole and encrypted store does not protect against ---- */

enum atr_severity { ATR_SEVERITY_INFO, ATR_SEVERITY_WARN, ATR_SEVERITY_HIGH };

/* "info", "warn", "high". */
const char *atr_severity_text(enum atr_severity severity);

/* One for all files that have the same, except where the bytes are those of one file. */
struct atr_audit_finding {
	enum atr_severity severity;
	const char *id;   /* a constant word, such as "keystream-reuse" */
	const char *path; /* file or directory; the first one when there are more */
	uint64_t files;   /* how many */
	uint64_t bytes;   /* exposed, or still there; 0 where it does not apply */
	const char *evidence, *consequence, *remedy;
};

typedef void atr_audit_fn(void *arg, const struct atr_audit_finding *finding);

struct atr_audit_options {
	const struct atr_file_table *files; /* NULL: the real file system */
	const char *stream;                 /* NULL: last part of the path */
	const char *against;                /* stream directory of another image of this stream: a
	                                       backup, a snapshot of the disk, a replica; NULL = none */
	const uint8_t *key;                 /* whose strength is estimated; NULL = not known */
	size_t key_bytes;
	atr_audit_fn *each;
	void *arg;
};

/* Reads files of the stream directory dir, tells of each finding. in: the same stream, opened;
 * NULL (no key) leaves out what only the deciphered blocks show.
 *
 * Exposed bytes of two images are the places at which their ciphertexts differ under one key
 * stream: there the XOR of the plaintexts is known to whoever has both.
 *
 * ATR_OK whatever was found; ATR_ENOMEM, ATR_EMFILE; ATR_ENOTSTORE, dir or against is no directory.
 */
enum atr_status atr_audit(const char *dir, struct atr_inspect *in,
                          const struct atr_audit_options *options, struct atr_error *err);

/* How many bits of guessing a server key is worth at most, from the kinds and runs of its
 * characters: 0 for none. *words is 1 when it looks like words, digits and separators. */
double atr_audit_key_bits(const uint8_t *key, size_t key_bytes, int *words);

/* ---- convert ---- */

/* What a conversion may be made for: which servers have to read it. */
enum atr_convert_for {
	ATR_CONVERT_AS_IS = 0, /* those that read it now */
	ATR_CONVERT_2_9, /* 2.9: nothing compressed, no members of meta.inf that it does not know */
	ATR_CONVERT_2_10 /* 2.10 and newer */
};

enum atr_convert_step { ATR_CONVERT_COPYING, ATR_CONVERT_VERIFYING, ATR_CONVERT_REMOVING };

/* done of whole bytes of the stream's blocks, in this step. */
typedef void atr_convert_progress_fn(void *arg, enum atr_convert_step step, uint64_t done,
                                     uint64_t whole);

struct atr_convert_options {
	const struct atr_cipher *cipher; /* of everything afterwards; NULL: the stream's */
	enum atr_convert_for wanted_for;
	int dry_run;                       /* reads everything, changes nothing */
	int anew;                          /* rewrites what is as asked already, too */
	atr_convert_progress_fn *progress; /* NULL allowed; called about once per MiB */
	void *progress_arg;
};

/* Texts are constant. */
struct atr_convert_result {
	int already;  /* it was as asked: nothing was changed */
	int finished; /* an interrupted conversion was complete, and its old files are gone now */
	int resumed;  /* an interrupted conversion was continued: blocks_kept are from it */
	const char *from, *to; /* ciphers; from is "mixed" when the blocks have several */
	int rotated;           /* something was under the previous key */
	uint64_t blocks_before, blocks_after, blocks_kept;
	uint64_t bytes_before, bytes_after; /* of block files */
	uint64_t messages, consumers;
};

/* Encrypts, decrypts, changes the cipher or the key of the stream that was opened with `exclusive`:
 * everything in it is written anew into a directory beside it, each block under a key of its own,
 * read back under the key (not the previous one) and compared message by message; then the two
 * directories change places and the old one is removed. Killed at any moment, the stream opens
 * under the old or the new key with every message, and the next call goes on. After a failure the
 * stream is as it was and nothing else is left.
 *
 * Messages keep sequence, time, subject, headers and payload. Deleted sequences become placeholders
 * or gaps between blocks, so that no state file is needed to know them; blocks without messages go,
 * the last sequence stays. in is of no more use but to be closed.
 *
 * Returns ATR_OK; ATR_ENOKEY, to encrypt without a key; ATR_EFORMAT, ATR_EUNSUPPORTED, damage (the
 * findings were told) or a consumer that cannot be read; ATR_ENOSPC, with what is needed and free;
 * ATR_ELOCKED, ATR_EREADONLY, ATR_EIO ...
 */
enum atr_status atr_convert(struct atr_inspect *in, const struct atr_convert_options *options,
                            struct atr_convert_result *result, struct atr_error *err);

/* Before the stream directory is opened: where two directories cannot change places at once, a kill
 * in between leaves dir missing for the moment. Puts it (back) into place. ATR_OK also when there
 * is nothing to do. */
enum atr_status atr_convert_recover(const struct atr_file_table *files, const char *dir,
                                    struct atr_error *err);

/* ---- repair ---- */

/* One thing that is done, or with dry_run would be. */
struct atr_repair_action {
	const char *path;             /* file concerned, below the stream directory */
	uint64_t first_seq, last_seq; /* messages that are lost; 0 and 0: none that is known of */
	const char *text;
};

typedef void atr_repair_fn(void *arg, const struct atr_repair_action *action);

struct atr_repair_options {
	const struct atr_file_table *files; /* NULL: the real file system */
	const char *account;                /* NULL: "$G" */
	const char *stream;                 /* NULL: last part of the path */
	const uint8_t *key;                 /* borrowed, as in struct atr_inspect_options */
	size_t key_bytes;
	const uint8_t *prev_key;
	size_t prev_key_bytes;
	const char *config_json; /* of a stream whose meta.inf is lost; NULL: the server's defaults
	                            and the subjects that its messages have */
	int dry_run;
	atr_repair_fn *told;
	void *told_arg;
};

struct atr_repair_result {
	int changed;       /* something was, or with dry_run would be, done */
	uint64_t messages; /* that live afterwards */
	uint64_t lost;     /* sequences that were to be told */
	char aside[4096];  /* where the original is kept; "" unless changed */
};

/* Makes a damaged stream whole, at the cost of what the damage covers: damaged records are dropped
 * (their sequences become deleted ones), torn tails cut, blocks without their key set aside, state
 * files that are damaged or do not fit set aside, meta.sum written anew; a lost meta.key or
 * meta.inf is replaced, since blocks have keys of their own; an interrupted exchange of files is
 * finished. What a block keeps is written under a new key.
 *
 * It works on a copy beside the stream directory, .repair-STREAM, which is verified and then takes
 * its place; the original is kept, byte for byte, as STREAM.damaged-TIME (a name that no stream can
 * have, so that no server touches it). Killed before that nothing has changed.
 *
 * Returns ATR_OK, also when nothing is to be done; ATR_ENOKEY, ATR_EAUTH, no or a wrong key;
 * ATR_EUNSUPPORTED, something in it is not understood; ATR_EFORMAT, the copy would still be damaged
 * (nothing was changed); ATR_ELOCKED, ATR_EREADONLY, ATR_ENOSPC, ATR_EIO, ATR_ENOMEM.
 */
enum atr_status atr_repair(const char *dir, const struct atr_repair_options *options,
                           struct atr_repair_result *result, struct atr_error *err);

/* ---- messages to be written ---- */

struct atr_subjects; /* what the messages of a stream may look like */

/* config_json: the stream's configuration. NULL: it does not parse, or memory. */
struct atr_subjects *atr_subjects_new(const char *config_json);
/* NULL when a reader without state files would believe m in a stream of that configuration, else
 * a constant text: no subject, none of the stream's, no header block. */
const char *atr_subjects_doubt(const struct atr_subjects *subjects, const struct atr_message *m);
void atr_subjects_free(struct atr_subjects *subjects);

/* SHA-256 as 64 lower-case hex digits, NUL-terminated: how a payload is named in a dump. */
void atr_inspect_sha256_hex(const uint8_t *data, size_t bytes, char hex[65]);

/* ---- backup and restore ----
 *
 * The server's snapshot: one S2 framed stream of a tar with meta.inf, meta.sum, msgs/ and
 * obs/<CONSUMER>/. EVERYTHING IN IT IS CLEAR TEXT, whatever the stream's cipher. */

/* Takes the next bytes of the backup. */
typedef enum atr_status atr_backup_sink_fn(void *arg, const uint8_t *bytes, size_t count,
                                           struct atr_error *err);
/* Told now and then: messages done, of how many (0: not known). Not ATR_OK ends the work. */
typedef enum atr_status atr_progress_fn(void *arg, uint64_t messages, uint64_t of);

struct atr_backup_options {
	atr_backup_sink_fn *sink;
	void *sink_arg;
	atr_progress_fn *progress; /* NULL: not told */
	void *progress_arg;
};

/* Writes the live messages, the configuration and every consumer. Blocks are made anew, so that
 * servers from 2.9 on read them without state files: deleted sequences are placeholders.
 * ATR_EFORMAT when anything could not be read (the findings say what): the output is then worth
 * nothing. Other failures as the reading's and the sink's. */
enum atr_status atr_inspect_backup(struct atr_inspect *in, const struct atr_backup_options *options,
                                   struct atr_error *err);
/* What a restore request needs beside it, as the `nats` tool keeps it in backup.json:
 * configuration and state. malloc'd, owned by the caller; NULL: memory. */
char *atr_inspect_backup_json(struct atr_inspect *in);

struct atr_restore;

/* Puts up to `bytes` bytes of the backup to `to`; *got 0: its end. */
typedef enum atr_status atr_restore_source_fn(void *arg, void *to, size_t bytes, size_t *got,
                                              struct atr_error *err);

/* Borrowed until close. */
struct atr_restore_options {
	const struct atr_file_table *files; /* NULL: the real file system */
	atr_restore_source_fn *source;
	void *source_arg;
	/* Text of backup.json, NULL: none. An archive of 2.15 has no configuration of its own; of
	 * either kind, what was restored must be what its state says. */
	const char *backup_json;
	const struct atr_cipher *cipher; /* NULL: none */
	const uint8_t *key;
	size_t key_bytes;
	atr_progress_fn *progress; /* NULL: not told */
	void *progress_arg;
};

/* Reads the beginning. ATR_EFORMAT, no backup or damaged; ATR_EINVAL, an archive of 2.15 without
 * backup_json. *out is NULL unless ATR_OK. */
enum atr_status atr_restore_open(const struct atr_restore_options *options,
                                 struct atr_restore **out, struct atr_error *err);
/* Name of the stream in it. */
const char *atr_restore_stream(const struct atr_restore *restore);

struct atr_restore_result {
	uint64_t messages, bytes, first_seq, last_seq, consumers;
};

/* Makes the stream dir (".../<STREAM>") from it, under the cipher with keys of its own. It is
 * written to a directory beside (".restore-<STREAM>", which servers ignore), read back and
 * compared, and only then renamed; whatever fails leaves nothing. What has to be kept in between
 * of a tar is enciphered under a key that is only in memory, unless the cipher is none.
 * ATR_EEXISTS, dir is there; ATR_EFORMAT, the backup is damaged, cut or not what backup_json says;
 * others as atr_store_create. Once only. */
enum atr_status atr_restore_into(struct atr_restore *restore, const char *dir, const char *account,
                                 struct atr_restore_result *out, struct atr_error *err);
void atr_restore_close(struct atr_restore *restore); /* NULL allowed */

#ifdef __cplusplus
}
#endif
#endif
