/* resume.h - a run that was interrupted, killed or stopped by a fault goes on in its folder.
 *
 * Kept, byte for byte: the rows of whole rounds in samples.csv. Cut off: what a kill left of a
 * round or a line; of a run that a fault ended (no space) also the round that it shows in. The plan
 * is the same (plan_file.h), in the order of the same seed; workers, stores and their key are new.
 * A rigorous run that is complete but for its proofs is one that has no further round.
 *
 * Refused, here or by run_execute, is what would mix two things in one result: another machine,
 * file system, kernel, library or program (provenance_is_same).
 */
#ifndef ATREST_HARNESS_RESUME_H
#define ATREST_HARNESS_RESUME_H

#include "harness/plan_file.h"

struct resume {
	struct plan_file file; /* its options have `past` set */
	struct plan plan;
	struct run_past past;
};

/* Locks the folder and reads all of it; nothing is changed yet but for zeros behind the last line,
 * which a power loss leaves and which are cut. 0; or -1, *out is empty and error
 * says why not: TARGET_USAGE, it is no run's folder, complete, damaged or has nothing yet;
 * TARGET_SYSTEM, a run is at work there, another schema. */
int resume_open(const char *dir, run_warn_fn *warn, struct resume *out, struct target_error *error);
void resume_close(struct resume *resume);

#endif
