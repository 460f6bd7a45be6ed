/* Target nats: what is published is stored under the cipher and found again, anywhere. Whole slices
 * are in test_nats_slices.c. */
#include "tests/compat/target_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/generator.h"
#include "store/inspect.h"

static const char *const ciphers[] = {"none", "chachapoly", "aes"};

static void count_finding(void *arg, const struct atr_finding *finding)
{
	unsigned *count = arg;

	if (finding->kind == ATR_FINDING_NOTE)
		return;
	printf("%s\n", finding->text);
	++*count;
}

static void verify_stream(const char *directory, const char *stream, const char *cipher,
                          uint64_t messages)
{
	unsigned findings = 0;
	struct atr_inspect_options options = {.finding = count_finding, .finding_arg = &findings};
	struct atr_verify_options promised = {.cipher = cipher};
	struct atr_verify_counts counts;
	struct atr_inspect *in;
	struct atr_error why;
	char path[4200];

	if (strcmp(cipher, "none") != 0) {
		options.key = (const uint8_t *)TARGET_FIXTURE_KEY;
		options.key_bytes = strlen(TARGET_FIXTURE_KEY);
	}
	snprintf(path, sizeof(path), "%s/jetstream/$G/streams/%s", directory, stream);
	assert_int_equal(atr_inspect_open(path, &options, &in, &why), ATR_OK);
	assert_int_equal(atr_inspect_verify(in, &promised, &counts, &why), ATR_OK);
	atr_inspect_close(in);
	assert_int_equal(findings, 0);
	assert_true(counts.blocks > 0);
	assert_int_equal(counts.messages, messages);
}

static void each_acked(void *arg, struct target_ticket ticket, uint64_t sequence)
{
	uint64_t *count = arg;

	/* one publisher: in order, as in the store */
	assert_int_equal(ticket.op, *count);
	assert_int_equal(sequence, ++*count);
}

/* Makes a place of n messages and closes it. */
static void fill(const struct target_options *options, const char *directory, uint64_t n)
{
	struct target_place *place;
	struct target_publisher *p;
	struct target_message m;
	struct target_error error;
	uint64_t acked = 0;

	if (target_nats.create(options, directory, &place, &error) != 0 ||
	    target_nats.publisher_open(place, 0, each_acked, &acked, &p, &error) != 0)
		fail_msg("%s", error.text);
	for (uint64_t op = 0; op < n; op++) {
		generator_message(options->generator, 0, op, &m);
		if (target_nats.submit(p, &m, (struct target_ticket){.op = op}, &error) != 0)
			fail_msg("%s", error.text);
		assert_true(op + 1 - acked <= options->workload->window);
	}
	assert_int_equal(target_nats.drain(p, &error), 0);
	assert_int_equal(acked, n);
	target_nats.publisher_close(p);
	assert_int_equal(target_nats.close(place, 1, &error), 0);
}

static void each_block_verifies_under_the_cipher_of_its_server(void **state)
{
	struct order *setup = calloc(1, sizeof(*setup));
	char directory[4096];

	for (int v = 0; v < TARGET_VERSION_COUNT; v++) {
		for (int c = 0; c < 3; c++) {
			target_fixture_order(setup, &target_versions[v], ciphers[c],
			                     WORKLOAD_PUBLISH);
			snprintf(directory, sizeof(directory), "%s/store-%d-%d", (char *)*state, v,
			         c);
			fill(target_fixture_options(setup), directory, 300);
			verify_stream(directory, "ATREST-0", ciphers[c], 300);
		}
	}
	free(setup);
}

static void at_most_a_window_waits_for_acknowledgements(void **state)
{
	static const uint32_t windows[] = {1, 2, 3, 64};
	struct order *setup = calloc(1, sizeof(*setup));
	char directory[4096];

	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		target_fixture_order(setup, TARGET_NEW, "none", WORKLOAD_PUBLISH);
		setup->workload.window = windows[i];
		snprintf(directory, sizeof(directory), "%s/window-%u", (char *)*state, windows[i]);
		fill(target_fixture_options(setup), directory, 300);
	}
	free(setup);
}

/* Longer than a server takes by itself. */
static void a_message_may_be_as_long_as_the_workload_says(void **state)
{
	struct order *setup = calloc(1, sizeof(*setup));
	char directory[4096];

	for (int v = 0; v < TARGET_VERSION_COUNT; v++) {
		target_fixture_order(setup, &target_versions[v], "aes", WORKLOAD_PUBLISH);
		setup->workload.sizes[0].low_bytes = 12u << 20;
		setup->workload.sizes[0].high_bytes = 12u << 20;
		setup->workload.window = 2;
		snprintf(directory, sizeof(directory), "%s/long-%d", (char *)*state, v);
		fill(target_fixture_options(setup), directory, 4);
	}
	free(setup);
}

