/* selftest.c - see selftest.h. */
#include "harness/selftest.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/analysis/advice.h"
#include "harness/analysis/noise.h"
#include "harness/analysis/stats.h"
#include "harness/analysis/summary.h"
#include "harness/controls.h"
#include "harness/measure/filesystem.h"
#include "harness/slice.h"

#define ROUNDS         12
#define CANARY_BYTES   1024
#define CANARY_COUNT   64
#define TIME_METRIC    "time_ns_per_msg"
#define TWIN           "none-twin"
#define WORKLOADS_SLOW 2

/* Both slowed workloads keep one processor busy, to 97 % and more when nobody else does. */
#define BUSY_SHARE 0.85

/* Percent. The first is the control, the last must be told on any machine that is to be used. */
static const double amounts[] = {0, 1, 3, 5, 10};
#define AMOUNTS (sizeof(amounts) / sizeof(amounts[0]))

const char *selftest_verdict_name(enum selftest_verdict verdict)
{
	static const char *const names[] = {"ok", "FAILED", "untold"};

	return names[verdict];
}

static struct selftest_check *check_add(struct selftest *out, enum selftest_verdict verdict,
                                        const char *what, const char *evidence, ...)
        __attribute__((format(printf, 4, 5)));

static struct selftest_check *check_add(struct selftest *out, enum selftest_verdict verdict,
                                        const char *what, const char *evidence, ...)
{
	struct selftest_check *c = &out->checks[out->count];
	va_list arguments;

	if (out->count == SELFTEST_CHECKS_MAX)
		return NULL;
	out->count++;
	out->failed += verdict == SELFTEST_FAILED;
	c->verdict = verdict;
	snprintf(c->what, sizeof(c->what), "%s", what);
	va_start(arguments, evidence);
	vsnprintf(c->evidence, sizeof(c->evidence), evidence, arguments);
	va_end(arguments);
	return c;
}

/* ---- slowdowns ---- */

/* How far outside of the interval, in half-widths; 0: inside. */
static double miss_of(const struct selftest_slowdown *s)
{
	double half = (s->found.high - s->found.low) / 2;
	double beside = fmax(s->found.low - s->injected_pct, s->injected_pct - s->found.high);

	if (beside <= 0)
		return 0;
	return half > 0 ? beside / half : INFINITY;
}

static int is_alone(const struct selftest_slowdown *s)
{
	return !(s->busy_share < BUSY_SHARE);
}

/* Whether it is larger than what can be told from zero at all. */
static int is_told(const struct selftest_slowdown *s)
{
	double half = (s->found.high - s->found.low) / 2;

	return s->injected_pct == 0 ||
	       (is_alone(s) && half < s->injected_pct && !(s->resolution_pct > s->injected_pct));
}

void selftest_judge(const struct selftest_slowdown *slowdowns, size_t count, struct selftest *out)
{
	uint64_t told = 0, missed = 0;
	int chance;

	for (size_t i = 0; i < count; i++) {
		told += (uint64_t)(is_told(&slowdowns[i]) && isfinite(slowdowns[i].found.low));
		missed += (uint64_t)(is_told(&slowdowns[i]) && miss_of(&slowdowns[i]) > 0);
	}
	chance = missed <= stats_twin_limit(told);
	for (size_t i = 0; i < count; i++) {
		const struct selftest_slowdown *s = &slowdowns[i];
		enum selftest_verdict verdict = SELFTEST_OK;
		const char *remark = "";
		char what[96];
		snprintf(what, sizeof(what), "%s %.1f %%, %.60s",
		         s->injected_pct == 0 ? "nothing added," : "slowdown of", s->injected_pct,
		         s->workload);
		if (!isfinite(s->found.low)) {
			check_add(out, SELFTEST_FAILED, what,
			          "no interval: rows failed, or fewer than six rounds");
			continue;
		}
		if (!is_told(s)) {
			verdict = SELFTEST_UNTOLD;
			out->noisy |= s->asked_pct >= amounts[AMOUNTS - 1];
			remark = is_alone(s) ? "; smaller than what can be told here"
			                     : "; others had a share of the processor";
		} else if (miss_of(s) > 0 && chance && miss_of(s) < 1) {
			remark = "; missed by a little, as chance allows of so many";
		} else if (miss_of(s) > 0) {
			verdict = SELFTEST_FAILED;
			remark = "; missed";
		}
		check_add(out, verdict, what, "found %.2f %% [%.2f, %.2f]%s", s->found.estimate,
		          s->found.low, s->found.high, remark);
	}
}

