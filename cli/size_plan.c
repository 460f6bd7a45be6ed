/* size_plan.c - see size_plan.h. */
#include "cli/size_plan.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/cipher.h"
#include "cli/size_config.h"
#include "cli/size_text.h"

#define SECOND_NS 1e9
#define YEAR_S    31536000.0

/* A server loads the blocks of the duplicate window at every start (from 2.10 on). */
#define DUPLICATE_WINDOW_S 120.0
#define STATE_INTERVAL_S   120.0  /* index.db at most so often */
#define KEPT_FEW           10     /* so are fewer messages */
#define FILES_MANY         100000 /* worth a word */
#define CONSUMER_PENDING   1000   /* the server's default of max_ack_pending */
#define CONSUMER_BYTES     345    /* of a pull consumer's meta.inf in clear text */
/* Members of meta.inf that came after 2.9: compression, consumer_limits, allow_msg_ttl, metadata.
 */
#define CONFIG_NEWER_BYTES 110

/* Memory of the index. A server's subject was measured at 300 to 350 bytes with a million of them,
 * its block at 1.7 KiB with 20,000 (2.15.1, resident memory after a start, less that of an empty
 * one); ours are the bounds that atrest-large holds. */
#define SERVER_SUBJECT_BYTES 350.0
#define SERVER_BLOCK_BYTES   2048.0
#define STORE_SUBJECT_BYTES  128.0
#define STORE_BLOCK_BYTES    128.0

__attribute__((format(printf, 2, 3))) static void note(struct size_plan *plan, const char *format,
                                                       ...)
{
	va_list args;

	if (plan->note_count == SIZE_NOTES_MAX)
		return;
	va_start(args, format);
	vsnprintf(plan->notes[plan->note_count++], SIZE_NOTE_BYTES, format, args);
	va_end(args);
}

/* ---- what the version decides ---- */

static int is_before(const char *version, const char *than)
{
	return version[0] != '\0' && strverscmp(version, than) < 0;
}

const char *size_plan_version(const struct sizing *costs)
{
	return costs->is_server ? costs->version : "";
}

uint64_t size_plan_block_bytes(const struct atr_footprint_limits *limits, const char *cipher,
                               const char *version)
{
	/* The cap of enciphered blocks came with 2.9.16. */
	return atr_footprint_block_bytes(limits, strcmp(cipher, "none") != 0 &&
	                                                 !is_before(version, "2.9.16"));
}

enum atr_footprint_state size_plan_state(const struct sizing *costs)
{
	if (!costs->is_server)
		return ATR_FOOTPRINT_STATE_OURS;
	return is_before(costs->version, "2.10") ? ATR_FOOTPRINT_STATE_IDX
	                                         : ATR_FOOTPRINT_STATE_INDEX;
}

uint64_t size_plan_config_bytes(const struct sizing *costs, const char *config, const char *name)
{
	return atr_footprint_config_bytes(config, name) +
	       (size_plan_state(costs) == ATR_FOOTPRINT_STATE_INDEX ? CONFIG_NEWER_BYTES : 0);
}

/* ---- CPU ---- */

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

	c->publish_ns = sizing_at(&arm->publish, mix, plan->mix_count).value;
	c->read_ns = sizing_at(&arm->read, mix, plan->mix_count).value;
	added = sizing_at(&arm->publish_added, mix, plan->mix_count).value;
	read_added = sizing_at(&arm->read_added, mix, plan->mix_count).value;
	time = sizing_at(&arm->publish_time, mix, plan->mix_count).value;
	c->cores_mean = cores_at(d->rate, d->reads, c->publish_ns, c->read_ns);
	c->cores_peak = cores_at(d->peak, d->reads, c->publish_ns, c->read_ns);
	c->added_mean = cores_at(d->rate, d->reads, added, read_added);
	c->added_peak = cores_at(d->peak, d->reads, added, read_added);
	c->capacity_msgs_s = SECOND_NS / time.estimate;
}

/* ---- disk ---- */

/* Of one stream: what is kept, what is deleted and still there, what tells of it. A block is
 * written anew when less than half of it is live, so that no more than what is live is there beside
 * it. */
static void plan_records(const struct size_plan *plan, struct size_cipher *c,
                         struct atr_footprint_blocks *blocks)
{
	struct atr_footprint_size sizes[SIZE_MIX_MAX + 1];
	double dead = fmin(plan->kept - plan->live, plan->live);
	double tombstones = size_plan_state(plan->costs) == ATR_FOOTPRINT_STATE_IDX
	                            ? 0
	                            : plan->kept - plan->live;
	double records = plan->live + dead;
	size_t n = plan->mix_count;

