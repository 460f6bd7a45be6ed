/* slice_threads.c - the timed region of a slice: its threads, and the loop of each operation. */
#include "harness/slice_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/measure/clock.h"
#include "harness/pacing.h"

/* Operations a thread takes at a time, so that threads seldom meet at the counter. */
#define CHUNK_MAX 64

/* A reader behind the writer looks again after so long; each look finds some messages. */
#define TAIL_WAIT_NS 50000

/* A publisher that is late looks for acknowledgements once in so long, so that they are not
 * recorded much later than they came. A look takes some 5 µs: a twentieth of its time at most. */
#define LATE_SERVE_NS 100000

/* An injected slowdown is waited for at once when this much is owed: reading the clock takes 20 ns,
 * which is more than some operations are to be slowed down by. */
#define INJECT_WAIT_NS 2000
/* As much of a wait that was too long is taken from the next ones: readings of the clock and the
 * machine's everyday interruptions. After a longer one the slowdown goes on soon, so that it shows
 * in the middle latency too. */
#define INJECT_CARRY_NS 100000

/* The next operations of a shared counter. 0 when there are none. */
static int take(struct slice *slice, _Atomic uint64_t *next, uint64_t count, uint64_t *first,
                uint64_t *last)
{
	*first = atomic_fetch_add_explicit(next, slice->chunk, memory_order_relaxed);
	if (*first >= count || atomic_load_explicit(&slice->stop, memory_order_relaxed))
		return 0;
	*last = count - *first < slice->chunk ? count : *first + slice->chunk;
	return 1;
}

/* When operation i began, or 0 when nobody asks. With each one recorded the end of the last one
 * is the start of the next, one reading of the clock an operation, unless others are on their way:
 * then what ended last may have ended long ago. */
static inline uint64_t start_of(struct thread *t, uint32_t every, uint64_t i, int on_their_way)
{
	if (every == 1 && !on_their_way)
		return t->now_ns;
	if (every != 0 && i % every == 0)
		return clock_ns();
	return 0;
}

/* Open loop: when operation i is to start. */
static inline uint64_t intended_ns(const struct thread *t, uint64_t i)
{
	return t->slice->started_ns + t->due_ns[i];
}

/* Operation i has ended. */
static inline void record_latency(struct thread *t, uint64_t i, uint64_t started_ns)
{
	if (started_ns == 0)
		return;
	t->now_ns = clock_ns();
	histogram_record(&t->latency, t->now_ns - started_ns);
	if (__builtin_expect(t->due_ns != NULL, 0))
		histogram_record(&t->response, t->now_ns - intended_ns(t, i));
}

/* One that is past is late, and starts at once: what the operations before it took longer is part
 * of its response time. */
static __attribute__((noinline)) int wait_until(struct thread *t, uint64_t at_ns)
{
	const struct target *target = t->slice->session->target;
	int serves = t->publisher != NULL && target->serve != NULL;
	int late;

	t->now_ns = clock_ns();
	late = t->now_ns >= at_ns;
	if (late && (!serves || t->now_ns - t->served_ns < LATE_SERVE_NS))
		return 0;
	t->served_ns = t->now_ns;
	if (serves && target->serve(t->publisher, at_ns, t->slice->spin_ns, &t->error) != 0)
		return -1;
	t->now_ns = pacing_wait(at_ns, t->slice->spin_ns);
	return 0;
}

/* Operation i may start. */
static inline int pace(struct thread *t, uint64_t i)
{
	return t->due_ns == NULL ? 0 : wait_until(t, intended_ns(t, i));
}

/* Waits as long as the operations so far owe, less what the last wait was too long, also where it
 * was interrupted: interruptions of the work are in both arms of a pair, those of the waits would
 * be in one of them. */
static __attribute__((noinline)) void inject_wait(struct injection *in)
{
	uint64_t started_ns;
	int64_t waited_ns = 0;

	in->owed_ns += (int64_t)in->ns;
	if (in->owed_ns < INJECT_WAIT_NS)
		return;
	started_ns = clock_ns();
	while (waited_ns < in->owed_ns)
		waited_ns = (int64_t)(clock_ns() - started_ns) + in->beside_ns;
	in->owed_ns -= waited_ns;
	if (in->owed_ns < -INJECT_CARRY_NS)
		in->owed_ns = -INJECT_CARRY_NS;
}

/* What a wait takes beside what it measures: half a reading of the clock at each end, and the call.
 * The least of some batches: one of them was not interrupted. */
