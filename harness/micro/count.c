/* count.c - atrest-count: fixed work on one thread, for counting instructions under callgrind.
 *
 *   append    messages into a stream, each written: hash, record, cipher, pwrite, subject index
 *   read      the same messages in sequence from a stream that was closed and opened again
 *   seal      a record's cipher call as an append makes it: in order, key stream made ahead
 *   open      a record's share of deciphering blocks as a reader does, in pieces of 256 KiB
 *   key-seal  a block's key: seed made, key-encryption key derived, sealed (AEAD)
 *   key-open  the same file opened again
 *   recover   a message's share of opening the stream without its state file
 *
 * Each operation is one function, counted_..., that scripts/count-instructions tells callgrind to
 * count alone; what comes before and after it is not counted. Its first calls are made outside, so
 * that the dynamic linker has found its symbols. It prints "operation count" as each is done.
 *
 * Nothing in it may vary: payloads are seeded, times given, there are no threads (no keys made
 * ahead, no flusher, no timer of syncs), other processes are not looked for, and no instruction
 * depends on the bytes of random keys. System calls are one instruction each.
 */
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ciphers/cipher.h"
#include "harness/micro/bench.h"
#include "store/keyfile.h"

#define MESSAGES      2048u /* a little more than a block */
#define FIRST         64u   /* before what is counted */
#define KEYS          64u
#define PAYLOAD_BYTES 1024u
#define RECORD_BYTES  1066u
#define PIECE_BYTES   (256u * 1024u)
#define PIECES        8u
/* So many records lie in what is opened. */
#define OPENED     (PIECES * PIECE_BYTES / RECORD_BYTES)
#define POOL_BYTES ((size_t)1 << 20)
#define SUBJECT    "orders.eu.12"
#define STREAM     "COUNT"
#define ACCOUNT    "$G"

static const uint8_t server_key[] = "a throwaway key of no store";

struct counter {
	const struct atr_cipher *cipher;
	char dir[PATH_MAX]; /* of the stream */
	uint8_t *pool;
	uint8_t *out; /* POOL_BYTES */
	struct atr_store *store;
	struct atr_reader *reader;
	struct atr_keystream *stream;
	uint64_t at; /* sequence or offset to go on at */
	uint8_t sealed[ATR_KEYFILE_BYTES_MAX];
	size_t sealed_bytes;
};

/* ---- the store ---- */

/* Opening looks through the processes of the machine for one that has the stream open: its cost is
 * their number, and none has. */
static int no_holder(void *context, const char *path)
{
	(void)context;
	(void)path;
	return 0;
}

static struct atr_store_options options_of(const struct counter *c)
{
	static struct atr_file_table files;

	files = atr_file_real;
	files.holder = no_holder;
	struct atr_store_options o = {.files = &files,
	                              .cipher = c->cipher,
	                              .sync = ATR_SYNC_NONE,
	                              .flush = ATR_FLUSH_EACH,
	                              .key_ahead = -1,
	                              .stream = STREAM,
	                              .account = ACCOUNT,
	                              .config_json = "{\"subjects\":[\">\"]}"};

	if (atr_cipher_encrypts(c->cipher)) {
		o.key = server_key;
		o.key_bytes = sizeof server_key - 1;
	}
	return o;
}

static void append_some(struct counter *c, unsigned count)
{
	struct atr_message m = {.subject = SUBJECT,
	                        .subject_bytes = sizeof SUBJECT - 1,
	                        .payload_bytes = PAYLOAD_BYTES};
	struct atr_error err;

	for (unsigned i = 0; i < count; i++, c->at++) {
		m.payload = c->pool + c->at * 4096 % (POOL_BYTES - PAYLOAD_BYTES);
		m.time_ns = (int64_t)(1700000000000000000u + c->at * 1000);
		bench_check(atr_store_append(c->store, &m, NULL, &err), &err);
	}
}

static void read_some(struct counter *c, unsigned count)
{
	struct atr_message m;
	struct atr_error err;

	for (unsigned i = 0; i < count; i++) {
		bench_check(atr_reader_next(c->reader, c->at, &m, &err), &err);
		if (m.sequence != c->at || m.payload_bytes != PAYLOAD_BYTES)
			bench_die("the store", "another message than was appended");
		c->at++;
	}
}

static void append_ready(struct counter *c)
{
	struct atr_store_options o = options_of(c);
	struct atr_error err;

	bench_check(atr_store_create(c->dir, &o, &c->store, &err), &err);
	c->at = 1;
	append_some(c, FIRST);
}

static void append_end(struct counter *c)
{
	struct atr_error err;

	bench_check(atr_store_close(c->store, &err), &err);
}

