/* run_finish.c - see run_finish.h. */
#include "cli/run_finish.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/exit_status.h"
#include "cli/print_json.h"
#include "cli/results_read.h"
#include "cli/run_outcome.h"
#include "harness/analysis/summary.h"
#include "harness/output/headline.h"
#include "harness/output/page.h"
#include "harness/output/progress.h"

static int print_summary(const struct run_result *result, const struct summary *s, int json)
{
	const char *folder = result->folder.path;
	char sentence[HEADLINE_BYTES];
	int rc;

	if (json) {
		json_t *whole = headline_json(s);
		json_object_set_new(whole, "folder", json_string(folder));
		json_object_set_new(whole, "repeated_rounds",
		                    json_integer((json_int_t)result->repeated));
		json_object_set_new(whole, "disturbed_rounds",
		                    json_integer((json_int_t)result->tally.disturbed));
		rc = print_json(whole, JSON_INDENT(1));
	} else {
		headline_sentence(s, sentence);
		printf("%s\n\n", sentence);
		rc = headline_print(s, stdout);
		if (result->repeated > 0)
			printf("repeated rounds: %zu, set aside for what else the machine did "
			       "(samples.csv, column error)\n",
			       result->repeated);
		if (result->tally.disturbed > 0)
			printf("disturbed rounds: %zu of %zu count as they are, more than may be "
			       "repeated\n",
			       result->tally.disturbed, result->tally.rounds);
		printf("results: %s   page: %s/report.html\n", folder, folder);
	}
	return rc == 0 ? EXIT_FINE : complain(EXIT_SYSTEM, "standard output: %s", strerror(errno));
}

#define MORE_BYTES 96
/* "; about 40 more rounds, about 3 min, may do": an interval narrows as the root of its rounds. ""
 * without an interval. */
static const char *more_text(const struct run_options *options, const struct plan *plan,
                             const struct run_result *result, size_t c, char text[MORE_BYTES])
{
	const struct schedule_reach *reach = &result->reach[c];
	double times = reach->width_points / options->rule.precision_points;
	double square = plan->cells[c].square_rounds;
	double squares = ceil(reach->rounds * (times * times - 1) / square);
	char time[PROGRESS_TEXT_BYTES];

	text[0] = '\0';
	if (reach->rounds > 0 && isfinite(squares))
		snprintf(text, MORE_BYTES, "; %.0f more rounds, %s, would %s", squares * square,
		         progress_duration(
		                 squares * schedule_square_s(plan, (uint32_t)c, &result->samples),
		                 time),
		         reach->rounds + squares * square > options->rule.rounds_max
		                 ? "be needed, more than it may have"
		                 : "do");
	return text;
}

/* What was asked of the intervals and is not there: a line for each. 1 when there is such a thing.
 */
static int tell_wide(const struct run_options *options, const struct plan *plan,
                     const struct run_result *result)
{
	const char *why = result->ended_by == SCHEDULE_BUDGET ? "at the end of the budget"
	                                                      : "with all rounds of a cell";
	char target[PLAN_TARGET_BYTES], width[64], more[MORE_BYTES];
	int wide = 0;

	for (size_t c = 0; result->reach != NULL && c < plan->cell_count; c++) {
		const struct schedule_reach *reach = &result->reach[c];
		if (!schedule_is_wide(&options->rule, reach))
			continue;
		wide = 1;
		if (reach->rounds == 0)
			snprintf(width, sizeof(width), "not measured, no control of ciphers");
		else if (isfinite(reach->width_points))
			snprintf(width, sizeof(width), "+/- %.1f points", reach->width_points);
		else
			snprintf(width, sizeof(width), "no interval");
		warn_line("inconclusive: %s on %s: %s after %u rounds %s, expected %g%s",
		          plan->cells[c].workload->name,
		          plan_target_text(plan->cells[c].target, target), width, reach->rounds,
		          why, options->rule.precision_points,
		          more_text(options, plan, result, c, more));
	}
	return wide;
}

/* Of what is there, whether the figures may be used. The order of the codes is run_finish.h's. */
static int judge_figures(const struct run_options *options, const struct plan *plan,
                         const struct run_result *result, const struct summary *s)
{
	int wide = tell_wide(options, plan, result);

	if (!options->width_is_asked)
		return EXIT_FINE;
	if (summary_inconclusive(&s->run))
		return complain(EXIT_INCONCLUSIVE,
		                "%llu of %llu twins exclude zero, expected at most %llu: this "
		                "machine was not quiet enough",
		                (unsigned long long)s->run.twins_off_zero,
		                (unsigned long long)s->run.twins,
		                (unsigned long long)s->run.twins_limit);
	if (repeat_too_many(&result->tally))
		return complain(EXIT_INCONCLUSIVE,
		                "%zu of %zu rounds were disturbed by what else the machine did, "
		                "expected at most %.0f %%",
		                result->tally.disturbed, result->tally.rounds,
		                100 * REPEAT_DISTURBED_SHARE);
	if (wide)
		return complain(EXIT_INCONCLUSIVE, "not all intervals are as narrow as was asked");
	return EXIT_FINE;
}

/* Of a run that came to its end. */
static int present(const struct run_options *options, const struct plan *plan,
                   const struct run_result *result, int json)
{
	struct summary summary;
	enum figures_result drawn = FIGURES_OK;
	char error[512];
	int code;

	if (summary_make(&result->samples, &summary) != 0)
		return complain(EXIT_SYSTEM, "out of memory");
	if (page_make(result->folder.path, &result->samples, &summary, &drawn, error) != 0)
		code = complain(EXIT_SYSTEM, "%s", error);
	else
		code = print_summary(result, &summary, json);
	if (code == EXIT_FINE && drawn != FIGURES_OK)
		warn_line("%s; the page was written without", error);
	if (code == EXIT_FINE)
		code = judge_figures(options, plan, result, &summary);
	summary_free(&summary);
	return exit_worse(code, results_histograms(result->folder.path, &result->samples));
}

int run_finish(const struct run_options *options, const struct plan *plan,
               const struct run_result *result, int json)
{
	int code = EXIT_FINE;

	if (result->samples.complete)
		code = present(options, plan, result, json);
	return exit_worse(run_outcome(result), code);
}
