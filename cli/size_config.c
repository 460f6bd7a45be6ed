/* size_config.c - see size_config.h. */
#include "cli/size_config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PAYLOAD_DEFAULT     (UINT64_C(1) << 20) /* the server's max_payload */
#define MIB                 1048576.0
#define DUPLICATE_WINDOW_NS UINT64_C(120000000000)
#define SYNC_DEFAULT_NS     UINT64_C(120000000000)

static json_t *limit(uint64_t value)
{
	return json_integer(value > 0 ? (json_int_t)value : -1);
}

json_t *size_config_stream(const struct size_demand *d)
{
	/* The server refuses a window that is longer than messages are kept. */
	uint64_t window = d->max_age_ns > 0 && d->max_age_ns < DUPLICATE_WINDOW_NS
	                          ? d->max_age_ns
	                          : DUPLICATE_WINDOW_NS;

	return json_pack("{s:s, s:[s], s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:I}", "name",
	                 d->name, "subjects", d->subject, "retention", "limits", "discard", "old",
	                 "storage", "file", "num_replicas", (json_int_t)d->replicas, "max_age",
	                 (json_int_t)d->max_age_ns, "max_bytes", limit(d->max_bytes), "max_msgs",
	                 limit(d->max_msgs), "max_msgs_per_subject", limit(d->max_msgs_per_subject),
	                 "duplicate_window", (json_int_t)window);
}

/* Every stream's max_bytes is reserved, and what is written beside records needs room too. */
static double max_file(const struct size_plan *plan)
{
	const struct size_demand *d = plan->demand;
	double used = (double)plan->ciphers[plan->chosen].total.allocated_bytes;
	double reserved = (double)d->max_bytes * (double)d->streams;

	return ceil(fmax(used, reserved) * (1 + d->headroom_pct / 100) / MIB) * MIB;
}

static void sync_write(const struct size_plan *plan, FILE *out)
{
	const struct size_demand *d = plan->demand;
	const char *version = size_plan_version(plan->costs);

	if (version[0] != '\0' && strverscmp(version, "2.10") < 0)
		return; /* does not know the setting */
	if (d->always)
		fprintf(out, "  sync_interval: always\n");
	else if (d->sync_interval_ns != SYNC_DEFAULT_NS)
		fprintf(out, "  sync_interval: \"%lluns\"\n",
		        (unsigned long long)d->sync_interval_ns);
}

/* Names and addresses are not in a demand. A server alone refuses streams of several replicas. */
static void cluster_write(const struct size_demand *d, FILE *out)
{
	if (d->replicas > 1)
		fprintf(out,
		        "# For %llu replicas as many nodes at least, each with a name and routes "
		        "to the others:\n"
		        "# server_name: n1\n"
		        "# cluster { name: c1, listen: \"0.0.0.0:6222\", routes: "
		        "[\"nats://n2:6222\", \"nats://n3:6222\"] }\n",
		        (unsigned long long)d->replicas);
}

char *size_config_server(const struct size_plan *plan)
{
	const struct size_demand *d = plan->demand;
	uint64_t payload = size_input_payload_max(d) + d->headers_bytes;
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	if (out == NULL)
		return NULL;
	if (payload > PAYLOAD_DEFAULT)
		fprintf(out, "max_payload: %llu\n", (unsigned long long)payload);
	fprintf(out,
	        "jetstream {\n"
	        "  store_dir: \"/var/lib/nats\"\n"
	        "  max_file: %.0f\n"
	        "  cipher: %s\n"
	        "  key: $JS_KEY\n",
	        max_file(plan), plan->ciphers[plan->chosen].cipher);
	sync_write(plan, out);
	fprintf(out, "}\n");
	cluster_write(d, out);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
