/* test_repair.c - streams of servers, damaged at random, repaired in process: what other files hold
 * is there afterwards, nothing else is, and nothing is found any more. Then a repair in which each
 * call to the file system fails in turn: the stream is the old one or the new one, whole.
 *
 * ATREST_SEED=N repeats a run, ATREST_ROUNDS=N makes it longer.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/hash.h"
#include "store/inspect.h"
#include "store/repair_inner.h"
#include "tests/fault/fault_files.h"
#include "tests/unit/store_fixture.h"

#define ROUNDS       150
#define MESSAGES_MAX 1024
#define FILES_MAX    64

static const struct {
	const char *name, *stream;
} sources[] = {
        {"nats-2.15.1/basic-aes", "ORDERS"},    {"nats-2.15.1/deletes-chacha", "DEL"},
        {"nats-2.15.1/partial-aes", "PART"},    {"nats-2.15.1/s2-chacha", "S2"},
        {"nats-2.10.27/deletes-plain", "DEL"},  {"nats-2.10.27/kill-chacha", "KILL"},
        {"nats-2.9.10/multiblock-aes", "RING"}, {"nats-2.9.10/multiblock-plain", "RING"},
        {"nats-2.9.10/deletes-chacha", "DEL"},  {"nats-2.15.1/consumer-aes", NULL},
        {"nats-2.9.10/consumer-plain", NULL},   {"nats-2.9.10/workqueue-aes", NULL},
};
#define SOURCES (sizeof sources / sizeof sources[0])

struct seen {
	uint64_t sequence, hash, block;
};

struct reading {
	struct seen seen[MESSAGES_MAX];
	size_t count;
	uint64_t last_seq;
	size_t damage;
	char first[512]; /* of the damage */
};

static uint64_t random_state;

static uint64_t next_random(uint64_t below)
{
	uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % below;
}

static char base[PATH_MAX];
static char keys[SOURCES][256];
static char streams[SOURCES][256];

static void take_finding(void *arg, const struct atr_finding *f)
{
	struct reading *r = arg;

	if (f->kind == ATR_FINDING_NOTE || f->kind == ATR_FINDING_CLEAR)
		return;
	if (r->damage++ == 0)
		snprintf(r->first, sizeof r->first, "%.300s: %.200s", f->path, f->text);
}

static uint64_t hash_of(const struct atr_message *m)
{
	struct atr_hash_key key;
	uint64_t h = (uint64_t)m->time_ns;

	assert_int_equal(atr_hash_key_init(&key, "test"), 0);
	if (m->subject_bytes > 0)
		h = 31 * h + atr_hash64(&key, (const uint8_t *)m->subject, m->subject_bytes);
	if (m->headers_bytes > 0)
		h = 31 * h + atr_hash64(&key, m->headers, m->headers_bytes);
	if (m->payload_bytes > 0)
		h = 31 * h + atr_hash64(&key, m->payload, m->payload_bytes);
	return h;
}

/* Reads and verifies; asserts that it opens. */
static void read_stream(const char *dir, size_t source, struct reading *r)
{
	struct atr_inspect_options options = {
	        .stream = streams[source],
	        .key = (const uint8_t *)keys[source],
	        .key_bytes = strlen(keys[source]),
	        .finding = take_finding,
	        .finding_arg = r,
	};
	const struct atr_verify_options promise = {0};
	struct atr_verify_counts counts;
	struct atr_inspect_message m;
	struct atr_inspect_state state;
	struct atr_inspect *in;
	struct atr_error err;

	memset(r, 0, sizeof *r);
	assert_ok(atr_inspect_open(dir, &options, &in, &err), &err);
	assert_ok(atr_inspect_verify(in, &promise, &counts, &err), &err);
	atr_inspect_rewind(in);
	while (atr_inspect_next(in, &m, &err) == ATR_OK) {
		assert_true(r->count < MESSAGES_MAX);
		r->seen[r->count++] =
		        (struct seen){m.message.sequence, hash_of(&m.message), m.block};
	}
	atr_inspect_state(in, &state);
	r->last_seq = state.last_seq;
	atr_inspect_close(in);
}

