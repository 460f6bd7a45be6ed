#include "cli/nats_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/store_fixture.h"

/* The files and variables of a test: name, content, ... NULL. */
struct world {
	const char *const *files;
	const char *const *variables;
	char warning[512];
	int warnings;
};

static const char *lookup(const char *const *list, const char *name)
{
	for (; list != NULL && *list != NULL; list += 2)
		if (strcmp(list[0], name) == 0)
			return list[1];
	return NULL;
}

static const char *variable(void *arg, const char *name)
{
	return lookup(((struct world *)arg)->variables, name);
}

static char *file(void *arg, const char *path, size_t *bytes)
{
	const char *content = lookup(((struct world *)arg)->files, path);

	if (content == NULL) {
		errno = ENOENT;
		return NULL;
	}
	*bytes = strlen(content);
	return strdup(content);
}

static void warn(void *arg, const char *line)
{
	struct world *w = arg;

	w->warnings++;
	snprintf(w->warning, sizeof w->warning, "%s", line);
}

static int read_world(struct world *w, struct nats_config *out, char error[512])
{
	struct nats_config_source source = {variable, file, w};

	error[0] = '\0';
	w->warnings = 0;
	return nats_config_read("/etc/js.conf", &source, warn, w, out, error, 512);
}

/* Reads one text as the file; the key as text, NULL = refused or none. */
static char *key_of(const char *text, char error[512])
{
	static char key[256];
	const char *const files[] = {"/etc/js.conf", text, NULL};
	static const char *const variables[] = {
	        "WORD",    "plain", "DIGITS", "12345", "SPACE",  "with space", "QUOTED",
	        "\"q q\"", "SEMI",  "a;b",    "EMPTY", "",       "INDIRECT",   "$WORD",
	        "LOOP",    "$LOOP", "SUFFIX", "10mb",  "TWELVE", "12abc",      NULL};
	struct world w = {.files = files, .variables = variables};
	struct nats_config config;
	char *found = NULL;

	if (read_world(&w, &config, error) != 0) {
		assert_true(error[0] != '\0');
		assert_null(config.key);
		return NULL;
	}
	if (config.key != NULL) {
		snprintf(key, sizeof key, "%.*s", (int)config.key_bytes, (const char *)config.key);
		found = key;
	}
	nats_config_free(&config);
	return found;
}

#define assert_key(text, expected)                                                                 \
	do {                                                                                       \
		char e_[512];                                                                      \
		char *k_ = key_of((text), e_);                                                     \
		if (k_ == NULL)                                                                    \
			fail_msg("%s: %s", (text), e_);                                            \
		assert_string_equal(k_, (expected));                                               \
	} while (0)

/* Refused, with the text in the error. */
#define assert_refused(text, expected)                                                             \
	do {                                                                                       \
		char e_[512];                                                                      \
		char *k_ = key_of((text), e_);                                                     \
		if (k_ != NULL)                                                                    \
			fail_msg("%s: accepted as '%s'", (text), k_);                              \
		if (strstr(e_, (expected)) == NULL)                                                \
			fail_msg("%s: '%s', expected '%s'", (text), e_, (expected));               \
	} while (0)

static void every_spelling_is_read(void **state)
{
	(void)state;
	assert_key("jetstream { key: abc }", "abc");
	assert_key("jetstream { key = abc }", "abc");
	assert_key("jetstream { key abc }", "abc");
	assert_key("jetstream: { ek: abc, cipher: aes }", "abc");
	assert_key("JetStream = {\n encryption_key : \"abc\" ; cipher: AES\n}", "abc");
	assert_key("JETSTREAM {\nKEY: abc}", "abc");
	assert_key("{ \"jetstream\": { \"key\": \"abc\", \"cipher\": \"aes\" } }", "abc");
	assert_key("port: 4222 # x\n// y\njetstream {\n  key: abc # comment\n}\n", "abc");
	assert_key("\xef\xbb\xbfjetstream { key: abc }\r\n", "abc");
	assert_key("jetstream { key: one\n key: two }", "two");
	assert_key("jetstream { key: one }\njetstream { key: two }", "two");
	assert_key("a { jetstream { key: no } }\njetstream { limits { key: no }, key: yes1 }",
	           "yes1");
	assert_key("users: [ { user: a, password: b } { x: [1 2,3] } ]\njetstream { key: k1 }",
	           "k1");
	assert_key("t: (\nkey: {\n)\njetstream { key: k1 }", "k1");
}

