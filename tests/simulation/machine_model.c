/* machine_model.c - see machine_model.h. */
#include "tests/simulation/machine_model.h"

#include "harness/analysis/stats.h"
#include "tests/unit/synthetic.h"

void machine_model_init(struct machine_model *m, const struct machine_kind *kind, uint64_t seed)
{
	*m = (struct machine_model){.kind = kind, .random = ~seed};
	/* Not the numbers that the plan of this seed is shuffled with. */
	(void)stats_random(&m->random);
}

static double uniform(struct machine_model *m, double low, double high)
{
	return low + (high - low) * (double)(stats_random(&m->random) >> 11) / 9007199254740992.0;
}

double machine_model_slice(struct machine_model *m)
{
	const struct machine_kind *k = m->kind;
	double slower = k->own * synthetic_normal(&m->random);

	m->drifted += k->drift * synthetic_normal(&m->random);
	if (m->burst_slices > 0) {
		m->burst_slices--;
	} else if (uniform(m, 0, 1) < k->neighbour_chance) {
		m->burst_slices = (unsigned)(stats_random(&m->random) % 3);
		m->burst = uniform(m, k->neighbour_low, k->neighbour_high);
	} else {
		m->burst = 0;
	}
	if (uniform(m, 0, 1) < k->stall_chance)
		slower += uniform(m, k->stall_low, k->stall_high);
	return slower + m->drifted + m->burst;
}
