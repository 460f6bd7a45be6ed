/* What is written reads back as the same struct, bit for bit; and README names every key. */
#include "workloads/workload_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *written(const struct workload *w)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);

	assert_non_null(out);
	assert_int_equal(workload_write(w, out), 0);
	fclose(out);
	return text;
}

static void survives(const struct workload *w)
{
	struct workload again;
	struct workload_error err;
	char *text = written(w);
	FILE *in = fmemopen(text, strlen(text), "r");

	assert_non_null(in);
	if (workload_parse_stream(in, w->name, &again, &err) != 0)
		fail_msg("%s\n%s", err.text, text);
	fclose(in);
	assert_memory_equal(&again, w, sizeof(*w));
	free(text);
}

static void set(struct workload *w, const char *key, const char *value)
{
	struct workload_error err;

	if (workload_set(w, key, value, &err) != 0)
		fail_msg("%s", err.text);
}

static void the_defaults_survive(void **state)
{
	struct workload w;

	(void)state;
	workload_init(&w);
	set(&w, "class", "publish");
	survives(&w);
}

static void the_ends_of_every_range_survive(void **state)
{
	struct workload w;
	char text[32];

	(void)state;
	for (int high = 0; high < 2; high++) {
		workload_init(&w);
		set(&w, "class", "c");
		for (const struct workload_key *k = workload_keys; k->name; k++) {
			if (k->kind > KEY_SHARE)
				continue;
			snprintf(text, sizeof(text), "%llu",
			         (unsigned long long)(high ? k->high : k->low));
			set(&w, k->name, text);
		}
		survives(&w);
	}
}

static void every_word_survives(void **state)
{
	struct workload w;

	(void)state;
	workload_init(&w);
	set(&w, "class", "c");
	for (const struct workload_key *k = workload_keys; k->name; k++) {
		for (size_t i = 0; k->kind == KEY_WORD && k->words[i]; i++) {
			set(&w, k->name, k->words[i]);
			assert_string_equal(workload_key_word(k->name, &w), k->words[i]);
			survives(&w);
		}
	}
	set(&w, "block_bytes", "server");
	survives(&w);
}

static void the_longest_texts_survive(void **state)
{
	struct workload w;
	char text[WORKLOAD_QUESTION_BYTES_MAX + 1];

	(void)state;
	workload_init(&w);
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	set(&w, "question", text);
	text[WORKLOAD_NAME_BYTES - 1] = 0;
	set(&w, "class", text);
	memset(text, 'y', sizeof(text));
	text[100] = 0;
	set(&w, "subject_prefix", text);
	survives(&w);
}

static void every_sync_survives(void **state)
{
	static const char *const syncs[] = {"1ms", "1500ms", "1s", "61s", "2m", "24h", "1439m"};
	struct workload w;

	(void)state;
	workload_init(&w);
	set(&w, "class", "c");
	for (size_t i = 0; i < sizeof(syncs) / sizeof(syncs[0]); i++) {
		set(&w, "sync", syncs[i]);
		survives(&w);
	}
	set(&w, "sync", "always");
	w.sync_interval_ns = UINT64_C(120000000000); /* not part of "always" */
	survives(&w);
}

/* Random lists with awkward weights; the seed is fixed, so a failure can be seen again. */
static void any_sizes_survive(void **state)
{
	struct workload w;
	uint64_t x = 1;

	(void)state;
	workload_init(&w);
	set(&w, "class", "c");
	for (int round = 0; round < 200; round++) {
		w.size_count = 1 + (size_t)round % WORKLOAD_SIZES_MAX;
		memset(w.sizes, 0, sizeof(w.sizes));
		for (size_t i = 0; i < w.size_count; i++) {
			x = x * UINT64_C(6364136223846793005) + 1;
			w.sizes[i].low_bytes = 1 + (uint32_t)(x >> 40);
			w.sizes[i].high_bytes =
			        w.sizes[i].low_bytes + (uint32_t)(x >> 20 & 1) * 1000000;
			w.sizes[i].weight = 1.0 / (double)(1 + (x >> 33)) + (double)(x & 1);
		}
		survives(&w);
	}
}

static void a_full_disk_is_noticed(void **state)
{
	struct workload w;
	FILE *out = fopen("/dev/full", "w");

	(void)state;
	if (!out)
		skip();
	workload_init(&w);
	assert_int_equal(workload_write(&w, out), -1);
	fclose(out);
}

static void readme_names_every_key(void **state)
{
	static char text[65536];
	char wanted[64];
	FILE *in = fopen(ATREST_SOURCE_DIR "/workloads/README.md", "r");

	(void)state;
	assert_non_null(in);
	text[fread(text, 1, sizeof(text) - 1, in)] = 0;
	fclose(in);
	for (const struct workload_key *k = workload_keys; k->name; k++) {
		snprintf(wanted, sizeof(wanted), "| `%s` |", k->name);
		if (!strstr(text, wanted))
			fail_msg("workloads/README.md has no row %s", wanted);
		for (size_t i = 0; k->kind == KEY_WORD && k->words[i]; i++) {
			snprintf(wanted, sizeof(wanted), "`%s`", k->words[i]);
			if (!strstr(text, wanted))
				fail_msg("workloads/README.md does not name %s of %s", wanted,
				         k->name);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_defaults_survive),
	        cmocka_unit_test(the_ends_of_every_range_survive),
	        cmocka_unit_test(every_word_survives),
	        cmocka_unit_test(the_longest_texts_survive),
	        cmocka_unit_test(every_sync_survives),
	        cmocka_unit_test(any_sizes_survive),
	        cmocka_unit_test(a_full_disk_is_noticed),
	        cmocka_unit_test(readme_names_every_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
