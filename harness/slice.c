/* slice.c - see slice.h. */
#include "harness/slice.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "ciphers/cipher.h"
#include "harness/controls.h"
#include "harness/generator.h"
#include "harness/measure/clock.h"
#include "harness/measure/cpu.h"
#include "harness/measure/disk.h"
#include "harness/measure/filesystem.h"
#include "harness/measure/histogram.h"

/* Operations a thread takes at a time, so that threads seldom meet at the counter. */
#define CHUNK_MAX 64

struct session {
	struct order setup;
	const struct target *target;
	const struct atr_cipher *cipher;
	struct target_options options;
	struct generator *generator;
	uint64_t publishes; /* of one slice */
	uint64_t reads;
};

/* What a thread of the timed region works on and leaves behind. */
struct thread {
	struct slice *slice;
	pthread_t id;
	uint32_t stream;
	int reads;
	int notes;      /* which sequence a message got does not follow from the order */
	uint64_t quota; /* sequential readers: how many */
	struct target_publisher *publisher;
	struct target_reader *reader;
	uint64_t now_ns; /* last reading of the clock */
	uint64_t payload_bytes;
	uint64_t operations;
	uint64_t checked;
	int failed;
	struct target_error error;
	struct histogram latency;
};

struct slice {
	struct session *session;
	struct target_place *place;
	pthread_barrier_t ready, go;
	_Atomic uint64_t next_publish, next_read;
	uint64_t chunk;
	uint64_t first_op; /* of what is published: after the fill */
	_Atomic int stop;
	_Atomic uint32_t running;
	uint32_t thread_count;
	struct thread *threads;
	/* the timed region */
	uint64_t started_ns, acked_ns, synced_ns;
	struct cpu_process cpu_started, cpu_acked;
	int failed;
	struct target_error error;
};

/* ---- session ---- */

static int writes(const struct session *s)
{
	enum workload_operation op = s->setup.workload.operation;

	return op == WORKLOAD_PUBLISH || op == WORKLOAD_MIXED;
}

static void count_operations(struct session *s)
{
	const struct workload *w = &s->setup.workload;

	s->publishes = w->operation == WORKLOAD_PUBLISH ? w->messages : 0;
	s->reads = w->operation == WORKLOAD_PUBLISH ? 0 : w->messages;
	if (w->operation != WORKLOAD_MIXED)
		return;
	s->reads = 0;
	for (uint64_t i = 0; i < w->messages; i++)
		s->reads += (uint64_t)generator_is_read(s->generator, i);
	s->publishes = w->messages - s->reads;
}

int session_open(const struct order *setup, const uint8_t *key, struct session **out,
                 struct target_error *error)
{
	struct session *s = calloc(1, sizeof(*s));
	const char *provider = setup->provider[0] == '\0' ? NULL : setup->provider;

	*out = NULL;
	if (s == NULL)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	s->setup = *setup;
	s->target = target_find(setup->target);
	s->cipher = atr_cipher_find(setup->cipher, provider);
	if (s->target == NULL)
		target_fail(error, TARGET_USAGE, "unknown target '%s', expected one of %s",
		            setup->target, target_names());
	else if (s->cipher == NULL)
		target_fail(error, TARGET_USAGE, "no cipher '%s' of provider '%s'", setup->cipher,
		            setup->provider);
	else if ((s->generator = generator_new(&setup->workload, setup->seed)) == NULL)
		target_fail(error, TARGET_SYSTEM, "out of memory for a payload pool of %zu bytes",
		            workload_pool_bytes(&setup->workload));
	else
		*out = s;
	if (*out == NULL) {
		free(s);
		return -1;
	}
	s->options =
	        (struct target_options){.workload = &s->setup.workload,
	                                .generator = s->generator,
	                                .cipher = s->setup.cipher,
	                                .provider = provider == NULL ? NULL : s->setup.provider,
	                                .key = key,
	                                .key_bytes = setup->key_bytes};
	count_operations(s);
	return 0;
}

void session_close(struct session *session)
{
	if (session == NULL)
		return;
	generator_free(session->generator);
	free(session);
}

const char *session_library(const struct session *session)
{
	return atr_cipher_library(session->cipher);
}

/* ---- filling ---- */

