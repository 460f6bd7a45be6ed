/* Streams opened under another cipher or key than they were written under. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/block.h"
#include "store/rewrite.h"
#include "tests/fault/kill_files.h"
#include "tests/unit/store_make.h"

#define MESSAGES    UINT64_C(36)
#define PAYLOAD_MAX ((size_t)400)
#define BLOCK_BYTES 3000u
#define SECOND      INT64_C(1000000000)
#define NEW_KEY     "another key"

struct transition {
	const char *from, *to;
	int rotate;  /* to NEW_KEY */
	int convert; /* existing blocks */
};

static struct atr_store_options old_options(const struct transition *t)
{
	struct atr_store_options o = make_options(t->from);

	o.stream = "S";
	o.account = "$G";
	o.block_bytes = BLOCK_BYTES;
	o.existing_blocks = t->convert ? ATR_EXISTING_CONVERT : ATR_EXISTING_KEEP;
	o.key_ahead = -1;
	return o;
}

/* with_previous: also the old key. Blocks that stay may need it although the cipher is none. */
static struct atr_store_options new_options(const struct transition *t, int with_previous)
{
	struct atr_store_options o = old_options(t);

	o.cipher = atr_cipher_find(t->to, NULL);
	o.key = (const uint8_t *)(t->rotate ? NEW_KEY : MAKE_KEY);
	o.key_bytes = strlen((const char *)o.key);
	if (t->rotate && with_previous) {
		o.prev_key = (const uint8_t *)MAKE_KEY;
		o.prev_key_bytes = strlen(MAKE_KEY);
	}
	return o;
}

/* ---- a stream with two consumers, one of them half acknowledged ---- */

static void make_stream(const char *path, const struct transition *t)
{
	struct atr_store_options o = old_options(t);
	struct atr_store *store;
	struct atr_error err;

	assert_ok(atr_store_create(path, &o, &store, &err), &err);
	make_append(store, MESSAGES, PAYLOAD_MAX);
	assert_ok(atr_store_consumer_create(store, "half", "{\"ack_policy\":\"explicit\"}", &err),
	          &err);
	assert_ok(atr_store_consumer_create(store, "idle", "{\"ack_policy\":\"none\"}", &err),
	          &err);
	for (uint64_t s = 1; s <= 20; s++)
		assert_ok(atr_store_consumer_delivered(store, "half", s, s, 1,
		                                       (int64_t)(1700000000 + s) * SECOND, &err),
		          &err);
	for (uint64_t s = 1; s <= 20; s += 2)
		assert_ok(atr_store_consumer_ack(store, "half", s, s, &err), &err);
	assert_ok(atr_store_close(store, &err), &err);
}

/* 1 when everything is there. Returns 0 where it opens with less, or not at all, without failing
 * the test: the caller may have another key to try. */
static int opens_whole(const char *path, const struct atr_store_options *o, uint64_t messages)
{
	struct atr_store_consumer_state c;
	struct atr_reader *reader = NULL;
	struct atr_store *store;
	struct atr_error err;
	struct atr_message m;
	int whole = 0;

	if (atr_store_open(path, o, &store, &err) != ATR_OK)
		return 0;
	if (atr_reader_open(store, &reader, &err) != ATR_OK)
		goto done;
	for (uint64_t s = 1; s <= messages; s++) {
		if (atr_reader_next(reader, s, &m, &err) != ATR_OK || m.sequence != s)
			goto done;
		make_check(&m, s, PAYLOAD_MAX);
	}
	if (atr_reader_next(reader, messages + 1, &m, &err) != ATR_END)
		goto done;
	if (atr_store_consumer_state(store, "half", &c, &err) != ATR_OK ||
	    c.delivered_stream_seq != 20 || c.num_ack_pending != 10 || c.ack_floor_stream_seq != 1)
		goto done;
	whole = atr_store_consumer_state(store, "idle", &c, &err) == ATR_OK;
done:
	atr_reader_close(reader);
	(void)atr_store_close(store, &err);
	return whole;
}

