/* table.c - see table.h. */
#include "harness/output/table.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct column {
	char *key;
	char *head;
	enum table_align align;
};

enum cell_kind { CELL_EMPTY, CELL_TEXT, CELL_REAL, CELL_U64 };

struct cell {
	enum cell_kind kind;
	char *shown;
	char *text; /* CELL_TEXT: the value for JSON */
	double real;
	uint64_t u64;
	enum table_color color;
};

struct row {
	struct cell cells[TABLE_COLUMNS_MAX];
};

struct table {
	struct column columns[TABLE_COLUMNS_MAX];
	size_t column_count;
	struct row *rows;
	size_t row_count, row_capacity;
	size_t next; /* cell of the last row that is put next */
	int failed;
};

struct table *table_new(void)
{
	return calloc(1, sizeof(struct table));
}

void table_free(struct table *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->column_count; i++) {
		free(t->columns[i].key);
		free(t->columns[i].head);
	}
	for (size_t r = 0; r < t->row_count; r++) {
		for (size_t i = 0; i < t->column_count; i++) {
			free(t->rows[r].cells[i].shown);
			free(t->rows[r].cells[i].text);
		}
	}
	free(t->rows);
	free(t);
}

static char *copy(struct table *t, const char *text)
{
	char *out = strdup(text);
	t->failed |= out == NULL;
	return out;
}

void table_column(struct table *t, const char *key, const char *head, enum table_align align)
{
	if (t == NULL || t->column_count == TABLE_COLUMNS_MAX || t->row_count > 0)
		return;
	struct column *c = &t->columns[t->column_count++];
	c->key = copy(t, key);
	c->head = copy(t, head != NULL ? head : key);
	c->align = align;
}

void table_row(struct table *t)
{
	if (t == NULL)
		return;
	t->next = 0;
	if (t->row_count == t->row_capacity) {
		size_t capacity = t->row_capacity == 0 ? 16 : t->row_capacity * 2;
		struct row *larger = realloc(t->rows, capacity * sizeof(*larger));
		if (larger == NULL) {
			t->failed = 1;
			return;
		}
		t->rows = larger;
		t->row_capacity = capacity;
	}
	memset(&t->rows[t->row_count++], 0, sizeof(struct row));
}

static struct cell *next_cell(struct table *t, enum cell_kind kind, const char *shown)
{
	if (t == NULL || t->failed || t->row_count == 0 || t->next == t->column_count)
		return NULL;
	struct cell *c = &t->rows[t->row_count - 1].cells[t->next++];
	c->kind = kind;
	c->shown = copy(t, shown);
	return c;
}

void table_text(struct table *t, const char *text)
{
	struct cell *c = next_cell(t, CELL_TEXT, text);
	if (c != NULL)
		c->text = copy(t, text);
}

void table_format(struct table *t, const char *format, ...)
{
	char text[1024];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	table_text(t, text);
}

void table_real(struct table *t, double value, int decimals)
{
	char text[384] = "-";
	if (isfinite(value))
		snprintf(text, sizeof(text), "%.*f", decimals, value);
	struct cell *c = next_cell(t, CELL_REAL, text);
	if (c != NULL)
		c->real = value;
}

void table_u64(struct table *t, uint64_t value)
{
	char text[32];
	snprintf(text, sizeof(text), "%" PRIu64, value);
	struct cell *c = next_cell(t, CELL_U64, text);
	if (c != NULL)
		c->u64 = value;
}

static struct cell *last_cell(struct table *t)
{
	if (t == NULL || t->failed || t->row_count == 0 || t->next == 0)
		return NULL;
	return &t->rows[t->row_count - 1].cells[t->next - 1];
}

void table_shown(struct table *t, const char *text)
{
	struct cell *c = last_cell(t);
	if (c == NULL)
		return;
	free(c->shown);
	c->shown = copy(t, text);
}

void table_colored(struct table *t, enum table_color color)
{
	struct cell *c = last_cell(t);
	if (c != NULL)
		c->color = color;
}

/* ---- as text ---- */

