/* test_run_targets.c - targets, servers and credentials as they are typed. */
#include "cli/run_targets.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/harness_fixture.h"

const struct command *const commands[] = {NULL}; /* help.c lists them */

static struct run_options options;

static int read_targets(const struct run_target_arguments *a)
{
	memset(&options, 0, sizeof(options));
	return run_targets_read(a, &options);
}

static int read_target(const char *list)
{
	const struct run_target_arguments a = {.target = list};

	return read_targets(&a);
}

static int read_servers(const char *first, const char *second)
{
	struct run_target_arguments a = {.servers = {.value = {first, second}, .count = 2}};

	a.servers.count -= second == NULL;
	return read_targets(&a);
}

static void needs_servers(void)
{
	if (target_find(TARGET_SERVER_NAME) == NULL || target_find("nats") == NULL)
		skip();
}

static void the_store_is_what_is_measured_unless_asked(void **state)
{
	(void)state;
	assert_int_equal(read_target(NULL), EXIT_FINE);
	assert_int_equal(options.request.target_count, 1);
	assert_string_equal(options.request.targets[0].name, "store");
	assert_int_equal(options.server.replicas, 1);
	assert_int_equal(read_target("null,store"), EXIT_FINE);
	assert_int_equal(options.request.target_count, 2);
	assert_string_equal(options.request.targets[1].name, "store");
	assert_string_equal(options.request.targets[1].version, "");
}

static void what_is_no_list_of_targets_is_refused(void **state)
{
	static const char *const lists[] = {
	        "",        ",",          "store,",      "disk",
	        "store:1", "null:2.9.1", "store,store", "a_name_too_long"};

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (read_target(lists[i]) != EXIT_USAGE)
			fail_msg("accepted: %s", lists[i]);
}

static void what_is_no_version_is_refused(void **state)
{
	static const char *const lists[] = {
	        "nats:",        "nats:2",      "nats:2.15",   "nats:2.15.x",  "nats:2.15.1.1",
	        "nats:v2.15.1", "nats:-1.0.0", "nats:latest", "nats:2.15.1-", "nats:2.15.1-R/C"};

	(void)state;
	needs_servers();
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (read_target(lists[i]) != EXIT_USAGE)
			fail_msg("accepted: %s", lists[i]);
}

/* The one that is there, under every name that it has. */
static void a_server_is_known_by_its_true_version(void **state)
{
	char list[128];

	(void)state;
	needs_servers();
	if (read_target("nats:2.9.10") != EXIT_FINE)
		skip(); /* said on standard error */
	assert_string_equal(options.request.targets[0].name, "nats");
	assert_string_equal(options.request.targets[0].version, "2.9.10");
	assert_int_equal(access(options.request.targets[0].program, X_OK), 0);
	setenv("NATS_SERVER", options.request.targets[0].program, 1);
	assert_int_equal(read_target("store,nats"), EXIT_FINE);
	assert_string_equal(options.request.targets[1].version, "2.9.10");
	snprintf(list, sizeof(list), "nats,store,nats:%s", options.request.targets[1].version);
	assert_int_equal(read_target(list), EXIT_USAGE);
	assert_int_equal(read_target("nats:2.9.10,nats"), EXIT_USAGE);
	setenv("NATS_SERVER", "/bin/true", 1);
	assert_int_equal(read_target("nats"), EXIT_SYSTEM);
	unsetenv("NATS_SERVER");
}

/* Said to be of that version, which is all that is asked before a run. */
static void a_version_to_come_is_one(void **state)
{
	const char *directory = *state;
	char program[512];

	needs_servers();
	fixture_write(directory, "nats-server", "#!/bin/sh\necho nats-server: v2.99.0-RC.1\n");
	snprintf(program, sizeof(program), "%s/nats-server", directory);
	assert_int_equal(chmod(program, 0755), 0);
	setenv("NATS_SERVER", program, 1);
	assert_int_equal(read_target("nats:2.99.0-RC.1"), EXIT_FINE);
	assert_string_equal(options.request.targets[0].version, "2.99.0-RC.1");
	assert_string_equal(options.request.targets[0].program, program);
	assert_int_equal(read_target("nats"), EXIT_FINE);
	assert_string_equal(options.request.targets[0].version, "2.99.0-RC.1");
	unsetenv("NATS_SERVER");
}

static void a_server_has_a_cipher_and_urls(void **state)
{
	(void)state;
	needs_servers();
	assert_int_equal(read_servers("nats://a:4222,nats://b:4222", "aes=tls://c"), EXIT_FINE);
	assert_int_equal(options.request.target_count, 1);
	assert_string_equal(options.request.targets[0].name, TARGET_SERVER_NAME);
	assert_int_equal(options.request.server_count, 2);
	assert_string_equal(options.request.servers[0].cipher, "none");
	assert_string_equal(options.request.servers[0].urls, "nats://a:4222,nats://b:4222");
	assert_string_equal(options.request.servers[1].cipher, "aes");
	assert_string_equal(options.request.servers[1].urls, "tls://c");
	assert_int_equal(read_servers("chachapoly=localhost", NULL), EXIT_FINE);
	assert_string_equal(options.request.servers[0].cipher, "chachapoly");
}

