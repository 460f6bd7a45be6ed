/* nats_server_explain.c - a private server asked for what it serves, and what a failure is: see
 * nats_server.h.
 */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <nats/nats.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/process_record.h"
#include "harness/targets/nats_server_inner.h"

#define ANSWER_MS  2000 /* of a server that lives and is not stopped */
#define ENDING_MS  1000
#define LINE_BYTES NATS_SERVER_LINE_BYTES
#define FULL_BYTES (64 * 1024) /* less than this is left */

int nats_server_lives(struct nats_server *server)
{
	int ended;

	(void)pthread_mutex_lock(&server->lock);
	if (!server->ended && waitpid(server->pid, &server->status, WNOHANG) == server->pid)
		server->ended = 1;
	ended = server->ended;
	(void)pthread_mutex_unlock(&server->lock);
	return !ended;
}

/* ---- asking it ---- */

static natsConnection *connect_to(const struct nats_server *server)
{
	natsConnection *connection = NULL;
	natsOptions *options = NULL;

	if (natsOptions_Create(&options) == NATS_OK &&
	    natsOptions_SetURL(options, server->url) == NATS_OK &&
	    natsOptions_SetTimeout(options, ANSWER_MS) == NATS_OK &&
	    natsOptions_SetAllowReconnect(options, false) == NATS_OK)
		(void)natsConnection_Connect(&connection, options);
	natsOptions_Destroy(options);
	return connection;
}

/* 1 when the JetStream API answers without an error; 0 an error; -1 no answer. */
static int ask(natsConnection *connection, const char *subject)
{
	natsMsg *msg = NULL;
	json_t *reply = NULL;
	int rc = -1;

	if (connection != NULL &&
	    natsConnection_RequestString(&msg, connection, subject, "", ANSWER_MS) == NATS_OK)
		reply = json_loadb(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg),
		                   JSON_ALLOW_NUL, NULL);
	if (reply != NULL)
		rc = json_object_get(reply, "error") == NULL;
	json_decref(reply);
	natsMsg_Destroy(msg);
	return rc;
}

/* Not $JS.API.INFO: 2.10 tells of 2^64 - 1 reserved bytes, which no JSON reader takes. */
int nats_server_answers(const struct nats_server *server)
{
	natsConnection *connection = connect_to(server);
	const int rc = ask(connection, "$JS.API.STREAM.NAMES");

	natsConnection_Destroy(connection);
	return rc;
}

/* ---- its log ---- */

/* What counts in "[PID] DATE TIME [LEVEL] text", and in what comes without a level: a refused
 * configuration, a panic. NULL when the line tells of nothing wrong. */
static const char *wrong_text(const char *line, int warnings)
{
	static const char *const levels[] = {"[ERR] ", "[FTL] ", "[WRN] "};
	static const char *const bare[] = {"nats-server: ", "panic: ", "fatal error: "};
	const char *at = NULL;

	for (size_t i = 0; line[0] == '[' && at == NULL && i < (warnings ? 3U : 2U); i++)
		if ((at = strstr(line, levels[i])) != NULL)
			at += strlen(levels[i]);
	for (size_t i = 0; at == NULL && i < 3; i++)
		if (strncmp(line, bare[i], strlen(bare[i])) == 0)
			at = i == 0 ? line + strlen(bare[i]) : line;
	/* Of this it only informs, though it closes the connection. */
	if (at == NULL && warnings)
		at = strstr(line, "Slow Consumer Detected");
	return at == NULL ? NULL : at + strspn(at, " ");
}

void nats_server_log_error(const char *log, const char *needle, char *text, size_t bytes)
{
	char line[2048];
	const char *found;
	FILE *file = fopen(log, "re");

	text[0] = '\0';
	if (file == NULL)
		return;
	while (fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		found = wrong_text(line, needle != NULL);
		if (found != NULL && (needle == NULL || strstr(found, needle) != NULL))
			(void)snprintf(text, bytes, "%s", found);
	}
	(void)fclose(file);
}

/* ---- what went wrong ---- */

void nats_server_describe_end(struct nats_server *server, char text[LINE_BYTES])
{
	char line[LINE_BYTES - 80];
	int n;

	nats_server_log_error(server->log, NULL, line, sizeof(line));
	if (WIFSIGNALED(server->status))
		n = snprintf(text, LINE_BYTES, "nats-server was killed by signal %d",
		             WTERMSIG(server->status));
	else
		n = snprintf(text, LINE_BYTES, "nats-server ended with exit code %d",
		             WEXITSTATUS(server->status));
	if (line[0] != '\0')
		(void)snprintf(text + n, LINE_BYTES - (size_t)n, ": %s", line);
}

