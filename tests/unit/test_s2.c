/* Streams here are put together by hand from the format description; the CRC of a chunk is
 * computed bit by bit, apart from the library. */
#include "store/s2.h"

#include <stdlib.h>
#include <string.h>

#include "store/bytes.h"
#include "tests/unit/store_fixture.h"

#define LIMIT_BYTES ((size_t)64 * 1024 * 1024)

static const uint8_t identifier[] = {0xff, 6, 0, 0, 'S', '2', 's', 'T', 'w', 'O'};

static uint32_t crc_of(const uint8_t *bytes, size_t count)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < count; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1)));
	}
	crc = ~crc;
	return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

/* ---- bytes that come out ---- */

struct bytes {
	uint8_t *at;
	size_t count, capacity;
	size_t fail_at; /* the sink fails from so many bytes on; 0: never */
};

static void bytes_add(struct bytes *b, const void *more, size_t count)
{
	if (b->count + count > b->capacity) {
		b->capacity = 2 * (b->count + count);
		b->at = realloc(b->at, b->capacity);
		assert_non_null(b->at);
	}
	if (count > 0)
		memcpy(b->at + b->count, more, count);
	b->count += count;
}

static void bytes_free(struct bytes *b)
{
	free(b->at);
	memset(b, 0, sizeof *b);
}

static enum atr_status sink(void *arg, const uint8_t *bytes, size_t count)
{
	struct bytes *b = arg;

	bytes_add(b, bytes, count);
	return b->fail_at > 0 && b->count >= b->fail_at ? ATR_ENOSPC : ATR_OK;
}

/* ---- streams put together by hand ---- */

static void add_chunk(struct bytes *b, uint8_t type, const uint8_t *body, size_t count)
{
	uint8_t header[4] = {type, (uint8_t)count, (uint8_t)(count >> 8), (uint8_t)(count >> 16)};

	bytes_add(b, header, sizeof header);
	bytes_add(b, body, count);
}

/* A data chunk of these elements, which stand for `plain`. */
static void add_block(struct bytes *b, const void *elements, size_t count, const uint8_t *plain,
                      size_t plain_bytes)
{
	struct bytes body = {0};
	uint8_t head[4 + ATR_UVARINT_BYTES_MAX];

	atr_le32_put(head, crc_of(plain, plain_bytes));
	bytes_add(&body, head, 4 + atr_uvarint_put(head + 4, plain_bytes));
	bytes_add(&body, elements, count);
	add_chunk(b, 0, body.at, body.count);
	bytes_free(&body);
}

static void add_raw(struct bytes *b, const uint8_t *plain, size_t plain_bytes)
{
	struct bytes body = {0};
	uint8_t crc[4];

	atr_le32_put(crc, crc_of(plain, plain_bytes));
	bytes_add(&body, crc, 4);
	bytes_add(&body, plain, plain_bytes);
	add_chunk(b, 1, body.at, body.count);
	bytes_free(&body);
}

/* Feeds all of it, `piece` bytes at a time. */
static enum atr_status read_stream(const struct bytes *stream, size_t piece, struct bytes *out)
{
	struct atr_s2_reader *r = atr_s2_reader_new(sink, out);
	enum atr_status rc = ATR_OK, finished;
	const char *why = NULL;

	assert_non_null(r);
	for (size_t at = 0; at < stream->count && rc == ATR_OK; at += piece) {
		size_t n = stream->count - at < piece ? stream->count - at : piece;

		/* a copy of its own: reading behind it is found */
		uint8_t *copy = malloc(n);

		assert_non_null(copy);
		memcpy(copy, stream->at + at, n);
		rc = atr_s2_feed(r, copy, n, &why);
		free(copy);
		assert_true((rc == ATR_EFORMAT) == (why != NULL));
	}
	finished = atr_s2_reader_finish(r, &why);
	if (rc == ATR_OK)
		rc = finished;
	else
		assert_int_equal(finished, rc);
	assert_true((rc == ATR_EFORMAT) == (why != NULL));
	return rc;
}

