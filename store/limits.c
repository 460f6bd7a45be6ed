/* limits.c - what a stream's configuration allows, enforced as the server does.
 *
 * discard new refuses a message before it is written, discard old removes the oldest after one was.
 * No record says what a limit removed: after a crash without a state file it is there again, and
 * open enforces the limits anew, as servers do.
 * Sources: nats-server server/filestore.go, storeRawMsg, enforceMsgLimit, enforceBytesLimit,
 * enforcePerSubjectLimit, expireMsgs; server/stream.go, processJetStreamMsg.
 */
#include <stdlib.h>
#include <string.h>

#include "store/store_inner.h"
#include "store/subjects.h"

static uint64_t positive(const json_t *config, const char *name)
{
	json_int_t v = json_integer_value(json_object_get(config, name));

	return v > 0 ? (uint64_t)v : 0;
}

static int is_text(const json_t *config, const char *name, const char *text)
{
	const char *value = json_string_value(json_object_get(config, name));

	return value != NULL && strcmp(value, text) == 0;
}

void limits_read(struct atr_store *store, const json_t *config)
{
	struct store_limits *l = &store->limits;

	l->messages = positive(config, "max_msgs");
	l->bytes = positive(config, "max_bytes");
	l->messages_per_subject = positive(config, "max_msgs_per_subject");
	l->message_bytes = positive(config, "max_msg_size");
	l->age_ns = (int64_t)positive(config, "max_age");
	l->discard_new = is_text(config, "discard", "new");
	l->discard_new_per_subject =
	        json_is_true(json_object_get(config, "discard_new_per_subject"));
	/* 2.9 takes a compressed block for a damaged one */
	store->compress = is_text(config, "compression", "s2") && store->format != ATR_FORMAT_2_9;
	store->is_limited =
	        (l->messages | l->bytes | l->messages_per_subject | l->message_bytes) != 0 ||
	        l->age_ns != 0;
}

/* ---- discard new ---- */

/* Bytes of the record that would be removed for m. 0: not known. */
static uint64_t oldest_bytes(struct atr_store *store, const struct atr_message *m)
{
	struct atr_subject_entry *s =
	        atr_subjects_find(store->subjects, m->subject, m->subject_bytes);
	struct atr_message oldest;

	if (s == NULL || (s->first & SUBJECT_IN_BLOCK) != 0 ||
	    remove_begin(store, NULL) != ATR_OK ||
	    remove_read(store, s->first, &oldest, NULL) != ATR_OK)
		return 0;
	return atr_record_bytes(&oldest);
}

enum atr_status limits_admit(struct atr_store *store, const struct atr_message *m,
                             struct atr_error *err)
{
	const struct store_limits *l = &store->limits;
	uint64_t bytes = m->headers_bytes + m->payload_bytes;
	const struct atr_subject_entry *s = NULL;
	int replaces = 0; /* the oldest of its subject goes for it */

	if (l->message_bytes != 0 && bytes > l->message_bytes)
		return atr_error_set(err, ATR_ELIMIT, NULL, -1,
		                     "message size exceeds maximum allowed");
	if (!l->discard_new || m->subject == NULL)
		return ATR_OK;
	if (l->messages_per_subject != 0)
		s = atr_subjects_find(store->subjects, m->subject, m->subject_bytes);
	if (s != NULL && s->messages >= l->messages_per_subject) {
		if (l->discard_new_per_subject)
			return atr_error_set(err, ATR_ELIMIT, NULL, -1,
			                     "maximum messages per subject exceeded");
		replaces = 1;
	}
	if (l->messages != 0 && atomic_load(&store->messages) >= l->messages && !replaces)
		return atr_error_set(err, ATR_ELIMIT, NULL, -1, "maximum messages exceeded");
	/* without the record's overhead, and not up to the limit: the server's sum */
	if (l->bytes != 0 && atomic_load(&store->bytes) + bytes >= l->bytes &&
	    (!replaces || oldest_bytes(store, m) <= bytes))
		return atr_error_set(err, ATR_ELIMIT, NULL, -1, "maximum bytes exceeded");
	return ATR_OK;
}

/* ---- discard old ---- */

/* Removes the oldest `max` messages. */
static enum atr_status remove_oldest(struct atr_store *store, uint64_t max, int64_t until_ns,
                                     uint64_t *removed, struct atr_error *err)
{
	struct remove_range range = {
	        .how = REMOVE_BY_LIMIT,
	        .first = atomic_load(&store->first_seq),
	        .last = store->last_seq,
	        .max = max,
	        .until_ns = until_ns,
	};
	enum atr_status rc = remove_begin(store, err);

	if (rc == ATR_OK)
		rc = remove_messages(store, &range, err);
	*removed = range.removed;
	return rc;
}

