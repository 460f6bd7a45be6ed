/* schedule.c - see schedule.h. */
#include "harness/schedule.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/analysis/summary.h"
#include "harness/prepare.h"
#include "harness/targets/target.h"

/* ---- rows and cells ---- */

/* cell_count when it is of none. */
static size_t cell_of(const struct plan *plan, const struct sample *row)
{
	size_t c = 0;

	while (c < plan->cell_count &&
	       !plan_cell_has(&plan->cells[c], row->workload, row->target, row->target_version))
		c++;
	return c;
}

/* The end of the round whose first row is this one: rows of one cell, round and attempt. */
static size_t round_end(const struct samples *s, size_t first)
{
	const struct sample *a = &s->rows[first];
	int versions = strcmp(a->target, TARGET_SERVER_NAME) != 0;
	size_t end = first + 1;

	while (end < s->count && s->rows[end].round == a->round &&
	       s->rows[end].attempt == a->attempt &&
	       strcmp(s->rows[end].workload, a->workload) == 0 &&
	       strcmp(s->rows[end].target, a->target) == 0 &&
	       (!versions || strcmp(s->rows[end].target_version, a->target_version) == 0))
		end++;
	return end;
}

/* Rounds of each cell that count; the caller frees them. NULL: memory. */
static uint32_t *count_rounds(const struct plan *plan, const struct samples *s)
{
	uint32_t *rounds = calloc(plan->cell_count + 1, sizeof(*rounds));

	for (size_t i = 0; rounds != NULL && i < s->count; i = round_end(s, i))
		rounds[cell_of(plan, &s->rows[i])] += !samples_set_aside(&s->rows[i]);
	return rounds;
}

size_t schedule_round_rows(const struct samples *s)
{
	size_t first = 0;

	for (size_t i = 0; i < s->count; i = round_end(s, i))
		first = i;
	return s->count - first;
}

size_t schedule_repeated(const struct samples *s)
{
	size_t count = 0;

	for (size_t i = 0; i < s->count; i = round_end(s, i))
		count += samples_set_aside(&s->rows[i]) != 0;
	return count;
}

int schedule_may_repeat(const struct plan *plan, const struct samples *s,
                        const struct schedule_step *step)
{
	size_t planned = 0, run = 1;

	if (step->attempt >= SCHEDULE_REPEATS_MAX)
		return 0;
	for (size_t c = 0; c < plan->cell_count; c++)
		planned += plan->cells[c].rounds;
	for (size_t i = 0; i < s->count; i = round_end(s, i))
		run++;
	if (run < planned)
		run = planned;
	return (schedule_repeated(s) + 1) * SCHEDULE_REPEATS_SHARE <= run;
}

/* ---- widths ---- */

int schedule_is_wide(const struct schedule_rule *rule, const struct schedule_reach *reach)
{
	/* NAN is not. */
	return rule->precision_points > 0 && reach->width_points > rule->precision_points;
}

static double width_of(const struct summary_row *row)
{
	double width = (row->high_pct - row->low_pct) / 2;

	return isfinite(width) ? width : INFINITY;
}

static int is_compared(const struct summary_row *row)
{
	return row->baseline[0] != '\0' && strcmp(row->arm, row->baseline) != 0 &&
	       strcmp(row->verdict, "invalid") != 0;
}

/* Of the arms that are compared, in the metric that the summary is of. NAN: nothing is asked. */
static double widest_of(const struct plan_cell *cell, const struct summary *summary)
{
	double widest = NAN;

	for (size_t i = 0; i < summary->count; i++) {
		const struct summary_row *row = &summary->rows[i];
		/* fmax passes over a NAN. */
		if (is_compared(row) &&
		    plan_cell_has(cell, row->workload, row->target, row->target_version))
			widest = fmax(widest, width_of(row));
	}
	return widest;
}

int schedule_reach(const struct plan *plan, const struct samples *samples,
                   struct schedule_reach *out)
{
	struct summary closed = {0}, open = {0};
	uint32_t *rounds = count_rounds(plan, samples);
	int opens = 0, rc = rounds == NULL ? -1 : 0;

