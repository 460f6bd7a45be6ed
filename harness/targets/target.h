/* target.h - what a slice runs against: a store in this process, nothing at all, a server.
 *
 * One table of functions per target; the slice loop (slice.c) knows nothing else. A *place* is
 * one arm's streams in one directory. Streams are numbered from 0. Publishing is pipelined:
 * submit hands a message over, `acked` is called for it from inside submit or drain of the same
 * publisher, in the order of the acknowledgements; a target in this process calls it at once.
 *
 * Functions return 0, or -1 with *error filled, unless said otherwise. A publisher or a reader
 * belongs to one thread; a place to all.
 */
#ifndef ATREST_HARNESS_TARGETS_TARGET_H
#define ATREST_HARNESS_TARGETS_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "workloads/workload.h"

struct generator;
struct target_place;
struct target_publisher;
struct target_reader;

/* What a failure means for the run. */
enum target_fault {
	TARGET_FAILED = 1, /* this slice has no result */
	TARGET_SYSTEM,     /* no space, read-only, locked: the next slice would fail as well */
	TARGET_USAGE,      /* what was asked for cannot be done at all */
	TARGET_VERIFY,     /* damage, clear text, a message that differs */
	TARGET_WRONG_KEY
};

struct target_error {
	enum target_fault fault;
	char text[512];
};

/* Pointers are borrowed: by submit until it returns, from get and next until the reader's next
 * call. The subject is not NUL-terminated. */
struct target_message {
	uint64_t sequence; /* of what was read; unused in submit */
	const char *subject;
	size_t subject_bytes;
	const uint8_t *headers;
	size_t headers_bytes;
	const uint8_t *payload;
	size_t payload_bytes;
};

/* Goes with a message and comes back with its acknowledgement. */
struct target_ticket {
	uint64_t op;         /* which message (generator.h) */
	uint64_t started_ns; /* when it was handed over, 0 = nobody asks */
};

typedef void target_acked_fn(void *arg, struct target_ticket ticket, uint64_t sequence);

/* What a place is made or opened for. */
enum target_use {
	TARGET_MEASURE, /* with the workload's policies */
	TARGET_FILL,    /* to be written as fast as possible */
	TARGET_CHECK    /* to be read, and left as it is */
};

/* Which nats-server: one that is started for a place, or those that are there. Texts are borrowed
 * like the options; NULL is none. */
struct target_server {
	const char *program; /* target nats: path of its program */
	const char *version; /* of that, such as "2.15.1" */
	const char *urls;    /* target server: separated by commas */
	const char *user, *password;
	const char *creds, *nkey;                /* paths */
	const char *tls_cert, *tls_key, *tls_ca; /* paths */
	uint32_t replicas;                       /* of every stream */
};

/* Borrowed by a place until it is closed. */
struct target_options {
	const struct workload *workload;
	const struct generator *generator; /* what the null target reads back */
	const char *cipher;
	const char *provider; /* NULL: the default */
	const uint8_t *key;   /* server key, raw; for ciphers that encrypt */
	size_t key_bytes;
	const struct target_server *server; /* NULL for targets in this process */
	enum target_use use;
};

/* Of one stream. */
struct target_state {
	uint64_t messages;
	uint64_t last_sequence;
};

/* Since create or open. */
struct target_counters {
	uint64_t writes;
	uint64_t written_bytes;
	uint64_t syncs;
	uint64_t keys_made;
	uint64_t key_wait_ns;
};

struct target {
	const char *name;
	int stores;  /* keeps files: disk figures, canary and wrong key apply */
	int keeps;   /* what create and a durable close left is there for open; where there are no
	                files, under a name that follows from the last three parts of directory */
	int ciphers; /* knows ciphers; 0: the arms are none and none-twin */

	/* directory is a store_dir: absent or empty for create, with create's streams for open. A
	 * server that is started for the place keeps its configuration and log beside it, in
	 * TARGET_LOG_SUFFIX. */
	int (*create)(const struct target_options *options, const char *directory,
	              struct target_place **out, struct target_error *error);
	int (*open)(const struct target_options *options, const char *directory,
	            struct target_place **out, struct target_error *error);

