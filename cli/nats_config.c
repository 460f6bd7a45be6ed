/* nats_config.c - a recursive-descent reader over one file at a time.
 *
 *   file  = { item }            item  = key [ ":" | "=" ] value end   |  "include" name
 *   value = "{" items "}" | "[" values "]" | "(" block ")" | "..." | '...' | bare
 *   end   = newline | "," | ";" | "}" | comment
 *
 * Every string may be a key, so all of them live in wiped memory.
 */
#include "cli/nats_config.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "ciphers/secret.h"

#define FILE_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define DEPTH_MAX      64
#define INCLUDES_MAX   16

enum kind { KIND_STRING, KIND_NUMBER, KIND_BOOL, KIND_DATE, KIND_OTHER };

struct value {
	enum kind kind;
	char *text; /* malloc'd, NUL-terminated; NULL for KIND_OTHER */
	size_t bytes;
	char variable[64]; /* environment variable it came from */
};

/* A name that $NAME may refer to. */
struct binding {
	char *name;
	struct value value;
	int depth; /* of the block it stands in */
	struct binding *below;
};

/* What was set in jetstream { }; a later jetstream { } replaces it, as in the server's map. */
struct setting {
	struct value value;
	const char *spelling; /* constant; NULL = not set */
	const char *file;
	int line;
};

enum setting_name { SET_KEY, SET_PREV_KEY, SET_CIPHER, SET_STORE_DIR, SET_SYNC_INTERVAL, SETTINGS };

struct parser {
	const struct nats_config_source *source;
	nats_config_warn_fn *warn;
	void *warn_arg;
	char *error;
	size_t error_bytes;
	struct binding *bindings;
	struct setting setting[SETTINGS];
	int has_tpm;
	int depth;           /* blocks around the item being read */
	int jetstream_depth; /* depth inside jetstream { }, 0 = outside */
	int includes;
	char *names[INCLUDES_MAX * 64]; /* of the files read, for messages */
	size_t name_count;
};

/* One file, or the value of a variable. */
struct text {
	const char *name;
	const char *at, *end;
	int line;
};

/* ---- messages ---- */

/* A name from the file may hold anything; a message is one line. */
static void one_line(char *text)
{
	for (; *text; text++)
		if (iscntrl((unsigned char)*text))
			*text = '?';
}

static int fail(struct parser *p, const char *name, int line, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

static int fail(struct parser *p, const char *name, int line, const char *format, ...)
{
	va_list args;
	int n = snprintf(p->error, p->error_bytes, "%s:%d: ", name, line);

	if (n >= 0 && (size_t)n < p->error_bytes) {
		va_start(args, format);
		(void)vsnprintf(p->error + n, p->error_bytes - (size_t)n, format, args);
		va_end(args);
	}
	one_line(p->error);
	return -1;
}

static void caution(const struct parser *p, const char *name, int line, const char *text)
{
	char message[PATH_MAX + 256];

	if (p->warn == NULL)
		return;
	(void)snprintf(message, sizeof message, "%s:%d: %s", name, line, text);
	one_line(message);
	p->warn(p->warn_arg, message);
}

/* ---- values ---- */

static void value_free(struct value *v)
{
	if (v->text != NULL)
		atr_secret_wipe(v->text, v->bytes);
	free(v->text);
	*v = (struct value){0};
}

static int value_copy(struct value *to, const struct value *from)
{
	*to = *from;
	if (from->text == NULL)
		return 0;
	to->text = malloc(from->bytes + 1);
	if (to->text == NULL)
		return -1;
	memcpy(to->text, from->text, from->bytes + 1);
	return 0;
}

static int is_word(const char *text, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcasecmp(text, *words) == 0)
			return 1;
	return 0;
}

/* What the server takes a bare text for. */
static enum kind kind_of(const char *text)
{
	static const char *const bools[] = {"true", "false", "on", "off", "yes", "no", NULL};
	static const char *const suffixes[] = {
	        "",  "k",  "kb", "ki",  "kib", "m",  "mb", "mi",  "mib", "g",  "gb", "gi",  "gib",
	        "t", "tb", "ti", "tib", "p",   "pb", "pi", "pib", "e",   "eb", "ei", "eib", NULL};
	const char *digits = text[0] == '-' ? text + 1 : text;
	size_t whole = strspn(digits, "0123456789"), fraction;

