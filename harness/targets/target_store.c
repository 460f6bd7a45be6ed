/* target_store.c - our own file store, in this process: one stream directory per stream.
 *
 *   store_dir/jetstream/$G/streams/BENCH, BENCH-2, BENCH-3 ...
 */
#include "harness/generator.h"
#include "harness/targets/target.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/targets/target_store_inner.h"

struct target_place {
	struct atr_file_table files; /* the real one, with our sync and unlink */
	_Atomic int discarding;      /* the files are cut to nothing next */
	_Atomic uint32_t set_aside;  /* files that were to be unlinked meanwhile */
	char aside[4096];            /* where they go */
	uint32_t streams;
	struct atr_store *stores[];
};

struct target_publisher {
	struct atr_store *store;
	target_acked_fn *acked;
	void *arg;
};

struct target_reader {
	struct atr_reader *reader;
};

/* ---- errors ---- */

static enum target_fault fault_of(enum atr_status status)
{
	switch (status) {
	case ATR_EAUTH:
		return TARGET_WRONG_KEY;
	case ATR_ENOTFOUND:
	case ATR_EFORMAT:
	case ATR_ECLEAR:
	case ATR_END:
		return TARGET_VERIFY;
	case ATR_EINVAL:
	case ATR_ELIMIT:
	case ATR_ETOOLARGE:
	case ATR_ENOKEY:
		return TARGET_USAGE;
	case ATR_ELOCKED:
	case ATR_EREADONLY:
	case ATR_ENOSPC:
	case ATR_EMFILE:
	case ATR_ENOMEM:
	case ATR_EIO:
	case ATR_EPOISONED:
	case ATR_ERANDOM:
	case ATR_EUNSUPPORTED:
		return TARGET_SYSTEM;
	default:
		return TARGET_FAILED;
	}
}

int target_store_failed(struct target_error *error, enum atr_status status,
                        const struct atr_error *why)
{
	char line[sizeof(error->text)];

	atr_error_line(why, line, sizeof(line));
	return target_fail(error, fault_of(status), "%s", line);
}

int target_store_path(const char *directory, uint32_t stream, char name[TARGET_STORE_NAME_BYTES],
                      char path[4096], struct target_error *error)
{
	if (stream == 0)
		snprintf(name, TARGET_STORE_NAME_BYTES, "BENCH");
	else
		snprintf(name, TARGET_STORE_NAME_BYTES, "BENCH-%u", stream + 1);
	if (atr_store_path(path, 4096, directory, TARGET_STORE_ACCOUNT, name) == 0)
		return 0;
	return target_fail(error, TARGET_USAGE, "%s: path too long", directory);
}

/* ---- places ---- */

static int sync_unless_discarding(void *context, int fd)
{
	struct target_place *place = context;

	if (atomic_load_explicit(&place->discarding, memory_order_relaxed))
		return 0;
	return atr_file_real.sync(atr_file_real.context, fd);
}

/* A store that is closed unlinks the keys it made ahead, and deletions make the next creations
 * dearer on some file systems: they wait, out of sight of the disk figures, until the run ends. */
static int unlink_unless_discarding(void *context, const char *path)
{
	struct target_place *place = context;
	char to[sizeof(place->aside) + 16];

	if (!atomic_load_explicit(&place->discarding, memory_order_relaxed))
		return atr_file_real.unlink(atr_file_real.context, path);
	snprintf(to, sizeof(to), "%s/%u", place->aside, atomic_fetch_add(&place->set_aside, 1));
	(void)atr_file_real.mkdir(atr_file_real.context, place->aside, 0750);
	return atr_file_real.rename(atr_file_real.context, path, to);
}

static int store_close(struct target_place *place, int durable, struct target_error *error)
{
	struct atr_error why;
	int rc = 0;

	if (place == NULL)
		return 0;
	/* A store syncs when it is closed; 128 MiB of a slice that owes no sync would then go to
	 * the device only to be cut off. */
	atomic_store(&place->discarding, !durable);
	for (uint32_t i = 0; i < place->streams; i++) {
		enum atr_status status = atr_store_close(place->stores[i], &why);
		if (status != ATR_OK && rc == 0)
			rc = target_store_failed(error, status, &why);
	}
	free(place);
	return rc;
}

