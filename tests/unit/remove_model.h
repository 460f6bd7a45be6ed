/* remove_model.h - random operations on a store, compared with a model in memory. */
#ifndef ATREST_TESTS_REMOVE_MODEL_H
#define ATREST_TESTS_REMOVE_MODEL_H

#include "store/store.h"

/* Creates a stream below DIR/NUMBER and applies `steps` operations that follow from seed: append
 * (some with a gap), delete, purge of all kinds, compact, truncate, erase, compaction, sync,
 * reopen, and a copy of the directory after a sync, opened as if the process had been killed.
 * Everything that can be read is compared after each reopen. */
void model_run(const char *dir, unsigned number, const struct atr_store_options *options,
               uint64_t seed, unsigned steps);

#endif
