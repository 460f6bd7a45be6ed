/* index.h - the state files: index.db of a stream, <n>.idx and <n>.fss of a block.
 *
 * All three are caches: when one is believed is decided in survey.h, for an open store in
 * recover_inner.h. Reading one never looks at a block. index.db is encoded here; an idx is written
 * by convert_copy.c and backup.c alone, of an empty block.
 *
 *   index.db   body || hash(<STREAM>)(8); encrypted: body = nonce || sealed(text)
 *   text       11 || version || uvarint messages, bytes, first seq, varint first ts,
 *              uvarint last seq, varint last ts, subjects, blocks, uvarint last block, lchk(8)
 *   idx        22 || version || uvarint messages, bytes, first seq, varint first ts, uvarint
 *              last seq, varint last ts, uvarint deleted || lchk(8) || the deleted;
 *              encrypted: sealed with seed and nonce of the block's key file
 *   fss        22 || 1 || uvarint subjects || each || hash(<STREAM>-<n>)(8) || lchk(8); clear
 *
 * lchk is the last 8 bytes of the deciphered block file.
 * Sources: nats-server server/filestore.go, writeFullState, recoverFullState, readIndexInfo,
 * readPerSubjectInfo.
 */
#ifndef ATREST_STORE_INDEX_H
#define ATREST_STORE_INDEX_H

#include "store/file.h"
#include "store/hash.h"
#include "store/keyfile.h"
#include "store/seqset.h"

/* What a believed state file says of one block. Empty block: first = last + 1. */
struct atr_index_block {
	uint64_t number;
	uint64_t bytes; /* of live records */
	uint64_t first_seq, last_seq;
	int64_t first_time_ns, last_time_ns;
	struct atr_seqset deleted; /* inside first..last */
};

struct atr_index_subject {
	const char *name; /* into the text; not NUL-terminated */
	size_t name_bytes;
	uint64_t messages;
	uint64_t first_block, last_block; /* index.db only: at or behind, at or before which */
};

struct atr_index {
	unsigned version;
	int clear; /* index.db was clear text although the stream is encrypted */
	uint64_t messages, bytes, first_seq, last_seq;
	int64_t first_time_ns, last_time_ns;
	struct atr_index_subject *subject;
	size_t subject_count;
	struct atr_index_block *block; /* ascending numbers */
	size_t block_count;
	uint64_t last_block;
	uint8_t lchk[ATR_HASH_BYTES];
	uint8_t *text; /* owned; subject names point into it */
};

/* Reads index.db (path). seed: of meta.key, NULL when the stream is clear text.
 *
 * Returns ATR_OK; ATR_ENOTFOUND; ATR_EFORMAT, hash, length or consistency; ATR_EAUTH, does not
 * open and is not clear text either; ATR_EUNSUPPORTED, a newer version. *out is empty unless
 * ATR_OK.
 */
enum atr_status atr_index_read(const struct atr_file_table *files, const char *path,
                               const struct atr_seed *seed, const char *stream,
                               struct atr_index *out, struct atr_error *err);

/* The deciphered text; takes ownership of it (malloc'd), whatever is returned. ATR_EFORMAT with
 * *why (constant text), ATR_EUNSUPPORTED, ATR_ENOMEM. */
enum atr_status atr_index_decode(uint8_t *text, size_t text_bytes, struct atr_index *out,
                                 const char **why);
void atr_index_free(struct atr_index *index);

/* Gives subject number i of subject_count; name stays valid until the next call. */
typedef void atr_index_subject_fn(void *arg, size_t i, struct atr_index_subject *out);

/* The text of version 1, which every server that knows index.db reads. Of the subjects only
 * index->subject_count is used, each comes from subject_at (NULL: from index->subject). *text is
 * malloc'd, owned by the caller, NULL unless ATR_OK. ATR_ENOMEM. */
enum atr_status atr_index_encode(const struct atr_index *index, atr_index_subject_fn *subject_at,
                                 void *arg, uint8_t **text, size_t *text_bytes);

/* The file's content from that text: sealed under seed (NULL: clear), with its hash. *content is
 * malloc'd, owned by the caller, NULL unless ATR_OK. ATR_ENOMEM, ATR_ERANDOM. */
enum atr_status atr_index_seal(const struct atr_file_table *files, const struct atr_seed *seed,
                               const char *stream, const uint8_t *text, size_t text_bytes,
                               uint8_t **content, size_t *content_bytes);

struct atr_idx {
	uint64_t messages;
	int clear; /* as in struct atr_index */
	struct atr_index_block block;
	uint8_t lchk[ATR_HASH_BYTES];
};

/* Reads an idx (path) of block number. seed: of <n>.key, NULL when the block is clear text.
 * Returns as atr_index_read. */
enum atr_status atr_idx_read(const struct atr_file_table *files, const char *path,
                             const struct atr_seed *seed, uint64_t number, struct atr_idx *out,
                             struct atr_error *err);
/* text is borrowed. */
enum atr_status atr_idx_decode(const uint8_t *text, size_t text_bytes, struct atr_idx *out,
                               const char **why);
void atr_idx_free(struct atr_idx *idx);
/* What an old server leaves of an emptied block, whose last sequence nothing else tells: the text,
 * not sealed, of an idx of no messages. Returns its bytes. */
#define ATR_IDX_EMPTY_BYTES_MAX (2 + 7 * ATR_UVARINT_BYTES_MAX + ATR_HASH_BYTES)
size_t atr_idx_encode_empty(uint64_t last_seq, uint8_t out[ATR_IDX_EMPTY_BYTES_MAX]);

struct atr_fss {
	struct atr_index_subject *subject;
	size_t subject_count;
	uint8_t lchk[ATR_HASH_BYTES];
	uint8_t *text; /* owned */
};

/* Reads an fss (path) of block number. Returns ATR_OK, ATR_ENOTFOUND, ATR_EFORMAT. */
enum atr_status atr_fss_read(const struct atr_file_table *files, const char *path,
                             const char *stream, uint64_t number, struct atr_fss *out,
                             struct atr_error *err);
/* As atr_index_decode. key NULL: the hash is not looked at. */
enum atr_status atr_fss_decode(const struct atr_hash_key *key, uint8_t *text, size_t text_bytes,
                               struct atr_fss *out, const char **why);
void atr_fss_free(struct atr_fss *fss);

#endif