static void a_server_is_added_to_the_targets_once(void **state)
{
	struct run_target_arguments a = {.target = "store",
	                                 .servers = {.value = {"aes=localhost"}, .count = 1}};

	(void)state;
	needs_servers();
	assert_int_equal(read_targets(&a), EXIT_FINE);
	assert_int_equal(options.request.target_count, 2);
	a.target = "server,store";
	assert_int_equal(read_targets(&a), EXIT_FINE);
	assert_int_equal(options.request.target_count, 2);
	assert_int_equal(read_target("server"), EXIT_USAGE);
}

static void what_is_no_server_is_refused(void **state)
{
	static const char *const servers[] = {"",
	                                      "aes=",
	                                      "rot13=nats://a",
	                                      "chachapolychachapoly=nats://a",
	                                      "=nats://a",
	                                      "nats://",
	                                      "nats://a,",
	                                      ",nats://a",
	                                      "nats://a, nats://b",
	                                      "http://a",
	                                      "nats://user:secret@a",
	                                      "aes=token@a"};
	char many[2048] = "nats://a";

	(void)state;
	needs_servers();
	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++)
		if (read_servers(servers[i], NULL) != EXIT_USAGE)
			fail_msg("accepted: %s", servers[i]);
	assert_int_equal(read_servers("nats://a", "none=nats://b"), EXIT_USAGE);
	while (strlen(many) < 1024)
		strcat(many, ",nats://another");
	assert_int_equal(read_servers(many, NULL), EXIT_USAGE);
}

static void an_option_wins_over_the_environment(void **state)
{
	struct run_target_arguments a = {.servers = {.value = {"localhost"}, .count = 1},
	                                 .user = "u",
	                                 .creds = "/dev/null",
	                                 .replicas = "3"};

	(void)state;
	needs_servers();
	setenv("NATS_USER", "other", 1);
	setenv("NATS_PASSWORD", "secret", 1);
	setenv("NATS_CA", "", 1);
	assert_int_equal(read_targets(&a), EXIT_FINE);
	assert_string_equal(options.server.user, "u");
	assert_string_equal(options.server.password, "secret");
	assert_string_equal(options.server.creds, "/dev/null");
	assert_string_equal(options.server.tls_ca, "");
	assert_int_equal(options.server.replicas, 3);
	/* For servers that are there alone. */
	assert_int_equal(read_target("store"), EXIT_FINE);
	assert_string_equal(options.server.password, "");
	unsetenv("NATS_USER");
	unsetenv("NATS_PASSWORD");
	unsetenv("NATS_CA");
}

static void credentials_without_their_other_half_are_refused(void **state)
{
	static const struct run_target_arguments cases[] = {
	        {.user = "u"},
	        {.replicas = "3"},
	        {.servers = {{"localhost"}, 1}, .replicas = "0"},
	        {.servers = {{"localhost"}, 1}, .replicas = "6"},
	        {.servers = {{"localhost"}, 1}, .password = "p"},
	        {.servers = {{"localhost"}, 1}, .user = ""},
	        {.servers = {{"localhost"}, 1}, .creds = "/nowhere/creds"},
	        {.servers = {{"localhost"}, 1}, .nkey = "/nowhere/nkey"},
	        {.servers = {{"localhost"}, 1}, .tls_cert = "/dev/null"},
	        {.servers = {{"localhost"}, 1}, .tls_key = "/dev/null"}};

	(void)state;
	needs_servers();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (read_targets(&cases[i]) != EXIT_USAGE)
			fail_msg("accepted: case %zu", i);
}

/* As a value of its own, behind '=', and of an option that was shortened. */
static void credentials_are_not_in_the_arguments_that_are_kept(void **state)
{
	char *argv[] = {"run",        "--password", "secret", "--us=name",
	                "--creds=/x", "--seed",     "5",      NULL};
	const struct run_target_arguments a = {
	        .password = argv[2], .user = argv[3] + 5, .creds = argv[4] + 8};
	static const char *const shown[] = {"run",         "--password", "***", "--us=***",
	                                    "--creds=***", "--seed",     "5"};
	char **kept = run_targets_arguments(&a, 7, argv);

	(void)state;
	assert_non_null(kept);
	for (size_t i = 0; i < 7; i++)
		assert_string_equal(kept[i], shown[i]);
	assert_null(kept[7]);
	free(kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_store_is_what_is_measured_unless_asked),
	        cmocka_unit_test(what_is_no_list_of_targets_is_refused),
	        cmocka_unit_test(what_is_no_version_is_refused),
	        cmocka_unit_test(a_server_is_known_by_its_true_version),
	        cmocka_unit_test_setup_teardown(a_version_to_come_is_one, fixture_directory_make,
	                                        fixture_directory_remove),
	        cmocka_unit_test(a_server_has_a_cipher_and_urls),
	        cmocka_unit_test(a_server_is_added_to_the_targets_once),
	        cmocka_unit_test(what_is_no_server_is_refused),
	        cmocka_unit_test(an_option_wins_over_the_environment),
	        cmocka_unit_test(credentials_without_their_other_half_are_refused),
	        cmocka_unit_test(credentials_are_not_in_the_arguments_that_are_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
