/* way_theirs.c - changed by a server over its API, then read and changed by us. See ways.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <stdlib.h>

#include "store/store.h"
#include "tests/compat/ways.h"

#define STEPS 45

struct theirs {
	struct way *way;
	struct server *server;
	struct contents live; /* sequences that are there, as far as this test knows */
	int has_consumer, compressed;
	char ack[64][256];
	size_t pending_count;
};

static void call(struct theirs *t, const char *subject, const char *request)
{
	json_t *reply = server_request(t->server, subject, request);

	if (reply == NULL || json_object_get(reply, "error") != NULL) {
		char *text = reply != NULL ? json_dumps(reply, JSON_COMPACT) : NULL;

		fail_msg("%s %s: %s", subject, request, text != NULL ? text : "no reply");
	}
	json_decref(reply);
}

static void create(struct theirs *t)
{
	/* blocks of 32,000 bytes (nats-server's rule for small max_bytes), and a limit that bites
	 */
	int small = way_draw(t->way, 3) > 0;
	char request[512];

	t->compressed = way_is_new(t->way) && way_draw(t->way, 2) == 0;

	(void)snprintf(request, sizeof(request),
	               "{\"name\":\"" WAY_STREAM "\",\"subjects\":[\"orders.>\"],"
	               "\"storage\":\"file\",\"retention\":\"limits\",\"discard\":\"old\","
	               "\"max_msgs\":-1,\"max_bytes\":%d,\"max_age\":0,\"max_consumers\":-1,"
	               "\"max_msgs_per_subject\":%d,\"num_replicas\":1,\"allow_direct\":true%s}",
	               small ? 127999 : -1, way_draw(t->way, 3) == 0 ? 30 : -1,
	               t->compressed ? ",\"compression\":\"s2\"" : "");
	call(t, "$JS.API.STREAM.CREATE." WAY_STREAM, request);
}

static void publish(struct theirs *t)
{
	for (uint64_t n = 1 + way_draw(t->way, 30); n > 0; n--) {
		const struct content *c = way_message(t->way);
		const struct server_header headers[] = {{"From", "server"}, {NULL, NULL}};

		assert_true(server_publish(t->server, c->subject,
		                           c->headers_bytes > 0 ? headers : NULL, c->payload,
		                           c->payload_bytes) > 0);
	}
}

static void know(struct theirs *t)
{
	contents_free(&t->live);
	assert_int_equal(contents_ask(&t->live, t->server, WAY_STREAM), 0);
}

static void acknowledge_all(struct theirs *t)
{
	while (t->pending_count > 0)
		assert_int_equal(server_ack(t->server, t->ack[--t->pending_count]), 0);
}

/* Servers up to 2.9: an erase of the last record of a block, once there is a newer block, leaves an
 * idx that does not fit: at the next start the deletes of that block are forgotten. Named, and kept
 * away from: erased is what another record follows in the only block. */
static int may_end_a_block(const struct theirs *t, uint64_t sequence)
{
	char path[512];

	if (way_is_new(t->way))
		return 0;
	if (sequence == t->live.last_seq)
		return 1;
	for (unsigned n = 2; n <= 64; n++) {
		(void)snprintf(path, sizeof(path), "%s/msgs/%u.blk", way_stream_dir(t->way), n);
		if (fixture_exists(path))
			return 1;
	}
	return 0;
}

static void remove_some(struct theirs *t)
{
	char request[64];

	/* D8: up to 2.11.4 an erase destroys compressed blocks of a plaintext stream */
	int may_erase = !(t->compressed && t->way->key == NULL &&
	                  strncmp(t->way->version, "2.10.", 5) == 0);

	acknowledge_all(t);
	know(t);
	for (uint64_t n = 1 + way_draw(t->way, 6); n > 0 && t->live.count > 1; n--) {
		uint64_t sequence = t->live.items[way_draw(t->way, t->live.count)].sequence;

		(void)snprintf(request, sizeof(request), "{\"seq\":%" PRIu64 "%s}", sequence,
		               way_draw(t->way, 3) > 0 || !may_erase || may_end_a_block(t, sequence)
		                       ? ",\"no_erase\":true"
		                       : "");
		call(t, "$JS.API.STREAM.MSG.DELETE." WAY_STREAM, request);
		assert_int_equal(contents_remove(&t->live, sequence), 0);
	}
}

