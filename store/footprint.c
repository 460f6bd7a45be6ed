#include "store/footprint.h"

#include <math.h>
#include <stdlib.h>

#include "store/config.h"
#include "store/keyfile.h"
#include "store/meta.h"
#include "store/record.h"

#define META_SUM_BYTES 16u
#define HASH_BYTES     8u
#define TIME_BYTES     9u /* varint of a time of this century, ns since 1970 */

#define MIB                   (UINT64_C(1024) * 1024)
#define BLOCK_BYTES_LARGE     (8 * MIB)
#define BLOCK_BYTES_MEDIUM    (4 * MIB)
#define BLOCK_BYTES_ENCRYPTED (2 * MIB)
#define BLOCK_BYTES_SMALL     UINT64_C(32000)
/* Account's largest payload where the stream sets none, and the subject length that is then
 * assumed: both the server's. */
#define PAYLOAD_BYTES_ASSUMED MIB
#define SUBJECT_BYTES_ASSUMED 256u

/* A sequence set: 10 bytes, and for each 2048 sequences of which one is in it a node. */
#define SEQSET_HEAD_BYTES 10u
#define SEQSET_NODE_BYTES (8u + 256u + 2u)
#define SEQSET_NODE_SPAN  2048u

uint64_t atr_footprint_record_bytes(uint64_t subject_bytes, uint64_t headers_bytes,
                                    uint64_t payload_bytes)
{
	return ATR_RECORD_BYTES_MIN + subject_bytes + payload_bytes +
	       (headers_bytes > 0 ? 4 + headers_bytes : 0);
}

/* ---- block size ---- */

/* A quarter of the stream's limit, within bounds. */
static uint64_t from_limit(uint64_t limit_bytes)
{
	uint64_t b = limit_bytes / 4 + 1;

	if (b % 100 != 0)
		b += 100 - b % 100;
	if (b <= BLOCK_BYTES_SMALL)
		return BLOCK_BYTES_SMALL;
	return b >= BLOCK_BYTES_LARGE ? BLOCK_BYTES_LARGE : BLOCK_BYTES_MEDIUM;
}

uint64_t atr_footprint_block_bytes(const struct atr_footprint_limits *l, int encrypted)
{
	if (l->max_bytes > 0)
		return from_limit(l->max_bytes);
	if (l->max_msgs > 0) {
		uint64_t subject = l->subject_bytes > 0 ? l->subject_bytes : SUBJECT_BYTES_ASSUMED;
		uint64_t payload = l->max_msg_bytes > 0 ? l->max_msg_bytes : PAYLOAD_BYTES_ASSUMED;
		uint64_t message = 30 + subject + 4 + payload;

		/* where the product would not fit it is far above the largest block */
		return from_limit(l->max_msgs > UINT64_MAX / message ? UINT64_MAX / 2
		                                                     : l->max_msgs * message);
	}
	if (l->max_msgs_per_subject > 0)
		return BLOCK_BYTES_MEDIUM;
	if (encrypted)
		return BLOCK_BYTES_ENCRYPTED;
	return l->other_retention ? BLOCK_BYTES_MEDIUM : BLOCK_BYTES_LARGE;
}

/* ---- blocks ---- */

static uint64_t rounded_up(uint64_t bytes, uint64_t unit)
{
	return unit == 0 ? 0 : (bytes + unit - 1) / unit * unit;
}

static void begin_file(struct atr_footprint_blocks *b)
{
	if (b->files > 0)
		b->allocated_bytes += rounded_up(b->last_bytes, b->file_system_bytes);
	b->files++;
	b->last_bytes = 0;
}

static void put_last(struct atr_footprint_blocks *b, uint64_t record_bytes, uint64_t count)
{
	b->records += count;
	b->bytes += count * record_bytes;
	b->last_bytes += count * record_bytes;
}

/* files whole ones of count records each, behind those that are there. */
static void put_whole(struct atr_footprint_blocks *b, uint64_t record_bytes, uint64_t count,
                      uint64_t files)
{
	uint64_t bytes = count * record_bytes;

	if (files == 0)
		return;
	begin_file(b);
	put_last(b, record_bytes, count);
	b->records += (files - 1) * count;
	b->bytes += (files - 1) * bytes;
	b->files += files - 1;
	b->allocated_bytes += (files - 1) * rounded_up(bytes, b->file_system_bytes);
}

/* A record begins a new block when the last one is not empty and would become longer than its limit
 * (FORMAT.md, "Block sizes"). */
void atr_footprint_put(struct atr_footprint_blocks *b, uint64_t record_bytes, uint64_t count)
{
	uint64_t per_block, room = 0;

	if (count == 0 || record_bytes == 0)
		return;
	per_block = record_bytes < b->block_bytes ? b->block_bytes / record_bytes : 1;
	if (b->files > 0 && b->last_bytes < b->block_bytes)
		room = (b->block_bytes - b->last_bytes) / record_bytes;
	if (room > count)
		room = count;
	put_last(b, record_bytes, room);
	count -= room;
	put_whole(b, record_bytes, per_block, count / per_block);
	if (count % per_block > 0) {
		begin_file(b);
		put_last(b, record_bytes, count % per_block);
	}
}

