#include "cli/load_lines.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/base64.h"

/* A record of 32 MiB in base64, its headers too, and room for the rest. */
#define LINE_BYTES_MAX  ((size_t)96 * 1024 * 1024)
#define AHEAD_BYTES_MAX ((size_t)4 * 1024 * 1024)

struct load_lines {
	FILE *file;
	const char *name;
	uint64_t number;       /* of the line last returned */
	const json_t *current; /* that line; the caller's */
	char *text;
	size_t capacity;
	/* lines read ahead, with their numbers */
	json_t *ahead;
	size_t ahead_next;
	int ended; /* what reading ahead ran into: 0 nothing, 1 the end, LOAD_LINES_... */
	char place[4200];
	char error[4600];
	uint8_t *headers, *payload, *subject; /* decoded */
};

struct load_lines *load_lines_open(const char *path)
{
	struct load_lines *l = calloc(1, sizeof *l);

	if (l == NULL)
		return NULL;
	l->name = path != NULL ? path : "standard input";
	l->file = path != NULL ? fopen(path, "re") : stdin;
	l->ahead = json_array();
	if (l->file == NULL || l->ahead == NULL) {
		load_lines_close(l);
		return NULL;
	}
	return l;
}

void load_lines_close(struct load_lines *l)
{
	int number = errno;

	if (l == NULL)
		return;
	if (l->file != NULL && l->file != stdin)
		(void)fclose(l->file);
	json_decref(l->ahead);
	free(l->text);
	free(l->headers);
	free(l->payload);
	free(l->subject);
	free(l);
	errno = number;
}

static int set_error(struct load_lines *l, int code, uint64_t number, const char *text)
{
	(void)snprintf(l->error, sizeof l->error, "%s:%" PRIu64 ": %s", l->name, number, text);
	return code;
}

/* One line into l->text. 1, 0 at the end, or an error. */
static int read_text(struct load_lines *l, uint64_t number, size_t *bytes)
{
	int c = 0;

	*bytes = 0;
	while ((c = getc_unlocked(l->file)) != EOF && c != '\n') {
		if (*bytes + 1 >= l->capacity) {
			size_t capacity = l->capacity == 0 ? 4096 : 2 * l->capacity;
			char *larger;

			if (*bytes >= LINE_BYTES_MAX)
				return set_error(l, LOAD_LINES_BAD, number,
				                 "longer than 96 MiB, more than any message");
			larger = realloc(l->text, capacity);
			if (larger == NULL)
				return set_error(l, LOAD_LINES_IO, number, "out of memory");
			l->text = larger;
			l->capacity = capacity;
		}
		l->text[(*bytes)++] = (char)c;
	}
	if (c == EOF && ferror(l->file))
		return set_error(l, LOAD_LINES_IO, number, strerror(errno));
	return c == EOF && *bytes == 0 ? 0 : 1;
}

static int parse(struct load_lines *l, uint64_t number, size_t bytes, json_t **line)
{
	json_error_t err;
	char text[512];

	*line = json_loadb(l->text, bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &err);
	if (*line == NULL) {
		(void)snprintf(text, sizeof text, "not JSON at byte %d: %s", err.position,
		               err.text);
		return set_error(l, LOAD_LINES_BAD, number, text);
	}
	if (json_is_object(*line))
		return 1;
	json_decref(*line);
	*line = NULL;
	return set_error(l, LOAD_LINES_BAD, number, "found no object, expected {\"type\": ...}");
}

static int is_blank(const char *text, size_t bytes)
{
	while (bytes > 0 &&
	       (text[bytes - 1] == ' ' || text[bytes - 1] == '\t' || text[bytes - 1] == '\r'))
		bytes--;
	return bytes == 0;
}

/* The next line of the file that is not blank; *number receives its number. */
static int read_line(struct load_lines *l, uint64_t *number, size_t *bytes, json_t **line)
{
	int rc;

	do {
		rc = read_text(l, ++*number, bytes);
		if (rc <= 0)
			return rc;
	} while (is_blank(l->text, *bytes));
	return parse(l, *number, *bytes, line);
}

int load_lines_next(struct load_lines *l, json_t **line)
{
	size_t bytes;
	int rc;

	*line = NULL;
	if (l->ahead_next < json_array_size(l->ahead)) {
		const json_t *entry = json_array_get(l->ahead, l->ahead_next++);

		l->number = (uint64_t)json_integer_value(json_array_get(entry, 0));
		*line = json_incref(json_array_get(entry, 1));
		rc = 1;
	} else if (l->ended != 0) {
		rc = l->ended == 1 ? 0 : l->ended;
	} else {
		json_array_clear(l->ahead);
		l->ahead_next = 0;
		rc = read_line(l, &l->number, &bytes, line);
	}
	l->current = *line;
	(void)snprintf(l->place, sizeof l->place, "%s:%" PRIu64, l->name, l->number);
	return rc;
}

const char *load_lines_error(const struct load_lines *l)
{
	return l->error;
}

const char *load_lines_place(const struct load_lines *l)
{
	return l->place;
}

const char *load_lines_account(const json_t *line)
{
	return json_string_value(json_object_get(line, "account"));
}

const char *load_lines_stream(const json_t *line)
{
	const char *name = json_string_value(json_object_get(line, "stream"));

	return name != NULL ? name
	                    : json_string_value(
	                              json_object_get(json_object_get(line, "config"), "name"));
}

/* ---- configuration ---- */