static void check_whole(const char *path, const struct atr_store_options *o, uint64_t messages)
{
	struct atr_store *store;
	struct atr_error err;

	if (opens_whole(path, o, messages))
		return;
	assert_ok(atr_store_open(path, o, &store, &err), &err); /* says why */
	(void)atr_store_close(store, &err);
	fail_msg("%s: not whole", path);
}

/* Blocks under that cipher. */
static unsigned count_blocks(const char *path, const struct atr_store_options *o,
                             const char *cipher)
{
	const struct atr_keyring ring = {o->key, o->key_bytes, NULL, 0};
	char msgs[PATH_MAX + 8], blk[PATH_MAX + 40];
	struct atr_block_home home = {.files = &atr_file_real,
	                              .msgs_path = msgs,
	                              .account = "$G",
	                              .stream = "S",
	                              .ring = &ring};
	unsigned count = 0;

	(void)snprintf(msgs, sizeof msgs, "%s/msgs", path);
	for (uint64_t n = 1; n < 40; n++) {
		struct atr_error err;
		struct atr_seed seed;
		enum atr_status rc;

		(void)snprintf(blk, sizeof blk, "%s/%" PRIu64 ".blk", msgs, n);
		if (!fixture_exists(blk))
			continue;
		rc = atr_block_read_key(&home, n, &seed, &err);
		if (rc == ATR_ENOTFOUND) {
			count += strcmp(cipher, "none") == 0;
			continue;
		}
		assert_ok(rc, &err);
		count += strcmp(cipher, atr_cipher_name(seed.cipher)) == 0;
	}
	return count;
}

static void copy_tree(const char *from, const char *to)
{
	char command[4 * PATH_MAX];

	(void)snprintf(command, sizeof command, "rm -rf '%s' && cp -r '%s' '%s'", to, from, to);
	assert_int_equal(system(command), 0);
}

/* ---- tests ---- */

static void check_transition(const char *path, const struct transition *t)
{
	struct atr_store_options o = new_options(t, 1), after = new_options(t, 0);
	struct atr_store *store;
	struct atr_error err;
	unsigned blocks;
	uint64_t digest;

	make_stream(path, t);
	blocks = (unsigned)fixture_count(path, ".blk");
	assert_true(blocks > 2);
	check_whole(path, &o, MESSAGES);
	assert_int_equal(fixture_count(path, ".tmp"), 0);
	/* once is enough: no previous key, and nothing is left to do */
	check_whole(path, &after, MESSAGES);
	digest = fixture_digest(path);
	check_whole(path, &o, MESSAGES);
	assert_int_equal(fixture_digest(path), digest);
	assert_int_equal(count_blocks(path, &after, t->convert ? t->to : t->from), blocks);
	assert_int_equal(fixture_count(path, "meta.key"), atr_cipher_encrypts(o.cipher) ? 3 : 0);
	/* what is written next is under the new cipher */
	assert_ok(atr_store_open(path, &after, &store, &err), &err);
	make_append(store, 5, PAYLOAD_MAX);
	assert_ok(atr_store_close(store, &err), &err);
	check_whole(path, &after, MESSAGES + 5);
	assert_true(count_blocks(path, &after, t->to) >= 1);
}

static void every_transition_keeps_messages_and_consumers(void **state)
{
	for (unsigned i = 0; i < 36; i++) {
		const struct transition t = {make_ciphers[i / 12], make_ciphers[i / 4 % 3],
		                             (int)(i / 2 % 2), (int)(i % 2)};
		char path[PATH_MAX];

		(void)snprintf(path, sizeof path, "%s/%u", (const char *)*state, i);
		check_transition(path, &t);
	}
}

struct job {
	const char *path;
	struct atr_store_options options;
};

