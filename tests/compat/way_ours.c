/* way_ours.c - changed by our store, then opened by a server. See ways.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/boundary.h"
#include "store/store.h"
#include "tests/compat/ways.h"

#define STEPS           70
#define PER_SUBJECT_MAX 30

struct ours {
	struct way *way;
	struct atr_store *store;
	enum atr_format format;
	enum atr_existing_blocks existing_blocks;
	int compressed, per_subject;
	int64_t time_ns;
	uint64_t consumer_seq, pending[512]; /* stream sequences */
	uint64_t pending_consumer_seq[512];
	size_t pending_count;
};

static void open_store(struct ours *o, int create)
{
	static const char config[] = "{\"subjects\":[\"orders.>\"],\"allow_direct\":true%s%s}";
	char config_json[256];
	struct way *way = o->way;
	struct atr_store_options options = {
	        .account = "$G",
	        .stream = WAY_STREAM,
	        .cipher = atr_cipher_find(way->cipher, NULL),
	        .flush = way_draw(way, 2) == 0 ? ATR_FLUSH_EACH : ATR_FLUSH_ASYNC,
	        .block_bytes = 16384,
	        .format = o->format,
	        .existing_blocks = o->existing_blocks,
	        .read = way_draw(way, 2) == 0 ? ATR_READ_BLOCK : ATR_READ_RECORD,
	};
	struct atr_error err;

	/* decrypting needs the key as well */
	options.key = (const uint8_t *)way->key;
	options.key_bytes = way->key != NULL ? strlen(way->key) : 0;
	options.prev_key = (const uint8_t *)way->prev_key;
	options.prev_key_bytes = way->prev_key != NULL ? strlen(way->prev_key) : 0;
	(void)snprintf(config_json, sizeof(config_json), config,
	               o->compressed ? ",\"compression\":\"s2\"" : "",
	               o->per_subject ? ",\"max_msgs_per_subject\":30" : "");
	options.config_json = config_json;
	if (create)
		assert_ok(atr_store_create(way_stream_dir(way), &options, &o->store, &err), &err);
	else
		assert_ok(atr_store_open(way_stream_dir(way), &options, &o->store, &err), &err);
}

static void close_store(struct ours *o)
{
	struct atr_store_consumer_state s;
	struct atr_error err;

	if (o->way->consumer.exists) {
		assert_ok(atr_store_consumer_state(o->store, WAY_CONSUMER, &s, &err), &err);
		o->way->consumer.delivered_consumer = s.delivered_consumer_seq;
		o->way->consumer.delivered_stream = s.delivered_stream_seq;
		o->way->consumer.floor_consumer = s.ack_floor_consumer_seq;
		o->way->consumer.floor_stream = s.ack_floor_stream_seq;
		o->way->consumer.pending = s.num_ack_pending;
		assert_int_equal(s.num_ack_pending, o->pending_count);
	}
	assert_ok(atr_store_close(o->store, &err), &err);
	o->store = NULL;
}

/* The newest of that subject stay. */
static void enforce_per_subject(struct contents *model, const char *subject)
{
	size_t count = 0;

	for (size_t i = 0; i < model->count; i++)
		count += strcmp(model->items[i].subject, subject) == 0;
	for (size_t i = 0; count > PER_SUBJECT_MAX; i++)
		if (strcmp(model->items[i].subject, subject) == 0) {
			assert_int_equal(contents_remove(model, model->items[i].sequence), 0);
			count--;
			i--;
		}
}

static void publish(struct ours *o)
{
	struct way *way = o->way;

	for (uint64_t n = 1 + way_draw(way, 25); n > 0; n--) {
		struct content c = *way_message(way);
		struct atr_message m = {
		        .time_ns = o->time_ns += 1000000 + (int64_t)way_draw(way, 1000),
		        .subject = c.subject,
		        .subject_bytes = strlen(c.subject),
		        .headers = c.headers,
		        .headers_bytes = c.headers_bytes,
		        .payload = c.payload,
		        .payload_bytes = c.payload_bytes,
		};
		struct atr_error err;

		c.time_ns = m.time_ns;
		assert_ok(atr_store_append(o->store, &m, &c.sequence, &err), &err);
		assert_int_equal(c.sequence, way->model.last_seq + 1);
		contents_append(&way->model, &c);
		if (o->per_subject)
			enforce_per_subject(&way->model, c.subject);
	}
}

