/* test_schedule.c - which round runs next: on invented rows of known noise, no clock. */
#include "tests/unit/harness_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/analysis/summary.h"
#include "harness/schedule.h"
#include "tests/unit/synthetic.h"

#define CELLS 3

/* What a cell's slices are: how noisy, what a cipher costs, and how long they take. */
struct nature {
	double noise;  /* standard deviation of the log of each slice */
	double effect; /* log-ratio of a cipher's time to plaintext's */
	double slice_s;
};

struct machine {
	struct workload workloads[CELLS];
	struct plan_request request;
	struct plan plan;
	struct nature natures[CELLS];
	struct samples samples;
	double used_s;
	uint64_t random;
};

static void machine_make(struct machine *m, uint32_t rounds, size_t ciphers)
{
	static const char *const names[CELLS] = {"publish-1k", "read-1k", "get-1k"};
	static const struct nature natures[CELLS] = {
	        {0.002, 0.05, 0.2}, {0.05, 0.2, 0.2}, {0.02, 0.1, 0.2}};
	char error[256];

	memset(m, 0, sizeof(*m));
	memcpy(m->natures, natures, sizeof(natures));
	for (size_t i = 0; i < CELLS; i++) {
		workload_init(&m->workloads[i]);
		snprintf(m->workloads[i].name, sizeof(m->workloads[i].name), "%s", names[i]);
	}
	m->request.workloads = m->workloads;
	m->request.workload_count = CELLS;
	snprintf(m->request.targets[0].name, sizeof(m->request.targets[0].name), "store");
	m->request.target_count = 1;
	m->request.ciphers[0] = "none";
	m->request.ciphers[1] = "chachapoly";
	m->request.ciphers[2] = "aes";
	m->request.cipher_count = ciphers;
	snprintf(m->request.dirs[0].name, sizeof(m->request.dirs[0].name), "default");
	m->request.dir_count = 1;
	m->request.rounds = rounds;
	m->request.seed = 11;
	m->random = 5;
	if (plan_make(&m->request, &m->plan, error) != 0)
		fail_msg("%s", error);
}

static void machine_free(struct machine *m)
{
	plan_free(&m->plan);
	samples_free(&m->samples);
}

static void add_row(struct machine *m, const struct plan_slice *slice, uint32_t attempt)
{
	const struct plan_cell *cell = &m->plan.cells[slice->cell];
	const struct plan_arm *arm = &cell->arms[slice->arm];
	const struct nature *nature = &m->natures[slice->cell];
	double log_time = nature->noise * synthetic_normal(&m->random);
	struct sample row = {.round = slice->round, .position = slice->position, .valid = 1};

	if (strcmp(arm->cipher, "none") != 0)
		log_time += nature->effect;
	snprintf(row.workload, sizeof(row.workload), "%s", cell->workload->name);
	snprintf(row.target, sizeof(row.target), "store");
	snprintf(row.target_version, sizeof(row.target_version), "0.1.0");
	snprintf(row.cipher, sizeof(row.cipher), "%s", arm->cipher);
	snprintf(row.arm, sizeof(row.arm), "%s", arm->name);
	row.square = slice->square;
	row.attempt = attempt;
	row.messages = 1000;
	row.acked_s = nature->slice_s * exp(log_time);
	row.cpu_ns = 1000;
	row.started_unix_ns = (uint64_t)(1e9 * (1000 + m->used_s));
	m->used_s += nature->slice_s;
	assert_int_equal(samples_add(&m->samples, &row), 0);
}

static void add_round(struct machine *m, const struct schedule_step *step)
{
	struct plan_slice slices[PLAN_ARMS_MAX];

	plan_round(&m->plan, step->cell, step->round, slices);
	for (size_t a = 0; a < m->plan.cells[step->cell].arm_count; a++)
		add_row(m, &slices[a], step->attempt);
}

static void set_aside(struct machine *m)
{
	for (size_t i = m->samples.count - schedule_round_rows(&m->samples); i < m->samples.count;
	     i++) {
		m->samples.rows[i].valid = 0;
		snprintf(m->samples.rows[i].error, SAMPLES_TEXT_BYTES, "repeated: a neighbour");
	}
}

