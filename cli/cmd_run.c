/* cmd_run.c - atrest run: workloads x arms x targets, to a folder of results. */
#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/exit_status.h"
#include "cli/options.h"
#include "cli/print_json.h"
#include "cli/run_finish.h"
#include "cli/run_request.h"
#include "cli/selftest_proofs.h"
#include "harness/output/progress.h"
#include "harness/output/table.h"
#include "harness/prepare.h"

#define AT(member) offsetof(struct run_arguments, member)

static const struct option_spec option_table[] = {
        {"cipher", 0, OPTION_TEXT, "LIST",
         "ciphers to compare with plaintext, default none,chachapoly,aes;\n"
         "none alone: plaintext against itself (A/A)",
         AT(cipher)},
        {"target", 0, OPTION_TEXT, "LIST",
         "store (default): the embedded block store; nats: a nats-server of its\n"
         "own for every slice, nats:VERSION that version (2.10.27, newest,\n"
         "distribution), several to compare them; server: with --server; null:\n"
         "the harness alone",
         AT(targets.target)},
        {"server", 0, OPTION_LIST, "[CIPHER=]URL[,URL...]",
         "a server or cluster that is there, whose store is under CIPHER\n"
         "(default none); repeatable, one per cipher to compare; the default\n"
         "target is server then",
         AT(targets.servers)},
        {"replicas", 0, OPTION_TEXT, "N", "of each stream in that cluster, 1 (default) to 5",
         AT(targets.replicas)},
        RUN_LOGIN_OPTIONS(struct run_arguments),
        {"dir", 0, OPTION_LIST, "NAME=PATH",
         "where the stores are, default below the results; repeatable: each\n"
         "further directory is one more arm per cipher, CIPHER@NAME",
         AT(dirs)},
        {"scratch-image", 0, OPTION_TEXT, "SIZE",
         "the stores on a fresh ext4 of that size (4g), loop-mounted for this\n"
         "run below the results; for root, without --dir",
         AT(scratch_image)},
        {"suite", 0, OPTION_TEXT, "NAME",
         "quick (default); classes: one size, every kind of operation, from\n"
         "publish to restore; server: what a server is asked for, longer;\n"
         "latency: response times at 25, 50 and 75 % of capacity\n"
         "(workloads/README.md)",
         AT(suite)},
        {"quick", 0, OPTION_FLAG, NULL,
         "as many rounds as the workloads say, no width of the intervals\n"
         "promised (the default)",
         AT(quick)},
        {"precision", 0, OPTION_TEXT, "PCT",
         "rounds until every interval of the throughput overhead (at a rate: of the\n"
         "response time's 99th percentile) is at most so many points to each side\n"
         "(2%); they go to the widest. At most 200 a cell; a width that is not\n"
         "reached is told, exit code 3",
         AT(precision)},
        {"budget", 0, OPTION_TEXT, "TIME",
         "measures not longer than that (10m), with the precision of 2 points\n"
         "unless --precision says another one; the first square is always run",
         AT(budget)},
        {"rigorous", 0, OPTION_FLAG, NULL,
         "precision 1 point, 20 rounds at least, budget 1h, unless given; and behind\n"
         "the run the proofs of atrest selftest, on the page",
         AT(rigorous)},
        {"rounds", 0, OPTION_TEXT, "N", "rounds of every cell, made up to whole squares",
         AT(rounds)},
        {"provider", 0, OPTION_LIST, "CIPHER=PROVIDER",
         "pins a library, such as chachapoly=sodium; default: measured once", AT(providers)},
        {"arm", 0, OPTION_LIST, "NAME=PROGRAM",
         "another build of atrest: one more arm per cipher, CIPHER+NAME", AT(programs)},
        {"nats-config", 0, OPTION_TEXT, "FILE",
         "a server's configuration: its cipher against plaintext, under its\n"
         "sync_interval",
         AT(nats_config)},
        {"keep-stores", 0, OPTION_TEXT, "DIR",
         "keeps the stores of the last round that is sure to be run (with a width\n"
         "or budget: of the first square) as DIR/WORKLOAD-ARM/jetstream/...\n"
         "(a server's as DIR/WORKLOAD-ARM-nats-VERSION), and their key as DIR/key\n"
         "(one line, mode 0600)",
         AT(keep_stores)},
        {"dry-run", 0, OPTION_FLAG, NULL, "prints the plan, bytes needed and time; writes nothing",
         AT(dry_run)},
        RUN_COMMON_OPTIONS,
        /* Not for people: a slowdown that the campaigns of tests must find. */
        {"inject", 0, OPTION_LIST, "ARM=NS", NULL, AT(injects)},
        {0}};

/* ---- --dry-run ---- */

