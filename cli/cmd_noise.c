/* cmd_noise.c - atrest noise: plaintext against itself, what can be told apart here, and what would
 * make it better. A run like any other, of the ciphers none.
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cli/exit_status.h"
#include "cli/options.h"
#include "cli/print_json.h"
#include "cli/results_read.h"
#include "cli/run_outcome.h"
#include "cli/run_request.h"
#include "harness/analysis/advice.h"
#include "harness/analysis/noise.h"
#include "harness/output/headline.h"
#include "harness/output/page.h"
#include "harness/output/table.h"

#define AT(member) offsetof(struct run_arguments, member)

static const struct option_spec option_table[] = {
        {"target", 0, OPTION_TEXT, "LIST",
         "store (default), nats, nats:VERSION, server, null: as of atrest run", AT(targets.target)},
        {"server", 0, OPTION_LIST, "URL[,URL...]", "a server or cluster that is there",
         AT(targets.servers)},
        RUN_LOGIN_OPTIONS(struct run_arguments),
        {"dir", 0, OPTION_LIST, "NAME=PATH", "where the stores are, default below the results",
         AT(dirs)},
        {"scratch-image", 0, OPTION_TEXT, "SIZE",
         "the stores on a fresh ext4 of that size (4g), for root", AT(scratch_image)},
        {"rounds", 0, OPTION_TEXT, "N", "rounds of every cell, default 12", AT(rounds)},
        RUN_COMMON_OPTIONS,
        {0}};

/* Those that people decide by; all of them are in the JSON. */
static const char *const shown_metrics[] = {"throughput_msgs_s", "cpu_ns_per_msg", "latency_p50_ns",
                                            "latency_p99_ns"};

static int is_shown(const char *metric)
{
	for (size_t i = 0; i < sizeof(shown_metrics) / sizeof(shown_metrics[0]); i++)
		if (strcmp(shown_metrics[i], metric) == 0)
			return 1;
	return 0;
}

/* ---- text ---- */

static void put_rounds(struct table *t, uint64_t rounds)
{
	if (rounds != 0)
		table_u64(t, rounds);
	else
		table_text(t, "-");
}

static struct table *noise_table(const struct noise *n)
{
	struct table *t = table_new();
	char text[HEADLINE_TEXT_BYTES];

	table_column(t, "workload", NULL, TABLE_LEFT);
	table_column(t, "target", NULL, TABLE_LEFT);
	table_column(t, "metric", NULL, TABLE_LEFT);
	table_column(t, "rounds", NULL, TABLE_RIGHT);
	table_column(t, "twin", "plaintext again", TABLE_RIGHT);
	table_column(t, "resolution", "told in 4 of 5", TABLE_RIGHT);
	table_column(t, "rounds_2pct", "rounds for ±2 %", TABLE_RIGHT);
	table_column(t, "rounds_5pct", "±5 %", TABLE_RIGHT);
	for (size_t i = 0; i < n->count; i++) {
		const struct noise_row *row = &n->rows[i];
		if (!is_shown(row->twin->metric))
			continue;
		table_row(t);
		table_text(t, row->twin->workload);
		table_format(t, "%s%s%s", row->twin->target,
		             row->twin->target_version[0] != '\0' ? " " : "",
		             row->twin->target_version);
		table_text(t, row->twin->metric);
		table_u64(t, row->twin->rounds);
		table_text(t, headline_percent(headline_overhead(row->twin), text));
		if (noise_row_told(row))
			table_format(t, "%.1f %%", row->resolution_pct);
		else
			table_text(t, "nothing");
		put_rounds(t, row->rounds_2pct);
		put_rounds(t, row->rounds_5pct);
	}
	return t;
}

static void print_advice(const struct advice_list *advice)
{
	if (advice->count == 0)
		puts("\nNothing about this machine was found that spoils measurements.");
	else
		puts("\nWhat would make it better:");
	for (size_t i = 0; i < advice->count; i++)
		printf("  %-16s %s\n  %-16s -> %s\n", advice->items[i].what,
		       advice->items[i].evidence, "", advice->items[i].remedy);
}

