/* results_read.c - see results_read.h. */
#include "cli/results_read.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/options.h"

int results_read(const char *dir, struct samples *out)
{
	char path[PATH_MAX];
	char error[512];
	struct stat st;
	memset(out, 0, sizeof(*out));
	if ((size_t)snprintf(path, sizeof(path), "%s/samples.csv", dir) >= sizeof(path) - 64)
		return complain(EXIT_USAGE, "%.60s...: path of %zu bytes, expected at most %d", dir,
		                strlen(dir), PATH_MAX - 64);
	if (stat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR))
		return complain(EXIT_USAGE, "%s: %s, expected the folder of a run", path,
		                strerror(errno));
	switch (samples_read(path, out, error)) {
	case CSV_RESULT_MALFORMED:
		return complain(EXIT_USAGE, "%s", error);
	case CSV_RESULT_SCHEMA_OTHER:
	case CSV_RESULT_UNREADABLE:
		return complain(EXIT_SYSTEM, "%s", error);
	case CSV_RESULT_OK:
		break;
	}
	if (out->count == 0) {
		samples_free(out);
		return complain(EXIT_USAGE, "%s:3: no rows, expected at least one", path);
	}
	return EXIT_FINE;
}
