/* sizing.c - see sizing.h. */
#include "harness/analysis/sizing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS_APART UINT64_C(1000000) /* more than a run has */
/* Two points tell what bytes cost only where one has more of them. */
#define SIZE_RATIO  1.25
#define START_RATIO 2.0
#define KINDS_MAX   32

const char *const sizing_ciphers[SIZING_CIPHERS] = {"none", "chachapoly", "aes"};

/* ---- sums and curves ---- */

/* How far a weighted value reaches down (side -1) or up (side 1) from its estimate. A negative
 * weight turns its interval round. */
static double reach(double weight, struct stats_interval v, int side)
{
	double end = (weight < 0) == (side > 0) ? v.low : v.high;

	return weight == 0 ? 0 : weight * (end - v.estimate);
}

struct stats_interval sizing_sum(const double *weights, const struct stats_interval *values,
                                 size_t count)
{
	double sum = 0, down = 0, up = 0;

	for (size_t i = 0; i < count; i++) {
		sum += weights[i] == 0 ? 0 : weights[i] * values[i].estimate;
		down = hypot(down, reach(weights[i], values[i], -1));
		up = hypot(up, reach(weights[i], values[i], 1));
	}
	return (struct stats_interval){sum, sum - down, sum + up};
}

/* Spreads the weight of one size over the points of the curve. 1 when it lies beyond them. */
static int spread(const struct sizing_curve *c, const struct sizing_size *size, double *weights)
{
	const struct sizing_point *p = c->point;
	double x = size->record_bytes;
	size_t i = 0;

	if (c->count == 1) {
		weights[0] += size->weight * (x > p[0].bytes ? x / p[0].bytes : 1);
	} else {
		while (i + 2 < c->count && x > p[i + 1].bytes)
			i++;
		double large = (x - p[i].bytes) / (p[i + 1].bytes - p[i].bytes);
		weights[i] += size->weight * (1 - large);
		weights[i + 1] += size->weight * large;
	}
	/* Two bytes more of subject are not another size. */
	return x < p[0].least_bytes * 0.98 - 2 || x > p[c->count - 1].most_bytes * 1.02 + 2;
}

struct sizing_cost sizing_at(const struct sizing_curve *curve, const struct sizing_size *mix,
                             size_t count)
{
	struct sizing_cost cost = {{NAN, NAN, NAN}, 0};
	struct stats_interval values[SIZING_POINTS_MAX];
	double weights[SIZING_POINTS_MAX] = {0}, total = 0;

	if (curve->count == 0 || count == 0)
		return cost;
	for (size_t i = 0; i < count; i++) {
		cost.beyond |= spread(curve, &mix[i], weights);
		total += mix[i].weight;
	}
	for (size_t i = 0; i < curve->count; i++) {
		weights[i] /= total;
		values[i] = curve->point[i].value;
	}
	cost.value = sizing_sum(weights, values, curve->count);
	return cost;
}

/* ---- rows ---- */

/* Its place among the words from 0 on, or how many they are. */
static size_t place_among(const char *word, const char *const *words)
{
	size_t i = 0;

	while (words[i] != NULL && strcmp(word, words[i]) != 0)
		i++;
	return i;
}

static int is_one_of(const char *word, const char *const *words)
{
	return words[place_among(word, words)] != NULL;
}

double sizing_record_bytes(const struct sample *row)
{
	if (sizing_is_publish(row) && row->blk_apparent_bytes > 0)
		return (double)row->blk_apparent_bytes / (double)row->messages;
	return (double)row->payload_total_bytes / (double)row->messages + SIZING_OTHER_BYTES;
}

/* Where a curve could be of several, the first that there are rows of. */
static const char *const publish_classes[] = {"publish", "publish-async", "publish-always", NULL};
static const char *const read_classes[] = {"read", "read-sequential", "read-ordered", NULL};

