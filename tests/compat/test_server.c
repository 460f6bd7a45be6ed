/* test_server.c - streams that we write are opened by real servers, message by message equal, over
 * restarts; what the server leaves afterwards is read back by us, equal again.
 *
 * Written by `stream load` and by a run that keeps its stores; read by the oldest server that this
 * format is for, and by the newest to be had; each cipher.
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
#define MESSAGES_RUN  1500
#define WORKLOAD      "mixed-sizes"

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

/* Runs `atrest WORDS` in folder, input and output in files there. */
static void run_atrest(const char *folder, const char *in, const char *out, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

static void run_atrest(const char *folder, const char *in, const char *out, const char *format, ...)
{
	char words[1024], command[4096];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	(void)snprintf(command, sizeof(command), "cd '%s' && '%s/cli/atrest' %s < '%s' > '%s'",
	               folder, ATREST_BINARY_DIR, words, in, out);
	if (system(command) != 0)
		fail_msg("%s", command);
}

static void read_dump(const char *folder, struct contents *out)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/dump.jsonl", folder);
	assert_int_equal(contents_read_dump(out, path), 0);
}

/* A folder of its own; kept, and named here, when something fails. */
static void begin(const struct arm *arm, char folder[64])
{
	(void)snprintf(folder, 64, "/tmp/atrest-server-XXXXXX");
	assert_non_null(mkdtemp(folder));
	print_message("%s, %s: %s\n", arm->version, arm->cipher, folder);
	(void)unsetenv("JS_KEY");
}

static void end(const char *folder)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -r '%s'", folder);
	assert_int_equal(system(command), 0);
}

/* On the store_dir folder/store; key NULL: none. */
static struct server *start(const struct arm *arm, const char *folder, const char *key)
{
	char store_dir[512];
	struct server_config config = {.program = arm->program,
	                               .store_dir = store_dir,
	                               .cipher = arm->cipher,
	                               .key = key,
	                               .folder = folder};
	struct server *server;

	(void)snprintf(store_dir, sizeof(store_dir), "%s/store", folder);
	assert_int_equal(server_start(&config, &server), 0);
	return server;
}

static const char *key_of(const struct arm *arm)
{
	return strcmp(arm->cipher, "none") == 0 ? NULL : KEY;
}

/* 2.9 does not know the file: it makes a new meta.key at every start and leaves it behind under the
 * old one, where it is damage. */
static void remove_index(const char *folder)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/store/jetstream/$G/streams/" STREAM "/msgs/index.db",
	               folder);
	assert_int_equal(unlink(path), 0);
}

