/* workload.h - what to do: every parameter of a workload, units in its name.
 *
 * Knows no target and no clock. Read from an INI file (workload_parse.c), written back resolved
 * (workload_write.c), and turned into operations (workload_ops.c): operation i is a pure
 * function of (workload, seed, i), so any record read back can be checked against the payload
 * pool without remembering it.
 */
#ifndef ATREST_WORKLOADS_WORKLOAD_H
#define ATREST_WORKLOADS_WORKLOAD_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define WORKLOAD_NAME_BYTES 64
#define WORKLOAD_SIZES_MAX  32

enum workload_operation {
	WORKLOAD_PUBLISH,         /* writing cell: append `messages` to a fresh store */
	WORKLOAD_READ_SEQUENTIAL, /* reading cell: `messages` reads of a filled store in order, read
	                             i of sequence i % fill_messages + 1: passes over it again */
	WORKLOAD_READ_RANDOM,     /* reading cell: `messages` gets at seeded random sequences */
	WORKLOAD_MIXED,           /* `publishers` append while `readers` read random live messages
	                             of what was filled and published before */
	WORKLOAD_READ_LAST,       /* reading cell: `messages` times the last message of a subject */
	WORKLOAD_TAIL,            /* `publishers` append, a reader per stream reads right behind */
	WORKLOAD_DELETE,          /* `publishers` delete `messages` of a filled stream, then its
	                             blocks are compacted */
	/* Once over whole streams of fill_messages. */
	WORKLOAD_PURGE,    /* everything is purged */
	WORKLOAD_OPEN,     /* reading cell: opened and closed, until `messages` were opened */
	WORKLOAD_CONVERT,  /* a closed stream comes under the arm's cipher and key */
	WORKLOAD_SNAPSHOT, /* reading cell: a closed stream into one file in plaintext */
	WORKLOAD_RESTORE   /* such a file into a stream under the arm's cipher and key */
};

enum workload_distribution { WORKLOAD_ROUND_ROBIN, WORKLOAD_UNIFORM, WORKLOAD_ZIPF };
enum workload_flush { WORKLOAD_FLUSH_EACH, WORKLOAD_FLUSH_ASYNC };
#define WORKLOAD_SYNC_INTERVAL_NS UINT64_C(120000000000) /* unless asked, of servers too */
enum workload_sync { WORKLOAD_SYNC_INTERVAL, WORKLOAD_SYNC_ALWAYS, WORKLOAD_SYNC_NONE };
enum workload_read { WORKLOAD_READ_BLOCK, WORKLOAD_READ_RECORD };
enum workload_cache { WORKLOAD_WARM, WORKLOAD_COLD };
enum workload_state { WORKLOAD_STATE_KEPT, WORKLOAD_STATE_NONE };
/* What a stream was before it is converted to the arm's cipher: plaintext, under the other cipher,
 * under another key. */
enum workload_convert {
	WORKLOAD_CONVERT_ENCRYPT,
	WORKLOAD_CONVERT_CIPHER,
	WORKLOAD_CONVERT_ROTATE
};

/* How messages are read off a server: fetched in batches, or pushed in order and at no one's
 * request. */
enum workload_consumer { WORKLOAD_CONSUMER_PULL, WORKLOAD_CONSUMER_ORDERED };
/* How many of the messages that were appended are read back after a slice, untimed. In the last
 * round of an arm it is always all. */
enum workload_checking { WORKLOAD_CHECK_SOME, WORKLOAD_CHECK_ALL };
/* Open loop: when operations are to start, at equal distances or at random (a Poisson process). */
enum workload_arrivals { WORKLOAD_ARRIVALS_EVEN, WORKLOAD_ARRIVALS_POISSON };

#define WORKLOAD_BLOCK_BYTES_SERVER UINT64_MAX

/* One piece of a size mix: payloads of low..high bytes (equal = fixed), drawn uniformly, with
 * this share of the messages (weights are normalised). */
struct workload_size {
	uint32_t low_bytes;
	uint32_t high_bytes;
	double weight;
};

struct workload {
	char name[WORKLOAD_NAME_BYTES];   /* file name without .ini */
	char class_[WORKLOAD_NAME_BYTES]; /* key `class`: rows of one figure, e.g. "publish" */
	char question[256];               /* key `question`: what the file answers */

	enum workload_operation operation;
	uint64_t messages;      /* operations per slice, all threads together */
	uint64_t fill_messages; /* reading and mixed cells: messages in the store before */
	uint32_t rounds;        /* of --quick */
	uint64_t seed;          /* 0: the run's seed */

	struct workload_size sizes[WORKLOAD_SIZES_MAX];
	size_t size_count;
	uint32_t headers_bytes;   /* whole header block of a message that has headers; 0 none */
	double headers_share;     /* 0..1 of the messages that have headers */
	double compressibility;   /* 0 random (default) .. 1 zeros: share of each 64 bytes that
	                             is zero */
	char subject_prefix[128]; /* subjects are "<prefix>.<n>", n = 0..subjects-1, decimal */
	uint32_t subjects;
	enum workload_distribution subject_distribution;
	double zipf_exponent;

	uint32_t publishers; /* threads that append or delete */
	uint32_t readers;    /* threads that read */
	uint32_t streams;    /* stores written side by side, publisher p uses stream p % streams */
	double read_share;   /* mixed: 0..1 of the operations that are reads */

