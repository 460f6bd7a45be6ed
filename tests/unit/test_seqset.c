#include "store/seqset.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/store_fixture.h"

static void add(struct atr_seqset *set, uint64_t first, uint64_t last)
{
	assert_int_equal(atr_seqset_add(set, first, last), ATR_OK);
}

static void ascending_neighbours_are_one_range(void **state)
{
	struct atr_seqset set = {0};

	(void)state;
	for (uint64_t s = 1; s <= 100000; s++)
		add(&set, s, s);
	assert_int_equal(set.count, 1);
	assert_int_equal(set.unsorted, 0);
	assert_int_equal(atr_seqset_count(&set, 0, UINT64_MAX), 100000);
	assert_true(atr_seqset_has(&set, 1) && atr_seqset_has(&set, 100000));
	assert_false(atr_seqset_has(&set, 0) || atr_seqset_has(&set, 100001));
	atr_seqset_free(&set);
}

static void any_order_settles_to_the_same_ranges(void **state)
{
	struct atr_seqset set = {0};
	uint64_t x = 88172645463325252u;
	char seen[1000] = {0};
	uint64_t count = 0;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		uint64_t first, last;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		first = x % 990;
		last = first + (x >> 20) % 10;
		add(&set, first, last);
		for (uint64_t s = first; s <= last; s++)
			seen[s] = 1;
		if (i % 500 == 7) { /* also settled in between */
			atr_seqset_settle(&set);
			for (size_t k = 1; k < set.count; k++)
				assert_true(set.range[k].first > set.range[k - 1].last + 1);
		}
	}
	atr_seqset_settle(&set);
	for (uint64_t s = 0; s < sizeof seen; s++) {
		assert_int_equal(atr_seqset_has(&set, s), seen[s]);
		count += seen[s] != 0;
	}
	assert_int_equal(atr_seqset_count(&set, 0, UINT64_MAX), count);
	atr_seqset_free(&set);
}

static void slice_gives_what_is_there_and_what_is_not(void **state)
{
	struct atr_seqset set = {0}, in = {0}, out = {0}, none = {0};

	(void)state;
	add(&set, 5, 10);
	add(&set, 20, 30);
	assert_int_equal(atr_seqset_slice(&set, 8, 24, 1, &in), ATR_OK);
	assert_int_equal(in.count, 2);
	assert_int_equal(in.range[0].first, 8);
	assert_int_equal(in.range[0].last, 10);
	assert_int_equal(in.range[1].first, 20);
	assert_int_equal(in.range[1].last, 24);
	assert_int_equal(atr_seqset_slice(&set, 1, 40, 0, &out), ATR_OK);
	assert_int_equal(out.count, 3);
	assert_int_equal(out.range[0].last, 4);
	assert_int_equal(out.range[1].first, 11);
	assert_int_equal(out.range[1].last, 19);
	assert_int_equal(out.range[2].first, 31);
	assert_int_equal(out.range[2].last, 40);
	assert_int_equal(atr_seqset_slice(&set, 5, 10, 0, &none), ATR_OK);
	assert_int_equal(none.count, 0);
	atr_seqset_free(&set);
	atr_seqset_free(&in);
	atr_seqset_free(&out);
}

static void the_highest_sequence_does_not_overflow(void **state)
{
	struct atr_seqset set = {0}, out = {0};

	(void)state;
	add(&set, UINT64_MAX - 1, UINT64_MAX);
	add(&set, UINT64_MAX, UINT64_MAX);
	add(&set, 0, 0);
	atr_seqset_settle(&set);
	assert_int_equal(set.count, 2);
	assert_true(atr_seqset_has(&set, UINT64_MAX));
	assert_int_equal(atr_seqset_slice(&set, 0, UINT64_MAX, 0, &out), ATR_OK);
	assert_int_equal(out.count, 1);
	assert_int_equal(out.range[0].first, 1);
	assert_int_equal(out.range[0].last, UINT64_MAX - 2);
	atr_seqset_free(&set);
	atr_seqset_free(&out);
}

