/* test_fixtures.c - all golden directories through `atrest stream dump --json`, compared with what
 * their server's API said (rules in tests/fixtures/README.md); the same with a wrong key.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/s2.h"
#include "tests/compat/program.h"
#include "tests/unit/store_fixture.h"

#define CASES 92

/* What the whole collection must give. */
#define EXPECT_ENCRYPTED 80

/* A sanitised program takes a fifth of a second to start: there every dump is still made, and of
 * the other runs one in eight. */
#if defined(__SANITIZE_ADDRESS__)
#define STRIDE 8
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STRIDE 8
#endif
#endif
#ifndef STRIDE
#define STRIDE 1
#endif

struct golden {
	char dir[PATH_MAX];
	char store[PATH_MAX];
	json_t *lines;       /* of expected.jsonl */
	const json_t *about; /* the fixture line */
};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of the directories below path, sorted; the caller frees. */
static size_t list_directories(const char *path, char *names[128])
{
	const struct dirent *entry;
	size_t count = 0;
	DIR *dir = opendir(path);

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.' && strchr(entry->d_name, '-') != NULL) {
			assert_true(count < 128);
			names[count++] = strdup(entry->d_name);
		}
	closedir(dir);
	qsort(names, count, sizeof *names, by_text);
	return count;
}

/* One JSON object a line, as an array. */
static json_t *parse_lines(const char *text)
{
	json_t *lines = json_array();

	while (*text != '\0') {
		size_t n = strcspn(text, "\n");
		json_error_t err;
		json_t *line = json_loadb(text, n, 0, &err);

		if (line == NULL)
			fail_msg("not JSON (%s): %.*s", err.text, (int)(n > 200 ? 200 : n), text);
		json_array_append_new(lines, line);
		text += n + (text[n] == '\n');
	}
	return lines;
}

static size_t load_all(struct golden *all)
{
	char *versions[128], *cases[128], path[PATH_MAX];
	size_t count = 0, bytes;

	snprintf(path, sizeof path, "%s/tests/fixtures", ATREST_SOURCE_DIR);
	for (size_t v = 0, n = list_directories(path, versions); v < n; v++) {
		snprintf(path, sizeof path, "%s/tests/fixtures/%s", ATREST_SOURCE_DIR, versions[v]);
		for (size_t c = 0, m = list_directories(path, cases); c < m; c++) {
			struct golden *g = &all[count++];
			char *text;

			assert_true(count <= CASES);
			snprintf(g->dir, sizeof g->dir, "%s/tests/fixtures/%s/%s",
			         ATREST_SOURCE_DIR, versions[v], cases[c]);
			snprintf(g->store, sizeof g->store, "%s/tests/fixtures/%s/%s/store",
			         ATREST_SOURCE_DIR, versions[v], cases[c]);
			text = (char *)fixture_read(fixture_path(g->dir, "expected.jsonl"), &bytes);
			assert_non_null(text);
			g->lines = parse_lines(text);
			g->about = json_array_get(g->lines, 0);
			free(text);
			free(cases[c]);
		}
		free(versions[v]);
	}
	return count;
}

static const char *text_of(const json_t *line, const char *member)
{
	return json_string_value(json_object_get(line, member));
}

/* What a line is about: type, account, stream, sequence or consumer. */
static void key_of(const json_t *line, const char *account, char key[1024])
{
	const char *own = text_of(line, "account"), *consumer = text_of(line, "consumer");

	snprintf(key, 1024, "%s|%s|%s|%lld|%s", text_of(line, "type"), own != NULL ? own : account,
	         text_of(line, "stream"),
	         (long long)json_integer_value(json_object_get(line, "seq")),
	         consumer != NULL ? consumer : "");
}

static json_t *by_key(const json_t *lines)
{
	json_t *map = json_object();
	const json_t *line;
	char key[1024];
	size_t i;

	json_array_foreach(lines, i, line)
	{
		key_of(line, "$G", key);
		if (json_object_get(map, key) != NULL)
			fail_msg("two lines for %s", key);
		json_object_set(map, key, (json_t *)(size_t)line);
	}
	return map;
}

