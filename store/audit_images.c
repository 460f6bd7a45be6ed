/* audit_images.c - two images of one stream: is a key stream used for two texts?
 *
 * A block whose key file is the same in both continues one key stream: where both have a byte, it
 * must be the same one. Servers rewrite blocks in place under the same key (compaction, purge,
 * a cut tail), so that the XOR of two images is the XOR of two plaintexts.
 */
#include "store/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ciphers/secret.h"

#define PIECE_BYTES ((size_t)256 * 1024)
#define SEALED_MAX  ((size_t)256 * 1024 * 1024)

struct difference {
	uint64_t bytes; /* places that differ, in the part that both have */
	uint64_t first; /* of these */
	uint64_t common_bytes;
};

static void count_differences(struct difference *d, const uint8_t *x, const uint8_t *y,
                              size_t bytes, uint64_t base)
{
	for (size_t i = 0; i < bytes; i++) {
		if (x[i] == y[i])
			continue;
		if (d->bytes++ == 0)
			d->first = base + i;
	}
}

/* As many bytes as the file has at offset, up to a piece. */
static enum atr_status read_piece(const struct atr_file_table *files, int fd, const char *path,
                                  uint8_t *to, uint64_t offset, size_t *bytes,
                                  struct atr_error *err)
{
	*bytes = 0;
	while (*bytes < PIECE_BYTES) {
		ssize_t n = files->pread(files->context, fd, to + *bytes, PIECE_BYTES - *bytes,
		                         offset + *bytes);

		if (n < 0)
			return atr_file_error(err, n, path, (int64_t)(offset + *bytes), "read");
		if (n == 0)
			break;
		*bytes += (size_t)n;
	}
	return ATR_OK;
}

/* ATR_ENOTFOUND: one of them is not there. */
static enum atr_status compare_files(const struct atr_file_table *files, const char *path_x,
                                     const char *path_y, struct difference *d,
                                     struct atr_error *err)
{
	uint8_t *x = atr_file_buffer(PIECE_BYTES), *y = atr_file_buffer(PIECE_BYTES);
	int fd_x = files->open(files->context, path_x, O_RDONLY, 0);
	int fd_y = files->open(files->context, path_y, O_RDONLY, 0);
	enum atr_status rc = ATR_OK;
	size_t n = 0, m = 0;

	memset(d, 0, sizeof *d);
	if (x == NULL || y == NULL)
		rc = atr_error_set(err, ATR_ENOMEM, path_x, -1, "no memory");
	else if (fd_x < 0 || fd_y < 0)
		rc = fd_x == -ENOENT || fd_y == -ENOENT
		             ? ATR_ENOTFOUND
		             : atr_file_error(err, fd_x < 0 ? fd_x : fd_y,
		                              fd_x < 0 ? path_x : path_y, -1, "open");
	for (uint64_t at = 0; rc == ATR_OK; at += PIECE_BYTES) {
		rc = read_piece(files, fd_x, path_x, x, at, &n, err);
		if (rc == ATR_OK)
			rc = read_piece(files, fd_y, path_y, y, at, &m, err);
		if (rc != ATR_OK)
			break;
		if (m < n)
			n = m;
		count_differences(d, x, y, n, at);
		d->common_bytes += n;
		if (n < PIECE_BYTES)
			break;
	}
	if (fd_x >= 0)
		(void)files->close(files->context, fd_x);
	if (fd_y >= 0)
		(void)files->close(files->context, fd_y);
	free(x);
	free(y);
	return rc;
}

/* True when both directories have the same seed and nonce in that key file: it is equal, or (with
 * the key) both open to the same, as when only the server key was changed. */
