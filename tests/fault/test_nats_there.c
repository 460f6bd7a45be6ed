/* test_nats_there.c - runs against servers that are there already: who lets nobody in, is not
 * there, or is a cluster whose nodes are killed. The cluster is that of scripts/nats-cluster.
 */
#include "tests/fault/server_run.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/measure/clock.h"
#include "harness/process_record.h"

#define SCRIPT  ATREST_SOURCE_DIR "/scripts/nats-cluster"
#define LIMIT_S 60

static const char publish[] = "operation = publish\nmessages = 1000\nsizes = 1k\nwindow = 64\n";

static int set_up(void **state)
{
	int rc = fixture_directory_make(state);

	if (rc == 0)
		fixture_write(*state, "p.ini", publish);
	return rc;
}

static void told(const struct fixture_output *out, uint64_t from_ns)
{
	print_message("status %d after %u ms: %s", out->status,
	              (unsigned)((clock_ns() - from_ns) / 1000000), out->error);
}

/* ---- one server ---- */

/* Who says nothing is let in, and who says a name has to know the password. */
static const char guarded[] = "echo 'accounts { A { jetstream: enabled, users: ["
                              "{user: in, password: secret}] } }\nno_auth_user: in' >> \"$2\"";

static void who_is_not_let_in_is_told_at_once(void **state)
{
	char url[128], folder[512], store[512], program[512];
	const char *const wrong[] = {"p.ini",      "--server", url,        "--user", "in",
	                             "--password", "nonsense", "--rounds", "2",      NULL};
	const char *const right[] = {"p.ini",      "--server", url,        "--user", "in",
	                             "--password", "secret",   "--rounds", "2",      NULL};
	struct nats_server_config config = {
	        .program = program, .store_dir = store, .folder = folder, .cipher = "none"};

	snprintf(folder, sizeof(folder), "%s/server", (const char *)*state);
	snprintf(store, sizeof(store), "%s/store", (const char *)*state);
	snprintf(program, sizeof(program), "%s/guarded", (const char *)*state);
	for (size_t v = 0; v < SERVER_VERSIONS; v++) {
		struct fixture_output out;
		struct nats_server *server;
		struct target_error error;
		uint64_t from_ns;

		server_run_wrap(*state, "guarded", &server_versions[v], guarded);
		if (nats_server_start(&config, &server, &error) != 0)
			fail_msg("%s", error.text);
		snprintf(url, sizeof(url), "%s", nats_server_url(server));

		from_ns = clock_ns();
		server_run(*state, NULL, wrong, 10, &out);
		told(&out, from_ns);
		server_run_expect_status(&out, 4);
		server_run_expect_text(&out, "Authorization Violation");
		assert_null(strstr(out.error, "nonsense"));
		assert_int_equal(server_run_invalid(*state, "Authorization Violation", NULL, NULL),
		                 1);
		fixture_output_free(&out);
		server_run_again(*state);

		server_run(*state, NULL, right, LIMIT_S, &out);
		server_run_expect_status(&out, 0);
		fixture_output_free(&out);
		server_run_again(*state);

		assert_int_equal(nats_server_stop(server, &error), 0);
		from_ns = clock_ns();
		server_run(*state, NULL, right, 15, &out);
		told(&out, from_ns);
		server_run_expect_status(&out, 4);
		server_run_expect_text(&out, url);
		assert_int_equal(server_run_invalid(*state, url, NULL, NULL), 1);
		server_run_expect_clean(*state);
		fixture_output_free(&out);
		server_run_again(*state);
	}
}

/* ---- a cluster ---- */

/* One at a time; folder "": none. */
static struct cluster {
	char urls[256], folder[512];
} cluster;

static int lives(pid_t pid)
{
	char state = process_record_state(pid);

	return state != '\0' && state != 'Z';
}

static char *line_of(char **text)
{
	return *text == NULL ? NULL : strsep(text, "\n");
}

static void cluster_start(const char *directory, struct cluster *c)
{
	const char *const argv[] = {SCRIPT, "none", server_versions[1].found, directory, NULL};
	struct fixture_output out;
	char *at, *urls, *folder;

	fixture_run(directory, argv, &out);
	server_run_expect_status(&out, 0);
	at = out.standard;
	urls = line_of(&at);
	folder = line_of(&at);
	assert_non_null(folder);
	snprintf(c->urls, sizeof(c->urls), "%s", urls);
	snprintf(c->folder, sizeof(c->folder), "%s", folder);
	fixture_output_free(&out);
}

/* However the test ended. */
static int cluster_stop(void **state)
{
	const char *const argv[] = {SCRIPT, "stop", cluster.folder, NULL};
	struct fixture_output out = {0};
	size_t left = 0;

	if (cluster.folder[0] != '\0') {
		fixture_run(*state, argv, &out);
		cluster.folder[0] = '\0';
		left = server_run_servers(*state, NULL);
	}
	if (out.status != 0 || left > 0)
		print_error("%zu servers are left: %s\n", left, out.error);
	left += out.status != 0;
	fixture_output_free(&out);
	return fixture_directory_remove(state) == 0 && left == 0 ? 0 : -1;
}

