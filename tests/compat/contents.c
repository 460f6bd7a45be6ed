/* contents.c - see contents.h. */
#include "tests/compat/contents.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BASE64 sodium_base64_VARIANT_ORIGINAL

static int tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int tell(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputc('\n', stderr);
	return -1;
}

static void *need(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static struct content *add(struct contents *contents)
{
	if (contents->count == contents->capacity) {
		contents->capacity = contents->capacity ? 2 * contents->capacity : 256;
		contents->items = need(
		        realloc(contents->items, contents->capacity * sizeof(*contents->items)));
	}
	memset(&contents->items[contents->count], 0, sizeof(*contents->items));
	return &contents->items[contents->count++];
}

void contents_free(struct contents *contents)
{
	size_t i;

	for (i = 0; i < contents->count; i++) {
		free(contents->items[i].subject);
		free(contents->items[i].headers);
		free(contents->items[i].payload);
	}
	free(contents->items);
	memset(contents, 0, sizeof(*contents));
}

static void *copy_of(const void *data, size_t bytes)
{
	void *copy = need(malloc(bytes + 1));

	if (bytes)
		memcpy(copy, data, bytes);
	return copy;
}

void contents_append(struct contents *contents, const struct content *c)
{
	struct content *own = add(contents);

	*own = *c;
	own->subject = need(strdup(c->subject));
	own->headers = c->headers_bytes ? copy_of(c->headers, c->headers_bytes) : NULL;
	own->payload = copy_of(c->payload, c->payload_bytes);
	contents->last_seq = c->sequence;
	contents->first_seq = contents->items[0].sequence;
}

int contents_remove(struct contents *contents, uint64_t sequence)
{
	size_t i = 0;

	while (i < contents->count && contents->items[i].sequence != sequence)
		i++;
	if (i == contents->count)
		return -1;
	free(contents->items[i].subject);
	free(contents->items[i].headers);
	free(contents->items[i].payload);
	memmove(&contents->items[i], &contents->items[i + 1],
	        (--contents->count - i) * sizeof(*contents->items));
	contents->first_seq =
	        contents->count > 0 ? contents->items[0].sequence : contents->last_seq + 1;
	return 0;
}

/* splitmix64 */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void make_one(struct content *c, uint64_t *random)
{
	char text[256];
	size_t i;

	(void)snprintf(text, sizeof(text), "orders.%" PRIu64 ".caf\xc3\xa9",
	               next_random(random) % 20);
	c->subject = need(strdup(text));
	c->time_ns = INT64_C(1700000000000000000) +
	             (int64_t)(c->sequence * 1000000007 + next_random(random) % 1000);
	if (next_random(random) % 3 == 0) {
		(void)snprintf(text, sizeof(text),
		               "NATS/1.0\r\nNumber: %" PRIu64 "\r\nText: w\xc3\xb6rter\r\n"
		               "Number: again\r\n\r\n",
		               c->sequence);
		c->headers_bytes = strlen(text);
		c->headers = need(malloc(c->headers_bytes));
		memcpy(c->headers, text, c->headers_bytes);
	}
	switch (next_random(random) % 16) {
	case 0:
		break; /* empty */
	case 1:
		c->payload_bytes = next_random(random) % 60000;
		break;
	default:
		c->payload_bytes = next_random(random) % 4000;
	}
	if (c->sequence % 200 == 0)
		c->payload_bytes = 256 * 1024;
	c->payload = need(malloc(c->payload_bytes + 1));
	for (i = 0; i < c->payload_bytes; i++)
		c->payload[i] = (uint8_t)next_random(random);
}

void contents_make(struct contents *out, size_t count, uint64_t seed)
{
	uint64_t sequence = 5; /* 1 to 4 were deleted */
	size_t i;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < count; i++, sequence++) {
		struct content *c = add(out);

		c->sequence = sequence;
		make_one(c, &seed);
		if (i + 1 < count && i % 50 == 17)
			sequence += 1 + next_random(&seed) % 3;
		if (i + 1 < count && i % 300 == 123)
			sequence += 40;
	}
	out->first_seq = 5;
	out->last_seq = sequence - 1;
}