static void fill_acked(void *arg, struct target_ticket ticket, uint64_t sequence)
{
	(void)arg;
	(void)ticket;
	(void)sequence;
}

static int fill_place(struct session *s, struct target_place *place, struct target_error *error)
{
	const struct target *target = s->target;
	const struct workload *w = &s->setup.workload;
	struct target_message m;
	int rc = 0;

	for (uint32_t stream = 0; rc == 0 && stream < w->streams; stream++) {
		struct target_publisher *p = NULL;
		rc = target->publisher_open(place, stream, fill_acked, NULL, &p, error);
		for (uint64_t op = stream; rc == 0 && op < w->fill_messages; op += w->streams) {
			generator_message(s->generator, stream, op, &m);
			rc = target->submit(p, &m, (struct target_ticket){.op = op}, error);
		}
		if (rc == 0)
			rc = target->drain(p, error);
		target->publisher_close(p);
	}
	if (rc == 0)
		rc = target->sync(place, error);
	return rc;
}

int session_fill(struct session *session, const char *directory, struct target_error *error)
{
	struct target_options fill = session->options;
	struct target_place *place = NULL;
	struct target_error why;
	int rc;

	fill.use = TARGET_FILL;
	generator_reset(session->generator, 1);
	rc = session->target->create(&fill, directory, &place, error);
	if (rc == 0)
		rc = fill_place(session, place, error);
	if (session->target->close(place, 1, &why) != 0 && rc == 0) {
		*error = why;
		rc = -1;
	}
	return rc;
}

/* ---- the timed region ---- */

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
 * is the start of the next: one reading of the clock an operation. */
static inline uint64_t start_of(struct thread *t, uint32_t every, uint64_t i)
{
	if (every == 1)
		return t->now_ns;
	if (every != 0 && i % every == 0)
		return clock_ns();
	return 0;
}

static inline void record_latency(struct thread *t, uint64_t started_ns)
{
	if (started_ns == 0)
		return;
	t->now_ns = clock_ns();
	histogram_record(&t->latency, t->now_ns - started_ns);
}

static void publish_acked(void *arg, struct target_ticket ticket, uint64_t sequence)
{
	struct thread *t = arg;

	record_latency(t, ticket.started_ns);
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
			struct target_ticket ticket = {.op = slice->first_op + i,
			                               .started_ns = start_of(t, every, i)};
			generator_message(s->generator, t->stream, ticket.op, &m);
			if (target->submit(t->publisher, &m, ticket, &t->error) != 0)
				return -1;
			t->payload_bytes += m.payload_bytes;
		}
		t->operations += last - first;
	}
	return target->drain(t->publisher, &t->error);
}

/* One message was read as that sequence: it must be the right one. */
static int read_one(struct thread *t, uint64_t sequence, const struct target_message *m,
                    uint64_t started_ns)
{
	record_latency(t, started_ns);
	t->payload_bytes += m->payload_bytes;
	t->operations++;
	t->checked++;
	return generator_check(t->slice->session->generator, t->stream, sequence, m, &t->error);
}

static int random_loop(struct thread *t)
{
	struct slice *slice = t->slice;
	struct session *s = slice->session;
	uint32_t every = s->setup.workload.latency_every;
	struct target_message m;
	uint64_t first, last;

	while (take(slice, &slice->next_read, s->reads, &first, &last)) {
		for (uint64_t i = first; i < last; i++) {
			uint64_t sequence = generator_sequence(s->generator, t->stream, i);
			uint64_t started_ns = start_of(t, every, i);
			if (s->target->get(t->reader, sequence, &m, &t->error) != 0 ||
			    read_one(t, sequence, &m, started_ns) != 0)
				return -1;
		}
	}
	return 0;
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
		uint64_t started_ns = start_of(t, every, i);
		int rc = s->target->next(t->reader, sequence, &m, &t->error);
		if (rc > 0)
			rc = target_fail(
			        &t->error, TARGET_VERIFY,
			        "reading ended before sequence %llu, expected %llu messages",
			        (unsigned long long)sequence, (unsigned long long)filled);
		if (rc != 0 || read_one(t, sequence, &m, started_ns) != 0)
			return -1;
		if (i % CHUNK_MAX == 0 &&
		    atomic_load_explicit(&t->slice->stop, memory_order_relaxed))
			return 0;
		sequence = sequence == filled ? 1 : sequence + 1;
	}
	return 0;
}

