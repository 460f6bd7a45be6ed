/* hash.h - HighwayHash-64 as the server uses it: record, meta, idx and state checksums.
 *
 * The 32-byte key is SHA-256 of a name, its four 64-bit words read little-endian; the result
 * is stored little-endian. The key is public: the hash finds accidents, not tampering.
 */
#ifndef ATREST_STORE_HASH_H
#define ATREST_STORE_HASH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ATR_HASH_BYTES 8

struct atr_hash_key {
	uint64_t word[4];
};

/* Key for a name: "<STREAM>" (meta.sum, index.db), "<STREAM>-<n>" (records of block n),
 * "<STREAM>/<CONSUMER>" (consumer meta.sum). Returns 0, or -1 when SHA-256 failed. */
int atr_hash_key_init(struct atr_hash_key *key, const char *name);

/* One call over one run of bytes. Thread-safe. */
uint64_t atr_hash64(const struct atr_hash_key *key, const uint8_t *data, size_t bytes);

/* The 16 lower-case hex digits of the 8 little-endian bytes, as in meta.sum, NUL-terminated. */
void atr_hash_hex(uint64_t hash, char hex[17]);

#ifdef __cplusplus
}
#endif
#endif
