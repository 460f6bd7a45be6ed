/* nats_syntax.h - the syntax of nats-server configurations: what items a file has, without what
 * they mean.
 *
 * Read as the server reads it: `key: value`, `key = value`, `key value`; double quotes with
 * escapes, single quotes without, bare strings; $NAME from the enclosing blocks, then from the
 * environment, whose value is parsed again; include; # and // comments.
 * Source: nats-server conf/lex.go, conf/parse.go.
 */
#ifndef ATREST_CLI_NATS_SYNTAX_H
#define ATREST_CLI_NATS_SYNTAX_H

#include <stddef.h>

/* Where $NAME and include are looked up. NULL members: the environment, the file system. */
struct nats_config_source {
	/* NULL when it is not set. */
	const char *(*variable)(void *arg, const char *name);
	/* A malloc'd, NUL-terminated copy of the file, NULL with errno. */
	char *(*file)(void *arg, const char *path, size_t *bytes);
	void *arg;
};

#define NATS_VARIABLE_BYTES 256

/* What the server takes a value for; NATS_OTHER: a block, a list, a text in ( ). */
enum nats_kind { NATS_STRING, NATS_NUMBER, NATS_BOOL, NATS_DATE, NATS_OTHER };

struct nats_value {
	enum nats_kind kind;
	char *text; /* malloc'd, NUL-terminated; NULL for NATS_OTHER */
	size_t bytes;
	char variable[NATS_VARIABLE_BYTES]; /* environment variable it came from, or "" */
};

/* Wipes the text: every value may be a key. */
void nats_value_free(struct nats_value *v);
/* 0; -1: no memory, *to has no text. */
int nats_value_copy(struct nats_value *to, const struct nats_value *from);

/* What the server takes a bare text for, and the words for it in a message. */
enum nats_kind nats_kind_of(const char *text);
const char *nats_kind_text(enum nats_kind kind);
/* True when the character ends a bare text. */
int nats_ends_bare(char c);
/* Makes a message one line: names from a file may hold anything. */
void nats_one_line(char *text);

struct nats_item {
	const char *key;
	const struct nats_value *value;
	const char *file; /* valid as long as the reader */
	int line;
	int depth; /* blocks around it; 0 = outermost */
};

/* Told of each item: enter before its value is read (and before the items in it), item after it.
 * item returns 0, or -1 after nats_syntax_fail to stop. */
struct nats_visitor {
	void (*enter)(void *arg, const char *key, int depth);
	int (*item)(void *arg, const struct nats_item *item);
};

struct nats_syntax;

/* NULL when there is no memory. source may be NULL; error is filled by what fails later. */
struct nats_syntax *nats_syntax_new(const struct nats_config_source *source, char *error,
                                    size_t error_bytes);
/* Reads the file and what it includes. 0; -1, error holds "file:line: found, expected". */
int nats_syntax_read(struct nats_syntax *syntax, const char *path,
                     const struct nats_visitor *visitor, void *arg);
/* Sets error to "name:line: " and the text; returns -1. */
int nats_syntax_fail(struct nats_syntax *syntax, const char *name, int line, const char *format,
                     ...) __attribute__((format(printf, 4, 5)));
void nats_syntax_free(struct nats_syntax *syntax);

#endif