static json_t *base64(const uint8_t *data, size_t bytes)
{
	const size_t text_bytes = sodium_base64_encoded_len(bytes, BASE64);
	char *text = need(malloc(text_bytes));
	json_t *value;

	(void)sodium_bin2base64(text, text_bytes, data, bytes, BASE64);
	value = json_string(text);
	free(text);
	return value;
}

/* From text, NULL is empty. 0, or -1 when it is not base64. */
static int from_base64(const char *text, uint8_t **out, size_t *bytes)
{
	const size_t length = text ? strlen(text) : 0;

	*bytes = 0;
	*out = need(malloc(length + 1));
	if (length == 0)
		return 0;
	return sodium_base642bin(*out, length, text, length, "", bytes, NULL, BASE64);
}

int contents_save(const struct contents *contents, const char *path, const char *stream)
{
	FILE *file = fopen(path, "w");
	size_t i;
	int failed = 0;

	if (!file)
		return tell("%s: %s", path, strerror(errno));
	failed |= fprintf(file,
	                  "{\"type\":\"stream\",\"stream\":\"%s\",\"config\":{\"name\":\"%s\","
	                  "\"subjects\":[\"orders.>\"],\"allow_direct\":true}}\n",
	                  stream, stream) < 0;
	for (i = 0; i < contents->count && !failed; i++) {
		const struct content *c = &contents->items[i];
		json_t *line =
		        json_pack("{s:s, s:I, s:I, s:s, s:o, s:o}", "type", "msg", "seq",
		                  (json_int_t)c->sequence, "ts", (json_int_t)c->time_ns, "subject",
		                  c->subject, "headers_b64", base64(c->headers, c->headers_bytes),
		                  "payload_b64", base64(c->payload, c->payload_bytes));

		failed |= json_dumpf(line, file, JSON_COMPACT) != 0 || fputc('\n', file) == EOF;
		json_decref(line);
	}
	failed |= fclose(file) != 0;
	return failed ? tell("%s: cannot be written", path) : 0;
}

static int fill(struct content *c, const json_t *line, const char *sequence, const char *headers,
                const char *payload)
{
	const char *subject = json_string_value(json_object_get(line, "subject"));

	c->sequence = (uint64_t)json_integer_value(json_object_get(line, sequence));
	c->subject = need(strdup(subject ? subject : ""));
	if (from_base64(json_string_value(json_object_get(line, headers)), &c->headers,
	                &c->headers_bytes) != 0 ||
	    from_base64(json_string_value(json_object_get(line, payload)), &c->payload,
	                &c->payload_bytes) != 0)
		return tell("sequence %" PRIu64 ": not base64", c->sequence);
	return 0;
}

int contents_read_dump(struct contents *out, const char *path)
{
	FILE *file = fopen(path, "r");
	json_t *line;
	int rc = 0;

	memset(out, 0, sizeof(*out));
	if (!file)
		return tell("%s: %s", path, strerror(errno));
	while (rc == 0 &&
	       (line = json_loadf(file, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, NULL)) != NULL) {
		const char *type = json_string_value(json_object_get(line, "type"));
		struct content *c;

		if (type && strcmp(type, "msg") == 0) {
			c = add(out);
			c->time_ns = json_integer_value(json_object_get(line, "ts"));
			rc = fill(c, line, "seq", "headers_b64", "payload_b64");
		} else if (type && strcmp(type, "state") == 0) {
			out->first_seq =
			        (uint64_t)json_integer_value(json_object_get(line, "first_seq"));
			out->last_seq =
			        (uint64_t)json_integer_value(json_object_get(line, "last_seq"));
		}
		json_decref(line);
	}
	(void)fclose(file);
	return rc;
}

/* "2026-11-24T04:07:55.328288771Z", trailing zeros of the fraction left out. */
static int64_t parse_time(const char *text)
{
	struct tm tm = {0};
	const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	int64_t ns = 0, unit = 100000000;

	if (!rest)
		return -1;
	if (*rest == '.')
		for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
			ns += (*rest - '0') * unit;
	return (int64_t)timegm(&tm) * 1000000000 + ns;
}

