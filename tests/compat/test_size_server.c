/* test_size_server.c - what `atrest size` comes to is taken by real servers: the jetstream block
 * starts one, the stream's JSON makes the stream, and what the server then writes is as long as the
 * format's model says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <nats/nats.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ciphers/cipher.h"
#include "harness/measure/disk.h"
#include "harness/measure/machine.h"
#include "harness/output/samples.h"
#include "store/footprint.h"
#include "tests/compat/program.h"
#include "tests/compat/server.h"
#include "tests/unit/synthetic.h"

#define START_MS   20000
#define KEY        "aKeyOfTheTests"
#define META_SLACK 16

struct version {
	const char *name, *in_rows;
	const struct synthetic_suite *suite;
	char program[1024];
};

static struct version versions[] = {{"2.9.10", "2.9.10", &synthetic_nats_old, ""},
                                    {"newest", "2.15.1", &synthetic_nats_new, ""}};

#define VERSIONS (sizeof(versions) / sizeof(versions[0]))

/* ---- the plan ---- */

/* A result whose rows are that version's, on this machine. */
static void write_result(const char *folder, const struct version *v)
{
	struct samples s = {0};
	json_t *machine = machine_fingerprint(NULL, 0, NULL);

	synthetic_add_server(&s, v->suite, (struct synthetic_noise){0, 0, 0}, 1);
	assert_int_equal(synthetic_write(synthetic_path(folder, "samples.csv"), &s, 1), 0);
	json_object_set_new(machine, "run", json_pack("{s[]}", "directories"));
	assert_int_equal(json_dump_file(machine, synthetic_path(folder, "machine.json"), 0), 0);
	json_decref(machine);
	samples_free(&s);
}

static json_t *plan_make(const char *folder, const char *const *flags)
{
	const char *arguments[32] = {"size", "--json", "--result", folder, "--reads", "0"};
	struct program_result result;
	size_t n = 6;
	json_t *plan;

	for (size_t i = 0; flags[i] != NULL; i++)
		arguments[n++] = flags[i];
	program_run(&result, arguments, NULL, NULL);
	if (result.code != 0)
		fail_msg("exit %d: %s", result.code, result.err);
	plan = json_loads(result.out, 0, NULL);
	assert_non_null(plan);
	program_free(&result);
	return plan;
}

/* ---- a server with that configuration ---- */

struct running {
	pid_t pid;
	natsConnection *connection;
};

/* The block as it was printed, but for the directory, which is another machine's. */
static void write_config(const char *folder, const json_t *plan)
{
	static const char theirs[] = "\"/var/lib/nats\"";
	const char *block = json_string_value(json_object_get(plan, "server_config"));
	const char *dir = strstr(block, theirs);
	FILE *file = fopen(synthetic_path(folder, "server.conf"), "w");

	assert_non_null(dir);
	assert_non_null(file);
	fprintf(file, "listen: \"127.0.0.1:-1\"\nports_file_dir: \"%s\"\n%.*s\"%s/store\"%s",
	        folder, (int)(dir - block), block, folder, dir + strlen(theirs));
	assert_int_equal(fclose(file), 0);
}

/* "nats://127.0.0.1:PORT" from the file that a server writes when it listens. 0, or -1: not yet. */
static int read_url(const char *folder, char url[128])
{
	const struct dirent *entry;
	DIR *dir = opendir(folder);
	int rc = -1;

	assert_non_null(dir);
	while (rc != 0 && (entry = readdir(dir)) != NULL) {
		if (strstr(entry->d_name, ".ports") == NULL)
			continue;
		json_t *ports = json_load_file(synthetic_path(folder, entry->d_name), 0, NULL);
		const char *text =
		        json_string_value(json_array_get(json_object_get(ports, "nats"), 0));
		if (text != NULL) {
			snprintf(url, 128, "%s", text);
			rc = 0;
		}
		json_decref(ports);
	}
	(void)closedir(dir);
	return rc;
}

static void server_begin(const char *folder, const struct version *v, struct running *out)
{
	static const struct timespec pause = {.tv_nsec = 20000000};
	char url[128], config[512], log[512];
	int status;

	snprintf(config, sizeof(config), "%s/server.conf", folder);
	snprintf(log, sizeof(log), "%s/server.log", folder);
	out->pid = fork();
	assert_true(out->pid >= 0);
	if (out->pid == 0) {
		setenv("JS_KEY", KEY, 1);
		execl(v->program, "nats-server", "-c", config, "-l", log, (char *)NULL);
		_exit(127);
	}
	for (int ms = 0; ms < START_MS; ms += 20) {
		if (waitpid(out->pid, &status, WNOHANG) != 0)
			fail_msg("%s did not start, see %s", v->name, log);
		if (read_url(folder, url) == 0 &&
		    natsConnection_ConnectTo(&out->connection, url) == NATS_OK)
			return;
		nanosleep(&pause, NULL);
	}
	kill(out->pid, SIGKILL);
	fail_msg("%s did not listen within %d ms", v->name, START_MS);
}

