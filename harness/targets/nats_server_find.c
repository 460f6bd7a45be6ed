/* nats_server_find.c - which nats-server program: see nats_server.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/measure/clock.h"
#include "harness/targets/nats_server.h"

#define ANSWER_BYTES (NATS_SERVER_PATH_BYTES + 256)
#define VERSION_S    5
#define DOWNLOAD_S   600
#define END_MS       2000 /* of what is asked to end */

extern char **environ;

/* Reads until the end, the last line stays in text. 0, or -1 when seconds have passed. */
static int read_last_line(int fd, unsigned seconds, char text[ANSWER_BYTES])
{
	const uint64_t end_ns = clock_ns() + seconds * UINT64_C(1000000000);
	size_t used = 0;
	int fresh = 0;

	for (;;) {
		struct pollfd in = {.fd = fd, .events = POLLIN};
		const uint64_t now_ns = clock_ns();
		char c;
		if (now_ns >= end_ns)
			return -1;
		if (poll(&in, 1, (int)((end_ns - now_ns) / 1000000) + 1) <= 0)
			continue;
		if (read(fd, &c, 1) != 1)
			break;
		if (fresh)
			used = 0;
		fresh = c == '\n';
		if (!fresh && used < ANSWER_BYTES - 1)
			text[used++] = c;
		text[used] = '\0';
	}
	return 0;
}

/* It and all that it has started, which is of its process group: a script's downloads. */
static void end_group(pid_t pid)
{
	const uint64_t end_ns = clock_ns() + END_MS * UINT64_C(1000000);
	siginfo_t info = {0};

	(void)kill(-pid, SIGTERM);
	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | WNOHANG) == 0 &&
	       info.si_pid == 0 && clock_ns() < end_ns)
		(void)poll(NULL, 0, 10);
	/* Not waited for yet, so that its number is nobody else's. */
	(void)kill(-pid, SIGKILL);
}

