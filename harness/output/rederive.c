/* rederive.c - see rederive.h. */
#include "harness/output/rederive.h"

#include "harness/analysis/transfer.h"
#include "harness/output/figures.h"
#include "harness/output/headline.h"
#include "harness/output/rates.h"
#include "harness/output/replace.h"
#include "harness/output/table.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PAGE_BYTES_MAX ((size_t)256 << 20)

/* ---- the list ---- */

/* Up to bytes of text; where it is longer than there is room for, whole characters and "...". */
static void copy_cut(char out[REDERIVE_TEXT_BYTES], const char *text, size_t bytes)
{
	if (bytes >= REDERIVE_TEXT_BYTES) {
		bytes = REDERIVE_TEXT_BYTES - 4;
		while (bytes > 0 && ((unsigned char)text[bytes] & 0xc0) == 0x80)
			bytes--;
		snprintf(out, REDERIVE_TEXT_BYTES, "%.*s...", (int)bytes, text);
	} else {
		snprintf(out, REDERIVE_TEXT_BYTES, "%.*s", (int)bytes, text);
	}
}

static int add(struct rederive *r, const char *file, uint64_t line, const char *row,
               const char *column, const char *found, const char *expected)
{
	if (r->count == r->capacity) {
		size_t capacity = r->capacity == 0 ? 16 : r->capacity * 2;
		struct rederive_difference *larger = realloc(r->list, capacity * sizeof(*larger));
		if (larger == NULL)
			return -1;
		r->list = larger;
		r->capacity = capacity;
	}
	struct rederive_difference *d = &r->list[r->count++];
	memset(d, 0, sizeof(*d));
	snprintf(d->file, sizeof(d->file), "%s", file);
	d->line = line;
	snprintf(d->row, sizeof(d->row), "%s", row);
	snprintf(d->column, sizeof(d->column), "%s", column);
	copy_cut(d->found, found, strlen(found));
	copy_cut(d->expected, expected, strlen(expected));
	return 0;
}

void rederive_free(struct rederive *r)
{
	free(r->list);
	memset(r, 0, sizeof(*r));
}

/* ---- CSV files ---- */

/* Every field of every row, as text. */
struct rows {
	char **fields; /* rows x columns; each owned */
	size_t count, capacity;
	size_t columns;
};

static int keep_row(void *context, char *const *fields, char reason[256])
{
	struct rows *rows = context;
	if (rows->count == rows->capacity) {
		size_t capacity = rows->capacity == 0 ? 256 : rows->capacity * 2;
		char **larger = realloc(rows->fields, capacity * rows->columns * sizeof(*larger));
		if (larger == NULL)
			goto memory;
		rows->fields = larger;
		rows->capacity = capacity;
	}
	char **row = rows->fields + rows->count * rows->columns;
	for (size_t i = 0; i < rows->columns; i++) {
		row[i] = strdup(fields[i]);
		if (row[i] == NULL) {
			while (i > 0)
				free(row[--i]);
			goto memory;
		}
	}
	rows->count++;
	return 0;
memory:
	snprintf(reason, 256, "out of memory");
	return -1;
}

static void rows_free(struct rows *rows)
{
	for (size_t i = 0; i < rows->count * rows->columns; i++)
		free(rows->fields[i]);
	free(rows->fields);
	memset(rows, 0, sizeof(*rows));
}

/* A file of rows: what it should hold, and what is read of it. */
struct file {
	const char *name, *schema;
	unsigned version;
	struct csv_text text; /* as it should be */
	char *head;           /* owns the names */
	const char *columns[CSV_COLUMNS_MAX];
	struct rows expected, found;
};

/* The columns are those of the second line; no name of ours needs quotes. */
static int split_columns(struct file *f)
{
	const char *line = memchr(f->text.data, '\n', f->text.bytes);
	if (line == NULL)
		return -1;
	f->head = strndup(line + 1, strcspn(line + 1, "\n"));
	if (f->head == NULL)
		return -1;
	size_t n = 0;
	char *at = f->head;
	for (char *name; (name = strsep(&at, ",")) != NULL && n < CSV_COLUMNS_MAX; n++)
		f->columns[n] = name;
	f->expected.columns = n;
	f->found.columns = n;
	return at == NULL ? 0 : -1;
}

