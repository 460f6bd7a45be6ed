/* target_server.c - servers that are there already: streams are made in them, and deleted. */
#include "harness/targets/nats_client.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "harness/measure/clock.h"
#include "workloads/workload.h"

#define INFO_MS    3000
#define INFO_BYTES 8192

#define REMOVE_S        10 /* a cluster chooses a leader in less */
#define REMOVE_PAUSE_MS 500

typedef unsigned long long ull;

/* ---- names ---- */

/* FNV-1a: nothing depends on it but that two places of one run differ. */
static uint32_t hash_of(const char *text)
{
	uint32_t hash = 2166136261u;

	for (; *text != '\0'; text++)
		hash = (hash ^ (uint8_t)*text) * 16777619u;
	return hash;
}

/* "ATREST-<run>-<cell and arm>-<store>-", from the last three parts of directory: what the run
 * fills it opens again by this name. Its subjects begin with a word that is as unique, since all
 * arms are in the same account. */
static int names_of(const char *directory, char prefix[NATS_CLIENT_NAME_BYTES],
                    char root[NATS_CLIENT_ROOT_BYTES], struct target_error *error)
{
	const char *at = directory + strlen(directory);
	int parts = 0, n;

	while (at > directory && (at[-1] != '/' || ++parts < 3))
		at--;
	n = snprintf(prefix, NATS_CLIENT_NAME_BYTES, "ATREST-%s-", at);
	if (n >= NATS_CLIENT_NAME_BYTES - 16)
		return target_fail(error, TARGET_USAGE, "%s: too long for the name of a stream",
		                   at);
	for (char *c = prefix; *c != '\0'; c++)
		if (!isalnum((unsigned char)*c) && *c != '-')
			*c = '_';
	snprintf(root, NATS_CLIENT_ROOT_BYTES, "at%08x.", hash_of(prefix));
	return 0;
}

/* ---- version ---- */

/* Within INFO_MS. */
static int connects(int fd, const struct addrinfo *to)
{
	struct pollfd socket = {.fd = fd, .events = POLLOUT};
	socklen_t bytes = sizeof(int);
	int failed = 0;

	if (connect(fd, to->ai_addr, to->ai_addrlen) == 0)
		return 1;
	return errno == EINPROGRESS && poll(&socket, 1, INFO_MS) == 1 &&
	       getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &bytes) == 0 && failed == 0;
}

static int connect_to(const char *url)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	const char *host = strstr(url, "://");
	char name[512], *port;
	int fd = -1;

	host = host == NULL ? url : host + 3;
	if (strrchr(host, '@') != NULL)
		host = strrchr(host, '@') + 1;
	snprintf(name, sizeof(name), "%s", host);
	port = strrchr(name, ':');
	if (port == NULL)
		return -1;
	*port++ = '\0';
	port[strcspn(port, "/")] = '\0';
	/* [::1] */
	if (name[0] == '[' && name[strlen(name) - 1] == ']') {
		name[strlen(name) - 1] = '\0';
		memmove(name, name + 1, strlen(name));
	}
	if (getaddrinfo(name, port, &hints, &found) != 0)
		return -1;
	for (struct addrinfo *a = found; a != NULL && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
		            a->ai_protocol);
		if (fd >= 0 && !connects(fd, a)) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(found);
	return fd;
}

/* libnats reads INFO, the first line of every server, and tells nobody its version. */
static void version_read(struct target_place *place)
{
	char url[512], line[INFO_BYTES];
	struct pollfd socket = {.fd = -1, .events = POLLIN};
	size_t used = 0;
	json_t *info;

	if (natsConnection_GetConnectedUrl(place->connection, url, sizeof(url)) == NATS_OK)
		socket.fd = connect_to(url);
	while (socket.fd >= 0 && used + 1 < sizeof(line) && poll(&socket, 1, INFO_MS) == 1) {
		ssize_t n = recv(socket.fd, line + used, sizeof(line) - 1 - used, 0);
		if (n <= 0)
			break;
		used += (size_t)n;
		if (memchr(line, '\n', used) != NULL)
			break;
	}
	if (socket.fd >= 0)
		close(socket.fd);
	line[used] = '\0';
	info = strncmp(line, "INFO ", 5) == 0
	               ? json_loads(line + 5, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, NULL)
	               : NULL;
	snprintf(place->version, sizeof(place->version), "%s",
	         json_is_string(json_object_get(info, "version"))
	                 ? json_string_value(json_object_get(info, "version"))
	                 : "unknown");
	json_decref(info);
}

