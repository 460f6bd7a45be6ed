/* test_convert_copy.c - conversions: what becomes of deleted sequences and the last one, what is
 * refused, what is gone on with.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fault/kill_files.h"
#include "tests/unit/convert_make.h"
#include "tests/unit/store_make.h"

#define CONFIG "{\"subjects\":[\"s.*\"]}"

static const struct convert_keys the_key = {MAKE_KEY, NULL};

/* Messages at these sequences (0 ends), 30 a block at most. */
static void make_at(const char *dir, const char *cipher, const uint64_t *sequence)
{
	struct atr_store_options o = make_options(cipher);
	struct atr_store *store;
	struct atr_error err;

	o.config_json = CONFIG;
	o.block_bytes = 3000;
	assert_ok(atr_store_create(make_stream_path(dir), &o, &store, &err), &err);
	for (; *sequence != 0; sequence++) {
		struct atr_message m = make_message(*sequence, 100);

		assert_ok(atr_store_append(store, &m, NULL, &err), &err);
	}
	assert_ok(atr_store_close(store, &err), &err);
}

static struct atr_place place_of(const char *dir)
{
	static char path[PATH_MAX];

	(void)snprintf(path, sizeof path, "%s", make_stream_path(dir));
	return (struct atr_place){path, "$G", "S"};
}

static char *text_of(const struct atr_place *place)
{
	struct atr_error err;
	unsigned findings;
	char *text;

	assert_ok(convert_make_text(place, &the_key, &text, &findings, &err), &err);
	assert_int_equal(findings, 0);
	return text;
}

/* Converts, and what the stream says is the same. */
static struct atr_convert_result same_as(const struct atr_place *place, const char *cipher,
                                         enum atr_convert_for wanted_for)
{
	char *before = text_of(place), *after;
	struct atr_convert_result result;
	struct atr_error err;

	assert_ok(convert_make_run(NULL, place, &the_key, cipher, wanted_for, &result, &err), &err);
	after = text_of(place);
	assert_string_equal(before, after);
	free(before);
	free(after);
	return result;
}

static off_t size_of(const struct atr_place *place, const char *name)
{
	struct stat st;

	return stat(fixture_path(place->dir, name), &st) == 0 ? st.st_size : -1;
}

static void short_gaps_become_placeholders_and_wide_ones_a_new_block(void **state)
{
	static const uint64_t sequence[] = {1, 2, 66, 67, 133, 134, 0}; /* 63 and 65 missing */
	struct atr_place place = place_of(*state);
	struct atr_convert_result result;
	off_t clear;

	make_at(*state, "none", sequence);
	clear = size_of(&place, "msgs/1.blk");
	result = same_as(&place, "aes", ATR_CONVERT_AS_IS);
	assert_string_equal(result.from, "none");
	assert_string_equal(result.to, "aes");
	assert_int_equal(result.messages, 6);
	assert_int_equal(result.blocks_after, 2);
	/* as our own store puts them down */
	assert_int_equal(result.bytes_after, result.bytes_before);
	assert_int_equal(size_of(&place, "msgs/1.blk"), clear);
	assert_true(clear > 63 * 30);
	assert_int_equal(size_of(&place, "msgs/1.key"), 64);
	assert_int_equal(size_of(&place, "msgs/2.key"), 64);
}

/* What is written for last sequences that are deleted: placeholders behind the last message, a
 * block of its own where that would be too many, and where there is no message at all. */
