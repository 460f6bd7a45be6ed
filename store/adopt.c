/* adopt.c - a stream that is not under the cipher and key it is opened with.
 *
 *   metadata   stream and consumers: meta.inf, o.dat and index.db sealed anew under a new seed
 *   key files  of blocks under the previous key: the same seed and nonce sealed under the current
 *              one; the block's bytes stay. No nonce is used twice: the sealing key is another
 *   blocks     stay as they are (keep), or are rewritten one by one (convert)
 *
 * Metadata and key files change in one exchange (rewrite.h): a crash leaves all of them under the
 * old cipher and key, or all under the new. Blocks are rewritten under the current key only, after
 * that; to clear text before it, so that a stream whose metadata is clear has no block left that
 * needs the key.
 *
 * A consumer that opens under neither key is left as it is: this does not lose it. (Servers lose
 * every consumer when the key is rotated, and one without o.dat when the cipher changes.)
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/secret.h"
#include "store/bytes.h"
#include "store/meta.h"
#include "store/rewrite.h"
#include "store/store_inner.h"

#define META_BYTES_MAX  ((size_t)16 * 1024 * 1024)
#define STATE_BYTES_MAX ((size_t)1024 * 1024 * 1024)

struct names {
	char **name; /* owned */
	size_t count, capacity;
};

struct adoption {
	struct atr_store *store;
	struct atr_rewrite_file *file; /* names owned */
	size_t count, capacity;
	struct atr_meta *meta; /* secret memory: of the asset at hand, as it is on the disk */
	struct atr_seed *seed; /* secret memory: new, of the asset at hand */
	struct atr_error *err;
};

/* ---- lists ---- */

static enum atr_status no_memory(struct atr_error *err)
{
	return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory to change keys");
}

static int add_name(struct names *names, const char *name)
{
	if (names->count == names->capacity) {
		size_t capacity = names->capacity > 0 ? 2 * names->capacity : 16;
		char **larger = realloc(names->name, capacity * sizeof *larger);

		if (larger == NULL)
			return -ENOMEM;
		names->name = larger;
		names->capacity = capacity;
	}
	names->name[names->count] = strdup(name);
	return names->name[names->count++] != NULL ? 0 : -ENOMEM;
}

static void free_names(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->name[i]);
	free(names->name);
}

/* PREFIX NAME is to be exchanged, or removed. */
static enum atr_status add_file(struct adoption *a, const char *prefix, const char *name,
                                int remove)
{
	char whole[PATH_MAX];

	if (a->count == a->capacity) {
		size_t capacity = a->capacity > 0 ? 2 * a->capacity : 16;
		struct atr_rewrite_file *larger = realloc(a->file, capacity * sizeof *larger);

		if (larger == NULL)
			return no_memory(a->err);
		a->file = larger;
		a->capacity = capacity;
	}
	(void)snprintf(whole, sizeof whole, "%s%s", prefix, name);
	a->file[a->count].name = strdup(whole);
	if (a->file[a->count].name == NULL)
		return no_memory(a->err);
	a->file[a->count++].remove = remove;
	return ATR_OK;
}

/* ---- files ---- */

/* "<stream>/PREFIX NAME SUFFIX" */
static enum atr_status path_of(const struct adoption *a, const char *prefix, const char *name,
                               const char *suffix, char path[PATH_MAX])
{
	if (snprintf(path, PATH_MAX, "%s/%s%s%s", a->store->dir, prefix, name, suffix) >= PATH_MAX)
		return atr_error_set(a->err, ATR_EINVAL, a->store->dir, -1, "path too long");
	return ATR_OK;
}

static enum atr_status write_new(struct adoption *a, const char *prefix, const char *name,
                                 const void *content, size_t bytes)
{
	char path[PATH_MAX];
	enum atr_status rc = path_of(a, prefix, name, ".tmp", path);

	if (rc == ATR_OK)
		rc = atr_file_write_new(a->store->files, path, content, bytes, 1, a->err);
	return rc == ATR_OK ? add_file(a, prefix, name, 0) : rc;
}

