/* test_server_compressed.c - what we compress, real servers read: a stream of several blocks, all
 * but the last compressed, message by message equal; messages that the server adds, and blocks that
 * it compresses itself, are read by us.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/store.h"
#include "tests/compat/contents.h"
#include "tests/compat/server.h"
#include "tests/unit/store_compress.h"
#include "tests/unit/store_fixture.h"

#define STREAM        "PACKED"
#define KEY           "an0therKeyOfTheTests"
#define MESSAGES      300
#define MESSAGES_MORE 200

#define BLOCK_BYTES UINT64_C(32000)
#define CONFIG      "{\"subjects\":[\"orders.>\"],\"allow_direct\":true,\"compression\":\"s2\"}"

struct arm {
	const char *version, *cipher;
	/* with servers up to 2.12.3 an encrypted stream without index.db lives for one start */
	int starts;
	char program[1024];
};

static struct arm arms[] = {
        {"2.10.27", "none", 2, ""}, {"2.10.27", "chachapoly", 1, ""}, {"2.10.27", "aes", 1, ""},
        {"newest", "none", 2, ""},  {"newest", "chachapoly", 2, ""},  {"newest", "aes", 2, ""},
};

#define ARMS (sizeof(arms) / sizeof(arms[0]))

static const char *key_of(const struct arm *arm)
{
	return strcmp(arm->cipher, "none") == 0 ? NULL : KEY;
}

static struct atr_store_options options_of(const struct arm *arm)
{
	struct atr_store_options o = {.cipher = atr_cipher_find(arm->cipher, NULL),
	                              .config_json = CONFIG,
	                              .sync = ATR_SYNC_NONE,
	                              .block_bytes = BLOCK_BYTES};

	if (key_of(arm) != NULL) {
		o.key = (const uint8_t *)KEY;
		o.key_bytes = strlen(KEY);
	}
	return o;
}

/* Writes the messages and compresses all blocks but the last. */
static void make_stream(const struct arm *arm, const char *dir, const struct contents *contents)
{
	struct atr_store_options o = options_of(arm);
	struct atr_store *store;
	struct atr_error err;
	unsigned last = 0;
	char name[64];

	assert_ok(atr_store_create(dir, &o, &store, &err), &err);
	for (size_t i = 0; i < contents->count; i++) {
		const struct content *c = &contents->items[i];
		struct atr_message m = {.sequence = c->sequence,
		                        .time_ns = c->time_ns,
		                        .subject = c->subject,
		                        .subject_bytes = strlen(c->subject),
		                        .headers = c->headers,
		                        .headers_bytes = c->headers_bytes,
		                        .payload = c->payload,
		                        .payload_bytes = c->payload_bytes};

		assert_ok(atr_store_append(store, &m, NULL, &err), &err);
	}
	assert_ok(atr_store_close(store, &err), &err);
	(void)snprintf(name, sizeof name, "msgs/%u.blk", last + 1);
	while (fixture_exists(fixture_path(dir, name)))
		(void)snprintf(name, sizeof name, "msgs/%u.blk", ++last + 1);
	assert_true(last > 10);
	for (unsigned n = 1; n < last; n++)
		compress_block_file(dir, STREAM, key_of(arm), n);
}

static struct server *start(const struct arm *arm, const char *folder)
{
	char store_dir[PATH_MAX + 16];
	struct server_config config = {.program = arm->program,
	                               .store_dir = store_dir,
	                               .cipher = arm->cipher,
	                               .key = key_of(arm),
	                               .folder = folder};
	struct server *server;

	(void)snprintf(store_dir, sizeof store_dir, "%s/store", folder);
	assert_int_equal(server_start(&config, &server), 0);
	return server;
}

/* What our reader says, as contents. */
static void compare_with_ours(const struct arm *arm, const char *dir,
                              const struct contents *expected)
{
	struct atr_store_options o = options_of(arm);
	struct atr_store *store;
	struct atr_reader *reader;
	struct atr_message m;
	struct atr_error err;
	uint64_t next = 1;

	assert_ok(atr_store_open(dir, &o, &store, &err), &err);
	assert_ok(atr_reader_open(store, &reader, &err), &err);
	for (size_t i = 0; i < expected->count; i++) {
		const struct content *c = &expected->items[i];

		assert_ok(atr_reader_next(reader, next, &m, &err), &err);
		assert_int_equal(m.sequence, c->sequence);
		assert_true(m.time_ns == c->time_ns);
		assert_int_equal(m.headers_bytes, c->headers_bytes);
		if (m.headers_bytes > 0)
			assert_memory_equal(m.headers, c->headers, m.headers_bytes);
		assert_int_equal(m.payload_bytes, c->payload_bytes);
		if (m.payload_bytes > 0)
			assert_memory_equal(m.payload, c->payload, m.payload_bytes);
		next = m.sequence + 1;
	}
	assert_status(atr_reader_next(reader, next, &m, &err), ATR_END, &err);
	atr_reader_close(reader);
	assert_ok(atr_store_close(store, &err), &err);
}

static void our_compressed_blocks_are_equal_in_a_server(void **state)
{
	const struct arm *arm = *state;
	struct contents made, told;
	char folder[PATH_MAX], dir[PATH_MAX], store_dir[PATH_MAX];
	static char payload[6000];

	fixture_make(folder);
	print_message("%s, %s: %s\n", arm->version, arm->cipher, folder);
	(void)snprintf(store_dir, sizeof store_dir, "%s", fixture_path(folder, "store"));
	assert_int_equal(atr_store_path(dir, sizeof dir, store_dir, "$G", STREAM), 0);
	contents_make(&made, MESSAGES, 5);
	make_stream(arm, dir, &made);
	compare_with_ours(arm, dir, &made);
	for (int i = 0; i < arm->starts; i++) {
		struct server *server = start(arm, folder);

		assert_int_equal(contents_ask(&told, server, STREAM), 0);
		assert_int_equal(contents_compare(&made, &told), 0);
		contents_free(&told);
		if (i == arm->starts - 1) {
			for (size_t k = 0; k < MESSAGES_MORE; k++) {
				memset(payload, (int)k, sizeof payload);
				assert_true(server_publish(server, "orders.more", NULL, payload,
				                           k * 30) > made.last_seq);
			}
			assert_int_equal(contents_ask(&told, server, STREAM), 0);
		}
		assert_int_equal(server_stop(server), 0);
	}
	if (arm->starts > 1) /* else its meta.inf is lost */
		compare_with_ours(arm, dir, &told);
	contents_free(&told);
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
		(void)snprintf(names[i], sizeof(names[i]), "%s, %s", arms[i].version,
		               arms[i].cipher);
		tests[i] = (struct CMUnitTest){.name = names[i],
		                               .test_func =
		                                       our_compressed_blocks_are_equal_in_a_server,
		                               .initial_state = &arms[i]};
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
