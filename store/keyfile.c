#include "store/keyfile.h"

#include <assert.h>
#include <string.h>

#include "ciphers/prf.h"
#include "ciphers/secret.h"

/* An algorithm that may have sealed a key file of sealed_bytes; NULL when none has that size. */
static const struct atr_cipher *cipher_of_size(size_t sealed_bytes, const struct atr_cipher *prefer)
{
	static const char *const names[] = {"chachapoly", "aes"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const struct atr_cipher *c = atr_cipher_find(names[i], NULL);

		if (c == NULL || sealed_bytes != atr_cipher_nonce_bytes(c) + ATR_SEED_BYTES +
		                                         atr_cipher_tag_bytes(c))
			continue;
		if (prefer != NULL && strcmp(atr_cipher_name(prefer), names[i]) == 0)
			return prefer;
		return c;
	}
	return NULL;
}

static int derive(const uint8_t *key, size_t key_bytes, const char *info, const char *context,
                  uint8_t kek[ATR_SHA256_BYTES])
{
	return atr_hmac_sha256(key, key_bytes, (const uint8_t *)info, strlen(info),
	                       (const uint8_t *)context, strlen(context), kek);
}

enum atr_status atr_keyfile_make(const struct atr_file_table *files, const struct atr_cipher *c,
                                 struct atr_seed *out)
{
	memset(out, 0, sizeof *out);
	assert(atr_cipher_encrypts(c));
	if (files->random(files->context, out->seed, sizeof out->seed) < 0 ||
	    files->random(files->context, out->nonce, atr_cipher_nonce_bytes(c)) < 0) {
		atr_secret_wipe(out, sizeof *out);
		return ATR_ERANDOM;
	}
	out->cipher = c;
	return ATR_OK;
}

enum atr_status atr_keyfile_seal(const struct atr_seed *seed, const uint8_t *key, size_t key_bytes,
                                 const char *info, const char *context, uint8_t *sealed,
                                 size_t *sealed_bytes)
{
	size_t nonce_bytes = atr_cipher_nonce_bytes(seed->cipher);
	uint8_t kek[ATR_SHA256_BYTES];
	int rc;

	*sealed_bytes = 0;
	if (key == NULL || key_bytes == 0)
		return ATR_ENOKEY;
	memcpy(sealed, seed->nonce, nonce_bytes);
	rc = derive(key, key_bytes, info, context, kek);
	if (rc == 0)
		rc = atr_cipher_seal(seed->cipher, kek, seed->nonce, seed->seed, ATR_SEED_BYTES,
		                     sealed + nonce_bytes);
	atr_secret_wipe(kek, sizeof kek);
	if (rc != 0)
		return ATR_ENOMEM; /* the library fails at nothing else here */
	*sealed_bytes = nonce_bytes + ATR_SEED_BYTES + atr_cipher_tag_bytes(seed->cipher);
	return ATR_OK;
}

static int open_under(const uint8_t *key, size_t key_bytes, const char *info, const char *context,
                      const uint8_t *sealed, size_t sealed_bytes, struct atr_seed *out)
{
	size_t nonce_bytes = atr_cipher_nonce_bytes(out->cipher);
	uint8_t kek[ATR_SHA256_BYTES];
	int rc;

	rc = derive(key, key_bytes, info, context, kek);
	if (rc == 0)
		rc = atr_cipher_open(out->cipher, kek, sealed, sealed + nonce_bytes,
		                     sealed_bytes - nonce_bytes, out->seed);
	atr_secret_wipe(kek, sizeof kek);
	if (rc == 0)
		memcpy(out->nonce, sealed, nonce_bytes);
	return rc;
}

enum atr_status atr_keyfile_open(const struct atr_keyring *ring, const struct atr_cipher *prefer,
                                 const char *info, const char *context, const uint8_t *sealed,
                                 size_t sealed_bytes, struct atr_seed *out)
{
	memset(out, 0, sizeof *out);
	if ((ring->key == NULL || ring->key_bytes == 0) &&
	    (ring->prev_key == NULL || ring->prev_key_bytes == 0))
		return ATR_ENOKEY;
	out->cipher = cipher_of_size(sealed_bytes, prefer);
	if (out->cipher == NULL)
		return ATR_EFORMAT;
	if (ring->key != NULL && ring->key_bytes > 0 &&
	    open_under(ring->key, ring->key_bytes, info, context, sealed, sealed_bytes, out) == 0)
		return ATR_OK;
	if (ring->prev_key != NULL && ring->prev_key_bytes > 0 &&
	    open_under(ring->prev_key, ring->prev_key_bytes, info, context, sealed, sealed_bytes,
	               out) == 0) {
		out->under_prev_key = 1;
		return ATR_OK;
	}
	atr_secret_wipe(out, sizeof *out);
	return ATR_EAUTH;
}