int sizing_is_publish(const struct sample *row)
{
	return is_one_of(row->class_, publish_classes) && row->publishers > 0 &&
	       row->readers == 0 && row->window != 1 && row->rate_msgs_s == 0 &&
	       row->injected_ns == 0;
}

static int is_read(const struct sample *row)
{
	return is_one_of(row->class_, read_classes) && row->publishers == 0 && row->readers > 0 &&
	       strcmp(row->cache, "warm") == 0 && row->injected_ns == 0;
}

int sizing_is_recover(const struct sample *row)
{
	static const char *const classes[] = {"open-recover", "open-server-recover", NULL};

	return is_one_of(row->class_, classes);
}

int sizing_is_open(const struct sample *row)
{
	static const char *const classes[] = {"open", "open-server", NULL};

	return is_one_of(row->class_, classes) || sizing_is_recover(row);
}

double sizing_openings(const struct sample *row)
{
	double fill = (double)row->blk_apparent_bytes / sizing_record_bytes(row);
	double openings = fill > 0 ? round((double)row->messages / fill) : 1;

	return openings < 1 ? 1 : openings;
}

/* A mix has no place on a curve that it does not lie on. */
static int is_of_one_size(const struct sample *row)
{
	return row->payload_total_bytes == row->messages * row->payload_bytes;
}

/* Arms of other directories and other programs have more in their names. */
static int is_usable(const struct sample *row)
{
	return row->valid && row->messages > 0 && row->cpu_ns > 0 &&
	       strcmp(row->arm, row->cipher) == 0;
}

static int is_always(const struct sample *row)
{
	return strcmp(row->sync, "always") == 0;
}

int sizing_append(struct samples *all, const struct samples *more, uint64_t number)
{
	for (size_t i = 0; i < more->count; i++) {
		struct sample row = more->rows[i];

		row.round += number * ROUNDS_APART;
		if (samples_add(all, &row) != 0)
			return -1;
	}
	return 0;
}

/* ---- points ---- */

enum figure { PUBLISH, PUBLISH_TIME, READ, START, RECOVER, FIGURES };

struct maker {
	const struct samples *samples;
	const struct sizing_choice *choice;
	struct sizing *out;
	double *values;                     /* room for as many as there are rows */
	const struct sample *kind[FIGURES]; /* a row of the kind each figure is of; NULL: any */
};

/* Settings that a cost depends on. Providers differ with the cipher; how many subjects there are
 * is not in the rows. Classes of starts differ in how much there is, which is the curve's other
 * axis. */
static int is_same_kind(const struct sample *a, const struct sample *b)
{
	return (strcmp(a->class_, b->class_) == 0 || (sizing_is_open(a) && sizing_is_open(b))) &&
	       strcmp(a->sync, b->sync) == 0 && strcmp(a->read, b->read) == 0 &&
	       strcmp(a->consumer, b->consumer) == 0 && a->block_bytes == b->block_bytes &&
	       a->key_ahead == b->key_ahead &&
	       a->keystream_ahead_bytes == b->keystream_ahead_bytes &&
	       a->publishers == b->publishers && a->readers == b->readers &&
	       a->streams == b->streams && a->window == b->window && a->replicas == b->replicas;
}

static int is_of(const struct maker *m, const struct sample *row, enum figure figure)
{
	if (m->kind[figure] != NULL && !is_same_kind(row, m->kind[figure]))
		return 0;
	if (!is_usable(row) || strcmp(row->target, m->out->target) != 0 ||
	    strcmp(row->target_version, m->out->version) != 0)
		return 0;
	switch (figure) {
	case PUBLISH:
	case PUBLISH_TIME:
		return sizing_is_publish(row) && is_of_one_size(row) &&
		       is_always(row) == m->choice->always &&
		       (m->out->is_server || strcmp(row->flush, m->choice->flush) == 0);
	case READ:
		return is_read(row) && is_of_one_size(row);
	case START:
		return sizing_is_open(row) && !sizing_is_recover(row);
	case RECOVER:
		return sizing_is_recover(row) && is_of_one_size(row);
	case FIGURES:
		break;
	}
	return 0;
}

