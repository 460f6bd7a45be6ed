/* What keys say together, and that every ready workload is sound. */
#include "workloads/workload.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SLICE_BYTES_MAX (128.0 * 1024 * 1024)
#define RECORD_FRAME    34.0

static int check(const struct workload *w, struct workload_error *err)
{
	err->text[0] = 0;
	return workload_check(w, err);
}

static void refused(const struct workload *w, const char *message)
{
	struct workload_error err;

	assert_int_equal(check(w, &err), -1);
	if (strncmp(err.text, "workload: ", 10) != 0 || !strstr(err.text, message))
		fail_msg("found <%s>, expected <%s>", err.text, message);
}

static void the_defaults_are_sound(void **state)
{
	struct workload w;
	struct workload_error err;

	(void)state;
	workload_init(&w);
	assert_int_equal(check(&w, &err), 0);
}

static void reading_needs_something_to_read(void **state)
{
	struct workload w;
	struct workload_error err;

	(void)state;
	workload_init(&w);
	for (unsigned op = WORKLOAD_READ_SEQUENTIAL; op <= WORKLOAD_MIXED; op++) {
		w.operation = (enum workload_operation)op;
		w.fill_messages = 0;
		refused(&w, "fill_messages is 0, expected a filled store for operation ");
		w.fill_messages = 1;
		assert_int_equal(check(&w, &err), 0);
	}
}

static void threads_have_work_and_streams_have_threads(void **state)
{
	struct workload w;
	struct workload_error err;

	(void)state;
	workload_init(&w);
	w.messages = 3;
	w.publishers = 4;
	refused(&w, "messages is 3, expected one per publisher (4)");
	w.publishers = 3;
	w.streams = 4;
	refused(&w, "streams is 4, expected no more than publishers (3)");
	w.streams = 3;
	assert_int_equal(check(&w, &err), 0);
	w.operation = WORKLOAD_READ_RANDOM;
	w.fill_messages = 10;
	refused(&w, "streams is 3, expected no more than readers (1)");
	w.readers = 4;
	refused(&w, "messages is 3, expected one per reader (4)");
	w.readers = 3;
	assert_int_equal(check(&w, &err), 0);
	w.operation = WORKLOAD_MIXED;
	w.publishers = 2;
	refused(&w, "streams is 3, expected no more than publishers (2)");
}

static void a_second_pass_is_not_cold(void **state)
{
	struct workload w;
	struct workload_error err;

	(void)state;
	workload_init(&w);
	w.operation = WORKLOAD_READ_SEQUENTIAL;
	w.fill_messages = 10;
	w.messages = 11;
	assert_int_equal(check(&w, &err), 0);
	w.cache = WORKLOAD_COLD;
	refused(&w, "messages is 11, expected fill_messages (10) at most");
	w.messages = 10;
	assert_int_equal(check(&w, &err), 0);
}

static void a_second_opening_is_not_cold(void **state)
{
	struct workload w;
	struct workload_error err;

	(void)state;
	workload_init(&w);
	w.operation = WORKLOAD_OPEN;
	w.fill_messages = 10;
	w.messages = 11;
	assert_int_equal(check(&w, &err), 0);
	assert_int_equal(workload_slice_messages(&w), 20);
	w.cache = WORKLOAD_COLD;
	refused(&w, "messages is 11, expected fill_messages (10) at most: opened again");
	w.messages = 10;
	assert_int_equal(check(&w, &err), 0);
	assert_int_equal(workload_slice_messages(&w), 10);
}

static void what_is_not_there_is_not_deleted(void **state)
{
	struct workload w;
	struct workload_error err;

	(void)state;
	workload_init(&w);
	w.operation = WORKLOAD_DELETE;
	w.messages = 11;
	w.fill_messages = 10;
	refused(&w, "messages is 11, expected fill_messages (10) at most: no message is deleted");
	w.messages = 10;
	assert_int_equal(check(&w, &err), 0);
	w.publishers = 11;
	refused(&w, "messages is 10, expected one per publisher (11)");
	w.publishers = w.streams = 2;
	refused(&w, "streams is 2, expected 1 for operation delete");
}

static void a_tail_is_one_reader_per_stream(void **state)
{
	struct workload w;
	struct workload_error err;

	(void)state;
	workload_init(&w);
	w.operation = WORKLOAD_TAIL;
	assert_int_equal(check(&w, &err), 0);
	w.readers = 2;
	refused(&w, "readers is 2, expected one per stream (1) behind its publishers");
	w.streams = w.publishers = 2;
	assert_int_equal(check(&w, &err), 0);
}

static void whole_streams_count_their_messages(void **state)
{
	static const enum workload_operation operations[] = {WORKLOAD_PURGE, WORKLOAD_CONVERT,
	                                                     WORKLOAD_SNAPSHOT, WORKLOAD_RESTORE};
	struct workload w;

	(void)state;
	workload_init(&w);
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		w.operation = operations[i];
		w.fill_messages = 0;
		refused(&w, "fill_messages is 0, expected a filled store for operation ");
		w.fill_messages = 5;
		assert_int_equal(workload_slice_messages(&w), 5);
		w.streams = 6;
		refused(&w, "streams is 6, expected no more than fill_messages (5)");
		w.streams = 1;
	}
}

