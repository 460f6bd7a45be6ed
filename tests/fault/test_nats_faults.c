/* test_nats_faults.c - runs whose own nats-servers die or refuse, and runs that are
 * killed themselves: one line says so, the rows tell it, nothing is left behind.
 *
 * ATREST_SEED repeats a seed, ATREST_SERVER_KILLS is how many servers of each version are killed
 * (at least, until a row was lost).
 */
#include "tests/fault/server_run.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/measure/clock.h"
#include "harness/measure/filesystem.h"

/* Each end is said within this time; a run takes 2 s on an idle machine. */
#define LIMIT_S   60
#define KILLS_MAX 10 /* one in two or three costs a row */

/* Four slices of about half a second, most of it the server's start and end. */
static const char publish[] = "operation = publish\nmessages = 4000\nsizes = 1k\nwindow = 64\n";
static const char read_some[] = "operation = read-sequential\nmessages = 4000\n"
                                "fill_messages = 2000\nsizes = 1k\n";

static const char *const one_cell[] = {"p.ini", "--target", "nats", "--cipher",
                                       "none",  "--rounds", "2",    NULL};
static const char *const two_cells[] = {"p.ini", "r.ini",    "--target", "nats", "--cipher",
                                        "none",  "--rounds", "2",        NULL};

static int set_up(void **state)
{
	int rc = fixture_directory_make(state);

	if (rc == 0) {
		fixture_write(*state, "p.ini", publish);
		fixture_write(*state, "r.ini", read_some);
	}
	return rc;
}

/* ---- no server, or not the one that is needed ---- */

static void expect_refused(const char *directory, const char *program,
                           const char *const arguments[], int status, const char *text)
{
	struct fixture_output out;

	server_run(directory, program, arguments, LIMIT_S, &out);
	server_run_expect_status(&out, status);
	server_run_expect_text(&out, text);
	assert_int_equal(fixture_count(directory, "out"), 0);
	fixture_output_free(&out);
}

static void a_missing_server_is_said_before_anything_is_written(void **state)
{
	static const char *const named[] = {"p.ini", "--target", "nats:2.9.10", NULL};
	char *path = strdup(getenv("PATH"));
	const char *cache = getenv("XDG_CACHE_HOME");

	expect_refused(*state, "/nowhere/nats-server", one_cell, 4,
	               "NATS_SERVER=/nowhere/nats-server: No such file");
	/* No program, none in the cache, nothing to fetch one with. */
	cache = cache == NULL ? NULL : strdup(cache);
	setenv("PATH", "/nowhere", 1);
	setenv("XDG_CACHE_HOME", *state, 1);
	expect_refused(*state, NULL, one_cell, 4, "no nats-server as NATS_SERVER, in PATH or");
	expect_refused(*state, NULL, named, 4, "no nats-server 2.9.10 as NATS_SERVER");
	setenv("PATH", path, 1);
	if (cache != NULL)
		setenv("XDG_CACHE_HOME", cache, 1);
	else
		unsetenv("XDG_CACHE_HOME");
	free(path);
}

static void an_old_server_has_no_cells_of_what_it_does_not_know(void **state)
{
	const char *const both[] = {"p.ini", "always.ini", "--target", "nats", "--cipher",
	                            "none",  "--rounds",   "2",        NULL};
	const char *const alone[] = {"always.ini", "--target", "nats", NULL};
	const char *old = server_versions[0].program;
	struct fixture_output out;
	size_t rows;

	fixture_write(*state, "always.ini",
	              "operation = publish\nmessages = 50\nsizes = 1k\nsync = always\n");
	expect_refused(*state, old, alone, 4, "without always: sync_interval exists from 2.10");
	server_run(*state, old, both, LIMIT_S, &out);
	server_run_expect_status(&out, 0);
	server_run_expect_text(&out, "without always: sync_interval exists from 2.10");
	assert_int_equal(server_run_invalid(*state, "", &rows, NULL), 0);
	assert_int_equal(rows, 4);
	fixture_output_free(&out);
}

static void a_refused_configuration_is_shown_as_the_server_says_it(void **state)
{
	for (size_t v = 0; v < SERVER_VERSIONS; v++) {
		struct fixture_output out;
		char program[512];

		snprintf(program, sizeof(program), "%s/refusing", (const char *)*state);
		server_run_wrap(*state, "refusing", &server_versions[v],
		                "echo 'no_such_setting: 1' >> \"$2\"");
		server_run(*state, program, one_cell, LIMIT_S, &out);
		server_run_expect_status(&out, 4);
		server_run_expect_text(&out, "nats-server refuses its configuration");
		server_run_expect_text(&out, "unknown field \"no_such_setting\"");
		server_run_expect_log(*state, &out);
		assert_int_equal(
		        server_run_invalid(*state, "refuses its configuration", NULL, NULL), 1);
		server_run_expect_clean(*state);
		fixture_output_free(&out);
		server_run_again(*state);
	}
}