/* A whole file; *content NULL and ATR_OK when there is none. */
static enum atr_status read_file(struct adoption *a, const char *prefix, const char *name,
                                 size_t limit_bytes, uint8_t **content, size_t *bytes)
{
	char path[PATH_MAX];
	enum atr_status rc = path_of(a, prefix, name, "", path);

	*content = NULL;
	*bytes = 0;
	if (rc == ATR_OK)
		rc = atr_file_read_whole(a->store->files, path, limit_bytes, content, bytes,
		                         a->err);
	return rc == ATR_ENOTFOUND ? ATR_OK : rc;
}

static int is_sealed(const struct adoption *a)
{
	return a->meta->encrypted;
}

static int seals(const struct adoption *a)
{
	return atr_cipher_encrypts(a->store->cipher);
}

/* The content of a file of the asset at hand: *text is what it says, malloc'd. */
static enum atr_status unseal(struct adoption *a, const uint8_t *content, size_t bytes,
                              uint8_t **text, size_t *text_bytes)
{
	if (is_sealed(a))
		return atr_meta_unseal(&a->meta->seed, content, bytes, text, text_bytes);
	*text = malloc(bytes + 1);
	*text_bytes = bytes;
	if (*text == NULL)
		return ATR_ENOMEM;
	memcpy(*text, content, bytes);
	return ATR_OK;
}

/* The other way, under the new seed. text is given up. */
static enum atr_status seal(struct adoption *a, uint8_t *text, size_t text_bytes, uint8_t **sealed,
                            size_t *sealed_bytes)
{
	enum atr_status rc;

	if (!seals(a)) {
		*sealed = text;
		*sealed_bytes = text_bytes;
		return ATR_OK;
	}
	rc = atr_meta_seal(a->store->files, a->seed, text, text_bytes, sealed, sealed_bytes);
	free(text);
	return rc;
}

/* Reads PREFIX NAME, which the asset's old seed opens, and has it sealed under the new one.
 * *content NULL: there is no such file, or nothing opens it (*opens 0). */
static enum atr_status reseal(struct adoption *a, const char *prefix, const char *name,
                              size_t limit_bytes, uint8_t **content, size_t *bytes, int *opens)
{
	uint8_t *old, *text = NULL;
	size_t old_bytes, text_bytes = 0;
	enum atr_status rc = read_file(a, prefix, name, limit_bytes, &old, &old_bytes);

	*content = NULL;
	*bytes = 0;
	*opens = 1;
	if (rc != ATR_OK || old == NULL)
		return rc;
	rc = unseal(a, old, old_bytes, &text, &text_bytes);
	free(old);
	if (rc == ATR_EAUTH) {
		*opens = 0;
		return ATR_OK;
	}
	if (rc == ATR_OK)
		rc = seal(a, text, text_bytes, content, bytes);
	return rc == ATR_OK ? rc
	                    : atr_error_set(a->err, rc, a->store->dir, -1, "sealing %s%s: %s",
	                                    prefix, name, atr_status_text(rc));
}

/* ---- one asset: meta.key, meta.sum, meta.inf, o.dat ---- */

/* The new seed and its key file; to clear text the key file goes. */
static enum atr_status new_key(struct adoption *a, const char *prefix, const char *context)
{
	const struct atr_keyring *ring = &a->store->ring;
	uint8_t sealed[ATR_KEYFILE_BYTES_MAX];
	size_t bytes = 0;
	enum atr_status rc;

	if (!seals(a))
		return is_sealed(a) ? add_file(a, prefix, "meta.key", 1) : ATR_OK;
	rc = atr_keyfile_make(a->store->files, a->store->cipher, a->seed);
	if (rc == ATR_OK)
		rc = atr_keyfile_seal(a->seed, ring->key, ring->key_bytes, a->store->account,
		                      context, sealed, &bytes);
	if (rc != ATR_OK)
		return atr_error_set(a->err, rc, a->store->dir, -1, "making a key: %s",
		                     atr_status_text(rc));
	return write_new(a, prefix, "meta.key", sealed, bytes);
}

