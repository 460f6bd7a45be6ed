/* test_verify_command.c - `atrest stream verify` names what is missing, once, and says the rest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/compat/fixture_copy.h"
#include "tests/unit/store_fixture.h"

static void remove_below(const char *dir, const char *name)
{
	assert_int_equal(unlink(fixture_path(dir, name)), 0);
}

static void a_lost_block_key_is_one_finding(void **state)
{
	static const char *const names[] = {"nats-2.15.1/basic-aes",
	                                    "nats-2.9.10/multiblock-chacha"};
	static const char *const keys[] = {"msgs/1.key", "msgs/5.key"};
	struct program_result r;
	struct fixture_copy c;

	for (size_t i = 0; i < 2; i++) {
		fixture_copy(&c, names[i], *state, "s");
		remove_below(c.stream, keys[i]);
		fixture_run(&r, c.key, "verify", c.store, NULL, NULL, NULL, NULL);
		assert_int_equal(r.code, 5);
		assert_int_equal(fixture_lines_with(r.out, "damage: "), 1);
		assert_non_null(strstr(r.out, keys[i]));
		assert_non_null(strstr(r.out, "is not clear text and cannot be deciphered"));
		program_free(&r);
	}
}

static void a_lost_meta_file_is_named_and_the_blocks_are_read(void **state)
{
	static const char *const files[] = {"meta.inf", "meta.sum", "meta.key"};
	struct program_result r;
	struct fixture_copy c;

	for (size_t i = 0; i < 3; i++) {
		char text[64];

		fixture_copy(&c, "nats-2.10.27/basic-chacha", *state, "s");
		remove_below(c.stream, files[i]);
		fixture_run(&r, c.key, "verify", c.store, NULL, NULL, NULL, NULL);
		assert_int_equal(r.code, 5);
		assert_int_equal(fixture_lines_with(r.out, "damage: "), 1);
		snprintf(text, sizeof text, "/%s: missing", files[i]);
		assert_non_null(strstr(r.out, text));
		assert_non_null(strstr(r.out, "block 1: chachapoly"));
		program_free(&r);
		/* a wrong key is not a lost file */
		fixture_run(&r, "wrong", "verify", c.store, NULL, NULL, NULL, NULL);
		assert_int_equal(r.code, 5);
		assert_null(strstr(r.out, "block 1"));
		program_free(&r);
	}
}

static void a_block_of_no_bytes_is_named(void **state)
{
	struct program_result r;
	struct fixture_copy c;

	fixture_copy(&c, "nats-2.15.1/partial-chacha", *state, "s");
	fixture_write(fixture_path(c.stream, "msgs/2.blk"), "", 0);
	remove_below(c.stream, "msgs/index.db");
	fixture_run(&r, c.key, "verify", "--allow-clear", c.store, NULL, NULL, NULL);
	assert_int_equal(r.code, 5);
	assert_non_null(strstr(r.out, "msgs/2.blk: sequence 36: 0 bytes, and sequences 36 to 68"));
	program_free(&r);
}

/* What a killed conversion leaves may be the stream in clear text. */
static void what_is_left_beside_a_stream_is_a_note(void **state)
{
	struct program_result r;
	struct fixture_copy c;

	fixture_copy(&c, "nats-2.15.1/basic-aes", *state, "s");
	for (size_t i = 0; i < 2; i++) {
		char *slash = strrchr(c.stream, '/');
		char path[2 * PATH_MAX];
		int n = snprintf(path, sizeof path, "%.*s/", (int)(slash - c.stream), c.stream);

		(void)snprintf(path + n, sizeof path - (size_t)n,
		               i == 0 ? ".convert-%s" : "%s.damaged-1", slash + 1);
		assert_int_equal(mkdir(path, 0750), 0);
	}
	fixture_run(&r, c.key, "verify", c.store, NULL, NULL, NULL, NULL);
	assert_int_equal(r.code, 0);
	assert_int_equal(fixture_lines_with(r.out, "left over beside the stream"), 2);
	assert_int_equal(fixture_lines_with(r.out, "note: "), 2);
	program_free(&r);
}

