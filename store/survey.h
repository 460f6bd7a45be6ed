/* survey.h - what is in a stream directory and which of its messages live (inner).
 *
 *   1. index.db, if it opens, is consistent and fits: its last block is the last one there and
 *      ends with lchk, every listed block exists, no other one does;
 *   2. else per block its idx, if it opens and fits: lchk is the block's end (or both are empty);
 *   3. else every message record of the block, minus what tombstones (of any block) name.
 *
 * A state file that opens but does not fit is stale when the blocks went on after it (a kill);
 * when they end before it, something is missing. What it lists as deleted is then doubtful.
 * Source: nats-server server/filestore.go, recoverFullState, recoverMsgs, recoverMsgBlock.
 */
#ifndef ATREST_STORE_SURVEY_H
#define ATREST_STORE_SURVEY_H

#include "store/block.h"
#include "store/consumer.h"
#include "store/index.h"
#include "store/inspect.h"
#include "store/meta.h"
#include "store/tally.h"

struct survey_block {
	uint64_t number;
	uint64_t file_bytes;
	uint64_t first_seq, last_seq;        /* empty: first = last + 1; 0 and 0: nothing known */
	uint64_t bytes;                      /* of live records, when it was walked or listed */
	int64_t first_time_ns, last_time_ns; /* of a clear idx, 0 = not compared */
	uint64_t records;                    /* read by atr_inspect_next */
	const char *cipher;                  /* "?" until its key file was opened */
	unsigned has_blk : 1, has_key : 1, has_idx : 1, has_fss : 1;
	unsigned under_prev_key : 1;
	unsigned listed : 1; /* first, last and deletes come from a state file */
	unsigned idx_fits : 1;
	unsigned maybe_deleted : 1; /* its deletes are no longer known */
	unsigned damaged : 1;       /* the survey's walk met damage that good records follow */
	unsigned tail : 1;          /* ... or that none follows: judged when all blocks are known */
	unsigned tail_is_cut : 1;   /* ... as a torn write leaves it */
	unsigned unreadable : 1;    /* could not be opened; the finding was made */
	unsigned key_is_missing : 1; /* unreadable, since it has no key and is not clear text */
};

struct survey_consumer {
	char *name;
	int reported; /* its finding was made */
};

/* One block being read, over damage. */
struct scan {
	struct atr_walk *walk; /* reused for all blocks; NULL at first */
	uint64_t previous;     /* last sequence in this block: message or erased; 0 = none yet */
	uint64_t good;         /* records read */
	int damaged;           /* since the last good record */
	int tail;              /* the damage goes on to the end of the file: */
	int tail_is_cut;       /* ... as a torn write leaves it */
	uint64_t tail_offset, tail_bytes;
};

struct atr_inspect {
	struct atr_block_home home;
	struct atr_keyring ring;
	char *dir, *msgs_path, *account, *stream;
	char *created, *config_json;
	struct atr_meta *meta; /* secret memory */
	int lock_fd;
	atr_finding_fn *finding;
	void *finding_arg;
	uint64_t found[ATR_FINDING_SYSTEM + 1]; /* findings so far, by kind */

	struct survey_block *block;
	size_t block_count;
	struct survey_consumer *consumer;
	size_t consumer_count;

	struct atr_index index; /* subjects of a believed index.db */
	int index_fits;
	int all_maybe_deleted;
	int allow_clear;  /* clear-text blocks and state files are notes */
	int meta_is_lost; /* a stand-in is in `meta`, without a seed */
	struct atr_seqset live;
	uint64_t unfit_last_seq;    /* the highest that state files name which do not fit; clear idx
	                               apart */
	struct atr_seqset doubtful; /* deleted by a state file that does not fit */
	struct atr_inspect_state state;

	/* reading */
	struct scan scan;
	size_t at;             /* block being read */
	uint64_t bytes_before; /* in the blocks before it */
	int reading;           /* it is open */
	uint64_t last_returned;
	uint64_t live_bytes;         /* of this block's live records, so far */
	struct atr_seqset accounted; /* live sequences of this block: read, or their damage named */
	struct atr_fss fss;
	struct atr_tally block_tally, stream_tally;
	uint64_t losses; /* records that were found out as damaged, so far */
	uint64_t records, messages;
	int64_t backup_first_ns, backup_last_ns; /* times of the messages of the last backup */
};

