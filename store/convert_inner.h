/* convert_inner.h - one conversion at work (inner): what its parts share.
 *
 *   S/                    the stream; locked from open to the end
 *   .convert-S/           beside it: the new directory, later the old one
 *   .convert-S/convert.tmp  what is being made, a line for each block of S that is done
 *
 *   1  .convert-S is made, convert.tmp first; blocks, consumers, meta files
 *   2  it is opened under the new key alone and compared with S
 *   3  the two change places: convert.tmp is in S now
 *   4  .convert-S is removed, then S/convert.tmp
 *
 * The next run finds by convert.tmp where a killed one was: in .convert-S, step 1 or 2; in S, step
 * 4. Servers ignore convert.tmp, and do not take .convert-S for a stream: newer ones remove it,
 * which is what step 4 does, or costs what step 1 has done so far.
 *
 * Where a file system cannot exchange, step 3 is three renames, over names that no stream can have
 * and that no server removes: .convert-S to S.convert-new, S to S.convert-old, S.convert-new to S;
 * then S.convert-old to .convert-S.
 */
#ifndef ATREST_STORE_CONVERT_INNER_H
#define ATREST_STORE_CONVERT_INNER_H

#include <limits.h>

#include "store/blockout.h"
#include "store/survey.h"
#include "store/filetree.h"

#define CONVERT_LOG_NAME "convert.tmp"

struct convert {
	struct atr_inspect *in; /* the source */
	struct atr_inspect
	        *made; /* what was made, while it is compared and until the end; its lock */
	const struct atr_file_table *files;
	const struct atr_convert_options *options;
	struct atr_convert_result *result;

	const struct atr_cipher *cipher; /* NULL: clear text */
	int for_2_9;                     /* no tombstone, and see convert_meta.c */
	int compress;                    /* blocks but the last */
	struct atr_keyring ring;         /* the new key, or none */
	struct atr_block_home home;      /* of the sibling */
	char parent[PATH_MAX], sibling[PATH_MAX], msgs[PATH_MAX];
	uint64_t whole_bytes; /* of the source's blocks */
	uint64_t told_bytes;  /* progress */

	struct convert_index *index; /* of what was made, while it is read; NULL: none is written */

	int log_fd; /* of convert.tmp in the sibling; -1: not open */
	uint64_t log_bytes;
	/* resumed: the first skip_blocks of the source are in the sibling's up to number kept */
	size_t skip_blocks;
	uint64_t kept_number, kept_last_seq;
};

/* ATR_OK, or that the source is damaged: anything found so far that a copy would lose or hide. */
enum atr_status convert_check_found(const struct atr_inspect *in, struct atr_error *err);

/* Tells of the place where the source is being read, now and then. */
void convert_tell(struct convert *c, enum atr_convert_step step);

/* ---- convert_copy.c ---- */

/* Reads the source from skip_blocks on and writes it into the sibling's msgs/ (dry run: writes
 * nothing), the last sequence included. */
enum atr_status convert_copy(struct convert *c, struct atr_error *err);

/* ---- convert_resume.c ---- */

/* Begins convert.tmp anew. */
enum atr_status convert_log_begin(struct convert *c, struct atr_error *err);
/* Block `source` (index) is in the sibling, whose last block is number; sequences up to last. */
enum atr_status convert_log_block(struct convert *c, size_t source, uint64_t number, uint64_t last,
                                  struct atr_error *err);
/* Looks whether the sibling can be gone on with: sets skip_blocks ... and takes away what is behind
 * them; nothing of it: *usable is 0. */
enum atr_status convert_resume(struct convert *c, int *usable, struct atr_error *err);

/* ---- convert_meta.c ---- */

/* The stream's meta files and those of its consumers, into the sibling. */
enum atr_status convert_meta(struct convert *c, struct atr_error *err);
/* 1 when a configuration has members that 2.9 does not know. */
int convert_config_is_newer(const json_t *config, int of_consumer);

/* ---- convert_compare.c ---- */

/* Opens the sibling under the new key alone and compares all of it, writes its index.db and looks
 * whether that says the same; c->made is set, its lock held. ATR_EFORMAT: it is not what it should
 * be. */
enum atr_status convert_compare(struct convert *c, struct atr_error *err);

/* ---- convert_index.c ---- */

/* The live messages of c->made are seen in order, then its index.db is written. */
enum atr_status convert_index_begin(struct convert *c, struct atr_error *err);
enum atr_status convert_index_see(struct convert *c, const struct atr_inspect_message *m,
                                  struct atr_error *err);
enum atr_status convert_index_write(struct convert *c, int *written, struct atr_error *err);
void convert_index_free(struct convert *c);

/* ---- convert_exchange.c ---- */

/* dir and sibling change places, durably. */
enum atr_status convert_exchange(const struct atr_file_table *files, const char *dir,
                                 const char *sibling, const char *parent, struct atr_error *err);
/* The directory that path is in, and the sibling's path. */
enum atr_status convert_paths(const char *dir, char parent[PATH_MAX], char sibling[PATH_MAX],
                              struct atr_error *err);

#endif
