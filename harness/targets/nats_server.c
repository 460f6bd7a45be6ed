/* nats_server.c - see nats_server.h. */
#include "harness/targets/nats_server_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ciphers/secret.h"
#include "harness/measure/clock.h"
#include "harness/process_record.h"

#define SECOND_NS     UINT64_C(1000000000)
#define STEP_NS       1000000L   /* between two looks; a start takes 20 ms */
#define PAYLOAD_BYTES (8u << 20) /* beyond it a server warns */
#define KEY_VARIABLE  "ATREST_SERVER_KEY"
#define PREV_VARIABLE "ATREST_SERVER_PREV_KEY"

static void pause_step(void)
{
	const struct timespec step = {.tv_nsec = STEP_NS};

	(void)nanosleep(&step, NULL);
}

const char *nats_server_url(const struct nats_server *server)
{
	return server->url;
}

pid_t nats_server_pid(const struct nats_server *server)
{
	return server->pid;
}

const char *nats_server_log(const struct nats_server *server)
{
	return server->log;
}

/* ---- configuration ---- */

/* Limits that a run does not meet: the disk is the limit of a store, and what a client gets late
 * is the machine's doing. */
static int write_config(const struct nats_server_config *config, const char *path)
{
	FILE *file = fopen(path, "we");

	if (file == NULL)
		return -errno;
	fprintf(file, "listen: \"127.0.0.1:%d\"\nports_file_dir: \"%s\"\n",
	        config->port != 0 ? (int)config->port : -1, config->folder);
	fprintf(file, "max_payload: %llu\nwrite_deadline: \"60s\"\nping_interval: \"10m\"\n",
	        (unsigned long long)(config->message_bytes > PAYLOAD_BYTES ? config->message_bytes
	                                                                   : PAYLOAD_BYTES));
	fprintf(file, "jetstream {\n  store_dir: \"%s\"\n", config->store_dir);
	fprintf(file, "  max_mem: %lld\n  max_file: %lld\n", 1LL << 30, 1LL << 44);
	if (strcmp(config->cipher, "none") != 0)
		fprintf(file, "  cipher: %s\n  key: $%s\n", config->cipher, KEY_VARIABLE);
	if (config->prev_key != NULL)
		fprintf(file, "  prev_encryption_key: $%s\n", PREV_VARIABLE);
	if (config->sync_interval != NULL)
		fprintf(file, "  sync_interval: %s\n", config->sync_interval);
	fprintf(file, "}\n");
	return fclose(file) == 0 ? 0 : -errno;
}

/* "NAME=\"key\"" in secret memory: with quotes digits stay a string in the server's eyes. NULL when
 * there is no memory. */
static char *key_variable(const char *name, const uint8_t *key, size_t key_bytes)
{
	const size_t bytes = strlen(name) + key_bytes + 4;
	char *text = atr_secret_alloc(bytes);

	if (text != NULL)
		(void)snprintf(text, bytes, "%s=\"%.*s\"", name, (int)key_bytes, (const char *)key);
	return text;
}

extern char **environ;

struct server_environment {
	char **all; /* this process's, and the keys */
	char *key, *prev;
};

static void environment_free(struct server_environment *env)
{
	free(env->all);
	atr_secret_free(env->key);
	atr_secret_free(env->prev);
}

static int environment_make(const struct nats_server_config *config, struct server_environment *env)
{
	size_t n = 0;

	memset(env, 0, sizeof(*env));
	while (environ[n] != NULL)
		n++;
	env->all = calloc(n + 3, sizeof(*env->all));
	if (env->all == NULL)
		return -1;
	memcpy(env->all, environ, n * sizeof(*env->all));
	if (strcmp(config->cipher, "none") != 0) {
		env->key = key_variable(KEY_VARIABLE, config->key, config->key_bytes);
		if (env->key == NULL)
			return -1;
		env->all[n++] = env->key;
	}
	if (config->prev_key != NULL) {
		env->prev = key_variable(PREV_VARIABLE, config->prev_key, config->prev_key_bytes);
		if (env->prev == NULL)
			return -1;
		env->all[n++] = env->prev;
	}
	return 0;
}

/* ---- life ---- */

