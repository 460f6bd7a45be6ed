/* Servers that fail: each is told for what it is, in time. */
#include "tests/compat/target_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/generator.h"
#include "harness/measure/clock.h"

#define SECOND_NS UINT64_C(1000000000)

static void acked_nothing(void *arg, struct target_ticket ticket, uint64_t sequence)
{
	(void)arg;
	(void)ticket;
	(void)sequence;
}

/* Publishes until that fails, at most n messages; after `after` of them, signal goes to the server.
 * 0 when it never failed. Nanoseconds from the signal to the failure in *took_ns. */
static int publish_until_failure(const struct target *target, struct target_place *place,
                                 const struct target_options *options, uint64_t n, uint64_t after,
                                 int signal_number, uint64_t *took_ns, struct target_error *error)
{
	struct target_publisher *p;
	struct target_message m;
	uint64_t signalled_ns = 0;
	int rc = target->publisher_open(place, 0, acked_nothing, NULL, &p, error);

	for (uint64_t op = 0; rc == 0 && op < n; op++) {
		if (op == after && signal_number != 0) {
			signalled_ns = clock_ns();
			assert_int_equal(kill(target->process(place), signal_number), 0);
		}
		generator_message(options->generator, 0, op, &m);
		rc = target->submit(p, &m, (struct target_ticket){.op = op}, error);
	}
	if (rc == 0)
		rc = target->drain(p, error);
	*took_ns = clock_ns() - signalled_ns;
	target->publisher_close(p);
	return rc;
}

static struct target_place *place_of(const struct target_options *options, const char *root)
{
	struct target_place *place;
	struct target_error error;
	char directory[4096 + 8];

	snprintf(directory, sizeof(directory), "%.4095s/store", root);
	if (target_nats.create(options, directory, &place, &error) != 0)
		fail_msg("%s", error.text);
	return place;
}

static void a_server_that_is_killed_is_told_at_once(void **state)
{
	struct order *setup = calloc(1, sizeof(*setup));
	struct target_error error, why;
	const struct target_options *options;
	struct target_state messages;
	struct target_place *place;
	uint64_t took_ns;

	target_fixture_order(setup, TARGET_NEW, "aes", WORKLOAD_PUBLISH);
	options = target_fixture_options(setup);
	place = place_of(options, *state);
	assert_int_equal(publish_until_failure(&target_nats, place, options, 100000, 1000, SIGKILL,
	                                       &took_ns, &error),
	                 -1);
	assert_true(took_ns < 2 * SECOND_NS);
	assert_non_null(strstr(error.text, "killed by signal 9"));
	/* neither has it no messages: nobody is there to say how many */
	assert_int_equal(target_nats.state(place, 0, &messages, &error), -1);
	assert_int_equal(error.fault, TARGET_FAILED);
	assert_non_null(strstr(error.text, "killed by signal 9"));
	assert_int_equal(target_nats.close(place, 0, &why), -1);
	free(setup);
}

static void a_server_that_is_stopped_is_told_in_time(void **state)
{
	struct order *setup = calloc(1, sizeof(*setup));
	struct target_error error, why;
	const struct target_options *options;
	struct target_place *place;
	uint64_t took_ns;
	pid_t pid;

	target_fixture_order(setup, TARGET_NEW, "none", WORKLOAD_PUBLISH);
	options = target_fixture_options(setup);
	place = place_of(options, *state);
	pid = target_nats.process(place);
	assert_int_equal(publish_until_failure(&target_nats, place, options, 100000, 1000, SIGSTOP,
	                                       &took_ns, &error),
	                 -1);
	assert_true(took_ns < 13 * SECOND_NS);
	assert_non_null(strstr(error.text, "SIGSTOP"));
	took_ns = clock_ns();
	(void)target_nats.close(place, 0, &why);
	assert_true(clock_ns() - took_ns < 3 * SECOND_NS);
	assert_int_equal(kill(pid, 0), -1);
	free(setup);
}

static void a_full_disk_is_told_by_its_name(void **state)
{
	struct order *setup = calloc(1, sizeof(*setup));
	struct target_error error, why;
	const struct target_options *options;
	struct target_place *place;
	uint64_t took_ns;
	char tiny[4096];

	snprintf(tiny, sizeof(tiny), "%s/tiny", (char *)*state);
	assert_int_equal(mkdir(tiny, 0700), 0);
	/* seen by this thread and what it starts */
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", tiny, "tmpfs", 0, "size=16m") != 0) {
		print_message("mounting a small tmpfs: %s\n", strerror(errno));
		free(setup);
		skip();
	}
	for (int v = 0; v < TARGET_VERSION_COUNT; v++) {
		char root[4200];
		target_fixture_order(setup, &target_versions[v], "aes", WORKLOAD_PUBLISH);
		options = target_fixture_options(setup);
		snprintf(root, sizeof(root), "%s/%d", tiny, v);
		assert_int_equal(mkdir(root, 0700), 0);
		place = place_of(options, root);
		assert_int_equal(publish_until_failure(&target_nats, place, options, 100000, 0, 0,
		                                       &took_ns, &error),
		                 -1);
		print_message("%s: %s\n", setup->server.version, error.text);
		assert_int_equal(error.fault, TARGET_SYSTEM);
		assert_non_null(strstr(error.text, "no space left"));
		(void)target_nats.close(place, 0, &why);
		assert_int_equal(umount(tiny), 0);
		assert_int_equal(mount("tmpfs", tiny, "tmpfs", 0, "size=16m"), 0);
	}
	assert_int_equal(umount(tiny), 0);
	free(setup);
}

