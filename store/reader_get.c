/* reader_get.c - reading one message by its sequence; see reader_inner.h. */
#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/secret.h"
#include "store/bytes.h"
#include "store/reader_inner.h"
#include "store/s2.h"

#define PIECE_BYTES       ((size_t)256 * 1024)
#define MARK_BYTES        4096u /* one mark for at least so many bytes of a block */
#define MARKS_BYTES_MAX   ((size_t)4 * 1024 * 1024)
#define LOADED_KEEP_BYTES ((size_t)16 * 1024 * 1024)
#define HEADERS_BIT       (UINT32_C(1) << 31)

/* ---- cipher ---- */

/* The seed of a block into *seed and the context keyed with it. *enciphered 0: clear text. */
static enum atr_status read_seed(struct atr_reader *r, uint64_t number, struct atr_seed *seed,
                                 int *enciphered, struct atr_error *err)
{
	enum atr_status rc = atr_block_read_key(&r->store->home, number, seed, err);

	*enciphered = rc == ATR_OK;
	return rc == ATR_ENOTFOUND ? ATR_OK : rc;
}

static enum atr_status use_seed(struct atr_reader *r, uint64_t number, const struct atr_seed *seed,
                                struct atr_error *err)
{
	int failed = 0;

	if (r->stream_number == number)
		return ATR_OK;
	r->stream_number = 0;
	if (r->stream != NULL && r->stream_cipher == seed->cipher) {
		failed = atr_keystream_rekey(r->stream, seed->seed, seed->nonce);
	} else {
		atr_keystream_free(r->stream);
		r->stream_cipher = seed->cipher;
		r->stream = atr_keystream_new(seed->cipher, seed->seed, seed->nonce, 0);
		failed = r->stream == NULL;
	}
	if (failed)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a cipher context");
	r->stream_number = number;
	return ATR_OK;
}

static enum atr_status open_block(struct atr_reader *r, uint64_t number, char path[PATH_MAX],
                                  int *fd, struct atr_error *err)
{
	const struct atr_file_table *files = r->store->files;

	store_block_path(r->store, number, "blk", path, PATH_MAX);
	*fd = files->open(files->context, path, O_RDONLY, 0);
	return *fd < 0 ? atr_file_error(err, *fd, path, -1, "open") : ATR_OK;
}

/* bytes at offset of an open block, deciphered. */
static enum atr_status read_bytes(struct atr_reader *r, int fd, const char *path, int enciphered,
                                  uint8_t *to, size_t bytes, uint64_t offset, struct atr_error *err)
{
	enum atr_status rc = atr_file_read_exact(r->store->files, fd, path, to, bytes, offset, err);

	if (rc == ATR_OK && enciphered && atr_keystream_xor(r->stream, offset, to, to, bytes) != 0)
		rc = atr_error_set(err, ATR_EFORMAT, path, (int64_t)offset,
		                   "past the end of the key stream");
	return rc;
}

/* ---- records without their hash: lengths and sequences ---- */

static uint32_t length_at(const uint8_t *p)
{
	return atr_le32_get(p) & ~HEADERS_BIT;
}

/* The sequence of a record that is a message, 0 for any other. */
static uint64_t message_at(const uint8_t *p)
{
	uint64_t word = atr_le64_get(p + 4);

	return word <= ATR_SEQUENCE_MAX ? word : 0;
}

/* The record of that sequence in p[0 .. bytes); its offset, or bytes when it is not there. */
static size_t hop_to(const uint8_t *p, size_t bytes, uint64_t sequence)
{
	size_t at = 0;

	while (bytes - at >= ATR_RECORD_BYTES_MIN) {
		uint32_t length = length_at(p + at);

		if (length < ATR_RECORD_BYTES_MIN || length > bytes - at)
			break;
		if (message_at(p + at) == sequence)
			return at;
		at += length;
	}
	return bytes;
}

static int is_compressed(const uint8_t *bytes, size_t held, const struct place *place)
{
	return atr_s2_is_compressed(bytes,
	                            held < ATR_BLOCK_START_BYTES ? held : ATR_BLOCK_START_BYTES,
	                            place->file_bytes);
}

static enum atr_status make_hash_key(struct atr_reader *r, uint64_t number,
                                     struct atr_hash_key *key, struct atr_error *err)
{
	char name[300];

