/* ratios_store.c - the store itself: append, sync always, read, open, get, and its memory. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/analysis/stats.h"
#include "harness/measure/clock.h"
#include "harness/micro/ratios.h"

#define SLICE_MESSAGES UINT64_C(500000)
#define SYNC_MESSAGES  24
#define GETS           2000

static const uint8_t key[] = "ratios key";
static uint64_t streams_made;

static struct atr_store_options options_of(const char *cipher)
{
	struct atr_store_options o = {.cipher = atr_cipher_find(cipher, NULL),
	                              .sync = ATR_SYNC_NONE,
	                              .stream = "S",
	                              .account = "$G"};

	if (atr_cipher_encrypts(o.cipher)) {
		o.key = key;
		o.key_bytes = sizeof key - 1;
	}
	o.config_json = "{\"subjects\":[\"" RATIOS_SUBJECT "\"]}";
	return o;
}

static const char *next_stream(const char *dir)
{
	static char path[PATH_MAX];

	(void)snprintf(path, sizeof path, "%s/stream-%" PRIu64, dir, streams_made++);
	return path;
}

static uint64_t messages_of(size_t size, uint64_t bytes, uint64_t most)
{
	uint64_t n = bytes / ratios_record_bytes(size);

	return n < most ? n : most;
}

/* ns for `count` messages, the last one written. */
static double time_append(struct atr_store *store, size_t payload_bytes, uint64_t count)
{
	struct atr_message m = {.subject = RATIOS_SUBJECT,
	                        .subject_bytes = sizeof RATIOS_SUBJECT - 1,
	                        .payload_bytes = payload_bytes};
	size_t at = 0, step = (payload_bytes + 63) / 64 * 64;
	struct atr_error err;
	uint64_t start = ratios_now_ns();

	for (uint64_t i = 0; i < count; i++) {
		m.payload = ratios_pool + at;
		at = at + 2 * step <= RATIOS_POOL_BYTES ? at + step : 0;
		bench_check(atr_store_append(store, &m, NULL, &err), &err);
	}
	bench_check(atr_store_flush(store, &err), &err);
	return (double)(ratios_now_ns() - start);
}

static double time_next(struct atr_store *store, uint64_t count)
{
	struct atr_reader *reader;
	struct atr_message m;
	struct atr_error err;
	uint64_t start = ratios_now_ns();

	bench_check(atr_reader_open(store, &reader, &err), &err);
	for (uint64_t i = 1; i <= count; i++)
		bench_check(atr_reader_next(reader, i, &m, &err), &err);
	start = ratios_now_ns() - start;
	atr_reader_close(reader);
	return (double)start;
}

/* Gets at random, each block visited before: its offsets are known. */
static double time_get(struct atr_store *store, uint64_t count)
{
	uint64_t start, random = 88172645463325252, stride = count / 500 + 1;
	struct atr_reader *reader;
	struct atr_message m;
	struct atr_error err;

	bench_check(atr_reader_open(store, &reader, &err), &err);
	for (uint64_t i = 1; i <= count; i += stride)
		bench_check(atr_reader_get(reader, i, &m, &err), &err);
	start = ratios_now_ns();
	for (unsigned i = 0; i < GETS; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		bench_check(atr_reader_get(reader, 1 + random % count, &m, &err), &err);
	}
	start = ratios_now_ns() - start;
	atr_reader_close(reader);
	return (double)start / GETS;
}

/* Cuts the files of msgs/ to length 0: their pages are dropped unwritten. */
static void cut_files(const char *stream)
{
	char path[2 * PATH_MAX];
	const struct dirent *entry;
	DIR *dir;

	(void)snprintf(path, sizeof path, "%s/msgs", stream);
	dir = opendir(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		(void)snprintf(path, sizeof path, "%s/msgs/%s", stream, entry->d_name);
		if (entry->d_name[0] != '.' && truncate(path, 0) != 0)
			bench_die(path, "cannot be cut");
	}
	if (dir != NULL)
		(void)closedir(dir);
}

/* The next open reads the blocks. */
static void remove_index(const char *stream)
{
	char path[2 * PATH_MAX];

	(void)snprintf(path, sizeof path, "%s/msgs/index.db", stream);
	if (unlink(path) != 0)
		bench_die(path, "cannot be removed");
}

static void close_store(struct atr_store *store)
{
	struct atr_error err;

	bench_check(atr_store_close(store, &err), &err);
}

static void measure_async(const char *dir, const struct atr_store_options *base, size_t size,
                          struct figures *out)
{
	uint64_t count = messages_of(size, RATIOS_SLICE_BYTES, SLICE_MESSAGES), start;
	struct atr_store_options o = *base;
	const char *path = next_stream(dir);
	struct atr_file_table files;
	struct atr_store *store;
	struct atr_error err;

	o.flush = ATR_FLUSH_ASYNC;
	bench_check(atr_store_create(path, &o, &store, &err), &err);
	bench_check(atr_store_fill_keys(store, &err), &err);
	out->async = time_append(store, ratios_payload[size], count) / (double)count;
	out->read = time_next(store, count) / (double)count;
	close_store(store);
	/* The look at every process of the machine costs the same few milliseconds for a stream of
	 * any length: in a stream this short they would be most of it. */
	files = atr_file_real;
	files.holder = NULL;
	o.files = &files;
	o.read = ATR_READ_RECORD;
	/* a flusher's 6 MiB of buffers, touched when it starts, belong to appending */
	o.flush = ATR_FLUSH_EACH;
	start = ratios_now_ns();
	bench_check(atr_store_open(path, &o, &store, &err), &err);
	out->open_state_ms = (double)(ratios_now_ns() - start) / 1e6;
	close_store(store);
	remove_index(path);
	start = ratios_now_ns();
	bench_check(atr_store_open(path, &o, &store, &err), &err);
	out->open = (double)(ratios_now_ns() - start) / (double)count;
	out->get = time_get(store, count);
	close_store(store);
	cut_files(path);
}