/* ---- runs ---- */

/* A run below the folder; 0, or -1 and out says why it has no result. */
static int execute(const struct selftest_options *options, struct run_options *run,
                   const char *name, struct run_result *result, struct selftest *out)
{
	char path[RUN_FOLDER_BYTES];
	struct plan plan;

	snprintf(path, sizeof(path), "%.4000s/selftest/%s", options->folder, name);
	run->output = path;
	memset(result, 0, sizeof(*result));
	result->folder.fd = -1;
	if (run_prepare(run, &plan, out->error) != 0) {
		out->usage = 1;
		return -1;
	}
	run_execute(run, &plan, result);
	plan_free(&plan);
	out->interrupted = result->interrupted;
	if (!result->interrupted && (result->system || result->usage)) {
		out->usage = result->usage;
		snprintf(out->error, sizeof(out->error), "%.511s", result->error);
	}
	return out->interrupted || out->error[0] != '\0' ? -1 : 0;
}

static struct run_options options_like(const struct run_options *base, struct workload *workloads,
                                       size_t count)
{
	struct run_options run = *base;

	run.workloads = workloads;
	run.request.workloads = workloads;
	run.request.workload_count = count;
	run.request.choices = NULL;
	run.request.choice_count = 0;
	run.keep = NULL;
	run.past = NULL;
	run.rule = (struct schedule_rule){0};
	run.width_is_asked = 0;
	run.scratch_bytes = 0;
	return run;
}

/* ---- encryption, reads, syncs ---- */

struct tally {
	uint64_t rows, invalid, messages, checked, syncs, device_bytes, payload_bytes;
};

static struct tally tally_of(const struct samples *samples, const char *workload,
                             const char *cipher)
{
	struct tally t = {0};

	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *s = &samples->rows[i];
		if (samples_set_aside(s) ||
		    (workload != NULL && strcmp(s->workload, workload) != 0) ||
		    (cipher != NULL && strcmp(s->cipher, cipher) != 0))
			continue;
		t.rows++;
		t.invalid += s->valid != 1;
		t.messages += s->messages;
		t.checked += s->reads_checked;
		t.syncs += s->syncs;
		t.device_bytes += s->device_written_bytes;
		t.payload_bytes += s->payload_total_bytes;
	}
	return t;
}

/* A small store of one cipher, looked at both ways. 0, or -1 and *error. */
static int canary_try(const struct run_options *base, const char *directory, const char *cipher,
                      struct target_error *error)
{
	/* Nothing but made-up bytes is ever under it. */
	static const uint8_t key[] = "k00112233445566778899aabbccddeeff";
	const struct atr_cipher *c = providers_cipher(&base->providers, cipher);
	struct order *setup = calloc(1, sizeof(*setup));
	struct session *session = NULL;
	struct generator *g = NULL;
	int enciphers = strcmp(cipher, "none") != 0, rc = -1;

