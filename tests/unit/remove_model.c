#include "tests/unit/remove_model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/boundary.h"
#include "tests/unit/store_fixture.h"

#define MESSAGES_MAX 20000
#define SUBJECTS     9

struct entry {
	uint64_t sequence, salt;
	unsigned subject;
	int is_live;
};

struct model {
	struct atr_store *store;
	struct atr_store_options options;
	char stream[PATH_MAX], copy[PATH_MAX];
	uint64_t random, last_seq;
	struct entry *entry; /* ascending sequence */
	size_t count;
	int has_messages_ever;
};

static uint64_t next_random(struct model *m)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return m->random;
}

static uint64_t below(struct model *m, uint64_t bound)
{
	return next_random(m) % bound;
}

static const char *subject_name(unsigned subject)
{
	static char name[SUBJECTS][32];

	(void)snprintf(name[subject], sizeof name[subject], "%s.%u", subject % 3 ? "a" : "b.c",
	               subject);
	return name[subject];
}

static struct atr_message message_of(const struct entry *e)
{
	static uint8_t payload[700];
	struct atr_message m = {
	        .sequence = e->sequence,
	        .time_ns = (int64_t)(1700000000000000000 + e->sequence),
	        .subject = subject_name(e->subject),
	        .payload = payload,
	        .payload_bytes = e->salt % 97 == 0 ? 600 : e->salt % 90,
	};

	m.subject_bytes = strlen(m.subject);
	for (size_t i = 0; i < m.payload_bytes; i++)
		payload[i] = (uint8_t)(e->salt >> (i % 8 * 8)) ^ (uint8_t)i;
	return m;
}

static void check_message(const struct atr_message *m, const struct entry *e)
{
	struct atr_message want = message_of(e);

	assert_int_equal(m->sequence, e->sequence);
	assert_int_equal(m->time_ns, want.time_ns);
	assert_int_equal(m->subject_bytes, want.subject_bytes);
	assert_memory_equal(m->subject, want.subject, want.subject_bytes);
	assert_int_equal(m->payload_bytes, want.payload_bytes);
	if (want.payload_bytes > 0)
		assert_memory_equal(m->payload, want.payload, want.payload_bytes);
}

/* ---- comparing ---- */

static void check_state(struct model *m, struct atr_store *store)
{
	struct atr_store_state s;
	uint64_t messages = 0, bytes = 0, first = m->last_seq + 1;

	for (size_t i = m->count; i-- > 0;)
		if (m->entry[i].is_live) {
			struct atr_message message = message_of(&m->entry[i]);

			messages++;
			bytes += atr_record_bytes(&message);
			first = m->entry[i].sequence;
		}
	atr_store_state(store, &s);
	assert_int_equal(s.messages, messages);
	assert_int_equal(s.bytes, bytes);
	assert_int_equal(s.last_seq, m->last_seq);
	assert_int_equal(s.first_seq, first);
}

static int add_count(void *arg, const char *name, size_t name_bytes, uint64_t messages)
{
	uint64_t *count = arg;

	for (unsigned i = 0; i < SUBJECTS; i++)
		if (strlen(subject_name(i)) == name_bytes &&
		    memcmp(subject_name(i), name, name_bytes) == 0)
			count[i] += messages;
	return 0;
}

static void check_filter(struct model *m, struct atr_reader *reader, const char *filter)
{
	struct atr_message message;
	struct atr_error err;
	uint64_t sequence = 0;
	const struct entry *last = NULL;

	for (size_t i = 0; i < m->count; i++) {
		const struct entry *e = &m->entry[i];
		const char *name = subject_name(e->subject);

		if (!e->is_live || !atr_subject_matches(filter, name, strlen(name)))
			continue;
		assert_ok(atr_reader_next_matching(reader, filter, sequence, &message, &err), &err);
		check_message(&message, e);
		sequence = e->sequence + 1;
		last = e;
	}
	assert_status(atr_reader_next_matching(reader, filter, sequence, &message, &err), ATR_END,
	              &err);
	if (last == NULL) {
		assert_status(atr_reader_last(reader, filter, &message, &err), ATR_ENOTFOUND, &err);
	} else {
		assert_ok(atr_reader_last(reader, filter, &message, &err), &err);
		check_message(&message, last);
	}
}

