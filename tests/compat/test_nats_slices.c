/* test_nats_slices.c - slices against real servers, in this process: what their rows count.
 *
 * ATREST_NATS_MESSAGES=N publishes so many in the test of counts (20,000; a million under the
 * label long).
 */
#include "tests/unit/harness_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "ciphers/cipher.h"
#include "harness/slice.h"
#include "harness/targets/nats_server.h"

#define FILL 3000

static const char *const versions[] = {"2.9.10", "newest"};
static const char *const ciphers[] = {"none", "chachapoly", "aes"};
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const uint8_t key[] = "k0123456789abcdef0123456789abcdef";

/* A session's setup, large: one for all tests. */
static struct order setup;
static uint64_t injected_ns; /* of each operation */

static void setup_of(const char *version, const char *cipher, enum workload_operation operation)
{
	struct workload *w = &setup.workload;
	struct target_error error;

	memset(&setup, 0, sizeof(setup));
	injected_ns = 0;
	if (nats_server_find(version, setup.server.program, setup.server.version, &error) != 0) {
		print_message("%s\n", error.text);
		skip();
	}
	setup.server.replicas = 1;
	snprintf(setup.target, sizeof(setup.target), "nats");
	snprintf(setup.cipher, sizeof(setup.cipher), "%s", cipher);
	snprintf(setup.provider, sizeof(setup.provider), "%s",
	         atr_cipher_provider(atr_cipher_find(cipher, NULL)));
	setup.seed = 11;
	setup.key_bytes = sizeof(key) - 1;
	workload_init(w);
	snprintf(w->name, sizeof(w->name), "w");
	w->operation = operation;
	w->messages = 1000;
	w->fill_messages = FILL;
	w->subjects = 7;
	w->headers_bytes = 64;
	w->headers_share = 0.5;
	w->sizes[0].low_bytes = 100;
	w->sizes[0].high_bytes = 300;
}

static void slice_of(struct session *session, const char *directory, int control,
                     struct order_reply *reply)
{
	struct order *order = calloc(1, sizeof(*order));

	assert_non_null(order);
	memset(reply, 0, sizeof(*reply));
	snprintf(order->directory, sizeof(order->directory), "%s", directory);
	order->control = control;
	order->injected_ns = injected_ns;
	session_slice(session, order, reply);
	if (!reply->row.valid)
		fail_msg("%s, %s, operation %d: %s", setup.server.version, setup.cipher,
		         (int)setup.workload.operation, reply->error.text);
	free(order);
}

/* Two slices of one session; the last one with all controls. */
static void slices_of(const char *base, struct sample *row)
{
	struct order_reply *reply = calloc(1, sizeof(*reply));
	static unsigned stores;
	struct target_error error;
	struct session *session;
	char directory[4096] = "";

	assert_non_null(reply);
	if (session_open(&setup, key, &session, &error) != 0)
		fail_msg("%s", error.text);
	for (int i = 0; i < 2; i++) {
		if (i == 0 || workload_changes(&setup.workload))
			snprintf(directory, sizeof(directory), "%s/nats-%u", base, stores++);
		if (i == 0 && !workload_changes(&setup.workload) &&
		    session_fill(session, directory, &error) != 0)
			fail_msg("%s", error.text);
		slice_of(session, directory, i == 1, reply);
	}
	*row = reply->row;
	session_close(session);
	free(reply);
}

static void row_is_whole(const struct sample *row)
{
	const struct workload *w = &setup.workload;

	assert_string_equal(row->target_version, setup.server.version);
	assert_int_equal(row->messages, workload_slice_messages(w));
	assert_int_equal(row->published, row->acknowledged);
	assert_int_equal(row->published, row->stored);
	assert_true(row->acked_s > 0);
	assert_true(row->cpu_ns > 0);
	assert_true(row->client_cpu_ns > 0);
	assert_true(row->rss_peak_bytes > 4 << 20);
	if (w->operation == WORKLOAD_PURGE)
		return;
	assert_true(row->blk_files > 0);
	assert_true(row->blk_apparent_bytes > 100 * FILL / 4);
	assert_int_equal(row->key_files > 0, strcmp(setup.cipher, "none") != 0);
	assert_true(row->reads_checked >= 8);
}

static void each_operation_counts_its_messages(void **state)
{
	static const enum workload_operation operations[] = {
	        WORKLOAD_PUBLISH,     WORKLOAD_READ_SEQUENTIAL,
	        WORKLOAD_READ_RANDOM, WORKLOAD_MIXED,
	        WORKLOAD_READ_LAST,   WORKLOAD_TAIL,
	        WORKLOAD_OPEN,        WORKLOAD_PURGE};
	struct sample row;

	for (size_t v = 0; v < COUNT_OF(versions); v++) {
		for (size_t i = 0; i < COUNT_OF(operations); i++) {
			/* Plaintext and one cipher by turns, so that each operation sees both. */
			setup_of(versions[v], ciphers[(i + v) % 2 == 0 ? 0 : 1 + i % 2],
			         operations[i]);
			if (operations[i] == WORKLOAD_OPEN)
				setup.workload.messages = FILL;
			slices_of(*state, &row);
			row_is_whole(&row);
			if (operations[i] == WORKLOAD_PUBLISH)
				assert_int_equal(row.published, 1000);
		}
	}
}

