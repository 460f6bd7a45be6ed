/* test_orders.c - the lines between a run and its workers. */
#include "tests/unit/harness_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "harness/orders.h"

static void setup_comes_back_as_it_was(void **state)
{
	struct order *in = calloc(1, sizeof(*in)), *out = calloc(1, sizeof(*out));
	char error[256], *line;

	(void)state;
	in->kind = ORDER_SETUP;
	snprintf(in->target, sizeof(in->target), "store");
	snprintf(in->cipher, sizeof(in->cipher), "aes");
	in->seed = UINT64_MAX;
	in->key_bytes = 65;
	workload_init(&in->workload);
	snprintf(in->workload.name, sizeof(in->workload.name), "mine");
	in->workload.messages = 12345;
	line = orders_write(in);
	assert_non_null(line);
	assert_int_equal(line[strlen(line) - 1], '\n');
	assert_null(memchr(line, '\n', strlen(line) - 1));
	assert_int_equal(orders_read(line, out, error), 0);
	assert_int_equal(out->kind, ORDER_SETUP);
	assert_string_equal(out->target, "store");
	assert_string_equal(out->cipher, "aes");
	assert_string_equal(out->provider, "");
	assert_true(out->seed == UINT64_MAX);
	assert_int_equal(out->key_bytes, 65);
	assert_string_equal(out->workload.name, "mine");
	assert_int_equal(out->workload.messages, 12345);
	free(line);
	free(in);
	free(out);
}

static void slice_comes_back_as_it_was(void **state)
{
	struct order *in = calloc(1, sizeof(*in)), *out = calloc(1, sizeof(*out));
	char error[256], *line;

	(void)state;
	in->kind = ORDER_SLICE;
	snprintf(in->directory, sizeof(in->directory), "a \"b\"/\xc3\xa4");
	in->synced = in->keep = 1;
	in->injected_ns = 65;
	line = orders_write(in);
	assert_int_equal(orders_read(line, out, error), 0);
	assert_int_equal(out->kind, ORDER_SLICE);
	assert_int_equal(out->injected_ns, 65);
	assert_string_equal(out->directory, in->directory);
	assert_int_equal(out->synced, 1);
	assert_int_equal(out->control, 0);
	assert_int_equal(out->keep, 1);
	free(line);
	free(in);
	free(out);
}

/* Columns that the worker left alone stay as the run had them. */
static void a_row_lies_over_the_runs_own(void **state)
{
	struct order_reply *in = calloc(1, sizeof(*in)), *out = calloc(1, sizeof(*out));
	char error[256], *line;

	(void)state;
	in->ok = 1;
	in->row.acked_s = 0.25;
	in->row.messages = UINT64_C(1) << 62;
	in->row.valid = 1;
	snprintf(in->row.build, sizeof(in->row.build), "debug");
	snprintf(in->warning, sizeof(in->warning), "not cold");
	/* As long as they may become: the line still fits. */
	memset(in->latency, '7', sizeof(in->latency) - 1);
	memset(in->response, '8', sizeof(in->response) - 1);
	snprintf(out->row.arm, sizeof(out->row.arm), "aes");
	out->row.round = 7;
	line = orders_write_reply(in, &in->row);
	assert_int_equal(orders_read_reply(line, out, error), 0);
	assert_int_equal(out->ok, 1);
	assert_true(out->row.acked_s == 0.25);
	assert_true(out->row.messages == UINT64_C(1) << 62);
	assert_string_equal(out->row.build, "debug");
	assert_string_equal(out->row.arm, "aes");
	assert_int_equal(out->row.round, 7);
	assert_string_equal(out->warning, "not cold");
	assert_string_equal(out->latency, in->latency);
	assert_string_equal(out->response, in->response);
	assert_true(strlen(line) < ORDERS_LINE_MAX);
	free(line);
	free(in);
	free(out);
}

static void a_failure_keeps_its_kind(void **state)
{
	struct order_reply *in = calloc(1, sizeof(*in)), *out = calloc(1, sizeof(*out));
	char error[256], *line;

	(void)state;
	target_fail(&in->error, TARGET_SYSTEM, "no space");
	line = orders_write_reply(in, NULL);
	assert_int_equal(orders_read_reply(line, out, error), 0);
	assert_int_equal(out->ok, 0);
	assert_int_equal(out->error.fault, TARGET_SYSTEM);
	assert_string_equal(out->error.text, "no space");
	free(line);
	free(in);
	free(out);
}

static void nonsense_is_refused(void **state)
{
	static const char *const orders[] = {
	        "",
	        "{",
	        "[]",
	        "7",
	        "{}",
	        "{\"order\":1}",
	        "{\"order\":\"dance\"}",
	        "{\"order\":\"slice\"}",
	        "{\"order\":\"setup\"}",
	        "{\"order\":\"fill\",\"directory\":7}",
	        "{\"order\":\"setup\",\"target\":\"store\",\"cipher\":\"aes\",\"provider\":\"\","
	        "\"seed\":\"1\",\"key_bytes\":99999,\"name\":\"x\",\"workload\":\"messages = 1\"}",
	        "{\"order\":\"setup\",\"target\":\"store\",\"cipher\":\"aes\",\"provider\":\"\","
	        "\"seed\":\"1\",\"key_bytes\":1,\"name\":\"x\",\"workload\":\"mesages = 1\"}"};
	static const char *const replies[] = {"",
	                                      "[]",
	                                      "{\"ok\":false}",
	                                      "{\"ok\":true,\"row\":{\"acked_s\":\"fast\"}}",
	                                      "{\"ok\":true,\"row\":{\"messages\":-1}}",
	                                      "{\"ok\":true,\"row\":{\"build\":7}}",
	                                      "{\"ok\":true,\"ok\":true}"};
	static const char *const hellos[] = {
	        "hello", "{}",
	        "{\"protocol\":1,\"version\":\"1\",\"commit\":\"1\",\"build\":\"1\"}",
	        "{\"protocol\":4,\"version\":\"1\"}"};
	struct order *order = calloc(1, sizeof(*order));
	struct order_reply *reply = calloc(1, sizeof(*reply));
	struct order_hello hello;
	char error[256];

	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		error[0] = '\0';
		assert_int_equal(orders_read(orders[i], order, error), -1);
		assert_true(error[0] != '\0');
	}
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		error[0] = '\0';
		assert_int_equal(orders_read_reply(replies[i], reply, error), -1);
		assert_true(error[0] != '\0');
	}
	for (size_t i = 0; i < sizeof(hellos) / sizeof(hellos[0]); i++) {
		error[0] = '\0';
		assert_int_equal(orders_read_hello(hellos[i], &hello, error), -1);
		assert_true(error[0] != '\0');
	}
	free(order);
	free(reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(setup_comes_back_as_it_was),
	        cmocka_unit_test(slice_comes_back_as_it_was),
	        cmocka_unit_test(a_row_lies_over_the_runs_own),
	        cmocka_unit_test(a_failure_keeps_its_kind),
	        cmocka_unit_test(nonsense_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