	for (size_t c = 0; c < plan->cell_count; c++)
		opens |= workload_is_open(plan->cells[c].workload);
	if (rc == 0)
		rc = summary_make_metric(samples, SUMMARY_HEADLINE, &closed);
	if (rc == 0 && opens)
		rc = summary_make_metric(samples, SUMMARY_HEADLINE_OPEN, &open);
	for (size_t c = 0; rc == 0 && c < plan->cell_count; c++) {
		const struct plan_cell *cell = &plan->cells[c];
		out[c].rounds = rounds[c];
		out[c].width_points = INFINITY;
		if (rounds[c] > 0)
			out[c].width_points =
			        widest_of(cell, workload_is_open(cell->workload) ? &open : &closed);
	}
	summary_free(&closed);
	summary_free(&open);
	free(rounds);
	return rc;
}

/* ---- time ---- */

double schedule_square_s(const struct plan *plan, uint32_t cell, const struct samples *s)
{
	const struct plan_cell *of = &plan->cells[cell];
	double arms = (double)of->arm_count;
	double slice_s = prepare_slice_s(of), took_s = 0, pairs = 0;

	/* From one slice's start to the next one's: all that is done for a slice is in it. */
	for (size_t i = 0; i + 1 < s->count; i++) {
		const struct sample *a = &s->rows[i], *b = &s->rows[i + 1];
		if (a->round != b->round || b->started_unix_ns <= a->started_unix_ns ||
		    cell_of(plan, a) != cell || cell_of(plan, b) != cell)
			continue;
		took_s += (double)(b->started_unix_ns - a->started_unix_ns) / 1e9;
		pairs++;
	}
	if (pairs > 0)
		slice_s = took_s / pairs;
	return arms * (of->square_rounds * slice_s +
	               (prepare_writes(of->workload) ? 0 : prepare_fill_s(of)));
}

/* ---- what is next ---- */

/* The first round of the plan that was not run. 0 when there is one. */
static int next_planned(const struct plan *plan, const uint32_t *rounds, struct schedule_step *step)
{
	for (size_t i = 0; i < plan->slice_count;
	     i += plan->cells[plan->slices[i].cell].arm_count) {
		const struct plan_slice *slice = &plan->slices[i];
		if (slice->round < rounds[slice->cell])
			continue;
		step->cell = slice->cell;
		step->round = slice->round;
		return 0;
	}
	return -1;
}

/* The widest cell above what was asked for that may have one more square. */
static enum schedule_state next_widest(const struct plan *plan, const struct schedule_rule *rule,
                                       const struct samples *samples, struct schedule_step *step)
{
	struct schedule_reach *reach = calloc(plan->cell_count, sizeof(*reach));
	enum schedule_state state = SCHEDULE_DONE;
	double widest = 0;

	if (reach == NULL || schedule_reach(plan, samples, reach) != 0) {
		free(reach);
		return SCHEDULE_MEMORY;
	}
	for (size_t c = 0; c < plan->cell_count; c++) {
		int may = reach[c].rounds + plan->cells[c].square_rounds <= rule->rounds_max;
		if (!schedule_is_wide(rule, &reach[c]))
			continue;
		if (state == SCHEDULE_DONE)
			state = SCHEDULE_ROUNDS;
		if (!may || !(reach[c].width_points > widest))
			continue;
		state = SCHEDULE_NEXT;
		widest = reach[c].width_points;
		step->cell = (uint32_t)c;
		step->round = reach[c].rounds;
	}
	free(reach);
	return state;
}

/* What the last row decides alone: its round was set aside and is run again; or, by width, it is
 * not the last round of its square. 0: nothing. */
static int goes_on(const struct plan *plan, const struct schedule_rule *rule,
                   const struct samples *s, struct schedule_step *step)
{
	const struct sample *last = s->count == 0 ? NULL : &s->rows[s->count - 1];
	size_t c = last == NULL ? plan->cell_count : cell_of(plan, last);

	memset(step, 0, sizeof(*step));
	if (c == plan->cell_count)
		return 0;
	step->cell = (uint32_t)c;
	step->round = (uint32_t)last->round;
	if (samples_set_aside(last)) {
		step->attempt = (uint32_t)last->attempt + 1;
		return 1;
	}
	step->round++;
	return rule->precision_points > 0 && step->round % plan->cells[c].square_rounds != 0;
}

enum schedule_state schedule_next(const struct plan *plan, const struct schedule_rule *rule,
                                  const struct samples *samples, double used_s,
                                  struct schedule_step *step)
{
	enum schedule_state state = SCHEDULE_NEXT;
	uint32_t *rounds;