static int64_t inject_beside_ns(void)
{
	int64_t least_ns = INJECT_WAIT_NS;

	for (unsigned batch = 0; batch < 16; batch++) {
		struct injection in = {.ns = INJECT_WAIT_NS};
		uint64_t started_ns = clock_ns();
		int64_t beside_ns;

		for (unsigned wait = 0; wait < 16; wait++)
			inject_wait(&in);
		beside_ns = (int64_t)(clock_ns() - started_ns) - (16 * INJECT_WAIT_NS - in.owed_ns);
		if (beside_ns / 16 < least_ns)
			least_ns = beside_ns / 16;
	}
	return least_ns;
}

/* Inside what is measured of an operation: its time, its CPU time and its latency. */
static inline void inject(struct thread *t)
{
	if (__builtin_expect(t->injection.ns != 0, 0))
		inject_wait(&t->injection);
}

static void publish_acked(void *arg, struct target_ticket ticket, uint64_t sequence)
{
	struct thread *t = arg;

	record_latency(t, ticket.op - t->slice->first_op, ticket.started_ns);
	t->acknowledged++;
	if (t->notes)
		generator_note(t->slice->session->generator, t->stream, sequence, ticket.op);
}

static int publish_loop(struct thread *t)
{
	struct slice *slice = t->slice;
	struct session *s = slice->session;
	const struct target *target = s->target;
	uint32_t every = s->setup.workload.latency_every;
	struct target_message m;
	uint64_t first, last;

	while (take(slice, &slice->next_publish, s->publishes, &first, &last)) {
		for (uint64_t i = first; i < last; i++) {
			if (pace(t, i) != 0)
				return -1;
			int on_their_way = t->acknowledged != t->operations;
			struct target_ticket ticket = {.op = slice->first_op + i,
			                               .started_ns =
			                                       start_of(t, every, i, on_their_way)};
			inject(t);
			generator_message(s->generator, t->stream, ticket.op, &m);
			if (target->submit(t->publisher, &m, ticket, &t->error) != 0)
				return -1;
			t->payload_bytes += m.payload_bytes;
			t->operations++;
		}
	}
	return target->drain(t->publisher, &t->error);
}

/* Operation i read one message as that sequence: it must be the right one. */
static int read_one(struct thread *t, uint64_t i, uint64_t sequence, const struct target_message *m,
                    uint64_t started_ns)
{
	record_latency(t, i, started_ns);
	t->payload_bytes += m->payload_bytes;
	t->operations++;
	t->checked++;
	return generator_check(t->slice->session->generator, t->stream, sequence, m, &t->error);
}

/* Operation i, its latency and figures recorded. every: as in start_of. */
typedef int operation_fn(struct thread *t, uint32_t every, uint64_t i);

/* The slice's operations of a kind, shared by its threads. */
static inline int each_operation(struct thread *t, _Atomic(uint64_t) *next, uint64_t count,
                                 operation_fn *operation)
{
	uint32_t every = t->slice->session->setup.workload.latency_every;
	uint64_t first, last;

	while (take(t->slice, next, count, &first, &last))
		for (uint64_t i = first; i < last; i++)
			if (pace(t, i) != 0 || operation(t, every, i) != 0)
				return -1;
	return 0;
}

static int get_one(struct thread *t, uint32_t every, uint64_t i)
{
	struct session *s = t->slice->session;
	uint64_t sequence = generator_sequence(s->generator, t->stream, i);
	uint64_t started_ns = start_of(t, every, i, 0);
	struct target_message m;

	inject(t);
	if (s->target->get(t->reader, sequence, &m, &t->error) != 0)
		return -1;
	return read_one(t, i, sequence, &m, started_ns);
}

static int random_loop(struct thread *t)
{
	return each_operation(t, &t->slice->next_read, t->slice->session->reads, get_one);
}

/* From the first message on, and again when the end is reached. */
static int sequential_loop(struct thread *t)
{
	struct session *s = t->slice->session;
	uint32_t every = s->setup.workload.latency_every;
	uint64_t filled = generator_filled(s->generator, t->stream);
	uint64_t sequence = 1;
	struct target_message m;

	for (uint64_t i = 0; i < t->quota; i++) {
		uint64_t started_ns = start_of(t, every, i, 0);
		int rc;
		inject(t);
		rc = s->target->next(t->reader, sequence, &m, &t->error);
		if (rc > 0)
			rc = target_fail(
			        &t->error, TARGET_VERIFY,
			        "reading ended before sequence %llu, expected %llu messages",
			        (unsigned long long)sequence, (unsigned long long)filled);
		if (rc != 0 || read_one(t, i, sequence, &m, started_ns) != 0)
			return -1;
		if (i % CHUNK_MAX == 0 &&
		    atomic_load_explicit(&t->slice->stop, memory_order_relaxed))
			return 0;
		sequence = sequence == filled ? 1 : sequence + 1;
	}
	return 0;
}

