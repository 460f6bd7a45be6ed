#include "store/hash.h"

#include <highwayhash/c_bindings.h>
#include <string.h>

#include "ciphers/prf.h"
#include "store/bytes.h"

int atr_hash_key_init(struct atr_hash_key *key, const char *name)
{
	uint8_t digest[ATR_SHA256_BYTES];

	if (atr_sha256((const uint8_t *)name, strlen(name), digest) != 0)
		return -1;
	for (size_t i = 0; i < 4; i++)
		key->word[i] = atr_le64_get(digest + 8 * i);
	return 0;
}

uint64_t atr_hash64(const struct atr_hash_key *key, const uint8_t *data, size_t bytes)
{
	return HighwayHash64(key->word, (const char *)data, bytes);
}

void atr_hash_hex(uint64_t hash, char hex[17])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < 8; i++) {
		uint8_t b = (uint8_t)(hash >> (8 * i));

		hex[2 * i] = digits[b >> 4];
		hex[2 * i + 1] = digits[b & 15];
	}
	hex[16] = '\0';
}
