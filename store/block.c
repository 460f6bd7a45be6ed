#include "store/block.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/secret.h"
#include "store/bytes.h"
#include "store/s2.h"

/* One read. Small enough that deciphering and walking find it in the L2 cache, large enough
 * that the call does not matter. */
#define PIECE_BYTES ((size_t)256 * 1024)

/* A read goes to where the file has a page (atr_file_buffer says why). */
#define PAGE_BYTES ((size_t)4096)

/* A search for the next valid record takes only sequences this close to the last one seen:
 * chance candidates would cost a hash over up to a whole block each. */
#define RESYNC_SEQUENCE_SPAN (UINT64_C(1) << 32)

/* A compressed block is not larger than its content either, but for chunk headers. */
#define COMPRESSED_BYTES_MAX (ATR_DECOMPRESSED_BYTES_MAX + ATR_DECOMPRESSED_BYTES_MAX / 8)

struct atr_walk {
	struct atr_block_home home;
	uint64_t number;
	int fd;
	char path[PATH_MAX];
	uint64_t file_bytes;
	uint64_t end; /* of the records: of the file, or of the decompressed block */
	int compressed;
	struct atr_hash_key hash_key;

	struct atr_seed *seed; /* secret memory; NULL until the first enciphered block */
	int enciphered;
	struct atr_keystream *stream; /* of seed; kept over blocks of one cipher */
	const struct atr_cipher *stream_cipher;

	/* buffer[from .. held) is the deciphered file; the next record starts at at. buffer[0] is
	 * at base in the file, a multiple of PAGE_BYTES. Of a compressed block it is all of the
	 * decompressed content. */
	uint8_t *buffer;
	size_t capacity, from, held, at;
	uint64_t base;
	int prepared; /* what atr_record_prepare said of the record at at; -1: not prepared */
	size_t last;  /* where the record last returned (or the damage) starts */
	enum atr_status stuck;
	int cut; /* stuck because the file ends inside the record */
	struct atr_error stuck_error;
	uint64_t last_sequence;
};

/* ---- opening ---- */

static enum atr_status key_error(struct atr_error *err, enum atr_status rc, const char *path,
                                 size_t bytes)
{
	switch (rc) {
	case ATR_ENOKEY:
		return atr_error_set(err, rc, path, -1,
		                     "the block is encrypted and no key was given");
	case ATR_EFORMAT:
		return atr_error_set(err, rc, path, -1, "%zu bytes, expected 72 or 64", bytes);
	case ATR_EAUTH:
		return atr_error_set(err, rc, path, -1,
		                     "message authentication failed: wrong key or damaged file");
	default:
		return atr_error_set(err, rc, path, -1, "%s", atr_status_text(rc));
	}
}

static enum atr_status block_path(const struct atr_block_home *home, uint64_t number,
                                  const char *suffix, char path[PATH_MAX], struct atr_error *err)
{
	if (snprintf(path, PATH_MAX, "%s/%" PRIu64 ".%s", home->msgs_path, number, suffix) >=
	    PATH_MAX)
		return atr_error_set(err, ATR_EINVAL, home->msgs_path, -1, "path too long");
	return ATR_OK;
}

enum atr_status atr_block_read_key(const struct atr_block_home *home, uint64_t number,
                                   struct atr_seed *out, struct atr_error *err)
{
	uint8_t sealed[ATR_KEYFILE_BYTES_MAX + 1];
	char path[PATH_MAX], context[300];
	enum atr_status rc;
	size_t bytes = 0;
	int fd;

