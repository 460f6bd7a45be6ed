/* test_repair_command.c - `atrest stream repair` on copies of what servers wrote, damaged in every
 * way that it knows: afterwards verify finds nothing, what was readable is there to the byte, the
 * deleted stays deleted, the last sequence stays, and the original is kept as it was.
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/block.h"
#include "store/rewrite.h"
#include "tests/compat/fixture_copy.h"
#include "tests/unit/store_fixture.h"

/* What a dump says, by sequence and by consumer. */
struct contents_map {
	json_t *message;  /* "17": text of the line */
	json_t *deleted;  /* "18": true */
	json_t *consumer; /* name: text */
	json_int_t last_seq;
};

static void take_line(struct contents_map *map, json_t *line)
{
	const char *type = json_string_value(json_object_get(line, "type"));
	char key[32], *text;

	snprintf(key, sizeof key, "%lld",
	         (long long)json_integer_value(json_object_get(line, "seq")));
	json_object_del(line, "cipher");
	json_object_del(line, "maybe_deleted");
	text = json_dumps(line, JSON_COMPACT | JSON_SORT_KEYS);
	if (strcmp(type, "msg") == 0)
		json_object_set_new(map->message, key, json_string(text));
	if (strcmp(type, "deleted") == 0)
		json_object_set_new(map->deleted, key, json_true());
	if (strcmp(type, "consumer") == 0)
		json_object_set_new(map->consumer,
		                    json_string_value(json_object_get(line, "consumer")),
		                    json_string(text));
	if (strcmp(type, "state") == 0)
		map->last_seq = json_integer_value(json_object_get(line, "last_seq"));
	free(text);
}

static int read_contents(struct contents_map *map, const struct fixture_copy *c)
{
	struct program_result r;
	const char *at;
	int code;

	*map = (struct contents_map){json_object(), json_object(), json_object(), 0};
	fixture_run(&r, c->key, "dump", "--json", "--payload", "--stream",
	            strrchr(c->stream, '/') + 1, c->store);
	for (at = r.out; *at != '\0';) {
		size_t n = strcspn(at, "\n");
		json_t *line = json_loadb(at, n, 0, NULL);

		assert_non_null(line);
		take_line(map, line);
		json_decref(line);
		at += n + (at[n] == '\n');
	}
	code = r.code;
	program_free(&r);
	return code;
}

static void free_contents(struct contents_map *map)
{
	json_decref(map->message);
	json_decref(map->deleted);
	json_decref(map->consumer);
}

/* Messages of before that after has not; those that it has are the same, and there is no other. */
static size_t missing_messages(const struct contents_map *before, const struct contents_map *after,
                               long long first, long long last)
{
	const char *key;
	json_t *value;
	size_t missing = 0;

	json_object_foreach(before->message, key, value)
	{
		const json_t *now = json_object_get(after->message, key);

		if (now == NULL) {
			missing++;
			if (atoll(key) < first || atoll(key) > last)
				fail_msg("sequence %s is lost, expected %lld to %lld at most", key,
				         first, last);
		} else if (!json_equal(now, value)) {
			fail_msg("sequence %s differs", key);
		}
	}
	json_object_foreach(after->message, key,
	                    value) if (json_object_get(before->message, key) == NULL)
	        fail_msg("sequence %s was not there before", key);
	json_object_foreach(before->deleted, key,
	                    value) if (json_object_get(after->message, key) != NULL)
	        fail_msg("sequence %s was deleted and is back", key);
	return missing;
}

/* The damaged stream as it is, for later. */
static void keep_copy(const struct fixture_copy *c, char kept[PATH_MAX])
{
	char command[3 * PATH_MAX];

	assert_true(snprintf(kept, PATH_MAX, "%s.kept", c->store) < PATH_MAX);
	assert_true(snprintf(command, sizeof command, "rm -rf '%s' && cp -r '%s' '%s'", kept,
	                     c->stream, kept) < (int)sizeof command);
	assert_int_equal(system(command), 0);
}

