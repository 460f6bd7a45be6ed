/* What opening finds, and what it leaves as it is. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/store.h"
#include "tests/unit/store_make.h"

static const char *msgs_file(const char *dir, const char *name)
{
	static char path[4][PATH_MAX];
	static unsigned next;
	char *p = path[next++ % 4];

	(void)snprintf(p, PATH_MAX, "%s/msgs/%s", make_stream_path(dir), name);
	return p;
}

static void make_closed(const char *dir, const char *cipher, uint64_t block_bytes, uint64_t count,
                        size_t payload_max)
{
	struct atr_store_options o = make_options(cipher);
	struct atr_store *store;
	struct atr_error err;

	o.block_bytes = block_bytes;
	o.key_ahead = -1;
	assert_ok(atr_store_create(make_stream_path(dir), &o, &store, &err), &err);
	make_append(store, count, payload_max);
	assert_ok(atr_store_close(store, &err), &err);
	/* with it the blocks would not be read */
	assert_int_equal(unlink(msgs_file(dir, "index.db")), 0);
}

static struct atr_store *open_store(const char *dir, const char *cipher, uint64_t block_bytes,
                                    struct atr_store_state *s, struct atr_store_recovery *r)
{
	struct atr_store_options o = make_options(cipher);
	struct atr_store *store;
	struct atr_error err;

	o.block_bytes = block_bytes;
	o.key_ahead = -1;
	assert_ok(atr_store_open(make_stream_path(dir), &o, &store, &err), &err);
	atr_store_state(store, s);
	atr_store_recovery(store, r);
	return store;
}

static void close_store(struct atr_store *store)
{
	struct atr_error err;

	assert_ok(atr_store_close(store, &err), &err);
}

/* The last block cut at every byte: the records before are there, the cut one is not, opening
 * changes nothing, and what is appended goes to a new block. */
static void a_tail_cut_at_any_byte_is_left_and_a_new_block_begun(void **state)
{
	for (size_t c = 0; c < 3; c++) {
		char dir[PATH_MAX];
		uint8_t *whole;
		size_t bytes;

		(void)snprintf(dir, sizeof dir, "%s/%zu", (const char *)*state, c);
		make_closed(dir, make_ciphers[c], 1000, 30, 150);
		int blocks = fixture_count(dir, ".blk");
		char name[32];
		(void)snprintf(name, sizeof name, "%d.blk", blocks);
		whole = fixture_read(msgs_file(dir, name), &bytes);
		for (size_t cut = bytes; cut-- > 0;) {
			struct atr_store_state s;
			struct atr_store_recovery r;
			struct atr_store *store;
			uint64_t before;
			char made[32];

			fixture_write(msgs_file(dir, name), whole, cut);
			before = fixture_digest(dir);
			store = open_store(dir, make_ciphers[c], 1000, &s, &r);
			assert_true(fixture_digest(dir) == before);
			assert_true(s.last_seq < 30 && s.messages == s.last_seq);
			assert_int_equal(r.damaged_records, 0);
			assert_string_equal(r.first_damage, "");
			make_append(store, 3, 150);
			make_check_all(store, 1, s.last_seq + 3, 150);
			close_store(store);
			if (r.torn_tail_bytes > 0) { /* the cut block is as it was */
				size_t left;
				uint8_t *now = fixture_read(msgs_file(dir, name), &left);

				assert_int_equal(left, cut);
				assert_memory_equal(now, whole, cut);
				free(now);
			}
			store = open_store(dir, make_ciphers[c], 1000, &s, &r);
			make_check_all(store, 1, s.last_seq, 150);
			assert_int_equal(r.torn_tail_bytes, 0); /* of the last block */
			close_store(store);
			/* back to the cut block alone */
			(void)unlink(msgs_file(dir, "index.db"));
			for (int n = blocks + 1; n < blocks + 4; n++) {
				(void)snprintf(made, sizeof made, "%d.blk", n);
				(void)unlink(msgs_file(dir, made));
				(void)snprintf(made, sizeof made, "%d.key", n);
				(void)unlink(msgs_file(dir, made));
			}
		}
		free(whole);
	}
}

