/* summary_file.c - summary.csv, as summary.h says. */
#include "harness/analysis/summary.h"

#include "harness/analysis/verdict.h"
#include "harness/output/csv.h"
#include "harness/output/replace.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NAME(name) #name,
static const char *const struct_names[] = {SUMMARY_COLUMNS(NAME, NAME, NAME)};
#undef NAME
#define COLUMN_COUNT (sizeof(struct_names) / sizeof(struct_names[0]))

/* The trailing underscore of class_ is C's, not the file's. */
static void column_names(const char *columns[COLUMN_COUNT])
{
	for (size_t i = 0; i < COLUMN_COUNT; i++)
		columns[i] = strcmp(struct_names[i], "class_") == 0 ? "class" : struct_names[i];
}

static void put_row(struct csv_text *t, const struct summary_row *row)
{
#define T(name) csv_put_text(t, row->name);
#define U(name) csv_put_u64(t, row->name);
#define F(name) csv_put_real(t, row->name, 6);
	SUMMARY_COLUMNS(T, U, F)
#undef T
#undef U
#undef F
	csv_put_end(t);
}

int summary_write(const char *path, const struct summary *s)
{
	struct csv_text t = {0};
	const char *columns[COLUMN_COUNT];
	column_names(columns);
	csv_put_head(&t, SUMMARY_SCHEMA, SUMMARY_SCHEMA_VERSION, columns, COLUMN_COUNT);
	for (size_t i = 0; i < s->count; i++)
		put_row(&t, &s->rows[i]);
	int rc = t.failed || csv_put_trailer(&t, s->count, t.data, t.bytes) != 0 ? -ENOMEM : 0;
	if (rc == 0)
		rc = replace_file(path, t.data, t.bytes);
	csv_text_free(&t);
	return rc;
}

static int get_text(const char *column, const char *field, char out[SAMPLES_TEXT_BYTES],
                    char reason[256])
{
	if (strlen(field) >= SAMPLES_TEXT_BYTES) {
		snprintf(reason, 256, "column %s: %zu bytes, expected at most %d",
		         strcmp(column, "class_") == 0 ? "class" : column, strlen(field),
		         SAMPLES_TEXT_BYTES - 1);
		return -1;
	}
	memcpy(out, field, strlen(field) + 1);
	return 0;
}

static int get_u64(const char *column, const char *field, uint64_t *out, char reason[256])
{
	if (csv_get_u64(field, out) == 0)
		return 0;
	snprintf(reason, 256, "column %s: found \"%.60s\", expected an integer from 0 to 2^64-1",
	         column, field);
	return -1;
}

static int get_real(const char *column, const char *field, double *out, char reason[256])
{
	*out = NAN;
	if (field[0] == '\0' || csv_get_real(field, out) == 0)
		return 0;
	snprintf(reason, 256, "column %s: found \"%.60s\", expected a number or nothing", column,
	         field);
	return -1;
}

static int take_row(void *context, char *const *fields, char reason[256])
{
	struct summary *s = context;
	struct summary_row row;
	enum verdict verdict;
	size_t i = 0;
	memset(&row, 0, sizeof(row));
#define T(name)                                                                                    \
	if (get_text(#name, fields[i++], row.name, reason) != 0)                                   \
		return -1;
#define U(name)                                                                                    \
	if (get_u64(#name, fields[i++], &row.name, reason) != 0)                                   \
		return -1;
#define F(name)                                                                                    \
	if (get_real(#name, fields[i++], &row.name, reason) != 0)                                  \
		return -1;
	SUMMARY_COLUMNS(T, U, F)
#undef T
#undef U
#undef F
	if (verdict_parse(row.verdict, &verdict) != 0) {
		snprintf(reason, 256, "column verdict: found \"%.60s\", expected a verdict's name",
		         row.verdict);
		return -1;
	}
	if (summary_add(s, &row) != 0) {
		snprintf(reason, 256, "out of memory");
		return -1;
	}
	return 0;
}

enum samples_result summary_read(const char *path, struct summary *out, char error[512])
{
	const char *columns[COLUMN_COUNT];
	enum samples_result rc = SAMPLES_UNREADABLE;
	memset(out, 0, sizeof(*out));
	column_names(columns);
	switch (csv_read(path, SUMMARY_SCHEMA, SUMMARY_SCHEMA_VERSION, columns, COLUMN_COUNT,
	                 take_row, out, &out->run.complete, error)) {
	case CSV_RESULT_OK:
		rc = out->run.complete ? SAMPLES_OK : SAMPLES_MALFORMED;
		if (rc != SAMPLES_OK)
			snprintf(error, 512, "%.200s:%zu: the file ends, expected the trailer",
			         path, out->count + CSV_FIRST_ROW_LINE);
		break;
	case CSV_RESULT_MALFORMED:
		rc = SAMPLES_MALFORMED;
		break;
	case CSV_RESULT_SCHEMA_OTHER:
		rc = SAMPLES_SCHEMA_OTHER;
		break;
	case CSV_RESULT_UNREADABLE:
		break;
	}
	if (rc != SAMPLES_OK)
		summary_free(out);
	return rc;
}
