/* schedule.h - which round runs next, and when a run is done. Pure functions of the plan, the rule,
 * the rows so far and the time used: no clock, no file, so that a run that was interrupted goes on
 * as it would have.
 *
 *   fixed        the rounds of the plan, in its order
 *   precision    squares, each to its end before the next one: first the rounds of the plan, whose
 *                number is the least here, then whichever cell has the widest interval above what
 *                was asked for. The run ends when no cell has one, at the budget, or when those
 *                that have cannot have more rounds
 *
 *   Width     half of the 95 % interval of the overhead, in points: of throughput, of open loops,
 *             whose rate is given, of the 99th percentile of the response time; of a cell the
 *             widest of its arms. Of arms with a failed row nothing will be concluded: they ask for
 *             nothing. Whether an interval holds zero is never looked at: stopping on that is what
 *             makes false alarms
 *   Budget    looked at before each square, with the time it is expected to take
 *   Repeated  a round whose rows were set aside (samples_set_aside) is run again at once
 */
#ifndef ATREST_HARNESS_SCHEDULE_H
#define ATREST_HARNESS_SCHEDULE_H

#include "harness/output/samples.h"
#include "harness/plan.h"

#define SCHEDULE_ROUNDS_MAX  200 /* of a cell, with a precision */
#define SCHEDULE_REPEATS_MAX 2   /* of a round */
/* One in so many rounds of a run may be a repeated one: the time of a run stays what was told
 * before it. */
#define SCHEDULE_REPEATS_SHARE 12

struct schedule_rule {
	double precision_points; /* half-width asked for; 0: fixed rounds */
	double budget_s;         /* 0: none */
	uint32_t rounds_max;     /* of each cell, with a precision */
};

struct schedule_step {
	uint32_t cell, round;
	uint32_t attempt; /* times it was set aside before */
};

enum schedule_state {
	SCHEDULE_NEXT,   /* there is a step */
	SCHEDULE_DONE,   /* all rounds, all widths */
	SCHEDULE_BUDGET, /* the next square would end behind it */
	SCHEDULE_ROUNDS, /* cells that are too wide have all the rounds they may have */
	SCHEDULE_MEMORY
};

/* The rows are whole rounds of this plan (schedule_whole). */
enum schedule_state schedule_next(const struct plan *plan, const struct schedule_rule *rule,
                                  const struct samples *samples, double used_s,
                                  struct schedule_step *step);

/* Whether the round that has just been run, behind these rows, may be set aside and run again. */
int schedule_may_repeat(const struct plan *plan, const struct samples *samples,
                        const struct schedule_step *step);

/* How many rows the last round has. */
size_t schedule_round_rows(const struct samples *samples);

/* Rounds that were set aside, each attempt of them counted. */
size_t schedule_repeated(const struct samples *samples);

/* How many of the first rows are whole rounds that this plan and rule could have led to; behind
 * them may be part of a round. -1 and error names the line (of samples.csv) that is none of it. */
int64_t schedule_whole(const struct plan *plan, const struct schedule_rule *rule,
                       const struct samples *samples, char error[512]);

/* One square of the cell, by its own rows where it has some, else as estimated. */
double schedule_square_s(const struct plan *plan, uint32_t cell, const struct samples *samples);

/* How far a cell has come. */
struct schedule_reach {
	uint32_t rounds;
	double width_points; /* INFINITY: no interval yet; NAN: nothing is asked of it */
};

/* out: one per cell of the plan. 0, or -1: memory. */
int schedule_reach(const struct plan *plan, const struct samples *samples,
                   struct schedule_reach *out);
/* 1 when a precision was asked for and the cell is wider. */
int schedule_is_wide(const struct schedule_rule *rule, const struct schedule_reach *reach);

#endif