static enum atr_status adopt_asset(struct adoption *a, const char *prefix, const char *context,
                                   const char *hash_name)
{
	struct atr_hash_key key;
	uint8_t *content = NULL;
	size_t bytes;
	char hex[17];
	int opens = 1;
	enum atr_status rc = new_key(a, prefix, context);

	if (rc == ATR_OK)
		rc = reseal(a, prefix, "meta.inf", META_BYTES_MAX, &content, &bytes, &opens);
	if (rc == ATR_OK && content == NULL) /* it was read a moment ago */
		rc = atr_error_set(a->err, ATR_EFORMAT, a->store->dir, -1, "%smeta.inf changed",
		                   prefix);
	if (rc == ATR_OK && atr_hash_key_init(&key, hash_name) != 0)
		rc = atr_error_set(a->err, ATR_ENOMEM, NULL, -1, "SHA-256 failed");
	if (rc == ATR_OK) {
		atr_hash_hex(atr_hash64(&key, content, bytes), hex);
		rc = write_new(a, prefix, "meta.sum", hex, 16);
	}
	if (rc == ATR_OK)
		rc = write_new(a, prefix, "meta.inf", content, bytes);
	free(content);
	return rc;
}

/* The state of a consumer, whose seed is that of its metadata. What does not open is left: it does
 * not under the new seed either, and stays what it was, damaged. */
static enum atr_status adopt_consumer_state(struct adoption *a, const char *prefix)
{
	uint8_t *content;
	size_t bytes;
	int opens;
	enum atr_status rc = reseal(a, prefix, "o.dat", STATE_BYTES_MAX, &content, &bytes, &opens);

	if (rc == ATR_OK && content != NULL)
		rc = write_new(a, prefix, "o.dat", content, bytes);
	free(content);
	return rc;
}

/* index.db (or what it was called since a change): body and hash, the body sealed under the seed of
 * the stream's metadata. One that does not open is stale, or was left in clear text; either way it
 * goes. */
static enum atr_status adopt_index(struct adoption *a, const char *name)
{
	uint8_t *old, *text = NULL, *body = NULL, *whole;
	size_t old_bytes, text_bytes = 0, bytes = 0;
	struct atr_hash_key key;
	enum atr_status rc = read_file(a, "msgs/", name, STATE_BYTES_MAX, &old, &old_bytes);

	if (rc != ATR_OK || old == NULL)
		return rc;
	if (atr_hash_key_init(&key, a->store->stream) != 0) {
		free(old);
		return atr_error_set(a->err, ATR_ENOMEM, NULL, -1, "SHA-256 failed");
	}
	if (old_bytes < ATR_HASH_BYTES || atr_hash64(&key, old, old_bytes - ATR_HASH_BYTES) !=
	                                          atr_le64_get(old + old_bytes - ATR_HASH_BYTES))
		rc = ATR_EAUTH;
	else
		rc = unseal(a, old, old_bytes - ATR_HASH_BYTES, &text, &text_bytes);
	free(old);
	if (rc == ATR_EAUTH)
		return add_file(a, "msgs/", name, 1);
	if (rc == ATR_OK)
		rc = seal(a, text, text_bytes, &body, &bytes);
	if (rc != ATR_OK)
		return atr_error_set(a->err, rc, a->store->dir, -1, "sealing %s: %s", name,
		                     atr_status_text(rc));
	whole = realloc(body, bytes + ATR_HASH_BYTES);
	if (whole == NULL) {
		free(body);
		return no_memory(a->err);
	}
	atr_le64_put(whole + bytes, atr_hash64(&key, whole, bytes));
	rc = write_new(a, "msgs/", name, whole, bytes + ATR_HASH_BYTES);
	free(whole);
	return rc;
}

/* ---- consumers ---- */

static int is_under(const struct atr_store *store, const struct atr_meta *meta)
{
	if (!meta->encrypted || !atr_cipher_encrypts(store->cipher))
		return !meta->encrypted && !atr_cipher_encrypts(store->cipher);
	return !meta->seed.under_prev_key &&
	       strcmp(atr_cipher_name(meta->seed.cipher), atr_cipher_name(store->cipher)) == 0;
}

static int take_consumer(void *arg, const char *name)
{
	return name[0] == '.' ? 0 : add_name(arg, name);
}

/* What the size of its meta.key tells; enough unless there is a previous key. */
static int looks_under(struct adoption *a, const char *prefix)
{
	const struct atr_cipher *cipher = a->store->cipher;
	struct atr_file_stat st;
	char path[PATH_MAX];
	int result;

	if (a->store->ring.prev_key_bytes > 0 || path_of(a, prefix, "meta.key", "", path) != ATR_OK)
		return 0;
	result = a->store->files->stat(a->store->files->context, path, &st);
	if (result < 0 || !seals(a))
		return result == -ENOENT && !seals(a);
	return st.bytes ==
	       atr_cipher_nonce_bytes(cipher) + ATR_SEED_BYTES + atr_cipher_tag_bytes(cipher);
}