	memset(out, 0, sizeof *out);
	rc = block_path(home, number, "key", path, err);
	if (rc != ATR_OK)
		return rc;
	if (snprintf(context, sizeof context, "%s:%" PRIu64, home->stream, number) >=
	    (int)sizeof context)
		return atr_error_set(err, ATR_EINVAL, path, -1, "stream name too long");
	fd = home->files->open(home->files->context, path, O_RDONLY, 0);
	if (fd == -ENOENT)
		return atr_error_set(err, ATR_ENOTFOUND, path, -1, "no such file");
	if (fd < 0)
		return atr_file_error(err, fd, path, -1, "open");
	while (bytes < sizeof sealed) { /* one byte more than allowed shows a longer file */
		ssize_t n = home->files->pread(home->files->context, fd, sealed + bytes,
		                               sizeof sealed - bytes, bytes);

		if (n < 0)
			rc = atr_file_error(err, n, path, (int64_t)bytes, "read");
		if (n <= 0)
			break;
		bytes += (size_t)n;
	}
	(void)home->files->close(home->files->context, fd);
	if (rc != ATR_OK)
		return rc;
	rc = atr_keyfile_open(home->ring, home->prefer, home->account, context, sealed, bytes, out);
	return rc == ATR_OK ? rc : key_error(err, rc, path, bytes);
}

/* The key file, if there is one, into walk->seed, and the context keyed with it. */
static enum atr_status take_key(struct atr_walk *walk, struct atr_error *err)
{
	enum atr_status rc;

	walk->enciphered = 0;
	if (walk->seed == NULL)
		walk->seed = atr_secret_alloc(sizeof *walk->seed);
	if (walk->seed == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a key");
	rc = atr_block_read_key(&walk->home, walk->number, walk->seed, err);
	if (rc == ATR_ENOTFOUND)
		return ATR_OK; /* clear text */
	if (rc != ATR_OK)
		return rc;
	if (walk->stream != NULL && walk->stream_cipher == walk->seed->cipher) {
		if (atr_keystream_rekey(walk->stream, walk->seed->seed, walk->seed->nonce) != 0)
			return atr_error_set(err, ATR_ENOMEM, walk->path, -1, "re-keying failed");
	} else {
		atr_keystream_free(walk->stream);
		walk->stream_cipher = walk->seed->cipher;
		walk->stream = atr_keystream_new(walk->seed->cipher, walk->seed->seed,
		                                 walk->seed->nonce, 0);
		if (walk->stream == NULL)
			return atr_error_set(err, ATR_ENOMEM, walk->path, -1,
			                     "no memory for a cipher context");
	}
	walk->enciphered = 1;
	return ATR_OK;
}

static enum atr_status decompress(struct atr_walk *walk, struct atr_error *err);

enum atr_status atr_walk_reopen(struct atr_walk *walk, uint64_t number, struct atr_error *err)
{
	return atr_walk_reopen_to(walk, number, UINT64_MAX, err);
}

enum atr_status atr_walk_reopen_to(struct atr_walk *walk, uint64_t number, uint64_t limit_bytes,
                                   struct atr_error *err)
{
	const struct atr_file_table *files = walk->home.files;
	struct atr_file_stat st;
	char name[300];
	enum atr_status rc;
	int result;

	if (walk->fd >= 0)
		(void)files->close(files->context, walk->fd);
	walk->fd = -1;
	walk->number = number;
	walk->file_bytes = walk->end = walk->base = 0;
	if (walk->compressed) { /* its content is no buffer to read into */
		free(walk->buffer);
		walk->buffer = NULL;
		walk->capacity = 0;
	}
	walk->compressed = 0;
	walk->from = walk->held = walk->at = walk->last = 0;
	walk->prepared = -1;
	walk->stuck = ATR_OK;
	walk->last_sequence = 0;
	if (snprintf(name, sizeof name, "%s-%" PRIu64, walk->home.stream, number) >=
	    (int)sizeof name)
		return atr_error_set(err, ATR_EINVAL, NULL, -1, "stream name too long");
	if (atr_hash_key_init(&walk->hash_key, name) != 0)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "SHA-256 failed");
	rc = block_path(&walk->home, number, "blk", walk->path, err);
	if (rc != ATR_OK)
		return rc;
	walk->fd = files->open(files->context, walk->path, O_RDONLY, 0);
	if (walk->fd == -ENOENT)
		return atr_error_set(err, ATR_ENOTFOUND, walk->path, -1, "no such file");
	if (walk->fd < 0)
		return atr_file_error(err, walk->fd, walk->path, -1, "open");
	result = files->stat(files->context, walk->path, &st);
	if (result < 0)
		return atr_file_error(err, result, walk->path, -1, "stat");
	walk->file_bytes = walk->end = st.bytes < limit_bytes ? st.bytes : limit_bytes;
	rc = take_key(walk, err);
	if (rc == ATR_OK)
		rc = decompress(walk, err);
	return rc;
}

