/* nats_publisher.c - messages with a window: published, acknowledged, each acknowledgement checked.
 *
 * A message carries "<inbox>.<slot>" as its reply subject; the server acknowledges there that it
 * is stored. This is what libnats does for js_PublishMsgAsync, without its table of pending
 * messages and without the thread that it calls back from.
 */
#include "harness/measure/clock.h"
#include "harness/targets/nats_client.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUBJECT_BYTES 256
#define FRAME_BYTES   64 /* of a message on its way, beside its subject: about */

struct slot {
	struct target_ticket ticket;
	int waiting;
};

struct target_publisher {
	struct target_place *place;
	struct nats_link link;
	char stream[NATS_CLIENT_NAME_BYTES];
	char ack[NATS_CLIENT_DOING_BYTES];      /* an acknowledgement up to its sequence */
	size_t ack_bytes;                       /* 0: none was seen yet */
	char reply[NATS_LINK_INBOX_BYTES + 16]; /* the inbox, then the slot */
	size_t inbox_bytes;
	char subject[NATS_CLIENT_ROOT_BYTES + SUBJECT_BYTES]; /* the root, then the message's */
	size_t root_bytes;
	uint64_t last_sequence;
	int in_order; /* acknowledgements come as they are published: of one replica */
	target_acked_fn *acked;
	void *arg;
	uint32_t window;
	uint32_t next;    /* slot of the next message */
	uint32_t waiting; /* for their acknowledgement */
	struct slot slots[];
};

int nats_publisher_open(struct target_place *place, uint32_t stream, target_acked_fn *acked,
                        void *arg, struct target_publisher **out, struct target_error *error)
{
	uint32_t window = place->options->workload->window;
	struct target_publisher *p = calloc(1, sizeof(*p) + window * sizeof(p->slots[0]));

	*out = NULL;
	if (p == NULL)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	p->place = place;
	p->window = window;
	p->acked = acked;
	p->arg = arg;
	p->in_order = place->options->server == NULL || place->options->server->replicas <= 1;
	nats_client_stream_name(place, stream, p->stream);
	if (nats_link_open(place, &p->link, error) != 0) {
		free(p);
		return -1;
	}
	p->inbox_bytes = strlen(p->link.inbox_name);
	p->root_bytes = strlen(place->root);
	memcpy(p->subject, place->root, p->root_bytes);
	memcpy(p->reply, p->link.inbox_name, p->inbox_bytes);
	*out = p;
	return 0;
}

void nats_publisher_close(struct target_publisher *p)
{
	if (p == NULL)
		return;
	nats_link_close(&p->link);
	free(p);
}

/* ---- acknowledgements ---- */

static int fail(struct target_publisher *p, natsStatus status, jsErrCode code, const char *text,
                struct target_error *error)
{
	char doing[NATS_CLIENT_DOING_BYTES];
	const char *said = NULL;

	/* What the server told without being asked: permissions, a slow consumer. */
	if (status == NATS_TIMEOUT &&
	    natsConnection_GetLastError(p->link.connection, &said) != NATS_OK && said != NULL &&
	    said[0] != '\0') {
		status = NATS_ERR;
		text = said;
	}
	if (status == NATS_NO_RESPONDERS)
		text = "no server stores it now (no responders)";
	if (status == NATS_TIMEOUT)
		snprintf(doing, sizeof(doing), "no acknowledgement of %u messages to stream %s",
		         p->waiting, p->stream);
	else
		snprintf(doing, sizeof(doing), "publishing to stream %s", p->stream);
	return nats_client_fail(p->place, status, code, doing, text, error);
}

/* Anything that is not a plain "stored as": an error, a duplicate, another stream; a domain. */
static int ack_parse(struct target_publisher *p, const char *data, size_t bytes, uint64_t *sequence,
                     struct target_error *error)
{
	json_t *ack = json_loadb(data, bytes, 0, NULL);
	json_t *refused = json_object_get(ack, "error");
	const char *stream = json_string_value(json_object_get(ack, "stream"));
	int rc = 0;