	if (is_word(text, bools))
		return KIND_BOOL;
	if (whole == 0)
		return KIND_STRING;
	if (is_word(digits + whole, suffixes))
		return KIND_NUMBER;
	if (digits[whole] == '.') {
		fraction = strspn(digits + whole + 1, "0123456789");
		if (fraction > 0 && digits[whole + 1 + fraction] == '\0')
			return KIND_NUMBER;
	}
	if (whole == 4 && strlen(text) == 20 && text[4] == '-' && text[10] == 'T' &&
	    text[19] == 'Z')
		return KIND_DATE;
	return KIND_STRING;
}

static const char *kind_text(enum kind kind)
{
	switch (kind) {
	case KIND_NUMBER:
		return "a number";
	case KIND_BOOL:
		return "a true/false word";
	case KIND_DATE:
		return "a date";
	case KIND_STRING:
		return "a string";
	case KIND_OTHER:
		break;
	}
	return "a block or list";
}

/* ---- characters ---- */

static int is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static int is_comment(const struct text *t)
{
	return t->at < t->end &&
	       (*t->at == '#' || (*t->at == '/' && t->at + 1 < t->end && t->at[1] == '/'));
}

static void skip_comment(struct text *t)
{
	while (t->at < t->end && *t->at != '\n')
		t->at++;
}

static void skip_spaces(struct text *t)
{
	while (t->at < t->end && is_space(*t->at))
		t->at++;
}

/* White space, newlines, comments and separators between items. */
static void skip_between(struct text *t)
{
	for (; t->at < t->end; t->at++) {
		if (is_comment(t))
			skip_comment(t);
		if (t->at == t->end)
			return;
		if (*t->at == '\n')
			t->line++;
		else if (!is_space(*t->at) && *t->at != ',' && *t->at != ';')
			return;
	}
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	                              : -1;
}

/* The escape behind a backslash at t->at; *out receives the byte. */
static int take_escape(struct parser *p, struct text *t, char *out)
{
	static const char letters[] = "tnr\"\\", bytes[] = "\t\n\r\"\\";
	const char *found;
	int high, low;

	t->at++;
	if (t->at == t->end)
		return fail(p, t->name, t->line, "the text ends behind a '\\'");
	found = *t->at != '\0' ? strchr(letters, *t->at) : NULL;
	if (found != NULL) {
		*out = bytes[found - letters];
		t->at++;
		return 0;
	}
	if (*t->at != 'x')
		return fail(p, t->name, t->line,
		            "found '\\%c', expected \\xHH \\t \\n \\r \\\" or \\\\",
		            isprint((unsigned char)*t->at) ? *t->at : '?');
	high = t->end - t->at > 2 ? hex_digit(t->at[1]) : -1;
	low = high >= 0 ? hex_digit(t->at[2]) : -1;
	if (low < 0)
		return fail(p, t->name, t->line, "expected two hexadecimal digits behind \\x");
	*out = (char)(high << 4 | low);
	t->at += 3;
	return 0;
}

/* ---- strings ---- */

/* An empty string with room for what stands up to `quote` ('\n': to the end of the line); escapes
 * make it shorter. */
static int new_string(struct parser *p, const struct text *t, char quote, struct value *v)
{
	const char *c = t->at;

	for (; c < t->end && *c != quote; c++)
		if (*c == '\\' && quote == '"' && c + 1 < t->end)
			c++;
	*v = (struct value){.kind = KIND_STRING};
	v->text = malloc((size_t)(c - t->at) + 1);
	return v->text != NULL ? 0 : fail(p, t->name, t->line, "out of memory");
}

static int take_quoted(struct parser *p, struct text *t, struct value *v)
{
	char quote = *t->at++;
	int line = t->line;

	if (new_string(p, t, quote, v) != 0)
		return -1;
	for (;;) {
		if (t->at == t->end)
			return fail(p, t->name, line, "a string without its closing %c", quote);
		if (*t->at == quote)
			break;
		if (*t->at == '\n')
			t->line++;
		if (*t->at != '\\' || quote == '\'')
			v->text[v->bytes++] = *t->at++;
		else if (take_escape(p, t, &v->text[v->bytes]) == 0)
			v->bytes++;
		else
			return -1;
	}
	t->at++;
	v->text[v->bytes] = '\0';
	return 0;
}