/* In the child: nothing but system calls up to exec. */
static void become_server(const struct nats_server_config *config, const char *config_path,
                          const char *log_path, char *const env[], pid_t parent)
{
	char *const argv[] = {"nats-server", "-c", (char *)(uintptr_t)config_path, NULL};
	sigset_t none;
	int log, in;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	log = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0640);
	in = open("/dev/null", O_RDONLY);
	if (log < 0 || in < 0 || getppid() != parent || dup2(in, 0) < 0 || dup2(log, 1) < 0 ||
	    dup2(log, 2) < 0)
		_exit(126);
	(void)close(in);
	(void)close(log);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setpgid(0, 0); /* Ctrl-C of the terminal is the run's, which decides what ends */
	execve(config->program, argv, env);
	_exit(127);
}

static int spawn(const struct nats_server_config *config, const char *config_path,
                 struct nats_server *server, struct target_error *error)
{
	const pid_t parent = getpid();
	struct server_environment env;
	char record[PATH_MAX + 64];
	int rc = environment_make(config, &env);

	if (rc == 0) {
		server->pid = fork();
		if (server->pid == 0)
			become_server(config, config_path, server->log, env.all, parent);
		rc = server->pid > 0 ? 0 : -1;
	}
	environment_free(&env);
	if (rc != 0)
		return target_fail(error, TARGET_SYSTEM, "nats-server cannot be started: %s",
		                   strerror(errno));
	(void)snprintf(record, sizeof(record), "%s/%s", server->folder, NATS_SERVER_RECORD);
	rc = process_record_write(record, server->pid);
	if (rc != 0)
		return target_fail(error, TARGET_SYSTEM, "%.300s: %s", record, strerror(-rc));
	return 0;
}

/* The address, from "<folder>/nats-server_<pid>.ports" once that is complete. */
static void read_ports(struct nats_server *server)
{
	char path[PATH_MAX + 64];
	const char *text;
	json_t *ports;

	(void)snprintf(path, sizeof(path), "%s/nats-server_%d.ports", server->folder,
	               (int)server->pid);
	if (access(path, F_OK) != 0)
		return;
	ports = json_load_file(path, 0, NULL);
	text = json_string_value(json_array_get(json_object_get(ports, "nats"), 0));
	if (text != NULL)
		(void)snprintf(server->url, sizeof(server->url), "%s", text);
	json_decref(ports);
}

/* ---- what went wrong ---- */

/* It ended before it was ready. */
static int fail_start(struct nats_server *server, const struct nats_server_config *config,
                      struct target_error *error)
{
	char text[NATS_SERVER_LINE_BYTES], line[NATS_SERVER_LINE_BYTES];

	if (WIFEXITED(server->status) && WEXITSTATUS(server->status) == 127)
		return target_fail(error, TARGET_SYSTEM, "%.300s cannot be run", config->program);
	nats_server_log_error(server->log, "unknown field \"sync_interval\"", line, sizeof(line));
	if (line[0] != '\0')
		return target_fail(error, TARGET_USAGE,
		                   "this nats-server does not know sync_interval, expected 2.10 or "
		                   "newer: %s",
		                   line);
	nats_server_log_error(server->log, "address already in use", line, sizeof(line));
	if (line[0] != '\0')
		return target_fail(error, TARGET_SYSTEM, "port %u is taken: %s", config->port,
		                   line);
	nats_server_log_error(server->log, "nats-server.conf:", line, sizeof(line));
	if (line[0] != '\0')
		return target_fail(error, TARGET_SYSTEM,
		                   "nats-server refuses its configuration: %s", line);
	nats_server_describe_end(server, text);
	/* Somebody's signal tells nothing of the next start. */
	return target_fail(error, WIFSIGNALED(server->status) ? TARGET_FAILED : TARGET_SYSTEM,
	                   "%s, during its start", text);
}

/* 0 when it answers; -1 and what keeps it from answering. */
static int wait_ready(struct nats_server *server, const struct nats_server_config *config,
                      struct target_error *error)
{
	const uint64_t timeout_ns = config->start_timeout_ns != 0 ? config->start_timeout_ns
	                                                          : NATS_SERVER_START_S * SECOND_NS;
	const uint64_t end_ns = clock_ns() + timeout_ns;

	for (; clock_ns() < end_ns; pause_step()) {
		if (!nats_server_lives(server))
			return fail_start(server, config, error);
		if (server->url[0] == '\0')
			read_ports(server);
		if (server->url[0] != '\0' && nats_server_answers(server) == 1)
			return 0;
	}
	if (process_record_state(server->pid) == 'T')
		return target_fail(error, TARGET_FAILED,
		                   "nats-server was not ready within %.1f s: it is stopped "
		                   "(SIGSTOP)",
		                   (double)timeout_ns / 1e9);
	return target_fail(error, TARGET_SYSTEM, "nats-server was not ready within %.1f s",
	                   (double)timeout_ns / 1e9);
}

