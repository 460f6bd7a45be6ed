/* What a killed run leaves is found and removed by the next one, and nothing else. */
#include "tests/unit/harness_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/leftovers.h"
#include "harness/process_record.h"
#include "harness/targets/nats_server.h"

#define ATREST ATREST_BINARY_DIR "/cli/atrest"

static const char small[] = "operation = publish\nmessages = 200\nsizes = 300\n";

struct told {
	unsigned count;
	char last[512];
};

static void tell(void *arg, const char *text)
{
	struct told *told = arg;

	told->count++;
	snprintf(told->last, sizeof(told->last), "%s", text);
}

/* "<directory>/<name>" with a store in it, without an owner. */
static void make_scratch(const char *directory, const char *name, char path[512])
{
	char below[600];

	snprintf(path, 512, "%s/%s", directory, name);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(below, sizeof(below), "%s/store", path);
	assert_int_equal(mkdir(below, 0755), 0);
	fixture_write(below, "1.blk", "a block");
	snprintf(below, sizeof(below), "%s/store.server", path);
	assert_int_equal(mkdir(below, 0755), 0);
}

/* As if its run had been killed: the lock is free. */
static void make_leftover(const char *directory, const char *name, char path[512])
{
	int fd;

	make_scratch(directory, name, path);
	fd = leftovers_own(path);
	assert_true(fd >= 0);
	close(fd);
}

static void only_what_nobody_owns_any_more_is_removed(void **state)
{
	char gone[512], living[512], foreign[512], other[512], linked[512], path[600];
	struct told told = {0};
	int fd;

	make_leftover(*state, "atrest-run-gone", gone);
	make_scratch(*state, "atrest-run-living", living);
	fd = leftovers_own(living);
	assert_true(fd >= 0);
	make_scratch(*state, "atrest-run-foreign", foreign);
	make_leftover(*state, "other-name", other);
	make_scratch(*state, "atrest-run-linked", linked);
	snprintf(path, sizeof(path), "%s/" LEFTOVERS_OWNER, linked);
	assert_int_equal(symlink("../other-name/" LEFTOVERS_OWNER, path), 0);
	snprintf(path, sizeof(path), "%s/atrest-run-link", (const char *)*state);
	assert_int_equal(symlink("other-name", path), 0);

	leftovers_remove(*state, 0, tell, &told);
	assert_int_equal(told.count, 1);
	assert_non_null(
	        strstr(told.last, "/atrest-run-gone: left by a run that was killed; removed"));
	assert_int_not_equal(access(gone, F_OK), 0);
	assert_int_equal(access(living, F_OK), 0);
	assert_int_equal(fixture_count(foreign, "store"), 2);
	assert_int_equal(fixture_count(other, "store"), 2);
	assert_int_equal(fixture_count(linked, "store"), 2);
	assert_int_equal(access(path, F_OK), 0);

	close(fd);
	leftovers_remove(*state, 0, tell, &told);
	assert_int_equal(told.count, 2);
	assert_int_not_equal(access(living, F_OK), 0);
}

static void leftovers_of_another_user_stay(void **state)
{
	char path[512];
	struct told told = {0};

	if (geteuid() != 0)
		skip();
	make_leftover(*state, "atrest-run-theirs", path);
	assert_int_equal(chown(path, 65534, 65534), 0);
	leftovers_remove(*state, 0, tell, &told);
	assert_int_equal(told.count, 0);
	assert_int_equal(access(path, F_OK), 0);
}

static pid_t start_sleeper(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		execl("/bin/sleep", "sleep", "60", (char *)NULL);
		_exit(127);
	}
	return pid;
}

static int lives(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) == 0;
}

static void the_recorded_process_is_killed_and_no_other(void **state)
{
	char path[512], record[600], *text;
	unsigned long long start;
	struct told told = {0};
	pid_t pid = start_sleeper();
	char boot[64];
	int number;

	make_leftover(*state, "atrest-run-1", path);
	snprintf(record, sizeof(record), "%s/store.server/nats-server.pid", path);
	assert_int_equal(process_record_write(record, pid), 0);
	text = fixture_read(path, "store.server/nats-server.pid");
	assert_non_null(text);
	assert_int_equal(sscanf(text, "%d %llu %63s", &number, &start, boot), 3);
	free(text);
	assert_int_equal(number, pid);

	/* its number was another's before, or before the last boot */
	FILE *file = fopen(record, "w");
	fprintf(file, "%d %llu %s\n", number, start - 1, boot);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(process_record_kill(record), 0);
	file = fopen(record, "w");
	fprintf(file, "%d %llu x%s\n", number, start, boot);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(process_record_kill(record), 0);
	fixture_write(path, "store.server/nats-server.pid", "damaged");
	assert_int_equal(process_record_kill(record), 0);
	assert_true(lives(pid));

	assert_int_equal(process_record_write(record, pid), 0);
	leftovers_remove(*state, 0, tell, &told);
	assert_int_equal(told.count, 1);
	assert_non_null(strstr(told.last, "removed, and 1 of its servers ended"));
	assert_false(lives(pid));
	assert_int_not_equal(access(path, F_OK), 0);
}

