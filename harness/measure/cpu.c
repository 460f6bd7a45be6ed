/* cpu.c - see cpu.h. Everything comes from clocks and /proc; proc(5), Documentation/accounting/
 * psi.rst of the kernel.
 */
#include "harness/measure/cpu.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "harness/measure/cgroup.h"
#include "harness/measure/clock.h"
#include "harness/measure/proc_stat.h"

/* Of 256 processors one file each is enough to see a frequency that drops. */
#define FREQUENCY_PROCESSORS_MAX 16

static uint64_t ns_of_ticks(uint64_t ticks)
{
	return ticks * (UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK));
}

static uint64_t ns_of_timeval(struct timeval t)
{
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_usec * 1000;
}

int cpu_process_read(pid_t pid, struct cpu_process *out)
{
	clockid_t clock = CLOCK_PROCESS_CPUTIME_ID;
	struct timespec t;

	memset(out, 0, sizeof(*out));
	if (pid) {
		int error = clock_getcpuclockid(pid, &clock);
		if (error)
			return -error;
	}
	if (clock_gettime(clock, &t) != 0)
		return -errno;
	out->total_ns = (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
	if (pid) {
		struct proc_stat stat;
		int rc = proc_stat_read(pid, &stat);

		out->user_ns = ns_of_ticks(stat.user_ticks);
		out->system_ns = ns_of_ticks(stat.system_ticks);
		return rc;
	}

	struct rusage usage;
	if (getrusage(RUSAGE_SELF, &usage) != 0)
		return -errno;
	out->user_ns = ns_of_timeval(usage.ru_utime);
	out->system_ns = ns_of_timeval(usage.ru_stime);
	return 0;
}

/* A total that a wrap or a reset made smaller counts as 0, not as 2^64 less something. */
static uint64_t less(uint64_t after, uint64_t before)
{
	return after > before ? after - before : 0;
}

struct cpu_process cpu_process_since(const struct cpu_process *before,
                                     const struct cpu_process *after)
{
	struct cpu_process d = {.total_ns = less(after->total_ns, before->total_ns)};
	double user = (double)less(after->user_ns, before->user_ns);
	double system = (double)less(after->system_ns, before->system_ns);

	if (user + system > 0)
		d.system_ns = (uint64_t)((double)d.total_ns * (system / (user + system)));
	d.user_ns = d.total_ns - d.system_ns;
	return d;
}

/* "some avg10=... total=N", microseconds. */
static uint64_t read_pressure(const char *path)
{
	uint64_t total = 0;
	FILE *in = fopen(path, "re");

	if (!in)
		return 0;
	if (fscanf(in, "some avg10=%*f avg60=%*f avg300=%*f total=%" SCNu64, &total) != 1)
		total = 0;
	fclose(in);
	return total;
}

static uint64_t read_frequency_khz(void)
{
	uint64_t sum = 0, count = 0, khz;
	char line[256];
	double mhz;
	FILE *in;

	for (int i = 0; i < FREQUENCY_PROCESSORS_MAX; i++) {
		snprintf(line, sizeof(line),
		         "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_cur_freq", i);
		in = fopen(line, "re");
		if (!in)
			break;
		if (fscanf(in, "%" SCNu64, &khz) == 1) {
			sum += khz;
			count++;
		}
		fclose(in);
	}
	if (count)
		return sum / count;

	/* Without frequency scaling, as in most virtual machines: the first processor's. */
	in = fopen("/proc/cpuinfo", "re");
	if (!in)
		return 0;
	while (!sum && fgets(line, sizeof(line), in))
		if (sscanf(line, "cpu MHz : %lf", &mhz) == 1)
			sum = (uint64_t)(mhz * 1000);
	fclose(in);
	return sum;
}

int cpu_machine_read(struct cpu_machine *out)
{
	uint64_t user, nice, system, irq, softirq, steal = 0;
	FILE *in = fopen("/proc/stat", "re");
	int fields;

	memset(out, 0, sizeof(*out));
	if (!in)
		return -errno;
	/* cpu user nice system idle iowait irq softirq steal; guests are part of user and nice. */
	fields = fscanf(in,
	                "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %*u %*u %" SCNu64 " %" SCNu64
	                " %" SCNu64,
	                &user, &nice, &system, &irq, &softirq, &steal);
	fclose(in);
	if (fields < 5)
		return -EPROTO;
	out->busy_ns = ns_of_ticks(user + nice + system + irq + softirq);
	out->steal_ns = ns_of_ticks(steal);
	out->pressure_cpu_us = read_pressure("/proc/pressure/cpu");
	out->pressure_io_us = read_pressure("/proc/pressure/io");
	out->throttled_us = cgroup_throttled_us("/proc/self");
	out->frequency_khz = read_frequency_khz();
	return 0;
}

struct cpu_machine cpu_machine_since(const struct cpu_machine *before,
                                     const struct cpu_machine *after)
{
	return (struct cpu_machine){
	        .busy_ns = less(after->busy_ns, before->busy_ns),
	        .steal_ns = less(after->steal_ns, before->steal_ns),
	        .pressure_cpu_us = less(after->pressure_cpu_us, before->pressure_cpu_us),
	        .pressure_io_us = less(after->pressure_io_us, before->pressure_io_us),
	        .throttled_us = less(after->throttled_us, before->throttled_us),
	        .frequency_khz = (before->frequency_khz + after->frequency_khz) / 2,
	};
}

uint64_t cpu_other_ns(const struct cpu_machine *machine, uint64_t ours_ns)
{
	return less(machine->busy_ns, ours_ns);
}

static void proc_path(char path[64], pid_t pid, const char *file)
{
	if (pid)
		snprintf(path, 64, "/proc/%d/%s", (int)pid, file);
	else
		snprintf(path, 64, "/proc/self/%s", file);
}

int cpu_memory_peak_bytes(pid_t pid, uint64_t *bytes)
{
	char path[64], line[256];
	uint64_t kib;
	int rc = -ENOENT;
	FILE *in;

	*bytes = 0;
	proc_path(path, pid, "status");
	in = fopen(path, "re");
	if (!in)
		return -errno;
	while (rc != 0 && fgets(line, sizeof(line), in)) {
		if (sscanf(line, "VmHWM: %" SCNu64, &kib) == 1) {
			*bytes = kib * 1024;
			rc = 0;
		}
	}
	fclose(in);
	return rc;
}

int cpu_memory_peak_reset(pid_t pid)
{
	char path[64];
	FILE *out;
	int rc = 0;

	proc_path(path, pid, "clear_refs");
	out = fopen(path, "we");
	if (!out)
		return -errno;
	if (fputs("5", out) == EOF) /* 5: set the peak to the present size */
		rc = -errno;
	if (fclose(out) != 0 && rc == 0)
		rc = -errno;
	return rc;
}

double cpu_quota_processors(void)
{
	return cgroup_quota_processors("/proc/self");
}
