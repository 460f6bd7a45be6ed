/* Each case runs in a child process: JS_KEY is taken once. */
#include "cli/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/options.h"
#include "tests/unit/store_fixture.h"

const struct command *const commands[] = {NULL}; /* help.c lists them */

/* Loads the keys in a child with JS_KEY set to environment (NULL = unset). Returns the exit code,
 * or 100 when the current key is not the expected one, 101 the previous one, 102 JS_KEY can still
 * be seen, 103 the process could be dumped, 104 OTHER_KEY or PREV_KEY can still be seen. */
static int load_in_child(const char *environment, const struct key_options *options,
                         const char *key, const char *prev_key)
{
	pid_t child;
	int status;

	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct keys keys;
		const char *visible, *other = getenv("OTHER_KEY"), *prev = getenv("PREV_KEY");
		int code;

		if (environment != NULL)
			setenv("JS_KEY", environment, 1);
		else
			unsetenv("JS_KEY");
		visible = getenv("JS_KEY");
		code = keys_load(options, &keys);
		if (code != EXIT_FINE)
			_exit(code);
		if (getenv("JS_KEY") != NULL || (visible != NULL && visible[0] != '\0'))
			_exit(102);
		if ((other != NULL && (getenv("OTHER_KEY") != NULL || other[0] != '\0')) ||
		    (prev != NULL && (getenv("PREV_KEY") != NULL || prev[0] != '\0')))
			_exit(104);
		if (keys.key_bytes != (key != NULL ? strlen(key) : 0) ||
		    (key != NULL && memcmp(keys.key, key, keys.key_bytes) != 0))
			_exit(100);
		if (keys.prev_key_bytes != (prev_key != NULL ? strlen(prev_key) : 0) ||
		    (prev_key != NULL && memcmp(keys.prev_key, prev_key, keys.prev_key_bytes) != 0))
			_exit(101);
		if ((key != NULL || prev_key != NULL) && prctl(PR_GET_DUMPABLE) != 0)
			_exit(103);
		keys_free(&keys);
		_exit(EXIT_FINE);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void each_source_gives_its_key(void **state)
{
	const char *file = strdup(fixture_path(*state, "key"));
	const char *prev = strdup(fixture_path(*state, "prev"));
	const char *conf = strdup(fixture_path(*state, "js.conf"));
	const char *uses = strdup(fixture_path(*state, "uses.conf"));
	struct key_options none = {0}, by_file = {.key_file = file, .prev_key_file = prev};
	struct key_options by_conf = {.nats_config = conf}, by_env = {.nats_config = uses};

	fixture_write(file, "from a file\n\n", 13);
	fixture_write(prev, "old", 3);
	fixture_write(conf, "jetstream { key: \"c1\", prev_key: \"c0\" }\n", 40);
	fixture_write(uses, "jetstream { key: $JS_KEY }\n", 27);
	assert_int_equal(load_in_child(NULL, &none, NULL, NULL), EXIT_FINE);
	assert_int_equal(load_in_child("from env", &none, "from env", NULL), EXIT_FINE);
	/* one trailing newline only */
	assert_int_equal(load_in_child(NULL, &by_file, "from a file\n", "old"), EXIT_FINE);
	assert_int_equal(load_in_child(NULL, &by_conf, "c1", "c0"), EXIT_FINE);
	/* a configuration that names JS_KEY is no second source */
	assert_int_equal(load_in_child("env1", &by_env, "env1", NULL), EXIT_FINE);
	assert_int_equal(load_in_child(NULL, &by_env, NULL, NULL), EXIT_USAGE);
	free((void *)file);
	free((void *)prev);
	free((void *)conf);
	free((void *)uses);
}

static void variables_of_a_configuration_are_wiped(void **state)
{
	static const char text[] = "K: $OTHER_KEY\njetstream { key: $K, prev_key: $PREV_KEY }\n";
	const char *conf = strdup(fixture_path(*state, "js.conf"));
	struct key_options by_conf = {.nats_config = conf};

	fixture_write(conf, text, sizeof text - 1);
	setenv("OTHER_KEY", "open-sesame", 1);
	setenv("PREV_KEY", "closed-sesame", 1);
	assert_int_equal(load_in_child(NULL, &by_conf, "open-sesame", "closed-sesame"), EXIT_FINE);
	unsetenv("OTHER_KEY");
	unsetenv("PREV_KEY");
	free((void *)conf);
}

static void two_sources_for_one_key_are_refused(void **state)
{
	const char *file = strdup(fixture_path(*state, "key"));
	const char *conf = strdup(fixture_path(*state, "js.conf"));
	struct key_options by_file = {.key_file = file};
	struct key_options by_conf = {.nats_config = conf};
	struct key_options both = {.key_file = file, .nats_config = conf};
	struct key_options prev = {.prev_key_file = file, .nats_config = conf};

	fixture_write(file, "k", 1);
	fixture_write(conf, "jetstream { key: \"c1\", prev_key: \"c0\" }\n", 40);
	assert_int_equal(load_in_child("env", &by_file, NULL, NULL), EXIT_USAGE);
	assert_int_equal(load_in_child("env", &by_conf, NULL, NULL), EXIT_USAGE);
	assert_int_equal(load_in_child(NULL, &both, NULL, NULL), EXIT_USAGE);
	assert_int_equal(load_in_child(NULL, &prev, NULL, NULL), EXIT_USAGE);
	free((void *)file);
	free((void *)conf);
}

static void missing_and_empty_keys_are_refused(void **state)
{
	const char *file = strdup(fixture_path(*state, "key"));
	struct key_options none = {0}, missing = {.key_file = "/nonexistent/key"};
	struct key_options by_file = {.key_file = file}, directory = {.key_file = *state};
	struct key_options prev = {.prev_key_file = file};
	struct key_options conf = {.nats_config = file};
	uint8_t *huge = calloc(1, 2 * 1024 * 1024);

	assert_int_equal(load_in_child("", &none, NULL, NULL), EXIT_USAGE);
	assert_int_equal(load_in_child(NULL, &missing, NULL, NULL), EXIT_USAGE);
	assert_int_equal(load_in_child(NULL, &directory, NULL, NULL), EXIT_USAGE);
	fixture_write(file, "\n", 1);
	assert_int_equal(load_in_child(NULL, &by_file, NULL, NULL), EXIT_USAGE);
	assert_int_equal(load_in_child(NULL, &prev, NULL, NULL), EXIT_USAGE);
	fixture_write(file, huge, 2 * 1024 * 1024);
	assert_int_equal(load_in_child(NULL, &by_file, NULL, NULL), EXIT_USAGE);
	fixture_write(file, "jetstream { key: 5 }", 20);
	assert_int_equal(load_in_child(NULL, &conf, NULL, NULL), EXIT_USAGE);
	free(huge);
	free((void *)file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(each_source_gives_its_key, fixture_setup,
	                                        fixture_teardown),
	        cmocka_unit_test_setup_teardown(variables_of_a_configuration_are_wiped,
	                                        fixture_setup, fixture_teardown),
	        cmocka_unit_test_setup_teardown(two_sources_for_one_key_are_refused, fixture_setup,
	                                        fixture_teardown),
	        cmocka_unit_test_setup_teardown(missing_and_empty_keys_are_refused, fixture_setup,
	                                        fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
