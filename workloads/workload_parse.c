/* workload_parse.c - an INI file to struct workload, through inih with a reader of ours.
 *
 * inih alone splits lines above 200 bytes, takes an indented line for one more value of the key
 * above, and reports duplicates as ordinary keys. So the reader hands it whole lines only and
 * refuses what does not fit; the handler collects a key with its continuation lines and sets it
 * when the next one begins.
 */
#include "workloads/workload_keys.h"

#include <assert.h>
#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define FILE_BYTES_MAX  (1024 * 1024)
#define VALUE_BYTES_MAX 4096
#define KEYS_MAX        64

struct parse {
	const char *name; /* of the file, in messages */
	struct workload *w;
	struct workload_error *err;
	FILE *in;
	size_t bytes; /* read so far */
	unsigned line;
	int indented; /* the line begins with a blank */
	int section_seen;
	int failed;
	unsigned failed_line;
	char seen[KEYS_MAX]; /* by position in workload_keys */
	size_t keys;
	const struct workload_key *key; /* being collected */
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
		snprintf(p->err->text, sizeof(p->err->text), "%.200s:%u: ", p->name, line);
	else
		snprintf(p->err->text, sizeof(p->err->text), "%.200s: ", p->name);
	used = strlen(p->err->text);
	va_start(args, format);
	vsnprintf(p->err->text + used, sizeof(p->err->text) - used, format, args);
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

static int is_utf8(const char *text)
{
	size_t n;

	for (const unsigned char *s = (const unsigned char *)text; *s; s += n) {
		n = utf8_bytes(s);
		if (n == 0)
			return 0;
	}
	return 1;
}

/* Text of a file or of an argument in a message: printable and not too long. */
static const char *shown(const char *text, char out[84])
{
	size_t n = 0;

	for (; text[n] && n < 80; n++)
		out[n] = text[n] < ' ' || text[n] == 0x7f ? '?' : text[n];
	strcpy(out + n, text[n] ? "..." : "");
	return out;
}

static int finish_key(struct parse *p)
{
	const struct workload_key *key = p->key;
	char expected[256], found[84];

	p->key = NULL;
	if (!key)
		return 0;
	if (workload_key_set(key, p->value, p->w, expected, sizeof(expected)) != 0)
		return fail(p, p->key_line, "%s: found \"%s\", expected %s", key->name,
		            shown(p->value, found), expected);
	return 0;
}

/* "[workload]", once, nothing else. */
static int check_section(struct parse *p, const char *line)
{
	static const char header[] = "[workload]";
	char found[84];

	if (finish_key(p) != 0)
		return -1;
	if (strncmp(line, header, sizeof(header) - 1) == 0) {
		const char *rest = line + sizeof(header) - 1;
		rest += strspn(rest, " \t");
		if (*rest && *rest != ';' && *rest != '#')
			return fail(p, p->line, "found \"%s\" after [workload], expected nothing",
			            shown(rest, found));
		if (p->section_seen)
			return fail(p, p->line,
			            "second [workload], expected one workload in a file");
		p->section_seen = 1;
		return 0;
	}
	return fail(p, p->line, "section %s, expected [workload] or none", shown(line, found));
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
		return fail(p, p->line, "more than %d bytes, expected a workload file",
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
	if (!is_utf8(buffer)) {
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
	const struct workload_key *key = workload_key_find(name);
	char found[84];

	if (finish_key(p) != 0)
		return -1;
	if (!key) {
		const char *nearest = workload_key_nearest(name);
		return fail(p, p->line, "unknown key \"%s\"%s%s%s", shown(name, found),
		            nearest ? ", did you mean " : ", expected one of workloads/README.md",
		            nearest ? nearest : "", nearest ? "?" : "");
	}
	assert(key - workload_keys < KEYS_MAX);
	if (p->seen[key - workload_keys]++)
		return fail(p, p->line, "second \"%s\", expected each key once", name);
	p->keys++;
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
	if (!p->key || p->key->kind != KEY_SIZES || strcmp(name, p->key->name) != 0) {
		fail(p, p->line,
		     "indented line, expected key = value from the line's start (only sizes "
		     "goes on over several lines)");
		return 0;
	}
	/* inih takes inline comments off the first line only. No size has a ';'. */
	size_t used = strlen(p->value), bytes = strcspn(value, ";");
	if (used + bytes + 2 > sizeof(p->value)) {
		fail(p, p->line, "sizes longer than %d bytes", VALUE_BYTES_MAX - 1);
		return 0;
	}
	snprintf(p->value + used, sizeof(p->value) - used, " %.*s", (int)bytes, value);
	return 1;
}

/* "dir/publish-1k.ini" names the workload publish-1k; the name is a field of every row. */
static int set_name(struct parse *p)
{
	const char *base = strrchr(p->name, '/');
	base = base ? base + 1 : p->name;
	size_t bytes = strlen(base);
	if (bytes > 4 && strcmp(base + bytes - 4, ".ini") == 0)
		bytes -= 4;

	size_t good = strspn(base, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                           "0123456789._-");
	if (bytes == 0 || bytes >= WORKLOAD_NAME_BYTES || good < bytes)
		return fail(p, 0,
		            "file name, expected NAME.ini with a name of 1 to %d letters, digits, "
		            "'.', '_' or '-'",
		            WORKLOAD_NAME_BYTES - 1);
	memcpy(p->w->name, base, bytes);
	p->w->name[bytes] = 0;
	return 0;
}

int workload_parse_stream(FILE *in, const char *name, struct workload *w,
                          struct workload_error *err)
{
	struct parse p = {.name = name, .w = w, .err = err, .in = in};
	int bad_line;

	err->text[0] = 0;
	workload_init(w);
	if (set_name(&p) != 0)
		return -1;
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
	if (p.keys == 0)
		return fail(&p, 0, "no key, expected at least operation = ...");
	if (!w->class_[0])
		strcpy(w->class_, workload_key_word("operation", w));
	return 0;
}

int workload_parse_file(const char *path, struct workload *w, struct workload_error *err)
{
	FILE *in = fopen(path, "r");
	int rc;

	if (!in) {
		workload_init(w);
		snprintf(err->text, sizeof(err->text), "%.200s: %s", path, strerror(errno));
		return -1;
	}
	rc = workload_parse_stream(in, path, w, err);
	fclose(in);
	return rc;
}

int workload_set(struct workload *w, const char *key, const char *value, struct workload_error *err)
{
	const struct workload_key *k = workload_key_find(key);
	char expected[256], found[84], name[84];

	err->text[0] = 0;
	if (!k) {
		const char *nearest = workload_key_nearest(key);
		snprintf(err->text, sizeof(err->text), "--set: unknown key \"%s\"%s%s%s",
		         shown(key, name), nearest ? ", did you mean " : ", see --help",
		         nearest ? nearest : "", nearest ? "?" : "");
		return -1;
	}
	if (!is_utf8(value))
		snprintf(expected, sizeof(expected), "text in UTF-8");
	else if (workload_key_set(k, value, w, expected, sizeof(expected)) == 0)
		return 0;
	snprintf(err->text, sizeof(err->text), "--set %s: found \"%s\", expected %s", key,
	         shown(value, found), expected);
	return -1;
}
