/* results_read.c - see results_read.h. */
#include "cli/results_read.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/options.h"
#include "harness/output/histograms.h"

int results_load(const char *dir, struct samples *out, char error[512])
{
	char path[PATH_MAX];
	struct stat st;
	int there;

	memset(out, 0, sizeof(*out));
	if ((size_t)snprintf(path, sizeof(path), "%s/samples.csv", dir) >= sizeof(path) - 64) {
		snprintf(error, 512, "%.60s...: path of %zu bytes, expected at most %d", dir,
		         strlen(dir), PATH_MAX - 64);
		return EXIT_USAGE;
	}
	there = stat(path, &st) == 0;
	if (!there && (errno == ENOENT || errno == ENOTDIR)) {
		snprintf(error, 512, "%.300s: %s, expected the folder of a run", path,
		         strerror(errno));
		return EXIT_USAGE;
	}
	if (there && !S_ISREG(st.st_mode)) {
		snprintf(error, 512, "%.300s: not a file, expected rows", path);
		return EXIT_USAGE;
	}
	switch (samples_read(path, out, error)) {
	case CSV_RESULT_MALFORMED:
		return EXIT_USAGE;
	case CSV_RESULT_SCHEMA_OTHER:
	case CSV_RESULT_UNREADABLE:
		return EXIT_SYSTEM;
	case CSV_RESULT_OK:
		break;
	}
	return EXIT_FINE;
}

int results_read(const char *dir, struct samples *out)
{
	char error[512];
	int code = results_load(dir, out, error);

	if (code != EXIT_FINE)
		return complain((enum exit_code)code, "%s", error);
	if (out->count == 0) {
		samples_free(out);
		return complain(EXIT_USAGE, "%s/samples.csv:3: no rows, expected at least one",
		                dir);
	}
	return EXIT_FINE;
}

int results_histograms(const char *dir, const struct samples *samples)
{
	char error[512];
	int rc = histograms_export(dir, samples, error);

	if (rc == 0)
		return EXIT_FINE;
	return complain(rc == -EBADMSG ? EXIT_USAGE : EXIT_SYSTEM, "%s", error);
}

int results_same(const char *a, const char *b)
{
	struct stat sa, sb;

	return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}
