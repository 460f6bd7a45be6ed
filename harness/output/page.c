/* page.c - see page.h. Order: the sentence; overhead, CPU, store against server, transfer, disk,
 * latency, throughput, classes; restarts of servers, all cells, what the numbers mean, the machine.
 * Everything that comes from a file goes through
 * table_html_text. */
#include "harness/output/page.h"

#include "harness/analysis/repeat.h"
#include "harness/output/headline.h"
#include "harness/output/page_inner.h"
#include "harness/output/rates.h"
#include "harness/output/replace.h"
#include "harness/output/table.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIGURE_BYTES_MAX  (16u << 20)
#define MACHINE_BYTES_MAX (4u << 20)

static const char style[] =
        "body{font:16px/1.5 'DejaVu Sans',Verdana,sans-serif;color:#222;background:#fff;"
        "max-width:1180px;margin:0 auto;padding:1.2em}"
        "h1{font-size:1em;font-weight:normal;color:#666;margin:0 0 .8em}"
        ".lead{font-size:1.3em;line-height:1.45;margin:0 0 1em}"
        "h2{font-size:1.2em;margin:2em 0 .4em;border-bottom:1px solid #ccc;padding-bottom:.2em}"
        "figure{margin:0}figure img{width:100%;height:auto}"
        ".note{color:#555;font-size:.88em}"
        ".warning{background:#fff3e0;border-left:6px solid #d55e00;padding:.6em 1em;margin:1em 0}"
        ".scroll{overflow-x:auto}"
        "table{border-collapse:collapse;font-size:.85em;font-variant-numeric:tabular-nums}"
        "th,td{padding:.2em .7em;text-align:left;white-space:nowrap}"
        "th{border-bottom:2px solid #888}td.r,th.r{text-align:right}"
        "tr.group td{border-top:1px solid #ccc}"
        "table.machine td{white-space:normal;vertical-align:top;overflow-wrap:anywhere}"
        "@media print{body{max-width:none;padding:0;font-size:11px}h2{break-after:avoid}"
        "figure,tr{break-inside:avoid}.scroll{overflow:visible}}";

/* ---- machine.json ---- */

static void put_machine_row(FILE *out, const char *name, const char *value)
{
	fputs("<tr><td>", out);
	table_html_text(out, name);
	fputs("</td><td>", out);
	table_html_text(out, value);
	fputs("</td></tr>\n", out);
}

static void put_number(const char *name, json_int_t value, char text[64])
{
	char number[TABLE_NUMBER_BYTES];
	size_t bytes = strlen(name);
	if (bytes > 6 && strcmp(name + bytes - 6, "_bytes") == 0)
		snprintf(text, 64, "%s", table_bytes((double)value, number));
	else if (bytes > 3 && strcmp(name + bytes - 3, "_ns") == 0)
		snprintf(text, 64, "%s", table_ns((double)value, number));
	else
		snprintf(text, 64, "%" JSON_INTEGER_FORMAT, value);
}

/* Members of members as "cpu model", lists of texts in one row; null is left out. */
static void put_machine(FILE *out, const char *name, const json_t *value, int depth)
{
	char text[64];
	const char *key;
	json_t *member;
	size_t i;
	if (depth > 6)
		return;
	if (json_is_object(value)) {
		json_object_foreach((json_t *)value, key, member)
		{
			char path[256];
			snprintf(path, sizeof(path), "%.120s%s%.120s", name,
			         name[0] != '\0' ? " " : "", key);
			put_machine(out, path, member, depth + 1);
		}
	} else if (json_is_array(value) && json_is_string(json_array_get(value, 0))) {
		char list[4096] = "";
		json_array_foreach(value, i, member)
		{
			size_t have = strlen(list);
			snprintf(list + have, sizeof(list) - have, "%s%s", i > 0 ? ", " : "",
			         json_is_string(member) ? json_string_value(member) : "?");
		}
		put_machine_row(out, name, list);
	} else if (json_is_array(value)) {
		json_array_foreach(value, i, member)
		{
			char path[256];
			snprintf(path, sizeof(path), "%.200s %zu", name, i + 1);
			put_machine(out, path, member, depth + 1);
		}
	} else if (json_is_string(value)) {
		put_machine_row(out, name, json_string_value(value));
	} else if (json_is_integer(value)) {
		put_number(name, json_integer_value(value), text);
		put_machine_row(out, name, text);
	} else if (json_is_real(value)) {
		snprintf(text, sizeof(text), "%g", json_real_value(value));
		put_machine_row(out, name, text);
	} else if (json_is_boolean(value)) {
		put_machine_row(out, name, json_is_true(value) ? "yes" : "no");
	}
}

