/* server_run.c - see server_run.h. */
#include "tests/fault/server_run.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness/measure/clock.h"
#include "harness/measure/filesystem.h"
#include "harness/process_record.h"

#define ARGUMENTS_MAX 32
#define SECOND_NS     UINT64_C(1000000000)

struct server_version server_versions[SERVER_VERSIONS] = {{.wanted = "2.9.10"},
                                                          {.wanted = "newest"}};

int server_run_find(void)
{
	struct target_error error;

	(void)unsetenv("NATS_SERVER"); /* of one version; here are two */
	for (size_t i = 0; i < SERVER_VERSIONS; i++) {
		struct server_version *v = &server_versions[i];
		if (nats_server_find(v->wanted, v->program, v->found, &error) == 0)
			continue;
		printf("%s\n", error.text);
		return -1;
	}
	return 0;
}

unsigned server_run_random(unsigned below)
{
	static uint64_t state;
	const char *given = getenv("ATREST_SEED");

	if (state == 0) {
		state = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
		state += state == 0;
		print_message("ATREST_SEED=%llu\n", (unsigned long long)state);
	}
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(state >> 33) % below;
}

void server_run_sleep_ms(unsigned ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	(void)nanosleep(&t, NULL);
}

void server_run_wrap(const char *directory, const char *name, const struct server_version *version,
                     const char *commands)
{
	char path[4096], text[8192];

	snprintf(text, sizeof(text),
	         "#!/bin/bash\nself=%s\nif [ \"$1\" = -c ]; then\n%s\nfi\n"
	         "exec -a nats-server %s \"$@\"\n",
	         directory, commands, version->program);
	fixture_write(directory, name, text);
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	assert_int_equal(chmod(path, 0755), 0);
}

/* ---- runs ---- */

pid_t server_run_start(const char *directory, const char *program, const char *const arguments[])
{
	const char *argv[ARGUMENTS_MAX + 5] = {SERVER_RUN_ATREST, "run", "-o"};
	char out[4096];
	pid_t pid;

	snprintf(out, sizeof(out), "%s/out", directory);
	argv[3] = out;
	for (size_t i = 0; i < ARGUMENTS_MAX && arguments[i] != NULL; i++)
		argv[4 + i] = arguments[i];
	if (program != NULL)
		assert_int_equal(setenv("NATS_SERVER", program, 1), 0);
	pid = fixture_start(directory, argv);
	(void)unsetenv("NATS_SERVER");
	return pid;
}

void server_run_wait(const char *directory, pid_t pid, unsigned limit_s, struct fixture_output *out)
{
	const uint64_t end_ns = clock_ns() + limit_s * SECOND_NS;
	siginfo_t info = {0};

	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | WNOHANG) == 0 &&
	       info.si_pid == 0 && clock_ns() < end_ns)
		server_run_sleep_ms(5);
	if (info.si_pid == 0) {
		(void)kill(pid, SIGKILL);
		(void)fixture_wait(pid);
		fail_msg("the run did not end within %u s", limit_s);
	}
	out->status = fixture_wait(pid);
	out->standard = fixture_read(directory, "standard-output");
	out->error = fixture_read(directory, "standard-error");
	assert_non_null(out->standard);
	assert_non_null(out->error);
}

void server_run(const char *directory, const char *program, const char *const arguments[],
                unsigned limit_s, struct fixture_output *out)
{
	server_run_wait(directory, server_run_start(directory, program, arguments), limit_s, out);
}

void server_run_again(const char *directory)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/out", directory);
	assert_int_equal(filesystem_remove_tree(path), 0);
}

/* ---- processes ---- */

/* "[.../]nats-server -c <directory>/..." */
static int is_server_of(const char *number, const char *directory)
{
	char path[64], line[4096];
	size_t bytes, n = strlen(directory);
	const char *name, *option, *file_name;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/cmdline", number);
	file = fopen(path, "r");
	if (file == NULL)
		return 0;
	/* Three arguments, however short the file is. */
	bytes = fread(line, 1, sizeof(line) - 3, file);
	(void)fclose(file);
	memset(line + bytes, 0, 3);
	name = strrchr(line, '/') == NULL ? line : strrchr(line, '/') + 1;
	option = name + strlen(name) + 1;
	if (strcmp(name, "nats-server") != 0 || option >= line + bytes || strcmp(option, "-c") != 0)
		return 0;
	file_name = option + strlen(option) + 1;
	return strncmp(file_name, directory, n) == 0 && file_name[n] == '/';
}

