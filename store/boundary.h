/* boundary.h - are subject, headers and payload of a record where it says they are?
 *
 * The record hash covers none of the three lengths: moving the boundary between subject,
 * headers and payload leaves it right. The length word is found out by where the hash is then
 * read; a changed subject or header length only by what the parts look like: the syntax of a
 * subject, the grammar of a header block, the stream's subjects, and the state file's list of
 * subjects (tally.h). What passes all of these is undetectable by the format.
 */
#ifndef ATREST_STORE_BOUNDARY_H
#define ATREST_STORE_BOUNDARY_H

#include <jansson.h>

#include "store/record.h"

/* True for what a publisher can use: tokens of UTF-8 without white space or control
 * characters, none empty, none a wildcard. */
int atr_subject_is_valid(const char *subject, size_t bytes);

/* True when filter ("*" one token, ">" the rest) covers the subject. */
int atr_subject_matches(const char *filter, const char *subject, size_t bytes);
/* Whether more than one subject may match. */
int atr_subject_has_wildcard(const char *filter);

/* True for "NATS/1.0", an optional status, lines of name:value and the one empty line at the
 * very end. */
int atr_headers_are_valid(const uint8_t *headers, size_t bytes);

/* True when one of config's "subjects" covers the subject, or nothing can be said: no
 * subjects, or messages that come from elsewhere (mirror, sources, subject_transform). */
int atr_subject_is_configured(const json_t *config, const char *subject, size_t bytes);

/* Looks at the parts of a decoded message. NULL when they are plausible, else a constant text.
 * listed: the subject is known from a state file, its syntax and filter need no proof.
 * config: of the stream, NULL = not looked at. */
const char *atr_boundary_doubt(const struct atr_message *m, int listed, const json_t *config);

#endif
