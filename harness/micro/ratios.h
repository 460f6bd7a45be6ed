/* ratios.h - atrest-ratios: the store side by side with the machine's own speeds.
 *
 * In every round the parts of which an append or a read consists (clock, hash, copy, write,
 * cipher, read) are measured on their own, then the store, in the same directory. A row is the
 * median over the rounds of
 *
 *   store / (factor x sum of the parts + allowance)        1 or less: reached
 *
 *   L_async = clock + H + copy + 5 + r/w + r/c     H: hash of a record, w: write in 128 KiB
 *   L_each  = clock + H + copy + 5 + P + C            pieces, c: cipher in 128 KiB pieces,
 *   L_read  = r/p + r/c + H + copy + 5             P: write of a record, C: cipher call of one,
 *                                                  p: read in 256 KiB pieces; r: record bytes
 */
#ifndef ATREST_HARNESS_MICRO_RATIOS_H
#define ATREST_HARNESS_MICRO_RATIOS_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/micro/bench.h"

#define RATIOS_SIZES      5
#define RATIOS_CIPHERS    3
#define RATIOS_ROUNDS_MAX 50
#define RATIOS_POOL_BYTES ((size_t)4 * 1024 * 1024)
#define RATIOS_SUBJECT    "bench.record"
/* A slice: enough for about 0.1 s, and for the many small messages fewer. */
#define RATIOS_SLICE_BYTES   ((uint64_t)64 * 1024 * 1024)
#define RATIOS_EACH_MESSAGES UINT64_C(50000)

extern const size_t ratios_payload[RATIOS_SIZES];
extern const char *const ratios_cipher[RATIOS_CIPHERS];
extern uint8_t *ratios_pool; /* RATIOS_POOL_BYTES of random bytes */

/* Wall time; with --cpu the processor time of all threads, for a busy machine. */
uint64_t ratios_now_ns(void);
/* Record bytes of ratios_payload[size]. */
size_t ratios_record_bytes(size_t size);
/* What a slice of appends writes, when each record is written by itself. */
uint64_t ratios_each_bytes(size_t size);

/* ---- ratios_parts.c ---- */

/* ns per call or per byte; of one payload size in one round. */
struct parts {
	double record_bytes;
	double clock, copy_byte, piece_write_byte, piece_read_byte, create_file;
	double hash, write;
	double cipher_byte[RATIOS_CIPHERS], cipher_call[RATIOS_CIPHERS];
};

void parts_measure(const char *dir, size_t size, struct parts *out);
double parts_async(const struct parts *p, size_t cipher);
double parts_each(const struct parts *p, size_t cipher);
double parts_read(const struct parts *p, size_t cipher);

/* ---- ratios_store.c ---- */

/* ns per message. */
struct figures {
	double async, each, read, open, get;
	double open_state_ms;
	double always, always_parts; /* and a bare pwrite + fsync, in turn with it */
};

/* A fresh stream directory below dir; its files are cut to length 0 afterwards and removed by
 * the caller at the very end, since deleting files makes creating them dearer for a while. */
void figures_measure(const char *dir, size_t cipher, size_t size, struct figures *out);

struct memory {
	uint64_t append, open, read; /* peak resident bytes of a process that does this alone */
	uint64_t blocks;
};

/* A stream of `bytes` bytes of 1 KiB payloads. program: this executable, started anew. */
void memory_measure(const char *program, const char *dir, size_t cipher, uint64_t bytes,
                    struct memory *out);
/* The started process: prints its peak. */
int memory_child(const char *step, const char *dir, const char *cipher, const char *bytes);

#endif
