/* test_controls.c - the canary on files made up for it. */
#include "tests/unit/harness_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/controls.h"

struct made {
	struct generator *g;
	struct target_message first;
};

static void make(struct made *made)
{
	struct workload w;

	workload_init(&w);
	w.messages = 100;
	w.headers_bytes = 40;
	w.headers_share = 1;
	made->g = generator_new(&w, 5);
	assert_non_null(made->g);
	generator_reset(made->g, 0);
	generator_message(made->g, 0, 0, &made->first);
}

/* A file of noise with the message's parts that are asked for at an offset. */
static void file_with(const char *directory, const char *name, const struct made *made,
                      size_t offset, int payload, int headers, int subject)
{
	size_t bytes = 3 * 1024 * 1024;
	uint8_t *content = malloc(bytes);
	uint64_t state = 88172645463325252u;
	char path[4096];
	FILE *out;

	for (size_t i = 0; i < bytes; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		content[i] = (uint8_t)state;
	}
	if (subject)
		memcpy(content + offset, made->first.subject, made->first.subject_bytes);
	offset += made->first.subject_bytes + 4;
	if (headers)
		memcpy(content + offset, made->first.headers, made->first.headers_bytes);
	offset += made->first.headers_bytes;
	if (payload)
		memcpy(content + offset, made->first.payload, made->first.payload_bytes);
	snprintf(path, sizeof(path), "%s/sub", directory);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/sub/%s", directory, name);
	out = fopen(path, "w");
	assert_non_null(out);
	assert_int_equal(fwrite(content, 1, bytes, out), bytes);
	assert_int_equal(fclose(out), 0);
	free(content);
}

static void noise_passes_for_ciphertext_only(void **state)
{
	struct target_error error;
	struct made made;

	make(&made);
	file_with(*state, "1.blk", &made, 1000, 0, 0, 0);
	assert_int_equal(controls_canary(made.g, *state, 1, &error), 0);
	assert_int_equal(controls_canary(made.g, *state, 0, &error), -1);
	assert_int_equal(error.fault, TARGET_VERIFY);
	assert_non_null(strstr(error.text, "nowhere in the files of a plaintext store"));
	generator_free(made.g);
}

static void plaintext_passes_for_plaintext_only(void **state)
{
	struct target_error error;
	struct made made;

	make(&made);
	file_with(*state, "1.blk", &made, 1000, 1, 1, 1);
	assert_int_equal(controls_canary(made.g, *state, 0, &error), 0);
	assert_int_equal(controls_canary(made.g, *state, 1, &error), -1);
	assert_int_equal(error.fault, TARGET_VERIFY);
	assert_non_null(strstr(error.text, "clear text on disk"));
	assert_non_null(strstr(error.text, "sub/1.blk:"));
	generator_free(made.g);
}

/* Each part alone, in any file, at any place: across the pieces that are read at a time too. */
static void any_part_anywhere_is_found(void **state)
{
	static const size_t offsets[] = {0, 1024 * 1024 - 20, 1024 * 1024 - 60, 2 * 1024 * 1024 - 3,
	                                 3 * 1024 * 1024 - 1200};
	struct target_error error;
	struct made made;

	make(&made);
	file_with(*state, "1.blk", &made, 0, 0, 0, 0);
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		for (int part = 0; part < 3; part++) {
			file_with(*state, "index.db", &made, offsets[i], part == 0, part == 1,
			          part == 2);
			assert_int_equal(controls_canary(made.g, *state, 1, &error), -1);
			assert_non_null(strstr(error.text, part == 0   ? "first payload"
			                                   : part == 1 ? "first header block"
			                                               : "first subject"));
			assert_non_null(strstr(error.text, "sub/index.db:"));
		}
	}
	generator_free(made.g);
}

int main(void)
{
#define WITH_DIRECTORY(test)                                                                       \
	cmocka_unit_test_setup_teardown(test, fixture_directory_make, fixture_directory_remove)
	const struct CMUnitTest tests[] = {
	        WITH_DIRECTORY(noise_passes_for_ciphertext_only),
	        WITH_DIRECTORY(plaintext_passes_for_plaintext_only),
	        WITH_DIRECTORY(any_part_anywhere_is_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
