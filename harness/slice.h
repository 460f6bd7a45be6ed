/* slice.h - one slice of one arm: what is done before the clock starts, the timed region, what
 * is taken and checked after it. Runs in a worker process (worker.c).
 *
 *                     before                       timed                 after
 *   publish           an empty store               append                read some back
 *   read, get         open what was filled         read, compare         -
 *   mixed             an empty store, filled       both at once          read some back
 *   tail              an empty store               append, read behind   read some back
 *   delete, purge     an empty store, filled       remove, compact       read all
 *   open              what was filled, closed      open, close           -
 *   convert           filled, closed               convert               open, read all
 *   snapshot          what was filled, closed      write one file        restore, read all
 *   restore           such a file                  restore               open, read all
 *
 * The timed region begins when the first thread starts and ends (acked_s) when the last one has
 * its last acknowledgement or message, or, when writes are coalesced, when the last record is
 * written. The process clock is read at both ends by the threads themselves; the main thread
 * sleeps.
 */
#ifndef ATREST_HARNESS_SLICE_H
#define ATREST_HARNESS_SLICE_H

#include "harness/orders.h"

struct session;

/* setup: an order of that kind, copied. key: setup->key_bytes, borrowed until session_close; of
 * no use and perhaps NULL for ciphers that do not encipher. Makes the payload pool. 0, or -1 and
 * *error. */
int session_open(const struct order *setup, const uint8_t *key, struct session **out,
                 struct target_error *error);
void session_close(struct session *session); /* NULL allowed */

/* What enciphers, e.g. "OpenSSL 3.0.19"; constant. */
const char *session_library(const struct session *session);

/* Fills a fresh store_dir for a reading cell, on the device when this returns. 0, or -1. */
int session_fill(struct session *session, const char *directory, struct target_error *error);

/* One slice; reply->row gets the columns known here (valid among them), reply->warning and, when
 * the row is not valid, reply->error. */
void session_slice(struct session *session, const struct order *order, struct order_reply *reply);

#endif
