/* target_nats.c - a nats-server of its own for every place: started on its directory when that is
 * created or opened, stopped when it is closed. Files, keys and clear text are then as they are
 * for the store.
 */
#include "harness/targets/nats_client.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/measure/filesystem.h"
#include "harness/targets/nats_server.h"
#include "workloads/workload.h"

#define STREAM_PREFIX "ATREST-"

#define RECOVERY_BYTES_S 20e6

/* ---- the server ---- */

/* NULL: as the server would by itself, which is the only way before 2.10. */
static const char *sync_interval(const struct target_options *options, char text[32])
{
	const struct workload *w = options->workload;

	if (options->use != TARGET_MEASURE || w->sync == WORKLOAD_SYNC_NONE ||
	    workload_sync_is_default(w))
		return NULL;
	if (w->sync == WORKLOAD_SYNC_ALWAYS)
		return "always";
	snprintf(text, 32, "%lluns", (unsigned long long)w->sync_interval_ns);
	return text;
}

/* For a start, and for reading all that is there where a server does that. */
static uint64_t start_timeout_ns(const struct workload *w)
{
	double messages = (double)w->fill_messages + (double)w->messages;

	return NATS_SERVER_START_S * UINT64_C(1000000000) +
	       (uint64_t)(messages * (workload_payload_bytes_mean(w) + w->headers_bytes) /
	                  RECOVERY_BYTES_S * 1e9);
}

static int is_state(const char *name)
{
	const char *dot = strrchr(name, '.');

	return strcmp(name, "index.db") == 0 ||
	       (dot != NULL && (strcmp(dot, ".idx") == 0 || strcmp(dot, ".fss") == 0));
}

/* A state file that an earlier opening left must not help this one: index.db, before 2.10 an idx
 * and an fss of each block. */
static void state_remove(const struct target_options *options, const char *directory)
{
	const struct workload *w = options->workload;
	char path[4096];
	struct dirent *entry;
	DIR *dir;

	if (options->use != TARGET_MEASURE || w->operation != WORKLOAD_OPEN ||
	    w->state != WORKLOAD_STATE_NONE)
		return;
	for (uint32_t i = 0; i < w->streams; i++) {
		snprintf(path, sizeof(path), "%s/jetstream/$G/streams/%s%u/msgs", directory,
		         STREAM_PREFIX, i);
		dir = opendir(path);
		while (dir != NULL && (entry = readdir(dir)) != NULL)
			if (is_state(entry->d_name))
				(void)unlinkat(dirfd(dir), entry->d_name, 0);
		if (dir != NULL)
			closedir(dir);
	}
}

static int server_start(const struct target_options *options, const char *directory,
                        struct nats_server **out, struct target_error *error)
{
	struct nats_server_config config = {.store_dir = directory, .cipher = options->cipher};
	char folder[4096], interval[32];

	if (options->server == NULL || options->server->program == NULL)
		return target_fail(error, TARGET_USAGE, "no nats-server was given");
	if ((size_t)snprintf(folder, sizeof(folder), "%s%s", directory, TARGET_LOG_SUFFIX) >=
	    sizeof(folder))
		return target_fail(error, TARGET_USAGE, "%s: path too long", directory);
	config.program = options->server->program;
	config.folder = folder;
	config.key = options->key;
	config.key_bytes = options->key_bytes;
	config.start_timeout_ns = start_timeout_ns(options->workload);
	config.message_bytes =
	        workload_payload_bytes_max(options->workload) + options->workload->headers_bytes;
	config.sync_interval = sync_interval(options, interval);
	return nats_server_start(&config, out, error);
}

/* A server dies with the thread that started it (nats_server.h), and the one that opens a place
 * may be a slice's: so it is started by a thread that does nothing else. */
struct server_keeper {
	pthread_t thread;
	const struct target_options *options;
	const char *directory;
	struct target_error *error;
	struct nats_server *server; /* NULL: it did not start */
	sem_t started, ended;
};

static void *keep(void *arg)
{
	struct server_keeper *k = arg;

	(void)server_start(k->options, k->directory, &k->server, k->error);
	sem_post(&k->started);
	while (sem_wait(&k->ended) != 0)
		;
	return NULL;
}

