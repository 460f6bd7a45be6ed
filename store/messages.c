/* messages.c - the live messages of a closed stream, in order, over damage.
 *
 * Every record is looked at, the deleted ones too: is it whole, do its parts look like what they
 * should be, is everything there that the state files list?
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "store/boundary.h"
#include "store/inspect.h"
#include "store/survey.h"

void atr_inspect_rewind(struct atr_inspect *in)
{
	in->at = 0;
	in->bytes_before = 0;
	in->reading = 0;
	in->last_returned = 0;
	in->losses = 0;
	in->records = in->messages = 0;
	atr_tally_reset(&in->stream_tally);
	atr_seqset_free(&in->accounted);
}

void survey_skip_blocks(struct atr_inspect *in, size_t count)
{
	atr_inspect_rewind(in);
	for (; in->at < count; in->at++)
		in->bytes_before += in->block[in->at].file_bytes;
	in->losses = 1; /* totals cannot fit */
}

static void report_damage(struct atr_inspect *in, const struct atr_error *damage, int64_t goes_on)
{
	const struct survey_block *b = &in->block[in->at];
	uint64_t sequence = in->scan.previous + 1;

	in->losses++;
	if (goes_on < 0)
		return; /* at the end of the block: judged there */
	if (in->scan.previous == 0)
		sequence = b->listed && b->first_seq <= b->last_seq ? b->first_seq : 0;
	survey_find(in, ATR_FINDING_DAMAGE, damage->path, damage->offset, sequence,
	            "%s; reading goes on at %" PRId64, damage->text, goes_on);
}

/* The fss of a block whose idx is believed: its subjects are those of the live messages. */
static enum atr_status open_fss(struct atr_inspect *in, const struct survey_block *b)
{
	char path[PATH_MAX];
	uint8_t lchk[ATR_HASH_BYTES];
	enum atr_status rc;

	if (!b->has_fss || !b->idx_fits)
		return ATR_OK;
	survey_block_path(in, b->number, "fss", path, sizeof path);
	if (atr_fss_read(in->home.files, path, in->stream, b->number, &in->fss, NULL) != ATR_OK)
		return ATR_OK; /* no reader needs it; verify says so */
	if (atr_walk_last_check(in->scan.walk, lchk, NULL) != ATR_OK ||
	    memcmp(lchk, in->fss.lchk, sizeof lchk) != 0)
		return ATR_OK;
	rc = atr_tally_init(&in->block_tally, in->fss.subject, in->fss.subject_count);
	return rc == ATR_EFORMAT ? ATR_OK : rc;
}

/* A block without a key file in an encrypted stream is clear text: those that are not were marked
 * when the stream was surveyed. */
static void check_clear(struct atr_inspect *in, const struct survey_block *b)
{
	char path[PATH_MAX];

	if (!in->meta->encrypted || atr_walk_seed(in->scan.walk) != NULL || b->file_bytes == 0)
		return;
	survey_block_path(in, b->number, "blk", path, sizeof path);
	survey_find(in, in->allow_clear ? ATR_FINDING_NOTE : ATR_FINDING_CLEAR, path, -1, 0,
	            "clear text in an encrypted stream: it has no key file");
}

static enum atr_status begin_block(struct atr_inspect *in, struct atr_error *err)
{
	struct survey_block *b = &in->block[in->at];
	enum atr_status rc;
	int readable;

	in->live_bytes = 0;
	if (b->unreadable)
		in->losses++;
	rc = scan_open(in, &in->scan, b, &readable, err);
	if (rc == ATR_OK && readable)
		check_clear(in, b);
	if (rc == ATR_OK && readable)
		rc = open_fss(in, b);
	in->reading = readable;
	if (!readable)
		in->at++;
	return rc;
}

/* Damage up to the end of the block: a torn tail that lost nothing, or a loss. */
static void judge_tail(struct atr_inspect *in, const struct survey_block *b)
{
	const struct scan *scan = &in->scan;
	char path[PATH_MAX];

	survey_block_path(in, b->number, "blk", path, sizeof path);
	if (scan_tail_lost_nothing(in, in->at, scan->previous, scan->tail_is_cut))
		survey_find(in, ATR_FINDING_NOTE, path, (int64_t)scan->tail_offset, 0,
		            "torn tail: the last %" PRIu64
		            " bytes are no whole record; all records before them are there%s",
		            scan->tail_bytes, scan_where(scan));
	else
		survey_find(
		        in, ATR_FINDING_DAMAGE, path, (int64_t)scan->tail_offset,
		        scan_last_before(in, in->at, scan->previous) + 1,
		        "the last %" PRIu64 " bytes hold no valid record (%s)%s", scan->tail_bytes,
		        scan->tail_is_cut ? "the file ends inside one" : "length or hash differ",
		        scan_where(scan));
}

