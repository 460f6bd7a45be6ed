/* test_summary_file.c - summary.csv is read as it was written, whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/analysis/summary.h"
#include "harness/output/csv.h"
#include "harness/output/replace.h"
#include "tests/unit/synthetic.h"

/* Of the quick suite's first cells; a failed slice makes verdicts of each kind. */
static void make(struct samples *s, struct summary *m)
{
	static const struct synthetic_noise quiet = {0.05, 0.012, 0};

	memset(s, 0, sizeof(*s));
	synthetic_add(s, synthetic_quick, 2, quiet, 7);
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->rows[i].arm, "aes") == 0 && s->rows[i].round == 1 &&
		    strcmp(s->rows[i].workload, synthetic_quick[0].workload) == 0)
			s->rows[i].valid = 0;
	assert_int_equal(summary_make(s, m), 0);
}

static void summary_file_is_read_back(void **state)
{
	struct samples s;
	struct summary m;
	struct summary back;
	char error[512];
	const char *path = synthetic_path(synthetic_here, "summary.csv");
	(void)state;
	make(&s, &m);
	assert_int_equal(summary_write(path, &m), 0);
	assert_int_equal(summary_read(path, &back, error), CSV_RESULT_OK);
	assert_int_equal(back.count, m.count);
	for (size_t i = 0; i < m.count; i++) {
#define T(name) assert_string_equal(m.rows[i].name, back.rows[i].name);
#define U(name) assert_true(m.rows[i].name == back.rows[i].name);
#define F(name)                                                                                    \
	if (isnan(m.rows[i].name))                                                                 \
		assert_true(isnan(back.rows[i].name));                                             \
	else                                                                                       \
		assert_true(fabs(back.rows[i].name - m.rows[i].name) <= 1e-6);
		SUMMARY_COLUMNS(T, U, F)
#undef T
#undef U
#undef F
	}
	summary_free(&back);
	summary_free(&m);
	samples_free(&s);
}

static void summary_file_has_the_promised_columns_first(void **state)
{
	struct summary m = {0};
	char *text;
	size_t bytes;
	const char *path = synthetic_path(synthetic_here, "columns.csv");
	(void)state;
	assert_int_equal(summary_write(path, &m), 0);
	assert_int_equal(read_whole_file(path, 1 << 20, &text, &bytes), 0);
	static const char expected[] =
	        "# atrest-summary v1\n"
	        "workload,class,target,target_version,dir,cipher,provider,arm,payload_bytes,"
	        "metric,unit,rounds,baseline,baseline_value,value,overhead_pct,low_pct,high_pct,"
	        "floor_pct,overhead_own_dir_pct,verdict,added,added_low,added_high\n"
	        "# rows=0 sha256=";
	assert_int_equal(strncmp(text, expected, strlen(expected)), 0);
	free(text);
}

static void a_summary_file_in_part_is_refused(void **state)
{
	struct samples s;
	struct summary m;
	struct summary back;
	char error[512];
	char *text;
	size_t bytes;
	const char *path = synthetic_path(synthetic_here, "part.csv");
	(void)state;
	make(&s, &m);
	assert_int_equal(summary_write(path, &m), 0);
	assert_int_equal(read_whole_file(path, 1 << 20, &text, &bytes), 0);
	for (size_t cut = 0; cut < bytes; cut += 97) {
		assert_int_equal(replace_file(path, text, cut), 0);
		assert_int_equal(summary_read(path, &back, error), CSV_RESULT_MALFORMED);
		assert_int_equal(back.count, 0);
	}
	char *verdict = strstr(text, ",overhead,");
	assert_non_null(verdict);
	memcpy(verdict, ",0verhead,", 10);
	assert_int_equal(replace_file(path, text, bytes), 0);
	assert_int_equal(summary_read(path, &back, error), CSV_RESULT_MALFORMED);
	assert_non_null(strstr(error, "column verdict"));
	free(text);
	summary_free(&m);
	samples_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(summary_file_is_read_back),
	        cmocka_unit_test(summary_file_has_the_promised_columns_first),
	        cmocka_unit_test(a_summary_file_in_part_is_refused),
	};
	return cmocka_run_group_tests(tests, synthetic_here_make, synthetic_here_remove);
}
