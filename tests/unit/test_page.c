/* test_page.c - the page and its figures: made from the samples alone, self-contained, marked
 * when something is wrong, and safe whatever stands in the files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/analysis/repeat.h"
#include "harness/output/headline.h"
#include "harness/output/page.h"
#include "harness/output/replace.h"
#include "tests/unit/synthetic.h"

static char folder[64];

/* The page of the quick suite, made once: drawing takes longest. */
static char *quick_page;

static int make_folder(void **state);

static int remove_folder(void **state)
{
	(void)state;
	free(quick_page);
	synthetic_remove(folder);
	return 0;
}

static void make_samples(struct samples *s, size_t cells)
{
	memset(s, 0, sizeof(*s));
	synthetic_add(s, synthetic_quick, cells, (struct synthetic_noise){0.05, 0.012, 0}, 42);
}

/* The page of samples, which are freed; the caller frees it. */
static char *page_of(const char *dir, struct samples *s, enum figures_result expected)
{
	struct summary m;
	enum figures_result drawn;
	char error[512];
	char *text;
	size_t bytes;
	assert_int_equal(summary_make(s, &m), 0);
	int rc = page_make(dir, s, &m, &drawn, error);
	if (rc != 0 || drawn != expected)
		fail_msg("result %d, figures %d: %s", rc, (int)drawn, error);
	assert_int_equal(
	        read_whole_file(synthetic_path(dir, "report.html"), 64 << 20, &text, &bytes), 0);
	summary_free(&m);
	samples_free(s);
	return text;
}

static int make_folder(void **state)
{
	static const char machine[] =
	        "{\"cpu\": {\"model\": \"EPYC <9>\", \"flags\": [\"aes\", \"avx2\"], \"none\": "
	        "null}, \"memory\": {\"total_bytes\": 1073741824}}";
	struct samples s;
	(void)state;
	synthetic_folder(folder);
	make_samples(&s, synthetic_quick_count);
	if (replace_file(synthetic_path(folder, "machine.json"), machine, strlen(machine)) != 0)
		return -1;
	quick_page = page_of(folder, &s, FIGURES_OK);
	return 0;
}

static void assert_order(const char *text, const char *const *parts)
{
	const char *at = text;
	for (; *parts != NULL; parts++) {
		const char *found = strstr(at, *parts);
		if (found == NULL)
			fail_msg("\"%s\" is missing or stands too early", *parts);
		at = found;
	}
}

static void page_opens_with_the_sentence_and_has_all_parts_in_order(void **state)
{
	static const char *const parts[] = {"<p class=lead>This store on this machine: per 1 KiB",
	                                    "A server&#39;s own cost was not measured.</p>",
	                                    "<h2>Overhead against payload size</h2>",
	                                    "src=\"data:image/svg+xml;base64,",
	                                    "<h2>CPU per message</h2>",
	                                    "<h2>Disk growth</h2>",
	                                    "<h2>Latency</h2>",
	                                    "<h2>Throughput</h2>",
	                                    "<h2>Overhead by operation class</h2>",
	                                    "<h2>All workloads and arms</h2>",
	                                    "publish-always-1k",
	                                    "<h2>What the numbers mean</h2>",
	                                    "percentages of <b>this store</b>",
	                                    "<h2>The machine</h2>",
	                                    "EPYC",
	                                    "</html>",
	                                    NULL};
	const char *text = quick_page;
	(void)state;
	assert_order(text, parts);
	assert_non_null(strstr(text, "<td>cpu model</td><td>EPYC &lt;9&gt;</td>"));
	assert_non_null(strstr(text, "<td>cpu flags</td><td>aes, avx2</td>"));
	assert_non_null(strstr(text, "<td>memory total_bytes</td><td>1 GiB</td>"));
	/* Self-contained: nothing is loaded from anywhere. */
	assert_null(strstr(text, "http:"));
	assert_null(strstr(text, "https:"));
	assert_null(strstr(text, "<script"));
	assert_null(strstr(text, "Interrupted"));
	assert_null(strstr(text, "class=warning"));
	/* Of servers nothing is said where there is none. */
	assert_null(strstr(text, "<h2>Store against server"));
	assert_null(strstr(text, "<h2>Transfer"));
	assert_null(strstr(text, "<h2>Restart"));
}

