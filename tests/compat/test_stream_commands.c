/* test_stream_commands.c - load, dump, verify, ls and info as people run them: what goes in comes
 * out, and bad input ends in one line, the right exit code and nothing left behind.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/compat/program.h"
#include "tests/unit/store_fixture.h"

static char base[256]; /* the temporary directory of this test */

static int setup(void **state)
{
	(void)fixture_setup(state);
	snprintf(base, sizeof base, "%s", (const char *)*state);
	return 0;
}

static const char *below(const char *name)
{
	return fixture_path(base, name);
}

/* Runs the words with JS_KEY=key (NULL = unset) and input text (NULL = none). */
static void run(struct program_result *r, const char *key, const char *input, const char *a,
                const char *b, const char *c, const char *d, const char *e, const char *f)
{
	const char *arguments[] = {"stream", a, b, c, d, e, f, NULL};
	const char *env[2] = {NULL, NULL};
	char js_key[256];

	if (key != NULL) {
		snprintf(js_key, sizeof js_key, "JS_KEY=%s", key);
		env[0] = js_key;
	}
	if (input != NULL)
		fixture_write(below("input"), input, strlen(input));
	program_run(r, arguments, env, input != NULL ? below("input") : NULL);
}

static size_t lines_in(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

/* The run fails with this code and one line that has text in it. */
static void fails(const char *key, const char *input, const char *a, const char *b, const char *c,
                  const char *d, const char *e, int code, const char *text)
{
	struct program_result r;

	run(&r, key, input, a, b, c, d, e, NULL);
	if (r.code != code || strstr(r.err, text) == NULL || lines_in(r.err) != 1)
		fail_msg("%s %s %s %s: exit %d, '%s'; expected %d, '%s'", a, b, c != NULL ? c : "",
		         d != NULL ? d : "", r.code, r.err, code, text);
	program_free(&r);
}

static int ends_in_jetstream(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/%s/jetstream", base, name);
	return fixture_exists(path);
}

/* The msg and deleted lines of a dump, without what may differ. */
static char *comparable(const char *dump)
{
	char *out = calloc(1, strlen(dump) + 1);

	while (*dump != '\0') {
		size_t n = strcspn(dump, "\n");
		json_t *line = json_loadb(dump, n, 0, NULL);
		const char *type = json_string_value(json_object_get(line, "type"));

		assert_non_null(type);
		if (strcmp(type, "msg") == 0 || strcmp(type, "deleted") == 0) {
			char *text;

			json_object_del(line, "cipher");
			text = json_dumps(line, JSON_COMPACT | JSON_SORT_KEYS);
			strcat(strcat(out, text), "\n");
			free(text);
		}
		json_decref(line);
		dump += n + (dump[n] == '\n');
	}
	return out;
}

static void a_dump_loaded_again_is_the_same_dump(void **state)
{
	static const char *const ciphers[] = {"none", "chachapoly", "aes"};
	struct program_result golden, r, again;
	char store[PATH_MAX], *expected, *found;

	(void)state;
	snprintf(store, sizeof store, "%s/tests/fixtures/nats-2.9.10/accounts-aes/store",
	         ATREST_SOURCE_DIR);
	run(&golden, "ECUUENiHm6bT5x7rHyq3gnjcTBcJWrC7m5TrENSn85u-RzP4", NULL, "dump", "--json",
	    "--payload", store, NULL, NULL);
	assert_int_equal(golden.code, 0);
	expected = comparable(golden.out);
	assert_true(lines_in(expected) == 15);
	for (size_t i = 0; i < 3; i++) {
		char dir[512];

		snprintf(dir, sizeof dir, "%s/%s", base, ciphers[i]);
		run(&r, "sesame", golden.out, "load", "--cipher", ciphers[i], dir, NULL, NULL);
		assert_string_equal(r.err, "");
		assert_int_equal(r.code, 0);
		program_free(&r);
		run(&r, "sesame", NULL, "verify", "--cipher", ciphers[i], dir, NULL, NULL);
		assert_int_equal(r.code, 0);
		assert_null(strstr(r.out, "damage"));
		program_free(&r);
		run(&again, "sesame", NULL, "dump", "--json", "--payload", dir, NULL, NULL);
		assert_int_equal(again.code, 0);
		found = comparable(again.out);
		assert_string_equal(found, expected);
		free(found);
		program_free(&again);
	}
	free(expected);
	program_free(&golden);
}

static void load_takes_the_next_sequence_and_keeps_gaps(void **state)
{
	static const char input[] =
	        "{\"type\":\"msg\",\"subject\":\"a.b\",\"payload_b64\":\"aGVsbG8=\",\"ts\":5}\n\n"
	        "{\"type\":\"state\"}\n"
	        "{\"type\":\"msg\",\"subject\":\"c\",\"payload_b64\":\"\",\"seq\":4,"
	        "\"headers_b64\":\"TkFUUy8xLjANCkE6IGINCg0K\"}\n";
	struct program_result r;

	(void)state;
	run(&r, NULL, input, "load", "--stream", "S", below("s"), NULL, NULL);
	assert_string_equal(r.err, "");
	assert_int_equal(r.code, 0);
	assert_non_null(strstr(r.out, "2 messages stored"));
	assert_non_null(strstr(r.out, "1 lines of other types skipped"));
	program_free(&r);
	/* onto the end of it; the second input ends in the middle */
	run(&r, NULL,
	    "{\"type\":\"msg\",\"subject\":\"a.z\",\"payload_b64\":\"\"}\n"
	    "{\"type\":\"msg\",\"subject\":\"a.z\",\"payload_b64\":\"\",\"seq\":5}\n",
	    "load", "--stream", "S", below("s"), NULL, NULL);
	assert_int_equal(r.code, 2);
	assert_non_null(strstr(r.out, "1 messages stored"));
	assert_non_null(strstr(r.err, ":2: seq 5 is not above the last, 5"));
	program_free(&r);
	run(&r, NULL, NULL, "dump", "--json", below("s"), NULL, NULL, NULL);
	assert_int_equal(r.code, 0);
	assert_non_null(strstr(r.out, "\"subjects\":[\"a.>\",\"c\"]"));
	assert_non_null(strstr(r.out, "\"seq\":1,\"ts\":5,"));
	assert_non_null(strstr(r.out, "\"messages\":3,"));
	assert_non_null(strstr(r.out, "\"last_seq\":5,\"num_deleted\":2"));
	program_free(&r);
}

#define MESSAGE "{\"type\":\"msg\",\"subject\":\"a\",\"payload_b64\":\"\"}\n"

static void bad_input_of_load_leaves_nothing_behind(void **state)
{
	static const struct {
		const char *input, *text;
	} cases[] = {
	        {"nonsense\n", ":1: not JSON"},
	        {"[1]\n", ":1: found no object"},
	        {"{}\n", "found no \"type\""},
	        {"{\"type\":\"msg\",\"payload_b64\":\"\"}\n", "\"subject\": expected a string"},
	        {"{\"type\":\"msg\",\"subject\":\"a\"}\n", "payload_b64"},
	        {"{\"type\":\"msg\",\"subject\":\"a\",\"payload_b64\":\"x\"}\n", "base64"},
	        {"{\"type\":\"msg\",\"subject\":\"a b\",\"payload_b64\":\"\"}\n", "not a subject"},
	        {"{\"type\":\"msg\",\"subject\":\"\",\"payload_b64\":\"\"}\n", "not a subject"},
	        {"{\"type\":\"msg\",\"subject\":\"a\",\"payload_b64\":\"\",\"seq\":0}\n",
	         "\"seq\""},
	        {"{\"type\":\"msg\",\"subject\":\"a\",\"payload_b64\":\"\",\"seq\":-1}\n",
	         "\"seq\""},
	        {"{\"type\":\"msg\",\"subject\":\"a\",\"payload_b64\":\"\",\"seq\":"
	         "4611686018427387904}\n",
	         "\"seq\""},
	        {"{\"type\":\"msg\",\"subject\":\"a\",\"payload_b64\":\"\",\"ts\":\"now\"}\n",
	         "\"ts\""},
	        {"{\"type\":\"msg\",\"subject\":\"a\",\"payload_b64\":\"\",\"headers_b64\":\"QQ=="
	         "\"}"
	         "\n",
	         "not a header block"},
	        {"{\"type\":\"stream\",\"config\":[]}\n" MESSAGE, "not a JSON object"},
	        {"{\"type\":\"stream\",\"config\":{\"subjects\":[\"b.>\"]}}\n" MESSAGE,
	         "none of the stream's"},
	        {"{\"type\":\"stream\",\"config\":{\"max_msgs\":\"many\"}}\n" MESSAGE,
	         "wrong type"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		fails(NULL, cases[i].input, "load", "--stream", "S", below("s"), NULL, 2,
		      cases[i].text);
		assert_false(ends_in_jetstream("s"));
	}
	fails(NULL, MESSAGE, "load", below("s"), NULL, NULL, NULL, 2, "which stream?");
	fails(NULL, MESSAGE, "load", "--stream", "a.b", below("s"), NULL, 2, "stream name");
	fails(NULL, MESSAGE, "load", "--cipher=aes", "--stream=S", below("s"), NULL, 2,
	      "needs a key");
	fails("k1", MESSAGE, "load", "--cipher=des", "--stream=S", below("s"), NULL, 2,
	      "found 'des'");
	fails("", MESSAGE, "load", "--stream", "S", below("s"), NULL, 2, "JS_KEY is empty");
	fails(NULL, NULL, "load", "--stream", "S", below("s"), below("missing"), 2, "missing");
	assert_false(ends_in_jetstream("s"));
}

static void an_empty_input_makes_an_empty_stream(void **state)
{
	struct program_result r;

	(void)state;
	run(&r, "k1", "", "load", "--cipher", "aes", "--stream", "S", below("s"));
	assert_int_equal(r.code, 0);
	program_free(&r);
	run(&r, "k1", NULL, "verify", "--cipher", "aes", below("s"), NULL, NULL);
	assert_int_equal(r.code, 0);
	program_free(&r);
	run(&r, "k1", NULL, "dump", "--json", below("s"), NULL, NULL, NULL);
	assert_int_equal(r.code, 0);
	assert_non_null(strstr(r.out, "\"messages\":0,"));
	program_free(&r);
}

static void wrong_directories_and_options_are_one_line(void **state)
{
	char file[PATH_MAX];

	(void)state;
	(void)snprintf(file, sizeof file, "%s", below("plain-file"));
	fixture_write(file, "x", 1);
	for (size_t i = 0; i < 4; i++) {
		static const char *const verbs[] = {"ls", "info", "dump", "verify"};

		fails(NULL, NULL, verbs[i], below("missing"), NULL, NULL, NULL, 2, "No such file");
		fails(NULL, NULL, verbs[i], base, NULL, NULL, NULL, 2, "not a store");
		fails(NULL, NULL, verbs[i], file, NULL, NULL, NULL, 2, "not a directory");
		fails(NULL, NULL, verbs[i], NULL, NULL, NULL, NULL, 2, "DIR is missing");
		fails(NULL, NULL, verbs[i], "--key-file", "/nonexistent", base, NULL, 2,
		      "/nonexistent");
		fails("k1", NULL, verbs[i], "--key-file", "/nonexistent", base, NULL, 2,
		      "two sources");
	}
	fails(NULL, NULL, "restore", base, below("new"), NULL, NULL, 2, "a directory, expected");
	assert_int_equal(unlink(file), 0);
	fails(NULL, NULL, "verify", "--cipher", "des", base, NULL, 2, "found 'des'");
	fails(NULL, NULL, "verify", "--cypher", "aes", base, NULL, 2, "did you mean '--cipher'");
}

/* A stream of ten messages under aes with the key "k1". */
static void make_stream(char msgs[PATH_MAX])
{
	struct program_result r;
	char input[2048] = "";

	for (int i = 0; i < 10; i++)
		strcat(input,
		       "{\"type\":\"msg\",\"subject\":\"a\",\"payload_b64\":\"aGVsbG8=\"}\n");
	run(&r, "k1", input, "load", "--cipher", "aes", "--stream", "S", below("s"));
	assert_int_equal(r.code, 0);
	program_free(&r);
	snprintf(msgs, PATH_MAX, "%s/s/jetstream/$G/streams/S/msgs", base);
}

static void load_goes_on_under_the_cipher_of_the_stream(void **state)
{
	char msgs[PATH_MAX];
	struct program_result r;

	(void)state;
	make_stream(msgs);
	run(&r, "k1", MESSAGE, "load", "--stream", "S", below("s"), NULL, NULL);
	assert_string_equal(r.err, "");
	assert_int_equal(r.code, 0);
	assert_non_null(strstr(r.out, "1 messages stored"));
	assert_non_null(strstr(r.out, "cipher aes, sequences 11 to 11"));
	program_free(&r);
	run(&r, "k1", NULL, "verify", "--cipher", "aes", below("s"), NULL, NULL);
	assert_int_equal(r.code, 0);
	program_free(&r);
	/* asked for, another one is that of the blocks to come */
	run(&r, "k1", MESSAGE, "load", "--cipher", "chachapoly", "--stream", "S", below("s"));
	assert_int_equal(r.code, 0);
	program_free(&r);
	run(&r, "k1", NULL, "verify", below("s"), NULL, NULL, NULL, NULL);
	assert_int_equal(r.code, 0);
	assert_non_null(strstr(r.out, "  block 1: aes, "));
	assert_non_null(strstr(r.out, "  block 2: chachapoly, "));
	program_free(&r);
	/* a clear stream stays clear, and says so */
	run(&r, NULL, MESSAGE, "load", "--stream", "C", below("s"), NULL, NULL);
	assert_int_equal(r.code, 0);
	program_free(&r);
	run(&r, "k1", MESSAGE, "load", "--stream", "C", below("s"), NULL, NULL);
	assert_int_equal(r.code, 0);
	assert_non_null(strstr(r.err, "clear text and stays so"));
	program_free(&r);
}

/* A limit on file sizes is no end without a word. */
static void a_full_file_ends_load_in_one_line(void **state)
{
	struct rlimit before, limit;
	struct program_result r;
	char input[8192] = "";

	(void)state;
	for (int i = 0; i < 40; i++)
		strcat(input, MESSAGE);
	fixture_write(below("input"), input, strlen(input));
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 700;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	run(&r, NULL, NULL, "load", "--stream", "S", below("s"), below("input"), NULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(r.code, 4);
	assert_int_equal(lines_in(r.err), 1);
	assert_non_null(strstr(r.err, "messages are stored"));
	program_free(&r);
}

static void damage_is_named_and_the_rest_is_dumped(void **state)
{
	char msgs[PATH_MAX];
	struct program_result r;
	uint8_t *content;
	size_t bytes;

	(void)state;
	make_stream(msgs);
	(void)unlink(fixture_path(msgs, "index.db")); /* with it info would not read the blocks */
	content = fixture_read(fixture_path(msgs, "1.blk"), &bytes);
	assert_int_equal(bytes, 10 * 36);
	content[3 * 36 + 24] ^= 1; /* payload of the fourth */
	fixture_write(fixture_path(msgs, "1.blk"), content, bytes);
	run(&r, "k1", NULL, "dump", "--json", below("s"), NULL, NULL, NULL);
	assert_int_equal(r.code, 5);
	assert_int_equal(lines_in(r.err), 1);
	assert_non_null(strstr(r.err, "1.blk:108: sequence 4: record hash differs"));
	assert_null(strstr(r.out, "\"seq\":4,\"ts\""));
	assert_non_null(strstr(r.out, "\"seq\":3,\"ts\""));
	assert_non_null(strstr(r.out, "\"seq\":5,\"ts\""));
	program_free(&r);
	run(&r, "k1", NULL, "verify", below("s"), NULL, NULL, NULL, NULL);
	assert_int_equal(r.code, 5);
	assert_non_null(strstr(r.out, "damage: "));
	assert_non_null(strstr(r.out, "1.blk:108: sequence 4: record hash differs"));
	program_free(&r);
	run(&r, "k1", NULL, "info", below("s"), NULL, NULL, NULL, NULL);
	assert_int_equal(r.code, 5);
	program_free(&r);
	/* cut inside the last record: a torn tail that lost nothing known */
	content[3 * 36 + 24] ^= 1;
	fixture_write(fixture_path(msgs, "1.blk"), content, bytes - 5);
	run(&r, "k1", NULL, "verify", below("s"), NULL, NULL, NULL, NULL);
	assert_int_equal(r.code, 0);
	assert_non_null(strstr(r.out, "note: "));
	assert_non_null(strstr(r.out, "torn tail"));
	program_free(&r);
	for (size_t i = 0; i < 3; i++) {
		static const char *const verbs[] = {"ls", "info", "dump"};

		run(&r, "k1", NULL, verbs[i], below("s"), NULL, NULL, NULL, NULL);
		assert_string_equal(r.err, "");
		assert_int_equal(r.code, 0);
		program_free(&r);
	}
	free(content);
}

static void one_bad_stream_does_not_hide_the_others(void **state)
{
	static const char two[] = "{\"type\":\"stream\",\"stream\":\"A\"}\n" MESSAGE
	                          "{\"type\":\"stream\",\"stream\":\"B\"}\n" MESSAGE;
	struct program_result r;
	char meta[PATH_MAX];

	(void)state;
	run(&r, "k1", two, "load", below("s"), NULL, NULL, NULL, NULL);
	assert_int_equal(r.code, 0);
	program_free(&r);
	snprintf(meta, sizeof meta, "%s/s/jetstream/$G/streams/A/meta.inf", base);
	assert_int_equal(truncate(meta, 20), 0);
	run(&r, "k1", NULL, "dump", "--json", below("s"), NULL, NULL, NULL);
	assert_int_equal(r.code, 5);
	assert_non_null(strstr(r.err, "A/meta."));
	assert_non_null(strstr(r.out, "\"stream\":\"B\",\"seq\":1"));
	program_free(&r);
	/* a meta.inf that is gone: damage of a stream, not "no store" */
	assert_int_equal(unlink(meta), 0);
	run(&r, "k1", NULL, "verify", below("s"), NULL, NULL, NULL, NULL);
	assert_int_equal(r.code, 5);
	assert_non_null(strstr(r.out, "damage: "));
	assert_non_null(strstr(r.out, "A/meta.inf: missing"));
	/* what is beside it is looked at all the same */
	assert_non_null(strstr(r.out, "A: cipher ?, 1 records in 1 block, 1 messages"));
	program_free(&r);
	run(&r, "k1", NULL, "ls", "--json", below("s"), NULL, NULL, NULL);
	assert_int_equal(r.code, 5);
	assert_non_null(strstr(r.out, "\"A\""));
	assert_non_null(strstr(r.out, "\"B\""));
	program_free(&r);
	run(&r, "k1", NULL, "ls", "--stream", "B", "--json", below("s"), NULL);
	assert_int_equal(r.code, 0);
	assert_non_null(strstr(r.out, "\"B\""));
	program_free(&r);
}

static void the_key_is_in_no_file_and_no_output(void **state)
{
	struct program_result r;
	char command[PATH_MAX + 64], line[] = "k-canary-1";

	(void)state;
	run(&r, line, MESSAGE, "load", "--cipher", "aes", "--stream", "S", below("s"));
	assert_int_equal(r.code, 0);
	assert_null(strstr(r.out, line));
	assert_null(strstr(r.err, line));
	program_free(&r);
	snprintf(command, sizeof command, "grep -rq %s '%s/s'", line, base);
	assert_int_not_equal(system(command), 0);
}

static void a_configuration_gives_the_directory_and_a_promise(void **state)
{
	struct program_result r;
	char msgs[PATH_MAX], text[PATH_MAX + 100];
	char conf[PATH_MAX];

	(void)state;
	make_stream(msgs);
	snprintf(conf, sizeof conf, "%s/js.conf", base);
	snprintf(text, sizeof text, "jetstream {\n store_dir: \"%s/s\"\n key: \"k1\"\n}\n", base);
	fixture_write(conf, text, strlen(text));
	run(&r, NULL, NULL, "verify", "--nats-config", conf, NULL, NULL, NULL);
	assert_int_equal(r.code, 0);
	program_free(&r);
	/* a clear stream where the configuration encrypts */
	run(&r, NULL, MESSAGE, "load", "--stream", "P", below("s"), NULL, NULL);
	assert_int_equal(r.code, 0);
	program_free(&r);
	run(&r, NULL, NULL, "verify", "--nats-config", conf, NULL, NULL, NULL);
	assert_int_equal(r.code, 5);
	assert_non_null(strstr(r.out, "encryption was promised"));
	program_free(&r);
	/* so does any other key, unless plaintext is what was promised */
	run(&r, "k1", NULL, "verify", "--stream", "P", below("s"), NULL, NULL);
	assert_int_equal(r.code, 5);
	assert_non_null(strstr(r.out, "encryption was promised"));
	program_free(&r);
	run(&r, "k1", NULL, "verify", "--stream", "P", "--cipher", "none", below("s"));
	assert_int_equal(r.code, 0);
	program_free(&r);
	fixture_write(conf, "jetstream { key: 5 }", 20);
	fails(NULL, NULL, "verify", "--nats-config", conf, below("s"), NULL, 2,
	      "js.conf:1: key: found a number");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
	        T(a_dump_loaded_again_is_the_same_dump),
	        T(load_takes_the_next_sequence_and_keeps_gaps),
	        T(bad_input_of_load_leaves_nothing_behind),
	        T(an_empty_input_makes_an_empty_stream),
	        T(wrong_directories_and_options_are_one_line),
	        T(load_goes_on_under_the_cipher_of_the_stream),
	        T(a_full_file_ends_load_in_one_line),
	        T(damage_is_named_and_the_rest_is_dumped),
	        T(one_bad_stream_does_not_hide_the_others),
	        T(the_key_is_in_no_file_and_no_output),
	        T(a_configuration_gives_the_directory_and_a_promise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