static int makes_keys_ahead(const struct target_options *options)
{
	const struct workload *w = options->workload;

	return options->use == TARGET_MEASURE && w->key_ahead > 0 && workload_changes(w);
}

static void options_put(const struct target_options *from, struct target_place *place,
                        struct atr_store_options *out)
{
	const struct workload *w = from->workload;

	memset(out, 0, sizeof(*out));
	out->files = &place->files;
	out->account = TARGET_STORE_ACCOUNT;
	out->cipher = atr_cipher_find(from->cipher, from->provider);
	if (atr_cipher_encrypts(out->cipher)) {
		out->key = from->key;
		out->key_bytes = from->key_bytes;
	}
	out->flush = from->use == TARGET_FILL || w->flush == WORKLOAD_FLUSH_ASYNC ? ATR_FLUSH_ASYNC
	                                                                          : ATR_FLUSH_EACH;
	out->sync = w->sync == WORKLOAD_SYNC_ALWAYS ? ATR_SYNC_ALWAYS
	            : w->sync == WORKLOAD_SYNC_NONE ? ATR_SYNC_NONE
	                                            : ATR_SYNC_INTERVAL;
	if (from->use == TARGET_FILL)
		out->sync = ATR_SYNC_INTERVAL;
	out->sync_interval_ns = w->sync_interval_ns;
	out->block_bytes = w->block_bytes == WORKLOAD_BLOCK_BYTES_SERVER ? ATR_BLOCK_BYTES_SERVER
	                                                                 : w->block_bytes;
	out->read = w->read == WORKLOAD_READ_RECORD ? ATR_READ_RECORD : ATR_READ_BLOCK;
	/* Keys are for those who write under the workload's policies. */
	out->key_ahead = makes_keys_ahead(from) ? (int32_t)w->key_ahead : -1;
	out->keystream_ahead_bytes =
	        w->keystream_ahead_bytes == 0 ? -1 : (int64_t)w->keystream_ahead_bytes;
}

/* A state file that an earlier opening left must not help this one. */
static int opens_without_state(const struct target_options *options)
{
	return options->use == TARGET_MEASURE && options->workload->operation == WORKLOAD_OPEN &&
	       options->workload->state == WORKLOAD_STATE_NONE;
}

/* {"subjects":["PREFIX.>"],"max_bytes":N}; the caller frees it. */
static char *config_of(const struct target_options *options, uint32_t stream)
{
	uint64_t limit = options->workload->max_bytes;
	char subjects[256];
	json_t *config;
	char *text;

	generator_subjects(options->generator, stream, subjects, sizeof(subjects));
	config = json_pack("{s[s] sI}", "subjects", subjects, "max_bytes",
	                   limit == 0 ? (json_int_t)-1 : (json_int_t)limit);
	text = config == NULL ? NULL : json_dumps(config, JSON_COMPACT);
	json_decref(config);
	return text;
}

static int stream_open(struct target_place *place, const struct target_options *options,
                       const char *directory, uint32_t stream, int fresh,
                       struct target_error *error)
{
	struct atr_store_options o;
	struct atr_error why;
	enum atr_status status;
	char name[TARGET_STORE_NAME_BYTES], path[4096];
	char *config;

	if (target_store_path(directory, stream, name, path, error) != 0)
		return -1;
	config = config_of(options, stream);
	if (config == NULL)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	if (opens_without_state(options)) {
		char state[sizeof(path) + 16];
		snprintf(state, sizeof(state), "%s/msgs/index.db", path);
		(void)atr_file_real.unlink(atr_file_real.context, state);
	}
	options_put(options, place, &o);
	o.stream = name;
	o.config_json = config;
	status = fresh ? atr_store_create(path, &o, &place->stores[stream], &why)
	               : atr_store_open(path, &o, &place->stores[stream], &why);
	free(config);
	if (status == ATR_OK && atr_cipher_encrypts(o.cipher) && makes_keys_ahead(options))
		status = atr_store_fill_keys(place->stores[stream], &why);
	return status == ATR_OK ? 0 : target_store_failed(error, status, &why);
}

