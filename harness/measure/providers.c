/* providers.c - the speed of every cipher, and the choice between chachapoly's providers.
 *
 * A slot is one (cipher, size). Rounds go over all slots, so that a slow moment of the machine
 * falls on all of them; each slot's figure is the median of its rounds.
 */
#include "harness/measure/providers.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/clock.h"

#define CHOICE_BYTES     16384u
#define SODIUM_ADVANTAGE 1.10 /* how much faster sodium must be to be chosen */

#define BUFFER_BYTES (256u * 1024u)
#define ROUNDS       11
#define SLOTS_MAX    (PROVIDERS_MAX * PROVIDERS_SIZES)
#define BATCH_NS     UINT64_C(1000000)

const size_t providers_size_bytes[PROVIDERS_SIZES] = {64,    256,   1024,        4096,
                                                      16384, 65536, BUFFER_BYTES};

struct slot {
	const struct atr_cipher *cipher;
	size_t bytes;
	struct atr_keystream *stream;
	uint64_t offset;
	uint64_t batch; /* messages timed together */
	double ns[ROUNDS];
};

struct buffers {
	uint8_t *in;
	uint8_t *out;
};

/* ns of count messages, or 0 when the library fails. */
static uint64_t time_batch(struct slot *s, const struct buffers *b, uint64_t count)
{
	uint64_t start = clock_ns();
	uint64_t ns;

	for (uint64_t i = 0; i < count; i++) {
		if (atr_keystream_xor(s->stream, s->offset, b->in, b->out, s->bytes) != 0)
			return 0;
		s->offset += s->bytes;
	}
	ns = clock_ns() - start;
	return ns ? ns : 1;
}

static int slot_open(struct slot *s, const struct buffers *b)
{
	static const uint8_t key[ATR_CIPHER_KEY_BYTES] = {1};
	static const uint8_t nonce[ATR_CIPHER_NONCE_BYTES_MAX] = {2};
	uint64_t ns = 0;

	s->stream = atr_keystream_new(s->cipher, key, nonce, 0);
	if (!s->stream)
		return -1;
	/* Doubled until a batch is long against the clock; this warms up too. */
	for (s->batch = 1; ns < BATCH_NS / 2; s->batch *= 2) {
		ns = time_batch(s, b, s->batch);
		if (!ns)
			return -1;
	}
	return 0;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double ns[ROUNDS])
{
	qsort(ns, ROUNDS, sizeof(ns[0]), by_value);
	return ns[ROUNDS / 2];
}

static int slots_run(struct slot *slots, size_t count, const struct buffers *b)
{
	for (size_t i = 0; i < count; i++)
		if (slot_open(&slots[i], b) != 0)
			return -1;
	for (size_t r = 0; r < ROUNDS; r++) {
		for (size_t i = 0; i < count; i++) {
			uint64_t ns = time_batch(&slots[i], b, slots[i].batch);

			if (!ns)
				return -1;
			slots[i].ns[r] = (double)ns / (double)slots[i].batch;
		}
	}
	return 0;
}

/* Fills the slots' ns; 0, or -1. */
static int slots_measure(struct slot *slots, size_t count)
{
	struct buffers b = {calloc(1, BUFFER_BYTES), calloc(1, BUFFER_BYTES)};
	int rc = b.in && b.out ? slots_run(slots, count, &b) : -1;

	for (size_t i = 0; i < count; i++) {
		atr_keystream_free(slots[i].stream);
		slots[i].stream = NULL;
	}
	free(b.in);
	free(b.out);
	return rc;
}

const struct atr_cipher *providers_decide(double openssl_ns, double sodium_ns)
{
	int sodium = sodium_ns * SODIUM_ADVANTAGE < openssl_ns;

	return atr_cipher_find("chachapoly", sodium ? "sodium" : "openssl");
}

static void choice_default(struct provider_choice *out)
{
	memset(out, 0, sizeof(*out));
	out->chachapoly = atr_cipher_find("chachapoly", NULL);
}

int providers_choose(struct provider_choice *out)
{
	struct slot slots[2] = {
	        {.cipher = atr_cipher_find("chachapoly", "openssl"), .bytes = CHOICE_BYTES},
	        {.cipher = atr_cipher_find("chachapoly", "sodium"), .bytes = CHOICE_BYTES}};

	choice_default(out);
	if (slots_measure(slots, 2) != 0)
		return -1;
	out->openssl_ns = median(slots[0].ns);
	out->sodium_ns = median(slots[1].ns);
	out->chachapoly = providers_decide(out->openssl_ns, out->sodium_ns);
	return 0;
}

int providers_pin(struct provider_choice *out, const char *text)
{
	const char *equals = strchr(text, '=');
	const struct atr_cipher *c;
	char name[32];

	if (!equals || equals == text || (size_t)(equals - text) >= sizeof(name))
		return -1;
	memcpy(name, text, (size_t)(equals - text));
	name[equals - text] = '\0';
	c = atr_cipher_find(name, equals + 1);
	if (!c)
		return -1;
	if (strcmp(name, "chachapoly") == 0) {
		choice_default(out);
		out->chachapoly = c;
		out->pinned = 1;
	}
	return 0;
}

const struct atr_cipher *providers_cipher(const struct provider_choice *choice, const char *name)
{
	if (strcmp(name, "chachapoly") == 0)
		return choice->chachapoly;
	return atr_cipher_find(name, NULL);
}

double providers_gib_s(size_t bytes, double ns)
{
	return (double)bytes / ns * 1e9 / (1024.0 * 1024.0 * 1024.0);
}

static double row_ns(const struct provider_speed *rows, size_t count, const struct atr_cipher *c,
                     size_t bytes)
{
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < PROVIDERS_SIZES; j++)
			if (rows[i].cipher == c && providers_size_bytes[j] == bytes)
				return rows[i].ns[j];
	return 0;
}

int providers_measure(struct provider_speed rows[PROVIDERS_MAX], struct provider_choice *out)
{
	struct slot slots[SLOTS_MAX];
	const struct atr_cipher *c;
	size_t count = 0;

	choice_default(out);
	memset(slots, 0, sizeof(slots));
	for (; count < PROVIDERS_MAX && (c = atr_cipher_at(count)) != NULL; count++) {
		rows[count].cipher = c;
		for (size_t j = 0; j < PROVIDERS_SIZES; j++) {
			slots[count * PROVIDERS_SIZES + j].cipher = c;
			slots[count * PROVIDERS_SIZES + j].bytes = providers_size_bytes[j];
		}
	}
	if (slots_measure(slots, count * PROVIDERS_SIZES) != 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < PROVIDERS_SIZES; j++)
			rows[i].ns[j] = median(slots[i * PROVIDERS_SIZES + j].ns);
	out->openssl_ns =
	        row_ns(rows, count, atr_cipher_find("chachapoly", "openssl"), CHOICE_BYTES);
	out->sodium_ns = row_ns(rows, count, atr_cipher_find("chachapoly", "sodium"), CHOICE_BYTES);
	out->chachapoly = providers_decide(out->openssl_ns, out->sodium_ns);
	return (int)count;
}