static void a_torn_tail_is_counted(void **state)
{
	struct atr_store_state s;
	struct atr_store_recovery r;
	struct atr_store *store;
	uint8_t *whole;
	size_t bytes;

	make_closed(*state, "aes", 100000, 20, 100);
	whole = fixture_read(msgs_file(*state, "1.blk"), &bytes);
	fixture_write(msgs_file(*state, "1.blk"), whole, bytes - 1);
	store = open_store(*state, "aes", 100000, &s, &r);
	assert_int_equal(s.last_seq, 19);
	assert_true(r.torn_tail_bytes >= 29 && r.torn_tail_bytes < 200);
	close_store(store);
	/* zeros where a record was to be, as a power cut leaves them */
	whole = realloc(whole, bytes + 500);
	memset(whole + bytes, 0, 500);
	fixture_write(msgs_file(*state, "1.blk"), whole, bytes + 500);
	store = open_store(*state, "aes", 100000, &s, &r);
	assert_int_equal(s.last_seq, 20);
	assert_int_equal(r.torn_tail_bytes, 500);
	close_store(store);
	free(whole);
}

/* Each bit of one record flipped: that record is lost and named, no other one is. */
static void one_damaged_record_costs_one_record(void **state)
{
	for (size_t c = 0; c < 3; c++) {
		char dir[PATH_MAX];
		uint8_t *content;
		size_t bytes;

		(void)snprintf(dir, sizeof dir, "%s/%zu", (const char *)*state, c);
		make_closed(dir, make_ciphers[c], 100000, 40, 100);
		content = fixture_read(msgs_file(dir, "1.blk"), &bytes);
		for (size_t bit = 8 * (bytes / 2); bit < 8 * (bytes / 2 + 150); bit += 11) {
			struct atr_store_state s;
			struct atr_store_recovery r;
			struct atr_reader *reader;
			struct atr_store *store;
			struct atr_message m;
			struct atr_error err;
			unsigned lost = 0, lost_in_order = 0;

			content[bit / 8] ^= (uint8_t)(1u << bit % 8);
			fixture_write(msgs_file(dir, "1.blk"), content, bytes);
			content[bit / 8] ^= (uint8_t)(1u << bit % 8);
			store = open_store(dir, make_ciphers[c], 100000, &s, &r);
			if (s.messages == 40) { /* one of the lengths that no hash covers */
				close_store(store);
				continue;
			}
			assert_int_equal(s.messages, 39);
			assert_int_equal(s.last_seq, 40);
			assert_int_equal(r.damaged_records, 1);
			assert_non_null(strstr(r.first_damage, "1.blk:"));
			assert_ok(atr_reader_open(store, &reader, &err), &err);
			for (uint64_t i = 1; i <= 40; i++) {
				enum atr_status rc = atr_reader_get(reader, i, &m, &err);

				if (rc == ATR_OK) {
					make_check(&m, i, 100);
				} else {
					assert_status(rc, ATR_EFORMAT, &err);
					assert_int_equal(err.sequence, i);
					lost++;
				}
			}
			assert_int_equal(lost, 1);
			for (uint64_t i = 1; i <= 40;) {
				enum atr_status rc = atr_reader_next(reader, i, &m, &err);

				if (rc == ATR_OK) {
					make_check(&m, m.sequence, 100);
					i = m.sequence + 1;
				} else {
					assert_status(rc, ATR_EFORMAT, &err);
					lost_in_order++;
				}
			}
			assert_int_equal(lost_in_order, 1);
			atr_reader_close(reader);
			close_store(store);
		}
		free(content);
	}
}

