/* size_plan.c - see size_plan.h. */
#include "cli/size_plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/cipher.h"
#include "cli/size_config.h"
#include "cli/size_notes.h"
#include "cli/size_text.h"

#define SECOND_NS 1e9
#define YEAR_S    31536000.0

/* A server loads the blocks of the duplicate window at every start (from 2.10 on). */
#define DUPLICATE_WINDOW_S 120.0
/* Files are written at most so often: index.db of a stream, the idx of a block that grows, of one
 * with a deletion in it, a consumer's o.dat. */
#define STATE_INTERVAL_S       120.0
#define IDX_INTERVAL_S         2.0
#define IDX_DELETED_INTERVAL_S 0.5
#define CONSUMER_WRITES_S      10.0
/* Before 2.10 no shorter block is written anew. */
#define OLD_REWRITE_BYTES (UINT64_C(2) << 20)
#define CONSUMER_PENDING  1000 /* the server's default of max_ack_pending */
#define CONSUMER_BYTES    345  /* of a pull consumer's meta.inf in clear text */
/* Members of meta.inf that came after 2.9: compression, consumer_limits, allow_msg_ttl, metadata.
 */
#define CONFIG_NEWER_BYTES 110

/* Memory of the index, about: a server's subject and block as they were measured once by hand
 * (2.15.1: resident memory after a start less that of an empty one, of a million subjects and of
 * 20,000 blocks), rounded up; ours are the bounds that atrest-large holds. */
#define SERVER_SUBJECT_BYTES 350.0
#define SERVER_BLOCK_BYTES   2048.0
#define STORE_SUBJECT_BYTES  128.0
#define STORE_BLOCK_BYTES    128.0

/* ---- what the version decides ---- */

int size_plan_is_before(const char *version, const char *than)
{
	return version[0] != '\0' && strverscmp(version, than) < 0;
}

const char *size_plan_version(const struct sizing *costs)
{
	return costs->is_server ? costs->version : "";
}

struct atr_footprint_limits size_plan_limits(const struct size_demand *d)
{
	return (struct atr_footprint_limits){.max_bytes = d->max_bytes,
	                                     .max_msgs = d->max_msgs,
	                                     .max_msgs_per_subject = d->max_msgs_per_subject};
}

uint64_t size_plan_block_bytes(const struct atr_footprint_limits *limits, const char *cipher,
                               const char *version)
{
	/* The cap of enciphered blocks came with 2.9.16. */
	return atr_footprint_block_bytes(limits, strcmp(cipher, "none") != 0 &&
	                                                 !size_plan_is_before(version, "2.9.16"));
}

enum atr_footprint_state size_plan_state(const struct sizing *costs)
{
	if (!costs->is_server)
		return ATR_FOOTPRINT_STATE_OURS;
	return size_plan_is_before(costs->version, "2.10") ? ATR_FOOTPRINT_STATE_IDX
	                                                   : ATR_FOOTPRINT_STATE_INDEX;
}

uint64_t size_plan_config_bytes(const struct sizing *costs, const char *config, const char *name)
{
	return atr_footprint_config_bytes(config, name) +
	       (size_plan_state(costs) == ATR_FOOTPRINT_STATE_INDEX ? CONFIG_NEWER_BYTES : 0);
}

/* ---- CPU ---- */

/* Lines that go on below the points may cross zero, which no cost does. */
static struct stats_interval at_least_zero(struct stats_interval v)
{
	return (struct stats_interval){v.estimate < 0 ? 0 : v.estimate, v.low < 0 ? 0 : v.low,
	                               v.high < 0 ? 0 : v.high};
}

static struct stats_interval cores_at(double rate, double reads, struct stats_interval publish,
                                      struct stats_interval read)
{
	const double weights[] = {rate / SECOND_NS, rate * reads / SECOND_NS};
	const struct stats_interval values[] = {publish, read};

	return sizing_sum(weights, values, reads > 0 ? 2 : 1);
}

static void plan_cpu(const struct size_plan *plan, const struct sizing_arm *arm,
                     struct size_cipher *c)
{
	const struct size_demand *d = plan->demand;
	const struct sizing_size *mix = plan->mix;
	struct stats_interval time, added, read_added;

