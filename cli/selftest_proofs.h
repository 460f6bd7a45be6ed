/* selftest_proofs.h - the proofs of a selftest, made in a folder: by themselves (atrest selftest),
 * or behind a run whose figures are to be believed (atrest run --rigorous).
 */
#ifndef ATREST_CLI_SELFTEST_PROOFS_H
#define ATREST_CLI_SELFTEST_PROOFS_H

#include "cli/run_request.h"
#include "harness/selftest.h"

/* Of the arguments the first directory, --set, --seed, --rounds, --provider and --label count.
 * EXIT_FINE, or the code of the error it has printed; run_request_free in either case. */
int selftest_proofs_request(const struct run_arguments *arguments, struct run_request *request);

/* Measures. EXIT_FINE with *out filled, or the code of the error it has printed. */
int selftest_proofs_make(const struct run_request *request, const char *folder,
                         struct selftest *out);

/* Of a run whose figures are to be believed (atrest run --rigorous): made in its folder, before the
 * page, which shows them. Their code, told when it is not EXIT_FINE; of a run that did not come to
 * its end EXIT_FINE. */
int selftest_proofs_behind(const struct run_arguments *arguments, const struct run_result *result);

/* A line for each on standard output, or one JSON object. 0, or -1. */
int selftest_proofs_print(const struct selftest *result, const char *folder, int json);

/* EXIT_FAILED when one failed, EXIT_INCONCLUSIVE when the machine is too noisy to tell. */
int selftest_proofs_code(const struct selftest *result);

#endif
