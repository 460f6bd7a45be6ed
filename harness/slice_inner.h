/* slice_inner.h - what the files of a slice share: slice.c before and after, slice_threads.c the
 * timed region, slice_whole.c operations on whole streams.
 */
#ifndef ATREST_HARNESS_SLICE_INNER_H
#define ATREST_HARNESS_SLICE_INNER_H

#include <pthread.h>
#include <stdatomic.h>

#include "ciphers/cipher.h"
#include "harness/generator.h"
#include "harness/measure/cpu.h"
#include "harness/measure/histogram.h"
#include "harness/slice.h"

struct session {
	struct order setup;
	const struct target *target;
	const struct atr_cipher *cipher;
	struct target_options options;
	struct target_server server;  /* its texts are setup's */
	struct target_options before; /* convert: what a stream was */
	uint8_t *previous_key;        /* secret memory; rotate only */
	struct generator *generator;
	uint64_t publishes; /* of one slice */
	uint64_t reads;
	uint64_t removals;
	uint64_t passes;             /* over whole streams */
	uint64_t fill_payload_bytes; /* of one such pass */
	uint64_t *due_ns;            /* open loop: when operation i is to start, after the slice's
	                                beginning; NULL: as soon as possible */
	char filled[4096];           /* what session_fill made last; "" = nothing yet */
	char source[4096];           /* restore: snapshots are made there once; "" = not yet */
};

/* A slowdown of each operation. */
struct injection {
	uint64_t ns;       /* of the order; 0: none */
	int64_t owed_ns;   /* of it, not yet waited */
	int64_t beside_ns; /* what a wait takes that it does not see */
};

/* What a thread of the timed region works on and leaves behind. */
struct thread {
	struct slice *slice;
	pthread_t id;
	int (*loop)(struct thread *t);
	uint32_t stream;
	int notes;      /* which sequence a message got does not follow from the order */
	uint64_t quota; /* sequential readers: how many */
	struct target_publisher *publisher;
	struct target_reader *reader;
	const uint64_t *due_ns; /* of the session */
	uint64_t now_ns;        /* last reading of the clock */
	uint64_t served_ns;     /* when the target last took acknowledgements between operations */
	struct injection injection;
	uint64_t payload_bytes;
	uint64_t operations;
	uint64_t acknowledged;
	uint64_t checked;
	int failed;
	struct target_error error;
	struct histogram latency;  /* from its start, the service time */
	struct histogram response; /* from its intended start; empty in a closed loop */
};

struct slice {
	struct session *session;
	const struct order *order;
	struct target_place *place; /* NULL for operations on closed streams */
	pthread_barrier_t ready, go;
	_Atomic uint64_t next_publish, next_read;
	uint64_t chunk;
	uint64_t spin_ns;  /* pacing.h */
	uint64_t first_op; /* of what is published: after the fill */
	_Atomic int stop;
	_Atomic uint32_t running;
	_Atomic uint32_t publishing; /* threads that append and have not ended */
	uint32_t thread_count;
	struct thread *threads;
	/* the timed region */
	uint64_t started_ns, acked_ns, synced_ns;
	struct cpu_process cpu_started, cpu_acked;       /* of the process that owns the streams */
	struct cpu_process client_started, client_acked; /* of this one */
	struct cpu_process cpu_ended;                    /* of owners that have ended since */
	int failed;
	struct target_error error;
};

/* ---- slice.c ---- */

/* The process that owns the streams: 0 this one, -1 unknown, or not there yet. */
pid_t slice_owner(const struct slice *slice);
/* The CPU time of the owner, those that have ended included. */
void slice_owner_cpu(const struct slice *slice, struct cpu_process *out);

/* session_fill with other options: of another cipher or key. */
int slice_fill(struct session *session, const struct target_options *as, const char *directory,
               struct target_error *error);

/* ---- slice_threads.c ---- */

/* Threads of the workload's operation, with their readers and publishers. 0, or -1 and *error. */
int threads_open(struct slice *slice, struct target_error *error);
/* Starts all, waits for all; the first failure is the slice's. */
int threads_run(struct slice *slice, struct target_error *error);
void threads_close(struct slice *slice);

/* ---- slice_whole.c ---- */

/* What a stream was before it is converted. 0, or -1 and *error. */
int whole_open(struct session *s, struct target_error *error);
void whole_close(struct session *s);
/* What the timed call finds: a stream to be converted, snapshots to be restored. */
int whole_before(struct session *s, const char *directory, struct target_error *error);
/* The timed call itself: all messages of all streams once. */
int whole_call(struct slice *slice, struct target_error *error);
/* Before the streams are opened again: is every block converted; is a snapshot worth something,
 * when the order asks for a control? */
int whole_after(struct slice *slice, uint64_t *checked, struct target_error *error);

#endif
