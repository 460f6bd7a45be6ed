/* pacing.h - waiting for a moment: asleep for most of it, the last bit awake, since a sleeper wakes
 * up late (some 5 µs on bare metal, 50 µs and more in a virtual machine).
 */
#ifndef ATREST_HARNESS_PACING_H
#define ATREST_HARNESS_PACING_H

#include <stdint.h>

#define PACING_SPIN_NS 50000

/* How long before the moment so many threads may stay awake, each on a processor: PACING_SPIN_NS,
 * or 0 when they would take one another's, or the only one from whom they wait for. */
uint64_t pacing_spin_ns(uint32_t threads);

/* The calling thread wakes up as exactly as the kernel can, not to the nearest 50 µs. */
void pacing_start(void);

/* Returns a reading of the clock (clock.h) at or after until_ns: at once when that is past. */
uint64_t pacing_wait(uint64_t until_ns, uint64_t spin_ns);

#endif
