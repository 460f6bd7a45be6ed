/* test_audit_command.c - `atrest stream audit` finds what two images give away, and what a store of
 * each server does not protect.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/inspect.h"
#include "tests/compat/fixture_copy.h"
#include "tests/unit/store_fixture.h"

/* The audit lines with that id, as an array; the caller decrefs. */
static json_t *findings(const char *out, const char *id)
{
	json_t *found = json_array();

	while (*out != '\0') {
		size_t n = strcspn(out, "\n");
		json_t *line = json_loadb(out, n, 0, NULL);

		assert_non_null(line);
		assert_non_null(json_object_get(line, "evidence"));
		assert_non_null(json_object_get(line, "consequence"));
		assert_non_null(json_object_get(line, "remedy"));
		if (strcmp(json_string_value(json_object_get(line, "id")), id) == 0)
			json_array_append(found, line);
		json_decref(line);
		out += n + (out[n] == '\n');
	}
	return found;
}

static size_t count_of(const char *out, const char *id)
{
	json_t *found = findings(out, id);
	size_t count = json_array_size(found);

	json_decref(found);
	return count;
}

static json_int_t bytes_of(const char *out, const char *id)
{
	json_t *found = findings(out, id);
	json_int_t bytes = 0;

	for (size_t i = 0; i < json_array_size(found); i++)
		bytes += json_integer_value(json_object_get(json_array_get(found, i), "bytes"));
	json_decref(found);
	return bytes;
}

static void audit(struct program_result *r, const struct fixture_copy *c, int with_key,
                  const char *against)
{
	fixture_run(r, with_key ? c->key : NULL, "audit", "--json",
	            against != NULL ? "--against" : c->store, against != NULL ? against : NULL,
	            against != NULL ? c->store : NULL, NULL);
}

/* Another text under the same key stream: what a server does when it rewrites a block in place. */
static void rewrite_in_place(const struct fixture_copy *c, const char *name, size_t from, size_t to)
{
	size_t bytes;
	uint8_t *content = fixture_read(fixture_path(c->stream, name), &bytes);

	assert_true(to <= bytes);
	for (size_t i = from; i < to; i++)
		content[i] ^= (uint8_t)(1 + i % 255);
	fixture_write(fixture_path(c->stream, name), content, bytes);
	free(content);
}

static void two_images_give_away_what_differs_under_one_key_stream(void **state)
{
	static const char *const names[] = {"nats-2.15.1/basic-aes", "nats-2.10.27/basic-chacha"};

	for (size_t i = 0; i < 2; i++) {
		struct fixture_copy now, before;
		struct program_result r;

		fixture_copy(&now, names[i], *state, "now");
		fixture_copy(&before, names[i], *state, "before");
		audit(&r, &now, 1, before.store);
		assert_int_equal(r.code, 0);
		assert_int_equal(count_of(r.out, "keystream-reuse"), 0);
		assert_int_equal(count_of(r.out, "two-images"), 1); /* and says that it looked */
		program_free(&r);
		/* an older image of a block that only grew gives nothing away */
		assert_int_equal(truncate(fixture_path(before.stream, "msgs/1.blk"), 3000), 0);
		audit(&r, &now, 1, before.store);
		assert_int_equal(count_of(r.out, "keystream-reuse"), 0);
		program_free(&r);
		rewrite_in_place(&before, "msgs/1.blk", 1000, 2500);
		for (int with_key = 0; with_key <= 1; with_key++) {
			audit(&r, &now, with_key, before.store);
			assert_int_equal(r.code, 0);
			assert_int_equal(count_of(r.out, "keystream-reuse"), 1);
			assert_int_equal(bytes_of(r.out, "keystream-reuse"), 1500);
			assert_int_equal(count_of(r.out, "two-images"), 0);
			assert_non_null(strstr(r.out, "1500 of the 3000 bytes"));
			program_free(&r);
		}
		/* a block under another key is another key stream */
		fixture_flip(before.stream, "msgs/1.key", 3);
		audit(&r, &now, 1, before.store);
		assert_int_equal(count_of(r.out, "keystream-reuse"), 0);
		program_free(&r);
	}
}