static enum schedule_state run_to_end(struct machine *m, const struct schedule_rule *rule)
{
	struct schedule_step step;
	enum schedule_state state;

	while ((state = schedule_next(&m->plan, rule, &m->samples, m->used_s, &step)) ==
	       SCHEDULE_NEXT)
		add_round(m, &step);
	return state;
}

static void reach_of(const struct machine *m, struct schedule_reach reach[CELLS])
{
	assert_int_equal(schedule_reach(&m->plan, &m->samples, reach), 0);
}

/* ---- fixed rounds ---- */

static void fixed_rounds_are_the_plan_in_its_order(void **state)
{
	const struct schedule_rule rule = {0};
	struct machine m;

	(void)state;
	machine_make(&m, 8, 3);
	assert_int_equal(run_to_end(&m, &rule), SCHEDULE_DONE);
	assert_int_equal(m.samples.count, m.plan.slice_count);
	for (size_t i = 0; i < m.samples.count; i++) {
		const struct plan_slice *s = &m.plan.slices[i];
		assert_string_equal(m.samples.rows[i].workload, m.workloads[s->cell].name);
		assert_string_equal(m.samples.rows[i].arm, m.plan.cells[s->cell].arms[s->arm].name);
		assert_int_equal(m.samples.rows[i].round, s->round);
	}
	machine_free(&m);
}

/* ---- by width ---- */

/* Of the steps: a square is run to its end; beyond the plan it goes to the widest of the cells that
 * are too wide. Returns how many squares went beyond the plan. */
static size_t check_squares(const struct schedule_rule *rule, struct machine *m)
{
	struct schedule_step step, before = {0};
	struct schedule_reach reach[CELLS];
	size_t beyond = 0;
	int first = 1;

	while (schedule_next(&m->plan, rule, &m->samples, 0, &step) == SCHEDULE_NEXT) {
		uint32_t square = m->plan.cells[step.cell].square_rounds;
		if (step.round % square != 0) {
			assert_int_equal(step.cell, before.cell);
			assert_int_equal(step.round, before.round + 1);
		} else if (!first) {
			assert_int_equal(
			        (before.round + 1) % m->plan.cells[before.cell].square_rounds, 0);
		}
		if (step.round % square == 0 && step.round >= m->plan.cells[step.cell].rounds) {
			reach_of(m, reach);
			beyond++;
			assert_true(reach[step.cell].width_points > rule->precision_points);
			for (size_t c = 0; c < CELLS; c++) {
				assert_true(reach[c].rounds >= m->plan.cells[c].rounds);
				assert_false(reach[c].width_points > reach[step.cell].width_points);
			}
		}
		add_round(m, &step);
		before = step;
		first = 0;
	}
	return beyond;
}

static void further_squares_go_to_the_widest_cell_until_all_are_narrow(void **state)
{
	const struct schedule_rule rule = {.precision_points = 1.5, .rounds_max = 200};
	struct schedule_reach reach[CELLS];

	(void)state;
	for (size_t ciphers = 1; ciphers <= 3; ciphers++) {
		struct machine m;
		machine_make(&m, 8, ciphers);
		assert_true(check_squares(&rule, &m) > 3);
		reach_of(&m, reach);
		for (size_t c = 0; c < CELLS; c++) {
			assert_true(reach[c].width_points <= 1.5);
			assert_int_equal(reach[c].rounds % m.plan.cells[c].square_rounds, 0);
		}
		/* The quiet one has what everyone has, the noisy one most. */
		assert_int_equal(reach[0].rounds, m.plan.cells[0].rounds);
		assert_true(reach[1].rounds > reach[2].rounds);
		machine_free(&m);
	}
}

static void a_cell_has_no_more_rounds_than_it_may(void **state)
{
	const struct schedule_rule rule = {.precision_points = 0.5, .rounds_max = 22};
	struct schedule_reach reach[CELLS];
	struct machine m;

	(void)state;
	machine_make(&m, 8, 3);
	assert_int_equal(run_to_end(&m, &rule), SCHEDULE_ROUNDS);
	reach_of(&m, reach);
	assert_int_equal(reach[1].rounds, 20);
	assert_true(schedule_is_wide(&rule, &reach[1]));
	assert_false(schedule_is_wide(&rule, &reach[0]));
	machine_free(&m);
}

