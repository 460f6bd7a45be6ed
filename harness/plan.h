/* plan.h - which slices, in which order: cells, arms, rounds. Pure: same request, same plan.
 *
 *   cell   workload x target (a server's version is part of it)
 *   arm    cipher x directory x program of a cell:  CIPHER[@DIRECTORY][+PROGRAM]
 *          none is always there (the baseline); none-twin, the same again, only in the first
 *          directory and of this program. Of servers that are there (target server) the arms
 *          are the ciphers that have one, none among them or not; none-twin is on those of none
 *   round  one slice of every arm, back to back
 *   square as many rounds as there are arms (twice as many when that is odd): each arm is at
 *          each position equally often, and follows each other arm equally often (Williams)
 *
 * Rounds are the outer loop and cells the shuffled inner one, so a run that ends anywhere has
 * about as many rounds of each cell.
 */
#ifndef ATREST_HARNESS_PLAN_H
#define ATREST_HARNESS_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "workloads/workload.h"

#define PLAN_NAME_BYTES  64
#define PLAN_ARM_BYTES   128
#define PLAN_PATH_BYTES  4096
#define PLAN_ARMS_MAX    64
#define PLAN_CHOICES_MAX 16

/* NAME=PATH of --dir and NAME=PROGRAM of --arm. */
struct plan_place {
	char name[PLAN_NAME_BYTES];
	char path[PLAN_PATH_BYTES];
};

/* What workloads run against. */
struct plan_target {
	char name[16];                 /* target.h */
	char version[32];              /* nats: of the program, such as "2.15.1"; else "" */
	char program[PLAN_PATH_BYTES]; /* nats: path of the server's program; else "" */
};

/* Servers that are there (--server CIPHER=URL,...): the arms of the target server. */
struct plan_server {
	char cipher[16]; /* what the user says that their store is under */
	char urls[1024];
};

/* One cell to be. */
struct plan_choice {
	size_t workload, target; /* indices of the request */
	uint32_t rounds;         /* 0: what the request, else the workload says */
	uint64_t messages_max;   /* of a slice, where a target takes longer for each; 0: no limit */
};

struct plan_request {
	const struct workload *workloads; /* borrowed for as long as the plan */
	size_t workload_count;
	struct plan_target targets[PLAN_CHOICES_MAX];
	size_t target_count;
	struct plan_server servers[PLAN_CHOICES_MAX];
	size_t server_count;
	const struct plan_choice *choices; /* borrowed; NULL: every workload on every target */
	size_t choice_count;
	const char *ciphers[PLAN_CHOICES_MAX]; /* "none" need not be among them */
	size_t cipher_count;
	struct plan_place dirs[PLAN_CHOICES_MAX]; /* at least one */
	size_t dir_count;
	struct plan_place programs[PLAN_CHOICES_MAX]; /* besides this one */
	size_t program_count;
	uint32_t rounds; /* 0: what each workload says */
	uint64_t seed;
};

struct plan_arm {
	char name[PLAN_ARM_BYTES];
	const char *cipher; /* borrowed from the request */
	size_t server;      /* target server: index of the request */
	size_t dir;         /* index of the request */
	size_t program;     /* 0: this one, else index + 1 of the request */
};

struct plan_cell {
	const struct workload *workload;
	const struct plan_target *target; /* of the request */
	uint64_t messages_max;            /* of the choice */
	uint64_t rate_msgs_s; /* of the workload, or once the run has settled its share; 0: a closed
	                         loop, or not known yet */
	struct plan_arm arms[PLAN_ARMS_MAX];
	size_t arm_count;
	uint32_t rounds; /* whole squares */
	uint32_t square_rounds;
};

/* Counted from 0. */
struct plan_slice {
	uint32_t cell;
	uint32_t arm;
	uint32_t round;
	uint32_t position;
	uint32_t square;
};

struct plan {
	const struct plan_request *request; /* borrowed */
	struct plan_cell *cells;
	size_t cell_count;
	struct plan_slice *slices; /* in the order of running */
	size_t slice_count;
};

/* 0; or -1 and error says what cannot be: too many arms, an unknown target, two arms or two
 * cells of one name, out of memory. */
int plan_make(const struct plan_request *request, struct plan *out, char error[256]);
void plan_free(struct plan *plan);

/* One round of a cell, in its order: a slice for each of its arms (arm_count). Also of rounds
 * that are not in the plan, beyond those that were asked for. */
void plan_round(const struct plan *plan, uint32_t cell, uint32_t round, struct plan_slice *slices);

/* "store", "nats 2.15.1"; returns text. */
#define PLAN_TARGET_BYTES 64
const char *plan_target_text(const struct plan_target *target, char text[PLAN_TARGET_BYTES]);

/* 1 when a row with these columns is of the cell. The version of a server that is there is known to
 * its rows alone. */
int plan_cell_has(const struct plan_cell *cell, const char *workload, const char *target,
                  const char *version);

/* The cell's workload as a slice of its target has it. */
void plan_cell_workload(const struct plan_cell *cell, struct workload *out);

/* Rounds of one square of so many arms. */
uint32_t plan_square_rounds(size_t arms);

/* A shuffled Williams square: order[r * arms + p] is the arm at position p of round r, for
 * plan_square_rounds(arms) rounds. */
void plan_square(size_t arms, uint64_t seed, uint32_t *order);

#endif
