/* size_input.h - what a deployment is asked to hold: flags, or a file of the same keys.
 *
 * Numbers are of the whole deployment unless said otherwise; limits are those of each stream, as
 * they stand in its configuration.
 */
#ifndef ATREST_CLI_SIZE_INPUT_H
#define ATREST_CLI_SIZE_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "cli/options.h"
#include "harness/analysis/sizing.h"
#include "workloads/workload.h"

#define SIZE_NAME_BYTES    64
#define SIZE_SUBJECT_BYTES 256
#define SIZE_PIECES        16 /* a range of sizes counts as so many of its sizes */
#define SIZE_MIX_MAX       (WORKLOAD_SIZES_MAX * SIZE_PIECES)

struct size_demand {
	double rate, peak; /* messages a second */
	struct workload_size sizes[WORKLOAD_SIZES_MAX];
	size_t size_count;
	uint64_t subject_bytes, headers_bytes;
	uint64_t subjects; /* of each stream */
	/* Of each stream; 0: no such limit. */
	uint64_t max_age_ns, max_bytes, max_msgs, max_msgs_per_subject;
	uint64_t streams, replicas, consumers;
	double reads; /* times a message is read */
	int always;   /* synced before each acknowledgement */
	uint64_t sync_interval_ns;
	char target[SIZE_NAME_BYTES], version[SIZE_NAME_BYTES]; /* "": not asked for */
	double headroom_pct;
	double deleted_pct; /* of the messages, before they leave by a limit */
	char name[SIZE_NAME_BYTES], subject[SIZE_SUBJECT_BYTES];
};

/* One key a line: identifier, name, what stands for its value, help. A key of a file has '_' for
 * '-'. */
/* clang-format off */
#define SIZE_KEYS(X)                                                                               \
	X(RATE, "rate", "N", "messages a second, all streams together: the mean. k and m: thousands,\n"  \
	               "millions")                                                                 \
	X(PEAK, "peak", "N", "the same at the busiest time, default the mean")                           \
	X(SIZES, "sizes", "MIX", "payloads, default 1k: 1k, 100-4k (a range), 128:70,4k:25,64k:5 (a mix)")\
	X(SUBJECT_BYTES, "subject-bytes", "SIZE", "length of a subject, default 20, or that of --subject")                              \
	X(HEADERS_BYTES, "headers-bytes", "SIZE", "headers of each message, default 0")                           \
	X(SUBJECTS, "subjects", "N", "different subjects in a stream, default 1")                            \
	X(MAX_AGE, "max-age", "TIME", "how long messages are kept: 90s, 12h, 7d, 4w")                       \
	X(MAX_BYTES, "max-bytes", "SIZE", "the most of them, by length of records: 500g, 2t")                 \
	X(MAX_MSGS, "max-msgs", "N", "the most of them")                                                     \
	X(MAX_MSGS_PER_SUBJECT, "max-msgs-per-subject", "N", "the most of them of one subject")                          \
	X(STREAMS, "streams", "N", "side by side, default 1; limits are those of each")                     \
	X(REPLICAS, "replicas", "N", "of each stream, 1 (default) to 5")                                     \
	X(CONSUMERS, "consumers", "N", "of each stream, default 1")                                           \
	X(READS, "reads", "N", "how often a message is read, default once by each consumer")              \
	X(SYNC, "sync", "WHEN", "the server's sync_interval: always, or 1s to 24h; default 2m")          \
	X(TARGET, "target", "NAME", "whose costs: nats, nats:VERSION or store; default the newest server\n"\
	                    "that was measured, else the store")                                   \
	X(HEADROOM, "headroom", "PCT", "added to cores and disk, default 30%")                                       \
	X(DELETED, "deleted", "PCT", "messages deleted or acknowledged away before a limit takes them,\n"   \
	                    "default 0")                                                           \
	X(NAME, "name", "NAME", "of the stream in the configuration, default EVENTS")                    \
	X(SUBJECT, "subject", "TEXT", "what it listens to there, default events.>")

/* clang-format on */

enum size_key {
#define ENUM_KEY(id, name, argument, help) SIZE_KEY_##id,
	SIZE_KEYS(ENUM_KEY)
#undef ENUM_KEY
	        SIZE_KEY_COUNT
};

/* Texts of the flags in the order of SIZE_KEYS; NULL: not given. */
struct size_flags {
	const char *text[SIZE_KEY_COUNT];
};

/* file NULL: flags alone, which come before what it says. EXIT_FINE, or the code of the error that
 * was printed. */
int size_input_read(const char *file, const struct size_flags *flags, struct size_demand *out);

/* What does not go together, once the target is known; version "" for the store. EXIT_FINE or
 * EXIT_USAGE, printed. */
int size_input_check_version(const struct size_demand *d, const char *version);

/* The sizes of the records and their shares, which add up to 1. How many. */
size_t size_input_mix(const struct size_demand *d, struct sizing_size mix[SIZE_MIX_MAX]);
uint64_t size_input_payload_max(const struct size_demand *d);

/* The limit that is reached first, SIZE_KEY_MAX_... */
enum size_key size_input_limit(const struct size_demand *d);

/* Messages published to a stream while they are kept: by that limit. Deleted ones are among them,
 * and make room for others unless the limit is the age. */
double size_input_kept(const struct size_demand *d);
/* Of these not deleted. */
double size_input_live(const struct size_demand *d);

/* The same by one limit alone, SIZE_KEY_MAX_...; infinite where it is not set. */
double size_input_kept_by(const struct size_demand *d, enum size_key limit);
/* Name of a key. */
const char *size_input_name(enum size_key key);

#endif