static void server_end(struct running *server)
{
	int status;

	natsConnection_Destroy(server->connection);
	kill(server->pid, SIGTERM);
	assert_int_equal(waitpid(server->pid, &status, 0), server->pid);
}

static json_t *request(const struct running *server, const char *subject, const char *body)
{
	natsMsg *reply = NULL;
	json_t *json;
	natsStatus s =
	        natsConnection_RequestString(&reply, server->connection, subject, body, 10000);

	if (s != NATS_OK)
		fail_msg("%s: %s", subject, natsStatus_GetText(s));
	json = json_loadb(natsMsg_GetData(reply), (size_t)natsMsg_GetDataLength(reply), 0, NULL);
	assert_non_null(json);
	natsMsg_Destroy(reply);
	if (json_object_get(json, "error") != NULL) {
		char *text = json_dumps(json, 0);
		fail_msg("%s: %s", subject, text);
	}
	return json;
}

/* Every member that was asked for is what the server has. */
static void stream_make(const struct running *server, const json_t *stream)
{
	char subject[256];
	char *body = json_dumps(stream, 0);
	const char *name = json_string_value(json_object_get(stream, "name")), *key;
	json_t *reply, *config, *value;

	snprintf(subject, sizeof(subject), "$JS.API.STREAM.CREATE.%s", name);
	reply = request(server, subject, body);
	config = json_object_get(reply, "config");
	json_object_foreach((json_t *)(uintptr_t)stream, key,
	                    value) if (!json_equal(value, json_object_get(config, key)))
	        fail_msg("%s of %s", key, body);
	json_decref(reply);
	free(body);
}

/* ---- what is checked ---- */

static void take_part(const struct version *v, const char *const *flags, size_t lines)
{
	char folder[64], path[PATH_MAX];
	struct running server = {0};
	json_t *plan;
	const char *block;

	synthetic_folder(folder);
	assert_non_null(realpath(folder, path));
	write_result(folder, v);
	plan = plan_make(folder, flags);
	block = json_string_value(json_object_get(plan, "server_config"));
	for (size_t i = 0; block[i] != '\0'; i++)
		lines -= block[i] == '\n';
	if (lines != 0)
		fail_msg("other lines than expected in %s", block);
	write_config(path, plan);
	server_begin(path, v, &server);
	stream_make(&server, json_object_get(plan, "stream_config"));
	server_end(&server);
	json_decref(plan);
	synthetic_remove(folder);
}

static void servers_take_block_and_stream(void **state)
{
	static const char *const plain[] = {"--rate", "20k", "--max-age", "7d", NULL};
	static const char *const all[] = {"--rate",     "100",         "--max-age",
	                                  "90s",        "--max-bytes", "10m",
	                                  "--max-msgs", "5000",        "--max-msgs-per-subject",
	                                  "50",         "--sizes",     "100-3m",
	                                  "--name",     "BIG_one-2",   "--subject",
	                                  "a.*.b.>",    "--deleted",   "10%",
	                                  NULL};
	static const char *const one[] = {"--rate",    "20", "--max-msgs", "9",
	                                  "--subject", "*",  NULL};
	static const char *const synced[] = {"--rate", "20",  "--max-msgs", "9",
	                                     "--sync", "30s", NULL};

	(void)state;
	for (size_t i = 0; i < VERSIONS; i++) {
		take_part(&versions[i], plain, 6);
		take_part(&versions[i], all, 7); /* max_payload */
		/* Servers before 2.10 have one interval. */
		if (i > 0)
			take_part(&versions[i], synced, 7);
		take_part(&versions[i], one, 6);
	}
}

/* meta.inf and meta.sum of the stream, which has no consumer in the plan. */
static void meta_check(const json_t *plan, const char *store)
{
	const char *chosen = json_string_value(json_object_get(plan, "chosen"));
	double predicted = 0, measured;
	char path[2 * PATH_MAX];
	struct stat st;
	json_t *c;
	size_t i;

	json_array_foreach(json_object_get(plan, "ciphers"), i,
	                   c) if (strcmp(json_string_value(json_object_get(c, "cipher")), chosen) ==
	                          0) predicted =
	        json_number_value(
	                json_object_get(json_object_get(c, "meta_files"), "apparent_bytes"));
	snprintf(path, sizeof(path), "%s/jetstream/$G/streams/EVENTS/meta.inf", store);
	assert_int_equal(stat(path, &st), 0);
	measured = (double)st.st_size + 16;
	/* Digits of a time and of the version, which newer ones write too. */
	if (!(fabs(measured - predicted) <= META_SLACK))
		fail_msg("meta files have %.0f bytes, predicted %.0f", measured, predicted);
}

