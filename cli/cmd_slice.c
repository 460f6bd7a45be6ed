/* cmd_slice.c - the hidden verb `slice`: this program as the worker process of an arm. */
#include <stddef.h>
#include <unistd.h>

#include "cli/options.h"
#include "harness/worker.h"

static int run(int argc, char **argv)
{
	(void)argv;
	if (argc != 1)
		return complain(EXIT_USAGE, "slice takes no arguments: `atrest run` starts it");
	return worker_main(STDIN_FILENO, STDOUT_FILENO);
}

const struct command command_slice = {.name = "slice", .run = run};
