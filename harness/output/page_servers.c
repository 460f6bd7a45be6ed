/* page_servers.c - the sections of the page that only servers have. */
#include "harness/output/page_inner.h"

#include "harness/output/headline.h"
#include "harness/output/table.h"

#include <math.h>
#include <string.h>

/* ---- transfer ---- */

static void put_estimate(struct table *t, double estimate, double low, double high)
{
	char number[HEADLINE_TEXT_BYTES];
	table_text(t, headline_ns((struct stats_interval){estimate, low, high}, number));
}

/* Predicted, measured, error. What may be zero has no error in percent. */
static void put_compared(struct table *t, const struct transfer_row *row)
{
	if (row == NULL) {
		for (int i = 0; i < 3; i++)
			table_text(t, "-");
		return;
	}
	if (strcmp(row->role, "fit") == 0)
		table_text(t, "(on the line)");
	else
		put_estimate(t, row->predicted, row->predicted_low, row->predicted_high);
	put_estimate(t, row->measured, row->measured_low, row->measured_high);
	if (isfinite(row->error_pct))
		table_format(t, "%+.0f %%%s", row->error_pct,
		             strcmp(row->agrees, "yes") == 0 ? ", within the intervals" : "");
	else if (row->agrees[0] != '\0')
		table_format(t, "may be zero%s",
		             strcmp(row->agrees, "yes") == 0 ? ", within the intervals" : "");
	else
		table_text(t, "");
}

static const struct transfer_row *in_store(const struct transfer *t, const struct transfer_row *row)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct transfer_row *r = &t->rows[i];
		if (strcmp(r->target, "store") == 0 && strcmp(r->arm, row->arm) == 0 &&
		    strcmp(r->metric, row->metric) == 0 && r->payload_bytes == row->payload_bytes)
			return r;
	}
	return NULL;
}

static void put_transfer_row(struct table *t, const struct transfer *transfer,
                             const struct transfer_row *row, int first)
{
	char text[TABLE_NUMBER_BYTES];
	struct summary_row of;
	memset(&of, 0, sizeof(of));
	memcpy(of.target, row->target, sizeof(of.target));
	memcpy(of.target_version, row->target_version, sizeof(of.target_version));
	table_row(t);
	if (first)
		table_format(t, "%s %s", row->target, row->target_version);
	else
		table_text(t, "");
	table_text(t, table_bytes((double)row->payload_bytes, text));
	table_text(t, row->arm);
	put_compared(t, row);
	put_compared(t,
	             transfer_find(transfer, &of, row->arm, "time_ns_per_msg", row->payload_bytes));
	const struct transfer_row *floor = in_store(transfer, row);
	if (floor != NULL)
		put_estimate(t, floor->measured, floor->measured_low, floor->measured_high);
}

static struct table *transfer_table(const struct transfer *transfer)
{
	struct table *t = table_new();
	table_column(t, "server", NULL, TABLE_LEFT);
	table_column(t, "payload", NULL, TABLE_RIGHT);
	table_column(t, "cipher", NULL, TABLE_LEFT);
	table_column(t, "cpu_predicted", "CPU predicted", TABLE_RIGHT);
	table_column(t, "cpu_measured", "CPU measured", TABLE_RIGHT);
	table_column(t, "cpu_error", "error", TABLE_RIGHT);
	table_column(t, "time_predicted", "time predicted", TABLE_RIGHT);
	table_column(t, "time_measured", "time measured", TABLE_RIGHT);
	table_column(t, "time_error", "error", TABLE_RIGHT);
	table_column(t, "store_cpu", "this store, CPU", TABLE_RIGHT);
	const struct transfer_row *before = NULL;
	for (size_t i = 0; i < transfer->count; i++) {
		const struct transfer_row *row = &transfer->rows[i];
		if (strcmp(row->target, "store") == 0 || strcmp(row->metric, "cpu_ns_per_msg") != 0)
			continue;
		int first = before == NULL || strcmp(before->target, row->target) != 0 ||
		            strcmp(before->target_version, row->target_version) != 0;
		put_transfer_row(t, transfer, row, first);
		before = row;
	}
	return t;
}

void page_put_transfer(struct page *p)
{
	fputs("<div class=scroll>\n", p->out);
	struct table *t = transfer_table(p->transfer);
	(void)table_html(t, p->out);
	table_free(t);
	fputs("</div>\n<p class=note>Added to a message by the cipher: CPU time of the server's "
	      "process, and time of a message at full throughput; 95 % intervals. A line is "
	      "a + b · bytes through the cells of 1 KiB and 64 KiB of the same server; without "
	      "both "
	      "nothing is predicted. “May be zero”: the interval of what is predicted or measured "
	      "holds zero, and an error in percent would say nothing. The rows are in "
	      "transfer.csv.</p>\n"
	      "<p>What does not carry over: a line holds for its own version, cipher and machine. "
	      "nats-server 2.9.10 pays for a heap allocation at each write (32 KiB, cleared; "
	      "with an empty heap about three times as much: server_heap), not for the cipher. "
	      "Inside the servers, on the one machine where that was looked at, the allocation "
	      "took 4 µs even for 16 bytes, 2.9.10 ran chachapoly and aes both at about 0.9 GB/s, "
	      "and 2.15.1 aes at 7.5 and chachapoly still at 0.95. What this store pays is a "
	      "floor, the cipher with little around it, "
	      "and no prediction for a server.</p>\n",
	      p->out);
}

/* ---- restarts ---- */

/* The latency of an opening is that of a start; with one start a slice its percentiles are equal.
 */
static int is_restart(const struct summary_row *row)
{
	return summary_is_server(row) && strncmp(row->class_, "open", strlen("open")) == 0 &&
	       strcmp(row->metric, "latency_p50_ns") == 0 && strcmp(row->arm, "none-twin") != 0;
}

void page_put_restarts(struct page *p)
{
	struct table *t = NULL;
	for (size_t i = 0; i < p->summary->count; i++) {
		const struct summary_row *row = &p->summary->rows[i];
		char text[TABLE_NUMBER_BYTES];
		if (!is_restart(row))
			continue;
		if (t == NULL) {
			t = table_new();
			table_column(t, "server", NULL, TABLE_LEFT);
			table_column(t, "workload", NULL, TABLE_LEFT);
			table_column(t, "arm", NULL, TABLE_LEFT);
			table_column(t, "ready", "ready after", TABLE_RIGHT);
			table_column(t, "added", NULL, TABLE_RIGHT);
			table_column(t, "verdict", NULL, TABLE_LEFT);
		}
		table_row(t);
		table_format(t, "%s %s", row->target, row->target_version);
		table_text(t, row->workload);
		table_text(t, row->arm);
		table_text(t, table_ns(row->value, text));
		if (strcmp(row->arm, "none") == 0) {
			table_text(t, "");
			table_text(t, "");
			continue;
		}
		put_estimate(t, row->added, row->added_low, row->added_high);
		table_text(t, row->verdict);
	}
	if (t == NULL)
		return;
	fputs("<h2>Restart: from start to JetStream ready</h2>\n<div class=scroll>\n", p->out);
	(void)table_html(t, p->out);
	table_free(t);
	fputs("</div>\n<p class=note>The process is started on a store that was filled and stopped "
	      "in an orderly way; it is ready when the account's JetStream answers. “recover”: its "
	      "state file was taken away, so that every block is read.</p>\n",
	      p->out);
}
