#include "store/snapshot.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/s2.h"

/* Fed to the S2 reader at a time: a few bytes can be a chunk of up to 4 MiB of zeros. */
#define FEED_BYTES     256
#define READ_BYTES     ((size_t)64 * 1024)
#define TAR_MARK_BYTES 1024 /* of zeros, at the end of a tar */

static const char cut[] = "the backup ends before its end mark: it was cut";

/* ---- writing ---- */

struct snapshot_writer {
	struct archive *tar;
	struct atr_s2_writer *s2;
	atr_backup_sink_fn *sink;
	void *sink_arg;
	int64_t time_ns;
	enum atr_status status; /* of the first write that failed */
	struct atr_error error;
};

static enum atr_status take_framed(void *arg, const uint8_t *bytes, size_t count)
{
	struct snapshot_writer *w = arg;
	enum atr_status rc = w->sink(w->sink_arg, bytes, count, &w->error);

	if (rc != ATR_OK && w->status == ATR_OK)
		w->status = rc;
	return rc;
}

static la_ssize_t take_tar(struct archive *tar, void *arg, const void *bytes, size_t count)
{
	struct snapshot_writer *w = arg;
	enum atr_status rc = atr_s2_write(w->s2, bytes, count);

	if (rc == ATR_OK)
		return (la_ssize_t)count;
	if (w->status == ATR_OK)
		w->status = atr_error_set(&w->error, rc, NULL, -1, "%s", atr_status_text(rc));
	archive_set_error(tar, EIO, "%s", w->error.text);
	return -1;
}

static enum atr_status write_failed(const struct snapshot_writer *w, struct atr_error *err)
{
	if (w->status == ATR_OK)
		return atr_error_set(err, ATR_EIO, NULL, -1, "writing the tar: %s",
		                     archive_error_string(w->tar));
	if (err != NULL)
		*err = w->error;
	return w->status;
}

enum atr_status snapshot_writer_open(atr_backup_sink_fn *sink, void *arg, int64_t time_ns,
                                     struct snapshot_writer **out, struct atr_error *err)
{
	struct snapshot_writer *w = calloc(1, sizeof *w);

	*out = NULL;
	if (w == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a backup");
	w->sink = sink;
	w->sink_arg = arg;
	w->time_ns = time_ns;
	w->s2 = atr_s2_writer_new(take_framed, w);
	w->tar = archive_write_new();
	if (w->s2 == NULL || w->tar == NULL || archive_write_set_format_pax(w->tar) != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(w->tar, 0) != ARCHIVE_OK ||
	    archive_write_open2(w->tar, w, NULL, take_tar, NULL, NULL) != ARCHIVE_OK) {
		snapshot_writer_discard(w);
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a backup");
	}
	*out = w;
	return ATR_OK;
}

enum atr_status snapshot_put(struct snapshot_writer *w, const char *name, const void *content,
                             size_t bytes, struct atr_error *err)
{
	struct archive_entry *entry = archive_entry_new();
	int fine;

	if (entry == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a backup");
	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0600);
	archive_entry_set_size(entry, (la_int64_t)bytes);
	archive_entry_set_mtime(entry, (time_t)(w->time_ns / 1000000000), 0);
	archive_entry_set_uname(entry, "nats");
	archive_entry_set_gname(entry, "nats");
	/* a warning is about the name's characters, which are written as they are */
	fine = archive_write_header(w->tar, entry) >= ARCHIVE_WARN &&
	       (bytes == 0 || archive_write_data(w->tar, content, bytes) == (la_ssize_t)bytes) &&
	       archive_write_finish_entry(w->tar) == ARCHIVE_OK;
	archive_entry_free(entry);
	return fine ? ATR_OK : write_failed(w, err);
}

enum atr_status snapshot_writer_finish(struct snapshot_writer *w, struct atr_error *err)
{
	enum atr_status rc = ATR_OK, framed;

	if (archive_write_close(w->tar) != ARCHIVE_OK || w->status != ATR_OK)
		rc = write_failed(w, err);
	framed = atr_s2_writer_finish(w->s2);
	w->s2 = NULL;
	if (rc == ATR_OK && framed != ATR_OK) {
		if (w->status == ATR_OK)
			w->status = atr_error_set(&w->error, framed, NULL, -1, "%s",
			                          atr_status_text(framed));
		rc = write_failed(w, err);
	}
	snapshot_writer_discard(w);
	return rc;
}

static enum atr_status drop_framed(void *arg, const uint8_t *bytes, size_t count,
                                   struct atr_error *err)
{
	(void)arg;
	(void)bytes;
	(void)count;
	(void)err;
	return ATR_OK;
}

void snapshot_writer_discard(struct snapshot_writer *w)
{
	if (w == NULL)
		return;
	w->sink = drop_framed;
	(void)archive_write_free(w->tar);
	if (w->s2 != NULL)
		(void)atr_s2_writer_finish(w->s2);
	free(w);
}

/* ---- the bytes inside the frames ---- */

struct snapshot_source {
	atr_restore_source_fn *source;
	void *source_arg;
	struct atr_s2_reader *s2;
	uint8_t *framed; /* READ_BYTES, of which [framed_at, framed_end) are not fed yet */
	size_t framed_at, framed_end;
	int ended;      /* the input did, and its last frame was whole */
	uint8_t *plain; /* [plain_at, plain_end) is pending */
	size_t plain_at, plain_end, plain_capacity;
	uint64_t taken;      /* bytes given out */
	uint64_t zeros;      /* of them, at the end */
	enum atr_status bad; /* what ended the reading; told again by every later call */
	struct atr_error bad_error;
};

static enum atr_status take_plain(void *arg, const uint8_t *bytes, size_t count)
{
	struct snapshot_source *s = arg;