static json_t *read_machine(const char *dir)
{
	char path[PATH_MAX];
	char *text;
	size_t bytes;
	snprintf(path, sizeof(path), "%s/machine.json", dir);
	int rc = read_whole_file(path, MACHINE_BYTES_MAX, &text, &bytes);
	json_t *machine = rc == 0 ? json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL) : NULL;
	free(text);
	return machine;
}

static void put_machine_section(struct page *p)
{
	fputs("<h2>The machine</h2>\n", p->out);
	if (!json_is_object(p->machine)) {
		fputs("<p>No readable machine.json: which machine these numbers belong to is not "
		      "known.</p>\n",
		      p->out);
	} else {
		fputs("<div class=scroll><table class=machine>\n", p->out);
		put_machine(p->out, "", p->machine, 0);
		fputs("</table></div>\n", p->out);
	}
}

/* ---- figures ---- */

static void put_base64(FILE *out, const unsigned char *data, size_t bytes)
{
	static const char digits[] =
	        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < bytes; i += 3) {
		uint32_t group = (uint32_t)data[i] << 16;
		if (i + 1 < bytes)
			group |= (uint32_t)data[i + 1] << 8;
		if (i + 2 < bytes)
			group |= data[i + 2];
		fputc(digits[group >> 18], out);
		fputc(digits[group >> 12 & 63], out);
		fputc(i + 1 < bytes ? digits[group >> 6 & 63] : '=', out);
		fputc(i + 2 < bytes ? digits[group & 63] : '=', out);
	}
}

/* As a data-URI image: SVGs of gnuplot inlined in one document would share element ids. */
static void put_picture(struct page *p, const struct figure *f, const char *name)
{
	char path[PATH_MAX];
	char *image;
	size_t bytes;
	snprintf(path, sizeof(path), "%s/plots/%s.svg", p->dir, name);
	if (read_whole_file(path, FIGURE_BYTES_MAX, &image, &bytes) != 0) {
		fputs("<p class=warning>This figure could not be drawn.</p>\n", p->out);
		return;
	}
	fprintf(p->out, "<figure><img alt=\"%s\" src=\"data:image/svg+xml;base64,", f->title);
	put_base64(p->out, (const unsigned char *)image, bytes);
	fputs("\"></figure>\n", p->out);
	free(image);
}

/* All its pictures under one title; 0 when it has none. */
static int put_figure(struct page *p, const struct figure *f)
{
	char name[FIGURES_NAME_BYTES];
	int count = 0;
	for (size_t n = 1; n <= FIGURES_SUBJECTS_MAX; n++) {
		if (!figures_picture(f, p->summary, n, name))
			continue;
		if (count++ == 0)
			fprintf(p->out, "<h2>%s</h2>\n", f->title);
		put_picture(p, f, name);
	}
	if (count > 0)
		fprintf(p->out, "<p class=note>%s</p>\n", f->caption);
	return count;
}

static void put_rates(struct page *p)
{
	struct table *t = rates_table(p->summary);
	fputs("<div class=scroll>\n", p->out);
	(void)table_html(t, p->out);
	table_free(t);
	fputs("</div>\n<p class=note>" RATES_NOTE ". Every latency is in histograms.csv, merged in "
	      "histograms/*.hgrm.</p>\n",
	      p->out);
}

/* ---- the page ---- */

