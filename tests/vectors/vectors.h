/* vectors.h - known answers from JSON files; a test that cannot read its file fails.
 *
 * Everything lives until the process ends: a test program is short.
 */
#ifndef ATREST_TESTS_VECTORS_H
#define ATREST_TESTS_VECTORS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
	uint8_t *data; /* never NULL */
	size_t count;
};

/* tests/vectors/<file>, its member of that name (an array or object); aborts the test program
 * with a message when there is none. The caller decrefs nothing: roots are kept. */
const json_t *vectors_load(const char *file, const char *member);
/* Releases every file loaded. */
void vectors_free(void);

/* A member that is hexadecimal or text; fails the test when absent. The caller frees data. */
struct bytes vectors_hex(const json_t *object, const char *member);
const char *vectors_text(const json_t *object, const char *member);

#endif