static void a_deleted_last_sequence_stays_the_last(void **state)
{
	static const struct {
		uint64_t sequence[4]; /* the last one is removed */
		uint64_t blocks;
	} cases[] = {{{1, 2, 3, 0}, 1}, {{1, 2, 60000, 0}, 1}, {{1, 2, 100000, 0}, 2}, {{7, 0}, 1}};
	unsigned idx_blocks = 0;

	for (size_t i = 0; i < 8; i++) {
		const uint64_t *sequence = cases[i / 2].sequence;
		enum atr_convert_for wanted_for = i % 2 ? ATR_CONVERT_2_9 : ATR_CONVERT_2_10;
		struct atr_store_options o = make_options("aes");
		struct atr_convert_result result;
		struct atr_place place;
		struct atr_store *store;
		struct atr_error err;
		char dir[PATH_MAX];
		uint64_t last = 0;

		(void)snprintf(dir, sizeof dir, "%.4000s/%zu", (const char *)*state, i);
		place = place_of(dir);
		make_at(dir, "aes", sequence);
		while (*sequence != 0)
			last = *sequence++;
		assert_ok(atr_store_open(place.dir, &o, &store, &err), &err);
		assert_ok(atr_store_delete(store, last, &err), &err);
		assert_ok(atr_store_close(store, &err), &err);
		result = same_as(&place, "chachapoly", wanted_for);
		assert_int_equal(result.blocks_after, cases[i / 2].blocks);
		convert_make_verify(&place, MAKE_KEY, "chachapoly");

		o.cipher = atr_cipher_find("chachapoly", NULL);
		assert_ok(atr_store_open(place.dir, &o, &store, &err), &err);
		make_append(store, 1, 100); /* gets last + 1, or fails */
		assert_ok(atr_store_close(store, &err), &err);
		/* nothing more under the nonce of an idx */
		for (unsigned number = 1; number < 5; number++) {
			char name[32];

			(void)snprintf(name, sizeof name, "msgs/%u.idx", number);
			if (size_of(&place, name) < 0)
				continue;
			(void)snprintf(name, sizeof name, "msgs/%u.blk", number);
			assert_int_equal(size_of(&place, name), 0);
			idx_blocks++;
		}
	}
	assert_int_equal(idx_blocks, 2);
}

static void what_is_as_asked_is_left_alone(void **state)
{
	static const uint64_t sequence[] = {1, 2, 3, 0};
	struct atr_place place = place_of(*state);
	struct atr_convert_result result;
	uint64_t before;

	make_at(*state, "aes", sequence);
	(void)same_as(&place, "chachapoly", ATR_CONVERT_2_9);
	before = fixture_digest(*state);
	result = same_as(&place, "chachapoly", ATR_CONVERT_2_9);
	assert_int_equal(result.already, 1);
	result = same_as(&place, NULL, ATR_CONVERT_2_10);
	assert_int_equal(result.already, 1);
	assert_int_equal(fixture_digest(*state), before);
}

static void a_dry_run_reads_everything_and_changes_nothing(void **state)
{
	static const uint64_t sequence[] = {1, 2, 3, 500, 501, 0};
	struct atr_place place = place_of(*state);
	struct atr_inspect_options options = {
	        .key = (const uint8_t *)MAKE_KEY, .key_bytes = strlen(MAKE_KEY), .exclusive = 1};
	struct atr_convert_options how = {.cipher = atr_cipher_find("none", NULL), .dry_run = 1};
	struct atr_convert_result result;
	struct atr_inspect *in;
	struct atr_error err;
	uint64_t before;

	make_at(*state, "aes", sequence);
	before = fixture_digest(*state);
	assert_ok(atr_inspect_open(place.dir, &options, &in, &err), &err);
	assert_ok(atr_convert(in, &how, &result, &err), &err);
	atr_inspect_close(in);
	assert_int_equal(result.messages, 5);
	assert_string_equal(result.from, "aes");
	assert_int_equal(fixture_digest(*state), before);
}

static int little_space(void *context, const char *path, uint64_t *bytes)
{
	(void)context;
	(void)path;
	*bytes = 1000;
	return 0;
}

