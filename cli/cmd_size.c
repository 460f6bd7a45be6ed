/* cmd_size.c - atrest size: what a deployment needs, from the costs that a run has measured. */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"
#include "cli/results_read.h"
#include "cli/size_against.h"
#include "cli/size_input.h"
#include "cli/size_plan.h"
#include "cli/size_print.h"
#include "harness/analysis/sizing.h"
#include "harness/measure/machine.h"
#include "harness/output/fingerprint.h"
#include "harness/output/samples.h"

#define RESULT_DEFAULT      "results/latest"
#define FILE_SYSTEM_DEFAULT 4096
#define NAMES_BYTES         1024

struct size_options {
	struct size_flags flags;
	struct option_list results, held;
	int across_machines, json, markdown;
};

#define AT(member) offsetof(struct size_options, member)

/* ---- results ---- */

struct results {
	struct samples samples;
	uint64_t file_system_bytes;
};

/* Times of another machine say nothing of this one. */
static int machine_check(const char *dir, const json_t *here, int across, uint64_t *block_bytes)
{
	char path[PATH_MAX], error[512];
	struct fingerprint_facts facts = {.count = 0};
	json_t *there, *first;
	int code = EXIT_FINE;

	snprintf(path, sizeof(path), "%.4000s/machine.json", dir);
	there = fingerprint_read(path, NULL, error);
	if (there == NULL)
		return complain(EXIT_USAGE, "%s", error);
	fingerprint_differences(there, here, &facts);
	if (facts.count > 0 && !across)
		code = complain(EXIT_SYSTEM,
		                "%s: measured on another machine (%s: %s there, %s here); "
		                "--across-machines takes its figures all the same",
		                dir, facts.list[0].what, facts.list[0].base, facts.list[0].new_);
	else if (facts.count > 0)
		warn_line("%s: measured on another machine (%s: %s there, %s here)", dir,
		          facts.list[0].what, facts.list[0].base, facts.list[0].new_);
	first = json_array_get(json_object_get(there, "directories"), 0);
	if (json_integer_value(json_object_get(first, "block_bytes")) > 0)
		*block_bytes = (uint64_t)json_integer_value(json_object_get(first, "block_bytes"));
	json_decref(there);
	return code;
}

/* A folder that was copied holds the same rounds, which are not more than they are. */
static int is_there_already(const struct samples *samples, const struct sample *row)
{
	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *r = &samples->rows[i];
		if (r->started_unix_ns == row->started_unix_ns && r->seed == row->seed &&
		    strcmp(r->workload, row->workload) == 0 && strcmp(r->arm, row->arm) == 0)
			return 1;
	}
	return 0;
}

static int result_add(const char *dir, const json_t *here, int across, uint64_t number,
                      struct results *out)
{
	struct samples samples;
	int code = results_read(dir, &samples);

	if (code == EXIT_FINE)
		code = machine_check(dir, here, across, &out->file_system_bytes);
	if (code == EXIT_FINE && is_there_already(&out->samples, &samples.rows[0]))
		code = complain(EXIT_USAGE,
		                "--result: found rows of %s in another one too, expected each run "
		                "once",
		                dir);
	if (code == EXIT_FINE && sizing_append(&out->samples, &samples, number) != 0)
		code = complain(EXIT_SYSTEM, "out of memory");
	if (code == EXIT_FINE && !samples.complete)
		warn_line("%s/samples.csv: incomplete, no trailer after %zu rows: its costs are "
		          "of the rounds that are there",
		          dir, samples.count);
	if (code == EXIT_FINE)
		out->samples.complete &= samples.complete;
	samples_free(&samples);
	return code;
}

/* Which folders count: what was given, each once, since the rounds of a run that counts twice are
 * not more than they are; or the newest run. */
static int results_choose(struct option_list *dirs)
{
	for (size_t i = 0; i < dirs->count; i++)
		for (size_t j = 0; j < i; j++)
			if (results_same(dirs->value[i], dirs->value[j]))
				return complain(EXIT_USAGE,
				                "--result: found %s, which is %s, expected each "
				                "run once",
				                dirs->value[i], dirs->value[j]);
	if (dirs->count == 0 && access(RESULT_DEFAULT "/samples.csv", F_OK) != 0)
		return complain(EXIT_USAGE,
		                RESULT_DEFAULT "/samples.csv: %s, expected the folder of a run: "
		                               "--result DIR, or scripts/bench makes one",
		                strerror(errno));
	if (dirs->count == 0)
		dirs->value[dirs->count++] = RESULT_DEFAULT;
	return EXIT_FINE;
}