static int same_block_key(struct audit *a, uint64_t number, const char *name)
{
	char path[PATH_MAX], msgs[PATH_MAX];
	uint8_t *x = NULL, *y = NULL;
	size_t x_bytes = 0, y_bytes = 0;
	struct atr_error ignored;
	struct atr_seed seed_x, seed_y;
	int same = 0;

	if (audit_path(path, a->dir, name) &&
	    atr_file_read_whole(a->files, path, 4096, &x, &x_bytes, &ignored) == ATR_OK &&
	    audit_path(path, a->options->against, name) &&
	    atr_file_read_whole(a->files, path, 4096, &y, &y_bytes, &ignored) == ATR_OK)
		same = x_bytes == y_bytes && memcmp(x, y, x_bytes) == 0;
	free(x);
	free(y);
	if (same || number == 0 || a->in == NULL || y_bytes == 0 ||
	    !audit_path(msgs, a->options->against, "msgs"))
		return same;
	if (atr_block_read_key(&a->in->home, number, &seed_x, &ignored) == ATR_OK) {
		struct atr_block_home other = a->in->home;

		other.msgs_path = msgs;
		if (atr_block_read_key(&other, number, &seed_y, &ignored) == ATR_OK) {
			same = memcmp(seed_x.seed, seed_y.seed, sizeof seed_x.seed) == 0 &&
			       memcmp(seed_x.nonce, seed_y.nonce, sizeof seed_x.nonce) == 0;
			atr_secret_wipe(&seed_y, sizeof seed_y);
		}
		atr_secret_wipe(&seed_x, sizeof seed_x);
	}
	return same;
}

static enum atr_status compare_block(struct audit *a, const struct audit_block *b,
                                     struct atr_error *err)
{
	static const struct audit_kind reuse = {
	        ATR_SEVERITY_HIGH, "keystream-reuse",
	        "the XOR of the two images is the XOR of two plaintexts: known text of one reads "
	        "the other, without any key",
	        "destroy one of the images, and rewrite the stream under new keys (atrest stream "
	        "convert): no store of a server avoids it"};
	static const struct audit_kind idx_chacha = {
	        ATR_SEVERITY_HIGH, "idx-nonce-reuse",
	        "two versions of the idx under one nonce: their XOR is that of their texts, and "
	        "of the block's key stream from byte 64 on; either can be forged",
	        "servers from 2.10 on write no idx: upgrade, and destroy old images"};
	static const struct audit_kind idx_aes = {
	        ATR_SEVERITY_HIGH, "idx-nonce-reuse",
	        "two versions of the idx under one GCM nonce: their XOR is that of their texts, "
	        "and the authentication key can be computed, so that any idx can be forged",
	        "servers from 2.10 on write no idx: upgrade, and destroy old images"};
	static const char *const suffixes[] = {"blk", "idx"};
	char name[64], path[PATH_MAX], other[PATH_MAX];
	enum atr_status rc;

	(void)snprintf(name, sizeof name, "msgs/%" PRIu64 ".key", b->number);
	if (!b->has_key || !same_block_key(a, b->number, name))
		return ATR_OK;
	a->same_blocks++;
	for (size_t i = 0; i < 2; i++) {
		struct audit_group group = {.files = 0};
		struct difference d;

		(void)snprintf(name, sizeof name, "msgs/%" PRIu64 ".%s", b->number, suffixes[i]);
		if (!audit_path(path, a->dir, name) ||
		    !audit_path(other, a->options->against, name))
			continue;
		rc = compare_files(a->files, path, other, &d, err);
		if (rc == ATR_ENOTFOUND)
			continue;
		if (rc != ATR_OK)
			return rc;
		a->compared_bytes += d.common_bytes;
		a->exposed_bytes += d.bytes;
		if (d.bytes == 0)
			continue;
		audit_group_add(&group, path, d.bytes);
		audit_tell(a,
		           i == 0               ? &reuse
		           : b->key_bytes == 72 ? &idx_chacha
		                                : &idx_aes,
		           &group,
		           "%" PRIu64 " of the %" PRIu64 " bytes that both images have differ "
		           "under the same seed and nonce, from byte %" PRIu64 " on; the other "
		           "image is %s",
		           d.bytes, d.common_bytes, d.first, other);
	}
	return ATR_OK;
}

