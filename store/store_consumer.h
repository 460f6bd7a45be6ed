/* store_consumer.h - the consumers of an open store (inner).
 *
 * Each is read when it is first named and then kept; what changed is written, as a whole o.dat each
 * time, by sync and close. One lock for all of them, taken last: nothing else is locked under it.
 */
#ifndef ATREST_STORE_STORE_CONSUMER_H
#define ATREST_STORE_STORE_CONSUMER_H

#include <jansson.h>

#include "store/consumer.h"
#include "store/store_inner.h"

struct store_consumers *store_consumers_new(void); /* NULL: memory */
void store_consumers_free(struct store_consumers *consumers);

/* Writes the o.dat of every consumer that changed since. What could not be written is tried again
 * by the next call. */
enum atr_status store_consumers_write(struct atr_store *store, struct atr_error *err);

/* Makes a consumer of that configuration (whole object, borrowed) in that state, as a restore
 * does. ATR_EEXISTS. */
enum atr_status store_consumer_make(struct atr_store *store, const char *name, json_t *config,
                                    const struct atr_consumer_state *state, struct atr_error *err);

/* ATR_EINVAL unless name may be that of a stream or consumer ("what"). In store.c. */
enum atr_status store_check_name(const char *what, const char *name, struct atr_error *err);

#endif
