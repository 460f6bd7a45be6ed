/* pacing.c - see pacing.h. */
#include "harness/pacing.h"

#include <sched.h>
#include <sys/prctl.h>
#include <time.h>

#include "harness/measure/clock.h"

#define NS_PER_S UINT64_C(1000000000)

uint64_t pacing_spin_ns(uint32_t threads)
{
	cpu_set_t allowed;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		return 0;
	return threads < (uint32_t)CPU_COUNT(&allowed) ? PACING_SPIN_NS : 0;
}

void pacing_start(void)
{
	prctl(PR_SET_TIMERSLACK, 1);
}

static void sleep_until(uint64_t ns)
{
	struct timespec at = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};

	/* Interrupted, the caller looks at the clock all the same. */
	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

uint64_t pacing_wait(uint64_t until_ns, uint64_t spin_ns)
{
	uint64_t now;

	while ((now = clock_ns()) < until_ns)
		if (until_ns - now > spin_ns)
			sleep_until(until_ns - spin_ns);
	return now;
}
