/* convert_compare.c - is what was made the same stream? It is opened as anyone would open it, with
 * the new key alone, and read to the end beside the source. */
#include <inttypes.h>
#include <string.h>

#include "store/convert_inner.h"

/* The first thing that is wrong with it. */
struct doubt {
	struct atr_error err;
	int any;
};

static void take_finding(void *arg, const struct atr_finding *f)
{
	struct doubt *d = arg;

	if (f->kind == ATR_FINDING_NOTE || d->any)
		return;
	d->any = 1;
	(void)atr_error_set(&d->err, ATR_EFORMAT, f->path, f->offset, "%s", f->text);
	d->err.sequence = f->sequence;
}

static int equal_bytes(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
	return a_bytes == b_bytes && (a_bytes == 0 || memcmp(a, b, a_bytes) == 0);
}

static int equal(const struct atr_message *a, const struct atr_message *b)
{
	return a->sequence == b->sequence && a->time_ns == b->time_ns &&
	       equal_bytes(a->subject, a->subject_bytes, b->subject, b->subject_bytes) &&
	       equal_bytes(a->headers, a->headers_bytes, b->headers, b->headers_bytes) &&
	       equal_bytes(a->payload, a->payload_bytes, b->payload, b->payload_bytes);
}

static enum atr_status differs(const struct convert *c, uint64_t sequence, const char *what,
                               struct atr_error *err)
{
	enum atr_status rc = atr_error_set(err, ATR_EFORMAT, c->sibling, -1,
	                                   "the copy differs from the stream: %s", what);

	if (err != NULL)
		err->sequence = sequence;
	return rc;
}

static enum atr_status compare_messages(struct convert *c, struct atr_error *err)
{
	struct atr_inspect_message a, b;
	enum atr_status source, made;

	atr_inspect_rewind(c->in);
	for (;;) {
		source = atr_inspect_next(c->in, &a, err);
		if (source != ATR_OK && source != ATR_END)
			return source;
		made = atr_inspect_next(c->made, &b, err);
		if (made != ATR_OK && made != ATR_END)
			return made;
		if (source != made)
			return differs(c,
			               source == ATR_OK ? a.message.sequence : b.message.sequence,
			               "another number of messages", err);
		if (source == ATR_END)
			return convert_check_found(c->in, err);
		if (!equal(&a.message, &b.message))
			return differs(c, a.message.sequence, "a message", err);
		source = convert_index_see(c, &b, err);
		if (source != ATR_OK)
			return source;
		c->result->messages++;
		convert_tell(c, ATR_CONVERT_VERIFYING);
	}
}

static enum atr_status compare_state(const struct convert *c, struct atr_error *err)
{
	const struct atr_inspect_state *a = &c->in->state, *b = &c->made->state;

	/* a stream that was never used begins at 0 or 1 */
	if (a->messages != b->messages || a->bytes != b->bytes || a->last_seq != b->last_seq ||
	    (a->first_seq != b->first_seq && a->last_seq > 0))
		return differs(c, 0, "its state", err);
	return ATR_OK;
}

/* Every block under the cipher, in clear text without one. */
static enum atr_status check_ciphers(const struct convert *c, struct atr_error *err)
{
	const char *cipher = c->cipher != NULL ? atr_cipher_name(c->cipher) : "none";

	for (size_t i = 0; i < c->made->block_count; i++) {
		const struct survey_block *b = &c->made->block[i];

		c->result->bytes_after += b->file_bytes;
		if (strcmp(b->cipher, cipher) != 0)
			return differs(c, b->first_seq, "the cipher of a block", err);
	}
	c->result->blocks_after = c->made->block_count;
	if (c->made->meta->encrypted != (c->cipher != NULL) ||
	    (c->cipher != NULL && strcmp(atr_cipher_name(c->made->meta->seed.cipher), cipher) != 0))
		return differs(c, 0, "the cipher of meta.key", err);
	return ATR_OK;
}

static enum atr_status compare_consumers(const struct convert *c, struct atr_error *err)
{
	const char *cipher = c->cipher != NULL ? atr_cipher_name(c->cipher) : "none";
	struct atr_inspect_consumer a, b;
	enum atr_status rc;

	if (c->in->consumer_count != c->made->consumer_count)
		return differs(c, 0, "another number of consumers", err);
	for (size_t i = 0; i < c->in->consumer_count; i++) {
		rc = atr_inspect_consumer(c->in, i, &a, err);
		if (rc == ATR_OK)
			rc = atr_inspect_consumer(c->made, i, &b, err);
		if (rc != ATR_OK)
			return rc;
		if (strcmp(a.name, b.name) != 0 || strcmp(b.cipher, cipher) != 0 ||
		    a.delivered_consumer_seq != b.delivered_consumer_seq ||
		    a.delivered_stream_seq != b.delivered_stream_seq ||
		    a.ack_floor_consumer_seq != b.ack_floor_consumer_seq ||
		    a.ack_floor_stream_seq != b.ack_floor_stream_seq ||
		    a.num_ack_pending != b.num_ack_pending ||
		    a.num_redelivered != b.num_redelivered)
			return differs(c, 0, "a consumer", err);
	}
	c->result->consumers = c->in->consumer_count;
	return ATR_OK;
}

static enum atr_status open_made(struct convert *c, struct doubt *doubt, struct atr_error *err)
{
	struct atr_inspect_options options = {
	        .files = c->files,
	        .account = c->in->account,
	        .stream = c->in->stream,
	        .key = c->ring.key,
	        .key_bytes = c->ring.key_bytes,
	        .finding = take_finding,
	        .finding_arg = doubt,
	        .exclusive = 1,
	};

	atr_inspect_close(c->made);
	return atr_inspect_open(c->sibling, &options, &c->made, err);
}

/* Once more with index.db: it is believed, and says what the blocks say. */
static enum atr_status compare_index(struct convert *c, struct doubt *doubt, struct atr_error *err)
{
	struct atr_seqset live = c->made->live;
	enum atr_status rc;
	int written, same;

	rc = convert_index_write(c, &written, err);
	if (rc != ATR_OK || !written)
		return rc;
	memset(&c->made->live, 0, sizeof c->made->live);
	rc = open_made(c, doubt, err);
	if (rc == ATR_OK) {
		same = c->made->index_fits && live.count == c->made->live.count &&
		       (live.count == 0 || memcmp(live.range, c->made->live.range,
		                                  live.count * sizeof *live.range) == 0);
		rc = same ? compare_state(c, err) : differs(c, 0, "its index.db", err);
	}
	atr_seqset_free(&live);
	return rc;
}

enum atr_status convert_compare(struct convert *c, struct atr_error *err)
{
	struct doubt doubt = {.any = 0};
	enum atr_status rc;

	c->result->messages = c->result->blocks_after = c->result->bytes_after = 0;
	rc = open_made(c, &doubt, err);
	if (rc == ATR_OK)
		rc = convert_index_begin(c, err);
	if (rc == ATR_OK)
		rc = compare_messages(c, err);
	if (rc == ATR_OK)
		rc = compare_state(c, err);
	if (rc == ATR_OK)
		rc = check_ciphers(c, err);
	if (rc == ATR_OK)
		rc = compare_consumers(c, err);
	if (rc == ATR_OK)
		rc = compare_index(c, &doubt, err);
	convert_index_free(c);
	if (rc == ATR_OK && doubt.any) {
		*err = doubt.err;
		rc = ATR_EFORMAT;
	}
	if (c->made != NULL) /* what follows finds nothing more, and doubt ends here */
		c->made->finding = NULL;
	return rc;
}
