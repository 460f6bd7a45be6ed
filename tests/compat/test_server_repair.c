/* test_server_repair.c - a stream that was damaged and repaired is opened by real servers, with
 * every message that the repair kept and no other.
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

#define STREAM   "ORDERS"
#define KEY      "an0therKeyOfTheTests"
#define MESSAGES 400
#define DIR      "store/jetstream/$G/streams/" STREAM

static void sh(const char *folder, const char *command)
{
	char whole[4096];

	(void)snprintf(whole, sizeof(whole), "cd '%s' && A='%s/cli/atrest' && %s", folder,
	               ATREST_BINARY_DIR, command);
	if (system(whole) != 0)
		fail_msg("%s", whole);
}

static void flip(const char *folder, const char *name, double where)
{
	char path[512];
	FILE *file;
	long size;
	int c;

	(void)snprintf(path, sizeof(path), "%s/" DIR "/%s", folder, name);
	file = fopen(path, "r+");
	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	size = ftell(file);
	assert_int_equal(fseek(file, (long)((double)size * where), SEEK_SET), 0);
	c = getc(file);
	assert_int_equal(fseek(file, (long)((double)size * where), SEEK_SET), 0);
	assert_int_equal(putc(c ^ 1, file), c ^ 1);
	assert_int_equal(fclose(file), 0);
}

static void a_repaired_stream_is_opened_by(const char *version, const char *cipher)
{
	struct contents made = {0}, kept = {0}, asked = {0};
	char folder[] = "/tmp/atrest-repair-XXXXXX", path[512], program[1024], why[512];
	struct server_config config = {.program = program,
	                               .cipher = cipher,
	                               .key = strcmp(cipher, "none") == 0 ? NULL : KEY,
	                               .folder = folder};
	struct server *server;
	char load[256], store[512];

	assert_int_equal(server_find(version, program, sizeof(program), why, sizeof(why)), 0);
	assert_non_null(mkdtemp(folder));
	if (config.key != NULL)
		(void)setenv("JS_KEY", KEY, 1);
	else
		(void)unsetenv("JS_KEY");
	contents_make(&made, MESSAGES, 7);
	(void)snprintf(path, sizeof(path), "%s/in.jsonl", folder);
	assert_int_equal(contents_save(&made, path, STREAM), 0);
	(void)snprintf(load, sizeof(load), "$A stream load --cipher %s store in.jsonl > load.out",
	               cipher);
	sh(folder, load);
	/* in the middle of a block; a meta file; the state file goes with the block */
	flip(folder, "msgs/1.blk", 0.5);
	sh(folder, "rm '" DIR "/meta.sum' && ! $A stream verify store > verify.out");
	sh(folder, "$A stream repair store > repair.out && $A stream verify store > verify.out && "
	           "$A stream dump --json --payload store > dump.jsonl");
	(void)snprintf(path, sizeof(path), "%s/dump.jsonl", folder);
	assert_int_equal(contents_read_dump(&kept, path), 0);
	assert_true(kept.count + 1 == made.count);
	(void)snprintf(store, sizeof(store), "%s/store", folder);
	config.store_dir = store;
	for (int start = 0; start < 2; start++) {
		assert_int_equal(server_start(&config, &server), 0);
		assert_int_equal(contents_ask(&asked, server, STREAM), 0);
		assert_int_equal(contents_compare(&kept, &asked), 0);
		assert_int_equal(server_stop(server), 0);
		contents_free(&asked);
		asked = (struct contents){0};
	}
	/* the original is no stream to a server, and is not taken away by one */
	sh(folder, "test -f store/jetstream/'$G'/streams/" STREAM ".damaged-*/msgs/1.blk");
	contents_free(&made);
	contents_free(&kept);
	(void)snprintf(load, sizeof(load), "rm -r '%s'", folder);
	assert_int_equal(system(load), 0);
}

static void oldest_server_opens_it(void **state)
{
	(void)state;
	a_repaired_stream_is_opened_by("2.9.10", "aes");
}

static void newest_server_opens_it(void **state)
{
	(void)state;
	a_repaired_stream_is_opened_by("newest", "chachapoly");
}

static void newest_server_opens_it_in_clear_text(void **state)
{
	(void)state;
	a_repaired_stream_is_opened_by("newest", "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(oldest_server_opens_it),
	        cmocka_unit_test(newest_server_opens_it),
	        cmocka_unit_test(newest_server_opens_it_in_clear_text),
	};
	static const char *const versions[] = {"2.9.10", "newest"};
	char program[1024], why[1024];

	for (size_t i = 0; i < 2; i++)
		if (server_find(versions[i], program, sizeof(program), why, sizeof(why)) != 0) {
			printf("SKIP server: %s\n", why);
			return 77;
		}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