	c->publish_ns = at_least_zero(sizing_at(&arm->publish, mix, plan->mix_count).value);
	c->read_ns = at_least_zero(sizing_at(&arm->read, mix, plan->mix_count).value);
	added = sizing_at(&arm->publish_added, mix, plan->mix_count).value;
	read_added = sizing_at(&arm->read_added, mix, plan->mix_count).value;
	time = sizing_at(&arm->publish_time, mix, plan->mix_count).value;
	c->cores_mean = at_least_zero(cores_at(d->rate, d->reads, c->publish_ns, c->read_ns));
	c->cores_peak = at_least_zero(cores_at(d->peak, d->reads, c->publish_ns, c->read_ns));
	c->added_mean = cores_at(d->rate, d->reads, added, read_added);
	c->added_peak = cores_at(d->peak, d->reads, added, read_added);
	c->capacity_msgs_s = time.estimate > 0 ? SECOND_NS / time.estimate : NAN;
}

/* ---- disk ---- */

/* Messages deleted before a limit takes them, of one stream, and what becomes of a block whose
 * records die: it is written anew when less than so much of it is live. */
struct deletions {
	double share, deleted; /* of the messages published; of those kept */
	double live_min;       /* below this share of a block it is written anew; 0: never */
	double dead;           /* records that are still there, at most */
	double small;          /* records of 30 bytes: tombstones or placeholders */
};

/* Before 2.10 a quarter, of blocks of more than 2 MiB alone, and each dead record leaves a
 * placeholder. */
static void delete_old(const struct size_plan *plan, uint64_t block_bytes, struct deletions *x)
{
	const double small = ATR_FOOTPRINT_TOMBSTONE_BYTES;

	x->dead = x->deleted;
	x->live_min = block_bytes > OLD_REWRITE_BYTES ? 0.25 : 0;
	if (x->live_min > 0)
		x->dead = fmin(x->deleted, plan->live * (1 / x->live_min - 1) * plan->record_bytes /
		                                   (plan->record_bytes - small));
	x->small = x->deleted - x->dead;
}

static struct deletions deletions_of(const struct size_plan *plan, uint64_t block_bytes)
{
	struct deletions x = {.share = plan->demand->deleted_pct / 100,
	                      .deleted = plan->kept - plan->live};

	if (size_plan_state(plan->costs) == ATR_FOOTPRINT_STATE_IDX) {
		delete_old(plan, block_bytes, &x);
		return x;
	}
	x.live_min = 0.5;
	x.dead = fmin(x.deleted, plan->live);
	x.small = x.deleted;
	return x;
}

/* Of one stream: what is kept, what is deleted and still there, what tells of it. */
static void plan_records(const struct size_plan *plan, struct size_cipher *c,
                         struct atr_footprint_blocks *blocks)
{
	const struct deletions x = deletions_of(plan, c->block_bytes);
	struct atr_footprint_size sizes[SIZE_MIX_MAX + 1];
	double records = plan->live + x.dead;
	size_t n = plan->mix_count;

	for (size_t i = 0; i < n; i++)
		sizes[i] = (struct atr_footprint_size){plan->mix[i].record_bytes,
		                                       plan->mix[i].weight * records};
	if (x.small > 0)
		sizes[n++] = (struct atr_footprint_size){ATR_FOOTPRINT_TOMBSTONE_BYTES, x.small};
	atr_footprint_expect(blocks, sizes, n, (uint64_t)(records + x.small));
	c->deleted_bytes = (x.dead * plan->record_bytes + x.small * ATR_FOOTPRINT_TOMBSTONE_BYTES) *
	                   (double)plan->demand->streams;
}

static void multiply(struct atr_footprint_kind *kind, uint64_t by)
{
	kind->bytes *= by;
	kind->allocated_bytes *= by;
	kind->files *= by;
}

double size_plan_age_s(const struct size_plan *plan)
{
	return plan->kept * (double)plan->demand->streams / plan->demand->rate;
}