static void figures_are_drawn_as_svg_and_png(void **state)
{
	char *data;
	size_t bytes;
	(void)state;
	for (const struct figure *f = figures; f->name != NULL; f++) {
		char name[64];
		if (f->kind == FIGURE_OF_BOTH || f->kind == FIGURE_OF_TRANSFER ||
		    f->kind == FIGURE_OF_RATES)
			continue;
		snprintf(name, sizeof(name), "plots/%s.png", f->name);
		assert_int_equal(
		        read_whole_file(synthetic_path(folder, name), 16 << 20, &data, &bytes), 0);
		assert_true(bytes > 10000);
		assert_memory_equal(data, "\x89PNG\r\n\x1a\n", 8);
		free(data);
		snprintf(name, sizeof(name), "plots/%s.svg", f->name);
		assert_int_equal(
		        read_whole_file(synthetic_path(folder, name), 16 << 20, &data, &bytes), 0);
		assert_non_null(strstr(data, "</svg>"));
		free(data);
	}
	assert_int_equal(read_whole_file(synthetic_path(folder, "plots/overhead.svg"), 16 << 20,
	                                 &data, &bytes),
	                 0);
	/* Who sees only the figure reads which cipher is dearer, by how much, and the range. */
	assert_non_null(strstr(data, ">at 1 KiB:<"));
	assert_non_null(strstr(data, ">● 18 %<"));
	assert_non_null(strstr(data, ">■ 11 %<"));
	assert_non_null(strstr(data, "this store: throughput lost"));
	assert_non_null(strstr(data, "as little as 1 % to more than 30 %"));
	assert_non_null(strstr(data, "plaintext again"));
	assert_non_null(strstr(data, "several times more"));
	assert_non_null(strstr(data, "hollow: not distinguishable from plaintext"));
	free(data);
	/* One row per class, the dearest on top: of publish the size of the first sentence. */
	assert_int_equal(read_whole_file(synthetic_path(folder, "plots/classes.svg"), 16 << 20,
	                                 &data, &bytes),
	                 0);
	static const char *const words[] = {"read in order",
	                                    "get one, its block deciphered",
	                                    "publish, each synced to the disk",
	                                    "18 %",
	                                    "11 %",
	                                    "or the noise floor"};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strstr(data, words[i]) == NULL)
			fail_msg("\"%s\" is not in the figure", words[i]);
	assert_null(strstr(data, "256 KiB"));
	free(data);
}

static char other[128];

/* Another folder, so that the figures above stay. */
static const char *other_folder(void)
{
	snprintf(other, sizeof(other), "%s/other", folder);
	(void)mkdir(other, 0755);
	return other;
}

static void a_run_of_one_cell_or_of_plaintext_alone_is_drawn_too(void **state)
{
	struct samples s;
	(void)state;
	make_samples(&s, 1);
	char *text = page_of(other_folder(), &s, FIGURES_OK);
	assert_null(strstr(text, "Overhead by operation class")); /* there is one only */
	free(text);
	make_samples(&s, 2);
	for (size_t i = s.count; i-- > 0;)
		if (strcmp(s.rows[i].cipher, "none") != 0)
			s.rows[i] = s.rows[--s.count];
	free(page_of(other_folder(), &s, FIGURES_OK));
}

static char *read_picture(const char *dir, const char *picture)
{
	char *data;
	size_t bytes;
	char name[64];
	snprintf(name, sizeof(name), "plots/%s.svg", picture);
	assert_int_equal(read_whole_file(synthetic_path(dir, name), 16 << 20, &data, &bytes), 0);
	return data;
}

static void assert_picture_says(const char *picture, const char *const *words)
{
	char *data = read_picture(other_folder(), picture);
	for (; *words != NULL; words++)
		if (strstr(data, *words) == NULL)
			fail_msg("\"%s\" is not in %s", *words, picture);
	free(data);
}