	if (s->plain_at == s->plain_end)
		s->plain_at = s->plain_end = 0;
	if (s->plain_end - s->plain_at + count > SNAPSHOT_PENDING_BYTES_MAX)
		return ATR_EFORMAT;
	if (s->plain_end + count > s->plain_capacity) {
		size_t pending = s->plain_end - s->plain_at;
		size_t capacity = 2 * (pending + count);
		uint8_t *larger = malloc(capacity);

		if (larger == NULL)
			return ATR_ENOMEM;
		if (pending > 0)
			memcpy(larger, s->plain + s->plain_at, pending);
		free(s->plain);
		s->plain = larger;
		s->plain_capacity = capacity;
		s->plain_at = 0;
		s->plain_end = pending;
	}
	memcpy(s->plain + s->plain_end, bytes, count);
	s->plain_end += count;
	return ATR_OK;
}

enum atr_status snapshot_source_open(atr_restore_source_fn *source, void *arg,
                                     struct snapshot_source **out, struct atr_error *err)
{
	struct snapshot_source *s = calloc(1, sizeof *s);

	*out = NULL;
	if (s != NULL) {
		s->source = source;
		s->source_arg = arg;
		s->framed = malloc(READ_BYTES);
		s->s2 = atr_s2_reader_new(take_plain, s);
	}
	if (s == NULL || s->framed == NULL || s->s2 == NULL) {
		snapshot_source_close(s);
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a backup");
	}
	*out = s;
	return ATR_OK;
}

void snapshot_source_close(struct snapshot_source *s)
{
	const char *why;

	if (s == NULL)
		return;
	if (s->s2 != NULL)
		(void)atr_s2_reader_finish(s->s2, &why);
	free(s->framed);
	free(s->plain);
	free(s);
}

/* One more piece of the input into the pending bytes. */
static enum atr_status feed(struct snapshot_source *s, struct atr_error *err)
{
	const char *why = NULL;
	enum atr_status rc = ATR_OK;
	size_t n;

	if (s->framed_at == s->framed_end) {
		s->framed_at = s->framed_end = 0;
		rc = s->source(s->source_arg, s->framed, READ_BYTES, &s->framed_end, err);
		if (rc != ATR_OK)
			return rc;
	}
	if (s->framed_end == 0) {
		rc = atr_s2_reader_finish(s->s2, &why);
		s->s2 = NULL;
		s->ended = 1;
		return rc == ATR_OK ? rc : atr_error_set(err, rc, NULL, -1, "%s", cut);
	}
	n = s->framed_end - s->framed_at < FEED_BYTES ? s->framed_end - s->framed_at : FEED_BYTES;
	rc = atr_s2_feed(s->s2, s->framed + s->framed_at, n, &why);
	s->framed_at += n;
	if (rc != ATR_OK)
		rc = atr_error_set(err, rc, NULL, (int64_t)(s->taken + s->plain_end - s->plain_at),
		                   "the S2 stream of the backup is damaged: %s",
		                   why != NULL ? why : atr_status_text(rc));
	return rc;
}

static enum atr_status pending(struct snapshot_source *s, size_t bytes, struct atr_error *err)
{
	while (s->bad == ATR_OK && !s->ended && s->plain_end - s->plain_at < bytes)
		s->bad = feed(s, &s->bad_error);
	if (s->bad != ATR_OK && err != NULL)
		*err = s->bad_error;
	return s->bad;
}

static void take(struct snapshot_source *s, size_t bytes)
{
	size_t zeros = 0;

	while (zeros < bytes && s->plain[s->plain_at + bytes - 1 - zeros] == 0)
		zeros++;
	s->zeros = zeros == bytes ? s->zeros + zeros : zeros;
	s->plain_at += bytes;
	s->taken += bytes;
}

enum atr_status snapshot_peek(struct snapshot_source *s, size_t bytes, const uint8_t **at,
                              size_t *available, struct atr_error *err)
{
	enum atr_status rc = pending(s, bytes, err);

	*at = s->plain + s->plain_at;
	*available = rc == ATR_OK ? s->plain_end - s->plain_at : 0;
	return rc;
}

enum atr_status snapshot_read(struct snapshot_source *s, void *to, size_t bytes,
                              struct atr_error *err)
{
	uint8_t *p = to;

