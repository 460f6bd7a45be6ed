/* nats_reader.c - messages in order through a consumer, single ones by a direct get.
 *
 * A consumer acknowledges nothing and keeps its state in memory, so that reading costs reading
 * alone. A pull consumer is asked for the next batch when half of the last one is here; an ordered
 * consumer is libnats's own, with its flow control, on a connection with a thread.
 */
#include "harness/targets/nats_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "workloads/workload.h"

#define BATCH_MESSAGES 512
#define BATCH_BYTES    (4 * 1024 * 1024)   /* on their way to a reader that does not read */
#define PUSHED_BYTES   (256 * 1024 * 1024) /* the server sends 32 MiB ahead at most */

/* The stream is asked whether it has more when none came for so long. */
#define IDLE_MS 20

/* Longer than any slice: a request that expires would have to be told from one that failed. */
#define PULL_EXPIRES_NS  INT64_C(3600000000000)
#define INACTIVE_NS      INT64_C(600000000000)
#define DIRECT_BYTES_MAX 512

struct target_reader {
	struct target_place *place;
	char stream[NATS_CLIENT_NAME_BYTES];
	struct nats_link link; /* pull consumer, direct gets */
	natsMsg *held;         /* what the last message points into */
	uint8_t *headers;      /* its header block, put together again */
	size_t headers_bytes, headers_capacity;
	uint64_t position; /* the consumer's next message is at or above; 0: no consumer */
	/* pull */
	char consumer[64];
	uint32_t batch;
	uint32_t asked; /* messages that are still owed */
	/* ordered */
	int ordered;
	natsConnection *connection;
	jsCtx *js;
	natsSubscription *pushed;
};

static int fail(struct target_reader *r, natsStatus status, jsErrCode code, const char *doing,
                const char *text, struct target_error *error)
{
	char line[NATS_CLIENT_DOING_BYTES];

	snprintf(line, sizeof(line), "%s stream %s", doing, r->stream);
	if (status == NATS_SLOW_CONSUMER)
		text = "slow consumer: messages came faster than they were read and were dropped";
	return nats_client_fail(r->place, status, code, line, text, error);
}

int nats_reader_open(struct target_place *place, uint32_t stream, struct target_reader **out,
                     struct target_error *error)
{
	const struct workload *w = place->options->workload;
	struct target_reader *r = calloc(1, sizeof(*r));
	double batch = BATCH_BYTES / (workload_payload_bytes_mean(w) + 1);

	*out = NULL;
	if (r == NULL)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	r->place = place;
	nats_client_stream_name(place, stream, r->stream);
	r->batch = batch > BATCH_MESSAGES ? BATCH_MESSAGES : batch < 2 ? 2 : (uint32_t)batch;
	r->ordered = w->consumer == WORKLOAD_CONSUMER_ORDERED;
	if (nats_link_open(place, &r->link, error) == 0) {
		*out = r;
		return 0;
	}
	free(r);
	return -1;
}

/* ---- one message ---- */

/* Field number n (from 0) of "$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>..."; two more
 * stand before the stream where the server has a domain. */
static uint64_t sequence_of(natsMsg *msg)
{
	const char *at = natsMsg_GetReply(msg), *p;
	int fields = 1, field;

	if (at == NULL)
		return 0;
	for (p = at; *p != '\0'; p++)
		fields += *p == '.';
	for (field = fields > 9 ? 7 : 5; field > 0 && at != NULL; field--) {
		at = strchr(at, '.');
		at = at == NULL ? NULL : at + 1;
	}
	return at == NULL ? 0 : strtoull(at, NULL, 10);
}

static const char *header(natsMsg *msg, const char *name)
{
	const char *value = NULL;

	return natsMsgHeader_Get(msg, name, &value) == NATS_OK ? value : NULL;
}

static int append(struct target_reader *r, const char *text)
{
	size_t bytes = strlen(text), needed = r->headers_bytes + bytes;

	if (needed > r->headers_capacity) {
		uint8_t *more = realloc(r->headers, 2 * needed);
		if (more == NULL)
			return -1;
		r->headers = more;
		r->headers_capacity = 2 * needed;
	}
	memcpy(r->headers + r->headers_bytes, text, bytes);
	r->headers_bytes += bytes;
	return 0;
}

/* The block as it was published: libnats has taken it apart, and to what is got directly the server
 * adds fields of its own. */