/* A start takes 12 ms in plaintext; a slice is one. */
static void add_restarts(struct samples *s)
{
	static const struct synthetic_cell cell = {
	        "open-server-1k", "open-server", "2m", 1024, 1, 8, 12e6, 0.9, 3e6, 1e6};
	static const struct synthetic_suite suite = {"nats", "2.15.1", &cell, 1};
	synthetic_add_server(s, &suite, (struct synthetic_noise){0.05, 0.012, 0}, 9);
}

static void servers_and_the_store_stand_side_by_side(void **state)
{
	static const char *const parts[] = {
	        "<p class=lead>On this machine aes costs nats-server 2.15.1 ",
	        "; use aes. chachapoly costs nats-server 2.9.10 ",
	        "<h2>Overhead against payload size</h2>",
	        "<h2>CPU per message</h2>",
	        "<h2>Store against server</h2>",
	        "<h2>Transfer: what two sizes say of the others</h2>",
	        "nats 2.15.1",
	        "128 B",
	        "(on the line)",
	        "heap allocation",
	        "<h2>Disk growth</h2>",
	        "<h2>Latency</h2>",
	        "<h2>Overhead by operation class</h2>",
	        "<h2>Restart: from start to JetStream ready</h2>",
	        "open-server-1k",
	        "<td class=r>11.",
	        " ms",
	        "<h2>All workloads and arms</h2>",
	        ">client<",
	        "nats 2.15.1",
	        "nats 2.9.10",
	        "<td>store</td>",
	        "percentages of <b>nats-server 2.15.1</b> (or of whoever the row names)",
	        "shares its processors",
	        "1.16 µs of the client",
	        "up to 512 messages unacknowledged",
	        "Published, acknowledged and stored by the servers",
	        "<h2>The machine</h2>",
	        NULL};
	static const char *const subjects[] = {"nats-server 2.15.1", "nats-server 2.9.10",
	                                       "this store", NULL};
	static const char *const servers[] = {"nats-server 2.15.1", "nats-server 2.9.10",
	                                      "ns per byte", NULL};
	static const struct synthetic_noise noise = {0.05, 0.012, 0};
	struct samples s;
	(void)state;
	make_samples(&s, synthetic_quick_count);
	synthetic_add_server(&s, &synthetic_nats_old, noise, 43);
	synthetic_add_server(&s, &synthetic_nats_new, noise, 44);
	add_restarts(&s);
	char *text = page_of(other_folder(), &s, FIGURES_OK);
	assert_order(text, parts);
	assert_null(strstr(text, "own cost was not measured"));
	assert_null(strstr(text, "class=warning"));
	free(text);
	assert_picture_says("overhead", subjects);
	assert_picture_says("cpu", subjects);
	assert_picture_says("against", subjects);
	assert_picture_says("latency", subjects);
	assert_picture_says("transfer", servers);
	assert_picture_says("throughput", (const char *const[]){"95 % intervals", "plaintext again",
	                                                        "this store", NULL});
	/* One picture of operation classes each. */
	assert_picture_says("classes", (const char *const[]){"2.15.1", "start, with", NULL});
	assert_picture_says("classes-2", (const char *const[]){"2.9.10", NULL});
	assert_picture_says("classes-3", (const char *const[]){"this store", NULL});
}

static void assert_picture_says_nothing_of(const char *picture, const char *words)
{
	char *data = read_picture(other_folder(), picture);
	if (strstr(data, words) != NULL)
		fail_msg("\"%s\" is in %s", words, picture);
	free(data);
}

