#include <stdlib.h>
#include <string.h>

#include "store/store.h"
#include "tests/unit/store_make.h"

#define VARIANTS 6
#define SECOND   INT64_C(1000000000)

static struct atr_file_table clock_files;
static int64_t now_ns;

static int64_t tell_time(void *context)
{
	(void)context;
	return now_ns;
}

static struct atr_store_options variant_options(unsigned v, const char *config)
{
	struct atr_store_options o = make_options(make_ciphers[v % 3]);

	clock_files = *o.files;
	clock_files.realtime_ns = tell_time;
	o.files = &clock_files;
	o.flush = v / 3 ? ATR_FLUSH_ASYNC : ATR_FLUSH_EACH;
	o.block_bytes = 1500;
	o.key_ahead = -1;
	o.config_json = config;
	now_ns = 1700000000 * SECOND;
	return o;
}

static enum atr_status append(struct atr_store *store, const char *subject, size_t payload_bytes,
                              struct atr_error *err)
{
	static const uint8_t payload[4096];
	struct atr_message m = {
	        .subject = subject,
	        .subject_bytes = strlen(subject),
	        .payload = payload,
	        .payload_bytes = payload_bytes,
	};

	return atr_store_append(store, &m, NULL, err);
}

static void append_ok(struct atr_store *store, const char *subject, size_t payload_bytes)
{
	struct atr_error err;

	assert_ok(append(store, subject, payload_bytes, &err), &err);
}

static void append_refused(struct atr_store *store, const char *subject, size_t payload_bytes,
                           const char *text)
{
	struct atr_error err;

	assert_status(append(store, subject, payload_bytes, &err), ATR_ELIMIT, &err);
	assert_string_equal(err.text, text);
}

static void check_state(struct atr_store *store, uint64_t messages, uint64_t first, uint64_t last)
{
	struct atr_store_state s;
	struct atr_reader *reader;
	struct atr_message m;
	struct atr_error err;
	uint64_t found = 0, bytes = 0;

	atr_store_state(store, &s);
	assert_int_equal(s.messages, messages);
	assert_int_equal(s.first_seq, first);
	assert_int_equal(s.last_seq, last);
	assert_ok(atr_reader_open(store, &reader, &err), &err);
	for (uint64_t at = 1; atr_reader_next(reader, at, &m, &err) == ATR_OK;
	     at = m.sequence + 1) {
		if (found++ == 0)
			assert_int_equal(m.sequence, first);
		bytes += atr_record_bytes(&m);
	}
	assert_int_equal(found, messages);
	assert_int_equal(s.bytes, bytes);
	atr_reader_close(reader);
}

/* ---- discard old ---- */

static void only_the_newest_messages_stay(void **state)
{
	for (unsigned v = 0; v < VARIANTS; v++) {
		struct atr_store_options o = variant_options(v, "{\"max_msgs\": 10}");
		char dir[PATH_MAX];
		struct atr_store *store = make_variant(state, v, &o, dir);
		struct atr_store_state s;
		struct atr_error err;

		for (unsigned i = 0; i < 300; i++)
			append_ok(store, i % 2 ? "a" : "b", 50 + i % 100);
		for (unsigned round = 0; round < 2; round++) {
			check_state(store, 10, 291, 300);
			atr_store_state(store, &s);
			assert_true(s.blocks <= 3);
			store = make_reopen(store, &o, dir);
		}
		assert_ok(atr_store_close(store, &err), &err);
	}
}

static void bytes_stay_within_their_limit(void **state)
{
	for (unsigned v = 0; v < VARIANTS; v++) {
		struct atr_store_options o = variant_options(v, "{\"max_bytes\": 2000}");
		char dir[PATH_MAX];
		struct atr_store *store = make_variant(state, v, &o, dir);
		struct atr_error err;

		/* 30 + 1 + 169 = 200 bytes each */
		for (unsigned i = 0; i < 100; i++)
			append_ok(store, "a", 169);
		check_state(store, 10, 91, 100);
		append_ok(store, "a", 170); /* one byte more than there is room for */
		check_state(store, 9, 93, 101);
		store = make_reopen(store, &o, dir);
		check_state(store, 9, 93, 101);
		assert_ok(atr_store_close(store, &err), &err);
	}
}