	if (setup == NULL)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	snprintf(setup->target, sizeof(setup->target), "store");
	snprintf(setup->cipher, sizeof(setup->cipher), "%s", cipher);
	snprintf(setup->provider, sizeof(setup->provider), "%s",
	         c == NULL ? "" : atr_cipher_provider(c));
	setup->seed = base->request.seed;
	setup->key_bytes = sizeof(key) - 1;
	workload_init(&setup->workload);
	setup->workload.operation = WORKLOAD_READ_SEQUENTIAL;
	setup->workload.messages = setup->workload.fill_messages = CANARY_COUNT;
	setup->workload.sizes[0].low_bytes = setup->workload.sizes[0].high_bytes = CANARY_BYTES;
	g = generator_new(&setup->workload, setup->seed);
	if (g == NULL)
		target_fail(error, TARGET_SYSTEM, "out of memory");
	else if (session_open(setup, key, &session, error) == 0 &&
	         session_fill(session, directory, error) == 0 &&
	         controls_canary(g, directory, enciphers, error) == 0)
		rc = 0;
	if (rc == 0 && controls_canary(g, directory, !enciphers, error) == 0)
		rc = target_fail(error, TARGET_VERIFY, "clear text is not told from ciphertext");
	session_close(session);
	generator_free(g);
	free(setup);
	return rc;
}

static void check_canary(const struct selftest_options *options, struct selftest *out)
{
	static const char *const ciphers[] = {"none", "chachapoly", "aes"};
	char path[RUN_FOLDER_BYTES];

	for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++) {
		struct target_error error = {0};
		char what[96];
		int rc;
		snprintf(path, sizeof(path), "%.4000s/selftest/canary-%s", options->folder,
		         ciphers[i]);
		rc = canary_try(options->base, path, ciphers[i], &error);
		filesystem_remove_tree(path);
		snprintf(what, sizeof(what), "canary, %s", ciphers[i]);
		check_add(
		        out, rc == 0 ? SELFTEST_OK : SELFTEST_FAILED, what, "%s",
		        rc != 0 ? error.text
		        : i == 0
		                ? "every known text is in the files, and is missed when one is gone"
		                : "no known text is in the files, and would be found");
	}
}

static void check_ciphers(const struct run_result *result, struct selftest *out)
{
	static const char *const ciphers[] = {"none", "chachapoly", "aes"};

	for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++) {
		struct tally t = tally_of(&result->samples, NULL, ciphers[i]);
		char what[96];
		snprintf(what, sizeof(what), "encryption, %s", ciphers[i]);
		if (t.rows == 0 || t.invalid > 0)
			check_add(out, SELFTEST_FAILED, what,
			          "%" PRIu64 " of %" PRIu64 " slices failed: %.200s", t.invalid,
			          t.rows, result->error);
		else if (i == 0)
			check_add(out, SELFTEST_OK, what,
			          "the stores of the last round hold the text that they should");
		else
			check_add(out, SELFTEST_OK, what,
			          "the stores of the last round hold no known text, and did not "
			          "open with another key");
	}
}

static void check_reads(const struct samples *samples, const char *workload, struct selftest *out)
{
	struct tally t = tally_of(samples, workload, NULL);

	check_add(out,
	          t.messages > 0 && t.invalid == 0 && t.checked >= t.messages ? SELFTEST_OK
	                                                                      : SELFTEST_FAILED,
	          "reads", "%" PRIu64 " messages read, %" PRIu64 " compared with what was written",
	          t.messages, t.checked);
}

/* What machine.json says of the directory: text is "" and the verdict ok for a disk that waits. A
 * file system in memory cannot tell; one that claims to be durable and does not wait has lied. */
static enum selftest_verdict durability(const struct run_result *result, char text[208])
{
	enum selftest_verdict verdict = SELFTEST_OK;
	const json_t *directory;
	char path[RUN_FOLDER_BYTES];
	json_t *machine =
	        json_load_file(run_folder_file(&result->folder, "machine.json", path), 0, NULL);
	struct advice_list advice = {0};

	text[0] = '\0';
	advice_of_machine(machine, &advice);
	for (size_t i = 0; i < advice.count && text[0] == '\0'; i++)
		if (strcmp(advice.items[i].what, "not durable") == 0)
			memcpy(text, advice.items[i].evidence, 208);
	directory = json_array_get(json_object_get(machine, "directories"), 0);
	if (text[0] != '\0')
		verdict = json_is_true(json_object_get(directory, "durable")) ? SELFTEST_FAILED
		                                                              : SELFTEST_UNTOLD;
	json_decref(machine);
	return verdict;
}