/* Opens the store whose 1.blk has one bit flipped in the middle. */
static struct atr_store *open_damaged(const char *dir, const char *cipher,
                                      struct atr_store_state *s, struct atr_store_recovery *r)
{
	size_t bytes;
	uint8_t *content = fixture_read(msgs_file(dir, "1.blk"), &bytes);

	content[bytes / 2] ^= 1;
	fixture_write(msgs_file(dir, "1.blk"), content, bytes);
	free(content);
	return open_store(dir, cipher, 1000, s, r);
}

/* A block whose only message that is not deleted is damaged: it is lost, the others stay deleted.
 */
static void what_is_deleted_stays_so_beside_a_damaged_record(void **state)
{
	for (size_t c = 0; c < 3; c++) {
		uint64_t lost = 0, last = 0;
		struct atr_store_recovery r;
		struct atr_store_state s;
		struct atr_reader *reader;
		struct atr_store *store;
		struct atr_message m;
		struct atr_error err;
		char dir[PATH_MAX];

		(void)snprintf(dir, sizeof dir, "%s/%zu", (const char *)*state, c);
		make_closed(dir, make_ciphers[c], 1000, 40, 100);
		store = open_damaged(dir, make_ciphers[c], &s, &r);
		assert_ok(atr_reader_open(store, &reader, &err), &err);
		while (lost == 0)
			if (atr_reader_get(reader, ++last, &m, &err) == ATR_EFORMAT)
				lost = last;
		atr_reader_close(reader);
		close_store(store);
		(void)unlink(msgs_file(dir, "index.db"));
		/* whole again */
		store = open_damaged(dir, make_ciphers[c], &s, &r);
		last = 14; /* of another block */
		for (uint64_t i = 1; i <= last; i++)
			if (i != lost)
				assert_ok(atr_store_delete(store, i, &err), &err);
		close_store(store);
		assert_int_equal(unlink(msgs_file(dir, "index.db")), 0);
		store = open_damaged(dir, make_ciphers[c], &s, &r);
		assert_int_equal(r.damaged_records, 1);
		assert_int_equal(s.messages, 40 - last);
		assert_ok(atr_reader_open(store, &reader, &err), &err);
		for (uint64_t i = 1; i <= last; i++)
			assert_status(atr_reader_get(reader, i, &m, &err),
			              i == lost ? ATR_EFORMAT : ATR_ENOTFOUND, &err);
		atr_reader_close(reader);
		assert_ok(atr_store_compact(store, 20, NULL, &err), &err);
		make_check_all(store, 20, 40, 100);
		close_store(store);
	}
}

static void a_damaged_key_costs_its_block_but_not_the_last(void **state)
{
	struct atr_store_options o = make_options("chachapoly");
	struct atr_store_state s;
	struct atr_store_recovery r;
	struct atr_reader *reader;
	struct atr_store *store;
	struct atr_message m;
	struct atr_error err;
	uint8_t *key;
	size_t bytes;
	unsigned lost = 0;

	make_closed(*state, "chachapoly", 1000, 60, 150);
	key = fixture_read(msgs_file(*state, "3.key"), &bytes);
	key[40] ^= 1;
	fixture_write(msgs_file(*state, "3.key"), key, bytes);
	store = open_store(*state, "chachapoly", 1000, &s, &r);
	assert_int_equal(r.damaged_records, 1);
	assert_non_null(strstr(r.first_damage, "3.key"));
	assert_int_equal(s.last_seq, 60);
	assert_ok(atr_reader_open(store, &reader, &err), &err);
	for (uint64_t i = 1; i <= 60; i++) {
		enum atr_status rc = atr_reader_get(reader, i, &m, &err);

		if (rc == ATR_OK)
			make_check(&m, i, 150);
		else
			assert_status(rc, ATR_EAUTH, &err);
		lost += rc != ATR_OK;
		assert_int_equal(atr_reader_next(reader, i, &m, &err), rc);
	}
	assert_int_equal(lost, 60 - s.messages);
	assert_true(lost > 2);
	atr_reader_close(reader);
	close_store(store);
	/* of the last block nobody knows how far it goes */
	(void)rename(msgs_file(*state, "3.key"), msgs_file(*state, "9999.key"));
	make_append((store = open_store(*state, "chachapoly", 1000, &s, &r)), 0, 0);
	assert_int_equal(r.keyless_blocks, 1);
	close_store(store);
	char last[32];
	(void)snprintf(last, sizeof last, "%d.key", fixture_count(*state, ".blk"));
	fixture_write(msgs_file(*state, last), key, bytes);
	assert_status(atr_store_open(make_stream_path(*state), &o, &store, &err), ATR_EAUTH, &err);
	free(key);
}

