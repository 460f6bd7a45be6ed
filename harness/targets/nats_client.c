/* nats_client.c - see nats_client.h: connections, streams, what is asked of them untimed. */
#include "harness/targets/nats_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/generator.h"
#include "harness/measure/clock.h"
#include "harness/targets/nats_server.h"

#define SERVERS_MAX      16
#define CONNECT_MS       8000 /* all servers together */
#define STREAM_STEP_MS   5
#define DELETE_MS        2000 /* who deletes has nothing to tell any more */
#define PING_INTERVAL_MS (60 * 60 * 1000)

/* The shortest that every version since 2.9.10 takes (0 is two minutes). What is published has no
 * Nats-Msg-Id, so that nothing is ever remembered in it. */
#define DUPLICATES_NS INT64_C(100000000)

/* 1 KiB on 2.15.1, plaintext, 12 slices each: a sixth more messages a second than without warm-up
 * and pause, and half of the slices within 11 % instead of 29 %; without the pause within 28 %. */
#define WARM_UP_NS       UINT64_C(125000000)
#define WARM_UP_BYTES    (8u * 1024 * 1024)
#define WARM_UP_PAUSE_NS 100000000
#define WARM_UP_SUBJECT  "atrest-warm-up"

#define HEAP_STREAM      "ATREST-HEAP"
#define HEAP_SUBJECT     "atrest-heap"
#define HEAP_PIECE_BYTES (1024u * 1024)

/* ---- failing ---- */

static enum target_fault fault_of(natsStatus status, jsErrCode code, const char *text)
{
	if (code == JSInsufficientResourcesErr || code == JSStorageResourcesExceededErr ||
	    code == JSNotEnabledErr || code == JSNotEnabledForAccountErr ||
	    status == NATS_NO_SERVER || status == NATS_CONNECTION_AUTH_FAILED ||
	    status == NATS_SSL_ERROR || status == NATS_SECURE_CONNECTION_WANTED ||
	    status == NATS_SECURE_CONNECTION_REQUIRED || status == NATS_NO_MEMORY ||
	    strstr(text, "no space left") != NULL)
		return TARGET_SYSTEM;
	return code == JSStreamReplicasNotSupportedErr || status == NATS_MAX_PAYLOAD
	               ? TARGET_USAGE
	               : TARGET_FAILED;
}

/* libnats remembers the text of the last failure of this thread. */
static const char *text_of(natsStatus status)
{
	natsStatus last = NATS_OK;
	const char *text = nats_GetLastError(&last), *end;

	if (last != status || text == NULL || text[0] == '\0')
		return natsStatus_GetText(status);
	/* "(conn.c:1234): " before it is of use to nobody here. */
	end = text[0] == '(' ? strstr(text, "): ") : NULL;
	return end == NULL ? text : end + 3;
}

int nats_client_fail(struct target_place *place, natsStatus status, jsErrCode code,
                     const char *doing, const char *text, struct target_error *error)
{
	char line[sizeof(error->text)];
	enum target_fault fault;

	fault = fault_of(status, code, text == NULL ? text_of(status) : text);
	if (status == NATS_TIMEOUT && text == NULL)
		snprintf(line, sizeof(line), "%s: no answer within %d s", doing,
		         NATS_CLIENT_WAIT_MS / 1000);
	else
		snprintf(line, sizeof(line), "%s: %s", doing,
		         text == NULL ? text_of(status) : text);
	if (place->server != NULL)
		return nats_server_explain(place->server, fault, line, error);
	return target_fail(error, fault, "%s", line);
}

/* ---- connections ---- */

/* What the server says on its own account (-ERR) is found again in the connection's last error;
 * libnats would print it. */
static void be_quiet(natsConnection *connection, natsSubscription *subscription, natsStatus status,
                     void *closure)
{
	(void)connection;
	(void)subscription;
	(void)status;
	(void)closure;
}

