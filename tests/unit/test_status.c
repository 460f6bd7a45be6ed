#include "tests/unit/store_fixture.h"

#include <errno.h>
#include <string.h>

static void line_names_path_offset_and_text(void **state)
{
	struct atr_error err;
	char line[256];

	(void)state;
	assert_int_equal(atr_error_set(&err, ATR_EFORMAT, "/s/1.blk", 42, "found %d", 7),
	                 ATR_EFORMAT);
	atr_error_line(&err, line, sizeof line);
	assert_string_equal(line, "/s/1.blk:42: found 7");
	(void)atr_error_set(&err, ATR_EIO, "/s/1.blk", -1, "broken");
	atr_error_line(&err, line, sizeof line);
	assert_string_equal(line, "/s/1.blk: broken");
	(void)atr_error_set(&err, ATR_EINVAL, NULL, -1, "bad");
	atr_error_line(&err, line, sizeof line);
	assert_string_equal(line, "bad");
	assert_int_equal(atr_error_set(NULL, ATR_EIO, NULL, -1, "nobody listens"), ATR_EIO);
}

static void long_paths_and_texts_are_cut_not_overrun(void **state)
{
	char path[4000], line[64];
	struct atr_error err;

	(void)state;
	memset(path, 'p', sizeof path);
	path[sizeof path - 1] = '\0';
	(void)atr_error_set(&err, ATR_EIO, path, 1, "%s", path);
	assert_int_equal(strlen(err.path), sizeof err.path - 1);
	assert_int_equal(strlen(err.text), sizeof err.text - 1);
	atr_error_line(&err, line, sizeof line);
	assert_int_equal(strlen(line), sizeof line - 1);
}

static void errno_values_have_their_status(void **state)
{
	(void)state;
	assert_int_equal(atr_status_from_errno(ENOSPC), ATR_ENOSPC);
	assert_int_equal(atr_status_from_errno(EDQUOT), ATR_ENOSPC);
	assert_int_equal(atr_status_from_errno(EFBIG), ATR_ENOSPC);
	assert_int_equal(atr_status_from_errno(EMFILE), ATR_EMFILE);
	assert_int_equal(atr_status_from_errno(EROFS), ATR_EREADONLY);
	assert_int_equal(atr_status_from_errno(EACCES), ATR_EREADONLY);
	assert_int_equal(atr_status_from_errno(ENOMEM), ATR_ENOMEM);
	assert_int_equal(atr_status_from_errno(EIO), ATR_EIO);
}

static void every_status_has_its_own_text(void **state)
{
	(void)state;
	for (int a = ATR_OK; a <= ATR_EPOISONED; a++)
		for (int b = ATR_OK; b < a; b++)
			assert_string_not_equal(atr_status_text((enum atr_status)a),
			                        atr_status_text((enum atr_status)b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(line_names_path_offset_and_text),
	        cmocka_unit_test(long_paths_and_texts_are_cut_not_overrun),
	        cmocka_unit_test(errno_values_have_their_status),
	        cmocka_unit_test(every_status_has_its_own_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
