/* metrics.h - what one slice measured, and how arms are compared in it. results/README.md gives
 * each formula.
 */
#ifndef ATREST_HARNESS_ANALYSIS_METRICS_H
#define ATREST_HARNESS_ANALYSIS_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "harness/output/samples.h"

enum metric_kind {
	METRIC_PAIRED,     /* log-ratio within the round, Wilcoxon interval */
	METRIC_PERCENTILE, /* the same estimate, bootstrap interval */
	METRIC_EXACT       /* no chance in it: ratio of the medians, no interval */
};

struct metric {
	const char *name;
	const char *unit;
	enum metric_kind kind;
	int more_is_better;
	int required;           /* a zero is a failed measurement, not "not measured" */
	int owner_only;         /* of a process that a server elsewhere does not show */
	uint64_t latencies_min; /* samples a percentile needs in each row */
	double (*value)(const struct sample *s, int synced);
	/* Not of an open loop: there the rate is given, and who waits for the next operation's
	 * moment is awake for some of it. */
	int closed_only;
};

/* Each cell begins with the rate that it was offered or with its throughput: figures count on it.
 */
#define METRIC_COUNT 19
extern const struct metric *const metrics; /* METRIC_COUNT of them */

/* The sync is part of what is measured where every append waits for it, or where the run ordered
 * it: with several directories, or an encrypted one, whose file system enciphers at writeback. One
 * that an interval asked for is not: whether a slice is long enough to see it is chance. */
int metrics_end_synced(const struct sample *s);

/* What a slice of an open loop reached of its rate: the last of the operations was to start
 * (messages - 1) / rate after its beginning, so that who keeps up reaches what is offered. */
double metrics_reached_msgs_s(uint64_t messages, double acked_s);
/* More was offered than was taken: response times are those of a queue that grows. */
int metrics_rate_is_missed(double offered_msgs_s, double reached_msgs_s);

/* Of the headline time: up to the last acknowledgement, or with synced up to the sync. */
double metrics_time_ns_per_msg(const struct sample *s, int synced);

#endif