static int ends_bare(char c)
{
	return is_space(c) || c == '\n' || strchr(",;]}'", c) != NULL;
}

static int take_bare(struct parser *p, struct text *t, struct value *v)
{
	const char *begin = t->at;

	if (new_string(p, t, '\n', v) != 0)
		return -1;
	while (t->at < t->end && *t->at != '\0' && !ends_bare(*t->at)) {
		if (*t->at != '\\')
			v->text[v->bytes++] = *t->at++;
		else if (take_escape(p, t, &v->text[v->bytes]) == 0)
			v->bytes++;
		else
			return -1;
	}
	v->text[v->bytes] = '\0';
	if (t->at == begin)
		return fail(p, t->name, t->line, "found %s%c%s, expected a value",
		            t->at == t->end ? "the end" : "'",
		            t->at == t->end                  ? ' '
		            : isprint((unsigned char)*t->at) ? *t->at
		                                             : '?',
		            t->at == t->end ? "" : "'");
	if (memchr(v->text, '\0', v->bytes) == NULL)
		v->kind = kind_of(v->text);
	return 0;
}

/* ( ... ) up to a line that is just the closing bracket: no setting of ours is one. */
static int skip_block_text(struct parser *p, struct text *t)
{
	int line = t->line;

	for (; t->at < t->end; t->at++) {
		if (*t->at == '\n')
			t->line++;
		if (*t->at == ')' &&
		    (t->at + 1 == t->end || t->at[1] == '\n' || t->at[1] == '\r')) {
			t->at++;
			return 0;
		}
	}
	return fail(p, t->name, line, "a text in ( ) without its closing bracket");
}

/* ---- variables ---- */

static const char *environment(void *arg, const char *name)
{
	(void)arg;
	return getenv(name);
}

static int take_value(struct parser *p, struct text *t, struct value *v);

/* A value of the environment is parsed again, as a value. */
static int take_environment(struct parser *p, const struct text *t, const char *name,
                            const char *content, struct value *v)
{
	struct text inner = {.name = t->name, .line = t->line};

	inner.at = content;
	inner.end = content + strlen(content);
	skip_spaces(&inner);
	if (inner.at == inner.end) {
		*v = (struct value){.kind = KIND_STRING, .text = calloc(1, 1)};
		if (v->text == NULL)
			return fail(p, t->name, t->line, "out of memory");
	} else if (take_value(p, &inner, v) != 0) {
		return -1;
	}
	skip_between(&inner);
	if (inner.at != inner.end) {
		value_free(v);
		return fail(p, t->name, t->line,
		            "the value of $%s is more than one word: servers refuse it or use its "
		            "beginning; put quotes around it",
		            name);
	}
	(void)snprintf(v->variable, sizeof v->variable, "%s", name);
	return 0;
}

/* v holds "$NAME"; replaced by what it refers to. */
static int resolve(struct parser *p, const struct text *t, struct value *v)
{
	const struct nats_config_source *s = p->source;
	const char *(*variable)(void *, const char *) =
	        s != NULL && s->variable != NULL ? s->variable : environment;
	struct value found;
	const char *content;
	int rc;

	if (strncmp(v->text, "$2a$", 4) == 0)
		return 0; /* made for bcrypt texts: taken as it is */
	if (p->depth > DEPTH_MAX)
		return fail(p, t->name, t->line, "variables refer to each other");
	for (const struct binding *b = p->bindings; b != NULL; b = b->below) {
		if (strcmp(b->name, v->text + 1) != 0)
			continue;
		value_free(v);
		return value_copy(v, &b->value) == 0 ? 0
		                                     : fail(p, t->name, t->line, "out of memory");
	}
	content = variable(s != NULL ? s->arg : NULL, v->text + 1);
	if (content == NULL)
		return fail(p, t->name, t->line,
		            "variable reference for '%.64s' can not be found in the enclosing "
		            "blocks or the environment",
		            v->text + 1);
	p->depth++;
	rc = take_environment(p, t, v->text + 1, content, &found);
	p->depth--;
	value_free(v);
	if (rc == 0)
		*v = found;
	return rc;
}

/* ---- items ---- */

