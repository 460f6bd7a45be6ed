/* compare.c - see compare.h. First every row gets its evidence, then all are judged together. */
#include "harness/analysis/compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/analysis/compare_side.h"

#define CONFIDENCE 0.95
#define LEVEL      0.025 /* one-sided, what an interval of 95 % is made of */

/* What is judged; NULL ends. */
static const char *const *metrics_of(const struct compare_entry *e)
{
	static const char *const closed[] = {COMPARE_TIME, COMPARE_CPU, NULL};
	static const char *const open[] = {COMPARE_RESPONSE, NULL};

	return e->sample->rate_msgs_s > 0 ? open : closed;
}

/* Servers elsewhere show no processor time; nothing else may be missing on both sides. */
static int may_lack(const char *metric)
{
	return strcmp(metric, COMPARE_CPU) == 0;
}

const char *compare_verdict_name(enum compare_verdict v)
{
	static const char *const names[] = {"same", "better", "worse", "inconclusive"};

	return names[v];
}

/* ---- the evidence of a row ---- */

/* Log-ratios: of two results those of either, of two programs one to the other (new_ none). */
struct ratios {
	double *base, *new_;
	size_t m, n;
};

static int all_finite(const double *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isfinite(x[i]))
			return 0;
	return 1;
}

/* d, the shift, and the p of its being above `high` or below `low`, whichever is less. */
static struct stats_interval shift_of(const struct ratios *r, double low, double high, double *p)
{
	double below = 1;
	double above;

	if (r->new_ != NULL) {
		above = stats_shift_p(r->base, r->m, r->new_, r->n, high);
		if (isfinite(low))
			below = stats_shift_p(r->new_, r->n, r->base, r->m, -low);
		*p = fmin(above, below);
		return stats_shift(r->base, r->m, r->new_, r->n, CONFIDENCE);
	}
	struct stats_interval d = stats_hodges_lehmann(r->base, r->m);
	above = stats_signed_rank_p(r->base, r->m, high);
	for (size_t i = 0; i < r->m; i++)
		r->base[i] = -r->base[i];
	if (isfinite(low))
		below = stats_signed_rank_p(r->base, r->m, -low);
	*p = fmin(above, below);
	return d;
}

/* Change and p of the row, from its margin. scale: what one hundredth of d is worth, e^m or 1. */
static void weigh(struct compare_row *row, const struct ratios *r, double scale)
{
	double share = row->margin / (100 * scale);
	/* Nothing can be cheaper by more than all of it. */
	double low = share < 1 ? log1p(-share) : -INFINITY;
	struct stats_interval d = shift_of(r, low, log1p(share), &row->p);

	row->change.estimate = 100 * scale * expm1(d.estimate);
	row->change.low = 100 * scale * expm1(d.low);
	row->change.high = 100 * scale * expm1(d.high);
}

/* Where memory for another row, zeroed, is; NULL when it ran out. */
static struct compare_row *new_row(struct comparison *out)
{
	struct compare_row *more = realloc(out->rows, (out->count + 1) * sizeof(*more));

	if (more == NULL)
		return NULL;
	out->rows = more;
	more += out->count++;
	memset(more, 0, sizeof(*more));
	return more;
}

static void name_row(struct compare_row *row, const struct compare_entry *base,
                     const struct compare_entry *new_, const char *metric)
{
#define COPY(field, from) snprintf(row->field, sizeof(row->field), "%s", from)
	COPY(workload, base->row->workload);
	COPY(new_workload, new_->row->workload);
	COPY(target, base->row->target);
	COPY(version, base->row->target_version);
	COPY(new_version, new_->row->target_version);
	COPY(dir, base->row->dir);
	COPY(provider, base->row->provider);
	COPY(arm, base->row->arm);
	COPY(digest, base->sample->workload_digest);
#undef COPY
	row->payload_bytes = base->row->payload_bytes;
	row->metric = metric;
}

static struct stats_interval overhead_of(const struct summary_row *row)
{
	return (struct stats_interval){row->overhead_pct, row->low_pct, row->high_pct};
}

static const struct stats_interval no_interval = {NAN, NAN, NAN};

