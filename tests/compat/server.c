/* server.c - see server.h. */
#include "tests/compat/server.h"

#include <errno.h>
#include <fcntl.h>
#include <nats/nats.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS      20000
#define STEP_MS      10
#define KEY_VARIABLE "ATREST_TEST_SERVER_KEY"

struct server {
	pid_t pid;
	natsConnection *connection;
	char log[1024];
};

static void pause_step(void)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};

	(void)nanosleep(&step, NULL);
}

int server_find(const char *version, char *path, size_t path_bytes, char *why, size_t why_bytes)
{
	char command[1024];
	FILE *pipe;
	size_t got;
	int status;

	/* Both streams come through the pipe: the path, or one line that says why not. Other lines
	 * (a download) come before it. */
	(void)snprintf(command, sizeof(command), "'%s/scripts/get-nats-server' %s 2>&1 | tail -n 1",
	               ATREST_SOURCE_DIR, version);
	pipe = popen(command, "r");
	if (!pipe) {
		(void)snprintf(why, why_bytes, "%s: %s", command, strerror(errno));
		return -1;
	}
	got = fread(path, 1, path_bytes - 1, pipe);
	path[got] = '\0';
	path[strcspn(path, "\n")] = '\0';
	status = pclose(pipe);
	if (status != 0 || path[0] != '/') {
		(void)snprintf(why, why_bytes, "%s", path[0] ? path : "no answer");
		return -1;
	}
	return 0;
}

static int write_config(const struct server_config *config, const char *path)
{
	FILE *file = fopen(path, "w");

	if (!file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	fprintf(file, "listen: \"127.0.0.1:-1\"\nports_file_dir: \"%s\"\n", config->folder);
	fprintf(file, "jetstream {\n  store_dir: \"%s\"\n", config->store_dir);
	if (config->key)
		fprintf(file, "  cipher: %s\n  key: $%s\n", config->cipher, KEY_VARIABLE);
	fprintf(file, "}\n");
	return fclose(file) == 0 ? 0 : -1;
}

/* In the child: nothing but system calls up to exec. */
static void become_server(const struct server_config *config, const char *config_path,
                          const char *log_path, pid_t parent)
{
	int fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0640);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd < 0 || getppid() != parent || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(126);
	execl(config->program, "nats-server", "-c", config_path, (char *)NULL);
	_exit(127);
}

static void tell_log(const char *path)
{
	char line[1024];
	FILE *file = fopen(path, "r");

	fprintf(stderr, "---- %s\n", path);
	if (!file)
		return;
	(void)fseek(file, -4000, SEEK_END);
	while (fgets(line, sizeof(line), file))
		fputs(line, stderr);
	(void)fclose(file);
}

/* The address from <folder>/nats-server_<pid>.ports, once it is complete. */
static int read_ports(const char *folder, pid_t pid, char *url, size_t url_bytes)
{
	const char *text;
	json_t *ports;
	char path[1024];
	int rc = -1;

	(void)snprintf(path, sizeof(path), "%s/nats-server_%d.ports", folder, (int)pid);
	ports = json_load_file(path, 0, NULL);
	text = json_string_value(json_array_get(json_object_get(ports, "nats"), 0));
	if (text) {
		(void)snprintf(url, url_bytes, "%s", text);
		rc = 0;
	}
	json_decref(ports);
	return rc;
}

static int wait_ready(struct server *server, const char *folder)
{
	char url[256] = "";
	json_t *reply = NULL;
	int waited, ready;

	for (waited = 0; waited < WAIT_MS; waited += STEP_MS, pause_step()) {
		if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
			server->pid = 0;
			return -1;
		}
		if (!url[0] && read_ports(folder, server->pid, url, sizeof(url)) != 0)
			continue;
		if (!server->connection &&
		    natsConnection_ConnectTo(&server->connection, url) != NATS_OK)
			continue;
		/* Not $JS.API.INFO: 2.10 tells of 2^64 - 1 reserved bytes, which no JSON reader
		 * takes. */
		reply = server_request(server, "$JS.API.STREAM.NAMES", "");
		ready = reply && !json_object_get(reply, "error");
		json_decref(reply);
		if (ready)
			return 0;
	}
	return -1;
}

int server_start(const struct server_config *config, struct server **out)
{
	struct server *server;
	char config_path[1024];
	const pid_t parent = getpid();

	*out = NULL;
	server = calloc(1, sizeof(*server));
	if (!server)
		return -1;
	(void)snprintf(config_path, sizeof(config_path), "%s/server.conf", config->folder);
	(void)snprintf(server->log, sizeof(server->log), "%s/server.log", config->folder);
	if (write_config(config, config_path) != 0) {
		free(server);
		return -1;
	}
	/* Set here: the child may not allocate. The value keeps its quotes, so that digits stay a
	 * string in the server's eyes. */
	if (config->key) {
		char quoted[256];

		(void)snprintf(quoted, sizeof(quoted), "\"%s\"", config->key);
		(void)setenv(KEY_VARIABLE, quoted, 1);
	}
	server->pid = fork();
	if (server->pid == 0)
		become_server(config, config_path, server->log, parent);
	(void)unsetenv(KEY_VARIABLE);
	if (server->pid < 0 || wait_ready(server, config->folder) != 0) {
		fprintf(stderr, "%s did not become ready\n", config->program);
		tell_log(server->log);
		(void)server_stop(server);
		return -1;
	}
	*out = server;
	return 0;
}

int server_stop(struct server *server)
{
	int waited, rc = 0;

	if (!server)
		return 0;
	natsConnection_Destroy(server->connection);
	if (server->pid > 0) {
		(void)kill(server->pid, SIGTERM);
		for (waited = 0; waited < WAIT_MS; waited += STEP_MS, pause_step())
			if (waitpid(server->pid, NULL, WNOHANG) == server->pid)
				break;
		if (waited >= WAIT_MS) {
			fprintf(stderr, "the server did not leave and is killed\n");
			tell_log(server->log);
			(void)kill(server->pid, SIGKILL);
			(void)waitpid(server->pid, NULL, 0);
			rc = -1;
		}
	}
	free(server);
	return rc;
}

json_t *server_request(struct server *server, const char *subject, const char *json)
{
	natsMsg *msg = NULL;
	json_t *reply = NULL;

	if (natsConnection_RequestString(&msg, server->connection, subject, json, 5000) == NATS_OK)
		reply = json_loadb(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg),
		                   JSON_ALLOW_NUL, NULL);
	natsMsg_Destroy(msg);
	return reply;
}

unsigned long long server_publish(struct server *server, const char *subject,
                                  const struct server_header *headers, const void *payload,
                                  size_t payload_bytes)
{
	natsMsg *msg = NULL, *ack = NULL;
	json_t *reply = NULL;
	unsigned long long sequence = 0;

	if (natsMsg_Create(&msg, subject, NULL, payload, (int)payload_bytes) != NATS_OK)
		return 0;
	for (; headers && headers->name; headers++)
		(void)natsMsgHeader_Add(msg, headers->name, headers->value);
	if (natsConnection_RequestMsg(&ack, server->connection, msg, 5000) == NATS_OK) {
		reply = json_loadb(natsMsg_GetData(ack), (size_t)natsMsg_GetDataLength(ack), 0,
		                   NULL);
		sequence = (unsigned long long)json_integer_value(json_object_get(reply, "seq"));
	}
	json_decref(reply);
	natsMsg_Destroy(ack);
	natsMsg_Destroy(msg);
	return sequence;
}
