/* store_consumer.c - see store_consumer.h and the consumers of store.h. */
#include "store/store_consumer.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/secret.h"
#include "store/config.h"
#include "store/consumer_track.h"
#include "store/meta.h"

#define STATE_BYTES_MAX ((size_t)256 * 1024 * 1024)

struct consumer {
	char *name;
	struct atr_seed *seed; /* secret memory; NULL: clear text */
	struct consumer_track track;
	int changed;
};

struct store_consumers {
	pthread_mutex_t lock;
	struct consumer *consumer;
	size_t count;
};

struct store_consumers *store_consumers_new(void)
{
	struct store_consumers *all = calloc(1, sizeof *all);

	if (all != NULL)
		pthread_mutex_init(&all->lock, NULL);
	return all;
}

static void free_consumer(struct consumer *c)
{
	free(c->name);
	atr_secret_free(c->seed);
	consumer_track_free(&c->track);
	memset(c, 0, sizeof *c);
}

void store_consumers_free(struct store_consumers *all)
{
	if (all == NULL)
		return;
	for (size_t i = 0; i < all->count; i++)
		free_consumer(&all->consumer[i]);
	free(all->consumer);
	pthread_mutex_destroy(&all->lock);
	free(all);
}

/* ---- files ---- */

struct names {
	char dir[PATH_MAX], path[PATH_MAX], context[600], hash_name[600];
};

/* Where a consumer is and under which names its key and sum are derived. path: of `file`. */
static enum atr_status set_names(const struct atr_store *store, const char *name, const char *file,
                                 struct names *out, struct atr_error *err)
{
	enum atr_status rc = store_check_name("consumer", name, err);

	if (rc != ATR_OK)
		return rc;
	if (snprintf(out->dir, sizeof out->dir, "%s/obs/%s", store->dir, name) >=
	            (int)sizeof out->dir ||
	    snprintf(out->path, sizeof out->path, "%s/obs/%s/%s", store->dir, name, file) >=
	            (int)sizeof out->path)
		return atr_error_set(err, ATR_EINVAL, store->dir, -1, "path too long");
	(void)snprintf(out->context, sizeof out->context, "%s.%s", store->stream, name);
	(void)snprintf(out->hash_name, sizeof out->hash_name, "%s/%s", store->stream, name);
	return ATR_OK;
}

static enum atr_status write_state(struct atr_store *store, const struct consumer *c,
                                   struct atr_error *err)
{
	const struct atr_consumer_state state = consumer_track_state(&c->track);
	uint8_t *text = NULL, *sealed = NULL;
	size_t text_bytes, sealed_bytes = 0;
	struct names names;
	int64_t now_ns = store->files->realtime_ns(store->files->context);
	enum atr_status rc = set_names(store, c->name, "o.dat", &names, err);

	if (rc != ATR_OK)
		return rc;
	rc = atr_consumer_encode(&state, (now_ns + 500000000) / 1000000000, &text, &text_bytes);
	if (rc == ATR_OK && c->seed != NULL)
		rc = atr_meta_seal(store->files, c->seed, text, text_bytes, &sealed, &sealed_bytes);
	if (rc != ATR_OK)
		(void)atr_error_set(err, rc, names.path, -1, "%s", atr_status_text(rc));
	else if (c->seed != NULL)
		rc = atr_file_replace(store->files, names.path, sealed, sealed_bytes, err);
	else
		rc = atr_file_replace(store->files, names.path, text, text_bytes, err);
	if (rc == ATR_OK)
		atomic_fetch_add_explicit(&store->written_bytes,
		                          c->seed != NULL ? sealed_bytes : text_bytes,
		                          memory_order_relaxed);
	free(text);
	free(sealed);
	return rc;
}

static enum atr_status read_state(struct atr_store *store, const char *path,
                                  const struct atr_seed *seed, struct atr_consumer_state *out,
                                  struct atr_error *err)
{
	uint8_t *content = NULL, *text = NULL;
	size_t bytes = 0, text_bytes = 0;
	const char *why = NULL;
	enum atr_status rc;

	memset(out, 0, sizeof *out);
	rc = atr_file_read_whole(store->files, path, STATE_BYTES_MAX, &content, &bytes, err);
	if (rc == ATR_ENOTFOUND)
		return ATR_OK; /* never delivered anything */
	if (rc != ATR_OK)
		return rc;
	if (seed != NULL)
		rc = atr_meta_unseal(seed, content, bytes, &text, &text_bytes);
	if (rc == ATR_EAUTH)
		why = "message authentication failed: damaged";
	if (rc == ATR_OK)
		rc = atr_consumer_decode(seed != NULL ? text : content,
		                         seed != NULL ? text_bytes : bytes, out, &why);
	if (rc != ATR_OK)
		rc = atr_error_set(err, rc, path, -1, "%s",
		                   why != NULL ? why : atr_status_text(rc));
	free(text);
	free(content);
	return rc;
}

