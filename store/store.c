/* store.c - one stream directory: create, open, close. Appending is in appender.c, flush and sync
 * in sync.c, reading in reader.c, what an opened directory holds in recover.c. */
#include "store/store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/secret.h"
#include "store/config.h"
#include "store/meta.h"
#include "store/state.h"
#include "store/rewrite.h"
#include "store/store_consumer.h"
#include "store/store_inner.h"
#include "store/subjects.h"

#define DEFAULT_ACCOUNT "$G"
#define NAME_BYTES_MAX  255
/* "/msgs/aside-NUMBER.blk" and the like must fit behind the directory. */
#define SUFFIX_BYTES_MAX 64

int atr_store_path(char *path, size_t path_bytes, const char *store_dir, const char *account,
                   const char *stream)
{
	int n = snprintf(path, path_bytes, "%s/jetstream/%s/streams/%s", store_dir, account,
	                 stream);

	return n > 0 && (size_t)n < path_bytes ? 0 : -1;
}

/* ---- names ---- */

/* dir ends in .../jetstream/ACCOUNT/streams/STREAM: the part `back` places before its end;
 * NULL where the path is not of that form. malloc'd. */
static char *part_of_path(const char *dir, unsigned back, int whole_form)
{
	const char *part[4] = {NULL};
	size_t length[4] = {0}, end = strlen(dir);

	for (unsigned i = 0; i < 4; i++) {
		while (end > 0 && dir[end - 1] == '/')
			end--;
		size_t start = end;
		while (start > 0 && dir[start - 1] != '/')
			start--;
		part[i] = dir + start;
		length[i] = end - start;
		end = start;
	}
	if (whole_form && !(length[1] == 7 && memcmp(part[1], "streams", 7) == 0 &&
	                    length[3] == 9 && memcmp(part[3], "jetstream", 9) == 0))
		return NULL;
	return strndup(part[back], length[back]);
}

enum atr_status store_check_name(const char *what, const char *name, struct atr_error *err)
{
	size_t n = strlen(name);

	if (n == 0 || n > NAME_BYTES_MAX || strpbrk(name, " \t\r\n\f.*>/") != NULL)
		return atr_error_set(err, ATR_EINVAL, NULL, -1,
		                     "%s name \"%.300s\": expected 1 to 255 bytes without white "
		                     "space, '.', '*', '>' and '/'",
		                     what, name);
	return ATR_OK;
}

