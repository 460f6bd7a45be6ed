/* fuzz_s2.c - any bytes as a compressed block and as a framed stream: refused, or what comes out
 * can be compressed and read again.
 *
 * Both ways of reading must agree: the stream inside a block that is read also reads by itself,
 * split anywhere.
 */
#include <stdlib.h>
#include <string.h>

#include "store/s2.h"

#define LIMIT_BYTES ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* What the stream reader made; compared with what is expected while there is something. */
struct made {
	const uint8_t *expected;
	size_t expected_bytes, bytes;
};

static enum atr_status take(void *arg, const uint8_t *bytes, size_t count)
{
	struct made *made = arg;

	if (made->expected != NULL && (made->bytes + count > made->expected_bytes ||
	                               memcmp(made->expected + made->bytes, bytes, count) != 0))
		abort();
	made->bytes += count;
	return made->expected == NULL && made->bytes > LIMIT_BYTES ? ATR_ELIMIT : ATR_OK;
}

static enum atr_status read_stream(const uint8_t *data, size_t bytes, size_t piece,
                                   struct made *made)
{
	struct atr_s2_reader *r = atr_s2_reader_new(take, made);
	const char *why = NULL;
	enum atr_status rc;

	if (r == NULL)
		abort();
	for (size_t at = 0; at < bytes; at += piece)
		if (atr_s2_feed(r, data + at, bytes - at < piece ? bytes - at : piece, &why) !=
		    ATR_OK)
			break;
	rc = atr_s2_reader_finish(r, &why);
	if ((rc == ATR_EFORMAT) != (why != NULL))
		abort();
	return rc;
}

static void again(const uint8_t *plain, size_t bytes)
{
	uint8_t *packed, *out;
	size_t packed_bytes, out_bytes;
	const char *why;

	if (atr_s2_compress_block(plain, bytes, &packed, &packed_bytes) != ATR_OK ||
	    atr_s2_decompress_block(packed, packed_bytes, bytes, &out, &out_bytes, &why) !=
	            ATR_OK ||
	    out_bytes != bytes || memcmp(out, plain, bytes) != 0)
		abort();
	free(packed);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct made whole = {0}, split = {0};
	uint8_t *out;
	size_t out_bytes, head = 4;
	const char *why;

	(void)atr_s2_is_compressed(data, bytes, bytes);
	if (atr_s2_decompress_block(data, bytes, LIMIT_BYTES, &out, &out_bytes, &why) == ATR_OK) {
		again(out, out_bytes);
		while (data[head++] >= 0x80) /* the original size */
			;
		whole.expected = out;
		whole.expected_bytes = out_bytes - 8;
		if (data[3] == 1 &&
		    (read_stream(data + head, bytes - 8 - head, 7, &whole) != ATR_OK ||
		     whole.bytes != out_bytes - 8))
			abort();
		free(out);
	}
	memset(&whole, 0, sizeof whole);
	if (read_stream(data, bytes, bytes > 0 ? bytes : 1, &whole) !=
	            read_stream(data, bytes, 1 + bytes / 3, &split) ||
	    whole.bytes != split.bytes)
		abort();
	return 0;
}
