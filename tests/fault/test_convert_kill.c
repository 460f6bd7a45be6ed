/* test_convert_kill.c - conversions that are killed: afterwards the stream opens under the old or
 * the new key with every message and consumer, and the next conversion finishes and leaves nothing.
 *
 *   at every call    a child ends before its k-th changing call of the file layer, for all k; with
 *                    the two directories exchanged at once, and by renames
 *   at any moment    a child gets a real SIGKILL at a random moment: 20 for each of encrypt,
 * decrypt, change of the cipher, change of the key; ATREST_CONVERT_KILLS=N: N for each failing
 * calls    EIO, ENOSPC: the k-th call fails, for all k: the old stream untouched, or the new one
 * complete
 *
 * ATREST_KILL_SEED=N repeats a run's moments (they still fall differently).
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/fault/fault_files.h"
#include "tests/fault/kill_files.h"
#include "tests/unit/convert_make.h"
#include "tests/unit/store_make.h"

#define NEW_KEY "an0ther"

/* What is done. before and after: the key of the stream then; both are given while converting. */
static const struct kind {
	const char *name, *from, *to;
	const char *before, *after;
} kinds[] = {
        {"encrypt", "none", "aes", NULL, MAKE_KEY},
        {"decrypt", "chachapoly", "none", MAKE_KEY, NULL},
        {"cipher", "aes", "chachapoly", MAKE_KEY, MAKE_KEY},
        {"key", "chachapoly", "chachapoly", MAKE_KEY, NEW_KEY},
};

#define KINDS (sizeof kinds / sizeof kinds[0])

/* A stream as it was made, and where copies of it are converted. */
struct bench {
	const struct kind *kind;
	char made[PATH_MAX], store[PATH_MAX], dir[PATH_MAX], streams[PATH_MAX];
	struct atr_place place;
	char *text; /* what it says */
};

static struct convert_keys converting(const struct kind *k)
{
	if (k->before == NULL || k->after == NULL)
		return (struct convert_keys){MAKE_KEY, NULL};
	return (struct convert_keys){k->after, strcmp(k->before, k->after) != 0 ? k->before : NULL};
}

/* Blocks, gaps of several widths, a deleted end of a block, two consumers half acknowledged. */
static void make_store(const struct bench *b, uint64_t messages, size_t payload_max,
                       uint64_t block_bytes)
{
	struct atr_store_options o = make_options(b->kind->from);
	const char *config = "{\"ack_policy\":\"explicit\"}";
	struct atr_store *store;
	struct atr_error err;
	uint64_t sequence = 0;

	o.config_json = "{\"subjects\":[\"s.*\"]}";
	o.block_bytes = block_bytes;
	assert_ok(atr_store_create(make_stream_path(b->made), &o, &store, &err), &err);
	for (uint64_t i = 0; i < messages; i++) {
		struct atr_message m;

		sequence += i % 17 == 16 ? 4 : i == messages / 2 ? 100 : 1;
		m = make_message(sequence, payload_max);
		assert_ok(atr_store_append(store, &m, NULL, &err), &err);
	}
	for (const char *name = "CD"; *name != '\0'; name++) {
		const char one[2] = {*name, '\0'};

		assert_ok(atr_store_consumer_create(store, one, config, &err), &err);
		for (uint64_t s = 1; s < 9; s++)
			assert_ok(atr_store_consumer_delivered(store, one, s, s, 1,
			                                       INT64_C(1700000000000000000), &err),
			          &err);
		assert_ok(atr_store_consumer_ack(store, one, 3, 3, &err), &err);
	}
	assert_ok(atr_store_close(store, &err), &err);
}

static void bench_begin(struct bench *b, const char *root, const struct kind *kind,
                        uint64_t messages, size_t payload_max, uint64_t block_bytes)
{
	struct convert_keys keys = {kind->before, NULL};
	struct atr_error err;
	unsigned findings;

	memset(b, 0, sizeof *b);
	b->kind = kind;
	(void)snprintf(b->made, sizeof b->made, "%s", fixture_path(root, kind->name));
	(void)snprintf(b->store, sizeof b->store, "%s", fixture_path(root, "store"));
	(void)snprintf(b->streams, sizeof b->streams, "%s",
	               fixture_path(b->store, "jetstream/$G/streams"));
	make_store(b, messages, payload_max, block_bytes);
	(void)snprintf(b->dir, sizeof b->dir, "%s", make_stream_path(b->made));
	b->place = (struct atr_place){b->dir, "$G", "S"};
	assert_ok(convert_make_text(&b->place, &keys, &b->text, &findings, &err), &err);
	assert_int_equal(findings, 0);
	(void)snprintf(b->dir, sizeof b->dir, "%s", make_stream_path(b->store));
}

static void bench_copy(const struct bench *b)
{
	if (fixture_exists(b->store))
		fixture_remove(b->store);
	convert_make_copy(b->made, b->store);
}

