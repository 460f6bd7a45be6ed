/* restore.h - what restore.c (a tar) and restore_archive.c (an archive of 2.15) share (inner). */
#ifndef ATREST_STORE_RESTORE_H
#define ATREST_STORE_RESTORE_H

#include <jansson.h>

#include "store/consumer.h"
#include "store/snapshot.h"

/* What was put in, to compare with what is read back. */
struct restore_sum {
	uint64_t messages, bytes, first_seq, digest;
};

struct restore_consumer {
	char *name;
	struct atr_consumer_state state; /* numbers only: no lists */
};

struct atr_restore {
	struct atr_restore_options options;
	const struct atr_file_table *files;
	struct snapshot_source *source;
	struct snapshot_tar *tar; /* NULL: an archive */
	char *stream;
	json_t *config;   /* as it will stand in meta.inf */
	json_t *expected; /* state of backup_json; NULL: none */
	uint8_t *meta;    /* content of the tar's first file, meta.inf */
	size_t meta_bytes;

	/* while it is restored */
	char *dir, *work; /* work: ".restore-<STREAM>" beside dir */
	struct atr_store *store;
	struct restore_sum put;
	uint64_t last_seq; /* that the stream is to have */
	struct restore_consumer *consumer;
	size_t consumer_count;
};

/* The first finding that is no note. */
struct restore_findings {
	int bad;
	struct atr_error first;
};
void restore_take_finding(void *arg, const struct atr_finding *finding); /* an atr_finding_fn */

/* Appends; sequences ascend, else ATR_EFORMAT. */
enum atr_status restore_put_message(struct atr_restore *r, const struct atr_message *m,
                                    struct atr_error *err);
/* config is borrowed. */
enum atr_status restore_put_consumer(struct atr_restore *r, const char *name, json_t *config,
                                     const struct atr_consumer_state *state, struct atr_error *err);

/* ---- restore_tar.c ---- */

/* Everything behind meta.inf, into the store; sets last_seq. */
enum atr_status restore_tar(struct atr_restore *r, struct atr_error *err);

/* ---- restore_archive.c ---- */

#define RESTORE_ARCHIVE_MAGIC "NATSARC1"

/* Everything behind the magic, into the store; sets last_seq. */
enum atr_status restore_archive(struct atr_restore *r, struct atr_error *err);

#endif
