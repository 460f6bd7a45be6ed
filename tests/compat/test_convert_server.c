/* test_convert_server.c - golden streams, converted, are opened by real servers: every message
 * equal to what was there before, consumers where they were, over two starts, and the next message
 * gets the next sequence.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/compat/contents.h"
#include "tests/compat/fixture_copy.h"
#include "tests/compat/server.h"
#include "tests/unit/store_fixture.h"

#define KEY "theKeyOfTheTest"

static struct {
	const char *version, *wanted_for;
	char program[1024];
} servers[] = {{"2.9.10", "2.9", ""}, {"2.10.27", "2.10", ""}, {"newest", "2.10", ""}};

#define SERVERS (sizeof servers / sizeof servers[0])

/* Tombstones, purged and emptied blocks, S2, consumers, clear blocks left behind, a rotation. */
static const struct {
	const char *name, *cipher;
} cases[] = {
        {"nats-2.15.1/deletes-aes", "none"},       {"nats-2.15.1/purges-chacha", "aes"},
        {"nats-2.15.1/s2-plain", "chachapoly"},    {"nats-2.15.1/consumer-aes", "chachapoly"},
        {"nats-2.15.1/empty-chacha", "aes"},       {"nats-2.15.1/partial-chacha", "chachapoly"},
        {"nats-2.10.27/rotate-chacha-aes", "aes"}, {"nats-2.9.10/workqueue-aes", "chachapoly"},
        {"nats-2.9.10/purges-chacha", "none"},     {"nats-2.9.10/empty-aes", "chachapoly"},
        {"nats-2.9.10/blocks-chacha", "aes"},
};

#define CASES (sizeof cases / sizeof cases[0])

struct stream {
	char name[256];
	struct contents contents;
	json_t *consumers; /* their lines of the dump */
};

struct bench {
	char folder[PATH_MAX], key_path[PATH_MAX], prev_path[PATH_MAX], dump_path[PATH_MAX];
	struct fixture_copy copy;
	const char *cipher;
	struct stream stream[8];
	size_t streams;
};

static void write_text(const char *path, const char *text)
{
	fixture_write(path, text, strlen(text));
}