void size_plan_disk(const struct size_plan *plan, const struct atr_footprint_limits *limits,
                    struct size_cipher *c)
{
	const struct size_demand *d = plan->demand;
	struct atr_footprint_blocks blocks = {.file_system_bytes = plan->file_system_bytes};
	double sequences = fmax(plan->kept, d->rate / (double)d->streams * YEAR_S);
	double age_ns = fmin(size_plan_age_s(plan) * SECOND_NS, 9e18);
	struct atr_footprint_shape shape = {.cipher = atr_cipher_find(c->cipher, NULL),
	                                    .state = size_plan_state(plan->costs),
	                                    .config_bytes = plan->config_bytes,
	                                    .last_sequence = (uint64_t)sequences,
	                                    .subjects = (uint64_t)plan->subjects,
	                                    .subject_bytes = d->subject_bytes,
	                                    .duration_ns = (uint64_t)age_ns,
	                                    .deleted = (uint64_t)(plan->kept - plan->live),
	                                    .consumers = d->consumers,
	                                    .consumer_config_bytes = CONSUMER_BYTES,
	                                    .consumer_pending = CONSUMER_PENDING};

	c->block_bytes = blocks.block_bytes =
	        size_plan_block_bytes(limits, c->cipher, size_plan_version(plan->costs));
	plan_records(plan, c, &blocks);
	atr_footprint_stream(&shape, &blocks, &c->disk);
	multiply(&c->disk.blk, d->streams);
	multiply(&c->disk.key, d->streams);
	multiply(&c->disk.meta, d->streams);
	multiply(&c->disk.state, d->streams);
	c->total = atr_footprint_total(&c->disk);
	c->inodes = c->total.files + c->disk.directories * d->streams;
	c->snapshot_bytes = plan->live * plan->record_bytes * (double)d->streams;
}

/* ---- writes ---- */

/* What rewriting comes to for each message published, at most: a block whose records die one by
 * one is written anew each time that the live ones are less than live_min of what it was. */
struct rewriting {
	double bytes; /* a message */
	double times; /* a block */
};

static struct rewriting rewriting_of(const struct size_plan *plan, const struct deletions *x)
{
	int placeholders = size_plan_state(plan->costs) == ATR_FOOTPRINT_STATE_IDX;
	struct rewriting r = {0, 0};

	if (x->live_min == 0)
		return r;
	for (double live = x->live_min; live > 1 - x->share; live *= x->live_min, r.times++)
		r.bytes += live * plan->record_bytes +
		           (placeholders ? (1 - live) * ATR_FOOTPRINT_TOMBSTONE_BYTES : 0);
	return r;
}

/* index.db every two minutes; or an idx of the block that grows every two seconds and of one with a
 * deletion in it for each at most, both files of a block that is full. */
static double state_rate(const struct size_plan *plan, const struct size_cipher *c, double rate,
                         double blocks_s)
{
	const struct size_demand *d = plan->demand;
	const struct atr_footprint *f = &c->disk;
	double streams = (double)d->streams, deleted = rate * d->deleted_pct / 100;

	return fmin(rate, streams / STATE_INTERVAL_S) * (double)f->index_bytes +
	       blocks_s * (double)(f->idx_bytes + f->fss_bytes) +
	       fmin(rate, streams / IDX_INTERVAL_S) * (double)f->idx_bytes +
	       fmin(deleted, (double)f->blk.files / IDX_DELETED_INTERVAL_S) * (double)f->idx_bytes;
}

/* What is written and synced at that rate: records, tombstones, key and state files, blocks anew.
 * Synced: under always each message and deletion, else each block that was written since the last
 * time; and its key. */
static void plan_writes(const struct size_plan *plan, const struct size_cipher *c, double rate,
                        double *bytes_s, double *syncs_s)
{
	const struct size_demand *d = plan->demand;
	const struct deletions x = deletions_of(plan, c->block_bytes);
	const struct rewriting again = rewriting_of(plan, &x);
	double tombstones_s =
	        size_plan_state(plan->costs) == ATR_FOOTPRINT_STATE_IDX ? 0 : rate * x.share;
	double appended = rate * plan->record_bytes + tombstones_s * ATR_FOOTPRINT_TOMBSTONE_BYTES;
	double blocks_s = appended / (double)c->block_bytes;
	double keys_s = c->disk.key.files == 0 ? 0 : blocks_s;
	double key_bytes = keys_s == 0 ? 0 : (double)c->disk.key.bytes / (double)c->disk.key.files;

	*bytes_s = appended + rate * again.bytes + keys_s * key_bytes +
	           state_rate(plan, c, rate, blocks_s);
	*syncs_s = keys_s + blocks_s * again.times;
	if (d->always)
		*syncs_s += rate + tombstones_s;
	else
		*syncs_s +=
		        blocks_s + (double)d->streams / ((double)d->sync_interval_ns / SECOND_NS);
}