/* The original is kept, to the byte, and there is nothing else beside the stream. */
static void check_aside(const struct fixture_copy *c, const char *kept)
{
	char pattern[PATH_MAX + 16], command[3 * PATH_MAX];
	glob_t found;

	snprintf(pattern, sizeof pattern, "%s.damaged-*", c->stream);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	assert_int_equal(found.gl_pathc, 1);
	snprintf(command, sizeof command, "diff -r '%s' '%s'", kept, found.gl_pathv[0]);
	assert_int_equal(system(command), 0);
	globfree(&found);
	snprintf(pattern, sizeof pattern, "%.4000s/../.repair-*", c->stream);
	assert_int_equal(glob(pattern, 0, NULL, &found), GLOB_NOMATCH);
}

/* Repairs the damaged copy. healthy: what it held. The lost messages lie in first..last, as many as
 * lost. text: what the output says; NULL = not looked at. */
static void repair_and_check(const struct fixture_copy *c, const struct contents_map *healthy,
                             size_t lost, long long first, long long last, const char *text)
{
	uint64_t damaged = fixture_digest(c->stream);
	struct contents_map after;
	struct program_result r;
	char kept[PATH_MAX];

	keep_copy(c, kept);

	fixture_run(&r, c->key, "verify", "--allow-clear", c->store, NULL, NULL, NULL);
	if (strstr(text != NULL ? text : "", "torn tail") == NULL)
		assert_int_equal(r.code, 5);
	program_free(&r);
	fixture_run(&r, c->key, "repair", "--dry-run", c->store, NULL, NULL, NULL);
	assert_int_equal(r.code, 0);
	assert_non_null(strstr(r.out, "would be repaired"));
	assert_int_equal(fixture_digest(c->stream), damaged);
	program_free(&r);
	fixture_run(&r, c->key, "repair", c->store, NULL, NULL, NULL, NULL);
	if (r.code != 0 || (text != NULL && strstr(r.out, text) == NULL))
		fail_msg("exit %d: %s%s", r.code, r.out, r.err);
	program_free(&r);
	fixture_run(&r, c->key, "verify", "--allow-clear", c->store, NULL, NULL, NULL);
	if (r.code != 0)
		fail_msg("exit %d: %s%s", r.code, r.out, r.err);
	program_free(&r);
	assert_int_equal(read_contents(&after, c), 0);
	assert_int_equal(missing_messages(healthy, &after, first, last), lost);
	assert_int_equal(after.last_seq, healthy->last_seq);
	check_aside(c, kept);
	/* a second one has nothing to do */
	fixture_run(&r, c->key, "repair", c->store, NULL, NULL, NULL, NULL);
	assert_int_equal(r.code, 0);
	assert_non_null(strstr(r.out, "nothing to repair"));
	program_free(&r);
	free_contents(&after);
}

static long bytes_of(const struct fixture_copy *c, const char *name)
{
	struct stat st;

	assert_int_equal(stat(fixture_path(c->stream, name), &st), 0);
	return (long)st.st_size;
}

static void begin(struct fixture_copy *c, struct contents_map *healthy, const char *name,
                  const char *dir)
{
	fixture_copy(c, name, dir, "s");
	assert_int_equal(read_contents(healthy, c), 0);
}

static void a_damaged_record_costs_itself(void **state)
{
	static const char *const names[] = {
	        "nats-2.15.1/basic-aes",           "nats-2.15.1/basic-plain",
	        "nats-2.10.27/basic-chacha",       "nats-2.9.10/basic-chacha",
	        "nats-2.9.10/basic-plain",         "nats-2.10.27/kill-aes",
	        "nats-2.15.1/convert-plain-chacha"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct fixture_copy c;
		struct contents_map healthy;

		begin(&c, &healthy, names[i], *state);
		fixture_flip(c.stream, "msgs/1.blk", bytes_of(&c, "msgs/1.blk") / 2);
		repair_and_check(&c, &healthy, 1, 1, healthy.last_seq, "1 message lost");
		free_contents(&healthy);
	}
}