/* Fills everything up to `state`. ATR_OK, or a status that ends the work (ATR_ENOMEM ...). */
enum atr_status survey_stream(struct atr_inspect *in, struct atr_error *err);

/* Its first part (listing.c): block files, ascending, and consumer directories, by name. What is
 * no file where one is expected is reported. */
enum atr_status survey_list_blocks(struct atr_inspect *in, struct atr_error *err);
enum atr_status survey_list_consumers(struct atr_inspect *in, struct atr_error *err);
/* Blocks without a key file in an encrypted stream that are not clear text: marked unreadable. */
enum atr_status survey_find_keyless(struct atr_inspect *in, struct atr_error *err);
/* The number of a block's file "<n>.blk", .key, .idx or .fss, without leading zeros; *suffix is
 * behind the dot. 0 for any other name. */
uint64_t survey_block_number(const char *name, const char **suffix);

/* True for the name of a directory beside that of the stream, which servers ignore: .convert-STREAM
 * and the like, STREAM.damaged-TIME. */
int survey_is_left_over(const char *stream, const char *name);

/* Reports a finding. */
void survey_find(struct atr_inspect *in, enum atr_finding_kind kind, const char *path,
                 int64_t offset, uint64_t sequence, const char *format, ...)
        __attribute__((format(printf, 6, 7)));
/* Reports err as a finding and returns ATR_OK, or returns err's status when nothing can go on
 * after it (no memory, no descriptors). */
enum atr_status survey_find_error(struct atr_inspect *in, const struct atr_error *err);

/* ---- scan.c ---- */

/* Opens a block for scanning. A block that cannot be read is reported, marked unreadable and
 * *readable is 0. */
enum atr_status scan_open(struct atr_inspect *in, struct scan *scan, struct survey_block *b,
                          int *readable, struct atr_error *err);
/* The next good record. Damage before it is handed to `damage` (NULL = not told), with the
 * offset where reading goes on, or -1 when nothing valid follows. ATR_OK, ATR_END, or a status
 * that ends the work; ATR_EIO is reported and becomes ATR_END. */
typedef void scan_damage_fn(struct atr_inspect *in, const struct atr_error *damage,
                            int64_t goes_on);
enum atr_status scan_next(struct atr_inspect *in, struct scan *scan, struct atr_record *record,
                          scan_damage_fn *damage, struct atr_error *err);
/* What follows the text of a finding with an offset in the open block: "" when that is one in the
 * file, else that it is one in the decompressed block. */
const char *scan_where(const struct scan *scan);

/* The last sequence before the end of block `at`: previous, or when that is 0 the last one of the
 * blocks before. */
uint64_t scan_last_before(const struct atr_inspect *in, size_t at, uint64_t previous);
/* True when damage up to the end of block `at` is a torn tail that lost no message. previous: the
 * last sequence before it in this block, 0 = none. */
int scan_tail_lost_nothing(const struct atr_inspect *in, size_t at, uint64_t previous, int is_cut);

/* The first `count` blocks are not read by atr_inspect_next in this pass; what would need them is
 * not compared. */
void survey_skip_blocks(struct atr_inspect *in, size_t count);

/* The three files and o.dat of a consumer. text is the deciphered o.dat, malloc'd; NULL: there is
 * none. The caller frees meta (atr_meta_free) also after a failure. */
enum atr_status survey_read_consumer(struct atr_inspect *in, const char *name,
                                     struct atr_meta *meta, uint8_t **text, size_t *text_bytes,
                                     struct atr_error *err);
/* The same, decoded; the caller frees both, also after a failure. */
enum atr_status survey_read_consumer_state(struct atr_inspect *in, const char *name,
                                           struct atr_meta *meta, struct atr_consumer_state *state,
                                           struct atr_error *err);

/* "<msgs>/<number>.<suffix>". */
void survey_block_path(const struct atr_inspect *in, uint64_t number, const char *suffix,
                       char *path, size_t path_bytes);

#endif
