/* prf.c - HMAC-SHA-256, SHA-256 and random bytes with OpenSSL. See prf.h. */
#include "ciphers/prf.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <pthread.h>

/* RAND_bytes counts in int. */
#define RANDOM_PIECE_BYTES ((size_t)1 << 20)

/* Fetched once; hmac has its digest set and is only ever copied, so threads may share it. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;
static EVP_MAC_CTX *hmac;

static void fetch(void)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
	                       OSSL_PARAM_construct_end()};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;

	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (ctx && EVP_MAC_CTX_set_params(ctx, params) == 1)
		hmac = ctx;
	else
		EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
}

int atr_hmac_sha256(const uint8_t *key, size_t key_bytes, const uint8_t *a, size_t a_bytes,
                    const uint8_t *b, size_t b_bytes, uint8_t out[ATR_SHA256_BYTES])
{
	static const uint8_t no_key[1];
	EVP_MAC_CTX *ctx;
	size_t done = 0;
	int rc = -1;

	pthread_once(&once, fetch);
	ctx = hmac ? EVP_MAC_CTX_dup(hmac) : NULL;
	/* A NULL key would mean "the key of before": an empty one needs an address. */
	if (ctx && EVP_MAC_init(ctx, key_bytes ? key : no_key, key_bytes, NULL) == 1 &&
	    EVP_MAC_update(ctx, a, a_bytes) == 1 && EVP_MAC_update(ctx, b, b_bytes) == 1 &&
	    EVP_MAC_final(ctx, out, &done, ATR_SHA256_BYTES) == 1 && done == ATR_SHA256_BYTES)
		rc = 0;
	EVP_MAC_CTX_free(ctx);
	return rc;
}

int atr_sha256(const uint8_t *data, size_t bytes, uint8_t out[ATR_SHA256_BYTES])
{
	pthread_once(&once, fetch);
	return sha256 && EVP_Digest(data, bytes, out, NULL, sha256, NULL) == 1 ? 0 : -1;
}

int atr_random(uint8_t *out, size_t bytes)
{
	while (bytes) {
		size_t piece = bytes < RANDOM_PIECE_BYTES ? bytes : RANDOM_PIECE_BYTES;

		if (RAND_priv_bytes(out, (int)piece) != 1)
			return -1;
		out += piece;
		bytes -= piece;
	}
	return 0;
}

int atr_ed25519_public(const uint8_t seed[32], uint8_t out[32])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
	size_t bytes = 32;
	int rc = key && EVP_PKEY_get_raw_public_key(key, out, &bytes) == 1 ? 0 : -1;

	EVP_PKEY_free(key);
	return rc;
}