	(void)snprintf(name, sizeof name, "%s-%" PRIu64, r->store->stream, number);
	if (atr_hash_key_init(key, name) != 0)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "SHA-256 failed");
	return ATR_OK;
}

/* 1 when the message of that sequence is at p, hash and all. */
static int decode(const struct atr_hash_key *key, uint8_t *p, size_t bytes, uint64_t sequence,
                  struct atr_message *m)
{
	struct atr_record record;
	const char *why;
	size_t need;

	if (atr_record_decode(key, p, bytes, &record, &need, &why) != ATR_OK ||
	    record.kind != ATR_RECORD_MESSAGE || record.message.sequence != sequence)
		return 0;
	*m = record.message;
	return 1;
}

/* ---- ATR_READ_BLOCK ---- */

static enum atr_status add_offset(struct loaded *l, size_t offset)
{
	if (l->count == l->offset_capacity) {
		size_t capacity = l->offset_capacity > 0 ? 2 * l->offset_capacity : 4096;
		uint32_t *larger = realloc(l->offset, capacity * sizeof *larger);

		if (larger == NULL)
			return ATR_ENOMEM;
		l->offset = larger;
		l->offset_capacity = capacity;
	}
	l->offset[l->count++] = (uint32_t)offset;
	return ATR_OK;
}

/* Notes the records of what is held. Stops at the first length that cannot be. */
static enum atr_status index_loaded(struct loaded *l)
{
	while (l->held - l->indexed >= ATR_RECORD_BYTES_MIN) {
		const uint8_t *p = l->bytes + l->indexed;
		uint32_t length = length_at(p);

		if (length < ATR_RECORD_BYTES_MIN || length > l->held - l->indexed)
			break;
		if (message_at(p) != 0 &&
		    (l->count == 0 ||
		     message_at(p) > message_at(l->bytes + l->offset[l->count - 1])) &&
		    add_offset(l, l->indexed) != ATR_OK)
			return ATR_ENOMEM;
		l->indexed += length;
	}
	return ATR_OK;
}

/* What is held is all of a compressed block: its content takes its place. */
static enum atr_status decompress_loaded(struct loaded *l, const char *path, struct atr_error *err)
{
	const char *why = NULL;
	enum atr_status rc;
	uint8_t *content;
	size_t bytes;

	rc = atr_s2_decompress_block(l->bytes, l->held, ATR_DECOMPRESSED_BYTES_MAX, &content,
	                             &bytes, &why);
	if (rc != ATR_OK)
		return atr_error_set(err, rc, path, rc == ATR_ENOMEM ? -1 : 0,
		                     "compressed block: %s",
		                     why != NULL ? why : "no memory to decompress it");
	free(l->bytes);
	l->bytes = content;
	l->capacity = l->held = bytes;
	return ATR_OK;
}

/* Reads what is not held yet, piece by piece: each is deciphered and indexed while it is in the
 * cache. */
static enum atr_status read_on(struct atr_reader *r, const struct place *place, int enciphered,
                               struct atr_error *err)
{
	struct loaded *l = &r->loaded;
	char path[PATH_MAX];
	enum atr_status rc;
	int fd;

	rc = open_block(r, place->number, path, &fd, err);
	while (rc == ATR_OK && l->held < place->file_bytes) {
		size_t n = PIECE_BYTES - l->held % PIECE_BYTES;

		if (n > place->file_bytes - l->held)
			n = (size_t)place->file_bytes - l->held;
		rc = read_bytes(r, fd, path, enciphered, l->bytes + l->held, n, l->held, err);
		if (rc != ATR_OK)
			break;
		if (l->held == 0)
			l->compressed = is_compressed(l->bytes, n, place);
		l->held += n;
		if (l->compressed && l->held < place->file_bytes)
			continue;
		if (l->compressed)
			rc = decompress_loaded(l, path, err);
		if (rc != ATR_OK)
			break;
		rc = index_loaded(l);
		if (rc != ATR_OK)
			(void)atr_error_set(err, rc, path, -1, "no memory for offsets");
		if (l->compressed)
			break;
	}
	if (fd >= 0)
		(void)r->store->files->close(r->store->files->context, fd);
	return rc;
}

static enum atr_status load(struct atr_reader *r, const struct place *place, struct atr_error *err)
{
	struct loaded *l = &r->loaded;
	struct atr_seed *seed;
	enum atr_status rc;
	int enciphered;

