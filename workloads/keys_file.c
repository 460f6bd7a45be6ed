/* keys_file.c - see keys_file.h.
 *
 * inih alone splits lines above 200 bytes, takes an indented line for one more value of the key
 * above, and reports duplicates as ordinary keys. So the reader hands it whole lines only and
 * refuses what does not fit; the handler collects a key with its continuation lines and sets it
 * when the next one begins.
 */
#include "workloads/keys_file.h"

#include <assert.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <string.h>

#define FILE_BYTES_MAX  (1024 * 1024)
#define VALUE_BYTES_MAX 4096
#define KEYS_MAX        64

struct parse {
	const struct keys_file *what;
	const char *name; /* of the file, in messages */
	char *error;
	FILE *in;
	size_t bytes; /* read so far */
	unsigned line;
	int indented; /* the line begins with a blank */
	int section_seen;
	int failed;
	unsigned failed_line;
	const char *seen[KEYS_MAX];
	int keys;
	const char *key; /* being collected */
	unsigned key_line;
	char value[VALUE_BYTES_MAX];
};

/* Only the first error counts; line 0: none. */
__attribute__((format(printf, 3, 4))) static int fail(struct parse *p, unsigned line,
                                                      const char *format, ...)
{
	size_t used = 0;
	va_list args;

	if (p->failed)
		return -1;
	p->failed = 1;
	p->failed_line = line;
	if (line)
		snprintf(p->error, KEYS_FILE_ERROR_BYTES, "%.200s:%u: ", p->name, line);
	else
		snprintf(p->error, KEYS_FILE_ERROR_BYTES, "%.200s: ", p->name);
	used = strlen(p->error);
	va_start(args, format);
	vsnprintf(p->error + used, KEYS_FILE_ERROR_BYTES - used, format, args);
	va_end(args);
	return -1;
}

/* Length of the UTF-8 character at s (RFC 3629), 0 when it is none. */
static size_t utf8_bytes(const unsigned char *s)
{
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] < 0xe0)
		return (s[1] & 0xc0) == 0x80 ? 2 : 0;
	if (s[0] >= 0xe0 && s[0] < 0xf0) {
		if ((s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80)
			return 0;
		if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0))
			return 0;
		return 3;
	}
	if (s[0] >= 0xf0 && s[0] < 0xf5) {
		if ((s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80 || (s[3] & 0xc0) != 0x80)
			return 0;
		if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90))
			return 0;
		return 4;
	}
	return 0;
}

int keys_file_is_utf8(const char *text)
{
	size_t n;

	for (const unsigned char *s = (const unsigned char *)text; *s; s += n) {
		n = utf8_bytes(s);
		if (n == 0)
			return 0;
	}
	return 1;
}

const char *keys_file_shown(const char *text, char out[KEYS_FILE_SHOWN_BYTES])
{
	size_t n = 0;

	for (; text[n] && n < 80; n++)
		out[n] = text[n] < ' ' || text[n] == 0x7f ? '?' : text[n];
	strcpy(out + n, text[n] ? "..." : "");
	return out;
}

static int finish_key(struct parse *p)
{
	const char *key = p->key;
	char reason[KEYS_FILE_REASON_BYTES];

	p->key = NULL;
	if (!key || p->what->set(p->what->arg, key, p->value, reason) == 0)
		return 0;
	return fail(p, p->key_line, "%s: %s", key, reason);
}

/* "[section]", once, nothing else. */
static int check_section(struct parse *p, const char *line)
{
	const char *section = p->what->section;
	size_t bytes = strlen(section);
	char found[KEYS_FILE_SHOWN_BYTES];

	if (finish_key(p) != 0)
		return -1;
	if (strncmp(line + 1, section, bytes) == 0 && line[1 + bytes] == ']') {
		const char *rest = line + bytes + 2;
		rest += strspn(rest, " \t");
		if (*rest && *rest != ';' && *rest != '#')
			return fail(p, p->line, "found \"%s\" after [%s], expected nothing",
			            keys_file_shown(rest, found), section);
		if (p->section_seen)
			return fail(p, p->line, "second [%s], expected one %s in a file", section,
			            section);
		p->section_seen = 1;
		return 0;
	}
	return fail(p, p->line, "section %s, expected [%s] or none", keys_file_shown(line, found),
	            section);
}