enum atr_status atr_walk_new(const struct atr_block_home *home, struct atr_walk **out,
                             struct atr_error *err)
{
	struct atr_walk *walk = calloc(1, sizeof *walk);

	*out = walk;
	if (walk == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory to read a block");
	walk->home = *home;
	walk->fd = -1;
	return ATR_OK;
}

enum atr_status atr_walk_open(const struct atr_block_home *home, uint64_t number,
                              struct atr_walk **out, struct atr_error *err)
{
	enum atr_status rc = atr_walk_new(home, out, err);

	if (rc != ATR_OK)
		return rc;
	rc = atr_walk_reopen(*out, number, err);
	if (rc != ATR_OK) {
		atr_walk_close(*out);
		*out = NULL;
	}
	return rc;
}

void atr_walk_close(struct atr_walk *walk)
{
	if (walk == NULL)
		return;
	atr_keystream_free(walk->stream);
	atr_secret_free(walk->seed);
	if (walk->fd >= 0)
		(void)walk->home.files->close(walk->home.files->context, walk->fd);
	free(walk->buffer);
	free(walk);
}

void atr_walk_limit(struct atr_walk *walk, uint64_t file_bytes)
{
	if (walk->compressed)
		return; /* nothing is appended to such a block */
	assert(file_bytes >= walk->base + walk->held);
	walk->file_bytes = walk->end = file_bytes;
}

/* ---- the window over the file ---- */

static enum atr_status grow(struct atr_walk *walk, size_t capacity, struct atr_error *err)
{
	uint8_t *larger = atr_file_buffer(capacity);

	if (larger == NULL)
		return atr_error_set(err, ATR_ENOMEM, walk->path, -1, "no memory for %zu bytes",
		                     capacity);
	if (walk->held > walk->from) /* there is no buffer yet at the start */
		memcpy(larger + walk->from, walk->buffer + walk->from, walk->held - walk->from);
	free(walk->buffer);
	walk->buffer = larger;
	walk->capacity = capacity;
	return ATR_OK;
}

/* Makes at least `bytes` bytes from walk->at on available, or all up to the end of the file.
 * Reads end at multiples of PIECE_BYTES in the file. */
static enum atr_status ensure(struct atr_walk *walk, size_t bytes, struct atr_error *err)
{
	const struct atr_file_table *files = walk->home.files;
	enum atr_status rc;

