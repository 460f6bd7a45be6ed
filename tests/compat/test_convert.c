/* test_convert.c - every golden stream through conversions among none, chachapoly and aes, for old
 * and new servers: what it says before it says after, under the new key alone.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/compat/program.h"
#include "tests/unit/convert_make.h"

#define CASES 92

struct golden {
	char name[128];
	char dir[PATH_MAX];
	json_t *about; /* the fixture line */
};

static struct golden all[CASES];
static size_t count;

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct golden *)a)->name, ((const struct golden *)b)->name);
}

static void load_version(const char *version)
{
	char path[PATH_MAX], line[65536];
	const struct dirent *entry;
	DIR *dir;

	(void)snprintf(path, sizeof path, "%s/tests/fixtures/%s", ATREST_SOURCE_DIR, version);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		struct golden *g = &all[count];
		FILE *file;

		if (strchr(entry->d_name, '-') == NULL)
			continue;
		assert_true(count < CASES);
		(void)snprintf(g->name, sizeof g->name, "%.40s/%.80s", version, entry->d_name);
		(void)snprintf(g->dir, sizeof g->dir, "%s/tests/fixtures/%.40s/%.80s",
		               ATREST_SOURCE_DIR, version, entry->d_name);
		file = fopen(fixture_path(g->dir, "expected.jsonl"), "r");
		assert_non_null(file);
		assert_non_null(fgets(line, sizeof line, file));
		(void)fclose(file);
		g->about = json_loads(line, 0, NULL);
		assert_non_null(g->about);
		count++;
	}
	(void)closedir(dir);
}

static int load_all(void **state)
{
	(void)state;
	fixture_prefer_memory();
	load_version("nats-2.9.10");
	load_version("nats-2.10.27");
	load_version("nats-2.15.1");
	qsort(all, count, sizeof *all, by_name);
	return count == CASES ? 0 : -1;
}

static int free_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < count; i++)
		json_decref(all[i].about);
	return 0;
}

static const char *about(const struct golden *g, const char *member)
{
	return json_string_value(json_object_get(g->about, member));
}

/* ---- one stream after the other ---- */

struct tour {
	const struct golden *golden;
	size_t streams, conversions;
};

/* As the first one, but for a key that can always be used. */
static void go(struct tour *t, const struct atr_place *place, const struct convert_keys *keys,
               const char *cipher, enum atr_convert_for wanted_for, const char *expected)
{
	struct convert_keys after = {strcmp(cipher, "none") == 0 ? NULL : keys->key, NULL};
	struct atr_convert_result result;
	struct atr_error err;
	char *text;
	unsigned findings;
	enum atr_status rc;

	rc = convert_make_run(NULL, place, keys, cipher, wanted_for, &result, &err);
	if (rc != ATR_OK)
		print_message("%s to %s\n", t->golden->name, cipher);
	assert_ok(rc, &err);
	assert_string_equal(result.to, cipher);
	assert_ok(convert_make_text(place, &after, &text, &findings, &err), &err);
	if (strcmp(text, expected) != 0)
		print_message("%s to %s: found\n%s\nexpected\n%s\n", t->golden->name, cipher, text,
		              expected);
	assert_string_equal(text, expected);
	assert_int_equal(findings, 0);
	free(text);
	convert_make_verify(place, after.key, cipher);
	t->conversions++;
}

static enum atr_status tour_stream(void *arg, const struct atr_place *place, struct atr_error *err)
{
	static const char *const ciphers[] = {"aes", "none", "chachapoly", "aes"};
	struct tour *t = arg;
	struct convert_keys keys = {about(t->golden, "key"), about(t->golden, "prev_key")};
	unsigned findings;
	char *expected;

	assert_ok(convert_make_text(place, &keys, &expected, &findings, err), err);
	if (keys.key == NULL)
		keys.key = "a key of the test";
	for (size_t i = 0; i < sizeof ciphers / sizeof ciphers[0]; i++)
		go(t, place, &keys, ciphers[i], (enum atr_convert_for)(i % 3), expected);
	free(expected);
	t->streams++;
	return ATR_OK;
}

