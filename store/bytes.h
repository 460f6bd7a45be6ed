/* bytes.h - little-endian integers and variable-length integers of the disk format.
 *
 * uvarint: base 128, low group first, high bit = more follows, 10 bytes at most.
 * varint:  signed, zigzag (v << 1) ^ (v >> 63), then written as uvarint.
 * Readers work on a bounded cursor: after the first failure `failed` is set, every later read
 * yields 0 and the caller tests once at the end.
 */
#ifndef ATREST_STORE_BYTES_H
#define ATREST_STORE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ATR_UVARINT_BYTES_MAX 10

static inline uint16_t atr_le16_get(const uint8_t *p)
{
	return (uint16_t)(p[0] | (p[1] << 8));
}

static inline uint32_t atr_le32_get(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t atr_le64_get(const uint8_t *p)
{
	return (uint64_t)atr_le32_get(p) | (uint64_t)atr_le32_get(p + 4) << 32;
}

static inline void atr_le16_put(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline void atr_le32_put(uint8_t *p, uint32_t v)
{
	atr_le16_put(p, (uint16_t)v);
	atr_le16_put(p + 2, (uint16_t)(v >> 16));
}

static inline void atr_le64_put(uint8_t *p, uint64_t v)
{
	atr_le32_put(p, (uint32_t)v);
	atr_le32_put(p + 4, (uint32_t)(v >> 32));
}

struct atr_cursor {
	const uint8_t *at;
	const uint8_t *end;
	int failed;
};

static inline uint64_t atr_cursor_uvarint(struct atr_cursor *c)
{
	uint64_t v = 0;
	unsigned shift = 0;

	while (!c->failed) {
		if (c->at == c->end || shift > 63 || (shift == 63 && *c->at > 1)) {
			c->failed = 1;
			break;
		}
		uint8_t b = *c->at++;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80)
			return v;
		shift += 7;
	}
	return 0;
}

static inline int64_t atr_cursor_varint(struct atr_cursor *c)
{
	uint64_t u = atr_cursor_uvarint(c);

	return (int64_t)(u >> 1) ^ -(int64_t)(u & 1);
}

/* The next count bytes, or NULL (and failed) when fewer remain. */
static inline const uint8_t *atr_cursor_take(struct atr_cursor *c, uint64_t count)
{
	const uint8_t *p = c->at;

	if (c->failed || (uint64_t)(c->end - c->at) < count) {
		c->failed = 1;
		return NULL;
	}
	c->at += count;
	return p;
}

/* Returns the number of bytes written to p, at most ATR_UVARINT_BYTES_MAX. */
static inline size_t atr_uvarint_put(uint8_t *p, uint64_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		p[n++] = (uint8_t)(v | 0x80);
	p[n++] = (uint8_t)v;
	return n;
}

static inline size_t atr_varint_put(uint8_t *p, int64_t v)
{
	return atr_uvarint_put(p, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}

#endif
