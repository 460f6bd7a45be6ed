#include "store/subjects.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Entries and names stand in chunks, so that growing moves none of them. A name does not cross
 * chunks: the longest one (65535 bytes) has room in one. */
#define CHUNK_ENTRIES    1024u
#define CHUNK_UNITS      8192u /* of 8 bytes */
#define UNIT_BYTES       8u
#define SLOTS_LEAST      64u
#define NAME_BYTES_MAX   65535u
#define DEAD_UNITS_LEAST (4 * CHUNK_UNITS) /* below, the arena is not worth packing */

struct chunks {
	void **chunk;
	size_t count, capacity;
};

struct atr_subjects_table {
	struct chunks entries, names;
	size_t count;     /* entries in use */
	size_t next_unit; /* where the next name goes, counted over all chunks */
	size_t dead_units;
	uint32_t *slot; /* index of the entry + 1; 0: free. Linear probing, at most 3/4 used */
	size_t slots;
	/* the subject added last, NULL: none; adding to it again costs neither hash nor search */
	struct atr_subject_entry *recent;
	const char *recent_name;
};

/* ---- chunks ---- */

static enum atr_status add_chunk(struct chunks *c, size_t bytes)
{
	if (c->count == c->capacity) {
		size_t capacity = c->capacity > 0 ? 2 * c->capacity : 8;
		void **larger = realloc(c->chunk, capacity * sizeof *larger);

		if (larger == NULL)
			return ATR_ENOMEM;
		c->chunk = larger;
		c->capacity = capacity;
	}
	c->chunk[c->count] = malloc(bytes);
	if (c->chunk[c->count] == NULL)
		return ATR_ENOMEM;
	c->count++;
	return ATR_OK;
}

static void free_chunks(struct chunks *c)
{
	for (size_t i = 0; i < c->count; i++)
		free(c->chunk[i]);
	free(c->chunk);
	*c = (struct chunks){0};
}

static struct atr_subject_entry *entry_at(const struct atr_subjects_table *t, size_t index)
{
	struct atr_subject_entry *chunk = t->entries.chunk[index / CHUNK_ENTRIES];

	return &chunk[index % CHUNK_ENTRIES];
}

static const char *name_in(const struct chunks *names, size_t unit)
{
	const char *chunk = names->chunk[unit / CHUNK_UNITS];

	return chunk + unit % CHUNK_UNITS * UNIT_BYTES;
}

static const char *name_of(const struct atr_subjects_table *t, const struct atr_subject_entry *e)
{
	return name_in(&t->names, e->name_at);
}

static size_t units_of(size_t name_bytes)
{
	return (name_bytes + UNIT_BYTES - 1) / UNIT_BYTES;
}

/* ---- names ---- */

static enum atr_status store_name(struct chunks *names, size_t *next_unit, const char *name,
                                  size_t name_bytes, uint32_t *name_at)
{
	size_t units = units_of(name_bytes), at = *next_unit;

	if (at % CHUNK_UNITS + units > CHUNK_UNITS || at / CHUNK_UNITS >= names->count) {
		enum atr_status rc = add_chunk(names, CHUNK_UNITS * UNIT_BYTES);

		if (rc != ATR_OK)
			return rc;
		at = (names->count - 1) * CHUNK_UNITS;
	}
	if (at + units > UINT32_MAX)
		return ATR_ENOMEM;
	memcpy((char *)names->chunk[at / CHUNK_UNITS] + at % CHUNK_UNITS * UNIT_BYTES, name,
	       name_bytes);
	*name_at = (uint32_t)at;
	*next_unit = at + units;
	return ATR_OK;
}

