/* size_notes.c - see size_notes.h. */
#include "cli/size_notes.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/size_text.h"

#define KEPT_FEW    10     /* so are fewer messages */
#define FILES_MANY  100000 /* worth a word */
#define NAMES_BYTES 64

__attribute__((format(printf, 2, 3))) static void note(struct size_plan *plan, const char *format,
                                                       ...)
{
	va_list args;

	if (plan->note_count == SIZE_NOTES_MAX)
		return;
	va_start(args, format);
	vsnprintf(plan->notes[plan->note_count++], SIZE_NOTE_BYTES, format, args);
	va_end(args);
}

/* Something that costs was not measured: a name for it, and the note. */
#define NOTE_LOWER_BOUND(plan, what, ...)                                                          \
	do {                                                                                       \
		(plan)->lacks[(plan)->lack_count++] = (what);                                      \
		note(plan, "Lower bound: " __VA_ARGS__);                                           \
	} while (0)

/* ---- of which columns ---- */

/* " (aes)" where a note is of some columns alone, "" where it is of all: bit i of which. */
static const char *columns(const struct size_plan *plan, unsigned which, char text[NAMES_BYTES])
{
	int all = 1;
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < SIZING_CIPHERS; i++) {
		if (!plan->ciphers[i].there)
			continue;
		if ((which >> i & 1) == 0) {
			all = 0;
			continue;
		}
		snprintf(text + used, NAMES_BYTES - used, "%s%s", used > 0 ? ", " : " (",
		         plan->ciphers[i].cipher);
		used = strlen(text);
	}
	snprintf(text + used, NAMES_BYTES - used, ")");
	if (all)
		text[0] = '\0';
	return text;
}

/* ---- what must be said ---- */

/* Limits that are never reached are common beside an age. Where something else takes messages away
 * earlier, that is not what is asked for, or it is superfluous. */
static void note_limits(struct size_plan *plan)
{
	char others[SIZE_NOTE_BYTES / 2] = "", age[SIZE_TEXT_BYTES], kept[SIZE_TEXT_BYTES];
	const char *decides = size_input_name(plan->limit);

	for (enum size_key i = SIZE_KEY_MAX_AGE; i <= SIZE_KEY_MAX_MSGS_PER_SUBJECT; i++) {
		size_t used = strlen(others);
		if (i != plan->limit && isfinite(size_input_kept_by(plan->demand, i)))
			snprintf(others + used, sizeof(others) - used, "%s--%s",
			         used > 0 ? ", " : "", size_input_name(i));
	}
	size_text_count(plan->live, kept);
	if (plan->limit != SIZE_KEY_MAX_AGE && others[0] != '\0')
		note(plan,
		     "--%s decides: a message leaves after %s, with %s kept in a stream; not "
		     "reached: %s",
		     decides, size_text_time(size_plan_age_s(plan), age), kept, others);
	if (plan->live < KEPT_FEW)
		note(plan, "By --%s a stream keeps no more than %s message%s of that size", decides,
		     kept, plan->live > 1 ? "s" : "");
	if (plan->subjects < (double)plan->demand->subjects)
		note(plan,
		     "Of %s subjects no more than %s have a message at a time, as many as are "
		     "kept",
		     size_text_count((double)plan->demand->subjects, age),
		     size_text_count(plan->subjects, kept));
}

static void note_lower_bounds(struct size_plan *plan)
{
	const struct size_demand *d = plan->demand;
	const struct sizing *s = plan->costs;

	if (!s->is_server)
		NOTE_LOWER_BOUND(plan, "a server",
		                 "no server was measured, the CPU time is that of this store, "
		                 "which does less for a message than a server. Measure one: atrest "
		                 "run --target nats");
	else if (d->reads > 0)
		NOTE_LOWER_BOUND(plan, "acknowledgements",
		                 "reads were measured without acknowledgements, which most "
		                 "consumers send for each message");
	if (d->deleted_pct > 0)
		NOTE_LOWER_BOUND(plan, "deletes",
		                 "deletes were not measured, their CPU time is not in it");
	if (d->replicas > 1)
		NOTE_LOWER_BOUND(plan, "replication",
		                 "of %llu replicas the Raft log that each node writes beside "
		                 "the stream, and what nodes send each other, was not measured",
		                 (unsigned long long)d->replicas);
}