static const char *field_named(const struct file *f, char *const *row, const char *name)
{
	for (size_t i = 0; i < f->expected.columns; i++)
		if (strcmp(f->columns[i], name) == 0)
			return row[i];
	return "";
}

/* "publish-1k nats 2.15.1 aes time_ns_per_msg": what a row is about. */
static void name_row(const struct file *f, char *const *row, char text[2 * REDERIVE_TEXT_BYTES])
{
	static const char *const parts[] = {"workload", "target", "target_version", "arm",
	                                    "metric"};
	size_t used = 0;
	text[0] = '\0';
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const char *value = field_named(f, row, parts[i]);
		if (value[0] == '\0' || used >= 2 * REDERIVE_TEXT_BYTES - 1)
			continue;
		used += (size_t)snprintf(text + used, 2 * REDERIVE_TEXT_BYTES - used, "%s%.90s",
		                         used > 0 ? " " : "", value);
	}
}

/* Numbers with decimals may differ by one in the last digit: another C library rounds a logarithm
 * another way. */
static int same(const char *found, const char *expected)
{
	double a;
	double b;
	if (strcmp(found, expected) == 0)
		return 1;
	return strchr(expected, '.') != NULL && csv_get_real(found, &a) == 0 &&
	       csv_get_real(expected, &b) == 0 && fabs(a - b) <= 1.5e-6 + 1e-12 * fabs(b);
}

static int compare_fields(struct rederive *r, const struct file *f, size_t i, const char *name)
{
	char *const *found = f->found.fields + i * f->found.columns;
	char *const *expected = f->expected.fields + i * f->expected.columns;
	for (size_t c = 0; c < f->expected.columns; c++)
		if (!same(found[c], expected[c]) && add(r, f->name, i + CSV_FIRST_ROW_LINE, name,
		                                        f->columns[c], found[c], expected[c]) != 0)
			return -1;
	return 0;
}

/* Line by line. Where rows were lost or added all that follow would differ: the first is told. */
static int compare_rows(struct rederive *r, const struct file *f)
{
	char is[2 * REDERIVE_TEXT_BYTES];
	char should[2 * REDERIVE_TEXT_BYTES];
	size_t least = f->found.count < f->expected.count ? f->found.count : f->expected.count;
	for (size_t i = 0; i < least; i++) {
		name_row(f, f->found.fields + i * f->found.columns, is);
		name_row(f, f->expected.fields + i * f->expected.columns, should);
		if (f->found.count != f->expected.count && strcmp(is, should) != 0)
			return add(r, f->name, i + CSV_FIRST_ROW_LINE, "", "row", is, should);
		if (compare_fields(r, f, i, should) != 0)
			return -1;
	}
	if (f->found.count == f->expected.count)
		return 0;
	strcpy(is, "no row");
	strcpy(should, "no row");
	if (f->found.count > least)
		name_row(f, f->found.fields + least * f->found.columns, is);
	else
		name_row(f, f->expected.fields + least * f->expected.columns, should);
	return add(r, f->name, least + CSV_FIRST_ROW_LINE, "", "row", is, should);
}

/* error is of the file on disk; one of the expected text would be ours. */
static enum csv_result read_both(const char *dir, struct file *f, char error[512])
{
	char path[PATH_MAX];
	int complete;
	struct stat st;
	snprintf(path, sizeof(path), "%s/%s", dir, f->name);
	if (split_columns(f) != 0 ||
	    csv_read_text(f->name, f->text.data, f->text.bytes, f->schema, f->version, f->columns,
	                  f->expected.columns, keep_row, &f->expected, &complete,
	                  error) != CSV_RESULT_OK) {
		snprintf(error, 512, "out of memory");
		return CSV_RESULT_UNREADABLE;
	}
	if (stat(path, &st) != 0 && errno == ENOENT) {
		snprintf(error, 512, "%.300s: No such file, atrest report makes it", path);
		return CSV_RESULT_MALFORMED;
	}
	enum csv_result rc = csv_read(path, f->schema, f->version, f->columns, f->found.columns,
	                              keep_row, &f->found, &complete, error);
	if (rc == CSV_RESULT_OK && !complete) {
		snprintf(error, 512, "%.300s:%zu: the file ends, expected the trailer", path,
		         f->found.count + CSV_FIRST_ROW_LINE);
		rc = CSV_RESULT_MALFORMED;
	}
	return rc;
}