static void bench_end(struct bench *b)
{
	free(b->text);
	fixture_remove(b->store);
	fixture_remove(b->made);
}

/* Everything is there, under the old keys or the new. Which: 1 the new. */
static int check_readable(const struct bench *b)
{
	struct convert_keys before = {b->kind->before, NULL}, after = {b->kind->after, NULL};
	struct atr_error err;
	unsigned findings;
	char *text;
	int is_new;

	is_new = convert_make_is(&b->place, &after, b->kind->to);
	assert_ok(convert_make_text(&b->place, is_new ? &after : &before, &text, &findings, &err),
	          &err);
	assert_int_equal(findings, 0);
	if (strcmp(text, b->text) != 0)
		print_message("found\n%s\nexpected\n%s\n", text, b->text);
	assert_true(strcmp(text, b->text) == 0);
	free(text);
	return is_new;
}

static int count_name(void *arg, const char *name)
{
	(void)name;
	++*(int *)arg;
	return 0;
}

/* The next conversion comes to its end, and nothing but the stream is there. */
static void check_finishes(const struct bench *b, struct atr_convert_result *result)
{
	struct convert_keys keys = converting(b->kind);
	struct atr_error err;
	int entries = 0;

	assert_ok(convert_make_run(NULL, &b->place, &keys, b->kind->to, ATR_CONVERT_AS_IS, result,
	                           &err),
	          &err);
	assert_int_equal(check_readable(b), 1);
	convert_make_verify(&b->place, b->kind->after, b->kind->to);
	assert_int_equal(atr_file_real.list(NULL, b->streams, count_name, &entries), 0);
	assert_int_equal(entries, 1);
	assert_int_equal(fixture_count(b->store, ".tmp"), 0);
}

/* ---- at every call ---- */

static uint64_t random_state;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

struct work {
	const struct bench *bench;
	int by_renames;
};

static int kill_exchange(void *context, const char *a, const char *b)
{
	struct kill_files *k = context;

	if (atomic_fetch_add(&k->calls, 1) + 1 == k->at)
		_exit(KILL_STATUS);
	return atr_file_real.exchange(NULL, a, b);
}

static int convert_in_child(const struct atr_file_table *files, void *arg)
{
	const struct work *w = arg;
	struct convert_keys keys = converting(w->bench->kind);
	struct atr_file_table table = *files;
	struct atr_convert_result result;

	table.exchange = w->by_renames ? NULL : kill_exchange;
	return convert_make_run(&table, &w->bench->place, &keys, w->bench->kind->to,
	                        ATR_CONVERT_AS_IS, &result, NULL) != ATR_OK;
}

static unsigned kills_wanted(void)
{
	const char *count = getenv("ATREST_CONVERT_KILLS");

	return count != NULL ? (unsigned)atoi(count) : 20;
}

/* Every call, or every third, beginning anywhere. */
static unsigned long first_call(int all)
{
	return all || kills_wanted() > 20 ? 1 : 1 + next_random() % 3;
}

static unsigned long step_of(int all)
{
	return all || kills_wanted() > 20 ? 1 : 3;
}

static void kill_at_every_call(const char *root, const struct kind *kind, int by_renames, int all)
{
	struct atr_convert_result result;
	unsigned long runs = 0, found_new = 0, resumed = 0, finished = 0, at = first_call(all);
	struct atr_error err;
	struct bench b;
	struct work w = {&b, by_renames};

	bench_begin(&b, root, kind, 24, 200, 1500);
	for (int killed = 1; killed; at += step_of(all), runs++) {
		bench_copy(&b);
		killed = kill_files_run(at, convert_in_child, &w);
		if (by_renames)
			assert_ok(atr_convert_recover(NULL, b.dir, &err), &err);
		found_new += (unsigned)check_readable(&b);
		check_finishes(&b, &result);
		resumed += (unsigned)result.resumed;
		finished += (unsigned)result.finished;
		assert_true(!killed || result.already >= result.finished);
	}
	print_message("%-8s %s: %lu kills, new after %lu, resumed %lu, finished %lu\n", kind->name,
	              by_renames ? "by renames" : "exchanged ", runs - 1, found_new, resumed,
	              finished);
	assert_true(runs > 25 && found_new > 5 && resumed > 10 && finished > 5);
	bench_end(&b);
}

static void a_kill_at_any_call_leaves_the_old_or_the_new_stream(void **state)
{
	for (size_t i = 0; i < KINDS; i++) {
		kill_at_every_call(*state, &kinds[i], 0, i == 3);
		if (i % 2 == 0 || kills_wanted() > 20)
			kill_at_every_call(*state, &kinds[i], 1, 0);
	}
}

/* ---- at any moment ---- */

static uint64_t now_us(void)
{
	return atr_file_real.monotonic_ns(NULL) / 1000;
}