static int take_items(struct parser *p, struct text *t, char closing);

static int take_list(struct parser *p, struct text *t)
{
	int line = t->line;
	struct value v;

	t->at++;
	if (p->depth >= DEPTH_MAX)
		return fail(p, t->name, line, "more than %d blocks inside each other", DEPTH_MAX);
	p->depth++;
	for (;;) {
		int rc;

		skip_between(t);
		if (t->at == t->end)
			return fail(p, t->name, line, "a list without its closing ]");
		if (*t->at == ']')
			break;
		rc = take_value(p, t, &v);
		value_free(&v);
		if (rc != 0)
			return rc;
	}
	p->depth--;
	t->at++;
	return 0;
}

static void forget_deeper(struct parser *p)
{
	while (p->bindings != NULL && p->bindings->depth > p->depth) {
		struct binding *b = p->bindings;

		p->bindings = b->below;
		value_free(&b->value);
		free(b->name);
		free(b);
	}
}

static int take_map(struct parser *p, struct text *t)
{
	int rc;

	if (p->depth >= DEPTH_MAX)
		return fail(p, t->name, t->line, "more than %d blocks inside each other",
		            DEPTH_MAX);
	t->at++;
	p->depth++;
	rc = take_items(p, t, '}');
	p->depth--;
	forget_deeper(p);
	return rc;
}

static int take_value(struct parser *p, struct text *t, struct value *v)
{
	int rc;

	*v = (struct value){.kind = KIND_OTHER};
	switch (*t->at) {
	case '{':
		return take_map(p, t);
	case '[':
		return take_list(p, t);
	case '(':
		return skip_block_text(p, t);
	case '"':
	case '\'':
		rc = take_quoted(p, t, v);
		break;
	default:
		rc = take_bare(p, t, v);
		if (rc == 0 && v->bytes > 1 && v->text[0] == '$')
			rc = resolve(p, t, v);
		break;
	}
	if (rc != 0)
		value_free(v);
	return rc;
}

/* ---- what we look for ---- */

struct keyword {
	const char *word;
	enum setting_name setting;
};

static const struct keyword keywords[] = {
        {"key", SET_KEY},
        {"ek", SET_KEY},
        {"encryption_key", SET_KEY},
        {"prev_key", SET_PREV_KEY},
        {"prev_ek", SET_PREV_KEY},
        {"prev_encryption_key", SET_PREV_KEY},
        {"cipher", SET_CIPHER},
        {"store_dir", SET_STORE_DIR},
        {"storedir", SET_STORE_DIR},
        {"sync_interval", SET_SYNC_INTERVAL},
        {"sync", SET_SYNC_INTERVAL},
};

static void forget_settings(struct parser *p)
{
	for (size_t i = 0; i < SETTINGS; i++) {
		value_free(&p->setting[i].value);
		p->setting[i] = (struct setting){0};
	}
	p->has_tpm = 0;
}

