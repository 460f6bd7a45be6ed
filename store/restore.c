/* restore.c - a stream directory from a backup.
 *
 *   1  <streams>/.restore-<STREAM>/in   a tar's files, enciphered (scratch.h), read as any closed
 *                                       stream is: all forms that servers write
 *   2  <streams>/.restore-<STREAM>/new  a store of ours, message by message, consumer by consumer
 *   3  read back and compared, renamed to <streams>/<STREAM>
 */
#include "store/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/secret.h"
#include "store/config.h"
#include "store/hash.h"
#include "store/meta.h"
#include "store/store_consumer.h"
#include "store/survey.h"
#include "store/filetree.h"

#define META_BYTES_MAX ((uint64_t)16 * 1024 * 1024)
#define PROGRESS_EVERY 1000

/* ---- open ---- */

static enum atr_status take_backup_json(struct atr_restore *r, struct atr_error *err)
{
	json_error_t where;
	json_t *all, *metadata;

	if (r->options.backup_json == NULL)
		return ATR_OK;
	all = json_loads(r->options.backup_json, JSON_ALLOW_NUL, &where);
	if (!json_is_object(all) || !json_is_object(json_object_get(all, "config"))) {
		json_decref(all);
		return atr_error_set(err, ATR_EFORMAT, NULL, -1,
		                     "backup.json: found %s, expected an object with \"config\"",
		                     all == NULL ? where.text : "something else");
	}
	r->config = json_incref(json_object_get(all, "config"));
	r->expected = json_incref(json_object_get(all, "state"));
	json_decref(all);
	/* what the API adds to what is on disk */
	metadata = json_object_get(r->config, "metadata");
	(void)json_object_del(metadata, "_nats.ver");
	(void)json_object_del(metadata, "_nats.level");
	if (json_is_object(metadata) && json_object_size(metadata) == 0)
		(void)json_object_del(r->config, "metadata");
	return ATR_OK;
}

static enum atr_status read_meta_entry(struct atr_restore *r, struct atr_error *err)
{
	const char *name;
	uint64_t bytes;
	size_t got;
	enum atr_status rc = snapshot_tar_next(r->tar, &name, &bytes, err);

	if (rc == ATR_END)
		return atr_error_set(err, ATR_EFORMAT, NULL, -1, "the backup is empty");
	if (rc != ATR_OK)
		return rc;
	if (strcmp(name, "meta.inf") != 0 || bytes == 0 || bytes > META_BYTES_MAX)
		return atr_error_set(err, ATR_EFORMAT, NULL, -1,
		                     "found \"%.200s\" of %" PRIu64
		                     " bytes first, expected meta.inf",
		                     name, bytes);
	r->meta = malloc((size_t)bytes);
	if (r->meta == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for meta.inf");
	while (r->meta_bytes < bytes) {
		rc = snapshot_tar_data(r->tar, r->meta + r->meta_bytes,
		                       (size_t)bytes - r->meta_bytes, &got, err);
		if (rc != ATR_OK)
			return rc;
		if (got == 0)
			return atr_error_set(err, ATR_EFORMAT, NULL, -1, "meta.inf is cut");
		r->meta_bytes += got;
	}
	json_decref(r->config);
	r->config = json_loadb((const char *)r->meta, r->meta_bytes, JSON_ALLOW_NUL, NULL);
	return ATR_OK;
}

static enum atr_status read_beginning(struct atr_restore *r, struct atr_error *err)
{
	static const char magic[] = RESTORE_ARCHIVE_MAGIC;
	const size_t magic_bytes = sizeof magic - 1;
	const uint8_t *at;
	size_t available;
	uint8_t taken[sizeof magic];
	enum atr_status rc = snapshot_peek(r->source, magic_bytes, &at, &available, err);

	if (rc != ATR_OK)
		return rc;
	if (available >= magic_bytes && memcmp(at, magic, magic_bytes) == 0) {
		if (r->config == NULL)
			return atr_error_set(err, ATR_EINVAL, NULL, -1,
			                     "an archive of nats-server 2.15 holds no "
			                     "configuration: its backup.json is needed");
		return snapshot_read(r->source, taken, magic_bytes, err);
	}
	rc = snapshot_tar_open(r->source, &r->tar, err);
	return rc == ATR_OK ? read_meta_entry(r, err) : rc;
}

static enum atr_status take_name(struct atr_restore *r, struct atr_error *err)
{
	const char *name = json_string_value(json_object_get(r->config, "name"));
	enum atr_status rc;

