#include "store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/store_fixture.h"

static const struct atr_file_table *real = &atr_file_real;

static void whole_files_are_read_up_to_the_limit(void **state)
{
	const char *path = fixture_path(*state, "f");
	struct atr_error err;
	uint8_t *out;
	size_t bytes;

	fixture_write(path, "12345", 5);
	assert_ok(atr_file_read_whole(real, path, 5, &out, &bytes, &err), &err);
	assert_int_equal(bytes, 5);
	assert_string_equal((char *)out, "12345"); /* terminated */
	free(out);
	assert_status(atr_file_read_whole(real, path, 4, &out, &bytes, &err), ATR_EFORMAT, &err);
	assert_null(out);
	assert_status(atr_file_read_whole(real, fixture_path(*state, "g"), 4, &out, &bytes, &err),
	              ATR_ENOTFOUND, &err);
}

static void a_short_file_is_damage_where_it_ends(void **state)
{
	const char *path = fixture_path(*state, "f");
	struct atr_error err;
	char to[8];
	int fd;

	fixture_write(path, "12345", 5);
	fd = real->open(NULL, path, O_RDONLY, 0);
	assert_ok(atr_file_read_exact(real, fd, path, to, 3, 2, &err), &err);
	assert_memory_equal(to, "345", 3);
	assert_status(atr_file_read_exact(real, fd, path, to, 4, 2, &err), ATR_EFORMAT, &err);
	assert_int_equal(err.offset, 5);
	assert_int_equal(real->close(NULL, fd), 0);
}

/* A table whose writes are one byte at a time, then fail, as a full disk does. */
static int writes_left;

static ssize_t trickle(void *context, int fd, const void *from, size_t bytes, uint64_t offset)
{
	(void)bytes;
	if (writes_left-- <= 0)
		return -ENOSPC;
	return atr_file_real.pwrite(context, fd, from, 1, offset);
}

static void short_writes_go_on_and_failures_leave_no_temporary(void **state)
{
	struct atr_file_table files = *real;
	const char *path = fixture_path(*state, "f");
	struct atr_error err;
	uint8_t *out;
	size_t bytes;

	files.pwrite = trickle;
	writes_left = 5;
	assert_ok(atr_file_replace(&files, path, "12345", 5, &err), &err);
	writes_left = 3;
	assert_status(atr_file_replace(&files, path, "abcde", 5, &err), ATR_ENOSPC, &err);
	assert_int_equal(err.error_number, ENOSPC);
	assert_ok(atr_file_read_whole(real, path, 5, &out, &bytes, &err), &err);
	assert_memory_equal(out, "12345", 5);
	free(out);
	assert_int_equal(fixture_count(*state, ""), 1);
}

static void replaced_files_have_the_servers_mode(void **state)
{
	const char *path = fixture_path(*state, "f");
	struct atr_file_stat st;
	struct atr_error err;

	assert_ok(atr_file_replace(real, path, "x", 1, &err), &err);
	assert_int_equal(real->stat(NULL, path, &st), 0);
	assert_int_equal(st.mode, 0640);
	assert_int_equal(st.bytes, 1);
	assert_false(st.is_directory);
}

static void missing_directories_are_named(void **state)
{
	struct atr_error err;

	assert_status(atr_file_replace(real, fixture_path(*state, "no/f"), "x", 1, &err), ATR_EIO,
	              &err);
	assert_int_equal(err.error_number, ENOENT);
	assert_status(atr_file_sync_directory(real, fixture_path(*state, "no"), &err), ATR_EIO,
	              &err);
}

static int stop_at_second(void *arg, const char *name)
{
	assert_string_not_equal(name, ".");
	assert_string_not_equal(name, "..");
	return ++*(int *)arg == 2 ? 77 : 0;
}

