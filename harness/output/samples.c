/* samples.c - see samples.h. */
#include "harness/output/samples.h"

#include "harness/output/csv.h"
#include "harness/output/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Names in the order of the file; the trailing underscore of class_ is C's, not the file's. */
#define NAME(name) #name,
static const char *const struct_names[] = {SAMPLES_COLUMNS(NAME, NAME, NAME)};
#undef NAME
#define COLUMN_COUNT (sizeof(struct_names) / sizeof(struct_names[0]))
_Static_assert(COLUMN_COUNT <= CSV_COLUMNS_MAX, "csv.h holds too few columns");

static void column_names(char names[COLUMN_COUNT][64], const char *pointers[COLUMN_COUNT])
{
	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		snprintf(names[i], 64, "%s", struct_names[i]);
		size_t bytes = strlen(names[i]);
		if (names[i][bytes - 1] == '_')
			names[i][bytes - 1] = '\0';
		pointers[i] = names[i];
	}
}

/* ---- writing ---- */

struct samples_writer {
	int fd;
	uint64_t rows;
	off_t bytes; /* of the file, whole lines only */
	char path[4096];
	struct csv_text line;
};

/* One write; what a failed or short one left is cut off again. */
static int append(struct samples_writer *w, const char *data, size_t bytes)
{
	ssize_t n;
	do {
		n = write(w->fd, data, bytes);
	} while (n < 0 && errno == EINTR);
	if (n == (ssize_t)bytes) {
		w->bytes += n;
		return 0;
	}
	int rc = n < 0 ? -errno : -ENOSPC;
	if (ftruncate(w->fd, w->bytes) != 0 || lseek(w->fd, w->bytes, SEEK_SET) < 0)
		rc = -errno;
	return rc;
}

static int writer_make(const char *path, int flags, struct samples_writer **out)
{
	*out = NULL;
	struct samples_writer *w = calloc(1, sizeof(*w));
	if (w == NULL)
		return -ENOMEM;
	if ((size_t)snprintf(w->path, sizeof(w->path), "%s", path) >= sizeof(w->path)) {
		free(w);
		return -ENAMETOOLONG;
	}
	w->fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0644);
	if (w->fd < 0) {
		int rc = -errno;
		free(w);
		return rc;
	}
	*out = w;
	return 0;
}

static void writer_free(struct samples_writer *w)
{
	if (w->fd >= 0)
		close(w->fd);
	csv_text_free(&w->line);
	free(w);
}

int samples_writer_open(const char *path, struct samples_writer **out)
{
	char names[COLUMN_COUNT][64];
	const char *columns[COLUMN_COUNT];
	struct samples_writer *w;
	/* An older result is never written over. */
	int rc = writer_make(path, O_CREAT | O_EXCL, &w);
	*out = NULL;
	if (rc != 0)
		return rc;
	column_names(names, columns);
	csv_put_head(&w->line, SAMPLES_SCHEMA, SAMPLES_SCHEMA_VERSION, columns, COLUMN_COUNT);
	rc = w->line.failed ? -ENOMEM : append(w, w->line.data, w->line.bytes);
	if (rc == 0)
		rc = sync_directory_of(path);
	if (rc != 0) {
		unlink(path);
		writer_free(w);
		return rc;
	}
	*out = w;
	return 0;
}

/* Where the line behind that many whole ones begins; -1: there are fewer. */
static off_t offset_of_line(const char *text, size_t bytes, size_t lines)
{
	const char *at = text;
	while (lines-- > 0) {
		at = memchr(at, '\n', bytes - (size_t)(at - text));
		if (at == NULL)
			return -1;
		at++;
	}
	return at - text;
}

int samples_writer_open_again(const char *path, size_t rows, struct samples_writer **out)
{
	struct samples_writer *w;
	char *text = NULL;
	size_t bytes;
	int rc = writer_make(path, 0, &w);
	*out = NULL;
	if (rc != 0)
		return rc;
	rc = read_whole_file(path, CSV_FILE_BYTES_MAX, &text, &bytes);
	if (rc == 0) {
		w->rows = rows;
		w->bytes = offset_of_line(text, bytes, rows + CSV_FIRST_ROW_LINE - 1);
		if (w->bytes < 0)
			rc = -EINVAL;
		else if (ftruncate(w->fd, w->bytes) != 0 || lseek(w->fd, w->bytes, SEEK_SET) < 0)
			rc = -errno;
	}
	free(text);
	if (rc == 0)
		*out = w;
	else
		writer_free(w);
	return rc;
}

