/* store_fixture.h - what the store's tests share: a temporary directory, known answers, files.
 *
 * Everything asserts (cmocka) instead of returning errors.
 */
#ifndef ATREST_TESTS_STORE_FIXTURE_H
#define ATREST_TESTS_STORE_FIXTURE_H

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "store/status.h"

/* A fresh directory under $TMPDIR or /tmp; fixture_remove deletes it with all below. */
void fixture_make(char path[PATH_MAX]);
void fixture_remove(const char *path);
/* From here on below /dev/shm where there is one and $TMPDIR is not set: for thousands of short
 * files, which some disks make slower and slower. */
void fixture_prefer_memory(void);
/* cmocka setup and teardown: *state is the path, malloc'd. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* DIR/NAME in one of four static buffers. */
const char *fixture_path(const char *directory, const char *name);
/* Whole file, malloc'd; NULL when it is missing. */
uint8_t *fixture_read(const char *path, size_t *bytes);
void fixture_write(const char *path, const void *content, size_t bytes);
int fixture_exists(const char *path);
/* Number of open descriptors of this process. */
int fixture_descriptors(void);
/* Entries below path, all levels, whose name ends in suffix ("" = all files). */
int fixture_count(const char *path, const char *suffix);
/* A digest over names and contents of everything below path. */
uint64_t fixture_digest(const char *path);

/* tests/vectors/vectors.json; the caller decrefs. */
json_t *fixture_vectors(void);
/* Text member of an object. */
const char *fixture_text(const json_t *object, const char *member);
/* Hex member, malloc'd. */
uint8_t *fixture_hex(const json_t *object, const char *member, size_t *bytes);

/* Fails with the error's line unless status is the expected one. */
void fixture_status(enum atr_status status, enum atr_status expected, const struct atr_error *err);
#define assert_ok(status, err)           fixture_status((status), ATR_OK, (err))
#define assert_status(status, want, err) fixture_status((status), (want), (err))

#endif