/* ---- servers that are there already ---- */

/* The seed of RFC 8032, section 7.1, test 1, and the user it is of. */
#define NKEY_SEED "SUAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YALCA"
#define NKEY_USER "UDLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRUVAL"

/* Starts one at a port of its own, with more in its configuration; url gets its address. */
static pid_t server_of(const char *root, const char *more, char url[128])
{
	char path[4200], config[4200], text[512] = "";
	const pid_t parent = getpid();
	FILE *out;
	pid_t pid;

	snprintf(config, sizeof(config), "%s/server.conf", root);
	out = fopen(config, "w");
	assert_non_null(out);
	fprintf(out,
	        "listen: \"127.0.0.1:-1\"\nports_file_dir: \"%s\"\n"
	        "jetstream { store_dir: \"%s\" }\n%s\n",
	        root, root, more);
	assert_int_equal(fclose(out), 0);
	pid = fork();

	if (pid == 0) {
		int fd = open("/dev/null", O_WRONLY);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
			_exit(126);
		execl(TARGET_NEW->program, "nats-server", "-c", config, (char *)NULL);
		_exit(127);
	}
	assert_true(pid > 0);
	snprintf(path, sizeof(path), "%s/nats-server_%d.ports", root, (int)pid);
	for (int i = 0; i < 1000 && strchr(text, '}') == NULL; i++) {
		const struct timespec step = {.tv_nsec = 10000000};
		FILE *file = fopen(path, "r");
		nanosleep(&step, NULL);
		if (file == NULL)
			continue;
		text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
		fclose(file);
	}
	assert_non_null(strstr(text, "nats://"));
	assert_int_equal(sscanf(strstr(text, "nats://"), "%127[^\"]", url), 1);
	return pid;
}

static void server_order(struct order *setup, const char *url, const char *user,
                         const char *password)
{
	target_fixture_order(setup, TARGET_NEW, "none", WORKLOAD_PUBLISH);
	snprintf(setup->server.urls, sizeof(setup->server.urls), "%s", url);
	snprintf(setup->server.user, sizeof(setup->server.user), "%s", user);
	snprintf(setup->server.password, sizeof(setup->server.password), "%s", password);
}

static size_t entries(const char *root)
{
	char command[4200];
	size_t n = 0;
	FILE *pipe;

	snprintf(command, sizeof(command), "find %s/jetstream -name '*ATREST*' | wc -l", root);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_int_equal(fscanf(pipe, "%zu", &n), 1);
	pclose(pipe);
	return n;
}

/* A server moves what is deleted to a name with a dot before it, answers, and only then removes
 * it; as long as that is there another of its name can't be moved there, and stays. */
static void comes_to_entries(const char *root, size_t expected)
{
	const struct timespec step = {.tv_nsec = 10000000};

	for (int i = 0; i < 1000 && entries(root) != expected; i++)
		nanosleep(&step, NULL);
	assert_int_equal(entries(root), expected);
}

static void works_with_the_right_password(struct order *setup, const char *root, const char *url)
{
	const struct target_options *options;
	struct target_reader *r;
	struct target_place *place;
	struct target_message m;
	struct target_error error;
	struct target_state state;
	uint64_t took_ns;
	char directory[4096];

	server_order(setup, url, "me", "right");
	snprintf(directory, sizeof(directory), "%s/atrest-run-x/publish-none/store-1", root);
	options = target_fixture_options(setup);
	if (target_server.create(options, directory, &place, &error) != 0)
		fail_msg("%s", error.text);
	assert_string_equal(target_server.version(place), TARGET_NEW->found);
	if (publish_until_failure(&target_server, place, options, 300, 0, 0, &took_ns, &error) != 0)
		fail_msg("%s", error.text);
	assert_int_equal(target_server.close(place, 1, &error), 0);
	comes_to_entries(root, 1);
	/* found by the same name, and made anew under it */
	assert_int_equal(target_server.open(options, directory, &place, &error), 0);
	assert_int_equal(target_server.state(place, 0, &state, &error), 0);
	assert_int_equal(state.messages, 300);
	assert_int_equal(target_server.reader_open(place, 0, &r, &error), 0);
	for (uint64_t sequence = 1; sequence <= 300; sequence++) {
		assert_int_equal(target_server.next(r, sequence, &m, &error), 0);
		assert_int_equal(generator_check(options->generator, 0, sequence, &m, &error), 0);
	}
	target_server.reader_close(r);
	assert_int_equal(target_server.close(place, 1, &error), 0);
	assert_int_equal(target_server.create(options, directory, &place, &error), 0);
	assert_int_equal(target_server.state(place, 0, &state, &error), 0);
	assert_int_equal(state.messages, 0);
	comes_to_entries(root, 1);
	assert_int_equal(target_server.close(place, 0, &error), 0);
	comes_to_entries(root, 0);
}

