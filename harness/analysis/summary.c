/* summary.c - see summary.h. Samples are sorted once by cell, arm and round; a cell is a run of
 * them, an arm a run of that, and pairs come from walking two arms side by side. */
#include "harness/analysis/summary.h"

#include "harness/analysis/metrics.h"
#include "harness/analysis/stats.h"
#include "harness/analysis/verdict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ARMS_MAX 64

/* ---- cells and arms ---- */

struct arm {
	const char *name;
	const struct sample **rows; /* by round */
	size_t count;
	size_t valid;
	int invalid; /* nothing may be concluded from it */
};

struct cell {
	const struct sample **rows;
	size_t count;
	struct arm arms[ARMS_MAX];
	size_t arm_count;
	const struct arm *baseline, *twin; /* NULL when absent */
	int alone;          /* there is nothing to compare with, and that is no fault */
	int synced;         /* its slices end with a sync, and the headline with that */
	const char *metric; /* the only one that is asked for, NULL: all */
	/* room for the pairs of two arms */
	double *x, *y, *scratch;
};

static int arm_rank(const char *arm, size_t bytes)
{
	static const char *const known[] = {"none", "none-twin", "chachapoly", "aes"};
	int i = 0;
	for (; i < 4; i++)
		if (strlen(known[i]) == bytes && memcmp(arm, known[i], bytes) == 0)
			break;
	return i;
}

/* Names are CIPHER[@DIRECTORY][+PROGRAM]: the first directory's come first, then directory by
 * directory; within one in the order of the documentation. */
static int arm_order(const char *a, const char *b)
{
	size_t a_bytes = strcspn(a, "@+");
	size_t b_bytes = strcspn(b, "@+");
	int order = strcmp(a + a_bytes, b + b_bytes);
	if (order == 0)
		order = arm_rank(a, a_bytes) - arm_rank(b, b_bytes);
	return order != 0 ? order : strcmp(a, b);
}

/* Publishing first, it is what most ask about; then reading, then the rest by name. */
static int class_rank(const char *class_)
{
	if (strncmp(class_, "publish", strlen("publish")) == 0)
		return 0;
	return strncmp(class_, "read", strlen("read")) == 0 ? 1 : 2;
}

/* Who stands for a deployment first, then the store, then the rest. */
static int target_rank(const char *target)
{
	static const char *const known[] = {"nats", "server", "store"};
	int i = 0;
	while (i < 3 && strcmp(known[i], target) != 0)
		i++;
	return i;
}

static int cell_order(const struct sample *x, const struct sample *y)
{
	int order = target_rank(x->target) - target_rank(y->target);
	if (order == 0)
		order = strcmp(x->target, y->target);
	if (order == 0) /* numbers in it count as numbers, the newest comes first */
		order = strverscmp(y->target_version, x->target_version);
	if (order == 0)
		order = class_rank(x->class_) - class_rank(y->class_);
	if (order == 0)
		order = strcmp(x->class_, y->class_);
	if (order == 0)
		order = (x->payload_bytes > y->payload_bytes) -
		        (x->payload_bytes < y->payload_bytes);
	return order != 0 ? order : strcmp(x->workload, y->workload);
}

static int sample_order(const void *a, const void *b)
{
	const struct sample *x = *(const struct sample *const *)a;
	const struct sample *y = *(const struct sample *const *)b;
	int order = cell_order(x, y);
	if (order == 0)
		order = arm_order(x->arm, y->arm);
	if (order == 0)
		order = (x->round > y->round) - (x->round < y->round);
	/* A round that was set aside is so in all arms: attempts are paired with their like. */
	return order != 0 ? order : (x->attempt > y->attempt) - (x->attempt < y->attempt);
}

static const struct arm *arm_named(const struct cell *c, const char *name)
{
	for (size_t i = 0; i < c->arm_count; i++)
		if (strcmp(c->arms[i].name, name) == 0)
			return &c->arms[i];
	return NULL;
}

static int has_round(const struct arm *a, uint64_t round)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->rows[i]->round == round)
			return 1;
	return 0;
}

/* A row that failed, or a round of the cell that this arm lacks. */
static int arm_fails(const struct cell *c, const struct arm *a, int complete)
{
	uint64_t last = 0;
	for (size_t i = 0; i < c->count; i++)
		last = c->rows[i]->round > last ? c->rows[i]->round : last;
	for (size_t i = 0; i < a->count; i++)
		if (a->rows[i]->valid == 0 && !samples_set_aside(a->rows[i]))
			return 1;
	for (size_t i = 0; i < c->count; i++) {
		uint64_t round = c->rows[i]->round;
		if (!has_round(a, round) && (complete || round != last))
			return 1;
	}
	return a->valid == 0;
}

