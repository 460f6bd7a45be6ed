/* convert_copy.c - the blocks of a stream, written anew.
 *
 * A block of the source becomes a block of the same number, or of higher ones where it has to be
 * split. A block begins with a message, and inside it sequences rise by 1: what was deleted becomes
 * a placeholder of 30 bytes (time 0), unless so much was that a new block is shorter. Between
 * blocks gaps are fine, and so nothing else has to know what was deleted.
 */
#include <stdio.h>
#include <string.h>

#include "ciphers/secret.h"
#include "store/bytes.h"
#include "store/convert_inner.h"

/* Deleted sequences in a row that are written out. In front of a message a new block takes their
 * place, for the price of a file and a key; at the end of the stream only a block that not every
 * version handles well (below), so that 2 MB of placeholders are the better choice. */
#define GAP_MAX  64
#define TAIL_MAX 65536

struct copy {
	struct convert *c;
	struct atr_blockout *out; /* NULL: no block is open */
	uint64_t number;          /* of the open block, or the last one */
	uint64_t previous;        /* last sequence written */
	size_t source;            /* index of the block being copied */
	int begun;                /* it is one */
};

static enum atr_status open_block(struct copy *k, uint64_t number, int compress,
                                  struct atr_error *err)
{
	struct convert *c = k->c;
	struct atr_blockout_options options = {
	        .home = &c->home,
	        .cipher = c->cipher != NULL ? c->cipher : atr_cipher_find("none", NULL),
	        .number = number > k->number ? number : k->number + 1,
	        .suffix = "",
	        .compress = compress,
	        .sync = 1,
	};

	k->number = options.number;
	return c->options->dry_run ? ATR_OK : atr_blockout_open(&options, &k->out, err);
}

static enum atr_status finish_block(struct copy *k, struct atr_error *err)
{
	struct atr_blockout_result done;
	enum atr_status rc;

	if (k->out == NULL)
		return ATR_OK;
	rc = atr_blockout_finish(k->out, &done, err);
	k->out = NULL;
	return rc;
}

static enum atr_status put_placeholders(struct copy *k, uint64_t last, struct atr_error *err)
{
	enum atr_status rc = ATR_OK;

	for (uint64_t s = k->previous + 1; s <= last && k->out != NULL && rc == ATR_OK; s++) {
		struct atr_message m = {.sequence = s | ATR_SEQUENCE_ERASED};

		rc = atr_blockout_put(k->out, &m, err);
	}
	if (rc == ATR_OK)
		k->previous = last;
	return rc;
}

/* The block of the source is done: its last block made is closed and logged. */
static enum atr_status end_source(struct copy *k, struct atr_error *err)
{
	enum atr_status rc = ATR_OK;

	if (k->begun && !k->c->options->dry_run) {
		rc = finish_block(k, err);
		if (rc == ATR_OK)
			rc = convert_log_block(k->c, k->source, k->number, k->previous, err);
	}
	k->begun = 0;
	return rc;
}

static enum atr_status put_message(struct copy *k, const struct atr_inspect_message *m,
                                   int compress, struct atr_error *err)
{
	uint64_t sequence = m->message.sequence;
	enum atr_status rc = ATR_OK;
	int fresh = !k->begun;

	/* as the first record it would be taken for the beginning of a compressed block */
	compress |= !k->c->for_2_9 && atr_record_spells_compressed(atr_record_bytes(&m->message));

	if (k->begun && sequence - k->previous - 1 > GAP_MAX) {
		rc = finish_block(k, err);
		fresh = 1;
	}
	if (rc == ATR_OK && fresh)
		rc = open_block(k, m->block, compress, err);
	else if (rc == ATR_OK)
		rc = put_placeholders(k, sequence - 1, err);
	if (rc == ATR_OK && k->out != NULL)
		rc = atr_blockout_put(k->out, &m->message, err);
	k->begun = 1;
	k->previous = sequence;
	return rc;
}

/* ---- the last sequence, when it is not a message's ---- */

/* What an old server leaves of an emptied block: no bytes, and an idx with the last sequence. Its
 * sealing is the only use of the key's nonce until something is appended. */
static enum atr_status write_idx(struct copy *k, uint64_t last, struct atr_error *err)
{
	const struct convert *c = k->c;
	uint8_t text[ATR_IDX_EMPTY_BYTES_MAX], sealed[128];
	struct atr_seed seed;
	char name[48], path[PATH_MAX];
	size_t bytes = atr_idx_encode_empty(last, text);
	enum atr_status rc;