static void check_syncs(const struct run_result *result, const char *workload, struct selftest *out)
{
	struct tally t = tally_of(&result->samples, workload, NULL);
	char doubt[208];
	enum selftest_verdict verdict = durability(result, doubt);

	if (t.messages == 0 || t.syncs < t.messages)
		verdict = SELFTEST_FAILED;
	else if (verdict == SELFTEST_OK && t.device_bytes < t.payload_bytes)
		verdict = SELFTEST_UNTOLD;
	check_add(out, verdict, "syncs",
	          "%" PRIu64 " syncs of %" PRIu64 " appends, %.1f of %.1f MiB to the device%s%s",
	          t.syncs, t.messages, (double)t.device_bytes / (1 << 20),
	          (double)t.payload_bytes / (1 << 20), doubt[0] != '\0' ? "; not durable: " : "",
	          doubt);
}

/* ---- all of it ---- */

/* One square of all ciphers. The plaintext times of both first workloads, in ns. */
static int run_proofs(const struct selftest_options *options, double ns[WORKLOADS_SLOW],
                      struct selftest *out)
{
	struct run_options run = options_like(options->base, options->base->workloads,
	                                      options->base->request.workload_count);
	const struct workload *w = run.workloads;
	struct summary summary = {0};
	struct run_result result;
	int rc;

	run.request.rounds = 4;
	rc = execute(options, &run, "proofs", &result, out);
	if (rc == 0 && summary_make(&result.samples, &summary) != 0) {
		snprintf(out->error, sizeof(out->error), "out of memory");
		rc = -1;
	}
	if (rc == 0) {
		check_ciphers(&result, out);
		check_reads(&result.samples, w[1].name, out);
		check_syncs(&result, w[2].name, out);
	}
	for (size_t i = 0; rc == 0 && i < WORKLOADS_SLOW; i++) {
		ns[i] = NAN;
		for (size_t r = 0; r < summary.count; r++)
			if (strcmp(summary.rows[r].workload, w[i].name) == 0 &&
			    strcmp(summary.rows[r].arm, "none") == 0 &&
			    strcmp(summary.rows[r].metric, TIME_METRIC) == 0)
				ns[i] = summary.rows[r].value;
	}
	summary_free(&summary);
	run_result_free(&result);
	return rc;
}

/* A cell for each workload and amount, the amount as a wait per operation. */
static void slow_down(const struct workload *from, const double ns[WORKLOADS_SLOW],
                      struct workload *cells, struct run_injection *injections)
{
	for (size_t w = 0; w < WORKLOADS_SLOW; w++) {
		for (size_t a = 0; a < AMOUNTS; a++) {
			struct workload *cell = &cells[w * AMOUNTS + a];
			*cell = from[w];
			snprintf(cell->name, sizeof(cell->name), "%.40s-slower-%g", from[w].name,
			         amounts[a]);
			injections[w * AMOUNTS + a] = (struct run_injection){
			        .workload = cell->name,
			        .arm = TWIN,
			        .ns = isfinite(ns[w]) ? (uint64_t)llround(ns[w] * amounts[a] / 100)
			                              : 0};
		}
	}
}

static double resolution_of(const struct noise *noise, const char *workload)
{
	for (size_t i = 0; i < noise->count; i++)
		if (strcmp(noise->rows[i].twin->workload, workload) == 0 &&
		    strcmp(noise->rows[i].twin->metric, TIME_METRIC) == 0)
			return noise->rows[i].resolution_pct;
	return NAN;
}

