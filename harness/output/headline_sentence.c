/* headline_sentence.c - the sentence that people quote, as headline.h says. Of a server it speaks
 * of throughput, which an operator loses, with CPU per message beside it; of the store of CPU
 * first, since a percentage of it is nobody's. */
#include "harness/output/headline.h"

#include "harness/analysis/verdict.h"
#include "harness/output/rates.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

void headline_say(char text[HEADLINE_BYTES], const char *format, ...)
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

/* The cipher arms of a cell in its first directory and this program; chachapoly before aes, in
 * every run. */
static size_t arms_of(const struct summary *s, const struct summary_row *cell,
                      struct arm_rows arms[SENTENCE_ARMS_MAX])
{
	size_t count = 0;
	for (size_t i = 0; i < s->count && count < SENTENCE_ARMS_MAX; i++) {
		const struct summary_row *row = &s->rows[i];
		if (strcmp(row->metric, "throughput_msgs_s") != 0 || !summary_is_cipher(row) ||
		    row->arm[strcspn(row->arm, "@+")] != '\0' ||
		    summary_find(s, row, "none", "throughput_msgs_s") != cell)
			continue;
		struct arm_rows a = {.throughput = row,
		                     .cpu = summary_find(s, row, row->arm, "cpu_ns_per_msg"),
		                     .disk = summary_find(s, row, row->arm, "disk_allocated_bytes"),
		                     .verdict = headline_verdict(row)};
		size_t at = count++;
		while (at > 0 && strcmp(row->arm, arms[at - 1].throughput->arm) > 0) {
			arms[at] = arms[at - 1];
			at--;
		}
		arms[at] = a;
	}
	return count;
}

/* Nothing stands out, and what may be there unseen is in the upper half of the documented range or
 * beyond: that is not a small cost, it is none that is known. */
#define TOLD_PCT 15

static int is_untold(const struct arm_rows *a)
{
	return a->verdict == VERDICT_INDISTINGUISHABLE &&
	       headline_at_most(a->throughput) > TOLD_PCT;
}

static void say_throughput(char text[HEADLINE_BYTES], const struct arm_rows *a, const char *noun)
{
	char number[HEADLINE_TEXT_BYTES];
	struct stats_interval overhead = headline_overhead(a->throughput);
	if (a->verdict == VERDICT_OVERHEAD) {
		headline_say(text, " and takes %s%s", headline_percent(overhead, number), noun);
	} else if (a->verdict == VERDICT_FASTER) {
		struct stats_interval gain = {-overhead.estimate, -overhead.high, -overhead.low};
		headline_say(text, " and gives %s more throughput", headline_percent(gain, number));
	} else {
		double most = headline_at_most(a->throughput);
		headline_percent((struct stats_interval){most, NAN, NAN}, number);
		headline_say(text,
		             is_untold(a) ? ", and what it takes of the throughput is not told: up "
		                            "to %s, the machine was too noisy"
		                          : " and takes no measurable throughput (≤ %s)",
		             number);
	}
}

/* 1 when there is nothing else to say of it. */
static int say_failed(char text[HEADLINE_BYTES], const struct arm_rows *a)
{
	const char *arm = a->throughput->arm;
	if (a->verdict == VERDICT_INVALID ||
	    (a->cpu != NULL && headline_verdict(a->cpu) == VERDICT_INVALID))
		headline_say(text, "%s is invalid (a slice failed or is missing)", arm);
	else if (a->verdict == VERDICT_INCONCLUSIVE)
		headline_say(text, "%s is inconclusive (%llu rounds; %d and a twin are needed)",
		             arm, (unsigned long long)a->throughput->rounds, STATS_INTERVAL_MIN);
	else
		return 0;
	return 1;
}

static void say_arm(char text[HEADLINE_BYTES], const struct arm_rows *a, const char *noun)
{
	char number[HEADLINE_TEXT_BYTES];
	if (say_failed(text, a))
		return;
	enum verdict cpu = headline_verdict(a->cpu);
	struct stats_interval added = headline_added(a->cpu);
	if (cpu == VERDICT_OVERHEAD) {
		headline_say(text, "%s adds %s of CPU", a->throughput->arm,
		             headline_ns(added, number));
	} else if (cpu == VERDICT_FASTER) {
		struct stats_interval saved = {-added.estimate, -added.high, -added.low};
		headline_say(text, "%s saves %s of CPU", a->throughput->arm,
		             headline_ns(saved, number));
	} else {
		struct stats_interval most = {headline_added_at_most(a->cpu), NAN, NAN};
		headline_say(text, "%s adds no measurable CPU (≤ %s)", a->throughput->arm,
		             headline_ns(most, number));
	}
	say_throughput(text, a, noun);
}