	if (name == NULL)
		return atr_error_set(err, ATR_EFORMAT, NULL, -1,
		                     "the configuration of the backup does not parse, or names no "
		                     "stream");
	rc = store_check_name("stream", name, err);
	if (rc != ATR_OK || name[0] == '.')
		return atr_error_set(err, ATR_EFORMAT, NULL, -1,
		                     "the stream of the backup cannot be named \"%.255s\"", name);
	r->stream = strdup(name);
	return r->stream != NULL ? ATR_OK : atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory");
}

enum atr_status atr_restore_open(const struct atr_restore_options *options,
                                 struct atr_restore **out, struct atr_error *err)
{
	struct atr_restore *r = calloc(1, sizeof *r);
	struct atr_error ignored;
	enum atr_status rc;

	*out = NULL;
	if (err == NULL)
		err = &ignored;
	if (r == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory");
	r->options = *options;
	r->files = options->files != NULL ? options->files : &atr_file_real;
	rc = take_backup_json(r, err);
	if (rc == ATR_OK)
		rc = snapshot_source_open(options->source, options->source_arg, &r->source, err);
	if (rc == ATR_OK)
		rc = read_beginning(r, err);
	if (rc == ATR_OK)
		rc = take_name(r, err);
	if (rc == ATR_OK)
		*out = r;
	else
		atr_restore_close(r);
	return rc;
}

const char *atr_restore_stream(const struct atr_restore *r)
{
	return r->stream;
}

void atr_restore_close(struct atr_restore *r)
{
	if (r == NULL)
		return;
	snapshot_tar_close(r->tar);
	snapshot_source_close(r->source);
	json_decref(r->config);
	json_decref(r->expected);
	for (size_t i = 0; i < r->consumer_count; i++)
		free(r->consumer[i].name);
	free(r->consumer);
	free(r->stream);
	free(r->meta);
	free(r->dir);
	free(r->work);
	free(r);
}

/* ---- into the new store ---- */

static uint64_t digest_message(uint64_t before, const struct atr_message *m)
{
	static const struct atr_hash_key key = {{1, 2, 3, 4}};
	uint64_t parts[9] = {
	        before,
	        m->sequence,
	        (uint64_t)m->time_ns,
	        m->subject_bytes,
	        m->headers_bytes,
	        m->payload_bytes,
	        atr_hash64(&key, (const uint8_t *)m->subject, m->subject_bytes),
	        m->headers_bytes > 0 ? atr_hash64(&key, m->headers, m->headers_bytes) : 0,
	        m->payload_bytes > 0 ? atr_hash64(&key, m->payload, m->payload_bytes) : 0,
	};

	return atr_hash64(&key, (const uint8_t *)parts, sizeof parts);
}

static void add_to_sum(struct restore_sum *sum, const struct atr_message *m)
{
	if (sum->messages++ == 0)
		sum->first_seq = m->sequence;
	sum->bytes += atr_record_bytes(m);
	sum->digest = digest_message(sum->digest, m);
}

enum atr_status restore_put_message(struct atr_restore *r, const struct atr_message *m,
                                    struct atr_error *err)
{
	const struct atr_restore_options *o = &r->options;
	struct atr_store_state state;
	enum atr_status rc;