	if (l->generation != place->generation)
		l->number = 0; /* the block was rewritten, under another key */
	if (l->number == place->number && (l->compressed || l->held >= place->file_bytes))
		return ATR_OK;
	if (place->file_bytes > UINT32_MAX)
		return atr_error_set(err, ATR_EUNSUPPORTED, NULL, -1,
		                     "a block of %" PRIu64 " bytes", place->file_bytes);
	if (r->seed == NULL)
		r->seed = atr_secret_alloc(sizeof *r->seed);
	if (r->seed == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for keys");
	seed = r->view != NULL ? &r->seed[place->number % VIEWS] : r->seed;
	if (l->number != place->number) {
		l->number = r->stream_number = 0;
		l->held = l->indexed = l->count = 0;
		/* after one very long record, or holding what s2 made, which is no file buffer */
		if (l->capacity > LOADED_KEEP_BYTES || l->compressed) {
			free(l->bytes);
			l->bytes = NULL;
			l->capacity = 0;
		}
		l->compressed = 0;
		rc = make_hash_key(r, place->number, &l->hash_key, err);
		if (rc == ATR_OK)
			rc = read_seed(r, place->number, seed, &enciphered, err);
		if (rc == ATR_OK && enciphered)
			rc = use_seed(r, place->number, seed, err);
		if (rc != ATR_OK)
			return rc;
		if (!enciphered)
			r->stream_number = 0;
	}
	enciphered = r->stream_number == place->number;
	if (l->capacity < place->file_bytes) {
		size_t capacity =
		        ((size_t)place->file_bytes + PIECE_BYTES - 1) / PIECE_BYTES * PIECE_BYTES;
		uint8_t *larger = atr_file_buffer(capacity);

		if (larger == NULL)
			return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a block");
		if (l->held > 0)
			memcpy(larger, l->bytes, l->held);
		free(l->bytes);
		l->bytes = larger;
		l->capacity = capacity;
	}
	rc = read_on(r, place, enciphered, err);
	l->number = rc == ATR_OK ? place->number : 0;
	l->generation = place->generation;
	return rc;
}

/* The record of sequence in the loaded block, NULL when it is not in its place. */
static uint8_t *find_loaded(const struct loaded *l, uint64_t sequence)
{
	size_t low = 0, high = l->count;
	uint64_t first;

	if (l->count == 0)
		return NULL;
	/* without gaps it is where it is counted to be */
	first = message_at(l->bytes + l->offset[0]);
	if (sequence >= first && sequence - first < l->count &&
	    message_at(l->bytes + l->offset[sequence - first]) == sequence)
		return l->bytes + l->offset[sequence - first];
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (message_at(l->bytes + l->offset[middle]) < sequence)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == l->count || message_at(l->bytes + l->offset[low]) != sequence)
		return NULL;
	return l->bytes + l->offset[low];
}

static enum atr_status get_from_block(struct atr_reader *r, const struct place *place,
                                      uint64_t sequence, struct atr_message *m,
                                      struct atr_error *err)
{
	const struct loaded *l = &r->loaded;
	enum atr_status rc = load(r, place, err);
	uint8_t *p;

	if (rc != ATR_OK)
		return rc;
	p = find_loaded(l, sequence);
	if (p != NULL && decode(&l->hash_key, p, l->held - (size_t)(p - l->bytes), sequence, m))
		return ATR_OK;
	/* erased, or damage: only a look at every hash tells */
	return reader_scan(r, place, sequence, m, err);
}

/* ---- ATR_READ_RECORD ---- */

static void close_view_file(struct atr_reader *r, struct view *v)
{
	if (v->fd < 0)
		return;
	(void)r->store->files->close(r->store->files->context, v->fd);
	v->fd = -1;
	r->files--;
}

/* Opens the file of a view unless it is open; one of the others is closed for it when there are
 * many. */
static enum atr_status need_file(struct atr_reader *r, struct view *v, char path[PATH_MAX],
                                 struct atr_error *err)
{
	enum atr_status rc;

	store_block_path(r->store, v->number, "blk", path, PATH_MAX);
	if (v->fd >= 0)
		return ATR_OK;
	for (unsigned i = 0; r->files >= VIEW_FILES_MAX && i < VIEWS; i++) {
		close_view_file(r, &r->view[r->file_hand]);
		r->file_hand = (r->file_hand + 1) % VIEWS;
	}
	rc = open_block(r, v->number, path, &v->fd, err);
	if (rc == ATR_OK)
		r->files++;
	else
		v->fd = -1;
	return rc;
}