/* A server that the run did not start: its process is not this machine's to look at. */
static int is_elsewhere(const struct cell *c)
{
	return strcmp(c->rows[0]->target, "server") == 0;
}

static int is_open(const struct cell *c)
{
	return c->rows[0]->rate_msgs_s > 0;
}

static int split_arms(struct cell *c, int complete)
{
	c->arm_count = 0;
	c->synced = 0;
	for (size_t i = 0; i < c->count; i++) {
		struct arm *a = c->arm_count > 0 ? &c->arms[c->arm_count - 1] : NULL;
		if (a == NULL || strcmp(a->name, c->rows[i]->arm) != 0) {
			if (c->arm_count == ARMS_MAX)
				return -1;
			a = &c->arms[c->arm_count++];
			*a = (struct arm){.name = c->rows[i]->arm, .rows = &c->rows[i]};
		}
		a->count++;
		a->valid += c->rows[i]->valid == 1;
		c->synced |= c->rows[i]->valid == 1 && metrics_end_synced(c->rows[i]);
	}
	c->baseline = arm_named(c, "none");
	c->twin = arm_named(c, "none-twin");
	for (size_t i = 0; i < c->arm_count; i++)
		c->arms[i].invalid = arm_fails(c, &c->arms[i], complete);
	/* Servers that were there are what the user has; elsewhere plaintext is always ordered. */
	c->alone = c->baseline == NULL && is_elsewhere(c);
	c->twin = c->alone ? NULL : c->twin;
	for (size_t i = 0; i < c->arm_count && !c->alone; i++)
		c->arms[i].invalid |= c->baseline == NULL || c->baseline->invalid;
	return 0;
}

/* ---- effects ---- */

struct effect {
	size_t rounds;
	double baseline_value, value;
	struct stats_interval overhead; /* percent */
	struct stats_interval added;    /* in the metric's unit */
};

static struct stats_interval interval_of(const struct metric *m, const double *x, size_t n)
{
	/* Any fixed seed: the same rows must give the same summary. */
	return m->kind == METRIC_PERCENTILE ? stats_bootstrap(x, n, 1) : stats_hodges_lehmann(x, n);
}

static struct stats_interval overhead_of_log(const struct metric *m, struct stats_interval log)
{
	if (m->more_is_better)
		return (struct stats_interval){100 * -expm1(log.estimate), 100 * -expm1(log.high),
		                               100 * -expm1(log.low)};
	return (struct stats_interval){100 * expm1(log.estimate), 100 * expm1(log.low),
	                               100 * expm1(log.high)};
}

/* The rounds in which both are valid; values of a go to y, of the baseline to x. */
static size_t pair(struct cell *c, const struct metric *m, const struct arm *base,
                   const struct arm *a)
{
	size_t n = 0;
	size_t i = 0;
	size_t j = 0;
	while (i < base->count && j < a->count) {
		const struct sample *s = base->rows[i];
		const struct sample *t = a->rows[j];
		if (s->round < t->round) {
			i++;
		} else if (s->round > t->round) {
			j++;
		} else {
			if (s->valid == 1 && t->valid == 1) {
				c->x[n] = m->value(s, c->synced);
				c->y[n] = m->value(t, c->synced);
				n++;
			}
			i++;
			j++;
		}
	}
	return n;
}

/* Logarithms of y / x into scratch; 0 when a value has none. */
static int log_ratios(struct cell *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!(c->x[i] > 0) || !(c->y[i] > 0))
			return 0;
		c->scratch[i] = log(c->y[i] / c->x[i]);
	}
	return 1;
}

static struct effect effect_of(struct cell *c, const struct metric *m, const struct arm *base,
                               const struct arm *a)
{
	struct effect e = {0, NAN, NAN, {NAN, NAN, NAN}, {NAN, NAN, NAN}};
	size_t n = pair(c, m, base, a);
	e.rounds = n;
	e.baseline_value = stats_median(c->x, n);
	e.value = stats_median(c->y, n);
	if (n == 0)
		return e;
	if (a == base) {
		e.overhead = (struct stats_interval){0, 0, 0};
		e.added = e.overhead;
		return e;
	}
	if (m->kind == METRIC_EXACT) {
		e.added.estimate = e.value - e.baseline_value;
		if (e.baseline_value > 0)
			e.overhead.estimate = 100 * (e.value / e.baseline_value - 1);
		return e;
	}
	for (size_t i = 0; i < n; i++)
		c->scratch[i] = c->y[i] - c->x[i];
	e.added = interval_of(m, c->scratch, n);
	if (log_ratios(c, n))
		e.overhead = overhead_of_log(m, interval_of(m, c->scratch, n));
	return e;
}

