/* ways.c - see ways.h: what both directions share. */
#include "tests/compat/ways.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/compat/program.h"

static const char *const keys[] = {"f1rstKeyOfTheTests", "s3condKeyOfTheTests",
                                   "th1rdKeyOfTheTests"};

/* splitmix64 */
uint64_t way_draw(struct way *way, uint64_t below)
{
	uint64_t z = way->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % below;
}

int way_is_new(const struct way *way)
{
	return strcmp(way->version, "2.9.10") != 0;
}

const char *way_store_dir(const struct way *way)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/store", way->folder);
	return path;
}

const char *way_stream_dir(const struct way *way)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/store/jetstream/$G/streams/" WAY_STREAM,
	               way->folder);
	return path;
}

void way_change_cipher(struct way *way, const char *cipher)
{
	way->cipher = cipher;
	if (strcmp(cipher, "none") == 0) {
		way->had_clear = 1;
		way->key = NULL;
	} else {
		way->key = keys[way->keys];
	}
	way->prev_key = NULL;
}

void way_rotate(struct way *way)
{
	if (way->key == NULL || way->keys + 1 == sizeof(keys) / sizeof(keys[0]))
		return;
	way->prev_key = way->key;
	way->key = keys[++way->keys];
}

const struct content *way_message(struct way *way)
{
	static uint8_t payload[20000];
	static char subject[64], headers[128];
	static struct content c;

	memset(&c, 0, sizeof(c));
	(void)snprintf(subject, sizeof(subject), "orders.%" PRIu64 ".%" PRIu64, way_draw(way, 7),
	               way_draw(way, 3));
	c.subject = subject;
	c.payload = payload;
	c.payload_bytes =
	        way_draw(way, 40) == 0 ? way_draw(way, sizeof(payload)) : way_draw(way, 400);
	for (size_t i = 0; i < c.payload_bytes; i++)
		payload[i] = (uint8_t)way_draw(way, 256);
	if (way_draw(way, 3) == 0) {
		(void)snprintf(headers, sizeof(headers), "NATS/1.0\r\nNumber: %" PRIu64 "\r\n\r\n",
		               way_draw(way, 100000));
		c.headers = (uint8_t *)headers;
		c.headers_bytes = strlen(headers);
	}
	return &c;
}

struct server *way_start(const struct way *way)
{
	struct server_config config = {
	        .program = way->program,
	        .store_dir = way_store_dir(way),
	        .cipher = way->cipher,
	        .key = way->key,
	        .prev_key = way->prev_key,
	        .folder = way->folder,
	};
	struct server *server;

	assert_int_equal(server_start(&config, &server), 0);
	return server;
}

static uint64_t number(const json_t *object, const char *outer, const char *inner)
{
	const json_t *in = inner ? json_object_get(object, outer) : object;

	return (uint64_t)json_integer_value(json_object_get(in, inner ? inner : outer));
}

void way_ask_consumer(const struct way *way, struct server *server, struct way_consumer *out)
{
	json_t *reply =
	        server_request(server, "$JS.API.CONSUMER.INFO." WAY_STREAM "." WAY_CONSUMER, "");

	(void)way;
	memset(out, 0, sizeof(*out));
	if (json_object_get(reply, "config") != NULL) {
		out->exists = 1;
		out->delivered_consumer = number(reply, "delivered", "consumer_seq");
		out->delivered_stream = number(reply, "delivered", "stream_seq");
		out->floor_consumer = number(reply, "ack_floor", "consumer_seq");
		out->floor_stream = number(reply, "ack_floor", "stream_seq");
		out->pending = number(reply, "num_ack_pending", NULL);
	}
	json_decref(reply);
}

