#include "store/subjects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/store_fixture.h"

static void add(struct atr_subjects_table *t, const char *name, uint64_t sequence)
{
	assert_int_equal(atr_subjects_add(t, name, strlen(name), sequence), ATR_OK);
}

static struct atr_subject_entry *find(struct atr_subjects_table *t, const char *name)
{
	return atr_subjects_find(t, name, strlen(name));
}

static void messages_first_and_last_are_kept_per_subject(void **state)
{
	struct atr_subjects_table *t = atr_subjects_table_new();

	(void)state;
	assert_non_null(t);
	assert_null(find(t, "a"));
	add(t, "a", 1);
	add(t, "b", 2);
	add(t, "a", 3);
	add(t, "a", 4);
	assert_int_equal(atr_subjects_count(t), 2);
	assert_int_equal(find(t, "a")->messages, 3);
	assert_int_equal(find(t, "a")->first, 1);
	assert_int_equal(find(t, "a")->last, 4);
	assert_int_equal(find(t, "b")->first, 2);
	assert_int_equal(find(t, "b")->last, 2);
	assert_null(find(t, "ab"));
	assert_null(find(t, ""));
	atr_subjects_clear(t);
	assert_int_equal(atr_subjects_count(t), 0);
	assert_null(find(t, "a"));
	add(t, "a", 9);
	assert_int_equal(find(t, "a")->first, 9);
	atr_subjects_table_free(t);
}

static void removing_leaves_the_block_where_the_place_was(void **state)
{
	struct atr_subjects_table *t = atr_subjects_table_new();

	(void)state;
	for (uint64_t s = 1; s <= 5; s++)
		add(t, "a", s);
	atr_subjects_remove(t, "a", 1, 3, 7); /* in the middle: both ends stay */
	assert_int_equal(find(t, "a")->first, 1);
	assert_int_equal(find(t, "a")->last, 5);
	atr_subjects_remove(t, "a", 1, 1, 7);
	assert_int_equal(find(t, "a")->first, 7 | SUBJECT_IN_BLOCK);
	atr_subjects_remove(t, "a", 1, 2, 8); /* the place was not a sequence: it stays */
	assert_int_equal(find(t, "a")->first, 7 | SUBJECT_IN_BLOCK);
	assert_int_equal(find(t, "a")->messages, 2);
	atr_subjects_remove(t, "a", 1, 4, 8); /* the one left is first and last */
	assert_int_equal(find(t, "a")->first, 5);
	assert_int_equal(find(t, "a")->last, 5);
	add(t, "a", 6);
	atr_subjects_remove(t, "a", 1, 6, 9);
	assert_int_equal(find(t, "a")->last, 5);
	atr_subjects_remove(t, "a", 1, 5, 9);
	assert_null(find(t, "a"));
	atr_subjects_remove(t, "a", 1, 5, 9); /* unknown: nothing happens */
	assert_int_equal(atr_subjects_count(t), 0);
	atr_subjects_table_free(t);
}

static void a_state_files_subjects_are_known_by_block(void **state)
{
	struct atr_subjects_table *t = atr_subjects_table_new();

	(void)state;
	assert_int_equal(atr_subjects_put(t, "a", 1, 3, 2, 4), ATR_OK);
	assert_int_equal(atr_subjects_put(t, "a", 1, 3, 2, 4), ATR_EFORMAT);
	assert_int_equal(atr_subjects_put(t, "b", 1, 0, 2, 4), ATR_EFORMAT);
	assert_int_equal(atr_subjects_put(t, "b", 1, UINT64_C(1) << 32, 2, 4), ATR_EFORMAT);
	assert_null(find(t, "b"));
	assert_int_equal(find(t, "a")->first, 2 | SUBJECT_IN_BLOCK);
	add(t, "a", 10);
	assert_int_equal(find(t, "a")->messages, 4);
	assert_int_equal(find(t, "a")->last, 10);
	atr_subjects_table_free(t);
}