static int last_one(struct thread *t, uint32_t every, uint64_t i)
{
	struct session *s = t->slice->session;
	struct target_message m;
	size_t subject_bytes;
	const char *subject;
	uint64_t sequence = generator_last(s->generator, t->stream, i, &subject, &subject_bytes);
	uint64_t started_ns = start_of(t, every, i, 0);

	inject(t);
	if (s->target->last(t->reader, subject, &m, &t->error) != 0)
		return -1;
	return read_one(t, i, sequence, &m, started_ns);
}

static int last_loop(struct thread *t)
{
	return each_operation(t, &t->slice->next_read, t->slice->session->reads, last_one);
}

/* Each message of the stream as soon as it was acknowledged and the last look found nothing more,
 * until the publishers have ended and all is read. */
static int tail_loop(struct thread *t)
{
	static const struct timespec wait = {.tv_nsec = TAIL_WAIT_NS};
	struct slice *slice = t->slice;
	struct session *s = slice->session;
	uint64_t sequence = generator_filled(s->generator, t->stream) + 1;
	struct target_message m;

	while (!atomic_load_explicit(&slice->stop, memory_order_relaxed)) {
		int ended = atomic_load_explicit(&slice->publishing, memory_order_acquire) == 0;
		uint64_t written = generator_written(s->generator, t->stream);
		for (; sequence <= written; sequence++) {
			int rc;
			inject(t);
			rc = s->target->next(t->reader, sequence, &m, &t->error);
			if (rc > 0)
				rc = target_fail(&t->error, TARGET_VERIFY,
				                 "sequence %llu was acknowledged and is not there",
				                 (unsigned long long)sequence);
			if (rc != 0 || read_one(t, 0, sequence, &m, 0) != 0)
				return -1;
		}
		if (ended)
			return 0;
		nanosleep(&wait, NULL);
	}
	return 0;
}

static int delete_one(struct thread *t, uint32_t every, uint64_t i)
{
	struct session *s = t->slice->session;
	uint64_t sequence = generator_removal(s->generator, i);
	uint64_t started_ns = start_of(t, every, i, 0);
	struct target_message m;

	inject(t);
	if (s->target->remove(t->publisher, sequence, &t->error) != 0)
		return -1;
	record_latency(t, i, started_ns);
	generator_message(s->generator, t->stream, sequence - 1, &m);
	t->payload_bytes += m.payload_bytes;
	t->operations++;
	return 0;
}

static int remove_loop(struct thread *t)
{
	return each_operation(t, &t->slice->next_publish, t->slice->session->removals, delete_one);
}

static int whole_loop(struct thread *t)
{
	struct session *s = t->slice->session;
	uint32_t every = s->setup.workload.latency_every;

	for (uint64_t i = 0; i < s->passes; i++) {
		uint64_t started_ns = start_of(t, every, i, 0);
		inject(t);
		if (whole_call(t->slice, &t->error) != 0)
			return -1;
		record_latency(t, i, started_ns);
		t->operations += s->setup.workload.fill_messages;
		t->payload_bytes += s->fill_payload_bytes;
	}
	return 0;
}

/* The last thread ends the timed region. */
static void finish(struct slice *slice)
{
	struct session *s = slice->session;

	if (s->removals > 0 && s->target->compact(slice->place, &slice->error) != 0)
		slice->failed = 1;
	if (s->setup.workload.flush == WORKLOAD_FLUSH_ASYNC && s->publishes + s->removals > 0 &&
	    s->target->flush(slice->place, &slice->error) != 0)
		slice->failed = 1;
	slice->acked_ns = clock_ns();
	slice_owner_cpu(slice, &slice->cpu_acked);
	cpu_process_read(0, &slice->client_acked);
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	struct slice *slice = t->slice;

	if (slice->session->due_ns != NULL)
		pacing_start();
	if (pthread_barrier_wait(&slice->ready) == PTHREAD_BARRIER_SERIAL_THREAD) {
		cpu_process_read(0, &slice->client_started);
		slice_owner_cpu(slice, &slice->cpu_started);
		slice->started_ns = clock_ns();
	}
	pthread_barrier_wait(&slice->go);
	t->now_ns = slice->started_ns;
	t->failed = t->loop(t) != 0;
	if (t->failed)
		atomic_store(&slice->stop, 1);
	if (t->loop == publish_loop)
		atomic_fetch_sub_explicit(&slice->publishing, 1, memory_order_release);
	if (atomic_fetch_sub(&slice->running, 1) == 1)
		finish(slice);
	return NULL;
}

