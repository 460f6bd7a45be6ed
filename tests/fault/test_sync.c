/* test_sync.c - what a sync covers: after one, every block that holds an acknowledged message, its
 * key file and the directory are on the device. Kills do not show this, since the page cache
 * outlives them; here a table of files remembers what was changed and not synced since.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/store_make.h"

#define PATHS_MAX 256
#define FDS_MAX   1024

/* One file or directory, by the last two parts of its path. */
struct changed {
	char path[512];
	int dirty;
};

static struct {
	pthread_mutex_t lock;
	struct changed paths[PATHS_MAX];
	size_t count;
	struct changed *of_fd[FDS_MAX];
	struct atr_store *sync_inside; /* synced from inside the first write to a block */
	int sync_at_write, writes;
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct changed *find(const char *path)
{
	for (size_t i = 0; i < seen.count; i++)
		if (strcmp(seen.paths[i].path, path) == 0)
			return &seen.paths[i];
	assert_true(seen.count < PATHS_MAX);
	snprintf(seen.paths[seen.count].path, sizeof seen.paths[0].path, "%s", path);
	return &seen.paths[seen.count++];
}

static void touch_parent(const char *path)
{
	char parent[512];

	snprintf(parent, sizeof parent, "%s", path);
	*strrchr(parent, '/') = '\0';
	find(parent)->dirty = 1;
}

static int watch_open(void *context, const char *path, int flags, unsigned mode)
{
	int fd = atr_file_real.open(atr_file_real.context, path, flags, mode);

	(void)context;
	if (fd < 0)
		return fd;
	assert_true(fd < FDS_MAX);
	pthread_mutex_lock(&seen.lock);
	seen.of_fd[fd] = find(path);
	if (flags & O_CREAT) {
		seen.of_fd[fd]->dirty = 1;
		touch_parent(path);
	}
	pthread_mutex_unlock(&seen.lock);
	return fd;
}

static ssize_t watch_pwrite(void *context, int fd, const void *from, size_t bytes, uint64_t offset)
{
	ssize_t n = atr_file_real.pwrite(atr_file_real.context, fd, from, bytes, offset);
	struct atr_error err;
	int inside;

	(void)context;
	pthread_mutex_lock(&seen.lock);
	seen.of_fd[fd]->dirty = 1;
	inside = seen.sync_inside != NULL && strstr(seen.of_fd[fd]->path, ".blk") != NULL &&
	         seen.writes++ == seen.sync_at_write;
	pthread_mutex_unlock(&seen.lock);
	if (inside)
		assert_ok(atr_store_sync(seen.sync_inside, &err), &err);
	return n;
}

static int watch_sync(void *context, int fd)
{
	int result = atr_file_real.sync(atr_file_real.context, fd);

	(void)context;
	pthread_mutex_lock(&seen.lock);
	if (result >= 0)
		seen.of_fd[fd]->dirty = 0;
	pthread_mutex_unlock(&seen.lock);
	return result;
}

static const struct atr_file_table *watching(void)
{
	static struct atr_file_table table;

	table = atr_file_real;
	table.open = watch_open;
	table.pwrite = watch_pwrite;
	table.sync = watch_sync;
	return &table;
}

/* Every block, its key file and the directory of blocks are clean. Returns the blocks seen. */
static unsigned assert_durable(void)
{
	char key[512];
	unsigned blocks = 0;

	pthread_mutex_lock(&seen.lock);
	for (size_t i = 0; i < seen.count; i++) {
		const struct changed *c = &seen.paths[i];
		const char *suffix = strrchr(c->path, '.');

		if (strcmp(c->path + strlen(c->path) - 5, "/msgs") == 0 && c->dirty)
			fail_msg("%s is not synced", c->path);
		if (suffix == NULL || strcmp(suffix, ".blk") != 0)
			continue;
		blocks++;
		if (c->dirty)
			fail_msg("%s is not synced", c->path);
		snprintf(key, sizeof key, "%.*s.key", (int)(suffix - c->path), c->path);
		for (size_t k = 0; k < seen.count; k++)
			if (strcmp(seen.paths[k].path, key) == 0 && seen.paths[k].dirty)
				fail_msg("%s is not synced", key);
	}
	pthread_mutex_unlock(&seen.lock);
	return blocks;
}

static void forget(void)
{
	seen.count = 0;
	seen.writes = 0;
	seen.sync_inside = NULL;
	memset(seen.of_fd, 0, sizeof seen.of_fd);
}

struct policy {
	enum atr_flush flush;
	enum atr_sync sync;
	int32_t key_ahead;
	const char *cipher;
};

static const struct policy policies[] = {
        {ATR_FLUSH_EACH, ATR_SYNC_INTERVAL, 0, "aes"},
        {ATR_FLUSH_EACH, ATR_SYNC_INTERVAL, -1, "chachapoly"},
        {ATR_FLUSH_EACH, ATR_SYNC_INTERVAL, 0, "none"},
        {ATR_FLUSH_EACH, ATR_SYNC_NONE, 0, "aes"},
        {ATR_FLUSH_EACH, ATR_SYNC_ALWAYS, 0, "aes"},
        {ATR_FLUSH_EACH, ATR_SYNC_ALWAYS, -1, "aes"},
        {ATR_FLUSH_ASYNC, ATR_SYNC_INTERVAL, 0, "aes"},
        {ATR_FLUSH_ASYNC, ATR_SYNC_INTERVAL, -1, "chachapoly"},
        {ATR_FLUSH_ASYNC, ATR_SYNC_NONE, 0, "aes"},
};

static struct atr_store_options options_of(const struct policy *p)
{
	struct atr_store_options o = make_options(p->cipher);

