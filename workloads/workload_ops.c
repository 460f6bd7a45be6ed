/* workload_ops.c - operations from numbers: message i is a pure function of (workload, seed, i).
 *
 * Each question about operation i is answered from a hash of i under a key of its own (the
 * finaliser of splitmix64), so any thread can ask in any order and nothing is kept. Sizes and
 * subjects that are not equally likely come from alias tables (Walker, Vose), made once, of
 * integers, so that every machine draws the same.
 */
#include "workloads/workload.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define POOL_BYTES_MIN               (4u * 1024 * 1024)
#define GOLDEN                       UINT64_C(0x9e3779b97f4a7c15)
#define WEIGHT_BITS                  40 /* times 10^7 subjects stays below 2^64 */
#define COIN_ONE                     UINT64_C(0x100000000)
#define SUBJECT_DIGITS               8 /* of 10^7 */
#define SUBJECT_STRIDE(prefix_bytes) (1 + (prefix_bytes) + 1 + SUBJECT_DIGITS + 1)

/* What a hash is for; the same number i must not answer two questions alike. */
#define DOMAIN_MESSAGE  UINT64_C(0x6d65737361676500)
#define DOMAIN_SIZE     UINT64_C(0x73697a6500000000)
#define DOMAIN_SUBJECT  UINT64_C(0x7375626a65637400)
#define DOMAIN_SEQUENCE UINT64_C(0x73657175656e6300)
#define DOMAIN_MIXED    UINT64_C(0x6d69786564000000)
#define DOMAIN_POOL     UINT64_C(0x706f6f6c00000000)
#define DOMAIN_REMOVAL  UINT64_C(0x72656d6f76616c00)
#define DOMAIN_ARRIVAL  UINT64_C(0x6172726976616c00)

__extension__ typedef unsigned __int128 u128;

struct alias {
	uint32_t threshold; /* keep the slot when the coin is below, of 2^32 */
	uint32_t other;
};

struct workload_ops {
	uint64_t message_key, sequence_key, mixed_key, removal_key;
	uint32_t pool_bytes;
	uint32_t fixed_bytes; /* 0: draw */
	size_t size_count;
	uint32_t low_bytes[WORKLOAD_SIZES_MAX];
	uint64_t span_bytes[WORKLOAD_SIZES_MAX]; /* high - low + 1 */
	struct alias size_alias[WORKLOAD_SIZES_MAX];
	uint32_t headers_bytes;
	uint64_t headers_threshold; /* of 2^32 */
	uint64_t read_threshold;    /* of 2^32 */
	enum workload_distribution distribution;
	uint32_t subjects;
	struct alias *subject_alias; /* zipf only */
	char *subject_text;          /* per subject: its length in one byte, text, NUL */
	size_t subject_stride;
	uint8_t *headers;
};

static inline uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline uint64_t key_of(uint64_t seed, uint64_t domain)
{
	return mix(mix(seed + GOLDEN) ^ domain);
}

/* 0..range-1 from the upper half of a hash; range up to 2^32. */
static inline uint32_t scale(uint64_t hash, uint64_t range)
{
	return (uint32_t)(((hash >> 32) * range) >> 32);
}

static inline uint32_t alias_draw(const struct alias *table, uint32_t count, uint64_t hash)
{
	uint32_t slot = scale(hash, count);

	/* Without a branch: it would be mispredicted half the time. */
	uint32_t lost = (uint32_t)((uint32_t)hash >= table[slot].threshold);
	return slot ^ ((slot ^ table[slot].other) & (0u - lost));
}

/* Vose's construction: weight[i] of a sum becomes weight[i] * count against sum; what a slot lacks
 * is filled from one that has too much. weight is used up. -1: no memory. */
static int alias_make(struct alias *table, uint64_t *weight, uint32_t count)
{
	uint32_t *stack = malloc((size_t)count * sizeof(*stack));
	uint32_t small = 0, large = count; /* two stacks growing towards each other */
	uint64_t sum = 0;

	if (!stack)
		return -1;
	for (uint32_t i = 0; i < count; i++)
		sum += weight[i];
	for (uint32_t i = 0; i < count; i++) {
		weight[i] *= count;
		if (weight[i] < sum)
			stack[small++] = i;
		else
			stack[--large] = i;
	}
	while (small && large < count) {
		uint32_t less = stack[--small], more = stack[large];
		table[less].threshold =
		        (uint32_t)((double)weight[less] / (double)sum * (double)COIN_ONE);
		table[less].other = more;
		weight[more] -= sum - weight[less];
		if (weight[more] < sum) {
			large++;
			stack[small++] = more;
		}
	}
	/* What is left is full. */
	for (uint32_t i = 0; i < small; i++)
		table[stack[i]] = (struct alias){UINT32_MAX, stack[i]};
	for (uint32_t i = large; i < count; i++)
		table[stack[i]] = (struct alias){UINT32_MAX, stack[i]};
	free(stack);
	return 0;
}

