/* csv.c - see csv.h. A row never holds a line break, so lines are cut first and each is given
 * to libcsv alone: an error then has its line, and a line that was cut off is seen as such. */
#include "harness/output/csv.h"

#include "ciphers/prf.h"
#include "harness/output/replace.h"

#include <csv.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing ---- */

void csv_text_free(struct csv_text *t)
{
	free(t->data);
	memset(t, 0, sizeof(*t));
}

static void put(struct csv_text *t, const void *data, size_t bytes)
{
	if (t->failed)
		return;
	if (t->bytes + bytes + 1 > t->capacity) {
		size_t capacity = (t->bytes + bytes + 1) * 2;
		char *larger = realloc(t->data, capacity);
		if (larger == NULL) {
			t->failed = 1;
			return;
		}
		t->data = larger;
		t->capacity = capacity;
	}
	memcpy(t->data + t->bytes, data, bytes);
	t->bytes += bytes;
	t->data[t->bytes] = '\0';
}

static void put_comma(struct csv_text *t)
{
	if (t->bytes > 0 && t->data[t->bytes - 1] != '\n')
		put(t, ",", 1);
}

static int is_utf8(const char *text, size_t bytes)
{
	/* jansson refuses to hold anything else. */
	json_t *held = json_stringn(text, bytes);
	json_decref(held);
	return held != NULL;
}

void csv_put_text(struct csv_text *t, const char *value)
{
	char clean[1024];
	size_t bytes = strnlen(value, sizeof(clean));
	int utf8 = is_utf8(value, bytes);
	for (size_t i = 0; i < bytes; i++) {
		unsigned char c = (unsigned char)value[i];
		clean[i] = value[i];
		if (c < 0x20 || c == 0x7f)
			clean[i] = ' ';
		else if (c >= 0x80 && !utf8)
			clean[i] = '?';
	}

	put_comma(t);
	int first = t->bytes == 0 || t->data[t->bytes - 1] == '\n';
	int quote = memchr(clean, ',', bytes) != NULL || memchr(clean, '"', bytes) != NULL ||
	            (first && (bytes == 0 || clean[0] == '#'));
	if (!quote) {
		put(t, clean, bytes);
		return;
	}
	char quoted[2 * sizeof(clean) + 2];
	put(t, quoted, csv_write(quoted, sizeof(quoted), clean, bytes));
}

void csv_put_plain(struct csv_text *t, const char *value)
{
	put_comma(t);
	put(t, value, strlen(value));
}

void csv_put_u64(struct csv_text *t, uint64_t value)
{
	char text[32];
	put_comma(t);
	put(t, text, (size_t)snprintf(text, sizeof(text), "%" PRIu64, value));
}

void csv_put_real(struct csv_text *t, double value, int decimals)
{
	char text[384];
	put_comma(t);
	if (isfinite(value))
		put(t, text, (size_t)snprintf(text, sizeof(text), "%.*f", decimals, value));
}

void csv_put_end(struct csv_text *t)
{
	put(t, "\n", 1);
}

void csv_put_head(struct csv_text *t, const char *schema, unsigned version,
                  const char *const *columns, size_t count)
{
	char line[128];
	put(t, line, (size_t)snprintf(line, sizeof(line), "# %s v%u\n", schema, version));
	for (size_t i = 0; i < count; i++)
		csv_put_text(t, columns[i]);
	csv_put_end(t);
}

