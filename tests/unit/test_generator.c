/* test_generator.c - which message has which sequence, and what a comparison notices. */
#include "tests/unit/harness_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "harness/generator.h"

static void workload_of(struct workload *w, enum workload_operation operation, uint32_t publishers,
                        uint32_t streams)
{
	workload_init(w);
	w->operation = operation;
	w->messages = 1000;
	w->fill_messages = operation == WORKLOAD_PUBLISH ? 0 : 7;
	w->publishers = publishers;
	w->streams = streams;
	w->sizes[0].low_bytes = 10;
	w->sizes[0].high_bytes = 90;
	w->headers_bytes = 40;
	w->headers_share = 0.5;
	w->subjects = 5;
}

/* A copy whose bytes may be changed. */
struct copy {
	struct target_message m;
	char subject[128];
	uint8_t headers[128];
	uint8_t payload[128];
};

static void copy_of(const struct generator *g, uint32_t stream, uint64_t op, struct copy *c)
{
	generator_message(g, stream, op, &c->m);
	memcpy(c->subject, c->m.subject, c->m.subject_bytes);
	if (c->m.headers_bytes > 0)
		memcpy(c->headers, c->m.headers, c->m.headers_bytes);
	memcpy(c->payload, c->m.payload, c->m.payload_bytes);
	c->m.subject = c->subject;
	c->m.headers = c->headers;
	c->m.payload = c->payload;
}

static void every_changed_byte_is_noticed(void **state)
{
	struct workload w;
	struct target_error error;
	struct copy c;
	struct generator *g;

	(void)state;
	workload_of(&w, WORKLOAD_PUBLISH, 1, 1);
	g = generator_new(&w, 3);
	assert_non_null(g);
	generator_reset(g, 0);
	for (uint64_t op = 0; op < 50; op++) {
		copy_of(g, 0, op, &c);
		c.m.sequence = op + 1;
		assert_int_equal(generator_check(g, 0, op + 1, &c.m, &error), 0);
		for (size_t i = 0; i < c.m.payload_bytes; i++) {
			c.payload[i] ^= 1;
			assert_int_equal(generator_check(g, 0, op + 1, &c.m, &error), -1);
			assert_int_equal(error.fault, TARGET_VERIFY);
			assert_non_null(strstr(error.text, "payload"));
			c.payload[i] ^= 1;
		}
		for (size_t i = 0; i < c.m.subject_bytes; i++) {
			c.subject[i] ^= 1;
			assert_int_equal(generator_check(g, 0, op + 1, &c.m, &error), -1);
			assert_non_null(strstr(error.text, "subject"));
			c.subject[i] ^= 1;
		}
		for (size_t i = 0; i < c.m.headers_bytes; i++) {
			c.headers[i] ^= 1;
			assert_int_equal(generator_check(g, 0, op + 1, &c.m, &error), -1);
			assert_non_null(strstr(error.text, "headers"));
			c.headers[i] ^= 1;
		}
		c.m.payload_bytes--;
		assert_int_equal(generator_check(g, 0, op + 1, &c.m, &error), -1);
		c.m.payload_bytes++;
		/* The right bytes as another sequence. */
		assert_int_equal(generator_check(g, 0, op + 2, &c.m, &error), -1);
		c.m.sequence = op + 2;
		assert_int_equal(generator_check(g, 0, op + 2, &c.m, &error), -1);
	}
	generator_free(g);
}

static void streams_have_subjects_of_their_own(void **state)
{
	struct workload w;
	struct target_message a, b;
	struct generator *g;
	char text[256];

	(void)state;
	workload_of(&w, WORKLOAD_PUBLISH, 2, 2);
	g = generator_new(&w, 3);
	generator_message(g, 0, 5, &a);
	generator_message(g, 1, 5, &b);
	assert_true(a.payload == b.payload);
	generator_subjects(g, 0, text, sizeof(text));
	assert_memory_equal(a.subject, text, strlen(text) - 1);
	generator_subjects(g, 1, text, sizeof(text));
	assert_memory_equal(b.subject, text, strlen(text) - 1);
	assert_true(a.subject_bytes != b.subject_bytes ||
	            memcmp(a.subject, b.subject, a.subject_bytes) != 0);
	generator_free(g);
}

static void fill_is_dealt_to_the_streams_in_turn(void **state)
{
	struct workload w;
	struct generator *g;

	(void)state;
	workload_of(&w, WORKLOAD_READ_SEQUENTIAL, 1, 3);
	g = generator_new(&w, 3);
	generator_reset(g, 1);
	assert_int_equal(generator_filled(g, 0), 3);
	assert_int_equal(generator_filled(g, 1), 2);
	assert_int_equal(generator_filled(g, 2), 2);
	assert_int_equal(generator_op_of(g, 0, 1), 0);
	assert_int_equal(generator_op_of(g, 0, 3), 6);
	assert_int_equal(generator_op_of(g, 2, 2), 5);
	generator_reset(g, 0);
	assert_int_equal(generator_filled(g, 0), 0);
	generator_free(g);
}

/* Two threads race for sequences; afterwards each sequence has the op that got it. */
struct race {
	struct generator *g;
	_Atomic uint64_t next_op, next_sequence;
	uint64_t op_of[1000];
};

static void *race_main(void *arg)
{
	struct race *r = arg;
	uint64_t op, sequence;

	while ((op = atomic_fetch_add(&r->next_op, 1)) < 1000) {
		sequence = atomic_fetch_add(&r->next_sequence, 1) + 1;
		r->op_of[sequence - 1] = op;
		generator_note(r->g, 0, sequence, op);
	}
	return NULL;
}

