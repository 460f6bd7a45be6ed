#include "store/tally.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/store_fixture.h"

#define SUBJECTS 1000

static char names[SUBJECTS][16];
static struct atr_index_subject listed[SUBJECTS];

static void make_list(void)
{
	for (size_t i = 0; i < SUBJECTS; i++) {
		listed[i].name = names[i];
		listed[i].name_bytes = (size_t)snprintf(names[i], sizeof names[i], "s.%zu", i);
		listed[i].messages = 1 + i % 3;
	}
}

static void counts_of_each_subject_are_compared(void **state)
{
	struct atr_tally tally;
	const struct atr_tally_entry *e;
	size_t at = 0;

	(void)state;
	make_list();
	assert_int_equal(atr_tally_init(&tally, listed, SUBJECTS), ATR_OK);
	for (size_t i = 0; i < SUBJECTS; i++)
		for (size_t k = 0; k < listed[i].messages; k++)
			assert_true(atr_tally_see(&tally, listed[i].name, listed[i].name_bytes));
	assert_null(atr_tally_differing(&tally, &at));
	assert_false(atr_tally_see(&tally, "s.1000", 6));
	assert_false(atr_tally_see(&tally, "s.", 2));
	assert_true(atr_tally_see(&tally, "s.17", 4)); /* one too many */
	at = 0;
	e = atr_tally_differing(&tally, &at);
	assert_non_null(e);
	assert_ptr_equal(e->listed, &listed[17]);
	assert_int_equal(e->seen, listed[17].messages + 1);
	assert_null(atr_tally_differing(&tally, &at));
	atr_tally_reset(&tally);
	at = 0;
	for (size_t i = 0; i < SUBJECTS; i++)
		assert_non_null(atr_tally_differing(&tally, &at));
	atr_tally_free(&tally);
}

static void a_subject_listed_twice_is_refused(void **state)
{
	struct atr_tally tally;

	(void)state;
	make_list();
	listed[5] = listed[4];
	assert_int_equal(atr_tally_init(&tally, listed, SUBJECTS), ATR_EFORMAT);
	assert_null(tally.slot);
}

static void an_empty_tally_lists_nothing(void **state)
{
	struct atr_tally tally = {0};
	size_t at = 0;

	(void)state;
	assert_false(atr_tally_see(&tally, "a", 1));
	assert_null(atr_tally_differing(&tally, &at));
	assert_int_equal(atr_tally_init(&tally, NULL, 0), ATR_OK);
	assert_false(atr_tally_see(&tally, "a", 1));
	atr_tally_free(&tally);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(counts_of_each_subject_are_compared),
	        cmocka_unit_test(a_subject_listed_twice_is_refused),
	        cmocka_unit_test(an_empty_tally_lists_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
