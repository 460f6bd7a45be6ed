/* repair_blocks.c - which blocks are written anew, and their state files.
 *
 * A state file that goes takes what it alone knows with it: which records are deleted, and the last
 * sequence. So the blocks that hold such records are written anew too, with placeholders in their
 * place, which every server reads; and a block with a placeholder for the last sequence is added
 * when no other one reaches it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/secret.h"
#include "store/blockout.h"
#include "store/repair_inner.h"

/* A gap up to this is filled with placeholders, which servers up to 2.9 need; in a wider one nobody
 * wants 30 bytes for each. */
#define GAP_MAX 4096

#define SUBJECTS_MAX 256

static void block_name(char name[64], uint64_t number, const char *suffix)
{
	(void)snprintf(name, 64, "msgs/%" PRIu64 ".%s", number, suffix);
}

/* ---- what the findings say ---- */

static const char *found_text(const struct repair *r, const char *name)
{
	const struct repair_finding *f = repair_found(r, name, ATR_FINDING_DAMAGE);

	return f != NULL ? f->text : NULL;
}

/* A note that nevertheless is something to repair. */
static const char *note_beginning(const struct repair *r, const char *name, const char *beginning)
{
	for (size_t i = 0; i < r->finding_count; i++) {
		const struct repair_finding *f = &r->finding[i];

		if (f->kind == ATR_FINDING_NOTE && strcmp(f->path, name) == 0 &&
		    strncmp(f->text, beginning, strlen(beginning)) == 0)
			return f->text;
	}
	return NULL;
}

static void classify(struct repair *r)
{
	char name[64];

	for (size_t i = 0; i < r->in->block_count; i++) {
		const struct survey_block *b = &r->in->block[i];
		struct repair_block *plan = &r->block[i];

		block_name(name, b->number, "blk");
		plan->why = found_text(r, name);
		if (plan->why == NULL)
			plan->why = note_beginning(r, name, "torn tail");
		plan->rewrite = plan->why != NULL;
		block_name(name, b->number, "key");
		if (b->unreadable && found_text(r, name) != NULL)
			plan->why = found_text(r, name);
		plan->drop = b->unreadable || (plan->rewrite && b->file_bytes == 0);
		block_name(name, b->number, "idx");
		/* one that is missing is named too, when an fss was written after it */
		plan->drop_idx = found_text(r, name) != NULL ||
		                 (b->has_idx && note_beginning(r, name, "older than") != NULL);
		block_name(name, b->number, "fss");
		plan->drop_idx |= b->has_fss && found_text(r, name) != NULL;
	}
}

/* ---- deletions that a state file alone knows ---- */

/* A state file that does not fit the blocks any more was whole when it was written: what it lists
 * as deleted is deleted. Only a clear idx has neither tag nor checksum, and may say anything,
 * unless the block has the record that it was written after. */
static int is_live(const struct repair *r, const struct survey_block *b, uint64_t sequence)
{
	if (atr_seqset_has(&r->in->doubtful, sequence) && !r->block[b - r->in->block].doubt_idx)
		return 0;
	return sequence >= b->first_seq && sequence <= b->last_seq &&
	       atr_seqset_has(&r->in->live, sequence);
}

/* Passes over every record of a block. each: ATR_OK goes on. */
typedef enum atr_status record_fn(void *arg, const struct atr_record *record,
                                  struct atr_error *err);

static enum atr_status for_records(struct repair *r, struct survey_block *b, record_fn *each,
                                   void *arg, struct atr_error *err)
{
	struct atr_record record;
	enum atr_status rc;
	int readable;

	rc = scan_open(r->in, &r->in->scan, b, &readable, err);
	if (rc != ATR_OK || !readable)
		return rc;
	while ((rc = scan_next(r->in, &r->in->scan, &record, NULL, err)) == ATR_OK) {
		rc = each(arg, &record, err);
		if (rc != ATR_OK)
			return rc;
	}
	return rc == ATR_END ? ATR_OK : rc;
}

