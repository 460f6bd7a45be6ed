/* page_meaning.c - the caveats of the page, each with this run's own figures. */
#include "harness/output/page_inner.h"

#include "harness/output/headline.h"
#include "harness/output/table.h"

#include <inttypes.h>
#include <string.h>

#define FILE_CREATE_SLOW_NS 40000

static void put_items_of_run(struct page *p)
{
	const struct summary_run *run = &p->summary->run;
	uint64_t slow = 0;
	uint64_t unfit = 0;
	uint64_t slowest = 0;
	for (size_t i = 0; i < p->samples->count; i++) {
		const struct sample *s = &p->samples->rows[i];
		slow += s->file_create_ns > FILE_CREATE_SLOW_NS;
		slowest = s->file_create_ns > slowest ? s->file_create_ns : slowest;
		unfit += strcmp(s->build, "release") != 0;
	}
	fprintf(p->out,
	        "<li>%" PRIu64 " slices in %" PRIu64 " cells; %" PRIu64
	        " failed. Failed ones never count, and nothing is concluded from an arm that has "
	        "one.</li>\n",
	        run->samples, run->cells, run->invalid_samples);
	fprintf(p->out,
	        "<li>Noise: %" PRIu64 " of %" PRIu64
	        " plaintext twins differ from plaintext in throughput; chance allows %" PRIu64
	        ".</li>\n",
	        run->twins_off_zero, run->twins, run->twins_limit);
	if (slow > 0) {
		char number[TABLE_NUMBER_BYTES];
		fprintf(p->out,
		        "<li><b>Creating a file was slow</b> before %" PRIu64
		        " slices (up to %s, expected below 40 µs). Encrypted streams create seven "
		        "to eight times more files, so their overhead is overstated here.</li>\n",
		        slow, table_ns((double)slowest, number));
	}
	if (unfit > 0)
		fprintf(p->out,
		        "<li><b>%" PRIu64 " slices come from a build that is not optimised or is "
		        "sanitised</b>: not fit "
		        "for conclusions.</li>\n",
		        unfit);
}

/* ---- of servers ---- */

struct server_rows {
	uint64_t published, acknowledged, stored; /* of the valid ones */
	uint64_t window_min, window_max;          /* of those that published; 0: none did */
	uint64_t replicas_max;
	int elsewhere; /* some were there already */
	int own;       /* some were the run's own */
};

static struct server_rows look_at_servers(const struct samples *samples)
{
	struct server_rows r = {0};
	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *s = &samples->rows[i];
		if (s->replicas == 0 || s->valid != 1)
			continue;
		r.elsewhere |= strcmp(s->target, "server") == 0;
		r.own |= strcmp(s->target, "nats") == 0;
		r.replicas_max = s->replicas > r.replicas_max ? s->replicas : r.replicas_max;
		if (s->published == 0)
			continue;
		r.published += s->published;
		r.acknowledged += s->acknowledged;
		r.stored += s->stored;
		if (r.window_min == 0 || s->window < r.window_min)
			r.window_min = s->window;
		r.window_max = s->window > r.window_max ? s->window : r.window_max;
	}
	return r;
}

/* Processor time of one message in plaintext: server, client, whole machine. */
static void put_loopback(struct page *p, const struct summary_row *cell)
{
	static const char *const metrics[] = {"cpu_ns_per_msg", "client_cpu_ns_per_msg",
	                                      "machine_cpu_ns_per_msg"};
	static const char *const words[] = {"the server", "the client", "the whole machine"};
	char number[TABLE_NUMBER_BYTES];
	const char *before = " In plaintext a message of ";
	fputs("<li>The client runs on this machine and shares its processors and the loopback with "
	      "the server: throughput is that of both together, CPU per message is the server "
	      "process alone.",
	      p->out);
	for (size_t i = 0; i < 3; i++) {
		const struct summary_row *row = summary_find(p->summary, cell, "none", metrics[i]);
		if (row == NULL)
			continue;
		fputs(before, p->out);
		if (before[1] == 'I') {
			table_html_text(p->out, cell->workload);
			fputs(" takes ", p->out);
		}
		fprintf(p->out, "%s of %s", table_ns(row->value, number), words[i]);
		before = ", ";
	}
	fputs(before[0] == ',' ? ".</li>\n" : "</li>\n", p->out);
}