static void deleted_messages_stay_deleted(void **state)
{
	static const char *const names[] = {"nats-2.15.1/deletes-aes", "nats-2.15.1/deletes-plain",
	                                    "nats-2.10.27/deletes-chacha",
	                                    "nats-2.9.10/deletes-aes", "nats-2.10.27/purges-aes"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct fixture_copy c;
		struct contents_map healthy, now;
		size_t lost;
		char first[PATH_MAX];
		glob_t found;

		begin(&c, &healthy, names[i], *state);
		snprintf(first, sizeof first, "%.4000s/msgs/*.blk", c.stream);
		assert_int_equal(glob(first, 0, NULL, &found), 0);
		snprintf(first, sizeof first, "msgs/%s",
		         strrchr(found.gl_pathv[found.gl_pathc - 1], '/') + 1);
		globfree(&found);
		fixture_flip(c.stream, first, bytes_of(&c, first) * 3 / 4);
		(void)read_contents(&now, &c);
		lost = json_object_size(healthy.message) - json_object_size(now.message);
		free_contents(&now);
		assert_true(lost <= 1); /* none, when the damaged record was a deleted one */
		repair_and_check(&c, &healthy, lost, 1, healthy.last_seq, NULL);
		free_contents(&healthy);
	}
}

/* A block without damage, of which index.db alone knows the deletions, and index.db has to go. */
static void deletions_outlive_the_state_file_that_knew_them(void **state)
{
	struct fixture_copy c;
	struct contents_map healthy;

	begin(&c, &healthy, "nats-2.10.27/purges-aes", *state);
	fixture_write(fixture_path(c.stream, "msgs/99.blk"), "", 0);
	repair_and_check(&c, &healthy, 0, 0, 0, "only a state file that goes knew its deletions");
	free_contents(&healthy);
}

static void a_lost_block_key_costs_its_block(void **state)
{
	struct fixture_copy c;
	struct contents_map healthy, now;
	size_t lost;

	begin(&c, &healthy, "nats-2.9.10/multiblock-chacha", *state);
	assert_int_equal(unlink(fixture_path(c.stream, "msgs/5.key")), 0);
	(void)read_contents(&now, &c);
	lost = json_object_size(healthy.message) - json_object_size(now.message);
	assert_true(lost > 1 && lost < 60);
	free_contents(&now);
	repair_and_check(&c, &healthy, lost, 1, healthy.last_seq, "5.blk: sequences ");
	free_contents(&healthy);
	/* the only block: the last sequence is kept by a placeholder */
	begin(&c, &healthy, "nats-2.15.1/basic-aes", *state);
	fixture_flip(c.stream, "msgs/1.key", 30);
	repair_and_check(&c, &healthy, json_object_size(healthy.message), 1, healthy.last_seq,
	                 "so that the last sequence stays 42");
	free_contents(&healthy);
}

static void an_emptied_block_costs_its_messages(void **state)
{
	struct fixture_copy c;
	struct contents_map healthy, now;

	begin(&c, &healthy, "nats-2.15.1/partial-chacha", *state);
	fixture_write(fixture_path(c.stream, "msgs/2.blk"), "", 0);
	(void)read_contents(&now, &c);
	repair_and_check(&c, &healthy,
	                 json_object_size(healthy.message) - json_object_size(now.message), 1, 70,
	                 "2.blk: sequences 36 to 68");
	free_contents(&healthy);
	free_contents(&now);
}

static void a_torn_tail_is_cut(void **state)
{
	struct fixture_copy c;
	struct contents_map healthy;
	uint8_t *content;
	size_t bytes;

	begin(&c, &healthy, "nats-2.10.27/kill-chacha", *state);
	/* the beginning of a record that was never acknowledged */
	content = fixture_read(fixture_path(c.stream, "msgs/1.blk"), &bytes);
	content = realloc(content, bytes + 7);
	memset(content + bytes, 0x5a, 7);
	fixture_write(fixture_path(c.stream, "msgs/1.blk"), content, bytes + 7);
	free(content);
	repair_and_check(&c, &healthy, 0, 0, 0, "torn tail");
	free_contents(&healthy);
}