/* What lies within the noise has neither a speed nor a line that falls. */
static void a_cost_per_byte_that_cannot_be_shown_has_no_speed(void **state)
{
	static const struct synthetic_cell cells[] = {
	        {"publish-1k", "publish", "2m", 1024, 39000, 12, 5076, 0.97, 1340, 265},
	        {"publish-8k", "publish", "2m", 8192, 13000, 8, 15015, 0.98, 9400, 250},
	        {"publish-64k", "publish", "2m", 65536, 1900, 8, 72000, 0.98, 65000, -1500},
	};
	static const struct synthetic_suite suite = {"nats", "2.15.1", cells, 3};
	static const char *const said[] = {"no measurable cost per byte", "GB/s)", NULL};
	struct samples s = {0};
	(void)state;
	synthetic_add_server(&s, &suite, (struct synthetic_noise){0.05, 0.04, 0}, 44);
	char *text = page_of(other_folder(), &s, FIGURES_OK);
	assert_null(strstr(text, "class=warning"));
	free(text);
	assert_picture_says("transfer", said);
	assert_picture_says_nothing_of("transfer", "(-");
	assert_picture_says_nothing_of("transfer", "+ -");
}

static void too_few_rounds_have_no_speed_either(void **state)
{
	static const struct synthetic_cell cells[] = {
	        {"publish-1k", "publish", "2m", 1024, 39000, 4, 5076, 0.97, 1340, 265},
	        {"publish-64k", "publish", "2m", 65536, 1900, 4, 72000, 0.98, 65000, -1500},
	};
	static const struct synthetic_suite suite = {"nats", "2.15.1", cells, 2};
	static const char *const said[] = {"too few rounds to be sure", "too few rounds to tell",
	                                   NULL};
	struct samples s = {0};
	(void)state;
	synthetic_add_server(&s, &suite, (struct synthetic_noise){0.01, 0.001, 0}, 44);
	free(page_of(other_folder(), &s, FIGURES_OK));
	assert_picture_says("transfer", said);
	assert_picture_says_nothing_of("transfer", "GB/s");
}

static void a_server_without_plaintext_has_a_page_without_figures(void **state)
{
	struct samples s = {0};
	(void)state;
	synthetic_add_server(&s, &synthetic_nats_new, (struct synthetic_noise){0, 0, 0}, 44);
	for (size_t i = s.count; i-- > 0;) {
		strcpy(s.rows[i].target, "server");
		s.rows[i].cpu_ns = 0;
		if (strcmp(s.rows[i].arm, "aes") != 0)
			s.rows[i] = s.rows[--s.count];
	}
	char *text = page_of(other_folder(), &s, FIGURES_OK);
	assert_null(strstr(text, "data:image"));
	assert_null(strstr(text, "class=warning"));
	assert_non_null(strstr(text, "<td>server 2.15.1</td>"));
	free(text);
}

static const struct figure *figure_named(const char *name)
{
	const struct figure *f = figures;
	while (f->name != NULL && strcmp(f->name, name) != 0)
		f++;
	assert_non_null(f->name);
	return f;
}

/* What is not known of a server elsewhere is no empty picture. */
static void there_is_no_picture_of_what_was_not_measured(void **state)
{
	static const char *const there[] = {"overhead", "latency", "throughput", "classes"};
	static const char *const absent[] = {"cpu", "disk", "against", "transfer"};
	struct samples s = {0};
	struct summary m;
	char name[FIGURES_NAME_BYTES];
	(void)state;
	synthetic_add_server(&s, &synthetic_nats_new, (struct synthetic_noise){0, 0, 0}, 44);
	for (size_t i = 0; i < s.count; i++) {
		strcpy(s.rows[i].target, "server");
		s.rows[i].cpu_ns = 0;
		s.rows[i].disk_allocated_bytes = 0;
	}
	assert_int_equal(summary_make(&s, &m), 0);
	for (size_t i = 0; i < 4; i++) {
		assert_true(figures_picture(figure_named(there[i]), &m, 1, name));
		assert_string_equal(name, there[i]);
		assert_false(figures_picture(figure_named(there[i]), &m, 2, name));
		assert_false(figures_picture(figure_named(absent[i]), &m, 1, name));
	}
	summary_free(&m);
	samples_free(&s);
}

/* As if gnuplot were not installed. */
static char *page_without_gnuplot(struct samples *s)
{
	char *path = strdup(getenv("PATH"));
	setenv("PATH", folder, 1);
	char *text = page_of(other_folder(), s, FIGURES_NO_GNUPLOT);
	setenv("PATH", path, 1);
	free(path);
	return text;
}

