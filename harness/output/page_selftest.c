/* page_selftest.c - the proofs that the measurement can be believed, from selftest.json beside the
 * rows.
 */
#include "harness/output/page_inner.h"

#include <limits.h>
#include <string.h>

#include "harness/output/table.h"

static void put_cell(struct page *p, const json_t *check, const char *member)
{
	const char *text = json_string_value(json_object_get(check, member));

	fputs("<td>", p->out);
	table_html_text(p->out, text == NULL ? "" : text);
	fputs("</td>", p->out);
}

/* By the plan of the run: its proofs are part of it. */
static int is_rigorous(const struct page *p)
{
	char path[PATH_MAX];
	json_t *plan;
	int rigorous;

	snprintf(path, sizeof(path), "%s/plan.json", p->dir);
	plan = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	rigorous = json_is_true(json_object_get(json_object_get(plan, "rule"), "rigorous"));
	json_decref(plan);
	return rigorous;
}

void page_put_selftest(struct page *p)
{
	char path[PATH_MAX];
	json_t *selftest, *checks;

	snprintf(path, sizeof(path), "%s/selftest.json", p->dir);
	selftest = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	checks = json_object_get(selftest, "checks");
	if (json_array_size(checks) > 0) {
		fputs("<h2>Can the measurement be believed?</h2>\n<p class=note>Proofs made here, "
		      "behind the run: known slowdowns must be found, clear text and another key "
		      "too, reads compared, syncs done. <i>untold</i>: this machine cannot tell."
		      "</p>\n<div class=scroll><table class=machine>\n",
		      p->out);
		for (size_t i = 0; i < json_array_size(checks); i++) {
			const json_t *check = json_array_get(checks, i);
			fputs("<tr>", p->out);
			put_cell(p, check, "verdict");
			put_cell(p, check, "what");
			put_cell(p, check, "evidence");
			fputs("</tr>\n", p->out);
		}
		fputs("</table></div>\n", p->out);
	} else if (is_rigorous(p)) {
		fputs("<h2>Can the measurement be believed?</h2>\n<p class=note>The proofs of this "
		      "rigorous run were not made: <code>atrest resume</code> makes them.</p>\n",
		      p->out);
	}
	json_decref(selftest);
}
