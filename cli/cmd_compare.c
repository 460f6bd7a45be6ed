/* cmd_compare.c - atrest compare: two results, or two programs within one, and a verdict. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/compare_workloads.h"
#include "cli/exit_status.h"
#include "cli/options.h"
#include "cli/results_read.h"
#include "harness/analysis/compare.h"
#include "harness/output/baseline.h"
#include "harness/output/compare_output.h"
#include "harness/output/replace.h"

#define LATEST "results/latest"

struct compare_command {
	double margin;
	const char *arm;
	const char *baseline, *save_baseline;
	const char *output, *junit;
	int common, across_machines;
	int markdown, json;
};

#define AT(field) offsetof(struct compare_command, field)
static const struct option_spec option_table[] = {
        {"margin", 0, OPTION_PERCENT, "PCT",
         "how much dearer may be, in points or (--arm) percent, default 5;\n"
         " worse lies beyond the noise floor too",
         AT(margin)},
        {"arm", 0, OPTION_TEXT, "NAME",
         "one folder of a run with --arm NAME=PROGRAM: arms X+NAME (new)\n"
         "against X (base), round by round",
         AT(arm)},
        {"baseline", 0, OPTION_TEXT, "NAME",
         "BASE is results/baselines/NAME; NEW, unless given, " LATEST, AT(baseline)},
        {"save-baseline", 0, OPTION_TEXT, "NAME", "keeps the results of DIR under this name",
         AT(save_baseline)},
        {"common", 0, OPTION_FLAG, NULL, "compares what both have and lists the rest", AT(common)},
        {"across-machines", 0, OPTION_FLAG, NULL,
         "compares the overheads of different machines all the same", AT(across_machines)},
        {"markdown", 0, OPTION_FLAG, NULL, "print Markdown", AT(markdown)},
        {"json", 0, OPTION_FLAG, NULL, "print JSON", AT(json)},
        {"junit", 0, OPTION_TEXT, "FILE",
         "also writes JUnit XML, a test case per comparison; inconclusive ones\n"
         "are skipped cases, the exit code is 3 all the same",
         AT(junit)},
        {"output", 'o', OPTION_TEXT, "FILE", "writes there instead of printing", AT(output)},
        {0}};
#undef AT

/* ---- reading ---- */

/* What one folder holds. */
struct result {
	struct samples samples;
	json_t *machine; /* NULL: not read, not there or not needed */
};

enum needs_machine { MACHINE_UNUSED, MACHINE_OPTIONAL, MACHINE_NEEDED };

static void result_free(struct result *r)
{
	samples_free(&r->samples);
	json_decref(r->machine);
	memset(r, 0, sizeof(*r));
}

/* Anything wrong becomes a problem. 0, or -1: memory. */
static int read_result(const char *dir, enum needs_machine needs_machine, struct result *r,
                       struct comparison *c)
{
	char path[PATH_MAX];
	char error[512];
	int missing;
	int code = results_load(dir, &r->samples, error);

	if (code != EXIT_FINE)
		return compare_problem_add(c, code == EXIT_SYSTEM ? COMPARE_UNFIT : COMPARE_BROKEN,
		                           "%s", error);
	if (needs_machine == MACHINE_UNUSED)
		return 0;
	if ((size_t)snprintf(path, sizeof(path), "%s/machine.json", dir) >= sizeof(path))
		return compare_problem_add(c, COMPARE_BROKEN, "%.60s...: too long a path", dir);
	r->machine = fingerprint_read(path, &missing, error);
	if (r->machine != NULL || (missing && needs_machine == MACHINE_OPTIONAL))
		return 0;
	return compare_problem_add(c, COMPARE_BROKEN, "%s%s", error,
	                           missing ? " (--across-machines does without)" : "");
}

/* ---- writing ---- */

typedef int render(const struct comparison *c, const struct compare_context *x, FILE *out);