static natsStatus options_servers(const struct target_place *place, natsOptions *options)
{
	char list[1024], *rest = list, *url;
	const char *urls[SERVERS_MAX];
	natsStatus s = NATS_OK;
	int count = 0, secure = 0;

	snprintf(list, sizeof(list), "%s", place->urls);
	while (count < SERVERS_MAX && (url = strtok_r(rest, ", ", &rest)) != NULL) {
		secure |= strncmp(url, "tls://", 6) == 0;
		urls[count++] = url;
	}
	s = natsOptions_SetServers(options, urls, count);
	if (s == NATS_OK)
		s = natsOptions_SetTimeout(options, CONNECT_MS / (count > 0 ? count : 1));
	if (s == NATS_OK && secure)
		s = natsOptions_SetSecure(options, true);
	return s;
}

static natsStatus options_access(const struct target_place *place, natsOptions *options)
{
	const struct target_server *server = place->options->server;
	natsStatus s = NATS_OK;

	if (server->user != NULL)
		s = natsOptions_SetUserInfo(options, server->user,
		                            server->password == NULL ? "" : server->password);
	if (s == NATS_OK && server->creds != NULL)
		s = natsOptions_SetUserCredentialsFromFiles(options, server->creds, NULL);
	if (s == NATS_OK && server->nkey != NULL)
		s = natsOptions_SetNKeyFromSeed(options, place->nkey, server->nkey);
	if (s == NATS_OK && (server->tls_cert != NULL || server->tls_ca != NULL))
		s = natsOptions_SetSecure(options, true);
	if (s == NATS_OK && server->tls_cert != NULL)
		s = natsOptions_LoadCertificatesChain(options, server->tls_cert, server->tls_key);
	if (s == NATS_OK && server->tls_ca != NULL)
		s = natsOptions_LoadCATrustedCertificates(options, server->tls_ca);
	return s;
}

static natsStatus options_put(const struct target_place *place, natsOptions *options)
{
	natsStatus s = options_servers(place, options);

	if (s == NATS_OK)
		s = natsOptions_SetName(options, "atrest");
	if (s == NATS_OK)
		s = natsOptions_SetNoRandomize(options, true);
	if (s == NATS_OK)
		s = natsOptions_SetAllowReconnect(options, false);
	if (s == NATS_OK)
		s = natsOptions_SetPingInterval(options, PING_INTERVAL_MS);
	if (s == NATS_OK)
		s = natsOptions_SetWriteDeadline(options, NATS_CLIENT_WAIT_MS);
	/* No thread that sends; with an event loop nothing is sent before that is asked to. */
	if (s == NATS_OK)
		s = natsOptions_SetSendAsap(options, true);
	if (s == NATS_OK)
		s = natsOptions_SetErrorHandler(options, be_quiet, NULL);
	if (s == NATS_OK && place->options->server != NULL)
		s = options_access(place, options);
	return s;
}

int nats_client_connect(struct target_place *place, struct nats_link *link, natsConnection **out,
                        struct target_error *error)
{
	natsOptions *options = NULL;
	char doing[256], late[64];
	natsStatus s;

	*out = NULL;
	snprintf(doing, sizeof(doing), "connecting to %s", place->urls);
	s = natsOptions_Create(&options);
	if (s == NATS_OK)
		s = options_put(place, options);
	if (s == NATS_OK && link != NULL)
		s = nats_link_options(link, options);
	if (s == NATS_OK)
		s = natsConnection_Connect(out, options);
	snprintf(late, sizeof(late), "no answer within %d s", CONNECT_MS / 1000);
	if (s != NATS_OK)
		nats_client_fail(place, s, 0, doing, s == NATS_TIMEOUT ? late : NULL, error);
	natsOptions_Destroy(options);
	return s == NATS_OK ? 0 : -1;
}

struct target_place *nats_client_new(const struct target_options *options,
                                     struct nats_server *server, const char *urls,
                                     const char *prefix, const char *root,
                                     struct target_error *error)
{
	struct target_place *place = calloc(1, sizeof(*place));
	jsOptions js;
	natsStatus s;