static void put_row(struct samples_writer *w, const struct sample *row)
{
#define T(name) csv_put_text(&w->line, row->name);
#define U(name) csv_put_u64(&w->line, row->name);
#define F(name) csv_put_real(&w->line, row->name, 9);
	SAMPLES_COLUMNS(T, U, F)
#undef T
#undef U
#undef F
	csv_put_end(&w->line);
}

int samples_writer_add_rows(struct samples_writer *w, const struct sample *rows, size_t count)
{
	w->line.bytes = 0;
	for (size_t i = 0; i < count; i++)
		put_row(w, &rows[i]);
	if (w->line.failed)
		return -ENOMEM;
	int rc = count == 0 ? 0 : append(w, w->line.data, w->line.bytes);
	if (rc == 0)
		w->rows += count;
	return rc;
}

int samples_writer_sync(struct samples_writer *w)
{
	return fdatasync(w->fd) == 0 ? 0 : -errno;
}

int samples_writer_add(struct samples_writer *w, const struct sample *row)
{
	return samples_writer_add_rows(w, row, 1);
}

static int append_trailer(struct samples_writer *w)
{
	char *before;
	size_t before_bytes;
	int rc = read_whole_file(w->path, CSV_FILE_BYTES_MAX, &before, &before_bytes);
	if (rc != 0)
		return rc;
	w->line.bytes = 0;
	if ((off_t)before_bytes != w->bytes)
		rc = -EIO; /* somebody else wrote into it */
	else if (csv_put_trailer(&w->line, w->rows, before, before_bytes) != 0)
		rc = -ENOMEM;
	else
		rc = append(w, w->line.data, w->line.bytes);
	free(before);
	return rc;
}

int samples_writer_close(struct samples_writer *w, int complete)
{
	if (w == NULL)
		return 0;
	int rc = complete ? append_trailer(w) : 0;
	if (fsync(w->fd) != 0 && rc == 0)
		rc = -errno;
	if (close(w->fd) != 0 && rc == 0)
		rc = -errno;
	w->fd = -1;
	writer_free(w);
	return rc;
}

/* ---- rows in memory ---- */

int samples_set_aside(const struct sample *row)
{
	return row->valid == 0 && strncmp(row->error, "repeated", strlen("repeated")) == 0;
}

int samples_add(struct samples *s, const struct sample *row)
{
	if (s->count == s->capacity) {
		size_t capacity = s->capacity == 0 ? 64 : s->capacity * 2;
		struct sample *larger = realloc(s->rows, capacity * sizeof(*larger));
		if (larger == NULL)
			return -1;
		s->rows = larger;
		s->capacity = capacity;
	}
	s->rows[s->count++] = *row;
	return 0;
}

void samples_free(struct samples *s)
{
	free(s->rows);
	memset(s, 0, sizeof(*s));
}

/* ---- reading ---- */

static int get_real(const char *column, const char *field, double *out, char reason[256])
{
	if (csv_get_real(field, out) == 0 && *out >= 0)
		return 0;
	snprintf(reason, 256, "column %s: found \"%.60s\", expected a number from 0 up", column,
	         field);
	return -1;
}

/* A row that counts must be able to count: nothing is divided by zero or by nothing later. */
static int check_row(const struct sample *s, char reason[256])
{
	if (s->workload[0] == '\0' || s->target[0] == '\0' || s->arm[0] == '\0')
		snprintf(reason, 256, "workload, target or arm is empty");
	else if (s->valid > 1)
		snprintf(reason, 256, "column valid: found %llu, expected 0 or 1",
		         (unsigned long long)s->valid);
	else if (s->valid == 1 && s->messages == 0)
		snprintf(reason, 256, "column messages: a valid row with 0 operations");
	else if (s->valid == 1 && !(s->acked_s > 0))
		snprintf(reason, 256, "column acked_s: a valid row that took no time");
	else if (s->valid == 1 && s->error[0] != '\0')
		snprintf(reason, 256, "column error: a valid row with the error \"%.80s\"",
		         s->error);
	else
		return 0;
	return -1;
}