static void each_subject_keeps_its_newest(void **state)
{
	for (unsigned v = 0; v < VARIANTS; v++) {
		struct atr_store_options o =
		        variant_options(v, "{\"max_msgs_per_subject\": 2, \"subjects\": [\">\"]}");
		char dir[PATH_MAX], name[20];
		struct atr_store *store = make_variant(state, v, &o, dir);
		struct atr_reader *reader;
		struct atr_message m;
		struct atr_error err;

		for (unsigned i = 0; i < 200; i++) {
			(void)snprintf(name, sizeof name, "k.%u", i * i % 7);
			append_ok(store, name, 60);
		}
		for (unsigned round = 0; round < 2; round++) {
			/* 0, 1, 2, 4 are the squares modulo 7 */
			check_state(store, 8, 190, 200);
			assert_ok(atr_reader_open(store, &reader, &err), &err);
			assert_ok(atr_reader_last(reader, "k.0", &m, &err), &err);
			assert_int_equal(m.sequence, 197);
			assert_ok(atr_reader_next_matching(reader, "k.0", 1, &m, &err), &err);
			assert_int_equal(m.sequence, 190);
			atr_reader_close(reader);
			store = make_reopen(store, &o, dir);
		}
		assert_ok(atr_store_close(store, &err), &err);
	}
}

static void old_messages_expire(void **state)
{
	for (unsigned v = 0; v < VARIANTS; v++) {
		struct atr_store_options o =
		        variant_options(v, "{\"max_age\": 10000000000}"); /* 10 s */
		char dir[PATH_MAX];
		struct atr_store *store = make_variant(state, v, &o, dir);
		uint64_t expired;
		struct atr_error err;

		for (unsigned i = 0; i < 30; i++, now_ns += SECOND)
			append_ok(store, "a", 100);
		/* the last append came 29 s after the first */
		check_state(store, 10, 21, 30);
		now_ns += 5 * SECOND;
		assert_ok(atr_store_expire(store, &expired, &err), &err);
		assert_int_equal(expired, 6);
		check_state(store, 4, 27, 30);
		now_ns += 2 * SECOND;
		store = make_reopen(store, &o, dir);
		check_state(store, 2, 29, 30);
		now_ns += 20 * SECOND;
		assert_ok(atr_store_expire(store, &expired, &err), &err);
		assert_int_equal(expired, 2);
		check_state(store, 0, 31, 30);
		for (unsigned i = 0; i < 5; i++)
			append_ok(store, "a", 100);
		store = make_reopen(store, &o, dir);
		check_state(store, 5, 31, 35);
		assert_ok(atr_store_close(store, &err), &err);
	}
}

/* ---- discard new ---- */

static void discard_new_refuses_in_the_servers_words(void **state)
{
	for (unsigned v = 0; v < VARIANTS; v++) {
		struct atr_store_options o = variant_options(
		        v, "{\"max_msgs\": 3, \"max_bytes\": 1000, \"discard\": \"new\","
		           " \"max_msg_size\": 700}");
		char dir[PATH_MAX];
		struct atr_store *store = make_variant(state, v, &o, dir);
		struct atr_error err;

		append_refused(store, "a", 701, "message size exceeds maximum allowed");
		append_ok(store, "a", 700);
		append_refused(store, "a", 300, "maximum bytes exceeded");
		append_ok(store, "a", 10);
		append_ok(store, "a", 10);
		append_refused(store, "a", 10, "maximum messages exceeded");
		check_state(store, 3, 1, 3);
		assert_ok(atr_store_delete(store, 2, &err), &err);
		append_ok(store, "a", 10);
		store = make_reopen(store, &o, dir);
		append_refused(store, "a", 10, "maximum messages exceeded");
		check_state(store, 3, 1, 4);
		assert_ok(atr_store_close(store, &err), &err);
	}
}

static void discard_new_per_subject(void **state)
{
	for (unsigned each = 0; each < 2; each++) {
		struct atr_store_options o = variant_options(
		        each, each ? "{\"max_msgs_per_subject\": 1, \"max_msgs\": 2, \"discard\": "
		                     "\"new\","
		                     " \"discard_new_per_subject\": true, \"subjects\": [\">\"]}"
		                   : "{\"max_msgs_per_subject\": 1, \"max_msgs\": 2, \"discard\": "
		                     "\"new\","
		                     " \"subjects\": [\">\"]}");
		char dir[PATH_MAX];
		struct atr_store *store = make_variant(state, each, &o, dir);
		struct atr_error err;

		append_ok(store, "a", 10);
		append_ok(store, "b", 10);
		append_refused(store, "c", 10, "maximum messages exceeded");
		if (each) {
			append_refused(store, "a", 10, "maximum messages per subject exceeded");
			check_state(store, 2, 1, 2);
		} else { /* takes the place of the older one */
			append_ok(store, "a", 10);
			check_state(store, 2, 2, 3);
		}
		assert_ok(atr_store_close(store, &err), &err);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(only_the_newest_messages_stay),
	        TEST(bytes_stay_within_their_limit),
	        TEST(each_subject_keeps_its_newest),
	        TEST(old_messages_expire),
	        TEST(discard_new_refuses_in_the_servers_words),
	        TEST(discard_new_per_subject),
	};

	fixture_prefer_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