/* first_seq 0 and 1 are the same for a stream that never had a message. */
static int is_never_used_first(const json_t *expected, const json_t *found, const char *member)
{
	return strcmp(member, "first_seq") == 0 &&
	       json_integer_value(json_object_get(expected, "last_seq")) == 0 &&
	       json_integer_value(json_object_get(expected, "first_seq")) <= 1 &&
	       json_integer_value(json_object_get(found, "first_seq")) <= 1;
}

/* Every member that is compared is equal, and there is none beside them. */
static int line_differs(const json_t *expected, const json_t *found, const char **which)
{
	const char *member;
	json_t *value;

	json_object_foreach((json_t *)(size_t)expected, member, value)
	{
		*which = member;
		if (strcmp(member, "created") == 0 || is_never_used_first(expected, found, member))
			continue;
		if (!json_equal(value, json_object_get(found, member)))
			return 1;
	}
	json_object_foreach((json_t *)(size_t)found, member, value)
	{
		*which = member;
		if (strcmp(member, "account") != 0 && json_object_get(expected, member) == NULL)
			return 1;
	}
	return 0;
}

/* 0 when the dump says what the server said; else the first difference is printed. */
static int compare(const struct golden *g, const char *dump)
{
	json_t *lines = parse_lines(dump), *found = by_key(lines);
	const json_t *line;
	const char *which, *left;
	json_t *value;
	char key[1024];
	int differs = 0;
	size_t i;

	json_array_foreach(g->lines, i, line)
	{
		const json_t *match;

		if (i == 0)
			continue; /* about the case itself */
		key_of(line, "$G", key);
		match = json_object_get(found, key);
		if (json_object_get(line, "lost_after_rotation") != NULL) {
			json_object_del(found, key);
			continue;
		}
		if (match == NULL || line_differs(line, match, &which)) {
			print_message("%s: %s: %s\n", g->dir, key,
			              match == NULL ? "missing" : which);
			differs = 1;
			break;
		}
		json_object_del(found, key);
	}
	if (!differs)
		json_object_foreach(found, left, value)
		{
			print_message("%s: %s: surplus\n", g->dir, left);
			differs = 1;
			break;
		}
	json_decref(found);
	json_decref(lines);
	return differs;
}

/* Runs a stream command on the case: key NULL = none; prev_path: where the previous key
 * is written, if the case has one; NULL = not given. */
static void run_on(const struct golden *g, const char *verb, int json, const char *key,
                   const char *prev_path, struct program_result *result)
{
	const char *arguments[10] = {"stream", verb}, *env[2] = {NULL, NULL};
	char js_key[2048 + sizeof "JS_KEY="];
	size_t n = 2;

	if (json)
		arguments[n++] = "--json";
	if (prev_path != NULL && text_of(g->about, "prev_key") != NULL) {
		const char *prev = text_of(g->about, "prev_key");

		fixture_write(prev_path, prev, strlen(prev));
		arguments[n++] = "--prev-key-file";
		arguments[n++] = prev_path;
	}
	arguments[n++] = g->store;
	if (key != NULL) {
		snprintf(js_key, sizeof js_key, "JS_KEY=%s", key);
		env[0] = js_key;
	}
	program_run(result, arguments, env, NULL);
}

static struct golden all[CASES];
static size_t count;

static void dump_says_what_the_server_said(void **state)
{
	const char *prev = fixture_path(*state, "prev");
	size_t equal = 0;

	for (size_t i = 0; i < count; i++) {
		struct program_result r;
		int code;

		run_on(&all[i], "dump", 1, text_of(all[i].about, "key"), prev, &r);
		code = r.code;
		if (code == 0 && compare(&all[i], r.out) == 0)
			equal++;
		else
			print_message("%s: exit %d: %s\n", all[i].dir, code, r.err);
		program_free(&r);
	}
	print_message("%zu cases: %zu equal\n", count, equal);
	assert_int_equal(count, CASES);
	assert_int_equal(equal, CASES);
}

