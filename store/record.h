/* record.h - one message <-> bytes.
 *
 *   off  size  field
 *   0    4     length word: whole record; bit 31 set = record has headers
 *   4    8     sequence word
 *   12   8     timestamp, signed ns since 1970-01-01 UTC
 *   20   2     subject length S
 *   22   S     subject
 *        4+H   header length, headers            only when bit 31 is set
 *        P     payload
 *        8     HighwayHash-64 of bytes 4..19 || subject || headers || payload
 *
 * The hash library takes one run of bytes, so sequence and timestamp (with headers: the subject
 * too) are laid directly before what follows, hashed, and then moved to their real place.
 */
#ifndef ATREST_STORE_RECORD_H
#define ATREST_STORE_RECORD_H

#include "store/hash.h"
#include "store/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ATR_RECORD_BYTES_MIN   30u                   /* 22 + 8 */
#define ATR_RECORD_BYTES_MAX   (32u * 1024u * 1024u) /* the server accepts no longer one */
#define ATR_SUBJECT_BYTES_MAX  65535u
#define ATR_SEQUENCE_ERASED    (UINT64_C(1) << 63) /* placeholder or securely erased */
#define ATR_SEQUENCE_TOMBSTONE (UINT64_C(1) << 62) /* the low bits name a deleted sequence */
#define ATR_SEQUENCE_MAX       (ATR_SEQUENCE_TOMBSTONE - 1)

/* A message as callers see it. Pointers are borrowed; subject is not NUL-terminated. */
struct atr_message {
	uint64_t sequence; /* append: 0 = the next one */
	int64_t time_ns;   /* append: 0 = now */
	const char *subject;
	size_t subject_bytes;
	const uint8_t *headers; /* whole header block "NATS/1.0\r\n...\r\n\r\n", or none */
	size_t headers_bytes;
	const uint8_t *payload;
	size_t payload_bytes;
};

enum atr_record_kind {
	ATR_RECORD_MESSAGE,
	ATR_RECORD_ERASED,   /* bit 63, or sequence word 0: a deleted sequence */
	ATR_RECORD_TOMBSTONE /* bit 62: sequence was deleted, perhaps in another block */
};

struct atr_record {
	enum atr_record_kind kind;
	struct atr_message message; /* sequence without its kind bits; pointers into the block */
	uint32_t record_bytes;
	uint64_t hash; /* as stored */
};

/* Bytes of the record of m, or 0 when a limit of the format is passed. */
size_t atr_record_bytes(const struct atr_message *m);

/* 1 when the length word of a record of that many bytes begins with "cmp" (7,368,035 and 24,145,251
 * bytes): as the first of a block it makes servers take the block for a compressed one. */
int atr_record_spells_compressed(size_t record_bytes);

/* Writes the record of m (sequence word as given, kind bits included) to out, which must hold
 * atr_record_bytes(m). Allocates nothing. Returns the bytes written. */
size_t atr_record_encode(const struct atr_hash_key *key, const struct atr_message *m, uint8_t *out);

/* The same in two steps: lay writes everything but the hash, in the order in which it is hashed,
 * finish takes the hash and moves what has to be moved. A hash that follows at once on the stores
 * waits for them, which for a short record takes longer than the hash itself; so the next record
 * is laid before this one is finished. */
struct atr_laid {
	uint32_t bytes, headers_bytes;
	uint16_t subject_bytes;
};
void atr_record_lay(const struct atr_message *m, uint8_t *out, struct atr_laid *laid);
void atr_record_finish(const struct atr_hash_key *key, uint8_t *out, const struct atr_laid *laid);

/* Decodes the record at the start of data. Buffer contents are changed while the hash is
 * taken and restored before the return; hence not const.
 *
 * available_bytes  bytes from data to the end of what is in memory.
 * need_bytes       out; when the record is longer than available_bytes: its whole length, and
 *                  ATR_END is returned: read more and call again. Untouched else.
 *
 * Returns ATR_OK; ATR_END, more bytes needed; ATR_EFORMAT, a length or the hash does not fit
 * (why says which, a constant text).
 */
enum atr_status atr_record_decode(const struct atr_hash_key *key, uint8_t *data,
                                  size_t available_bytes, struct atr_record *out,
                                  size_t *need_bytes, const char **why);

/* Decoding many in a row. Laying sequence and time beside the subject and hashing at once makes
 * the hash wait until those stores have reached the cache, which for a short record takes longer
 * than its hash. So the next record is prepared while this one is being decoded.
 *
 * prepare    lays out the record at data, when it is whole, short and without headers. Returns
 *            what the other two are to be given, or -1: left as it was, to be decoded as usual.
 * decode     as atr_record_decode, of a prepared record; it is restored whatever is returned.
 *            *prepared becomes that of the record behind it, in the available_bytes from data on;
 *            -1 unless ATR_OK.
 * restore    for a record that is not decoded after all.
 */
int atr_record_prepare(uint8_t *data, size_t available_bytes);
enum atr_status atr_record_decode_prepared(const struct atr_hash_key *key, uint8_t *data,
                                           size_t available_bytes, int *prepared,
                                           struct atr_record *out, const char **why);
void atr_record_restore(uint8_t *data, int prepared);

#ifdef __cplusplus
}
#endif
#endif
