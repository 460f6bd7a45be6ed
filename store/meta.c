#include "store/meta.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/secret.h"
#include "store/hash.h"

/* Far above what a server accepts in one configuration request. */
#define META_BYTES_MAX ((size_t)16 * 1024 * 1024)

static enum atr_status join(char path[PATH_MAX], const char *directory, const char *name,
                            struct atr_error *err)
{
	if (snprintf(path, PATH_MAX, "%s/%s", directory, name) >= PATH_MAX)
		return atr_error_set(err, ATR_EINVAL, directory, -1, "path too long");
	return ATR_OK;
}

/* ---- sealed form ---- */

enum atr_status atr_meta_unseal(const struct atr_seed *seed, const uint8_t *sealed,
                                size_t sealed_bytes, uint8_t **text, size_t *text_bytes)
{
	size_t nonce_bytes = atr_cipher_nonce_bytes(seed->cipher);
	size_t overhead = nonce_bytes + atr_cipher_tag_bytes(seed->cipher);
	uint8_t *out;

	*text = NULL;
	*text_bytes = 0;
	if (sealed_bytes < overhead)
		return ATR_EAUTH;
	out = malloc(sealed_bytes - overhead + 1);
	if (out == NULL)
		return ATR_ENOMEM;
	if (atr_cipher_open(seed->cipher, seed->seed, sealed, sealed + nonce_bytes,
	                    sealed_bytes - nonce_bytes, out) != 0) {
		free(out);
		return ATR_EAUTH;
	}
	out[sealed_bytes - overhead] = 0;
	*text = out;
	*text_bytes = sealed_bytes - overhead;
	return ATR_OK;
}

enum atr_status atr_meta_seal(const struct atr_file_table *files, const struct atr_seed *seed,
                              const uint8_t *text, size_t text_bytes, uint8_t **sealed,
                              size_t *sealed_bytes)
{
	size_t nonce_bytes = atr_cipher_nonce_bytes(seed->cipher);
	size_t bytes = nonce_bytes + text_bytes + atr_cipher_tag_bytes(seed->cipher);
	uint8_t *out = malloc(bytes);

	*sealed = NULL;
	*sealed_bytes = 0;
	if (out == NULL)
		return ATR_ENOMEM;
	if (files->random(files->context, out, nonce_bytes) < 0) {
		free(out);
		return ATR_ERANDOM;
	}
	if (atr_cipher_seal(seed->cipher, seed->seed, out, text, text_bytes, out + nonce_bytes) !=
	    0) {
		free(out);
		return ATR_ENOMEM;
	}
	*sealed = out;
	*sealed_bytes = bytes;
	return ATR_OK;
}

/* ---- reading ---- */

static enum atr_status check_sum(const struct atr_file_table *files, const char *directory,
                                 const char *hash_name, const uint8_t *inf, size_t inf_bytes,
                                 struct atr_error *err)
{
	struct atr_hash_key key;
	char path[PATH_MAX], hex[17];
	uint8_t *sum = NULL;
	size_t sum_bytes = 0;
	enum atr_status rc;

	rc = join(path, directory, "meta.sum", err);
	if (rc != ATR_OK)
		return rc;
	if (atr_hash_key_init(&key, hash_name) != 0)
		return atr_error_set(err, ATR_ENOMEM, path, -1, "SHA-256 failed");
	rc = atr_file_read_whole(files, path, 4096, &sum, &sum_bytes, err);
	if (rc == ATR_ENOTFOUND)
		return atr_error_set(err, ATR_EFORMAT, path, -1, "missing beside meta.inf");
	if (rc != ATR_OK)
		return rc;
	atr_hash_hex(atr_hash64(&key, inf, inf_bytes), hex);
	if (sum_bytes != 16 || memcmp(sum, hex, 16) != 0)
		rc = atr_error_set(err, ATR_EFORMAT, path, -1,
		                   "checksums do not match \"%.*s\" vs \"%s\"",
		                   sum_bytes < 32 ? (int)sum_bytes : 32, (const char *)sum, hex);
	free(sum);
	return rc;
}