static void strings_follow_the_rules_of_the_server(void **state)
{
	(void)state;
	assert_key("jetstream { key: \"p\\tq\\\"r\\\\s\\x41\" }", "p\tq\"r\\sA");
	assert_key("jetstream { key: 'no\\escape\"here' }", "no\\escape\"here");
	assert_key("jetstream { key: \"$WORD\" }", "$WORD");
	assert_key("jetstream { key: a#b//c }", "a#b//c");
	assert_key("jetstream { key: a\\x42c }", "aBc");
	assert_key("jetstream { key: 12abc }", "12abc");
	assert_key("jetstream { key: \"12345\" }", "12345");
	assert_key("jetstream { key: 'true' }", "true");
	assert_key("jetstream { key: schl\xc3\xbcssel }", "schl\xc3\xbcssel");
	assert_refused("jetstream { key: 12345 }", ":1: key: found a number");
	assert_refused("jetstream { key: -5 }", "a number");
	assert_refused("jetstream { key: 1.5 }", "a number");
	assert_refused("jetstream { key: 10mb }", "a number");
	assert_refused("jetstream { key: yes }", "a true/false word");
	assert_refused("jetstream { key: 2024-01-02T03:04:05Z }", "a date");
	assert_refused("jetstream { key: { a: b } }", "a block or list");
	assert_refused("jetstream { key: [a] }", "a block or list");
	assert_refused("jetstream {\n key: with space\n}", "/etc/js.conf:2: found 's'");
	assert_refused("jetstream { key: \"a\\q\" }", "\\q");
	assert_refused("jetstream { key: \"a\\x4\" }", "two hexadecimal");
	assert_refused("jetstream { key: \"abc }", "without its closing");
	assert_refused("jetstream { key: abc", "without its closing }");
	assert_refused("jetstream { key: }", "expected a value");
	assert_refused("jetstream { key", "has no value");
}

static void variables_come_from_blocks_then_the_environment(void **state)
{
	(void)state;
	assert_key("jetstream { key: $WORD }", "plain");
	assert_key("MINE: \"from block\"\njetstream { key: $MINE }", "from block");
	assert_key("WORD: nearer\njetstream { key: $WORD }", "nearer");
	assert_key("jetstream { mine: x1, key: $mine }", "x1");
	assert_key("jetstream { key: $QUOTED }", "q q");
	assert_key("jetstream { key: $INDIRECT }", "plain");
	assert_key("jetstream { key: $TWELVE }", "12abc");
	assert_key("jetstream { key: $2a$11$abcdefghijklmnopqrstuv }",
	           "$2a$11$abcdefghijklmnopqrstuv");
	assert_refused("other { MINE: x }\njetstream { key: $MINE }", "can not be found");
	assert_refused("\njetstream { key: $UNSET }", ":2: variable reference for 'UNSET'");
	assert_refused("jetstream { key: $DIGITS }", "a number");
	assert_refused("jetstream { key: $SUFFIX }", "a number");
	assert_refused("jetstream { key: $SPACE }", "more than one word");
	assert_refused("jetstream { key: $SEMI }", "more than one word");
	assert_refused("jetstream { key: $LOOP }", "refer to each other");
}

static void what_silently_does_not_encrypt_is_warned_of(void **state)
{
	static const char *const texts[] = {
	        "jetstream { cipher: aes }",
	        "jetstream { key: \"\" }",
	        "jetstream { key: $EMPTY, cipher: aes }",
	};
	static const char *const variables[] = {"EMPTY", "", NULL};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const char *const files[] = {"/etc/js.conf", texts[i], NULL};
		struct world w = {.files = files, .variables = variables};
		struct nats_config config;
		char error[512];

		assert_int_equal(read_world(&w, &config, error), 0);
		assert_null(config.key);
		assert_int_equal(w.warnings, 1);
		assert_non_null(strstr(w.warning, "silently not encrypt"));
		assert_non_null(strstr(w.warning, "/etc/js.conf:1: "));
		nats_config_free(&config);
	}
}