void atr_footprint_expect(struct atr_footprint_blocks *b, const struct atr_footprint_size *mix,
                          size_t mix_count, uint64_t count)
{
	double weight = 0, sum = 0, squares = 0;

	if (mix_count == 1) {
		atr_footprint_put(b, (uint64_t)llround(mix[0].record_bytes), count);
		return;
	}
	for (size_t i = 0; i < mix_count; i++) {
		weight += mix[i].weight;
		sum += mix[i].weight * mix[i].record_bytes;
		squares += mix[i].weight * mix[i].record_bytes * mix[i].record_bytes;
	}
	if (!(weight > 0) || count == 0)
		return;
	/* The record that does not fit is met in proportion to its length, and on average half of
	 * it would have been inside. */
	double mean = sum / weight;
	double fill = (double)b->block_bytes - squares / sum / 2;
	double bytes = mean * (double)count;
	if (fill < mean)
		fill = mean;
	double files = ceil(bytes / fill);
	b->records += count;
	b->bytes += (uint64_t)llround(bytes);
	b->files += (uint64_t)files;
	b->last_bytes = (uint64_t)llround(bytes - (files - 1) * fill);
	/* Half a block of the file system is lost behind each end. */
	b->allocated_bytes += (uint64_t)llround(
	        (files - 1) *
	        (b->file_system_bytes > 0 ? fill + (double)b->file_system_bytes / 2 : 0));
}

/* ---- files beside the blocks ---- */

static uint64_t uvarint_bytes(uint64_t v)
{
	uint64_t n = 1;

	for (; v >= 0x80; v >>= 7)
		n++;
	return n;
}

/* uvarint_bytes of step, 2 step, ... count step, added up: for each length how many have at least
 * that. */
static uint64_t uvarint_bytes_sum(uint64_t step, uint64_t count)
{
	uint64_t sum = count;

	for (unsigned bits = 7; step > 0 && bits < 63; bits += 7) {
		uint64_t below = ((UINT64_C(1) << bits) - 1) / step;

		if (below >= count)
			break;
		sum += count - below;
	}
	return sum;
}

/* Node, not leaf: in the text of a state file. */
static uint64_t seqset_bytes(uint64_t sequences, uint64_t deleted)
{
	uint64_t nodes = sequences / SEQSET_NODE_SPAN + 2;

	if (deleted == 0)
		return 0;
	return SEQSET_HEAD_BYTES + SEQSET_NODE_BYTES * (nodes < deleted ? nodes : deleted);
}

static uint64_t index_subjects_bytes(const struct atr_footprint_shape *shape,
                                     const struct atr_footprint_blocks *blocks)
{
	int bound = shape->state == ATR_FOOTPRINT_STATE_INDEX;
	uint64_t subjects = shape->subjects < blocks->records ? shape->subjects : blocks->records;
	uint64_t total = bound || subjects == 0 ? blocks->records : blocks->records / subjects;
	uint64_t each =
	        uvarint_bytes(shape->subject_bytes) + shape->subject_bytes + uvarint_bytes(total);

	/* Version 1 names no block where there is one message. */
	if (bound || total > 1)
		each += 2 * uvarint_bytes(blocks->files);
	return uvarint_bytes(subjects) + subjects * each;
}

/* index.h has the layout. */
static uint64_t index_bytes(const struct atr_footprint_shape *shape,
                            const struct atr_footprint_blocks *blocks)
{
	uint64_t last = shape->last_sequence > 0 ? shape->last_sequence : blocks->records;
	uint64_t n = blocks->files;
	uint64_t sum = 2 + uvarint_bytes(blocks->records) + uvarint_bytes(blocks->bytes) +
	               2 * uvarint_bytes(last) + 2 * TIME_BYTES;

	sum += index_subjects_bytes(shape, blocks) + uvarint_bytes(n);
	if (n > 0) {
		uint64_t per_block = last / n + 1, interval = shape->duration_ns / n + 1;
		/* number, bytes, first and last sequence, their times from the first on (zigzag
		 * doubles), how many are deleted */
		sum += uvarint_bytes_sum(1, n) + n * uvarint_bytes(blocks->bytes / n) +
		       2 * uvarint_bytes_sum(per_block, n) +
		       2 * uvarint_bytes_sum(2 * interval, n) +
		       n * uvarint_bytes(shape->deleted / n);
		if (shape->state == ATR_FOOTPRINT_STATE_INDEX)
			sum += n * 2 * uvarint_bytes(per_block); /* timers, schedules */
		sum += n * seqset_bytes(per_block, shape->deleted / n);
	}
	return sum + uvarint_bytes(n) + 2 * HASH_BYTES;
}