static void allow_clear_covers_blocks_and_index(void **state)
{
	struct program_result r;
	struct fixture_copy c;

	fixture_copy(&c, "nats-2.15.1/partial-aes", *state, "s");
	fixture_run(&r, c.key, "verify", c.store, NULL, NULL, NULL, NULL);
	assert_int_equal(r.code, 5);
	assert_int_equal(fixture_lines_with(r.out, "clear text: "), 4);
	program_free(&r);
	fixture_run(&r, c.key, "verify", "--allow-clear", c.store, NULL, NULL, NULL);
	assert_int_equal(r.code, 0);
	assert_int_equal(fixture_lines_with(r.out, "note: "), 4);
	program_free(&r);
}

static void each_block_is_listed_with_cipher_and_key(void **state)
{
	struct program_result r;
	struct fixture_copy c;

	fixture_copy(&c, "nats-2.15.1/partial-aes", *state, "s");
	fixture_run(&r, c.key, "verify", "--verbose", c.store, NULL, NULL, NULL);
	assert_int_equal(fixture_lines_with(r.out, "none    clear text"), 3);
	assert_int_equal(fixture_lines_with(r.out, "aes     current key"), 1);
	program_free(&r);
	fixture_run(&r, c.key, "info", c.store, NULL, NULL, NULL, NULL);
	assert_int_equal(fixture_lines_with(r.out, "  none    "), 3);
	assert_int_equal(fixture_lines_with(r.out, "  aes     "), 1);
	program_free(&r);
	fixture_run(&r, c.key, "ls", "--json", c.store, NULL, NULL, NULL);
	assert_non_null(strstr(r.out, "\"clear\""));
	program_free(&r);
}

/* Where a server would start, say nothing and write clear text. */
static void a_configuration_that_does_not_encrypt_is_warned_of(void **state)
{
	static const char *const configurations[] = {"jetstream { cipher: aes }",
	                                             "jetstream { key: $ATREST_EMPTY }",
	                                             "jetstream { ek: \"\", cipher: chachapoly }"};
	const char *env[] = {"ATREST_EMPTY=", NULL};
	struct fixture_copy c;

	fixture_copy(&c, "nats-2.15.1/basic-plain", *state, "s");
	for (size_t i = 0; i < 3; i++) {
		const char *file = fixture_path(*state, "server.conf");
		const char *words[] = {"stream", "ls", "--nats-config", file, c.store, NULL};
		struct program_result r;

		fixture_write(file, configurations[i], strlen(configurations[i]));
		program_run(&r, words, env, NULL);
		assert_int_equal(r.code, 0);
		assert_int_equal(fixture_lines_with(r.err, "warning: "), 1);
		assert_int_equal(fixture_lines_with(r.err, "server would silently not encrypt"), 1);
		program_free(&r);
	}
}

/* The commands that `atrest stream` lists. */
static void every_help_page_shows_an_example(void **state)
{
	const char *overview[] = {"stream", "--help", NULL};
	struct program_result r, help;
	size_t seen = 0;
	const char *at;

	(void)state;
	program_run(&r, overview, NULL, NULL);
	for (at = r.out; (at = strstr(at, "\n  stream ")) != NULL; seen++) {
		char verb[32];

		at += sizeof "\n  stream " - 1;
		assert_int_equal(sscanf(at, "%31s", verb), 1);
		fixture_run(&help, NULL, verb, "--help", NULL, NULL, NULL, NULL);
		assert_int_equal(help.code, 0);
		if (strstr(help.out, "\nExample") == NULL)
			fail_msg("atrest stream %s --help: no line that begins with Example", verb);
		program_free(&help);
	}
	program_free(&r);
	assert_true(seen >= 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	        T(a_lost_block_key_is_one_finding),
	        T(a_lost_meta_file_is_named_and_the_blocks_are_read),
	        T(a_block_of_no_bytes_is_named),
	        T(what_is_left_beside_a_stream_is_a_note),
	        T(allow_clear_covers_blocks_and_index),
	        T(each_block_is_listed_with_cipher_and_key),
	        T(a_configuration_that_does_not_encrypt_is_warned_of),
	        T(every_help_page_shows_an_example),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