static void keeper_free(struct server_keeper *k)
{
	if (k == NULL)
		return;
	sem_post(&k->ended);
	pthread_join(k->thread, NULL);
	sem_destroy(&k->started);
	sem_destroy(&k->ended);
	free(k);
}

static struct server_keeper *keeper_new(const struct target_options *options, const char *directory,
                                        struct target_error *error)
{
	struct server_keeper *k = calloc(1, sizeof(*k));

	if (k == NULL) {
		target_fail(error, TARGET_SYSTEM, "out of memory");
		return NULL;
	}
	k->options = options;
	k->directory = directory;
	k->error = error;
	sem_init(&k->started, 0, 0);
	sem_init(&k->ended, 0, 0);
	if (pthread_create(&k->thread, NULL, keep, k) != 0) {
		target_fail(error, TARGET_SYSTEM, "cannot start a thread for the server");
		free(k);
		return NULL;
	}
	while (sem_wait(&k->started) != 0)
		;
	if (k->server != NULL)
		return k;
	keeper_free(k);
	return NULL;
}

/* ---- places ---- */

static int place_start(const struct target_options *options, const char *directory,
                       struct target_place **out, struct target_error *error)
{
	struct server_keeper *keeper = keeper_new(options, directory, error);
	struct target_place *place;
	struct target_error why;

	*out = NULL;
	if (keeper == NULL)
		return -1;
	place = nats_client_new(options, keeper->server, nats_server_url(keeper->server),
	                        STREAM_PREFIX, "", error);
	if (place == NULL) {
		(void)nats_server_stop(keeper->server, &why);
		keeper_free(keeper);
		return -1;
	}
	place->keeper = keeper;
	snprintf(place->version, sizeof(place->version), "%s",
	         options->server->version == NULL ? "" : options->server->version);
	snprintf(place->directory, sizeof(place->directory), "%s", directory);
	*out = place;
	return 0;
}

static int directory_sync(const struct target_place *place, struct target_error *error)
{
	int rc = filesystem_drain(place->directory);

	return rc == 0 ? 0
	               : target_fail(error, TARGET_SYSTEM, "%s: %s", place->directory,
	                             strerror(-rc));
}

static int nats_close(struct target_place *place, int durable, struct target_error *error)
{
	struct target_error why;
	int rc;

	if (place == NULL)
		return 0;
	rc = nats_server_stop(place->server, error);
	place->server = NULL;
	keeper_free(place->keeper);
	if (durable && directory_sync(place, &why) != 0 && rc == 0) {
		*error = why;
		rc = -1;
	}
	nats_client_free(place);
	return rc;
}

/* A start that is timed is a cold one. */
static int warms_up(const struct target_options *options)
{
	return options->use == TARGET_MEASURE && options->workload->operation != WORKLOAD_OPEN;
}

static int nats_create(const struct target_options *options, const char *directory,
                       struct target_place **out, struct target_error *error)
{
	struct target_place *place;
	struct target_error why;

	*out = NULL;
	if (place_start(options, directory, &place, error) != 0)
		return -1;
	if (nats_client_make_streams(place, error) != 0 ||
	    (warms_up(options) && nats_client_warm_up(place, error) != 0)) {
		(void)nats_close(place, 0, &why);
		return -1;
	}
	*out = place;
	return 0;
}

static int nats_open(const struct target_options *options, const char *directory,
                     struct target_place **out, struct target_error *error)
{
	struct target_place *place;
	struct target_error why;

	*out = NULL;
	state_remove(options, directory);
	if (place_start(options, directory, &place, error) != 0)
		return -1;
	/* One that could not be deciphered is not there, and only the log says why. */
	if (nats_server_check_streams(place->server, error) != 0 ||
	    nats_client_find_streams(place, error) != 0 ||
	    (warms_up(options) && nats_client_warm_up(place, error) != 0)) {
		(void)nats_close(place, 0, &why);
		return -1;
	}
	*out = place;
	return 0;
}

static int nats_sync(struct target_place *place, struct target_error *error)
{
	return directory_sync(place, error);
}

static pid_t nats_process(const struct target_place *place)
{
	return nats_server_pid(place->server);
}

const struct target target_nats = {
        NATS_CLIENT_FUNCTIONS,   .name = "nats",      .stores = 1,
        .create = nats_create,   .open = nats_open,   .sync = nats_sync,
        .process = nats_process, .close = nats_close,
};
