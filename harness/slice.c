/* slice.c - see slice.h. */
#include "harness/slice_inner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "harness/analysis/metrics.h"
#include "harness/controls.h"
#include "harness/measure/clock.h"
#include "harness/measure/disk.h"
#include "harness/measure/filesystem.h"

/* A slice that ends later than planned by less than this met a hiccup. */
#define RATE_HICCUP_S 1e-3

/* ---- session ---- */

static void count_operations(struct session *s)
{
	const struct workload *w = &s->setup.workload;

	if (workload_is_whole(w)) {
		s->passes = workload_slice_messages(w) / w->fill_messages;
		s->fill_payload_bytes = generator_fill_payload_bytes(s->generator);
		return;
	}
	s->removals = w->operation == WORKLOAD_DELETE ? w->messages : 0;
	s->publishes = workload_appends(w) ? w->messages : 0;
	s->reads = workload_reads(w) ? w->messages : 0;
	if (w->operation != WORKLOAD_MIXED)
		return;
	s->reads = 0;
	for (uint64_t i = 0; i < w->messages; i++)
		s->reads += (uint64_t)generator_is_read(s->generator, i);
	s->publishes = w->messages - s->reads;
}

static const char *text_or_null(const char *text)
{
	return text[0] == '\0' ? NULL : text;
}

static void server_set(struct session *s)
{
	const struct order_server *from = &s->setup.server;

	s->server = (struct target_server){.program = text_or_null(from->program),
	                                   .version = text_or_null(from->version),
	                                   .urls = text_or_null(from->urls),
	                                   .user = text_or_null(from->user),
	                                   .password = text_or_null(from->password),
	                                   .creds = text_or_null(from->creds),
	                                   .nkey = text_or_null(from->nkey),
	                                   .tls_cert = text_or_null(from->tls_cert),
	                                   .tls_key = text_or_null(from->tls_key),
	                                   .tls_ca = text_or_null(from->tls_ca),
	                                   .replicas = from->replicas == 0 ? 1 : from->replicas};
	if (s->server.program != NULL || s->server.urls != NULL)
		s->options.server = &s->server;
}

/* Before the first slice, so that its memory is no arm's and no slice's alone. */
static int due_set(struct session *s, struct target_error *error)
{
	const struct workload *w = &s->setup.workload;

	if (w->rate_msgs_s == 0)
		return 0;
	s->due_ns = calloc(w->messages, sizeof(*s->due_ns));
	if (s->due_ns == NULL)
		return target_fail(error, TARGET_SYSTEM,
		                   "out of memory for the moments of %llu operations",
		                   (unsigned long long)w->messages);
	workload_arrivals_fill(w, s->setup.seed, s->due_ns);
	return 0;
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
	server_set(s);
	count_operations(s);
	if (due_set(s, error) == 0 && whole_open(s, error) == 0)
		return 0;
	session_close(s);
	*out = NULL;
	return -1;
}

/* By who made it: a worker that ends leaves nothing on a server. */
static void discard_filled(struct session *s)
{
	if (s->filled[0] != '\0' && s->target->discard != NULL)
		s->target->discard(&s->options, s->filled);
	s->filled[0] = '\0';
}

