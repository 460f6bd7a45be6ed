/* fuzz_record.c - any bytes as a record: refused, or every part lies inside what was given.
 *
 * First as they are; then with the hash made right, so that mutations get past it.
 */
#include <stdlib.h>
#include <string.h>

#include "store/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct atr_hash_key hash_key;

static void inside(const uint8_t *start, size_t bytes, const void *part, size_t part_bytes)
{
	const uint8_t *p = part;

	if (part_bytes &&
	    (p < start || (size_t)(p - start) > bytes || part_bytes > bytes - (size_t)(p - start)))
		abort();
}

static void decode(const uint8_t *data, size_t bytes)
{
	uint8_t *copy = malloc(bytes ? bytes : 1);
	const char *why = NULL;
	struct atr_record record;
	size_t need_bytes = 0;
	enum atr_status rc;

	if (!copy)
		return;
	memcpy(copy, data, bytes);
	rc = atr_record_decode(&hash_key, copy, bytes, &record, &need_bytes, &why);
	if (memcmp(copy, data, bytes) != 0)
		abort(); /* must be as it was after the hash was taken */
	if (rc == ATR_OK) {
		const struct atr_message *m = &record.message;

		if (record.record_bytes < ATR_RECORD_BYTES_MIN || record.record_bytes > bytes)
			abort();
		inside(copy, record.record_bytes, m->subject, m->subject_bytes);
		inside(copy, record.record_bytes, m->headers, m->headers_bytes);
		inside(copy, record.record_bytes, m->payload, m->payload_bytes);
	} else if (rc == ATR_END ? need_bytes <= bytes : !why) {
		abort();
	}
	free(copy);
}

/* The hash over what the length fields say, put where the record ends. 0 when they do not fit. */
static int make_hash_right(uint8_t *data, size_t bytes)
{
	size_t record_bytes, subject_bytes, headers_bytes = 0, rest, at;
	uint8_t *hashed;
	uint64_t hash;

	if (bytes < ATR_RECORD_BYTES_MIN)
		return 0;
	record_bytes = ((size_t)data[3] & 0x7f) << 24 | (size_t)data[2] << 16 |
	               (size_t)data[1] << 8 | data[0];
	subject_bytes = (size_t)data[21] << 8 | data[20];
	at = 22 + subject_bytes;
	if (data[3] & 0x80) {
		if (at + 4 > bytes)
			return 0;
		headers_bytes = (size_t)data[at + 3] << 24 | (size_t)data[at + 2] << 16 |
		                (size_t)data[at + 1] << 8 | data[at];
		at += 4;
	}
	if (record_bytes > bytes || at + headers_bytes + 8 > record_bytes)
		return 0;
	rest = record_bytes - 8 - at;
	hashed = malloc(16 + subject_bytes + rest);
	if (!hashed)
		return 0;
	memcpy(hashed, data + 4, 16);
	memcpy(hashed + 16, data + 22, subject_bytes);
	memcpy(hashed + 16 + subject_bytes, data + at, rest);
	hash = atr_hash64(&hash_key, hashed, 16 + subject_bytes + rest);
	free(hashed);
	for (at = record_bytes - 8; at < record_bytes; at++, hash >>= 8)
		data[at] = (uint8_t)hash;
	return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static int ready;
	uint8_t *copy;

	if (!ready && atr_hash_key_init(&hash_key, "FUZZ-1") != 0)
		abort();
	ready = 1;
	decode(data, bytes);
	copy = malloc(bytes ? bytes : 1);
	if (!copy)
		return 0;
	memcpy(copy, data, bytes);
	if (make_hash_right(copy, bytes))
		decode(copy, bytes);
	free(copy);
	return 0;
}
