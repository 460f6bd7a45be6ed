/* cmd_report.c - atrest report: summary, figures and page again, or the rows in the format of
 * another tool, from the samples alone. */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/exit_status.h"
#include "cli/options.h"
#include "cli/print_json.h"
#include "cli/results_read.h"
#include "harness/analysis/summary.h"
#include "harness/output/formats.h"
#include "harness/output/headline.h"
#include "harness/output/page.h"
#include "harness/output/replace.h"

#define MACHINE_BYTES_MAX ((size_t)4 << 20)

struct report_options {
	int json;
	const char *format;
	const char *output;
};

static const struct option_spec option_table[] = {
        {"json", 0, OPTION_FLAG, NULL, "print sentence and summary rows as JSON",
         offsetof(struct report_options, json)},
        {"format", 0, OPTION_TEXT, "NAME",
         "print the rows for another tool instead, and write nothing else:\n"
         "go (benchstat), gbench (Google Benchmark JSON), github\n"
         "(github-action-benchmark, customSmallerIsBetter), openmetrics",
         offsetof(struct report_options, format)},
        {"output", 'o', OPTION_TEXT, "FILE", "with --format: to this file, replaced as a whole",
         offsetof(struct report_options, output)},
        {0}};

static int print_text(const char *dir, const struct summary *s)
{
	char sentence[HEADLINE_BYTES];
	headline_sentence(s, sentence);
	printf("%s\n\n", sentence);
	int rc = headline_print(s, stdout);
	printf("%s/report.html\n", dir);
	return rc;
}

/* What the run's own state allows, once everything is written. */
static int judge(const char *dir, const struct summary_run *run)
{
	if (!run->complete) {
		warn_line("%s/samples.csv: incomplete, no trailer after %llu rows: the report is "
		          "marked as interrupted",
		          dir, (unsigned long long)run->samples);
		return EXIT_USAGE;
	}
	if (run->arms_invalid > 0 || run->arms_missing > 0)
		return complain(EXIT_FAILED, "%s/samples.csv: %llu arms invalid, %llu missing", dir,
		                (unsigned long long)run->arms_invalid,
		                (unsigned long long)run->arms_missing);
	return EXIT_FINE;
}

/* ---- as they are ---- */

static int make_page(const char *dir, const struct samples *samples, const struct summary *s,
                     const struct report_options *options)
{
	enum figures_result drawn;
	char error[512];
	int code;
	if (page_make(dir, samples, s, &drawn, error) != 0)
		code = complain(EXIT_SYSTEM, "%s", error);
	else if ((options->json ? print_json(headline_json(s), JSON_INDENT(1))
	                        : print_text(dir, s)) != 0)
		code = complain(EXIT_SYSTEM, "standard output: %s", strerror(errno));
	else
		code = judge(dir, &s->run);
	if (code != EXIT_USAGE && code != EXIT_SYSTEM && drawn != FIGURES_OK)
		code = complain(EXIT_SYSTEM, "%s; the page was written without", error);
	return exit_worse(code, results_histograms(dir, samples));
}

/* ---- for another tool ---- */

/* NULL: there is none that can be read; the formats do without. */
static json_t *read_machine(const char *dir)
{
	char path[PATH_MAX];
	char *text;
	size_t bytes;
	snprintf(path, sizeof(path), "%s/machine.json", dir);
	if (read_whole_file(path, MACHINE_BYTES_MAX, &text, &bytes) != 0)
		return NULL;
	json_t *machine = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	return machine;
}

/* The text is made first: a failure leaves no half of a file, nor of the output. */
static int put_format(const struct formats_source *source, const struct report_options *options)
{
	char *text = NULL;
	size_t bytes = 0;
	int rc;
	FILE *out = open_memstream(&text, &bytes);
	if (out == NULL)
		return complain(EXIT_SYSTEM, "out of memory");
	rc = formats_find(options->format)(out, source);
	if (fclose(out) != 0 || rc != 0) {
		free(text);
		return complain(EXIT_SYSTEM, "out of memory");
	}
	if (options->output != NULL)
		rc = replace_file(options->output, text, bytes);
	else
		rc = fwrite(text, 1, bytes, stdout) == bytes ? 0 : -errno;
	free(text);
	if (rc != 0)
		return complain(EXIT_SYSTEM, "%s: %s",
		                options->output != NULL ? options->output : "standard output",
		                strerror(-rc));
	return EXIT_FINE;
}

static int make_format(const char *dir, const struct samples *samples, const struct summary *s,
                       const struct report_options *options)
{
	json_t *machine = read_machine(dir);
	struct formats_source source = {samples, s, machine};
	int code = put_format(&source, options);
	json_decref(machine);
	return code == EXIT_FINE ? judge(dir, &s->run) : code;
}

/* ---- the command ---- */

static int report(const char *dir, const struct report_options *options)
{
	struct samples samples;
	struct summary summary;
	int code = results_read(dir, &samples);
	if (code != EXIT_FINE)
		return code;
	if (summary_make(&samples, &summary) != 0) {
		samples_free(&samples);
		return complain(EXIT_SYSTEM, "out of memory");
	}
	code = (options->format != NULL ? make_format : make_page)(dir, &samples, &summary,
	                                                           options);
	summary_free(&summary);
	samples_free(&samples);
	return code;
}

static int check_options(const struct report_options *o)
{
	if (o->format != NULL && formats_find(o->format) == NULL)
		return complain(EXIT_USAGE, "--format: found '%s', expected one of %s", o->format,
		                formats_names());
	if (o->format != NULL && o->json)
		return complain(EXIT_USAGE, "--format %s and --json: expected one of both",
		                o->format);
	if (o->format == NULL && o->output != NULL)
		return complain(EXIT_USAGE, "--output goes with --format");
	return EXIT_FINE;
}

extern const struct command command_report;

static int run(int argc, char **argv)
{
	struct report_options options = {0};
	int first, code;
	code = options_parse(&command_report, argc, argv, &options, &first);
	if (code != OPTIONS_GO_ON)
		return code;
	code = check_options(&options);
	return code == EXIT_FINE ? report(argv[first], &options) : code;
}

const struct command command_report = {
        .name = "report",
        .arguments = "DIR",
        .summary = "summary, figures and page again, or for another tool",
        .details =
                "Reads DIR/samples.csv (and machine.json for the page) and writes summary.csv,\n"
                "transfer.csv, plots/ and report.html beside it, and histograms/ of "
                "histograms.csv\n"
                "when it is there. The samples are never changed. Of a run that was interrupted "
                "the\n"
                "page is made too, marked as such; the exit code is then 2, as with a malformed\n"
                "histograms.csv. Without gnuplot the page has no figures; the exit code is then "
                "4.\n"
                "\n"
                "Two results in benchstat, and one across its arms:\n"
                "  atrest report --format go -o old.txt results/old\n"
                "  benchstat old.txt new.txt\n"
                "  benchstat -col /arm new.txt",
        .options = option_table,
        .arguments_min = 1,
        .arguments_max = 1,
        .run = run,
};
