/* state.h - index.db of an open store: written at close and sync, believed at open. */
#ifndef ATREST_STORE_STATE_H
#define ATREST_STORE_STATE_H

#include "store/index.h"
#include "store/store_inner.h"

/* Writes index.db version 1 from the entries and the subjects, sealed under a cipher, atomically.
 * append_lock held, nothing pending. Above the server's bound (1,000,000 subjects or interior
 * deletes) an old one is removed instead. */
enum atr_status state_write(struct atr_store *store, struct atr_error *err);

/* Fills entries, subjects and totals from an index.db that fits the files (nats-file-store 12.3,
 * step 1) without reading a block but the end of the last one. *believed 0: it does not fit, the
 * store is as before. */
enum atr_status state_believe(struct atr_store *store, const struct atr_index *index, int *believed,
                              struct atr_error *err);

#endif