static int take_row(void *context, char *const *fields, char reason[256])
{
	struct samples *out = context;
	struct sample s;
	size_t i = 0;
	memset(&s, 0, sizeof(s));
#define T(name)                                                                                    \
	if (csv_take_text(#name, fields[i++], s.name, sizeof(s.name), reason) != 0)                \
		return -1;
#define U(name)                                                                                    \
	if (csv_take_u64(#name, fields[i++], &s.name, reason) != 0)                                \
		return -1;
#define F(name)                                                                                    \
	if (get_real(#name, fields[i++], &s.name, reason) != 0)                                    \
		return -1;
	SAMPLES_COLUMNS(T, U, F)
#undef T
#undef U
#undef F
	if (check_row(&s, reason) != 0)
		return -1;
	if (samples_add(out, &s) != 0) {
		snprintf(reason, 256, "out of memory");
		return -1;
	}
	return 0;
}

/* By workload, target, version, arm, round and attempt: what must be unique. */
static int by_key(const void *a, const void *b)
{
	const struct sample *x = *(const struct sample *const *)a;
	const struct sample *y = *(const struct sample *const *)b;
	int order = strcmp(x->workload, y->workload);
	if (order == 0)
		order = strcmp(x->target, y->target);
	if (order == 0)
		order = strcmp(x->target_version, y->target_version);
	if (order == 0)
		order = strcmp(x->arm, y->arm);
	if (order == 0)
		order = (x->round > y->round) - (x->round < y->round);
	if (order == 0)
		order = (x->attempt > y->attempt) - (x->attempt < y->attempt);
	return order;
}

/* What a round may not change: it is part of what the arm is. NULL when nothing differs. */
static const char *changed_column(const struct sample *a, const struct sample *b)
{
	if (strcmp(a->class_, b->class_) != 0)
		return "class";
	if (strcmp(a->dir, b->dir) != 0)
		return "dir";
	if (strcmp(a->cipher, b->cipher) != 0)
		return "cipher";
	if (strcmp(a->provider, b->provider) != 0)
		return "provider";
	if (strcmp(a->flush, b->flush) != 0)
		return "flush";
	if (strcmp(a->sync, b->sync) != 0)
		return "sync";
	if (strcmp(a->read, b->read) != 0)
		return "read";
	if (a->payload_bytes != b->payload_bytes)
		return "payload_bytes";
	if (a->block_bytes != b->block_bytes)
		return "block_bytes";
	if (strcmp(a->workload_digest, b->workload_digest) != 0)
		return "workload_digest";
	if (a->rate_msgs_s > b->rate_msgs_s || a->rate_msgs_s < b->rate_msgs_s)
		return "rate_msgs_s";
	return NULL;
}

static enum csv_result check_rows(const char *path, const struct samples *s, char error[512])
{
	if (s->count == 0)
		return CSV_RESULT_OK;
	const struct sample **sorted = malloc(s->count * sizeof(*sorted));
	if (sorted == NULL) {
		snprintf(error, 512, "%.200s: out of memory", path);
		return CSV_RESULT_UNREADABLE;
	}
	for (size_t i = 0; i < s->count; i++)
		sorted[i] = &s->rows[i];
	qsort(sorted, s->count, sizeof(*sorted), by_key);

	enum csv_result rc = CSV_RESULT_OK;
	for (size_t i = 1; i < s->count && rc == CSV_RESULT_OK; i++) {
		const struct sample *a = sorted[i - 1];
		const struct sample *b = sorted[i];
		if (strcmp(a->workload, b->workload) != 0 || strcmp(a->target, b->target) != 0 ||
		    strcmp(a->target_version, b->target_version) != 0 ||
		    strcmp(a->arm, b->arm) != 0)
			continue;
		size_t line_a = (size_t)(a - s->rows) + CSV_FIRST_ROW_LINE;
		size_t line_b = (size_t)(b - s->rows) + CSV_FIRST_ROW_LINE;
		const char *changed = changed_column(a, b);
		rc = CSV_RESULT_MALFORMED;
		/* Once, but for the attempts before that were set aside. */
		if (a->round == b->round && !(a->attempt < b->attempt && samples_set_aside(a)))
			snprintf(error, 512,
			         "%.160s:%zu: round %llu of arm %.60s in %.60s stands in line %zu "
			         "already",
			         path, line_a > line_b ? line_a : line_b,
			         (unsigned long long)a->round, a->arm, a->workload,
			         line_a > line_b ? line_b : line_a);
		else if (changed != NULL)
			snprintf(error, 512,
			         "%.160s:%zu: column %s of arm %.60s in %.60s differs from line "
			         "%zu, expected one value per arm",
			         path, line_b, changed, b->arm, b->workload, line_a);
		else
			rc = CSV_RESULT_OK;
	}
	free(sorted);
	return rc;
}

enum csv_result samples_read(const char *path, struct samples *out, char error[512])
{
	char names[COLUMN_COUNT][64];
	const char *columns[COLUMN_COUNT];
	enum csv_result rc;
	memset(out, 0, sizeof(*out));
	column_names(names, columns);
	rc = csv_read(path, SAMPLES_SCHEMA, SAMPLES_SCHEMA_VERSION, columns, COLUMN_COUNT, take_row,
	              out, &out->complete, error);
	if (rc == CSV_RESULT_OK)
		rc = check_rows(path, out, error);
	if (rc != CSV_RESULT_OK)
		samples_free(out);
	return rc;
}