/* The last thread ends the timed region. */
static void finish(struct slice *slice)
{
	struct session *s = slice->session;

	if (s->setup.workload.flush == WORKLOAD_FLUSH_ASYNC && s->publishes > 0 &&
	    s->target->flush(slice->place, &slice->error) != 0)
		slice->failed = 1;
	slice->acked_ns = clock_ns();
	cpu_process_read(0, &slice->cpu_acked);
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	struct slice *slice = t->slice;

	if (pthread_barrier_wait(&slice->ready) == PTHREAD_BARRIER_SERIAL_THREAD) {
		cpu_process_read(0, &slice->cpu_started);
		slice->started_ns = clock_ns();
	}
	pthread_barrier_wait(&slice->go);
	t->now_ns = slice->started_ns;
	if (!t->reads)
		t->failed = publish_loop(t) != 0;
	else if (slice->session->setup.workload.operation == WORKLOAD_READ_SEQUENTIAL)
		t->failed = sequential_loop(t) != 0;
	else
		t->failed = random_loop(t) != 0;
	if (t->failed)
		atomic_store(&slice->stop, 1);
	if (atomic_fetch_sub(&slice->running, 1) == 1)
		finish(slice);
	return NULL;
}

static int threads_open(struct slice *slice, struct target_error *error)
{
	struct session *s = slice->session;
	const struct workload *w = &s->setup.workload;
	uint32_t publishers = s->publishes > 0 ? w->publishers : 0;
	uint32_t readers = s->reads > 0 ? w->readers : 0;

	slice->threads = calloc((size_t)publishers + readers, sizeof(*slice->threads));
	if (slice->threads == NULL)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	slice->thread_count = publishers + readers;
	for (uint32_t i = 0; i < slice->thread_count; i++) {
		struct thread *t = &slice->threads[i];
		uint32_t index = i < publishers ? i : i - publishers;
		t->slice = slice;
		t->reads = i >= publishers;
		t->notes = generator_needs_notes(s->generator);
		t->stream = index % w->streams;
		histogram_init(&t->latency);
		if (t->reads)
			t->quota = s->reads / readers + (index < s->reads % readers);
		if (t->reads ? s->target->reader_open(slice->place, t->stream, &t->reader, error)
		             : s->target->publisher_open(slice->place, t->stream, publish_acked, t,
		                                         &t->publisher, error))
			return -1;
	}
	return 0;
}

static void threads_close(struct slice *slice)
{
	for (uint32_t i = 0; i < slice->thread_count; i++) {
		slice->session->target->publisher_close(slice->threads[i].publisher);
		slice->session->target->reader_close(slice->threads[i].reader);
	}
	free(slice->threads);
}