/* An account's name follows the file system's rules only (operators use long public keys). */
static enum atr_status set_names(struct atr_store *store, const char *dir,
                                 const struct atr_store_options *o, struct atr_error *err)
{
	size_t n = strlen(dir);

	if (n == 0 || n + SUFFIX_BYTES_MAX >= PATH_MAX)
		return atr_error_set(err, ATR_EINVAL, NULL, -1,
		                     "stream directory: path of %zu bytes, expected 1 to %d", n,
		                     PATH_MAX - SUFFIX_BYTES_MAX);
	store->dir = strdup(dir);
	store->stream = o->stream != NULL ? strdup(o->stream) : part_of_path(dir, 0, 0);
	store->account = o->account != NULL ? strdup(o->account) : part_of_path(dir, 2, 1);
	if (store->account == NULL)
		store->account = strdup(DEFAULT_ACCOUNT);
	store->msgs_path = malloc(n + sizeof "/msgs");
	if (store->dir == NULL || store->stream == NULL || store->account == NULL ||
	    store->msgs_path == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a store");
	(void)snprintf(store->msgs_path, n + sizeof "/msgs", "%s/msgs", dir);
	return store_check_name("stream", store->stream, err);
}

/* ---- options ---- */

enum atr_status store_set_meta_seed(struct atr_store *store, const struct atr_seed *seed,
                                    struct atr_error *err)
{
	if (seed == NULL) {
		atr_secret_free(store->meta_seed);
		store->meta_seed = NULL;
		return ATR_OK;
	}
	if (store->meta_seed == NULL)
		store->meta_seed = atr_secret_alloc(sizeof *store->meta_seed);
	if (store->meta_seed == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for keys");
	*store->meta_seed = *seed;
	return ATR_OK;
}

static enum atr_status set_keys(struct atr_store *store, const struct atr_store_options *o,
                                struct atr_error *err)
{
	if (o->key_bytes + o->prev_key_bytes == 0)
		return ATR_OK;
	store->key_memory = atr_secret_alloc(o->key_bytes + o->prev_key_bytes);
	if (store->key_memory == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for keys");
	if (o->key_bytes > 0) {
		memcpy(store->key_memory, o->key, o->key_bytes);
		store->ring.key = store->key_memory;
		store->ring.key_bytes = o->key_bytes;
	}
	if (o->prev_key_bytes > 0) {
		memcpy(store->key_memory + o->key_bytes, o->prev_key, o->prev_key_bytes);
		store->ring.prev_key = store->key_memory + o->key_bytes;
		store->ring.prev_key_bytes = o->prev_key_bytes;
	}
	return ATR_OK;
}

static void set_parameters(struct atr_store *store, const struct atr_store_options *o)
{
	store->cipher = o->cipher != NULL ? o->cipher : atr_cipher_find("none", NULL);
	/* a record that must be durable before append returns cannot wait for a flusher */
	store->flush = o->sync == ATR_SYNC_ALWAYS ? ATR_FLUSH_EACH : o->flush;
	store->sync = o->sync;
	store->read = o->read;
	store->existing_blocks = o->existing_blocks;
	store->format = o->format;
	store->sync_interval_ns =
	        o->sync_interval_ns > 0 ? o->sync_interval_ns : ATR_SYNC_INTERVAL_NS_DEFAULT;
	store->block_bytes = o->block_bytes > 0 ? o->block_bytes : ATR_BLOCK_BYTES_DEFAULT;
	store->key_ahead = o->key_ahead > 0    ? (unsigned)o->key_ahead
	                   : o->key_ahead == 0 ? ATR_KEY_AHEAD_DEFAULT
	                                       : 0;
	store->keystream_ahead_bytes =
	        o->keystream_ahead_bytes > 0    ? (size_t)o->keystream_ahead_bytes
	        : o->keystream_ahead_bytes == 0 ? ATR_KEYSTREAM_AHEAD_BYTES_DEFAULT
	                                        : 0;
}

static enum atr_status new_store(const char *dir, const struct atr_store_options *o,
                                 struct atr_store **out, struct atr_error *err)
{
	struct atr_store *store = calloc(1, sizeof *store);
	enum atr_status rc;

	*out = NULL;
	if (store == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a store");
	store->files = o->files != NULL ? o->files : &atr_file_real;
	store->lock_fd = store->active.fd = -1;
	store->next_number = 1;
	pthread_mutex_init(&store->remove_lock, NULL);
	pthread_mutex_init(&store->sync_lock, NULL);
	pthread_mutex_init(&store->append_lock, NULL);
	pthread_mutex_init(&store->state_lock, NULL);
	*out = store;
	set_parameters(store, o);
	rc = set_names(store, dir, o, err);
	if (rc == ATR_OK)
		rc = set_keys(store, o, err);
	if (rc != ATR_OK)
		return rc;
	store->consumers = store_consumers_new();
	store->subjects = atr_subjects_table_new();
	store->active.seed = atr_secret_alloc(sizeof *store->active.seed);
	if (store->active.seed == NULL || store->consumers == NULL || store->subjects == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a store");
	store->home = (struct atr_block_home){
	        .files = store->files,
	        .msgs_path = store->msgs_path,
	        .account = store->account,
	        .stream = store->stream,
	        .ring = &store->ring,
	        .prefer = atr_cipher_encrypts(store->cipher) ? store->cipher : NULL,
	};
	return ATR_OK;
}

/* ---- directory ---- */

static enum atr_status make_directory(const struct atr_file_table *files, char *path, int sync,
                                      struct atr_error *err)
{
	struct atr_file_stat st;
	char *slash;
	enum atr_status rc = ATR_OK;
	int result = files->mkdir(files->context, path, 0750);

	if (result == -EEXIST)
		return files->stat(files->context, path, &st) >= 0 && st.is_directory
		               ? ATR_OK
		               : atr_error_set(err, ATR_ENOTSTORE, path, -1, "not a directory");
	if (result == -ENOENT && (slash = strrchr(path, '/')) != NULL && slash != path) {
		*slash = '\0';
		rc = make_directory(files, path, sync, err);
		*slash = '/';
		if (rc != ATR_OK)
			return rc;
		result = files->mkdir(files->context, path, 0750);
		if (result == -EEXIST)
			return ATR_OK;
	}
	if (result < 0)
		return atr_file_error(err, result, path, -1, "mkdir");
	slash = strrchr(path, '/');
	if (sync && slash != NULL && slash != path) {
		*slash = '\0';
		rc = atr_file_sync_directory(files, path, err);
		*slash = '/';
	}
	return rc;
}

static enum atr_status make_directories(struct atr_store *store, struct atr_error *err)
{
	static const char *const below[] = {"", "/msgs", "/obs"};
	char path[PATH_MAX];
	enum atr_status rc = ATR_OK;

	for (size_t i = 0; i < 3 && rc == ATR_OK; i++) {
		(void)snprintf(path, sizeof path, "%s%s", store->dir, below[i]);
		for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
			path[n - 1] = '\0';
		rc = make_directory(store->files, path, store->sync != ATR_SYNC_NONE, err);
	}
	return rc;
}

/* ---- starting and stopping ---- */

static enum atr_status start_threads(struct atr_store *store, struct atr_error *err)
{
	enum atr_status rc = ATR_OK;

	if (atr_cipher_encrypts(store->cipher)) {
		struct atr_keypool_options options = {
		        .home = &store->home,
		        .cipher = store->cipher,
		        .first_number = store->next_number,
		        .ahead = store->key_ahead,
		        .sync = store->sync != ATR_SYNC_NONE,
		};

		rc = atr_keypool_open(&options, &store->pool, err);
	}
	if (rc == ATR_OK && store->flush == ATR_FLUSH_ASYNC)
		rc = flusher_open(store, err);
	if (rc == ATR_OK && store->sync == ATR_SYNC_INTERVAL)
		rc = sync_start_timer(store, err);
	return rc;
}

static void free_store(struct atr_store *store)
{
	const struct atr_file_table *files = store->files;

	sync_stop_timer(store);
	remove_close(store);
	flusher_close(store->flusher);
	appender_close(store);
	atr_keystream_free(store->active.stream);
	atr_keypool_close(store->pool);
	if (store->lock_fd >= 0)
		(void)files->close(files->context, store->lock_fd);
	atr_secret_free(store->active.seed);
	atr_secret_free(store->meta_seed);
	atr_secret_free(store->key_memory);
	atr_subjects_table_free(store->subjects);
	free(store->dead);
	store_consumers_free(store->consumers);
	atr_seqset_free(&store->lost_deletes);
	store_free_entries(store);
	pthread_mutex_destroy(&store->remove_lock);
	pthread_mutex_destroy(&store->sync_lock);
	pthread_mutex_destroy(&store->append_lock);
	pthread_mutex_destroy(&store->state_lock);
	free(store->entry);
	free(store->keyless);
	free(store->scratch);
	free(store->msgs_path);
	free(store->account);
	free(store->stream);
	free(store->dir);
	free(store);
}

static enum atr_status check_key(const struct atr_store *store, struct atr_error *err)
{
	if (atr_cipher_encrypts(store->cipher) && store->ring.key_bytes == 0)
		return atr_error_set(err, ATR_ENOKEY, store->dir, -1,
		                     "cipher %s was asked for and no key was given",
		                     atr_cipher_name(store->cipher));
	return ATR_OK;
}

/* ---- create ---- */

static enum atr_status write_meta(struct atr_store *store, const char *config_json,
                                  struct atr_error *err)
{
	struct atr_seed seed = {0};
	json_t *config = NULL;
	enum atr_status rc;

	rc = atr_config_make(config_json, store->stream,
	                     store->files->realtime_ns(store->files->context), &config, err);
	if (rc != ATR_OK)
		return rc;
	limits_read(store, config);
	if (store->block_bytes == ATR_BLOCK_BYTES_SERVER)
		store->block_bytes =
		        atr_config_block_bytes(config, atr_cipher_encrypts(store->cipher));
	if (atr_cipher_encrypts(store->cipher))
		rc = atr_keyfile_make(store->files, store->cipher, &seed);
	if (rc != ATR_OK)
		(void)atr_error_set(err, rc, store->dir, -1, "making a key: %s",
		                    atr_status_text(rc));
	else
		rc = atr_meta_write(store->files, store->dir, &store->ring, store->account,
		                    store->stream, store->stream, config,
		                    atr_cipher_encrypts(store->cipher) ? &seed : NULL, err);
	if (rc == ATR_OK && atr_cipher_encrypts(store->cipher))
		rc = store_set_meta_seed(store, &seed, err);
	atr_secret_wipe(&seed, sizeof seed);
	json_decref(config);
	return rc;
}

static void remove_meta(struct atr_store *store)
{
	static const char *const names[] = {"meta.inf", "meta.sum", "meta.key"};
	char path[PATH_MAX];

	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", store->dir, names[i]);
		(void)store->files->unlink(store->files->context, path);
	}
}

/* A configuration that cannot be written is refused before the first directory is made. */
static enum atr_status check_config(const struct atr_store *store, const char *config_json,
                                    struct atr_error *err)
{
	json_t *config;
	enum atr_status rc = atr_config_make(config_json, store->stream, 0, &config, err);

	json_decref(config);
	return rc;
}

static enum atr_status create_in(struct atr_store *store, const char *config_json,
                                 struct atr_error *err)
{
	char path[PATH_MAX];
	struct atr_file_stat st;
	enum atr_status rc;

	rc = check_key(store, err);
	if (rc == ATR_OK)
		rc = check_config(store, config_json, err);
	if (rc == ATR_OK)
		rc = make_directories(store, err);
	if (rc == ATR_OK)
		rc = atr_file_lock_directory(store->files, store->dir, 1, &store->lock_fd, err);
	if (rc != ATR_OK)
		return rc;
	(void)snprintf(path, sizeof path, "%s/meta.inf", store->dir);
	if (store->files->stat(store->files->context, path, &st) >= 0)
		return atr_error_set(err, ATR_EEXISTS, store->dir, -1, "a stream is there already");
	/* blocks that stand there without a meta.inf belong to nobody we know */
	rc = store_recover(store, NULL, err);
	if (rc == ATR_OK && (store->entry_count > 0 || store->has_index_db))
		rc = atr_error_set(err, ATR_EEXISTS, store->msgs_path, -1,
		                   "blocks of another stream are there");
	if (rc != ATR_OK)
		return rc;
	rc = write_meta(store, config_json, err);
	if (rc != ATR_OK) {
		remove_meta(store);
		return rc;
	}
	return start_threads(store, err);
}

enum atr_status atr_store_create(const char *dir, const struct atr_store_options *options,
                                 struct atr_store **out, struct atr_error *err)
{
	struct atr_store *store = NULL;
	struct atr_error own;
	enum atr_status rc;

	*out = NULL;
	if (err == NULL)
		err = &own;
	rc = new_store(dir, options, &store, err);
	if (rc == ATR_OK)
		rc = create_in(store, options->config_json, err);
	if (rc == ATR_OK)
		*out = store;
	else if (store != NULL)
		free_store(store);
	return rc;
}

/* ---- open ---- */

/* Without a cipher in the options the stream's own is taken. */
static void choose_cipher(struct atr_store *store, const struct atr_store_options *o,
                          const struct atr_meta *meta)
{
	if (o->cipher != NULL || !meta->encrypted)
		return;
	store->cipher = meta->seed.cipher;
	store->home.prefer = store->cipher;
}

/* Metadata, recovery and, when they are to be converted, blocks. To clear text the metadata comes
 * last: until then the stream is one that needs its key. */
static enum atr_status recover_and_adopt(struct atr_store *store, struct atr_meta *meta,
                                         struct atr_error *err)
{
	int convert = store->existing_blocks == ATR_EXISTING_CONVERT;
	int late = convert && !atr_cipher_encrypts(store->cipher);
	enum atr_status rc = late ? ATR_OK : adopt_metadata(store, meta, err);

	if (rc == ATR_OK)
		rc = store_set_meta_seed(store, meta->encrypted ? &meta->seed : NULL, err);
	if (rc == ATR_OK)
		rc = store_recover(store, store->meta_seed, err);
	if (rc == ATR_OK && convert)
		rc = adopt_blocks(store, err);
	if (rc == ATR_OK && late) {
		rc = adopt_metadata(store, meta, err);
		if (rc == ATR_OK)
			rc = store_set_meta_seed(store, meta->encrypted ? &meta->seed : NULL, err);
	}
	return rc;
}

static enum atr_status open_in(struct atr_store *store, const struct atr_store_options *o,
                               struct atr_error *err)
{
	struct atr_meta *meta = atr_secret_alloc(sizeof *meta);
	enum atr_status rc;

	if (meta == NULL)
		return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for keys");
	rc = atr_file_lock_directory(store->files, store->dir, 1, &store->lock_fd, err);
	/* What a crash interrupted is finished first; what it left otherwise goes when the key is
	 * known to be right. */
	if (rc == ATR_OK && atr_rewrite_is_pending(store->files, store->dir))
		rc = atr_rewrite_recover(store->files, store->dir, err);
	if (rc == ATR_OK)
		rc = atr_meta_read(store->files, store->dir, &store->ring, store->account,
		                   store->stream, store->stream, meta, err);
	if (rc == ATR_OK) {
		choose_cipher(store, o, meta);
		rc = check_key(store, err);
	}
	if (rc == ATR_OK)
		rc = atr_rewrite_recover(store->files, store->dir, err);
	if (rc == ATR_OK)
		rc = atr_rewrite_finish(store->files, store->msgs_path, err);
	if (rc == ATR_OK && store->block_bytes == ATR_BLOCK_BYTES_SERVER)
		store->block_bytes =
		        atr_config_block_bytes(meta->config, atr_cipher_encrypts(store->cipher));
	if (rc == ATR_OK)
		limits_read(store, meta->config);
	if (rc == ATR_OK)
		rc = recover_and_adopt(store, meta, err);
	/* What an earlier process wrote may never have been synced: the next sync takes it all, and
	 * sync always owes it before anything newer is acknowledged. */
	atomic_store(&store->dirty, 1);
	if (rc == ATR_OK && store->sync == ATR_SYNC_ALWAYS)
		rc = sync_blocks(store, store->next_number, 0, err);
	atr_meta_free(meta);
	atr_secret_free(meta);
	if (rc == ATR_OK)
		rc = start_threads(store, err);
	if (rc == ATR_OK) /* what could not be done is tried again by the next append */
		(void)limits_enforce_all(store, NULL);
	return rc;
}

enum atr_status atr_store_open(const char *dir, const struct atr_store_options *options,
                               struct atr_store **out, struct atr_error *err)
{
	struct atr_store *store = NULL;
	struct atr_error own;
	enum atr_status rc;

	*out = NULL;
	if (err == NULL)
		err = &own;
	rc = new_store(dir, options, &store, err);
	if (rc == ATR_OK)
		rc = open_in(store, options, err);
	if (rc == ATR_OK)
		*out = store;
	else if (store != NULL)
		free_store(store);
	return rc;
}

/* ---- close ---- */

enum atr_status atr_store_close(struct atr_store *store, struct atr_error *err)
{
	enum atr_status rc, consumers;

	if (store == NULL)
		return ATR_OK;
	if (store->sync == ATR_SYNC_NONE) {
		rc = compact_settle(store, err);
		if (rc == ATR_OK)
			rc = atr_store_flush(store, err);
	} else {
		rc = atr_store_sync(store, err);
	}
	sync_stop_timer(store);
	if (rc == ATR_OK) {
		struct atr_error own;

		/* without it the next open reads the blocks: no reason to fail */
		pthread_mutex_lock(&store->append_lock);
		(void)state_write(store, &own);
		pthread_mutex_unlock(&store->append_lock);
	}
	consumers = store_consumers_write(store, rc == ATR_OK ? err : NULL);
	free_store(store);
	if (rc == ATR_OK)
		rc = consumers;
	return rc;
}

enum atr_status atr_store_fill_keys(struct atr_store *store, struct atr_error *err)
{
	return store->pool != NULL ? atr_keypool_fill(store->pool, err) : ATR_OK;
}

/* ---- what is known ---- */

void atr_store_state(struct atr_store *store, struct atr_store_state *out)
{
	out->last_seq = atomic_load(&store->seen_last_seq);
	out->messages = atomic_load(&store->messages);
	out->bytes = atomic_load(&store->bytes);
	out->first_seq = atomic_load(&store->first_seq);
	if (out->first_seq == 0)
		out->first_seq = 1;
	pthread_mutex_lock(&store->state_lock);
	out->blocks = store->entry_count;
	pthread_mutex_unlock(&store->state_lock);
	out->deleted = out->last_seq + 1 > out->first_seq + out->messages
	                       ? out->last_seq + 1 - out->first_seq - out->messages
	                       : 0;
}

void atr_store_counters(struct atr_store *store, struct atr_store_counters *out)
{
	struct atr_keypool_counters keys = {0};

	if (store->pool != NULL)
		atr_keypool_counters(store->pool, &keys);
	out->writes = atomic_load(&store->writes);
	out->written_bytes = atomic_load(&store->written_bytes) + keys.written_bytes;
	out->syncs = atomic_load(&store->syncs) + keys.syncs;
	out->keys_made = keys.made;
	out->key_wait_ns = keys.wait_ns;
	out->blocks_made = atomic_load(&store->blocks_made);
}

void atr_store_recovery(const struct atr_store *store, struct atr_store_recovery *out)
{
	*out = store->recovery;
}