static enum atr_status adopt_consumer(struct adoption *a, const char *name)
{
	struct atr_store *store = a->store;
	char prefix[PATH_MAX], directory[PATH_MAX], context[600], hash_name[600];
	struct atr_error why;
	enum atr_status rc;

	if (snprintf(prefix, sizeof prefix, "obs/%s/", name) >= (int)sizeof prefix ||
	    snprintf(directory, sizeof directory, "%s/obs/%s", store->dir, name) >=
	            (int)sizeof directory)
		return atr_error_set(a->err, ATR_EINVAL, store->dir, -1, "path too long");
	(void)snprintf(context, sizeof context, "%s.%s", store->stream, name);
	(void)snprintf(hash_name, sizeof hash_name, "%s/%s", store->stream, name);
	if (looks_under(a, prefix))
		return ATR_OK;
	rc = atr_rewrite_recover(store->files, directory, a->err); /* unfinished new files */
	if (rc != ATR_OK)
		return rc;
	/* servers do not look at a consumer's sum either */
	rc = atr_meta_read_unsummed(store->files, directory, &store->ring, store->account, context,
	                            a->meta, &why);
	if (rc == ATR_ENOTSTORE || rc == ATR_EAUTH || rc == ATR_EFORMAT || rc == ATR_ENOKEY)
		return ATR_OK;
	if (rc != ATR_OK) {
		*a->err = why;
		return rc;
	}
	if (!is_under(store, a->meta)) {
		rc = adopt_asset(a, prefix, context, hash_name);
		if (rc == ATR_OK)
			rc = adopt_consumer_state(a, prefix);
	}
	atr_meta_free(a->meta);
	return rc;
}

static enum atr_status adopt_consumers(struct adoption *a)
{
	const struct atr_file_table *files = a->store->files;
	struct names names = {0};
	char path[PATH_MAX];
	enum atr_status rc = path_of(a, "obs", "", "", path);
	int result;

	if (rc != ATR_OK)
		return rc;
	result = files->list(files->context, path, take_consumer, &names);
	if (result < 0 && result != -ENOENT && result != -ENOTDIR)
		rc = atr_file_error(a->err, result, path, -1, "list");
	for (size_t i = 0; i < names.count && rc == ATR_OK; i++)
		rc = adopt_consumer(a, names.name[i]);
	free_names(&names);
	return rc;
}

/* ---- key files of blocks ---- */

static int take_key_file(void *arg, const char *name)
{
	size_t digits = strspn(name, "0123456789");

	return digits > 0 && digits < 20 && strcmp(name + digits, ".key") == 0 ? add_name(arg, name)
	                                                                       : 0;
}

/* The same seed and nonce under the current key. One that does not open is left as it is. */
static enum atr_status rewrap_key(struct adoption *a, const char *name)
{
	const struct atr_store *store = a->store;
	uint64_t number = strtoull(name, NULL, 10);
	uint8_t sealed[ATR_KEYFILE_BYTES_MAX];
	size_t bytes = 0;
	char context[300];
	struct atr_error why;
	enum atr_status rc = atr_block_read_key(&store->home, number, a->seed, &why);

	if (rc == ATR_EAUTH || rc == ATR_EFORMAT)
		return ATR_OK;
	if (rc != ATR_OK) {
		*a->err = why;
		return rc;
	}
	if (!a->seed->under_prev_key)
		return ATR_OK;
	(void)snprintf(context, sizeof context, "%s:%" PRIu64, store->stream, number);
	rc = atr_keyfile_seal(a->seed, store->ring.key, store->ring.key_bytes, store->account,
	                      context, sealed, &bytes);
	if (rc != ATR_OK)
		return atr_error_set(a->err, rc, store->msgs_path, -1, "sealing %s: %s", name,
		                     atr_status_text(rc));
	return write_new(a, "msgs/", name, sealed, bytes);
}

static enum atr_status rewrap_keys(struct adoption *a)
{
	const struct atr_file_table *files = a->store->files;
	struct names names = {0};
	enum atr_status rc = ATR_OK;
	int result;

