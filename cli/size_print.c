/* size_print.c - see size_print.h. Text and Markdown are the same lines. */
#include "cli/size_print.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/print_json.h"
#include "cli/size_advice.h"
#include "cli/size_config.h"
#include "cli/size_text.h"
#include "harness/output/headline.h"
#include "harness/output/table.h"

#define LINES_MAX  32
#define CELL_BYTES HEADLINE_TEXT_BYTES
#define WIDE       100

struct lines {
	struct {
		const char *label;
		char cell[SIZING_CIPHERS][CELL_BYTES];
	} line[LINES_MAX];
	size_t count;
	char headroom[2][CELL_BYTES]; /* labels that hold a figure */
};

/* ---- the lines ---- */

/* A quantity as text, from one cipher's part of the plan. */
typedef void cell_fn(const struct size_plan *plan, const struct size_cipher *c,
                     char text[CELL_BYTES]);

static void add(struct lines *lines, const struct size_plan *plan, const char *label, cell_fn *cell)
{
	size_t n = lines->count++;

	lines->line[n].label = label;
	for (size_t i = 0; i < SIZING_CIPHERS; i++)
		if (plan->ciphers[i].there)
			cell(plan, &plan->ciphers[i], lines->line[n].cell[i]);
}

/* In one unit, unless the upper end is of another magnitude. */
static void put_time(struct stats_interval v, char text[CELL_BYTES])
{
	char low[TABLE_NUMBER_BYTES], high[TABLE_NUMBER_BYTES];

	if (isfinite(v.high) && v.high > WIDE * v.estimate)
		snprintf(text, CELL_BYTES, "%s to %s", table_ns(v.low, low),
		         table_ns(v.high, high));
	else
		headline_ns(v, text);
}

static void put_start(struct stats_interval v, char text[CELL_BYTES])
{
	if (isfinite(v.estimate))
		put_time(v, text);
	else
		snprintf(text, CELL_BYTES, "not measured");
}

#define CELL(name, put)                                                                            \
	static void name(const struct size_plan *plan, const struct size_cipher *c,                \
	                 char text[CELL_BYTES])                                                    \
	{                                                                                          \
		(void)plan;                                                                        \
		put;                                                                               \
	}
#define HEADROOM (1 + plan->demand->headroom_pct / 100)

CELL(publish_cpu, size_text_interval(c->publish_ns, 1e-3, text))
CELL(read_cpu, size_text_interval(c->read_ns, 1e-3, text))
CELL(cores_mean, size_text_interval(c->cores_mean, 1, text))
CELL(cores_peak, size_text_interval(c->cores_peak, 1, text))
CELL(cores_added, if (c != &plan->ciphers[0]) size_text_interval(c->added_peak, 1, text))
CELL(cores_headroom, size_text_interval(c->cores_peak, HEADROOM, text))
CELL(disk_apparent, size_text_bytes((double)c->total.bytes, text))
CELL(disk_allocated, size_text_bytes((double)c->total.allocated_bytes, text))
CELL(disk_headroom, size_text_bytes((double)c->total.allocated_bytes *HEADROOM, text))
CELL(disk_records, size_text_bytes((double)c->disk.blk.bytes, text))
CELL(disk_deleted, size_text_bytes(c->deleted_bytes, text))
CELL(disk_keys, size_text_bytes((double)c->disk.key.bytes, text))
CELL(disk_meta, size_text_bytes((double)c->disk.meta.bytes, text))
CELL(disk_state, size_text_bytes((double)c->disk.state.bytes, text))
CELL(snapshot, size_text_bytes(c->snapshot_bytes, text))
CELL(block, table_bytes((double)c->block_bytes, text))
CELL(files, size_text_count((double)c->total.files, text))
CELL(inodes, size_text_count((double)c->inodes, text))
CELL(write_mean, size_text_bytes(c->write_bytes_s_mean, text))
CELL(write_peak, size_text_bytes(c->write_bytes_s_peak, text))
CELL(syncs_mean, size_text_count(c->syncs_s_mean, text))
CELL(syncs_peak, size_text_count(c->syncs_s_peak, text))
CELL(consumer_write_mean, size_text_bytes(c->consumer_bytes_s_mean, text))
CELL(consumer_write_peak, size_text_bytes(c->consumer_bytes_s_peak, text))
CELL(consumer_syncs_mean, size_text_count(c->consumer_syncs_s_mean, text))
CELL(consumer_syncs_peak, size_text_count(c->consumer_syncs_s_peak, text))
CELL(start, put_start(c->start_ns, text))
CELL(recover, put_start(c->recover_ns, text))
CELL(index_memory, size_text_bytes(c->index_bytes, text))