/* Names of removed subjects go. Without memory for it they stay. */
static void pack_names(struct atr_subjects_table *t)
{
	struct chunks packed = {0};
	size_t next_unit = 0;
	uint32_t *moved = malloc(t->count * sizeof *moved + 1);
	int failed = moved == NULL;

	for (size_t i = 0; i < t->count && !failed; i++) {
		const struct atr_subject_entry *e = entry_at(t, i);

		failed = store_name(&packed, &next_unit, name_of(t, e), e->name_bytes, &moved[i]) !=
		         ATR_OK;
	}
	t->dead_units = 0;
	if (failed) {
		free_chunks(&packed);
	} else {
		for (size_t i = 0; i < t->count; i++)
			entry_at(t, i)->name_at = moved[i];
		free_chunks(&t->names);
		t->names = packed;
		t->next_unit = next_unit;
	}
	free(moved);
}

/* ---- slots ---- */

static uint64_t word_at(const char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof word);
	return word;
}

/* The last bytes of a name: of eight or more the last eight, whatever was taken before. */
static uint64_t tail_of(const char *name, size_t name_bytes)
{
	uint64_t word = 0;

	if (name_bytes >= sizeof word)
		return word_at(name + name_bytes - sizeof word);
	for (size_t i = 0; i < name_bytes; i++)
		word = word << 8 | (uint8_t)name[i];
	return word;
}

/* Eight bytes a step; the length goes in, so that a tail of zeros counts. */
static uint32_t hash_name(const char *name, size_t name_bytes)
{
	uint64_t h = name_bytes * UINT64_C(0x9e3779b97f4a7c15);

	for (size_t at = 0; at + sizeof h < name_bytes; at += sizeof h) {
		h = (h ^ word_at(name + at)) * UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 32;
	}
	h = (h ^ tail_of(name, name_bytes)) * UINT64_C(0xff51afd7ed558ccd);
	h ^= h >> 32;
	h *= UINT64_C(0xc4ceb9fe1a85ec53);
	return (uint32_t)(h >> 32);
}

/* Subjects are short: a call of memcmp costs more than they do. */
static int is_same(const char *a, const char *b, size_t bytes)
{
	for (size_t at = 0; at + sizeof(uint64_t) < bytes; at += sizeof(uint64_t))
		if (word_at(a + at) != word_at(b + at))
			return 0;
	return tail_of(a, bytes) == tail_of(b, bytes);
}

static int is_named(const struct atr_subjects_table *t, const struct atr_subject_entry *e,
                    const char *name, size_t name_bytes)
{
	return e->name_bytes == name_bytes && is_same(name_of(t, e), name, name_bytes);
}

/* The slot of that name, or the free one where it would go. */
static size_t slot_of(const struct atr_subjects_table *t, uint32_t hash, const char *name,
                      size_t name_bytes)
{
	size_t mask = t->slots - 1, at = hash & mask;

	for (; t->slot[at] != 0; at = (at + 1) & mask) {
		const struct atr_subject_entry *e = entry_at(t, t->slot[at] - 1);

		if (e->hash == hash && is_named(t, e, name, name_bytes))
			break;
	}
	return at;
}

static size_t slot_of_index(const struct atr_subjects_table *t, size_t index)
{
	size_t mask = t->slots - 1, at = entry_at(t, index)->hash & mask;

	while (t->slot[at] != index + 1)
		at = (at + 1) & mask;
	return at;
}

static enum atr_status grow_slots(struct atr_subjects_table *t)
{
	size_t slots = t->slots > 0 ? 2 * t->slots : SLOTS_LEAST, mask = slots - 1;
	uint32_t *larger;

	if (t->count >= UINT32_MAX - 1)
		return ATR_ENOMEM;
	larger = calloc(slots, sizeof *larger);
	if (larger == NULL)
		return ATR_ENOMEM;
	for (size_t i = 0; i < t->count; i++) {
		size_t at = entry_at(t, i)->hash & mask;

		while (larger[at] != 0)
			at = (at + 1) & mask;
		larger[at] = (uint32_t)i + 1;
	}
	free(t->slot);
	t->slot = larger;
	t->slots = slots;
	return ATR_OK;
}