static int digest_hex(const void *data, size_t bytes, char hex[2 * ATR_SHA256_BYTES + 1])
{
	uint8_t digest[ATR_SHA256_BYTES];
	if (atr_sha256(data, bytes, digest) != 0)
		return -1;
	for (size_t i = 0; i < ATR_SHA256_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

static int trailer_line(char line[160], uint64_t rows, const void *before, size_t before_bytes)
{
	char hex[2 * ATR_SHA256_BYTES + 1];
	if (digest_hex(before, before_bytes, hex) != 0)
		return -1;
	return snprintf(line, 160, "# rows=%" PRIu64 " sha256=%s", rows, hex);
}

int csv_put_trailer(struct csv_text *t, uint64_t rows, const void *before, size_t before_bytes)
{
	char line[160];
	int bytes = trailer_line(line, rows, before, before_bytes);
	if (bytes < 0)
		return -1;
	put(t, line, (size_t)bytes);
	put(t, "\n", 1);
	return t->failed ? -1 : 0;
}

/* ---- reading ---- */

struct reader {
	const char *path;
	const char *const *columns;
	size_t column_count;
	char *text; /* the file */
	size_t bytes;
	size_t at;   /* start of the next line */
	size_t line; /* number of the current line, from 1 */
	char *start; /* the current line, NUL in place of its LF */
	size_t start_bytes;
	struct csv_parser parser;
	char *fields[CSV_COLUMNS_MAX + 1];
	size_t field_count; /* goes on counting above CSV_COLUMNS_MAX */
	char *out;          /* where the next field is copied to */
	char copy[CSV_LINE_BYTES_MAX + CSV_COLUMNS_MAX + 2];
	char *error;
};

static enum csv_result refuse(struct reader *r, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

static enum csv_result refuse(struct reader *r, const char *format, ...)
{
	char reason[384];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	snprintf(r->error, 512, "%.200s:%zu: %.300s", r->path, r->line, reason);
	return CSV_RESULT_MALFORMED;
}

/* libcsv would trim spaces and take CR for an end of line: neither is ours. */
static int never(unsigned char c)
{
	(void)c;
	return 0;
}

static void take_field(void *field, size_t bytes, void *context)
{
	struct reader *r = context;
	if (r->field_count++ > CSV_COLUMNS_MAX)
		return;
	r->fields[r->field_count - 1] = r->out;
	if (bytes > 0)
		memcpy(r->out, field, bytes);
	r->out[bytes] = '\0';
	r->out += bytes + 1;
}

static void take_row(int c, void *context)
{
	(void)c;
	(void)context;
}

/* The next whole line; 0 at the end of the file or at a line that was cut. */
static int next_line(struct reader *r)
{
	char *end = r->at < r->bytes ? memchr(r->text + r->at, '\n', r->bytes - r->at) : NULL;
	if (end == NULL)
		return 0;
	r->start = r->text + r->at;
	r->start_bytes = (size_t)(end - r->start);
	*end = '\0';
	r->at += r->start_bytes + 1;
	r->line++;
	return 1;
}

static enum csv_result check_line(struct reader *r)
{
	if (r->start_bytes > CSV_LINE_BYTES_MAX)
		return refuse(r, "line of %zu bytes, expected at most %d", r->start_bytes,
		              CSV_LINE_BYTES_MAX);
	for (size_t i = 0; i < r->start_bytes; i++) {
		unsigned char c = (unsigned char)r->start[i];
		if (c < 0x20)
			return refuse(r,
			              "byte 0x%02x at column %zu, expected text and LF line ends",
			              c, i + 1);
	}
	if (!is_utf8(r->start, r->start_bytes))
		return refuse(r, "text that is not UTF-8");
	return CSV_RESULT_OK;
}

static enum csv_result split_line(struct reader *r)
{
	r->field_count = 0;
	r->out = r->copy;
	size_t n = csv_parse(&r->parser, r->start, r->start_bytes, take_field, take_row, r);
	if (n != r->start_bytes || csv_fini(&r->parser, take_field, take_row, r) != 0) {
		int memory = csv_error(&r->parser) == CSV_ENOMEM;
		return refuse(r, memory ? "out of memory" : "misplaced quote, expected RFC 4180");
	}
	return CSV_RESULT_OK;
}

static enum csv_result read_schema(struct reader *r, const char *schema, unsigned version)
{
	char expected[128];
	snprintf(expected, sizeof(expected), "# %s v%u", schema, version);
	if (!next_line(r)) {
		r->line = 1;
		return refuse(r, "%s, expected the line \"%s\"",
		              r->bytes == 0 ? "empty file" : "first line without an end", expected);
	}
	enum csv_result rc = check_line(r);
	if (rc != CSV_RESULT_OK)
		return rc;
	if (strcmp(r->start, expected) == 0)
		return CSV_RESULT_OK;

	char prefix[128];
	int n = snprintf(prefix, sizeof(prefix), "# %s v", schema);
	uint64_t other;
	refuse(r, "found \"%.80s\", expected \"%s\"", r->start, expected);
	if (strncmp(r->start, prefix, (size_t)n) == 0 && csv_get_u64(r->start + n, &other) == 0)
		return CSV_RESULT_SCHEMA_OTHER;
	return CSV_RESULT_MALFORMED;
}

static enum csv_result read_columns(struct reader *r)
{
	if (!next_line(r)) {
		r->line++;
		return refuse(r, "the file ends, expected the line of column names");
	}
	enum csv_result rc = check_line(r);
	if (rc == CSV_RESULT_OK)
		rc = split_line(r);
	if (rc != CSV_RESULT_OK)
		return rc;
	for (size_t i = 0; i < r->column_count; i++) {
		if (i >= r->field_count)
			return refuse(r, "%zu columns, column %s is missing", r->field_count,
			              r->columns[i]);
		if (strcmp(r->fields[i], r->columns[i]) != 0)
			return refuse(r, "column %zu is \"%.60s\", expected %s", i + 1,
			              r->fields[i], r->columns[i]);
	}
	if (r->field_count > r->column_count)
		return refuse(r, "%zu columns, expected %zu: \"%.60s\" is not one of this version",
		              r->field_count, r->column_count, r->fields[r->column_count]);
	return CSV_RESULT_OK;
}

static enum csv_result read_trailer(struct reader *r, uint64_t rows)
{
	char line[160];
	/* What stands before is as it was read but for the line ends, which became NUL. */
	size_t before = (size_t)(r->start - r->text);
	for (size_t i = 0; i < before; i++)
		if (r->text[i] == '\0')
			r->text[i] = '\n';
	if (trailer_line(line, rows, r->text, before) < 0)
		return refuse(r, "the digest failed");
	if (strcmp(r->start, line) != 0)
		return refuse(r,
		              "found \"%.100s\", expected \"%s\": rows were changed, lost or added",
		              r->start, line);
	if (r->at != r->bytes)
		return refuse(r, "%zu bytes behind the trailer", r->bytes - r->at);
	return CSV_RESULT_OK;
}

static enum csv_result read_rows(struct reader *r, csv_row *row, void *context, int *complete)
{
	char reason[256];
	for (uint64_t rows = 0; next_line(r); rows++) {
		enum csv_result rc = check_line(r);
		if (rc != CSV_RESULT_OK)
			return rc;
		if (r->start[0] == '#') {
			rc = read_trailer(r, rows);
			*complete = rc == CSV_RESULT_OK;
			return rc;
		}
		if (r->start_bytes == 0)
			return refuse(r, "empty line, expected a row");
		rc = split_line(r);
		if (rc != CSV_RESULT_OK)
			return rc;
		if (r->field_count != r->column_count)
			return refuse(r, "%zu fields, expected %zu", r->field_count,
			              r->column_count);
		reason[0] = '\0';
		if (row(context, r->fields, reason) != 0)
			return refuse(r, "%s", reason);
	}
	return CSV_RESULT_OK;
}

/* The whole of a reader's text. */
static enum csv_result read_text(struct reader *r, const char *schema, unsigned version,
                                 csv_row *row, void *context, int *complete)
{
	if (csv_init(&r->parser, CSV_STRICT | CSV_STRICT_FINI) != 0) {
		snprintf(r->error, 512, "%.200s: the CSV parser does not start", r->path);
		return CSV_RESULT_UNREADABLE;
	}
	csv_set_space_func(&r->parser, never);
	csv_set_term_func(&r->parser, never);
	enum csv_result rc = read_schema(r, schema, version);
	if (rc == CSV_RESULT_OK)
		rc = read_columns(r);
	if (rc == CSV_RESULT_OK)
		rc = read_rows(r, row, context, complete);
	csv_free(&r->parser);
	return rc;
}

enum csv_result csv_read_text(const char *name, char *text, size_t bytes, const char *schema,
                              unsigned version, const char *const *columns, size_t count,
                              csv_row *row, void *context, int *complete, char error[512])
{
	*complete = 0;
	error[0] = '\0';
	struct reader *r = calloc(1, sizeof(*r));
	if (r == NULL) {
		snprintf(error, 512, "%.200s: out of memory", name);
		return CSV_RESULT_UNREADABLE;
	}
	r->path = name;
	r->text = text;
	r->bytes = bytes;
	r->columns = columns;
	r->column_count = count;
	r->error = error;
	enum csv_result rc = read_text(r, schema, version, row, context, complete);
	free(r);
	return rc;
}

enum csv_result csv_read(const char *path, const char *schema, unsigned version,
                         const char *const *columns, size_t count, csv_row *row, void *context,
                         int *complete, char error[512])
{
	char *text;
	size_t bytes;
	int io = read_whole_file(path, CSV_FILE_BYTES_MAX, &text, &bytes);
	*complete = 0;
	if (io != 0) {
		snprintf(error, 512, "%.200s: %s", path, strerror(-io));
		return CSV_RESULT_UNREADABLE;
	}
	enum csv_result rc = csv_read_text(path, text, bytes, schema, version, columns, count, row,
	                                   context, complete, error);
	free(text);
	return rc;
}

int csv_get_u64(const char *field, uint64_t *out)
{
	uint64_t value = 0;
	if (field[0] == '\0')
		return -1;
	for (const char *c = field; *c != '\0'; c++) {
		if (*c < '0' || *c > '9')
			return -1;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*c - '0'), &value))
			return -1;
	}
	*out = value;
	return 0;
}

