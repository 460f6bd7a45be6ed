#include "store/record.h"

#include <stdlib.h>
#include <string.h>

#include "store/bytes.h"
#include "tests/unit/store_fixture.h"

static struct atr_hash_key key;

static int make_key(void **state)
{
	(void)state;
	return atr_hash_key_init(&key, "ORDERS-1");
}

static struct atr_message message_of(const json_t *v, uint8_t **headers, uint8_t **payload)
{
	struct atr_message m = {.subject = fixture_text(v, "subject")};

	m.sequence = (uint64_t)json_integer_value(json_object_get(v, "seq"));
	m.time_ns = (int64_t)json_integer_value(json_object_get(v, "ts"));
	m.subject_bytes = strlen(m.subject);
	m.headers = *headers = fixture_hex(v, "hdr_hex", &m.headers_bytes);
	m.payload = *payload = fixture_hex(v, "msg_hex", &m.payload_bytes);
	return m;
}

static void check_decoded(uint8_t *bytes, size_t n, const struct atr_message *m)
{
	uint8_t *before = malloc(n);
	struct atr_record r;
	const char *why = NULL;
	size_t need = 0;

	memcpy(before, bytes, n);
	assert_int_equal(atr_record_decode(&key, bytes, n, &r, &need, &why), ATR_OK);
	assert_memory_equal(before, bytes, n); /* restored */
	assert_int_equal(r.kind, ATR_RECORD_MESSAGE);
	assert_int_equal(r.record_bytes, n);
	assert_int_equal(r.message.sequence, m->sequence);
	assert_int_equal(r.message.time_ns, m->time_ns);
	assert_int_equal(r.message.subject_bytes, m->subject_bytes);
	assert_memory_equal(r.message.subject, m->subject, m->subject_bytes);
	assert_int_equal(r.message.headers_bytes, m->headers_bytes);
	if (m->headers_bytes > 0)
		assert_memory_equal(r.message.headers, m->headers, m->headers_bytes);
	assert_int_equal(r.message.payload_bytes, m->payload_bytes);
	if (m->payload_bytes > 0)
		assert_memory_equal(r.message.payload, m->payload, m->payload_bytes);
	free(before);
}

static void known_records_encode_and_decode(void **state)
{
	json_t *all = fixture_vectors();
	size_t i;
	json_t *v;

	(void)state;
	json_array_foreach(json_object_get(all, "record"), i, v)
	{
		uint8_t *headers, *payload, *expected, *out;
		struct atr_message m = message_of(v, &headers, &payload);
		size_t n;

		expected = fixture_hex(v, "record_hex", &n);
		assert_int_equal(atr_record_bytes(&m), n);
		out = malloc(n);
		assert_int_equal(atr_record_encode(&key, &m, out), n);
		assert_memory_equal(out, expected, n);
		check_decoded(out, n, &m);
		free(out);
		free(expected);
		free(headers);
		free(payload);
	}
	json_decref(all);
}

static void known_placeholder_and_tombstone(void **state)
{
	static const struct {
		const char *name;
		uint64_t bit;
		enum atr_record_kind kind;
	} kinds[] = {
	        {"placeholder", ATR_SEQUENCE_ERASED, ATR_RECORD_ERASED},
	        {"tombstone", ATR_SEQUENCE_TOMBSTONE, ATR_RECORD_TOMBSTONE},
	};
	json_t *all = fixture_vectors();

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const json_t *v = json_object_get(all, kinds[i].name);
		struct atr_message m = {0};
		uint8_t out[ATR_RECORD_BYTES_MIN];
		struct atr_record r;
		const char *why;
		size_t n, need;
		uint8_t *expected = fixture_hex(v, "record_hex", &n);

		m.sequence = (uint64_t)json_integer_value(json_object_get(v, "seq"));
		m.sequence |= kinds[i].bit;
		m.time_ns = (int64_t)json_integer_value(json_object_get(v, "ts"));
		assert_int_equal(atr_record_encode(&key, &m, out), n);
		assert_memory_equal(out, expected, n);
		assert_int_equal(atr_record_decode(&key, out, n, &r, &need, &why), ATR_OK);
		assert_int_equal(r.kind, kinds[i].kind);
		assert_int_equal(r.message.sequence | kinds[i].bit, m.sequence);
		free(expected);
	}
	json_decref(all);
}

static void all_shapes_survive_the_round_trip(void **state)
{
	static const size_t sizes[] = {0, 1, 2, 3, 4, 5, 7, 16, 100, 70000};
	static uint8_t text[70002];
	uint8_t *out = malloc(3 * 70000 + 64);

	(void)state;
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)(i * 7 + 1);
	for (size_t s = 0; s < 9; s++)
		for (size_t h = 0; h < 10; h++)
			for (size_t p = 0; p < 10; p++) {
				struct atr_message m = {
				        .sequence = 1 + s,
				        .time_ns = -5,
				        .subject = (const char *)text,
				        .subject_bytes = sizes[s],
				        .headers = text + 1,
				        .headers_bytes = sizes[h],
				        .payload = text + 2,
				        .payload_bytes = sizes[p] - (p == 9 ? 9 : 0),
				};
				size_t n = atr_record_encode(&key, &m, out);

				check_decoded(out, n, &m);
			}
	free(out);
}

