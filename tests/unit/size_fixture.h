/* size_fixture.h - results of invented rows, and `atrest size` run on them. */
#ifndef ATREST_TESTS_SIZE_FIXTURE_H
#define ATREST_TESTS_SIZE_FIXTURE_H

#include <jansson.h>

#include "harness/output/samples.h"

/* Where results are and the program runs; made by synthetic_folder. */
extern char size_folder[64];

/* A result in that folder: rows, and this machine or, with a name of another CPU, another one. */
void size_write_result(const char *name, const struct samples *s, const char *cpu);
/* Reading cells of the synthetic suites have publishers: none then. */
void size_set_readers(struct samples *s);

/* Runs "atrest size ARGUMENTS" in the folder. Its exit code; the outputs are malloc'd. */
int size_run(const char *arguments, char **out, char **err);
/* "atrest size --json ARGUMENTS", which succeeds: a new reference. */
json_t *size_plan(const char *arguments);
const json_t *size_cipher_of(const json_t *json, size_t index);
/* A figure, of an interval its value. */
double size_number(const json_t *object, const char *member);

#endif