static void find_source(size_t i, char dir[PATH_MAX])
{
	char path[PATH_MAX];
	const struct dirent *entry;
	size_t bytes;
	char *text;
	json_t *about;
	DIR *d;

	snprintf(path, sizeof path, "%s/tests/fixtures/%s/expected.jsonl", ATREST_SOURCE_DIR,
	         sources[i].name);
	text = (char *)fixture_read(path, &bytes);
	assert_non_null(text);
	about = json_loadb(text, strcspn(text, "\n"), 0, NULL);
	if (json_is_string(json_object_get(about, "key")))
		snprintf(keys[i], sizeof keys[i], "%s",
		         json_string_value(json_object_get(about, "key")));
	json_decref(about);
	free(text);
	snprintf(path, sizeof path, "%s/tests/fixtures/%s/store/jetstream/$G/streams",
	         ATREST_SOURCE_DIR, sources[i].name);
	d = opendir(path);
	assert_non_null(d);
	while ((entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.' &&
		    (sources[i].stream == NULL || strcmp(sources[i].stream, entry->d_name) == 0))
			snprintf(streams[i], sizeof streams[i], "%s", entry->d_name);
	closedir(d);
	assert_true(streams[i][0] != '\0');
	assert_true(snprintf(dir, PATH_MAX, "%.2000s/%s", path, streams[i]) < PATH_MAX);
}

/* ---- damage ---- */

struct file_list {
	char name[FILES_MAX][256]; /* below the stream directory */
	size_t count;
};

static void list_files(const char *dir, const char *below, struct file_list *list)
{
	char path[PATH_MAX], name[256];
	const struct dirent *entry;
	struct stat st;
	DIR *d;

	snprintf(path, sizeof path, "%.3000s/%s", dir, below);
	d = opendir(path);
	assert_non_null(d);
	while ((entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		assert_true(snprintf(name, sizeof name, "%s%s%s", below, *below ? "/" : "",
		                     entry->d_name) < (int)sizeof name);
		snprintf(path, sizeof path, "%.3000s/%s", dir, name);
		assert_int_equal(stat(path, &st), 0);
		if (S_ISDIR(st.st_mode)) {
			list_files(dir, name, list);
		} else {
			assert_true(list->count < FILES_MAX);
			snprintf(list->name[list->count++], 256, "%s", name);
		}
	}
	closedir(d);
}

/* What was done, as text. */
static void damage(const char *dir, const char *name, char what[64])
{
	const char *path = fixture_path(dir, name);
	size_t bytes;
	uint8_t *content = fixture_read(path, &bytes);
	uint64_t kind = next_random(6), at;

	assert_non_null(content);
	if (bytes == 0)
		kind = 4;
	at = bytes > 0 ? next_random(bytes) : 0;
	switch (kind) {
	case 0:
	case 1:
		content[at] ^= (uint8_t)(1 << next_random(8));
		snprintf(what, 64, "bit at %llu", (unsigned long long)at);
		break;
	case 2:
		bytes = (size_t)at;
		snprintf(what, 64, "cut to %llu", (unsigned long long)at);
		break;
	case 3:
		for (size_t i = (size_t)at; i < bytes && i < at + 64; i++)
			content[i] = (uint8_t)next_random(256);
		snprintf(what, 64, "64 bytes at %llu", (unsigned long long)at);
		break;
	case 4:
		content = realloc(content, bytes + 16);
		memset(content + bytes, 0x5a, 16);
		bytes += 16;
		snprintf(what, 64, "16 bytes more");
		break;
	default:
		assert_int_equal(unlink(path), 0);
		snprintf(what, 64, "removed");
		free(content);
		return;
	}
	fixture_write(path, content, bytes);
	free(content);
}

/* What the last repair said, for the message of a failure. */
static char told[2048];

static void take_action(void *arg, const struct atr_repair_action *action)
{
	size_t used = strlen(told);

	(void)arg;
	snprintf(told + used, sizeof told - used, "\n  %s: %s", action->path, action->text);
}

static enum atr_status repair(const char *dir, size_t source, const struct atr_file_table *files,
                              struct atr_repair_result *result, struct atr_error *err)
{
	struct atr_file_table quick = *(files != NULL ? files : &atr_file_real);
	struct atr_repair_options options = {
	        .files = &quick,
	        .stream = streams[source],
	        .key = (const uint8_t *)keys[source],
	        .key_bytes = strlen(keys[source]),
	        .told = take_action,
	};

	quick.holder = NULL; /* looks at every process */
	told[0] = '\0';
	return atr_repair(dir, &options, result, err);
}

static const struct seen *find(const struct reading *r, uint64_t sequence)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->seen[i].sequence == sequence)
			return &r->seen[i];
	return NULL;
}

