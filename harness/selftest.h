/* selftest.h - proofs that the measurement here can be believed, made by measuring.
 *
 *   slowdowns   a known busy wait is added to every operation of none-twin, some percent of the
 *               plaintext time that was calibrated before: the time overhead that is measured must
 *               hold it in its interval, and hold zero where nothing was added
 *   encryption  known text is in the files in plaintext and in none under a cipher; the search is
 *               tried both ways, so that it is known to find and to miss; another key is refused
 *   reads       every message read was deciphered and compared with what was written
 *   syncs       there was one for every message where each append is synced, and they reached a
 *               device; on a file system that claims to be durable a sync takes as long as a
 *               device does
 *
 * Two runs like any other, in folders of their own:
 *
 *   FOLDER/selftest/proofs/    all ciphers, one square
 *   FOLDER/selftest/injected/  plaintext against itself, a cell for each workload and slowdown
 *   FOLDER/selftest.json       failed, told, checks: of each what, verdict and evidence
 *
 * A wait is work: where others have a share of the processor it takes longer in the same measure as
 * all else, and how long is not known. Then nothing is told of slowdowns.
 *
 * An interval of 95 % misses one in twenty: as many misses as chance allows (stats_twin_limit) pass
 * when they are narrow, less than the interval's half-width beside it.
 */
#ifndef ATREST_HARNESS_SELFTEST_H
#define ATREST_HARNESS_SELFTEST_H

#include <jansson.h>

#include "harness/analysis/stats.h"
#include "harness/run.h"

enum selftest_verdict {
	SELFTEST_OK,
	SELFTEST_FAILED,
	SELFTEST_UNTOLD /* this machine cannot tell: too noisy, or not a disk */
};

struct selftest_check {
	enum selftest_verdict verdict;
	char what[96];
	char evidence[288];
};

#define SELFTEST_CHECKS_MAX 32

struct selftest {
	struct selftest_check checks[SELFTEST_CHECKS_MAX];
	size_t count;
	size_t failed;
	int noisy;       /* not even the largest slowdown could be told from zero */
	int interrupted; /* a signal: the checks are not all there */
	char error[512]; /* of the system or of what was asked for, "" if none: the same */
	int usage;       /* what error is of */
};

struct selftest_options {
	/* Directory, providers, seed, label, who is warned. Its workloads are a publishing one, a
	 * reading one and one that syncs every append; both first ones are slowed down. */
	const struct run_options *base;
	const char *folder; /* is there */
	uint32_t rounds;    /* of the slowdowns; 0: 12 */
};

void selftest_run(const struct selftest_options *options, struct selftest *out);

/* What selftest.json holds; a new reference, NULL: memory. */
json_t *selftest_json(const struct selftest *result);

/* "ok", "FAILED", "untold". */
const char *selftest_verdict_name(enum selftest_verdict verdict);

/* ---- parts, for tests ---- */

/* A slowdown as it was injected and what was found of it, in percent of the plaintext time. */
struct selftest_slowdown {
	char workload[WORKLOAD_NAME_BYTES];
	double asked_pct;    /* of the calibrated time: 0, 1, 3, 5, 10 */
	double injected_pct; /* of the time that plaintext then took */
	struct stats_interval found;
	double resolution_pct; /* of the cell of 0 %, noise.h; NaN: not known */
	double busy_share;     /* CPU time of plaintext in its time; NaN: not known */
};

/* Adds a check for each; see above for misses. Pure. */
void selftest_judge(const struct selftest_slowdown *slowdowns, size_t count, struct selftest *out);

#endif