static void decode_asks_for_what_is_missing(void **state)
{
	struct atr_message m = {.sequence = 1,
	                        .subject = "s",
	                        .subject_bytes = 1,
	                        .payload = (const uint8_t *)"0123456789",
	                        .payload_bytes = 10};
	uint8_t out[64];
	size_t n = atr_record_encode(&key, &m, out);
	struct atr_record r;
	const char *why;

	(void)state;
	for (size_t have = 0; have < n; have++) {
		size_t need = 0;

		assert_int_equal(atr_record_decode(&key, out, have, &r, &need, &why), ATR_END);
		assert_int_equal(need, have < ATR_RECORD_BYTES_MIN ? ATR_RECORD_BYTES_MIN : n);
	}
}

/* Every bit of a record with headers: found, except in the lengths that the hash leaves out and
 * that still fit together. */
static void every_flipped_bit_is_found(void **state)
{
	struct atr_message m = {.sequence = 9,
	                        .time_ns = 77,
	                        .subject = "orders.eu",
	                        .subject_bytes = 9,
	                        .headers = (const uint8_t *)"NATS/1.0\r\nA: b\r\n\r\n",
	                        .headers_bytes = 18,
	                        .payload = (const uint8_t *)"payload",
	                        .payload_bytes = 7};
	uint8_t out[128] = {0}, copy[128];
	size_t n = atr_record_encode(&key, &m, out);
	int unhashed = 0;

	(void)state;
	for (size_t bit = 0; bit < 8 * n; bit++) {
		struct atr_record r;
		const char *why;
		size_t need = 0, byte = bit / 8;
		enum atr_status rc;

		memcpy(copy, out, sizeof out);
		copy[byte] ^= (uint8_t)(1u << bit % 8);
		rc = atr_record_decode(&key, copy, n, &r, &need, &why);
		if (rc == ATR_OK) {
			/* subject length 20..21, header length after the subject */
			assert_true(byte == 20 || byte == 21 || (byte >= 31 && byte < 35));
			unhashed++;
		}
	}
	assert_true(unhashed < 32);
}

static void lengths_that_cannot_be_are_refused(void **state)
{
	uint8_t out[64] = {0};
	struct atr_record r;
	const char *why = NULL;
	size_t need;

	(void)state;
	atr_le32_put(out, 29);
	assert_int_equal(atr_record_decode(&key, out, 64, &r, &need, &why), ATR_EFORMAT);
	assert_non_null(why);
	atr_le32_put(out, ATR_RECORD_BYTES_MAX + 1);
	assert_int_equal(atr_record_decode(&key, out, 64, &r, &need, &why), ATR_EFORMAT);
	atr_le32_put(out, 40);
	atr_le16_put(out + 20, 11); /* subject would run into the hash */
	assert_int_equal(atr_record_decode(&key, out, 64, &r, &need, &why), ATR_EFORMAT);
	atr_le32_put(out, 40 | UINT32_C(1) << 31);
	atr_le16_put(out + 20, 6);
	atr_le32_put(out + 28, 1); /* one header byte more than there is room for */
	assert_int_equal(atr_record_decode(&key, out, 64, &r, &need, &why), ATR_EFORMAT);
}

/* Its little-endian length word begins with the bytes of "cmp", whatever the fourth is. */
static void two_lengths_look_like_a_compressed_block(void **state)
{
	size_t found = 0;

	(void)state;
	for (size_t bytes = ATR_RECORD_BYTES_MIN; bytes <= ATR_RECORD_BYTES_MAX; bytes++) {
		uint32_t word = (uint32_t)bytes;

		if (memcmp(&word, "cmp", 3) == 0)
			found++;
		assert_int_equal(atr_record_spells_compressed(bytes), memcmp(&word, "cmp", 3) == 0);
	}
	assert_int_equal(found, 2);
	assert_true(atr_record_spells_compressed(7368035));
	assert_true(atr_record_spells_compressed(24145251));
}

static void limits_of_the_format(void **state)
{
	struct atr_message m = {.subject_bytes = ATR_SUBJECT_BYTES_MAX};

	(void)state;
	assert_int_equal(atr_record_bytes(&m), 30 + 65535);
	m.subject_bytes++;
	assert_int_equal(atr_record_bytes(&m), 0);
	m.subject_bytes = 0;
	m.payload_bytes = ATR_RECORD_BYTES_MAX - 30;
	assert_int_equal(atr_record_bytes(&m), ATR_RECORD_BYTES_MAX);
	m.payload_bytes++;
	assert_int_equal(atr_record_bytes(&m), 0);
	m.payload_bytes = SIZE_MAX;
	m.headers_bytes = SIZE_MAX;
	assert_int_equal(atr_record_bytes(&m), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(known_records_encode_and_decode),
	        cmocka_unit_test(known_placeholder_and_tombstone),
	        cmocka_unit_test(all_shapes_survive_the_round_trip),
	        cmocka_unit_test(decode_asks_for_what_is_missing),
	        cmocka_unit_test(every_flipped_bit_is_found),
	        cmocka_unit_test(lengths_that_cannot_be_are_refused),
	        cmocka_unit_test(limits_of_the_format),
	        cmocka_unit_test(two_lengths_look_like_a_compressed_block),
	};

	return cmocka_run_group_tests(tests, make_key, NULL);
}