/* ---- servers that die ---- */

/* A server of the run, after as many others as may come, at any moment of its life. */
static pid_t random_server(const char *directory)
{
	pid_t pid = 0;

	for (unsigned i = server_run_random(3) + 1; i > 0; i--)
		pid = server_run_server(directory, pid);
	server_run_sleep_ms(server_run_random(400));
	if (server_run_servers(directory, &pid) == 0)
		pid = server_run_server(directory, pid);
	return pid;
}

/* One run, one of its servers killed. 1 when that made a row invalid: what is filled is filled
 * again, and a server that has answered everything may end as it likes. */
static size_t kill_one(const char *directory, const struct server_version *version)
{
	pid_t pid = server_run_start(directory, version->program, two_cells);
	pid_t server = random_server(directory);
	struct fixture_output out;
	size_t rows, invalid;
	int complete;

	(void)kill(server, SIGKILL);
	server_run_wait(directory, pid, LIMIT_S, &out);
	invalid = server_run_invalid(directory, "nats-server was killed by signal 9", &rows,
	                             &complete);
	if (invalid > 0) {
		server_run_expect_text(&out, "nats-server was killed by signal 9");
		server_run_expect_log(directory, &out);
	}
	/* The one row, and the run goes on. */
	server_run_expect_status(&out, invalid > 0 ? 1 : 0);
	assert_true(invalid <= 1);
	assert_int_equal(rows, 8);
	assert_int_equal(complete, 1);
	server_run_expect_clean(directory);
	fixture_output_free(&out);
	server_run_again(directory);
	return invalid;
}

static void a_server_killed_at_any_moment_costs_its_row(void **state)
{
	const char *wanted = getenv("ATREST_SERVER_KILLS");
	unsigned kills = wanted == NULL ? 1 : (unsigned)atoi(wanted);

	for (size_t v = 0; v < SERVER_VERSIONS; v++) {
		size_t invalid = 0;
		unsigned killed = 0;
		for (; killed < kills || (invalid == 0 && killed < KILLS_MAX); killed++)
			invalid += kill_one(*state, &server_versions[v]);
		print_message("%s: %u killed, %zu rows invalid\n", server_versions[v].found, killed,
		              invalid);
		assert_true(invalid > 0);
	}
}

/* ---- a slow consumer, another key ---- */

static void a_slow_consumer_is_named(void **state)
{
	static const char *const arguments[] = {"large.ini", "--target", "nats", "--cipher",
	                                        "none",      "--rounds", "2",    NULL};

	fixture_write(*state, "large.ini",
	              "operation = read-sequential\nmessages = 600\nfill_messages = 300\n"
	              "sizes = 64k\n");
	for (size_t v = 0; v < SERVER_VERSIONS; v++) {
		struct fixture_output out;
		char program[512];

		snprintf(program, sizeof(program), "%s/impatient", (const char *)*state);
		server_run_wrap(*state, "impatient", &server_versions[v],
		                "sed -i '/^write_deadline/d; /^max_payload/d' \"$2\"\n"
		                "echo 'max_payload: 131072' >> \"$2\"\n"
		                "echo 'max_pending: 131072' >> \"$2\"");
		server_run(*state, program, arguments, LIMIT_S, &out);
		print_message("%s: %s", server_versions[v].found, out.error);
		server_run_expect_status(&out, 1);
		server_run_expect_text(&out, "Slow Consumer");
		assert_true(server_run_invalid(*state, "Slow Consumer", NULL, NULL) > 0);
		server_run_expect_log(*state, &out);
		server_run_expect_clean(*state);
		fixture_output_free(&out);
		server_run_again(*state);
	}
}

/* The key changes between filling and reading. */
static void another_key_names_the_stream(void **state)
{
	static const char *const arguments[] = {"r.ini", "--target", "nats", "--cipher",
	                                        "aes",   "--rounds", "1",    NULL};

	for (size_t v = 0; v < SERVER_VERSIONS; v++) {
		struct fixture_output out;
		char program[512];

		snprintf(program, sizeof(program), "%s/forgetful", (const char *)*state);
		server_run_wrap(
		        *state, "forgetful", &server_versions[v],
		        "store=$(sed -n 's/.*store_dir: \"\\(.*\\)\"/\\1/p' \"$2\")\n"
		        "[ ! -d \"$store/jetstream\" ] || export ATREST_SERVER_KEY='\"another\"'");
		server_run(*state, program, arguments, LIMIT_S, &out);
		server_run_expect_status(&out, 5);
		server_run_expect_text(
		        &out, "does not serve stream ATREST-0, which is under another key");
		assert_true(server_run_invalid(*state, "another key or cipher", NULL, NULL) > 0);
		server_run_expect_log(*state, &out);
		server_run_expect_clean(*state);
		fixture_output_free(&out);
		server_run_again(*state);
	}
}

