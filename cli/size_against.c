/* size_against.c - see size_against.h. A line is one workload of one target under one cipher. */
#include "cli/size_against.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/cipher.h"
#include "cli/size_plan.h"
#include "harness/analysis/sizing_held.h"
#include "harness/output/table.h"
#include "store/footprint.h"
#include "workloads/workload.h"

struct line {
	const struct sample *row; /* the first of its rows */
	struct workload workload;
	struct sizing_size *mix; /* every message a size of its own */
	size_t mix_count;
	struct atr_footprint disk;
	uint64_t last_bytes; /* of the last block */
	int is_exact;        /* the order of the records is known */
	struct sizing_held_off off;
	double blk_off, key_off;    /* bytes, the largest of its rows */
	double meta_off, state_off; /* beyond what is allowed, 0: within */
	double allocated_off;       /* blocks of the file system a file */
	char out[128];              /* what is out, "" nothing */
};

struct against {
	struct samples held, rest;
	const char *dir;
	uint64_t file_system_bytes;
	struct sizing costs; /* of the policy of the line before */
	struct sizing_choice choice;
	char reason[SIZING_TEXT_BYTES]; /* "": all of them are there */
	struct table *table;
	size_t lines, lines_out, lines_missing;
};

/* ---- which rows ---- */

static int is_first(const struct samples *s, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (sizing_held_is_counted(&s->rows[i]) &&
		    sizing_held_is_same(&s->rows[i], &s->rows[index]))
			return 0;
	return 1;
}

/* ---- what is predicted ---- */

/* The costs by which the line's workload is predicted: its target, its policy. */
static int costs_find(struct against *a, const struct sample *row)
{
	const struct sizing_choice choice = sizing_held_choice(row, size_plan_last_bytes);
	const struct sizing_choice *before = &a->choice;

	if (before->target != NULL && strcmp(before->target, choice.target) == 0 &&
	    strcmp(before->version, choice.version) == 0 &&
	    strcmp(before->flush, choice.flush) == 0 && before->always == choice.always)
		return EXIT_FINE;
	a->choice = choice;
	a->reason[0] = '\0';
	if (sizing_make(&a->rest, &choice, &a->costs, a->reason) == SIZING_MEMORY)
		return complain(EXIT_SYSTEM, "out of memory");
	return EXIT_FINE;
}

static uint64_t block_bytes_of(const struct line *l)
{
	const struct atr_footprint_limits limits = {.max_bytes = l->workload.max_bytes};

	if (l->row->block_bytes > 0)
		return l->row->block_bytes;
	return size_plan_block_bytes(&limits, l->row->cipher,
	                             strcmp(l->row->target, "store") == 0 ? ""
	                                                                  : l->row->target_version);
}

/* Every message of the slice in its order: sizes for the costs, blocks for the disk. */
static int line_records(struct line *l, uint64_t file_system_bytes, double *subject_bytes,
                        struct atr_footprint_blocks *blocks)
{
	const struct workload *w = &l->workload;
	uint64_t count = sizing_is_open(l->row) ? w->fill_messages : l->row->messages;
	uint64_t seed = w->seed != 0 ? w->seed : l->row->seed;
	struct workload_ops *ops = workload_ops_new(w, seed);

	l->mix = calloc(count, sizeof(*l->mix));
	if (ops == NULL || l->mix == NULL) {
		workload_ops_free(ops);
		return complain(EXIT_SYSTEM, "out of memory");
	}
	*blocks = (struct atr_footprint_blocks){.block_bytes = block_bytes_of(l),
	                                        .file_system_bytes = file_system_bytes};
	for (uint64_t i = 0; i < count; i++) {
		struct workload_message m;
		size_t bytes;
		uint64_t record;

		workload_message_at(ops, i, &m);
		(void)workload_subject(ops, m.subject_index, &bytes);
		record = atr_footprint_record_bytes(bytes, m.headers_bytes, m.payload_bytes);
		atr_footprint_put(blocks, record, 1);
		l->mix[l->mix_count++] = (struct sizing_size){(double)record, 1};
		*subject_bytes += (double)bytes / (double)count;
	}
	workload_ops_free(ops);
	return EXIT_FINE;
}