int csv_get_real(const char *field, double *out)
{
	/* strtod alone would take blanks, hexadecimal, nan and inf. */
	if (field[0] == '\0' || field[strspn(field, "0123456789.eE+-")] != '\0')
		return -1;
	char *end;
	errno = 0;
	double value = strtod(field, &end);
	if (*end != '\0' || errno == ERANGE || !isfinite(value))
		return -1;
	*out = value;
	return 0;
}

int csv_take_text(const char *column, const char *field, char *out, size_t out_bytes,
                  char reason[256])
{
	size_t bytes = strlen(field);
	size_t name_bytes = strlen(column);
	if (bytes < out_bytes) {
		memcpy(out, field, bytes + 1);
		return 0;
	}
	if (name_bytes > 0 && column[name_bytes - 1] == '_')
		name_bytes--;
	snprintf(reason, 256, "column %.*s: %zu bytes, expected at most %zu", (int)name_bytes,
	         column, bytes, out_bytes - 1);
	return -1;
}

int csv_take_u64(const char *column, const char *field, uint64_t *out, char reason[256])
{
	if (csv_get_u64(field, out) == 0)
		return 0;
	snprintf(reason, 256, "column %s: found \"%.60s\", expected an integer from 0 to 2^64-1",
	         column, field);
	return -1;
}
