/* main.c - finds the command and runs it. A command is one word, or two ("stream dump"). */
#include <stdio.h>
#include <string.h>

#include "cli/exit_status.h"
#include "cli/help.h"
#include "cli/keys.h"
#include "cli/options.h"

#ifndef ATREST_VERSION
#define ATREST_VERSION "unknown"
#endif

/* Each command's own source file defines its table. */
extern const struct command command_run;
extern const struct command command_resume;
extern const struct command command_slice;
extern const struct command command_noise;
extern const struct command command_selftest;
extern const struct command command_report;
extern const struct command command_compare;
extern const struct command command_size;
extern const struct command command_verify_results;
extern const struct command command_stream_ls;
extern const struct command command_stream_info;
extern const struct command command_stream_dump;
extern const struct command command_stream_load;
extern const struct command command_stream_backup;
extern const struct command command_stream_restore;
extern const struct command command_stream_verify;
extern const struct command command_stream_audit;
extern const struct command command_stream_convert;
extern const struct command command_stream_repair;
extern const struct command command_ciphers;
extern const struct command command_machine;

/* clang-format off */
const struct command *const commands[] = {
        &command_run,
        &command_resume,
        &command_slice,
        &command_noise,
        &command_selftest,
        &command_report,
        &command_compare,
        &command_size,
        &command_verify_results,
        &command_stream_ls,
        &command_stream_info,
        &command_stream_dump,
        &command_stream_load,
        &command_stream_backup,
        &command_stream_restore,
        &command_stream_verify,
        &command_stream_audit,
        &command_stream_convert,
        &command_stream_repair,
        &command_ciphers,
        &command_machine,
        NULL,
};
/* clang-format on */

/* How many words of argv name this command: 0, 1 or 2. */
static int words_matched(const char *name, int argc, char **argv)
{
	const char *space = strchr(name, ' ');
	size_t n = space ? (size_t)(space - name) : strlen(name);

	if (argc < 2 || strlen(argv[1]) != n || strncmp(argv[1], name, n) != 0)
		return 0;
	if (space == NULL)
		return 1;
	return argc > 2 && strcmp(argv[2], space + 1) == 0 ? 2 : 0;
}

/* True when word begins a two-word command ("stream"). */
static int is_family(const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; commands[i]; i++)
		if (strncmp(commands[i]->name, word, n) == 0 && commands[i]->name[n] == ' ')
			return 1;
	return 0;
}

static int wants_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

/* A result that could not be written is not a result: a full or closed stdout is an error. Of a
 * write that failed before, errno is gone, and the command may have told it. */
static int flushed(int code)
{
	if (fflush(stdout) != 0)
		perror("error: standard output");
	else if (!ferror(stdout))
		return code;
	else if (code != EXIT_SYSTEM)
		(void)complain(EXIT_SYSTEM, "standard output: not all of it could be written");
	return exit_worse(code, EXIT_SYSTEM);
}

int main(int argc, char **argv)
{
	static char help_word[] = "--help";

	keys_take_environment();
	if (argc < 2) {
		help_overview(stderr, "");
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "help") == 0 && argc > 2) { /* help CMD -> CMD --help */
		for (int i = 1; i + 1 < argc; i++)
			argv[i] = argv[i + 1];
		argv[argc - 1] = help_word;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("atrest " ATREST_VERSION);
		return flushed(EXIT_FINE);
	}
	for (size_t i = 0; commands[i]; i++) {
		int words = words_matched(commands[i]->name, argc, argv);

		if (words)
			return flushed(commands[i]->run(argc - words, argv + words));
	}
	if (wants_help(argv[1])) {
		help_overview(stdout, "");
		return flushed(EXIT_FINE);
	}
	if (is_family(argv[1])) {
		int asked = argc > 2 && wants_help(argv[2]);

		help_overview(asked ? stdout : stderr, argv[1]);
		return asked ? flushed(EXIT_FINE) : EXIT_USAGE;
	}
	return complain(EXIT_USAGE, "unknown command '%s'; atrest --help lists them", argv[1]);
}
