#include "tests/unit/store_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void fixture_make(char path[PATH_MAX])
{
	const char *base = getenv("TMPDIR");

	(void)snprintf(path, PATH_MAX, "%s/atrest-test-XXXXXX", base != NULL ? base : "/tmp");
	assert_non_null(mkdtemp(path));
}

void fixture_prefer_memory(void)
{
	if (access("/dev/shm", W_OK | X_OK) == 0)
		(void)setenv("TMPDIR", "/dev/shm", 0);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	if (remove(path) == 0)
		return 0;
	print_error("%s: cannot be removed: %s\n", path, strerror(errno));
	return -1;
}

void fixture_remove(const char *path)
{
	assert_int_equal(nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

int fixture_setup(void **state)
{
	char *path = malloc(PATH_MAX);

	fixture_make(path);
	*state = path;
	return 0;
}

int fixture_teardown(void **state)
{
	fixture_remove(*state);
	free(*state);
	return 0;
}

const char *fixture_path(const char *directory, const char *name)
{
	static char buffer[4][PATH_MAX];
	static unsigned next;
	char *path = buffer[next++ % 4];

	assert_true(snprintf(path, PATH_MAX, "%s/%s", directory, name) < PATH_MAX);
	return path;
}

uint8_t *fixture_read(const char *path, size_t *bytes)
{
	FILE *f = fopen(path, "rb");
	uint8_t *content;
	long size;

	*bytes = 0;
	if (f == NULL)
		return NULL;
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	size = ftell(f);
	rewind(f);
	content = malloc((size_t)size + 1);
	assert_non_null(content);
	*bytes = fread(content, 1, (size_t)size, f);
	assert_int_equal(*bytes, (size_t)size);
	content[size] = 0;
	(void)fclose(f);
	return content;
}

void fixture_write(const char *path, const void *content, size_t bytes)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(content, 1, bytes, f), bytes);
	assert_int_equal(fclose(f), 0);
}

int fixture_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

int fixture_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	(void)closedir(dir);
	return count;
}

/* nftw has no argument for its callback */
static struct {
	const char *suffix;
	int count;
	uint64_t digest;
} walked;

static int count_entry(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	size_t n = strlen(path), m = strlen(walked.suffix);

	(void)st;
	(void)where;
	if (kind == FTW_F && n >= m && strcmp(path + n - m, walked.suffix) == 0)
		walked.count++;
	return 0;
}

int fixture_count(const char *path, const char *suffix)
{
	walked.suffix = suffix;
	walked.count = 0;
	assert_int_equal(nftw(path, count_entry, 16, FTW_PHYS), 0);
	return walked.count;
}

static uint64_t fnv(uint64_t h, const uint8_t *p, size_t n)
{
	while (n-- > 0)
		h = (h ^ *p++) * UINT64_C(0x100000001b3);
	return h;
}

static int digest_entry(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	uint64_t h = fnv(UINT64_C(0xcbf29ce484222325), (const uint8_t *)path, strlen(path));

	(void)st;
	(void)where;
	if (kind == FTW_F) {
		size_t bytes;
		uint8_t *content = fixture_read(path, &bytes);

		h = fnv(h, content, bytes);
		free(content);
	}
	walked.digest += h; /* a sum: the order of the entries does not matter */
	return 0;
}

uint64_t fixture_digest(const char *path)
{
	walked.digest = 0;
	assert_int_equal(nftw(path, digest_entry, 16, FTW_PHYS), 0);
	return walked.digest;
}

json_t *fixture_vectors(void)
{
	json_error_t err;
	json_t *all = json_load_file(ATREST_SOURCE_DIR "/tests/vectors/vectors.json", 0, &err);

	assert_non_null(all);
	return all;
}

const char *fixture_text(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	assert_non_null(text);
	return text;
}

uint8_t *fixture_hex(const json_t *object, const char *member, size_t *bytes)
{
	const char *hex = fixture_text(object, member);
	size_t n = strlen(hex) / 2;
	uint8_t *out = malloc(n + 1);

	assert_non_null(out);
	for (size_t i = 0; i < n; i++) {
		unsigned value;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &value), 1);
		out[i] = (uint8_t)value;
	}
	*bytes = n;
	return out;
}

void fixture_status(enum atr_status status, enum atr_status expected, const struct atr_error *err)
{
	char line[1600] = "";

	if (status == expected)
		return;
	if (err != NULL && status != ATR_OK)
		atr_error_line(err, line, sizeof line);
	fail_msg("status %d (%s), expected %d (%s): %s", (int)status, atr_status_text(status),
	         (int)expected, atr_status_text(expected), line);
}
