/* target_store_inner.h - what target_store.c and target_store_closed.c share.
 */
#ifndef ATREST_HARNESS_TARGETS_TARGET_STORE_INNER_H
#define ATREST_HARNESS_TARGETS_TARGET_STORE_INNER_H

#include "harness/targets/target.h"
#include "store/store.h"

#define TARGET_STORE_ACCOUNT    "$G"
#define TARGET_STORE_NAME_BYTES 32

/* A status as a fault, its line as the text. Returns -1. */
int target_store_failed(struct target_error *error, enum atr_status status,
                        const struct atr_error *why);

/* Name of stream number `stream` and its directory below a store_dir. 0, or -1. */
int target_store_path(const char *directory, uint32_t stream, char name[TARGET_STORE_NAME_BYTES],
                      char path[4096], struct target_error *error);

/* ---- target_store_closed.c: target.h's functions on closed streams ---- */

int target_store_convert(const struct target_options *from, const struct target_options *to,
                         const char *directory, struct target_error *error);
int target_store_is_under(const struct target_options *options, const char *directory,
                          struct target_error *error);
int target_store_snapshot(const struct target_options *options, const char *directory,
                          const char *file, struct target_error *error);
int target_store_restore(const struct target_options *options, const char *file,
                         const char *directory, struct target_error *error);

#endif
