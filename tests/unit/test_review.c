/* Directories as crashes, rewrites and servers may leave them, put together block by block. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/blockout.h"
#include "store/inspect.h"
#include "tests/unit/store_make.h"

static const struct atr_keyring ring = {.key = (const uint8_t *)MAKE_KEY,
                                        .key_bytes = sizeof MAKE_KEY - 1};

/* Written one after the other into block `number` of the stream below dir. Message n is that of
 * make_message; -n is a tombstone of n. */
static void put_block(const char *dir, const char *cipher, unsigned number, const int64_t *record,
                      size_t count)
{
	char msgs[PATH_MAX];
	struct atr_block_home home = {.files = &atr_file_real,
	                              .msgs_path = msgs,
	                              .account = "$G",
	                              .stream = "S",
	                              .ring = &ring};
	struct atr_blockout_options options = {.home = &home,
	                                       .cipher = atr_cipher_find(cipher, NULL),
	                                       .number = number,
	                                       .suffix = ""};
	struct atr_blockout_result result;
	struct atr_blockout *out;
	struct atr_error err;

	(void)snprintf(msgs, sizeof msgs, "%s/msgs", make_stream_path(dir));
	assert_ok(atr_blockout_open(&options, &out, &err), &err);
	for (size_t i = 0; i < count; i++) {
		struct atr_message m = {.time_ns = 1};

		if (record[i] > 0)
			m = make_message((uint64_t)record[i], 100);
		else
			m.sequence = (uint64_t)-record[i] | ATR_SEQUENCE_TOMBSTONE;
		assert_ok(atr_blockout_put(out, &m, &err), &err);
	}
	assert_ok(atr_blockout_finish(out, &result, &err), &err);
}

static void make_empty(const char *dir, struct atr_store_options o)
{
	struct atr_store *store;
	struct atr_error err;

	assert_ok(atr_store_create(make_stream_path(dir), &o, &store, &err), &err);
	assert_ok(atr_store_close(store, &err), &err);
	(void)remove(fixture_path(make_stream_path(dir), "msgs/index.db"));
}

#define PUT(dir, cipher, number, ...)                                                              \
	do {                                                                                       \
		static const int64_t put_[] = {__VA_ARGS__};                                       \
		put_block((dir), (cipher), (number), put_, sizeof put_ / sizeof put_[0]);          \
	} while (0)

static struct atr_store_state state_of(const char *dir, struct atr_store_options o)
{
	struct atr_store_state s;
	struct atr_store *store;
	struct atr_error err;

	assert_ok(atr_store_open(make_stream_path(dir), &o, &store, &err), &err);
	atr_store_state(store, &s);
	assert_ok(atr_store_close(store, &err), &err);
	return s;
}

/* A rewritten block keeps the tombstone of the stream's last message and drops its record. */
static void a_tombstone_behind_the_last_record_keeps_the_last_sequence(void **state)
{
	for (size_t c = 0; c < 3; c++) {
		struct atr_store_options o = make_options(make_ciphers[c]);
		struct atr_store_state s;
		char dir[PATH_MAX];

		(void)snprintf(dir, sizeof dir, "%s/%zu", (const char *)*state, c);
		make_empty(dir, o);
		PUT(dir, make_ciphers[c], 1, 1, 2, 3, -9);
		s = state_of(dir, o);
		assert_int_equal(s.messages, 3);
		assert_int_equal(s.last_seq, 9);
		/* and what is appended comes after it */
		s = state_of(dir, o);
		assert_int_equal(s.last_seq, 9);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(a_tombstone_behind_the_last_record_keeps_the_last_sequence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
