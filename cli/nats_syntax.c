/* nats_syntax.c - a recursive-descent reader over one file at a time.
 *
 *   file  = { item }            item  = key [ ":" | "=" ] value end   |  "include" name
 *   value = "{" items "}" | "[" values "]" | "(" block ")" | "..." | '...' | bare
 *   end   = newline | "," | ";" | "}" | comment
 *
 * Every string may be a key, so all of them live in wiped memory.
 */
#include "cli/nats_syntax.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "ciphers/secret.h"

#define FILE_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define DEPTH_MAX      64
#define INCLUDES_MAX   16

/* A name that $NAME may refer to. */
struct binding {
	char *name;
	struct nats_value value;
	int depth; /* of the block it stands in */
	struct binding *below;
};

struct nats_syntax {
	const struct nats_config_source *source;
	const struct nats_visitor *visitor;
	void *visitor_arg;
	char *error;
	size_t error_bytes;
	struct binding *bindings;
	int depth; /* blocks around the item being read */
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
void nats_one_line(char *text)
{
	for (; *text; text++)
		if (iscntrl((unsigned char)*text))
			*text = '?';
}

int nats_syntax_fail(struct nats_syntax *p, const char *name, int line, const char *format, ...)
{
	va_list args;
	int n = snprintf(p->error, p->error_bytes, "%s:%d: ", name, line);

	if (n >= 0 && (size_t)n < p->error_bytes) {
		va_start(args, format);
		(void)vsnprintf(p->error + n, p->error_bytes - (size_t)n, format, args);
		va_end(args);
	}
	nats_one_line(p->error);
	return -1;
}

/* ---- values ---- */

void nats_value_free(struct nats_value *v)
{
	if (v->text != NULL)
		atr_secret_wipe(v->text, v->bytes);
	free(v->text);
	*v = (struct nats_value){0};
}

int nats_value_copy(struct nats_value *to, const struct nats_value *from)
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
enum nats_kind nats_kind_of(const char *text)
{
	static const char *const bools[] = {"true", "false", "on", "off", "yes", "no", NULL};
	static const char *const suffixes[] = {
	        "",  "k",  "kb", "ki",  "kib", "m",  "mb", "mi",  "mib", "g",  "gb", "gi",  "gib",
	        "t", "tb", "ti", "tib", "p",   "pb", "pi", "pib", "e",   "eb", "ei", "eib", NULL};
	const char *digits = text[0] == '-' ? text + 1 : text;
	size_t whole = strspn(digits, "0123456789"), fraction;