static void take_config(struct consumer *c, const json_t *config)
{
	const char *ack = json_string_value(json_object_get(config, "ack_policy"));
	json_int_t max = json_integer_value(json_object_get(config, "max_deliver"));

	c->track.ack_policy = ack == NULL || strcmp(ack, "none") == 0 ? ACK_NONE
	                      : strcmp(ack, "explicit") == 0          ? ACK_EXPLICIT
	                                                              : ACK_ALL;
	c->track.max_deliver = max > 0 ? (uint64_t)max : 0;
}

/* Takes over *add. lock held. */
static enum atr_status keep_consumer(struct store_consumers *all, const struct consumer *add,
                                     struct consumer **out)
{
	struct consumer *larger = realloc(all->consumer, (all->count + 1) * sizeof *all->consumer);

	if (larger == NULL)
		return ATR_ENOMEM;
	all->consumer = larger;
	all->consumer[all->count] = *add;
	*out = &all->consumer[all->count++];
	return ATR_OK;
}

static enum atr_status load_consumer(struct atr_store *store, const char *name,
                                     struct consumer **out, struct atr_error *err)
{
	struct atr_meta *meta = atr_secret_alloc(sizeof *meta);
	struct atr_consumer_state state = {0};
	struct consumer c = {0};
	struct names names;
	enum atr_status rc;

	if (meta == NULL)
		return atr_error_set(err, ATR_ENOMEM, store->dir, -1, "no memory for a key");
	rc = set_names(store, name, "o.dat", &names, err);
	if (rc == ATR_OK)
		rc = atr_meta_read(store->files, names.dir, &store->ring, store->account,
		                   names.context, names.hash_name, meta, err);
	if (rc == ATR_ENOTSTORE)
		rc = atr_error_set(err, ATR_ENOTFOUND, names.dir, -1, "no such consumer");
	if (rc == ATR_OK)
		rc = read_state(store, names.path, meta->encrypted ? &meta->seed : NULL, &state,
		                err);
	if (rc != ATR_OK)
		goto done;
	consumer_track_take(&c.track, &state);
	take_config(&c, meta->config);
	c.name = strdup(name);
	if (meta->encrypted && (c.seed = atr_secret_alloc(sizeof *c.seed)) != NULL)
		*c.seed = meta->seed;
	if (c.name == NULL || (meta->encrypted && c.seed == NULL))
		rc = ATR_ENOMEM;
	if (rc == ATR_OK)
		rc = keep_consumer(store->consumers, &c, out);
	if (rc != ATR_OK) {
		free_consumer(&c);
		(void)atr_error_set(err, rc, store->dir, -1, "no memory for a consumer");
	}
done:
	atr_meta_free(meta);
	atr_secret_free(meta);
	return rc;
}

/* lock held; valid until it is released. */
static enum atr_status find_consumer(struct atr_store *store, const char *name,
                                     struct consumer **out, struct atr_error *err)
{
	struct store_consumers *all = store->consumers;

	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->consumer[i].name, name) == 0) {
			*out = &all->consumer[i];
			return ATR_OK;
		}
	return load_consumer(store, name, out, err);
}

enum atr_status store_consumers_write(struct atr_store *store, struct atr_error *err)
{
	struct store_consumers *all = store->consumers;
	enum atr_status rc = ATR_OK;

	pthread_mutex_lock(&all->lock);
	for (size_t i = 0; i < all->count; i++) {
		struct consumer *c = &all->consumer[i];
		enum atr_status one;

		if (!c->changed)
			continue;
		/* the first failure is told, the others are still written */
		one = write_state(store, c, rc == ATR_OK ? err : NULL);
		if (one == ATR_OK)
			c->changed = 0;
		else if (rc == ATR_OK)
			rc = one;
	}
	pthread_mutex_unlock(&all->lock);
	return rc;
}

/* ---- create and delete ---- */

static int remove_entry(void *arg, const char *name)
{
	const struct atr_store *store = ((void **)arg)[0];
	const char *dir = ((void **)arg)[1];
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path)
		(void)store->files->unlink(store->files->context, path);
	return 0;
}

/* meta.inf first: without it the directory is no consumer. */
static enum atr_status remove_files(struct atr_store *store, const char *dir, struct atr_error *err)
{
	const struct atr_file_table *files = store->files;
	void *arg[] = {store, (void *)(uintptr_t)dir};
	char path[PATH_MAX];
	int result;

	(void)snprintf(path, sizeof path, "%.*s/meta.inf", PATH_MAX - 16, dir);
	result = files->unlink(files->context, path);
	if (result < 0 && result != -ENOENT)
		return atr_file_error(err, result, path, -1, "unlink");
	(void)files->list(files->context, dir, remove_entry, arg);
	result = files->rmdir(files->context, dir);
	return result < 0 && result != -ENOENT ? atr_file_error(err, result, dir, -1, "rmdir")
	                                       : ATR_OK;
}

