/* headline.c - see headline.h. */
#include "harness/output/headline.h"

#include "harness/analysis/verdict.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

/* ---- numbers ---- */

struct stats_interval headline_overhead(const struct summary_row *row)
{
	return (struct stats_interval){row->overhead_pct, row->low_pct, row->high_pct};
}

struct stats_interval headline_added(const struct summary_row *row)
{
	return (struct stats_interval){row->added, row->added_low, row->added_high};
}

/* No more decimals than the interval is wide: a tenth of it at most. */
static int decimals_for(double width, double value)
{
	if (!isfinite(width) || width == 0)
		width = fabs(value);
	if (width >= 5 || width == 0)
		return 0;
	if (width >= 0.5)
		return 1;
	return width >= 0.05 ? 2 : width >= 0.005 ? 3 : 4;
}

/* Never "-0". */
static double rounded(double value, int decimals)
{
	double scale = pow(10, decimals);
	double out = round(value * scale) / scale;
	return out == 0 ? 0 : out;
}

const char *headline_percent(struct stats_interval i, char text[HEADLINE_TEXT_BYTES])
{
	if (!isfinite(i.estimate)) {
		snprintf(text, HEADLINE_TEXT_BYTES, "-");
		return text;
	}
	int d = decimals_for(i.high - i.low, i.estimate);
	if (isfinite(i.low) && isfinite(i.high))
		snprintf(text, HEADLINE_TEXT_BYTES, "%.*f %% [%.*f, %.*f]", d,
		         rounded(i.estimate, d), d, rounded(i.low, d), d, rounded(i.high, d));
	else
		snprintf(text, HEADLINE_TEXT_BYTES, "%.*f %%", d, rounded(i.estimate, d));
	return text;
}

const char *headline_ns(struct stats_interval i, char text[HEADLINE_TEXT_BYTES])
{
	static const struct {
		double from, unit;
		const char *name;
	} units[] = {{1e9, 1e9, "s"}, {1e6, 1e6, "ms"}, {100, 1e3, "µs"}, {0, 1, "ns"}};
	if (!isfinite(i.estimate)) {
		snprintf(text, HEADLINE_TEXT_BYTES, "-");
		return text;
	}
	/* fmax passes over the NaN of a missing interval. */
	double largest = fmax(fabs(i.estimate), fmax(fabs(i.low), fabs(i.high)));
	size_t u = 0;
	while (largest < units[u].from)
		u++;
	double unit = units[u].unit;
	double size = largest / unit;
	int d = size >= 99.95 || unit == 1 ? 0 : size >= 9.995 ? 1 : 2;
	if (isfinite(i.low) && isfinite(i.high))
		snprintf(text, HEADLINE_TEXT_BYTES, "%.*f %s [%.*f, %.*f]", d,
		         rounded(i.estimate / unit, d), units[u].name, d, rounded(i.low / unit, d),
		         d, rounded(i.high / unit, d));
	else
		snprintf(text, HEADLINE_TEXT_BYTES, "%.*f %s", d, rounded(i.estimate / unit, d),
		         units[u].name);
	return text;
}

/* ---- which cell, who ---- */

int headline_is_cipher(const struct summary_row *row)
{
	char cipher[SAMPLES_TEXT_BYTES];
	snprintf(cipher, sizeof(cipher), "%.*s", (int)strcspn(row->arm, "@+"), row->arm);
	return strcmp(cipher, "none") != 0 && strcmp(cipher, "none-twin") != 0;
}

static int is_server(const struct summary_row *row)
{
	return strcmp(row->target, "nats") == 0;
}

/* Smaller is preferred; compared from left to right. */
struct preference {
	int target, class_;
	double distance;
};

static struct preference preference_of(const struct summary_row *row)
{
	struct preference p;
	p.target = is_server(row) ? 0 : strcmp(row->target, "store") == 0 ? 1 : 2;
	p.class_ = strcmp(row->class_, "publish") != 0;
	p.distance = fabs(log2((double)row->payload_bytes + 1) - log2(1025));
	return p;
}