static void say_arms(char text[HEADLINE_BYTES], const struct arm_rows *arms, size_t count)
{
	const char *noun = " of the throughput";
	for (size_t i = 0; i < count; i++) {
		headline_say(text, "%s", i > 0 ? "; " : "");
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
		headline_say(text, ": %s%s the documented 1–30 %% range", known == 2 ? "both " : "",
		             ranges[0]);
		return;
	}
	headline_say(text, ": ");
	known = 0;
	for (size_t i = 0; i < count; i++) {
		if (arms[i].verdict != VERDICT_OVERHEAD)
			continue;
		headline_say(text, "%s%s %s", known > 0 ? ", " : "", arms[i].throughput->arm,
		             ranges[known]);
		known++;
	}
	headline_say(text, " the documented 1–30 %% range");
}

/* One figure when all arms agree to a tenth of a percent, which they do. before is put in front
 * of it when there is one. */
static void say_disk(char text[HEADLINE_BYTES], const char *before, const struct arm_rows *arms,
                     size_t count)
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
		headline_say(text, "%s does not grow", before);
		return;
	}
	struct stats_interval growth = {high, NAN, NAN};
	headline_say(text, "%s grows %s%s", before, high - low > 0.1 ? "up to " : "",
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
		headline_say(text, " %llu of %llu slices failed (first: %s).",
		             (unsigned long long)run->invalid_samples,
		             (unsigned long long)run->samples,
		             run->first_error[0] != '\0' ? run->first_error : "no reason given");
	if (run->arms_missing > 0)
		headline_say(text, " %llu %s missing.", (unsigned long long)run->arms_missing,
		             run->arms_missing == 1 ? "arm is" : "arms are");
	if (summary_inconclusive(run))
		headline_say(
		        text,
		        " Inconclusive: %llu of %llu plaintext twins differ from plaintext, chance "
		        "allows %llu; this machine was not quiet enough.",
		        (unsigned long long)run->twins_off_zero, (unsigned long long)run->twins,
		        (unsigned long long)run->twins_limit);
	if (!run->complete)
		headline_say(text, " The run was interrupted: %llu %s all there is.",
		             (unsigned long long)run->samples,
		             run->samples == 1 ? "slice is" : "slices are");
}

/* ---- the store, or the harness alone: CPU leads ---- */

static void say_store(char text[HEADLINE_BYTES], const struct summary *s,
                      const struct summary_row *cell)
{
	struct arm_rows arms[SENTENCE_ARMS_MAX];
	char subject[HEADLINE_TEXT_BYTES];
	char operation[HEADLINE_TEXT_BYTES];
	size_t count = arms_of(s, cell, arms);
	headline_subject(cell, subject);
	operation_of(cell, operation);
	headline_say(text, "%c%s on this machine: ", subject[0] - 'a' + 'A', subject + 1);
	headline_say(text, "per %s ", operation);
	say_arms(text, arms, count);
	say_range(text, arms, count);
	headline_say(text, ".");
	size_t bytes = strlen(text);
	say_disk(text, " Disk", arms, count);
	if (text[bytes] != '\0')
		headline_say(text, ".");
}

/* ---- a server: throughput leads, CPU stands beside it ---- */

/* 1 when a is below b and their intervals do not touch. */
static int is_below(struct stats_interval a, struct stats_interval b)
{
	return a.high < b.low;
}

/* By CPU time; by throughput where that does not tell, and never against it. */
static int is_cheaper(const struct arm_rows *a, const struct arm_rows *b)
{
	struct stats_interval lost = headline_overhead(a->throughput);
	struct stats_interval lost_b = headline_overhead(b->throughput);
	if (a->cpu == NULL || b->cpu == NULL)
		return is_below(lost, lost_b);
	struct stats_interval added = headline_added(a->cpu);
	struct stats_interval added_b = headline_added(b->cpu);
	if (is_below(lost_b, lost) || is_below(added_b, added))
		return 0;
	return is_below(added, added_b) || is_below(lost, lost_b);
}

/* Brings the arm that is cheaper than every other to the front. 0: there is none. */
static int prefer(struct arm_rows *arms, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t than = 0;
		for (size_t j = 0; j < count; j++)
			than += j != i && is_cheaper(&arms[i], &arms[j]);
		if (than + 1 != count)
			continue;
		struct arm_rows best = arms[i];
		memmove(arms + 1, arms, i * sizeof(*arms));
		arms[0] = best;
		return 1;
	}
	return 0;
}

/* How many arms have a verdict on what they cost. */
static size_t count_told(const struct arm_rows *arms, size_t count)
{
	size_t told = 0;
	for (size_t i = 0; i < count; i++)
		told += arms[i].verdict != VERDICT_INVALID &&
		        arms[i].verdict != VERDICT_INCONCLUSIVE;
	return told;
}