	(void)snprintf(name, sizeof name, "%llu.idx", (unsigned long long)k->number);
	rc = filetree_join(path, c->msgs, name, err);
	if (rc != ATR_OK)
		return rc;
	if (c->cipher == NULL)
		return atr_file_replace(c->files, path, text, bytes, err);
	rc = atr_block_read_key(&c->home, k->number, &seed, err);
	if (rc == ATR_OK &&
	    atr_cipher_seal(seed.cipher, seed.seed, seed.nonce, text, bytes, sealed) != 0)
		rc = atr_error_set(err, ATR_ENOMEM, path, -1, "sealing failed");
	if (rc == ATR_OK)
		rc = atr_file_replace(c->files, path, sealed,
		                      bytes + atr_cipher_tag_bytes(seed.cipher), err);
	atr_secret_wipe(&seed, sizeof seed);
	return rc;
}

/* A block for the last sequence alone: of 2.10 on a tombstone, as the server leaves one there. */
static enum atr_status put_last_block(struct copy *k, uint64_t last, struct atr_error *err)
{
	const struct atr_inspect *in = k->c->in;
	uint64_t number = in->block_count > 0 ? in->block[in->block_count - 1].number : 1;
	struct atr_message m = {.sequence = last | ATR_SEQUENCE_TOMBSTONE};
	enum atr_status rc = open_block(k, number, 0, err);

	if (rc == ATR_OK && !k->c->for_2_9 && k->out != NULL)
		rc = atr_blockout_put(k->out, &m, err);
	if (rc == ATR_OK)
		rc = finish_block(k, err);
	if (rc == ATR_OK && k->c->for_2_9 && !k->c->options->dry_run)
		rc = write_idx(k, last, err);
	return rc;
}

/* The index of the block that holds the last live message; block_count when there is none. */
static size_t last_live_block(const struct atr_inspect *in)
{
	uint64_t last = in->live.count > 0 ? in->live.range[in->live.count - 1].last : 0;
	size_t i = in->block_count;

	while (i > 0) {
		const struct survey_block *b = &in->block[--i];

		if (last > 0 && b->first_seq <= last && last <= b->last_seq)
			return i;
	}
	return in->block_count;
}

static enum atr_status end_stream(struct copy *k, struct atr_error *err)
{
	uint64_t last = k->c->in->state.last_seq;
	enum atr_status rc = ATR_OK;

	/* Never used: the server's empty block stays, for an index.db to be about. */
	if (last == 0 && k->c->in->block_count > 0) {
		rc = open_block(k, 1, 0, err);
		return rc == ATR_OK ? finish_block(k, err) : rc;
	}

	if (k->begun && last > k->previous && last - k->previous <= TAIL_MAX)
		rc = put_placeholders(k, last, err);
	if (rc == ATR_OK)
		rc = finish_block(k, err);
	if (rc == ATR_OK && last > k->previous)
		rc = put_last_block(k, last, err);
	return rc;
}

static enum atr_status copy_messages(struct copy *k, struct atr_error *err)
{
	struct convert *c = k->c;
	size_t last_block = last_live_block(c->in);
	struct atr_inspect_message m;
	enum atr_status rc;

	for (;;) {
		rc = atr_inspect_next(c->in, &m, err);
		if (rc == ATR_END)
			return end_stream(k, err);
		if (rc == ATR_OK && k->begun && c->in->at != k->source) {
			rc = convert_check_found(c->in, err);
			if (rc == ATR_OK)
				rc = end_source(k, err);
		}
		k->source = c->in->at;
		if (rc == ATR_OK)
			rc = put_message(k, &m, c->compress && k->source < last_block, err);
		if (rc != ATR_OK)
			return rc;
		convert_tell(c, ATR_CONVERT_COPYING);
	}
}

enum atr_status convert_copy(struct convert *c, struct atr_error *err)
{
	struct copy k = {.c = c, .number = c->kept_number, .previous = c->kept_last_seq};
	enum atr_status rc;

	if (c->skip_blocks > 0)
		survey_skip_blocks(c->in, c->skip_blocks);
	else
		atr_inspect_rewind(c->in);
	rc = copy_messages(&k, err);
	atr_blockout_discard(k.out);
	if (rc == ATR_OK)
		rc = convert_check_found(c->in, err);
	return rc;
}