/* A run in a directory or in the folder of its results, killed when its stores are being written,
 * and another one after it. */
static void next_run_removes(const char *directory, const char *const killed[],
                             const char *const next[], const char *parent)
{
	struct fixture_output out;
	char path[600];
	pid_t pid;

	fixture_write(directory, "p.ini", small);
	snprintf(path, sizeof(path), "%s/%s", directory, parent);
	pid = fixture_start(directory, killed);
	for (int waits = 0; waits < 1000; waits++) {
		if (access(path, F_OK) == 0 && fixture_count(path, LEFTOVERS_PREFIX) > 0)
			break;
		usleep(10000);
	}
	usleep(100000);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(fixture_wait(pid), 128 + SIGKILL);
	assert_int_equal(fixture_count(path, LEFTOVERS_PREFIX), 1);
	fixture_run(directory, next, &out);
	if (out.status != 0 || strstr(out.error, "left by a run that was killed; removed") == NULL)
		fail_msg("status %d: %s", out.status, out.error);
	assert_int_equal(fixture_count(path, LEFTOVERS_PREFIX), 0);
	fixture_output_free(&out);
}

static void the_next_run_in_a_directory_removes_them(void **state)
{
	const char *const killed[] = {ATREST,  "run",    "p.ini", "--rounds", "400",
	                              "--dir", "here=d", "-o",    "one",      NULL};
	const char *const next[] = {ATREST,  "run",    "p.ini", "--rounds", "2",
	                            "--dir", "here=d", "-o",    "two",      NULL};
	char path[512];

	snprintf(path, sizeof(path), "%s/d", (const char *)*state);
	assert_int_equal(mkdir(path, 0755), 0);
	next_run_removes(*state, killed, next, "d");
}

static void the_next_run_beside_its_results_removes_them(void **state)
{
	const char *const killed[] = {ATREST, "run", "p.ini", "--rounds", "400", "-o", "one", NULL};
	const char *const next[] = {ATREST, "run", "p.ini", "--rounds", "2", "-o", "two", NULL};

	next_run_removes(*state, killed, next, "one");
}

/* The first record of a server below path, as find prints it. 0, or -1. */
static int find_record(const char *path, char record[1024])
{
	char command[700];
	FILE *pipe;

	snprintf(command, sizeof(command), "find '%s' -name nats-server.pid 2>/dev/null", path);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	if (fgets(record, 1024, pipe) == NULL)
		record[0] = '\0';
	record[strcspn(record, "\n")] = '\0';
	while (fgetc(pipe) != EOF)
		;
	pclose(pipe);
	return record[0] == '\0' ? -1 : 0;
}

static int read_pid(const char *record)
{
	FILE *file = fopen(record, "r");
	int pid = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%d", &pid) != 1)
		pid = 0;
	fclose(file);
	return pid;
}

static void servers_of_a_killed_run_end_with_it(void **state)
{
	char found[NATS_SERVER_VERSION_BYTES], program[NATS_SERVER_PATH_BYTES];
	const char *const killed[] = {ATREST,     "run", "p.ini", "--target", "nats",
	                              "--rounds", "400", "-o",    "one",      NULL};
	const char *const next[] = {ATREST, "run", "q.ini", "--rounds", "2", "-o", "two", NULL};
	char path[512], record[1024];
	struct fixture_output out;
	struct target_error error;
	int server = 0, waits;
	pid_t pid;

	if (target_find("nats") == NULL || nats_server_find(NULL, program, found, &error) != 0)
		skip();
	fixture_write(*state, "p.ini", "operation = publish\nmessages = 50000\nsizes = 300\n");
	fixture_write(*state, "q.ini", small);
	snprintf(path, sizeof(path), "%s/one", (const char *)*state);
	pid = fixture_start(*state, killed);
	for (waits = 0; waits < 1000 && server == 0; waits++) {
		usleep(5000);
		if (find_record(path, record) == 0)
			server = read_pid(record);
	}
	assert_true(server > 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(fixture_wait(pid), 128 + SIGKILL);
	for (waits = 0; waits < 100 && process_record_state(server) != '\0' &&
	                process_record_state(server) != 'Z';
	     waits++)
		usleep(10000);
	assert_true(waits < 100);
	fixture_run(*state, next, &out);
	if (out.status != 0 || strstr(out.error, "left by a run that was killed; removed") == NULL)
		fail_msg("status %d: %s", out.status, out.error);
	assert_int_equal(fixture_count(path, LEFTOVERS_PREFIX), 0);
	fixture_output_free(&out);
}

#define WITH_DIRECTORY(f)                                                                          \
	cmocka_unit_test_setup_teardown(f, fixture_directory_make, fixture_directory_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        WITH_DIRECTORY(only_what_nobody_owns_any_more_is_removed),
	        WITH_DIRECTORY(leftovers_of_another_user_stay),
	        WITH_DIRECTORY(the_recorded_process_is_killed_and_no_other),
	        WITH_DIRECTORY(the_next_run_in_a_directory_removes_them),
	        WITH_DIRECTORY(the_next_run_beside_its_results_removes_them),
	        WITH_DIRECTORY(servers_of_a_killed_run_end_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