	atr_store_state(r->store, &state);
	if (m->sequence <= state.last_seq || m->sequence > ATR_SEQUENCE_MAX)
		return atr_error_set(err, ATR_EFORMAT, NULL, -1,
		                     "found sequence %" PRIu64 " behind %" PRIu64, m->sequence,
		                     state.last_seq);
	rc = atr_store_append(r->store, m, NULL, err);
	if (rc != ATR_OK)
		return rc;
	add_to_sum(&r->put, m);
	if (m->sequence > r->last_seq)
		r->last_seq = m->sequence;
	if (o->progress != NULL && r->put.messages % PROGRESS_EVERY == 0)
		rc = o->progress(
		        o->progress_arg, r->put.messages,
		        (uint64_t)json_integer_value(json_object_get(r->expected, "messages")));
	return rc == ATR_OK ? rc : atr_error_set(err, rc, NULL, -1, "stopped");
}

enum atr_status restore_put_consumer(struct atr_restore *r, const char *name, json_t *config,
                                     const struct atr_consumer_state *state, struct atr_error *err)
{
	struct restore_consumer *larger =
	        realloc(r->consumer, (r->consumer_count + 1) * sizeof *r->consumer);
	enum atr_status rc;

	if (larger == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a consumer");
	r->consumer = larger;
	r->consumer[r->consumer_count] = (struct restore_consumer){strdup(name), *state};
	if (r->consumer[r->consumer_count].name == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a consumer");
	r->consumer_count++;
	rc = store_consumer_make(r->store, name, config, state, err);
	return rc != ATR_EINVAL && rc != ATR_EEXISTS
	               ? rc
	               : atr_error_set(err, ATR_EFORMAT, NULL, -1,
	                               "a consumer cannot be named \"%.255s\", or is there twice",
	                               name);
}

/* A subject that the stream takes: its first one, with words for the wildcards. malloc'd. */
static char *subject_of(const json_t *config)
{
	const char *filter =
	        json_string_value(json_array_get(json_object_get(config, "subjects"), 0));
	char *subject, *p;

	if (filter == NULL)
		return strdup("deleted");
	p = subject = malloc(8 * strlen(filter) + 1);
	for (; p != NULL && *filter != '\0'; filter++) {
		if (*filter == '*' || *filter == '>')
			p += sprintf(p, "deleted");
		else
			*p++ = *filter;
	}
	if (p != NULL)
		*p = '\0';
	return subject;
}

/* Sequences behind the last message: a message with the last one, removed. */
static enum atr_status put_last(struct atr_restore *r, struct atr_error *err)
{
	struct atr_message m = {.sequence = r->last_seq};
	char *subject;
	struct atr_store_state state;
	enum atr_status rc;

	atr_store_state(r->store, &state);
	if (state.last_seq >= r->last_seq)
		return ATR_OK;
	subject = subject_of(r->config);
	if (subject == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a subject");
	m.subject = subject;
	m.subject_bytes = strlen(subject);
	rc = atr_store_append(r->store, &m, NULL, err);
	free(subject);
	return rc == ATR_OK ? atr_store_delete(r->store, r->last_seq, err) : rc;
}

void restore_take_finding(void *arg, const struct atr_finding *f)
{
	struct restore_findings *findings = arg;

	if (f->kind == ATR_FINDING_NOTE || findings->bad)
		return;
	findings->bad = 1;
	(void)atr_error_set(&findings->first, ATR_EFORMAT, NULL, f->offset, "%s: %s",
	                    strrchr(f->path, '/') != NULL ? strrchr(f->path, '/') + 1 : f->path,
	                    f->text);
}

/* ---- the directory ---- */

static enum atr_status set_paths(struct atr_restore *r, const char *dir, struct atr_error *err)
{
	struct atr_file_stat st;
	const char *slash;
	size_t n;

	r->dir = strdup(dir);
	if (r->dir == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory");
	for (n = strlen(r->dir); n > 1 && r->dir[n - 1] == '/'; n--)
		r->dir[n - 1] = '\0';
	slash = strrchr(r->dir, '/');
	if (strcmp(slash != NULL ? slash + 1 : r->dir, r->stream) != 0)
		return atr_error_set(err, ATR_EINVAL, r->dir, -1,
		                     "the backup is of stream \"%.255s\", and a stream's directory "
		                     "has its name",
		                     r->stream);
	n = slash != NULL ? (size_t)(slash - r->dir) + 1 : 0;
	r->work = malloc(n + sizeof ".restore-" + strlen(r->stream));
	if (r->work == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory");
	memcpy(r->work, r->dir, n);
	(void)sprintf(r->work + n, ".restore-%s", r->stream);
	if (r->files->stat(r->files->context, r->dir, &st) >= 0)
		return atr_error_set(err, ATR_EEXISTS, r->dir, -1, "a stream is there already");
	return ATR_OK;
}

/* What an interrupted restore left, unless one is still at work there. */
static enum atr_status clear_work(struct atr_restore *r, struct atr_error *err)
{
	char path[PATH_MAX];
	int fd, result;

	if (snprintf(path, sizeof path, "%s/new", r->work) >= (int)sizeof path)
		return atr_error_set(err, ATR_EINVAL, r->dir, -1, "path too long");
	fd = r->files->open(r->files->context, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd >= 0) {
		result = r->files->lock(r->files->context, fd, 1);
		(void)r->files->close(r->files->context, fd);
		if (result < 0)
			return atr_error_set(err, ATR_ELOCKED, path, -1,
			                     "locked: another restore of this stream is at work");
	}
	return filetree_remove(r->files, r->work, err);
}

static enum atr_status create_store(struct atr_restore *r, const char *account,
                                    struct atr_error *err)
{
	const char *compression = json_string_value(json_object_get(r->config, "compression"));
	struct atr_store_options o = {
	        .files = r->files,
	        .account = account,
	        .stream = r->stream,
	        .cipher = r->options.cipher,
	        .key = r->options.key,
	        .key_bytes = r->options.key_bytes,
	        .flush = ATR_FLUSH_ASYNC,
	};
	char path[PATH_MAX];

	/* without its limits: they are for what comes after */
	if (compression != NULL && strcmp(compression, "s2") == 0)
		o.config_json = "{\"compression\":\"s2\"}";
	(void)snprintf(path, sizeof path, "%.*s/new", PATH_MAX - 8, r->work);
	return atr_store_create(path, &o, &r->store, err);
}

/* The configuration as it was in place of that of create_store, under the same seed. */
static enum atr_status write_config(struct atr_restore *r, const char *account,
                                    struct atr_error *err)
{
	struct atr_keyring ring = {.key = r->options.key, .key_bytes = r->options.key_bytes};
	struct atr_meta *meta = atr_secret_alloc(sizeof *meta);
	char path[PATH_MAX], created[40];
	enum atr_status rc;

	if (meta == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a key");
	(void)snprintf(path, sizeof path, "%.*s/new", PATH_MAX - 8, r->work);
	rc = atr_meta_read(r->files, path, &ring, account, r->stream, r->stream, meta, err);
	if (json_object_get(r->config, "Created") == NULL) {
		atr_config_time(r->files->realtime_ns(r->files->context), created);
		(void)json_object_set_new(r->config, "Created", json_string(created));
	}
	if (rc == ATR_OK)
		rc = atr_meta_write(r->files, path, &ring, account, r->stream, r->stream, r->config,
		                    meta->encrypted ? &meta->seed : NULL, err);
	atr_meta_free(meta);
	atr_secret_free(meta);
	return rc;
}

/* An index.db of version 1 says nothing of timers and schedules, and a newer server that believes
 * it does not look for them in the messages. */
static enum atr_status drop_index(struct atr_restore *r, struct atr_error *err)
{
	char path[PATH_MAX];
	int result;

	if (!json_is_true(json_object_get(r->config, "allow_msg_ttl")) &&
	    !json_is_true(json_object_get(r->config, "allow_msg_schedules")))
		return ATR_OK;
	(void)snprintf(path, sizeof path, "%.*s/new/msgs/index.db", PATH_MAX - 24, r->work);
	result = r->files->unlink(r->files->context, path);
	return result < 0 && result != -ENOENT ? atr_file_error(err, result, path, -1, "unlink")
	                                       : ATR_OK;
}

/* ---- compared ---- */

static enum atr_status differs(const char *what, uint64_t found, uint64_t expected,
                               struct atr_error *err)
{
	return atr_error_set(err, ATR_EFORMAT, NULL, -1, "%s: found %" PRIu64 ", expected %" PRIu64,
	                     what, found, expected);
}

/* What backup.json says of the stream. */
static enum atr_status compare_expected(const struct atr_restore *r,
                                        const struct atr_inspect_state *s, struct atr_error *err)
{
	const struct {
		const char *name;
		uint64_t found;
	} checks[] = {{"messages", s->messages}, {"bytes", s->bytes}, {"last_seq", s->last_seq}};

	for (size_t i = 0; i < 3; i++) {
		const json_t *value = json_object_get(r->expected, checks[i].name);
		uint64_t expected = (uint64_t)json_integer_value(value);

		if (json_is_integer(value) && expected != checks[i].found)
			return differs(checks[i].name, checks[i].found, expected, err);
	}
	return ATR_OK;
}

static enum atr_status compare_consumers(struct atr_restore *r, struct atr_inspect *in,
                                         struct atr_error *err)
{
	if (in->consumer_count != r->consumer_count)
		return differs("consumers", in->consumer_count, r->consumer_count, err);
	for (size_t i = 0; i < r->consumer_count; i++) {
		struct atr_inspect_consumer c;
		const struct atr_consumer_state *s = NULL;
		enum atr_status rc = atr_inspect_consumer(in, i, &c, err);

		if (rc != ATR_OK)
			return rc;
		for (size_t k = 0; k < r->consumer_count; k++)
			if (strcmp(r->consumer[k].name, c.name) == 0)
				s = &r->consumer[k].state;
		if (s == NULL || c.delivered_stream_seq != s->delivered_stream ||
		    c.delivered_consumer_seq != s->delivered_consumer ||
		    c.ack_floor_stream_seq != s->ack_floor_stream ||
		    c.ack_floor_consumer_seq != s->ack_floor_consumer ||
		    c.num_ack_pending != s->pending_count ||
		    c.num_redelivered != s->redelivered_count)
			return atr_error_set(err, ATR_EFORMAT, NULL, -1,
			                     "consumer \"%.255s\" differs when read back", c.name);
	}
	return ATR_OK;
}

static enum atr_status compare(struct atr_restore *r, struct atr_inspect *in,
                               const struct restore_findings *findings,
                               struct atr_restore_result *out, struct atr_error *err)
{
	struct restore_sum read = {0};
	struct atr_inspect_message m;
	enum atr_status rc;

	while ((rc = atr_inspect_next(in, &m, err)) == ATR_OK)
		add_to_sum(&read, &m.message);
	if (rc != ATR_END)
		return rc;
	if (findings->bad) {
		*err = findings->first;
		return ATR_EFORMAT;
	}
	if (memcmp(&read, &r->put, sizeof read) != 0)
		return atr_error_set(err, ATR_EFORMAT, NULL, -1,
		                     "%" PRIu64 " messages read back differ from %" PRIu64
		                     " written",
		                     read.messages, r->put.messages);
	if (in->state.last_seq != r->last_seq)
		return differs("last sequence", in->state.last_seq, r->last_seq, err);
	rc = compare_consumers(r, in, err);
	if (rc == ATR_OK)
		rc = compare_expected(r, &in->state, err);
	*out = (struct atr_restore_result){
	        .messages = in->state.messages,
	        .bytes = in->state.bytes,
	        .first_seq = in->state.first_seq,
	        .last_seq = in->state.last_seq,
	        .consumers = in->consumer_count,
	};
	return rc;
}

static enum atr_status read_back(struct atr_restore *r, const char *account,
                                 struct atr_restore_result *out, struct atr_error *err)
{
	struct restore_findings findings = {0};
	struct atr_inspect_options o = {
	        .files = r->files,
	        .account = account,
	        .stream = r->stream,
	        .key = r->options.key,
	        .key_bytes = r->options.key_bytes,
	        .finding = restore_take_finding,
	        .finding_arg = &findings,
	};
	struct atr_inspect *in;
	char path[PATH_MAX];
	enum atr_status rc;

	(void)snprintf(path, sizeof path, "%.*s/new", PATH_MAX - 8, r->work);
	rc = atr_inspect_open(path, &o, &in, err);
	if (rc != ATR_OK)
		return rc;
	rc = compare(r, in, &findings, out, err);
	atr_inspect_close(in);
	return rc;
}

/* ---- all of it ---- */

static enum atr_status build(struct atr_restore *r, const char *account,
                             struct atr_restore_result *out, struct atr_error *err)
{
	struct atr_error ignored;
	enum atr_status rc = create_store(r, account, err), closed;

	if (rc != ATR_OK)
		return rc;
	rc = r->tar != NULL ? restore_tar(r, err) : restore_archive(r, err);
	if (rc == ATR_OK)
		rc = put_last(r, err);
	closed = atr_store_close(r->store, rc == ATR_OK ? err : &ignored);
	r->store = NULL;
	if (rc == ATR_OK)
		rc = closed;
	if (rc == ATR_OK)
		rc = write_config(r, account, err);
	if (rc == ATR_OK)
		rc = drop_index(r, err);
	return rc == ATR_OK ? read_back(r, account, out, err) : rc;
}

static enum atr_status rename_to_place(struct atr_restore *r, struct atr_error *err)
{
	struct atr_file_stat st;
	char path[PATH_MAX], *slash;
	enum atr_status rc;
	int result;

	(void)snprintf(path, sizeof path, "%.*s/new", PATH_MAX - 8, r->work);
	if (r->files->stat(r->files->context, r->dir, &st) >= 0)
		return atr_error_set(err, ATR_EEXISTS, r->dir, -1, "a stream is there already");
	result = r->files->rename(r->files->context, path, r->dir);
	if (result < 0)
		return atr_file_error(err, result, r->dir, -1, "rename");
	slash = strrchr(r->dir, '/');
	(void)snprintf(path, sizeof path, "%.*s", slash != NULL ? (int)(slash - r->dir) : 1,
	               slash != NULL ? r->dir : ".");
	rc = atr_file_sync_directory(r->files, path[0] != '\0' ? path : "/", err);
	return rc;
}

enum atr_status atr_restore_into(struct atr_restore *r, const char *dir, const char *account,
                                 struct atr_restore_result *out, struct atr_error *err)
{
	struct atr_error ignored;
	enum atr_status rc, removed;

	memset(out, 0, sizeof *out);
	if (err == NULL)
		err = &ignored;
	rc = set_paths(r, dir, err);
	if (rc == ATR_OK)
		rc = clear_work(r, err);
	if (rc != ATR_OK)
		return rc;
	rc = build(r, account, out, err);
	if (rc == ATR_OK)
		rc = rename_to_place(r, err);
	removed = filetree_remove(r->files, r->work, rc == ATR_OK ? err : &ignored);
	return rc == ATR_OK ? removed : rc;
}
