/* program.h - runs our program as people do, and keeps what it said. */
#ifndef ATREST_TESTS_COMPAT_PROGRAM_H
#define ATREST_TESTS_COMPAT_PROGRAM_H

#include <stddef.h>

struct program_result {
	int code; /* exit code; 128 + signal when one ended it */
	char *out, *err;
	size_t out_bytes;
};

/* Runs atrest with the arguments (NULL-terminated, without the program's name). env: "NAME=value"
 * strings besides the inherited environment, from which JS_KEY is left out; NULL-terminated, NULL
 * = none. input: file for stdin, NULL = /dev/null. Asserts (cmocka) that it could be run. */
void program_run(struct program_result *result, const char *const *arguments,
                 const char *const *env, const char *input);
void program_free(struct program_result *result);

#endif
