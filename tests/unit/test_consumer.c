/* Known answers are those of tests/vectors/vectors.json. */
#include "store/consumer.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/store_fixture.h"

static void version_2_equals_the_known_answers(void **state)
{
	json_t *vectors = fixture_vectors();
	const json_t *list = json_object_get(vectors, "consumer_state");
	struct atr_consumer_state s;
	const char *why;
	size_t bytes;
	uint8_t *text = fixture_hex(json_array_get(list, 0), "plain_hex", &bytes);

	(void)state;
	assert_int_equal(atr_consumer_decode(text, bytes, &s, &why), ATR_OK);
	assert_int_equal(s.ack_floor_consumer, 3);
	assert_int_equal(s.ack_floor_stream, 7);
	assert_int_equal(s.delivered_consumer, 12);
	assert_int_equal(s.delivered_stream, 20);
	assert_int_equal(s.pending_count, 2);
	for (size_t i = 0; i < 2; i++) {
		int nine = s.pending[i].stream_seq == 9;

		assert_true(nine || s.pending[i].stream_seq == 15);
		assert_int_equal(s.pending[i].consumer_seq, nine ? 5 : 9);
		assert_int_equal(s.pending[i].delivered_s, nine ? 1700000000 : 1699999990);
	}
	assert_int_equal(s.redelivered_count, 1);
	assert_int_equal(s.redelivered[0].stream_seq, 9);
	assert_int_equal(s.redelivered[0].count, 2);
	atr_consumer_free(&s);
	for (size_t cut = 0; cut < bytes; cut++) {
		uint8_t *copy = malloc(cut + 1);

		memcpy(copy, text, cut);
		assert_int_equal(atr_consumer_decode(copy, cut, &s, &why), ATR_EFORMAT);
		assert_non_null(why);
		free(copy);
	}
	free(text);
	text = fixture_hex(json_array_get(list, 1), "plain_hex", &bytes);
	assert_int_equal(atr_consumer_decode(text, bytes, &s, &why), ATR_OK);
	assert_int_equal(s.delivered_consumer + s.delivered_stream + s.pending_count, 0);
	free(text);
	json_decref(vectors);
}

static void version_1_adds_the_floor(void **state)
{
	/* floor 3 and 7; delivered 12 - 2 and 20 - 6; one pending at base 50 + 5 s; none
	 * redelivered */
	static const uint8_t text[] = {22, 1, 3, 7, 10, 14, 1, 100, 2, 10, 0};
	struct atr_consumer_state s;
	const char *why;

	(void)state;
	assert_int_equal(atr_consumer_decode(text, sizeof text, &s, &why), ATR_OK);
	assert_int_equal(s.delivered_consumer, 12);
	assert_int_equal(s.delivered_stream, 20);
	assert_int_equal(s.pending[0].stream_seq, 9);
	assert_int_equal(s.pending[0].delivered_s, 55);
	atr_consumer_free(&s);
}

static void encoded_state_decodes_to_the_same(void **state)
{
	struct atr_consumer_pending pending[] = {{9, 5, 1700000000}, {15, 9, 1699999990}};
	struct atr_consumer_redelivered redelivered[] = {{9, 2}, {4, 1}};
	struct atr_consumer_state s = {3, 7, 12, 20, pending, 2, redelivered, 2}, back;
	const char *why;
	uint8_t *text;
	size_t bytes;

	(void)state;
	assert_int_equal(atr_consumer_encode(&s, 1700000005, &text, &bytes), ATR_OK);
	assert_int_equal(text[1], 2);
	assert_int_equal(atr_consumer_decode(text, bytes, &back, &why), ATR_OK);
	assert_int_equal(back.ack_floor_consumer, 3);
	assert_int_equal(back.ack_floor_stream, 7);
	assert_int_equal(back.delivered_consumer, 12);
	assert_int_equal(back.delivered_stream, 20);
	assert_int_equal(back.pending_count, 2);
	assert_memory_equal(back.pending, pending, sizeof pending);
	assert_int_equal(back.redelivered_count, 2);
	/* sequence 4 is below the floor: the difference wraps, and back */
	assert_memory_equal(back.redelivered, redelivered, sizeof redelivered);
	atr_consumer_free(&back);
	free(text);
	s = (struct atr_consumer_state){0};
	assert_int_equal(atr_consumer_encode(&s, 1700000005, &text, &bytes), ATR_OK);
	assert_int_equal(bytes, 8);
	free(text);
}

static void newer_version_and_left_over_bytes_are_refused(void **state)
{
	static const uint8_t newer[] = {22, 3, 0, 0, 0, 0, 0, 0};
	static const uint8_t longer[] = {22, 2, 0, 0, 0, 0, 0, 0, 0};
	static const uint8_t many[] = {22, 2, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0};
	struct atr_consumer_state s;
	const char *why;

	(void)state;
	assert_int_equal(atr_consumer_decode(newer, sizeof newer, &s, &why), ATR_EUNSUPPORTED);
	assert_int_equal(atr_consumer_decode(longer, sizeof longer, &s, &why), ATR_EFORMAT);
	assert_int_equal(atr_consumer_decode(many, sizeof many, &s, &why), ATR_EFORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(version_2_equals_the_known_answers),
	        cmocka_unit_test(version_1_adds_the_floor),
	        cmocka_unit_test(encoded_state_decodes_to_the_same),
	        cmocka_unit_test(newer_version_and_left_over_bytes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