/* Rows in front of what is wrong with a file still say where it was changed; lines that end too
 * early are a matter of the error alone. */
static enum csv_result check_file(const char *dir, struct file *f, struct rederive *r,
                                  uint64_t *rows, char error[512])
{
	enum csv_result rc = read_both(dir, f, error);
	*rows = f->found.count;
	if (rc != CSV_RESULT_OK && f->expected.count > f->found.count) {
		for (size_t i = f->found.count * f->expected.columns;
		     i < f->expected.count * f->expected.columns; i++)
			free(f->expected.fields[i]);
		f->expected.count = f->found.count;
	}
	if (compare_rows(r, f) != 0) {
		snprintf(error, 512, "out of memory");
		rc = CSV_RESULT_UNREADABLE;
	}
	rows_free(&f->expected);
	rows_free(&f->found);
	free(f->head);
	csv_text_free(&f->text);
	return rc;
}

/* ---- page and pictures ---- */

/* What stands between two marks of the page; "" when there is no such place. */
static void between(const char *page, const char *open, const char *close,
                    char text[REDERIVE_TEXT_BYTES])
{
	const char *from = strstr(page, open);
	const char *to = from != NULL ? strstr(from + strlen(open), close) : NULL;
	text[0] = '\0';
	if (to != NULL) {
		from += strlen(open);
		copy_cut(text, from, (size_t)(to - from));
	}
}

/* Closes out; the text that was written to it is looked for. 1 there, 0 not, -1: memory. */
static int page_has(const char *page, FILE *out, char **text)
{
	int rc = fclose(out) != 0 ? -1 : strstr(page, *text) != NULL;
	free(*text);
	return rc;
}

static int check_sentence(const char *page, const struct summary *s, struct rederive *r)
{
	char sentence[HEADLINE_BYTES];
	char found[REDERIVE_TEXT_BYTES];
	char *text;
	size_t bytes;
	headline_sentence(s, sentence);
	FILE *out = open_memstream(&text, &bytes);
	if (out == NULL)
		return -1;
	fputs("<p class=lead>", out);
	table_html_text(out, sentence);
	fputs("</p>", out);
	int rc = page_has(page, out, &text);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	between(page, "<p class=lead>", "</p>", found);
	return add(r, "report.html", 0, "", "sentence", found, sentence);
}

/* The table is freed. */
static int check_table(const char *page, struct table *t, const char *name, struct rederive *r)
{
	char *text;
	size_t bytes;
	FILE *out = t != NULL ? open_memstream(&text, &bytes) : NULL;
	if (out == NULL) {
		table_free(t);
		return -1;
	}
	int failed = table_html(t, out) != 0;
	table_free(t);
	int rc = page_has(page, out, &text);
	if (failed || rc < 0)
		return -1;
	return rc == 1 ? 0
	               : add(r, "report.html", 0, "", name, "another one", "that of summary.csv");
}

/* One that is there and cannot be read was not compared: that is no "no page". */
static enum csv_result check_page(const char *dir, const struct summary *s, struct rederive *r,
                                  char error[512])
{
	char path[PATH_MAX];
	char *page;
	size_t bytes;
	snprintf(path, sizeof(path), "%s/report.html", dir);
	int rc = read_whole_file(path, PAGE_BYTES_MAX, &page, &bytes);
	if (rc == -ENOENT)
		return CSV_RESULT_OK;
	if (rc != 0) {
		snprintf(error, 512, "%.400s: %s", path, strerror(-rc));
		return CSV_RESULT_UNREADABLE;
	}
	r->page = 1;
	r->page_pictures = strstr(page, "src=\"data:image/") != NULL;
	rc = check_sentence(page, s, r);
	if (rc == 0)
		rc = check_table(page, headline_table(s), "table of workloads", r);
	if (rc == 0 && rates_next_cell(s, NULL) != NULL)
		rc = check_table(page, rates_table(s), "table of rates", r);
	free(page);
	if (rc == 0)
		return CSV_RESULT_OK;
	snprintf(error, 512, "out of memory");
	return CSV_RESULT_UNREADABLE;
}

