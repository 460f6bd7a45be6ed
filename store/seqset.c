#include "store/seqset.h"

#include <stdlib.h>
#include <string.h>

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

enum atr_status atr_seqset_insert(struct atr_seqset *set, uint64_t first, uint64_t last)
{
	size_t from, to;
	enum atr_status rc;

	if (last < first)
		return ATR_OK;
	atr_seqset_settle(set);
	/* from..to: the ranges it touches */
	from = atr_seqset_lower(set, first > 0 ? first - 1 : 0);
	for (to = from; to < set->count; to++)
		if (last != UINT64_MAX && set->range[to].first > last + 1)
			break;
	if (from == to) {
		rc = make_room(set);
		if (rc != ATR_OK)
			return rc;
		memmove(&set->range[from + 1], &set->range[from],
		        (set->count - from) * sizeof *set->range);
		set->range[from] = (struct atr_range){first, last};
		set->count++;
		return ATR_OK;
	}
	if (first < set->range[from].first)
		set->range[from].first = first;
	if (last < set->range[to - 1].last)
		last = set->range[to - 1].last;
	if (last > set->range[from].last)
		set->range[from].last = last;
	memmove(&set->range[from + 1], &set->range[to], (set->count - to) * sizeof *set->range);
	set->count -= to - from - 1;
	return ATR_OK;
}

enum atr_status atr_seqset_remove(struct atr_seqset *set, uint64_t first, uint64_t last)
{
	size_t from, to;
	enum atr_status rc;

	if (last < first)
		return ATR_OK;
	atr_seqset_settle(set);
	from = atr_seqset_lower(set, first);
	if (from < set->count && set->range[from].first < first) {
		struct atr_range *r = &set->range[from];

		if (r->last > last) { /* two are left of it */
			rc = make_room(set);
			if (rc != ATR_OK)
				return rc;
			r = &set->range[from];
			memmove(r + 1, r, (set->count - from) * sizeof *r);
			set->count++;
			r[0].last = first - 1;
			r[1].first = last + 1;
			return ATR_OK;
		}
		r->last = first - 1;
		from++;
	}
	for (to = from; to < set->count && set->range[to].last <= last; to++)
		;
	if (to < set->count && set->range[to].first <= last)
		set->range[to].first = last + 1;
	if (to > from) /* an empty set has no ranges to move */
		memmove(&set->range[from], &set->range[to], (set->count - to) * sizeof *set->range);
	set->count -= to - from;
	return ATR_OK;
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

/* ---- writing ---- */

#define NODE_SPAN  ((uint64_t)WORDS_V2 * WORD_BITS)
#define NODE_BYTES (8 + 8 * (size_t)WORDS_V2 + 2)
#define HEAD_BYTES 10

/* How many spans of a node have a sequence. */
static size_t count_nodes(const struct atr_seqset *set)
{
	uint64_t next = 0; /* node number (base / span) that was not counted yet */
	size_t nodes = 0;

	for (size_t i = 0; i < set->count; i++) {
		uint64_t first = set->range[i].first / NODE_SPAN;
		uint64_t last = set->range[i].last / NODE_SPAN;

		if (first < next)
			first = next;
		if (last >= first)
			nodes += (size_t)(last - first + 1);
		next = last + 1;
	}
	return nodes;
}

size_t atr_seqset_encoded_bytes(const struct atr_seqset *set)
{
	return HEAD_BYTES + count_nodes(set) * NODE_BYTES;
}

/* Where the index-th of `nodes` in ascending order stands in pre-order of the tree that has the
 * middle of each run as its root, and the height of the subtree below it. Both halves differ by
 * one node at most, so their heights do too. */
static size_t pre_order(size_t index, size_t nodes, uint16_t *height)
{
	size_t low = 0, high = nodes, place = 0;

	for (;;) {
		size_t middle = low + (high - low) / 2;

		if (index == middle)
			break;
		place++;
		if (index < middle) {
			high = middle;
		} else {
			place += middle - low;
			low = middle + 1;
		}
	}
	*height = 0;
	for (size_t n = high - low; n > 0; n /= 2)
		(*height)++;
	return place;
}

static void mark_bits(uint8_t *words, unsigned first, unsigned last)
{
	for (unsigned w = first / WORD_BITS; w <= last / WORD_BITS; w++) {
		unsigned from = w == first / WORD_BITS ? first % WORD_BITS : 0;
		unsigned to = w == last / WORD_BITS ? last % WORD_BITS : WORD_BITS - 1;
		uint64_t bits = UINT64_MAX >> (WORD_BITS - 1 - to) & UINT64_MAX << from;

		atr_le64_put(words + 8 * (size_t)w, atr_le64_get(words + 8 * (size_t)w) | bits);
	}
}

void atr_seqset_encode(const struct atr_seqset *set, uint8_t *out)
{
	size_t nodes = count_nodes(set), index = 0;
	uint64_t base = 1; /* of the node begun last: none yet */
	uint8_t *node = NULL;

	memset(out, 0, HEAD_BYTES + nodes * NODE_BYTES);
	out[0] = MAGIC;
	out[1] = 2;
	atr_le32_put(out + 2, (uint32_t)nodes);
	atr_le32_put(out + 6, (uint32_t)atr_seqset_count(set, 0, UINT64_MAX));
	for (size_t i = 0; i < set->count; i++) {
		uint64_t at = set->range[i].first, last = set->range[i].last;

		for (;;) {
			uint64_t end = at / NODE_SPAN * NODE_SPAN + NODE_SPAN - 1;

			if (at / NODE_SPAN * NODE_SPAN != base) {
				uint16_t height;

				base = at / NODE_SPAN * NODE_SPAN;
				node = out + HEAD_BYTES +
				       pre_order(index++, nodes, &height) * NODE_BYTES;
				atr_le64_put(node, base);
				atr_le16_put(node + NODE_BYTES - 2, height);
			}
			mark_bits(node + 8, (unsigned)(at - base),
			          (unsigned)((last < end ? last : end) - base));
			if (last <= end)
				break;
			at = end + 1;
		}
	}
}

void atr_seqset_free(struct atr_seqset *set)
{
	free(set->range);
	*set = (struct atr_seqset){0};
}