/* One node of the disk form. */
static size_t put_node(uint8_t *p, unsigned words, uint64_t base, const uint64_t *bits)
{
	atr_le64_put(p, base);
	for (unsigned w = 0; w < words; w++)
		atr_le64_put(p + 8 + 8 * w, bits[w]);
	atr_le16_put(p + 8 + 8 * words, 1);
	return 8 + 8 * words + 2;
}

static size_t make_disk_form(uint8_t *p, unsigned version, uint32_t size)
{
	unsigned words = version == 1 ? 64 : 32;
	uint64_t a[64] = {0}, b[64] = {0};
	size_t n = 10;

	p[0] = 22;
	p[1] = (uint8_t)version;
	atr_le32_put(p + 2, 2);
	atr_le32_put(p + 6, size);
	a[0] = UINT64_MAX << 62;          /* base + 62, + 63 */
	a[1] = 1;                         /* base + 64: one run with the word before */
	b[words - 1] = UINT64_C(5) << 61; /* the last and the last but two */
	n += put_node(p + n, words, 64 * words, a);
	n += put_node(p + n, words, 0, b); /* pre-order: the lower one comes second */
	return n;
}

static void both_disk_versions_decode(void **state)
{
	(void)state;
	for (unsigned version = 1; version <= 2; version++) {
		uint64_t span = version == 1 ? 4096 : 2048;
		struct atr_seqset set = {0};
		uint8_t disk[2000];
		size_t n = make_disk_form(disk, version, 5);
		struct atr_cursor c = {.at = disk, .end = disk + n};
		const char *why = NULL;

		assert_int_equal(atr_seqset_decode(&c, &set, &why), ATR_OK);
		assert_ptr_equal(c.at, disk + n);
		assert_int_equal(atr_seqset_count(&set, 0, UINT64_MAX), 5);
		assert_true(atr_seqset_has(&set, span - 1) && atr_seqset_has(&set, span - 3));
		assert_false(atr_seqset_has(&set, span - 2));
		assert_true(atr_seqset_has(&set, span + 62) && atr_seqset_has(&set, span + 64));
		assert_int_equal(set.count, 3);
		atr_seqset_free(&set);
	}
}

static void cut_and_inconsistent_disk_forms_are_refused(void **state)
{
	uint8_t disk[2000], *copy;
	size_t n = make_disk_form(disk, 2, 5);

	(void)state;
	for (size_t cut = 0; cut < n; cut++) {
		struct atr_seqset set = {0};
		struct atr_cursor c;
		const char *why = NULL;

		copy = malloc(cut + 1); /* the sanitizer sees a read past it */
		memcpy(copy, disk, cut);
		c = (struct atr_cursor){.at = copy, .end = copy + cut};
		assert_int_equal(atr_seqset_decode(&c, &set, &why), ATR_EFORMAT);
		assert_non_null(why);
		atr_seqset_free(&set);
		free(copy);
	}
	for (int what = 0; what < 4; what++) {
		struct atr_seqset set = {0};
		struct atr_cursor c = {.at = disk, .end = disk + n};
		const char *why = NULL;

		(void)make_disk_form(disk, 2, what == 0 ? 4 : 5); /* another size */
		if (what == 1)
			disk[0] = 21;
		if (what == 2)
			disk[1] = 3;
		if (what == 3)
			disk[10] = 1; /* a base between two nodes */
		assert_int_equal(atr_seqset_decode(&c, &set, &why), ATR_EFORMAT);
		atr_seqset_free(&set);
	}
}