/* What else ran takes caches and processor time: costs come out higher, and unsure. */
static void note_disturbed(struct size_plan *plan)
{
	const struct repeat_tally *t = &plan->costs->tally;

	if (repeat_too_many(t))
		note(plan,
		     "Disturbed: something else used this machine in %zu of the %zu rounds that "
		     "count; measure again when it is quieter (atrest noise says whether it is)",
		     t->disturbed, t->rounds);
}

static void note_cells(struct size_plan *plan)
{
	const struct sizing *s = plan->costs;

	for (size_t i = 0; i < SIZING_CIPHERS; i++)
		if (s->arms[i].is_lost)
			note(plan,
			     "%s is left out: no publish row of it is valid and of the policy that "
			     "is asked for",
			     s->arms[i].cipher);
	if (s->left_out[0] != '\0')
		note(plan,
		     "Cells of other settings than most have, such as %s, are left out: a curve is "
		     "of one kind",
		     s->left_out);
	if (plan->demand->replicas > 1 && strcmp(s->flush, "each") == 0)
		note(plan, "Records were measured written one by one, which costs more than what "
		           "replicas do, written together: atrest run publish-async-1k");
	if (!s->is_release)
		note(plan, "Some rows are of a build that is not fit to measure with (debug or "
		           "sanitised)");
	if (s->interrupted)
		note(plan, "A result is of a run that was interrupted");
}

static int is_same_range(const struct sizing_curve *a, const struct sizing_curve *b)
{
	return a->count == b->count && a->point[0].least_bytes == b->point[0].least_bytes &&
	       a->point[a->count - 1].most_bytes == b->point[b->count - 1].most_bytes;
}

typedef const struct sizing_curve *curve_fn(const struct sizing_arm *arm);

static const struct sizing_curve *publish_of(const struct sizing_arm *arm)
{
	return &arm->publish;
}

static const struct sizing_curve *read_of(const struct sizing_arm *arm)
{
	return &arm->read;
}

static const struct sizing_curve *recover_of(const struct sizing_arm *arm)
{
	return &arm->recover;
}

static void note_range(struct size_plan *plan, const struct sizing_curve *c, unsigned which,
                       const char *what)
{
	char names[NAMES_BYTES];

	if (c->count == 1)
		note(plan,
		     "Extrapolated%s: %s was measured with records of %.0f bytes alone; of "
		     "other sizes what is given is the most it can be; a copy of its workload "
		     "file with other sizes narrows it",
		     columns(plan, which, names), what, c->point[0].bytes);
	else
		note(plan, "Extrapolated%s: %s was measured with records of %.0f to %.0f bytes",
		     columns(plan, which, names), what, c->point[0].least_bytes,
		     c->point[c->count - 1].most_bytes);
}

/* Of every column whose sizes do not hold those of the demand; one note of those alike. */
static void note_curve(struct size_plan *plan, curve_fn *curve_of, const char *what)
{
	const struct sizing_arm *arms = plan->costs->arms;
	unsigned beyond = 0;

	for (size_t i = 0; i < SIZING_CIPHERS; i++)
		if (plan->ciphers[i].there && curve_of(&arms[i])->count > 0 &&
		    sizing_at(curve_of(&arms[i]), plan->mix, plan->mix_count).beyond)
			beyond |= 1u << i;
	for (size_t i = 0; i < SIZING_CIPHERS; i++) {
		unsigned alike = 0;

		for (size_t k = i; k < SIZING_CIPHERS; k++)
			if ((beyond >> i & beyond >> k & 1) != 0 &&
			    is_same_range(curve_of(&arms[i]), curve_of(&arms[k])))
				alike |= 1u << k;
		beyond &= ~alike;
		if (alike != 0)
			note_range(plan, curve_of(&arms[i]), alike, what);
	}
}

static void note_rate(struct size_plan *plan)
{
	char peak[SIZE_TEXT_BYTES], most[SIZE_TEXT_BYTES];
	double lowest = INFINITY;

	for (size_t i = 0; i < SIZING_CIPHERS; i++)
		if (plan->ciphers[i].there)
			lowest = fmin(lowest, plan->ciphers[i].capacity_msgs_s);
	if (plan->demand->peak > lowest)
		note(plan,
		     "Extrapolated: %s messages a second are more than the %s that were "
		     "measured through one stream (client beside the server)",
		     size_text_count(plan->demand->peak, peak), size_text_count(lowest, most));
}