/* Names of the streams, from `ls --json` of the directory before anything is changed. */
static void list_streams(struct bench *b)
{
	struct program_result r;

	fixture_run(&r, b->copy.key, "ls", "--json", b->copy.store, NULL, NULL, NULL);
	assert_int_equal(r.code, 0);
	for (char *line = strtok(r.out, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		json_t *object = json_loads(line, 0, NULL);
		json_t *row = object;
		size_t i;

		if (json_is_array(object))
			row = NULL;
		json_array_foreach(object, i, row)
		{
			assert_true(b->streams < 8);
			(void)snprintf(b->stream[b->streams++].name, 256, "%s",
			               json_string_value(json_object_get(row, "stream")));
		}
		if (!json_is_array(object) && json_object_get(object, "stream") != NULL) {
			assert_true(b->streams < 8);
			(void)snprintf(b->stream[b->streams++].name, 256, "%s",
			               json_string_value(json_object_get(object, "stream")));
		}
		json_decref(object);
	}
	program_free(&r);
	assert_true(b->streams > 0);
}

/* What a stream says before it is converted. */
static void read_stream(struct bench *b, struct stream *s)
{
	const char *prev = b->copy.prev_key[0] != '\0' ? "--prev-key-file" : NULL;
	const char *arguments[] = {"stream", "dump",        "--json", "--payload",  "--stream",
	                           s->name,  b->copy.store, prev,     b->prev_path, NULL};
	const char *env[2] = {NULL, NULL};
	char js_key[2100];
	struct program_result r;
	char *line;

	if (b->copy.key[0] != '\0') {
		(void)snprintf(js_key, sizeof js_key, "JS_KEY=%s", b->copy.key);
		env[0] = js_key;
	}
	program_run(&r, arguments, env, NULL);
	/* the blocks in clear text are named, and read */
	assert_true(r.code == 0 || strstr(b->copy.store, "partial") != NULL);
	write_text(b->dump_path, r.out);
	assert_int_equal(contents_read_dump(&s->contents, b->dump_path), 0);
	s->consumers = json_array();
	for (line = strtok(r.out, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		json_t *object = json_loads(line, JSON_ALLOW_NUL, NULL);

		if (strcmp(json_string_value(json_object_get(object, "type")), "consumer") == 0)
			json_array_append(s->consumers, object);
		json_decref(object);
	}
	program_free(&r);
}

/* Under KEY afterwards: the case's own key is the previous one. */
static void convert(struct bench *b, const char *wanted_for)
{
	const char *arguments[16] = {"stream", "convert",  "--cipher",   b->cipher,
	                             "--for",  wanted_for, "--key-file", b->key_path};
	struct program_result r;
	size_t n = 8;

	if (b->copy.key[0] != '\0' && b->copy.prev_key[0] == '\0') {
		write_text(b->prev_path, b->copy.key);
		arguments[n++] = "--prev-key-file";
		arguments[n++] = b->prev_path;
	} else if (b->copy.prev_key[0] != '\0') { /* two keys are there already */
		write_text(b->key_path, b->copy.key);
		arguments[n++] = "--prev-key-file";
		arguments[n++] = b->prev_path;
	}
	arguments[n++] = b->copy.store;
	program_run(&r, arguments, NULL, NULL);
	if (r.code != 0)
		print_message("%s%s\n", r.out, r.err);
	assert_int_equal(r.code, 0);
	program_free(&r);
}

static void same_consumers(struct server *server, const struct stream *s)
{
	static const char *const parts[] = {"delivered", "ack_floor"};
	const json_t *line;
	size_t i;

	json_array_foreach(s->consumers, i, line)
	{
		const json_t *state = json_object_get(line, "state");
		char subject[512];
		json_t *reply;

		(void)snprintf(subject, sizeof subject, "$JS.API.CONSUMER.INFO.%s.%s", s->name,
		               json_string_value(json_object_get(line, "consumer")));
		reply = server_request(server, subject, "");
		assert_non_null(reply);
		if (json_object_get(reply, "error") != NULL)
			fail_msg("%s: %s", subject,
			         json_string_value(json_object_get(json_object_get(reply, "error"),
			                                           "description")));
		for (size_t p = 0; p < 2; p++)
			for (size_t w = 0; w < 2; w++) {
				const char *which = w == 0 ? "consumer_seq" : "stream_seq";
				json_int_t told = json_integer_value(
				        json_object_get(json_object_get(reply, parts[p]), which));
				json_int_t was = json_integer_value(
				        json_object_get(json_object_get(state, parts[p]), which));

				if (told != was)
					print_message("%s: %s %s %lld, expected %lld\n", subject,
					              parts[p], which, (long long)told,
					              (long long)was);
				assert_true(told == was);
			}
		assert_int_equal(json_integer_value(json_object_get(reply, "num_ack_pending")),
		                 json_integer_value(json_object_get(state, "num_ack_pending")));
		json_decref(reply);
	}
}

static void same_in_server(struct bench *b, const char *program, const char *key)
{
	struct server_config config = {.program = program,
	                               .store_dir = b->copy.store,
	                               .cipher = b->cipher,
	                               .key = key,
	                               .folder = b->folder};
	struct server *server;

	assert_int_equal(server_start(&config, &server), 0);
	for (size_t i = 0; i < b->streams; i++) {
		struct stream *s = &b->stream[i];
		struct contents told;

		assert_int_equal(contents_ask(&told, server, s->name), 0);
		if (told.last_seq == 0) /* 0 and 1 are the same there */
			told.first_seq = s->contents.first_seq;
		if (contents_compare(&s->contents, &told) != 0)
			fail_msg("stream %s", s->name);
		contents_free(&told);
		same_consumers(server, s);
	}
	assert_int_equal(server_stop(server), 0);
}

struct arm {
	size_t server, which;
};

static void a_converted_stream_is_equal_in_a_server(void **state)
{
	const struct arm *arm = *state;
	struct bench *b = calloc(1, sizeof *b);
	const char *key;
	int starts = 2;

	assert_non_null(b);
	fixture_make(b->folder);
	b->cipher = cases[arm->which].cipher;
	fixture_copy(&b->copy, cases[arm->which].name, b->folder,
	             strstr(cases[arm->which].name, "partial") != NULL ? "partial" : "store");
	(void)snprintf(b->key_path, sizeof b->key_path, "%s", fixture_path(b->folder, "key"));
	(void)snprintf(b->prev_path, sizeof b->prev_path, "%s", fixture_path(b->folder, "prev"));
	(void)snprintf(b->dump_path, sizeof b->dump_path, "%s", fixture_path(b->folder, "dump"));
	write_text(b->key_path, KEY);
	write_text(b->prev_path, b->copy.prev_key);
	list_streams(b);
	for (size_t i = 0; i < b->streams; i++)
		read_stream(b, &b->stream[i]);
	convert(b, servers[arm->server].wanted_for);
	key = strcmp(b->cipher, "none") == 0 ? NULL
	      : b->copy.prev_key[0] != '\0'  ? b->copy.key
	                                     : KEY;
	while (starts-- > 0)
		same_in_server(b, servers[arm->server].program, key);
	for (size_t i = 0; i < b->streams; i++) {
		contents_free(&b->stream[i].contents);
		json_decref(b->stream[i].consumers);
	}
	fixture_remove(b->folder);
	free(b);
}

#define TTL_MESSAGES 12

static struct server *start_ttl(const struct fixture_copy *copy, const char *folder)
{
	struct server_config config = {.program = servers[SERVERS - 1].program,
	                               .store_dir = copy->store,
	                               .cipher = "aes",
	                               .key = copy->key,
	                               .folder = folder};
	struct server *server;

	assert_int_equal(server_start(&config, &server), 0);
	return server;
}

/* The times to live are in the messages. The server's list of them is not taken along, and no
 * index.db is there that would say that no block has any. */
static void messages_still_expire_after_a_conversion(void **state)
{
	static const struct server_header short_life[] = {{"Nats-TTL", "3s"}, {NULL, NULL}};
	struct fixture_copy copy;
	struct program_result r;
	struct contents told;
	struct server *server;
	char folder[PATH_MAX];

	(void)state;
	fixture_make(folder);
	fixture_copy(&copy, "nats-2.15.1/ttl-aes", folder, "store");
	server = start_ttl(&copy, folder);
	for (unsigned i = 1; i <= 3; i++)
		assert_int_equal(server_publish(server, "ttl.0", short_life, "x", 1),
		                 TTL_MESSAGES + i);
	assert_int_equal(server_stop(server), 0);
	fixture_run(&r, copy.key, "convert", "--json", "--cipher", "chachapoly", copy.store, NULL);
	assert_int_equal(r.code, 0);
	assert_non_null(strstr(r.out, "\"messages\":15")); /* not expired yet */
	program_free(&r);
	fixture_run(&r, copy.key, "convert", "--cipher", "aes", copy.store, NULL, NULL);
	assert_int_equal(r.code, 0);
	program_free(&r);

	server = start_ttl(&copy, folder);
	(void)sleep(4);
	assert_int_equal(contents_ask(&told, server, "TTL"), 0);
	assert_int_equal(server_stop(server), 0);
	assert_int_equal(told.count, TTL_MESSAGES);
	assert_int_equal(told.last_seq, TTL_MESSAGES + 3);
	contents_free(&told);
	fixture_remove(folder);
}

int main(void)
{
	static struct CMUnitTest tests[SERVERS * CASES + 1];
	static struct arm arms[SERVERS * CASES];
	static char names[SERVERS * CASES][128];
	char why[1024];
	size_t n = 0;

	for (size_t s = 0; s < SERVERS; s++) {
		if (server_find(servers[s].version, servers[s].program, sizeof servers[s].program,
		                why, sizeof why) != 0) {
			printf("SKIP server: %s\n", why);
			return 77;
		}
		for (size_t c = 0; c < CASES; c++, n++) {
			arms[n] = (struct arm){s, c};
			(void)snprintf(names[n], sizeof names[n], "%s: %s to %s",
			               servers[s].version, cases[c].name, cases[c].cipher);
			tests[n] = (struct CMUnitTest){
			        .name = names[n],
			        .test_func = a_converted_stream_is_equal_in_a_server,
			        .initial_state = &arms[n]};
		}
	}
	tests[n] = (struct CMUnitTest)cmocka_unit_test(messages_still_expire_after_a_conversion);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
