#include "tests/compat/program.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/store_fixture.h"

#define ARGUMENTS_MAX 32

extern char **environ;

/* Everything in a temporary file that is gone already. */
static char *content_of(int fd, size_t *bytes)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char *text = malloc((size_t)size + 1);

	assert_non_null(text);
	assert_int_equal(pread(fd, text, (size_t)size, 0), size);
	text[size] = '\0';
	*bytes = (size_t)size;
	close(fd);
	return text;
}

static int temporary(void)
{
	char path[] = "/tmp/atrest-program-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

static void become(const char *const *arguments, const char *const *env, const char *input, int out,
                   int err)
{
	const char *argv[ARGUMENTS_MAX + 2] = {"atrest"};
	int in = open(input != NULL ? input : "/dev/null", O_RDONLY);
	size_t n = 1;

	for (; arguments[n - 1] != NULL && n < ARGUMENTS_MAX; n++)
		argv[n] = arguments[n - 1];
	unsetenv("JS_KEY");
	for (; env != NULL && *env != NULL; env++)
		putenv((char *)(size_t)*env);
	if (in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		_exit(126);
	execve(ATREST_BINARY_DIR "/cli/atrest", (char *const *)(size_t)argv, environ);
	_exit(127);
}

void program_run(struct program_result *result, const char *const *arguments,
                 const char *const *env, const char *input)
{
	int out = temporary(), err = temporary(), status;
	size_t err_bytes;
	pid_t child;

	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		become(arguments, env, input, out, err);
	assert_int_equal(waitpid(child, &status, 0), child);
	result->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	result->out = content_of(out, &result->out_bytes);
	result->err = content_of(err, &err_bytes);
	if (result->code == 127)
		fail_msg(ATREST_BINARY_DIR "/cli/atrest could not be run");
}

void program_free(struct program_result *result)
{
	free(result->out);
	free(result->err);
}