/* Of every arm that is compared: no interval is wider, significant or not. */
static void all_arms_are_within(const struct machine *m, double points)
{
	struct summary summary;

	assert_int_equal(summary_make_metric(&m->samples, SUMMARY_HEADLINE, &summary), 0);
	assert_int_equal(summary.count, CELLS * 4);
	for (size_t i = 0; i < summary.count; i++)
		assert_true((summary.rows[i].high_pct - summary.rows[i].low_pct) / 2 <= points);
	summary_free(&summary);
}

/* An effect that is beyond doubt at once does not end a run that is too wide; one that is not there
 * gets no more rounds than its width asks for. */
static void significance_ends_nothing(void **state)
{
	static const double effects[] = {0, 0.1, -0.3};
	const struct schedule_rule rule = {.precision_points = 1, .rounds_max = 200};
	uint32_t rounds[3] = {0};

	(void)state;
	for (size_t e = 0; e < 3; e++) {
		struct schedule_reach reach[CELLS];
		struct machine m;
		machine_make(&m, 8, 3);
		for (size_t c = 0; c < CELLS; c++)
			m.natures[c] = (struct nature){0.02, effects[e], 0.2};
		assert_int_equal(run_to_end(&m, &rule), SCHEDULE_DONE);
		all_arms_are_within(&m, 1);
		reach_of(&m, reach);
		for (size_t c = 0; c < CELLS; c++)
			rounds[e] += reach[c].rounds;
		machine_free(&m);
	}
	/* Points are of what plaintext does: widths differ by the factor of the effect alone. */
	assert_in_range(rounds[1], rounds[0] * 6 / 10, rounds[0] * 12 / 10);
	assert_true(rounds[1] > 3 * 12 && rounds[2] > rounds[0]);
}

/* Nothing will be concluded from an arm with a failed row: it cannot be waited for. */
/* The rate of an open loop is given: what its cell is about is how long responses take. */
static void an_open_loop_is_as_narrow_as_its_response_times(void **state)
{
	struct schedule_reach reach[CELLS];
	struct machine m;

	(void)state;
	machine_make(&m, 8, 2);
	m.workloads[1].rate_share = 0.5;
	for (size_t i = 0; i < m.plan.slice_count;
	     i += m.plan.cells[m.plan.slices[i].cell].arm_count) {
		const struct schedule_step step = {.cell = m.plan.slices[i].cell,
		                                   .round = m.plan.slices[i].round};
		add_round(&m, &step);
	}
	for (size_t i = 0; i < m.samples.count; i++) {
		struct sample *row = &m.samples.rows[i];
		if (strcmp(row->workload, m.workloads[1].name) != 0)
			continue;
		row->rate_msgs_s = 1000;
		row->response_p99_ns = (uint64_t)(1e7 * row->acked_s);
		row->latency_count = 1000;
	}
	reach_of(&m, reach);
	assert_true(isfinite(reach[1].width_points));
	assert_true(reach[1].width_points > 0.5);
	machine_free(&m);
}

static void a_failed_arm_asks_for_nothing(void **state)
{
	const struct schedule_rule rule = {.precision_points = 100, .rounds_max = 200};
	struct schedule_reach reach[CELLS];
	struct machine m;

	(void)state;
	machine_make(&m, 8, 3);
	run_to_end(&m, &rule);
	for (size_t i = 0; i < m.samples.count; i++) {
		struct sample *row = &m.samples.rows[i];
		if (strcmp(row->workload, "read-1k") != 0 || row->round != 2 ||
		    strcmp(row->arm, "none") != 0)
			continue;
		row->valid = 0;
		snprintf(row->error, sizeof(row->error), "killed by signal 9");
	}
	reach_of(&m, reach);
	assert_true(isnan(reach[1].width_points));
	assert_true(reach[2].width_points > 0);
	assert_int_equal(reach[1].rounds, 8);
	machine_free(&m);
}

