/* State files of every version that servers wrote, put together byte by byte from the format
 * description: index.db 1 to 4, idx 1 and 2, o.dat 1 and 2, the sequence set 1 and 2. The same
 * stream stands in all of them. */
#include <stdlib.h>
#include <string.h>

#include "store/bytes.h"
#include "store/consumer.h"
#include "store/index.h"
#include "tests/unit/store_fixture.h"

struct text {
	uint8_t at[4096];
	size_t bytes;
};

static void put(struct text *t, const void *bytes, size_t count)
{
	assert_true(t->bytes + count <= sizeof t->at);
	memcpy(t->at + t->bytes, bytes, count);
	t->bytes += count;
}

#define PUT(text, ...)                                                                             \
	do {                                                                                       \
		static const uint8_t put_[] = {__VA_ARGS__};                                       \
		put((text), put_, sizeof put_);                                                    \
	} while (0)

/* A node of a sequence set with these sequences, all in its range. */
static void put_node(struct text *t, unsigned version, uint64_t base, const uint64_t *sequence,
                     size_t count, uint16_t height)
{
	unsigned words = version == 1 ? 64 : 32;
	uint8_t node[8 + 64 * 8 + 2] = {0};

	atr_le64_put(node, base);
	for (size_t i = 0; i < count; i++) {
		uint64_t bit = sequence[i] - base;

		node[8 + bit / 8] |= (uint8_t)(1u << bit % 8);
	}
	atr_le16_put(node + 8 + 8 * words, height);
	put(t, node, 8 + 8 * words + 2);
}

/* One node with sequence 4. */
static void put_small_set(struct text *t, uint8_t version)
{
	static const uint64_t four[] = {4};
	uint8_t head[10] = {22, version, 1, 0, 0, 0, 1, 0, 0, 0};

	put(t, head, sizeof head);
	put_node(t, version, 0, four, 1, 1);
}

/* Messages 3, 5, 8, 9; 4 is deleted in block 1; 6 and 7 lie between the blocks. */
static struct text index_of(uint8_t version, uint8_t set_version)
{
	struct text t = {.bytes = 0};

	PUT(&t, 11);
	put(&t, &version, 1);
	PUT(&t, 4, 0xfa, 1, 3, 0xd0, 0x0f, 9, 0xb8, 0x17); /* 4, 250, 3, 1000, 9, 1500 */
	PUT(&t, 2, 1, 'a', 1, 1);
	if (version >= 4)
		PUT(&t, 1); /* one message: its last block only here */
	PUT(&t, 2, 'b', 'c', 3, 1, 2);
	PUT(&t, 2, 1, 0x96, 1, 3, 0, 5, 0x90, 3, 1); /* block 1: 150 bytes, 3..5, 0, 200, 1 */
	if (version >= 2)
		PUT(&t, 2); /* messages with a time to live */
	if (version >= 3)
		PUT(&t, 0x80, 1); /* scheduled ones */
	put_small_set(&t, set_version);
	PUT(&t, 2, 100, 8, 0xa0, 6, 9, 0xe8, 7, 0); /* block 2: 8..9, 400, 500, none */
	if (version >= 2)
		PUT(&t, 0);
	if (version >= 3)
		PUT(&t, 0);
	PUT(&t, 2, 1, 2, 3, 4, 5, 6, 7, 8);
	return t;
}

static void check_index(const struct atr_index *index, unsigned version)
{
	assert_int_equal(index->version, version);
	assert_int_equal(index->messages, 4);
	assert_int_equal(index->bytes, 250);
	assert_int_equal(index->first_seq, 3);
	assert_int_equal(index->first_time_ns, 1000);
	assert_int_equal(index->last_seq, 9);
	assert_int_equal(index->last_time_ns, 1500);
	assert_int_equal(index->subject_count, 2);
	assert_int_equal(index->subject[0].name_bytes, 1);
	assert_int_equal(index->subject[0].messages, 1);
	assert_int_equal(index->subject[1].name_bytes, 2);
	assert_memory_equal(index->subject[1].name, "bc", 2);
	assert_int_equal(index->subject[1].messages, 3);
	assert_int_equal(index->block_count, 2);
	assert_int_equal(index->block[0].number, 1);
	assert_int_equal(index->block[0].bytes, 150);
	assert_int_equal(index->block[0].first_seq, 3);
	assert_int_equal(index->block[0].last_seq, 5);
	assert_int_equal(index->block[0].first_time_ns, 1000);
	assert_int_equal(index->block[0].last_time_ns, 1200);
	assert_int_equal(atr_seqset_count(&index->block[0].deleted, 0, UINT64_MAX), 1);
	assert_true(atr_seqset_has(&index->block[0].deleted, 4));
	assert_int_equal(index->block[1].number, 2);
	assert_int_equal(index->block[1].first_seq, 8);
	assert_int_equal(index->block[1].first_time_ns, 1400);
	assert_int_equal(index->block[1].last_time_ns, 1500);
	assert_int_equal(index->block[1].deleted.count, 0);
	assert_int_equal(index->last_block, 2);
	assert_memory_equal(index->lchk, "\1\2\3\4\5\6\7\10", 8);
}