static int open_once(const struct atr_file_table *files, void *arg)
{
	struct job *job = arg;
	struct atr_store *store;

	job->options.files = files;
	if (atr_store_open(job->path, &job->options, &store, NULL) != ATR_OK)
		return -1;
	return atr_store_close(store, NULL) == ATR_OK ? 0 : -1;
}

/* Ended before each call that changes something: the stream opens under the old cipher and key or
 * under the new ones with everything in it, and the next opening finishes. */
static void kill_at_any_call_loses_nothing(void **state)
{
	static const struct transition transitions[] = {
	        {"none", "chachapoly", 0, 0}, {"none", "aes", 0, 1},
	        {"chachapoly", "aes", 0, 1},  {"aes", "aes", 1, 0},
	        {"aes", "chachapoly", 1, 1},  {"chachapoly", "none", 0, 1},
	        {"aes", "none", 0, 0},
	};
	char base[PATH_MAX], work[PATH_MAX], copy[PATH_MAX];
	unsigned old_seen = 0, new_seen = 0;

	(void)snprintf(work, sizeof work, "%s/work", (const char *)*state);
	(void)snprintf(copy, sizeof copy, "%s/copy", (const char *)*state);
	for (size_t i = 0; i < sizeof transitions / sizeof transitions[0]; i++) {
		const struct transition *t = &transitions[i];
		struct atr_store_options old = old_options(t), now = new_options(t, 1),
		                         after = new_options(t, 0);
		struct job job = {work, now};

		(void)snprintf(base, sizeof base, "%s/base%zu", (const char *)*state, i);
		make_stream(base, t);
		old.existing_blocks = ATR_EXISTING_KEEP;
		if (!t->rotate && old.key == NULL) {
			old.key = (const uint8_t *)MAKE_KEY; /* some blocks may need it already */
			old.key_bytes = strlen(MAKE_KEY);
		}
		for (unsigned long at = 1, killed = 1; killed; at++) {
			copy_tree(base, work);
			killed = (unsigned long)kill_files_run(at, open_once, &job);
			/* every third one also under the old cipher and key, before it is finished
			 */
			if ((at + i) % 3 == 0) {
				copy_tree(work, copy);
				if (opens_whole(copy, &old, MESSAGES)) {
					old_seen++;
				} else {
					copy_tree(work, copy);
					check_whole(copy, &after, MESSAGES);
					new_seen++;
				}
			}
			check_whole(work, &now, MESSAGES);
			check_whole(work, &after, MESSAGES);
			assert_int_equal(fixture_count(work, ".tmp"), 0);
			if (t->convert)
				assert_int_equal(count_blocks(work, &after, t->to),
				                 fixture_count(work, ".blk"));
		}
	}
	assert_true(old_seen > 20 && new_seen > 5);
}

static void wrong_or_missing_key_changes_nothing(void **state)
{
	const char *path = fixture_path(*state, "S");
	const struct transition t = {"aes", "aes", 0, 1};
	struct atr_store_options o = old_options(&t);
	struct atr_store *store;
	struct atr_error err;
	uint64_t digest;

	make_stream(path, &t);
	digest = fixture_digest(path);
	for (unsigned i = 0; i < 3; i++) {
		o.cipher = i == 0 ? NULL : atr_cipher_find(make_ciphers[i - 1], NULL);
		o.key = (const uint8_t *)"wrong";
		o.key_bytes = 5;
		assert_status(atr_store_open(path, &o, &store, &err), ATR_EAUTH, &err);
		assert_non_null(strstr(err.text, "message authentication failed"));
		assert_non_null(strstr(err.text, "unable to recover keys"));
		o.key = NULL;
		o.key_bytes = 0;
		assert_status(atr_store_open(path, &o, &store, &err), ATR_ENOKEY, &err);
		assert_non_null(strstr(err.text, "encryption not enabled"));
		assert_int_equal(fixture_digest(path), digest);
	}
	/* the right key, and the cipher that the stream has */
	check_whole(path,
	            &(struct atr_store_options){.stream = "S",
	                                        .account = "$G",
	                                        .key = (const uint8_t *)MAKE_KEY,
	                                        .key_bytes = strlen(MAKE_KEY),
	                                        .sync = ATR_SYNC_NONE},
	            MESSAGES);
}

