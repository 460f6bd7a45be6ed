/* formats_go.c - Go benchmark text.
 *
 *   key: value                                    what holds for all lines
 *   BenchmarkName/key=value  N  value unit ...    a slice: N operations
 *
 * benchstat makes a table per set of values of the configuration lines, so these hold the machine
 * only: what a comparison is about (commit, versions) must not be among them. Its own units end in
 * what is measured: "cpu-ns/op" is CPU time in ns per operation.
 */
#include "harness/output/formats.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Nothing that ends a field or begins another key. */
static void put_value(FILE *out, const char *text)
{
	for (; *text != '\0'; text++)
		fputc(isspace((unsigned char)*text) || *text == '/' || *text == '=' ? '_' : *text,
		      out);
}

/* "publish-1k" -> "Publish1k": a Go name, for tools that match one. */
static void put_name(FILE *out, const char *workload)
{
	int upper = 1;
	for (; *workload != '\0'; workload++) {
		unsigned char c = (unsigned char)*workload;
		if (isalnum(c))
			fputc(upper ? toupper(c) : c, out);
		upper = !isalnum(c);
	}
}

static void put_configuration(FILE *out, const struct formats_source *source)
{
	static const char *const architectures[][2] = {
	        {"x86_64", "amd64"}, {"aarch64", "arm64"}, {"i686", "386"}};
	const char *architecture = formats_machine_text(source, "kernel.architecture");
	const char *cpu = formats_machine_text(source, "cpu.model");
	fputs("goos: linux\n", out);
	for (size_t i = 0; architecture != NULL && i < 3; i++)
		if (strcmp(architecture, architectures[i][0]) == 0)
			architecture = architectures[i][1];
	if (architecture != NULL) {
		fputs("goarch: ", out);
		put_value(out, architecture);
		fputc('\n', out);
	}
	fputs("pkg: atrest\n", out);
	if (cpu != NULL) {
		fputs("cpu: ", out);
		for (; *cpu != '\0'; cpu++)
			fputc(*cpu == '\n' ? ' ' : *cpu, out);
		fputc('\n', out);
	}
}

static void put_measure(FILE *out, double value, const char *unit)
{
	if (isfinite(value) && value > 0)
		fprintf(out, "\t%.6g %s", value, unit);
}

/* Not of an open loop: its pace is given, and who waits for the next moment is awake for some. */
static void put_costs(FILE *out, const struct sample *s)
{
	double n = (double)s->messages;
	double time_ns = summary_time_ns(s);
	put_measure(out, time_ns, "ns/op");
	put_measure(out, (double)s->payload_total_bytes / n / time_ns * 1e3, "MB/s");
	put_measure(out, (double)s->cpu_ns / n, "cpu-ns/op");
	put_measure(out, (double)s->client_cpu_ns / n, "client-cpu-ns/op");
}

static void put_slice(FILE *out, const struct sample *s)
{
	char target[FORMATS_NAME_BYTES];
	double n = (double)s->messages;
	fputs("Benchmark", out);
	put_name(out, s->workload);
	fputs("/target=", out);
	put_value(out, formats_target(s->target, s->target_version, '-', target));
	fputs("/arm=", out);
	put_value(out, s->arm);
	fprintf(out, "\t%" PRIu64, s->messages);
	if (s->rate_msgs_s <= 0)
		put_costs(out, s);
	put_measure(out, (double)s->latency_p50_ns, "p50-ns");
	put_measure(out, (double)s->latency_p99_ns, "p99-ns");
	put_measure(out, (double)s->response_p50_ns, "response-p50-ns");
	put_measure(out, (double)s->response_p99_ns, "response-p99-ns");
	put_measure(out, (double)s->disk_allocated_bytes / n, "disk-B/op");
	fputc('\n', out);
}

int formats_go(FILE *out, const struct formats_source *source)
{
	put_configuration(out, source);
	for (size_t i = 0; i < source->samples->count; i++) {
		const struct sample *s = &source->samples->rows[i];
		if (s->valid == 1 && isfinite(summary_time_ns(s)))
			put_slice(out, s);
	}
	return ferror(out) ? -1 : 0;
}