/* meta.key, if there is one, into *out. */
static enum atr_status read_key(const struct atr_file_table *files, const char *directory,
                                const struct atr_keyring *ring, const char *info,
                                const char *context, struct atr_meta *out, struct atr_error *err)
{
	char path[PATH_MAX];
	uint8_t *sealed = NULL;
	size_t sealed_bytes = 0;
	enum atr_status rc;

	rc = join(path, directory, "meta.key", err);
	if (rc != ATR_OK)
		return rc;
	rc = atr_file_read_whole(files, path, 4096, &sealed, &sealed_bytes, err);
	if (rc == ATR_ENOTFOUND)
		return ATR_OK;
	if (rc != ATR_OK)
		return rc;
	out->encrypted = 1;
	rc = atr_keyfile_open(ring, NULL, info, context, sealed, sealed_bytes, &out->seed);
	free(sealed);
	switch (rc) {
	case ATR_OK:
		return rc;
	case ATR_ENOKEY:
		return atr_error_set(err, rc, path, -1,
		                     "the store is encrypted and no key was given: "
		                     "encryption not enabled");
	case ATR_EFORMAT:
		return atr_error_set(err, rc, path, -1, "%zu bytes, expected 72 or 64",
		                     sealed_bytes);
	default:
		return atr_error_set(err, rc, path, -1,
		                     "message authentication failed, unable to recover keys: "
		                     "wrong key or damaged file");
	}
}

static enum atr_status parse(const char *path, const uint8_t *text, size_t text_bytes,
                             int encrypted, struct atr_meta *out, struct atr_error *err)
{
	json_error_t where;

	out->config = json_loadb((const char *)text, text_bytes, 0, &where);
	if (out->config == NULL)
		return atr_error_set(err, ATR_EFORMAT, path, where.position, "not JSON: %s (%s)",
		                     where.text,
		                     encrypted ? "after deciphering" : "no meta.key beside it");
	if (!json_is_object(out->config))
		return atr_error_set(err, ATR_EFORMAT, path, 0, "not a JSON object");
	return ATR_OK;
}

static enum atr_status read_meta(const struct atr_file_table *files, const char *directory,
                                 const struct atr_keyring *ring, const char *info,
                                 const char *context, const char *hash_name, struct atr_meta *out,
                                 struct atr_error *err)
{
	char path[PATH_MAX];
	uint8_t *inf = NULL, *text = NULL;
	size_t inf_bytes = 0, text_bytes = 0;
	enum atr_status rc;

	memset(out, 0, sizeof *out);
	rc = join(path, directory, "meta.inf", err);
	if (rc != ATR_OK)
		return rc;
	rc = atr_file_read_whole(files, path, META_BYTES_MAX, &inf, &inf_bytes, err);
	if (rc == ATR_ENOTFOUND)
		return atr_error_set(err, ATR_ENOTSTORE, directory, -1, "no meta.inf in it");
	if (rc != ATR_OK)
		return rc;
	if (hash_name != NULL)
		rc = check_sum(files, directory, hash_name, inf, inf_bytes, err);
	if (rc == ATR_OK)
		rc = read_key(files, directory, ring, info, context, out, err);
	if (rc == ATR_OK && out->encrypted) {
		rc = atr_meta_unseal(&out->seed, inf, inf_bytes, &text, &text_bytes);
		if (rc != ATR_OK)
			(void)atr_error_set(err, rc, path, -1,
			                    "message authentication failed under the seed of "
			                    "meta.key: damaged file");
	}
	if (rc == ATR_OK)
		rc = parse(path, out->encrypted ? text : inf,
		           out->encrypted ? text_bytes : inf_bytes, out->encrypted, out, err);
	free(inf);
	free(text);
	if (rc != ATR_OK)
		atr_meta_free(out);
	return rc;
}

enum atr_status atr_meta_read(const struct atr_file_table *files, const char *directory,
                              const struct atr_keyring *ring, const char *info, const char *context,
                              const char *hash_name, struct atr_meta *out, struct atr_error *err)
{
	return read_meta(files, directory, ring, info, context, hash_name, out, err);
}

