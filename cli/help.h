/* help.h - --help of a command and the list of commands, printed from the option tables. */
#ifndef ATREST_CLI_HELP_H
#define ATREST_CLI_HELP_H

#include <stdio.h>

#include "cli/options.h"

/* Usage line, summary, options with their help, details, exit codes. */
void help_command(FILE *out, const struct command *command);
/* What atrest is, and one line per command; prefix "" for all, "stream" for one family. */
void help_overview(FILE *out, const char *family);

#endif