static void make_lines(const struct size_plan *plan, struct lines *l)
{
	int consumers = plan->demand->consumers > 0 && plan->demand->reads > 0;

	l->count = 0;
	snprintf(l->headroom[0], CELL_BYTES, "cores, peak + %g %%", plan->demand->headroom_pct);
	snprintf(l->headroom[1], CELL_BYTES, "disk, allocated + %g %%", plan->demand->headroom_pct);
	memset(l->line, 0, sizeof(l->line));
	add(l, plan, "CPU of a message published, µs", publish_cpu);
	if (plan->demand->reads > 0)
		add(l, plan, "CPU of a message read, µs", read_cpu);
	add(l, plan, "cores, mean", cores_mean);
	add(l, plan, "cores, peak", cores_peak);
	add(l, plan, "  beyond plaintext", cores_added);
	add(l, plan, l->headroom[0], cores_headroom);
	add(l, plan, "disk, apparent", disk_apparent);
	add(l, plan, "  records", disk_records);
	if (plan->demand->deleted_pct > 0)
		add(l, plan, "    deleted, not compacted", disk_deleted);
	add(l, plan, "  key files", disk_keys);
	add(l, plan, "  meta files", disk_meta);
	add(l, plan, "  state files, at most", disk_state);
	add(l, plan, "disk, allocated", disk_allocated);
	add(l, plan, l->headroom[1], disk_headroom);
	add(l, plan, "a snapshot (clear text)", snapshot);
	add(l, plan, "files", files);
	add(l, plan, "inodes", inodes);
	add(l, plan, "largest block file", block);
	add(l, plan, "written a second, mean", write_mean);
	if (consumers)
		add(l, plan, "  consumers beside it, at most", consumer_write_mean);
	add(l, plan, "written a second, peak", write_peak);
	if (consumers)
		add(l, plan, "  consumers beside it, at most", consumer_write_peak);
	add(l, plan, "fsyncs a second, mean", syncs_mean);
	if (consumers && plan->demand->always)
		add(l, plan, "  consumers beside it, at most", consumer_syncs_mean);
	add(l, plan, "fsyncs a second, peak", syncs_peak);
	if (consumers && plan->demand->always)
		add(l, plan, "  consumers beside it, at most", consumer_syncs_peak);
	add(l, plan, "restart, state file there", start);
	add(l, plan, "restart, state file lost", recover);
	add(l, plan, "memory of the index, about", index_memory);
}

/* ---- text and Markdown ---- */

static int print_table(const struct size_plan *plan, const struct lines *l, int markdown)
{
	struct table *t = table_new();
	int rc;

	table_column(t, "a node", NULL, TABLE_LEFT);
	for (size_t i = 0; i < SIZING_CIPHERS; i++)
		if (plan->ciphers[i].there)
			table_column(t, plan->ciphers[i].cipher, NULL, TABLE_RIGHT);
	for (size_t n = 0; n < l->count; n++) {
		table_row(t);
		table_text(t, l->line[n].label);
		for (size_t i = 0; i < SIZING_CIPHERS; i++)
			if (plan->ciphers[i].there)
				table_text(t, l->line[n].cell[i]);
	}
	rc = markdown ? table_markdown(t, stdout) : table_print(t, stdout);
	table_free(t);
	return rc;
}