static int place_make(const struct target_options *options, const char *directory, int fresh,
                      struct target_place **out, struct target_error *error)
{
	uint32_t streams = options->workload->streams;
	struct target_place *place = calloc(1, sizeof(*place) + streams * sizeof(place->stores[0]));
	struct target_error why;

	*out = NULL;
	if (place == NULL)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	place->files = atr_file_real;
	place->files.context = place;
	place->files.sync = sync_unless_discarding;
	place->files.unlink = unlink_unless_discarding;
	/* The directory is this run's own: no need to look through all processes for a server. */
	place->files.holder = NULL;
	snprintf(place->aside, sizeof(place->aside), "%s.unlinked", directory);
	place->streams = streams;
	/* What a benchmark makes anew need not outlive a power cut: twenty syncs less a slice. */
	atomic_store(&place->discarding, fresh);
	for (uint32_t i = 0; i < streams; i++) {
		if (stream_open(place, options, directory, i, fresh, error) != 0) {
			store_close(place, 0, &why);
			return -1;
		}
	}
	atomic_store(&place->discarding, 0);
	*out = place;
	return 0;
}

static int store_create(const struct target_options *options, const char *directory,
                        struct target_place **out, struct target_error *error)
{
	return place_make(options, directory, 1, out, error);
}

static int store_open(const struct target_options *options, const char *directory,
                      struct target_place **out, struct target_error *error)
{
	return place_make(options, directory, 0, out, error);
}

/* ---- publishing ---- */

static int store_publisher_open(struct target_place *place, uint32_t stream, target_acked_fn *acked,
                                void *arg, struct target_publisher **out,
                                struct target_error *error)
{
	struct target_publisher *p = calloc(1, sizeof(*p));

	*out = p;
	if (p == NULL)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	p->store = place->stores[stream];
	p->acked = acked;
	p->arg = arg;
	return 0;
}

static int store_submit(struct target_publisher *p, const struct target_message *m,
                        struct target_ticket ticket, struct target_error *error)
{
	struct atr_message message = {.subject = m->subject,
	                              .subject_bytes = m->subject_bytes,
	                              .headers = m->headers,
	                              .headers_bytes = m->headers_bytes,
	                              .payload = m->payload,
	                              .payload_bytes = m->payload_bytes};
	uint64_t sequence;
	struct atr_error why; /* filled on failure only: costs nothing */
	enum atr_status status = atr_store_append(p->store, &message, &sequence, &why);

	if (status != ATR_OK)
		return target_store_failed(error, status, &why);
	p->acked(p->arg, ticket, sequence);
	return 0;
}

static int store_drain(struct target_publisher *p, struct target_error *error)
{
	(void)p;
	(void)error;
	return 0;
}

static void store_publisher_close(struct target_publisher *p)
{
	free(p);
}

/* ---- reading ---- */

static int store_reader_open(struct target_place *place, uint32_t stream,
                             struct target_reader **out, struct target_error *error)
{
	struct target_reader *r = calloc(1, sizeof(*r));
	struct atr_error why;
	enum atr_status status;

	*out = NULL;
	if (r == NULL)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	status = atr_reader_open(place->stores[stream], &r->reader, &why);
	if (status != ATR_OK) {
		free(r);
		return target_store_failed(error, status, &why);
	}
	*out = r;
	return 0;
}

static void message_put(const struct atr_message *from, struct target_message *to)
{
	to->sequence = from->sequence;
	to->subject = from->subject;
	to->subject_bytes = from->subject_bytes;
	to->headers = from->headers;
	to->headers_bytes = from->headers_bytes;
	to->payload = from->payload;
	to->payload_bytes = from->payload_bytes;
}

static int store_get(struct target_reader *r, uint64_t sequence, struct target_message *m,
                     struct target_error *error)
{
	struct atr_message message;
	struct atr_error why;
	enum atr_status status = atr_reader_get(r->reader, sequence, &message, &why);

