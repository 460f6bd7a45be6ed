/* test_providers.c - the choice between chachapoly's providers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness/measure/providers.h"

static void assert_provider(const struct atr_cipher *c, const char *provider)
{
	assert_non_null(c);
	assert_string_equal(atr_cipher_name(c), "chachapoly");
	assert_string_equal(atr_cipher_provider(c), provider);
}

static void sodium_must_be_more_than_ten_percent_faster(void **state)
{
	(void)state;
	assert_provider(providers_decide(1000, 3000), "openssl");
	assert_provider(providers_decide(1000, 1000), "openssl");
	assert_provider(providers_decide(1000, 950), "openssl");
	assert_provider(providers_decide(1100, 1000), "openssl");
	assert_provider(providers_decide(1101, 1000), "sodium");
	assert_provider(providers_decide(3000, 1000), "sodium");
	assert_provider(providers_decide(0, 0), "openssl");
}

static void choose_follows_its_own_figures(void **state)
{
	struct provider_choice choice;

	(void)state;
	assert_int_equal(providers_choose(&choice), 0);
	assert_true(choice.openssl_ns > 0 && choice.sodium_ns > 0);
	assert_false(choice.pinned);
	assert_ptr_equal(choice.chachapoly, providers_decide(choice.openssl_ns, choice.sodium_ns));
	assert_ptr_equal(providers_cipher(&choice, "chachapoly"), choice.chachapoly);
	assert_ptr_equal(providers_cipher(&choice, "aes"), atr_cipher_find("aes", NULL));
	assert_ptr_equal(providers_cipher(&choice, "none"), atr_cipher_find("none", NULL));
	assert_null(providers_cipher(&choice, "des"));
}

static void measure_fills_every_row(void **state)
{
	struct provider_speed rows[PROVIDERS_MAX];
	struct provider_choice choice;
	int count = providers_measure(rows, &choice);

	(void)state;
	assert_int_equal(count, 4);
	for (int i = 0; i < count; i++) {
		assert_ptr_equal(rows[i].cipher, atr_cipher_at((size_t)i));
		for (size_t j = 0; j < PROVIDERS_SIZES; j++)
			assert_true(rows[i].ns[j] > 0);
	}
	/* A larger message takes longer: a crossed index would show. */
	for (int i = 0; i < count; i++)
		assert_true(rows[i].ns[PROVIDERS_SIZES - 1] > rows[i].ns[0]);
	assert_ptr_equal(choice.chachapoly, providers_decide(choice.openssl_ns, choice.sodium_ns));
}

static void pin_takes_only_pairs_of_the_list(void **state)
{
	static const char *const bad[] = {"",
	                                  "sodium",
	                                  "chachapoly",
	                                  "chachapoly=",
	                                  "=sodium",
	                                  "aes=sodium",
	                                  "chacha=sodium",
	                                  "chachapoly=none",
	                                  "a-name-that-is-longer-than-any-cipher=sodium"};
	struct provider_choice choice = {.openssl_ns = 5};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(providers_pin(&choice, bad[i]), -1);
		assert_null(choice.chachapoly);
	}
	assert_int_equal(providers_pin(&choice, "chachapoly=sodium"), 0);
	assert_provider(choice.chachapoly, "sodium");
	assert_true(choice.pinned);
	assert_true(choice.openssl_ns <= 0);
	assert_int_equal(providers_pin(&choice, "aes=openssl"), 0);
	assert_provider(choice.chachapoly, "sodium");
	assert_int_equal(providers_pin(&choice, "chachapoly=openssl"), 0);
	assert_provider(choice.chachapoly, "openssl");
}

static void gib_per_second(void **state)
{
	(void)state;
	/* 1 GiB in one second. */
	assert_true(providers_gib_s((size_t)1 << 30, 1e9) > 0.9999);
	assert_true(providers_gib_s((size_t)1 << 30, 1e9) < 1.0001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(sodium_must_be_more_than_ten_percent_faster),
	        cmocka_unit_test(choose_follows_its_own_figures),
	        cmocka_unit_test(measure_fills_every_row),
	        cmocka_unit_test(pin_takes_only_pairs_of_the_list),
	        cmocka_unit_test(gib_per_second),
	};

	return cmocka_run_group_tests_name("providers", tests, NULL, NULL);
}
