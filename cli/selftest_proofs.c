/* selftest_proofs.c - see selftest_proofs.h. */
#include "cli/selftest_proofs.h"

#include <jansson.h>
#include <stdio.h>

#include "cli/options.h"
#include "cli/print_json.h"

int selftest_proofs_request(const struct run_arguments *arguments, struct run_request *request)
{
	static char *const no_words[] = {NULL};
	struct run_arguments own = {.suite = "selftest",
	                            .sets = arguments->sets,
	                            .seed = arguments->seed,
	                            .rounds = arguments->rounds,
	                            .providers = arguments->providers,
	                            .label = arguments->label};

	if (arguments->dirs.count > 0)
		own.dirs.value[own.dirs.count++] = arguments->dirs.value[0];
	return run_request_make(&own, 0, no_words, 0, request);
}

int selftest_proofs_make(const struct run_request *request, const char *folder,
                         struct selftest *out)
{
	struct selftest_options options = {.base = &request->options,
	                                   .folder = folder,
	                                   .rounds = request->options.request.rounds};

	selftest_run(&options, out);
	if (out->interrupted)
		return complain(EXIT_INTERRUPTED, "interrupted: not all proofs were made");
	if (out->error[0] != '\0')
		return complain(out->usage ? EXIT_USAGE : EXIT_SYSTEM, "selftest: %s", out->error);
	return EXIT_FINE;
}

int selftest_proofs_behind(const struct run_arguments *arguments, const struct run_result *result)
{
	struct run_arguments of = *arguments;
	const char *folder = result->folder.path;
	struct run_request request;
	struct selftest proofs;
	int code;

	if (!result->samples.complete)
		return EXIT_FINE;
	of.sets.count = 0; /* they are about the workloads of the run */
	of.rounds = NULL;
	code = selftest_proofs_request(&of, &request);
	if (code == EXIT_FINE)
		code = selftest_proofs_make(&request, folder, &proofs);
	run_request_free(&request);
	if (code != EXIT_FINE)
		return code;
	code = selftest_proofs_code(&proofs);
	if (code != EXIT_FINE)
		warn_line("selftest: %zu of %zu proofs failed%s; see %s/selftest.json",
		          proofs.failed, proofs.count,
		          proofs.noisy ? ", and this machine is too noisy to tell" : "", folder);
	return code;
}

static int print_object(const struct selftest *result, const char *folder)
{
	json_t *whole = selftest_json(result);

	json_object_set_new(whole, "folder", json_string(folder));
	return print_json(whole, JSON_INDENT(1));
}

int selftest_proofs_print(const struct selftest *result, const char *folder, int json)
{
	if (json)
		return print_object(result, folder);
	for (size_t i = 0; i < result->count; i++)
		printf("%-7s %-41s %s\n", selftest_verdict_name(result->checks[i].verdict),
		       result->checks[i].what, result->checks[i].evidence);
	if (result->noisy)
		puts("\nToo noisy to tell: not even the largest slowdown can be told from zero; "
		     "atrest noise says why.");
	printf("\n%zu of %zu failed; %s/selftest.json\n", result->failed, result->count, folder);
	return 0;
}

int selftest_proofs_code(const struct selftest *result)
{
	if (result->failed > 0)
		return EXIT_FAILED;
	return result->noisy ? EXIT_INCONCLUSIVE : EXIT_FINE;
}