/* meta.inf, index.db, o.dat begin with a random nonce: two contents under one are a broken random
 * source. */
static void compare_sealed(struct audit *a, const char *name, const char *key_name)
{
	static const struct audit_kind kind = {
	        ATR_SEVERITY_HIGH, "nonce-reuse",
	        "two texts are sealed under one key and nonce: their XOR is known, and either can "
	        "be forged",
	        "the random source of the writer is broken; destroy one of the images"};
	struct audit_group group = {.files = 0};
	char path[PATH_MAX], other[PATH_MAX];
	uint8_t *x = NULL, *y = NULL;
	size_t x_bytes = 0, y_bytes = 0;
	struct atr_error ignored;

	if (!same_block_key(a, 0, key_name) || !audit_path(path, a->dir, name) ||
	    !audit_path(other, a->options->against, name))
		return;
	if (atr_file_read_whole(a->files, path, SEALED_MAX, &x, &x_bytes, &ignored) == ATR_OK &&
	    atr_file_read_whole(a->files, other, SEALED_MAX, &y, &y_bytes, &ignored) == ATR_OK &&
	    x_bytes > 32 && y_bytes > 32 && memcmp(x, y, 16) == 0) {
		struct difference d = {0};
		size_t bytes = x_bytes < y_bytes ? x_bytes : y_bytes;

		count_differences(&d, x, y, bytes, 0);
		if (d.bytes > 0) {
			audit_group_add(&group, path, d.bytes);
			audit_tell(a, &kind, &group,
			           "%" PRIu64 " bytes differ under one nonce; the other image is "
			           "%s",
			           d.bytes, other);
		}
	}
	free(x);
	free(y);
}

/* That the images were compared, when nothing came of it. */
static void tell_compared(struct audit *a)
{
	static const struct audit_kind kind = {
	        ATR_SEVERITY_INFO, "two-images",
	        "none now: what both have of one key stream is the same text, or they share no key",
	        "compare again after the stream was compacted, purged or cut: a server writes such "
	        "blocks anew under the same key"};
	struct audit_group group = {.files = 0};
	size_t enciphered = 0;

	for (size_t i = 0; i < a->block_count; i++)
		enciphered += a->block[i].has_key && a->block[i].has_blk;
	if (enciphered == 0 || a->exposed_bytes > 0)
		return;
	audit_group_add(&group, a->dir, 0);
	audit_tell(a, &kind, &group,
	           "%" PRIu64 " of %zu enciphered blocks have the same key in %s; the %" PRIu64
	           " bytes that both images have of them are equal",
	           a->same_blocks, enciphered, a->options->against, a->compared_bytes);
}

enum atr_status audit_images(struct audit *a, struct atr_error *err)
{
	struct atr_file_stat st;
	char key[600], state[600];
	enum atr_status rc = ATR_OK;

	if (a->files->stat(a->files->context, a->options->against, &st) < 0 || !st.is_directory)
		return atr_error_set(err, ATR_ENOTSTORE, a->options->against, -1,
		                     "no such directory");
	for (size_t i = 0; i < a->block_count && rc == ATR_OK; i++)
		if (a->block[i].has_key)
			rc = compare_block(a, &a->block[i], err);
	if (rc != ATR_OK)
		return rc;
	compare_sealed(a, "meta.inf", "meta.key");
	compare_sealed(a, "msgs/index.db", "meta.key");
	for (size_t i = 0; i < a->consumer_count; i++) {
		(void)snprintf(key, sizeof key, "obs/%.255s/meta.key", a->consumer[i]);
		(void)snprintf(state, sizeof state, "obs/%.255s/o.dat", a->consumer[i]);
		compare_sealed(a, state, key);
	}
	tell_compared(a);
	return ATR_OK;
}
