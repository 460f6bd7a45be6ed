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

#define WAIT_MS       20000
#define STEP_MS       10
#define KEY_VARIABLE  "ATREST_TEST_SERVER_KEY"
#define PREV_VARIABLE "ATREST_TEST_SERVER_PREV_KEY"

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
	if (config->prev_key)
		fprintf(file, "  prev_encryption_key: $%s\n", PREV_VARIABLE);
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

/* The value keeps its quotes, so that digits stay a string in the server's eyes. */
static void set_key(const char *variable, const char *key)
{
	char quoted[256];

	if (!key)
		return;
	(void)snprintf(quoted, sizeof(quoted), "\"%s\"", key);
	(void)setenv(variable, quoted, 1);
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
	/* Set here: the child may not allocate. */
	set_key(KEY_VARIABLE, config->key);
	set_key(PREV_VARIABLE, config->prev_key);
	server->pid = fork();
	if (server->pid == 0)
		become_server(config, config_path, server->log, parent);
	(void)unsetenv(KEY_VARIABLE);
	(void)unsetenv(PREV_VARIABLE);
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

/* The first number of a reply subject that is the stream sequence:
 * $JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>..., behind two more parts in new ones. */
static unsigned long long sequence_of(const char *reply)
{
	unsigned parts = 1, at;
	const char *p = reply;

	for (const char *q = reply; *q; q++)
		parts += *q == '.';
	for (at = parts > 9 ? 7 : 5; at > 0 && p; at--) {
		p = strchr(p, '.');
		p = p ? p + 1 : NULL;
	}
	return p ? strtoull(p, NULL, 10) : 0;
}

unsigned long long server_fetch(struct server *server, const char *stream, const char *consumer,
                                int ack)
{
	unsigned long long sequence = 0;
	natsMsg *msg = NULL, *done = NULL;
	char subject[600];

	(void)snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.MSG.NEXT.%s.%s", stream,
	               consumer);
	if (natsConnection_RequestString(&msg, server->connection, subject, "1", 5000) != NATS_OK)
		return 0;
	if (natsMsg_GetReply(msg))
		sequence = sequence_of(natsMsg_GetReply(msg));
	if (sequence && ack &&
	    natsConnection_RequestString(&done, server->connection, natsMsg_GetReply(msg), "+ACK",
	                                 5000) != NATS_OK)
		sequence = 0;
	natsMsg_Destroy(done);
	natsMsg_Destroy(msg);
	return sequence;
}

static int receive_chunks(struct server *server, natsSubscription *inbox, FILE *file)
{
	for (;;) {
		natsMsg *msg = NULL;
		int bytes, fine;

		if (natsSubscription_NextMsg(&msg, inbox, 10000) != NATS_OK)
			return -1;
		bytes = natsMsg_GetDataLength(msg);
		fine = bytes == 0 ||
		       (fwrite(natsMsg_GetData(msg), 1, (size_t)bytes, file) == (size_t)bytes &&
		        (!natsMsg_GetReply(msg) ||
		         natsConnection_PublishString(server->connection, natsMsg_GetReply(msg),
		                                      "") == NATS_OK));
		natsMsg_Destroy(msg);
		if (bytes == 0 || !fine)
			return fine ? 0 : -1;
	}
}

json_t *server_snapshot(struct server *server, const char *stream, const char *path)
{
	char subject[300], request[300];
	natsSubscription *sub = NULL;
	natsInbox *inbox = NULL;
	json_t *reply = NULL;
	FILE *file = fopen(path, "w");
	int rc = -1;

	(void)snprintf(subject, sizeof(subject), "$JS.API.STREAM.SNAPSHOT.%s", stream);
	if (file && natsInbox_Create(&inbox) == NATS_OK &&
	    natsConnection_SubscribeSync(&sub, server->connection, (const char *)inbox) ==
	            NATS_OK) {
		(void)snprintf(request, sizeof(request),
		               "{\"deliver_subject\":\"%s\",\"chunk_size\":65536}",
		               (const char *)inbox);
		reply = server_request(server, subject, request);
		if (reply && !json_object_get(reply, "error"))
			rc = receive_chunks(server, sub, file);
	}
	if (file && fclose(file) != 0)
		rc = -1;
	natsSubscription_Destroy(sub);
	natsInbox_Destroy(inbox);
	if (rc == 0)
		return reply;
	fprintf(stderr, "the snapshot of %s did not come\n", stream);
	json_decref(reply);
	return NULL;
}