/* One whole line without its end into buffer. 1; 0 at the end of the file; -1 after fail. */
static int take_line(struct parse *p, char *buffer, size_t capacity)
{
	size_t n = 0;
	int c;

	p->line++;
	while ((c = getc(p->in)) != EOF && c != '\n') {
		p->bytes++;
		if (c == 0)
			return fail(p, p->line, "NUL byte, expected text");
		if (n == capacity - 2) /* room for the line's end and the NUL */
			return fail(p, p->line, "line longer than %zu bytes", capacity - 2);
		buffer[n++] = (char)c;
	}
	if (ferror(p->in))
		return fail(p, 0, "%s", strerror(errno));
	if (c == EOF && n == 0)
		return 0;
	if (++p->bytes > FILE_BYTES_MAX)
		return fail(p, p->line, "more than %d bytes, expected a file of keys",
		            FILE_BYTES_MAX);
	if (n && buffer[n - 1] == '\r') /* CRLF is as good as LF */
		n--;
	buffer[n] = 0;
	if (p->line == 1 && strncmp(buffer, "\xef\xbb\xbf", 3) == 0) /* byte order mark */
		memmove(buffer, buffer + 3, n - 2);
	return 1;
}

/* What inih calls for each line, as fgets. */
static char *read_line(char *buffer, int capacity, void *user)
{
	struct parse *p = user;

	if (p->failed || take_line(p, buffer, (size_t)capacity) != 1)
		return NULL;
	for (const char *s = buffer; *s; s++) {
		if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f) {
			fail(p, p->line, "control character 0x%02x, expected text", *s);
			return NULL;
		}
	}
	if (!keys_file_is_utf8(buffer)) {
		fail(p, p->line, "bytes that are not UTF-8, expected text");
		return NULL;
	}
	const char *start = buffer + strspn(buffer, " \t");
	p->indented = start > buffer;
	if (*start == '[' && check_section(p, start) != 0)
		return NULL;
	return buffer;
}

static int begin_key(struct parse *p, const char *name, const char *value)
{
	char reason[KEYS_FILE_REASON_BYTES];
	const char *key;

	if (finish_key(p) != 0)
		return -1;
	key = p->what->find(p->what->arg, name, reason);
	if (!key)
		return fail(p, p->line, "%s", reason);
	for (int i = 0; i < p->keys; i++)
		if (p->seen[i] == key)
			return fail(p, p->line, "second \"%s\", expected each key once", name);
	assert(p->keys < KEYS_MAX);
	p->seen[p->keys++] = key;
	p->key = key;
	p->key_line = p->line;
	strcpy(p->value, value); /* inih's line is shorter */
	return 0;
}

/* What inih calls for each key and for each indented line below one. */
static int take_key(void *user, const char *section, const char *name, const char *value)
{
	struct parse *p = user;

	(void)section; /* read_line has checked it */
	if (p->failed)
		return 0;
	if (!p->indented)
		return begin_key(p, name, value) == 0;
	if (!p->key || !p->what->continued || strcmp(name, p->what->continued) != 0 ||
	    strcmp(name, p->key) != 0) {
		fail(p, p->line, "indented line, expected key = value from the line's start%s%s%s",
		     p->what->continued ? " (only " : "",
		     p->what->continued ? p->what->continued : "",
		     p->what->continued ? " goes on over several lines)" : "");
		return 0;
	}
	/* inih takes inline comments off the first line only. No such value has a ';'. */
	size_t used = strlen(p->value), bytes = strcspn(value, ";");
	if (used + bytes + 2 > sizeof(p->value)) {
		fail(p, p->line, "%s longer than %d bytes", name, VALUE_BYTES_MAX - 1);
		return 0;
	}
	snprintf(p->value + used, sizeof(p->value) - used, " %.*s", (int)bytes, value);
	return 1;
}

int keys_file_read(const struct keys_file *what, FILE *in, const char *name,
                   char error[KEYS_FILE_ERROR_BYTES])
{
	struct parse p = {.what = what, .name = name, .error = error, .in = in};
	int bad_line;

	error[0] = 0;
	bad_line = ini_parse_stream(read_line, &p, take_key, &p);
	/* inih's own complaint: a line without '='. It goes on, so ours may be a later line. */
	if (bad_line > 0 && (!p.failed || (unsigned)bad_line < p.failed_line)) {
		p.failed = 0;
		return fail(&p, (unsigned)bad_line, "no '=', expected key = value");
	}
	if (bad_line < 0)
		return fail(&p, 0, "out of memory");
	if (p.failed || finish_key(&p) != 0)
		return -1;
	return p.keys;
}
