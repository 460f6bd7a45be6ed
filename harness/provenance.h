/* provenance.h - what produced a result: machine.json.
 *
 * The fingerprint of the machine (measure/machine.h) and a member "run": seed, arms, programs,
 * directories, providers, messages and rounds of each cell, start, end, warnings. Never the server
 * key.
 */
#ifndef ATREST_HARNESS_PROVENANCE_H
#define ATREST_HARNESS_PROVENANCE_H

#include <jansson.h>

#include "harness/orders.h"
#include "harness/run.h"

struct provenance {
	json_t *machine; /* fingerprint */
	json_t *run;
	json_t *warnings;
};

/* 0, or -1: memory. slices: of the plan; hellos: one per program of the request. */
int provenance_start(struct provenance *p, const struct run_options *options, size_t slices,
                     const struct order_hello *hellos);
/* 1 when two objects are of the same machine, file systems, kernel, libraries and programs; else 0
 * and text says what is not. */
int provenance_is_same(const json_t *was, const json_t *is, char text[512]);
/* It goes on with what machine.json said: start, arguments and warnings are kept, what it had
 * learned of libraries as well, and when it was resumed behind how many rows is added. */
void provenance_resume(struct provenance *p, const json_t *machine, size_t rows);
/* What enciphers in an arm of that cipher. */
void provenance_library(struct provenance *p, const char *cipher, const char *library);
/* 1 when this warning is new. */
int provenance_warn(struct provenance *p, const char *text);
/* The object to be written, complete or not: a new reference, NULL: memory. */
json_t *provenance_json(struct provenance *p, const struct plan *plan,
                        const struct run_options *options, const struct run_result *result,
                        int finished);
void provenance_free(struct provenance *p);

#endif