/* What was found of each, from the rows. */
static int found_of(const struct samples *samples, const struct workload *cells,
                    const struct run_injection *injections, struct selftest_slowdown *slowdowns)
{
	struct summary summary;
	struct noise noise;

	if (summary_make(samples, &summary) != 0)
		return -1;
	if (noise_make(&summary, &noise) != 0) {
		summary_free(&summary);
		return -1;
	}
	for (size_t i = 0; i < WORKLOADS_SLOW * AMOUNTS; i++) {
		struct selftest_slowdown *s = &slowdowns[i];
		*s = (struct selftest_slowdown){.asked_pct = amounts[i % AMOUNTS],
		                                .found = {NAN, NAN, NAN},
		                                .busy_share = NAN};
		snprintf(s->workload, sizeof(s->workload), "%s", cells[i].name);
		s->resolution_pct = resolution_of(&noise, cells[i - i % AMOUNTS].name);
		for (size_t r = 0; r < summary.count; r++) {
			const struct summary_row *row = &summary.rows[r];
			if (strcmp(row->workload, cells[i].name) != 0 ||
			    strcmp(row->arm, TWIN) != 0 || strcmp(row->metric, TIME_METRIC) != 0)
				continue;
			const struct summary_row *cpu =
			        summary_find(&summary, row, TWIN, "cpu_ns_per_msg");
			if (cpu != NULL)
				s->busy_share = cpu->baseline_value / row->baseline_value;
			s->injected_pct = 100 * (double)injections[i].ns / row->baseline_value;
			s->found = (struct stats_interval){row->overhead_pct, row->low_pct,
			                                   row->high_pct};
		}
	}
	noise_free(&noise);
	summary_free(&summary);
	return 0;
}

static void run_slowdowns(const struct selftest_options *options, const double ns[WORKLOADS_SLOW],
                          struct selftest *out)
{
	struct workload *cells = calloc(WORKLOADS_SLOW * AMOUNTS, sizeof(*cells));
	struct run_injection injections[WORKLOADS_SLOW * AMOUNTS];
	struct selftest_slowdown slowdowns[WORKLOADS_SLOW * AMOUNTS];
	struct run_options run;
	struct run_result result;

	if (cells == NULL) {
		snprintf(out->error, sizeof(out->error), "out of memory");
		return;
	}
	slow_down(options->base->workloads, ns, cells, injections);
	run = options_like(options->base, cells, WORKLOADS_SLOW * AMOUNTS);
	run.request.ciphers[0] = "none";
	run.request.cipher_count = 1;
	run.request.rounds = options->rounds == 0 ? ROUNDS : options->rounds;
	run.injections = injections;
	run.injection_count = WORKLOADS_SLOW * AMOUNTS;
	if (execute(options, &run, "injected", &result, out) == 0) {
		if (found_of(&result.samples, cells, injections, slowdowns) != 0)
			snprintf(out->error, sizeof(out->error), "out of memory");
		else
			selftest_judge(slowdowns, WORKLOADS_SLOW * AMOUNTS, out);
	}
	run_result_free(&result);
	free(cells);
}

json_t *selftest_json(const struct selftest *result)
{
	json_t *checks = json_array();

	for (size_t i = 0; i < result->count; i++)
		json_array_append_new(
		        checks, json_pack("{ss ss ss}", "what", result->checks[i].what, "verdict",
		                          selftest_verdict_name(result->checks[i].verdict),
		                          "evidence", result->checks[i].evidence));
	return json_pack("{sI sb so}", "failed", (json_int_t)result->failed, "told", !result->noisy,
	                 "checks", checks);
}

static void write_report(const struct selftest_options *options, struct selftest *out)
{
	struct run_folder folder = {.fd = -1};
	json_t *whole = selftest_json(out);

	snprintf(folder.path, sizeof(folder.path), "%s", options->folder);
	if (whole == NULL)
		snprintf(out->error, sizeof(out->error), "out of memory");
	else
		(void)run_folder_json(&folder, "selftest.json", whole, out->error);
	json_decref(whole);
}

void selftest_run(const struct selftest_options *options, struct selftest *out)
{
	char path[RUN_FOLDER_BYTES];
	double ns[WORKLOADS_SLOW];

	memset(out, 0, sizeof(*out));
	snprintf(path, sizeof(path), "%.4000s/selftest", options->folder);
	(void)run_folder_make(path); /* what is made in it tells why it is not there */
	check_canary(options, out);
	if (run_proofs(options, ns, out) != 0)
		return;
	run_slowdowns(options, ns, out);
	if (!out->interrupted && out->error[0] == '\0')
		write_report(options, out);
}
