/* test_backup.c - backups of every golden directory, restored under another cipher, say the same as
 * the original; the snapshots that servers made give what their API said; broken ones are refused.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/compat/program.h"
#include "tests/unit/store_fixture.h"

#define STREAMS     131 /* of the 92 cases */
#define RESTORE_KEY "an0ther"

/* Of how many streams one is tried; --all: each. */
static size_t stride = 3;

struct place {
	char dir[PATH_MAX], store[PATH_MAX + 8];
	char key[2100], prev_key[256], cipher[16]; /* "" : none */
	char account[256], stream[256];
	json_t *config, *state; /* as expected.jsonl has them */
};

static struct place *all;
static size_t count;

static json_t *parse_lines(const char *text)
{
	json_t *lines = json_array();

	for (const char *line = text, *end; *line != '\0'; line = end + 1) {
		end = strchr(line, '\n');
		if (end == NULL)
			break;
		json_t *value = json_loadb(line, (size_t)(end - line), JSON_ALLOW_NUL, NULL);
		if (value != NULL)
			json_array_append_new(lines, value);
	}
	return lines;
}

static void set(char *to, size_t bytes, const json_t *line, const char *member)
{
	const char *text = json_string_value(json_object_get(line, member));

	(void)snprintf(to, bytes, "%s", text != NULL ? text : "");
}

static void add_case(const char *version, const char *name)
{
	char dir[PATH_MAX];
	const json_t *about = NULL;
	json_t *lines, *line;
	uint8_t *text;
	size_t bytes, i;

	(void)snprintf(dir, sizeof dir, "%s/tests/fixtures/%s/%s", ATREST_SOURCE_DIR, version,
	               name);
	text = fixture_read(fixture_path(dir, "expected.jsonl"), &bytes);
	assert_non_null(text);
	lines = parse_lines((const char *)text);
	json_array_foreach(lines, i, line)
	{
		const char *type = fixture_text(line, "type");

		if (strcmp(type, "fixture") == 0)
			about = line;
		if (strcmp(type, "stream") == 0) {
			struct place *p;

			all = realloc(all, (count + 1) * sizeof *all);
			p = &all[count++];
			(void)snprintf(p->dir, sizeof p->dir, "%s", dir);
			(void)snprintf(p->store, sizeof p->store, "%s/store", dir);
			set(p->key, sizeof p->key, about, "key");
			set(p->prev_key, sizeof p->prev_key, about, "prev_key");
			set(p->cipher, sizeof p->cipher, line, "cipher");
			set(p->account, sizeof p->account, line, "account");
			set(p->stream, sizeof p->stream, line, "stream");
			p->config = json_incref(json_object_get(line, "config"));
			p->state = NULL;
		}
		if (strcmp(type, "state") == 0 && count > 0)
			all[count - 1].state = json_incref(line);
	}
	json_decref(lines);
	free(text);
}

static int load_all(void **state)
{
	static const char *const versions[] = {"nats-2.9.10", "nats-2.10.27", "nats-2.15.1"};
	const struct dirent *entry;

	(void)state;
	fixture_prefer_memory();
	for (size_t i = 0; i < 3; i++) {
		char path[PATH_MAX];
		DIR *dir;

		(void)snprintf(path, sizeof path, "%s/tests/fixtures/%s", ATREST_SOURCE_DIR,
		               versions[i]);
		dir = opendir(path);
		assert_non_null(dir);
		while ((entry = readdir(dir)) != NULL)
			if (entry->d_name[0] != '.')
				add_case(versions[i], entry->d_name);
		closedir(dir);
	}
	return 0;
}

static int free_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < count; i++) {
		json_decref(all[i].config);
		json_decref(all[i].state);
	}
	free(all);
	return 0;
}