static void print_lead(const struct noise *n)
{
	const struct noise_row *worst = noise_worst(n, "throughput_msgs_s");
	const struct noise_row *cpu = noise_worst(n, "cpu_ns_per_msg");
	char why[NOISE_WHY_BYTES];

	if (!noise_told(n, why)) {
		printf("Nothing about throughput can be told here: %s.\n", why);
		return;
	}
	printf("On this machine an effect of %.1f %% on throughput is told from zero in four of "
	       "five runs of %llu rounds",
	       worst->resolution_pct, (unsigned long long)worst->twin->rounds);
	if (cpu != NULL)
		printf(", of %.1f %% on CPU time per message", cpu->resolution_pct);
	puts(".");
}

/* Lead, table, advice. */
static int print_text(const struct run_result *result, const struct summary *s,
                      const struct noise *n, const struct advice_list *advice)
{
	struct table *t;
	int rc = 0;

	print_lead(n);
	if (summary_inconclusive(&s->run))
		printf("Inconclusive: %llu of %llu plaintext twins differ from plaintext, chance "
		       "allows %llu: this machine was not quiet enough.\n",
		       (unsigned long long)s->run.twins_off_zero, (unsigned long long)s->run.twins,
		       (unsigned long long)s->run.twins_limit);
	if (n->count > 0) {
		putchar('\n');
		t = noise_table(n);
		rc = table_print(t, stdout);
		table_free(t);
	}
	print_advice(advice);
	if (result->repeated + result->tally.disturbed > 0)
		printf("\ndisturbed rounds: %zu run again, %zu counted as they are\n",
		       result->repeated, result->tally.disturbed);
	printf("\nresults: %s   page: %s/report.html\n", result->folder.path, result->folder.path);
	return rc;
}

/* ---- JSON ---- */

static json_t *number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *row_json(const struct noise_row *row)
{
	const struct summary_row *twin = row->twin;

	return json_pack("{ss ss ss ss sI so so so so so so so sI sI}", "workload", twin->workload,
	                 "target", twin->target, "target_version", twin->target_version, "metric",
	                 twin->metric, "rounds", (json_int_t)twin->rounds, "twin_pct",
	                 number(twin->overhead_pct), "low_pct", number(twin->low_pct), "high_pct",
	                 number(twin->high_pct), "floor_pct", number(twin->floor_pct),
	                 "half_width_pct", number(row->half_width_pct), "spread_pct",
	                 number(row->spread_pct), "resolution_pct", number(row->resolution_pct),
	                 "rounds_2pct", (json_int_t)row->rounds_2pct, "rounds_5pct",
	                 (json_int_t)row->rounds_5pct);
}

static int print_rows(const struct run_result *result, const struct summary *s,
                      const struct noise *n, const struct advice_list *advice)
{
	json_t *rows = json_array(), *items = json_array(), *whole;
	char why[NOISE_WHY_BYTES];

	for (size_t i = 0; i < n->count; i++)
		json_array_append_new(rows, row_json(&n->rows[i]));
	for (size_t i = 0; i < advice->count; i++)
		json_array_append_new(
		        items, json_pack("{ss ss ss sb}", "what", advice->items[i].what, "evidence",
		                         advice->items[i].evidence, "remedy",
		                         advice->items[i].remedy, "doubt", advice->items[i].doubt));
	whole = json_pack("{ss sI sI sb sb sI sI sI so so}", "folder", result->folder.path,
	                  "repeated_rounds", (json_int_t)result->repeated, "disturbed_rounds",
	                  (json_int_t)result->tally.disturbed, "inconclusive",
	                  summary_inconclusive(&s->run), "told", noise_told(n, why), "twins",
	                  (json_int_t)s->run.twins, "twins_off_zero",
	                  (json_int_t)s->run.twins_off_zero, "twins_limit",
	                  (json_int_t)s->run.twins_limit, "rows", rows, "advice", items);
	return print_json(whole, JSON_INDENT(1));
}

