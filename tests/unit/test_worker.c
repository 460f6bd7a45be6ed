/* test_worker.c - worker processes as the run sees them: this program is the worker as well, an
 * honest one or, when the environment says so, one that misbehaves.
 */
#include "tests/unit/harness_fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/worker.h"
#include "harness/worker_client.h"

#define SECOND UINT64_C(1000000000)

static volatile sig_atomic_t stop;

/* ---- the workers ---- */

static int misbehave(const char *how)
{
	static const char hello[] =
	        "{\"protocol\":4,\"version\":\"0\",\"commit\":\"x\",\"build\":\"debug\"}\n";
	char line[4096];

	if (strcmp(how, "silent") == 0)
		return 3;
	if (strcmp(how, "chatter") == 0) {
		puts("Usage: something else");
		return 0;
	}
	if (write(STDOUT_FILENO, hello, sizeof(hello) - 1) < 0 ||
	    fgets(line, sizeof(line), stdin) == NULL)
		return 9;
	if (strcmp(how, "crash") == 0)
		raise(SIGKILL);
	if (strcmp(how, "exit") == 0)
		return 7;
	if (strcmp(how, "nonsense") == 0)
		puts("42");
	if (strcmp(how, "half") == 0)
		printf("{\"ok\":tr");
	if (strcmp(how, "hang") == 0)
		pause();
	if (strcmp(how, "flood") == 0)
		for (int i = 0; i < 100000; i++)
			printf("xxxxxxxxxxxxxxxx");
	fflush(stdout);
	return 0;
}

/* ---- the tests ---- */

static struct worker *start(const char *how)
{
	struct target_error error;
	struct order_hello hello;
	struct worker *worker;

	if (how != NULL)
		setenv("TEST_WORKER", how, 1);
	else
		unsetenv("TEST_WORKER");
	stop = 0;
	if (worker_start(NULL, &worker, &hello, &error) != 0)
		fail_msg("%s", error.text);
	assert_int_equal(worker_alive(worker), 1);
	return worker;
}

static struct order *setup_order(enum workload_operation operation)
{
	struct order *order = calloc(1, sizeof(*order));

	order->kind = ORDER_SETUP;
	snprintf(order->target, sizeof(order->target), "null");
	snprintf(order->cipher, sizeof(order->cipher), "none");
	order->seed = 4;
	order->key_bytes = 5;
	workload_init(&order->workload);
	snprintf(order->workload.name, sizeof(order->workload.name), "w");
	order->workload.operation = operation;
	order->workload.messages = 10000;
	order->workload.fill_messages = 3000;
	order->workload.sizes[0].low_bytes = order->workload.sizes[0].high_bytes = 100;
	return order;
}

/* A slice of the null target under this workload. */
static void slice_of(struct order *order, struct sample *row)
{
	struct order_reply *reply = calloc(1, sizeof(*reply));
	struct worker *worker = start(NULL);
	struct target_error error;

	if (worker_order(worker, order, (const uint8_t *)"KEY42", reply, &stop, 30 * SECOND,
	                 &error) != 0)
		fail_msg("%s", error.text);
	assert_int_equal(reply->ok, 1);
	order->kind = ORDER_SLICE;
	order->control = 1;
	if (worker_order(worker, order, NULL, reply, &stop, 60 * SECOND, &error) != 0)
		fail_msg("%s", error.text);
	if (!reply->row.valid)
		fail_msg("%s", reply->error.text);
	*row = reply->row;
	worker_end(worker);
	free(reply);
	free(order);
}

static void publishing_is_counted_and_timed(void **state)
{
	struct sample row;

	(void)state;
	slice_of(setup_order(WORKLOAD_PUBLISH), &row);
	assert_int_equal(row.messages, 10000);
	assert_int_equal(row.payload_total_bytes, 1000000);
	assert_int_equal(row.latency_count, 10000);
	assert_true(row.acked_s > 0 && row.acked_s < 10);
	assert_true(row.cpu_ns > 0 && row.cpu_user_ns + row.cpu_system_ns == row.cpu_ns);
	assert_true(row.latency_p50_ns <= row.latency_p99_ns);
	assert_true(row.latency_p99_ns <= row.latency_max_ns);
	assert_true(row.rss_peak_bytes > 4 * 1024 * 1024); /* the pool alone */
	assert_true(row.reads_checked > 0);
	assert_true(row.build[0] != '\0');
}

static void latency_is_sampled(void **state)
{
	struct order *order = setup_order(WORKLOAD_PUBLISH);
	struct sample row;

	(void)state;
	order->workload.latency_every = 7;
	slice_of(order, &row);
	assert_int_equal(row.latency_count, 1429); /* ceil(10000 / 7) */
	order = setup_order(WORKLOAD_READ_SEQUENTIAL);
	order->workload.latency_every = 0;
	slice_of(order, &row);
	assert_int_equal(row.latency_count, 0);
}

static void every_read_is_checked(void **state)
{
	struct sample row;

	(void)state;
	slice_of(setup_order(WORKLOAD_READ_SEQUENTIAL), &row);
	assert_int_equal(row.messages, 10000);
	assert_int_equal(row.reads_checked, 10000);
	assert_true(row.synced_s == row.acked_s);
	slice_of(setup_order(WORKLOAD_READ_RANDOM), &row);
	assert_int_equal(row.reads_checked, 10000);
}