static enum atr_status sync_parent(struct atr_store *store, struct atr_error *err)
{
	char path[PATH_MAX];

	if (store->sync == ATR_SYNC_NONE)
		return ATR_OK;
	(void)snprintf(path, sizeof path, "%s/obs", store->dir);
	return atr_file_sync_directory(store->files, path, err);
}

/* The directory with o.dat, then the meta files, meta.inf last. */
static enum atr_status make_files(struct atr_store *store, const struct consumer *c,
                                  const struct names *names, json_t *config, struct atr_error *err)
{
	const struct atr_file_table *files = store->files;
	char path[PATH_MAX];
	enum atr_status rc;
	int result;

	(void)snprintf(path, sizeof path, "%s/obs", store->dir);
	result = files->mkdir(files->context, path, 0750);
	if (result >= 0 || result == -EEXIST) {
		(void)snprintf(path, sizeof path, "%s", names->dir);
		result = files->mkdir(files->context, path, 0750);
	}
	if (result < 0 && result != -EEXIST)
		return atr_file_error(err, result, path, -1, "mkdir");
	rc = write_state(store, c, err);
	if (rc == ATR_OK)
		rc = atr_meta_write(files, names->dir, &store->ring, store->account, names->context,
		                    names->hash_name, config, c->seed, err);
	if (rc == ATR_OK)
		rc = sync_parent(store, err);
	if (rc != ATR_OK)
		(void)remove_files(store, names->dir, NULL);
	return rc;
}

static enum atr_status copy_state(struct consumer *c, const struct atr_consumer_state *state)
{
	struct atr_consumer_state copy = *state;

	copy.pending = calloc(state->pending_count + 1, sizeof *copy.pending);
	copy.redelivered = calloc(state->redelivered_count + 1, sizeof *copy.redelivered);
	if (copy.pending == NULL || copy.redelivered == NULL) {
		free(copy.pending);
		free(copy.redelivered);
		return ATR_ENOMEM;
	}
	if (state->pending_count > 0)
		memcpy(copy.pending, state->pending, state->pending_count * sizeof *copy.pending);
	if (state->redelivered_count > 0)
		memcpy(copy.redelivered, state->redelivered,
		       state->redelivered_count * sizeof *copy.redelivered);
	consumer_track_take(&c->track, &copy);
	return ATR_OK;
}

static enum atr_status make_locked(struct atr_store *store, const char *name, json_t *config,
                                   const struct atr_consumer_state *state, struct atr_error *err)
{
	struct consumer c = {0}, *kept;
	struct atr_file_stat st;
	struct names names;
	enum atr_status rc = set_names(store, name, "meta.inf", &names, err);

	if (rc != ATR_OK)
		return rc;
	if (store->files->stat(store->files->context, names.path, &st) >= 0)
		return atr_error_set(err, ATR_EEXISTS, names.dir, -1,
		                     "the consumer is there already");
	c.name = strdup(name);
	take_config(&c, config);
	rc = c.name != NULL ? copy_state(&c, state) : ATR_ENOMEM;
	if (rc == ATR_OK && atr_cipher_encrypts(store->cipher)) {
		c.seed = atr_secret_alloc(sizeof *c.seed);
		rc = c.seed != NULL ? atr_keyfile_make(store->files, store->cipher, c.seed)
		                    : ATR_ENOMEM;
	}
	if (rc != ATR_OK)
		(void)atr_error_set(err, rc, names.dir, -1, "%s", atr_status_text(rc));
	else
		rc = make_files(store, &c, &names, config, err);
	/* no memory to keep it: the next call reads it */
	if (rc != ATR_OK || keep_consumer(store->consumers, &c, &kept) != ATR_OK)
		free_consumer(&c);
	return rc;
}

enum atr_status store_consumer_make(struct atr_store *store, const char *name, json_t *config,
                                    const struct atr_consumer_state *state, struct atr_error *err)
{
	enum atr_status rc;

	pthread_mutex_lock(&store->consumers->lock);
	rc = make_locked(store, name, config, state, err);
	pthread_mutex_unlock(&store->consumers->lock);
	return rc;
}

enum atr_status atr_store_consumer_create(struct atr_store *store, const char *name,
                                          const char *config_json, struct atr_error *err)
{
	static const struct atr_consumer_state fresh;
	json_t *config = NULL;
	enum atr_status rc = store_check_name("consumer", name, err);

	if (rc == ATR_OK)
		rc = atr_config_make_consumer(config_json, name,
		                              store->files->realtime_ns(store->files->context),
		                              &config, err);
	if (rc == ATR_OK)
		rc = store_consumer_make(store, name, config, &fresh, err);
	json_decref(config);
	return rc;
}