static enum atr_status take_tombstone(void *arg, const struct atr_record *record,
                                      struct atr_error *err)
{
	struct atr_seqset *tombstones = arg;

	(void)err;
	return record->kind == ATR_RECORD_TOMBSTONE
	               ? atr_seqset_add(tombstones, record->message.sequence,
	                                record->message.sequence)
	               : ATR_OK;
}

struct search {
	struct repair *r;
	const struct survey_block *block;
	const struct atr_seqset *tombstones;
	int found;
};

static enum atr_status look_for_deleted(void *arg, const struct atr_record *record,
                                        struct atr_error *err)
{
	struct search *s = arg;

	(void)err;
	s->found |= record->kind == ATR_RECORD_MESSAGE &&
	            !is_live(s->r, s->block, record->message.sequence) &&
	            !atr_seqset_has(s->tombstones, record->message.sequence);
	return ATR_OK;
}

static enum atr_status keep_deletions(struct repair *r, const struct atr_seqset *tombstones,
                                      struct atr_error *err)
{
	enum atr_status rc = ATR_OK;

	for (size_t i = 0; i < r->in->block_count && rc == ATR_OK; i++) {
		struct survey_block *b = &r->in->block[i];
		struct search s = {r, b, tombstones, 0};

		/* the deletions of a block whose idx stays stay with it */
		if (r->block[i].drop || r->block[i].rewrite ||
		    (b->idx_fits && !r->block[i].drop_idx) ||
		    !((r->in->index_fits && r->drop_index) || b->idx_fits ||
		      r->in->doubtful.count > 0))
			continue;
		rc = for_records(r, b, look_for_deleted, &s, err);
		r->block[i].rewrite = s.found != 0;
	}
	return rc;
}

/* ---- which messages can be read ---- */

static enum atr_status take_subject(struct repair *r, const struct atr_message *m)
{
	size_t n = 0;
	char filter[300];

	while (n < m->subject_bytes && n < 250 && m->subject[n] != '.')
		n++;
	if (r->subjects == NULL || n == 0)
		return ATR_OK;
	(void)snprintf(filter, sizeof filter, "%.*s%s", (int)n, m->subject,
	               n < m->subject_bytes ? ".>" : "");
	if (json_object_size(r->subjects) >= SUBJECTS_MAX) {
		(void)json_object_clear(r->subjects);
		(void)snprintf(filter, sizeof filter, ">");
	}
	if (json_object_get(r->subjects, ">") != NULL)
		return ATR_OK;
	/* not UTF-8: no filter can name it */
	if (json_object_set_new(r->subjects, filter, json_true()) != 0) {
		(void)json_object_clear(r->subjects);
		(void)json_object_set_new(r->subjects, ">", json_true());
	}
	return ATR_OK;
}

static const struct survey_block *block_of(const struct atr_inspect *in, uint64_t number)
{
	const struct survey_block *b = in->block;

	while (b->number != number)
		b++;
	return b;
}

static enum atr_status find_usable(struct repair *r, struct atr_error *err)
{
	struct atr_inspect_message m;
	enum atr_status rc;

	atr_inspect_rewind(r->in);
	r->result->messages = 0;
	while ((rc = atr_inspect_next(r->in, &m, err)) == ATR_OK) {
		if (!is_live(r, block_of(r->in, m.block), m.message.sequence))
			continue;
		r->result->messages++;
		rc = atr_seqset_add(&r->usable, m.message.sequence, m.message.sequence);
		if (rc == ATR_OK)
			rc = take_subject(r, &m.message);
		if (rc != ATR_OK)
			return atr_error_set(err, rc, r->dir, -1, "no memory");
	}
	atr_seqset_settle(&r->usable);
	return rc == ATR_END ? ATR_OK : rc;
}

/* ---- one block anew ---- */

