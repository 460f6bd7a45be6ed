/* summary.h - samples to summary rows: one per cell, arm and metric. Pure functions of the rows:
 * a running benchmark, its table and `report` on an old result call the same ones.
 *
 * Cell      workload, target, target_version. Its baseline is the arm `none`, its twin
 *           `none-twin`; an arm NAME@DIR is also compared with none@DIR.
 *           Servers that were there already may have no plaintext: their arms then have
 *           values and nothing to compare them with.
 * Pair      an arm's row and the baseline's row of the same round, both valid. Rows with
 *           valid = 0 never count. One whose error begins with "repeated" was set aside with its
 *           whole round and measured again; any other makes its arm invalid, and every arm when
 *           it is the baseline's. So does a round that an arm lacks, the last round of an
 *           interrupted run excepted.
 */
#ifndef ATREST_HARNESS_ANALYSIS_SUMMARY_H
#define ATREST_HARNESS_ANALYSIS_SUMMARY_H

#include "harness/output/samples.h"

#include <stddef.h>
#include <stdint.h>

#define SUMMARY_SCHEMA         "atrest-summary"
#define SUMMARY_SCHEMA_VERSION 1
/* What a cell is about, and what runs stop on. */
#define SUMMARY_HEADLINE      "throughput_msgs_s"
#define SUMMARY_HEADLINE_OPEN "response_p99_ns" /* of an open loop, whose rate is given */

/* T text, U unsigned integer, F number or nothing (NaN, an empty field). results/README.md
 * defines each. */
#define SUMMARY_COLUMNS(T, U, F)                                                                   \
	T(workload)                                                                                \
	T(class_)                                                                                  \
	T(target)                                                                                  \
	T(target_version)                                                                          \
	T(dir)                                                                                     \
	T(cipher)                                                                                  \
	T(provider)                                                                                \
	T(arm)                                                                                     \
	U(payload_bytes)                                                                           \
	T(metric)                                                                                  \
	T(unit)                                                                                    \
	U(rounds)                                                                                  \
	T(baseline)                                                                                \
	F(baseline_value)                                                                          \
	F(value)                                                                                   \
	F(overhead_pct)                                                                            \
	F(low_pct)                                                                                 \
	F(high_pct)                                                                                \
	F(floor_pct)                                                                               \
	F(overhead_own_dir_pct)                                                                    \
	T(verdict)                                                                                 \
	F(added)                                                                                   \
	F(added_low)                                                                               \
	F(added_high)

struct summary_row {
#define T(name) char name[SAMPLES_TEXT_BYTES];
#define U(name) uint64_t name;
#define F(name) double name;
	SUMMARY_COLUMNS(T, U, F)
#undef T
#undef U
#undef F
};

/* What holds for the run as a whole. */
struct summary_run {
	uint64_t samples;         /* rows read */
	uint64_t invalid_samples; /* of them not valid and not repeated */
	uint64_t cells;
	uint64_t arms_invalid;   /* (cell, arm) that nothing may be concluded from */
	uint64_t arms_missing;   /* (cell, arm) absent though another cell of the target has it */
	uint64_t twins;          /* twins with an interval, of throughput, of an open loop p99 */
	uint64_t twins_off_zero; /* of them, interval excludes zero */
	uint64_t twins_limit;    /* as many may by chance */
	int complete;            /* samples had their trailer */
	char first_error[SAMPLES_TEXT_BYTES]; /* of the first invalid sample, "" */
};

struct summary {
	/* By target (servers, the store, others), version (the newest first), class, payload,
	 * workload, arm, metric. */
	struct summary_row *rows;
	size_t count, capacity;
	struct summary_run run;
};

/* 0, or -1: memory. */
int summary_make(const struct samples *samples, struct summary *out);
/* The rows of one metric alone, such as SUMMARY_HEADLINE: what a run asks after every square. */
int summary_make_metric(const struct samples *samples, const char *metric, struct summary *out);
int summary_add(struct summary *s, const struct summary_row *row); /* 0, or -1: memory */
void summary_free(struct summary *s);

/* The log-ratios within a round that the overhead of a row comes from, arm / base, of cell's own
 * cell: into logs, with room for as many as there are samples. base and arm are any two arms,
 * metric a paired one. Returns how many; 0 when an arm is not there, no round has both, or a value
 * is not above zero; -1: memory. */
int64_t summary_pairs(const struct samples *samples, const struct summary_row *cell,
                      const char *base, const char *arm, const char *metric, double *logs);

/* The headline time of one slice per message, ns; NaN without messages. */
double summary_time_ns(const struct sample *s);

/* 1 for rows of a nats-server, of the run's own or one that was there. */
int summary_is_server(const struct summary_row *row);
/* 1 for an arm that is neither plaintext nor the twin, in whichever directory or program. */
int summary_is_cipher(const struct summary_row *row);
int summary_same_target(const struct summary_row *a, const struct summary_row *b);

/* 1 when more twins exclude zero than chance allows. */
int summary_inconclusive(const struct summary_run *run);

/* The row, or NULL. arm and metric by name; cell as in another row of it. */
const struct summary_row *summary_find(const struct summary *s, const struct summary_row *cell,
                                       const char *arm, const char *metric);

/* The whole file as text, which the caller frees (csv_text_free). 0, or -1: memory. */
int summary_text(const struct summary *s, struct csv_text *out);
/* Writes it by replace_file. 0, or -errno. */
int summary_write(const char *path, const struct summary *s);

/* run is zero but for complete; results and error as samples_read. A summary without its trailer
 * is malformed: it is never written in part. */
enum csv_result summary_read(const char *path, struct summary *out, char error[512]);

#endif
