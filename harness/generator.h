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
/* Operation read-last: the subject that read op asks for, that of a message drawn as above; NUL-
 * terminated, kept in g. Returns the sequence of its last message. */
uint64_t generator_last(const struct generator *g, uint32_t stream, uint64_t op,
                        const char **subject, size_t *subject_bytes);
/* The same of a subject as text, one of the generator's own. */
uint64_t generator_last_of(const struct generator *g, uint32_t stream, const char *subject);
/* Readers beside publishers: every sequence up to it was acknowledged. */
uint64_t generator_written(const struct generator *g, uint32_t stream);

/* The sequence that removal op takes out, of stream 0; each of the fill at most once. */
uint64_t generator_removal(const struct generator *g, uint64_t op);
/* All removals were done, or everything was purged: until generator_reset, they are gone. */
void generator_note_removals(struct generator *g);
void generator_note_purge(struct generator *g);
/* The first sequence at or above this one, up to last, whose message is not gone; UINT64_MAX: none.
 * How many of the fill are gone. */
uint64_t generator_live(const struct generator *g, uint64_t sequence, uint64_t last);
uint64_t generator_gone(const struct generator *g);
/* Payload bytes of the whole fill of all streams. */
uint64_t generator_fill_payload_bytes(const struct generator *g);

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
