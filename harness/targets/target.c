/* target.c - see target.h. */
#include "harness/targets/target.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct target *const targets[] = {
        &target_store,
#ifdef ATREST_WITH_NATS
        &target_nats,
        &target_server,
#endif
        &target_null,
};

const struct target *target_find(const char *name)
{
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		if (strcmp(targets[i]->name, name) == 0)
			return targets[i];
	return NULL;
}

const char *target_names(void)
{
#ifdef ATREST_WITH_NATS
	return "store, nats, nats:VERSION, server, null";
#else
	return "store, null";
#endif
}

int target_can(const struct target *target, enum workload_operation operation)
{
	switch (operation) {
	case WORKLOAD_PUBLISH:
	case WORKLOAD_READ_SEQUENTIAL:
	case WORKLOAD_READ_RANDOM:
	case WORKLOAD_MIXED:
	case WORKLOAD_TAIL:
	case WORKLOAD_OPEN:
		return 1;
	case WORKLOAD_READ_LAST:
		return target->last != NULL;
	case WORKLOAD_DELETE:
		return target->remove != NULL && target->compact != NULL;
	case WORKLOAD_PURGE:
		return target->purge != NULL;
	case WORKLOAD_CONVERT:
		return target->convert != NULL;
	case WORKLOAD_SNAPSHOT: /* which is restored to see what it is worth */
	case WORKLOAD_RESTORE:
		return target->snapshot != NULL && target->restore != NULL;
	}
	return 0;
}

int target_fail(struct target_error *error, enum target_fault fault, const char *format, ...)
{
	va_list args;

	error->fault = fault;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return -1;
}