/* From the first message to the last. What a server's state takes is a bound, in each round and
 * with a store that was filled before the clock ran: no slice writes for longer than this. */
static uint64_t line_duration_ns(const struct line *l)
{
	return strcmp(l->row->target, "nats") == 0 ? UINT64_C(60000000000)
	                                           : (uint64_t)(l->row->acked_s * 1e9);
}

static int line_disk(const struct against *a, struct line *l)
{
	char config[256];
	double subject_bytes = 0;
	struct atr_footprint_blocks blocks;
	struct atr_footprint_shape shape = {.cipher = atr_cipher_find(l->row->cipher, NULL),
	                                    .state = size_plan_state(&a->costs),
	                                    .subjects = l->workload.subjects,
	                                    .duration_ns = line_duration_ns(l)};
	int code = line_records(l, a->file_system_bytes, &subject_bytes, &blocks);

	if (code != EXIT_FINE)
		return code;
	if (shape.cipher == NULL)
		return complain(EXIT_USAGE, "%s: no cipher of that name", l->row->cipher);
	snprintf(config, sizeof(config), "{\"subjects\":[\"%.100s.>\"]}",
	         l->workload.subject_prefix);
	shape.config_bytes = size_plan_config_bytes(&a->costs, config, "ATREST-0");
	shape.subject_bytes = (uint64_t)ceil(subject_bytes);
	atr_footprint_stream(&shape, &blocks, &l->disk);
	l->last_bytes = blocks.last_bytes;
	/* Several threads or streams share the messages as they come. */
	l->is_exact =
	        l->workload.streams == 1 && (l->workload.publishers == 1 || sizing_is_open(l->row));
	return EXIT_FINE;
}

/* ---- against what was measured ---- */

static double beyond(double off, double allowed)
{
	return fabs(off) > allowed ? fabs(off) - allowed : 0;
}

static void row_compare(const struct against *a, struct line *l, const struct sample *row)
{
	const struct atr_footprint *f = &l->disk;
	struct atr_footprint_kind total = atr_footprint_total(f);
	int server = strcmp(row->target, "nats") == 0;
	double state = (double)row->state_apparent_bytes - (double)f->state.bytes;
	double slack = SIZE_META_BYTES + 0.01 * (double)row->state_apparent_bytes;
	double allocated = (double)row->disk_allocated_bytes - (double)total.allocated_bytes;
	double files = (double)total.files;

	l->blk_off = fmax(l->blk_off, fabs((double)row->blk_apparent_bytes - (double)f->blk.bytes));
	l->blk_off = fmax(l->blk_off, fabs((double)row->blk_files - (double)f->blk.files));
	l->key_off = fmax(l->key_off, fabs((double)row->key_apparent_bytes - (double)f->key.bytes));
	l->key_off = fmax(l->key_off, fabs((double)row->key_files - (double)f->key.files));
	l->meta_off = fmax(l->meta_off,
	                   beyond((double)row->meta_apparent_bytes - (double)f->meta.bytes,
	                          SIZE_META_BYTES + 0.01 * (double)row->meta_apparent_bytes));
	/* Of a server's it is a bound. Ours has none where it was taken away. */
	if (server)
		l->state_off = fmax(l->state_off, state > 0 ? state : 0);
	else if (row->state_files > 0)
		l->state_off = fmax(l->state_off, beyond(state, slack));
	else
		allocated += (double)f->state.allocated_bytes;
	l->allocated_off =
	        fmax(l->allocated_off, fabs(allocated) / (double)a->file_system_bytes / files);
}