struct kind {
	const struct sample *row;
	size_t rank, rows;
};

static size_t rank_of(const struct sample *row, enum figure figure)
{
	if (figure == PUBLISH || figure == PUBLISH_TIME)
		return place_among(row->class_, publish_classes);
	return figure == READ ? place_among(row->class_, read_classes) : 0;
}

/* One kind for all ciphers, so that they can be compared. */
static void kind_choose(struct maker *m, enum figure figure)
{
	struct kind kinds[KINDS_MAX];
	size_t count = 0, best = 0;

	m->kind[figure] = NULL;
	for (size_t i = 0; i < m->samples->count; i++) {
		const struct sample *row = &m->samples->rows[i];
		size_t k = 0;

		if (!is_of(m, row, figure))
			continue;
		while (k < count && !is_same_kind(kinds[k].row, row))
			k++;
		if (k == KINDS_MAX)
			continue;
		if (k == count)
			kinds[count++] = (struct kind){row, rank_of(row, figure), 0};
		kinds[k].rows++;
	}
	for (size_t k = 1; k < count; k++)
		if (kinds[k].rank < kinds[best].rank ||
		    (kinds[k].rank == kinds[best].rank && kinds[k].rows > kinds[best].rows))
			best = k;
	if (count == 0)
		return;
	m->kind[figure] = kinds[best].row;
	if (count > 1)
		snprintf(m->out->left_out, sizeof(m->out->left_out), "%.60s",
		         kinds[best == 0 ? 1 : 0].row->workload);
}

/* Where on the curve it is. */
static double place_of(const struct maker *m, const struct sample *row, enum figure figure)
{
	if (figure != START)
		return sizing_record_bytes(row);
	return m->out->start_last ? m->choice->last_bytes(row) : (double)row->blk_apparent_bytes;
}

static double value_of(const struct sample *row, enum figure figure,
                       const struct sizing_curve *start)
{
	double messages = (double)row->messages, openings;

	switch (figure) {
	case PUBLISH:
	case READ:
		return (double)row->cpu_ns / messages;
	case PUBLISH_TIME:
		return (is_always(row) || row->sync_ordered ? row->synced_s : row->acked_s) * 1e9 /
		       messages;
	case START:
		return row->acked_s * 1e9 / sizing_openings(row);
	case RECOVER:
		openings = sizing_openings(row);
		/* Less what a start takes anyway. */
		return (row->acked_s * 1e9 / openings - start->point[0].value.estimate) /
		       (messages / openings);
	case FIGURES:
		break;
	}
	return NAN;
}

/* Plaintext's row of the same round, or NULL. */
static const struct sample *baseline_of(const struct maker *m, const struct sample *row)
{
	for (size_t i = 0; i < m->samples->count; i++) {
		const struct sample *b = &m->samples->rows[i];

		if (b->round == row->round && strcmp(b->arm, "none") == 0 && is_usable(b) &&
		    strcmp(b->workload, row->workload) == 0 &&
		    strcmp(b->target, row->target) == 0 &&
		    strcmp(b->target_version, row->target_version) == 0)
			return b;
	}
	return NULL;
}

static double ratio_of(enum figure figure)
{
	return figure == START ? START_RATIO : SIZE_RATIO;
}

/* The place that is nearest above: of the rows whose place is more than that one. Infinite: none.
 */
static double next_place(const struct maker *m, const char *cipher, enum figure figure,
                         double above)
{
	double next = INFINITY;

	for (size_t i = 0; i < m->samples->count; i++) {
		const struct sample *row = &m->samples->rows[i];

		if (is_of(m, row, figure) && strcmp(row->cipher, cipher) == 0 &&
		    place_of(m, row, figure) > above)
			next = fmin(next, place_of(m, row, figure));
	}
	return next;
}

