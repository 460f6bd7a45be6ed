/* compare_side.c - see compare_side.h. What is not there, failed or was cut off fails closed: it is
 * told by name, and nothing is concluded.
 */
#include "harness/analysis/compare_side.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int compare_problem_add(struct comparison *out, enum compare_fault fault, const char *format, ...)
{
	struct compare_problem *more =
	        realloc(out->problems, (out->problem_count + 1) * sizeof(*more));
	va_list arguments;

	if (more == NULL)
		return -1;
	out->problems = more;
	more += out->problem_count++;
	more->fault = fault;
	va_start(arguments, format);
	vsnprintf(more->text, sizeof(more->text), format, arguments);
	va_end(arguments);
	return 0;
}

int compare_has_problem(const struct comparison *c, int one_sided)
{
	for (size_t i = 0; i < c->problem_count; i++)
		if (one_sided || c->problems[i].fault != COMPARE_ONE_SIDED)
			return 1;
	return 0;
}

int compare_is_baseline(const struct compare_entry *e)
{
	return strcmp(e->row->arm, "none") == 0;
}

/* ---- is it fit? ---- */

static int is_plaintext_arm(const struct sample *s)
{
	return strcmp(s->arm, "none") == 0 || strcmp(s->arm, "none-twin") == 0;
}

/* What holds for single rows; the first of each kind is told. */
static int check_rows(const struct compare_side *side, struct comparison *out)
{
	int told_build = 0;
	int told_injected = 0;
	int told_digest = 0;
	int rc = 0;

	for (size_t i = 0; i < side->samples->count; i++) {
		const struct sample *s = &side->samples->rows[i];
		if (strcmp(s->build, "release") != 0 && !told_build++)
			rc |= compare_problem_add(
			        out, COMPARE_UNFIT,
			        "%.150s: arm %.60s of %.60s is of a %.20s build, expected "
			        "\"release\": it is not fit to measure with",
			        side->name, s->arm, s->workload,
			        s->build[0] != '\0' ? s->build : "nameless");
		if (s->injected_ns != 0 && is_plaintext_arm(s) && !told_injected++)
			rc |= compare_problem_add(out, COMPARE_UNFIT,
			                          "%.150s: arm %.60s of %.60s was slowed on "
			                          "purpose by %" PRIu64 " ns: it is no yardstick",
			                          side->name, s->arm, s->workload, s->injected_ns);
		if (s->workload_digest[0] == '\0' && !told_digest++)
			rc |= compare_problem_add(out, COMPARE_BROKEN,
			                          "%.150s: %.60s has no workload_digest",
			                          side->name, s->workload);
	}
	return rc;
}

/* Why nothing may be concluded from an arm. */
static const char *failure_of(const struct compare_side *side, const struct summary_row *row)
{
	for (size_t i = 0; i < side->samples->count; i++) {
		const struct sample *s = &side->samples->rows[i];
		if (strcmp(s->workload, row->workload) == 0 &&
		    strcmp(s->target, row->target) == 0 &&
		    strcmp(s->target_version, row->target_version) == 0 &&
		    (strcmp(s->arm, row->arm) == 0 || strcmp(s->arm, "none") == 0) &&
		    s->valid == 0 && !samples_set_aside(s))
			return s->error[0] != '\0' ? s->error : "a slice failed";
	}
	return "a round of it or of its plaintext is missing, or measured nothing";
}

static int same_arm(const struct summary_row *a, const struct summary_row *b)
{
	return summary_same_target(a, b) && strcmp(a->arm, b->arm) == 0;
}

/* The one row that every arm has. */
static int stands_for_arm(const struct summary_row *row)
{
	return strcmp(row->metric, COMPARE_TIME) == 0 || strcmp(row->metric, COMPARE_OFFERED) == 0;
}