void session_close(struct session *session)
{
	if (session == NULL)
		return;
	discard_filled(session);
	whole_close(session);
	generator_free(session->generator);
	free(session->due_ns);
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

int slice_fill(struct session *session, const struct target_options *as, const char *directory,
               struct target_error *error)
{
	struct target_options fill = *as;
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

int session_fill(struct session *session, const char *directory, struct target_error *error)
{
	discard_filled(session);
	snprintf(session->filled, sizeof(session->filled), "%s", directory);
	return slice_fill(session, &session->options, directory, error);
}

/* ---- the process that owns the streams ---- */

pid_t slice_owner(const struct slice *slice)
{
	const struct target *target = slice->session->target;

	if (target->process == NULL)
		return 0;
	return slice->place == NULL ? -1 : target->process(slice->place);
}

void slice_owner_cpu(const struct slice *slice, struct cpu_process *out)
{
	pid_t owner = slice_owner(slice);
	struct cpu_process now = {0};

	/* One that has just died: its row is not valid. */
	if (owner >= 0)
		(void)cpu_process_read(owner, &now);
	*out = slice->cpu_ended;
	out->total_ns += now.total_ns;
	out->user_ns += now.user_ns;
	out->system_ns += now.system_ns;
}

/* ---- rows ---- */

/* What else is read before and after. */
struct surroundings {
	struct cpu_machine machine;
	struct cpu_process owner, client;
	struct disk_device device;
	struct target_counters counters;
};

static void surroundings_read(const struct slice *slice, struct surroundings *out)
{
	pid_t owner = slice_owner(slice);
	struct rusage usage;

	memset(out, 0, sizeof(*out));
	if (slice->place != NULL)
		slice->session->target->counters(slice->place, &out->counters);
	/* A process that may not be dumped may not read its own /proc/self/io, root excepted; the
	 * kernel gives the same counters in units of 512 bytes here. */
	if (owner > 0)
		(void)disk_device_read(owner, &out->device);
	else if (owner == 0 && disk_device_read(0, &out->device) != 0 &&
	         getrusage(RUSAGE_SELF, &usage) == 0) {
		out->device.read_bytes = (uint64_t)usage.ru_inblock * 512;
		out->device.written_bytes = (uint64_t)usage.ru_oublock * 512;
	}
	slice_owner_cpu(slice, &out->owner);
	cpu_process_read(0, &out->client);
	cpu_machine_read(&out->machine);
}

static uint64_t since(uint64_t after, uint64_t before)
{
	return after > before ? after - before : 0;
}

static void row_surroundings(const struct slice *slice, const struct surroundings *before,
                             const struct surroundings *after, struct sample *row)
{
	struct cpu_machine machine = cpu_machine_since(&before->machine, &after->machine);
	uint64_t ours_ns = since(after->owner.total_ns, before->owner.total_ns);

	if (slice->session->target->process != NULL)
		ours_ns += since(after->client.total_ns, before->client.total_ns);
	row->machine_cpu_ns = machine.busy_ns;
	row->steal_ns = machine.steal_ns;
	row->pressure_cpu_us = machine.pressure_cpu_us;
	row->pressure_io_us = machine.pressure_io_us;
	row->throttled_us = machine.throttled_us;
	row->frequency_khz = machine.frequency_khz;
	row->other_cpu_ns = cpu_other_ns(&machine, ours_ns);
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
	int tail = slice->session->setup.workload.operation == WORKLOAD_TAIL;

	row->acked_s = (double)(slice->acked_ns - slice->started_ns) / 1e9;
	if (slice->synced_ns != 0)
		row->synced_s = (double)(slice->synced_ns - slice->started_ns) / 1e9;
	row->cpu_ns = cpu.total_ns;
	row->cpu_user_ns = cpu.user_ns;
	row->cpu_system_ns = cpu.system_ns;
	if (slice->session->target->process != NULL)
		row->client_cpu_ns =
		        since(slice->client_acked.total_ns, slice->client_started.total_ns);
	for (uint32_t i = 0; i < slice->thread_count; i++) {
		const struct thread *t = &slice->threads[i];
		/* Behind the writer a message counts once, when it was read. */
		if (!tail || t->reader != NULL) {
			row->messages += t->operations;
			row->payload_total_bytes += t->payload_bytes;
		}
		row->reads_checked += t->checked;
		if (slice->session->publishes > 0 && t->publisher != NULL)
			row->published += t->operations;
		row->acknowledged += t->acknowledged;
	}
}

/* The threads' histograms become one; its quantiles, and all of it for the run. */
static void row_latencies(struct slice *slice, struct order_reply *reply)
{
	struct histogram *latency = &slice->threads[0].latency;
	struct histogram *response = &slice->threads[0].response;
	struct sample *row = &reply->row;

	for (uint32_t i = 1; i < slice->thread_count; i++) {
		histogram_merge(latency, &slice->threads[i].latency);
		histogram_merge(response, &slice->threads[i].response);
	}
#define QUANTILES(name)                                                                            \
	row->name##_count = name->count;                                                           \
	row->name##_p50_ns = histogram_quantile(name, 0.5);                                        \
	row->name##_p90_ns = histogram_quantile(name, 0.9);                                        \
	row->name##_p99_ns = histogram_quantile(name, 0.99);                                       \
	row->name##_p999_ns = histogram_quantile(name, 0.999);                                     \
	row->name##_max_ns = name->max;
	QUANTILES(latency)
	QUANTILES(response)
#undef QUANTILES
	if (histogram_format(latency, reply->latency, sizeof(reply->latency)) +
	            histogram_format(response, reply->response, sizeof(reply->response)) <
	    0)
		snprintf(reply->warning, sizeof(reply->warning),
		         "%s: a slice's times are too different to be kept: histograms.csv has no "
		         "row of it",
		         slice->session->setup.workload.name);
}

static void check_rate(const struct slice *slice, double acked_s, char *warning,
                       size_t warning_bytes)
{
	const struct session *s = slice->session;
	const struct workload *w = &s->setup.workload;
	double rate_msgs_s = (double)w->rate_msgs_s;

	if (w->rate_msgs_s == 0 || warning[0] != '\0' ||
	    acked_s < (double)(w->messages - 1) / rate_msgs_s + RATE_HICCUP_S ||
	    !metrics_rate_is_missed(rate_msgs_s, metrics_reached_msgs_s(w->messages, acked_s)))
		return;
	snprintf(warning, warning_bytes,
	         "%s, %s: the offered rate of %llu messages a second was not reached by every arm: "
	         "response times are those of a queue that grows",
	         w->name, s->setup.target, (unsigned long long)w->rate_msgs_s);
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

static int drop_cache(const char *directory, char *warning, size_t warning_bytes,
                      struct target_error *error)
{
	uint64_t left = 0;
	int rc = filesystem_drop_cache(directory, &left);

	if (rc != 0)
		return target_fail(error, TARGET_FAILED, "%s: dropping the page cache: %s",
		                   directory, strerror(-rc));
	if (left > 0)
		snprintf(warning, warning_bytes,
		         "reads are not cold: %llu bytes stayed in the page cache",
		         (unsigned long long)left);
	return 0;
}

/* What the timed region finds. */
static int place_open(struct session *s, const char *directory, struct target_place **out,
                      char *warning, size_t warning_bytes, struct target_error *error)
{
	const struct workload *w = &s->setup.workload;
	int fills = workload_fills(w), changes = workload_changes(w);

	generator_reset(s->generator, fills);
	if (!fills)
		return s->target->create(&s->options, directory, out, error);
	if (workload_is_closed(w)) {
		if (changes && whole_before(s, directory, error) != 0)
			return -1;
	} else {
		if (changes && session_fill(s, directory, error) != 0)
			return -1;
		if (s->target->open(&s->options, directory, out, error) != 0)
			return -1;
	}
	/* Opening read the blocks, so the cache is dropped after it. */
	if (s->target->stores && w->cache == WORKLOAD_COLD)
		return drop_cache(directory, warning, warning_bytes, error);
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
	const struct workload *w = &s->setup.workload;
	int wrote = workload_changes(w) && slice->place != NULL;

	/* What is read is there already; what works on closed streams sees to it itself. */
	if (!wrote || w->sync == WORKLOAD_SYNC_ALWAYS)
		slice->synced_ns = slice->acked_ns;
	if (wrote && owes_sync(slice, order)) {
		if (s->target->sync(slice->place, error) != 0)
			return -1;
		slice->synced_ns = clock_ns();
	}
	if (!workload_changes(w) || slice->synced_ns == 0 || !s->target->stores) {
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

/* What the streams' own states say, and who says so: what was published is acknowledged, and there.
 */
static int row_place(const struct slice *slice, struct sample *row, struct target_error *error)
{
	const struct session *s = slice->session;
	struct target_state state;

	if (s->target->version != NULL)
		snprintf(row->target_version, sizeof(row->target_version), "%s",
		         s->target->version(slice->place));
	for (uint32_t i = 0; s->publishes > 0 && i < s->setup.workload.streams; i++) {
		if (s->target->state(slice->place, i, &state, error) != 0)
			return -1;
		row->stored += since(state.messages, generator_filled(s->generator, i));
	}
	if (s->publishes == 0 ||
	    (row->published == row->acknowledged && row->stored == row->published))
		return 0;
	return target_fail(error, TARGET_VERIFY,
	                   "%llu messages were published, %llu acknowledged and %llu stored",
	                   (unsigned long long)row->published,
	                   (unsigned long long)row->acknowledged, (unsigned long long)row->stored);
}

/* Reads that are to be cold and that the device did not see came from some cache: one that
 * mincore does not know, or a file system without a device. */
static void check_cold(const struct slice *slice, const struct sample *row, char warning[256])
{
	const struct session *s = slice->session;
	const struct workload *w = &s->setup.workload;
	uint64_t least_bytes = generator_fill_payload_bytes(s->generator);

	if (w->cache != WORKLOAD_COLD || !s->target->stores || s->reads == 0 ||
	    workload_appends(w) || warning[0] != '\0')
		return;
	if (row->payload_total_bytes < least_bytes)
		least_bytes = row->payload_total_bytes;
	if (row->device_read_bytes < least_bytes / 4)
		snprintf(warning, 256,
		         "%s: reads are not cold: less than a quarter of them came from the "
		         "device (column device_read_bytes)",
		         w->name);
}

/* What is checked before the streams are closed: all of it where messages were removed, and in an
 * arm's last round where there are no files that could be opened again. */
static int check_open(struct slice *slice, uint64_t *checked, struct target_error *error)
{
	struct session *s = slice->session;
	const struct workload *w = &s->setup.workload;
	uint64_t expected = s->publishes + slice->first_op;
	int removed = workload_changes(w) && !workload_appends(w);
	int last = slice->order->control && !s->target->stores;

	if (w->operation == WORKLOAD_DELETE)
		generator_note_removals(s->generator);
	if (w->operation == WORKLOAD_PURGE)
		generator_note_purge(s->generator);
	if ((workload_appends(w) && w->check == WORKLOAD_CHECK_ALL) ||
	    (s->target->keeps && (removed || last)))
		return controls_read_all(s->target, s->generator, w, slice->place, expected,
		                         checked, error);
	if (workload_appends(w))
		return controls_read_some(s->target, s->generator, w, slice->place, expected,
		                          checked, error);
	return 0;
}

static int slice_measure(struct slice *slice, const struct order *order, struct order_reply *reply)
{
	struct session *s = slice->session;
	struct surroundings before, after;
	struct target_error *error = &reply->error;
	pid_t owner;

	if (place_open(s, order->directory, &slice->place, reply->warning, sizeof(reply->warning),
	               error) != 0 ||
	    threads_open(slice, error) != 0)
		return -1;
	for (uint32_t i = 0; i < s->setup.workload.streams; i++)
		slice->first_op += generator_filled(s->generator, i);
	owner = slice_owner(slice);
	if (owner >= 0)
		cpu_memory_peak_reset(owner);
	surroundings_read(slice, &before);
	if (threads_run(slice, error) != 0 || settle(slice, order, &after, error) != 0)
		return -1;
	owner = slice_owner(slice);
	if (owner >= 0)
		cpu_memory_peak_bytes(owner, &reply->row.rss_peak_bytes);
	row_times(slice, &reply->row);
	row_latencies(slice, reply);
	check_rate(slice, reply->row.acked_s, reply->warning, sizeof(reply->warning));
	row_surroundings(slice, &before, &after, &reply->row);
	check_cold(slice, &reply->row, reply->warning);
	if (slice->place != NULL) {
		if (row_place(slice, &reply->row, error) != 0)
			return -1;
		return check_open(slice, &reply->row.reads_checked, error);
	}
	return whole_after(slice, &reply->row.reads_checked, error);
}

/* What is checked of closed streams: everything in an arm's last round, and every time what the
 * slice itself has written. */
static int check_closed(struct session *s, const struct order *order, uint64_t *checked,
                        struct target_error *error)
{
	const struct workload *w = &s->setup.workload;
	uint64_t expected = s->publishes;

	for (uint32_t i = 0; i < w->streams; i++)
		expected += generator_filled(s->generator, i);
	if (order->control)
		return controls_store(s->target, &s->options, order->directory, expected, checked,
		                      error);
	if (workload_is_closed(w) && workload_changes(w))
		return controls_read_closed(s->target, &s->options, order->directory, expected,
		                            checked, error);
	return 0;
}

void session_slice(struct session *session, const struct order *order, struct order_reply *reply)
{
	struct slice slice = {.session = session, .order = order};
	struct sample *row = &reply->row;
	struct target_error why;
	int rc;

	reply->ok = 1;
	row->started_unix_ns = clock_unix_ns();
	row->injected_ns = order->injected_ns;
	rc = slice_measure(&slice, order, reply);
	threads_close(&slice);
	if (session->target->close(slice.place, order->keep, &why) != 0 && rc == 0) {
		reply->error = why;
		rc = -1;
	}
	/* Of what is left after a purge, a few hundred bytes, a share says nothing. */
	if (rc == 0 && session->target->stores &&
	    session->setup.workload.operation != WORKLOAD_PURGE)
		rc = row_disk(order->directory, row, &reply->error);
	if (rc == 0 && session->target->stores)
		rc = check_closed(session, order, &row->reads_checked, &reply->error);
	row->valid = rc == 0;
	if (rc != 0)
		snprintf(row->error, sizeof(row->error), "%.190s", reply->error.text);
}
