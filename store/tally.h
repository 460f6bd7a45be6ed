/* tally.h - messages per subject as a state file lists them, against what was read. */
#ifndef ATREST_STORE_TALLY_H
#define ATREST_STORE_TALLY_H

#include "store/index.h"

struct atr_tally_entry {
	const struct atr_index_subject *listed; /* borrowed; NULL = empty slot */
	uint64_t seen;
};

/* All zero lists nothing. */
struct atr_tally {
	struct atr_tally_entry *slot; /* open addressing, a power of two */
	size_t slots;
};

/* subject is borrowed until atr_tally_free. ATR_ENOMEM; ATR_EFORMAT, a subject listed twice. */
enum atr_status atr_tally_init(struct atr_tally *tally, const struct atr_index_subject *subject,
                               size_t count);

/* Counts one message; 0 when its subject is not listed. */
int atr_tally_see(struct atr_tally *tally, const char *name, size_t bytes);

/* The next subject, from *at on, of which another number was seen than listed; NULL at the end.
 * *at begins with 0. */
const struct atr_tally_entry *atr_tally_differing(const struct atr_tally *tally, size_t *at);

/* Forgets what was seen. */
void atr_tally_reset(struct atr_tally *tally);
void atr_tally_free(struct atr_tally *tally);

#endif
