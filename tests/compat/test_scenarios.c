/* test_scenarios.c - what a server's own tests of encryption at rest try, asked of our store from
 * outside: written, closed, tampered with where the scenario says so, opened again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/store_make.h"

#define PAYLOAD   200
#define LIVE_LINE "a payload that nobody may read: "

static const char *const encrypting[] = {"chachapoly", "aes"};

/* ---- small steps ---- */

static struct atr_store_options options_for(const char *cipher)
{
	struct atr_store_options o = make_options(cipher);

	o.block_bytes = 8192;
	o.config_json = "{\"subjects\":[\">\"]}";
	return o;
}

static struct atr_store *create(const char *dir, const struct atr_store_options *o)
{
	struct atr_store *store;
	struct atr_error err;

	assert_ok(atr_store_create(make_stream_path(dir), o, &store, &err), &err);
	return store;
}

static struct atr_store *reopen(const char *dir, const struct atr_store_options *o)
{
	struct atr_store *store;
	struct atr_error err;

	assert_ok(atr_store_open(make_stream_path(dir), o, &store, &err), &err);
	return store;
}

static void close_store(struct atr_store *store)
{
	struct atr_error err;

	assert_ok(atr_store_close(store, &err), &err);
}

static void append(struct atr_store *store, const char *subject, const void *payload, size_t bytes)
{
	struct atr_message m = {.subject = subject,
	                        .subject_bytes = strlen(subject),
	                        .payload = payload,
	                        .payload_bytes = bytes};
	struct atr_error err;

	assert_ok(atr_store_append(store, &m, NULL, &err), &err);
}

static uint64_t count(struct atr_store *store)
{
	struct atr_store_state s;

	atr_store_state(store, &s);
	return s.messages;
}

static uint64_t last(struct atr_store *store)
{
	struct atr_store_state s;

	atr_store_state(store, &s);
	return s.last_seq;
}

/* Every live message is what make_message gives for its sequence; how many there were. */
static uint64_t check_all(struct atr_store *store, size_t payload_max)
{
	struct atr_reader *reader;
	struct atr_message m;
	struct atr_error err;
	enum atr_status rc;
	uint64_t n = 0, sequence = 1;

	assert_ok(atr_reader_open(store, &reader, &err), &err);
	while ((rc = atr_reader_next(reader, sequence, &m, &err)) == ATR_OK) {
		make_check(&m, m.sequence, payload_max);
		sequence = m.sequence + 1;
		n++;
	}
	assert_status(rc, ATR_END, &err);
	atr_reader_close(reader);
	assert_int_equal(n, count(store));
	return n;
}

static const char *msgs(const char *dir, const char *name)
{
	static char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/msgs/%s", make_stream_path(dir), name);
	return path;
}

/* A file below path that contains text; "" when none does. */
static const char *file_with(const char *path, const char *text)
{
	static char found[PATH_MAX];
	char command[2 * PATH_MAX];
	FILE *pipe;

	(void)snprintf(command, sizeof(command), "grep -rlaF -- '%s' '%s' | head -n 1", text, path);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	if (fgets(found, sizeof(found), pipe) == NULL)
		found[0] = '\0';
	(void)pclose(pipe);
	return found;
}

static void consume(struct atr_store *store, uint64_t delivered, uint64_t acknowledged)
{
	struct atr_error err;

	assert_ok(atr_store_consumer_create(
	                  store, "half", "{\"durable_name\":\"half\",\"ack_policy\":\"explicit\"}",
	                  &err),
	          &err);
	for (uint64_t i = 1; i <= delivered; i++)
		assert_ok(atr_store_consumer_delivered(store, "half", i, i, 1,
		                                       INT64_C(1764000000000000000), &err),
		          &err);
	for (uint64_t i = 1; i <= acknowledged; i++)
		assert_ok(atr_store_consumer_ack(store, "half", i, i, &err), &err);
}

static void check_consumer(struct atr_store *store, uint64_t delivered, uint64_t acknowledged)
{
	struct atr_store_consumer_state s;
	struct atr_error err;

	assert_ok(atr_store_consumer_state(store, "half", &s, &err), &err);
	assert_int_equal(s.delivered_consumer_seq, delivered);
	assert_int_equal(s.delivered_stream_seq, delivered);
	assert_int_equal(s.ack_floor_consumer_seq, acknowledged);
	assert_int_equal(s.ack_floor_stream_seq, acknowledged);
	assert_int_equal(s.num_ack_pending, delivered - acknowledged);
}

