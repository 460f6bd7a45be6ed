/* machine_model.h - an invented machine that is not quiet, for simulated runs: by what factor
 * does the next slice take longer than it should?
 *
 *   drift       a random walk of the speed, a step per slice: heat, a filling disk
 *   neighbours  bursts of one to three slices, in which another tenant takes a share
 *   stalls      single slices that take several times as long
 *   own         what is left: independent, in every slice
 */
#ifndef ATREST_TESTS_SIMULATION_MACHINE_MODEL_H
#define ATREST_TESTS_SIMULATION_MACHINE_MODEL_H

#include <stdint.h>

/* What a machine is like. Logarithms of the slice's time but for the chances. */
struct machine_kind {
	const char *name;
	double own;              /* standard deviation */
	double drift;            /* of a step of the walk */
	double neighbour_chance; /* that a burst begins, per slice */
	double neighbour_low, neighbour_high;
	double stall_chance; /* per slice */
	double stall_low, stall_high;
};

struct machine_model {
	const struct machine_kind *kind;
	uint64_t random;
	double drifted;
	unsigned burst_slices; /* left */
	double burst;
};

/* The same seed has the same slices. */
void machine_model_init(struct machine_model *m, const struct machine_kind *kind, uint64_t seed);
/* Logarithm of the factor for the next slice. */
double machine_model_slice(struct machine_model *m);

#endif
