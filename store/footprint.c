#include "store/footprint.h"

#include "store/keyfile.h"
#include "store/record.h"

#define META_SUM_BYTES 16u

uint64_t atr_footprint_record_bytes(uint64_t subject_bytes, uint64_t headers_bytes,
                                    uint64_t payload_bytes)
{
	return ATR_RECORD_BYTES_MIN + subject_bytes + payload_bytes +
	       (headers_bytes > 0 ? 4 + headers_bytes : 0);
}

void atr_footprint_stream(const struct atr_cipher *cipher, uint64_t block_bytes, uint64_t messages,
                          uint64_t record_bytes, uint64_t config_bytes, struct atr_footprint *out)
{
	uint64_t per_block = record_bytes < block_bytes ? block_bytes / record_bytes : 1;
	uint64_t overhead = 0; /* of a sealed text: nonce and tag */

	out->blk_bytes = messages * record_bytes;
	out->blk_files = messages / per_block + (messages % per_block != 0);
	out->key_bytes = out->key_files = 0;
	if (atr_cipher_encrypts(cipher)) {
		overhead = atr_cipher_nonce_bytes(cipher) + atr_cipher_tag_bytes(cipher);
		out->key_files = out->blk_files + 1;
		out->key_bytes = out->key_files * (overhead + ATR_SEED_BYTES);
	}
	out->meta_bytes = config_bytes + overhead + META_SUM_BYTES;
	out->meta_files = 2;
}
