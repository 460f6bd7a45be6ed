/* test_simulation.c - whole runs on invented machines that drift, have neighbours and stall: how
 * often does a run find what is not there, and how often do its intervals hold what is?
 *
 * Everything but the slices is real: the plan and its shuffled squares, the rule that says which
 * round is next and when it is enough, the rows, their summary. A slice takes its time from
 * machine_model.h. Beside it stands the usual design on the same machine, all slices of A and
 * then all of B, compared by the interval of two independent samples.
 *
 *   plaintext against itself   none, none-twin; the truth is 0: an interval without zero is a
 *                              false alarm
 *   a known effect             all four arms, chachapoly and aes dearer by what is said below: an
 *                              interval that does not hold that is a miss
 *
 * 2,000 runs of each design on the machine that has all of it, a quarter where one thing alone
 * disturbs. ATREST_SIMULATION_RUNS: so many instead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/analysis/stats.h"
#include "harness/analysis/summary.h"
#include "harness/output/samples.h"
#include "harness/plan.h"
#include "harness/schedule.h"
#include "tests/simulation/machine_model.h"

#define ROUNDS_MIN 12
#define ROUNDS_MAX 60
#define MESSAGE_NS 1280.0

static const struct machine_kind kinds[] = {
        {"drift", 0.015, 0.01, 0, 0, 0, 0, 0, 0},
        {"neighbours", 0.015, 0, 0.08, 0.05, 0.3, 0, 0, 0},
        {"stalls", 0.015, 0, 0, 0, 0, 0.02, 0.3, 1.5},
        {"all of them", 0.015, 0.01, 0.05, 0.05, 0.3, 0.01, 0.3, 1.5},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Time over that of plaintext, by the arm's cipher. */
static double truth_of(const char *cipher)
{
	if (strcmp(cipher, "chachapoly") == 0)
		return 1.12;
	return strcmp(cipher, "aes") == 0 ? 1.03 : 1;
}

static size_t runs_asked(void)
{
	const char *text = getenv("ATREST_SIMULATION_RUNS");
	if (text != NULL)
		return strtoul(text, NULL, 10);
#if defined(__SANITIZE_ADDRESS__)
	return 100; /* nothing is concluded from so few: they are run for the sanitizer */
#else
	return 2000;
#endif
}

/* ---- one run ---- */

struct experiment {
	struct plan_request request;
	struct workload workload;
	struct schedule_rule rule;
};

static void experiment_init(struct experiment *e, int ciphers, double precision_points)
{
	memset(e, 0, sizeof(*e));
	workload_init(&e->workload);
	snprintf(e->workload.name, sizeof(e->workload.name), "simulated");
	snprintf(e->workload.class_, sizeof(e->workload.class_), "publish");
	e->workload.messages = 100000;
	e->request.workloads = &e->workload;
	e->request.workload_count = 1;
	snprintf(e->request.targets[0].name, sizeof(e->request.targets[0].name), "store");
	e->request.target_count = 1;
	e->request.ciphers[0] = "none";
	e->request.ciphers[1] = "chachapoly";
	e->request.ciphers[2] = "aes";
	e->request.cipher_count = ciphers ? 3 : 1;
	snprintf(e->request.dirs[0].name, sizeof(e->request.dirs[0].name), "default");
	e->request.dir_count = 1;
	e->request.rounds = ROUNDS_MIN;
	e->rule = (struct schedule_rule){.precision_points = precision_points,
	                                 .rounds_max = ROUNDS_MAX};
}

static void add_slice(struct samples *s, const struct plan *plan, const struct plan_slice *slice,
                      double slower)
{
	const struct plan_arm *arm = &plan->cells[slice->cell].arms[slice->arm];
	struct sample row = {0};
	double time_ns = MESSAGE_NS * truth_of(arm->cipher) * exp(slower);

	snprintf(row.workload, sizeof(row.workload), "simulated");
	snprintf(row.class_, sizeof(row.class_), "publish");
	snprintf(row.target, sizeof(row.target), "store");
	snprintf(row.sync, sizeof(row.sync), "2m");
	snprintf(row.cipher, sizeof(row.cipher), "%s", arm->cipher);
	snprintf(row.arm, sizeof(row.arm), "%s", arm->name);
	row.round = slice->round;
	row.position = slice->position;
	row.square = slice->square;
	row.payload_bytes = 1024;
	row.messages = 100000;
	row.acked_s = time_ns * (double)row.messages / 1e9;
	row.cpu_ns = (uint64_t)(row.acked_s * 0.97e9);
	row.valid = 1;
	assert_int_equal(samples_add(s, &row), 0);
}

/* From the first round to the last that the rule asks for; samples and summary are the caller's
 * to free. */
static void run(struct experiment *e, const struct machine_kind *kind, uint64_t seed,
                struct samples *samples, struct summary *summary)
{
	struct plan_slice slices[PLAN_ARMS_MAX];
	struct machine_model machine;
	struct schedule_step step;
	struct plan plan;
	char error[256];

