/* footprint.h - bytes and files of a stream on disk, from the format alone.
 *
 * For planning: nothing is opened or measured. Allocated space is the file system's affair; each
 * file costs at least one of its blocks there.
 */
#ifndef ATREST_STORE_FOOTPRINT_H
#define ATREST_STORE_FOOTPRINT_H

#include <stddef.h>
#include <stdint.h>

#include "ciphers/cipher.h"

#ifdef __cplusplus
extern "C" {
#endif

struct atr_footprint {
	uint64_t blk_bytes, blk_files;   /* msgs/N.blk */
	uint64_t key_bytes, key_files;   /* msgs/N.key, meta.key */
	uint64_t meta_bytes, meta_files; /* meta.inf, meta.sum */
};

/* Bytes of a message's record; headers_bytes 0 = none. */
uint64_t atr_footprint_record_bytes(uint64_t subject_bytes, uint64_t headers_bytes,
                                    uint64_t payload_bytes);

/* A stream of messages records of record_bytes each, appended without deletes.
 *
 * block_bytes   largest block file (store.h); a longer record has a block of its own.
 * config_bytes  meta.inf in clear text.
 */
void atr_footprint_stream(const struct atr_cipher *cipher, uint64_t block_bytes, uint64_t messages,
                          uint64_t record_bytes, uint64_t config_bytes, struct atr_footprint *out);

#ifdef __cplusplus
}
#endif
#endif