/* 2.9.10 counts wrongly after a purge of a part (its state differs from what it gives, and an idx
 * does not fit itself): there only the whole stream is purged. */
static void purge(struct theirs *t)
{
	char request[128], filter[64] = "";

	acknowledge_all(t);
	know(t);
	if (t->live.count == 0)
		return;
	if (way_draw(t->way, 2) == 0 && way_is_new(t->way))
		(void)snprintf(filter, sizeof(filter), ",\"filter\":\"orders.%" PRIu64 ".*\"",
		               way_draw(t->way, 7));
	if (!way_is_new(t->way))
		(void)snprintf(request, sizeof(request), "{}");
	else if (way_draw(t->way, 2) == 0)
		(void)snprintf(request, sizeof(request), "{\"keep\":%" PRIu64 "%s}",
		               1 + way_draw(t->way, 40), filter);
	else
		(void)snprintf(request, sizeof(request), "{\"seq\":%" PRIu64 "%s}",
		               t->live.items[way_draw(t->way, t->live.count)].sequence, filter);
	call(t, "$JS.API.STREAM.PURGE." WAY_STREAM, request);
}

static void consume(struct theirs *t)
{
	int got = 1;

	if (!t->has_consumer) {
		call(t, "$JS.API.CONSUMER.DURABLE.CREATE." WAY_STREAM "." WAY_CONSUMER,
		     "{\"stream_name\":\"" WAY_STREAM
		     "\",\"config\":{\"durable_name\":\"" WAY_CONSUMER
		     "\",\"deliver_policy\":\"all\",\"ack_policy\":\"explicit\","
		     "\"ack_wait\":3600000000000,\"max_deliver\":-1,\"replay_policy\":\"instant\","
		     "\"max_ack_pending\":1000}}");
		t->has_consumer = 1;
	}
	for (uint64_t n = 1 + way_draw(t->way, 12); n > 0 && t->pending_count < 64; n--) {
		got = server_pull(t->server, WAY_STREAM, WAY_CONSUMER, t->ack[t->pending_count],
		                  sizeof(t->ack[0]));
		assert_true(got >= 0);
		if (got == 0)
			break;
		t->pending_count++;
	}
	for (uint64_t n = way_draw(t->way, 8); n > 0 && t->pending_count > 0; n--) {
		size_t i = way_draw(t->way, t->pending_count);

		assert_int_equal(server_ack(t->server, t->ack[i]), 0);
		if (i != --t->pending_count)
			memcpy(t->ack[i], t->ack[t->pending_count], sizeof(t->ack[0]));
	}
}

/* Servers up to 2.10 write o.dat in place, at most every 100 ms: one that is stopped between
 * cutting it and writing it leaves it empty, and 2.10.27 under a cipher then panics at its start.
 * Named, and kept away from. */
static void stop(struct theirs *t)
{
	if (t->has_consumer && (!way_is_new(t->way) || strncmp(t->way->version, "2.10.", 5) == 0))
		(void)usleep(250000);
	assert_int_equal(server_stop(t->server), 0);
}

/* D2: servers up to 2.11.5 write what follows in clear text, and lose it at the next restart, when
 * the last block of an encrypted stream is empty at a restart. Named, and kept away from: a message
 * stands at the end before each restart. */
static void restart(struct theirs *t)
{
	static const char *const ciphers[] = {"chachapoly", "aes"};
	struct way *way = t->way;
	struct way_consumer consumer;

	publish(t);
	stop(t);
	way->prev_key = NULL;
	/* 2.10 takes a compressed block under another cipher for a damaged one */
	if (way->key != NULL && way_draw(way, 2) == 0 &&
	    !(t->compressed && strncmp(way->version, "2.10.", 5) == 0))
		way_change_cipher(way, ciphers[way_draw(way, 2)]);
	t->server = way_start(way);
	if (!t->has_consumer)
		return;
	/* D4: a consumer that has no o.dat yet does not survive another cipher */
	way_ask_consumer(way, t->server, &consumer);
	if (!consumer.exists) {
		print_message("  D4 as expected: the consumer did not survive the cipher change\n");
		t->has_consumer = 0;
		t->pending_count = 0;
	}
}