static void too_little_space_is_told_with_both_figures(void **state)
{
	static const uint64_t sequence[] = {1, 2, 3, 0};
	struct atr_place place = place_of(*state);
	struct atr_file_table files = atr_file_real;
	struct atr_convert_result result;
	struct atr_error err;
	uint64_t before;

	make_at(*state, "aes", sequence);
	files.free_bytes = little_space;
	before = fixture_digest(*state);
	assert_status(convert_make_run(&files, &place, &the_key, "none", ATR_CONVERT_AS_IS, &result,
	                               &err),
	              ATR_ENOSPC, &err);
	assert_non_null(strstr(err.text, "1000 are free"));
	assert_int_equal(fixture_digest(*state), before);
}

static void a_stream_that_is_being_read_is_locked(void **state)
{
	static const uint64_t sequence[] = {1, 0};
	struct atr_place place = place_of(*state);
	struct atr_inspect_options options = {.key = (const uint8_t *)MAKE_KEY,
	                                      .key_bytes = strlen(MAKE_KEY)};
	struct atr_convert_result result;
	struct atr_inspect *reader;
	struct atr_error err;

	make_at(*state, "aes", sequence);
	assert_ok(atr_inspect_open(place.dir, &options, &reader, &err), &err);
	assert_status(
	        convert_make_run(NULL, &place, &the_key, "none", ATR_CONVERT_AS_IS, &result, &err),
	        ATR_ELOCKED, &err);
	atr_inspect_close(reader);
}

static void encrypting_without_a_key_is_refused(void **state)
{
	static const uint64_t sequence[] = {1, 0};
	static const struct convert_keys none = {NULL, NULL};
	struct atr_place place = place_of(*state);
	struct atr_convert_result result;
	struct atr_error err;

	make_at(*state, "none", sequence);
	assert_status(
	        convert_make_run(NULL, &place, &none, "aes", ATR_CONVERT_AS_IS, &result, &err),
	        ATR_ENOKEY, &err);
}

static int convert_in_child(const struct atr_file_table *files, void *arg)
{
	const struct atr_place *place = arg;
	struct atr_convert_result result;

	return convert_make_run(files, place, &the_key, "aes", ATR_CONVERT_AS_IS, &result, NULL) !=
	       ATR_OK;
}

/* A kill left half a copy; then the stream went on. */
static void a_stream_that_changed_since_is_not_mixed_with_the_old_copy(void **state)
{
	struct atr_store_options o = make_options("none");
	struct atr_place place = place_of(*state);
	struct atr_convert_result result;
	struct atr_store *store;
	struct atr_error err;
	uint64_t sequence[101] = {0};

	for (uint64_t i = 0; i < 100; i++)
		sequence[i] = i + 1;
	make_at(*state, "none", sequence);
	assert_int_equal(kill_files_run(40, convert_in_child, &place), 1);
	assert_ok(atr_store_open(place.dir, &o, &store, &err), &err);
	make_append(store, 100, 100);
	assert_ok(atr_store_close(store, &err), &err);
	result = same_as(&place, "aes", ATR_CONVERT_AS_IS);
	assert_int_equal(result.messages, 200);
	convert_make_verify(&place, MAKE_KEY, "aes");
}

/* The copy's own blocks are looked at too: one that was changed is not kept. */
static void a_copy_that_was_damaged_is_made_anew(void **state)
{
	struct atr_place place = place_of(*state);
	struct atr_convert_result result;
	uint64_t sequence[101] = {0};
	const char *block = fixture_path(*state, "jetstream/$G/streams/.convert-S/msgs/1.blk");
	uint8_t byte = 0;
	int fd;

	for (uint64_t i = 0; i < 100; i++)
		sequence[i] = i + 1;
	make_at(*state, "none", sequence);
	assert_int_equal(kill_files_run(40, convert_in_child, &place), 1);
	fd = open(block, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, 100), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, 100), 1);
	(void)close(fd);
	result = same_as(&place, "aes", ATR_CONVERT_AS_IS);
	assert_int_equal(result.messages, 100);
	assert_int_equal(result.resumed, 0);
	assert_int_equal(result.blocks_kept, 0);
	convert_make_verify(&place, MAKE_KEY, "aes");
}