const struct summary_row *headline_cell(const struct summary *s)
{
	const struct summary_row *best = NULL;
	struct preference best_p = {0, 0, 0};
	for (size_t i = 0; i < s->count; i++) {
		const struct summary_row *row = &s->rows[i];
		if (strcmp(row->arm, "none") != 0 || strcmp(row->metric, "throughput_msgs_s") != 0)
			continue;
		struct preference p = preference_of(row);
		int better = best == NULL || p.target < best_p.target;
		if (best != NULL && p.target == best_p.target)
			better = p.class_ < best_p.class_ ||
			         (p.class_ == best_p.class_ && p.distance < best_p.distance);
		if (better) {
			best = row;
			best_p = p;
		}
	}
	return best;
}

const char *headline_subject(const struct summary_row *cell, char text[HEADLINE_TEXT_BYTES])
{
	if (is_server(cell))
		snprintf(text, HEADLINE_TEXT_BYTES, "nats-server %.60s", cell->target_version);
	else if (strcmp(cell->target, "store") == 0)
		snprintf(text, HEADLINE_TEXT_BYTES, "this store");
	else
		snprintf(text, HEADLINE_TEXT_BYTES, "the harness alone (target %.40s)",
		         cell->target);
	return text;
}

/* ---- the sentence ---- */

static void say(char text[HEADLINE_BYTES], const char *format, ...)
        __attribute__((format(printf, 2, 3)));

static void say(char text[HEADLINE_BYTES], const char *format, ...)
{
	size_t bytes = strlen(text);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text + bytes, HEADLINE_BYTES - bytes, format, arguments);
	va_end(arguments);
}

#define SENTENCE_ARMS_MAX 16

struct arm_rows {
	const struct summary_row *throughput, *cpu, *disk;
	enum verdict verdict;
};

static enum verdict verdict_in(const struct summary_row *row)
{
	enum verdict v = VERDICT_INVALID;
	(void)verdict_parse(row->verdict, &v);
	return v;
}

/* The cipher arms of a cell in its first directory and this program; chachapoly before aes, in
 * every run. */
static size_t arms_of(const struct summary *s, const struct summary_row *cell,
                      struct arm_rows arms[SENTENCE_ARMS_MAX])
{
	size_t count = 0;
	for (size_t i = 0; i < s->count && count < SENTENCE_ARMS_MAX; i++) {
		const struct summary_row *row = &s->rows[i];
		if (strcmp(row->metric, "throughput_msgs_s") != 0 || !headline_is_cipher(row) ||
		    row->arm[strcspn(row->arm, "@+")] != '\0' ||
		    summary_find(s, row, "none", "throughput_msgs_s") != cell)
			continue;
		struct arm_rows a = {.throughput = row,
		                     .cpu = summary_find(s, row, row->arm, "cpu_ns_per_msg"),
		                     .disk = summary_find(s, row, row->arm, "disk_allocated_bytes"),
		                     .verdict = verdict_in(row)};
		if (a.cpu == NULL)
			continue;
		size_t at = count++;
		while (at > 0 && strcmp(row->arm, arms[at - 1].throughput->arm) > 0) {
			arms[at] = arms[at - 1];
			at--;
		}
		arms[at] = a;
	}
	return count;
}

/* What throughput it may have cost unseen. */
static double at_most(const struct summary_row *row)
{
	return verdict_at_most(headline_overhead(row), row->floor_pct);
}

#define RANGE_HIGH_PCT 30

static void say_throughput(char text[HEADLINE_BYTES], const struct arm_rows *a, const char *noun)
{
	char number[HEADLINE_TEXT_BYTES];
	struct stats_interval overhead = headline_overhead(a->throughput);
	if (a->verdict == VERDICT_OVERHEAD) {
		say(text, " and takes %s%s", headline_percent(overhead, number), noun);
	} else if (a->verdict == VERDICT_FASTER) {
		struct stats_interval gain = {-overhead.estimate, -overhead.high, -overhead.low};
		say(text, " and gives %s more throughput", headline_percent(gain, number));
	} else {
		double most = at_most(a->throughput);
		headline_percent((struct stats_interval){most, NAN, NAN}, number);
		say(text, " and takes no measurable throughput (≤ %s%s)", number,
		    most > RANGE_HIGH_PCT ? ", too noisy to tell" : "");
	}
}

