/* prf.h - HMAC-SHA-256, SHA-256, random bytes, Ed25519 public keys (OpenSSL). All return 0 or -1.
 */
#ifndef ATREST_CIPHERS_PRF_H
#define ATREST_CIPHERS_PRF_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ATR_SHA256_BYTES 32

/* HMAC over a || b (b may be NULL with 0 bytes): the key derivation needs no joined copy.
 * A key of any length, 0 included. */
int atr_hmac_sha256(const uint8_t *key, size_t key_bytes, const uint8_t *a, size_t a_bytes,
                    const uint8_t *b, size_t b_bytes, uint8_t out[ATR_SHA256_BYTES]);

int atr_sha256(const uint8_t *data, size_t bytes, uint8_t out[ATR_SHA256_BYTES]);

/* From the operating system's generator through the library. */
int atr_random(uint8_t *out, size_t bytes);

/* The public key that belongs to a seed, RFC 8032 section 5.1.5: 32 bytes each. */
int atr_ed25519_public(const uint8_t seed[32], uint8_t out[32]);

#ifdef __cplusplus
}
#endif
#endif
