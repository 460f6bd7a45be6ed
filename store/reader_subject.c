/* reader_subject.c - reading by subject; see reader_inner.h. The subject table says whether there
 * is anything to be found and, mostly, where. */
#include <stdlib.h>
#include <string.h>

#include "store/boundary.h"
#include "store/reader_inner.h"
#include "store/subjects.h"

static void lock_table(struct atr_reader *r)
{
	if (!r->is_inner)
		pthread_mutex_lock(&r->store->append_lock);
}

static void unlock_table(struct atr_reader *r)
{
	if (!r->is_inner)
		pthread_mutex_unlock(&r->store->append_lock);
}

/* ---- next ---- */

/* Where messages of that subject begin and end at most. 0: there is none. */
static int find_bounds(struct atr_reader *r, const char *name, size_t name_bytes, uint64_t *first,
                       uint64_t *last)
{
	struct atr_store *store = r->store;
	const struct atr_subject_entry *s;

	lock_table(r);
	s = atr_subjects_find(store->subjects, name, name_bytes);
	if (s != NULL) {
		*first = remove_place_first(store, s);
		*last = (s->last & SUBJECT_IN_BLOCK) != 0 ? store->last_seq : s->last;
	}
	unlock_table(r);
	return s != NULL;
}

enum atr_status atr_reader_next_matching(struct atr_reader *r, const char *filter,
                                         uint64_t sequence, struct atr_message *m,
                                         struct atr_error *err)
{
	size_t bytes = strlen(filter);
	int literal = !atr_subject_has_wildcard(filter);
	uint64_t first = 0, last = UINT64_MAX;

	if (literal && !find_bounds(r, filter, bytes, &first, &last))
		return ATR_END;
	for (sequence = sequence > first ? sequence : first; sequence <= last;
	     sequence = m->sequence + 1) {
		enum atr_status rc = atr_reader_next(r, sequence, m, err);

		if (rc != ATR_OK)
			return rc;
		if (m->sequence > last)
			return ATR_END;
		if (literal ? m->subject_bytes == bytes && memcmp(m->subject, filter, bytes) == 0
		            : atr_subject_matches(filter, m->subject, m->subject_bytes))
			return ATR_OK;
	}
	return ATR_END;
}

/* ---- last ---- */

/* The last message of a subject, of which only a block is known behind which there is none: looks
 * into that block, and those before it. What was found is kept in the table. */
static enum atr_status find_last(struct atr_reader *r, const char *name, size_t name_bytes,
                                 uint64_t place, uint64_t *sequence, struct atr_error *err)
{
	struct atr_store *store = r->store;
	uint64_t number = place & ~SUBJECT_IN_BLOCK, first, last;
	struct atr_subject_entry *s;
	struct atr_message m;

	for (*sequence = 0; *sequence == 0;) {
		int found = 0;

		pthread_mutex_lock(&store->state_lock);
		for (size_t i = store->entry_count; i-- > 0 && !found;) {
			if (store->entry[i].number > number)
				continue;
			found = 1;
			number = store->entry[i].number;
			first = store->entry[i].first_seq;
			last = atomic_load(&store->entry[i].last_seq);
		}
		pthread_mutex_unlock(&store->state_lock);
		if (!found)
			return ATR_ENOTFOUND;
		while (first <= last) {
			enum atr_status rc = atr_reader_next(r, first, &m, err);

			/* damage inside a block: the next call steps over it; one that cannot be
			 * opened may have had the message */
			if (rc == ATR_EFORMAT && r->in_block)
				continue;
			if (rc != ATR_OK && rc != ATR_END)
				return rc;
			if (rc == ATR_END || m.sequence > last)
				break;
			if (m.subject_bytes == name_bytes &&
			    memcmp(m.subject, name, name_bytes) == 0)
				*sequence = m.sequence;
			first = m.sequence + 1;
		}
		number--;
	}
	lock_table(r);
	s = atr_subjects_find(store->subjects, name, name_bytes);
	if (s != NULL && s->last == place)
		s->last = *sequence;
	unlock_table(r);
	return ATR_OK;
}

