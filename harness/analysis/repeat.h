/* repeat.h - which rounds are set aside and done again: a rule on their covariates, declared here
 * and nowhere else. What was measured, time or CPU, never enters it, so that no sample is dropped
 * for its value.
 *
 * A round goes when in one of its rows
 *   steal       the hypervisor took more than REPEAT_STEAL_SHARE of one processor
 *   others      other processes used more than REPEAT_OTHER_SHARE of one processor
 *   pressure    some task waited for a processor for more than REPEAT_PRESSURE_SHARE of the time
 *               while others used more than REPEAT_PRESSURE_OTHER_SHARE of one: on a machine of
 *               one processor a neighbour gets no more than half of it
 *   quota       a control group held the worker back
 * or when between its rows
 *   frequency   the processors' clock moved by more than REPEAT_FREQUENCY_SHARE
 *
 * It is asked where a slice is planned to take REPEAT_SLICE_S_MIN or more (prepare_slice_s),
 * whatever it then takes; how often a round may be repeated is in harness/schedule.h.
 *
 * Others cannot be told from our own where the slice ended with a sync that was ordered (the
 * kernel's threads encipher and write then) and on servers that were there (they may be on this
 * machine): the rules on them do not apply there.
 *
 * Source of the figures: rows of a shared virtual machine of 2 processors with nothing beside the
 * run. Steal above 20 % of a processor was in one round of eight; others used 46 % of a processor
 * where every append is synced (the journal's thread), at most 56 %, and a busy loop uses 100 %.
 */
#ifndef ATREST_HARNESS_ANALYSIS_REPEAT_H
#define ATREST_HARNESS_ANALYSIS_REPEAT_H

#include <stddef.h>

#include "harness/output/samples.h"

#define REPEAT_STEAL_SHARE          0.20
#define REPEAT_OTHER_SHARE          0.65
#define REPEAT_PRESSURE_SHARE       0.60
#define REPEAT_PRESSURE_OTHER_SHARE 0.30
/* Read between slices, when idle processors are clocked down: less than this is no sign. */
#define REPEAT_FREQUENCY_SHARE 0.25
/* Steal and others are counted in ticks of 10 ms: fewer than three of them are chance. */
#define REPEAT_LEAST_NS 30000000

/* More of the rounds that count than that were disturbed: nothing is concluded from them. */
#define REPEAT_DISTURBED_SHARE 0.20
/* Of shorter slices covariates, in ticks of 10 ms, tell what happened around them: the plan decides
 * by what it expects, the tally below, which drops nothing, by what they took. */
#define REPEAT_SLICE_S_MIN 0.1

#define REPEAT_TEXT_BYTES 128
/* What a run says when the first round is disturbed that may not be run again. */
#define REPEAT_NO_MORE "more rounds were disturbed than may be repeated"

/* rows: all of one round of one cell, each valid. 1: set the round aside, text says which row and
 * what of it ("aes: others used 97 % of one processor"); 0 and "": it counts. A round with an
 * invalid row is never set aside: a failure is a failure. */
int repeat_reason(const struct sample *rows, size_t count, char text[REPEAT_TEXT_BYTES]);

/* Rounds that count although the rule speaks against them: those that could not be repeated any
 * more. Rows in the order of samples.csv; a round is the rows of one cell, round and attempt that
 * follow each other. */
struct repeat_tally {
	size_t rounds;    /* that count: each row valid */
	size_t disturbed; /* of them */
};
struct repeat_tally repeat_tally_of(const struct samples *samples);
/* 1 when they are more than REPEAT_DISTURBED_SHARE. */
int repeat_too_many(const struct repeat_tally *tally);

#endif