/* By its record: "PID START BOOT". */
static void cluster_kill(const struct cluster *c, int node)
{
	char name[64], *text;
	int pid;

	snprintf(name, sizeof(name), "%d/nats-server.pid", node);
	text = fixture_read(c->folder, name);
	assert_non_null(text);
	pid = atoi(text);
	free(text);
	assert_true(pid > 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	server_run_expect_gone(pid, 2000);
}

/* Streams of a run on the nodes but the killed one (0: none). */
static size_t cluster_streams(const struct cluster *c, int killed)
{
	size_t count = 0;

	for (int node = 1; node <= 3; node++) {
		char path[600];
		snprintf(path, sizeof(path), "%s/%d/store/jetstream/$G/streams", c->folder, node);
		if (node != killed && access(path, F_OK) == 0)
			count += fixture_count(path, "ATREST-");
	}
	return count;
}

/* The run is at its work: each node holds its streams. */
static void cluster_expect_streams(const struct cluster *c, pid_t run)
{
	const uint64_t end_ns = clock_ns() + 20 * UINT64_C(1000000000);

	while (cluster_streams(c, 0) < 3 && clock_ns() < end_ns)
		server_run_sleep_ms(5);
	assert_true(cluster_streams(c, 0) > 0);
	assert_true(lives(run));
}

/* No stream of a run is left, a few seconds after: each node deletes its own when it hears of it.
 */
static void cluster_expect_empty(const struct cluster *c, int killed)
{
	const uint64_t end_ns = clock_ns() + 10 * UINT64_C(1000000000);

	while (cluster_streams(c, killed) > 0 && clock_ns() < end_ns)
		server_run_sleep_ms(50);
	assert_int_equal(cluster_streams(c, killed), 0);
}

static void expect_figures(const char *directory, const struct cluster *c)
{
	const char *const arguments[] = {"p.ini", "--server", c->urls, "--replicas",
	                                 "3",     "--rounds", "2",     NULL};
	struct fixture_output out;
	size_t rows;
	pid_t pid = server_run_start(directory, NULL, arguments);

	cluster_expect_streams(c, pid);
	server_run_wait(directory, pid, LIMIT_S, &out);
	server_run_expect_status(&out, 0);
	assert_int_equal(server_run_invalid(directory, "", &rows, NULL), 0);
	assert_int_equal(rows, 4);
	cluster_expect_empty(c, 0);
	fixture_output_free(&out);
	server_run_again(directory);
}

/* The one it talks to, the leader, or another: rows are valid, or say what they are. */
static void lose_a_node(const char *directory, const struct cluster *c, int node)
{
	const char *const arguments[] = {"p.ini",    "--server", c->urls, "--replicas",    "3",
	                                 "--rounds", "2",        "--set", "messages=4000", NULL};
	struct fixture_output out;
	size_t rows, invalid;
	uint64_t from_ns;
	pid_t pid = server_run_start(directory, NULL, arguments);

	cluster_expect_streams(c, pid);
	server_run_sleep_ms(server_run_random(1000));
	cluster_kill(c, node);
	assert_true(lives(pid));
	from_ns = clock_ns();
	server_run_wait(directory, pid, 120, &out);
	told(&out, from_ns);
	invalid = server_run_invalid(directory, "", &rows, NULL);
	print_message("node %d killed: %zu of %zu rows invalid\n", node, invalid, rows);
	server_run_expect_status(&out, invalid > 0 ? 1 : 0);
	assert_true(invalid < rows);
	cluster_expect_empty(c, node);
	fixture_output_free(&out);
	server_run_again(directory);
}

static void expect_no_quorum(const char *directory, const struct cluster *c)
{
	const char *const arguments[] = {"p.ini", "--server", c->urls, "--replicas",
	                                 "3",     "--rounds", "2",     NULL};
	struct fixture_output out;
	uint64_t from_ns = clock_ns();

	server_run(directory, NULL, arguments, LIMIT_S, &out);
	told(&out, from_ns);
	server_run_expect_status(&out, 1);
	server_run_expect_text(&out, "of 3 replicas (no quorum?)");
	assert_int_equal(server_run_invalid(directory, "no quorum?", NULL, NULL), 4);
	fixture_output_free(&out);
	server_run_again(directory);
}

static void a_cluster_is_measured_loses_a_node_and_then_its_quorum(void **state)
{
	int first = 1 + (int)server_run_random(3);

	cluster_start(*state, &cluster);
	assert_int_equal(server_run_servers(*state, NULL), 3);
	expect_figures(*state, &cluster);
	lose_a_node(*state, &cluster, first);
	cluster_kill(&cluster, 1 + first % 3);
	expect_no_quorum(*state, &cluster);
}

#define WITH_DIRECTORY(f) cmocka_unit_test_setup_teardown(f, set_up, fixture_directory_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        WITH_DIRECTORY(who_is_not_let_in_is_told_at_once),
	        cmocka_unit_test_setup_teardown(
	                a_cluster_is_measured_loses_a_node_and_then_its_quorum, set_up,
	                cluster_stop),
	};

	if (server_run_find() != 0)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