static void note_starts_missing(struct size_plan *plan)
{
	const struct sizing_arm *arms = plan->costs->arms;
	char names[NAMES_BYTES];
	unsigned missing = 0;
	int some = 0;

	for (size_t i = 0; i < SIZING_CIPHERS; i++) {
		if (!plan->ciphers[i].there)
			continue;
		some |= arms[i].start.count > 0;
		if (arms[i].start.count == 0 || arms[i].recover.count == 0)
			missing |= 1u << i;
	}
	if (missing != 0)
		note(plan,
		     "Restarts were not measured%s%s: atrest run --suite %s -o more, then size "
		     "with --result twice, of this run and of more",
		     some ? " in both ways" : "", columns(plan, missing, names),
		     plan->costs->is_server ? "server --target nats" : "classes");
}

/* How a start grows with streams and with the state file is known from one point alone, or not at
 * all. */
static void note_starts_beyond(struct size_plan *plan)
{
	const struct sizing_arm *arms = plan->costs->arms;
	const struct sizing_arm *first = NULL;
	char names[NAMES_BYTES];
	unsigned more = 0;
	double streams = (double)plan->demand->streams;

	for (size_t i = SIZING_CIPHERS; i-- > 0;) {
		const struct sizing_opening o = size_plan_opening(plan, &plan->ciphers[i]);

		if (!plan->ciphers[i].there || arms[i].start.count == 0)
			continue;
		first = &arms[i];
		if (sizing_start(plan->costs, &arms[i], &o, 1).beyond)
			more |= 1u << i;
	}
	if (first == NULL)
		return;
	if (more != 0)
		note(plan,
		     "Extrapolated%s: starts were measured with %.3g MiB in %s and state files of "
		     "%.3g KiB; the upper end of one with state file takes it to grow with that "
		     "file, up to that of one without",
		     columns(plan, more, names),
		     first->start.point[first->start.count - 1].bytes / 1048576.0,
		     plan->costs->start_last ? "the last block" : "the blocks",
		     first->start_state_bytes / 1024);
	if (streams != first->start_streams)
		note(plan,
		     "Extrapolated: starts were measured with %g stream%s; with more of them the "
		     "upper end takes each to need as long as all that were measured",
		     first->start_streams, first->start_streams == 1 ? "" : "s");
}

static void note_starts(struct size_plan *plan)
{
	char text[SIZE_TEXT_BYTES];

	note_starts_missing(plan);
	note_starts_beyond(plan);
	note_curve(plan, recover_of, "a start without state file");
	if (!size_plan_has_state(plan, &plan->ciphers[plan->chosen]))
		note(plan,
		     "With more than %s subjects or deleted messages a stream has no state "
		     "file: each restart is one without",
		     size_text_count((double)ATR_FOOTPRINT_INDEX_MAX, text));
	else if (size_plan_state(plan->costs) == ATR_FOOTPRINT_STATE_INDEX &&
	         plan->costs->arms[plan->chosen].recover.count > 0)
		note(plan, "A restart with state file reads the blocks of the last two minutes too "
		           "(duplicate window); after a longer pause it does not");
}

/* The cap of 2 MiB holds only where there is no limit by bytes or messages: what the files would
 * be with one that is never reached. */
static void note_files(struct size_plan *plan)
{
	const struct size_cipher *c = &plan->ciphers[plan->chosen];
	struct atr_footprint_limits limits = size_plan_limits(plan->demand);
	struct size_cipher with = {.cipher = c->cipher};
	char files[SIZE_TEXT_BYTES], fewer[SIZE_TEXT_BYTES];

	if (plan->demand->max_bytes > 0 || c->total.files <= FILES_MANY)
		return;
	limits.max_bytes = (uint64_t)ceil(plan->live * plan->record_bytes);
	size_plan_disk(plan, &limits, &with);
	if (with.total.files < c->total.files)
		note(plan,
		     "%s files under a cipher: with --max-bytes %llu, which is what is kept, the "
		     "server makes blocks of %llu MiB, and %s files",
		     size_text_count((double)c->total.files, files),
		     (unsigned long long)limits.max_bytes,
		     (unsigned long long)(with.block_bytes >> 20),
		     size_text_count((double)with.total.files, fewer));
}

void size_notes_make(struct size_plan *plan)
{
	note_disturbed(plan);
	note_limits(plan);
	note_lower_bounds(plan);
	note_cells(plan);
	note_curve(plan, publish_of, "publishing");
	if (plan->demand->reads > 0)
		note_curve(plan, read_of, "reading");
	note_rate(plan);
	note_files(plan);
	note_starts(plan);
}
