/* blockout.h - a whole block file written anew, under a key of its own.
 *
 * What every rewrite, conversion and restore uses: no byte of a key stream ever covers two
 * plaintexts, since each output has a fresh seed and nonce. The key file is written and synced
 * before the first byte of the block.
 *
 *   atr_blockout_open      <n>.key (encrypted) and <n>.blk, under the given suffix
 *   atr_blockout_put       records, in ascending sequence
 *   atr_blockout_finish    compressed if asked for, written, synced, closed
 *   atr_blockout_discard   both files removed
 */
#ifndef ATREST_STORE_BLOCKOUT_H
#define ATREST_STORE_BLOCKOUT_H

#include "store/block.h"

struct atr_blockout;

struct atr_blockout_options {
	const struct atr_block_home
	        *home;                   /* msgs_path is where the files are made; ring.key seals */
	const struct atr_cipher *cipher; /* of the new block; none: no key file */
	uint64_t number;
	const char *suffix; /* behind "<n>.blk" and "<n>.key": "" or ".tmp" */
	int compress;       /* as an s2 block; nothing is written before finish */
	int sync;
};

enum atr_status atr_blockout_open(const struct atr_blockout_options *options,
                                  struct atr_blockout **out, struct atr_error *err);

/* m->sequence is the sequence word, kind bits included. */
enum atr_status atr_blockout_put(struct atr_blockout *out, const struct atr_message *m,
                                 struct atr_error *err);

struct atr_blockout_result {
	uint64_t file_bytes; /* of the block file */
	uint64_t records;
	uint8_t lchk[ATR_HASH_BYTES];
};

/* out is gone after this, whatever is returned; on failure so are its files. */
enum atr_status atr_blockout_finish(struct atr_blockout *out, struct atr_blockout_result *result,
                                    struct atr_error *err);
void atr_blockout_discard(struct atr_blockout *out); /* NULL allowed */

#endif