/* ---- deleting ---- */

static void tell_left(const char *prefix, const char *why)
{
	fprintf(stderr, "warning: streams %s* may be left on the servers: %s\n", prefix, why);
}

/* Its node may be gone, and the others are choosing a leader: over another connection then, to
 * whichever of the servers takes it. */
static void streams_remove(struct target_place *place)
{
	static const struct timespec pause = {.tv_nsec = REMOVE_PAUSE_MS * 1000000L};
	const uint64_t end_ns = clock_ns() + REMOVE_S * UINT64_C(1000000000);
	struct target_error why = {.text = "they could not be deleted"};
	int rc = nats_client_delete_streams(place);

	while (rc != 0 && clock_ns() < end_ns) {
		struct target_place *again;
		(void)nanosleep(&pause, NULL);
		again = nats_client_new(place->options, NULL, place->urls, place->prefix,
		                        place->root, &why);
		if (again == NULL)
			continue;
		rc = nats_client_delete_streams(again);
		nats_client_free(again);
	}
	if (rc != 0)
		tell_left(place->prefix, why.text);
}

/* ---- places ---- */

static int place_connect(const struct target_options *options, const char *directory,
                         struct target_place **out, struct target_error *error)
{
	char prefix[NATS_CLIENT_NAME_BYTES], root[NATS_CLIENT_ROOT_BYTES];

	*out = NULL;
	if (options->server == NULL || options->server->urls == NULL)
		return target_fail(error, TARGET_USAGE, "no server was given");
	if (names_of(directory, prefix, root, error) != 0)
		return -1;
	*out = nats_client_new(options, NULL, options->server->urls, prefix, root, error);
	if (*out == NULL)
		return -1;
	version_read(*out);
	return 0;
}

static int server_create(const struct target_options *options, const char *directory,
                         struct target_place **out, struct target_error *error)
{
	struct target_place *place;

	*out = NULL;
	if (place_connect(options, directory, &place, error) != 0)
		return -1;
	if (nats_client_make_streams(place, error) != 0 ||
	    (options->use != TARGET_CHECK && nats_client_warm_up(place, error) != 0)) {
		/* What was cut off may have been made; where nothing could be made a second try is
		 * of no use. */
		if (natsConnection_IsClosed(place->connection))
			streams_remove(place);
		else if (nats_client_delete_streams(place) != 0)
			tell_left(place->prefix, error->text);
		nats_client_free(place);
		return -1;
	}
	*out = place;
	return 0;
}

static int server_open(const struct target_options *options, const char *directory,
                       struct target_place **out, struct target_error *error)
{
	struct target_place *place;

	*out = NULL;
	if (place_connect(options, directory, &place, error) != 0)
		return -1;
	if (nats_client_find_streams(place, error) != 0) {
		nats_client_free(place);
		return -1;
	}
	*out = place;
	return 0;
}

static int server_sync(struct target_place *place, struct target_error *error)
{
	(void)place;
	(void)error;
	return 0;
}

/* -1: its CPU time and memory are not ours to read. */
static pid_t server_process(const struct target_place *place)
{
	(void)place;
	return -1;
}

/* A stream that was only read stays for the next slice. */
static int server_close(struct target_place *place, int durable, struct target_error *error)
{
	(void)error;
	if (place == NULL)
		return 0;
	if (!durable && (place->fresh || workload_changes(place->options->workload)))
		streams_remove(place);
	nats_client_free(place);
	return 0;
}

static void server_discard(const struct target_options *options, const char *directory)
{
	char prefix[NATS_CLIENT_NAME_BYTES], root[NATS_CLIENT_ROOT_BYTES];
	struct target_place *place;
	struct target_error why;

	if (names_of(directory, prefix, root, &why) != 0)
		return;
	if (place_connect(options, directory, &place, &why) != 0) {
		tell_left(prefix, why.text);
		return;
	}
	streams_remove(place);
	nats_client_free(place);
}

const struct target target_server = {
        NATS_CLIENT_FUNCTIONS, .name = TARGET_SERVER_NAME, .create = server_create,
        .open = server_open,   .sync = server_sync,        .process = server_process,
        .close = server_close, .discard = server_discard,
};
