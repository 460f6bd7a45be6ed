#include "store/s2.h"

#include <assert.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <string.h>

#include <isa-l/crc.h>

#include "store/bytes.h"
#include "store/record.h"

#define CHUNK_HEADER_BYTES 4u
#define CHUNK_CRC_BYTES    4u
#define IDENTIFIER_BYTES   10u /* chunk header and 6 letters */
#define LAST_BYTES         8u  /* of a block, kept as they are */

/* A chunk that is read may hold so much (S2); one that is written holds what Snappy works on at a
 * time, so that larger chunks would not be smaller together. */
#define CHUNK_READ_MAX  ((size_t)4 * 1024 * 1024)
#define CHUNK_WRITE_MAX ((size_t)64 * 1024)

enum chunk_type {
	CHUNK_COMPRESSED = 0x00,
	CHUNK_RAW = 0x01,
	CHUNK_SKIPPABLE_FIRST = 0x80, /* to 0xfe */
	CHUNK_IDENTIFIER = 0xff
};

static const uint8_t identifier_s2[IDENTIFIER_BYTES] = {0xff, 6,   0,   0,   'S',
                                                        '2',  's', 'T', 'w', 'O'};
static const uint8_t identifier_snappy[IDENTIFIER_BYTES] = {0xff, 6,   0,   0,   's',
                                                            'N',  'a', 'P', 'p', 'Y'};