static void expect_stream(const struct bytes *stream, const uint8_t *plain, size_t plain_bytes)
{
	for (size_t piece = 1; piece <= stream->count; piece = piece < 8 ? piece + 1 : piece * 2) {
		struct bytes out = {0};

		assert_int_equal(read_stream(stream, piece, &out), ATR_OK);
		assert_int_equal(out.count, plain_bytes);
		if (plain_bytes > 0)
			assert_memory_equal(out.at, plain, plain_bytes);
		bytes_free(&out);
	}
}

/* Elements that stand for `plain`, and those that do not. */
static void expect_elements(const void *elements, size_t count, const void *plain,
                            size_t plain_bytes)
{
	struct bytes stream = {0};

	bytes_add(&stream, identifier, sizeof identifier);
	add_block(&stream, elements, count, plain, plain_bytes);
	expect_stream(&stream, plain, plain_bytes);
	bytes_free(&stream);
}

static void refuse_elements(const void *elements, size_t count, size_t plain_bytes)
{
	struct bytes stream = {0}, out = {0};
	uint8_t *plain = calloc(1, plain_bytes + 1);

	assert_non_null(plain);
	bytes_add(&stream, identifier, sizeof identifier);
	add_block(&stream, elements, count, plain, plain_bytes);
	assert_int_equal(read_stream(&stream, stream.count, &out), ATR_EFORMAT);
	assert_int_equal(out.count, 0);
	bytes_free(&stream);
	bytes_free(&out);
	free(plain);
}

/* ---- elements ---- */

static void literals_of_each_length_form_are_read(void **state)
{
	static const size_t counts[] = {1, 59, 60, 61, 256, 257, 65536, 65537, 100000};

	(void)state;
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
		for (unsigned more = 0; more <= 4; more++) {
			struct bytes elements = {0};
			size_t n = counts[i] - 1;
			uint8_t head[5] = {0}, *plain = malloc(counts[i]);

			if ((more == 0 && n >= 60) ||
			    (more > 0 && more < 4 && n >> 8 * more != 0)) {
				free(plain);
				continue; /* does not fit this form */
			}
			assert_non_null(plain);
			for (size_t k = 0; k < counts[i]; k++)
				plain[k] = (uint8_t)(k * 7 + (k >> 8));
			head[0] = (uint8_t)((more == 0 ? n : 59 + more) << 2);
			for (unsigned k = 0; k < more; k++)
				head[1 + k] = (uint8_t)(n >> 8 * k);
			bytes_add(&elements, head, 1 + more);
			bytes_add(&elements, plain, counts[i]);
			expect_elements(elements.at, elements.count, plain, counts[i]);
			bytes_free(&elements);
			free(plain);
		}
}

#define LITERAL_ABCD 0x0c, 'a', 'b', 'c', 'd'

static void copies_of_each_kind_are_read(void **state)
{
	static const uint8_t one[] = {LITERAL_ABCD, 0x01 | 3 << 2, 4};           /* 7 from 4 back */
	static const uint8_t two[] = {LITERAL_ABCD, 0x02 | 6 << 2, 3, 0};        /* 7 from 3 back */
	static const uint8_t four[] = {LITERAL_ABCD, 0x03 | 9 << 2, 1, 0, 0, 0}; /* 10 from 1 */

	(void)state;
	expect_elements(one, sizeof one, "abcdabcdabc", 11);
	expect_elements(two, sizeof two, "abcdbcdbcdb", 11);
	expect_elements(four, sizeof four, "abcddddddddddd", 14);
}

/* A copy of kind 1 uses three bits of its tag for offsets of 256 and more. */
static void an_offset_of_eleven_bits_is_read(void **state)
{
	struct bytes elements = {0};
	uint8_t plain[2047 + 4];
	static const uint8_t head[] = {61 << 2, 2046 & 0xff, 2046 >> 8};
	static const uint8_t copy[] = {0x01 | 7 << 5, 0xff};

	(void)state;
	for (size_t i = 0; i < 2047; i++)
		plain[i] = (uint8_t)(i % 251);
	memcpy(plain + 2047, plain, 4);
	bytes_add(&elements, head, sizeof head);
	bytes_add(&elements, plain, 2047);
	bytes_add(&elements, copy, sizeof copy);
	expect_elements(elements.at, elements.count, plain, sizeof plain);
	bytes_free(&elements);
}