static struct atr_store_options clear_options(void)
{
	return options_for("none");
}

/* ---- the scenarios ---- */

static void fifty_messages_and_consumer_state_survive_a_reopen(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		const char *dir = fixture_path(*state, encrypting[i]);
		struct atr_store_options o = options_for(encrypting[i]);
		struct atr_store *store = create(dir, &o);

		make_append(store, 50, PAYLOAD);
		consume(store, 22, 11);
		close_store(store);
		store = reopen(dir, &o);
		assert_int_equal(check_all(store, PAYLOAD), 50);
		check_consumer(store, 22, 11);
		/* the first write after a restart is encrypted too */
		append(store, "after.restart", LIVE_LINE, sizeof(LIVE_LINE) - 1);
		close_store(store);
		assert_string_equal(file_with(dir, LIVE_LINE), "");
		assert_string_equal(file_with(dir, "after.restart"), "");
		store = reopen(dir, &o);
		assert_int_equal(count(store), 51);
		close_store(store);
	}
}

/* Looks into every file for words that it knows. */
static void no_word_of_a_stream_is_in_any_file(void **state)
{
	static const char *const words[] = {"jetstream-orders", "orders.secret", LIVE_LINE,
	                                    "durable_name",     "max_msgs",      "half",
	                                    "retention"};

	for (size_t i = 0; i < 2; i++) {
		const char *dir = fixture_path(*state, encrypting[i]);
		struct atr_store_options o = options_for(encrypting[i]);
		struct atr_store *store;
		struct atr_error err;

		o.config_json =
		        "{\"subjects\":[\"orders.>\"],\"description\":\"jetstream-orders\"}";
		store = create(dir, &o);
		for (unsigned n = 0; n < 200; n++)
			append(store, "orders.secret", LIVE_LINE, sizeof(LIVE_LINE) - 1);
		consume(store, 10, 5);
		assert_ok(atr_store_delete(store, 3, &err), &err);
		close_store(store);
		for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++)
			if (file_with(dir, words[w])[0] != '\0')
				fail_msg("\"%s\" is in %s", words[w], file_with(dir, words[w]));
	}
}

/* index.db is a cache. */
static void state_file_removed_between_restarts_loses_nothing(void **state)
{
	for (size_t i = 0; i < 3; i++) {
		const char *dir = fixture_path(*state, make_ciphers[i]);
		struct atr_store_options o = options_for(make_ciphers[i]);
		struct atr_store *store = create(dir, &o);
		struct atr_error err;
		uint64_t live = 0;

		for (unsigned round = 0; round < 5; round++) {
			make_append(store, 60, PAYLOAD);
			assert_ok(atr_store_delete(store, last(store) - 7, &err), &err);
			live += 59;
			close_store(store);
			(void)unlink(msgs(dir, "index.db"));
			store = reopen(dir, &o);
			assert_int_equal(check_all(store, PAYLOAD), live);
		}
		close_store(store);
	}
}

static void cipher_change_keeps_consumers_half_acknowledged(void **state)
{
	static const enum atr_existing_blocks ways[] = {ATR_EXISTING_KEEP, ATR_EXISTING_CONVERT};

	for (size_t i = 0; i < 4; i++) {
		char name[32];
		const char *dir;
		struct atr_store_options o = options_for(encrypting[i % 2]);
		struct atr_store *store;

		(void)snprintf(name, sizeof(name), "c%zu", i);
		dir = fixture_path(*state, name);
		store = create(dir, &o);
		make_append(store, 100, PAYLOAD);
		consume(store, 60, 30);
		close_store(store);
		o = options_for(encrypting[1 - i % 2]);
		o.existing_blocks = ways[i / 2];
		store = reopen(dir, &o);
		assert_int_equal(check_all(store, PAYLOAD), 100);
		check_consumer(store, 60, 30);
		close_store(store);
		store = reopen(dir, &o);
		check_consumer(store, 60, 30);
		assert_int_equal(check_all(store, PAYLOAD), 100);
		close_store(store);
	}
}

