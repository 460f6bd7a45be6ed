#include "tests/unit/store_compress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/secret.h"
#include "store/block.h"
#include "store/s2.h"
#include "tests/unit/store_fixture.h"

/* The key stream of a block over bytes. */
static void cipher_over(const struct atr_block_home *home, unsigned number, uint8_t *bytes,
                        size_t count)
{
	struct atr_keystream *stream;
	struct atr_error err;
	struct atr_seed seed;
	enum atr_status rc = atr_block_read_key(home, number, &seed, &err);

	if (rc == ATR_ENOTFOUND)
		return;
	assert_ok(rc, &err);
	stream = atr_keystream_new(seed.cipher, seed.seed, seed.nonce, 0);
	assert_non_null(stream);
	assert_int_equal(atr_keystream_xor(stream, 0, bytes, bytes, count), 0);
	atr_keystream_free(stream);
	atr_secret_wipe(&seed, sizeof seed);
}

void compress_block_file(const char *dir, const char *stream, const char *key, unsigned number)
{
	struct atr_keyring ring = {.key = (const uint8_t *)key,
	                           .key_bytes = key != NULL ? strlen(key) : 0};
	struct atr_block_home home = {
	        .files = &atr_file_real, .account = "$G", .stream = stream, .ring = &ring};
	char msgs[PATH_MAX], path[PATH_MAX + 32];
	size_t bytes, packed_bytes;
	uint8_t *content, *packed;

	(void)snprintf(msgs, sizeof msgs, "%s/msgs", dir);
	(void)snprintf(path, sizeof path, "%s/%u.blk", msgs, number);
	home.msgs_path = msgs;
	content = fixture_read(path, &bytes);
	assert_non_null(content);
	cipher_over(&home, number, content, bytes);
	if (!atr_s2_is_compressed(content, bytes, bytes)) {
		assert_int_equal(atr_s2_compress_block(content, bytes, &packed, &packed_bytes),
		                 ATR_OK);
		cipher_over(&home, number, packed, packed_bytes);
		fixture_write(path, packed, packed_bytes);
		free(packed);
	}
	free(content);
}
