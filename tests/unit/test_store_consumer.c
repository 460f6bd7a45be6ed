/* Consumers of an open store. What servers do with the same calls is test_server_consumers'. */
#include "store/store_consumer.h"

#include <stdlib.h>
#include <string.h>

#include "store/inspect.h"
#include "tests/unit/store_make.h"

#define SECOND INT64_C(1000000000)

static struct atr_store *begin(const char *dir, const char *cipher)
{
	struct atr_store_options o = make_options(cipher);
	struct atr_store *store;
	struct atr_error err;

	o.stream = "S";
	assert_ok(atr_store_create(make_stream_path(dir), &o, &store, &err), &err);
	make_append(store, 40, 50);
	return store;
}

static struct atr_store *reopen(const char *dir, const char *cipher, struct atr_store *store)
{
	struct atr_store_options o = make_options(cipher);
	struct atr_error err;

	assert_ok(atr_store_close(store, &err), &err);
	assert_ok(atr_store_open(make_stream_path(dir), &o, &store, &err), &err);
	return store;
}

static void create(struct atr_store *store, const char *name, const char *config)
{
	struct atr_error err;

	assert_ok(atr_store_consumer_create(store, name, config, &err), &err);
}

static void deliver(struct atr_store *store, const char *name, uint64_t consumer_seq,
                    uint64_t stream_seq, uint64_t deliveries)
{
	struct atr_error err;

	assert_ok(atr_store_consumer_delivered(store, name, consumer_seq, stream_seq, deliveries,
	                                       (int64_t)(1700000000 + consumer_seq) * SECOND + 5,
	                                       &err),
	          &err);
}

static void ack(struct atr_store *store, const char *name, uint64_t consumer_seq,
                uint64_t stream_seq)
{
	struct atr_error err;

	assert_ok(atr_store_consumer_ack(store, name, consumer_seq, stream_seq, &err), &err);
}

/* delivered consumer, stream; floor consumer, stream; pending; redelivered */
static void check(struct atr_store *store, const char *name, const uint64_t want[6])
{
	struct atr_store_consumer_state s;
	struct atr_error err;

	assert_ok(atr_store_consumer_state(store, name, &s, &err), &err);
	assert_int_equal(s.delivered_consumer_seq, want[0]);
	assert_int_equal(s.delivered_stream_seq, want[1]);
	assert_int_equal(s.ack_floor_consumer_seq, want[2]);
	assert_int_equal(s.ack_floor_stream_seq, want[3]);
	assert_int_equal(s.num_ack_pending, want[4]);
	assert_int_equal(s.num_redelivered, want[5]);
}

#define CHECK(store, name, ...) check(store, name, (const uint64_t[6]){__VA_ARGS__})

static void explicit_acks_move_the_floor_over_what_is_not_pending(void **state)
{
	for (size_t i = 0; i < 3; i++) {
		char dir[PATH_MAX];
		struct atr_store *store;

		fixture_make(dir);
		store = begin(dir, make_ciphers[i]);
		create(store, "C", "{\"ack_policy\":\"explicit\"}");
		CHECK(store, "C", 0, 0, 0, 0, 0, 0);
		for (uint64_t n = 1; n <= 8; n++)
			deliver(store, "C", n, 2 * n, 1);
		CHECK(store, "C", 8, 16, 0, 0, 8, 0);
		ack(store, "C", 2, 4);
		ack(store, "C", 3, 6);
		CHECK(store, "C", 8, 16, 0, 0, 6, 0);
		ack(store, "C", 1, 2);
		CHECK(store, "C", 8, 16, 3, 7, 5, 0);
		deliver(store, "C", 9, 10, 2); /* sequence 10 again */
		deliver(store, "C", 10, 12, 3);
		CHECK(store, "C", 10, 16, 3, 7, 5, 2);
		ack(store, "C", 9, 10);
		CHECK(store, "C", 10, 16, 3, 7, 4, 1);
		store = reopen(dir, make_ciphers[i], store);
		CHECK(store, "C", 10, 16, 3, 7, 4, 1);
		/* of sequence 8 the first delivery was the fourth */
		ack(store, "C", 4, 8);
		CHECK(store, "C", 10, 16, 5, 11, 3, 1);
		ack(store, "C", 10, 12);
		ack(store, "C", 7, 14);
		ack(store, "C", 8, 16);
		CHECK(store, "C", 10, 16, 10, 16, 0, 0);
		store = reopen(dir, make_ciphers[i], store);
		CHECK(store, "C", 10, 16, 10, 16, 0, 0);
		assert_ok(atr_store_close(store, NULL), NULL);
		fixture_remove(dir);
	}
	(void)state;
}

