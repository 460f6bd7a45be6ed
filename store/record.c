#include "store/record.h"

#include <assert.h>
#include <string.h>

#include "store/bytes.h"

#define HEADERS_BIT   (UINT32_C(1) << 31)
#define FIXED_BYTES   22u /* up to the subject */
#define LENGTH_BYTES  4u  /* length word; also the headers' length field */
#define HASHED_PREFIX 16u /* sequence word and timestamp */
/* Longer ones do not gain by being prepared. */
#define PREPARED_BYTES_MAX 4096u

static_assert(FIXED_BYTES + ATR_HASH_BYTES == ATR_RECORD_BYTES_MIN, "smallest record");

size_t atr_record_bytes(const struct atr_message *m)
{
	/* each by itself first, so that the sum cannot wrap */
	if (m->subject_bytes > ATR_SUBJECT_BYTES_MAX || m->headers_bytes > ATR_RECORD_BYTES_MAX ||
	    m->payload_bytes > ATR_RECORD_BYTES_MAX)
		return 0;
	size_t bytes = ATR_RECORD_BYTES_MIN + m->subject_bytes + m->payload_bytes;

	if (m->headers_bytes > 0)
		bytes += LENGTH_BYTES + m->headers_bytes;
	return bytes <= ATR_RECORD_BYTES_MAX ? bytes : 0;
}

/* Sequence, time and subject are laid `shift` bytes late, so that everything that is hashed is
 * one run; `shift` is what stands between the timestamp and the subject (2) or, with headers,
 * between the timestamp and the headers apart from the subject (2 + 4). */
void atr_record_lay(const struct atr_message *m, uint8_t *out, struct atr_laid *laid)
{
	size_t shift = m->headers_bytes > 0 ? 2 + LENGTH_BYTES : 2;
	uint8_t *p = out + LENGTH_BYTES + shift;

	laid->subject_bytes = (uint16_t)m->subject_bytes;
	laid->headers_bytes = (uint32_t)m->headers_bytes;
	atr_le64_put(p, m->sequence);
	atr_le64_put(p + 8, (uint64_t)m->time_ns);
	p += HASHED_PREFIX;
	if (m->subject_bytes > 0)
		memcpy(p, m->subject, m->subject_bytes);
	p += m->subject_bytes;
	if (m->headers_bytes > 0)
		memcpy(p, m->headers, m->headers_bytes);
	p += m->headers_bytes;
	if (m->payload_bytes > 0)
		memcpy(p, m->payload, m->payload_bytes);
	p += m->payload_bytes;
	laid->bytes = (uint32_t)(p - out) + ATR_HASH_BYTES;
	assert(laid->bytes <= ATR_RECORD_BYTES_MAX);
}

void atr_record_finish(const struct atr_hash_key *key, uint8_t *out, const struct atr_laid *laid)
{
	int has_headers = laid->headers_bytes > 0;
	uint8_t *run = out + LENGTH_BYTES + 2 + (has_headers ? LENGTH_BYTES : 0);
	uint8_t *end = out + laid->bytes - ATR_HASH_BYTES;
	uint8_t head[HASHED_PREFIX];

	atr_le64_put(end, atr_hash64(key, run, (size_t)(end - run)));
	memcpy(head, run, HASHED_PREFIX);
	atr_le32_put(out, laid->bytes | (has_headers ? HEADERS_BIT : 0));
	memcpy(out + 4, head, HASHED_PREFIX);
	if (has_headers) {
		memmove(out + FIXED_BYTES, run + HASHED_PREFIX, laid->subject_bytes);
		atr_le32_put(out + FIXED_BYTES + laid->subject_bytes, laid->headers_bytes);
	}
	atr_le16_put(out + 20, laid->subject_bytes);
}

int atr_record_spells_compressed(size_t record_bytes)
{
	return (record_bytes & 0xffffff) == ('c' | 'm' << 8 | 'p' << 16);
}

size_t atr_record_encode(const struct atr_hash_key *key, const struct atr_message *m, uint8_t *out)
{
	struct atr_laid laid;

	atr_record_lay(m, out, &laid);
	atr_record_finish(key, out, &laid);
	return laid.bytes;
}

/* Takes the hash over the record in place: see atr_record_encode. What the moved fields
 * overwrite is put back. */
static uint64_t hash_in_place(const struct atr_hash_key *key, uint8_t *data, size_t subject_bytes,
                              int has_headers, uint32_t headers_bytes, size_t record_bytes)
{
	size_t shift = has_headers ? 2 + LENGTH_BYTES : 2;
	uint8_t *run = data + LENGTH_BYTES + shift;
	size_t run_bytes = record_bytes - ATR_HASH_BYTES - LENGTH_BYTES - shift;
	uint8_t head[HASHED_PREFIX];
	uint64_t hash;

	memcpy(head, data + 4, HASHED_PREFIX);
	if (has_headers)
		memmove(run + HASHED_PREFIX, data + FIXED_BYTES, subject_bytes);
	memcpy(run, head, HASHED_PREFIX);
	hash = atr_hash64(key, run, run_bytes);
	if (has_headers) {
		memmove(data + FIXED_BYTES, run + HASHED_PREFIX, subject_bytes);
		atr_le32_put(data + FIXED_BYTES + subject_bytes, headers_bytes);
	}
	memcpy(data + 4, head, HASHED_PREFIX);
	atr_le16_put(data + 20, (uint16_t)subject_bytes);
	return hash;
}

/* Lengths of a record, checked against each other and what is available. */
struct shape {
	uint32_t bytes, headers_bytes;
	size_t subject_bytes;
	int has_headers;
};