	if (status != ATR_OK)
		return target_store_failed(error, status, &why);
	message_put(&message, m);
	return 0;
}

static int store_next(struct target_reader *r, uint64_t sequence, struct target_message *m,
                      struct target_error *error)
{
	struct atr_message message;
	struct atr_error why;
	enum atr_status status = atr_reader_next(r->reader, sequence, &message, &why);

	if (status == ATR_END)
		return 1;
	if (status != ATR_OK)
		return target_store_failed(error, status, &why);
	message_put(&message, m);
	return 0;
}

static int store_last(struct target_reader *r, const char *subject, struct target_message *m,
                      struct target_error *error)
{
	struct atr_message message;
	struct atr_error why;
	enum atr_status status = atr_reader_last(r->reader, subject, &message, &why);

	if (status != ATR_OK)
		return target_store_failed(error, status, &why);
	message_put(&message, m);
	return 0;
}

static void store_reader_close(struct target_reader *r)
{
	if (r == NULL)
		return;
	atr_reader_close(r->reader);
	free(r);
}

/* ---- removing ---- */

static int store_remove(struct target_publisher *p, uint64_t sequence, struct target_error *error)
{
	struct atr_error why;
	enum atr_status status = atr_store_delete(p->store, sequence, &why);

	return status == ATR_OK ? 0 : target_store_failed(error, status, &why);
}

static enum atr_status compact_all(struct atr_store *store, struct atr_error *why)
{
	return atr_store_compact_blocks(store, 1, why);
}

static enum atr_status purge_all(struct atr_store *store, struct atr_error *why)
{
	static const struct atr_purge all = {0};

	return atr_store_purge(store, &all, NULL, why);
}

/* ---- the rest ---- */

static int each_store(struct target_place *place,
                      enum atr_status (*call)(struct atr_store *, struct atr_error *),
                      struct target_error *error)
{
	struct atr_error why;

	for (uint32_t i = 0; i < place->streams; i++) {
		enum atr_status status = call(place->stores[i], &why);
		if (status != ATR_OK)
			return target_store_failed(error, status, &why);
	}
	return 0;
}

static int store_compact(struct target_place *place, struct target_error *error)
{
	return each_store(place, compact_all, error);
}

static int store_purge(struct target_place *place, struct target_error *error)
{
	return each_store(place, purge_all, error);
}

static int store_flush(struct target_place *place, struct target_error *error)
{
	return each_store(place, atr_store_flush, error);
}

static int store_sync(struct target_place *place, struct target_error *error)
{
	return each_store(place, atr_store_sync, error);
}

static int store_state(struct target_place *place, uint32_t stream, struct target_state *out,
                       struct target_error *error)
{
	struct atr_store_state state;

	(void)error;
	atr_store_state(place->stores[stream], &state);
	out->messages = state.messages;
	out->last_sequence = state.last_seq;
	return 0;
}

static void store_counters(struct target_place *place, struct target_counters *out)
{
	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < place->streams; i++) {
		struct atr_store_counters c;
		atr_store_counters(place->stores[i], &c);
		out->writes += c.writes;
		out->written_bytes += c.written_bytes;
		out->syncs += c.syncs;
		out->keys_made += c.keys_made;
		out->key_wait_ns += c.key_wait_ns;
	}
}

const struct target target_store = {
        .name = "store",
        .stores = 1,
        .keeps = 1,
        .ciphers = 1,
        .create = store_create,
        .open = store_open,
        .publisher_open = store_publisher_open,
        .submit = store_submit,
        .drain = store_drain,
        .publisher_close = store_publisher_close,
        .reader_open = store_reader_open,
        .get = store_get,
        .next = store_next,
        .reader_close = store_reader_close,
        .flush = store_flush,
        .sync = store_sync,
        .state = store_state,
        .counters = store_counters,
        .close = store_close,
        .last = store_last,
        .remove = store_remove,
        .compact = store_compact,
        .purge = store_purge,
        .convert = target_store_convert,
        .snapshot = target_store_snapshot,
        .restore = target_store_restore,
        .is_under = target_store_is_under,
};
