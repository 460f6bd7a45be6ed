/* server_run.h - runs of the program whose nats-servers meet an accident: what the tests of such
 * runs share. A run's results are in "<directory>/out", its stores and servers below that.
 */
#ifndef ATREST_TESTS_FAULT_SERVER_RUN_H
#define ATREST_TESTS_FAULT_SERVER_RUN_H

#include "tests/unit/harness_fixture.h"

#include "harness/output/samples.h"
#include "harness/targets/nats_server.h"

#define SERVER_RUN_ATREST ATREST_BINARY_DIR "/cli/atrest"

/* The versions that are tested: the distribution's and the newest. */
struct server_version {
	const char *wanted;
	char program[NATS_SERVER_PATH_BYTES];
	char found[NATS_SERVER_VERSION_BYTES];
};

#define SERVER_VERSIONS 2
extern struct server_version server_versions[SERVER_VERSIONS];

/* Looks for them. 0, or -1 when one is missing, which is told. */
int server_run_find(void);

/* Random numbers from ATREST_SEED, else the time; the seed is printed with the first one. */
unsigned server_run_random(unsigned below);

void server_run_sleep_ms(unsigned ms);

/* A program "<directory>/<name>" that runs the commands (bash; "$2" is the configuration, "$self"
 * the directory) before it becomes the nats-server. */
void server_run_wrap(const char *directory, const char *name, const struct server_version *version,
                     const char *commands);

/* Starts `atrest run` with these arguments (NULL ends), results in "<directory>/out". program:
 * NATS_SERVER of the run. */
pid_t server_run_start(const char *directory, const char *program, const char *const arguments[]);

/* Waits for the end of it, within so many seconds, and reads what it said. */
void server_run_wait(const char *directory, pid_t pid, unsigned limit_s,
                     struct fixture_output *out);

/* Both. */
void server_run(const char *directory, const char *program, const char *const arguments[],
                unsigned limit_s, struct fixture_output *out);

/* Processes that are nats-servers with a configuration below the directory; *pid, if not NULL, is
 * one of them. */
size_t server_run_servers(const char *directory, pid_t *pid);

/* Waits, a minute at most, for one that is not `old`. */
pid_t server_run_server(const char *directory, pid_t old);

/* The parent of a process, 0 when it is gone. */
pid_t server_run_parent(pid_t pid);

/* The process ends within so many milliseconds: fails otherwise. */
void server_run_expect_gone(pid_t pid, unsigned limit_ms);

/* No server and no directory of stores is left of the run. */
void server_run_expect_clean(const char *directory);

void server_run_expect_status(const struct fixture_output *out, int status);
void server_run_expect_text(const struct fixture_output *out, const char *text);

/* Invalid rows, whose error must hold text; *rows, if not NULL, is how many there are in all, and
 * *complete whether the run came to its end. */
size_t server_run_invalid(const char *directory, const char *text, size_t *rows, int *complete);

/* The server's log is in the results, and the message names it. */
void server_run_expect_log(const char *directory, const struct fixture_output *out);

/* Takes the results away, for another run in the same directory. */
void server_run_again(const char *directory);

#endif