/* One chunk, 0 bytes: the end. The server's answer to it. */
static json_t *send_chunk(struct server *server, const char *subject, const char *bytes, size_t n)
{
	natsMsg *msg = NULL;
	json_t *reply = NULL;

	if (natsConnection_Request(&msg, server->connection, subject, bytes, (int)n, 10000) ==
	    NATS_OK)
		reply = natsMsg_GetDataLength(msg) == 0
		                ? json_object()
		                : json_loadb(natsMsg_GetData(msg),
		                             (size_t)natsMsg_GetDataLength(msg), JSON_ALLOW_NUL,
		                             NULL);
	natsMsg_Destroy(msg);
	return reply;
}

json_t *server_restore(struct server *server, const char *stream, const json_t *request,
                       const char *path)
{
	static char chunk[65536];
	char subject[300], *text = json_dumps(request, JSON_COMPACT);
	json_t *reply, *answer = NULL;
	const char *to;
	FILE *file = fopen(path, "r");
	size_t n;

	(void)snprintf(subject, sizeof(subject), "$JS.API.STREAM.RESTORE.%s", stream);
	reply = server_request(server, subject, text);
	free(text);
	to = json_string_value(json_object_get(reply, "deliver_subject"));
	if (!to)
		fprintf(stderr, "%s: refused: %s\n", subject,
		        json_string_value(
		                json_object_get(json_object_get(reply, "error"), "description")));
	while (to && file) {
		n = fread(chunk, 1, sizeof(chunk), file);
		answer = send_chunk(server, to, chunk, n);
		if (n == 0 || !answer || json_object_get(answer, "error"))
			break;
		json_decref(answer);
		answer = NULL;
	}
	if (file)
		(void)fclose(file);
	json_decref(reply);
	return answer;
}

int server_pull(struct server *server, const char *stream, const char *consumer, char *ack,
                size_t ack_bytes)
{
	char subject[512];
	natsMsg *msg = NULL;
	const char *status = NULL;
	json_t *info;
	int rc = -1, none;

	/* 2.9.10 may leave a request unanswered when nothing is pending, no_wait or not */
	(void)snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.INFO.%s.%s", stream, consumer);
	info = server_request(server, subject, "");
	none = json_integer_value(json_object_get(info, "num_pending")) == 0;
	json_decref(info);
	if (none)
		return 0;
	(void)snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.MSG.NEXT.%s.%s", stream,
	               consumer);
	if (natsConnection_RequestString(&msg, server->connection, subject,
	                                 "{\"batch\":1,\"no_wait\":true}", 5000) != NATS_OK) {
		fprintf(stderr, "%s: no reply\n", subject);
		return -1;
	}
	if (natsMsg_GetReply(msg) != NULL) {
		(void)snprintf(ack, ack_bytes, "%s", natsMsg_GetReply(msg));
		rc = 1;
	} else if (natsMsgHeader_Get(msg, "Status", &status) == NATS_OK &&
	           strcmp(status, "404") == 0) {
		rc = 0;
	}
	if (rc < 0)
		fprintf(stderr, "no message of %s: %s\n", consumer, status ? status : "no status");
	natsMsg_Destroy(msg);
	return rc;
}

int server_ack(struct server *server, const char *ack)
{
	natsMsg *msg = NULL;
	int rc =
	        natsConnection_RequestString(&msg, server->connection, ack, "+ACK", 5000) == NATS_OK
	                ? 0
	                : -1;

	natsMsg_Destroy(msg);
	return rc;
}
