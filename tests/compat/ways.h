/* ways.h - one stream that is changed at random on one side and must be equal on the other.
 *
 *   ours    our store: append, delete, erase, purge, compact, limits, consumer, restart, cipher
 *           change, rotation; then a real server opens the directory, twice
 *   theirs  the same by a real server's API; then we read the directory, change it, and the server
 *           opens it again
 *
 * Everything follows from the seed. Both are cmocka code: they fail the test that runs them.
 */
#ifndef ATREST_TESTS_COMPAT_WAYS_H
#define ATREST_TESTS_COMPAT_WAYS_H

#include "tests/compat/contents.h"
#include "tests/unit/store_fixture.h"

#define WAY_STREAM   "ORDERS"
#define WAY_CONSUMER "WORKERS"

struct way_consumer {
	int exists; /* -1: it may be there or not (D4) */
	uint64_t delivered_consumer, delivered_stream, floor_consumer, floor_stream;
	uint64_t pending;
};

struct way {
	/* given */
	const char *version; /* of the server, as found: "2.9.10" */
	const char *program;
	const char *cipher; /* at first */
	uint64_t seed;

	/* now */
	uint64_t random;
	char folder[64];
	const char *key, *prev_key; /* NULL under none */
	unsigned keys;              /* used so far */
	int rotated;                /* the last restart of a server changed the key */
	int had_clear;              /* the stream was clear text at some time */
	struct contents model;      /* what must be there */
	struct way_consumer consumer;
};

void way_ours(struct way *way);
void way_theirs(struct way *way);

/* ---- shared by both ---- */

/* 0 .. below - 1. */
uint64_t way_draw(struct way *way, uint64_t below);
/* Servers from 2.10 on: tombstones, rotation. */
int way_is_new(const struct way *way);
/* <folder>/store, and the stream directory in it. */
const char *way_store_dir(const struct way *way);
const char *way_stream_dir(const struct way *way);
/* Another cipher that encrypts, or none; and the key that goes with it. */
void way_change_cipher(struct way *way, const char *cipher);
void way_rotate(struct way *way);
/* A message with a random subject, payload and sometimes headers; valid until the next call. */
const struct content *way_message(struct way *way);

struct server *way_start(const struct way *way);
/* The stream in that server against the model, and the consumer. */
void way_same_in_server(const struct way *way, struct server *server);
void way_ask_consumer(const struct way *way, struct server *server, struct way_consumer *out);
/* Our dump of the directory. */
void way_dump(const struct way *way, struct contents *out, struct way_consumer *consumer);
/* The same against the model. */
void way_same_in_dump(const struct way *way);

#endif
