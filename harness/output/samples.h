/* samples.h - one row of samples.csv: one slice of one arm.
 *
 * The table below is the only list of the columns: the struct, the writer and the reader come
 * from it, results/README.md defines each. New columns go at the end and raise the schema
 * version. T text, U unsigned integer, F number with decimals. A trailing underscore (class_) is
 * not part of the column's name.
 */
#ifndef ATREST_HARNESS_OUTPUT_SAMPLES_H
#define ATREST_HARNESS_OUTPUT_SAMPLES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "harness/output/csv.h"

#define SAMPLES_SCHEMA         "atrest-samples"
#define SAMPLES_SCHEMA_VERSION 3
#define SAMPLES_TEXT_BYTES     192

/* clang-format off */
#define SAMPLES_COLUMNS(T, U, F)                                                               \
	T(workload) T(class_) T(target) T(target_version) T(dir) T(cipher) T(provider) T(arm)  \
	U(round) U(position) U(square) U(seed)                                                 \
	U(payload_bytes) U(block_bytes) T(flush) T(sync) T(read) T(cache)                      \
	U(key_ahead) U(keystream_ahead_bytes) U(publishers) U(readers) U(streams)              \
	U(messages) U(payload_total_bytes) U(reads_checked)                                    \
	F(acked_s) F(synced_s)                                                                 \
	U(cpu_ns) U(cpu_user_ns) U(cpu_system_ns) U(machine_cpu_ns) U(rss_peak_bytes)          \
	U(latency_count) U(latency_p50_ns) U(latency_p90_ns) U(latency_p99_ns)                 \
	U(latency_p999_ns) U(latency_max_ns)                                                   \
	U(disk_apparent_bytes) U(disk_allocated_bytes) U(files)                                \
	U(blk_apparent_bytes) U(blk_allocated_bytes) U(blk_files)                              \
	U(key_apparent_bytes) U(key_allocated_bytes) U(key_files)                              \
	U(meta_apparent_bytes) U(meta_allocated_bytes) U(meta_files)                           \
	U(state_apparent_bytes) U(state_allocated_bytes) U(state_files)                        \
	U(file_create_ns) U(device_read_bytes) U(device_written_bytes)                         \
	U(written_bytes) U(writes) U(syncs) U(keys_made) U(key_wait_ns)                        \
	U(steal_ns) U(pressure_cpu_us) U(pressure_io_us) U(other_cpu_ns) U(frequency_khz)      \
	U(throttled_us) T(build) U(started_unix_ns) U(valid) T(error)              \
	U(sync_ordered)                                                                        \
	U(window) U(replicas) T(consumer) U(client_cpu_ns)                                     \
	U(published) U(acknowledged) U(stored)                                                 \
	T(workload_digest) F(rate_msgs_s) U(response_count) U(response_p50_ns)                 \
	U(response_p90_ns) U(response_p99_ns) U(response_p999_ns) U(response_max_ns)           \
	U(injected_ns) U(attempt)
/* clang-format on */

struct sample {
#define T(name) char name[SAMPLES_TEXT_BYTES];
#define U(name) uint64_t name;
#define F(name) double name;
	SAMPLES_COLUMNS(T, U, F)
#undef T
#undef U
#undef F
};

/* Rows in memory; grown by samples_add. */
struct samples {
	struct sample *rows;
	size_t count, capacity;
	int complete; /* the trailer was there and fitted */
};

/* 1 for a row of a round that was set aside and done again: valid 0, and an error that begins with
 * "repeated". Such rounds have rows of several attempts. */
int samples_set_aside(const struct sample *row);

/* Writing. The rows of an add are one write(2) of whole lines: a run killed at any moment leaves
 * whole lines, and all of an add's but for the moment of the write itself; the trailer
 * "# rows=N sha256=..." is written by samples_writer_close. */
struct samples_writer;
int samples_writer_open(const char *path, struct samples_writer **out); /* 0, or -errno */
/* To go on with a file that has no trailer: its first rows stay as they are, what is behind them
 * is cut off. 0, or -errno (-EINVAL: there are fewer). */
int samples_writer_open_again(const char *path, size_t rows, struct samples_writer **out);
int samples_writer_add(struct samples_writer *w, const struct sample *row);
int samples_writer_add_rows(struct samples_writer *w, const struct sample *rows, size_t count);
/* Nothing of what was added is lost by a power cut then. 0, or -errno. */
int samples_writer_sync(struct samples_writer *w);
/* complete 0: leave without a trailer (interrupted). 0, or -errno. */
int samples_writer_close(struct samples_writer *w, int complete);

/* Reading. error receives one line "file:line: found, expected". */
enum csv_result samples_read(const char *path, struct samples *out, char error[512]);
int samples_add(struct samples *s, const struct sample *row); /* 0, or -1: memory */
void samples_free(struct samples *s);

#endif
