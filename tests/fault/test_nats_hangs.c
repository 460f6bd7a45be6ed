/* test_nats_hangs.c - runs whose own nats-servers stop answering: stopped by a signal, or on a disk
 * that is full. What is waited for is bounded.
 */
#include "tests/fault/server_run.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/measure/clock.h"

/* One answer is waited for 10 s, a server's start and its end 20 s each. */
#define LIMIT_S 60

static const char publish[] = "operation = publish\nmessages = 30000\nsizes = 1k\nwindow = 64\n";

static const char *const one_cell[] = {"p.ini", "--target", "nats", "--cipher",
                                       "none",  "--rounds", "2",    NULL};

/* One run of several: its own directory below the test's. */
struct one {
	const struct server_version *version;
	char directory[256];
	char small[300]; /* its file system that will be full */
	pid_t pid;
	uint64_t from_ns; /* of the fault */
	struct fixture_output out;
};

/* Their waits are long, so that all are started before the first one is waited for. */
static struct {
	struct one middle[SERVER_VERSIONS], start[SERVER_VERSIONS], full[SERVER_VERSIONS];
	int own_mounts;
} all;

static void one_make(const char *directory, const char *name, size_t version, struct one *one)
{
	memset(one, 0, sizeof(*one));
	one->version = &server_versions[version];
	snprintf(one->directory, sizeof(one->directory), "%s/%s-%s", directory, name,
	         one->version->found);
	assert_int_equal(mkdir(one->directory, 0755), 0);
	fixture_write(one->directory, "p.ini", publish);
}

static void one_wait(struct one *one)
{
	server_run_wait(one->directory, one->pid, LIMIT_S, &one->out);
	print_message("%s: %u ms after the fault: %s", one->version->found,
	              (unsigned)((clock_ns() - one->from_ns) / 1000000), one->out.error);
}

/* ---- stopped ---- */

/* In the middle of a slice. */
static void start_and_stop(struct one *one)
{
	pid_t server;

	one->pid = server_run_start(one->directory, one->version->program, one_cell);
	server = server_run_server(one->directory, 0);
	server_run_sleep_ms(150 + server_run_random(200));
	assert_int_equal(kill(server, SIGSTOP), 0);
	one->from_ns = clock_ns();
}

/* The first start of a server stops before anything of it runs. */
static void start_stopped(struct one *one)
{
	char program[512];

	snprintf(program, sizeof(program), "%s/stopping", one->directory);
	server_run_wrap(one->directory, "stopping", one->version,
	                "[ -e \"$self/once\" ] || { : >\"$self/once\"; kill -STOP $$; }");
	one->pid = server_run_start(one->directory, program, one_cell);
	one->from_ns = clock_ns();
}

static void expect_one_invalid(struct one *one, const char *text)
{
	size_t rows;

	one_wait(one);
	server_run_expect_status(&one->out, 1);
	server_run_expect_text(&one->out, text);
	server_run_expect_log(one->directory, &one->out);
	assert_int_equal(server_run_invalid(one->directory, "SIGSTOP", &rows, NULL), 1);
	assert_int_equal(rows, 4);
	server_run_expect_clean(one->directory);
}

static void a_stopped_server_costs_its_row(void **state)
{
	(void)state;
	for (size_t v = 0; v < SERVER_VERSIONS; v++)
		expect_one_invalid(&all.middle[v], "nats-server is stopped (SIGSTOP)");
}

static void a_server_stopped_during_its_start_costs_its_row(void **state)
{
	(void)state;
	for (size_t v = 0; v < SERVER_VERSIONS; v++)
		expect_one_invalid(&all.start[v], "s: it is stopped (SIGSTOP)");
}

/* ---- no space ---- */

/* Takes all that is left, as a neighbour would. */
static void fill_up(const char *directory)
{
	static const char zeros[65536];
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/neighbour", directory);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	for (size_t bytes = sizeof(zeros); bytes > 0; bytes /= 2)
		while (write(fd, zeros, bytes) > 0)
			;
	close(fd);
}

/* On a file system of its own, which nobody else sees. */
static void start_and_fill(struct one *one)
{
	char dir[320];
	const char *const arguments[] = {"p.ini",    "--target", "nats",  "--cipher", "none",
	                                 "--rounds", "2",        "--dir", dir,        NULL};

	snprintf(one->small, sizeof(one->small), "%s/small", one->directory);
	snprintf(dir, sizeof(dir), "small=%s", one->small);
	assert_int_equal(mkdir(one->small, 0755), 0);
	assert_int_equal(mount("tmpfs", one->small, "tmpfs", 0, "size=192m"), 0);
	one->pid = server_run_start(one->directory, one->version->program, arguments);
	(void)server_run_server(one->directory, 0);
	server_run_sleep_ms(50);
	fill_up(one->small);
	one->from_ns = clock_ns();
}

static void a_full_disk_ends_the_run(void **state)
{
	(void)state;
	if (!all.own_mounts)
		skip();
	for (size_t v = 0; v < SERVER_VERSIONS; v++) {
		struct one *one = &all.full[v];
		int complete;
		one_wait(one);
		server_run_expect_status(&one->out, 4);
		server_run_expect_text(&one->out, "no space");
		assert_int_equal(server_run_invalid(one->directory, "no space", NULL, &complete),
		                 1);
		assert_int_equal(complete, 0);
		server_run_expect_log(one->directory, &one->out);
		server_run_expect_clean(one->directory);
		assert_int_equal(fixture_count(one->small, "atrest-run-"), 0);
	}
}

/* ---- all at once ---- */

static int start_all(void **state)
{
	if (fixture_directory_make(state) != 0)
		return -1;
	all.own_mounts = unshare(CLONE_NEWNS) == 0 &&
	                 mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	if (!all.own_mounts)
		print_message("no mount namespace of one's own: %s\n", strerror(errno));
	for (size_t v = 0; v < SERVER_VERSIONS; v++) {
		one_make(*state, "full", v, &all.full[v]);
		one_make(*state, "start", v, &all.start[v]);
		one_make(*state, "middle", v, &all.middle[v]);
		if (all.own_mounts)
			start_and_fill(&all.full[v]);
		start_stopped(&all.start[v]);
		start_and_stop(&all.middle[v]);
	}
	return 0;
}

static int remove_all(void **state)
{
	for (size_t v = 0; v < SERVER_VERSIONS; v++) {
		fixture_output_free(&all.full[v].out);
		fixture_output_free(&all.start[v].out);
		fixture_output_free(&all.middle[v].out);
		if (all.own_mounts)
			(void)umount(all.full[v].small);
	}
	return fixture_directory_remove(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_stopped_server_costs_its_row),
	        cmocka_unit_test(a_server_stopped_during_its_start_costs_its_row),
	        cmocka_unit_test(a_full_disk_ends_the_run),
	};

	if (server_run_find() != 0)
		return 77;
	return cmocka_run_group_tests(tests, start_all, remove_all);
}
