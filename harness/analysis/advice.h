/* advice.h - what about a machine spoils measurements, seen how, and what to do about it. Pure
 * functions of the machine's fingerprint (machine.json) and of rows.
 *
 * Two kinds: advice, which makes intervals wider than they need be; and doubts, which make a
 * number mean something else than its reader thinks (nothing durable, a build that is not
 * optimised). A run tells its doubts, `atrest noise` all of it.
 */
#ifndef ATREST_HARNESS_ANALYSIS_ADVICE_H
#define ATREST_HARNESS_ANALYSIS_ADVICE_H

#include <jansson.h>
#include <stddef.h>

#include "harness/output/samples.h"

#define ADVICE_MAX 48

struct advice {
	int doubt;
	char what[48];      /* "governor" */
	char evidence[208]; /* what was found */
	char remedy[208];   /* what to do */
};

struct advice_list {
	struct advice items[ADVICE_MAX];
	size_t count;
};

/* An fsync that returns sooner was never on a device: a write of 4 KiB alone takes 2 µs, the
 * fastest devices 15. */
#define ADVICE_FSYNC_LEAST_NS 8000

/* From a fingerprint (measure/machine.h); adds to the list. */
void advice_of_machine(const json_t *machine, struct advice_list *out);
/* From the covariates of rows: steal, neighbours, quotas, frequency, file creation. */
void advice_of_rows(const struct samples *samples, struct advice_list *out);

#endif
