/* A private nats-server: found, started, refused, ended, hung, explained. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <nats/nats.h>

#include "harness/measure/clock.h"
#include "harness/measure/filesystem.h"
#include "harness/process_record.h"
#include "harness/targets/nats_server.h"

#define SECOND_NS UINT64_C(1000000000)

struct version {
	const char *wanted;
	char program[NATS_SERVER_PATH_BYTES];
	char found[NATS_SERVER_VERSION_BYTES];
};

static struct version versions[] = {{.wanted = "2.9.10"}, {.wanted = "2.15.1"}};
enum { VERSION_COUNT = sizeof(versions) / sizeof(versions[0]) };
#define OLD (&versions[0])
#define NEW (&versions[1])

/* A place of its own: "<root>/store" and the folder "<root>/store.server". */
struct place {
	char root[64], store[96], folder[96];
	struct nats_server_config config;
};

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	(void)snprintf(place->root, sizeof(place->root), "/tmp/atrest-nats-server-XXXXXX");
	assert_non_null(mkdtemp(place->root));
	(void)snprintf(place->store, sizeof(place->store), "%s/store", place->root);
	(void)snprintf(place->folder, sizeof(place->folder), "%s/store" TARGET_LOG_SUFFIX,
	               place->root);
	place->config.program = NEW->program;
	place->config.store_dir = place->store;
	place->config.folder = place->folder;
	place->config.cipher = "none";
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	(void)filesystem_remove_tree(place->root);
	free(place);
	return 0;
}

static void use_key(struct place *place, const char *cipher, const char *key)
{
	place->config.cipher = cipher;
	place->config.key = (const uint8_t *)key;
	place->config.key_bytes = strlen(key);
}

static struct nats_server *start(const struct place *place)
{
	struct nats_server *server;
	struct target_error error;

	if (nats_server_start(&place->config, &server, &error) != 0)
		fail_msg("%s", error.text);
	return server;
}

static void stop(struct nats_server *server)
{
	struct target_error error;

	if (nats_server_stop(server, &error) != 0)
		fail_msg("%s", error.text);
}

static void assert_holds(const struct target_error *error, const char *text)
{
	if (strstr(error->text, text) == NULL)
		fail_msg("expected \"%s\" in: %s", text, error->text);
}

