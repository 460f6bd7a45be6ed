/* store_dir.h - what DIR of the stream commands is, and which streams it means. */
#ifndef ATREST_CLI_STORE_DIR_H
#define ATREST_CLI_STORE_DIR_H

#include "store/inspect.h"

/* Visits the streams of dir: a store_dir, its jetstream/, an account or a stream directory.
 * account, stream: as in atr_discover. Returns EXIT_FINE when at least one stream was visited or
 * none was asked for by name, else the exit code, after one line on stderr. each returns
 * ATR_OK. */
int store_dir_visit(const char *dir, const char *account, const char *stream, atr_place_fn *each,
                    void *arg);

/* Where a stream that is to be written lies. */
struct store_dir_target {
	char dir[4096]; /* stream directory */
	char account[256];
	char stream[256];
};

/* DIR of `load`. A path that ends in jetstream/A/streams/S is that stream directory, and so is
 * one that has a meta.inf; anything else, existing or not, is a store_dir (its jetstream/ and an
 * account directory are known by their names). account and stream: NULL = not given; stream_line:
 * the name in the input, NULL = none. Returns EXIT_FINE or EXIT_USAGE after one line. */
int store_dir_target(const char *dir, const char *account, const char *stream,
                     const char *account_line, const char *stream_line,
                     struct store_dir_target *out);

#endif