static void two_versions_of_an_idx_reuse_its_nonce(void **state)
{
	struct fixture_copy now, before;
	struct program_result r;

	fixture_copy(&now, "nats-2.9.10/deletes-aes", *state, "now");
	fixture_copy(&before, "nats-2.9.10/deletes-aes", *state, "before");
	fixture_flip(before.stream, "msgs/1.idx", 9);
	audit(&r, &now, 0, before.store);
	assert_int_equal(bytes_of(r.out, "idx-nonce-reuse"), 1);
	assert_int_equal(count_of(r.out, "keystream-reuse"), 0);
	program_free(&r);
}

static void each_store_has_the_findings_of_its_server(void **state)
{
	static const struct {
		const char *name;
		const char *there[6], *not_there[6];
	} cases[] = {
	        {"nats-2.9.10/deletes-chacha",
	         {"idx-under-block-nonce", "clear-subjects", "time-seeded-nonces",
	          "deleted-but-present", "malleable-blocks"},
	         {"clear-blocks", "clear-index", "not-encrypted", "no-state-file", "previous-key"}},
	        {"nats-2.15.1/partial-aes",
	         {"clear-blocks", "clear-index", "malleable-blocks", "clear-names"},
	         {"idx-under-block-nonce", "time-seeded-nonces", "deleted-but-present",
	          "clear-timers"}},
	        {"nats-2.15.1/ttl-aes",
	         {"clear-timers", "unhashed-lengths", "rollback"},
	         {"clear-blocks"}},
	        {"nats-2.15.1/basic-plain",
	         {"not-encrypted"},
	         {"malleable-blocks", "clear-blocks"}},
	        {"nats-2.10.27/kill-aes",
	         {"no-state-file", "malleable-blocks"},
	         {"clear-subjects"}},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fixture_copy c;
		struct program_result r;
		uint64_t before;

		fixture_copy(&c, cases[i].name, *state, "s");
		before = fixture_digest(c.store);
		audit(&r, &c, 1, NULL);
		assert_int_equal(r.code, 0);
		for (size_t k = 0; k < 6 && cases[i].there[k] != NULL; k++)
			if (count_of(r.out, cases[i].there[k]) == 0)
				fail_msg("%s: no %s", cases[i].name, cases[i].there[k]);
		for (size_t k = 0; k < 6 && cases[i].not_there[k] != NULL; k++)
			if (count_of(r.out, cases[i].not_there[k]) != 0)
				fail_msg("%s: %s", cases[i].name, cases[i].not_there[k]);
		program_free(&r);
		assert_int_equal(fixture_digest(c.store), before);
	}
}

static void without_the_key_the_files_still_tell(void **state)
{
	struct fixture_copy c;
	struct program_result r;

	fixture_copy(&c, "nats-2.15.1/partial-aes", *state, "s");
	audit(&r, &c, 0, NULL);
	assert_int_equal(r.code, 0);
	assert_int_equal(count_of(r.out, "clear-blocks"), 1);
	assert_int_equal(count_of(r.out, "clear-index"), 1);
	assert_int_equal(count_of(r.out, "weak-key"), 0);
	assert_int_equal(fixture_lines_with(r.err, "without the key"), 1);
	program_free(&r);
	/* a wrong one is an error as everywhere */
	fixture_run(&r, "wrong", "audit", c.store, NULL, NULL, NULL, NULL);
	assert_int_equal(r.code, 5);
	program_free(&r);
}