static void open_store(struct counter *c)
{
	struct atr_store_options o = options_of(c);
	struct atr_error err;

	bench_check(atr_store_open(c->dir, &o, &c->store, &err), &err);
}

static void read_ready(struct counter *c)
{
	struct atr_error err;

	open_store(c);
	bench_check(atr_reader_open(c->store, &c->reader, &err), &err);
	c->at = 1;
	read_some(c, FIRST);
}

static void read_end(struct counter *c)
{
	struct atr_error err;

	atr_reader_close(c->reader);
	bench_check(atr_store_close(c->store, &err), &err);
}

/* Opened once before, so the state file is removed here and, if closing made one, again. */
static void recover_ready(struct counter *c)
{
	char path[PATH_MAX + 32];

	(void)snprintf(path, sizeof path, "%s/msgs/index.db", c->dir);
	if (unlink(path) != 0)
		bench_die(path, "there is no state file to remove");
	open_store(c);
	append_end(c);
	(void)unlink(path);
}

/* ---- the cipher ---- */

static void stream_ready(struct counter *c, size_t ahead_bytes)
{
	static const uint8_t key[ATR_CIPHER_KEY_BYTES] = {1};
	static const uint8_t nonce[ATR_CIPHER_NONCE_BYTES_MAX] = {2};

	c->stream = atr_keystream_new(c->cipher, key, nonce, ahead_bytes);
	if (c->stream == NULL)
		bench_die("the cipher", "no context");
	c->at = 0;
}

static void xor_some(struct counter *c, size_t bytes, uint64_t end)
{
	while (c->at < end) {
		size_t from = (size_t)(c->at % (POOL_BYTES - bytes + 1)) & ~(size_t)63;

		if (atr_keystream_xor(c->stream, c->at, c->pool + from, c->out, bytes) != 0)
			bench_die("the cipher", "the library failed");
		c->at += bytes;
	}
}

static void seal_ready(struct counter *c)
{
	stream_ready(c, ATR_KEYSTREAM_AHEAD_BYTES_DEFAULT);
	xor_some(c, RECORD_BYTES, (uint64_t)FIRST * RECORD_BYTES);
}

static void open_ready(struct counter *c)
{
	stream_ready(c, 0);
	xor_some(c, PIECE_BYTES, PIECE_BYTES);
}

static void stream_end(struct counter *c)
{
	atr_keystream_free(c->stream);
}

static void seal_keys(struct counter *c, unsigned count)
{
	struct atr_seed seed;

	for (unsigned i = 0; i < count; i++)
		if (atr_keyfile_make(&atr_file_real, c->cipher, &seed) != ATR_OK ||
		    atr_keyfile_seal(&seed, server_key, sizeof server_key - 1, ACCOUNT, STREAM ":1",
		                     c->sealed, &c->sealed_bytes) != ATR_OK)
			bench_die("the key file", "it could not be sealed");
}

static void open_keys(struct counter *c, unsigned count)
{
	const struct atr_keyring ring = {.key = server_key, .key_bytes = sizeof server_key - 1};
	struct atr_seed seed;

	for (unsigned i = 0; i < count; i++)
		if (atr_keyfile_open(&ring, c->cipher, ACCOUNT, STREAM ":1", c->sealed,
		                     c->sealed_bytes, &seed) != ATR_OK)
			bench_die("the key file", "it did not open");
}

static void key_seal_ready(struct counter *c)
{
	seal_keys(c, 2);
}

static void key_open_ready(struct counter *c)
{
	open_keys(c, 2);
}

/* ---- what is counted ----
 *
 * Global and called through a pointer, so that each is a function with a name of its own in every
 * build. */

#define COUNTED __attribute__((noinline, used))

void counted_nothing(struct counter *c);
void counted_append(struct counter *c);
void counted_read(struct counter *c);
void counted_seal(struct counter *c);
void counted_open(struct counter *c);
void counted_key_seal(struct counter *c);
void counted_key_open(struct counter *c);
void counted_recover(struct counter *c);

/* Called before each, so that what was counted up to there can be put aside. */
COUNTED void counted_nothing(struct counter *c)
{
	(void)c;
}

COUNTED void counted_append(struct counter *c)
{
	append_some(c, MESSAGES);
}

COUNTED void counted_read(struct counter *c)
{
	read_some(c, MESSAGES);
}

COUNTED void counted_seal(struct counter *c)
{
	xor_some(c, RECORD_BYTES, c->at + (uint64_t)MESSAGES * RECORD_BYTES);
}

