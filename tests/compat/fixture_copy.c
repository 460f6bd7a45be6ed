#include "tests/compat/fixture_copy.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/store_fixture.h"

void fixture_copy(struct fixture_copy *copy, const char *name, const char *dir, const char *to)
{
	char command[3 * PATH_MAX], path[PATH_MAX];
	const char *key, *prev;
	json_t *about;
	glob_t found;
	size_t bytes;
	char *text;

	memset(copy, 0, sizeof *copy);
	snprintf(copy->store, sizeof copy->store, "%s/%s", dir, to);
	snprintf(command, sizeof command, "rm -rf '%s' && cp -r '%s/tests/fixtures/%s/store' '%s'",
	         copy->store, ATREST_SOURCE_DIR, name, copy->store);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof path, "%s/tests/fixtures/%s/expected.jsonl", ATREST_SOURCE_DIR, name);
	text = (char *)fixture_read(path, &bytes);
	assert_non_null(text);
	about = json_loadb(text, strcspn(text, "\n"), 0, NULL);
	assert_non_null(about);
	key = json_string_value(json_object_get(about, "key"));
	prev = json_string_value(json_object_get(about, "prev_key"));
	snprintf(copy->key, sizeof copy->key, "%s", key != NULL ? key : "");
	snprintf(copy->prev_key, sizeof copy->prev_key, "%s", prev != NULL ? prev : "");
	json_decref(about);
	free(text);
	assert_true(snprintf(path, sizeof path, "%s/jetstream/*/streams/*", copy->store) <
	            (int)sizeof path);
	assert_int_equal(glob(path, 0, NULL, &found), 0);
	snprintf(copy->stream, sizeof copy->stream, "%s", found.gl_pathv[0]);
	globfree(&found);
}

void fixture_run(struct program_result *r, const char *key, const char *verb, const char *a,
                 const char *b, const char *c, const char *d, const char *e)
{
	const char *arguments[] = {"stream", verb, a, b, c, d, e, NULL};
	const char *env[2] = {NULL, NULL};
	char js_key[2100];

	if (key != NULL && key[0] != '\0') {
		snprintf(js_key, sizeof js_key, "JS_KEY=%s", key);
		env[0] = js_key;
	}
	program_run(r, arguments, env, NULL);
}

char *fixture_dump(const char *key, const char *dir)
{
	struct program_result r;
	const char *line;
	char *out;

	fixture_run(&r, key, "dump", "--json", "--payload", dir, NULL, NULL);
	out = calloc(1, r.out_bytes + 1);
	assert_non_null(out);
	for (line = r.out; *line != '\0';) {
		size_t n = strcspn(line, "\n");
		json_t *object = json_loadb(line, n, 0, NULL);
		const char *type = json_string_value(json_object_get(object, "type"));

		assert_non_null(type);
		if (strcmp(type, "stream") != 0 && strcmp(type, "state") != 0) {
			char *text;

			json_object_del(object, "cipher");
			json_object_del(object, "maybe_deleted");
			text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
			strcat(strcat(out, text), "\n");
			free(text);
		}
		json_decref(object);
		line += n + (line[n] == '\n');
	}
	program_free(&r);
	return out;
}

int fixture_lines_with(const char *text, const char *what)
{
	int count = 0;

	while (*text != '\0') {
		size_t n = strcspn(text, "\n");
		char *line = strndup(text, n);

		count += strstr(line, what) != NULL;
		free(line);
		text += n + (text[n] == '\n');
	}
	return count;
}

void fixture_flip(const char *dir, const char *name, long offset)
{
	const char *path = fixture_path(dir, name);
	size_t bytes;
	uint8_t *content = fixture_read(path, &bytes);

	assert_non_null(content);
	assert_true(offset < (long)bytes);
	content[offset] ^= 4;
	fixture_write(fixture_path(dir, name), content, bytes);
	free(content);
}