	while (walk->held - walk->at < bytes && walk->base + walk->held < walk->end) {
		uint64_t end = walk->base + walk->held;
		uint64_t want = PIECE_BYTES - end % PIECE_BYTES;
		size_t gone = walk->at - walk->at % PAGE_BYTES;

		/* what is left over goes to the front: less than a record and a page */
		if (gone > 0)
			memmove(walk->buffer, walk->buffer + gone, walk->held - gone);
		walk->held -= gone;
		walk->at -= gone;
		walk->base += gone;
		walk->from = walk->from > gone ? walk->from - gone : 0;
		if (want > walk->end - end)
			want = walk->end - end;
		if (walk->held + want > walk->capacity || walk->capacity == 0) {
			size_t capacity = 2 * PIECE_BYTES;

			if (walk->end < PIECE_BYTES)
				capacity = (size_t)walk->end; /* all of it, at once */
			if (capacity < walk->held + want)
				capacity = walk->held + (size_t)want + PIECE_BYTES;
			if (capacity < bytes + PIECE_BYTES + PAGE_BYTES && bytes > PIECE_BYTES)
				capacity = bytes + PIECE_BYTES + PAGE_BYTES;
			rc = grow(walk, capacity, err);
			if (rc != ATR_OK)
				return rc;
		}
		rc = atr_file_read_exact(files, walk->fd, walk->path, walk->buffer + walk->held,
		                         (size_t)want, end, err);
		if (rc != ATR_OK)
			return rc;
		if (walk->enciphered &&
		    atr_keystream_xor(walk->stream, end, walk->buffer + walk->held,
		                      walk->buffer + walk->held, (size_t)want) != 0)
			return atr_error_set(err, ATR_EFORMAT, walk->path, (int64_t)end,
			                     "past the end of the key stream");
		walk->held += (size_t)want;
	}
	return ATR_OK;
}

/* ---- records ---- */

/* Decodes the record at walk->at, reading on when it is longer than what is held. ATR_END when
 * the file ends there. why is set with ATR_EFORMAT. */
static enum atr_status decode_here(struct atr_walk *walk, struct atr_record *out, const char **why,
                                   struct atr_error *err)
{
	size_t need = ATR_RECORD_BYTES_MIN;
	enum atr_status rc;
	int cut;

	*why = NULL;
	walk->cut = 0;
	for (;;) {
		size_t available = walk->held - walk->at;

		if (available >= need) {
			rc = atr_record_decode(&walk->hash_key, walk->buffer + walk->at, available,
			                       out, &need, why);
			if (rc != ATR_END)
				return rc;
		}
		if (walk->base + walk->at == walk->end)
			return ATR_END;
		cut = need > walk->end - (walk->base + walk->at);
		walk->cut = cut;
		rc = ensure(walk, cut ? ATR_RECORD_BYTES_MIN : need, err);
		if (rc != ATR_OK)
			return rc;
		if (cut) {
			*why = walk->compressed ? "the block ends inside the record"
			                        : "the file ends inside the record";
			return ATR_EFORMAT;
		}
	}
}

static enum atr_status stick(struct atr_walk *walk, const char *why, struct atr_error *err)
{
	uint64_t offset = walk->base + walk->at;
	uint64_t left = walk->end - offset;
	uint32_t word = left >= 4 ? atr_le32_get(walk->buffer + walk->at) : 0;

	walk->stuck =
	        atr_error_set(&walk->stuck_error, ATR_EFORMAT, walk->path, (int64_t)offset,
	                      "%s (length word 0x%08" PRIx32 ", %" PRIu64 " bytes left in the %s)",
	                      why, word, left, walk->compressed ? "decompressed block" : "file");
	if (walk->last_sequence != 0)
		walk->stuck_error.sequence = walk->last_sequence + 1;
	if (err != NULL)
		*err = walk->stuck_error;
	return walk->stuck;
}

/* What is not a whole valid record: the end, damage, or a call that failed. */
static enum atr_status no_record(struct atr_walk *walk, enum atr_status rc, const char *why,
                                 struct atr_error *err)
{
	if (rc == ATR_END)
		return rc;
	if (rc == ATR_EFORMAT && why != NULL)
		return stick(walk, why, err);
	walk->stuck = rc; /* stuck_error says why */
	if (err != NULL)
		*err = walk->stuck_error;
	return rc;
}

/* The record at walk->at, not prepared: the first of a block or of a piece, a long one, or one with
 * headers. */
static enum atr_status next_unprepared(struct atr_walk *walk, struct atr_record *out,
                                       struct atr_error *err)
{
	const char *why;
	enum atr_status rc;