struct writing {
	struct repair *r;
	struct survey_block *block;
	const struct atr_seqset *tombstones;
	struct atr_blockout *out; /* NULL in a dry run */
	uint64_t previous;        /* last sequence seen in it; 0 = none */
	uint64_t put;             /* last sequence put; 0 = none */
	uint64_t messages, records;
	struct atr_seqset lost;
};

static enum atr_status put_erased(struct writing *w, uint64_t sequence, struct atr_error *err)
{
	const struct atr_message m = {.sequence = sequence | ATR_SEQUENCE_ERASED};

	w->put = sequence;
	w->records++;
	return w->out != NULL ? atr_blockout_put(w->out, &m, err) : ATR_OK;
}

/* Placeholders up to sequence - 1. */
static enum atr_status fill_gap(struct writing *w, uint64_t sequence, struct atr_error *err)
{
	enum atr_status rc = ATR_OK;

	if (w->put == 0 || sequence - w->put - 1 > GAP_MAX)
		return ATR_OK;
	while (rc == ATR_OK && w->put + 1 < sequence)
		rc = put_erased(w, w->put + 1, err);
	return rc;
}

static enum atr_status put_message(struct writing *w, const struct atr_message *m,
                                   struct atr_error *err)
{
	enum atr_status rc = fill_gap(w, m->sequence, err);

	if (rc != ATR_OK)
		return rc;
	w->put = m->sequence;
	w->messages++;
	w->records++;
	if (w->out == NULL)
		return ATR_OK;
	rc = atr_blockout_put(w->out, m, err);
	/* its length makes the block look like a compressed one when it comes first */
	if (rc == ATR_EINVAL && w->records == 1 && m->sequence > 1) {
		rc = put_erased(w, m->sequence - 1, err);
		if (rc == ATR_OK)
			rc = atr_blockout_put(w->out, m, err);
		w->put = m->sequence;
	}
	return rc;
}

/* first..last are not in the block: live ones are lost; where no list says which live, all that lie
 * in damage are, but those that a tombstone names. */
static enum atr_status lose(struct writing *w, uint64_t first, uint64_t last, int damaged)
{
	struct atr_seqset all = {0}, left = {0};
	enum atr_status rc;

	if (last < first)
		return ATR_OK;
	if (w->block->listed)
		return atr_seqset_slice(&w->r->in->live, first, last, 1, &w->lost);
	if (!damaged)
		return ATR_OK;
	rc = atr_seqset_add(&all, first, last);
	if (rc == ATR_OK)
		rc = atr_seqset_minus(&all, w->tombstones, &left);
	for (size_t i = 0; i < left.count && rc == ATR_OK; i++)
		rc = atr_seqset_add(&w->lost, left.range[i].first, left.range[i].last);
	atr_seqset_free(&all);
	atr_seqset_free(&left);
	return rc;
}

/* Where the sequences of this block begin, as far as it is known. */
static uint64_t first_expected(const struct repair *r, const struct survey_block *b)
{
	if (b->listed && b->first_seq <= b->last_seq)
		return b->first_seq;
	return scan_last_before(r->in, (size_t)(b - r->in->block), 0) + 1;
}

static enum atr_status rewrite_record(void *arg, const struct atr_record *record,
                                      struct atr_error *err)
{
	struct writing *w = arg;
	struct repair *r = w->r;
	struct atr_message m = record->message;
	int damaged = r->in->scan.damaged;
	enum atr_status rc;

	if (record->kind == ATR_RECORD_TOMBSTONE) {
		m.sequence |= ATR_SEQUENCE_TOMBSTONE;
		w->records++;
		return w->out != NULL ? atr_blockout_put(w->out, &m, err) : ATR_OK;
	}
	if (m.sequence <= w->previous)
		return ATR_OK; /* not above the one before: dropped by every reader */
	rc = lose(w, w->previous > 0 ? w->previous + 1 : first_expected(r, w->block),
	          m.sequence - 1, damaged);
	r->in->scan.damaged = 0;
	w->previous = m.sequence;
	if (rc != ATR_OK || m.sequence <= r->last_seq)
		return rc; /* an earlier block has it */
	if (record->kind == ATR_RECORD_MESSAGE && is_live(r, w->block, m.sequence)) {
		if (atr_seqset_has(&r->usable, m.sequence))
			return put_message(w, &m, err);
		return atr_seqset_add(&w->lost, m.sequence, m.sequence);
	}
	return ATR_OK; /* deleted: a gap, which is filled */
}