static void index_db_of_each_version_says_the_same(void **state)
{
	for (uint8_t version = 1; version <= 4; version++)
		for (uint8_t set = 1; set <= 2; set++) {
			struct text t = index_of(version, set);
			const char *path = fixture_path(*state, "index.db");
			struct atr_hash_key key;
			struct atr_index index;
			struct atr_error err;
			uint8_t hash[8];

			assert_int_equal(atr_hash_key_init(&key, "ORDERS"), 0);
			atr_le64_put(hash, atr_hash64(&key, t.at, t.bytes));
			put(&t, hash, sizeof hash);
			fixture_write(path, t.at, t.bytes);
			assert_ok(
			        atr_index_read(&atr_file_real, path, NULL, "ORDERS", &index, &err),
			        &err);
			check_index(&index, version);
			atr_index_free(&index);
		}
}

/* A version's fields read as another's never come out as something else. */
static void a_wrong_version_byte_is_refused(void **state)
{
	(void)state;
	for (uint8_t written = 1; written <= 4; written++)
		for (uint8_t claimed = 0; claimed <= 5; claimed++) {
			struct text t = index_of(written, 2);
			uint8_t *copy = malloc(t.bytes);
			struct atr_index index;
			const char *why;

			if (claimed == written) {
				free(copy);
				continue;
			}
			assert_non_null(copy);
			memcpy(copy, t.at, t.bytes);
			copy[1] = claimed;
			assert_int_equal(atr_index_decode(copy, t.bytes, &index, &why),
			                 claimed == 5 ? ATR_EUNSUPPORTED : ATR_EFORMAT);
			assert_non_null(why);
		}
}

/* Block 1 of that stream. */
static void idx_of_each_version_says_the_same(void **state)
{
	static const uint8_t lchk[] = {1, 2, 3, 4, 5, 6, 7, 8};

	(void)state;
	for (uint8_t version = 1; version <= 2; version++)
		for (uint8_t set = 1; set <= version; set++) {
			struct text t = {.bytes = 0};
			struct atr_idx idx;
			const char *why;

			PUT(&t, 22);
			put(&t, &version, 1);
			PUT(&t, 2, 0x96, 1, 3, 0xd0, 0x0f, 5, 0xe0, 0x12, 1);
			put(&t, lchk, sizeof lchk);
			if (version == 1)
				PUT(&t, 1); /* first + 1 */
			else
				put_small_set(&t, set);
			assert_int_equal(atr_idx_decode(t.at, t.bytes, &idx, &why), ATR_OK);
			assert_int_equal(idx.messages, 2);
			assert_int_equal(idx.block.bytes, 150);
			assert_int_equal(idx.block.first_seq, 3);
			assert_int_equal(idx.block.first_time_ns, 1000);
			assert_int_equal(idx.block.last_seq, 5);
			assert_int_equal(idx.block.last_time_ns, 1200);
			assert_int_equal(atr_seqset_count(&idx.block.deleted, 0, UINT64_MAX), 1);
			assert_true(atr_seqset_has(&idx.block.deleted, 4));
			assert_memory_equal(idx.lchk, lchk, sizeof lchk);
			atr_idx_free(&idx);
			for (size_t cut = 0; cut < t.bytes; cut++)
				assert_int_equal(atr_idx_decode(t.at, cut, &idx, &why),
				                 ATR_EFORMAT);
		}
}