	if (walk->stuck != ATR_OK) {
		if (err != NULL)
			*err = walk->stuck_error;
		return walk->stuck;
	}
	rc = decode_here(walk, out, &why, &walk->stuck_error);
	walk->last = walk->at;
	if (rc != ATR_OK)
		return no_record(walk, rc, why, err);
	walk->at += out->record_bytes;
	walk->prepared = atr_record_prepare(walk->buffer + walk->at, walk->held - walk->at);
	return ATR_OK;
}

static enum atr_status next_prepared(struct atr_walk *walk, struct atr_record *out,
                                     struct atr_error *err)
{
	const char *why;
	enum atr_status rc;

	walk->last = walk->at;
	rc = atr_record_decode_prepared(&walk->hash_key, walk->buffer + walk->at,
	                                walk->held - walk->at, &walk->prepared, out, &why);
	if (rc != ATR_OK) {
		walk->cut = 0;
		return no_record(walk, rc, why, err);
	}
	walk->at += out->record_bytes;
	return ATR_OK;
}

enum atr_status atr_walk_next(struct atr_walk *walk, struct atr_record *out, struct atr_error *err)
{
	enum atr_status rc = walk->prepared >= 0 ? next_prepared(walk, out, err)
	                                         : next_unprepared(walk, out, err);

	if (rc == ATR_OK && out->kind == ATR_RECORD_MESSAGE)
		walk->last_sequence = out->message.sequence;
	return rc;
}

/* A compressed block is decompressed as a whole: the walk then goes over that. */
static enum atr_status decompress(struct atr_walk *walk, struct atr_error *err)
{
	const char *why = NULL;
	enum atr_status rc;
	uint8_t *content;
	size_t bytes;

	rc = ensure(walk, ATR_BLOCK_START_BYTES, err);
	if (rc != ATR_OK ||
	    !atr_s2_is_compressed(walk->buffer,
	                          walk->held < ATR_BLOCK_START_BYTES ? walk->held
	                                                             : ATR_BLOCK_START_BYTES,
	                          walk->file_bytes))
		return rc;
	walk->compressed = 1;
	if (walk->file_bytes > COMPRESSED_BYTES_MAX)
		return atr_error_set(err, ATR_EFORMAT, walk->path, 0,
		                     "a compressed block of %" PRIu64 " bytes", walk->file_bytes);
	rc = ensure(walk, (size_t)walk->file_bytes, err);
	if (rc != ATR_OK)
		return rc;
	rc = atr_s2_decompress_block(walk->buffer, walk->held, ATR_DECOMPRESSED_BYTES_MAX, &content,
	                             &bytes, &why);
	if (rc != ATR_OK)
		return atr_error_set(err, rc, walk->path, rc == ATR_ENOMEM ? -1 : 0,
		                     "compressed block: %s",
		                     why != NULL ? why : "no memory to decompress it");
	free(walk->buffer);
	walk->buffer = content;
	walk->capacity = walk->held = bytes;
	walk->end = bytes;
	return ATR_OK;
}

/* ---- after damage ---- */

/* True when the 30 bytes at p could begin a record that follows what was read so far; the hash
 * is taken only then. */
static int plausible(const struct atr_walk *walk, const uint8_t *p, uint64_t left)
{
	uint32_t bytes = atr_le32_get(p) & ~(UINT32_C(1) << 31);
	uint64_t sequence = atr_le64_get(p + 4) & ATR_SEQUENCE_MAX;

	return bytes >= ATR_RECORD_BYTES_MIN + atr_le16_get(p + 20) && bytes <= left &&
	       bytes <= ATR_RECORD_BYTES_MAX && sequence > 0 &&
	       sequence - 1 < walk->last_sequence + RESYNC_SEQUENCE_SPAN;
}

/* True when a valid record starts at walk->at. */
static enum atr_status valid_here(struct atr_walk *walk, int *valid, struct atr_error *err)
{
	uint64_t left = walk->end - (walk->base + walk->at);
	struct atr_record record;
	const char *why;
	enum atr_status rc;