/* The end of a block: where the next one begins, or what the state files say. */
static enum atr_status end_rewriting(struct writing *w, struct atr_error *err)
{
	const struct atr_inspect *in = w->r->in;
	size_t at = (size_t)(w->block - in->block);
	uint64_t last = w->block->listed ? w->block->last_seq : w->previous, next = 0;
	enum atr_status rc;

	for (size_t i = at + 1; i < in->block_count && next == 0; i++)
		if (in->block[i].first_seq <= in->block[i].last_seq)
			next = in->block[i].first_seq;
	if (!w->block->listed && in->scan.tail && !in->scan.tail_is_cut && next > 0)
		last = next - 1;
	rc = lose(w, w->previous > 0 ? w->previous + 1 : first_expected(w->r, w->block), last,
	          in->scan.tail);
	if (rc == ATR_OK && w->put > 0 && last > w->put && last - w->put > GAP_MAX)
		return put_erased(w, last, err);
	return rc == ATR_OK && w->put > 0 ? fill_gap(w, last + 1, err) : rc;
}

/* The block's own cipher; a clear one in an encrypted stream comes under the stream's. */
static const struct atr_cipher *cipher_for(const struct repair *r, const struct survey_block *b)
{
	if (strcmp(b->cipher, "none") != 0 && atr_cipher_find(b->cipher, NULL) != NULL)
		return atr_cipher_find(b->cipher, NULL);
	if (r->in->meta->encrypted && !r->in->meta_is_lost)
		return r->in->meta->seed.cipher;
	return atr_cipher_find("none", NULL);
}

/* The files of a block that are not its own any more. */
static enum atr_status remove_block_files(struct repair *r, uint64_t number, int blk,
                                          struct atr_error *err)
{
	static const char *const suffixes[] = {"idx", "fss", "blk", "key"};
	enum atr_status rc = ATR_OK;
	char name[64];

	for (size_t i = 0; i < (blk ? 4u : 2u) && rc == ATR_OK; i++) {
		block_name(name, number, suffixes[i]);
		rc = repair_remove(r, name, err);
	}
	return rc;
}

static enum atr_status put_in_place(struct repair *r, uint64_t number, int encrypted,
                                    struct atr_error *err)
{
	char from[PATH_MAX], to[PATH_MAX];
	enum atr_status rc = remove_block_files(r, number, 0, err);
	int result = 0;

	for (int i = encrypted ? 0 : 1; i < 2 && rc == ATR_OK; i++) {
		const char *suffix = i == 0 ? "key" : "blk";

		survey_block_path(r->in, number, suffix, to, sizeof to);
		if (snprintf(from, sizeof from, "%s.tmp", to) >= (int)sizeof from)
			return atr_error_set(err, ATR_EINVAL, to, -1, "path too long");
		result = r->files.rename(r->files.context, from, to);
		if (result < 0)
			rc = atr_file_error(err, result, from, -1, "rename");
	}
	if (rc == ATR_OK && !encrypted) {
		block_name(from, number, "key");
		rc = repair_remove(r, from, err);
	}
	return rc;
}

static enum atr_status open_out(struct repair *r, const struct atr_cipher *cipher, uint64_t number,
                                struct atr_blockout **out, struct atr_error *err)
{
	struct atr_blockout_options options = {.home = &r->in->home,
	                                       .cipher = cipher,
	                                       .number = number,
	                                       .suffix = ".tmp",
	                                       .sync = 1};

