/* cpu.h - processor time of one process and of the whole machine, and what else went on there.
 *
 * Figures are running totals: read before and after and subtract. What a kernel does not offer
 * (pressure, frequency, quotas) reads as 0 and is not an error.
 */
#ifndef ATREST_HARNESS_MEASURE_CPU_H
#define ATREST_HARNESS_MEASURE_CPU_H

#include <stdint.h>
#include <sys/types.h>

/* total_ns is exact (the process clock, all threads). user and system are total_ns split in
 * proportion to getrusage (own process) or /proc/PID/stat, which tick at 10 ms or so: subtract
 * totals of two readings first and split the difference, see cpu_process_since. */
struct cpu_process {
	uint64_t total_ns;
	uint64_t user_ns;   /* as ticked */
	uint64_t system_ns; /* as ticked */
};

/* pid 0: this process. 0, or -errno. */
int cpu_process_read(pid_t pid, struct cpu_process *out);
/* The time between two readings; user_ns + system_ns = total_ns. Where no tick fell in between,
 * all of it is user time. */
struct cpu_process cpu_process_since(const struct cpu_process *before,
                                     const struct cpu_process *after);

struct cpu_machine {
	uint64_t busy_ns;  /* all processors, not idle, not waiting for I/O, not stolen; 10 ms
	                      ticks of /proc/stat */
	uint64_t steal_ns; /* taken by the hypervisor */
	uint64_t pressure_cpu_us; /* some task waited: /proc/pressure, since boot */
	uint64_t pressure_io_us;
	uint64_t throttled_us;  /* by the quotas of the process's control groups */
	uint64_t frequency_khz; /* now, mean of the processors; not a total */
};

/* 0, or -errno when /proc/stat cannot be read. */
int cpu_machine_read(struct cpu_machine *out);
/* after - before of every total; frequency is the mean of the two. */
struct cpu_machine cpu_machine_since(const struct cpu_machine *before,
                                     const struct cpu_machine *after);
/* What other processes used: the machine's busy time less ours, not below 0. */
uint64_t cpu_other_ns(const struct cpu_machine *machine, uint64_t ours_ns);

/* Peak resident memory (VmHWM) since start or the last reset. pid 0: this process. Resetting
 * needs the right to write /proc/PID/clear_refs; 0, or -errno. */
int cpu_memory_peak_bytes(pid_t pid, uint64_t *bytes);
int cpu_memory_peak_reset(pid_t pid);

/* Quota of the process's control groups: processors it may use at once, 0 = no limit. */
double cpu_quota_processors(void);

#endif
