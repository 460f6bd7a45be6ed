#include "store/footprint.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/store_make.h"

/* Sum of the sizes of all files below dir whose names end in one of the two suffixes. */
static uint64_t sizes(const char *dir, const char *a, const char *b)
{
	const struct dirent *entry;
	uint64_t sum = 0;
	DIR *d = opendir(dir);

	assert_non_null(d);
	while ((entry = readdir(d)) != NULL) {
		size_t n = strlen(entry->d_name), bytes;

		if (n < 4 || (strcmp(entry->d_name + n - 4, a) != 0 &&
		              strcmp(entry->d_name + n - 4, b) != 0))
			continue;
		free(fixture_read(fixture_path(dir, entry->d_name), &bytes));
		sum += bytes;
	}
	(void)closedir(d);
	return sum;
}

/* A store of the block size with these records in order, and what is predicted of it. The subject
 * is one byte; a payload of 0 is none. */
static void check_store(void **state, const char *name, const char *cipher, uint64_t block_bytes,
                        const uint64_t *payloads, size_t count, uint64_t headers_every)
{
	static const uint8_t headers[19] = "NATS/1.0\r\nA: b\r\n\r\n";
	struct atr_store_options o = make_options(cipher);
	struct atr_footprint_blocks blocks = {.block_bytes = block_bytes,
	                                      .file_system_bytes = 4096};
	struct atr_footprint_shape shape = {.cipher = o.cipher,
	                                    .state = ATR_FOOTPRINT_STATE_OURS,
	                                    .subjects = 1,
	                                    .subject_bytes = 1};
	struct timespec began, ended;
	struct atr_footprint f;
	struct atr_store *store;
	struct atr_error err;
	char dir[PATH_MAX], msgs[PATH_MAX + 64];
	uint8_t *zeros = calloc(1, 1 << 20);
	size_t state_bytes;

	(void)snprintf(dir, sizeof dir, "%s/%s-%s", (const char *)*state, name, cipher);
	(void)snprintf(msgs, sizeof msgs, "%s/jetstream/$G/streams/S/msgs", dir);
	o.block_bytes = block_bytes;
	assert_ok(atr_store_create(make_stream_path(dir), &o, &store, &err), &err);
	(void)clock_gettime(CLOCK_REALTIME, &began);
	for (size_t i = 0; i < count; i++) {
		struct atr_message m = {.subject = "s",
		                        .subject_bytes = 1,
		                        .payload = zeros,
		                        .payload_bytes = payloads[i]};
		if (headers_every > 0 && i % headers_every == 0) {
			m.headers = headers;
			m.headers_bytes = sizeof headers;
		}
		assert_ok(atr_store_append(store, &m, NULL, &err), &err);
		atr_footprint_put(&blocks,
		                  atr_footprint_record_bytes(1, m.headers_bytes, payloads[i]), 1);
	}
	(void)clock_gettime(CLOCK_REALTIME, &ended);
	assert_ok(atr_store_close(store, &err), &err);
	free(zeros);
	shape.duration_ns = (uint64_t)((ended.tv_sec - began.tv_sec) * 1000000000 +
	                               (ended.tv_nsec - began.tv_nsec));
	shape.config_bytes = atr_footprint_config_bytes(o.config_json, "S");
	atr_footprint_stream(&shape, &blocks, &f);
	assert_int_equal(blocks.records, count);
	assert_int_equal(f.blk.files, fixture_count(dir, ".blk"));
	assert_int_equal(f.blk.bytes, sizes(msgs, ".blk", ".blk"));
	assert_int_equal(f.key.files, fixture_count(dir, ".key"));
	assert_int_equal(f.key.bytes, sizes(msgs, ".key", ".key") +
	                                      sizes(make_stream_path(dir), ".key", ".key"));
	/* The time of making may have fewer digits. */
	assert_in_range(f.meta.bytes - sizes(make_stream_path(dir), ".inf", ".sum"), 0, 9);
	free(fixture_read(fixture_path(msgs, "index.db"), &state_bytes));
	assert_in_range(f.state.bytes + 256 + state_bytes / 100, state_bytes,
	                state_bytes + 2 * (256 + state_bytes / 100));
	assert_int_equal(f.state.files, 1);
	assert_int_equal(atr_footprint_total(&f).files, fixture_count(dir, ""));
}

static void blocks_of_one_size_are_exact(void **state)
{
	static const uint64_t one[] = {1, 100, 969, 970, 971, 5000};
	char name[32];

	for (size_t c = 0; c < 3; c++)
		for (size_t p = 0; p < 6; p++) {
			uint64_t payloads[10];

			for (size_t i = 0; i < 10; i++)
				payloads[i] = one[p];
			(void)snprintf(name, sizeof name, "one-%zu", p);
			check_store(state, name, make_ciphers[c], 3000, payloads, 10, 0);
			/* three of the second last size are one byte too many */
			(void)snprintf(name, sizeof name, "over-%zu", p);
			check_store(state, name, make_ciphers[c], 3002, payloads, 10, 0);
		}
}