/* From and to each cipher, both compressions, 30 x 512 KiB. */
static void large_messages_survive_every_change_of_cipher_and_compression(void **state)
{
	static const char *const pairs[][2] = {{"chachapoly", "chachapoly"},
	                                       {"chachapoly", "aes"},
	                                       {"aes", "chachapoly"},
	                                       {"aes", "aes"}};
	static uint8_t payload[512 * 1024];

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * i >> 7);
	for (size_t i = 0; i < 8; i++) {
		struct atr_store_options o = make_options(pairs[i / 2][0]);
		struct atr_reader *reader;
		struct atr_store *store;
		struct atr_message m;
		struct atr_error err;
		char name[32];

		(void)snprintf(name, sizeof(name), "r%zu", i);
		o.config_json = i % 2 == 0 ? "{\"subjects\":[\">\"]}"
		                           : "{\"subjects\":[\">\"],\"compression\":\"s2\"}";
		store = create(fixture_path(*state, name), &o);
		for (unsigned n = 0; n < 30; n++)
			append(store, "large", payload, sizeof(payload));
		close_store(store);
		/* a key change with it: the same cipher is a rotation */
		o.cipher = atr_cipher_find(pairs[i / 2][1], NULL);
		o.prev_key = o.key;
		o.prev_key_bytes = o.key_bytes;
		o.key = (const uint8_t *)"another key";
		o.key_bytes = strlen("another key");
		o.existing_blocks = ATR_EXISTING_CONVERT;
		store = reopen(fixture_path(*state, name), &o);
		close_store(store);
		o.prev_key = NULL;
		o.prev_key_bytes = 0;
		store = reopen(fixture_path(*state, name), &o);
		assert_int_equal(count(store), 30);
		assert_ok(atr_reader_open(store, &reader, &err), &err);
		for (uint64_t n = 1; n <= 30; n++) {
			assert_ok(atr_reader_get(reader, n, &m, &err), &err);
			assert_int_equal(m.payload_bytes, sizeof(payload));
			assert_memory_equal(m.payload, payload, sizeof(payload));
		}
		atr_reader_close(reader);
		close_store(store);
		fixture_remove(fixture_path(*state, name));
	}
}

/* 20,000 x 4 KiB of plaintext, then a key. */
static void large_plaintext_stream_opens_with_a_key(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		const char *dir = fixture_path(*state, encrypting[i]);
		struct atr_store_options o = make_options("none"),
		                         encrypted = make_options(encrypting[i]);
		static uint8_t payload[4096];
		struct atr_store *store = create(dir, &o);
		struct atr_store_state s;

		o.flush = encrypted.flush = ATR_FLUSH_ASYNC;
		for (unsigned n = 0; n < 20000; n++)
			append(store, "plain", payload, sizeof(payload));
		close_store(store);
		encrypted.existing_blocks = i == 0 ? ATR_EXISTING_KEEP : ATR_EXISTING_CONVERT;
		store = reopen(dir, &encrypted);
		append(store, "secret", LIVE_LINE, sizeof(LIVE_LINE) - 1);
		close_store(store);
		assert_string_equal(file_with(dir, LIVE_LINE), "");
		store = reopen(dir, &encrypted);
		atr_store_state(store, &s);
		assert_int_equal(s.messages, 20001);
		assert_int_equal(s.first_seq, 1);
		close_store(store);
		fixture_remove(dir);
	}
}

/* The key is gone from the configuration. */
static void open_without_a_key_is_refused_and_changes_nothing(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		const char *dir = fixture_path(*state, encrypting[i]);
		struct atr_store_options o = options_for(encrypting[i]), none = clear_options();
		struct atr_store *store = create(dir, &o);
		struct atr_error err;
		uint64_t before;

		make_append(store, 50, PAYLOAD);
		close_store(store);
		before = fixture_digest(dir);
		assert_status(atr_store_open(make_stream_path(dir), &none, &store, &err),
		              ATR_ENOKEY, &err);
		assert_null(store);
		none.cipher = NULL;
		assert_status(atr_store_open(make_stream_path(dir), &none, &store, &err),
		              ATR_ENOKEY, &err);
		o.key = (const uint8_t *)"wrong";
		o.key_bytes = 5;
		assert_status(atr_store_open(make_stream_path(dir), &o, &store, &err), ATR_EAUTH,
		              &err);
		assert_int_equal(fixture_digest(dir), before);
	}
}