static void consumers_of_both_kinds_and_several_streams_are_read(void **state)
{
	struct sample row;

	for (size_t v = 0; v < COUNT_OF(versions); v++) {
		setup_of(versions[v], "aes", WORKLOAD_READ_SEQUENTIAL);
		setup.workload.consumer = WORKLOAD_CONSUMER_ORDERED;
		setup.workload.streams = 2;
		setup.workload.readers = 2;
		setup.workload.messages = 5000; /* more than there are: passes */
		slices_of(*state, &row);
		row_is_whole(&row);

		setup_of(versions[v], "chachapoly", WORKLOAD_PUBLISH);
		setup.workload.streams = 2;
		setup.workload.publishers = 4;
		slices_of(*state, &row);
		row_is_whole(&row);
	}
}

static uint64_t messages_asked(void)
{
	const char *text = getenv("ATREST_NATS_MESSAGES");

	return text == NULL ? 20000 : strtoull(text, NULL, 10);
}

/* Published, acknowledged, stored and read. */
static void as_many_are_read_as_were_published(void **state)
{
	struct sample row;

	for (size_t v = 0; v < COUNT_OF(versions); v++) {
		for (size_t c = 0; c < COUNT_OF(ciphers); c++) {
			setup_of(versions[v], ciphers[c], WORKLOAD_PUBLISH);
			setup.workload.messages = messages_asked();
			setup.workload.sizes[0].low_bytes = 1024;
			setup.workload.sizes[0].high_bytes = 1024;
			setup.workload.headers_bytes = 0;
			setup.workload.check = WORKLOAD_CHECK_ALL;
			slices_of(*state, &row);
			row_is_whole(&row);
			assert_int_equal(row.published, setup.workload.messages);
			/* While it was open, and once more when it was closed. */
			assert_int_equal(row.reads_checked, 2 * setup.workload.messages);
			print_message("%s, %s: %llu published, acknowledged, stored; %llu read\n",
			              setup.server.version, ciphers[c],
			              (unsigned long long)row.stored,
			              (unsigned long long)row.reads_checked);
		}
	}
}

/* A hundredth of a second from one to the next: what was acknowledged is known then, not when a
 * later message or the end of the slice makes the client look. */
static void acknowledgements_are_taken_while_nothing_is_published(void **state)
{
	uint64_t least_ns = UINT64_MAX;
	struct sample row;

	/* A machine may be busy just then. */
	for (int tries = 0; tries < 4 && least_ns > 5000000; tries++) {
		setup_of("newest", "aes", WORKLOAD_PUBLISH);
		setup.workload.messages = 50;
		setup.workload.rate_msgs_s = 100;
		slices_of(*state, &row);
		assert_int_equal(row.response_count, 50);
		assert_true(row.acked_s > 0.49);
		assert_true(row.response_p50_ns >= row.latency_p50_ns);
		if (row.response_p50_ns < least_ns)
			least_ns = row.response_p50_ns;
	}
	assert_in_range(least_ns, 1000, 5000000);
}

/* Each operation waits 0.1 ms, and one is to start every 0.05 ms: the publisher is late from the
 * first one on, its server is not. What was acknowledged is known soon all the same, not when the
 * window is full or the slice, of 40 ms, ends. */
static void acknowledgements_are_taken_by_who_is_late(void **state)
{
	uint64_t least_ns = UINT64_MAX;
	struct sample row;

	for (int tries = 0; tries < 4 && least_ns > 4000000; tries++) {
		setup_of("newest", "aes", WORKLOAD_PUBLISH);
		setup.workload.messages = 400;
		setup.workload.window = 1000;
		setup.workload.rate_msgs_s = 20000;
		injected_ns = 100000;
		slices_of(*state, &row);
		assert_int_equal(row.response_count, 400);
		assert_true(row.acked_s > 0.04);
		/* Late all the same. */
		assert_true(row.response_p99_ns > 15000000);
		if (row.latency_p50_ns < least_ns)
			least_ns = row.latency_p50_ns;
	}
	assert_in_range(least_ns, 100000, 4000000);
}

int main(void)
{
#define WITH_DIRECTORY(test)                                                                       \
	cmocka_unit_test_setup_teardown(test, fixture_directory_make, fixture_directory_remove)
	const struct CMUnitTest tests[] = {
	        WITH_DIRECTORY(each_operation_counts_its_messages),
	        WITH_DIRECTORY(consumers_of_both_kinds_and_several_streams_are_read),
	        WITH_DIRECTORY(as_many_are_read_as_were_published),
	        WITH_DIRECTORY(acknowledgements_are_taken_while_nothing_is_published),
	        WITH_DIRECTORY(acknowledgements_are_taken_by_who_is_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
