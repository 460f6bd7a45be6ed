/* generator.h - message i of a workload, and whether what was read back is message i.
 *
 * Holds the payload pool and the operations' tables, made before anything is timed. Messages are
 * numbered through: 0 .. fill_messages-1 were in the store before, the published ones follow.
 *
 * Which message has which sequence follows from the order of writing, except where several
 * publishers race: there each acknowledgement is noted, one word per message.
 */
#ifndef ATREST_HARNESS_GENERATOR_H
#define ATREST_HARNESS_GENERATOR_H

#include <stdint.h>

#include "harness/targets/target.h"
#include "workloads/workload.h"

struct generator;

/* NULL: memory. w is copied. */
struct generator *generator_new(const struct workload *w, uint64_t seed);
void generator_free(struct generator *g);

uint32_t generator_streams(const struct generator *g);

/* Message op as stream gets it: each stream has its own subjects. sequence is left 0. */
void generator_message(const struct generator *g, uint32_t stream, uint64_t op,
                       struct target_message *m);

/* "PREFIX.>": the subjects of a stream, for its configuration. */
void generator_subjects(const struct generator *g, uint32_t stream, char *text, size_t bytes);

/* Message op of the fill belongs to stream op % streams, with the next sequence there. */
uint64_t generator_filled(const struct generator *g, uint32_t stream);

/* The sequence that random read op asks for, of those known to be there. */
uint64_t generator_sequence(const struct generator *g, uint32_t stream, uint64_t op);
int generator_is_read(const struct generator *g, uint64_t op);

/* Forget what was published: the next slice starts from the fill (filled 1) or from nothing. */
void generator_reset(struct generator *g, int filled);
/* 1 when acknowledgements have to be noted: several publishers, or readers beside them. */
int generator_needs_notes(const struct generator *g);
/* op was acknowledged with sequence. From any thread. */
void generator_note(struct generator *g, uint32_t stream, uint64_t sequence, uint64_t op);
/* The op behind a sequence that was noted, such as one from generator_sequence. UINT64_MAX: nobody
 * noted it. */
uint64_t generator_op_of(const struct generator *g, uint32_t stream, uint64_t sequence);

/* 0 when m is, byte for byte, what was published as that sequence of the stream; -1 and *error
 * says where it differs. */
int generator_check(const struct generator *g, uint32_t stream, uint64_t sequence,
                    const struct target_message *m, struct target_error *error);

#endif