/* CRC-32C, rotated right by 15 bits plus a constant (Snappy framing format, section 3). */
static uint32_t masked_crc(const uint8_t *bytes, size_t count)
{
	/* the library takes the bytes as not const, but only reads them */
	uint32_t crc = ~crc32_iscsi((unsigned char *)(uintptr_t)bytes, (int)count, 0xffffffff);

	return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static uint32_t le24_get(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

static void chunk_header_put(uint8_t *p, enum chunk_type type, size_t body_bytes)
{
	atr_le32_put(p, (uint32_t)body_bytes << 8 | (uint32_t)type);
}

/* ---- one block of elements ---- */

/* What an element says: count bytes, either literal or copied from offset back. */
struct element {
	size_t count;
	const uint8_t *literal; /* NULL: a copy */
};

/* The length of a copy of kind 1 that repeats the offset before it, from its 3-bit field. */
static size_t repeat_count(struct atr_cursor *in, unsigned field)
{
	const uint8_t *p;

	switch (field) {
	case 5:
		p = atr_cursor_take(in, 1);
		return p == NULL ? 0 : (size_t)p[0] + 8;
	case 6:
		p = atr_cursor_take(in, 2);
		return p == NULL ? 0 : (size_t)atr_le16_get(p) + 260;
	case 7:
		p = atr_cursor_take(in, 3);
		return p == NULL ? 0 : (size_t)le24_get(p) + 65540;
	default:
		return field + 4;
	}
}

/* The length of a literal: up to 60 in the tag itself, else 1 to 4 bytes after it. */
static size_t literal_count(struct atr_cursor *in, unsigned field)
{
	unsigned more = field < 60 ? 0 : field - 59;
	const uint8_t *p = atr_cursor_take(in, more);
	size_t count = 0;

	if (more == 0)
		return field + 1;
	for (unsigned i = 0; p != NULL && i < more; i++)
		count |= (size_t)p[i] << 8 * i;
	return count + 1;
}

/* The next element. *offset is that of the copy before and becomes that of this one. A cut element
 * sets in->failed. */
static struct element next_element(struct atr_cursor *in, size_t *offset)
{
	struct element e = {0, NULL};
	unsigned tag = *in->at++;
	const uint8_t *p;

	switch (tag & 3) {
	case 0:
		e.count = literal_count(in, tag >> 2);
		e.literal = atr_cursor_take(in, e.count);
		break;
	case 1:
		p = atr_cursor_take(in, 1);
		if (p == NULL)
			break;
		if ((tag & 0xe0) == 0 && p[0] == 0) {
			e.count = repeat_count(in, tag >> 2 & 7);
			break;
		}
		*offset = (size_t)(tag & 0xe0) << 3 | p[0];
		e.count = (tag >> 2 & 7) + 4;
		break;
	case 2:
		p = atr_cursor_take(in, 2);
		*offset = p == NULL ? 0 : atr_le16_get(p);
		e.count = (tag >> 2) + 1;
		break;
	default:
		p = atr_cursor_take(in, 4);
		*offset = p == NULL ? 0 : atr_le32_get(p);
		e.count = (tag >> 2) + 1;
	}
	return e;
}

/* count bytes from offset before `to`; where they overlap, what was just written repeats. */
static void copy_back(uint8_t *to, size_t offset, size_t count)
{
	size_t step = offset;

	while (count > step) { /* each round doubles what can be copied at once */
		memcpy(to, to - step, step);
		to += step;
		count -= step;
		if (step <= count)
			step *= 2;
	}
	memcpy(to, to - step, count);
}

/* Reads elements until `bytes` bytes are in out, with none left over. NULL or what is wrong. */
static const char *read_elements(struct atr_cursor *in, uint8_t *out, size_t bytes)
{
	size_t offset = 0, made = 0;

	while (in->at < in->end) {
		struct element e = next_element(in, &offset);

		if (in->failed)
			return "an element is cut";
		if (e.count > bytes - made)
			return "more bytes than the block says";
		if (e.literal != NULL)
			memcpy(out + made, e.literal, e.count);
		else if (offset == 0 || offset > made)
			return "a copy from before the block";
		else
			copy_back(out + made, offset, e.count);
		made += e.count;
	}
	return made == bytes ? NULL : "fewer bytes than the block says";
}

/* ---- one chunk ---- */

/* What the body of a data chunk holds when it is read, or 0 and *why. */
static size_t chunk_bytes(uint8_t type, const uint8_t *body, size_t body_bytes, const char **why)
{
	struct atr_cursor in = {body, body + body_bytes, 0};
	uint64_t bytes;

	(void)atr_cursor_take(&in, CHUNK_CRC_BYTES);
	bytes = type == CHUNK_RAW ? (uint64_t)(in.end - in.at) : atr_cursor_uvarint(&in);
	if (in.failed)
		*why = "a chunk is shorter than its checksum and length";
	else if (bytes > CHUNK_READ_MAX)
		*why = "a chunk of more than 4 MiB";
	else
		return (size_t)bytes;
	return 0;
}

/* Reads a data chunk into out, which holds chunk_bytes. ATR_EFORMAT with *why. */
static enum atr_status chunk_decode(uint8_t type, const uint8_t *body, size_t body_bytes,
                                    uint8_t *out, size_t bytes, const char **why)
{
	struct atr_cursor in = {body, body + body_bytes, 0};
	const uint8_t *crc = atr_cursor_take(&in, CHUNK_CRC_BYTES);

	if (type == CHUNK_RAW) {
		memcpy(out, in.at, bytes);
	} else {
		(void)atr_cursor_uvarint(&in);
		*why = read_elements(&in, out, bytes);
		if (*why != NULL)
			return ATR_EFORMAT;
	}
	if (masked_crc(out, bytes) != atr_le32_get(crc)) {
		*why = "a chunk's checksum does not fit";
		return ATR_EFORMAT;
	}
	return ATR_OK;
}

/* Sorts a chunk by its type: 1, its bytes belong to the content; 0, passed over; -1 with *why.
 * first: none came before it. */
static int chunk_is_data(const uint8_t header[CHUNK_HEADER_BYTES], int first, const char **why)
{
	if (first && header[0] != CHUNK_IDENTIFIER)
		*why = "it does not begin with a stream identifier";
	else if (header[0] == CHUNK_IDENTIFIER && le24_get(header + 1) != IDENTIFIER_BYTES - 4)
		*why = "a stream identifier of another length";
	else if (header[0] == CHUNK_COMPRESSED || header[0] == CHUNK_RAW)
		return 1;
	else if (header[0] >= CHUNK_SKIPPABLE_FIRST)
		return 0;
	else
		*why = "a chunk of unknown type";
	return -1;
}

static int is_identifier(const uint8_t chunk[IDENTIFIER_BYTES])
{
	return memcmp(chunk, identifier_s2, IDENTIFIER_BYTES) == 0 ||
	       memcmp(chunk, identifier_snappy, IDENTIFIER_BYTES) == 0;
}

/* Room that chunk_encode needs. */
static size_t chunk_room(void)
{
	return CHUNK_HEADER_BYTES + CHUNK_CRC_BYTES + snappy_max_compressed_length(CHUNK_WRITE_MAX);
}

/* Writes 1 .. CHUNK_WRITE_MAX bytes as one chunk, raw when that is no larger. Returns its size. */
static size_t chunk_encode(uint8_t *out, const uint8_t *bytes, size_t count)
{
	uint8_t *body = out + CHUNK_HEADER_BYTES + CHUNK_CRC_BYTES;
	size_t body_bytes = snappy_max_compressed_length(CHUNK_WRITE_MAX);
	enum chunk_type type = CHUNK_COMPRESSED;

	assert(count > 0 && count <= CHUNK_WRITE_MAX);
	if (snappy_compress((const char *)bytes, count, (char *)body, &body_bytes) != SNAPPY_OK ||
	    body_bytes >= count) {
		type = CHUNK_RAW;
		memcpy(body, bytes, count);
		body_bytes = count;
	}
	chunk_header_put(out, type, CHUNK_CRC_BYTES + body_bytes);
	atr_le32_put(out + CHUNK_HEADER_BYTES, masked_crc(bytes, count));
	return CHUNK_HEADER_BYTES + CHUNK_CRC_BYTES + body_bytes;
}

/* ---- a block file's content ---- */

/* What an uncompressed block's first record would have to look like. */
static int could_be_record(const uint8_t *content, size_t first_bytes, uint64_t file_bytes)
{
	uint32_t length = atr_le32_get(content) & ~(UINT32_C(1) << 31);

	return length <= file_bytes && length <= ATR_RECORD_BYTES_MAX &&
	       (first_bytes < 22 || length >= ATR_RECORD_BYTES_MIN + atr_le16_get(content + 20));
}

int atr_s2_is_compressed(const uint8_t *content, size_t first_bytes, uint64_t file_bytes)
{
	struct atr_cursor in = {content, content + first_bytes, 0};

	if (first_bytes < 5 || memcmp(content, "cmp", 3) != 0)
		return 0;
	(void)atr_cursor_take(&in, 4);
	(void)atr_cursor_uvarint(&in);
	/* a sequence and a time that together spell the identifier are never given */
	if (!in.failed && (size_t)(in.end - in.at) >= IDENTIFIER_BYTES && is_identifier(in.at))
		return 1;
	return !could_be_record(content, first_bytes, file_bytes);
}

/* The framed content in[0 .. end) into out, which holds `bytes`. */
static enum atr_status unframe(struct atr_cursor *in, uint8_t *out, size_t bytes, const char **why)
{
	size_t made = 0;

	for (int first = 1; in->at < in->end; first = 0) {
		const uint8_t *header = atr_cursor_take(in, CHUNK_HEADER_BYTES);
		size_t body_bytes = header == NULL ? 0 : le24_get(header + 1);
		const uint8_t *body = atr_cursor_take(in, body_bytes);
		size_t count;
		int is_data;

		*why = "the last chunk is cut";
		if (in->failed)
			return ATR_EFORMAT;
		is_data = chunk_is_data(header, first, why);
		if (is_data < 0)
			return ATR_EFORMAT;
		if (header[0] == CHUNK_IDENTIFIER && !is_identifier(header)) {
			*why = "the stream identifier is another";
			return ATR_EFORMAT;
		}
		if (is_data == 0)
			continue;
		*why = NULL;
		count = chunk_bytes(header[0], body, body_bytes, why);
		if (*why == NULL && count > bytes - made)
			*why = "more bytes than the original size";
		if (*why != NULL ||
		    chunk_decode(header[0], body, body_bytes, out + made, count, why) != ATR_OK)
			return ATR_EFORMAT;
		made += count;
	}
	*why = made == bytes ? NULL : "fewer bytes than the original size";
	return made == bytes ? ATR_OK : ATR_EFORMAT;
}

enum atr_status atr_s2_decompress_block(const uint8_t *content, size_t bytes, size_t limit_bytes,
                                        uint8_t **out, size_t *out_bytes, const char **why)
{
	struct atr_cursor in = {content, content + bytes, 0};
	const uint8_t *head = atr_cursor_take(&in, 4);
	uint64_t original = atr_cursor_uvarint(&in);
	enum atr_status rc = ATR_OK;
	uint8_t *made;

	*out = NULL;
	*out_bytes = 0;
	*why = NULL;
	if (in.failed || memcmp(head, "cmp", 3) != 0 || (size_t)(in.end - in.at) < LAST_BYTES)
		*why = "shorter than a compressed block's header and last 8 bytes";
	else if (original < LAST_BYTES || original > limit_bytes)
		*why = "an original size that cannot be";
	else if (head[3] == 0 && original != (uint64_t)(in.end - in.at))
		*why = "another size than the original";
	if (*why != NULL)
		return ATR_EFORMAT;
	if (head[3] > 1) {
		*why = "compressed with another algorithm than S2";
		return ATR_EUNSUPPORTED;
	}
	made = malloc((size_t)original);
	if (made == NULL)
		return ATR_ENOMEM;
	if (head[3] == 0) {
		memcpy(made, in.at, (size_t)original);
	} else {
		in.end -= LAST_BYTES;
		rc = unframe(&in, made, (size_t)original - LAST_BYTES, why);
		memcpy(made + original - LAST_BYTES, content + bytes - LAST_BYTES, LAST_BYTES);
	}
	if (rc != ATR_OK) {
		free(made);
		return rc;
	}
	*out = made;
	*out_bytes = (size_t)original;
	return ATR_OK;
}

enum atr_status atr_s2_compress_block(const uint8_t *content, size_t bytes, uint8_t **out,
                                      size_t *out_bytes)
{
	size_t framed = bytes - LAST_BYTES;
	size_t chunks = (framed + CHUNK_WRITE_MAX - 1) / CHUNK_WRITE_MAX;
	size_t at = 4;
	uint8_t *made, *fitted;

	assert(bytes >= LAST_BYTES);
	*out = NULL;
	*out_bytes = 0;
	made = malloc(at + ATR_UVARINT_BYTES_MAX + IDENTIFIER_BYTES + chunks * chunk_room() +
	              LAST_BYTES);
	if (made == NULL)
		return ATR_ENOMEM;
	memcpy(made, "cmp\1", 4);
	at += atr_uvarint_put(made + at, bytes);
	memcpy(made + at, identifier_s2, IDENTIFIER_BYTES);
	at += IDENTIFIER_BYTES;
	for (size_t from = 0; from < framed; from += CHUNK_WRITE_MAX)
		at += chunk_encode(made + at, content + from,
		                   framed - from < CHUNK_WRITE_MAX ? framed - from
		                                                   : CHUNK_WRITE_MAX);
	memcpy(made + at, content + framed, LAST_BYTES);
	at += LAST_BYTES;
	fitted = realloc(made, at);
	*out = fitted != NULL ? fitted : made;
	*out_bytes = at;
	return ATR_OK;
}

/* ---- writing a stream ---- */

struct atr_s2_writer {
	atr_s2_sink_fn *sink;
	void *arg;
	enum atr_status failed; /* of the sink: everything after it returns the same */
	int begun;              /* the identifier is out */
	size_t held;
	uint8_t *chunk;
	uint8_t plain[CHUNK_WRITE_MAX];
};

struct atr_s2_writer *atr_s2_writer_new(atr_s2_sink_fn *sink, void *arg)
{
	struct atr_s2_writer *w = malloc(sizeof *w);

	if (w == NULL)
		return NULL;
	w->sink = sink;
	w->arg = arg;
	w->failed = ATR_OK;
	w->begun = 0;
	w->held = 0;
	w->chunk = malloc(chunk_room());
	if (w->chunk == NULL) {
		free(w);
		return NULL;
	}
	return w;
}

static void put_out(struct atr_s2_writer *w, const uint8_t *bytes, size_t count)
{
	if (!w->begun)
		w->failed = w->sink(w->arg, identifier_s2, IDENTIFIER_BYTES);
	w->begun = 1;
	if (w->failed == ATR_OK && count > 0)
		w->failed = w->sink(w->arg, w->chunk, chunk_encode(w->chunk, bytes, count));
}

enum atr_status atr_s2_write(struct atr_s2_writer *w, const uint8_t *bytes, size_t count)
{
	while (count > 0 && w->failed == ATR_OK) {
		size_t n = CHUNK_WRITE_MAX - w->held;

		if (n > count)
			n = count;
		if (n == CHUNK_WRITE_MAX) { /* whole and nothing before it: as it is */
			put_out(w, bytes, n);
		} else {
			memcpy(w->plain + w->held, bytes, n);
			w->held += n;
		}
		if (w->held == CHUNK_WRITE_MAX) {
			put_out(w, w->plain, w->held);
			w->held = 0;
		}
		bytes += n;
		count -= n;
	}
	return w->failed;
}

enum atr_status atr_s2_writer_finish(struct atr_s2_writer *w)
{
	enum atr_status rc;

	if (w == NULL)
		return ATR_OK;
	if (w->failed == ATR_OK)
		put_out(w, w->plain, w->held);
	rc = w->failed;
	free(w->chunk);
	free(w);
	return rc;
}

/* ---- reading a stream ---- */

struct atr_s2_reader {
	atr_s2_sink_fn *sink;
	void *arg;
	enum atr_status failed;
	const char *why;
	int begun;      /* a chunk was there */
	size_t have;    /* of the chunk now coming, header included */
	uint64_t skip;  /* bytes of a chunk that is passed over still to come */
	uint8_t *chunk; /* what is there of it */
	size_t capacity;
	uint8_t *plain;
	size_t plain_capacity;
};

struct atr_s2_reader *atr_s2_reader_new(atr_s2_sink_fn *sink, void *arg)
{
	struct atr_s2_reader *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	r->sink = sink;
	r->arg = arg;
	return r;
}

static enum atr_status make_room(uint8_t **buffer, size_t *capacity, size_t bytes)
{
	uint8_t *larger;

	if (bytes <= *capacity)
		return ATR_OK;
	larger = realloc(*buffer, bytes);
	if (larger == NULL)
		return ATR_ENOMEM;
	*buffer = larger;
	*capacity = bytes;
	return ATR_OK;
}

/* The header is there: decides how much of the chunk is kept. */
static enum atr_status begin_chunk(struct atr_s2_reader *r)
{
	size_t body_bytes = le24_get(r->chunk + 1);
	int is_data = chunk_is_data(r->chunk, !r->begun, &r->why);

	if (is_data < 0)
		return ATR_EFORMAT;
	/* the worst that the writer of a 4 MiB chunk makes of it is a sixth more */
	if (is_data > 0 && body_bytes > CHUNK_READ_MAX + CHUNK_READ_MAX / 6 + 64) {
		r->why = "a chunk of more than 4 MiB";
		return ATR_EFORMAT;
	}
	r->begun = 1;
	if (is_data == 0 && r->chunk[0] != CHUNK_IDENTIFIER) {
		r->skip = body_bytes;
		r->have = 0;
		return ATR_OK;
	}
	return make_room(&r->chunk, &r->capacity, CHUNK_HEADER_BYTES + body_bytes);
}

/* The chunk is there: what it holds goes to the sink. */
static enum atr_status end_chunk(struct atr_s2_reader *r)
{
	const uint8_t *body = r->chunk + CHUNK_HEADER_BYTES;
	size_t body_bytes = r->have - CHUNK_HEADER_BYTES, bytes;
	enum atr_status rc;

	r->have = 0;
	if (r->chunk[0] == CHUNK_IDENTIFIER) {
		if (is_identifier(r->chunk))
			return ATR_OK;
		r->why = "the stream identifier is another";
		return ATR_EFORMAT;
	}
	bytes = chunk_bytes(r->chunk[0], body, body_bytes, &r->why);
	if (r->why != NULL)
		return ATR_EFORMAT;
	rc = make_room(&r->plain, &r->plain_capacity, bytes > 0 ? bytes : 1);
	if (rc == ATR_OK)
		rc = chunk_decode(r->chunk[0], body, body_bytes, r->plain, bytes, &r->why);
	if (rc == ATR_OK && bytes > 0)
		rc = r->sink(r->arg, r->plain, bytes);
	return rc;
}

/* Takes from the input what the chunk still needs. */
static enum atr_status take(struct atr_s2_reader *r, const uint8_t **bytes, size_t *count)
{
	size_t need = CHUNK_HEADER_BYTES, n;
	int is_header = r->have < CHUNK_HEADER_BYTES;
	enum atr_status rc = make_room(&r->chunk, &r->capacity, CHUNK_HEADER_BYTES);

	if (rc != ATR_OK)
		return rc;
	if (r->skip > 0) {
		n = *count < r->skip ? *count : (size_t)r->skip;
		r->skip -= n;
		*bytes += n;
		*count -= n;
		return ATR_OK;
	}
	if (!is_header)
		need += le24_get(r->chunk + 1);
	n = *count < need - r->have ? *count : need - r->have;
	memcpy(r->chunk + r->have, *bytes, n);
	r->have += n;
	*bytes += n;
	*count -= n;
	if (is_header && r->have == CHUNK_HEADER_BYTES) {
		rc = begin_chunk(r);
		if (rc != ATR_OK || r->have == 0 || le24_get(r->chunk + 1) > 0)
			return rc;
		return end_chunk(r); /* no body: nothing more comes for it */
	}
	return !is_header && r->have == need ? end_chunk(r) : ATR_OK;
}

enum atr_status atr_s2_feed(struct atr_s2_reader *r, const uint8_t *bytes, size_t count,
                            const char **why)
{
	while (count > 0 && r->failed == ATR_OK)
		r->failed = take(r, &bytes, &count);
	if (why != NULL)
		*why = r->why;
	return r->failed;
}

enum atr_status atr_s2_reader_finish(struct atr_s2_reader *r, const char **why)
{
	enum atr_status rc;

	if (why != NULL)
		*why = NULL;
	if (r == NULL)
		return ATR_OK;
	rc = r->failed;
	if (rc == ATR_OK && (r->have > 0 || r->skip > 0)) {
		rc = ATR_EFORMAT;
		r->why = "the last chunk is cut";
	}
	if (why != NULL)
		*why = r->why;
	free(r->chunk);
	free(r->plain);
	free(r);
	return rc;
}
