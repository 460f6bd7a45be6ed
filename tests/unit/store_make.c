#include "tests/unit/store_make.h"

#include <stdlib.h>
#include <string.h>

#define PAYLOAD_MAX ((size_t)33 * 1024 * 1024)

const char *const make_ciphers[3] = {"none", "chachapoly", "aes"};

/* Filled once, by the first test: a store may have threads that read it. */
static struct atr_file_table files;

struct atr_store_options make_options(const char *cipher)
{
	struct atr_store_options o = {.files = &files};

	/* a look at every process of the machine, thousands of times, would take most of the time;
	 * test_file has it */
	if (files.open == NULL) {
		files = atr_file_real;
		files.holder = NULL;
	}
	o.cipher = atr_cipher_find(cipher, NULL);
	if (atr_cipher_encrypts(o.cipher)) {
		o.key = (const uint8_t *)MAKE_KEY;
		o.key_bytes = strlen(MAKE_KEY);
	}
	o.sync = ATR_SYNC_NONE;
	return o;
}

const char *make_stream_path(const char *dir)
{
	static char path[PATH_MAX];

	assert_int_equal(atr_store_path(path, sizeof path, dir, "$G", "S"), 0);
	return path;
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

struct atr_message make_message(uint64_t sequence, size_t payload_max)
{
	static uint8_t *payload;
	static char subject[64];
	struct atr_message m = {.sequence = sequence, .time_ns = (int64_t)mix(sequence) >> 1};

	if (payload == NULL)
		payload = calloc(1, PAYLOAD_MAX);
	(void)snprintf(subject, sizeof subject, "s.%llu", (unsigned long long)(sequence % 1000));
	m.subject = subject;
	m.subject_bytes = strlen(subject);
	if (sequence % 3 == 0) {
		m.headers = (const uint8_t *)"NATS/1.0\r\nA: b\r\n\r\n";
		m.headers_bytes = 18;
	}
	m.payload = payload;
	m.payload_bytes = payload_max > 0 ? mix(sequence) % payload_max : 0;
	for (size_t i = 0; i < m.payload_bytes && i < 64; i += 8)
		memcpy(payload + i, &(uint64_t){mix(sequence + i)}, 8);
	return m;
}

void make_append(struct atr_store *store, uint64_t count, size_t payload_max)
{
	struct atr_store_state state;
	struct atr_error err;
	uint64_t sequence;

	atr_store_state(store, &state);
	for (uint64_t i = 1; i <= count; i++) {
		struct atr_message m = make_message(state.last_seq + i, payload_max);

		m.sequence = 0;
		assert_ok(atr_store_append(store, &m, &sequence, &err), &err);
		assert_int_equal(sequence, state.last_seq + i);
	}
}

void make_check(const struct atr_message *m, uint64_t sequence, size_t payload_max)
{
	struct atr_message want = make_message(sequence, payload_max);

	assert_int_equal(m->sequence, sequence);
	assert_true(m->time_ns == want.time_ns);
	assert_int_equal(m->subject_bytes, want.subject_bytes);
	assert_memory_equal(m->subject, want.subject, want.subject_bytes);
	assert_int_equal(m->headers_bytes, want.headers_bytes);
	if (want.headers_bytes > 0)
		assert_memory_equal(m->headers, want.headers, want.headers_bytes);
	assert_int_equal(m->payload_bytes, want.payload_bytes);
	if (want.payload_bytes > 0)
		assert_memory_equal(m->payload, want.payload, want.payload_bytes);
}

void make_check_all(struct atr_store *store, uint64_t first, uint64_t last, size_t payload_max)
{
	struct atr_reader *reader;
	struct atr_message m;
	struct atr_error err;
	uint64_t at = first;

	assert_ok(atr_reader_open(store, &reader, &err), &err);
	for (; at <= last; at++) {
		assert_ok(atr_reader_next(reader, at, &m, &err), &err);
		make_check(&m, at, payload_max);
	}
	assert_status(atr_reader_next(reader, at, &m, &err), ATR_END, &err);
	/* by sequence: from both ends, so that blocks change */
	for (uint64_t i = 0; first + i <= last; i++) {
		at = i % 2 == 0 ? first + i / 2 : last - i / 2;
		assert_ok(atr_reader_get(reader, at, &m, &err), &err);
		make_check(&m, at, payload_max);
	}
	assert_status(atr_reader_get(reader, last + 1, &m, &err), ATR_ENOTFOUND, &err);
	atr_reader_close(reader);
}

struct atr_store *make_variant(void **state, unsigned v, const struct atr_store_options *o,
                               char dir[PATH_MAX])
{
	struct atr_store *store;
	struct atr_error err;

	(void)snprintf(dir, PATH_MAX, "%s/%u", (const char *)*state, v);
	assert_ok(atr_store_create(make_stream_path(dir), o, &store, &err), &err);
	return store;
}

struct atr_store *make_reopen(struct atr_store *store, const struct atr_store_options *o,
                              const char *dir)
{
	struct atr_error err;

	assert_ok(atr_store_close(store, &err), &err);
	assert_ok(atr_store_open(make_stream_path(dir), o, &store, &err), &err);
	return store;
}