	memset(samples, 0, sizeof(*samples));
	machine_model_init(&machine, kind, seed);
	e->request.seed = seed;
	assert_int_equal(plan_make(&e->request, &plan, error), 0);
	while (schedule_next(&plan, &e->rule, samples, 0, &step) == SCHEDULE_NEXT) {
		plan_round(&plan, step.cell, step.round, slices);
		for (size_t i = 0; i < plan.cells[step.cell].arm_count; i++)
			add_slice(samples, &plan, &slices[i], machine_model_slice(&machine));
	}
	plan_free(&plan);
	samples->complete = 1;
	assert_int_equal(summary_make(samples, summary), 0);
}

/* Whether the interval of the throughput's loss holds what it is. */
static int holds(const struct summary *summary, const char *arm, double truth)
{
	const struct summary_row *row =
	        summary_find(summary, &summary->rows[0], arm, "throughput_msgs_s");
	double loss = 100 * (1 - 1 / truth);
	assert_non_null(row);
	return row->low_pct <= loss && row->high_pct >= loss;
}

/* ---- many runs ---- */

struct tally {
	size_t intervals, missed;
	size_t rounds, runs;
};

static struct tally simulate(const struct machine_kind *kind, int ciphers, double precision_points,
                             size_t runs)
{
	static const char *const arms[] = {"none-twin", "chachapoly", "aes"};
	static const char *const of[] = {"none", "chachapoly", "aes"};
	struct tally t = {0};
	struct experiment e;

	experiment_init(&e, ciphers, precision_points);
	for (size_t r = 0; r < runs; r++) {
		struct samples samples;
		struct summary summary;
		run(&e, kind, 1000000 * (uint64_t)(1 + ciphers) + r, &samples, &summary);
		for (size_t a = ciphers ? 1 : 0; a < (ciphers ? 3 : 1); a++) {
			t.intervals++;
			t.missed += !holds(&summary, arms[a], truth_of(of[a]));
		}
		t.rounds += samples.rows[samples.count - 1].round + 1;
		t.runs++;
		summary_free(&summary);
		samples_free(&samples);
	}
	return t;
}

/* All of A, then all of the same again: how often are they told apart? */
static double a_then_b(const struct machine_kind *kind, size_t slices, size_t runs)
{
	size_t alarms = 0;
	for (size_t r = 0; r < runs; r++) {
		double a[ROUNDS_MAX], b[ROUNDS_MAX];
		struct machine_model machine;
		machine_model_init(&machine, kind, 5000000 + r);
		for (size_t i = 0; i < slices; i++)
			a[i] = machine_model_slice(&machine);
		for (size_t i = 0; i < slices; i++)
			b[i] = machine_model_slice(&machine);
		struct stats_interval shift = stats_shift(a, slices, b, slices, 0.95);
		alarms += shift.low > 0 || shift.high < 0;
	}
	return 100 * (double)alarms / (double)runs;
}

static double missed_pct(struct tally t)
{
	return 100 * (double)t.missed / (double)t.intervals;
}

static double rounds_mean(struct tally t)
{
	return (double)t.rounds / (double)t.runs;
}

static void check(struct tally t, const char *what, double most_pct)
{
	/* Of fewer the share is too uncertain to be held against a bound. */
	if (t.runs >= 2000 && missed_pct(t) > most_pct)
		fail_msg("%s: %.1f %%, expected at most %g %%", what, missed_pct(t), most_pct);
}

static void simulate_kind(const struct machine_kind *kind, size_t runs)
{
	struct tally fixed = simulate(kind, 0, 0, runs);
	struct tally same = simulate(kind, 0, 2, runs);
	struct tally effect = simulate(kind, 1, 2, runs);

	print_message("%-12s %6zu  %-8.0f%-14.1f  %-8.1f%-14.1f  %-8.1f%-14.1f  %-9.1f%.1f\n",
	              kind->name, runs, rounds_mean(fixed), missed_pct(fixed), rounds_mean(same),
	              missed_pct(same), rounds_mean(effect), 100 - missed_pct(effect),
	              a_then_b(kind, 12, runs / 4), a_then_b(kind, 48, runs / 4));
	check(fixed, "false alarms, fixed rounds", 6);
	check(same, "false alarms, to a width", 6);
	check(effect, "known effects missed", 7);
}

static void runs_are_right_as_often_as_they_say(void **state)
{
	size_t runs = runs_asked();
	(void)state;
	print_message("false alarms and coverage in percent\n\n");
	print_message("%-12s %6s  %-22s  %-22s  %-22s  %s\n", "", "", "itself, 12 rounds",
	              "itself, to 2 points", "known, to 2 points", "A, then B: alarms");
	print_message("%-12s %6s  %-8s%-14s  %-8s%-14s  %-8s%-14s  %-9s%s\n", "machine", "runs",
	              "rounds", "false alarms", "rounds", "false alarms", "rounds", "coverage",
	              "12 each", "48 each");
	for (size_t k = 0; k < KINDS; k++)
		simulate_kind(&kinds[k], k + 1 < KINDS ? runs / 4 : runs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(runs_are_right_as_often_as_they_say),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
