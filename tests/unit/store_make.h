/* store_make.h - stores for tests: options, messages whose content follows from the sequence. */
#ifndef ATREST_TESTS_STORE_MAKE_H
#define ATREST_TESTS_STORE_MAKE_H

#include "store/store.h"
#include "tests/unit/store_fixture.h"

#define MAKE_KEY "s3cr3t"

extern const char *const make_ciphers[3]; /* none, chachapoly, aes */

/* Account "$G", stream "S", the test key where the cipher encrypts, no sync. */
struct atr_store_options make_options(const char *cipher);
/* DIR/jetstream/$G/streams/S in a static buffer. */
const char *make_stream_path(const char *dir);

/* Payload of at most payload_max bytes, subject and (every third) headers of a sequence. The
 * message points into static buffers. */
struct atr_message make_message(uint64_t sequence, size_t payload_max);
/* Appends count messages from the next sequence on. */
void make_append(struct atr_store *store, uint64_t count, size_t payload_max);
/* Fails unless m is what make_message gives for its sequence. */
void make_check(const struct atr_message *m, uint64_t sequence, size_t payload_max);
/* Reads first..last in order and by sequence, everything compared; nothing may follow. */
void make_check_all(struct atr_store *store, uint64_t first, uint64_t last, size_t payload_max);

/* A new store in DIR/<v>, DIR being the fixture's; dir receives it. */
struct atr_store *make_variant(void **state, unsigned v, const struct atr_store_options *o,
                               char dir[PATH_MAX]);
/* Closes it and opens it again. */
struct atr_store *make_reopen(struct atr_store *store, const struct atr_store_options *o,
                              const char *dir);

#endif
