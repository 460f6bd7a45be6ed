/* block.h - one <n>.blk file: reading it record by record, appending to it.
 *
 * Byte i of the file is XORed with byte i of the key stream of (seed, nonce) of <n>.key,
 * always. A walk reads the file in pieces of 256 KiB, deciphers each piece while it is in the
 * L2 cache, and yields records; memory does not depend on the size of the block. A compressed
 * block (store/s2.h) is read and decompressed as a whole, 64 MiB at most, when it is opened;
 * offsets are then those in the decompressed block, and the texts of errors say so.
 */
#ifndef ATREST_STORE_BLOCK_H
#define ATREST_STORE_BLOCK_H

#include "store/file.h"
#include "store/keyfile.h"
#include "store/record.h"

/* What a compressed block may hold: the largest block and the largest record together, and some.
 * A larger size is damage. */
#define ATR_DECOMPRESSED_BYTES_MAX ((size_t)64 * 1024 * 1024)
/* So much of a block's start tells whether it is compressed (atr_s2_is_compressed). */
#define ATR_BLOCK_START_BYTES 64u

/* Where a stream's blocks are and under which names its keys and hashes are derived. */
struct atr_block_home {
	const struct atr_file_table *files;
	const char *msgs_path; /* <stream directory>/msgs */
	const char *account;
	const char *stream;
	const struct atr_keyring *ring;
	const struct atr_cipher *prefer; /* provider to read with; NULL = default */
};

/* Reads and opens <n>.key. ATR_ENOTFOUND: there is none; ATR_ENOKEY, ATR_EAUTH, ATR_EFORMAT as
 * atr_keyfile_open. *out is wiped unless ATR_OK; the caller wipes it. */
enum atr_status atr_block_read_key(const struct atr_block_home *home, uint64_t number,
                                   struct atr_seed *out, struct atr_error *err);

struct atr_walk; /* one open block being read; one thread at a time */

/* Opens block number for reading: key file (absent = clear text), then the block file.
 *
 * Returns ATR_OK; ATR_ENOTFOUND, no block file; ATR_ENOKEY, ATR_EAUTH, ATR_EFORMAT, key file;
 * ATR_EFORMAT at offset 0 of the block file, a compressed block is damaged; ATR_EUNSUPPORTED,
 * compressed with another algorithm than S2. *out is NULL unless ATR_OK.
 */
enum atr_status atr_walk_open(const struct atr_block_home *home, uint64_t number,
                              struct atr_walk **out, struct atr_error *err);

/* A walk that has no block yet: reopen comes first. */
enum atr_status atr_walk_new(const struct atr_block_home *home, struct atr_walk **out,
                             struct atr_error *err);

/* Goes on with another block of the same home: buffer and key stream context are used again,
 * so that reading many blocks allocates nothing per block. After a failure only this,
 * atr_walk_file_bytes (0: not known) and close may be called. */
enum atr_status atr_walk_reopen(struct atr_walk *walk, uint64_t number, struct atr_error *err);

/* The same, not looking at what the file has behind limit_bytes: of a block that is being
 * appended to only what is known to be whole records may be read. Of a compressed block all of the
 * file is needed. */
enum atr_status atr_walk_reopen_to(struct atr_walk *walk, uint64_t number, uint64_t limit_bytes,
                                   struct atr_error *err);

/* Moves that limit as the block grows; not below what was read. A compressed one does not. */
void atr_walk_limit(struct atr_walk *walk, uint64_t file_bytes);

/* The next record. Pointers in *out are valid until the next call.
 *
 * Returns ATR_OK; ATR_END, the file ended between two records; ATR_EFORMAT, the record at
 * atr_walk_offset() is damaged or cut (err names file and offset), after which every call
 * returns the same, unless atr_walk_resync finds a later record.
 */
enum atr_status atr_walk_next(struct atr_walk *walk, struct atr_record *out, struct atr_error *err);

/* After ATR_EFORMAT: steps past the damaged record by its own length word when a record with a
 * valid hash starts there, else searches forward byte by byte for the next valid record.
 * Returns ATR_OK, the walk continues there; ATR_END, none up to the end of the file. */
enum atr_status atr_walk_resync(struct atr_walk *walk, struct atr_error *err);

/* After ATR_EFORMAT: 1 when the file ends inside the record there, as a torn write leaves it (never
 * in a compressed block, which is written whole). */
int atr_walk_is_cut(const struct atr_walk *walk);

/* Offset of the record last returned (or of the damage), in the file or in the decompressed
 * block. */
uint64_t atr_walk_offset(const struct atr_walk *walk);
/* Positions the walk at a record that starts at offset. */
void atr_walk_seek(struct atr_walk *walk, uint64_t offset);

uint64_t atr_walk_file_bytes(const struct atr_walk *walk); /* as stored */
uint64_t atr_walk_end(const struct atr_walk *walk); /* of the records: what offsets go up to */
int atr_walk_is_compressed(const struct atr_walk *walk);
/* NULL = the block is clear text; else the seed with its cipher, valid until close. */
const struct atr_seed *atr_walk_seed(const struct atr_walk *walk);
/* Last 8 bytes of the deciphered file (the hash of its last record): what idx and index.db
 * call lchk. ATR_EFORMAT when the file is shorter. */
enum atr_status atr_walk_last_check(struct atr_walk *walk, uint8_t lchk[8], struct atr_error *err);
/* Closes, wipes key material. NULL allowed. Keeps nothing. */
void atr_walk_close(struct atr_walk *walk);

#endif