/* What is told once per round or arm: many of one kind are one line that opens. */
static const struct {
	const char *mark; /* within the warning */
	const char *words;
} many[] = {
        {": repeated, ", "rounds were disturbed by something else on this machine and run again"},
        {": the offered rate of ",
         "times a rate that was offered was not reached: those response times are of a queue that "
         "grows"},
};
#define MANY_COUNT (sizeof(many) / sizeof(many[0]))

/* MANY_COUNT: of no such kind. */
static size_t kind_of(const json_t *warning)
{
	const char *text = json_string_value(warning);
	size_t kind = 0;
	while (kind < MANY_COUNT && (text == NULL || strstr(text, many[kind].mark) == NULL))
		kind++;
	return kind;
}

/* Said while it ran, when it was not known how many there would be: the page has their count. */
static int is_counted(const json_t *warning, const struct repeat_tally *tally)
{
	const char *text = json_string_value(warning);
	return tally->disturbed > 0 && text != NULL && strstr(text, REPEAT_NO_MORE) != NULL;
}

/* Those of that kind, one below the other. */
static void put_warnings_of(struct page *p, const json_t *warnings, size_t kind,
                            const struct repeat_tally *tally)
{
	for (size_t i = 0; i < json_array_size(warnings); i++) {
		const json_t *warning = json_array_get(warnings, i);
		const char *text = json_string_value(warning);
		if (kind_of(warning) != kind || is_counted(warning, tally))
			continue;
		fputs("<div>", p->out);
		table_html_text(p->out, text == NULL ? "" : text);
		fputs("</div>\n", p->out);
	}
}

/* What the user was told while it ran: not durable, slow files, payloads of zeros, ...; and, of the
 * samples, how many rounds were disturbed. */
static void put_warnings_of_run(struct page *p)
{
	const json_t *warnings = json_object_get(json_object_get(p->machine, "run"), "warnings");
	struct repeat_tally tally = repeat_tally_of(p->samples);
	size_t counts[MANY_COUNT + 1] = {0};
	if (json_array_size(warnings) == 0 && tally.disturbed == 0)
		return;
	for (size_t i = 0; i < json_array_size(warnings); i++)
		counts[kind_of(json_array_get(warnings, i))]++;
	fputs("<div class=warning>", p->out);
	put_warnings_of(p, warnings, MANY_COUNT, &tally);
	if (tally.disturbed > 0)
		fprintf(p->out,
		        "<div>%zu of %zu rounds were disturbed by something else on this machine "
		        "and count as they are, more than may be repeated</div>\n",
		        tally.disturbed, tally.rounds);
	for (size_t kind = 0; kind < MANY_COUNT; kind++) {
		if (counts[kind] > 1)
			fprintf(p->out, "<details><summary>%zu %s</summary>\n", counts[kind],
			        many[kind].words);
		put_warnings_of(p, warnings, kind, &tally);
		if (counts[kind] > 1)
			fputs("</details>\n", p->out);
	}
	fputs("</div>\n", p->out);
}

static void put_warnings(struct page *p)
{
	const struct summary_run *run = &p->summary->run;
	if (!run->complete)
		fputs("<p class=warning><b>Interrupted run.</b> It stopped before its end; what "
		      "follows is of the rounds that were done.</p>\n",
		      p->out);
	if (run->invalid_samples > 0) {
		fprintf(p->out, "<p class=warning><b>%" PRIu64 " %s failed.</b> The first: ",
		        run->invalid_samples, run->invalid_samples == 1 ? "slice" : "slices");
		table_html_text(p->out,
		                run->first_error[0] != '\0' ? run->first_error : "no reason given");
		fputs("</p>\n", p->out);
	}
	if (run->arms_missing > 0)
		fprintf(p->out, "<p class=warning><b>%" PRIu64 " arms are missing.</b></p>\n",
		        run->arms_missing);
	put_warnings_of_run(p);
	if (summary_inconclusive(run))
		fputs("<p class=warning><b>Inconclusive.</b> More plaintext twins differ from "
		      "plaintext than chance allows: this machine was not quiet enough.</p>\n",
		      p->out);
}

