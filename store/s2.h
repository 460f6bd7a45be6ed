/* s2.h - S2: what servers compress blocks and snapshots with.
 *
 *   framed  ff 06 00 00 "S2sTwO" (or "sNaPpY"), then chunks: type(1) || length(3, LE) || body
 *           0x00 CRC(4) || block, 0x01 CRC(4) || raw bytes, 0xfe and 0x80-0xfd skipped
 *   CRC     CRC-32C of the uncompressed bytes, masked
 *   block   uvarint length || Snappy elements; a copy of kind 1 with offset 0 repeats the offset
 *           before it (S2 only)
 *   file    "cmp" || algorithm (0, 1 = S2) || uvarint original size || framed (all but the last 8
 *           bytes of the original) || those 8 bytes                        a compressed <n>.blk
 *
 * Written are raw Snappy blocks, which every S2 reader takes.
 * Source: S2 format description of klauspost/compress; nats-server server/store.go,
 * StoreCompression.
 */
#ifndef ATREST_STORE_S2_H
#define ATREST_STORE_S2_H

#include <stddef.h>
#include <stdint.h>

#include "store/status.h"

/* ---- a block file's content ---- */

/* True when the deciphered content of a block file is a compressed one. first_bytes: that are
 * there, of file_bytes; whether an uncompressed block begins so (record of 7,368,035 bytes) is
 * decided by whether it could be a record. */
int atr_s2_is_compressed(const uint8_t *content, size_t first_bytes, uint64_t file_bytes);

/* *out is malloc'd, *out_bytes long (the original size), owned by the caller. ATR_EFORMAT with *why
 * (a constant text); ATR_EUNSUPPORTED, another algorithm; ATR_ENOMEM. limit_bytes bounds what a
 * damaged size may allocate. */
enum atr_status atr_s2_decompress_block(const uint8_t *content, size_t bytes, size_t limit_bytes,
                                        uint8_t **out, size_t *out_bytes, const char **why);
/* The other way. At least 8 bytes. */
enum atr_status atr_s2_compress_block(const uint8_t *content, size_t bytes, uint8_t **out,
                                      size_t *out_bytes);

/* ---- a framed stream, piece by piece ---- */

/* Takes what comes out (writer: framed bytes; reader: plain bytes). Not ATR_OK ends the work. */
typedef enum atr_status atr_s2_sink_fn(void *arg, const uint8_t *bytes, size_t count);

struct atr_s2_writer;
struct atr_s2_writer *atr_s2_writer_new(atr_s2_sink_fn *sink, void *arg);
enum atr_status atr_s2_write(struct atr_s2_writer *w, const uint8_t *bytes, size_t count);
enum atr_status atr_s2_writer_finish(struct atr_s2_writer *w); /* what is pending; frees */

struct atr_s2_reader;
struct atr_s2_reader *atr_s2_reader_new(atr_s2_sink_fn *sink, void *arg);
/* Any split of the input. ATR_EFORMAT with *why. */
enum atr_status atr_s2_feed(struct atr_s2_reader *r, const uint8_t *bytes, size_t count,
                            const char **why);
/* ATR_EFORMAT when the input ended inside a chunk. Frees. */
enum atr_status atr_s2_reader_finish(struct atr_s2_reader *r, const char **why);

#endif
