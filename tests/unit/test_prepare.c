/* test_prepare.c - how large slices are made, and what a run says it needs. */
#include "tests/unit/harness_fixture.h"

#include <string.h>

#include "harness/prepare.h"
#include "harness/targets/target.h"

#define MIB (UINT64_C(1024) * 1024)

static void publish_of(struct workload *w, uint64_t messages, uint32_t payload_bytes)
{
	workload_init(w);
	snprintf(w->name, sizeof(w->name), "publish");
	w->messages = messages;
	w->sizes[0].low_bytes = w->sizes[0].high_bytes = payload_bytes;
}

static void slices_that_fit_are_left_alone(void **state)
{
	struct workload w;

	(void)state;
	publish_of(&w, 1000, 1024);
	assert_int_equal(prepare_cap(&w, 2 * MIB, NULL), 0);
	assert_int_equal(w.messages, 1000);
}

static void slices_that_are_too_dirty_shrink(void **state)
{
	struct workload w;
	char note[256];

	(void)state;
	publish_of(&w, 100000, 1024);
	assert_int_equal(prepare_cap(&w, 10 * MIB, note), 1);
	assert_true(prepare_slice_bytes(&w) <= 10 * MIB);
	assert_true(prepare_slice_bytes(&w) > 9 * MIB);
	assert_non_null(strstr(note, "instead of 100000"));
	/* What is synced at once is never dirty for long. */
	publish_of(&w, 100000, 1024);
	w.sync = WORKLOAD_SYNC_ALWAYS;
	assert_int_equal(prepare_cap(&w, 10 * MIB, NULL), 0);
	/* One message at least per publisher. */
	publish_of(&w, 100, 1024);
	w.publishers = 8;
	assert_int_equal(prepare_cap(&w, 1, NULL), 1);
	assert_int_equal(w.messages, 8);
}

static void long_slices_have_bytes_and_seconds(void **state)
{
	struct workload w;

	(void)state;
	publish_of(&w, 1000, 1024);
	prepare_long(&w, 0);
	assert_true(w.messages * 1024 >= PREPARE_LONG_BYTES);
	assert_true(w.messages * 1024 < PREPARE_LONG_BYTES + 2 * 1024);
	prepare_long(&w, 0.5); /* half a second: twice as many and a quarter */
	assert_in_range(w.messages, 655340, 655380);
	prepare_long(&w, 1.3); /* long enough */
	assert_in_range(w.messages, 655340, 655380);
	publish_of(&w, 1000, 1024);
	w.operation = WORKLOAD_READ_SEQUENTIAL;
	prepare_long(&w, 0.1);
	assert_int_equal(w.messages, 1000);
}

static void needs_count_what_is_there_at_once(void **state)
{
	struct workload w[2];
	struct plan_request request;
	struct plan plan;
	char error[256];
	uint64_t writing, both;

	(void)state;
	memset(&request, 0, sizeof(request));
	publish_of(&w[0], 64 * 1024, 1024);
	publish_of(&w[1], 1000, 1024);
	w[1].operation = WORKLOAD_READ_SEQUENTIAL;
	w[1].fill_messages = 32 * 1024;
	snprintf(w[1].name, sizeof(w[1].name), "read");
	request.workloads = w;
	request.workload_count = 1;
	snprintf(request.targets[0].name, sizeof(request.targets[0].name), "%s", "store");
	request.target_count = 1;
	request.ciphers[0] = "aes";
	request.cipher_count = 1;
	request.dir_count = 1;
	assert_int_equal(plan_make(&request, &plan, error), 0);
	writing = prepare_need_bytes(&plan, 0, 0);
	assert_in_range(writing, 64 * MIB, 150 * MIB);
	/* Kept: the stores of all three arms. */
	assert_in_range(prepare_need_bytes(&plan, 0, 1), 256 * MIB, 400 * MIB);
	plan_free(&plan);
	request.workload_count = 2;
	assert_int_equal(plan_make(&request, &plan, error), 0);
	both = prepare_need_bytes(&plan, 0, 0);
	assert_in_range(both - writing, 3 * 32 * MIB, 3 * 40 * MIB);
	assert_int_equal(prepare_need_bytes(&plan, 1, 0), 0);
	plan_free(&plan);
}

/* A converted stream stands beside the old one; a restored one beside its snapshot. */
static void needs_count_what_operations_write_beside(void **state)
{
	static const struct {
		enum workload_operation operation;
		uint64_t least, most; /* in fills of one arm, of three */
	} cases[] = {{WORKLOAD_PURGE, 1, 1},
	             {WORKLOAD_CONVERT, 2, 2},
	             {WORKLOAD_OPEN, 3, 3},
	             {WORKLOAD_SNAPSHOT, 8, 8},
	             {WORKLOAD_RESTORE, 6, 6}};
	struct plan_request request;
	struct workload w;
	struct plan plan;
	char error[256];

	(void)state;
	memset(&request, 0, sizeof(request));
	request.workloads = &w;
	request.workload_count = request.target_count = request.cipher_count = 1;
	snprintf(request.targets[0].name, sizeof(request.targets[0].name), "%s", "store");
	request.ciphers[0] = "aes";
	request.dir_count = 1;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		publish_of(&w, 32 * 1024, 1024);
		w.operation = cases[i].operation;
		w.fill_messages = 32 * 1024;
		assert_int_equal(plan_make(&request, &plan, error), 0);
		/* 64 MiB more than is needed, a twentieth, and the records' frames. */
		assert_in_range(prepare_need_bytes(&plan, 0, 0) - 64 * MIB,
		                cases[i].least * 32 * MIB, cases[i].most * 36 * MIB);
		plan_free(&plan);
	}
}

/* A slice of a server has a start and a pause; what waits for each answer waits longer. */
static void servers_take_longer(void **state)
{
	struct plan_target at = {.name = "store"};
	struct workload w;
	struct plan_cell cell = {.workload = &w, .target = &at};
	double store_s;

	(void)state;
	publish_of(&w, 10000, 1024);
	store_s = prepare_slice_s(&cell);
	assert_true(store_s > 0.05 && store_s < 0.2);
	assert_true(prepare_timeout_ns(&cell) >= UINT64_C(120000000000));
	if (target_find("nats") == NULL)
		skip();
	snprintf(at.name, sizeof(at.name), "nats");
	assert_true(prepare_slice_s(&cell) > store_s + 0.3);
	w.window = 1;
	assert_true(prepare_slice_s(&cell) > store_s + 0.8);
	assert_true((double)prepare_timeout_ns(&cell) / 1e9 > 10 * prepare_slice_s(&cell));
	w.operation = WORKLOAD_OPEN;
	w.messages = w.fill_messages = 10000;
	assert_true(prepare_slice_s(&cell) > 0.5);
	assert_true(prepare_fill_s(&cell) > 0.2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(slices_that_fit_are_left_alone),
	        cmocka_unit_test(slices_that_are_too_dirty_shrink),
	        cmocka_unit_test(long_slices_have_bytes_and_seconds),
	        cmocka_unit_test(needs_count_what_is_there_at_once),
	        cmocka_unit_test(needs_count_what_operations_write_beside),
	        cmocka_unit_test(servers_take_longer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
