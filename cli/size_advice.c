/* size_advice.c - see size_advice.h. */
#include "cli/size_advice.h"

#include "cli/size_text.h"

/* An interval that holds zero is no difference. */
static int is_zero(struct stats_interval v)
{
	return v.low <= 0 && v.high >= 0;
}

static void say_chosen(const struct size_plan *plan, char text[HEADLINE_BYTES])
{
	const struct size_cipher *c = &plan->ciphers[plan->chosen], *plain = &plan->ciphers[0];
	double disk = (double)c->total.allocated_bytes;
	double disk_pct = 100 * (disk / (double)plain->total.allocated_bytes - 1);
	char all[SIZE_TEXT_BYTES], added[SIZE_TEXT_BYTES], bytes[SIZE_TEXT_BYTES];

	headline_say(text, "Use %s: at the peak %s%s cores a node, ", c->cipher,
	             plan->lack_count > 0 ? "at least " : "",
	             size_text_interval(c->cores_peak, 1, all));
	headline_say(text,
	             is_zero(c->added_peak) ? "no measurable difference to plaintext (%s more), "
	                                    : "%s more than in plaintext, ",
	             size_text_interval(c->added_peak, 1, added));
	headline_say(text, "and %s of disk, %.*f %% more", size_text_bytes(disk, bytes),
	             disk_pct < 10 ? 2 : 0, disk_pct);
}

static void say_other(const struct size_plan *plan, char text[HEADLINE_BYTES])
{
	const struct size_cipher *c = &plan->ciphers[plan->chosen];
	const struct size_cipher *other = &plan->ciphers[SIZING_CIPHERS - plan->chosen];
	char added[SIZE_TEXT_BYTES];

	if (other->there)
		headline_say(text,
		             !is_zero(other->added_peak)
		                     ? "; %s would cost %s cores more than plaintext"
		             : is_zero(c->added_peak)
		                     ? "; %s shows none either, %s cores more"
		                     : "; %s shows no measurable difference, %s cores more",
		             other->cipher, size_text_interval(other->added_peak, 1, added));
	headline_say(text, ".");
}

static void say_headroom(const struct size_plan *plan, char text[HEADLINE_BYTES])
{
	const struct size_cipher *c = &plan->ciphers[plan->chosen];
	double times = 1 + plan->demand->headroom_pct / 100;
	char cores[SIZE_TEXT_BYTES], bytes[SIZE_TEXT_BYTES];

	if (plan->demand->headroom_pct > 0)
		headline_say(text, " With %g %% of headroom: %s cores and %s.",
		             plan->demand->headroom_pct,
		             size_text_interval(c->cores_peak, times, cores),
		             size_text_bytes((double)c->total.allocated_bytes * times, bytes));
}

static void say_doubts(const struct size_plan *plan, char text[HEADLINE_BYTES])
{
	const struct repeat_tally *t = &plan->costs->tally;

	for (size_t i = 0; i < plan->lack_count; i++)
		headline_say(text, "%s%s",
		             i == 0                     ? " A lower bound of cores, not measured: "
		             : i + 1 < plan->lack_count ? ", "
		                                        : " and ",
		             plan->lacks[i]);
	if (plan->lack_count > 0)
		headline_say(text, ".");
	if (repeat_too_many(t))
		headline_say(text,
		             " Something else used the machine in %zu of %zu rounds: measure again "
		             "before "
		             "you rely on this.",
		             t->disturbed, t->rounds);
}

void size_advice(const struct size_plan *plan, char text[HEADLINE_BYTES])
{
	text[0] = '\0';
	say_chosen(plan, text);
	say_other(plan, text);
	say_headroom(plan, text);
	say_doubts(plan, text);
}