	int (*publisher_open)(struct target_place *place, uint32_t stream, target_acked_fn *acked,
	                      void *arg, struct target_publisher **out, struct target_error *error);
	int (*submit)(struct target_publisher *publisher, const struct target_message *m,
	              struct target_ticket ticket, struct target_error *error);
	/* Returns when everything submitted was acknowledged. */
	int (*drain)(struct target_publisher *publisher, struct target_error *error);
	/* For as long as nothing is to be submitted: hands over what waits and takes the
	 * acknowledgements as they come, until until_ns (clock.h) or until none is missing. Sleeps
	 * no longer than up to spin_ns before that. Of a moment that is past: takes those that are
	 * there. NULL: nothing is on its way between calls. */
	int (*serve)(struct target_publisher *publisher, uint64_t until_ns, uint64_t spin_ns,
	             struct target_error *error);
	void (*publisher_close)(struct target_publisher *publisher); /* NULL allowed */

	int (*reader_open)(struct target_place *place, uint32_t stream, struct target_reader **out,
	                   struct target_error *error);
	int (*get)(struct target_reader *reader, uint64_t sequence, struct target_message *m,
	           struct target_error *error);
	/* The first message at or above sequence; 1 when there is none. */
	int (*next)(struct target_reader *reader, uint64_t sequence, struct target_message *m,
	            struct target_error *error);
	void (*reader_close)(struct target_reader *reader); /* NULL allowed */

	/* Everything acknowledged is written; everything written is on the device. */
	int (*flush)(struct target_place *place, struct target_error *error);
	int (*sync)(struct target_place *place, struct target_error *error);
	int (*state)(struct target_place *place, uint32_t stream, struct target_state *out,
	             struct target_error *error);
	void (*counters)(struct target_place *place, struct target_counters *out);
	/* The process that owns the streams, whose CPU time, memory and I/O are the row's; -1: one
	 * of another machine. NULL: this process. */
	pid_t (*process)(const struct target_place *place);
	/* Of the library or server, such as "2.15.1"; constant while the place is open. NULL: this
	 * program's version. */
	const char *(*version)(const struct target_place *place);
	/* The place is gone after this, whatever is returned; NULL is 0. durable 0: what was not
	 * synced yet is left to the kernel, since the files are cut to nothing next; where there
	 * are no files, what create made is deleted. */
	int (*close)(struct target_place *place, int durable, struct target_error *error);

	/* What create and a durable close left under directory is not needed any more. NULL: it is
	 * files, which the run removes. */
	void (*discard)(const struct target_options *options, const char *directory);

	/* ---- operations that not every target has: NULL ---- */

	/* The newest message of a subject (NUL-terminated). */
	int (*last)(struct target_reader *reader, const char *subject, struct target_message *m,
	            struct target_error *error);
	int (*remove)(struct target_publisher *publisher, uint64_t sequence,
	              struct target_error *error);
	/* Nothing of what was removed is left in the files of the streams. */
	int (*compact)(struct target_place *place, struct target_error *error);
	/* All messages of all streams. */
	int (*purge)(struct target_place *place, struct target_error *error);

	/* On streams that are closed. Converted and restored ones are on the device on return. from
	 * and to differ in cipher and key; when they do not, everything is rewritten all the same.
	 * file is the beginning of the names of the streams' snapshots, which are replaced. */
	int (*convert)(const struct target_options *from, const struct target_options *to,
	               const char *directory, struct target_error *error);
	/* Every block is under options' cipher and key: opening a stream would also bring it there,
	 * or leave its blocks as they are. NULL where convert is. */
	int (*is_under)(const struct target_options *options, const char *directory,
	                struct target_error *error);
	int (*snapshot)(const struct target_options *options, const char *directory,
	                const char *file, struct target_error *error);
	int (*restore)(const struct target_options *options, const char *file,
	               const char *directory, struct target_error *error);
};

/* "<directory><suffix>" is a folder with a server's configuration, log and process number. */
#define TARGET_LOG_SUFFIX ".server"
#define TARGET_LOG_FILE   "nats-server.log"

/* The one whose arms are plan_server's. */
#define TARGET_SERVER_NAME "server"

extern const struct target target_null;
extern const struct target target_store;
extern const struct target target_nats;   /* a nats-server of its own for every place */
extern const struct target target_server; /* servers that are there already */

/* NULL when there is none of that name. */
const struct target *target_find(const char *name);
/* The names, separated by ", ". */
const char *target_names(void);
/* 0 when it has no function for that operation. */
int target_can(const struct target *target, enum workload_operation operation);

/* Fills *error (never NULL) and returns -1. */
int target_fail(struct target_error *error, enum target_fault fault, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

#endif
