/* metrics.c - see metrics.h. */
#include "harness/analysis/metrics.h"

#include <string.h>

#define REACHED_LEAST 0.95 /* of what was offered; plots/rates.gp marks by the same */

/* The headline time: up to the last acknowledgement, or in cells whose slices owe a sync up to
 * that. */
static double headline_s(const struct sample *s, int synced)
{
	return synced ? s->synced_s : s->acked_s;
}

int metrics_end_synced(const struct sample *s)
{
	return s->sync_ordered != 0 || strcmp(s->sync, "always") == 0;
}

static double throughput(const struct sample *s, int synced)
{
	double seconds = headline_s(s, synced);
	return seconds > 0 ? (double)s->messages / seconds : 0;
}

double metrics_reached_msgs_s(uint64_t messages, double acked_s)
{
	return messages > 0 && acked_s > 0 ? (double)(messages - 1) / acked_s : 0;
}

int metrics_rate_is_missed(double offered_msgs_s, double reached_msgs_s)
{
	return reached_msgs_s < REACHED_LEAST * offered_msgs_s;
}

double metrics_time_ns_per_msg(const struct sample *s, int synced)
{
	return headline_s(s, synced) * 1e9 / (double)s->messages;
}

static double cpu_per_msg(const struct sample *s, int synced)
{
	(void)synced;
	return (double)s->cpu_ns / (double)s->messages;
}

static double machine_cpu_per_msg(const struct sample *s, int synced)
{
	(void)synced;
	return (double)s->machine_cpu_ns / (double)s->messages;
}

static double cpu_per_gib(const struct sample *s, int synced)
{
	(void)synced;
	if (s->payload_total_bytes == 0)
		return 0;
	return (double)s->cpu_ns / ((double)s->payload_total_bytes / (1024.0 * 1024.0 * 1024.0));
}

static double client_cpu_per_msg(const struct sample *s, int synced)
{
	(void)synced;
	return (double)s->client_cpu_ns / (double)s->messages;
}

static double reached(const struct sample *s, int synced)
{
	(void)synced;
	return s->rate_msgs_s > 0 ? metrics_reached_msgs_s(s->messages, s->acked_s) : 0;
}

#define FIELD_VALUE(name)                                                                          \
	static double value_##name(const struct sample *s, int synced)                             \
	{                                                                                          \
		(void)synced;                                                                      \
		return (double)s->name;                                                            \
	}
FIELD_VALUE(rate_msgs_s)
FIELD_VALUE(response_p50_ns)
FIELD_VALUE(response_p99_ns)
FIELD_VALUE(response_p999_ns)
FIELD_VALUE(latency_p50_ns)
FIELD_VALUE(latency_p99_ns)
FIELD_VALUE(latency_p999_ns)
FIELD_VALUE(disk_apparent_bytes)
FIELD_VALUE(disk_allocated_bytes)
FIELD_VALUE(files)
FIELD_VALUE(rss_peak_bytes)
FIELD_VALUE(device_written_bytes)

static const struct metric list[] = {
        {"offered_msgs_s", "msgs/s", METRIC_EXACT, 1, 0, 0, 0, value_rate_msgs_s, 0},
        {"reached_msgs_s", "msgs/s", METRIC_PAIRED, 1, 0, 0, 0, reached, 0},
        {"response_p50_ns", "ns", METRIC_PERCENTILE, 0, 0, 0, 1, value_response_p50_ns, 0},
        {"response_p99_ns", "ns", METRIC_PERCENTILE, 0, 0, 0, 1, value_response_p99_ns, 0},
        {"response_p999_ns", "ns", METRIC_PERCENTILE, 0, 0, 0, 1000, value_response_p999_ns, 0},
        {"throughput_msgs_s", "msgs/s", METRIC_PAIRED, 1, 1, 0, 0, throughput, 1},
        {"time_ns_per_msg", "ns", METRIC_PAIRED, 0, 1, 0, 0, metrics_time_ns_per_msg, 1},
        {"cpu_ns_per_msg", "ns", METRIC_PAIRED, 0, 1, 1, 0, cpu_per_msg, 1},
        {"client_cpu_ns_per_msg", "ns", METRIC_PAIRED, 0, 0, 0, 0, client_cpu_per_msg, 1},
        {"machine_cpu_ns_per_msg", "ns", METRIC_PAIRED, 0, 0, 0, 0, machine_cpu_per_msg, 1},
        {"cpu_ns_per_gib", "ns", METRIC_PAIRED, 0, 0, 0, 0, cpu_per_gib, 1},
        {"latency_p50_ns", "ns", METRIC_PERCENTILE, 0, 0, 0, 1, value_latency_p50_ns, 0},
        {"latency_p99_ns", "ns", METRIC_PERCENTILE, 0, 0, 0, 1, value_latency_p99_ns, 0},
        /* Of fewer than 1000 the 99.9th percentile is the maximum. */
        {"latency_p999_ns", "ns", METRIC_PERCENTILE, 0, 0, 0, 1000, value_latency_p999_ns, 0},
        {"disk_apparent_bytes", "bytes", METRIC_EXACT, 0, 0, 0, 0, value_disk_apparent_bytes, 0},
        {"disk_allocated_bytes", "bytes", METRIC_EXACT, 0, 0, 0, 0, value_disk_allocated_bytes, 0},
        {"files", "files", METRIC_EXACT, 0, 0, 0, 0, value_files, 0},
        {"rss_peak_bytes", "bytes", METRIC_PAIRED, 0, 0, 0, 0, value_rss_peak_bytes, 0},
        {"device_written_bytes", "bytes", METRIC_EXACT, 0, 0, 0, 0, value_device_written_bytes, 0},
};
_Static_assert(sizeof(list) / sizeof(list[0]) == METRIC_COUNT, "metrics.h counts otherwise");

const struct metric *const metrics = list;
