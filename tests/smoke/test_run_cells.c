/* test_run_cells.c - `atrest run` on servers: what it plans for them, and what it keeps to itself.
 */
#include "tests/unit/harness_fixture.h"

#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/output/samples.h"
#include "harness/targets/nats_server.h"
#include "harness/targets/target.h"

#define ATREST ATREST_BINARY_DIR "/cli/atrest"
#define READY  ATREST_SOURCE_DIR "/workloads/"

/* Exit 77 says so to CTest: without them nothing here is tested. */
static void needs_versions(void)
{
	char program[NATS_SERVER_PATH_BYTES], version[NATS_SERVER_VERSION_BYTES];
	static const char *const versions[] = {"2.9.10", "2.15.1"};
	struct target_error error;

	for (size_t i = 0; i < 2; i++) {
		if (target_find("nats") != NULL &&
		    nats_server_find(versions[i], program, version, &error) == 0)
			continue;
		print_message("skipped: no nats-server %s\n", versions[i]);
		exit(77);
	}
}

static void expect_status(const struct fixture_output *out, int status)
{
	if (out->status != status)
		fail_msg("status %d, expected %d; stderr: %s", out->status, status, out->error);
}

static json_t *plan_of(const char *directory, const char *const options[],
                       struct fixture_output *out)
{
	const char *argv[16] = {ATREST, "run", "--dry-run", "--json"};
	json_t *plan;

	for (size_t i = 0; i < 10 && options[i] != NULL; i++)
		argv[4 + i] = options[i];
	fixture_run(directory, argv, out);
	expect_status(out, 0);
	plan = json_loads(out->standard, 0, NULL);
	assert_non_null(plan);
	return plan;
}

static json_t *cell_of(json_t *plan, const char *workload, const char *target, const char *version)
{
	size_t i;
	json_t *cell;

	json_array_foreach(json_object_get(plan, "cells"), i, cell)
	{
		if (strcmp(json_string_value(json_object_get(cell, "workload")), workload) == 0 &&
		    strcmp(json_string_value(json_object_get(cell, "target")), target) == 0 &&
		    strcmp(json_string_value(json_object_get(cell, "version")), version) == 0)
			return cell;
	}
	return NULL;
}

static json_int_t rounds_of(json_t *plan, const char *workload, const char *target,
                            const char *version)
{
	return json_integer_value(
	        json_object_get(cell_of(plan, workload, target, version), "rounds"));
}

static json_int_t messages_of(json_t *plan, const char *workload, const char *target,
                              const char *version)
{
	return json_integer_value(
	        json_object_get(cell_of(plan, workload, target, version), "messages"));
}

static void the_quick_suite_asks_less_of_a_server(void **state)
{
	const char *const options[] = {"--target", "store,nats:2.9.10,nats:2.15.1", NULL};
	struct fixture_output out;
	json_t *plan = plan_of(*state, options, &out);

	assert_int_equal(json_array_size(json_object_get(plan, "cells")), 8 + 2 * 5);
	assert_int_equal(rounds_of(plan, "publish-1k", "nats", "2.9.10"), 12);
	assert_int_equal(rounds_of(plan, "publish-1k", "nats", "2.15.1"), 12);
	assert_int_equal(rounds_of(plan, "publish-8k", "nats", "2.15.1"), 8);
	assert_int_equal(rounds_of(plan, "publish-8k", "store", ""), 12);
	assert_true(messages_of(plan, "publish-1k", "nats", "2.15.1") <
	            messages_of(plan, "publish-1k", "store", ""));
	assert_non_null(cell_of(plan, "publish-64b", "store", ""));
	assert_null(cell_of(plan, "publish-64b", "nats", "2.15.1"));
	assert_null(cell_of(plan, "publish-128b", "store", ""));
	assert_string_equal(out.error, "");
	json_decref(plan);
	fixture_output_free(&out);
}