static void forget_view(struct atr_reader *r, struct view *v)
{
	close_view_file(r, v);
	r->marks_bytes -= v->capacity * sizeof *v->mark;
	free(v->mark);
	if (r->stream_number == v->number)
		r->stream_number = 0;
	atr_secret_wipe(&r->seed[v - r->view], sizeof *r->seed);
	memset(v, 0, sizeof *v);
	v->fd = -1;
}

void reader_forget_views(struct atr_reader *r)
{
	for (size_t i = 0; r->view != NULL && r->seed != NULL && i < VIEWS; i++)
		forget_view(r, &r->view[i]);
}

static enum atr_status make_views(struct atr_reader *r, struct atr_error *err)
{
	if (r->view != NULL)
		return ATR_OK;
	if (r->seed == NULL)
		r->seed = atr_secret_alloc(VIEWS * sizeof *r->seed);
	if (r->seed != NULL)
		r->view = calloc(VIEWS, sizeof *r->view);
	if (r->view == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a reader");
	for (size_t i = 0; i < VIEWS; i++)
		r->view[i].fd = -1;
	return ATR_OK;
}

/* Adds a mark for the record unless the last one is near. Sequences that do not fit get none:
 * they are found by reading on from the mark before. */
static enum atr_status add_mark(struct atr_reader *r, struct view *v, uint64_t offset,
                                uint64_t sequence)
{
	if (v->count > 0 && offset < (uint64_t)v->mark[v->count - 1].offset + MARK_BYTES)
		return ATR_OK;
	if (sequence - v->base > UINT32_MAX || offset > UINT32_MAX)
		return ATR_OK;
	if (v->count == v->capacity) {
		uint32_t capacity = v->capacity > 0 ? 2 * v->capacity : 64;
		struct mark *larger = realloc(v->mark, capacity * sizeof *larger);

		if (larger == NULL)
			return ATR_ENOMEM;
		r->marks_bytes += (capacity - v->capacity) * sizeof *larger;
		v->mark = larger;
		v->capacity = capacity;
	}
	v->mark[v->count++] = (struct mark){(uint32_t)offset, (uint32_t)(sequence - v->base)};
	return ATR_OK;
}

static enum atr_status need_window(struct atr_reader *r, size_t bytes, struct atr_error *err)
{
	if (r->window_bytes < bytes || r->window_bytes > LOADED_KEEP_BYTES) {
		free(r->window);
		r->window_bytes = bytes > PIECE_BYTES ? bytes : PIECE_BYTES;
		r->window = atr_file_buffer(r->window_bytes);
		if (r->window == NULL) {
			r->window_bytes = 0;
			return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for %zu bytes",
			                     bytes);
		}
	}
	return ATR_OK;
}

/* Marks the records from v->bytes up to the place's end. A record across two pieces costs that
 * its start is read twice. A length that cannot be ends the marks: v->bytes stays there. */
static enum atr_status mark_on(struct atr_reader *r, struct view *v, const struct place *place,
                               int fd, const char *path, struct atr_error *err)
{
	enum atr_status rc = need_window(r, PIECE_BYTES, err);

	while (rc == ATR_OK && place->file_bytes - v->bytes >= ATR_RECORD_BYTES_MIN) {
		size_t n = PIECE_BYTES, at = 0;
		uint32_t length = 0;

		if (n > place->file_bytes - v->bytes)
			n = (size_t)(place->file_bytes - v->bytes);
		rc = read_bytes(r, fd, path, v->enciphered, r->window, n, v->bytes, err);
		if (rc != ATR_OK)
			break;
		if (v->bytes == 0 && is_compressed(r->window, n, place)) {
			v->compressed = 1;
			v->bytes = place->file_bytes;
			break;
		}
		while (n - at >= ATR_RECORD_BYTES_MIN) {
			uint64_t sequence = message_at(r->window + at);

			length = length_at(r->window + at);
			if (length < ATR_RECORD_BYTES_MIN ||
			    length > place->file_bytes - v->bytes - at) {
				v->bytes += at;
				return ATR_OK;
			}
			if (sequence > v->last_seq || (v->count == 0 && sequence != 0)) {
				if (v->count == 0)
					v->base = sequence;
				v->last_seq = sequence;
				if (add_mark(r, v, v->bytes + at, sequence) != ATR_OK)
					return atr_error_set(err, ATR_ENOMEM, path, -1,
					                     "no memory for marks");
			}
			if (length > n - at) { /* goes on behind this piece */
				at += length;
				break;
			}
			at += length;
		}
		v->bytes += at;
	}
	return rc;
}