static void ack_all_takes_everything_up_to_it(void **state)
{
	struct atr_store *store = begin(*state, "chachapoly");

	create(store, "ALL", "{\"ack_policy\":\"all\"}");
	for (uint64_t n = 1; n <= 9; n++)
		deliver(store, "ALL", n, n + 3, 1);
	deliver(store, "ALL", 10, 5, 2);
	ack(store, "ALL", 6, 9);
	CHECK(store, "ALL", 10, 12, 6, 9, 3, 0);
	store = reopen(*state, "chachapoly", store);
	CHECK(store, "ALL", 10, 12, 6, 9, 3, 0);
	assert_ok(atr_store_close(store, NULL), NULL);
}

static void without_acks_what_is_delivered_is_done(void **state)
{
	struct atr_store *store = begin(*state, "aes");
	struct atr_error err;

	create(store, "NONE", NULL);
	deliver(store, "NONE", 1, 4, 1);
	deliver(store, "NONE", 2, 9, 1);
	CHECK(store, "NONE", 2, 9, 2, 9, 0, 0);
	assert_status(atr_store_consumer_ack(store, "NONE", 2, 9, &err), ATR_EINVAL, &err);
	assert_status(atr_store_consumer_delivered(store, "NONE", 3, 9, 2, SECOND, &err),
	              ATR_EINVAL, &err);
	assert_ok(atr_store_close(store, NULL), NULL);
}

static void more_deliveries_than_allowed_are_no_longer_pending(void **state)
{
	struct atr_store *store = begin(*state, "none");

	create(store, "MAX", "{\"ack_policy\":\"explicit\",\"max_deliver\":2}");
	deliver(store, "MAX", 1, 1, 1);
	deliver(store, "MAX", 2, 2, 1);
	deliver(store, "MAX", 3, 1, 2);
	CHECK(store, "MAX", 3, 2, 0, 0, 2, 1);
	deliver(store, "MAX", 4, 1, 3);
	CHECK(store, "MAX", 4, 2, 0, 0, 1, 1);
	assert_ok(atr_store_close(store, NULL), NULL);
}

static void what_is_not_pending_or_not_there_is_refused(void **state)
{
	struct atr_store *store = begin(*state, "aes");
	struct atr_store_consumer_state s;
	struct atr_error err;

	create(store, "C", "{\"ack_policy\":\"explicit\"}");
	assert_status(atr_store_consumer_create(store, "C", NULL, &err), ATR_EEXISTS, &err);
	assert_status(atr_store_consumer_ack(store, "C", 1, 1, &err), ATR_ENOTFOUND, &err);
	assert_status(atr_store_consumer_state(store, "D", &s, &err), ATR_ENOTFOUND, &err);
	assert_status(atr_store_consumer_delete(store, "D", &err), ATR_ENOTFOUND, &err);
	assert_status(atr_store_consumer_create(store, "a.b", NULL, &err), ATR_EINVAL, &err);
	assert_status(atr_store_consumer_create(store, "../x", NULL, &err), ATR_EINVAL, &err);
	assert_status(atr_store_consumer_create(store, "E", "{\"ack_policy\":\"some\"}", &err),
	              ATR_EINVAL, &err);
	assert_status(atr_store_consumer_create(store, "E", "{\"mem_storage\":true}", &err),
	              ATR_EINVAL, &err);
	assert_status(atr_store_consumer_create(store, "E", "{\"name\":\"F\"}", &err), ATR_EINVAL,
	              &err);
	assert_int_equal(fixture_count(*state, "o.dat"), 1);
	assert_ok(atr_store_consumer_delete(store, "C", &err), &err);
	assert_int_equal(fixture_count(*state, "o.dat"), 0);
	create(store, "C", NULL);
	CHECK(store, "C", 0, 0, 0, 0, 0, 0);
	assert_ok(atr_store_close(store, NULL), NULL);
}