/* Slices that have to be long are as long for everybody. */
static void several_directories_lengthen_the_slices_of_servers_too(void **state)
{
	const char *const options[] = {
	        "--target", "store,nats:2.15.1", "--dir", "a=a", "--dir", "b=b", NULL};
	struct fixture_output out;
	char path[4096];
	json_t *plan;

	for (const char *name = "ab"; *name != '\0'; name++) {
		snprintf(path, sizeof(path), "%s/%c", (const char *)*state, *name);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	plan = plan_of(*state, options, &out);
	assert_int_equal(messages_of(plan, "publish-1k", "nats", "2.15.1"),
	                 messages_of(plan, "publish-1k", "store", ""));
	json_decref(plan);
	fixture_output_free(&out);
}

static void what_a_version_does_not_know_is_left_out_and_said(void **state)
{
	const char *const server[] = {"--suite", "server", "--target", "nats:2.9.10,nats:2.15.1",
	                              NULL};
	const char *const classes[] = {"--suite", "classes", "--target", "nats:2.15.1", NULL};
	const char *const alone[] = {ATREST,        "run",       "--target",
	                             "nats:2.9.10", "--dry-run", READY "publish-always-1k.ini",
	                             NULL};
	const char *const never[] = {ATREST,        "run",       "--target",
	                             "nats:2.15.1", "--dry-run", READY "encrypt-1k.ini",
	                             NULL};
	struct fixture_output out;
	json_t *plan = plan_of(*state, server, &out);

	assert_null(cell_of(plan, "publish-always-1k", "nats", "2.9.10"));
	assert_non_null(cell_of(plan, "publish-always-1k", "nats", "2.15.1"));
	assert_non_null(strstr(out.error, "nats 2.9.10: without publish-always-1k: "
	                                  "sync_interval exists from 2.10 on"));
	json_decref(plan);
	fixture_output_free(&out);
	plan = plan_of(*state, classes, &out);
	assert_null(cell_of(plan, "encrypt-1k", "nats", "2.15.1"));
	assert_null(cell_of(plan, "open-1k", "nats", "2.15.1"));
	assert_non_null(cell_of(plan, "open-server-1k", "nats", "2.15.1"));
	assert_non_null(strstr(out.error, "encrypt-1k, change-cipher-1k, rotate-key-1k"));
	json_decref(plan);
	fixture_output_free(&out);
	fixture_run(*state, alone, &out);
	expect_status(&out, 4);
	assert_non_null(strstr(out.error, "nothing is left to run"));
	fixture_output_free(&out);
	fixture_run(*state, never, &out);
	expect_status(&out, 2);
	assert_non_null(strstr(out.error, "target nats has no such operation"));
	fixture_output_free(&out);
}

/* Each target has what it can do of the files that were named. */
static void a_named_file_is_left_out_where_there_is_no_such_operation(void **state)
{
	const char *const options[] = {"p.ini",    READY "delete-1k.ini", READY "encrypt-1k.ini",
	                               "--target", "store,nats:2.15.1",   NULL};
	struct fixture_output out;
	json_t *plan;

	fixture_write(*state, "p.ini", "operation = publish\nmessages = 100\n");
	plan = plan_of(*state, options, &out);
	assert_non_null(cell_of(plan, "p", "nats", "2.15.1"));
	assert_non_null(cell_of(plan, "encrypt-1k", "store", ""));
	assert_null(cell_of(plan, "encrypt-1k", "nats", "2.15.1"));
	assert_non_null(strstr(out.error, "encrypt-1k: it has no such operation"));
	json_decref(plan);
	fixture_output_free(&out);
}

/* Its policy is its own, whatever a workload or the command line says. */
static void a_server_that_is_there_is_not_told_how_to_sync(void **state)
{
	const char *const options[] = {"p.ini", "often.ini", "never.ini",   "--target",
	                               "store", "--server",  "127.0.0.1:1", NULL};
	const char *const config[] = {"p.ini",    "--nats-config", "server.conf",
	                              "--server", "127.0.0.1:1",   NULL};
	struct fixture_output out;
	json_t *plan;

	fixture_write(*state, "p.ini", "operation = publish\nmessages = 100\n");
	fixture_write(*state, "often.ini", "operation = publish\nmessages = 100\nsync = 1s\n");
	fixture_write(*state, "never.ini", "operation = publish\nmessages = 100\nsync = none\n");
	fixture_write(*state, "server.conf", "jetstream { sync_interval: 10s }\n");
	plan = plan_of(*state, options, &out);
	assert_int_equal(json_array_size(json_object_get(plan, "cells")), 4);
	assert_non_null(cell_of(plan, "p", "server", ""));
	assert_non_null(strstr(out.error, "server: without often, never: a server that is there"));
	json_decref(plan);
	fixture_output_free(&out);
	plan = plan_of(*state, config, &out);
	assert_non_null(cell_of(plan, "p", "server", ""));
	json_decref(plan);
	fixture_output_free(&out);
}

/* Nobody answers there: the run fails, and what it wrote stays. */
static void credentials_are_written_nowhere(void **state)
{
	const char *const argv[] = {ATREST,        "run",    "p.ini",   "--server",
	                            "127.0.0.1:1", "--user", "someone", "--password=s3cret",
	                            "--rounds",    "1",      "-o",      "out",
	                            NULL};
	static const char *const files[] = {"out/machine.json", "out/samples.csv",
	                                    "out/workload.ini"};
	struct fixture_output out;
	char *text;

	fixture_write(*state, "p.ini", "operation = publish\nmessages = 10\n");
	fixture_run(*state, argv, &out);
	assert_int_not_equal(out.status, 0);
	for (size_t i = 0; i < 3; i++) {
		text = fixture_read(*state, files[i]);
		if (text == NULL)
			fail_msg("no %s; stderr: %s", files[i], out.error);
		assert_null(strstr(text, "s3cret"));
		assert_null(strstr(text, "someone"));
		assert_int_equal(strstr(text, "***") != NULL, i == 0);
		free(text);
	}
	assert_null(strstr(out.error, "s3cret"));
	fixture_output_free(&out);
}

/* What was left out is in the result as well. */
static void a_result_says_what_it_is_without(void **state)
{
	const char *const argv[] = {ATREST,        "run",      "p.ini", "a.ini",    "--target",
	                            "nats:2.9.10", "--cipher", "none",  "--rounds", "1",
	                            "-o",          "out",      NULL};
	struct fixture_output out;
	char *text;

	fixture_write(*state, "p.ini", "operation = publish\nmessages = 100\n");
	fixture_write(*state, "a.ini", "operation = publish\nmessages = 10\nsync = always\n");
	fixture_run(*state, argv, &out);
	expect_status(&out, 0);
	text = fixture_read(*state, "out/machine.json");
	assert_non_null(strstr(text, "nats 2.9.10: without a: sync_interval exists"));
	free(text);
	text = fixture_read(*state, "out/workload.ini");
	assert_non_null(strstr(text, "# p: every key"));
	assert_null(strstr(text, "# a: every key"));
	free(text);
	fixture_output_free(&out);
}

/* ---- servers that are there ---- */

/* A private one stands for one of somebody else's. */
static struct nats_server *server_start(const char *directory)
{
	struct nats_server_config config = {.cipher = "none"};
	char program[NATS_SERVER_PATH_BYTES], version[NATS_SERVER_VERSION_BYTES];
	char store_dir[4096], folder[4096];
	struct nats_server *server = NULL;
	struct target_error error;

	snprintf(store_dir, sizeof(store_dir), "%s/theirs", directory);
	snprintf(folder, sizeof(folder), "%s/theirs.server", directory);
	config.program = program;
	config.store_dir = store_dir;
	config.folder = folder;
	if (nats_server_find("2.15.1", program, version, &error) != 0 ||
	    nats_server_start(&config, &server, &error) != 0)
		fail_msg("%s", error.text);
	return server;
}

static size_t streams_of(const char *directory)
{
	char streams[4096];

	snprintf(streams, sizeof(streams), "%s/theirs/jetstream/$G/streams", directory);
	return fixture_count(streams, "");
}

static void what_a_run_made_on_a_server_is_gone_after_it(void **state)
{
	struct nats_server *server = server_start(*state);
	const char *url = nats_server_url(server);
	const char *const whole[] = {ATREST,     "run", "r.ini", "--server", url,
	                             "--rounds", "4",   "-o",    "whole",    NULL};
	const char *const cut[] = {ATREST,     "run", "r.ini", "--server", url,
	                           "--rounds", "400", "-o",    "cut",      NULL};
	struct fixture_output out;
	struct target_error error;
	struct samples samples;
	char path[4096], text[512];
	pid_t pid;

	fixture_write(*state, "r.ini",
	              "operation = read-sequential\nmessages = 200\nfill_messages = 200\n");
	/* Squares of two rounds: every arm fills two streams. */
	fixture_run(*state, whole, &out);
	expect_status(&out, 0);
	fixture_output_free(&out);
	snprintf(path, sizeof(path), "%s/whole/samples.csv", (const char *)*state);
	assert_int_equal(samples_read(path, &samples, text), CSV_RESULT_OK);
	fixture_drop_set_aside(&samples);
	assert_int_equal(samples.count, 2 * 4);
	for (size_t i = 0; i < samples.count; i++) {
		assert_int_equal(samples.rows[i].valid, 1);
		assert_string_equal(samples.rows[i].target_version, "2.15.1");
		/* in an arm's last round everything is read once more */
		assert_int_equal(samples.rows[i].reads_checked,
		                 samples.rows[i].round == 3 ? 400 : 200);
	}
	samples_free(&samples);
	assert_int_equal(streams_of(*state), 0);
	pid = fixture_start(*state, cut);
	for (int waits = 0; waits < 1000 && streams_of(*state) == 0; waits++)
		usleep(10000);
	assert_int_not_equal(streams_of(*state), 0);
	kill(pid, SIGINT);
	assert_int_equal(fixture_wait(pid), 130);
	/* But for those of the worker that was stopped at its work: a stream, and one that it warms
	 * the server up with. */
	assert_in_range(streams_of(*state), 0, 2);
	(void)nats_server_stop(server, &error);
}

/* Asked for what it cannot do, every slice would fail. */
static void replicas_need_a_cluster(void **state)
{
	struct nats_server *server = server_start(*state);
	const char *const argv[] = {
	        ATREST,       "run", "p.ini", "--server", nats_server_url(server),
	        "--replicas", "3",   "-o",    "out",      NULL};
	struct fixture_output out;
	struct target_error error;

	fixture_write(*state, "p.ini", "messages = 200\n");
	fixture_run(*state, argv, &out);
	expect_status(&out, 2);
	assert_non_null(strstr(out.error, "replicas > 1 not supported in non-clustered mode"));
	fixture_output_free(&out);
	(void)nats_server_stop(server, &error);
}

/* What is asked of servers that are there is not asked of one that is started for the run. By its
 * seed the private one comes first: the others end the run. */
static void replicas_are_not_for_private_servers(void **state)
{
	struct nats_server *server = server_start(*state);
	const char *const argv[] = {ATREST,
	                            "run",
	                            "p.ini",
	                            "--target",
	                            "nats:2.15.1",
	                            "--server",
	                            nats_server_url(server),
	                            "--replicas",
	                            "3",
	                            "--seed",
	                            "1",
	                            "--rounds",
	                            "1",
	                            "-o",
	                            "out",
	                            NULL};
	struct fixture_output out;
	struct target_error error;
	struct samples samples;
	char path[4096], text[512];
	size_t valid = 0;

	fixture_write(*state, "p.ini", "messages = 200\n");
	fixture_run(*state, argv, &out);
	expect_status(&out, 2); /* by those that are there: no cluster */
	fixture_output_free(&out);
	snprintf(path, sizeof(path), "%s/out/samples.csv", (const char *)*state);
	assert_int_equal(samples_read(path, &samples, text), CSV_RESULT_OK);
	fixture_drop_set_aside(&samples);
	for (size_t i = 0; i < samples.count; i++) {
		if (strcmp(samples.rows[i].target, "nats") != 0)
			continue;
		assert_int_equal(samples.rows[i].valid, 1);
		assert_int_equal(samples.rows[i].replicas, 1);
		valid++;
	}
	assert_int_not_equal(valid, 0);
	samples_free(&samples);
	(void)nats_server_stop(server, &error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(the_quick_suite_asks_less_of_a_server,
	                                        fixture_directory_make, fixture_directory_remove),
	        cmocka_unit_test_setup_teardown(
	                several_directories_lengthen_the_slices_of_servers_too,
	                fixture_directory_make, fixture_directory_remove),
	        cmocka_unit_test_setup_teardown(what_a_version_does_not_know_is_left_out_and_said,
	                                        fixture_directory_make, fixture_directory_remove),
	        cmocka_unit_test_setup_teardown(
	                a_named_file_is_left_out_where_there_is_no_such_operation,
	                fixture_directory_make, fixture_directory_remove),
	        cmocka_unit_test_setup_teardown(a_server_that_is_there_is_not_told_how_to_sync,
	                                        fixture_directory_make, fixture_directory_remove),
	        cmocka_unit_test_setup_teardown(credentials_are_written_nowhere,
	                                        fixture_directory_make, fixture_directory_remove),
	        cmocka_unit_test_setup_teardown(a_result_says_what_it_is_without,
	                                        fixture_directory_make, fixture_directory_remove),
	        cmocka_unit_test_setup_teardown(what_a_run_made_on_a_server_is_gone_after_it,
	                                        fixture_directory_make, fixture_directory_remove),
	        cmocka_unit_test_setup_teardown(replicas_need_a_cluster, fixture_directory_make,
	                                        fixture_directory_remove),
	        cmocka_unit_test_setup_teardown(replicas_are_not_for_private_servers,
	                                        fixture_directory_make, fixture_directory_remove),
	};
	needs_versions();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
