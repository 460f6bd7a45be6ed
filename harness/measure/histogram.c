/* histogram.c - see histogram.h: merging, from buckets back to values, and as text.
 */
#include "harness/measure/histogram.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUB_BUCKETS (1u << HISTOGRAM_SUB_BITS)

void histogram_init(struct histogram *h)
{
	memset(h, 0, sizeof(*h));
	h->min = UINT64_MAX;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		into->bucket[i] += from->bucket[i];
	into->count += from->count;
	into->sum += from->sum;
	into->min = from->min < into->min ? from->min : into->min;
	into->max = from->max > into->max ? from->max : into->max;
}

uint64_t histogram_edge(uint32_t index)
{
	if (index < 2 * SUB_BUCKETS)
		return index;

	uint32_t shift = index / SUB_BUCKETS - 1;
	uint64_t sub = index - shift * SUB_BUCKETS; /* SUB_BUCKETS .. 2 * SUB_BUCKETS - 1 */
	return ((sub + 1) << shift) - 1;
}

uint64_t histogram_quantile(const struct histogram *h, double q)
{
	uint64_t seen = 0, rank;

	if (h->count == 0)
		return 0;
	/* The tiny step back: 0.999 * 1000 is a hair above 999. */
	rank = (uint64_t)ceil(q * (double)h->count - 1e-6);
	if (rank < 1)
		rank = 1;
	if (rank >= h->count)
		return h->max;
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
		seen += h->bucket[i];
		if (seen >= rank)
			return histogram_edge(i) < h->max ? histogram_edge(i) : h->max;
	}
	return h->max; /* the last bucket has no edge */
}

double histogram_mean(const struct histogram *h)
{
	return h->count ? (double)h->sum / (double)h->count : 0;
}

int histogram_format(const struct histogram *h, char *text, size_t bytes)
{
	size_t used = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (h->bucket[i] == 0)
			continue;
		used += (size_t)snprintf(text + used, bytes - used, "%s%" PRIu64 ":%" PRIu64,
		                         used == 0 ? "" : " ", histogram_edge(i), h->bucket[i]);
		if (used >= bytes) {
			text[0] = '\0';
			return -1;
		}
	}
	return 0;
}

/* Digits alone: strtoull takes blanks and signs as well. */
static int take_u64(const char **text, uint64_t *out)
{
	char *end;

	if (**text < '0' || **text > '9')
		return -1;
	*out = strtoull(*text, &end, 10);
	*text = end;
	return 0;
}

int histogram_parse(struct histogram *into, const char *text)
{
	uint64_t edge, count, least = 0;

	while (*text != '\0') {
		if (least > 0 && *text++ != ' ')
			return -1;
		if (take_u64(&text, &edge) != 0 || *text++ != ':' || take_u64(&text, &count) != 0)
			return -1;
		if (edge < least || histogram_edge(histogram_index(edge)) != edge || count == 0 ||
		    count > UINT64_C(1) << 40)
			return -1;
		least = edge + 1;
		into->bucket[histogram_index(edge)] += count;
		into->count += count;
		into->sum += edge * count;
		into->min = edge < into->min ? edge : into->min;
		into->max = edge > into->max ? edge : into->max;
	}
	return 0;
}
