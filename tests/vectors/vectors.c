#include "tests/vectors/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES_MAX 32

static json_t *roots[FILES_MAX];
static size_t root_count;

static _Noreturn void give_up(const char *where, const char *what)
{
	fprintf(stderr, "%s: %s\n", where, what);
	exit(1);
}

const json_t *vectors_load(const char *file, const char *member)
{
	char path[1024];
	json_error_t error;
	json_t *root;
	const json_t *found;

	snprintf(path, sizeof(path), "%s/tests/vectors/%s", ATREST_SOURCE_DIR, file);
	root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		give_up(path, error.text);
	if (root_count == FILES_MAX)
		give_up(path, "too many files");
	roots[root_count++] = root;
	found = json_object_get(root, member);
	if (!found)
		give_up(path, member);
	return found;
}

void vectors_free(void)
{
	while (root_count)
		json_decref(roots[--root_count]);
}

const char *vectors_text(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	if (!text)
		give_up("vector without", member);
	return text;
}

static unsigned nibble(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *p = c ? strchr(digits, c) : NULL;

	if (!p)
		give_up("vector", "not hexadecimal");
	return (unsigned)(p - digits);
}

struct bytes vectors_hex(const json_t *object, const char *member)
{
	const char *text = vectors_text(object, member);
	struct bytes b = {NULL, strlen(text) / 2};

	if (strlen(text) % 2)
		give_up("vector of odd length", member);
	b.data = malloc(b.count + 1);
	if (!b.data)
		give_up("vector", "no memory");
	for (size_t i = 0; i < b.count; i++)
		b.data[i] = (uint8_t)(nibble(text[2 * i]) << 4 | nibble(text[2 * i + 1]));
	return b;
}
