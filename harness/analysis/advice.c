/* advice.c - see advice.h. Each finding is a function of its own. */
#include "harness/analysis/advice.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "harness/analysis/repeat.h"

#define CREATE_SLOW_NS   40000
#define FREE_LEAST_BYTES (UINT64_C(2) << 30)
#define STEAL_SEEN       0.02 /* of one processor */
#define OTHERS_SEEN      0.20
#define FREQUENCY_MOVES  0.05

static void add(struct advice_list *out, int doubt, const char *what, const char *remedy,
                const char *evidence, ...) __attribute__((format(printf, 5, 6)));

static void add(struct advice_list *out, int doubt, const char *what, const char *remedy,
                const char *evidence, ...)
{
	struct advice *a;
	va_list arguments;

	if (out->count == ADVICE_MAX)
		return;
	a = &out->items[out->count++];
	a->doubt = doubt;
	snprintf(a->what, sizeof(a->what), "%s", what);
	snprintf(a->remedy, sizeof(a->remedy), "%s", remedy);
	va_start(arguments, evidence);
	vsnprintf(a->evidence, sizeof(a->evidence), evidence, arguments);
	va_end(arguments);
}

/* ---- the fingerprint ---- */

static const char *text_of(const json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));

	return text == NULL ? "" : text;
}

static uint64_t number_of(const json_t *o, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(o, name));

	return n < 0 ? 0 : (uint64_t)n;
}

static double gib(uint64_t bytes)
{
	return (double)bytes / (1 << 30);
}

static void look_at_cpu(const json_t *cpu, struct advice_list *out)
{
	const char *governor = text_of(cpu, "governor");
	uint64_t processors = number_of(cpu, "processors");
	uint64_t allowed = number_of(cpu, "processors_allowed");

	if (governor[0] != '\0' && strcmp(governor, "performance") != 0)
		add(out, 0, "governor", "cpupower frequency-set -g performance",
		    "the processors' governor is %s: their clock follows the load", governor);
	if (strcmp(text_of(cpu, "boost"), "1") == 0)
		add(out, 0, "turbo",
		    "echo 0 > /sys/devices/system/cpu/cpufreq/boost (or 1 > "
		    "/sys/devices/system/cpu/intel_pstate/no_turbo)",
		    "the processors may run above their nominal clock, as long as they are cool");
	if (processors == 1)
		add(out, 0, "processors", "a machine with two processors or more",
		    "one processor: whatever else runs takes its time from what is measured");
	else if (allowed != 0 && allowed < processors)
		add(out, 0, "processors", "fine when nothing else is on them",
		    "%" PRIu64 " of %" PRIu64 " processors are allowed", allowed, processors);
}

static void look_at_memory(const json_t *memory, struct advice_list *out)
{
	uint64_t swap = number_of(memory, "swap_total_bytes");
	uint64_t used = swap - number_of(memory, "swap_free_bytes");
	uint64_t total = number_of(memory, "total_bytes"), limit = number_of(memory, "limit_bytes");

	if (swap > 0 && used > 0 && used <= swap)
		add(out, 0, "swap", "swapoff -a", "%.1f of %.1f GiB of swap are in use", gib(used),
		    gib(swap));
	else if (swap > 0)
		add(out, 0, "swap", "swapoff -a while measuring",
		    "%.1f GiB of swap, unused: memory may be moved there", gib(swap));
	if (limit != 0 && total != 0 && limit < total)
		add(out, 0, "memory limit", "a larger limit for the container or the service",
		    "a control group allows %.1f of %.1f GiB: the page cache counts", gib(limit),
		    gib(total));
}

static void look_at_host(const json_t *machine, struct advice_list *out)
{
	const json_t *container = json_object_get(machine, "container");
	const json_t *virtual = json_object_get(machine, "virtualisation");
	const json_t *quota = json_object_get(container, "quota_processors");
	const char *hypervisor = text_of(virtual, "hypervisor");

	if (json_is_real(quota))
		add(out, 0, "quota", "no CPU limit while measuring (docker run without --cpus)",
		    "a control group allows %.2f processors: what exceeds that waits for the next "
		    "0.1 s",
		    json_real_value(quota));
	if (hypervisor[0] != '\0')
		add(out, 0, "virtual machine", "a host, or processors of its own, for the last bit",
		    "this is a virtual machine (%s): neighbours are seen as steal alone",
		    hypervisor);
}