static double median_of(struct cell *c, const struct metric *m, const struct arm *a)
{
	size_t n = 0;
	for (size_t i = 0; i < a->count; i++)
		if (a->rows[i]->valid == 1)
			c->y[n++] = m->value(a->rows[i], c->synced);
	return stats_median(c->y, n);
}

static double floor_of(struct cell *c, const struct metric *m)
{
	if (c->twin == NULL || c->twin->invalid)
		return NAN;
	struct stats_interval twin = effect_of(c, m, c->baseline, c->twin).overhead;
	return m->kind == METRIC_EXACT ? fabs(twin.estimate) : verdict_floor(twin);
}

static enum verdict judge(const struct cell *c, const struct metric *m, const struct arm *a,
                          const struct effect *e, double floor)
{
	if (c->alone && !a->invalid)
		return VERDICT_INCONCLUSIVE;
	if (a->invalid || (m->required && !isfinite(e->overhead.estimate)))
		return VERDICT_INVALID;
	if (m->kind == METRIC_EXACT)
		return verdict_of_exact(e->overhead.estimate, floor);
	return verdict_of(e->overhead, floor);
}

/* Against plaintext in the same directory; the arm itself when that is what it is. */
static double own_dir_overhead(struct cell *c, const struct metric *m, const struct arm *a,
                               double overhead_pct)
{
	const char *at = strchr(a->name, '@');
	char name[SAMPLES_TEXT_BYTES + 8];
	snprintf(name, sizeof(name), "none%.*s", at != NULL ? (int)strcspn(at, "+") : 0,
	         at != NULL ? at : "");
	const struct arm *base = arm_named(c, name);
	if (base == NULL || base->invalid)
		return NAN;
	return base == c->baseline ? overhead_pct : effect_of(c, m, base, a).overhead.estimate;
}

/* ---- rows ---- */

int summary_add(struct summary *out, const struct summary_row *row)
{
	if (out->count == out->capacity) {
		size_t capacity = out->capacity == 0 ? 64 : out->capacity * 2;
		struct summary_row *larger = realloc(out->rows, capacity * sizeof(*larger));
		if (larger == NULL)
			return -1;
		out->rows = larger;
		out->capacity = capacity;
	}
	out->rows[out->count++] = *row;
	return 0;
}

static void name_row(struct summary_row *row, const struct sample *s)
{
	memset(row, 0, sizeof(*row));
#define COPY(field) memcpy(row->field, s->field, sizeof(row->field))
	COPY(workload);
	COPY(class_);
	COPY(target);
	COPY(target_version);
	COPY(dir);
	COPY(cipher);
	COPY(provider);
	COPY(arm);
#undef COPY
	row->payload_bytes = s->payload_bytes;
}

static void fill_row(struct cell *c, const struct metric *m, const struct arm *a, double floor,
                     struct summary_row *row)
{
	struct effect e = {0, NAN, NAN, {NAN, NAN, NAN}, {NAN, NAN, NAN}};
	int compared = !a->invalid && !c->alone;
	if (compared)
		e = effect_of(c, m, c->baseline, a);
	/* The twin is judged against zero alone: it is the floor. */
	double own_floor = a == c->twin || a == c->baseline ? 0 : floor;

	name_row(row, a->rows[0]);
	snprintf(row->metric, sizeof(row->metric), "%s", m->name);
	snprintf(row->unit, sizeof(row->unit), "%s", m->unit);
	snprintf(row->baseline, sizeof(row->baseline), "%s", c->alone ? "" : "none");
	snprintf(row->verdict, sizeof(row->verdict), "%s",
	         verdict_name(judge(c, m, a, &e, own_floor)));
	row->rounds = compared ? e.rounds : a->valid;
	row->baseline_value = e.baseline_value;
	row->value = compared ? e.value : median_of(c, m, a);
	row->overhead_pct = e.overhead.estimate;
	row->low_pct = e.overhead.low;
	row->high_pct = e.overhead.high;
	row->floor_pct = floor;
	row->overhead_own_dir_pct = compared ? own_dir_overhead(c, m, a, e.overhead.estimate) : NAN;
	row->added = e.added.estimate;
	row->added_low = e.added.low;
	row->added_high = e.added.high;
}

