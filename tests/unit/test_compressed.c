/* Streams with compressed blocks, as servers leave them: opened, read every way, appended to. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/store_compress.h"
#include "tests/unit/store_make.h"

#define BLOCK_BYTES 32000u
#define PAYLOAD_MAX 2000u
#define MESSAGES    400u

static const char *msgs_file(const char *dir, unsigned number, const char *suffix)
{
	char name[64];

	(void)snprintf(name, sizeof name, "msgs/%u.%s", number, suffix);
	return fixture_path(make_stream_path(dir), name);
}

static void compress_file(const char *dir, unsigned number)
{
	char stream_dir[PATH_MAX];

	(void)snprintf(stream_dir, sizeof stream_dir, "%s", make_stream_path(dir));
	compress_block_file(stream_dir, "S", MAKE_KEY, number);
}

/* A closed stream of MESSAGES; returns its number of blocks. */
static unsigned make_stream(const char *dir, struct atr_store_options o)
{
	struct atr_store *store;
	struct atr_error err;

	assert_ok(atr_store_create(make_stream_path(dir), &o, &store, &err), &err);
	make_append(store, MESSAGES, PAYLOAD_MAX);
	assert_ok(atr_store_close(store, &err), &err);
	/* what a state file says of it is not looked at here */
	(void)remove(fixture_path(make_stream_path(dir), "msgs/index.db"));
	return (unsigned)fixture_count(make_stream_path(dir), ".blk");
}

static struct atr_store_options options_of(unsigned v)
{
	struct atr_store_options o = make_options(make_ciphers[v % 3]);

	o.block_bytes = BLOCK_BYTES;
	o.read = v / 3 % 2 ? ATR_READ_RECORD : ATR_READ_BLOCK;
	o.flush = v / 6 ? ATR_FLUSH_ASYNC : ATR_FLUSH_EACH;
	return o;
}

static void open_as(const char *dir, struct atr_store_options o, struct atr_store **store)
{
	struct atr_error err;

	assert_ok(atr_store_open(make_stream_path(dir), &o, store, &err), &err);
}

static void sequences_in_any_order(struct atr_store *store, uint64_t last)
{
	struct atr_reader *reader;
	struct atr_message m;
	struct atr_error err;
	uint64_t x = 88172645463325252u;

	assert_ok(atr_reader_open(store, &reader, &err), &err);
	for (unsigned i = 0; i < 500; i++) {
		uint64_t at;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		at = 1 + x % last;
		if (x >> 40 & 1)
			assert_ok(atr_reader_get(reader, at, &m, &err), &err);
		else
			assert_ok(atr_reader_next(reader, at, &m, &err), &err);
		make_check(&m, at, PAYLOAD_MAX);
	}
	atr_reader_close(reader);
}

/* All but the last block, then that too: appending goes on in a new one. */
static void compressed_blocks_are_read_and_appended_after(void **state)
{
	for (unsigned v = 0; v < 12; v++) {
		struct atr_store_options o = options_of(v);
		struct atr_store_state s;
		struct atr_store *store;
		struct atr_error err;
		char dir[PATH_MAX];
		unsigned blocks;
		uint64_t before;

		(void)snprintf(dir, sizeof dir, "%s/%u", (const char *)*state, v);
		blocks = make_stream(dir, o);
		assert_true(blocks > 5);
		for (unsigned n = 1; n < blocks; n++)
			compress_file(dir, n);
		open_as(dir, o, &store);
		atr_store_state(store, &s);
		assert_int_equal(s.messages, MESSAGES);
		make_check_all(store, 1, MESSAGES, PAYLOAD_MAX);
		sequences_in_any_order(store, MESSAGES);
		make_append(store, 10, PAYLOAD_MAX);
		assert_ok(atr_store_close(store, &err), &err);
		(void)remove(fixture_path(make_stream_path(dir), "msgs/index.db"));

		blocks = (unsigned)fixture_count(make_stream_path(dir), ".blk");
		compress_file(dir, blocks);
		before = fixture_digest(msgs_file(dir, blocks, "blk"));
		open_as(dir, o, &store);
		make_append(store, 5, PAYLOAD_MAX);
		make_check_all(store, 1, MESSAGES + 15, PAYLOAD_MAX);
		sequences_in_any_order(store, MESSAGES + 15);
		assert_ok(atr_store_close(store, &err), &err);
		assert_true(fixture_digest(msgs_file(dir, blocks, "blk")) == before);
		open_as(dir, o, &store);
		make_check_all(store, 1, MESSAGES + 15, PAYLOAD_MAX);
		assert_ok(atr_store_close(store, &err), &err);
	}
}