enum atr_status atr_meta_read_unsummed(const struct atr_file_table *files, const char *directory,
                                       const struct atr_keyring *ring, const char *info,
                                       const char *context, struct atr_meta *out,
                                       struct atr_error *err)
{
	return read_meta(files, directory, ring, info, context, NULL, out, err);
}

void atr_meta_free(struct atr_meta *meta)
{
	json_decref(meta->config);
	atr_secret_wipe(&meta->seed, sizeof meta->seed);
	meta->config = NULL;
	meta->encrypted = 0;
}

/* ---- writing ---- */

/* '<', '>' and '&' occur in strings only, so every one is replaced. */
char *atr_meta_text(json_t *config, size_t *bytes)
{
	char *plain = json_dumps(config, JSON_COMPACT);
	char *text = NULL, *p;

	if (plain == NULL)
		return NULL;
	text = malloc(6 * strlen(plain) + 1);
	if (text == NULL)
		goto done;
	p = text;
	for (const char *q = plain; *q != '\0'; q++) {
		if (*q == '<' || *q == '>' || *q == '&')
			p += sprintf(p, "\\u%04x", (unsigned)*q);
		else
			*p++ = *q;
	}
	*bytes = (size_t)(p - text);
done:
	free(plain);
	return text;
}

static enum atr_status write_key(const struct atr_file_table *files, const char *directory,
                                 const struct atr_keyring *ring, const char *info,
                                 const char *context, const struct atr_seed *seed,
                                 struct atr_error *err)
{
	uint8_t sealed[ATR_KEYFILE_BYTES_MAX];
	size_t sealed_bytes;
	char path[PATH_MAX];
	enum atr_status rc;

	rc = join(path, directory, "meta.key", err);
	if (rc != ATR_OK)
		return rc;
	rc = atr_keyfile_seal(seed, ring->key, ring->key_bytes, info, context, sealed,
	                      &sealed_bytes);
	if (rc != ATR_OK)
		return atr_error_set(err, rc, path, -1, "%s", atr_status_text(rc));
	return atr_file_replace(files, path, sealed, sealed_bytes, err);
}

enum atr_status atr_meta_write(const struct atr_file_table *files, const char *directory,
                               const struct atr_keyring *ring, const char *info,
                               const char *context, const char *hash_name, json_t *config,
                               const struct atr_seed *seed, struct atr_error *err)
{
	struct atr_hash_key key;
	char path[PATH_MAX], hex[17];
	uint8_t *stored = NULL;
	size_t stored_bytes = 0;
	enum atr_status rc;

	stored = (uint8_t *)atr_meta_text(config, &stored_bytes);
	if (stored == NULL || atr_hash_key_init(&key, hash_name) != 0) {
		rc = atr_error_set(err, ATR_ENOMEM, directory, -1, "no memory for meta.inf");
		goto done;
	}
	if (seed != NULL) {
		uint8_t *sealed;

		rc = write_key(files, directory, ring, info, context, seed, err);
		if (rc != ATR_OK)
			goto done;
		rc = atr_meta_seal(files, seed, stored, stored_bytes, &sealed, &stored_bytes);
		if (rc != ATR_OK) {
			(void)atr_error_set(err, rc, directory, -1, "sealing meta.inf: %s",
			                    atr_status_text(rc));
			goto done;
		}
		free(stored);
		stored = sealed;
	}
	atr_hash_hex(atr_hash64(&key, stored, stored_bytes), hex);
	/* meta.inf last: a directory without it is no stream yet */
	rc = join(path, directory, "meta.sum", err);
	if (rc == ATR_OK)
		rc = atr_file_replace(files, path, hex, 16, err);
	if (rc == ATR_OK)
		rc = join(path, directory, "meta.inf", err);
	if (rc == ATR_OK)
		rc = atr_file_replace(files, path, stored, stored_bytes, err);
done:
	free(stored);
	return rc;
}