/* One metric of one pair of entries. 0, or -1: memory. */
static int add_row(struct comparison *out, const struct compare_entry *base,
                   const struct compare_entry *new_, const struct summary_row *was,
                   const struct summary_row *is, const char *metric, struct ratios *r)
{
	double scale = out->programs ? 1 : 1 + was->overhead_pct / 100;

	if (r->m == 0 || (r->new_ != NULL && r->n == 0) || !all_finite(r->base, r->m) ||
	    (r->new_ != NULL && !all_finite(r->new_, r->n)) || !(scale > 0))
		return compare_problem_add(out, COMPARE_BROKEN,
		                           "%.60s: arm %.60s of %.60s (%.20s) has no pair of "
		                           "rounds in which both measured something",
		                           metric, base->row->arm, base->row->workload,
		                           base->row->target);
	struct compare_row *row = new_row(out);
	if (row == NULL)
		return -1;
	name_row(row, base, new_, metric);
	row->rounds = r->m;
	row->new_rounds = r->new_ != NULL ? r->n : r->m;
	row->value = was->value;
	row->new_value = is->value;
	row->overhead = out->programs ? no_interval : overhead_of(was);
	row->new_overhead = out->programs ? no_interval : overhead_of(is);
	row->floor = isnan(was->floor_pct) || isnan(is->floor_pct)
	                     ? NAN
	                     : fmax(was->floor_pct, is->floor_pct);
	row->margin = fmax(out->margin, row->floor); /* passes over a NaN */
	weigh(row, r, scale);
	return 0;
}

/* ---- judged together ---- */

/* Of two programs the other side is none. */
static int is_restless(const struct comparison *c)
{
	return c->noisy || c->new_noisy || repeat_too_many(&c->tally) ||
	       repeat_too_many(&c->new_tally);
}

static enum compare_verdict judge(const struct comparison *c, const struct compare_row *row)
{
	struct stats_interval d = row->change;

	if (is_restless(c) || !isfinite(d.low) || !isfinite(d.high) || !isfinite(row->floor))
		return COMPARE_INCONCLUSIVE;
	if (d.low > row->margin && row->p <= LEVEL)
		return COMPARE_WORSE;
	if (d.high < -row->margin && row->p <= LEVEL)
		return COMPARE_BETTER;
	if (row->floor <= c->margin && d.low >= -c->margin && d.high <= c->margin)
		return COMPARE_SAME;
	return COMPARE_INCONCLUSIVE;
}

static int judge_all(struct comparison *c)
{
	double *p = malloc((2 * c->count + 1) * sizeof(*p));

	if (p == NULL)
		return -1;
	for (size_t i = 0; i < c->count; i++)
		p[i] = c->rows[i].p;
	stats_holm(p, c->count, p + c->count);
	for (size_t i = 0; i < c->count; i++) {
		c->rows[i].p = p[c->count + i];
		c->rows[i].verdict = judge(c, &c->rows[i]);
		c->counts[c->rows[i].verdict]++;
	}
	free(p);
	if (c->counts[COMPARE_WORSE] > 0)
		c->verdict = COMPARE_WORSE;
	else if (c->counts[COMPARE_INCONCLUSIVE] > 0 || c->count == 0)
		c->verdict = COMPARE_INCONCLUSIVE;
	else
		c->verdict = c->counts[COMPARE_BETTER] > 0 ? COMPARE_BETTER : COMPARE_SAME;
	return 0;
}

/* ---- two results ---- */

static void note_number(struct comparison *out, const char *what, const char *of, uint64_t a,
                        uint64_t b)
{
	char text[96], x[24], y[24];

	snprintf(text, sizeof(text), "%s %.60s", what, of);
	snprintf(x, sizeof(x), "%" PRIu64, a);
	snprintf(y, sizeof(y), "%" PRIu64, b);
	fingerprint_note(&out->changed, text, x, y);
}

/* What the rows tell that is no part of the cell. */
static void note_changes(struct comparison *out, const struct compare_entry *base,
                         const struct compare_entry *new_)
{
	const struct sample *a = base->sample;
	const struct sample *b = new_->sample;
	char of[128];

	snprintf(of, sizeof(of), "version of %.60s", a->target);
	fingerprint_note(&out->changed, of, a->target_version, b->target_version);
	note_number(out, "replicas of", a->target, a->replicas, b->replicas);
	snprintf(of, sizeof(of), "flush of %.60s", a->target);
	fingerprint_note(&out->changed, of, a->flush, b->flush);
	fingerprint_note(&out->changed, "name of a workload", a->workload, b->workload);
	note_number(out, "messages of", a->workload, a->messages, b->messages);
	note_number(out, "messages/s offered to", a->workload, (uint64_t)a->rate_msgs_s,
	            (uint64_t)b->rate_msgs_s);
	snprintf(of, sizeof(of), "%.20s of %.30s", a->arm, a->workload);
	note_number(out, "ns injected into", of, a->injected_ns, b->injected_ns);
}