/* Starts all, waits for all; the first failure is the slice's. */
static int run_threads(struct slice *slice, struct target_error *error)
{
	uint32_t n = slice->thread_count;
	int rc = 0;

	slice->chunk = slice->session->setup.workload.messages / (16u * (uint64_t)n);
	if (slice->chunk > CHUNK_MAX)
		slice->chunk = CHUNK_MAX;
	if (slice->chunk == 0)
		slice->chunk = 1;
	atomic_store(&slice->running, n);
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

/* ---- rows ---- */

/* What else is read before and after. */
struct surroundings {
	struct cpu_machine machine;
	struct cpu_process process;
	struct disk_device device;
	struct target_counters counters;
};

static void surroundings_read(const struct slice *slice, struct surroundings *out)
{
	struct rusage usage;

	memset(out, 0, sizeof(*out));
	slice->session->target->counters(slice->place, &out->counters);
	/* A process that may not be dumped may not read its own /proc/self/io, root excepted; the
	 * kernel gives the same counters in units of 512 bytes here. */
	if (disk_device_read(0, &out->device) != 0 && getrusage(RUSAGE_SELF, &usage) == 0) {
		out->device.read_bytes = (uint64_t)usage.ru_inblock * 512;
		out->device.written_bytes = (uint64_t)usage.ru_oublock * 512;
	}
	cpu_process_read(0, &out->process);
	cpu_machine_read(&out->machine);
}

static uint64_t since(uint64_t after, uint64_t before)
{
	return after > before ? after - before : 0;
}

static void row_surroundings(const struct surroundings *before, const struct surroundings *after,
                             struct sample *row)
{
	struct cpu_machine machine = cpu_machine_since(&before->machine, &after->machine);

	row->machine_cpu_ns = machine.busy_ns;
	row->steal_ns = machine.steal_ns;
	row->pressure_cpu_us = machine.pressure_cpu_us;
	row->pressure_io_us = machine.pressure_io_us;
	row->throttled_us = machine.throttled_us;
	row->frequency_khz = machine.frequency_khz;
	row->other_cpu_ns =
	        cpu_other_ns(&machine, since(after->process.total_ns, before->process.total_ns));
	row->device_read_bytes = since(after->device.read_bytes, before->device.read_bytes);
	row->device_written_bytes =
	        since(after->device.written_bytes, before->device.written_bytes);
	row->written_bytes = since(after->counters.written_bytes, before->counters.written_bytes);
	row->writes = since(after->counters.writes, before->counters.writes);
	row->syncs = since(after->counters.syncs, before->counters.syncs);
	row->keys_made = since(after->counters.keys_made, before->counters.keys_made);
	row->key_wait_ns = since(after->counters.key_wait_ns, before->counters.key_wait_ns);
}

static void row_times(const struct slice *slice, struct sample *row)
{
	struct cpu_process cpu = cpu_process_since(&slice->cpu_started, &slice->cpu_acked);
	struct histogram *all = &slice->threads[0].latency;

	row->acked_s = (double)(slice->acked_ns - slice->started_ns) / 1e9;
	if (slice->synced_ns != 0)
		row->synced_s = (double)(slice->synced_ns - slice->started_ns) / 1e9;
	row->cpu_ns = cpu.total_ns;
	row->cpu_user_ns = cpu.user_ns;
	row->cpu_system_ns = cpu.system_ns;
	for (uint32_t i = 0; i < slice->thread_count; i++) {
		row->messages += slice->threads[i].operations;
		row->payload_total_bytes += slice->threads[i].payload_bytes;
		row->reads_checked += slice->threads[i].checked;
		if (i > 0)
			histogram_merge(all, &slice->threads[i].latency);
	}
	row->latency_count = all->count;
	row->latency_p50_ns = histogram_quantile(all, 0.5);
	row->latency_p90_ns = histogram_quantile(all, 0.9);
	row->latency_p99_ns = histogram_quantile(all, 0.99);
	row->latency_p999_ns = histogram_quantile(all, 0.999);
	row->latency_max_ns = all->max;
}

static int row_disk(const char *directory, struct sample *row, struct target_error *error)
{
	struct disk_usage usage;
	char path[4096];
	int rc = disk_usage_read(directory, &usage, path);

	if (rc != 0)
		return target_fail(error, TARGET_FAILED, "%s: %s", path, strerror(-rc));
	row->disk_apparent_bytes = usage.total.apparent_bytes;
	row->disk_allocated_bytes = usage.total.allocated_bytes;
	row->files = usage.total.files;
#define KIND(name, kind_)                                                                          \
	row->name##_apparent_bytes = usage.kind[kind_].apparent_bytes;                             \
	row->name##_allocated_bytes = usage.kind[kind_].allocated_bytes;                           \
	row->name##_files = usage.kind[kind_].files;
	KIND(blk, DISK_BLK)
	KIND(key, DISK_KEY)
	KIND(meta, DISK_META)
	KIND(state, DISK_STATE)
#undef KIND
	return 0;
}

/* ---- one slice ---- */

static int place_open(struct session *s, const char *directory, struct target_place **out,
                      char *warning, size_t warning_bytes, struct target_error *error)
{
	const struct workload *w = &s->setup.workload;
	uint64_t left = 0;
	int rc;

	generator_reset(s->generator, w->operation != WORKLOAD_PUBLISH);
	if (w->operation == WORKLOAD_PUBLISH)
		return s->target->create(&s->options, directory, out, error);
	if (w->operation == WORKLOAD_MIXED && session_fill(s, directory, error) != 0)
		return -1;
	if (s->target->open(&s->options, directory, out, error) != 0)
		return -1;
	if (!s->target->stores || w->cache != WORKLOAD_COLD)
		return 0;
	/* Opening read the blocks, so the cache is dropped after it. */
	rc = filesystem_drop_cache(directory, &left);
	if (rc != 0)
		return target_fail(error, TARGET_FAILED, "%s: dropping the page cache: %s",
		                   directory, strerror(-rc));
	if (left > 0)
		snprintf(warning, warning_bytes,
		         "reads are not cold: %llu bytes stayed in the page cache",
		         (unsigned long long)left);
	return 0;
}

/* The sync that is owed: to a policy whose interval has passed, or because the order says so. */
static int owes_sync(const struct slice *slice, const struct order *order)
{
	const struct workload *w = &slice->session->setup.workload;

	return order->synced || (w->sync == WORKLOAD_SYNC_INTERVAL &&
	                         slice->acked_ns - slice->started_ns >= w->sync_interval_ns);
}

/* That sync, then what the kernel still has to write: nobody's time, but the next slice's
 * trouble, except where a file system below does its work then. */
static int settle(struct slice *slice, const struct order *order, struct surroundings *after,
                  struct target_error *error)
{
	struct session *s = slice->session;

	/* What is read is there already. */
	if (s->publishes == 0 || s->setup.workload.sync == WORKLOAD_SYNC_ALWAYS)
		slice->synced_ns = slice->acked_ns;
	if (s->publishes > 0 && owes_sync(slice, order)) {
		if (s->target->sync(slice->place, error) != 0)
			return -1;
		slice->synced_ns = clock_ns();
	}
	if (s->publishes == 0 || slice->synced_ns == 0 || !s->target->stores) {
		surroundings_read(slice, after);
		return 0;
	}
	if (!order->synced)
		surroundings_read(slice, after);
	filesystem_drain(order->directory);
	if (order->synced)
		surroundings_read(slice, after);
	return 0;
}

static int slice_measure(struct slice *slice, const struct order *order, struct order_reply *reply)
{
	struct session *s = slice->session;
	struct surroundings before, after;
	struct target_error *error = &reply->error;
	uint64_t expected = s->publishes;

	if (place_open(s, order->directory, &slice->place, reply->warning, sizeof(reply->warning),
	               error) != 0 ||
	    threads_open(slice, error) != 0)
		return -1;
	slice->first_op = 0;
	for (uint32_t i = 0; i < s->setup.workload.streams; i++)
		slice->first_op += generator_filled(s->generator, i);
	expected += slice->first_op;
	cpu_memory_peak_reset(0);
	surroundings_read(slice, &before);
	if (run_threads(slice, error) != 0 || settle(slice, order, &after, error) != 0)
		return -1;
	cpu_memory_peak_bytes(0, &reply->row.rss_peak_bytes);
	row_times(slice, &reply->row);
	row_surroundings(&before, &after, &reply->row);
	if (!writes(s))
		return 0;
	return controls_read_some(s->target, s->generator, &s->setup.workload, slice->place,
	                          expected, &reply->row.reads_checked, error);
}

void session_slice(struct session *session, const struct order *order, struct order_reply *reply)
{
	struct slice slice = {.session = session};
	struct sample *row = &reply->row;
	struct target_error why;
	uint64_t expected = session->publishes;
	int rc;

	reply->ok = 1;
	row->started_unix_ns = clock_unix_ns();
	rc = slice_measure(&slice, order, reply);
	threads_close(&slice);
	if (session->target->close(slice.place, order->keep, &why) != 0 && rc == 0) {
		reply->error = why;
		rc = -1;
	}
	if (rc == 0 && session->target->stores)
		rc = row_disk(order->directory, row, &reply->error);
	for (uint32_t i = 0; i < session->setup.workload.streams; i++)
		expected += generator_filled(session->generator, i);
	if (rc == 0 && order->control && session->target->stores)
		rc = controls_store(session->target, &session->options, order->directory, expected,
		                    &row->reads_checked, &reply->error);
	row->valid = rc == 0;
	if (rc != 0)
		snprintf(row->error, sizeof(row->error), "%.190s", reply->error.text);
}
