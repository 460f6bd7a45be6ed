#include "store/config.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/store_fixture.h"

/* As nats-server 2.9.10 wrote it for a stream with one subject and no limits. */
static const char as_written[] =
        "{\"Created\":\"2026-11-24T04:07:52.794405343Z\",\"name\":\"ORDERS\",\"subjects\":["
        "\"orders."
        ">\"],\"retention\":\"limits\",\"max_consumers\":-1,\"max_msgs\":-1,\"max_bytes\":-1,\"max_"
        "age\":0,\"max_msgs_per_subject\":-1,\"max_msg_size\":-1,\"discard\":\"old\",\"storage\":"
        "\"file\",\"num_replicas\":1,\"duplicate_window\":120000000000,\"allow_direct\":false,"
        "\"mirror_direct\":false,\"sealed\":false,\"deny_delete\":false,\"deny_purge\":false,"
        "\"allow_rollup_hdrs\":false}";

static json_t *make(const char *json, const char *stream)
{
	struct atr_error err;
	json_t *config;

	assert_ok(atr_config_make(json, stream, INT64_C(1795493272794405343), &config, &err), &err);
	return config;
}

static void defaults_are_the_servers(void **state)
{
	json_t *config = make("{\"subjects\":[\"orders.>\"]}", "ORDERS");
	char *text = json_dumps(config, JSON_COMPACT);

	(void)state;
	assert_string_equal(text, as_written);
	free(text);
	json_decref(config);
}

static void given_members_stay_and_unknown_ones_go(void **state)
{
	json_t *config =
	        make("{\"name\":\"OTHER\",\"max_msgs\":7,\"description\":\"d\",\"compression\":"
	             "\"none\",\"consumer_limits\":{},\"sources\":[{\"name\":\"A\"}]}",
	             "S");

	(void)state;
	assert_string_equal(json_string_value(json_object_get(config, "name")), "S");
	assert_int_equal(json_integer_value(json_object_get(config, "max_msgs")), 7);
	assert_string_equal(json_string_value(json_object_get(config, "description")), "d");
	assert_null(json_object_get(config, "compression"));
	assert_null(json_object_get(config, "consumer_limits"));
	assert_null(json_object_get(config, "subjects")); /* it has sources */
	json_decref(config);
	config = make("{\"compression\":\"s2\",\"allow_msg_ttl\":true,\"metadata\":{}}", "S");
	assert_string_equal(json_string_value(json_object_get(config, "compression")), "s2");
	assert_null(json_object_get(config, "allow_msg_ttl"));
	assert_null(json_object_get(config, "metadata"));
	json_decref(config);
	config = make(NULL, "S");
	assert_string_equal(
	        json_string_value(json_array_get(json_object_get(config, "subjects"), 0)), "S");
	json_decref(config);
}

static void what_cannot_be_is_refused(void **state)
{
	static const char *const bad[] = {"{",
	                                  "[]",
	                                  "{\"max_msgs\":\"7\"}",
	                                  "{\"storage\":\"memory\"}",
	                                  "{\"sealed\":1}",
	                                  "{\"compression\":\"zstd\"}",
	                                  "{\"compression\":true}",
	                                  "{\"max_age\":1,\"max_age\":2}"};
	struct atr_error err;
	json_t *config;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_status(atr_config_make(bad[i], "S", 0, &config, &err), ATR_EINVAL, &err);
		assert_null(config);
	}
}

static uint64_t block_bytes(const char *json, int encrypted)
{
	json_t *config = make(json, "S");
	uint64_t bytes = atr_config_block_bytes(config, encrypted);

	json_decref(config);
	return bytes;
}

static void block_sizes_follow_the_servers_rule(void **state)
{
	const uint64_t mib = 1024 * 1024;

	(void)state;
	assert_int_equal(block_bytes("{}", 0), 8 * mib);
	assert_int_equal(block_bytes("{}", 1), 2 * mib);
	assert_int_equal(block_bytes("{\"retention\":\"workqueue\"}", 0), 4 * mib);
	assert_int_equal(block_bytes("{\"max_bytes\":1073741824}", 1), 8 * mib);
	assert_int_equal(block_bytes("{\"max_bytes\":1}", 1), 32000);
	assert_int_equal(block_bytes("{\"max_bytes\":127999}", 0), 32000);
	assert_int_equal(block_bytes("{\"max_bytes\":128000}", 0), 4 * mib);
	assert_int_equal(block_bytes("{\"max_msgs_per_subject\":5}", 1), 4 * mib);
	assert_int_equal(block_bytes("{\"max_msgs\":1000}", 1), 8 * mib);
	assert_int_equal(block_bytes("{\"max_msgs\":100,\"max_msg_size\":100}", 1), 32000);
	assert_int_equal(block_bytes("{\"max_msgs\":9223372036854775807}", 1), 8 * mib);
}

static void times_drop_trailing_zeros(void **state)
{
	char text[40];

	(void)state;
	atr_config_time(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00Z");
	atr_config_time(INT64_C(1704164645120000000), text);
	assert_string_equal(text, "2024-01-02T03:04:05.12Z");
	atr_config_time(INT64_C(1704164645000000006), text);
	assert_string_equal(text, "2024-01-02T03:04:05.000000006Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(defaults_are_the_servers),
	        cmocka_unit_test(given_members_stay_and_unknown_ones_go),
	        cmocka_unit_test(what_cannot_be_is_refused),
	        cmocka_unit_test(block_sizes_follow_the_servers_rule),
	        cmocka_unit_test(times_drop_trailing_zeros),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