/* Into memory that the caller frees; NULL when it ran out. */
static char *rendered(render *how, const struct comparison *c, const struct compare_context *x,
                      size_t *bytes)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, bytes);

	if (out == NULL)
		return NULL;
	int rc = how(c, x, out);
	if (fclose(out) != 0 || rc != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static int write_file(const char *path, render *how, const struct comparison *c,
                      const struct compare_context *x)
{
	size_t bytes;
	char *text = rendered(how, c, x, &bytes);

	if (text == NULL)
		return complain(EXIT_SYSTEM, "%s: out of memory", path);
	int rc = replace_file(path, text, bytes);
	free(text);
	return rc == 0 ? EXIT_FINE : complain(EXIT_SYSTEM, "%s: %s", path, strerror(-rc));
}

/* The page of a CI job, which others write to as well. */
static int append_file(const char *path, const struct comparison *c,
                       const struct compare_context *x)
{
	size_t bytes;
	char *text = rendered(compare_markdown, c, x, &bytes);

	if (text == NULL)
		return complain(EXIT_SYSTEM, "%s: out of memory", path);
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	ssize_t n = fd >= 0 ? write(fd, text, bytes) : -1;
	int rc = n < 0 ? errno : n != (ssize_t)bytes ? ENOSPC : 0;
	if (fd >= 0)
		close(fd);
	free(text);
	return rc == 0 ? EXIT_FINE
	               : complain(EXIT_SYSTEM, "%s (GITHUB_STEP_SUMMARY): %s", path, strerror(rc));
}

static int write_all(const struct compare_command *o, const struct comparison *c,
                     const struct compare_context *x)
{
	const char *summary = getenv("GITHUB_STEP_SUMMARY");
	render *how = o->json ? compare_json : o->markdown ? compare_markdown : compare_text;
	int refused = compare_has_problem(c, !x->common);
	int code = EXIT_FINE;

	if (o->output != NULL)
		code = write_file(o->output, how, c, x);
	else if (!(refused && how == compare_text) && how(c, x, stdout) != 0)
		code = complain(EXIT_SYSTEM, "standard output: %s", strerror(errno));
	if (o->junit != NULL)
		code = exit_worse(code, write_file(o->junit, compare_junit, c, x));
	if (summary != NULL && summary[0] != '\0')
		code = exit_worse(code, append_file(summary, c, x));
	return code;
}

#define ONE_SIDED_SHOWN 3

/* Problems, a line each but for cells that one side lacks, which may be all; then the verdict. */
static int judge(const struct comparison *c, int common)
{
	size_t one_sided = 0;
	int code = EXIT_FINE;

	for (size_t i = 0; i < c->problem_count; i++) {
		const struct compare_problem *p = &c->problems[i];
		if (p->fault == COMPARE_ONE_SIDED && (common || one_sided++ >= ONE_SIDED_SHOWN))
			continue;
		code = exit_worse(code,
		                  complain(p->fault == COMPARE_UNFIT ? EXIT_SYSTEM : EXIT_USAGE,
		                           "%s", p->text));
	}
	if (one_sided > ONE_SIDED_SHOWN)
		fprintf(stderr, "and %zu more of one side only; ", one_sided - ONE_SIDED_SHOWN);
	if (one_sided > 0)
		fputs("--common compares what both have and lists the rest\n", stderr);
	if (code != EXIT_FINE)
		return code;
	switch (c->verdict) {
	case COMPARE_WORSE:
		return EXIT_FAILED;
	case COMPARE_INCONCLUSIVE:
		return EXIT_INCONCLUSIVE;
	case COMPARE_SAME:
	case COMPARE_BETTER:
		break;
	}
	return EXIT_FINE;
}

static int finish(const struct compare_command *o, const struct comparison *c,
                  const struct compare_context *x)
{
	int written = write_all(o, c, x);

	return exit_worse(judge(c, x->common), written);
}

/* ---- the three forms ---- */

static int refuse_other_machine(const struct fingerprint_facts *differences, struct comparison *c)
{
	int rc = 0;

	for (size_t i = 0; i < differences->count; i++) {
		const struct fingerprint_fact *fact = &differences->list[i];
		rc |= compare_problem_add(
		        c, COMPARE_UNFIT,
		        "not the same machine: %s is %.140s in BASE and %.140s in "
		        "NEW; --across-machines compares overheads all the same",
		        fact->what, fact->base, fact->new_);
	}
	return rc;
}

static int compare_folders(const struct compare_command *o, const char *base, const char *new_)
{
	if (results_same(base, new_))
		return complain(EXIT_USAGE, "%s and %s: both are the same folder", base, new_);
	struct comparison c = {.margin = o->margin};
	struct result a = {0};
	struct result b = {0};
	static struct fingerprint_facts differences, changed;
	const struct compare_options options = {o->margin, base, new_};
	const struct compare_context x = {base, new_, o->common, &differences, &changed};
	enum needs_machine needs = o->across_machines ? MACHINE_OPTIONAL : MACHINE_NEEDED;
	/* Both are read: what is wrong with either is told at once. */
	int rc = read_result(base, needs, &a, &c);
	rc |= read_result(new_, needs, &b, &c);

	if (rc == 0 && a.machine != NULL && b.machine != NULL) {
		fingerprint_differences(a.machine, b.machine, &differences);
		fingerprint_changes(a.machine, b.machine, &changed);
		if (!o->across_machines)
			rc = refuse_other_machine(&differences, &c);
	}
	if (rc == 0 && c.problem_count == 0)
		rc = compare_results(&a.samples, &b.samples, &options, &c);
	int code = rc == 0 ? finish(o, &c, &x) : complain(EXIT_SYSTEM, "out of memory");
	if (c.problem_count > 0)
		compare_workloads_explain(base, &a.samples, new_, &b.samples);
	comparison_free(&c);
	result_free(&a);
	result_free(&b);
	return code;
}

static int compare_arm(const struct compare_command *o, const char *dir)
{
	struct comparison c = {.programs = 1, .margin = o->margin};
	struct result r = {0};
	const struct compare_options options = {o->margin, dir, dir};
	const struct compare_context x = {dir, dir, 0, NULL, NULL};
	int rc = read_result(dir, MACHINE_UNUSED, &r, &c);

	if (rc == 0 && c.problem_count == 0)
		rc = compare_programs(&r.samples, o->arm, &options, &c);
	int code = rc == 0 ? finish(o, &c, &x) : complain(EXIT_SYSTEM, "out of memory");
	comparison_free(&c);
	result_free(&r);
	return code;
}

/* Only what could be compared with itself is worth keeping. */
static int save_baseline(const struct compare_command *o, const char *dir)
{
	struct comparison c = {0};
	struct result r = {0};
	const struct compare_options options = {o->margin, dir, dir};
	char path[BASELINE_PATH_BYTES];
	char error[512];
	int code = EXIT_FINE;

	if (baseline_path(o->save_baseline, path, error) != 0)
		return complain(EXIT_USAGE, "--save-baseline: %s", error);
	int rc = read_result(dir, MACHINE_NEEDED, &r, &c);
	if (rc == 0 && c.problem_count == 0)
		rc = compare_results(&r.samples, &r.samples, &options, &c);
	if (rc != 0)
		code = complain(EXIT_SYSTEM, "out of memory");
	else if (c.problem_count > 0)
		code = judge(&c, 0);
	else if (baseline_save(dir, path, error) != 0)
		code = complain(EXIT_SYSTEM, "%s", error);
	else
		printf("%s\n", path);
	comparison_free(&c);
	result_free(&r);
	return code;
}

/* ---- the command ---- */

extern const struct command command_compare;

/* Which form was asked for, and whether its arguments are there. */
static int dispatch(const struct compare_command *o, int count, char **names)
{
	char base[BASELINE_PATH_BYTES];
	char error[512];

	if ((o->arm != NULL) + (o->baseline != NULL) + (o->save_baseline != NULL) > 1)
		return complain(EXIT_USAGE,
		                "--arm, --baseline, --save-baseline: found more than one of them");
	if (o->markdown && o->json)
		return complain(EXIT_USAGE, "--markdown, --json: found both, expected one format");
	if (o->arm != NULL && (o->common || o->across_machines))
		return complain(EXIT_USAGE,
		                "--%s: does not go with --arm, which compares one result",
		                o->common ? "common" : "across-machines");
	if (o->save_baseline != NULL)
		return count == 1 ? save_baseline(o, names[0])
		                  : complain(EXIT_USAGE,
		                             "--save-baseline: found %d arguments, expected "
		                             "one folder",
		                             count);
	if (o->arm != NULL)
		return count == 1
		               ? compare_arm(o, names[0])
		               : complain(EXIT_USAGE,
		                          "--arm: found %d arguments, expected one folder", count);
	if (o->baseline == NULL)
		return count == 2 ? compare_folders(o, names[0], names[1])
		                  : complain(EXIT_USAGE,
		                             "found %d arguments, expected BASE and NEW", count);
	if (count > 1)
		return complain(EXIT_USAGE, "--baseline: found %d arguments, expected NEW alone",
		                count);
	if (baseline_path(o->baseline, base, error) != 0)
		return complain(EXIT_USAGE, "--baseline: %s", error);
	return compare_folders(o, base, count == 1 ? names[0] : LATEST);
}

static int run(int argc, char **argv)
{
	struct compare_command options = {.margin = COMPARE_MARGIN};
	int first, code;

	code = options_parse(&command_compare, argc, argv, &options, &first);
	if (code != OPTIONS_GO_ON)
		return code;
	return dispatch(&options, argc - first, argv + first);
}

const struct command command_compare = {
        .name = "compare",
        .arguments = "BASE NEW | --baseline NAME [NEW] | --arm NAME DIR | --save-baseline NAME DIR",
        .summary = "did encryption become dearer? Two results, or two programs in one",
        .details =
                "Of two folders of results every cipher's overhead over plaintext is held against\n"
                "what it was, per workload, target, directory, provider and payload: time and CPU\n"
                "time per message, the difference in points with its 95 % interval. Worse: the\n"
                "whole interval lies beyond the margin (all comparisons together give a false\n"
                "alarm no more often than one would) and the noise floor; same: it lies within "
                "the\n"
                "margin, and so does the floor; better; else inconclusive. The machine must be "
                "the\n"
                "same; kernel, libraries, server, commit, replicas and label may differ and are\n"
                "listed. Plaintext alone is shown and not judged: two runs, one after the other,\n"
                "differ by chance in half of all cases. Nothing is concluded from a result whose\n"
                "twins of plaintext differ too often, or of whose rounds more than a fifth were\n"
                "disturbed by what else the machine did.\n"
                "\n"
                "The percentage is of the time per message, not of throughput lost: half the\n"
                "throughput is 100 % more time; negative is faster.\n"
                "\n"
                "To compare two programs, run both in the same rounds: it is far more exact.\n"
                "\n"
                "  atrest run -o before; ... change something ...; atrest run -o after\n"
                "  atrest compare before after\n"
                "  atrest run --arm head=/tmp/head/atrest -o both workloads/publish-1k.ini\n"
                "  atrest compare --arm head both\n"
                "  atrest compare --save-baseline release-1 results/latest\n"
                "  atrest compare --baseline release-1 --junit compare.xml\n"
                "\n"
                "Exit codes: 0 no worse, and that is certain; 1 worse; 3 inconclusive; 2 a result "
                "is\n"
                "malformed, incomplete or lacks something; 4 not comparable: another machine or\n"
                "schema, a build not fit to measure with. Markdown is also appended to the file\n"
                "that GITHUB_STEP_SUMMARY names.",
        .options = option_table,
        .arguments_max = SIZE_MAX,
        .run = run,
};