static int make_sizes(struct workload_ops *ops, const struct workload *w)
{
	uint64_t weight[WORKLOAD_SIZES_MAX];
	double sum = 0;

	ops->size_count = w->size_count;
	for (size_t i = 0; i < w->size_count; i++)
		sum += w->sizes[i].weight;
	for (size_t i = 0; i < w->size_count; i++) {
		ops->low_bytes[i] = w->sizes[i].low_bytes;
		ops->span_bytes[i] = (uint64_t)w->sizes[i].high_bytes - w->sizes[i].low_bytes + 1;
		weight[i] = (uint64_t)ldexp(w->sizes[i].weight / sum, WEIGHT_BITS);
	}
	if (w->size_count == 1 && ops->span_bytes[0] == 1)
		ops->fixed_bytes = ops->low_bytes[0];
	return alias_make(ops->size_alias, weight, (uint32_t)w->size_count);
}

static int make_zipf(struct workload_ops *ops, const struct workload *w)
{
	uint64_t *weight;
	int rc = -1;

	weight = malloc(w->subjects * sizeof(*weight));
	ops->subject_alias = malloc(w->subjects * sizeof(*ops->subject_alias));
	if (!weight || !ops->subject_alias)
		goto done;
	for (uint32_t i = 0; i < w->subjects; i++)
		weight[i] = (uint64_t)ldexp(pow(i + 1.0, -w->zipf_exponent), WEIGHT_BITS);
	rc = alias_make(ops->subject_alias, weight, w->subjects);
done:
	free(weight);
	return rc;
}

static int make_subjects(struct workload_ops *ops, const struct workload *w)
{
	size_t prefix_bytes = strlen(w->subject_prefix);

	ops->subjects = w->subjects;
	ops->distribution = w->subject_distribution;
	ops->subject_stride = SUBJECT_STRIDE(prefix_bytes);
	ops->subject_text = malloc(ops->subject_stride * w->subjects);
	if (!ops->subject_text)
		return -1;
	for (uint32_t i = 0; i < w->subjects; i++) {
		char *slot = ops->subject_text + i * ops->subject_stride;
		int bytes = snprintf(slot + 1, ops->subject_stride - 1, "%s.%u", w->subject_prefix,
		                     (unsigned)i);
		*slot = (char)bytes; /* below 128: the prefix has 100 at most */
	}
	if (w->subject_distribution == WORKLOAD_ZIPF && w->subjects > 1)
		return make_zipf(ops, w);
	return 0;
}