/* Everything that no damaged file holds is still there. blocks: damaged ones; state: a state file
 * was damaged, so that deleted messages may be back. */
static void compare(const struct reading *before, const struct reading *after,
                    const uint64_t *blocks, size_t block_count, int state, const char *what)
{
	for (size_t i = 0; i < before->count; i++) {
		const struct seen *b = &before->seen[i], *a = find(after, b->sequence);
		int hit = 0;

		for (size_t k = 0; k < block_count; k++)
			hit |= blocks[k] == b->block;
		if (a == NULL && !hit)
			fail_msg("%s: sequence %llu is gone", what,
			         (unsigned long long)b->sequence);
		if (a != NULL && a->hash != b->hash)
			fail_msg("%s: sequence %llu differs", what,
			         (unsigned long long)b->sequence);
	}
	for (size_t i = 0; i < after->count && !state; i++)
		if (find(before, after->seen[i].sequence) == NULL)
			fail_msg("%s: sequence %llu is back", what,
			         (unsigned long long)after->seen[i].sequence);
}

/* What was damaged in a copy of a source. */
struct hit {
	uint64_t blocks[4];
	size_t block_count;
	int state_file, key_file;
	char what[1024]; /* for messages */
};

/* One file of the directory, or two. */
static void damage_some(const char *dir, size_t source, struct hit *hit)
{
	size_t count = next_random(4) == 0 ? 2 : 1;
	struct file_list list = {.count = 0};

	list_files(dir, "", &list);
	for (size_t i = 0; i < count; i++) {
		const char *name = list.name[next_random(list.count)];
		const char *suffix = strrchr(name, '.');
		size_t used = strlen(hit->what);
		char how[64];

		if (!fixture_exists(fixture_path(dir, name)))
			continue;
		if (strncmp(name, "msgs/", 5) == 0 &&
		    (strcmp(suffix, ".blk") == 0 || strcmp(suffix, ".key") == 0))
			hit->blocks[hit->block_count++] = strtoull(name + 5, NULL, 10);
		hit->state_file |= strcmp(suffix, ".idx") == 0 || strcmp(suffix, ".db") == 0 ||
		                   strcmp(suffix, ".fss") == 0 || strncmp(name, "meta", 4) == 0;
		/* a clear idx that cannot be told from a damaged one is not believed */
		hit->state_file |= strstr(sources[source].name, "2.9.10") != NULL &&
		                   strstr(sources[source].name, "plain") != NULL;
		hit->key_file |= strcmp(suffix, ".key") == 0;
		damage(dir, name, how);
		snprintf(hit->what + used, sizeof hit->what - used, ", %s: %s", name, how);
	}
}

/* Nothing is lost but what the damage covers. */
static void repaired_is_whole(const char *dir, size_t source, const struct reading *healthy,
                              const struct hit *hit)
{
	static struct reading after;

	read_stream(dir, source, &after);
	if (after.damage > 0)
		fail_msg("%s: %s", hit->what, after.first);
	compare(healthy, &after, hit->blocks, hit->block_count, hit->state_file, hit->what);
	/* without index.db the key of the last block is that of its idx too */
	if (!hit->state_file && after.last_seq < healthy->last_seq &&
	    strstr(sources[source].name, "kill") == NULL &&
	    !(hit->key_file && strstr(sources[source].name, "2.9.10") != NULL))
		fail_msg("%s: the last sequence went back from %llu to %llu", hit->what,
		         (unsigned long long)healthy->last_seq, (unsigned long long)after.last_seq);
}

