/* run.h - the rounds: which slice next, what becomes of it, when to stop.
 *
 * Per square every arm of a cell gets a worker process of its own; reading cells fill their
 * stores then. The rows of a round go to samples.csv together when its last slice is done, so that
 * a run which ends anywhere leaves whole rounds: the first SIGINT, SIGTERM or SIGHUP kills the
 * slice at work and ends the run in order, the second one ends it at once.
 *
 * A slice that fails is an invalid row, and the run goes on, unless the next one would fail as
 * well (no space, read-only, an order that cannot be obeyed): then the round ends with that row.
 *
 * A run that was interrupted goes on in the same folder (resume.h).
 */
#ifndef ATREST_HARNESS_RUN_H
#define ATREST_HARNESS_RUN_H

#include "harness/analysis/repeat.h"
#include "harness/measure/providers.h"
#include "harness/orders.h"
#include "harness/output/run_folder.h"
#include "harness/output/samples.h"
#include "harness/plan.h"
#include "harness/schedule.h"

typedef void run_warn_fn(const char *text);

/* A known slowdown of an arm, to prove that it is found: a busy wait added to every operation. */
struct run_injection {
	const char *workload; /* by name; NULL: in every cell */
	const char *arm;      /* by name, such as none-twin */
	uint64_t ns;
};

/* What is there of a run that goes on (resume.h). */
struct run_past {
	struct run_folder folder; /* locked; both move to the result */
	struct samples samples;   /* whole rounds */
	json_t *machine;          /* machine.json as it was */
	double used_s;            /* time that the rows took */
};

/* Borrowed by all calls below. */
struct run_options {
	struct schedule_rule rule;
	int width_is_asked; /* by the user, not by default: not reached is no success then */
	int is_rigorous;    /* the proofs of a selftest are part of it */
	struct plan_request request; /* its workloads are `workloads`; a first directory with
	                                path "" is the folder of the results */
	struct workload *workloads;  /* made smaller or longer by run_prepare */
	struct provider_choice providers;
	struct order_server server; /* replicas, and what to log in with; the rest is the plan's */
	const char *label;          /* NULL: the host's name */
	const char *output;         /* NULL: results/<time>-<label> */
	const char *keep;           /* --keep-stores, NULL: none */
	uint64_t scratch_bytes;     /* --scratch-image: of a file system made for the stores of this
	                               run; the one directory is that then. 0: none */
	run_warn_fn *warn;          /* a line about what a reader of the result should know */
	char *const *arguments;     /* for machine.json, NULL-terminated */
	const char *const *notes;   /* what the user was told before, for machine.json: NULL ends;
	                               NULL: nothing */
	const struct run_injection *injections;
	size_t injection_count;
	int capped;            /* set by run_prepare: some slices were made smaller */
	struct run_past *past; /* NULL: a new run */
};

/* All 0 is a result without a flaw. */
struct run_result {
	struct run_folder folder; /* locked; run_result_free unlocks */
	struct samples samples;
	int interrupted;   /* a signal: the rows are whole, the run is not */
	int verify_failed; /* a read that differed, clear text, a key that should not fit */
	int usage;         /* asked for what cannot be done */
	int system;        /* no space, locked, read-only */
	int invalid;       /* some row is not valid */
	struct schedule_reach
	        *reach; /* one per cell of the plan; NULL: the run did not come to its end */
	enum schedule_state ended_by; /* why there was no further round */
	size_t repeated;              /* rounds that were set aside and run again */
	struct repeat_tally tally;    /* rounds that count, and those that were disturbed of them */
	size_t fault_row;   /* of samples, from 1: the one that ended the run; 0: none did */
	int error_weight;   /* of what error tells */
	char error[1024];   /* the first of the gravest, "" if none */
	char failure[1024]; /* the gravest of what only spoils rows, "" if none */
};

/* Settles the sizes of the slices for this machine and plans. 0, or -1 and error: bad request. */
int run_prepare(struct run_options *options, struct plan *plan, char error[512]);

/* 1 when slices have to be seen through to the device: several directories, or an encrypted
 * one. */
int run_synced(const struct run_options *options);

/* Runs the plan. The result is there whatever happens; its folder's path is "" when nothing was
 * written. */
void run_execute(struct run_options *options, struct plan *plan, struct run_result *result);
void run_result_free(struct run_result *result);

#endif