	if (is_word(text, bools))
		return NATS_BOOL;
	if (whole == 0)
		return NATS_STRING;
	if (is_word(digits + whole, suffixes))
		return NATS_NUMBER;
	if (digits[whole] == '.') {
		fraction = strspn(digits + whole + 1, "0123456789");
		if (fraction > 0 && digits[whole + 1 + fraction] == '\0')
			return NATS_NUMBER;
	}
	if (whole == 4 && strlen(text) == 20 && text[4] == '-' && text[10] == 'T' &&
	    text[19] == 'Z')
		return NATS_DATE;
	return NATS_STRING;
}

const char *nats_kind_text(enum nats_kind kind)
{
	switch (kind) {
	case NATS_NUMBER:
		return "a number";
	case NATS_BOOL:
		return "a true/false word";
	case NATS_DATE:
		return "a date";
	case NATS_STRING:
		return "a string";
	case NATS_OTHER:
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
static int take_escape(struct nats_syntax *p, struct text *t, char *out)
{
	static const char letters[] = "tnr\"\\", bytes[] = "\t\n\r\"\\";
	const char *found;
	int high, low;

	t->at++;
	if (t->at == t->end)
		return nats_syntax_fail(p, t->name, t->line, "the text ends behind a '\\'");
	found = *t->at != '\0' ? strchr(letters, *t->at) : NULL;
	if (found != NULL) {
		*out = bytes[found - letters];
		t->at++;
		return 0;
	}
	if (*t->at != 'x')
		return nats_syntax_fail(p, t->name, t->line,
		                        "found '\\%c', expected \\xHH \\t \\n \\r \\\" or \\\\",
		                        isprint((unsigned char)*t->at) ? *t->at : '?');
	high = t->end - t->at > 2 ? hex_digit(t->at[1]) : -1;
	low = high >= 0 ? hex_digit(t->at[2]) : -1;
	if (low < 0)
		return nats_syntax_fail(p, t->name, t->line,
		                        "expected two hexadecimal digits behind \\x");
	*out = (char)(high << 4 | low);
	t->at += 3;
	return 0;
}

/* ---- strings ---- */

/* An empty string with room for what stands up to `quote` ('\n': to the end of the line); escapes
 * make it shorter. */
static int new_string(struct nats_syntax *p, const struct text *t, char quote, struct nats_value *v)
{
	const char *c = t->at;

	for (; c < t->end && *c != quote; c++)
		if (*c == '\\' && quote == '"' && c + 1 < t->end)
			c++;
	*v = (struct nats_value){.kind = NATS_STRING};
	v->text = malloc((size_t)(c - t->at) + 1);
	return v->text != NULL ? 0 : nats_syntax_fail(p, t->name, t->line, "out of memory");
}

static int take_quoted(struct nats_syntax *p, struct text *t, struct nats_value *v)
{
	char quote = *t->at++;
	int line = t->line;

	if (new_string(p, t, quote, v) != 0)
		return -1;
	for (;;) {
		if (t->at == t->end)
			return nats_syntax_fail(p, t->name, line, "a string without its closing %c",
			                        quote);
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

int nats_ends_bare(char c)
{
	return is_space(c) || c == '\n' || strchr(",;]}'", c) != NULL;
}

static int take_bare(struct nats_syntax *p, struct text *t, struct nats_value *v)
{
	const char *begin = t->at;

	if (new_string(p, t, '\n', v) != 0)
		return -1;
	while (t->at < t->end && *t->at != '\0' && !nats_ends_bare(*t->at)) {
		if (*t->at != '\\')
			v->text[v->bytes++] = *t->at++;
		else if (take_escape(p, t, &v->text[v->bytes]) == 0)
			v->bytes++;
		else
			return -1;
	}
	v->text[v->bytes] = '\0';
	if (t->at == begin)
		return nats_syntax_fail(p, t->name, t->line, "found %s%c%s, expected a value",
		                        t->at == t->end ? "the end" : "'",
		                        t->at == t->end                  ? ' '
		                        : isprint((unsigned char)*t->at) ? *t->at
		                                                         : '?',
		                        t->at == t->end ? "" : "'");
	if (memchr(v->text, '\0', v->bytes) == NULL)
		v->kind = nats_kind_of(v->text);
	return 0;
}

/* ( ... ) up to a line that is just the closing bracket: no setting of ours is one. */
static int skip_block_text(struct nats_syntax *p, struct text *t)
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
	return nats_syntax_fail(p, t->name, line, "a text in ( ) without its closing bracket");
}

/* ---- variables ---- */

static const char *environment(void *arg, const char *name)
{
	(void)arg;
	return getenv(name);
}

static int take_value(struct nats_syntax *p, struct text *t, struct nats_value *v);

/* A value of the environment is parsed again, as a value. */
static int take_environment(struct nats_syntax *p, const struct text *t, const char *name,
                            const char *content, struct nats_value *v)
{
	struct text inner = {.name = t->name, .line = t->line};

	inner.at = content;
	inner.end = content + strlen(content);
	skip_spaces(&inner);
	if (inner.at == inner.end) {
		*v = (struct nats_value){.kind = NATS_STRING, .text = calloc(1, 1)};
		if (v->text == NULL)
			return nats_syntax_fail(p, t->name, t->line, "out of memory");
	} else if (take_value(p, &inner, v) != 0) {
		return -1;
	}
	skip_between(&inner);
	if (inner.at != inner.end) {
		nats_value_free(v);
		return nats_syntax_fail(
		        p, t->name, t->line,
		        "the value of $%s is more than one word: servers refuse it or use its "
		        "beginning; put quotes around it",
		        name);
	}
	if (v->variable[0] != '\0')
		return 0; /* the variable that this one refers to holds the text */
	(void)snprintf(v->variable, sizeof v->variable, "%s", name);
	return 0;
}

/* v holds "$NAME"; replaced by what it refers to. */
static int resolve(struct nats_syntax *p, const struct text *t, struct nats_value *v)
{
	const struct nats_config_source *s = p->source;
	const char *(*variable)(void *, const char *) =
	        s != NULL && s->variable != NULL ? s->variable : environment;
	struct nats_value found;
	const char *content;
	int rc;

	if (strncmp(v->text, "$2a$", 4) == 0)
		return 0; /* made for bcrypt texts: taken as it is */
	if (p->depth > DEPTH_MAX)
		return nats_syntax_fail(p, t->name, t->line, "variables refer to each other");
	for (const struct binding *b = p->bindings; b != NULL; b = b->below) {
		if (strcmp(b->name, v->text + 1) != 0)
			continue;
		nats_value_free(v);
		return nats_value_copy(v, &b->value) == 0
		               ? 0
		               : nats_syntax_fail(p, t->name, t->line, "out of memory");
	}
	if (v->bytes > NATS_VARIABLE_BYTES)
		return nats_syntax_fail(p, t->name, t->line, "a variable name longer than %d bytes",
		                        NATS_VARIABLE_BYTES - 1);
	content = variable(s != NULL ? s->arg : NULL, v->text + 1);
	if (content == NULL)
		return nats_syntax_fail(
		        p, t->name, t->line,
		        "variable reference for '%.64s' can not be found in the enclosing "
		        "blocks or the environment",
		        v->text + 1);
	p->depth++;
	rc = take_environment(p, t, v->text + 1, content, &found);
	p->depth--;
	nats_value_free(v);
	if (rc == 0)
		*v = found;
	return rc;
}

/* ---- items ---- */

static int take_items(struct nats_syntax *p, struct text *t, char closing);

static int take_list(struct nats_syntax *p, struct text *t)
{
	int line = t->line;
	struct nats_value v;

	t->at++;
	if (p->depth >= DEPTH_MAX)
		return nats_syntax_fail(p, t->name, line, "more than %d blocks inside each other",
		                        DEPTH_MAX);
	p->depth++;
	for (;;) {
		int rc;

		skip_between(t);
		if (t->at == t->end)
			return nats_syntax_fail(p, t->name, line, "a list without its closing ]");
		if (*t->at == ']')
			break;
		rc = take_value(p, t, &v);
		nats_value_free(&v);
		if (rc != 0)
			return rc;
	}
	p->depth--;
	t->at++;
	return 0;
}

static void forget_deeper(struct nats_syntax *p)
{
	while (p->bindings != NULL && p->bindings->depth > p->depth) {
		struct binding *b = p->bindings;

		p->bindings = b->below;
		nats_value_free(&b->value);
		free(b->name);
		free(b);
	}
}

static int take_map(struct nats_syntax *p, struct text *t)
{
	int rc;

	if (p->depth >= DEPTH_MAX)
		return nats_syntax_fail(p, t->name, t->line,
		                        "more than %d blocks inside each other", DEPTH_MAX);
	t->at++;
	p->depth++;
	rc = take_items(p, t, '}');
	p->depth--;
	forget_deeper(p);
	return rc;
}

static int take_value(struct nats_syntax *p, struct text *t, struct nats_value *v)
{
	int rc;

	*v = (struct nats_value){.kind = NATS_OTHER};
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
		nats_value_free(v);
	return rc;
}

static int bind(struct nats_syntax *p, const struct text *t, char *name, struct nats_value *v)
{
	struct binding *b = calloc(1, sizeof *b);

	if (b == NULL) {
		free(name);
		nats_value_free(v);
		return nats_syntax_fail(p, t->name, t->line, "out of memory");
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

static int take_file(struct nats_syntax *p, const char *path, const char *from, int line)
{
	const struct nats_config_source *s = p->source;
	struct text t = {.line = 1};
	size_t bytes = 0;
	char *content;
	int rc;

	if (p->includes >= INCLUDES_MAX || p->name_count == sizeof p->names / sizeof p->names[0])
		return nats_syntax_fail(p, from, line, "files include each other more than %d deep",
		                        INCLUDES_MAX);
	content = s != NULL && s->file != NULL ? s->file(s->arg, path, &bytes)
	                                       : read_file(NULL, path, &bytes);
	if (content == NULL) {
		(void)snprintf(p->error, p->error_bytes, "%s%s%s: %s", p->includes > 0 ? from : "",
		               p->includes > 0 ? ": include " : "", path, strerror(errno));
		nats_one_line(p->error);
		return -1;
	}
	p->names[p->name_count] = strdup(path);
	if (p->names[p->name_count] == NULL) {
		free(content);
		return nats_syntax_fail(p, path, 1, "out of memory");
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

static int take_include(struct nats_syntax *p, struct text *t)
{
	const char *slash = strrchr(t->name, '/');
	char path[PATH_MAX];
	struct nats_value v;
	int rc, n;

	skip_spaces(t);
	if (t->at == t->end)
		return nats_syntax_fail(p, t->name, t->line, "include without a file name");
	rc = *t->at == '"' || *t->at == '\'' ? take_quoted(p, t, &v) : take_bare(p, t, &v);
	if (rc != 0) {
		nats_value_free(&v);
		return rc;
	}
	n = v.text[0] == '/' || slash == NULL ? snprintf(path, sizeof path, "%s", v.text)
	                                      : snprintf(path, sizeof path, "%.*s/%s",
	                                                 (int)(slash - t->name), t->name, v.text);
	nats_value_free(&v);
	if (n >= (int)sizeof path)
		return nats_syntax_fail(p, t->name, t->line,
		                        "the name of an included file is too long");
	return take_file(p, path, t->name, t->line);
}

/* ---- keys and items ---- */

static int take_key(struct nats_syntax *p, struct text *t, struct nats_value *key)
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
		return nats_syntax_fail(p, t->name, t->line, "found '%c', expected a name", *t->at);
	return 0;
}

/* The value behind a key, its separator included. */
static int take_value_of(struct nats_syntax *p, struct text *t, const struct nats_value *key,
                         struct nats_value *v)
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
		return nats_syntax_fail(p, t->name, t->line, "'%.64s' has no value", key->text);
	return take_value(p, t, v);
}

/* Nothing but white space and a comment may stand between a value and its end. */
static int check_end(struct nats_syntax *p, struct text *t, char closing)
{
	skip_spaces(t);
	if (is_comment(t))
		skip_comment(t);
	if (t->at == t->end || *t->at == '\n' || *t->at == ',' || *t->at == ';' ||
	    *t->at == closing || *t->at == '}')
		return 0;
	return nats_syntax_fail(
	        p, t->name, t->line,
	        "found '%c' behind a value, expected a new line, ',', ';' or '}': a text with "
	        "white space needs quotes",
	        isprint((unsigned char)*t->at) ? *t->at : '?');
}

static int take_item(struct nats_syntax *p, struct text *t, char closing)
{
	struct nats_value key = {0}, v = {0};
	int line = t->line, rc;

	rc = take_key(p, t, &key);
	if (rc != 0)
		goto done;
	if (strcasecmp(key.text, "include") == 0) {
		rc = take_include(p, t);
		if (rc == 0)
			rc = check_end(p, t, closing);
		goto done;
	}
	p->visitor->enter(p->visitor_arg, key.text, p->depth);
	rc = take_value_of(p, t, &key, &v);
	if (rc == 0)
		rc = check_end(p, t, closing);
	if (rc == 0) {
		struct nats_item item = {key.text, &v, t->name, line, p->depth};

		rc = p->visitor->item(p->visitor_arg, &item);
	}
	if (rc == 0 && v.kind != NATS_OTHER) {
		char *name = strdup(key.text);

		rc = name == NULL ? nats_syntax_fail(p, t->name, line, "out of memory")
		                  : bind(p, t, name, &v);
		v = (struct nats_value){0};
	}
done:
	nats_value_free(&key);
	nats_value_free(&v);
	return rc;
}

static int take_items(struct nats_syntax *p, struct text *t, char closing)
{
	int line = t->line, braces = 0;

	for (;;) {
		int rc;

		skip_between(t);
		if (t->at == t->end || *t->at == '\0') {
			if (t->at < t->end)
				return nats_syntax_fail(p, t->name, t->line, "found a NUL byte");
			return closing == '\0' && braces == 0
			               ? 0
			               : nats_syntax_fail(p, t->name, line,
			                                  "a block without its closing }");
		}
		if (*t->at == '}' && closing == '}') {
			t->at++;
			return 0;
		}
		/* the outermost braces of a JSON text */
		if (closing == '\0' && p->depth == 0 && (*t->at == '{' || *t->at == '}')) {
			braces += *t->at++ == '{' ? 1 : -1;
			if (braces < 0 || braces > 1)
				return nats_syntax_fail(p, t->name, t->line, "a brace too many");
			continue;
		}
		rc = take_item(p, t, closing);
		if (rc != 0)
			return rc;
	}
}

/* ---- the whole ---- */

struct nats_syntax *nats_syntax_new(const struct nats_config_source *source, char *error,
                                    size_t error_bytes)
{
	struct nats_syntax *p = calloc(1, sizeof *p);

	if (p == NULL)
		return NULL;
	p->source = source;
	p->error = error;
	p->error_bytes = error_bytes;
	return p;
}

int nats_syntax_read(struct nats_syntax *syntax, const char *path,
                     const struct nats_visitor *visitor, void *arg)
{
	syntax->visitor = visitor;
	syntax->visitor_arg = arg;
	return take_file(syntax, path, path, 0);
}

void nats_syntax_free(struct nats_syntax *syntax)
{
	if (syntax == NULL)
		return;
	syntax->depth = -1; /* every binding is deeper */
	forget_deeper(syntax);
	for (size_t i = 0; i < syntax->name_count; i++)
		free(syntax->names[i]);
	free(syntax);
}
