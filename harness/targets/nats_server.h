/* nats_server.h - a private nats-server process on a store_dir: started, watched, stopped by id.
 *
 * Listens on 127.0.0.1 at a port of its own, found by the server itself; its configuration, log
 * (TARGET_LOG_FILE, of this start) and process record (NATS_SERVER_RECORD, process_record.h) are
 * in a folder beside the store_dir. The key reaches it in its environment alone. It dies with the
 * thread that started it, however that ends (PDEATHSIG).
 *
 * Functions return 0, or -1 with *error filled; error->text names what the server's own log said.
 * One server may be asked from several threads, but not while it is stopped.
 */
#ifndef ATREST_HARNESS_TARGETS_NATS_SERVER_H
#define ATREST_HARNESS_TARGETS_NATS_SERVER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "harness/targets/target.h"

#define NATS_SERVER_RECORD        "nats-server.pid"
#define NATS_SERVER_PATH_BYTES    4096
#define NATS_SERVER_VERSION_BYTES 32
#define NATS_SERVER_START_S       20 /* until JetStream answers; longer for streams to recover */
#define NATS_SERVER_STOP_S        20 /* until it is killed */

struct nats_server;

struct nats_server_config {
	const char *program;   /* path, from nats_server_find */
	const char *store_dir; /* absent or with streams; the server adds "jetstream" */
	const char *folder;    /* configuration, log, process number; made if absent */
	const char *cipher;    /* "none", "chachapoly", "aes" */
	const uint8_t *key;    /* server key, text without quotes; unused with none */
	size_t key_bytes;
	const uint8_t *prev_key; /* of a rotation, from 2.10 on; NULL: none */
	size_t prev_key_bytes;
	const char *sync_interval; /* "always", "2m", ...; NULL: the server's default. Servers
	                              before 2.10 do not know it: TARGET_USAGE */
	uint16_t port;             /* 0: one that is free */
	uint64_t start_timeout_ns; /* 0: NATS_SERVER_START_S */
	uint64_t message_bytes;    /* headers and payload of the longest; 0: 8 MiB */
};

/* The program and its version ("2.15.1"). version NULL or "": NATS_SERVER, then PATH, then
 * /usr/sbin, then the distribution's through scripts/get-nats-server; one that is named: those if
 * they are of that version, then scripts/get-nats-server, which also knows "newest" and
 * "distribution". Fails with TARGET_SYSTEM, also when NATS_SERVER is no nats-server.
 * Takes milliseconds, a download at most ten minutes. */
int nats_server_find(const char *version, char program[NATS_SERVER_PATH_BYTES],
                     char found[NATS_SERVER_VERSION_BYTES], struct target_error *error);

/* Less than 0, 0 or more than 0 as version is before, is or is after major.minor. */
int nats_server_compare(const char *version, int major, int minor);

/* Starts it and waits until it takes connections and JetStream of the account answers. */
int nats_server_start(const struct nats_server_config *config, struct nats_server **out,
                      struct target_error *error);

/* "nats://127.0.0.1:PORT"; constant while it lives. */
const char *nats_server_url(const struct nats_server *server);
pid_t nats_server_pid(const struct nats_server *server);
const char *nats_server_log(const struct nats_server *server); /* path */

/* 1 while the process lives; 0 and *error says how it ended and what its log said last. */
int nats_server_alive(struct nats_server *server, struct target_error *error);

/* 0 when every stream that is in the store_dir is served. A server with another key or on damaged
 * files starts without those streams and warns in its log, where it does not name them; core
 * publish and subscribe work. -1: *error names the first one; TARGET_WRONG_KEY, or TARGET_VERIFY
 * when the log tells of no decryption. */
int nats_server_check_streams(struct nats_server *server, struct target_error *error);

/* What a failure in talking to it is: that it ended, that it is stopped (SIGSTOP) or hangs, that
 * its log names no space or a stream that it could not open; else text as it is. Returns -1. */
int nats_server_explain(struct nats_server *server, enum target_fault fault, const char *text,
                        struct target_error *error);

/* Asks it to leave and waits, then kills it; NULL is 0. -1: it had to be killed, ended with an
 * error, or had ended unasked. Gone in any case; its folder stays. */
int nats_server_stop(struct nats_server *server, struct target_error *error);

/* The last line of its log at level ERR or FTL, or what it said without a level before it ended,
 * that holds needle; without time and process, "" when there is none. With a needle also at level
 * WRN, and what it tells of slow consumers; NULL: any. */
void nats_server_log_error(const char *log, const char *needle, char *text, size_t bytes);

#endif