static void refused(struct order *setup, const char *url, const char *user, const char *needle)
{
	struct target_place *place;
	struct target_error error;
	uint64_t took_ns = clock_ns();

	server_order(setup, url, user, "wrong");
	assert_int_equal(
	        target_server.create(target_fixture_options(setup), "/a/b/c", &place, &error), -1);
	took_ns = clock_ns() - took_ns;
	print_message("%s\n", error.text);
	assert_true(took_ns < 10 * SECOND_NS);
	assert_int_equal(error.fault, TARGET_SYSTEM);
	assert_non_null(strstr(error.text, needle));
}

static void servers_that_are_there_are_used_or_say_why_not(void **state)
{
	struct order *setup = calloc(1, sizeof(*setup));
	char url[128], tls[128];
	pid_t pid = server_of(*state, "authorization { user: me, password: right }", url);

	works_with_the_right_password(setup, *state, url);
	refused(setup, url, "me", "Authorization Violation");
	snprintf(tls, sizeof(tls), "tls%s", strstr(url, "://"));
	refused(setup, tls, "me", "Secure Connection not available");
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	refused(setup, url, "me", "connecting to nats://127.0.0.1");
	free(setup);
}

static void an_nkey_is_signed_with(void **state)
{
	struct order *setup = calloc(1, sizeof(*setup));
	struct target_place *place;
	struct target_error error;
	char url[128], path[4200];
	pid_t pid = server_of(*state, "authorization { users: [ { nkey: " NKEY_USER " } ] }", url);
	FILE *out;

	server_order(setup, url, "", "");
	snprintf(path, sizeof(path), "%s/user.nk", (char *)*state);
	snprintf(setup->server.nkey, sizeof(setup->server.nkey), "%s/user.nk", (char *)*state);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs("# of a user\n" NKEY_SEED "\n", out);
	assert_int_equal(fclose(out), 0);
	if (target_server.create(target_fixture_options(setup), "/a/b/c", &place, &error) != 0)
		fail_msg("%s", error.text);
	assert_int_equal(target_server.close(place, 0, &error), 0);

	out = fopen(path, "w"); /* one letter of it is another */
	assert_non_null(out);
	fputs(NKEY_SEED, out);
	assert_int_equal(fseek(out, 20, SEEK_SET), 0);
	fputc(NKEY_SEED[20] == 'A' ? 'B' : 'A', out);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(
	        target_server.create(target_fixture_options(setup), "/a/b/c", &place, &error), -1);
	assert_int_equal(error.fault, TARGET_USAGE);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	free(setup);
}

static void a_cluster_without_quorum_is_told_in_time(void **state)
{
	struct order *setup = calloc(1, sizeof(*setup));
	struct target_place *place;
	struct target_error error;
	char url[128];
	uint64_t took_ns;
	pid_t pid = server_of(*state,
	                      "server_name: a\ncluster { name: c, listen: \"127.0.0.1:-1\","
	                      " routes: [ \"nats://127.0.0.1:1\", \"nats://127.0.0.1:2\" ] }",
	                      url);

	server_order(setup, url, "", "");
	setup->server.replicas = 3;
	took_ns = clock_ns();
	assert_int_equal(
	        target_server.create(target_fixture_options(setup), "/a/b/c", &place, &error), -1);
	took_ns = clock_ns() - took_ns;
	print_message("%s\n", error.text);
	assert_non_null(strstr(error.text, "no quorum?"));
	assert_true(took_ns < 14 * SECOND_NS);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	free(setup);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(a_server_that_is_killed_is_told_at_once,
	                                        target_fixture_make, target_fixture_remove),
	        cmocka_unit_test_setup_teardown(a_server_that_is_stopped_is_told_in_time,
	                                        target_fixture_make, target_fixture_remove),
	        cmocka_unit_test_setup_teardown(servers_that_are_there_are_used_or_say_why_not,
	                                        target_fixture_make, target_fixture_remove),
	        cmocka_unit_test_setup_teardown(an_nkey_is_signed_with, target_fixture_make,
	                                        target_fixture_remove),
	        cmocka_unit_test_setup_teardown(a_cluster_without_quorum_is_told_in_time,
	                                        target_fixture_make, target_fixture_remove),
	        cmocka_unit_test_setup_teardown(a_full_disk_is_told_by_its_name,
	                                        target_fixture_make, target_fixture_remove),
	};
	int rc = target_fixture_find();

	return rc != 0 ? rc : cmocka_run_group_tests(tests, NULL, NULL);
}