/* Against a map of what should be there; the set is settled at every moment. */
static void insert_and_remove_keep_the_set_settled(void **state)
{
	struct atr_seqset set = {0};
	uint64_t x = 88172645463325252u;
	char seen[400] = {0};

	(void)state;
	for (int i = 0; i < 4000; i++) {
		uint64_t first, last;
		int insert;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		first = x % 390;
		last = first + (x >> 20) % 10;
		insert = (x >> 40) % 2 != 0;
		assert_int_equal(insert ? atr_seqset_insert(&set, first, last)
		                        : atr_seqset_remove(&set, first, last),
		                 ATR_OK);
		memset(seen + first, insert, (size_t)(last - first + 1));
		assert_int_equal(set.unsorted, 0);
		for (size_t k = 0; k < set.count; k++) {
			assert_true(set.range[k].first <= set.range[k].last);
			if (k > 0)
				assert_true(set.range[k].first > set.range[k - 1].last + 1);
		}
		for (uint64_t s = 0; s < sizeof seen; s++)
			assert_int_equal(atr_seqset_has(&set, s), seen[s]);
	}
	assert_int_equal(atr_seqset_insert(&set, UINT64_MAX, UINT64_MAX), ATR_OK);
	assert_int_equal(atr_seqset_insert(&set, 0, UINT64_MAX), ATR_OK);
	assert_int_equal(set.count, 1);
	assert_int_equal(atr_seqset_remove(&set, 0, UINT64_MAX), ATR_OK);
	assert_int_equal(set.count, 0);
	atr_seqset_free(&set);
}

/* Reads nodes in the order in which they are and hangs each below the ones before, as the server
 * does: heights must be those of a balanced tree. Returns the height; *at moves on. */
static unsigned check_tree(const uint8_t *nodes, size_t count, size_t *at, uint64_t low,
                           uint64_t high)
{
	const uint8_t *node = nodes + *at * 266;
	uint64_t base;
	unsigned left, right;

	if (*at == count)
		return 0;
	base = atr_le64_get(node);
	if (base < low || base >= high)
		return 0;
	assert_int_equal(base % 2048, 0);
	++*at;
	left = check_tree(nodes, count, at, low, base);
	right = check_tree(nodes, count, at, base + 1, high);
	assert_true(left <= right + 1 && right <= left + 1);
	assert_int_equal(atr_le16_get(node + 264), 1 + (left > right ? left : right));
	return 1 + (left > right ? left : right);
}

static void the_disk_form_is_a_balanced_tree_and_decodes_to_the_same(void **state)
{
	(void)state;
	for (unsigned nodes = 0; nodes <= 70; nodes++) {
		struct atr_seqset set = {0}, back = {0};
		struct atr_cursor c;
		const char *why;
		uint8_t *disk;
		size_t bytes, at = 0;

		for (unsigned n = 0; n < nodes; n++) {
			uint64_t base = 2048 * (uint64_t)(3 * n + 1);

			if (n % 7 == 3) /* over the edge of two nodes: also one more node */
				add(&set, base + 2040, base + 2055);
			else
				add(&set, base + n, base + n + 63 * (n % 30));
			add(&set, base + 2047, base + 2047);
		}
		bytes = atr_seqset_encoded_bytes(&set);
		disk = malloc(bytes);
		assert_non_null(disk);
		atr_seqset_encode(&set, disk);
		assert_int_equal(disk[1], 2);
		assert_int_equal((bytes - 10) / 266, atr_le32_get(disk + 2));
		(void)check_tree(disk + 10, (bytes - 10) / 266, &at, 0, UINT64_MAX);
		assert_int_equal(at, (bytes - 10) / 266);
		c = (struct atr_cursor){.at = disk, .end = disk + bytes};
		assert_int_equal(atr_seqset_decode(&c, &back, &why), ATR_OK);
		assert_ptr_equal(c.at, disk + bytes);
		assert_int_equal(back.count, set.count);
		assert_memory_equal(back.range, set.range, set.count * sizeof *set.range);
		atr_seqset_free(&set);
		atr_seqset_free(&back);
		free(disk);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(ascending_neighbours_are_one_range),
	        cmocka_unit_test(any_order_settles_to_the_same_ranges),
	        cmocka_unit_test(slice_gives_what_is_there_and_what_is_not),
	        cmocka_unit_test(the_highest_sequence_does_not_overflow),
	        cmocka_unit_test(both_disk_versions_decode),
	        cmocka_unit_test(cut_and_inconsistent_disk_forms_are_refused),
	        cmocka_unit_test(insert_and_remove_keep_the_set_settled),
	        cmocka_unit_test(the_disk_form_is_a_balanced_tree_and_decodes_to_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