/* ---- start and stop ---- */

static int check_program(const struct nats_server_config *config, struct target_error *error)
{
	struct stat st;

	if (stat(config->program, &st) != 0)
		return target_fail(error, TARGET_SYSTEM, "%.300s: %s", config->program,
		                   strerror(errno));
	if (!S_ISREG(st.st_mode) || access(config->program, X_OK) != 0)
		return target_fail(error, TARGET_SYSTEM, "%.300s is not an executable file",
		                   config->program);
	return 0;
}

/* The folder as for a first start: what a server left that was killed is taken away. */
static int prepare_folder(struct nats_server *server, struct target_error *error)
{
	char path[PATH_MAX + 64];
	int rc = 0;

	if (mkdir(server->folder, 0750) != 0 && errno != EEXIST)
		rc = -errno;
	(void)snprintf(path, sizeof(path), "%s/%s", server->folder, NATS_SERVER_RECORD);
	if (rc == 0 && process_record_kill(path) < 0)
		rc = -EBUSY;
	if (rc != 0)
		return target_fail(error, TARGET_SYSTEM, "%.300s: %s", server->folder,
		                   strerror(-rc));
	return 0;
}

static void remove_start_files(struct nats_server *server)
{
	char path[PATH_MAX + 64];

	(void)snprintf(path, sizeof(path), "%s/nats-server_%d.ports", server->folder,
	               (int)server->pid);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/%s", server->folder, NATS_SERVER_RECORD);
	(void)unlink(path);
}

int nats_server_start(const struct nats_server_config *config, struct nats_server **out,
                      struct target_error *error)
{
	char config_path[PATH_MAX + 64];
	struct target_error ignored;
	struct nats_server *server;
	int rc;

	*out = NULL;
	server = calloc(1, sizeof(*server));
	if (server == NULL)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	(void)pthread_mutex_init(&server->lock, NULL);
	(void)snprintf(server->store_dir, sizeof(server->store_dir), "%s", config->store_dir);
	(void)snprintf(server->folder, sizeof(server->folder), "%s", config->folder);
	(void)snprintf(server->log, sizeof(server->log), "%s/%s", config->folder, TARGET_LOG_FILE);
	(void)snprintf(config_path, sizeof(config_path), "%s/nats-server.conf", config->folder);
	rc = check_program(config, error);
	if (rc == 0)
		rc = prepare_folder(server, error);
	if (rc == 0 && (rc = write_config(config, config_path)) != 0)
		rc = target_fail(error, TARGET_SYSTEM, "%.300s: %s", config_path, strerror(-rc));
	if (rc == 0)
		rc = spawn(config, config_path, server, error);
	if (rc == 0)
		rc = wait_ready(server, config, error);
	if (rc != 0) {
		if (server->pid > 0)
			(void)kill(server->pid, SIGKILL);
		(void)nats_server_stop(server, &ignored);
		return -1;
	}
	*out = server;
	return 0;
}

int nats_server_stop(struct nats_server *server, struct target_error *error)
{
	const uint64_t end_ns = clock_ns() + NATS_SERVER_STOP_S * SECOND_NS;
	char text[NATS_SERVER_LINE_BYTES];
	int rc = 0, lived;

	if (server == NULL)
		return 0;
	if (server->pid > 0) {
		lived = nats_server_lives(server);
		if (lived) {
			(void)kill(server->pid, SIGTERM);
			(void)kill(server->pid, SIGCONT); /* in case it is stopped */
		}
		while (nats_server_lives(server) && clock_ns() < end_ns)
			pause_step();
		if (nats_server_lives(server)) {
			(void)kill(server->pid, SIGKILL);
			(void)waitpid(server->pid, &server->status, 0);
			rc = target_fail(error, TARGET_FAILED,
			                 "nats-server did not leave within %d s and was killed",
			                 NATS_SERVER_STOP_S);
		} else if (!lived || !WIFEXITED(server->status) ||
		           WEXITSTATUS(server->status) > 1) {
			/* 2.9 and 2.10 leave with 1 when they are asked to, 2.15 with 0 */
			nats_server_describe_end(server, text);
			rc = target_fail(error, TARGET_FAILED, "%s", text);
		}
		remove_start_files(server);
	}
	(void)pthread_mutex_destroy(&server->lock);
	free(server);
	return rc;
}