/* 1 a message, 0 none there, -1 anything else. */
static int ask_one(struct content *c, struct server *server, const char *stream, uint64_t sequence)
{
	char subject[512], request[64];
	const json_t *message;
	json_t *reply;
	int rc;

	(void)snprintf(subject, sizeof(subject), "$JS.API.STREAM.MSG.GET.%s", stream);
	(void)snprintf(request, sizeof(request), "{\"seq\":%" PRIu64 "}", sequence);
	reply = server_request(server, subject, request);
	message = json_object_get(reply, "message");
	if (message) {
		c->time_ns = parse_time(json_string_value(json_object_get(message, "time")));
		rc = fill(c, message, "seq", "hdrs", "data") == 0 ? 1 : -1;
	} else {
		const json_t *error = json_object_get(reply, "error");

		rc = json_integer_value(json_object_get(error, "code")) == 404 ? 0 : -1;
		if (rc < 0)
			tell("sequence %" PRIu64 ": the server says %s", sequence,
			     error ? json_string_value(json_object_get(error, "description"))
			           : "nothing");
	}
	json_decref(reply);
	return rc;
}

int contents_ask(struct contents *out, struct server *server, const char *stream)
{
	char subject[512];
	uint64_t sequence, messages, deleted;
	const json_t *state;
	json_t *reply;

	memset(out, 0, sizeof(*out));
	(void)snprintf(subject, sizeof(subject), "$JS.API.STREAM.INFO.%s", stream);
	reply = server_request(server, subject, "");
	state = json_object_get(reply, "state");
	messages = (uint64_t)json_integer_value(json_object_get(state, "messages"));
	deleted = (uint64_t)json_integer_value(json_object_get(state, "num_deleted"));
	out->first_seq = (uint64_t)json_integer_value(json_object_get(state, "first_seq"));
	out->last_seq = (uint64_t)json_integer_value(json_object_get(state, "last_seq"));
	json_decref(reply);
	if (!state)
		return tell("the server does not have the stream %s", stream);
	for (sequence = 1; sequence <= out->last_seq; sequence++) {
		struct content *c = add(out);
		const int got = ask_one(c, server, stream, sequence);

		if (got < 0)
			return -1;
		if (got == 0)
			out->count--;
		else if (c->sequence != sequence)
			return tell("asked for sequence %" PRIu64 ", got %" PRIu64, sequence,
			            c->sequence);
	}
	if (messages != out->count || deleted != out->last_seq + 1 - out->first_seq - messages)
		return tell("the server says %" PRIu64 " messages and %" PRIu64
		            " deleted, but gives %zu of %" PRIu64 "..%" PRIu64,
		            messages, deleted, out->count, out->first_seq, out->last_seq);
	return 0;
}

int contents_compare(const struct contents *expected, const struct contents *found)
{
	size_t i;

	for (i = 0; i < expected->count && i < found->count; i++) {
		const struct content *a = &expected->items[i], *b = &found->items[i];

		if (a->sequence != b->sequence)
			return tell("expected sequence %" PRIu64 " next, found %" PRIu64,
			            a->sequence, b->sequence);
		if (strcmp(a->subject, b->subject) != 0)
			return tell("sequence %" PRIu64 ": subject \"%s\", expected \"%s\"",
			            a->sequence, b->subject, a->subject);
		if (a->time_ns != b->time_ns)
			return tell("sequence %" PRIu64 ": time %" PRId64 ", expected %" PRId64,
			            a->sequence, b->time_ns, a->time_ns);
		if (a->headers_bytes != b->headers_bytes ||
		    (a->headers_bytes && memcmp(a->headers, b->headers, a->headers_bytes) != 0))
			return tell("sequence %" PRIu64 ": other headers (%zu bytes, expected %zu)",
			            a->sequence, b->headers_bytes, a->headers_bytes);
		if (a->payload_bytes != b->payload_bytes ||
		    (a->payload_bytes && memcmp(a->payload, b->payload, a->payload_bytes) != 0))
			return tell("sequence %" PRIu64 ": other payload (%zu bytes, expected %zu)",
			            a->sequence, b->payload_bytes, a->payload_bytes);
	}
	if (expected->count != found->count)
		return tell("expected %zu messages, found %zu", expected->count, found->count);
	if (expected->first_seq != found->first_seq || expected->last_seq != found->last_seq)
		return tell(
		        "expected sequences %" PRIu64 "..%" PRIu64 ", found %" PRIu64 "..%" PRIu64,
		        expected->first_seq, expected->last_seq, found->first_seq, found->last_seq);
	return 0;
}