/* One field that fills the block: "NATS/1.0\r\nAtrest-Pad: abc...\r\n\r\n". */
static int make_headers(struct workload_ops *ops, const struct workload *w)
{
	static const char start[] = "NATS/1.0\r\nAtrest-Pad: ", end[] = "\r\n\r\n";
	static const char pad[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t start_bytes = sizeof(start) - 1, end_bytes = sizeof(end) - 1;

	if (w->headers_bytes == 0)
		return 0;
	if (w->headers_bytes <= start_bytes + end_bytes)
		return -1; /* workload_check refuses it */
	ops->headers = malloc(w->headers_bytes);
	if (!ops->headers)
		return -1;
	ops->headers_bytes = w->headers_bytes;
	ops->headers_threshold = (uint64_t)(w->headers_share * (double)COIN_ONE);
	memcpy(ops->headers, start, start_bytes);
	for (size_t i = start_bytes; i < w->headers_bytes - end_bytes; i++)
		ops->headers[i] = (uint8_t)pad[(i - start_bytes) % (sizeof(pad) - 1)];
	memcpy(ops->headers + w->headers_bytes - end_bytes, end, end_bytes);
	return 0;
}

struct workload_ops *workload_ops_new(const struct workload *w, uint64_t seed)
{
	struct workload_ops *ops = calloc(1, sizeof(*ops));

	if (!ops)
		return NULL;
	ops->message_key = key_of(seed, DOMAIN_MESSAGE);
	ops->sequence_key = key_of(seed, DOMAIN_SEQUENCE);
	ops->mixed_key = key_of(seed, DOMAIN_MIXED);
	ops->removal_key = key_of(seed, DOMAIN_REMOVAL);
	ops->pool_bytes = (uint32_t)workload_pool_bytes(w);
	ops->read_threshold = (uint64_t)(w->read_share * (double)COIN_ONE);
	if (make_sizes(ops, w) != 0 || make_subjects(ops, w) != 0 || make_headers(ops, w) != 0) {
		workload_ops_free(ops);
		return NULL;
	}
	return ops;
}

void workload_ops_free(struct workload_ops *ops)
{
	if (!ops)
		return;
	free(ops->subject_alias);
	free(ops->subject_text);
	free(ops->headers);
	free(ops);
}

static inline uint32_t draw_size(const struct workload_ops *ops, uint64_t hash)
{
	uint32_t piece = alias_draw(ops->size_alias, (uint32_t)ops->size_count, hash);

	return ops->low_bytes[piece] + scale(mix(hash), ops->span_bytes[piece]);
}

static inline uint32_t draw_subject(const struct workload_ops *ops, uint64_t i, uint64_t hash)
{
	if (ops->subjects == 1)
		return 0;
	switch (ops->distribution) {
	case WORKLOAD_ROUND_ROBIN:
		return (uint32_t)(i % ops->subjects);
	case WORKLOAD_UNIFORM:
		return scale(hash, ops->subjects);
	case WORKLOAD_ZIPF:
		break;
	}
	return alias_draw(ops->subject_alias, ops->subjects, hash);
}

void workload_message_at(const struct workload_ops *ops, uint64_t i, struct workload_message *m)
{
	uint64_t hash = mix(ops->message_key + i * GOLDEN);
	uint32_t payload = ops->fixed_bytes;

	if (payload == 0)
		payload = draw_size(ops, mix(hash + DOMAIN_SIZE));
	m->payload_bytes = payload;
	m->pool_offset = scale(hash, (uint64_t)ops->pool_bytes - payload + 1);
	m->headers_bytes = (uint32_t)hash < ops->headers_threshold ? ops->headers_bytes : 0;
	m->subject_index = draw_subject(ops, i, mix(hash + DOMAIN_SUBJECT));
}

uint64_t workload_sequence_at(const struct workload_ops *ops, uint64_t i, uint64_t count)
{
	return 1 + (uint64_t)(((u128)mix(ops->sequence_key + i * GOLDEN) * count) >> 64);
}

/* A permutation: four rounds of a Feistel network over the next even number of bits, again as long
 * as the result is not below count (twice on average at worst: the network has less than 4 count
 * values). */
uint64_t workload_removal_at(const struct workload_ops *ops, uint64_t i, uint64_t count)
{
	unsigned half = 1;
	uint64_t mask;

	while (half < 32 && UINT64_C(1) << (2 * half) < count)
		half++;
	mask = (UINT64_C(1) << half) - 1;
	do {
		uint64_t left = i >> half, right = i & mask;
		for (uint64_t round = 0; round < 4; round++) {
			uint64_t next =
			        left ^
			        (mix(ops->removal_key + (right * 4 + round) * GOLDEN) & mask);
			left = right;
			right = next;
		}
		i = left << half | right;
	} while (i >= count);
	return i + 1;
}

int workload_is_read(const struct workload_ops *ops, uint64_t i)
{
	return mix(ops->mixed_key + i * GOLDEN) >> 32 < ops->read_threshold;
}

/* Gap i of a Poisson process, in mean gaps. */
static double gap_at(uint64_t key, uint64_t i)
{
	/* In the middle of one of 2^53 steps: never 0, whose logarithm is none. */
	return -log(((double)(mix(key + i * GOLDEN) >> 11) + 0.5) * 0x1p-53);
}

static void poisson_fill(const struct workload *w, uint64_t key, uint64_t *out)
{
	double gaps = 0, at = 0, gap_ns;

	for (uint64_t i = 0; i < w->messages; i++)
		gaps += gap_at(key, i);
	gap_ns = (double)(w->messages - 1) * 1e9 / (double)w->rate_msgs_s / gaps;
	for (uint64_t i = 0; i < w->messages; i++) {
		at += gap_at(key, i);
		out[i] = (uint64_t)(at * gap_ns + 0.5);
	}
}

void workload_arrivals_fill(const struct workload *w, uint64_t seed, uint64_t *out)
{
	if (w->arrivals == WORKLOAD_ARRIVALS_POISSON) {
		poisson_fill(w, key_of(seed, DOMAIN_ARRIVAL), out);
		return;
	}
	for (uint64_t i = 0; i < w->messages; i++)
		out[i] = (uint64_t)((u128)i * 1000000000 / w->rate_msgs_s);
}

const uint8_t *workload_headers(const struct workload_ops *ops)
{
	return ops->headers;
}

const char *workload_subject(const struct workload_ops *ops, uint32_t index, size_t *bytes)
{
	const char *slot = ops->subject_text + index * ops->subject_stride;

	*bytes = (unsigned char)*slot;
	return slot + 1;
}

int workload_appends(const struct workload *w)
{
	return w->operation == WORKLOAD_PUBLISH || w->operation == WORKLOAD_MIXED ||
	       w->operation == WORKLOAD_TAIL;
}

int workload_sync_is_default(const struct workload *w)
{
	return w->sync == WORKLOAD_SYNC_INTERVAL &&
	       w->sync_interval_ns == WORKLOAD_SYNC_INTERVAL_NS;
}

int workload_reads(const struct workload *w)
{
	return w->operation == WORKLOAD_READ_SEQUENTIAL || w->operation == WORKLOAD_READ_RANDOM ||
	       w->operation == WORKLOAD_MIXED || w->operation == WORKLOAD_READ_LAST ||
	       w->operation == WORKLOAD_TAIL;
}

int workload_fills(const struct workload *w)
{
	return w->operation != WORKLOAD_PUBLISH && w->operation != WORKLOAD_TAIL;
}

int workload_changes(const struct workload *w)
{
	return workload_appends(w) || w->operation == WORKLOAD_DELETE ||
	       w->operation == WORKLOAD_PURGE || w->operation == WORKLOAD_CONVERT ||
	       w->operation == WORKLOAD_RESTORE;
}

int workload_is_whole(const struct workload *w)
{
	return w->operation == WORKLOAD_PURGE || workload_is_closed(w);
}

int workload_is_closed(const struct workload *w)
{
	return w->operation == WORKLOAD_OPEN || w->operation == WORKLOAD_CONVERT ||
	       w->operation == WORKLOAD_SNAPSHOT || w->operation == WORKLOAD_RESTORE;
}

int workload_is_open(const struct workload *w)
{
	return w->rate_msgs_s != 0 || w->rate_share != 0;
}

uint64_t workload_slice_messages(const struct workload *w)
{
	if (w->operation == WORKLOAD_OPEN && w->fill_messages > 0)
		return (w->messages + w->fill_messages - 1) / w->fill_messages * w->fill_messages;
	return workload_is_whole(w) ? w->fill_messages : w->messages;
}

double workload_payload_bytes_mean(const struct workload *w)
{
	double sum = 0, weights = 0;

	for (size_t i = 0; i < w->size_count; i++) {
		const struct workload_size *s = &w->sizes[i];
		sum += s->weight * ((double)s->low_bytes + (double)s->high_bytes) / 2;
		weights += s->weight;
	}
	return sum / weights;
}

uint32_t workload_payload_bytes_max(const struct workload *w)
{
	uint32_t max = 0;

	for (size_t i = 0; i < w->size_count; i++)
		if (w->sizes[i].high_bytes > max)
			max = w->sizes[i].high_bytes;
	return max;
}

size_t workload_pool_bytes(const struct workload *w)
{
	size_t twice = 2 * (size_t)workload_payload_bytes_max(w);

	return twice > POOL_BYTES_MIN ? twice : POOL_BYTES_MIN;
}

static inline uint64_t rotate_left(uint64_t x, int bits)
{
	return (x << bits) | (x >> (64 - bits));
}

/* xoshiro256** (Blackman, Vigna), little-endian words; of each 64 bytes the first
 * compressibility * 64, rounded, are zero. */
void workload_pool_fill(const struct workload *w, uint64_t seed, uint8_t *out)
{
	size_t bytes = workload_pool_bytes(w);
	size_t zeros = (size_t)(w->compressibility * 64 + 0.5);
	uint64_t s[4];

	for (unsigned i = 0; i < 4; i++)
		s[i] = mix(key_of(seed, DOMAIN_POOL) + i * GOLDEN);
	for (size_t at = 0; at < bytes; at += 8) {
		uint64_t word = rotate_left(s[1] * 5, 7) * 9, t = s[1] << 17;
		s[2] ^= s[0];
		s[3] ^= s[1];
		s[1] ^= s[2];
		s[0] ^= s[3];
		s[2] ^= t;
		s[3] = rotate_left(s[3], 45);
		for (size_t b = 0; b < 8 && at + b < bytes; b++)
			out[at + b] = (uint8_t)(word >> (8 * b));
	}
	for (size_t at = 0; at < bytes; at += 64)
		memset(out + at, 0, bytes - at < zeros ? bytes - at : zeros);
}