	*out = NULL;
	if (!r->apply)
		return ATR_OK;
	if (atr_cipher_encrypts(cipher) && r->in->ring.key_bytes == 0)
		return atr_error_set(err, ATR_ENOKEY, r->dir, -1,
		                     "the current key is needed to write block %" PRIu64, number);
	return atr_blockout_open(&options, out, err);
}

static enum atr_status finish_out(struct repair *r, struct atr_blockout *out, uint64_t number,
                                  const struct atr_cipher *cipher, struct atr_error *err)
{
	struct atr_blockout_result result;
	enum atr_status rc;

	if (out == NULL)
		return ATR_OK;
	rc = atr_blockout_finish(out, &result, err);
	return rc == ATR_OK ? put_in_place(r, number, atr_cipher_encrypts(cipher), err) : rc;
}

/* Tells what a block lost. Every text ends with why. */
static void tell_loss(struct repair *r, uint64_t number, const struct atr_seqset *lost,
                      const char *what, const char *why)
{
	uint64_t first = lost->count > 0 ? lost->range[0].first : 0;
	uint64_t last = lost->count > 0 ? lost->range[lost->count - 1].last : 0;
	uint64_t count = atr_seqset_count(lost, 0, UINT64_MAX);
	char name[64];

	block_name(name, number, "blk");
	r->result->lost += count;
	if (count > 0)
		repair_tell(r, name, first, last, "%s, %" PRIu64 " message%s lost: %s", what, count,
		            count == 1 ? "" : "s", why);
	else
		repair_tell(r, name, 0, 0, "%s, no message lost: %s", what, why);
}

static enum atr_status rewrite_block(struct repair *r, size_t at,
                                     const struct atr_seqset *tombstones, struct atr_error *err)
{
	struct survey_block *b = &r->in->block[at];
	struct writing w = {.r = r, .block = b, .tombstones = tombstones};
	const struct atr_cipher *cipher;
	const char *why = r->block[at].why;
	enum atr_status rc;

	cipher = cipher_for(r, b);
	rc = open_out(r, cipher, b->number, &w.out, err);
	if (rc != ATR_OK)
		return rc;
	rc = for_records(r, b, rewrite_record, &w, err);
	if (rc == ATR_OK)
		rc = end_rewriting(&w, err);
	if (rc != ATR_OK) {
		atr_blockout_discard(w.out);
		goto done;
	}
	atr_seqset_settle(&w.lost);
	tell_loss(r, b->number, &w.lost,
	          w.records == 0   ? "set aside, nothing of it is left"
	          : w.messages > 0 ? "written anew under a new key"
	                           : "written anew without messages",
	          why != NULL ? why : "only a state file that goes knew its deletions");
	if (w.records == 0) {
		atr_blockout_discard(w.out);
		rc = r->apply ? remove_block_files(r, b->number, 1, err) : ATR_OK;
	} else {
		rc = finish_out(r, w.out, b->number, cipher, err);
	}
	if (w.put > r->last_seq)
		r->last_seq = w.put;
done:
	atr_seqset_free(&w.lost);
	return rc;
}

static enum atr_status drop_block(struct repair *r, size_t at, const struct atr_seqset *tombstones,
                                  struct atr_error *err)
{
	struct survey_block *b = &r->in->block[at];
	struct writing w = {.r = r, .block = b, .tombstones = tombstones};
	enum atr_status rc;
	uint64_t next = 0;

	for (size_t i = at + 1; i < r->in->block_count && next == 0; i++)
		if (r->in->block[i].first_seq <= r->in->block[i].last_seq)
			next = r->in->block[i].first_seq;
	if (b->listed && b->first_seq <= b->last_seq)
		rc = lose(&w, b->first_seq, b->last_seq, 1);
	else
		rc = lose(&w, first_expected(r, b), next > 0 ? next - 1 : 0, 1);
	atr_seqset_settle(&w.lost);
	tell_loss(r, b->number, &w.lost, "set aside",
	          r->block[at].why != NULL ? r->block[at].why : "it cannot be read");
	atr_seqset_free(&w.lost);
	return rc == ATR_OK && r->apply ? remove_block_files(r, b->number, 1, err) : rc;
}