	*valid = 0;
	rc = ensure(walk, ATR_RECORD_BYTES_MIN, err);
	if (rc != ATR_OK || left < ATR_RECORD_BYTES_MIN ||
	    !plausible(walk, walk->buffer + walk->at, left))
		return rc;
	rc = decode_here(walk, &record, &why, err);
	*valid = rc == ATR_OK;
	return rc == ATR_EFORMAT && why != NULL ? ATR_OK : rc;
}

enum atr_status atr_walk_resync(struct atr_walk *walk, struct atr_error *err)
{
	uint64_t damage = walk->base + walk->at;
	uint64_t step = 0;
	enum atr_status rc;
	int valid;

	if (walk->stuck == ATR_OK)
		return ATR_OK;
	rc = ensure(walk, ATR_RECORD_BYTES_MIN, err);
	if (rc != ATR_OK)
		return rc;
	if (walk->held - walk->at >= 4)
		step = atr_le32_get(walk->buffer + walk->at) & ~(UINT32_C(1) << 31);
	if (step >= ATR_RECORD_BYTES_MIN && step <= ATR_RECORD_BYTES_MAX &&
	    damage + step < walk->end) {
		atr_walk_seek(walk, damage + step);
		rc = valid_here(walk, &valid, err);
		if (rc != ATR_OK || valid)
			return rc;
	}
	for (uint64_t offset = damage + 1; offset + ATR_RECORD_BYTES_MIN <= walk->end; offset++) {
		atr_walk_seek(walk, offset);
		rc = valid_here(walk, &valid, err);
		if (rc != ATR_OK || valid)
			return rc;
	}
	atr_walk_seek(walk, walk->end);
	return ATR_END;
}

/* ---- positions ---- */

uint64_t atr_walk_offset(const struct atr_walk *walk)
{
	return walk->base + walk->last;
}

void atr_walk_seek(struct atr_walk *walk, uint64_t offset)
{
	if (walk->prepared >= 0)
		atr_record_restore(walk->buffer + walk->at, walk->prepared);
	walk->prepared = -1;
	if (offset >= walk->base + walk->from && offset <= walk->base + walk->held) {
		walk->at = (size_t)(offset - walk->base);
	} else {
		walk->base = offset - offset % PAGE_BYTES;
		walk->from = walk->held = walk->at = (size_t)(offset - walk->base);
	}
	walk->last = walk->at;
	walk->stuck = ATR_OK;
}

int atr_walk_is_cut(const struct atr_walk *walk)
{
	return walk->stuck == ATR_EFORMAT && walk->cut && !walk->compressed;
}

uint64_t atr_walk_file_bytes(const struct atr_walk *walk)
{
	return walk->file_bytes;
}

uint64_t atr_walk_end(const struct atr_walk *walk)
{
	return walk->end;
}

int atr_walk_is_compressed(const struct atr_walk *walk)
{
	return walk->compressed;
}

const struct atr_seed *atr_walk_seed(const struct atr_walk *walk)
{
	return walk->enciphered ? walk->seed : NULL;
}

enum atr_status atr_walk_last_check(struct atr_walk *walk, uint8_t lchk[8], struct atr_error *err)
{
	enum atr_status rc;
	uint64_t offset;

	if (walk->file_bytes < ATR_HASH_BYTES)
		return atr_error_set(err, ATR_EFORMAT, walk->path, (int64_t)walk->file_bytes,
		                     "the file ends here, expected at least %u bytes",
		                     (unsigned)ATR_HASH_BYTES);
	offset = walk->file_bytes - ATR_HASH_BYTES;
	rc = atr_file_read_exact(walk->home.files, walk->fd, walk->path, lchk, ATR_HASH_BYTES,
	                         offset, err);
	if (rc == ATR_OK && walk->enciphered &&
	    atr_keystream_xor(walk->stream, offset, lchk, lchk, ATR_HASH_BYTES) != 0)
		rc = atr_error_set(err, ATR_EFORMAT, walk->path, (int64_t)offset,
		                   "past the end of the key stream");
	return rc;
}