/* Every length of the repeat form: the last offset of any kind of copy is used again. */
static void repeats_of_each_length_form_are_read(void **state)
{
	static const struct {
		uint8_t element[5];
		size_t bytes, count;
	} repeats[] = {
	        {{0x01 | 0 << 2, 0}, 2, 4},
	        {{0x01 | 4 << 2, 0}, 2, 8},
	        {{0x01 | 5 << 2, 0, 0}, 3, 8},
	        {{0x01 | 5 << 2, 0, 255}, 3, 263},
	        {{0x01 | 6 << 2, 0, 0, 0}, 4, 260},
	        {{0x01 | 6 << 2, 0, 0xff, 0xff}, 4, 65795},
	        {{0x01 | 7 << 2, 0, 0, 0, 0}, 5, 65540},
	        {{0x01 | 7 << 2, 0, 0, 0, 0x10}, 5, 65540 + 0x100000},
	};
	static const uint8_t copies[3][6] = {
	        {0x01, 4}, {0x02 | 3 << 2, 4, 0}, {0x03 | 3 << 2, 4, 0, 0, 0}};
	static const size_t copy_bytes[3] = {2, 3, 5};
	static const uint8_t literal[] = {LITERAL_ABCD};

	(void)state;
	for (size_t i = 0; i < sizeof repeats / sizeof repeats[0]; i++)
		for (size_t kind = 0; kind < 3; kind++) {
			struct bytes elements = {0};
			size_t bytes = 4 + 4 + repeats[i].count;
			uint8_t *plain = malloc(bytes);

			assert_non_null(plain);
			for (size_t k = 0; k < bytes; k++)
				plain[k] = (uint8_t)('a' + k % 4);
			bytes_add(&elements, literal, sizeof literal);
			bytes_add(&elements, copies[kind], copy_bytes[kind]);
			bytes_add(&elements, repeats[i].element, repeats[i].bytes);
			expect_elements(elements.at, elements.count, plain, bytes);
			bytes_free(&elements);
			free(plain);
		}
}

static void elements_that_cannot_be_are_refused(void **state)
{
	static const uint8_t before_start[] = {LITERAL_ABCD, 0x01, 5};
	static const uint8_t offset_zero[] = {LITERAL_ABCD, 0x02 | 3 << 2, 0, 0};
	static const uint8_t repeat_first[] = {LITERAL_ABCD, 0x01, 0};
	static const uint8_t too_long[] = {LITERAL_ABCD, 0x01 | 1 << 2, 4};
	static const uint8_t too_short[] = {LITERAL_ABCD};
	static const uint8_t cut_copy[] = {LITERAL_ABCD, 0x02 | 3 << 2, 4};
	static const uint8_t cut_repeat[] = {LITERAL_ABCD, 0x01, 4, 0x01 | 7 << 2, 0, 0, 0};
	static const uint8_t cut_literal[] = {0x1c, 'a', 'b', 'c', 'd'};
	static const uint8_t huge_literal[] = {63 << 2, 0xff, 0xff, 0xff, 0xff, 'a'};

	(void)state;
	refuse_elements(before_start, sizeof before_start, 8);
	refuse_elements(offset_zero, sizeof offset_zero, 8);
	refuse_elements(repeat_first, sizeof repeat_first, 8);
	refuse_elements(too_long, sizeof too_long, 8);
	refuse_elements(too_short, sizeof too_short, 8);
	refuse_elements(cut_copy, sizeof cut_copy, 8);
	refuse_elements(cut_repeat, sizeof cut_repeat, 65548);
	refuse_elements(cut_literal, sizeof cut_literal, 8);
	refuse_elements(huge_literal, sizeof huge_literal, 8);
}

