/* cmd_resume.c - atrest resume: a run that was interrupted goes on in its folder. */
#include <stddef.h>
#include <stdio.h>

#include "cli/exit_status.h"
#include "cli/options.h"
#include "cli/run_finish.h"
#include "cli/run_targets.h"
#include "cli/selftest_proofs.h"
#include "harness/measure/filesystem.h"
#include "harness/resume.h"

struct resume_arguments {
	struct run_target_arguments targets;
	int json;
};

#define AT(member) offsetof(struct resume_arguments, member)

static const struct option_spec option_table[] = {
        RUN_LOGIN_OPTIONS(struct resume_arguments),
        {"json", 0, OPTION_FLAG, NULL, "prints the result as JSON", AT(json)},
        {0}};

extern const struct command command_resume;

static void warn_resume(const char *text)
{
	warn_line("%s", text);
}

/* The proofs of a selftest behind a run that is to be rigorous, in its first directory. place: as
 * that was before the run. */
static int prove(const struct run_options *options, const struct plan_place *place,
                 const struct run_result *result)
{
	char dir[PLAN_NAME_BYTES + PLAN_PATH_BYTES + 1], provider[64], path[PLAN_PATH_BYTES];
	struct run_arguments of = {.label = options->label};

	/* Proofs that were cut short are made again from their beginning. */
	if (result->samples.complete &&
	    (size_t)snprintf(path, sizeof(path), "%s/selftest", result->folder.path) < sizeof(path))
		(void)filesystem_remove_tree(path);
	if (place->path[0] != '\0') {
		snprintf(dir, sizeof(dir), "%s=%s", place->name, place->path);
		of.dirs.value[of.dirs.count++] = dir;
	}
	snprintf(provider, sizeof(provider), "chachapoly=%s",
	         atr_cipher_provider(options->providers.chachapoly));
	of.providers.value[of.providers.count++] = provider;
	return selftest_proofs_behind(&of, result);
}

static int go_on(const struct resume_arguments *arguments, struct resume *r)
{
	struct run_options *options = &r->file.options;
	const struct plan_place place = options->request.dirs[0];
	struct run_result result;
	int code = run_targets_login(&arguments->targets, options), proven = EXIT_FINE;

	if (code != EXIT_FINE)
		return code;
	fprintf(stderr, "%s: %zu rows are there\n", r->past.folder.path, r->past.samples.count);
	run_execute(options, &r->plan, &result);
	if (options->is_rigorous)
		proven = prove(options, &place, &result);
	code = run_finish(options, &r->plan, &result, arguments->json);
	run_result_free(&result);
	return exit_worse(code, proven);
}

static int run(int argc, char **argv)
{
	struct resume_arguments arguments = {0};
	struct target_error error;
	struct resume resume;
	int first, code;

	code = options_parse(&command_resume, argc, argv, &arguments, &first);
	if (code != OPTIONS_GO_ON)
		return code;
	if (resume_open(argv[first], warn_resume, &resume, &error) != 0)
		return complain(error.fault == TARGET_USAGE ? EXIT_USAGE : EXIT_SYSTEM, "%s",
		                error.text);
	code = go_on(&arguments, &resume);
	resume_close(&resume);
	return code;
}

const struct command command_resume = {
        .name = "resume",
        .arguments = "DIR",
        .summary = "goes on with a run that was interrupted, killed or out of space",
        .details =
                "DIR is the folder of the run's results, such as\n"
                "  atrest resume results/20260101T120000Z-host\n"
                "\n"
                "The rounds that are whole stay as they are, byte for byte; what was cut off in\n"
                "the middle is run again, and then the rest of the same plan (plan.json), in the\n"
                "order of the same seed, with new workers, stores and a new key. With a budget\n"
                "the time that was used before counts. At the end there are summary, page and\n"
                "results/latest, as of a run that was never interrupted; machine.json notes when\n"
                "it was resumed, and behind how many rows.\n"
                "\n"
                "Refused, since one result would be made of two things: another machine, file\n"
                "system, kernel or library, another program, of atrest or of an --arm (exit code\n"
                "4); a run that is complete, that ended before its first round, or that is no\n"
                "run's folder (2). One that is at work is locked (4).\n"
                "\n"
                "Credentials are in no file of the results: for a run with --server they are\n"
                "given again, here or in the environment.",
        .options = option_table,
        .arguments_min = 1,
        .arguments_max = 1,
        .run = run,
};