static enum atr_status enforce_subject(struct atr_store *store, const char *name, size_t name_bytes,
                                       struct atr_error *err)
{
	uint64_t max = store->limits.messages_per_subject;
	const struct atr_subject_entry *s = atr_subjects_find(store->subjects, name, name_bytes);
	struct remove_range range = {
	        .how = REMOVE_BY_LIMIT,
	        .subject = name,
	        .subject_bytes = name_bytes,
	        .last = store->last_seq,
	};
	enum atr_status rc;

	if (max == 0 || s == NULL || s->messages <= max)
		return ATR_OK;
	range.first = remove_place_first(store, s);
	range.max = s->messages - max;
	rc = remove_begin(store, err);
	return rc == ATR_OK ? remove_messages(store, &range, err) : rc;
}

static enum atr_status enforce_age(struct atr_store *store, uint64_t *removed,
                                   struct atr_error *err)
{
	int64_t until_ns;
	size_t at;

	*removed = 0;
	if (store->limits.age_ns == 0 || atomic_load(&store->messages) == 0)
		return ATR_OK;
	until_ns = store->files->realtime_ns(store->files->context) - store->limits.age_ns;
	at = store_find_entry(store, atomic_load(&store->first_seq));
	if (at < store->entry_count && (store->entry[at].flags & BLOCK_TIME_STALE) != 0) {
		struct atr_message m;
		enum atr_status rc = remove_begin(store, err);

		if (rc == ATR_OK)
			rc = remove_read(store, store->entry[at].first_seq, &m, err);
		if (rc != ATR_OK)
			return rc;
		remove_set_time(store, at, m.time_ns);
	}
	if (at == store->entry_count || store->entry[at].first_time_ns > until_ns)
		return ATR_OK;
	return remove_oldest(store, UINT64_MAX, until_ns, removed, err);
}

static enum atr_status enforce_totals(struct atr_store *store, struct atr_error *err)
{
	const struct store_limits *l = &store->limits;
	uint64_t messages = atomic_load(&store->messages), removed;
	enum atr_status rc = ATR_OK;

	if (l->messages != 0 && messages > l->messages)
		rc = remove_oldest(store, messages - l->messages, 0, &removed, err);
	while (rc == ATR_OK && l->bytes != 0 && atomic_load(&store->bytes) > l->bytes) {
		rc = remove_oldest(store, 1, 0, &removed, err);
		if (removed == 0)
			break;
	}
	return rc;
}

void limits_enforce(struct atr_store *store, const struct atr_message *m)
{
	uint64_t removed;

	if (enforce_subject(store, m->subject, m->subject_bytes, NULL) == ATR_OK &&
	    enforce_totals(store, NULL) == ATR_OK && enforce_age(store, &removed, NULL) == ATR_OK &&
	    store->removing != NULL)
		(void)remove_end(store, NULL);
}

/* ---- all of them ---- */

static enum atr_status enforce_subjects(struct atr_store *store, struct atr_error *err)
{
	uint64_t max = store->limits.messages_per_subject;
	enum atr_status rc = ATR_OK;

	/* entries stay where they are: none loses its last message */
	for (size_t i = 0; max != 0 && i < atr_subjects_count(store->subjects) && rc == ATR_OK;
	     i++) {
		const char *name;
		struct atr_subject_entry *s = atr_subjects_at(store->subjects, i, &name);
		char *copy;

		if (s->messages <= max)
			continue;
		copy = malloc(s->name_bytes);
		if (copy == NULL)
			return atr_error_set(err, ATR_ENOMEM, NULL, -1, "no memory for a subject");
		memcpy(copy, name, s->name_bytes);
		rc = enforce_subject(store, copy, s->name_bytes, err);
		free(copy);
	}
	return rc;
}

enum atr_status limits_enforce_all(struct atr_store *store, struct atr_error *err)
{
	enum atr_status rc;
	uint64_t removed;

	if (!store->is_limited)
		return ATR_OK;
	pthread_mutex_lock(&store->remove_lock);
	pthread_mutex_lock(&store->append_lock);
	rc = enforce_age(store, &removed, err);
	if (rc == ATR_OK)
		rc = enforce_totals(store, err);
	if (rc == ATR_OK)
		rc = enforce_subjects(store, err);
	if (rc == ATR_OK && store->removing != NULL)
		rc = remove_end(store, err);
	pthread_mutex_unlock(&store->append_lock);
	pthread_mutex_unlock(&store->remove_lock);
	return rc;
}

enum atr_status atr_store_expire(struct atr_store *store, uint64_t *expired, struct atr_error *err)
{
	enum atr_status rc = ATR_OK;
	uint64_t removed = 0;

	if (store->limits.age_ns != 0) {
		pthread_mutex_lock(&store->remove_lock);
		pthread_mutex_lock(&store->append_lock);
		rc = store_check_poison(store, err);
		if (rc == ATR_OK)
			rc = enforce_age(store, &removed, err);
		if (rc == ATR_OK && store->removing != NULL)
			rc = remove_end(store, err);
		pthread_mutex_unlock(&store->append_lock);
		pthread_mutex_unlock(&store->remove_lock);
	}
	if (expired != NULL)
		*expired = removed;
	return rc;
}
