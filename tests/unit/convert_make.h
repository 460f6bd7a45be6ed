/* convert_make.h - for the tests of conversions: everything a closed stream says, as text, so that
 * before and after can be compared; and a conversion in one call.
 */
#ifndef ATREST_TESTS_CONVERT_MAKE_H
#define ATREST_TESTS_CONVERT_MAKE_H

#include "store/file.h"
#include "store/inspect.h"
#include "tests/unit/store_fixture.h"

struct convert_keys {
	const char *key, *prev; /* NULL: none */
};

/* A directory tree copied, symbolic links and modes aside. */
void convert_make_copy(const char *from, const char *to);

/* Opens the stream and writes down messages (payload as digest), deleted sequences, state,
 * consumers with their state, and the cipher of nothing. *text is malloc'd, NULL unless ATR_OK.
 * findings: how many there were that are no notes. */
enum atr_status convert_make_text(const struct atr_place *place, const struct convert_keys *keys,
                                  char **text, unsigned *findings, struct atr_error *err);

/* files NULL: the real ones. cipher NULL: stays. */
enum atr_status convert_make_run(const struct atr_file_table *files, const struct atr_place *place,
                                 const struct convert_keys *keys, const char *cipher,
                                 enum atr_convert_for wanted_for, struct atr_convert_result *result,
                                 struct atr_error *err);

/* 1 when the stream's meta files open with the keys and are under that cipher. */
int convert_make_is(const struct atr_place *place, const struct convert_keys *keys,
                    const char *cipher);

/* Verifies the stream: under cipher and the key alone, no finding but notes. */
void convert_make_verify(const struct atr_place *place, const char *key, const char *cipher);

#endif
