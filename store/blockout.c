/* blockout.c - see blockout.h. Records are gathered and enciphered in pieces; a compressed block
 * is gathered as a whole, since it begins with its own size. */
#include "store/blockout.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/secret.h"
#include "store/s2.h"

/* One write, where the block is not compressed. */
#define PIECE_BYTES ((size_t)256 * 1024)
/* Content below this is not compressed: the form keeps the last 8 bytes apart. */
#define COMPRESS_BYTES_MIN ((size_t)(4 * ATR_HASH_BYTES))
/* Content above this is not either: no reader of ours decompresses more at once. */
#define COMPRESS_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct atr_blockout {
	const struct atr_block_home *home;
	const struct atr_cipher *cipher;
	uint64_t number;
	int compress, sync;
	int fd;
	char blk_path[PATH_MAX], key_path[PATH_MAX];
	struct atr_hash_key hash_key;
	struct atr_seed *seed; /* secret memory; NULL: clear text */
	struct atr_keystream *stream;
	uint8_t *buffer; /* records not written yet */
	size_t held, capacity;
	struct atr_blockout_result result;
};

/* ---- opening ---- */

/* A key of its own, on the disk before the block has a byte. */
static enum atr_status write_key(struct atr_blockout *out, struct atr_error *err)
{
	const struct atr_file_table *files = out->home->files;
	const struct atr_keyring *ring = out->home->ring;
	uint8_t sealed[ATR_KEYFILE_BYTES_MAX];
	size_t sealed_bytes = 0;
	char context[300];
	enum atr_status rc;

	out->seed = atr_secret_alloc(sizeof *out->seed);
	if (out->seed == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a key");
	if (snprintf(context, sizeof context, "%s:%" PRIu64, out->home->stream, out->number) >=
	    (int)sizeof context)
		return atr_error_set(err, ATR_EINVAL, out->key_path, -1, "stream name too long");
	rc = atr_keyfile_make(files, out->cipher, out->seed);
	if (rc == ATR_OK)
		rc = atr_keyfile_seal(out->seed, ring->key, ring->key_bytes, out->home->account,
		                      context, sealed, &sealed_bytes);
	if (rc != ATR_OK)
		return atr_error_set(err, rc, out->key_path, -1, "making a block key: %s",
		                     atr_status_text(rc));
	out->stream = atr_keystream_new(out->cipher, out->seed->seed, out->seed->nonce, 0);
	if (out->stream == NULL)
		return atr_error_set(err, ATR_ENOMEM, out->key_path, -1,
		                     "no memory for a cipher context");
	return atr_file_write_new(files, out->key_path, sealed, sealed_bytes, out->sync, err);
}

static void remove_files(struct atr_blockout *out)
{
	const struct atr_file_table *files = out->home->files;

	if (out->fd >= 0)
		(void)files->close(files->context, out->fd);
	out->fd = -1;
	/* the block first: it is never there without its key */
	(void)files->unlink(files->context, out->blk_path);
	(void)files->unlink(files->context, out->key_path);
}

static void free_blockout(struct atr_blockout *out)
{
	atr_keystream_free(out->stream);
	atr_secret_free(out->seed);
	free(out->buffer);
	free(out);
}

static enum atr_status set_names(struct atr_blockout *out, const char *suffix,
                                 struct atr_error *err)
{
	char name[300];

	if (snprintf(out->blk_path, sizeof out->blk_path, "%s/%" PRIu64 ".blk%s",
	             out->home->msgs_path, out->number, suffix) >= (int)sizeof out->blk_path ||
	    snprintf(out->key_path, sizeof out->key_path, "%s/%" PRIu64 ".key%s",
	             out->home->msgs_path, out->number, suffix) >= (int)sizeof out->key_path)
		return atr_error_set(err, ATR_EINVAL, out->home->msgs_path, -1, "path too long");
	if (snprintf(name, sizeof name, "%s-%" PRIu64, out->home->stream, out->number) >=
	    (int)sizeof name)
		return atr_error_set(err, ATR_EINVAL, NULL, -1, "stream name too long");
	if (atr_hash_key_init(&out->hash_key, name) != 0)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "SHA-256 failed");
	return ATR_OK;
}

enum atr_status atr_blockout_open(const struct atr_blockout_options *options,
                                  struct atr_blockout **result, struct atr_error *err)
{
	const struct atr_file_table *files = options->home->files;
	struct atr_blockout *out = calloc(1, sizeof *out);
	int replaces = options->suffix[0] != '\0'; /* what an earlier attempt left */
	struct atr_file_stat st;
	enum atr_status rc;