/* Those behind it move up, so that no search stops at a hole before its name. */
static void free_slot(struct atr_subjects_table *t, size_t hole)
{
	size_t mask = t->slots - 1;

	for (size_t at = (hole + 1) & mask; t->slot[at] != 0; at = (at + 1) & mask) {
		size_t home = entry_at(t, t->slot[at] - 1)->hash & mask;

		if (((at - home) & mask) >= ((at - hole) & mask)) {
			t->slot[hole] = t->slot[at];
			hole = at;
		}
	}
	t->slot[hole] = 0;
}

/* ---- the table ---- */

struct atr_subjects_table *atr_subjects_table_new(void)
{
	struct atr_subjects_table *t = calloc(1, sizeof *t);

	if (t == NULL)
		return NULL;
	if (grow_slots(t) != ATR_OK) {
		free(t);
		return NULL;
	}
	return t;
}

void atr_subjects_table_free(struct atr_subjects_table *t)
{
	if (t == NULL)
		return;
	free_chunks(&t->entries);
	free_chunks(&t->names);
	free(t->slot);
	free(t);
}

void atr_subjects_clear(struct atr_subjects_table *t)
{
	free_chunks(&t->entries);
	free_chunks(&t->names);
	memset(t->slot, 0, t->slots * sizeof *t->slot);
	t->count = t->next_unit = t->dead_units = 0;
	t->recent = NULL;
}

static enum atr_status make_entry(struct atr_subjects_table *t, uint32_t hash, const char *name,
                                  size_t name_bytes, struct atr_subject_entry **out)
{
	struct atr_subject_entry made = {.hash = hash, .name_bytes = (uint16_t)name_bytes};
	enum atr_status rc = ATR_OK;
	size_t at;

	if (4 * (t->count + 1) > 3 * t->slots)
		rc = grow_slots(t);
	if (rc == ATR_OK && t->count == t->entries.count * CHUNK_ENTRIES)
		rc = add_chunk(&t->entries, CHUNK_ENTRIES * sizeof made);
	if (rc == ATR_OK)
		rc = store_name(&t->names, &t->next_unit, name, name_bytes, &made.name_at);
	if (rc != ATR_OK)
		return rc;
	at = slot_of(t, hash, name, name_bytes);
	*out = entry_at(t, t->count);
	**out = made;
	t->slot[at] = (uint32_t)++t->count;
	return ATR_OK;
}

/* Its entry, made without messages when there is none, becomes the recent one. */
static enum atr_status find_or_make(struct atr_subjects_table *t, const char *name,
                                    size_t name_bytes)
{
	struct atr_subject_entry *e = NULL;
	uint32_t hash = hash_name(name, name_bytes);
	enum atr_status rc = ATR_OK;
	size_t at;

	assert(name_bytes <= NAME_BYTES_MAX);
	at = slot_of(t, hash, name, name_bytes);
	if (t->slot[at] != 0)
		e = entry_at(t, t->slot[at] - 1);
	else
		rc = make_entry(t, hash, name, name_bytes, &e);
	if (rc != ATR_OK)
		return rc;
	t->recent = e;
	t->recent_name = name_of(t, e);
	return ATR_OK;
}

static enum atr_status count_in(struct atr_subject_entry *e, uint64_t sequence)
{
	if (e->messages++ == 0)
		e->first = sequence;
	e->last = sequence;
	return ATR_OK;
}

/* Apart, so that the way above it keeps no registers for it. */
__attribute__((noinline)) static enum atr_status
add_other(struct atr_subjects_table *t, const char *name, size_t name_bytes, uint64_t sequence)
{
	enum atr_status rc = find_or_make(t, name, name_bytes);

	return rc == ATR_OK ? count_in(t->recent, sequence) : rc;
}

enum atr_status atr_subjects_add(struct atr_subjects_table *t, const char *name, size_t name_bytes,
                                 uint64_t sequence)
{
	if (t->recent != NULL && t->recent->name_bytes == name_bytes &&
	    is_same(t->recent_name, name, name_bytes))
		return count_in(t->recent, sequence);
	return add_other(t, name, name_bytes, sequence);
}