/* Not measured: zero in every valid row, or too few latencies for the percentile. */
static int measured(const struct cell *c, const struct metric *m)
{
	if (m->closed_only && is_open(c))
		return 0;
	if (m->required && !(m->owner_only && is_elsewhere(c)))
		return 1;
	int found = 0;
	for (size_t i = 0; i < c->count; i++) {
		const struct sample *s = c->rows[i];
		if (s->valid != 1)
			continue;
		if (s->latency_count < m->latencies_min)
			return 0;
		found |= m->value(s, c->synced) > 0;
	}
	return found;
}

/* What a cell is about. */
static const struct metric *headline_metric(const struct cell *c)
{
	const char *name = is_open(c) ? SUMMARY_HEADLINE_OPEN : SUMMARY_HEADLINE;
	size_t i = 0;
	while (strcmp(metrics[i].name, name) != 0)
		i++;
	return &metrics[i];
}

static void count_twin(struct cell *c, struct summary_run *run)
{
	if (c->twin == NULL || c->twin->invalid)
		return;
	struct stats_interval twin =
	        effect_of(c, headline_metric(c), c->baseline, c->twin).overhead;
	if (!isfinite(twin.low))
		return;
	run->twins++;
	run->twins_off_zero += (uint64_t)verdict_excludes_zero(twin);
}

static int is_asked_for(const struct cell *c, const struct metric *m)
{
	return (c->metric == NULL || strcmp(c->metric, m->name) == 0) && measured(c, m);
}

static int summarise_cell(struct cell *c, struct summary *out)
{
	double floors[METRIC_COUNT];
	for (size_t i = 0; i < METRIC_COUNT; i++)
		floors[i] = is_asked_for(c, &metrics[i]) ? floor_of(c, &metrics[i]) : NAN;
	for (size_t a = 0; a < c->arm_count; a++) {
		for (size_t i = 0; i < METRIC_COUNT; i++) {
			struct summary_row row;
			if (!is_asked_for(c, &metrics[i]))
				continue;
			fill_row(c, &metrics[i], &c->arms[a], floors[i], &row);
			if (summary_add(out, &row) != 0)
				return -1;
		}
		out->run.arms_invalid += c->arms[a].invalid != 0;
	}
	count_twin(c, &out->run);
	out->run.cells++;
	return 0;
}

static int same_target(const struct sample *a, const struct sample *b)
{
	return strcmp(a->target, b->target) == 0 &&
	       strcmp(a->target_version, b->target_version) == 0;
}

/* The arms are the same in every cell of a target: where some cell has more, this many were
 * lost. rows are sorted and of one target. */
static uint64_t count_missing_arms(const struct sample *const *rows, size_t count)
{
	const char *names[ARMS_MAX];
	uint64_t name_count = 0;
	uint64_t cells = 0;
	uint64_t arms = 0;
	for (size_t i = 0; i < count; i++) {
		int new_cell = i == 0 || cell_order(rows[i - 1], rows[i]) != 0;
		cells += (uint64_t)new_cell;
		if (!new_cell && strcmp(rows[i - 1]->arm, rows[i]->arm) == 0)
			continue;
		arms++;
		uint64_t known = 0;
		while (known < name_count && strcmp(names[known], rows[i]->arm) != 0)
			known++;
		if (known == name_count && name_count < ARMS_MAX)
			names[name_count++] = rows[i]->arm;
	}
	return name_count * cells - arms;
}

static void count_samples(const struct samples *samples, struct summary_run *run)
{
	run->complete = samples->complete;
	run->samples = samples->count;
	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *s = &samples->rows[i];
		if (s->valid == 1 || samples_set_aside(s))
			continue;
		if (run->invalid_samples++ == 0)
			snprintf(run->first_error, sizeof(run->first_error), "%s", s->error);
	}
}

static int summarise_cells(const struct sample **sorted, size_t count, struct cell *c,
                           struct summary *out)
{
	size_t target = 0; /* where the current target begins */
	for (size_t first = 0; first < count;) {
		size_t end = first;
		while (end < count && cell_order(sorted[first], sorted[end]) == 0)
			end++;
		c->rows = sorted + first;
		c->count = end - first;
		if (split_arms(c, out->run.complete) != 0 || summarise_cell(c, out) != 0)
			return -1;
		first = end;
		if (end == count || !same_target(sorted[target], sorted[end])) {
			if (out->run.complete)
				out->run.arms_missing +=
				        count_missing_arms(sorted + target, end - target);
			target = end;
		}
	}
	return 0;
}

