/* scratch.h - files that only this process can read: a file table over another one that enciphers
 * what is written under a key that is never stored (inner).
 *
 * What a restore keeps on disk for a while lies there, so that a stream which is to be encrypted
 * leaves no clear text in freed sectors. A file is written once, from any offset, and not renamed:
 * its nonce follows from its path. Key streams of two files never meet, since the key is fresh and
 * paths differ.
 */
#ifndef ATREST_STORE_SCRATCH_H
#define ATREST_STORE_SCRATCH_H

#include "store/file.h"

struct scratch;

/* *table is valid until scratch_close. */
enum atr_status scratch_open(const struct atr_file_table *files, struct scratch **out,
                             const struct atr_file_table **table, struct atr_error *err);
/* Wipes the key: what was written can be read by nobody. NULL allowed. */
void scratch_close(struct scratch *s);

#endif