/* Places on a screen: bytes that do not continue a UTF-8 character. */
static size_t width_of(const char *text)
{
	size_t width = 0;
	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static const char *const escapes[] = {"", "\033[1m", "\033[31m", "\033[32m", "\033[33m", "\033[2m"};

static void print_cell(FILE *out, const char *text, size_t width, enum table_align align, int last,
                       enum table_color color)
{
	size_t own = width_of(text);
	int pad = own < width ? (int)(width - own) : 0;
	if (align == TABLE_RIGHT)
		fprintf(out, "%*s", pad, "");
	fprintf(out, "%s%s%s", escapes[color], text, color != TABLE_PLAIN ? "\033[0m" : "");
	if (!last)
		fprintf(out, "%*s", align == TABLE_LEFT ? pad + 2 : 2, "");
}

int table_colors(FILE *out)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	if (no_color != NULL && no_color[0] != '\0')
		return 0;
	return isatty(fileno(out)) && term != NULL && strcmp(term, "dumb") != 0;
}

static const char *shown(const struct cell *c)
{
	return c->shown != NULL ? c->shown : "";
}

int table_print(const struct table *t, FILE *out)
{
	if (t == NULL || t->failed)
		return -1;
	int colors = table_colors(out);
	size_t width[TABLE_COLUMNS_MAX];
	for (size_t i = 0; i < t->column_count; i++) {
		width[i] = width_of(t->columns[i].head);
		for (size_t r = 0; r < t->row_count; r++) {
			size_t own = width_of(shown(&t->rows[r].cells[i]));
			width[i] = own > width[i] ? own : width[i];
		}
	}
	for (size_t i = 0; i < t->column_count; i++)
		print_cell(out, t->columns[i].head, width[i], t->columns[i].align,
		           i + 1 == t->column_count, colors ? TABLE_BOLD : TABLE_PLAIN);
	fputc('\n', out);
	for (size_t r = 0; r < t->row_count; r++) {
		for (size_t i = 0; i < t->column_count; i++) {
			const struct cell *c = &t->rows[r].cells[i];
			print_cell(out, shown(c), width[i], t->columns[i].align,
			           i + 1 == t->column_count, colors ? c->color : TABLE_PLAIN);
		}
		fputc('\n', out);
	}
	return ferror(out) ? -1 : 0;
}

/* ---- as Markdown ---- */

void table_markdown_text(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '<')
			fputs("&lt;", out);
		else if (*text == '>')
			fputs("&gt;", out);
		else if (*text == '&')
			fputs("&amp;", out);
		else if ((unsigned char)*text < 0x20)
			fputc(' ', out); /* the end of a line is the end of the table */
		else if (strchr("\\`*_{}[]|#~!@", *text) != NULL)
			fprintf(out, "\\%c", *text);
		else
			fputc(*text, out);
	}
}

static void markdown_cell(FILE *out, const char *text)
{
	fputs(" ", out);
	table_markdown_text(out, text);
	fputs(" |", out);
}

int table_markdown(const struct table *t, FILE *out)
{
	if (t == NULL || t->failed)
		return -1;
	fputc('|', out);
	for (size_t i = 0; i < t->column_count; i++)
		markdown_cell(out, t->columns[i].head);
	fputs("\n|", out);
	for (size_t i = 0; i < t->column_count; i++)
		fputs(t->columns[i].align == TABLE_RIGHT ? "---:|" : "---|", out);
	fputc('\n', out);
	for (size_t r = 0; r < t->row_count; r++) {
		fputc('|', out);
		for (size_t i = 0; i < t->column_count; i++)
			markdown_cell(out, shown(&t->rows[r].cells[i]));
		fputc('\n', out);
	}
	return ferror(out) ? -1 : 0;
}

/* ---- as HTML ---- */