static void say_arm(char text[HEADLINE_BYTES], const struct arm_rows *a, const char *noun)
{
	char number[HEADLINE_TEXT_BYTES];
	if (a->verdict == VERDICT_INVALID || verdict_in(a->cpu) == VERDICT_INVALID) {
		say(text, "%s is invalid (a slice failed or is missing)", a->throughput->arm);
		return;
	}
	if (a->verdict == VERDICT_INCONCLUSIVE) {
		say(text, "%s is inconclusive (%llu rounds; %d and a twin are needed)",
		    a->throughput->arm, (unsigned long long)a->throughput->rounds,
		    STATS_INTERVAL_MIN);
		return;
	}
	enum verdict cpu = verdict_in(a->cpu);
	struct stats_interval added = headline_added(a->cpu);
	if (cpu == VERDICT_OVERHEAD) {
		say(text, "%s adds %s of CPU", a->throughput->arm, headline_ns(added, number));
	} else if (cpu == VERDICT_FASTER) {
		struct stats_interval saved = {-added.estimate, -added.high, -added.low};
		say(text, "%s saves %s of CPU", a->throughput->arm, headline_ns(saved, number));
	} else {
		struct stats_interval most = {fmax(fabs(added.low), fabs(added.high)), NAN, NAN};
		say(text, "%s adds no measurable CPU (≤ %s)", a->throughput->arm,
		    headline_ns(most, number));
	}
	say_throughput(text, a, noun);
}

static void say_arms(char text[HEADLINE_BYTES], const struct arm_rows *arms, size_t count)
{
	const char *noun = " of the throughput";
	for (size_t i = 0; i < count; i++) {
		say(text, "%s", i > 0 ? "; " : "");
		say_arm(text, &arms[i], noun);
		if (arms[i].verdict == VERDICT_OVERHEAD)
			noun = ""; /* once is enough */
	}
}

/* Of what was found to cost something. */
static void say_range(char text[HEADLINE_BYTES], const struct arm_rows *arms, size_t count)
{
	const char *ranges[SENTENCE_ARMS_MAX];
	size_t known = 0;
	int same = 1;
	for (size_t i = 0; i < count; i++) {
		if (arms[i].verdict != VERDICT_OVERHEAD)
			continue;
		ranges[known++] = verdict_range(headline_overhead(arms[i].throughput));
		same &= strcmp(ranges[known - 1], ranges[0]) == 0;
	}
	if (known == 0)
		return;
	if (same && known == count) {
		say(text, ": %s%s the 1–30 %% range", known == 2 ? "both " : "", ranges[0]);
		return;
	}
	say(text, ": ");
	known = 0;
	for (size_t i = 0; i < count; i++) {
		if (arms[i].verdict != VERDICT_OVERHEAD)
			continue;
		say(text, "%s%s %s", known > 0 ? ", " : "", arms[i].throughput->arm, ranges[known]);
		known++;
	}
	say(text, " the 1–30 %% range");
}

/* One figure when all arms agree to a tenth of a percent, which they do. */
static void say_disk(char text[HEADLINE_BYTES], const struct arm_rows *arms, size_t count)
{
	char number[HEADLINE_TEXT_BYTES];
	double low = INFINITY;
	double high = -INFINITY;
	for (size_t i = 0; i < count; i++) {
		if (arms[i].disk == NULL || !isfinite(arms[i].disk->overhead_pct))
			continue;
		low = fmin(low, arms[i].disk->overhead_pct);
		high = fmax(high, arms[i].disk->overhead_pct);
	}
	if (high < low)
		return;
	if (fabs(high) < 0.005 && fabs(low) < 0.005) {
		say(text, " Disk does not grow.");
		return;
	}
	struct stats_interval growth = {high, NAN, NAN};
	say(text, " Disk grows %s%s.", high - low > 0.1 ? "up to " : "",
	    headline_percent(growth, number));
}

static const char *operation_of(const struct summary_row *cell, char text[HEADLINE_TEXT_BYTES])
{
	char bytes[TABLE_NUMBER_BYTES];
	table_bytes((double)cell->payload_bytes, bytes);
	if (strncmp(cell->class_, "publish", strlen("publish")) == 0)
		snprintf(text, HEADLINE_TEXT_BYTES, "%s publish", bytes);
	else
		snprintf(text, HEADLINE_TEXT_BYTES, "%s message of %.48s", bytes, cell->workload);
	return text;
}