/* Sequences from..to of this block need no finding of their own any more. */
static enum atr_status account(struct atr_inspect *in, uint64_t from, uint64_t to)
{
	return to < from ? ATR_OK : atr_seqset_slice(&in->live, from, to, 1, &in->accounted);
}

static enum atr_status end_block(struct atr_inspect *in, struct atr_error *err)
{
	const struct survey_block *b = &in->block[in->at];
	struct atr_seqset expected = {0}, missing = {0};
	char path[PATH_MAX];
	enum atr_status rc = ATR_OK;
	size_t at = 0;

	if (in->scan.damaged)
		rc = account(in, in->scan.previous + 1, b->last_seq);
	if (in->scan.tail)
		judge_tail(in, b);
	atr_seqset_settle(&in->accounted);
	if (rc == ATR_OK && b->first_seq <= b->last_seq)
		rc = atr_seqset_slice(&in->live, b->first_seq, b->last_seq, 1, &expected);
	if (rc == ATR_OK)
		rc = atr_seqset_minus(&expected, &in->accounted, &missing);
	survey_block_path(in, b->number, "blk", path, sizeof path);
	for (size_t i = 0; i < missing.count; i++) {
		in->losses++;
		survey_find(in, ATR_FINDING_DAMAGE, path, -1, missing.range[i].first,
		            "sequences %" PRIu64 " to %" PRIu64
		            " are listed by the state file and not in the block",
		            missing.range[i].first, missing.range[i].last);
	}
	if (b->listed && in->losses == 0 && in->live_bytes != b->bytes) {
		survey_block_path(in, b->number, "idx", path, sizeof path);
		if (in->index_fits)
			(void)snprintf(path, sizeof path, "%s/index.db", in->msgs_path);
		survey_find(in, ATR_FINDING_DAMAGE, path, -1, 0,
		            "%" PRIu64 " bytes listed for block %" PRIu64 ", its live records have "
		            "%" PRIu64,
		            b->bytes, b->number, in->live_bytes);
	}
	survey_block_path(in, b->number, "fss", path, sizeof path);
	for (const struct atr_tally_entry *e;
	     in->losses == 0 && (e = atr_tally_differing(&in->block_tally, &at)) != NULL;)
		survey_find(in,
		            e->seen > e->listed->messages ? ATR_FINDING_DAMAGE : ATR_FINDING_NOTE,
		            path, -1, 0,
		            "subject '%.*s': %" PRIu64 " messages listed, %" PRIu64 " read",
		            (int)(e->listed->name_bytes > 200 ? 200 : e->listed->name_bytes),
		            e->listed->name, e->listed->messages, e->seen);
	atr_seqset_free(&expected);
	atr_seqset_free(&missing);
	atr_seqset_free(&in->accounted);
	atr_tally_free(&in->block_tally);
	atr_fss_free(&in->fss);
	in->block[in->at].records = in->scan.good;
	in->reading = 0;
	in->bytes_before += b->file_bytes;
	in->at++;
	return rc == ATR_OK ? rc : atr_error_set(err, rc, in->dir, -1, "no memory");
}

/* A record that is not live is still looked at: a changed byte is named wherever it is. */
static void check_deleted(struct atr_inspect *in, const struct atr_record *r, const char *path)
{
	const char *doubt = NULL;

	if (r->kind != ATR_RECORD_MESSAGE)
		doubt = r->message.subject_bytes > 0 || r->message.headers_bytes > 0
		                ? "a deleted record with a subject: its length does not fit"
		                : NULL;
	else
		doubt = atr_boundary_doubt(&r->message, 0, in->meta->config);
	if (doubt != NULL)
		survey_find(in, ATR_FINDING_DAMAGE, path, (int64_t)atr_walk_offset(in->scan.walk),
		            r->message.sequence, "%s (the message is deleted)%s", doubt,
		            scan_where(&in->scan));
}

/* A clear idx has no checksum: its times must be those of the records that it counts. */
static void check_times(struct atr_inspect *in, const struct survey_block *b,
                        const struct atr_message *m, int live)
{
	char path[PATH_MAX];

	if ((b->first_time_ns == 0 && b->last_time_ns == 0) ||
	    !((live && m->sequence == b->first_seq && m->time_ns != b->first_time_ns) ||
	      (m->sequence == b->last_seq && m->time_ns != b->last_time_ns)))
		return;
	survey_block_path(in, b->number, "idx", path, sizeof path);
	survey_find(in, ATR_FINDING_DAMAGE, path, -1, m->sequence,
	            "the time listed for its %s sequence is not that of the record",
	            m->sequence == b->first_seq ? "first" : "last");
}