static void put_dates(struct page *p)
{
	uint64_t first = UINT64_MAX;
	for (size_t i = 0; i < p->samples->count; i++)
		if (p->samples->rows[i].started_unix_ns < first)
			first = p->samples->rows[i].started_unix_ns;
	time_t seconds = (time_t)(first / 1000000000u);
	struct tm tm;
	char text[64] = "";
	if (p->samples->count > 0 && first > 0 && gmtime_r(&seconds, &tm) != NULL)
		strftime(text, sizeof(text), ", started %Y-%m-%d %H:%M UTC", &tm);
	fprintf(p->out, "<h1>atrest: what encryption at rest costs%s</h1>\n", text);
}

static int put_page(struct page *p)
{
	char sentence[HEADLINE_BYTES];
	headline_sentence(p->summary, sentence);
	fputs("<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>\n"
	      "<meta name=viewport content=\"width=device-width,initial-scale=1\">\n"
	      "<title>atrest report</title>\n<style>",
	      p->out);
	fputs(style, p->out);
	fputs("</style></head><body>\n", p->out);
	put_dates(p);
	fputs("<p class=lead>", p->out);
	table_html_text(p->out, sentence);
	fputs("</p>\n", p->out);
	put_warnings(p);
	for (const struct figure *f = figures; f->name != NULL; f++) {
		if (!put_figure(p, f))
			continue;
		if (f->kind == FIGURE_OF_TRANSFER)
			page_put_transfer(p);
		if (f->kind == FIGURE_OF_RATES)
			put_rates(p);
	}
	page_put_restarts(p);

	fputs("<h2>All workloads and arms</h2>\n<div class=scroll>\n", p->out);
	struct table *t = headline_table(p->summary);
	int rc = table_html(t, p->out);
	table_free(t);
	fputs("</div>\n<p class=note>CPU/msg and added: CPU time of the process that owns the "
	      "store, per message: of a nats row the server's. client: of the process that talks "
	      "to it. Lost: throughput. Brackets hold 95 % intervals; " HEADLINE_NOTE ".</p>\n",
	      p->out);
	page_put_meaning(p);
	page_put_selftest(p);
	put_machine_section(p);
	fputs("</body></html>\n", p->out);
	return rc;
}

static int write_csv(const char *dir, const struct summary *s, const struct transfer *t,
                     char error[512])
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/summary.csv", dir);
	int rc = summary_write(path, s);
	if (rc == 0) {
		snprintf(path, sizeof(path), "%s/transfer.csv", dir);
		rc = transfer_write(path, t);
	}
	if (rc != 0)
		snprintf(error, 512, "%.400s: %s", path, strerror(-rc));
	return rc;
}

static int write_page(struct page *p, char error[512])
{
	char path[PATH_MAX];
	char *text = NULL;
	size_t bytes = 0;
	p->out = open_memstream(&text, &bytes);
	if (p->out == NULL)
		return -ENOMEM;
	int rc = put_page(p) != 0 ? -ENOMEM : 0;
	if (fclose(p->out) != 0 && rc == 0)
		rc = -ENOMEM;
	snprintf(path, sizeof(path), "%s/report.html", p->dir);
	if (rc == 0)
		rc = replace_file(path, text, bytes);
	free(text);
	if (rc != 0)
		snprintf(error, 512, "%.400s: %s", path, strerror(-rc));
	return rc;
}

int page_make(const char *dir, const struct samples *samples, const struct summary *s,
              enum figures_result *drawn, char error[512])
{
	struct transfer transfer;
	*drawn = FIGURES_FAILED;
	error[0] = '\0';
	if (transfer_make(s, &transfer) != 0) {
		snprintf(error, 512, "out of memory");
		return -ENOMEM;
	}
	int rc = write_csv(dir, s, &transfer, error);
	if (rc == 0) {
		*drawn = figures_draw(dir, s, error);
		json_t *machine = read_machine(dir);
		struct page p = {NULL, dir, machine, samples, s, &transfer};
		rc = write_page(&p, error);
		json_decref(machine);
	}
	transfer_free(&transfer);
	return rc;
}