static void records_and_totals_have_limits(void **state)
{
	struct workload w;

	(void)state;
	workload_init(&w);
	w.headers_bytes = 31;
	refused(&w, "headers_bytes is 31, expected 0 or 32 and more");
	w.headers_bytes = 0;
	w.sizes[0].high_bytes = 32 * 1024 * 1024;
	refused(&w, "expected 33554432 at most");
	w.sizes[0].high_bytes = 31 * 1024 * 1024;
	w.messages = UINT64_C(1) << 40;
	refused(&w, "expected 1000000000000000000 at most");
}

static void a_limit_has_room_for_every_message(void **state)
{
	struct workload w;
	struct workload_error err;

	(void)state;
	workload_init(&w);
	w.messages = 1000;
	w.max_bytes = 1024 * 1000;
	refused(&w, "max_bytes is 1024000, expected 0 or ");
	w.max_bytes = 1100 * 1000;
	assert_int_equal(check(&w, &err), 0);
	w.operation = WORKLOAD_MIXED;
	w.fill_messages = 1000;
	refused(&w, "a stream would lose messages");
	w.max_bytes = 0;
	assert_int_equal(check(&w, &err), 0);
}

static void a_rate_is_one_and_of_single_operations(void **state)
{
	struct workload w;
	struct workload_error err;

	(void)state;
	workload_init(&w);
	w.fill_messages = 1;
	w.rate_msgs_s = 1000;
	assert_int_equal(check(&w, &err), 0);
	assert_true(workload_is_open(&w));
	w.rate_share = 0.25;
	refused(&w, "rate is 1000 and rate_share 0.25, expected one of them");
	w.rate_msgs_s = 0;
	assert_int_equal(check(&w, &err), 0);
	assert_true(workload_is_open(&w));
	for (unsigned op = WORKLOAD_PUBLISH; op <= WORKLOAD_RESTORE; op++) {
		w.operation = (enum workload_operation)op;
		if (op == WORKLOAD_PUBLISH || op == WORKLOAD_READ_RANDOM ||
		    op == WORKLOAD_READ_LAST)
			assert_int_equal(check(&w, &err), 0);
		else
			refused(&w, "rate_share is set, expected operation publish, read-random or "
			            "read-last instead of ");
	}
	w.operation = WORKLOAD_PUBLISH;
	w.latency_every = 0;
	refused(&w, "rate_share is set, expected latency_every of 1 or more");
	w.rate_share = 0;
	assert_int_equal(check(&w, &err), 0);
	assert_true(!workload_is_open(&w));
}

/* Read, sound, of its own name, and a slice writes at most 128 MiB. */
static void a_ready_file_is_sound(const char *name)
{
	char path[512];
	struct workload w;
	struct workload_error err;

	snprintf(path, sizeof(path), ATREST_SOURCE_DIR "/workloads/%s", name);
	if (workload_parse_file(path, &w, &err) != 0 || check(&w, &err) != 0)
		fail_msg("%s", err.text);
	assert_memory_equal(w.name, name, strlen(w.name));
	assert_true(strlen(w.question) > 20);
	assert_true(w.class_[0]);
	double record = RECORD_FRAME + 16 + w.headers_share * w.headers_bytes +
	                workload_payload_bytes_mean(&w);
	double written =
	        (workload_appends(&w) ? (double)w.messages : (double)w.fill_messages) * record;
	assert_true(written <= SLICE_BYTES_MAX);
}

static void every_ready_file_is_sound(void **state)
{
	DIR *dir = opendir(ATREST_SOURCE_DIR "/workloads");
	struct dirent *e;
	int files = 0;

	(void)state;
	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL) {
		if (strlen(e->d_name) > 4 &&
		    strcmp(e->d_name + strlen(e->d_name) - 4, ".ini") == 0) {
			a_ready_file_is_sound(e->d_name);
			files++;
		}
	}
	closedir(dir);
	assert_true(files >= 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_defaults_are_sound),
	        cmocka_unit_test(reading_needs_something_to_read),
	        cmocka_unit_test(threads_have_work_and_streams_have_threads),
	        cmocka_unit_test(a_second_pass_is_not_cold),
	        cmocka_unit_test(a_second_opening_is_not_cold),
	        cmocka_unit_test(what_is_not_there_is_not_deleted),
	        cmocka_unit_test(a_tail_is_one_reader_per_stream),
	        cmocka_unit_test(whole_streams_count_their_messages),
	        cmocka_unit_test(records_and_totals_have_limits),
	        cmocka_unit_test(a_limit_has_room_for_every_message),
	        cmocka_unit_test(a_rate_is_one_and_of_single_operations),
	        cmocka_unit_test(every_ready_file_is_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