/* All values from a place on to below its ratio: added to plaintext, or whole. */
static struct sizing_point point_make(const struct maker *m, const char *cipher, enum figure figure,
                                      int added, double least, const struct sizing_curve *start)
{
	struct sizing_point p = {.least_bytes = least, .most_bytes = least};
	double bytes = 0;

	for (size_t i = 0; i < m->samples->count; i++) {
		const struct sample *row = &m->samples->rows[i], *base;
		double place = place_of(m, row, figure);

		if (place < least || place >= least * ratio_of(figure) || !is_of(m, row, figure) ||
		    strcmp(row->cipher, cipher) != 0)
			continue;
		p.most_bytes = fmax(p.most_bytes, place);
		base = added ? baseline_of(m, row) : NULL;
		if (added && base == NULL)
			continue;
		bytes += place;
		m->values[p.rounds++] =
		        value_of(row, figure, start) - (added ? value_of(base, figure, start) : 0);
	}
	if (p.rounds > 0) {
		p.bytes = bytes / (double)p.rounds;
		p.value = stats_hodges_lehmann(m->values, p.rounds);
	}
	return p;
}

static void curve_make(const struct maker *m, const char *cipher, enum figure figure, int added,
                       const struct sizing_curve *start, struct sizing_curve *out)
{
	double place = 0;

	out->count = 0;
	while (out->count < SIZING_POINTS_MAX &&
	       isfinite(place = next_place(m, cipher, figure, place))) {
		struct sizing_point *p = &out->point[out->count];

		*p = point_make(m, cipher, figure, added, place, start);
		place = p->most_bytes;
		out->count += p->rounds > 0;
	}
}

/* What was there to read beside the blocks. */
static void start_state(const struct maker *m, struct sizing_arm *arm)
{
	double rows = 0;

	for (size_t i = 0; i < m->samples->count; i++) {
		const struct sample *row = &m->samples->rows[i];

		if (!is_of(m, row, START) || strcmp(row->cipher, arm->cipher) != 0 ||
		    place_of(m, row, START) > arm->start.point[0].most_bytes)
			continue;
		arm->start_state_bytes += (double)row->state_apparent_bytes;
		arm->start_streams += (double)row->streams;
		rows++;
	}
	arm->start_state_bytes /= rows;
	arm->start_streams /= rows;
}

/* ---- which target ---- */

/* A server before the store, a newer version before an older one. */
static int is_better(const struct sample *row, const struct sizing *than)
{
	int server = strcmp(row->target, "nats") == 0;

	if (than->target[0] == '\0' || server != than->is_server)
		return than->target[0] == '\0' || server;
	return strverscmp(row->target_version, than->version) > 0;
}

static int is_asked_for(const struct sample *row, const struct sizing_choice *choice)
{
	if (strcmp(row->target, "nats") != 0 && strcmp(row->target, "store") != 0)
		return 0;
	return (choice->target == NULL || strcmp(row->target, choice->target) == 0) &&
	       (choice->version == NULL || strcmp(row->target_version, choice->version) == 0);
}

static void find_target(const struct samples *samples, const struct sizing_choice *choice,
                        struct sizing *out)
{
	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *row = &samples->rows[i];

		if (!is_usable(row) || !sizing_is_publish(row) || !is_asked_for(row, choice) ||
		    !is_better(row, out))
			continue;
		snprintf(out->target, sizeof(out->target), "%.60s", row->target);
		snprintf(out->version, sizeof(out->version), "%.60s", row->target_version);
		out->is_server = strcmp(row->target, "nats") == 0;
	}
	out->start_scales = out->is_server && strverscmp(out->version, "2.10") < 0;
	out->start_last = out->is_server && !out->start_scales && choice->last_bytes != NULL;
}

