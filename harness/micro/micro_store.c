/* micro_store.c - the store's pieces: hash, record, block, key file.
 *
 *   hash/BYTES                      HighwayHash-64 of one run
 *   record_encode/, record_decode/BYTES   one message of a 12-byte subject; both take the hash
 *   block_seal/CIPHER/PROVIDER/2097152    a block of 2 MiB: seed and key file made, then all its
 *                                   bytes enciphered in pieces of 128 KiB; nothing is written
 *   key_seal/, key_open/CIPHER/PROVIDER   one key file: key derivation and AEAD
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/cipher.h"
#include "harness/micro/gbench.h"
#include "harness/micro/micro.h"
#include "store/hash.h"
#include "store/keyfile.h"
#include "store/record.h"

#define BLOCK_BYTES      (2u * 1024u * 1024u)
#define PIECE_BYTES      (128u * 1024u)
#define SUBJECT          "orders.eu.12"
#define STREAM_NAME      "ORDERS"
#define ACCOUNT          "$G"
#define RECORD_BYTES_MAX (65536u + 64u)

static const char server_key[] = "a throwaway key of no store";
static uint8_t payload[65536];
static uint8_t record[RECORD_BYTES_MAX];
static uint8_t plain[BLOCK_BYTES];
static uint8_t sealed_block[PIECE_BYTES];

static int message_of(unsigned payload_bytes, struct atr_message *m, struct atr_hash_key *key)
{
	memset(m, 0, sizeof(*m));
	m->sequence = 1;
	m->time_ns = 1;
	m->subject = SUBJECT;
	m->subject_bytes = sizeof(SUBJECT) - 1;
	m->payload = payload;
	m->payload_bytes = payload_bytes;
	return atr_hash_key_init(key, STREAM_NAME "-1");
}

static void hash(struct micro_state *s, const void *arg)
{
	size_t bytes = *(const unsigned *)arg;
	struct atr_hash_key key;
	uint64_t sum = 0;

	if (atr_hash_key_init(&key, STREAM_NAME "-1") != 0)
		micro_fail(s, "no hash key");
	while (micro_next(s))
		sum += atr_hash64(&key, record, bytes);
	payload[0] = (uint8_t)sum; /* the sum is used */
	micro_bytes(s, bytes);
}

static void record_encode(struct micro_state *s, const void *arg)
{
	struct atr_hash_key key;
	struct atr_message m;
	size_t bytes = 0;

	if (message_of(*(const unsigned *)arg, &m, &key) != 0)
		micro_fail(s, "no hash key");
	while (micro_next(s)) {
		bytes = atr_record_encode(&key, &m, record);
		m.sequence++;
	}
	micro_bytes(s, bytes);
}

static void record_decode(struct micro_state *s, const void *arg)
{
	struct atr_hash_key key;
	struct atr_message m;
	struct atr_record r;
	const char *why = NULL;
	size_t bytes, need;

	if (message_of(*(const unsigned *)arg, &m, &key) != 0)
		micro_fail(s, "no hash key");
	bytes = atr_record_encode(&key, &m, record);
	while (micro_next(s))
		if (atr_record_decode(&key, record, bytes, &r, &need, &why) != ATR_OK)
			micro_fail(s, why);
	micro_bytes(s, bytes);
}

static enum atr_status seal_key(const struct atr_cipher *c, struct atr_seed *seed,
                                uint8_t sealed[ATR_KEYFILE_BYTES_MAX], size_t *sealed_bytes)
{
	enum atr_status rc = atr_keyfile_make(&atr_file_real, c, seed);

	if (rc == ATR_OK)
		rc = atr_keyfile_seal(seed, (const uint8_t *)server_key, sizeof(server_key) - 1,
		                      ACCOUNT, STREAM_NAME ":1", sealed, sealed_bytes);
	return rc;
}

static int seal_block(const struct atr_cipher *c, struct atr_keystream *k)
{
	uint8_t sealed[ATR_KEYFILE_BYTES_MAX];
	struct atr_seed seed;
	size_t sealed_bytes;

	if (seal_key(c, &seed, sealed, &sealed_bytes) != ATR_OK ||
	    atr_keystream_rekey(k, seed.seed, seed.nonce) != 0)
		return -1;
	for (size_t at = 0; at < BLOCK_BYTES; at += PIECE_BYTES)
		if (atr_keystream_xor(k, at, plain + at, sealed_block, PIECE_BYTES) != 0)
			return -1;
	return 0;
}

static void block_seal(struct micro_state *s, const void *arg)
{
	static const uint8_t zero[ATR_CIPHER_KEY_BYTES];
	const struct atr_cipher *c = arg;
	struct atr_keystream *k = atr_keystream_new(c, zero, zero, 0);

	if (!k)
		micro_fail(s, "no context");
	while (micro_next(s))
		if (seal_block(c, k) != 0)
			micro_fail(s, "the block could not be sealed");
	micro_bytes(s, BLOCK_BYTES);
	atr_keystream_free(k);
}

static void key_seal(struct micro_state *s, const void *arg)
{
	uint8_t sealed[ATR_KEYFILE_BYTES_MAX];
	struct atr_seed seed;
	size_t sealed_bytes;

	while (micro_next(s))
		if (seal_key(arg, &seed, sealed, &sealed_bytes) != ATR_OK)
			micro_fail(s, "the key could not be sealed");
}

static void key_open(struct micro_state *s, const void *arg)
{
	const struct atr_keyring ring = {.key = (const uint8_t *)server_key,
	                                 .key_bytes = sizeof(server_key) - 1};
	uint8_t sealed[ATR_KEYFILE_BYTES_MAX];
	struct atr_seed seed;
	size_t sealed_bytes;

	if (seal_key(arg, &seed, sealed, &sealed_bytes) != ATR_OK)
		micro_fail(s, "the key could not be sealed");
	while (micro_next(s))
		if (atr_keyfile_open(&ring, arg, ACCOUNT, STREAM_NAME ":1", sealed, sealed_bytes,
		                     &seed) != ATR_OK)
			micro_fail(s, "the key file did not open");
}

static void register_sizes(const char *what, micro_fn *fn, const unsigned bytes[MICRO_SIZES])
{
	char name[64];

	for (size_t i = 0; i < MICRO_SIZES; i++) {
		snprintf(name, sizeof(name), "%s/%u", what, micro_record_bytes[i]);
		micro_register(name, fn, &bytes[i]);
	}
}

static void register_cipher(const struct atr_cipher *c)
{
	char name[128];
	const char *cipher = atr_cipher_name(c);
	const char *provider = atr_cipher_provider(c);

	snprintf(name, sizeof(name), "block_seal/%s/%s/%u", cipher, provider, BLOCK_BYTES);
	micro_register(name, block_seal, c);
	snprintf(name, sizeof(name), "key_seal/%s/%s", cipher, provider);
	micro_register(name, key_seal, c);
	snprintf(name, sizeof(name), "key_open/%s/%s", cipher, provider);
	micro_register(name, key_open, c);
}

void micro_store_register(void)
{
	const struct atr_cipher *c;

	register_sizes("hash", hash, micro_record_bytes);
	register_sizes("record_encode", record_encode, micro_payload_bytes);
	register_sizes("record_decode", record_decode, micro_payload_bytes);
	for (size_t i = 0; (c = atr_cipher_at(i)) != NULL; i++)
		if (atr_cipher_encrypts(c))
			register_cipher(c);
}