	for (size_t i = 0; i < n; i++)
		sizes[i] = (struct atr_footprint_size){plan->mix[i].record_bytes,
		                                       plan->mix[i].weight * records};
	if (tombstones > 0)
		sizes[n++] = (struct atr_footprint_size){ATR_FOOTPRINT_TOMBSTONE_BYTES, tombstones};
	atr_footprint_expect(blocks, sizes, n, (uint64_t)(records + tombstones));
	c->deleted_bytes =
	        (dead * plan->record_bytes + tombstones * ATR_FOOTPRINT_TOMBSTONE_BYTES) *
	        (double)plan->demand->streams;
}

static void multiply(struct atr_footprint_kind *kind, uint64_t by)
{
	kind->bytes *= by;
	kind->allocated_bytes *= by;
	kind->files *= by;
}

static double age_s(const struct size_plan *plan)
{
	return plan->kept * (double)plan->demand->streams / plan->demand->rate;
}

static void plan_disk(const struct size_plan *plan, const struct atr_cipher *cipher,
                      uint64_t config_bytes, struct size_cipher *c)
{
	const struct size_demand *d = plan->demand;
	const struct atr_footprint_limits limits = {.max_bytes = d->max_bytes,
	                                            .max_msgs = d->max_msgs,
	                                            .max_msgs_per_subject =
	                                                    d->max_msgs_per_subject};
	struct atr_footprint_blocks blocks = {.file_system_bytes = plan->file_system_bytes};
	double sequences = fmax(plan->kept, d->rate / (double)d->streams * YEAR_S);
	struct atr_footprint_shape shape = {.cipher = cipher,
	                                    .state = size_plan_state(plan->costs),
	                                    .config_bytes = config_bytes,
	                                    .last_sequence = (uint64_t)sequences,
	                                    .subjects = (uint64_t)plan->subjects,
	                                    .subject_bytes = d->subject_bytes,
	                                    .duration_ns =
	                                            (uint64_t)fmin(age_s(plan) * SECOND_NS, 9e18),
	                                    .deleted = (uint64_t)(plan->kept - plan->live),
	                                    .consumers = d->consumers,
	                                    .consumer_config_bytes = CONSUMER_BYTES,
	                                    .consumer_pending = CONSUMER_PENDING};

	c->block_bytes = blocks.block_bytes =
	        size_plan_block_bytes(&limits, c->cipher, size_plan_version(plan->costs));
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

/* Records, key files, and the state file again and again. */
static double write_rate(const struct size_plan *plan, const struct size_cipher *c, double rate)
{
	double blocks_s = rate * plan->record_bytes / (double)c->block_bytes;
	double keys =
	        c->disk.key.files == 0 ? 0 : (double)c->disk.key.bytes / (double)c->disk.key.files;

	return rate * plan->record_bytes + blocks_s * keys +
	       (double)c->disk.state.bytes / STATE_INTERVAL_S;
}

/* always: each message. Else each block that was written since the last time, and its key. */
static double sync_rate(const struct size_plan *plan, const struct size_cipher *c, double rate)
{
	const struct size_demand *d = plan->demand;
	double blocks_s = rate * plan->record_bytes / (double)c->block_bytes;
	double keys_s = c->disk.key.files > 0 ? blocks_s : 0;

	if (d->always)
		return rate + keys_s;
	return blocks_s + keys_s + (double)d->streams / ((double)d->sync_interval_ns / SECOND_NS);
}

/* ---- starts ---- */

static void plan_starts(const struct size_plan *plan, const struct sizing_arm *arm,
                        struct size_cipher *c)
{
	const struct size_demand *d = plan->demand;
	double messages = plan->kept * (double)d->streams;
	double bytes = (double)c->disk.blk.bytes;
	double window = fmin(messages, d->rate * DUPLICATE_WINDOW_S);
	struct stats_interval recover = sizing_at(&arm->recover, plan->mix, plan->mix_count).value;

	c->start_ns = sizing_start(plan->costs, arm, plan->mix, plan->mix_count, messages, bytes, 1)
	                      .value;
	c->recover_ns =
	        sizing_start(plan->costs, arm, plan->mix, plan->mix_count, messages, bytes, 0)
	                .value;
	if (size_plan_state(plan->costs) == ATR_FOOTPRINT_STATE_INDEX &&
	    isfinite(recover.estimate)) {
		const double weights[] = {1, window};
		const struct stats_interval values[] = {c->start_ns, recover};
		c->start_ns = sizing_sum(weights, values, 2);
	}
}

/* ---- what must be said with it ---- */

/* Limits that are never reached are common beside an age. Where something else takes messages away
 * earlier, that is not what is asked for, or it is superfluous. */
static void note_limits(struct size_plan *plan)
{
	char others[SIZE_NOTE_BYTES / 2] = "", age[SIZE_TEXT_BYTES], kept[SIZE_TEXT_BYTES];
	const char *decides = size_input_name(plan->limit);

	for (enum size_key i = SIZE_KEY_MAX_AGE; i <= SIZE_KEY_MAX_MSGS_PER_SUBJECT; i++) {
		size_t used = strlen(others);
		if (i != plan->limit && isfinite(size_input_kept_by(plan->demand, i)))
			snprintf(others + used, sizeof(others) - used, "%s--%s",
			         used > 0 ? ", " : "", size_input_name(i));
	}
	size_text_count(plan->kept, kept);
	if (plan->limit != SIZE_KEY_MAX_AGE && others[0] != '\0')
		note(plan,
		     "--%s decides: a message leaves after %s, with %s kept in a stream; not "
		     "reached: %s",
		     decides, size_text_time(age_s(plan), age), kept, others);
	if (plan->kept < KEPT_FEW)
		note(plan, "By --%s a stream keeps no more than %s message%s of that size", decides,
		     kept, plan->kept > 1 ? "s" : "");
	if (plan->subjects < (double)plan->demand->subjects)
		note(plan,
		     "Of %s subjects no more than %s have a message at a time, as many as are "
		     "kept",
		     size_text_count((double)plan->demand->subjects, age),
		     size_text_count(plan->subjects, kept));
}

static void note_target(struct size_plan *plan)
{
	const struct sizing *s = plan->costs;

	if (!s->is_server)
		note(plan,
		     "Lower bound: no server was measured, the CPU time is that of this store, "
		     "which does less for a message than a server. Measure one: atrest run "
		     "--target nats");
	if (plan->demand->replicas > 1)
		note(plan,
		     "Lower bound: of %llu replicas the Raft log that each node writes beside "
		     "the stream, and what nodes send each other, was not measured",
		     (unsigned long long)plan->demand->replicas);
	if (!s->is_release)
		note(plan, "Some rows are of a build that is not fit to measure with (debug or "
		           "sanitised)");
	if (s->interrupted)
		note(plan, "A result is of a run that was interrupted");
}

static void note_curve(struct size_plan *plan, const struct sizing_curve *curve, const char *what)
{
	const struct sizing_point *p = curve->point;

	if (curve->count == 0 || !sizing_at(curve, plan->mix, plan->mix_count).beyond)
		return;
	if (curve->count == 1)
		note(plan,
		     "Extrapolated: %s was measured with records of %.0f bytes alone; other "
		     "sizes are bounded from above",
		     what, p[0].bytes);
	else
		note(plan, "Extrapolated: %s was measured with records of %.0f to %.0f bytes", what,
		     p[0].bytes, p[curve->count - 1].bytes);
}

static void note_rate(struct size_plan *plan)
{
	char peak[SIZE_TEXT_BYTES], most[SIZE_TEXT_BYTES];
	double lowest = INFINITY;

	for (size_t i = 0; i < SIZING_CIPHERS; i++)
		if (plan->ciphers[i].there)
			lowest = fmin(lowest, plan->ciphers[i].capacity_msgs_s);
	if (plan->demand->peak > lowest)
		note(plan,
		     "Extrapolated: %s messages a second are more than the %s that were "
		     "measured through one stream (client beside the server)",
		     size_text_count(plan->demand->peak, peak), size_text_count(lowest, most));
}

static void note_starts(struct size_plan *plan)
{
	const struct sizing_arm *arm = &plan->costs->arms[plan->chosen];
	double bytes = (double)plan->ciphers[plan->chosen].disk.blk.bytes;
	char text[SIZE_TEXT_BYTES];

	if (arm->start.count == 0 || arm->recover.count == 0)
		note(plan,
		     "Restarts were not measured%s: atrest run --suite %s, and give both "
		     "results with --result",
		     arm->start.count + arm->recover.count > 0 ? " in both ways" : "",
		     plan->costs->is_server ? "server --target nats" : "classes");
	if (arm->start.count > 0 &&
	    sizing_start(plan->costs, arm, plan->mix, plan->mix_count, plan->kept, bytes, 1).beyond)
		note(plan, "Extrapolated: starts were measured with %.3g GiB",
		     arm->start.point[arm->start.count - 1].bytes / 1073741824.0);
	note_curve(plan, &arm->recover, "a start without state file");
	if (plan->ciphers[plan->chosen].disk.state.files ==
	    plan->demand->consumers * plan->demand->streams)
		note(plan,
		     "With more than %s subjects or deleted messages a stream has no state "
		     "file: each restart is one without",
		     size_text_count((double)ATR_FOOTPRINT_INDEX_MAX, text));
	else if (size_plan_state(plan->costs) == ATR_FOOTPRINT_STATE_INDEX &&
	         arm->recover.count > 0)
		note(plan, "A restart with state file reads the blocks of the last two minutes too "
		           "(duplicate window); after a longer pause it does not");
}

/* The cap of 2 MiB holds only where there is no limit by bytes or messages. */
static void note_files(struct size_plan *plan)
{
	const struct size_cipher *c = &plan->ciphers[plan->chosen];
	char files[SIZE_TEXT_BYTES];

	if (plan->demand->max_bytes == 0 && c->block_bytes < plan->ciphers[0].block_bytes &&
	    c->total.files > FILES_MANY)
		note(plan,
		     "%s files under a cipher: with a --max-bytes of what is kept "
		     "the server makes blocks of 8 MiB, and a quarter of the files",
		     size_text_count((double)c->total.files, files));
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

static int plan_cipher(struct size_plan *plan, size_t i, uint64_t config_bytes)
{
	const struct sizing_arm *arm = &plan->costs->arms[i];
	const struct size_demand *d = plan->demand;
	const struct atr_cipher *cipher = atr_cipher_find(arm->cipher, NULL);
	struct size_cipher *c = &plan->ciphers[i];
	int server = plan->costs->is_server;

	if (cipher == NULL)
		return complain(EXIT_SYSTEM, "cipher %s is not there", arm->cipher);
	c->cipher = arm->cipher;
	c->there = arm->publish.count > 0;
	plan_cpu(plan, arm, c);
	plan_disk(plan, cipher, config_bytes, c);
	plan_starts(plan, arm, c);
	c->write_bytes_s_mean = write_rate(plan, c, d->rate);
	c->write_bytes_s_peak = write_rate(plan, c, d->peak);
	c->syncs_s_mean = sync_rate(plan, c, d->rate);
	c->syncs_s_peak = sync_rate(plan, c, d->peak);
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
	uint64_t config_bytes;
	int code;

	memset(out, 0, sizeof(*out));
	out->demand = demand;
	out->costs = costs;
	out->file_system_bytes = file_system_bytes;
	out->mix_count = size_input_mix(demand, out->mix);
	for (size_t i = 0; i < out->mix_count; i++)
		out->record_bytes += out->mix[i].weight * out->mix[i].record_bytes;
	out->kept = size_input_kept(demand);
	out->live = ceil(out->kept * (1 - demand->deleted_pct / 100));
	out->subjects = fmin((double)demand->subjects, out->live);
	out->limit = size_input_limit(demand);
	code = size_input_check_version(demand, size_plan_version(costs));
	if (code == EXIT_FINE)
		code = check_cells(out);
	if (code != EXIT_FINE)
		return code;
	config_bytes = stream_config_bytes(out);
	if (config_bytes == 0)
		return complain(EXIT_SYSTEM, "out of memory");
	for (size_t i = 0; i < SIZING_CIPHERS && code == EXIT_FINE; i++)
		code = plan_cipher(out, i, config_bytes);
	note_limits(out);
	note_target(out);
	note_curve(out, &costs->arms[out->chosen].publish, "publishing");
	if (demand->reads > 0)
		note_curve(out, &costs->arms[out->chosen].read, "reading");
	note_rate(out);
	note_files(out);
	note_starts(out);
	return code;
}

/* An interval that holds zero is no difference. */
static int is_zero(struct stats_interval v)
{
	return v.low <= 0 && v.high >= 0;
}

void size_plan_advice(const struct size_plan *plan, char text[SIZE_ADVICE_BYTES])
{
	const struct size_cipher *c = &plan->ciphers[plan->chosen], *plain = &plan->ciphers[0];
	const struct size_cipher *other = &plan->ciphers[SIZING_CIPHERS - plan->chosen];
	char all[SIZE_TEXT_BYTES], added[SIZE_TEXT_BYTES];
	double disk_pct =
	        100 * ((double)c->total.allocated_bytes / (double)plain->total.allocated_bytes - 1);
	size_t used;

	snprintf(text, SIZE_ADVICE_BYTES,
	         is_zero(c->added_peak)
	                 ? "Use %s: at the peak no measurable difference to plaintext, %s cores "
	                   "more (%s in all), and %.*f %% more disk"
	                 : "Use %s: at the peak it costs %s cores more than plaintext (%s in all), "
	                   "and %.*f %% more disk",
	         c->cipher, size_text_interval(c->added_peak, 1, added),
	         size_text_interval(c->cores_peak, 1, all), disk_pct < 10 ? 2 : 0, disk_pct);
	used = strlen(text);
	if (other->there)
		snprintf(text + used, SIZE_ADVICE_BYTES - used,
		         is_zero(other->added_peak) ? "; %s shows none either, %s more"
		                                    : "; %s would cost %s more",
		         other->cipher, size_text_interval(other->added_peak, 1, added));
	used = strlen(text);
	snprintf(text + used, SIZE_ADVICE_BYTES - used, ".%s",
	         plan->costs->is_server ? "" : " A server was not measured: a lower bound.");
}