int nats_server_alive(struct nats_server *server, struct target_error *error)
{
	char text[LINE_BYTES];

	if (nats_server_lives(server))
		return 1;
	nats_server_describe_end(server, text);
	(void)target_fail(error, TARGET_FAILED, "%s", text);
	return 0;
}

/* Whether a text is about a key: "Error decrypting our stream metafile: ...", which 2.9 says with
 * the cipher library's words and 2.10 and later as "unable to recover keys". */
static int tells_of_key(const char *text)
{
	return strstr(text, "decrypt") != NULL || strstr(text, "recover keys") != NULL ||
	       strstr(text, "authentication failed") != NULL;
}

static int fail_stream(struct nats_server *server, const char *stream, struct target_error *error)
{
	char line[LINE_BYTES - 160];

	nats_server_log_error(server->log, "decrypt", line, sizeof(line));
	if (line[0] == '\0')
		nats_server_log_error(server->log, "tream", line, sizeof(line));
	return target_fail(error, tells_of_key(line) ? TARGET_WRONG_KEY : TARGET_VERIFY,
	                   "nats-server does not serve stream %.100s%s: %s", stream,
	                   tells_of_key(line) ? ", which is under another key or cipher" : "",
	                   line[0] != '\0' ? line : "its log does not say why");
}

/* 2.9 says nothing of it, and never again anything of the stream either. */
static int disk_is_full(const struct nats_server *server)
{
	struct statvfs disk;

	return statvfs(server->store_dir, &disk) == 0 &&
	       (uint64_t)disk.f_bavail * disk.f_frsize < FULL_BYTES;
}

/* What the process and its log tell, in order of certainty. 0 when nothing is wrong there. */
static int fail_process(struct nats_server *server, const char *text, struct target_error *error)
{
	char line[LINE_BYTES - 160];

	if (!nats_server_alive(server, error))
		return -1;
	if (process_record_state(server->pid) == 'T')
		return target_fail(error, TARGET_FAILED, "%.200s: nats-server is stopped (SIGSTOP)",
		                   text);
	nats_server_log_error(server->log, "no space left", line, sizeof(line));
	if (line[0] != '\0')
		return target_fail(error, TARGET_SYSTEM, "%.200s: nats-server has no space: %s",
		                   text, line);
	if (disk_is_full(server))
		return target_fail(error, TARGET_SYSTEM,
		                   "%.200s: no space left where nats-server stores: %.200s", text,
		                   server->store_dir);
	nats_server_log_error(server->log, "Slow Consumer", line, sizeof(line));
	if (line[0] != '\0')
		return target_fail(error, TARGET_FAILED, "%.200s: %s", text, line);
	if (nats_server_answers(server) >= 0)
		return 0;
	/* The sockets of a process that ends go before it does. */
	for (int ms = 0; ms < ENDING_MS && nats_server_lives(server); ms++)
		(void)usleep(1000);
	if (!nats_server_alive(server, error))
		return -1;
	return target_fail(error, TARGET_FAILED, "%.200s: nats-server hangs: no answer within %d s",
	                   text, ANSWER_MS / 1000);
}

int nats_server_check_streams(struct nats_server *server, struct target_error *error)
{
	char path[NATS_SERVER_PATH_BYTES + 32], subject[sizeof(((struct dirent *)0)->d_name) + 32];
	natsConnection *connection;
	struct dirent *entry;
	const char *text = "no answer about a stream";
	DIR *dir;
	int rc = 0;

	(void)snprintf(path, sizeof(path), "%s/jetstream/$G/streams", server->store_dir);
	dir = opendir(path);
	if (dir == NULL && errno == ENOENT)
		return 0;
	if (dir == NULL)
		return target_fail(error, TARGET_SYSTEM, "%.300s: %s", path, strerror(errno));
	connection = connect_to(server);
	while (rc == 0 && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(subject, sizeof(subject), "$JS.API.STREAM.INFO.%s", entry->d_name);
		switch (ask(connection, subject)) {
		case 0:
			rc = fail_stream(server, entry->d_name, error);
			break;
		case -1:
			rc = fail_process(server, text, error);
			if (rc == 0)
				rc = target_fail(error, TARGET_FAILED, "%s", text);
			break;
		}
	}
	natsConnection_Destroy(connection);
	(void)closedir(dir);
	return rc;
}

int nats_server_explain(struct nats_server *server, enum target_fault fault, const char *text,
                        struct target_error *error)
{
	struct target_error why;

	if (fail_process(server, text, error) != 0)
		return -1;
	if (nats_server_check_streams(server, &why) == 0 || why.fault == TARGET_FAILED)
		return target_fail(error, fault, "%s", text);
	*error = why;
	return -1;
}