	if (goes_on(plan, rule, samples, step))
		return SCHEDULE_NEXT;
	rounds = count_rounds(plan, samples);
	if (rounds == NULL)
		return SCHEDULE_MEMORY;
	if (next_planned(plan, rounds, step) != 0)
		state = rule->precision_points > 0 ? next_widest(plan, rule, samples, step)
		                                   : SCHEDULE_DONE;
	free(rounds);
	/* One square is always run: a budget that is too small for it says nothing otherwise. */
	if (state == SCHEDULE_NEXT && rule->precision_points > 0 && rule->budget_s > 0 &&
	    samples->count > 0 &&
	    used_s + schedule_square_s(plan, step->cell, samples) > rule->budget_s)
		return SCHEDULE_BUDGET;
	return state;
}

/* ---- rows that were there ---- */

static int refuse(const struct sample *row, size_t line, const struct schedule_step *expected,
                  const struct plan *plan, const char *arm, char error[512])
{
	char target[PLAN_TARGET_BYTES];

	snprintf(error, 512,
	         "line %zu: found round %llu of %.60s, %.60s (%.20s), expected round %u of %.60s, "
	         "%.60s (%.60s): this is not what the plan led to",
	         line, (unsigned long long)row->round, row->workload, row->arm, row->target,
	         expected->round, plan->cells[expected->cell].workload->name, arm,
	         plan_target_text(plan->cells[expected->cell].target, target));
	return -1;
}

/* The rows of one round against what was to be run. 0, or -1. */
static int check_round(const struct plan *plan, const struct samples *s, size_t first, size_t end,
                       const struct schedule_step *step, char error[512])
{
	const struct plan_cell *cell = &plan->cells[step->cell];
	struct plan_slice slices[PLAN_ARMS_MAX];

	plan_round(plan, step->cell, step->round, slices);
	for (size_t i = first; i < end; i++) {
		const struct sample *row = &s->rows[i];
		size_t at = i - first;
		const char *arm = cell->arms[slices[at < cell->arm_count ? at : 0].arm].name;
		if (at >= cell->arm_count || row->round != step->round ||
		    row->attempt != step->attempt || cell_of(plan, row) != step->cell ||
		    strcmp(row->arm, arm) != 0)
			return refuse(row, i + CSV_FIRST_ROW_LINE, step, plan, arm, error);
	}
	return 0;
}

/* What must follow the rows so far. Which cell is chosen for its width depends on the time as
 * well: there the row tells, and only what it may be is checked. 0, or -1: nothing may. */
static int follow(const struct plan *plan, const struct schedule_rule *rule,
                  const struct samples *before, const uint32_t *rounds, const struct sample *row,
                  struct schedule_step *step)
{
	size_t c = cell_of(plan, row);

	if (goes_on(plan, rule, before, step) || next_planned(plan, rounds, step) == 0)
		return 0;
	if (!(rule->precision_points > 0) || c == plan->cell_count)
		return -1;
	step->cell = (uint32_t)c;
	step->round = rounds[c];
	return 0;
}

int64_t schedule_whole(const struct plan *plan, const struct schedule_rule *rule,
                       const struct samples *samples, char error[512])
{
	uint32_t *rounds = calloc(plan->cell_count + 1, sizeof(*rounds));
	struct samples before = {.rows = samples->rows};
	int64_t whole = -1;

	error[0] = '\0';
	if (rounds == NULL) {
		snprintf(error, 512, "out of memory");
		return -1;
	}
	while (before.count < samples->count) {
		size_t first = before.count, end = round_end(samples, first);
		struct schedule_step step;
		if (follow(plan, rule, &before, rounds, &samples->rows[first], &step) != 0) {
			snprintf(error, 512, "line %zu: a row behind the last round of the plan",
			         first + CSV_FIRST_ROW_LINE);
			goto done;
		}
		if (check_round(plan, samples, first, end, &step, error) != 0)
			goto done;
		if (end - first < plan->cells[step.cell].arm_count) {
			if (end == samples->count)
				break;
			snprintf(error, 512,
			         "line %zu: found another round, expected %zu rows of this one",
			         end + CSV_FIRST_ROW_LINE, plan->cells[step.cell].arm_count);
			goto done;
		}
		rounds[step.cell] += !samples_set_aside(&samples->rows[first]);
		before.count = end;
	}
	whole = (int64_t)before.count;
done:
	free(rounds);
	return whole;
}