/* ---- budget ---- */

static void a_budget_is_not_gone_beyond(void **state)
{
	static const double budgets[] = {3, 10, 19, 40, 80};

	(void)state;
	for (size_t i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++) {
		const struct schedule_rule rule = {
		        .precision_points = 0.1, .budget_s = budgets[i], .rounds_max = 200};
		struct schedule_step step;
		struct machine m;
		double square_s;
		machine_make(&m, 8, 3);
		assert_int_equal(run_to_end(&m, &rule), SCHEDULE_BUDGET);
		/* A square takes 4 x 4 slices of 0.2 s: 3.2 s; the first one is always run. */
		assert_true(m.used_s <= fmax(budgets[i], 3.2) + 1e-9);
		square_s = schedule_square_s(&m.plan, 0, &m.samples);
		if (budgets[i] > 10)
			assert_true(fabs(square_s - 3.2) < 1e-6);
		if (budgets[i] > 3.2)
			assert_true(m.used_s > budgets[i] - 3.5);
		assert_int_equal(m.samples.count % 16, 0);
		/* One that goes on after the budget is used does nothing more. */
		assert_int_equal(schedule_next(&m.plan, &rule, &m.samples, m.used_s, &step),
		                 SCHEDULE_BUDGET);
		machine_free(&m);
	}
}

/* ---- rounds that are run again ---- */

static void a_round_that_was_set_aside_is_next(void **state)
{
	const struct schedule_rule fixed = {0};
	const struct schedule_rule wide = {.precision_points = 1, .rounds_max = 200};

	(void)state;
	for (int i = 0; i < 2; i++) {
		const struct schedule_rule *rule = i == 0 ? &fixed : &wide;
		struct schedule_step step, again;
		struct schedule_reach reach[CELLS];
		struct machine m;
		char error[512];
		machine_make(&m, 8, 3);
		for (int n = 0; n < 20; n++) {
			assert_int_equal(schedule_next(&m.plan, rule, &m.samples, 0, &step),
			                 SCHEDULE_NEXT);
			add_round(&m, &step);
			if (n != 6 && n != 7)
				continue;
			set_aside(&m);
			assert_int_equal(schedule_next(&m.plan, rule, &m.samples, 0, &again),
			                 SCHEDULE_NEXT);
			assert_int_equal(again.cell, step.cell);
			assert_int_equal(again.round, step.round);
			assert_int_equal(again.attempt, step.attempt + 1);
		}
		assert_int_equal(schedule_repeated(&m.samples), 2);
		reach_of(&m, reach);
		assert_int_equal(reach[0].rounds + reach[1].rounds + reach[2].rounds, 18);
		assert_int_equal(schedule_whole(&m.plan, rule, &m.samples, error),
		                 (int64_t)m.samples.count);
		machine_free(&m);
	}
}

static void repeats_are_bounded(void **state)
{
	const struct schedule_rule rule = {0};
	struct schedule_step step;
	enum schedule_state next;
	struct machine m;
	size_t rounds = 0;

	(void)state;
	machine_make(&m, 8, 3);
	/* Every round is disturbed. */
	while ((next = schedule_next(&m.plan, &rule, &m.samples, 0, &step)) == SCHEDULE_NEXT) {
		int may = schedule_may_repeat(&m.plan, &m.samples, &step);
		assert_true(step.attempt <= SCHEDULE_REPEATS_MAX);
		add_round(&m, &step);
		if (may)
			set_aside(&m);
		else
			rounds++;
	}
	assert_int_equal(next, SCHEDULE_DONE);
	assert_int_equal(rounds, 3 * 8);
	assert_int_equal(schedule_repeated(&m.samples), 3 * 8 / SCHEDULE_REPEATS_SHARE);
	machine_free(&m);
}

/* ---- a run that goes on ---- */

