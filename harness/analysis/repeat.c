/* repeat.c - see repeat.h. */
#include "harness/analysis/repeat.h"

#include <stdio.h>
#include <string.h>

/* What the covariates were taken over: up to the last sync, where there was one. */
static double span_ns(const struct sample *s)
{
	return 1e9 * (s->synced_s > s->acked_s ? s->synced_s : s->acked_s);
}

static int sees_others(const struct sample *s)
{
	return s->sync_ordered == 0 && strcmp(s->target, "server") != 0;
}

/* More of a span than that share, and than ticks make by chance. */
static int exceeds(uint64_t ns, double share, double span)
{
	return ns >= REPEAT_LEAST_NS && (double)ns > share * span;
}

static int say(char text[REPEAT_TEXT_BYTES], const struct sample *s, const char *what, double share,
               const char *of)
{
	snprintf(text, REPEAT_TEXT_BYTES, "%.40s: %s %.0f %%%s", s->arm, what, 100 * share, of);
	return 1;
}

static int row_reason(const struct sample *s, char text[REPEAT_TEXT_BYTES])
{
	double span = span_ns(s);
	double waited_ns = 1e3 * (double)s->pressure_cpu_us;

	if (exceeds(s->steal_ns, REPEAT_STEAL_SHARE, span))
		return say(text, s, "the hypervisor took", (double)s->steal_ns / span,
		           " of one processor");
	if (s->throttled_us > 0)
		return say(text, s, "a quota held it back for",
		           1e3 * (double)s->throttled_us / span, " of the time");
	if (!sees_others(s))
		return 0;
	if (exceeds(s->other_cpu_ns, REPEAT_OTHER_SHARE, span))
		return say(text, s, "others used", (double)s->other_cpu_ns / span,
		           " of one processor");
	if (exceeds(s->other_cpu_ns, REPEAT_PRESSURE_OTHER_SHARE, span) &&
	    waited_ns > REPEAT_PRESSURE_SHARE * span)
		return say(text, s, "tasks waited for a processor beside others for",
		           waited_ns / span, " of the time");
	return 0;
}

static int frequency_reason(const struct sample *rows, size_t count, char text[REPEAT_TEXT_BYTES])
{
	const struct sample *low = &rows[0], *high = &rows[0];

	for (size_t i = 0; i < count; i++) {
		if (rows[i].frequency_khz == 0) /* not told */
			return 0;
		low = rows[i].frequency_khz < low->frequency_khz ? &rows[i] : low;
		high = rows[i].frequency_khz > high->frequency_khz ? &rows[i] : high;
	}
	if ((double)(high->frequency_khz - low->frequency_khz) <=
	    REPEAT_FREQUENCY_SHARE * (double)high->frequency_khz)
		return 0;
	return say(text, low, "the processors' clock was lower by",
	           1 - (double)low->frequency_khz / (double)high->frequency_khz, "");
}

int repeat_reason(const struct sample *rows, size_t count, char text[REPEAT_TEXT_BYTES])
{
	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		if (rows[i].valid != 1)
			return 0;
	for (size_t i = 0; i < count; i++)
		if (row_reason(&rows[i], text))
			return 1;
	return count > 0 && frequency_reason(rows, count, text);
}

/* ---- what was not repeated ---- */

static int same_round(const struct sample *a, const struct sample *b)
{
	return a->round == b->round && a->attempt == b->attempt &&
	       strcmp(a->workload, b->workload) == 0 && strcmp(a->target, b->target) == 0 &&
	       strcmp(a->target_version, b->target_version) == 0;
}

static int all_count(const struct sample *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (rows[i].valid != 1)
			return 0;
	return 1;
}

static int long_enough(const struct sample *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (span_ns(&rows[i]) < 1e9 * REPEAT_SLICE_S_MIN)
			return 0;
	return 1;
}

struct repeat_tally repeat_tally_of(const struct samples *samples)
{
	struct repeat_tally tally = {0};
	char text[REPEAT_TEXT_BYTES];

	for (size_t i = 0, end; i < samples->count; i = end) {
		const struct sample *rows = &samples->rows[i];
		end = i + 1;
		while (end < samples->count && same_round(rows, &samples->rows[end]))
			end++;
		if (!all_count(rows, end - i))
			continue;
		tally.rounds++;
		tally.disturbed += long_enough(rows, end - i) && repeat_reason(rows, end - i, text);
	}
	return tally;
}

int repeat_too_many(const struct repeat_tally *tally)
{
	return (double)tally->disturbed > REPEAT_DISTURBED_SHARE * (double)tally->rounds;
}