static void print_demand(const struct size_plan *plan)
{
	const struct size_demand *d = plan->demand;
	char rate[TABLE_NUMBER_BYTES], peak[TABLE_NUMBER_BYTES], kept[TABLE_NUMBER_BYTES];
	char record[TABLE_NUMBER_BYTES];

	printf("%s messages/s, %s at the peak, records of %s on average; %s kept in each of %llu "
	       "stream%s, %llu replica%s, each read %g time%s.\n",
	       table_count(d->rate, rate), table_count(d->peak, peak),
	       table_bytes(plan->record_bytes, record), table_count(plan->live, kept),
	       (unsigned long long)d->streams, d->streams == 1 ? "" : "s",
	       (unsigned long long)d->replicas, d->replicas == 1 ? "" : "s", d->reads,
	       d->reads == 1 ? "" : "s");
	printf("Costs: %s %s, intervals of 95 %%.\n\n", plan->costs->target, plan->costs->version);
}

static int print_text(const struct size_plan *plan, int markdown)
{
	const char *fence = markdown ? "```\n" : "";
	char advice[HEADLINE_BYTES];
	char *server = size_config_server(plan);
	json_t *stream = size_config_stream(plan->demand);
	char *json = stream == NULL ? NULL : json_dumps(stream, JSON_INDENT(2));
	struct lines lines;
	int rc = -1;

	if (server == NULL || json == NULL)
		goto done;
	make_lines(plan, &lines);
	size_advice(plan, advice);
	printf("%s%s\n\n", markdown ? "> " : "", advice);
	print_demand(plan);
	rc = print_table(plan, &lines, markdown);
	putchar('\n');
	for (size_t i = 0; i < plan->note_count; i++)
		printf("%s%s.\n", markdown ? "- " : "", plan->notes[i]);
	printf("%sThe server's configuration (the key comes from the environment, JS_KEY):\n\n"
	       "%s%s%s\n",
	       plan->note_count > 0 ? "\n" : "", fence, server, fence);
	printf("%s, the body of $JS.API.STREAM.CREATE.%s:\n\n%s%s\n%s",
	       plan->demand->streams > 1 ? "Each stream, under a name and subjects of its own"
	                                 : "The stream",
	       plan->demand->name, fence, json, fence);
done:
	free(json);
	json_decref(stream);
	free(server);
	return rc;
}

/* ---- JSON ---- */

