/* compare_data.c - a comparison for programs: JSON, and the JUnit XML that CI systems show. */
#include "harness/output/compare_output.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "harness/output/table.h"

const char *compare_clean(const char *text, char clean[COMPARE_CLEAN_BYTES])
{
	size_t bytes = strnlen(text, COMPARE_CLEAN_BYTES - 1);
	/* jansson holds UTF-8 alone. */
	json_t *held = json_stringn(text, bytes);
	int utf8 = held != NULL;

	json_decref(held);
	for (size_t i = 0; i < bytes; i++) {
		unsigned char c = (unsigned char)text[i];
		clean[i] = text[i];
		if (c < 0x20 || c == 0x7f)
			clean[i] = ' ';
		else if (c >= 0x80 && !utf8)
			clean[i] = '?';
	}
	clean[bytes] = '\0';
	return clean;
}

/* ---- JSON ---- */

static json_t *text_json(const char *text)
{
	char clean[COMPARE_CLEAN_BYTES];

	return json_string(compare_clean(text, clean));
}

static json_t *real_json(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *interval_json(struct stats_interval d)
{
	return json_pack("{so so so}", "estimate", real_json(d.estimate), "low", real_json(d.low),
	                 "high", real_json(d.high));
}

static json_t *row_json(const struct comparison *c, const struct compare_row *row)
{
	json_t *o = json_pack(
	        "{so so so so so so so so sI so ss si si so so so so so so ss}", "workload",
	        text_json(row->workload), "new_workload", text_json(row->new_workload), "target",
	        text_json(row->target), "target_version", text_json(row->version),
	        "new_target_version", text_json(row->new_version), "dir", text_json(row->dir),
	        "arm", text_json(row->arm), "provider", text_json(row->provider), "payload_bytes",
	        (json_int_t)row->payload_bytes, "workload_digest", text_json(row->digest), "metric",
	        row->metric, "rounds", (int)row->rounds, "new_rounds", (int)row->new_rounds,
	        "value_ns", real_json(row->value), "new_value_ns", real_json(row->new_value),
	        "change", interval_json(row->change), "floor", real_json(row->floor), "margin",
	        real_json(row->margin), "p", real_json(row->p), "verdict",
	        compare_verdict_name(row->verdict));

	if (o != NULL && !c->programs) {
		json_object_set_new(o, "overhead_pct", interval_json(row->overhead));
		json_object_set_new(o, "new_overhead_pct", interval_json(row->new_overhead));
	}
	return o;
}

static json_t *plain_json(const struct compare_plain *row)
{
	return json_pack("{so so so ss so so so}", "workload", text_json(row->workload), "target",
	                 text_json(row->target), "target_version", text_json(row->version),
	                 "metric", row->metric, "value_ns", real_json(row->value), "new_value_ns",
	                 real_json(row->new_value), "change_pct", real_json(row->change_pct));
}

static void facts_json(json_t *list, const struct fingerprint_facts *facts)
{
	for (size_t i = 0; facts != NULL && i < facts->count; i++)
		json_array_append_new(list, json_pack("{so so so}", "what",
		                                      text_json(facts->list[i].what), "base",
		                                      text_json(facts->list[i].base), "new",
		                                      text_json(facts->list[i].new_)));
}

/* What of the whole has a number of its own. */
static json_t *head_json(const struct comparison *c, const struct compare_context *x)
{
	char sentence[COMPARE_SENTENCE_BYTES];
	int refused = compare_has_problem(c, !x->common);
	json_t *o =
	        json_pack("{ss so so so so ss sb sI sI s{sI sI sI sI}}", "verdict",
	                  refused ? "not compared" : compare_verdict_name(c->verdict), "sentence",
	                  text_json(compare_sentence(c, x, sentence)), "base", text_json(x->base),
	                  "new", text_json(x->new_), "margin", real_json(c->margin), "unit",
	                  c->programs ? "percent" : "points", "noisy", c->noisy || c->new_noisy,
	                  "disturbed_rounds", (json_int_t)c->tally.disturbed,
	                  "new_disturbed_rounds", (json_int_t)c->new_tally.disturbed, "counts",
	                  "same", (json_int_t)c->counts[COMPARE_SAME], "better",
	                  (json_int_t)c->counts[COMPARE_BETTER], "worse",
	                  (json_int_t)c->counts[COMPARE_WORSE], "inconclusive",
	                  (json_int_t)c->counts[COMPARE_INCONCLUSIVE]);

	if (o != NULL && c->programs)
		json_object_set_new(o, "program", text_json(c->program));
	return o;
}

int compare_json(const struct comparison *c, const struct compare_context *x, FILE *out)
{
	json_t *o = head_json(c, x);
	json_t *rows = json_array();
	json_t *plain = json_array();
	json_t *differences = json_array();
	json_t *changed = json_array();
	json_t *problems = json_array();

	for (size_t i = 0; i < c->count; i++)
		json_array_append_new(rows, row_json(c, &c->rows[i]));
	for (size_t i = 0; i < c->plain_count; i++)
		json_array_append_new(plain, plain_json(&c->plain[i]));
	facts_json(differences, x->differences);
	facts_json(changed, &c->changed);
	facts_json(changed, x->changed);
	for (size_t i = 0; i < c->problem_count; i++)
		json_array_append_new(problems, text_json(c->problems[i].text));
	json_object_set_new(o, "rows", rows);
	json_object_set_new(o, "plaintext", plain);
	json_object_set_new(o, "machine_differs", differences);
	json_object_set_new(o, "changed", changed);
	json_object_set_new(o, "not_compared", problems);
	int rc = o == NULL ? -1 : json_dumpf(o, out, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
	json_decref(o);
	fputc('\n', out);
	return rc != 0 || ferror(out) ? -1 : 0;
}

/* ---- JUnit ---- */

static void put_xml(FILE *out, const char *text)
{
	char clean[COMPARE_CLEAN_BYTES];

	table_html_text(out, compare_clean(text, clean));
}

static void put_attribute(FILE *out, const char *name, const char *value)
{
	fprintf(out, " %s=\"", name);
	put_xml(out, value);
	fputc('"', out);
}

static void put_case(FILE *out, const struct comparison *c, const struct compare_row *row)
{
	static const char *const tags[] = {NULL, NULL, "failure", "skipped"};
	char class_[512], name[512], message[256];

	snprintf(class_, sizeof(class_), "%s.%s", row->target, row->new_workload);
	snprintf(name, sizeof(name), "%s (%s) %s", row->arm, row->dir, row->metric);
	snprintf(message, sizeof(message), "%s: %+.2f %s [%.2f, %.2f], margin %.2f",
	         compare_verdict_name(row->verdict), row->change.estimate,
	         c->programs ? "%" : "points", row->change.low, row->change.high, row->margin);
	fputs("  <testcase", out);
	put_attribute(out, "classname", class_);
	put_attribute(out, "name", name);
	fputs(">", out);
	if (tags[row->verdict] != NULL) {
		fprintf(out, "<%s", tags[row->verdict]);
		put_attribute(out, "message", message);
		fputs("/>", out);
	} else {
		fputs("<system-out>", out);
		put_xml(out, message);
		fputs("</system-out>", out);
	}
	fputs("</testcase>\n", out);
}

/* A problem fails the suite, where it is allowed it is only left out. */
static void put_problem(FILE *out, const struct compare_problem *p, int common)
{
	int allowed = common && p->fault == COMPARE_ONE_SIDED;

	fputs("  <testcase classname=\"compare\"", out);
	put_attribute(out, "name", p->text);
	fprintf(out, "><%s", allowed ? "skipped" : "error");
	put_attribute(out, "message", p->text);
	fputs("/></testcase>\n", out);
}

int compare_junit(const struct comparison *c, const struct compare_context *x, FILE *out)
{
	char sentence[COMPARE_SENTENCE_BYTES];
	size_t allowed = 0;

	for (size_t i = 0; i < c->problem_count; i++)
		allowed += x->common && c->problems[i].fault == COMPARE_ONE_SIDED;
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n", out);
	fprintf(out,
	        " <testsuite name=\"atrest compare\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" "
	        "skipped=\"%zu\">\n",
	        c->count + c->problem_count, c->counts[COMPARE_WORSE], c->problem_count - allowed,
	        c->counts[COMPARE_INCONCLUSIVE] + allowed);
	for (size_t i = 0; i < c->count; i++)
		put_case(out, c, &c->rows[i]);
	for (size_t i = 0; i < c->problem_count; i++)
		put_problem(out, &c->problems[i], x->common);
	fputs("  <system-out>", out);
	put_xml(out, compare_sentence(c, x, sentence));
	fputs("</system-out>\n </testsuite>\n</testsuites>\n", out);
	return ferror(out) ? -1 : 0;
}