static int line_measure(const struct against *a, struct line *l)
{
	const struct sizing_held what = {l->row,
	                                 &a->choice,
	                                 l->mix,
	                                 l->mix_count,
	                                 (double)l->disk.blk.bytes,
	                                 (double)l->last_bytes};

	for (size_t i = 0; i < a->held.count; i++)
		if (sizing_held_is_counted(&a->held.rows[i]) &&
		    sizing_held_is_same(&a->held.rows[i], l->row))
			row_compare(a, l, &a->held.rows[i]);
	return sizing_held_off(&a->held, &a->rest, &a->costs, &what, &l->off) == 0
	               ? EXIT_FINE
	               : complain(EXIT_SYSTEM, "out of memory");
}

static void out_add(struct line *l, int is_out, const char *what)
{
	size_t used = strlen(l->out);

	if (is_out)
		snprintf(l->out + used, sizeof(l->out) - used, "%s%s", used > 0 ? ", " : "", what);
}

static double off_pct(const struct line *l)
{
	return 100 * (l->off.ratio.estimate - 1);
}

static void line_judge(struct line *l)
{
	int open = sizing_is_open(l->row);

	out_add(l, !(fabs(off_pct(l)) <= (open ? SIZE_RESTART_PCT : SIZE_CPU_PCT)),
	        isfinite(l->off.ratio.estimate) ? open ? "restart" : "cpu" : "no cells");
	if (!l->is_exact)
		return;
	out_add(l, l->blk_off > 0, "blk");
	out_add(l, l->key_off > 0, "key");
	out_add(l, l->meta_off > 0, "meta");
	out_add(l, l->state_off > 0, "state");
	out_add(l, l->allocated_off > 1, "allocated");
}

/* ---- the table ---- */

static struct table *make_table(void)
{
	struct table *t = table_new();

	table_column(t, "workload", NULL, TABLE_LEFT);
	table_column(t, "target", NULL, TABLE_LEFT);
	table_column(t, "cipher", NULL, TABLE_LEFT);
	table_column(t, "of", "", TABLE_LEFT);
	table_column(t, "predicted_ns", "predicted", TABLE_RIGHT);
	table_column(t, "measured_ns", "measured", TABLE_RIGHT);
	table_column(t, "off_pct", "off", TABLE_RIGHT);
	table_column(t, "blk_bytes", "blk", TABLE_RIGHT);
	table_column(t, "blk_off", "off", TABLE_RIGHT);
	table_column(t, "key_bytes", "key", TABLE_RIGHT);
	table_column(t, "key_off", "off", TABLE_RIGHT);
	table_column(t, "meta_beyond", "meta", TABLE_RIGHT);
	table_column(t, "state_beyond", "state", TABLE_RIGHT);
	table_column(t, "allocated_blocks_per_file", "alloc/file", TABLE_RIGHT);
	table_column(t, "out", "", TABLE_LEFT);
	return t;
}

static void put_ns(struct table *t, double ns)
{
	char text[TABLE_NUMBER_BYTES];

	table_real(t, ns, 0);
	table_shown(t, isfinite(ns) ? table_ns(ns, text) : "-");
}

static void put_off(struct table *t, const struct line *l, double off, int decimals)
{
	table_real(t, l->is_exact ? off : NAN, decimals);
}

static void line_put(struct table *t, const struct line *l)
{
	char text[64];

	table_row(t);
	table_text(t, l->row->workload);
	table_format(t, "%s %s", l->row->target, l->row->target_version);
	table_text(t, l->row->cipher);
	table_text(t, sizing_is_open(l->row) ? "restart" : "CPU");
	put_ns(t, l->off.predicted.estimate);
	put_ns(t, l->off.measured.estimate);
	table_real(t, off_pct(l), 1);
	snprintf(text, sizeof(text), "%+.1f %%", off_pct(l));
	table_shown(t, isfinite(off_pct(l)) ? text : "-");
	table_u64(t, l->disk.blk.bytes);
	put_off(t, l, l->blk_off, 0);
	table_u64(t, l->disk.key.bytes);
	put_off(t, l, l->key_off, 0);
	put_off(t, l, l->meta_off, 0);
	put_off(t, l, l->state_off, 0);
	put_off(t, l, l->allocated_off, 2);
	table_text(t, l->out[0] == '\0' ? "ok" : l->out);
	table_colored(t, l->out[0] == '\0' ? TABLE_GREEN : TABLE_RED);
}