static void a_keyless_block_is_set_aside_at_the_first_append(void **state)
{
	struct atr_store_state s;
	struct atr_store_recovery r;
	struct atr_store *store;
	uint64_t before, count;
	char name[32];
	int last;

	make_closed(*state, "aes", 1000, 60, 150);
	last = fixture_count(*state, ".blk");
	(void)snprintf(name, sizeof name, "%d.key", last);
	assert_int_equal(unlink(msgs_file(*state, name)), 0);
	before = fixture_digest(*state);
	store = open_store(*state, "aes", 1000, &s, &r);
	assert_int_equal(r.keyless_blocks, 1);
	assert_true(s.last_seq < 60);
	assert_true(fixture_digest(*state) == before);
	count = s.last_seq;
	make_check_all(store, 1, count, 150);
	make_append(store, 5, 150);
	make_check_all(store, 1, count + 5, 150);
	close_store(store);
	(void)snprintf(name, sizeof name, "aside-%d.blk", last);
	assert_true(fixture_exists(msgs_file(*state, name)));
	store = open_store(*state, "aes", 1000, &s, &r);
	assert_int_equal(r.keyless_blocks, 0);
	make_check_all(store, 1, count + 5, 150);
	close_store(store);
}

/* A whole block lost between two others, and a tail lost in the middle. */
static void losses_in_the_middle_are_damage(void **state)
{
	struct atr_store_state s;
	struct atr_store_recovery r;
	struct atr_reader *reader;
	struct atr_store *store;
	struct atr_message m;
	struct atr_error err;
	enum atr_status rc;
	uint8_t *content;
	size_t bytes;

	make_closed(*state, "aes", 1000, 60, 150);
	content = fixture_read(msgs_file(*state, "2.blk"), &bytes);
	fixture_write(msgs_file(*state, "2.blk"), content, bytes - 3);
	free(content);
	store = open_store(*state, "aes", 1000, &s, &r);
	assert_int_equal(s.messages, 59);
	assert_int_equal(s.last_seq, 60);
	assert_int_equal(r.damaged_records, 1);
	assert_int_equal(r.torn_tail_bytes, 0);
	assert_non_null(strstr(r.first_damage, "2.blk:"));
	assert_ok(atr_reader_open(store, &reader, &err), &err);
	unsigned told = 0;
	for (uint64_t i = 1; (rc = atr_reader_next(reader, i, &m, &err)) != ATR_END;) {
		if (rc == ATR_OK)
			i = m.sequence + 1;
		else
			told++;
	}
	assert_int_equal(told, 1);
	atr_reader_close(reader);
	close_store(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(a_tail_cut_at_any_byte_is_left_and_a_new_block_begun),
	        TEST(a_torn_tail_is_counted),
	        TEST(one_damaged_record_costs_one_record),
	        TEST(what_is_deleted_stays_so_beside_a_damaged_record),
	        TEST(a_damaged_key_costs_its_block_but_not_the_last),
	        TEST(a_keyless_block_is_set_aside_at_the_first_append),
	        TEST(losses_in_the_middle_are_damage),
	};

	fixture_prefer_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
