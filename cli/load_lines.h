/* load_lines.h - the input of `stream load`: JSON, an object a line. */
#ifndef ATREST_CLI_LOAD_LINES_H
#define ATREST_CLI_LOAD_LINES_H

#include <jansson.h>

#include "store/store.h"

#define LOAD_LINES_BAD (-1) /* not JSON, not an object, longer than any message */
#define LOAD_LINES_IO  (-2)

struct load_lines;

/* path NULL: standard input. NULL with errno. */
struct load_lines *load_lines_open(const char *path);
void load_lines_close(struct load_lines *lines); /* NULL allowed */

/* The next line, owned by the caller: 1; 0 at the end; LOAD_LINES_BAD or LOAD_LINES_IO, then
 * load_lines_error is its one line. Empty lines are passed over. */
int load_lines_next(struct load_lines *lines, json_t **line);
const char *load_lines_error(const struct load_lines *lines);
/* "FILE:LINE" of the line last returned. */
const char *load_lines_place(const struct load_lines *lines);

/* Members of a stream line; NULL when they are not there, or line is NULL. */
const char *load_lines_account(const json_t *line);
const char *load_lines_stream(const json_t *line);

/* The configuration of a new stream as JSON text, malloc'd: the line's "config"; without subjects
 * in it (and no mirror or sources) those of the messages in the next 4 MiB of input, which are
 * read ahead. NULL: "config" is no object, or memory. */
char *load_lines_config(struct load_lines *lines, const json_t *line, const char *stream);

/* The message of a msg line; its pointers are valid until the next call. NULL, or a constant text
 * that says what is wrong. */
const char *load_lines_message(struct load_lines *lines, const json_t *line,
                               struct atr_message *out);

#endif