/* Cut behind any row, a run has the same whole rounds and goes on with the same step. */
static void it_goes_on_as_it_would_have(void **state)
{
	const struct schedule_rule rules[] = {{0}, {.precision_points = 1.5, .rounds_max = 40}};

	(void)state;
	for (size_t r = 0; r < 2; r++) {
		struct machine m;
		size_t all;
		machine_make(&m, 8, 3);
		run_to_end(&m, &rules[r]);
		all = m.samples.count;
		for (size_t count = 0; count <= all; count++) {
			struct samples cut = {.rows = m.samples.rows, .count = count};
			struct schedule_step step;
			enum schedule_state next;
			char error[512];
			int64_t whole = schedule_whole(&m.plan, &rules[r], &cut, error);
			assert_int_equal(whole, (int64_t)(count / 4 * 4));
			cut.count = (size_t)whole;
			next = schedule_next(&m.plan, &rules[r], &cut, 0, &step);
			if (count / 4 * 4 == all) {
				assert_int_not_equal(next, SCHEDULE_NEXT);
				continue;
			}
			assert_int_equal(next, SCHEDULE_NEXT);
			assert_int_equal(step.round, m.samples.rows[whole].round);
			assert_string_equal(m.workloads[step.cell].name,
			                    m.samples.rows[whole].workload);
		}
		machine_free(&m);
	}
}

static void refused(struct machine *m, const char *text)
{
	const struct schedule_rule rule = {0};
	char error[512];

	if (schedule_whole(&m->plan, &rule, &m->samples, error) != -1 ||
	    strstr(error, text) == NULL)
		fail_msg("'%s', expected '%s'", error, text);
}

static void rows_of_another_plan_are_refused(void **state)
{
	const struct schedule_rule rule = {0};
	struct machine m;
	struct sample held;
	char error[512];

	(void)state;
	machine_make(&m, 8, 3);
	run_to_end(&m, &rule);
	/* Two rows changed places: line 3 is the first row's. */
	held = m.samples.rows[9];
	m.samples.rows[9] = m.samples.rows[10];
	m.samples.rows[10] = held;
	refused(&m, "line 12: found");
	m.samples.rows[10] = m.samples.rows[9];
	m.samples.rows[9] = held;
	assert_int_equal(schedule_whole(&m.plan, &rule, &m.samples, error),
	                 (int64_t)m.samples.count);
	/* An attempt that nothing came before. */
	for (size_t i = 4; i < 8; i++)
		m.samples.rows[i].attempt = 1;
	refused(&m, "line 7: found");
	for (size_t i = 4; i < 8; i++)
		m.samples.rows[i].attempt = 0;
	/* A round lacks a row, and it is not the last one. */
	memmove(&m.samples.rows[3], &m.samples.rows[4],
	        (m.samples.count - 4) * sizeof(m.samples.rows[0]));
	m.samples.count--;
	refused(&m, "line 6: found another round");
	machine_free(&m);

	machine_make(&m, 8, 3);
	run_to_end(&m, &rule);
	/* Another seed, another order. */
	plan_free(&m.plan);
	m.request.seed++;
	assert_int_equal(plan_make(&m.request, &m.plan, error), 0);
	refused(&m, "this is not what the plan led to");
	/* Fewer rounds. */
	plan_free(&m.plan);
	m.request.seed--;
	m.request.rounds = 4;
	assert_int_equal(plan_make(&m.request, &m.plan, error), 0);
	refused(&m, "behind the last round of the plan");
	machine_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(fixed_rounds_are_the_plan_in_its_order),
	        cmocka_unit_test(further_squares_go_to_the_widest_cell_until_all_are_narrow),
	        cmocka_unit_test(a_cell_has_no_more_rounds_than_it_may),
	        cmocka_unit_test(significance_ends_nothing),
	        cmocka_unit_test(a_failed_arm_asks_for_nothing),
	        cmocka_unit_test(an_open_loop_is_as_narrow_as_its_response_times),
	        cmocka_unit_test(a_budget_is_not_gone_beyond),
	        cmocka_unit_test(a_round_that_was_set_aside_is_next),
	        cmocka_unit_test(repeats_are_bounded),
	        cmocka_unit_test(it_goes_on_as_it_would_have),
	        cmocka_unit_test(rows_of_another_plan_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