static void say_run(const struct summary *s, char text[HEADLINE_BYTES])
{
	const struct summary_run *run = &s->run;
	if (run->invalid_samples > 0)
		say(text, " %llu of %llu slices failed (first: %s).",
		    (unsigned long long)run->invalid_samples, (unsigned long long)run->samples,
		    run->first_error[0] != '\0' ? run->first_error : "no reason given");
	if (run->arms_missing > 0)
		say(text, " %llu %s missing.", (unsigned long long)run->arms_missing,
		    run->arms_missing == 1 ? "arm is" : "arms are");
	if (summary_inconclusive(run))
		say(text,
		    " Inconclusive: %llu of %llu plaintext twins differ from plaintext, chance "
		    "allows %llu; this machine was not quiet enough.",
		    (unsigned long long)run->twins_off_zero, (unsigned long long)run->twins,
		    (unsigned long long)run->twins_limit);
	if (!run->complete)
		say(text, " The run was interrupted: %llu %s all there is.",
		    (unsigned long long)run->samples,
		    run->samples == 1 ? "slice is" : "slices are");
}

void headline_sentence(const struct summary *s, char text[HEADLINE_BYTES])
{
	struct arm_rows arms[SENTENCE_ARMS_MAX];
	char subject[HEADLINE_TEXT_BYTES];
	char operation[HEADLINE_TEXT_BYTES];
	text[0] = '\0';
	const struct summary_row *cell = headline_cell(s);
	if (cell == NULL) {
		say(text, "No plaintext throughput was measured.");
		say_run(s, text);
		return;
	}
	size_t count = arms_of(s, cell, arms);
	headline_subject(cell, subject);
	operation_of(cell, operation);
	if (is_server(cell))
		say(text, "On this machine, with %s: ", subject);
	else
		say(text, "%c%s on this machine: ", subject[0] - 'a' + 'A', subject + 1);
	if (count > 0)
		say(text, "per %s ", operation);
	say_arms(text, arms, count);
	if (count == 0) {
		char rate[TABLE_NUMBER_BYTES];
		say(text, "plaintext alone, %s messages of %s per second",
		    table_count(cell->value, rate), operation);
	}
	say_range(text, arms, count);
	say(text, ".");
	say_disk(text, arms, count);
	if (!is_server(cell) && strcmp(cell->target, "store") == 0)
		say(text, " A server's own cost was not measured.");
	say_run(s, text);
}

/* ---- the table ---- */

static void put_lost(struct table *t, const struct summary_row *row, enum verdict v)
{
	char number[HEADLINE_TEXT_BYTES];
	struct stats_interval overhead = headline_overhead(row);
	if (v == VERDICT_INDISTINGUISHABLE && strcmp(row->arm, "none") != 0 &&
	    strcmp(row->arm, "none-twin") != 0) {
		struct stats_interval most = {at_most(row), NAN, NAN};
		table_format(t, "≤ %s", headline_percent(most, number));
	} else if (strcmp(row->arm, "none") == 0) {
		table_text(t, "");
	} else {
		table_text(t, headline_percent(overhead, number));
	}
}

static void put_value(struct table *t, const struct summary_row *row,
                      const char *(*format)(double, char[TABLE_NUMBER_BYTES]))
{
	char number[TABLE_NUMBER_BYTES];
	table_text(t, row != NULL ? format(row->value, number) : "");
}