enum atr_status atr_subjects_put(struct atr_subjects_table *t, const char *name, size_t name_bytes,
                                 uint64_t messages, uint64_t first_block, uint64_t last_block)
{
	struct atr_subject_entry *e;
	enum atr_status rc;

	if (messages == 0 || messages > UINT32_MAX || name_bytes > NAME_BYTES_MAX)
		return ATR_EFORMAT;
	rc = find_or_make(t, name, name_bytes);
	if (rc != ATR_OK)
		return rc;
	e = t->recent;
	if (e->messages > 0)
		return ATR_EFORMAT;
	e->messages = (uint32_t)messages;
	e->first = first_block | SUBJECT_IN_BLOCK;
	e->last = last_block | SUBJECT_IN_BLOCK;
	return ATR_OK;
}

struct atr_subject_entry *atr_subjects_find(struct atr_subjects_table *t, const char *name,
                                            size_t name_bytes)
{
	size_t at;

	if (name_bytes > NAME_BYTES_MAX)
		return NULL;
	at = slot_of(t, hash_name(name, name_bytes), name, name_bytes);
	return t->slot[at] != 0 ? entry_at(t, t->slot[at] - 1) : NULL;
}

/* The last entry takes its place. */
static void remove_entry(struct atr_subjects_table *t, size_t index)
{
	size_t last = t->count - 1;

	t->dead_units += units_of(entry_at(t, index)->name_bytes);
	free_slot(t, slot_of_index(t, index));
	if (index != last) {
		t->slot[slot_of_index(t, last)] = (uint32_t)index + 1;
		*entry_at(t, index) = *entry_at(t, last);
	}
	t->recent = NULL;
	t->count = last;
	/* one chunk more than needed stays, for a subject that comes and goes at the edge */
	while (t->entries.count > 1 &&
	       t->count + CHUNK_ENTRIES <= (t->entries.count - 1) * CHUNK_ENTRIES)
		free(t->entries.chunk[--t->entries.count]);
	if (t->dead_units > DEAD_UNITS_LEAST && t->dead_units > t->next_unit / 2)
		pack_names(t);
}

void atr_subjects_remove(struct atr_subjects_table *t, const char *name, size_t name_bytes,
                         uint64_t sequence, uint64_t number)
{
	struct atr_subject_entry *e = NULL;
	size_t at;

	if (name_bytes > NAME_BYTES_MAX)
		return;
	at = slot_of(t, hash_name(name, name_bytes), name, name_bytes);
	if (t->slot[at] == 0)
		return;
	e = entry_at(t, t->slot[at] - 1);
	if (e->messages <= 1) {
		remove_entry(t, t->slot[at] - 1);
		return;
	}
	e->messages--;
	if (e->first == sequence)
		e->first = number | SUBJECT_IN_BLOCK;
	if (e->last == sequence)
		e->last = number | SUBJECT_IN_BLOCK;
	/* the one that is left is both */
	if (e->messages == 1 && (e->first & SUBJECT_IN_BLOCK) == 0)
		e->last = e->first;
	else if (e->messages == 1 && (e->last & SUBJECT_IN_BLOCK) == 0)
		e->first = e->last;
}

size_t atr_subjects_count(const struct atr_subjects_table *t)
{
	return t->count;
}

struct atr_subject_entry *atr_subjects_at(struct atr_subjects_table *t, size_t index,
                                          const char **name)
{
	struct atr_subject_entry *e;

	assert(index < t->count);
	e = entry_at(t, index);
	if (name != NULL)
		*name = name_of(t, e);
	return e;
}

size_t atr_subjects_memory_bytes(const struct atr_subjects_table *t)
{
	return sizeof *t + t->slots * sizeof *t->slot +
	       (t->entries.capacity + t->names.capacity) * sizeof(void *) +
	       t->entries.count * CHUNK_ENTRIES * sizeof(struct atr_subject_entry) +
	       t->names.count * CHUNK_UNITS * UNIT_BYTES;
}