/* ---- chunks ---- */

static void skippable_chunks_and_repeated_identifiers_are_passed_over(void **state)
{
	static const uint8_t snappy[] = {'s', 'N', 'a', 'P', 'p', 'Y'};
	static const uint8_t plain[] = "abcdabcd";
	static const uint8_t elements[] = {LITERAL_ABCD, 0x01, 4};
	struct bytes stream = {0};
	uint8_t *index = calloc(1, 100000);

	(void)state;
	assert_non_null(index);
	add_chunk(&stream, 0xff, snappy, sizeof snappy);
	add_chunk(&stream, 0x99, index, 100000);
	add_chunk(&stream, 0xfe, NULL, 0);
	add_raw(&stream, plain, 4);
	add_chunk(&stream, 0x80, index, 1);
	bytes_add(&stream, identifier, sizeof identifier);
	add_raw(&stream, plain, 0);
	add_block(&stream, elements, sizeof elements, plain, 8);
	add_chunk(&stream, 0xfd, index, 3);
	expect_stream(&stream, (const uint8_t *)"abcdabcdabcd", 12);
	bytes_free(&stream);
	free(index);
}

static void refuse_chunk(uint8_t type, const void *body, size_t count)
{
	struct bytes stream = {0}, out = {0};

	bytes_add(&stream, identifier, sizeof identifier);
	add_chunk(&stream, type, body, count);
	assert_int_equal(read_stream(&stream, 3, &out), ATR_EFORMAT);
	bytes_free(&stream);
	bytes_free(&out);
}

static void chunks_that_cannot_be_are_refused(void **state)
{
	uint8_t body[16] = {0};
	struct bytes stream = {0}, out = {0};
	size_t too_many = 4 + (4u << 20) + 1;
	uint8_t *large = calloc(1, too_many);

	(void)state;
	assert_non_null(large);
	refuse_chunk(0x02, body, 4);
	refuse_chunk(0x7f, body, 4);
	refuse_chunk(0x00, body, 3); /* shorter than its CRC */
	refuse_chunk(0x00, body, 4); /* no length */
	refuse_chunk(0x01, body, 2);
	refuse_chunk(0xff, "S2sTwo", 6);
	refuse_chunk(0xff, "S2sTwO ", 7);
	refuse_chunk(0x01, large, too_many);
	memset(body + 4, 0xff, 9); /* a length of 2^63 - 1 */
	refuse_chunk(0x00, body, 14);
	add_raw(&stream, body, 4); /* no identifier */
	assert_int_equal(read_stream(&stream, stream.count, &out), ATR_EFORMAT);
	assert_int_equal(out.count, 0);
	bytes_free(&stream);
	bytes_free(&out);
	free(large);
}

/* A chunk as large as servers may make it. */
static void a_chunk_of_4_mib_is_read(void **state)
{
	size_t bytes = 4u << 20;
	uint8_t *plain = malloc(bytes);
	struct bytes stream = {0}, out = {0};

	(void)state;
	assert_non_null(plain);
	for (size_t i = 0; i < bytes; i++)
		plain[i] = (uint8_t)(i * i >> 7);
	bytes_add(&stream, identifier, sizeof identifier);
	add_raw(&stream, plain, bytes);
	assert_int_equal(read_stream(&stream, 1 << 20, &out), ATR_OK);
	assert_int_equal(out.count, bytes);
	assert_memory_equal(out.at, plain, bytes);
	bytes_free(&stream);
	bytes_free(&out);
	free(plain);
}

