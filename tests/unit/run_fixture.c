/* run_fixture.c - see run_fixture.h. */
#include "tests/unit/run_fixture.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

const char fixture_small_publish[] = "operation = publish\nmessages = 200\nsizes = 300\n";
static const char small_read[] = "operation = read-sequential\nmessages = 400\n"
                                 "fill_messages = 200\nsizes = 300\n";

void fixture_workloads(const char *directory)
{
	fixture_write(directory, "p.ini", fixture_small_publish);
	fixture_write(directory, "r.ini", small_read);
}

void fixture_path(const char *directory, const char *name, char path[FIXTURE_PATH_BYTES])
{
	snprintf(path, FIXTURE_PATH_BYTES, "%s/%s", directory, name);
}

static void path_in(const char *directory, const char *folder, const char *name,
                    char path[FIXTURE_PATH_BYTES])
{
	snprintf(path, FIXTURE_PATH_BYTES, "%s/%s/%s", directory, folder, name);
}

void fixture_samples(const char *directory, const char *folder, struct samples *out)
{
	char path[FIXTURE_PATH_BYTES], error[512];

	path_in(directory, folder, "samples.csv", path);
	if (samples_read(path, out, error) != CSV_RESULT_OK)
		fail_msg("%s", error);
}

json_t *fixture_run_member(const char *directory, const char *folder)
{
	char path[FIXTURE_PATH_BYTES];
	json_t *machine, *run;

	path_in(directory, folder, "machine.json", path);
	machine = json_load_file(path, 0, NULL);
	assert_non_null(machine);
	run = json_incref(json_object_get(machine, "run"));
	json_decref(machine);
	assert_non_null(run);
	return run;
}

void fixture_expect_status(const struct fixture_output *out, int status)
{
	if (out->status != status)
		fail_msg("status %d, expected %d; stderr: %s", out->status, status, out->error);
}

void fixture_expect(const char *directory, const char *const argv[], int status, const char *text)
{
	struct fixture_output out;

	fixture_run(directory, argv, &out);
	if (out.status != status || strstr(out.error, text) == NULL)
		fail_msg("status %d: '%s', expected %d: '%s'", out.status, out.error, status, text);
	fixture_output_free(&out);
}

off_t fixture_file_bytes(const char *directory, const char *name)
{
	char path[FIXTURE_PATH_BYTES];
	struct stat st;

	fixture_path(directory, name, path);
	return stat(path, &st) == 0 ? st.st_size : 0;
}

int fixture_end_after(const char *directory, const char *const argv[], off_t bytes, int number)
{
	const struct timespec pause = {.tv_nsec = 2000000};
	pid_t pid = fixture_start(directory, argv);

	for (int waits = 0;
	     waits < 7500 && fixture_file_bytes(directory, "out/samples.csv") < bytes; waits++)
		nanosleep(&pause, NULL);
	kill(pid, number);
	return fixture_wait(pid);
}