/* "nats 2.15.1, store 0.1.0": those that publish cells are there of. */
static void list_targets(const struct samples *samples, char *text, size_t bytes)
{
	char name[2 * SIZING_NAME_BYTES];

	text[0] = '\0';
	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *row = &samples->rows[i];
		size_t used = strlen(text);

		if (!is_usable(row) || !sizing_is_publish(row))
			continue;
		snprintf(name, sizeof(name), "%.60s %.60s", row->target, row->target_version);
		if (strstr(text, name) == NULL)
			snprintf(text + used, bytes - used, "%s%s", used > 0 ? ", " : "", name);
	}
	if (text[0] != '\0')
		return;
	/* Of servers that were there the process is not seen. */
	for (size_t i = 0; i < samples->count; i++)
		if (strcmp(samples->rows[i].target, "server") == 0) {
			snprintf(text, bytes,
			         "server, whose CPU time is not seen (--target nats measures one "
			         "of the run's own)");
			return;
		}
	snprintf(text, bytes, "none");
}

static enum sizing_result check(const struct sizing *s, const struct sizing_choice *choice,
                                char reason[SIZING_TEXT_BYTES])
{
	int some = 0;

	for (size_t c = 1; c < SIZING_CIPHERS; c++)
		some |= s->arms[c].publish.count > 0;
	if (s->arms[0].publish.count == 0) {
		snprintf(reason, SIZING_TEXT_BYTES,
		         "no valid publish cell of %s %s with sync %s%s%s in plaintext, expected "
		         "one at least%s%s",
		         s->target, s->version, choice->always ? "= always" : "at an interval",
		         s->is_server ? "" : ", flush = ", s->is_server ? "" : choice->flush,
		         choice->always ? ": atrest run publish-always-1k --target " : "",
		         choice->always ? s->target : "");
		return SIZING_MISSING;
	}
	if (some)
		return SIZING_OK;
	snprintf(reason, SIZING_TEXT_BYTES,
	         "no valid publish cell of %s %s under a cipher, expected chachapoly or aes",
	         s->target, s->version);
	return SIZING_MISSING;
}

static int is_release(const struct maker *m)
{
	for (size_t i = 0; i < m->samples->count; i++)
		if (strcmp(m->samples->rows[i].build, "release") != 0)
			return 0;
	return 1;
}

/* Valid or not. */
static int has_publishes(const struct maker *m, const char *cipher)
{
	for (size_t i = 0; i < m->samples->count; i++) {
		const struct sample *row = &m->samples->rows[i];

		if (strcmp(row->arm, cipher) == 0 && strcmp(row->target, m->out->target) == 0 &&
		    strcmp(row->target_version, m->out->version) == 0 && sizing_is_publish(row))
			return 1;
	}
	return 0;
}

static void arm_make(const struct maker *m, struct sizing_arm *arm)
{
	const char *cipher = arm->cipher;

	curve_make(m, cipher, PUBLISH, 0, NULL, &arm->publish);
	curve_make(m, cipher, PUBLISH, 1, NULL, &arm->publish_added);
	curve_make(m, cipher, PUBLISH_TIME, 0, NULL, &arm->publish_time);
	curve_make(m, cipher, READ, 0, NULL, &arm->read);
	curve_make(m, cipher, READ, 1, NULL, &arm->read_added);
	curve_make(m, cipher, START, 0, NULL, &arm->start);
	if (arm->start.count > 0) {
		start_state(m, arm);
		curve_make(m, cipher, RECOVER, 0, &arm->start, &arm->recover);
	}
	arm->is_lost = arm->publish.count == 0 && has_publishes(m, cipher);
}

enum sizing_result sizing_make(const struct samples *samples, const struct sizing_choice *choice,
                               struct sizing *out, char reason[SIZING_TEXT_BYTES])
{
	struct maker m = {.samples = samples, .choice = choice, .out = out};
	char known[SIZING_TEXT_BYTES / 2];