/* atrest with the words, key NULL: none. Output is the caller's. */
static int run(struct program_result *r, const char *key, const char *const *words)
{
	char js_key[2200];
	const char *env[2] = {NULL, NULL};

	if (key != NULL && *key != '\0') {
		(void)snprintf(js_key, sizeof js_key, "JS_KEY=%s", key);
		env[0] = js_key;
	}
	program_run(r, words, env, NULL);
	return r->code;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The lines of a dump, without what a restore changes, sorted, as one text. */
static char *normal(const char *dump)
{
	json_t *lines = parse_lines(dump), *line;
	size_t n = json_array_size(lines), i, bytes = 1;
	char **text = calloc(n + 1, sizeof *text), *all_text, *p;

	json_array_foreach(lines, i, line)
	{
		(void)json_object_del(line, "cipher");
		(void)json_object_del(line, "under_prev_key");
		(void)json_object_del(line, "block");
		/* of a stream that never had a message the first may be 0 or 1 */
		if (json_is_integer(json_object_get(line, "last_seq")) &&
		    json_integer_value(json_object_get(line, "last_seq")) == 0) {
			(void)json_object_del(line, "first_seq");
			(void)json_object_del(line, "num_deleted");
		}
		text[i] = json_dumps(line, JSON_COMPACT | JSON_SORT_KEYS);
		bytes += strlen(text[i]) + 1;
	}
	qsort(text, n, sizeof *text, by_text);
	p = all_text = calloc(1, bytes);
	for (i = 0; i < n; i++) {
		p += sprintf(p, "%s\n", text[i]);
		free(text[i]);
	}
	free(text);
	json_decref(lines);
	return all_text;
}

static char *dump_of(const struct place *p, const char *dir, const char *key, const char *prev)
{
	const char *words[16] = {"stream",    "dump",
	                         "--json",    "--payload",
	                         "--stream",  p->stream,
	                         "--account", p->account,
	                         dir,         prev != NULL ? "--prev-key-file" : NULL,
	                         prev,        NULL};
	struct program_result r;
	char *text = NULL;

	if (run(&r, key, words) == 0)
		text = normal(r.out);
	else
		print_message("%s %s: dump: exit %d: %s\n", dir, p->stream, r.code, r.err);
	program_free(&r);
	return text;
}

static int is_like(const struct place *p, const char *folder, const char *cipher, const char *prev)
{
	const char *file = fixture_path(folder, "b.s2"), *to = fixture_path(folder, "store");
	const char *backup[16] = {"stream",    "backup",
	                          "--stream",  p->stream,
	                          "-o",        file,
	                          "--account", p->account,
	                          p->store,    prev != NULL ? "--prev-key-file" : NULL,
	                          prev,        NULL};
	const char *restore[] = {"stream",   "restore", "--cipher", cipher, "--account",
	                         p->account, file,      to,         NULL};
	const char *verify[] = {"stream", "verify", "--cipher", cipher, to, NULL};
	struct program_result r[3] = {{0}};
	char *before = NULL, *after = NULL;
	int same;

	if (run(&r[0], p->key, backup) != 0 || run(&r[1], RESTORE_KEY, restore) != 0 ||
	    run(&r[2], RESTORE_KEY, verify) != 0) {
		print_message("%s %s to %s: exit %d, %d, %d: %s%s%s\n", p->dir, p->stream, cipher,
		              r[0].code, r[1].code, r[2].code, r[0].err != NULL ? r[0].err : "",
		              r[1].err != NULL ? r[1].err : "", r[2].out != NULL ? r[2].out : "");
		same = 0;
	} else {
		before = dump_of(p, p->store, p->key, prev);
		after = dump_of(p, to, RESTORE_KEY, NULL);
		same = before != NULL && after != NULL && strcmp(before, after) == 0;
		if (!same && before != NULL && after != NULL)
			print_message("%s %s to %s: differs\n%.3000s---\n%.3000s", p->dir,
			              p->stream, cipher, before, after);
	}
	for (size_t i = 0; i < 3; i++)
		program_free(&r[i]);
	free(before);
	free(after);
	return same;
}

static void every_golden_stream_survives_backup_and_restore(void **state)
{
	static const char *const ciphers[] = {"none", "chachapoly", "aes"};
	size_t same = 0, tried = 0;

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const struct place *p = &all[i];
		char folder[PATH_MAX];
		const char *prev = NULL;

		if (i % stride != 0)
			continue;
		tried++;
		fixture_make(folder);
		if (p->prev_key[0] != '\0') {
			prev = strdup(fixture_path(folder, "prev"));
			fixture_write(prev, p->prev_key, strlen(p->prev_key));
		}
		same += (size_t)is_like(p, folder, ciphers[i / stride % 3], prev);
		fixture_remove(folder);
		free((void *)(uintptr_t)prev);
	}
	print_message("%zu streams, %zu tried, %zu the same\n", count, tried, same);
	assert_int_equal(count, STREAMS);
	assert_int_equal(same, tried);
}

