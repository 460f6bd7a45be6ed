#include "store/survey.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/secret.h"
#include "store/bytes.h"

/* ---- state files against blocks ---- */

static int by_number(const void *a, const void *b)
{
	const struct survey_block *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static struct survey_block *block_numbered(struct atr_inspect *in, uint64_t number)
{
	struct survey_block key = {.number = number};

	if (in->block_count == 0)
		return NULL;
	return bsearch(&key, in->block, in->block_count, sizeof key, by_number);
}

/* True when the block ends with lchk; an empty one with zeros. */
static enum atr_status block_ends_with(struct atr_inspect *in, struct survey_block *b,
                                       const uint8_t lchk[ATR_HASH_BYTES], int *ends,
                                       struct atr_error *err)
{
	static const uint8_t zeros[ATR_HASH_BYTES];
	uint8_t last[ATR_HASH_BYTES];
	enum atr_status rc;
	int readable;

	*ends = 0;
	rc = scan_open(in, &in->scan, b, &readable, err);
	if (rc != ATR_OK || !readable)
		return rc;
	if (b->file_bytes == 0) {
		*ends = memcmp(lchk, zeros, sizeof zeros) == 0;
		return ATR_OK;
	}
	rc = atr_walk_last_check(in->scan.walk, last, err);
	if (rc == ATR_EFORMAT)
		return ATR_OK; /* shorter than a hash: the walk will say */
	if (rc == ATR_OK)
		*ends = memcmp(lchk, last, sizeof last) == 0;
	return rc;
}

/* Adds what a state file lists as live in one block. */
static enum atr_status add_listed(struct atr_seqset *live, const struct atr_index_block *b)
{
	if (b->first_seq > b->last_seq || b->last_seq == 0)
		return ATR_OK;
	return atr_seqset_slice(&b->deleted, b->first_seq == 0 ? 1 : b->first_seq, b->last_seq, 0,
	                        live);
}

static enum atr_status listed_by_index(const struct atr_index *index, struct atr_seqset *live)
{
	enum atr_status rc = ATR_OK;

	for (size_t i = 0; i < index->block_count && rc == ATR_OK; i++)
		rc = add_listed(live, &index->block[i]);
	atr_seqset_settle(live);
	return rc;
}

/* Looks whether a block went on after what a state file saw as its end. */
struct watch {
	uint8_t lchk[ATR_HASH_BYTES];
	int seen;    /* a record carries that hash */
	int went_on; /* and it is not the end of the file */
};

static void watch_record(struct watch *watch, const struct atr_record *record)
{
	if (watch == NULL)
		return;
	watch->went_on |= watch->seen;
	watch->seen |= record->hash == atr_le64_get(watch->lchk);
}

/* Walks one block: what it holds, and the tombstones in it. watch (NULL allowed) is looked for
 * among the record hashes. */
static enum atr_status walk_block(struct atr_inspect *in, struct survey_block *b,
                                  struct atr_seqset *live, struct atr_seqset *tombstones,
                                  struct watch *watch, struct watch *watch_too,
                                  struct atr_error *err)
{
	struct atr_record record;
	enum atr_status rc;
	int readable;

	rc = scan_open(in, &in->scan, b, &readable, err);
	if (rc != ATR_OK || !readable)
		return rc;
	while ((rc = scan_next(in, &in->scan, &record, NULL, err)) == ATR_OK) {
		uint64_t sequence = record.message.sequence;

		b->damaged |= in->scan.damaged != 0;
		in->scan.damaged = 0;
		watch_record(watch, &record);
		watch_record(watch_too, &record);
		if (record.kind == ATR_RECORD_TOMBSTONE) {
			rc = atr_seqset_add(tombstones, sequence, sequence);
			if (rc != ATR_OK)
				break;
			continue;
		}
		if (sequence <= in->scan.previous)
			continue; /* not above the one before: dropped */
		if (in->scan.previous == 0)
			b->first_seq = sequence;
		in->scan.previous = b->last_seq = sequence;
		if (record.kind == ATR_RECORD_ERASED)
			continue;
		b->bytes += record.record_bytes;
		rc = atr_seqset_add(live, sequence, sequence);
		if (rc != ATR_OK)
			break;
	}
	b->tail = in->scan.tail != 0;
	b->tail_is_cut = in->scan.tail_is_cut != 0;
	if (in->scan.tail && watch != NULL)
		watch->went_on |= watch->seen;
	if (in->scan.tail && watch_too != NULL)
		watch_too->went_on |= watch_too->seen;
	return rc == ATR_END ? ATR_OK : rc;
}

/* Servers (>= 2.10) keep a block of nothing but tombstones out of their index.db, and leave its
 * file where it is. *all: 0 when a block that is not listed holds more than that, or may. */
static enum atr_status all_with_messages_are_listed(struct atr_inspect *in, int *all,
                                                    struct atr_error *err)
{
	const struct atr_index *index = &in->index;
	enum atr_status rc = ATR_OK;

	*all = 1;
	for (size_t i = 0; i < in->block_count && rc == ATR_OK && *all; i++) {
		struct atr_seqset live = {0}, tombstones = {0};
		struct survey_block *b = &in->block[i], walked = *b;
		size_t n = 0;

		while (n < index->block_count && index->block[n].number != b->number)
			n++;
		if (n < index->block_count)
			continue;
		if (b->key_is_missing) {
			*all = 0;
			break;
		}
		rc = walk_block(in, &walked, &live, &tombstones, NULL, NULL, err);
		b->unreadable = walked.unreadable; /* told once */
		*all = tombstones.count > 0 && walked.last_seq == 0 && !walked.unreadable &&
		       !walked.damaged && !walked.tail;
		atr_seqset_free(&live);
		atr_seqset_free(&tombstones);
	}
	return rc;
}

/* Decides whether index.db fits the block files. *fits: 1 yes; 0 no, and why says what differs. */
static enum atr_status index_fits(struct atr_inspect *in, int *fits, char *why, size_t why_bytes,
                                  struct atr_error *err)
{
	const struct atr_index *index = &in->index;
	struct survey_block *last = block_numbered(in, index->last_block);
	enum atr_status rc;

	*fits = 0;
	for (size_t i = 0; i < index->block_count; i++) {
		if (block_numbered(in, index->block[i].number) != NULL)
			continue;
		(void)snprintf(why, why_bytes, "it lists block %" PRIu64 ", whose file is missing",
		               index->block[i].number);
		return ATR_OK;
	}
	if (in->block_count > 0 && in->block[in->block_count - 1].number > index->last_block) {
		(void)snprintf(why, why_bytes, "block %" PRIu64 " is newer than its last, %" PRIu64,
		               in->block[in->block_count - 1].number, index->last_block);
		return ATR_OK;
	}
	if (last == NULL && in->block_count == 0) { /* no block listed, none there */
		*fits = 1;
		return ATR_OK;
	}
	rc = all_with_messages_are_listed(in, fits, err);
	if (rc != ATR_OK)
		return rc;
	if (last == NULL || !*fits) {
		*fits = 0;
		(void)snprintf(why, why_bytes, "it lists %zu blocks, %zu are there",
		               index->block_count, in->block_count);
		return ATR_OK;
	}
	rc = block_ends_with(in, last, index->lchk, fits, err);
	if (rc == ATR_OK && last->unreadable)
		*fits = 1; /* has its own finding; nothing else speaks against the state file */
	if (rc == ATR_OK && !*fits)
		(void)snprintf(why, why_bytes, "block %" PRIu64 " does not end with its checksum",
		               index->last_block);
	return rc;
}

/* Takes over what a fitting index.db says. */
static enum atr_status believe_index(struct atr_inspect *in, const char *path)
{
	struct atr_index *index = &in->index;
	enum atr_status rc = listed_by_index(index, &in->live);

	if (rc != ATR_OK)
		return rc;
	if (atr_seqset_count(&in->live, 0, UINT64_MAX) != index->messages)
		survey_find(in, ATR_FINDING_DAMAGE, path, -1, 0,
		            "%" PRIu64 " messages, its blocks list %" PRIu64, index->messages,
		            atr_seqset_count(&in->live, 0, UINT64_MAX));
	for (size_t i = 0; i < index->block_count; i++) {
		struct survey_block *b = block_numbered(in, index->block[i].number);

		b->first_seq = index->block[i].first_seq;
		b->last_seq = index->block[i].last_seq;
		b->bytes = index->block[i].bytes;
		b->listed = 1;
	}
	in->index_fits = 1;
	in->state.messages = index->messages;
	in->state.bytes = index->bytes;
	in->state.first_seq = index->first_seq;
	in->state.last_seq = index->last_seq;
	rc = atr_tally_init(&in->stream_tally, index->subject, index->subject_count);
	if (rc == ATR_EFORMAT) {
		survey_find(in, ATR_FINDING_DAMAGE, path, -1, 0, "a subject is listed twice");
		rc = ATR_OK;
	}
	return rc;
}

/* ---- without index.db ---- */

/* Live record bytes of a block, now that all tombstones are known. */
static enum atr_status weigh_block(struct atr_inspect *in, struct survey_block *b,
                                   struct atr_error *err)
{
	struct atr_record record;
	enum atr_status rc;
	int readable;

	rc = scan_open(in, &in->scan, b, &readable, err);
	if (rc != ATR_OK || !readable)
		return rc;
	b->bytes = 0;
	while ((rc = scan_next(in, &in->scan, &record, NULL, err)) == ATR_OK) {
		if (record.kind != ATR_RECORD_MESSAGE ||
		    record.message.sequence <= in->scan.previous)
			continue;
		in->scan.previous = record.message.sequence;
		if (atr_seqset_has(&in->live, record.message.sequence) &&
		    record.message.sequence >= b->first_seq &&
		    record.message.sequence <= b->last_seq)
			b->bytes += record.record_bytes;
	}
	return rc == ATR_END ? ATR_OK : rc;
}

/* The idx of a block: 1 in *fits when it is believed. out is empty unless it opened. */
static enum atr_status read_idx(struct atr_inspect *in, struct survey_block *b, struct atr_idx *out,
                                int *fits, struct atr_error *err)
{
	struct atr_seed seed;
	char path[PATH_MAX];
	enum atr_status rc;
	int is_clear;

	*fits = 0;
	memset(out, 0, sizeof *out);
	survey_block_path(in, b->number, "idx", path, sizeof path);
	rc = atr_block_read_key(&in->home, b->number, &seed, err);
	if (rc != ATR_OK && rc != ATR_ENOTFOUND) {
		b->unreadable = 1;
		in->losses++;
		return survey_find_error(in, err);
	}
	is_clear = rc == ATR_ENOTFOUND;
	rc = atr_idx_read(in->home.files, path, is_clear ? NULL : &seed, b->number, out, err);
	atr_secret_wipe(&seed, sizeof seed);
	if (rc != ATR_OK) {
		b->maybe_deleted = 1;
		return survey_find_error(in, err);
	}
	if (out->clear || (is_clear && in->meta->encrypted))
		survey_find(in, in->allow_clear ? ATR_FINDING_NOTE : ATR_FINDING_CLEAR, path, -1, 0,
		            "clear text in an encrypted stream");
	if (b->file_bytes == 0) {
		*fits = out->messages == 0;
		return ATR_OK;
	}
	return block_ends_with(in, b, out->lchk, fits, err);
}

/* Without an idx deletes are unknown; that is a loss only where one was: the server writes an
 * fss after it. */
static void check_idx_is_there(struct atr_inspect *in, struct survey_block *b)
{
	struct atr_fss fss;
	char path[PATH_MAX];
	int ends = 0;

	if (!b->has_fss)
		return;
	survey_block_path(in, b->number, "fss", path, sizeof path);
	if (atr_fss_read(in->home.files, path, in->stream, b->number, &fss, NULL) != ATR_OK)
		return;
	if (block_ends_with(in, b, fss.lchk, &ends, &(struct atr_error){0}) == ATR_OK && ends) {
		survey_block_path(in, b->number, "idx", path, sizeof path);
		survey_find(in, ATR_FINDING_DAMAGE, path, -1, 0,
		            "missing, though the block was closed with one: its deletes are not "
		            "known");
		b->maybe_deleted = 1;
	}
	atr_fss_free(&fss);
}

/* What a state file that does not fit means: stale, or the blocks lost something. Sequences
 * that it lists as deleted become doubtful. */
static enum atr_status judge_unfit(struct atr_inspect *in, const char *path, const char *why,
                                   int went_on, uint64_t state_last, uint64_t blocks_last,
                                   const struct atr_seqset *walked,
                                   const struct atr_seqset *state_live)
{
	struct atr_seqset known = {0};
	enum atr_status rc;

	if (went_on || blocks_last > state_last)
		survey_find(in, ATR_FINDING_NOTE, path, -1, 0,
		            "older than the blocks, not used: %s", why);
	else
		survey_find(in, ATR_FINDING_DAMAGE, path, -1, 0,
		            "does not fit, not used: %s; it goes up to sequence %" PRIu64
		            ", what is there to %" PRIu64,
		            why, state_last, blocks_last);
	rc = atr_seqset_slice(walked, 0, state_last, 1, &known);
	if (rc == ATR_OK)
		rc = atr_seqset_minus(&known, state_live, &in->doubtful);
	atr_seqset_free(&known);
	return rc;
}

/* One block without a believed index.db. */
static enum atr_status survey_block_alone(struct atr_inspect *in, struct survey_block *b,
                                          struct atr_seqset *tombstones, struct watch *watch,
                                          struct atr_error *err)
{
	struct atr_seqset walked = {0}, idx_live = {0};
	struct watch idx_watch = {.seen = 0};
	struct atr_idx idx = {0};
	char path[PATH_MAX];
	enum atr_status rc = ATR_OK;
	int fits = 0;

	if (b->key_is_missing)
		return ATR_OK; /* its idx is under that key too */
	if (b->has_idx)
		rc = read_idx(in, b, &idx, &fits, err);
	else
		check_idx_is_there(in, b);
	if (rc != ATR_OK || b->unreadable)
		goto done;
	if (fits) {
		b->listed = b->idx_fits = 1;
		b->first_seq = idx.block.first_seq;
		b->last_seq = idx.block.last_seq;
		b->bytes = idx.block.bytes;
		if (!b->has_key) { /* no tag and no checksum protects it: times are compared too */
			b->first_time_ns = idx.block.first_time_ns;
			b->last_time_ns = idx.block.last_time_ns;
		}
		/* an index.db that ends here can only be stale: the idx is the server's older one
		 */
		if (watch != NULL && memcmp(watch->lchk, idx.lchk, ATR_HASH_BYTES) == 0)
			watch->seen = 1;
		rc = add_listed(&in->live, &idx.block);
		goto done;
	}
	memcpy(idx_watch.lchk, idx.lchk, ATR_HASH_BYTES);
	rc = walk_block(in, b, &walked, tombstones, watch, &idx_watch, err);
	atr_seqset_settle(&walked);
	for (size_t i = 0; i < walked.count && rc == ATR_OK; i++)
		rc = atr_seqset_add(&in->live, walked.range[i].first, walked.range[i].last);
	/* An idx that opened, but does not fit. An empty one has version byte 22 only in a file, so
	 * its last sequence or its first is set. */
	if (rc == ATR_OK && b->has_idx && (idx.block.first_seq | idx.block.last_seq) != 0) {
		survey_block_path(in, b->number, "idx", path, sizeof path);
		rc = add_listed(&idx_live, &idx.block);
		if (b->has_key && idx.block.last_seq > in->unfit_last_seq)
			in->unfit_last_seq = idx.block.last_seq;
		if (rc == ATR_OK)
			rc = judge_unfit(in, path, "the block does not end with its checksum",
			                 idx_watch.went_on, idx.block.last_seq, b->last_seq,
			                 &walked, &idx_live);
	}
done:
	atr_seqset_free(&walked);
	atr_seqset_free(&idx_live);
	atr_idx_free(&idx);
	return rc;
}

/* State from the blocks: messages, bytes, first and last. */
static enum atr_status sum_up(struct atr_inspect *in, const struct atr_seqset *tombstones,
                              struct atr_error *err)
{
	struct atr_inspect_state *s = &in->state;
	struct atr_seqset left = {0};
	enum atr_status rc;

	rc = atr_seqset_minus(&in->live, tombstones, &left);
	if (rc != ATR_OK)
		return rc;
	for (size_t i = 0; i < in->block_count && rc == ATR_OK; i++) {
		struct survey_block *b = &in->block[i];

		if (b->last_seq > s->last_seq)
			s->last_seq = b->last_seq;
		/* records that a tombstone took out weigh nothing */
		if (b->first_seq <= b->last_seq &&
		    atr_seqset_count(&in->live, b->first_seq, b->last_seq) !=
		            atr_seqset_count(&left, b->first_seq, b->last_seq)) {
			struct atr_seqset all = in->live;

			in->live = left;
			rc = weigh_block(in, b, err);
			in->live = all;
		}
		s->bytes += b->bytes;
	}
	atr_seqset_free(&in->live);
	in->live = left;
	if (tombstones->count > 0 && tombstones->range[tombstones->count - 1].last > s->last_seq)
		s->last_seq = tombstones->range[tombstones->count - 1].last;
	s->messages = atr_seqset_count(&in->live, 0, UINT64_MAX);
	s->first_seq = in->live.count > 0 ? in->live.range[0].first : s->last_seq + 1;
	return rc;
}

/* Everything without index.db; unfit: it opened, but does not fit, and why. */
static enum atr_status survey_blocks(struct atr_inspect *in, const char *index_path, int unfit,
                                     const char *why, struct atr_error *err)
{
	struct atr_seqset tombstones = {0}, index_live = {0};
	struct watch watch = {.seen = 0};
	enum atr_status rc = ATR_OK;

	memcpy(watch.lchk, in->index.lchk, ATR_HASH_BYTES);
	for (size_t i = 0; i < in->block_count && rc == ATR_OK; i++) {
		int here = unfit && in->block[i].number == in->index.last_block;

		rc = survey_block_alone(in, &in->block[i], &tombstones, here ? &watch : NULL, err);
	}
	atr_seqset_settle(&in->live);
	atr_seqset_settle(&tombstones);
	if (rc == ATR_OK)
		rc = sum_up(in, &tombstones, err);
	if (rc == ATR_OK && unfit) {
		rc = listed_by_index(&in->index, &index_live);
		if (in->index.last_seq > in->unfit_last_seq)
			in->unfit_last_seq = in->index.last_seq;
		if (rc == ATR_OK)
			rc = judge_unfit(in, index_path, why, watch.went_on, in->index.last_seq,
			                 in->state.last_seq, &in->live, &index_live);
	}
	atr_seqset_settle(&in->doubtful);
	atr_seqset_free(&tombstones);
	atr_seqset_free(&index_live);
	return rc;
}

/* ---- all of it ---- */

static void add_up_state(struct atr_inspect *in)
{
	struct atr_inspect_state *s = &in->state;

	/* As the server counts: a never used stream of servers >= 2.10 has first and last 0, and
	 * so one "deleted" sequence. */
	s->num_deleted = s->last_seq + 1 - s->first_seq - s->messages;
	if (s->first_seq > s->last_seq + 1 || s->last_seq + 1 - s->first_seq < s->messages)
		s->num_deleted = 0;
	for (size_t i = 0; i < in->block_count; i++) {
		const struct survey_block *b = &in->block[i];

		if (b->damaged || b->unreadable ||
		    (b->tail && !scan_tail_lost_nothing(in, i, b->last_seq, b->tail_is_cut)))
			s->damaged = 1;
	}
}

/* Without the stream's seed an index.db is as good as not there, but it knew the deletions. */
static enum atr_status lost_index(struct atr_inspect *in, const char *path)
{
	struct atr_file_stat st;

	if (in->home.files->stat(in->home.files->context, path, &st) >= 0)
		in->all_maybe_deleted = 1;
	return ATR_ENOTFOUND;
}

/* One finding per missing key: what the state files say does not fit because of it, is not said. */
static void report_keyless(struct atr_inspect *in)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < in->block_count; i++) {
		const struct survey_block *b = &in->block[i];

		if (!b->key_is_missing)
			continue;
		survey_block_path(in, b->number, "key", path, sizeof path);
		if (b->listed && b->first_seq <= b->last_seq)
			survey_find(in, ATR_FINDING_DAMAGE, path, -1, b->first_seq,
			            "missing: block %" PRIu64
			            " is not clear text and cannot be deciphered; its "
			            "sequences %" PRIu64 " to %" PRIu64 " are not readable",
			            b->number, b->first_seq, b->last_seq);
		else
			survey_find(in, ATR_FINDING_DAMAGE, path, -1, 0,
			            "missing: block %" PRIu64
			            " is not clear text and cannot be deciphered",
			            b->number);
	}
}