static int headers_get(struct target_reader *r, natsMsg *msg)
{
	const char **names = NULL, **values;
	int count = 0, value_count, rc = 0;

	r->headers_bytes = 0;
	if (natsMsgHeader_Keys(msg, &names, &count) != NATS_OK)
		return 0;
	for (int i = 0; rc == 0 && i < count; i++) {
		if (strncmp(names[i], "Nats-", 5) == 0 ||
		    natsMsgHeader_Values(msg, names[i], &values, &value_count) != NATS_OK)
			continue;
		for (int v = 0; rc == 0 && v < value_count; v++) {
			if (r->headers_bytes == 0)
				rc = append(r, "NATS/1.0\r\n");
			rc |= append(r, names[i]) | append(r, ": ") | append(r, values[v]) |
			      append(r, "\r\n");
		}
		free(values);
	}
	if (rc == 0 && r->headers_bytes > 0)
		rc = append(r, "\r\n");
	free(names);
	return rc;
}

/* The reader's from now on. */
static int message_put(struct target_reader *r, natsMsg *msg, const char *subject,
                       uint64_t sequence, struct target_message *m, struct target_error *error)
{
	size_t root = strlen(r->place->root);

	r->held = msg;
	if (headers_get(r, msg) != 0)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	m->sequence = sequence;
	m->subject_bytes = strlen(subject);
	if (m->subject_bytes > root) {
		subject += root;
		m->subject_bytes -= root;
	}
	m->subject = subject;
	m->headers = r->headers;
	m->headers_bytes = r->headers_bytes;
	m->payload = (const uint8_t *)natsMsg_GetData(msg);
	m->payload_bytes = (size_t)natsMsg_GetDataLength(msg);
	return 0;
}

static void let_go(struct target_reader *r)
{
	nats_link_give_back(&r->link, r->held);
	r->held = NULL;
}

/* ---- single messages ---- */

/* What a server before 2.9 is asked, through its API. */
static int api_get(struct target_reader *r, uint64_t sequence, const char *subject,
                   struct target_message *m, struct target_error *error)
{
	natsMsg *msg = NULL;
	jsErrCode code = 0;
	natsStatus s = subject == NULL
	                       ? js_GetMsg(&msg, r->place->js, r->stream, sequence, NULL, &code)
	                       : js_GetLastMsg(&msg, r->place->js, r->stream, subject, NULL, &code);

	if (s != NATS_OK)
		return fail(r, s, code, "getting a message of", NULL, error);
	return message_put(r, msg, natsMsg_GetSubject(msg), natsMsg_GetSequence(msg), m, error);
}

static int direct_take(struct target_reader *r, natsMsg *msg, struct target_message *m,
                       struct target_error *error)
{
	const char *status = header(msg, "Status"), *subject = header(msg, "Nats-Subject");
	const char *sequence = header(msg, "Nats-Sequence");
	const char *text = header(msg, "Description");
	int rc;

	if (status == NULL && subject != NULL && sequence != NULL)
		return message_put(r, msg, subject, strtoull(sequence, NULL, 10), m, error);
	rc = fail(r, NATS_NOT_FOUND, 0, "getting a message of", text, error);
	if (status != NULL && strcmp(status, "404") == 0)
		error->fault = TARGET_VERIFY;
	nats_link_give_back(&r->link, msg);
	return rc;
}

static int direct_get(struct target_reader *r, const char *subject, const char *request,
                      struct target_message *m, struct target_error *error)
{
	char reply[NATS_LINK_INBOX_BYTES + 4];
	natsMsg *msg = NULL;
	natsStatus s;

	snprintf(reply, sizeof(reply), "%sget", r->link.inbox_name);
	s = natsConnection_PublishRequest(r->link.connection, subject, reply, request,
	                                  (int)strlen(request));
	while (s == NATS_OK) {
		s = nats_link_next(&r->link, NATS_CLIENT_WAIT_MS, &msg);
		if (s != NATS_OK)
			break;
		/* A consumer that was given up may still have sent something. */
		if (strcmp(natsMsg_GetSubject(msg), reply) == 0)
			return direct_take(r, msg, m, error);
		nats_link_give_back(&r->link, msg);
	}
	return fail(r, s, 0, "getting a message of", NULL, error);
}

int nats_reader_get(struct target_reader *r, uint64_t sequence, struct target_message *m,
                    struct target_error *error)
{
	char subject[NATS_CLIENT_NAME_BYTES + 32], request[48];

	let_go(r);
	r->position = 0;
	if (!r->place->direct)
		return api_get(r, sequence, NULL, m, error);
	snprintf(subject, sizeof(subject), "$JS.API.DIRECT.GET.%s", r->stream);
	snprintf(request, sizeof(request), "{\"seq\":%llu}", (unsigned long long)sequence);
	return direct_get(r, subject, request, m, error);
}

