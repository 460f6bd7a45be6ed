/* keys_file.h - a file of "key = value" lines, as workloads and demands are: the lines, not what
 * the keys mean.
 *
 * Comments begin with # or ;, one section may stand above the keys, each key at most once, lines of
 * at most 198 bytes (what inih takes), UTF-8 without control characters, 1 MiB in all. An error is
 * one line: "file:line: found, expected".
 */
#ifndef ATREST_WORKLOADS_KEYS_FILE_H
#define ATREST_WORKLOADS_KEYS_FILE_H

#include <stdio.h>

#define KEYS_FILE_ERROR_BYTES  512
#define KEYS_FILE_REASON_BYTES 400
#define KEYS_FILE_SHOWN_BYTES  84

struct keys_file {
	const char *section;   /* "workload": [workload], once, or none */
	const char *continued; /* the key that may go on over indented lines; NULL: none */
	void *arg;
	/* The key's own name, the same pointer each time, or NULL and a reason why it is none. */
	const char *(*find)(void *arg, const char *name, char reason[KEYS_FILE_REASON_BYTES]);
	/* Its value, joined by blanks from all its lines. 0, or -1 and a reason without the key. */
	int (*set)(void *arg, const char *name, const char *value,
	           char reason[KEYS_FILE_REASON_BYTES]);
};

/* Reads an open stream; name stands for the file in messages. The number of keys, or -1. */
int keys_file_read(const struct keys_file *what, FILE *in, const char *name,
                   char error[KEYS_FILE_ERROR_BYTES]);

/* Text of a file or of an argument in a message: printable and not too long. */
const char *keys_file_shown(const char *text, char out[KEYS_FILE_SHOWN_BYTES]);
int keys_file_is_utf8(const char *text);

#endif