static int add_plain(struct comparison *out, const struct summary_row *was,
                     const struct summary_row *is, const char *metric)
{
	for (size_t i = 0; i < out->plain_count; i++) {
		const struct compare_plain *known = &out->plain[i];
		if (strcmp(known->workload, was->workload) == 0 &&
		    strcmp(known->target, was->target) == 0 &&
		    strcmp(known->version, was->target_version) == 0 && known->metric == metric)
			return 0;
	}
	struct compare_plain *more = realloc(out->plain, (out->plain_count + 1) * sizeof(*more));
	if (more == NULL)
		return -1;
	out->plain = more;
	more += out->plain_count++;
	memset(more, 0, sizeof(*more));
	snprintf(more->workload, sizeof(more->workload), "%s", was->workload);
	snprintf(more->target, sizeof(more->target), "%s", was->target);
	snprintf(more->version, sizeof(more->version), "%s", was->target_version);
	more->metric = metric;
	more->value = was->baseline_value;
	more->new_value = is->baseline_value;
	more->change_pct = 100 * (is->baseline_value / was->baseline_value - 1);
	return 0;
}

/* The metrics of a pair. room: for as many values as both sides have rows. */
static int compare_entries(const struct compare_side *base, const struct compare_side *new_,
                           const struct compare_entry *e, struct comparison *out, double *room)
{
	const struct summary_row *b = e->row;
	const struct summary_row *n = e->match->row;
	int rc = 0;

	note_changes(out, e, e->match);
	if (b->baseline[0] == '\0' || n->baseline[0] == '\0')
		return compare_problem_add(out, COMPARE_BROKEN,
		                           "%.60s (%.20s) has no plaintext: there is no overhead "
		                           "to compare",
		                           b->workload, b->target);
	for (const char *const *m = metrics_of(e); *m != NULL && rc == 0; m++) {
		const char *metric = *m;
		const struct summary_row *was = summary_find(&base->summary, b, b->arm, metric);
		const struct summary_row *is = summary_find(&new_->summary, n, n->arm, metric);
		if (was == NULL && is == NULL && may_lack(metric))
			continue;
		if (was == NULL || is == NULL) {
			rc = compare_problem_add(
			        out, COMPARE_BROKEN, "%.120s has no %s of arm %.60s of %.60s",
			        was == NULL ? base->name : new_->name, metric, b->arm, b->workload);
			continue;
		}
		struct ratios r = {.base = room, .new_ = room + base->samples->count};
		int64_t x = summary_pairs(base->samples, b, b->baseline, b->arm, metric, r.base);
		int64_t y = summary_pairs(new_->samples, n, n->baseline, n->arm, metric, r.new_);
		if (x < 0 || y < 0)
			return -1;
		r.m = (size_t)x;
		r.n = (size_t)y;
		rc = add_row(out, e, e->match, was, is, metric, &r) |
		     add_plain(out, was, is, metric);
	}
	return rc;
}

static int compare_sides(struct compare_side *base, struct compare_side *new_,
                         struct comparison *out)
{
	double *room = malloc((base->samples->count + new_->samples->count + 1) * sizeof(*room));
	int rc = room == NULL ? -1 : compare_match(base, new_, out);

	out->noisy = summary_inconclusive(&base->summary.run);
	out->new_noisy = summary_inconclusive(&new_->summary.run);
	out->tally = repeat_tally_of(base->samples);
	out->new_tally = repeat_tally_of(new_->samples);
	for (size_t i = 0; i < base->count && rc == 0; i++)
		if (base->entries[i].match != NULL)
			rc = compare_entries(base, new_, &base->entries[i], out, room);
	free(room);
	if (rc == 0 && out->count == 0)
		rc = compare_problem_add(out, COMPARE_BROKEN,
		                         "%.150s and %.150s: no arm of a cipher in common",
		                         base->name, new_->name);
	return rc == 0 ? judge_all(out) : rc;
}

int compare_results(const struct samples *base, const struct samples *new_,
                    const struct compare_options *options, struct comparison *out)
{
	struct compare_side a = {0};
	struct compare_side b = {0};

	memset(out, 0, sizeof(*out));
	out->margin = options->margin;
	int rc = compare_side_open(&a, base, options->base_name, out);
	if (rc == 0)
		rc = compare_side_open(&b, new_, options->new_name, out);
	if (rc == 0 && out->problem_count == 0)
		rc = compare_sides(&a, &b, out);
	compare_side_close(&a);
	compare_side_close(&b);
	if (rc != 0)
		comparison_free(out);
	return rc;
}

/* ---- two programs ---- */

/* The entry of the same cell and another arm; NULL when it is not there. */
static const struct compare_entry *arm_beside(const struct compare_side *side,
                                              const struct compare_entry *e, const char *arm)
{
	for (size_t i = 0; i < side->count; i++) {
		const struct summary_row *row = side->entries[i].row;
		if (strcmp(row->arm, arm) == 0 && strcmp(row->workload, e->row->workload) == 0 &&
		    summary_same_target(row, e->row))
			return &side->entries[i];
	}
	return NULL;
}