static void every_golden_stream_says_the_same_under_every_cipher(void **state)
{
	struct tour t = {.streams = 0};
	struct atr_error err;

	for (size_t i = 0; i < count; i++) {
		char store[PATH_MAX];

		(void)snprintf(store, sizeof store, "%s", fixture_path(*state, "store"));
		t.golden = &all[i];
		convert_make_copy(fixture_path(all[i].dir, "store"), store);
		assert_ok(atr_discover(NULL, store, NULL, NULL, tour_stream, &t, &err), &err);
		/* nothing is left beside the streams, nor in them */
		assert_int_equal(fixture_count(store, ".tmp"), 0);
		fixture_remove(store);
	}
	print_message("%zu streams, %zu conversions\n", t.streams, t.conversions);
	assert_int_equal(t.streams, 131);
}

/* ---- rotation ---- */

static enum atr_status rotate_stream(void *arg, const struct atr_place *place,
                                     struct atr_error *err)
{
	struct tour *t = arg;
	struct convert_keys keys = {about(t->golden, "key"), about(t->golden, "prev_key")};
	struct convert_keys without = {keys.key, NULL};
	struct atr_convert_result result;
	unsigned findings;
	char *expected, *text;
	enum atr_status rc;

	/* its consumer is under the previous key: refused, and nothing changed */
	rc = convert_make_run(NULL, place, &without, NULL, ATR_CONVERT_AS_IS, &result, err);
	assert_status(rc, ATR_EAUTH, err);
	assert_ok(convert_make_text(place, &keys, &expected, &findings, err), err);
	assert_int_equal(findings, 0);

	assert_ok(convert_make_run(NULL, place, &keys, NULL, ATR_CONVERT_AS_IS, &result, err), err);
	assert_int_equal(result.rotated, 1);
	assert_int_equal(result.already, 0);
	assert_ok(convert_make_text(place, &without, &text, &findings, err), err);
	assert_string_equal(text, expected);
	convert_make_verify(place, keys.key, result.to);

	assert_ok(convert_make_run(NULL, place, &keys, NULL, ATR_CONVERT_AS_IS, &result, err), err);
	assert_int_equal(result.already, 1);
	free(text);
	free(expected);
	t->streams++;
	return ATR_OK;
}

static void a_consumer_left_under_the_previous_key_is_rotated_too(void **state)
{
	struct tour t = {.streams = 0};
	struct atr_error err;

	for (size_t i = 0; i < count; i++) {
		char store[PATH_MAX];

		(void)snprintf(store, sizeof store, "%s", fixture_path(*state, "store"));
		t.golden = &all[i];
		if (about(t.golden, "prev_key") == NULL)
			continue;
		convert_make_copy(fixture_path(all[i].dir, "store"), store);
		assert_ok(atr_discover(NULL, store, NULL, NULL, rotate_stream, &t, &err), &err);
		fixture_remove(store);
	}
	assert_int_equal(t.streams, 4);
}

/* ---- refusals ---- */

static const struct golden *named(const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(all[i].name, name) == 0)
			return &all[i];
	fail_msg("no case %s", name);
	return NULL;
}

static void damage_and_wrong_keys_are_refused_and_change_nothing(void **state)
{
	const struct golden *g = named("nats-2.15.1/basic-aes");
	char store[PATH_MAX], dir[PATH_MAX];
	const char *block;
	struct convert_keys keys = {about(g, "key"), NULL}, wrong = {"not the key", NULL};
	struct atr_place place = {dir, "$G", dir};
	struct atr_convert_result result;
	struct atr_error err;
	uint64_t before;
	uint8_t *content;
	const struct dirent *entry;
	size_t bytes;
	DIR *streams;

	(void)snprintf(store, sizeof store, "%s", fixture_path(*state, "store"));
	convert_make_copy(fixture_path(g->dir, "store"), store);
	(void)snprintf(dir, sizeof dir, "%s", fixture_path(store, "jetstream/$G/streams"));
	streams = opendir(dir);
	assert_non_null(streams);
	while ((entry = readdir(streams)) != NULL && entry->d_name[0] == '.')
		;
	assert_non_null(entry);
	place.stream = dir + strlen(dir) + 1;
	(void)snprintf(dir + strlen(dir), sizeof dir - strlen(dir), "/%.200s", entry->d_name);
	(void)closedir(streams);

	before = fixture_digest(store);
	assert_status(convert_make_run(NULL, &place, &wrong, "chachapoly", ATR_CONVERT_AS_IS,
	                               &result, &err),
	              ATR_EAUTH, &err);
	assert_int_equal(fixture_digest(store), before);

	block = fixture_path(dir, "msgs/1.blk");
	content = fixture_read(block, &bytes);
	assert_non_null(content);
	content[bytes / 2] ^= 1;
	fixture_write(block, content, bytes);
	free(content);
	before = fixture_digest(store);
	assert_status(convert_make_run(NULL, &place, &keys, "chachapoly", ATR_CONVERT_AS_IS,
	                               &result, &err),
	              ATR_EFORMAT, &err);
	assert_int_equal(fixture_digest(store), before);
}

