/* state.h - index.db of an open store: written when nothing changes any more, believed at open.
 *
 * It stands only while it is true: the first change after open or after it was written takes it
 * away (store_prepare_append), so that no rule about what makes it stale is needed beside the
 * server's own. It is written at close, after a purge, and by the sync interval's timer when
 * nothing was appended for a whole interval: under load it would be stale at once.
 */
#ifndef ATREST_STORE_STATE_H
#define ATREST_STORE_STATE_H

#include "store/index.h"
#include "store/store_inner.h"

/* The text of index.db version 1 from the entries and the subjects. append_lock held, nothing
 * pending. *text is malloc'd, owned by the caller; NULL with ATR_OK: this store has none (see
 * state_write). */
enum atr_status state_encode(struct atr_store *store, uint8_t **text, size_t *text_bytes,
                             struct atr_error *err);

/* Writes index.db if something changed since it was written, sealed under a cipher, atomically;
 * synced unless ATR_SYNC_NONE. append_lock held, nothing pending. Without a block, after damage,
 * under format 2.9 and above the server's bound (1,000,000 subjects or interior deletes) there is
 * none. */
enum atr_status state_write(struct atr_store *store, struct atr_error *err);

#endif