static void racing_acknowledgements_are_noted(void **state)
{
	static struct race r;
	struct workload w;
	pthread_t other;

	(void)state;
	workload_of(&w, WORKLOAD_PUBLISH, 2, 1);
	r.g = generator_new(&w, 3);
	assert_int_equal(generator_needs_notes(r.g), 1);
	generator_reset(r.g, 0);
	assert_int_equal(pthread_create(&other, NULL, race_main, &r), 0);
	race_main(&r);
	pthread_join(other, NULL);
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(generator_op_of(r.g, 0, i + 1), r.op_of[i]);
	assert_true(generator_op_of(r.g, 0, 1001) == UINT64_MAX);
	generator_reset(r.g, 0);
	assert_true(generator_op_of(r.g, 0, 1) == UINT64_MAX);
	generator_free(r.g);
}

static void readers_ask_for_what_was_acknowledged(void **state)
{
	struct workload w;
	struct generator *g;
	uint64_t highest = 0;

	(void)state;
	workload_of(&w, WORKLOAD_MIXED, 1, 1);
	g = generator_new(&w, 3);
	generator_reset(g, 1);
	for (uint64_t op = 0; op < 1000; op++)
		assert_in_range(generator_sequence(g, 0, op), 1, 7);
	generator_note(g, 0, 50, 49);
	for (uint64_t op = 0; op < 1000; op++) {
		uint64_t sequence = generator_sequence(g, 0, op);
		assert_in_range(sequence, 1, 50);
		if (sequence > highest)
			highest = sequence;
	}
	assert_in_range(highest, 45, 50);
	generator_free(g);
}

static uint64_t highest_asked(const struct generator *g)
{
	uint64_t highest = 0;

	for (uint64_t op = 0; op < 1000; op++) {
		uint64_t sequence = generator_sequence(g, 0, op);
		if (sequence > highest)
			highest = sequence;
		assert_true(generator_op_of(g, 0, sequence) != UINT64_MAX);
	}
	return highest;
}

/* A publisher may lose the processor between its acknowledgement and its note. */
static void readers_stay_before_a_note_that_is_missing(void **state)
{
	struct workload w;
	struct generator *g;

	(void)state;
	workload_of(&w, WORKLOAD_MIXED, 2, 1);
	g = generator_new(&w, 3);
	generator_reset(g, 1);
	for (uint64_t sequence = 9; sequence <= 60; sequence++)
		generator_note(g, 0, sequence, sequence);
	assert_in_range(highest_asked(g), 1, 7);
	generator_note(g, 0, 8, 8);
	assert_in_range(highest_asked(g), 50, 60);
	generator_free(g);
}

/* The last of a subject is what a walk over the whole fill finds. */
static void the_last_of_each_subject_is_known(void **state)
{
	struct workload w;
	struct generator *g;

	(void)state;
	workload_of(&w, WORKLOAD_READ_LAST, 1, 2);
	w.readers = 2;
	w.fill_messages = 101;
	g = generator_new(&w, 3);
	generator_reset(g, 1);
	for (uint64_t read = 0; read < 400; read++) {
		uint32_t stream = (uint32_t)(read % 2);
		struct target_message m;
		const char *subject;
		size_t bytes;
		uint64_t last = 0, said = generator_last(g, stream, read, &subject, &bytes);
		assert_int_equal(strlen(subject), bytes);
		for (uint64_t sequence = 1; sequence <= generator_filled(g, stream); sequence++) {
			generator_message(g, stream, generator_op_of(g, stream, sequence), &m);
			if (m.subject_bytes == bytes && memcmp(m.subject, subject, bytes) == 0)
				last = sequence;
		}
		assert_true(last > 0);
		assert_int_equal(said, last);
		assert_int_equal(generator_last_of(g, stream, subject), last);
	}
	generator_free(g);
}

static void removed_messages_are_gone_until_the_next_slice(void **state)
{
	struct workload w;
	struct generator *g;
	uint8_t gone[202] = {0};

	(void)state;
	workload_of(&w, WORKLOAD_DELETE, 1, 1);
	w.fill_messages = 200;
	w.messages = 150;
	g = generator_new(&w, 3);
	generator_reset(g, 1);
	for (uint64_t op = 0; op < w.messages; op++)
		gone[generator_removal(g, op)]++;
	assert_int_equal(generator_gone(g), 0);
	assert_int_equal(generator_live(g, 7, 200), 7);
	generator_note_removals(g);
	assert_int_equal(generator_gone(g), 150);
	for (uint64_t sequence = 1; sequence <= 201; sequence++) {
		uint64_t live = sequence;
		while (live <= 200 && gone[live])
			live++;
		assert_int_equal(generator_live(g, sequence, 200), live <= 200 ? live : UINT64_MAX);
	}
	generator_note_purge(g);
	assert_int_equal(generator_gone(g), 200);
	assert_int_equal(generator_live(g, 1, 200), UINT64_MAX);
	generator_reset(g, 1);
	assert_int_equal(generator_gone(g), 0);
	assert_int_equal(generator_live(g, 7, 200), 7);
	generator_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_changed_byte_is_noticed),
	        cmocka_unit_test(streams_have_subjects_of_their_own),
	        cmocka_unit_test(fill_is_dealt_to_the_streams_in_turn),
	        cmocka_unit_test(racing_acknowledgements_are_noted),
	        cmocka_unit_test(readers_ask_for_what_was_acknowledged),
	        cmocka_unit_test(readers_stay_before_a_note_that_is_missing),
	        cmocka_unit_test(the_last_of_each_subject_is_known),
	        cmocka_unit_test(removed_messages_are_gone_until_the_next_slice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