/* What thread number index of its kind does; with a publisher when writes is 1, with a reader
 * otherwise, with neither in operations on whole streams. */
static int thread_open(struct slice *slice, struct thread *t, uint32_t index, int writes,
                       struct target_error *error)
{
	static int (*const loops[])(struct thread *) = {
	        [WORKLOAD_READ_SEQUENTIAL] = sequential_loop,
	        [WORKLOAD_READ_RANDOM] = random_loop,
	        [WORKLOAD_MIXED] = random_loop,
	        [WORKLOAD_READ_LAST] = last_loop,
	        [WORKLOAD_TAIL] = tail_loop,
	};
	struct session *s = slice->session;
	const struct workload *w = &s->setup.workload;

	t->slice = slice;
	t->due_ns = s->due_ns;
	t->injection.ns = slice->order->injected_ns;
	t->injection.beside_ns = t->injection.ns > 0 ? inject_beside_ns() : 0;
	t->notes = generator_needs_notes(s->generator);
	t->stream = index % w->streams;
	histogram_init(&t->latency);
	histogram_init(&t->response);
	if (workload_is_whole(w)) {
		t->loop = whole_loop;
		return 0;
	}
	if (writes) {
		t->loop = s->removals > 0 ? remove_loop : publish_loop;
		return s->target->publisher_open(slice->place, t->stream, publish_acked, t,
		                                 &t->publisher, error);
	}
	t->loop = loops[w->operation];
	t->quota = s->reads / w->readers + (index < s->reads % w->readers);
	return s->target->reader_open(slice->place, t->stream, &t->reader, error);
}

int threads_open(struct slice *slice, struct target_error *error)
{
	struct session *s = slice->session;
	const struct workload *w = &s->setup.workload;
	uint32_t publishers = s->publishes + s->removals > 0 ? w->publishers : 0;
	uint32_t readers = s->reads > 0 ? w->readers : s->passes > 0;

	slice->threads = calloc((size_t)publishers + readers, sizeof(*slice->threads));
	if (slice->threads == NULL)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	slice->thread_count = publishers + readers;
	for (uint32_t i = 0; i < slice->thread_count; i++) {
		int writes = i < publishers;
		if (thread_open(slice, &slice->threads[i], writes ? i : i - publishers, writes,
		                error) != 0)
			return -1;
	}
	return 0;
}

void threads_close(struct slice *slice)
{
	for (uint32_t i = 0; i < slice->thread_count; i++) {
		slice->session->target->publisher_close(slice->threads[i].publisher);
		slice->session->target->reader_close(slice->threads[i].reader);
	}
	free(slice->threads);
}

int threads_run(struct slice *slice, struct target_error *error)
{
	uint32_t n = slice->thread_count;
	int rc = 0;

	slice->chunk = slice->session->setup.workload.messages / (16u * (uint64_t)n);
	if (slice->chunk > CHUNK_MAX)
		slice->chunk = CHUNK_MAX;
	/* Each of an open loop belongs to whoever is free when it is to start. */
	if (slice->chunk == 0 || slice->session->due_ns != NULL)
		slice->chunk = 1;
	slice->spin_ns = pacing_spin_ns(n);
	atomic_store(&slice->running, n);
	for (uint32_t i = 0; i < n; i++)
		slice->publishing += slice->threads[i].loop == publish_loop;
	pthread_barrier_init(&slice->ready, NULL, n);
	pthread_barrier_init(&slice->go, NULL, n);
	for (uint32_t i = 0; i < n; i++) {
		int failed = pthread_create(&slice->threads[i].id, NULL, thread_main,
		                            &slice->threads[i]);
		/* Those that started wait for this one for ever: nothing to be saved here. */
		if (failed != 0) {
			fprintf(stderr, "error: cannot start thread %u of %u: %s\n", i + 1, n,
			        strerror(failed));
			exit(4);
		}
	}
	for (uint32_t i = 0; i < n; i++)
		pthread_join(slice->threads[i].id, NULL);
	pthread_barrier_destroy(&slice->ready);
	pthread_barrier_destroy(&slice->go);
	if (slice->failed) {
		*error = slice->error;
		rc = -1;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (slice->threads[i].failed && rc == 0) {
			*error = slice->threads[i].error;
			rc = -1;
		}
	}
	return rc;
}
