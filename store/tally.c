#include "store/tally.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a with a final mix: subjects share long beginnings. */
static uint64_t hash_of(const char *name, size_t bytes)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < bytes; i++)
		h = (h ^ (uint8_t)name[i]) * UINT64_C(0x100000001b3);
	return h ^ h >> 32;
}

/* The slot that holds the name, or the empty one where it would go. */
static struct atr_tally_entry *slot_of(const struct atr_tally *tally, const char *name,
                                       size_t bytes)
{
	size_t mask = tally->slots - 1;
	size_t i = (size_t)hash_of(name, bytes) & mask;

	while (tally->slot[i].listed != NULL &&
	       (tally->slot[i].listed->name_bytes != bytes ||
	        memcmp(tally->slot[i].listed->name, name, bytes) != 0))
		i = (i + 1) & mask;
	return &tally->slot[i];
}

enum atr_status atr_tally_init(struct atr_tally *tally, const struct atr_index_subject *subject,
                               size_t count)
{
	size_t slots = 16;

	*tally = (struct atr_tally){0};
	while (slots < 2 * count)
		slots *= 2;
	tally->slot = calloc(slots, sizeof *tally->slot);
	if (tally->slot == NULL)
		return ATR_ENOMEM;
	tally->slots = slots;
	for (size_t i = 0; i < count; i++) {
		struct atr_tally_entry *e = slot_of(tally, subject[i].name, subject[i].name_bytes);

		if (e->listed != NULL) {
			atr_tally_free(tally);
			return ATR_EFORMAT;
		}
		e->listed = &subject[i];
	}
	return ATR_OK;
}

int atr_tally_see(struct atr_tally *tally, const char *name, size_t bytes)
{
	struct atr_tally_entry *e;

	if (tally->slots == 0)
		return 0;
	e = slot_of(tally, name, bytes);
	if (e->listed == NULL)
		return 0;
	e->seen++;
	return 1;
}

const struct atr_tally_entry *atr_tally_differing(const struct atr_tally *tally, size_t *at)
{
	while (*at < tally->slots) {
		const struct atr_tally_entry *e = &tally->slot[(*at)++];

		if (e->listed != NULL && e->seen != e->listed->messages)
			return e;
	}
	return NULL;
}

void atr_tally_reset(struct atr_tally *tally)
{
	for (size_t i = 0; i < tally->slots; i++)
		tally->slot[i].seen = 0;
}

void atr_tally_free(struct atr_tally *tally)
{
	free(tally->slot);
	*tally = (struct atr_tally){0};
}
