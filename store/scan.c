/* scan.c - findings, and reading a block over its damage. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/survey.h"

/* ---- findings ---- */

void survey_find(struct atr_inspect *in, enum atr_finding_kind kind, const char *path,
                 int64_t offset, uint64_t sequence, const char *format, ...)
{
	char text[768];
	struct atr_finding finding = {kind, path, offset, sequence, text};
	va_list args;

	in->found[kind]++;
	if (in->finding == NULL)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	in->finding(in->finding_arg, &finding);
}

enum atr_status survey_find_error(struct atr_inspect *in, const struct atr_error *err)
{
	enum atr_finding_kind kind = ATR_FINDING_DAMAGE;

	switch (err->status) {
	case ATR_ENOMEM:
	case ATR_EMFILE:
	case ATR_EINVAL:
		return err->status;
	case ATR_EUNSUPPORTED:
		kind = ATR_FINDING_UNSUPPORTED;
		break;
	case ATR_EIO:
	case ATR_ENOSPC:
	case ATR_EREADONLY:
		kind = ATR_FINDING_SYSTEM;
		break;
	default:
		break;
	}
	survey_find(in, kind, err->path, err->offset, err->sequence, "%s", err->text);
	return ATR_OK;
}

void survey_block_path(const struct atr_inspect *in, uint64_t number, const char *suffix,
                       char *path, size_t path_bytes)
{
	(void)snprintf(path, path_bytes, "%s/%" PRIu64 ".%s", in->msgs_path, number, suffix);
}

/* ---- scanning a block ---- */

enum atr_status scan_open(struct atr_inspect *in, struct scan *scan, struct survey_block *b,
                          int *readable, struct atr_error *err)
{
	const struct atr_seed *seed;
	struct atr_walk *walk = scan->walk;
	enum atr_status rc;

	*readable = 0;
	memset(scan, 0, sizeof *scan);
	if (b->unreadable) {
		atr_walk_close(walk);
		return ATR_OK;
	}
	rc = walk == NULL ? atr_walk_open(&in->home, b->number, &walk, err)
	                  : atr_walk_reopen(walk, b->number, err);
	if (rc != ATR_OK) {
		atr_walk_close(walk);
		b->unreadable = 1;
		in->losses++;
		return survey_find_error(in, err);
	}
	scan->walk = walk;
	seed = atr_walk_seed(walk);
	b->cipher = seed != NULL ? atr_cipher_name(seed->cipher) : "none";
	b->under_prev_key = seed != NULL && seed->under_prev_key;
	b->file_bytes = atr_walk_file_bytes(walk);
	*readable = 1;
	return ATR_OK;
}

enum atr_status scan_next(struct atr_inspect *in, struct scan *scan, struct atr_record *record,
                          scan_damage_fn *damage, struct atr_error *err)
{
	struct atr_error found;
	enum atr_status rc;
	int is_cut;

	for (;;) {
		rc = scan->tail ? ATR_END : atr_walk_next(scan->walk, record, &found);
		if (rc == ATR_OK)
			break;
		if (rc == ATR_END)
			return rc;
		if (rc != ATR_EFORMAT) {
			*err = found;
			scan->tail = scan->damaged = 1;
			rc = survey_find_error(in, &found);
			return rc == ATR_OK ? ATR_END : rc;
		}
		is_cut = atr_walk_is_cut(scan->walk);
		scan->damaged = 1;
		rc = atr_walk_resync(scan->walk, err);
		if (rc != ATR_OK && rc != ATR_END) {
			scan->tail = 1;
			rc = survey_find_error(in, err);
			return rc == ATR_OK ? ATR_END : rc;
		}
		if (rc == ATR_END) {
			scan->tail = 1;
			scan->tail_is_cut = is_cut;
			scan->tail_offset = (uint64_t)found.offset;
			scan->tail_bytes = atr_walk_end(scan->walk) - scan->tail_offset;
		}
		if (damage != NULL)
			damage(in, &found,
			       rc == ATR_END ? -1 : (int64_t)atr_walk_offset(scan->walk));
	}
	scan->good++;
	return ATR_OK;
}

const char *scan_where(const struct scan *scan)
{
	return atr_walk_is_compressed(scan->walk) ? ", in the decompressed block" : "";
}

/* ---- the end of a block ---- */

/* The lowest sequence of the next block that has any; 0 when there is none. */
static uint64_t next_block_first(const struct atr_inspect *in, size_t at)
{
	for (size_t i = at + 1; i < in->block_count; i++)
		if (in->block[i].first_seq <= in->block[i].last_seq && in->block[i].last_seq > 0)
			return in->block[i].first_seq;
	return 0;
}

uint64_t scan_last_before(const struct atr_inspect *in, size_t at, uint64_t previous)
{
	for (size_t i = at; previous == 0 && i > 0; i--)
		if (in->block[i - 1].first_seq <= in->block[i - 1].last_seq)
			previous = in->block[i - 1].last_seq;
	return previous;
}

int scan_tail_lost_nothing(const struct atr_inspect *in, size_t at, uint64_t previous, int is_cut)
{
	const struct survey_block *b = &in->block[at];
	uint64_t last = scan_last_before(in, at, previous), next = next_block_first(in, at);

	if (next != 0)
		return next == last + 1;
	return is_cut && !(b->listed && b->first_seq <= b->last_seq && last < b->last_seq);
}