void way_same_in_server(const struct way *way, struct server *server)
{
	struct way_consumer consumer, expected = way->consumer;
	struct contents told;

	assert_int_equal(contents_ask(&told, server, WAY_STREAM), 0);
	assert_int_equal(contents_compare(&way->model, &told), 0);
	contents_free(&told);
	way_ask_consumer(way, server, &consumer);
	if (way->consumer.exists >= 0)
		assert_int_equal(consumer.exists, way->consumer.exists);
	if (!consumer.exists || way->consumer.exists < 0)
		return;
	/* what was delivered and is not in the stream any more is given up at some start */
	if (way->consumer.delivered_stream < way->model.first_seq && consumer.pending == 0) {
		expected.pending = 0;
		expected.floor_consumer = expected.delivered_consumer;
		expected.floor_stream = consumer.delivered_stream;
	}
	assert_int_equal(consumer.delivered_consumer, expected.delivered_consumer);
	assert_int_equal(consumer.pending, expected.pending);
	assert_int_equal(consumer.floor_consumer, expected.floor_consumer);
	/* a server that starts moves either up to what is no longer in the stream */
	if (consumer.floor_stream != way->model.first_seq - 1)
		assert_int_equal(consumer.floor_stream, expected.floor_stream);
	if (consumer.delivered_stream != way->model.first_seq - 1)
		assert_int_equal(consumer.delivered_stream, expected.delivered_stream);
}

/* The consumer's line of a dump, "" when there is none. */
static void find_consumer(const char *path, struct way_consumer *out)
{
	FILE *file = fopen(path, "r");
	json_t *line;

	memset(out, 0, sizeof(*out));
	assert_non_null(file);
	while ((line = json_loadf(file, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, NULL)) != NULL) {
		const char *type = json_string_value(json_object_get(line, "type"));
		const json_t *state = json_object_get(line, "state");

		if (type && strcmp(type, "consumer") == 0) {
			out->exists = 1;
			out->delivered_consumer = number(state, "delivered", "consumer_seq");
			out->delivered_stream = number(state, "delivered", "stream_seq");
			out->floor_consumer = number(state, "ack_floor", "consumer_seq");
			out->floor_stream = number(state, "ack_floor", "stream_seq");
			out->pending = number(state, "num_ack_pending", NULL);
		}
		json_decref(line);
	}
	(void)fclose(file);
}

void way_dump(const struct way *way, struct contents *out, struct way_consumer *consumer)
{
	const char *const words[] = {"stream",           "dump", "--json", "--payload",
	                             way_store_dir(way), NULL};
	char variable[256] = "", prev_path[128] = "", dump_path[128];
	const char *env[] = {NULL, NULL};
	struct program_result result;
	const char *with_prev[8];

	memcpy(with_prev, words, sizeof(words));
	if (way->key != NULL) {
		(void)snprintf(variable, sizeof(variable), "JS_KEY=%s", way->key);
		env[0] = variable;
	}
	if (way->prev_key != NULL) {
		(void)snprintf(prev_path, sizeof(prev_path), "%s/prev.key", way->folder);
		fixture_write(prev_path, way->prev_key, strlen(way->prev_key));
		with_prev[5] = "--prev-key-file";
		with_prev[6] = prev_path;
		with_prev[7] = NULL;
	}
	program_run(&result, with_prev, env, NULL);
	/* clear blocks that a server left in an encrypted stream (D10) make it 5 */
	if (result.code != 0 && !(result.code == 5 && way->had_clear && way->key != NULL))
		fail_msg("dump: exit %d\n%s", result.code, result.err);
	(void)snprintf(dump_path, sizeof(dump_path), "%s/dump.jsonl", way->folder);
	fixture_write(dump_path, result.out, result.out_bytes);
	program_free(&result);
	assert_int_equal(contents_read_dump(out, dump_path), 0);
	find_consumer(dump_path, consumer);
}

void way_same_in_dump(const struct way *way)
{
	struct way_consumer consumer;
	struct contents dumped;

	way_dump(way, &dumped, &consumer);
	assert_int_equal(contents_compare(&way->model, &dumped), 0);
	contents_free(&dumped);
	if (way->consumer.exists < 0)
		return;
	assert_int_equal(consumer.exists, way->consumer.exists);
	assert_int_equal(consumer.delivered_stream, way->consumer.delivered_stream);
	assert_int_equal(consumer.pending, way->consumer.pending);
}