static void wrong_and_missing_keys_are_refused(void **state)
{
	size_t encrypted = 0, tried = 0, refused = 0;

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const char *key = text_of(all[i].about, "key");
		struct program_result wrong, missing;
		char other[2048];
		uint64_t before;

		if (key == NULL)
			continue;
		if (encrypted++ % STRIDE != 0)
			continue;
		tried++;
		before = fixture_digest(all[i].dir);
		snprintf(other, sizeof other, "%s-", key);
		run_on(&all[i], "dump", 1, other, NULL, &wrong);
		run_on(&all[i], "dump", 1, NULL, NULL, &missing);
		if (wrong.code == 5 && wrong.out_bytes == 0 &&
		    strstr(wrong.err, "authentication failed") != NULL && missing.code == 2 &&
		    missing.out_bytes == 0 && fixture_digest(all[i].dir) == before)
			refused++;
		else
			print_message("%s: exit %d and %d: %s%s\n", all[i].dir, wrong.code,
			              missing.code, wrong.err, missing.err);
		program_free(&wrong);
		program_free(&missing);
	}
	print_message("%zu encrypted cases, %zu tried: %zu refused a wrong key and no key, "
	              "unchanged\n",
	              encrypted, tried, refused);
	assert_int_equal(encrypted, EXPECT_ENCRYPTED);
	assert_int_equal(refused, tried);
	assert_true(STRIDE > 1 || tried == EXPECT_ENCRYPTED);
}

static void verify_finds_only_what_is_there(void **state)
{
	const char *prev = fixture_path(*state, "prev");
	size_t fine = 0, clear = 0, tried = 0;

	for (size_t i = 0; i < count; i++) {
		int partial = strstr(all[i].dir, "/partial-") != NULL;
		struct program_result r;

		if (i % STRIDE != 0 && !partial)
			continue;
		tried++;
		run_on(&all[i], "verify", 0, text_of(all[i].about, "key"), prev, &r);
		if (r.code == 0)
			fine++;
		else if (r.code == 5 && partial && strstr(r.out, "1.blk: clear text") != NULL &&
		         strstr(r.out, "3.blk: clear text") != NULL &&
		         strstr(r.out, "4.blk: clear text") == NULL &&
		         strstr(r.out, "index.db: clear text") != NULL)
			clear++;
		else
			print_message("%s: exit %d: %s%s\n", all[i].dir, r.code, r.out, r.err);
		program_free(&r);
	}
	print_message("%zu fine, %zu with clear text\n", fine, clear);
	assert_int_equal(fine + clear, tried);
	assert_int_equal(clear, 2);
	assert_true(STRIDE > 1 || fine == CASES - 2);
}

/* ---- snapshots ---- */

struct start {
	uint8_t bytes[512];
	size_t count, total;
};

static enum atr_status keep_start(void *arg, const uint8_t *bytes, size_t more)
{
	struct start *s = arg;
	size_t n = sizeof s->bytes - s->count < more ? sizeof s->bytes - s->count : more;

	memcpy(s->bytes + s->count, bytes, n);
	s->count += n;
	s->total += more;
	return ATR_OK;
}

/* A tar, or the archive of 2.15; each as the server's own writer compressed it. */
static void snapshots_of_servers_are_decompressed(void **state)
{
	size_t read = 0;

	(void)state;
	for (size_t i = 0; i < count; i++) {
		char path[PATH_MAX + 32];
		struct atr_s2_reader *r;
		struct start start = {.count = 0};
		const char *why = NULL;
		uint8_t *content;
		size_t bytes;

		assert_true(snprintf(path, sizeof path, "%s/snapshot.tar.s2", all[i].dir) <
		            (int)sizeof path);
		content = fixture_read(path, &bytes);
		if (content == NULL)
			continue;
		r = atr_s2_reader_new(keep_start, &start);
		assert_non_null(r);
		for (size_t at = 0; at < bytes; at += 1000)
			if (atr_s2_feed(r, content + at, bytes - at < 1000 ? bytes - at : 1000,
			                &why) != ATR_OK)
				fail_msg("%s: %s", path, why);
		assert_int_equal(atr_s2_reader_finish(r, &why), ATR_OK);
		assert_true(start.total > bytes);
		assert_true(memcmp(start.bytes, "NATSARC1", 8) == 0 ||
		            memcmp(start.bytes + 257, "ustar", 5) == 0);
		free(content);
		read++;
	}
	assert_int_equal(read, 3);
}