static void what_servers_hold_and_lose_is_said(void **state)
{
	struct samples s = {0};
	(void)state;
	synthetic_add_server(&s, &synthetic_nats_new, (struct synthetic_noise){0, 0, 0}, 44);
	s.rows[0].stored--;
	char *text = page_without_gnuplot(&s);
	assert_non_null(strstr(text, "<b>Counts differ</b>"));
	assert_non_null(strstr(text, "holds 64 MiB in memory while it is measured"));
	free(text);
	/* Pictures of the summary before are gone. */
	assert_int_equal(access(synthetic_path(other_folder(), "plots/classes-2.svg"), F_OK), -1);
	assert_int_equal(access(synthetic_path(other_folder(), "plots/against.svg"), F_OK), -1);
}

static void an_interrupted_run_with_failures_is_marked(void **state)
{
	struct samples s;
	(void)state;
	make_samples(&s, 3);
	s.complete = 0;
	s.rows[5].valid = 0;
	strcpy(s.rows[5].error, "pwrite <blk>: no space");
	s.rows[6].file_create_ns = 175000;
	strcpy(s.rows[7].build, "debug");
	char *text = page_without_gnuplot(&s);
	assert_non_null(strstr(text, "<b>Interrupted run.</b>"));
	assert_non_null(strstr(text, "<b>1 slice failed.</b> The first: pwrite &lt;blk&gt;: no"));
	assert_non_null(strstr(text, "Creating a file was slow"));
	assert_non_null(strstr(text, "175 µs"));
	assert_non_null(strstr(text, "not optimised or is sanitised"));
	free(text);
}

/* Names come from files of others: neither HTML nor gnuplot may take them for commands, and a
 * folder may be called anything. */
static void hostile_names_stay_names(void **state)
{
	struct samples s;
	char hostile[128];
	static const char name[] = "x'; system 'touch owned'; `touch owned`<script>";
	(void)state;
	snprintf(hostile, sizeof(hostile), "%s/it's a \"folder\" $(touch owned)", folder);
	assert_int_equal(mkdir(hostile, 0755), 0);
	make_samples(&s, 2);
	for (size_t i = 0; i < s.count; i++) {
		snprintf(s.rows[i].workload + strlen(s.rows[i].workload), 100, "%s\"", name);
		snprintf(s.rows[i].class_, sizeof(s.rows[i].class_), "%s", name);
		snprintf(s.rows[i].target_version, sizeof(s.rows[i].target_version), "%s", name);
	}
	char *text = page_of(hostile, &s, FIGURES_OK);
	assert_null(strstr(text, "<script"));
	assert_non_null(strstr(text, "&lt;script&gt;"));
	free(text);
	assert_int_equal(access("owned", F_OK), -1);
	assert_int_equal(access(synthetic_path(folder, "owned"), F_OK), -1);
	assert_int_equal(access(ATREST_SOURCE_DIR "/plots/owned", F_OK), -1);
}

static void warnings_of_one_kind_are_one_line_with_their_count(void **state)
{
	static const char machine[] =
	        "{\"run\": {\"warnings\": [\"publish-64k, round 0: repeated, none: others used 167 "
	        "% of one processor\", \"payloads of zeros\", \"publish-1k, round 3: repeated, "
	        "aes: "
	        "others used 97 % of one processor\", \"publish-1k-75, store, aes: the offered "
	        "rate "
	        "of 9 messages a second was not reached\"]}}";
	static const char *const parts[] = {"<div class=warning><div>payloads of zeros</div>",
	                                    "<details><summary>2 rounds were disturbed",
	                                    "<div>publish-64k, round 0",
	                                    "<div>publish-1k, round 3",
	                                    "</details>",
	                                    "<div>publish-1k-75, store, aes: the offered rate",
	                                    "</div>\n</div>",
	                                    NULL};
	struct samples s;
	(void)state;
	make_samples(&s, 1);
	assert_int_equal(replace_file(synthetic_path(other_folder(), "machine.json"), machine,
	                              strlen(machine)),
	                 0);
	char *text = page_without_gnuplot(&s);
	assert_order(text, parts);
	const char *first = strstr(text, "<details>");
	assert_null(strstr(first + 1, "<details>"));
	free(text);
	assert_int_equal(remove(synthetic_path(other_folder(), "machine.json")), 0);
}

