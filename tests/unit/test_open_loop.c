/* test_open_loop.c - slices at a rate, in this process: they last as long as the rate says,
 * response times count from the intended start, and a rate beyond what is possible is told.
 */
#include "tests/unit/slice_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "harness/measure/histogram.h"

static struct order *setup_of(const char *target, const char *cipher,
                              enum workload_operation operation)
{
	struct order *setup = calloc(1, sizeof(*setup));
	struct workload *w = &setup->workload;

	fixture_setup(setup, target, cipher, operation, 400, 500);
	w->rate_msgs_s = 2000;
	w->sizes[0].low_bytes = w->sizes[0].high_bytes = 200;
	return setup;
}

static struct order_reply *slice_of(const char *base, struct order *setup)
{
	struct order_reply *reply = calloc(1, sizeof(*reply));
	struct order *order = calloc(1, sizeof(*order));
	static unsigned stores;
	struct session *session = fixture_session(setup);
	struct target_error error;

	snprintf(order->directory, sizeof(order->directory), "%s/store-%u", base, stores++);
	if (strcmp(setup->target, "store") == 0 && workload_fills(&setup->workload) &&
	    session_fill(session, order->directory, &error) != 0)
		fail_msg("%s", error.text);
	session_slice(session, order, reply);
	if (!reply->row.valid)
		fail_msg("%s", reply->error.text);
	session_close(session);
	free(order);
	return reply;
}

static uint64_t count_of(const char *text)
{
	struct histogram *h = malloc(sizeof(*h));
	uint64_t count;

	histogram_init(h);
	assert_int_equal(histogram_parse(h, text), 0);
	count = h->count;
	free(h);
	return count;
}

/* 400 at 2000 a second: 0.2 s, however fast each is. */
static void a_slice_lasts_as_long_as_its_rate_says(void **state)
{
	static const enum workload_operation operations[] = {WORKLOAD_PUBLISH, WORKLOAD_READ_RANDOM,
	                                                     WORKLOAD_READ_LAST};

	for (size_t i = 0; i < 6; i++) {
		const char *target = i % 2 == 0 ? "null" : "store";
		struct order *setup =
		        setup_of(target, i % 2 == 0 ? "none" : "aes", operations[i / 2]);
		struct order_reply *reply = slice_of(*state, setup);
		struct sample *row = &reply->row;

		assert_int_equal(row->messages, 400);
		assert_true(row->acked_s > 0.1995 && row->acked_s < 2);
		assert_int_equal(row->latency_count, 400);
		assert_int_equal(row->response_count, 400);
		assert_int_equal(count_of(reply->latency), 400);
		assert_int_equal(count_of(reply->response), 400);
		/* The wait before the start is in one of them only. */
		assert_true(row->response_p50_ns >= row->latency_p50_ns);
		assert_true(row->response_max_ns >= row->latency_max_ns);
		free(reply);
		free(setup);
	}
}

/* Three threads share the moments: together they are no faster and no slower. */
static void threads_share_the_rate(void **state)
{
	struct order *setup = setup_of("null", "none", WORKLOAD_PUBLISH);
	struct order_reply *reply;

	setup->workload.publishers = 3;
	setup->workload.arrivals = WORKLOAD_ARRIVALS_POISSON;
	reply = slice_of(*state, setup);
	assert_true(reply->row.acked_s > 0.1995 && reply->row.acked_s < 2);
	assert_int_equal(reply->row.response_count, 400);
	free(reply);
	free(setup);
}

static void every_nth_is_recorded(void **state)
{
	struct order *setup = setup_of("null", "none", WORKLOAD_PUBLISH);
	struct order_reply *reply;

	setup->workload.latency_every = 8;
	reply = slice_of(*state, setup);
	assert_int_equal(reply->row.latency_count, 50);
	assert_int_equal(reply->row.response_count, 50);
	free(reply);
	free(setup);
}

static void a_closed_loop_has_no_response_time(void **state)
{
	struct order *setup = setup_of("null", "none", WORKLOAD_PUBLISH);
	struct order_reply *reply;

	setup->workload.rate_msgs_s = 0;
	reply = slice_of(*state, setup);
	assert_int_equal(reply->row.latency_count, 400);
	assert_int_equal(reply->row.response_count, 0);
	assert_int_equal(reply->row.response_max_ns, 0);
	assert_string_equal(reply->response, "");
	assert_string_equal(reply->warning, "");
	free(reply);
	free(setup);
}

/* Nobody does 10^8 a second here: each waits for those before it, the last one for all. */
static void a_rate_beyond_what_is_possible_is_told(void **state)
{
	struct order *setup = setup_of("null", "none", WORKLOAD_PUBLISH);
	struct order_reply *reply;
	struct sample *row;

	setup->workload.messages = 300000;
	setup->workload.rate_msgs_s = 100000000;
	reply = slice_of(*state, setup);
	row = &reply->row;
	assert_true(row->acked_s > 0.0031);
	/* A queue that grows: at the end as long as all that is late, in the middle half of it. */
	uint64_t late_ns = (uint64_t)(row->acked_s * 1e9) - 3000000;
	assert_in_range(row->response_max_ns, late_ns / 100 * 95, late_ns / 100 * 105 + 100000);
	assert_in_range(row->response_p50_ns, late_ns / 10, late_ns / 10 * 9);
	assert_true(row->latency_p50_ns < 100000);
	if (strstr(reply->warning, "w, null: the offered rate of 100000000 messages a second "
	                           "was not reached") == NULL)
		fail_msg("warning: <%s>", reply->warning);
	free(reply);
	free(setup);
}

int main(void)
{
#define WITH_DIRECTORY(test)                                                                       \
	cmocka_unit_test_setup_teardown(test, fixture_directory_make, fixture_directory_remove)
	const struct CMUnitTest tests[] = {
	        WITH_DIRECTORY(a_slice_lasts_as_long_as_its_rate_says),
	        WITH_DIRECTORY(threads_share_the_rate),
	        WITH_DIRECTORY(every_nth_is_recorded),
	        WITH_DIRECTORY(a_closed_loop_has_no_response_time),
	        WITH_DIRECTORY(a_rate_beyond_what_is_possible_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