/* Of an open loop; its share becomes a number when the run begins. */
static void put_rate(struct table *t, const struct plan_cell *cell)
{
	if (cell->rate_msgs_s != 0)
		table_format(t, "%llu/s", (unsigned long long)cell->rate_msgs_s);
	else if (workload_is_open(cell->workload))
		table_format(t, "%g %% of capacity", 100 * cell->workload->rate_share);
	else
		table_text(t, "");
}

static struct table *plan_table(const struct plan *plan)
{
	struct table *t = table_new();
	char target[PLAN_TARGET_BYTES];
	struct workload w;

	table_column(t, "workload", NULL, TABLE_LEFT);
	table_column(t, "target", NULL, TABLE_LEFT);
	table_column(t, "messages", NULL, TABLE_RIGHT);
	table_column(t, "arms", NULL, TABLE_RIGHT);
	table_column(t, "rounds", NULL, TABLE_RIGHT);
	table_column(t, "slices", NULL, TABLE_RIGHT);
	table_column(t, "rate", NULL, TABLE_LEFT);
	for (size_t c = 0; c < plan->cell_count; c++) {
		const struct plan_cell *cell = &plan->cells[c];
		table_row(t);
		table_text(t, cell->workload->name);
		table_text(t, plan_target_text(cell->target, target));
		plan_cell_workload(cell, &w);
		table_u64(t, w.messages);
		table_u64(t, cell->arm_count);
		table_u64(t, cell->rounds);
		table_u64(t, (uint64_t)cell->rounds * cell->arm_count);
		put_rate(t, cell);
	}
	return t;
}

static json_t *plan_json(const struct run_options *options, const struct plan *plan)
{
	json_t *cells = json_array(), *dirs = json_array();

	for (size_t c = 0; c < plan->cell_count; c++) {
		const struct plan_cell *cell = &plan->cells[c];
		json_t *arms = json_array();
		struct workload w;
		plan_cell_workload(cell, &w);
		for (size_t a = 0; a < cell->arm_count; a++)
			json_array_append_new(arms, json_string(cell->arms[a].name));
		json_array_append_new(
		        cells, json_pack("{ss ss ss sI si so}", "workload", cell->workload->name,
		                         "target", cell->target->name, "version",
		                         cell->target->version, "messages", (json_int_t)w.messages,
		                         "rounds", (int)cell->rounds, "arms", arms));
	}
	for (size_t i = 0; i < plan->request->dir_count; i++)
		json_array_append_new(
		        dirs,
		        json_pack("{ss sI}", "name", plan->request->dirs[i].name, "bytes_needed",
		                  (json_int_t)prepare_need_bytes(plan, i, options->keep != NULL)));
	return json_pack("{so so sI sI sf sf sf}", "cells", cells, "directories", dirs, "slices",
	                 (json_int_t)plan->slice_count, "seed", (json_int_t)plan->request->seed,
	                 "estimated_s", prepare_plan_s(plan), "precision_points",
	                 options->rule.precision_points, "budget_s", options->rule.budget_s);
}

/* They are the same in all cells of a target. */
static void print_arms(const struct plan *plan)
{
	char target[PLAN_TARGET_BYTES];

	putchar('\n');
	for (size_t t = 0; t < plan->request->target_count; t++) {
		const struct plan_target *of = &plan->request->targets[t];
		size_t c = 0;
		while (c < plan->cell_count && plan->cells[c].target != of)
			c++;
		if (c == plan->cell_count)
			continue;
		printf("arms of %s:", plan_target_text(of, target));
		for (size_t a = 0; a < plan->cells[c].arm_count; a++)
			printf(" %s", plan->cells[c].arms[a].name);
		putchar('\n');
	}
}

static void print_rule(const struct schedule_rule *rule)
{
	char time[PROGRESS_TEXT_BYTES];

	if (!(rule->precision_points > 0))
		return;
	printf("these at least, then up to %u rounds a cell until every interval is within %g "
	       "points",
	       rule->rounds_max, rule->precision_points);
	if (rule->budget_s > 0)
		printf(", %s of measuring", progress_duration(rule->budget_s, time));
	putchar('\n');
}

static int print_plan(const struct run_options *options, const struct plan *plan, int json)
{
	char bytes[TABLE_NUMBER_BYTES], time[PROGRESS_TEXT_BYTES];
	int rc;

	if (json) {
		rc = print_json(plan_json(options, plan), JSON_INDENT(1));
	} else {
		struct table *t = plan_table(plan);
		rc = table_print(t, stdout);
		table_free(t);
		print_arms(plan);
		printf("seed: %llu\n", (unsigned long long)plan->request->seed);
		for (size_t i = 0; i < plan->request->dir_count; i++)
			printf("directory %s: %s needed\n", plan->request->dirs[i].name,
			       table_bytes(
			               (double)prepare_need_bytes(plan, i, options->keep != NULL),
			               bytes));
		printf("time: %s of measuring, %zu slices; longer on a slow machine and where "
		       "rounds are repeated\n",
		       progress_duration(prepare_plan_s(plan), time), plan->slice_count);
		print_rule(&options->rule);
	}
	return rc == 0 ? EXIT_FINE : complain(EXIT_SYSTEM, "standard output: %s", strerror(errno));
}