/* X of an arm X+NAME; 0 when it is not of that program. */
static int stem_of(const char *arm, const char *program, char stem[SAMPLES_TEXT_BYTES])
{
	const char *plus = strchr(arm, '+');

	if (plus == NULL || strcmp(plus + 1, program) != 0)
		return 0;
	snprintf(stem, SAMPLES_TEXT_BYTES, "%.*s", (int)(plus - arm), arm);
	return 1;
}

static int compare_arms(const struct compare_side *side, const struct compare_entry *base,
                        const struct compare_entry *new_, struct comparison *out, double *room)
{
	int rc = 0;

	for (const char *const *m = metrics_of(base); *m != NULL && rc == 0; m++) {
		const char *metric = *m;
		const struct summary_row *cell = base->row;
		const struct summary_row *was =
		        summary_find(&side->summary, cell, cell->arm, metric);
		const struct summary_row *is =
		        summary_find(&side->summary, cell, new_->row->arm, metric);
		if (was == NULL && is == NULL && may_lack(metric))
			continue;
		if (was == NULL || is == NULL) {
			rc = compare_problem_add(
			        out, COMPARE_BROKEN, "%.120s has no %s of arm %.60s of %.60s",
			        side->name, metric, was == NULL ? cell->arm : new_->row->arm,
			        cell->workload);
			continue;
		}
		struct ratios r = {.base = room};
		int64_t n =
		        summary_pairs(side->samples, cell, cell->arm, new_->row->arm, metric, room);
		if (n < 0)
			return -1;
		r.m = (size_t)n;
		rc = add_row(out, base, new_, was, is, metric, &r);
	}
	return rc;
}

/* Each arm has its counterpart of the other program, in every cell. */
static int compare_with_program(const struct compare_side *side, struct comparison *out,
                                double *room)
{
	char name[SAMPLES_TEXT_BYTES + 80];
	char stem[SAMPLES_TEXT_BYTES];
	int rc = 0;
	int found = 0;

	for (size_t i = 0; i < side->count; i++)
		found |= stem_of(side->entries[i].row->arm, out->program, stem);
	if (!found)
		return compare_problem_add(out, COMPARE_BROKEN,
		                           "%.150s: no arm of a program \"%.60s\", expected a run "
		                           "with --arm %.60s=PROGRAM",
		                           side->name, out->program, out->program);
	for (size_t i = 0; i < side->count && rc == 0; i++) {
		const struct compare_entry *e = &side->entries[i];
		const struct compare_entry *other;
		int is_new = stem_of(e->row->arm, out->program, stem);
		if (!is_new && strchr(e->row->arm, '+') != NULL)
			continue; /* of a third program */
		if (!is_new)
			snprintf(name, sizeof(name), "%s+%s", e->row->arm, out->program);
		other = arm_beside(side, e, is_new ? stem : name);
		if (other == NULL)
			rc = compare_problem_add(out, COMPARE_BROKEN,
			                         "%.150s: %.60s (%.20s) has arm %.60s, but no "
			                         "%.100s to compare it with",
			                         side->name, e->row->workload, e->row->target,
			                         e->row->arm, is_new ? stem : name);
		else if (!is_new)
			rc = compare_arms(side, e, other, out, room);
	}
	if (rc == 0 && out->count == 0)
		rc = compare_problem_add(out, COMPARE_BROKEN, "%.150s: nothing to compare",
		                         side->name);
	return rc;
}

int compare_programs(const struct samples *run, const char *program,
                     const struct compare_options *options, struct comparison *out)
{
	struct compare_side side = {0};

	memset(out, 0, sizeof(*out));
	out->programs = 1;
	out->margin = options->margin;
	snprintf(out->program, sizeof(out->program), "%s", program);
	double *room = malloc((run->count + 1) * sizeof(*room));
	int rc = room == NULL ? -1 : compare_side_open(&side, run, options->new_name, out);
	if (rc == 0) {
		out->noisy = summary_inconclusive(&side.summary.run);
		out->tally = repeat_tally_of(run);
		if (out->problem_count == 0)
			rc = compare_with_program(&side, out, room);
	}
	if (rc == 0)
		rc = judge_all(out);
	free(room);
	compare_side_close(&side);
	if (rc != 0)
		comparison_free(out);
	return rc;
}

void comparison_free(struct comparison *c)
{
	free(c->rows);
	free(c->plain);
	free(c->problems);
	memset(c, 0, sizeof(*c));
}
