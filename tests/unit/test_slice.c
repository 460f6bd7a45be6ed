/* test_slice.c - one slice of each operation, in this process: what its row counts, and that its
 * checks see what is wrong.
 */
#include "tests/unit/slice_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "ciphers/cipher.h"
#include "harness/controls.h"

#define FILL 600

static char directory[4096];

static void setup_of(struct order *setup, const char *target, const char *cipher,
                     enum workload_operation operation)
{
	struct workload *w = &setup->workload;

	fixture_setup(setup, target, cipher, operation, 300, FILL);
	w->block_bytes = 16 * 1024; /* some blocks */
	w->sizes[0].low_bytes = 100;
	w->sizes[0].high_bytes = 300;
}

/* Slices of one session, as a square has them; the last one with all controls. */
static void slices_of(const char *base, const struct order *setup, struct sample *row)
{
	struct order_reply *reply = calloc(1, sizeof(*reply));
	struct order *order = calloc(1, sizeof(*order));
	int changes = workload_changes(&setup->workload);
	static unsigned stores;
	struct session *session = fixture_session(setup);
	struct target_error error;

	for (int i = 0; i < 2; i++) {
		if (i == 0 || changes)
			snprintf(directory, sizeof(directory), "%s/store-%u", base, stores++);
		if (i == 0 && !changes && strcmp(setup->target, "store") == 0 &&
		    session_fill(session, directory, &error) != 0)
			fail_msg("%s", error.text);
		memset(reply, 0, sizeof(*reply));
		snprintf(order->directory, sizeof(order->directory), "%s", directory);
		order->control = i == 1;
		session_slice(session, order, reply);
		if (!reply->row.valid)
			fail_msg("operation %d, %s, slice %d: %s", (int)setup->workload.operation,
			         setup->cipher, i, reply->error.text);
	}
	*row = reply->row;
	session_close(session);
	free(order);
	free(reply);
}

static void each_operation_counts_its_messages(void **state)
{
	static const char *const ciphers[] = {"none", "aes"};
	struct order *setup = calloc(1, sizeof(*setup));
	struct sample row;

	for (unsigned op = WORKLOAD_PUBLISH; op <= WORKLOAD_RESTORE; op++) {
		for (int c = -1; c < 2; c++) {
			setup_of(setup, c < 0 ? "null" : "store", c < 0 ? "none" : ciphers[c],
			         (enum workload_operation)op);
			const struct workload *w = &setup->workload;
			if (!target_can(target_find(setup->target), w->operation))
				continue;
			slices_of(*state, setup, &row);
			assert_int_equal(row.messages, workload_slice_messages(w));
			assert_in_range(row.payload_total_bytes, 100 * row.messages,
			                300 * row.messages);
			assert_true(row.acked_s > 0);
			assert_true(row.latency_count > 0);
			if (workload_reads(w) && !workload_appends(w))
				assert_true(row.reads_checked >= row.messages);
			/* The control of the last slice has looked at what is left. */
			if (c >= 0 && op != WORKLOAD_PURGE && op != WORKLOAD_DELETE)
				assert_true(row.reads_checked >= 300);
		}
	}
	free(setup);
}

static void a_tail_reads_every_message_of_every_stream(void **state)
{
	struct order *setup = calloc(1, sizeof(*setup));
	struct sample row;

	setup_of(setup, "store", "aes", WORKLOAD_TAIL);
	setup->workload.messages = 5000;
	setup->workload.publishers = 3;
	setup->workload.streams = setup->workload.readers = 2;
	slices_of(*state, setup, &row);
	assert_int_equal(row.messages, 5000);
	assert_int_equal(row.latency_count, 5000); /* of the appends */
	free(setup);
}

static void a_stream_is_opened_as_often_as_it_takes(void **state)
{
	struct order *setup = calloc(1, sizeof(*setup));
	struct sample row;

	for (int without = 0; without < 2; without++) {
		setup_of(setup, "store", "aes", WORKLOAD_OPEN);
		setup->workload.messages = 3 * FILL - 1;
		setup->workload.state = without ? WORKLOAD_STATE_NONE : WORKLOAD_STATE_KEPT;
		slices_of(*state, setup, &row);
		assert_int_equal(row.messages, 3 * FILL);
		assert_int_equal(row.latency_count, 3);
	}
	free(setup);
}

/* From plaintext, from the other cipher, from another key: afterwards only the arm's opens it,
 * which the controls try. */
static void a_stream_is_converted_from_whatever_it_was(void **state)
{
	static const char *const ciphers[] = {"none", "chachapoly", "aes"};
	struct order *setup = calloc(1, sizeof(*setup));
	struct sample row;

	for (unsigned convert = 0; convert <= WORKLOAD_CONVERT_ROTATE; convert++) {
		for (size_t c = 0; c < 3; c++) {
			setup_of(setup, "store", ciphers[c], WORKLOAD_CONVERT);
			setup->workload.convert = (enum workload_convert)convert;
			slices_of(*state, setup, &row);
			assert_int_equal(row.messages, FILL);
			assert_int_equal(row.reads_checked, FILL);
		}
	}
	free(setup);
}

/* A message that was to be gone is there, or the reverse: the store is the same, what is expected
 * of it differs. */
static void what_is_not_gone_is_found(void **state)
{
	struct order *setup = calloc(1, sizeof(*setup));
	struct target_options options = {0};
	struct target_error error;
	struct sample row;
	uint64_t checked = 0;
	struct generator *g;

	setup_of(setup, "store", "none", WORKLOAD_READ_SEQUENTIAL);
	slices_of(*state, setup, &row);
	setup->workload.operation = WORKLOAD_DELETE;
	g = generator_new(&setup->workload, setup->seed);
	options = (struct target_options){
	        .workload = &setup->workload, .generator = g, .cipher = "none"};
	generator_reset(g, 1);
	if (controls_read_closed(&target_store, &options, directory, FILL, &checked, &error) != 0)
		fail_msg("%s", error.text);
	assert_int_equal(checked, FILL);
	generator_note_removals(g);
	assert_int_equal(
	        controls_read_closed(&target_store, &options, directory, FILL, &checked, &error),
	        -1);
	assert_non_null(strstr(error.text, "600 messages up to sequence 600, expected 300 up to"));
	/* As many as there are, and still not those that were expected. */
	assert_int_equal(controls_read_closed(&target_store, &options, directory, FILL + 300,
	                                      &checked, &error),
	                 -1);
	assert_int_equal(error.fault, TARGET_VERIFY);
	generator_free(g);
	free(setup);
}

int main(void)
{
#define WITH_DIRECTORY(test)                                                                       \
	cmocka_unit_test_setup_teardown(test, fixture_directory_make, fixture_directory_remove)
	const struct CMUnitTest tests[] = {
	        WITH_DIRECTORY(each_operation_counts_its_messages),
	        WITH_DIRECTORY(a_tail_reads_every_message_of_every_stream),
	        WITH_DIRECTORY(a_stream_is_opened_as_often_as_it_takes),
	        WITH_DIRECTORY(a_stream_is_converted_from_whatever_it_was),
	        WITH_DIRECTORY(what_is_not_gone_is_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
