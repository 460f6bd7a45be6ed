/* compare.h - did encryption become dearer? Two results, or two programs within one. Pure
 * functions of rows.
 *
 * Two results   (base, new): what is held against each other is the overhead, arm against plaintext
 *               of the same round. The two runs' rounds are independent samples x and y of such
 *               log-ratios: their shift is the two-sample Hodges-Lehmann estimate with Mann and
 *               Whitney's interval. Plaintext itself is not judged: run one after the other, two
 *               identical builds differ in half of all cases on a noisy machine. It is given as
 *               context.
 * Two programs  arms X+NAME against X (plaintext included), made in the same rounds (--arm):
 *               paired log-ratios, the estimator of the summary.
 *
 * Metrics       time per message (its inverse is the throughput) and CPU time per message; of an
 *               open loop, whose rate is given, the response time that 99 % stay below.
 * Change        two results: points of overhead, 100 e^m (e^d - 1), m the estimate of x, d the
 *               shift; two programs: percent, 100 (e^d - 1). Positive is dearer. Both are
 *               monotonous in d, so interval and margin are looked at there.
 * Margin        what was asked for, but never below the noise floor of cell and metric (the twin's)
 *               on either side.
 *
 * Worse, better the whole 95 % interval lies beyond the margin, and the one-sided p of "no more
 *               than the margin" is at most 2.5 % after Holm's correction over all rows: one false
 *               alarm among all of them stays as rare as it were in a single one.
 * Same          the whole interval lies within what was asked for, and so does the floor: noise
 *               makes it harder to fail, but never easier to pass. Needs no correction: nothing
 *               less than all rows being the same or better makes a comparison pass, so what is
 *               missed is what a single row misses.
 * Inconclusive  anything else, no interval, no twin, or a run in which more twins exclude zero than
 *               chance allows or too many of the rounds that count were disturbed (repeat.h).
 *
 * Cell          target, directory, arm, provider, payload, digest of the workload, which may be
 *               called otherwise, and whether the headline time ends with a sync that the run
 *               ordered; target_version only where a side has several of a target. Slices more than
 *               twice as long are another cell's.
 */
#ifndef ATREST_HARNESS_ANALYSIS_COMPARE_H
#define ATREST_HARNESS_ANALYSIS_COMPARE_H

#include <stddef.h>

#include "harness/analysis/repeat.h"
#include "harness/analysis/stats.h"
#include "harness/analysis/summary.h"
#include "harness/output/fingerprint.h"
#include "harness/output/samples.h"

#define COMPARE_MARGIN 5.0 /* points or percent, unless asked for another */

enum compare_verdict { COMPARE_SAME, COMPARE_BETTER, COMPARE_WORSE, COMPARE_INCONCLUSIVE };
const char *compare_verdict_name(enum compare_verdict v);

/* What is compared and came out; texts are those of the base, or of both where they differ. */
struct compare_row {
	char workload[SAMPLES_TEXT_BYTES];
	char new_workload[SAMPLES_TEXT_BYTES]; /* the same name, as a rule */
	char target[SAMPLES_TEXT_BYTES];
	char version[SAMPLES_TEXT_BYTES], new_version[SAMPLES_TEXT_BYTES]; /* of the target */
	char dir[SAMPLES_TEXT_BYTES];
	char provider[SAMPLES_TEXT_BYTES];
	char arm[SAMPLES_TEXT_BYTES]; /* two programs: X */
	char digest[SAMPLES_TEXT_BYTES];
	uint64_t payload_bytes;
	const char *metric;        /* a constant: time_ns_per_msg, cpu_ns_per_msg */
	size_t rounds, new_rounds; /* that count */
	double value, new_value;   /* medians, ns */
	struct stats_interval overhead, new_overhead; /* %, two results only; else NaN */
	struct stats_interval change;                 /* points, or percent of two programs; 95 % */
	double floor, margin; /* the same unit; floor NaN: none; margin: never below it */
	double p;             /* of worse or better, whichever is likelier, corrected */
	enum compare_verdict verdict;
};

/* Plaintext of a cell, one run after the other: context of two results. */
struct compare_plain {
	char workload[SAMPLES_TEXT_BYTES];
	char target[SAMPLES_TEXT_BYTES];
	char version[SAMPLES_TEXT_BYTES];
	const char *metric;
	double value, new_value; /* ns */
	double change_pct;
};

enum compare_fault {
	COMPARE_BROKEN,    /* malformed, incomplete, an arm is missing or failed, nothing in
	                      common: exit 2 */
	COMPARE_ONE_SIDED, /* only one side has the cell: exit 2 unless that is allowed */
	COMPARE_UNFIT      /* of another machine or schema, a build not fit to measure with,
	                      plaintext slowed on purpose: exit 4 */
};

struct compare_problem {
	enum compare_fault fault;
	char text[512];
};

/* Names are for the texts of problems: the folders, or "BASE" and "NEW". */
struct compare_options {
	double margin;
	const char *base_name, *new_name;
};

struct comparison {
	int programs;     /* two programs of one result */
	char program[64]; /* NAME */
	double margin;    /* asked for */
	struct compare_row *rows;
	size_t count;
	struct compare_plain *plain;
	size_t plain_count;
	struct compare_problem *problems; /* with any but COMPARE_ONE_SIDED there is no verdict */
	size_t problem_count;
	struct fingerprint_facts changed; /* versions, replicas, names: what the rows tell of it */
	size_t counts[4];                 /* rows of each verdict */
	int noisy, new_noisy;             /* more twins exclude zero than chance allows */
	struct repeat_tally tally, new_tally; /* rounds that count, those of them disturbed */
	enum compare_verdict verdict; /* of all: worse, else inconclusive, else better or same */
};

/* 0, or -1: memory, and out is empty. Problems are no failure of these. */
int compare_results(const struct samples *base, const struct samples *new_,
                    const struct compare_options *options, struct comparison *out);
int compare_programs(const struct samples *run, const char *program,
                     const struct compare_options *options, struct comparison *out);
/* One more problem, such as a file that could not be read. 0, or -1: memory. */
int compare_problem_add(struct comparison *out, enum compare_fault fault, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* 1 when nothing may be concluded; one_sided: cells of one side alone are enough for that. */
int compare_has_problem(const struct comparison *c, int one_sided);
void comparison_free(struct comparison *c);

#endif
