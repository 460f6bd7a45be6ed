#include "cli/base64.h"

#include <string.h>

#include "tests/unit/store_fixture.h"

/* RFC 4648, section 10. */
static void published_vectors(void **state)
{
	static const char *const pairs[][2] = {{"", ""},
	                                       {"f", "Zg=="},
	                                       {"fo", "Zm8="},
	                                       {"foo", "Zm9v"},
	                                       {"foob", "Zm9vYg=="},
	                                       {"fooba", "Zm9vYmE="},
	                                       {"foobar", "Zm9vYmFy"}};

	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		size_t n = strlen(pairs[i][0]), back;
		uint8_t data[16];
		char text[16];

		base64_encode((const uint8_t *)pairs[i][0], n, text);
		assert_string_equal(text, pairs[i][1]);
		assert_int_equal(strlen(text), base64_text_bytes(n));
		assert_int_equal(base64_decode(text, strlen(text), data, &back), 0);
		assert_int_equal(back, n);
		assert_memory_equal(data, pairs[i][0], n);
	}
}

static void every_byte_survives(void **state)
{
	uint8_t data[256], back[300];
	char text[400];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)i;
	for (size_t bytes = 0; bytes <= sizeof data; bytes++) {
		base64_encode(data, bytes, text);
		assert_int_equal(base64_decode(text, strlen(text), back, &n), 0);
		assert_int_equal(n, bytes);
		assert_memory_equal(back, data, bytes);
	}
}

static void anything_else_is_refused(void **state)
{
	static const char *const texts[] = {"Z",        "Zg",   "Zg=",  "Zg=a",  "Z===", "====",
	                                    "Zm8=Zm8=", "Zh==", "Zm9=", "Zm\n=", "Zm-_"};
	uint8_t data[16];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		assert_int_equal(base64_decode(texts[i], strlen(texts[i]), data, &n), -1);
	assert_int_equal(base64_decode("Zm9\0", 4, data, &n), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(published_vectors),
	        cmocka_unit_test(every_byte_survives),
	        cmocka_unit_test(anything_else_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
