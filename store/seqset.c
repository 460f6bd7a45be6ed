#include "store/seqset.h"

#include <stdlib.h>

#define MAGIC          22
#define WORDS_V1       64
#define WORDS_V2       32
#define WORD_BITS      64u
#define CAPACITY_LEAST 16

static int by_first(const void *a, const void *b)
{
	const struct atr_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

void atr_seqset_settle(struct atr_seqset *set)
{
	size_t kept = 0;

	if (!set->unsorted)
		return;
	set->unsorted = 0;
	qsort(set->range, set->count, sizeof *set->range, by_first);
	for (size_t i = 1; i < set->count; i++) {
		struct atr_range *last = &set->range[kept], *r = &set->range[i];

		if (last->last == UINT64_MAX || r->first <= last->last + 1) {
			if (r->last > last->last)
				last->last = r->last;
		} else {
			set->range[++kept] = *r;
		}
	}
	set->count = kept + 1;
}

static enum atr_status make_room(struct atr_seqset *set)
{
	size_t capacity = set->capacity < CAPACITY_LEAST ? CAPACITY_LEAST : 2 * set->capacity;
	struct atr_range *larger;

	if (set->count < set->capacity)
		return ATR_OK;
	/* Repeated and neighbouring ranges go first, so that disorder does not cost memory. */
	atr_seqset_settle(set);
	if (set->count < set->capacity / 2)
		return ATR_OK;
	larger = realloc(set->range, capacity * sizeof *larger);
	if (larger == NULL)
		return ATR_ENOMEM;
	set->range = larger;
	set->capacity = capacity;
	return ATR_OK;
}

enum atr_status atr_seqset_add(struct atr_seqset *set, uint64_t first, uint64_t last)
{
	struct atr_range *tail;
	enum atr_status rc;

	if (last < first)
		return ATR_OK;
	if (set->count > 0) {
		tail = &set->range[set->count - 1];
		if (first >= tail->first && (tail->last == UINT64_MAX || first <= tail->last + 1)) {
			if (last > tail->last)
				tail->last = last;
			return ATR_OK;
		}
	}
	rc = make_room(set);
	if (rc != ATR_OK)
		return rc;
	if (set->count > 0 && first - 1 <= set->range[set->count - 1].last)
		set->unsorted = 1; /* goes before the end, or touches what settling left there */
	set->range[set->count++] = (struct atr_range){first, last};
	return ATR_OK;
}

size_t atr_seqset_lower(const struct atr_seqset *set, uint64_t sequence)
{
	size_t low = 0, high = set->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (set->range[middle].last < sequence)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int atr_seqset_has(const struct atr_seqset *set, uint64_t sequence)
{
	size_t i = atr_seqset_lower(set, sequence);

	return i < set->count && set->range[i].first <= sequence;
}

uint64_t atr_seqset_count(const struct atr_seqset *set, uint64_t first, uint64_t last)
{
	uint64_t count = 0;

	for (size_t i = atr_seqset_lower(set, first); i < set->count; i++) {
		const struct atr_range *r = &set->range[i];

		if (r->first > last)
			break;
		count += (r->last < last ? r->last : last) - (r->first > first ? r->first : first) +
		         1;
	}
	return count;
}

enum atr_status atr_seqset_slice(const struct atr_seqset *set, uint64_t first, uint64_t last,
                                 int present, struct atr_seqset *out)
{
	enum atr_status rc = ATR_OK;
	uint64_t at = first; /* first sequence not yet dealt with */

	if (last < first)
		return ATR_OK;
	for (size_t i = atr_seqset_lower(set, first); i < set->count && rc == ATR_OK; i++) {
		struct atr_range r = set->range[i];

		if (r.first > last)
			break;
		if (r.first < first)
			r.first = first;
		if (r.last > last)
			r.last = last;
		if (present)
			rc = atr_seqset_add(out, r.first, r.last);
		else if (r.first > at)
			rc = atr_seqset_add(out, at, r.first - 1);
		if (r.last == UINT64_MAX || r.last == last)
			return rc;
		at = r.last + 1;
	}
	return rc == ATR_OK && !present ? atr_seqset_add(out, at, last) : rc;
}

enum atr_status atr_seqset_minus(const struct atr_seqset *a, const struct atr_seqset *b,
                                 struct atr_seqset *out)
{
	enum atr_status rc = ATR_OK;

	for (size_t i = 0; i < a->count && rc == ATR_OK; i++)
		rc = atr_seqset_slice(b, a->range[i].first, a->range[i].last, 0, out);
	return rc;
}

/* One node's bits, run by run of set bits. */
static enum atr_status add_node(struct atr_seqset *out, uint64_t base, const uint8_t *bits,
                                unsigned words, uint64_t *set_bits)
{
	enum atr_status rc = ATR_OK;

	for (unsigned w = 0; w < words && rc == ATR_OK; w++) {
		uint64_t word = atr_le64_get(bits + 8 * (size_t)w);
		uint64_t at = base + WORD_BITS * w;

		*set_bits += (uint64_t)__builtin_popcountll(word);
		while (word != 0 && rc == ATR_OK) {
			unsigned skip = (unsigned)__builtin_ctzll(word);
			uint64_t rest = ~(word >> skip);
			unsigned run = rest == 0 ? WORD_BITS : (unsigned)__builtin_ctzll(rest);

			rc = atr_seqset_add(out, at + skip, at + skip + run - 1);
			if (skip + run >= WORD_BITS)
				break;
			word = word >> (skip + run) << (skip + run);
		}
	}
	return rc;
}

static enum atr_status refuse(struct atr_cursor *cursor, const char **why, const char *text)
{
	cursor->failed = 1;
	*why = text;
	return ATR_EFORMAT;
}

enum atr_status atr_seqset_decode(struct atr_cursor *cursor, struct atr_seqset *out,
                                  const char **why)
{
	const uint8_t *head = atr_cursor_take(cursor, 10);
	uint64_t set_bits = 0;
	uint32_t nodes, size;
	unsigned words;

	if (head == NULL)
		return refuse(cursor, why, "the sequence set is cut");
	if (head[0] != MAGIC || (head[1] != 1 && head[1] != 2))
		return refuse(cursor, why, "not a sequence set of version 1 or 2");
	words = head[1] == 1 ? WORDS_V1 : WORDS_V2;
	nodes = atr_le32_get(head + 2);
	size = atr_le32_get(head + 6);
	for (uint32_t i = 0; i < nodes; i++) {
		const uint8_t *node = atr_cursor_take(cursor, 8 + 8 * words + 2);
		enum atr_status rc;
		uint64_t base;

		if (node == NULL)
			return refuse(cursor, why, "the sequence set is cut");
		base = atr_le64_get(node);
		if (base % (WORD_BITS * words) != 0 || base > UINT64_MAX - WORD_BITS * words)
			return refuse(cursor, why, "a sequence set's node starts at a wrong place");
		rc = add_node(out, base, node + 8, words, &set_bits);
		if (rc != ATR_OK)
			return rc;
	}
	atr_seqset_settle(out);
	if (set_bits != size)
		return refuse(cursor, why, "the sequence set has another size than it says");
	return ATR_OK;
}

void atr_seqset_free(struct atr_seqset *set)
{
	free(set->range);
	*set = (struct atr_seqset){0};
}