int nats_reader_last(struct target_reader *r, const char *subject, struct target_message *m,
                     struct target_error *error)
{
	char path[NATS_CLIENT_NAME_BYTES + DIRECT_BYTES_MAX];

	let_go(r);
	r->position = 0;
	snprintf(path, sizeof(path), "%s%s", r->place->root, subject);
	if (!r->place->direct)
		return api_get(r, 0, path, m, error);
	snprintf(path, sizeof(path), "$JS.API.DIRECT.GET.%s.%s%s", r->stream, r->place->root,
	         subject);
	return direct_get(r, path, "", m, error);
}

/* ---- in order ---- */

/* On the connection that asked it for messages, behind the last request: one that comes after its
 * end is answered with "no responders", and libnats does not say whom that is about. Nobody waits
 * for the answer, which pull_next passes over. */
static void consumer_delete(struct target_reader *r)
{
	char subject[NATS_CLIENT_NAME_BYTES + 128], reply[NATS_LINK_INBOX_BYTES + 4];

	snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.DELETE.%s.%s", r->stream, r->consumer);
	snprintf(reply, sizeof(reply), "%send", r->link.inbox_name);
	(void)natsConnection_PublishRequest(r->link.connection, subject, reply, "", 0);
}

static void consumer_end(struct target_reader *r)
{
	if (r->pushed != NULL)
		(void)natsSubscription_Unsubscribe(r->pushed);
	natsSubscription_Destroy(r->pushed);
	r->pushed = NULL;
	if (r->consumer[0] != '\0')
		consumer_delete(r);
	r->consumer[0] = '\0';
	r->asked = 0;
	r->position = 0;
}

static natsStatus pull_start(struct target_reader *r, uint64_t sequence, jsErrCode *code)
{
	jsConsumerInfo *info = NULL;
	jsConsumerConfig config;
	natsStatus s = jsConsumerConfig_Init(&config);

	config.DeliverPolicy = js_DeliverByStartSequence;
	config.OptStartSeq = sequence;
	config.AckPolicy = js_AckNone;
	config.MemoryStorage = true;
	config.Replicas = 1;
	config.InactiveThreshold = INACTIVE_NS;
	if (s == NATS_OK)
		s = js_AddConsumer(&info, r->place->js, r->stream, &config, NULL, code);
	if (s == NATS_OK)
		snprintf(r->consumer, sizeof(r->consumer), "%s", info->Name);
	jsConsumerInfo_Destroy(info);
	return s;
}

static natsStatus ordered_start(struct target_reader *r, uint64_t sequence, jsErrCode *code,
                                struct target_error *error)
{
	jsSubOptions options;
	char subject[NATS_CLIENT_ROOT_BYTES + 4];
	natsStatus s = jsSubOptions_Init(&options);

	if (r->connection == NULL) {
		if (nats_client_connect(r->place, NULL, &r->connection, error) != 0)
			return NATS_ERR;
		s = natsConnection_JetStream(&r->js, r->connection, NULL);
	}
	options.Stream = r->stream;
	options.Ordered = true;
	/* libnats adds the rest: no acknowledgements, state in memory, heartbeats. */
	options.Config.DeliverPolicy = js_DeliverByStartSequence;
	options.Config.OptStartSeq = sequence;
	snprintf(subject, sizeof(subject), "%s>", r->place->root);
	if (s == NATS_OK)
		s = js_SubscribeSync(&r->pushed, r->js, subject, NULL, &options, code);
	/* Flow control is by bytes, the default limit by messages, which small ones would reach. */
	if (s == NATS_OK)
		s = natsSubscription_SetPendingLimits(r->pushed, -1, PUSHED_BYTES);
	return s;
}

static int consumer_start(struct target_reader *r, uint64_t sequence, struct target_error *error)
{
	jsErrCode code = 0;
	natsStatus s;

	consumer_end(r);
	error->text[0] = '\0';
	s = r->ordered ? ordered_start(r, sequence, &code, error) : pull_start(r, sequence, &code);
	if (s == NATS_OK) {
		r->position = sequence;
		return 0;
	}
	return error->text[0] != '\0' ? -1 : fail(r, s, code, "making a consumer of", NULL, error);
}