/* One frame damaged: that block's messages are named as damaged, all others are there. */
static void a_damaged_frame_costs_its_block(void **state)
{
	for (unsigned v = 0; v < 6; v++) {
		struct atr_store_options o = options_of(v);
		struct atr_store_recovery recovery;
		struct atr_store *store;
		struct atr_reader *reader;
		struct atr_message m;
		struct atr_error err;
		unsigned damaged = 0;
		char dir[PATH_MAX];
		uint8_t *file;
		size_t bytes;

		(void)snprintf(dir, sizeof dir, "%s/%u", (const char *)*state, v);
		(void)make_stream(dir, o);
		compress_file(dir, 2);
		compress_file(dir, 3);
		file = fixture_read(msgs_file(dir, 3, "blk"), &bytes);
		file[bytes / 2] ^= 0x10;
		fixture_write(msgs_file(dir, 3, "blk"), file, bytes);
		free(file);
		open_as(dir, o, &store);
		atr_store_recovery(store, &recovery);
		assert_int_equal(recovery.damaged_records, 1);
		assert_non_null(strstr(recovery.first_damage, "3.blk"));
		assert_non_null(strstr(recovery.first_damage, "compressed block"));
		assert_ok(atr_reader_open(store, &reader, &err), &err);
		for (uint64_t i = 1; i <= MESSAGES; i++) {
			enum atr_status rc = atr_reader_get(reader, i, &m, &err);

			if (rc == ATR_OK) {
				make_check(&m, i, PAYLOAD_MAX);
				continue;
			}
			damaged++;
			assert_status(rc, ATR_EFORMAT, &err);
			assert_int_equal(err.sequence, i);
			assert_non_null(strstr(err.path, "3.blk"));
		}
		assert_true(damaged > 10 && damaged < 60);
		make_append(store, 1, PAYLOAD_MAX);
		assert_ok(atr_reader_get(reader, MESSAGES + 1, &m, &err), &err);
		atr_reader_close(reader);
		assert_ok(atr_store_close(store, &err), &err);
	}
}

/* Nothing tells how far the sequences of a last block go that cannot be read. */
static void a_damaged_last_block_is_not_opened_over(void **state)
{
	struct atr_store_options o = options_of(2);
	unsigned blocks = make_stream(*state, o);
	struct atr_store *store;
	struct atr_error err;
	uint64_t before;
	uint8_t *file;
	size_t bytes;

	compress_file(*state, blocks);
	file = fixture_read(msgs_file(*state, blocks, "blk"), &bytes);
	fixture_write(msgs_file(*state, blocks, "blk"), file, bytes - 9);
	free(file);
	before = fixture_digest(make_stream_path(*state));
	assert_status(atr_store_open(make_stream_path(*state), &o, &store, &err), ATR_EFORMAT,
	              &err);
	assert_non_null(strstr(err.text, "compressed block"));
	assert_true(fixture_digest(make_stream_path(*state)) == before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(compressed_blocks_are_read_and_appended_after),
	        TEST(a_damaged_frame_costs_its_block),
	        TEST(a_damaged_last_block_is_not_opened_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
