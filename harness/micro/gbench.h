/* gbench.h - Google Benchmark for C: the part that the micro-benchmarks need.
 *
 *   static void measure(struct micro_state *s, const void *arg)
 *   {
 *           ... untimed preparation ...
 *           while (micro_next(s))
 *                   ... the code measured, once ...
 *           micro_bytes(s, bytes of one round);
 *   }
 *
 * gbench.cc, which implements it, is the only C++ in the tree. One thread.
 */
#ifndef ATREST_HARNESS_MICRO_GBENCH_H
#define ATREST_HARNESS_MICRO_GBENCH_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct micro_state;
typedef void micro_fn(struct micro_state *s, const void *arg);

/* Names are "what/cipher/provider/bytes" or a part of it; text is copied. arg is borrowed until
 * micro_run returns. */
void micro_register(const char *name, micro_fn *fn, const void *arg);

/* 1 while another round is to be done; the clock runs from the first call to the one that gives
 * 0. One call costs about 2 ns. */
int micro_next(struct micro_state *s);

/* After the loop: bytes of one round, printed as a rate. */
void micro_bytes(struct micro_state *s, size_t bytes_per_round);

/* Instead of, or inside the loop, which then ends: the row says why, micro_run returns 1. */
void micro_fail(struct micro_state *s, const char *why);

/* A line of the "context" that the library prints: libraries and versions. */
void micro_context(const char *key, const char *value);

/* Reads the library's own flags (--benchmark_filter, --benchmark_format=json, ...) and runs.
 * Returns 0; 1, a benchmark failed; 2, an unknown flag or a filter that matches nothing. */
int micro_run(int argc, char **argv);

#ifdef __cplusplus
}
#endif
#endif
