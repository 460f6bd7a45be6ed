/* transfer.h - does the cost of a cipher carry over from two payload sizes to the others?
 *
 * Per target, version, cipher and metric what a cipher adds to a published message is taken as
 *
 *   added(bytes) = fixed + per_byte * bytes
 *
 * through two cells of class publish, 1 KiB and 64 KiB. What it says of other sizes is held
 * against what was measured there. The same line through the embedded store's cells is the floor:
 * little but the cipher itself. Pure functions of summary rows.
 */
#ifndef ATREST_HARNESS_ANALYSIS_TRANSFER_H
#define ATREST_HARNESS_ANALYSIS_TRANSFER_H

#include "harness/analysis/stats.h"
#include "harness/analysis/summary.h"

#include <stddef.h>
#include <stdint.h>

#define TRANSFER_SCHEMA         "atrest-transfer"
#define TRANSFER_SCHEMA_VERSION 1
#define TRANSFER_SMALL_BYTES    1024 /* the payloads of the two cells */
#define TRANSFER_LARGE_BYTES    65536

/* T text, U unsigned integer, F number or nothing. results/README.md defines each. */
#define TRANSFER_COLUMNS(T, U, F)                                                                  \
	T(target)                                                                                  \
	T(target_version)                                                                          \
	T(arm)                                                                                     \
	T(metric)                                                                                  \
	T(workload)                                                                                \
	U(payload_bytes)                                                                           \
	T(role)                                                                                    \
	F(fixed_ns)                                                                                \
	F(ns_per_byte)                                                                             \
	F(predicted)                                                                               \
	F(predicted_low)                                                                           \
	F(predicted_high)                                                                          \
	F(measured)                                                                                \
	F(measured_low)                                                                            \
	F(measured_high)                                                                           \
	F(error_pct)                                                                               \
	T(agrees)

struct transfer_row {
#define T(name) char name[SAMPLES_TEXT_BYTES];
#define U(name) uint64_t name;
#define F(name) double name;
	TRANSFER_COLUMNS(T, U, F)
#undef T
#undef U
#undef F
};

struct transfer {
	struct transfer_row *rows; /* as in the summary: by target, version, payload, arm, metric */
	size_t count;
};

/* Two estimates of independent cells, ns added to a message of that many bytes. */
struct transfer_line {
	double small_bytes, large_bytes;
	struct stats_interval small, large;
};

double transfer_per_byte(const struct transfer_line *line); /* ns */
double transfer_fixed(const struct transfer_line *line);    /* ns, at 0 bytes */
/* The estimate is on the line; each end of the interval is as far off as the two cells' ends are,
 * weighted and added as squares. Ends are NaN where a cell has no interval. */
struct stats_interval transfer_predict(const struct transfer_line *line, double bytes);

/* A row for every measured size, arm (of the first directory) and metric (cpu_ns_per_msg,
 * time_ns_per_msg) of servers and of the store. Of several workloads of one size the first counts.
 * 0, or -1: memory. */
int transfer_make(const struct summary *s, struct transfer *out);
void transfer_free(struct transfer *t);

/* Of the target and version of row, or NULL. */
const struct transfer_row *transfer_find(const struct transfer *t, const struct summary_row *of,
                                         const char *arm, const char *metric,
                                         uint64_t payload_bytes);

/* The whole file as text, which the caller frees (csv_text_free). 0, or -1: memory. */
int transfer_text(const struct transfer *t, struct csv_text *out);
/* Writes it by replace_file. 0, or -errno. */
int transfer_write(const char *path, const struct transfer *t);

#endif