static json_t *real(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *interval(struct stats_interval v, double scale)
{
	return json_pack("{s:o, s:o, s:o}", "value", real(v.estimate * scale), "low",
	                 real(v.low * scale), "high", real(v.high * scale));
}

static json_t *kind_json(const struct atr_footprint_kind *k)
{
	return json_pack("{s:I, s:I, s:I}", "apparent_bytes", (json_int_t)k->bytes,
	                 "allocated_bytes", (json_int_t)k->allocated_bytes, "files",
	                 (json_int_t)k->files);
}

static json_t *cipher_json(const struct size_cipher *c)
{
	json_t *o = json_object();

	json_object_set_new(o, "cipher", json_string(c->cipher));
	json_object_set_new(o, "publish_cpu_ns", interval(c->publish_ns, 1));
	json_object_set_new(o, "read_cpu_ns", interval(c->read_ns, 1));
	json_object_set_new(o, "cores_mean", interval(c->cores_mean, 1));
	json_object_set_new(o, "cores_peak", interval(c->cores_peak, 1));
	json_object_set_new(o, "cores_added_mean", interval(c->added_mean, 1));
	json_object_set_new(o, "cores_added_peak", interval(c->added_peak, 1));
	json_object_set_new(o, "measured_msgs_s", real(c->capacity_msgs_s));
	json_object_set_new(o, "disk", kind_json(&c->total));
	json_object_set_new(o, "records", kind_json(&c->disk.blk));
	json_object_set_new(o, "key_files", kind_json(&c->disk.key));
	json_object_set_new(o, "meta_files", kind_json(&c->disk.meta));
	json_object_set_new(o, "state_files", kind_json(&c->disk.state));
	json_object_set_new(o, "deleted_bytes", real(c->deleted_bytes));
	json_object_set_new(o, "snapshot_bytes", real(c->snapshot_bytes));
	json_object_set_new(o, "inodes", json_integer((json_int_t)c->inodes));
	json_object_set_new(o, "block_bytes", json_integer((json_int_t)c->block_bytes));
	json_object_set_new(o, "write_bytes_s_mean", real(c->write_bytes_s_mean));
	json_object_set_new(o, "write_bytes_s_peak", real(c->write_bytes_s_peak));
	json_object_set_new(o, "fsyncs_s_mean", real(c->syncs_s_mean));
	json_object_set_new(o, "fsyncs_s_peak", real(c->syncs_s_peak));
	json_object_set_new(o, "consumer_write_bytes_s_mean", real(c->consumer_bytes_s_mean));
	json_object_set_new(o, "consumer_write_bytes_s_peak", real(c->consumer_bytes_s_peak));
	json_object_set_new(o, "consumer_fsyncs_s_mean", real(c->consumer_syncs_s_mean));
	json_object_set_new(o, "consumer_fsyncs_s_peak", real(c->consumer_syncs_s_peak));
	json_object_set_new(o, "restart_s", interval(c->start_ns, 1e-9));
	json_object_set_new(o, "restart_without_state_s", interval(c->recover_ns, 1e-9));
	json_object_set_new(o, "index_memory_bytes", real(c->index_bytes));
	return o;
}

static json_t *demand_json(const struct size_plan *plan)
{
	const struct size_demand *d = plan->demand;

	return json_pack("{s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:s}",
	                 "rate_msgs_s", d->rate, "peak_msgs_s", d->peak, "record_bytes",
	                 plan->record_bytes, "kept_messages", plan->kept, "live_messages",
	                 plan->live, "streams", (json_int_t)d->streams, "replicas",
	                 (json_int_t)d->replicas, "consumers", (json_int_t)d->consumers, "reads",
	                 d->reads, "headroom_pct", d->headroom_pct, "deleted_pct", d->deleted_pct,
	                 "kept_s", plan->kept * (double)d->streams / d->rate, "limit",
	                 size_input_name(plan->limit));
}

static int print_object(const struct size_plan *plan)
{
	char advice[HEADLINE_BYTES];
	char *server = size_config_server(plan);
	json_t *root = server == NULL ? NULL : json_object();
	json_t *notes = json_array(), *ciphers = json_array();

	for (size_t i = 0; i < plan->note_count; i++)
		json_array_append_new(notes, json_string(plan->notes[i]));
	for (size_t i = 0; i < SIZING_CIPHERS; i++)
		if (plan->ciphers[i].there)
			json_array_append_new(ciphers, cipher_json(&plan->ciphers[i]));
	size_advice(plan, advice);
	json_object_set_new(root, "demand", demand_json(plan));
	json_object_set_new(root, "target", json_string(plan->costs->target));
	json_object_set_new(root, "target_version", json_string(plan->costs->version));
	json_object_set_new(root, "flush",
	                    plan->costs->is_server ? json_null() : json_string(plan->costs->flush));
	json_object_set_new(root, "lower_bound", json_boolean(plan->lack_count > 0));
	json_object_set_new(root, "ciphers", ciphers);
	json_object_set_new(root, "notes", notes);
	json_object_set_new(root, "chosen", json_string(plan->ciphers[plan->chosen].cipher));
	json_object_set_new(root, "server_config", json_string(server));
	json_object_set_new(root, "stream_config", size_config_stream(plan->demand));
	json_object_set_new(root, "advice", json_string(advice));
	free(server);
	return print_json(root, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
}

int size_print(const struct size_plan *plan, enum size_format format)
{
	return format == SIZE_JSON ? print_object(plan) : print_text(plan, format == SIZE_MARKDOWN);
}
