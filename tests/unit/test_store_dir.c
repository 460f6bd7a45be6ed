#include "cli/store_dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/exit_status.h"
#include "tests/unit/store_fixture.h"

const struct command *const commands[] = {NULL}; /* help.c lists them */

static void make_dirs(const char *base, const char *path)
{
	char full[PATH_MAX];

	snprintf(full, sizeof full, "%s/%s", base, path);
	for (char *slash = full + strlen(base) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = '\0';
		(void)mkdir(full, 0750);
		*slash = '/';
	}
	(void)mkdir(full, 0750);
}

static void make_stream(const char *base, const char *path)
{
	char file[PATH_MAX];

	make_dirs(base, path);
	snprintf(file, sizeof file, "%s/%s/meta.inf", base, path);
	fixture_write(file, "{}", 2);
}

static enum atr_status note(void *arg, const struct atr_place *place, struct atr_error *err)
{
	char *seen = arg;

	(void)err;
	sprintf(seen + strlen(seen), "%s/%s ", place->account, place->stream);
	return ATR_OK;
}

/* The streams that dir (below base) means, or the exit code in brackets. */
static const char *seen(const char *base, const char *dir, const char *account, const char *stream)
{
	static char text[2048];
	char path[PATH_MAX];
	int code;

	text[0] = '\0';
	snprintf(path, sizeof path, "%s/%s", base, dir);
	code = store_dir_visit(path, account, stream, note, text);
	if (code != EXIT_FINE)
		sprintf(text + strlen(text), "[%d]", code);
	return text;
}

static void dir_may_be_any_level(void **state)
{
	const char *base = *state;

	make_stream(base, "s/jetstream/$G/streams/B");
	make_stream(base, "s/jetstream/$G/streams/A");
	make_stream(base, "s/jetstream/ACC/streams/A");
	make_stream(base, "s/jetstream/ACC/streams/.gone");
	make_dirs(base, "s/jetstream/no-account");
	make_stream(base, "copy/X");
	assert_string_equal(seen(base, "s", NULL, NULL), "$G/A $G/B ACC/A ");
	assert_string_equal(seen(base, "s/jetstream", NULL, NULL), "$G/A $G/B ACC/A ");
	assert_string_equal(seen(base, "s/jetstream/", NULL, NULL), "$G/A $G/B ACC/A ");
	assert_string_equal(seen(base, "s/jetstream/$G", NULL, NULL), "$G/A $G/B ");
	assert_string_equal(seen(base, "s/jetstream/$G/streams/B", NULL, NULL), "$G/B ");
	assert_string_equal(seen(base, "s/jetstream/$G/streams/../streams/B", NULL, NULL), "$G/B ");
	assert_string_equal(seen(base, "s", "ACC", NULL), "ACC/A ");
	assert_string_equal(seen(base, "s", NULL, "A"), "$G/A ACC/A ");
	assert_string_equal(seen(base, "copy/X", NULL, NULL), "$G/X ");
	assert_string_equal(seen(base, "copy/X", "ACC", "A"), "ACC/A ");
}

static void what_is_no_store_is_refused(void **state)
{
	const char *base = *state;

	make_stream(base, "s/jetstream/$G/streams/A");
	make_dirs(base, "empty");
	fixture_write(fixture_path(base, "file"), "x", 1);
	assert_string_equal(seen(base, "empty", NULL, NULL), "[2]");
	assert_string_equal(seen(base, "missing", NULL, NULL), "[2]");
	assert_string_equal(seen(base, "file", NULL, NULL), "[2]");
	assert_string_equal(seen(base, "s", NULL, "Z"), "[2]");
	assert_string_equal(seen(base, "s", "ZZ", NULL), "[2]");
	assert_string_equal(seen(base, "s/jetstream/$G/streams/A", NULL, "B"), "[2]");
}

/* "account/stream rest-of-dir", or the exit code in brackets. */
static const char *target(const char *base, const char *dir, const char *account,
                          const char *stream, const char *account_line, const char *stream_line)
{
	static char text[8192];
	struct store_dir_target t;
	char path[PATH_MAX], real[PATH_MAX];
	int code;

	assert_non_null(realpath(base, real));
	snprintf(path, sizeof path, "%s/%s", base, dir);
	code = store_dir_target(path, account, stream, account_line, stream_line, &t);
	if (code != EXIT_FINE) {
		snprintf(text, sizeof text, "[%d]", code);
		return text;
	}
	assert_memory_equal(t.dir, real, strlen(real));
	snprintf(text, sizeof text, "%s/%s %s", t.account, t.stream, t.dir + strlen(real));
	return text;
}

static void load_makes_the_path_from_what_is_given(void **state)
{
	const char *base = *state;

	assert_string_equal(target(base, "new", NULL, "S", NULL, NULL),
	                    "$G/S /new/jetstream/$G/streams/S");
	assert_string_equal(target(base, "new/", NULL, NULL, "A", "L"),
	                    "A/L /new/jetstream/A/streams/L");
	assert_string_equal(target(base, "new", "B", "S", "A", "L"),
	                    "B/S /new/jetstream/B/streams/S");
	assert_string_equal(target(base, "x/jetstream/A/streams/S", NULL, NULL, NULL, "L"),
	                    "A/S /x/jetstream/A/streams/S");
	assert_string_equal(target(base, "x/jetstream", NULL, NULL, NULL, "L"),
	                    "$G/L /x/jetstream/$G/streams/L");
	assert_string_equal(target(base, "x/jetstream/A", NULL, NULL, NULL, "L"),
	                    "A/L /x/jetstream/A/streams/L");
	assert_string_equal(target(base, "new", NULL, NULL, NULL, NULL), "[2]");
	assert_string_equal(target(base, "new", NULL, "a.b", NULL, NULL), "[2]");
	assert_string_equal(target(base, "new", NULL, "", NULL, NULL), "[2]");
	assert_string_equal(target(base, "new", "..", "S", NULL, NULL), "[2]");
	assert_string_equal(target(base, "new", NULL, "a/b", NULL, NULL), "[2]");
	make_stream(base, "copy");
	assert_string_equal(target(base, "copy", NULL, NULL, NULL, NULL), "$G/copy /copy");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(dir_may_be_any_level, fixture_setup,
	                                        fixture_teardown),
	        cmocka_unit_test_setup_teardown(what_is_no_store_is_refused, fixture_setup,
	                                        fixture_teardown),
	        cmocka_unit_test_setup_teardown(load_makes_the_path_from_what_is_given,
	                                        fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