static void cut_key_file_costs_its_block_and_no_other(void **state)
{
	static const off_t lengths[] = {0, 70};

	for (size_t i = 0; i < 4; i++) {
		char name[32];
		const char *dir;
		struct atr_store_options o = options_for(encrypting[i % 2]);
		struct atr_store *store;
		struct atr_store_recovery recovery;
		struct atr_reader *reader;
		struct atr_message m;
		struct atr_error err;
		struct stat st;

		(void)snprintf(name, sizeof(name), "k%zu", i);
		dir = fixture_path(*state, name);
		store = create(dir, &o);
		make_append(store, 200, PAYLOAD);
		close_store(store);
		(void)unlink(msgs(dir, "index.db"));
		assert_int_equal(stat(msgs(dir, "2.key"), &st), 0);
		if (lengths[i / 2] >= st.st_size)
			continue; /* an aes key file has 64 bytes */
		assert_int_equal(truncate(msgs(dir, "2.key"), lengths[i / 2]), 0);
		store = reopen(dir, &o);
		atr_store_recovery(store, &recovery);
		assert_non_null(strstr(recovery.first_damage, "2.key"));
		assert_int_equal(last(store), 200);
		assert_ok(atr_reader_open(store, &reader, &err), &err);
		assert_ok(atr_reader_get(reader, 1, &m, &err), &err);
		make_check(&m, 1, PAYLOAD);
		assert_ok(atr_reader_get(reader, 200, &m, &err), &err);
		make_check(&m, 200, PAYLOAD);
		atr_reader_close(reader);
		close_store(store);
		assert_int_equal(access(msgs(dir, "2.blk"), F_OK), 0); /* a server deletes it */
	}
}

/* A purge makes a new block: the key file stands, the machine stops before the block does. */
static void purge_that_stopped_between_key_and_block_is_recovered(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		const char *dir = fixture_path(*state, encrypting[i]);
		struct atr_store_options o = options_for(encrypting[i]);
		struct atr_store *store = create(dir, &o);
		struct atr_purge all = {0};
		struct atr_error err;
		uint64_t purged;

		make_append(store, 100, PAYLOAD);
		close_store(store);
		/* a key whose block never came, as the new block of a purge */
		{
			size_t bytes;
			uint8_t *key = fixture_read(msgs(dir, "1.key"), &bytes);

			assert_non_null(key);
			fixture_write(msgs(dir, "77.key"), key, bytes);
			free(key);
		}
		store = reopen(dir, &o);
		assert_int_equal(check_all(store, PAYLOAD), 100);
		assert_ok(atr_store_purge(store, &all, &purged, &err), &err);
		assert_int_equal(purged, 100);
		close_store(store);
		(void)unlink(msgs(dir, "index.db"));
		store = reopen(dir, &o);
		assert_int_equal(count(store), 0);
		assert_int_equal(last(store), 100);
		make_append(store, 20, PAYLOAD);
		close_store(store);
		store = reopen(dir, &o);
		assert_int_equal(check_all(store, PAYLOAD), 20);
		assert_int_equal(last(store), 120);
		close_store(store);
	}
}