void table_html_text(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		case '\'':
			fputs("&#39;", out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

int table_html(const struct table *t, FILE *out)
{
	if (t == NULL || t->failed)
		return -1;
	fputs("<table>\n<tr>", out);
	for (size_t i = 0; i < t->column_count; i++) {
		fputs(t->columns[i].align == TABLE_RIGHT ? "<th class=r>" : "<th>", out);
		table_html_text(out, t->columns[i].head);
		fputs("</th>", out);
	}
	fputs("</tr>\n", out);
	for (size_t r = 0; r < t->row_count; r++) {
		const struct cell *cells = t->rows[r].cells;
		fputs(shown(&cells[0])[0] != '\0' ? "<tr class=group>" : "<tr>", out);
		for (size_t i = 0; i < t->column_count; i++) {
			fputs(t->columns[i].align == TABLE_RIGHT ? "<td class=r>" : "<td>", out);
			table_html_text(out, shown(&cells[i]));
			fputs("</td>", out);
		}
		fputs("</tr>\n", out);
	}
	fputs("</table>\n", out);
	return ferror(out) ? -1 : 0;
}

/* ---- as JSON ---- */

static json_t *json_of(const struct cell *c)
{
	switch (c->kind) {
	case CELL_TEXT:
		return json_string(c->text);
	case CELL_REAL:
		return isfinite(c->real) ? json_real(c->real) : json_null();
	case CELL_U64:
		/* jansson's integers are signed; what does not fit is a real. */
		return c->u64 <= INT64_MAX ? json_integer((json_int_t)c->u64)
		                           : json_real((double)c->u64);
	case CELL_EMPTY:
		break;
	}
	return json_null();
}

int table_json(const struct table *t, FILE *out)
{
	if (t == NULL || t->failed)
		return -1;
	fputs("[", out);
	for (size_t r = 0; r < t->row_count; r++) {
		json_t *object = json_object();
		int rc = object == NULL ? -1 : 0;
		for (size_t i = 0; i < t->column_count && rc == 0; i++)
			rc = json_object_set_new(object, t->columns[i].key,
			                         json_of(&t->rows[r].cells[i]));
		fputs(r == 0 ? "\n" : ",\n", out);
		if (rc == 0)
			rc = json_dumpf(object, out, JSON_COMPACT | JSON_REAL_PRECISION(12));
		json_decref(object);
		if (rc != 0)
			return -1;
	}
	fputs(t->row_count > 0 ? "\n]\n" : "]\n", out);
	return ferror(out) ? -1 : 0;
}

/* ---- numbers for people ---- */

/* Three significant digits: 842, 12.3, 1.24. */
static void put_number(char *text, size_t bytes, double value, const char *unit)
{
	double size = fabs(value);
	int decimals = size >= 99.95 || value == 0 ? 0 : size >= 9.995 ? 1 : 2;
	snprintf(text, bytes, "%.*f%s", decimals, value, unit);
}

struct scale {
	double from; /* values this large (rounded) */
	double unit;
	const char *name;
};

static const char *scaled(double value, const struct scale *scales, size_t count, char *text)
{
	if (!isfinite(value)) {
		snprintf(text, TABLE_NUMBER_BYTES, "-");
		return text;
	}
	size_t i = 0;
	while (i + 1 < count && fabs(value) < scales[i].from)
		i++;
	put_number(text, TABLE_NUMBER_BYTES, value / scales[i].unit, scales[i].name);
	return text;
}

const char *table_ns(double ns, char text[TABLE_NUMBER_BYTES])
{
	static const struct scale scales[] = {
	        {999.5e6, 1e9, " s"}, {999.5e3, 1e6, " ms"}, {999.5, 1e3, " µs"}, {0, 1, " ns"}};
	return scaled(ns, scales, 4, text);
}

const char *table_bytes(double bytes, char text[TABLE_NUMBER_BYTES])
{
	static const struct scale scales[] = {{1099511627776.0, 1099511627776.0, " TiB"},
	                                      {1073741824.0, 1073741824.0, " GiB"},
	                                      {1048576.0, 1048576.0, " MiB"},
	                                      {1024.0, 1024.0, " KiB"}};
	if (fabs(bytes) < 1024) {
		snprintf(text, TABLE_NUMBER_BYTES, "%.0f B", bytes);
		return text;
	}
	for (size_t i = 0; i < 4; i++) {
		double units = bytes / scales[i].unit;
		if (fabs(units) >= 1 && fabs(units) < 1024 && units == floor(units)) {
			snprintf(text, TABLE_NUMBER_BYTES, "%.0f%s", units, scales[i].name);
			return text;
		}
	}
	return scaled(bytes, scales, 4, text);
}

const char *table_count(double count, char text[TABLE_NUMBER_BYTES])
{
	static const struct scale scales[] = {
	        {999.5e6, 1e9, " G"}, {999.5e3, 1e6, " M"}, {999.5, 1e3, " k"}, {0, 1, ""}};
	if (isfinite(count) && fabs(count) < 999.5 && count == floor(count)) {
		snprintf(text, TABLE_NUMBER_BYTES, "%.0f", count);
		return text;
	}
	return scaled(count, scales, 4, text);
}