	memset(out, 0, sizeof(*out));
	find_target(samples, choice, out);
	if (out->target[0] == '\0') {
		list_targets(samples, known, sizeof(known));
		snprintf(reason, SIZING_TEXT_BYTES,
		         "no valid publish cell of %.60s%s%.60s, found those of: %s",
		         choice->target != NULL ? choice->target : "a server or the store",
		         choice->version != NULL ? " " : "",
		         choice->version != NULL ? choice->version : "", known);
		return SIZING_MISSING;
	}
	m.values = calloc(samples->count, sizeof(*m.values));
	if (m.values == NULL)
		return SIZING_MEMORY;
	out->is_release = is_release(&m);
	out->interrupted = !samples->complete;
	out->tally = repeat_tally_of(samples);
	snprintf(out->flush, sizeof(out->flush), "%.60s", out->is_server ? "" : choice->flush);
	for (enum figure f = PUBLISH; f < FIGURES; f++)
		kind_choose(&m, f);
	for (size_t c = 0; c < SIZING_CIPHERS; c++) {
		out->arms[c].cipher = sizing_ciphers[c];
		arm_make(&m, &out->arms[c]);
	}
	free(m.values);
	return check(out, choice, reason);
}

/* ---- starts ---- */

/* The most that a start takes for more streams, and state files, than were measured: as many times
 * as much. */
static void raise_end(const struct sizing_arm *arm, const struct sizing_opening *o, int state,
                      struct sizing_cost *cost)
{
	double times = fmax(1, o->streams / arm->start_streams);

	if (state && arm->start.count == 1 && arm->start_state_bytes > 0) {
		double longer = o->state_bytes / arm->start_state_bytes;
		times = fmax(times, longer);
		cost->beyond |= longer > START_RATIO;
	}
	if (times <= 1)
		return;
	cost->value.high = fmax(cost->value.high, times * arm->start.point[0].value.high);
}

/* With a state file. */
static struct sizing_cost start_kept(const struct sizing *s, const struct sizing_arm *arm,
                                     const struct sizing_opening *o)
{
	const struct sizing_curve *c = &arm->start, *plain = &s->arms[0].start;
	/* A last block may be as good as empty. */
	const double bytes = s->start_last ? fmax(o->last_bytes, c->point[0].bytes) : o->blk_bytes;
	const struct sizing_size size = {bytes, 1};
	const struct stats_interval *first = &c->point[0].value;
	struct sizing_cost cost;

	if (c->count != 1) {
		cost = sizing_at(c, &size, 1);
		/* Noise aside no start takes less time where there is more; how much more it could
		 * take, the line says all the same. */
		if (cost.value.estimate < first->estimate)
			cost.value = (struct stats_interval){first->estimate, first->low,
			                                     fmax(first->high, cost.value.high)};
		return cost;
	}
	cost.value = *first;
	cost.beyond = bytes > START_RATIO * c->point[0].bytes;
	/* What is more than in plaintext is the reading of every block. */
	if (s->start_scales && arm->cipher != sizing_ciphers[0] && plain->count > 0) {
		double scale = bytes / c->point[0].bytes;
		const double weights[] = {scale, 1 - scale};
		const struct stats_interval values[] = {*first, plain->point[0].value};
		cost.value = sizing_sum(weights, values, 2);
	}
	return cost;
}

struct sizing_cost sizing_start(const struct sizing *s, const struct sizing_arm *arm,
                                const struct sizing_opening *o, int state)
{
	const double weights[] = {1, o->messages};
	struct sizing_cost cost = {{NAN, NAN, NAN}, 0}, recover;

	if (arm->start.count == 0)
		return cost;
	if (state) {
		cost = start_kept(s, arm, o);
		raise_end(arm, o, state, &cost);
		return cost;
	}
	/* The base that was taken off, not what is read with a state file. */
	cost.value = arm->start.point[0].value;
	raise_end(arm, o, state, &cost);
	recover = sizing_at(&arm->recover, o->mix, o->mix_count);
	const struct stats_interval values[] = {cost.value, recover.value};
	recover.value = sizing_sum(weights, values, 2);
	return recover;
}