static void blocks_of_a_mix_in_order_are_exact(void **state)
{
	static uint64_t payloads[3000];
	uint64_t random = 7;

	for (size_t i = 0; i < 3000; i++) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
		/* mostly small, some longer than a block */
		payloads[i] = (random >> 33) % 100 < 70 ? 128
		              : (random >> 40) % 50 > 0 ? (random >> 20) % 4096
		                                        : 70000;
	}
	for (size_t c = 0; c < 3; c++) {
		check_store(state, "mix", make_ciphers[c], 32000, payloads, 3000, 0);
		check_store(state, "mix-headers", make_ciphers[c], 32000, payloads, 1000, 3);
		check_store(state, "mix-large", make_ciphers[c], 2 << 20, payloads, 3000, 7);
	}
}

static void many_at_once_are_as_many_one_by_one(void **state)
{
	(void)state;
	for (uint64_t record = 31; record < 3500; record += 117)
		for (uint64_t first = 0; first < 3; first++) {
			struct atr_footprint_blocks a = {.block_bytes = 3000,
			                                 .file_system_bytes = 512};
			struct atr_footprint_blocks b = a;

			atr_footprint_put(&a, 500, first);
			atr_footprint_put(&b, 500, first);
			atr_footprint_put(&a, record, 40);
			for (int i = 0; i < 40; i++)
				atr_footprint_put(&b, record, 1);
			assert_memory_equal(&a, &b, sizeof a);
		}
}

static void a_mix_is_expected_where_random_orders_come_out(void **state)
{
	static const struct atr_footprint_size mix[] = {{170, 70}, {4138, 25}, {65578, 5}};
	struct atr_footprint_blocks drawn = {.block_bytes = 2 << 20, .file_system_bytes = 4096};
	struct atr_footprint_blocks expected = drawn;
	uint64_t random = 11, fill;

	(void)state;
	for (size_t i = 0; i < 400000; i++) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
		uint64_t percent = (random >> 33) % 100;
		atr_footprint_put(&drawn,
		                  (uint64_t)mix[percent < 70   ? 0
		                                : percent < 95 ? 1
		                                               : 2]
		                          .record_bytes,
		                  1);
	}
	atr_footprint_expect(&expected, mix, 3, 400000);
	assert_int_equal(expected.records, 400000);
	/* Which sizes were drawn is chance, how full blocks get is not. */
	assert_in_range(expected.bytes, drawn.bytes * 98 / 100, drawn.bytes * 102 / 100);
	assert_in_range(expected.allocated_bytes, drawn.allocated_bytes * 98 / 100,
	                drawn.allocated_bytes * 102 / 100);
	fill = (drawn.bytes - drawn.last_bytes) / (drawn.files - 1);
	assert_in_range((expected.bytes - expected.last_bytes) / (expected.files - 1),
	                fill * 997 / 1000, fill * 1003 / 1000);
}

static void block_sizes_follow_limits(void **state)
{
	const struct atr_footprint_limits none = {0}, bytes = {.max_bytes = 127999};

	(void)state;
	assert_int_equal(atr_footprint_block_bytes(&none, 0), 8 << 20);
	assert_int_equal(atr_footprint_block_bytes(&none, 1), 2 << 20);
	assert_int_equal(atr_footprint_block_bytes(&bytes, 1), 32000);
}

static void state_files_follow_the_version(void **state)
{
	struct atr_footprint_blocks blocks = {.block_bytes = 1 << 20, .file_system_bytes = 4096};
	struct atr_footprint_shape shape = {.cipher = atr_cipher_find("aes", NULL),
	                                    .subjects = 3,
	                                    .subject_bytes = 10,
	                                    .consumers = 2,
	                                    .consumer_config_bytes = 300};
	struct atr_footprint f;

	(void)state;
	atr_footprint_put(&blocks, 1066, 10000);
	shape.state = ATR_FOOTPRINT_STATE_IDX;
	atr_footprint_stream(&shape, &blocks, &f);
	assert_int_equal(f.state.files, 2 * blocks.files + 2);
	assert_int_equal(f.key.files, blocks.files + 3);
	assert_int_equal(f.meta.files, 6);
	shape.state = ATR_FOOTPRINT_STATE_INDEX;
	atr_footprint_stream(&shape, &blocks, &f);
	assert_int_equal(f.state.files, 1 + 2);
	shape.subjects = ATR_FOOTPRINT_INDEX_MAX + 1;
	atr_footprint_stream(&shape, &blocks, &f);
	assert_int_equal(f.state.files, 2);
}

static void records_are_as_long_as_the_encoder_makes_them(void **state)
{
	(void)state;
	for (size_t headers = 0; headers < 20; headers += 19)
		for (size_t payload = 0; payload < 100; payload += 33) {
			struct atr_message m = {.subject_bytes = 7,
			                        .headers_bytes = headers,
			                        .payload_bytes = payload};

			assert_int_equal(atr_footprint_record_bytes(7, headers, payload),
			                 atr_record_bytes(&m));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(blocks_of_one_size_are_exact, fixture_setup,
	                                        fixture_teardown),
	        cmocka_unit_test_setup_teardown(blocks_of_a_mix_in_order_are_exact, fixture_setup,
	                                        fixture_teardown),
	        cmocka_unit_test(many_at_once_are_as_many_one_by_one),
	        cmocka_unit_test(a_mix_is_expected_where_random_orders_come_out),
	        cmocka_unit_test(block_sizes_follow_limits),
	        cmocka_unit_test(state_files_follow_the_version),
	        cmocka_unit_test(records_are_as_long_as_the_encoder_makes_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
