#include "store/boundary.h"

#include <string.h>

#include "store/inspect.h"

/* Length of the UTF-8 character at p, 0 when it is none (overlong, surrogate, cut). */
static size_t utf8_length(const uint8_t *p, size_t left)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (n == 0 || p[0] > 0xf4 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static int token_is_valid(const char *token, size_t bytes)
{
	return bytes > 0 && !(bytes == 1 && (token[0] == '*' || token[0] == '>'));
}

int atr_subject_is_valid(const char *subject, size_t bytes)
{
	size_t token = 0;

	for (size_t i = 0; i < bytes;) {
		uint8_t c = (uint8_t)subject[i];
		size_t n = utf8_length((const uint8_t *)subject + i, bytes - i);

		if (n == 0 || c <= ' ' || c == 0x7f)
			return 0;
		if (c == '.') {
			if (!token_is_valid(subject + token, i - token))
				return 0;
			token = i + 1;
		}
		i += n;
	}
	return token_is_valid(subject + token, bytes - token);
}

int atr_subject_has_wildcard(const char *filter)
{
	return strpbrk(filter, "*>") != NULL;
}

int atr_subject_matches(const char *filter, const char *subject, size_t bytes)
{
	size_t at = 0;

	for (;;) {
		size_t filter_token = strcspn(filter, ".");
		const char *dot = memchr(subject + at, '.', bytes - at);
		size_t token = dot == NULL ? bytes - at : (size_t)(dot - subject) - at;

		if (filter_token == 1 && filter[0] == '>')
			return token > 0;
		if (!(filter_token == 1 && filter[0] == '*' && token > 0) &&
		    (filter_token != token || memcmp(filter, subject + at, token) != 0))
			return 0;
		filter += filter_token;
		at += token;
		if (*filter == '\0' || at == bytes)
			return *filter == '\0' && at == bytes;
		filter++; /* both dots */
		at++;
	}
}

/* The next CRLF at or after at; bytes when there is none, or a CR or LF stands alone before. */
static size_t line_end(const uint8_t *p, size_t at, size_t bytes)
{
	for (; at + 1 < bytes; at++) {
		if (p[at] == '\r')
			return p[at + 1] == '\n' ? at : bytes;
		if (p[at] == '\n')
			return bytes;
	}
	return bytes;
}

int atr_headers_are_valid(const uint8_t *headers, size_t bytes)
{
	static const char first[] = "NATS/1.0";
	size_t at = sizeof first - 1, end;

	if (bytes < at || memcmp(headers, first, at) != 0)
		return 0;
	end = line_end(headers, at, bytes);
	if (end == bytes || (end > at && headers[at] != ' ' && headers[at] != '\t'))
		return 0;
	for (at = end + 2;; at = end + 2) {
		const uint8_t *colon;

		end = line_end(headers, at, bytes);
		if (end == bytes)
			return 0;
		if (end == at)
			return end + 2 == bytes;
		colon = memchr(headers + at, ':', end - at);
		if (colon == NULL || colon == headers + at)
			return 0;
	}
}

int atr_subject_is_configured(const json_t *config, const char *subject, size_t bytes)
{
	const json_t *subjects = json_object_get(config, "subjects");
	const json_t *item;
	size_t i;

	if (json_array_size(subjects) == 0 || json_object_get(config, "mirror") != NULL ||
	    json_object_get(config, "sources") != NULL ||
	    json_object_get(config, "subject_transform") != NULL)
		return 1;
	json_array_foreach(subjects, i, item)
	{
		const char *filter = json_string_value(item);

		if (filter != NULL && atr_subject_matches(filter, subject, bytes))
			return 1;
	}
	return 0;
}

const char *atr_boundary_doubt(const struct atr_message *m, int listed, const json_t *config)
{
	if (!listed && !atr_subject_is_valid(m->subject, m->subject_bytes))
		return "the subject is not one: its length does not fit";
	if (m->headers_bytes > 0 && !atr_headers_are_valid(m->headers, m->headers_bytes))
		return "the header block breaks the grammar: its length does not fit";
	if (!listed && config != NULL &&
	    !atr_subject_is_configured(config, m->subject, m->subject_bytes))
		return "the subject is none of the stream's: its length does not fit, or the "
		       "configuration was changed";
	return NULL;
}

struct atr_subjects *atr_subjects_new(const char *config_json)
{
	return (struct atr_subjects *)json_loads(config_json, 0, NULL);
}

const char *atr_subjects_doubt(const struct atr_subjects *subjects, const struct atr_message *m)
{
	if (!atr_subject_is_valid(m->subject, m->subject_bytes))
		return "not a subject: expected tokens without white space, none empty or a "
		       "wildcard";
	if (m->headers_bytes > 0 && !atr_headers_are_valid(m->headers, m->headers_bytes))
		return "not a header block: expected NATS/1.0, lines of name:value, an empty line";
	if (!atr_subject_is_configured((const json_t *)subjects, m->subject, m->subject_bytes))
		return "the subject is none of the stream's";
	return NULL;
}

void atr_subjects_free(struct atr_subjects *subjects)
{
	json_decref((json_t *)subjects);
}