enum atr_status survey_stream(struct atr_inspect *in, struct atr_error *err)
{
	char path[PATH_MAX], why[128] = "";
	enum atr_status rc, opened;
	int fits = 0;

	rc = survey_list_blocks(in, err);
	if (rc == ATR_OK)
		rc = survey_list_consumers(in, err);
	if (rc == ATR_OK)
		rc = survey_find_keyless(in, err);
	if (rc != ATR_OK)
		return rc;
	if (snprintf(path, sizeof path, "%s/index.db", in->msgs_path) >= (int)sizeof path)
		return atr_error_set(err, ATR_EINVAL, in->msgs_path, -1, "path too long");
	opened = in->meta_is_lost ? lost_index(in, path)
	                          : atr_index_read(in->home.files, path,
	                                           in->meta->encrypted ? &in->meta->seed : NULL,
	                                           in->stream, &in->index, err);
	if (opened == ATR_OK) {
		if (in->index.clear)
			survey_find(in, in->allow_clear ? ATR_FINDING_NOTE : ATR_FINDING_CLEAR,
			            path, -1, 0,
			            "clear text in an encrypted stream: lists every subject");
		rc = index_fits(in, &fits, why, sizeof why, err);
	} else if (opened != ATR_ENOTFOUND) {
		in->all_maybe_deleted = 1;
		rc = survey_find_error(in, err);
	}
	if (rc == ATR_OK && fits)
		rc = believe_index(in, path);
	else if (rc == ATR_OK)
		rc = survey_blocks(in, path, opened == ATR_OK, why, err);
	if (rc == ATR_OK)
		add_up_state(in);
	if (rc == ATR_OK)
		report_keyless(in);
	return rc;
}
