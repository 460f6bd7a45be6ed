/* snapshot.h - the container of a stream backup, in both directions (inner).
 *
 *   one S2 framed stream of   tar: meta.inf, meta.sum, msgs/..., obs/<CONSUMER>/...   (up to 2.14)
 *                             or "NATSARC1" and entries                               (2.15)
 *
 * What stands in it is clear text. What is taken out of it is bounded: a damaged or made-up input
 * costs at most SNAPSHOT_PENDING_BYTES_MAX of memory here.
 * Sources: nats-server server/filestore.go, streamSnapshot; server/archive/archive.go.
 */
#ifndef ATREST_STORE_SNAPSHOT_H
#define ATREST_STORE_SNAPSHOT_H

#include "store/inspect.h"

/* What a run of tiny chunks may expand to before it is looked at. */
#define SNAPSHOT_PENDING_BYTES_MAX ((size_t)128 * 1024 * 1024)

/* ---- writing a tar ---- */

struct snapshot_writer;

enum atr_status snapshot_writer_open(atr_backup_sink_fn *sink, void *arg, int64_t time_ns,
                                     struct snapshot_writer **out, struct atr_error *err);
/* One file. */
enum atr_status snapshot_put(struct snapshot_writer *w, const char *name, const void *content,
                             size_t bytes, struct atr_error *err);
/* The end mark and what is pending. w is gone after this, whatever is returned. */
enum atr_status snapshot_writer_finish(struct snapshot_writer *w, struct atr_error *err);
void snapshot_writer_discard(struct snapshot_writer *w); /* NULL allowed */

/* ---- reading ---- */

/* The bytes inside the S2 frames. */
struct snapshot_source;

enum atr_status snapshot_source_open(atr_restore_source_fn *source, void *arg,
                                     struct snapshot_source **out, struct atr_error *err);
/* Exactly so many bytes. ATR_EFORMAT: it ended before, or the frames are damaged; the offset of
 * *err is inside the frames. */
enum atr_status snapshot_read(struct snapshot_source *s, void *to, size_t bytes,
                              struct atr_error *err);
/* The next bytes without taking them; fewer at the end. */
enum atr_status snapshot_peek(struct snapshot_source *s, size_t bytes, const uint8_t **at,
                              size_t *available, struct atr_error *err);
/* ATR_OK when nothing follows and the last frame is whole. */
enum atr_status snapshot_source_end(struct snapshot_source *s, struct atr_error *err);
void snapshot_source_close(struct snapshot_source *s); /* NULL allowed */

struct snapshot_tar;

enum atr_status snapshot_tar_open(struct snapshot_source *source, struct snapshot_tar **out,
                                  struct atr_error *err);
/* The next file, which is a regular one with a relative name without "." and ".." parts, else
 * ATR_EFORMAT. *name is valid until the next call. ATR_END after the end mark; without one
 * ATR_EFORMAT. */
enum atr_status snapshot_tar_next(struct snapshot_tar *tar, const char **name, uint64_t *bytes,
                                  struct atr_error *err);
/* Of its content, up to `bytes`; *got 0 at its end. */
enum atr_status snapshot_tar_data(struct snapshot_tar *tar, void *to, size_t bytes, size_t *got,
                                  struct atr_error *err);
void snapshot_tar_close(struct snapshot_tar *tar); /* NULL allowed */

#endif
