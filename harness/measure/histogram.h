/* histogram.h - latencies as a log-linear histogram, the idea of HdrHistogram.
 *
 * Values below 256 have a bucket each; every octave above is cut into 128 equal buckets, so a
 * bucket is at most 1/128 (0.8 %) as wide as its values are large. Values of 2^40 ns (18 min)
 * and more are counted in the last bucket; count, sum, min and max are exact.
 *
 * Quantile rule: the smallest bucket edge at or below which at least ceil(q * count) values lie,
 * never above the exact maximum. It never understates, and overstates by less than 0.8 %.
 */
#ifndef ATREST_HARNESS_MEASURE_HISTOGRAM_H
#define ATREST_HARNESS_MEASURE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_SUB_BITS 7
#define HISTOGRAM_TOP_BITS 40
#define HISTOGRAM_BUCKETS  ((HISTOGRAM_TOP_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

/* 35 KiB; one per thread, merged afterwards. Zeroed by histogram_init. */
struct histogram {
	uint64_t count;
	uint64_t sum;
	uint64_t min; /* UINT64_MAX when empty */
	uint64_t max; /* 0 when empty */
	uint64_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_init(struct histogram *h);

static inline uint32_t histogram_index(uint64_t value)
{
	const uint64_t top = (UINT64_C(1) << HISTOGRAM_TOP_BITS) - 1;

	if (value > top)
		value = top;
	/* | 128: below 256 there is no shift. The top bit of what is left stays in the index and
	 * adds one octave's worth of buckets, which is where the next octave begins. */
	uint32_t high = 63u - (uint32_t)__builtin_clzll(value | (1u << HISTOGRAM_SUB_BITS));
	uint32_t shift = high - HISTOGRAM_SUB_BITS;
	return (shift << HISTOGRAM_SUB_BITS) + (uint32_t)(value >> shift);
}

static inline void histogram_record(struct histogram *h, uint64_t value)
{
	h->bucket[histogram_index(value)]++;
	h->count++;
	h->sum += value;
	h->min = value < h->min ? value : h->min;
	h->max = value > h->max ? value : h->max;
}

/* Adds what from has. */
void histogram_merge(struct histogram *into, const struct histogram *from);

/* q of 0..1; see the rule above. 0 when empty. */
uint64_t histogram_quantile(const struct histogram *h, double q);
double histogram_mean(const struct histogram *h);

/* The largest value of a bucket. */
uint64_t histogram_edge(uint32_t index);

/* As text: "EDGE:COUNT EDGE:COUNT ...", the buckets that are not empty, ascending, each by its
 * largest value. HISTOGRAM_TEXT_BYTES hold what any slice was seen to record, three times. Returns
 * 0; -1, and text is empty, when it does not fit. */
#define HISTOGRAM_TEXT_BYTES (60 * 1024)
int histogram_format(const struct histogram *h, char *text, size_t bytes);
/* Adds what such a text counts, each value as large as its bucket allows. 0; -1, nothing added
 * behind the fault, for any other text. */
int histogram_parse(struct histogram *into, const char *text);

#endif
