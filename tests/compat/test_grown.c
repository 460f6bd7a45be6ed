/* test_grown.c - a stream that grew through plaintext, chachapoly and aes with its blocks kept as
 * they were: every message reads, our commands say the cipher of each block, a backup restored is
 * under one cipher, and every server opens it under the key with every message equal.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/store.h"
#include "tests/compat/program.h"
#include "tests/compat/ways.h"

#define EACH 120

static const char *const stages[] = {"none", "chachapoly", "aes"};

static struct way grown;
static char key_path[128];

static void grow(const char *cipher, int create)
{
	struct atr_store_options options = {
	        .account = "$G",
	        .stream = WAY_STREAM,
	        .cipher = atr_cipher_find(cipher, NULL),
	        .block_bytes = 8192,
	        .config_json = "{\"subjects\":[\"orders.>\"],\"allow_direct\":true}",
	};
	struct atr_store *store;
	struct atr_error err;

	way_change_cipher(&grown, cipher);
	options.key = (const uint8_t *)grown.key;
	options.key_bytes = grown.key != NULL ? strlen(grown.key) : 0;
	if (create)
		assert_ok(atr_store_create(way_stream_dir(&grown), &options, &store, &err), &err);
	else
		assert_ok(atr_store_open(way_stream_dir(&grown), &options, &store, &err), &err);
	for (unsigned i = 0; i < EACH; i++) {
		struct content c = *way_message(&grown);
		struct atr_message m = {
		        .time_ns = INT64_C(1764000000000000000) + (int64_t)grown.model.last_seq,
		        .subject = c.subject,
		        .subject_bytes = strlen(c.subject),
		        .headers = c.headers,
		        .headers_bytes = c.headers_bytes,
		        .payload = c.payload,
		        .payload_bytes = c.payload_bytes,
		};

		c.time_ns = m.time_ns;
		assert_ok(atr_store_append(store, &m, &c.sequence, &err), &err);
		contents_append(&grown.model, &c);
	}
	assert_ok(atr_store_close(store, &err), &err);
}

static int make(void **state)
{
	(void)state;
	grown = (struct way){
	        .random = 4, .version = "2.15.1", .folder = "/tmp/atrest-grown-XXXXXX"};
	if (mkdtemp(grown.folder) == NULL)
		return -1;
	for (size_t i = 0; i < 3; i++)
		grow(stages[i], i == 0);
	(void)snprintf(key_path, sizeof(key_path), "%s/key", grown.folder);
	fixture_write(key_path, grown.key, strlen(grown.key));
	return 0;
}

static int remove_all(void **state)
{
	(void)state;
	contents_free(&grown.model);
	fixture_remove(grown.folder);
	return 0;
}

/* Clear blocks make it 5, as they should. */
static void run(struct program_result *result, int code, const char *const *words)
{
	program_run(result, words, NULL, NULL);
	if (result->code != code)
		fail_msg("stream %s: exit %d\n%s\n%s", words[1], result->code, result->out,
		         result->err);
}

static void dump_equals(const char *store_dir, int code)
{
	const char *const words[] = {"stream",     "dump",   "--json",  "--payload",
	                             "--key-file", key_path, store_dir, NULL};
	struct program_result result;
	struct contents dumped;
	char path[256];

	run(&result, code, words);
	(void)snprintf(path, sizeof(path), "%s/dump.jsonl", grown.folder);
	fixture_write(path, result.out, result.out_bytes);
	program_free(&result);
	assert_int_equal(contents_read_dump(&dumped, path), 0);
	assert_int_equal(contents_compare(&grown.model, &dumped), 0);
	contents_free(&dumped);
}

/* Blocks under each cipher, as `ls --json` counts them. */
static void blocks_by_cipher(const char *store_dir, uint64_t blocks[3])
{
	const char *const words[] = {"stream", "ls",      "--json", "--key-file",
	                             key_path, store_dir, NULL};
	static const char *const members[] = {"clear", "chachapoly", "aes"};
	struct program_result result;
	json_t *line;

	run(&result, 0, words);
	line = json_loads(result.out, JSON_DISABLE_EOF_CHECK, NULL);
	assert_non_null(line);
	for (size_t i = 0; i < 3; i++)
		blocks[i] = (uint64_t)json_integer_value(
		        json_object_get(json_array_get(line, 0), members[i]));
	json_decref(line);
	program_free(&result);
}

static void every_message_reads_and_each_block_has_its_cipher(void **state)
{
	const char *const verify[] = {"stream",
	                              "verify",
	                              "--json",
	                              "--verbose",
	                              "--key-file",
	                              key_path,
	                              way_store_dir(&grown),
	                              NULL};
	struct program_result result;
	uint64_t blocks[3];

	(void)state;
	dump_equals(way_store_dir(&grown), 0);
	blocks_by_cipher(way_store_dir(&grown), blocks);
	for (size_t i = 0; i < 3; i++)
		assert_true(blocks[i] > 1);
	/* what is left in clear text is named, and nothing else is wrong */
	run(&result, 5, verify);
	for (size_t i = 0; i < 3; i++) {
		char text[64];

		(void)snprintf(text, sizeof(text), "\"cipher\":\"%s\"", stages[i]);
		if (strstr(result.out, text) == NULL)
			fail_msg("no block %s in\n%s", text, result.out);
	}
	program_free(&result);
}

static void backup_restored_is_under_one_cipher(void **state)
{
	static const char *const targets[] = {"chachapoly", "aes"};
	char file[128], dir[128];
	const char *const backup[] = {"stream", "backup", "--key-file",          key_path,
	                              "-o",     file,     way_store_dir(&grown), NULL};
	const char *restore[] = {"stream",     "restore", "--cipher", NULL, "--account", "$G",
	                         "--key-file", key_path,  file,       dir,  NULL};
	struct program_result result;
	uint64_t blocks[3];

	(void)state;
	(void)snprintf(file, sizeof(file), "%s/stream.tar.s2", grown.folder);
	run(&result, 0, backup);
	program_free(&result);
	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(dir, sizeof(dir), "%s/restored-%s", grown.folder, targets[i]);
		restore[3] = targets[i];
		run(&result, 0, restore);
		program_free(&result);
		dump_equals(dir, 0);
		blocks_by_cipher(dir, blocks);
		assert_int_equal(blocks[0], 0);
		assert_int_equal(blocks[2 - i], 0);
		assert_true(blocks[1 + i] > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_message_reads_and_each_block_has_its_cipher),
	        cmocka_unit_test(backup_restored_is_under_one_cipher),
	};

	(void)unsetenv("JS_KEY");
	return cmocka_run_group_tests(tests, make, remove_all);
}
