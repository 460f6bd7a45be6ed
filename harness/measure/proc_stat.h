/* proc_stat.h - /proc/PID/stat: what a process is doing, since when, and its processor time.
 *
 * proc(5).
 */
#ifndef ATREST_HARNESS_MEASURE_PROC_STAT_H
#define ATREST_HARNESS_MEASURE_PROC_STAT_H

#include <stdint.h>
#include <sys/types.h>

struct proc_stat {
	char state;                        /* 'R', 'S', 'T' (stopped), 'Z', ... */
	uint64_t user_ticks, system_ticks; /* of sysconf(_SC_CLK_TCK) */
	uint64_t start_ticks;              /* since boot: with the pid it names one process */
};

/* 0, or -errno. */
int proc_stat_read(pid_t pid, struct proc_stat *out);

#endif