/* Three nodes in pre-order: the root is the middle one. */
static void idx_version_2_reads_a_set_of_several_nodes(void **state)
{
	static const uint64_t low[] = {2, 2047}, middle[] = {2048, 2048 + 65, 4095},
	                      high[] = {6143};
	struct text t = {.bytes = 0};
	struct atr_idx idx;
	const char *why;

	(void)state;
	PUT(&t, 22, 2);
	t.bytes += atr_uvarint_put(t.at + t.bytes, 6144 - 6);
	PUT(&t, 0, 1, 0);
	t.bytes += atr_uvarint_put(t.at + t.bytes, 6144);
	PUT(&t, 0, 6, 8, 7, 6, 5, 4, 3, 2, 1);
	PUT(&t, 22, 2, 3, 0, 0, 0, 6, 0, 0, 0);
	put_node(&t, 2, 2048, middle, 3, 2);
	put_node(&t, 2, 0, low, 2, 1);
	put_node(&t, 2, 4096, high, 1, 1);
	assert_int_equal(atr_idx_decode(t.at, t.bytes, &idx, &why), ATR_OK);
	assert_int_equal(idx.messages, 6138);
	assert_int_equal(atr_seqset_count(&idx.block.deleted, 0, UINT64_MAX), 6);
	for (size_t i = 0; i < 3; i++)
		assert_true(atr_seqset_has(&idx.block.deleted, middle[i]));
	assert_true(atr_seqset_has(&idx.block.deleted, 2));
	assert_true(atr_seqset_has(&idx.block.deleted, 2047));
	assert_true(atr_seqset_has(&idx.block.deleted, 6143));
	atr_idx_free(&idx);
}

/* Floor 3 and 7, delivered 12 and 20, 9 and 15 pending since 1700000000 and 10 s earlier, 9 sent
 * three times. */
static void consumer_state_of_each_version_says_the_same(void **state)
{
	(void)state;
	for (uint8_t version = 1; version <= 2; version++) {
		struct text t = {.bytes = 0};
		struct atr_consumer_state s;
		const char *why;

		PUT(&t, 22);
		put(&t, &version, 1);
		PUT(&t, 3, 7);
		if (version == 1)
			PUT(&t, 10, 14); /* less the floor, plus 1 */
		else
			PUT(&t, 12, 20);
		PUT(&t, 2);
		if (version == 1) { /* base 1699999990, and so many seconds after it */
			t.bytes += atr_varint_put(t.at + t.bytes, 1699999990);
			PUT(&t, 2, 20, 8, 0);
		} else { /* base 1700000000, and so many before it */
			t.bytes += atr_varint_put(t.at + t.bytes, 1700000000);
			PUT(&t, 2, 2, 0, 8, 6, 20);
		}
		PUT(&t, 1, 2, 2);
		assert_int_equal(atr_consumer_decode(t.at, t.bytes, &s, &why), ATR_OK);
		assert_int_equal(s.ack_floor_consumer, 3);
		assert_int_equal(s.ack_floor_stream, 7);
		assert_int_equal(s.delivered_consumer, 12);
		assert_int_equal(s.delivered_stream, 20);
		assert_int_equal(s.pending_count, 2);
		assert_int_equal(s.pending[0].stream_seq, 9);
		assert_int_equal(s.pending[0].consumer_seq, version == 1 ? 0 : 5);
		assert_int_equal(s.pending[0].delivered_s, 1700000000);
		assert_int_equal(s.pending[1].stream_seq, 15);
		assert_int_equal(s.pending[1].consumer_seq, version == 1 ? 0 : 9);
		assert_int_equal(s.pending[1].delivered_s, 1699999990);
		assert_int_equal(s.redelivered_count, 1);
		assert_int_equal(s.redelivered[0].stream_seq, 9);
		assert_int_equal(s.redelivered[0].count, 2);
		atr_consumer_free(&s);
		for (size_t cut = 0; cut < t.bytes; cut++)
			assert_int_equal(atr_consumer_decode(t.at, cut, &s, &why), ATR_EFORMAT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(index_db_of_each_version_says_the_same,
	                                        fixture_setup, fixture_teardown),
	        cmocka_unit_test(a_wrong_version_byte_is_refused),
	        cmocka_unit_test(idx_of_each_version_says_the_same),
	        cmocka_unit_test(idx_version_2_reads_a_set_of_several_nodes),
	        cmocka_unit_test(consumer_state_of_each_version_says_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