static void put_counts(struct page *p, const struct server_rows *r)
{
	if (r->published == 0)
		return;
	if (r->published == r->acknowledged && r->published == r->stored)
		fprintf(p->out,
		        "<li>Published, acknowledged and stored by the servers' own count are the "
		        "same: %" PRIu64 " messages.</li>\n",
		        r->published);
	else
		fprintf(p->out,
		        "<li><b>Counts differ</b>: %" PRIu64 " messages published, %" PRIu64
		        " acknowledged, %" PRIu64 " stored by the servers' own count.</li>\n",
		        r->published, r->acknowledged, r->stored);
}

static void put_items_of_servers(struct page *p, const struct summary_row *cell)
{
	struct server_rows r = look_at_servers(p->samples);
	fputs("<li>A server's figures are those of its version: the ciphers' code, and what is "
	      "done "
	      "around it, changed between versions by several times.</li>\n",
	      p->out);
	put_loopback(p, cell);
	if (r.window_min > 0 && r.window_min == r.window_max)
		fprintf(p->out, "<li>A publisher has up to %" PRIu64 " messages", r.window_min);
	else if (r.window_min > 0)
		fprintf(p->out,
		        "<li>A publisher has up to %" PRIu64 " to %" PRIu64
		        " messages (by workload)",
		        r.window_min, r.window_max);
	if (r.window_min > 0)
		fputs(" unacknowledged. One that waits for each acknowledgement spends most of the "
		      "time waiting: the same cost is then a small share of its throughput, and no "
		      "smaller in CPU.</li>\n",
		      p->out);
	fputs("<li>Servers choose the block size themselves, and newer ones smaller blocks under a "
	      "cipher than in plaintext (2.15.1: 2 instead of 8 MiB; 2.9.10: the same): part of "
	      "what such a server loses, and most of its further files, is that. Workloads named "
	      "equal-blocks have 8 MiB in all arms.</li>\n",
	      p->out);
	if (r.own)
		fputs("<li>Each server of the run's own holds 64 MiB in memory while it is "
		      "measured, as one that has served for a while (server_heap, where the "
		      "workload says no other size), so that its garbage collector does not run "
		      "every 4 MiB; with an empty heap 2.9.10 pays about three times as "
		      "much.</li>\n",
		      p->out);
	if (r.replicas_max > 1)
		fprintf(p->out,
		        "<li>Streams have up to %" PRIu64
		        " replicas: every one of them enciphers what it stores.</li>\n",
		        r.replicas_max);
	if (r.elsewhere)
		fputs("<li>Of servers that were there already (--server) no process is seen: there "
		      "are no figures of CPU, memory and disk, and what cipher they use is what "
		      "the user said.</li>\n",
		      p->out);
	put_counts(p, &r);
}

/* ---- all ---- */

static void put_items_of_subject(struct page *p, const struct summary_row *cell)
{
	char subject[HEADLINE_TEXT_BYTES];
	headline_subject(cell, subject);
	fputs("<li>Percentages are percentages of <b>", p->out);
	table_html_text(p->out, subject);
	fputs("</b>", p->out);
	fputs(headline_next_cell(p->summary, cell) != NULL ? " (or of whoever the row names)" : "",
	      p->out);
	fputs(" in plaintext on this machine. They depend on everything else that is done per "
	      "message: the faster the rest, the larger the percentage. Nanoseconds and CPU per "
	      "message carry over, percentages do not.</li>\n",
	      p->out);
	if (summary_is_server(cell))
		put_items_of_servers(p, cell);
	else
		fputs("<li><b>A server's own cost was not measured.</b> Its cost per message is "
		      "like this one only where its cipher code is as fast; it may be several "
		      "times slower. Neither a percentage nor a time of this page is the cost of a "
		      "deployment.</li>\n",
		      p->out);
}

void page_put_meaning(struct page *p)
{
	const struct summary_row *cell = headline_cell(p->summary);
	fputs("<h2>What the numbers mean</h2>\n<ul>\n", p->out);
	if (cell != NULL)
		put_items_of_subject(p, cell);
	fputs("<li>An estimate is the Hodges–Lehmann estimate over paired rounds (each arm runs "
	      "in every round), the interval the exact 95 % Wilcoxon signed-rank interval; for "
	      "latency percentiles a bootstrap over the rounds. Disk figures are exact.</li>\n"
	      "<li>An effect whose interval includes zero, or that is not larger than what a "
	      "second plaintext arm shows, is “not distinguishable from zero here”; the table "
	      "then gives what it may cost at most (≤): the upper end of the interval, or what the "
	      "second plaintext arm shows when that is more.</li>\n",
	      p->out);
	put_items_of_run(p);
	fputs("<li>Every figure can be made again with <code>atrest report</code>; the rows are in "
	      "samples.csv, the estimates in summary.csv.</li>\n</ul>\n",
	      p->out);
}