/* From 2.10 on. D4: no durable consumer comes back; its files stay under the previous key. */
static void rotate(struct theirs *t)
{
	struct way *way = t->way;
	struct way_consumer consumer;

	acknowledge_all(t);
	stop(t);
	way_rotate(way);
	t->server = way_start(way);
	way->rotated = way->prev_key != NULL;
	way_ask_consumer(way, t->server, &consumer);
	if (t->has_consumer && way->rotated && !consumer.exists)
		print_message("  D4 as expected: the consumer did not survive the rotation\n");
}

static void step(struct theirs *t)
{
	switch (way_draw(t->way, 16)) {
	case 0:
	case 1:
	case 2:
		remove_some(t);
		break;
	case 3:
		purge(t);
		break;
	case 4:
		restart(t);
		break;
	case 5:
	case 6:
	case 7:
		consume(t);
		break;
	default:
		publish(t);
	}
}

/* Our store goes on where the server stopped. */
static void change_by_us(struct way *way)
{
	struct atr_store_options options = {
	        .account = "$G",
	        .stream = WAY_STREAM,
	        .cipher = atr_cipher_find(way->cipher, NULL),
	        .key = (const uint8_t *)way->key,
	        .key_bytes = way->key != NULL ? strlen(way->key) : 0,
	        .prev_key = (const uint8_t *)way->prev_key,
	        .prev_key_bytes = way->prev_key != NULL ? strlen(way->prev_key) : 0,
	        .format = way_is_new(way) ? ATR_FORMAT_2_10 : ATR_FORMAT_2_9,
	};
	struct atr_store *store;
	struct atr_error err;
	uint64_t sequence;

	assert_ok(atr_store_open(way_stream_dir(way), &options, &store, &err), &err);
	for (unsigned i = 0; i < 5; i++) {
		struct content c = *way_message(way);
		struct atr_message m = {
		        .time_ns = INT64_C(4102444800000000000) + i,
		        .subject = "orders.ours",
		        .subject_bytes = strlen("orders.ours"),
		        .payload = c.payload,
		        .payload_bytes = c.payload_bytes % 300,
		};

		assert_ok(atr_store_append(store, &m, &c.sequence, &err), &err);
		if (i == 2) { /* one between two others is gone again */
			assert_ok(atr_store_delete(store, c.sequence, &err), &err);
		}
	}
	sequence = way->model.count > 0 ? way->model.items[way->model.count / 2].sequence : 0;
	if (sequence != 0) {
		enum atr_status rc = atr_store_delete(store, sequence, &err);

		/* a limit of the stream may have been faster */
		assert_true(rc == ATR_OK || rc == ATR_ENOTFOUND);
	}
	assert_ok(atr_store_close(store, &err), &err);
}

/* Servers up to 2.10 write o.dat in place; one that stops between cutting it and writing it leaves
 * it empty. Named, and taken away: without it the consumer has no state, which is what a server
 * makes of the empty file. */
static int emptied_consumer(const struct way *way)
{
	char path[512];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/obs/" WAY_CONSUMER "/o.dat", way_stream_dir(way));
	if (stat(path, &st) != 0 || st.st_size > 0)
		return 0;
	print_message("  the server left an empty o.dat\n");
	assert_int_equal(unlink(path), 0);
	return 1;
}

void way_theirs(struct way *way)
{
	struct theirs t = {.way = way};
	struct server *server;
	struct contents ours;

	t.server = way_start(way);
	create(&t);
	publish(&t);
	for (unsigned i = 0; i < STEPS; i++)
		step(&t);
	publish(&t);
	if (way_is_new(way) && way->key != NULL && way_draw(way, 2) == 0 &&
	    !(t.compressed && strncmp(way->version, "2.10.", 5) == 0))
		rotate(&t);
	assert_int_equal(contents_ask(&way->model, t.server, WAY_STREAM), 0);
	way_ask_consumer(way, t.server, &way->consumer);
	stop(&t);
	/* a consumer lost to D4 is there for us, under the previous key */
	if (emptied_consumer(way) || (way->rotated && t.has_consumer))
		way->consumer.exists = -1;
	way_same_in_dump(way);

	change_by_us(way);
	/* what we say then, the server must say too */
	way->prev_key = NULL;
	contents_free(&way->model);
	way_dump(way, &way->model, &way->consumer);
	server = way_start(way);
	assert_int_equal(contents_ask(&ours, server, WAY_STREAM), 0);
	assert_int_equal(contents_compare(&way->model, &ours), 0);
	contents_free(&ours);
	way_same_in_server(way, server);
	assert_int_equal(server_stop(server), 0);
	contents_free(&t.live);
}