	o.files = watching();
	o.flush = p->flush;
	o.sync = p->sync;
	o.key_ahead = p->key_ahead;
	o.block_bytes = 8192;
	return o;
}

static void a_sync_covers_blocks_keys_and_directory(void **state)
{
	for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
		struct atr_store_options o = options_of(&policies[i]);
		struct atr_store *store;
		struct atr_error err;
		const char *dir;
		char name[32];

		forget();
		snprintf(name, sizeof name, "covers-%d", (int)i);
		dir = make_stream_path(fixture_path(*state, name));
		assert_ok(atr_store_create(dir, &o, &store, &err), &err);
		make_append(store, 80, 1000);
		if (policies[i].sync == ATR_SYNC_ALWAYS)
			assert_true(assert_durable() >= 5);
		assert_ok(atr_store_sync(store, &err), &err);
		assert_true(assert_durable() >= 5);
		make_append(store, 3, 1000);
		assert_ok(atr_store_sync(store, &err), &err);
		assert_true(assert_durable() >= 5);
		assert_ok(atr_store_close(store, &err), &err);
	}
}

/* What a killed process left behind unsynced is the next one's to sync. */
static void a_sync_covers_what_an_earlier_process_left(void **state)
{
	for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
		struct atr_store_options o = options_of(&policies[i]);
		struct atr_store *store;
		struct atr_error err;
		const char *dir;
		char name[32];

		forget();
		snprintf(name, sizeof name, "left-%d", (int)i);
		dir = make_stream_path(fixture_path(*state, name));
		o.sync = ATR_SYNC_NONE;
		assert_ok(atr_store_create(dir, &o, &store, &err), &err);
		make_append(store, 80, 1000);
		assert_ok(atr_store_close(store, &err), &err);
		o = options_of(&policies[i]);
		assert_ok(atr_store_open(dir, &o, &store, &err), &err);
		make_append(store, 1, 1000);
		if (policies[i].sync != ATR_SYNC_ALWAYS)
			assert_ok(atr_store_sync(store, &err), &err);
		assert_true(assert_durable() >= 5);
		assert_ok(atr_store_close(store, &err), &err);
	}
}

/* A sync that comes while a block's first record is being written leaves block and key to the
 * next one. */
static void a_sync_inside_a_write_forgets_nothing(void **state)
{
	struct policy p = {ATR_FLUSH_EACH, ATR_SYNC_INTERVAL, -1, "aes"};

	for (int at = 0; at < 20; at++) {
		struct atr_store_options o = options_of(&p);
		struct atr_store *store;
		struct atr_error err;
		const char *dir;
		char name[32];

		forget();
		snprintf(name, sizeof name, "inside-%d", (int)at);
		dir = make_stream_path(fixture_path(*state, name));
		assert_ok(atr_store_create(dir, &o, &store, &err), &err);
		seen.sync_inside = store;
		seen.sync_at_write = at;
		make_append(store, 48, 1000);
		assert_ok(atr_store_sync(store, &err), &err);
		assert_true(assert_durable() >= 3);
		assert_ok(atr_store_close(store, &err), &err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_sync_covers_blocks_keys_and_directory),
	        cmocka_unit_test(a_sync_covers_what_an_earlier_process_left),
	        cmocka_unit_test(a_sync_inside_a_write_forgets_nothing),
	};

	return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