static void listing_stops_when_told(void **state)
{
	int count = 0;

	fixture_write(fixture_path(*state, "a"), "", 0);
	fixture_write(fixture_path(*state, "b"), "", 0);
	fixture_write(fixture_path(*state, "c"), "", 0);
	assert_int_equal(real->list(NULL, *state, stop_at_second, &count), 77);
	assert_int_equal(count, 2);
	assert_int_equal(real->list(NULL, fixture_path(*state, "no"), stop_at_second, &count),
	                 -ENOENT);
}

static void locks_exclude_each_other(void **state)
{
	int a = real->open(NULL, *state, O_RDONLY | O_DIRECTORY, 0);
	int b = real->open(NULL, *state, O_RDONLY | O_DIRECTORY, 0);

	assert_int_equal(real->lock(NULL, a, 1), 0);
	assert_int_equal(real->lock(NULL, b, 0), -EWOULDBLOCK);
	assert_int_equal(real->close(NULL, a), 0);
	assert_int_equal(real->lock(NULL, b, 0), 0);
	assert_int_equal(real->close(NULL, b), 0);
}

static void another_process_that_may_write_is_seen(void **state)
{
	const char *path = fixture_path(*state, "f");
	int ready[2], ended;
	char byte;
	pid_t pid;

	fixture_write(path, "x", 1);
	assert_int_equal(real->holder(NULL, *state), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = open(path, O_RDWR);

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed assert leaves nobody behind */
		(void)!write(ready[1], fd >= 0 ? "y" : "n", 1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 'y');
	assert_int_equal(real->holder(NULL, *state), pid);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &ended, 0), pid);
	assert_int_equal(real->holder(NULL, *state), 0);
	(void)close(ready[0]);
	(void)close(ready[1]);
}

static void a_directory_is_locked_or_it_is_said_why_not(void **state)
{
	struct atr_error err;
	int a, b;

	fixture_write(fixture_path(*state, "f"), "x", 1);
	assert_status(atr_file_lock_directory(real, fixture_path(*state, "f"), 1, &a, &err),
	              ATR_ENOTSTORE, &err);
	assert_string_equal(err.text, "not a directory");
	assert_int_equal(a, -1);
	assert_status(atr_file_lock_directory(real, fixture_path(*state, "no"), 1, &a, &err),
	              ATR_ENOTSTORE, &err);
	assert_string_equal(err.text, "no such directory");

	assert_ok(atr_file_lock_directory(real, *state, 0, &a, &err), &err);
	assert_ok(atr_file_lock_directory(real, *state, 0, &b, &err), &err); /* both read */
	assert_int_equal(real->close(NULL, b), 0);
	assert_status(atr_file_lock_directory(real, *state, 1, &b, &err), ATR_ELOCKED, &err);
	assert_int_equal(b, -1);
	assert_int_equal(real->close(NULL, a), 0);
	assert_ok(atr_file_lock_directory(real, *state, 1, &b, &err), &err);
	assert_int_equal(real->close(NULL, b), 0);
}

static void clocks_and_random_answer(void **state)
{
	uint8_t a[32] = {0}, b[32] = {0};
	uint64_t t = real->monotonic_ns(NULL);

	(void)state;
	assert_true(real->realtime_ns(NULL) > INT64_C(1600000000000000000));
	assert_true(real->monotonic_ns(NULL) >= t);
	assert_int_equal(real->random(NULL, a, sizeof a), 0);
	assert_int_equal(real->random(NULL, b, sizeof b), 0);
	assert_memory_not_equal(a, b, sizeof a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(whole_files_are_read_up_to_the_limit),
	        TEST(a_short_file_is_damage_where_it_ends),
	        TEST(short_writes_go_on_and_failures_leave_no_temporary),
	        TEST(replaced_files_have_the_servers_mode),
	        TEST(missing_directories_are_named),
	        TEST(listing_stops_when_told),
	        TEST(locks_exclude_each_other),
	        TEST(another_process_that_may_write_is_seen),
	        TEST(a_directory_is_locked_or_it_is_said_why_not),
	        TEST(clocks_and_random_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