/* A bare write and sync, then an append that is synced, in turn: what the disk does meanwhile
 * meets both. Medians, since single syncs differ tenfold. */
static void measure_always(const char *dir, const struct atr_store_options *base, size_t size,
                           struct figures *out)
{
	double bare[SYNC_MESSAGES], ours[SYNC_MESSAGES];
	size_t r = ratios_record_bytes(size);
	struct atr_store_options o = *base;
	const char *path = next_stream(dir);
	struct atr_store *store;
	struct atr_error err;
	char file[PATH_MAX + 8];
	uint64_t start;
	int fd;

	o.sync = ATR_SYNC_ALWAYS;
	bench_check(atr_store_create(path, &o, &store, &err), &err);
	bench_check(atr_store_fill_keys(store, &err), &err);
	(void)snprintf(file, sizeof file, "%s/bare", path);
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0)
		bench_die(file, "cannot be created");
	(void)time_append(store, ratios_payload[size], 1); /* the block is made */
	for (size_t i = 0; i < SYNC_MESSAGES; i++) {
		start = ratios_now_ns();
		if (pwrite(fd, ratios_pool, r, (off_t)(i * r)) != (ssize_t)r || fsync(fd) != 0)
			bench_die(file, "cannot be written");
		bare[i] = (double)(ratios_now_ns() - start);
		ours[i] = time_append(store, ratios_payload[size], 1);
	}
	out->always = stats_median(ours, SYNC_MESSAGES);
	out->always_parts = stats_median(bare, SYNC_MESSAGES);
	if (ftruncate(fd, 0) != 0 || close(fd) != 0)
		bench_die(file, "cannot be cut");
	close_store(store);
	cut_files(path);
}

void figures_measure(const char *dir, size_t cipher, size_t size, struct figures *out)
{
	struct atr_store_options o = options_of(ratios_cipher[cipher]);
	uint64_t count = messages_of(size, ratios_each_bytes(size), RATIOS_EACH_MESSAGES);
	struct atr_store *store;
	struct atr_error err;
	const char *path;

	measure_async(dir, &o, size, out);

	path = next_stream(dir);
	bench_check(atr_store_create(path, &o, &store, &err), &err);
	bench_check(atr_store_fill_keys(store, &err), &err);
	out->each = time_append(store, ratios_payload[size], count) / (double)count;
	close_store(store);
	cut_files(path);

	measure_always(dir, &o, size, out);
}

/* ---- memory ---- */

static uint64_t peak_bytes(void)
{
	unsigned long long kib = 0;
	char line[128];
	FILE *f = fopen("/proc/self/status", "r");

	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "VmHWM: %llu", &kib) == 1)
			break;
	if (f != NULL)
		(void)fclose(f);
	return kib * 1024;
}

int memory_child(const char *step, const char *dir, const char *cipher, const char *bytes)
{
	uint64_t count = strtoull(bytes, NULL, 10) / ratios_record_bytes(2);
	struct atr_store_options o = options_of(cipher);
	struct atr_store *store;
	struct atr_store_state s;
	struct atr_error err;

	o.flush = ATR_FLUSH_ASYNC;
	if (strcmp(step, "open") == 0)
		remove_index(dir); /* reading all blocks is what takes memory */
	bench_check(strcmp(step, "append") == 0 ? atr_store_create(dir, &o, &store, &err)
	                                        : atr_store_open(dir, &o, &store, &err),
	            &err);
	if (strcmp(step, "append") == 0)
		(void)time_append(store, ratios_payload[2], count);
	if (strcmp(step, "read") == 0)
		(void)time_next(store, count);
	atr_store_state(store, &s);
	close_store(store);
	(void)printf("%" PRIu64 " %" PRIu64 "\n", peak_bytes(), s.blocks);
	return 0;
}

static uint64_t run_child(const char *program, const char *step, const char *dir,
                          const char *cipher, uint64_t bytes, uint64_t *blocks)
{
	char text[32];
	uint64_t peak = 0;
	int ends[2], ended;
	FILE *from;
	pid_t pid;

	(void)snprintf(text, sizeof text, "%" PRIu64, bytes);
	if (pipe(ends) != 0 || (pid = fork()) < 0)
		bench_die("memory", "no process");
	if (pid == 0) {
		(void)dup2(ends[1], STDOUT_FILENO);
		(void)execl(program, program, "--memory", step, dir, cipher, text, (char *)NULL);
		_exit(127);
	}
	(void)close(ends[1]);
	from = fdopen(ends[0], "r");
	if (from == NULL || fscanf(from, "%" SCNu64 " %" SCNu64, &peak, blocks) != 2)
		bench_die("memory", "the measuring process failed");
	(void)fclose(from);
	(void)waitpid(pid, &ended, 0);
	return peak;
}

void memory_measure(const char *program, const char *dir, size_t cipher, uint64_t bytes,
                    struct memory *out)
{
	const char *name = ratios_cipher[cipher], *path = next_stream(dir);

	out->append = run_child(program, "append", path, name, bytes, &out->blocks);
	out->open = run_child(program, "open", path, name, bytes, &out->blocks);
	out->read = run_child(program, "read", path, name, bytes, &out->blocks);
	cut_files(path);
}