static void sync_writes_what_changed_and_a_damaged_state_is_refused(void **state)
{
	struct atr_store *store = begin(*state, "chachapoly");
	const char *path = fixture_path(make_stream_path(*state), "obs/C/o.dat");
	uint8_t *before, *after;
	size_t bytes, same;
	struct atr_error err;

	create(store, "C", "{\"ack_policy\":\"explicit\"}");
	before = fixture_read(path, &bytes);
	assert_ok(atr_store_sync(store, &err), &err);
	after = fixture_read(path, &same);
	assert_int_equal(bytes, same);
	assert_memory_equal(before, after, bytes); /* nothing changed, nothing written */
	free(after);
	deliver(store, "C", 1, 1, 1);
	assert_ok(atr_store_sync(store, &err), &err);
	after = fixture_read(path, &same);
	assert_true(same > bytes);
	free(before);
	free(after);
	assert_ok(atr_store_close(store, &err), &err);

	fixture_write(path, "damaged", 7);
	{
		struct atr_store_options o = make_options("chachapoly");
		struct atr_store_consumer_state s;

		assert_ok(atr_store_open(make_stream_path(*state), &o, &store, &err), &err);
		assert_status(atr_store_consumer_state(store, "C", &s, &err), ATR_EAUTH, &err);
		assert_non_null(strstr(err.path, "obs/C/o.dat"));
		assert_ok(atr_store_close(store, &err), &err);
	}
}

/* What a closed store's reader says, and that no name of a subject or policy is in the files. */
static void closed_store_shows_the_same_and_nothing_in_clear(void **state)
{
	struct atr_store *store = begin(*state, "aes");
	struct atr_inspect_options o = {
	        .stream = "S", .key = (const uint8_t *)MAKE_KEY, .key_bytes = strlen(MAKE_KEY)};
	struct atr_verify_options promise = {.cipher = "aes"};
	struct atr_inspect_consumer c;
	struct atr_verify_counts counts;
	struct atr_inspect *in;
	struct atr_error err;
	uint8_t *meta;
	size_t bytes;

	create(store, "C", "{\"ack_policy\":\"explicit\",\"filter_subject\":\"s.5\"}");
	for (uint64_t n = 1; n <= 5; n++)
		deliver(store, "C", n, n, 1);
	ack(store, "C", 1, 1);
	assert_ok(atr_store_close(store, &err), &err);
	assert_ok(atr_inspect_open(make_stream_path(*state), &o, &in, &err), &err);
	assert_ok(atr_inspect_consumer(in, 0, &c, &err), &err);
	assert_string_equal(c.name, "C");
	assert_string_equal(c.cipher, "aes");
	assert_int_equal(c.delivered_stream_seq, 5);
	assert_int_equal(c.ack_floor_stream_seq, 1);
	assert_int_equal(c.num_ack_pending, 4);
	assert_ok(atr_inspect_verify(in, &promise, &counts, &err), &err);
	assert_int_equal(counts.consumers, 1);
	atr_inspect_close(in);
	meta = fixture_read(fixture_path(make_stream_path(*state), "obs/C/meta.inf"), &bytes);
	assert_null(memmem(meta, bytes, "s.5", 3));
	assert_null(memmem(meta, bytes, "policy", 6));
	free(meta);
}

static void many_pending_are_acknowledged_in_any_order(void **state)
{
	enum { COUNT = 5000 };
	struct atr_store *store = begin(*state, "none");
	uint64_t step = 1777; /* coprime to COUNT: every sequence once */

	create(store, "C", "{\"ack_policy\":\"explicit\"}");
	for (uint64_t n = 1; n <= COUNT; n++)
		deliver(store, "C", n, n, 1);
	for (uint64_t n = 0; n < COUNT - 1; n++) {
		uint64_t sequence = n * step % COUNT + 1;

		ack(store, "C", sequence, sequence);
		if (n == COUNT / 2)
			store = reopen(*state, "none", store);
	}
	{
		uint64_t left = (COUNT - 1) * step % COUNT + 1;

		CHECK(store, "C", COUNT, COUNT, left - 1, left - 1, 1, 0);
	}
	assert_ok(atr_store_close(store, NULL), NULL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	        T(explicit_acks_move_the_floor_over_what_is_not_pending),
	        T(ack_all_takes_everything_up_to_it),
	        T(without_acks_what_is_delivered_is_done),
	        T(more_deliveries_than_allowed_are_no_longer_pending),
	        T(what_is_not_pending_or_not_there_is_refused),
	        T(sync_writes_what_changed_and_a_damaged_state_is_refused),
	        T(closed_store_shows_the_same_and_nothing_in_clear),
	        T(many_pending_are_acknowledged_in_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
