/* ratios_parts.c - what the machine needs for each part of an append or a read, alone. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ciphers/cipher.h"
#include "harness/measure/clock.h"
#include "harness/micro/ratios.h"
#include "store/hash.h"

#define PIECE_BYTES      ((size_t)128 * 1024)
#define READ_PIECE_BYTES ((size_t)256 * 1024)
#define BLOCK_BYTES      ((size_t)2 * 1024 * 1024)
#define FILES_MAX        32u
#define LOOP_NS          UINT64_C(3000000)
/* A pool is copied from at 53 to 73 GB/s alone, at 40 between other work. */
#define COPY_SHARE 1.5

static uint8_t *scratch; /* BLOCK_BYTES */
static uint64_t files_made;

static int open_next(const char *dir)
{
	char path[PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof path, "%s/part-%llu", dir, (unsigned long long)files_made++);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0)
		bench_die(path, "cannot be created");
	return fd;
}

/* Drops the dirty pages; the file itself goes at the end. */
static void finish(int fd)
{
	if (ftruncate(fd, 0) != 0 || close(fd) != 0)
		bench_die("a measuring file", "cannot be cut");
}

static void put(int fd, const void *from, size_t bytes, size_t offset)
{
	if (pwrite(fd, from, bytes, (off_t)offset) != (ssize_t)bytes)
		bench_die("a measuring file", "cannot be written");
}

/* ns per pwrite of `bytes`, appending in files of a block's size, and ns per byte read back from
 * all of them. The files are cut only afterwards, as the store's are: pages that were just given
 * back are in the cache and would make the next writes look cheap. */
static double time_writes(const char *dir, size_t bytes, uint64_t total_bytes, double *read_byte)
{
	unsigned files = (unsigned)(total_bytes / BLOCK_BYTES), i;
	uint64_t start = 0, ns = 0, writes = 0;
	int fd[FILES_MAX];

	for (i = 0; i < files; i++) {
		fd[i] = open_next(dir);
		start = ratios_now_ns();
		for (size_t at = 0; at + bytes <= BLOCK_BYTES; at += bytes, writes++)
			put(fd[i], ratios_pool + at % (RATIOS_POOL_BYTES - bytes), bytes, at);
		ns += ratios_now_ns() - start;
	}
	start = ratios_now_ns();
	for (i = 0; i < files && read_byte != NULL; i++)
		for (size_t at = 0; at < BLOCK_BYTES; at += READ_PIECE_BYTES)
			if (pread(fd[i], scratch, READ_PIECE_BYTES, (off_t)at) !=
			    (ssize_t)READ_PIECE_BYTES)
				bench_die("a measuring file", "cannot be read");
	if (read_byte != NULL)
		*read_byte = (double)(ratios_now_ns() - start) / (double)(files * BLOCK_BYTES);
	for (i = files; i > 0;)
		finish(fd[--i]);
	return (double)ns / (double)writes;
}

/* Aligned to a page as the store's buffers are: the kernel's copy into memory that is not was seen
 * to take six times as long. Touched, since a first touch is the machine's time and not a part's.
 */
static uint8_t *new_scratch(void)
{
	void *memory = NULL;

	if (posix_memalign(&memory, 4096, BLOCK_BYTES) != 0)
		bench_die("memory", "none left");
	memset(memory, 0, BLOCK_BYTES);
	return memory;
}

static double time_hash(size_t bytes)
{
	struct atr_hash_key key;
	uint64_t start = ratios_now_ns(), calls = 0, sum = 0;

	(void)atr_hash_key_init(&key, "S-1");
	do {
		for (unsigned i = 0; i < 64; i++)
			sum += atr_hash64(&key, scratch + i % 8 * 8, bytes);
		calls += 64;
	} while (ratios_now_ns() - start < LOOP_NS);
	start = ratios_now_ns() - start;
	if (sum == 1)
		puts(""); /* the sum is wanted */
	return (double)start / (double)calls;
}

static double time_copy(void)
{
	uint64_t start = ratios_now_ns(), bytes = 0;

	do {
		for (size_t at = 0; at + 4096 <= RATIOS_POOL_BYTES; at += 4096)
			memcpy(scratch + at % (64 * 1024), ratios_pool + at, 4096);
		bytes += RATIOS_POOL_BYTES / 4096 * 4096;
	} while (ratios_now_ns() - start < LOOP_NS);
	return (double)(ratios_now_ns() - start) / (double)bytes;
}

static double time_clock(void)
{
	uint64_t start = ratios_now_ns(), calls = 0, sum = 0;

	do {
		for (unsigned i = 0; i < 64; i++)
			sum += clock_unix_ns();
		calls += 64;
	} while (ratios_now_ns() - start < LOOP_NS / 3);
	start = ratios_now_ns() - start;
	if (sum == 1)
		puts("");
	return (double)start / (double)calls;
}

/* ns per call of `bytes` that continue the key stream, out of place. */
static double time_cipher(const char *name, size_t bytes)
{
	static const uint8_t seed[32] = {1}, nonce[24] = {2};
	struct atr_keystream *s = atr_keystream_new(atr_cipher_find(name, NULL), seed, nonce, 0);
	uint64_t start, calls = 0, offset = 0;

	if (s == NULL)
		bench_die(name, "no cipher context");
	start = ratios_now_ns();
	do {
		for (unsigned i = 0; i < 8; i++, offset += bytes)
			if (atr_keystream_xor(s, offset, ratios_pool, scratch, bytes) != 0)
				bench_die(name, "the cipher failed");
		calls += 8;
	} while (ratios_now_ns() - start < LOOP_NS);
	start = ratios_now_ns() - start;
	atr_keystream_free(s);
	return (double)start / (double)calls;
}

void parts_measure(const char *dir, size_t size, struct parts *out)
{
	size_t r = ratios_record_bytes(size);
	uint64_t start;

	memset(out, 0, sizeof *out);
	if (scratch == NULL)
		scratch = new_scratch();
	out->record_bytes = (double)r;
	start = ratios_now_ns();
	finish(open_next(dir));
	out->create_file = (double)(ratios_now_ns() - start);
	out->clock = time_clock();
	out->copy_byte = time_copy() * COPY_SHARE;
	out->piece_write_byte =
	        time_writes(dir, PIECE_BYTES, FILES_MAX * BLOCK_BYTES, &out->piece_read_byte) /
	        (double)PIECE_BYTES;
	out->hash = time_hash(r);
	out->write = time_writes(dir, r, ratios_each_bytes(size), NULL);
	for (size_t c = 1; c < RATIOS_CIPHERS; c++) {
		out->cipher_call[c] = time_cipher(ratios_cipher[c], r);
		out->cipher_byte[c] =
		        time_cipher(ratios_cipher[c], PIECE_BYTES) / (double)PIECE_BYTES;
	}
}

static double common(const struct parts *p)
{
	return p->hash + p->record_bytes * p->copy_byte + 5;
}

double parts_async(const struct parts *p, size_t cipher)
{
	return p->clock + common(p) +
	       p->record_bytes * (p->piece_write_byte + p->cipher_byte[cipher]);
}

double parts_each(const struct parts *p, size_t cipher)
{
	return p->clock + common(p) + p->write + p->cipher_call[cipher];
}

double parts_read(const struct parts *p, size_t cipher)
{
	return common(p) + p->record_bytes * (p->piece_read_byte + p->cipher_byte[cipher]);
}