static int results_gather(const struct size_options *o, const json_t *here, struct results *out)
{
	int code = EXIT_FINE;

	*out = (struct results){.samples = {.complete = 1},
	                        .file_system_bytes = FILE_SYSTEM_DEFAULT};
	for (size_t i = 0; i < o->results.count && code == EXIT_FINE; i++)
		code = result_add(o->results.value[i], here, o->across_machines, i, out);
	return code;
}

/* ---- the two answers ---- */

static enum size_format format_of(const struct size_options *o)
{
	return o->json ? SIZE_JSON : o->markdown ? SIZE_MARKDOWN : SIZE_TEXT;
}

/* "one, two": all that were read, since none of them has it. */
static void results_name(const struct option_list *dirs, char names[NAMES_BYTES])
{
	size_t used = 0;

	for (size_t i = 0; i < dirs->count && used < NAMES_BYTES - 1; i++) {
		snprintf(names + used, NAMES_BYTES - used, "%s%s", i > 0 ? ", " : "",
		         dirs->value[i]);
		used = strlen(names);
	}
}

static int plan_print(const struct size_options *o, const struct size_demand *demand,
                      const struct results *base)
{
	/* What replicas of a stream write is coalesced. */
	struct sizing_choice choice = {.last_bytes = size_plan_last_bytes,
	                               .target = demand->target[0] != '\0' ? demand->target : NULL,
	                               .version =
	                                       demand->version[0] != '\0' ? demand->version : NULL,
	                               .flush = demand->replicas > 1 ? "async" : "each",
	                               .always = demand->always};
	struct sizing costs;
	struct size_plan *plan;
	char reason[SIZING_TEXT_BYTES], other[SIZING_TEXT_BYTES], names[NAMES_BYTES];
	enum sizing_result made = sizing_make(&base->samples, &choice, &costs, reason);
	int code;

	/* Written one by one they cost more. */
	if (made == SIZING_MISSING && strcmp(choice.flush, "async") == 0) {
		choice.flush = "each";
		made = sizing_make(&base->samples, &choice, &costs, other);
	}
	switch (made) {
	case SIZING_MISSING:
		results_name(&o->results, names);
		return complain(EXIT_USAGE, "%s%s: %s",
		                demand->target[0] != '\0' ? "--target: " : "", names, reason);
	case SIZING_MEMORY:
		return complain(EXIT_SYSTEM, "out of memory");
	case SIZING_OK:
		break;
	}
	plan = malloc(sizeof(*plan));
	if (plan == NULL)
		return complain(EXIT_SYSTEM, "out of memory");
	code = size_plan_make(demand, &costs, base->file_system_bytes, plan);
	if (code == EXIT_FINE && size_print(plan, format_of(o)) != 0)
		code = complain(EXIT_SYSTEM, "standard output: %s", strerror(errno));
	free(plan);
	return code;
}

/* ---- the command ---- */

extern const struct command command_size;

/* What is held out is what its own workloads ask for; rounds of two runs are not of one time. */
static int held_check(const struct size_options *o, const char *file)
{
	for (enum size_key i = 0; i < SIZE_KEY_COUNT; i++)
		if (o->flags.text[i] != NULL)
			return complain(EXIT_USAGE,
			                "--held: found --%s too, expected no demand beside it",
			                size_input_name(i));
	if (file != NULL)
		return complain(EXIT_USAGE, "--held: found %s too, expected no demand beside it",
		                file);
	if (o->markdown)
		return complain(EXIT_USAGE, "--held: found --markdown too, expected --json or "
		                            "none of both");
	if (o->results.count > 1)
		return complain(
		        EXIT_USAGE,
		        "--held: found %zu of --result, expected one run, whose rounds hold "
		        "all of the workloads",
		        o->results.count);
	return EXIT_FINE;
}

