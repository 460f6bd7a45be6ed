/* target_fixture.h - places on real servers, for the tests of targets nats and server.
 */
#ifndef ATREST_TESTS_COMPAT_TARGET_FIXTURE_H
#define ATREST_TESTS_COMPAT_TARGET_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/slice.h"
#include "harness/targets/nats_server.h"

#define TARGET_FIXTURE_KEY "k0123456789abcdef0123456789abcdef"

struct target_version {
	const char *wanted;
	char program[NATS_SERVER_PATH_BYTES];
	char found[NATS_SERVER_VERSION_BYTES];
};

/* 2.9.10 and 2.15.1. */
enum { TARGET_VERSION_COUNT = 2 };
extern struct target_version target_versions[TARGET_VERSION_COUNT];
#define TARGET_OLD (&target_versions[0])
#define TARGET_NEW (&target_versions[1])

/* For main: finds both. 0, or 77 and a line that says which is missing. */
int target_fixture_find(void);

/* cmocka's set-up and tear-down: *state is a path of a directory of the test's own, removed again.
 */
int target_fixture_make(void **state);
int target_fixture_remove(void **state);

/* A small workload of that operation on target nats: 300 messages (fill: 300) of 1 KiB over 7
 * subjects, every other one with headers. */
void target_fixture_order(struct order *setup, const struct target_version *version,
                          const char *cipher, enum workload_operation operation);

/* What a slice's session makes of it, for the functions of the target themselves. Constant while
 * setup lives; one at a time. */
const struct target_options *target_fixture_options(const struct order *setup);

#endif