/* Where the directories were being renamed one after the other. */
static enum atr_status count_place(void *arg, const struct atr_place *place, struct atr_error *err)
{
	(void)err;
	assert_string_equal(place->stream, "S");
	++*(int *)arg;
	return ATR_OK;
}

static void a_stream_between_two_renames_is_found_and_put_back(void **state)
{
	static const uint64_t sequence[] = {1, 2, 3, 0};
	struct atr_place place = place_of(*state);
	struct atr_error err;
	char from[PATH_MAX], to[PATH_MAX], *text, *after;
	int places = 0;

	make_at(*state, "aes", sequence);
	text = text_of(&place);
	(void)snprintf(from, sizeof from, "%s", place.dir);
	assert_true(snprintf(to, sizeof to, "%s.convert-new", place.dir) < (int)sizeof to);
	assert_int_equal(rename(from, to), 0);
	assert_ok(atr_discover(NULL, *state, NULL, NULL, count_place, &places, &err), &err);
	assert_int_equal(places, 1);
	assert_ok(atr_convert_recover(NULL, place.dir, &err), &err);
	after = text_of(&place);
	assert_string_equal(text, after);
	free(text);
	free(after);
}

static void the_owner_stays(void **state)
{
	static const uint64_t sequence[] = {1, 2, 3, 0};
	struct atr_place place = place_of(*state);
	struct stat st;

	if (geteuid() != 0)
		skip();
	make_at(*state, "aes", sequence);
	assert_int_equal(chown(place.dir, 4321, 1234), 0);
	(void)same_as(&place, "chachapoly", ATR_CONVERT_AS_IS);
	assert_int_equal(stat(fixture_path(place.dir, "msgs/1.blk"), &st), 0);
	assert_int_equal(st.st_uid, 4321);
	assert_int_equal(st.st_gid, 1234);
	assert_int_equal(stat(place.dir, &st), 0);
	assert_int_equal(st.st_uid, 4321);
}

static void a_consumer_without_state_gets_one_unless_it_starts_elsewhere(void **state)
{
	static const uint64_t sequence[] = {1, 2, 3, 0};
	struct atr_store_options o = make_options("aes");
	struct atr_place place = place_of(*state);
	struct atr_store *store;
	struct atr_error err;

	make_at(*state, "aes", sequence);
	assert_ok(atr_store_open(place.dir, &o, &store, &err), &err);
	assert_ok(atr_store_consumer_create(store, "ALL", "{}", &err), &err);
	assert_ok(atr_store_consumer_create(store, "NEW", "{\"deliver_policy\":\"new\"}", &err),
	          &err);
	assert_ok(atr_store_close(store, &err), &err);
	(void)unlink(fixture_path(place.dir, "obs/ALL/o.dat"));
	(void)unlink(fixture_path(place.dir, "obs/NEW/o.dat"));
	(void)same_as(&place, "chachapoly", ATR_CONVERT_AS_IS);
	assert_int_equal(size_of(&place, "obs/ALL/o.dat"), 24 + 8 + 16);
	assert_int_equal(size_of(&place, "obs/NEW/o.dat"), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(short_gaps_become_placeholders_and_wide_ones_a_new_block),
	        TEST(a_deleted_last_sequence_stays_the_last),
	        TEST(what_is_as_asked_is_left_alone),
	        TEST(a_dry_run_reads_everything_and_changes_nothing),
	        TEST(too_little_space_is_told_with_both_figures),
	        TEST(a_stream_that_is_being_read_is_locked),
	        TEST(encrypting_without_a_key_is_refused),
	        TEST(a_stream_that_changed_since_is_not_mixed_with_the_old_copy),
	        TEST(a_copy_that_was_damaged_is_made_anew),
	        TEST(a_stream_between_two_renames_is_found_and_put_back),
	        TEST(the_owner_stays),
	        TEST(a_consumer_without_state_gets_one_unless_it_starts_elsewhere),
	};

	fixture_prefer_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