	*sequence = (uint64_t)json_integer_value(json_object_get(ack, "seq"));
	if (refused != NULL)
		rc = fail(p, NATS_ERR,
		          (jsErrCode)json_integer_value(json_object_get(refused, "err_code")),
		          json_string_value(json_object_get(refused, "description")), error);
	else if (stream == NULL || strcmp(stream, p->stream) != 0 || *sequence == 0)
		rc = target_fail(error, TARGET_FAILED, "stream %s: not an acknowledgement: %.*s",
		                 p->stream, (int)(bytes < 200 ? bytes : 200), data);
	else if (json_is_true(json_object_get(ack, "duplicate")))
		rc = target_fail(error, TARGET_VERIFY,
		                 "stream %s: a message was taken for a duplicate of sequence %llu",
		                 p->stream, (unsigned long long)*sequence);
	json_decref(ack);
	return rc;
}

/* {"stream":"NAME","seq":N}: of one that was taken apart, what stands before N is kept. Versions
 * differ in spaces and in what they put between. */
static void ack_learn(struct target_publisher *p, const char *data, size_t bytes)
{
	size_t at = bytes > 0 && data[bytes - 1] == '}' ? bytes - 1 : 0;

	while (at > 0 && data[at - 1] >= '0' && data[at - 1] <= '9')
		at--;
	if (at < 6 || at > sizeof(p->ack) || memcmp(data + at - 6, "\"seq\":", 6) != 0)
		return;
	memcpy(p->ack, data, at);
	p->ack_bytes = at;
}

static int ack_read(struct target_publisher *p, natsMsg *msg, uint64_t *sequence,
                    struct target_error *error)
{
	const char *data = natsMsg_GetData(msg);
	size_t bytes = (size_t)natsMsg_GetDataLength(msg), at = p->ack_bytes;
	uint64_t n = 0;

	if (at > 0 && bytes > at && memcmp(data, p->ack, at) == 0) {
		for (; at < bytes && data[at] >= '0' && data[at] <= '9'; at++)
			n = n * 10 + (uint64_t)(data[at] - '0');
		*sequence = n;
		if (n > 0 && at + 1 == bytes && data[at] == '}')
			return 0;
	}
	if (ack_parse(p, data, bytes, sequence, error) != 0)
		return -1;
	ack_learn(p, data, bytes);
	return 0;
}

/* The slot is what follows the inbox. */
static int ack_take(struct target_publisher *p, natsMsg *msg, struct target_error *error)
{
	const char *subject = natsMsg_GetSubject(msg);
	unsigned long i = strtoul(subject + p->inbox_bytes, NULL, 10);
	uint64_t sequence = 0;

	if (ack_read(p, msg, &sequence, error) != 0)
		return -1;
	if (i >= p->window || !p->slots[i].waiting || (p->in_order && sequence <= p->last_sequence))
		return target_fail(error, TARGET_VERIFY,
		                   "stream %s: sequence %llu was acknowledged after %llu, for a "
		                   "message that %s",
		                   p->stream, (unsigned long long)sequence,
		                   (unsigned long long)p->last_sequence,
		                   i < p->window && p->slots[i].waiting ? "waits for it"
		                                                        : "does not wait for one");
	p->slots[i].waiting = 0;
	p->waiting--;
	p->last_sequence = sequence;
	p->acked(p->arg, p->slots[i].ticket, sequence);
	return 0;
}

/* Until at most so many wait. */
static int take_acks(struct target_publisher *p, uint32_t waiting, struct target_error *error)
{
	while (p->waiting > waiting) {
		natsMsg *msg = NULL;
		natsStatus s = nats_link_next(&p->link, NATS_CLIENT_WAIT_MS, &msg);
		int rc = s == NATS_OK ? ack_take(p, msg, error) : fail(p, s, 0, NULL, error);
		nats_link_give_back(&p->link, msg);
		if (rc != 0)
			return -1;
	}
	return 0;
}

int nats_publisher_drain(struct target_publisher *p, struct target_error *error)
{
	return take_acks(p, 0, error);
}

int nats_publisher_serve(struct target_publisher *p, uint64_t until_ns, uint64_t spin_ns,
                         struct target_error *error)
{
	uint64_t now = clock_ns();
	int late = now >= until_ns;
	natsStatus s = NATS_OK;

	for (; p->waiting > 0 && (late ? s == NATS_OK : now < until_ns); now = clock_ns()) {
		uint64_t left_ns = late ? 0 : until_ns - now;
		natsMsg *msg = NULL;
		int rc = 0;
		s = nats_link_poll(&p->link, left_ns > spin_ns ? left_ns - spin_ns : 0, &msg);
		if (s == NATS_OK)
			rc = ack_take(p, msg, error);
		else if (s != NATS_TIMEOUT)
			rc = fail(p, s, 0, NULL, error);
		nats_link_give_back(&p->link, msg);
		if (rc != 0)
			return -1;
	}
	return 0;
}