	while (bytes > 0) {
		enum atr_status rc = pending(s, 1, err);
		size_t n = s->plain_end - s->plain_at;

		if (rc != ATR_OK)
			return rc;
		if (n == 0)
			return atr_error_set(err, ATR_EFORMAT, NULL, (int64_t)s->taken, "%s", cut);
		if (n > bytes)
			n = bytes;
		memcpy(p, s->plain + s->plain_at, n);
		take(s, n);
		p += n;
		bytes -= n;
	}
	return ATR_OK;
}

enum atr_status snapshot_source_end(struct snapshot_source *s, struct atr_error *err)
{
	enum atr_status rc = pending(s, 1, err);

	if (rc == ATR_OK && s->plain_end > s->plain_at)
		rc = atr_error_set(err, ATR_EFORMAT, NULL, (int64_t)s->taken,
		                   "bytes follow the end mark");
	return rc;
}

/* ---- reading a tar ---- */

struct snapshot_tar {
	struct archive *tar;
	struct snapshot_source *source;
	size_t given; /* to the library, of what is pending: taken by the next call */
	enum atr_status status;
	struct atr_error error;
};

static la_ssize_t give_tar(struct archive *tar, void *arg, const void **bytes)
{
	struct snapshot_tar *t = arg;
	const uint8_t *at;
	size_t available;

	take(t->source, t->given);
	t->given = 0;
	t->status = snapshot_peek(t->source, 1, &at, &available, &t->error);
	if (t->status != ATR_OK) {
		archive_set_error(tar, EIO, "%s", t->error.text);
		return -1;
	}
	*bytes = at;
	t->given = available;
	return (la_ssize_t)available;
}

static enum atr_status read_failed(const struct snapshot_tar *t, struct atr_error *err)
{
	const char *why = archive_error_string(t->tar);

	if (t->status == ATR_OK)
		return atr_error_set(err, ATR_EFORMAT, NULL, (int64_t)t->source->taken,
		                     "the tar of the backup is damaged or cut: %s",
		                     why != NULL ? why : "unknown");
	if (err != NULL)
		*err = t->error;
	return t->status;
}

enum atr_status snapshot_tar_open(struct snapshot_source *source, struct snapshot_tar **out,
                                  struct atr_error *err)
{
	struct snapshot_tar *t = calloc(1, sizeof *t);

	*out = NULL;
	if (t == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a backup");
	t->source = source;
	t->tar = archive_read_new();
	if (t->tar == NULL || archive_read_support_format_tar(t->tar) != ARCHIVE_OK) {
		snapshot_tar_close(t);
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a backup");
	}
	if (archive_read_open(t->tar, t, NULL, give_tar, NULL) != ARCHIVE_OK) {
		enum atr_status rc = read_failed(t, err);

		snapshot_tar_close(t);
		return rc;
	}
	*out = t;
	return ATR_OK;
}

void snapshot_tar_close(struct snapshot_tar *t)
{
	if (t == NULL)
		return;
	(void)archive_read_free(t->tar);
	free(t);
}

/* Relative, no part of it empty, "." or "..". */
static int is_safe(const char *name)
{
	const char *part = name;

	if (*name == '\0')
		return 0;
	for (;;) {
		size_t n = strcspn(part, "/");

		if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && memcmp(part, "..", 2) == 0))
			return 0;
		if (part[n] == '\0')
			return 1;
		part += n + 1;
	}
}

/* After the last file: the end mark was there, nothing but zeros follows. */
static enum atr_status check_mark(struct snapshot_tar *t, struct atr_error *err)
{
	const uint8_t *at;
	size_t available;
	enum atr_status rc;

	take(t->source, t->given);
	t->given = 0;
	for (;;) {
		rc = snapshot_peek(t->source, 1, &at, &available, err);
		if (rc != ATR_OK)
			return rc;
		if (available == 0)
			break;
		take(t->source, available);
	}
	return t->source->zeros >= TAR_MARK_BYTES
	               ? ATR_END
	               : atr_error_set(err, ATR_EFORMAT, NULL, (int64_t)t->source->taken, "%s",
	                               cut);
}

enum atr_status snapshot_tar_next(struct snapshot_tar *t, const char **name, uint64_t *bytes,
                                  struct atr_error *err)
{
	struct archive_entry *entry;
	int rc = archive_read_next_header(t->tar, &entry);

	if (rc == ARCHIVE_EOF)
		return check_mark(t, err);
	if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
		return read_failed(t, err);
	*name = archive_entry_pathname(entry);
	if (*name == NULL || !is_safe(*name) || archive_entry_filetype(entry) != AE_IFREG ||
	    archive_entry_hardlink(entry) != NULL || !archive_entry_size_is_set(entry))
		return atr_error_set(err, ATR_EFORMAT, NULL, (int64_t)t->source->taken,
		                     "unexpected content: \"%.200s\" is no file below the stream",
		                     *name != NULL ? *name : "?");
	*bytes = (uint64_t)archive_entry_size(entry);
	return ATR_OK;
}

enum atr_status snapshot_tar_data(struct snapshot_tar *t, void *to, size_t bytes, size_t *got,
                                  struct atr_error *err)
{
	la_ssize_t n = archive_read_data(t->tar, to, bytes);

	*got = n > 0 ? (size_t)n : 0;
	return n >= 0 ? ATR_OK : read_failed(t, err);
}
