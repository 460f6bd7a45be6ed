/* size_plan.h - what a deployment needs: the demand, the measured costs and the format's bytes put
 * together. Nothing is read or measured here.
 *
 * Everything is of one node. With replicas every node is taken to hold one of each stream, and the
 * one that is counted leads all of them: it stores each message and serves each read.
 */
#ifndef ATREST_CLI_SIZE_PLAN_H
#define ATREST_CLI_SIZE_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "cli/size_input.h"
#include "harness/analysis/sizing.h"
#include "store/footprint.h"

#define SIZE_NOTES_MAX  32
#define SIZE_NOTE_BYTES 320
#define SIZE_LACKS_MAX  4

/* Under one cipher. Intervals are NaN where there is none. */
struct size_cipher {
	const char *cipher;
	int there;                                 /* was measured */
	struct stats_interval publish_ns, read_ns; /* CPU of a message */
	/* Of the store or server. None of these is less than 0; those added may be. */
	struct stats_interval cores_mean, cores_peak;
	struct stats_interval added_mean, added_peak;  /* of them beyond plaintext */
	double capacity_msgs_s;                        /* published, as measured: one stream */
	uint64_t block_bytes;                          /* largest block file */
	struct atr_footprint disk;                     /* of all streams */
	struct atr_footprint_kind total;               /* of all kinds of files */
	uint64_t inodes;                               /* files and directories */
	double deleted_bytes;                          /* in blocks, and not live any more */
	double snapshot_bytes;                         /* of a backup of all streams, clear */
	double write_bytes_s_mean, write_bytes_s_peak; /* given to the kernel, of streams */
	double syncs_s_mean, syncs_s_peak;             /* fsync calls */
	/* Beside them, of consumers' state, at most. Synced: under always alone. */
	double consumer_bytes_s_mean, consumer_bytes_s_peak;
	double consumer_syncs_s_mean, consumer_syncs_s_peak;
	/* With and without state files; where a stream has none, without. */
	struct stats_interval start_ns, recover_ns;
	double index_bytes; /* memory */
};

struct size_plan {
	const struct size_demand *demand;
	const struct sizing *costs;
	struct sizing_size mix[SIZE_MIX_MAX];
	size_t mix_count;
	double record_bytes; /* mean */
	double kept;         /* messages of a stream, those deleted since among them */
	double live;         /* of these not deleted */
	double subjects;     /* of a stream, with a message of theirs */
	enum size_key limit; /* the one that is reached first */
	uint64_t file_system_bytes;
	uint64_t config_bytes; /* of a stream's meta.inf in clear text */
	struct size_cipher ciphers[SIZING_CIPHERS];
	size_t chosen; /* the cheaper cipher, an index */
	/* What costs and was not measured; with one at least, cores are a lower bound. */
	const char *lacks[SIZE_LACKS_MAX];
	size_t lack_count;
	char notes[SIZE_NOTES_MAX][SIZE_NOTE_BYTES];
	size_t note_count;
};

/* demand and costs are borrowed. file_system_bytes: of a block of the file system. EXIT_FINE, or
 * the code of the error that was printed: cells of reads that are not there, a demand that the
 * version cannot meet. */
int size_plan_make(const struct size_demand *demand, const struct sizing *costs,
                   uint64_t file_system_bytes, struct size_plan *out);

/* The version whose files and settings are meant: that of the server, "" for the store, whose are
 * those of the newest. */
const char *size_plan_version(const struct sizing *costs);
struct atr_footprint_limits size_plan_limits(const struct size_demand *d);
/* Largest block file of a stream of these limits under the cipher. */
uint64_t size_plan_block_bytes(const struct atr_footprint_limits *limits, const char *cipher,
                               const char *version);
/* Bytes of the last block of each stream of an open row, together: sizing_choice.last_bytes. */
double size_plan_last_bytes(const struct sample *row);
/* Whether its files and settings are those of a version before that one. */
int size_plan_is_before(const char *version, const char *than);
/* What all streams take on disk with these limits: c->disk and what follows from it, for
 * c->cipher. */
void size_plan_disk(const struct size_plan *plan, const struct atr_footprint_limits *limits,
                    struct size_cipher *c);
/* How long a message is kept. */
double size_plan_age_s(const struct size_plan *plan);
/* What is opened at a start. */
struct sizing_opening size_plan_opening(const struct size_plan *plan, const struct size_cipher *c);
/* 0: its streams are too large for an index.db, so that every start is one without. */
int size_plan_has_state(const struct size_plan *plan, const struct size_cipher *c);
/* Which state files it writes. */
enum atr_footprint_state size_plan_state(const struct sizing *costs);
/* meta.inf in clear text of a stream of that configuration. */
uint64_t size_plan_config_bytes(const struct sizing *costs, const char *config, const char *name);

#endif
