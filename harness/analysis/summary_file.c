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

int summary_text(const struct summary *s, struct csv_text *out)
{
	const char *columns[COLUMN_COUNT];
	memset(out, 0, sizeof(*out));
	column_names(columns);
	csv_put_head(out, SUMMARY_SCHEMA, SUMMARY_SCHEMA_VERSION, columns, COLUMN_COUNT);
	for (size_t i = 0; i < s->count; i++)
		put_row(out, &s->rows[i]);
	if (!out->failed && csv_put_trailer(out, s->count, out->data, out->bytes) == 0)
		return 0;
	csv_text_free(out);
	return -1;
}

int summary_write(const char *path, const struct summary *s)
{
	struct csv_text t;
	if (summary_text(s, &t) != 0)
		return -ENOMEM;
	int rc = replace_file(path, t.data, t.bytes);
	csv_text_free(&t);
	return rc;
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
	if (csv_take_text(#name, fields[i++], row.name, sizeof(row.name), reason) != 0)            \
		return -1;
#define U(name)                                                                                    \
	if (csv_take_u64(#name, fields[i++], &row.name, reason) != 0)                              \
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

enum csv_result summary_read(const char *path, struct summary *out, char error[512])
{
	const char *columns[COLUMN_COUNT];
	enum csv_result rc;
	memset(out, 0, sizeof(*out));
	column_names(columns);
	rc = csv_read(path, SUMMARY_SCHEMA, SUMMARY_SCHEMA_VERSION, columns, COLUMN_COUNT, take_row,
	              out, &out->run.complete, error);
	if (rc == CSV_RESULT_OK && !out->run.complete) {
		snprintf(error, 512, "%.200s:%zu: the file ends, expected the trailer", path,
		         out->count + CSV_FIRST_ROW_LINE);
		rc = CSV_RESULT_MALFORMED;
	}
	if (rc != CSV_RESULT_OK)
		summary_free(out);
	return rc;
}
