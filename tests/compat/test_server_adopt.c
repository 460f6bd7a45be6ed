/* test_server_adopt.c - a stream that grew in clear text, then under chachapoly, then under aes,
 * then under another key, with its blocks kept or converted, and with messages erased: real servers
 * open it under the last cipher and key with every message and the consumer's state equal.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"
#include "tests/compat/contents.h"
#include "tests/compat/server.h"
#include "tests/unit/store_fixture.h"

#define STREAM   "GROWN"
#define MESSAGES 240
#define PHASES   4

static const struct {
	const char *cipher, *key, *prev_key;
} phases[PHASES] = {{"none", NULL, NULL},
                    {"chachapoly", "firstKeyOfTheTests", NULL},
                    {"aes", "firstKeyOfTheTests", NULL},
                    {"aes", "secondKeyOfTheTests", "firstKeyOfTheTests"}};

struct arm {
	const char *version;
	int convert;
	/* the second start is the one that servers up to 2.12.3 lose an encrypted stream without
	 * index.db at: ours has one */
	int starts;
	char program[1024];
};

static struct arm arms[] = {
        {"2.9.10", 0, 2, ""},  {"2.9.10", 1, 2, ""}, {"2.10.27", 0, 2, ""},
        {"2.10.27", 1, 2, ""}, {"newest", 0, 2, ""}, {"newest", 1, 2, ""},
};

#define ARMS (sizeof(arms) / sizeof(arms[0]))

static struct atr_store_options options_of(const struct arm *arm, unsigned phase)
{
	struct atr_store_options o = {
	        .cipher = atr_cipher_find(phases[phase].cipher, NULL),
	        .config_json = "{\"subjects\":[\"orders.>\"],\"allow_direct\":true}",
	        .sync = ATR_SYNC_NONE,
	        .block_bytes = 100000,
	        .existing_blocks = arm->convert ? ATR_EXISTING_CONVERT : ATR_EXISTING_KEEP,
	        .format = strcmp(arm->version, "2.9.10") == 0 ? ATR_FORMAT_2_9 : ATR_FORMAT_2_10,
	};

	if (phases[phase].key != NULL) {
		o.key = (const uint8_t *)phases[phase].key;
		o.key_bytes = strlen(phases[phase].key);
	}
	if (phases[phase].prev_key != NULL) {
		o.prev_key = (const uint8_t *)phases[phase].prev_key;
		o.prev_key_bytes = strlen(phases[phase].prev_key);
	}
	return o;
}

static void append(struct atr_store *store, const struct content *c)
{
	const struct atr_message m = {.sequence = c->sequence,
	                              .time_ns = c->time_ns,
	                              .subject = c->subject,
	                              .subject_bytes = strlen(c->subject),
	                              .headers = c->headers,
	                              .headers_bytes = c->headers_bytes,
	                              .payload = c->payload,
	                              .payload_bytes = c->payload_bytes};
	struct atr_error err;

	assert_ok(atr_store_append(store, &m, NULL, &err), &err);
}

/* Twenty messages delivered, every second of them acknowledged. */
static void make_consumer(struct atr_store *store, const struct contents *contents)
{
	struct atr_error err;

	assert_ok(atr_store_consumer_create(
	                  store, "half", "{\"durable_name\":\"half\",\"ack_policy\":\"explicit\"}",
	                  &err),
	          &err);
	for (size_t i = 0; i < 20; i++)
		assert_ok(atr_store_consumer_delivered(store, "half", i + 1,
		                                       contents->items[i].sequence, 1,
		                                       INT64_C(1700000000000000000), &err),
		          &err);
	for (size_t i = 0; i < 20; i += 2)
		assert_ok(atr_store_consumer_ack(store, "half", i + 1, contents->items[i].sequence,
		                                 &err),
		          &err);
}

/* One of them is taken out of the stream's files and of what is expected. */
static void erase(struct atr_store *store, struct contents *contents, size_t index)
{
	struct atr_error err;

	assert_ok(atr_store_erase(store, contents->items[index].sequence, &err), &err);
	free(contents->items[index].subject);
	free(contents->items[index].headers);
	free(contents->items[index].payload);
	contents->count--;
	memmove(&contents->items[index], &contents->items[index + 1],
	        (contents->count - index) * sizeof *contents->items);
}

static void grow(const struct arm *arm, const char *dir, struct contents *contents)
{
	for (unsigned phase = 0; phase < PHASES; phase++) {
		struct atr_store_options o = options_of(arm, phase);
		struct atr_store *store;
		struct atr_error err;

		if (phase == 0)
			assert_ok(atr_store_create(dir, &o, &store, &err), &err);
		else
			assert_ok(atr_store_open(dir, &o, &store, &err), &err);
		for (size_t i = MESSAGES / PHASES * phase; i < MESSAGES / PHASES * (phase + 1); i++)
			append(store, &contents->items[i]);
		if (phase == 0)
			make_consumer(store, contents);
		if (phase == PHASES - 1) {
			erase(store, contents, 200);
			erase(store, contents, 70);
			erase(store, contents, 40);
		}
		assert_ok(atr_store_close(store, &err), &err);
	}
}

static void check_consumer(struct server *server)
{
	json_t *info = server_request(server, "$JS.API.CONSUMER.INFO." STREAM ".half", "");

	assert_non_null(info);
	assert_null(json_object_get(info, "error"));
	assert_int_equal(json_integer_value(json_object_get(info, "num_ack_pending")), 10);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(info, "delivered"),
	                                                    "consumer_seq")),
	                 20);
	json_decref(info);
}

static void grown_stream_is_equal_in_a_server(void **state)
{
	const struct arm *arm = *state;
	char folder[PATH_MAX], dir[PATH_MAX], store_dir[PATH_MAX];
	struct server_config config = {.program = arm->program,
	                               .store_dir = store_dir,
	                               .cipher = phases[PHASES - 1].cipher,
	                               .key = phases[PHASES - 1].key,
	                               .folder = folder};
	struct contents made, told;
	struct server *server;

	fixture_make(folder);
	print_message("%s: %s\n", arm->version, folder);
	(void)snprintf(store_dir, sizeof store_dir, "%s", fixture_path(folder, "store"));
	assert_int_equal(atr_store_path(dir, sizeof dir, store_dir, "$G", STREAM), 0);
	contents_make(&made, MESSAGES, 11);
	grow(arm, dir, &made);
	for (int i = 0; i < arm->starts; i++) {
		assert_int_equal(server_start(&config, &server), 0);
		assert_int_equal(contents_ask(&told, server, STREAM), 0);
		assert_int_equal(contents_compare(&made, &told), 0);
		contents_free(&told);
		check_consumer(server);
		assert_int_equal(server_stop(server), 0);
	}
	contents_free(&made);
	fixture_remove(folder);
}

int main(void)
{
	struct CMUnitTest tests[ARMS];
	char names[ARMS][64], why[1024];

	for (size_t i = 0; i < ARMS; i++) {
		if (server_find(arms[i].version, arms[i].program, sizeof(arms[i].program), why,
		                sizeof(why)) != 0) {
			printf("SKIP server: %s\n", why);
			return 77;
		}
		(void)snprintf(names[i], sizeof(names[i]), "%s, blocks %s", arms[i].version,
		               arms[i].convert ? "converted" : "kept");
		tests[i] = (struct CMUnitTest){.name = names[i],
		                               .test_func = grown_stream_is_equal_in_a_server,
		                               .initial_state = &arms[i]};
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