static void acknowledge(struct ours *o, size_t i)
{
	struct atr_error err;

	assert_ok(atr_store_consumer_ack(o->store, WAY_CONSUMER, o->pending_consumer_seq[i],
	                                 o->pending[i], &err),
	          &err);
	o->pending_count--;
	o->pending[i] = o->pending[o->pending_count];
	o->pending_consumer_seq[i] = o->pending_consumer_seq[o->pending_count];
}

/* What is removed must not be pending: a server forgets such when it starts. */
static void acknowledge_all(struct ours *o)
{
	while (o->pending_count > 0)
		acknowledge(o, 0);
}

static void remove_one(struct ours *o, int erase)
{
	struct contents *model = &o->way->model;
	struct atr_error err;
	uint64_t sequence;

	if (model->count == 0)
		return;
	acknowledge_all(o);
	sequence = model->items[way_draw(o->way, model->count)].sequence;
	assert_ok(erase ? atr_store_erase(o->store, sequence, &err)
	                : atr_store_delete(o->store, sequence, &err),
	          &err);
	assert_status(atr_store_delete(o->store, sequence, &err), ATR_ENOTFOUND, &err);
	assert_int_equal(contents_remove(model, sequence), 0);
}

static void purge(struct ours *o)
{
	struct contents *model = &o->way->model;
	struct atr_purge purge = {0};
	struct atr_error err;
	char filter[64] = ">";
	uint64_t purged, expected = 0, left = 0;
	size_t matching = 0;

	if (model->count == 0)
		return;
	acknowledge_all(o);
	if (way_draw(o->way, 2) == 0) {
		(void)snprintf(filter, sizeof(filter), "orders.%" PRIu64 ".*", way_draw(o->way, 7));
		purge.subject = filter;
	}
	switch (way_draw(o->way, 8)) {
	case 0:
		break;
	case 1:
	case 2:
	case 3:
		purge.keep = 1 + way_draw(o->way, 20);
		break;
	default:
		purge.below_sequence = model->items[way_draw(o->way, model->count)].sequence;
		break;
	}
	for (size_t i = 0; i < model->count; i++)
		matching += atr_subject_matches(filter, model->items[i].subject,
		                                strlen(model->items[i].subject)) != 0;
	for (size_t i = 0; i < model->count;) {
		const struct content *c = &model->items[i];

		if (!atr_subject_matches(filter, c->subject, strlen(c->subject)) ||
		    (purge.below_sequence != 0 && c->sequence >= purge.below_sequence)) {
			i++;
			continue;
		}
		if (purge.keep > 0 && matching - left <= purge.keep)
			break;
		left++;
		expected++;
		assert_int_equal(contents_remove(model, c->sequence), 0);
	}
	assert_ok(atr_store_purge(o->store, &purge, &purged, &err), &err);
	assert_int_equal(purged, expected);
}

static void compact(struct ours *o)
{
	struct contents *model = &o->way->model;
	struct atr_error err;
	uint64_t sequence, purged;

	if (model->count == 0 || way_draw(o->way, 2) == 0) {
		assert_ok(atr_store_compact_blocks(o->store, (int)way_draw(o->way, 2), &err), &err);
		return;
	}
	acknowledge_all(o);
	sequence = model->items[way_draw(o->way, (model->count + 1) / 2)].sequence;
	while (model->count > 0 && model->items[0].sequence < sequence)
		assert_int_equal(contents_remove(model, model->items[0].sequence), 0);
	assert_ok(atr_store_compact(o->store, sequence, &purged, &err), &err);
}