static void the_server_configuration_gives_the_same_key(void **state)
{
	size_t read = 0, tried = 0;

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const char *arguments[] = {"stream", "info",       "--json", "--nats-config",
		                           NULL,     all[i].store, NULL};
		const char *env[4] = {NULL};
		struct program_result r;
		char conf[PATH_MAX + 16], variable[512];
		const char *name;
		json_t *value;

		/* each spelling of the key has a case of its own */
		if (text_of(all[i].about, "key") == NULL ||
		    (i % STRIDE != 0 && strstr(all[i].dir, "/key-") == NULL))
			continue;
		tried++;
		snprintf(conf, sizeof conf, "%s/server.conf", all[i].dir);
		arguments[4] = conf;
		json_object_foreach(json_object_get(all[i].about, "env"), name, value)
		{
			snprintf(variable, sizeof variable, "%s=%s", name,
			         json_string_value(value));
			env[0] = variable;
		}
		program_run(&r, arguments, env, NULL);
		if (r.code == 0)
			read++;
		else
			print_message("%s: exit %d: %s\n", conf, r.code, r.err);
		program_free(&r);
	}
	assert_int_equal(read, tried);
	assert_true(STRIDE > 1 || tried == EXPECT_ENCRYPTED);
}

static void a_rotation_without_its_previous_key_names_the_consumer(void **state)
{
	size_t seen = 0;

	for (size_t i = 0; i < count; i++) {
		const char *arguments[] = {"stream", "dump", "--json", all[i].store, NULL};
		const char *env[2] = {NULL, NULL};
		struct program_result r;
		char js_key[512];

		if (text_of(all[i].about, "prev_key") == NULL)
			continue;
		snprintf(js_key, sizeof js_key, "JS_KEY=%s", text_of(all[i].about, "key"));
		env[0] = js_key;
		program_run(&r, arguments, env, NULL);
		assert_int_equal(r.code, 5);
		assert_non_null(strstr(r.err, "consumer dur"));
		assert_int_equal(compare(&all[i], r.out), 0); /* the rest is there */
		program_free(&r);
		arguments[1] = "verify";
		program_run(&r, arguments, env, NULL);
		assert_int_equal(r.code, 5);
		assert_non_null(strstr(r.out, "consumer dur"));
		program_free(&r);
		/* with it the same file is a note */
		run_on(&all[i], "verify", 1, text_of(all[i].about, "key"),
		       fixture_path(*state, "prev"), &r);
		assert_int_equal(r.code, 0);
		assert_non_null(strstr(r.out, "opens with the previous key only"));
		program_free(&r);
		seen++;
	}
	assert_int_equal(seen, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(dump_says_what_the_server_said, fixture_setup,
	                                        fixture_teardown),
	        cmocka_unit_test(wrong_and_missing_keys_are_refused),
	        cmocka_unit_test_setup_teardown(verify_finds_only_what_is_there, fixture_setup,
	                                        fixture_teardown),
	        cmocka_unit_test(the_server_configuration_gives_the_same_key),
	        cmocka_unit_test(snapshots_of_servers_are_decompressed),
	        cmocka_unit_test_setup_teardown(
	                a_rotation_without_its_previous_key_names_the_consumer, fixture_setup,
	                fixture_teardown),
	};
	int failed;

	count = load_all(all);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (size_t i = 0; i < count; i++)
		json_decref(all[i].lines);
	return failed;
}
