/* server.c - see server.h. */
#include "tests/compat/server.h"

#include <nats/nats.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/targets/nats_server.h"

struct server {
	struct nats_server *process;
	natsConnection *connection;
};

int server_find(const char *version, char *path, size_t path_bytes, char *why, size_t why_bytes)
{
	char program[NATS_SERVER_PATH_BYTES], found[NATS_SERVER_VERSION_BYTES];
	struct target_error error;

	if (nats_server_find(version, program, found, &error) != 0) {
		(void)snprintf(why, why_bytes, "%s", error.text);
		return -1;
	}
	(void)snprintf(path, path_bytes, "%s", program);
	return 0;
}

int server_start(const struct server_config *config, struct server **out)
{
	const struct nats_server_config process = {
	        .program = config->program,
	        .store_dir = config->store_dir,
	        .folder = config->folder,
	        .cipher = config->key ? config->cipher : "none",
	        .key = (const uint8_t *)config->key,
	        .key_bytes = config->key ? strlen(config->key) : 0,
	        .prev_key = (const uint8_t *)config->prev_key,
	        .prev_key_bytes = config->prev_key ? strlen(config->prev_key) : 0,
	};
	struct server *server = calloc(1, sizeof(*server));
	struct target_error error;

	*out = NULL;
	if (!server)
		return -1;
	if (nats_server_start(&process, &server->process, &error) != 0) {
		fprintf(stderr, "%s\n", error.text);
		free(server);
		return -1;
	}
	if (natsConnection_ConnectTo(&server->connection, nats_server_url(server->process)) !=
	    NATS_OK) {
		fprintf(stderr, "%s: no connection\n", nats_server_url(server->process));
		(void)server_stop(server);
		return -1;
	}
	*out = server;
	return 0;
}

int server_stop(struct server *server)
{
	struct target_error error;
	int rc;

	if (!server)
		return 0;
	natsConnection_Destroy(server->connection);
	rc = nats_server_stop(server->process, &error);
	if (rc != 0)
		fprintf(stderr, "%s\n", error.text);
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