/* 1: it was killed; 0: it had come to its end before. */
static int kill_after_us(const struct bench *b, uint64_t us)
{
	struct convert_keys keys = converting(b->kind);
	struct timespec pause = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
	struct atr_convert_result result;
	int status;
	pid_t child;

	(void)fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(convert_make_run(NULL, &b->place, &keys, b->kind->to, ATR_CONVERT_AS_IS,
		                       &result, NULL) != ATR_OK);
	}
	(void)nanosleep(&pause, NULL);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status))
		return 1;
	assert_int_equal(WEXITSTATUS(status), 0);
	return 0;
}

static void kill_at_random(const char *root, const struct kind *kind, unsigned kills)
{
	unsigned done = 0, runs = 0, found_new = 0, resumed = 0;
	struct atr_convert_result result;
	struct bench b;
	uint64_t took_us;

	bench_begin(&b, root, kind, 1000, 1500, 60000);
	bench_copy(&b);
	took_us = now_us();
	check_finishes(&b, &result);
	took_us = now_us() - took_us;
	for (; done < kills && runs < 4 * kills; runs++) {
		uint64_t us = next_random() % took_us;
		int killed;

		bench_copy(&b);
		killed = kill_after_us(&b, us);
		done += (unsigned)killed;
		/* how long one takes follows what else the machine does */
		took_us = killed ? took_us + took_us / 8 : us + 1;
		found_new += (unsigned)check_readable(&b);
		check_finishes(&b, &result);
		resumed += (unsigned)result.resumed;
	}
	print_message("%-8s %u kills of %u runs: new after %u, resumed %u\n", kind->name, done,
	              runs, found_new, resumed);
	assert_int_equal(done, kills);
	bench_end(&b);
}

static void a_kill_at_any_moment_leaves_the_old_or_the_new_stream(void **state)
{
	for (size_t i = 0; i < KINDS; i++)
		kill_at_random(*state, &kinds[i], kills_wanted());
}

/* ---- failing calls ---- */

static void fail_at_every_call(const char *root, const struct kind *kind, int error_number,
                               int sticky, int by_renames, int all)
{
	struct convert_keys keys = converting(kind);
	struct atr_convert_result result;
	unsigned long runs = 0, refused = 0, at = first_call(all);
	struct atr_error err;
	struct bench b;

	bench_begin(&b, root, kind, 16, 200, 1500);
	for (int failed = 1; failed; at += step_of(all), runs++) {
		struct fault_files f;
		enum atr_status rc;
		uint64_t untouched;
		int before, entries = 0;

		bench_copy(&b);
		untouched = fixture_digest(b.store);
		before = fixture_descriptors();
		fault_files_init(&f, FAULT_ERROR, error_number, at, sticky);
		if (by_renames)
			f.table.exchange = NULL;
		rc = convert_make_run(&f.table, &b.place, &keys, kind->to, ATR_CONVERT_AS_IS,
		                      &result, &err);
		failed = atomic_load(&f.failed) > 0;
		assert_int_equal(fixture_descriptors(), before);
		assert_true(failed || rc == ATR_OK);
		if (by_renames)
			assert_ok(atr_convert_recover(NULL, b.dir, &err), &err);
		/* an error: nothing has changed, or all but the removal of the old one is done */
		if (!check_readable(&b)) {
			assert_int_not_equal(rc, ATR_OK);
			assert_int_equal(atr_file_real.list(NULL, b.streams, count_name, &entries),
			                 0);
			assert_int_equal(entries, 1);
			assert_int_equal(fixture_digest(b.store), untouched);
			refused++;
		}
		check_finishes(&b, &result);
	}
	print_message("%-8s %s%s%s: %lu failures, %lu refused and untouched\n", kind->name,
	              strerror(error_number), sticky ? ", and all later ones" : "",
	              by_renames ? ", by renames" : "", runs - 1, refused);
	assert_true(runs > 50 && refused > 20);
	bench_end(&b);
}

static void a_failing_call_leaves_the_old_stream_untouched_or_the_new_one_complete(void **state)
{
	fail_at_every_call(*state, &kinds[0], ENOSPC, 1, 0, 0);
	fail_at_every_call(*state, &kinds[1], EIO, 0, 0, 1);
	fail_at_every_call(*state, &kinds[2], EIO, 0, 1, 0);
	fail_at_every_call(*state, &kinds[3], ENOSPC, 0, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(a_kill_at_any_call_leaves_the_old_or_the_new_stream,
	                                        fixture_setup, fixture_teardown),
	        cmocka_unit_test_setup_teardown(
	                a_kill_at_any_moment_leaves_the_old_or_the_new_stream, fixture_setup,
	                fixture_teardown),
	        cmocka_unit_test_setup_teardown(
	                a_failing_call_leaves_the_old_stream_untouched_or_the_new_one_complete,
	                fixture_setup, fixture_teardown),
	};
	const char *seed = getenv("ATREST_KILL_SEED");

	fixture_prefer_memory();
	random_state = seed != NULL ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL) ^ 0x9e3779b9;
	if (random_state == 0)
		random_state = 1;
	print_message("ATREST_KILL_SEED=%" PRIu64 "\n", random_state);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
