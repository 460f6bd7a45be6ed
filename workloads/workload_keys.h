/* workload_keys.h - the one table of the keys of a workload file: the reader, --set, and the
 * writer all come from it. Private to workloads/.
 *
 * workloads/README.md documents each key; a test holds the two together.
 */
#ifndef ATREST_WORKLOADS_WORKLOAD_KEYS_H
#define ATREST_WORKLOADS_WORKLOAD_KEYS_H

#include "workloads/workload.h"

enum workload_kind {
	KEY_COUNT32, /* whole number, uint32_t */
	KEY_COUNT64, /* whole number, uint64_t */
	KEY_BYTES32, /* size with k, m, g, uint32_t */
	KEY_BYTES64, /* the same, uint64_t */
	KEY_BLOCK,   /* size or "server", uint64_t */
	KEY_SHARE,   /* decimal number of low..high, double */
	KEY_WORD,    /* one of words, an enum */
	KEY_NAME,    /* letters, digits, . _ - */
	KEY_TEXT,    /* one line of text */
	KEY_SUBJECT, /* tokens of a subject */
	KEY_SIZES,   /* payload sizes */
	KEY_SYNC     /* always, none or a duration: two fields */
};

struct workload_key {
	const char *name; /* NULL ends the table */
	enum workload_kind kind;
	size_t offset;            /* of the field in struct workload */
	uint64_t low, high;       /* inclusive; KEY_TEXT: high is the longest in bytes */
	const char *const *words; /* KEY_WORD: in the order of the enum, NULL ends */
};

extern const struct workload_key workload_keys[];

/* The entry of that name; NULL when there is none. */
const struct workload_key *workload_key_find(const char *name);
/* The name most like it, for "did you mean"; NULL when none is near. */
const char *workload_key_nearest(const char *name);

/* The word a KEY_WORD of that name has in w. */
const char *workload_key_word(const char *name, const struct workload *w);

/* Sets the field from text. 0; -1 when the text is no such value, and expected (of the given
 * size) then says what would be, the field being unchanged. */
int workload_key_set(const struct workload_key *key, const char *text, struct workload *w,
                     char *expected, size_t expected_bytes);

#define WORKLOAD_QUESTION_BYTES_MAX 180 /* fits one line of a file */
#define WORKLOAD_WEIGHT_MAX         1000000000.0

#endif
