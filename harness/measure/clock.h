/* clock.h - the monotonic clock, in nanoseconds; about 20 ns a call through the vDSO.
 */
#ifndef ATREST_HARNESS_MEASURE_CLOCK_H
#define ATREST_HARNESS_MEASURE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_of_ns(clockid_t id)
{
	struct timespec t = {0};

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* For durations: never jumps. */
static inline uint64_t clock_ns(void)
{
	return clock_of_ns(CLOCK_MONOTONIC);
}

/* Of the calendar, since 1970 UTC; for time stamps only. */
static inline uint64_t clock_unix_ns(void)
{
	return clock_of_ns(CLOCK_REALTIME);
}

#endif