	if (place == NULL) {
		target_fail(error, TARGET_SYSTEM, "out of memory");
		return NULL;
	}
	place->options = options;
	place->server = server;
	place->urls = urls;
	snprintf(place->prefix, sizeof(place->prefix), "%s", prefix);
	snprintf(place->root, sizeof(place->root), "%s", root);
	if (options->server != NULL && options->server->nkey != NULL &&
	    nats_nkey_public(options->server->nkey, place->nkey, error) != 0)
		goto fail;
	if (nats_client_connect(place, NULL, &place->connection, error) != 0)
		goto fail;
	(void)jsOptions_Init(&js);
	js.Wait = NATS_CLIENT_WAIT_MS;
	s = natsConnection_JetStream(&place->js, place->connection, &js);
	if (s == NATS_OK)
		return place;
	nats_client_fail(place, s, 0, "JetStream", NULL, error);
fail:
	nats_client_free(place);
	return NULL;
}

void nats_client_free(struct target_place *place)
{
	if (place == NULL)
		return;
	jsCtx_Destroy(place->js);
	natsConnection_Destroy(place->connection);
	free(place);
}

/* ---- streams ---- */

void nats_client_stream_name(const struct target_place *place, uint32_t stream,
                             char name[NATS_CLIENT_NAME_BYTES])
{
	snprintf(name, NATS_CLIENT_NAME_BYTES, "%.240s%u", place->prefix, stream);
}

static int make_stream(struct target_place *place, const char *name, const char *subjects,
                       struct target_error *error)
{
	const struct workload *w = place->options->workload;
	const struct target_server *server = place->options->server;
	char doing[NATS_CLIENT_DOING_BYTES];
	jsStreamInfo *info = NULL;
	jsStreamConfig config;
	jsErrCode code = 0;
	natsStatus s;

	(void)jsStreamConfig_Init(&config);
	config.Name = name;
	config.Subjects = &subjects;
	config.SubjectsLen = 1;
	config.Storage = js_FileStorage;
	config.Replicas = 1;
	config.Duplicates = DUPLICATES_NS;
	config.AllowDirect = true; /* versions before 2.9 leave it out of their answer */
	if (w->max_bytes > 0)
		config.MaxBytes = (int64_t)w->max_bytes;
	if (server != NULL && server->replicas > 1)
		config.Replicas = server->replicas;
	s = js_AddStream(&info, place->js, &config, NULL, &code);
	/* One like it was there: a worker died while it filled it. */
	if (s == NATS_OK && info->State.LastSeq > 0) {
		jsStreamInfo_Destroy(info);
		info = NULL;
		s = js_DeleteStream(place->js, name, NULL, &code);
		if (s == NATS_OK)
			s = js_AddStream(&info, place->js, &config, NULL, &code);
	}
	if (s == NATS_OK) {
		place->direct = info->Config->AllowDirect;
		jsStreamInfo_Destroy(info);
		return 0;
	}
	if ((s == NATS_TIMEOUT && config.Replicas > 1) || code == JSClusterNotAvailErr)
		snprintf(doing, sizeof(doing), "making stream %s of %lld replicas (no quorum?)",
		         name, (long long)config.Replicas);
	else
		snprintf(doing, sizeof(doing), "making stream %s", name);
	return nats_client_fail(place, s, code, doing, NULL, error);
}

int nats_client_make_streams(struct target_place *place, struct target_error *error)
{
	char name[NATS_CLIENT_NAME_BYTES], subjects[256], rooted[256 + NATS_CLIENT_ROOT_BYTES];

	place->fresh = 1;
	for (uint32_t i = 0; i < place->options->workload->streams; i++) {
		nats_client_stream_name(place, i, name);
		generator_subjects(place->options->generator, i, subjects, sizeof(subjects));
		snprintf(rooted, sizeof(rooted), "%s%s", place->root, subjects);
		if (make_stream(place, name, rooted, error) != 0)
			return -1;
	}
	return 0;
}