/* ---- the run itself is killed ---- */

static void a_killed_run_leaves_no_server_and_the_next_removes_its_directory(void **state)
{
	char out_path[512], foreign[600], other[512];
	const char *const next[] = {"p.ini",    "--target", "nats", "--cipher", "none",
	                            "--rounds", "2",        "-o",   other,      NULL};

	snprintf(other, sizeof(other), "%s/next", (const char *)*state);
	snprintf(out_path, sizeof(out_path), "%s/out", (const char *)*state);
	for (size_t v = 0; v < SERVER_VERSIONS; v++) {
		struct fixture_output out;
		pid_t pid, server;

		pid = server_run_start(*state, server_versions[v].program, one_cell);
		server = random_server(*state);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(fixture_wait(pid), 128 + SIGKILL);
		server_run_expect_gone(server, 1000);
		assert_int_equal(server_run_servers(*state, NULL), 0);
		assert_int_equal(fixture_count(out_path, "atrest-run-"), 1);
		/* Not of a run: it has no owner. */
		snprintf(foreign, sizeof(foreign), "%s/atrest-run-foreign", out_path);
		assert_int_equal(mkdir(foreign, 0755), 0);
		server_run(*state, server_versions[v].program, next, LIMIT_S, &out);
		server_run_expect_status(&out, 0);
		server_run_expect_text(&out, "left by a run that was killed; removed");
		assert_int_equal(fixture_count(out_path, "atrest-run-"), 1);
		assert_int_equal(rmdir(foreign), 0);
		fixture_output_free(&out);
		server_run_again(*state);
		assert_int_equal(filesystem_remove_tree(other), 0);
	}
}

static void a_killed_worker_costs_its_row(void **state)
{
	struct fixture_output out;
	pid_t pid, server, worker;
	size_t rows;

	pid = server_run_start(*state, server_versions[1].program, one_cell);
	server = server_run_server(*state, 0);
	server_run_sleep_ms(100);
	worker = server_run_parent(server);
	assert_int_equal(server_run_parent(worker), pid);
	assert_int_equal(kill(worker, SIGKILL), 0);
	server_run_expect_gone(server, 1000);
	server_run_wait(*state, pid, LIMIT_S, &out);
	server_run_expect_status(&out, 1);
	server_run_expect_text(&out, "worker process killed by signal 9");
	server_run_expect_log(*state, &out);
	assert_int_equal(server_run_invalid(*state, "killed by signal 9", &rows, NULL), 1);
	assert_int_equal(rows, 4);
	server_run_expect_clean(*state);
	fixture_output_free(&out);
}

static void an_interrupted_run_stops_its_server(void **state)
{
	for (size_t v = 0; v < SERVER_VERSIONS; v++) {
		struct fixture_output out;
		pid_t pid, server;
		uint64_t from_ns;

		pid = server_run_start(*state, server_versions[v].program, one_cell);
		server = random_server(*state);
		from_ns = clock_ns();
		assert_int_equal(kill(pid, SIGINT), 0);
		server_run_wait(*state, pid, 10, &out);
		print_message("ended %u ms after Ctrl-C\n",
		              (unsigned)((clock_ns() - from_ns) / 1000000));
		server_run_expect_status(&out, 130);
		server_run_expect_text(&out, "interrupted");
		server_run_expect_gone(server, 1000);
		assert_int_equal(server_run_invalid(*state, "", NULL, NULL), 0);
		server_run_expect_clean(*state);
		fixture_output_free(&out);
		server_run_again(*state);
	}
}

#define WITH_DIRECTORY(f) cmocka_unit_test_setup_teardown(f, set_up, fixture_directory_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        WITH_DIRECTORY(a_missing_server_is_said_before_anything_is_written),
	        WITH_DIRECTORY(an_old_server_has_no_cells_of_what_it_does_not_know),
	        WITH_DIRECTORY(a_refused_configuration_is_shown_as_the_server_says_it),
	        WITH_DIRECTORY(a_server_killed_at_any_moment_costs_its_row),
	        WITH_DIRECTORY(a_slow_consumer_is_named),
	        WITH_DIRECTORY(another_key_names_the_stream),
	        WITH_DIRECTORY(a_killed_run_leaves_no_server_and_the_next_removes_its_directory),
	        WITH_DIRECTORY(a_killed_worker_costs_its_row),
	        WITH_DIRECTORY(an_interrupted_run_stops_its_server),
	};

	if (server_run_find() != 0)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
