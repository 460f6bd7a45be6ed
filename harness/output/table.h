/* table.h - aligned text tables for a terminal or a pipe, the same rows as JSON.
 *
 * A cell is text; numbers are put in as the caller wants to read them. On a terminal the head
 * line is bold and a cell may be coloured; with NO_COLOR set, or into a file or pipe, nothing
 * but text is written.
 */
#ifndef ATREST_HARNESS_OUTPUT_TABLE_H
#define ATREST_HARNESS_OUTPUT_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 24

enum table_align { TABLE_LEFT, TABLE_RIGHT };
enum table_color { TABLE_PLAIN, TABLE_BOLD, TABLE_RED, TABLE_GREEN, TABLE_YELLOW, TABLE_DIM };

struct table;

/* NULL: memory. All functions below accept a table that ran out of memory and keep that; only
 * table_print and table_json tell. */
struct table *table_new(void);
void table_free(struct table *t);

/* Columns come before the first row. key is the member's name in JSON and the head of the text
 * when head is NULL. */
void table_column(struct table *t, const char *key, const char *head, enum table_align align);

/* A new row, then its cells from left to right; missing ones are empty. Text is copied. In JSON a
 * text is a string, a number a number (null when it is not finite). */
void table_row(struct table *t);
void table_text(struct table *t, const char *text);
void table_format(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* In text with this many decimals ("-" when not finite), in JSON in full. */
void table_real(struct table *t, double value, int decimals);
void table_u64(struct table *t, uint64_t value);
/* The cell put last: another text for people than the value for JSON, or a colour. */
void table_shown(struct table *t, const char *text);
void table_colored(struct table *t, enum table_color color);

/* 0, or -1: memory or a failed write. JSON is one array of objects, a row a line. */
int table_print(const struct table *t, FILE *out);
int table_json(const struct table *t, FILE *out);

/* A <table>; a row whose first cell is not empty begins a group. */
int table_html(const struct table *t, FILE *out);
/* A Markdown table; colours are left out, JSON's values too. */
int table_markdown(const struct table *t, FILE *out);
/* Text with what Markdown would take for markup, HTML or the end of a cell escaped. */
void table_markdown_text(FILE *out, const char *text);

/* Text with what HTML and XML would take for markup escaped. */
void table_html_text(FILE *out, const char *text);

/* 1 when colours may be written to out: a terminal, NO_COLOR unset or empty, TERM not dumb. */
int table_colors(FILE *out);

/* Numbers for people, always the same few significant digits; returns text.
 *   ns     "842 ns", "1.24 µs", "3.1 ms", "2.0 s"
 *   bytes  "0 B", "1 KiB", "2.5 MiB"  (exact powers without decimals)
 *   count  "842", "12.3 k", "1.24 M" */
#define TABLE_NUMBER_BYTES 32
const char *table_ns(double ns, char text[TABLE_NUMBER_BYTES]);
const char *table_bytes(double bytes, char text[TABLE_NUMBER_BYTES]);
const char *table_count(double count, char text[TABLE_NUMBER_BYTES]);

#endif
