/* cmd_selftest.c - atrest selftest: proofs that what is measured here can be believed. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "cli/options.h"
#include "cli/run_request.h"
#include "cli/selftest_proofs.h"
#include "harness/output/run_folder.h"

#define AT(member) offsetof(struct run_arguments, member)

static const struct option_spec option_table[] = {
        {"dir", 0, OPTION_LIST, "NAME=PATH", "where the stores are, default below the results",
         AT(dirs)},
        {"rounds", 0, OPTION_TEXT, "N", "rounds of the slowdowns, default 12", AT(rounds)},
        RUN_COMMON_OPTIONS,
        {0}};

static int prove_in(const struct run_arguments *arguments, const struct run_request *request)
{
	struct run_folder folder;
	struct selftest result;
	char error[512];
	int code;

	code = run_folder_open(&folder, arguments->output, arguments->label, error);
	if (code != 0)
		return complain(code == -EEXIST ? EXIT_USAGE : EXIT_SYSTEM, "%s", error);
	code = selftest_proofs_make(request, folder.path, &result);
	if (code == EXIT_FINE && selftest_proofs_print(&result, folder.path, arguments->json) != 0)
		code = complain(EXIT_SYSTEM, "standard output: %s", strerror(errno));
	if (code == EXIT_FINE)
		code = selftest_proofs_code(&result);
	run_folder_close(&folder);
	return code;
}

extern const struct command command_selftest;

static int run(int argc, char **argv)
{
	struct run_arguments arguments = {0};
	struct run_request request;
	int first, code;

	code = options_parse(&command_selftest, argc, argv, &arguments, &first);
	if (code != OPTIONS_GO_ON)
		return code;
	if (arguments.dirs.count > 1)
		return complain(EXIT_USAGE, "--dir: found %zu, expected one", arguments.dirs.count);
	code = selftest_proofs_request(&arguments, &request);
	if (code == EXIT_FINE)
		code = prove_in(&arguments, &request);
	run_request_free(&request);
	return code;
}

const struct command command_selftest = {
        .name = "selftest",
        .summary = "proves here that slowdowns, wrong keys and missing encryption are found",
        .details =
                "Adds a known busy wait to every operation of plaintext measured again (1, 3, 5\n"
                "and 10 % of its time, and nothing) and looks whether the measurement finds it;\n"
                "looks into the files for known text under each cipher, tries another key,\n"
                "counts reads that were compared and syncs that reached a device. About two\n"
                "and a half minutes.\n"
                "\n"
                "Each proof is a line: ok, FAILED, or untold where this machine cannot tell (a\n"
                "slowdown smaller than its noise, a file system that is no disk). The same is in\n"
                "selftest.json of the folder; the runs it was made from are in its selftest/.\n"
                "\n"
                "Exit code 1: one failed. 3: not even 10 % could be told from zero; see atrest\n"
                "noise.\n"
                "\n"
                "  atrest selftest --dir disk=/var/lib/nats --rounds 20",
        .options = option_table,
        .run = run,
};