/* Fills l->ahead up to a limit of input bytes. */
static void read_ahead(struct load_lines *l)
{
	uint64_t number = l->number;
	size_t bytes, all = 0;
	json_t *line;

	if (json_array_size(l->ahead) > l->ahead_next)
		number = (uint64_t)json_integer_value(
		        json_array_get(json_array_get(l->ahead, json_array_size(l->ahead) - 1), 0));
	while (l->ended == 0 && all < AHEAD_BYTES_MAX) {
		int rc = read_line(l, &number, &bytes, &line);

		if (rc <= 0) {
			l->ended = rc == 0 ? 1 : rc;
			return;
		}
		all += bytes;
		(void)json_array_append_new(l->ahead,
		                            json_pack("[I, o]", (json_int_t)number, line));
	}
}

/* "a" or "a.>" for a subject that begins with the token a, once. */
static void add_subject(json_t *subjects, json_t *seen, const char *subject)
{
	size_t n = strcspn(subject, ".");
	char *filter = malloc(n + 3);

	if (filter == NULL)
		return;
	(void)snprintf(filter, n + 3, "%.*s%s", (int)n, subject, subject[n] == '.' ? ".>" : "");
	if (n > 0 && json_object_get(seen, filter) == NULL) {
		(void)json_object_set_new(seen, filter, json_true());
		(void)json_array_append_new(subjects, json_string(filter));
	}
	free(filter);
}

static json_t *subjects_ahead(struct load_lines *l)
{
	json_t *subjects = json_array(), *seen = json_object();
	const json_t *line = l->current;

	read_ahead(l);
	for (size_t i = l->ahead_next;; i++) {
		const char *type = json_string_value(json_object_get(line, "type"));
		const char *subject = json_string_value(json_object_get(line, "subject"));

		if (type != NULL && strcmp(type, "stream") == 0 && line != l->current)
			break; /* another stream's begin */
		if (type != NULL && strcmp(type, "msg") == 0 && subject != NULL)
			add_subject(subjects, seen, subject);
		if (i >= json_array_size(l->ahead))
			break;
		line = json_array_get(json_array_get(l->ahead, i), 1);
	}
	json_decref(seen);
	return subjects;
}

char *load_lines_config(struct load_lines *l, const json_t *line, const char *stream)
{
	const json_t *given = json_object_get(line, "config");
	json_t *config, *subjects;
	char *text;

	if (given != NULL && !json_is_object(given))
		return NULL;
	config = given != NULL ? json_copy((json_t *)(size_t)given) : json_object();
	if (json_array_size(json_object_get(config, "subjects")) == 0 &&
	    json_object_get(config, "mirror") == NULL &&
	    json_object_get(config, "sources") == NULL) {
		subjects = subjects_ahead(l);
		if (json_array_size(subjects) == 0) /* the server's default */
			(void)json_array_append_new(subjects, json_string(stream));
		(void)json_object_set_new(config, "subjects", subjects);
	}
	text = json_dumps(config, JSON_COMPACT);
	json_decref(config);
	return text;
}

/* ---- messages ---- */

/* A base64 member; absent = empty unless needed. */
static const char *decode(const json_t *line, const char *member, int needed, uint8_t **buffer,
                          size_t *bytes, const char *why)
{
	const json_t *value = json_object_get(line, member);
	size_t text_bytes = json_string_length(value);
	uint8_t *larger;

	*bytes = 0;
	if (value == NULL)
		return needed ? why : NULL;
	if (!json_is_string(value))
		return why;
	larger = realloc(*buffer, text_bytes / 4 * 3 + 1);
	if (larger == NULL)
		return "out of memory";
	*buffer = larger;
	return base64_decode(json_string_value(value), text_bytes, larger, bytes) == 0 ? NULL : why;
}

static const char *take_subject(struct load_lines *l, const json_t *line, struct atr_message *out)
{
	const json_t *subject = json_object_get(line, "subject");

	if (json_object_get(line, "subject_b64") != NULL) {
		const char *why = decode(line, "subject_b64", 1, &l->subject, &out->subject_bytes,
		                         "subject_b64: expected base64");

		out->subject = (const char *)l->subject;
		return why;
	}
	if (!json_is_string(subject))
		return "\"subject\": expected a string";
	out->subject = json_string_value(subject);
	out->subject_bytes = json_string_length(subject);
	return NULL;
}

const char *load_lines_message(struct load_lines *l, const json_t *line, struct atr_message *out)
{
	const json_t *seq = json_object_get(line, "seq"), *ts = json_object_get(line, "ts");
	const char *why;

	*out = (struct atr_message){0};
	if (seq != NULL && (!json_is_integer(seq) || json_integer_value(seq) <= 0 ||
	                    (uint64_t)json_integer_value(seq) > ATR_SEQUENCE_MAX))
		return "\"seq\": expected a whole number from 1 below 2^62";
	if (ts != NULL && !json_is_integer(ts))
		return "\"ts\": expected nanoseconds since 1970 as a whole number";
	out->sequence = (uint64_t)json_integer_value(seq);
	out->time_ns = json_integer_value(ts);
	why = take_subject(l, line, out);
	if (why == NULL)
		why = decode(line, "headers_b64", 0, &l->headers, &out->headers_bytes,
		             "\"headers_b64\": expected base64");
	if (why == NULL)
		why = decode(line, "payload_b64", 1, &l->payload, &out->payload_bytes,
		             "\"payload_b64\": expected base64 (stream dump --json --payload "
		             "prints it)");
	out->headers = l->headers;
	out->payload = l->payload;
	return why;
}