static void a_consumer_under_another_key_is_found(void **state)
{
	struct fixture_copy c;
	struct program_result r;
	const char *prev = fixture_path(*state, "prev");

	fixture_copy(&c, "nats-2.15.1/rotate-chacha-chacha", *state, "s");
	fixture_write(prev, c.prev_key, strlen(c.prev_key));
	fixture_run(&r, c.key, "audit", "--json", "--prev-key-file", prev, c.store, NULL);
	assert_int_equal(r.code, 0);
	assert_int_equal(count_of(r.out, "consumer-other-key"), 1);
	program_free(&r);
	audit(&r, &c, 1, NULL);
	assert_int_equal(count_of(r.out, "consumer-other-key"), 1);
	program_free(&r);
}

static void left_overs_and_permissions_are_found(void **state)
{
	struct fixture_copy c;
	struct program_result r;
	char command[3 * PATH_MAX];

	fixture_copy(&c, "nats-2.15.1/basic-aes", *state, "s");
	snprintf(command, sizeof command, "chmod -R u=rwX,g=rX,o= '%s'", c.stream);
	assert_int_equal(system(command), 0);
	audit(&r, &c, 1, NULL);
	assert_int_equal(count_of(r.out, "wide-permissions"), 0);
	assert_int_equal(count_of(r.out, "left-overs"), 0);
	program_free(&r);
	fixture_write(fixture_path(c.stream, "msgs/1.blk.tmp"), "x", 1);
	assert_int_equal(chmod(fixture_path(c.stream, "msgs/1.blk"), 0644), 0);
	snprintf(command, sizeof command, "mkdir '%s.damaged-1'", c.stream);
	assert_int_equal(system(command), 0);
	audit(&r, &c, 1, NULL);
	assert_non_null(strstr(r.out, "2 left over"));
	assert_int_equal(count_of(r.out, "wide-permissions"), 1);
	program_free(&r);
}

static void fail_on_makes_findings_fail(void **state)
{
	struct fixture_copy c;
	struct program_result r;

	fixture_copy(&c, "nats-2.15.1/partial-aes", *state, "s");
	fixture_run(&r, c.key, "audit", "--fail-on", "high", c.store, NULL, NULL);
	assert_int_equal(r.code, 1);
	program_free(&r);
	fixture_run(&r, c.key, "audit", "--fail-on", "severe", c.store, NULL, NULL);
	assert_int_equal(r.code, 2);
	program_free(&r);
	fixture_run(&r, c.key, "audit", "--against", "/nonexistent", c.store, NULL, NULL);
	assert_int_equal(r.code, 2);
	program_free(&r);
}

static double bits(const char *key, int expect_words)
{
	int words;
	double b = atr_audit_key_bits((const uint8_t *)key, strlen(key), &words);

	assert_int_equal(words, expect_words);
	return b;
}

static void keys_that_look_like_words_are_weak(void **state)
{
	(void)state;
	assert_true(bits("secret", 1) < 20);
	assert_true(bits("correct-horse-battery-staple", 1) < 70);
	assert_true(bits("Passw0rd2024", 1) < 70);
	assert_true(bits("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 1) < 20);
	assert_true(bits("1111111111111111111111111111111111111111", 0) < 70);
	assert_true(bits("k7Qz", 0) < 30);
	/* openssl rand -base64 32, -hex 32 */
	assert_true(bits("wJ4h9nP7u3Zc0v1bq2yXt8sKd5mEo6RfLgAaHiUj+Vk=", 0) > 200);
	assert_true(bits("7f3a9c0e5d1b8264f0a7c3e96b2d8150e4f7a1c9036b5d28", 0) > 160);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	        T(two_images_give_away_what_differs_under_one_key_stream),
	        T(two_versions_of_an_idx_reuse_its_nonce),
	        T(each_store_has_the_findings_of_its_server),
	        T(without_the_key_the_files_still_tell),
	        T(a_consumer_under_another_key_is_found),
	        T(left_overs_and_permissions_are_found),
	        T(fail_on_makes_findings_fail),
	        cmocka_unit_test(keys_that_look_like_words_are_weak),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
