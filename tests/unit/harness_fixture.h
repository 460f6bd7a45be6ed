/* harness_fixture.h - what the harness's tests share: cmocka, a temporary directory, and running
 * a program to its end.
 */
#ifndef ATREST_TESTS_UNIT_HARNESS_FIXTURE_H
#define ATREST_TESTS_UNIT_HARNESS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <cmocka.h>

/* setup and teardown of cmocka: *state is the path of a directory of the test's own. */
int fixture_directory_make(void **state);
int fixture_directory_remove(void **state);

/* A program's end and what it wrote. */
struct fixture_output {
	int status;     /* of exit; 128 + number when a signal ended it */
	char *standard; /* NUL-terminated, freed by fixture_output_free */
	char *error;
};

/* Runs argv in directory to its end. */
void fixture_run(const char *directory, const char *const argv[], struct fixture_output *out);
void fixture_output_free(struct fixture_output *out);

/* Starts it; standard output and error go to files of these names in the directory. */
pid_t fixture_start(const char *directory, const char *const argv[]);
/* Waits for it; status as above. */
int fixture_wait(pid_t pid);

struct samples;
/* Takes out the rows that were set aside and run again: how many there are is up to what else the
 * machine did. */
void fixture_drop_set_aside(struct samples *samples);

/* A whole file as text, NULL when it is not there; the caller frees it. */
char *fixture_read(const char *directory, const char *name);
void fixture_write(const char *directory, const char *name, const char *text);
/* Entries of directory whose name begins with prefix. */
size_t fixture_count(const char *directory, const char *prefix);

#endif