/* One subject's last sequence. ATR_ENOTFOUND. */
static enum atr_status last_of(struct atr_reader *r, const char *name, size_t name_bytes,
                               uint64_t *sequence, struct atr_error *err)
{
	const struct atr_subject_entry *s;
	uint64_t place = 0;

	lock_table(r);
	s = atr_subjects_find(r->store->subjects, name, name_bytes);
	if (s != NULL)
		place = s->last;
	unlock_table(r);
	if (s == NULL)
		return ATR_ENOTFOUND;
	*sequence = place;
	return (place & SUBJECT_IN_BLOCK) == 0
	               ? ATR_OK
	               : find_last(r, name, name_bytes, place, sequence, err);
}

/* Over all matching subjects: the last sequence among those that are known, and one subject (to be
 * freed) that may have a later one and whose last is not known. */
static enum atr_status look_over(struct atr_reader *r, const char *filter, uint64_t *sequence,
                                 char **unknown, size_t *unknown_bytes)
{
	struct atr_store *store = r->store;
	const struct atr_subject_entry *s;
	enum atr_status rc = ATR_OK;
	const char *name;

	*sequence = 0;
	*unknown = NULL;
	lock_table(r);
	for (size_t i = 0; i < atr_subjects_count(store->subjects); i++) {
		s = atr_subjects_at(store->subjects, i, &name);
		if ((s->last & SUBJECT_IN_BLOCK) == 0 && s->last > *sequence &&
		    atr_subject_matches(filter, name, s->name_bytes))
			*sequence = s->last;
	}
	for (size_t i = 0; *unknown == NULL && i < atr_subjects_count(store->subjects); i++) {
		size_t at;

		s = atr_subjects_at(store->subjects, i, &name);
		if ((s->last & SUBJECT_IN_BLOCK) == 0 ||
		    !atr_subject_matches(filter, name, s->name_bytes))
			continue;
		at = store_find_block(store, s->last & ~SUBJECT_IN_BLOCK);
		if (at < store->entry_count && atomic_load(&store->entry[at].last_seq) <= *sequence)
			continue;
		*unknown = malloc(s->name_bytes);
		*unknown_bytes = s->name_bytes;
		if (*unknown == NULL) {
			rc = ATR_ENOMEM;
			break;
		}
		memcpy(*unknown, name, s->name_bytes);
	}
	unlock_table(r);
	return rc;
}

static enum atr_status last_matching(struct atr_reader *r, const char *filter, uint64_t *sequence,
                                     struct atr_error *err)
{
	for (;;) {
		enum atr_status rc;
		size_t unknown_bytes = 0;
		uint64_t ignored;
		char *unknown;

		rc = look_over(r, filter, sequence, &unknown, &unknown_bytes);
		if (rc != ATR_OK)
			return atr_error_set(err, rc, NULL, -1, "no memory for a subject");
		if (unknown == NULL)
			return *sequence != 0 ? ATR_OK : ATR_ENOTFOUND;
		rc = last_of(r, unknown, unknown_bytes, &ignored, err);
		free(unknown);
		if (rc != ATR_OK && rc != ATR_ENOTFOUND)
			return rc;
	}
}

enum atr_status atr_reader_last(struct atr_reader *r, const char *filter, struct atr_message *m,
                                struct atr_error *err)
{
	for (;;) {
		uint64_t sequence = 0, removals = atomic_load(&r->store->removals);
		enum atr_status rc = atr_subject_has_wildcard(filter)
		                             ? last_matching(r, filter, &sequence, err)
		                             : last_of(r, filter, strlen(filter), &sequence, err);

		if (rc == ATR_ENOTFOUND)
			return atr_error_set(err, rc, NULL, -1, "no message of that subject");
		if (rc != ATR_OK)
			return rc;
		rc = atr_reader_get(r, sequence, m, err);
		/* removed while it was looked for: there may be another one */
		if (rc != ATR_ENOTFOUND || removals == atomic_load(&r->store->removals))
			return rc;
	}
}

/* ---- subjects ---- */

enum atr_status atr_store_subjects(struct atr_store *store, const char *filter,
                                   atr_store_subject_fn *each, void *arg, struct atr_error *err)
{
	int stop = 0;

	(void)err;
	pthread_mutex_lock(&store->append_lock);
	for (size_t i = 0; i < atr_subjects_count(store->subjects) && !stop; i++) {
		const char *name;
		const struct atr_subject_entry *s = atr_subjects_at(store->subjects, i, &name);

		if (filter == NULL || atr_subject_matches(filter, name, s->name_bytes))
			stop = each(arg, name, s->name_bytes, s->messages);
	}
	pthread_mutex_unlock(&store->append_lock);
	return ATR_OK;
}
