/* contents.h - every message of a stream, in memory, from where a test can get it: made up, told by
 * a server's API, or dumped by our program. What one side says must equal what the other says.
 */
#ifndef ATREST_TESTS_COMPAT_CONTENTS_H
#define ATREST_TESTS_COMPAT_CONTENTS_H

#include <stddef.h>
#include <stdint.h>

#include "tests/compat/server.h"

struct content {
	uint64_t sequence;
	int64_t time_ns;
	char *subject;
	uint8_t *headers; /* whole block, as stored */
	size_t headers_bytes;
	uint8_t *payload;
	size_t payload_bytes;
};

/* Live messages in ascending order; what is missing between first and last was deleted. All are
 * freed by contents_free, which accepts a zeroed struct. */
struct contents {
	struct content *items;
	size_t count, capacity;
	uint64_t first_seq, last_seq; /* as the stream's state says */
};

/* count messages of about 6 KiB on average under "orders.>": binary and empty payloads, some of
 * 256 KiB, headers on a third, and deleted gaps of 1 to 40 sequences, one before the first. */
void contents_make(struct contents *out, size_t count, uint64_t seed);

/* One more, above the last: a copy of c. last_seq follows. */
void contents_append(struct contents *contents, const struct content *c);

/* Takes one out; first_seq follows (last_seq + 1 when none is left). 0, or -1: it is not there. */
int contents_remove(struct contents *contents, uint64_t sequence);

/* Writes them as `stream load` reads them. 0, or -1. */
int contents_save(const struct contents *contents, const char *path, const char *stream);

/* Reads what `stream dump --json --payload` printed. 0, or -1 and a line on stderr. */
int contents_read_dump(struct contents *out, const char *path);

/* Asks for the state and for every sequence. 0, or -1 and a line on stderr: also when the server's
 * own counts do not fit what it answers. */
int contents_ask(struct contents *out, struct server *server, const char *stream);

/* 0 when equal; else -1 and a line on stderr that names the first difference. */
int contents_compare(const struct contents *expected, const struct contents *found);

void contents_free(struct contents *contents);

#endif