static void put_table_row(struct table *t, const struct summary *s, const struct summary_row *row,
                          int first)
{
	char number[HEADLINE_TEXT_BYTES];
	enum verdict v = verdict_in(row);
	int baseline = strcmp(row->arm, "none") == 0;
	const struct summary_row *cpu = summary_find(s, row, row->arm, "cpu_ns_per_msg");
	const struct summary_row *p99 = summary_find(s, row, row->arm, "latency_p99_ns");
	const struct summary_row *disk = summary_find(s, row, row->arm, "disk_allocated_bytes");

	table_row(t);
	table_text(t, first ? row->workload : "");
	table_text(t, first ? row->target : "");
	table_text(t, row->arm);
	put_value(t, cpu, table_ns);
	if (cpu != NULL && !baseline)
		table_text(t, headline_ns(headline_added(cpu), number));
	else
		table_text(t, "");
	put_value(t, row, table_count);
	put_lost(t, row, v);
	put_value(t, p99, table_ns);
	if (disk != NULL && isfinite(disk->overhead_pct) && !baseline)
		table_text(t,
		           headline_percent((struct stats_interval){disk->overhead_pct, NAN, NAN},
		                            number));
	else
		table_text(t, "");
	table_format(t, "%llu", (unsigned long long)row->rounds);
	table_text(t, baseline && v != VERDICT_INVALID ? "" : row->verdict);
	if (v == VERDICT_INVALID)
		table_colored(t, TABLE_RED);
	else if (v == VERDICT_INCONCLUSIVE)
		table_colored(t, TABLE_YELLOW);
}

struct table *headline_table(const struct summary *s)
{
	struct table *t = table_new();
	table_column(t, "workload", NULL, TABLE_LEFT);
	table_column(t, "target", NULL, TABLE_LEFT);
	table_column(t, "arm", NULL, TABLE_LEFT);
	table_column(t, "cpu", "CPU/msg", TABLE_RIGHT);
	table_column(t, "cpu_added", "added", TABLE_RIGHT);
	table_column(t, "throughput", "msgs/s", TABLE_RIGHT);
	table_column(t, "throughput_lost", "lost", TABLE_RIGHT);
	table_column(t, "latency_p99", "p99", TABLE_RIGHT);
	table_column(t, "disk_growth", "disk", TABLE_RIGHT);
	table_column(t, "rounds", NULL, TABLE_RIGHT);
	table_column(t, "verdict", "verdict (throughput)", TABLE_LEFT);
	const struct summary_row *before = NULL;
	for (size_t i = 0; i < s->count; i++) {
		const struct summary_row *row = &s->rows[i];
		if (strcmp(row->metric, "throughput_msgs_s") != 0)
			continue;
		int first = before == NULL || strcmp(before->workload, row->workload) != 0 ||
		            strcmp(before->target, row->target) != 0 ||
		            strcmp(before->target_version, row->target_version) != 0;
		put_table_row(t, s, row, first);
		before = row;
	}
	return t;
}

/* ---- JSON ---- */

static json_t *real_or_null(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *json_of_row(const struct summary_row *row)
{
	json_t *object = json_object();
	int rc = object == NULL ? -1 : 0;
#define MEMBER(name) strcmp(#name, "class_") == 0 ? "class" : #name
#define T(name)      rc |= json_object_set_new(object, MEMBER(name), json_string(row->name));
#define U(name)                                                                                    \
	rc |= json_object_set_new(object, MEMBER(name), json_integer((json_int_t)row->name));
#define F(name) rc |= json_object_set_new(object, MEMBER(name), real_or_null(row->name));
	SUMMARY_COLUMNS(T, U, F)
#undef T
#undef U
#undef F
#undef MEMBER
	if (rc == 0)
		return object;
	json_decref(object);
	return NULL;
}

json_t *headline_json(const struct summary *s)
{
	char sentence[HEADLINE_BYTES];
	headline_sentence(s, sentence);
	const struct summary_run *run = &s->run;
	json_t *rows = json_array();
	int rc = rows == NULL ? -1 : 0;
	for (size_t i = 0; i < s->count && rc == 0; i++)
		rc = json_array_append_new(rows, json_of_row(&s->rows[i]));
	if (rc != 0) {
		json_decref(rows);
		return NULL;
	}
	return json_pack("{s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "sentence",
	                 sentence, "complete", run->complete, "inconclusive",
	                 summary_inconclusive(run), "samples", (json_int_t)run->samples,
	                 "invalid_samples", (json_int_t)run->invalid_samples, "cells",
	                 (json_int_t)run->cells, "arms_invalid", (json_int_t)run->arms_invalid,
	                 "arms_missing", (json_int_t)run->arms_missing, "twins",
	                 (json_int_t)run->twins, "twins_off_zero", (json_int_t)run->twins_off_zero,
	                 "twins_limit", (json_int_t)run->twins_limit, "rows", rows);
}
