/* providers.h - how fast each cipher and provider is on this CPU, and which provider a run uses.
 *
 * Speeds are medians of short interleaved rounds of the block stream as a writer uses it: kept
 * context, continuing, from one buffer into another, no key stream made ahead.
 *
 * Only chachapoly has more than one provider: openssl, unless sodium is more than 10 % faster at
 * 16 KiB, so that runs of a CI machine do not flip between near equals. A run chooses once.
 */
#ifndef ATREST_HARNESS_MEASURE_PROVIDERS_H
#define ATREST_HARNESS_MEASURE_PROVIDERS_H

#include <stddef.h>

#include "ciphers/cipher.h"

#define PROVIDERS_SIZES 7
#define PROVIDERS_MAX   8

/* Message sizes of the table in bytes, ascending. */
extern const size_t providers_size_bytes[PROVIDERS_SIZES];

struct provider_choice {
	const struct atr_cipher *chachapoly; /* the chosen one; never NULL after choose or pin */
	double openssl_ns;                   /* per 16 KiB; 0 = not measured */
	double sodium_ns;
	int pinned; /* set by providers_pin, not by measuring */
};

/* The rule alone: chachapoly's provider for these two times per 16 KiB. */
const struct atr_cipher *providers_decide(double openssl_ns, double sodium_ns);

/* Measures chachapoly's providers and chooses; below 200 ms. Returns 0, or -1 when a library
 * fails (memory); *out then holds the default. */
int providers_choose(struct provider_choice *out);

/* "chachapoly=sodium", as --provider has it: sets *out without measuring. aes=openssl and
 * none=builtin are accepted and change nothing. Returns 0, or -1 when the text is not
 * CIPHER=PROVIDER of the list; *out is then unchanged. */
int providers_pin(struct provider_choice *out, const char *text);

/* The cipher of that name with the chosen provider; NULL when there is no such name. */
const struct atr_cipher *providers_cipher(const struct provider_choice *choice, const char *name);

struct provider_speed {
	const struct atr_cipher *cipher;
	double ns[PROVIDERS_SIZES]; /* per message of providers_size_bytes[i] */
};

/* Bytes per ns as GiB/s. */
double providers_gib_s(size_t bytes, double ns);

/* Every (algorithm, provider) pair in the order of atr_cipher_at, about a third of a second; the
 * choice follows from the same figures. Returns how many rows were filled, or -1 as above. */
int providers_measure(struct provider_speed rows[PROVIDERS_MAX], struct provider_choice *out);

#endif