enum atr_status atr_store_consumer_delete(struct atr_store *store, const char *name,
                                          struct atr_error *err)
{
	struct store_consumers *all = store->consumers;
	struct atr_file_stat st;
	struct names names;
	enum atr_status rc;

	pthread_mutex_lock(&all->lock);
	rc = set_names(store, name, "meta.inf", &names, err);
	if (rc == ATR_OK && store->files->stat(store->files->context, names.path, &st) < 0)
		rc = atr_error_set(err, ATR_ENOTFOUND, names.dir, -1, "no such consumer");
	if (rc == ATR_OK)
		rc = remove_files(store, names.dir, err);
	if (rc == ATR_OK)
		rc = sync_parent(store, err);
	for (size_t i = 0; rc == ATR_OK && i < all->count; i++)
		if (strcmp(all->consumer[i].name, name) == 0) {
			free_consumer(&all->consumer[i]);
			all->consumer[i] = all->consumer[--all->count];
			break;
		}
	pthread_mutex_unlock(&all->lock);
	return rc;
}

/* ---- delivered and acknowledged ---- */

enum atr_status atr_store_consumer_delivered(struct atr_store *store, const char *name,
                                             uint64_t consumer_seq, uint64_t stream_seq,
                                             uint64_t deliveries, int64_t time_ns,
                                             struct atr_error *err)
{
	struct consumer *c;
	enum atr_status rc;

	pthread_mutex_lock(&store->consumers->lock);
	rc = find_consumer(store, name, &c, err);
	if (rc != ATR_OK)
		goto done;
	if (c->track.ack_policy == ACK_NONE && deliveries != 1) {
		rc = atr_error_set(err, ATR_EINVAL, NULL, -1,
		                   "consumer %.255s: delivered again under ack policy none", name);
		goto done;
	}
	/* what is below the floor is an old message of a replica's log */
	if (consumer_seq <= c->track.state.ack_floor_consumer)
		goto done;
	c->changed = 1;
	if (c->track.ack_policy == ACK_NONE)
		consumer_track_deliver_unacked(&c->track, consumer_seq, stream_seq);
	else
		rc = consumer_track_deliver(&c->track, consumer_seq, stream_seq, deliveries,
		                            time_ns / 1000000000);
	if (rc != ATR_OK)
		(void)atr_error_set(err, rc, NULL, -1, "no memory for a pending message");
done:
	pthread_mutex_unlock(&store->consumers->lock);
	return rc;
}

static enum atr_status acknowledge(struct consumer *c, uint64_t consumer_seq, uint64_t stream_seq,
                                   struct atr_error *err)
{
	enum atr_status rc;
	int changed;

	if (c->track.ack_policy == ACK_NONE)
		return atr_error_set(err, ATR_EINVAL, NULL, -1,
		                     "consumer %.255s: acknowledged under ack policy none",
		                     c->name);
	rc = consumer_track_ack(&c->track, consumer_seq, stream_seq, &changed);
	c->changed |= changed;
	if (rc != ATR_OK) {
		(void)atr_error_set(err, rc, NULL, -1,
		                    "consumer %.255s: the message is not pending", c->name);
		if (err != NULL)
			err->sequence = stream_seq;
	}
	return rc;
}

enum atr_status atr_store_consumer_ack(struct atr_store *store, const char *name,
                                       uint64_t consumer_seq, uint64_t stream_seq,
                                       struct atr_error *err)
{
	struct consumer *c;
	enum atr_status rc;

	pthread_mutex_lock(&store->consumers->lock);
	rc = find_consumer(store, name, &c, err);
	if (rc == ATR_OK)
		rc = acknowledge(c, consumer_seq, stream_seq, err);
	pthread_mutex_unlock(&store->consumers->lock);
	return rc;
}

enum atr_status atr_store_consumer_state(struct atr_store *store, const char *name,
                                         struct atr_store_consumer_state *out,
                                         struct atr_error *err)
{
	struct consumer *c;
	enum atr_status rc;

	*out = (struct atr_store_consumer_state){0};
	pthread_mutex_lock(&store->consumers->lock);
	rc = find_consumer(store, name, &c, err);
	if (rc == ATR_OK)
		*out = (struct atr_store_consumer_state){
		        .delivered_consumer_seq = c->track.state.delivered_consumer,
		        .delivered_stream_seq = c->track.state.delivered_stream,
		        .ack_floor_consumer_seq = c->track.state.ack_floor_consumer,
		        .ack_floor_stream_seq = c->track.state.ack_floor_stream,
		        .num_ack_pending = c->track.state.pending_count,
		        .num_redelivered = c->track.state.redelivered_count,
		};
	pthread_mutex_unlock(&store->consumers->lock);
	return rc;
}