static void the_sink_ends_the_work(void **state)
{
	static const uint8_t plain[] = "abcdefgh";
	struct bytes stream = {0}, out = {.fail_at = 8};
	struct atr_s2_writer *w;

	(void)state;
	bytes_add(&stream, identifier, sizeof identifier);
	add_raw(&stream, plain, 8);
	add_raw(&stream, plain, 8);
	assert_int_equal(read_stream(&stream, stream.count, &out), ATR_ENOSPC);
	assert_int_equal(out.count, 8);
	bytes_free(&out);
	out.fail_at = 1;
	w = atr_s2_writer_new(sink, &out);
	assert_non_null(w);
	assert_int_equal(atr_s2_write(w, plain, 8), ATR_OK);
	assert_int_equal(atr_s2_writer_finish(w), ATR_ENOSPC);
	bytes_free(&stream);
	bytes_free(&out);
}

/* ---- written and read again ---- */

/* seed 0: compresses well; else does not compress, or half of it does. */
static uint8_t *content_of(size_t bytes, unsigned seed)
{
	uint8_t *content = malloc(bytes > 0 ? bytes : 1);
	uint64_t x = 88172645463325252u + seed;

	assert_non_null(content);
	for (size_t i = 0; i < bytes; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		content[i] = seed == 0                     ? (uint8_t)("orders."[i % 7])
		             : seed == 1 || (i & 128) == 0 ? (uint8_t)x
		                                           : 0;
	}
	return content;
}

static void what_is_written_is_read_again(void **state)
{
	static const size_t sizes[] = {0, 1, 8, 30, 65535, 65536, 65537, 131072, 1000000};
	static const size_t pieces[] = {1000, 65536, 131072, 1000000};

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		for (unsigned seed = 0; seed < 3; seed++)
			for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
				uint8_t *plain = content_of(sizes[i], seed);
				struct bytes stream = {0}, out = {0};
				struct atr_s2_writer *w = atr_s2_writer_new(sink, &stream);

				assert_non_null(w);
				for (size_t at = 0; at < sizes[i]; at += pieces[p])
					assert_int_equal(atr_s2_write(w, plain + at,
					                              sizes[i] - at < pieces[p]
					                                      ? sizes[i] - at
					                                      : pieces[p]),
					                 ATR_OK);
				assert_int_equal(atr_s2_writer_finish(w), ATR_OK);
				assert_true(stream.count >= sizeof identifier);
				assert_memory_equal(stream.at, identifier, sizeof identifier);
				assert_int_equal(read_stream(&stream, 777, &out), ATR_OK);
				assert_int_equal(out.count, sizes[i]);
				if (sizes[i] > 0)
					assert_memory_equal(out.at, plain, sizes[i]);
				if (seed == 0 && sizes[i] >= 65535)
					assert_true(stream.count < sizes[i] / 10);
				bytes_free(&stream);
				bytes_free(&out);
				free(plain);
			}
}

static void a_block_is_compressed_and_read_again(void **state)
{
	static const size_t sizes[] = {8, 9, 30, 65544, 65545, 2000000, 8u << 20};

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		for (unsigned seed = 0; seed < 3; seed++) {
			uint8_t *plain = content_of(sizes[i], seed), *packed, *out;
			size_t packed_bytes, out_bytes;
			const char *why;

			assert_int_equal(
			        atr_s2_compress_block(plain, sizes[i], &packed, &packed_bytes),
			        ATR_OK);
			assert_memory_equal(packed, "cmp\1", 4);
			assert_memory_equal(packed + packed_bytes - 8, plain + sizes[i] - 8, 8);
			assert_int_equal(atr_s2_is_compressed(packed, packed_bytes, packed_bytes),
			                 1);
			assert_int_equal(atr_s2_decompress_block(packed, packed_bytes, LIMIT_BYTES,
			                                         &out, &out_bytes, &why),
			                 ATR_OK);
			assert_int_equal(out_bytes, sizes[i]);
			assert_memory_equal(out, plain, sizes[i]);
			free(out);
			/* not one byte more is allocated than allowed */
			assert_int_equal(atr_s2_decompress_block(packed, packed_bytes, sizes[i] - 1,
			                                         &out, &out_bytes, &why),
			                 ATR_EFORMAT);
			assert_null(out);
			free(packed);
			free(plain);
		}
}

/* ---- damage ---- */