/* The marker stands in subjects, payloads and configuration. */
static int holds(const char *path, const char *name, const char *marker)
{
	size_t bytes, marker_bytes = strlen(marker);
	uint8_t *content = fixture_read(fixture_path(path, name), &bytes);
	int found = 0;

	for (size_t i = 0; content != NULL && i + marker_bytes <= bytes && !found; i++)
		found = memcmp(content + i, marker, marker_bytes) == 0;
	free(content);
	return found;
}

static void nothing_readable_is_left_after_converting_to_a_cipher(void **state)
{
	const char *path = fixture_path(*state, "S");
	struct transition t = {"none", "chachapoly", 0, 1};
	struct atr_store_options o = old_options(&t);
	struct atr_store *store;
	struct atr_error err;

	o.config_json = "{\"subjects\":[\"geheim.*\"]}";
	assert_ok(atr_store_create(path, &o, &store, &err), &err);
	for (int i = 0; i < 100; i++) {
		const struct atr_message m = {.subject = "geheim.x",
		                              .subject_bytes = 8,
		                              .payload = (const uint8_t *)"sehr geheim",
		                              .payload_bytes = 11};

		assert_ok(atr_store_append(store, &m, NULL, &err), &err);
	}
	assert_ok(atr_store_close(store, &err), &err);
	assert_true(holds(path, "meta.inf", "geheim") && holds(path, "msgs/1.blk", "geheim"));
	o = new_options(&t, 0);
	assert_ok(atr_store_open(path, &o, &store, &err), &err);
	assert_ok(atr_store_close(store, &err), &err);
	assert_int_equal(fixture_count(path, ".key"), fixture_count(path, ".blk") + 1);
	assert_false(holds(path, "meta.inf", "geheim") || holds(path, "msgs/1.blk", "geheim") ||
	             holds(path, "msgs/2.blk", "geheim"));
}

static void consumer_under_the_previous_key_alone_is_taken_over(void **state)
{
	const char *path = fixture_path(*state, "S");
	char saved[PATH_MAX], obs[PATH_MAX];
	const struct transition t = {"aes", "aes", 1, 0};
	struct atr_store_options now = new_options(&t, 1), after = new_options(&t, 0);

	/* as servers leave it: the stream under the new key, the consumers under the old */
	make_stream(path, &t);
	(void)snprintf(saved, sizeof saved, "%s/saved", (const char *)*state);
	(void)snprintf(obs, sizeof obs, "%s/obs", path);
	copy_tree(obs, saved);
	check_whole(path, &now, MESSAGES);
	copy_tree(saved, obs);
	assert_false(opens_whole(path, &after, MESSAGES));
	check_whole(path, &now, MESSAGES);
	check_whole(path, &after, MESSAGES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(every_transition_keeps_messages_and_consumers,
	                                        fixture_setup, fixture_teardown),
	        cmocka_unit_test_setup_teardown(kill_at_any_call_loses_nothing, fixture_setup,
	                                        fixture_teardown),
	        cmocka_unit_test_setup_teardown(wrong_or_missing_key_changes_nothing, fixture_setup,
	                                        fixture_teardown),
	        cmocka_unit_test_setup_teardown(
	                nothing_readable_is_left_after_converting_to_a_cipher, fixture_setup,
	                fixture_teardown),
	        cmocka_unit_test_setup_teardown(consumer_under_the_previous_key_alone_is_taken_over,
	                                        fixture_setup, fixture_teardown),
	};

	fixture_prefer_memory();
	return cmocka_run_group_tests_name("adopt", tests, NULL, NULL);
}