static void check_all(struct model *m, struct atr_store *store)
{
	uint64_t count[SUBJECTS] = {0}, want[SUBJECTS] = {0}, sequence = 1;
	struct atr_reader *reader;
	struct atr_message message;
	struct atr_error err;

	check_state(m, store);
	assert_ok(atr_reader_open(store, &reader, &err), &err);
	for (size_t i = 0; i < m->count; i++) {
		const struct entry *e = &m->entry[i];

		if (!e->is_live) {
			assert_status(atr_reader_get(reader, e->sequence, &message, &err),
			              ATR_ENOTFOUND, &err);
			continue;
		}
		want[e->subject]++;
		assert_ok(atr_reader_get(reader, e->sequence, &message, &err), &err);
		check_message(&message, e);
		assert_ok(atr_reader_next(reader, sequence, &message, &err), &err);
		check_message(&message, e);
		sequence = e->sequence + 1;
	}
	assert_status(atr_reader_next(reader, sequence, &message, &err), ATR_END, &err);
	for (unsigned i = 0; i < SUBJECTS; i++)
		check_filter(m, reader, subject_name(i));
	check_filter(m, reader, "a.*");
	check_filter(m, reader, ">");
	check_filter(m, reader, "x.>");
	atr_reader_close(reader);
	assert_ok(atr_store_subjects(store, NULL, add_count, count, &err), &err);
	assert_memory_equal(count, want, sizeof want);
}

/* ---- operations ---- */

static void append(struct model *m)
{
	struct entry *e = &m->entry[m->count];
	struct atr_message message;
	struct atr_error err;
	uint64_t sequence;

	assert_true(m->count < MESSAGES_MAX);
	*e = (struct entry){
	        .sequence = m->last_seq + 1,
	        .salt = next_random(m),
	        .subject = (unsigned)below(m, SUBJECTS),
	        .is_live = 1,
	};
	if (m->count > 0 && below(m, 12) == 0)
		e->sequence += below(m, 2) ? below(m, 5) : 100;
	message = message_of(e);
	assert_ok(atr_store_append(m->store, &message, &sequence, &err), &err);
	assert_int_equal(sequence, e->sequence);
	m->last_seq = e->sequence;
	m->count++;
}

static void delete_any(struct model *m)
{
	struct entry *e;
	struct atr_error err;

	if (m->count == 0)
		return;
	/* often near the ends, where blocks begin and end */
	e = &m->entry[below(m, 3) ? below(m, m->count)
	                          : m->count - 1 - below(m, m->count < 4 ? m->count : 4)];
	assert_status(atr_store_delete(m->store, e->sequence, &err),
	              e->is_live ? ATR_OK : ATR_ENOTFOUND, &err);
	e->is_live = 0;
}

static void delete_oldest(struct model *m)
{
	struct atr_error err;

	for (size_t i = 0; i < m->count; i++)
		if (m->entry[i].is_live) {
			assert_ok(atr_store_delete(m->store, m->entry[i].sequence, &err), &err);
			m->entry[i].is_live = 0;
			return;
		}
}

static void purge(struct model *m)
{
	static const char *const filters[] = {NULL, "a.1", "b.c.3", "a.*", "b.>", "none"};
	struct atr_purge p = {.subject = filters[below(m, 6)]};
	uint64_t purged, matching = 0, removed = 0;
	struct atr_error err;

	if (below(m, 3) == 0)
		p.keep = below(m, 40);
	else if (m->last_seq > 0 && below(m, 8) != 0)
		p.below_sequence = 1 + below(m, m->last_seq);
	for (size_t i = 0; i < m->count; i++) {
		const char *name = subject_name(m->entry[i].subject);

		matching +=
		        m->entry[i].is_live &&
		        (p.subject == NULL || atr_subject_matches(p.subject, name, strlen(name)));
	}
	for (size_t i = 0; i < m->count && matching > p.keep; i++) {
		struct entry *e = &m->entry[i];
		const char *name = subject_name(e->subject);

		if (!e->is_live || (p.below_sequence > 0 && e->sequence >= p.below_sequence) ||
		    (p.subject != NULL && !atr_subject_matches(p.subject, name, strlen(name))))
			continue;
		e->is_live = 0;
		matching--;
		removed++;
	}
	assert_ok(atr_store_purge(m->store, &p, &purged, &err), &err);
	assert_int_equal(purged, removed);
}

static void compact(struct model *m)
{
	uint64_t sequence = below(m, 20) ? 1 + below(m, m->last_seq + 1) : m->last_seq + 50;
	uint64_t purged, removed = 0;
	struct atr_error err;

	for (size_t i = 0; i < m->count; i++)
		if (m->entry[i].is_live && m->entry[i].sequence < sequence) {
			m->entry[i].is_live = 0;
			removed++;
		}
	if (sequence > m->last_seq)
		m->last_seq = sequence - 1;
	assert_ok(atr_store_compact(m->store, sequence, &purged, &err), &err);
	assert_int_equal(purged, removed);
}

