/* controls.h - is what a slice left really there, really enciphered, and shut to another key?
 *
 * A benchmark of encryption that does not encipher, or does not store, is fast; so nothing
 * counts until it was looked at from outside the timed region:
 *   read      every message of the store against the generator, count and sequences included
 *   canary    subject and payload of known messages, searched in every file: all there in
 *             plaintext, none there under a cipher
 *   key       the store does not open with another key
 */
#ifndef ATREST_HARNESS_CONTROLS_H
#define ATREST_HARNESS_CONTROLS_H

#include "harness/generator.h"

/* Messages of a place, checked one by one in order; what the generator counts as gone must be.
 * `expected` were there, those included. *checked grows by the messages compared.
 * 0, or -1 and *error (TARGET_VERIFY unless reading failed otherwise). */
int controls_read_all(const struct target *target, const struct generator *g,
                      const struct workload *w, struct target_place *place, uint64_t expected,
                      uint64_t *checked, struct target_error *error);

/* A few of each stream: the first, the last, some in between. */
int controls_read_some(const struct target *target, const struct generator *g,
                       const struct workload *w, struct target_place *place, uint64_t expected,
                       uint64_t *checked, struct target_error *error);

/* The same as controls_read_all, of a store that is closed. */
int controls_read_closed(const struct target *target, const struct target_options *options,
                         const char *directory, uint64_t expected, uint64_t *checked,
                         struct target_error *error);

/* All three, on a closed store of `expected` messages, those that were removed included. */
int controls_store(const struct target *target, const struct target_options *options,
                   const char *directory, uint64_t expected, uint64_t *checked,
                   struct target_error *error);

/* The canary alone: 0 when every file below directory is as the cipher promises. */
int controls_canary(const struct generator *g, const char *directory, int enciphered,
                    struct target_error *error);

#endif