	enum workload_flush flush;
	enum workload_sync sync;
	uint64_t sync_interval_ns;
	uint64_t block_bytes; /* WORKLOAD_BLOCK_BYTES_SERVER for the server's rule */
	enum workload_read read;
	uint32_t key_ahead;             /* 0: the server's way */
	uint32_t keystream_ahead_bytes; /* 0: the server's way */
	enum workload_cache cache;      /* reading cells; cold: dropped once before the slice */
	enum workload_state state;      /* open: the state file is there, or taken away before */
	enum workload_convert convert;  /* convert: from what */
	uint32_t window;                /* server: unacknowledged messages of a publisher at most */
	enum workload_consumer consumer; /* server: sequential reading and tail */
	uint64_t server_heap_bytes; /* private server: held in its memory before the slice; 0: none
	                             */
	uint64_t max_bytes;         /* limit of each stream; 0: none */
	enum workload_checking check;
	uint32_t latency_every; /* record the latency of each n-th operation; 0: none */
	uint64_t rate_msgs_s;   /* offered by all threads together, whatever is done meanwhile (an
	                           open loop); 0: each operation as soon as the last one is done */
	double rate_share; /* the same as a share of what plaintext does in a closed loop, which
	                      a run finds out before its first slice; 0: no */
	enum workload_arrivals arrivals;
};

/* Every default of workloads/README.md. */
void workload_init(struct workload *w);

struct workload_error {
	char text[512]; /* "file:line: found, expected" */
};

/* Reads one file. Unknown or duplicate key, bad or out-of-range value, a line above 198 bytes
 * (what inih takes), a control character, NUL, text that is not UTF-8: -1 and err says file and
 * line. 0 on success. Does not check keys against each other: see workload_check. */
int workload_parse_file(const char *path, struct workload *w, struct workload_error *err);
/* The same from an open stream; name stands for the file in messages and names the workload. */
int workload_parse_stream(FILE *in, const char *name, struct workload *w,
                          struct workload_error *err);
/* --set key=value: one key after parsing; same checks (err names "--set"). Does not check
 * keys against each other: call workload_check after the last. */
int workload_set(struct workload *w, const char *key, const char *value,
                 struct workload_error *err);
/* What no single key shows: reading without fill, fewer messages than threads, records that are
 * too long, ... The text begins with the workload's name, as there is no line. 0 or -1. */
int workload_check(const struct workload *w, struct workload_error *err);

/* ---- what follows from the operation alone ---- */

int workload_appends(const struct workload *w);  /* publishers append */
int workload_reads(const struct workload *w);    /* readers read */
int workload_fills(const struct workload *w);    /* fill_messages are in the store before */
int workload_changes(const struct workload *w);  /* each slice needs a store of its own: what it
                                                    leaves is not what it found */
int workload_is_whole(const struct workload *w); /* one call takes all messages of the streams */
int workload_sync_is_default(const struct workload *w); /* as servers sync by themselves */
int workload_is_closed(const struct workload *w);       /* of streams that are not open before */
int workload_is_open(const struct workload *w);         /* at a rate, known or to be found out */
/* Messages that a slice counts, all threads together. */
uint64_t workload_slice_messages(const struct workload *w);

/* Writes every key, resolved; reading it again gives the same struct. 0, or -1 on I/O error. */
int workload_write(const struct workload *w, FILE *out);

/* ---- operations ----
 *
 * seed is the workload's own, or the run's when that is 0; these functions do not look at
 * w->seed.
 */

/* The pool every payload is cut from: random bytes with the workload's compressibility,
 * 4 MiB or twice the largest payload, whichever is more. A pure function of (workload, seed);
 * out must hold workload_pool_bytes(w). */
size_t workload_pool_bytes(const struct workload *w);
void workload_pool_fill(const struct workload *w, uint64_t seed, uint8_t *out);

/* What message i looks like. subject_index and sizes are indices and lengths; the bytes are in
 * the pool at pool_offset; headers come from workload_headers(). */
struct workload_message {
	uint64_t pool_offset;
	uint32_t payload_bytes;
	uint32_t headers_bytes; /* 0 or w->headers_bytes */
	uint32_t subject_index;
};

struct workload_ops; /* tables drawn once (size mix, zipf, header block); read-only after, so
                        shared by threads */
struct workload_ops *workload_ops_new(const struct workload *w, uint64_t seed); /* NULL: memory */
void workload_ops_free(struct workload_ops *ops);

void workload_message_at(const struct workload_ops *ops, uint64_t i, struct workload_message *m);
/* The sequence (1..count) that random read i asks for. */
uint64_t workload_sequence_at(const struct workload_ops *ops, uint64_t i, uint64_t count);
/* The sequence (1..count) that removal i takes out, another one for each i < count. */
uint64_t workload_removal_at(const struct workload_ops *ops, uint64_t i, uint64_t count);
/* Mixed: 1 when operation i is a read. */
int workload_is_read(const struct workload_ops *ops, uint64_t i);
/* The header block used by all messages with headers: w->headers_bytes long, valid grammar. */
const uint8_t *workload_headers(const struct workload_ops *ops);
/* Subject text of index, NUL-terminated, kept in ops; *bytes its length. */
const char *workload_subject(const struct workload_ops *ops, uint32_t index, size_t *bytes);
/* Open loop: when each of the slice's operations is to start, ascending, in nanoseconds after its
 * beginning; out holds w->messages, w->rate_msgs_s is not 0. Even: operation i at i / rate.
 * Poisson: gaps of exponential length, hashed from the seed and stretched so that the last one is
 * at (messages - 1) / rate too: a slice offers its rate, whatever the seed. */
void workload_arrivals_fill(const struct workload *w, uint64_t seed, uint64_t *out);
/* Mean payload bytes per message, and the largest. */
double workload_payload_bytes_mean(const struct workload *w);
uint32_t workload_payload_bytes_max(const struct workload *w);

#endif
