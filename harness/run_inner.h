/* run_inner.h - what the files of a run share: run.c the rounds, run_arms.c workers and stores,
 * run_setup.c what comes before the first slice.
 */
#ifndef ATREST_HARNESS_RUN_INNER_H
#define ATREST_HARNESS_RUN_INNER_H

#include <signal.h>

#include "harness/output/histograms.h"
#include "harness/output/progress.h"
#include "harness/provenance.h"
#include "harness/run.h"
#include "harness/targets/target.h"
#include "harness/worker_client.h"

#define RUN_PLACE_BYTES   (WORKLOAD_NAME_BYTES + PLAN_ARM_BYTES + 64)
#define RUN_KEY_RAW_BYTES 32
#define RUN_KEY_BYTES     (1 + 2 * RUN_KEY_RAW_BYTES) /* text, as a server would have it */

/* A round whose slices are being run: its rows are written when it is whole. */
struct round_rows {
	struct sample rows[PLAN_ARMS_MAX];
	size_t count;
};

/* One arm of a cell for the length of a square. */
struct arm_state {
	struct worker *worker;
	char store[PLAN_PATH_BYTES]; /* of the slice at work, or what was filled; "" = none */
	int filled;
};

struct run {
	struct run_options *options;
	const struct plan *plan;
	struct run_result *result;
	struct samples_writer *writer;
	struct histograms_writer *histograms;
	struct provenance provenance;
	json_t *plan_file; /* of a new run, to be written */
	struct progress progress;
	struct round_rows round;
	struct arm_state *arms; /* cell * PLAN_ARMS_MAX + arm */
	uint32_t *squares; /* of each cell: the square that its workers were started for, from 1; 0:
	                      none */
	struct order_hello hellos[PLAN_CHOICES_MAX];
	char scratch[PLAN_CHOICES_MAX][PLAN_PATH_BYTES]; /* "" until made */
	int owners[PLAN_CHOICES_MAX];                    /* of each, leftovers.h */
	char image[PLAN_PATH_BYTES]; /* where the scratch image is mounted, "" = nowhere */
	int synced;
	char server_version[32]; /* of the servers that are there, once one has answered */
	uint8_t *key;            /* secret memory */
	double done_s;           /* of the estimate */
	uint64_t started_ns;     /* clock of the first round */
	double used_before_s;    /* what it had taken when it was interrupted */
};

/* A signal asked the run to end. */
extern volatile sig_atomic_t run_stop_asked;

/* ---- run.c ---- */

/* Once per text: to the user and to machine.json. */
void run_warn(struct run *run, const char *text);
void run_note_fault(struct run_result *result, enum target_fault fault, const char *text);

/* The order of a slice; the path of its store is set where the cell writes. attempt: of its round.
 * 0, or -1. */
int run_slice_order(struct run *run, const struct plan_slice *slice, uint32_t attempt,
                    struct order *order, struct target_error *error);

/* ---- run_arms.c ---- */

/* Its arms are servers that are there. */
int run_asks_servers(const struct plan_cell *cell);
struct arm_state *run_arm_state(struct run *run, size_t cell, size_t arm);
const char *run_arm_provider(const struct run *run, const struct plan_arm *arm);
/* The busy wait that the arm's operations get, 0: none. */
uint64_t run_injected_ns(const struct run *run, const struct plan_cell *cell,
                         const struct plan_arm *arm);
uint64_t run_seed_of(const struct run *run, const struct workload *w);

/* "WORKLOAD-ARM", for servers "WORKLOAD-ARM-nats-VERSION". */
void run_arm_place(const struct plan_cell *cell, const struct plan_arm *arm,
                   char name[RUN_PLACE_BYTES]);
/* "<scratch>/<kind><n>-<place>" into path: beside those of the other arms, since a folder of its
 * own would be a place on the disk that one arm has for the whole run. 0, or -1. */
int run_store_path(struct run *run, const struct plan_cell *cell, const struct plan_arm *arm,
                   const char *kind, uint32_t n, char path[PLAN_PATH_BYTES],
                   struct target_error *error);
/* After a slice that failed: the log of its server, if it had one, into the folder of the results;
 * its name there, "" if there is none. */
void run_log_keep(struct run *run, const struct plan_slice *slice, const char *store,
                  char name[RUN_PLACE_BYTES + 64]);
/* Frees the space of the arm's store; its files stay until the end of the run, since deleting
 * them makes the next creations dearer on some file systems. */
void run_store_cut(struct run *run, struct arm_state *state);
/* A worker that can take a slice of this arm, its store filled where the cell reads. 0, or -1. */
int run_worker_ready(struct run *run, const struct plan_slice *slice, struct target_error *error);
void run_worker_end(struct arm_state *state);
/* A new square: every arm of the cell starts afresh. round: its first round, a slice per arm. */
void run_square_start(struct run *run, const struct plan_slice *round);

/* ---- run_setup.c ---- */

/* Before the folder of the results: programs, space, key, the place of kept stores. 0, or -1. */
int run_check(struct run *run, struct target_error *error);
/* The folder of the results is there: the directory that was not given is in it. 0, or -1. */
int run_place(struct run *run, struct target_error *error);
/* What makes a number mean something else than its reader thinks (advice.h, payloads of zeros): to
 * the user and to machine.json. */
void run_tell_doubts(struct run *run);
/* In the folder of the results: scratch directories; of a new run, long slices. 0, or -1. */
int run_set_up(struct run *run, struct target_error *error);
/* One slice of an arm, only to see its pace: it is in no result. 0, or -1 and *error. */
int run_try_slice(struct run *run, size_t c, uint32_t arm, uint32_t round, struct order *order,
                  struct order_reply *reply, struct target_error *error);
/* Of a run that goes on, what the part before had failed in: its rows, and what machine.json says
 * of those that were cut off. */
void run_take_failures(struct run_result *result, const json_t *machine);
/* Workers and scratch directories are gone after this. */
void run_tear_down(struct run *run);

/* ---- run_rate.c ---- */

/* The rates of cells that are offered a share of what plaintext does here. 0, or -1. */
int run_rates_settle(struct run *run, struct target_error *error);

#endif