static int line_make(struct against *a, const struct sample *row)
{
	struct line *l = calloc(1, sizeof(*l));
	struct workload_error why;
	char path[PATH_MAX];
	int code;

	if (l == NULL)
		return complain(EXIT_SYSTEM, "out of memory");
	l->row = row;
	snprintf(path, sizeof(path), "%.3800s/workloads/%s.ini", a->dir, row->workload);
	code = workload_parse_file(path, &l->workload, &why) != 0
	               ? complain(EXIT_USAGE, "%s", why.text)
	               : costs_find(a, row);
	if (code == EXIT_FINE)
		code = line_disk(a, l);
	if (code == EXIT_FINE)
		code = line_measure(a, l);
	if (code == EXIT_FINE) {
		line_judge(l);
		line_put(a->table, l);
		a->lines++;
		a->lines_out += l->out[0] != '\0';
		if (!isfinite(l->off.ratio.estimate) && a->lines_missing++ == 0)
			(void)complain(
			        EXIT_USAGE, "%s of %s %s under %s: %s", row->workload, row->target,
			        row->target_version, row->cipher,
			        a->reason[0] != '\0'
			                ? a->reason
			                : "no round of the run has both it and the cells that "
			                  "predict it");
	}
	free(l->mix);
	free(l);
	return code;
}

/* Each name is a workload whose cost can be predicted. */
static int names_check(const struct against *a, const struct option_list *names)
{
	for (size_t n = 0; n < names->count; n++) {
		size_t i = 0;

		while (i < a->held.count &&
		       (!sizing_held_is_counted(&a->held.rows[i]) ||
		        strcmp(a->held.rows[i].workload, names->value[n]) != 0))
			i++;
		if (i == a->held.count)
			return complain(
			        EXIT_USAGE,
			        "--held: found '%s', expected a workload of %s with a valid "
			        "publish or open cell of the store or a server",
			        names->value[n], a->dir);
	}
	return EXIT_FINE;
}

int size_against(const struct samples *samples, const struct option_list *names, const char *dir,
                 uint64_t file_system_bytes, int json)
{
	struct against *a = calloc(1, sizeof(*a));
	int code;

	if (a == NULL)
		return complain(EXIT_SYSTEM, "out of memory");
	*a = (struct against){
	        .dir = dir, .file_system_bytes = file_system_bytes, .table = make_table()};
	code = sizing_held_split(samples, names->value, names->count, &a->held, &a->rest) == 0
	               ? names_check(a, names)
	               : complain(EXIT_SYSTEM, "out of memory");
	for (size_t i = 0; i < a->held.count && code == EXIT_FINE; i++)
		if (sizing_held_is_counted(&a->held.rows[i]) && is_first(&a->held, i))
			code = line_make(a, &a->held.rows[i]);
	if (code == EXIT_FINE && (json ? table_json : table_print)(a->table, stdout) != 0)
		code = complain(EXIT_SYSTEM, "the table could not be written");
	if (code == EXIT_FINE && !json)
		printf("\n%zu lines, %zu out (CPU %d %%, restart %d %%, blk and key exact, meta "
		       "and state %d B + 1 %%,\nallocated one block of the file system a file)\n",
		       a->lines, a->lines_out, SIZE_CPU_PCT, SIZE_RESTART_PCT, SIZE_META_BYTES);
	if (code == EXIT_FINE && a->lines_out > 0)
		code = a->lines_missing > 0 ? EXIT_USAGE : EXIT_FAILED;
	table_free(a->table);
	samples_free(&a->held);
	samples_free(&a->rest);
	free(a);
	return code;
}