static int answer(struct size_options *o, const char *file)
{
	struct size_demand demand;
	struct results base;
	json_t *here;
	int code;

	if (o->json && o->markdown)
		return complain(EXIT_USAGE, "--markdown: found --json too, expected one of both");
	code = o->held.count > 0 ? held_check(o, file) : size_input_read(file, &o->flags, &demand);
	if (code == EXIT_FINE)
		code = results_choose(&o->results);
	if (code != EXIT_FINE)
		return code;
	here = machine_fingerprint(NULL, 0, NULL);
	if (here == NULL)
		return complain(EXIT_SYSTEM, "out of memory");
	code = results_gather(o, here, &base);
	if (code == EXIT_FINE)
		code = o->held.count > 0
		               ? size_against(&base.samples, &o->held, o->results.value[0],
		                              base.file_system_bytes, o->json)
		               : plan_print(o, &demand, &base);
	samples_free(&base.samples);
	json_decref(here);
	return code;
}

static int run(int argc, char **argv)
{
	struct size_options options = {0};
	int first, code;

	code = options_parse(&command_size, argc, argv, &options, &first);
	if (code != OPTIONS_GO_ON)
		return code;
	return answer(&options, first < argc ? argv[first] : NULL);
}

static const struct option_spec option_table[] = {
#define FLAG(id, name, argument, help)                                                             \
	{name, 0, OPTION_TEXT, argument, help, AT(flags.text[SIZE_KEY_##id])},
        SIZE_KEYS(FLAG)
#undef FLAG
                {"result", 0, OPTION_LIST, "DIR",
                 "folder of a run, default results/latest; repeatable: their cells count\n"
                 "together",
                 AT(results)},
        {"held", 0, OPTION_LIST, "NAME",
         "no plan: leave this workload of the run out, and hold what was measured\n"
         "against what the others predict for it; repeatable",
         AT(held)},
        {"across-machines", 0, OPTION_FLAG, NULL, "take results of another machine too",
         AT(across_machines)},
        {"json", 0, OPTION_FLAG, NULL, "print JSON", AT(json)},
        {"markdown", 0, OPTION_FLAG, NULL, "print Markdown", AT(markdown)},
        {0}};

const struct command command_size = {
        .name = "size",
        .arguments = "[FILE.ini]",
        .summary = "what a deployment needs: cores, disk, restarts; from what a run has measured",
        .details =
                "Prints a sentence of advice; for plaintext and each cipher side by side what one\n"
                "node needs: cores of the server at the mean and the peak, each with its "
                "interval,\n"
                "disk, files, writes and fsyncs, restarts, memory of the index; then the server's\n"
                "jetstream block, and the stream's configuration. With replicas each node holds "
                "one\n"
                "of every stream.\n\n"
                "Times are those of the run's cells, by straight lines between the sizes that "
                "were\n"
                "measured, of the newest server among its targets. Without one they are those of\n"
                "the embedded store, and a lower bound. Bytes follow from the format. Where an\n"
                "answer lies beyond what was measured, it says so. A result of another machine\n"
                "ends with exit code 4 (--across-machines).\n\n"
                "Units: of bytes k, m, g and t are powers of 1024 (2k are 2048 bytes, 200g are\n"
                "215 x 10^9), of rates and counts k and m are 1000 and 1000000.\n\n"
                "FILE.ini holds the same keys, with '_' for '-'; flags come before it:\n\n"
                "  rate = 20k\n"
                "  sizes = 128:70,4k:25,64k:5\n"
                "  max_age = 7d\n\n"
                "Example, from a new clone:\n\n"
                "  scripts/bench\n"
                "  build/release/cli/atrest size --rate 20k --peak 50k --sizes 1k --max-age 7d "
                "--replicas 3\n\n"
                "--held NAME: how far off predictions are, by the rounds of one run, so that a\n"
                "machine that changes meanwhile changes both. Exit 1 when a line is: CPU of a\n"
                "message by more than 15 %, a restart by more than 25 %, a block or key file by a\n"
                "byte, others by more than 256 B + 1 %, the space of a file by more than a block.\n"
                "Example:\n\n"
                "  atrest run -o sizes publish-128b publish-1k publish-8k\n"
                "  atrest size --result sizes --held publish-1k",
        .options = option_table,
        .arguments_max = 1,
        .run = run,
};