static void what_the_server_refuses_is_refused(void **state)
{
	(void)state;
	assert_refused("jetstream { key: a1\n ek: b1 }", ":2: both key and ek");
	assert_refused("jetstream { key: a1\n cipher: des }", "Unknown cipher type: \"des\"");
	assert_refused("jetstream { key: a1, tpm { keys_file: x } }", "TPM options");
	assert_refused("jetstream { tpm { keys_file: x } }", "not supported");
	assert_refused("jetstream { key: a1 } }", "brace");
	assert_refused("include missing.conf", "missing.conf");
}

static void previous_key_cipher_and_store_dir_are_read(void **state)
{
	static const char text[] = "jetstream {\n store_dir: '/data/a b'\n key: \"new\"\n"
	                           " cipher: ChaCha\n prev_encryption_key: \"old\"\n}\n";
	const char *const files[] = {"/etc/js.conf", text, NULL};
	struct world w = {.files = files};
	struct nats_config config;
	char error[512];

	(void)state;
	assert_int_equal(read_world(&w, &config, error), 0);
	assert_string_equal(config.cipher, "chachapoly");
	assert_string_equal(config.store_dir, "/data/a b");
	assert_int_equal(config.prev_key_bytes, 3);
	assert_memory_equal(config.prev_key, "old", 3);
	assert_int_equal(w.warnings, 0);
	nats_config_free(&config);
}

static void files_include_each_other_relative_to_themselves(void **state)
{
	const char *const files[] = {"/etc/js.conf",
	                             "SECRET: s1\njetstream { include sub/js.inc }",
	                             "/etc/sub/js.inc",
	                             "include 'key.inc'\ncipher: aes\n",
	                             "/etc/sub/key.inc",
	                             "key: $SECRET",
	                             NULL};
	const char *const loop[] = {"/etc/js.conf", "\ninclude js.conf", NULL};
	const char *const broken[] = {"/etc/js.conf", "include b", "/etc/b", "\n\nx: {", NULL};
	struct world w = {.files = files};
	struct nats_config config;
	char error[512];

	(void)state;
	assert_int_equal(read_world(&w, &config, error), 0);
	assert_memory_equal(config.key, "s1", 2);
	assert_string_equal(config.cipher, "aes");
	nats_config_free(&config);
	w.files = loop;
	assert_int_equal(read_world(&w, &config, error), -1);
	assert_non_null(strstr(error, "include each other"));
	w.files = broken;
	assert_int_equal(read_world(&w, &config, error), -1);
	assert_non_null(strstr(error, "/etc/b:3: "));
}

static void no_key_is_part_of_a_message(void **state)
{
	char error[512];

	(void)state;
	assert_null(key_of("jetstream { key: sesame1 sesame2 }", error));
	assert_null(strstr(error, "sesame"));
	assert_null(key_of("jetstream { key: 'sesame1' , ek: 'sesame2' }", error));
	assert_null(strstr(error, "sesame"));
}

static void doubts_about_a_variable_tell_what_the_server_does(void **state)
{
	(void)state;
	assert_null(nats_config_variable_doubt("plain-Text_1"));
	assert_null(nats_config_variable_doubt("12abc"));
	assert_null(nats_config_variable_doubt("$2a$11$x"));
	assert_non_null(strstr(nats_config_variable_doubt(""), "not encrypt"));
	assert_non_null(strstr(nats_config_variable_doubt("12345"), "number"));
	assert_non_null(strstr(nats_config_variable_doubt("on"), "true or false"));
	assert_non_null(strstr(nats_config_variable_doubt("a b"), "white space"));
	assert_non_null(nats_config_variable_doubt("a;b"));
	assert_non_null(nats_config_variable_doubt("a\n"));
	assert_non_null(nats_config_variable_doubt("\"a\""));
	assert_non_null(nats_config_variable_doubt("$A"));
	assert_non_null(nats_config_variable_doubt("a\\b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_spelling_is_read),
	        cmocka_unit_test(strings_follow_the_rules_of_the_server),
	        cmocka_unit_test(variables_come_from_blocks_then_the_environment),
	        cmocka_unit_test(what_silently_does_not_encrypt_is_warned_of),
	        cmocka_unit_test(what_the_server_refuses_is_refused),
	        cmocka_unit_test(previous_key_cipher_and_store_dir_are_read),
	        cmocka_unit_test(files_include_each_other_relative_to_themselves),
	        cmocka_unit_test(no_key_is_part_of_a_message),
	        cmocka_unit_test(doubts_about_a_variable_tell_what_the_server_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