COUNTED void counted_open(struct counter *c)
{
	xor_some(c, PIECE_BYTES, c->at + PIECES * PIECE_BYTES);
}

COUNTED void counted_key_seal(struct counter *c)
{
	seal_keys(c, KEYS);
}

COUNTED void counted_key_open(struct counter *c)
{
	open_keys(c, KEYS);
}

COUNTED void counted_recover(struct counter *c)
{
	open_store(c);
}

/* In this order: read and recover need the stream that append made. */
static const struct operation {
	const char *name;
	unsigned count; /* divides what is counted */
	int encrypts;   /* only under a cipher */
	void (*ready)(struct counter *c);
	void (*counted)(struct counter *c);
	void (*end)(struct counter *c); /* NULL: nothing is left */
} operations[] = {
        {"append", MESSAGES, 0, append_ready, counted_append, append_end},
        {"read", MESSAGES, 0, read_ready, counted_read, read_end},
        {"recover", MESSAGES + FIRST, 0, recover_ready, counted_recover, append_end},
        {"seal", MESSAGES, 1, seal_ready, counted_seal, stream_end},
        {"open", OPENED, 1, open_ready, counted_open, stream_end},
        {"key-seal", KEYS, 1, key_seal_ready, counted_key_seal, NULL},
        {"key-open", KEYS, 1, key_open_ready, counted_key_open, NULL},
};

/* ---- the program ---- */

static void fill_pool(struct counter *c)
{
	uint64_t x = 0x9e3779b97f4a7c15u;

	c->pool = malloc(POOL_BYTES);
	c->out = malloc(POOL_BYTES);
	if (c->pool == NULL || c->out == NULL)
		bench_die("memory", "none left");
	for (size_t i = 0; i < POOL_BYTES; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		c->pool[i] = (uint8_t)x;
	}
}

static void run_operations(struct counter *c)
{
	void (*volatile nothing)(struct counter *) = counted_nothing;

	for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
		const struct operation *o = &operations[i];

		if (o->encrypts && !atr_cipher_encrypts(c->cipher))
			continue;
		o->ready(c);
		nothing(c);
		o->counted(c);
		if (o->end != NULL)
			o->end(c);
		(void)printf("%s %u\n", o->name, o->count);
	}
}

static int list(void)
{
	const struct atr_cipher *c;

	for (size_t i = 0; (c = atr_cipher_at(i)) != NULL; i++)
		(void)printf("%s %s %s\n", atr_cipher_name(c), atr_cipher_provider(c),
		             atr_cipher_library(c));
	return fflush(stdout) == 0 ? 0 : 4;
}

/* As symbols: key-seal is counted_key_seal. */
static int list_functions(void)
{
	(void)puts("counted_nothing");
	for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
		char name[32];

		(void)snprintf(name, sizeof name, "%s", operations[i].name);
		for (char *at = name; *at != '\0'; at++)
			*at = *at == '-' ? '_' : *at;
		(void)printf("counted_%s\n", name);
	}
	return fflush(stdout) == 0 ? 0 : 4;
}

static int usage(FILE *out, int code)
{
	(void)fprintf(out,
	              "usage: atrest-count --list | --functions | CIPHER PROVIDER\n"
	              "  does a fixed number of each operation on one thread, to be counted by\n"
	              "  scripts/count-instructions; --list: ciphers, providers, libraries;\n"
	              "  --functions: names of the functions that do what is counted\n"
	              "  Example: atrest-count aes openssl\n");
	return code;
}

int main(int argc, char **argv)
{
	static struct counter c;
	const char *parent = getenv("TMPDIR");
	char work[PATH_MAX];

	if (argc == 2 && strcmp(argv[1], "--list") == 0)
		return list();
	if (argc == 2 && strcmp(argv[1], "--functions") == 0)
		return list_functions();
	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return usage(stdout, 0);
	if (argc != 3 || (c.cipher = atr_cipher_find(argv[1], argv[2])) == NULL)
		return usage(stderr, 2);
	if (parent == NULL || parent[0] == '\0')
		parent = "/tmp";
	if (snprintf(work, sizeof work, "%s/atrest-count-XXXXXX", parent) >= (int)sizeof work - 8 ||
	    mkdtemp(work) == NULL)
		bench_die(parent, "no directory can be made there");
	if (atr_store_path(c.dir, sizeof c.dir, work, ACCOUNT, STREAM) != 0)
		bench_die(parent, "the path is too long");
	json_object_seed(1); /* else the order of members in its tables is random */
	fill_pool(&c);
	run_operations(&c);
	bench_remove(work);
	free(c.pool);
	free(c.out);
	return fflush(stdout) == 0 ? 0 : 4;
}
