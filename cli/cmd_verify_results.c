/* cmd_verify_results.c - atrest verify-results: do the files of a run say what its samples say? */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cli/options.h"
#include "cli/print_json.h"
#include "cli/results_read.h"
#include "harness/analysis/summary.h"
#include "harness/output/rederive.h"

#define SHOWN_MAX 50 /* lines for people; JSON has all */

struct verify_options {
	int json;
};

static const struct option_spec option_table[] = {{"json", 0, OPTION_FLAG, NULL,
                                                   "print the differences as JSON",
                                                   offsetof(struct verify_options, json)},
                                                  {0}};

/* ---- output ---- */

static void print_difference(const char *dir, const struct rederive_difference *d)
{
	printf("%s/%s", dir, d->file);
	if (d->line > 0)
		printf(":%" PRIu64, d->line);
	printf(": %s: found %s, expected %s", d->column, d->found[0] != '\0' ? d->found : "nothing",
	       d->expected[0] != '\0' ? d->expected : "nothing");
	printf(d->row[0] != '\0' ? " (%s)\n" : "%s\n", d->row);
}

static void print_text(const char *dir, const struct rederive *r, uint64_t samples)
{
	size_t shown = r->count < SHOWN_MAX ? r->count : SHOWN_MAX;
	for (size_t i = 0; i < shown; i++)
		print_difference(dir, &r->list[i]);
	if (shown < r->count)
		printf("... and %zu more\n", r->count - shown);
	printf("%s: %" PRIu64 " samples; compared with them: summary.csv (%" PRIu64
	       " rows), transfer.csv (%" PRIu64 " rows)%s, %" PRIu64 " pictures: ",
	       dir, samples, r->summary_rows, r->transfer_rows,
	       r->page ? ", report.html" : ", no report.html", r->pictures);
	if (r->count == 0)
		puts("all equal");
	else
		printf("%zu %s\n", r->count, r->count == 1 ? "difference" : "differences");
}

static int print_found(const struct rederive *r, uint64_t samples)
{
	json_t *list = json_array();
	for (size_t i = 0; i < r->count; i++) {
		const struct rederive_difference *d = &r->list[i];
		json_array_append_new(list, json_pack("{ss sI ss ss ss ss}", "file", d->file,
		                                      "line", (json_int_t)d->line, "row", d->row,
		                                      "column", d->column, "found", d->found,
		                                      "expected", d->expected));
	}
	json_t *whole = json_pack("{sI sI sI sI sb so}", "samples", (json_int_t)samples,
	                          "summary_rows", (json_int_t)r->summary_rows, "transfer_rows",
	                          (json_int_t)r->transfer_rows, "pictures", (json_int_t)r->pictures,
	                          "page", r->page, "differences", list);
	return print_json(whole, JSON_INDENT(1));
}

/* ---- the command ---- */

static int judge(const char *dir, const struct rederive *r, enum csv_result read, const char *error)
{
	if (r->count > 0)
		return complain(EXIT_VERIFY, "%s: %zu %s from what the samples give%s%s", dir,
		                r->count, r->count == 1 ? "difference" : "differences",
		                read == CSV_RESULT_OK ? "" : "; ",
		                read == CSV_RESULT_OK ? "" : error);
	if (read == CSV_RESULT_MALFORMED)
		return complain(EXIT_USAGE, "%s", error);
	if (read != CSV_RESULT_OK)
		return complain(EXIT_SYSTEM, "%s", error);
	return EXIT_FINE;
}

static int verify(const char *dir, int json)
{
	struct samples samples;
	struct summary summary;
	struct rederive found;
	char error[512];
	int code = results_read(dir, &samples);
	if (code != EXIT_FINE)
		return code;
	if (!samples.complete) {
		code = complain(EXIT_USAGE,
		                "%s/samples.csv: incomplete, no trailer after %zu rows: what is "
		                "missing cannot be known, so nothing is compared",
		                dir, samples.count);
		samples_free(&samples);
		return code;
	}
	if (summary_make(&samples, &summary) != 0) {
		samples_free(&samples);
		return complain(EXIT_SYSTEM, "out of memory");
	}
	enum csv_result read = rederive_check(dir, &summary, &found, error);
	int rc = 0;
	if (json)
		rc = print_found(&found, samples.count);
	else
		print_text(dir, &found, samples.count);
	code = rc == 0 ? judge(dir, &found, read, error)
	               : complain(EXIT_SYSTEM, "standard output: %s", strerror(errno));
	rederive_free(&found);
	summary_free(&summary);
	samples_free(&samples);
	return code;
}

extern const struct command command_verify_results;

static int run(int argc, char **argv)
{
	struct verify_options options = {0};
	int first, code;
	code = options_parse(&command_verify_results, argc, argv, &options, &first);
	if (code != OPTIONS_GO_ON)
		return code;
	return verify(argv[first], options.json);
}

const struct command command_verify_results = {
        .name = "verify-results",
        .arguments = "DIR",
        .summary = "re-derives everything in a folder of results from its samples",
        .details =
                "Reads DIR/samples.csv, whose last line holds the number of rows and the digest "
                "of\n"
                "all before it, works out every row of summary.csv and transfer.csv again and\n"
                "compares them field by field: values, intervals, verdicts. These two files are\n"
                "all that the plots read. Of report.html, when it is there, the sentence and the\n"
                "tables (workloads, and of open loops rates) are compared; and every picture of\n"
                "the summary must be there, unless the page has none either.\n"
                "\n"
                "Each difference is a line:\n"
                "  DIR/summary.csv:17: overhead_pct: found 4.1, expected 5.2 (publish-1k ...)\n"
                "\n"
                "Exit: 0 all equal, 5 something differs, 2 a file is malformed, missing or\n"
                "incomplete, 4 it is of another schema version or cannot be read. Of samples.csv\n"
                "nothing is compared then; of the others the rows before the fault are, and 5\n"
                "is what counts if one differs.\n"
                "\n"
                "  atrest verify-results results/latest",
        .options = option_table,
        .arguments_min = 1,
        .arguments_max = 1,
        .run = run,
};