/* Names of every length, coming and going, against a plain array. */
static void subjects_come_and_go(void **state)
{
	enum { NAMES = 3000, STEPS = 200000 };
	struct atr_subjects_table *t = atr_subjects_table_new();
	unsigned *count = calloc(NAMES, sizeof *count);
	char *name = calloc(1, 70000);
	uint64_t x = 88172645463325252u;
	size_t live = 0;

	(void)state;
	assert_true(count != NULL && name != NULL);
	for (uint64_t i = 1; i <= STEPS; i++) {
		size_t which, n;
		int add_it;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		which = x % NAMES;
		add_it = (x >> 32) % 100 < ((i / 20000) % 2 != 0 ? 30 : 70);
		n = (size_t)sprintf(name, "s.%zu", which);
		if (which % 500 == 1) /* long ones too, up to the format's bound */
			for (size_t bytes = which == 1 ? 65535 : 3000 + which; n < bytes;)
				name[n++] = 'x';
		if (add_it) {
			assert_int_equal(atr_subjects_add(t, name, n, i), ATR_OK);
			live += count[which]++ == 0;
		} else if (count[which] > 0) {
			atr_subjects_remove(t, name, n, i, 1);
			live -= --count[which] == 0;
		}
		assert_int_equal(atr_subjects_count(t), live);
		if (count[which] == 0)
			assert_null(atr_subjects_find(t, name, n));
		else
			assert_int_equal(atr_subjects_find(t, name, n)->messages, count[which]);
	}
	for (size_t i = 0; i < atr_subjects_count(t); i++) {
		const char *at_name;
		struct atr_subject_entry *e = atr_subjects_at(t, i, &at_name);

		assert_memory_equal(at_name, "s.", 2);
		assert_int_equal(e->messages, count[strtoul(at_name + 2, NULL, 10)]);
		assert_ptr_equal(atr_subjects_find(t, at_name, e->name_bytes), e);
	}
	/* names that are gone do not stay in memory for good */
	assert_true(atr_subjects_memory_bytes(t) < 3000000);
	atr_subjects_table_free(t);
	free(count);
	free(name);
}

static void names_that_differ_in_one_byte_are_different_subjects(void **state)
{
	(void)state;
	for (size_t bytes = 1; bytes <= 40; bytes++) {
		struct atr_subjects_table *t = atr_subjects_table_new();
		/* nothing behind the name may be read */
		char *name = malloc(bytes);

		assert_non_null(name);
		memset(name, 'a', bytes);
		assert_int_equal(atr_subjects_add(t, name, bytes, 1), ATR_OK);
		for (size_t i = 0; i < bytes; i++) {
			name[i] = 'b'; /* right after the one it differs from, and again */
			assert_int_equal(atr_subjects_add(t, name, bytes, 2 * i + 2), ATR_OK);
			assert_int_equal(atr_subjects_add(t, name, bytes, 2 * i + 3), ATR_OK);
			assert_int_equal(atr_subjects_count(t), i + 2);
			name[i] = 'a';
			assert_int_equal(atr_subjects_find(t, name, bytes)->messages, 1);
		}
		assert_int_equal(atr_subjects_find(t, name, bytes)->last, 1);
		free(name);
		atr_subjects_table_free(t);
	}
}

static void a_million_subjects_take_eighty_bytes_each_at_most(void **state)
{
	struct atr_subjects_table *t = atr_subjects_table_new();
	char name[32];

	(void)state;
	for (unsigned i = 0; i < 1000000; i++) {
		(void)snprintf(name, sizeof name, "orders.%09u", i);
		assert_int_equal(atr_subjects_add(t, name, 16, i + 1), ATR_OK);
		if (i >= 1000 && (i & (i - 1)) == 0)
			assert_true(atr_subjects_memory_bytes(t) / (i + 1) <= 200);
	}
	print_message("%.1f bytes for each of 1,000,000 subjects of 16 bytes\n",
	              (double)atr_subjects_memory_bytes(t) / 1e6);
	assert_true(atr_subjects_memory_bytes(t) <= 80000000);
	assert_int_equal(find(t, "orders.000777777")->first, 777778);
	atr_subjects_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(messages_first_and_last_are_kept_per_subject),
	        cmocka_unit_test(removing_leaves_the_block_where_the_place_was),
	        cmocka_unit_test(a_state_files_subjects_are_known_by_block),
	        cmocka_unit_test(subjects_come_and_go),
	        cmocka_unit_test(names_that_differ_in_one_byte_are_different_subjects),
	        cmocka_unit_test(a_million_subjects_take_eighty_bytes_each_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
