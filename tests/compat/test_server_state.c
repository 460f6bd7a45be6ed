/* test_server_state.c - real servers believe our index.db: a stream of many blocks and subjects,
 * with deletions that index.db alone knows. A server that read the blocks instead would have those
 * messages back. What the server writes at its stop is believed by us.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/subjects.h"
#include "tests/compat/contents.h"
#include "tests/compat/server.h"
#include "tests/unit/state_hide.h"
#include "tests/unit/store_make.h"

#define KEY         "an0therKeyOfTheTests"
#define MESSAGES    1500u
#define SUBJECTS    400u
#define BLOCK_BYTES UINT64_C(32000)

struct arm {
	const char *version, *cipher;
	char program[1024];
};

static struct arm arms[] = {
        {"2.10.27", "none", ""}, {"2.10.27", "chachapoly", ""}, {"2.10.27", "aes", ""},
        {"newest", "none", ""},  {"newest", "chachapoly", ""},  {"newest", "aes", ""},
};

#define ARMS (sizeof(arms) / sizeof(arms[0]))

static const char *key_of(const struct arm *arm)
{
	return strcmp(arm->cipher, "none") == 0 ? NULL : KEY;
}

static struct atr_store_options options_of(const struct arm *arm)
{
	struct atr_store_options o = {.cipher = atr_cipher_find(arm->cipher, NULL),
	                              .config_json = "{\"subjects\":[\"orders.>\"],"
	                                             "\"allow_direct\":true}",
	                              .sync = ATR_SYNC_NONE,
	                              .block_bytes = BLOCK_BYTES};

	if (key_of(arm) != NULL) {
		o.key = (const uint8_t *)KEY;
		o.key_bytes = strlen(KEY);
	}
	return o;
}

/* Every 50th sequence is a gap; hidden ones are deleted in index.db alone. */
static int is_gap(uint64_t sequence)
{
	return sequence % 50 == 20;
}

static int is_hidden(uint64_t sequence)
{
	return sequence % 90 == 41;
}

static void make_stream(const struct arm *arm, const char *dir)
{
	static char payload[600];
	struct atr_store_options o = options_of(arm);
	struct atr_store *store;
	struct atr_error err;
	char subject[32];

	assert_ok(atr_store_create(dir, &o, &store, &err), &err);
	for (uint64_t s = 1; s <= MESSAGES; s++) {
		struct atr_message m = {.sequence = s,
		                        .subject = subject,
		                        .payload = (const uint8_t *)payload,
		                        .payload_bytes = s % sizeof payload};

		if (is_gap(s))
			continue;
		memset(payload, (int)s, sizeof payload);
		m.subject_bytes =
		        (size_t)snprintf(subject, sizeof subject, "orders.%" PRIu64, s % SUBJECTS);
		assert_ok(atr_store_append(store, &m, NULL, &err), &err);
	}
	for (uint64_t s = 1; s <= MESSAGES; s++)
		if (is_hidden(s))
			state_hide(store, s);
	assert_true(store->entry_count > 10);
	assert_ok(atr_store_close(store, &err), &err);
}

/* The server's counts and every message; its subjects against the messages. */
static void check_server(struct server *server, uint64_t last)
{
	static const char request[] = "{\"deleted_details\":true,\"subjects_filter\":\">\"}";
	struct contents told;
	json_t *reply;
	const json_t *state, *subjects, *value;
	const char *name;
	uint64_t live = 0, in_subjects = 0;

	for (uint64_t s = 1; s <= last; s++)
		live += s > MESSAGES || (!is_gap(s) && !is_hidden(s));
	assert_int_equal(contents_ask(&told, server, "S"), 0);
	assert_int_equal(told.count, live);
	assert_int_equal(told.first_seq, 1);
	assert_int_equal(told.last_seq, last);
	for (size_t i = 0; i < told.count; i++) {
		const struct content *c = &told.items[i];

		assert_true(c->sequence > MESSAGES ||
		            (!is_gap(c->sequence) && !is_hidden(c->sequence)));
		if (c->sequence <= MESSAGES) {
			assert_int_equal(c->payload_bytes, c->sequence % 600);
			assert_int_equal(strtoull(c->subject + 7, NULL, 10),
			                 c->sequence % SUBJECTS);
		}
	}
	reply = server_request(server, "$JS.API.STREAM.INFO.S", request);
	state = json_object_get(reply, "state");
	subjects = json_object_get(state, "subjects");
	assert_int_equal(json_integer_value(json_object_get(state, "num_deleted")), last - live);
	json_object_foreach((json_t *)(uintptr_t)subjects, name, value)
	{
		uint64_t count = 0;

		for (size_t i = 0; i < told.count; i++)
			count += strcmp(told.items[i].subject, name) == 0;
		assert_int_equal(json_integer_value(value), count);
		in_subjects += count;
	}
	assert_int_equal(in_subjects, live);
	json_decref(reply);
	contents_free(&told);
}

/* What the server left is believed: no block is read but the last. */
static void check_ours(const struct arm *arm, const char *dir, uint64_t last)
{
	struct atr_store_options o = options_of(arm);
	struct atr_reader *reader;
	struct atr_store *store;
	struct atr_message m;
	struct atr_error err;

	assert_ok(atr_store_open(dir, &o, &store, &err), &err);
	assert_int_equal(store->last_seq, last);
	assert_true((atr_subjects_at(store->subjects, 0, NULL)->first & SUBJECT_IN_BLOCK) != 0);
	assert_ok(atr_reader_open(store, &reader, &err), &err);
	for (uint64_t s = 1; s <= last; s++) {
		enum atr_status rc = atr_reader_get(reader, s, &m, &err);

		if (s <= MESSAGES && (is_gap(s) || is_hidden(s)))
			assert_status(rc, ATR_ENOTFOUND, &err);
		else
			assert_ok(rc, &err);
	}
	atr_reader_close(reader);
	assert_ok(atr_store_close(store, &err), &err);
}

static void a_server_believes_our_state_file(void **state)
{
	const struct arm *arm = *state;
	char folder[PATH_MAX], dir[PATH_MAX], store_dir[PATH_MAX];
	struct server_config config = {.program = arm->program,
	                               .store_dir = store_dir,
	                               .cipher = arm->cipher,
	                               .key = key_of(arm),
	                               .folder = folder};
	uint64_t last = MESSAGES;

	fixture_make(folder);
	print_message("%s, %s: %s\n", arm->version, arm->cipher, folder);
	(void)snprintf(store_dir, sizeof store_dir, "%s", fixture_path(folder, "store"));
	assert_int_equal(atr_store_path(dir, sizeof dir, store_dir, "$G", "S"), 0);
	make_stream(arm, dir);
	for (int i = 0; i < 2; i++) {
		struct server *server;

		assert_int_equal(server_start(&config, &server), 0);
		check_server(server, last);
		last = server_publish(server, "orders.7", NULL, "more", 4);
		assert_true(last > MESSAGES);
		assert_int_equal(server_stop(server), 0);
		check_ours(arm, dir, last);
	}
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
		                               .test_func = a_server_believes_our_state_file,
		                               .initial_state = &arms[i]};
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