static void consume(struct ours *o)
{
	struct way *way = o->way;
	struct atr_error err;
	size_t i = 0;

	if (!way->consumer.exists) {
		assert_ok(atr_store_consumer_create(
		                  o->store, WAY_CONSUMER,
		                  "{\"durable_name\":\"" WAY_CONSUMER
		                  "\",\"ack_policy\":\"explicit\","
		                  "\"ack_wait\":3600000000000,\"max_ack_pending\":1000}",
		                  &err),
		          &err);
		way->consumer.exists = 1;
	}
	while (i < way->model.count &&
	       way->model.items[i].sequence <= way->consumer.delivered_stream)
		i++;
	for (uint64_t n = way_draw(way, 12); n > 0 && i < way->model.count; n--, i++) {
		uint64_t sequence = way->model.items[i].sequence;

		if (o->pending_count == sizeof(o->pending) / sizeof(o->pending[0]))
			break;
		assert_ok(atr_store_consumer_delivered(o->store, WAY_CONSUMER, ++o->consumer_seq,
		                                       sequence, 1,
		                                       (int64_t)time(NULL) * 1000000000, &err),
		          &err);
		o->pending[o->pending_count] = sequence;
		o->pending_consumer_seq[o->pending_count++] = o->consumer_seq;
		way->consumer.delivered_stream = sequence;
	}
	for (uint64_t n = way_draw(way, 8); n > 0 && o->pending_count > 0; n--)
		acknowledge(o, way_draw(way, o->pending_count));
}

static void restart(struct ours *o)
{
	static const char *const ciphers[] = {"chachapoly", "aes"};
	struct way *way = o->way;
	int changed = 0;

	close_store(o);
	way->prev_key = NULL;
	if (way->key != NULL && way_draw(way, 3) == 0) {
		way_change_cipher(way, ciphers[way_draw(way, 2)]);
		changed = 1;
	} else if (way->key != NULL && way_draw(way, 3) == 0) {
		way_rotate(way);
	}
	/* under "convert" now and then: the blocks that were kept until now are rewritten too. 2.10
	 * takes a compressed block under another cipher for a damaged one: none is left there. */
	if (changed &&
	    (way_draw(way, 3) == 0 || (o->compressed && strncmp(way->version, "2.10.", 5) == 0)))
		o->existing_blocks = ATR_EXISTING_CONVERT;
	open_store(o, 0);
	o->existing_blocks = ATR_EXISTING_KEEP;
	/* one start with the previous key is enough */
	if (way->prev_key != NULL) {
		close_store(o);
		way->prev_key = NULL;
		open_store(o, 0);
	}
}

static void step(struct ours *o)
{
	struct atr_error err;

	switch (way_draw(o->way, 20)) {
	case 0:
	case 1:
	case 2:
		remove_one(o, 0);
		break;
	case 3:
		remove_one(o, 1);
		break;
	case 4:
		purge(o);
		break;
	case 5:
		compact(o);
		break;
	case 6:
		restart(o);
		break;
	case 7:
	case 8:
		consume(o);
		break;
	case 9:
		assert_ok(atr_store_sync(o->store, &err), &err);
		break;
	default:
		publish(o);
	}
}

static void same_counts(struct ours *o)
{
	const struct contents *model = &o->way->model;
	struct atr_store_state s;

	atr_store_state(o->store, &s);
	assert_int_equal(s.messages, model->count);
	assert_int_equal(s.last_seq, model->last_seq);
	if (model->count > 0)
		assert_int_equal(s.first_seq, model->first_seq);
}

/* D1: servers 2.10.0 to 2.11.11 lose an encrypted stream that has no index.db at the second start.
 * Named, and seen: the first start has everything. */
static int has_defect_1(const struct way *way)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/msgs/index.db", way_stream_dir(way));
	return strncmp(way->version, "2.10.", 5) == 0 && way->key != NULL && !fixture_exists(path);
}

void way_ours(struct way *way)
{
	struct ours o = {.way = way, .time_ns = INT64_C(1764000000000000000)};
	struct server *server;
	int defect_1;

	o.format = !way_is_new(way) || way_draw(way, 3) == 0 ? ATR_FORMAT_2_9 : ATR_FORMAT_2_10;
	o.compressed = way_is_new(way) && o.format == ATR_FORMAT_2_10 && way_draw(way, 2) == 0;
	o.per_subject = way_draw(way, 3) == 0;
	open_store(&o, 1);
	for (unsigned i = 0; i < STEPS; i++) {
		step(&o);
		same_counts(&o);
	}
	publish(&o);
	close_store(&o);
	way_same_in_dump(way);
	defect_1 = has_defect_1(way);
	for (unsigned start = 0; start < 2; start++) {
		server = way_start(way);
		if (start == 1 && defect_1) {
			print_message("  D1 expected at the second start\n");
			assert_int_equal(server_stop(server), 0);
			return;
		}
		way_same_in_server(way, server);
		assert_int_equal(server_stop(server), 0);
	}
	way_same_in_dump(way);
}