/* ---- all of it ---- */

/* The last sequence that the idx of a missing block names. */
static void take_orphan(struct repair *r, uint64_t number)
{
	struct atr_error ignored;
	struct atr_seed seed;
	struct atr_idx idx;
	char path[PATH_MAX];
	enum atr_status rc = atr_block_read_key(&r->in->home, number, &seed, &ignored);

	survey_block_path(r->in, number, "idx", path, sizeof path);
	if (rc == ATR_OK && /* a clear one has no checksum */
	    atr_idx_read(&r->files, path, &seed, number, &idx, &ignored) == ATR_OK) {
		if (!idx.clear && idx.block.last_seq > r->orphan_last_seq)
			r->orphan_last_seq = idx.block.last_seq;
		atr_idx_free(&idx);
	}
	atr_secret_wipe(&seed, sizeof seed);
}

/* Block files that are missing while another file of the block is there. */
static enum atr_status drop_companions(struct repair *r, struct atr_error *err)
{
	enum atr_status rc = ATR_OK;

	for (size_t i = 0; i < r->finding_count && rc == ATR_OK; i++) {
		const struct repair_finding *f = &r->finding[i];
		const char *suffix;
		uint64_t number;
		int listed = 0;

		if (f->kind != ATR_FINDING_DAMAGE || strncmp(f->path, "msgs/", 5) != 0)
			continue;
		number = survey_block_number(f->path + 5, &suffix);
		for (size_t k = 0; k < r->in->block_count; k++)
			listed |= r->in->block[k].number == number;
		if (number == 0 || listed || strcmp(suffix, "blk") != 0)
			continue;
		take_orphan(r, number);
		repair_tell(r, f->path, 0, 0, "its other files are set aside: %s", f->text);
		rc = r->apply ? remove_block_files(r, number, 1, err) : ATR_OK;
	}
	return rc;
}

/* A block that holds nothing but the last sequence, which never goes back. */
static enum atr_status keep_last_sequence(struct repair *r, struct atr_error *err)
{
	struct atr_inspect *in = r->in;
	struct writing w = {.r = r};
	const struct atr_cipher *cipher = atr_cipher_find("none", NULL);
	uint64_t number = 1, last = in->state.last_seq;
	enum atr_status rc;
	char name[64];

	/* a state file that does not fit may know it better than the blocks */
	if (in->unfit_last_seq > last)
		last = in->unfit_last_seq;
	if (r->orphan_last_seq > last)
		last = r->orphan_last_seq;
	if (last <= r->last_seq)
		return ATR_OK;
	if (in->block_count > 0)
		number = in->block[in->block_count - 1].number + 1;
	for (size_t i = 0; i < in->block_count; i++)
		if (in->meta->encrypted && atr_cipher_find(in->block[i].cipher, NULL) != NULL &&
		    strcmp(in->block[i].cipher, "none") != 0)
			cipher = atr_cipher_find(in->block[i].cipher, NULL);
	if (in->meta->encrypted && !in->meta_is_lost)
		cipher = in->meta->seed.cipher;
	block_name(name, number, "blk");
	repair_tell(r, name, 0, 0, "made, so that the last sequence stays %" PRIu64, last);
	rc = open_out(r, cipher, number, &w.out, err);
	if (rc != ATR_OK || w.out == NULL)
		return rc;
	rc = put_erased(&w, last, err);
	if (rc != ATR_OK) {
		atr_blockout_discard(w.out);
		return rc;
	}
	return finish_out(r, w.out, number, cipher, err);
}

static enum atr_status drop_state_files(struct repair *r, const char *index_why,
                                        struct atr_error *err)
{
	enum atr_status rc = ATR_OK;
	char name[64], counts[64] = "";