/* Both formats of a picture. */
static int is_there(const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct stat st;
	int found = 0;
	snprintf(path, sizeof(path), "%s/plots/%s.svg", dir, name);
	found += stat(path, &st) == 0 && st.st_size > 0;
	snprintf(path, sizeof(path), "%s/plots/%s.png", dir, name);
	found += stat(path, &st) == 0 && st.st_size > 0;
	return found;
}

/* Calls for each picture that there may be. */
typedef int picture_fn(struct rederive *r, const char *name, int wanted, int found);

static int each_picture(const char *dir, const struct summary *s, struct rederive *r,
                        picture_fn *call)
{
	for (const struct figure *f = figures; f->name != NULL; f++) {
		for (size_t n = 1; n <= FIGURES_SUBJECTS_MAX; n++) {
			char name[FIGURES_NAME_BYTES];
			int wanted = figures_picture(f, s, n, name);
			if (call(r, name, wanted, is_there(dir, name)) != 0)
				return -1;
		}
	}
	return 0;
}

static int count_picture(struct rederive *r, const char *name, int wanted, int found)
{
	(void)name;
	(void)wanted;
	r->pictures += (uint64_t)(found == 2);
	return 0;
}

static int check_picture(struct rederive *r, const char *name, int wanted, int found)
{
	static const char *const texts[] = {"none", "one of svg and png", "both of svg and png"};
	char file[FIGURES_NAME_BYTES + 16];
	if (found == 2 * wanted)
		return 0;
	snprintf(file, sizeof(file), "plots/%s", name);
	return add(r, file, 0, "", "picture", texts[found], texts[2 * wanted]);
}

/* Each that the summary calls for is there, and none that it does not. Without any, in the page
 * either, there was no gnuplot. */
static int check_pictures(const char *dir, const struct summary *s, struct rederive *r)
{
	if (each_picture(dir, s, r, count_picture) != 0)
		return -1;
	return r->pictures > 0 || r->page_pictures ? each_picture(dir, s, r, check_picture) : 0;
}

enum csv_result rederive_check(const char *dir, const struct summary *s, struct rederive *out,
                               char error[512])
{
	struct file summary = {"summary.csv", SUMMARY_SCHEMA, SUMMARY_SCHEMA_VERSION, .head = NULL};
	struct file transfer = {"transfer.csv", TRANSFER_SCHEMA, TRANSFER_SCHEMA_VERSION,
	                        .head = NULL};
	struct transfer rows;
	char reason[512];
	memset(out, 0, sizeof(*out));
	error[0] = '\0';
	if (transfer_make(s, &rows) != 0)
		goto memory;
	int rc = transfer_text(&rows, &transfer.text);
	transfer_free(&rows);
	if (rc != 0)
		goto memory;
	if (summary_text(s, &summary.text) != 0) {
		csv_text_free(&transfer.text);
		goto memory;
	}
	enum csv_result first = check_file(dir, &summary, out, &out->summary_rows, error);
	enum csv_result second = check_file(dir, &transfer, out, &out->transfer_rows, reason);
	if (first == CSV_RESULT_OK && second != CSV_RESULT_OK) {
		snprintf(error, 512, "%s", reason);
		first = second;
	}
	second = check_page(dir, s, out, reason);
	if (first == CSV_RESULT_OK && second != CSV_RESULT_OK) {
		snprintf(error, 512, "%s", reason);
		first = second;
	}
	if (check_pictures(dir, s, out) == 0)
		return first;
memory:
	snprintf(error, 512, "out of memory");
	return CSV_RESULT_UNREADABLE;
}
