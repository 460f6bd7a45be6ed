/* harness_fixture.c - see harness_fixture.h. */
#include "tests/unit/harness_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/measure/filesystem.h"
#include "harness/output/samples.h"

int fixture_directory_make(void **state)
{
	char *path = strdup("/tmp/atrest-test-XXXXXX");

	if (path == NULL || mkdtemp(path) == NULL) {
		free(path);
		return -1;
	}
	*state = path;
	return 0;
}

int fixture_directory_remove(void **state)
{
	int rc = filesystem_remove_tree(*state);

	free(*state);
	return rc;
}

pid_t fixture_start(const char *directory, const char *const argv[])
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid != 0)
		return pid;
	if (chdir(directory) != 0 || freopen("standard-output", "w", stdout) == NULL ||
	    freopen("standard-error", "w", stderr) == NULL)
		_exit(99);
	execv(argv[0], (char *const *)(uintptr_t)argv);
	_exit(98);
}

int fixture_wait(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void fixture_run(const char *directory, const char *const argv[], struct fixture_output *out)
{
	out->status = fixture_wait(fixture_start(directory, argv));
	out->standard = fixture_read(directory, "standard-output");
	out->error = fixture_read(directory, "standard-error");
	assert_non_null(out->standard);
	assert_non_null(out->error);
}

void fixture_output_free(struct fixture_output *out)
{
	free(out->standard);
	free(out->error);
}

char *fixture_read(const char *directory, const char *name)
{
	char path[4096], *text = NULL;
	size_t bytes = 0, got;
	char buffer[65536];
	FILE *in, *all;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	in = fopen(path, "r");
	if (in == NULL)
		return NULL;
	all = open_memstream(&text, &bytes);
	while ((got = fread(buffer, 1, sizeof(buffer), in)) > 0)
		fwrite(buffer, 1, got, all);
	fclose(in);
	fclose(all);
	return text;
}

void fixture_write(const char *directory, const char *name, const char *text)
{
	char path[4096];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(fclose(out), 0);
}

size_t fixture_count(const char *directory, const char *prefix)
{
	size_t count = 0;
	struct dirent *e;
	DIR *d = opendir(directory);

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		count += strncmp(e->d_name, prefix, strlen(prefix)) == 0 && e->d_name[0] != '.';
	closedir(d);
	return count;
}

void fixture_drop_set_aside(struct samples *samples)
{
	size_t kept = 0;

	for (size_t i = 0; i < samples->count; i++)
		if (!samples_set_aside(&samples->rows[i]))
			samples->rows[kept++] = samples->rows[i];
	samples->count = kept;
}