static void a_damaged_state_file_is_set_aside(void **state)
{
	struct fixture_copy c;
	struct contents_map healthy;

	begin(&c, &healthy, "nats-2.15.1/basic-aes", *state);
	fixture_flip(c.stream, "msgs/index.db", 60);
	repair_and_check(&c, &healthy, 0, 0, 0, "msgs/index.db: set aside");
	free_contents(&healthy);
	begin(&c, &healthy, "nats-2.9.10/basic-aes", *state);
	fixture_flip(c.stream, "msgs/1.idx", 5);
	repair_and_check(&c, &healthy, 0, 0, 0, "msgs/1.idx: set aside");
	free_contents(&healthy);
}

static void lost_meta_files_are_written_anew(void **state)
{
	static const char *const files[] = {"meta.sum", "meta.key", "meta.inf"};
	static const char *const names[] = {"nats-2.15.1/consumer-chacha", "nats-2.9.10/basic-aes",
	                                    "nats-2.15.1/basic-plain"};

	for (size_t i = 0; i < 3; i++)
		for (size_t k = 0; k < 3; k++) {
			struct fixture_copy c;
			struct contents_map healthy;

			begin(&c, &healthy, names[i], *state);
			if (c.key[0] == '\0' && k == 1) {
				free_contents(&healthy);
				continue;
			}
			assert_int_equal(unlink(fixture_path(c.stream, files[k])), 0);
			repair_and_check(&c, &healthy, 0, 0, 0, "written anew");
			free_contents(&healthy);
		}
}

static void a_lost_configuration_can_be_given(void **state)
{
	static const char config[] =
	        "{\"config\":{\"name\":\"X\",\"subjects\":[\"orders.>\",\"a.b\"],\"max_msgs\":77}}";
	struct fixture_copy c;
	struct contents_map healthy;
	struct program_result r;
	const char *file = fixture_path(*state, "config.json");

	begin(&c, &healthy, "nats-2.10.27/basic-aes", *state);
	fixture_write(file, config, sizeof config - 1);
	assert_int_equal(unlink(fixture_path(c.stream, "meta.key")), 0);
	fixture_run(&r, "wrong", "repair", "--config", file, c.store, NULL, NULL);
	assert_int_equal(r.code, 5);
	program_free(&r);
	fixture_run(&r, c.key, "repair", "--config", file, c.store, NULL, NULL);
	assert_int_equal(r.code, 0);
	assert_non_null(strstr(r.out, "from the given configuration"));
	program_free(&r);
	fixture_run(&r, c.key, "info", c.store, NULL, NULL, NULL, NULL);
	assert_int_equal(r.code, 0);
	assert_non_null(strstr(r.out, "\"max_msgs\":77"));
	assert_non_null(strstr(r.out, "\"name\":\"ORDERS\""));
	program_free(&r);
	free_contents(&healthy);
}

static void a_damaged_consumer_is_reset(void **state)
{
	static const char *const names[] = {"nats-2.15.1/consumer-aes",
	                                    "nats-2.9.10/consumer-chacha",
	                                    "nats-2.9.10/consumer-plain"};

	for (size_t i = 0; i < 3; i++) {
		struct fixture_copy c;
		struct contents_map healthy;
		struct program_result r;
		char pattern[PATH_MAX], *name;
		glob_t found;

		begin(&c, &healthy, names[i], *state);
		snprintf(pattern, sizeof pattern, "%.4000s/obs/*/o.dat", c.stream);
		assert_int_equal(glob(pattern, 0, NULL, &found), 0);
		name = found.gl_pathv[0] + strlen(c.stream) + 1;
		if (c.key[0] == '\0')
			fixture_write(found.gl_pathv[0], "\x16\x02\xff", 3);
		else
			fixture_flip(c.stream, name, 28);
		repair_and_check(&c, &healthy, 0, 0, 0, "o.dat: reset, the consumer begins anew");
		/* all consumers are there */
		fixture_run(&r, c.key, "info", c.store, NULL, NULL, NULL, NULL);
		assert_int_equal(fixture_lines_with(r.out, "consumer "),
		                 (int)json_object_size(healthy.consumer));
		program_free(&r);
		globfree(&found);
		free_contents(&healthy);
	}
}