static void another_key_is_told_and_the_stream_named(void **state)
{
	struct order *setup = calloc(1, sizeof(*setup));
	struct target_options options;
	struct target_place *place;
	struct target_error error;
	char directory[4096];

	for (int v = 0; v < TARGET_VERSION_COUNT; v++) {
		for (int c = 1; c < 3; c++) {
			target_fixture_order(setup, &target_versions[v], ciphers[c],
			                     WORKLOAD_PUBLISH);
			snprintf(directory, sizeof(directory), "%s/key-%d-%d", (char *)*state, v,
			         c);
			fill(target_fixture_options(setup), directory, 100);
			options = *target_fixture_options(setup);
			options.key = (const uint8_t *)"another0123456789another012345678";
			assert_int_equal(target_nats.open(&options, directory, &place, &error), -1);
			assert_null(place);
			assert_int_equal(error.fault, TARGET_WRONG_KEY);
			assert_non_null(strstr(error.text, "ATREST-0"));
		}
	}
	free(setup);
}

static void read_anywhere(struct target_place *place, const struct generator *g)
{
	struct target_reader *r;
	struct target_message m;
	struct target_error error;

	assert_int_equal(target_nats.reader_open(place, 0, &r, &error), 0);
	for (uint64_t sequence = 190; sequence <= 200; sequence++) {
		assert_int_equal(target_nats.next(r, sequence, &m, &error), 0);
		assert_int_equal(generator_check(g, 0, sequence, &m, &error), 0);
	}
	assert_int_equal(target_nats.next(r, 201, &m, &error), 1);
	assert_int_equal(target_nats.next(r, 1, &m, &error), 0);
	assert_int_equal(generator_check(g, 0, 1, &m, &error), 0);
	assert_int_equal(target_nats.get(r, 100, &m, &error), 0);
	assert_int_equal(generator_check(g, 0, 100, &m, &error), 0);
	assert_int_equal(target_nats.next(r, 2, &m, &error), 0);
	assert_int_equal(generator_check(g, 0, 2, &m, &error), 0);
	assert_int_equal(target_nats.get(r, 201, &m, &error), -1);
	assert_int_equal(error.fault, TARGET_VERIFY);
	assert_int_equal(target_nats.last(r, "no.such.subject", &m, &error), -1);
	assert_int_equal(error.fault, TARGET_VERIFY);
	target_nats.reader_close(r);
}

static void a_reader_goes_anywhere_and_finds_the_end(void **state)
{
	static const enum workload_consumer consumers[] = {WORKLOAD_CONSUMER_PULL,
	                                                   WORKLOAD_CONSUMER_ORDERED};
	struct order *setup = calloc(1, sizeof(*setup));
	const struct target_options *options;
	struct target_place *place;
	struct target_error error;
	char directory[4096];

	for (int v = 0; v < TARGET_VERSION_COUNT; v++) {
		for (int c = 0; c < 2; c++) {
			target_fixture_order(setup, &target_versions[v], "aes",
			                     WORKLOAD_READ_SEQUENTIAL);
			setup->workload.consumer = consumers[c];
			snprintf(directory, sizeof(directory), "%s/reader-%d-%d", (char *)*state, v,
			         c);
			options = target_fixture_options(setup);
			fill(options, directory, 200);
			assert_int_equal(target_nats.open(options, directory, &place, &error), 0);
			read_anywhere(place, options->generator);
			assert_int_equal(target_nats.close(place, 0, &error), 0);
		}
	}
	free(setup);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(each_block_verifies_under_the_cipher_of_its_server,
	                                        target_fixture_make, target_fixture_remove),
	        cmocka_unit_test_setup_teardown(at_most_a_window_waits_for_acknowledgements,
	                                        target_fixture_make, target_fixture_remove),
	        cmocka_unit_test_setup_teardown(a_message_may_be_as_long_as_the_workload_says,
	                                        target_fixture_make, target_fixture_remove),
	        cmocka_unit_test_setup_teardown(another_key_is_told_and_the_stream_named,
	                                        target_fixture_make, target_fixture_remove),
	        cmocka_unit_test_setup_teardown(a_reader_goes_anywhere_and_finds_the_end,
	                                        target_fixture_make, target_fixture_remove),
	};
	int rc = target_fixture_find();

	return rc != 0 ? rc : cmocka_run_group_tests(tests, NULL, NULL);
}