	if (r->drop_index) {
		/* how many are missing is not known: some may have been deleted since */
		if (index_why != NULL && r->in->index.version != 0)
			(void)snprintf(counts, sizeof counts, "; it counts %" PRIu64 " messages",
			               r->in->index.messages);
		repair_tell(r, "msgs/index.db", 0, 0, "set aside: %s%s%s",
		            index_why != NULL ? index_why : "the blocks are not those it lists",
		            counts,
		            r->in->all_maybe_deleted ? "; what it alone knew to be deleted is back"
		                                     : "");
		rc = repair_remove(r, "msgs/index.db", err);
	}
	for (size_t i = 0; i < r->in->block_count && rc == ATR_OK; i++) {
		if (!r->block[i].drop_idx || r->block[i].drop || r->block[i].rewrite)
			continue;
		block_name(name, r->in->block[i].number, "idx");
		repair_tell(r, name, 0, 0, "set aside%s",
		            r->in->block[i].maybe_deleted
		                    ? "; what it alone knew to be deleted is back"
		                    : "");
		rc = r->apply ? remove_block_files(r, r->in->block[i].number, 0, err) : ATR_OK;
	}
	return rc;
}

/* Whether index.db goes, and why (NULL: since the blocks change). */
static const char *judge_index(struct repair *r)
{
	static const char name[] = "msgs/index.db";
	const char *why = found_text(r, name);
	struct atr_file_stat st;
	char path[PATH_MAX];
	int changes = 0;

	if (snprintf(path, sizeof path, "%s/%s", r->copy, name) >= (int)sizeof path ||
	    r->files.stat(r->files.context, path, &st) < 0)
		return NULL;
	if (why == NULL)
		why = note_beginning(r, name, "older than");
	if (why == NULL && r->in->meta_is_lost)
		why = "it is sealed under the seed of the lost meta.key";
	for (size_t i = 0; i < r->in->block_count; i++)
		changes |= r->block[i].rewrite || r->block[i].drop;
	r->drop_index = why != NULL || changes;
	return why;
}

enum atr_status repair_blocks(struct repair *r, struct atr_error *err)
{
	struct atr_inspect *in = r->in;
	struct atr_seqset tombstones = {0};
	const char *index_why;
	enum atr_status rc = ATR_OK;
	int changes;

	r->block = calloc(in->block_count + 1, sizeof *r->block);
	if (r->block == NULL)
		return atr_error_set(err, ATR_ENOMEM, r->dir, -1, "no memory");
	in->finding = NULL; /* all was found */
	classify(r);
	index_why = judge_index(r);
	changes = r->drop_index;
	for (size_t i = 0; i < in->block_count; i++)
		changes |= r->block[i].rewrite || r->block[i].drop || r->block[i].drop_idx;
	for (size_t i = 0; i < in->block_count && changes && rc == ATR_OK; i++)
		rc = for_records(r, &in->block[i], take_tombstone, &tombstones, err);
	atr_seqset_settle(&tombstones);
	if (rc == ATR_OK && changes)
		rc = keep_deletions(r, &tombstones, err);
	if (rc == ATR_OK)
		rc = find_usable(r, err);
	for (size_t i = 0; i < in->block_count && rc == ATR_OK; i++) {
		if (r->block[i].drop)
			rc = drop_block(r, i, &tombstones, err);
		else if (r->block[i].rewrite)
			rc = rewrite_block(r, i, &tombstones, err);
		else if (in->block[i].first_seq <= in->block[i].last_seq &&
		         in->block[i].last_seq > r->last_seq)
			r->last_seq = in->block[i].last_seq;
	}
	if (rc == ATR_OK)
		rc = drop_companions(r, err);
	if (rc == ATR_OK)
		rc = drop_state_files(r, index_why, err);
	if (rc == ATR_OK && (changes || r->orphan_last_seq > 0))
		rc = keep_last_sequence(r, err);
	atr_seqset_free(&tombstones);
	return rc;
}