size_t server_run_servers(const char *directory, pid_t *pid)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	size_t count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
		    !is_server_of(entry->d_name, directory))
			continue;
		count++;
		if (pid != NULL)
			*pid = (pid_t)atoi(entry->d_name);
	}
	(void)closedir(dir);
	return count;
}

pid_t server_run_server(const char *directory, pid_t old)
{
	const uint64_t end_ns = clock_ns() + 60 * SECOND_NS;
	pid_t pid = 0;

	while (clock_ns() < end_ns) {
		if (server_run_servers(directory, &pid) > 0 && pid != old)
			return pid;
		server_run_sleep_ms(2);
	}
	fail_msg("no server was started");
	return 0;
}

pid_t server_run_parent(pid_t pid)
{
	char path[64], text[1024];
	const char *at;
	FILE *file;
	int parent = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "r");
	if (file == NULL)
		return 0;
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	(void)fclose(file);
	at = strrchr(text, ')');
	return at != NULL && sscanf(at, ") %*c %d", &parent) == 1 ? parent : 0;
}

void server_run_expect_gone(pid_t pid, unsigned limit_ms)
{
	const uint64_t end_ns = clock_ns() + limit_ms * UINT64_C(1000000);
	char state;

	while ((state = process_record_state(pid)) != '\0' && state != 'Z' && clock_ns() < end_ns)
		server_run_sleep_ms(1);
	if (state != '\0' && state != 'Z')
		fail_msg("process %d is still there after %u ms", (int)pid, limit_ms);
}

/* ---- what is left ---- */

void server_run_expect_clean(const char *directory)
{
	char path[4096];

	assert_int_equal(server_run_servers(directory, NULL), 0);
	assert_int_equal(fixture_count(directory, "atrest-run-"), 0);
	snprintf(path, sizeof(path), "%s/out", directory);
	if (access(path, F_OK) == 0)
		assert_int_equal(fixture_count(path, "atrest-run-"), 0);
}

void server_run_expect_status(const struct fixture_output *out, int status)
{
	if (out->status != status)
		fail_msg("status %d, expected %d; stderr: %s", out->status, status, out->error);
}

void server_run_expect_text(const struct fixture_output *out, const char *text)
{
	if (strstr(out->error, text) == NULL)
		fail_msg("'%s', expected '%s'", out->error, text);
}

size_t server_run_invalid(const char *directory, const char *text, size_t *rows, int *complete)
{
	char path[4096], error[512];
	struct samples samples;
	size_t count = 0;

	snprintf(path, sizeof(path), "%s/out/samples.csv", directory);
	if (samples_read(path, &samples, error) != CSV_RESULT_OK)
		fail_msg("%s", error);
	fixture_drop_set_aside(&samples);
	for (size_t i = 0; i < samples.count; i++) {
		if (samples.rows[i].valid)
			continue;
		count++;
		if (strstr(samples.rows[i].error, text) == NULL)
			fail_msg("'%s', expected '%s'", samples.rows[i].error, text);
	}
	if (rows != NULL)
		*rows = samples.count;
	if (complete != NULL)
		*complete = samples.complete;
	samples_free(&samples);
	return count;
}

void server_run_expect_log(const char *directory, const struct fixture_output *out)
{
	const char *at = strstr(out->error, "(log: logs/");
	char name[512], *text;

	if (at == NULL)
		fail_msg("'%s', expected a log", out->error);
	snprintf(name, sizeof(name), "out/%.*s", (int)strcspn(at + 6, ")\n"), at + 6);
	text = fixture_read(directory, name);
	if (text == NULL)
		fail_msg("%s is not there", name);
	free(text);
}