/* Runs it and keeps the last line of all that it says. Its exit status, or -1 with why in text. */
static int run_for_line(const char *const argv[], unsigned seconds, char text[ANSWER_BYTES])
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t group;
	int fds[2], status = 0, late, rc;
	pid_t pid;

	text[0] = '\0';
	if (pipe2(fds, O_CLOEXEC) != 0) {
		(void)snprintf(text, ANSWER_BYTES, "%s", strerror(errno));
		return -1;
	}
	rc = posix_spawn_file_actions_init(&actions);
	if (rc == 0) {
		(void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
		(void)posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
		(void)posix_spawn_file_actions_adddup2(&actions, fds[1], 2);
		rc = posix_spawnattr_init(&group);
		if (rc == 0) {
			(void)posix_spawnattr_setflags(&group, POSIX_SPAWN_SETPGROUP);
			(void)posix_spawnattr_setpgroup(&group, 0);
			rc = posix_spawn(&pid, argv[0], &actions, &group,
			                 (char *const *)(uintptr_t)argv, environ);
			(void)posix_spawnattr_destroy(&group);
		}
		(void)posix_spawn_file_actions_destroy(&actions);
	}
	(void)close(fds[1]);
	if (rc != 0) {
		(void)close(fds[0]);
		(void)snprintf(text, ANSWER_BYTES, "%s", strerror(rc));
		return -1;
	}
	late = read_last_line(fds[0], seconds, text) != 0;
	(void)close(fds[0]);
	if (late) {
		end_group(pid);
		(void)snprintf(text, ANSWER_BYTES, "no answer within %u s", seconds);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return !late && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* "nats-server: v2.15.1". 0, or -1 with what is wrong with it in why. */
static int read_version(const char *program, char version[NATS_SERVER_VERSION_BYTES],
                        char why[ANSWER_BYTES])
{
	const char *const argv[] = {program, "-v", NULL};
	char text[ANSWER_BYTES];
	int major, minor, patch, rc;

	if (access(program, X_OK) != 0) {
		(void)snprintf(why, ANSWER_BYTES, "%s",
		               errno == EACCES ? "is not executable" : strerror(errno));
		return -1;
	}
	rc = run_for_line(argv, VERSION_S, text);
	if (rc == 0 && sscanf(text, "nats-server: v%d.%d.%d", &major, &minor, &patch) == 3) {
		(void)snprintf(version, NATS_SERVER_VERSION_BYTES, "%.31s",
		               text + strlen("nats-server: v"));
		return 0;
	}
	(void)snprintf(why, ANSWER_BYTES, "is not a nats-server: found \"%.200s\"", text);
	return -1;
}

int nats_server_compare(const char *version, int major, int minor)
{
	int found_major = 0, found_minor = 0;

	(void)sscanf(version, "%d.%d", &found_major, &found_minor);
	return found_major != major ? found_major - major : found_minor - minor;
}

static int is_wanted(const char *wanted, const char *found)
{
	return wanted == NULL || wanted[0] == '\0' || strcmp(wanted, found) == 0;
}

/* One program that may be there. 1 when it is what is wanted. */
static int try_program(const char *path, const char *wanted, char program[NATS_SERVER_PATH_BYTES],
                       char found[NATS_SERVER_VERSION_BYTES])
{
	char why[ANSWER_BYTES];

	if (read_version(path, found, why) != 0 || !is_wanted(wanted, found))
		return 0;
	(void)snprintf(program, NATS_SERVER_PATH_BYTES, "%s", path);
	return 1;
}

static int try_path(const char *wanted, char program[NATS_SERVER_PATH_BYTES],
                    char found[NATS_SERVER_VERSION_BYTES])
{
	const char *at = getenv("PATH");
	char path[NATS_SERVER_PATH_BYTES];

	while (at != NULL && *at != '\0') {
		const size_t bytes = strcspn(at, ":");
		if (bytes > 0 && bytes < sizeof(path) - 16) {
			(void)snprintf(path, sizeof(path), "%.*s/nats-server", (int)bytes, at);
			if (try_program(path, wanted, program, found))
				return 1;
		}
		at += bytes + (at[bytes] == ':');
	}
	return try_program("/usr/sbin/nats-server", wanted, program, found);
}

/* The script of the source tree, or of the installation. NATS_SERVER is not set or not what is
 * wanted; the script would answer with it. */
static int ask_script(const char *wanted, char program[NATS_SERVER_PATH_BYTES],
                      char found[NATS_SERVER_VERSION_BYTES], struct target_error *error)
{
	static const char *const scripts[] = {ATREST_SOURCE_DIR "/scripts/get-nats-server",
	                                      ATREST_DATA_DIR "/scripts/get-nats-server"};
	const int is_number = wanted[0] >= '0' && wanted[0] <= '9';
	const char *script = access(scripts[0], X_OK) == 0 ? scripts[0] : scripts[1];
	const char *const argv[] = {"/usr/bin/env", "-u", "NATS_SERVER", script, wanted, NULL};
	char text[ANSWER_BYTES], why[ANSWER_BYTES];
	const int status = run_for_line(argv, DOWNLOAD_S, text);

	if (status != 0 || text[0] != '/')
		return target_fail(error, TARGET_SYSTEM,
		                   "no nats-server%s%.20s as NATS_SERVER, in PATH or /usr/sbin; "
		                   "%.300s",
		                   is_number ? " " : "", is_number ? wanted : "", text);
	if (read_version(text, found, why) != 0)
		return target_fail(error, TARGET_SYSTEM, "%.200s %.250s", text, why);
	if (is_number && strcmp(found, wanted) != 0)
		return target_fail(error, TARGET_SYSTEM, "%.200s: found version %s, expected %.20s",
		                   text, found, wanted);
	(void)snprintf(program, NATS_SERVER_PATH_BYTES, "%.4095s", text);
	return 0;
}

int nats_server_find(const char *version, char program[NATS_SERVER_PATH_BYTES],
                     char found[NATS_SERVER_VERSION_BYTES], struct target_error *error)
{
	const char *given = getenv("NATS_SERVER");
	char why[ANSWER_BYTES];

	program[0] = found[0] = '\0';
	if (given != NULL && given[0] != '\0') {
		if (read_version(given, found, why) != 0)
			return target_fail(error, TARGET_SYSTEM, "NATS_SERVER=%.200s: %.250s",
			                   given, why);
		if (is_wanted(version, found)) {
			(void)snprintf(program, NATS_SERVER_PATH_BYTES, "%s", given);
			return 0;
		}
	}
	if (try_path(version, program, found))
		return 0;
	return ask_script(version == NULL || version[0] == '\0' ? "distribution" : version, program,
	                  found, error);
}
