#include "store/boundary.h"

#include <string.h>

#include "tests/unit/store_fixture.h"

static int valid(const char *subject)
{
	return atr_subject_is_valid(subject, strlen(subject));
}

static void subjects_of_publishers_are_valid(void **state)
{
	(void)state;
	assert_true(valid("a"));
	assert_true(valid("orders.eu.1"));
	assert_true(valid("$KV.cfg.key-1"));
	assert_true(valid("été.№1.密"));
	assert_true(valid("a*b.>c"));
	assert_false(valid(""));
	assert_false(valid("."));
	assert_false(valid("a..b"));
	assert_false(valid("a."));
	assert_false(valid(".a"));
	assert_false(valid("a b"));
	assert_false(valid("a\tb"));
	assert_false(valid("a\x01"));
	assert_false(valid("a\x7f"));
	assert_false(valid("a.*.b"));
	assert_false(valid("a.>"));
	assert_false(atr_subject_is_valid("a\0b", 3));
	assert_false(valid("\xc3"));             /* cut */
	assert_false(valid("\xc0\xaf"));         /* overlong */
	assert_false(valid("\xed\xa0\x80"));     /* surrogate */
	assert_false(valid("\xf4\x90\x80\x80")); /* above U+10FFFF */
}

static int matches(const char *filter, const char *subject)
{
	return atr_subject_matches(filter, subject, strlen(subject));
}

static void filters_match_by_token(void **state)
{
	(void)state;
	assert_true(matches("a.b", "a.b"));
	assert_true(matches("a.*", "a.b"));
	assert_true(matches("*.b", "a.b"));
	assert_true(matches(">", "a"));
	assert_true(matches("a.>", "a.b.c"));
	assert_false(matches("a.>", "a"));
	assert_false(matches("a.>", "b.c"));
	assert_false(matches("a.*", "a"));
	assert_false(matches("a.*", "a.b.c"));
	assert_false(matches("a.b", "a.bb"));
	assert_false(matches("a.b", "a"));
	assert_false(matches("a", "a.b"));
	assert_false(matches("a.*", "a."));
}

static int headers(const char *text)
{
	return atr_headers_are_valid((const uint8_t *)text, strlen(text));
}

static void header_blocks_end_where_they_say(void **state)
{
	(void)state;
	assert_true(headers("NATS/1.0\r\n\r\n"));
	assert_true(headers("NATS/1.0\r\nA: b\r\nC:\r\n\r\n"));
	assert_true(headers("NATS/1.0 100 Idle\r\n\r\n"));
	assert_true(headers("NATS/1.0\r\nX-Text: v\xc3\xa4lue 66\r\n\r\n"));
	assert_false(headers(""));
	assert_false(headers("NATS/1.0"));
	assert_false(headers("NATS/1.0\r\n"));
	assert_false(headers("NATS/1.0x\r\n\r\n"));
	assert_false(headers("HTTP/1.0\r\n\r\n"));
	assert_false(headers("NATS/1.0\r\nA: b\r\n"));         /* cut */
	assert_false(headers("NATS/1.0\r\nA: b\r\n\r\n{"));    /* a byte of the payload */
	assert_false(headers("NATS/1.0\r\n\r\nA: b\r\n\r\n")); /* an empty line inside */
	assert_false(headers("NATS/1.0\r\nA b\r\n\r\n"));      /* no colon */
	assert_false(headers("NATS/1.0\r\n: b\r\n\r\n"));      /* no name */
	assert_false(headers("NATS/1.0\r\nA: b\nC: d\r\n\r\n"));
	assert_false(headers("NATS/1.0\r\nA: b\rC: d\r\n\r\n"));
}

static void subjects_of_other_streams_prove_nothing(void **state)
{
	json_t *config = json_pack("{s:[s, s]}", "subjects", "a.*", "b");
	struct atr_message m = {.subject = "c.d", .subject_bytes = 3};

	(void)state;
	assert_true(atr_subject_is_configured(config, "a.x", 3));
	assert_true(atr_subject_is_configured(config, "b", 1));
	assert_false(atr_subject_is_configured(config, "c.d", 3));
	assert_non_null(atr_boundary_doubt(&m, 0, config));
	assert_null(atr_boundary_doubt(&m, 1, config)); /* listed by a state file */
	assert_null(atr_boundary_doubt(&m, 0, NULL));
	json_object_set_new(config, "mirror", json_object());
	assert_true(atr_subject_is_configured(config, "c.d", 3));
	json_object_clear(config);
	assert_true(atr_subject_is_configured(config, "c.d", 3));
	json_decref(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(subjects_of_publishers_are_valid),
	        cmocka_unit_test(filters_match_by_token),
	        cmocka_unit_test(header_blocks_end_where_they_say),
	        cmocka_unit_test(subjects_of_other_streams_prove_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