	*result = NULL;
	if (out == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory to write a block");
	out->home = options->home;
	out->cipher = options->cipher;
	out->number = options->number;
	out->compress = options->compress;
	out->sync = options->sync;
	out->fd = -1;
	rc = set_names(out, options->suffix, err);
	/* nothing of a block that is there may be touched, its key file least */
	if (rc == ATR_OK && !replaces && files->stat(files->context, out->blk_path, &st) >= 0)
		rc = atr_error_set(err, ATR_EEXISTS, out->blk_path, -1, "a block is there already");
	if (rc != ATR_OK) {
		free_blockout(out);
		return rc;
	}
	if (replaces)
		remove_files(out);
	if (atr_cipher_encrypts(out->cipher))
		rc = write_key(out, err);
	if (rc == ATR_OK) {
		out->fd = files->open(files->context, out->blk_path, O_WRONLY | O_CREAT | O_EXCL,
		                      0640);
		if (out->fd < 0)
			rc = atr_file_error(err, out->fd, out->blk_path, -1, "create");
	}
	if (rc != ATR_OK) {
		atr_blockout_discard(out);
		return rc;
	}
	*result = out;
	return ATR_OK;
}

/* ---- records ---- */

static enum atr_status reserve(struct atr_blockout *out, size_t bytes, struct atr_error *err)
{
	size_t capacity = out->capacity > 0 ? out->capacity : 2 * PIECE_BYTES;
	uint8_t *larger;

	if (out->held + bytes <= out->capacity)
		return ATR_OK;
	while (capacity < out->held + bytes)
		capacity *= 2;
	larger = realloc(out->buffer, capacity);
	if (larger == NULL)
		return atr_error_set(err, ATR_ENOMEM, out->blk_path, -1, "no memory for %zu bytes",
		                     capacity);
	out->buffer = larger;
	out->capacity = capacity;
	return ATR_OK;
}

/* Enciphers what is held and writes it behind what is there. */
static enum atr_status write_held(struct atr_blockout *out, struct atr_error *err)
{
	uint64_t offset = out->result.file_bytes;
	enum atr_status rc;

	if (out->held == 0)
		return ATR_OK;
	if (out->stream != NULL &&
	    atr_keystream_xor(out->stream, offset, out->buffer, out->buffer, out->held) != 0)
		return atr_error_set(err, ATR_EINVAL, out->blk_path, (int64_t)offset,
		                     "past the end of the key stream");
	rc = atr_file_write_all(out->home->files, out->fd, out->blk_path, out->buffer, out->held,
	                        offset, err);
	if (rc != ATR_OK)
		return rc;
	out->result.file_bytes += out->held;
	out->held = 0;
	return ATR_OK;
}

enum atr_status atr_blockout_put(struct atr_blockout *out, const struct atr_message *m,
                                 struct atr_error *err)
{
	size_t bytes = atr_record_bytes(m);
	enum atr_status rc;

	if (bytes == 0)
		return atr_error_set(err, ATR_ETOOLARGE, out->blk_path, -1,
		                     "record above 32 MiB or subject above 65535 bytes");
	if (out->result.records == 0 && !out->compress && atr_record_spells_compressed(bytes))
		return atr_error_set(err, ATR_EINVAL, out->blk_path, 0,
		                     "a record of %zu bytes cannot be the first of a block: "
		                     "servers take the block for a compressed one",
		                     bytes);
	rc = reserve(out, bytes, err);
	if (rc != ATR_OK)
		return rc;
	out->held += atr_record_encode(&out->hash_key, m, out->buffer + out->held);
	memcpy(out->result.lchk, out->buffer + out->held - ATR_HASH_BYTES, ATR_HASH_BYTES);
	out->result.records++;
	if (!out->compress && out->held >= PIECE_BYTES)
		return write_held(out, err);
	return ATR_OK;
}

/* ---- the end ---- */

/* What is held becomes its compressed form, where that is smaller or needed to tell a first record
 * that spells "cmp" from one. */
static enum atr_status compress_held(struct atr_blockout *out, struct atr_error *err)
{
	uint8_t *smaller;
	size_t bytes;
	enum atr_status rc = atr_s2_compress_block(out->buffer, out->held, &smaller, &bytes);

	if (rc != ATR_OK)
		return atr_error_set(err, rc, out->blk_path, -1, "compressing a block: %s",
		                     atr_status_text(rc));
	if (bytes >= out->held && memcmp(out->buffer, "cmp", 3) != 0) {
		free(smaller);
		return ATR_OK;
	}
	free(out->buffer);
	out->buffer = smaller;
	out->held = out->capacity = bytes;
	return ATR_OK;
}

enum atr_status atr_blockout_finish(struct atr_blockout *out, struct atr_blockout_result *result,
                                    struct atr_error *err)
{
	const struct atr_file_table *files = out->home->files;
	enum atr_status rc = ATR_OK;
	int done;

	memset(result, 0, sizeof *result);
	if (out->compress && out->held >= COMPRESS_BYTES_MIN && out->held <= COMPRESS_BYTES_MAX)
		rc = compress_held(out, err);
	if (rc == ATR_OK)
		rc = write_held(out, err);
	if (rc == ATR_OK && out->sync) {
		done = files->sync(files->context, out->fd);
		if (done < 0)
			rc = atr_file_error(err, done, out->blk_path, -1, "fsync");
	}
	done = files->close(files->context, out->fd);
	out->fd = -1;
	if (done < 0 && rc == ATR_OK)
		rc = atr_file_error(err, done, out->blk_path, -1, "close");
	if (rc != ATR_OK)
		remove_files(out);
	else
		*result = out->result;
	free_blockout(out);
	return rc;
}

void atr_blockout_discard(struct atr_blockout *out)
{
	if (out == NULL)
		return;
	remove_files(out);
	free_blockout(out);
}
