/* slice_fixture.h - what is ordered of a session of slices in this process. */
#ifndef ATREST_TESTS_UNIT_SLICE_FIXTURE_H
#define ATREST_TESTS_UNIT_SLICE_FIXTURE_H

#include "tests/unit/harness_fixture.h"

#include "harness/slice.h"

extern const uint8_t fixture_key[];

/* Of a default workload with this operation, 7 subjects and this many messages, filled with so many
 * others. */
void fixture_setup(struct order *setup, const char *target, const char *cipher,
                   enum workload_operation operation, uint64_t messages, uint64_t fill);
/* Fails the test when it cannot be opened. */
struct session *fixture_session(const struct order *setup);

#endif
