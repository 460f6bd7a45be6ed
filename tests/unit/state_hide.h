/* state_hide.h - a deletion that only index.db will know, as a server's limits and old servers make
 * them. */
#ifndef ATREST_TESTS_STATE_HIDE_H
#define ATREST_TESTS_STATE_HIDE_H

#include "store/store_inner.h"

/* Makes a live message deleted in what the open store knows of its blocks and subjects, in no
 * record. The message must not be its block's only one. */
void state_hide(struct atr_store *store, uint64_t sequence);

#endif