static void look_at_directory(const json_t *d, struct advice_list *out)
{
	const char *path = text_of(d, "path"), *type = text_of(d, "type");
	uint64_t fsync_ns = number_of(d, "fsync_ns"), free_bytes = number_of(d, "free_bytes");
	uint64_t create_ns = number_of(d, "file_create_ns");

	if (type[0] == '\0')
		return;
	if (!json_is_true(json_object_get(d, "durable")))
		add(out, 1, "not durable", "--dir NAME=PATH on the disk that you mean",
		    "%.100s is %s: nothing there survives a power cut, and a sync costs nothing",
		    path, type);
	else if (fsync_ns != 0 && fsync_ns < ADVICE_FSYNC_LEAST_NS)
		add(out, 1, "not durable",
		    "no eatmydata or the like; a disk that waits for its device",
		    "%.100s (%s): fsync returns after %.1f µs, sooner than any device", path, type,
		    (double)fsync_ns / 1e3);
	if (json_is_true(json_object_get(d, "network")))
		add(out, 1, "network", "a directory on a disk of this machine",
		    "%.100s (%s) is served by another machine, whose cost is not seen", path, type);
	if (free_bytes < FREE_LEAST_BYTES)
		add(out, 0, "free space", "2 GiB at least; full file systems are slower",
		    "%.100s has %.1f GiB free", path, gib(free_bytes));
	if (create_ns > CREATE_SLOW_NS)
		add(out, 0, "creating files", "--scratch-image 4g, or a fresh file system",
		    "%.100s: creating a file takes %.0f µs, normally 10: encrypted stores have "
		    "more files and look dearer",
		    path, (double)create_ns / 1e3);
}

static void look_at_build(const json_t *build, struct advice_list *out)
{
	const char *kind = text_of(build, "kind");

	if (kind[0] != '\0' && strcmp(kind, "release") != 0)
		add(out, 1, "build", "cmake --preset release, or scripts/bench",
		    "atrest is a %s build: not fit to measure with", kind);
}

void advice_of_machine(const json_t *machine, struct advice_list *out)
{
	const json_t *directories = json_object_get(machine, "directories");

	look_at_build(json_object_get(machine, "build"), out);
	for (size_t i = 0; i < json_array_size(directories); i++)
		look_at_directory(json_array_get(directories, i), out);
	look_at_cpu(json_object_get(machine, "cpu"), out);
	look_at_memory(json_object_get(machine, "memory"), out);
	look_at_host(machine, out);
}

/* ---- rows ---- */

struct covariates {
	double span_ns, steal_ns;          /* sums */
	double seen_ns, other_ns, used_ns; /* of rows where others can be told */
	uint64_t slices, stolen, busy, throttled;
	uint64_t throttled_us, low_khz, high_khz;
};

static void look_at_row(const struct sample *s, struct covariates *c)
{
	double span_ns = 1e9 * (s->synced_s > s->acked_s ? s->synced_s : s->acked_s);

	c->slices++;
	c->span_ns += span_ns;
	c->steal_ns += (double)s->steal_ns;
	c->stolen += s->steal_ns >= REPEAT_LEAST_NS &&
	             (double)s->steal_ns > REPEAT_STEAL_SHARE * span_ns;
	c->throttled += s->throttled_us > 0;
	c->throttled_us += s->throttled_us;
	if (s->frequency_khz > 0 && (c->low_khz == 0 || s->frequency_khz < c->low_khz))
		c->low_khz = s->frequency_khz;
	if (s->frequency_khz > c->high_khz)
		c->high_khz = s->frequency_khz;
	if (s->sync_ordered != 0 || strcmp(s->target, "server") == 0)
		return;
	c->seen_ns += span_ns;
	c->other_ns += (double)s->other_cpu_ns;
	c->used_ns += (double)s->machine_cpu_ns;
	c->busy += s->other_cpu_ns >= REPEAT_LEAST_NS &&
	           (double)s->other_cpu_ns > REPEAT_OTHER_SHARE * span_ns;
}

void advice_of_rows(const struct samples *samples, struct advice_list *out)
{
	struct covariates c = {0};

	for (size_t i = 0; i < samples->count; i++)
		look_at_row(&samples->rows[i], &c);
	if (c.span_ns > 0 && c.steal_ns > STEAL_SEEN * c.span_ns)
		add(out, 0, "steal", "a machine with processors of its own; else more rounds",
		    "the hypervisor took %.0f %% of one processor, in %" PRIu64 " of %" PRIu64
		    " slices more than %.0f %%",
		    100 * c.steal_ns / c.span_ns, c.stolen, c.slices, 100 * REPEAT_STEAL_SHARE);
	if (c.seen_ns > 0 && (c.other_ns > OTHERS_SEEN * c.seen_ns || c.busy > 0))
		add(out, 0, "neighbours", "stop what runs beside; top shows it",
		    /* Of what was used: counted around the slice, it exceeds that of its span. */
		    "other processes took %.0f %% of the processor time used, in %" PRIu64
		    " of %" PRIu64 " slices more than %.0f %% of one processor",
		    100 * c.other_ns / fmax(c.used_ns, c.other_ns), c.busy, c.slices,
		    100 * REPEAT_OTHER_SHARE);
	if (c.throttled > 0)
		add(out, 0, "throttled", "no CPU limit while measuring",
		    "a quota held %" PRIu64 " of %" PRIu64 " slices back, %.1f ms in all",
		    c.throttled, c.slices, (double)c.throttled_us / 1e3);
	if ((double)(c.high_khz - c.low_khz) > FREQUENCY_MOVES * (double)c.high_khz)
		add(out, 0, "frequency", "the governor performance, turbo off",
		    "the processors' clock moved between %.2f and %.2f GHz",
		    (double)c.low_khz / 1e6, (double)c.high_khz / 1e6);
}