static void an_interrupted_exchange_is_finished(void **state)
{
	struct fixture_copy c;
	struct contents_map healthy, after;
	struct program_result r;
	char msgs[PATH_MAX], from[PATH_MAX + 16], to[PATH_MAX + 16], kept[PATH_MAX];

	begin(&c, &healthy, "nats-2.15.1/basic-aes", *state);
	snprintf(msgs, sizeof msgs, "%.4000s/msgs", c.stream);
	snprintf(from, sizeof from, "%s/1.key", msgs);
	snprintf(to, sizeof to, "%s/1.key.tmp", msgs);
	/* committed, nothing renamed yet: as a kill right after the intent leaves it */
	{
		static const char text[] = "atrest rewrite 1\nreplace 1.key\n";
		struct atr_hash_key key;
		char intent[sizeof text + 32], hex[17];

		assert_int_equal(atr_hash_key_init(&key, "rewrite"), 0);
		atr_hash_hex(atr_hash64(&key, (const uint8_t *)text, sizeof text - 1), hex);
		snprintf(intent, sizeof intent, "%ssum %s\n", text, hex);
		assert_int_equal(rename(from, to), 0);
		fixture_write(fixture_path(msgs, "rewrite.tmp"), intent, strlen(intent));
	}
	fixture_run(&r, c.key, "verify", c.store, NULL, NULL, NULL, NULL);
	assert_int_equal(r.code, 5);
	program_free(&r);
	keep_copy(&c, kept);
	fixture_run(&r, c.key, "repair", c.store, NULL, NULL, NULL, NULL);
	if (r.code != 0)
		fail_msg("exit %d: %s%s", r.code, r.out, r.err);
	assert_non_null(strstr(r.out, "the interrupted exchange of files is finished"));
	program_free(&r);
	assert_int_equal(read_contents(&after, &c), 0);
	assert_int_equal(missing_messages(&healthy, &after, 0, 0), 0);
	check_aside(&c, kept);
	free_contents(&after);
	free_contents(&healthy);
}

static void what_is_whole_is_left_alone(void **state)
{
	static const char *const names[] = {
	        "nats-2.15.1/partial-aes",  "nats-2.9.10/multiblock-aes",
	        "nats-2.10.27/s2-aes",      "nats-2.15.1/ttl-aes",
	        "nats-2.9.10/accounts-aes", "nats-2.15.1/empty-chacha"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct fixture_copy c;
		struct program_result r;
		uint64_t before;

		fixture_copy(&c, names[i], *state, "s");
		before = fixture_digest(c.store);
		fixture_run(&r, c.key, "repair", c.store, NULL, NULL, NULL, NULL);
		if (r.code != 0)
			fail_msg("%s: exit %d: %s%s", names[i], r.code, r.out, r.err);
		assert_non_null(strstr(r.out, "nothing to repair"));
		assert_null(strstr(r.out, "repaired,"));
		program_free(&r);
		assert_int_equal(fixture_digest(c.store), before);
	}
}

static void a_wrong_or_missing_key_repairs_nothing(void **state)
{
	struct fixture_copy c;
	struct program_result r;
	uint64_t before;

	fixture_copy(&c, "nats-2.15.1/basic-aes", *state, "s");
	fixture_flip(c.stream, "msgs/1.blk", 500);
	before = fixture_digest(c.store);
	fixture_run(&r, "wrong", "repair", c.store, NULL, NULL, NULL, NULL);
	assert_int_equal(r.code, 5);
	program_free(&r);
	fixture_run(&r, NULL, "repair", c.store, NULL, NULL, NULL, NULL);
	assert_int_equal(r.code, 2);
	program_free(&r);
	assert_int_equal(fixture_digest(c.store), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	        T(a_damaged_record_costs_itself),
	        T(deleted_messages_stay_deleted),
	        T(deletions_outlive_the_state_file_that_knew_them),
	        T(a_lost_block_key_costs_its_block),
	        T(an_emptied_block_costs_its_messages),
	        T(a_torn_tail_is_cut),
	        T(a_damaged_state_file_is_set_aside),
	        T(lost_meta_files_are_written_anew),
	        T(a_lost_configuration_can_be_given),
	        T(a_damaged_consumer_is_reset),
	        T(an_interrupted_exchange_is_finished),
	        T(what_is_whole_is_left_alone),
	        T(a_wrong_or_missing_key_repairs_nothing),
	};

	fixture_prefer_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
