/* run_fixture.h - what tests of whole runs share: programs, small workloads, and what is in the
 * folder of a result. */
#ifndef ATREST_TESTS_UNIT_RUN_FIXTURE_H
#define ATREST_TESTS_UNIT_RUN_FIXTURE_H

#include "tests/unit/harness_fixture.h"

#include <jansson.h>

#include "harness/output/samples.h"

#define ATREST ATREST_BINARY_DIR "/cli/atrest"
#define FAULTY ATREST_BINARY_DIR "/tests/faulty_worker"

#define FIXTURE_PATH_BYTES 4200

/* 200 messages of 300 bytes, as p.ini and r.ini. */
extern const char fixture_small_publish[];
void fixture_workloads(const char *directory);

void fixture_path(const char *directory, const char *name, char path[FIXTURE_PATH_BYTES]);

/* <directory>/<folder>/samples.csv, which can be read; the caller frees it. */
void fixture_samples(const char *directory, const char *folder, struct samples *out);
/* Member "run" of its machine.json, a new reference. */
json_t *fixture_run_member(const char *directory, const char *folder);

void fixture_expect_status(const struct fixture_output *out, int status);
/* Runs argv to its end, which is of this status; text is in what it says on standard error. */
void fixture_expect(const char *directory, const char *const argv[], int status, const char *text);

/* Ends a run into "out" by a signal once it has so many bytes of rows; its status. */
int fixture_end_after(const char *directory, const char *const argv[], off_t bytes, int number);
/* 0 when there is none. */
off_t fixture_file_bytes(const char *directory, const char *name);

#endif
