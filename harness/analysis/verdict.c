/* verdict.c - see verdict.h. */
#include "harness/analysis/verdict.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static const char *const names[] = {"overhead", "faster", "indistinguishable", "inconclusive",
                                    "invalid"};

const char *verdict_name(enum verdict v)
{
	return names[v];
}

int verdict_parse(const char *text, enum verdict *out)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) == 0) {
			*out = (enum verdict)i;
			return 0;
		}
	}
	return -1;
}

int verdict_excludes_zero(struct stats_interval effect)
{
	return effect.low > 0 || effect.high < 0;
}

static int has_interval(struct stats_interval effect)
{
	return isfinite(effect.estimate) && isfinite(effect.low) && isfinite(effect.high);
}

double verdict_floor(struct stats_interval twin)
{
	if (!has_interval(twin))
		return NAN;
	if (verdict_excludes_zero(twin))
		return fmax(fabs(twin.low), fabs(twin.high));
	return fabs(twin.estimate);
}

enum verdict verdict_of(struct stats_interval effect, double floor)
{
	if (!has_interval(effect) || !isfinite(floor))
		return VERDICT_INCONCLUSIVE;
	if (!verdict_excludes_zero(effect) || fabs(effect.estimate) <= floor)
		return VERDICT_INDISTINGUISHABLE;
	return effect.estimate > 0 ? VERDICT_OVERHEAD : VERDICT_FASTER;
}

enum verdict verdict_of_exact(double estimate, double floor)
{
	if (!isfinite(estimate))
		return VERDICT_INCONCLUSIVE;
	if (fabs(estimate) <= (isfinite(floor) ? floor : 0))
		return VERDICT_INDISTINGUISHABLE;
	return estimate > 0 ? VERDICT_OVERHEAD : VERDICT_FASTER;
}

double verdict_at_most(struct stats_interval effect, double floor)
{
	/* fmax passes over the NaN of a floor that is not known. */
	return fmax(isfinite(effect.high) ? effect.high : effect.estimate, floor);
}

const char *verdict_range(struct stats_interval overhead)
{
	double low = isfinite(overhead.low) ? overhead.low : overhead.estimate;
	double high = isfinite(overhead.high) ? overhead.high : overhead.estimate;
	if (high < 1)
		return "below";
	if (low > 30)
		return "above";
	if (low < 1)
		return "at the lower edge of";
	if (high > 30)
		return "at the upper edge of";
	return "within";
}