/* Arms of a target that one of its cells lacks, each of them told. */
static int check_missing(const struct compare_side *side, struct comparison *out)
{
	const struct summary *s = &side->summary;
	int rc = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct summary_row *arm = &s->rows[i];
		size_t first = 0;
		while (!same_arm(&s->rows[first], arm))
			first++;
		if (first != i)
			continue; /* this arm was dealt with */
		for (size_t j = 0; j < s->count; j++) {
			const struct summary_row *cell = &s->rows[j];
			int new_cell = j == 0 || !summary_same_target(cell, cell - 1) ||
			               strcmp(cell->workload, (cell - 1)->workload) != 0;
			if (!new_cell || !summary_same_target(cell, arm) ||
			    summary_find(s, cell, arm->arm, cell->metric) != NULL)
				continue;
			rc |= compare_problem_add(
			        out, COMPARE_BROKEN,
			        "%.150s: %.60s (%.20s) has no arm %.60s, which other workloads "
			        "have",
			        side->name, cell->workload, cell->target, arm->arm);
		}
	}
	return rc;
}

static int check_arms(const struct compare_side *side, struct comparison *out)
{
	int rc = 0;

	for (size_t i = 0; i < side->summary.count; i++) {
		const struct summary_row *row = &side->summary.rows[i];
		if (stands_for_arm(row) && strcmp(row->verdict, "invalid") == 0)
			rc |= compare_problem_add(
			        out, COMPARE_BROKEN,
			        "%.150s: arm %.60s of %.60s (%.20s) does not count: %.150s",
			        side->name, row->arm, row->workload, row->target,
			        failure_of(side, row));
	}
	return rc | check_missing(side, out);
}

/* ---- what is there ---- */

static const struct sample *first_sample(const struct samples *samples,
                                         const struct summary_row *row)
{
	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *s = &samples->rows[i];
		if (strcmp(s->workload, row->workload) == 0 &&
		    strcmp(s->target, row->target) == 0 &&
		    strcmp(s->target_version, row->target_version) == 0 &&
		    strcmp(s->arm, row->arm) == 0)
			return s;
	}
	return NULL;
}

static int fill_entries(struct compare_side *side)
{
	side->entries = calloc(side->summary.count + 1, sizeof(*side->entries));
	if (side->entries == NULL)
		return -1;
	for (size_t i = 0; i < side->summary.count; i++) {
		const struct summary_row *row = &side->summary.rows[i];
		if (!stands_for_arm(row) || strcmp(row->arm, "none-twin") == 0)
			continue;
		side->entries[side->count++] = (struct compare_entry){
		        .row = row, .sample = first_sample(side->samples, row)};
	}
	return 0;
}

int compare_side_open(struct compare_side *side, const struct samples *samples, const char *name,
                      struct comparison *out)
{
	int rc = 0;

	memset(side, 0, sizeof(*side));
	side->name = name;
	side->samples = samples;
	if (samples->count == 0)
		rc = compare_problem_add(out, COMPARE_BROKEN, "%.150s: no rows", name);
	else if (!samples->complete)
		rc = compare_problem_add(out, COMPARE_BROKEN,
		                         "%.150s: incomplete, no trailer after %zu rows: the run "
		                         "was interrupted",
		                         name, samples->count);
	if (rc != 0 || summary_make(samples, &side->summary) != 0 || fill_entries(side) != 0)
		return -1;
	return check_rows(side, out) | check_arms(side, out);
}

void compare_side_close(struct compare_side *side)
{
	free(side->entries);
	summary_free(&side->summary);
	memset(side, 0, sizeof(*side));
}

/* ---- which is which ---- */

static int has_versions(const struct compare_side *side, const char *target)
{
	const char *known = NULL;

	for (size_t i = 0; i < side->count; i++) {
		const struct summary_row *row = side->entries[i].row;
		if (strcmp(row->target, target) != 0)
			continue;
		if (known != NULL && strcmp(known, row->target_version) != 0)
			return 1;
		known = row->target_version;
	}
	return 0;
}

