/* leftovers.h - what a run that was killed left: its scratch directory "atrest-run-XXXXXX", and
 * servers that work in it.
 *
 * A run's directory holds LEFTOVERS_OWNER, locked (flock) while the run lives. One whose owner file
 * can be locked is a leftover. Nothing else is touched: no directory without that file, of another
 * user or of another name, no process but those of its records (process_record.h).
 */
#ifndef ATREST_HARNESS_LEFTOVERS_H
#define ATREST_HARNESS_LEFTOVERS_H

#define LEFTOVERS_PREFIX "atrest-run-"
#define LEFTOVERS_OWNER  "atrest-run.owner"

/* Marks a scratch directory as of this process, until the descriptor is closed. The descriptor,
 * which programs that are started do not get, or -errno. */
int leftovers_own(const char *scratch);

/* Ends the servers in a scratch directory of our own (*killed: how many) and removes it, the owner
 * file last: what is left when this is cut short is a leftover. 0, or -errno. */
int leftovers_take_down(const char *scratch, unsigned *killed);

typedef void leftovers_tell_fn(void *arg, const char *text);

/* Removes the leftovers in parent, or in the directories of parent (below 1), and tells of each one
 * in a line. What cannot be removed is told as well and stays. */
void leftovers_remove(const char *parent, int below, leftovers_tell_fn *tell, void *arg);

#endif