static void damage_at_random_is_repaired(void **state)
{
	const char *seed = getenv("ATREST_SEED"), *rounds_text = getenv("ATREST_ROUNDS");
	static char dirs[SOURCES][PATH_MAX];
	static struct reading healthy[SOURCES];
	size_t rounds = rounds_text != NULL ? strtoul(rounds_text, NULL, 10) : ROUNDS;
	size_t repaired = 0, whole = 0, refused = 0;

	(void)state;
	random_state = (uint64_t)getpid();
	if (seed != NULL)
		random_state = strtoull(seed, NULL, 10);
	print_message("ATREST_SEED=%llu\n", (unsigned long long)random_state);
	for (size_t i = 0; i < SOURCES; i++) {
		find_source(i, dirs[i]);
		read_stream(dirs[i], i, &healthy[i]);
		assert_int_equal(healthy[i].damage, 0);
		assert_true(healthy[i].count > 0);
	}
	for (size_t round = 0; round < rounds; round++) {
		size_t source = (size_t)next_random(SOURCES);
		char dir[PATH_MAX], parent[PATH_MAX];
		struct atr_repair_result result;
		struct hit hit = {.block_count = 0};
		struct atr_error err;
		uint64_t digest;

		snprintf(dir, sizeof dir, "%.2000s/%zu/%s", base, round, streams[source]);
		snprintf(parent, sizeof parent, "%.2000s/%zu", base, round);
		assert_int_equal(mkdir(parent, 0750), 0);
		snprintf(hit.what, sizeof hit.what, "round %zu, %s", round, sources[source].name);
		assert_ok(filetree_copy(&atr_file_real, dirs[source], dir, &err), &err);
		damage_some(dir, source, &hit);
		digest = fixture_digest(dir);
		if (repair(dir, source, NULL, &result, &err) == ATR_OK) {
			repaired_is_whole(dir, source, &healthy[source], &hit);
			repaired += result.changed != 0;
			whole += result.changed == 0;
		} else {
			print_message("%s: refused: %s: %s\n", hit.what, err.path, err.text);
			assert_int_equal(fixture_digest(dir), digest);
			refused++;
		}
		fixture_remove(parent);
	}
	print_message("%zu rounds: %zu repaired, %zu with nothing to repair, %zu refused\n", rounds,
	              repaired, whole, refused);
	/* one block, or none, and no key of it that opens: a wrong key looks the same */
	assert_true(refused * 10 <= rounds);
}

static void a_call_that_fails_leaves_the_old_or_the_new_stream(void **state)
{
	static char from[PATH_MAX];
	static struct reading healthy, after;
	struct atr_repair_result result;
	struct fault_files f;
	struct atr_error err;
	char dir[PATH_MAX], parent[PATH_MAX];
	size_t source = 1, done = 0;
	unsigned long k;

	(void)state;
	find_source(source, from);
	read_stream(from, source, &healthy);
	for (k = 1; k < 2000 && done < 2; k++) {
		uint64_t digest;
		enum atr_status rc;

		snprintf(parent, sizeof parent, "%.3000s/f%lu", base, k);
		assert_int_equal(mkdir(parent, 0750), 0);
		assert_true(snprintf(dir, sizeof dir, "%s/%s", parent, streams[source]) < PATH_MAX);
		assert_ok(filetree_copy(&atr_file_real, from, dir, &err), &err);
		{
			size_t bytes;
			uint8_t *content = fixture_read(fixture_path(dir, "msgs/1.blk"), &bytes);

			content[bytes / 2] ^= 1;
			fixture_write(fixture_path(dir, "msgs/1.blk"), content, bytes);
			free(content);
		}
		digest = fixture_digest(dir);
		fault_files_init(&f, FAULT_ERROR, k % 2 == 0 ? ENOSPC : EIO, k, 0);
		rc = repair(dir, source, &f.table, &result, &err);
		if (rc != ATR_OK && fixture_digest(dir) != digest) {
			/* only the sync of the parent directory comes after the exchange */
			read_stream(dir, source, &after);
			assert_int_equal(after.damage, 0);
		}
		if (rc == ATR_OK) {
			read_stream(dir, source, &after);
			assert_int_equal(after.damage, 0);
			if (after.count + 1 < healthy.count)
				fail_msg("call %lu: %zu messages of %zu:%s", k, after.count,
				         healthy.count, told);
			done += f.failed == 0;
		}
		/* whatever was left, the next one ends well */
		assert_ok(repair(dir, source, NULL, &result, &err), &err);
		read_stream(dir, source, &after);
		assert_int_equal(after.damage, 0);
		assert_true(after.count + 1 >= healthy.count);
		fixture_remove(parent);
	}
	print_message("%lu calls\n", k);
	assert_true(done == 2 && k > 50);
}

static int make_base(void **state)
{
	(void)state;
	fixture_prefer_memory();
	fixture_make(base);
	return 0;
}

static int remove_base(void **state)
{
	(void)state;
	fixture_remove(base);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(damage_at_random_is_repaired),
	        cmocka_unit_test(a_call_that_fails_leaves_the_old_or_the_new_stream),
	};

	return cmocka_run_group_tests(tests, make_base, remove_base);
}