	if (a->store->ring.prev_key_bytes == 0 || a->store->ring.key_bytes == 0)
		return ATR_OK;
	result = files->list(files->context, a->store->msgs_path, take_key_file, &names);
	if (result < 0 && result != -ENOENT)
		rc = atr_file_error(a->err, result, a->store->msgs_path, -1, "list");
	for (size_t i = 0; i < names.count && rc == ATR_OK; i++)
		rc = rewrap_key(a, names.name[i]);
	free_names(&names);
	return rc;
}

/* ---- all of it ---- */

/* Writes the new files, in groups by directory as an exchange wants them. */
static enum atr_status write_all_new(struct adoption *a, struct atr_meta *meta)
{
	const char *stream = a->store->stream;
	enum atr_status rc = ATR_OK;

	if (!is_under(a->store, meta)) {
		*a->meta = *meta;
		a->meta->config = NULL;
		rc = adopt_asset(a, "", stream, stream);
		if (rc == ATR_OK)
			rc = adopt_index(a, "index.db");
		if (rc == ATR_OK)
			rc = adopt_index(a, INDEX_OLD);
		atr_meta_free(a->meta);
	}
	if (rc == ATR_OK)
		rc = rewrap_keys(a);
	return rc == ATR_OK ? adopt_consumers(a) : rc;
}

static void remove_new(struct adoption *a)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < a->count; i++) {
		if (!a->file[i].remove && path_of(a, "", a->file[i].name, ".tmp", path) == ATR_OK)
			(void)a->store->files->unlink(a->store->files->context, path);
	}
}

enum atr_status adopt_metadata(struct atr_store *store, struct atr_meta *meta,
                               struct atr_error *err)
{
	struct adoption a = {.store = store, .err = err};
	enum atr_status rc;

	a.meta = atr_secret_alloc(sizeof *a.meta);
	a.seed = atr_secret_alloc(sizeof *a.seed);
	if (a.meta == NULL || a.seed == NULL)
		rc = no_memory(err);
	else
		rc = write_all_new(&a, meta);
	if (rc != ATR_OK)
		remove_new(&a); /* nothing names them yet */
	else
		rc = atr_rewrite_files(store->files, store->dir, a.file, a.count, err);
	if (rc == ATR_OK && a.count > 0) {
		atr_meta_free(meta);
		rc = atr_meta_read(store->files, store->dir, &store->ring, store->account,
		                   store->stream, store->stream, meta, err);
	}
	for (size_t i = 0; i < a.count; i++)
		free((char *)(uintptr_t)a.file[i].name);
	free(a.file);
	atr_secret_free(a.meta);
	atr_secret_free(a.seed);
	return rc;
}

/* Is the block under the store's cipher and key? One whose key file opens under no key is left. */
static enum atr_status is_block_under(struct atr_store *store, uint64_t number,
                                      struct atr_seed *seed, int *under, struct atr_error *err)
{
	enum atr_status rc = atr_block_read_key(&store->home, number, seed, err);
	const char *is = rc == ATR_OK ? atr_cipher_name(seed->cipher) : "none";

	*under = 1;
	if (rc == ATR_EAUTH || rc == ATR_EFORMAT)
		return ATR_OK;
	if (rc != ATR_OK && rc != ATR_ENOTFOUND)
		return rc;
	*under = !seed->under_prev_key && strcmp(is, atr_cipher_name(store->cipher)) == 0;
	return ATR_OK;
}

enum atr_status adopt_blocks(struct atr_store *store, struct atr_error *err)
{
	struct atr_seed *seed = atr_secret_alloc(sizeof *seed);
	enum atr_status rc = ATR_OK;

	if (seed == NULL)
		return no_memory(err);
	for (size_t i = 0; i < store->entry_count && rc == ATR_OK; i++) {
		uint64_t number = store->entry[i].number;
		int under;

		rc = is_block_under(store, number, seed, &under, err);
		if (rc != ATR_OK || under)
			continue;
		rc = compact_rewrite(store, number, COMPACT_KEEP, err);
		/* a damaged one stays: recovery tells of it, and a copy would lose what it hides */
		if (rc == ATR_EFORMAT && atomic_load(&store->poison) == ATR_OK)
			rc = ATR_OK;
	}
	atr_secret_free(seed);
	return rc;
}
