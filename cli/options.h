/* options.h - arguments of a command: one table per command, from which they are parsed
 * (getopt_long) and from which --help, man pages and completions are printed (help.h).
 */
#ifndef ATREST_CLI_OPTIONS_H
#define ATREST_CLI_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

/* Exit codes of every command (README, "Exit codes"). When several apply the order is
 * interrupted, verify, usage, system, failed, inconclusive. */
enum exit_code {
	EXIT_FINE = 0,
	EXIT_FAILED = 1, /* gate failed, regression, failed selftest, an invalid row */
	EXIT_USAGE = 2,  /* bad option, workload, configuration, CSV; not a store; key missing */
	EXIT_INCONCLUSIVE = 3,
	EXIT_SYSTEM = 4, /* locked, read-only, no space, I/O error, server, newer format */
	EXIT_VERIFY = 5, /* wrong key, damage, missing file, clear text, a read that differed */
	EXIT_INTERRUPTED = 130
};

enum option_kind {
	OPTION_FLAG,     /* int, set to 1 */
	OPTION_TEXT,     /* const char *, borrowed from argv */
	OPTION_SECRET,   /* the same, once: what machine.json must not show is where it points */
	OPTION_U64,      /* uint64_t, decimal */
	OPTION_BYTES,    /* uint64_t; suffixes k m g (1024-based) or none */
	OPTION_DURATION, /* uint64_t ns; suffixes ns us ms s m h */
	OPTION_PERCENT,  /* double; "2%" or "2" */
	OPTION_LIST      /* struct option_list, repeatable */
};

#define OPTION_LIST_MAX 64
struct option_list {
	const char *value[OPTION_LIST_MAX]; /* borrowed from argv */
	size_t count;
};

struct option_spec {
	const char *name; /* long name without dashes; NULL ends the table */
	char letter;      /* short form, 0 = none */
	enum option_kind kind;
	const char *argument; /* "FILE", "NAME=PATH", ...; NULL for a flag */
	const char *help;     /* one or more lines; NULL: not listed, for tests */
	size_t offset;        /* offsetof in the command's own options struct */
};

struct command {
	const char *name;      /* "run", "stream dump" */
	const char *arguments; /* "[FILE.ini ...]" */
	const char *summary;   /* one line, for the list of commands; NULL hides it there */
	const char *details;   /* paragraphs below the options of --help; NULL = none */
	const struct option_spec *options;
	size_t arguments_min, arguments_max; /* positional; SIZE_MAX = any number */
	int (*run)(int argc, char **argv);   /* argv[0] is the command's last word */
};

/* Parses argv into *values (zeroed by the caller or preset to defaults). OPTIONS_GO_ON with *first
 * the index of the first positional argument, which getopt has moved to the end; or the exit code
 * the command is to return: EXIT_FINE after --help, EXIT_USAGE after one line on stderr that names
 * the option, what was found and what is expected (of an unknown one the nearest too). */
#define OPTIONS_GO_ON (-1)
int options_parse(const struct command *command, int argc, char **argv, void *values, int *first);

/* The value parsers, also for other texts. 0, or -1 for anything but the whole text being a
 * value that fits. */
int options_u64(const char *text, uint64_t *out);
int options_bytes(const char *text, uint64_t *out);
int options_duration_ns(const char *text, uint64_t *out);
int options_percent(const char *text, double *out);

/* "error: " line on stderr, in red on a terminal unless NO_COLOR; returns code, so that a
 * command can `return complain(EXIT_USAGE, ...)`. */
int complain(enum exit_code code, const char *format, ...) __attribute__((format(printf, 2, 3)));
void warn_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The commands, in the order of the help page; main.c lists them. NULL name ends. */
extern const struct command *const commands[];

#endif