/* ---- messages ---- */

/* "NATS/1.0\r\n" and lines "Name: value\r\n", as libnats writes them: with several fields it would
 * choose an order of its own, but a workload's block has one. */
static natsStatus headers_put(natsMsg *msg, const struct target_message *m)
{
	const char *at = (const char *)m->headers, *end = at + m->headers_bytes;
	natsStatus s = NATS_OK;

	at = memchr(at, '\n', m->headers_bytes);
	while (s == NATS_OK && at != NULL && ++at < end) {
		const char *line_end = memchr(at, '\r', (size_t)(end - at));
		const char *colon =
		        line_end == NULL ? NULL : memchr(at, ':', (size_t)(line_end - at));
		char *name, *value;
		if (colon == NULL)
			break;
		name = strndup(at, (size_t)(colon - at));
		value = strndup(colon + 2, (size_t)(line_end - colon - 2));
		s = name == NULL || value == NULL ? NATS_NO_MEMORY
		                                  : natsMsgHeader_Add(msg, name, value);
		free(name);
		free(value);
		at = line_end + 1;
	}
	return s;
}

static natsStatus publish_with_headers(struct target_publisher *p, const struct target_message *m)
{
	natsMsg *msg = NULL;
	natsStatus s = natsMsg_Create(&msg, p->subject, p->reply, (const char *)m->payload,
	                              (int)m->payload_bytes);

	if (s == NATS_OK)
		s = headers_put(msg, m);
	if (s == NATS_OK)
		s = natsConnection_PublishMsg(p->link.connection, msg);
	natsMsg_Destroy(msg);
	return s;
}

/* Decimal, as the end of the reply subject. */
static void reply_put(struct target_publisher *p, uint32_t slot)
{
	char digits[12], *to = p->reply + p->inbox_bytes;
	int n = 0;

	do {
		digits[n++] = (char)('0' + slot % 10);
		slot /= 10;
	} while (slot > 0);
	while (n > 0)
		*to++ = digits[--n];
	*to = '\0';
}

int nats_publisher_submit(struct target_publisher *p, const struct target_message *m,
                          struct target_ticket ticket, struct target_error *error)
{
	struct slot *slot = &p->slots[p->next];
	natsStatus s;

	/* A quarter at a time: messages and acknowledgements go in fewer, larger pieces. */
	if (p->waiting == p->window && take_acks(p, p->window - (p->window + 3) / 4, error) != 0)
		return -1;
	/* Acknowledgements may overtake each other where streams are replicated. */
	while (slot->waiting)
		if (take_acks(p, p->waiting - 1, error) != 0)
			return -1;
	if (m->subject_bytes >= SUBJECT_BYTES)
		return target_fail(error, TARGET_USAGE,
		                   "a subject of %zu bytes, expected at most %d", m->subject_bytes,
		                   SUBJECT_BYTES - 1);
	memcpy(p->subject + p->root_bytes, m->subject, m->subject_bytes);
	p->subject[p->root_bytes + m->subject_bytes] = '\0';
	reply_put(p, p->next);
	slot->ticket = ticket;
	slot->waiting = 1;
	p->waiting++;
	p->next = p->next + 1 == p->window ? 0 : p->next + 1;
	if (m->headers_bytes == 0)
		s = natsConnection_PublishRequest(p->link.connection, p->subject, p->reply,
		                                  m->payload, (int)m->payload_bytes);
	else
		s = publish_with_headers(p, m);
	if (s == NATS_OK)
		s = nats_link_published(&p->link, FRAME_BYTES + m->subject_bytes +
		                                          m->headers_bytes + m->payload_bytes);
	if (s == NATS_OK && p->window == 1)
		return take_acks(p, 0, error);
	return s == NATS_OK ? 0 : fail(p, s, 0, NULL, error);
}

int nats_publisher_remove(struct target_publisher *p, uint64_t sequence, struct target_error *error)
{
	char doing[NATS_CLIENT_DOING_BYTES];
	jsErrCode code = 0;
	natsStatus s = js_DeleteMsg(p->place->js, p->stream, sequence, NULL, &code);

	if (s == NATS_OK)
		return 0;
	snprintf(doing, sizeof(doing), "deleting sequence %llu of stream %s",
	         (unsigned long long)sequence, p->stream);
	return nats_client_fail(p->place, s, code, doing, NULL, error);
}
