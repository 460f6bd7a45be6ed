/* help.c - --help, printed from the tables that the arguments are parsed with. */
#include "cli/help.h"

#include <string.h>

#define HELP_COLUMN 30

static void print_indented(FILE *out, const char *text, int column)
{
	for (;;) {
		size_t n = strcspn(text, "\n");

		fprintf(out, "%.*s\n", (int)n, text);
		if (text[n] == '\0')
			return;
		text += n + 1;
		fprintf(out, "%*s", column, "");
	}
}

static void print_option(FILE *out, const struct option_spec *o)
{
	char left[96];
	int n;

	if (o->help == NULL)
		return;
	n = snprintf(left, sizeof left, o->letter ? "  -%c, --%s%s%s" : "  %c   --%s%s%s",
	             o->letter ? o->letter : ' ', o->name, o->argument ? " " : "",
	             o->argument ? o->argument : "");

	if (n >= HELP_COLUMN)
		fprintf(out, "%s\n%*s", left, HELP_COLUMN, "");
	else
		fprintf(out, "%-*s", HELP_COLUMN, left);
	print_indented(out, o->help, HELP_COLUMN);
}

void help_command(FILE *out, const struct command *command)
{
	static const struct option_spec help_option = {"help", 'h',         OPTION_FLAG,
	                                               NULL,   "this page", 0};

	fprintf(out, "usage: atrest %s [options]%s%s\n\n", command->name,
	        command->arguments ? " " : "", command->arguments ? command->arguments : "");
	fprintf(out, "%s\n\noptions:\n", command->summary);
	for (const struct option_spec *o = command->options; o && o->name; o++)
		print_option(out, o);
	print_option(out, &help_option);
	if (command->details)
		fprintf(out, "\n%s\n", command->details);
	fputs("\nexit codes: 0 fine, 1 a gate failed or a row is invalid, 2 bad option or input,\n"
	      "3 inconclusive, 4 system (locked, no space, I/O, server, newer format),\n"
	      "5 verification failed, 130 interrupted\n",
	      out);
}

void help_overview(FILE *out, const char *family)
{
	size_t family_bytes = strlen(family);

	if (family_bytes == 0)
		fputs("atrest measures what encryption at rest costs a JetStream deployment on "
		      "this\n"
		      "machine: chachapoly and aes against plaintext, with intervals.\n\n",
		      out);
	fprintf(out, "usage: atrest %s%sCOMMAND [options]\n\ncommands:\n", family,
	        family_bytes ? " " : "");
	for (size_t i = 0; commands[i]; i++)
		if (commands[i]->summary && strncmp(commands[i]->name, family, family_bytes) == 0)
			fprintf(out, "  %-16s %s\n", commands[i]->name, commands[i]->summary);
	if (family_bytes == 0)
		fputs("\n  atrest COMMAND --help   what a command takes and prints\n"
		      "  atrest --version\n\n"
		      "start here: atrest run          (the quick suite, some minutes; --dry-run "
		      "says how long)\n",
		      out);
}
