/* footprint.h - bytes and files of a stream on disk, from the format alone.
 *
 * For planning: nothing is opened or measured. Blocks, keys and meta files are exact when the
 * records are given in their order (atr_footprint_put), the expected ones for a mix of sizes
 * (atr_footprint_expect). State files are bounded from above where a server writes them. Allocated
 * space counts whole blocks of the file system; what that needs for itself (extents) is not in it.
 * Sources: FORMAT.md.
 */
#ifndef ATREST_STORE_FOOTPRINT_H
#define ATREST_STORE_FOOTPRINT_H

#include <stddef.h>
#include <stdint.h>

#include "ciphers/cipher.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of a message's record; headers_bytes 0 = none. */
uint64_t atr_footprint_record_bytes(uint64_t subject_bytes, uint64_t headers_bytes,
                                    uint64_t payload_bytes);
/* Of the record that tells of a deletion: tombstone or placeholder. */
#define ATR_FOOTPRINT_TOMBSTONE_BYTES 30u

/* ---- block size ---- */

/* What the server's rule looks at; 0: no such limit. */
struct atr_footprint_limits {
	uint64_t max_bytes;
	uint64_t max_msgs;
	uint64_t max_msgs_per_subject;
	uint64_t max_msg_bytes; /* max_msg_size; 0: the account's largest payload is assumed */
	uint64_t subject_bytes; /* longest literal subject; 0: with a wildcard or none */
	int other_retention;    /* interest or workqueue */
};

/* Largest block file under the server's rule. encrypted: the cap of 2 MiB for streams without
 * limits, which servers before 2.9.16 do not have. */
uint64_t atr_footprint_block_bytes(const struct atr_footprint_limits *limits, int encrypted);

/* ---- blocks ---- */

/* Zero but for the first two before the first record. */
struct atr_footprint_blocks {
	uint64_t block_bytes;       /* largest block file; a longer record has one of its own */
	uint64_t file_system_bytes; /* of a block of the file system; 0: not counted */
	uint64_t records;
	uint64_t bytes, files;
	uint64_t allocated_bytes; /* of all files but the last */
	uint64_t last_bytes;      /* of the last file */
};

/* count more records of record_bytes each, in this order, nothing deleted. */
void atr_footprint_put(struct atr_footprint_blocks *b, uint64_t record_bytes, uint64_t count);

struct atr_footprint_size {
	double record_bytes;
	double weight; /* share of the records, in any unit */
};

/* count records of a mix in random order. One size: exact, as atr_footprint_put. Several: a block
 * ends on average half a size-weighted record before its limit. */
void atr_footprint_expect(struct atr_footprint_blocks *b, const struct atr_footprint_size *mix,
                          size_t mix_count, uint64_t count);

/* ---- the whole stream ---- */

/* With more subjects or interior deletions a stream has no index.db. */
#define ATR_FOOTPRINT_INDEX_MAX UINT64_C(1000000)

enum atr_footprint_state {
	ATR_FOOTPRINT_STATE_INDEX, /* index.db, as servers from 2.10 on write it at most */
	ATR_FOOTPRINT_STATE_OURS,  /* the same of version 1, as it is expected to be */
	ATR_FOOTPRINT_STATE_IDX    /* an idx and an fss of each block: servers before */
};

struct atr_footprint_shape {
	const struct atr_cipher *cipher;
	enum atr_footprint_state state;
	uint64_t config_bytes;  /* meta.inf in clear text */
	uint64_t last_sequence; /* 0: as many as records */
	uint64_t subjects;      /* in use */
	uint64_t subject_bytes;
	uint64_t duration_ns; /* from the first message to the last */
	uint64_t deleted;     /* sequences deleted between first and last */
	uint64_t consumers;
	uint64_t consumer_config_bytes; /* their meta.inf in clear text */
	uint64_t consumer_pending;      /* delivered and not acknowledged, of each, at most */
};

struct atr_footprint_kind {
	uint64_t bytes, allocated_bytes, files;
};

struct atr_footprint {
	struct atr_footprint_kind blk;   /* msgs/N.blk */
	struct atr_footprint_kind key;   /* msgs/N.key, meta.key of stream and consumers */
	struct atr_footprint_kind meta;  /* meta.inf, meta.sum of stream and consumers */
	struct atr_footprint_kind state; /* index.db or N.idx and N.fss; o.dat of consumers */
	/* One of each that state holds: index.db (0: the stream has none), a block's idx and fss,
	 * a consumer's o.dat. */
	uint64_t index_bytes, idx_bytes, fss_bytes, consumer_state_bytes;
	uint64_t directories;
};

void atr_footprint_stream(const struct atr_footprint_shape *shape,
                          const struct atr_footprint_blocks *blocks, struct atr_footprint *out);

/* Of all kinds. */
struct atr_footprint_kind atr_footprint_total(const struct atr_footprint *f);

/* meta.inf in clear text of a stream of that configuration (a JSON object, NULL: the defaults), as
 * it is written by this store and, but for the members that came later, by servers. 0: not a
 * configuration, or memory. */
uint64_t atr_footprint_config_bytes(const char *config, const char *stream);

#ifdef __cplusplus
}
#endif
#endif