/* A consumer's whole state, after each message but ten times a second at most; under always with
 * O_SYNC. */
static void plan_consumers(const struct size_plan *plan, const struct size_cipher *c, double rate,
                           double *bytes_s, double *syncs_s)
{
	const struct size_demand *d = plan->demand;
	double writes_s = fmin(rate * d->reads,
	                       CONSUMER_WRITES_S * (double)d->consumers * (double)d->streams);

	*bytes_s = writes_s * (double)c->disk.consumer_state_bytes;
	*syncs_s = d->always ? writes_s : 0;
}

/* ---- starts ---- */

double size_plan_last_bytes(const struct sample *row)
{
	/* The workloads' streams have no limits. */
	const struct atr_footprint_limits limits = {0};
	double streams = fmax(1, (double)row->streams);
	double messages = (double)row->messages / sizing_openings(row) / streams;
	const struct atr_footprint_size size = {sizing_record_bytes(row), 1};
	struct atr_footprint_blocks blocks = {
	        .block_bytes = row->block_bytes > 0 ? row->block_bytes
	                                            : size_plan_block_bytes(&limits, row->cipher,
	                                                                    row->target_version)};

	atr_footprint_expect(&blocks, &size, 1, (uint64_t)round(messages));
	return streams * (double)blocks.last_bytes;
}

/* Messages of the duplicate window. */
static double window_messages(const struct size_plan *plan)
{
	return fmin(plan->kept * (double)plan->demand->streams,
	            plan->demand->rate * DUPLICATE_WINDOW_S);
}

static void plan_starts(const struct size_plan *plan, const struct sizing_arm *arm,
                        struct size_cipher *c)
{
	const struct sizing_opening o = size_plan_opening(plan, c);
	struct stats_interval recover = sizing_at(&arm->recover, plan->mix, plan->mix_count).value;

	c->recover_ns = sizing_start(plan->costs, arm, &o, 0).value;
	c->start_ns = sizing_start(plan->costs, arm, &o, 1).value;
	if (!size_plan_has_state(plan, c)) {
		c->start_ns = c->recover_ns;
	} else if (size_plan_state(plan->costs) == ATR_FOOTPRINT_STATE_INDEX &&
	           isfinite(recover.estimate)) {
		const double weights[] = {1, window_messages(plan)};
		const struct stats_interval values[] = {c->start_ns, recover};
		c->start_ns = sizing_sum(weights, values, 2);
	}
	/* Whatever a state file takes, it is read because it takes less than all blocks. */
	if (isfinite(c->recover_ns.high))
		c->start_ns.high =
		        fmin(c->start_ns.high, fmax(c->start_ns.estimate, c->recover_ns.high));
	c->recover_ns = at_least_zero(c->recover_ns);
	c->start_ns = at_least_zero(c->start_ns);
}

int size_plan_has_state(const struct size_plan *plan, const struct size_cipher *c)
{
	return size_plan_state(plan->costs) == ATR_FOOTPRINT_STATE_IDX || c->disk.index_bytes > 0;
}

struct sizing_opening size_plan_opening(const struct size_plan *plan, const struct size_cipher *c)
{
	const struct size_demand *d = plan->demand;
	double streams = (double)d->streams, messages = plan->kept * streams;
	double blk_bytes = (double)c->disk.blk.bytes;
	double window_bytes = window_messages(plan) * blk_bytes / fmax(1, messages);
	/* A last block is half full; what the window covers of it is counted there. */
	double last_bytes = fmin(streams * (double)c->block_bytes / 2, blk_bytes) - window_bytes;