/* Nothing but files changes, and with erase one message. */
static void rewrite(struct model *m)
{
	struct atr_error err;
	struct entry *e;

	if (m->count == 0 || below(m, 2)) {
		assert_ok(atr_store_compact_blocks(m->store, (int)below(m, 2), &err), &err);
		return;
	}
	e = &m->entry[below(m, m->count)];
	assert_status(atr_store_erase(m->store, e->sequence, &err),
	              e->is_live ? ATR_OK : ATR_ENOTFOUND, &err);
	e->is_live = 0;
}

static void truncate_any(struct model *m)
{
	struct atr_error err;
	size_t at;

	if (m->count == 0)
		return;
	at = below(m, 2) ? m->count - 1 - below(m, m->count < 9 ? m->count : 9)
	                 : below(m, m->count);
	if (!m->entry[at].is_live) {
		assert_status(atr_store_truncate(m->store, m->entry[at].sequence, &err),
		              ATR_ENOTFOUND, &err);
		return;
	}
	assert_ok(atr_store_truncate(m->store, m->entry[at].sequence, &err), &err);
	m->count = at + 1;
	m->last_seq = m->entry[at].sequence;
}

static void sync_now(struct model *m)
{
	struct atr_error err;

	assert_ok(atr_store_sync(m->store, &err), &err);
}

static void reopen(struct model *m)
{
	struct atr_error err;

	assert_ok(atr_store_close(m->store, &err), &err);
	/* the stream goes on under another way of writing */
	m->options.flush = below(m, 2) ? ATR_FLUSH_ASYNC : ATR_FLUSH_EACH;
	m->options.block_bytes = below(m, 3) ? 2000 : below(m, 2) ? 9000 : 100000;
	m->options.key_ahead = below(m, 2) ? -1 : 2;
	assert_ok(atr_store_open(m->stream, &m->options, &m->store, &err), &err);
	check_all(m, m->store);
}

/* What a kill after a sync (or, with each, at any time) leaves. */
static void open_copy(struct model *m)
{
	struct atr_store *store;
	struct atr_error err;
	char command[4 * PATH_MAX];

	/* under 2.9 a deletion is in the blocks once they are written anew */
	if (m->options.flush == ATR_FLUSH_ASYNC || m->options.format == ATR_FORMAT_2_9)
		assert_ok(atr_store_sync(m->store, &err), &err);
	(void)snprintf(command, sizeof command, "rm -rf '%s'; cp -a '%s' '%s'", m->copy, m->stream,
	               m->copy);
	assert_int_equal(system(command), 0);
	struct atr_store_options o = m->options;
	o.stream = "S";
	o.account = "$G";
	assert_ok(atr_store_open(m->copy, &o, &store, &err), &err);
	check_all(m, store);
	assert_ok(atr_store_close(store, &err), &err);
}

static void step(struct model *m)
{
	uint64_t kind = below(m, 100);

	if (kind < 20)
		for (uint64_t i = below(m, 30); i > 0; i--)
			append(m);
	else if (kind < 42)
		append(m);
	else if (kind < 45)
		sync_now(m);
	else if (kind < 75)
		delete_any(m);
	else if (kind < 87)
		delete_oldest(m);
	else if (kind < 91)
		purge(m);
	else if (kind < 93)
		compact(m);
	else if (kind < 94)
		truncate_any(m);
	else if (kind < 96)
		rewrite(m);
	else if (kind < 98)
		reopen(m);
	else if (kind < 99)
		open_copy(m);
	else
		check_all(m, m->store);
	check_state(m, m->store);
}

void model_run(const char *dir, unsigned number, const struct atr_store_options *options,
               uint64_t seed, unsigned steps)
{
	struct model m = {.options = *options, .random = seed * 2654435761 + 88172645463325252};
	struct atr_error err;

	(void)snprintf(m.stream, sizeof m.stream, "%s/m%u/jetstream/$G/streams/S", dir, number);
	(void)snprintf(m.copy, sizeof m.copy, "%s/m%u/copy", dir, number);
	m.entry = calloc(MESSAGES_MAX, sizeof *m.entry);
	assert_non_null(m.entry);
	assert_ok(atr_store_create(m.stream, options, &m.store, &err), &err);
	for (unsigned i = 0; i < steps; i++)
		step(&m);
	reopen(&m);
	assert_ok(atr_store_close(m.store, &err), &err);
	free(m.entry);
}
