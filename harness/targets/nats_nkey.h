/* nats_nkey.h - the public half of an nkey, which libnats wants beside the seed.
 *
 *   base32 (RFC 4648, no padding) of: kind, then 32 bytes of Ed25519, then a check sum
 *   seed "SU..."   two bytes of kind: S (18) in the upper five bits, the kind of key in the next
 *   user "U..."    one byte of kind: U (20) in the upper five bits
 *   check sum      CRC-16 (polynomial 0x1021, from 0) of all before, little-endian
 */
#ifndef ATREST_HARNESS_TARGETS_NATS_NKEY_H
#define ATREST_HARNESS_TARGETS_NATS_NKEY_H

#include "harness/targets/target.h"

#define NATS_NKEY_PUBLIC_BYTES 57 /* with NUL */

/* Reads the seed of a user from a file: its first line that begins with "SU". 0, or -1 and *error
 * (TARGET_USAGE), which does not show the seed. */
int nats_nkey_public(const char *path, char out[NATS_NKEY_PUBLIC_BYTES],
                     struct target_error *error);

#endif