/* True when the record is a live message that can be returned. */
static enum atr_status judge_record(struct atr_inspect *in, const struct atr_record *r, int *usable)
{
	const struct survey_block *b = &in->block[in->at];
	const struct atr_message *m = &r->message;
	int64_t offset = (int64_t)atr_walk_offset(in->scan.walk);
	enum atr_status rc = ATR_OK;
	const char *doubt = NULL;
	char path[PATH_MAX];
	int listed, live;

	*usable = 0;
	in->records++;
	survey_block_path(in, b->number, "blk", path, sizeof path);
	if (r->kind == ATR_RECORD_TOMBSTONE) {
		check_deleted(in, r, path);
		return ATR_OK;
	}
	if (m->sequence <= in->scan.previous) {
		survey_find(in, ATR_FINDING_NOTE, path, offset, m->sequence,
		            "not above the sequence before it: dropped%s", scan_where(&in->scan));
		return ATR_OK;
	}
	if (in->scan.damaged) { /* what lay between is lost to the damage that was named */
		rc = account(in, in->scan.previous + 1, m->sequence - 1);
		in->scan.damaged = 0;
	}
	in->scan.previous = m->sequence;
	live = r->kind == ATR_RECORD_MESSAGE && m->sequence >= b->first_seq &&
	       m->sequence <= b->last_seq && atr_seqset_has(&in->live, m->sequence);
	if (r->kind == ATR_RECORD_MESSAGE)
		check_times(in, b, m, live);
	if (!live) {
		check_deleted(in, r, path);
		return rc;
	}
	if (rc == ATR_OK)
		rc = account(in, m->sequence, m->sequence);
	if (rc != ATR_OK)
		return rc;
	in->live_bytes += r->record_bytes;
	listed = in->index_fits ? atr_tally_see(&in->stream_tally, m->subject, m->subject_bytes)
	                        : atr_tally_see(&in->block_tally, m->subject, m->subject_bytes);
	if (!listed && (in->stream_tally.slots > 0 || in->block_tally.slots > 0))
		doubt = "the subject is not in the state file's list: its length does not fit";
	if (doubt == NULL)
		doubt = atr_boundary_doubt(m, listed, in->meta->config);
	if (doubt == NULL && m->sequence <= in->last_returned)
		doubt = "the sequence is in an earlier block too";
	if (doubt != NULL) {
		in->losses++;
		survey_find(in, ATR_FINDING_DAMAGE, path, offset, m->sequence, "%s%s", doubt,
		            scan_where(&in->scan));
		return ATR_OK;
	}
	*usable = 1;
	return ATR_OK;
}

/* Subjects of which another number was read than a believed index.db lists. */
static void end_stream(struct atr_inspect *in)
{
	char path[PATH_MAX];
	size_t at = 0;

	(void)snprintf(path, sizeof path, "%s/index.db", in->msgs_path);
	for (const struct atr_tally_entry *e;
	     in->losses == 0 && (e = atr_tally_differing(&in->stream_tally, &at)) != NULL;)
		survey_find(in, ATR_FINDING_DAMAGE, path, -1, 0,
		            "subject '%.*s': %" PRIu64 " messages listed, %" PRIu64 " read",
		            (int)(e->listed->name_bytes > 200 ? 200 : e->listed->name_bytes),
		            e->listed->name, e->listed->messages, e->seen);
	in->at++; /* once */
}

enum atr_status atr_inspect_next(struct atr_inspect *in, struct atr_inspect_message *out,
                                 struct atr_error *err)
{
	struct atr_record record;
	struct atr_error ignored;
	enum atr_status rc;
	int usable;

	if (err == NULL)
		err = &ignored;
	for (;;) {
		if (!in->reading) {
			if (in->at == in->block_count)
				end_stream(in);
			if (in->at > in->block_count)
				return ATR_END;
			rc = begin_block(in, err);
			if (rc != ATR_OK)
				return rc;
			continue;
		}
		rc = scan_next(in, &in->scan, &record, report_damage, err);
		if (rc == ATR_END)
			rc = end_block(in, err);
		else if (rc == ATR_OK)
			rc = judge_record(in, &record, &usable);
		if (rc != ATR_OK)
			return rc;
		if (in->reading && usable)
			break;
	}
	*out = (struct atr_inspect_message){
	        .message = record.message,
	        .cipher = in->block[in->at].cipher,
	        .block = in->block[in->at].number,
	        .maybe_deleted = in->block[in->at].maybe_deleted ||
	                         (in->all_maybe_deleted && !in->block[in->at].listed) ||
	                         atr_seqset_has(&in->doubtful, record.message.sequence),
	};
	in->last_returned = record.message.sequence;
	in->messages++;
	return ATR_OK;
}
