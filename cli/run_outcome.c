/* run_outcome.c - see run_outcome.h. */
#include "cli/run_outcome.h"

#include "cli/options.h"

/* The order of these is that of the exit codes when several apply. */
int run_outcome(const struct run_result *result)
{
	const char *folder = result->folder.path;

	if (result->interrupted && folder[0] == '\0')
		return complain(EXIT_INTERRUPTED, "interrupted before the first slice");
	if (result->interrupted && result->samples.count == 0)
		return complain(EXIT_INTERRUPTED, "interrupted before the first round was done");
	if (result->interrupted) {
		warn_line("interrupted after %zu slices, saved in %s/samples.csv; atrest resume %s "
		          "goes on, atrest report %s makes a page of them",
		          result->samples.count, folder, folder, folder);
		return EXIT_INTERRUPTED;
	}
	if (result->verify_failed)
		return complain(EXIT_VERIFY, "%s", result->error);
	if (result->usage)
		return complain(EXIT_USAGE, "%s", result->error);
	if (result->system && folder[0] != '\0' && result->samples.count > 0)
		return complain(EXIT_SYSTEM, "%s; %zu %s saved in %s/samples.csv", result->error,
		                result->samples.count,
		                result->samples.count == 1 ? "slice is" : "slices are", folder);
	if (result->system)
		return complain(EXIT_SYSTEM, "%s", result->error);
	if (result->invalid)
		return complain(EXIT_FAILED, "not all slices are valid: %s", result->error);
	return EXIT_FINE;
}
