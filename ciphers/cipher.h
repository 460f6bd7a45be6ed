/* cipher.h - encryption at rest as JetStream uses it, independent of any crypto library.
 *
 * An *algorithm* (struct atr_cipher) is constant: names, sizes, functions. A *key stream*
 * (struct atr_keystream) is a keyed context positioned anywhere in the stream. AEAD is one call
 * per seal or open: it protects key files and metadata, not messages.
 *
 *   name        AEAD                                   block stream
 *   none        -                                      copy
 *   chachapoly  XChaCha20-Poly1305, 24-byte nonce      XChaCha20, 24-byte nonce, counter 0
 *   aes         AES-256-GCM, 16-byte nonce, 16 tag     AES-256-CTR, counter block = the nonce
 *
 * AAD is empty everywhere. Functions return 0 or -1: there is one way to fail per call.
 * Sources: nats-server server/filestore.go, genEncryptionKey, genBlockEncryptionKey;
 * RFC 8439; draft-irtf-cfrg-xchacha; NIST SP 800-38A and 800-38D.
 */
#ifndef ATREST_CIPHERS_CIPHER_H
#define ATREST_CIPHERS_CIPHER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ATR_CIPHER_KEY_BYTES       32
#define ATR_CIPHER_NONCE_BYTES_MAX 24
#define ATR_CIPHER_TAG_BYTES       16

struct atr_cipher;    /* constant algorithm of one provider; never freed */
struct atr_keystream; /* keyed context; one thread at a time */

/* ---- list and look-up ---- */

/* provider NULL: the default of that algorithm (openssl; "builtin" for none). NULL when there
 * is none. "chacha" is not a name here: the configuration's alias is resolved by its reader. */
const struct atr_cipher *atr_cipher_find(const char *name, const char *provider);
/* The i-th of all (algorithm, provider) pairs, NULL past the last. */
const struct atr_cipher *atr_cipher_at(size_t index);

const char *atr_cipher_name(const struct atr_cipher *c);     /* "none", "chachapoly", "aes" */
const char *atr_cipher_provider(const struct atr_cipher *c); /* "builtin", "openssl", "sodium" */
/* Name and version of the library behind it, e.g. "OpenSSL 3.0.19"; constant. */
const char *atr_cipher_library(const struct atr_cipher *c);
size_t atr_cipher_nonce_bytes(const struct atr_cipher *c); /* 24, 16, 0 */
size_t atr_cipher_tag_bytes(const struct atr_cipher *c);   /* 16, 16, 0 */
/* True when it enciphers (everything but "none"). */
int atr_cipher_encrypts(const struct atr_cipher *c);

/* ---- AEAD ---- */

/* sealed receives text_bytes + tag bytes: ciphertext || tag. In place (sealed == text) is
 * allowed, other overlap is not. nonce has atr_cipher_nonce_bytes(c). */
int atr_cipher_seal(const struct atr_cipher *c, const uint8_t key[ATR_CIPHER_KEY_BYTES],
                    const uint8_t *nonce, const uint8_t *text, size_t text_bytes, uint8_t *sealed);

/* Returns -1 when the tag does not fit or sealed_bytes is below the tag; text is then wiped.
 * text receives sealed_bytes - tag bytes; text == sealed is allowed. */
int atr_cipher_open(const struct atr_cipher *c, const uint8_t key[ATR_CIPHER_KEY_BYTES],
                    const uint8_t *nonce, const uint8_t *sealed, size_t sealed_bytes,
                    uint8_t *text);

/* ---- block stream ---- */

/* ahead_bytes > 0: the context makes key stream ahead, that many bytes at a time (rounded up to
 * 64), in locked and wiped memory, so that many small pieces cost what one large one does; the
 * calling thread makes it. 0: every call goes to the library.
 * Returns NULL when memory or the library fails. */
struct atr_keystream *atr_keystream_new(const struct atr_cipher *c,
                                        const uint8_t key[ATR_CIPHER_KEY_BYTES],
                                        const uint8_t *nonce, size_t ahead_bytes);

/* Re-keys an existing context of the same cipher without allocating. */
int atr_keystream_rekey(struct atr_keystream *s, const uint8_t key[ATR_CIPHER_KEY_BYTES],
                        const uint8_t *nonce);

/* out[i] = in[i] XOR key stream[offset + i]. in == out is allowed, other overlap is not.
 * Any offset, in any order; continuing where the last call ended is the fast path.
 * Returns -1 when chachapoly would pass its 256 GiB (offset + bytes > 2^38), or the library
 * fails; out is then undefined. */
int atr_keystream_xor(struct atr_keystream *s, uint64_t offset, const uint8_t *in, uint8_t *out,
                      size_t bytes);

/* Wipes and frees; NULL allowed. */
void atr_keystream_free(struct atr_keystream *s);

#ifdef __cplusplus
}
#endif
#endif