/* The first part of the key in which the two differ; NULL: the same cell and arm. */
static const char *differs_in(const struct compare_entry *a, const struct compare_entry *b,
                              int by_version)
{
	const struct summary_row *x = a->row;
	const struct summary_row *y = b->row;
	uint64_t n = a->sample->messages;
	uint64_t m = b->sample->messages;

	if (strcmp(x->target, y->target) != 0)
		return "target";
	if (strcmp(x->arm, y->arm) != 0)
		return "arm";
	if (by_version && strcmp(x->target_version, y->target_version) != 0)
		return "target_version";
	if (strcmp(x->dir, y->dir) != 0)
		return "dir";
	if (strcmp(x->provider, y->provider) != 0)
		return "provider";
	if (x->payload_bytes != y->payload_bytes)
		return "payload_bytes";
	if (strcmp(a->sample->workload_digest, b->sample->workload_digest) != 0)
		return "workload_digest";
	/* The time of the one holds the device's, of the other it does not. */
	if (a->sample->sync_ordered != b->sample->sync_ordered)
		return "sync_ordered";
	if (n / 2 > m || m / 2 > n)
		return "messages";
	return NULL;
}

static int tell_one_sided(const struct compare_entry *e, const struct compare_side *side,
                          const struct compare_side *other, struct comparison *out)
{
	char why[128] = "";

	/* One of the same name there is what was meant, most likely. */
	for (size_t i = 0; i < other->count && why[0] == '\0'; i++) {
		const struct compare_entry *o = &other->entries[i];
		if (strcmp(o->row->workload, e->row->workload) != 0 ||
		    strcmp(o->row->target, e->row->target) != 0 ||
		    strcmp(o->row->arm, e->row->arm) != 0)
			continue;
		const char *field = differs_in(e, o, 1);
		/* A run chooses the faster one, unless told. */
		if (field != NULL && strcmp(field, "provider") == 0)
			snprintf(why, sizeof(why),
			         "; there it is %.16s's, here %.16s's (run --provider %.16s=NAME)",
			         o->row->provider, e->row->provider, e->row->cipher);
		else if (field != NULL)
			snprintf(why, sizeof(why), "; of the same name there differs in %s", field);
	}
	return compare_problem_add(out, COMPARE_ONE_SIDED,
	                           "only %.120s has arm %.60s of %.60s (%.20s %.30s)%s", side->name,
	                           e->row->arm, e->row->workload, e->row->target,
	                           e->row->target_version, why);
}

/* The first of the other side that is the same and free; by_name: called the same too. */
static void match_entry(struct compare_entry *e, struct compare_side *other, int by_version,
                        int by_name)
{
	for (size_t i = 0; i < other->count && e->match == NULL; i++) {
		struct compare_entry *o = &other->entries[i];
		if (o->match != NULL || compare_is_baseline(o) ||
		    differs_in(e, o, by_version) != NULL ||
		    (by_name && strcmp(e->row->workload, o->row->workload) != 0))
			continue;
		e->match = o;
		o->match = e;
	}
}

int compare_match(struct compare_side *base, struct compare_side *new_, struct comparison *out)
{
	int rc = 0;

	for (int by_name = 1; by_name >= 0; by_name--) {
		for (size_t i = 0; i < base->count; i++) {
			struct compare_entry *e = &base->entries[i];
			int by_version = has_versions(base, e->row->target) ||
			                 has_versions(new_, e->row->target);
			if (!compare_is_baseline(e))
				match_entry(e, new_, by_version, by_name);
		}
	}
	for (size_t i = 0; i < base->count; i++)
		if (base->entries[i].match == NULL && !compare_is_baseline(&base->entries[i]))
			rc |= tell_one_sided(&base->entries[i], base, new_, out);
	for (size_t i = 0; i < new_->count; i++)
		if (new_->entries[i].match == NULL && !compare_is_baseline(&new_->entries[i]))
			rc |= tell_one_sided(&new_->entries[i], new_, base, out);
	return rc;
}