/* Of an arm whose bound says nothing. first: the sentence begins with it. */
static void say_untold(char text[HEADLINE_BYTES], const struct arm_rows *a, const char *who,
                       const char *what, int first)
{
	char number[HEADLINE_TEXT_BYTES];
	struct stats_interval most = {headline_at_most(a->throughput), NAN, NAN};
	headline_say(text, "%s %s costs%s%s is not told: up to %s%s%s, %stoo noisy",
	             first ? "What" : "what", a->throughput->arm, who[0] != '\0' ? " " : "", who,
	             headline_percent(most, number), what[0] != '\0' ? " of its " : "", what,
	             what[0] != '\0' ? "the machine was " : "");
}

/* What the arm costs; of whom and what is said once, before any other arm, the verb where the arm
 * before has another one. Returns what closes a bracket that is still open, "" when none is. */
static const char *say_cost(char text[HEADLINE_BYTES], const struct arm_rows *a, const char *who,
                            const char *what, int verb)
{
	char number[HEADLINE_TEXT_BYTES];
	struct stats_interval overhead = headline_overhead(a->throughput);
	struct stats_interval gain = {-overhead.estimate, -overhead.high, -overhead.low};
	const char *of = what[0] != '\0' ? " of its " : "";
	headline_say(text, "%s ", a->throughput->arm);
	if (who[0] != '\0' || verb)
		headline_say(text, "%s %s%s", a->verdict == VERDICT_FASTER ? "gives" : "costs", who,
		             who[0] != '\0' ? " " : "");
	if (a->verdict == VERDICT_OVERHEAD) {
		headline_say(text, "%s%s%s", headline_percent(overhead, number), of, what);
	} else if (a->verdict == VERDICT_FASTER) {
		headline_say(text, "%s more %s", headline_percent(gain, number),
		             what[0] != '\0' ? what : "throughput");
	} else {
		double most = headline_at_most(a->throughput);
		headline_percent((struct stats_interval){most, NAN, NAN}, number);
		headline_say(text, "no measurable part%s%s (≤ %s", of, what, number);
		return ")";
	}
	return "";
}

static void say_cost_in_cpu(char text[HEADLINE_BYTES], const struct summary_row *cpu,
                            const char *noun)
{
	char number[HEADLINE_TEXT_BYTES];
	struct stats_interval added = headline_added(cpu);
	enum verdict v = headline_verdict(cpu);
	if (v == VERDICT_OVERHEAD) {
		headline_say(text, "%s%s", headline_ns(added, number), noun);
	} else if (v == VERDICT_FASTER) {
		struct stats_interval saved = {-added.estimate, -added.high, -added.low};
		headline_say(text, "%s%s less", headline_ns(saved, number), noun);
	} else {
		struct stats_interval most = {headline_added_at_most(cpu), NAN, NAN};
		headline_say(text, "≤ %s%s", headline_ns(most, number), noun);
	}
}

/* begins: with its first arm a sentence begins. */
static void say_costs(char text[HEADLINE_BYTES], const struct arm_rows *arms, size_t count,
                      const char *who, const char *what, int begins)
{
	const char *noun = " of CPU per message";
	for (size_t i = 0; i < count; i++) {
		int untold = is_untold(&arms[i]);
		int behind_untold = i > 0 && is_untold(&arms[i - 1]);
		headline_say(text, "%s", i == 0 ? "" : untold || behind_untold ? "; " : ", ");
		if (say_failed(text, &arms[i]))
			continue;
		const char *close = "";
		if (untold)
			say_untold(text, &arms[i], who, what, begins && i == 0);
		else
			close = say_cost(text, &arms[i], who, what, i == 0 || behind_untold);
		who = what = ""; /* once is enough */
		if (arms[i].cpu != NULL) {
			headline_say(text, "%s", close[0] != '\0' ? "; " : " (");
			say_cost_in_cpu(text, arms[i].cpu, noun);
			close = ")";
			noun = "";
		}
		headline_say(text, "%s", close);
	}
}