int nats_client_find_streams(struct target_place *place, struct target_error *error)
{
	char name[NATS_CLIENT_NAME_BYTES], doing[NATS_CLIENT_DOING_BYTES];

	for (uint32_t i = 0; i < place->options->workload->streams; i++) {
		jsStreamInfo *info = NULL;
		jsErrCode code = 0;
		natsStatus s;

		nats_client_stream_name(place, i, name);
		s = js_GetStreamInfo(&info, place->js, name, NULL, &code);
		if (s != NATS_OK) {
			snprintf(doing, sizeof(doing), "opening stream %s", name);
			return nats_client_fail(place, s, code, doing, NULL, error);
		}
		place->direct = info->Config->AllowDirect;
		jsStreamInfo_Destroy(info);
	}
	return 0;
}

int nats_client_delete_streams(struct target_place *place)
{
	char name[NATS_CLIENT_NAME_BYTES];
	natsStatus s = NATS_OK;
	jsOptions quick;
	int rc = 0;

	(void)jsOptions_Init(&quick);
	quick.Wait = DELETE_MS;
	/* The last one is the warm-up's, which is there when that was cut short. */
	for (uint32_t i = 0; s != NATS_TIMEOUT && i <= place->options->workload->streams; i++) {
		nats_client_stream_name(place, i, name);
		s = js_DeleteStream(place->js, name, &quick, NULL);
		rc |= s != NATS_OK && s != NATS_NOT_FOUND;
	}
	return rc == 0 ? 0 : -1;
}

int nats_client_state(struct target_place *place, uint32_t stream, struct target_state *out,
                      struct target_error *error)
{
	char name[NATS_CLIENT_NAME_BYTES], doing[NATS_CLIENT_DOING_BYTES];
	jsStreamInfo *info = NULL;
	jsErrCode code = 0;
	natsStatus s;

	memset(out, 0, sizeof(*out));
	nats_client_stream_name(place, stream, name);
	s = js_GetStreamInfo(&info, place->js, name, NULL, &code);
	if (s != NATS_OK) {
		snprintf(doing, sizeof(doing), "reading the state of stream %s", name);
		return nats_client_fail(place, s, code, doing, NULL, error);
	}
	out->messages = info->State.Msgs;
	out->last_sequence = info->State.LastSeq;
	jsStreamInfo_Destroy(info);
	return 0;
}

int nats_client_purge(struct target_place *place, struct target_error *error)
{
	char name[NATS_CLIENT_NAME_BYTES], doing[NATS_CLIENT_DOING_BYTES];

	for (uint32_t i = 0; i < place->options->workload->streams; i++) {
		jsErrCode code = 0;
		natsStatus s;

		nats_client_stream_name(place, i, name);
		s = js_PurgeStream(place->js, name, NULL, &code);
		if (s != NATS_OK) {
			snprintf(doing, sizeof(doing), "purging stream %s", name);
			return nats_client_fail(place, s, code, doing, NULL, error);
		}
	}
	return 0;
}

int nats_client_flush(struct target_place *place, struct target_error *error)
{
	(void)place;
	(void)error;
	return 0;
}

void nats_client_counters(struct target_place *place, struct target_counters *out)
{
	(void)place;
	memset(out, 0, sizeof(*out));
}

const char *nats_client_version(const struct target_place *place)
{
	return place->version;
}

/* ---- warming up ---- */

static void warm_up_acked(void *arg, struct target_ticket ticket, uint64_t sequence)
{
	(void)arg;
	(void)ticket;
	(void)sequence;
}

