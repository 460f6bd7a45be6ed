/* cgroup.h - the limits of the control groups a process is in, version 1 and 2.
 *
 * proc is the process's directory, "/proc/self" but in tests: its files cgroup and mountinfo lead
 * to the groups.
 *
 * Every level from the process's own group up to what is mounted counts: the tightest limit
 * wins. Where no group is visible there is no limit.
 */
#ifndef ATREST_HARNESS_MEASURE_CGROUP_H
#define ATREST_HARNESS_MEASURE_CGROUP_H

#include <stdint.h>

/* Processors that may be used at once; 0 = no quota. */
double cgroup_quota_processors(const char *proc);
/* Time its threads were held back by quotas, a running total; 0 where there is none. */
uint64_t cgroup_throttled_us(const char *proc);
/* 0 = no limit. */
uint64_t cgroup_memory_limit_bytes(const char *proc);

#endif