/* There and back again. */
static void store_converted_twice_is_what_it_was(void **state)
{
	static const char *const tours[][4] = {{"none", "chachapoly", "aes", "none"},
	                                       {"aes", "none", "aes", "chachapoly"},
	                                       {"chachapoly", "aes", "chachapoly", "none"}};

	for (size_t i = 0; i < 6; i++) {
		const char *const *tour = tours[i / 2];
		uint64_t messages = 60;
		char name[32];
		const char *dir;
		struct atr_store *store;

		(void)snprintf(name, sizeof(name), "t%zu", i);
		dir = fixture_path(*state, name);
		for (size_t n = 0; n < 4; n++) {
			struct atr_store_options o = options_for(tour[n]);

			/* clear text is reached with the key that still opens the rest */
			o.key = (const uint8_t *)MAKE_KEY;
			o.key_bytes = strlen(MAKE_KEY);
			o.existing_blocks = i % 2 == 0 ? ATR_EXISTING_CONVERT : ATR_EXISTING_KEEP;
			if (n == 0) {
				store = create(dir, &o);
				make_append(store, 60, PAYLOAD);
				consume(store, 40, 20);
			} else {
				store = reopen(dir, &o);
				assert_int_equal(check_all(store, PAYLOAD), messages);
				make_append(store, 30, PAYLOAD);
				messages += 30;
			}
			check_consumer(store, 40, 20);
			close_store(store);
			store = reopen(dir, &o);
			assert_int_equal(check_all(store, PAYLOAD), messages);
			close_store(store);
		}
	}
}

static void compact_write_compact(void **state)
{
	for (size_t i = 0; i < 3; i++) {
		const char *dir = fixture_path(*state, make_ciphers[i]);
		struct atr_store_options o = options_for(make_ciphers[i]);
		struct atr_store *store = create(dir, &o);
		struct atr_error err;

		make_append(store, 300, PAYLOAD);
		for (uint64_t s = 2; s < 300; s += 2)
			assert_ok(atr_store_delete(store, s, &err), &err);
		assert_ok(atr_store_compact_blocks(store, 1, &err), &err);
		assert_int_equal(check_all(store, PAYLOAD), 151);
		make_append(store, 100, PAYLOAD);
		for (uint64_t s = 1; s < 300; s += 4)
			assert_ok(atr_store_delete(store, s, &err), &err);
		assert_ok(atr_store_compact_blocks(store, 1, &err), &err);
		assert_int_equal(check_all(store, PAYLOAD), 151 + 100 - 75);
		close_store(store);
		(void)unlink(msgs(dir, "index.db"));
		store = reopen(dir, &o);
		assert_int_equal(check_all(store, PAYLOAD), 151 + 100 - 75);
		assert_int_equal(last(store), 400);
		close_store(store);
	}
}

static void all_expired_then_five_more(void **state)
{
	for (size_t i = 0; i < 3; i++) {
		const char *dir = fixture_path(*state, make_ciphers[i]);
		struct atr_store_options o = options_for(make_ciphers[i]);
		struct atr_store *store;
		struct atr_error err;
		uint64_t expired;

		o.config_json = "{\"subjects\":[\">\"],\"max_age\":100000000}";
		store = create(dir, &o);
		for (unsigned n = 0; n < 100; n++)
			append(store, "old", LIVE_LINE, sizeof(LIVE_LINE) - 1);
		close_store(store);
		(void)usleep(150000);
		store = reopen(dir, &o);
		assert_ok(atr_store_expire(store, &expired, &err), &err);
		assert_int_equal(count(store), 0);
		assert_int_equal(last(store), 100);
		close_store(store);
		o.config_json = NULL;
		store = reopen(dir, &o);
		for (unsigned n = 0; n < 5; n++)
			append(store, "new", LIVE_LINE, sizeof(LIVE_LINE) - 1);
		assert_int_equal(count(store), 5);
		assert_int_equal(last(store), 105);
		close_store(store);
		(void)usleep(150000);
		store = reopen(dir, &o);
		assert_int_equal(last(store), 105);
		close_store(store);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define SCENARIO(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	        SCENARIO(fifty_messages_and_consumer_state_survive_a_reopen),
	        SCENARIO(no_word_of_a_stream_is_in_any_file),
	        SCENARIO(state_file_removed_between_restarts_loses_nothing),
	        SCENARIO(cipher_change_keeps_consumers_half_acknowledged),
	        SCENARIO(large_messages_survive_every_change_of_cipher_and_compression),
	        SCENARIO(large_plaintext_stream_opens_with_a_key),
	        SCENARIO(open_without_a_key_is_refused_and_changes_nothing),
	        SCENARIO(cut_key_file_costs_its_block_and_no_other),
	        SCENARIO(purge_that_stopped_between_key_and_block_is_recovered),
	        SCENARIO(store_converted_twice_is_what_it_was),
	        SCENARIO(compact_write_compact),
	        SCENARIO(all_expired_then_five_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
