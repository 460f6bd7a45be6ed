/* synthetic.h - samples of an invented machine: known effects under known noise.
 *
 * Every row is a pure function of the seed. Per message a cell costs base_ns in plaintext and
 * base_ns + added_ns under a cipher; each round shifts all arms alike (which pairing must remove)
 * and each slice has noise of its own (which it cannot).
 */
#ifndef ATREST_TESTS_SYNTHETIC_H
#define ATREST_TESTS_SYNTHETIC_H

#include "harness/output/samples.h"

struct synthetic_cell {
	const char *workload;
	const char *class_;
	const char *sync;
	uint64_t payload_bytes;
	uint64_t messages;
	uint32_t rounds;
	double base_ns;       /* wall time per message, plaintext */
	double cpu_share;     /* CPU time over wall time, plaintext */
	double chachapoly_ns; /* added, wall and CPU alike */
	double aes_ns;
};

struct synthetic_suite {
	const char *target, *version;
	const struct synthetic_cell *cells;
	size_t count;
};

struct synthetic_noise {
	double round; /* standard deviation of the log, common to a round */
	double slice; /* of each slice */
	double twin;  /* log-ratio of the twin to plaintext: 0 for an honest machine */
};

/* The quick suite of the store with the costs of a machine that was measured once. */
extern const struct synthetic_cell synthetic_quick[];
extern const size_t synthetic_quick_count;

/* nats-servers over loopback: one with fast AES and slow XChaCha20, and an old one that pays as
 * much for either. */
extern const struct synthetic_suite synthetic_nats_new, synthetic_nats_old;

/* Adds the rows of cells in running order: rounds outside, cells inside, arms none, none-twin,
 * chachapoly, aes rotating. Rows count as complete. */
void synthetic_add(struct samples *s, const struct synthetic_cell *cells, size_t count,
                   struct synthetic_noise noise, uint64_t seed);

/* The same as rows of a server: block size by its own rule, a client with CPU time of its own. */
void synthetic_add_server(struct samples *s, const struct synthetic_suite *suite,
                          struct synthetic_noise noise, uint64_t seed);

/* A new folder below the current one, and its removal with all that is in it. */
void synthetic_folder(char path[64]);
void synthetic_remove(const char *path);
/* setup and teardown of a group of tests: such a folder. */
extern char synthetic_here[64];
int synthetic_here_make(void **state);
int synthetic_here_remove(void **state);
/* "<folder>/<name>", kept until the fourth call after. */
const char *synthetic_path(const char *folder, const char *name);

/* samples.csv anew, with the trailer of a complete run or without. 0, or -1. */
int synthetic_write(const char *path, const struct samples *s, int complete);
/* Where the column's value of the first row is in its text, and how long. The column is there. */
size_t synthetic_field(const char *text, const char *column, size_t *bytes);

/* Standard normal, from a splitmix64 state. */
double synthetic_normal(uint64_t *state);

#endif
