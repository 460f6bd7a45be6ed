/* csv.h - the shape that samples.csv and summary.csv share.
 *
 *   # SCHEMA vN                     first line
 *   name,name,...                   the columns, all of them, in this order
 *   value,value,...                 one row per line; RFC 4180 quotes, but no line break inside
 *   # rows=COUNT sha256=HEX         last line; the digest is of every byte before it
 *
 * Lines end in LF. libcsv splits and quotes; this file adds lines, schema, trailer and digest.
 */
#ifndef ATREST_HARNESS_OUTPUT_CSV_H
#define ATREST_HARNESS_OUTPUT_CSV_H

#include <stddef.h>
#include <stdint.h>

#define CSV_COLUMNS_MAX    128
#define CSV_LINE_BYTES_MAX 65536
#define CSV_FILE_BYTES_MAX ((size_t)1 << 30)
#define CSV_FIRST_ROW_LINE 3 /* row i (from 0) stands in line i + this */

/* ---- writing ---- */

/* Text that grows; failed is set when memory ran out and stays set. Zero is empty. */
struct csv_text {
	char *data;
	size_t bytes, capacity;
	int failed;
};

void csv_text_free(struct csv_text *t);
/* One field and, unless it is the first of its line, the comma before it. Text is quoted where
 * it must be, and cut to 1024 bytes; control characters become spaces, invalid UTF-8 question
 * marks. Plain: text of any length that needs none of that. */
void csv_put_text(struct csv_text *t, const char *value);
void csv_put_plain(struct csv_text *t, const char *value);
void csv_put_u64(struct csv_text *t, uint64_t value);
/* With this many decimals; NaN is an empty field ("no value"). */
void csv_put_real(struct csv_text *t, double value, int decimals);
void csv_put_end(struct csv_text *t); /* the end of the line */
/* The first two lines. */
void csv_put_head(struct csv_text *t, const char *schema, unsigned version,
                  const char *const *columns, size_t count);
/* The last line, with the digest of the bytes given. 0, or -1: memory or digest. */
int csv_put_trailer(struct csv_text *t, uint64_t rows, const void *before, size_t before_bytes);

/* ---- reading ---- */

enum csv_result {
	CSV_RESULT_OK,
	CSV_RESULT_MALFORMED,    /* exit 2 */
	CSV_RESULT_SCHEMA_OTHER, /* this schema in another version: exit 4 */
	CSV_RESULT_UNREADABLE    /* the file cannot be opened, read or held in memory: exit 4 */
};

/* Called for each row with as many fields as there are columns; borrowed for the call. Returns
 * 0, or -1 with one reason: "column x: found, expected". */
typedef int csv_row(void *context, char *const *fields, char reason[256]);

/* Reads a file. The columns must be exactly these. *complete is 1 when the trailer was there
 * and fitted. Without trailer (the writer was stopped) the whole lines count and a last line
 * without its end is dropped. error gets one line "path:line: found, expected". */
enum csv_result csv_read(const char *path, const char *schema, unsigned version,
                         const char *const *columns, size_t count, csv_row *row, void *context,
                         int *complete, char error[512]);

/* The same of a text in memory, which is taken apart; name stands for the path in error. */
enum csv_result csv_read_text(const char *name, char *text, size_t bytes, const char *schema,
                              unsigned version, const char *const *columns, size_t count,
                              csv_row *row, void *context, int *complete, char error[512]);

/* Values as they must stand in a file: nothing before, nothing behind. 0, or -1. */
int csv_get_u64(const char *field, uint64_t *out);
int csv_get_real(const char *field, double *out); /* finite decimal */
/* The same with the reason that a csv_row gives; text must fit out with its end. A trailing
 * underscore of the column is not part of its name. */
int csv_take_text(const char *column, const char *field, char *out, size_t out_bytes,
                  char reason[256]);
int csv_take_u64(const char *column, const char *field, uint64_t *out, char reason[256]);

#endif