/* What we wrote, as the server sees it. */
static void same_in_server(const struct arm *arm, const char *folder,
                           const struct contents *expected)
{
	struct server *server = start(arm, folder, key_of(arm));
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
	struct server *server = start(arm, folder, key_of(arm));
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

static void loaded_stream_is_equal_in_a_server_and_comes_back(void **state)
{
	const struct arm *arm = *state;
	char folder[64], path[128];
	struct contents made, last, dumped;

	begin(arm, folder);
	if (key_of(arm))
		(void)setenv("JS_KEY", KEY, 1);
	contents_make(&made, MESSAGES, 1);
	(void)snprintf(path, sizeof(path), "%s/load.jsonl", folder);
	assert_int_equal(contents_save(&made, path, STREAM), 0);
	run_atrest(folder, "load.jsonl", "load.out", "stream load --cipher %s store", arm->cipher);
	run_atrest(folder, "/dev/null", "verify.out", "stream verify store");
	if (strcmp(arm->version, "2.9.10") == 0)
		remove_index(folder);

	same_in_server(arm, folder, &made);
	same_in_server(arm, folder, &made);
	change_in_server(arm, folder, &last);
	assert_int_equal(last.count, MESSAGES + MESSAGES_MORE - 4);

	run_atrest(folder, "/dev/null", "dump.jsonl", "stream dump --json --payload store");
	read_dump(folder, &dumped);
	assert_int_equal(contents_compare(&last, &dumped), 0);
	run_atrest(folder, "/dev/null", "verify.out", "stream verify store");

	contents_free(&made);
	contents_free(&last);
	contents_free(&dumped);
	end(folder);
}

static void forget_times(struct contents *contents)
{
	size_t i;

	for (i = 0; i < contents->count; i++)
		contents->items[i].time_ns = 0;
}

/* One run for all arms below: its folder, its key, and the plaintext store as we dump it. */
static struct {
	char folder[64];
	char key[128];
	struct contents plain;
} kept;

static int run_once(void **state)
{
	char path[128];
	FILE *file;

	(void)state;
	begin(&(struct arm){"a run", "all ciphers", ""}, kept.folder);
	(void)snprintf(path, sizeof(path), "%s/" WORKLOAD ".ini", kept.folder);
	file = fopen(path, "w");
	assert_non_null(file);
	(void)fprintf(file,
	              "operation = publish\nclass = publish\nquestion = is it the same?\n"
	              "messages = %d\nsizes = 1:5,2-3000:90,64k:5\nheaders_bytes = 100\n"
	              "headers_share = 0.3\nsubjects = 50\nblock_bytes = 512k\n",
	              MESSAGES_RUN);
	assert_int_equal(fclose(file), 0);
	run_atrest(kept.folder, "/dev/null", "run.out",
	           "run " WORKLOAD ".ini --rounds 1 --keep-stores keep -o results");

	(void)snprintf(path, sizeof(path), "%s/keep/key", kept.folder);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(kept.key, sizeof(kept.key), file));
	(void)fclose(file);
	kept.key[strcspn(kept.key, "\n")] = '\0';

	run_atrest(kept.folder, "/dev/null", "dump.jsonl",
	           "stream dump --json --payload keep/" WORKLOAD "-none");
	read_dump(kept.folder, &kept.plain);
	forget_times(&kept.plain);
	return kept.plain.count == MESSAGES_RUN ? 0 : -1;
}

static int run_end(void **state)
{
	(void)state;
	contents_free(&kept.plain);
	end(kept.folder);
	return 0;
}

/* The arms of a run publish the same bytes: what a server gives of a cipher's store is, but for the
 * times, what we dump of the plaintext one. */
static void store_of_a_run_is_equal_in_a_server(void **state)
{
	const struct arm *arm = *state;
	char folder[64], command[512];
	struct contents told;
	struct server *server;

	begin(arm, folder);
	(void)snprintf(command, sizeof(command), "cp -r '%s/keep/%s-%s' '%s/store'", kept.folder,
	               WORKLOAD, arm->cipher, folder);
	assert_int_equal(system(command), 0);
	server = start(arm, folder, key_of(arm) ? kept.key : NULL);
	assert_int_equal(contents_ask(&told, server, "BENCH"), 0);
	assert_int_equal(server_stop(server), 0);
	forget_times(&told);
	assert_int_equal(contents_compare(&kept.plain, &told), 0);
	contents_free(&told);
	end(folder);
}

int main(void)
{
	struct CMUnitTest tests[2 * ARMS];
	char names[2 * ARMS][64], why[1024];
	size_t i;

	for (i = 0; i < ARMS; i++) {
		if (server_find(arms[i].version, arms[i].program, sizeof(arms[i].program), why,
		                sizeof(why)) != 0) {
			printf("SKIP server: %s\n", why);
			return 77;
		}
		(void)snprintf(names[i], sizeof(names[i]), "%s, %s: loaded stream", arms[i].version,
		               arms[i].cipher);
		tests[i] = (struct CMUnitTest){
		        .name = names[i],
		        .test_func = loaded_stream_is_equal_in_a_server_and_comes_back,
		        .initial_state = &arms[i]};
		(void)snprintf(names[ARMS + i], sizeof(names[i]), "%s, %s: store of a run",
		               arms[i].version, arms[i].cipher);
		tests[ARMS + i] =
		        (struct CMUnitTest){.name = names[ARMS + i],
		                            .test_func = store_of_a_run_is_equal_in_a_server,
		                            .initial_state = &arms[i]};
	}
	return cmocka_run_group_tests(tests, run_once, run_end);
}