/* Asks for another batch when half of the last is here. */
static natsStatus pull_ask(struct target_reader *r)
{
	char subject[NATS_CLIENT_NAME_BYTES + 128], reply[NATS_LINK_INBOX_BYTES + 64], request[96];
	natsStatus s;

	if (r->asked > r->batch / 2)
		return NATS_OK;
	snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.MSG.NEXT.%s.%s", r->stream,
	         r->consumer);
	snprintf(reply, sizeof(reply), "%s%s", r->link.inbox_name, r->consumer);
	snprintf(request, sizeof(request), "{\"batch\":%u,\"expires\":%lld}", r->batch,
	         (long long)PULL_EXPIRES_NS);
	s = natsConnection_PublishRequest(r->link.connection, subject, reply, request,
	                                  (int)strlen(request));
	if (s == NATS_OK)
		r->asked += r->batch;
	return s;
}

/* What is for another consumer than this one was sent before that was given up. A status instead
 * of a message ends the reading. */
static natsStatus pull_next(struct target_reader *r, int64_t timeout_ms, natsMsg **msg)
{
	const struct timespec pause = {.tv_nsec = (long)timeout_ms * 1000000};

	for (;;) {
		natsStatus s = pull_ask(r);
		if (s == NATS_OK)
			s = nats_link_next(&r->link, timeout_ms, msg);
		/* A consumer that is new may not be known yet to another server of a cluster. */
		if (s == NATS_NO_RESPONDERS && r->asked >= r->batch) {
			r->asked -= r->batch;
			nanosleep(&pause, NULL);
			return NATS_TIMEOUT;
		}
		if (s != NATS_OK)
			return s;
		if (natsMsg_GetReply(*msg) != NULL && strstr(natsMsg_GetReply(*msg), r->consumer)) {
			r->asked--;
			return NATS_OK;
		}
		if (natsMsg_GetReply(*msg) == NULL &&
		    strcmp(natsMsg_GetSubject(*msg) + strlen(r->link.inbox_name), r->consumer) == 0)
			return NATS_OK;
		nats_link_give_back(&r->link, *msg);
		*msg = NULL;
	}
}

static natsStatus consumer_next(struct target_reader *r, int64_t timeout_ms, natsMsg **msg)
{
	if (r->ordered)
		return natsSubscription_NextMsg(msg, r->pushed, timeout_ms);
	return pull_next(r, timeout_ms, msg);
}

/* 1 when all there is was delivered and has been read. */
static int consumer_at_end(struct target_reader *r, struct target_error *error)
{
	jsConsumerInfo *info = NULL;
	jsErrCode code = 0;
	natsStatus s;
	int end;

	s = r->ordered
	            ? natsSubscription_GetConsumerInfo(&info, r->pushed, NULL, &code)
	            : js_GetConsumerInfo(&info, r->place->js, r->stream, r->consumer, NULL, &code);
	if (s != NATS_OK)
		return fail(r, s, code, "asking for a consumer of", NULL, error);
	/* Where there was nothing to deliver, the consumer stands behind what was removed. */
	end = info->NumPending == 0 &&
	      (info->Delivered.Consumer == 0 || info->Delivered.Stream < r->position);
	jsConsumerInfo_Destroy(info);
	return end;
}

int nats_reader_next(struct target_reader *r, uint64_t sequence, struct target_message *m,
                     struct target_error *error)
{
	natsMsg *msg = NULL;
	natsStatus s = NATS_TIMEOUT;
	uint64_t got;

	let_go(r);
	if (sequence == 0)
		sequence = 1;
	if (r->position != sequence && consumer_start(r, sequence, error) != 0)
		return -1;
	for (int waited_ms = 0; s == NATS_TIMEOUT && waited_ms < NATS_CLIENT_WAIT_MS;
	     waited_ms += IDLE_MS) {
		s = consumer_next(r, IDLE_MS, &msg);
		if (s == NATS_TIMEOUT) {
			int end = consumer_at_end(r, error);
			if (end != 0)
				return end;
		}
	}
	if (s != NATS_OK)
		return fail(r, s, 0, "reading", NULL, error);
	got = sequence_of(msg);
	if (got < sequence) {
		const char *text = header(msg, "Description");
		int rc = fail(r, NATS_ERR, 0, "reading",
		              text == NULL ? "neither a message nor a status came" : text, error);
		nats_link_give_back(&r->link, msg);
		return rc;
	}
	r->position = got + 1;
	return message_put(r, msg, natsMsg_GetSubject(msg), got, m, error);
}

void nats_reader_close(struct target_reader *r)
{
	if (r == NULL)
		return;
	let_go(r);
	consumer_end(r);
	jsCtx_Destroy(r->js);
	natsConnection_Destroy(r->connection);
	nats_link_close(&r->link);
	free(r->headers);
	free(r);
}
