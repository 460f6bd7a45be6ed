/* test_stall.c - a worker that stands still at a given rate: what it would have done meanwhile is
 * late, each operation by its own wait, as arithmetic says. A benchmark that waits for itself shows
 * one slow operation instead (coordinated omission); that is what the service time shows here.
 */
#include "tests/unit/harness_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness/measure/clock.h"
#include "harness/measure/histogram.h"
#include "harness/worker_client.h"

#define ATREST ATREST_BINARY_DIR "/cli/atrest"
#define MS     UINT64_C(1000000)
#define RATE   1000 /* a second, for one */
#define TRIES  5    /* of each arm, until the machine has no stall of its own */

struct stall {
	pid_t pid;
	uint64_t after_ns, lasts_ns; /* asked for; it stands still for no less than lasts_ns */
	uint64_t stopping_ns, stopped_ns, continuing_ns, continued_ns; /* when it was so */
	int inside; /* all of it lay in the second of the slice */
};

static void rest(uint64_t ns)
{
	struct timespec t = {.tv_nsec = (long)ns};
	nanosleep(&t, NULL);
}

static void *stall_main(void *arg)
{
	struct stall *s = arg;
	siginfo_t info;

	rest(s->after_ns);
	s->stopping_ns = clock_ns();
	kill(s->pid, SIGSTOP);
	/* On a busy machine it goes on until the thread that is to take the signal has its turn. */
	while (waitid(P_PID, (id_t)s->pid, &info, WSTOPPED) != 0 && errno == EINTR)
		;
	s->stopped_ns = clock_ns();
	rest(s->lasts_ns);
	s->continuing_ns = clock_ns();
	kill(s->pid, SIGCONT);
	s->continued_ns = clock_ns();
	return NULL;
}

/* The only child of this process. */
static pid_t worker_pid(void)
{
	char path[64], text[64] = "";
	FILE *in;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	in = fopen(path, "r");
	assert_non_null(in);
	assert_non_null(fgets(text, sizeof(text), in));
	fclose(in);
	return (pid_t)strtol(text, NULL, 10);
}

static struct order *setup_of(const char *target, const char *cipher)
{
	struct order *order = calloc(1, sizeof(*order));

	order->kind = ORDER_SETUP;
	snprintf(order->target, sizeof(order->target), "%s", target);
	snprintf(order->cipher, sizeof(order->cipher), "%s", cipher);
	order->seed = 4;
	order->key_bytes = 5;
	workload_init(&order->workload);
	snprintf(order->workload.name, sizeof(order->workload.name), "w");
	order->workload.messages = RATE;
	order->workload.rate_msgs_s = RATE;
	return order;
}

/* One slice of a second, with that stall in the middle. */
static struct order_reply *slice_of(const char *base, const char *target, const char *cipher,
                                    struct stall *stall)
{
	static const volatile sig_atomic_t stop;
	static unsigned stores;
	struct order *order = setup_of(target, cipher);
	struct order_reply *reply = calloc(1, sizeof(*reply));
	struct target_error error;
	struct order_hello hello;
	struct worker *worker;
	uint64_t ordered_ns, replied_ns;
	pthread_t thread;

	if (worker_start(ATREST, &worker, &hello, &error) != 0 ||
	    worker_order(worker, order, (const uint8_t *)"KEY42", reply, &stop, 30000 * MS,
	                 &error) != 0)
		fail_msg("%s", error.text);
	stall->pid = worker_pid();
	assert_int_equal(pthread_create(&thread, NULL, stall_main, stall), 0);
	order->kind = ORDER_SLICE;
	snprintf(order->directory, sizeof(order->directory), "%s/store-%u", base, stores++);
	ordered_ns = clock_ns();
	if (worker_order(worker, order, NULL, reply, &stop, 60000 * MS, &error) != 0)
		fail_msg("%s", error.text);
	replied_ns = clock_ns();
	pthread_join(thread, NULL);
	/* Its first operation is no later than its length before the reply, its last no sooner than
	 * a second after the order. */
	stall->inside = stall->stopping_ns > replied_ns - (uint64_t)(reply->row.acked_s * 1e9) &&
	                stall->continued_ns < ordered_ns + 1000 * MS;
	if (!reply->row.valid)
		fail_msg("%s", reply->error.text);
	worker_end(worker);
	free(order);
	return reply;
}

/* How many took longer than that. */
static uint64_t above(const char *text, uint64_t ns)
{
	struct histogram *h = malloc(sizeof(*h));
	uint64_t count = 0;

	histogram_init(h);
	assert_int_equal(histogram_parse(h, text), 0);
	for (uint32_t i = histogram_index(ns) + 1; i < HISTOGRAM_BUCKETS; i++)
		count += h->bucket[i];
	free(h);
	return count;
}

/* Of a stall of d ms at a thousand a second, d are to start in it; that of k ms before its end is
 * late by k ms. No fewer, and no more either unless the machine had a stall of its own: 0 then.
 */
static int expect_late(const struct order_reply *reply, const struct stall *stall)
{
	const uint64_t least_ms = (stall->continuing_ns - stall->stopped_ns) / MS;
	const uint64_t d_ms = (stall->continued_ns - stall->stopping_ns) / MS;
	const struct sample *row = &reply->row;
	int as_many = 1;

	for (uint64_t late_ms = 20; late_ms < least_ms; late_ms += 20) {
		uint64_t late = above(reply->response, late_ms * MS);
		if (late + 4 < least_ms - late_ms)
			fail_msg("%d responses above %d ms after a stall of %d ms", (int)late,
			         (int)late_ms, (int)d_ms);
		as_many &= late < d_ms - late_ms + 50;
	}
	assert_true(row->response_max_ns > (least_ms - 3) * MS);
	/* The last ten of a thousand: those that waited the longest. */
	assert_true(row->response_p99_ns > (least_ms - 15) * MS);
	/* One operation at most stood still itself. */
	assert_true(above(reply->latency, (least_ms - 20) * MS) <= 1);
	return as_many && row->response_max_ns < (d_ms + 50) * MS &&
	       row->latency_p99_ns < 20 * MS && row->acked_s < 1.2;
}

static void what_waits_behind_a_stall_is_late_by_its_own_wait(void **state)
{
	static const char *const arms[][2] = {{"null", "none"}, {"store", "aes"}};

	for (int i = 0, quiet = 0; i < 2 * TRIES && quiet < 2; i++) {
		struct stall stall = {.after_ns = 400 * MS, .lasts_ns = 200 * MS};
		struct order_reply *reply =
		        slice_of(*state, arms[quiet][0], arms[quiet][1], &stall);

		assert_int_equal(reply->row.response_count, RATE);
		quiet += stall.inside && expect_late(reply, &stall);
		if (quiet < 2 && i + 1 == 2 * TRIES)
			fail_msg("never a stall of its own length in a slice: at last inside %d, "
			         "%d late",
			         stall.inside, (int)above(reply->response, 20 * MS));
		free(reply);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(what_waits_behind_a_stall_is_late_by_its_own_wait,
	                                        fixture_directory_make, fixture_directory_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
