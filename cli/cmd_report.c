/* cmd_report.c - atrest report: summary, figures and page again, from the samples alone. */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/options.h"
#include "harness/analysis/summary.h"
#include "harness/output/headline.h"
#include "harness/output/page.h"

struct report_options {
	int json;
};

static const struct option_spec option_table[] = {{"json", 0, OPTION_FLAG, NULL,
                                                   "print sentence and summary rows as JSON",
                                                   offsetof(struct report_options, json)},
                                                  {0}};

static int print_json(const struct summary *s)
{
	json_t *json = headline_json(s);
	int rc = json != NULL ? json_dumpf(json, stdout, JSON_INDENT(1)) : -1;
	json_decref(json);
	return rc == 0 && putchar('\n') == '\n' ? 0 : -1;
}

static int print_text(const char *dir, const struct summary *s)
{
	char sentence[HEADLINE_BYTES];
	headline_sentence(s, sentence);
	printf("%s\n\n", sentence);
	int rc = headline_print(s, stdout);
	printf("%s/report.html\n", dir);
	return rc;
}

static int read_samples(const char *dir, struct samples *samples)
{
	char path[PATH_MAX];
	char error[512];
	struct stat st;
	memset(samples, 0, sizeof(*samples));
	if ((size_t)snprintf(path, sizeof(path), "%s/samples.csv", dir) >= sizeof(path))
		return complain(EXIT_USAGE, "%.60s...: path of %zu bytes, expected at most %d", dir,
		                strlen(dir), PATH_MAX - 64);
	if (stat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR))
		return complain(EXIT_USAGE, "%s: %s, expected the folder of a run", path,
		                strerror(errno));
	switch (samples_read(path, samples, error)) {
	case CSV_RESULT_MALFORMED:
		return complain(EXIT_USAGE, "%s", error);
	case CSV_RESULT_SCHEMA_OTHER:
	case CSV_RESULT_UNREADABLE:
		return complain(EXIT_SYSTEM, "%s", error);
	case CSV_RESULT_OK:
		break;
	}
	if (samples->count == 0)
		return complain(EXIT_USAGE, "%s:3: no rows, expected at least one", path);
	return EXIT_FINE;
}

/* What the run's own state allows, once everything is written. */
static int judge(const char *dir, const struct summary_run *run)
{
	if (!run->complete)
		return complain(EXIT_USAGE,
		                "%s/samples.csv: incomplete, no trailer after %llu rows: the "
		                "report is marked as interrupted",
		                dir, (unsigned long long)run->samples);
	if (run->arms_invalid > 0 || run->arms_missing > 0)
		return complain(EXIT_FAILED, "%s/samples.csv: %llu arms invalid, %llu missing", dir,
		                (unsigned long long)run->arms_invalid,
		                (unsigned long long)run->arms_missing);
	return EXIT_FINE;
}

static int report(const char *dir, int json)
{
	struct samples samples;
	struct summary summary;
	enum figures_result drawn;
	char error[512];
	int code = read_samples(dir, &samples);
	if (code != EXIT_FINE)
		return code;
	if (summary_make(&samples, &summary) != 0) {
		samples_free(&samples);
		return complain(EXIT_SYSTEM, "out of memory");
	}
	if (page_make(dir, &samples, &summary, &drawn, error) != 0)
		code = complain(EXIT_SYSTEM, "%s", error);
	else if ((json ? print_json(&summary) : print_text(dir, &summary)) != 0)
		code = complain(EXIT_SYSTEM, "standard output: %s", strerror(errno));
	else
		code = judge(dir, &summary.run);
	if (code != EXIT_USAGE && code != EXIT_SYSTEM && drawn != FIGURES_OK)
		code = complain(EXIT_SYSTEM, "%s; the page was written without", error);
	summary_free(&summary);
	samples_free(&samples);
	return code;
}

extern const struct command command_report;

static int run(int argc, char **argv)
{
	struct report_options options = {0};
	int first;
	switch (options_parse(&command_report, argc, argv, &options, &first)) {
	case OPTIONS_BAD:
		return EXIT_USAGE;
	case OPTIONS_HELP_PRINTED:
		return EXIT_FINE;
	case OPTIONS_OK:
		break;
	}
	return report(argv[first], options.json);
}

const struct command command_report = {
        .name = "report",
        .arguments = "DIR",
        .summary = "summary, figures and page again, from the samples of a run",
        .details =
                "Reads DIR/samples.csv (and machine.json for the page) and writes summary.csv,\n"
                "transfer.csv, plots/ and report.html beside it. The samples are never changed. Of "
                "a run that\n"
                "was interrupted the page is made too, marked as such; the exit code is then 2.\n"
                "Without gnuplot the page has no figures; the exit code is then 4.",
        .options = option_table,
        .arguments_min = 1,
        .arguments_max = 1,
        .run = run,
};