static const struct place *snapshot_of(const char *version)
{
	for (size_t i = 0; i < count; i++)
		if (strstr(all[i].dir, "/snapshot-") != NULL && strstr(all[i].dir, version) != NULL)
			return &all[i];
	fail_msg("no snapshot of %s", version);
	return NULL;
}

static void snapshots_of_servers_give_what_their_api_said(void **state)
{
	static const char *const versions[] = {"2.9.10", "2.10.27", "2.15.1"};

	for (size_t i = 0; i < 3; i++) {
		const struct place *p = snapshot_of(versions[i]);
		const char *file = strdup(fixture_path(p->dir, "snapshot.tar.s2"));
		const char *json = strdup(fixture_path(*state, "backup.json"));
		const char *to = strdup(fixture_path(*state, versions[i]));
		const char *words[] = {"stream", "restore", "--cipher", "aes", "--config",
		                       json,     file,      to,         NULL};
		const char *without[] = {"stream", "restore", file, to, NULL};
		json_t *backup = json_pack("{s:O, s:O}", "config", p->config, "state", p->state);
		struct program_result r;
		char *text = json_dumps(backup, 0), *before, *after;

		fixture_write(json, text, strlen(text));
		if (i == 2) { /* an archive without its configuration */
			assert_int_equal(run(&r, RESTORE_KEY, without), 2);
			assert_non_null(strstr(r.err, "backup.json"));
			assert_false(fixture_exists(to));
			program_free(&r);
		}
		assert_int_equal(run(&r, RESTORE_KEY, words), 0);
		program_free(&r);
		before = dump_of(p, p->store, p->key, NULL);
		after = dump_of(p, to, RESTORE_KEY, NULL);
		if (i == 2) { /* only the stream line has the time of creation, which it lacks */
			before[strcspn(before, "\n")] = '\0';
			after[strcspn(after, "\n")] = '\0';
		}
		assert_string_equal(before, after);
		/* a backup.json that says more messages: the snapshot is not all of it */
		json_object_set_new(json_object_get(backup, "state"), "messages",
		                    json_integer(1000));
		free(text);
		text = json_dumps(backup, 0);
		fixture_write(json, text, strlen(text));
		words[7] = fixture_path(*state, "not");
		assert_int_equal(run(&r, RESTORE_KEY, words), 5);
		assert_non_null(strstr(r.err, "expected 1000"));
		assert_int_equal(fixture_count(words[7], ""), 0);
		program_free(&r);
		json_decref(backup);
		free(text);
		free(before);
		free(after);
		free((void *)(uintptr_t)file);
		free((void *)(uintptr_t)json);
		free((void *)(uintptr_t)to);
	}
}

static void what_is_there_is_never_written_over(void **state)
{
	const struct place *p = snapshot_of("2.9.10");
	const char *file = fixture_path(*state, "s.s2"), *to = fixture_path(*state, "store");
	const char *backup[] = {"stream", "backup", "-o", file, p->store, NULL};
	const char *restore[] = {"stream", "restore", file, to, NULL};
	struct program_result r;
	uint64_t before;

	assert_int_equal(run(&r, p->key, backup), 0);
	assert_non_null(strstr(r.err, "clear text"));
	program_free(&r);
	assert_int_equal(run(&r, p->key, backup), 2);
	assert_non_null(strstr(r.err, "is there already"));
	program_free(&r);
	assert_int_equal(run(&r, p->key, restore), 0);
	program_free(&r);
	before = fixture_digest(to);
	assert_int_equal(run(&r, p->key, restore), 2);
	assert_non_null(strstr(r.err, "is there already"));
	assert_true(fixture_digest(to) == before);
	program_free(&r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_golden_stream_survives_backup_and_restore),
	        cmocka_unit_test_setup_teardown(snapshots_of_servers_give_what_their_api_said,
	                                        fixture_setup, fixture_teardown),
	        cmocka_unit_test_setup_teardown(what_is_there_is_never_written_over, fixture_setup,
	                                        fixture_teardown),
	};

	if (argc > 1 && strcmp(argv[1], "--all") == 0)
		stride = 1;
	return cmocka_run_group_tests(tests, load_all, free_all);
}