/* As the terminal says it, also where nothing was said while it ran. */
static void disturbed_rounds_that_count_are_counted(void **state)
{
	static const char machine[] =
	        "{\"run\": {\"warnings\": [\"" REPEAT_NO_MORE
	        ": the others count as they are, with their covariates\", \"payloads of zeros\"]}}";
	static const char told[] = "<div>2 of 12 rounds were disturbed by something else on this "
	                           "machine and count as they are, more than may be repeated</div>";
	(void)state;
	for (int warned = 0; warned < 2; warned++) {
		struct samples s;
		make_samples(&s, 1);
		for (size_t i = 0; i < s.count; i++) {
			s.rows[i].acked_s = 0.2;
			if (s.rows[i].round < 2 && strcmp(s.rows[i].arm, "aes") == 0)
				s.rows[i].other_cpu_ns = 190000000;
		}
		if (warned)
			assert_int_equal(
			        replace_file(synthetic_path(other_folder(), "machine.json"),
			                     machine, strlen(machine)),
			        0);
		char *text = page_without_gnuplot(&s);
		assert_non_null(strstr(text, told));
		assert_null(strstr(text, "<div>" REPEAT_NO_MORE));
		assert_true((strstr(text, "<div>payloads of zeros</div>") != NULL) == warned);
		free(text);
	}
	assert_int_equal(remove(synthetic_path(other_folder(), "machine.json")), 0);
}

static void without_gnuplot_the_page_is_made_without_figures(void **state)
{
	struct samples s;
	char name[256];
	(void)state;
	make_samples(&s, 2);
	/* What another summary left must not be shown for this one. */
	(void)mkdir(synthetic_path(other_folder(), "plots"), 0755);
	snprintf(name, sizeof(name), "%s/plots/overhead.svg", other_folder());
	assert_int_equal(replace_file(name, "<svg/>", 6), 0);
	char *text = page_without_gnuplot(&s);
	assert_null(strstr(text, "data:image"));
	assert_non_null(strstr(text, "could not be drawn"));
	free(text);
}

static void a_folder_that_is_not_there_is_named(void **state)
{
	struct samples s;
	struct summary m;
	enum figures_result drawn;
	char error[512];
	(void)state;
	make_samples(&s, 1);
	assert_int_equal(summary_make(&s, &m), 0);
	assert_int_equal(page_make("no/such/folder", &s, &m, &drawn, error), -ENOENT);
	assert_non_null(strstr(error, "no/such/folder/summary.csv: No such file"));
	summary_free(&m);
	samples_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(page_opens_with_the_sentence_and_has_all_parts_in_order),
	        cmocka_unit_test(figures_are_drawn_as_svg_and_png),
	        cmocka_unit_test(a_run_of_one_cell_or_of_plaintext_alone_is_drawn_too),
	        cmocka_unit_test(servers_and_the_store_stand_side_by_side),
	        cmocka_unit_test(a_cost_per_byte_that_cannot_be_shown_has_no_speed),
	        cmocka_unit_test(too_few_rounds_have_no_speed_either),
	        cmocka_unit_test(a_server_without_plaintext_has_a_page_without_figures),
	        cmocka_unit_test(there_is_no_picture_of_what_was_not_measured),
	        cmocka_unit_test(what_servers_hold_and_lose_is_said),
	        cmocka_unit_test(an_interrupted_run_with_failures_is_marked),
	        cmocka_unit_test(hostile_names_stay_names),
	        cmocka_unit_test(warnings_of_one_kind_are_one_line_with_their_count),
	        cmocka_unit_test(disturbed_rounds_that_count_are_counted),
	        cmocka_unit_test(without_gnuplot_the_page_is_made_without_figures),
	        cmocka_unit_test(a_folder_that_is_not_there_is_named),
	};
	if (system("gnuplot --version > /dev/null 2>&1") != 0) {
		printf("SKIP: gnuplot is missing (package gnuplot-nox)\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
