#include "store/footprint.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

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

static void a_stream_takes_what_the_format_says(void **state)
{
	static const uint64_t payloads[] = {1, 100, 969, 970, 971, 5000};

	for (size_t c = 0; c < 3; c++)
		for (size_t p = 0; p < 6; p++) {
			struct atr_store_options o = make_options(make_ciphers[c]);
			struct atr_message m = {.subject = "s", .subject_bytes = 1};
			char dir[PATH_MAX], msgs[PATH_MAX];
			uint64_t plain;
			struct atr_footprint f;
			struct atr_store *store;
			struct atr_error err;

			(void)snprintf(dir, sizeof dir, "%s/%zu-%zu", (const char *)*state, c, p);
			o.block_bytes = 3000;
			m.payload_bytes = payloads[p];
			m.payload = (const uint8_t *)calloc(1, payloads[p]);
			assert_ok(atr_store_create(make_stream_path(dir), &o, &store, &err), &err);
			for (int i = 0; i < 10; i++)
				assert_ok(atr_store_append(store, &m, NULL, &err), &err);
			assert_ok(atr_store_close(store, &err), &err);
			free((void *)(uintptr_t)m.payload);
			plain = sizes(make_stream_path(dir), ".inf", ".inf") - (c == 0   ? 0
			                                                        : c == 1 ? 40
			                                                                 : 32);
			atr_footprint_stream(o.cipher, o.block_bytes, 10,
			                     atr_footprint_record_bytes(1, 0, payloads[p]), plain,
			                     &f);
			(void)snprintf(msgs, sizeof msgs, "%s/msgs", make_stream_path(dir));
			assert_int_equal(f.blk_files, fixture_count(dir, ".blk"));
			assert_int_equal(f.key_files, fixture_count(dir, ".key"));
			assert_int_equal(f.blk_bytes, sizes(msgs, ".blk", ".blk"));
			assert_int_equal(f.key_bytes,
			                 sizes(msgs, ".key", ".key") +
			                         sizes(make_stream_path(dir), ".key", ".key"));
			assert_int_equal(f.meta_bytes,
			                 sizes(make_stream_path(dir), ".inf", ".sum"));
		}
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
	        cmocka_unit_test_setup_teardown(a_stream_takes_what_the_format_says, fixture_setup,
	                                        fixture_teardown),
	        cmocka_unit_test(records_are_as_long_as_the_encoder_makes_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
