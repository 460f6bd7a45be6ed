/* target_null.c - stores nothing: what is left is the harness's own cost.
 *
 * Everything else happens: operations drawn, messages taken from the pool, clock, histogram. A
 * read gives back the generator's message, so that the comparison is paid for as well.
 */
#include "harness/generator.h"
#include "harness/targets/target.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct target_place {
	const struct generator *generator;
	uint32_t streams;
	uint32_t publishers;
	_Atomic uint64_t last[]; /* per stream */
};

struct target_publisher {
	_Atomic uint64_t *last;
	int shared; /* with other publishers */
	target_acked_fn *acked;
	void *arg;
};

struct target_reader {
	struct target_place *place;
	uint32_t stream;
};

static int null_create(const struct target_options *options, const char *directory,
                       struct target_place **out, struct target_error *error)
{
	uint32_t streams = options->workload->streams;
	struct target_place *place = calloc(1, sizeof(*place) + streams * sizeof(place->last[0]));

	(void)directory;
	*out = place;
	if (place == NULL)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	place->generator = options->generator;
	place->streams = streams;
	place->publishers = options->workload->publishers;
	return 0;
}

static int null_open(const struct target_options *options, const char *directory,
                     struct target_place **out, struct target_error *error)
{
	if (null_create(options, directory, out, error) != 0)
		return -1;
	for (uint32_t i = 0; i < (*out)->streams; i++)
		atomic_store(&(*out)->last[i], generator_filled(options->generator, i));
	return 0;
}

static int null_publisher_open(struct target_place *place, uint32_t stream, target_acked_fn *acked,
                               void *arg, struct target_publisher **out, struct target_error *error)
{
	struct target_publisher *p = calloc(1, sizeof(*p));

	*out = p;
	if (p == NULL)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	p->last = &place->last[stream];
	p->shared = place->publishers > 1;
	p->acked = acked;
	p->arg = arg;
	return 0;
}

static int null_submit(struct target_publisher *p, const struct target_message *m,
                       struct target_ticket ticket, struct target_error *error)
{
	uint64_t sequence;

	(void)m;
	(void)error;
	if (p->shared) {
		sequence = atomic_fetch_add_explicit(p->last, 1, memory_order_relaxed) + 1;
	} else { /* a locked addition would be a third of all that is measured here */
		sequence = atomic_load_explicit(p->last, memory_order_relaxed) + 1;
		atomic_store_explicit(p->last, sequence, memory_order_relaxed);
	}
	p->acked(p->arg, ticket, sequence);
	return 0;
}

static int null_drain(struct target_publisher *p, struct target_error *error)
{
	(void)p;
	(void)error;
	return 0;
}

static void null_publisher_close(struct target_publisher *p)
{
	free(p);
}

static int null_reader_open(struct target_place *place, uint32_t stream, struct target_reader **out,
                            struct target_error *error)
{
	struct target_reader *r = calloc(1, sizeof(*r));

	*out = r;
	if (r == NULL)
		return target_fail(error, TARGET_SYSTEM, "out of memory");
	r->place = place;
	r->stream = stream;
	return 0;
}

static int null_next(struct target_reader *r, uint64_t sequence, struct target_message *m,
                     struct target_error *error)
{
	const struct generator *g = r->place->generator;

	(void)error;
	if (sequence == 0)
		sequence = 1;
	if (sequence > atomic_load_explicit(&r->place->last[r->stream], memory_order_relaxed))
		return 1;
	generator_message(g, r->stream, generator_op_of(g, r->stream, sequence), m);
	m->sequence = sequence;
	return 0;
}

static int null_get(struct target_reader *r, uint64_t sequence, struct target_message *m,
                    struct target_error *error)
{
	if (null_next(r, sequence, m, error) == 0)
		return 0;
	return target_fail(error, TARGET_VERIFY, "no message with sequence %llu",
	                   (unsigned long long)sequence);
}

static void null_reader_close(struct target_reader *r)
{
	free(r);
}

static int null_last(struct target_reader *r, const char *subject, struct target_message *m,
                     struct target_error *error)
{
	return null_next(r, generator_last_of(r->place->generator, r->stream, subject), m, error);
}

/* ---- what changes nothing where nothing is kept ---- */

static int null_remove(struct target_publisher *p, uint64_t sequence, struct target_error *error)
{
	(void)p;
	(void)sequence;
	(void)error;
	return 0;
}

static int null_convert(const struct target_options *from, const struct target_options *to,
                        const char *directory, struct target_error *error)
{
	(void)from;
	(void)to;
	(void)directory;
	(void)error;
	return 0;
}

static int null_snapshot(const struct target_options *options, const char *directory,
                         const char *file, struct target_error *error)
{
	(void)options;
	(void)directory;
	(void)file;
	(void)error;
	return 0;
}

/* ---- the rest ---- */

static int null_flush(struct target_place *place, struct target_error *error)
{
	(void)place;
	(void)error;
	return 0;
}

static int null_state(struct target_place *place, uint32_t stream, struct target_state *out,
                      struct target_error *error)
{
	(void)error;
	out->messages = out->last_sequence = atomic_load(&place->last[stream]);
	return 0;
}

static void null_counters(struct target_place *place, struct target_counters *out)
{
	(void)place;
	memset(out, 0, sizeof(*out));
}

static int null_close(struct target_place *place, int durable, struct target_error *error)
{
	(void)durable;
	(void)error;
	free(place);
	return 0;
}

const struct target target_null = {
        .name = "null",
        .create = null_create,
        .open = null_open,
        .publisher_open = null_publisher_open,
        .submit = null_submit,
        .drain = null_drain,
        .publisher_close = null_publisher_close,
        .reader_open = null_reader_open,
        .get = null_get,
        .next = null_next,
        .reader_close = null_reader_close,
        .flush = null_flush,
        .sync = null_flush,
        .state = null_state,
        .counters = null_counters,
        .close = null_close,
        .last = null_last,
        .remove = null_remove,
        .compact = null_flush,
        .purge = null_flush,
        .convert = null_convert,
        .snapshot = null_snapshot,
        .restore = null_snapshot,
};
