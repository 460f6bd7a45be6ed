/* repair_inner.h - what repair.c, repair_blocks.c and repair_meta.c share (inner).
 *
 *   1  the stream is verified as it is; nothing to be done: the end
 *   2  all of it is copied to .repair-STREAM
 *   3  an interrupted exchange of files is finished there, then that is verified: the findings say
 *      what has to be done
 *   4  done, in the copy
 *   5  the copy is verified once more: no damage, and every message that could be read
 *   6  it takes the place of the original, which gets another name
 */
#ifndef ATREST_STORE_REPAIR_INNER_H
#define ATREST_STORE_REPAIR_INNER_H

#include <limits.h>

#include "store/inspect.h"
#include "store/survey.h"
#include "store/filetree.h"

/* What was found about a file. */
struct repair_finding {
	enum atr_finding_kind kind;
	char *path; /* below the stream directory */
	char *text;
};

/* What becomes of a block; parallel to the survey's blocks. */
struct repair_block {
	unsigned rewrite : 1, drop : 1, drop_idx : 1;
	unsigned doubt_idx : 1; /* what it lists as deleted may not be */
	const char *why;        /* of the finding; NULL: its deletions would be forgotten */
};

struct repair {
	const struct atr_repair_options *options;
	struct atr_repair_result *result;
	struct atr_file_table files; /* the caller's; locking is done once, for the original */
	const char *dir;             /* of the original */
	char account[300], stream[300];
	char copy[PATH_MAX]; /* the directory that is worked on; the original in a dry run */
	int apply;           /* it may be changed */
	int quiet;           /* findings are collected, actions are not told */

	struct atr_inspect *in; /* of copy */
	struct repair_finding *finding;
	size_t finding_count, finding_capacity;
	int out_of_memory;
	struct repair_block *block;
	int drop_index;
	struct atr_seqset usable; /* messages that can be read */
	uint64_t last_seq;        /* of what the blocks hold in the end */
	uint64_t orphan_last_seq; /* of an idx whose block is missing */
	json_t *subjects; /* filters for what they hold: {"orders.>": true}; of a lost meta.inf only
	                   */
};

/* Tells of an action. path is below the stream directory. */
void repair_tell(struct repair *r, const char *path, uint64_t first_seq, uint64_t last_seq,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The first finding of that kind about path (below the stream directory); NULL: none. */
const struct repair_finding *repair_found(const struct repair *r, const char *path,
                                          enum atr_finding_kind kind);
/* Removes a file of the copy, if it is there. */
enum atr_status repair_remove(struct repair *r, const char *path, struct atr_error *err);

/* ---- repair_blocks.c ---- */

/* Blocks and their state files. */
enum atr_status repair_blocks(struct repair *r, struct atr_error *err);

/* ---- repair_meta.c ---- */

/* Meta files of the stream, consumers. After the blocks, whose subjects may be needed. */
enum atr_status repair_meta(struct repair *r, struct atr_error *err);

#endif