static void threads_share_the_work(void **state)
{
	struct order *order = setup_order(WORKLOAD_PUBLISH);
	struct sample row;

	(void)state;
	order->workload.publishers = 5;
	order->workload.streams = 3;
	slice_of(order, &row);
	assert_int_equal(row.messages, 10000);
	order = setup_order(WORKLOAD_READ_SEQUENTIAL);
	order->workload.readers = 3;
	slice_of(order, &row);
	assert_int_equal(row.messages, 10000);
	order = setup_order(WORKLOAD_MIXED);
	order->workload.publishers = order->workload.readers = 2;
	order->workload.read_share = 0.3;
	slice_of(order, &row);
	assert_int_equal(row.messages, 10000);
	assert_in_range(row.reads_checked, 2800, 3300);
}

/* As with several directories: whatever the policy, the slice ends on the device. */
static void an_ordered_sync_ends_the_slice(void **state)
{
	struct order *order = setup_order(WORKLOAD_PUBLISH);
	struct sample row;

	snprintf(order->target, sizeof(order->target), "store");
	snprintf(order->directory, sizeof(order->directory), "%s/store", (const char *)*state);
	order->workload.messages = 500;
	order->synced = 1;
	slice_of(order, &row);
	assert_true(row.synced_s >= row.acked_s && row.acked_s > 0);
	assert_true(row.syncs > 0);
}

static void a_worker_that_goes_wrong_is_one_error(void **state)
{
	static const struct {
		const char *how, *text;
	} cases[] = {{"crash", "killed by signal 9"}, {"exit", "ended with status 7"},
	             {"half", "ended with status 0"}, {"nonsense", "worker's answer: "},
	             {"flood", "answer longer than"}, {"hang", "no answer within 1 s"}};
	struct order *order = setup_order(WORKLOAD_PUBLISH);
	struct order_reply *reply = calloc(1, sizeof(*reply));
	struct target_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct worker *worker = start(cases[i].how);
		assert_int_equal(worker_order(worker, order, (const uint8_t *)"KEY42", reply, &stop,
		                              SECOND, &error),
		                 -1);
		if (strstr(error.text, cases[i].text) == NULL)
			fail_msg("%s: '%s'", cases[i].how, error.text);
		assert_int_equal(error.fault, TARGET_FAILED);
		assert_int_equal(worker_alive(worker), 0);
		/* And again: it takes no more orders, and says so. */
		assert_int_equal(worker_order(worker, order, (const uint8_t *)"KEY42", reply, &stop,
		                              SECOND, &error),
		                 -1);
		worker_end(worker);
	}
	free(order);
	free(reply);
}

static void what_is_no_worker_is_refused(void **state)
{
	struct target_error error;
	struct order_hello hello;
	struct worker *worker;

	(void)state;
	assert_int_equal(worker_start("/nowhere/atrest", &worker, &hello, &error), -1);
	assert_int_equal(error.fault, TARGET_USAGE);
	assert_non_null(strstr(error.text, "cannot execute /nowhere/atrest"));
	assert_null(worker);
	setenv("TEST_WORKER", "silent", 1);
	assert_int_equal(worker_start(NULL, &worker, &hello, &error), -1);
	assert_int_equal(error.fault, TARGET_USAGE);
	assert_non_null(strstr(error.text, "ended with status 3"));
	setenv("TEST_WORKER", "chatter", 1);
	assert_int_equal(worker_start(NULL, &worker, &hello, &error), -1);
	assert_non_null(strstr(error.text, "is no atrest that can be an arm"));
}

static void a_stop_ends_the_wait(void **state)
{
	struct order *order = setup_order(WORKLOAD_PUBLISH);
	struct order_reply *reply = calloc(1, sizeof(*reply));
	struct worker *worker = start("hang");
	struct target_error error;

	(void)state;
	stop = 1;
	assert_int_equal(worker_order(worker, order, (const uint8_t *)"KEY42", reply, &stop,
	                              60 * SECOND, &error),
	                 -1);
	assert_string_equal(error.text, "interrupted");
	worker_end(worker);
	free(order);
	free(reply);
}

static void orders_before_setup_are_refused(void **state)
{
	struct order *order = setup_order(WORKLOAD_PUBLISH);
	struct order_reply *reply = calloc(1, sizeof(*reply));
	struct worker *worker = start(NULL);
	struct target_error error;

	(void)state;
	order->kind = ORDER_FILL;
	snprintf(order->directory, sizeof(order->directory), "x");
	assert_int_equal(worker_order(worker, order, NULL, reply, &stop, 10 * SECOND, &error), 0);
	assert_int_equal(reply->ok, 0);
	assert_string_equal(reply->error.text, "order before setup");
	order->kind = ORDER_SETUP;
	snprintf(order->cipher, sizeof(order->cipher), "rot13");
	assert_int_equal(worker_order(worker, order, (const uint8_t *)"KEY42", reply, &stop,
	                              10 * SECOND, &error),
	                 0);
	assert_int_equal(reply->ok, 0);
	assert_int_equal(reply->error.fault, TARGET_USAGE);
	assert_non_null(strstr(reply->error.text, "no cipher 'rot13'"));
	worker_end(worker);
	free(order);
	free(reply);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(publishing_is_counted_and_timed),
	        cmocka_unit_test(latency_is_sampled),
	        cmocka_unit_test(every_read_is_checked),
	        cmocka_unit_test(threads_share_the_work),
	        cmocka_unit_test_setup_teardown(an_ordered_sync_ends_the_slice,
	                                        fixture_directory_make, fixture_directory_remove),
	        cmocka_unit_test(a_worker_that_goes_wrong_is_one_error),
	        cmocka_unit_test(what_is_no_worker_is_refused),
	        cmocka_unit_test(a_stop_ends_the_wait),
	        cmocka_unit_test(orders_before_setup_are_refused),
	};

	if (argc > 1 && strcmp(argv[1], "slice") == 0)
		return getenv("TEST_WORKER") != NULL ? misbehave(getenv("TEST_WORKER"))
		                                     : worker_main(STDIN_FILENO, STDOUT_FILENO);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