/* It does not start, with that fault and that text. */
static void assert_no_start(const struct place *place, enum target_fault fault, const char *text)
{
	struct nats_server *server;
	struct target_error error = {0};

	assert_int_equal(nats_server_start(&place->config, &server, &error), -1);
	assert_null(server);
	assert_holds(&error, text);
	assert_int_equal(error.fault, fault);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* ---- finding ---- */

/* Finds with NATS_SERVER and PATH as given. 0 or -1. */
static int find_with(const char *given, const char *path, const char *version,
                     char found[NATS_SERVER_VERSION_BYTES], struct target_error *error)
{
	char program[NATS_SERVER_PATH_BYTES], *kept = strdup(getenv("PATH"));
	int rc;

	assert_non_null(kept);
	if (given != NULL)
		assert_int_equal(setenv("NATS_SERVER", given, 1), 0);
	if (path != NULL)
		assert_int_equal(setenv("PATH", path, 1), 0);
	rc = nats_server_find(version, program, found, error);
	assert_int_equal(access(program, X_OK) == 0, rc == 0);
	(void)unsetenv("NATS_SERVER");
	assert_int_equal(setenv("PATH", kept, 1), 0);
	free(kept);
	return rc;
}

static int is_gone(pid_t pid)
{
	char state = process_record_state(pid);

	return state == '\0' || state == 'Z';
}

/* As a download that hangs: a child of what was asked. */
static void who_does_not_answer_is_ended_with_its_children(void **state)
{
	struct place *place = *state;
	char found[NATS_SERVER_VERSION_BYTES], path[128], child[128], text[512];
	struct target_error error;
	FILE *file;
	int pid = 0;

	(void)snprintf(path, sizeof(path), "%s/hanging", place->root);
	(void)snprintf(child, sizeof(child), "%s/child", place->root);
	(void)snprintf(text, sizeof(text), "#!/bin/sh\nsleep 60 &\necho $! >%s\nwait\n", child);
	write_file(path, text, 0755);
	assert_int_equal(find_with(path, NULL, NULL, found, &error), -1);
	assert_non_null(strstr(error.text, "no answer within 5 s"));
	file = fopen(child, "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &pid), 1);
	assert_int_equal(fclose(file), 0);
	assert_true(pid > 1);
	for (int waits = 0; waits < 100 && !is_gone(pid); waits++)
		(void)usleep(10000);
	assert_true(is_gone(pid));
}

static void a_server_is_found_where_it_may_be(void **state)
{
	struct place *place = *state;
	char found[NATS_SERVER_VERSION_BYTES], path[128], search[8192];
	struct target_error error;

	assert_int_equal(find_with(OLD->program, NULL, NULL, found, &error), 0);
	assert_string_equal(found, OLD->found);
	(void)snprintf(path, sizeof(path), "%s/nats-server", place->root);
	assert_int_equal(symlink(NEW->program, path), 0);
	(void)snprintf(search, sizeof(search), "/nowhere:%s:%.4000s", place->root, getenv("PATH"));
	assert_int_equal(find_with(NULL, search, "", found, &error), 0);
	assert_string_equal(found, NEW->found);
	/* one that is named is not another one, wherever that is */
	assert_int_equal(find_with(NEW->program, NULL, OLD->wanted, found, &error), 0);
	assert_string_equal(found, OLD->found);
	assert_int_equal(find_with(NULL, search, OLD->wanted, found, &error), 0);
	assert_string_equal(found, OLD->found);
}

static void what_is_no_server_is_refused(void **state)
{
	struct place *place = *state;
	char found[NATS_SERVER_VERSION_BYTES], path[128];
	struct target_error error;

	(void)snprintf(path, sizeof(path), "%s/program", place->root);
	assert_int_equal(find_with(path, NULL, NULL, found, &error), -1);
	assert_holds(&error, "No such file");
	write_file(path, "no program\n", 0644);
	assert_int_equal(find_with(path, NULL, NULL, found, &error), -1);
	assert_holds(&error, "is not executable");
	assert_int_equal(find_with("/bin/true", NULL, NULL, found, &error), -1);
	assert_holds(&error, "NATS_SERVER=/bin/true: is not a nats-server");
	assert_int_equal(error.fault, TARGET_SYSTEM);
}

/* A mirror that does not answer, an empty cache. */
static void where_it_was_looked_for_is_said(void **state)
{
	struct place *place = *state;
	char found[NATS_SERVER_VERSION_BYTES], path[128], text[512];
	struct target_error error;

	(void)snprintf(path, sizeof(path), "%s/sources.list", place->root);
	write_file(path, "deb http://127.0.0.1:9/debian bookworm main\n", 0644);
	(void)snprintf(path, sizeof(path), "%s/apt.conf", place->root);
	(void)snprintf(text, sizeof(text),
	               "Dir::Etc::sourcelist \"%s/sources.list\";\n"
	               "Dir::Etc::sourceparts \"%s\";\n",
	               place->root, place->root);
	write_file(path, text, 0644);
	assert_int_equal(setenv("APT_CONFIG", path, 1), 0);
	assert_int_equal(setenv("XDG_CACHE_HOME", place->root, 1), 0);
	assert_int_equal(find_with(NULL, NULL, "9.8.7", found, &error), -1);
	(void)unsetenv("APT_CONFIG");
	(void)unsetenv("XDG_CACHE_HOME");
	assert_holds(&error, "no nats-server 9.8.7 as NATS_SERVER, in PATH or /usr/sbin; ");
	assert_holds(&error, "set NATS_SERVER to a binary");
	assert_int_equal(error.fault, TARGET_SYSTEM);
}

/* ---- starting ---- */

static void each_version_starts_and_leaves(void **state)
{
	struct place *place = *state;

	for (size_t i = 0; i < VERSION_COUNT; i++) {
		struct nats_server *server;
		struct target_error error;
		char record[128];
		uint64_t from_ns = clock_ns(), ready_ns;
		pid_t pid;

		place->config.program = versions[i].program;
		server = start(place);
		ready_ns = clock_ns();
		pid = nats_server_pid(server);
		assert_int_equal(nats_server_alive(server, &error), 1);
		assert_int_equal(strncmp(nats_server_url(server), "nats://127.0.0.1:", 17), 0);
		(void)snprintf(record, sizeof(record), "%s/" NATS_SERVER_RECORD, place->folder);
		assert_int_equal(access(record, F_OK), 0);
		stop(server);
		print_message("%s: ready after %.1f ms, gone after %.1f ms\n", versions[i].found,
		              (double)(ready_ns - from_ns) / 1e6,
		              (double)(clock_ns() - ready_ns) / 1e6);
		assert_int_equal(kill(pid, 0), -1);
		assert_int_not_equal(access(record, F_OK), 0);
	}
}

static void a_program_that_is_none_is_refused(void **state)
{
	struct place *place = *state;
	char path[96];

	(void)snprintf(path, sizeof(path), "%s/program", place->root);
	place->config.program = path;
	assert_no_start(place, TARGET_SYSTEM, "No such file");
	write_file(path, "no program\n", 0644);
	assert_no_start(place, TARGET_SYSTEM, "is not an executable file");
	assert_int_equal(chmod(path, 0755), 0);
	assert_no_start(place, TARGET_SYSTEM, "cannot be run");
	write_file(path, "#!/bin/sh\necho 'panic: as a test'\nexit 3\n", 0755);
	assert_no_start(place, TARGET_SYSTEM, "ended with exit code 3: panic: as a test");
}

static void sync_interval_is_for_2_10_and_later(void **state)
{
	struct place *place = *state;

	place->config.sync_interval = "always";
	place->config.program = OLD->program;
	assert_no_start(place, TARGET_USAGE, "expected 2.10 or newer");
	place->config.program = NEW->program;
	stop(start(place));
}

static void a_refused_configuration_shows_the_servers_line(void **state)
{
	struct place *place = *state;

	use_key(place, "des", "k1");
	for (size_t i = 0; i < VERSION_COUNT; i++) {
		place->config.program = versions[i].program;
		assert_no_start(place, TARGET_SYSTEM, "Unknown cipher type: \"des\"");
	}
}

static void a_taken_port_is_named(void **state)
{
	struct place *place = *state;
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t bytes = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[64];

	assert_int_equal(bind(fd, (struct sockaddr *)&at, bytes), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &bytes), 0);
	place->config.port = ntohs(at.sin_port);
	(void)snprintf(text, sizeof(text), "port %u is taken", place->config.port);
	for (size_t i = 0; i < VERSION_COUNT; i++) {
		place->config.program = versions[i].program;
		assert_no_start(place, TARGET_SYSTEM, text);
	}
	(void)close(fd);
}

static void a_store_dir_that_is_none_is_named(void **state)
{
	struct place *place = *state;

	write_file(place->store, "a file\n", 0644);
	assert_no_start(place, TARGET_SYSTEM, "JetStream");
}

/* Stops (SIGSTOP) what the script becomes. */
static void a_hang_during_the_start_ends_in_time(void **state)
{
	struct place *place = *state;
	char path[96], script[NATS_SERVER_PATH_BYTES + 64];
	uint64_t from_ns = clock_ns();

	(void)snprintf(path, sizeof(path), "%s/program", place->root);
	(void)snprintf(script, sizeof(script), "#!/bin/sh\nkill -STOP $$\nexec %s \"$@\"\n",
	               NEW->program);
	write_file(path, script, 0755);
	place->config.program = path;
	place->config.start_timeout_ns = SECOND_NS / 2;
	assert_no_start(place, TARGET_FAILED, "not ready within 0.5 s: it is stopped");
	assert_true(clock_ns() - from_ns < 2 * SECOND_NS);
}

/* ---- running ---- */

static void an_end_is_told_with_its_signal(void **state)
{
	struct nats_server *server = start(*state);
	struct target_error error;
	siginfo_t info;

	assert_int_equal(kill(nats_server_pid(server), SIGKILL), 0);
	(void)waitid(P_PID, (id_t)nats_server_pid(server), &info, WEXITED | WNOWAIT);
	assert_int_equal(nats_server_alive(server, &error), 0);
	assert_holds(&error, "killed by signal 9");
	assert_int_equal(nats_server_explain(server, TARGET_FAILED, "no answer", &error), -1);
	assert_holds(&error, "killed by signal 9");
	assert_int_equal(nats_server_stop(server, &error), -1);
	assert_holds(&error, "killed by signal 9");
}

/* Though it leaves as it would when it is asked to. */
static void an_end_that_nobody_asked_for_is_a_failure(void **state)
{
	struct nats_server *server = start(*state);
	struct target_error error;
	siginfo_t info;

	assert_int_equal(kill(nats_server_pid(server), SIGTERM), 0);
	(void)waitid(P_PID, (id_t)nats_server_pid(server), &info, WEXITED | WNOWAIT);
	assert_int_equal(nats_server_stop(server, &error), -1);
	assert_int_equal(error.fault, TARGET_FAILED);
	assert_holds(&error, "ended");
}

static void a_stopped_server_is_said_to_be_stopped(void **state)
{
	struct nats_server *server = start(*state);
	struct target_error error;
	siginfo_t info;

	assert_int_equal(kill(nats_server_pid(server), SIGSTOP), 0);
	(void)waitid(P_PID, (id_t)nats_server_pid(server), &info, WSTOPPED | WNOWAIT);
	assert_int_equal(nats_server_alive(server, &error), 1);
	(void)nats_server_explain(server, TARGET_FAILED, "no answer", &error);
	assert_holds(&error, "no answer: nats-server is stopped (SIGSTOP)");
	stop(server);
}

static void a_failure_without_a_cause_stays_as_it_is(void **state)
{
	struct nats_server *server = start(*state);
	struct target_error error;

	assert_int_equal(nats_server_explain(server, TARGET_VERIFY, "as it is", &error), -1);
	assert_string_equal(error.text, "as it is");
	assert_int_equal(error.fault, TARGET_VERIFY);
	stop(server);
}

/* ---- keys ---- */

static natsConnection *connect_to(struct nats_server *server)
{
	natsConnection *connection;

	assert_int_equal(natsConnection_ConnectTo(&connection, nats_server_url(server)), NATS_OK);
	return connection;
}

static void make_stream(struct nats_server *server, const char *name)
{
	natsConnection *connection = connect_to(server);
	char subject[96], json[128];
	natsMsg *msg;

	(void)snprintf(subject, sizeof(subject), "$JS.API.STREAM.CREATE.%s", name);
	(void)snprintf(json, sizeof(json), "{\"name\":\"%s\",\"subjects\":[\"%s.>\"]}", name, name);
	assert_int_equal(natsConnection_RequestString(&msg, connection, subject, json, 5000),
	                 NATS_OK);
	natsMsg_Destroy(msg);
	(void)snprintf(subject, sizeof(subject), "%s.one", name);
	assert_int_equal(natsConnection_RequestString(&msg, connection, subject, "hello", 5000),
	                 NATS_OK);
	assert_non_null(strstr(natsMsg_GetData(msg), "\"seq\":1"));
	natsMsg_Destroy(msg);
	natsConnection_Destroy(connection);
}

static void assert_core_works(struct nats_server *server)
{
	natsConnection *connection = connect_to(server);
	natsSubscription *sub;
	natsMsg *msg;

	assert_int_equal(natsConnection_SubscribeSync(&sub, connection, "core.test"), NATS_OK);
	assert_int_equal(natsConnection_PublishString(connection, "core.test", "there"), NATS_OK);
	assert_int_equal(natsSubscription_NextMsg(&msg, sub, 5000), NATS_OK);
	assert_string_equal(natsMsg_GetData(msg), "there");
	natsMsg_Destroy(msg);
	natsSubscription_Destroy(sub);
	natsConnection_Destroy(connection);
}

static void wrong_key(struct place *place, const struct version *version, const char *cipher)
{
	struct nats_server *server;
	struct target_error error;
	char line[256];

	place->config.program = version->program;
	use_key(place, cipher, "k1");
	server = start(place);
	make_stream(server, "ORDERS");
	assert_int_equal(nats_server_check_streams(server, &error), 0);
	stop(server);

	use_key(place, cipher, "k2");
	server = start(place);
	nats_server_log_error(nats_server_log(server), "decrypting", line, sizeof(line));
	assert_int_equal(strncmp(line, "Error decrypting our stream metafile: ", 38), 0);
	assert_int_equal(nats_server_check_streams(server, &error), -1);
	assert_holds(&error, "does not serve stream ORDERS, which is under another key or cipher");
	assert_holds(&error, line);
	assert_int_equal(error.fault, TARGET_WRONG_KEY);
	(void)nats_server_explain(server, TARGET_FAILED, "stream not found", &error);
	assert_holds(&error, "stream ORDERS");
	assert_core_works(server);
	stop(server);

	/* and nothing is lost by that */
	use_key(place, cipher, "k1");
	server = start(place);
	assert_int_equal(nats_server_check_streams(server, &error), 0);
	stop(server);
}

static void another_key_names_the_stream_and_leaves_core_alone(void **state)
{
	static const char *const ciphers[] = {"chachapoly", "aes"};
	struct place *place = *state;

	for (size_t i = 0; i < VERSION_COUNT; i++)
		for (size_t c = 0; c < 2; c++) {
			wrong_key(place, &versions[i], ciphers[c]);
			assert_int_equal(filesystem_remove_tree(place->store), 0);
		}
}

static void a_damaged_stream_is_named(void **state)
{
	struct place *place = *state;

	for (size_t i = 0; i < VERSION_COUNT; i++) {
		struct nats_server *server;
		struct target_error error;
		char path[256];

		place->config.program = versions[i].program;
		server = start(place);
		make_stream(server, "WHOLE");
		make_stream(server, "ORDERS");
		stop(server);
		(void)snprintf(path, sizeof(path), "%s/jetstream/$G/streams/ORDERS/meta.inf",
		               place->store);
		assert_int_equal(truncate(path, 20), 0);
		server = start(place);
		assert_int_equal(nats_server_check_streams(server, &error), -1);
		print_message("%s: %s\n", versions[i].found, error.text);
		assert_holds(&error, "does not serve stream ORDERS: ");
		assert_int_equal(error.fault, TARGET_VERIFY);
		stop(server);
		assert_int_equal(filesystem_remove_tree(place->store), 0);
	}
}

/* ---- killed harness ---- */

/* Starts a server, writes its number, waits to be killed. */
static void child(const struct place *place, int out)
{
	struct nats_server *server;
	struct target_error error;
	pid_t pid = 0;

	if (nats_server_start(&place->config, &server, &error) == 0)
		pid = nats_server_pid(server);
	if (write(out, &pid, sizeof(pid)) != sizeof(pid))
		_exit(1);
	for (;;)
		(void)pause();
}

static void a_server_does_not_outlive_a_killed_program(void **state)
{
	uint64_t from_ns;
	int fds[2], status;
	pid_t pid, server;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0)
		child(*state, fds[1]);
	assert_int_equal(read(fds[0], &server, sizeof(server)), sizeof(server));
	assert_true(server > 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	from_ns = clock_ns();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	while (!is_gone(server) && clock_ns() - from_ns < SECOND_NS)
		(void)usleep(1000);
	assert_true(is_gone(server));
	(void)close(fds[0]);
	(void)close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(who_does_not_answer_is_ended_with_its_children,
	                                        set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_server_is_found_where_it_may_be, set_up,
	                                        tear_down),
	        cmocka_unit_test_setup_teardown(what_is_no_server_is_refused, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(where_it_was_looked_for_is_said, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(each_version_starts_and_leaves, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_program_that_is_none_is_refused, set_up,
	                                        tear_down),
	        cmocka_unit_test_setup_teardown(sync_interval_is_for_2_10_and_later, set_up,
	                                        tear_down),
	        cmocka_unit_test_setup_teardown(a_refused_configuration_shows_the_servers_line,
	                                        set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_taken_port_is_named, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_store_dir_that_is_none_is_named, set_up,
	                                        tear_down),
	        cmocka_unit_test_setup_teardown(a_hang_during_the_start_ends_in_time, set_up,
	                                        tear_down),
	        cmocka_unit_test_setup_teardown(an_end_is_told_with_its_signal, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(an_end_that_nobody_asked_for_is_a_failure, set_up,
	                                        tear_down),
	        cmocka_unit_test_setup_teardown(a_stopped_server_is_said_to_be_stopped, set_up,
	                                        tear_down),
	        cmocka_unit_test_setup_teardown(a_failure_without_a_cause_stays_as_it_is, set_up,
	                                        tear_down),
	        cmocka_unit_test_setup_teardown(another_key_names_the_stream_and_leaves_core_alone,
	                                        set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_damaged_stream_is_named, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_server_does_not_outlive_a_killed_program, set_up,
	                                        tear_down),
	};
	struct target_error error;

	(void)unsetenv("NATS_SERVER"); /* of one version; here are two */
	for (size_t i = 0; i < VERSION_COUNT; i++) {
		if (nats_server_find(versions[i].wanted, versions[i].program, versions[i].found,
		                     &error) != 0) {
			printf("%s\n", error.text);
			return 77;
		}
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