/* Room for as many rows, and in the cell for their pairs; c->x is the caller's to free. */
static const struct sample **cell_rows(struct cell *c, const struct samples *samples)
{
	const struct sample **rows = malloc(samples->count * sizeof(*rows));
	c->x = malloc(3 * samples->count * sizeof(*c->x));
	if (rows == NULL || c->x == NULL) {
		free(c->x);
		free(rows);
		return NULL;
	}
	c->y = c->x + samples->count;
	c->scratch = c->y + samples->count;
	return rows;
}

int summary_make(const struct samples *samples, struct summary *out)
{
	return summary_make_metric(samples, NULL, out);
}

int summary_make_metric(const struct samples *samples, const char *metric, struct summary *out)
{
	memset(out, 0, sizeof(*out));
	count_samples(samples, &out->run);
	if (samples->count == 0)
		return 0;

	int rc = -1;
	struct cell c = {.metric = metric};
	const struct sample **sorted = cell_rows(&c, samples);
	if (sorted != NULL) {
		for (size_t i = 0; i < samples->count; i++)
			sorted[i] = &samples->rows[i];
		qsort(sorted, samples->count, sizeof(*sorted), sample_order);
		rc = summarise_cells(sorted, samples->count, &c, out);
		free(c.x);
	}
	free(sorted);
	out->run.twins_limit = stats_twin_limit(out->run.twins);
	if (rc != 0)
		summary_free(out);
	return rc;
}

int64_t summary_pairs(const struct samples *samples, const struct summary_row *cell,
                      const char *base, const char *arm, const char *metric, double *logs)
{
	struct cell c = {0};
	size_t m = 0;
	size_t n = 0;
	if (samples->count == 0)
		return 0;
	const struct sample **rows = cell_rows(&c, samples);
	if (rows == NULL)
		return -1;
	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *s = &samples->rows[i];
		if (strcmp(s->workload, cell->workload) == 0 &&
		    strcmp(s->target, cell->target) == 0 &&
		    strcmp(s->target_version, cell->target_version) == 0)
			rows[c.count++] = s;
	}
	qsort(rows, c.count, sizeof(*rows), sample_order);
	c.rows = rows;
	int rc = split_arms(&c, samples->complete);
	const struct arm *x = arm_named(&c, base);
	const struct arm *y = arm_named(&c, arm);
	while (m < METRIC_COUNT && strcmp(metrics[m].name, metric) != 0)
		m++;
	if (rc == 0 && x != NULL && y != NULL && m < METRIC_COUNT)
		n = pair(&c, &metrics[m], x, y);
	if (n > 0 && log_ratios(&c, n))
		memcpy(logs, c.scratch, n * sizeof(*logs));
	else
		n = 0;
	free(c.x);
	free(rows);
	return rc == 0 ? (int64_t)n : -1;
}

void summary_free(struct summary *s)
{
	free(s->rows);
	memset(s, 0, sizeof(*s));
}

double summary_time_ns(const struct sample *s)
{
	return s->messages > 0 ? metrics_time_ns_per_msg(s, metrics_end_synced(s)) : NAN;
}

int summary_is_server(const struct summary_row *row)
{
	return strcmp(row->target, "nats") == 0 || strcmp(row->target, "server") == 0;
}

int summary_is_cipher(const struct summary_row *row)
{
	return arm_rank(row->arm, strcspn(row->arm, "@+")) >= 2;
}

int summary_same_target(const struct summary_row *a, const struct summary_row *b)
{
	return strcmp(a->target, b->target) == 0 &&
	       strcmp(a->target_version, b->target_version) == 0;
}

int summary_inconclusive(const struct summary_run *run)
{
	return run->twins_off_zero > run->twins_limit;
}

const struct summary_row *summary_find(const struct summary *s, const struct summary_row *cell,
                                       const char *arm, const char *metric)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct summary_row *row = &s->rows[i];
		if (strcmp(row->arm, arm) == 0 && strcmp(row->metric, metric) == 0 &&
		    strcmp(row->workload, cell->workload) == 0 &&
		    strcmp(row->target, cell->target) == 0 &&
		    strcmp(row->target_version, cell->target_version) == 0)
			return row;
	}
	return NULL;
}
