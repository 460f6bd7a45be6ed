/* live.c - see live.h. */
#include "harness/output/live.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/analysis/summary.h"
#include "harness/output/table.h"

/* "aes 5.1 [4.2, 6.0]" of every arm that is compared, behind each other. */
static void arms_text(const struct summary *s, const struct plan_cell *cell, char *text,
                      size_t bytes)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < s->count && used < bytes; i++) {
		const struct summary_row *row = &s->rows[i];
		char one[256];
		int n;
		if (!plan_cell_has(cell, row->workload, row->target, row->target_version) ||
		    row->baseline[0] == '\0' || strcmp(row->arm, row->baseline) == 0)
			continue;
		if (strcmp(row->verdict, "invalid") == 0)
			snprintf(one, sizeof(one), "%.100s invalid", row->arm);
		else if (isfinite(row->low_pct) && isfinite(row->high_pct))
			snprintf(one, sizeof(one), "%.100s %.1f [%.1f, %.1f]", row->arm,
			         row->overhead_pct, row->low_pct, row->high_pct);
		else
			snprintf(one, sizeof(one), "%.100s %.1f", row->arm, row->overhead_pct);
		n = snprintf(text + used, bytes - used, "%s%s", used == 0 ? "" : "  ", one);
		used += n < 0 ? 0 : (size_t)n;
	}
}

static void width_text(const struct schedule_rule *rule, const struct schedule_reach *reach,
                       char text[64])
{
	if (isfinite(reach->width_points))
		snprintf(text, 64, "%.1f%s", reach->width_points,
		         rule->precision_points > 0 && !schedule_is_wide(rule, reach) ? " reached"
		                                                                      : "");
	else
		snprintf(text, 64, "-");
}

static struct table *make(const struct plan *plan, const struct schedule_rule *rule,
                          const struct summary *closed, const struct summary *open,
                          const struct schedule_reach *reach)
{
	struct table *t = table_new();
	char arms[PLAN_ARMS_MAX * 64], target[PLAN_TARGET_BYTES], width[64];

	table_column(t, "workload", NULL, TABLE_LEFT);
	table_column(t, "target", NULL, TABLE_LEFT);
	table_column(t, "rounds", NULL, TABLE_RIGHT);
	table_column(t, "+/-", NULL, TABLE_RIGHT);
	table_column(t, "overhead, % [95 %]", NULL, TABLE_LEFT);
	for (size_t c = 0; c < plan->cell_count; c++) {
		const struct plan_cell *cell = &plan->cells[c];
		table_row(t);
		table_text(t, cell->workload->name);
		table_text(t, plan_target_text(cell->target, target));
		table_u64(t, reach[c].rounds);
		width_text(rule, &reach[c], width);
		table_text(t, width);
		arms_text(workload_is_open(cell->workload) ? open : closed, cell, arms,
		          sizeof(arms));
		table_text(t, arms);
	}
	return t;
}

/* NULL: memory. */
static char *print(const struct table *t)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);
	int rc = out == NULL ? -1 : table_print(t, out);

	if (out != NULL && fclose(out) == 0 && rc == 0)
		return text;
	free(text);
	return NULL;
}

char *live_table(const struct plan *plan, const struct schedule_rule *rule,
                 const struct samples *samples)
{
	struct schedule_reach *reach = calloc(plan->cell_count + 1, sizeof(*reach));
	struct summary closed = {0}, open = {0};
	char *text = NULL;

	if (reach != NULL && schedule_reach(plan, samples, reach) == 0 &&
	    summary_make_metric(samples, SUMMARY_HEADLINE, &closed) == 0 &&
	    summary_make_metric(samples, SUMMARY_HEADLINE_OPEN, &open) == 0) {
		struct table *t = make(plan, rule, &closed, &open, reach);
		text = print(t);
		table_free(t);
	}
	summary_free(&closed);
	summary_free(&open);
	free(reach);
	return text;
}
