/* test_server.c - a stream that we write is opened by real servers, message by message equal, over
 * restarts; what the server leaves afterwards is read back by us, equal again.
 *
 * The oldest server that this format is for, and the newest to be had; each cipher.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/compat/contents.h"
#include "tests/compat/server.h"

#define STREAM        "ORDERS"
#define KEY           "an0therKeyOfTheTests"
#define MESSAGES      900
#define MESSAGES_MORE 100

struct arm {
	const char *version;
	const char *cipher;
	char program[1024];
};

static struct arm arms[] = {
        {"2.9.10", "none", ""}, {"2.9.10", "chachapoly", ""}, {"2.9.10", "aes", ""},
        {"newest", "none", ""}, {"newest", "chachapoly", ""}, {"newest", "aes", ""},
};

#define ARMS (sizeof(arms) / sizeof(arms[0]))

/* Runs `atrest stream <words> <folder>/store` with input and output in files of folder. */
static void atrest_stream(const char *folder, const char *words, const char *in, const char *out)
{
	char command[4096];

	(void)snprintf(command, sizeof(command),
	               "'%s/cli/atrest' stream %s '%s/store' < '%s/%s' > '%s/%s'",
	               ATREST_BINARY_DIR, words, folder, folder, in, folder, out);
	if (system(command) != 0)
		fail_msg("%s", command);
}

static struct server *start(const struct arm *arm, const char *folder)
{
	char store_dir[512];
	struct server_config config = {.program = arm->program,
	                               .store_dir = store_dir,
	                               .cipher = arm->cipher,
	                               .folder = folder};
	struct server *server;

	(void)snprintf(store_dir, sizeof(store_dir), "%s/store", folder);
	if (strcmp(arm->cipher, "none") != 0)
		config.key = KEY;
	assert_int_equal(server_start(&config, &server), 0);
	return server;
}

/* What we wrote, as the server sees it; then with changes of the server's, as it saw them last. */
static void same_in_server(const struct arm *arm, const char *folder,
                           const struct contents *expected)
{
	struct server *server = start(arm, folder);
	struct contents told;

	assert_int_equal(contents_ask(&told, server, STREAM), 0);
	assert_int_equal(contents_compare(expected, &told), 0);
	contents_free(&told);
	assert_int_equal(server_stop(server), 0);
}

static void delete_one(struct server *server, uint64_t sequence)
{
	char request[128];
	json_t *reply;

	(void)snprintf(request, sizeof(request), "{\"seq\":%llu,\"no_erase\":true}",
	               (unsigned long long)sequence);
	reply = server_request(server, "$JS.API.STREAM.MSG.DELETE." STREAM, request);
	assert_true(json_is_true(json_object_get(reply, "success")));
	json_decref(reply);
}

static void change_in_server(const struct arm *arm, const char *folder, struct contents *last)
{
	static const struct server_header headers[] = {
	        {"From", "server"}, {"Again", "1"}, {"Again", "2"}, {NULL, NULL}};
	static char payload[9000];
	struct server *server = start(arm, folder);
	struct contents before;
	size_t i;

	assert_int_equal(contents_ask(&before, server, STREAM), 0);
	for (i = 0; i < sizeof(payload); i++)
		payload[i] = (char)(i * 7);
	for (i = 0; i < MESSAGES_MORE; i++)
		assert_int_equal(server_publish(server, "orders.more", i % 4 ? NULL : headers,
		                                payload, i * 90),
		                 before.last_seq + 1 + i);
	delete_one(server, before.items[0].sequence);
	delete_one(server, before.items[before.count / 2].sequence);
	delete_one(server, before.last_seq);
	delete_one(server, before.last_seq + MESSAGES_MORE / 2);
	contents_free(&before);
	assert_int_equal(contents_ask(last, server, STREAM), 0);
	assert_int_equal(server_stop(server), 0);
}

static void store_of_ours_is_equal_in_a_server_and_comes_back(void **state)
{
	const struct arm *arm = *state;
	char folder[] = "/tmp/atrest-server-XXXXXX", path[256], words[128];
	struct contents made, last, dumped;

	assert_non_null(mkdtemp(folder));
	if (strcmp(arm->cipher, "none") != 0)
		(void)setenv("JS_KEY", KEY, 1);
	else
		(void)unsetenv("JS_KEY");
	/* Kept, and named here, when something fails. */
	print_message("%s, %s: %s\n", arm->version, arm->cipher, folder);

	contents_make(&made, MESSAGES, 1);
	(void)snprintf(path, sizeof(path), "%s/load.jsonl", folder);
	assert_int_equal(contents_save(&made, path, STREAM), 0);
	(void)snprintf(words, sizeof(words), "load --cipher %s", arm->cipher);
	atrest_stream(folder, words, "load.jsonl", "load.out");
	atrest_stream(folder, "verify", "load.out", "verify.out");

	same_in_server(arm, folder, &made);
	same_in_server(arm, folder, &made);
	change_in_server(arm, folder, &last);
	assert_int_equal(last.count, MESSAGES + MESSAGES_MORE - 4);

	atrest_stream(folder, "dump --json --payload", "load.out", "dump.jsonl");
	(void)snprintf(path, sizeof(path), "%s/dump.jsonl", folder);
	assert_int_equal(contents_read_dump(&dumped, path), 0);
	assert_int_equal(contents_compare(&last, &dumped), 0);
	atrest_stream(folder, "verify", "load.out", "verify.out");

	contents_free(&made);
	contents_free(&last);
	contents_free(&dumped);
	(void)snprintf(words, sizeof(words), "rm -r '%s'", folder);
	assert_int_equal(system(words), 0);
}

int main(void)
{
	struct CMUnitTest tests[ARMS];
	char names[ARMS][64], why[1024];
	size_t i;

	for (i = 0; i < ARMS; i++) {
		if (server_find(arms[i].version, arms[i].program, sizeof(arms[i].program), why,
		                sizeof(why)) != 0) {
			printf("SKIP server: %s\n", why);
			return 77;
		}
		(void)snprintf(names[i], sizeof(names[i]), "%s: our store, %s", arms[i].version,
		               arms[i].cipher);
		tests[i] = (struct CMUnitTest){
		        .name = names[i],
		        .test_func = store_of_ours_is_equal_in_a_server_and_comes_back,
		        .initial_state = &arms[i]};
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
