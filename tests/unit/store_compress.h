/* store_compress.h - compresses a block file of a closed store, as servers do when a stream goes on
 * to the next block: in place, from offset 0 of the same key stream. */
#ifndef ATREST_TESTS_STORE_COMPRESS_H
#define ATREST_TESTS_STORE_COMPRESS_H

#include <stddef.h>

/* dir: the stream's. key NULL: clear text. Nothing is done when the block is compressed already. */
void compress_block_file(const char *dir, const char *stream, const char *key, unsigned number);

#endif