/* Of all blocks, in clear text. */
static uint64_t idx_bytes(const struct atr_footprint_shape *shape,
                          const struct atr_footprint_blocks *blocks)
{
	uint64_t last = shape->last_sequence > 0 ? shape->last_sequence : blocks->records;
	uint64_t each = 2 + 3 * uvarint_bytes(blocks->block_bytes) + 2 * uvarint_bytes(last) +
	                2 * TIME_BYTES + HASH_BYTES;

	return blocks->files * each + shape->deleted * uvarint_bytes(blocks->block_bytes);
}

/* Of all blocks: a block has as many subjects as the stream, or as it has messages. */
static uint64_t fss_bytes(const struct atr_footprint_shape *shape,
                          const struct atr_footprint_blocks *blocks)
{
	uint64_t last = shape->last_sequence > 0 ? shape->last_sequence : blocks->records;
	uint64_t per_block = blocks->files == 0 ? 0 : blocks->records / blocks->files + 1;
	uint64_t subjects = shape->subjects < per_block ? shape->subjects : per_block;
	uint64_t each = uvarint_bytes(shape->subject_bytes) + shape->subject_bytes +
	                uvarint_bytes(per_block) + 2 * uvarint_bytes(last);

	return blocks->files *
	       (2 + uvarint_bytes(subjects) + subjects * each + 2 * (uint64_t)HASH_BYTES);
}

/* consumer.h has the layout. Everything that is pending may have been delivered before. */
static uint64_t consumer_bytes(const struct atr_footprint_shape *shape,
                               const struct atr_footprint_blocks *blocks)
{
	uint64_t last = shape->last_sequence > 0 ? shape->last_sequence : blocks->records;
	uint64_t each = 2 * uvarint_bytes(last) + 3 + uvarint_bytes(last) + 2;

	return 2 + 4 * uvarint_bytes(last) + 2 * uvarint_bytes(shape->consumer_pending) +
	       TIME_BYTES + shape->consumer_pending * each;
}

static void add_files(struct atr_footprint_kind *kind, uint64_t files, uint64_t bytes,
                      uint64_t file_system_bytes)
{
	kind->files += files;
	kind->bytes += files * bytes;
	kind->allocated_bytes += files * rounded_up(bytes, file_system_bytes);
}

void atr_footprint_stream(const struct atr_footprint_shape *shape,
                          const struct atr_footprint_blocks *blocks, struct atr_footprint *out)
{
	uint64_t fs = blocks->file_system_bytes, n = blocks->files, assets = 1 + shape->consumers;
	int encrypted = atr_cipher_encrypts(shape->cipher);
	uint64_t tag = encrypted ? atr_cipher_tag_bytes(shape->cipher) : 0;
	uint64_t seal = encrypted ? atr_cipher_nonce_bytes(shape->cipher) + tag : 0;

	*out = (struct atr_footprint){0};
	out->blk = (struct atr_footprint_kind){
	        blocks->bytes, blocks->allocated_bytes + rounded_up(blocks->last_bytes, fs), n};
	if (encrypted)
		add_files(&out->key, n + assets, seal + ATR_SEED_BYTES, fs);
	add_files(&out->meta, assets, META_SUM_BYTES, fs);
	add_files(&out->meta, 1, shape->config_bytes + seal, fs);
	add_files(&out->meta, shape->consumers, shape->consumer_config_bytes + seal, fs);
	out->consumer_state_bytes = consumer_bytes(shape, blocks) + seal;
	add_files(&out->state, shape->consumers, out->consumer_state_bytes, fs);
	if (shape->state != ATR_FOOTPRINT_STATE_IDX && n > 0 &&
	    shape->subjects <= ATR_FOOTPRINT_INDEX_MAX &&
	    shape->deleted <= ATR_FOOTPRINT_INDEX_MAX) {
		out->index_bytes = index_bytes(shape, blocks) + seal;
		add_files(&out->state, 1, out->index_bytes, fs);
	} else if (shape->state == ATR_FOOTPRINT_STATE_IDX && n > 0) {
		out->idx_bytes = idx_bytes(shape, blocks) / n + 1 + tag;
		out->fss_bytes = fss_bytes(shape, blocks) / n;
		add_files(&out->state, n, out->idx_bytes, fs);
		add_files(&out->state, n, out->fss_bytes, fs);
	}
	out->directories = 3 + shape->consumers;
}

struct atr_footprint_kind atr_footprint_total(const struct atr_footprint *f)
{
	const struct atr_footprint_kind *kinds[] = {&f->blk, &f->key, &f->meta, &f->state};
	struct atr_footprint_kind sum = {0, 0, 0};

	for (size_t i = 0; i < 4; i++) {
		sum.bytes += kinds[i]->bytes;
		sum.allocated_bytes += kinds[i]->allocated_bytes;
		sum.files += kinds[i]->files;
	}
	return sum;
}

uint64_t atr_footprint_config_bytes(const char *config, const char *stream)
{
	/* A time with all nine digits behind the point, as most have. */
	static const int64_t created_ns = INT64_C(1700000000123456789);
	json_t *made = NULL;
	struct atr_error err;
	size_t bytes = 0;

	if (atr_config_make(config, stream, created_ns, &made, &err) == ATR_OK)
		free(atr_meta_text(made, &bytes));
	json_decref(made);
	return bytes;
}