/* Until the server of a cluster that we talk to has heard of the new stream. */
static natsStatus wait_for_stream(struct target_place *place, const char *subject)
{
	static const struct timespec step = {.tv_nsec = STREAM_STEP_MS * 1000000L};
	natsStatus s = NATS_NO_RESPONDERS;

	for (int ms = 0; s == NATS_NO_RESPONDERS && ms < NATS_CLIENT_WAIT_MS;
	     ms += STREAM_STEP_MS) {
		natsMsg *ack = NULL;
		s = natsConnection_RequestString(&ack, place->connection, subject, "",
		                                 NATS_CLIENT_WAIT_MS);
		natsMsg_Destroy(ack);
		if (s == NATS_NO_RESPONDERS)
			nanosleep(&step, NULL);
	}
	return s;
}

static int warm_up_publish(struct target_place *place, uint32_t stream, struct target_error *error)
{
	static const char subject[] = WARM_UP_SUBJECT;
	uint64_t until_ns = clock_ns() + WARM_UP_NS;
	struct target_publisher *p = NULL;
	size_t bytes = 0;
	int rc = nats_publisher_open(place, stream, warm_up_acked, NULL, &p, error);

	for (uint64_t op = 0; rc == 0 && bytes < WARM_UP_BYTES && clock_ns() < until_ns; op++) {
		struct target_message m;
		generator_message(place->options->generator, 0, op, &m);
		m.subject = subject;
		m.subject_bytes = sizeof(subject) - 1;
		rc = nats_publisher_submit(p, &m, (struct target_ticket){.op = op}, error);
		bytes += m.payload_bytes;
	}
	if (rc == 0)
		rc = nats_publisher_drain(p, error);
	nats_publisher_close(p);
	return rc;
}

/* What a server that has run for a while holds in memory (workload.h, server_heap): a stream that
 * is kept there. */
static int heap_fill(struct target_place *place, struct target_error *error)
{
	uint64_t left = place->options->workload->server_heap_bytes;
	uint64_t limit = (uint64_t)natsConnection_GetMaxPayload(place->connection);
	size_t piece = limit < HEAP_PIECE_BYTES ? (size_t)limit : HEAP_PIECE_BYTES;
	const char *subject = HEAP_SUBJECT;
	jsErrCode code = 0;
	natsStatus s = NATS_OK;
	jsStreamConfig config;
	char *bytes;

	if (left == 0)
		return 0;
	bytes = calloc(1, piece);
	if (bytes == NULL)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	(void)jsStreamConfig_Init(&config);
	config.Name = HEAP_STREAM;
	config.Subjects = &subject;
	config.SubjectsLen = 1;
	config.Storage = js_MemoryStorage;
	s = js_AddStream(NULL, place->js, &config, NULL, &code);
	while (s == NATS_OK && left > 0) {
		size_t n = left < piece ? (size_t)left : piece;
		s = js_Publish(NULL, place->js, subject, bytes, (int)n, NULL, &code);
		left -= n;
	}
	free(bytes);
	if (s == NATS_OK)
		return 0;
	return nats_client_fail(place, s, code, "filling the server's memory", NULL, error);
}

int nats_client_warm_up(struct target_place *place, struct target_error *error)
{
	static const struct timespec pause = {.tv_nsec = WARM_UP_PAUSE_NS};
	uint32_t stream = place->options->workload->streams; /* one more */
	char name[NATS_CLIENT_NAME_BYTES], subject[NATS_CLIENT_ROOT_BYTES + 32];
	natsStatus s;
	int rc;

	/* Servers that are there are as they are. */
	if (place->server != NULL && heap_fill(place, error) != 0)
		return -1;
	nats_client_stream_name(place, stream, name);
	snprintf(subject, sizeof(subject), "%s%s", place->root, WARM_UP_SUBJECT);
	if (make_stream(place, name, subject, error) != 0)
		return -1;
	s = wait_for_stream(place, subject);
	rc = s == NATS_OK ? warm_up_publish(place, stream, error)
	                  : nats_client_fail(place, s, 0, "warming up", NULL, error);
	(void)js_DeleteStream(place->js, name, NULL, NULL);
	if (rc == 0)
		nanosleep(&pause, NULL);
	return rc;
}