/* ---- as people run it ---- */

static void the_command_says_what_it_did(void **state)
{
	const struct golden *g = named("nats-2.15.1/consumer-aes");
	char store[PATH_MAX], key[PATH_MAX];
	const char *bad[] = {"stream", "convert", "--cipher", "rot13", store, NULL};
	const char *none[] = {"stream", "convert", "--cipher", "none", store, NULL};
	const char *good[] = {"stream",     "convert", "--cipher", "none", "--json",
	                      "--key-file", key,       store,      NULL};
	const char *again[] = {"stream", "convert", "--key-file", key, store, NULL};
	struct program_result r;
	json_t *line;

	(void)snprintf(store, sizeof store, "%s", fixture_path(*state, "store"));
	(void)snprintf(key, sizeof key, "%s", fixture_path(*state, "key"));
	convert_make_copy(fixture_path(g->dir, "store"), store);
	fixture_write(key, about(g, "key"), strlen(about(g, "key")));

	program_run(&r, bad, NULL, NULL);
	assert_int_equal(r.code, 2);
	program_free(&r);
	program_run(&r, none, NULL, NULL); /* no key given */
	assert_int_equal(r.code, 2);
	program_free(&r);

	program_run(&r, good, NULL, NULL);
	assert_int_equal(r.code, 0);
	line = json_loads(r.out, 0, NULL);
	assert_non_null(line);
	assert_string_equal(json_string_value(json_object_get(line, "type")), "convert");
	assert_string_equal(json_string_value(json_object_get(line, "from")), "aes");
	assert_string_equal(json_string_value(json_object_get(line, "to")), "none");
	assert_int_equal(json_integer_value(json_object_get(line, "consumers")), 5);
	assert_true(json_is_false(json_object_get(line, "already")));
	json_decref(line);
	program_free(&r);

	program_run(&r, again, NULL, NULL);
	assert_int_equal(r.code, 0);
	assert_non_null(strstr(r.out, "already as asked (cipher none)"));
	program_free(&r);
}

/* Clear blocks under a key are what the conversion is for: no warning of each. */
static void a_half_encrypted_stream_is_converted_in_one_line(void **state)
{
	const struct golden *g = named("nats-2.15.1/partial-aes");
	char store[PATH_MAX], key[PATH_MAX];
	const char *convert[] = {"stream",     "convert", "--cipher", "aes",
	                         "--key-file", key,       store,      NULL};
	struct program_result r;

	(void)snprintf(store, sizeof store, "%s", fixture_path(*state, "store"));
	(void)snprintf(key, sizeof key, "%s", fixture_path(*state, "key"));
	convert_make_copy(fixture_path(g->dir, "store"), store);
	fixture_write(key, about(g, "key"), strlen(about(g, "key")));

	program_run(&r, convert, NULL, NULL);
	assert_int_equal(r.code, 0);
	assert_string_equal(r.err, "");
	assert_string_equal(r.out,
	                    "$G PART: mixed to aes: 4 blocks, 101400 bytes (before: 4, 101400), "
	                    "110 messages, 0 consumers, all compared\n");
	program_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(
	                every_golden_stream_says_the_same_under_every_cipher, fixture_setup,
	                fixture_teardown),
	        cmocka_unit_test_setup_teardown(
	                a_consumer_left_under_the_previous_key_is_rotated_too, fixture_setup,
	                fixture_teardown),
	        cmocka_unit_test_setup_teardown(
	                damage_and_wrong_keys_are_refused_and_change_nothing, fixture_setup,
	                fixture_teardown),
	        cmocka_unit_test_setup_teardown(the_command_says_what_it_did, fixture_setup,
	                                        fixture_teardown),
	        cmocka_unit_test_setup_teardown(a_half_encrypted_stream_is_converted_in_one_line,
	                                        fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, load_all, free_all);
}