/* A block of some 300 bytes with both kinds of chunk and all kinds of element. */
static struct bytes small_block(uint8_t plain[64])
{
	static const uint8_t elements[] = {LITERAL_ABCD,
	                                   0x01,
	                                   4,
	                                   0x01 | 1 << 2,
	                                   0,
	                                   0x02 | 3 << 2,
	                                   4,
	                                   0,
	                                   0x03 | 2 << 2,
	                                   1,
	                                   0,
	                                   0,
	                                   0};
	struct bytes b = {0};
	uint8_t head[4 + ATR_UVARINT_BYTES_MAX] = {'c', 'm', 'p', 1};

	memcpy(plain, "abcdabcdabcdabcdadddd", 4);
	for (size_t i = 4; i < 17; i++)
		plain[i] = plain[i - 4];
	memset(plain + 17, plain[16], 3);
	for (size_t i = 20; i < 64; i++)
		plain[i] = (uint8_t)(i * 37);
	bytes_add(&b, head, 4 + atr_uvarint_put(head + 4, 64));
	bytes_add(&b, identifier, sizeof identifier);
	add_block(&b, elements, sizeof elements, plain, 20);
	add_chunk(&b, 0xfe, (const uint8_t *)"\0\0\0", 3);
	add_raw(&b, plain + 20, 36);
	bytes_add(&b, plain + 56, 8);
	return b;
}

static void a_block_put_together_by_hand_is_read(void **state)
{
	uint8_t plain[64], *out;
	struct bytes b = small_block(plain);
	const char *why = NULL;
	size_t bytes;

	(void)state;
	if (atr_s2_decompress_block(b.at, b.count, 64, &out, &bytes, &why) != ATR_OK)
		fail_msg("%s", why);
	assert_int_equal(bytes, 64);
	assert_memory_equal(out, plain, 64);
	free(out);
	bytes_free(&b);
}

/* A block of a copy of its own, so that a sanitizer sees any byte read outside. Refused, or the
 * same content apart from its last 8 bytes, which are stored as they are. */
static unsigned refused_or_equal(const uint8_t *content, size_t bytes, const uint8_t plain[64])
{
	uint8_t *copy = malloc(bytes > 0 ? bytes : 1), *out;
	enum atr_status rc;
	const char *why;
	size_t out_bytes;

	assert_non_null(copy);
	if (bytes > 0)
		memcpy(copy, content, bytes);
	(void)atr_s2_is_compressed(copy, bytes, bytes);
	rc = atr_s2_decompress_block(copy, bytes, LIMIT_BYTES, &out, &out_bytes, &why);
	free(copy);
	assert_true((rc == ATR_OK) == (out != NULL));
	if (rc == ATR_OK) {
		assert_int_equal(out_bytes, 64);
		assert_memory_equal(out, plain, 56);
		free(out);
		return 0;
	}
	assert_true(rc == ATR_EFORMAT || rc == ATR_EUNSUPPORTED);
	assert_non_null(why);
	return 1;
}

static void every_changed_byte_is_refused_or_changes_nothing(void **state)
{
	uint8_t plain[64];
	struct bytes b = small_block(plain);
	unsigned refused = 0;

	(void)state;
	for (size_t at = 0; at < b.count; at++)
		for (unsigned change = 1; change < 256; change++) {
			b.at[at] ^= (uint8_t)change;
			refused += refused_or_equal(b.at, b.count, plain);
			b.at[at] ^= (uint8_t)change;
		}
	/* immaterial: the skippable chunk's type and body, the last 8 bytes, and elements that
	 * come to the same bytes */
	assert_true(refused > 255 * (b.count - 8 - 4 - 3));
	bytes_free(&b);
}

static void every_shorter_block_is_refused(void **state)
{
	uint8_t plain[64];
	struct bytes b = small_block(plain);

	(void)state;
	for (size_t bytes = 0; bytes < b.count; bytes++)
		assert_int_equal(refused_or_equal(b.at, bytes, plain), 1);
	bytes_free(&b);
}