	return (struct sizing_opening){.mix = plan->mix,
	                               .mix_count = plan->mix_count,
	                               .messages = messages,
	                               .blk_bytes = blk_bytes,
	                               .last_bytes = fmax(0, last_bytes),
	                               .state_bytes = (double)c->disk.state.bytes,
	                               .streams = streams};
}

/* ---- all of it ---- */

static int check_cells(const struct size_plan *plan)
{
	const struct sizing *s = plan->costs;

	for (size_t i = 0; i < SIZING_CIPHERS && plan->demand->reads > 0; i++)
		if (s->arms[i].publish.count > 0 && s->arms[i].read.count == 0)
			return complain(
			        EXIT_USAGE,
			        "no valid read cell of %s %s under %s, expected one of class "
			        "read from the page cache (or --reads 0)",
			        s->target, s->version, s->arms[i].cipher);
	return EXIT_FINE;
}

static int plan_cipher(struct size_plan *plan, size_t i)
{
	const struct sizing_arm *arm = &plan->costs->arms[i];
	const struct size_demand *d = plan->demand;
	const struct atr_footprint_limits limits = size_plan_limits(d);
	struct size_cipher *c = &plan->ciphers[i];
	int server = plan->costs->is_server;

	if (atr_cipher_find(arm->cipher, NULL) == NULL)
		return complain(EXIT_SYSTEM, "cipher %s is not there", arm->cipher);
	c->cipher = arm->cipher;
	c->there = arm->publish.count > 0;
	plan_cpu(plan, arm, c);
	size_plan_disk(plan, &limits, c);
	plan_starts(plan, arm, c);
	plan_writes(plan, c, d->rate, &c->write_bytes_s_mean, &c->syncs_s_mean);
	plan_writes(plan, c, d->peak, &c->write_bytes_s_peak, &c->syncs_s_peak);
	plan_consumers(plan, c, d->rate, &c->consumer_bytes_s_mean, &c->consumer_syncs_s_mean);
	plan_consumers(plan, c, d->peak, &c->consumer_bytes_s_peak, &c->consumer_syncs_s_peak);
	c->index_bytes =
	        (double)d->streams * plan->subjects *
	                (server ? SERVER_SUBJECT_BYTES : STORE_SUBJECT_BYTES) +
	        (double)c->disk.blk.files * (server ? SERVER_BLOCK_BYTES : STORE_BLOCK_BYTES);
	if (i > 0 && c->there &&
	    (plan->chosen == 0 ||
	     c->cores_peak.estimate < plan->ciphers[plan->chosen].cores_peak.estimate))
		plan->chosen = i;
	return EXIT_FINE;
}

static uint64_t stream_config_bytes(const struct size_plan *plan)
{
	json_t *config = size_config_stream(plan->demand);
	char *text = config == NULL ? NULL : json_dumps(config, JSON_COMPACT);
	uint64_t bytes =
	        text == NULL ? 0 : size_plan_config_bytes(plan->costs, text, plan->demand->name);

	free(text);
	json_decref(config);
	return bytes;
}

int size_plan_make(const struct size_demand *demand, const struct sizing *costs,
                   uint64_t file_system_bytes, struct size_plan *out)
{
	int code;

	memset(out, 0, sizeof(*out));
	out->demand = demand;
	out->costs = costs;
	out->file_system_bytes = file_system_bytes;
	out->mix_count = size_input_mix(demand, out->mix);
	for (size_t i = 0; i < out->mix_count; i++)
		out->record_bytes += out->mix[i].weight * out->mix[i].record_bytes;
	out->kept = size_input_kept(demand);
	out->live = size_input_live(demand);
	out->subjects = fmin((double)demand->subjects, out->live);
	out->limit = size_input_limit(demand);
	code = size_input_check_version(demand, size_plan_version(costs));
	if (code == EXIT_FINE)
		code = check_cells(out);
	if (code != EXIT_FINE)
		return code;
	out->config_bytes = stream_config_bytes(out);
	if (out->config_bytes == 0)
		return complain(EXIT_SYSTEM, "out of memory");
	for (size_t i = 0; i < SIZING_CIPHERS && code == EXIT_FINE; i++)
		code = plan_cipher(out, i);
	if (code == EXIT_FINE)
		size_notes_make(out);
	return code;
}
