/* fixture_copy.h - a golden directory copied to where it may be damaged, and our program run on it.
 */
#ifndef ATREST_TESTS_COMPAT_FIXTURE_COPY_H
#define ATREST_TESTS_COMPAT_FIXTURE_COPY_H

#include <limits.h>

#include "tests/compat/program.h"

struct fixture_copy {
	char store[PATH_MAX];  /* the copied store_dir */
	char stream[PATH_MAX]; /* its only (or first) stream directory */
	char key[2048];        /* "" when it is clear text */
	char prev_key[2048];
};

/* name: "nats-2.15.1/basic-aes". Copied to DIR/TO. Asserts that it worked. */
void fixture_copy(struct fixture_copy *copy, const char *name, const char *dir, const char *to);

/* `atrest stream VERB ...` with JS_KEY = key ("" or NULL: none); up to five more words, NULL ends.
 */
void fixture_run(struct program_result *r, const char *key, const char *verb, const char *a,
                 const char *b, const char *c, const char *d, const char *e);

/* The msg, deleted and consumer lines of a dump as one text, sorted members, without "cipher";
 * malloc'd. */
char *fixture_dump(const char *key, const char *dir);

/* Number of lines that hold text. */
int fixture_lines_with(const char *text, const char *what);

/* One bit of the file flipped. */
void fixture_flip(const char *dir, const char *name, long offset);

#endif
