/* test_inject.c - an injected slowdown is a wait inside what each operation is measured by. */
#include "tests/unit/harness_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "harness/slice.h"

#define MESSAGES    2000
#define INJECTED_NS 5000

static void slice_of(const char *base, enum workload_operation operation, uint64_t injected_ns,
                     struct sample *row)
{
	struct order *setup = calloc(1, sizeof(*setup)), *order = calloc(1, sizeof(*order));
	struct order_reply *reply = calloc(1, sizeof(*reply));
	struct workload *w = &setup->workload;
	struct target_error error;
	struct session *session;
	static unsigned stores;

	snprintf(setup->target, sizeof(setup->target), "store");
	snprintf(setup->cipher, sizeof(setup->cipher), "none");
	setup->seed = 3;
	workload_init(w);
	snprintf(w->name, sizeof(w->name), "w");
	w->operation = operation;
	w->messages = MESSAGES;
	w->fill_messages = MESSAGES;
	w->sizes[0].low_bytes = w->sizes[0].high_bytes = 100;
	if (session_open(setup, NULL, &session, &error) != 0)
		fail_msg("%s", error.text);
	snprintf(order->directory, sizeof(order->directory), "%s/store-%u", base, stores++);
	order->injected_ns = injected_ns;
	if (workload_fills(w) && !workload_changes(w) &&
	    session_fill(session, order->directory, &error) != 0)
		fail_msg("%s", error.text);
	session_slice(session, order, reply);
	if (!reply->row.valid)
		fail_msg("operation %d: %s", (int)operation, reply->error.text);
	*row = reply->row;
	session_close(session);
	free(setup);
	free(order);
	free(reply);
}

/* Never less than was asked for but for what is still owed at the end; of how much more it is the
 * machine has a say. */
static void every_operation_is_longer_by_it(void **state)
{
	static const enum workload_operation operations[] = {
	        WORKLOAD_PUBLISH, WORKLOAD_READ_SEQUENTIAL, WORKLOAD_READ_RANDOM,
	        WORKLOAD_READ_LAST, WORKLOAD_DELETE};
	double injected_s = MESSAGES * INJECTED_NS / 1e9;

	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		struct sample row;
		slice_of(*state, operations[i], INJECTED_NS, &row);
		assert_int_equal(row.injected_ns, INJECTED_NS);
		assert_true(row.acked_s > injected_s - 5e-6);
		assert_true((double)row.cpu_ns > 0.2e9 * injected_s); /* others may have run */
		assert_true(row.latency_p50_ns >= INJECTED_NS);
	}
}

/* Less than a reading of the clock costs is waited for several operations at once. */
static void a_small_one_is_exact_over_many_operations(void **state)
{
	struct sample row;

	slice_of(*state, WORKLOAD_PUBLISH, 7, &row);
	assert_int_equal(row.injected_ns, 7);
	assert_true(row.acked_s > MESSAGES * 7 / 1e9 - 3e-6);
	slice_of(*state, WORKLOAD_PUBLISH, 0, &row);
	assert_int_equal(row.injected_ns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(every_operation_is_longer_by_it,
	                                        fixture_directory_make, fixture_directory_remove),
	        cmocka_unit_test_setup_teardown(a_small_one_is_exact_over_many_operations,
	                                        fixture_directory_make, fixture_directory_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