/* What the run itself would be refused for. */
static int check_output(const char *output)
{
	char path[PLAN_PATH_BYTES];

	if (output == NULL)
		return EXIT_FINE;
	snprintf(path, sizeof(path), "%s/samples.csv", output);
	if (access(path, F_OK) != 0)
		return EXIT_FINE;
	return complain(EXIT_USAGE, "%s: holds the results of a run, expected a new folder",
	                output);
}

/* ---- all of it ---- */

/* One line for each number that the arms make of --rounds. */
static void tell_rounds(const struct plan *plan)
{
	uint32_t asked = plan->request->rounds, told = asked;

	for (size_t c = 0; c < plan->cell_count; c++) {
		if (plan->cells[c].rounds == told)
			continue;
		told = plan->cells[c].rounds;
		if (told != asked)
			warn_line("--rounds: %u made %u, so that each arm is once in each place",
			          asked, told);
	}
}

static int run_plan(const struct run_arguments *arguments, struct run_options *options,
                    struct plan *plan)
{
	struct run_result result;
	int code, proven;

	run_execute(options, plan, &result);
	proven = arguments->rigorous ? selftest_proofs_behind(arguments, &result) : EXIT_FINE;
	code = run_finish(options, plan, &result, arguments->json);
	run_result_free(&result);
	return exit_worse(code, proven);
}

static int follow(const struct run_arguments *arguments, struct run_options *options,
                  struct plan *plan)
{
	int code;

	if (arguments->rounds != NULL)
		tell_rounds(plan);
	if (!arguments->dry_run)
		return run_plan(arguments, options, plan);
	code = check_output(arguments->output);
	return code == EXIT_FINE ? print_plan(options, plan, arguments->json) : code;
}

extern const struct command command_run;

static int run(int argc, char **argv)
{
	struct run_arguments arguments = {0};
	struct run_request request;
	struct plan plan;
	char error[512];
	int first, code;

	code = options_parse(&command_run, argc, argv, &arguments, &first);
	if (code != OPTIONS_GO_ON)
		return code;
	code = run_request_make(&arguments, argc, argv, first, &request);
	if (code == EXIT_FINE && run_prepare(&request.options, &plan, error) != 0)
		code = complain(EXIT_USAGE, "%s", error);
	else if (code == EXIT_FINE) {
		code = follow(&arguments, &request.options, &plan);
		plan_free(&plan);
	}
	run_request_free(&request);
	return code;
}

const struct command command_run = {
        .name = "run",
        .arguments = "[FILE.ini|NAME ...]",
        .summary = "measures workloads under each cipher; without files a suite",
        .details =
                "A workload is a file, or the name of a ready one (workloads/), such as "
                "publish-1k:\n"
                "  atrest run publish-1k --set messages=2000 --rounds 8    a small trial\n"
                "\n"
                "Every round runs one slice of each arm of a workload back to back: none, none\n"
                "again (the twin, which shows the noise), and the ciphers. The results are a\n"
                "folder with samples.csv, summary.csv, machine.json, the workloads as they were\n"
                "run, plots and report.html; results/latest points to the newest whose folder\n"
                "was not given with --output.\n"
                "\n"
                "Ctrl-C ends the run with the rounds that are complete (atrest resume DIR goes\n"
                "on with it, atrest report DIR makes a page of them); a second one ends it at\n"
                "once and may leave its stores behind, in atrest-run-* of their directory.\n"
                "\n"
                "A run never ends because an overhead has become significant: that would make\n"
                "false alarms. It ends by its rounds, or with --precision, --budget and\n"
                "--rigorous by the width of the intervals or by time:\n"
                "  atrest run --precision 2% --budget 10m\n"
                "\n"
                "The key of the stores is random, new in every run, and written nowhere but by\n"
                "--keep-stores: atrest stream verify --key-file DIR/key DIR/WORKLOAD-ARM; as a\n"
                "server's setting: jetstream { store_dir: ..., cipher: aes, key: $JS_KEY }.\n"
                "\n"
                "--target nats takes the program in NATS_SERVER, else the nats-server of the\n"
                "PATH. Streams on --server are made for a slice and deleted after it; options\n"
                "that log in there are *** in machine.json.",
        .options = option_table,
        .arguments_min = 0,
        .arguments_max = SIZE_MAX,
        .run = run,
};
