/* test_footprint_golden.c - directories that real servers have written are as long as the format's
 * model says: blocks and keys to the byte, state files at most.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/cipher.h"
#include "harness/measure/disk.h"
#include "store/footprint.h"

#define FIXTURES ATREST_SOURCE_DIR "/tests/fixtures/"

struct golden {
	const char *name;
	int idx; /* state files are those of servers before 2.10 */
};

/* One stream each, nothing deleted. */
static const struct golden cases[] = {
        {"nats-2.9.10/basic-plain", 1},     {"nats-2.9.10/basic-chacha", 1},
        {"nats-2.9.10/basic-aes", 1},       {"nats-2.9.10/blocks-chacha", 1},
        {"nats-2.9.10/blocks-aes", 1},      {"nats-2.9.10/consumer-plain", 1},
        {"nats-2.9.10/consumer-chacha", 1}, {"nats-2.9.10/consumer-aes", 1},
        {"nats-2.9.10/kill-plain", 1},      {"nats-2.9.10/kill-chacha", 1},
        {"nats-2.9.10/kill-aes", 1},        {"nats-2.9.10/large-aes", 1},
        {"nats-2.10.27/basic-plain", 0},    {"nats-2.10.27/basic-chacha", 0},
        {"nats-2.10.27/basic-aes", 0},      {"nats-2.10.27/consumer-chacha", 0},
        {"nats-2.10.27/consumer-aes", 0},   {"nats-2.10.27/kill-chacha", 0},
        {"nats-2.10.27/kill-aes", 0},       {"nats-2.15.1/basic-plain", 0},
        {"nats-2.15.1/basic-chacha", 0},    {"nats-2.15.1/basic-aes", 0},
        {"nats-2.15.1/consumer-chacha", 0}, {"nats-2.15.1/consumer-aes", 0},
};

struct content {
	struct atr_footprint_limits limits;
	uint64_t records[128];
	size_t count;
	uint64_t subject_bytes; /* the longest */
	uint64_t consumers;
	const struct atr_cipher *cipher;
};

static uint64_t limit(const json_t *config, const char *name)
{
	json_int_t v = json_integer_value(json_object_get(config, name));

	return v > 0 ? (uint64_t)v : 0;
}

/* Bytes that so much base64 stands for. */
static uint64_t decoded_bytes(const char *base64)
{
	size_t n = strlen(base64);

	return n == 0 ? 0 : n / 4 * 3 - (base64[n - 1] == '=') - (base64[n - 2] == '=');
}

static void take_line(const json_t *line, struct content *out)
{
	const char *type = json_string_value(json_object_get(line, "type"));
	const json_t *config = json_object_get(line, "config");

	if (strcmp(type, "stream") == 0) {
		out->cipher =
		        atr_cipher_find(json_string_value(json_object_get(line, "cipher")), NULL);
		out->limits.max_bytes = limit(config, "max_bytes");
		out->limits.max_msgs = limit(config, "max_msgs");
		out->limits.max_msgs_per_subject = limit(config, "max_msgs_per_subject");
		out->limits.max_msg_bytes = limit(config, "max_msg_size");
	} else if (strcmp(type, "msg") == 0) {
		uint64_t subject = json_string_length(json_object_get(line, "subject"));
		uint64_t headers =
		        decoded_bytes(json_string_value(json_object_get(line, "headers_b64")));
		uint64_t payload = (uint64_t)json_integer_value(json_object_get(line, "size"));

		assert_true(out->count < sizeof(out->records) / sizeof(out->records[0]));
		out->records[out->count++] = atr_footprint_record_bytes(subject, headers, payload);
		out->subject_bytes = subject > out->subject_bytes ? subject : out->subject_bytes;
	} else {
		out->consumers += strcmp(type, "consumer") == 0;
	}
}

static void read_case(const char *name, struct content *out)
{
	char path[512], *text = NULL;
	size_t bytes = 0;
	FILE *in;

	memset(out, 0, sizeof(*out));
	snprintf(path, sizeof(path), FIXTURES "%s/expected.jsonl", name);
	in = fopen(path, "r");
	assert_non_null(in);
	while (getline(&text, &bytes, in) > 0) {
		json_t *line = json_loads(text, 0, NULL);
		assert_non_null(line);
		take_line(line, out);
		json_decref(line);
	}
	free(text);
	(void)fclose(in);
	assert_non_null(out->cipher);
}

static void check_case(const struct golden *golden)
{
	struct atr_footprint_blocks blocks = {0};
	struct atr_footprint_shape shape = {.state = golden->idx ? ATR_FOOTPRINT_STATE_IDX
	                                                         : ATR_FOOTPRINT_STATE_INDEX};
	struct atr_footprint f;
	struct disk_usage usage;
	struct content content;
	char path[512];

	read_case(golden->name, &content);
	/* The cap of enciphered blocks came with 2.9.16. */
	blocks.block_bytes = atr_footprint_block_bytes(
	        &content.limits, atr_cipher_encrypts(content.cipher) && !golden->idx);
	for (size_t i = 0; i < content.count; i++)
		atr_footprint_put(&blocks, content.records[i], 1);
	shape.cipher = content.cipher;
	shape.subjects = content.count;
	shape.subject_bytes = content.subject_bytes;
	shape.duration_ns = UINT64_C(60000000000);
	shape.consumers = content.consumers;
	shape.consumer_pending = content.count;
	atr_footprint_stream(&shape, &blocks, &f);
	snprintf(path, sizeof(path), FIXTURES "%s/store", golden->name);
	assert_int_equal(disk_usage_read(path, &usage, NULL), 0);
	print_message("%s\n", golden->name);
	assert_int_equal(usage.kind[DISK_BLK].apparent_bytes, f.blk.bytes);
	assert_int_equal(usage.kind[DISK_BLK].files, f.blk.files);
	assert_int_equal(usage.kind[DISK_KEY].apparent_bytes, f.key.bytes);
	assert_int_equal(usage.kind[DISK_KEY].files, f.key.files);
	assert_int_equal(usage.kind[DISK_META].files, f.meta.files);
	assert_true(usage.kind[DISK_STATE].apparent_bytes <= f.state.bytes);
	assert_true(usage.kind[DISK_STATE].files <= f.state.files);
}

static void servers_directories_are_as_long_as_the_model_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_case(&cases[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(servers_directories_are_as_long_as_the_model_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