/* An item directly inside jetstream { }. */
static int take_setting(struct parser *p, const struct text *t, int line, const char *word,
                        const struct value *v)
{
	struct setting *s;
	size_t i;

	if (strcasecmp(word, "tpm") == 0)
		p->has_tpm = 1;
	for (i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
		if (strcasecmp(word, keywords[i].word) == 0)
			break;
	if (i == sizeof keywords / sizeof keywords[0])
		return 0;
	s = &p->setting[keywords[i].setting];
	if (s->spelling != NULL && s->spelling != keywords[i].word)
		return fail(p, t->name, line,
		            "both %s and %s are set: a server takes either one, at random",
		            s->spelling, keywords[i].word);
	if (v->kind != KIND_STRING)
		return fail(p, t->name, line,
		            "%s: found %s, expected a string: put quotes around it",
		            keywords[i].word, kind_text(v->kind));
	value_free(&s->value);
	if (value_copy(&s->value, v) != 0)
		return fail(p, t->name, line, "out of memory");
	s->spelling = keywords[i].word;
	s->file = t->name;
	s->line = line;
	return 0;
}

static int bind(struct parser *p, const struct text *t, char *name, struct value *v)
{
	struct binding *b = calloc(1, sizeof *b);

	if (b == NULL) {
		free(name);
		value_free(v);
		return fail(p, t->name, t->line, "out of memory");
	}
	*b = (struct binding){name, *v, p->depth, p->bindings};
	p->bindings = b;
	return 0;
}

/* ---- files ---- */

static char *read_file(void *arg, const char *path, size_t *bytes)
{
	FILE *file = fopen(path, "re");
	struct stat st;
	char *content;

	(void)arg;
	if (file == NULL)
		return NULL;
	if (fstat(fileno(file), &st) != 0 || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size > FILE_BYTES_MAX) {
		(void)fclose(file);
		errno = S_ISDIR(st.st_mode) ? EISDIR : EFBIG;
		return NULL;
	}
	setvbuf(file, NULL, _IONBF, 0); /* no copy of a key in the stream's buffer */
	content = malloc((size_t)st.st_size + 1);
	*bytes = content != NULL ? fread(content, 1, (size_t)st.st_size, file) : 0;
	(void)fclose(file);
	if (content != NULL)
		content[*bytes] = '\0';
	return content;
}

static int take_file(struct parser *p, const char *path, const char *from, int line)
{
	const struct nats_config_source *s = p->source;
	struct text t = {.line = 1};
	size_t bytes = 0;
	char *content;
	int rc;

	if (p->includes >= INCLUDES_MAX || p->name_count == sizeof p->names / sizeof p->names[0])
		return fail(p, from, line, "files include each other more than %d deep",
		            INCLUDES_MAX);
	content = s != NULL && s->file != NULL ? s->file(s->arg, path, &bytes)
	                                       : read_file(NULL, path, &bytes);
	if (content == NULL) {
		(void)snprintf(p->error, p->error_bytes, "%s%s%s: %s", p->includes > 0 ? from : "",
		               p->includes > 0 ? ": include " : "", path, strerror(errno));
		one_line(p->error);
		return -1;
	}
	p->names[p->name_count] = strdup(path);
	if (p->names[p->name_count] == NULL) {
		free(content);
		return fail(p, path, 1, "out of memory");
	}
	t.name = p->names[p->name_count++];
	t.at = content;
	t.end = content + bytes;
	if (bytes >= 3 && memcmp(content, "\xef\xbb\xbf", 3) == 0)
		t.at += 3; /* a byte order mark */
	p->includes++;
	rc = take_items(p, &t, '\0');
	p->includes--;
	atr_secret_wipe(content, bytes);
	free(content);
	return rc;
}

static int take_include(struct parser *p, struct text *t)
{
	const char *slash = strrchr(t->name, '/');
	char path[PATH_MAX];
	struct value v;
	int rc, n;

	skip_spaces(t);
	if (t->at == t->end)
		return fail(p, t->name, t->line, "include without a file name");
	rc = *t->at == '"' || *t->at == '\'' ? take_quoted(p, t, &v) : take_bare(p, t, &v);
	if (rc != 0) {
		value_free(&v);
		return rc;
	}
	n = v.text[0] == '/' || slash == NULL ? snprintf(path, sizeof path, "%s", v.text)
	                                      : snprintf(path, sizeof path, "%.*s/%s",
	                                                 (int)(slash - t->name), t->name, v.text);
	value_free(&v);
	if (n >= (int)sizeof path)
		return fail(p, t->name, t->line, "the name of an included file is too long");
	return take_file(p, path, t->name, t->line);
}

/* ---- keys and items ---- */

static int take_key(struct parser *p, struct text *t, struct value *key)
{
	const char *begin = t->at;

	if (*t->at == '"' || *t->at == '\'')
		return take_quoted(p, t, key);
	if (new_string(p, t, '\n', key) != 0)
		return -1;
	while (t->at < t->end && !is_space(*t->at) && *t->at != '\n' && *t->at != ':' &&
	       *t->at != '=')
		key->text[key->bytes++] = *t->at++;
	key->text[key->bytes] = '\0';
	if (t->at == begin)
		return fail(p, t->name, t->line, "found '%c', expected a name", *t->at);
	return 0;
}

/* The value behind a key, its separator included. */
static int take_value_of(struct parser *p, struct text *t, const struct value *key, struct value *v)
{
	skip_spaces(t);
	if (t->at < t->end && (*t->at == ':' || *t->at == '=')) {
		t->at++;
		skip_spaces(t);
	}
	/* the value of a separator may stand on the next line, as the server reads it */
	while (t->at < t->end && (*t->at == '\n' || is_space(*t->at)))
		t->line += *t->at++ == '\n';
	if (t->at == t->end)
		return fail(p, t->name, t->line, "'%.64s' has no value", key->text);
	return take_value(p, t, v);
}

/* Nothing but white space and a comment may stand between a value and its end. */
static int check_end(struct parser *p, struct text *t, char closing)
{
	skip_spaces(t);
	if (is_comment(t))
		skip_comment(t);
	if (t->at == t->end || *t->at == '\n' || *t->at == ',' || *t->at == ';' ||
	    *t->at == closing || *t->at == '}')
		return 0;
	return fail(p, t->name, t->line,
	            "found '%c' behind a value, expected a new line, ',', ';' or '}': a text with "
	            "white space needs quotes",
	            isprint((unsigned char)*t->at) ? *t->at : '?');
}

static int take_item(struct parser *p, struct text *t, char closing)
{
	struct value key = {0}, v = {0};
	int line = t->line, outside = p->jetstream_depth == 0, rc;

	rc = take_key(p, t, &key);
	if (rc != 0)
		goto done;
	if (strcasecmp(key.text, "include") == 0) {
		rc = take_include(p, t);
		if (rc == 0)
			rc = check_end(p, t, closing);
		goto done;
	}
	if (outside && p->depth == 0 && strcasecmp(key.text, "jetstream") == 0) {
		forget_settings(p);
		p->jetstream_depth = 1;
	}
	rc = take_value_of(p, t, &key, &v);
	if (outside)
		p->jetstream_depth = 0;
	if (rc == 0)
		rc = check_end(p, t, closing);
	if (rc == 0 && p->jetstream_depth > 0 && p->depth == p->jetstream_depth)
		rc = take_setting(p, t, line, key.text, &v);
	if (rc == 0 && v.kind != KIND_OTHER) {
		char *name = strdup(key.text);

		rc = name == NULL ? fail(p, t->name, line, "out of memory") : bind(p, t, name, &v);
		v = (struct value){0};
	}
done:
	value_free(&key);
	value_free(&v);
	return rc;
}

static int take_items(struct parser *p, struct text *t, char closing)
{
	int line = t->line, braces = 0;

	for (;;) {
		int rc;

		skip_between(t);
		if (t->at == t->end || *t->at == '\0') {
			if (t->at < t->end)
				return fail(p, t->name, t->line, "found a NUL byte");
			return closing == '\0' && braces == 0
			               ? 0
			               : fail(p, t->name, line, "a block without its closing }");
		}
		if (*t->at == '}' && closing == '}') {
			t->at++;
			return 0;
		}
		/* the outermost braces of a JSON text */
		if (closing == '\0' && p->depth == 0 && (*t->at == '{' || *t->at == '}')) {
			braces += *t->at++ == '{' ? 1 : -1;
			if (braces < 0 || braces > 1)
				return fail(p, t->name, t->line, "a brace too many");
			continue;
		}
		rc = take_item(p, t, closing);
		if (rc != 0)
			return rc;
	}
}

/* ---- the result ---- */

static int to_secret(const struct value *v, uint8_t **out, size_t *out_bytes)
{
	if (v->bytes == 0)
		return 0;
	*out = atr_secret_alloc(v->bytes);
	if (*out == NULL)
		return -1;
	memcpy(*out, v->text, v->bytes);
	*out_bytes = v->bytes;
	return 0;
}

static int take_cipher(struct parser *p, struct nats_config *out)
{
	const struct setting *s = &p->setting[SET_CIPHER];

	if (s->spelling == NULL)
		return 0;
	if (strcasecmp(s->value.text, "chacha") == 0 ||
	    strcasecmp(s->value.text, "chachapoly") == 0)
		out->cipher = "chachapoly";
	else if (strcasecmp(s->value.text, "aes") == 0)
		out->cipher = "aes";
	else
		return fail(p, s->file, s->line,
		            "Unknown cipher type: \"%.32s\", expected chacha, chachapoly or aes",
		            s->value.text);
	return 0;
}

static int finish(struct parser *p, const char *path, struct nats_config *out)
{
	const struct setting *key = &p->setting[SET_KEY], *prev = &p->setting[SET_PREV_KEY];
	const struct setting *cipher = &p->setting[SET_CIPHER];
	const struct setting *store = &p->setting[SET_STORE_DIR];
	const struct setting *sync = &p->setting[SET_SYNC_INTERVAL];

	if (p->has_tpm)
		return fail(p, path, 1,
		            key->spelling != NULL
		                    ? "JetStream encryption key may not be used with TPM options"
		                    : "TPM functionality is not supported on this platform");
	if (take_cipher(p, out) != 0)
		return -1;
	if (to_secret(&key->value, &out->key, &out->key_bytes) != 0 ||
	    to_secret(&prev->value, &out->prev_key, &out->prev_key_bytes) != 0)
		return fail(p, path, 1, "out of memory");
	(void)snprintf(out->key_variable, sizeof out->key_variable, "%s", key->value.variable);
	if (store->spelling != NULL) {
		out->store_dir = strdup(store->value.text);
		if (out->store_dir == NULL)
			return fail(p, path, 1, "out of memory");
	}
	if (sync->spelling != NULL) {
		out->sync_interval = strdup(sync->value.text);
		if (out->sync_interval == NULL)
			return fail(p, path, 1, "out of memory");
	}
	if (key->spelling != NULL && key->value.bytes == 0)
		caution(p, key->file, key->line,
		        key->value.variable[0] != '\0'
		                ? "the variable of the key is empty: the server would silently not "
		                  "encrypt"
		                : "the key is empty: the server would silently not encrypt");
	if (cipher->spelling != NULL && key->spelling == NULL)
		caution(p, cipher->file, cipher->line,
		        "a cipher without a key: the server would silently not encrypt");
	if (prev->spelling != NULL && key->spelling == NULL)
		caution(p, prev->file, prev->line, "a previous key without a key");
	return 0;
}

int nats_config_read(const char *path, const struct nats_config_source *source,
                     nats_config_warn_fn *warn, void *warn_arg, struct nats_config *out,
                     char *error, size_t error_bytes)
{
	struct parser *p = calloc(1, sizeof *p);
	int rc;

	*out = (struct nats_config){0};
	if (p == NULL) {
		(void)snprintf(error, error_bytes, "%s: out of memory", path);
		return -1;
	}
	p->source = source;
	p->warn = warn;
	p->warn_arg = warn_arg;
	p->error = error;
	p->error_bytes = error_bytes;
	rc = take_file(p, path, path, 0);
	if (rc == 0)
		rc = finish(p, path, out);
	if (rc != 0)
		nats_config_free(out);
	p->depth = -1; /* every binding is deeper */
	forget_deeper(p);
	forget_settings(p);
	for (size_t i = 0; i < p->name_count; i++)
		free(p->names[i]);
	free(p);
	return rc;
}

void nats_config_free(struct nats_config *config)
{
	atr_secret_free(config->key);
	atr_secret_free(config->prev_key);
	free(config->store_dir);
	free(config->sync_interval);
	*config = (struct nats_config){0};
}

const char *nats_config_variable_doubt(const char *value)
{
	if (value[0] == '\0')
		return "empty: the server would silently not encrypt";
	if (value[0] == '"' || value[0] == '\'')
		return "it begins with a quote, which the server takes away";
	if (value[0] == '$' && strncmp(value, "$2a$", 4) != 0)
		return "it begins with $: the server looks up a variable of that name";
	if (value[0] == '{' || value[0] == '[' || value[0] == '(')
		return "it begins with a bracket: the server reads a block or list";
	if (value[0] == '#' || strncmp(value, "//", 2) == 0)
		return "it begins like a comment";
	for (const char *c = value; *c != '\0'; c++) {
		if (ends_bare(*c))
			return "white space , ; ] } or ' ends it for the server: it refuses it or "
			       "uses the beginning";
		if (*c == '\\')
			return "the server reads \\ as an escape";
	}
	switch (kind_of(value)) {
	case KIND_NUMBER:
		return "the server reads it as a number and does not start";
	case KIND_BOOL:
		return "the server reads it as true or false and does not start";
	case KIND_DATE:
		return "the server reads it as a date and does not start";
	case KIND_STRING:
	case KIND_OTHER:
		break;
	}
	return NULL;
}