/* What publishes of these sizes leave, against the model. */
static void files_check(const struct version *v, const char *store, const json_t *plan,
                        struct atr_footprint_blocks *blocks, uint64_t config_bytes)
{
	const char *cipher = json_string_value(json_object_get(plan, "chosen"));
	const struct atr_footprint_shape shape = {.cipher = atr_cipher_find(cipher, NULL),
	                                          .state = strcmp(v->name, "newest") == 0
	                                                           ? ATR_FOOTPRINT_STATE_INDEX
	                                                           : ATR_FOOTPRINT_STATE_IDX,
	                                          .config_bytes = config_bytes,
	                                          .subjects = 1,
	                                          .subject_bytes = 8,
	                                          .duration_ns = 20000000000,
	                                          .consumers = 1,
	                                          .consumer_config_bytes = 345};
	struct atr_footprint f;
	struct disk_usage usage;

	atr_footprint_stream(&shape, blocks, &f);
	assert_int_equal(disk_usage_read(store, &usage, NULL), 0);
	assert_int_equal(usage.kind[DISK_BLK].apparent_bytes, f.blk.bytes);
	assert_int_equal(usage.kind[DISK_BLK].files, f.blk.files);
	assert_int_equal(usage.kind[DISK_KEY].apparent_bytes, f.key.bytes);
	assert_int_equal(usage.kind[DISK_KEY].files, f.key.files);
	assert_int_equal(usage.kind[DISK_META].files, f.meta.files);
	assert_in_range(usage.kind[DISK_META].apparent_bytes, f.meta.bytes - 256,
	                f.meta.bytes + 256);
	meta_check(plan, store);
	assert_true(usage.kind[DISK_STATE].apparent_bytes <= f.state.bytes);
	assert_true(usage.kind[DISK_STATE].files <= f.state.files);
}

static void publish_all(const struct running *server, struct atr_footprint_blocks *blocks)
{
	static const size_t sizes[] = {100, 5000, 1, 12000, 40000, 900, 900, 7000, 3000, 20000, 64};
	static char zeros[40000];
	jsCtx *js = NULL;

	assert_int_equal(natsConnection_JetStream(&js, server->connection, NULL), NATS_OK);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(js_Publish(NULL, js, "events.a", zeros, (int)sizes[i], NULL, NULL),
		                 NATS_OK);
		atr_footprint_put(blocks, atr_footprint_record_bytes(8, 0, sizes[i]), 1);
	}
	jsCtx_Destroy(js);
}

static void what_servers_write_is_as_long_as_predicted(void **state)
{
	/* Blocks of 32,000 bytes. */
	static const char *const flags[] = {"--rate",      "1k", "--max-bytes", "127000",
	                                    "--consumers", "0",  NULL};
	static const char consumer[] =
	        "{\"stream_name\":\"EVENTS\",\"config\":{\"durable_name\":\"one\",\"ack_policy\":"
	        "\"explicit\",\"deliver_policy\":\"all\",\"replay_policy\":\"instant\"}}";

	(void)state;
	for (size_t i = 0; i < VERSIONS; i++) {
		struct atr_footprint_blocks blocks = {.block_bytes = 32000};
		struct running server = {0};
		char folder[64], path[PATH_MAX], store[PATH_MAX + 16];
		json_t *plan;
		char *config;

		synthetic_folder(folder);
		assert_non_null(realpath(folder, path));
		write_result(folder, &versions[i]);
		plan = plan_make(folder, flags);
		write_config(path, plan);
		server_begin(path, &versions[i], &server);
		stream_make(&server, json_object_get(plan, "stream_config"));
		json_decref(
		        request(&server, "$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.one", consumer));
		publish_all(&server, &blocks);
		server_end(&server);
		config = json_dumps(json_object_get(plan, "stream_config"), 0);
		snprintf(store, sizeof(store), "%s/store", path);
		files_check(&versions[i], store, plan, &blocks,
		            atr_footprint_config_bytes(config, "EVENTS"));
		free(config);
		json_decref(plan);
		synthetic_remove(folder);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(servers_take_block_and_stream),
	        cmocka_unit_test(what_servers_write_is_as_long_as_predicted),
	};
	char why[512];

	for (size_t i = 0; i < VERSIONS; i++)
		if (server_find(versions[i].name, versions[i].program, sizeof(versions[i].program),
		                why, sizeof(why)) != 0) {
			printf("SKIP: %s\n", why);
			return 77;
		}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