/* By what neither is: servers are also sized by CPU time alone. */
static void say_neither(char text[HEADLINE_BYTES], const struct arm_rows *arms, size_t count)
{
	const struct arm_rows *by_cpu = NULL, *by_throughput = NULL, *costly = NULL;
	size_t known = 0, costs = 0;
	for (size_t i = 0; i < count; i++) {
		if (arms[i].cpu == NULL)
			continue;
		known++;
		if (headline_verdict(arms[i].cpu) == VERDICT_OVERHEAD) {
			costly = &arms[i];
			costs++;
		}
	}
	for (size_t i = 0; i < 2 && count == 2 && known == count; i++) {
		const struct arm_rows *a = &arms[i], *b = &arms[1 - i];
		if (is_below(headline_added(a->cpu), headline_added(b->cpu)))
			by_cpu = a;
		if (is_below(headline_overhead(a->throughput), headline_overhead(b->throughput)))
			by_throughput = a;
	}
	headline_say(text, "; neither cipher is clearly cheaper");
	if (by_cpu != NULL && by_throughput != NULL)
		headline_say(text, ": %s by CPU time, %s by throughput", by_cpu->throughput->arm,
		             by_throughput->throughput->arm);
	else if (known < count)
		headline_say(text, " by throughput");
	else if (costs == 1 && count == 2)
		headline_say(text, " by throughput; in CPU time only %s shows a cost",
		             costly->throughput->arm);
	else
		headline_say(text, " by throughput or CPU time");
}

static void say_version(char text[HEADLINE_BYTES], const struct summary *s,
                        const struct summary_row *cell, int first)
{
	struct arm_rows arms[SENTENCE_ARMS_MAX];
	char subject[HEADLINE_TEXT_BYTES];
	char bytes[TABLE_NUMBER_BYTES];
	char what[HEADLINE_TEXT_BYTES + TABLE_NUMBER_BYTES];
	size_t count = arms_of(s, cell, arms);
	if (count == 0)
		return;
	int preferred = count > 1 && prefer(arms, count);
	headline_subject(cell, subject);
	table_bytes((double)cell->payload_bytes, bytes);
	snprintf(what, sizeof(what), "%.60s throughput at %s", cell->class_, bytes);
	if (count_told(arms, count) > 0)
		headline_say(text, "%s", first ? "On this machine " : " ");
	else
		headline_say(text, first ? "On this machine, with %s: " : " With %s: ", subject);
	say_costs(text, arms, count, subject, what, !first && count_told(arms, count) > 0);
	say_range(text, arms, count);
	if (first) {
		say_disk(text, "; disk", arms, count);
		if (preferred)
			headline_say(text, "; use %s", arms[0].throughput->arm);
		else if (count > 1 && count_told(arms, count) == count)
			say_neither(text, arms, count);
	}
	headline_say(text, ".");
}

static void say_servers(char text[HEADLINE_BYTES], const struct summary *s,
                        const struct summary_row *cell)
{
	say_version(text, s, cell, 1);
	for (cell = headline_next_cell(s, cell); cell != NULL && summary_is_server(cell);
	     cell = headline_next_cell(s, cell))
		say_version(text, s, cell, 0);
}

/* ---- the whole ---- */

static void say_plaintext(char text[HEADLINE_BYTES], const struct summary_row *cell)
{
	char subject[HEADLINE_TEXT_BYTES];
	char operation[HEADLINE_TEXT_BYTES];
	char rate[TABLE_NUMBER_BYTES];
	headline_subject(cell, subject);
	if (summary_is_server(cell))
		headline_say(text, "On this machine, with %s: ", subject);
	else
		headline_say(text, "%c%s on this machine: ", subject[0] - 'a' + 'A', subject + 1);
	headline_say(text, "plaintext alone, %s messages of %s per second.",
	             table_count(cell->value, rate), operation_of(cell, operation));
}

/* Servers that were there need not have one in plaintext. */
static void say_values(char text[HEADLINE_BYTES], const struct summary *s)
{
	char subject[HEADLINE_TEXT_BYTES];
	char operation[HEADLINE_TEXT_BYTES];
	char rate[TABLE_NUMBER_BYTES];
	headline_say(text, "No plaintext throughput was measured.");
	for (size_t i = 0; i < s->count; i++) {
		const struct summary_row *row = &s->rows[i];
		if (!summary_is_server(row) || strcmp(row->metric, "throughput_msgs_s") != 0)
			continue;
		headline_say(text, " Under %s %s: %s messages of %s per second.", row->arm,
		             headline_subject(row, subject), table_count(row->value, rate),
		             operation_of(row, operation));
		return;
	}
}

void headline_sentence(const struct summary *s, char text[HEADLINE_BYTES])
{
	struct arm_rows arms[SENTENCE_ARMS_MAX];
	text[0] = '\0';
	const struct summary_row *cell = headline_cell(s);
	if (cell == NULL && rates_next_cell(s, NULL) != NULL)
		rates_say(s, 1, text);
	else if (cell == NULL)
		say_values(text, s);
	else if (arms_of(s, cell, arms) == 0)
		say_plaintext(text, cell);
	else if (summary_is_server(cell))
		say_servers(text, s, cell);
	else
		say_store(text, s, cell);
	if (cell != NULL && strcmp(cell->target, "store") == 0)
		headline_say(text, " A server's own cost was not measured.");
	if (cell != NULL)
		rates_say(s, 0, text);
	say_run(s, text);
}
