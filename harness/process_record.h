/* process_record.h - which process it was: a file with its number, start time and boot, so that a
 * later program can end that very process and no other.
 *
 * "PID STARTTIME BOOT\n": start time is field 22 of /proc/PID/stat, boot the kernel's
 * random/boot_id.
 */
#ifndef ATREST_HARNESS_PROCESS_RECORD_H
#define ATREST_HARNESS_PROCESS_RECORD_H

#include <sys/types.h>

/* Writes the file of a process that lives. 0, or -errno. */
int process_record_write(const char *path, pid_t pid);

/* Kills (SIGKILL) the process of the file and waits until it is gone, a second at most. 1; 0 when
 * there is no file, it is not one of ours, or that process is gone (its number may be another's by
 * now); -errno. The file stays. */
int process_record_kill(const char *path);

/* The state letter of /proc/PID/stat ('R', 'S', 'T' stopped, 'Z' ended), 0 when there is none. */
char process_record_state(pid_t pid);

#endif