/* The view of the place's block, covering all of it that can be covered. */
static enum atr_status view_of(struct atr_reader *r, const struct place *place, struct view **out,
                               struct atr_error *err)
{
	struct atr_seed *seed;
	struct view *v;
	char path[PATH_MAX];
	enum atr_status rc;

	rc = make_views(r, err);
	if (rc != ATR_OK)
		return rc;
	*out = v = &r->view[place->number % VIEWS];
	seed = &r->seed[place->number % VIEWS];
	if (v->number != place->number || v->generation != place->generation) {
		forget_view(r, v);
		for (unsigned i = 0; r->marks_bytes > MARKS_BYTES_MAX && i < VIEWS; i++) {
			forget_view(r, &r->view[r->hand]);
			r->hand = (r->hand + 1) % VIEWS;
		}
		rc = make_hash_key(r, place->number, &v->hash_key, err);
		if (rc == ATR_OK)
			rc = read_seed(r, place->number, seed, &v->enciphered, err);
		if (rc != ATR_OK)
			return rc;
		v->number = place->number;
		v->generation = place->generation;
	}
	if (v->enciphered)
		rc = use_seed(r, place->number, seed, err);
	if (rc != ATR_OK || v->bytes >= place->file_bytes)
		return rc;
	rc = need_file(r, v, path, err);
	return rc == ATR_OK ? mark_on(r, v, place, v->fd, path, err) : rc;
}

/* Between which offsets the record of sequence must be, if it is there. */
static int window_of(const struct view *v, uint64_t sequence, uint64_t *from, uint64_t *to)
{
	uint32_t low = 0, high = v->count;

	if (v->count == 0 || sequence < v->base || sequence > v->last_seq)
		return 0;
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (v->base + v->mark[middle].sequence <= sequence)
			low = middle;
		else
			high = middle;
	}
	*from = v->mark[low].offset;
	*to = low + 1 < v->count ? v->mark[low + 1].offset : v->bytes;
	return 1;
}

static enum atr_status get_record(struct atr_reader *r, const struct place *place,
                                  uint64_t sequence, struct atr_message *m, struct atr_error *err)
{
	uint64_t from, to;
	char path[PATH_MAX];
	struct view *v = NULL;
	enum atr_status rc;
	size_t at, bytes;

	rc = view_of(r, place, &v, err);
	if (rc != ATR_OK)
		return rc;
	if (v->compressed)
		return get_from_block(r, place, sequence, m, err);
	if (!window_of(v, sequence, &from, &to))
		return reader_scan(r, place, sequence, m, err);
	bytes = (size_t)(to - from);
	rc = need_window(r, bytes, err);
	if (rc == ATR_OK)
		rc = need_file(r, v, path, err);
	if (rc == ATR_OK)
		rc = read_bytes(r, v->fd, path, v->enciphered, r->window, bytes, from, err);
	if (rc != ATR_OK)
		return rc;
	at = hop_to(r->window, bytes, sequence);
	if (at < bytes && decode(&v->hash_key, r->window + at, bytes - at, sequence, m))
		return ATR_OK;
	return reader_scan(r, place, sequence, m, err);
}

/* ---- both ---- */

enum atr_status atr_reader_get(struct atr_reader *r, uint64_t sequence, struct atr_message *m,
                               struct atr_error *err)
{
	struct place place;
	enum atr_status rc;

	do {
		if (sequence == 0 || !reader_find(r, sequence, &place) || !place.is_live)
			return atr_error_set(err, ATR_ENOTFOUND, NULL, -1, "no such sequence");
		rc = reader_await(r, &place, err);
		if (rc == ATR_OK)
			rc = r->read == ATR_READ_BLOCK ? get_from_block(r, &place, sequence, m, err)
			                               : get_record(r, &place, sequence, m, err);
	} while (rc != ATR_OK && reader_is_stale(r, &place));
	if (rc != ATR_OK && err != NULL && err->sequence == 0)
		err->sequence = sequence;
	return rc;
}