/* ---- the run ---- */

static void advise(const struct run_result *result, struct advice_list *advice)
{
	char path[RUN_FOLDER_BYTES];
	json_t *machine =
	        json_load_file(run_folder_file(&result->folder, "machine.json", path), 0, NULL);

	memset(advice, 0, sizeof(*advice));
	advice_of_machine(machine, advice);
	advice_of_rows(&result->samples, advice);
	json_decref(machine);
}

static int present(const struct run_result *result, int json)
{
	const char *folder = result->folder.path;
	enum figures_result drawn = FIGURES_OK;
	struct advice_list advice;
	struct summary summary;
	struct noise noise;
	char error[512], why[NOISE_WHY_BYTES];
	int code = EXIT_FINE;

	if (summary_make(&result->samples, &summary) != 0)
		return complain(EXIT_SYSTEM, "out of memory");
	if (page_make(folder, &result->samples, &summary, &drawn, error) != 0)
		code = complain(EXIT_SYSTEM, "%s", error);
	else if (drawn != FIGURES_OK)
		warn_line("%s; the page was written without", error);
	if (code == EXIT_FINE && noise_make(&summary, &noise) != 0)
		code = complain(EXIT_SYSTEM, "out of memory");
	else if (code == EXIT_FINE) {
		advise(result, &advice);
		if ((json ? print_rows : print_text)(result, &summary, &noise, &advice) != 0)
			code = complain(EXIT_SYSTEM, "standard output: %s", strerror(errno));
		else if (summary_inconclusive(&summary.run) || !noise_told(&noise, why))
			code = EXIT_INCONCLUSIVE;
		noise_free(&noise);
	}
	summary_free(&summary);
	return exit_worse(code, results_histograms(folder, &result->samples));
}

static int run_noise(struct run_options *options, int json)
{
	struct run_result result;
	struct plan plan;
	char error[512];
	int code = EXIT_FINE, outcome;

	if (run_prepare(options, &plan, error) != 0)
		return complain(EXIT_USAGE, "%s", error);
	run_execute(options, &plan, &result);
	if (result.samples.complete)
		code = present(&result, json);
	outcome = run_outcome(&result);
	run_result_free(&result);
	plan_free(&plan);
	return exit_worse(outcome, code);
}

extern const struct command command_noise;

static int run(int argc, char **argv)
{
	struct run_arguments arguments = {.cipher = "none"};
	struct run_request request;
	int first, code;

	code = options_parse(&command_noise, argc, argv, &arguments, &first);
	if (code != OPTIONS_GO_ON)
		return code;
	if (first == argc)
		arguments.suite = "noise";
	code = run_request_make(&arguments, argc, argv, first, &request);
	if (code == EXIT_FINE)
		code = run_noise(&request.options, arguments.json);
	run_request_free(&request);
	return code;
}

const struct command command_noise = {
        .name = "noise",
        .arguments = "[FILE.ini ...]",
        .summary = "plaintext against itself: the smallest effect that is told from zero here",
        .details =
                "Runs publish-1k and read-1k (or the files given), each round once as none and\n"
                "once as none-twin, which is none again: every difference is noise. An effect\n"
                "of the size under 'told in 4 of 5' is told from zero in 80 % of runs of so many\n"
                "rounds on this machine, a smaller one less often. Then follows what makes the\n"
                "noise, each with its evidence and a remedy.\n"
                "\n"
                "The results are a folder as of atrest run. Exit code 3: more twins differ from\n"
                "plaintext than chance allows, the machine is not quiet enough for conclusions; "
                "or\n"
                "nothing about throughput can be told: rounds are too few, or the noise is as "
                "large\n"
                "as the throughput itself.\n"
                "\n"
                "  atrest noise                    twenty seconds, this store\n"
                "  atrest noise --target nats --rounds 20",
        .options = option_table,
        .arguments_max = SIZE_MAX,
        .run = run,
};