static enum atr_status measure(const uint8_t *data, size_t available_bytes, struct shape *out,
                               size_t *need_bytes, const char **why)
{
	uint32_t word;
	size_t least;

	if (available_bytes < ATR_RECORD_BYTES_MIN) {
		*need_bytes = ATR_RECORD_BYTES_MIN;
		return ATR_END;
	}
	word = atr_le32_get(data);
	out->has_headers = (word & HEADERS_BIT) != 0;
	out->headers_bytes = 0;
	out->bytes = word & ~HEADERS_BIT;
	out->subject_bytes = atr_le16_get(data + 20);
	least = ATR_RECORD_BYTES_MIN + out->subject_bytes + (out->has_headers ? LENGTH_BYTES : 0);
	if (out->bytes > ATR_RECORD_BYTES_MAX) {
		*why = "record length above 32 MiB";
		return ATR_EFORMAT;
	}
	if (out->bytes < least) {
		*why = "record length below what its subject needs";
		return ATR_EFORMAT;
	}
	if (out->bytes > available_bytes) {
		*need_bytes = out->bytes;
		return ATR_END;
	}
	if (out->has_headers) {
		out->headers_bytes = atr_le32_get(data + FIXED_BYTES + out->subject_bytes);
		if (out->headers_bytes > out->bytes - least) {
			*why = "record length below what its headers need";
			return ATR_EFORMAT;
		}
	}
	return ATR_OK;
}

/* Sequence word and timestamp, from where they stand. */
struct stamp {
	uint64_t word, time;
};

static struct stamp stamp_at(const uint8_t *p)
{
	return (struct stamp){atr_le64_get(p), atr_le64_get(p + 8)};
}

static enum atr_record_kind kind_of(uint64_t word)
{
	if (word == 0 || (word & ATR_SEQUENCE_ERASED) != 0)
		return ATR_RECORD_ERASED;
	return (word & ATR_SEQUENCE_TOMBSTONE) != 0 ? ATR_RECORD_TOMBSTONE : ATR_RECORD_MESSAGE;
}

/* ATR_EFORMAT unless the hash that was taken is the stored one. */
static enum atr_status fill(uint64_t hash, uint8_t *data, const struct shape *s, struct stamp stamp,
                            struct atr_record *out, const char **why)
{
	uint8_t *p = data + FIXED_BYTES, *end = data + s->bytes - ATR_HASH_BYTES;

	if (hash != atr_le64_get(end)) {
		*why = "record hash differs";
		return ATR_EFORMAT;
	}
	out->kind = kind_of(stamp.word);
	out->record_bytes = s->bytes;
	out->hash = hash;
	out->message.sequence = stamp.word & ATR_SEQUENCE_MAX;
	out->message.time_ns = (int64_t)stamp.time;
	out->message.subject = (const char *)p;
	out->message.subject_bytes = s->subject_bytes;
	p += s->subject_bytes;
	if (s->has_headers)
		p += LENGTH_BYTES;
	out->message.headers = s->headers_bytes > 0 ? p : NULL;
	out->message.headers_bytes = s->headers_bytes;
	p += s->headers_bytes;
	out->message.payload = p;
	out->message.payload_bytes = (size_t)(end - p);
	return ATR_OK;
}

enum atr_status atr_record_decode(const struct atr_hash_key *key, uint8_t *data,
                                  size_t available_bytes, struct atr_record *out,
                                  size_t *need_bytes, const char **why)
{
	struct shape s;
	enum atr_status rc = measure(data, available_bytes, &s, need_bytes, why);

	if (rc != ATR_OK)
		return rc;
	return fill(
	        hash_in_place(key, data, s.subject_bytes, s.has_headers, s.headers_bytes, s.bytes),
	        data, &s, stamp_at(data + 4), out, why);
}

/* ---- one record ahead ---- */

/* The rules of measure, without headers: their bit makes the length word a large one. */
static int prepare(uint8_t *data, size_t available_bytes)
{
	uint8_t head[HASHED_PREFIX];
	uint32_t bytes, subject_bytes;

	if (available_bytes < ATR_RECORD_BYTES_MIN)
		return -1;
	bytes = atr_le32_get(data);
	subject_bytes = atr_le16_get(data + 20);
	if (bytes > PREPARED_BYTES_MAX || bytes > available_bytes ||
	    bytes < ATR_RECORD_BYTES_MIN + subject_bytes)
		return -1;
	memcpy(head, data + 4, HASHED_PREFIX);
	memcpy(data + 6, head, HASHED_PREFIX);
	return (int)subject_bytes;
}

static void restore(uint8_t *data, int prepared)
{
	uint8_t head[HASHED_PREFIX];

	memcpy(head, data + 6, HASHED_PREFIX);
	memcpy(data + 4, head, HASHED_PREFIX);
	atr_le16_put(data + 20, (uint16_t)prepared);
}

int atr_record_prepare(uint8_t *data, size_t available_bytes)
{
	return prepare(data, available_bytes);
}

void atr_record_restore(uint8_t *data, int prepared)
{
	restore(data, prepared);
}

enum atr_status atr_record_decode_prepared(const struct atr_hash_key *key, uint8_t *data,
                                           size_t available_bytes, int *prepared,
                                           struct atr_record *out, const char **why)
{
	int here = *prepared;
	struct shape s = {.bytes = atr_le32_get(data), .subject_bytes = (size_t)here};
	/* before this one's hash, so that the stores are done when its own is taken */
	int next = prepare(data + s.bytes, available_bytes - s.bytes);
	uint64_t hash = atr_hash64(key, data + 6, s.bytes - ATR_HASH_BYTES - 6);
	enum atr_status rc = fill(hash, data, &s, stamp_at(data + 6), out, why);

	restore(data, here);
	if (rc != ATR_OK && next >= 0) {
		restore(data + s.bytes, next);
		next = -1;
	}
	*prepared = next;
	return rc;
}