static void every_cut_stream_is_refused_unless_cut_between_chunks(void **state)
{
	uint8_t plain[64];
	struct bytes b = small_block(plain);
	unsigned fine = 0;

	(void)state;
	for (size_t bytes = 0; bytes <= b.count - 5 - 8; bytes++) {
		struct bytes cut = {b.at + 5, bytes, 0, 0}, out = {0};

		if (read_stream(&cut, 5, &out) == ATR_OK) {
			fine++;
			assert_true(out.count == 0 || out.count == 20 || out.count == 56);
		}
		if (out.count > 0)
			assert_memory_equal(out.at, plain, out.count);
		bytes_free(&out);
	}
	assert_int_equal(fine, 5); /* empty, identifier, block, skippable, raw */
	bytes_free(&b);
}

/* ---- which blocks are compressed ---- */

/* An algorithm byte of 0: the content follows as it is. */
static void a_block_with_algorithm_none_is_read(void **state)
{
	uint8_t block[] = {'c', 'm', 'p', 0, 10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, *out;
	const char *why;
	size_t bytes;

	(void)state;
	assert_int_equal(atr_s2_is_compressed(block, sizeof block, sizeof block), 1);
	assert_int_equal(atr_s2_decompress_block(block, sizeof block, 64, &out, &bytes, &why),
	                 ATR_OK);
	assert_int_equal(bytes, 10);
	assert_memory_equal(out, block + 5, 10);
	free(out);
	block[4] = 9;
	assert_int_equal(atr_s2_decompress_block(block, sizeof block, 64, &out, &bytes, &why),
	                 ATR_EFORMAT);
	block[3] = 2;
	assert_int_equal(atr_s2_decompress_block(block, sizeof block, 64, &out, &bytes, &why),
	                 ATR_EUNSUPPORTED);
}

static void a_first_record_whose_length_spells_cmp_is_a_record(void **state)
{
	uint8_t start[64] = {'c', 'm', 'p', 0, 1};
	uint64_t length = 'c' | 'm' << 8 | 'p' << 16;

	(void)state;
	start[20] = 3; /* bytes of its subject */
	assert_int_equal(atr_s2_is_compressed(start, sizeof start, length), 0);
	assert_int_equal(atr_s2_is_compressed(start, sizeof start, length + 100), 0);
	assert_int_equal(atr_s2_is_compressed(start, sizeof start, length - 1), 1);
	assert_int_equal(atr_s2_is_compressed(start, 4, 4), 0);
	memcpy(start + 7, identifier, sizeof identifier); /* behind a size of three bytes */
	start[3] = 1;
	start[4] = start[5] = 0x80;
	assert_int_equal(atr_s2_is_compressed(start, sizeof start, 1u << 30), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(literals_of_each_length_form_are_read),
	        cmocka_unit_test(copies_of_each_kind_are_read),
	        cmocka_unit_test(an_offset_of_eleven_bits_is_read),
	        cmocka_unit_test(repeats_of_each_length_form_are_read),
	        cmocka_unit_test(elements_that_cannot_be_are_refused),
	        cmocka_unit_test(skippable_chunks_and_repeated_identifiers_are_passed_over),
	        cmocka_unit_test(chunks_that_cannot_be_are_refused),
	        cmocka_unit_test(a_chunk_of_4_mib_is_read),
	        cmocka_unit_test(the_sink_ends_the_work),
	        cmocka_unit_test(what_is_written_is_read_again),
	        cmocka_unit_test(a_block_is_compressed_and_read_again),
	        cmocka_unit_test(a_block_put_together_by_hand_is_read),
	        cmocka_unit_test(every_changed_byte_is_refused_or_changes_nothing),
	        cmocka_unit_test(every_shorter_block_is_refused),
	        cmocka_unit_test(every_cut_stream_is_refused_unless_cut_between_chunks),
	        cmocka_unit_test(a_block_with_algorithm_none_is_read),
	        cmocka_unit_test(a_first_record_whose_length_spells_cmp_is_a_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
